"""What each SMTP reply means, and when it is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.deliver.retry import HORIZON, STEPS, judge, next_try

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(("code", "text", "command", "state", "slow", "stop"), [
    (250, "2.0.0 queued as 4F", ".", "sent", False, False),
    (251, "will forward", "RCPT", "sent", False, False),
    (421, "closing", "MAIL", "deferred", True, False),
    (450, "4.2.1 busy", "RCPT", "deferred", False, False),
    (451, "4.7.1 greylisted", "RCPT", "deferred", False, False),
    (452, "4.2.2 over quota", "RCPT", "deferred", False, False),
    (550, "5.1.1 no such user", "RCPT", "bounced", False, False),
    (550, "5.1.1 no such user", ".", "bounced", False, False),
    (550, "5.1.10 null MX", "RCPT", "bounced", False, False),
    (550, "no such user here", "RCPT", "bounced", False, False),
    (551, "user not local", "RCPT", "bounced", False, False),
    (553, "mailbox name not allowed", "RCPT", "bounced", False, False),
    (550, "looks like spam", ".", "failed", False, False),      # of the content: the address is not at fault
    (550, "sender unknown", "MAIL", "deferred", False, True),     # of our own sender: everybody would get it
    (553, "sender is not yours", "MAIL", "deferred", False, True),
    (552, "5.2.2 mailbox full", "RCPT", "bounced", False, False),
    (550, "5.7.1 blocked by policy", "RCPT", "failed", False, True),
    (554, "5.7.26 not authenticated", ".", "failed", False, True),
    (552, "5.3.4 too big", ".", "failed", False, False),
    (554, "transaction failed", ".", "failed", False, False),
    (501, "5.5.4 bad argument", "RCPT", "failed", False, False),
    (999, "what", "RCPT", "failed", False, False),
    (-1, "garbage", "RCPT", "failed", False, False),
])
def test_replies(code: int, text: str, command: str, state: str, slow: bool, stop: bool) -> None:
    outcome = judge(code, text, command=command)
    assert (outcome.state, outcome.slow_down, outcome.stop, outcome.code) == (state, slow, stop, code if code in range(
        200, 600) else outcome.code)
    assert text.rpartition(" ")[2] in outcome.reason


@given(st.integers(-1, 999), st.text(max_size=400), st.sampled_from(["MAIL", "RCPT", "DATA", "."]))
def test_any_reply_is_one_line_and_never_sent_unless_the_server_said_so(code: int, text: str, command: str) -> None:
    outcome = judge(code, text, command=command)
    assert "\n" not in outcome.reason
    assert len(outcome.reason) < 400
    assert (outcome.state == "sent") is (200 <= code < 300)
    assert (outcome.state == "deferred") is (400 <= code < (600 if command == "MAIL" else 500))
    assert outcome.state != "bounced" or code in range(500, 600)


def test_an_address_is_only_at_fault_where_the_server_says_so() -> None:
    assert judge(550, "5.1.1", command="RCPT").state == "bounced"
    assert judge(550, "15.1.11", command=".").state == "failed", "digits that only look like a code"


def test_waits_grow_and_then_repeat() -> None:
    waits = [next_try(n, NOW, NOW) - NOW for n in range(1, 9)]
    assert waits == [*STEPS, STEPS[-1], STEPS[-1], STEPS[-1]]
    assert waits == sorted(waits)


def test_given_up_after_the_horizon() -> None:
    assert next_try(9, NOW, NOW + HORIZON - STEPS[-1]) == NOW + HORIZON
    assert next_try(9, NOW, NOW + HORIZON - STEPS[-1] + timedelta(seconds=1)) is None
