"""The whole way: what a sent mail itself says is enough to answer it, bounce it and leave by it."""

from __future__ import annotations

import email
from email import policy
from typing import Any

from pipeline.audience.returns.counted import Ingested
from pipeline.model.returns import ReturnKind

ANN, BEN = "ann@quay.example", "ben@quay.example"


def last_mail(post: Any, address: str) -> Any:
    """The newest mail to somebody, as it lies in their mailbox, its Return-Path with it."""
    found = [email.message_from_bytes(path.read_bytes(), policy=policy.default)
             for path in sorted((post.folder / "mailbox" / "new").iterdir(), key=lambda p: p.stat().st_mtime_ns)]
    return next(one for one in reversed(found) if one["To"] == address)


def test_the_return_path_of_a_mail_brings_its_bounce_home(post: Any) -> None:
    path = last_mail(post, ANN)["Return-Path"].strip("<>")
    assert path.startswith("bounces+d")
    assert path.endswith("@lantern.example")
    post.arrive(post.sample("postfix", path=path, head="Subject: nothing else is returned"))
    post.read()
    assert post.delivery(ANN).state == "bounced"
    assert post.delivery(BEN).state == "sent"


def test_a_mail_offers_to_leave_by_mail_once_the_mailbox_is_read_and_that_works(post: Any) -> None:
    assert "mailto:" not in last_mail(post, ANN)["List-Unsubscribe"], "nobody reads that mailbox yet"
    for part in ("tmp", "new", "cur"):
        (post.maildir / part).mkdir(parents=True)
    post.site.advance(hours=23)
    assert post.read() == Ingested()
    post.site.advance(hours=1)
    post.accept(["Article B"])
    post.site.send()
    offered = last_mail(post, ANN)["List-Unsubscribe"]
    address = next(part.strip(" <>").removeprefix("mailto:").partition("?")[0] for part in offered.split(",")
                   if "mailto:" in part)
    post.arrive(f"From: someone.else@provider.example\nTo: {address}\nSubject: unsubscribe\n\n".encode())
    assert post.read().kinds == {ReturnKind.UNSUBSCRIBE: 1}
    assert post.status(ANN) == "unsubscribed"
    assert post.status(BEN) == "confirmed"
    post.another("Article C")
    assert post.told(ANN) == ["Article A", "Article B"]


def test_a_mailbox_that_is_no_longer_read_is_no_longer_offered(post: Any) -> None:
    for part in ("tmp", "new", "cur"):
        (post.maildir / part).mkdir(parents=True)
    post.read()
    post.site.advance(days=2)
    post.accept(["Article B"])
    post.site.send()
    assert "mailto:" not in last_mail(post, ANN)["List-Unsubscribe"]
