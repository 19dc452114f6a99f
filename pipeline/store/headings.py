"""Headings of frozen digests: none stands over nothing but articles that were taken back, and one that only these had
keeps no word. A source's heading is its title, a topic's is what the source calls it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Row, select, update

from pipeline.model.fragments import FragmentRow, with_body
from pipeline.model.frozen import GROUP
from pipeline.model.selection import Group
from pipeline.store.digests import FRESH
from pipeline.store.schema import digest_articles, digests, fragments, selections

NOBODYS = " {number}"
"""In the place of a group's name that is gone: numbers of groups are places in a list. No topic begins with a blank."""


def gone(connection: Connection, digest_id: int) -> set[int]:
    """The articles of a frozen digest of which no word is left in it."""
    return set(connection.execute(select(digest_articles.c.article_id).where(
        digest_articles.c.digest_id == digest_id, digest_articles.c.title == "")).scalars())


def without_headings(selection: Row[Any], gone: Collection[int]) -> list[int]:
    """A selection's groups, each article's number: 0 for those of a group of which all are gone."""
    placed = list(zip(selection.article_ids, selection.groups, strict=False))
    standing = {number for article_id, number in placed if article_id not in gone}
    return [number if number in standing else 0 for _, number in placed]


def redact_headings(connection: Connection, digest_id: int) -> None:
    """Take the words out of a digest's headings that no article is left for, in each language, and leave them out of
    what anybody gets. The articles that are gone have lost their words already."""
    settings = dict(connection.execute(select(digests.c.settings).where(digests.c.id == digest_id)).scalar_one())
    names: list[str] = list(settings.get("groups", ()))
    if not names:
        return
    left = _left(connection, digest_id, str(settings.get("rules", {}).get("group", Group.NONE)))
    numbers = [number for number, name in enumerate(names, 1) if name and name not in left]
    if numbers:
        settings["groups"] = [NOBODYS.format(number=number) if number in numbers else name
                              for number, name in enumerate(names, 1)]
        connection.execute(update(digests).where(digests.c.id == digest_id).values(settings=settings))
    for row in connection.execute(select(fragments).where(
            fragments.c.digest_id == digest_id, fragments.c.name == GROUP,
            fragments.c.scope.in_([str(number) for number in numbers]))).all():
        empty = with_body(FragmentRow(row.part, row.ordinal, row.kind, row.name, row.scope, row.article_id, row.body,
                                      row.qp, row.sha256), "")
        connection.execute(update(fragments).where(
            fragments.c.digest_id == digest_id, fragments.c.language == row.language,
            fragments.c.ordinal == row.ordinal).values(body=empty.body, qp=empty.qp, sha256=empty.sha256))
    out = gone(connection, digest_id)
    for one in connection.execute(select(selections).where(selections.c.digest_id == digest_id)).all():
        groups = without_headings(one, out)
        if groups != one.groups:
            connection.execute(update(selections).where(selections.c.id == one.id).values(groups=groups))


def _left(connection: Connection, digest_id: int, kind: str) -> set[str]:
    """The groups in which an article of the digest may still stand."""
    rows = connection.execute(select(digest_articles.c.source, digest_articles.c.topics).where(
        digest_articles.c.digest_id == digest_id, digest_articles.c.kind == FRESH, digest_articles.c.title != ""))
    return {name for row in rows for name in ([row.source] if kind == Group.SOURCE else row.topics)}
