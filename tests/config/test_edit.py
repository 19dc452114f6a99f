"""Changing config.toml: the old document with one change in it, and every comment where it was."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import config
from pipeline.config.edit import (
    Written,
    read_written,
    replace_config,
    with_key,
    with_sources,
    without_source,
)
from pipeline.errors import ConfigError, UsageError

NEW = {"slug": "new", "url": "https://new.example/feed.xml", "topics": ["å", 'a "quoted" one'], "full_text": True}
AS_READ = {**NEW, "topics": ["å", 'a "quoted" one']}

STARTING = config.STARTER.read_text()

SITE = ['[site]  # of ours', 'title = "Ö"', 'public_url = "https://x.example"']
FEED = ['[[feeds]]', 'slug = "all"', 'title = """All\nof it"""', '# not yet: per_source', 'select.limit = 5']
ARRAY = ['sources = [  # all of them', '  { slug = "one", folder = "a" }, # first', '  # between',
         '  { slug = "two", folder = "b" }{comma}  # second', '  # last', ']']
ONE_LINE = ['sources = [{ slug = "one", folder = "a" }, { slug = "two", folder = "b" }{comma} ]']


def source(slug: str, indent: str = "") -> list[str]:
    return [f"{indent}[[sources]]  # {slug}", f'{indent}slug = "{slug}"', f"{indent}# within {slug}",
            f'{indent}topics = [  # many', f'{indent}  "a",  # one', f"{indent}]  # of {slug}"]


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A config with sources "one" and "two", or none, among other tables, however it may be written."""
    kind = draw(st.sampled_from(["tables", "array", "one line", "none", "empty"]))
    head: list[str] = ["# the top"] if draw(st.booleans()) else []
    blocks = [SITE, FEED]
    if kind == "tables":
        blocks += [source("one"), source("two", draw(st.sampled_from(["", "  "])))]
    elif kind != "none":
        lines = ["sources = []"] if kind == "empty" else ARRAY if kind == "array" else ONE_LINE
        comma = draw(st.sampled_from(["", ","]))
        head += ["config_version = 1", *(line.replace("{comma}", comma) for line in lines)]
    lines = head
    for block in draw(st.permutations(blocks)):
        lines = [*lines, *draw(st.lists(st.sampled_from(["", "  ", "# a comment", "# [[sources]]", "#"]), max_size=4)),
                 *block]
    lines += draw(st.sampled_from([[], ["# the end"], ["", "# the end", ""]]))
    text = "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n"]))
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


def comments(text: str) -> list[str]:
    return [line[line.index("#") :].rstrip() for line in text.splitlines() if "#" in line]


def same_ends(text: str, before: str) -> bool:
    return ("\r\n" in before) == ("\r\n" in text) and text.count("\n") in (text.count("\r\n"), text.count("\n") * (
        "\r\n" not in before))


@given(documents())
def test_a_source_is_added_and_nothing_else_changes(text: str) -> None:
    changed = with_sources(text, [NEW, {**NEW, "slug": "newer"}])
    wanted = tomllib.loads(text)
    wanted["sources"] = [*wanted.get("sources", []), AS_READ, {**AS_READ, "slug": "newer"}]
    assert tomllib.loads(changed) == wanted
    assert comments(changed) == comments(text)
    assert without_new(changed) == without_new(text)
    if text.count("\n"):
        assert same_ends(changed, text)


def without_new(text: str) -> list[str]:
    """The lines that are nobody's but the operator's."""
    mine = ("slug = \"new", "url = \"https://new", "topics = [\"å", "full_text", "{ slug = \"new")
    lines = [line.strip() for line in text.splitlines()]
    kept = [line for line in lines if line and line != "[[sources]]" and not line.startswith(mine)]
    return [line[:11] if line.startswith(("sources = [", "{")) else line for line in kept]


@given(documents(), st.sampled_from(["one", "two"]))
def test_a_key_is_set_and_nothing_else_changes(text: str, slug: str) -> None:
    wanted = tomllib.loads(text)
    if not wanted.get("sources"):
        with pytest.raises(UsageError, match="no source in"):
            with_key(text, slug, "blocked", True)
        return
    next(s for s in wanted["sources"] if s["slug"] == slug)["blocked"] = True
    changed = with_key(text, slug, "blocked", True)
    assert tomllib.loads(changed) == wanted
    assert comments(changed) == comments(text)
    assert len(changed.splitlines()) - len(text.splitlines()) == ("sources = [" not in text)
    again = with_key(changed, slug, "blocked", False)
    assert again == changed.replace("blocked = true", "blocked = false")


@given(documents(), st.sampled_from(["one", "two"]))
def test_a_source_is_taken_out_and_nothing_else_changes(text: str, slug: str) -> None:
    wanted = tomllib.loads(text)
    if not wanted.get("sources"):
        return
    wanted["sources"] = [s for s in wanted["sources"] if s["slug"] != slug]
    changed, gone = without_source(text, slug)
    assert tomllib.loads(changed) == wanted
    assert f'slug = "{slug}"' in gone
    left = [c for c in comments(text) if (slug not in c and c not in ("# many", "# one")) or "all of them" in c]
    kept = [c for c in comments(changed) if (slug not in c and c not in ("# many", "# one")) or "all of them" in c]
    assert kept == left
    other = "two" if slug == "one" else "one"
    last, _ = without_source(changed, other)
    wanted["sources"].clear()
    if "sources = [" not in text:
        del wanted["sources"]
    assert tomllib.loads(last) == wanted


def test_into_the_config_that_init_writes() -> None:
    """Behind the source that is there and its commented-out keys, an empty line before and after."""
    changed = with_sources(STARTING, [NEW]).splitlines()
    at = changed.index('slug = "new"')
    assert changed[at - 3].startswith("# former")
    assert changed[at - 2 : at] == ["", "[[sources]]"]
    assert changed[at + 3 : at + 5] == ["full_text = true", ""]
    assert changed[at + 5] == "# [[sources]]"
    assert [line for line in changed if line not in STARTING.splitlines()] == changed[at : at + 4]


def test_where_no_source_is_it_takes_the_place_of_the_commented_one() -> None:
    empty, gone = without_source(STARTING, "articles")
    assert gone.startswith("[[sources]]\nslug")
    assert '# topics = ["news"]' in empty
    changed = with_sources(empty, [NEW]).splitlines()
    at = changed.index('slug = "new"')
    assert changed[at - 3].startswith("# images")
    assert changed[at + 5].startswith("# --- what feed readers get")


def test_what_others_wrote_asks_for_no_secret() -> None:
    """Else the address of a list from somewhere would send our environment to its owner."""
    changed = with_sources("", [{"slug": "x", "url": "https://x.example/${HOME}/$${A}", "topics": ["${HOME}"]}])
    path = Path("/nowhere/config.toml")
    loaded = config.load_text(changed + '[site]\ntitle = "X"\npublic_url = "https://y.example"\n', path, {"HOME": "hm"})
    assert loaded.sources[0].url == "https://x.example/${HOME}/$${A}"
    assert loaded.sources[0].topics == ("${HOME}",)


def test_what_a_program_can_t_change_is_left_to_people() -> None:
    with pytest.raises(UsageError, match=r"(?s)can't be changed.*yourself: \[\[sources\]\]\nslug"):
        with_sources("sources.x = 1\n", [NEW])


# --- the file -------------------------------------------------------------------------------------------------


@pytest.fixture
def written(write: Callable[[str], Path]) -> Written:
    return read_written(write(STARTING))


def changed(written: Written) -> str:
    return with_sources(written.text, [NEW])


def test_the_file_is_replaced_whole(written: Written) -> None:
    written.path.chmod(0o640)
    loaded = replace_config(written, changed(written))
    assert written.path.read_text() == changed(written)
    assert loaded.source("new").full_text
    assert stat.S_IMODE(written.path.stat().st_mode) == 0o640
    assert [p.name for p in written.path.parent.iterdir()] == ["config.toml"]


def test_a_link_stays_one(written: Written, tmp_path: Path) -> None:
    elsewhere = tmp_path / "etc"
    elsewhere.mkdir()
    written.path.rename(elsewhere / "real.toml")
    written.path.symlink_to(elsewhere / "real.toml")
    replace_config(read_written(written.path), changed(written))
    assert written.path.is_symlink()
    assert (elsewhere / "real.toml").read_text() == changed(written)


def test_a_byte_order_mark_stays(written: Written) -> None:
    written.path.write_bytes(b"\xef\xbb\xbf" + written.data.replace(b"\n", b"\r\n"))
    mine = read_written(written.path)
    replace_config(mine, changed(mine))
    data = written.path.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf#")
    assert data.count(b"\r\n") == data.count(b"\n")


def test_what_would_not_load_is_not_written(written: Written) -> None:
    text = with_sources(written.text, [{**NEW, "slug": "articles"}])
    with pytest.raises(ConfigError) as raised:
        replace_config(written, text)
    assert "with this change" in raised.value.subject
    assert "is already sources[0].slug" in raised.value.problems[0]
    assert written.path.read_bytes() == written.data


def test_what_somebody_else_wrote_meanwhile_is_not_lost(written: Written) -> None:
    written.path.write_text(STARTING + "# theirs\n")
    with pytest.raises(UsageError, match="changed by somebody else meanwhile"):
        replace_config(written, changed(written))
    assert written.path.read_text().endswith("# theirs\n")
    assert [p.name for p in written.path.parent.iterdir()] == ["config.toml"]


def test_a_folder_that_can_t_be_written_is_said(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="can't be written: no space left"):
        replace_config(written, changed(written))
    assert written.path.read_bytes() == written.data
    assert [p.name for p in written.path.parent.iterdir()] == ["config.toml"]


def test_a_file_that_went_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        read_written(tmp_path / "config.toml")
