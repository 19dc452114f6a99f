from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from pipeline.errors import BroadsheetError
from pipeline.publish import write
from pipeline.publish.write import write_if_changed


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_new_file_is_whole_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "all" / "deep" / "rss.xml"
    assert write_if_changed(path, b"one") is True
    assert path.read_bytes() == b"one"
    assert names(path.parent) == ["rss.xml"]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask, "as readable as any new file"


def test_same_bytes_touch_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rss.xml"
    write_if_changed(path, b"one")
    os.utime(path, (1, 1))
    before = path.stat()
    assert write_if_changed(path, b"one") is False
    after = path.stat()
    assert (after.st_mtime_ns, after.st_ctime_ns) == (before.st_mtime_ns, before.st_ctime_ns)
    assert after.st_ino == before.st_ino


@pytest.mark.parametrize("old", [b"", b"on", b"one!", b"One"])
def test_other_bytes_replace_the_file(tmp_path: Path, old: bytes) -> None:
    path = tmp_path / "rss.xml"
    path.write_bytes(old)
    assert write_if_changed(path, b"one") is True
    assert path.read_bytes() == b"one"


def test_file_and_rename_are_made_durable_in_this_order(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "rss.xml"
    synced: list[str] = []

    def fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        synced.append(f"{kind}, {'with' if path.exists() else 'without'} the name")

    monkeypatch.setattr(os, "fsync", fsync)
    write_if_changed(path, b"feed")
    assert synced == ["file, without the name", "folder, with the name"]


def test_an_open_reader_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "rss.xml"
    write_if_changed(path, b"old" * 1000)
    with path.open("rb") as reader:
        reader.read(3)
        write_if_changed(path, b"new")
        assert reader.read() == b"old" * 999


def test_a_link_is_replaced_and_never_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_bytes(b"mine")
    path = tmp_path / "rss.xml"
    path.symlink_to(outside)
    assert write_if_changed(path, b"mine") is True, "a link that leads to the same bytes is not the file"
    assert not path.is_symlink()
    assert outside.read_bytes() == b"mine"
    path.unlink()
    path.symlink_to(outside)
    write_if_changed(path, b"feed")
    assert outside.read_bytes() == b"mine"
    assert path.read_bytes() == b"feed"


def test_a_fifo_in_the_way_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "rss.xml"
    os.mkfifo(path)
    assert write_if_changed(path, b"feed") is True
    assert path.read_bytes() == b"feed"


def test_a_folder_in_the_way_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "rss.xml"
    path.mkdir()
    with pytest.raises(BroadsheetError) as caught:
        write_if_changed(path, b"feed")
    assert caught.value.subject == str(path)
    assert names(tmp_path) == ["rss.xml"]


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "all").write_bytes(b"")
    with pytest.raises(BroadsheetError, match=r"all/rss\.xml"):
        write_if_changed(tmp_path / "all" / "rss.xml", b"feed")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere; the same path runs through the table below")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(BroadsheetError, match="let the account"):
        write_if_changed(tmp_path / "rss.xml", b"feed")
    tmp_path.chmod(0o700)


@pytest.mark.parametrize(("code", "words"), [(errno.ENOSPC, "free some space"), (errno.EDQUOT, "free some space"),
                                             (errno.EACCES, "let the account"), (errno.EIO, "rss.xml")])
@pytest.mark.parametrize("at", ["fsync", "replace"])
def test_a_fault_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch, code: int, words: str, at: str) -> None:
    path = tmp_path / "rss.xml"
    path.write_bytes(b"old")

    def fail(*_arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    if at == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(BroadsheetError, match=words) as caught:
        write_if_changed(path, b"new")
    assert str(path) in str(caught.value)
    assert not caught.value.permanent
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["rss.xml"]


def test_the_disk_is_really_full() -> None:
    """/dev/full answers every write with ENOSPC, so that the real error text is seen once."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OSError, match="No space left") as caught, full.open("wb", buffering=0) as file:
        file.write(b"x")
    assert "free some space" in write._hint(caught.value)


def test_what_a_killed_process_left_is_swept_after_an_hour(tmp_path: Path) -> None:
    path = tmp_path / "rss.xml"
    stale, fresh, other = (tmp_path / n for n in (".rss.xml.0a.tmp", ".rss.xml.0b.tmp", ".atom.xml.0c.tmp"))
    for file in (stale, fresh, other):
        file.write_bytes(b"half")
    for file in (stale, other):
        os.utime(file, (1, 1))
    write_if_changed(path, b"feed")
    assert names(tmp_path) == [".atom.xml.0c.tmp", ".rss.xml.0b.tmp", "rss.xml"]


def test_readers_and_writers_at_once_see_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "rss.xml"
    bodies = [bytes([65 + n]) * 20_000 for n in range(4)]
    path.write_bytes(bodies[0])
    torn: list[int] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            data = path.read_bytes()
            if len(data) != 20_000 or len(set(data)) != 1:
                torn.append(len(data))

    reader = threading.Thread(target=read)
    reader.start()

    def replace(body: bytes) -> None:
        for _ in range(10):
            write_if_changed(path, body)

    writers = [threading.Thread(target=replace, args=(body,)) for body in bodies]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    assert torn == []
    assert names(tmp_path) == ["rss.xml"]
