from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.clean import clean_html
from pipeline.text.words import LONGEST_WORD, lead_text, read_words, summarise, text_with_links, visible_text

ARTICLE = clean_html(
    '<h2>Bread</h2><p>Mix <a href="https://example.org/flour">the flour</a>,<br>then <q>wait</q>.</p>'
    '<ul><li>salt</li><li>water<ol start="2"><li>warm</li></ol></li></ul><blockquote><p>Slow.</p><p>Slower.</p>'
    "</blockquote><pre><code>for x in y:\n    knead(x)\n</code></pre>"
    "<table><thead><tr><th>g</th><th>what</th></tr></thead><tbody><tr><td>500</td><td>flour</td></tr></tbody></table>"
    '<p><img src="https://example.org/a.png" alt="A loaf"> <a href="https://example.org/flour">again</a> '
    '<a href="https://example.org/salt">salt</a></p><hr>'
)


def test_text_with_links() -> None:
    text, urls = text_with_links(ARTICLE)
    assert text.split("\n") == [
        "Bread", "", "Mix the flour [1],", "then “wait”.", "", "- salt", "- water", "  2. warm", "", "> Slow.", ">",
        "> Slower.", "", "    for x in y:", "        knead(x)", "", "g | what", "500 | flour", "",
        "[A loaf] again [1] salt [2]", "", "* * *",
    ]
    assert urls == ["https://example.org/flour", "https://example.org/salt"]


def test_visible_text_parts_blocks_and_keeps_the_lines_of_code() -> None:
    text = visible_text(ARTICLE)
    assert text.startswith("Bread\n\nMix the flour, then wait.\n\nsalt\n\nwater")
    assert "for x in y:\n    knead(x)" in text
    assert "500 flour" in text


@pytest.mark.parametrize("blank", ["&nbsp;", "&nbsp;&nbsp;", "\u00a0", "\u2003", " \t", "\n", "<br>", " <b> </b>"])
def test_blanks_of_every_kind_are_one(blank: str) -> None:
    html = clean_html(f"<p>{blank}a{blank}é{blank}</p><pre>b{blank}b</pre>")
    assert read_words(html).line == "a é b b"
    assert visible_text(html).startswith("a é\n\nb")


def test_the_lead_is_running_text() -> None:
    assert lead_text(clean_html("<h2>No</h2><p>Yes.</p><pre>no</pre><figure>no</figure><p>And.</p>")) == "Yes.\n\nAnd."


@pytest.mark.parametrize("nothing", ["", "   ", "<p></p>", "<img>"])
def test_nothing_is_nothing(nothing: str) -> None:
    assert visible_text(clean_html(nothing)) == ""
    assert text_with_links(clean_html(nothing)) == ("", [])


def test_a_summary_is_the_first_paragraph() -> None:
    first = "One two three four five. " * 6
    assert summarise(f"{first}\n\nAnother paragraph.") == first.strip()


def test_a_short_first_paragraph_takes_the_next_along() -> None:
    assert summarise("Hello.\n\nThis is what it is about.") == "Hello. This is what it is about."


def test_a_summary_is_cut_after_a_sentence_or_else_a_word() -> None:
    assert summarise("One two three. Four five six seven eight.", words=5) == "One two three."
    assert summarise("Yes. Two, three four, five six", words=4) == "Yes. Two, three four…"
    assert summarise("a " * 30 + "Dr. Who and more and more", words=31) == "a " * 30 + "Dr.…"


def test_a_summary_is_short_also_where_words_are_not_parted() -> None:
    assert len(summarise("x" * 1_000_000)) == 60 * LONGEST_WORD
    assert summarise("町の灯りが戻った。" * 200) == "町の灯りが戻った。" * 80
    assert summarise("x" * 500 + ". " + "y" * 500) == "x" * 500 + "."


@given(st.text(alphabet="ab .!\n", max_size=400), st.integers(1, 40))
def test_a_summary_never_has_more_words(text: str, words: int) -> None:
    out = summarise(text, words)
    assert len(out.split()) <= words
    assert "\n" not in out


PIECES = ["<ul>", "<li>", "</ul>", "x", "<p>", "<blockquote>", "</blockquote>", "<pre>", "</pre>", "<table><tr><td>",
          "</table>", "<ol>", "</ol>", "<br>", '<a href="https://e.org">']


@given(st.lists(st.sampled_from(PIECES), max_size=20))
def test_every_word_is_in_the_text_whatever_the_markup(pieces: list[str]) -> None:
    html = clean_html("".join(pieces))
    text, urls = text_with_links(html)
    assert text.count("x") == html.count("x")
    assert visible_text(html).count("x") == html.count("x")
    assert urls in ([], ["https://e.org/"])
