"""The messages that were really delivered, in every design, as Python's own parser reads them: without a defect."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

NEWSLETTER = """
[[newsletters]]
slug = "{design}"
title = "{title}"
template = "{design}"
  [[newsletters.schedules]]
  slug = "daily"
  at = "08:00"
"""
TITLES = ["The Lantern", "Räksmörgås & “friends” 日本語 👩‍👧", "A name too long for any header's line " * 4]


def test_messages_parse_without_a_defect(make_site: Any, basic_config: str, root: Path) -> None:
    from pipeline.audience.subscriptions import Request, add

    designs = sorted(path.parent.name for path in root.glob("templates/*/body.html.j2"))
    letters = "".join(NEWSLETTER.format(design=design, title=TITLES[n % 3]) for n, design in enumerate(designs))
    head, mail, tail = basic_config.partition("[mail]")
    site = make_site(head + letters + mail + tail)
    for number, title in enumerate(TITLES, 1):
        words = "A long line. " * 99
        site.write(f"{number}.md", title, f"Words of {title}.\n\n{words}\n\nFrom the start.\n\n.\n")
    with site.app.store.write() as connection:
        for design in designs:
            add(connection, Request("ann@here.example", design, "daily", "a test", 0), site.now, revive=True)
    site.run()
    site.advance(hours=3)
    site.run()
    messages = [path.read_bytes() for path in (site.folder / "mailbox" / "new").iterdir()]
    assert len(messages) == len(designs)
    for data in messages:
        assert list(_defects(data)) == []
        message = message_from_bytes(data, policy=policy.default)
        whole, *parts = message.walk()
        assert whole.get_content_type() == "multipart/alternative"
        assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
        assert all(title.split()[0] in part.get_content() for part in parts for title in TITLES)


@pytest.mark.parametrize(("pattern", "instead"), [
    (rb"--(=_\w+)--", rb""),                                              # the end of all parts
    (rb"(?m)^Date: .*$", b"Date: yesterday"),
    (rb'boundary="?[^"\n]+"?', b""),
    (rb"(?m)^(Subject: .*)$", b"\\1\nsomething between headers"),
])
def test_a_defect_is_seen(make_site: Any, pattern: bytes, instead: bytes) -> None:
    site = make_site()
    site.accept(["Article one"])
    site.subscribe("ann@here.example", start_seq=0)
    site.advance(hours=3)
    site.send()
    (path,) = (site.folder / "mailbox" / "new").iterdir()
    data = path.read_bytes()
    broken = re.sub(pattern, instead, data)
    assert broken != data
    assert list(_defects(data)) == []
    assert list(_defects(broken)) != []


def _defects(data: bytes) -> Iterator[str]:
    """What is wrong with a message, its parts, or any of their headers."""
    message = message_from_bytes(data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        yield from (repr(defect) for defect in part.defects)
        for name, value in part.items():
            yield from (f"{name}: {defect!r}" for defect in value.defects)
    yield from (f"a line of {len(line)} bytes" for line in data.split(b"\n") if len(line) > 998)
