"""A folder as the place of feed files: whole files, no links followed, nothing lost with the power."""

from __future__ import annotations

import errno
import os
import random
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline.errors import BroadsheetError
from pipeline.publish import write
from pipeline.publish.write import Folder, parts


def put(path: Path, data: bytes) -> bool:
    """One file, in the folder that it lies in."""
    return Folder(path.parent).put({path.name: data}) == [path.name]


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_new_file_is_whole_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "all" / "deep" / "rss.xml"
    assert put(path, b"one") is True
    assert path.read_bytes() == b"one"
    assert names(path.parent) == ["rss.xml"]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask, "as readable as any new file"


def test_same_bytes_touch_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rss.xml"
    put(path, b"one")
    os.utime(path, (1, 1))
    before = path.stat()
    assert put(path, b"one") is False
    after = path.stat()
    assert (after.st_mtime_ns, after.st_ctime_ns) == (before.st_mtime_ns, before.st_ctime_ns)
    assert after.st_ino == before.st_ino


@pytest.mark.parametrize("old", [b"", b"on", b"one!", b"One"])
def test_other_bytes_replace_the_file(tmp_path: Path, old: bytes) -> None:
    path = tmp_path / "rss.xml"
    path.write_bytes(old)
    assert put(path, b"one") is True
    assert path.read_bytes() == b"one"


def test_file_and_rename_are_made_durable_in_this_order(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "rss.xml"
    synced: list[str] = []

    def fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        synced.append(f"{kind}, {'with' if path.exists() else 'without'} the name")

    monkeypatch.setattr(os, "fsync", fsync)
    put(path, b"feed")
    assert synced == ["file, without the name", "folder, with the name"]


def test_one_call_syncs_each_folder_once_and_those_that_got_a_folder(tmp_path: Path, monkeypatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            synced.append(os.path.relpath(Path(f"/proc/self/fd/{descriptor}").readlink(), tmp_path))
        real(descriptor)

    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not say which file a descriptor is")
    monkeypatch.setattr(os, "fsync", fsync)
    files = {"all/rss.xml": b"1", "all/atom.xml": b"2", "all/archive/1/rss.xml": b"3", "index.html": b"4"}
    place = Folder(tmp_path / "feeds")
    assert place.put(files) == list(files)
    assert sorted(synced) == [".", "feeds", "feeds/all", "feeds/all/archive", "feeds/all/archive/1"]
    synced.clear()
    place.put(files)
    assert synced == [], "nothing was changed"
    place.remove(["all/archive/1/rss.xml", "all/rss.xml"])
    assert synced == ["feeds/all"]
    synced.clear()
    monkeypatch.setattr(os, "rename", lambda *_names, **_folders: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
    with pytest.raises(BroadsheetError):
        place.put({"new/rss.xml": b"1"})
    assert "feeds" in synced, "what was done before a failure is durable too"


def test_a_name_in_a_folder_that_is_a_link_is_not_there(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "rss.xml").write_bytes(b"mine")
    root = tmp_path / "feeds"
    (root / "real").mkdir(parents=True)
    (root / "all").symlink_to(outside)
    (root / "real" / "deep").symlink_to(outside)
    (root / "real" / "link.xml").symlink_to(outside / "rss.xml")
    place = Folder(root)
    for name in ("all/rss.xml", "real/deep/rss.xml"):
        with pytest.raises(BroadsheetError, match="a symbolic link is not followed") as caught:
            place.put({name: b"feed"})
        assert caught.value.subject == str(root / name)
        assert place.read(name) is None
        assert place.remove([name]) == []
        assert place.differing({name: 4}) == [name]
    assert place.read("real/link.xml") is None
    assert place.differing({"real/link.xml": 4}) == ["real/link.xml"]
    assert place.names("") == place.names("all") == place.names("real/deep") == []
    assert place.remove(["real/link.xml"]) == ["real/link.xml"], "the link itself"
    assert names(outside) == ["rss.xml"]
    assert (outside / "rss.xml").read_bytes() == b"mine"


def test_the_root_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "feeds").symlink_to(tmp_path / "disk")
    assert Folder(tmp_path / "feeds").put({"all/rss.xml": b"feed"}) == ["all/rss.xml"]
    assert (tmp_path / "disk" / "all" / "rss.xml").read_bytes() == b"feed"


@pytest.mark.parametrize("name", ["", "/", "/rss.xml", "..", "../rss.xml", "all/../../rss.xml", "all//rss.xml", "all/",
                                  "./rss.xml", "all/.", "all/rss.xml\0", "\0"])
def test_a_name_that_could_lead_elsewhere_is_refused_before_anything_is_done(tmp_path: Path, name: str) -> None:
    place = Folder(tmp_path / "feeds")
    (tmp_path / "rss.xml").write_bytes(b"mine")
    for call in (lambda: place.put({"fine.xml": b"feed", name: b"feed"}), lambda: place.read(name),
                 lambda: place.remove(["fine.xml", name]), lambda: place.differing({name: 1}),
                 lambda: place.names(f"{name}/rss.xml")):
        with pytest.raises(ValueError, match="can't be the name"):
            call()
    assert names(tmp_path) == ["rss.xml"]
    assert parts("a..b/..c/d..") == ("a..b", "..c", "d..")


def test_an_open_reader_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "rss.xml"
    put(path, b"old" * 1000)
    with path.open("rb") as reader:
        reader.read(3)
        put(path, b"new")
        assert reader.read() == b"old" * 999


def test_a_link_is_replaced_and_never_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_bytes(b"mine")
    path = tmp_path / "rss.xml"
    path.symlink_to(outside)
    assert put(path, b"mine") is True, "a link that leads to the same bytes is not the file"
    assert not path.is_symlink()
    assert outside.read_bytes() == b"mine"
    path.unlink()
    path.symlink_to(outside)
    put(path, b"feed")
    assert outside.read_bytes() == b"mine"
    assert path.read_bytes() == b"feed"


def test_a_fifo_in_the_way_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "rss.xml"
    os.mkfifo(path)
    assert put(path, b"feed") is True
    assert path.read_bytes() == b"feed"


def test_a_folder_in_the_way_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "rss.xml"
    path.mkdir()
    with pytest.raises(BroadsheetError) as caught:
        put(path, b"feed")
    assert caught.value.subject == str(path)
    assert names(tmp_path) == ["rss.xml"]


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "all").write_bytes(b"")
    with pytest.raises(BroadsheetError, match=r"all/rss\.xml") as caught:
        Folder(tmp_path).put({"all/rss.xml": b"feed"})
    assert "where one of its folders should be" in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere; the same path runs through the table below")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(BroadsheetError, match="let the account"):
        put(tmp_path / "rss.xml", b"feed")
    tmp_path.chmod(0o700)


@pytest.mark.parametrize(("code", "words"), [(errno.ENOSPC, "free some space"), (errno.EDQUOT, "free some space"),
                                             (errno.EACCES, "let the account"), (errno.EIO, "rss.xml")])
@pytest.mark.parametrize("at", ["fsync", "rename"])
def test_a_fault_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch, code: int, words: str, at: str) -> None:
    path = tmp_path / "rss.xml"
    path.write_bytes(b"old")

    def fail(*_arguments: object, **_folders: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, at, fail)
    with pytest.raises(BroadsheetError, match=words) as caught:
        put(path, b"new")
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


def test_what_a_killed_process_left_is_swept_after_a_minute_also_where_nothing_is_new(tmp_path: Path) -> None:
    path = tmp_path / "rss.xml"
    put(path, b"feed")
    stale, twin, fresh, other = (tmp_path / n for n in (
        ".rss.xml.0123456789ab.tmp", ".rss.xml.br.0123456789ab.tmp", ".rss.xml.cccccccccccc.tmp", ".notes.tmp"))
    for file in (stale, twin, fresh, other):
        file.write_bytes(b"half")
    for file in (stale, twin, other):
        os.utime(file, (1, 1))
    assert not put(path, b"feed")
    assert names(tmp_path) == [".notes.tmp", fresh.name, "rss.xml"], "what is not ours stays"


def test_a_new_file_is_a_second_later_than_the_old_whatever_the_clock_says(tmp_path: Path) -> None:
    """curl drops what comes with a date that it knows, whatever its ETag."""
    path = tmp_path / "rss.xml"
    seconds = []
    for number in range(4):
        put(path, b"%d" % number)
        seconds.append(int(path.stat().st_mtime))
    assert seconds == sorted(set(seconds))
    ahead = seconds[-1] + 4_000  # the clock ran ahead then
    os.utime(path, (ahead, ahead))
    put(path, b"again")
    assert int(path.stat().st_mtime) == ahead + 1


def test_more_folders_than_are_kept_open(tmp_path: Path) -> None:
    files = {f"feed{n % 150}/{'deep/' * (n // 150)}rss.xml": b"%d" % n for n in range(450)}
    place = Folder(tmp_path / "feeds")
    before = len(names(Path("/dev/fd")))
    assert place.put(files) == list(files)
    assert place.put(files) == []
    assert place.differing({name: len(data) for name, data in files.items()}) == []
    assert place.names("") == sorted(files)
    assert place.remove(files) == list(files)
    assert names(tmp_path / "feeds") == []
    assert len(names(Path("/dev/fd"))) == before, "every descriptor is given back"


KILLED = """
import sys
from pathlib import Path
from pipeline.publish.write import Folder
place, version = Folder(Path(sys.argv[1])), 0
while True:
    version += 1
    body = (b"%08d" % version) * 20_000
    place.put({f"all/{n}.xml": body for n in range(4)})
    print(flush=True)
"""


def test_a_kill_leaves_each_file_old_or_new(quick_folder: Path, root: Path) -> None:
    """Five moments; `make faults` is for more."""
    draw = random.Random(20261122)
    for trial in range(5):
        folder = quick_folder / f"feeds{trial}"
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(folder)], cwd=root, stdout=subprocess.PIPE)
        assert process.stdout
        for _ in range(draw.randint(1, 30)):  # by then it is somewhere within the next one
            process.stdout.readline()
        process.kill()
        process.wait(20)
        process.stdout.close()
        bodies = [(folder / "all" / f"{n}.xml").read_bytes() for n in range(4)]
        for body in bodies:
            assert len(body) == 160_000
            assert body == body[:8] * 20_000
        versions = [int(body[:8]) for body in bodies]
        assert versions == sorted(versions, reverse=True), "in the order of the mapping"
        assert versions[0] - versions[3] in (0, 1)
        assert Folder(folder).names("") == [f"all/{n}.xml" for n in range(4)]


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
            put(path, body)

    writers = [threading.Thread(target=replace, args=(body,)) for body in bodies]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    assert torn == []
    assert names(tmp_path) == ["rss.xml"]
