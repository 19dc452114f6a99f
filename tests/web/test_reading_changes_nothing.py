"""PROMISES 9: every route and every link, with GET and HEAD, and the database is the same; headers on all answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from starlette.routing import Match, Route

from pipeline.mail.tokens import PREFERENCES
from pipeline.store import sources, websub

SITE = "http://127.0.0.1:8000"
FORM = {"content-type": "application/x-www-form-urlencoded"}
HUB_ASKS = [f"/websub/{token}?hub.topic=topic&hub.challenge=x&hub.mode={mode}"
            for token in ("t" * 32, "u" * 32) for mode in ("subscribe", "unsubscribe", "denied")]


def test_no_get_or_head_changes_anything(house: Any, served: Callable[[], HTTPConnection]) -> None:
    with house.app.store.write() as connection:
        source = next(iter(sources.states(connection).values()))
        websub.add(connection, source.id, "https://hub.example.org/", "topic", "t" * 32, "s" * 43, house.app.now())
    before = house.data_digest()
    raw = house.get(f"{house.mail_path}/raw").text.replace("=\n", "").replace("=3D", "=")
    links = re.findall(rf"{SITE}(/[^\s\"<>]*)", raw)
    assert f"/u/{house.token()}" in links
    own_page = f"/p/{house.app.keyring.sign(PREFERENCES, '1')}"
    assert own_page in links
    connection = served()
    queue = ["/", "/hooks/ses", "/robots.txt", "/healthz", "/favicon.ico", "/feeds", "/feeds/all/nothing.xml",
             "/nothing", "/sitemap.xml", "/sitemaps/nothing.xml", f"/i/{'0' * 32}.png",
             "/n/beacon", "/n/lamp/", "/a/99", "/u/wrong", "/p/wrong", *HUB_ASKS,
             f"{own_page}?shown=schedule&schedule=daily", f"/p/{house.app.keyring.sign(PREFERENCES, '99')}",
             f"/u/{house.token(99)}", *links]
    seen: dict[str, int] = {}
    while queue:
        path = queue.pop()
        if path in seen:
            continue
        for method in ("HEAD", "GET"):
            connection.request(method, path)
            answer = connection.getresponse()
            body = answer.read()
            assert_safe(path, answer.status, dict(answer.headers.items()))
        seen[path] = answer.status
        assert answer.status < 500, path
        if answer.headers.get("content-type", "").startswith("text/html"):
            found = re.findall(r'(?:href|src|action)="([^"#]+)', unescape(body.decode()))
            queue += [bare for link in found if (bare := within(link))]
        if location := answer.headers.get("location"):
            queue.append(location.partition("#")[0])
    readable = {r.path for r in house.web.routes if isinstance(r, Route) and "GET" in (r.methods or ())}
    assert readable == routes_of(house, seen)
    assert len(seen) > 25
    assert house.data_digest() == before


def test_the_walk_would_see_a_change(house: Any) -> None:
    before = house.data_digest()
    house.ask("POST", f"/p/{house.app.keyring.sign(PREFERENCES, '1')}", FORM, b"shown=schedule&schedule=daily")
    changed = house.data_digest()
    assert changed != before
    house.ask("POST", f"/u/{house.token()}")
    assert house.data_digest() != changed


def within(link: str) -> str:
    """The path of a link to this site, or ""."""
    link = link.removeprefix(SITE)
    return link if link.startswith("/") and not urlsplit(link).netloc else ""


def routes_of(house: Any, paths: dict[str, int]) -> set[str]:
    """The routes that these paths lead to."""
    found = set()
    for path in paths:
        scope = {"type": "http", "method": "GET", "path": urlsplit(path).path, "root_path": ""}
        matching = [r.path for r in house.web.routes if r.matches(scope)[0] is Match.FULL]
        found.update(matching[:1])
    return found


def assert_safe(path: str, status: int, headers: dict[str, str]) -> None:
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy, path
    assert "script-src" not in policy, path
    assert "frame-ancestors 'none'" in policy, path
    assert headers["x-content-type-options"] == "nosniff", path
    assert headers["referrer-policy"] == "no-referrer", path
    assert "set-cookie" not in headers, path
    assert "server" not in headers, path
    assert status == 304 or headers.get("cache-control"), path
