"""articles withdraw, correct: what is out already, and should not be or was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli import takedowns
from pipeline.cli.terminal import GOOD, PARTLY, WARN, Terminal, here, leave, plural
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.model.articles import Article
    from pipeline.store.redaction import Extent

MOST_LISTED = 10             # articles, before they are withdrawn
LARGEST = 10**18 - 1         # that a database takes for a number


def register(group: typer.Typer) -> None:
    """Add the commands to the group `articles`."""
    group.command("correct")(articles_correct)
    group.command("withdraw")(articles_withdraw)


def articles_withdraw(
    context: typer.Context,
    numbers: Annotated[list[int], typer.Argument(metavar="NUMBER...", min=1, max=LARGEST)],
    reason: Annotated[str, typer.Option(
        "--reason", metavar="TEXT", help="Kept with them, for `why`; no reader sees it.")] = "",
    yes: Annotated[bool, typer.Option(
        "--yes", "-y", help="Do not ask before; without a terminal it has to be said.")] = False,
) -> None:
    """Take articles back, for good: out of feeds, pages, digests and mails that have not left.

    The database keeps their words, for `why`; `sources block SLUG --purge` clears those of a whole source there, too.
    """
    from pipeline.desk.corrections import was_seen
    from pipeline.desk.takedown import foretell_withdrawal, named_articles, withdraw
    from pipeline.model.articles import ArticleStatus

    terminal = here(context)
    with terminal.app() as app:
        asked = named_articles(app, numbers)
        wanted = [article for article in asked if article.status is not ArticleStatus.WITHDRAWN]
        before = [article.id for article in asked if article.status is ArticleStatus.WITHDRAWN]
        if before:
            terminal.note(f"  withdrawn already, and left as {'it is' if len(before) == 1 else 'they are'}: "
                          f"{', '.join(map(str, before))}")
        if not wanted:
            terminal.line("Nothing was changed.")
            terminal.result({"withdrawn": [], "before": before})
            terminal.next(f"`broadsheet why {before[0]}` tells when and why it was.")
            return
        was_out = any(was_seen(app, article) for article in wanted)
        _announce(terminal, wanted, foretell_withdrawal(app, wanted))
        takedowns.ask(terminal, "articles withdraw", "Withdraw it?" if len(wanted) == 1 else "Withdraw them?", yes=yes)
        done = withdraw(app, wanted, reason)
        mailbox = takedowns.mailbox(app.config, done.extent)
    terminal.line(f"{plural(done.extent.articles, 'article')} withdrawn.", GOOD)
    takedowns.tell(terminal, done, mailbox, "it" if len(wanted) == 1 else "them")
    terminal.result({"withdrawn": [article.id for article in wanted], "before": before, **takedowns.as_json(done)})
    told = "readers that have it show \"Withdrawn\" once they fetch the feed again; "
    terminal.next(f"{told if was_out else ''}`broadsheet why {wanted[0].id}` still tells what it was: the database "
                  "keeps the words for you.")
    if done.published.failed:
        leave(PARTLY)


def articles_correct(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1, max=LARGEST)],
    words: Annotated[list[str] | None, typer.Argument(
        metavar="[WORDS]", help="What was wrong, for readers: one line of plain text.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take the note away.")] = False,
) -> None:
    """Say what was wrong in an article that is out: readers see the note above its text."""
    from pipeline.desk import corrections

    terminal = here(context)
    note = " ".join(words or [])
    if clear == bool(words):
        raise UsageError("articles correct", "needs either what was wrong or --clear, not both",
                         hint=f'like: articles correct {number} "The bridge opens in May, not in March."')
    with terminal.app() as app:
        article, changed = corrections.clear(app, number) if clear else corrections.correct(app, number, note)
        first = corrections.hidden_behind(app, article)
    named = f'{article.id} "{article.title}"'
    if clear:
        terminal.line(f"The correction of {named} is taken away." if changed else
                      f"{named} has no correction; nothing was changed.", GOOD if changed else "")
    else:
        terminal.line(f"{named} says now: {article.correction}" if changed else
                      f"{named} says so already; nothing was changed.", GOOD if changed else "")
    if first is not None:
        terminal.warn(f'Feeds show {first.id} "{first.title}", which tells the same story and came first; the note of '
                      f"{article.id} stands on its own page alone.")
    terminal.result({"article": {"id": article.id, "title": article.title}, "changed": changed,
                     "correction": article.correction, "corrected_at": article.corrected_at})
    into = "its page" if first else "the feeds"
    terminal.next(f"`broadsheet publish` puts it into {into}; mails that have left stay as they are." if changed else
                  f"`broadsheet why {article.id}` tells what readers see.")


def _announce(terminal: Terminal, wanted: Sequence[Article], extent: Extent) -> None:
    one = len(wanted) == 1
    it = "it" if one else "them"
    terminal.line(f"{plural(len(wanted), 'article')} will be withdrawn from feeds and the web"
                  + (f", and from {plural(len(extent.digests), 'digest')}" if extent.digests else "") + ":", WARN)
    for article in wanted[:MOST_LISTED]:
        terminal.line(f'  {article.id}  "{article.title}" of {article.source_title}')
    if len(wanted) > MOST_LISTED:
        terminal.line(f"  and {len(wanted) - MOST_LISTED:,} more")
    left = plural(extent.sent, f"mail with {it}", f"mails with {it}")
    gone = f"; {left} left already and can't be taken back" if extent.sent else ""
    terminal.line(f"This can't be undone, and {'it does' if one else 'they do'} not come back when "
                  f"{'its source changes it' if one else 'their sources change them'}{gone}.", WARN)
