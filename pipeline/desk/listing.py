"""Lists of sources: which of somebody's list are taken, and which of ours are given to others."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError

from pipeline.app import App
from pipeline.collect.opml import Outline
from pipeline.config.edit import Table, read_written
from pipeline.config.secrets import QUERY_SECRET, has_place, shown
from pipeline.config.values import WebUrl
from pipeline.desk.adding import listed_table
from pipeline.desk.newsources import Known
from pipeline.model.sources import SourceKind
from pipeline.store import sources

WEB_URL = TypeAdapter(WebUrl)


@dataclass(slots=True)
class Taken:
    """Of a list: what is to be written, what is there already, and what can't be used; these in words."""

    tables: list[Table] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def take_from_list(outlines: Iterable[Outline], topics: tuple[str, ...], known: Known) -> Taken:
    """Each source by itself: a bad one stops no other. `known` learns what is taken."""
    taken = Taken()
    for outline in outlines:
        address = shown((), outline.url).strip('"')  # without a password, should it hold one
        name = f"{outline.title} ({address})" if outline.title else address
        if problem := _problem(outline.url):
            taken.problems.append(f"{name}: {problem}")
        elif same := known.same(outline.url):
            taken.skipped.append(f'{name}: is collected already, it is the source "{same}"')
        else:
            table = listed_table(outline, topics, known)
            known.add(str(table["slug"]), outline.url)
            taken.tables.append(table)
    return taken


def list_for_others(app: App, *, private: bool) -> tuple[list[Outline], list[str]]:
    """Our sources as others may have them, and what is left out, in words. An address that asks for a secret, or holds
    one, is never in it."""
    written = tomllib.loads(read_written(app.config.path).text).get("sources", [])
    with app.store.read() as connection:
        states = sources.states(connection)
    outlines: list[Outline] = []
    left_out: list[str] = []
    for source, table in zip(app.config.sources, written, strict=True):
        state = states.get(source.slug)
        url = (state and (state.followed_url or state.feed_url)) or source.url
        kind = state.found_kind if state and source.kind is SourceKind.AUTO else str(source.kind)
        if source.folder is not None:
            left_out.append(f"{source.slug}: it is a folder of yours")
        elif source.blocked:
            left_out.append(f"{source.slug}: you have blocked it")
        elif has_place(table.get("url")) or _holds_secret(source.url) or _holds_secret(url):
            left_out.append(f"{source.slug}: its address holds a secret, or looks as if it did")
        elif source.allow_networks and not private:
            left_out.append(f"{source.slug}: it is on a private network (--all has it too)")
        else:
            outlines.append(Outline(
                url, source.title or (state.title if state else "") or source.slug, source.topics,
                page=source.url if state and state.feed_url and url != source.url else "",
                is_feed=kind in ("feed", "auto", "")))
    return outlines, left_out


def _problem(url: str) -> str:
    """What is wrong with an address, ""."""
    if not url:
        return "has no address"
    try:
        WEB_URL.validate_python(url)
    except ValidationError as error:
        cause = error.errors(include_url=False)[0].get("ctx", {}).get("cause", "is no web address")
        return str(cause).replace("{value} ", "").replace("{value}", "it")
    return ""


def _holds_secret(url: str) -> bool:
    return QUERY_SECRET.search(url) is not None
