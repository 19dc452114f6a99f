"""From a claimed delivery to its message: the frozen digest, the person's selection and their own values, joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from threading import Lock
from typing import Any
from urllib.parse import quote, urlsplit

from pipeline.deliver.transport import Envelope
from pipeline.mail.dkim import Signer, signed
from pipeline.mail.marks import DELIVERY, LEAVE, mark, return_path
from pipeline.mail.message import HeaderFields, Mailbox, MessageMould, message_mould, wire_address
from pipeline.mail.tokens import PREFERENCES, UNSUBSCRIBE, Keyring
from pipeline.model.fragments import thaw
from pipeline.model.frozen import OWN, Arrangement, DigestPage, Frozen, own
from pipeline.model.letterhead import Letterhead
from pipeline.render.dates import format_date
from pipeline.store import Row, digests, meta
from pipeline.store.deliveries import Claimed
from pipeline.store.engine import Store

MOULDS = 64
"""Messages that are kept joined, for people who get the same; each takes what one message does, 100 to 150 KB."""


@dataclass(frozen=True, slots=True)
class Same:
    """All that decides what somebody's message looks like, but for their own values."""

    subject: str
    shown: Arrangement
    preheader: str
    more: int
    language: str
    own: tuple[bool, ...]     # which of their own values are there, see `model.frozen.own`


class Moulds:
    """Those that were used last, for threads."""

    def __init__(self) -> None:
        self._kept: dict[Same, MessageMould] = {}
        self._one_at_a_time = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, same: Same) -> MessageMould | None:
        with self._one_at_a_time:
            known = self._kept.pop(same, None)
            if known is not None:
                self._kept[same] = known  # the last to go
            return known

    def keep(self, same: Same, made: MessageMould) -> MessageMould:
        with self._one_at_a_time:
            self._kept[same] = made
            if len(self._kept) > MOULDS:
                del self._kept[next(iter(self._kept))]
        return made


@dataclass(frozen=True, slots=True)
class Letter:
    """A frozen digest in memory, ready to be personalised."""

    uid: str
    head: Letterhead
    frozen: Mapping[str, Frozen]             # by language; "": the newsletter's
    date: datetime                           # the freeze: a retry repeats it
    selections: Mapping[int, Row[Any]]
    signers: tuple[Signer, ...] = ()         # each signs every message (DKIM)
    _moulds: Moulds = field(default_factory=Moulds, init=False, repr=False, compare=False)

    def envelope(
        self, keyring: Keyring, subscription_id: int, address: str, delivery_id: int = 0
    ) -> Envelope:
        """`delivery_id`: 0 for what is no delivery, and bounces to nobody in particular."""
        message_id = keyring.message_id(self.uid, subscription_id, _host(self.head.page))
        sender = self.head.return_path or self.head.sender_address
        if delivery_id and self.head.return_path:
            sender = return_path(sender, mark(keyring, DELIVERY, delivery_id))
        return Envelope(sender, wire_address(address), message_id)

    def message(self, keyring: Keyring, claimed: Claimed) -> tuple[Envelope, list[bytes]]:
        """The whole message of one delivery; the same delivery always gives the same bytes."""
        selection = self.selections[claimed.selection_id]
        return self.personal(
            keyring, claimed.subscription_id, claimed.address, claimed.confirmed_at, subject=selection.subject,
            shown=shown_in(selection),
            preheader=selection.preheader, more=selection.more, language=selection.language, delivery_id=claimed.id)

    def personal(
        self, keyring: Keyring, subscription_id: int, address: str, confirmed_at: datetime | None, *, subject: str,
        shown: Arrangement, preheader: str, more: int, language: str = "", unsubscribe_url: str = "",
        preferences_url: str = "", delivery_id: int = 0,
    ) -> tuple[Envelope, list[bytes]]:
        """`unsubscribe_url` and `preferences_url` are the person's own signed ones where they are not given; with one
        that is given nothing in the message makes anybody leave."""
        page = self.head.page
        who = str(subscription_id)
        leave = () if unsubscribe_url or not self.head.unsubscribe_mailto else (
            leave_by_mail(keyring, self.head.unsubscribe_mailto, subscription_id),)
        unsubscribe_url = unsubscribe_url or f"{page.public_url}/u/{keyring.sign(UNSUBSCRIBE, who)}"
        envelope = self.envelope(keyring, subscription_id, address, delivery_id)
        values = {
            "unsubscribe_url": unsubscribe_url,
            "preferences_url": preferences_url or f"{page.public_url}/p/{keyring.sign(PREFERENCES, who)}",
            "address": address,
            "since": format_date(confirmed_at, language or page.language) if confirmed_at else "",
        }
        same = Same(subject, shown, preheader, more, language, own(values))
        moulded = self._moulds.get(same) or self._moulds.keep(same, _moulded(self.head, self.frozen, self.date, same))
        chunks = moulded.filled(envelope.recipient, envelope.message_id, (unsubscribe_url, *leave), values)
        return envelope, signed(self.signers, chunks)


def leave_by_mail(keyring: Keyring, address: str, subscription_id: int) -> str:
    """A mailto: address (RFC 6068) that ends one subscription, whatever the mail says: some programs leave the subject
    away."""
    return f"mailto:{return_path(_quoted(address), mark(keyring, LEAVE, subscription_id))}?subject=unsubscribe"


@lru_cache(16)
def _quoted(address: str) -> str:
    return quote(address, safe="@+")


def _moulded(head: Letterhead, frozen: Mapping[str, Frozen], date: datetime, same: Same) -> MessageMould:
    page = head.page
    fields = HeaderFields(
        sender=Mailbox(head.sender_address, head.sender_name), to="", subject=same.subject, date=date, message_id="",
        language=same.language or page.language, reply_to=head.reply_to, archive_url=page.archive_url,
        list_id=f"{page.newsletter_slug}.{_host(page)}", list_name=page.newsletter_title,
        feedback_id=head.feedback_id, precedence=head.precedence, auto_submitted=True)
    values = {**dict(zip(OWN, ("1" if there else "" for there in same.own), strict=True)), "preheader": same.preheader,
              **head.values(same.shown, same.more)}
    return message_mould(fields, frozen[same.language], same.shown, values)


def _host(page: DigestPage) -> str:
    return _host_of(page.public_url)


@lru_cache(16)
def _host_of(public_url: str) -> str:
    return urlsplit(public_url).hostname or "localhost"


def shown_in(selection: Row[Any]) -> Arrangement:
    """What a stored selection shows."""
    return Arrangement(tuple(selection.article_ids), tuple(selection.groups), tuple(selection.corrections))


@dataclass(slots=True)
class Letters:
    """The digests that are being sent, each thawed once and its selections read anew when one is missing."""

    store: Store
    signers: tuple[Signer, ...] = ()
    _known: dict[int, Letter] = field(default_factory=dict)
    _taken_down: int = 0

    def refresh(self) -> None:
        """Forget what is in memory where something was taken down since: what was claimed before that is given back,
        so it is enough to ask after each claim."""
        with self.store.read() as connection:
            taken_down = meta.counter(connection, meta.TAKEN_DOWN)
        if taken_down != self._taken_down:
            self._known.clear()
            self._taken_down = taken_down

    def get(self, digest_id: int, selection_id: int | None = None) -> Letter:
        known = self._known.get(digest_id)
        if known is None or (selection_id is not None and selection_id not in known.selections):
            known = self._known[digest_id] = self._load(digest_id)
        return known

    def _load(self, digest_id: int) -> Letter:
        with self.store.read() as connection:
            facts = digests.facts(connection, digest_id)
            frozen = {language: thaw(digests.fragment_rows(connection, digest_id, language), facts.nonce)
                      for language in digests.languages(connection, digest_id)}
            return Letter(facts.uid, Letterhead.from_json(facts.settings), frozen, facts.frozen_at,
                          digests.selection_rows(connection, digest_id), self.signers)
