"""Header lines and MIME: what servers and mail programs need, once and well-formed; and the way out in the body."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from urllib.parse import SplitResult, urlsplit

from pipeline.desk.proof.finding import MOST_NAMED, Finding, Letter, Severity, shown
from pipeline.desk.proof.opened import Opened
from pipeline.mail.message import MAX_LINE, one_click

MAX_MESSAGE = 5_000_000
"""Bytes of a message whose MIME is read."""

MAX_HEAD = 32_000
"""Bytes of all header lines that are read, ten times what a letter of ours has."""

ONCE = ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "List-Unsubscribe", "List-Unsubscribe-Post")
_AT_MOST_ONCE = ("Reply-To", "Sender", "Content-Type", "List-Id", "List-Archive")
_FORMS = {  # of a value with its folds taken out
    "From": r"(?:.*<[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)",
    "To": r"(?:.*<[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)",
    "Subject": r".*\S.*",
    "Date": r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d(?::\d\d)? (?:[+-]\d{4}|GMT)",
    "Message-ID": r"<[^\s<>@]+@[^\s<>@]+>",
    "MIME-Version": r"1\.0",
    "List-Unsubscribe": r"<[a-z]+:[^\s<>]+>(?:\s*,\s*<[a-z]+:[^\s<>]+>)*",
    "List-Unsubscribe-Post": r"List-Unsubscribe=One-Click",
}


def check(opened: Opened) -> Iterator[Finding]:
    letter = opened.letter
    head = re.split(rb"\r?\n\r?\n", letter.eml, maxsplit=1)[0]
    if len(head) > MAX_HEAD:
        yield _error(f"the headers have {len(head):,} bytes, and {MAX_HEAD:,} are looked at")
        return
    fields = _fields(head)
    yield from _present(fields)
    yield from _lines(letter.eml, head)
    yield from _mime(letter)
    yield from _way_out(opened, fields)
    yield from _postal_address(opened)


def _fields(head: bytes) -> dict[str, list[str]]:
    """Lower case name -> values, folds taken out (RFC 5322, 2.2.3)."""
    found: dict[str, list[str]] = {}
    for line in re.sub(rb"\r?\n(?=[ \t])", b"", head).splitlines():
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            found.setdefault(name.strip().lower(), []).append(value.strip())
    return found


def _present(fields: dict[str, list[str]]) -> Iterator[Finding]:
    for name in ONCE:
        values = fields.get(name.lower(), [])
        if not values:
            if name != "List-Unsubscribe-Post" or one_click(_addresses(fields)):
                yield _error(f"there is no {name}", name)
            elif _addresses(fields):
                yield Finding("headers", Severity.WARNING,
                              "without https there is no unsubscribing with one click, which Gmail and Yahoo ask of "
                              "those who send much: let public_url in [site] be https", name)
        for value in values[:1]:
            if not re.fullmatch(_FORMS[name], value):
                yield _error(f'{name} is not well-formed: "{shown(value)}"', name)
    for name in (*ONCE, *_AT_MOST_ONCE):
        if (times := len(fields.get(name.lower(), []))) > 1:
            yield _error(f"{name} is there {times} times, and may be once", name)
    if fields.get("list-unsubscribe-post") and not one_click(_addresses(fields)):
        yield _error("List-Unsubscribe-Post promises one click, which needs an https address in List-Unsubscribe "
                     "(RFC 8058)", "List-Unsubscribe-Post")


def _addresses(fields: dict[str, list[str]]) -> list[str]:
    return re.findall(r"<([^<>\s]+)>", " ".join(fields.get("list-unsubscribe", [])))


def _lines(eml: bytes, head: bytes) -> Iterator[Finding]:
    if re.search(rb"[\x80-\xff]", head):
        yield _error("there are header lines that are not ASCII; they have to be encoded (RFC 2047)")
    elif re.search(rb"[\x80-\xff]", eml):
        yield _error("the body holds raw 8-bit bytes, which not every server takes; they have to be encoded")
    if re.search(rb"(?<!\r)\n|\r(?!\n)", eml):
        yield _error("there are lines that do not end in CR LF (RFC 5322, 2.3)")
    longest = max(map(len, eml.splitlines()), default=0)
    if longest > MAX_LINE:
        yield _error(f"a line has {longest:,} bytes, and servers take {MAX_LINE} (RFC 5322, 2.1.1)")


def _mime(letter: Letter) -> Iterator[Finding]:
    if len(letter.eml) > MAX_MESSAGE:
        yield Finding("headers", Severity.WARNING,
                      f"its MIME could not be looked at: the message has {len(letter.eml):,} bytes")
        return
    message = message_from_bytes(letter.eml, policy=policy.default)
    assert isinstance(message, EmailMessage)  # noqa: S101 - the policy's own kind
    defects = [defect for part in message.walk() for defect in part.defects]
    for name in ONCE:
        try:
            for header in message.get_all(name, []):
                defects += header.defects
        except Exception as error:  # noqa: BLE001 - the standard library raises many kinds on what it can't read
            yield _error(f"{name} can't be read: {type(error).__name__}", name)
    for defect in defects[:MOST_NAMED]:
        yield _error(f"its MIME is broken: {type(defect).__name__} {shown(str(defect))}".rstrip())
    for kind in ("plain", "html"):
        if message.get_body((kind,)) is None:
            yield _error(f"there is no text/{kind} part in the message")


def _way_out(opened: Opened, fields: dict[str, list[str]]) -> Iterator[Finding]:
    """A link to unsubscribe that can be seen."""
    if opened.too_large or not opened.elements:
        return
    addresses = {one for one in _addresses(fields) if one.startswith("http")}
    links = [link for link in opened.named("a") if is_way_out(link.get("href") or "", addresses, opened)]
    if not links:
        yield _error("there is no link to unsubscribe in the letter: write tokens.unsubscribe_url in the template")
    elif not any(opened.seen(link) for link in links):
        yield _error("the link to unsubscribe can't be seen: it stands in what is hidden")


def is_way_out(href: str, addresses: set[str], opened: Opened) -> bool:
    public = urlsplit(opened.letter.public_url)
    found = _split(href)
    return href in addresses or bool(
        found and found.netloc == public.netloc and found.path.startswith(f"{public.path}/u/"))


def _split(href: str) -> SplitResult | None:
    try:
        return urlsplit(href)
    except ValueError:
        return None


def _postal_address(opened: Opened) -> Iterator[Finding]:
    address = opened.letter.postal_address
    if address is None:
        yield Finding("headers", Severity.NOTE,
                      "nothing is known of a postal address, which many countries ask for in a newsletter: set "
                      "postal_address in [site], or to false")
    elif address and not opened.too_large:
        words = " ".join(address.split())
        if words not in " ".join(opened.letter.text.split()):
            yield Finding("headers", Severity.NOTE, f'the postal address is not in the text part: "{shown(words)}"')


def _error(text: str, place: str = "") -> Finding:
    return Finding("headers", Severity.ERROR, text, place)
