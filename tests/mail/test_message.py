"""Messages as bytes, read back by the standard library's parser."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from email.utils import parseaddr

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import BroadsheetError
from pipeline.mail.message import (
    HeaderFields,
    Mailbox,
    header_text,
    message_chunks,
    notice_bytes,
    one_click,
)
from pipeline.model.frozen import (
    TOKENS,
    Frozen,
    Piece,
    PieceKind,
    fragment,
    literal,
    personal_html,
    personal_text,
)

VALUES = dict.fromkeys(TOKENS, "") | {"address": "ada@example.org"}


def fields(**changes: object) -> HeaderFields:
    given_ = {
        "sender": Mailbox("news@lantern.example", "The Lantern"), "to": "ada@example.org", "subject": "Light",
        "date": datetime(2026, 11, 22, 8, tzinfo=UTC), "message_id": "<abc.1@lantern.example>", "language": "en",
        "list_id": "lantern.lantern.example", "list_name": "The Lantern",
        "unsubscribe": ("https://lantern.example/u/" + "k" * 150, "mailto:leave@lantern.example?subject=k"),
        "archive_url": "https://lantern.example/n/lantern",
    }
    return HeaderFields(**(given_ | changes))  # type: ignore[arg-type]


def frozen() -> Frozen:
    shell = (literal("Grüße\n.\nFrom here\n"), Piece(PieceKind.SLOT, "articles"), Piece(PieceKind.TOKEN, "address"),
             literal("\n"))
    return Frozen("nonce123", shell, shell, {("articles", 1): fragment("articles", 1, "<p>日本</p>", "日本\n")})


def message(**changes: object) -> bytes:
    return b"".join(message_chunks(fields(**changes), frozen(), [1], VALUES))


def parsed(data: bytes) -> EmailMessage:
    found = message_from_bytes(data, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def check_wire(data: bytes, longest: int = 998) -> None:
    assert data.endswith(b"\r\n")
    assert b"\r" not in data.replace(b"\r\n", b"")
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert data.isascii()
    assert not any(line.startswith(b".") for line in data.split(b"\r\n"))
    assert max(map(len, data.split(b"\r\n"))) <= longest


def test_a_message_reads_back_whole() -> None:
    data = message()
    check_wire(data)
    mail = parsed(data)
    assert not mail.defects
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    plain, html = (part.get_payload(decode=True).replace(b"\r\n", b"\n").decode() for part in mail.iter_parts())
    assert plain == personal_text(frozen(), [1], VALUES)
    assert html == personal_html(frozen(), [1], VALUES)
    for part in mail.iter_parts():
        assert not part.defects
    assert mail["to"] == "ada@example.org"
    assert mail["from"].addresses[0].display_name == "The Lantern"
    assert mail["date"].datetime == datetime(2026, 11, 22, 8, tzinfo=UTC)
    assert mail["message-id"] == "<abc.1@lantern.example>"
    assert mail["content-language"] == "en"
    assert "<lantern.lantern.example>" in mail["list-id"]
    assert mail["auto-submitted"] is None


def test_answers_go_where_the_operator_says() -> None:
    assert parsed(message())["reply-to"] is None
    assert parsed(message(reply_to="Ask us <desk@lantern.example>"))["reply-to"] == "Ask us <desk@lantern.example>"
    with pytest.raises(BroadsheetError):
        message(reply_to="a@b.c\r\nBcc: x@y.z")


def test_the_same_fields_give_the_same_bytes() -> None:
    assert message() == message()


def test_list_unsubscribe_is_never_encoded_nor_folded_inside_an_address() -> None:
    data = message()
    assert f"List-Unsubscribe: <{fields().unsubscribe[0]}>,\r\n <{fields().unsubscribe[1]}>\r\n".encode() in data
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in data


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (("https://a.example/u",), True),
        (("mailto:a@b.example", "https://a.example/u"), True),
        (("http://127.0.0.1:8000/u",), True),
        (("http://localhost:8000/u",), True),
        (("http://[::1]:8000/u",), True),
        (("http://a.example/u",), False),
        (("http://127.0.0.1.a.example/u",), False),
        (("mailto:a@b.example",), False),
        ((), False),
    ],
)
def test_one_click_needs_https(addresses: tuple[str, ...], expected: bool) -> None:
    assert one_click(addresses) is expected
    assert (b"List-Unsubscribe-Post" in message(unsubscribe=addresses)) is expected


@given(st.text(max_size=300))
@example("日本語" * 60)
@example("é" * 200)
@example("x" * 300)
@example("=?utf-8?q?x=0D=0AX: y?=")
@example("a\r\nBcc: evil@example.org\u2028b\x0bc\x85d\0e")
@example("👩\u200d👩\u200d👧" * 30)
@example("e" + "\u0301" * 200)
@example(" word " * 40)
def test_any_subject_comes_back_as_one_line(subject: str) -> None:
    data = message(subject=subject)
    head = data.partition(b"\r\n\r\n")[0]
    check_wire(head + b"\r\n")
    block = head.partition(b"\r\nSubject: ")[2].partition(b"\r\nDate: ")[0]
    assert max(map(len, (b"Subject: " + block).split(b"\r\n"))) <= 78
    assert str(parsed(data)["subject"]) == header_text(subject)
    assert [name.lower() for name in parsed(data)] == [name.lower() for name in parsed(message())]


@given(st.text(max_size=120))
@example('O"Brien, \\ & Co. (news)')
@example("a\r\nBcc: evil@example.org")
@example("Räksmörgås " * 10)
@example("x" * 100)
@example("@")
@example("=?utf-8?q?x?=")
def test_any_name_comes_back(name: str) -> None:
    data = message(sender=Mailbox("news@lantern.example", name), list_name=name)
    check_wire(data)
    sender = parsed(data)["from"]
    assert isinstance(sender, AddressHeader)
    assert [a.addr_spec for a in sender.addresses] == ["news@lantern.example"]
    # Python's structured parser puts a blank between two encoded words of a name; RFC 2047 §6.2 says not to
    raw = str(message_from_bytes(data)["from"]).replace("\r\n", "")
    assert str(make_header(decode_header(parseaddr(raw)[0]))) == header_text(name)
    assert max(map(len, data.partition(b"\r\nDate: ")[0].split(b"\r\n"))) <= 78


@pytest.mark.parametrize(
    "address",
    ["", "a", "a@b@c", "a@b.c, x@y.z", "a@b.c\r\nBcc: x@y.z", "<a@b.c>", "a b@c.d", "a@b c", "å@b.c", "a@å.se",
     "a@[127.0.0.1]", "a\0@b.c", "a@b.c\n"],
)
def test_what_is_not_one_address_is_refused(address: str) -> None:
    with pytest.raises(BroadsheetError, match="not one mail address"):
        message(to=address)
    with pytest.raises(BroadsheetError, match="not one mail address"):
        message(sender=Mailbox(address))


@pytest.mark.parametrize(
    "changes",
    [
        {"message_id": "<a@b>\r\nX: y"},
        {"language": "en\r\nX: y"},
        {"list_id": "a b"},
        {"feedback_id": "ä"},
        {"unsubscribe": ("https://a.example/\r\nX: y",)},
        {"unsubscribe": ("https://a.example/ä",)},
        {"unsubscribe": ("https://a.example/>,<x",)},
        {"archive_url": "no scheme"},
        {"unsubscribe": ("https://a.example/" + "x" * 1000,)},
    ],
)
def test_no_field_brings_in_a_line_of_its_own(changes: dict[str, object]) -> None:
    with pytest.raises(BroadsheetError):
        message(**changes)


def test_mailbox_parses_what_operators_write() -> None:
    assert Mailbox.parse("The Lantern <news@lantern.example>") == Mailbox("news@lantern.example", "The Lantern")
    assert Mailbox.parse("news@lantern.example") == Mailbox("news@lantern.example")
    assert Mailbox.parse('"Ö, or not" <a@b.example>') == Mailbox("a@b.example", "Ö, or not")
    for wrong in ("nobody", "", "a@b.example, c@d.example", "A <a@b.example> <c@d.example>", "a@b.example\r\nBcc: x@y"):
        with pytest.raises(BroadsheetError):
            Mailbox.parse(wrong)


@given(st.text(max_size=300))
def test_a_notice_is_one_plain_text(text: str) -> None:
    data = notice_bytes(fields(auto_submitted=True, unsubscribe=(), list_id=""), text)
    check_wire(data)
    mail = parsed(data)
    assert not mail.defects
    assert mail["auto-submitted"] == "auto-generated"
    assert mail.get_content_type() == "text/plain"
    expected = "\n".join(text.splitlines()) + "\n"
    assert mail.get_payload(decode=True) == expected.replace("\n", "\r\n").encode("utf-8", "replace")
