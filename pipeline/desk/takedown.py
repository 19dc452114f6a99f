"""Taking a source down everywhere: database, feeds, web, and what has not been sent yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.app import App
from pipeline.compose.stage import selection_subject
from pipeline.errors import UsageError
from pipeline.model.articles import Article
from pipeline.model.letterhead import Letterhead
from pipeline.model.selection import Candidate, Selection
from pipeline.publish.stage import Published, publish
from pipeline.store import Connection, digests, purge, sources
from pipeline.store.purge import Extent
from pipeline.store.sources import SourceState

WITHDRAWN = "its source was taken down"


@dataclass(frozen=True, slots=True)
class Takedown:
    """What was done. `strays` are folders under feeds/ that belong to no feed of config.toml: they are not rebuilt,
    and may hold copies."""

    extent: Extent
    digests: tuple[str, ...]      # by name
    published: Published
    strays: tuple[Path, ...]


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
    said = f"{WITHDRAWN}: {reason}" if reason else WITHDRAWN
    with app.store.write() as connection:
        extent = purge.purge(connection, state.id, said, _Rewording(app, connection), app.now())
        named = tuple(f"{d.newsletter}/{d.name}" for d in (digests.get(connection, i) for i in extent.digests))
    purge.overwrite(app.store)
    return Takedown(extent, named, publish(app.store, app.config), _strays(app))


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
    if not folder.is_dir():
        return ()
    built = {feed.slug for feed in app.config.feeds}
    return tuple(sorted(p for p in folder.iterdir() if p.is_dir() and p.name not in built))
