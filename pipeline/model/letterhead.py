"""What the configuration said when a digest was frozen. Kept with the digest, so that a message tried again a day
later is the same message, whatever was changed in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from pipeline.model.frozen import DigestPage
from pipeline.model.selection import Group, Order, Rules


@dataclass(frozen=True, slots=True)
class Letterhead:
    sender_name: str
    sender_address: str
    reply_to: str          # "" where answers go to the sender
    subject: str           # template text
    on_uncertain: str      # "leave" or "resend"
    page: DigestPage
    rules: Rules

    def to_json(self) -> dict[str, Any]:
        values = asdict(self)
        values["page"]["date"] = self.page.date.isoformat()
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Letterhead:
        page = {**values["page"], "date": datetime.fromisoformat(values["page"]["date"])}
        rules: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values["rules"].items()}
        rules |= {"order": Order(rules.get("order", Order.DATE)), "group": Group(rules.get("group", Group.NONE))}
        return cls(**{**values, "page": DigestPage(**page), "rules": Rules(**rules)})

    def at(self, name: str, url: str, date: datetime) -> Letterhead:
        """The same for another digest of the newsletter."""
        return replace(self, page=replace(self.page, digest_name=name, digest_url=url, date=date))
