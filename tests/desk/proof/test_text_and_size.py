"""A letter that mail programs cut, or that has no or another text, is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.desk.proof import size, text
from pipeline.desk.proof.finding import Letter, Severity
from pipeline.desk.proof.opened import Opened

Open = Callable[..., Opened]
Make = Callable[..., Letter]
ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


@pytest.mark.parametrize(("size_of_html", "severities"), [
    (100_000, [NOTE]), (100_001, [WARNING, NOTE]), (102_399, [WARNING, NOTE]), (102_400, [ERROR, NOTE]),
])
def test_the_size_is_that_of_the_decoded_html_in_bytes(letter: Make, size_of_html: int, severities: list[str]) -> None:
    for filler, width in (("x", 1), ("å", 2)):
        html = "y" * (size_of_html % width) + filler * (size_of_html // width)
        found = list(size.check(letter(html=html)))
        assert [one.severity for one in found] == severities
        assert f"{size_of_html:,}" in found[-1].text


def test_a_letter_without_text_is_an_error(opened: Open) -> None:
    for nothing in ("", " \n\n"):
        (one,) = text.check(opened(text=nothing))
        assert (one.severity, one.check) == (ERROR, "text")
    assert list(text.check(opened())) == []


def test_an_article_that_the_text_does_not_link_to_is_told(opened: Open) -> None:
    body = ('<h1><a href="https://lantern.example/n/x">The Lantern</a></h1>'
            '<h2><a href="https://lantern.example/a/1">First</a></h2>'
            '<h2><a href="https://lantern.example/a/12">Second</a></h2>'
            '<a href="https://other.example/"><h3>Third</h3></a><p><a href="https://x.example/">more</a></p>')
    told = "First: https://lantern.example/a/1\nSecond (https://lantern.example/a/12).\n"
    assert list(text.check(opened(body, text=told))) == []
    (one,) = text.check(opened(body, text=told.replace("/a/1\n", "/a/12\n")))
    assert (one.severity, one.place) == (WARNING, "https://lantern.example/a/1")
    assert '"First"' in one.text
    many = "".join(f'<h2><a href="https://lantern.example/b/{n}">x</a></h2>' for n in range(13))
    assert len(list(text.check(opened(many)))) == 11


def test_two_parts_that_say_different_things_are_told(opened: Open) -> None:
    words = " ".join(f"word{n}" for n in range(40))
    assert list(text.check(opened(f"<p>{words}</p>", text=words))) == []
    assert list(text.check(opened(f"<p>{words.upper()}</p>", text=words))) == []
    (one,) = text.check(opened(f"<p>{words}</p>", text="Something else"))
    assert one.severity is WARNING
    assert "are not in the text part" in one.text
    assert list(text.check(opened(f'<p style="display:none">{words}</p>', text="Something else"))) == []
    assert list(text.check(opened("<p>Few words</p>", text="Something else"))) == []
