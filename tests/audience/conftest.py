from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.audience.choices import choices
from pipeline.audience.importing import Imported, import_csv
from pipeline.audience.returns.counted import Ingested
from pipeline.audience.returns.stage import take_mail
from pipeline.audience.returns.take import Taken
from pipeline.jobs.returning import parts, read_returns
from pipeline.mail import marks
from pipeline.store import ledger, returned, subscribers

SAMPLES = Path(__file__).parent / "returned"
ADDRESS = "bounces@lantern.example"
ANN, BEN = "ann@quay.example", "ben@quay.example"


@pytest.fixture
def site(copy_site: Callable) -> Any:
    """A site with its newsletter declared and nobody subscribed."""
    return copy_site(opened)


def opened(site: Any) -> None:
    assert site.app


@pytest.fixture
def bring(site: Any, tmp_path: Path) -> Callable[..., Imported]:
    """`bring("address\\nada@example.org\\n")` imports a file with this text (or these bytes)."""
    def run(text: str | bytes, **values: Any) -> Imported:
        path = tmp_path / "people.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        newsletter = site.app.config.newsletters[0]
        offered = choices(site.app.config, newsletter)
        return import_csv(site.app.store, path, newsletter, offered,
                          **{"consent": "a test", "now": site.now, **values})

    return run


@pytest.fixture
def people(site: Any) -> Callable[[], dict[str, tuple[str, str]]]:
    """address -> (status, schedule) of everybody."""
    def read() -> dict[str, tuple[str, str]]:
        with site.app.store.read() as connection:
            return {s.address: (str(s.status), s.schedule) for s in subscribers.listed(connection)}

    return read


# --- what comes back ---


@dataclass
class Post:
    """A site that has mailed ann and ben once, and the Maildir in which answers arrive."""

    site: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.site, name)

    def another(self, title: str) -> int:
        """Send one more digest; its id."""
        self.site.advance(days=1)
        self.site.accept([title])
        self.site.send()
        found: int = self.site.digests()[0].id
        return found

    def delivery(self, address: str = ANN, digest_id: int = 0) -> Any:
        """The row of the person's newest delivery."""
        with self.app.store.read() as connection:
            theirs = [row for sid in returned.subscription_ids(connection, address)
                      for row in ledger.of_subscription(connection, sid)]
        return next(row for row in reversed(theirs) if digest_id in (0, row.digest_id))

    def path(self, address: str = ANN, digest_id: int = 0) -> str:
        """The return path of a person's newest delivery."""
        delivery = self.delivery(address, digest_id).id
        return marks.return_path(ADDRESS, marks.mark(self.app.keyring, marks.DELIVERY, delivery))

    def head(self, address: str = ANN) -> str:
        """The head of the mail that a person got, as it was sent."""
        for path in sorted((self.folder / "mailbox" / "new").iterdir(), key=lambda p: -p.stat().st_mtime_ns):
            head = path.read_text(encoding="utf-8").partition("\n\n")[0]
            if f"To: {address}" in head:
                return "\n".join(line for line in head.split("\n") if not line.startswith(("Return-Path", "Delivered")))
        raise AssertionError(f"{address} got nothing")

    def sample(self, name: str, address: str = ANN, *, to: str = "", path: str = "", head: str | None = None) -> bytes:
        """A mail of tests/audience/returned, about the person's newest delivery."""
        text = (SAMPLES / f"{name}.eml").read_text(encoding="utf-8")
        for what, value in {"path": path or self.path(address), "to": to or address,
                            "head": self.head(address) if head is None else head}.items():
            text = text.replace(f"{{{what}}}", value)
        return text.encode()

    def take(self, raw: bytes, recipient: str = "") -> Taken:
        return take_mail(parts(self.app), raw, self.now, recipient)

    @property
    def maildir(self) -> Path:
        return Path(self.app.config.mail.returns.maildir)

    def arrive(self, raw: bytes, name: str = "1.host") -> Path:
        for part in ("tmp", "new", "cur"):
            (self.maildir / part).mkdir(parents=True, exist_ok=True)
        path = self.maildir / "new" / name
        path.write_bytes(raw)
        return path

    def read(self) -> Ingested:
        done = read_returns(self.app)
        assert done.problem == ""
        return done

    def suppressed(self, address: str = ANN) -> str:
        with self.app.store.read() as connection:
            return subscribers.suppressed(connection, address)

    def records(self, **which: Any) -> list[Any]:
        with self.app.store.read() as connection:
            return returned.listed(connection, **which)

    def status(self, address: str = ANN) -> str:
        with self.app.store.read() as connection:
            return str(subscribers.by_address(connection, address)[0].status)


@pytest.fixture
def post(copy_site: Callable, basic_config: str) -> Post:
    text = f'{basic_config}\n[mail.returns]\naddress = "{ADDRESS}"\nmaildir = "returns"\nsoft_limit = 3\n'
    return Post(copy_site(mailed, text.replace("Mon 08:00", "Sun 08:00")))


def mailed(site: Any) -> None:
    site.write("one.md", "Article One")
    site.subscribe(ANN)
    site.subscribe(BEN)
    site.accept(["Article A"])
    site.now += timedelta(hours=2)
    site.send()
    assert len(site.mails()) == 2
