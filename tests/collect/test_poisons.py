"""Each poison alone among fifty good articles: the fifty arrive everywhere, and the poisoned one cleaned or told of."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import feedparser
import pytest
from lxml import etree
from lxml import html as lxml_html

from pipeline.collect.identify import EARLIEST, FUTURE, make_drafts
from pipeline.collect.reading.parse import Parsed, parse_feed
from pipeline.jobs.steps import publish_all
from pipeline.model.articles import Draft
from pipeline.text.clean import MAX_HTML, clean_html
from pipeline.text.nesting import MAX_DEPTH, deepest
from pipeline.web.app import build

NOW = datetime(2026, 6, 1, 6, 0, tzinfo=UTC)
URL = "https://example.org/feed"
LAMPS = "<![CDATA[<p>What poison number 7 has to say of lamps.</p>{}]]>"


@dataclass(frozen=True)
class Poison:
    """What stands in one <item>. `arrives` is False where the article itself is left out, with a note."""

    inside: str
    title: str = "Poisoned"
    guid: str = "poison"
    link: str = "https://example.org/poison"
    date: str = "Mon, 01 Jun 2026 05:00:00 GMT"
    arrives: bool = True

    @property
    def item(self) -> str:
        return (f"<item><title>{self.title}</title><guid isPermaLink='false'>{self.guid}</guid><link>{self.link}</link>"
                f"<pubDate>{self.date}</pubDate>{self.inside}</item>")


def text(words: str) -> str:
    return f"<description>{words}</description>"


def markup(more: str) -> str:
    return text(LAMPS.format(more))


POISONS = {
    "nothing at all": Poison("", title="", guid="", link="", date=""),
    "10 MB of text": Poison(text("x" * 10_500_000)),
    "10 MB of words": Poison(markup("<p>" + "word " * 2_100_000)),
    "10 MB in an attribute": Poison(f"<enclosure url='https://e.org/{'x' * 10_100_000}' type='a/b'/>"),
    "XML nested 1,000 deep": Poison("<description>" + "<a>" * 1_000 + "x" + "</a>" * 1_000 + "</description>"),
    "XML nested 3,000 deep": Poison("<a>" * 3_000 + "</a>" * 3_000, arrives=False),
    "HTML nested 1,000 deep": Poison(markup("<div>" * 1_000 + "deep")),
    "HTML of 1,000 kinds of bold": Poison(markup("".join(f"<b lang='x-{n}'><p>" for n in range(1_000)))),
    "tables in tables": Poison(markup("<table><tr><td>" * 300)),
    "a comment in an alt": Poison(markup('<img src="https://e.org/a.png" alt="<!-- -->"><img src="/b" alt="-->">')),
    "a marker in an alt": Poison(markup('<img src="https://e.org/a.png" alt="<!--bs0123456789abcdefa1x-->">')),
    "markers": Poison(markup("<!--bs0123456789abcdefa1x-->bs0123456789abcdefa1x <!--/article-->")),
    "template code": Poison(markup("{{ config }} {% raw %} {# #} ${x} {{ unsubscribe_url }}"), title="{{ 7 }} {% if"),
    "cid: and tokens": Poison(markup('<img src="cid:logo"><a href="%%unsubscribe%%">x</a><a href="{{url}}">y</a>')),
    "NUL": Poison(text("a\x00b"), title="a\x00b"),
    "a vertical tab": Poison(text("a\x0bb"), title="a\x0bb"),
    "U+FFFE": Poison(text("a\ufffeb"), title="a\uffffb"),
    "references to them": Poison(text("a&#0;b&#11;c&#xFFFE;d&#x1F;"), title="a&#0;&#xD800;&#x110000;b"),
    "references to them within HTML": Poison(markup("<p>a&#0;&#11;&#xFFFE;&#xD800;&#x202E;b</p>")),
    "half a surrogate": Poison(text("a&#xD800;b"), title="&#xDFFF;"),
    "bidi overrides": Poison(markup("\u202euser\u2066gnp.exe"), title="\u202egro.elpmaxe\u2067", guid="\u202epoison"),
    "line separators": Poison(text("a\u2028b\u2029c\u0085d"), title="a\u2028b\u2029c\u0085d\x0c"),
    "a byte order mark in the middle": Poison("\ufeff" + text("a\ufeffb"), title="a\ufeffb"),
    "a million combining marks": Poison(text("a" + "\u0301\u0323" * 500_000), title="a" + "\u0301" * 100_000),
    "the year 0": Poison(text("x"), date="Mon, 01 Jan 0000 00:00:00 GMT"),
    "the year 1": Poison(text("x"), date="0001-01-01T00:00:00+14:00"),
    "the year 9999": Poison(text("x"), date="9999-12-31T23:59:59-12:00"),
    "the year 99999": Poison(text("x"), date="99999-01-01T00:00:00Z"),
    "a naive date": Poison(text("x"), date="2026-05-31 10:00"),
    "no date": Poison(text("x"), date="soon"),
    "an empty title": Poison(text("x"), title=""),
    "a title of blanks": Poison(text("x"), title=" \n\u00a0\u200b"),
    "a title of 1 MB": Poison(text("x"), title="long " * 200_000),
    "a title of tags": Poison(text("x"), title="&lt;img src=x onerror=alert(1)&gt;&lt;/title&gt;&lt;script&gt;"),
    "a javascript: link": Poison(markup('<a href="javascript:alert(1)">x</a>'), link="javascript:alert(1)"),
    "a data: link": Poison(text("x"), link="data:text/html,x", guid="data:text/html,x"),
    "an address of 1 MB": Poison(text("x"), link="https://example.org/" + "a" * 1_000_000),
    "a guid of 1 MB": Poison(text("x"), guid="g" * 1_000_000),
    "the guid of another": Poison(text("Not the same."), guid="good-3"),
    "the guid and the address of another": Poison(text("Not the same."), guid="good-3", link="https://example.org/3"),
    "CDATA that is never closed": Poison("<description><![CDATA[ never"),
    "CDATA in CDATA": Poison("<description><![CDATA[a<![CDATA[b]]>c]]></description>"),
    "CDATA closed in two": Poison(text("<![CDATA[<p>a ]]]]><![CDATA[> b</p>]]>")),
    "an end of CDATA alone": Poison(text("a ]]> b")),
    "a comment that is never closed": Poison("<!-- never"),
    "tags left open": Poison("<description><p><b>x"),
    "the end of the feed": Poison("</item></channel></rss>"),
    "another feed": Poison("<rss><channel><title>in</title></channel></rss>"),
    "an entity nobody knows": Poison(text("&nobody; &nbsp;&copy &")),
    "a document type": Poison("<!DOCTYPE html>"),
    "10,000 categories": Poison("<category>c</category>" * 10_000),
    "an author of 40 KB": Poison(f"<author>{'a' * 40_000}</author><b>"),
    "style that hides": Poison(markup('<p style="head" class="unsubscribe" id="wrap">x<style>*{display:none}</style>')),
    "script": Poison(markup("<script>alert(1)</script><svg onload=alert(1)><p onclick=alert(1)>x")),
}


def good(n: int) -> str:
    words = f"Good article {n} tells of {n * 7919} lamps, and nobody could take it for another one."
    return (f"<item><title>Good {n}</title><guid isPermaLink='false'>good-{n}</guid><link>https://example.org/{n}</link>"
            f"<pubDate>Sun, 31 May 2026 {n // 60:02}:{n % 60:02}:00 GMT</pubDate>"
            f"<description>&lt;p&gt;{words}&lt;/p&gt;</description></item>")


def document(*poisons: Poison) -> bytes:
    items = [good(n) for n in range(25)] + [p.item for p in poisons] + [good(n) for n in range(25, 50)]
    body = f'<?xml version="1.0"?><rss version="2.0"><channel><title>Lamps</title>{"".join(items)}</channel></rss>'
    return body.encode(errors="surrogatepass")


def read(body: bytes) -> tuple[Parsed, list[Draft]]:
    parsed = parse_feed(body, url=URL)
    return parsed, make_drafts(parsed.articles, source_url=URL, now=NOW)


@pytest.fixture(scope="module")
def fifty() -> list[Draft]:
    return read(document())[1]


@pytest.mark.parametrize("name", POISONS)
def test_the_fifty_are_read_and_the_poison_is_cleaned_or_told(name: str, fifty: list[Draft]) -> None:
    poison = POISONS[name]
    parsed, drafts = read(document(poison))
    ours = [d for d in drafts if re.fullmatch(r"Good \d+", d.title)]
    shared = {d.guid for d in fifty} - {d.guid for d in ours}
    assert [replace(d, guid="", url_key="") for d in ours] == [replace(d, guid="", url_key="") for d in fifty]
    assert shared == ({"good-3"} if poison.guid == "good-3" else set()), "what is shared identifies nothing"
    others = [d for d in drafts if d not in ours]
    assert len(others) == poison.arrives
    assert poison.arrives or any("left out" in note for note in parsed.notes)
    for draft in others:
        assert_clean(draft)


def assert_clean(draft: Draft) -> None:
    lines = [draft.title, draft.guid, draft.author, draft.summary, draft.url, *draft.topics]
    for line in lines:
        assert len(line.splitlines()) <= 1
        assert len(line) <= 4_096
    for words in (*lines, draft.html):
        assert not re.search("[\x00\x0b\x0c\u2028\u202e\u2066\ufffe\uffff\ud800-\udfff]", words)
        words.encode()
    assert draft.title.strip()
    assert draft.url == "" or draft.url.startswith("https://")
    assert EARLIEST <= draft.published_at <= NOW + FUTURE
    assert len(draft.html) <= MAX_HTML + 1_000
    assert deepest(draft.html) <= MAX_DEPTH
    assert clean_html(draft.html) == draft.html
    assert not re.search(r"<script|<style|<svg|javascript:|<!--|cid:|\son\w+=|class=", draft.html)


def test_the_control_how_many_poisons_stop_a_feed_where_nothing_is_mended() -> None:
    """What these do to a strict parser, and what strings as they came do to one that builds a feed."""
    unread = unsaid = 0
    for poison in POISONS.values():
        try:
            root = etree.fromstring(document(poison))
        except (etree.XMLSyntaxError, ValueError):
            unread += 1
            continue
        title = "".join(root.xpath("//item[26]/title/text()"))
        unsaid += bool(len(title.splitlines()) > 1 or len(title) > 1_000 or not title.strip() or "<" in title)
    print(f"control: {unread} of {len(POISONS)} are no XML, {unsaid} more have a title that can't be used")
    assert unread >= 15
    assert unsaid >= 4


def test_what_is_well_formed_is_taken_at_its_word() -> None:
    """The one thing that swallows another entry: CDATA that is not closed before the next entry's CDATA is. To XML that
    is one entry whose text holds another's; whoever reads it otherwise lets articles forge articles."""
    swallowing = Poison("<description><![CDATA[ never").item + Poison(markup("")).item.replace("Poisoned", "Swallowed")
    _, drafts = read(document(Poison("</item>" + swallowing + "<item>")))
    titles = [d.title for d in drafts]
    assert "Swallowed" not in titles
    assert sum(title.startswith("Good") for title in titles) == 50


def test_all_poisons_at_once_leave_the_fifty(fifty: list[Draft]) -> None:
    """But for those of 10 MB, which together would not be fetched."""
    _, drafts = read(document(*(p for p in POISONS.values() if len(p.item) < 1_000_000 and p.guid == "poison")))
    assert {d.title for d in fifty} <= {d.title for d in drafts}


def test_a_poison_in_a_json_feed_too(fifty: list[Draft]) -> None:
    body = (b'{"version": "https://jsonfeed.org/version/1.1", "title": "\\ud800",'
            b'"items": [{"id": "1", "title": "Good"},'
            b'{"id": "\\u0000\\ud800", "title": "\\u202e\\udfff\\u000b", "content_html": "<p>a\\u0000\\ud800</p>",'
            b'"url": "javascript:x", "date_published": "9999-99-99"}, {"id": "2", "title": "Fine"}]}')
    _, drafts = read(body)
    assert [d.title for d in drafts] == ["Good", "a", "Fine"]
    assert_clean(drafts[1])


CONFIG = """
config_version = 1
[site]
title = "The Lantern"
public_url = "https://lantern.example"
[preflight]
links = false
spam = "off"
[mail]
sender = "The Lantern <news@lantern.example>"
"""
PLACE = """
[[sources]]
slug = "{slug}"
url = "{url}"
allow_networks = ["127.0.0.1/32"]
backlog = "all"
show = "full"
[[feeds]]
slug = "{slug}"
title = "{slug}"
select = {{ sources = ["{slug}"], limit = 100 }}
[[newsletters]]
slug = "{slug}"
title = "{slug}"
select = {{ sources = ["{slug}"], limit = 100 }}
template = "headlines"
  [[newsletters.schedules]]
  slug = "daily"
  at = "08:00"
"""


@pytest.mark.slow
def test_the_fifty_arrive_in_feeds_mails_and_on_the_web(newsroom: Callable[..., Any], town: Any) -> None:
    """One instance with a source, a feed and a newsletter for each poison: it is also alone among all the others."""
    room = newsroom()
    slugs = {name: f"p{n}" for n, name in enumerate(POISONS)}
    places = (PLACE.format(slug=slug, url=town.url(f"/{slug}", f"{slug}.example")) for slug in slugs.values())
    room.site.close()
    (room.site.folder / "config.toml").write_text(CONFIG + "".join(places))
    for name, slug in slugs.items():
        town.places[f"/{slug}"] = document(POISONS[name])
    site = room.site
    site.now = NOW.replace(hour=7)
    for slug in slugs.values():
        _subscribe(site, slug)
    site.send()  # the schedules begin
    polls = room.poll()
    assert not [poll for poll in polls.values() if poll.failed]
    assert [slugs[name] for name in POISONS if not POISONS[name].arrives] == \
        [slug for slug, poll in polls.items() if any("left out" in note for note in poll.notes)]
    publish_all(site.app)
    site.now = NOW.replace(hour=8, minute=1)
    site.send()
    mails = {mail["To"]: mail for mail in site.mails()}
    names = {digest.newsletter: digest.name for digest in site.digests()}
    web = build(site.app)
    fifty = {f"Good {n}" for n in range(50)}
    for name, slug in slugs.items():
        wanted = 50 + POISONS[name].arrives
        for kind in ("rss.xml", "atom.xml"):
            built = feedparser.parse((site.folder / "feeds" / slug / kind).read_bytes())
            assert not built.bozo, name
            assert len(built.entries) == wanted, (name, kind)
            assert fifty <= {entry.title for entry in built.entries}, (name, kind)
        mail = mails[f"{slug}@example.org"]
        for part in ("html", "plain"):
            assert _told(mail.get_body((part,)).get_content()) >= fifty, (name, part)
        assert _told(asyncio.run(_page(web, f"/n/{slug}/{names[slug]}"))) >= fifty, name
    print(f"{len(slugs)} poisons, each among 50 good articles: feeds, mails in HTML and text, web pages have all 50")


def _subscribe(site: Any, slug: str) -> None:
    from pipeline.audience.subscriptions import Request, add

    with site.app.store.write() as connection:
        add(connection, Request(f"{slug}@example.org", slug, "daily", "a test", None), site.now, revive=True)


def _told(document_text: str) -> set[str]:
    """The good titles that a person sees: as an HTML parser reads it, to the end."""
    if "<html" in document_text:
        document_text = lxml_html.document_fromstring(document_text.encode()).text_content()
    return set(re.findall(r"\bGood \d+\b", document_text))


async def _page(web: Any, path: str) -> str:
    said: list[dict[str, Any]] = []
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
             "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
             "headers": [(b"host", b"lantern.example")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80)}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        said.append(dict(message))

    await web(scope, receive, send)
    assert said[0]["status"] == 200, path
    return b"".join(part.get("body", b"") for part in said[1:]).decode()
