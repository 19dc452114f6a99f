"""sources add, remove, block: where articles come from. What changes config.toml changes nothing else in it."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli import sourcelists, takedowns
from pipeline.cli.standings import sources_list
from pipeline.cli.terminal import DIM, GOOD, HEADING, PARTLY, WARN, Terminal, here, leave, plural
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.collect.finding.look import Looked
    from pipeline.config import Config
    from pipeline.config.edit import Table
    from pipeline.desk.newsources import Known
    from pipeline.desk.takedown import Takedown
    from pipeline.store.redaction import Extent

MOST_SHOWN = 5            # articles, alternatives and notes of an address that is looked at

TOPIC = typer.Option("--topic", metavar="TOPIC", help="Given to each of its articles; may be repeated.")
DRY_RUN = typer.Option("--dry-run", help="Show what would be written, and write nothing.")


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Where articles come from: list, add, remove, block, import, export.",
                        rich_markup_mode=None)
    group.callback(invoke_without_command=True)(sources_default)
    group.command("list")(sources_list)
    group.command("add")(sources_add)
    group.command("remove")(sources_remove)
    group.command("block")(sources_block)
    sourcelists.register(group)
    app.add_typer(group, name="sources")


def sources_default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        sources_list(context)


# --- add ---


def sources_add(
    context: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="A feed, a page, a sitemap; or a folder of documents.")],
    slug: Annotated[str, typer.Option("--slug", help="Its name for good; else made of its title.")] = "",
    title: Annotated[str, typer.Option("--title", help="Else what it calls itself.")] = "",
    topic: Annotated[list[str] | None, TOPIC] = None,
    show: Annotated[str, typer.Option("--show", help='How much to republish: "summary" or "full".')] = "",
    full_text: Annotated[bool, typer.Option("--full-text", help="Fetch each article's page for its text.")] = False,
    selector: Annotated[str, typer.Option(
        "--selector", metavar="CSS", help="Read the page as a list, and its articles where this matches.")] = "",
    every: Annotated[str, typer.Option("--every", metavar="SPAN", help='How often to ask: "30m"; else politely.')] = "",
    allow_network: Annotated[list[str] | None, typer.Option(
        "--allow-network", metavar="NET", help='A private network it may be in: "192.168.1.0/24".')] = None,
    yes: Annotated[bool, typer.Option(
        "--yes", "-y", help="Do not ask; nobody is asked without a terminal: then it is written.")] = False,
    dry_run: Annotated[bool, DRY_RUN] = False,
) -> None:
    """Find out what an address is, show what was found, and write it into config.toml."""
    from pipeline import config as configuration
    from pipeline.collect.finding.look import said, with_scheme
    from pipeline.desk.adding import check_options, folder_table, look, source_table, what_there_is

    terminal = here(context)
    if not url.strip():
        raise UsageError("sources add", "needs an address", hint="or a folder; `.` is the one you are in")
    config = configuration.load(terminal.config)
    known = what_there_is(config)
    wanted: Table = {"slug": slug, "title": title, "topics": topic or (), "show": show, "full_text": full_text,
                     "selector": selector, "every": every, "allow_networks": allow_network or ()}
    if os.path.isdir(url):  # noqa: PTH112 -- any text is a question here, however long
        found, table = None, folder_table(config, Path(url), wanted, known)
        check_options(config, wanted, str(table["folder"]))
    else:
        with_scheme(url)
        _refuse_known(known, url, slug_wanted=slug)
        check_options(config, wanted)
        terminal.note(f"Looking at {said(url)} …")
        found = look(config, url, tuple(allow_network or ()), selector, terminal.now)
        _refuse_known(known, found.url, found.moved_to, slug_wanted=slug)
        table = source_table(found, wanted, known)
        _tell_found(terminal, found, "It is" if found.url.endswith(url) else "It leads to")
        if ended := known.how_it_ended(url, found.url, found.moved_to):
            terminal.warn(ended)
    _write(terminal, config, [table], found, ask=not yes, dry_run=dry_run)


def _refuse_known(known: Known, *urls: str, slug_wanted: str) -> None:
    from pipeline.collect.finding.look import said

    if same := known.same(*urls):
        raise UsageError(said(urls[0]), f'is collected already: it is the source "{same}"',
                         hint=f"`broadsheet sources list {same}` says how it is doing")
    if slug_wanted and slug_wanted in known.names:
        raise UsageError(f'--slug "{slug_wanted}"', "is the name of another source, or was", hint="choose another")


def _tell_found(terminal: Terminal, found: Looked, verb: str) -> None:
    from pipeline.model.sources import SourceKind

    what = {SourceKind.FEED: "a feed", SourceKind.PAGE: "a page that lists articles",
            SourceKind.ARTICLE: "the page of one article", SourceKind.SITEMAP: "a sitemap"}[found.kind]
    named = f' "{found.title}"' if found.title else ""
    unit = "sitemap" if found.kind is SourceKind.SITEMAP and found.count < len(found.articles) else "article"
    holds = "" if found.kind is SourceKind.ARTICLE else f", {plural(found.count, unit)}"
    terminal.line(f"{verb} {what}{named}{f' ({found.language})' if found.language else ''}{holds}.", HEADING)
    terminal.line(f"  {found.url}")
    for one in found.articles[:MOST_SHOWN]:
        day = f"{one.published_at:%Y-%m-%d}" if one.published_at else "no date   "
        terminal.line(f"  {day}  {one.title or one.url}")
    if found.moved_to:
        terminal.note(f"  the address leads there for good: {found.moved_to}")
    for text in found.notes[:MOST_SHOWN]:
        terminal.note(f"  {text}")
    if found.alternatives:
        terminal.line("Also there (name one of these instead; the page itself goes with --selector CSS):")
        for other in found.alternatives[:MOST_SHOWN]:
            terminal.line(f"  {other.url}{f'  {other.title}' if other.title else ''}", DIM)


def _write(
    terminal: Terminal, config: Config, tables: Sequence[Table], found: Looked | None, *, ask: bool, dry_run: bool
) -> None:
    from pipeline.config.edit import as_lines, read_written, replace_config, with_sources

    written = read_written(config.path)
    text = with_sources(written.text, tables)
    slug = str(tables[0]["slug"])
    ask = ask and not dry_run and sys.stdin.isatty() and not terminal.as_json
    after = None if dry_run or ask else replace_config(written, text)  # what is said to be written is written
    terminal.line("Written into config.toml:" if after else "To be written into config.toml:")
    terminal.line(textwrap.indent("\n".join(map(as_lines, tables)).rstrip(), "  "), GOOD)
    if dry_run:
        from pipeline.config import load_text

        load_text(text, written.path)
        terminal.result({"added": False, "source": tables[0], "found": found})
        terminal.next("the same without --dry-run writes it.")
        return
    if ask and not typer.confirm("Add it?", default=True):
        terminal.line("Nothing was changed.")
        terminal.result({"added": False, "source": tables[0], "found": found})
        return
    _new_warnings(terminal, config, after or replace_config(written, text))
    terminal.line(f'"{slug}" is a source now.', GOOD)
    terminal.result({"added": True, "source": tables[0], "found": found})
    terminal.next(f"`broadsheet collect {slug}` reads it now; a service that is running begins with it by itself.")


# --- remove, block ---


def sources_remove(
    context: typer.Context,
    slug: Annotated[str, typer.Argument(metavar="SLUG")],
    dry_run: Annotated[bool, DRY_RUN] = False,
) -> None:
    """Take a source out of config.toml. What it gave stays; it is not asked again."""
    from pipeline import config as configuration
    from pipeline.config.edit import read_written, replace_config, without_source
    from pipeline.desk.adding import what_it_leaves

    terminal = here(context)
    config = configuration.load(terminal.config)
    config.source(slug)
    users = [f'feed "{f.slug}"' for f in config.feeds if slug in f.rules.sources]
    users += [f'newsletter "{n.slug}"' for n in config.newsletters if slug in n.rules.sources]
    if users:
        raise UsageError(f'source "{slug}"', f"is still named in `select` of {', '.join(users)}",
                         hint="take it out there first, or that would be left with a name for nothing")
    written = read_written(config.path)
    text, gone = without_source(written.text, slug)
    if not dry_run:
        replace_config(written, text)
    terminal.line("To be taken out of config.toml:" if dry_run else "Taken out of config.toml:")
    terminal.line(textwrap.indent(textwrap.dedent(gone).rstrip(), "  "), WARN)
    left = what_it_leaves(config, slug)
    terminal.line(left)
    terminal.result({"removed": not dry_run, "slug": slug, "lines": gone, "articles": left})
    terminal.next("the same without --dry-run does it." if dry_run else
                  "added again under any name, it is the same source, and nothing of it is taken for new.")


def sources_block(
    context: typer.Context,
    slug: Annotated[str, typer.Argument(metavar="SLUG")],
    purge: Annotated[bool, typer.Option("--purge", help="Take down everything that it gave, for good.")] = False,
    reason: Annotated[str, typer.Option(
        "--reason", metavar="TEXT", help="With --purge: kept with what is taken down.")] = "",
    yes: Annotated[bool, typer.Option(
        "--yes", "-y", help="Do not ask before taking down; without a terminal it has to be said.")] = False,
) -> None:
    """Never ask a source again; with --purge also take down everything that it gave."""
    from pipeline import config as configuration
    from pipeline.desk.takedown import foretell, known, take_down

    terminal = here(context)
    config = configuration.load(terminal.config)
    if reason and not purge:
        raise UsageError("--reason", "is kept with what is taken down, and nothing is without --purge",
                         hint="say --purge too, or leave it out")
    if not purge:
        before = _block(config, slug)
        with terminal.app():
            pass  # from now on also what is under way is dropped
        said = "was blocked already" if before else "is blocked: it is not asked again. What it gave stays"
        terminal.line(f'"{slug}" {said}.', GOOD)
        terminal.result({"slug": slug, "blocked": True, "purged": None})
        terminal.next(f"`broadsheet sources block {slug} --purge` takes down what it gave.")
        return
    with terminal.app() as app:
        state = known(app, slug)
        _ask_first(terminal, slug, foretell(app, state), yes=yes)
        if any(source.slug == slug for source in config.sources):
            _block(config, slug)
    with terminal.app() as app:
        done = take_down(app, known(app, slug), reason)
        mailbox = takedowns.mailbox(app.config, done.extent)
    _tell_takedown(terminal, slug, done, mailbox)
    if done.published.failed:
        leave(PARTLY)


def _block(config: Config, slug: str) -> bool:
    """Write it into config.toml; whether it stood there before."""
    from pipeline.config.edit import read_written, replace_config, with_key

    if config.source(slug).blocked:
        return True
    written = read_written(config.path)
    replace_config(written, with_key(written.text, slug, "blocked", True))
    return False


def _ask_first(terminal: Terminal, slug: str, extent: Extent, *, yes: bool) -> None:
    if not extent.articles and not extent.passed and not extent.digests:
        terminal.line(f'"{slug}" gave nothing that is still there to be taken down.')
        return
    more = f", and what is known of {extent.passed:,} more that were not taken" if extent.passed else ""
    left = plural(extent.sent, "mail with one of these digests", "mails with one of these digests")
    gone = f", and {left} left already and can't be taken back" if extent.sent else ""
    terminal.line(f'What "{slug}" gave will be taken down: {plural(extent.articles, "article")} in feeds, on the web '
                  f'and in {plural(len(extent.digests), "digest")}{more}.', WARN)
    terminal.line("Their words will be deleted from the database. This can't be undone; backups still hold them"
                  f"{gone}.", WARN)
    takedowns.ask(terminal, "sources block --purge", "Take it down?", yes=yes)


def _tell_takedown(terminal: Terminal, slug: str, done: Takedown, mailbox: Path | None) -> None:
    extent = done.extent
    down = f", and {plural(extent.articles, 'article')} of it taken down" if extent.articles else ""
    terminal.line(f'"{slug}" is blocked{down}.', GOOD)
    takedowns.tell(terminal, done, mailbox)
    terminal.result({"slug": slug, "blocked": True, "purged": {
        "articles": extent.articles, "passed": extent.passed, **takedowns.as_json(done)}})
    terminal.next("whoever keeps copies of your feeds or pages fetches them anew sooner or later; backups are yours to "
                  "look after.")


def _new_warnings(terminal: Terminal, before: Config, after: Config) -> None:
    old = {text.partition(": ")[2] for text in before.warnings}
    for text in after.warnings:
        if text.partition(": ")[2] not in old:
            terminal.warn(text)
