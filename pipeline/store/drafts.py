"""Digests before they are frozen: made ahead of their slot, changed by the operator, approved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Text, and_, cast, func, or_, select, update

from pipeline.errors import StoreError
from pipeline.model.edits import Edits
from pipeline.model.newsletters import Digest, DigestStatus
from pipeline.store import digests as digest_rows
from pipeline.store.chunks import chunks
from pipeline.store.digests import OPEN
from pipeline.store.schema import articles, digests


def begin(connection: Connection, digest_id: int, cut_seq: int, now: datetime) -> bool:
    """Make a digest a draft that the operator may look at: what it tells ends at `cut_seq` from now on. False where it
    is one already, or frozen."""
    here = and_(digests.c.id == digest_id, digests.c.status.in_(OPEN), digests.c.drafted_at.is_(None))
    return bool(connection.execute(update(digests).where(here).values(
        drafted_at=now, cut_seq=cut_seq, version=digests.c.version + 1)).rowcount)


def edit(connection: Connection, digest_id: int, change: Callable[[Edits], Edits]) -> Digest:
    """Change a digest that is not frozen; what the preflight said of it holds no longer. Raises StoreError where it is
    frozen by now."""
    moved = connection.execute(  # the row is locked before it is read: of two edits at once neither is lost
        update(digests).where(digests.c.id == digest_id, digests.c.status.in_(OPEN))
        .values(version=digests.c.version + 1, proofed_at=None)).rowcount
    digest = digest_rows.get(connection, digest_id)
    if not moved:
        named = f"digest {digest.newsletter}/{digest.name}"
        raise StoreError(named, f"is {digest.status} and can't be changed any more",
                         hint="what was sent wrongly can be put right with `broadsheet articles correct`")
    edits = change(digest.edits)
    connection.execute(update(digests).where(digests.c.id == digest_id).values(edits=edits.to_json()))
    return digest_rows.get(connection, digest_id)


def record_proof(
    connection: Connection, digest_id: int, findings: Sequence[Mapping[str, str]], now: datetime, *, version: int
) -> None:
    """What the preflight found in a draft, if that is still what it looked at. No edit: whoever freezes it looks again.
    """
    here = and_(digests.c.id == digest_id, digests.c.status.in_(OPEN), digests.c.version == version)
    connection.execute(update(digests).where(here).values(findings=[dict(one) for one in findings], proofed_at=now))


def approve(connection: Connection, digest_id: int, now: datetime) -> bool:
    """The operator's word. False where it is not there to be approved: frozen, skipped or cancelled."""
    return digest_rows.change(connection, digest_id, DigestStatus.APPROVED, approved_at=now) or bool(
        connection.execute(update(digests).where(
            digests.c.id == digest_id, digests.c.status == DigestStatus.APPROVED).values(approved_at=now)).rowcount)


def open_ones(connection: Connection, newsletter_id: int | None = None) -> list[Digest]:
    """Digests that are not frozen and may yet be, the oldest slot first."""
    query = digest_rows.query().where(digests.c.status.in_(OPEN)).order_by(digests.c.due_at, digests.c.id)
    if newsletter_id is not None:
        query = query.where(digests.c.newsletter_id == newsletter_id)
    return [digest_rows.digest_of(row) for row in connection.execute(query)]


def pass_over(connection: Connection, digest: Digest, name: str) -> list[Digest]:
    """End what stood open before a digest of the same newsletter and schedule that is frozen now: its articles are told
    there. What the operator approved stays: it is composed in its turn, and whoever was told all of it is left out."""
    passed = []
    for older in open_ones(connection):
        same = (older.newsletter, older.schedule) == (digest.newsletter, digest.schedule)
        if same and older.due_at < digest.due_at and older.approved_at is None:
            digest_rows.change(connection, older.id, DigestStatus.SKIPPED, reason=f"its articles are in {name}")
            passed.append(older)
    return passed


def rename_schedule(connection: Connection, newsletter_id: int, old: str, new: str) -> None:
    """Take digests that are not frozen along when the config gives their schedule another slug: what the operator held,
    changed or approved is asked for under the new name. Where that has a digest of the slot too, the old one ends."""
    mine = and_(digests.c.newsletter_id == newsletter_id, digests.c.schedule == old, digests.c.status.in_(OPEN))
    for row in connection.execute(select(digests.c.id, digests.c.nominal).where(mine)).all():
        taken = connection.execute(select(digests.c.id).where(
            digests.c.newsletter_id == newsletter_id, digests.c.schedule == new,
            digests.c.nominal == row.nominal)).scalar_one_or_none()
        if taken is not None:
            digest_rows.change(connection, row.id, DigestStatus.SKIPPED, reason=f'its schedule is called "{new}" now')
            continue
        connection.execute(update(digests).where(digests.c.id == row.id).values(
            schedule=new, audience=new, version=digests.c.version + 1))


def dropped_stories(
    connection: Connection, newsletter_id: int, digest: Digest | None, since: datetime
) -> dict[int, str]:
    """Story -> the digest that dropped it: this one, or any other of the newsletter, whatever became of that and
    whenever it is due: what was dropped from tonight's draft is not in one by hand before it. What this one keeps is
    kept."""
    mine = [or_(digests.c.due_at >= since, digests.c.id == digest.id)] if digest else [digests.c.due_at >= since]
    rows = connection.execute(
        digest_rows.query().where(digests.c.newsletter_id == newsletter_id, *mine,
                                  func.length(cast(digests.c.edits, Text)) > len("{}"))
        .order_by(digests.c.due_at, digests.c.id)).all()
    by: dict[int, str] = {}
    for row in rows:
        one = digest_rows.digest_of(row)
        by.update(dict.fromkeys(one.edits.drop, one.name))
        for article_id in one.edits.keep:  # and whoever did not get it then does not lose it
            by.pop(article_id, None)
    if digest is not None:  # its own decisions come last
        by.update(dict.fromkeys(digest.edits.drop, digest.name))
        for article_id in digest.edits.keep:
            by.pop(article_id, None)
    stories: dict[int, str] = {}
    for chunk in chunks(sorted(by)):
        for row in connection.execute(
                select(articles.c.id, func.coalesce(articles.c.story_id, articles.c.id).label("story"))
                .where(articles.c.id.in_(chunk))):
            stories[row.story] = by[row.id]
    return stories
