"""Saying what was wrong in an article that is out already."""

from __future__ import annotations

from pipeline.app import App
from pipeline.errors import UsageError
from pipeline.model.articles import Article, ArticleStatus
from pipeline.store import articles, corrections
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
    """The article that feeds show of its story, if that is another: it was accepted first."""
    with app.store.read() as connection:
        told = [a for a in articles.siblings(connection, [article.story], article.accepted_seq)
                if a.status is ArticleStatus.ACCEPTED]
    first = min(told, key=lambda a: a.accepted_seq, default=article)
    return first if first.id != article.id else None


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
