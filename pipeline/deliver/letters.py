"""From a claimed delivery to its message: the frozen digest, the person's selection and their own values, joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from pipeline.deliver.transport import Envelope
from pipeline.mail.message import HeaderFields, Mailbox, message_chunks
from pipeline.mail.tokens import PREFERENCES, UNSUBSCRIBE, Keyring
from pipeline.model.fragments import thaw
from pipeline.model.frozen import Arrangement, Frozen
from pipeline.model.letterhead import Letterhead
from pipeline.render.dates import format_date
from pipeline.store import Row, digests, meta
from pipeline.store.deliveries import Claimed
from pipeline.store.engine import Store


@dataclass(frozen=True, slots=True)
class Letter:
    """A frozen digest in memory, ready to be personalised."""

    uid: str
    head: Letterhead
    frozen: Mapping[str, Frozen]             # by language; "": the newsletter's
    date: datetime                           # the freeze: a retry repeats it
    selections: Mapping[int, Row[Any]]

    def envelope(self, keyring: Keyring, subscription_id: int, address: str) -> Envelope:
        host = urlsplit(self.head.page.public_url).hostname or "localhost"
        return Envelope(self.head.sender_address, address, keyring.message_id(self.uid, subscription_id, host))

    def message(self, keyring: Keyring, claimed: Claimed) -> tuple[Envelope, list[bytes]]:
        """The whole message of one delivery; the same delivery always gives the same bytes."""
        selection = self.selections[claimed.selection_id]
        return self.personal(
            keyring, claimed.subscription_id, claimed.address, claimed.confirmed_at, subject=selection.subject,
            shown=shown_in(selection),
            preheader=selection.preheader, more=selection.more, language=selection.language)

    def personal(
        self, keyring: Keyring, subscription_id: int, address: str, confirmed_at: datetime | None, *, subject: str,
        shown: Arrangement, preheader: str, more: int, language: str = "", unsubscribe_url: str = "",
        preferences_url: str = "",
    ) -> tuple[Envelope, list[bytes]]:
        """`unsubscribe_url` and `preferences_url` are the person's own signed ones where they are not given."""
        page = self.head.page
        spoken = language or page.language
        who = str(subscription_id)
        unsubscribe_url = unsubscribe_url or f"{page.public_url}/u/{keyring.sign(UNSUBSCRIBE, who)}"
        preferences_url = preferences_url or f"{page.public_url}/p/{keyring.sign(PREFERENCES, who)}"
        envelope = self.envelope(keyring, subscription_id, address)
        host = urlsplit(page.public_url).hostname or "localhost"
        fields = HeaderFields(
            sender=Mailbox(self.head.sender_address, self.head.sender_name), to=address, subject=subject,
            date=self.date, message_id=envelope.message_id, language=spoken, reply_to=self.head.reply_to,
            list_id=f"{page.newsletter_slug}.{host}", list_name=page.newsletter_title,
            unsubscribe=(unsubscribe_url,), archive_url=page.archive_url,
        )
        values = {
            "unsubscribe_url": unsubscribe_url, "preferences_url": preferences_url, "address": address,
            "preheader": preheader,
            "since": format_date(confirmed_at, spoken) if confirmed_at else "",
            **self.head.values(shown, more),
        }
        return envelope, message_chunks(fields, self.frozen[language], shown, values)


def shown_in(selection: Row[Any]) -> Arrangement:
    """What a stored selection shows."""
    return Arrangement(tuple(selection.article_ids), tuple(selection.groups), tuple(selection.corrections))


@dataclass(slots=True)
class Letters:
    """The digests that are being sent, each thawed once and its selections read anew when one is missing."""

    store: Store
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
                          digests.selection_rows(connection, digest_id))
