"""config.toml -> a frozen Config, or every problem at once.

    text | tomllib | secrets filled in | shape (each key by itself) + check (between tables) -> Config

A Config says where things are and what the operator wants; nothing in it ever changes. Paths in it are absolute. It
does not look whether folders, templates or a database exist: those are other rooms' to say.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from pipeline.config.check import check_document, site_zone
from pipeline.config.lines import key_lines
from pipeline.config.problems import Problems, syntax_problem
from pipeline.config.secrets import MASK, QUERY_SECRET, expand, has_place
from pipeline.config.shape import (
    Collect,
    Document,
    Feed,
    Mail,
    Newsletter,
    NewsletterSchedule,
    Operator,
    Paths,
    Preflight,
    Publish,
    Site,
    Smtp,
    Source,
    Store,
    Web,
)
from pipeline.config.values import FOREVER, nearest, say_span
from pipeline.errors import ConfigError, UsageError
from pipeline.model.feeds import RSS_FILE

__all__ = [
    "FOREVER", "MASK", "STARTER", "Collect", "Config", "Feed", "Mail", "Newsletter", "NewsletterSchedule", "Operator",
    "Paths", "Preflight", "Publish", "Site", "Smtp", "Source", "Store", "Web", "load", "load_text", "nearest",
    "say_span",
]

STARTER = Path(__file__).with_name("starter.toml")
"""The commented config that `broadsheet init` writes."""


@dataclass(frozen=True, slots=True)
class Config:
    """What the operator wrote, checked, with its defaults."""

    path: Path                  # the file itself, absolute
    site: Site
    store: Store
    paths: Paths
    sources: tuple[Source, ...]
    feeds: tuple[Feed, ...]
    newsletters: tuple[Newsletter, ...]
    mail: Mail | None           # None only where there are no newsletters
    web: Web
    collect: Collect
    publish: Publish
    preflight: Preflight
    operator: Operator | None
    private_sources: frozenset[str]   # slugs: their addresses hold a secret, or lead inside, and are shown to no reader
    warnings: tuple[str, ...]   # what is allowed and probably not meant, like problems: "line 9: …"

    @property
    def folder(self) -> Path:
        return self.path.parent

    @property
    def feeds_url(self) -> str:
        """Where the feeds folder is served, without a slash at the end."""
        return self.publish.url.rstrip("/") or f"{self.site.public_url}/feeds"

    @property
    def feed_folders(self) -> list[tuple[str, tuple[str, ...]]]:
        """Of every feed, those of newsletters too: its folder below feeds/, and those it had."""
        found = [(feed.slug, feed.former) for feed in self.feeds]
        return found + [(folders[0], folders[1:]) for n in self.newsletters if (folders := n.feed_folders)]

    def feed_url(self, newsletter: Newsletter) -> str:
        """Where feed readers find a newsletter's digests; "" where they don't."""
        folders = newsletter.feed_folders
        return f"{self.feeds_url}/{folders[0]}/{RSS_FILE}" if folders else ""

    def source(self, slug: str) -> Source:
        return _named("source", slug, self.sources)

    def feed(self, slug: str) -> Feed:
        return _named("feed", slug, self.feeds)

    def newsletter(self, slug: str) -> Newsletter:
        return _named("newsletter", slug, self.newsletters)

    def schedule(self, newsletter: str, slug: str = "") -> NewsletterSchedule:
        """A newsletter's schedule; without a slug its default one."""
        found = self.newsletter(newsletter)
        return _named(f'schedule of "{newsletter}"', slug, found.schedules) if slug else found.default_schedule


def load(path: Path, env: Mapping[str, str] | None = None) -> Config:
    """Read a config. `env` is where `${NAME}` looks, the process's environment if None.

    Raises ConfigError with every problem, in the order of the file. No message, and no exception that goes with it,
    carries a secret's value: therefore nothing is raised inside an except block here.
    """
    path = Path.cwd() / path  # not resolve(): a linked config means the folder that the link stands in
    return load_text(_read(path), path, env)


def load_text(text: str, path: Path, env: Mapping[str, str] | None = None) -> Config:
    """What `load` would make of this text if it stood in the file at `path`, which is absolute."""
    written = _parse(path, text)
    problems = Problems(key_lines(text), written)
    document = expand(written, path.parent, os.environ if env is None else env, problems.add, problems.warn)
    check_document(document, problems)
    shaped = _shape(_with_zones(document), path.parent, problems)
    if problems.found or shaped is None:
        raise ConfigError(str(path), problems.texts())
    return Config(
        path=path, site=shaped.site, store=shaped.store, paths=shaped.paths, sources=shaped.sources,
        feeds=shaped.feeds, newsletters=shaped.newsletters, mail=shaped.mail, web=shaped.web,
        collect=shaped.collect, publish=shaped.publish, preflight=shaped.preflight,
        operator=shaped.operator, warnings=problems.warnings(),
        private_sources=_private_sources(written, shaped.sources),
    )


def _private_sources(written: dict[str, Any], sources: Sequence[Source]) -> frozenset[str]:
    """Slugs of the sources whose address is the operator's own affair."""
    tables = written.get("sources", [])
    return frozenset(
        source.slug for source, table in zip(sources, tables, strict=True)
        if source.allow_networks or has_place(table.get("url")) or QUERY_SECRET.search(source.url))


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data, problem = b"", "there is no such file; broadsheet init makes one"
    except OSError as error:
        data, problem = b"", f"can't be read: {(error.strerror or 'unknown error').lower()}"
    else:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            problem = f"line {line}: is not UTF-8 text; save the file as UTF-8"
    raise ConfigError(str(path), [problem])


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problem = syntax_problem(error, text)
    except RecursionError:
        problem = "brackets are nested too deeply"
    raise ConfigError(str(path), [problem])


def _shape(document: dict[str, Any], folder: Path, problems: Problems) -> Document | None:
    try:
        return Document.model_validate(document, context={"folder": folder})
    except ValidationError as error:
        problems.add_shape(error.errors(include_url=False, include_input=False))
        return None


def _with_zones(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the site's time zone in each schedule that names none."""
    filled = deepcopy(document)
    newsletters = filled.get("newsletters")
    for newsletter in newsletters if isinstance(newsletters, list) else []:
        schedules = newsletter.get("schedules") if isinstance(newsletter, dict) else None
        for schedule in schedules if isinstance(schedules, list) else []:
            if isinstance(schedule, dict):
                schedule.setdefault("timezone", site_zone(document))
    return filled


Named = TypeVar("Named", Source, Feed, Newsletter, NewsletterSchedule)


def _named(kind: str, slug: str, among: Sequence[Named]) -> Named:
    for one in among:
        if one.slug == slug:
            return one
    slugs = [one.slug for one in among]
    close = nearest(slug, slugs)
    hint = f'did you mean "{close}"?' if close else "there is " + (", ".join(slugs) or "none")
    raise UsageError(f'"{slug}"', f"no such {kind}", hint=hint)
