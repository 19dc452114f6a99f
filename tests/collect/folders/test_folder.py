"""A folder's documents: regular files inside it, and a word about everything else."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from pipeline.collect.folders.folder import MAX_BYTES, read_folder
from pipeline.errors import FetchError


def names(folder: Path) -> list[str]:
    return [d.name for d in read_folder(folder).documents]


def test_documents_in_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.md", "a.HTML", "c.txt", "d.jpg", "README", ".hidden.md", "e.md~", "sub/z.htm", "sub/.x/y.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    read = read_folder(tmp_path)
    assert [(d.name, d.data.decode()) for d in read.documents] == [(n, n) for n in (
        "a.HTML", "b.md", "c.txt", "sub/z.htm")]
    assert read.problems == []


def test_an_empty_folder_and_one_that_is_not_there(tmp_path: Path) -> None:
    assert names(tmp_path) == []
    with pytest.raises(FetchError, match="there is no such folder"):
        read_folder(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(FetchError, match="there is no such folder"):
        read_folder(tmp_path / "file")


def test_links_are_not_followed_and_said_so(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.md").write_text("secret")
    folder = tmp_path / "articles"
    folder.mkdir()
    (folder / "good.md").write_text("good")
    (folder / "link.md").symlink_to(outside / "secret.md")
    (folder / "dangling.md").symlink_to(folder / "none.md")
    (folder / "away").symlink_to(outside, target_is_directory=True)
    read = read_folder(folder)
    assert [d.name for d in read.documents] == ["good.md"]
    assert sorted(read.problems) == sorted(
        f"{name}: can't be read: it is a link, and links are not followed"
        for name in ("away", "dangling.md", "link.md"))


def test_a_folder_that_is_itself_a_link_is_what_the_operator_named(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.md").write_text("a")
    (tmp_path / "articles").symlink_to(tmp_path / "real")
    assert names(tmp_path / "articles") == ["a.md"]


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    (tmp_path / "good.md").write_text("good")
    done: list[object] = []
    thread = threading.Thread(target=lambda: done.append(read_folder(tmp_path)), daemon=True)
    thread.start()
    thread.join(5)
    assert done, "it waits for somebody to write"
    assert [d.name for d in done[0].documents] == ["good.md"]
    assert done[0].problems == ["pipe.md: can't be read: it is not a regular file"]


def test_too_large(tmp_path: Path) -> None:
    with (tmp_path / "large.md").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with (tmp_path / "largest.md").open("wb") as file:
        file.truncate(MAX_BYTES)
    read = read_folder(tmp_path)
    assert [(d.name, len(d.data)) for d in read.documents] == [("largest.md", MAX_BYTES)]
    assert read.problems == ["large.md: can't be read: it is larger than 5 MB"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "closed.md").write_text("x")
    (tmp_path / "closed.md").chmod(0)
    assert read_folder(tmp_path).problems == ["closed.md: can't be read: Permission denied"]


def test_a_file_that_vanishes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.md").write_text("a")
    (tmp_path / "b.md").write_text("b")

    def gone(path: Path) -> tuple[bytes, os.stat_result]:
        if path.name == "a.md":
            raise FileNotFoundError(2, "No such file or directory")
        return b"b", path.stat()

    monkeypatch.setattr("pipeline.collect.folders.folder._read", gone)
    read = read_folder(tmp_path)
    assert [d.name for d in read.documents] == ["b.md"]
    assert read.problems == ["a.md: can't be read: No such file or directory"]


def test_a_file_that_grows_waits_for_the_next_look(tmp_path: Path) -> None:
    for name in ("still.md", "growing.md", "old.md"):
        (tmp_path / name).write_text("# A title\n")
    os.utime(tmp_path / "old.md", (1_700_000_000, 1_700_000_000))
    stop = threading.Event()

    def write() -> None:
        with (tmp_path / "growing.md").open("a") as file:
            while not stop.wait(0.01):
                file.write("more\n")
                file.flush()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        read = read_folder(tmp_path)
    finally:
        stop.set()
        writer.join()
    assert [d.name for d in read.documents] == ["old.md", "still.md"]
    assert read.growing == ["growing.md: is still being written, and waits for the next look"]
    assert [d.name for d in read_folder(tmp_path).documents] == ["growing.md", "old.md", "still.md"]


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.md")).write_text("x")
    except OSError:
        pytest.skip("this file system takes no such names")
    read = read_folder(tmp_path)
    for words in (*read.problems, *(d.name for d in read.documents)):
        words.encode()  # it can be stored and printed
    assert len(read.problems) + len(read.documents) == 1
