"""sources list: how each source is doing."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.terminal import BAD, DIM, GOOD, WARN, Terminal, here, plural

if TYPE_CHECKING:
    from pipeline.desk.standing import Standing

MOST_SHOWN = 5            # slugs that the last line names
MINUTE = timedelta(minutes=1)
MILD = ("partly", "blocked")


def sources_list(
    context: typer.Context,
    slugs: Annotated[list[str] | None, typer.Argument(metavar="[SLUG]...", help="Only these; else all.")] = None,
    trouble: Annotated[bool, typer.Option("--trouble", help="Only those with something wrong.")] = False,
) -> None:
    """How each source is doing: when it is asked and why then, what it gave lately, what is wrong with it."""
    from pipeline.desk.standing import LATELY, standings

    terminal = here(context)
    with terminal.app() as app:
        wanted = [app.config.source(slug).slug for slug in slugs or []]
        found = standings(app, wanted)
        now = app.now()
    troubled = [one for one in found if one.trouble and one.mood != "blocked"]  # that is as it should be
    shown = troubled if trouble else found
    _tell_all(terminal, shown, now, LATELY)
    terminal.result({"sources": [_json(one) for one in shown]})
    if not found:
        terminal.line("There is no source yet.")
        terminal.next("`broadsheet sources add URL` finds out what an address is, and adds it.")
        return
    if trouble and not shown:
        terminal.line("All is well with every source.", GOOD)
    named = ", ".join(one.slug for one in troubled[:MOST_SHOWN]) + (" …" if len(troubled) > MOST_SHOWN else "")
    held = [one.slug for one in shown if one.counts.held]
    if held:
        terminal.next(f"`broadsheet articles release --source {held[0]}` lets held articles in, `broadsheet articles "
                      "list --held` shows them.")
    elif troubled and not trouble:
        terminal.next(f"{plural(len(troubled), 'source')} with something wrong: {named}. "
                      "`broadsheet sources list --trouble` shows only these.")
    else:
        terminal.next("`broadsheet collect SLUG` asks one now; `broadsheet sources add URL` adds one.")


def _tell_all(terminal: Terminal, found: Sequence[Standing], now: datetime, lately: timedelta) -> None:
    if not found:
        return
    width = max(len("source"), *(len(one.slug) for one in found))
    terminal.line(f"{'source':<{width}}  {'kind':<7}  {'asked':<10}  {'next':<9}  {f'new, {lately.days} d':>8}"
                  f"  {'waits':>5}  {'held':>4}", DIM)
    for one in found:
        style = "" if not one.trouble else WARN if one.mood in MILD else BAD
        counts = one.counts
        terminal.line(
            f"{one.slug:<{width}}  {one.kind:<7}  {_ago(one.asked_at, now):<10}  {_ahead(one.next_at, now):<9}"
            f"  {counts.recent or '':>8}  {counts.waiting or '':>5}  {counts.held or '':>4}".rstrip(),
            style)
        for text, style in _details(one):
            terminal.line(_folded(text, 4), style)


def _details(one: Standing) -> Iterator[tuple[str, str]]:
    if one.trouble:
        first, *more = one.trouble.split("\n")
        style = WARN if one.mood in MILD else BAD
        yield f"! {first}" if one.mood in MILD else f"✗ {first}", style
        for text in more:
            yield f"  {text}", style
    if one.advice:
        yield f"what to do: {one.advice}", ""
    if one.asks:
        yield f"asked at {one.asks} instead", DIM
    if one.moving:
        yield one.moving, ""
    if one.why:
        yield one.why, DIM


def _json(one: Standing) -> dict[str, Any]:
    counts = one.counts
    return {
        "slug": one.slug, "title": one.title, "kind": one.kind, "location": one.location, "asks": one.asks,
        "standing": str(one.mood), "trouble": one.trouble, "advice": one.advice, "asked_at": one.asked_at,
        "next_at": one.next_at, "moving": one.moving, "why": one.why, "failures": one.failures, "error": one.error,
        "articles": counts.articles, "new_lately": counts.recent, "waiting": counts.waiting, "held": counts.held}


def _ago(moment: datetime | None, now: datetime) -> str:
    return f"{_span(now - moment)} ago" if moment and now - moment >= MINUTE else "just now" if moment else "never"


def _ahead(moment: datetime | None, now: datetime) -> str:
    return f"in {_span(moment - now)}" if moment and moment - now >= MINUTE else "now" if moment else "never"


def _span(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h" if minutes < 60 * 48 else (
        f"{minutes // 1440} d")


def _folded(text: str, indent: int) -> str:
    """A text within the screen, where somebody looks at one."""
    if not sys.stdout.isatty():
        return " " * indent + text
    width = max(40, shutil.get_terminal_size().columns)
    return textwrap.fill(text, width, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2),
                         break_on_hyphens=False, break_long_words=False)
