"""articles similar, merge, split: which articles tell one story is the operator's to say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.terminal import GOOD, here, local, plural

if TYPE_CHECKING:
    from pipeline.app import App
    from pipeline.store.similar import Likeness, Teller

MANY = 5           # articles of a story that a line names
PAIRS = 100        # that are read for each article listed, first
MOST_PAIRS = 100_000


def register(group: typer.Typer) -> None:
    """Add the commands to the group `articles`."""
    group.command("similar")(articles_similar)
    group.command("merge")(articles_merge)
    group.command("split")(articles_split)


def articles_similar(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many articles, each with its closest.")] = 20,
) -> None:
    """Articles that say nearly the same as an earlier one and are not one story with it yet."""
    terminal = here(context)
    with terminal.app() as app:
        found = _closest(app, limit + 1)
        zone = app.config.site.timezone
    more, found = len(found) > limit, found[:limit]
    rows: list[Sequence[object]] = []
    for family in _families(found):
        rows += [(f"{pair.percent} % like {pair.earlier.id}", *_row(pair.later, zone)) for pair in family]
        rows.append(("", *_row(family[-1].earlier, zone)))
    terminal.table(("alike", "", "published", "source", "title"), rows)
    if more:
        terminal.note(f"  and more: --limit {limit * 2}")
    if not found:
        terminal.line("Nothing says nearly the same as something else, but what is one story already.")
    terminal.result({"pairs": [_json(pair) for pair in found], "more": more})
    if found:
        one = found[0]
        terminal.next(f"`broadsheet articles merge {one.later.id} {one.earlier.id}` makes them one story; "
                      "what you leave alone stays two.")
    else:
        terminal.next("`broadsheet collect` asks the sources for more.")


def articles_merge(
    context: typer.Context,
    one: Annotated[int, typer.Argument(metavar="A", min=1)],
    other: Annotated[int, typer.Argument(metavar="B", min=1)],
) -> None:
    """Make two articles one story: feeds and digests take only the first of it, and name the others."""
    from pipeline.store import similar

    terminal = here(context)
    with terminal.app() as app:
        with app.store.write() as connection:
            story = similar.merge(connection, one, other, app.now())
        named = _named(app, story)
    terminal.line(f"{plural(len(story), 'article')} tell one story now: {named}.", GOOD)
    terminal.line("Whoever was sent one of them is not sent another.")
    terminal.result({"story": story})
    terminal.next("`broadsheet publish` puts it into the feeds; "
                  f"`broadsheet articles split {max(one, other)}` parts them again.")


def articles_split(
    context: typer.Context, article: Annotated[int, typer.Argument(metavar="A", min=1)]
) -> None:
    """Take an article out of its story: it stands by itself from now on, and is not suggested for it again."""
    from pipeline.store import similar

    terminal = here(context)
    with terminal.app() as app:
        with app.store.write() as connection:
            others = similar.split(connection, article, app.now())
        named = _named(app, others)
    terminal.line(f"Article {article} tells a story of its own now, apart from {named}.", GOOD)
    terminal.line("What was sent is not sent again; what was left out because of it may be in the next digest.")
    terminal.result({"article": article, "left": others})
    terminal.next(f"`broadsheet publish` shows it in the feeds; `broadsheet why {article}` tells where it stands.")


def _closest(app: App, limit: int) -> list[Likeness]:
    """Each article once, with the earlier one that it is most like: of n that are all alike n - 1 pairs, not n²."""
    from pipeline.store import similar

    size = min(limit * PAIRS, MOST_PAIRS)
    while True:
        with app.store.read() as connection:
            pairs = similar.suggested(connection, size)  # the latest first, and of each the closest first
        closest: dict[int, Likeness] = {}
        for pair in pairs:
            closest.setdefault(pair.later.id, pair)
        if len(closest) >= limit or len(pairs) < size or size >= MOST_PAIRS:
            return list(closest.values())[:limit]
        size = min(size * PAIRS, MOST_PAIRS)


def _families(found: Sequence[Likeness]) -> list[list[Likeness]]:
    """Pairs that hang together, the latest first; the last one's earlier article is in no other pair of its family."""
    root: dict[int, int] = {}
    families: dict[int, list[Likeness]] = {}
    for pair in reversed(found):
        first = root.setdefault(pair.earlier.id, pair.earlier.id)
        root[pair.later.id] = first
        families.setdefault(first, []).insert(0, pair)
    return sorted(families.values(), key=lambda family: -family[0].later.id)


def _row(teller: Teller, zone: str) -> tuple[int, str, str, str]:
    return teller.id, local(teller.published_at, zone), teller.source, teller.title


def _json(pair: Likeness) -> dict[str, Any]:
    return {"percent": pair.percent, "later": pair.later, "earlier": pair.earlier}


def _named(app: App, ids: Sequence[int]) -> str:
    from pipeline.store import articles

    with app.store.read() as connection:
        known = articles.by_ids(connection, ids[:MANY])
    listed = "; ".join(f'{i} "{known[i].title}"' for i in ids[:MANY] if i in known)
    return listed + (f" and {len(ids) - MANY} more" if len(ids) > MANY else "")
