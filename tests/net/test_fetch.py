from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable

import pytest

from pipeline.errors import FetchError, Refused
from pipeline.net.decode import LARGE_BYTES
from pipeline.net.fetch import LARGE_AT_ONCE, Fetcher, HttpStatusError, Limits, Request, Response
from pipeline.net.names import NoSuchHost

LOOPBACK = ("127.0.0.1/32",)
QUICK = Limits(connect_s=0.3, total_s=0.3, wire_bytes=100_000, decoded_bytes=300_000, header_bytes=8_192)


def get(server, path: str, limits: Limits = QUICK, **more: object) -> Response:
    fetcher = Fetcher("Broadsheet/test", limits)
    try:
        return fetcher.fetch(Request(server.url(path), allow_networks=LOOPBACK, **more))
    finally:
        fetcher.close()


def failure(server, path: str, limits: Limits = QUICK, **more: object) -> FetchError:
    began = time.monotonic()
    with pytest.raises(FetchError) as caught:
        get(server, path, limits, **more)
    assert time.monotonic() - began < limits.total_s + 1
    assert str(caught.value).startswith(server.url("/")), "the error names the address"
    return caught.value


def sending(*pieces: bytes, pause: float = 0.0, then_wait: bool = False) -> Callable[[socket.socket], None]:
    def script(sock: socket.socket) -> None:
        for piece in pieces:
            sock.sendall(piece)
            time.sleep(pause)
        if then_wait:
            sock.recv(1)
    return script


def test_a_plain_answer(server) -> None:
    server.says("/feed.xml?a=1", b"<rss/>", Content_Type="application/rss+xml; charset=utf-8", ETag='W/"1"',
                Last_Modified="Sun, 22 Nov 2026 18:00:00 GMT", X_Twice="a", Date="x")
    answer = get(server, "/feed.xml?a=1")
    assert (answer.status, answer.body, answer.url) == (200, b"<rss/>", server.url("/feed.xml?a=1"))
    assert answer.content_type == "application/rss+xml; charset=utf-8"
    assert (answer.etag, answer.last_modified) == ('W/"1"', "Sun, 22 Nov 2026 18:00:00 GMT")
    assert answer.headers["x-twice"] == "a"
    assert answer.moved_to == ""
    head = server.head()
    assert head["host"] == f"127.0.0.1:{server.port}"
    assert head["user-agent"] == "Broadsheet/test"
    assert head["accept-encoding"] == "gzip, br, zstd"
    assert "atom+xml" in head["accept"]
    assert not {"if-none-match", "if-modified-since", "cookie", "authorization", "referer"} & head.keys()


def test_a_head_has_no_body_and_goes_where_it_is_led(server) -> None:
    server.says("/", b"", "302 Found", Location="/there")
    server.says("/there", b"", Content_Length="1000000000", Content_Encoding="gzip")
    answer = get(server, "/", method="HEAD")
    assert (answer.status, answer.url, answer.body) == (200, server.url("/there"), b"")
    assert [head.partition(b" ")[0] for head in server.heads] == [b"HEAD", b"HEAD"]
    server.says("/", b"", "404 Not Found")
    assert isinstance(failure(server, "/", method="HEAD"), HttpStatusError)


def test_a_body_that_nobody_wants_is_not_read(server) -> None:
    server.says("/", b"x", Content_Length="1000000000")
    assert get(server, "/", whole=False).body == b""
    assert "larger than" in str(failure(server, "/"))


def test_validators_go_back_as_they_came(server) -> None:
    server.says("/feed", b"x", ETag='W/"\xe9 not, a "quoted" thing', Last_Modified="yesterday-ish")
    first = get(server, "/feed")
    server.says("/feed", status="304 Not Modified")
    second = get(server, "/feed", etag=first.etag, last_modified=first.last_modified)
    assert (second.status, second.body) == (304, b"")
    assert server.head()["if-none-match"] == 'W/"\xe9 not, a "quoted" thing'
    assert server.head()["if-modified-since"] == "yesterday-ish"


@pytest.mark.parametrize("etag", ["a\r\nX-Injected: 1", "a\nb", "\x00", "日本"])
def test_a_validator_that_never_was_a_header_is_not_sent(server, etag: str) -> None:
    server.says("/feed", b"x")
    assert get(server, "/feed", etag=etag).status == 200
    assert not {"if-none-match", "x-injected"} & server.head().keys()


def test_304_to_an_unconditional_request_is_an_error(server) -> None:
    server.says("/feed", status="304 Not Modified")
    assert "304" in str(failure(server, "/feed"))


@pytest.mark.parametrize(("status", "words", "permanent"), [
    ("400 Bad", "400 Bad Request", True), ("401 No", "401 Unauthorized", True), ("403 No", "403 Forbidden", True),
    ("404 Nope", "404 Not Found", True), ("410 Gone", "410 Gone", True), ("408 Slow", "408 Request Timeout", False),
    ("429 Slow", "429 Too Many Requests", False), ("500 Oops", "500 Internal Server Error", False),
    ("503 Later", "503 Service Unavailable", False), ("302 Found", "302 Found", False),
    ("799 Custom", "799 Custom", False),
])
def test_other_statuses_are_errors_in_words(server, status: str, words: str, permanent: bool) -> None:
    server.says("/feed", b"an error page", status=status)
    error = failure(server, "/feed")
    assert isinstance(error, HttpStatusError)
    assert f"the address answers {words}" in error.cause
    assert (error.status, error.permanent, error.retry_after_s) == (int(status[:3]), permanent, None)


@pytest.mark.parametrize(("value", "seconds"), [
    ("120", 120), ("0", 0), ("Sun, 22 Nov 2026 18:02:00 GMT", 120), ("Sun, 22 Nov 2026 17:00:00 GMT", 0),
    ("999999999", 7 * 24 * 3600), ("9" * 400, None), ("-5", None), ("soon", None), ("", None), ("٣", None),
    ("Sun, 22 Nov 99999 18:02:00 GMT", None),
])
def test_retry_after_is_read_by_the_servers_own_clock(server, value: str, seconds: int | None) -> None:
    raw = value.encode("utf-8").decode("latin-1")
    server.says("/feed", status="429 Slow", Retry_After=raw, Date="Sun, 22 Nov 2026 18:00:00 GMT")
    error = failure(server, "/feed")
    assert isinstance(error, HttpStatusError)
    assert error.retry_after_s == seconds


def test_redirects_are_followed_and_a_permanent_move_is_told(server) -> None:
    server.says("/a", status="301 Moved", Location="/b?x=1")
    server.says("/b?x=1", status="308 Moved", Location=server.url("/c#part"))
    server.says("/c", b"here")
    answer = get(server, "/a")
    assert (answer.body, answer.url, answer.moved_to) == (b"here", server.url("/c"), server.url("/c"))


@pytest.mark.parametrize("order", [("301", "302"), ("302", "301"), ("301", "307"), ("303", "308")])
def test_one_passing_redirect_makes_the_whole_move_passing(server, order: tuple[str, str]) -> None:
    server.says("/a", status=f"{order[0]} x", Location="/b")
    server.says("/b", status=f"{order[1]} x", Location="/c")
    server.says("/c", b"here")
    assert get(server, "/a").moved_to == ""


def test_a_redirect_target_outside_ascii_is_encoded(server) -> None:
    server.says("/a", status="302 x", Location="/å b".encode().decode("latin-1"))
    server.says("/%C3%A5%20b", b"here")
    assert get(server, "/a").body == b"here"


def test_redirects_end(server) -> None:
    server.says("/a", status="301 x", Location="/a")
    error = failure(server, "/a")
    assert isinstance(error, Refused)
    assert "more than 5 times" in error.cause
    assert len(server.heads) == 6


def test_validators_are_not_told_to_another_host(server, canary) -> None:
    server.says("/a", status="302 x", Location="/b")
    server.says("/b", status="302 x", Location=canary.url("/c", host="other.example"))
    canary.says("/c", b"here")
    fetcher = Fetcher("t", QUICK, resolve=lambda _host, _port: ["127.0.0.1"])
    answer = fetcher.fetch(Request(server.url("/a", host="one.example"), etag='"1"', last_modified="x",
                                   allow_networks=LOOPBACK))
    assert answer.body == b"here"
    assert server.head(1)["if-none-match"] == '"1"'
    assert server.head(1)["host"] == f"one.example:{server.port}"
    assert not {"if-none-match", "if-modified-since"} & canary.head().keys()


@pytest.mark.parametrize("location", [
    "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:70/_x", "data:text/plain,x", "javascript:1",
    "http://user:pw@127.0.0.1/", "http://[::1", "//", "http://127.1/", "http://169.254.169.254/latest", "http://[::1]/",
    "http://127.0.0.3:22/",
])
def test_a_redirect_is_held_to_the_same_rules(server, location: str) -> None:
    server.says("/a", status="302 x", Location=location)
    error = failure(server, "/a")
    assert isinstance(error, Refused)
    assert error.permanent


def test_a_body_over_the_cap_is_refused_before_it_is_read(server) -> None:
    server.says("/announced", b"x", Content_Length="99999999999999999999")
    assert "larger than" in failure(server, "/announced").cause

    sent = []
    def endless(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not server.stopping.is_set():
            sock.sendall(b"x" * 10_000)
            sent.append(10_000)
    server.scripts["/endless"] = endless
    error = failure(server, "/endless")
    assert isinstance(error, Refused)
    assert "larger than 97.7 KiB" in error.cause

    server.says("/fits", b"x" * 100_000)
    assert len(get(server, "/fits").body) == 100_000
    server.says("/over", b"x" * 100_001)
    assert isinstance(failure(server, "/over"), Refused)
    server.scripts["/unannounced"] = sending(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 100_001)
    assert isinstance(failure(server, "/unannounced"), Refused)


def test_chunk_framing_counts_as_wire_bytes(server) -> None:
    chunk = b"1;" + b"e" * 3_000 + b"\r\nx\r\n"
    server.scripts["/feed"] = sending(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[chunk] * 200)
    assert isinstance(failure(server, "/feed"), Refused)


@pytest.mark.parametrize("pieces", [
    [b"HTTP/1.1 200 O", *[b"K"] * 200],
    [b"HTTP/1.1 200 OK\r\n", *[b"A: b\r\n"] * 90],
    [b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n", *[b"x"] * 200],
    [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 200],
    [b"HTTP/1.1 200 OK\r\n\r\n", *[b"x"] * 200],
    [b"HTTP/1.1 100 Continue\r\n\r\n"] * 200,
], ids=["status", "headers", "body", "chunks", "until close", "continues"])
def test_a_drip_ends_at_the_deadline(server, pieces: list[bytes]) -> None:
    server.scripts["/drip"] = sending(*pieces, pause=0.02)
    began = time.monotonic()
    error = failure(server, "/drip", Limits(total_s=0.15))
    assert error.cause == "took longer than 0.15 s"
    assert not error.permanent
    assert 0.14 < time.monotonic() - began < 0.4


def test_silence_ends_at_the_deadline(server) -> None:
    server.scripts["/silent"] = sending(then_wait=True)
    assert failure(server, "/silent", Limits(total_s=0.1)).cause == "took longer than 0.1 s"


def test_redirects_share_one_deadline(server) -> None:
    def slow(sock: socket.socket) -> None:
        time.sleep(0.06)
        sock.sendall(b"HTTP/1.1 302 x\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n")
    server.scripts["/a"] = slow
    assert "took longer" in failure(server, "/a", Limits(total_s=0.15)).cause


def test_a_server_that_does_not_take_the_connection() -> None:
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    crowd = []
    for _ in range(4):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(full.getsockname())
        crowd.append(sock)
    fetcher = Fetcher("t", Limits(connect_s=0.1, total_s=2))
    began = time.monotonic()
    with pytest.raises(FetchError, match=r"127\.0\.0\.1 did not take the connection within 0\.1 s"):
        fetcher.fetch(Request(f"http://127.0.0.1:{full.getsockname()[1]}/", allow_networks=LOOPBACK))
    assert time.monotonic() - began < 1
    with pytest.raises(FetchError, match=r"took longer than 0\.1 s"):
        Fetcher("t", Limits(connect_s=2, total_s=0.1)).fetch(
            Request(f"http://127.0.0.1:{full.getsockname()[1]}/", allow_networks=LOOPBACK))
    for sock in [full, *crowd]:
        sock.close()


@pytest.mark.parametrize("flood", [
    b"HTTP/1.1 200 OK\r\n" + b"A: bbbbbbbbbbbbbbbbbbb\r\n" * 3_000,
    b"HTTP/1.1 200 OK\r\nA: " + b"b" * 200_000,
    b"HTTP/1.1 200 " + b"b" * 200_000,
    b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 101 + b"\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
], ids=["many", "long", "status", "101", "continues"])
def test_a_header_flood_is_refused(server, flood: bytes) -> None:
    server.scripts["/flood"] = sending(flood)
    error = failure(server, "/flood")
    assert isinstance(error, Refused)
    assert "headers" in error.cause


def test_headers_are_counted_for_each_answer_of_a_redirect_anew(server) -> None:
    for here, there in (("/a", "/b"), ("/b", "/c")):
        server.says(here, status="301 x", Location=there, X_Long="x" * 6_000)
    server.says("/c", b"here", X_Long="x" * 6_000)
    assert get(server, "/a").body == b"here"
    server.scripts["/c"] = sending(b"HTTP/1.1 200 OK\r\n" + b"A: b" * 10 + b"b" * 30_000)
    assert "headers are larger" in failure(server, "/a").cause


@pytest.mark.parametrize(("sent", "words"), [
    (b"", "closed the connection without an answer"),
    (b"SSH-2.0-OpenSSH_9\r\n\r\n", "does not answer in HTTP"),
    (b"HTTP/1.1 abc OK\r\n\r\n", "does not answer in HTTP"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "broke off after 5 bytes"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "broke off"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "broke off"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\nhello\r\n0\r\n\r\n", "broke"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", "broke"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nhello", "broke"),
])
def test_broken_answers_are_errors_not_short_bodies(server, sent: bytes, words: str) -> None:
    server.scripts["/feed"] = sending(sent)
    error = failure(server, "/feed")
    assert words in error.cause
    assert not error.permanent


def test_a_reset_is_named(server) -> None:
    def reset(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    server.scripts["/feed"] = reset
    assert "the connection with 127.0.0.1 broke" in failure(server, "/feed").cause


def test_a_port_where_nobody_listens(server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(FetchError, match=f"127.0.0.1 refuses connections on port {port}") as caught:
        Fetcher("t", QUICK).fetch(Request(f"http://127.0.0.1:{port}/", allow_networks=LOOPBACK))
    assert not caught.value.permanent


def test_dns_failures_are_named() -> None:
    def failing(code: int) -> Fetcher:
        def resolve(_host: str, _port: int) -> list[str]:
            raise socket.gaierror(code, "in the library's words")
        return Fetcher("t", QUICK, resolve=resolve)
    with pytest.raises(NoSuchHost, match=r"DNS knows no host gone\.example"):
        failing(socket.EAI_NONAME).fetch(Request("http://gone.example/"))
    with pytest.raises(FetchError, match=r"DNS gave no answer for gone\.example"):
        failing(socket.EAI_AGAIN).fetch(Request("http://gone.example/"))
    with pytest.raises(FetchError, match=r"no address for gone\.example"):
        Fetcher("t", QUICK, resolve=lambda _h, _p: []).fetch(Request("http://gone.example/"))


def test_a_hung_resolver_ends_at_the_deadline() -> None:
    release = threading.Event()
    fetcher = Fetcher("t", Limits(total_s=0.1), resolve=lambda _h, _p: ["1.1.1.1"] if release.wait(5) else [])
    began = time.monotonic()
    with pytest.raises(FetchError, match=r"took longer than 0\.1 s"):
        fetcher.fetch(Request("http://slow.example/"))
    assert time.monotonic() - began < 1
    release.set()


def test_many_threads_share_one_fetcher(server, fetcher) -> None:
    for n in range(8):
        server.says(f"/{n}", str(n).encode() * 5_000)
    wrong: list[object] = []

    def work(n: int) -> None:
        for _ in range(5):
            answer = fetcher.fetch(Request(server.url(f"/{n}"), allow_networks=LOOPBACK))
            if answer.body != str(n).encode() * 5_000:
                wrong.append(answer)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert server.connections == 40


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\n\r\nbegun"], ids=["before the headers", "in the body"])
def test_closing_breaks_off_what_is_under_way(server, said: bytes) -> None:
    fetcher = Fetcher("t", Limits(total_s=5))
    arrived = threading.Event()

    def hang(sock: socket.socket) -> None:
        sock.sendall(said)
        arrived.set()
        sock.recv(1)

    server.scripts["/hang"] = hang
    errors: list[FetchError] = []

    def work() -> None:
        try:
            fetcher.fetch(Request(server.url("/hang"), allow_networks=LOOPBACK))
        except FetchError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert arrived.wait(2)
    time.sleep(0.05)
    fetcher.close()
    fetcher.close()
    thread.join(2)
    assert [e.cause for e in errors] == ["fetching has been stopped"]
    with pytest.raises(FetchError, match="stopped"):
        fetcher.fetch(Request(server.url("/hang"), allow_networks=LOOPBACK))


def test_closing_breaks_off_a_connection_that_nobody_takes() -> None:
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    crowd = []
    for _ in range(4):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(full.getsockname())
        crowd.append(sock)
    fetcher = Fetcher("t", Limits(connect_s=5, total_s=5))
    stopping = threading.Timer(0.1, fetcher.close)
    stopping.start()
    began = time.monotonic()
    with pytest.raises(FetchError, match="stopped"):
        fetcher.fetch(Request(f"http://127.0.0.1:{full.getsockname()[1]}/", allow_networks=LOOPBACK))
    assert time.monotonic() - began < 2
    stopping.join()
    for sock in [full, *crowd]:
        sock.close()


def test_only_so_many_large_bodies_grow_at_once_and_small_ones_do_not_wait(server) -> None:
    arrived, going_on = threading.Semaphore(0), threading.Event()

    def half(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (LARGE_BYTES + 2) + bytes(LARGE_BYTES + 1))
        arrived.release()
        going_on.wait(5)
        sock.sendall(b"x")

    server.scripts["/large"] = half
    server.says("/edge", bytes(LARGE_BYTES))
    fetcher = Fetcher("t", Limits(total_s=5))
    grown: list[int] = []

    def large() -> None:
        grown.append(len(fetcher.fetch(Request(server.url("/large"), allow_networks=LOOPBACK)).body))

    threads = [threading.Thread(target=large) for _ in range(LARGE_AT_ONCE)]
    for thread in threads:
        thread.start()
        assert arrived.acquire(timeout=3)
    deadline = time.monotonic() + 3
    while fetcher._large.acquire(blocking=False):  # their last bytes are still on the way
        fetcher._large.release()
        assert time.monotonic() < deadline
    assert len(fetcher.fetch(Request(server.url("/edge"), allow_networks=LOOPBACK)).body) == LARGE_BYTES
    fetcher._limits = Limits(total_s=0.2)
    with pytest.raises(FetchError, match="other large answers") as caught:
        large()
    assert not caught.value.permanent
    going_on.set()
    for thread in threads:
        thread.join(3)
    assert grown == [LARGE_BYTES + 2] * LARGE_AT_ONCE
    fetcher._limits = Limits(total_s=5)
    for _ in range(LARGE_AT_ONCE + 1):
        large()


def test_refused_bombs_give_their_place_back(server) -> None:
    server.says("/bomb", gzip.compress(bytes(LARGE_BYTES * 2)), Content_Encoding="gzip")
    fetcher = Fetcher("t", Limits(total_s=5, decoded_bytes=LARGE_BYTES + 70_000))
    for _ in range(LARGE_AT_ONCE + 1):
        with pytest.raises(Refused, match="unpacks to more"):
            fetcher.fetch(Request(server.url("/bomb"), allow_networks=LOOPBACK))
