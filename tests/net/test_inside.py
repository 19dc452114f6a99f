"""Nothing that a source can say makes us connect to the inside: literals, odd literals, names, redirects, rebinding.

Each form is tried on each route (`inside.py`) against a canary on this machine, and an audit hook watches every
connection that the process tries to make; once more in a network namespace, where all addresses of the world lead to
the canary. The positive controls show that it would be reached without the guard.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import FetchError, Refused
from pipeline.net.fetch import Fetcher, Limits, Request

QUICK = Limits(connect_s=0.5, total_s=1)
ELSEWHERE = ("203.0.113.0/24",)  # frees the port, so that only the address can be the reason
PROGRAM = Path(__file__).with_name("inside.py")
_spec = importlib.util.spec_from_file_location("inside", PROGRAM)
assert _spec is not None
assert _spec.loader is not None
inside = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(inside)
FORMS = inside.FORMS

ADDRESSES = """
127.0.0.1 127.0.0.2 0.0.0.0 169.254.169.254 10.0.0.5 100.100.100.200 168.63.129.16 192.0.0.192 224.0.0.1
255.255.255.255 ::1 :: ::127.0.0.1 ::ffff:127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::7f00:1 2002:7f00:1:: 2001:0:7f00:1::1
fe80::1 fe80::1%lo fec0::1 fd00::1 ff02::1 127.1 0x7f000001 localhost 2a00:1450::5efe:7f00:1 2606:4700::1111%lo
""".split()


class Watch:
    """Every address that this process tries to connect to while the watch is on."""

    def __init__(self) -> None:
        self.on = False
        self.tried: list[object] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[object, ...]) -> None:
        if self.on and event == "socket.connect":
            self.tried.append(args[1])


_watch = Watch()  # an audit hook can't be taken away again, so there is one


@pytest.fixture
def watch() -> Iterator[Watch]:
    _watch.tried.clear()
    _watch.on = True
    yield _watch
    _watch.on = False


def test_there_are_enough_forms() -> None:
    assert len(set(FORMS)) >= 100


@pytest.mark.parametrize("route", inside.ROUTES)
def test_no_form_of_an_address_leads_inside_on_any_route(route: str, canary, watch) -> None:
    """127.0.0.2 plays the public web: the one network that the request names, and so its ports are free."""
    try:
        public = inside.Web(("127.0.0.2", 0))
    except OSError:
        pytest.skip("this system has only one loopback address; the namespace test tries the same")
    place = inside.Place(public, canary.port, allow=("127.0.0.2/32",))
    try:
        for form in FORMS:
            if form == public.host:
                continue
            said = inside.attempt(place, route, form)
            assert said or route == "mixed answers", f"{form} was answered"
            assert {address[0] for address in watch.tried} <= {public.host}, form
    finally:
        public.close()
    assert canary.connections == 0


@pytest.mark.slow
def test_in_a_namespace_where_every_address_is_the_canary_none_is_reached(need) -> None:
    alone = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-r", "-n"]
    for program in ("unshare", "ip"):
        need(shutil.which(program), f"a namespace needs {program} (apt-get install util-linux iproute2)")
    may = subprocess.run([*alone, "true"], capture_output=True, text=True, check=False)
    need(may.returncode == 0, f"no network namespace may be made here: {may.stderr.strip()}")
    done = subprocess.run([*alone, sys.executable, str(PROGRAM)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["forms"] * len(found["routes"]) >= 60 * 6

    reached = found["unguarded"]["reached"]
    print(f"without the guard, {found['forms']} forms on each route reached the canary: {reached}")
    assert min(reached.values()) > 80, "the positive control"
    assert found["guarded"] == {"reached": dict.fromkeys(found["routes"], 0), "answered": []}
    assert found["closed ports of the public server"] == 0


@pytest.mark.parametrize("ip", ADDRESSES)
def test_a_name_can_not_point_to_the_inside(ip: str, canary, watch) -> None:
    fetcher = Fetcher("t", QUICK, resolve=lambda _host, _port: [ip])
    with pytest.raises(Refused):
        fetcher.fetch(Request(f"http://feed.example:{canary.port}/", allow_networks=ELSEWHERE))
    assert (canary.connections, watch.tried) == (0, [])


def test_of_mixed_answers_only_the_public_one_is_used(outside, canary, watch) -> None:
    outside.says("/", b"public")
    fetcher = Fetcher("t", QUICK, resolve=lambda _host, _port: ["127.0.0.1", "::1", "10.0.0.5", "127.0.0.2"])
    answer = fetcher.fetch(Request(f"http://feed.example:{outside.port}/", allow_networks=("127.0.0.2/32",)))
    assert answer.body == b"public"
    assert watch.tried == [("127.0.0.2", outside.port)]


def test_a_name_that_changes_its_mind_is_held_to_what_was_checked(outside, canary, watch) -> None:
    """DNS rebinding: the first answer is harmless, every later one is the inside."""
    answers = iter([["127.0.0.2"]])
    asked = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return next(answers, ["127.0.0.1"])

    outside.says("/", b"public")
    fetcher = Fetcher("t", QUICK, resolve=resolve)
    request = Request(f"http://rebind.example:{outside.port}/", allow_networks=("127.0.0.2/32",))
    assert fetcher.fetch(request).body == b"public"
    assert asked == ["rebind.example"], "one look-up a hop: what was checked is what was connected to"
    with pytest.raises(Refused):
        fetcher.fetch(request)
    assert watch.tried == [("127.0.0.2", outside.port)]


def test_each_hop_is_resolved_and_checked_anew(outside, canary, watch) -> None:
    outside.says("/feed", status="301 x", Location=f"http://feed.example:{outside.port}/next")
    answers = iter([["127.0.0.2"]])
    fetcher = Fetcher("t", QUICK, resolve=lambda _host, _port: next(answers, ["127.0.0.1"]))
    with pytest.raises(Refused):
        fetcher.fetch(Request(f"http://feed.example:{outside.port}/feed", allow_networks=("127.0.0.2/32",)))
    assert canary.connections == 0


def test_proxies_of_the_environment_are_ignored(outside, canary, watch, monkeypatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, canary.url("/"))
    outside.says("/", b"direct")
    answer = Fetcher("t", QUICK).fetch(Request(outside.url("/"), allow_networks=("127.0.0.2/32",)))
    assert answer.body == b"direct"
    assert watch.tried == [(outside.host, outside.port)]


def test_without_allow_networks_no_port_helps(canary, watch) -> None:
    fetcher = Fetcher("t", QUICK)
    for form in FORMS:
        with pytest.raises(Refused):
            fetcher.fetch(Request(f"http://{form}/"))
    assert watch.tried == []


def test_control_the_canary_is_reachable_and_the_watch_awake(canary, watch) -> None:
    """Positive control: the same forms, through a client without a guard."""
    reached = []
    for form in FORMS:
        if "%" in form or form.endswith("."):
            continue  # would only ask a name server
        try:
            ip = socket.getaddrinfo(form.strip("[]"), canary.port, type=socket.SOCK_STREAM)[0][4][0]
            if ip in ("127.0.0.1", "0.0.0.0", "::ffff:127.0.0.1"):
                socket.create_connection((form.strip("[]"), canary.port), timeout=0.5).close()
                reached.append(form)
        except (OSError, UnicodeError):
            continue
    print(f"without the guard {len(reached)} of {len(FORMS)} forms reach the canary: {' '.join(reached)}")
    assert {"127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1"} <= set(reached)
    assert len(watch.tried) >= len(reached)


def test_control_a_named_network_does_reach_it(canary, watch) -> None:
    canary.says("/secret", b"inside")
    answer = Fetcher("t", QUICK).fetch(Request(canary.url("/secret"), allow_networks=("127.0.0.0/8",)))
    assert answer.body == b"inside"
    assert canary.connections == 1


def test_tls_goes_to_the_checked_address_under_the_name(tls_server, watch, tls) -> None:
    tls_server.says("/", b"secret")
    fetcher = Fetcher("t", QUICK, resolve=lambda _host, _port: ["127.0.0.1"], tls=tls)
    answer = fetcher.fetch(Request(tls_server.url("/", "lantern.example"), allow_networks=("127.0.0.1/32",)))
    assert answer.body == b"secret"
    assert tls_server.server_names == ["lantern.example"]
    assert tls_server.head()["host"] == f"lantern.example:{tls_server.port}"
    assert watch.tried == [("127.0.0.1", tls_server.port)]


def test_a_certificate_of_another_name_or_of_nobody_known_is_refused(tls_server, tls) -> None:
    tls_server.says("/", b"secret")
    for host, context, words in (("other.example", tls, "Hostname mismatch"), ("lantern.example", None, "self.signed")):
        fetcher = Fetcher("t", QUICK, resolve=lambda _host, _port: ["127.0.0.1"], tls=context)
        with pytest.raises(FetchError, match=f"the certificate of {host} is not valid.*{words}"):
            fetcher.fetch(Request(tls_server.url("/", host), allow_networks=("127.0.0.1/32",)))
    assert tls_server.heads == []


def test_https_to_a_plain_server_and_a_stalled_handshake() -> None:
    fetcher = Fetcher("t", Limits(total_s=0.2))
    stalled = socket.create_server(("127.0.0.1", 0))
    began = time.monotonic()
    with pytest.raises(FetchError, match=r"took longer than 0\.2 s"):
        fetcher.fetch(Request(f"https://127.0.0.1:{stalled.getsockname()[1]}/", allow_networks=("127.0.0.1/32",)))
    assert time.monotonic() - began < 2
    stalled.close()

    plain = socket.create_server(("127.0.0.1", 0))
    def answer() -> None:
        sock, _ = plain.accept()
        with sock:
            sock.recv(10_000)
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.raises(FetchError, match="no TLS connection with 127"):
        fetcher.fetch(Request(f"https://127.0.0.1:{plain.getsockname()[1]}/", allow_networks=("127.0.0.1/32",)))
    thread.join()
    plain.close()


def test_a_drip_over_tls_ends_at_the_deadline(tls_server, tls) -> None:
    def drip(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not tls_server.stopping.wait(0.02):
            sock.sendall(b"x")

    tls_server.scripts["/"] = drip
    fetcher = Fetcher("t", Limits(total_s=0.2), resolve=lambda _host, _port: ["127.0.0.1"], tls=tls)
    with pytest.raises(FetchError, match=r"took longer than 0\.2 s"):
        fetcher.fetch(Request(tls_server.url("/", "lantern.example"), allow_networks=("127.0.0.1/32",)))


def test_from_https_never_down_to_http(tls_server, canary, tls) -> None:
    tls_server.says("/", status="301 x", Location=canary.url("/"))
    fetcher = Fetcher("t", QUICK, resolve=lambda _host, _port: ["127.0.0.1"], tls=tls)
    with pytest.raises(Refused, match="redirects from https to http"):
        fetcher.fetch(Request(tls_server.url("/", "lantern.example"), allow_networks=("127.0.0.1/32",)))
    assert canary.connections == 0


def test_up_to_https_is_a_move(server, tls_server, tls) -> None:
    server.says("/", status="301 x", Location=tls_server.url("/", "lantern.example"))
    tls_server.says("/", b"safe")
    fetcher = Fetcher("t", QUICK, resolve=lambda _host, _port: ["127.0.0.1"], tls=tls)
    answer = fetcher.fetch(Request(server.url("/", "lantern.example"), etag='"1"', allow_networks=("127.0.0.1/32",)))
    assert answer.moved_to == tls_server.url("/", "lantern.example")
    assert tls_server.head()["if-none-match"] == '"1"', "the same host: its validators still mean something"
