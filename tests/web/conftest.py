"""A small site that has collected, published, composed and delivered once; each test gets its own copy."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.applications import Starlette

from pipeline.app import App, open_app
from pipeline.audience.subscriptions import Request, add
from pipeline.config import load
from pipeline.jobs.declare import declare
from pipeline.jobs.steps import cycle
from pipeline.jobs.worker import working
from pipeline.mail.tokens import UNSUBSCRIBE, load_or_create
from pipeline.model.newsletters import Digest
from pipeline.store import digests, subscribers
from pipeline.store.engine import Store
from pipeline.web.app import bind, build, server

NOW = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)  # a Monday; in Stockholm 08:30

CONFIG = """
config_version = 1

[site]
title = "The <Beacon>"
description = "News & notes from the quay"
public_url = "http://127.0.0.1:8000"
timezone = "Europe/Stockholm"
postal_address = false
demo = true

[store]
url = "sqlite:///data/site.db"

[[sources]]
slug = "desk"
title = "The quay's desk"
folder = "articles"

[[feeds]]
slug = "all"
title = "Everything <new>"
description = "Each article"
former = ["everything"]

[[feeds]]
slug = "tide"
title = "The tide"
select = { topics = ["tide"] }

[[newsletters]]
slug = "beacon"
title = "The Beacon"
description = "By mail"
former = ["lamp"]

  [[newsletters.schedules]]
  slug = "daily"
  at = "08:00"

  [[newsletters.schedules]]
  slug = "weekly"
  at = "Mon 08:00"
  default = true

[preflight]
links = false
spam = "off"
[mail]
sender = "The Beacon <news@beacon.example>"
reply_to = "desk@beacon.example"

[web]
listen = "127.0.0.1:0"
"""

FERRY = """---
title: The last ferry & the first
author: Ines Holm
topics: [quay]
---
The boat that leaves at *midnight* is the one that comes back at six.

## What it carries

- Bread
- Letters
- <script>alert(1)</script>
"""

TIDE = """---
title: A tide table made by hand
author: Tove Lind
topics: [tide]
---
Every page of it was drawn with the same pen, and every page is right.
"""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(frozen=True)
class House:
    """A site's parts for one test. `ask` calls the application itself, without a server in between."""

    app: App
    folder: Path

    @functools.cached_property
    def web(self) -> Starlette:
        return build(self.app)

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers)

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        return asyncio.run(asked(self.web, method, path, headers or {}, body))

    @property
    def digest(self) -> Digest:
        with self.app.store.read() as connection:
            return digests.listed(connection, newsletter="beacon")[0]

    @property
    def digest_path(self) -> str:
        return f"/n/beacon/{self.digest.name}"

    @property
    def mail_path(self) -> str:
        """Of the mail to the person whose subscription is number 1; the demo's own reader got one, too."""
        mails = (self.folder / "mailbox").glob("*/*")
        return next(f"/mail/{path.name}" for path in mails if b"To: jonna@" in path.read_bytes())

    def token(self, subscription_id: int = 1) -> str:
        return self.app.keyring.sign(UNSUBSCRIBE, str(subscription_id))

    def status(self, subscription_id: int = 1) -> str:
        with self.app.store.read() as connection:
            found = subscribers.subscription(connection, subscription_id)
        return str(found.status) if found else ""

    def data_digest(self) -> str:
        """A hash over every row of every table."""
        connection = sqlite3.connect(self.folder / "data" / "site.db")
        try:
            return hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()
        finally:
            connection.close()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "config.toml").write_text(CONFIG)
    (folder / "articles").mkdir()
    (folder / "articles" / "ferry.md").write_text(FERRY)
    (folder / "articles" / "tide.md").write_text(TIDE)
    app = open_app(folder / "config.toml", now=lambda: NOW)
    declare(app.store, app.config, NOW)
    with app.store.write() as connection:
        add(connection, Request("jonna@example.org", "beacon", "weekly", "asked at the quay", 0), NOW, revive=False)
    with working(app.store, app.data_folder, lambda: NOW) as worker:
        cycle(app, worker)
    app.close()
    return folder


@pytest.fixture
def house(prepared: Path, house_at: Callable[[Path], House]) -> House:
    return house_at(prepared)


@pytest.fixture
def house_at(tmp_path: Path) -> Iterator[Callable[[Path], House]]:
    """`house_at(folder)`: a copy of a site that was made once, for one test."""
    stores: list[Store] = []

    def make(template: Path) -> House:
        folder = tmp_path / "site"
        shutil.copytree(template, folder)
        config = load(folder / "config.toml")
        # as open_app makes it, but for the migrations, which whoever made the site has run
        stores.append(Store(config.store.url.get_secret_value()))
        return House(App(config, stores[-1], load_or_create(folder / "data" / "broadsheet.key"), lambda: NOW), folder)

    yield make
    for store in stores:
        store.close()


@pytest.fixture(scope="session")
def unbuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same site before anything was collected or published."""
    folder = tmp_path_factory.mktemp("unbuilt")
    (folder / "config.toml").write_text(CONFIG)
    (folder / "articles").mkdir()
    open_app(folder / "config.toml", now=lambda: NOW).close()
    return folder


@pytest.fixture
def house_with(unbuilt: Path, tmp_path: Path) -> Iterator[Callable[..., House]]:
    """`house_with({"all/rss.xml": b"…"}, more)`: a site with these feed files, and `more` at the end of its config."""
    stores: list[Store] = []

    def make(files: dict[str, bytes], more: str = "") -> House:
        folder = tmp_path / f"site-{len(stores)}"
        shutil.copytree(unbuilt, folder)
        (folder / "config.toml").write_text(CONFIG + more)
        for name, body in files.items():
            path = folder / "feeds" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        config = load(folder / "config.toml")
        stores.append(Store(config.store.url.get_secret_value()))
        key = load_or_create(folder / "data" / "broadsheet.key")
        return House(App(config, stores[-1], key, lambda: NOW), folder)

    yield make
    for store in stores:
        store.close()


async def asked(web: Starlette, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
    """One ASGI request; an exception that the application lets through reaches the test."""
    bare, _, query = path.partition("?")
    fields = {"host": "127.0.0.1:8000"} | {name.replace("_", "-").lower(): value for name, value in headers.items()}
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": unquote(bare), "raw_path": bare.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(n.encode("latin-1"), v.encode("latin-1")) for n, v in fields.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000),
    }
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(dict(message))

    await web(scope, receive, send)
    return Answer(
        said[0]["status"], {n.decode("latin-1"): v.decode("latin-1") for n, v in said[0]["headers"]},
        b"".join(message.get("body", b"") for message in said[1:]),
    )


@pytest.fixture
def served(house: House) -> Iterator[Callable[[], HTTPConnection]]:
    """A real server on a loopback port; the value makes connections to it."""
    with serving(house) as connect:
        yield connect


@pytest.fixture
def serve() -> Callable[[House], AbstractContextManager[Callable[[], HTTPConnection]]]:
    """The same for any house: `with serve(house) as connect:`."""
    return serving


@contextmanager
def serving(house: House) -> Iterator[Callable[[], HTTPConnection]]:
    ready = threading.Event()
    running = server(house.app, on_ready=ready.set)
    with bind(house.app.config.web) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        opened: list[HTTPConnection] = []

        def connect() -> HTTPConnection:
            opened.append(HTTPConnection("127.0.0.1", port, timeout=10))
            return opened[-1]

        try:
            assert ready.wait(10)
            yield connect
        finally:
            for connection in opened:
                connection.close()
            running.should_exit = True
            thread.join(10)
    assert not thread.is_alive()
