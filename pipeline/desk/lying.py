"""Documents that lie in a source's folder and are no articles yet: a draft, a date to come, one that can't be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pipeline.collect.folders.extract import Skipped, extract_document
from pipeline.collect.folders.folder import Document, read_folder
from pipeline.config import Config
from pipeline.desk.why import PassedFacts
from pipeline.errors import FetchError, ParseError
from pipeline.model.sources import PassedState
from pipeline.text.legal import one_line

HEAD = 5_000  # bytes of a document in which its title is looked for

_TITLE = re.compile(r"^(?:title\s*[:=]|#\s)\s*[\"']?(.{1,300}?)[\"']?\s*$|<title[^>]{0,200}>([^<]{1,300})<",
                    re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Lying:
    facts: PassedFacts
    guid: str = ""     # what it would be known by; "" where something stands against it


def documents_named(config: Config, words: str, now: datetime) -> list[Lying]:
    """The documents of every folder whose name or title holds `words`, each with why it waits."""
    wanted = words.casefold()
    return [one for one in _documents(config, now)
            if wanted in one.facts.document.casefold() or wanted in one.facts.title.casefold()]


def _documents(config: Config, now: datetime) -> Iterator[Lying]:
    for source in config.sources:
        if source.folder is None or source.blocked:
            continue
        try:
            read = read_folder(source.folder)
        except FetchError:
            continue
        for document in read.documents:
            guid, reason = _read(document, now)
            title = _title(document) or document.name
            yield Lying(_facts(source.slug, document.name, reason, title), guid)
        for line in (*read.growing, *read.problems):
            name, _, reason = line.removeprefix(f"{source.folder}/").partition(": ")
            yield Lying(_facts(source.slug, name, reason, name))


def _read(document: Document, now: datetime) -> tuple[str, str]:
    """(guid, why it is no article): one of them."""
    try:
        made = extract_document(document.name, document.data, now=now)
    except ParseError as error:
        line = error.subject.removeprefix(document.name).removeprefix(", ")
        return "", f"it {error.cause}" + (f" ({line})" if line else "") + (f"; {error.hint}" if error.hint else "")
    if isinstance(made, Skipped):
        return "", f"it {made.reason}" if made.reason.startswith("is ") else made.reason
    return made.guid or document.name, ""


def _title(document: Document) -> str:
    found = _TITLE.search(document.data[:HEAD].decode("utf-8", "replace"))
    return one_line(found[1] or found[2]) if found else ""


def _facts(source: str, name: str, reason: str, title: str) -> PassedFacts:
    return PassedFacts(PassedState.WAITING, title, "", source, reason, None, None, name)
