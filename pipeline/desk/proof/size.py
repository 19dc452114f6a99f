"""Whether mail programs show a letter whole."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.desk.proof.finding import Finding, Letter, Severity

CLIPPED = 102_400
"""Bytes of decoded HTML from which on Gmail cuts a letter, and with its end the way to unsubscribe."""

CLOSE = 100_000


def check(letter: Letter) -> Iterator[Finding]:
    html = len(letter.html.encode("utf-8", "replace"))
    if html >= CLIPPED:
        yield Finding("size", Severity.ERROR,
                      f"the HTML has {html:,} bytes, and Gmail cuts letters at {CLIPPED:,}: take fewer articles, show "
                      "summaries, or make the template smaller")
    elif html > CLOSE:
        yield Finding("size", Severity.WARNING,
                      f"the HTML has {html:,} bytes, close to the {CLIPPED:,} at which Gmail cuts letters")
    yield Finding("size", Severity.NOTE, f"the message has {len(letter.eml):,} bytes, its HTML {html:,}")
