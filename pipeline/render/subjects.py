"""A frozen digest's subject for some of its articles: mail and the entry in a feed say it the same way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.errors import TemplateError
from pipeline.model.articles import Article
from pipeline.model.letterhead import Letterhead
from pipeline.render.views import ArticleView, plain_view

if TYPE_CHECKING:
    from pipeline.render.templates import Templates


def subject_of(templates: Templates, head: Letterhead, articles: Sequence[Article]) -> str:
    """One line."""
    return subject_from(templates, head, [plain_view(one, public_url=head.page.public_url) for one in articles])


def subject_from(templates: Templates, head: Letterhead, views: Sequence[ArticleView]) -> str:
    """The same from plain views. Where there are none, or the subject's template fails for these, it is the title of
    the newsletter: the digest is frozen by now, and a plain subject is better than none."""
    try:
        return templates.subject(head.subject, page=head.page, articles=views) if views else head.page.newsletter_title
    except TemplateError:
        return head.page.newsletter_title
