"""A page's bytes to its article: on real pages, where they are at hand, and on made-up ones with every trap."""

from __future__ import annotations

import pickle
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import html as lxml_html

from pipeline.collect.pages.charset import decode_page
from pipeline.collect.pages.fulltext import PageRead, extract, read_page
from pipeline.text.clean import clean_html, visible_text

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
URL = "https://paper.example/2026/11/20/the-quay"
PAGES = sorted((Path(__file__).parents[4] / "shared" / "corpora" / "pages").glob("*"))

PROSE = ("The quay was rebuilt in nineteen months, which is four more than the council had promised, and it "
         "cost twice as much as the first estimate had said. Nobody at the meeting was surprised, "
         "least of all the harbour master. ")
NEWS = f"""<!doctype html><html lang="sv"><head><meta charset="utf-8"><title>The quay is open - The Paper</title>
<link rel="canonical" href="/2026/11/20/the-quay?utm_source=x"><meta property="og:site_name" content="The Paper">
<meta property="og:image" content="/i/quay.jpg"><meta property="article:tag" content="harbour">
<script type="application/ld+json">{{"@context":"https://schema.org","@graph":[
 {{"@type":"WebPage","@id":"#p"}},{{"@type":"NewsArticle","headline":"The quay is open",
 "author":[{{"@type":"Person","name":"Ines Holm"}},{{"@id":"#a2"}}],
 "datePublished":"2026-11-20T08:15:00+01:00","dateModified":"2026-11-21T09:00:00Z",
 "copyrightNotice":"© The Paper",
 "license":"https://creativecommons.org/licenses/by/4.0/"}},
 {{"@type":"Person","@id":"#a2","name":"Bo Ek"}}]}}</script></head>
<body class="has-sidebar no-comments"><div class="cookie-consent"><p>{PROSE}</p></div>
<header class="site-header"><nav><ul>
<li><a href="/">Home</a></li><li><a href="/news">News</a></li></ul></nav></header>
<div class="wrap"><main><h1>The quay is open</h1><p class="byline">By Ines Holm</p>
<time datetime="2026-11-20">20 Nov</time>
<div class="share-bar"><a href="https://x.example/share">Share</a> <a href="https://y.example/share">Tweet</a></div>
<div class="post-body"><p>{PROSE}<a href="/more?id=1">More on this</a>.</p>
<figure><img src="data:image/gif;base64,R0lGOD" data-src="quay.jpg" alt="The quay">
<figcaption>The quay at dawn.</figcaption></figure>
<h2 id="cost">What it cost</h2><p>{PROSE}</p><ul><li>Stone, <b>four</b> million</li><li>Labour, nine million</li></ul>
<blockquote><p>It is a quay, and a good one.</p></blockquote>
<div class="newsletter-signup">
<p>Sign up for our letter, and never miss a quay again, promise.</p><form><input></form></div>
<pre><code><span class="line">if tide:</span>
<span class="line">    wait()</span></code></pre>
<table><caption>Ships</caption><tr><th>Year</th><th>Ships</th></tr><tr><td>2025</td><td>1,204</td></tr></table>
<p>{PROSE}<sup><a href="#fn1">1</a></sup></p>
<div class="related"><h3>Related</h3><ul><li><a href="/a">{PROSE}</a></li></ul></div>
<p>{PROSE}</p>
<section class="footnotes"><ol><li id="fn1">Council minutes of the third of May, page nine.</li></ol></section></div>
<div id="comments"><h3>2 comments</h3><p>{PROSE}</p><p>{PROSE}</p></div></main>
<aside><h4>Most read</h4><p>{PROSE}</p></aside></div><footer><p>{PROSE} © The Paper</p></footer></body></html>"""


def read(body: str | bytes, **more: object) -> PageRead:
    data = body if isinstance(body, bytes) else body.encode()
    return read_page(data, **{"url": URL, "now": NOW, "content_type": "text/html"} | more)  # type: ignore[arg-type]


def clean(page: PageRead) -> str:
    return clean_html(page.html, base_url=page.url)


def page(article: str, head: str = "") -> str:
    return f"<html><head><title>A quay</title>{head}</head><body><div class=post>{article}<p>{PROSE}</p></div></body>"


# --- real pages ---

KINDS = {
    "headings": "self::h1 or self::h2 or self::h3 or self::h4 or self::h5 or self::h6", "lists": "self::ul or self::ol",
    "items": "self::li", "links": "self::a[@href]", "images": "self::img", "quotes": "self::blockquote",
    "code": "self::pre or self::code", "tables": "self::table[.//td]",
}
# What the expected articles have and ours leaves out on purpose, with each reason: the rest must be there.
LEFT_OUT = {
    "firefox-nightly-blog": Counter(headings=3, lists=1, items=2, links=5, images=2, quotes=2),  # two readers' comments
    "gitlab-blog": Counter(links=4),                        # empty "#" links beside headings
    "hukumusume": Counter(links=17, images=4, tables=3),    # the column beside the fable
    "ebb-org": Counter(code=4),                             # the site's disclaimer
    "hidden-nodes": Counter(headings=2), "medium-2": Counter(headings=1),  # the title, shown once already
    "ehow-1": Counter(headings=1), "iab-1": Counter(headings=1, links=1, images=1),  # "Featured"; about the author
    "ars-1": Counter(headings=2),                           # the standfirst, a paragraph here
}


def shingles(text: str) -> Counter[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return Counter(tuple(words[n : n + 4]) for n in range(max(1, len(words) - 3)))


def counted(html: str) -> Counter[str]:
    root = lxml_html.fragment_fromstring(html, create_parent="div")
    return Counter({kind: int(root.xpath(f"count(.//*[{test}])")) for kind, test in KINDS.items()})


@pytest.mark.skipif(not PAGES, reason="the real pages (../shared/corpora/pages) are not here")
def test_the_articles_of_real_pages_come_out_whole() -> None:
    hits = ours = theirs = 0
    missing: dict[str, Counter[str]] = {}
    truth: Counter[str] = Counter()
    for folder in PAGES:
        want = clean_html((folder / "expected.html").read_text(), base_url=URL)
        got = clean(extract(decode_page((folder / "source.html").read_bytes()), url=URL, now=NOW, headers=None))
        a, b = shingles(visible_text(want)), shingles(visible_text(got))
        hits, ours, theirs = hits + (a & b).total(), ours + b.total(), theirs + a.total()
        truth += counted(want)
        missing[folder.name] = counted(want) - counted(got)
    assert 2 * hits / (ours + theirs) > 0.98
    unexplained: Counter[str] = sum((m - LEFT_OUT.get(n, Counter()) for n, m in missing.items()), Counter())
    assert {kind: n for kind, n in unexplained.items() if n > truth[kind] * 0.02} == {}


# --- one page with everything ---


def test_an_article_with_everything_in_it() -> None:
    page = read(NEWS)
    html = clean(page)
    assert page.refused == ""
    assert (page.title, page.author, page.site_name) == ("The quay is open", "Ines Holm, Bo Ek", "The Paper")
    assert page.published_at == datetime(2026, 11, 20, 7, 15, tzinfo=UTC)
    assert page.updated_at == datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
    assert (page.language, page.topics, page.rights) == ("sv", ("harbour",), "© The Paper")
    assert page.licence == "https://creativecommons.org/licenses/by/4.0/"
    assert page.image == "https://paper.example/i/quay.jpg"
    assert page.canonical_url == "https://paper.example/2026/11/20/the-quay?utm_source=x"
    assert visible_text(html).count("nineteen months") == 4
    for kept in ('<a href="https://paper.example/more?id=1">', "<h2>What it cost</h2>",
                 "<li>Stone, <b>four</b> million</li>",
                 "<blockquote>", "<pre><code>if tide:\n    wait()</code></pre>",
                 "<caption>Ships</caption>", "<th>Year</th>",
                 "Council minutes", '<img src="https://paper.example/2026/11/20/quay.jpg" alt="The quay">',
                 "<figcaption>The quay at dawn.</figcaption>", f'<sup><a href="{URL}#fn1">1</a></sup>'):
        assert kept in html, kept
    for gone in ("Share", "Tweet", "Home", "comments", "Most read", "Related", "Sign up", "By Ines", "20 Nov", "<h1>",
                 "The quay is open", "Accept", "© The Paper"):
        assert gone not in html, gone


def test_it_travels_between_processes() -> None:
    assert pickle.loads(pickle.dumps(read(NEWS))) == read(NEWS)
