"""The words of templates' own: files by language, the operator's first, each line held against English."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from pipeline.errors import TemplateError
from pipeline.model.withdrawn import BESIDE
from pipeline.render.wording import Wording, filled, filled_html, places

SHIPPED = Path(__file__).resolve().parents[2] / "templates"
ENGLISH = tomllib.loads((SHIPPED / "words" / "en.toml").read_text())
PARTIAL = {"pt-BR"}
FILES = sorted(path.stem for path in (SHIPPED / "words").glob("*.toml"))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def write(name: str, text: str) -> Path:
        path = tmp_path / "own" / "words" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.fixture
def wording(tmp_path: Path) -> Wording:
    return Wording([tmp_path / "own", SHIPPED])


def test_the_shipped_words_are_in_order(wording: Wording) -> None:
    assert wording.problems() == []
    assert set(wording.languages()) >= {"en", "de", "fr", "es", "sv", "nl", "it", "pt", "pl", "ar", "he"}


def test_what_is_remembered_is_forgotten_when_a_file_changes_comes_or_goes(
    wording: Wording, write: Callable[[str, str], Path]
) -> None:
    def long_ago(path: Path, seconds: int) -> None:
        for one in (path, path.parent):
            os.utime(one, (seconds, seconds))

    path = write("sv.toml", 'read_on = "A"')
    long_ago(path, 1_000)
    assert wording.words("sv") is wording.words("sv"), "remembered"
    assert wording.words("sv").read_on == "A"
    write("sv.toml", 'read_on = "B"')
    assert wording.words("sv").read_on == "B"
    long_ago(path, 2_000)
    assert wording.words("sv").read_on == "B"
    path.unlink()
    assert wording.words("sv").read_on not in ("A", "B")
    long_ago(write("xx.toml", ""), 3_000)
    assert wording.words("sv").read_on not in ("A", "B")
    long_ago(write("sv.toml", 'read_on = "C"'), 4_000)
    assert wording.words("sv").read_on == "C"


@pytest.mark.parametrize("language", FILES)
def test_a_shipped_language_is_whole_and_its_own(language: str) -> None:
    said = tomllib.loads((SHIPPED / "words" / f"{language}.toml").read_text())
    assert list(said) == [key for key in ENGLISH if key in said], "in the order of English"
    if language not in PARTIAL:
        assert said.keys() == ENGLISH.keys()
    if language != "en":
        same = {key for key in said if said[key] == ENGLISH[key]}
        assert same <= {"pair"}, "nothing was left in English"


@pytest.mark.parametrize("language", FILES)
def test_other_sources_are_named_where_a_takedown_finds_them(language: str, wording: Wording) -> None:
    """pipeline/model/withdrawn.py takes a source's name out where it stands at the end, after a few characters."""
    before, name, after = wording.words(language).also_in.partition("{sources}")
    assert (name, after) == ("{sources}", "")
    assert len(before) + 2 <= BESIDE, "indented by two, in some designs"


@pytest.mark.parametrize(
    ("language", "read_on", "unsubscribe"),
    [
        ("en", "Read on", "Unsubscribe"), ("en-GB", "Read on", "Unsubscribe"), ("zz", "Read on", "Unsubscribe"),
        ("", "Read on", "Unsubscribe"), ("de-AT", "Weiterlesen", "Abbestellen"), ("DE", "Weiterlesen", "Abbestellen"),
        ("pt-PT", "Continuar a ler", "Cancelar a subscrição"), ("pt-br", "Continuar lendo", "Cancelar a inscrição"),
        ("no", "Les videre", "Meld deg av"), ("../en", "Read on", "Unsubscribe"),
    ],
)
def test_the_longest_tag_that_there_are_words_of(
    wording: Wording, language: str, read_on: str, unsubscribe: str
) -> None:
    words = wording.words(language)
    assert (words.read_on, words.unsubscribe) == (read_on, unsubscribe)


def test_what_a_longer_tag_lacks_comes_from_the_shorter(wording: Wording) -> None:
    assert wording.words("pt-BR").corrections == "Correções"


def test_the_operator_s_words_come_first_key_by_key(
    wording: Wording, write: Callable[[str, str], Path]
) -> None:
    path = write("de.toml", 'read_on = "Mehr"\n')
    assert (wording.words("de").read_on, wording.words("de").unsubscribe) == ("Mehr", "Abbestellen")
    path.write_text('read_on = "Noch mehr"\n')
    os.utime(path, (1, 1))
    assert wording.words("de").read_on == "Noch mehr", "a changed file is seen"
    write("eo.toml", 'read_on = "Legu plu"\n')
    assert (wording.words("eo").read_on, wording.words("eo").unsubscribe) == ("Legu plu", "Unsubscribe")
    assert "eo" in wording.languages()
    assert wording.problems() == []


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("de.toml", '\nred_on = "Mehr"', "de.toml:2: 'red_on' is not one of the words; did you mean 'read_on'?"),
        ("de.toml", 'more = "noch mehr"', "de.toml:1: more has to hold {count}"),
        ("de.toml", 'more = "{count} und {count}"', "each once"),
        ("de.toml", 'note = "{name}"', "note has to hold nothing to be filled in"),
        ("de.toml", 'more = "{count} {zahl}"', "more has to hold {count}"),
        ("de.toml", 'more = "{count} {Zahl}"', "a brace that begins or ends nothing"),
        ("de.toml", "# x\n\nmore = 4", "de.toml:3: more is not a text in quotes"),
        ("de.toml", 'note = "Gut"\n[more]\none = "x"', "de.toml:2: more is not a text"),
        ("de.toml", 'note = "  "', "note is not one line of 1 to 200"),
        ("de.toml", 'note = "a\\nb"', "note is not one line"),
        ("de.toml", f'note = "{"x" * 201}"', "note is not one line"),
        ("de.toml", '\n\nnote = "Gut', "de.toml:3: "),
        ("deutsch.toml", 'note = "Gut"', "is not named by a language"),
        ("de.toml", "#" * 100_001, "larger than 100,000 bytes"),
        ("en.toml", 'read_on = "On"\nwrong = "x"', "en.toml:2: 'wrong' is not one of the words"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_line(
    wording: Wording, write: Callable[[str, str], Path], name: str, text: str, says: str
) -> None:
    write(name, text)
    (problem,) = wording.problems()
    assert says in str(problem)
    if name != "deutsch.toml":  # which nobody would ask for
        with pytest.raises(TemplateError):
            wording.words(name.removesuffix(".toml"))
    if name != "en.toml":  # which all others fall back to
        assert wording.words("fr").read_on == "Lire la suite"


def test_a_file_that_is_no_text_or_lies_elsewhere(
    wording: Wording, write: Callable[[str, str], Path], tmp_path: Path
) -> None:
    write("de.toml", "").write_bytes(b"# ok\nnote = '\xff'")
    (tmp_path / "outside.toml").write_text('note = "x"')
    (tmp_path / "own" / "words" / "fr.toml").symlink_to(tmp_path / "outside.toml")
    assert [str(problem).partition("words/")[2] for problem in wording.problems()] == ["de.toml:2: is not UTF-8"]
    assert wording.words("fr").note == "Notre note"


def test_every_line_that_is_wrong_is_told(wording: Wording, write: Callable[[str, str], Path]) -> None:
    write("de.toml", 'note = 1\nread_on = "gut"\nmore = "x"\n')
    write("fr.toml", 'mor = "{count}"\n')
    assert [str(p).partition("words/")[2].split(" ")[0] for p in wording.problems()] == [
        "de.toml:1:", "de.toml:3:", "fr.toml:1:"]


def test_a_key_that_is_not_there_is_an_error(wording: Wording) -> None:
    with pytest.raises(UndefinedError, match=r"no `words.read_onn`; did you mean 'read_on'"):
        wording.words("de").read_onn  # noqa: B018 - that it raises is the point


def test_places_are_filled_and_escaped_for_where_they_stand() -> None:
    values = {"name": "R&D <x>", "value": Markup("<b>&amp;</b>")}
    assert filled("{name} & {value}", values) == "R&D <x> & <b>&amp;</b>"
    assert filled_html("{name} & {value}", values) == "R&amp;D &lt;x&gt; &amp; <b>&amp;</b>"
    assert isinstance(filled_html("x", {}), Markup)
    assert filled("{name}", {"name": "{value}"}) == "{value}", "what is filled in is not filled again"
    assert places("{b} {a}") == ["a", "b"]
    for wrong in ({}, {"nam": 1}, {"name": 1, "more": 2}):
        with pytest.raises(ValueError, match="filled with: name"):
            filled("{name}", wrong)
