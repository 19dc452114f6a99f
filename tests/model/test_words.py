"""The ledger's and the digests' words: moves, the identity, names, and what a digest remembers of the config."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipeline.model.deliveries import COVERED, LIVE, MOVES, UNSENT, Counts, DeliveryState
from pipeline.model.frozen import DigestPage
from pipeline.model.letterhead import Letterhead
from pipeline.model.newsletters import DIGEST_MOVES, MANUAL, Digest, DigestStatus, Window
from pipeline.model.selection import Rules

S = DeliveryState
NOW = datetime(2026, 6, 1, 6, 0, tzinfo=UTC)


def test_every_state_says_where_it_goes() -> None:
    assert set(MOVES) == set(S)
    assert set(DIGEST_MOVES) == set(DigestStatus)
    assert all(state not in targets for state, targets in MOVES.items())


def test_what_may_have_gone_can_not_be_left_out() -> None:
    """Excluded says that nothing came: so only from states in which nothing can have come."""
    assert {s for s, targets in MOVES.items() if S.EXCLUDED in targets} == UNSENT
    assert {s for s, targets in MOVES.items() if S.HANDED in targets} == {S.CLAIMED}, "one door to the wire"
    assert {s for s, targets in MOVES.items() if S.SENT in targets} == {S.HANDED, S.UNCERTAIN}
    assert LIVE | COVERED | {S.BOUNCED, S.FAILED, S.EXCLUDED} == set(S)
    assert not LIVE & COVERED


@pytest.mark.parametrize("missing", ["sent", "bounced", "failed", "uncertain", "excluded", "waiting"])
def test_the_identity_counts_each_state_once(missing: str) -> None:
    parts = {"sent": 1, "bounced": 2, "failed": 4, "uncertain": 8, "excluded": 16, "waiting": 32}
    assert Counts(63, **parts).holds
    assert not Counts(63, **{**parts, missing: 0}).holds
    assert not Counts(63, **{**parts, missing: parts[missing] + 1}).holds


def test_a_window_is_half_open() -> None:
    assert [n for n in range(6) if n in Window(2, 4)] == [3, 4]


def test_a_digests_name() -> None:
    digest = Digest(1, "lantern", "daily", "2026-11-22T08:00", DigestStatus.DRAFT, NOW, 0, NOW)
    assert (digest.name, digest.slot) == ("2026-11-22-0800-daily", "daily:2026-11-22T08:00")
    assert replace(digest, schedule=MANUAL, nominal="2026-11-22T08:00:07").name == "2026-11-22-080007"


def test_a_letterhead_survives_being_stored() -> None:
    page = DigestPage("The Lantern", "https://lantern.example", "sv", "lantern", "Lyktan", "2026-06-01-0800-daily",
                      "https://lantern.example/n/lantern/x", datetime(2026, 6, 1, 8, 0), "Street 1", "words")  # noqa: DTZ001
    head = Letterhead("Lyktan", "news@lantern.example", "", "{{ articles[0].title }}", "resend", page,
                      Rules(("a", "b"), ("desk",), 7, 3, 2))
    assert Letterhead.from_json(json.loads(json.dumps(head.to_json()))) == head
    other = head.at("n", "u", datetime(2026, 7, 1))  # noqa: DTZ001
    assert (other.page.digest_name, other.page.digest_url, other.page.newsletter_title) == ("n", "u", "Lyktan")
