"""Every way in which somebody's words could lead us inside, tried on a client: each form of an address on each route.

`Place` is a small internet: a public server, a canary on everything inside, and DNS that answers what a test says.
A route makes the place's client meet one form of an address; a new way for addresses to reach the client (a page's
link, robots.txt, a hub) is one more function in ROUTES. Run as a program in a network namespace of its own
(`unshare -n`), where every address of the world is this machine, it prints what the canary saw as JSON.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from itertools import chain, repeat
from typing import Protocol
from urllib.parse import urljoin, urlsplit

from pipeline.errors import FetchError
from pipeline.net.fetch import Fetcher, Limits, Request, Response
from pipeline.net.names import by_system

# every one of these is this machine, or its inside, to some resolver, some parser or some stack
FORMS = """
127.0.0.1 127.0.0.2 127.255.255.254 localhost LOCALHOST localhost. localhost.. ⓛocalhost ｌｏｃａｌｈｏｓｔ loc%61lhost
2130706433 0x7f000001 0X7F000001 017700000001 0177.0.0.1 0177.0.0.01 00000177.0.0.1 0x7f.0.0.1 0x7f.0x0.0x0.0x1 127.1
127.0.1 127.0x1 0177.1 127.0.0.1. 127.0.0.1.. ①②⑦.⓪.⓪.① 127。0。0。1 127．0．0．1 １２７.0.0.1 ١٢٧.٠.٠.١ 127.0.0.1。
%31%32%37.0.0.1 127.0.0.1%00 127.0.0.1%2f 127%2e0%2e0%2e1 0 0.0.0.0 0x0 00 0.0.0.1 user@127.0.0.1 :@127.0.0.1
feed.example@127.0.0.1 feed.example:80@127.0.0.1 127.0.0.1\\@feed.example 127.0.0.1\t feed.example%40127.0.0.1
[::1] [0:0:0:0:0:0:0:1] [::] [::127.0.0.1] [::7f00:1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::FFFF:127.0.0.1]
[0:0:0:0:0:ffff:127.0.0.1] [::ffff:0:127.0.0.1] [::ffff:127.1] [::1].feed.example feed.example[::1] [::1%25lo] [::1%lo]
[64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b::a9fe:a9fe] [64:ff9b:1::127.0.0.1] [64:ff9b:1:7f00:0:1::]
[2002:7f00:1::] [2002:7f00:0001::1] [2002:a9fe:a9fe::] [2001:0:7f00:1::1] [2001::80ff:fffe] [2001:0:4136::5601:5601]
[2a00:1450::5efe:7f00:1] [2a00:1450::200:5efe:169.254.169.254] [fe80::5efe:10.0.0.5] [fe80::1] [fe80::1%25lo] [fec0::1]
[fc00::1] [fd00:ec2::254] [fd20:ce::254] [ff02::1] [100::1] [100:0:0:1::1] [5f00::1] [2001:db8::1] [3fff::1] [4000::1]
[::ffff:a9fe:a9fe] [::169.254.169.254] 169.254.169.254 0xa9fea9fe 2852039166 0251.0376.0251.0376 169.254.43518
169.254.0xa9fe ①⑥⑨.②⑤④.①⑥⑨.②⑤④ 169.254.169.254. 169.254.170.2 168.63.129.16 100.100.100.200 192.0.0.192 100.64.0.1
10.0.0.5 012.0.0.5 167772165 0x0a000005 10.5 172.16.0.1 172.31.255.254 192.168.0.1 0300.0250.0.1 192.168.1 198.18.0.1
192.0.2.1 192.88.99.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
""".split()
FORMS += ["127.0.0.1\t", "127.0.0.1 ", "\t127.0.0.1"]

PUBLIC = "93.184.216.34"  # plays the public web, in a namespace that nothing leaves
FEED = "feed.example"
CLOSED_PORTS = (22, 25, 6379)
INSIDE_PORTS = (80, 443, 8080, *CLOSED_PORTS)
QUICK = Limits(connect_s=0.5, total_s=1)


class Client(Protocol):
    def fetch(self, request: Request) -> Response: ...


class Web:
    """Answers each path with bytes; counts who comes. Without paths it is a canary: nobody should."""

    def __init__(self, *addresses: tuple[str, int]) -> None:
        self.answers: dict[str, bytes] = {}
        self.connections = 0
        self.listening = [_listener(host, port) for host, port in addresses]
        self.host, self.port = self.listening[0].getsockname()[:2]
        self.threads = [threading.Thread(target=self._accept, args=(sock,), daemon=True) for sock in self.listening]
        for thread in self.threads:
            thread.start()

    def says(self, path: str, body: bytes = b"", status: str = "200 OK", **headers: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]
        self.answers[path] = "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def close(self) -> None:
        for sock in self.listening:
            sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self.threads:
            thread.join(2)

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            self.connections += 1
            with sock:
                sock.settimeout(1)
                try:
                    path = sock.recv(16_384).split(b" ")[1].decode("latin-1") if self.answers else "/"
                    sock.sendall(self.answers.get(path, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret"))
                except (OSError, IndexError):
                    continue


class Place:
    """`client` asks through this place's DNS; `public` is what it may reach, under the networks in `allow`."""

    def __init__(self, public: Web, port: int, allow: tuple[str, ...] = (), *, guarded: bool = True) -> None:
        self.public = public
        self.port = port  # where the canary listens on everything inside
        self.allow = allow
        self.dns: dict[str, Iterator[list[str]]] = {}
        self.client: Client = Fetcher("t", QUICK, resolve=self.resolve) if guarded else Unguarded(self.resolve)

    def resolve(self, host: str, port: int) -> list[str]:
        return next(self.dns[host]) if host in self.dns else list(by_system(host, port))

    def ask(self, url: str) -> Response:
        return self.client.fetch(Request(url, allow_networks=self.allow))


class Unguarded:
    """The positive control: what a client does that trusts its parser, its resolver and every redirect."""

    def __init__(self, resolve: Callable[[str, int], list[str]]) -> None:
        self.resolve = resolve

    def fetch(self, request: Request) -> Response:
        url = request.url
        for _ in range(3):
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or 80
            answer = b""
            for ip in self.resolve(host, port):
                try:
                    with socket.create_connection((ip, port), timeout=0.5) as sock:
                        sock.sendall(f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1"))
                        while data := sock.recv(4096):
                            answer += data
                    break
                except OSError:
                    continue
            location = next((line[10:] for line in answer.split(b"\r\n") if line.startswith(b"Location: ")), b"")
            if not location:
                break
            url = urljoin(url, location.decode())
        return Response(url, 200, answer, "", "", "", {})


def first(place: Place, form: str) -> None:
    place.ask(f"http://{form}:{place.port}/secret")


def first_tls(place: Place, form: str) -> None:
    place.ask(f"https://{form}:{place.port}/secret")


def redirect(place: Place, form: str) -> None:
    place.public.says("/feed", status="302 Found", Location=f"http://{form}:{place.port}/secret")
    place.ask(f"http://{place.public.host}:{place.public.port}/feed")


def redirect_without_scheme(place: Place, form: str) -> None:
    place.public.says("/feed", status="308 Found", Location=f"//{form}:{place.port}/secret")
    place.ask(f"http://{place.public.host}:{place.public.port}/feed")


def dns_a(place: Place, form: str) -> None:
    place.dns[FEED] = repeat([form.strip("[]")])
    place.ask(f"http://{FEED}:{place.port}/")


def dns_aaaa(place: Place, form: str) -> None:
    """IPv6 answers as they are, IPv4 ones in each disguise that an IPv6 address knows."""
    try:
        number = int(IPv4Address(form))
    except ValueError:
        answers = [form.strip("[]")]
    else:
        high, low = number >> 16, number & 0xFFFF
        answers = [f"::ffff:{form}", f"::{form}", f"::ffff:0:{form}", f"64:ff9b::{form}", f"64:ff9b:1::{form}",
                   f"2002:{high:x}:{low:x}::1", f"2001::{high ^ 0xFFFF:x}:{low ^ 0xFFFF:x}", f"2a00:1450::5efe:{form}"]
    place.dns[FEED] = repeat(answers)
    place.ask(f"http://{FEED}:{place.port}/")


def mixed(place: Place, form: str) -> None:
    """The public address among them is taken, before and after; where nobody listens there, nothing is."""
    inside = form.strip("[]")
    place.public.says("/", b"public")
    for answers in ([inside, place.public.host], [place.public.host, inside]):
        place.dns[FEED] = repeat(answers)
        for port in (place.public.port, place.port):
            answer = place.ask(f"http://{FEED}:{port}/")
            assert answer.body == b"public", f"{answers} {port}: {answer.body!r}"


def rebinding(place: Place, form: str) -> None:
    """The first look-up is harmless, each later one is the inside."""
    place.public.says("/feed", status="301 Moved", Location=f"http://{FEED}:{place.port}/secret")
    place.dns[FEED] = chain([[place.public.host]], repeat([form.strip("[]")]))
    place.ask(f"http://{FEED}:{place.public.port}/feed")


Route = Callable[[Place, str], None]
ROUTES: dict[str, Route] = {
    "first": first, "first over TLS": first_tls, "redirect": redirect,
    "redirect without a scheme": redirect_without_scheme, "DNS A": dns_a, "DNS AAAA": dns_aaaa,
    "mixed answers": mixed, "rebinding": rebinding,
}


def attempt(place: Place, route: str, form: str) -> str:
    """Walk one route; what came of it in words, "" where the client got an answer."""
    try:
        ROUTES[route](place, form)
    except FetchError as error:
        return str(error)
    except (OSError, ValueError, AssertionError) as error:  # of the unguarded one
        return repr(error)
    return ""


def _listener(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if host == "::" or port:  # in the namespace: all addresses beside the public one, of both families
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if host == "::":
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind((host, port))
    sock.listen(128)
    return sock


def in_a_namespace() -> dict[str, object]:
    """All forms on all routes, unguarded first, where every address leads to the canary."""
    for command in ("link set lo up", "addr add 169.254.169.254/32 dev lo", "addr add 10.0.0.5/32 dev lo",
                    f"addr add {PUBLIC}/32 dev lo", "route add local 0.0.0.0/0 dev lo",
                    "-6 route add local ::/0 dev lo"):
        subprocess.run(["ip", *command.split()], check=True)
    os.environ.update(dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "ALL_PROXY"), "http://10.0.0.5:8080/"))
    public = Web((PUBLIC, 80))
    canary = Web(*(("::", port) for port in INSIDE_PORTS))
    found: dict[str, object] = {"forms": len(FORMS), "routes": list(ROUTES)}
    for client in ("unguarded", "guarded"):
        place = Place(public, 80, guarded=client == "guarded")
        reached = dict.fromkeys(ROUTES, 0)
        answered = []
        for route in ROUTES:
            for form in FORMS:
                before = canary.connections
                said = attempt(place, route, form)
                reached[route] += canary.connections > before
                if not said and route != "mixed answers":
                    answered.append(f"{route}: {form}")
        found[client] = {"reached": reached, "answered": answered}
    canary.connections = 0
    for port in CLOSED_PORTS:
        place = Place(public, port)
        place.dns[FEED] = repeat([PUBLIC])
        for host in (PUBLIC, FEED):
            attempt(place, "first", host)
    found["closed ports of the public server"] = canary.connections
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(in_a_namespace()))
