"""A header line that is missing, twice, or not well-formed is told; so is a letter that nobody can get out of."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from pipeline.desk.proof.finding import Letter, Severity
from pipeline.desk.proof.headers import check
from pipeline.desk.proof.opened import Opened, open_letter

Make = Callable[..., Letter]
Open = Callable[..., Opened]


def errors(opened: Opened) -> list[str]:
    return [one.text for one in check(opened) if one.severity is Severity.ERROR]


def spoilt(letter: Letter, old: bytes, new: bytes) -> Opened:
    assert old in letter.eml
    return open_letter(Letter(letter.html, letter.text, letter.eml.replace(old, new, 1), letter.subject,
                              letter.language, letter.public_url, letter.postal_address))


def test_a_good_letter_has_no_findings(opened: Open) -> None:
    assert list(check(opened())) == []


@pytest.mark.parametrize("name", [
    "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "List-Unsubscribe", "List-Unsubscribe-Post"])
def test_a_line_that_is_missing_or_there_twice_is_told(opened: Open, head: str, name: str) -> None:
    line = next(line for line in head.splitlines(keepends=True) if line.startswith(f"{name}:"))
    assert f"there is no {name}" in errors(opened(head=head.replace(line, "")))
    assert f"{name} is there 2 times, and may be once" in errors(opened(head=line + head))


@pytest.mark.parametrize(("name", "value"), [
    ("From", "The Lantern"), ("To", "ann"), ("Subject", " "), ("Date", "yesterday"), ("Message-ID", "abc@x.example"),
    ("Message-ID", "<abc>"), ("MIME-Version", "2.0"), ("List-Unsubscribe", "https://lantern.example/u/abc123"),
    ("List-Unsubscribe", "=?utf-8?q?=3Chttps=3A//lantern=2Eexample/u/abc123=3E?="),
    ("List-Unsubscribe-Post", "List-Unsubscribe=Yes"),
])
def test_a_line_that_is_not_well_formed_is_told(opened: Open, head: str, name: str, value: str) -> None:
    line = next(line for line in head.splitlines() if line.startswith(f"{name}:"))
    assert any(text.startswith(f"{name} is not well-formed") for text in errors(
        opened(head=head.replace(line, f"{name}: {value}"))))


def test_a_folded_line_is_one(opened: Open, head: str) -> None:
    assert errors(opened(head=head.replace("Subject: News of", "Subject: News\n of"))) == []
    assert errors(opened(head=head.replace("<https", "\n <https"))) == []


def test_one_click_needs_https(opened: Open, head: str) -> None:
    plain = head.replace("<https://", "<http://")
    assert any("RFC 8058" in text for text in errors(opened(head=plain)))
    without = plain.replace("List-Unsubscribe-Post: List-Unsubscribe=One-Click\n", "")
    found = list(check(opened(head=without)))
    assert [one.severity for one in found] == [Severity.WARNING]
    assert "public_url" in found[0].text
    loopback = head.replace("<https://lantern.example", "<http://127.0.0.1:8000")
    assert errors(opened(head=loopback)) == []


def test_bytes_that_no_server_needs_to_take_are_told(letter: Make) -> None:
    assert "not ASCII" in errors(spoilt(letter(), b"News of", "Nyheter på".encode()))[0]
    assert "8-bit" in errors(spoilt(letter(), b"Hello", "Hällo".encode()))[0]
    assert "CR LF" in errors(spoilt(letter(), b"Hello there\r\n", b"Hello there\n"))[0]
    assert errors(spoilt(letter(), b"Hello", b"x" * 992)) == []
    assert "999" in errors(spoilt(letter(), b"Hello there", b"x" * 999))[0]


def test_mime_that_does_not_parse_is_told(letter: Make) -> None:
    assert any("its MIME is broken" in text for text in errors(spoilt(letter(), b"--=_b--", b"")))
    assert any("no text/plain part" in text for text in errors(spoilt(letter(), b"text/plain", b"text/x-other")))
    assert any("no text/html part" in text for text in errors(spoilt(letter(), b"text/html", b"text/x-other")))


def test_headers_without_end_are_told_in_no_time(opened: Open, head: str) -> None:
    (text,) = errors(opened(head="X-Long: " + "a\n " * 100_000 + "a\n" + head))
    assert text.startswith("the headers have ")


@pytest.mark.parametrize(("way_out", "complaint"), [
    ("", "there is no link"),
    ('<p><a href="https://elsewhere.example/u/x">Unsubscribe</a></p>', "there is no link"),
    ('<p><a href="https://lantern.example/unsubscribe">Unsubscribe</a></p>', "there is no link"),
    ('<div style="display:none"><a href="https://lantern.example/u/x">Unsubscribe</a></div>', "can't be seen"),
    ('<p class="gone"><a href="https://lantern.example/u/x">Unsubscribe</a></p>', "can't be seen"),
])
def test_a_way_out_that_nobody_finds_is_told(opened: Open, way_out: str, complaint: str) -> None:
    (text,) = errors(opened(css=".gone { display: none }", way_out=way_out))
    assert complaint in text


def test_a_way_out_may_be_any_address_of_the_header_line(opened: Open, head: str) -> None:
    elsewhere = "https://lists.example/leave?x=1"
    assert errors(opened(head=re.sub("<https[^>]*>", f"<{elsewhere}>", head),
                         way_out=f'<a href="{elsewhere}">Leave</a>')) == []
    hidden_and_seen = ('<p style="display:none"><a href="https://lantern.example/u/x">a</a></p>'
                       '<p><a href="https://lantern.example/u/x">b</a></p>')
    assert errors(opened(way_out=hidden_and_seen)) == []


def test_a_postal_address_is_noted(letter: Make) -> None:
    good = letter()

    def notes(address: str | None, text: str = good.text) -> list[str]:
        one = Letter(good.html, text, good.eml, good.subject, good.language, good.public_url, address)
        found = list(check(open_letter(one)))
        assert all(note.severity is Severity.NOTE for note in found)
        return [note.text for note in found]

    assert notes("Main Street 1, Stockholm") == []
    assert notes("Main Street 1,\nStockholm") == []
    assert notes("") == []
    assert "countries ask for" in notes(None)[0]
    assert "not in the text part" in notes("Main Street 2")[0]
