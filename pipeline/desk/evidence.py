"""Gather what `why` tells: one article as the sources, feeds, newsletters and one person's deliveries have it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pipeline.app import App
from pipeline.audience.addresses import read_address
from pipeline.compose.choose import LOOK_BACK
from pipeline.compose.wanted import unwanted
from pipeline.config import Newsletter, nearest
from pipeline.desk.lying import documents_named
from pipeline.desk.why import (
    DeliveryFacts,
    DigestFacts,
    Facts,
    FeedFacts,
    LikenessFacts,
    NewsletterFacts,
    PassedFacts,
    PersonFacts,
    RevisionFacts,
)
from pipeline.errors import StoreError, UsageError
from pipeline.model.articles import Article
from pipeline.model.deliveries import DeliveryState
from pipeline.model.letterhead import Letterhead
from pipeline.model.newsletters import DigestStatus, Window
from pipeline.model.selection import Order
from pipeline.model.subscribers import Subscription
from pipeline.publish import volumes
from pipeline.publish.documents import articles_of, hidden_by
from pipeline.store import (
    Connection,
    Row,
    articles,
    declared,
    digests,
    drafts,
    feed_entries,
    feeds,
    ledger,
    meta,
    passed,
    revisions,
    similar,
    subscribers,
    told,
)
from pipeline.store.subscribers import Audience

LATEST = 500
"""Titles among which the nearest one is looked for."""

LIKE = 0.75
"""How much of a title must be there for it to be guessed: below it any two titles of a language are alike."""

MOST_ALIKE, MOST_PASSED = 5, 5


def gather(app: App, article: Article, *, newsletter: str = "", address: str = "") -> Facts:
    """The facts of one article; with an address those of that person too. Raises UsageError for names unknown."""
    wanted = [app.config.newsletter(newsletter)] if newsletter else list(app.config.newsletters)
    feeds = tuple(_feed(app, article, feed.slug) for feed in app.config.feeds)
    with app.store.read() as connection:
        siblings = articles.siblings(connection, [article.story], meta.counter(connection, meta.ACCEPTED))
        in_each = tuple(_newsletter(connection, article, one, app.now()) for one in wanted)
        people = _people(app, connection, article, newsletter, address) if address else ()
        changes = tuple(RevisionFacts(r.number, r.at, r.changed)
                        for r in revisions.of_article(connection, article.id) if r.number > 1)
        alike = tuple(_likeness(article, pair) for pair in similar.of_article(connection, article.id, MOST_ALIKE))
    return Facts(
        article=article, zone=app.config.site.timezone, now=app.now(), siblings=tuple(siblings), feeds=feeds,
        newsletters=in_each, people=people,
        source_removed=article.source not in {s.slug for s in app.config.sources}, revisions=changes,
        likenesses=alike,
    )


def find(app: App, words: str) -> Article | list[PassedFacts]:
    """What an operator names: an article by its number, its address or ours, or words of its title; and where none has
    them, what was seen under such a title or address and not taken, the latest first."""
    text = words.strip()
    ours = f"{app.config.site.public_url}/a/"
    number = text.removeprefix(ours).removeprefix("#")
    with app.store.read() as connection:
        if number.isascii() and number.isdecimal() and len(number) < 19:
            return articles.by_id(connection, int(number))
        found = articles.search(connection, text=text, limit=LATEST) if text else []
        exact = [a for a in found if text in (a.url, a.title, a.guid)]
        if len(found) == 1 or len(exact) == 1:
            return (exact or found)[0]
        if found:
            some = "; ".join(f'{a.id} "{a.title}"' for a in found[:5])
            more = f" and {len(found) - 5} more" if len(found) > 5 else ""
            raise UsageError(f'article "{text}"', f"{len(found)} articles fit: {some}{more}", hint="name one number")
        if out := passed.search(connection, text, MOST_PASSED) if text else []:
            return [PassedFacts(p.state, p.title, p.url, p.source, p.reason, p.at, p.retry_at) for p in out]
        lying = documents_named(app.config, text, app.now()) if text else []
        for one in lying:  # asked for by the file's name, and known by the guid that it names itself
            same = articles.search(connection, text=one.guid) if one.guid else []
            if known := next((a for a in same if (a.guid, a.source) == (one.guid, one.facts.source)), None):
                return known
        if lying:
            return [one.facts for one in lying[:MOST_PASSED]]
        titles = [a.title for a in articles.search(connection, limit=LATEST)]
    close = nearest(text, titles, cutoff=LIKE)
    raise UsageError(f'article "{text}"', "no article has this number, address or title",
                     hint=f'did you mean "{close}"?' if close else "`broadsheet articles list` shows what there is")


def _likeness(article: Article, pair: similar.Likeness) -> LikenessFacts:
    other = pair.earlier if pair.later.id == article.id else pair.later
    return LikenessFacts(other.id, other.source, other.title, pair.percent, pair.state, pair.at)


def _feed(app: App, article: Article, slug: str) -> FeedFacts:
    feed = app.config.feed(slug)
    try:
        shown = articles_of(app.store, feed)
    except StoreError:  # not declared yet: it was never built
        shown = []
    ids = [a.id for a in shown]
    with app.store.read() as connection:
        state = feeds.state(connection, slug)
        position = feed_entries.position_of(connection, state.id, article.id) if state else 0
        teller = hidden_by(connection, feed, article)
    folder = ""
    if state is not None and 0 < position <= state.archived:
        folder = f"feeds/{slug}/{volumes.folder(volumes.number_of(position, state.archive_size), state.archive_size)}"
    place = ids.index(article.id) + 1 if article.id in ids else 0
    return FeedFacts(slug, feed.rules, place, len(ids), teller.title if teller else "", folder, position > 0)


def _newsletter(
    connection: Connection, article: Article, newsletter: Newsletter, now: datetime
) -> NewsletterFacts:
    newsletter_id = declared.newsletter_id(connection, newsletter.slug)
    reach = digests.audience_reach(connection, Audience(newsletter_id, "", meta.counter(connection, meta.EVENTS)))
    stood = [row for row in digests.sent_in(connection, article.id) if row.newsletter == newsletter.slug]
    return NewsletterFacts(
        newsletter.slug, newsletter.rules,
        tuple(_digest(connection, article, row) for row in stood),
        unwanted=unwanted(article, newsletter.rules),
        dropped=drafts.dropped_stories(connection, newsletter_id, None, now - LOOK_BACK).get(article.story, ""),
        waiting=sum(number for who, number in reach.items() if 0 < article.accepted_seq > who.start),
        people=sum(reach.values()),
    )


def _digest(connection: Connection, article: Article, row: Row[tuple[object, ...]]) -> DigestFacts:
    head = Letterhead.from_json(digests.settings(connection, row.digest_id))
    how = next(how for _, how in digests.frozen_articles(connection, row.digest_id) if how.id == article.id)
    points = digests.scores(connection, row.digest_id).get(article.id, {})
    return DigestFacts(digests.get(connection, row.digest_id).name, DigestStatus(row.status), row.reason, how.rank,
                       points if head.rules.order is Order.SCORE else {})


def _people(
    app: App, connection: Connection, article: Article, newsletter: str, address: str
) -> tuple[PersonFacts, ...]:
    _, key = read_address(address)
    theirs = [s for s in subscribers.by_address(connection, key) if newsletter in ("", s.newsletter)]
    if not theirs:
        raise UsageError(address, f'is not subscribed to "{newsletter}"')
    suppressed = subscribers.suppressed(connection, key)
    declared_now = {n.slug for n in app.config.newsletters}
    return tuple(_person(app, connection, article, s, suppressed) for s in theirs if s.newsletter in declared_now)


def _person(
    app: App, connection: Connection, article: Article, subscription: Subscription, suppressed: str
) -> PersonFacts:
    rows = ledger.of_subscription(connection, subscription.id)
    return PersonFacts(
        address=subscription.address, newsletter=subscription.newsletter, status=str(subscription.status),
        schedule=subscription.schedule, start_seq=subscription.start_seq,
        next_from=ledger.window_start(connection, subscription.id),
        rules=app.config.newsletter(subscription.newsletter).rules, suppressed=suppressed,
        deliveries=tuple(_delivery(connection, article, subscription, row) for row in rows),
    )


def _delivery(
    connection: Connection, article: Article, subscription: Subscription, row: Row[tuple[object, ...]]
) -> DeliveryFacts:
    window = Window(row.from_seq, row.cut_seq)
    facts = DeliveryFacts(digests.get(connection, row.digest_id).name, DeliveryState(row.state), row.reason, window,
                          row.changed_at, covered=row.covered)
    if article.accepted_seq not in window:
        return facts
    chosen = None
    if row.selection_id:
        chosen = tuple(digests.selection_rows(connection, row.digest_id)[row.selection_id].article_ids)
    head = Letterhead.from_json(digests.settings(connection, row.digest_id))
    hows = [how for _, how in digests.frozen_articles(connection, row.digest_id)]
    known = told.told_by(connection, {how.id for how in hows if how.told}, row.subscription_id, row.subscription_id,
                         upto_seq=row.from_seq)
    return replace(facts, chosen=chosen, candidates=hows, rules=head.rules, told=known.get(row.subscription_id, {}),
                   room=head.room, topics=subscription.topics)
