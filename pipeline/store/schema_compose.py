"""The tables of composing: digests, what was frozen in them, and what was fetched for them. Part of `schema`."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)

from pipeline.store.columns import NEVER_REUSED, Id, Utc, count, identity, ref, table, words

digests = table(
    "digests",
    identity(),
    ref("newsletter_id", "newsletters"),
    words("schedule"),            # slug, or "manual"
    words("nominal"),
    words("uid"),                 # random, given with the slot: Message-IDs follow from it, a reused id repeats none
    words("status"),
    words("reason"),
    words("held_by"),             # HeldBy: whose word it waits for; "" where it is not held
    count("version"),             # goes up with each move and edit: a freeze takes nothing that changed under it
    Column("due_at", Utc, nullable=False),
    words("kind"),                # "": told articles; "announcement": the operator's own words
    words("audience"),            # the schedule whose people it is for; "" = everyone of the newsletter
    count("from_seq"),           # candidates reach back to here
    count("public_from_seq"),    # where most people's windows start: the web page tells what came after
    count("cut_seq"),
    Column("capped", Boolean, nullable=False, server_default=text("false")),  # the reach was cut short
    count("audience_seq"),       # the event up to which the audience counts
    count("selected"),
    words("nonce"),
    Column("settings", JSON, nullable=False),  # headers and rules as of the freeze: a retry's bytes stay the same
    Column("notes", JSON, nullable=False),     # what was left out or isolated, with reasons
    Column("edits", JSON, nullable=False, server_default="{}"),      # what the operator changed in its draft
    Column("findings", JSON, nullable=False, server_default="[]"),   # what the preflight found, and when it looked
    Column("proofed_at", Utc),
    Column("created_at", Utc, nullable=False),
    Column("drafted_at", Utc),    # composed before its slot: `cut_seq` stays what it was then
    Column("approved_at", Utc),   # the operator's word, which outlives being held
    Column("frozen_at", Utc),
    Column("done_at", Utc),
    UniqueConstraint("newsletter_id", "schedule", "nominal", name="uq_digests_slot"),
    Index("ix_digests_status", "status", "due_at"),
    **NEVER_REUSED,
)

digest_articles = table(
    "digest_articles",
    Column("digest_id", Id, ForeignKey("digests.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    ref("article_id", "articles"),
    count("accepted_seq"),
    count("story"),
    words("source"),
    words("source_title"),
    words("title"),
    words("summary"),
    words("author"),
    words("url"),
    words("language"),
    Column("topics", JSON, nullable=False),
    Column("published_at", Utc, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("rank", Integer, nullable=False, server_default="0"),     # where the operator put it; 0: where the rules do
    Column("score", JSON, nullable=False, server_default="{}"),      # its points, by what they are for
    Column("size", Integer, nullable=False, server_default="0"),     # bytes of its HTML, in the largest language
    words("kind"),                # fresh: a candidate; earlier: only an older telling of a candidate's story
    # it stood in an earlier frozen digest of this newsletter: whoever's window held it has been told the story
    Column("told", Boolean, nullable=False),
    Index("ix_digest_articles_article", "article_id"),
)

# Articles that were told in an earlier digest, and were put right since.
digest_corrections = table(
    "digest_corrections",
    Column("digest_id", Id, ForeignKey("digests.id", ondelete="CASCADE"), primary_key=True),
    Column("article_id", Id, ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("revision", Integer, nullable=False),   # whoever was told an older one is told of it
    Column("size", Integer, nullable=False, server_default="0"),
    Index("ix_digest_corrections_article", "article_id"),
)

fragments = table(
    "fragments",
    Column("digest_id", Id, ForeignKey("digests.id", ondelete="CASCADE"), primary_key=True),
    Column("language", Text, primary_key=True),   # "": the newsletter's
    Column("ordinal", Integer, primary_key=True),
    words("part"),
    words("kind"),
    words("name"),
    words("scope"),
    Column("article_id", Id),
    words("body"),
    Column("qp", LargeBinary, nullable=False),
    words("sha256"),
)

selections = table(
    "selections",
    identity(),
    ref("digest_id", "digests"),
    words("language"),
    Column("article_ids", JSON, nullable=False),
    Column("groups", JSON, nullable=False, server_default="[]"),        # of each article the number of its group
    Column("corrections", JSON, nullable=False, server_default="[]"),   # the corrected articles' ids
    words("key"),
    count("more"),
    words("subject"),
    words("preheader"),
    UniqueConstraint("digest_id", "language", "key", name="uq_selections_key"),
)

# --- caches of what was fetched ---

# Pictures of others, fetched once and made our own (images = "own"). A row without a name says why there is none.
pictures = table(
    "pictures",
    Column("key", Text, primary_key=True),    # of the address, and of how wide it may be
    words("url"),
    words("name"),                            # its file's: a hash of the bytes; "" where it can't be had
    Column("width", Integer, nullable=False, server_default="0"),
    Column("height", Integer, nullable=False, server_default="0"),
    count("size"),
    words("reason"),
    Column("fetched_at", Utc, nullable=False),
    Column("retry_at", Utc),                  # when one that failed is tried again; null: never
    Index("ix_pictures_name", "name"),
)

# Whether a link answered when a preflight followed it.
link_checks = table(
    "link_checks",
    Column("url", Text, primary_key=True),
    Column("status", Integer, nullable=False, server_default="0"),   # of HTTP; 0: no answer
    words("reason"),
    Column("checked_at", Utc, nullable=False),
)
