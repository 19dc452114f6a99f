"""An article -> the entry that every format shows, or why it can't be one. Pure; the guard on text stands here.

Everything that an entry holds is legal in XML 1.0, and each of its addresses is an absolute http(s) one. What is wrong
with one article is said in a note, and never costs the feed. Ids are tag URIs (RFC 4151) of the site's host, the year
in which we first saw the article, and its number: no new title, address or date makes it another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address
from urllib.parse import quote, urlsplit

from pipeline.model.articles import Article, ArticleStatus, Show
from pipeline.model.feeds import Entry, Mark, Tombstone
from pipeline.publish.soundness import sound
from pipeline.text.urls import absolute, normal

MAX_HTML_CHARS = 2_000_000
"""Above this an article gives its summary only: libxml2, which many readers parse with, refuses a feed that holds a
text node of more than 10 MB, and one character is up to 4 bytes."""

WITHDRAWN_TITLE = "Withdrawn"
WITHDRAWN_TEXT = "This article was withdrawn."

LANGUAGE = re.compile(r"([A-Za-z]{2,3})(-[A-Za-z0-9]{1,8})*")   # RFC 5646; longer words are for the future
LANGUAGES = frozenset(  # ISO 639-1; of three letters any will do
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en "
    "eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv "
    "ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne "
    "ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st "
    "su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu".split())


@dataclass(frozen=True, slots=True)
class Imprint:
    """What entries need to know of the site: the same for all of its feeds."""

    authority: str                     # the host in every id, the same for good
    site_url: str                      # public_url, without a slash at the end
    language: str = ""


def entries_of(articles: Iterable[Article], imprint: Imprint) -> tuple[list[Entry], list[str]]:
    """The articles' entries in the given order, and in words what can't be shown or not fully."""
    entries: dict[int, Entry] = {}
    notes: list[str] = []
    for article in articles:
        problem = "it stands twice in the selection" if article.id in entries else _problem(article)
        if problem:
            notes.append(f"article {article.id} is left out: {problem}")
        elif article.status is ArticleStatus.WITHDRAWN:
            entries[article.id] = _withdrawn(article, imprint)
        else:
            entries[article.id] = _entry(article, imprint, notes)
    return list(entries.values()), notes


def authority(public_url: str) -> str:
    """The host as a tag URI takes one (RFC 4151 section 2.1): a DNS name, lower case, in ASCII, without a port."""
    host = (urlsplit(absolute(public_url)).hostname or "localhost").rstrip(".")
    # the one DNS name that an IPv6 address has by itself
    return IPv6Address(host).reverse_pointer if ":" in host else host


def article_id(host: str, article_number: int, first_seen_at: datetime) -> str:
    return f"tag:{host},{first_seen_at.astimezone(UTC).year}:article-{article_number}"


def feed_id(host: str, uid: str, created_at: datetime) -> str:
    return f"tag:{host},{created_at.astimezone(UTC).year}:feed-{quote(uid, safe='')}"


def tombstone(host: str, article_number: int, first_seen_at: datetime, withdrawn_at: datetime) -> Tombstone:
    return Tombstone(article_id(host, article_number, first_seen_at), second(withdrawn_at))


def second(at: datetime) -> datetime:
    """In UTC and whole seconds, as feeds give times."""
    if at.tzinfo is UTC and not at.microsecond:
        return at
    return at.astimezone(UTC).replace(microsecond=0)


def is_language(tag: str) -> bool:
    """Whether a text is a tag of a language that there is."""
    found = LANGUAGE.fullmatch(tag)
    return found is not None and (len(found[1]) == 3 or found[1].lower() in LANGUAGES)


def is_legal(text: str) -> bool:
    """Whether XML 1.0 can carry a text (section 2.2). In the speed of a copy, since whole articles go through here."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return False
    if len(data.translate(None, _CONTROLS)) < len(data):
        return False
    return text.isascii() or not (b"\xef\xbf\xbe" in data or b"\xef\xbf\xbf" in data)


def illegal(text: str) -> str:
    """The first character that XML can't carry, as "U+000B"; "" where there is none."""
    found = None if is_legal(text) else _XML_ILLEGAL.search(text)
    return f"U+{ord(found[0]):04X}" if found else ""


def _problem(article: Article) -> str:
    """Why an article can't be an entry; "" when it can."""
    texts = (article.title, article.author, article.summary, article.source_title, article.rights, article.correction,
             article.language, *article.topics, *_of_extras(article))
    if bad := illegal(article.html) or illegal("\n".join(texts)):
        return f"it holds {bad}, which XML can't carry"
    withdrawn = article.status is ArticleStatus.WITHDRAWN
    if not withdrawn and not article.title.strip():
        return "it has no title"
    dates = (article.published_at, article.first_seen_at, article.updated_at, article.corrected_at,
             article.withdrawn_at)
    if any(at is not None and at.tzinfo is None for at in dates):
        return "one of its dates has no time zone"
    return ""


def _of_extras(article: Article) -> Iterable[str]:
    for extra in article.extras:
        yield extra.text
        yield from (value for _, value in extra.attributes)


def _entry(article: Article, imprint: Imprint, notes: list[str]) -> Entry:
    link = absolute(article.url) if article.url else ""
    if article.url and not link:
        notes.append(f"article {article.id} links to our own page: "
                     f"{article.url[:100]!r} is no absolute http(s) address")
    enclosures = tuple(replace(e, url=url) for e in article.enclosures if (url := absolute(e.url)))
    if len(enclosures) < len(article.enclosures):
        notes.append(f"article {article.id} goes without an enclosure: its address is not an absolute http(s) one")
    full = article.show is Show.FULL and article.html.strip()
    if full and len(article.html) > MAX_HTML_CHARS:
        notes.append(f"article {article.id} has only its summary: {len(article.html)} characters are more than "
                     f"{MAX_HTML_CHARS}")
        full = ""
    language = article.language if is_language(article.language) else ""
    return Entry(
        article_id=article.id, id=article_id(imprint.authority, article.id, article.first_seen_at),
        title=article.title, link=link or f"{imprint.site_url}/a/{article.id}",
        published_at=second(article.published_at),
        updated_at=second(max(article.updated_at, article.corrected_at or article.updated_at)),
        summary=article.summary.strip() or article.title, author=_byline(article.author),
        html=article.html if full else "", topics=tuple(dict.fromkeys(t for t in article.topics if t.strip())),
        language="" if language == imprint.language else language,
        source=article.source, source_title=article.source_title.strip() or article.source,
        source_id=normal(absolute(article.source_url)) or f"{imprint.site_url}/#{article.source}",
        source_url=absolute(article.source_url), rights=article.rights,
        licence=absolute(article.licence), image=absolute(article.image), enclosures=enclosures,
        extras=sound(article.extras) if article.extras else (),
        also=_also(article, imprint.site_url), correction=article.correction.strip(),
        corrected_at=second(article.corrected_at) if article.corrected_at else None,
    )


def _byline(author: str) -> str:
    """Without the mail address that may follow: a feed is no place to harvest them."""
    return _MAILBOX.sub("", author).strip() or author.strip()


def _also(article: Article, site_url: str) -> tuple[tuple[str, str], ...]:
    return tuple((other.source, absolute(other.link(article.url, site_url))) for other in article.also
                 if is_legal(other.source))


def _withdrawn(article: Article, imprint: Imprint) -> Entry:
    """Under the same id, and with not a word of what it was. Changed a moment after its tombstone, as RFC 6721 has it
    where an entry is there all the same: most readers know no tombstones, and must not keep the old words."""
    withdrawn_at = second(article.withdrawn_at or article.updated_at) + timedelta(seconds=1)
    return Entry(
        article_id=article.id, id=article_id(imprint.authority, article.id, article.first_seen_at),
        title=WITHDRAWN_TITLE, link=f"{imprint.site_url}/a/{article.id}", published_at=second(article.published_at),
        updated_at=withdrawn_at, summary=WITHDRAWN_TEXT, mark=Mark.WITHDRAWN,
    )


_MAILBOX = re.compile(r"\s*<[^<>\s]+@[^<>\s]+>")
_CONTROLS = bytes(sorted({*range(0x20)} - {0x09, 0x0A, 0x0D}))
_XML_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
