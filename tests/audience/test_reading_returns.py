"""What mails that come back say: those of many mail systems, of people, of machines, and of nobody who means well."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audience.returns.decide import _TABLE, fault_of
from pipeline.audience.returns.dsn import status_in
from pipeline.audience.returns.opened import MOST_BYTES, open_mail
from pipeline.audience.returns.parse import parse
from pipeline.model.returns import Fault, Report, ReturnKind, Via

SAMPLES = Path(__file__).parent / "returned"

BOUNCE, DELAY, COMPLAINT = ReturnKind.BOUNCE, ReturnKind.DELAY, ReturnKind.COMPLAINT
REPLY, UNKNOWN = ReturnKind.AUTO_REPLY, ReturnKind.UNKNOWN
GONE, PASSING, OURS = Fault.ADDRESS, Fault.PASSING, Fault.OURS

SAID: dict[str, tuple[ReturnKind, str, Fault | None]] = {
    "postfix": (BOUNCE, "5.1.1", GONE),
    "postfix-delayed": (DELAY, "4.4.1", None),
    "exim": (BOUNCE, "5.1.1", GONE),                       # its Status says 5.0.0, its diagnostic more
    "exim-old": (BOUNCE, "", PASSING),
    "exchange-online": (BOUNCE, "5.1.10", GONE),
    "exchange-online-unknown-domain-user": (BOUNCE, "5.4.1", GONE),
    "exchange-onprem-full": (BOUNCE, "5.2.2", PASSING),
    "gmail": (BOUNCE, "5.1.1", GONE),
    "gmail-policy": (BOUNCE, "5.7.26", OURS),
    "qmail": (BOUNCE, "5.1.1", GONE),
    "sendmail": (BOUNCE, "5.3.0", GONE),
    "yahoo": (BOUNCE, "", GONE),
    "aol-full": (BOUNCE, "5.0.0", PASSING),
    "outlook-com": (BOUNCE, "5.5.0", GONE),
    "amazon-ses": (BOUNCE, "4.4.7", PASSING),
    "domino": (BOUNCE, "5.1.1", GONE),
    "zimbra-full": (BOUNCE, "4.2.2", PASSING),
    "courier": (BOUNCE, "5.0.0", GONE),
    "gmx": (BOUNCE, "", GONE),
    "opensmtpd": (BOUNCE, "5.1.6", GONE),
    "mailgun": (BOUNCE, "5.0.0", GONE),
    "vacation": (REPLY, "", None),
    "out-of-office-exchange": (REPLY, "", None),
    "read-receipt": (REPLY, "", None),
    "arf": (COMPLAINT, "", None),
    "arf-redacted": (COMPLAINT, "", None),
    "outlook-com-jmrp": (COMPLAINT, "", None),
    "not-spam": (UNKNOWN, "", None),
    "asks-by-hand": (UNKNOWN, "", None),
}


def test_each_sample_has_its_line() -> None:
    assert {path.stem for path in SAMPLES.glob("*.eml")} == set(SAID)


@pytest.mark.parametrize("name", SAID)
def test_a_mail_system_is_understood(post: Any, name: str) -> None:
    raw = post.sample(name)
    taken = post.take(raw)
    kind, status, fault = SAID[name]
    assert (taken.report.kind, taken.report.status) == (kind, status)
    assert (fault_of(taken.report) if kind is BOUNCE else None) is fault
    if kind in (BOUNCE, DELAY):
        assert taken.report.addresses[0] == "ann@quay.example"
        assert taken.report.detail
    if kind in (BOUNCE, DELAY, COMPLAINT):
        assert taken.whom.sent is not None
        assert taken.whom.sent.address == "ann@quay.example"
    assert post.records()[0].kind is kind


@pytest.mark.parametrize("name", [name for name, said in SAID.items() if said[0] in (BOUNCE, DELAY)])
def test_a_mail_with_other_line_ends_says_the_same(post: Any, name: str) -> None:
    raw = post.sample(name)
    first, second = parse(raw), parse(raw.replace(b"\n", b"\r\n"))
    assert first == second, "also its key: a mailbox keeps LF, the wire has CRLF"


@pytest.mark.parametrize(
    ("status", "detail", "fault"),
    [
        ("5.1.0", "no", GONE), ("5.1.2", "no such domain", GONE), ("5.1.3", "", GONE), ("5.1.7", "sender", OURS),
        ("5.1.8", "sender's domain", OURS), ("5.2.1", "disabled", GONE), ("5.2.2", "", PASSING), ("5.2.3", "", OURS),
        ("5.3.4", "too big", OURS), ("5.4.4", "host not found", PASSING), ("5.4.6", "loop", PASSING),
        ("5.4.7", "expired", PASSING), ("5.6.0", "", OURS), ("5.7.1", "user unknown", OURS),
        ("5.7.13", "disabled", GONE), ("5.7.17", "owner changed", GONE), ("4.1.1", "no such user", PASSING),
        ("4.7.1", "greylisted", OURS), ("5.99.99", "?", PASSING),
        ("", "550 no such user here", GONE), ("", "554 5.x refused", PASSING), ("", "421 later", GONE),
        ("", "550 blocked, see our blocklist", OURS), ("", "552 message size exceeds the limit", OURS),
        ("", "the account is over quota", PASSING), ("", "connection timed out", PASSING), ("", "gone", GONE),
        ("5.0.0", "550 Host unknown", GONE), ("5.0.0", "554 Transaction failed", PASSING),
        ("4.0.0", "temporary failure", PASSING),
    ],
)
def test_whose_fault_it_is(status: str, detail: str, fault: Fault) -> None:
    assert fault_of(Report("k", BOUNCE, Via.DSN, status=status, detail=detail)) is fault


@pytest.mark.parametrize(
    ("text", "status"),
    [("550 5.1.1 no", "5.1.1"), ("(#5.7.1)", "5.7.1"), ("550-5.7.26 x", "5.7.26"), ("host 5.1.1.2 said no", ""),
     ("15.1.1", ""), ("2.0.0 ok, then 5.2.2", "5.2.2"), ("version 5.1.1234", ""), ("", "")],
)
def test_a_code_is_found_in_words_and_an_address_is_none(text: str, status: str) -> None:
    assert status_in(text) == status


# --- mails that mean no good ------------------------------------------------------------------------------


def bomb(depth: int) -> bytes:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(depth))
    return b"From: a@b.example\n" + nested + b"\nx\n" * 100_000


HOSTILE = {
    "nested deep": bomb(5_000),
    "nested less deep": bomb(200),
    "nested to the limit": bomb(24),
    "messages within messages": b"From: a@b.example\n" + b"Content-Type: message/rfc822\n\n" * 20_000,
    "many parts": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 200_000,
    "many blocks": (b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n"
                    b"Content-Type: message/delivery-status\n\n" + b"Action: failed\nFinal-Recipient: rfc822;a@b\n\n"
                    * 20_000),
    "a line of brackets": b"Return-Path: <>\n\n" + b"<" * 1_000_000,
    "lines of brackets": b"Return-Path: <>\nSubject: Returned mail\n\n" + (b"<" * 990 + b"\n") * 2_000,
    "a line of blanks": b"Return-Path: <>\nSubject: failure notice\n\n" + b" \t" * 500_000 + b"\n",
    "endless fields": b"X-A: b\n" * 100_000,
    "an endless field": b"Subject: " + b"=?utf-8?q?a?= " * 70_000 + b"\n\n",
    "To without end": b"To: " + b"a+d1aaaaaaaaaaaaaaaa@b.example, " * 30_000 + b"\n\n",
    "no charset of this world": (b"Subject: =?no-such?b?!!!!?=\nContent-Type: text/plain; charset=\"no\x00such\"\n"
                                 b"Content-Transfer-Encoding: base64\n\n\xff\xfe not base64"),
    "a header that is none": b"\xff\xfe\x00\n\n\n",
    "nothing": b"",
    "a mail of NULs": b"\x00" * 300_000,
    "surrogates": "Subject: \udcff\nTo: \ud800\n\n\udcff".encode("utf-8", "surrogatepass"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_mail_takes_long_or_breaks_anything(post: Any, name: str) -> None:
    started = time.process_time()
    taken = post.take(HOSTILE[name])
    assert time.process_time() - started < 20.0, "measured: one second; without the limits it is minutes"
    assert taken.whom.nobody
    assert post.records()[0].id


@given(st.binary(max_size=2_000) | st.text(max_size=400).map(lambda t: t.encode("utf-8", "replace")))
def test_no_bytes_make_reading_raise(raw: bytes) -> None:
    assert parse(raw).key == parse(raw).key


FIELDS = ["From: MAILER-DAEMON@x", "Return-Path: <>", "Content-Type: multipart/report; boundary=b", "", "--b", "--b--",
          "Content-Type: message/delivery-status", "Content-Type: message/rfc822", "Action: failed", "Action: delayed",
          "Content-Type: message/feedback-report", "Feedback-Type: abuse", "Status: 5.1.1",
          "Final-Recipient: rfc822;a@b",
          "Auto-Submitted: auto-replied", "Content-Type: text/plain; charset=", "Content-Transfer-Encoding: base64",
          "<a@b.example>:", "Subject: =?x?q?", "List-Unsubscribe: <https://x/u/abcdefghijkl.mn>", "Message-ID: <a@b>",
          "This is the qmail-send program", "Content-Type: multipart/mixed; boundary=\"\"", "X-Failed-Recipients: a@b",
          "Content-Type: message/partial", "Content-Type: multipart/digest; boundary=c", "--c", "=FF=00", "\x00"]


@given(st.lists(st.sampled_from(FIELDS), max_size=40))
def test_no_scraps_of_reports_make_reading_raise(lines: list[str]) -> None:
    report = parse("\n".join(lines).encode())
    fault_of(report)
    assert "\n" not in report.detail
    assert "\x00" not in report.detail


def test_no_more_of_a_mail_is_opened_than_its_beginning() -> None:
    raw = b"Subject: long\n\n" + b"x" * (MOST_BYTES * 2)
    assert len(open_mail(raw).head.get_payload()) <= MOST_BYTES


def test_a_mail_of_many_boundaries_is_read_by_its_head_alone() -> None:
    """The parser looks at each line once for each level: 200 levels cost a minute, and nobody's report has them."""
    opened = open_mail(b"Subject: deep\n" + bomb(200))
    assert not opened.whole
    assert opened.head["Subject"] == "deep"


def test_the_words_of_a_mail_that_was_returned_are_not_looked_through(post: Any) -> None:
    """Our own article says what Gmail once said of bounces; the report itself says nothing."""
    raw = (f"Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nTo: {post.path()}\nSubject: Returned mail\n"
           "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nSee below.\n\n"
           "--b\nContent-Type: message/rfc822\n\nSubject: An article\n\n"
           "Delivery to the following recipient failed\n\n  ann@quay.example\n\n--b--\n").encode()
    assert post.take(raw).report.kind is UNKNOWN
    assert post.take(raw.replace(b"See below.", b"Delivery to the following recipient failed\n\n  ann@quay.example")
                     ).report.kind is BOUNCE


def test_a_person_who_answers_is_not_taken_for_a_bounce(post: Any) -> None:
    """flufl.bounce would find an address between two commas; nobody but a mail server is asked that way."""
    raw = (f"From: Ann <ann@quay.example>\nTo: {post.path()}\nSubject: Re: The Lantern\n\n"
           "Hello, ann@quay.example, is what I use, and the following addresses had\nann@quay.example\n").encode()
    assert post.take(raw).report.kind is UNKNOWN
    assert not post.suppressed()


def test_words_that_were_returned_are_not_taken_for_the_report(post: Any) -> None:
    """Our own article says what bounces say; only the report's own words count."""
    raw = post.sample("exchange-onprem-full").replace(b"Hello.", b"550 5.1.1 no such user <ann@quay.example>: unknown")
    assert post.take(raw).report.status == "5.2.2"


def test_the_page_says_whose_fault_each_code_is(root: Path) -> None:
    """docs/returns.md against the table: "any other 5.1, 5.2" is a code that nobody names."""
    page = (root / "docs/returns.md").read_text()
    rows = re.findall(r"^\| ([^|]*5\.[^|]*) \| (address|passing|ours) \|$", page, re.MULTILINE)
    assert len(rows) > 8
    named: set[str] = set()
    for codes, fault in rows:
        for code in re.findall(r"5\.\d+(?:\.\d+)?", codes):
            named.add(code.removeprefix("5."))
            whole = code if code.count(".") == 2 else f"{code}.99"
            assert fault_of(Report("k", BOUNCE, Via.DSN, status=whole)) is Fault(fault), code
    assert {code for code in _TABLE if _TABLE[code] is not fault_of(
        Report("k", BOUNCE, Via.DSN, status=f"5.{code.partition('.')[0]}.99"))} <= named, "each exception is named"
