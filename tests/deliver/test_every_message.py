"""Every message of a send, read back: no defect, signatures that dkimpy believes, and the words that the slow path has.

A few dozen people by default, hundreds in the slow run; MESSAGES=10000 has it as large as a real one.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_string, policy
from email.errors import NonASCIILocalPartDefect
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import html as lxml_html

from pipeline.audience.subscriptions import Request, add
from pipeline.compose.freeze import content_of, render_directly
from pipeline.compose.stage import fill_batches
from pipeline.deliver.letters import Letter, Letters, shown_in
from pipeline.deliver.transport import Envelope
from pipeline.jobs.sends import compose_now, parts
from pipeline.mail.marks import find
from pipeline.mail.message import header_text
from pipeline.mail.tokens import PREFERENCES, UNSUBSCRIBE
from pipeline.model.frozen import personal_html, personal_text
from pipeline.render.dates import format_date
from pipeline.store import articles, deliveries, meta
from pipeline.store.deliveries import Claimed
from pipeline.store.schema import article_topics
from pipeline.store.schema import articles as rows

SETTINGS = """\
languages = ["sv", "ar"]
contents = 4
template = "digest"
"""
MAIL = """
[mail.returns]
address = "bounces@lantern.example"
maildir = "returned"
[[mail.dkim]]
selector = "2026a"
key = "rsa.pem"
[[mail.dkim]]
selector = "2026b"
key = "edwards.pem"
"""
TITLES = ["Article one", "Räksmörgås & <Ampersand> \"quoted\"", ".starts with a dot", "From the quay: 日本語の見出し",
          "عنوان طويل " * 12, "👩\u200d👩\u200d👧 family, e\u0301 and " + "x" * 120]
ADDRESSES = ["reader{}@example.org", "reader+{}@example.org", "r{}@grüße.example", "läsare{}@example.org",
             "o'neill{}@example.co.uk", "читатель{}@пример.example"]
MANY = int(os.environ.get("MESSAGES", "500"))    # dkimpy takes 30 ms each; MESSAGES=10000 is a matter of minutes
STEP = 100      # of so many in the slow run one is rendered and inlined for itself, which takes 100 ms


@dataclass(frozen=True)
class Sent:
    claimed: Claimed
    letter: Letter
    envelope: Envelope
    data: bytes


def write_keys(folder: Path) -> None:
    for name, key in (("rsa", rsa.generate_private_key(public_exponent=65537, key_size=2048)),
                      ("edwards", ed25519.Ed25519PrivateKey.generate())):
        (folder / f"{name}.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def frozen_for(site: Any, people: int) -> None:
    """A digest for so many people: six kinds of address, three languages, six choices of topics."""
    write_keys(site.folder)
    site.accept(TITLES)
    topics = ["city", "harbour", "arts"]
    with site.app.store.write() as connection:
        for number in range(1, len(TITLES) + 1):
            mine = [topics[number % 3]]
            connection.execute(rows.update().where(rows.c.id == number).values(topics=mine))
            connection.execute(article_topics.insert().values(article_id=number, topic=mine[0]))
        for number in range(people):
            chosen = tuple(name for bit, name in enumerate(topics) if (number // 6) % 7 >> bit & 1)
            add(connection, Request(ADDRESSES[number % 6].format(number), "lantern", "daily", "a test", start_seq=0,
                                    topics=chosen, language=("", "sv", "ar")[number // 2 % 3]), site.now, revive=True)
        meta.put(connection, meta.RETURNS_READ_AT, site.now.isoformat())
    digest = compose_now(site.app, site.app.config.newsletters[0])
    assert digest.status == "frozen", digest.reason
    fill_batches(parts(site.app), site.now)


def messages(site: Any) -> Iterator[Sent]:
    """Every message, made as a send makes it."""
    letters = Letters(site.app.store, site.app.signers())
    while True:
        with site.app.store.write() as connection:
            claimed = deliveries.claim(connection, "w1.1", site.now, 500)
        if not claimed:
            return
        for one in claimed:
            letter = letters.get(one.digest_id, one.selection_id)
            envelope, chunks = letter.message(site.app.keyring, one)
            yield Sent(one, letter, envelope, b"".join(chunks))


def values_of(site: Any, sent: Sent) -> dict[str, str]:
    one, selection = sent.claimed, sent.letter.selections[sent.claimed.selection_id]
    who = str(one.subscription_id)
    return {
        "unsubscribe_url": f"https://lantern.example/u/{site.app.keyring.sign(UNSUBSCRIBE, who)}",
        "preferences_url": f"https://lantern.example/p/{site.app.keyring.sign(PREFERENCES, who)}",
        "address": one.address, "since": format_date(one.confirmed_at, selection.language or "en"),
        "preheader": selection.preheader, **sent.letter.head.values(shown_in(selection), selection.more),
    }


def check_wire(data: bytes) -> None:
    lines = data.split(b"\r\n")
    assert lines[-1] == b""
    assert not any(b"\r" in line or b"\n" in line or line.startswith(b".") for line in lines)
    assert max(map(len, lines)) <= 998
    head = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
    unfoldable = (b" <https://", b"List-Unsubscribe: <https://", b" <mailto:", b"List-Archive: ", b"Feedback-ID: ")
    assert [line for line in head if len(line) > 78 and not line.startswith(unfoldable)] == []


def parsed(data: bytes) -> EmailMessage:
    """Without a defect in it, in any of its headers or parts."""
    mail = message_from_string(data.decode(), policy=policy.SMTPUTF8)
    assert isinstance(mail, EmailMessage)
    for part in mail.walk():
        assert not part.defects
        for name, value in part.items():
            # what RFC 6532 allows in a message for SMTPUTF8 the library still counts, and goes on
            assert not [d for d in getattr(value, "defects", ()) if not isinstance(d, NonASCIILocalPartDefect)], name
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    return mail


def check_headers(mail: EmailMessage, site: Any, sent: Sent) -> None:
    one = sent.claimed
    assert str(mail["To"]) == sent.envelope.recipient == one.address
    assert find(site.app.keyring, sent.envelope.sender) == ("d", one.id)
    assert mail["Message-ID"] == sent.envelope.message_id
    assert mail["Subject"] == header_text(sent.letter.selections[one.selection_id].subject)
    https, mailto = re.findall("<([^>]*)>", mail["List-Unsubscribe"])
    assert https == values_of(site, sent)["unsubscribe_url"]
    assert find(site.app.keyring, mailto) == ("u", one.subscription_id)
    for name in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Language",
                 "List-Id", "List-Archive", "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID"):
        assert len(mail.get_all(name)) == 1, name
    assert len(mail.get_all("DKIM-Signature")) == 2


def believed(site: Any, data: bytes) -> bool:
    """Whether dkimpy believes both signatures."""
    records = {f"{one.name}.".encode(): one.record.encode() for one in site.app.signers()}

    def look_up(name: bytes, timeout: float = 5) -> bytes | None:
        return records.get(name)

    judge = dkim.DKIM(data)
    covered = [set(re.sub(r"\s", "", str(mail)).partition(";h=")[2].partition(";")[0].lower().split(":"))
               for mail in BytesHeaderParser().parsebytes(data).get_all("DKIM-Signature")]
    assert len(covered) == 2
    assert all({"list-unsubscribe", "list-unsubscribe-post"} <= names for names in covered), "RFC 8058, section 4"
    return judge.verify(0, dnsfunc=look_up) and judge.verify(1, dnsfunc=look_up)


def check_words(mail: EmailMessage, site: Any, sent: Sent) -> None:
    """Against the frozen pieces, joined as text and never encoded."""
    selection = sent.letter.selections[sent.claimed.selection_id]
    frozen, shown, values = sent.letter.frozen[selection.language], shown_in(selection), values_of(site, sent)
    plain, html = (part.get_payload(decode=True).replace(b"\r\n", b"\n").decode() for part in mail.iter_parts())
    assert plain == personal_text(frozen, shown, values)
    assert html == personal_html(frozen, shown, values)


def check_slow_path(mail: EmailMessage, site: Any, sent: Sent) -> None:
    """Against a letter that was rendered and inlined for this person alone."""
    selection = sent.letter.selections[sent.claimed.selection_id]
    head = sent.letter.head.spoken(selection.language)
    with site.app.store.read() as connection:
        fresh = articles.newest(connection, head.rules, 100)
    template = site.app.templates().digest("digest")
    slow_html, slow_text = render_directly(template, head.page, content_of(fresh, head.page), shown_in(selection),
                                           values_of(site, sent), nonce="slow00nonce")
    plain, html = (part.get_payload(decode=True).replace(b"\r\n", b"\n").decode() for part in mail.iter_parts())
    assert plain == slow_text
    assert one_shape(html) == one_shape(slow_html)


def one_shape(html: str) -> str:
    """HTML with its characters escaped in one way."""
    return str(lxml_html.tostring(lxml_html.document_fromstring(html), encoding="unicode"))


@pytest.fixture
def site(make_site: Callable[..., Any], basic_config: str) -> Any:
    text = basic_config.replace("select = { limit = 500 }\n", f"select = {{ limit = 500 }}\n{SETTINGS}")
    return make_site(text.replace("[preflight]", f"{MAIL}[preflight]"))


@pytest.mark.parametrize(("people", "step"), [(84, 7), pytest.param(MANY, STEP, marks=pytest.mark.slow)])
def test_every_message_parses_verifies_and_says_what_the_slow_path_says(site: Any, people: int, step: int) -> None:
    frozen_for(site, people)
    kinds: Counter[tuple[int, str]] = Counter()
    ids = set()
    for number, sent in enumerate(messages(site)):
        check_wire(sent.data)
        mail = parsed(sent.data)
        check_headers(mail, site, sent)
        check_words(mail, site, sent)
        assert believed(site, sent.data)
        if number % step == 0:
            check_slow_path(mail, site, sent)
        ids.add(sent.envelope.message_id)
        selection = sent.letter.selections[sent.claimed.selection_id]
        kinds[len(selection.article_ids), selection.language] += 1
    assert len(ids) == people == kinds.total()
    assert {count for count, _ in kinds} == {2, 4, 6}
    assert {language for _, language in kinds} == {"", "sv", "ar"}


def test_a_word_that_changes_on_the_way_is_noticed(site: Any) -> None:
    """The judge has teeth."""
    frozen_for(site, 1)
    (sent,) = messages(site)
    assert believed(site, sent.data)
    with pytest.raises(dkim.ValidationError):
        believed(site, sent.data.replace(b"told at some length", b"told at some Length"))
    assert not believed(site, sent.data.replace(b"List-Unsubscribe: <https://lantern", b"List-Unsubscribe: <https://l"))
