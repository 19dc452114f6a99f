from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.collect.folders.extract import Skipped, extract_document
from pipeline.collect.identify import make_draft
from pipeline.errors import ParseError
from pipeline.model.articles import Found, Show

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
EXAMPLES = Path(__file__).parents[3] / "examples" / "articles"


def read(name: str, text: str | bytes) -> Found:
    found = extract_document(name, text.encode() if isinstance(text, str) else text, now=NOW)
    assert isinstance(found, Found)
    return found


FRONT = """---
title: "Bread: a beginning"
author: [Ada Lindqvist, Jo Doe]
date: 2026-11-20T08:00:00+01:00
topics: food, city
summary: In short.
url: https://example.org/bread
lang: en
---
# Bread: a beginning

Mix *it*.
"""


def test_markdown_with_yaml() -> None:
    found = read("a/bread.md", FRONT)
    assert found.title == "Bread: a beginning"
    assert found.author == "Ada Lindqvist, Jo Doe"
    assert found.published_at == datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
    assert found.topics == ("food", "city")
    assert (found.summary, found.url, found.language) == ("In short.", "https://example.org/bread", "en")
    assert found.guid == "a/bread.md"
    assert found.html.strip() == "<p>Mix <em>it</em>.</p>"


def test_markdown_with_toml_and_windows_line_ends() -> None:
    found = read("b.md", '+++\r\ntitle = "B"\r\ntags = ["x", "y"]\r\ndate = 2026-11-20\r\n+++\r\nText\r\n')
    assert (found.title, found.topics, found.published_at) == ("B", ("x", "y"), datetime(2026, 11, 20, tzinfo=UTC))


@pytest.mark.parametrize("head", ["# The *fine* print\n", "The *fine* print\n===\n", "## The *fine* print ##\n"])
def test_without_a_title_the_first_heading_is_it(head: str) -> None:
    found = read("c.md", head + "\nText\n\n## Part\n\nMore")
    assert found.title == "The fine print"
    assert found.html.count("fine") == 0
    assert "<h2>Part</h2>" in found.html


def test_another_heading_below_a_title_stays_a_heading() -> None:
    assert "<h2>Part &lt;one&gt;</h2>" in read("c.md", "---\ntitle: T\n---\n# Part `<one>`\n\nText").html


def test_a_rule_at_the_top_is_no_front_matter() -> None:
    assert "<hr" in read("c.md", "---\n\nText and no key\n").html


@pytest.mark.parametrize("line", ["draft: true", "draft: yes", "draft: 'true'"])
def test_a_draft_stays_out(line: str) -> None:
    assert extract_document("d.md", f"---\n{line}\n---\nText".encode(), now=NOW) == Skipped(
        "is marked as a draft (draft: true)"
    )


def test_a_date_to_come_means_not_before() -> None:
    data = b"---\ndate: 2026-11-22 12:01\n---\nText"
    assert extract_document("d.md", data, now=NOW) == Skipped("not before 2026-11-22 12:01 UTC, its date")
    assert isinstance(extract_document("d.md", data, now=NOW + timedelta(minutes=1)), Found)


def test_days_ago_counts_from_now() -> None:
    assert read("d.md", "---\ndays_ago: 2\n---\nText").published_at == NOW - timedelta(days=2)
    text = read("d.txt", "---\ndays_ago: 0.5\n---\nA Title\n\nText follows here.")
    assert text.published_at == NOW - timedelta(hours=12)


@pytest.mark.parametrize(
    ("name", "data", "cause"),
    [
        ("a.pdf", b"x", "of a kind that is not read (.pdf)"),
        ("a", b"x", "no suffix"),
        ("a.md", b"", "is empty"),
        ("a.md", b" \n", "is empty"),
        ("a.md", b"a\0b", "is binary data"),
        ("a.md", "text".encode("utf-16-le"), "is binary data"),
        ("a.md", b"\xff\xfe\x00", "can't be read as utf-16 text"),
        ("a.txt", b"\x81\x8d\xff", "can't be read as cp1252 text"),
        ("a.md", b"---\ntitle: x\nText", "front matter that never ends"),
        ("a.md", b"---\ntitle: a: b\n---\nText", "front matter that can't be read"),
        ("a.md", b"+++\ntitle = \n+++\nText", "front matter that can't be read"),
        ("a.md", b"---\n- a\n---\nText", "no list of `key: value` lines"),
        ("a.md", b"---\ntitle: {a: b}\n---\nText", "a title in its front matter that is no text"),
        ("a.md", b"---\ndate: tomorrow\n---\nText", "has date: tomorrow in its front matter, which is no date"),
        ("a.md", b"---\ndays_ago: soon\n---\nText", "no number of days"),
        ("a.md", b"---\ndays_ago: -1\n---\nText", "no number of days"),
        ("a.md", b"---\ndraft: perhaps\n---\nText", "neither true nor false"),
        ("a.md", b"---\ntopics: [[a]]\n---\nText", "no list of names"),
        ("a.md", b"---\nauthor:\n---\n", "holds no text"),
        ("a.html", b"<!-- -->", "holds no text"),
        ("a.html", b"x" * 5_000_001, "larger than the 5 MB"),
    ],
)
def test_what_cannot_be_read_names_the_file_and_the_reason(name: str, data: bytes, cause: str) -> None:
    with pytest.raises(ParseError) as caught:
        extract_document(name, data, now=NOW)
    assert caught.value.subject.startswith(name)
    assert cause in caught.value.cause


def test_the_line_of_broken_front_matter_is_named() -> None:
    with pytest.raises(ParseError, match=r"a\.md, line 3"):
        read("a.md", "---\ntitle: x\nauthor: a: b\n---\n")


@pytest.mark.parametrize(
    "data",
    ["Mälaren".encode(), "Mälaren".encode("utf-8-sig"), "Mälaren".encode("utf-16"), "Mälaren".encode("cp1252")],
)
def test_encodings(data: bytes) -> None:
    assert read("a.txt", data).title == "Mälaren"


PAGE = """<!DOCTYPE html><html lang="sv"><head><meta charset="utf-8"><title>Lamps | Site</title>
<meta name="author" content="Ada Lindqvist"><meta property="article:published_time" content="2026-11-20T08:00:00Z">
<meta name="description" content="About lamps."><link rel="canonical" href="https://example.org/lamps"></head>
<body><nav>Menu</nav><article>Intro 1 &lt; 2 <h1>Lamps <em>out</em></h1><p>Text</p><script>x</script><aside>Ad</aside>
<p>More</p></article><article>x</article><footer>Foot</footer></body></html>"""


def test_a_page() -> None:
    found = read("lamps.html", PAGE)
    assert (found.title, found.author, found.language) == ("Lamps out", "Ada Lindqvist", "sv")
    assert (found.summary, found.url) == ("About lamps.", "https://example.org/lamps")
    assert found.published_at == datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
    assert found.html.replace("\n", "") == "Intro 1 &lt; 2 <p>Text</p><p>More</p>"


@pytest.mark.parametrize(
    ("page", "title", "text"),
    [
        ("<title>T</title><body><main><p>a</p></main><p>b</p>", "T", "<p>a</p>"),
        ('<meta property="og:title" content="O"><title>T</title><p>a', "O", "<p>a</p>"),
        ("<p>a<p>b", "", "<p>a</p><p>b</p>"),
        ("<article></article><p>a", "", "<p>a</p>"),
    ],
)
def test_pages_that_say_less(page: str, title: str, text: str) -> None:
    found = read("a.html", page)
    assert found.title == title
    assert text in found.html


def test_a_page_in_another_charset() -> None:
    data = '<meta charset="windows-1251"><h1>Привет</h1><p>a'.encode("windows-1251")
    assert read("a.html", data).title == "Привет"


def test_yaml_that_would_make_objects_or_grow_is_no_danger() -> None:
    with pytest.raises(ParseError, match="front matter that can't be read"):
        read("a.md", "---\nx: !!python/object/apply:os.system ['true']\n---\n")
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
    )
    with pytest.raises(ParseError, match="no list of names"):
        read("a.md", f"---\n{bomb}topics: *j\n---\nText")


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(["a.md", "a.txt", "a.html"]), st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_whatever_a_file_holds_it_is_read_or_a_parse_error(name: str, data: bytes) -> None:
    with contextlib.suppress(ParseError):
        extract_document(name, data, now=NOW)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.*")), ids=lambda p: p.name)
def test_the_shipped_examples_read_well(path: Path) -> None:
    found = read(path.name, path.read_bytes())
    draft = make_draft(found, source_url="", now=NOW, show=Show.FULL)
    assert 3 <= len(draft.title.split()) <= 12
    assert draft.author
    assert 20 <= len(draft.summary.split()) <= 120
    assert draft.html.count("<h2>") >= 2
    assert "example.org" in draft.html or "<a " not in draft.html
    assert "<img" not in draft.html
    assert "Leave a Comment" not in draft.html
    assert "Photo of author" not in draft.html
