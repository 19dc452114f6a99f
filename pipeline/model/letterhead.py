"""What the configuration said when a digest was frozen. Kept with the digest, so that a message tried again a day
later is the same message, whatever was changed in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from pipeline.model.frozen import Arrangement, DigestPage
from pipeline.model.selection import Group, Order, Rules, Selection, arrangement


@dataclass(frozen=True, slots=True)
class Letterhead:
    sender_name: str
    sender_address: str
    reply_to: str          # "" where answers go to the sender
    subject: str           # template text
    on_uncertain: str      # "leave" or "resend"
    page: DigestPage
    rules: Rules
    groups: tuple[str, ...] = ()   # the names of headings, in the order of their numbers from 1 on
    room: int = 0                  # bytes of HTML that a mail has for articles; 0: not known
    return_path: str = ""          # where bounces come back, each with a mark of its own; "": to the sender
    unsubscribe_mailto: str = ""   # where a mail may ask to leave, likewise; "": nobody reads such mails
    feedback_id: str = ""          # which mails Gmail counts complaints of together
    precedence: bool = False       # "Precedence: bulk"

    def to_json(self) -> dict[str, Any]:
        values = asdict(self)
        values["page"]["date"] = self.page.date.isoformat()
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Letterhead:
        page = {**values["page"], "date": datetime.fromisoformat(values["page"]["date"])}
        rules: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values["rules"].items()}
        rules |= {"order": Order(rules.get("order", Order.DATE)), "group": Group(rules.get("group", Group.NONE))}
        return cls(**{**values, "page": DigestPage(**page), "rules": Rules(**rules),
                      "groups": tuple(values.get("groups", ()))})

    def arranged(self, selection: Selection) -> Arrangement:
        return arrangement(selection, self.groups)

    def values(self, shown: Arrangement, more: int) -> dict[str, str]:
        """The tokens that say how much somebody gets."""
        contents = 0 < self.rules.contents <= len(shown.articles)
        return shown.values(more=more, contents=contents)

    def spoken(self, language: str) -> Letterhead:
        """The same in one of the digest's languages; "" is the newsletter's."""
        return replace(self, page=replace(self.page, language=language)) if language else self

    def at(self, name: str, url: str, date: datetime) -> Letterhead:
        """The same for another digest of the newsletter."""
        return replace(self, page=replace(self.page, digest_name=name, digest_url=url, date=date))
