"""send-test: the next send, marked, to one address; it changes nobody's window and its own links do nothing.

Where nothing is new it tells the latest articles again, so that a newcomer always gets something to look at.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipeline.app import App
from pipeline.audience.addresses import read_address
from pipeline.compose.choose import Plan, choose, plan_of
from pipeline.config import Newsletter
from pipeline.deliver.notices import send_now
from pipeline.deliver.stage import Outbox, new_lease
from pipeline.desk.preview import draft, known_id, make_sheet
from pipeline.desk.sheet import Reader, Sheet
from pipeline.errors import BroadsheetError, UsageError
from pipeline.model.deliveries import DeliveryState, Outcome
from pipeline.model.newsletters import Digest
from pipeline.model.runs import Slot
from pipeline.store import Connection, articles, meta, notices
from pipeline.store.notices import TEST, Draft

MARK = "[Test] "


@dataclass(frozen=True, slots=True)
class Trial:
    """A test mail and what became of it. `again`: nothing was new, so it tells the latest articles."""

    sheet: Sheet
    outcome: Outcome
    again: bool

    @property
    def sent(self) -> bool:
        return self.outcome.state is DeliveryState.SENT


def send_test(app: App, newsletter: Newsletter, address: str, *, schedule: str = "") -> Trial:
    """Send it now. Raises UsageError for a bad address or where there is no article at all, BroadsheetError while
    outgoing mail is stopped, TransportError where nothing can leave."""
    recipient, _ = read_address(address)
    refuse_while_stopped(app)
    chosen = app.config.schedule(newsletter.slug, schedule)
    due = chosen.times.next_after(app.now())
    digest = draft(newsletter, Slot(chosen.slug, due.nominal, due.due_at), app.now())
    with app.store.read() as connection:
        plan, again = _content(connection, newsletter, chosen.slug, digest, app.now())
    sheet = make_sheet(app, newsletter, digest, plan, Reader(recipient), mark=MARK,
                       unsubscribe_url=f"{app.config.site.public_url}/u/test",
                       preferences_url=f"{app.config.site.public_url}/p/test")
    envelope = sheet.envelope
    with app.store.write() as connection:
        notice = notices.queue(connection, Draft(TEST, envelope.recipient, envelope.sender, envelope.message_id,
                                                 sheet.subject, sheet.eml), app.now())
    if notice is None:
        raise AssertionError("only a notice with a key can be there already")
    outbox = Outbox(app.store, app.keyring, app.transport(), new_lease(TEST), app.now, signers=app.signers(),
                    return_path=app.config.mail.return_address if app.config.mail is not None else "")
    return Trial(sheet, send_now(outbox, notice), again)


def refuse_while_stopped(app: App) -> None:
    with app.store.read() as connection:
        stopped = meta.get(connection, meta.OUTGOING_STOPPED)
    if stopped:
        raise BroadsheetError("outgoing mail", f"is stopped: {stopped}", hint="`broadsheet go` lets it out again")


def _content(
    connection: Connection, newsletter: Newsletter, schedule: str, digest: Digest, now: datetime
) -> tuple[Plan, bool]:
    """(what is rendered, whether it was told before)."""
    plan = choose(connection, known_id(connection, newsletter), newsletter, schedule, digest, now)
    if plan.people and plan.fresh and plan.selection(plan.most).articles:
        return plan, False
    latest = articles.newest(connection, plan.rules, plan.rules.limit * 2)
    cut = max((a.accepted_seq for a in latest), default=0)
    again = plan_of(plan, latest, cut, digest)
    if not again.selection(again.most).articles:
        raise UsageError(f'newsletter "{newsletter.slug}"', "there is no article for it yet",
                         hint="`broadsheet once` collects; `broadsheet articles list` shows what there is")
    return again, True
