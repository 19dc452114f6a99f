"""The tables. DESIGN in one picture:

    sources -> articles (-> article_topics, article_revisions)          accepted_seq orders everything
            -> passed_over, hub_subscriptions, robots                   not taken; who tells us; who may be asked
    feeds -> feed_entries, feed_versions                                what was published where, and what it was
    newsletters -> schedules                                            what the config declared, and since when
    subscribers -> subscriptions -> subscription_events                 who was in an audience at any past moment
    digests -> digest_articles, digest_corrections, fragments, selections   frozen content
            -> batches -> deliveries                                    the ledger; recipients of announcements
    notices, returned                                                   other mail, and what came back
    destinations, allowances                                            where and how much mail may go
    pictures, link_checks                                               what was fetched for digests
    runs, workers, meta, counters

Three rules live in the database itself, so that no bug above can break them: a slot makes one digest
(`uq_digests_slot`), a digest makes one delivery per subscription (`uq_deliveries_once`), and a subscription has
one delivery whose window is still open (`uq_deliveries_live`).
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    Text,
    UniqueConstraint,
)

from pipeline.store.columns import NEVER_REUSED, Id, Utc, count, identity, metadata, ref, table, words
from pipeline.store.schema_collect import (
    article_bands,
    article_revisions,
    article_topics,
    articles,
    hub_subscriptions,
    likenesses,
    passed_over,
    robots,
    sources,
)
from pipeline.store.schema_compose import (
    digest_articles,
    digest_corrections,
    digests,
    fragments,
    link_checks,
    pictures,
    selections,
)
from pipeline.store.schema_deliver import allowances, batches, deliveries, destinations, notices, recipients, returned

__all__ = [
    "allowances", "article_bands", "article_revisions", "article_topics", "articles", "batches", "deliveries",
    "destinations", "digest_articles", "digest_corrections", "digests", "fragments", "hub_subscriptions", "likenesses",
    "link_checks", "metadata", "notices", "passed_over", "pictures", "recipients", "returned", "robots", "selections",
    "sources",
]
# the tables are imported by name; those of collecting, composing and delivering stand in files of their own

meta = table("meta", Column("key", Text, primary_key=True), words("value"))

counters = table("counters", Column("name", Text, primary_key=True), count("value"))

# --- what the config declared ---

# One row for each of [[feeds]], and one below it for each of its topics that has a feed of its own.
feeds = table(
    "feeds",
    identity(),
    Column("slug", Text, nullable=False, unique=True),   # its folder below feeds/: "all", "all/topic/python"
    words("uid"),                                        # in its id for good: the slug that it had first
    Column("parent_id", Id),                             # null: one of [[feeds]]
    words("topic"),
    Column("created_at", Utc, nullable=False),
    Column("ended_at", Utc),                             # no longer declared; its files were removed
    words("selected"),                                   # the rules by which articles have entered
    count("entries"),                                    # how many have: the last position
    count("archive_size"),                               # positions in one archive document
    count("archived"),                                   # positions that archive documents hold
    words("fingerprint"),                                # of everything else that its files were built by
    count("built_seq"),                                  # the change up to which they tell everything
    Column("updated_at", Utc),                           # what its main documents said; never goes back
    words("files", "{}"),                                # its main files as JSON: name -> bytes
    words("folders", "[]"),                              # where they lie, as JSON: under its slug, and former ones
    Column("ping_due_at", Utc),                          # its hub has to be told; null: it was
    count("ping_failures"),
    words("ping_error"),
    Index("uq_feeds_uid", "uid", unique=True),
    Index("ix_feeds_parent", "parent_id", "topic"),
    Index("ix_feeds_ping", "ping_due_at"),
)

# Which articles have entered a feed, in which order. Archive documents (RFC 5005) are runs of positions, so an article
# stays where it is whatever becomes of it or of the feed's rules.
feed_entries = table(
    "feed_entries",
    Column("feed_id", Id, ForeignKey("feeds.id", ondelete="CASCADE"), primary_key=True),
    Column("article_id", Id, ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True),
    Column("position", BigInteger, nullable=False),          # 1, 2, 3 …
    Column("published_at", Utc, nullable=False),             # the article's own, which never changes
    UniqueConstraint("feed_id", "position", name="uq_feed_entries_position"),
    Index("ix_feed_entries_newest", "feed_id", "published_at", "position"),
    Index("ix_feed_entries_article", "article_id"),
)

# What a feed's documents were, so that a reader who has one of them gets what came since (RFC 3229).
feed_versions = table(
    "feed_versions",
    Column("feed_id", Id, ForeignKey("feeds.id", ondelete="CASCADE"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    count("seq"),                                            # the change up to which they told everything
    words("rss"), words("atom"), words("json"),              # their ETags
    Column("article_ids", JSON, nullable=False),
)

newsletters = table("newsletters", identity(), Column("slug", Text, nullable=False, unique=True), words("title"),
                     Column("created_at", Utc, nullable=False), **NEVER_REUSED)

schedules = table(
    "schedules",
    identity(),
    ref("newsletter_id", "newsletters"),
    Column("slug", Text, nullable=False),
    words("spec"),
    Column("since", Utc, nullable=False),  # no slot before it is ever due; a changed spec renews it
    UniqueConstraint("newsletter_id", "slug"),
)

# --- audience ---

subscribers = table(
    "subscribers",
    identity(),
    words("address"),
    Column("address_key", Text, nullable=False, unique=True),
    Column("created_at", Utc, nullable=False),
    **NEVER_REUSED,
)

subscriptions = table(
    "subscriptions",
    identity(),
    ref("subscriber_id", "subscribers"),
    ref("newsletter_id", "newsletters"),
    words("status"),
    words("schedule"),
    words("zone"),               # "": the schedule's own
    words("language"),           # "": the newsletter's
    Column("topics", JSON, nullable=False, server_default="[]"),   # the ones the person picked; none: all
    words("consent"),
    count("start_seq"),
    Column("created_at", Utc, nullable=False),
    Column("confirmed_at", Utc),
    Column("unsubscribed_at", Utc),
    UniqueConstraint("subscriber_id", "newsletter_id"),
    Index("ix_subscriptions_audience", "newsletter_id", "status", "schedule", "id"),
    **NEVER_REUSED,
)

subscription_events = table(
    "subscription_events",
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    ref("subscription_id", "subscriptions"),
    ref("newsletter_id", "newsletters"),
    Column("at", Utc, nullable=False),
    words("kind"),
    words("status"),     # the state after this event, so that one row answers "who was confirmed then?"
    words("schedule"),
    words("zone"),
    words("language"),
    words("detail"),
    Index("ix_subscription_events_history", "newsletter_id", "subscription_id", "seq"),
)

suppressions = table("suppressions", Column("address_key", Text, primary_key=True), words("reason"),
                      Column("at", Utc, nullable=False))

# --- jobs ---

runs = table(
    "runs",
    Column("job", Text, primary_key=True),
    Column("due_at", Utc, primary_key=True),
    words("nominal"),
    words("status"),
    words("reason"),
    words("result"),
    words("worker"),
    Column("created_at", Utc, nullable=False),
    Column("started_at", Utc),
    Column("finished_at", Utc),
    Index("ix_runs_status", "status", "due_at"),
)

workers = table(
    "workers",
    Column("id", Text, primary_key=True),
    words("process"),            # whose lock file tells at once that it is gone
    words("host"),
    Column("pid", Integer, nullable=False),
    Column("started_at", Utc, nullable=False),
    Column("heartbeat_at", Utc, nullable=False),
    Column("ended_at", Utc),
)
