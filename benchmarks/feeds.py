"""Feeds for the benchmarks of collecting, and a web server that hands them out.

Real feeds where there is a folder of them, else made-up ones. Each copy of a feed is salted in guid, address and title,
so that no article of one is a duplicate of another's. Each has an address of its own on 127.0.0.0/8: polite programs
space their requests to one host.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import multiprocessing
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from email.utils import format_datetime
from html import escape
from pathlib import Path
from typing import Any

from measure import NOW, article_html, prose

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpora" / "feeds"
MADE_UP = 60            # feeds, where there are no real ones
ARTICLES, WORDS_EACH = 20, 150

_NAMESPACE = re.compile(rb"""\sxmlns(?::[\w.-]+)?\s*=\s*(?:"[^"]*"|'[^']*')""")
_IDENTITY = re.compile(rb"""(<(?:title|guid)[^>]*>(?:\s*<!\[CDATA\[)?|<id>|"(?:id|guid|title)"\s*:\s*")""")


def salted(count: int) -> list[bytes]:
    """`count` feeds' bytes: the first copy of each, then the second …"""
    real = [path.read_bytes() for path in sorted(CORPUS.glob("*.xml"))] if CORPUS.is_dir() else []
    originals = real or [made_up(number, ARTICLES) for number in range(MADE_UP)]
    return [_salted(originals[n % len(originals)], n // len(originals)) for n in range(count)]


def made_up(number: int, count: int) -> bytes:
    """An RSS file of a made-up blog; no two share a guid, an address or their words."""
    rng = random.Random(number)
    items = "".join(
        f"<item><title>{prose(rng, 6)}</title><link>https://blog-{number}.example/{n}</link>"
        f'<guid isPermaLink="false">blog-{number}-{n}</guid>'
        f"<pubDate>{format_datetime(NOW - timedelta(hours=n))}</pubDate><author>ines@blog.example (Ines Holm)</author>"
        f"<category>quay</category><description>{escape(article_html(rng, WORDS_EACH))}</description></item>"
        for n in range(count)
    )
    return (f'<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>Blog {number}</title>'
            f"<link>https://blog-{number}.example/</link><description>Made up</description>{items}</channel></rss>"
            ).encode()


def address(number: int, port: int) -> str:
    """Where feed `number` is served: each has a host of its own."""
    return f"http://127.{1 + number // 65_025}.{number // 255 % 255}.{number % 255 + 1}:{port}/{number}"


@contextmanager
def served(bodies: Sequence[bytes], *, changing: int = 0) -> Iterator[int]:
    """A web server in a process of its own, so that it does not share our interpreter's lock; its port. It speaks gzip
    and ETag, and closes each connection like most servers of feeds when asked to. With `changing`, one feed in so many
    has a new ETag, and one more article, each time it is asked."""
    context = multiprocessing.get_context("spawn")
    ready, told = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(list(bodies), changing, told), daemon=True)
    process.start()
    try:
        if not ready.poll(60):
            raise AssertionError("the server did not start")
        yield ready.recv()
    finally:
        process.terminate()
        process.join(10)


def _salted(body: bytes, copy: int) -> bytes:
    if not copy:
        return body
    salt = f"copy{copy}".encode()
    kept: list[bytes] = []

    def away(match: re.Match[bytes]) -> bytes:  # a namespace is a name, whatever it looks like
        kept.append(match[0])
        return b" \x00"

    text = _NAMESPACE.sub(away, body)
    text = _IDENTITY.sub(rb"\1" + salt + b" ", text) if not text.lstrip().startswith(b"{") else _IDENTITY.sub(
        rb"\1" + salt + b"-", text)
    text = re.sub(rb"(https?:(?:\\?/){2})(?=[A-Za-z0-9])", rb"\1" + salt + b".", text)
    texts = iter(kept)
    return re.sub(rb" \x00", lambda _m: next(texts), text)


def _serve(bodies: list[bytes], changing: int, told: Any) -> None:
    def answer_of(body: bytes) -> tuple[bytes, bytes, bytes, bytes]:
        etag = b'"' + hashlib.sha256(body).hexdigest()[:16].encode() + b'"'
        packed = gzip.compress(body, 6, mtime=0)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nETag: %b\r\nConnection: close\r\n" % etag
        return (
            etag, head + b"Content-Length: %d\r\n\r\n" % len(body) + body,
            head + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed,
            b"HTTP/1.1 304 Not Modified\r\nETag: %b\r\nConnection: close\r\n\r\n" % etag,
        )

    answers = [answer_of(body) for body in bodies]
    times: Counter[int] = Counter()

    def current(number: int) -> tuple[bytes, bytes, bytes, bytes]:
        if changing and number % changing == 0:
            times[number] += 1
            more = made_up(10**6 * times[number] + number, 1).partition(b"<item>")[2].rpartition(b"</item>")[0]
            return answer_of(bodies[number].replace(b"<item>", b"<item>" + more + b"</item><item>", 1))
        return answers[number]

    class Answer(asyncio.Protocol):
        def __init__(self) -> None:
            self.asked = b""

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.asked += data
            if b"\r\n\r\n" not in self.asked:
                return
            number = re.match(rb"GET /(\d+)", self.asked)
            if not number:  # robots.txt and the like
                self.transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            else:
                etag, plain, packed, same = current(int(number[1]))
                self.transport.write(same if etag in self.asked else
                                     packed if b"gzip" in self.asked else plain)
            self.transport.close()

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Answer, "0.0.0.0", 0, backlog=512)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())
