"""Markdown to HTML: CommonMark and tables. The HTML still has to go through `text.clean`, as every HTML does."""

from __future__ import annotations

from functools import cache

from markdown_it import MarkdownIt

from pipeline.text.legal import legal_text


def markdown_html(text: str) -> str:
    """Return the HTML of `text`. HTML within it is passed on as it stands: an operator's own article may hold a
    figure or a table, and cleaning comes afterwards."""
    return str(_parser().render(legal_text(text)))


@cache
def _parser() -> MarkdownIt:
    # max nesting is markdown-it-py's own guard against "> > > > …"
    return MarkdownIt("commonmark", {"html": True, "maxNesting": 40}).enable(["table", "strikethrough"])
