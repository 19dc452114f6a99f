"""why, articles: what became of an article; held ones are let in here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli import likenesses, secondthoughts
from pipeline.cli.terminal import GOOD, HEADING, Terminal, here, leave, local, plural
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.desk.why import PassedFacts

MOST_HELD = 100_000


def register(app: typer.Typer) -> None:
    app.command()(why)
    group = typer.Typer(help="List articles, let held ones in, correct and withdraw them, say which tell one story.",
                        rich_markup_mode=None)
    group.callback(invoke_without_command=True)(articles_default)
    group.command("list")(articles_list)
    group.command("release")(articles_release)
    secondthoughts.register(group)
    likenesses.register(group)
    app.add_typer(group, name="articles")


def why(
    context: typer.Context,
    article: Annotated[list[str], typer.Argument(metavar="ARTICLE", help="Number, address, or words of its title.")],
    newsletter: Annotated[str, typer.Option("--newsletter", help="Only this newsletter.")] = "",
    subscriber: Annotated[str, typer.Option("--subscriber", metavar="ADDRESS", help="And this person.")] = "",
) -> None:
    """Tell the story of an article. Where it came from, which feeds and digests have it, who got it, and why not."""
    from pipeline.desk.evidence import find, gather
    from pipeline.desk.why import tell

    terminal = here(context)
    words = " ".join(article)
    with terminal.app() as app:
        found = find(app, words)
        if isinstance(found, list):
            _why_not_taken(terminal, found, app.config.site.timezone)
            return
        chapters = tell(gather(app, found, newsletter=newsletter, address=subscriber))
    terminal.line(f'{found.id}  "{found.title}"' if found.title else f"{found.id}  (taken down)", HEADING)
    for chapter in chapters:
        terminal.line()
        terminal.line(chapter.heading, HEADING)
        for sentence in chapter.sentences:
            terminal.line(f"  {sentence}")
    terminal.line()
    terminal.result({"article": {"id": found.id, "title": found.title, "url": found.url, "status": str(found.status)},
                     "story": [{"heading": c.heading, "sentences": c.sentences} for c in chapters]})
    terminal.next("`--subscriber ADDRESS` tells what one person got of it." if not subscriber else
                  f"`broadsheet preview NEWSLETTER --to {subscriber}` shows their next mail.")


def articles_default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        articles_list(context)


def articles_list(
    context: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(metavar="[WORDS]", help="In title or address.")] = None,
    held: Annotated[bool, typer.Option("--held", help="Only those that wait for you.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many.")] = 20,
) -> None:
    """The latest articles."""
    from pipeline.model.articles import ArticleStatus
    from pipeline.store import articles

    terminal = here(context)
    with terminal.app() as app:
        with app.store.read() as connection:
            found = articles.search(connection, status=ArticleStatus.HELD if held else None,
                                    text=" ".join(words or []), limit=limit)
        zone = app.config.site.timezone
    terminal.table(("", "published", "source", "status", "title"), [
        (a.id, local(a.published_at, zone), a.source,
         a.status if a.mailable or a.status != ArticleStatus.ACCEPTED else "feeds only",
         a.title or "(taken down)") for a in found])
    reasons = dict.fromkeys(f"{a.source}: {a.reason}" for a in found if a.status is ArticleStatus.HELD and a.reason)
    for reason in reasons:
        terminal.note(f"  held, {reason}")
    if not found:
        terminal.line("No article is held." if held else "There is no such article." if words else
                      "There is no article yet.")
    terminal.result({"articles": [
        {"id": a.id, "title": a.title, "source": a.source, "url": a.url, "status": a.status, "reason": a.reason,
         "published_at": a.published_at, "mailable": a.mailable} for a in found]})
    terminal.next("`broadsheet articles release --source SLUG` lets held ones in." if held and found else
                  "`broadsheet why NUMBER` tells the story of one." if found else "`broadsheet once` collects.")


def articles_release(
    context: typer.Context,
    numbers: Annotated[list[int] | None, typer.Argument(metavar="[NUMBER]...")] = None,
    source: Annotated[str, typer.Option("--source", metavar="SLUG", help="Everything held of this source.")] = "",
) -> None:
    """Accept articles that are held: they enter feeds, and the next digests, as of now."""
    from pipeline.model.articles import ArticleStatus
    from pipeline.store import articles

    terminal = here(context)
    if bool(numbers) == bool(source):
        raise UsageError("articles release", "needs either numbers or --source SLUG",
                         hint="`broadsheet articles list --held` shows what waits")
    with terminal.app() as app:
        if source:
            app.config.source(source)
        with app.store.write() as connection:
            if source:
                held = articles.search(connection, status=ArticleStatus.HELD, limit=MOST_HELD)
                wanted = [a.id for a in held if a.source == source]
            else:
                wanted = list(dict.fromkeys(numbers or []))
                for number in wanted:
                    articles.by_id(connection, number)
            released = articles.release(connection, wanted, app.now())
    terminal.line(f"{plural(released, 'article')} accepted.", GOOD if released else "")
    if released < len(wanted):
        terminal.note(f"  {plural(len(wanted) - released, 'article')} had not been held, and stayed as it was.")
    terminal.result({"released": released, "asked": len(wanted)})
    terminal.next("`broadsheet publish` puts them into the feeds; the next digests have them." if released else
                  "`broadsheet articles list --held` shows what waits.")
    leave(0)


def _why_not_taken(terminal: Terminal, passed: Sequence[PassedFacts], zone: str) -> None:
    from pipeline.desk.why import next_after, tell_passed

    for chapter in tell_passed(passed, zone):
        terminal.line(chapter.heading, HEADING)
        for sentence in chapter.sentences:
            terminal.line(f"  {sentence}")
        terminal.line()
    terminal.result({"article": None, "passed": passed})
    terminal.next(next_after(passed))
