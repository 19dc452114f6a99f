"""Freeze a digest: render it once with all its candidates, inline it once, cut it into pieces.

    shell + articles | render blocks | assemble with markers | inline | compare markers | cut -> Frozen

After inlining every marker must stand exactly where it stood in the order of the document, and each article's two
ends under one parent. An article that breaks this (nested too deep, too long, unbalanced) is found by trying it
alone, and stands in the digest as its plain summary, with a note; the others are untouched (PROMISES 7).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.errors import TemplateError
from pipeline.model.articles import Article
from pipeline.model.frozen import (
    ARTICLES,
    CONTENTS,
    MAIL,
    SLOTS,
    DigestPage,
    Fragment,
    Frozen,
    Note,
    Piece,
    fragment,
    literal,
    text_value,
)
from pipeline.model.pictures import IN_WORDS, Pictures
from pipeline.render.cut import Cut, Markers, shell_problems
from pipeline.render.inline import inline
from pipeline.render.templates import Blocks, DigestTemplate
from pipeline.render.views import ArticleView, TextOf, article_view, plain_view, preheader
from pipeline.text.clean import text_with_links

BATCH = 1_000_000  # characters inlined at a time; libxml2 gives up beyond 10 MB


def freeze(
    template: DigestTemplate, page: DigestPage, articles: Sequence[Article], *, nonce: str,
    text_of: TextOf = text_with_links, pictures: Pictures = IN_WORDS,
) -> Frozen:
    """Freeze a digest with all its candidates, in display order. The same arguments give the same bytes.

    `nonce` is 8 to 40 random lower-case letters and digits, new for each freeze. Raises TemplateError where the
    template itself can't be rendered or cut; an article never makes it raise, but by holding the nonce. `pictures` is
    what was gathered before (compose/pictures): nothing is fetched and no file read here.
    """
    pages = _Pages(template, page, nonce)
    views = views_of(articles, page, text_of=text_of, pictures=pictures)
    plain = {a.id: plain_view(a, public_url=page.public_url) for a in articles}
    html = _freeze_html(pages, views, plain, template.css)
    text = _freeze_text(pages, [plain[v.id] if v.id in html.reasons else v for v in views])
    problems = shell_problems(html.shell, "html") + shell_problems(text.shell, "text")
    if problems:
        raise TemplateError(f"template {template.name!r}", "; ".join(problems))
    joined: dict[tuple[str, int], Fragment] = {}
    for slot in (ARTICLES, CONTENTS):
        for view in views:
            key = (slot, view.id)
            if key in html.fragments or key in text.fragments:
                joined[key] = fragment(slot, view.id, html.fragments.get(key, ""), text.fragments.get(key, ""))
    notes = tuple(Note(view.id, html.reasons[view.id]) for view in views if view.id in html.reasons)
    return Frozen(nonce, _ending_in_a_line(html.shell), _ending_in_a_line(text.shell), joined, notes)


def views_of(
    articles: Iterable[Article], page: DigestPage, *, text_of: TextOf = text_with_links, pictures: Pictures = IN_WORDS
) -> list[ArticleView]:
    return [article_view(a, public_url=page.public_url, text_of=text_of, pictures=pictures.of(a.source),
                         images=pictures.how(a.source)) for a in articles]


def selection_lines(
    template: DigestTemplate, page: DigestPage, articles: Sequence[Article], *, more: int = 0, subject: str = ""
) -> tuple[str, dict[str, str]]:
    """The subject, and the values that follow from what a person gets: preheader, more, count.

    One small render for each distinct selection. `subject` is the newsletter's own template text, or "" for the
    template's. `more` is how many articles the limits left to the web.
    """
    views = [plain_view(a, public_url=page.public_url) for a in articles]
    values = {"preheader": preheader(views), "more": str(more) if more else "", "count": str(len(views))}
    return template.subject(subject, page=page, articles=views), values


def render_directly(
    template: DigestTemplate, page: DigestPage, views: Sequence[ArticleView], values: Mapping[str, str], *, nonce: str
) -> tuple[str, str]:
    """One person's (HTML, text) with nothing frozen: rendered and inlined for these articles and values alone.

    The slow reference that the joined pieces are held against. It differs in how characters are escaped only.
    """
    values = {name: text_value(value) for name, value in values.items()}
    pages = _Pages(template, page, nonce, values)
    html_shell, text_shell = pages.shell("html"), pages.shell("text")
    html = pages.html.cut(inline(pages.html.assemble(html_shell, pages.parts("html", views)), template.css))
    text = pages.text.cut(pages.text.assemble(text_shell, pages.parts("text", views)))
    return _direct(html, views, values), _direct(text, views, values)


@dataclass(slots=True)
class _Half:
    """The HTML or the plain text half of a digest in the making."""

    shell: list[Piece] = field(default_factory=list)
    fragments: dict[tuple[str, int], str] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)


class _Pages:
    """A template's blocks for one digest, in both kinds, with their markers. Ask for a shell before its parts."""

    def __init__(
        self, template: DigestTemplate, page: DigestPage, nonce: str, values: Mapping[str, str] | None = None
    ) -> None:
        self.html = Markers("html", nonce, values)
        self.text = Markers("text", nonce, values)
        self._blocks: dict[str, Blocks] = {part: template.blocks(part, page) for part in ("html", "text")}
        self._slots: dict[str, set[str]] = {"html": set(SLOTS), "text": set(SLOTS)}

    def shell(self, part: str) -> str:
        markers = self.html if part == "html" else self.text
        shell = _plain_lines(self._blocks[part].render("shell", **markers.context()))
        self._slots[part] = markers.slots(shell)
        return shell

    def parts(self, part: str, views: Sequence[ArticleView]) -> dict[str, list[tuple[int, str]]]:
        """Slot -> what stands there for each article. Raises TemplateError where an article holds the nonce."""
        blocks = self._blocks[part]
        out = {}
        for slot, block in ((ARTICLES, "article"), (CONTENTS, "toc_entry")):
            if block in blocks and slot in self._slots[part]:
                out[slot] = [(v.id, self._part(blocks, block, v)) for v in views]
        return out

    def _part(self, blocks: Blocks, block: str, view: ArticleView) -> str:
        text = _plain_lines(blocks.render(block, article=view))
        if self.html.nonce in text:
            raise TemplateError(
                f"article {view.id}", "holds the freeze's nonce", hint="freeze again: the nonce is random"
            )
        return text


def _freeze_html(
    pages: _Pages, views: Sequence[ArticleView], plain: Mapping[int, ArticleView], css: str
) -> _Half:
    shell = pages.shell("html")
    half = _Half()
    for batch in _batches(views):
        cut = _inlined(pages.html, shell, pages.parts("html", batch), css)
        if isinstance(cut, str):
            for view in batch:
                alone = _inlined(pages.html, shell, pages.parts("html", [view]), css)
                if isinstance(alone, str):
                    half.reasons[view.id] = alone
            if not half.reasons.keys() & {v.id for v in batch}:  # each alone is well, together they are not
                half.reasons |= {v.id: cut for v in batch}
            rest = [plain[v.id] if v.id in half.reasons else v for v in batch]
            cut = _inlined(pages.html, shell, pages.parts("html", rest), css)
        if isinstance(cut, str):
            raise TemplateError("body.html.j2", f"can't be inlined and cut: {cut}")
        half.shell = half.shell or cut.shell
        half.fragments |= cut.fragments
    return half


def _freeze_text(pages: _Pages, views: Sequence[ArticleView]) -> _Half:
    shell = pages.shell("text")
    document = pages.text.assemble(shell, pages.parts("text", views))
    pages.text.codes(document)
    cut = pages.text.cut(document)
    return _Half(cut.shell, cut.fragments)


def _inlined(markers: Markers, shell: str, parts: Mapping[str, Sequence[tuple[int, str]]], css: str) -> Cut | str:
    """The document in pieces, or why it can't be had."""
    document = markers.assemble(shell, parts)
    before = markers.codes(document)
    try:
        out = inline(document, css)
    except TemplateError as error:
        return error.cause
    damage = markers.damage(out, before)
    return damage or markers.cut(_plain_lines(out))


def _batches(views: Sequence[ArticleView]) -> list[list[ArticleView]]:
    """Runs of articles of about BATCH characters; one that is longer stands alone."""
    batches: list[list[ArticleView]] = [[]]
    size = 0
    for view in views:
        size += len(view.html)
        if batches[-1] and size > BATCH:
            batches.append([])
            size = len(view.html)
        batches[-1].append(view)
    return batches


def _plain_lines(text: str) -> str:
    """LF as the only line end, and nothing that UTF-8 can't carry."""
    return text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()


def _ending_in_a_line(shell: Sequence[Piece]) -> tuple[Piece, ...]:
    """The last piece always ends a line, so that the joined bytes end one too."""
    return (*shell, literal("\n"))


def _direct(cut: Cut, views: Sequence[ArticleView], values: Mapping[str, str]) -> str:
    return "".join(_direct_pieces(cut, views, values)) + "\n"


def _direct_pieces(cut: Cut, views: Sequence[ArticleView], values: Mapping[str, str]) -> Iterator[str]:
    for piece in cut.shell:
        if not all(c == MAIL or values.get(c) for c in piece.conditions):
            continue
        if piece.kind == "slot":
            yield from (cut.fragments[piece.name, v.id] for v in views)
        else:
            yield piece.body
