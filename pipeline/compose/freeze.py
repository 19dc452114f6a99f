"""Freeze a digest: render it once with all its candidates, inline it once, cut it into pieces.

    shell + articles | render blocks | assemble with markers | inline | compare markers | cut -> Frozen

After inlining every marker must stand exactly where it stood in the order of the document, and each article's two
ends under one parent. An article that breaks this (nested too deep, too long, unbalanced) is found by trying it
alone, and stands in the digest as its plain summary, with a note; the others are untouched (PROMISES 7).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.errors import TemplateError
from pipeline.model.articles import Article
from pipeline.model.frozen import (
    ARTICLES,
    CONTENTS,
    CORRECTIONS,
    GROUP,
    MAIL,
    PARTS,
    SLOTS,
    Arrangement,
    DigestPage,
    Fragment,
    Frozen,
    Note,
    Piece,
    PieceKind,
    fragment,
    literal,
    text_value,
)
from pipeline.model.pictures import IN_WORDS, Pictures
from pipeline.model.room import MOST_HTML, room, sizes
from pipeline.render.cut import Cut, Markers, shell_problems
from pipeline.render.inline import inline
from pipeline.render.templates import Blocks, DigestTemplate
from pipeline.render.views import (
    ArticleView,
    CorrectionView,
    GroupView,
    TextOf,
    article_view,
    correction_view,
    plain_view,
    with_note,
)
from pipeline.text.clean import text_with_links

ANOTHER_NONCE = "freeze again: the nonce is random"

BATCH = 1_000_000  # characters inlined at a time; libxml2 gives up beyond 10 MB


@dataclass(frozen=True, slots=True)
class Content:
    """What one freeze renders: all candidates in display order, and what stands beside them."""

    articles: Sequence[ArticleView]
    plain: Mapping[int, ArticleView]                  # what takes the place of an article that breaks the page
    groups: Sequence[GroupView] = ()
    corrections: Sequence[CorrectionView] = ()

    def instead(self, ids: Iterable[int]) -> Content:
        """The same with these articles as their plain summaries."""
        broken = set(ids)
        return replace(self, articles=[self.plain[v.id] if v.id in broken else v for v in self.articles])


    def without_notes(self, ids: Iterable[int]) -> Content:
        """The same without the operator's words on these articles."""
        bare = set(ids)
        return replace(
            self, articles=[with_note(v, "", "") if v.id in bare else v for v in self.articles],
            plain={i: with_note(v, "", "") if i in bare else v for i, v in self.plain.items()})


def content_of(
    articles: Iterable[Article], page: DigestPage, *, groups: Sequence[GroupView] = (),
    corrections: Iterable[Article] = (), notes: Mapping[int, tuple[str, str]] | None = None,
    text_of: TextOf = text_with_links, pictures: Pictures = IN_WORDS,
) -> Content:
    """`notes`: the operator's words on articles, (sanitised HTML, plain text) by the article's id. `pictures`: what was
    gathered before (compose/pictures); nothing is fetched and no file read here."""
    listed = list(articles)
    said = notes or {}
    views = views_of(listed, page, text_of=text_of, pictures=pictures)
    plain = {a.id: plain_view(a, public_url=page.public_url) for a in listed}
    return Content(
        [with_note(v, *said[v.id]) if v.id in said else v for v in views],
        {i: with_note(v, *said[i]) if i in said else v for i, v in plain.items()}, groups,
        [correction_view(a, public_url=page.public_url) for a in corrections])


def freeze(template: DigestTemplate, page: DigestPage, content: Content, *, nonce: str) -> Frozen:
    """Freeze a digest with all its candidates. The same arguments give the same bytes.

    `nonce` is 8 to 40 random lower-case letters and digits, new for each freeze. Raises TemplateError where the
    template itself can't be rendered or cut; an article never makes it raise, but by holding the nonce.
    """
    pages = _Pages(template, page, nonce)
    html = _freeze_html(pages, content, template.css)
    made = _joined(nonce, html, _freeze_text(pages, content.instead(html.reasons)), content)
    problems = shell_problems(made.html, "html") + shell_problems(made.text, "text")
    if problems:
        raise TemplateError(f"template {template.name!r}", "; ".join(problems))
    if room(made) <= 0:
        raise TemplateError(f"template {template.name!r}", f"is longer than {MOST_HTML:,} bytes with no article in it",
                            hint="a shorter introduction, or a smaller template: mail programs cut longer letters off")
    if too_long := _too_long(made, html.reasons):
        html.reasons |= {i: f"its {size:,} bytes are too many for a mail" for i, size in too_long.items()}
        html, made = _again(pages, content.instead(html.reasons), template.css, nonce, html.reasons)
        if worded := _too_long(made, {}):  # the plain summary is short: what is left is the operator's own note
            html.reasons |= {i: f"your note on it makes {size:,} bytes, and is left out" for i, size in worded.items()}
            _, made = _again(pages, content.instead(html.reasons).without_notes(worded), template.css, nonce,
                             html.reasons)
    return made


def _too_long(made: Frozen, known: Mapping[int, str]) -> dict[int, int]:
    """Articles that are longer than a mail has room for, and their bytes; without those that stand as summaries."""
    return {i: size for i, size in sizes(made).items() if size > room(made) and i not in known}


def _again(
    pages: _Pages, content: Content, css: str, nonce: str, reasons: dict[int, str]
) -> tuple[_Half, Frozen]:
    half = _freeze_html(pages, content, css)
    half.reasons = reasons | half.reasons
    return half, _joined(nonce, half, _freeze_text(pages, content.instead(half.reasons)), content)


def views_of(
    articles: Iterable[Article], page: DigestPage, *, text_of: TextOf = text_with_links, pictures: Pictures = IN_WORDS
) -> list[ArticleView]:
    return [article_view(a, public_url=page.public_url, text_of=text_of, pictures=pictures.of(a.source),
                         images=pictures.how(a.source)) for a in articles]


def render_directly(
    template: DigestTemplate, page: DigestPage, content: Content, arrangement: Arrangement, values: Mapping[str, str],
    *, nonce: str,
) -> tuple[str, str]:
    """One person's (HTML, text) with nothing frozen: rendered and inlined for what they get and their values alone.

    The slow reference that the joined pieces are held against. It differs in how characters are escaped only.
    """
    values = {name: text_value(value) for name, value in values.items()}
    by_id = {v.id: v for v in content.articles}
    theirs = replace(
        content, articles=[by_id[i] for i in arrangement.articles],
        groups=[g for g in content.groups if g.number in arrangement.groups],
        corrections=[c for i in arrangement.corrections for c in content.corrections if c.id == i])
    pages = _Pages(template, page, nonce, values)
    html_shell, text_shell = pages.shell("html"), pages.shell("text")
    html = pages.html.cut(inline(pages.html.assemble(html_shell, pages.parts("html", theirs)), template.css))
    text = pages.text.cut(pages.text.assemble(text_shell, pages.parts("text", theirs)))
    return _direct(html, arrangement, values), _direct(text, arrangement, values)


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
        if nonce in page.introduction or nonce in page.introduction_text:
            raise TemplateError("the introduction", "holds the freeze's nonce", hint=ANOTHER_NONCE)

    def shell(self, part: str) -> str:
        markers = self.html if part == "html" else self.text
        shell = _plain_lines(self._blocks[part].render("shell", **markers.context()))
        self._slots[part] = markers.slots(shell)
        return shell

    def parts(self, part: str, content: Content) -> dict[str, list[tuple[int, str]]]:
        """Kind -> what stands there for each. Raises TemplateError where an article holds the nonce."""
        blocks = self._blocks[part]
        wanted: list[tuple[str, str, str, Sequence[tuple[int, Any]]]] = [
            (GROUP, "group", "group", [(g.number, g) for g in content.groups]),
            (ARTICLES, "article", "article", [(v.id, v) for v in content.articles]),
            (CONTENTS, "toc_entry", "article", [(v.id, v) for v in content.articles]),
            (CORRECTIONS, "correction", "correction", [(c.id, c) for c in content.corrections]),
        ]
        return {
            kind: [(number, self._part(blocks, block, number, **{name: value})) for number, value in shown]
            for kind, block, name, shown in wanted if block in blocks and PARTS[kind] in self._slots[part]
        }

    def _part(self, blocks: Blocks, block: str, number: int, **values: Any) -> str:
        text = _plain_lines(blocks.render(block, **values))
        if self.html.nonce in text:
            raise TemplateError(f"{block} {number}", "holds the freeze's nonce", hint=ANOTHER_NONCE)
        return text


def _joined(nonce: str, html: _Half, text: _Half, content: Content) -> Frozen:
    ids = [v.id for v in content.articles]
    numbers = {GROUP: [g.number for g in content.groups], ARTICLES: ids, CONTENTS: ids,
               CORRECTIONS: [c.id for c in content.corrections]}
    keys = [(kind, number) for kind in PARTS for number in numbers[kind]]
    joined: dict[tuple[str, int], Fragment] = {
        key: fragment(*key, html.fragments.get(key, ""), text.fragments.get(key, ""))
        for key in keys if key in html.fragments or key in text.fragments}
    notes = tuple(Note(i, html.reasons[i]) for i in ids if i in html.reasons)
    return Frozen(nonce, _ending_in_a_line(html.shell), _ending_in_a_line(text.shell), joined, notes)


def _freeze_html(pages: _Pages, content: Content, css: str) -> _Half:
    shell = pages.shell("html")
    half = _Half()
    for batch in _batches(content):
        ids = [v.id for v in batch.articles]
        cut = _inlined(pages.html, shell, pages.parts("html", batch), css)
        if isinstance(cut, str):
            for view in batch.articles:
                alone = _inlined(pages.html, shell, pages.parts("html", Content([view], content.plain)), css)
                if isinstance(alone, str):
                    half.reasons[view.id] = alone
            if not half.reasons.keys() & set(ids):  # each alone is well, together they are not
                half.reasons |= dict.fromkeys(ids, cut)
            cut = _inlined(pages.html, shell, pages.parts("html", batch.instead(half.reasons)), css)
        if isinstance(cut, str):
            raise TemplateError("body.html.j2", f"can't be inlined and cut: {cut}")
        half.shell = half.shell or cut.shell
        half.fragments |= cut.fragments
    return half


def _freeze_text(pages: _Pages, content: Content) -> _Half:
    shell = pages.shell("text")
    document = pages.text.assemble(shell, pages.parts("text", content))
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


def _batches(content: Content) -> list[Content]:
    """Runs of articles of about BATCH characters; one that is longer stands alone. Headings and corrections, short as
    they are, stand in the first."""
    batches: list[list[ArticleView]] = [[]]
    size = 0
    for view in content.articles:
        size += len(view.html)
        if batches[-1] and size > BATCH:
            batches.append([])
            size = len(view.html)
        batches[-1].append(view)
    return [replace(content, articles=batches[0]), *(Content(views, content.plain) for views in batches[1:])]


def _plain_lines(text: str) -> str:
    """LF as the only line end, and nothing that UTF-8 can't carry."""
    return text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()


def _ending_in_a_line(shell: Sequence[Piece]) -> tuple[Piece, ...]:
    """The last piece always ends a line, so that the joined bytes end one too."""
    return (*shell, literal("\n"))


def _direct(cut: Cut, arrangement: Arrangement, values: Mapping[str, str]) -> str:
    return "".join(_direct_pieces(cut, arrangement, values)) + "\n"


def _direct_pieces(cut: Cut, arrangement: Arrangement, values: Mapping[str, str]) -> Iterator[str]:
    for piece in cut.shell:
        if not all(c == MAIL or values.get(c) for c in piece.conditions):
            continue
        if piece.kind is PieceKind.SLOT:
            yield from (cut.fragments[key] for key in arrangement.parts(piece.name) if key in cut.fragments)
        else:
            yield piece.body
