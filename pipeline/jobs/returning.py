"""Reading what came back as a job: bounces, complaints and requests to leave, from the mailbox of `[mail.returns]`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline.app import App
from pipeline.audience.returns.counted import Ingested
from pipeline.errors import BroadsheetError

if TYPE_CHECKING:
    from pipeline.audience.returns.mailbox import Mailbox
    from pipeline.audience.returns.take import Parts


def read_returns(app: App, going: Callable[[], bool] = lambda: True) -> Ingested:
    """Never fails: a mailbox that can't be read is a problem that is told, and the next reading goes on."""
    returns = app.config.mail.returns if app.config.mail is not None else None
    if returns is None or not (returns.maildir or returns.imap):
        return Ingested()
    from pipeline.audience.returns.stage import mailbox_of

    mailbox = mailbox_of(returns)
    return read_mailbox(app, mailbox, going) if mailbox is not None else Ingested()


def read_mailbox(app: App, mailbox: Mailbox, going: Callable[[], bool] = lambda: True) -> Ingested:
    from pipeline.audience.returns.stage import ingest

    done = Ingested()
    try:
        ingest(parts(app), mailbox, app.now, done, going)
    except BroadsheetError as error:
        done.problem = str(error)
    return done


def parts(app: App) -> Parts:
    from pipeline.audience.returns.decide import Limits
    from pipeline.audience.returns.take import Parts

    returns = app.config.mail.returns if app.config.mail is not None else None
    limits = Limits(returns.soft_limit, returns.soft_within) if returns is not None else Limits()
    return Parts(app.store, app.keyring, limits)
