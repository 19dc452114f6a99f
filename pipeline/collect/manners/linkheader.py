"""What a source's answer says in its Link header (RFC 8288): a hub, and the address that the hub knows it by."""

from __future__ import annotations

import re
from dataclasses import replace

from pipeline.model.sources import Hints
from pipeline.text.urls import absolute

MAX_HEADER = 8_000  # characters that are looked at

_LINK = re.compile(r"<([^<>]{1,2000})>((?:\s*;\s*[\w*!-]+(?:\s*=\s*(?:\"[^\"]{0,500}\"|[^\s\",;]{1,200}))?)*)")
_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s\",;]+))", re.IGNORECASE)


def with_link_header(hints: Hints, header: str, base: str) -> Hints:
    """Return `hints` with the hub that the header names, which counts before the document's (WebSub section 4)."""
    found: dict[str, str] = {}
    for target, parameters in _LINK.findall(header[:MAX_HEADER]):
        rel = _REL.search(parameters)
        for name in (rel[1] or rel[2]).lower().split() if rel else ():
            found.setdefault(name, absolute(target.strip(), base))
    if not found.get("hub"):
        return hints
    return replace(hints, hub=found["hub"], self_url=found.get("self") or hints.self_url)
