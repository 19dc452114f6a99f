"""Each design that is shipped: what every mail needs, in every language, in light and dark; its text in step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from cssselect import parse
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html
from lxml.cssselect import CSSSelector

from pipeline.compose.freeze import Content, content_of, freeze, render_directly
from pipeline.model.articles import Also, Article, ArticleStatus, Show
from pipeline.model.fragments import fragments
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
from pipeline.model.withdrawn import WORDS, withdrawn, without_link
from pipeline.render.pictures import PictureView
from pipeline.render.templates import Templates
from pipeline.render.views import GroupView
from pipeline.render.wording import Wording
from pipeline.text.clean import clean_html

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "templates"
DESIGNS = ("digest", "gallery", "headlines")
LANGUAGES = Wording([SHIPPED]).languages()
AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
NONCE = "golden0nonce"
PAGE = DigestPage(
    site_title="The Lantern", public_url="https://lantern.example", language="en", newsletter_slug="lantern",
    newsletter_title="The Lantern", digest_name="2026-11-22-0800-daily",
    digest_url="https://lantern.example/n/lantern/2026-11-22-0800-daily", date=datetime(2026, 11, 22, 8, tzinfo=UTC),
    postal_address="Lantern, Main Street 1, Stockholm", description="A little light every morning",
    archive_url="https://lantern.example/n/lantern", feed_url="https://lantern.example/feeds/all.xml",
    introduction='<p>Good <a href="https://tea.example/">morning</a>.</p>', introduction_text="Good morning.",
)
VALUES = {
    "unsubscribe_url": "https://lantern.example/u/token", "preferences_url": "https://lantern.example/p/token",
    "address": "ada@example.org", "since": "3 May 2026", "preheader": "Two · Three", "more": "4", "count": "4",
    "contents": "1", "corrections": "2",
}
LONG = ('<h2>Before dawn</h2><p>The first boat leaves at <a href="https://ferry.example/1">five past five</a>, and <a '
        'href="https://ferry.example/2">then</a>.</p><h3>Why</h3><ul><li>Milk</li></ul><ol><li>Post</li></ol>'
        "<blockquote><p>Nobody.</p></blockquote><table><caption>Piers</caption><thead><tr><th>Pier</th></tr></thead>"
        "<tbody><tr><td>North <code>x</code></td></tr></tbody></table><pre><code>boats = 2</code></pre>"
        "<figure><figcaption>A boat</figcaption></figure><h4>A</h4><h5>B</h5><h6>C</h6>")


def article(number: int, **changes: object) -> Article:
    plain = Article(
        id=number, source="desk", source_title="The Desk", guid="", url=f"https://desk.example/{number}",
        title=f"Title {number}", author="Ada", summary=f"Summary {number}: some words on it.", html="",
        published_at=AT, first_seen_at=AT, updated_at=AT, accepted_seq=number, accepted_at=AT,
        status=ArticleStatus.ACCEPTED, story=number, revision=1, show=Show.SUMMARY,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


ALSO = (Also(8, "The <Blog>", "https://blog.example/1?a=1&b=2"), Also(9, "Planet", "https://desk.example/2"))
ARTICLES = [
    article(1, title="What a ferry timetable knows", show=Show.FULL, html=LONG, url=""),
    article(2, title="A parser & where it <hurts>", also=ALSO, author=""),
    article(3, title="The third of them, on a bench outside number nine, with a long title", source_title=""),
    article(4, title="Räksmörgås", language="sv", summary=""),
]
GROUPS = [GroupView(1, "town", "Around town"), GroupView(2, "code", "Code"), GroupView(3, "", "")]
CORRECTED = [article(50, title="A hill", correction="It is 212 metres high."), article(51, title="A bridge")]
NOTES = {2: ('<p>Our <a href="https://own.example/">own</a> view.</p>', "Our own view."),
         3: ("<p>Read it.</p>", "Read it.")}
ALL = Arrangement((1, 3, 2, 4), (1, 1, 2, 3), (50, 51))
PICTURES = [PictureView("https://lantern.example/media/1.jpg", 1280, 720, "A ferry"),
            PictureView("https://lantern.example/media/2.jpg", 600, 900, ""), None,
            PictureView("https://lantern.example/media/4.jpg", 200, 100, "A plate")]


@cache
def templates() -> Templates:
    return Templates([SHIPPED])


def content(page: DigestPage, *, pictures: bool = True) -> Content:
    made = content_of(ARTICLES, page, groups=GROUPS, corrections=CORRECTED, notes=NOTES)
    if not pictures:
        return made
    return replace(made, articles=[replace(v, picture=p) for v, p in zip(made.articles, PICTURES, strict=True)])


@cache
def frozen(design: str, language: str = "en") -> Frozen:
    page = replace(PAGE, language=language)
    return freeze(templates().digest(design), page, content(page), nonce=NONCE)


@cache
def letter(design: str, language: str = "en") -> str:
    return personal_html(frozen(design, language), ALL, VALUES)


def parsed(html: str) -> lxml_html.HtmlElement:
    return lxml_html.document_fromstring(html)


# --- every design, every language ---------------------------------------------------------------------------


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_letter_in_each_language_has_what_a_mail_needs(design: str, language: str) -> None:
    html, text = letter(design, language), personal_text(frozen(design, language), ALL, VALUES)
    words = Wording([SHIPPED]).words(language)
    page = parsed(html)
    side = "rtl" if language in ("ar", "he") else "ltr"
    assert (page.get("lang"), page.get("dir")) == (language, side)
    assert page.xpath("//div[@role='article']/@dir") == [side]
    assert [h.text_content() for h in page.xpath("//h1")] == ["The Lantern"]
    levels = [int(h.tag[1]) for h in page.xpath("//h1|//h2|//h3|//h4|//h5|//h6")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels
    ways = {VALUES["unsubscribe_url"]: words.unsubscribe, VALUES["preferences_url"]: words.preferences}
    for address, name in ways.items():
        (link,) = page.xpath(f"//td[starts-with(@class,'footer')]//a[@href='{address}']")
        assert link.text == name
        assert f"{name}:\n{address}\n" in text.replace(" :", ":").replace("：", ":")
    assert page.xpath(f"//a[text()='{words.on_web}']/@href")
    for said in ("Main Street 1", words.corrections, words.changed, "It is 212 metres high.", words.note,
                 "Our own view.", "Around town", words.other, words.more.replace("{count}", "4"), "Good morning."):
        assert said in page.text_content(), said
        assert said in " ".join(text.split()), said
    assert VALUES["address"] in page.text_content()
    assert VALUES["since"] in page.text_content()
    assert "{" not in page.xpath("string(//div[@role='main'])").replace("boats = 2", "")
    assert "{" not in text
    assert not page.xpath("//a[@href=''] | //a[not(@href)] | //p[not(node())] | //h2[not(normalize-space())]")
    assert all(link.text_content().strip() or link.xpath(".//img/@alt") for link in page.xpath("//a"))


@pytest.mark.parametrize("design", DESIGNS)
def test_the_frame_is_one_that_mail_programs_can_take(design: str) -> None:
    html = letter(design)
    page = parsed(html)
    prose = "[not(ancestor::div[starts-with(@class,'prose')])]"
    assert {t.get("role") for t in page.xpath(f"//table{prose}")} == {"presentation"}
    # what HTML no longer has stays in comments for Outlook, but the one for which Outlook knows no CSS
    assert not page.xpath("//*[@cellpadding or @align or @valign or @bgcolor or @border]")
    assert not page.xpath("//table/@width | //td/@width")
    assert '<!--[if mso]><table role="presentation" width="640"' in html
    assert not re.search(r"display:\s*(?:flex|grid)|position:|float:|@import|@font-face|<link\b|url\(", html)
    (preheader,) = page.xpath("//div[@class='preheader']")
    assert {"display:none", "mso-hide:all"} <= set(preheader.get("style").split(";"))
    assert "color" not in preheader.get("style")
    assert [m.get("content") for m in page.xpath("//meta[contains(@name,'color-scheme')]")] == ["light dark"] * 2
    assert not page.xpath("//button | //form | //script | //svg | //video")
    assert "margin" in page.xpath("//td[starts-with(@class,'margin')]/@class")
    assert page.xpath("count(//*[starts-with(@class,'page')])") == 2


@pytest.mark.parametrize("design", DESIGNS)
def test_what_is_mirrored_stands_on_the_other_side(design: str) -> None:
    left, right = (parsed(letter(design, language)) for language in ("en", "ar"))
    (mine,), (other,) = (page.xpath("//ul[starts-with(@class,'list')]/@style")[-1:] for page in (left, right))
    assert re.search(r"padding:0 0 0 (\d+px)", mine)[1] == re.search(r"padding:0 (\d+px) 0 0", other)[1]
    assert right.xpath("//td[@id='a4']/@dir") == ["ltr"], "Swedish, in an Arabic letter"


def test_prose_from_left_to_right_keeps_its_side_in_a_letter_from_the_right() -> None:
    page = replace(PAGE, language="ar")
    told = [article(1, html=LONG, show=Show.FULL, language="en"), article(2, html=LONG, show=Show.FULL)]
    made = freeze(templates().digest("digest"), page, content_of(told, page), nonce=NONCE)
    one, two = parsed(personal_html(made, [1, 2], VALUES)).xpath("//blockquote/@style")
    assert "border-left:3px" in one
    assert "border-right:3px" in two


@pytest.mark.parametrize("design", DESIGNS)
def test_pictures_have_their_size_and_are_no_larger_than_their_place(design: str) -> None:
    page = parsed(letter(design))
    found = {i.get("src")[-5]: i for i in page.xpath("//img")}
    assert sorted(found) == {"digest": ["2", "4"], "gallery": ["1", "2", "4"], "headlines": []}[design]
    for image in found.values():
        width, height = int(image.get("width")), int(image.get("height"))
        assert 0 < width <= 640
        assert 0 < height <= 560
        assert "max-width:100%" in image.get("style")
        assert image.get("alt") is not None
    if "2" in found:
        assert int(found["2"].get("height")) / int(found["2"].get("width")) == pytest.approx(1.5, abs=0.01)
        assert found["2"].getparent().tag == "td", "a link that shows nothing to be read is none"
    if "1" in found:
        assert (found["1"].get("width"), found["1"].get("alt")) == ("640", "A ferry")


@pytest.mark.parametrize("design", DESIGNS)
def test_without_pictures_there_is_no_hole(design: str) -> None:
    made = freeze(templates().digest(design), PAGE, content(PAGE, pictures=False), nonce=NONCE)
    page = parsed(personal_html(made, ALL, VALUES))
    assert not page.xpath("//img | //td[starts-with(@class,'frame')]")


@pytest.mark.parametrize("design", DESIGNS)
def test_what_a_person_does_not_get_leaves_no_frame(design: str) -> None:
    nothing = VALUES | {"contents": "", "corrections": "", "more": "", "preferences_url": "", "since": ""}
    bare = Arrangement((2,))
    html, text = personal_html(frozen(design), bare, nothing), personal_text(frozen(design), bare, nothing)
    for said in ("Corrections", "In this letter", "more on the web", "Choose how", "You asked", "Around town"):
        assert said not in parsed(html).xpath("string(//div[@role='main'])")
        assert said not in text
    assert not parsed(html).xpath("//ul[not(li)]")
    assert "\n\n\n\n" not in text


@pytest.mark.parametrize("design", DESIGNS)
def test_the_web_copy_is_nobody_s(design: str) -> None:
    html, text = web_html(frozen(design), ALL), web_text(frozen(design), ALL)
    for copy in (html, text):
        assert "The Lantern is sent by" in re.sub(r"<[^>]*>", "", copy)
        for personal in ("Unsubscribe", "This letter came", "ada@", "Choose how"):
            assert personal not in copy
    page = parsed(html)
    assert page.xpath("//td[starts-with(@class,'footer')]//a[text()='Follow it as a feed']/@href") == [PAGE.feed_url]
    assert page.xpath("//td[starts-with(@class,'footer')]//a/@href").count(PAGE.archive_url) == 1


@pytest.mark.parametrize("design", ["digest", "gallery"])
def test_contents_lead_to_the_articles_in_their_order(design: str) -> None:
    page = parsed(letter(design))
    (listed,) = page.xpath("//td[starts-with(@class,'contents')]//ul")
    assert [a[1:] for a in listed.xpath(".//a/@href")] == page.xpath("//td/@id") == ["a1", "a3", "a2", "a4"]
    said = personal_text(frozen(design), ALL, VALUES).partition("In this letter\n")[2]
    listed_words = re.findall(r"^\* (\w+)", said.partition("Around town")[0], re.MULTILINE)
    assert listed_words == ["What", "The", "A", "Räksmörgås"]


def test_a_list_of_headlines_has_no_contents_of_its_own() -> None:
    assert "In this letter" not in letter("headlines")


# --- taken back ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("design", DESIGNS)
def test_what_was_withdrawn_is_said_where_it_can_be_seen(design: str) -> None:
    gone = {(row.name, row.article_id, row.part): withdrawn(row).body for row in fragments(frozen(design))
            if row.article_id in (1, 2, 3, 4, 50)}
    done = frozen(design)
    pieces = {key: replace(f, html=gone.get((*key, "html"), f.html), text=gone.get((*key, "text"), f.text))
              for key, f in done.fragments.items()}
    html = personal_html(replace(done, fragments=pieces), ALL, VALUES)
    said = parsed(html).xpath(f"//p[text()='{WORDS}']")
    assert len(said) == len(ALL.articles)
    for one in said:
        assert not re.search(r"font-size:\s*0|display:\s*none", " ".join(one.xpath("ancestor::*/@style")))
    for dark in (False, True):
        seen = [contrast(colour, ground) for text, colour, ground in painted(html, dark=dark) if text == WORDS]
        assert min(seen) >= 4.5
    assert "ferry" not in html
    assert "ferry" not in personal_text(replace(done, fragments=pieces), ALL, VALUES)


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_another_source_is_taken_out_of_what_names_it(design: str, language: str) -> None:
    rows = [row for row in fragments(frozen(design, language)) if (row.name, row.article_id) == ("articles", 2)]
    assert [row.part for row in rows] == ["html", "text"]
    for row in rows:
        assert "Blog" in row.body
        less = without_link(row, ALSO[0].url, ALSO[0].source, "a source that is gone").body
        assert "Blog" not in less
        assert "blog.example" not in less
        assert "a source that is gone" in less
        assert "Planet" in less
        assert "Planet" not in without_link(row, "", "Planet", "x").body


# --- plain text ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("design", DESIGNS)
def test_the_text_says_what_the_html_says_in_the_same_order(design: str) -> None:
    page, text = parsed(letter(design)), personal_text(frozen(design), ALL, VALUES)
    flat = " ".join(text.partition("Around town")[2].split())
    heads = [h.text_content() for h in page.xpath("//td[@id]//h2")]
    assert heads == [ARTICLES[i - 1].title for i in ALL.articles]
    places = [flat.index(head) for head in heads]
    assert places == sorted(places)
    for cell in page.xpath("//td[@id]"):
        link = cell.xpath(".//h2/a/@href")[0]
        assert link in text
    for other in ("Also in The <Blog>: https://blog.example/1?a=1&b=2\n", "Also in Planet\n"):
        assert other in text


def test_links_in_a_text_are_numbered_as_they_come() -> None:
    page, text = parsed(letter("digest")), personal_text(frozen("digest"), ALL, VALUES)
    links = page.xpath("//td[@id='a1']//div[starts-with(@class,'prose')]//a/@href")
    assert re.findall(r"^\[(\d)\] (\S+)$", text, re.MULTILINE) == [(str(n), a) for n, a in enumerate(links, 1)]
    assert "five past five [1], and then [2]." in text


@pytest.mark.parametrize("design", DESIGNS)
def test_text_is_wrapped(design: str) -> None:
    long = [article(n, title="word " * 40, summary="words and words " * 60, source_title="source " * 15,
                    author="a b " * 30) for n in (1, 2)]
    said = ("<p>x</p>", "a note of many words " * 9)
    made = freeze(templates().digest(design), PAGE, content_of(long, PAGE, notes={1: said}, corrections=[
        replace(long[0], id=50, correction="it was wrong " * 20)]), nonce=NONCE)
    for copy in (personal_text(made, Arrangement((1, 2), corrections=(50,)), VALUES), web_text(made, [1, 2])):
        assert [line for line in copy.split("\n") if len(line) > 72 and "https://" not in line] == []
        assert not re.search(r"[ \t]$", copy, re.MULTILINE)


# --- size ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("design", DESIGNS)
def test_twenty_articles_are_far_from_being_cut_off(design: str) -> None:
    summary = " ".join(["eleven", "letters", "a", "boat", "and", "some"] * 10)
    many = [article(n, title=f"Title of about sixty characters, as most of them have, no {n}", summary=summary)
            for n in range(1, 21)]
    made = content_of(many, PAGE)
    made = replace(made, articles=[replace(v, picture=PICTURES[0]) for v in made.articles])
    done = freeze(templates().digest(design), PAGE, made, nonce=NONCE)
    size = len(personal_html(done, range(1, 21), VALUES).encode())
    print(f"{design}: {size:,} bytes")
    assert size < 60_000


# --- joined and rendered directly -----------------------------------------------------------------------------

words = st.text(st.one_of(st.sampled_from("<>&\"'=. \n{}åß日😀\u202e\0ab"), st.characters()), max_size=30)
snippets = st.lists(
    st.sampled_from(["<p>Text &amp; more</p>", "<ul><li>a<li>b</ul>", "<h1>Head</h1>", "<p>unclosed", "</td></tr>",
                     "<table><tr><td>x</table>", '<a href="https://x.example/?a=1&b=2">l</a>']) | words, max_size=3,
).map(lambda parts: clean_html("".join(parts)))


@pytest.mark.parametrize("design", DESIGNS)
@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(data=st.data())
def test_joined_pieces_equal_a_direct_rendering(design: str, data: st.DataObject) -> None:
    import quopri

    draw = data.draw
    page = replace(PAGE, language=draw(st.sampled_from(LANGUAGES)), introduction=draw(snippets),
                   introduction_text=draw(words))
    told = [article(n, title=draw(words) or "t", summary=draw(words), html=draw(snippets), source_title=draw(words),
                    show=draw(st.sampled_from(Show)), also=draw(st.sampled_from([(), ALSO]))) for n in (1, 2, 3)]
    groups = [GroupView(1, "a", draw(words)), GroupView(2, "", "")]
    corrected = [article(n, title=draw(words) or "t", correction=draw(words)) for n in (50, 51)]
    made = content_of(told, page, groups=groups, corrections=corrected, notes={1: (draw(snippets), draw(words))})
    pictures = st.sampled_from([None, *PICTURES])
    made = replace(made, articles=[replace(v, picture=draw(pictures)) for v in made.articles])
    chosen = tuple(draw(st.lists(st.sampled_from([1, 2, 3]), unique=True)))
    numbers = tuple(sorted(draw(st.sampled_from([0, 1, 2])) for _ in chosen))
    shown = Arrangement(chosen, draw(st.sampled_from([(), numbers])),
                        tuple(draw(st.lists(st.sampled_from([50, 51]), unique=True))))
    values = {name: draw(words) for name in TOKENS} | {"unsubscribe_url": "https://a.example/u/x?a=1&b='\""}
    template = templates().digest(design)
    done = freeze(template, page, made, nonce="fast00nonce")
    assert done.notes == ()
    html, text = personal_html(done, shown, values), personal_text(done, shown, values)
    for chunks, whole in ((html_qp_chunks(done, shown, values), html), (text_qp_chunks(done, shown, values), text)):
        assert quopri.decodestring(b"".join(chunks)).replace(b"\r\n", b"\n").decode() == whole
    slow_html, slow_text = render_directly(template, page, made, shown, values, nonce="slow00nonce")
    assert lxml_html.tostring(parsed(html)) == lxml_html.tostring(parsed(slow_html))
    assert text == slow_text


# --- contrast -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("design", DESIGNS)
def test_contrast_is_enough_in_light_and_dark(design: str, dark: bool) -> None:
    """WCAG 2.2 §1.4.3: each text in its colour on the ground it stands on, as the cascade gives them."""
    seen = {(colour, ground) for _, colour, ground in painted(letter(design), dark=dark)}
    assert len(seen) >= 6
    weak = [(text, colour, ground, round(contrast(colour, ground), 2))
            for text, colour, ground in painted(letter(design), dark=dark) if contrast(colour, ground) < 4.5]
    assert weak == []


@pytest.mark.parametrize("design", DESIGNS)
def test_dark_is_the_same_colour_for_colour_in_outlook(design: str) -> None:
    sheet = (SHIPPED / design / "screen.css").read_text()
    night = {(selector, name, value) for selector, name, value in rules(dark_part(sheet)) if ":hover" not in selector}
    for name, mark in (("color", "ogsc"), ("background-color", "ogsb")):
        wanted = {(f"[data-{mark}] {selector}", value) for selector, one, value in night if one == name}
        assert {(s, v) for s, n, v in rules(sheet) if n == name and f"[data-{mark}]" in s} == wanted
    assert "!important" in dark_part(sheet)


@pytest.mark.parametrize("design", DESIGNS)
def test_every_rule_for_the_screen_is_of_something_that_is_there(design: str) -> None:
    """A class that was renamed in one file only would leave a dark letter with light words in it."""
    page = parsed(letter(design))
    known = {name for names in page.xpath("//@class") for name in names.split()} | {"web-nav", "button", "button-link"}
    sheet = (SHIPPED / design / "screen.css").read_text()
    assert {name for selector, _, _ in rules(sheet) for name in re.findall(r"\.([\w-]+)", selector)} <= known


def painted(html: str, *, dark: bool) -> Iterator[tuple[str, str, str]]:
    """(text, its colour, its ground) of all that is shown."""
    page = parsed(html)
    over: dict[lxml_html.HtmlElement, dict[str, str]] = {}
    if dark:
        found = list(rules(dark_part(page.xpath("string(//style)"))))
        for selector, name, value in sorted(found, key=lambda rule: parse(rule[0])[0].specificity()):
            if ":hover" not in selector:
                for element in CSSSelector(selector, translator="html")(page):
                    over.setdefault(element, {})[name] = value

    def of(element: lxml_html.HtmlElement, name: str) -> str:
        while element is not None:
            own = re.search(rf"(?<![\w-]){name}:\s*#([0-9a-f]+)", element.get("style") or "")
            value = over.get(element, {}).get(name) or (own[1] if own else "")
            if value and value != "transparent":
                value = value.removeprefix("#")
                return "#" + (value if len(value) == 6 else "".join(c * 2 for c in value))
            element = element.getparent()
        raise AssertionError(f"nothing says which {name} it has")

    for element in page.xpath("//body//*[not(self::style)]"):
        text = "".join(element.xpath("text()")).strip("\xa0\u200c \n·")
        if text and "preheader" not in (element.get("class") or ""):
            yield text, of(element, "color"), of(element, "background-color")


def dark_part(sheet: str) -> str:
    return re.search(r"@media \(prefers-color-scheme: dark\) \{\n(.*?)\n\}", sheet, re.DOTALL)[1]


def rules(sheet: str) -> Iterator[tuple[str, str, str]]:
    """(selector, property, value) of each declaration."""
    for heads, body in re.findall(r"^\s*([^{}@/]+)\{([^{}]*)\}", sheet, re.MULTILINE):
        for declaration in filter(str.strip, body.split(";")):
            name, _, value = declaration.partition(":")
            for selector in heads.split(","):
                yield selector.strip(), name.strip(), value.replace("!important", "").strip()


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
