"""Listing pages as blogs, papers and hand-written pages have them, with and without a selector."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as lxml_html

from pipeline.collect.finding.listing import MAX_ARTICLES, read_listing
from pipeline.collect.finding.selector import select
from pipeline.collect.finding.teaser import could_be_article, headline
from pipeline.errors import ParseError

URL = "https://paper.example/news/"
TITLES = ["Snow closes the mountain road", "A harbour for the small boats", "What the council decided",
          "Bread prices, once more", "The last cinema in town"]
SLUGS = ["snow-closes-the-road", "a-harbour-for-boats", "what-the-council-decided", "bread-prices-once-more",
         "the-last-cinema-in-town"]
FURNITURE = """<header class="top"><a href="/">The Paper</a>
  <a href="/news/a-special-of-the-week">A special of the week</a>
  <nav><ul><li><a href="/news/local-news-of-today">All the local news of today</a></ul></nav></header>"""
END = """<div class="box related-posts"><h3><a href="/news/what-else-was-written">What else was written</a></h3></div>
  <section id="sidebar"><h2><a href="/news/what-stands-at-the-side">What stands at the side</a></h2></section>
  <aside><h3><a href="/news/most-read-of-all-time">Most read of all time, ever</a></h3></aside>
  <div class="pagination"><a href="/news/page/2">Older articles of this paper</a></div>
  <footer><h4><a href="/about-the-paper-and-us">About the paper and who makes it</a></h4></footer>"""


def page(middle: str, head: str = "<title>The Paper</title>") -> bytes:
    start = f'<!doctype html><html lang="sv"><head>{head}</head><body class="has-sidebar">'
    return f"{start}{FURNITURE}{middle}{END}".encode()


def read(body: bytes, selector: str = "", url: str = URL):
    return read_listing(body, url=url, content_type="text/html; charset=utf-8", selector=selector)


def each(form: str) -> str:
    return "".join(form.format(n=n, title=t, slug=s) for n, (t, s) in enumerate(zip(TITLES, SLUGS, strict=True), 1))


SHAPES = {
    "blog": """<main>{}</main>""".format(each(
        '<article class="post tag-snow category-news"><header><h2><a href="/news/{slug}">{title}</a></h2>'
        '<time datetime="2026-11-0{n}T08:00:00Z">{n} November</time></header><p>The teaser of article number {n}, long '
        'enough to be one.</p><p class="tags"><a href="/tag/winter-time">All about the winter time</a></p>'
        '<a href="/news/{slug}#more">Continue reading {title}</a></article>')),
    "cards": """<div class="grid">{}</div>""".format(each(
        '<div class="card"><a href="https://paper.example/news/{slug}"><img src="/i/{n}.jpg" alt=""><h3>{title}</h3>'
        '<p>The teaser of article number {n}, long enough to be one.</p>'
        '<span class="date">{n} November 2026</span></a></div>')),
    "list": """<h1>News</h1><ul class="archive-list">{}</ul>""".format(each(
        '<li><span class="date">2026-11-0{n}</span> <a href="/news/{slug}.html">{title}</a></li>')),
    "table": """<table><tbody>{}</tbody></table>""".format(each(
        '<tr><td>2026-11-0{n}</td><td><a href="/news/show?id=10{n}">{title}</a></td></tr>')),
    "definitions": """<dl>{}</dl>""".format(each(
        '<dt>{n} Nov 2026</dt><dd><a href="/2026/11/0{n}/{slug}">{title}</a></dd>')),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_list_is_found_and_nothing_else(shape: str) -> None:
    found = read(page(SHAPES[shape]))
    assert [a.title for a in found.articles] == TITLES
    assert all(a.pointer for a in found.articles)
    assert (found.title, found.language, found.notes) == ("The Paper", "sv", ())
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize("shape", ["blog", "cards", "list", "table"])
def test_dates_stand_in_each_article_s_own_place(shape: str) -> None:
    days = [datetime(2026, 11, n, 8 if shape == "blog" else 0, tzinfo=UTC) for n in range(1, 6)]
    assert [a.published_at for a in read(page(SHAPES[shape])).articles] == days


def test_an_address_may_hold_the_date() -> None:
    body = page(each('<h2><a href="/2026/11/0{n}/{slug}">{title}</a></h2>'))
    assert [a.published_at for a in read(body).articles] == [datetime(2026, 11, n, tzinfo=UTC) for n in range(1, 6)]


def test_teasers_and_pictures_come_along() -> None:
    for shape in ("blog", "cards"):
        assert [a.summary for a in read(page(SHAPES[shape])).articles] == [
            f"The teaser of article number {n}, long enough to be one." for n in range(1, 6)]
    assert read(page(SHAPES["cards"])).articles[0].image == "https://paper.example/i/1.jpg"


def test_a_headline_wins_over_a_picture_s_link_and_read_more() -> None:
    body = page(each('<div><a href="/news/{slug}"><img src="x.jpg" alt="x"></a><h3><a href="/news/{slug}?utm_source=x">'
                     '{title}</a></h3><a href="/news/{slug}#c">12 comments</a>'
                     '<a href="/news/{slug}">Read more</a></div>'))
    found = read(body)
    assert [a.title for a in found.articles] == TITLES
    assert {a.url for a in found.articles} == {f"https://paper.example/news/{s}" for s in SLUGS}


def test_base_and_blogs_on_a_host_below() -> None:
    body = page(each('<h2><a href="{slug}">{title}</a></h2>'), '<base href="https://blog.paper.example/x/"><title>P</title>')
    assert read(body).articles[0].url == "https://blog.paper.example/x/snow-closes-the-road"


def test_the_headline_is_the_title_even_where_the_teaser_is_a_longer_link() -> None:
    body = page(each('<div><p><a href="/news/{slug}">What is told under the headline is longer than it, always</a></p>'
                     '<h3><a href="/news/{slug}">{title}</a></h3></div>'))
    assert [a.title for a in read(body).articles] == TITLES


def test_where_most_addresses_are_articles_a_stray_one_is_none() -> None:
    stray = '<h2><a href="/shop">Our shop for readers</a></h2>'
    body = page(stray + each('<h2><a href="/news/{slug}">{title}</a></h2>'))
    assert [a.title for a in read(body).articles] == TITLES


def test_a_menu_in_the_page_s_head_is_longer_than_the_list_and_is_none() -> None:
    menu = "".join(f"<div><a href='/topics-of-ours-{n}-here'>One of our many topics, {n}</a></div>" for n in range(20))
    body = page(f"<header>{menu}</header>" + each('<p><a href="/news/{slug}">{title}</a></p>'))
    assert [a.title for a in read(body).articles] == TITLES


def test_headings_that_lead_to_topics_are_no_articles() -> None:
    topics = "".join(f"<h2><a href='/tag/topic-number-{n}'>All of topic {n}</a></h2>" for n in range(9))
    body = page(topics + each('<h3><a href="/news/{slug}">{title}</a></h3>'))
    assert [a.title for a in read(body).articles] == TITLES


@pytest.mark.parametrize(("url", "could"), [
    ("/news/snow-closes-the-road", True), ("/2026/11/22/snow", True), ("/?p=17", True), ("/news/story.html?id=3", True),
    ("/about-the-snow-of-1888", True), ("/search-for-the-lost-ship", True), ("/en/snow", True),
    ("/", False), ("/?page=2", False), ("/news/page/2", False), ("/tag/snow", False), ("/category/winter/", False),
    ("/authors/jo", False), ("/2026/11/", False), ("/blog/2026", False), ("/login", False), ("/en/", False),
    ("/about", False), ("/feed", False), ("/snow.jpg", False), ("/snow.pdf", True), ("/news?offset=20", False),
    ("/archive", False), ("/wp-login.php", False), ("/news/snow/comments", False),
])
def test_what_could_be_an_article_s_address(url: str, could: bool) -> None:
    assert could_be_article(f"https://paper.example{url}") is could


@pytest.mark.parametrize(("link", "text"), [
    ("Snow closes the road", "Snow closes the road"), ("<h3>Snow</h3><p>and so on</p>", "Snow"),
    ("雪で道が閉鎖", "雪で道が閉鎖"),
    ("Read more", ""), ("Continue reading Snow closes the road", ""), ("Weiterlesen …", ""), ("12 comments", ""),
    ("22 November 2026", ""), ("2026-11-22", ""), ("→", ""), ("1 2 3 4 5 6 7", ""), ("Technology", ""), ("Snow", ""),
    ("Lire la suite de l'article", ""), ("Share this post", ""), ("", ""), ("<img alt=x>", ""),
])
def test_what_could_be_a_headline(link: str, text: str) -> None:
    (anchor,) = lxml_html.document_fromstring(f"<body><a href=x>{link}</a>").iter("a")
    assert headline(anchor) == text
    assert headline(anchor, headed=True) == (link if link in ("Snow", "Technology") else text)


@pytest.mark.parametrize("date", [
    "<time datetime=2026-11-22>yesterday</time>", "<time>22 November 2026</time>", "<span datetime=2026-11-22>x</span>",
    "<meta itemprop=datePublished content=2026-11-22>", "<span itemprop=datePublished>November 22, 2026</span>",
    "<p class=meta>By Jo on 22 November 2026 in City</p>", "<small>Nov 22, 2026</small>", "<b>2026-11-22</b>",
])
def test_ways_to_write_a_date(date: str) -> None:
    body = page(f"<div class=x><h2><a href=/a>One</a></h2>{date}</div><div class=x><h2><a href=/b>Two</a></h2></div>")
    assert [a.published_at for a in read(body, ".x").articles] == [datetime(2026, 11, 22, tzinfo=UTC), None]


def test_a_word_that_is_a_date_in_prose_is_none() -> None:
    body = page("<div class=x><h2><a href=/a>One</a></h2><p>It was on 22 November 2026 that it snowed.</p></div>")
    assert read(body, ".x").articles[0].published_at is None


def test_links_to_other_sites_need_a_selector() -> None:
    body = page(f"<main>{each('<h2><a href=https://other.example/{slug}>{title}</a></h2>')}</main>")
    with pytest.raises(ParseError, match="no list of articles") as caught:
        read(body)
    assert "selector" in caught.value.hint
    assert len(read(body, "main h2").articles) == 5


def test_a_services_page_is_no_list() -> None:
    body = page("<main>" + "".join(f"<p><a href='/{w}'>All about our {w.title()}</a></p>" for w in (
        "products", "services", "company", "partners", "downloads")) + "</main>")
    with pytest.raises(ParseError, match="no list"):
        read(body)


@pytest.mark.parametrize(("selector", "titles"), [
    ("article", TITLES), ("article h2", TITLES), ("article h2 a", TITLES),
    ("main > article:not(:first-child)", TITLES[1:]),
    ("article:nth-of-type(2n), article:first-of-type", [TITLES[0], TITLES[1], TITLES[3]]),
    ("article:has(time)", TITLES), (".tag-snow", TITLES), ("[class*=category-news]", TITLES),
])
def test_a_selector_names_the_articles(selector: str, titles: list[str]) -> None:
    found = read(page(SHAPES["blog"]), selector)
    assert [a.title for a in found.articles] == titles


def test_a_selected_element_gives_date_and_teaser_and_what_is_around_it_does_not() -> None:
    (first, *_) = read(page(SHAPES["blog"]), "article").articles
    assert first.published_at == datetime(2026, 11, 1, 8, tzinfo=UTC)
    assert first.summary == "The teaser of article number 1, long enough to be one."
    assert read(page(SHAPES["blog"]), "h2").articles[0].summary == ""


def test_an_element_within_its_link_is_enough() -> None:
    assert [a.title for a in read(page(SHAPES["cards"]), ".card h3").articles] == TITLES


@pytest.mark.parametrize(("selector", "cause"), [
    ("h2 >", "no CSS"), ("h2[", "no CSS"), (":nonsense", "no CSS"), ("h2::before", "pseudo-element"), ("a|b", "no CSS"),
    ("x" * 501, "longer than 500"), (".nowhere", "means nothing on this page"), ("title", "elements without a link"),
    ("p:nth-child(x)", "no CSS"), (":has(a b)", "no CSS"), ("(" * 400, "no CSS"), (":not(" * 80 + ")" * 80, "no CSS"),
])
def test_a_selector_that_can_t_work_says_so(selector: str, cause: str) -> None:
    with pytest.raises(ParseError, match=cause) as caught:
        read(page(SHAPES["blog"]), selector)
    assert caught.value.subject == URL
    assert caught.value.hint or "longer" in cause or "pseudo" in cause


@pytest.mark.parametrize(("selector", "number"), [
    ("* * *", 20_000), ("* * * * * *", 0), ("div div div div div div", 0), ("* ~ * ~ *", 20_000),
    ("p ~ p:last-child", 1), ("*:has(*)", 3), (".none ~ p", 0),
    (".none p", 0), (".none div", 0), ("p:nth-last-of-type(-n+3)", 3),
])
def test_what_a_selector_costs_grows_with_the_page_and_no_faster(selector: str, number: int) -> None:
    """As XPath, "* ~ * ~ *" on these takes minutes."""
    flat = lxml_html.document_fromstring("<body>" + "<p></p>" * 20_000)
    deep = lxml_html.document_fromstring("<body>" + ("<div>" * 90 + "</div>" * 90) * 100)
    found = select(flat, selector, subject="x")
    assert number - 4 <= len(found) <= number
    select(deep, selector, subject="x")


@pytest.mark.parametrize(("selector", "ids"), [
    ("li", "abcd"), ("ul > li + li", "bcd"), ("#a + li", "b"), ("#a ~ li", "bcd"),
    ("li ~ li ~ li", "cd"), ("li:nth-child(even)", "bd"),
    ("li:last-child", "d"),
    ("li:nth-last-child(-n + 2)", "cd"), ("li:not(.x)", "acd"), ("li[lang|=en]", "ab"), ("li[lang='EN-gb' i]", "b"),
    ("li[title~=two]", "c"), ("li[title!='one two']", "abd"), ("li[title^=''], li[title*='']", ""), ("#d, .x", "bd"),
    ("li:empty", "d"), ("li:only-child", ""), (":root li:first-of-type", "a"), ("LI.x", "b"), ("li:is(#a, .x)", "ab"),
    ("li:where(#a)", "a"), ("li:has(> b)", "c"), ("li:has(b)", "c"), ("body li b", "e"), ("a:link", "f"),
    ("li > b, b", "e"),
])
def test_selectors_mean_what_css_says(selector: str, ids: str) -> None:
    root = lxml_html.document_fromstring(
        '<body><ul><li id=a lang=en>1</li><li id=b class="y x" lang=en-GB>2</li><li id=c title="one two"><b id=e>3</b>'
        "</li><li id=d></li></ul><a href=x id=f>4</a><a id=g>5</a>")
    assert "".join(e.get("id") for e in select(root, selector, subject="x")) == ids


def test_very_long_pages_are_cut_and_say_so() -> None:
    body = page("".join(f"<h2><a href='/news/a-long-slug-{n}'>The article of number {n}</a></h2>" for n in range(300)))
    found = read(body)
    assert len(found.articles) == MAX_ARTICLES
    assert found.notes == ("100 of 300 articles were left out: only the first 200 of a page are read",)


@pytest.mark.parametrize("body", [
    b"", b"   ", b"<html></html>", b"\0" * 100, b"<p>" * 5_000, b"<div>" * 100_000, b"<!--" * 10_000,
    b"<a href=x>" * 3_000, b"<script>" * 1_000, "<h2><a href='/a-b-c'>\ud800".encode("utf-16", errors="surrogatepass"),
])
def test_poor_pages_give_a_parse_error(body: bytes) -> None:
    with pytest.raises(ParseError):
        read(body)


@given(st.lists(st.sampled_from([
    "<article>", "</article>", "<h2>", "</h2>", "<a href='/news/a-long-slug'>", "</a>", "<time>", "<li>", "<nav>",
    "</nav>", "A headline of words ", "<p>", "<", "\x00", "]]>", "é"])))
def test_nothing_but_a_parse_error_comes_out(parts: list[str]) -> None:
    for selector in ("", "h2 a"):
        try:
            read(page("".join(parts)), selector)
        except ParseError as error:
            assert error.hint  # noqa: PT017 - either outcome is fine


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "cp1252", "shift_jis", "iso2022_jp", "gb18030"])
def test_charsets_are_read_from_mark_header_or_page(charset: str) -> None:
    title = "Snö över hela fjället igen" if charset in ("utf-8", "utf-16", "cp1252") else "山の道が雪で閉鎖されました"
    body = page("".join(f"<h2><a href='/news/a-long-slug-{n}'>{title}</a></h2>" for n in range(3)),
                f"<meta charset={charset}><title>x</title>").decode().encode(charset)
    for content_type in ("text/html", f"text/html; charset={charset}"):
        assert read_listing(body, url=URL, content_type=content_type).articles[0].title == title


def test_links_among_the_prose_of_a_real_article_are_rarely_taken_for_a_list(shared: Path) -> None:
    pages = sorted(shared.glob("corpora/pages/*/source.html"))
    lists = {}
    for path in pages:
        try:
            found = read_listing(path.read_bytes(), url=f"https://fakehost/{path.parent.name}.html")
        except ParseError:
            continue
        lists[path.parent.name] = len(found.articles)
        assert all(a.title and a.url.startswith("http") for a in found.articles)
    assert len(pages) >= 30
    assert len(lists) <= 8, lists
