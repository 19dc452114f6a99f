"""A new source: what its address is, and what of it is to be written into config.toml."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from ipaddress import ip_network
from pathlib import Path

from pipeline.app import fetcher_for, utc_now
from pipeline.collect.children.pool import Children
from pipeline.collect.finding.look import Looked, look_at
from pipeline.collect.finding.selector import check_selector
from pipeline.collect.opml import Outline
from pipeline.config import Config, load_text
from pipeline.config.edit import Table, read_written, with_sources
from pipeline.desk.newsources import Known, choose_slug, what_is_there
from pipeline.errors import ConfigError, ParseError, Refused, UsageError
from pipeline.model.sources import SourceKind
from pipeline.net.fetch import Request
from pipeline.store import Connection, purge, sources
from pipeline.store.engine import Store
from pipeline.store.migrate import migrate

_OF_THE_NEW = re.compile(r"line \d+: sources\[(\d+)\]\.(\w+)(?:\[\d+\])?: (.*)", re.DOTALL)
_OPTIONS = {"topics": "topic", "allow_networks": "allow-network"}
STAY = "Its articles stay where they are: in feeds, on the web, and in digests to come."


def what_there_is(config: Config) -> Known:
    """What of config.toml and of the database counts when a source is added. Makes no database."""
    with _database(config) as connection:
        if connection is None:
            return what_is_there(config, {})
        return what_is_there(config, sources.states(connection), purge.taken_down(connection))


def what_it_leaves(config: Config, slug: str) -> str:
    """What becomes of a source's articles when it is removed, in a sentence. Makes no database."""
    with _database(config) as connection:
        state = sources.states(connection, [slug]).get(slug) if connection is not None else None
        if connection is None or state is None:
            return STAY
        down = purge.taken_down(connection).get(state.id, 0)
        left = purge.extent(connection, state.id).articles
    if not down:
        return STAY
    more = f" {left:,} more stay where they are." if left else ""
    return f"Its articles were taken down ({down:,}), and stay withdrawn.{more}"


def check_options(config: Config, wanted: Table, folder: str = "") -> None:
    """Raise UsageError where what is asked for could not stand in config.toml, before anybody is asked for it."""
    if wanted["selector"]:
        try:
            check_selector(str(wanted["selector"]), subject="--selector")
        except ParseError as error:
            raise UsageError(error.subject, error.cause, hint=error.hint) from error
    place = {"folder": folder} if folder else {"url": "https://new.invalid/"}
    table = _without_empty({"slug": wanted["slug"] or "a-new-source", "title": wanted["title"], **place,
                            **_rest(wanted)})
    try:
        load_text(with_sources(read_written(config.path).text, [table]), config.path)
    except ConfigError as error:  # its lines are not in the file: what is wrong is what was given by hand
        found = [match for text in error.problems if (match := _OF_THE_NEW.fullmatch(text))
                 and int(match[1]) == len(config.sources)]
        if not found:
            raise
        options = [f"--{_OPTIONS.get(match[2], match[2].replace('_', '-'))}" for match in found]
        more = "".join(f"; {option}: {match[3]}" for option, match in zip(options[1:], found[1:], strict=True))
        raise UsageError(options[0], found[0][3] + more) from error


def look(
    config: Config, url: str, networks: tuple[str, ...], selector: str, now: Callable[[], datetime] | None
) -> Looked:
    """What is at an address. Raises what `look_at` raises; a refused private address says how it is allowed."""
    with closing(Children(1)) as children, closing(fetcher_for(config)) as fetcher:
        try:
            return look_at(fetcher, children.work, url, networks, now=(now or utc_now)(), selector=selector)
        except Refused as error:
            raise _with_the_way(error) from error


def fetch(config: Config, url: str, networks: tuple[str, ...]) -> bytes:
    """What is at an address, as a list of sources is fetched that somebody puts there."""
    for network in networks:
        try:
            ip_network(network, strict=False)
        except ValueError:
            raise UsageError("--allow-network", f'"{network}" is no address or network',
                             hint='write one like "192.168.1.0/24"') from None
    with closing(fetcher_for(config)) as fetcher:
        try:
            return fetcher.fetch(Request(url, allow_networks=networks, accept="text/x-opml, */*;q=0.8")).body
        except Refused as error:
            raise _with_the_way(error) from error


def source_table(found: Looked, wanted: Table, known: Known) -> Table:
    """What is written for an address that was looked at; of `wanted` what was really asked for."""
    kind = "" if found.kind is SourceKind.FEED else str(found.kind)
    slug = str(wanted["slug"]) or choose_slug(known, str(wanted["title"]) or found.title, found.url)
    return _without_empty({"slug": slug, "title": wanted["title"], "url": found.url, "kind": kind, **_rest(wanted)})


def folder_table(config: Config, folder: Path, wanted: Table, known: Known) -> Table:
    """The same for a folder of documents. Raises UsageError where it is a source already."""
    place = folder.resolve()
    for source in config.sources:
        if source.folder is not None and source.folder.resolve() == place:
            raise UsageError(str(folder), f'is collected already: it is the source "{source.slug}"',
                             hint=f"`broadsheet sources list {source.slug}` says how it is doing")
    inside = place.is_relative_to(config.folder.resolve()) and place != config.folder.resolve()
    written = str(place.relative_to(config.folder.resolve())) if inside else str(place)
    slug = str(wanted["slug"]) or choose_slug(known, str(wanted["title"]) or place.name, "")
    return _without_empty({"slug": slug, "title": wanted["title"], "folder": written, **_rest(wanted)})


def listed_table(outline: Outline, topics: tuple[str, ...], known: Known) -> Table:
    """The same for one source of a list, which nobody has looked at."""
    slug = choose_slug(known, outline.title, outline.url)
    return _without_empty({"slug": slug, "title": outline.title, "url": outline.url,
                           "topics": tuple(dict.fromkeys((*outline.topics, *topics)))})


@contextmanager
def _database(config: Config) -> Iterator[Connection | None]:
    """The database, as far as there is one."""
    with closing(Store(config.store.url.get_secret_value())) as store:
        if store.path is not None and not store.path.exists():
            yield None
            return
        migrate(store)
        with store.read() as connection:
            yield connection


def _with_the_way(error: Refused) -> Refused:
    if "allow_networks" not in error.hint:
        return error
    return Refused(error.subject, error.cause, hint="if it is on a network of your own, say so: "
                   "--allow-network 192.168.1.0/24, or 127.0.0.0/8 for this machine")


def _rest(wanted: Table) -> Table:
    return {key: value for key, value in wanted.items() if key not in ("slug", "title")}


def _without_empty(table: Table) -> Table:
    return {key: value for key, value in table.items() if value}
