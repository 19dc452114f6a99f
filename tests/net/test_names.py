"""Look-ups share threads, hang without hanging others, and leave no thread behind."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from pipeline.errors import FetchError
from pipeline.net.names import MAX_LOOKUPS, Lookups, by_system


def find(lookups: Lookups, host: str = "a.example", timeout_s: float = 2.0) -> list[str]:
    return list(lookups.find(host, 80, timeout_s=timeout_s, subject="http://a.example/"))


def test_one_after_the_other_takes_one_thread() -> None:
    used = []
    lookups = Lookups(lambda host, port: used.append(threading.get_ident()) or [host, str(port)], idle_s=0.02)  # type: ignore[func-returns-value]
    for n in range(20):
        assert find(lookups, f"{n}.example") == [f"{n}.example", "80"]
    assert len(set(used)) == 1
    assert lookups._threads == 1


def test_idle_threads_end_and_a_look_up_at_that_moment_is_answered() -> None:
    lookups = Lookups(lambda host, _port: [host], idle_s=0.02)
    for n in range(8):
        assert find(lookups, str(n)) == [str(n)]
        time.sleep(0.016 + 0.001 * n)
    time.sleep(0.1)
    assert lookups._threads == 0
    assert find(lookups, "again") == ["again"]


def test_many_at_once_each_get_their_own_answer() -> None:
    lookups = Lookups(lambda host, _port: time.sleep(0.002) or [host], idle_s=0.02)  # type: ignore[func-returns-value]
    wrong = []

    def work(n: int) -> None:
        wrong.extend((n, m) for m in range(5) if find(lookups, f"{n}-{m}") != [f"{n}-{m}"])

    working = [threading.Thread(target=work, args=(n,)) for n in range(MAX_LOOKUPS + 8)]
    for thread in working:
        thread.start()
    assert lookups._threads <= MAX_LOOKUPS
    for thread in working:
        thread.join()
    assert not wrong


def test_those_that_hang_keep_their_threads_and_the_next_says_so() -> None:
    release = threading.Event()
    asked = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        release.wait(5)
        return [host]

    lookups = Lookups(resolve, idle_s=0.02)
    for n in range(MAX_LOOKUPS):
        with pytest.raises(TimeoutError):
            find(lookups, str(n), timeout_s=0.001)
    with pytest.raises(FetchError, match=r"http://a\.example/: too many DNS look-ups hang"):
        find(lookups, "one more", timeout_s=0.01)
    assert lookups._threads == MAX_LOOKUPS
    release.set()
    assert find(lookups, "later") == ["later"]
    assert "one more" not in asked, "nobody waits for it any more"


@pytest.mark.parametrize(("error", "words"), [
    (socket.gaierror(socket.EAI_NONAME, "x"), "DNS knows no host a.example"),
    (socket.gaierror(socket.EAI_AGAIN, "x"), "DNS gave no answer for a.example"),
    (UnicodeError("label too long"), "DNS gave no answer for a.example: label too long"),
    (RuntimeError("a bug"), "DNS gave no answer for a.example: a bug"),
])
def test_failures_are_told_to_the_one_who_asked(error: Exception, words: str) -> None:
    def resolve(_host: str, _port: int) -> list[str]:
        raise error
    lookups = Lookups(resolve, idle_s=0.02)
    for _ in range(3):
        with pytest.raises(FetchError, match=words):
            find(lookups)
    assert lookups._threads == 1


def test_the_systems_resolver_knows_this_machine() -> None:
    assert "127.0.0.1" in by_system("localhost", 80) or "::1" in by_system("localhost", 80)
