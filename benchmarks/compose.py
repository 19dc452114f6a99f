"""How long a freeze takes, what one more selection costs, and how many messages a core personalises in a second.

    freeze_vs_premailer   the whole freeze of a 20-article digest (render, inline, cut, encode) against ONE warm
                          premailer transform of the same document: what mailing costs at the very least
    selection_ms          one more distinct selection: choosing, subject, preheader and its row
    personalise_per_s     whole messages (headers, signature of the unsubscribe link, both parts), joined to bytes
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from secrets import token_hex

from measure import NOW, Options, Result, accept, folder, found_articles, main, medians_s, seconds, site, subscribe
from premailer import Premailer

from pipeline.app import App
from pipeline.compose.choose import choose
from pipeline.compose.freeze import content_of, freeze, views_of
from pipeline.compose.settings import letterhead, page_for
from pipeline.compose.stage import selection_subject
from pipeline.deliver.letters import Letter
from pipeline.model.articles import Article
from pipeline.model.frozen import DigestPage
from pipeline.model.newsletters import Digest, DigestStatus, Window
from pipeline.model.selection import candidate, select
from pipeline.render.cut import Markers
from pipeline.render.templates import DigestTemplate
from pipeline.store import declared, digests

ARTICLES, WORDS_EACH = 20, 270   # about 124 KB a message
PEOPLE = 10_000                  # messages personalised in one run

CONFIG = """
config_version = 1
[site]
title = "The Lantern"
public_url = "https://lantern.example"
postal_address = "Lantern, Main Street 1, Stockholm"
[[sources]]
slug = "desk"
folder = "articles"
[[newsletters]]
slug = "lantern"
title = "The Lantern"
description = "Letters from the quay"
  [[newsletters.schedules]]
  slug = "daily"
  at = "08:00"
[mail]
sender = "The Lantern <news@lantern.example>"
"""


def measure(options: Options) -> Result:
    with folder() as place, site(CONFIG, place) as app:
        accept(app, "desk", found_articles(options.size(ARTICLES, 3), WORDS_EACH))
        subscribe(app, "lantern", "daily", 3)
        newsletter = app.config.newsletter("lantern")
        digest = Digest(1, "lantern", "daily", "2026-06-01T08:00", DigestStatus.DRAFT, NOW, 0, NOW)
        with app.store.read() as connection:
            plan = choose(connection, declared.newsletter_id(connection, "lantern"), "", newsletter.rules)
        template, page = app.templates().digest("digest"), page_for(app.config, newsletter, digest)

        document = _document(template, page, plan.fresh)
        freeze_s, premailer_s = medians_s(
            options.size(31, 1), lambda: freeze(template, page, content_of(plan.fresh, page), nonce=token_hex(8)),
            lambda: _premailer(document, template.css))

        frozen = freeze(template, page, content_of(plan.fresh, page), nonce=token_hex(8))
        head = letterhead(app.config, newsletter, digest)
        letter = Letter(token_hex(16), head, frozen, NOW, {})
        ids = [article.id for article in plan.fresh]
        size = len(b"".join(_message(app, letter, 1, ids)))
        people = options.size(PEOPLE, 20)
        personal_s, = medians_s(options.size(3, 1), lambda: _personalise(app, letter, people, ids), warm=0)
        selection_s = _selection_s(app, plan.fresh, options.size(100, 3))
    return Result(
        figures={
            "freeze_vs_premailer": freeze_s / premailer_s, "freeze_ms": freeze_s * 1e3,
            "selection_ms": selection_s * 1e3, "personalise_per_s": people / personal_s, "message_kb": size / 1e3,
        },
        peers={"premailer_transform_ms": premailer_s * 1e3, "document_kb": len(document) / 1e3},
        runs=options.size(31, 1),
        limits="freeze: premailer itself, then a second parse to compare markers, plain text and quoted-printable; "
               "selections: the row (SQL), then the subject's template; messages: joining and copying bytes, then "
               "the link's and the Message-ID's HMAC",
    )


def _document(template: DigestTemplate, page: DigestPage, articles: list[Article]) -> str:
    """What premailer gets where nothing is frozen: the same letter with one person's values."""
    values = {"unsubscribe_url": "https://lantern.example/u/1", "preferences_url": "https://lantern.example/p/1",
              "address": "reader@people.example", "since": "", "preheader": "", "more": "", "count": str(len(articles))}
    markers, blocks = Markers("html", token_hex(8), values), template.blocks("html", page)
    parts = {"articles": [(view.id, blocks.render("article", article=view)) for view in views_of(articles, page)]}
    return markers.assemble(blocks.render("shell", **markers.context()), parts)


def _premailer(document: str, css: str) -> str:
    out: str = Premailer(
        css_text=css, allow_network=False, disable_validation=True,
        disable_basic_attributes=["width", "height", "align", "valign", "bgcolor"],
    ).transform(document, pretty_print=False)
    return out


def _personalise(app: App, letter: Letter, people: int, ids: list[int]) -> None:
    for number in range(1, people + 1):
        b"".join(_message(app, letter, number, ids))


def _message(app: App, letter: Letter, number: int, ids: list[int]) -> list[bytes]:
    _, chunks = letter.personal(
        app.keyring, number, f"reader-{number}@people.example", NOW - timedelta(days=30),
        subject="The ferry that came back and 19 more", article_ids=ids, preheader="What else is in it", more=0)
    return chunks


def _selection_s(app: App, articles: list[Article], count: int) -> float:
    """Seconds for one more selection, of `count` different ones in one transaction."""
    templates, newsletter = app.templates(), app.config.newsletter("lantern")
    with app.store.write() as connection:
        digest_id, _ = digests.take_slot(
            connection, declared.newsletter_id(connection, "lantern"), schedule="daily", nominal="2026-06-01T08:00",
            due_at=NOW, audience="daily", now=NOW)
        head = letterhead(app.config, newsletter, digests.get(connection, digest_id))
        candidates = [candidate(article) for article in articles]
        last = max(article.accepted_seq for article in articles)

        def each() -> None:
            for number in range(count):
                rules = replace(newsletter.rules, limit=1 + number % len(candidates))
                chosen = select(candidates, Window(number // len(candidates), last), rules)
                subject, preheader = selection_subject(templates, head, chosen, articles)
                digests.ensure_selection(connection, digest_id, article_ids=chosen.ids, more=number, subject=subject,
                                         preheader=preheader)
        return seconds(each) / count


if __name__ == "__main__":
    main("compose", (__doc__ or "").splitlines()[0], measure)
