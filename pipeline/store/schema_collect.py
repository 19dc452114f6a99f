"""The tables of collecting: sources, what they gave, and what was not taken of it. Part of `schema`."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, Text, text

from pipeline.store.columns import Id, Utc, count, identity, ref, table, words

FAILING = "failures > 0 OR standing <> 'active'"
"""Written the same in the index and in the query: a planner compares them by their text."""

sources = table(
    "sources",
    identity(),
    Column("slug", Text, nullable=False, unique=True),
    words("kind"),
    words("location"),          # what `etag`, `last_modified` and the poll times belong to: another URL forgets them
    words("title"),
    Column("titled_at", Utc),         # when it last called itself otherwise; not believed more than once a day
    words("public_url"),        # what feeds may tell of its address; "" where that is nobody's business
    words("etag"),
    words("last_modified"),
    words("body_hash"),
    Column("created_at", Utc, nullable=False),
    Column("first_polled_at", Utc),   # the first poll that gave articles; before it nothing counts as a flood
    Column("last_polled_at", Utc),
    Column("next_poll_at", Utc),      # null: not asked any more; `standing` or `declared` says why
    count("failures"),
    words("last_error"),
    Column("failing_since", Utc),
    Column("last_new_at", Utc),       # when it last gave an article that was new
    words("show"),                    # how much of it is republished, as of the last start
    words("fingerprint"),             # of the keys that decide what becomes of its articles: a change reads it anew
    count("every_s"),                 # how often the operator wants it asked, as of the last start
    words("found_kind"),              # what an address of kind "auto" turned out to be; it does not turn lightly
    words("standing", "active"),      # SourceStanding, with the reason and, in quarantine, the end
    words("standing_reason"),
    Column("standing_until", Utc),
    count("offences"),                # polls in a row that went beyond a limit: quarantine counts them
    words("feed_url"),                # the feed that its page names
    words("followed_url"),            # asked instead of `location`, because of a lasting 301 or 308, and since when
    Column("followed_at", Utc),
    words("moved_to"),                # where a permanent redirect leads, and since when to the very same place
    Column("moved_since", Utc),
    Column("hints", JSON, nullable=False, server_default="{}"),
    count("rhythm_s"),                # seconds between two of its articles, as a rule; 0: not known
    count("interval_s"),              # what `next_poll_at` was made of, and why it is that long
    words("interval_reason"),
    Column("declared", Boolean, nullable=False, server_default=text("true")),   # it stands in config.toml
    Index("ix_sources_due", "next_poll_at"),
    Index("ix_sources_failing", "slug", sqlite_where=text(FAILING), postgresql_where=text(FAILING)),
)

# Articles that were seen and are no articles of ours (yet): they wait for their page, or were not taken, and why. So
# nobody asks for them again, they are no news when a document is read the next time, and `why` can tell.
passed_over = table(
    "passed_over",
    Column("source_id", Id, ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),     # the address's key, else the guid, else the content's hash
    words("state"),                            # PassedState
    words("reason"),
    words("url"),
    words("title"),
    Column("at", Utc, nullable=False),
    Column("retry_at", Utc),                   # when its page is asked for; null: never
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("article_id", Id, ForeignKey("articles.id", ondelete="CASCADE")),   # a known one whose page is read anew
    Column("draft", JSON),                     # what waits: the draft, and what was decided about it when it was seen
    Index("ix_passed_over_retry", "retry_at", "source_id"),
)

hub_subscriptions = table(
    "hub_subscriptions",
    identity(),
    Column("source_id", Id, ForeignKey("sources.id", ondelete="CASCADE"), nullable=False, unique=True),
    words("hub"),
    words("topic"),
    Column("token", Text, nullable=False, unique=True),   # the callback's address; nobody can guess it
    words("secret"),
    words("state"),
    words("error"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("requested_at", Utc, nullable=False),
    Column("verified_at", Utc),
    Column("expires_at", Utc),
    Column("renew_at", Utc, nullable=False),              # when to ask the hub (again)
    Column("last_push_at", Utc),
    Index("ix_hub_subscriptions_renew", "renew_at"),
)

robots = table(
    "robots",
    Column("origin", Text, primary_key=True),             # scheme://host:port
    Column("status", Integer, nullable=False),            # of the answer; 0: it could not be reached
    words("body"),
    Column("fetched_at", Utc, nullable=False),
    Column("expires_at", Utc, nullable=False),
)

articles = table(
    "articles",
    identity(),
    ref("source_id", "sources"),
    words("guid"),
    words("url"),
    words("url_key"),
    words("content_hash"),
    words("title"),
    words("author"),
    words("summary"),
    words("html"),
    words("language"),
    words("rights"),
    words("licence"),
    words("image"),
    words("text_note"),
    words("correction"),        # the operator's note on what was wrong, and when it was put right
    Column("corrected_at", Utc),
    Column("withdrawn_at", Utc),
    Column("purged_at", Utc),   # only its identity is left, so that it is never taken for new
    count("changed_seq"),       # the latest change that readers could see (store/changes.py)
    words("show"),
    Column("topics", JSON, nullable=False),
    Column("enclosures", JSON, nullable=False),
    Column("extras", JSON, nullable=False, server_default="[]"),
    Column("published_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    Column("first_seen_at", Utc, nullable=False),
    Column("accepted_seq", BigInteger, unique=True),   # null while held
    Column("accepted_at", Utc),
    words("status"),
    words("reason"),
    Column("mailable", Boolean, nullable=False),
    Column("story_id", Id, ForeignKey("articles.id")),  # null: tells its own story
    Column("revision", Integer, nullable=False, server_default="1"),
    Index("uq_articles_guid", "source_id", "guid", unique=True,
          sqlite_where=text("guid <> ''"), postgresql_where=text("guid <> ''")),
    Index("ix_articles_source", "source_id", "first_seen_at"),
    Index("ix_articles_url_key", "url_key"),
    Index("ix_articles_content_hash", "content_hash"),
    Index("ix_articles_story", "story_id"),
    Index("ix_articles_newest", "status", "published_at", "accepted_seq"),
    Index("ix_articles_changed", "changed_seq"),
    Index("ix_articles_withdrawn", "withdrawn_at",
          sqlite_where=text("withdrawn_at IS NOT NULL"), postgresql_where=text("withdrawn_at IS NOT NULL")),
    Index("ix_articles_corrected", "corrected_at",
          sqlite_where=text("corrected_at IS NOT NULL"), postgresql_where=text("corrected_at IS NOT NULL")),
)

article_topics = table(
    "article_topics",
    Column("article_id", Id, ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True),
    Column("topic", Text, primary_key=True),
    Index("ix_article_topics_topic", "topic", "article_id"),
)

article_revisions = table(
    "article_revisions",
    Column("article_id", Id, ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("at", Utc, nullable=False),
    words("title"),
    words("content_hash"),
    words("changed"),        # in words: "title; text 120 words longer"
    Column("seq", BigInteger, unique=True),  # from the accepting counter where it is a correction to be told once
)

# Near-duplicates. A signature's bands find who may be alike; a likeness is what the operator is asked about.
article_bands = table(
    "article_bands",
    Column("band", Integer, primary_key=True),
    Column("value", BigInteger, primary_key=True),
    Column("article_id", Id, ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_article_bands_article", "article_id"),
)

likenesses = table(
    "likenesses",
    Column("article_id", Id, ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True),   # the later one
    Column("other_id", Id, ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True),
    Column("percent", Integer, nullable=False),
    words("state"),          # suggested, merged, split: a pair that was parted is never suggested again
    Column("at", Utc, nullable=False),
    Index("ix_likenesses_other", "other_id"),
    Index("ix_likenesses_state", "state", "article_id"),
)
