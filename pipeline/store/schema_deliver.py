"""The tables of delivering: the ledger, notices, what came back, where nothing goes. A part of `schema`."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    TextClause,
    UniqueConstraint,
    text,
)

from pipeline.model.deliveries import LIVE, DeliveryState
from pipeline.store.columns import Id, Utc, count, identity, ref, table, words

STATES = tuple(str(state) for state in DeliveryState)

batches = table(
    "batches",
    identity(),
    ref("digest_id", "digests"),
    Column("due_at", Utc, nullable=False),
    words("zone"),
    count("first_id"),           # subscription ids, both inclusive
    count("last_id"),
    count("selected"),
    Column("filled_at", Utc),     # null: everyone selected in it counts as waiting
    Column("expires_at", Utc),    # what has not gone by then goes no more; null: 48 hours after it was due
    *[count(state) for state in STATES],
    Index("ix_batches_digest", "digest_id", "id"),
    Index("ix_batches_unfilled", "digest_id",
          sqlite_where=text("filled_at IS NULL"), postgresql_where=text("filled_at IS NULL")),
)

_DUE = "state IN ('queued', 'deferred')"
_LIVE_STATES = "state IN ({})".format(", ".join(f"'{s.value}'" for s in sorted(LIVE)))
_LIVE = f"{_LIVE_STATES} AND NOT covered"

# SQLite uses a partial index only where a query says the index's own words: `state = ?` or a bound list won't do
IS_DUE: TextClause = text(f"deliveries.{_DUE}")
IS_LIVE: TextClause = text(f"deliveries.{_LIVE_STATES} AND NOT deliveries.covered")
IS_HELD: TextClause = text("deliveries.lease <> ''")

deliveries = table(
    "deliveries",
    identity(),
    ref("digest_id", "digests"),
    ref("batch_id", "batches"),
    ref("subscription_id", "subscriptions"),
    Column("selection_id", Id, ForeignKey("selections.id")),
    words("state"),
    words("reason"),
    Column("code", Integer, nullable=False, server_default="0"),
    count("from_seq"),
    count("cut_seq"),
    # its window counts as read: it was sent or uncertain once, or nothing in it was for this person.
    # A resend opens no window again. A person's newest covered row must outlive any clearing-out.
    Column("covered", Boolean, nullable=False, server_default=text("false")),
    Column("attempts", Integer, nullable=False, server_default="0"),
    words("lease"),               # the worker that holds it
    Column("due_at", Utc, nullable=False),
    Column("first_tried_at", Utc),  # handed on to the delivery that supersedes it, so that the horizon is reached
    Column("changed_at", Utc, nullable=False),
    CheckConstraint("state IN ({})".format(", ".join(f"'{s}'" for s in STATES)), name="known_state"),
    UniqueConstraint("digest_id", "subscription_id", name="uq_deliveries_once"),
    Index("uq_deliveries_live", "subscription_id", unique=True,
          sqlite_where=text(_LIVE), postgresql_where=text(_LIVE)),
    # partial: whoever is under way or done is in it no more, and each change of their state costs less
    Index("ix_deliveries_due", "digest_id", "state", "due_at", "id",
          sqlite_where=text(_DUE), postgresql_where=text(_DUE)),
    Index("ix_deliveries_lease", "lease", sqlite_where=text("lease <> ''"), postgresql_where=text("lease <> ''")),
    # a person's deliveries, and the last that covered something; no change of a state touches it
    Index("ix_deliveries_person", "subscription_id", "cut_seq"),
)

# Mails to one person that are no digest. The bytes stay as long as they may have to go again.
notices = table(
    "notices",
    identity(),
    words("kind"),                # test, confirmation, alert …
    Column("subscription_id", Id, ForeignKey("subscriptions.id")),
    words("address"),
    words("sender"),              # the return path; "": the mail's own sender
    words("message_id"),
    words("subject"),
    words("dedupe"),              # the same non-empty key is mailed once
    words("state"),
    words("reason"),
    Column("code", Integer, nullable=False, server_default="0"),
    Column("message", LargeBinary, nullable=False, server_default=text("''")),
    Column("attempts", Integer, nullable=False, server_default="0"),
    words("lease"),
    Column("due_at", Utc, nullable=False),
    Column("expires_at", Utc),
    Column("first_tried_at", Utc),
    Column("created_at", Utc, nullable=False),
    Column("changed_at", Utc, nullable=False),
    Index("ix_notices_limit", "address", "kind", "created_at"),
    Index("ix_notices_due", "state", "due_at", "id"),
    Index("uq_notices_dedupe", "dedupe", unique=True,
          sqlite_where=text("dedupe <> ''"), postgresql_where=text("dedupe <> ''")),
)

# Whom an announcement is for, where that is the people of an earlier digest and no schedule's audience.
recipients = table(
    "recipients",
    Column("digest_id", Id, ForeignKey("digests.id", ondelete="CASCADE"), primary_key=True),
    Column("subscription_id", Id, ForeignKey("subscriptions.id"), primary_key=True),
)

# What came back: bounces, complaints, requests to leave, and what was done about each.
returned = table(
    "returned",
    identity(),
    Column("key", Text, nullable=False, unique=True),   # the same report read twice counts once
    Column("at", Utc, nullable=False),
    words("kind"),                # ReturnKind
    words("via"),                 # dsn, arf, mailto, ses, postmark, mailgun, sendgrid
    Column("delivery_id", Id, ForeignKey("deliveries.id")),
    Column("notice_id", Id, ForeignKey("notices.id")),
    Column("subscription_id", Id, ForeignKey("subscriptions.id")),
    words("address_key"),
    words("status"),              # an enhanced status code, RFC 3463
    words("detail"),
    words("outcome"),             # what it led to
    Index("ix_returned_address", "address_key", "kind", "at"),
    Index("ix_returned_delivery", "delivery_id"),
    Index("ix_returned_kind", "kind", "at"),
)

# Where nothing goes for a while: a relay, or a domain of recipients, that said no to us and not to one person.
destinations = table(
    "destinations",
    Column("name", Text, primary_key=True),       # "example.org", or "relay:mail.example:587"
    words("reason"),
    Column("code", Integer, nullable=False, server_default="0"),
    Column("times", Integer, nullable=False, server_default="0"),   # in a row: each waits longer
    Column("stopped_at", Utc, nullable=False),
    Column("until", Utc, nullable=False),
)

# While a sender warms up: how many places of a day are given away.
allowances = table("allowances", Column("day", Text, primary_key=True), count("given"))
