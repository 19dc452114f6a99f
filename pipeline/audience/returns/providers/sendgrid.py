"""SendGrid's signed event webhook (twilio.com/docs/sendgrid: "Event Webhook security features"). Its `smtp-id` is our
Message-ID, and so says which mail it was."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.audience.returns.dsn import status_in
from pipeline.audience.returns.providers.values import address, message_id, rows, text
from pipeline.mail.signatures import signed_by_key
from pipeline.model.returns import Fault, Report, ReturnKind, Traces, Via

SIGNATURE, TIMESTAMP = "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"

OLDEST = timedelta(hours=25)     # SendGrid tries again for a day
AHEAD = timedelta(minutes=10)


def is_signed(body: bytes, headers: Mapping[str, str], public_key: str, now: datetime) -> bool:
    moment = headers.get(TIMESTAMP, "")
    if not (moment.isascii() and moment.isdigit() and len(moment) <= 11):
        return False
    at = datetime.fromtimestamp(int(moment), UTC)
    return now - OLDEST <= at <= now + AHEAD and signed_by_key(
        public_key, headers.get(SIGNATURE, ""), moment.encode() + body)


def reports(events: Any) -> list[Report]:
    found = [_report(event) for event in rows({"events": events}, "events")]
    return [one for one in found if one is not None]


def _report(event: Mapping[str, Any]) -> Report | None:
    what, type_ = text(event, "event"), text(event, "type")
    key = f"sendgrid:{text(event, 'sg_event_id') or what + text(event, 'sg_message_id')}"
    traces = Traces(message_ids=message_id(text(event, "smtp-id")))
    named, detail = address(event, "email"), text(event, "reason", "response")
    status = status_in(text(event, "status")) or status_in(detail)
    if what == "spamreport":
        return Report(key, ReturnKind.COMPLAINT, Via.SENDGRID, traces, named, detail="reported as abuse", proven=True)
    if what in ("unsubscribe", "group_unsubscribe"):
        return Report(key, ReturnKind.UNSUBSCRIBE, Via.SENDGRID, traces, named, proven=True)
    if what == "deferred":
        return Report(key, ReturnKind.DELAY, Via.SENDGRID, traces, named, status, detail, proven=True)
    if what == "bounce":
        fault = None
        if type_ == "blocked":    # for now, and for what we are: SendGrid itself goes on sending to the address
            fault = Fault.OURS if status[2:].startswith("7.") else Fault.PASSING
        return Report(key, ReturnKind.BOUNCE, Via.SENDGRID, traces, named, status, detail, proven=True, fault=fault)
    if what == "dropped":
        return _dropped(key, traces, named, detail)
    return None


def _dropped(key: str, traces: Traces, named: tuple[str, ...], reason: str) -> Report:
    """SendGrid did not even try: the address is on a list of its own."""
    said = reason.lower()
    if "spam report" in said:
        return Report(key, ReturnKind.COMPLAINT, Via.SENDGRID, traces, named, detail="reported as abuse", proven=True)
    if "unsubscribed" in said:
        return Report(key, ReturnKind.UNSUBSCRIBE, Via.SENDGRID, traces, named, detail=reason, proven=True)
    fault = Fault.ADDRESS if "bounced" in said or "invalid" in said else Fault.OURS
    return Report(key, ReturnKind.BOUNCE, Via.SENDGRID, traces, named, detail=reason, proven=True, fault=fault)
