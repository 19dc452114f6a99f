"""Child processes: what a document does to the one that reads it costs that one call."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.collect.children.answers import ANSWERS, FeedRead
from pipeline.collect.children.pool import PROGRAM, ChildLimits, Children, Stopped, TooCostly
from pipeline.errors import BroadsheetError, FetchError, ParseError

ROOT = Path(__file__).resolve().parents[3]
FEED = b"""<rss><channel><title>News</title><ttl>60</ttl><item><title>One</title><link>https://example.org/1</link>
<description>&lt;p onclick="x()"&gt;Words&lt;/p&gt;</description></item></channel></rss>"""
MB = 1_000_000

# A child that can be told to misbehave, in every way that a parser may.
WORSE = """
import sys; sys.path[:] = sys.argv[2:]
import ctypes, os, resource, time, types
parsers = sys.modules["pipeline.collect.children.work"] = types.ModuleType("work")  # not needed here, and slow to load
parsers.WORK = {}
from pipeline.collect.children import child
from pipeline.errors import BroadsheetError, FetchError, ParseError

kept = []

def echo(body): return body.decode()
def pid(body): return str(os.getpid())
def spin(body):
    while True: pass
def nap(body): time.sleep(float(body)); return "woke"
def hog(body): return str(len(bytearray(int(body))))
def keep(body): kept.append(bytearray(int(body))); return str(os.getpid())
def crash(body): ctypes.string_at(0)
def leave(body): os._exit(3)
def abort(body): os.abort()
def chatter(body):
    print("noise" * 1000, flush=True); os.write(1, b"noise"); sys.stderr.write("noise" * 100_000)
    return "done"
def odd(body): raise KeyError("x")
def deep(body): return deep(body)
def wants(body): raise FetchError("https://a.example/", "is far away", hint="wait", permanent=True)
def swallowed(body):
    try:
        bytearray(10**12)
    except Exception as error:
        raise ParseError("s", "could not be read: " + type(error).__name__) from error
def half(body):
    try:
        for _ in range(10_000): kept.append(bytearray(100_000))
    except MemoryError:
        return "half of it"
def storm(body):
    class Callback:
        def __del__(self): raise MemoryError
    for _ in range(10): Callback()
    return "half of it"
def span(body):
    began = time.monotonic(); time.sleep(.04)
    return f"{began} {time.monotonic()} {os.getpid()}"
def env(body): return " ".join(sorted(os.environ))
def where(body): return child.__file__
def write(body):
    with open(body.decode(), "wb") as file: file.write(b"x")
    return "written"
def limits(body):
    names = "AS FSIZE CORE NOFILE NPROC".split()
    return " ".join(f"{n}={resource.getrlimit(getattr(resource, 'RLIMIT_' + n))[0]}" for n in names)

mine = {n: f for n, f in list(globals().items()) if callable(f) and getattr(f, "__module__", "") == "__main__"}
child.WORK.update(mine)
child.ANSWERS.update(dict.fromkeys(mine, str))
child.main()
"""
KINDS = """echo pid spin nap hog keep crash leave abort chatter odd deep wants swallowed half storm span
           env where write limits"""


@pytest.fixture(autouse=True)
def _kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in KINDS.split():
        monkeypatch.setitem(ANSWERS, kind, str)


@pytest.fixture
def make() -> Iterator[Callable[..., Children]]:
    """make(at_once, **limits): children that can misbehave. Whatever they did, nothing is left of them."""
    made: list[Children] = []
    before = len(list(Path("/proc/self/fd").iterdir()))

    def make(at_once: int = 1, program: str = WORSE, **limits: float) -> Children:
        made.append(Children(at_once, ChildLimits(**limits), program=program))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for children in made:
        children.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before, "descriptors were leaked"
    with pytest.raises(ChildProcessError):  # nobody is left, dead or alive
        os.waitpid(-1, os.WNOHANG)


# --- work ---------------------------------------------------------------------------------------------------


def test_a_feed_is_read_in_a_child_as_it_would_be_here(make: Callable[..., Children], now: datetime) -> None:
    from pipeline.collect.children.work import feed

    children = make(program=PROGRAM)
    told = {"url": "https://example.org/feed", "now": now, "topics": ("news",), "language": "en"}
    read = children.work("feed", "https://example.org/feed", FEED, **told)
    assert isinstance(read, FeedRead)
    assert (read.title, read.drafts[0].title, read.drafts[0].html) == ("News", "One", "<p>Words</p>")
    assert read.hints.ttl == timedelta(hours=1)
    assert read == feed(FEED, **told)  # type: ignore[arg-type]


def test_what_is_no_feed_comes_back_as_the_error_it_is(make: Callable[..., Children], now: datetime) -> None:
    with pytest.raises(ParseError) as caught:
        make(program=PROGRAM).work("feed", "s", b"<html><body>", url="https://example.org/", now=now)
    assert not isinstance(caught.value, TooCostly)
    assert (caught.value.subject, caught.value.cause) == ("https://example.org/", "is an HTML page, not a feed")
    assert caught.value.hint


def test_an_error_keeps_its_class_and_all_it_says(make: Callable[..., Children]) -> None:
    children = make()
    with pytest.raises(FetchError) as caught:
        children.work("wants", "s")
    error = caught.value
    assert (type(error), error.subject, error.cause, error.hint, error.permanent) == (
        FetchError, "https://a.example/", "is far away", "wait", True)


def test_documents_of_any_size_go_through(make: Callable[..., Children]) -> None:
    children = make()
    for size in (0, 1, 65_535, 300_000, 5 * MB):
        text = "é" * (size // 2) + "x" * (size % 2)
        assert children.work("echo", "s", text.encode()) == text


def test_children_are_reused_and_never_more_than_asked_for(make: Callable[..., Children]) -> None:
    children = make(2)
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda n: children.work("echo", "s", str(n).encode() * 1000), range(200)))
        pids = set(pool.map(lambda _: children.work("pid", "s"), range(50)))
    assert said == [str(n) * 1000 for n in range(200)]
    assert 1 <= len(pids) <= 2


def test_nothing_is_started_or_loaded_before_it_is_needed() -> None:
    """A poll that is all 304s needs no parser."""
    said = _run("""
        from pipeline.collect.children.pool import Children
        children = Children()
        children.close()
        import sys; print([m for m in ("lxml", "nh3", "feedparser", "pipeline.text.clean") if m in sys.modules])
    """)
    assert said == "[]\n"


def test_what_a_library_prints_gets_into_nobodys_way(
    make: Callable[..., Children], capfd: pytest.CaptureFixture[str]
) -> None:
    assert make().work("chatter", "s") == "done"
    assert capfd.readouterr() == ("", "")


# --- limits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "body", "limits", "cause"),
    [
        ("spin", b"", {"cpu_s": 0.1}, "took longer than 0.1 s to read"),
        ("spin", b"x" * MB, {"cpu_s": 0.05, "cpu_s_per_mb": 0.07}, "took longer than 0.12 s to read"),
        ("nap", b"60", {"wall_s": 0.1, "cpu_s": 0.1}, "took longer than 0.1 s to read"),
        ("hog", b"1000000000", {"memory_bytes": 100 * MB}, "needed more than 100 MB of memory to read"),
        ("hog", b" " * 9_990 + b"1000000000", {"large_from_bytes": 9_999, "large_memory_bytes": 100 * MB},
         "needed more than 100 MB of memory to read"),
        ("swallowed", b"", {}, "needed more than 64 MB of memory to read"),
        ("half", b"", {}, "needed more than 64 MB of memory to read"),
        ("storm", b"", {}, "needed more than 64 MB of memory to read"),
        ("abort", b"", {}, "needed more than 64 MB of memory to read"),
        ("crash", b"", {}, "broke the process that read it, which ended with SIGSEGV"),
        ("leave", b"", {}, "broke the process that read it, which ended with status 3"),
        ("echo", b"x" * 1001, {"body_bytes": 1000}, "is larger than the 0.001 MB that are read"),
        ("echo", b"x" * MB, {"answer_bytes": 100_000}, "holds more than the 0.1 MB that are kept of it"),
        ("echo", b"x" * 50 * MB, {"large_memory_bytes": 20 * MB, "body_bytes": 99 * MB},
         "needed more than 20 MB of memory to read"),
    ],
)
def test_a_document_that_goes_too_far_costs_that_one_call(
    make: Callable[..., Children], kind: str, body: bytes, limits: dict[str, float], cause: str
) -> None:
    children = make(**limits)
    began = time.monotonic()
    with pytest.raises(TooCostly) as caught:
        children.work(kind, "https://a.example/feed", body)
    assert (caught.value.subject, caught.value.cause) == ("https://a.example/feed", cause)
    assert time.monotonic() - began < 5
    assert children.work("echo", "s", b"and on") == "and on"


def test_cpu_time_is_counted_for_each_job_by_itself(make: Callable[..., Children]) -> None:
    children = make(program=WORSE.replace("while True: pass", """
    end = time.process_time() + 0.05
    while time.process_time() < end: pass
    return str(os.getpid())"""), cpu_s=0.12)
    assert len({children.work("spin", "s") for _ in range(4)}) == 1


def test_a_thread_that_blocks_signals_does_not_switch_the_meter_off(make: Callable[..., Children]) -> None:
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPROF, signal.SIGIO})
    ignored = signal.signal(signal.SIGPROF, signal.SIG_IGN)
    try:
        with pytest.raises(TooCostly, match=r"0\.1 s"):
            make(cpu_s=0.1, wall_s=5).work("spin", "s")
    finally:
        signal.signal(signal.SIGPROF, ignored)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


@pytest.mark.parametrize(("kind", "name"), [("odd", "KeyError"), ("deep", "RecursionError")])
def test_what_nobody_foresaw_is_a_parse_error_and_ends_the_child(
    make: Callable[..., Children], kind: str, name: str
) -> None:
    children = make()
    before = children.work("pid", "s")
    with pytest.raises(ParseError, match=f"https://a.example/: could not be read: {name}") as caught:
        children.work(kind, "https://a.example/")
    assert not isinstance(caught.value, TooCostly)
    assert children.work("pid", "s") != before


def test_a_child_is_retired_after_its_jobs_and_when_it_has_grown(make: Callable[..., Children]) -> None:
    children = make(jobs=3)
    pids = [children.work("pid", "s") for _ in range(6)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3]
    children = make()
    assert children.work("keep", "s", b"10000000") == children.work("pid", "s")
    assert children.work("keep", "s", b"40000000") != children.work("pid", "s")


def test_large_documents_are_read_one_at_a_time_and_in_children_of_their_own(make: Callable[..., Children]) -> None:
    children = make(3, large_from_bytes=1000)
    with ThreadPoolExecutor(8) as pool:
        large = [pool.submit(children.work, "span", "s", b"x" * 1000) for _ in range(3)]
        small = [pool.submit(children.work, "span", "s", b"x") for _ in range(3)]
    spans = sorted((float(a), float(b), pid) for a, b, pid in (call.result().split() for call in large))
    assert all(one[1] <= two[0] for one, two in pairwise(spans))
    assert len({pid for *_, pid in spans}) == 3
    assert min(float(call.result().split()[0]) for call in small) < spans[-1][0]
    with pytest.raises(TooCostly):
        children.work("leave", "s", b"x" * 1000)
    assert children.work("echo", "s", b"x" * 1000), "the next large one has its turn"


def test_a_child_that_died_between_two_calls_is_nobodys_fault(make: Callable[..., Children]) -> None:
    children = make()
    before = children.work("pid", "s")
    os.kill(int(before), signal.SIGKILL)
    time.sleep(0.05)
    assert children.work("pid", "s") != before


def test_a_child_knows_no_secret_and_can_write_nothing(
    make: Callable[..., Children], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", "s3cret")
    monkeypatch.setenv("PYTHONSTARTUP", "/x")
    children = make()
    assert "SMTP_PASSWORD" not in children.work("env", "s")
    assert "PYTHON" not in children.work("env", "s")
    assert children.work("limits", "s").endswith("FSIZE=0 CORE=0 NOFILE=32 NPROC=0")
    with pytest.raises(ParseError, match="OSError"):
        children.work("write", "s", bytes(tmp_path / "x"))
    assert (tmp_path / "x").read_bytes() == b""


# --- start and end ------------------------------------------------------------------------------------------


def test_that_no_child_can_be_started_is_not_blamed_on_the_document(make: Callable[..., Children]) -> None:
    for program, why in [
        ("raise ImportError('no module lxml')", "ImportError: no module lxml"),
        ("import os; os._exit(7)", "it ended with status 7"),
    ]:
        with pytest.raises(BroadsheetError, match=why) as caught:
            make(program=program).work("echo", "s")
        assert not isinstance(caught.value, ParseError)
        assert not caught.value.permanent
    with pytest.raises(BroadsheetError, match=r"not ready after 0\.2 s"):
        make(program="import time; time.sleep(60)", start_s=0.2).work("echo", "s")


def test_close_breaks_off_what_is_under_way_and_who_waits(make: Callable[..., Children]) -> None:
    children = make(2)
    raised: list[BaseException] = []

    def nap() -> None:
        try:
            children.work("nap", "s", b"60")
        except BroadsheetError as error:
            raised.append(error)

    threads = [threading.Thread(target=nap) for _ in range(5)]
    for thread in threads:
        thread.start()
    children._changed.acquire()
    children._changed.wait_for(lambda: len(children._busy) == 2 and not children._starting, 5)
    children._changed.release()
    time.sleep(0.1)
    began = time.monotonic()
    children.close()
    for thread in threads:
        thread.join(5)
    assert time.monotonic() - began < 0.3
    assert [type(error) for error in raised] == [Stopped] * 5
    with pytest.raises(Stopped):
        children.work("echo", "s")
    children.close()


def test_close_while_children_start(make: Callable[..., Children]) -> None:
    children = make(2)
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(children.work, "echo", "s", b"x") for _ in range(4)]
        time.sleep(0.02)
        began = time.monotonic()
        children.close()
        assert all(isinstance(call.exception(5), Stopped | None) for call in calls)
    assert time.monotonic() - began < 0.5


@pytest.mark.parametrize("work", ['"echo", "s", b"x"', '"nap", "s", b"60"'])
def test_children_die_with_a_parent_that_was_killed(work: str, tmp_path: Path) -> None:
    (tmp_path / "worse.py").write_text(WORSE)
    script = f"""
        import pathlib, sys, threading, time
        from pipeline.collect.children.answers import ANSWERS
        from pipeline.collect.children.pool import Children
        ANSWERS.update(echo=str, nap=str, pid=str)
        children = Children(1, program=pathlib.Path("worse.py").read_text())
        print(children.work("pid", "s"), flush=True)
        threading.Thread(target=children.work, args=({work}), daemon=True).start()
        time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", _dedented(script)], cwd=tmp_path, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        time.sleep(0.1)
        assert _lives(pid)
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 3
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _lives(pid)


def test_a_child_finds_the_code_of_its_parent_wherever_that_is(tmp_path: Path) -> None:
    """An installed copy, named by a relative path, seen from another folder than the checkout."""
    shutil.copytree(ROOT / "pipeline", tmp_path / "site" / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    said = _run(f"""
        import os, sys
        sys.path.insert(0, "site")
        from pipeline.collect.children.answers import ANSWERS
        from pipeline.collect.children.pool import Children
        ANSWERS["where"] = str
        os.environ["PYTHONPATH"] = "/nowhere"
        with Children(1, program={WORSE!r}) as children:
            print(children.work("where", "s"))
    """, cwd=tmp_path)
    assert said == f"{tmp_path}/site/pipeline/collect/children/child.py\n"


def _run(script: str, cwd: Path | None = None) -> str:
    command = [sys.executable, "-c", _dedented(script)]
    done = subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout


def _dedented(script: str) -> str:
    return textwrap.dedent(script)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
