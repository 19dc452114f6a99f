"""Words of sources and of the operator in a letter: whatever they hold, what stands around them stays as it is."""

from __future__ import annotations

import email
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as lxml_html

from pipeline.compose.freeze import content_of, freeze
from pipeline.compose.press import said
from pipeline.errors import TemplateError
from pipeline.mail.message import HeaderFields, Mailbox, message_chunks
from pipeline.model.articles import Article, ArticleStatus, Images, Show
from pipeline.model.fragments import fragments, thaw
from pipeline.model.frozen import Arrangement, DigestPage, Frozen, Piece, personal_html, personal_text, web_html
from pipeline.render.templates import DigestTemplate, Templates
from pipeline.render.views import GroupView

ROOT = Path(__file__).resolve().parents[2]
NONCE = "hostile0nonce"
AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
PAGE = DigestPage(
    site_title="The Lantern", public_url="https://lantern.example", language="en", newsletter_slug="lantern",
    newsletter_title="The Lantern", digest_name="2026-11-22-0800-daily",
    digest_url="https://lantern.example/n/lantern/2026-11-22-0800-daily", date=AT, postal_address="Main Street 1")
VALUES = {"unsubscribe_url": "https://lantern.example/u/t", "preferences_url": "https://lantern.example/p/t",
          "address": "ada@example.org", "since": "", "preheader": "", "more": "", "count": "2", "contents": "1",
          "corrections": "1"}
PLAIN = "zqplainqz"

HOSTILE = {
    "script": "<script>alert(1)</script>hi", "style": "<style>*{display:none}</style>hi",
    "style attribute": '<p id="x" class="footer" style="position:fixed;display:none">hi',
    "frame": '<iframe src="https://x.example"></iframe><frameset><frame></frameset>hi',
    "form": '<form action="https://x.example"><input name=a><button>x</form><select><option>hi',
    "comment": "hi <!-- there", "block comment": "hi\n\n<!--\n\nthere",
    "conditional": "<!--[if mso]><table><![endif]-->",
    "cdata": "<![CDATA[ x ]]> <?php x ?> <!DOCTYPE x [<!ENTITY a 'b'>]>", "unclosed": "<div><b><i><table><tr><td>hi",
    "closers": "</td></tr></table></div></div></body></html>hi", "raw text": "<plaintext>hi", "title": "<title>hi",
    "xmp": "<xmp><textarea><noscript><template>hi",
    "document": '<html lang=xx dir=rtl><body bgcolor=red><base href="//x">',
    "refresh": '<meta http-equiv=refresh content="0;url=https://x.example"><link rel=stylesheet href="//x">',
    "foreign": '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    "svg": "<svg><style><!--</style><script>alert(1)</script>", "slot": "<!--bsothernoncexs0x--> bsothernonce0t0x",
    "marker in alt": '<img src="https://lantern.example/a.png" alt="<!--bsothernonce0s0x-->">',
    "addresses": "[a](javascript:alert(1)) [b](data:text/html,x) <a href='vbscript:x' onclick=x target=_top>c</a>",
    "open links": '<a href="https://x.example/"><a href="https://y.example/">x', "deep": "<div>" * 3000 + "hi",
    "quotes": ">" * 5000 + " hi", "list": "\n".join("  " * i + "- x" for i in range(300)), "bold": "<b>" * 9000,
    "template": "{{ tokens.address }}{% for x in y %}{{ begin.mail }}{{ slots.articles }}{# x",
    "controls": "a\0b\x0bc\x1bd\ufffe\ufdd0", "lines": "a\r\nb\rc\u2028d\u2029e\x85f\x0cg",
    "direction": "\u202eabc\u2066def\u2069\u200f", "surrogate": "a\ud800b", "long word": "x" * 10_000,
    "pictures": '<img src="https://x.example/a.png" width=9999 height=9999 alt="a">' * 200,
}


def article(number: int, **values: Any) -> Article:
    made = Article(
        id=number, source="desk", source_title="Desk", guid=str(number), url=f"https://desk.example/{number}",
        title=f"Title {number}", author="", summary=f"Summary {number}.", html=f"<p>Body {number}</p>", show=Show.FULL,
        published_at=AT, first_seen_at=AT, updated_at=AT, accepted_seq=number, accepted_at=AT,
        status=ArticleStatus.ACCEPTED, story=number, revision=1, topics=("city",), language="en")
    return replace(made, **values)


@cache
def template(design: str) -> DigestTemplate:
    return Templates([ROOT / "templates"]).digest(design)


def made(
    introduction: str = PLAIN, *, group: str = "City", note: str = PLAIN, design: str = "digest", **corrected: str
) -> Frozen:
    html, text = said(introduction, PAGE.public_url, Images.OWN, first_heading=2)
    page = replace(PAGE, introduction=html, introduction_text=text)
    content = content_of(
        [article(1), article(2)], page, groups=[GroupView(1, group, group)],
        corrections=[article(3, **{"correction": PLAIN, "corrected_at": AT, **corrected})],
        notes={2: said(note, PAGE.public_url, Images.OWN)})
    return freeze(template(design), page, content, nonce=NONCE)


@cache
def plain(design: str = "digest") -> Frozen:
    return made(design=design)


def shape(pieces: tuple[Piece, ...]) -> list[tuple[str, str, tuple[str, ...]]]:
    """The places of tokens, slots and ranges."""
    return [(p.kind, p.name, p.conditions) for p in pieces if p.kind != "literal"]


def body(frozen: Frozen) -> str:
    return "".join(piece.body for piece in frozen.html)


def personal(frozen: Frozen) -> str:
    return personal_html(frozen, Arrangement((1, 2), (1, 1), (3,)), VALUES)


def assert_sound(frozen: Frozen) -> None:
    """It joins, comes back from rows, and whoever gets it sees the way out, outside of all articles."""
    assert not frozen.notes
    assert thaw(fragments(frozen), NONCE) == frozen
    html = personal(frozen)
    assert NONCE not in html + web_html(frozen, [1, 2]) + personal_text(frozen, [1, 2], VALUES)
    page = lxml_html.document_fromstring(html.encode())
    [way_out] = page.xpath("//a[@href='https://lantern.example/u/t']")
    around = {name for one in way_out.iterancestors() for name in (one.get("class") or "").split()}
    assert around.isdisjoint({"article", "introduction", "prose", "note", "group", "contents"})
    assert len(page.xpath("//h1")) == 1
    allowed = {"https://lantern.example/a.png"}   # on our own site
    assert {image.get("src") for image in page.iter("img")} <= allowed, "opening it would tell somebody"
    assert not [e.tag for e in page.iter("script", "iframe", "form", "input", "object", "base", "svg", "frame",
                                         "button", "select", "textarea", "template")]
    assert len(page.xpath("//style")) == 1, "no style sheet but the letter's own"
    assert not [name for e in page.iter() if isinstance(e.tag, str) for name in e.keys() if name.startswith("on")]  # noqa: SIM118


@pytest.mark.parametrize("name", HOSTILE)
def test_an_introduction_touches_nothing_around_it(name: str) -> None:
    frozen = made(HOSTILE[name])
    assert_sound(frozen)
    assert shape(frozen.html) == shape(plain().html)
    assert shape(frozen.text) == shape(plain().text)
    assert frozen.fragments == plain().fragments
    if not said(HOSTILE[name], PAGE.public_url, Images.OWN)[0]:
        assert frozen == made(""), "nothing is left of it, so there is no introduction"
        return
    whole = body(plain())
    start = whole.index(PLAIN)
    before, after = whole[: whole.rindex("<tr>", 0, start)], whole[whole.index("</td></tr>", start):]
    assert body(frozen).startswith(before)
    assert body(frozen).endswith(after)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_note_touches_nothing_around_it(name: str) -> None:
    frozen = made(note=HOSTILE[name])
    assert_sound(frozen)
    assert (frozen.html, frozen.text) == (plain().html, plain().text)
    for key, piece in frozen.fragments.items():
        if key != ("articles", 2):
            assert piece == plain().fragments[key]
    known = plain().fragments["articles", 2].html
    start = known.index(PLAIN)
    now = frozen.fragments["articles", 2].html
    if not said(HOSTILE[name], PAGE.public_url, Images.OWN)[0]:
        assert now == made(note="").fragments["articles", 2].html, "nothing is left of it, so there is no note"
        return
    assert now.startswith(known[: known.rindex('<div class="note', 0, start)])
    assert now.endswith(known[known.index("</div>", start):])


@pytest.mark.parametrize("name", HOSTILE)
def test_headings_and_corrections_are_words(name: str) -> None:
    """A group is called as a source calls its topic, or itself; a correction is one line of the operator's."""
    words = HOSTILE[name][:10_000]
    frozen = made(group=words, correction=words, title=words)
    assert_sound(frozen)
    assert (frozen.html, frozen.text) == (plain().html, plain().text)
    for key, piece in frozen.fragments.items():
        if key not in (("group", 1), ("corrections", 3)):
            assert piece == plain().fragments[key]
    for key, tags in ((("group", 1), {"tr", "td", "h2"}), (("corrections", 3), {"li", "a"})):
        piece = lxml_html.fragment_fromstring(f"<table>{frozen.fragments[key].html}</table>" if key[0] == "group" else
                                              f"<ul>{frozen.fragments[key].html}</ul>")
        assert {element.tag for element in piece.iterdescendants()} <= tags | {"tbody"}
    assert {line[:2] for line in frozen.fragments["corrections", 3].text.splitlines()} <= {"* ", "  "}


@pytest.mark.parametrize("design", Templates([ROOT / "templates"]).names())
def test_each_design_keeps_its_shape(design: str) -> None:
    for words in HOSTILE.values():
        frozen = made(words, group=words[:10_000], note=words, correction=words, title=words, design=design)
        assert_sound(frozen)
        assert shape(frozen.html) == shape(plain(design).html)
        assert shape(frozen.text) == shape(plain(design).text)
        for key, piece in frozen.fragments.items():
            if key not in (("group", 1), ("articles", 2), ("corrections", 3)):
                assert piece == plain(design).fragments[key]


@given(words=st.text(max_size=200))
def test_any_words_are_words(words: str) -> None:
    frozen = made(words, group=words, note=words, correction=words, title=words)
    assert_sound(frozen)
    assert shape(frozen.html) == shape(plain().html)


def test_an_introduction_that_leaves_no_room_says_what_to_do() -> None:
    with pytest.raises(TemplateError, match="a shorter introduction"):
        made("&" * 20_000)


def test_an_introduction_that_holds_the_nonce_is_refused() -> None:
    """Nobody can guess it; but if it were there, nothing may be cut at it."""
    for words in (f"bs{NONCE}t0x", f"<!--bs{NONCE}s0x-->bs{NONCE}c1n1x", NONCE):
        with pytest.raises(TemplateError, match="nonce"):
            made(words)


def test_pictures_of_others_stand_in_words_and_ours_are_shown() -> None:
    words = '![A boat](https://x.example/b.png) ![](https://x.example/c.png) ![Ours](https://lantern.example/i/d.png)'
    html, text = said(words, PAGE.public_url, Images.OWN)
    assert "x.example" not in html + text
    assert "[A boat]" in html
    assert 'src="https://lantern.example/i/d.png"' in html
    assert said(words, PAGE.public_url, Images.REMOTE)[0].count("x.example") == 2


def test_headings_of_the_operator_go_below_the_letters_own() -> None:
    assert said("# Big\n\n## Small", PAGE.public_url, Images.OWN, first_heading=2)[0] == "<h2>Big</h2>\n<h3>Small</h3>"
    assert said("# Big\n\n## Small", PAGE.public_url, Images.OWN)[0] == "<h3>Big</h3>\n<h4>Small</h4>"


@pytest.mark.parametrize("title", [
    "a\r\nBcc: evil@x.example", "a\nX-Evil: 1\n\nbody", "a\u2028Bcc: x@y.example\u2029", "a\x85Bcc: x",
    "a\x0b\x0cBcc: x", "a\0b", "=?utf-8?q?=0d=0aBcc:_x?=", "{{ 7 * 7 }}{% raw %}", "a\ud800", "x" * 10_000,
    "\u202egnp.exe",
])
def test_a_subject_is_one_header_line(title: str) -> None:
    """Titles of sources and subjects of the operator alike."""
    templates = Templates([ROOT / "templates"])
    views = content_of([article(1, title=title)], PAGE).articles
    for source in ("{{ articles[0].title }}", title if "{" not in title else "x"):
        subject = templates.subject(source, page=PAGE, articles=views)
        fields = HeaderFields(
            sender=Mailbox("news@lantern.example", "The Lantern"), to="ada@example.org", subject=subject, date=AT,
            message_id="<x@lantern.example>", language="en", reply_to="", list_id="lantern.lantern.example",
            list_name="The Lantern", unsubscribe=("https://lantern.example/u/t",), archive_url="")
        message = email.message_from_bytes(b"".join(message_chunks(fields, plain(), [1, 2], VALUES)),
                                           policy=policy.default)
        assert not message.defects
        assert len(message.get_all("Subject")) == 1
        assert "Bcc" not in message.keys()  # noqa: SIM118 - of headers
        assert not [name for name in message.keys() if "evil" in name.lower()]  # noqa: SIM118
        assert len(str(message["Subject"]).splitlines()) == 1
        assert message.is_multipart()
