"""A plan becomes pages: rendered and frozen once in each language that somebody reads, and measured. Stores nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.compose.choose import Plan
from pipeline.compose.freeze import content_of, freeze
from pipeline.compose.settings import letterhead, page_for
from pipeline.config import Config, Newsletter
from pipeline.model.articles import Article, ArticleStatus, Images
from pipeline.model.edits import Edits
from pipeline.model.frozen import DigestPage, Frozen
from pipeline.model.letterhead import Letterhead
from pipeline.model.newsletters import Digest
from pipeline.model.pictures import Pictures
from pipeline.model.room import correction_sizes, room, sizes
from pipeline.model.selection import Selection
from pipeline.render.subjects import subject_from
from pipeline.render.templates import Templates
from pipeline.render.views import FIRST_HEADING, ArticleView, fit_html, plain_view, preheader
from pipeline.text.clean import clean_html, text_with_links
from pipeline.text.markdown import markdown_html


@dataclass(frozen=True, slots=True)
class Pressed:
    """A digest ready to be stored. `plan` is the one it was made of, with the room and the sizes that it turned out to
    have."""

    plan: Plan
    head: Letterhead
    frozen: Mapping[str, Frozen]     # by language; "": the newsletter's
    notes: tuple[str, ...]


def press(
    templates: Templates, config: Config, newsletter: Newsletter, digest: Digest, plan: Plan, *, nonce: str,
    pictures: Pictures,
) -> Pressed:
    """Freeze a plan, with the pictures gathered for it. Raises TemplateError where the template or the subject can't be
    rendered: then nothing may go."""
    head = letterhead(config, newsletter, digest)
    template = templates.digest(newsletter.template)
    made: dict[str, Frozen] = {}
    for language in spoken(plan, newsletter):
        page = with_introduction(page_for(config, newsletter, digest, language), digest.edits, newsletter.images)
        content = content_of(plan.fresh, page, groups=plan.groups, corrections=[a for a, _ in plan.corrections],
                             notes=notes_of(digest.edits, page.public_url, newsletter.images), pictures=pictures)
        made[language] = freeze(template, page, content, nonce=nonce)
    head = replace(head, subject=head.subject or template.subject_source,
                   groups=tuple(group.name for group in plan.groups), room=min(map(room, made.values())))
    plan = replace(_measured(plan, made), room=head.room)
    _try_subject(templates, head, plan.selection(plan.most), plan.fresh)
    isolated = dict.fromkeys(f"article {n.article_id}: {n.reason}" for one in made.values() for n in one.notes)
    return Pressed(plan, head, made, (*plan.notes, *isolated, *pictures.notes))


def spoken(plan: Plan, newsletter: Newsletter) -> list[str]:
    """The languages to freeze in: the newsletter's own, and those of its further ones that somebody picked."""
    picked = {who.language for who in plan.people}
    return ["", *(language for language in newsletter.languages if language in picked)]


def with_introduction(page: DigestPage, edits: Edits, images: Images) -> DigestPage:
    html, text = said(edits.introduction, page.public_url, images, first_heading=2)
    return replace(page, introduction=html, introduction_text=text)


def notes_of(edits: Edits, public_url: str, images: Images) -> dict[int, tuple[str, str]]:
    """Article's id -> the operator's words on it, as HTML and in plain text."""
    return {number: said(words, public_url, images) for number, words in edits.notes.items()}


def said(markdown: str, public_url: str, images: Images, *, first_heading: int = FIRST_HEADING) -> tuple[str, str]:
    """An operator's words as HTML that is safe to show, and in plain text with its links behind it. Pictures of others
    are not fetched, so with images = "own" they stand in words; those of the site itself are shown."""
    if not markdown.strip():
        return "", ""
    return put(markdown_html(markdown), public_url, images, first_heading=first_heading)


def put(html: str, public_url: str, images: Images, *, first_heading: int = FIRST_HEADING) -> tuple[str, str]:
    """The same of HTML, of which everything is taken out that an article may not hold either."""
    html = fit_html(clean_html(html), public_url=public_url, first_heading=first_heading, images=images)
    text, links = text_with_links(html)
    return html, "\n".join([text.strip("\n"), *[""] * bool(links),
                            *(f"[{number}] {link}" for number, link in enumerate(links, 1))])


def selection_subject(
    templates: Templates, head: Letterhead, selection: Selection, frozen: Sequence[Article], language: str = ""
) -> tuple[str, str]:
    """(subject, preheader) for one selection, in one of the digest's languages ("": the newsletter's)."""
    views = plain_views(head, frozen)
    return worded(templates, head.spoken(language), [views[i] for i in selection.ids if i in views])


def plain_views(head: Letterhead, frozen: Iterable[Article]) -> dict[int, ArticleView]:
    """What can be told of each article, by its id; nothing of one that was taken down."""
    return {a.id: plain_view(a, public_url=head.page.public_url) for a in frozen if a.status is ArticleStatus.ACCEPTED}


def worded(templates: Templates, head: Letterhead, views: Sequence[ArticleView]) -> tuple[str, str]:
    """(subject, preheader) for these articles."""
    return subject_from(templates, head, views), preheader(views)


def _measured(plan: Plan, made: Mapping[str, Frozen]) -> Plan:
    """With the bytes that each article and correction takes, in the language in which it takes most."""
    largest: dict[int, int] = {}
    corrections: dict[int, int] = {}
    for one in made.values():
        for found, into in ((sizes(one), largest), (correction_sizes(one), corrections)):
            for number, size in found.items():
                into[number] = max(size, into.get(number, 0))
    return replace(
        plan, chosen=tuple((a, replace(how, size=largest.get(a.id, 0))) for a, how in plan.chosen),
        corrections=tuple((a, replace(c, size=corrections.get(a.id, 0))) for a, c in plan.corrections))


def _try_subject(
    templates: Templates, head: Letterhead, selection: Selection, frozen: Sequence[Article]
) -> None:
    """Try the subject before the freeze, while holding the digest is still possible."""
    by_id = {a.id: a for a in frozen}
    views = [plain_view(by_id[i], public_url=head.page.public_url) for i in selection.ids]
    if views:
        templates.subject(head.subject, page=head.page, articles=views)
