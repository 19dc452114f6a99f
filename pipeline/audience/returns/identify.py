"""Of whom a report speaks. What proves it is always an HMAC of ours: a mark in an address, the token of a link to leave
together with the Message-ID that belongs to it, or a provider's signature over the whole report.

Without any of these nobody is meant: whoever can write a mail can name any address in it.
"""

from __future__ import annotations

from pipeline.mail import marks
from pipeline.mail.tokens import UNSUBSCRIBE, Keyring
from pipeline.model.returns import Report, ReturnKind, Whom
from pipeline.store import Connection, returned

MOST_DELIVERIES = 500     # of one person, the newest: as far back as a Message-ID is looked for
MAX_ID_DIGITS = 18


def identify(connection: Connection, keyring: Keyring, report: Report) -> Whom:
    """Reads, and locks the delivery's row."""
    found = [known for text in report.traces.marks if (known := marks.find(keyring, text)) is not None]
    leaving = [number for kind, number in found if kind == marks.LEAVE]
    if report.kind is ReturnKind.UNSUBSCRIBE and not report.proven:
        return _leaver(connection, leaving)
    for kind, number in found:
        if kind == marks.DELIVERY and (sent := returned.sent(connection, number)) is not None:
            return Whom(sent=sent, subscription_id=sent.subscription_id, address_key=sent.address_key)
        if kind == marks.NOTICE and (notice := returned.notice(connection, notice_id=number)) is not None:
            return _of_notice(notice)
    held = leaving + _from_tokens(keyring, report)
    if (whom := _by_message_id(connection, keyring, report, held)) is not None:
        return whom
    if report.kind is ReturnKind.COMPLAINT and held:   # whoever holds the link may leave
        return _leaver(connection, held)
    return _named(connection, keyring, report) if report.proven else Whom()


def _leaver(connection: Connection, subscription_ids: list[int]) -> Whom:
    for number in subscription_ids:
        if address_key := returned.subscriber_of(connection, number):
            return Whom(subscription_id=number, address_key=address_key)
    return Whom()


def _from_tokens(keyring: Keyring, report: Report) -> list[int]:
    said = [keyring.read(UNSUBSCRIBE, token) for token in report.traces.tokens]
    return [int(one) for one in said if one and one.isascii() and one.isdigit() and len(one) <= MAX_ID_DIGITS]


def _by_message_id(
    connection: Connection, keyring: Keyring, report: Report, subscription_ids: list[int]
) -> Whom | None:
    """The delivery to one of these people that had one of these Message-IDs."""
    if not subscription_ids or not report.traces.message_ids:
        return None
    wanted = set(report.traces.message_ids)
    hosts = {one.rpartition("@")[2].rstrip(">") for one in wanted}    # the site's own may have been another then
    for delivery_id, subscription_id, uid in returned.sent_to(connection, subscription_ids, MOST_DELIVERIES):
        if any(keyring.message_id(uid, subscription_id, host) in wanted for host in hosts):
            sent = returned.sent(connection, delivery_id)
            if sent is not None:
                return Whom(sent=sent, subscription_id=subscription_id, address_key=sent.address_key)
    return None


def _named(connection: Connection, keyring: Keyring, report: Report) -> Whom:
    """Whom a provider names. Which mail it was is only known by its Message-ID; the account may send for others too,
    so the newest mail to an address is not taken for the one that bounced."""
    for address_key in report.addresses:
        theirs = returned.subscription_ids(connection, address_key)
        if (whom := _by_message_id(connection, keyring, report, theirs)) is not None:
            return whom
        for message_id in report.traces.message_ids:
            if (notice := returned.notice(connection, message_id=message_id)) is not None:
                return _of_notice(notice)
    return Whom(address_key=report.addresses[0]) if report.addresses else Whom()


def _of_notice(notice: returned.Notice) -> Whom:
    return Whom(notice_id=notice.id, notice_kind=notice.kind, subscription_id=notice.subscription_id,
                address_key=notice.address.lower())
