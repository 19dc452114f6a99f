"""A letter that nothing is wrong with, for tests to spoil."""

from __future__ import annotations

import quopri
from collections.abc import Callable

import pytest

from pipeline.desk.proof.finding import Letter
from pipeline.desk.proof.opened import Opened, open_letter

PUBLIC_URL = "https://lantern.example"
UNSUBSCRIBE = f"{PUBLIC_URL}/u/abc123"
ADDRESS = "Main Street 1, Stockholm"
WAY_OUT = f'<p><a href="{UNSUBSCRIBE}">Unsubscribe</a></p>'
TEXT = f"Hello there\n\nUnsubscribe: {UNSUBSCRIBE}\n{ADDRESS}\n"

HEAD = f"""\
From: The Lantern <news@lantern.example>
To: ann@here.example
Subject: News of the town
Date: Mon, 01 Jun 2026 08:00:00 +0000
Message-ID: <0123456789abcdef@lantern.example>
MIME-Version: 1.0
List-Unsubscribe: <{UNSUBSCRIBE}>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
Content-Type: multipart/alternative; boundary="=_b"
"""

Make = Callable[..., Letter]


def make_letter(body: str = "<p>Hello there</p>", css: str = "", *, text: str = TEXT, way_out: str = WAY_OUT,
                head: str = HEAD, html: str | None = None, meta: str = "") -> Letter:
    """A whole letter around `body`, with `css` in a style element; or of just `html`."""
    if html is None:
        html = (f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">{meta}<title>News</title>'
                f"<style>{css}</style></head><body>{body}{way_out}</body></html>")
    return Letter(html, text, eml_of(head, text, html), "News of the town", "en", PUBLIC_URL, ADDRESS)


def eml_of(head: str, text: str, html: str) -> bytes:
    parts = [head]
    for kind, content in (("plain", text), ("html", html)):
        encoded = quopri.encodestring(content.encode("utf-8", "replace")).decode().replace("\r", "=0D")
        parts.append(f"\n--=_b\nContent-Type: text/{kind}; charset=utf-8\n"
                     f"Content-Transfer-Encoding: quoted-printable\n\n{encoded}")
    return ("".join(parts) + "\n--=_b--\n").replace("\n", "\r\n").encode()


@pytest.fixture(scope="session")
def letter() -> Make:
    """`letter(body, css)` with what else is to be changed."""
    return make_letter


@pytest.fixture(scope="session")
def opened() -> Callable[..., Opened]:
    """The same, taken apart."""
    return lambda *args, **values: open_letter(make_letter(*args, **values))


@pytest.fixture(scope="session")
def head() -> str:
    """The header lines of a letter that nothing is wrong with, each ending in LF."""
    return HEAD
