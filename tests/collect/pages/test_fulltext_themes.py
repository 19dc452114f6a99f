"""The shapes that pages commonly have: one article in each, with the furniture of its kind around it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.collect.pages import fulltext
from pipeline.collect.pages.fulltext import read_page
from pipeline.text.clean import clean_html, visible_text

NOW = datetime(2026, 11, 22, tzinfo=UTC)
URL = "https://paper.example/2026/the-quay"

SENTENCE = "The {0} was rebuilt in nineteen months, four more than the {1} had promised, and it cost the {2} dear. "
NAMES = "quay council town harbour mayor bridge tower pilot market garden ferry river letter window engine".split()


def prose(start: int, sentences: int = 3) -> str:
    """A paragraph's words, the same for the same start; each start has words of its own."""
    return "".join(SENTENCE.format(*(NAMES[(start + n + k) % len(NAMES)] + str(start) for k in range(3)))
                   for n in range(sentences)).strip()


def others(start: int, count: int) -> str:
    return "".join(f"<p>{prose(start + n)}</p>" for n in range(count))


def cards(count: int) -> str:
    return "".join(f'<div class="xq"><a href="/other-{n}"><img src="/t{n}.jpg"><h3>Another piece, number {n}</h3></a>'
                   f"<p>{prose(300 + n, 1)}</p></div>" for n in range(count))


def links(count: int) -> str:
    return "<ul>" + "".join(f'<li><a href="/l{n}">A link to number {n}</a></li>' for n in range(count)) + "</ul>"


ARTICLE = (
    f"<p>{prose(1)}</p><h2>The cost</h2><p>{prose(2)}</p><ul><li>Stone, four million</li><li>Labour, nine</li></ul>"
    f"<blockquote><p>{prose(3, 1)}</p></blockquote><p>{prose(4)}</p>")
TEXT = visible_text(ARTICLE)
TITLE = "The quay is open"
MENU = '<nav><ul><li><a href="/">Home</a></li><li><a href="/n">News</a></li></ul></nav>'

THEMES = {
    "a blog with a sidebar and comments": """<body class="single has-sidebar tag-social"><div id=page>
        <header id=masthead>
        {menu}</header><div id=content><main><article class="post category-news"><header class=entry-header>
        <h1 class=entry-title>{title}</h1><div class=entry-meta>Posted on <time>June 1, 2026</time> by
        <span class=byline><a href=/ann>Ann Other</a></span></div></header><div class=entry-content>{article}
        <div class=sharedaddy><h3>Share this:</h3><ul><li><a href=#>X</a></li></ul></div>
        <div id=jp-relatedposts><h3>Related</h3>{cards}</div></div>
        <footer class=entry-footer>Posted in <a href=/c>News</a>
        </footer></article><nav class=post-navigation><a href=/p>Previous: An older piece</a></nav><div id=comments>
        <h2>5 thoughts on it</h2>{others}{others}</div></main><aside class=widget-area>
        <h2>Recent Posts</h2>{links}</aside>
        </div><footer id=colophon><p>Proudly powered by something</p></footer></div>""",
    "names that say nothing": """<body><div id=root><div class="a b"><div class=c><a href=/>Open in app</a>
        <a href=/s>Sign up</a>
        </div><div class=d><div class=e><h1 class=f>{title}</h1><div class=g><a href=/@ann>Ann Other</a>
        <div>7 min read</div>
        <div>Jun 1, 2026</div></div>{article}</div></div><div class=h><p>--</p><p>12</p></div><div class=i>
        <h2>More from Ann Other</h2>{cards}</div><div class=j><h2>Recommended</h2>{cards}</div><div class=k>
        <a href=/h>Help</a>
        <a href=/p>Privacy</a></div></div></div>""",
    "a newspaper in sections": """<body class=article-page><div class=cookie-banner>
        <p>We use cookies and similar technologies
        to give you a better experience, to improve performance, and to analyse traffic.</p></div>
        <header class=global-header>
        {menu}</header><div class=grid><div class=article__main><header class=article__header>
        <a class=kicker href=/w>World</a>
        <h1>{title}</h1><p class=byline>Ann Other in Malmö</p><time datetime=2026-06-01>1 June 2026</time></header>
        <div class=article__body><div class=article__section>{half}</div><div class=ad-slot>
        <span>Advertisement</span></div>
        <div class=inline-promo><h4>Read more</h4>{links}</div><div class=article__section>{rest}</div></div>
        <ul class=article__topics><li><a href=/t>Harbours</a></li><li><a href=/u>Towns</a></li></ul></div>
        <aside><h3>Most viewed</h3>{links}</aside></div><section class=more-stories>
        <h2>More on this story</h2>{cards}</section>
        <footer class=global-footer>{links}<p>© 2026 The Paper. No part of it may be reproduced, anywhere.</p>
        </footer>""",
    "tables, side by side": """<body bgcolor=white><table><tr><td colspan=3><img src=/logo.gif> <a href=/>Home</a>
        </td></tr>
        <tr><td><b>Menu</b><br>{links}</td><td><font size=5><b>{title}</b></font><br><br>{article}</td>
        <td><b>Links</b>{links}</td></tr><tr><td colspan=3>Copyright 2001, the webmaster.</td></tr></table>""",
    "documentation": """<body class=wy-body><nav class=side>{links}</nav><section class=wrap><div role=navigation><ul
        class=breadcrumbs><li><a href=/>Docs</a></li><li>{title}</li></ul></div><div role=main>
        <div itemprop=articleBody>
        <section id=x><h1>{title}<a class=headerlink href=#x>¶</a></h1>{article}</section></div></div><footer>
        <a href=p>Previous</a><p>© Copyright 2026. Built with a generator, using a theme provided by somebody.</p>
        </footer>""",
    "a letter with a box to subscribe": """<body><div class=main-menu><a href=/>The Paper</a><a>Subscribe</a></div>
        <div>
        <article class="newsletter-post post"><div class=post-header><h1 class=post-title>{title}</h1><div
        class=byline-wrapper><a href=/@a>Ann Other</a><div>Jun 01, 2026</div></div></div>
        <div class="body markup">{half}
        <div class=subscription-widget-wrap><p>Thanks for reading! Subscribe for free to receive new letters,
        and support my work.</p><form><input></form></div>{rest}</div></article></div><div class=comments-section>
        <h4>Discussion</h4>
        {others}{others}{others}</div>""",
    "by hand": """<body><h1>{title}</h1>{article}<hr><address>Ann Other, <a href=/>home</a></address>""",
    "a comment page longer than its article": """<body><div class=x><h1>{title}</h1><div>{article}</div></div>
        <div class=comment-list>{others}{others}{others}{others}{others}</div>""",
    "everything in a form": """<body><form action=/ id=aspnetForm><input type=hidden><div id=header>{menu}</div><div
        id=content><h1>{title}</h1>{article}</div><div id=footer>{links}</div></form>""",
    "shown by a script": """<body style="visibility:hidden"><div class=w style="display:none">
        <h1>{title}</h1>{article}</div>
        <div class=menu>{links}</div>""",
    "an article beside long texts": """<body><div class=a><article><h1>{title}</h1>{article}</article><div class=b>
        {others}{others}</div></div>""",
    "by its own word": """<body><div class=a><h1>{title}</h1><div itemprop=articleBody>{article}</div></div>
        <div class=c>{others}{others}</div>""",
    "a tail without a heading": """<body><div class=a><h1>{title}</h1>{article}<div class=x>{links}</div>{links}
        <div class=post-tags>Filed under: <a href=/h>Harbours</a></div><h3>Comments</h3></div>""",
    "more stories, flat": """<body><div class=a><h1>{title}</h1>{article}<h2>More stories</h2>
        <p><a href=/o1>One other story that happened elsewhere</a> and is told at length, with words of its own.</p>
        <p><a href=/o2>One more story that happened elsewhere</a> and is told at length, with words of its own.</p>
        </div>""",
    "a heading that begins like furniture": """<body><div class=a><h1>{title}</h1><h2>Related</h2>{article}</div>""",
    "sources at the end": """<body><div class=post-body><h1>{title}</h1>{article}<h3>Keep reading</h3>{links}</div>""",
}


HEAD = f"<!doctype html><html><head><meta charset=utf-8><title>{TITLE} | The Paper</title></head>"


def page(theme: str) -> bytes:
    half, rest = ARTICLE[: ARTICLE.index("<ul>")], ARTICLE[ARTICLE.index("<ul>") :]
    shape = theme.format(title=TITLE, article=ARTICLE, half=half, rest=rest, menu=MENU, cards=cards(4), links=links(6),
                         others=others(100, 3))
    return f"{HEAD}{shape}".encode()


@pytest.mark.parametrize("theme", THEMES)
def test_the_article_and_nothing_else_comes_out(theme: str) -> None:
    read = read_page(page(THEMES[theme]), url=URL, now=NOW, content_type="text/html")
    assert read.title == TITLE
    html = clean_html(read.html, base_url=URL)
    got = visible_text(html).replace("Ann Other, home", "").strip()
    assert got == TEXT
    assert html.count("<li>") == 2
    assert "<blockquote>" in html


def test_sources_at_the_end_stay() -> None:
    body = page("<body><div class=post-body><h1>{title}</h1>{article}<h3>Sources</h3>{links}"
                "<p>Photographs:</p><ul><li><a href=https://a.example/1>One</a></li></ul></div>")
    read = read_page(body, url=URL, now=NOW, content_type="text/html")
    assert "A link to number 5" in read.html
    assert "https://a.example/1" in read.html


def test_a_page_whose_text_a_script_would_fetch() -> None:
    told = f'{{"@type":"Article","headline":"{TITLE}","articleBody":"{prose(1, 6)}\\n{prose(2)}"}}'
    body = f'<script type="application/ld+json">{told}</script><body><div id=app>Loading…</div>'
    read = read_page(body.encode(), url=URL, now=NOW, content_type="text/html")
    assert visible_text(read.html) == f"{prose(1, 6)}\n\n{prose(2)}"


def test_of_several_articles_the_longest() -> None:
    body = page("<body>" + "<article><h2>Short</h2><p>{others}</p></article>" + "<article>{article}</article>")
    read = read_page(body.replace(others(100, 3).encode(), b"A short one, with few words, as teasers are."),
                     url=URL, now=NOW, content_type="text/html")
    assert visible_text(clean_html(read.html)) == TEXT


def test_text_in_lines_beside_a_menu_with_words() -> None:
    lines = "<br><br>".join(prose(n) for n in range(1, 5))
    body = (f"{HEAD}<body><table><tr><td><b>Menu</b><p>{prose(77, 1)}</p>{links(9)}</td><td><font size=5><b>{TITLE}</b>"
            f"</font><br><br>{lines}</td><td>{links(9)}</td></tr></table>")
    read = read_page(body.encode(), url=URL, now=NOW, content_type="text/html")
    assert visible_text(clean_html(read.html)) == "\n\n".join(prose(n) for n in range(1, 5))


def test_a_page_of_links_is_no_article_beside_one() -> None:
    rows = "".join(f'<p><a href="/n{n}">{prose(n, 1)}</a> In short, nothing new, says everyone.</p>' for n in range(30))
    read = read_page(f"{HEAD}<body><div>{rows}</div><div>{ARTICLE}</div>".encode(), url=URL, now=NOW)
    assert visible_text(clean_html(read.html)) == TEXT


def test_a_very_long_page_is_read_as_far_as_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fulltext, "MAX_TAGS", 1_000)
    words = "".join(f"<p>word{n}, and a few more of them</p>" for n in range(2_000))
    read = read_page(f"{HEAD}<body>{words}".encode(), url=URL, now=NOW)
    assert "word0," in read.html
    assert 450 < read.html.count("<p>") <= 500


@pytest.mark.parametrize("own", ["", '<p><img src="/own.jpg"></p>'])
def test_a_lead_picture_only_where_there_is_no_other(own: str) -> None:
    top = "<figure><img src=/lead.jpg></figure><img src=/small.jpg width=64>"
    body = f"{HEAD}<body><h1>{TITLE}</h1><div>{top}</div><div class=article-body>{ARTICLE}{own}</div>"
    html = read_page(body.encode(), url=URL, now=NOW, content_type="text/html").html
    assert ("lead.jpg" in html) is (not own)
    assert "small.jpg" not in html


def test_a_small_picture_is_no_lead_and_a_standfirst_comes_once() -> None:
    line = "What the town paid for its long quay, and who knew of it."
    top = f"<div class=dek>{line}</div><img src=/small.jpg width=64><span class=avatar><img src=/ann.jpg></span>"
    body = f"{HEAD}<body><h1>{TITLE}</h1>{top}<div class=article-body><p>{line}</p>{ARTICLE}</div>"
    html = read_page(body.encode(), url=URL, now=NOW, content_type="text/html").html
    assert "<img" not in html
    assert html.count(line) == 1


@pytest.mark.parametrize("shape", [
    "<section><h2>More on the quay</h2><p>{a}</p></section><p>{b}</p><p>{c}</p><p>{d}</p>",
    "<p>{a}</p><p>{b}</p><p>{c}</p><h2>More on the quay</h2><p>{d}</p>",
    "<p>{a}</p><p>{b}</p><p>{c}</p><h2>Comments</h2><p>{d}</p>",
])
def test_a_heading_like_furniture_over_words_of_the_article(shape: str) -> None:
    words = {name: prose(n) for n, name in enumerate("abcd")}
    body = f"{HEAD}<body><div class=a><h1>{TITLE}</h1>{shape.format(**words)}</div>"
    html = read_page(body.encode(), url=URL, now=NOW, content_type="text/html").html
    assert all(text in html for text in words.values())
