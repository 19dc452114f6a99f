"""What becomes of single things on a page: pictures, code, links, captions, line breaks, bytes, wishes, dates."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.collect.pages.charset import decode_page
from pipeline.collect.pages.fulltext import read_page
from pipeline.collect.pages.pageread import PageRead
from pipeline.collect.pages.permission import refusal
from pipeline.text.clean import clean_html

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
URL = "https://paper.example/2026/the-quay"
PROSE = "The quay was rebuilt in nineteen months, four more than the council had promised, and it cost the town dear. "


def read(inside: str, head: str = "", **more: object) -> PageRead:
    body = (f"<!doctype html><html><head><meta charset=utf-8><title>A quay</title>{head}</head><body><div class=post>"
            f"<p>{PROSE}</p>{inside}<p>{PROSE}</p></div></body></html>")
    return read_page(body.encode(), url=URL, now=NOW, content_type="text/html", **more)  # type: ignore[arg-type]


def shaped(inside: str, head: str = "") -> str:
    """What stands between the two paragraphs, cleaned."""
    html = clean_html(read(inside, head).html, base_url=URL)
    start = f"<p>{PROSE.strip()} </p>" if f"<p>{PROSE.strip()} </p>" in html else f"<p>{PROSE}</p>"
    assert html.count(start) == 2, html
    return html.split(start)[1].strip()


# --- pictures ---


@pytest.mark.parametrize("image", [
    '<img src="quay.jpg">', '<img data-src="quay.jpg">', '<img src="data:image/gif;base64,R0" data-src="quay.jpg">',
    '<img src="/i/spacer.gif" data-lazy-src="quay.jpg">', '<img src="/blank.png" data-original="quay.jpg">',
    '<img src="placeholder.svg?x=1" data-srcset="small.jpg 320w, quay.jpg 1200w, huge.jpg 4000w">',
    '<img srcset="quay.jpg 2x, small.jpg">', '<img data-whatever="quay.jpg">', "<amp-img src=quay.jpg></amp-img>",
    '<picture><source srcset="quay.jpg 1200w"><img alt="" src="data:,"></picture>',
    '<picture><source srcset="other.webp"><img src="quay.jpg"></picture>',
    '<noscript><img src="quay.jpg"></noscript>',
    '<img src="data:image/gif;base64,R0"><noscript><img src="quay.jpg"></noscript>',
    '<img class="thumbnail" src="tiny.jpg"><noscript><img src="quay.jpg"></noscript>',
    '<div class="wrap"><img src="data:,"></div><noscript><picture><img src="quay.jpg"></picture></noscript>',
])
def test_a_picture_has_the_address_that_a_script_would_give_it(image: str) -> None:
    html = shaped(f"<figure>{image}</figure>")
    assert html.count("<img") == 1
    assert 'src="https://paper.example/2026/quay.jpg"' in html


@pytest.mark.parametrize("image", [
    "<img>", '<img src="">', '<img src="data:image/gif;base64,R0lGOD">', '<img src="javascript:x()">',
    '<noscript><p>Please turn on scripts, or you will see no pictures at all here.</p></noscript>',
    '<noscript><img src="https://count.example/p.gif" width="1" height="1"></noscript>',
])
def test_a_picture_without_an_address_goes(image: str) -> None:
    assert shaped(f"<div>{image}</div>") == ""


def test_an_emoji_that_is_a_picture_is_a_character() -> None:
    assert shaped('<p>Fine <img class="wp-smiley emoji" alt="🙂" src="https://s.example/1f642.svg"> then.</p>') == (
        "<p>Fine 🙂 then.</p>")


def test_captions_stay_with_their_pictures() -> None:
    assert shaped('<div class="wp-caption"><img src="q.jpg"><p class="wp-caption-text">At dawn</p></div>') == (
        '<figure><img src="https://paper.example/2026/q.jpg"><figcaption>At dawn</figcaption></figure>')


def test_the_lead_picture_and_the_standfirst_come_along() -> None:
    body = ('<html><head><title>The quay</title><meta name=description content="What the town paid for its long quay, '
            'and who knew of it."></head><body><main><h1>The quay</h1><div class=top><p>What the town paid for '
            'its long quay, and who knew of it.</p><figure><img src=/lead.jpg><figcaption>Lead</figcaption></figure>'
            '<img class=avatar src=/ann.jpg></div><div class=article-body>'
            f'<p>{PROSE * 3}</p><p>{PROSE * 3}</p></div></main>')
    html = read_page(body.encode(), url=URL, now=NOW).html
    assert html.startswith("<p>What the town paid")
    assert html.index("lead.jpg") < html.index("nineteen months")
    assert "ann.jpg" not in html


# --- films, code, links, breaks ---


def test_a_player_is_a_link() -> None:
    assert shaped('<iframe src="//www.youtube.com/embed/abcdefghijk?x=1" title="The opening"></iframe>') == (
        '<p><a href="https://www.youtube.com/watch?v=abcdefghijk">The opening</a></p>')
    assert shaped("<video><source src=/v.mp4></video>") == (
        '<p><a href="https://paper.example/v.mp4">paper.example</a></p>')
    assert shaped('<iframe src="https://ads.example/frame"></iframe>') == ""


@pytest.mark.parametrize("listing", [
    "<pre><code>if tide:\n    wait()\n</code></pre>",
    "<pre><span class=k>if</span> tide:\n    wait()\n</pre>",
    "<pre><code><div class=line>if tide:</div><div class=line>    wait()</div></code></pre>",
    "<pre><code>if tide:<br>    wait()</code></pre>",
    ("<div class=highlight><table class=highlighttable><tr><td class=linenos><pre>1\n2</pre></td><td class=code>"
     "<pre>if tide:\n    wait()</pre></td></tr></table></div>"),
    ("<table class=blob><tr><td data-line-number=1></td><td class=blob-code>if tide:</td></tr>"
     "<tr><td data-line-number=2></td><td class=blob-code>    wait()</td></tr></table>"),
    "<pre><code><span class=lineno>1</span>if tide:\n<span class=lineno>2</span>    wait()</code></pre>",
])
def test_code_keeps_its_lines(listing: str) -> None:
    assert "<pre><code>if tide:\n    wait()</code></pre>" in shaped(listing)


def test_words_in_code_are_no_furniture() -> None:
    assert shaped("<pre><code>x\nShare\nHome\nAdvertisement</code></pre>").count("\n") == 3
    assert shaped("<pre><div>x</div><div>Share this</div><div>Advertisement</div></pre>").count("\n") == 2


@pytest.mark.parametrize(("link", "becomes"), [
    ('<a href="/a">b</a>', '<a href="https://paper.example/a">b</a>'),
    ('<a href="?p=2">b</a>', f'<a href="{URL}?p=2">b</a>'),
    ('<a href="#fn1">b</a>', f'<a href="{URL}#fn1">b</a>'),
    ('<a href="\u200bhttps://other.example/\ufeff">b</a>', '<a href="https://other.example/">b</a>'),
    ('<a href="javascript:x()">b</a>', "b"), ('<a name="here">b</a>', "b"), ('<a href="tel:1">b</a>', "b"),
    ('<a href="mailto:ann@paper.example?bcc=x">b</a>', '<a href="mailto:ann@paper.example">b</a>'),
])
def test_links_lead_somewhere(link: str, becomes: str) -> None:
    assert shaped(f"<p>A {link} c</p>") == f"<p>A {becomes} c</p>"


def test_a_base_element_is_heeded_and_fragments_stay_on_the_page() -> None:
    html = shaped('<p>See <a href="a">b</a> <a href="#c">d</a></p><img src="e.jpg">', '<base href="/base/x/">')
    assert html == (f'<p>See <a href="https://paper.example/base/x/a">b</a> <a href="{URL}#c">d</a></p>'
                    '<img src="https://paper.example/base/x/e.jpg">')


def test_marks_beside_headings_go() -> None:
    assert shaped('<h2 id="x">Cost <a class="anchor" href="#x">#</a></h2><p>Much.</p>') == "<h2>Cost </h2><p>Much.</p>"


def test_pairs_of_line_breaks_part_paragraphs() -> None:
    assert shaped("<div>One, two<br>three.<br><br>Four <b>five</b>.<br/> <br/>&nbsp;<br>Six.</div>") == (
        "<div><p>One, two<br>three.</p><p>Four <b>five</b>.</p><p>Six.</p></div>")
    assert shaped("<p>One.<br><br>Two.</p>") == "<div><p>One.</p><p>Two.</p></div>"
    assert shaped("<div>Only words, and <i>more</i>.</div>") == "<p>Only words, and <i>more</i>.</p>"


@pytest.mark.parametrize("furniture", [
    "<p>Advertisement</p>", "<div>Anzeige</div>", "<p>Lire aussi : Un autre article</p>", "<p>Share this:</p>",
    "<p>The post The quay appeared first on The Paper.</p>", "<form><p>Your e-mail, and we write to you</p></form>",
    '<div class="share"><a href="https://x.example">X</a></div>', '<section class="post__related-posts">x y</section>',
    '<div class="adSlot">Buy this, it is good for you</div>', '<p hidden>Seen by nobody, ever</p>',
    '<div style="display: none">Seen by nobody, ever</div>', "<button>Press</button>", "<nav>Up</nav>",
    '<div><a href="/a">One other</a> <a href="/b">And another</a></div>', "<aside>An aside, with words</aside>",
    '<div class="cookie-consent">We use cookies, for you</div>', "<template>x</template>", "<!-- a comment -->",
])
def test_furniture_goes(furniture: str) -> None:
    assert shaped(furniture) == ""


@pytest.mark.parametrize("kept", [
    '<p class="downloads reads">A word about adverts.</p>', "<p>Related: nothing.</p><p>Really.</p>",
    '<div class="category-comments tag-social"><p>Of a topic with a name.</p></div>',
    "<details><summary>More</summary><p>Inside.</p></details>", "<dl><dt>Quay</dt><dd>A place for ships.</dd></dl>",
    "<ul><li><a href='https://a.example/'>One</a></li><li><a href='https://b.example/'>Two</a></li></ul>",
    "<blockquote><p>Said.</p><footer>Ann</footer></blockquote>", "<ol start='3'><li>Three</li></ol>",
    "<table><tr><th>A</th></tr><tr><td>1</td></tr></table>", "<h3>A heading</h3>", "<p>E = mc<sup>2</sup></p>", "<hr>",
])
def test_what_belongs_to_the_article_stays(kept: str) -> None:
    assert shaped(kept) in (clean_html(kept), clean_html(kept).replace("<div>More</div>", "<p>More</p>"))


# --- bytes ---


@pytest.mark.parametrize(("body", "content_type", "text"), [
    ("åäö".encode(), "", "åäö"),
    ("åäö".encode(), "text/html; charset=iso-8859-1", "åäö"),              # what servers declare by default
    ("åäö".encode("latin-1"), "text/html; charset=ISO-8859-1", "åäö"),
    (b"\x93q\x94 \x80", 'text/html; charset="iso-8859-1"', "“q” €"),       # Windows-1252 under another name
    (b"\xef\xbb\xbf\xc3\xa5", "text/html; charset=koi8-r", "å"),
    ("å".encode("utf-16"), "text/html; charset=utf-8", "å"),
    (b"\xfe\xff\x00\xe5", "", "å"),
    ("<meta charset=windows-1251>Привет".encode("cp1251"), "", "<meta charset=windows-1251>Привет"),
    ('<?xml version="1.0" encoding="shift_jis"?>犬'.encode("cp932"), "",
     '<?xml version="1.0" encoding="shift_jis"?>犬'),
    ("<meta http-equiv=x content='text/html; charset=gb2312'>汉字".encode("gb18030"), "",
     "<meta http-equiv=x content='text/html; charset=gb2312'>汉字"),
    ("<meta charset=utf-16>å".encode(), "", "<meta charset=utf-16>å"),
    ("これは犬です。".encode("euc_jp"), "", "これは犬です。"),
    ("これは犬です。".encode("cp932"), "", "これは犬です。"),
    ("これは犬です。".encode("iso2022_jp"), "text/html; charset=iso-2022-jp", "これは犬です。"),
    ("Сегодня открыли новую набережную".encode("cp1251"), "", "Сегодня открыли новую набережную"),
    ("Сегодня открыли новую набережную".encode("koi8_r"), "", "Сегодня открыли новую набережную"),
    ("안녕하세요, 부두가 열렸습니다".encode("cp949"), "", "안녕하세요, 부두가 열렸습니다"),
    ("这是我们的码头,不是他们的".encode("gb18030"), "", "这是我们的码头,不是他们的"),
    ("Größe und Länge".encode("cp1252"), "", "Größe und Länge"),
    ("åä".encode()[:-1], "", "å\ufffd"),                                   # cut within a character
    (b"\xff\xfe", "", ""), (b"", "text/html; charset=", ""),
    (b"a\xe5", "text/html; charset=utf-7", "aå"), (b"a\xe5", "text/html; charset=zip", "aå"),
    (b"a\xe5", "text/html; charset=\x00", "aå"), (b"a\xe5", "text/html; charset=idna", "aå"),
    (b"a\xe5", "text/html; charset=unicode_escape", "aå"), (b"a\xe5", "text/html; charset=rot13", "aå"),
])
def test_bytes_become_text(body: bytes, content_type: str, text: str) -> None:
    assert decode_page(body, content_type) == text


# --- what is no page, and what may not be kept ---


@pytest.mark.parametrize(("body", "content_type", "why"), [
    (b"%PDF-1.7", "application/pdf", "the page is no HTML but application/pdf"),
    (b"%PDF-1.7 <html>", "text/html", "the page is no HTML but a file of another kind"),
    (b"{}", "application/json", "the page is no HTML but application/json"),
    (b"plain", "text/plain", "the page is no HTML but text/plain"),
    (b'<?xml version="1.0"?><rss version="2.0"></rss>', "text/xml",
     "the address gives a feed or a sitemap, not a page"),
    (b"", "text/html", "the page is empty"), (b" \n\0", "text/html", "the page is empty"),
    (b"<!-- only -->", "text/html", "the page is empty"), (b"just words", "", "the page is no HTML"),
    (b"<html><body><script>x</script></body></html>", "text/html", "the page holds no article"),
    (b"<html><nav><a href=/>Home</a></nav></html>", "text/html", "the page holds no article"),
])
def test_what_is_no_page_is_said(body: bytes, content_type: str, why: str) -> None:
    page = read_page(body, url=URL, now=NOW, content_type=content_type)
    assert (page.refused, page.html) == (why, "")


def test_xhtml_and_pages_without_a_declared_type_are_pages() -> None:
    body = f'<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml"><p>{PROSE}</p></html>'.encode()
    for kind in ("application/xhtml+xml", "application/xml", "", "TEXT/HTML; charset=utf-8"):
        assert "nineteen" in read_page(body, url=URL, now=NOW, content_type=kind).html


@pytest.mark.parametrize(("header", "why"), [
    ("noindex", "noindex"), ("NOINDEX, nofollow", "noindex"), ("none", "none"), ("nofollow, noarchive", "noarchive"),
    ("nosnippet", "nosnippet"), ("max-snippet:0", "max-snippet:0"), ("max-snippet: 0", "max-snippet:0"),
    ("googlebot: noindex", "noindex"), ("otherbot: nofollow, Broadsheet: noarchive", "noarchive"),
    ("*: noindex", "noindex"),
    ("unavailable_after: 25 Jun 2025 15:00:00 GMT", "unavailable_after"),
    ("unavailable_after: Wed, 25 Jun 2025 15:00:00 GMT, all", "unavailable_after"),
    ("unavailable_after: 2026-11-22T12:00:00Z", "unavailable_after"),
])
def test_a_page_that_may_not_be_kept(header: str, why: str) -> None:
    reason = refusal({"x-robots-tag": header}, [], NOW)
    assert why in reason
    assert "X-Robots-Tag" in reason
    page = read("", headers={"x-robots-tag": header})
    assert (page.refused, page.html, page.title) == (reason, "", "A quay")


@pytest.mark.parametrize("header", [
    "", "all", "index, follow", "nofollow", "noimageindex", "notranslate", "max-snippet:-1", "max-image-preview:large",
    "otherbot: noindex", "otherbot: nofollow, noindex", "unavailable_after: 25 Jun 2027 15:00:00 GMT",
    "unavailable_after: someday", "no-index", "xnoindex",
])
def test_a_page_that_may_be_kept(header: str) -> None:
    assert refusal({"x-robots-tag": header}, [("robots", header.partition(": no")[0])], NOW) == ""


def test_a_page_says_it_in_its_meta() -> None:
    assert read("", '<META NAME="Robots" CONTENT="index, noarchive">').refused == (
        'the page asks not to be kept (noarchive) in its <meta name="robots">')
    assert read("", '<meta name="broadsheet" content="noindex">').refused != ""
    assert read("", '<meta name="otherbot" content="noindex">').refused == ""


# --- what a page says of itself ---


def test_several_spellings_of_the_same() -> None:
    page = read("", """<meta property="x:title dc:title" content="Preferred">
        <meta property="og:title" content="Another">
        <meta name="DC.creator" content="By Ann Other"><meta name="DC.creator" content="Bo Ek">
        <meta name="author" content="SEO">
        <meta name="dcterms.created" content="2026-11-20"><meta http-equiv="x" content="y">
        <meta name="keywords" content="quay, harbour ,, quay"><link rel="alternate license" href="/licence">""")
    assert (page.title, page.author, page.topics) == ("Preferred", "Ann Other, Bo Ek", ("quay", "harbour"))
    assert page.published_at == datetime(2026, 11, 20, tzinfo=UTC)
    assert page.licence == "https://paper.example/licence"


@pytest.mark.parametrize(("url", "inside", "day"), [
    ("https://paper.example/2026/11/19/quay", "", 19),
    ("https://paper.example/quay", "<time datetime=2026-11-18T10:00:00Z>18 November</time>", 18),
    ("https://paper.example/quay", ("<time>yesterday</time><time class=updated datetime=2026-11-17></time>"
                                    "<time class=entry-date datetime=2026-11-16></time>"), 16),
    ("https://paper.example/quay", "<span itemprop=datePublished content=2026-11-15>x</span>", 15),
])
def test_when_it_was_published(url: str, inside: str, day: int) -> None:
    body = f"<html><title>x</title><p>{PROSE}</p>{inside}</html>".encode()
    published = read_page(body, url=url, now=NOW, content_type="text/html").published_at
    assert published is not None
    assert published.day == day


@pytest.mark.parametrize("script", [
    "{", "[]", "null", '"x"', '{"@type":"Article"', '{"@type":["Article"],"author":7,"image":[[]],"keywords":{"a":1}}',
    '{"@graph":{"@graph":{"@graph":[]}}}', '{"@type":"Article","headline":{"@id":"x"},"datePublished":["x"]}',
    "[" * 5_000, '{"@type":"Article","author":{"@id":"#a"}}', '{"@type":null,"@id":7}', '{"a":"\ud800"}',
])
def test_json_ld_may_be_anything(script: str) -> None:
    body = f'<title>A quay</title><script type="application/ld+json">{script}</script><p>{PROSE}</p>'
    page = read_page(body.encode("utf-8", "surrogatepass"), url=URL, now=NOW, content_type="text/html")
    assert page.title == "A quay"
    assert "nineteen" in page.html


def test_json_ld_in_old_wrappings() -> None:
    script = '//<![CDATA[\n{"@type":"NewsArticle","headline":"The quay, at last","author":"Ann Other"}\n//]]>'
    page = read("", f'<script type="application/ld+json" class=x>{script}</script>')
    assert (page.title, page.author) == ("The quay, at last", "Ann Other")
