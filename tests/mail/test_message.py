"""Messages as bytes, read back by the standard library's parser."""

from __future__ import annotations

import re
from base64 import b64decode
from datetime import UTC, datetime
from email import message_from_bytes, message_from_string, policy
from email.header import decode_header, make_header
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from email.utils import parseaddr
from unicodedata import category

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
    wire_address,
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
    ["", "a", "a@b@c", "a@b.c, x@y.z", "a@b.c\r\nBcc: x@y.z", "<a@b.c>", "a b@c.d", "a@b c", "a@[127.0.0.1]", "a\0@b.c",
     "a@b.c\n", "å@b.c\n", "å\r\nBcc: x@y.z", "å@b@c", "å, b@c.d", "å b@c.d", "å\u2028@b.c", "å\u202e@b.c", "å\x85@b.c",
     "a@å..se", "å@", "@å.se", "a@\u202e.se"],
)
def test_what_is_not_one_address_is_refused(address: str) -> None:
    with pytest.raises(BroadsheetError, match="not one mail address"):
        message(to=address)
    with pytest.raises(BroadsheetError, match="not one mail address"):
        message(sender=Mailbox(address))


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("ada@grüße.example", "ada@xn--gre-6ka8l.example"), ("ada@straße.example", "ada@xn--strae-oqa.example"),
        ("ada@例え.テスト", "ada@xn--r8jz45g.xn--zckzah"), ("åda@example.org", "åda@example.org"),
        ("用户@例え.テスト", "用户@xn--r8jz45g.xn--zckzah"),
    ],
)
def test_addresses_of_other_letters_stand_in_to_as_servers_take_them(address: str, written: str) -> None:
    data = message(to=address)
    assert f"\r\nTo: {written}\r\n".encode() in data
    assert wire_address(address) == written
    assert data.replace(written.encode(), b"x").isascii(), "nothing else is beyond ASCII"
    addresses = message_from_string(data.decode(), policy=policy.SMTPUTF8)["to"].addresses
    assert [one.addr_spec for one in addresses] == [written]
    with pytest.raises(BroadsheetError):
        message(sender=Mailbox("åda@example.org"))


SCRIPTS = {
    "Arabic": "أخبار اليوم من الرصيف: السُّلْطَة والبحر",
    "Hebrew": "חֲדָשׁוֹת הַיּוֹם מִן הַנָּמָל",
    "Persian, joined": "می\u200cخواهم همه را بخوانم",
    "Chinese": "今天来自码头的消息，以及更多内容" * 3,
    "Japanese": "波止場からのお知らせ、そしてもっとたくさんの話" * 2,
    "Korean": "부두에서 온 오늘의 소식과 더 많은 이야기" * 2,
    "Thai": "ข่าววันนี้จากท่าเรือ และเรื่องอื่น ๆ อีกมากมาย" * 2,
    "Hindi": "घाट से आज के समाचार और बहुत कुछ" * 2,
    "Russian": "Новости с набережной и многое другое, что было на этой неделе",
    "Greek": "Νέα από την προκυμαία, και πολλά άλλα αυτής της εβδομάδας",
    "Vietnamese, decomposed": "Tin tức từ bến cảng và nhiều hơn nữa",
    "emoji": "👩🏽\u200d🚒 🏳️\u200d🌈 👨\u200d👩\u200d👧\u200d👦 🇸🇪🇺🇦🇯🇵 " * 4,
    "marks": "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!",
    "dots": "...\n.", "plain, long": "News from the quay and much more that happened this week, all of it told " * 4,
    "a word that can't be folded": "x" * 200, "a URL": "https://lantern.example/" + "a" * 180,
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_is_there_in_subject_names_and_text(script: str) -> None:
    words = SCRIPTS[script]
    shell = (literal(f"{words}\n.{words}\n"), Piece(PieceKind.SLOT, "articles"))
    told = fragment("articles", 1, f"<p>{words}</p>\n", f"{words}\n")
    digest = Frozen("nonce123", shell, shell, {("articles", 1): told})
    made = fields(subject=words, sender=Mailbox("news@lantern.example", words), list_name=words)
    data = b"".join(message_chunks(made, digest, [1], VALUES))
    check_wire(data)
    head = data.partition(b"\r\n\r\n")[0]
    assert max(len(line) for line in head.split(b"\r\n") if b"http" not in line) <= 78
    mail = parsed(data)
    assert not mail.defects
    assert str(mail["subject"]) == header_text(words)
    plain, html = (part.get_content().replace("\r\n", "\n") for part in mail.iter_parts())
    assert plain == personal_text(digest, [1], VALUES)
    assert html == personal_html(digest, [1], VALUES)
    for line in head.split(b"\r\n"):  # each encoded word by itself is text, and starts with no mark of the one before
        for word in re.findall(rb"=\?utf-8\?b\?([A-Za-z0-9+/=]*)\?=", line):
            first = b64decode(word).decode()[0]
            assert not category(first).startswith("M") or script == "marks"


def test_flags_and_families_stay_together() -> None:
    family, flag = "👨\u200d👩\u200d👧\u200d👦", "🇸🇪"
    words = [b64decode(word).decode() for word in
             re.findall(rb"=\?utf-8\?b\?([A-Za-z0-9+/=]*)\?=", message(subject=(family + flag) * 12))]
    assert len(words) > 5
    assert "".join(words) == (family + flag) * 12
    assert all(word.removeprefix(flag).startswith(family) or word == flag for word in words)


def test_precedence_and_feedback_id_only_where_asked_for() -> None:
    assert parsed(message())["precedence"] is parsed(message())["feedback-id"] is None
    told = parsed(message(precedence=True, feedback_id="2026-11-22:lantern:Digest:lantern.example"))
    assert told["precedence"] == "bulk"
    assert told["feedback-id"] == "2026-11-22:lantern:Digest:lantern.example"


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
