"""Pictures of a letter by a real Chromium: what they show, that it reaches nobody, and that it is gone afterwards."""

from __future__ import annotations

import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from pipeline.desk import chromium as browser
from pipeline.desk.screenshots import SHOTS, TALLEST, Shot, take
from pipeline.errors import BroadsheetError, UsageError

pytestmark = pytest.mark.browser

LETTER = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><style>
body { margin: 0; background: #ffffff; }
@media (max-width: 600px) { body { background: #0000ff; } }
@media (prefers-color-scheme: dark) { body { background: #000000; } }
</style></head><body>%s</body></html>"""
WHITE, BLACK, BLUE, RED = (255, 255, 255), (0, 0, 0), (0, 0, 255), (255, 0, 0)


@pytest.fixture(autouse=True)
def _installed(chromium: str) -> None:
    """All of this needs one."""


@pytest.fixture
def listening() -> Iterator[tuple[int, list[bytes]]]:
    """(port, what was said to it) of a server on this machine that takes any connection."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        def listen() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(2)
                    heard.append(b"a connection")
                    heard.append(connection.recv(1000))

        threading.Thread(target=listen, daemon=True).start()
        yield server.getsockname()[1], heard
        server.shutdown(socket.SHUT_RDWR)


def test_each_view_is_what_it_is_called(tmp_path: Path) -> None:
    html = LETTER % '<div style="height: 1500px"></div><img src="data:image/png;base64,%s" alt="" height="90">'
    html = html.replace("%s", b64encode(_png(*RED)).decode())
    paths = take(html, tmp_path / "new" / "folder")
    assert [path.name for path in paths] == [
        "light.png", "dark.png", "phone.png", "phone-dark.png", "no-images.png"]
    seen = {path.stem: Picture(path) for path in paths}
    assert {name: picture.at(5, 5) for name, picture in seen.items()} == {
        "light": WHITE, "dark": BLACK, "phone": BLUE, "phone-dark": BLACK, "no-images": WHITE}
    widths = {name: picture.width for name, picture in seen.items()}
    assert widths == {"light": 1000, "dark": 1000, "phone": 780, "phone-dark": 780, "no-images": 1000}
    assert seen["light"].height >= 1590, "the whole letter, not what fits into the window"
    assert seen["light"].at(5, 1550) == RED
    assert seen["no-images"].column(5) == {WHITE}


def test_our_own_pictures_are_given_and_nobody_else_s(tmp_path: Path, listening: Any) -> None:
    port, heard = listening
    asked = []

    def answers(address: str) -> bytes | None:
        asked.append(address)
        return _png(*RED) if address == "https://lantern.example/i/1.png" else None

    html = LETTER % (
        '<img src="https://lantern.example/i/1.png" alt="" width="50" height="50">'
        f'<img src="http://127.0.0.1:{port}/spy.png" alt="" width="50" height="50">')
    (path,) = take(html, tmp_path, answers=answers, shots=SHOTS[:1])
    assert Picture(path).at(20, 20) == RED
    assert sorted(asked) == [f"http://127.0.0.1:{port}/spy.png", "https://lantern.example/i/1.png"]
    assert heard == []


SPIES = """
<meta http-equiv="refresh" content="0; url=http://127.0.0.1:{port}/refresh">
<link rel="preconnect" href="http://127.0.0.1:{port}/"><link rel="dns-prefetch" href="//localhost:{port}/">
<link rel="preload" as="image" href="http://localhost:{port}/preload"><link rel="icon" href="http://[::1]:{port}/i">
<link rel="stylesheet" href="http://127.0.0.1:{port}/sheet"><link rel="prefetch" href="http://127.0.0.1:{port}/pre">
<style>@import "http://127.0.0.1:{port}/import"; @font-face {{ font-family: f; src: url(http://127.0.0.1:{port}/f) }}
p {{ font-family: f; background: url(http://127.0.0.1:{port}/background) }}</style>
<p>Words <img src="http://127.0.0.1:{port}/picture" alt=""> <video autoplay src="http://127.0.0.1:{port}/video"></video>
<iframe src="http://127.0.0.1:{port}/frame"></iframe> <object data="http://127.0.0.1:{port}/object"></object>
<script>fetch("http://127.0.0.1:{port}/script"); document.body.style.background = "#00ff00"; new
WebSocket("ws://127.0.0.1:{port}/");</script>
<a href="http://127.0.0.1:{port}/a" ping="http://127.0.0.1:{port}/ping" autofocus>link</a>
<img src="file:///etc/hostname" alt=""><iframe src="file:///etc/"></iframe>
<form action="http://127.0.0.1:{port}/form"><input autofocus></form>
"""


def test_nothing_that_a_letter_holds_reaches_the_network(tmp_path: Path, listening: Any, chromium: str) -> None:
    port, heard = listening
    take(LETTER % SPIES.format(port=port), tmp_path, shots=SHOTS[:1])
    assert heard == []
    assert Picture(tmp_path / "light.png").at(900, 890) == WHITE, "no script ran, and no error page is shown"
    # positive control: the same letter as a file, in the same Chromium without our care
    page = tmp_path / "page.html"
    page.write_text(LETTER % SPIES.format(port=port))
    flags = ["--headless=new", "--no-sandbox", f"--user-data-dir={tmp_path / 'profile'}", "--no-first-run",
             "--virtual-time-budget=2000", f"--screenshot={tmp_path / 'x.png'}", page.as_uri()]
    with subprocess.Popen([chromium, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          process_group=0) as control:
        _soon(lambda: heard)
        os.killpg(control.pid, signal.SIGKILL)


def test_a_letter_too_tall_to_draw_is_drawn_smaller(tmp_path: Path) -> None:
    tall = LETTER % '<div style="height: 30000px"></div><div style="height: 300px; background: #ff0000"></div>'
    (path,) = take(tall, tmp_path, shots=[Shot("phone", width=390, height=844, phone=True, scale=2)])
    seen = Picture(path)
    assert TALLEST - 300 < seen.height <= TALLEST + 1
    assert seen.at(20, seen.height - 20) == RED
    assert seen.at(20, seen.height - 300) == BLUE
    (path,) = take(tall, tmp_path, shots=[Shot("cut", most_height=700)])
    assert Picture(path).height == 700


def test_nothing_is_left_behind(tmp_path: Path, home: Path) -> None:
    take(LETTER % "<p>words</p>", tmp_path / "out", shots=SHOTS[:1])
    _gone(home)


def test_chromium_is_ended_where_it_takes_too_long(tmp_path: Path, home: Path) -> None:
    before = time.monotonic()

    def forever(_: str) -> None:
        time.sleep(1.2)

    slow = LETTER % '<img src="https://lantern.example/1" alt=""><img src="https://lantern.example/2" alt="">'
    with pytest.raises(BroadsheetError, match="Chromium: was not done within 2 seconds"):
        take(slow, tmp_path / "out", answers=forever, seconds=2)
    assert time.monotonic() - before < 15
    _gone(home)


def test_an_error_of_ours_ends_it_too(tmp_path: Path, home: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        take(LETTER % '<img src="https://lantern.example/1" alt="">', tmp_path, answers=lambda _: bytes(1 // 0))
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="can't be written"):
        take(LETTER % "", tmp_path / "file", shots=SHOTS[:1])
    _gone(home)


ALONE = """
import sys, time
from pathlib import Path
from pipeline.desk.screenshots import take

def answers(address):
    print("waiting", flush=True)
    time.sleep(60)

take(sys.argv[1], Path(sys.argv[2]), answers=answers)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_whoever_ends_us_ends_chromium(
    tmp_path: Path, root: Path, home: Path, how: signal.Signals
) -> None:
    """Ctrl-C; and where we can't even say goodbye, Chromium sees its pipe closed."""
    letter = LETTER % '<img src="https://lantern.example/1" alt="">'
    with subprocess.Popen([sys.executable, "-c", ALONE, letter, str(tmp_path / "out")], cwd=root, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, process_group=0) as us:
        assert us.stdout is not None
        assert us.stdout.readline() == "waiting\n"
        assert _running(home), "the control: it is seen while it runs"
        os.kill(us.pid, how)
        us.wait(15)
    _soon(lambda: not _running(home))
    if how == signal.SIGINT:
        _gone(home)


def test_a_chromium_that_can_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho 'libnss3.so: not found' >&2\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.setattr(browser, "NAMES", (str(broken),))
    with pytest.raises(BroadsheetError, match=r"Chromium: ended by itself \(libnss3.so: not found\)"):
        take(LETTER % "", tmp_path)


def test_descriptors_stay_as_they_were(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    take(LETTER % "", tmp_path, shots=SHOTS[:1])
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_command_writes_pictures_beside_the_mail(tmp_path: Path, make_site: Callable[..., Any], root: Path) -> None:
    site = make_site()
    site.subscribe("ann@here.example")
    site.accept(["Article one", "Article two"])
    site.close()
    command = [sys.executable, "-m", "pipeline", "--config", str(site.folder / "config.toml"), "preview", "lantern",
               "--schedule", "daily", "--screenshots", "--out", str(tmp_path / "out")]
    said = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=100, check=False)
    assert said.returncode == 0, said.stderr
    for name in ("message.eml", *(f"{shot.name}.png" for shot in SHOTS)):
        assert re.search(rf"out/{name} +[\d,]+ bytes", said.stdout), name
    assert Picture(tmp_path / "out" / "dark.png").at(3, 3) != Picture(tmp_path / "out" / "light.png").at(3, 3)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, quick_folder: Path) -> Path:
    """A temporary folder of this test's own, so that it sees what is left there. Its name is short: so have sockets'
    to be."""
    home = quick_folder / "t"
    home.mkdir()
    monkeypatch.setenv("TMPDIR", str(home))
    monkeypatch.setattr(browser.tempfile, "tempdir", None)
    return home


def _gone(home: Path) -> None:
    _soon(lambda: not _running(home))
    assert list(home.iterdir()) == []


def _running(home: Path) -> list[str]:
    """The processes that work in a profile below `home`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if f"--user-data-dir={home}/".encode() in line:
            found.append(path.parent.name)
    return found


def _soon(true: Callable[[], object]) -> None:
    until = time.monotonic() + 15
    while not true():
        assert time.monotonic() < until, "not within 15 seconds"
        time.sleep(0.05)


def _png(red: int, green: int, blue: int) -> bytes:
    """A picture of one colour, 4 by 4."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes((red, green, blue)) * 4) * 4
    head = struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class Picture:
    """A PNG of 8-bit colours, read by hand, as far down as it is asked for."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        self.width, self.height, depth, kind = struct.unpack(">IIBB", data[16:26])
        assert (depth, kind in (2, 6)) == (8, True)
        self._each = 3 if kind == 2 else 4
        packed, place = b"", 8
        while place < len(data):
            size, name = struct.unpack(">I4s", data[place:place + 8])
            packed += data[place + 8:place + 8 + size] if name == b"IDAT" else b""
            place += size + 12
        self._more = self._unfiltered(zlib.decompress(packed))
        self._rows: list[bytes] = []

    def at(self, x: int, y: int) -> tuple[int, ...]:
        while len(self._rows) <= y:
            self._rows.append(next(self._more))
        return tuple(self._rows[y][x * self._each:x * self._each + 3])

    def column(self, x: int) -> set[tuple[int, ...]]:
        return {self.at(x, y) for y in range(self.height)}

    def _unfiltered(self, data: bytes) -> Iterator[bytes]:
        """PNG, section 9.2: each byte was written as its difference from its neighbours."""
        each, length = self._each, self.width * self._each
        above = bytes(length)
        for start in range(0, len(data), length + 1):
            how, row = data[start], bytearray(data[start + 1:start + 1 + length])
            if how == 1:
                for channel in range(each):
                    row[channel::each] = bytes(value & 255 for value in accumulate(row[channel::each]))
            elif how == 2:
                row = bytearray((a + b) & 255 for a, b in zip(row, above, strict=True)) if any(row) else above
            elif how:
                for i in range(length):
                    left, corner = (row[i - each], above[i - each]) if i >= each else (0, 0)
                    row[i] = (row[i] + ((left + above[i]) // 2 if how == 3 else _paeth(left, above[i], corner))) & 255
            above = bytes(row)
            yield above


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))
