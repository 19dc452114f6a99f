"""A newsletter -> its feed: an entry for each digest that readers may see, the newest first.

An entry is the digest's own for good: its id is made of what the digest was given with its slot, so neither a renamed
newsletter nor another title, address or article makes it a new one. It says what the web copy says, without the looks
of a mail: nothing of it is of one person. Its date is that of the freeze, or of the last article that was taken back.
There are no archives: the newsletter's page lists what is older.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html import escape
from urllib.parse import quote

from pipeline.config import Config, Newsletter
from pipeline.model.articles import Article
from pipeline.model.feeds import Document, Entry, FeedPage, Tombstone, Volume
from pipeline.model.letterhead import Letterhead
from pipeline.publish.documents import within
from pipeline.publish.entries import Imprint, feed_id, illegal, is_language, second
from pipeline.publish.targets import FORMAT
from pipeline.store import Connection, feeds, public_digests
from pipeline.store.feeds import FeedState
from pipeline.store.public_digests import PublicDigest
from pipeline.text.urls import absolute

LIMIT = 50         # digests
GRAVES = 50        # cancelled ones that an Atom document names
MOST_TITLES = 20   # in a summary

NOTHING_LEFT = "Nothing of this letter is left to be read."

Subject = Callable[[Letterhead, Sequence[Article]], str]
"""What a digest's subject is for these articles."""


@dataclass(frozen=True, slots=True)
class Letters:
    """The feed of one newsletter, and what decides whether its files tell everything."""

    state: FeedState
    newsletter: Newsletter
    page: FeedPage
    fingerprint: str       # of everything but the articles in its digests
    changed: bool          # whether readers could see a change of one of these since it was built

    @property
    def slug(self) -> str:
        return self.state.slug

    @property
    def folders(self) -> tuple[str, ...]:
        return self.newsletter.feed_folders

    @property
    def stale(self) -> bool:
        return self.changed or self.state.fingerprint != self.fingerprint


def letters(connection: Connection, config: Config, imprint: Imprint, templates: str) -> list[Letters]:
    """The feeds of newsletters, as config.toml names them. `templates` stands for those of pages."""
    found = []
    for newsletter in config.newsletters:
        state = feeds.state(connection, newsletter.feed_folders[0]) if newsletter.feed else None
        if state is None or state.ended_at is not None:
            continue
        page = page_of(config, newsletter, state, imprint.authority)
        told = public_digests.newest(connection, newsletter.slug, LIMIT)
        gone = public_digests.cancelled(connection, newsletter.slug, GRAVES)
        known = (FORMAT, page, [(digest.id, digest.name) for digest in told], gone, imprint, newsletter.feed_folders,
                 config.publish.compress, config.site.timezone, str(config.paths.feeds), templates)
        found.append(Letters(
            state, newsletter, page, hashlib.sha256(repr(known).encode()).hexdigest()[:24],
            public_digests.changed_since(connection, [digest.id for digest in told], state.built_seq)))
    return found


def page_of(config: Config, newsletter: Newsletter, state: FeedState, authority: str) -> FeedPage:
    """What a newsletter's feed says of itself."""
    site, publish = config.site, config.publish
    language = newsletter.language or site.language
    return FeedPage(
        slug=state.slug, id=feed_id(authority, state.uid, state.created_at), title=newsletter.title,
        description=newsletter.description or newsletter.title, language=language if is_language(language) else "",
        site_title=site.title, site_url=site.public_url, url=f"{config.feeds_url}/{state.slug}/",
        created_at=state.created_at, rights=publish.rights, image=publish.image, hub=publish.hub)


def document(connection: Connection, of: Letters, imprint: Imprint, subject: Subject, notes: list[str]) -> Document:
    """The one document that the feed has."""
    home = f"{imprint.site_url}/n/{of.newsletter.slug}/"
    imprint = replace(imprint, language=of.page.language)
    entries = []
    for digest in public_digests.newest(connection, of.newsletter.slug, LIMIT):
        found = public_digests.read(connection, digest)
        entry = entry_of(found, subject(found.head, found.articles), f"{home}{quote(digest.name)}", imprint)
        if bad := illegal(f"{entry.title}\n{entry.summary}\n{entry.html}"):
            notes.append(f"feed {of.slug}: digest {digest.name} is left out: it holds {bad}, which XML can't carry")
        else:
            entries.append(entry)
    graves = tuple(
        Tombstone(digest_id(imprint.authority, gone.uid, gone.created_at), second(gone.gone_at))
        for gone in public_digests.cancelled(connection, of.newsletter.slug, GRAVES))
    shown, short = within(entries)
    if short:
        notes.append(f"feed {of.slug}: {short} digests name their articles only, as there are too many to tell of each")
    return Document(of.page, Volume(), tuple(shown), graves, not_before=of.state.updated_at)


def entry_of(digest: PublicDigest, subject: str, link: str, imprint: Imprint) -> Entry:
    """One digest as readers of feeds see it: its articles' titles, links and summaries. `imprint` has the feed's
    language. Pure."""
    language = digest.head.page.language
    frozen_at, changed_at = second(digest.frozen_at), second(digest.withdrawn_at or digest.frozen_at)
    return Entry(
        article_id=digest.digest.id, id=digest_id(imprint.authority, digest.uid, digest.digest.created_at),
        title=subject, link=link, published_at=frozen_at, updated_at=max(frozen_at, changed_at),
        summary=_summary(digest.articles), html=_html(digest.articles, imprint.site_url),
        language=language if language != imprint.language and is_language(language) else "")


def digest_id(host: str, uid: str, created_at: datetime) -> str:
    """A tag URI (RFC 4151), as articles have."""
    return f"tag:{host},{created_at.astimezone(UTC).year}:digest-{uid}"


def _summary(articles: Sequence[Article]) -> str:
    titles = [article.title for article in articles[:MOST_TITLES]]
    more = len(articles) - len(titles)
    return " · ".join([*titles, *([f"and {more} more"] if more else [])]) or NOTHING_LEFT


def _html(articles: Sequence[Article], site_url: str) -> str:
    """A list, in nothing but the simplest words of HTML. "" where there are none."""
    items = []
    for article in articles:
        link = absolute(article.url) or f"{site_url}/a/{article.id}"
        source = f"<br>{escape(article.source_title, quote=False)}" if article.source_title.strip() else ""
        summary = f"<p>{escape(article.summary, quote=False)}</p>" if article.summary.strip() else ""
        title = escape(article.title, quote=False)
        items.append(f'<li><p><a href="{escape(link)}"><strong>{title}</strong></a>{source}</p>{summary}</li>')
    return f"<ul>{''.join(items)}</ul>" if items else ""
