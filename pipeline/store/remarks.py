"""What is said of articles beside a digest's pages: the operator's notes, what a preflight found, why it is held.

A preflight's findings quote titles, addresses and words; nobody can tell by which articles, so all of a digest's go. It
looks again before anything is frozen.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, Text, cast, delete, func, or_, select, update

from pipeline.model.drafts import HeldBy
from pipeline.model.edits import Edits
from pipeline.model.newsletters import DigestStatus
from pipeline.store.chunks import chunks
from pipeline.store.digests import OPEN
from pipeline.store.schema import articles, digests, fragments, runs

LOOK_AGAIN = "something that may be in it was taken back; it is looked at again"

NOTE = "note"   # the part of fragments that says why an article stands as its summary

_NAMED = re.compile(r"article (\d+)\b")


def spoken(connection: Connection, holding: Collection[int]) -> tuple[int, ...]:
    """The digests with an introduction or a subject of the operator's: those that are not frozen, and of `holding`
    those that readers can see. Whether it speaks of an article only the operator can tell."""
    rows = connection.execute(
        select(digests.c.id, digests.c.edits, digests.c.status)
        .where(_filled(digests.c.edits), digests.c.status.not_in([DigestStatus.SKIPPED, DigestStatus.CANCELLED]))
        .order_by(digests.c.id))
    found = []
    for row in rows:
        edits = Edits.from_json(row.edits)
        if (edits.introduction or edits.subject) and (row.status in OPEN or row.id in holding):
            found.append(row.id)
    return tuple(found)


def forget_remarks(connection: Connection, which: ColumnElement[bool], told: Collection[int]) -> None:
    """Take away what is said of these articles (`which` is a condition on `articles`). `told` are the frozen digests in
    which they stood, or were spoken of. What is being composed at this moment is composed anew."""
    ids = set(connection.execute(select(articles.c.id).where(which)).scalars())
    connection.execute(update(digests).where(digests.c.status.in_(OPEN)).values(version=digests.c.version + 1))
    _forget_notes(connection, ids)
    _forget_findings(connection, told)
    _forget_reasons(connection, which)
    _forget_left_out(connection, which, ids, told)


def _forget_notes(connection: Connection, ids: Collection[int]) -> None:
    """The operator's. What they dropped or pinned names no words, and stays: other tellings of its story go by it."""
    for row in connection.execute(select(digests.c.id, digests.c.edits).where(_filled(digests.c.edits))).all():
        edits = Edits.from_json(row.edits)
        notes = {number: words for number, words in edits.notes.items() if number not in ids}
        if notes != edits.notes:
            connection.execute(update(digests).where(digests.c.id == row.id).values(
                edits=replace(edits, notes=notes).to_json()))


def _forget_findings(connection: Connection, told: Collection[int]) -> None:
    connection.execute(update(digests).where(digests.c.frozen_at.is_(None), digests.c.proofed_at.is_not(None)).values(
        findings=[], proofed_at=None))
    for chunk in chunks(sorted(told)):
        connection.execute(update(digests).where(digests.c.id.in_(chunk)).values(findings=[]))


def _forget_reasons(connection: Connection, which: ColumnElement[bool]) -> None:
    """Why a digest is held, where that names findings, or an error quotes an article; the run that met it says it too.
    """
    held = connection.execute(select(digests.c.id, digests.c.reason, digests.c.held_by).where(
        digests.c.status == DigestStatus.HELD, digests.c.held_by.in_([HeldBy.PREFLIGHT, HeldBy.ERROR]))).all()
    if not held:
        return
    rows = connection.execute(select(articles.c.title, articles.c.url).where(which))
    words = {word for row in rows for word in row if word}
    for row in held:
        if row.held_by == HeldBy.PREFLIGHT or any(word in row.reason for word in words):
            connection.execute(update(digests).where(digests.c.id == row.id).values(reason=LOOK_AGAIN))
            connection.execute(update(runs).where(or_(
                runs.c.reason == row.reason, runs.c.result == f"{DigestStatus.HELD}: {row.reason}",
            )).values(reason=LOOK_AGAIN, result=""))


def _forget_left_out(
    connection: Connection, which: ColumnElement[bool], ids: Collection[int], told: Collection[int]
) -> None:
    """What a freeze noted: why an article stands as its summary, which server did not give its picture."""
    for chunk in chunks(sorted(told)):
        for row in connection.execute(select(digests.c.id, digests.c.notes).where(digests.c.id.in_(chunk))).all():
            notes = [note for note in row.notes if not ((named := _NAMED.match(note)) and int(named[1]) in ids)]
            if notes != row.notes:
                connection.execute(update(digests).where(digests.c.id == row.id).values(notes=notes))
        connection.execute(delete(fragments).where(
            fragments.c.digest_id.in_(chunk), fragments.c.part == NOTE,
            fragments.c.article_id.in_(select(articles.c.id).where(which))))


def _filled(column: ColumnElement[object]) -> ColumnElement[bool]:
    """JSON that is more than an empty object."""
    return func.length(cast(column, Text)) > len("{}")
