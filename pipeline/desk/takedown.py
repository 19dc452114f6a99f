"""Taking back what was let in, everywhere: database, feeds, web, pictures, and what has not been sent yet.

A whole source is taken down, single articles are withdrawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.app import App
from pipeline.compose.pictures.gather import clear_pictures
from pipeline.compose.press import selection_subject
from pipeline.errors import BroadsheetError, UsageError
from pipeline.model.articles import Article
from pipeline.model.feeds import NEWSLETTERS
from pipeline.model.letterhead import Letterhead
from pipeline.model.selection import Candidate, Selection
from pipeline.publish.published import Published
from pipeline.publish.stage import publish
from pipeline.store import Connection, articles, digests, purge, sources, withdrawals
from pipeline.store.redaction import Extent
from pipeline.store.sources import SourceState
from pipeline.text.legal import one_line

TAKEN_DOWN = "its source was taken down"
TAKEN_BACK = "the operator took it back"

MOST_AT_ONCE = 1_000
"""Articles withdrawn in one transaction, while nobody else can write."""

MAX_REASON = 1_000   # characters

OURS = frozenset({"sitemaps", NEWSLETTERS})
"""Folders beside those of feeds that publishing writes."""


@dataclass(frozen=True, slots=True)
class Takedown:
    """What was done. `spoken` are digests with an introduction or a subject of the operator's, which may speak of what
    was taken back. `strays` are folders under feeds/ that belong to no feed of config.toml: they are not rebuilt, and
    may hold copies."""

    extent: Extent
    digests: tuple[str, ...]      # by name
    published: Published
    strays: tuple[Path, ...]
    spoken: tuple[str, ...] = ()  # by name


# --- a source ---


def known(app: App, slug: str) -> SourceState:
    """A source, also one that config.toml no longer has. Raises UsageError."""
    with app.store.read() as connection:
        state = sources.states(connection, [slug]).get(slug)
    if state is None:
        app.config.source(slug)  # says what is near
        raise UsageError(f'"{slug}"', "no such source")
    return state


def foretell(app: App, state: SourceState) -> Extent:
    with app.store.read() as connection:
        return purge.extent(connection, state.id)


def take_down(app: App, state: SourceState, reason: str) -> Takedown:
    """Blank all that a source gave, and build the feeds anew. The source itself has to be blocked before."""
    with app.store.write() as connection:
        extent = purge.purge(connection, state.id, _said(TAKEN_DOWN, reason), _Rewording(app, connection), app.now())
        named, spoken = _named(connection, extent.digests), _named(connection, extent.spoken)
    purge.overwrite(app.store)
    clear_pictures(app.store, app.picture_folder, unused_s=0)
    return Takedown(extent, named, _publish(app), _strays(app), spoken)


# --- single articles ---


def named_articles(app: App, numbers: Sequence[int]) -> list[Article]:
    """The articles of these numbers, each once. Raises UsageError for the first that is not there."""
    wanted = list(dict.fromkeys(numbers))
    if len(wanted) > MOST_AT_ONCE:
        raise UsageError(f"{len(wanted):,} articles", "are too many for one transaction",
                         hint=f"withdraw {MOST_AT_ONCE:,} at a time; `broadsheet sources block SLUG --purge` takes "
                              "down all of a source")
    with app.store.read() as connection:
        found = articles.by_ids(connection, wanted)
        return [found.get(number) or articles.by_id(connection, number) for number in wanted]


def foretell_withdrawal(app: App, wanted: Sequence[Article]) -> Extent:
    with app.store.read() as connection:
        return withdrawals.extent(connection, [article.id for article in wanted])


def withdraw(app: App, wanted: Sequence[Article], reason: str) -> Takedown:
    """Take articles back, and build the feeds anew. What is withdrawn already stays as it is."""
    with app.store.write() as connection:
        extent = withdrawals.withdraw(connection, [article.id for article in wanted], _said(TAKEN_BACK, reason),
                                      _Rewording(app, connection), app.now())
        named, spoken = _named(connection, extent.digests), _named(connection, extent.spoken)
    clear_pictures(app.store, app.picture_folder, unused_s=0)
    return Takedown(extent, named, _publish(app), _strays(app), spoken)


def _said(what: str, reason: str) -> str:
    reason = one_line(reason, MAX_REASON)
    return f"{what}: {reason}" if reason else what


def _named(connection: Connection, digest_ids: Sequence[int]) -> tuple[str, ...]:
    return tuple(f"{d.newsletter}/{d.name}" for d in (digests.get(connection, i) for i in digest_ids))


def _publish(app: App) -> Published:
    """What is taken back stays so where feeds can't be built now; that is said, and the next run builds them."""
    try:
        return publish(app.publishing(), app.now())
    except BroadsheetError as error:
        return Published(failed={"": str(error)})


class _Rewording:
    """Subject and preheader of what is left of a selection; each digest is read once."""

    def __init__(self, app: App, connection: Connection) -> None:
        self._templates = app.templates()
        self._connection = connection
        self._digests: dict[int, tuple[Letterhead, list[Article], dict[int, Candidate]]] = {}

    def __call__(self, digest_id: int, article_ids: Sequence[int], more: int) -> tuple[str, str]:
        if digest_id not in self._digests:
            frozen = digests.frozen_articles(self._connection, digest_id)
            self._digests[digest_id] = (Letterhead.from_json(digests.settings(self._connection, digest_id)),
                                        [article for article, _ in frozen], {how.id: how for _, how in frozen})
        head, told, by_id = self._digests[digest_id]
        selection = Selection(tuple(by_id[i] for i in article_ids if i in by_id), more)
        return selection_subject(self._templates, head, selection, told)


def _strays(app: App) -> tuple[Path, ...]:
    folder = app.config.paths.feeds
    if not isinstance(folder, Path) or not folder.is_dir():  # of a bucket nothing is known but what we put there
        return ()
    built = {name for feed in app.config.feeds for name in (feed.slug, *feed.former)} | OURS
    return tuple(sorted(p for p in folder.iterdir() if p.is_dir() and p.name not in built))
