"""Saying what was wrong in an article that is out already."""

from __future__ import annotations

from pipeline.app import App
from pipeline.errors import UsageError
from pipeline.model.articles import Article, ArticleStatus
from pipeline.publish.documents import hidden_by
from pipeline.store import articles, corrections, similar
from pipeline.text.legal import legal_text, one_line

MAX_NOTE = 1_000   # characters


def correct(app: App, number: int, words: str) -> tuple[Article, bool]:
    """Put a note on an article; the article as it is now, and whether anything changed. Raises UsageError where the
    note is empty or too long, or where readers see nothing of the article."""
    note = clean(words)
    with app.store.write() as connection:
        changed = corrections.correct(connection, number, note, app.now())
        return articles.by_id(connection, number), changed


def clear(app: App, number: int) -> tuple[Article, bool]:
    """Take the note away; the article as it is now, and whether there was one."""
    with app.store.write() as connection:
        changed = corrections.clear(connection, number, app.now())
        return articles.by_id(connection, number), changed


def hidden_behind(app: App, article: Article) -> Article | None:
    """An article that feeds show of its story, if none of them shows this one: it was accepted first."""
    with app.store.read() as connection:
        took_it = [feed for feed in app.config.feeds if feed.rules.match(article)]
        behind = [hidden_by(connection, feed, article) for feed in took_it]
    return next((first for first in behind if first), None) if all(behind) else None


def was_seen(app: App, article: Article) -> bool:
    """Whether readers may have it from a feed."""
    if article.status is not ArticleStatus.ACCEPTED:
        return False
    with app.store.read() as connection:
        merged = similar.merged_late(connection, [article.id])
    return bool(merged) or hidden_behind(app, article) is None


def clean(words: str) -> str:
    """The note as one line of plain text. What is too long is for its writer to shorten, so nothing is cut off."""
    note = one_line(words, limit=len(legal_text(words)) + 1)
    if not note:
        raise UsageError("the correction", "has no words",
                         hint='say what was wrong: "The bridge opens in May, not in March."')
    if len(note) > MAX_NOTE:
        raise UsageError("the correction", f"has {len(note):,} characters, and {MAX_NOTE:,} are the most",
                         hint="say in short what was wrong, and link to more in the article itself")
    return note
