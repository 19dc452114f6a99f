"""The demo's mailbox: what was delivered to the Maildir, shown as a reader's mail program would.

Only a demo shows it. A mail's own HTML stands in a sandboxed frame: no script, no form, no picture from anywhere;
its links open in a new tab.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from pipeline.config import Config
from pipeline.web.answers import NEVER, Missing
from pipeline.web.shell import MAIL
from pipeline.web.site import Site

MAX_MAIL = 20_000_000       # bytes of one mail that are read
MAX_HEAD = 65_536           # bytes read for a list
SHOWN = ("From", "To", "Subject", "Date", "List-Unsubscribe", "Message-ID")

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._,=@+-]{0,200}", re.ASCII)
_HEAD = re.compile(r"<head[^>]*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail in a list. `name` is its address on the web: the file's name without a reader's flags."""

    name: str
    subject: str
    sender: str
    to: str
    date: datetime


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    path: Path
    changed_at: datetime


def folder(config: Config) -> Path:
    if config.mail is None:
        raise Missing("No mailbox", "This site sends no mail.")
    return config.mail.maildir


def newest(maildir: Path, limit: int) -> list[Mail]:
    """The last mails that arrived, the newest first."""
    files = sorted(_files(maildir), key=lambda f: (f.changed_at, f.name), reverse=True)
    return [_mail(file) for file in files[:limit]]


def show(site: Site, request: Request) -> Response:
    """`/mail/{name}` and `/mail/{name}/text`: one mail, its HTML or its plain text."""
    file, data = _read(site, request)
    message = _parse(data)
    html, text = _part(message, "html"), _part(message, "plain")
    plain = request.scope["path"].endswith("/text") or not html
    return site.page(
        "mail", policy=MAIL, cache=NEVER, mail=_described(file, message), plain=plain, text=text, srcdoc=framed(html),
        headers=[(name, value) for name in SHOWN if (value := _header(message, name))],
        unsubscribe=_https(_header(message, "List-Unsubscribe")),
    )


def raw(site: Site, request: Request) -> Response:
    """`/mail/{name}/raw`: the bytes as they were delivered."""
    _, data = _read(site, request)
    return PlainTextResponse(data.decode("utf-8", "replace"), headers={"cache-control": NEVER})


def framed(html: str) -> str:
    """HTML for a frame whose links open in a tab of their own: within the frame our pages refuse to be shown."""
    base = '<base target="_blank">'
    found = _HEAD.search(html)
    return f"{html[:found.end()]}{base}{html[found.end():]}" if found else base + html


def _read(site: Site, request: Request) -> tuple[_File, bytes]:
    config = site.app.config
    if not config.site.demo:
        raise Missing("Not here", "Only a demo shows its mailbox.")
    wanted = request.path_params["name"]
    for file in _files(folder(config)):  # looked up among what is there: a name never becomes a path
        if file.name == wanted:
            try:
                with file.path.open("rb") as opened:
                    return file, opened.read(MAX_MAIL)
            except OSError:
                break
    raise Missing("No such mail", "It is not in the mailbox any more.",
                  links=((f"{site.home}#mailbox", "The mailbox"),))


def _files(maildir: Path) -> list[_File]:
    found = []
    for part in ("new", "cur"):
        try:
            entries = list(os.scandir(maildir / part))
        except OSError:
            continue
        for entry in entries:
            name = entry.name.partition(":")[0]
            try:
                if _NAME.fullmatch(name) and entry.is_file(follow_symlinks=False):
                    changed_at = datetime.fromtimestamp(entry.stat(follow_symlinks=False).st_mtime, UTC)
                    found.append(_File(name, maildir / part / entry.name, changed_at))
            except OSError:  # a mail program has just moved it
                continue
    return found


def _mail(file: _File) -> Mail:
    try:
        with file.path.open("rb") as opened:
            return _described(file, _parse(opened.read(MAX_HEAD)))
    except OSError:
        return _described(file, EmailMessage())


def _described(file: _File, message: EmailMessage) -> Mail:
    try:
        date = parsedate_to_datetime(_header(message, "Date"))
    except ValueError:
        date = file.changed_at
    return Mail(
        name=file.name, subject=_header(message, "Subject") or "(no subject)", sender=_header(message, "From"),
        to=_header(message, "To"), date=date if date.tzinfo else date.replace(tzinfo=UTC),
    )


def _parse(data: bytes) -> EmailMessage:
    return message_from_bytes(data, policy=policy.default)


def _header(message: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(message.get(name, "")).split())
    except Exception:  # noqa: BLE001 - the library raises many kinds on headers that are none
        return ""


def _part(message: EmailMessage, kind: str) -> str:
    try:
        found = message.get_body((kind,))
        return str(found.get_content()) if found is not None else ""
    except Exception:  # noqa: BLE001 - the same for bodies: an unknown charset, a broken encoding
        return ""


def _https(list_unsubscribe: str) -> str:
    found = re.search(r"<(https?://[^<>\s]+)>", list_unsubscribe)
    return found[1] if found else ""
