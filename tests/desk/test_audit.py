"""The identity as a line, and the order of reasons."""

from __future__ import annotations

from pipeline.desk.audit import Reason, identity_line, in_order
from pipeline.model.deliveries import Counts, DeliveryState


def test_the_identity_is_written_out() -> None:
    assert identity_line(Counts(selected=1025, sent=1024, excluded=1)) == (
        "selected 1,025 = sent 1,024 + bounced 0 + failed 0 + uncertain 0 + excluded 1 + waiting 0  ✓ holds")


def test_whoever_is_missing_or_there_twice_is_counted() -> None:
    assert identity_line(Counts(selected=5, sent=3)).endswith("✗ 2 missing")
    assert identity_line(Counts(selected=3, sent=3, waiting=1)).endswith("✗ 1 too many")
    assert "≠" in identity_line(Counts(selected=5, sent=3))


def test_reasons_come_in_the_order_of_the_identity_the_commonest_first() -> None:
    reasons = [Reason(DeliveryState.QUEUED, "", 9), Reason(DeliveryState.EXCLUDED, "b", 1),
               Reason(DeliveryState.EXCLUDED, "a", 7), Reason(DeliveryState.SENT, "", 2)]
    assert [r.number for r in in_order(reasons)] == [2, 7, 1, 9]
