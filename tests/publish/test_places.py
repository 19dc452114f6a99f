"""Where feed files go: what a folder does with many of them, which place a config names, and the packed twins."""

from __future__ import annotations

import builtins
import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import config
from pipeline.errors import BroadsheetError
from pipeline.publish.places import Place, open_place, with_twins
from pipeline.publish.write import Folder

FEED = {"all/rss.xml": b"<rss/>", "all/atom.xml": b"<feed/>", "all/archive/1/rss.xml": b"old", "index.html": b"page"}


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def place(quick_folder: Path) -> Place:
    return Folder(quick_folder / "feeds")


def test_only_what_is_other_is_written_and_in_the_order_given(place: Place) -> None:
    assert place.put(FEED) == list(FEED)
    assert place.put(FEED) == []
    back = dict(reversed(FEED.items()))
    assert place.put(back | {"all/atom.xml": b"<FEED/>", "all/rss.xml": b"<rss />"}) == ["all/atom.xml", "all/rss.xml"]
    assert place.read("all/atom.xml") == b"<FEED/>"
    assert place.put({}) == []


def test_nothing_is_made_by_looking(place: Place) -> None:
    assert place.read("all/rss.xml") is None
    assert place.names("") == place.names("all") == place.remove(["all/rss.xml"]) == []
    assert place.differing({"all/rss.xml": 1}) == ["all/rss.xml"]
    assert not Path(place.where).exists()


def test_what_is_no_file_is_not_read(place: Place) -> None:
    place.put(FEED)
    before = len(listed(Path("/dev/fd")))
    assert place.read("all") is None
    assert len(listed(Path("/dev/fd"))) == before
    assert place.read("all/rss.xml/deeper.xml") is None
    os.mkfifo(Path(place.where) / "all" / "pipe.xml")
    assert place.read("all/pipe.xml") is None
    with pytest.raises(BroadsheetError, match="all: can't be removed"):
        place.remove(["all"])


def test_names_at_and_below_a_folder(place: Place) -> None:
    place.put(FEED | {"all/archive/1-17/rss.xml": b"open", "all-else/rss.xml": b""})
    (Path(place.where) / "all" / ".rss.xml.0123456789ab.tmp").write_bytes(b"half")
    assert place.names("all/archive/1") == place.names("all/archive/1/") == ["all/archive/1/rss.xml"]
    assert place.names("all") == ["all/archive/1-17/rss.xml", "all/archive/1/rss.xml", "all/atom.xml", "all/rss.xml"]
    assert place.names("") == sorted([*FEED, "all/archive/1-17/rss.xml", "all-else/rss.xml"])
    assert place.names("al") == place.names("all/rss.xml") == []


def test_folders_that_become_empty_go_too(place: Place) -> None:
    root = Path(place.where)
    place.put(FEED | {"all/archive/2/rss.xml": b"2", "one/topic/a/rss.xml": b"a", "one/topic/b/rss.xml": b"b"})
    assert place.remove(["all/archive/2/rss.xml", "all/archive/9/rss.xml"]) == ["all/archive/2/rss.xml"]
    assert listed(root / "all" / "archive") == ["1"]
    gone = ["one/topic/a/rss.xml", "one/topic/b/rss.xml", "all/archive/1/rss.xml", "all/archive/1/rss.xml"]
    assert place.remove(gone) == gone[:3]
    assert listed(root) == ["all", "index.html"]
    assert listed(root / "all") == ["atom.xml", "rss.xml"]
    assert place.remove([*FEED]) == ["all/rss.xml", "all/atom.xml", "index.html"]
    assert listed(root) == [], "the root stays"


def test_a_folder_goes_with_what_a_killed_process_left_in_it(place: Place) -> None:
    place.put({"all/rss.xml": b"", "new/rss.xml": b""})
    for folder, age in (("all", 1), ("new", None)):
        left = Path(place.where) / folder / ".rss.xml.0123456789ab.tmp"
        left.write_bytes(b"half")
        if age:
            os.utime(left, (age, age))
    place.remove(["all/rss.xml", "new/rss.xml"])
    assert listed(Path(place.where)) == ["new"], "the other may be of a process that lives"


def test_differing_is_missing_or_of_another_size(place: Place) -> None:
    place.put(FEED)
    sizes = {name: len(data) for name, data in FEED.items()}
    assert place.differing(sizes) == []
    (Path(place.where) / "all" / "atom.xml").unlink()
    (Path(place.where) / "index.html").unlink()
    (Path(place.where) / "index.html").mkdir()
    assert place.differing(sizes | {"all/rss.xml": 7, "none/rss.xml": 0}) == [
        "all/rss.xml", "all/atom.xml", "index.html", "none/rss.xml"]


def test_looking_at_many_files_takes_few_calls_each(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of a clock: each folder is opened once, each file asked once, none opened."""
    files = {f"feed{n}/{name}": b"x" for n in range(100) for name in ("rss.xml", "atom.xml", "feed.json", "index.html")}
    place.put(files)
    calls: list[Any] = []
    for name in ("open", "stat"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, _real=real, _name=name, **k: (calls.append(_name), _real(*a, **k))[1])
    assert place.differing(dict.fromkeys(files, 1)) == []
    assert (calls.count("open"), calls.count("stat")) == (101, 400)


# --- the choice ---

SITE = 'config_version = 1\n[site]\ntitle = "T"\npublic_url = "https://t.example"\n[paths]\nfeeds = "{feeds}"\n'


@pytest.fixture
def named(tmp_path: Path) -> Callable[[str], config.Config]:
    return lambda feeds: config.load_text(SITE.format(feeds=feeds), tmp_path / "config.toml", env={})


def test_a_path_is_a_folder(named: Callable[[str], config.Config], tmp_path: Path) -> None:
    assert open_place(named("out/feeds")).where == str(tmp_path / "out" / "feeds")
    assert not (tmp_path / "out").exists()


def test_a_bucket_without_boto3_says_what_to_install(
    named: Callable[[str], config.Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] in ("boto3", "botocore"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "pipeline.publish.objects", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(BroadsheetError) as caught:
        open_place(named("s3://news/feeds"))
    assert caught.value.subject == "s3://news/feeds"
    assert caught.value.hint == f"install it beside Broadsheet: {sys.executable} -m pip install boto3"
    assert caught.value.permanent


def test_boto3_is_not_loaded_for_a_folder(root: Path, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(SITE.format(feeds="feeds"))
    program = ("import sys; from pathlib import Path; from pipeline import config; "
               "from pipeline.publish import places; "
               "places.open_place(config.load(Path(sys.argv[1]), env={})).put({'a': b''}); "
               "print(sorted({'boto3', 'botocore'} & {name.partition('.')[0] for name in sys.modules}))")
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "config.toml")], cwd=root, check=True,
                          capture_output=True, text=True)
    assert done.stdout == "[]\n"


# --- twins ---


def test_twins_follow_their_files() -> None:
    text = b"<rss>" + b"words and words " * 40
    files = {"all/rss.xml": text, "all/small.xml": text[:200], "logo.png": text, "feeds.opml": text[:201]}
    found = with_twins(files, ("gzip", "br"))
    assert list(found) == ["all/rss.xml", "all/rss.xml.gz", "all/rss.xml.br", "all/small.xml", "logo.png", "feeds.opml",
                           "feeds.opml.gz", "feeds.opml.br"]
    assert {name: found[name] for name in files} == files
    assert gzip.decompress(found["all/rss.xml.gz"]) == brotli.decompress(found["all/rss.xml.br"]) == text
    assert list(with_twins(files, ("br",)))[:2] == ["all/rss.xml", "all/rss.xml.br"]
    assert with_twins(files, ()) == files


def test_a_gzip_twin_names_no_time_no_file_and_no_machine() -> None:
    twin = with_twins({"a.json": b"x" * 300}, ["gzip"])["a.json.gz"]
    assert twin[:10] == b"\x1f\x8b\x08\x00" + bytes(4) + b"\x02\xff"


@given(st.binary(min_size=201, max_size=3000))
def test_a_twin_unpacks_to_its_file(data: bytes) -> None:
    found = with_twins({"a.txt": data}, ["gzip", "br"])
    assert gzip.decompress(found["a.txt.gz"]) == brotli.decompress(found["a.txt.br"]) == data
    assert found == with_twins({"a.txt": data}, ["gzip", "br"])


def test_a_twin_is_checked_also_where_its_file_is_unchanged(place: Place) -> None:
    files = with_twins({"all/rss.xml": b"<rss>" * 100}, ["gzip", "br"])
    place.put(files)
    (Path(place.where) / "all" / "rss.xml.gz").unlink()
    (Path(place.where) / "all" / "rss.xml.br").write_bytes(b"other")
    assert place.put(files) == ["all/rss.xml.gz", "all/rss.xml.br"]
