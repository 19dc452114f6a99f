"""People from a CSV file: every line is judged by itself, and told by its number when it can't be taken.

The first line names the columns, in any order: `address` (or `email`), and if they are there `schedule`, `topics`
(parted by semicolons, "*" for all), `language` and `consent`. Other columns are ignored, and said so. Cells may be
parted by semicolons, as spreadsheet programs do where numbers have commas. An import never takes back anybody who
left, and changes nobody's schedule, topics or language unless it names one. `exporting` writes such a file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path

from pipeline.audience.choices import Choices
from pipeline.audience.subscriptions import Joined, Request, add
from pipeline.config import Newsletter
from pipeline.errors import BroadsheetError, UsageError
from pipeline.store.engine import Store

CHUNK = 500
"""Lines in one transaction: short ones, so that an unsubscribe never waits for a long import."""

COLUMNS = ("address", "schedule", "topics", "language", "consent")
PART = ";"
"""What parts the topics in their cell."""

ADDRESS_COLUMNS = ("address", "email", "e-mail", "email address", "email_address", "mail")


@dataclass(slots=True)
class Imported:
    """`problems`: (line number, what is wrong with it), in the order of the file."""

    joined: dict[Joined, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def import_csv(
    store: Store, path: Path, newsletter: Newsletter, offered: Choices, *, consent: str, schedule: str = "",
    now: datetime, start_seq: int | None = None,
) -> Imported:
    """Subscribe the people in a CSV file. `offered` is what they may have chosen; `consent` and `schedule` stand for
    lines that name none.

    Raises UsageError where the file as a whole can't be read; a bad line never stops the others. Run twice, it
    changes nothing the second time.
    """
    done = Imported()
    lines = _lines(path, done)
    while chunk := list(islice(lines, CHUNK)):
        with store.write() as connection:
            for number, values in chunk:
                named = values.get("schedule") or schedule
                try:
                    wanted = Request(
                        values["address"], newsletter.slug,
                        offered.schedule(named or newsletter.default_schedule.slug),
                        values.get("consent") or consent, start_seq, *_chosen(values, offered))
                    how = add(connection, wanted, now, revive=False, switch=bool(named))
                except BroadsheetError as error:
                    done.problems.append((number, str(error)))
                else:
                    done.joined[how] = done.joined.get(how, 0) + 1
    return done


def _chosen(values: dict[str, str], offered: Choices) -> tuple[tuple[str, ...] | None, str | None]:
    """(topics, language) of a line, each None where it names none."""
    topics, language = values.get("topics", ""), values.get("language", "")
    return (offered.chosen_topics(topics.split(PART)) if topics else None,
            offered.language(language) if language else None)


def _lines(path: Path, done: Imported) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, column -> value) for every line that is not empty."""
    text = _read(path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        columns = [name.strip().lower() for name in next(reader, [])]
        wanted = next((name for name in ADDRESS_COLUMNS if name in columns), "")
        if not wanted:
            raise UsageError(str(path), "its first line names no column for addresses",
                             hint='the first line should be like "address,consent"')
        columns = ["address" if name == wanted else name for name in columns]
        if unknown := [name for name in columns if name not in (*COLUMNS, "")]:
            done.notes.append(f"columns not used: {', '.join(unknown)}")
        for values in reader:
            if any(value.strip() for value in values):
                found = {name: value.strip() for name, value in zip(columns, values, strict=False)}
                yield reader.line_num, {"address": "", **found}
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}", f"is no CSV: {error}") from error


def _delimiter(text: str) -> str:
    """The one of the first line, in which no name of a column holds either."""
    first = text.lstrip().partition("\n")[0]
    return ";" if ";" in first and "," not in first else ","


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(str(path), f"can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(str(path), f"is not UTF-8 text (byte {error.start})",
                         hint="save it as UTF-8 in the spreadsheet program") from error
