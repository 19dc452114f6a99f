"""Mailgun (documentation.mailgun.com: "Securing webhooks").

Its signature covers a time and a token, and not the event: whoever has seen one could put another event beside it. So
each token counts once, for as long as it may be used at all: it is the key under which the report is kept.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.audience.returns.dsn import status_in
from pipeline.audience.returns.providers.values import address, message_id, table, text
from pipeline.model.returns import Fault, Report, ReturnKind, Traces, Via

OLDEST = timedelta(hours=12)     # Mailgun tries again for eight hours
AHEAD = timedelta(minutes=10)
MOST_TOKEN = 100                 # characters

_SUPPRESSED = {"suppress-bounce": ReturnKind.BOUNCE, "suppress-complaint": ReturnKind.COMPLAINT,
               "suppress-unsubscribe": ReturnKind.UNSUBSCRIBE}


def is_signed(body: Mapping[str, Any], key: str, now: datetime) -> bool:
    said = table(body, "signature")
    moment, token, signature = text(said, "timestamp"), text(said, "token"), text(said, "signature")
    if not (moment.isascii() and moment.isdigit() and len(moment) <= 11 and 0 < len(token) <= MOST_TOKEN):
        return False
    at = datetime.fromtimestamp(int(moment), UTC)
    expected = hmac.digest(key.encode(), f"{moment}{token}".encode(), hashlib.sha256).hex()
    return now - OLDEST <= at <= now + AHEAD and hmac.compare_digest(expected.encode(), signature.encode())


def reports(body: Mapping[str, Any]) -> list[Report]:
    event = table(body, "event-data")
    what, severity, reason = text(event, "event"), text(event, "severity"), text(event, "reason")
    status_table = table(event, "delivery-status")
    detail = text(status_table, "message", "description") or reason
    headers = table(event, "message", "headers")
    traces = Traces((text(table(event, "envelope"), "sender"),), message_ids=message_id(text(headers, "message-id")))
    named = address(event, "recipient")
    key = f"mailgun:{text(table(body, 'signature'), 'token')}"
    if what == "complained":
        return [Report(key, ReturnKind.COMPLAINT, Via.MAILGUN, traces, named, detail="reported as abuse", proven=True)]
    if what == "unsubscribed":
        return [Report(key, ReturnKind.UNSUBSCRIBE, Via.MAILGUN, traces, named, proven=True)]
    if what not in ("failed", "rejected"):
        return []
    status = status_in(text(status_table, "enhanced-code")) or status_in(detail)
    if severity == "temporary":
        return [Report(key, ReturnKind.DELAY, Via.MAILGUN, traces, named, status, detail, proven=True)]
    kind = _SUPPRESSED.get(reason, ReturnKind.BOUNCE)
    fault = None
    if reason == "suppress-bounce":
        fault = Fault.ADDRESS
    elif reason == "old":                    # tried until its time was over
        fault = Fault.PASSING
    elif what == "rejected":
        fault = Fault.OURS
    elif not status:
        code = text(status_table, "code")
        detail = f"{code} {detail}".strip() if code not in detail else detail
    return [Report(key, kind, Via.MAILGUN, traces, named, status, detail, proven=True, fault=fault)]
