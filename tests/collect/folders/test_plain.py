"""The shape of an article that was taken as text from a web page, in all its variants."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.collect.folders.plain import read_plain
from pipeline.text.clean import clean_html, visible_text

PARAGRAPHS = (
    "The ferry leaves at six, when the harbour is still grey, and for the first half hour nobody says a word.",
    "Nobody had counted the lamps before. There are four hundred and twelve of them, and eleven do not work.",
    "A baker on the square told us she sets her alarm for two: bread that is sold at seven has been alive since three.",
    "What does it cost? Less than the old one did, says the office, which has not yet published a single figure.",
    "By the time the second winter came, the roof held; the windows, which had been the cheaper half, did not.",
    "“We never meant to stay,” she said, and put the kettle on. She has lived there for thirty-one years now.",
    "Photo by photo, the archive grows, and related posts on the notice board ask for more of them every week.",
)


def page(*lines: str) -> str:
    return "\n\n".join(lines)


def headings(html: str) -> list[str]:
    return [visible_text(h) for h in re.findall(r"<h2>.*?</h2>", html)]


def paragraphs(html: str) -> list[str]:
    return [visible_text(p) for p in re.findall(r"<p>.*?</p>", html)]


def test_the_whole_shape_with_furniture_all_around() -> None:
    found = read_plain(page(
        "Skip to content", "Why the Lamps Went Out", "Photo of author", "By Ada Lindqvist", "Why the Lamps Went Out",
        "4 min read", PARAGRAPHS[0], "Advertisement", "A Count of Four Hundred", PARAGRAPHS[1], PARAGRAPHS[2],
        "What It Cost", PARAGRAPHS[3], "Share this:", "Facebook", "Twitter", "Posted in City, Light", "Related posts",
        "Ten Bridges Worth a Detour", "The Last Gasworks", "Leave a Comment",
    ))
    assert found.title == "Why the Lamps Went Out"
    assert found.author == "Ada Lindqvist"
    assert headings(found.html) == ["A Count of Four Hundred", "What It Cost"]
    assert paragraphs(found.html) == list(PARAGRAPHS[:4])


@pytest.mark.parametrize(
    ("line", "author", "when"),
    [
        ("By Jane Doe", "Jane Doe", None),
        ("by Jane Doe", "Jane Doe", None),
        ("BY JANE DOE", "Jane Doe", None),
        ("Written by Jane van der Doe", "Jane van der Doe", None),
        ("By Jane Doe | June 3, 2024", "Jane Doe", datetime(2024, 6, 3, tzinfo=UTC)),
        ("By Jane Doe, Staff Writer", "Jane Doe", None),
        ("By Jane Doe and John Q. Public", "Jane Doe and John Q. Public", None),
        ("June 3, 2024 by Jane Doe", "Jane Doe", datetime(2024, 6, 3, tzinfo=UTC)),
        ("Posted by Jane Doe on 3 June 2024", "Jane Doe", datetime(2024, 6, 3, tzinfo=UTC)),
        ("Author: Émile Åkesson-Núñez", "Émile Åkesson-Núñez", None),
        ("Published June 3, 2024", "", datetime(2024, 6, 3, tzinfo=UTC)),
        ("June 3, 2024 at 10:30 am", "", datetime(2024, 6, 3, 10, 30, tzinfo=UTC)),
        ("2024-06-03", "", datetime(2024, 6, 3, tzinfo=UTC)),
    ],
)
def test_bylines_and_dates(line: str, author: str, when: datetime | None) -> None:
    found = read_plain(page("A Title", line, PARAGRAPHS[0], PARAGRAPHS[1]))
    assert (found.title, found.author, found.published_at) == ("A Title", author, when)
    assert paragraphs(found.html) == list(PARAGRAPHS[:2])


def test_a_name_alone_below_the_photo_of_the_author() -> None:
    assert read_plain(page("A Title", "Photo of author", "Jane Doe", PARAGRAPHS[0])).author == "Jane Doe"


def test_a_date_of_change_is_no_date_of_publication() -> None:
    found = read_plain(page("A Title", "Published 3 June 2024", "Last updated on 5 June 2024", PARAGRAPHS[0]))
    assert found.published_at == datetime(2024, 6, 3, tzinfo=UTC)
    assert found.updated_at == datetime(2024, 6, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "line",
    [
        "By Monday the water had reached the second step.",
        "Related posts were taken down, too.",
        "Photo by photo, the album shows how the town changed.",
        "Advertisement was a craft then.",
        "Share this: it is the only map we have.",
        "Posted in 1943, the letter took a year.",
        "Leave a comment at the desk if you disagree.",
        "Comments are closed, and so is the pub.",
    ],
)
def test_prose_that_begins_like_furniture_stays(line: str) -> None:
    found = read_plain(page("A Title", PARAGRAPHS[0], line, PARAGRAPHS[1]))
    assert line in paragraphs(found.html)


@pytest.mark.parametrize("line", ["Search", "Related", "Home", "Comments", "Follow"])
def test_a_word_that_may_be_furniture_heads_a_section_within_the_article(line: str) -> None:
    assert headings(read_plain(page("A Title", PARAGRAPHS[0], line, PARAGRAPHS[1])).html) == [line]


@pytest.mark.parametrize(
    "line",
    [
        "“Bread is alive”", "— Ada Lindqvist", "This sentence ends.", "What you need:", "and so it went on",
        "https://example.org/map", "* * *", "1943, 1944, 1951,",
    ],
)
def test_short_lines_that_are_no_headings(line: str) -> None:
    assert headings(read_plain(page("A Title", PARAGRAPHS[0], line, PARAGRAPHS[1])).html) == []


def test_the_last_line_is_no_heading() -> None:
    found = read_plain(page("A Title", PARAGRAPHS[0], "The Editors"))
    assert headings(found.html) == []
    assert paragraphs(found.html)[-1] == "The Editors"


def test_lists() -> None:
    found = read_plain("A Title\n\n" + PARAGRAPHS[0] + "\n\nWhat you need:\n\n- flour\n- water\n- salt\n\nSteps\n\n"
                       "1. Mix it.\n2. Wait for\n   an hour.\n3. Bake.\n\n" + PARAGRAPHS[1])
    assert "<ul><li>flour</li><li>water</li><li>salt</li></ul>" in found.html
    assert "<ol><li>Mix it.</li><li>Wait for an hour.</li><li>Bake.</li></ol>" in found.html
    assert headings(found.html) == ["Steps"]


def test_verses_and_addresses_keep_their_lines() -> None:
    verse = "The lamp is lit\nThe street is wet\nThe cat is out"
    found = read_plain(page("A Title", PARAGRAPHS[0], verse, PARAGRAPHS[1]))
    assert "<p>The lamp is lit<br>The street is wet<br>The cat is out</p>" in found.html
    assert headings(found.html) == []


def test_short_paragraphs_on_a_line_each_are_not_joined() -> None:
    lines = ["The lamp was lit.", "It was late, and the street below was wet and empty.", "Nobody came.",
             "Then the bell rang, twice, and the cat looked up at us.", "It was the baker.", "He had brought bread."]
    assert paragraphs(read_plain("\n".join(["A Title", *lines])).html) == lines


def test_a_text_without_a_title_has_none() -> None:
    found = read_plain(page(PARAGRAPHS[1], PARAGRAPHS[2]))
    assert found.title == ""
    assert paragraphs(found.html) == [PARAGRAPHS[1], PARAGRAPHS[2]]


def test_the_name_of_the_site_above_the_title_is_not_the_title() -> None:
    assert read_plain(page("A Title – The Lantern", "A Title", PARAGRAPHS[0])).title == "A Title"
    twice = page("The Lantern", "Menu", "A Title", "By Jane Doe", "A Title", PARAGRAPHS[0])
    assert read_plain(twice).title == "A Title"
    assert read_plain(twice).author == "Jane Doe"


def test_markup_in_a_text_is_text() -> None:
    found = read_plain(page(
        "A <b>Title</b>", "Use <script>alert(1)</script> & more, see https://example.org/x?a=1&b=2."
    ))
    assert found.title == "A <b>Title</b>"
    assert "&lt;script&gt;" in found.html
    assert '<a href="https://example.org/x?a=1&amp;b=2">' in clean_html(found.html)


@pytest.mark.parametrize("text", ["", "\n\n \n", "-", "***", "By", "Leave a Comment", "A Title", "?", "1.", "- "])
def test_next_to_nothing_is_no_crash(text: str) -> None:
    read_plain(text)


ANY_LINE = st.sampled_from([
    *PARAGRAPHS, "A Title", "By Jane Doe", "- x", "1. y", "", "> q", "===", "  z", "June 3, 2024", "Leave a Comment",
    "Related posts", "Short Line", "\u2028",
])


@given(st.lists(ANY_LINE, max_size=14))
def test_no_word_of_a_paragraph_is_ever_lost(lines: list[str]) -> None:
    found = read_plain("\n".join(lines))
    text = " ".join((visible_text(clean_html(found.html)) + " " + found.title).split())
    cut = next((i for i, line in enumerate(lines) if line == "Leave a Comment"), len(lines))
    for line in lines[:cut]:
        if line in PARAGRAPHS:
            assert line in text


# Whole documents, made from parts, in every variant of the shape ----------------------------------------------

WORDS = st.sampled_from("lamp harbour winter bread river stone window letter market bridge garden signal".split())
FIRST = st.sampled_from("Ada Émile Jane Noor Tove Sean Mary-Ann J.".split())
LAST = st.sampled_from("Lindqvist O’Hara García Doe Okafor Nakamura Smith-Jones".split())
NAME = st.builds("{} {}".format, FIRST, LAST)
CAPTION = st.lists(WORDS, min_size=2, max_size=7).map(lambda ws: " ".join(w.capitalize() for w in ws))
SENTENCE = st.lists(WORDS, min_size=6, max_size=14).map(lambda ws: " ".join(ws).capitalize() + ".")
PARAGRAPH = st.lists(SENTENCE, min_size=3, max_size=5).map(" ".join)


@dataclass(frozen=True)
class Variant:
    title_twice: bool
    furniture: bool
    author: str
    blank_lines: bool
    columns: int  # 0: not wrapped
    ends: str


VARIANT = st.builds(
    Variant, title_twice=st.booleans(), furniture=st.booleans(), author=NAME | st.just(""), blank_lines=st.booleans(),
    columns=st.sampled_from([0, 66, 72, 79]), ends=st.sampled_from(["\n", "\r\n", "\r"]),
)
SECTIONS = st.lists(st.tuples(CAPTION, st.lists(PARAGRAPH, min_size=1, max_size=2)), min_size=1, max_size=4,
                    unique_by=lambda s: s[0])


@settings(max_examples=25, deadline=None)
@given(CAPTION, PARAGRAPH, SECTIONS, VARIANT)
def test_a_document_of_that_shape_gives_its_parts_back(
    title: str, lead: str, sections: list[tuple[str, list[str]]], variant: Variant
) -> None:
    sections = [(caption, body) for caption, body in sections if caption != title]
    text = written(title, lead, sections, variant)
    found = read_plain(text)
    assert found.title == title
    assert found.author == variant.author
    assert headings(found.html) == [caption for caption, _ in sections]
    assert paragraphs(found.html) == [lead, *(p for _, body in sections for p in body)]


def written(title: str, lead: str, sections: list[tuple[str, list[str]]], variant: Variant) -> str:
    lines = [title]
    if variant.furniture:
        lines.append("Photo of author")
    if variant.author:
        lines.append(f"By {variant.author}")
    if variant.title_twice:
        lines.append(title)
    lines.append(lead)
    for caption, body in sections:
        lines += [caption, *body]
    if variant.furniture:
        lines += ["Share this:", "Leave a Comment"]
    wrapped = variant.columns > 0
    if wrapped:
        lines = [textwrap.fill(line, variant.columns, break_long_words=False) for line in lines]
    gap = 2 if variant.blank_lines or wrapped else 1  # who wraps parts paragraphs by blank lines
    return (variant.ends * gap).join(line.replace("\n", variant.ends) for line in lines) + variant.ends
