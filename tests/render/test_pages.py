"""Page templates: escaped always, strict, shut in."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import TemplateError
from pipeline.render.pages import Pages


def pages(folder: Path, **templates: str) -> Pages:
    for name, text in templates.items():
        (folder / f"{name}.html.j2").write_text(text)
    return Pages([folder])


def test_everything_is_escaped(tmp_path: Path) -> None:
    made = pages(tmp_path, one='<p title="{{ x }}">{{ x }}</p>')
    assert made.render("one", x='"><script>') == '<p title="&#34;&gt;&lt;script&gt;">&#34;&gt;&lt;script&gt;</p>'
    assert made.names() == ["one.html.j2"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{{ nobody }}", "'nobody' is undefined"),
        ("{% if %}", "Expected an expression"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{% include '../secret.html.j2' %}", "secret"),
    ],
)
def test_what_is_wrong_names_the_file(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "secret.html.j2").write_text("SECRET")
    folder = tmp_path / "in"
    folder.mkdir()
    with pytest.raises(TemplateError, match=complaint) as caught:
        pages(folder, one=text).render("one")
    assert "one.html.j2" in str(caught.value)


def test_the_first_folder_wins(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    pages(tmp_path, one="shipped", two="shipped")
    pages(tmp_path / "own", one="own")
    both = Pages([tmp_path / "own", tmp_path])
    assert (both.render("one"), both.render("two")) == ("own", "shipped")
