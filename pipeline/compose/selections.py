"""Distinct selections of a frozen digest: worded and stored once each, however many people share one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipeline.compose.press import plain_views, worded
from pipeline.model.articles import Article
from pipeline.model.letterhead import Letterhead
from pipeline.model.selection import Selection
from pipeline.render.templates import Templates
from pipeline.store import Connection, digests
from pipeline.store.digests import Worded


def selection_key(head: Letterhead, language: str, selection: Selection) -> str:
    """Equal where two people's copies are the same but for their own values."""
    return digests.selection_key(language, head.arranged(selection), selection.more)


def store_selections(
    connection: Connection, templates: Templates, head: Letterhead, digest_id: int,
    selections: Iterable[tuple[str, Selection]], articles: Sequence[Article],
) -> dict[str, int]:
    """Store those of (language, selection) that are not there yet; key -> id of each.

    In the order of their keys, so that two fills at once don't wait for each other.
    """
    wanted = {selection_key(head, language, selection): (language, selection) for language, selection in selections}
    ids = digests.selection_ids(connection, digest_id, wanted)
    views = plain_views(head, articles)
    spoken = {language: head.spoken(language) for language, _ in wanted.values()}
    new = []
    for key in sorted(wanted.keys() - ids.keys()):
        language, selection = wanted[key]
        subject, preheader = worded(templates, spoken[language], [views[i] for i in selection.ids if i in views])
        new.append(Worded(head.arranged(selection), selection.more, subject, preheader, language))
    return ids | digests.add_selections(connection, digest_id, new)
