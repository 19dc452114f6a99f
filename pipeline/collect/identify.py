"""The door: what a parser found becomes a draft that nothing downstream can trip over.

    text legal | title one line | HTML sanitised | links absolute | date within reason | key and hash

and, for a whole document, what in it is no identity: a guid that several articles share, an address that all of
them link to. Nothing is looked up here; `decide` compares drafts with what is known.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from pipeline.collect.reading.extras import legal_extras
from pipeline.model.articles import Draft, Enclosure, Found, Show
from pipeline.text.clean import clean_html, read_words, summarise, words_of
from pipeline.text.legal import one_line
from pipeline.text.urls import absolute, strip_tracking, url_key

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)  # before there was a web to publish on
FUTURE = timedelta(days=1)                   # a clock ahead, or a zone mistaken; a date further ahead is none
UNSET_YEARS = 1971                           # up to here a date is a zero: 0001-01-01, 1970-01-01
TITLE_WORDS = 12
OWN_SUMMARY_WORDS = 120                      # what an author of ours wrote as a summary is not cut to 60
MAX_GUID, MAX_NAME, MAX_TOPIC, MAX_TOPICS = 500, 200, 50, 20  # characters, and how many

TEASER = 1_000                               # characters at the end of a text, where a teaser would stand
LONG_TEXT = 4 * TEASER                       # of longer ones no summary reaches that end

_MORE = re.compile(
    r"\s*(?:\[\s*(?:…|\.\.\.|&hellip;)\s*\]|(?:continue reading|read more|read the full \w+)\b[^.!?]{0,120}[→»…]*)\s*$",
    re.IGNORECASE,
)
_MORE_SIGNS = ("continue reading", "read more", "read the full")
_APPEARED = re.compile(r"\s*The post .{1,300} (?:first appeared|appeared first) on .{1,200}$", re.DOTALL)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}")


def make_drafts(
    founds: Iterable[Found],
    *,
    source_url: str,
    now: datetime,
    language: str = "",
    topics: tuple[str, ...] = (),
    show: Show = Show.SUMMARY,
    rights: str = "",
    licence: str = "",
) -> list[Draft]:
    """Make drafts of one whole document, in its order, each article once. `language`, `rights` and `licence`
    (an address) stand in where the source says nothing.

    A guid that stands on articles with other content and other addresses, or other titles and times, identifies none
    of them and is dropped; so is an address that several articles link to (unless their fragments tell them apart)
    or that is a site's front page. Of what remains the same, the newest is kept.
    """
    drafts = [
        make_draft(f, source_url=source_url, now=now, language=language, topics=topics, show=show, rights=rights,
                   licence=licence)
        for f in founds
    ]
    return _without_repeats(_trustworthy_urls(_trustworthy_guids(drafts)))


def make_draft(
    found: Found,
    *,
    source_url: str,
    now: datetime,
    language: str = "",
    topics: tuple[str, ...] = (),
    show: Show = Show.SUMMARY,
    rights: str = "",
    licence: str = "",
) -> Draft:
    """Clean and identify one article. `now` (aware UTC) stands in for a date the source does not give.

    `source_url` is what relative links are joined to where the article has no address; "" for a folder.
    """
    url = strip_tracking(absolute(found.url, source_url))
    base = url or source_url
    html = clean_html(found.html, base_url=base)
    words = read_words(html)
    title = _seen(one_line(found.title)) or _title_from(words.line, url, found.guid)
    published, dated = _published(found.published_at, now)
    return Draft(
        guid=one_line(found.guid, MAX_GUID) if len(found.guid) <= MAX_GUID else _digest(found.guid),
        url=url,
        url_key=url_key(url),
        content_hash=_digest(f"{title} {words.line}".rstrip()),
        title=title,
        author=one_line(found.author, MAX_NAME),
        summary=_summary(found.summary, words.lead or words.text, show),
        html=html,
        published_at=published,
        dated=dated,
        updated_at=_updated(found.updated_at, published, now),
        topics=_topics((*topics, *found.topics)),
        language=_language(found.language) or _language(language),
        rights=one_line(found.rights) or one_line(rights),
        enclosures=_enclosures(found.enclosures, base),
        licence=absolute(found.licence, base) or absolute(licence),
        image=absolute(found.image, base),
        extras=legal_extras(found.extras, base),
        pointer=found.pointer,
    )


def _title_from(text: str, url: str, guid: str) -> str:
    words = text.split()
    head = " ".join(words[:TITLE_WORDS]) + ("…" if len(words) > TITLE_WORDS else "")
    return _seen(one_line(head)) or title_of_address(url, guid)


def title_of_address(url: str, guid: str = "") -> str:
    """Return what an article is called of which only the address is known."""
    path = urlsplit(url).path.rstrip("/").rpartition("/")[2]
    return next(filter(_seen, map(one_line, (path.replace("-", " "), url, guid))), "Untitled")


def _seen(line: str) -> str:
    """"" for a line of which nothing can be seen: zero-width or unassigned characters only. A mail can't be called so.
    """
    return line if any(c.isprintable() and not c.isspace() for c in line) else ""


def _published(when: datetime | None, now: datetime) -> tuple[datetime, bool]:
    when = _utc(when)
    if when is None or when.year <= UNSET_YEARS or when > now + FUTURE:
        return now, False
    return max(when, EARLIEST), True


def _updated(when: datetime | None, published: datetime, now: datetime) -> datetime | None:
    when = _utc(when)
    return None if when is None or when <= published or when > now + FUTURE else when


def _utc(when: datetime | None) -> datetime | None:
    if when is None:
        return None
    try:
        return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (OverflowError, ValueError):  # the year 1 or 9999, moved over the edge by its zone
        return None


def _summary(own: str, text: str, show: Show) -> str:
    """Plain text. Of others' work we give 60 words, whatever the source calls its summary."""
    words = OWN_SUMMARY_WORDS if show is Show.FULL else 60
    if own.strip() and (given := _without_teaser(words_of(own).lead)):
        return summarise(given, words)
    return summarise(text if len(text) > LONG_TEXT else _without_teaser(text))


def _without_teaser(text: str) -> str:
    """Drop what a blog's software adds after its excerpt: "[…]", "Continue reading", "The post X appeared …"."""
    head, tail = text[:-TEASER], text[-TEASER:]
    if "appeared" in tail:
        tail = _APPEARED.sub("", tail)
    if not (tail.rstrip().endswith("]") or any(sign in tail.lower() for sign in _MORE_SIGNS)):
        return head + tail
    text = head + tail
    shorter = head + _MORE.sub("", tail)
    return shorter + "…" if shorter and shorter != text and shorter[-1].isalnum() else shorter


def _topics(names: Iterable[str]) -> tuple[str, ...]:
    folded = (one_line(name, MAX_TOPIC).casefold() for name in names)
    return tuple(dict.fromkeys(name for name in folded if name))[:MAX_TOPICS]


def _language(tag: str) -> str:
    tag = tag.strip().replace("_", "-")
    return tag if _LANGUAGE.fullmatch(tag) else ""


def _enclosures(found: Iterable[Enclosure], base_url: str) -> tuple[Enclosure, ...]:
    kept: dict[str, Enclosure] = {}
    for enclosure in found:
        url = absolute(enclosure.url, base_url)
        media_type = enclosure.media_type.strip().lower()
        if url and url not in kept:
            known = _MEDIA_TYPE.fullmatch(media_type)
            kept[url] = Enclosure(url, media_type if known else "application/octet-stream", max(0, enclosure.length))
    return tuple(kept.values())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()


def _trustworthy_guids(drafts: list[Draft]) -> list[Draft]:
    sharing: defaultdict[str, list[Draft]] = defaultdict(list)
    for draft in drafts:
        sharing[draft.guid].append(draft)
    shared = {guid for guid, group in sharing.items() if not _is_one_article(group)}
    return [replace(d, guid="") if d.guid in shared else d for d in drafts]


def _is_one_article(group: Sequence[Draft]) -> bool:
    """Whether drafts under one guid are that article, perhaps in several versions (RFC 4287 section 4.1.1)."""
    if len(group) == 1 or len({d.content_hash for d in group}) == 1:
        return True
    one_title = len({d.title for d in group}) == 1
    one_time = len({d.published_at for d in group}) == 1 and all(d.dated for d in group)
    return len({d.url_key for d in group}) == 1 and (one_title or one_time)


def _trustworthy_urls(drafts: list[Draft]) -> list[Draft]:
    keyed = [replace(d, url_key="") if d.url_key and _is_front_page(d.url) else d for d in drafts]
    shared = _shared_keys(keyed)
    keyed = [replace(d, url_key=_with_fragment(d)) if d.url_key in shared else d for d in keyed]
    shared = _shared_keys(keyed)
    return [replace(d, url_key="") if d.url_key in shared else d for d in keyed]


def _shared_keys(drafts: Sequence[Draft]) -> set[str]:
    """Return the address keys that stand on different articles: other content and another (or no) guid."""
    articles = {(d.url_key, d.guid or d.content_hash, d.guid and d.content_hash) for d in drafts if d.url_key}
    by_guid = Counter(key for key, _ in {(key, identity) for key, identity, _ in articles})
    by_content = Counter(key for key, _ in {(d.url_key, d.content_hash) for d in drafts})
    return {key for key, count in by_guid.items() if count > 1 and by_content[key] > 1}


def _with_fragment(draft: Draft) -> str:
    fragment = urlsplit(draft.url).fragment
    return f"{draft.url_key}#{fragment}" if fragment and "#" not in draft.url_key else draft.url_key


def _is_front_page(url: str) -> bool:
    return url.endswith("/") and url.count("/") == 3


def _without_repeats(drafts: list[Draft]) -> list[Draft]:
    newest: dict[tuple[str, ...], Draft] = {}
    for draft in drafts:
        identity = _identity(draft)
        known = newest.get(identity)
        if known is None or _when(draft) > _when(known):
            newest[identity] = draft
    merged: dict[tuple[str, ...], Draft] = {}
    for draft in drafts:  # two guids on the same page with the same words are one article
        kept = newest[_identity(draft)]
        same = (kept.url_key, kept.content_hash) if kept.url_key else _identity(kept)
        merged.setdefault(same, kept)
    return list(merged.values())


def _identity(draft: Draft) -> tuple[str, ...]:
    if draft.guid:
        return ("guid", draft.guid)
    return ("url", draft.url_key) if draft.url_key else ("content", draft.content_hash, draft.url)


def _when(draft: Draft) -> datetime:
    return draft.updated_at or draft.published_at
