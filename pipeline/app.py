"""The composition root: Config -> App, a frozen record of the parts that everything above asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import config as configuration
from pipeline.config import Config
from pipeline.errors import StoreError
from pipeline.mail.tokens import Keyring, load_or_create
from pipeline.store import meta
from pipeline.store.engine import Store
from pipeline.store.migrate import migrate

if TYPE_CHECKING:
    from pipeline.compose.pictures.gather import Darkroom
    from pipeline.deliver.pace import Pace
    from pipeline.deliver.transport import Transport
    from pipeline.mail.dkim import Signer
    from pipeline.net.fetch import Fetcher, Limits
    from pipeline.publish.stage import Parts as Publishing
    from pipeline.render.templates import Templates

PACKAGE = Path(__file__).parent


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)  # no slots: cached_property keeps its value in the instance
class App:
    """What a running instance consists of. `now` is the only clock; tests bring their own."""

    config: Config
    store: Store
    keyring: Keyring
    now: Callable[[], datetime] = utc_now

    @property
    def data_folder(self) -> Path:
        """Where the key and the lock files live: beside the database."""
        return data_folder(self.config, self.store)

    @property
    def picture_folder(self) -> Path:
        """Where pictures of ours lie, which mails show for as long as somebody keeps them."""
        return self.data_folder / "pictures"

    def templates(self) -> Templates:
        """The operator's folder first, then what is shipped. Compiled once; a changed file is seen all the same."""
        return self._templates

    @cached_property
    def _templates(self) -> Templates:
        from pipeline.render.templates import Templates

        return Templates(list(self.template_folders))

    @property
    def template_folders(self) -> tuple[Path, ...]:
        """The operator's own first."""
        return self.config.paths.templates, shipped("templates")

    def fetcher(self) -> Fetcher:
        return fetcher_for(self.config)

    def transport(self) -> Transport:
        from pipeline.deliver.choice import transport_for

        return transport_for(self.config)

    def signers(self) -> tuple[Signer, ...]:
        """The keys that sign mail, none where there are none. Read once: a changed key counts from the next start, or
        when the config is read again. Raises ConfigError."""
        return self._signers

    @cached_property
    def _signers(self) -> tuple[Signer, ...]:
        if self.config.mail is None or not self.config.mail.dkim:
            return ()
        from pipeline.mail.keys import load_signers

        return load_signers(self.config)

    @cached_property
    def pace(self) -> Pace:
        """How fast mail may go where; it remembers from one send to the next who asked for less."""
        from pipeline.deliver.choice import pace_for

        return pace_for(self.config)

    def darkroom(self) -> Darkroom:
        """What making pictures our own needs."""
        from pipeline.compose.pictures.gather import FETCH, Darkroom

        return Darkroom(self.store, self.config, self.picture_folder, lambda: fetcher_for(self.config, FETCH))

    def publishing(self) -> Publishing:
        """What the publish stage needs."""
        from pipeline.publish.stage import Parts

        return Parts(self.store, self.config, self.template_folders, self._publish_print, self.templates)

    @cached_property
    def _publish_print(self) -> str:
        from pipeline.publish.stage import print_of

        return print_of(self.config)

    def close(self) -> None:
        self.store.close()


def open_app(path: Path, *, now: Callable[[], datetime] = utc_now) -> App:
    """Load the config, bring the database up to date and check that the signing key belongs to it.

    Raises ConfigError with every problem, or StoreError.
    """
    return assemble(configuration.load(path), now=now)


def assemble(config: Config, *, now: Callable[[], datetime] = utc_now) -> App:
    store = Store(config.store.url.get_secret_value())
    migrate(store)
    return App(config, store, _own_key(store, data_folder(config, store) / "broadsheet.key"), now)


def fetcher_for(config: Config, limits: Limits | None = None) -> Fetcher:
    """The way to the network, which says of every request whose it is. `limits`: None for those of a document."""
    from pipeline import __version__
    from pipeline.net.fetch import Fetcher

    operator = config.operator
    write_to = config.collect.write_to or (operator.email if operator else "")
    where = "; ".join(filter(None, (f"+{config.site.public_url}", write_to)))
    return Fetcher(f"Broadsheet/{__version__} ({where})", limits)


def data_folder(config: Config, store: Store) -> Path:
    return store.path.parent if store.path is not None else config.folder


def shipped(name: str) -> Path:
    """A folder that comes with the program: in an installed package inside it, in a checkout beside it."""
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parent / name


def _own_key(store: Store, path: Path) -> Keyring:
    """The database's key, made with it. Refuse one that it has not seen, and make none where it has seen one: every
    unsubscribe link in every sent mail would stop working."""
    with store.read() as connection:
        known = meta.get(connection, meta.KEY_FINGERPRINT)
    if known and not path.exists():
        raise StoreError(str(path), f"the signing key of {store.name} is missing",
                         hint="restore it from the same backup as the database")
    keyring = load_or_create(path)
    if not known:
        with store.write() as connection:
            meta.put(connection, meta.KEY_FINGERPRINT, keyring.fingerprint)
    elif known != keyring.fingerprint:
        raise StoreError(store.name, "was made with another signing key than the one beside it",
                         hint="restore broadsheet.key from the same backup as the database")
    return keyring
