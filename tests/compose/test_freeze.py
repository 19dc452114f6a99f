"""Freezing: joined pieces equal a direct rendering, and one broken article stays its own trouble."""

from __future__ import annotations

import os
import quopri
import re
import socket
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html

from pipeline.compose import freeze as freezing
from pipeline.compose.freeze import content_of, render_directly
from pipeline.errors import TemplateError
from pipeline.model.articles import Also, Article, ArticleStatus, Show
from pipeline.model.fragments import fragments, thaw
from pipeline.model.frozen import (
    TOKENS,
    Arrangement,
    DigestPage,
    Frozen,
    html_qp_chunks,
    personal_html,
    personal_text,
    text_qp_chunks,
    web_html,
    web_text,
)
from pipeline.render.inline import inline
from pipeline.render.templates import DigestTemplate, Templates
from pipeline.text.clean import clean_html

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
NONCE = "golden0nonce"
AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
PAGE = DigestPage(
    site_title="The Lantern", public_url="https://lantern.example", language="en", newsletter_slug="lantern",
    newsletter_title="The Lantern", digest_name="2026-11-22-0800-daily",
    digest_url="https://lantern.example/n/lantern/2026-11-22-0800-daily", date=datetime(2026, 11, 22, 8, tzinfo=UTC),
    postal_address="Lantern, Main Street 1, Stockholm", description="A little light every morning",
    archive_url="https://lantern.example/n/lantern", feed_url="https://lantern.example/feeds/all.xml",
)
VALUES = {
    "unsubscribe_url": "https://lantern.example/u/token?a=1&b=2", "preferences_url": "https://lantern.example/p/token",
    "address": "ada@example.org", "since": "3 May 2026",
    "preheader": "Two · Three", "more": "4", "count": "3", "contents": "1", "corrections": "",
}
AROUND = {"previous_url": "https://lantern.example/n/lantern/2026-11-21-0800-daily",
          "next_url": "https://lantern.example/n/lantern/2026-11-23-0800-daily"}


def article(number: int, **changes: object) -> Article:
    plain = Article(
        id=number, source="desk", source_title="The Desk", guid="", url="", title=f"Title {number}", author="Ada",
        summary=f"Summary {number}.", html=f"<p>Body {number}</p>", published_at=AT, first_seen_at=AT, updated_at=AT,
        accepted_seq=number, accepted_at=AT, status=ArticleStatus.ACCEPTED, story=number, revision=1, show=Show.FULL,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


ARTICLES = [
    article(
        1, title="What a ferry timetable knows", author="Maud Okafor",

                html='<h2>Before dawn</h2><p>The first boat leaves at <a href="https://ferry.example/times?day=1&amp;pier=2">five'
        " past five</a>.</p><h3>Why so early</h3><ul><li>Milk</li><li>Post, and <em>now and then</em> a piano</li></ul>"
        "<blockquote><p>Nobody has ever missed it twice.</p></blockquote>"
        "<table><thead><tr><th>Pier</th><th>Minutes</th></tr></thead><tbody><tr><td>North</td><td>12</td></tr></tbody>"
        "</table><pre><code>boats = 2\n  # and a raft</code></pre>",
    ),
    article(2, title="A parser that says where it hurts", author="", show=Show.SUMMARY, url="https://blog.example/p?x=1&y=2",
            source_title="Insider", summary="Error messages that point at the comma."),
    article(3, title="Räksmörgås & <friends>: 日本語 👩\u200d👧", html="<p>Kort.</p>", language="sv"),
]


def freeze(template: DigestTemplate, page: DigestPage, articles: list[Article], *, nonce: str, **more: Any) -> Frozen:
    return freezing.freeze(template, page, content_of(articles, page, **more), nonce=nonce)


@cache
def template() -> DigestTemplate:
    return Templates([ROOT / "templates"]).digest("digest")


@cache
def frozen() -> Frozen:
    return freeze(template(), PAGE, ARTICLES, nonce=NONCE)


def decoded(chunks: list[bytes]) -> str:
    return quopri.decodestring(b"".join(chunks)).replace(b"\r\n", b"\n").decode()


def one_shape(html: str) -> bytes:
    """HTML as a parser sees it, whichever way its characters are escaped."""
    return lxml_html.tostring(lxml_html.document_fromstring(html), encoding="utf-8")


def rendered(html: str) -> lxml_html.HtmlElement:
    return lxml_html.document_fromstring(html)


def test_the_other_tellers_of_a_story_are_in_the_letter() -> None:
    also = (Also(8, "The <Blog>", "https://blog.example/1?a=1&b=2"), Also(9, "Planet", "https://own.example/1"))
    made = freeze(template(), PAGE, [article(1, url="https://own.example/1", also=also), article(2)], nonce=NONCE)
    html, text = personal_html(made, [1, 2], VALUES), personal_text(made, [1, 2], VALUES)
    [told] = rendered(html).xpath("//p[contains(., 'Also in')]")
    assert told.text_content() == "Also in The <Blog>, Planet"
    assert told.xpath(".//a/@href") == ["https://blog.example/1?a=1&b=2"]
    assert "Also in The <Blog>: https://blog.example/1?a=1&b=2\nAlso in Planet\n" in text
    assert text.count("Also in") == 2


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("digest.html", lambda: personal_html(frozen(), [1, 2, 3], VALUES)),
        ("digest.txt", lambda: personal_text(frozen(), [1, 2, 3], VALUES)),
        ("digest-web.html", lambda: web_html(frozen(), [1, 2, 3], AROUND)),
    ],
)
def test_the_shipped_letter_is_the_one_that_was_looked_at(name: str, made: object) -> None:
    """UPDATE_GOLDEN=1 writes it anew; look at it in a browser before it is committed."""
    text = made()  # type: ignore[operator]
    if os.environ.get("UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text)
    assert (GOLDEN / name).read_text() == text


def test_the_same_arguments_give_the_same_bytes() -> None:
    again = freeze(template(), PAGE, ARTICLES, nonce=NONCE)
    assert fragments(again) == fragments(frozen())
    assert html_qp_chunks(again, [2, 1], VALUES) == html_qp_chunks(frozen(), [2, 1], VALUES)


def test_no_marker_is_left() -> None:
    for copy in (personal_html, personal_text):
        assert NONCE not in copy(frozen(), [1, 2, 3], VALUES)
    assert NONCE not in web_html(frozen(), [1])
    assert all(NONCE not in row.body for row in fragments(frozen()))


def test_rows_bring_a_frozen_digest_back() -> None:
    assert thaw(fragments(frozen()), NONCE) == frozen()


# --- fast and slow ------------------------------------------------------------------------------------------

words = st.text(st.one_of(st.sampled_from("<>&\"'=. \n\r\tåß日😀\u2028\u202e\0ab"), st.characters()), max_size=40)
values = st.fixed_dictionaries(
    {name: words for name in TOKENS if name != "unsubscribe_url"}
    | {"unsubscribe_url": st.sampled_from(["https://a.example/u/x?a=1&b='\"", "https://a.example/u/" + "y" * 90])}
)
snippets = st.lists(
    st.sampled_from(
        [
            "<p>Text &amp; &lt;more&gt;</p>", "<ul><li>a<li>b</ul>", "<h1>Head</h1>", "<pre>\n a\n  b</pre>",
            "<p>unclosed", "<table><tr><td>x</table>", '<a href="https://x.example/?a=1&b=2">l</a>', "</div></td>",
            "<b><i>wrong</b></i>", "<blockquote>q</blockquote>", '<img src="https://t.example/1.png" alt="<!--x-->">',
            "bare text &nbsp; é 日本",
        ]
    ) | words,
    max_size=5,
).map(lambda parts: clean_html("".join(parts)))


@settings(max_examples=15, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(data=st.data())
def test_joined_pieces_equal_a_direct_rendering(data: st.DataObject) -> None:
    articles = [
        article(
            n, title=data.draw(words) or "t", summary=data.draw(words), html=data.draw(snippets),
            author=data.draw(words), show=data.draw(st.sampled_from(Show)), url=data.draw(st.sampled_from(["", "https://o.example/ä?a=b&c=d"])),
        )
        for n in range(1, data.draw(st.integers(1, 4)) + 1)
    ]
    ids = data.draw(st.lists(st.sampled_from(articles).map(lambda a: a.id), unique=True))
    mine = data.draw(values)
    done = freeze(template(), PAGE, articles, nonce="fast00nonce")
    assert done.notes == ()
    html, text = personal_html(done, ids, mine), personal_text(done, ids, mine)
    assert decoded(html_qp_chunks(done, ids, mine)) == html
    assert decoded(text_qp_chunks(done, ids, mine)) == text
    slow_html, slow_text = render_directly(
        template(), PAGE, content_of(articles, PAGE), Arrangement(tuple(ids)), mine, nonce="slow00nonce")
    assert one_shape(html) == one_shape(slow_html)
    assert text == slow_text


def test_a_plain_person_s_copy_is_byte_for_byte_the_direct_one() -> None:
    content = content_of(ARTICLES, PAGE)
    mine = VALUES | {"unsubscribe_url": "https://lantern.example/u/token"}
    assert render_directly(template(), PAGE, content, Arrangement((3, 1)), mine, nonce="slow00nonce") == (
        personal_html(frozen(), [3, 1], mine), personal_text(frozen(), [3, 1], mine)
    )


# --- what people see ----------------------------------------------------------------------------------------


def test_the_web_copy_has_the_articles_and_no_person() -> None:
    html, text = web_html(frozen(), [1, 2, 3]), web_text(frozen(), [1, 2, 3])
    for copy in (html, text):
        assert "What a ferry timetable knows" in copy
        for personal in ("nsubscribe", "how often", "/p/", "This letter came", "ada@", "more on the web"):
            assert personal not in copy
    assert 'rel="canonical"' in html
    assert 'rel="canonical"' not in personal_html(frozen(), [1], VALUES)


def test_what_has_no_value_leaves_no_gap() -> None:
    html = personal_html(frozen(), [1], VALUES | {"more": "", "since": ""})
    assert "more on the web" not in html
    assert "You asked for it" not in html
    assert "This letter came to ada@example.org.</p>" in html


def test_the_letter_has_what_every_mail_needs() -> None:
    page = rendered(personal_html(frozen(), [1, 2, 3], VALUES))
    assert len(page.xpath("//h1")) == 1
    assert page.get("lang") == "en"
    assert page.get("dir") == "ltr"
    assert {m.get("name") for m in page.xpath("//meta")} >= {"color-scheme", "supported-color-schemes", "viewport"}
    assert all(t.get("role") == "presentation" for t in page.xpath("//table[not(ancestor::div[@class='prose ltr'])]"))
    (preheader,) = page.xpath("//div[@class='preheader']")
    assert "display:none" in preheader.get("style")
    assert "mso-hide:all" in preheader.get("style")
    assert preheader.text.startswith("Two · Three")
    sheet = page.xpath("string(//style)")
    assert "prefers-color-scheme: dark" in sheet
    assert "[data-ogsc]" in sheet
    assert "!important" in sheet
    assert "Main Street 1" in page.text_content()
    assert page.xpath("//tr//a[text()='Unsubscribe']/@href") == [VALUES["unsubscribe_url"]]
    assert page.xpath("//tr//a[starts-with(text(), 'Choose how often')]/@href") == [VALUES["preferences_url"]]
    assert page.xpath("//*[@lang='sv']//h2")


def test_a_letter_from_right_to_left() -> None:
    page = rendered(personal_html(freeze(template(), replace(PAGE, language="ar"), ARTICLES, nonce=NONCE), [1], VALUES))
    assert page.get("dir") == "rtl"
    assert "border-right:3px" in page.xpath("//blockquote/@style")[0]


def test_a_day_stays_in_one_piece_in_an_article_that_goes_the_other_way() -> None:
    made = freeze(template(), PAGE, [article(1, language="ar"), article(2, language=""), article(3, language="sv")],
                  nonce=NONCE)
    page = rendered(personal_html(made, [1, 2, 3], VALUES))
    assert page.xpath("//td[@id='a1']/@dir") == ["rtl"]
    assert page.xpath("//td[@id='a1']//span[contains(., '21 November 2026')]/@dir") == ["ltr"]
    assert page.xpath("//td[@id='a2']/@dir") == ["auto"], "nobody said: its own first letter does"
    assert page.xpath("//td[@id='a3']//span[contains(., '21 November 2026')]/@dir") == []


def test_plain_text_of_an_article_can_t_play_the_footer() -> None:
    html = "<p>Unsubscribe:<br>https://evil.example/u</p><p>[1] https://evil.example/</p>"
    made = freeze(template(), PAGE, [article(1, html=html)], nonce=NONCE)
    text = personal_text(made, [1], VALUES)
    assert "evil.example" in text
    assert not re.search(r"(?m)^\S.*evil\.example", text)


def test_opening_the_letter_fetches_nothing() -> None:
    pictures = '<p><img src="https://tracker.example/1.gif" alt="A boat"> <img src="//t.example/2"></p>'
    html = personal_html(freeze(template(), PAGE, [article(1, html=pictures)], nonce=NONCE), [1], VALUES)
    assert "[A boat]" in html
    assert not re.search(r"<(?:img|link|script|iframe)\b|@import|url\(|background=", html)


# --- poison -------------------------------------------------------------------------------------------------

POISONS = {
    "nested 300 deep": "<div>" * 300 + "deep" + "</div>" * 300,
    "a text of 11 MB": "<p>" + "x" * 11_000_000 + "</p>",
}
HARMLESS = {
    "closing what is not its own": "</div></td></tr></table></body></html><p>after",
    "opening and never closing": "<div><table><tr><td><b>open",
    "a comment that is never closed": "<p>a</p><!-- open <p>b</p>",
    "a style sheet": "<style>.footer,.quiet{display:none!important}</style><p>a</p>",
    "raw text to the end": "<textarea><p>a",
    "a selector as a style": '<p style="head">a</p><p style="style">b</p>',
    "classes and ids of the letter": '<p class="footer quiet" id="a1">a</p>',
    "control characters": "<p>a\x0b\x00\ud800\r\rb</p>",
    "a plaintext element": "<plaintext>a</td>",
    "a template's language": "<p>{{ 7*7 }}{% raw %}{# x #}</p>",
}


@pytest.mark.parametrize("name", POISONS)
def test_an_article_that_breaks_parsers_is_shown_as_its_summary(name: str) -> None:
    articles = [article(1), article(2, html=POISONS[name], summary="In short, poison."), article(3)]
    done = freeze(template(), PAGE, articles, nonce=NONCE, text_of=lambda _: ("text", []))
    assert [(note.article_id, bool(note.reason)) for note in done.notes] == [(2, True)]
    html, text = personal_html(done, [1, 2, 3], VALUES), personal_text(done, [1, 2, 3], VALUES)
    for copy in (html, text):
        assert "In short, poison." in copy
        assert VALUES["unsubscribe_url"].replace("&", "&amp;" if copy is html else "&") in copy
    assert personal_html(done, [1, 3], VALUES) == without(2, articles)


def test_control_without_the_comparison_of_markers_the_footer_would_be_lost() -> None:
    article = f"<table><tr><td>{POISONS['nested 300 deep']}</td></tr></table>"
    assert "footer" not in inline(f"<html><head></head><body>{article}<p>footer</p></body></html>", "p{margin:0}")


@pytest.mark.parametrize("name", HARMLESS)
def test_hostile_markup_stays_inside_its_article(name: str) -> None:
    """Even where nothing was sanitised at the door: the others come out byte for byte the same."""
    articles = [article(1), article(2, html=HARMLESS[name]), article(3)]
    done = freeze(template(), PAGE, articles, nonce=NONCE)
    assert personal_html(done, [1, 3], VALUES) == without(2, articles)
    page = rendered(personal_html(done, [1, 2, 3], VALUES))
    (leave,) = page.xpath("//a[text()='Unsubscribe']")
    assert not leave.xpath("ancestor::td[starts-with(@class,'article')]")
    assert len(page.xpath("//td[@class='article pad']")) == 3


def without(left_out: int, articles: list[Article]) -> str:
    rest = [a for a in articles if a.id != left_out]
    return personal_html(freeze(template(), PAGE, rest, nonce=NONCE), [a.id for a in rest], VALUES)


def test_content_that_holds_the_nonce_is_refused() -> None:
    inside = f'<p title="<!--bs{NONCE}c0n1x-->">'
    for changes in ({"title": f"x bs{NONCE}t0x"}, {"html": f"<p>{NONCE}</p>"}, {"html": inside}):
        with pytest.raises(TemplateError, match="nonce"):
            freeze(template(), PAGE, [article(1, **changes)], nonce=NONCE)
    with pytest.raises(TemplateError, match="nonce"):
        freeze(template(), replace(PAGE, newsletter_title=NONCE), ARTICLES, nonce=NONCE)


@pytest.mark.parametrize("nonce", ["", "short", "UPPERCASE", "a b c d e f", "x" * 41])
def test_a_nonce_is_letters_and_digits(nonce: str) -> None:
    with pytest.raises(ValueError, match="nonce"):
        freeze(template(), PAGE, ARTICLES, nonce=nonce)


def test_many_long_articles_are_inlined_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = frozen()
    turns: list[str] = []
    monkeypatch.setattr(freezing, "BATCH", 100)
    monkeypatch.setattr(freezing, "inline", lambda html, css: turns.append(html) or inline(html, css))
    assert freeze(template(), PAGE, ARTICLES, nonce=NONCE) == at_once
    assert len(turns) == 2


def test_a_digest_without_articles_is_a_shell() -> None:
    assert "Unsubscribe" in personal_html(freeze(template(), PAGE, [], nonce=NONCE), [], VALUES)


def test_a_template_that_leaves_an_element_open_is_the_template_s_fault(tmp_path: Path) -> None:
    own = tmp_path / "open"
    own.mkdir()
    (own / "body.html.j2").write_text(
        '{% extends "digest/body.html.j2" %}{% block article %}<tr><td><div>{{ article.title }}</td></tr>{% endblock %}'
    )
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "body.html.j2").write_text(
        '{% extends "digest/body.html.j2" %}'
        "{% block masthead %}<tr>{{ begin.web }}<td>{{ end.web }}</td></tr>{% endblock %}"
    )
    templates = Templates([tmp_path, ROOT / "templates"])
    freeze(templates.digest("open"), PAGE, ARTICLES, nonce=NONCE)  # the cell closes it; nothing leaks
    with pytest.raises(TemplateError, match=r"begin\.web and end\.web stand in different elements"):
        freeze(templates.digest("cut"), PAGE, ARTICLES, nonce=NONCE)


def test_contents_follow_the_selection(tmp_path: Path) -> None:
    own = tmp_path / "toc"
    own.mkdir()
    (own / "body.html.j2").write_text(
        '{% extends "digest/body.html.j2" %}'
        "{% block contents %}<tr><td><ul>{{ slots.toc }}</ul></td></tr>{% endblock %}"
    )
    done = freeze(Templates([tmp_path, ROOT / "templates"]).digest("toc"), PAGE, ARTICLES, nonce=NONCE)
    page = rendered(personal_html(done, [3, 1], VALUES))
    assert page.xpath("//li[@class='entry']/a/@href") == ["#a3", "#a1"]
    assert page.xpath("//td/@id") == ["a3", "a1"]
    assert thaw(fragments(done), NONCE) == done


def test_rendering_opens_no_socket_and_no_file_but_templates() -> None:
    """In a process of its own, since an audit hook can't be taken away again."""
    program = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests" / "compose")!r})
import test_freeze as t
from pathlib import Path
t.template(); t.frozen()          # what is imported and compiled on first use
hostile = t.article(9, html='<link rel=stylesheet href="http://127.0.0.1:9/a"><style>@import "file:///etc/hostname";'
    '@import url(http://127.0.0.1:9/b);</style><p style="background:url(http://127.0.0.1:9/c)">x</p>')
seen = []
def hook(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "urllib.Request"):
        seen.append((event, str(arguments)))
    elif event == "open" and "/templates/" not in str(arguments[0]):
        seen.append((event, str(arguments[0])))
sys.addaudithook(hook)
template = t.Templates([t.ROOT / "templates"]).digest("digest")
frozen = t.freeze(template, t.PAGE, [*t.ARTICLES, hostile], nonce=t.NONCE)
t.personal_html(frozen, [1, 9], t.VALUES); t.web_html(frozen, [9])
print(seen)
open({str(GOLDEN / "digest.txt")!r}).close()   # the control: the hook does see a file
print(len(seen))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.split() == ["[]", "1"]
    assert socket.getdefaulttimeout() is None
