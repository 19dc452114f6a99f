"""Postmark (postmarkapp.com/developer/webhooks). It signs nothing: its requests carry the name and password that its
settings were given. It tells no return path, so its reports are believed of the address alone.
"""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from pipeline.audience.returns.dsn import status_in
from pipeline.audience.returns.parse import traces_in
from pipeline.audience.returns.providers.values import address, text
from pipeline.model.returns import Fault, Report, ReturnKind, Traces, Via

_ADDRESS = frozenset({"HardBounce", "BadEmailAddress", "AddressChange", "ManuallyDeactivated"})
_OURS = frozenset({"SpamNotification", "VirusNotification", "Blocked", "DMARCPolicy", "SMTPApiError",
                   "TemplateRenderingFailed"})
_REPLIES = frozenset({"AutoResponder", "ChallengeVerification", "OpenRelayTest", "Subscribe"})
_LATE = frozenset({"Transient"})


def is_theirs(authorization: str, expected: str) -> bool:
    """Whether a request's Authorization is Basic with `expected`, "user:password". Compares in constant time."""
    scheme, _, value = authorization.partition(" ")
    try:
        said = b64decode(value.strip(), validate=True) if scheme.lower() == "basic" else b""
    except ValueError:
        said = b""
    return bool(expected) and hmac.compare_digest(said, expected.encode())


def reports(event: Mapping[str, Any]) -> list[Report]:
    record, type_ = text(event, "RecordType") or "Bounce", text(event, "Type")
    named = address(event, "Email", "Recipient")
    detail = text(event, "Details", "Description", "Name") or type_
    dump = event.get("Content")
    traces = traces_in(dump) if isinstance(dump, str) else Traces()
    key = f"postmark:{record}:{text(event, 'ID') or text(event, 'MessageID') + text(event, 'ChangedAt')}"
    if record == "SpamComplaint" or type_ == "SpamComplaint":
        return [Report(key, ReturnKind.COMPLAINT, Via.POSTMARK, traces, named, detail="reported as abuse", proven=True)]
    if (record == "SubscriptionChange" and event.get("SuppressSending") is True) or type_ == "Unsubscribe":
        return [Report(key, ReturnKind.UNSUBSCRIBE, Via.POSTMARK, traces, named,
                       detail=text(event, "SuppressionReason"), proven=True)]
    if record != "Bounce":
        return []
    status = status_in(detail)
    if type_ in _REPLIES or type_ in _LATE:
        kind = ReturnKind.DELAY if type_ in _LATE else ReturnKind.AUTO_REPLY
        return [Report(key, kind, Via.POSTMARK, traces, named, status, detail, proven=True)]
    fault = Fault.ADDRESS if type_ in _ADDRESS else Fault.OURS if type_ in _OURS else Fault.PASSING
    return [Report(key, ReturnKind.BOUNCE, Via.POSTMARK, traces, named, status, detail, proven=True, fault=fault)]
