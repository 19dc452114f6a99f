"""Providers that report over the web: what proves that it is they, what is taken of it, and what is refused unread."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import sqlite3
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Route

from pipeline.audience.returns.providers import mailgun, postmark, sendgrid, ses
from pipeline.errors import FetchError
from pipeline.mail import marks
from pipeline.model.returns import ReturnKind
from pipeline.store import engine, ledger, returned, subscribers
from pipeline.web import hooks

TOPIC = "arn:aws:sns:eu-north-1:123456789012:bounces"
CERTIFICATE = "https://sns.eu-north-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
ANN = "ann@quay.example"
SENDGRID_KEY = ec.generate_private_key(ec.SECP256R1())
SENDGRID_PUBLIC = b64encode(SENDGRID_KEY.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).decode()
AMAZON_KEY = rsa.generate_private_key(65537, 2048)
MORE = f"""
[mail.returns]
address = "bounces@beacon.example"

[mail.hooks]
ses = ["{TOPIC}"]
postmark = "lantern:${{file:postmark.password}}"
mailgun = "${{file:mailgun.key}}"
sendgrid = "{SENDGRID_PUBLIC}"
"""


class Heard:
    """A house with a person who got a digest, and the hooks of all four providers."""

    def __init__(self, house: Any) -> None:
        self.house, self.app = house, house.app
        self.fetched: list[str] = []
        self.pem = certificate(self.app.now())
        self.offline = False
        self.listening = hooks.listen(self.app, self.fetch)

    def fetch(self, url: str) -> bytes:
        if self.offline:
            raise FetchError(url, "no way there")
        self.fetched.append(url)
        return self.pem

    def post(self, provider: str, body: bytes, **headers: str) -> int:
        web = Starlette(routes=[Route("/hooks/{provider}", partial(hooks.answer, self.listening), methods=["POST"])])
        self.house.__dict__["web"] = web      # a house asks the application that it built; this one has another fetch
        status: int = self.house.ask("POST", f"/hooks/{provider}", headers, body).status
        del self.house.__dict__["web"]
        return status

    @property
    def records(self) -> list[Any]:
        with self.app.store.read() as connection:
            return returned.listed(connection)

    @property
    def delivery(self) -> Any:
        with self.app.store.read() as connection:
            (number,) = returned.subscription_ids(connection, ANN)
            return ledger.of_subscription(connection, number)[-1]

    @property
    def path(self) -> str:
        return marks.return_path("bounces@beacon.example", marks.mark(self.app.keyring, "d", self.delivery.id))

    @property
    def message_id(self) -> str:
        with self.app.store.read() as connection:
            (number,) = returned.subscription_ids(connection, ANN)
            uid = returned.sent_to(connection, [number], 1)[0][2]
        return str(self.app.keyring.message_id(uid, number, "127.0.0.1"))

    @property
    def suppressed(self) -> str:
        with self.app.store.read() as connection:
            return subscribers.suppressed(connection, ANN)

    @property
    def status(self) -> str:
        with self.app.store.read() as connection:
            return str(subscribers.by_address(connection, ANN)[0].status)


@pytest.fixture(scope="session")
def listening_site(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prepared site with the hooks configured, and a subscriber whose address the tests speak of."""
    folder = tmp_path_factory.mktemp("hooks") / "site"
    shutil.copytree(prepared, folder)
    with (folder / "config.toml").open("a") as file:
        file.write(MORE)
    (folder / "postmark.password").write_text("a long word")
    (folder / "mailgun.key").write_text("key-0123456789")
    with sqlite3.connect(folder / "data" / "site.db") as connection:
        connection.execute("UPDATE subscribers SET address = ?, address_key = ? WHERE id = "
                           "(SELECT subscriber_id FROM subscriptions WHERE id = 1)", (ANN, ANN))
    connection.close()
    return folder


@pytest.fixture
def heard(listening_site: Path, house_at: Callable) -> Heard:
    return Heard(house_at(listening_site))


def certificate(now: Any, key: Any = AMAZON_KEY, days: int = 300) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(1).not_valid_before(now - timedelta(days=400)).not_valid_after(now + timedelta(days=days))
            .sign(key, hashes.SHA256()))
    return made.public_bytes(serialization.Encoding.PEM)


# --- Amazon SES -------------------------------------------------------------------------------------------


def notification(message: Any, version: str = "2", key: Any = AMAZON_KEY, **fields: Any) -> bytes:
    """As SNS posts it, signed over the fields in the order that its documentation says."""
    said = {"Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": TOPIC,
            "Message": json.dumps(message), "Timestamp": "2026-11-23T07:31:00.000Z", "SignatureVersion": version,
            "SigningCertURL": CERTIFICATE, "UnsubscribeURL": "https://sns.eu-north-1.amazonaws.com/?Action=Unsubscribe",
            **fields}
    names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"] if said["Type"] == "Notification" \
        else ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{said[name]}\n" for name in names if name in said).encode()
    algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()
    said["Signature"] = b64encode(key.sign(text, padding.PKCS1v15(), algorithm)).decode()
    return json.dumps(said).encode()


def bounce(heard: Heard, **values: Any) -> dict[str, Any]:
    return {"notificationType": "Bounce", "mail": {"source": heard.path, "messageId": "0100", "destination": [ANN]},
            "bounce": {"bounceType": "Permanent", "bounceSubType": "General", "feedbackId": "0100018",
                       "bouncedRecipients": [{"emailAddress": "Ann@quay.example", "action": "failed",
                                              "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 nobody"}],
                       **values}}


@pytest.mark.parametrize("version", ["1", "2"])
def test_ses_a_bounce_is_taken_with_its_delivery(heard: Heard, version: str) -> None:
    assert heard.post("ses", notification(bounce(heard), version)) == 200
    assert heard.delivery.state == "bounced"
    assert heard.suppressed.startswith("bounced: 5.1.1")
    (record,) = heard.records
    assert (record.via, record.delivery_id) == ("ses", heard.delivery.id)
    assert heard.post("ses", notification(bounce(heard), version, MessageId="another")) == 200
    assert len(heard.records) == 1, "its own number of the report is the key"
    assert heard.fetched == [CERTIFICATE], "once"


def test_ses_a_complaint_a_delay_and_a_holiday(heard: Heard) -> None:
    mail = bounce(heard)["mail"]
    holiday = bounce(heard, bounceType="Transient", feedbackId="h", bouncedRecipients=[{"emailAddress": ANN}])
    late = {"eventType": "DeliveryDelay", "mail": mail, "deliveryDelay": {
        "delayType": "TransientCommunicationFailure", "delayedRecipients": [{"emailAddress": ANN, "status": "4.4.1"}]}}
    assert heard.post("ses", notification(holiday)) == 200
    assert heard.post("ses", notification(late)) == 200
    assert (heard.delivery.state, heard.suppressed) == ("sent", "")
    complaint = {"notificationType": "Complaint", "mail": mail, "complaint": {
        "feedbackId": "c", "complaintFeedbackType": "abuse", "complainedRecipients": [{"emailAddress": ANN}]}}
    assert heard.post("ses", notification(complaint)) == 200
    assert [r.kind for r in heard.records] == ["complaint", "delay", "auto_reply"]
    assert heard.status == "unsubscribed"
    assert heard.suppressed == "complaint: reported as abuse"


@pytest.mark.parametrize("change", [
    {"TopicArn": "arn:aws:sns:eu-north-1:666:others"}, {"SigningCertURL": "https://sns.evil.example/a.pem"},
    {"SigningCertURL": "https://sns.eu-north-1.amazonaws.com.evil.example/a.pem"},
    {"SigningCertURL": "http://sns.eu-north-1.amazonaws.com/a.pem"},
    {"SigningCertURL": "https://sns.eu-north-1.amazonaws.com@evil.example/a.pem"},
    {"SigningCertURL": "https://bucket.s3.amazonaws.com/a.pem"}, {"Type": "Other"}, {"SigningCertURL": 7},
])
def test_ses_what_is_not_amazons_is_refused_and_nothing_fetched(heard: Heard, change: dict[str, Any]) -> None:
    assert heard.post("ses", notification(bounce(heard), **change)) == 403
    assert heard.records == []
    assert [url for url in heard.fetched if url != CERTIFICATE] == []


@pytest.mark.parametrize("where", ["Message", "MessageId", "Timestamp", "Subject"])
def test_ses_a_word_that_was_changed_on_the_way_is_refused(heard: Heard, where: str) -> None:
    said = json.loads(notification(bounce(heard), Subject="Amazon SES"))
    said[where] = said[where].replace("0", "1") + " "
    assert heard.post("ses", json.dumps(said).encode()) == 403
    assert heard.records == []


def test_ses_another_key_an_old_certificate_and_an_unknown_version_are_refused(heard: Heard) -> None:
    stranger = rsa.generate_private_key(65537, 2048)
    assert heard.post("ses", notification(bounce(heard), key=stranger)) == 403
    said = json.loads(notification(bounce(heard)))
    assert heard.post("ses", json.dumps(said | {"SignatureVersion": "3"}).encode()) == 403
    heard.listening = replace(heard.listening, certificates={})
    heard.pem = certificate(heard.app.now(), days=-1)
    assert heard.post("ses", notification(bounce(heard))) == 403
    assert heard.records == []


def test_ses_a_subscription_is_confirmed_where_the_topic_is_ours(heard: Heard) -> None:
    url = "https://sns.eu-north-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=x&Token=2336412f37"
    asked = {"Type": "SubscriptionConfirmation", "Token": "2336412f37", "SubscribeURL": url}
    assert heard.post("ses", notification("hello", **asked)) == 200
    assert heard.fetched == [CERTIFICATE, url]
    for wrong in ("https://evil.example/?Action=ConfirmSubscription", "https://sns.eu-north-1.amazonaws.com:99/?a",
                  "https://sns.eu-north-1.amazonaws.com/../x"):
        assert heard.post("ses", notification("hello", **{**asked, "SubscribeURL": wrong})) == 403
    other = {**asked, "TopicArn": "arn:aws:sns:eu-north-1:666:others"}
    assert heard.post("ses", notification("hello", **other)) == 403
    assert heard.fetched == [CERTIFICATE, url]
    assert heard.records == []


def test_ses_a_certificate_that_can_not_be_fetched_makes_it_come_again(heard: Heard) -> None:
    heard.offline = True
    assert heard.post("ses", notification(bounce(heard))) == 503
    heard.offline = False
    assert heard.post("ses", notification(bounce(heard))) == 200
    assert heard.delivery.state == "bounced"


# --- Postmark ---------------------------------------------------------------------------------------------


def basic(word: str = "lantern:a long word") -> str:
    return f"Basic {b64encode(word.encode()).decode()}"


def postmarked(**values: Any) -> bytes:
    return json.dumps({"RecordType": "Bounce", "ID": 4323372036854775807, "Type": "HardBounce", "TypeCode": 1,
                       "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483", "Email": ANN, "Inactive": True,
                       "Details": "smtp;550 5.1.1 nobody of that name", **values}).encode()


def test_postmark_an_address_is_believed_and_no_delivery_guessed(heard: Heard) -> None:
    """It tells no return path and no Message-ID of ours: the newest mail need not be the one that came back."""
    assert heard.post("postmark", postmarked(), authorization=basic()) == 200
    assert heard.suppressed.startswith("bounced: 5.1.1")
    assert heard.delivery.state == "sent"
    assert heard.records[0].delivery_id is None
    assert heard.post("postmark", postmarked(), authorization=basic()) == 200
    assert len(heard.records) == 1


def test_postmark_a_complaint_that_returns_the_mail_is_known_by_it(heard: Heard) -> None:
    head = f"Message-ID: {heard.message_id}\r\nReturn-Path: <{heard.path}>\r\n\r\nHello"
    body = postmarked(RecordType="SpamComplaint", Type="SpamComplaint", Content=head)
    assert heard.post("postmark", body, authorization=basic()) == 200
    assert heard.status == "unsubscribed"
    assert heard.records[0].delivery_id == heard.delivery.id


@pytest.mark.parametrize(("type_", "kind", "suppressed"), [
    ("HardBounce", "bounce", True), ("BadEmailAddress", "bounce", True), ("SoftBounce", "bounce", False),
    ("Transient", "delay", False), ("AutoResponder", "auto_reply", False), ("Blocked", "bounce", False),
    ("SpamComplaint", "complaint", True), ("Unsubscribe", "unsubscribe", True), ("DnsError", "bounce", False),
])
def test_postmark_each_type(heard: Heard, type_: str, kind: str, suppressed: bool) -> None:
    assert heard.post("postmark", postmarked(Type=type_, Details=""), authorization=basic()) == 200
    assert heard.records[0].kind == kind
    assert bool(heard.suppressed) is suppressed


@pytest.mark.parametrize("authorization", ["", basic("lantern:a long wor"), basic("x"), "Basic !!!", "Bearer x",
                                           basic("lantern:a long word")[6:], "Basic", "Basic é"])
def test_postmark_another_word_is_refused(heard: Heard, authorization: str) -> None:
    assert heard.post("postmark", postmarked(), authorization=authorization) == 403
    assert heard.records == []


# --- Mailgun ----------------------------------------------------------------------------------------------


def mailgunned(heard: Heard, *, key: str = "key-0123456789", token: str = "t" * 50, age: int = 0,
               **event: Any) -> bytes:
    moment = str(int(heard.app.now().timestamp()) - age)
    signature = hmac.new(key.encode(), f"{moment}{token}".encode(), hashlib.sha256).hexdigest()
    said = {"event": "failed", "id": "G9Bn5sl1TC6nu79C8C0bwg", "severity": "permanent", "reason": "bounce",
            "recipient": ANN, "message": {"headers": {"message-id": heard.message_id.strip("<>")}},
            "delivery-status": {"code": 550, "enhanced-code": "5.1.1", "message": "550 5.1.1 nobody"}, **event}
    return json.dumps({"signature": {"timestamp": moment, "token": token, "signature": signature},
                       "event-data": said}).encode()


def test_mailgun_a_bounce_is_known_by_our_message_id(heard: Heard) -> None:
    assert heard.post("mailgun", mailgunned(heard)) == 200
    assert heard.delivery.state == "bounced"
    assert heard.records[0].delivery_id == heard.delivery.id


def test_mailgun_a_message_id_of_another_person_moves_nothing(heard: Heard) -> None:
    assert heard.post("mailgun", mailgunned(heard, recipient="ben@quay.example")) == 200
    assert heard.delivery.state == "sent"
    assert heard.records[0].delivery_id is None


def test_mailgun_a_token_counts_once_whatever_stands_beside_it(heard: Heard) -> None:
    """The signature covers time and token alone: who has seen it could write any event next to it."""
    assert heard.post("mailgun", mailgunned(heard, severity="temporary")) == 200
    assert heard.post("mailgun", mailgunned(heard, event="complained", id="other")) == 200
    assert [r.kind for r in heard.records] == ["delay"]
    assert heard.status == "confirmed"


@pytest.mark.parametrize(("change", "status"), [({"key": "key-wrong"}, 403), ({"age": 13 * 3600}, 403),
                                                ({"age": -3600}, 403), ({"token": ""}, 403),
                                                ({"token": "t" * 101}, 403), ({"age": 7 * 3600}, 200)])
def test_mailgun_wrong_old_and_future_signatures_are_refused(heard: Heard, change: dict[str, Any], status: int) -> None:
    assert heard.post("mailgun", mailgunned(heard, **change)) == status
    assert len(heard.records) == (status == 200)


@pytest.mark.parametrize(("event", "kind", "suppressed"), [
    ({"event": "complained"}, "complaint", True), ({"event": "unsubscribed"}, "unsubscribe", False),
    ({"reason": "old", "delivery-status": {"code": 602}}, "bounce", False),
    ({"reason": "suppress-bounce"}, "bounce", True), ({"reason": "suppress-complaint"}, "complaint", True),
    ({"delivery-status": {"code": 550, "message": "no such user"}}, "bounce", True),
    ({"event": "rejected", "delivery-status": {}}, "bounce", False),
])
def test_mailgun_each_event(heard: Heard, event: dict[str, Any], kind: str, suppressed: bool) -> None:
    assert heard.post("mailgun", mailgunned(heard, **event)) == 200
    assert heard.records[0].kind == kind
    assert bool(heard.suppressed) is suppressed
    assert (heard.status == "unsubscribed") is (kind in ("complaint", "unsubscribe"))


# --- SendGrid ---------------------------------------------------------------------------------------------


def sendgridded(heard: Heard, events: Any, *, age: int = 0, key: Any = SENDGRID_KEY) -> tuple[bytes, dict[str, str]]:
    body = json.dumps(events).encode()
    moment = str(int(heard.app.now().timestamp()) - age)
    signature = b64encode(key.sign(moment.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
    return body, {sendgrid.SIGNATURE: signature, sendgrid.TIMESTAMP: moment}


def event(heard: Heard, number: int = 1, **values: Any) -> dict[str, Any]:
    return {"email": ANN, "event": "bounce", "type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 nobody",
            "smtp-id": heard.message_id, "sg_event_id": f"e{number}", "sg_message_id": "m", **values}


def test_sendgrid_many_events_in_one_request_each_count_once(heard: Heard) -> None:
    body, headers = sendgridded(heard, [event(heard, 1, event="processed"), event(heard, 2, event="deferred"),
                                        event(heard, 3), event(heard, 3), "nonsense", event(heard, 4)])
    for _ in range(2):
        assert heard.post("sendgrid", body, **headers) == 200
    assert [r.kind for r in heard.records] == ["bounce", "bounce", "delay"]
    assert heard.delivery.state == "bounced"
    assert {r.delivery_id for r in heard.records} == {heard.delivery.id}


@pytest.mark.parametrize(("values", "kind", "suppressed"), [
    ({"event": "spamreport"}, "complaint", True), ({"event": "unsubscribe"}, "unsubscribe", False),
    ({"event": "group_unsubscribe"}, "unsubscribe", False), ({"type": "blocked", "status": "5.7.1"}, "bounce", False),
    ({"type": "blocked"}, "bounce", False), ({"status": "5.2.2"}, "bounce", False),
    ({"event": "dropped", "reason": "Bounced Address"}, "bounce", True),
    ({"event": "dropped", "reason": "Spam Reporting Address"}, "complaint", True),
    ({"event": "dropped", "reason": "Unsubscribed Address"}, "unsubscribe", False),
])
def test_sendgrid_each_event(heard: Heard, values: dict[str, Any], kind: str, suppressed: bool) -> None:
    body, headers = sendgridded(heard, [event(heard, **values)])
    assert heard.post("sendgrid", body, **headers) == 200
    assert heard.records[0].kind == kind
    assert bool(heard.suppressed) is suppressed


def test_sendgrid_another_key_another_body_and_an_old_time_are_refused(heard: Heard) -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    body, headers = sendgridded(heard, [event(heard)])
    assert heard.post("sendgrid", body + b" ", **headers) == 403
    assert heard.post("sendgrid", body) == 403
    assert heard.post("sendgrid", body, **(headers | {sendgrid.TIMESTAMP: "1"})) == 403
    for change in ({"key": stranger}, {"age": 26 * 3600}, {"age": -3600}):
        body, headers = sendgridded(heard, [event(heard)], **change)
        assert heard.post("sendgrid", body, **headers) == 403
    assert heard.records == []
    body, headers = sendgridded(heard, {"no": "list"})
    assert heard.post("sendgrid", body, **headers) == 400


# --- all of them ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["ses", "postmark", "mailgun", "sendgrid", "sparkpost", "ses/x", ""])
def test_who_is_not_configured_has_no_address_here(house: Any, provider: str) -> None:
    assert house.ask("POST", f"/hooks/{provider}", body=b"{}").status == 404


def test_the_site_has_these_addresses_and_a_get_is_none_of_them(heard: Heard) -> None:
    assert heard.house.ask("POST", "/hooks/postmark", {"authorization": basic()}, postmarked()).status == 200
    assert heard.house.ask("POST", "/hooks/postmark", {}, postmarked()).status == 403
    assert heard.house.get("/hooks/postmark").status == 405
    assert len(heard.records) == 1


@pytest.mark.parametrize("provider", ["ses", "postmark", "mailgun", "sendgrid"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"7", b'{"signature": [], "event-data": 7}', b"\xff\xfe",
                                  b"[" * 100_000])
def test_what_is_no_report_is_refused(heard: Heard, provider: str, body: bytes) -> None:
    assert heard.post(provider, body) == 403
    assert heard.records == []


def test_a_body_without_end_is_not_read_to_it(heard: Heard) -> None:
    assert heard.post("postmark", b" " * (hooks.MAX_BODY + 1), authorization=basic()) == 413


def test_a_busy_database_makes_the_provider_try_again(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 50)
    heard.app.store.close()
    writer = sqlite3.connect(heard.house.folder / "data" / "site.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    try:
        assert heard.house.ask("POST", "/hooks/postmark", {"authorization": basic()}, postmarked()).status == 503
    finally:
        writer.close()
    assert heard.house.ask("POST", "/hooks/postmark", {"authorization": basic()}, postmarked()).status == 200
    assert len(heard.records) == 1


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["mail", "bounce", "event-data", "email", "Message", "Type", "event", "id",
                                         "signature", "bouncedRecipients", "notificationType", "message", "headers",
                                         "delivery-status", "Email", "source", "RecordType", "status"]),
                        inner, max_size=4), max_leaves=12)


@given(JSON)
def test_no_json_of_whatever_shape_makes_reading_raise(value: Any) -> None:
    for found in (sendgrid.reports(value), *(
            [ses.reports(value), postmark.reports(value), mailgun.reports(value)] if isinstance(value, dict) else [])):
        assert all(one.kind in ReturnKind and one.proven for one in found)
    ses.reports({"Message": json.dumps(value)})
    if isinstance(value, dict):
        assert not ses.is_signed(value, b"x", datetime(2026, 1, 1, tzinfo=UTC))
