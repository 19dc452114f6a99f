"""What every test may ask for: a whole site with a clock that it turns, the shared corpus, programs of the machine, and
hypothesis set up once."""

from __future__ import annotations

import email
import gc
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

from pipeline import config
from pipeline.app import App, assemble
from pipeline.audience.subscriptions import Request, add
from pipeline.collect.identify import make_drafts
from pipeline.jobs.declare import declare
from pipeline.jobs.outgoing import deliver_due, recover_dead
from pipeline.jobs.report import Report
from pipeline.jobs.sends import compose_due
from pipeline.jobs.steps import cycle
from pipeline.jobs.worker import working
from pipeline.model.articles import Draft, Found, Show
from pipeline.model.deliveries import Counts
from pipeline.model.newsletters import Digest
from pipeline.store import articles, digests, ledger, sources
from pipeline.store.articles import Acceptance

ROOT = Path(__file__).resolve().parent.parent

# Thousands of small tests over large libraries: looking through all of these for garbage, again and again, costs a
# tenth of the suite's time.
gc.freeze()
gc.set_threshold(50_000, 20, 100)

# No deadline: the machines that run this are slow and shared, and speed is measured in benchmarks/.
# In CI the examples are the same each time: a red run is about the change, not about luck.
settings.register_profile(
    "default",
    deadline=None,
    max_examples=25,
    database=DirectoryBasedExampleDatabase(ROOT / ".hypothesis" / "examples"),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "ci", settings.get_profile("default"), max_examples=100, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "default")

Need = Callable[[object, str], None]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's top level."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real articles and feeds beside the repository; the test is skipped where it is absent."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"real input is not on this machine: no {folder}")
    return folder


@pytest.fixture(scope="session")
def need() -> Need:
    """`need(found, "what is missing, how to get it")`: skip without it, but fail where CI_REQUIRE is set."""

    def need(found: object, missing: str) -> None:
        if not found:
            (pytest.fail if os.environ.get("CI_REQUIRE") else pytest.skip)(missing)

    return need


@pytest.fixture(scope="session")
def program(need: Need) -> Callable[..., str]:
    """`program("strace")` is the path of an installed program."""

    def program(*names: str) -> str:
        found = next((path for name in names if (path := shutil.which(name))), "")
        need(found, f"{names[0]} is not installed: apt-get install {names[0]}")
        return found

    return program


@pytest.fixture(scope="session")
def chromium(program: Callable[..., str]) -> str:
    """The path of a Chromium that Playwright can start."""
    return program("chromium", "chromium-browser", "google-chrome")


# --- a whole site ---

START = datetime(2026, 6, 1, 6, 0, tzinfo=UTC)  # a Monday

BASIC = """
config_version = 1
[site]
title = "The Lantern"
public_url = "https://lantern.example"
[[sources]]
slug = "desk"
folder = "articles"
[[feeds]]
slug = "all"
title = "Everything"
[[newsletters]]
slug = "lantern"
select = { limit = 500 }
title = "The Lantern"
  [[newsletters.schedules]]
  slug = "daily"
  at = "08:00"
  [[newsletters.schedules]]
  slug = "weekly"
  at = "Mon 08:00"
  default = true
[mail]
sender = "The Lantern <news@lantern.example>"
[preflight]
links = false
spam = "off"
"""


@dataclass
class Site:
    """An instance under test. `now` is what its clock shows."""

    folder: Path
    now: datetime = START
    _app: App | None = field(default=None)

    @property
    def app(self) -> App:
        if self._app is None:
            self._app = assemble(config.load(self.folder / "config.toml", env={}), now=lambda: self.now)
            declare(self._app.store, self._app.config, self.now)
        return self._app

    def close(self) -> None:
        if self._app is not None:
            self._app.close()
            self._app = None

    def write(self, name: str, title: str, words: str = "", *, topic: str = "city") -> None:
        """Put an article into the source's folder."""
        body = words or f"This is {title}, told at some length, so that nobody could take it for another one."
        path = self.folder / "articles" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"---\ntitle: {title}\ntopics: [{topic}]\n---\n\n{body}\n", encoding="utf-8")

    def subscribe(self, address: str, schedule: str = "daily", start_seq: int | None = None) -> None:
        with self.app.store.write() as connection:
            add(connection, Request(address, "lantern", schedule, "a test", start_seq), self.now, revive=True)

    def run(self) -> Report:
        with working(self.app.store, self.app.data_folder, self.app.now) as worker:
            return cycle(self.app, worker)

    def accept(self, titles: list[str]) -> None:
        """Let articles in without the detour by way of files."""
        drafts = [(draft(title, self.now), Acceptance(Show.FULL, mailable=True)) for title in titles]
        with self.app.store.write() as connection:
            articles.add(connection, sources.state(connection, "desk").id, drafts, self.now)

    def send(self) -> Report:
        """What the clock does when a slot is due: compose and deliver, nothing else."""
        report = Report()
        with working(self.app.store, self.app.data_folder, self.app.now) as worker:
            recover_dead(self.app, worker)
            compose_due(self.app, worker, report)
            report.delivered = deliver_due(self.app, worker)
        return report

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)

    def digests(self) -> list[Digest]:
        with self.app.store.read() as connection:
            return digests.listed(connection)

    def counts(self, digest_id: int) -> Counts:
        with self.app.store.read() as connection:
            assert ledger.counter_faults(connection, digest_id) == []
            return ledger.counts(connection, digest_id)

    def mails(self) -> list[EmailMessage]:
        """Everything in the Maildir, in the order of delivery."""
        folder = self.folder / "mailbox"
        if not folder.exists():
            return []
        found = []
        for path in sorted((folder / "new").iterdir(), key=lambda p: p.stat().st_mtime_ns):
            message = email.message_from_bytes(path.read_bytes(), policy=policy.default)
            assert isinstance(message, EmailMessage)
            found.append(message)
        return found

    def told(self, address: str) -> list[str]:
        """The titles that a person was sent, in order, as often as they were sent."""
        titles = []
        for message in self.mails():
            if message["To"] == address:
                part = message.get_body(("plain",))
                assert part is not None
                text = part.get_content()
                titles += [line for line in text.splitlines() if line.startswith("Article ")]
        return titles


def draft(title: str, now: datetime) -> Draft:
    html = f"<p>This is {title}, told at some length, so that nobody could take it for another one.</p>"
    found = Found(title=title, html=html, guid=title, published_at=now)
    return make_drafts([found], source_url="", now=now, show=Show.FULL)[0]


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """A folder for databases and mailboxes, in memory where the system has such a place: syncing a disk is slow."""
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="broadsheet-test-", dir=place, ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(scope="session")
def prepared_sites() -> Iterator[dict[object, Site]]:
    """Sites made once, by what made them; `copy_site` gives copies."""
    made: dict[object, Site] = {}
    yield made
    for site in made.values():
        shutil.rmtree(site.folder.parent, ignore_errors=True)


@pytest.fixture
def copy_site(quick_folder: Path, prepared_sites: dict[object, Site]) -> Iterator[Callable[..., Site]]:
    """`copy_site(prepare, text)` is a site as `prepare(site)` leaves it, made once and copied for each test."""
    made: list[Site] = []

    def make(prepare: Callable[[Site], None], text: str = BASIC) -> Site:
        if (prepare, text) not in prepared_sites:
            folder = Path(tempfile.mkdtemp(prefix="broadsheet-test-", dir=quick_folder.parent)) / "site"
            (folder / "articles").mkdir(parents=True)
            (folder / "config.toml").write_text(text, encoding="utf-8")
            site = prepared_sites[prepare, text] = Site(folder)
            prepare(site)
            site.close()
        template = prepared_sites[prepare, text]
        folder = quick_folder / f"copy{len(made)}"
        shutil.copytree(template.folder, folder)
        made.append(Site(folder, template.now))
        return made[-1]

    yield make
    for site in made:
        site.close()


@pytest.fixture
def basic_config() -> str:
    """The config of a site that is made without naming one."""
    return BASIC


@pytest.fixture
def make_site(quick_folder: Path) -> Iterator[Callable[..., Site]]:
    """`make_site(text)` writes a site's folder; it is opened when its `app` is first asked for."""
    made: list[Site] = []

    def make(text: str = BASIC, name: str = "site") -> Site:
        folder = quick_folder / name
        (folder / "articles").mkdir(parents=True)
        (folder / "config.toml").write_text(text, encoding="utf-8")
        site = Site(folder)
        made.append(site)
        return site

    yield make
    for site in made:
        site.close()


@pytest.fixture
def lantern_config(basic_config: str) -> Callable[..., str]:
    """`lantern_config('review = { before = "2h" }', "limit = 5")`: the config, with these keys of its newsletter; the
    weekly digest is of Sundays, so that a Monday has the daily one alone."""

    def write(keys: str = "", select: str = "limit = 500") -> str:
        return basic_config.replace("select = { limit = 500 }\n", f"select = {{ {select} }}\n{keys}\n").replace(
            "Mon 08:00", "Sun 08:00")

    return write


# --- a name server ---

Zone = Mapping[tuple[str, str], Sequence[str] | str]


@pytest.fixture
def name_server() -> Iterator[Callable[[Zone], int]]:
    """`name_server({("lantern.example.", "TXT"): ['"v=spf1 -all"']})` is the UDP port on 127.0.0.1 of a name server
    that knows just that; "SERVFAIL" instead of records is an error, "" silence."""
    sockets: list[socket.socket] = []

    def serve(zone: Zone) -> int:
        listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listening.bind(("127.0.0.1", 0))
        sockets.append(listening)
        threading.Thread(target=_answer_questions, args=(listening, zone), daemon=True).start()
        return int(listening.getsockname()[1])

    yield serve
    for listening in sockets:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def _answer_questions(listening: socket.socket, zone: Zone) -> None:
    names = {name for name, _ in zone}
    with suppress(OSError):
        while data := listening.recvfrom(4096):
            wire, sender = data
            if not wire:
                return  # closed
            asked = dns.message.from_wire(wire)
            (question,) = asked.question
            name, kind = str(question.name).lower(), dns.rdatatype.to_text(question.rdtype)
            known = zone.get((name, kind), ())
            if (name, kind) in zone and known == "":
                continue
            answer = dns.message.make_response(asked)
            answer.flags |= dns.flags.RA
            if known == "SERVFAIL":
                answer.set_rcode(dns.rcode.SERVFAIL)
            elif known:
                answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *known))
            elif name not in names:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            listening.sendto(answer.to_wire(), sender)
