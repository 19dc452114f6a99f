"""A frozen digest's subject for some of its articles: mail and the entry in a feed say it the same way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.errors import TemplateError
from pipeline.model.articles import Article
from pipeline.model.letterhead import Letterhead
from pipeline.render.views import plain_view

if TYPE_CHECKING:
    from pipeline.render.templates import Templates


def subject_of(templates: Templates, head: Letterhead, articles: Sequence[Article]) -> str:
    """One line. Where there are no articles, or the subject's template fails for these, it is the newsletter's title:
    the digest is frozen by now, and a plain subject is better than none."""
    views = [plain_view(article, public_url=head.page.public_url) for article in articles]
    try:
        return templates.subject(head.subject, page=head.page, articles=views) if views else head.page.newsletter_title
    except TemplateError:
        return head.page.newsletter_title
