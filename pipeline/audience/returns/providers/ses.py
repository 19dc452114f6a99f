"""Amazon SES, by way of SNS (docs.aws.amazon.com: "Verifying the signatures of Amazon SNS messages", "Amazon SNS
notification contents for Amazon SES").

The certificate is Amazon's because it comes from Amazon's host by https; which topics may speak is configured. SES
tells the return path of the mail it speaks of, and with it our mark.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pipeline.audience.returns.dsn import status_in
from pipeline.audience.returns.providers.values import MOST_TEXT, address, load, message_id, rows, table, text
from pipeline.mail.signatures import signed_by_certificate
from pipeline.model.returns import Fault, Report, ReturnKind, Traces, Via

NOTIFICATION, CONFIRMATION = "Notification", "SubscriptionConfirmation"

_HOST = r"https://sns\.[a-z]{2}(?:-[a-z]+)+-\d\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE = re.compile(_HOST + r"/[A-Za-z0-9_.-]{1,200}\.pem")
_CONFIRM = re.compile(_HOST + r"/\?[\x21-\x7e]{1,2000}")
_SIGNED = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    CONFIRMATION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_OURS = frozenset({"MessageTooLarge", "ContentRejected", "AttachmentRejected"})


def certificate_url(envelope: Mapping[str, Any]) -> str:
    """Where the certificate is to be fetched from, "" where that is not Amazon's notification service."""
    url = envelope.get("SigningCertURL")
    return url if isinstance(url, str) and _CERTIFICATE.fullmatch(url) else ""


def confirm_url(envelope: Mapping[str, Any]) -> str:
    """What has to be asked once so that a topic reports to us, "" where that is not Amazon's."""
    url = envelope.get("SubscribeURL")
    return url if isinstance(url, str) and _CONFIRM.fullmatch(url) else ""


def is_signed(envelope: Mapping[str, Any], pem: bytes, now: datetime) -> bool:
    names = _SIGNED.get(str(envelope.get("Type")), ())
    said = "".join(f"{name}\n{envelope[name]}\n" for name in names if isinstance(envelope.get(name), str))
    signature, version = envelope.get("Signature"), str(envelope.get("SignatureVersion"))
    return bool(names) and isinstance(signature, str) and signed_by_certificate(
        pem, version, signature, said.encode("utf-8", "replace"), now)


def reports(envelope: Mapping[str, Any]) -> list[Report]:
    """What a notification says, one report for each address."""
    event = load(str(envelope.get("Message", "")).encode("utf-8", "replace"))
    mail = table(event, "mail")
    kind = text(table(event), "notificationType", "eventType")
    headers = {text(one, "name").lower(): text(one, "value") for one in rows(mail, "headers")}
    traces = Traces(
        (text(mail, "source"), headers.get("return-path", ""), headers.get("list-unsubscribe", "")),
        message_ids=message_id(headers.get("message-id", "")) + message_id(text(table(mail, "commonHeaders"),
                                                                                 "messageId")))
    said = {"Bounce": ("bounce", "bouncedRecipients"), "Complaint": ("complaint", "complainedRecipients"),
            "DeliveryDelay": ("deliveryDelay", "delayedRecipients")}.get(kind)
    if said is None:
        return []
    body = table(event, said[0])
    feedback = text(body, "feedbackId") or text(envelope, "MessageId")
    return [_report(kind, body, one, traces, f"ses:{kind}:{feedback}:{number}")
            for number, one in enumerate(rows(body, said[1]))]


def _report(kind: str, body: Mapping[str, Any], one: Mapping[str, Any], traces: Traces, key: str) -> Report:
    named = address(one, "emailAddress")
    if kind == "Complaint":
        type_ = text(body, "complaintFeedbackType") or "abuse"
        verdict = ReturnKind.UNKNOWN if type_ == "not-spam" else ReturnKind.COMPLAINT
        return Report(key, verdict, Via.SES, traces, named, detail=f"reported as {type_}", proven=True)
    detail = text(one, "diagnosticCode") or " ".join(filter(None, [text(body, "bounceType"),
                                                                   text(body, "bounceSubType")]))
    status = status_in(text(one, "status")) or status_in(detail)
    if kind == "DeliveryDelay":
        return Report(key, ReturnKind.DELAY, Via.SES, traces, named, status, detail, proven=True)
    type_, subtype = text(body, "bounceType"), text(body, "bounceSubType")
    if type_ == "Transient" and not (status or text(one, "action")):    # an answer from a holiday is told as one, too
        return Report(key, ReturnKind.AUTO_REPLY, Via.SES, traces, named, detail=detail[:MOST_TEXT], proven=True)
    fault = None if status and type_ == "Permanent" else Fault.ADDRESS if type_ == "Permanent" else Fault.PASSING
    if subtype in _OURS:
        fault = Fault.OURS
    return Report(key, ReturnKind.BOUNCE, Via.SES, traces, named, status, detail, proven=True, fault=fault)
