"""The pages of feeds: what stands on them, what never does, and that the same values give the same bytes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from lxml import html

from pipeline.errors import StoreError, TemplateError
from pipeline.model.feeds import Document, Entry, FeedPage, Mark, Podcast, Volume
from pipeline.publish.page import NEWEST, Format, Listed, Shown, feed_page, feeds_page
from pipeline.render.pages import Pages

ROOT = Path(__file__).resolve().parent.parent.parent
SHIPPED = ROOT / "templates"
PAGES = Pages([SHIPPED])
BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
LATE = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)   # the 22nd already in Berlin, the 21st still in New York

FEED = FeedPage(
    slug="all", id="tag:lantern.example,2026:feed-1", title="Everything", description="All that we collect.",
    language="en", site_title="The Lantern", site_url="https://lantern.example",
    url="https://lantern.example/feeds/all/", created_at=NOON,
)
ENTRY = Entry(
    article_id=1, id="tag:lantern.example,2026:article-1", title="The bridge opens", link="https://gazette.example/1",
    published_at=LATE, updated_at=LATE, summary="From six in the morning on.", author="Ada Byron", source="gazette",
    source_title="The Gazette", html="<p>the whole text</p>", image="https://gazette.example/1.jpg",
)
HOSTILE = ("</title><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onmouseover='alert(1)",
           "{{ 7 * 7 }}", "</style><svg onload=alert(1)>", "&lt;b&gt;", "<!--", "]]>", "\u202egnp.exe", "{% raw %}")
VOID = {"meta", "link", "br", "img", "hr", "input", "wbr"}


def rendered(*entries: Entry, zone: Any = BERLIN, volume: Volume = Volume(), **page: Any) -> str:  # noqa: B008 - frozen
    return feed_page(PAGES, Document(replace(FEED, **page), volume, entries), zone=zone).decode()


def entry(**values: Any) -> Entry:
    return replace(ENTRY, **values)


def index(*feeds: FeedPage) -> str:
    return feeds_page(PAGES, feeds, url="https://lantern.example/feeds/", site_title="The Lantern",
                      site_url="https://lantern.example").decode()


def below(slug: str, **values: Any) -> FeedPage:
    return replace(FEED, slug=slug, url=f"https://lantern.example/feeds/{slug}/", **values)


def words(text: str) -> str:
    return " ".join(html.fromstring(text).find("body").text_content().split())


def story(text: str, number: int = 0) -> str:
    return " ".join(html.fromstring(text).findall(".//article")[number].text_content().split())


# --- the page of a feed -----------------------------------------------------------------------------------


def test_it_says_what_it_is_and_how_to_subscribe() -> None:
    root = html.fromstring(rendered(ENTRY))
    assert root.find("head/title").text == "Everything"
    assert [h.text_content() for h in root.iter("h1")] == ["Everything"]
    said = " ".join(root.text_content().split())
    assert "This is a feed." in said
    assert "All that we collect." in said
    assert ["".join(code.itertext()) for code in root.iter("code")] == [
        "https://lantern.example/feeds/all/rss.xml", "https://lantern.example/feeds/all/atom.xml",
        "https://lantern.example/feeds/all/feed.json"]
    assert [a.get("href") for a in root.find_class("format")] == ["rss.xml", "atom.xml", "feed.json"]
    assert [len(root.findall(f".//{tag}")) for tag in ("header", "main", "footer", "nav")] == [1, 1, 1, 1]
    assert root.find("body")[0].get("href") == f"#{root.find('.//main').get('id')}", "the first link skips to the text"


def test_the_head_is_found_by_programs() -> None:
    head = html.fromstring(rendered(ENTRY, hub="https://hub.example/")).find("head")
    links = [(k.get("rel"), k.get("type"), k.get("href")) for k in head.iter("link") if k.get("rel") != "icon"]
    assert links == [
        ("canonical", None, "https://lantern.example/feeds/all/"),
        ("alternate", "application/rss+xml", "rss.xml"), ("alternate", "application/atom+xml", "atom.xml"),
        ("alternate", "application/feed+json", "feed.json"), ("hub", None, "https://hub.example/"),
    ]
    metas = {m.get("name") or m.get("property"): m.get("content") for m in head.iter("meta")}
    assert metas["description"] == metas["og:description"] == "All that we collect."
    assert (metas["og:title"], metas["og:url"]) == ("Everything", "https://lantern.example/feeds/all/")
    assert 'rel="hub"' not in rendered(ENTRY)


def test_readers_get_the_address_of_the_rss_in_the_form_that_each_takes() -> None:
    text = rendered(ENTRY, url="https://lantern.example/a b/all/?x=1&y=%20/")
    found = {a.text: a.get("href") for a in html.fromstring(text).find_class("button")}
    written = "https%3A%2F%2Flantern.example%2Fa%20b%2Fall%2F%3Fx%3D1%26y%3D%2520%2Frss.xml"
    assert found == {
        "Feed app": "feed:https://lantern.example/a b/all/?x=1&y=%20/rss.xml",
        "Feedly": f"https://feedly.com/i/subscription/feed%2F{written}",
        "Inoreader": f"https://www.inoreader.com/?add_feed={written}",
        "NewsBlur": f"https://www.newsblur.com/?url={written}",
        "The Old Reader": f"https://theoldreader.com/feeds/subscribe?url={written}",
        "Feedbin": f"https://feedbin.com/?subscribe={written}",
    }


def test_a_podcast_has_buttons_for_what_plays_it() -> None:
    found = {a.text: a.get("href") for a in html.fromstring(rendered(podcast=Podcast("News"))).find_class("button")}
    bare, written = "lantern.example/feeds/all/rss.xml", "https%3A%2F%2Flantern.example%2Ffeeds%2Fall%2Frss.xml"
    assert list(found.items())[:4] == [
        ("Apple Podcasts", f"podcast://{bare}"), ("Overcast", f"overcast://x-callback-url/add?url={written}"),
        ("Pocket Casts", f"pktc://subscribe/{bare}"),
        ("AntennaPod", f"https://antennapod.org/deeplink/subscribe?url={written}")]
    assert "Feedly" in found
    assert "podcast" not in rendered(ENTRY).lower()


def test_an_article_is_told_in_a_few_lines() -> None:
    text = rendered(entry(also=(("The Post", "https://post.example/9"), ("Our desk", "")), corrected_at=NOON,
                          correction="It is the other bridge."))
    assert story(text) == ("The bridge opens Ada Byron · The Gazette · 22 November 2026 Correction, 22 November 2026: "
                           "It is the other bridge. From six in the morning on. Also in The Post, Our desk")
    links = html.fromstring(text).findall(".//article//a")
    assert [(a.get("href"), a.get("rel")) for a in links] == [
        ("https://gazette.example/1", "noopener"), ("https://post.example/9", "noopener")]
    assert "the whole text" not in text
    assert "1.jpg" not in text


def test_our_own_page_is_not_another_site() -> None:
    (link,) = html.fromstring(rendered(entry(link="https://lantern.example/a/1"))).findall(".//article//a")
    assert link.get("rel") is None
    (link,) = html.fromstring(rendered(entry(link="https://lantern.example.evil.example/a/1"))).findall(".//article//a")
    assert link.get("rel") == "noopener"


def test_nothing_is_said_twice() -> None:
    text = rendered(entry(author="the GAZETTE", summary=ENTRY.title))
    assert story(text) == "The bridge opens The Gazette · 22 November 2026"


def test_days_are_the_site_s() -> None:
    assert '<time dir="ltr" datetime="2026-11-22T00:30:00+01:00">22 November 2026</time>' in rendered(ENTRY)
    assert 'datetime="2026-11-21T18:30:00-05:00">21 November 2026' in rendered(ENTRY, zone=ZoneInfo("America/New_York"))


def test_only_the_newest_are_shown() -> None:
    text = rendered(*(entry(article_id=n, title=f"Title {n}.") for n in range(NEWEST + 5)))
    assert len(html.fromstring(text).findall(".//article")) == NEWEST
    assert "Title 19." in text
    assert "Title 20." not in text


def test_of_a_withdrawn_article_no_word_is_left(tmp_path: Path) -> None:
    theirs = {"title": "SECRET title", "summary": "SECRET summary", "author": "SECRET author", "html": "<p>SECRET</p>",
              "link": "https://secret.example/SECRET", "source_title": "SECRET source", "correction": "SECRET note",
              "also": (("SECRET", "https://secret.example/"),), "topics": ("SECRET",), "rights": "SECRET"}
    gone = entry(**theirs, mark=Mark.WITHDRAWN, updated_at=NOON + timedelta(days=2))
    text = rendered(gone)
    assert story(text) == "Withdrawn 22 November 2026 What stood here was withdrawn on 24 November 2026."
    (tmp_path / "feeds").mkdir()
    (tmp_path / "feeds" / "feed.html.j2").write_text("{% for one in articles %}{{ one }}{% endfor %}")
    dumped = feed_page(Pages([tmp_path]), Document(FEED, Volume(), (gone,)), zone=BERLIN).decode()
    assert "24 November 2026" in dumped
    assert "secret" not in (text + dumped).lower(), "an operator's template gets none to show either"
    assert "SECRET title" in rendered(entry(**theirs)), "the control"


def test_an_empty_feed_invites() -> None:
    text = rendered()
    assert "Nothing has been published here yet." in words(text)
    assert "Changed" not in words(text)
    assert text.count("rss.xml") >= 3


@pytest.mark.parametrize(
    ("title", "language", "site", "expected"),
    [
        ("The bridge", "", "en", ("", "ltr")), ("Die Brücke", "de", "en", ("de", "ltr")),
        ("הגשר הישן", "he", "en", ("he", "rtl")), ("הגשר הישן", "", "en", ("", "rtl")),   # the source did not say
        ("1911: الجسر", "", "en", ("", "rtl")), ("Python שלום", "", "en", ("", "ltr")),
        ("Python 3.15", "", "he", ("he", "rtl")), ("The bridge", "en", "he", ("", "ltr")), ("ok", "", "", ("", "ltr")),
    ],
)
def test_each_article_goes_in_its_own_direction(
    title: str, language: str, site: str, expected: tuple[str, str]
) -> None:
    text = rendered(entry(title=title, language=language), language=site)
    article = html.fromstring(text).find(".//article")
    assert (article.find("h3").get("lang", ""), article.get("dir", "ltr")) == expected
    assert [p.get("lang", "") for p in article.findall("p") if p.text == ENTRY.summary] == [expected[0]]
    assert (html.fromstring(text).get("lang"), html.fromstring(text).get("dir")) == ("en", "ltr")


def test_what_the_site_says_of_itself_is_in_its_language() -> None:
    root = html.fromstring(rendered(language="fa", title="همه چیز"))
    for element in (root.find(".//h1"), root.find_class("lead")[0], root.find_class("name")[0]):
        assert (element.get("lang"), element.get("dir")) == ("fa", "rtl")


def test_an_archive_s_document_changes_nothing_on_the_page() -> None:
    """The page is made of the document that people subscribe to; where it reaches back to is for readers."""
    later = NOON + timedelta(days=1)
    assert rendered(ENTRY, volume=Volume(previous="archive/1/")) == rendered(ENTRY)
    assert rendered(entry(updated_at=later)) != rendered(ENTRY), "but its date is on it"


# --- links, and what is never there ------------------------------------------------------------------------


@pytest.mark.parametrize(("slug", "up"), [("all", "../"), ("all/topic/python", "../../../")])
def test_files_link_to_each_other_wherever_they_lie(slug: str, up: str) -> None:
    topic = below("all/topic/night trains", title="Night trains")
    text = feed_page(PAGES, Document(below(slug), Volume(), (ENTRY,)), zone=BERLIN, parent=FEED,
                     topics=[topic]).decode()
    ours = [k.get("href") for k in html.fromstring(text).iter("a", "link")
            if not k.get("href").startswith(("#", "data:", "https://gazette.example/", "feed:"))
            and not any(k.get("href").startswith(f"https://{reader}") for reader in (
                "feedly.com", "www.inoreader.com", "www.newsblur.com", "theoldreader.com", "feedbin.com"))]
    assert {url for url in ours if ":" in url} == {"https://lantern.example/", f"https://lantern.example/feeds/{slug}/"}
    assert [url for url in ours if ":" not in url] == [
        "rss.xml", "atom.xml", "feed.json", f"{up}index.html", f"{up}all/index.html", "rss.xml", "atom.xml",
        "feed.json", f"{up}all/topic/night%20trains/index.html"]


def test_the_page_loads_nothing_runs_nothing_and_asks_for_nothing() -> None:
    text = rendered(ENTRY, image="https://elsewhere.example/cover.png", hub="https://hub.example/")
    for page in (text, index(FEED)):
        for tag in ("script", "img", "iframe", "form", "input", "object", "embed", "video", "audio", "base"):
            assert f"<{tag}" not in page
        for element in html.fromstring(page).iter():
            names = set(element.attrib)
            assert not {"src", "srcset", "style", "background", "ping"} & names
            assert not [name for name in names if str(name).startswith("on")]
        loaded = [k.get("href") for k in html.fromstring(page).iter("link")
                  if k.get("rel") not in {"canonical", "alternate", "hub"}]
        assert loaded == []
        style = html.fromstring(page).find("head/style").text
        assert "url(" not in style
        assert "@import" not in style
        assert "@font-face" not in style


@pytest.mark.parametrize("poison", HOSTILE)
def test_hostile_words_stay_words(poison: str) -> None:
    everywhere = dict.fromkeys(("title", "summary", "author", "source_title", "correction", "language"), poison)
    page = dict.fromkeys(("title", "description", "site_title", "hub", "rights"), poison)
    document = Document(replace(FEED, language="en", **page), Volume(), (entry(
        **everywhere | {"summary": f"s{poison}"}, corrected_at=NOON, also=((poison, f"https://x.example/{poison}"),)),))
    made = feed_page(PAGES, document, zone=BERLIN, parent=below("x", title=poison, language=poison),
                     topics=[below(f"all/topic/{poison}", title=poison)]).decode()
    plain = rendered(entry(correction="c", corrected_at=NOON, also=(("a", "https://x.example/"),), language="de"),
                     hub="https://hub.example/")
    assert well_formed(made) == []
    root = html.fromstring(made)
    assert root.find("head/title").text == poison
    assert root.find(".//h1").text == poison
    assert root.find(".//article/h3").text_content() == poison
    assert "49" not in made
    kept = {element.tag for element in root.iter() if isinstance(element.tag, str)}
    assert kept <= {element.tag for element in html.fromstring(plain).iter()}, "no element that is not ours"
    assert well_formed(index(below(f"{poison}x", title=poison, description=poison, language=poison))) == []


@pytest.mark.parametrize("url", ["javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "//x.example", ""])
def test_an_address_that_is_none_is_no_link(url: str) -> None:
    text = rendered(entry(link=url, also=(("Elsewhere", url),)))
    assert html.fromstring(text).findall(".//article//a") == []
    assert "Also in Elsewhere" in story(text)


# --- the page of all feeds ----------------------------------------------------------------------------------


def test_all_feeds_are_listed_with_their_topics_beneath() -> None:
    text = index(FEED, below("all/topic/python", title="Python"),
                 below("talks", title="Talks", podcast=Podcast("News")), below("all/topic/rust", title="Rust"),
                 below("gone/topic/orphan", title="Orphan"))
    assert well_formed(text) == []
    root = html.fromstring(text)
    assert [h.text_content() for h in root.iter("h2")] == ["Everything", "Talks", "Orphan", "All of them at once"]
    first = root.find_class("feeds")[0][0]
    assert [a.get("href") for a in first.iter("a")] == [
        "all/index.html", "all/rss.xml", "all/atom.xml", "all/feed.json", "all/topic/python/index.html",
        "all/topic/rust/index.html"]
    assert ("Podcast" in first.text_content(), words(text).count("Podcast")) == (False, 1)
    assert [a.get("href") for a in root.iter("a") if a.get("type") == "text/x-opml"] == ["feeds.opml"]
    assert [k.get("href") for k in root.iter("link") if k.get("rel") == "alternate"] == [
        "all/rss.xml", "talks/rss.xml", "gone/topic/orphan/rss.xml"]
    assert [h.text for h in root.iter("h1")] == ["Feeds"]


def test_without_feeds_it_says_so() -> None:
    assert "There is no feed yet." in words(index())
    assert "opml" not in index()


# --- bytes --------------------------------------------------------------------------------------------------

SCRIPT = """
import hashlib, locale, sys
sys.path[:0] = [{folder!r}, {root!r}]
import test_page as t
text = t.rendered(t.entry(also=(("B", "https://b.example"), ("A", "")), topics=("x", "y"), corrected_at=t.NOON,
                          correction="c"), t.entry(mark=t.Mark.WITHDRAWN)) + t.index(t.FEED, t.below("all/topic/x"))
print(hashlib.sha256(text.encode()).hexdigest())
"""


def test_the_same_values_give_the_same_bytes_wherever_they_are_made() -> None:
    code = SCRIPT.format(folder=str(Path(__file__).parent), root=str(ROOT))
    found = set()
    for seed, zone, language in (("1", "Asia/Tokyo", "C"), ("2", "America/Los_Angeles", "C.UTF-8"), ("3", "UTC", "")):
        env = os.environ | {"PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": language}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1


def test_every_page_is_well_formed() -> None:
    everything = entry(also=(("A", "https://a.example/"),), correction="c", corrected_at=NOON, language="ar")
    for text in (rendered(), rendered(ENTRY, everything, entry(mark=Mark.WITHDRAWN), hub="https://hub.example/"),
                 rendered(ENTRY, podcast=Podcast("News"), language="he"), index(FEED), index()):
        assert well_formed(text) == []
        assert text.startswith("<!DOCTYPE html>\n<html lang=")


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [("<p><b>x</p></b>", "b is open"), ("<p>x", "p is open"), ("</p>", "p is not open"), ("a & b", "bare &"),
     ("<p>a < b</p>", "bare <"), ('<a id="1" id="2"></a>', "twice"), ('<p id="1"></p><p id="1"></p>', "id 1"),
     ('<a href="#x"></a>', "#x leads nowhere"), ("<a><a></a></a>", "a in a"), ("<p><ul></ul></p>", "ul in p")],
)
def test_what_is_not_well_formed_is_found(broken: str, complaint: str) -> None:
    assert complaint in "\n".join(well_formed(broken))


# --- templates ----------------------------------------------------------------------------------------------


def test_the_operator_s_template_wins_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "feeds").mkdir()
    (tmp_path / "feeds" / "feed.html.j2").write_text(
        '{% extends "feeds/layout.html.j2" %}{% block main %}{% for article in articles %}'
        "<h1>{{ article.title }} {{ article.date }}</h1>{% endfor %}{{ feed.slug }}{% endblock %}")
    (tmp_path / "feeds" / "feeds.css").write_text("body { color: teal }")
    text = feed_page(Pages([tmp_path, SHIPPED]), Document(FEED, Volume(), (ENTRY,)), zone=BERLIN).decode()
    assert "<h1>The bridge opens 22 November 2026</h1>all" in text
    assert "teal" in text
    assert "--desk" not in text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("{% if %}", "feed.html.j2:2"), ("{{ nobody }}", "'nobody' is undefined"), ("{{ 1 / 0 }}", "ZeroDivisionError"),
     ("{{ feed.__class__.__mro__ }}", "unsafe"), ('{% extends "feeds/feed.html.j2" %}', "RecursionError"),
     ('{% include "feeds/nowhere.css" %}', "nowhere.css"), ("\udcff", "can't decode")],
)
def test_a_broken_template_says_where(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "feeds").mkdir()
    (tmp_path / "feeds" / "feed.html.j2").write_bytes(f"<p>\n{text}".encode(errors="surrogateescape"))
    with pytest.raises(TemplateError, match=re.escape(complaint)) as caught:
        feed_page(Pages([tmp_path, SHIPPED]), Document(FEED, Volume(), (ENTRY,)), zone=BERLIN)
    assert "feed.html.j2" in caught.value.subject


def test_what_a_page_s_own_functions_raise_is_no_fault_of_the_template(tmp_path: Path) -> None:
    def ask() -> str:
        raise StoreError("the database", "does not answer")

    (tmp_path / "one.html.j2").write_text("{{ ask() }}")
    with pytest.raises(StoreError, match="does not answer"):
        Pages([tmp_path]).render("one", ask=ask)


def test_the_shipped_loop_unpacks_articles_in_their_own_order() -> None:
    source = (SHIPPED / "feeds" / "feed.html.j2").read_text()
    (loop,) = re.findall(r"{% for ([\w, ]+) in articles %}", source)
    assert tuple(loop.split(", ")) == Shown._fields


def test_every_name_that_the_pages_may_use_is_told_and_no_other() -> None:
    section = (ROOT / "docs" / "templates.md").read_text().partition("\n## The pages of feeds")[2].partition("\n## ")[0]
    told = {table: {name for row in re.findall(r"^\| (`.*?) \|", rows, re.MULTILINE)
                    for name in re.findall(r"`(\w+)`", row)}
            for table, _, rows in (part.partition("\n") for part in section.split("\n### ")[1:])}
    given: dict[str, set[str]] = {}

    class Listening:
        def render(self, name: str, **values: Any) -> str:
            given[name] = set(values)
            return ""

    feed_page(Listening(), Document(FEED, Volume(), ()), zone=BERLIN)  # type: ignore[arg-type]
    feeds_page(Listening(), [], url="", site_title="", site_url="")  # type: ignore[arg-type]
    both = given["feeds/feed"] & given["feeds/index"]
    assert told == {
        "Both pages": both, "The page of a feed": given["feeds/feed"] - both,
        "The page of all feeds": given["feeds/index"] - both, "An article": set(Shown._fields),
        "A listed feed": set(Listed._fields), "A format": set(Format._fields),
    }


# --- colours ------------------------------------------------------------------------------------------------

FEEDS_CSS = (SHIPPED / "feeds" / "feeds.css").read_text()
INK = ("--ink", "--text", "--quiet", "--accent")
GROUNDS = ("--sheet", "--tint")


def test_the_palette_is_the_one_of_the_site_s_pages_and_letters() -> None:
    light, dark = palettes(FEEDS_CSS)
    assert palettes((ROOT / "pipeline" / "web" / "style.css").read_text()) == (light, dark)
    assert set(light) == set(dark)
    letter, screen = ((SHIPPED / "digest" / name).read_text() for name in ("digest.css", "screen.css"))
    shared = ("--desk", "--sheet", "--ink", "--text", "--quiet", "--accent", "--line", "--quote")
    assert [name for name in shared if light[name] not in letter] == []
    assert [name for name in shared if dark[name] not in screen] == []


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_ink_can_be_read_on_every_ground(scheme: int) -> None:
    colours = palettes(FEEDS_CSS)[scheme]
    pairs = [(ink, ground) for ink in INK for ground in GROUNDS] + [("--on-accent", "--accent")]
    assert [(pair, ratio) for pair in pairs if (ratio := contrast(*(colours[name] for name in pair))) < 4.5] == []
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#999999", "#ffffff") < 4.5
    named = set(re.findall(r"(?<![\w-])color: var\((--[\w-]+)\)", FEEDS_CSS))
    assert named == {*INK, "--on-accent"}, "whatever text is coloured with is checked here"


def palettes(css: str) -> tuple[dict[str, str], dict[str, str]]:
    """The custom properties that are colours: in light, in dark."""
    css = css.partition("@media print")[0]
    return tuple(dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6});", block))  # type: ignore[return-value]
                 for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL))


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, 1.4.3."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (x / 12.92 if x <= 0.03928 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


# --- a strict reader of HTML --------------------------------------------------------------------------------


class Strict(HTMLParser):
    """What a browser would mend in silence: `problems` in words."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.problems: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.fragments: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        self.problems += [f"{tag} has {name} twice" for name in set(names) if names.count(name) > 1]
        for name, value in attrs:
            if name == "id":
                self.problems += [f"id {value} twice"] if value in self.ids else []
                self.ids.append(str(value))
            if name == "href" and str(value).startswith("#"):
                self.fragments.append(str(value)[1:])
            if name == "aria-labelledby":
                self.fragments.append(str(value))
        if tag in self.open and tag in {"a", "p", "h1", "h2", "h3", "main", "article"}:
            self.problems.append(f"{tag} in {tag}")
        if "p" in self.open and tag in {"ul", "li", "div", "section", "article", "h1", "h2", "h3"}:
            self.problems.append(f"{tag} in p")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.open:
            self.problems.append(f"{tag} is not open")
            return
        while (last := self.open.pop()) != tag:
            self.problems.append(f"{last} is open at the end of {tag}")

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.problems += [f"a bare {mark} in {data[:40]!r}" for mark in "<&" if mark in data]


def well_formed(text: str) -> list[str]:
    reader = Strict()
    reader.feed(text)
    reader.close()
    return [*reader.problems, *(f"{tag} is open at the end" for tag in reader.open),
            *(f"#{name} leads nowhere" for name in reader.fragments if name not in reader.ids)]
