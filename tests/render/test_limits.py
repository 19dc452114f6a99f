"""What a template may not do for ever: its slip is said with file and line, and the others are sent."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pipeline.errors import TemplateError
from pipeline.render.contract import SAMPLE_PAGE, sample_article
from pipeline.render.limits import MOST_STEPS, Counted, TooMuch, joined, limited
from pipeline.render.templates import MAX_CSS, Templates

ROOT = Path(__file__).resolve().parents[2]
SLIPS = {
    "a loop in a loop": "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    "a wide number": '{{ "%2000000000d" % 1 }}',
    "a width from outside": '{{ "%*d" % (2000000000, 1) }}',
    "a long line": '{{ "-" * 2000000000 }}',
    "letters times letters": '{% for a in "x" * 99999 %}{% for b in "x" * 99999 %}{% endfor %}{% endfor %}',
    "a macro that calls itself twice": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}"
                                       "{{ f(60) }}",
    "a wide format": "{{ '{:>2000000000}'.format('x') }}",
    "a wide middle": "{{ 'x'.center(2000000000) }}",
    "a tower": "{{ 9 ** 999999999 }}",
}


def own(tmp_path: Path, words: str) -> Templates:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "body.html.j2").write_text(
        '{% extends "digest/body.html.j2" %}\n{% block masthead %}\n' + words + "\n{% endblock %}\n")
    return Templates([tmp_path, ROOT / "templates"])


@pytest.mark.parametrize("slip", SLIPS)
def test_it_ends_and_says_where(tmp_path: Path, slip: str) -> None:
    began = time.monotonic()
    with pytest.raises(TemplateError) as caught:
        own(tmp_path, SLIPS[slip]).digest("mine")
    assert "mine/body.html.j2:3" in str(caught.value)
    assert time.monotonic() - began < 30


def test_what_a_template_needs_is_allowed(tmp_path: Path) -> None:
    ordinary = ("{% for a in range(60) %}{{ a }}{% if loop.last %}{{ loop.length }}{% endif %}{% endfor %}"
                '{{ "-" * 72 }}{{ 2 ** 8 }}{{ "%05d" % 7 }}{{ 7 % 3 }}{{ range(3)[1] }}{{ 2 in range(3) }}')
    shell = own(tmp_path, ordinary).digest("mine").blocks("html", SAMPLE_PAGE)
    assert "article" in shell
    shell.render("article", article=sample_article(1))


def test_each_rendering_has_its_own_steps() -> None:
    for _ in range(3):
        with limited():
            assert sum(1 for _ in Counted(MOST_STEPS)) == MOST_STEPS
    with limited(), pytest.raises(TooMuch, match="loops more than"):
        list(Counted(MOST_STEPS + 1))


def test_output_without_end_is_cut_off() -> None:
    with pytest.raises(TooMuch, match="gives more than"):
        joined("x" * 1_000_000 for _ in range(1_000_000))


def test_a_style_sheet_that_would_take_minutes_is_refused(tmp_path: Path) -> None:
    templates = own(tmp_path, "")
    (tmp_path / "mine" / "digest.css").write_text(".a { color: red }\n" * (MAX_CSS // 15))
    with pytest.raises(TemplateError, match=r"digest\.css.* is longer than"):
        templates.digest("mine")


def test_a_subject_s_error_names_its_file_and_line(tmp_path: Path) -> None:
    templates = own(tmp_path, "")
    (tmp_path / "mine" / "subject.txt.j2").write_text("{% if true %}\n{{ articles[7].title }}\n{% endif %}")
    template = templates.digest("mine")
    with pytest.raises(TemplateError, match=r"mine/subject\.txt\.j2:2"):
        templates.subject(template.subject_source, page=SAMPLE_PAGE, articles=[sample_article(1)])
    with pytest.raises(TemplateError, match=r"subject '\{\{ nope \}\}'"):
        templates.subject("{{ nope }}", page=SAMPLE_PAGE, articles=[sample_article(1)])


def test_no_name_of_the_program_s_inside_is_told(tmp_path: Path) -> None:
    with pytest.raises(TemplateError) as caught:
        own(tmp_path, "{{ page.nope }}").digest("mine")
    assert "page has no 'nope'" in str(caught.value)
    assert "pipeline." not in str(caught.value)


def test_words_nested_without_end_are_a_problem_of_their_file(tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.mkdir()
    (words / "de.toml").write_text("a = " + "[" * 5000 + "]" * 5000)
    assert any("de.toml" in problem for problem in Templates([tmp_path, ROOT / "templates"]).check_words())
