"""The front page, articles, small files, and what a reader gets where there is nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from pipeline import config
from pipeline.errors import StoreError
from pipeline.model.articles import ArticleStatus, Show
from pipeline.store.schema import articles, sources
from pipeline.web.site import FOLDER

HOST = "http://127.0.0.1:8000"


def change(house: Any, article: int = 1, **values: Any) -> None:
    with house.app.store.write() as connection:
        connection.execute(update(articles).where(articles.c.id == article).values(**values))


def configured(house: Any, old: str, new: str) -> Any:
    """The same house with another configuration."""
    path = house.folder / "config.toml"
    path.write_text(path.read_text().replace(old, new))
    app = type(house.app)(config.load(path), house.app.store, house.app.keyring, house.app.now)
    return type(house)(app, house.folder)


def test_the_front_page_shows_a_newcomer_everything(house: Any) -> None:
    page = house.get("/").text
    assert page.count("<h1") == 1
    assert "The &lt;Beacon&gt;" in page
    assert "Everything &lt;new&gt;" in page
    assert f'href="{house.digest_path}"' in page
    assert 'href="/n/beacon/"' in page
    assert 'href="/feeds/all/rss.xml"' in page
    for name in ("rss", "atom"):
        assert f'type="application/{name}+xml"' in page
        assert f'href="{HOST}/feeds/all/{name}.xml"' in page
    assert "Monday, 23 November 2026" in page
    assert "The last ferry &amp; the first" in page


def test_a_feed_that_is_not_built_yet_is_not_offered(house: Any) -> None:
    for path in (house.folder / "feeds" / "tide").iterdir():
        path.unlink()
    page = house.get("/").text
    assert "/feeds/tide/rss.xml" not in page
    assert "About to be built" in page


def test_an_article_of_ours_is_shown_whole(house: Any) -> None:
    change(house, html="<p>whole <em>text</em></p>", title="A <b> & c", rights="(c) the quay", enclosures=[
        {"url": "https://media.example/a.mp3", "media_type": "audio/mpeg", "length": 1_200_000}])
    page = house.get("/a/1")
    assert page.status == 200
    assert "<p>whole <em>text</em></p>" in page.text
    assert "<h1>A &lt;b&gt; &amp; c</h1>" in page.text
    assert f'<link rel="canonical" href="{HOST}/a/1">' in page.text
    assert 'href="https://media.example/a.mp3"' in page.text
    assert "1.2 MB" in page.text
    assert "sandbox" in page.headers["content-security-policy"]


def test_a_story_is_listed_once_and_names_who_else_tells_it(house: Any) -> None:
    with house.app.store.write() as connection:
        blog = connection.execute(insert(sources).values(
            slug="blog", kind="feed", location="x", title="The <Blog>", created_at=house.app.now(),
        ).returning(sources.c.id)).scalar_one()
        first, second = connection.execute(select(articles.c.id).order_by(articles.c.accepted_seq)).scalars()
        connection.execute(update(articles).where(articles.c.id == second).values(
            source_id=blog, story_id=first, url="https://blog.example/x?a=1&b=2", title="Told again"))
    front, page = house.get("/").text, house.get(f"/a/{first}").text
    assert "Told again</a></h3>" not in front
    for text in (front, page):
        assert 'Also in <a href="https://blog.example/x?a=1&amp;b=2">The &lt;Blog&gt;</a></p>' in text
    assert f'Also in <a href="{HOST}/a/{first}">' in house.get(f"/a/{second}").text
    change(house, article=second, status=ArticleStatus.WITHDRAWN)
    assert "Also in" not in house.get("/").text


def test_of_others_work_a_summary_and_a_link(house: Any) -> None:
    change(house, show=Show.SUMMARY, html="<p>whole</p>", summary="In short.", url="https://blog.example/x?a=1&b=2")
    page = house.get("/a/1").text
    assert "whole" not in page
    assert "In short." in page
    assert '<link rel="canonical" href="https://blog.example/x?a=1&amp;b=2">' in page
    assert 'href="https://blog.example/x?a=1&amp;b=2"' in house.get("/").text


@pytest.mark.parametrize(("status", "answer"), [(ArticleStatus.HELD, 404), (ArticleStatus.WITHDRAWN, 410)])
def test_an_article_that_is_not_out_is_not_shown(house: Any, status: ArticleStatus, answer: int) -> None:
    title = "The last ferry"
    assert title in house.get("/").text
    change(house, status=status, title=title)
    page = house.get("/a/1")
    assert page.status == answer
    assert title not in page.text
    assert title not in house.get("/").text.partition('id="articles"')[2].partition("<aside")[0]


@pytest.mark.parametrize("written", ["0", "-1", "99", "1.0", "x", "9" * 40, "１", "%20", "1%00", "0x1"])
def test_an_article_that_is_not_there(house: Any, written: str) -> None:
    assert house.get(f"/a/{written}").status == 404


def test_small_files(house: Any) -> None:
    assert house.get("/healthz").body == b"ok\n"
    robots = house.get("/robots.txt").text
    assert "Disallow: /u/" in robots
    assert "Disallow: /p/" in robots
    assert "Disallow: /mail/" in robots
    for name in ("favicon.ico", "favicon.svg"):
        assert house.get(f"/{name}").headers["content-type"] == "image/svg+xml"
    style = house.get("/style.css")
    assert style.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in style.headers["cache-control"]
    assert house.get("/style.css", if_none_match=style.headers["etag"]).status == 304
    linked = re.search(r'rel="stylesheet" href="([^"]+)"', house.get("/").text)
    assert linked
    assert house.get(linked[1]).body == style.body


def test_a_database_that_does_not_answer_is_said_aloud(
    house: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_store: object) -> None:
        raise StoreError("sqlite:///data/site.db", "database is locked", permanent=False)

    monkeypatch.setattr(type(house.app.store), "read", broken)
    assert house.get("/healthz").status == 503
    page = house.get("/")
    assert page.status == 503
    assert page.headers["retry-after"] == "30"
    assert "site.db" not in page.text
    assert "database is locked" in caplog.text


def test_what_nobody_foresaw_is_a_page_too(
    house: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pipeline.store.articles.newest", lambda *_: 1 / 0)
    page = house.get("/")
    assert page.status == 500
    assert "Something went wrong" in page.text
    assert "ZeroDivisionError" not in page.text
    assert "ZeroDivisionError" in caplog.text
    assert "content-security-policy" in page.headers


@pytest.mark.parametrize("path", ["/nothing", "/n/", "/u/", "/mail/", "/a/", "/style.css/", "//", "/n/a/b/c"])
def test_where_there_is_nothing_a_page_says_so(house: Any, path: str) -> None:
    page = house.get(path)
    assert page.status == 404
    assert page.text.count("<h1") == 1
    assert 'href="/"' in page.text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", "/", {"GET", "HEAD"}), ("DELETE", "/a/1", {"GET", "HEAD"}), ("PUT", "/u/x", {"GET", "HEAD", "POST"}),
     ("POST", "/feeds/all/rss.xml", {"GET", "HEAD", "OPTIONS"})],
)
def test_another_method_is_refused_in_words(house: Any, method: str, path: str, allowed: set[str]) -> None:
    page = house.ask(method, path)
    assert page.status == 405
    assert {m.strip() for m in page.headers["allow"].split(",")} == allowed
    assert "Not like this" in page.text


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1:8000@evil.example", "", "[::", "a b", "evil.example/x",
             "127.0.0.1:99999", "é.example", "%0d%0aX: y"])
def test_no_link_is_made_from_a_host_header(house: Any, host: str) -> None:
    for path in ("/", "/n/beacon", "/n/beacon/", "/a/1", "/feeds", "/feeds/all", "/nothing", house.digest_path):
        answer = house.get(path, host=host, x_forwarded_host="evil.example", forwarded="host=evil.example")
        assert answer.status in (200, 308, 404)
        assert "evil" not in answer.text
        assert "evil" not in str(answer.headers)


def test_a_site_below_a_path(house: Any) -> None:
    house = configured(house, f'public_url = "{HOST}"', 'public_url = "https://beacon.example/news"')
    for path in ("/", "/news/", "/news"):  # whether or not a proxy cuts the path off
        page = house.get(path)
        assert page.status == 200
        inner = set(re.findall(r'href="(/[^"]*)"', page.text))
        assert inner
        assert all(address.startswith("/news/") for address in inner)
    assert 'href="https://beacon.example/news/feeds/all/rss.xml"' in page.text
    assert house.get("/news/feeds/all/rss.xml").status == 200
    assert house.get("/newspaper").status == 404
    assert house.get("/n/lamp").headers["location"] == "/news/n/beacon/"
    (house.folder / "feeds" / "robots.txt").unlink(missing_ok=True)  # built for the old address
    assert "Disallow: /news/u/" in house.get("/robots.txt").text


def test_what_the_site_says_is_marked_with_its_own_language(house: Any) -> None:
    house = configured(house, "demo = true", 'demo = true\nlanguage = "ar"')
    page = house.get("/").text
    assert '<html lang="en">' in page
    assert '<h1 class="name" lang="ar" dir="rtl">' in page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(scheme: str) -> None:
    """WCAG 2.2 §1.4.3: a contrast of 4.5 at least, for each colour of text on each ground."""
    style = (FOLDER / "style.css").read_text()
    light, dark = style.partition("@media (prefers-color-scheme: dark)")[::2]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", light))
    if scheme == "dark":
        colours |= dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", dark.partition("* {")[0]))
    for text in ("ink", "text", "quiet", "accent"):
        for ground in ("sheet", "tint", "desk"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
