"""The operator's own folder looked at: its documents to an answer that only has to be written down."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from pipeline.collect.accept import Poll, Seen
from pipeline.collect.ask import MAX_ERROR, Answer
from pipeline.collect.folders.extract import Skipped, extract_document
from pipeline.collect.folders.folder import read_folder
from pipeline.collect.identify import make_drafts
from pipeline.collect.manners.intervals import Interval, decide_retry
from pipeline.config import Source
from pipeline.errors import BroadsheetError, ParseError
from pipeline.model.articles import Draft, Found
from pipeline.store.sources import SourceState
from pipeline.text.legal import one_line

EVERY_MINUTE = timedelta(minutes=1)
MOST_NAMED = 3  # problems of a folder that are kept; all are told when it is looked at


def look_into(
    source: Source, folder: Path, state: SourceState, language: str, poll: Poll, now: datetime
) -> Answer:
    """Read every document under the folder. Never raises for what is wrong with one, or with the folder."""
    try:
        drafts = _drafts(source, folder, source.language or language, now, poll)
    except BroadsheetError as error:
        poll.error = str(error)
        failures = state.failures + 1
        waiting = decide_retry(source.every or EVERY_MINUTE, failures)
        return Answer(source, state, poll, now, {
            "last_polled_at": now, "next_poll_at": now, "failures": failures,
            "failing_since": state.failing_since or now, "last_error": poll.error[:MAX_ERROR],
            "interval_reason": waiting.reason})
    every = Interval(source.every or EVERY_MINUTE, "it is a folder")
    fields = {
        "last_polled_at": now, "next_poll_at": now, "failures": 0, "failing_since": None,  # looking costs nothing
        "last_error": _first_of(poll.problems)[:MAX_ERROR], "interval": every.span, "interval_reason": every.reason,
    }
    if state.first_polled_at is None and drafts:
        fields["first_polled_at"] = now
    if not source.title and not state.title:
        fields["title"] = source.slug
    return Answer(source, state, poll, now, fields, Seen(drafts))


def _first_of(problems: list[str]) -> str:
    """The first few, each in a line of its own, and how many more there are."""
    more = [f"and {len(problems) - MOST_NAMED} more"] if len(problems) > MOST_NAMED else []
    return "\n".join([*(one_line(text, MAX_ERROR // (MOST_NAMED + 1)) for text in problems[:MOST_NAMED]), *more])


def _drafts(source: Source, folder: Path, language: str, now: datetime, poll: Poll) -> list[Draft]:
    read = read_folder(folder)
    poll.problems += read.problems
    poll.skipped += read.growing
    found: list[Found] = []
    for document in read.documents:
        try:
            result = extract_document(document.name, document.data, now=now)
        except ParseError as error:
            poll.problems.append(str(error))
            continue
        if isinstance(result, Skipped):
            poll.skipped.append(f"{document.name}: {result.reason}")
        else:
            found.append(replace(result, guid=result.guid or document.name))
    return make_drafts(found, source_url="", now=now, language=language, topics=source.topics, show=source.show,
                       rights=source.rights, licence=source.licence)
