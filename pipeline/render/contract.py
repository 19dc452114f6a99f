"""What a template must keep to so that a digest can be cut into articles and joined again for each person.

Two trials with sample articles: rendering each block by itself shows names that are not there, missing slots and
open ranges; and one article alone, held against the same one between two others, shows what depends on its place.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Protocol

from markupsafe import Markup

from pipeline.errors import TemplateError
from pipeline.model.frozen import ARTICLES, CONTENTS, CORRECTIONS, GROUP, DigestPage
from pipeline.render.cut import Cut, Markers, shell_problems
from pipeline.render.inline import inline, mark_matches
from pipeline.render.views import ArticleView, CorrectionView, GroupView


class RendersBlocks(Protocol):
    def __contains__(self, name: str) -> bool: ...
    def render(self, name: str, **values: Any) -> str: ...


SAMPLE_PAGE = DigestPage(
    site_title="Sample site", public_url="https://sample.example", language="en", newsletter_slug="sample",
    newsletter_title="Sample newsletter", digest_name="2026-01-02-0800-daily",
    digest_url="https://sample.example/n/sample/2026-01-02-0800-daily", date=datetime(2026, 1, 2, 8, tzinfo=UTC),
    postal_address="Street 1, Town", description="What a sample is", archive_url="https://sample.example/n/sample",
    feed_url="https://sample.example/feeds/sample.xml", introduction="<p>Good morning.</p>",
    introduction_text="Good morning.",
)


def sample_article(number: int, *, full: bool = True) -> ArticleView:
    """An article with everything, or one with as little as an article may have."""
    url = f"https://sample.example/a/{number}"
    html = "<p>First.</p><h3>Section</h3><ul><li>One</li><li>Two</li></ul><p>Last.</p>" if full else ""
    return ArticleView(
        id=number, title=f"Title {number}", url=url, web_url=url, author="An Author" if full else "",
        source="A source" if full else "", published_at=datetime(2026, 1, 1, 12, tzinfo=UTC), summary="A summary.",
        html=Markup(html),  # noqa: S704 - written here
        text="First.\n\nSection\n\nLast [1].", links=("https://elsewhere.example/",) if full else (),
        topics=("one", "two") if full else (), language="en" if full else "", revision=1,
        note=Markup("<p>Worth it.</p>" if full else ""),  # noqa: S704 - written here
        note_text="Worth it." if full else "",
    )


def sample_group(number: int) -> GroupView:
    return GroupView(number, f"group {number}", f"Group {number}")


def sample_correction(number: int, *, full: bool = True) -> CorrectionView:
    url = f"https://sample.example/a/{number}"
    return CorrectionView(number, f"Title {number}", url, url, "A source" if full else "",
                          "It was the other way round." if full else "", datetime(2026, 1, 1, 12, tzinfo=UTC))


def rendering_problems(blocks: RendersBlocks, part: str, file: str) -> list[TemplateError]:
    """What rendering the blocks by themselves shows, the first error of each."""
    markers = Markers(part, NONCE)
    found: list[TemplateError] = []
    try:
        shell = blocks.render("shell", **markers.context())
        found += [TemplateError(file, problem) for problem in shell_problems(markers.cut(shell).shell, part)]
        if part == "html" and any(NONCE in body for body in _RAW.findall(shell)):
            found.append(TemplateError(file, "has a token or slot inside <style> or <script>, where no value is safe"))
        for slot, block in ((CONTENTS, "toc_entry"), (CORRECTIONS, "correction")):
            if slot in _slots(markers.cut(shell)) and block not in blocks:
                found.append(TemplateError(file, f"writes slots.{slot}, but has no block {block!r}"))
    except TemplateError as error:
        found.append(TemplateError(file, error.cause, hint=error.hint) if error.subject in _SAYS_NO_FILE else error)
    trials: list[tuple[str, dict[str, Any]]] = [
        ("article", {"article": sample_article(1)}), ("article", {"article": sample_article(2, full=False)}),
        ("toc_entry", {"article": sample_article(1)}), ("toc_entry", {"article": sample_article(2, full=False)}),
        ("group", {"group": sample_group(1)}),
        ("correction", {"correction": sample_correction(1)}),
        ("correction", {"correction": sample_correction(2, full=False)}),
    ]
    failed: set[str] = set()
    for name, values in trials:
        try:
            if name in blocks and name not in failed:
                blocks.render(name, **values)
        except TemplateError as error:
            failed.add(name)
            found.append(error)
    return found


def order_problems(blocks: RendersBlocks, css: str, file: str, *, everything: bool) -> list[TemplateError]:
    """What makes an article look different because of what stands beside it.

    Without `everything` only where a selector of the style sheet looks like it, since inlining takes a while.
    """
    shell = blocks.render("shell", **Markers("html", NONCE).context())
    sheets = "\n".join([css, *_INLINED_STYLE.findall(shell)])
    suspects = [s for s in _selectors(sheets) if _BY_PLACE.search(s)]
    found = []
    if suspects:
        among, alone = (_trial(blocks, ids, lambda html: mark_matches(html, suspects)) for ids in _TRIALS)
        numbers = {n for a, b in zip(among, alone, strict=True) for n in _marks(a) ^ _marks(b)}
        found += [
            TemplateError(file, f"the style rule {suspects[n]!r} depends on which articles stand beside each other, "
                                f"and that differs from person to person", hint="style the article itself")
            for n in sorted(numbers)
        ]
    if everything and not found:
        among, alone = (_trial(blocks, ids, lambda html: inline(html, css)) for ids in _TRIALS)
        if among != alone:
            found.append(TemplateError(file, "an article's HTML comes out differently beside other articles"))
    return found


def _trial(blocks: RendersBlocks, runs: tuple[tuple[int, ...], ...], treat: Any) -> list[str]:
    """Each fragment after `treat`, in the order of their keys, whichever run of articles it stood in."""
    markers = Markers("html", NONCE)
    shell = blocks.render("shell", **markers.context())
    found: dict[tuple[str, int], str] = {}
    for run in runs:
        parts = {ARTICLES: [(i, blocks.render("article", article=sample_article(i))) for i in run]}
        if "group" in blocks:
            parts[GROUP] = [(i, blocks.render("group", group=sample_group(i))) for i in run]
        if "toc_entry" in blocks:
            parts[CONTENTS] = [(i, blocks.render("toc_entry", article=sample_article(i))) for i in run]
        if "correction" in blocks:
            parts[CORRECTIONS] = [(i, blocks.render("correction", correction=sample_correction(i))) for i in run]
        cut = markers.cut(treat(markers.assemble(shell, parts)))
        found |= cut.fragments
    return [found[key] for key in sorted(found)]


def _marks(html: str) -> set[int]:
    return {int(n) for mark in _MARK.findall(html) for n in mark.split()}


def _slots(cut: Cut) -> set[str]:
    return {piece.name for piece in cut.shell if piece.kind == "slot"}


def _selectors(css: str) -> list[str]:
    heads = re.findall(r"([^{}]+)\{", _COMMENT.sub("", css))
    selectors = [s.strip() for head in heads if not head.strip().startswith("@") for s in head.split(",")]
    return [_STATE.sub("", s) for s in selectors if s]


NONCE = "contract0"
_TRIALS = (((1, 2, 3),), ((1,), (2,), (3,)))
_SAYS_NO_FILE = ("shell block", "article block")
_RAW = re.compile(r"<(?:style|script)\b[^>]*>(.*?)</(?:style|script)\s*>", re.DOTALL | re.IGNORECASE)
_INLINED_STYLE = re.compile(r"<style\b(?![^>]*data-premailer)[^>]*>(.*?)</style\s*>", re.DOTALL | re.IGNORECASE)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_BY_PLACE = re.compile(r"[+~]|:(?:nth-|first-|last-|only-)")
_STATE = re.compile(r"::[\w-]+|:(?:hover|focus|active|visited|link|focus-within|focus-visible)\b")
_MARK = re.compile(r'data-bs="([^"]*)"')
