"""One person's message of a digest that is frozen in memory, and not stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from secrets import token_hex

from pipeline.app import App
from pipeline.compose.press import Pressed, selection_subject
from pipeline.compose.settings import with_mailto
from pipeline.deliver.letters import Letter
from pipeline.deliver.transport import Envelope
from pipeline.model.articles import Article
from pipeline.model.pictures import is_name
from pipeline.model.selection import Selection

MADE_UP = "reader@example.com"
"""Whom a preview is for where nobody is named; their unsubscribe link belongs to nobody."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a message is made for."""

    address: str
    subscription_id: int = 0                  # 0: made up
    confirmed_at: datetime | None = None
    start: int = 0                            # where their window starts
    start_seq: int = 0                        # where their subscription started
    language: str = ""                        # "": the newsletter's


@dataclass(frozen=True, slots=True)
class Sheet:
    """A message with what it was made of."""

    envelope: Envelope
    eml: bytes
    subject: str
    articles: tuple[Article, ...]
    more: int
    notes: tuple[str, ...]

    @property
    def html(self) -> str:
        return self._part("html")

    @property
    def text(self) -> str:
        return self._part("plain")

    def _part(self, kind: str) -> str:
        message = message_from_bytes(self.eml, policy=policy.default)
        body = message.get_body((kind,))
        return str(body.get_content()).replace("\r\n", "\n") if body is not None else ""


def own_picture(app: App, url: str) -> bytes | None:
    """The bytes of a picture in a letter that is ours; None for any other address."""
    folder = f"{app.config.site.public_url}/i/"
    name = url.removeprefix(folder)
    if not url.startswith(folder) or not is_name(name):
        return None
    try:
        return (app.picture_folder / name).read_bytes()
    except OSError:
        return None


def sheet_of(
    app: App, pressed: Pressed, selection: Selection, reader: Reader, *, mark: str = "", unsubscribe_url: str = "",
    preferences_url: str = "", sign: bool = True,
) -> Sheet:
    """The message that `reader` would get with this selection. Raises ConfigError where a key that is to sign it can't
    be used."""
    articles = [article for article, _ in pressed.plan.chosen]
    language = reader.language if reader.language in pressed.frozen else ""
    subject, preheader = selection_subject(app.templates(), pressed.head, selection, articles, language)
    with app.store.read() as connection:
        head = with_mailto(connection, pressed.head, app.now())
    letter = Letter(token_hex(16), head, pressed.frozen, app.now(), {}, app.signers() if sign else ())
    envelope, chunks = letter.personal(
        app.keyring, reader.subscription_id, reader.address, reader.confirmed_at or app.now(), subject=mark + subject,
        shown=pressed.head.arranged(selection), preheader=preheader, more=selection.more,
        language=language, unsubscribe_url=unsubscribe_url, preferences_url=preferences_url)
    by_id = {a.id: a for a in articles}
    return Sheet(envelope, b"".join(chunks), mark + subject, tuple(by_id[i] for i in selection.ids), selection.more,
                 pressed.notes)
