"""publish: articles | enter feeds | choose | build RSS, Atom, JSON and a page | write only what changed.

One process at a time. Articles enter feeds first, once and for all (`enrol`); then each feed that holds something which
changed is built: its archives, then the document that people subscribe to, so that this never names one that is not
there. Only then the rows say that it is built, so whoever is cut off anywhere does it again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from pipeline.config import Config
from pipeline.errors import BroadsheetError, TemplateError
from pipeline.model.articles import Article
from pipeline.model.feeds import ATOM_FILE, INDEX_FILE, JSON_FILE, RSS_FILE, TWINS, Document, FeedPage, plain_name
from pipeline.model.letterhead import Letterhead
from pipeline.publish import newsletters, volumes
from pipeline.publish.delta import etag
from pipeline.publish.documents import Sheets, archive_document, subscription_document
from pipeline.publish.enrol import enrol
from pipeline.publish.entries import Imprint, authority
from pipeline.publish.jsonfeed import build_json
from pipeline.publish.moulds import cast
from pipeline.publish.newsletters import Letters
from pipeline.publish.page import feed_page
from pipeline.publish.places import Place, open_place, with_twins
from pipeline.publish.published import Published
from pipeline.publish.sitewide import publish_sitewide, sizes_of
from pipeline.publish.targets import FORMAT, Target, fingerprint, page_of
from pipeline.render.pages import Pages
from pipeline.render.subjects import subject_of
from pipeline.store import changes, feed_entries, feed_versions, feeds, meta, public_digests
from pipeline.store.engine import Store
from pipeline.store.feeds import FeedState

if TYPE_CHECKING:
    from pipeline.render.templates import Templates

DOCUMENTS = (RSS_FILE, ATOM_FILE, JSON_FILE)
TEMPLATES = "feeds"   # the folder that pages' templates are in, and their style sheet


@dataclass(frozen=True, slots=True)
class Parts:
    """What publishing needs. `templates`: folders, the operator's first. `config_print`: `print_of` the config, worked
    out once: of a thousand feeds that takes longer than to see that nothing is new. `digest_templates` is asked where a
    digest's subject is to be said, and not before: they take a while to load."""

    store: Store
    config: Config
    templates: tuple[Path, ...]
    config_print: str
    digest_templates: Callable[[], Templates]


def print_of(config: Config) -> str:
    """Of whatever in a configuration has to do with feeds."""
    known = (config.site, config.paths, config.feeds, config.newsletters, config.publish, config.sources)
    return hashlib.sha256(repr(known).encode()).hexdigest()


def publish(parts: Parts, now: datetime, slugs: Collection[str] = (), *, everything: bool = False) -> Published:
    """Build what is not built yet, of all feeds or of those named. `everything` looks at each file, whatever the rows
    say of it. A file whose bytes stay the same is not touched."""
    with parts.store.alone("publish"):
        return _Run(parts, now, everything=everything).run(slugs)


class _Run:
    """One call: what all its feeds share."""

    def __init__(self, parts: Parts, now: datetime, *, everything: bool) -> None:
        self._store, self._config, self._folders = parts.store, parts.config, parts.templates
        self._config_print, self._digest_templates = parts.config_print, parts.digest_templates
        self._now = now
        self._everything = everything
        self._place: Place = open_place(parts.config)
        self._done = Published(where=self._place.where)
        self._stamp = _stamp(parts.templates)
        self._zone = ZoneInfo(parts.config.site.timezone)
        self._pages: dict[int, FeedPage] = {}
        self._meddled: set[int] = set()

    def run(self, slugs: Collection[str]) -> Published:
        setting = self._setting()
        with self._store.read() as connection:
            was, _, seq = meta.get(connection, meta.PUBLISHED).partition(" ")
            latest = changes.latest(connection)
            sizes = feeds.sizes(connection) | sizes_of(connection) if (was, seq) == (setting, str(latest)) else None
        if sizes is not None and not slugs and not self._everything and not self._place.differing(sizes):
            self._done.unchanged = len(sizes)
            return self._done
        if was and was != setting:  # until everything is built by this one, some may be built by either
            with self._store.write() as connection:
                meta.remove(connection, meta.PUBLISHED)
        self._seq, targets = enrol(self._store, self._config, self._now, self._done.notes)
        self._clear_ended()
        self._imprint = self._make_imprint()
        self._targets = {target.state.id: target for target in targets}
        asked = [t for t in targets if not slugs or t.slug in slugs or t.feed.slug in slugs]
        stale = self._stale(asked, same=was == setting)
        for target in asked:
            if target.state.id in stale:
                self._build(target)
            else:
                self._done.unchanged += len(target.state.files)
        with_nothing_new = [t.state.id for t in asked if t.state.id not in stale and t.state.built_seq < self._seq]
        if with_nothing_new:
            with self._store.write() as connection:
                feeds.advance(connection, with_nothing_new, self._seq)
        self._newsletters(slugs)
        if not slugs:
            self._sitewide()
        if not slugs and not self._done.failed:
            with self._store.write() as connection:
                meta.put(connection, meta.PUBLISHED, f"{setting} {self._seq}")
        return self._done

    def _setting(self) -> str:
        """Of everything but articles and feeds' rows: where it is the same, so is each feed's fingerprint."""
        with self._store.read() as connection:
            letters = public_digests.public_state(connection)
        return hashlib.sha256(repr((FORMAT, self._config_print, self._stamp, letters)).encode()).hexdigest()[:24]

    def _make_imprint(self) -> Imprint:
        """The host in ids is the first one that readers could reach, for good: a site that moves keeps its ids."""
        site = self._config.site
        host = authority(site.public_url)
        with self._store.read() as connection:
            known = meta.get(connection, meta.TAG_AUTHORITY)
        if not known or (_is_local(known) and not _is_local(host)):
            with self._store.write() as connection:
                meta.put(connection, meta.TAG_AUTHORITY, host)
            known = host
        return Imprint(known, site.public_url, site.language)

    def _page_of(self, feed_id: int) -> FeedPage:
        """What a feed says of itself, worked out once."""
        if feed_id not in self._pages:
            self._pages[feed_id] = page_of(self._config, self._targets[feed_id], self._imprint.authority)
        return self._pages[feed_id]

    def _fingerprint(self, target: Target) -> str:
        below = [self._targets[i].slug for i in self._below(target)]
        return fingerprint(self._config, target, self._page_of(target.state.id), f"{self._stamp} {below}")

    def _stale(self, targets: Sequence[Target], *, same: bool) -> set[int]:
        """The feeds whose files may not tell everything. `same`: all were built by the present configuration."""
        if self._everything:
            return {target.state.id for target in targets}
        stale = {t.state.id for t in targets if not t.state.fingerprint
                 or volumes.archived(t.state.entries, t.state.archive_size or 1) != t.state.archived
                 or (not same and t.state.fingerprint != self._fingerprint(t))}
        behind = [t.state.built_seq for t in targets if t.state.built_seq < self._seq]
        if behind:
            with self._store.read() as connection:
                stale |= feed_entries.affected(connection, min(behind))
        sizes = {name: size for t in targets if t.state.id not in stale for name, size in t.state.files.items()}
        odd = set(self._place.differing(sizes))
        # whoever took one file away may have taken archives, too
        self._meddled = {t.state.id for t in targets if odd and not odd.isdisjoint(t.state.files)}
        return stale | self._meddled

    def _build(self, target: Target) -> None:
        try:
            self._build_feed(target, self._fingerprint(target))
        except BroadsheetError as error:
            self._done.failed[target.slug] = str(error)

    def _build_feed(self, target: Target, print_now: str) -> None:
        state = target.state
        anew = state.fingerprint != print_now
        size = volumes.size_for(target.limit) if anew or not state.archive_size else state.archive_size
        sheets = Sheets(target, self._page_of(state.id), self._imprint, state.entries, size)
        if sheets.page.complete and not sheets.complete:
            self._done.notes.append(f"feed {target.slug}: has too many entries to be complete, and archives instead")
        newest = self._archives(sheets, anew=anew or size != state.archive_size)
        document = subscription_document(self._store, sheets, self._done.notes)
        files = _documents(document)
        above = self._page_of(state.parent_id) if state.parent_id in self._targets else None
        below = [self._page_of(i) for i in self._below(target)]
        page = self._page(target.slug, document, parent=above, topics=below)
        named = self._put_main(state, target.folders, {**page, **files})
        if anew or self._everything:
            self._sweep({*target.folders, *state.folders}, {*named, *self._archive_names(sheets)})
        self._record(state, document, print_now, files, {**newest, **named}, anew=anew, folders=target.folders,
                     articles=[entry.article_id for entry in document.entries],
                     archived=sheets.archived, archive_size=sheets.size)

    def _newsletters(self, slugs: Collection[str]) -> None:
        """The feeds of newsletters: what enters them are digests, and they have no archives."""
        with self._store.read() as connection:
            self._letters = newsletters.letters(connection, self._config, self._imprint, self._stamp)
        for letters in self._letters:
            if slugs and letters.slug not in slugs:
                continue
            if not (self._everything or letters.stale or self._place.differing(letters.state.files)):
                self._done.unchanged += len(letters.state.files)
                if letters.state.built_seq < self._seq:
                    with self._store.write() as connection:
                        feeds.advance(connection, [letters.state.id], self._seq)
                continue
            try:
                self._build_letters(letters)
            except BroadsheetError as error:
                self._done.failed[letters.slug] = str(error)

    def _build_letters(self, letters: Letters) -> None:
        with self._store.read() as connection:
            document = newsletters.document(connection, letters, self._imprint, self._subject, self._done.notes)
        files = _documents(document)
        home = f"{self._imprint.site_url}/n/{letters.newsletter.slug}/"
        named = self._put_main(letters.state, letters.folders,
                               {**self._page(letters.slug, document, newsletter=home), **files})
        self._sweep({*letters.folders, *letters.state.folders}, named)
        self._record(letters.state, document, letters.fingerprint, files, named, anew=True, folders=letters.folders)

    def _subject(self, head: Letterhead, articles: Sequence[Article]) -> str:
        return subject_of(self._digest_templates(), head, articles)

    def _put_main(self, state: FeedState, folders: Collection[str], files: dict[str, bytes]) -> dict[str, bytes]:
        """Write a feed's main documents and its page, as which they are returned: under each of its folders, and with
        their twins."""
        named = {f"{folder}/{name}": data for folder in folders for name, data in files.items()}
        named = with_twins(named, self._config.publish.compress)
        self._put(named)
        # a twin that a file has no more, say: servers would go on sending the old words
        self._remove(name for name in state.files if name not in named and name.rpartition("/")[0] in folders)
        return named

    def _archives(self, sheets: Sheets, *, anew: bool) -> dict[str, int]:
        """A file of the newest, and its size: where that is gone, somebody took archives away."""
        state = sheets.target.state
        if not sheets.archived:
            return {}
        last = sheets.archived // sheets.size
        watched = f"{sheets.target.slug}/{volumes.folder(last, sheets.size)}{RSS_FILE}"
        newest = {watched: state.files[watched]} if watched in state.files else {}
        if anew or self._everything or state.id in self._meddled:
            numbers = list(range(last, 0, -1))
        else:
            with self._store.read() as connection:
                changed = feed_entries.changed_positions(connection, state.id, state.built_seq, sheets.archived)
            numbers = volumes.to_write(state.archived, sheets.archived, sheets.size, changed)
        for number in numbers:
            document = archive_document(self._store, sheets, number, self._done.notes)
            files = {f"{sheets.target.slug}/{document.volume.folder}{name}": data
                     for name, data in _documents(document).items()}
            self._put(with_twins(files, self._config.publish.compress))
            if number == last:
                newest[watched] = len(files[watched])
        return newest

    def _page(self, slug: str, document: Document, **around: Any) -> dict[str, bytes]:
        """The page for people. Where the operator's template is broken that is said, and ours takes its place: the page
        that was there may hold what was withdrawn."""
        try:
            return {INDEX_FILE: feed_page(self._templates, document, zone=self._zone, **around)}
        except TemplateError as error:
            self._done.failed[slug] = f"its page: {error}"
        return {INDEX_FILE: feed_page(_pages(self._folders[-1:], self._stamp), document, zone=self._zone, **around)}

    @property
    def _templates(self) -> Pages:
        return _pages(self._folders, self._stamp)

    def _below(self, target: Target) -> list[int]:
        """The feeds of its topics."""
        if not target.splits:
            return []
        return [i for i, other in self._targets.items() if other.state.parent_id == target.state.id]

    def _put(self, files: dict[str, bytes]) -> None:
        written = self._place.put(files)
        self._done.written += map(PurePosixPath, written)
        self._done.unchanged += len(files) - len(written)

    def _sweep(self, folders: Iterable[str], wanted: Collection[str]) -> None:
        """Remove what a feed's folders hold of earlier configurations: twins, archives, copies. Others' files stay."""
        for folder in folders:
            there = [name for name in self._place.names(folder) if _is_ours(name, folder)]
            self._remove(name for name in there if name not in wanted)

    def _archive_names(self, sheets: Sheets) -> set[str]:
        last = sheets.archived // sheets.size
        suffixes = ["", *(TWINS[coding] for coding in self._config.publish.compress)]
        return {f"{sheets.target.slug}/{volumes.folder(number, sheets.size)}{name}{suffix}"
                for number in range(1, last + 1) for name in DOCUMENTS for suffix in suffixes}

    def _record(
        self, state: FeedState, document: Document, print_now: str, files: dict[str, bytes],
        written: Mapping[str, bytes | int], *, anew: bool, folders: Sequence[str], articles: Sequence[int] = (),
        **archives: int,
    ) -> None:
        """`articles` are those that a reader could be told of alone when they are new."""
        etags = {name: etag(data) for name, data in files.items()}
        sizes = {name: of if isinstance(of, int) else len(of) for name, of in written.items()}
        mended = state.slug not in self._done.failed
        with self._store.write() as connection:
            news = feed_versions.newest_etags(connection, state.id) != etags
            if anew:  # what changed by configuration has no number that would tell a reader of it
                feed_versions.forget_versions(connection, state.id)
            feed_versions.add_version(connection, state.id, self._seq, etags, articles)
            if news and document.page.hub:
                feeds.has_news(connection, state.id, self._now)
            feeds.record(
                connection, state.id, fingerprint=print_now if mended else "", built_seq=self._seq,
                updated_at=document.updated_at, folders=json.dumps(folders), files=json.dumps(sizes), **archives)

    def _clear_ended(self) -> None:
        """Remove the files of feeds that are not published any more."""
        with self._store.read() as connection:
            ended = feeds.to_clear(connection)
            states = feeds.states(connection) if ended else []
        live = {folder for state in states if state.ended_at is None for folder in (state.slug, *state.folders)}
        for state in ended:
            for folder in state.folders:
                if folder not in live:
                    self._remove(name for name in self._place.names(folder) if _is_ours(name, folder))
            with self._store.write() as connection:
                feeds.record(connection, state.id, folders="[]")

    def _remove(self, names: Iterable[str]) -> None:
        self._done.removed += map(PurePosixPath, self._place.remove(list(names)))

    def _sitewide(self) -> None:
        pages = [self._page_of(i) for i in self._targets]
        try:
            written, removed, unchanged = publish_sitewide(
                self._store, self._config, self._place, pages, [letters.page for letters in self._letters],
                self._templates, self._stamp, everything=self._everything)
        except BroadsheetError as error:
            self._done.failed["index.html"] = str(error)
            return
        self._done.written += map(PurePosixPath, written)
        self._done.removed += map(PurePosixPath, removed)
        self._done.unchanged += unchanged


def _documents(document: Document) -> dict[str, bytes]:
    """One document in the formats that readers take."""
    built = cast(document)
    return {RSS_FILE: built.rss, ATOM_FILE: built.atom, JSON_FILE: build_json(document)}


def _is_ours(name: str, folder: str) -> bool:
    """Whether a file in a feed's folder is one that publishing makes there, and not below a topic's."""
    rest, _ = plain_name(name.removeprefix(f"{folder}/"))
    parent, _, file = rest.rpartition("/")
    if not parent:
        return file in (*DOCUMENTS, INDEX_FILE)
    return parent.startswith("archive/") and parent.count("/") == 1 and file in DOCUMENTS


def _is_local(host: str) -> bool:
    return host in ("localhost", "127.0.0.1") or host.endswith((".localhost", ".ip6.arpa"))


def _stamp(folders: Sequence[Path]) -> str:
    """Of the templates that pages are made of, so that a changed one is seen."""
    found = hashlib.sha256()
    for folder in folders:
        for path in sorted((folder / TEMPLATES).glob("*")):
            if path.is_file():
                found.update(f"{path.name}\n".encode() + path.read_bytes())
        found.update(b"--")
    return found.hexdigest()[:16]


@lru_cache(4)
def _pages(folders: tuple[Path, ...], _stamp: str) -> Pages:
    """Compiled once, until one is changed."""
    return Pages(folders)
