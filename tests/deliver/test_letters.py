"""People who get the same share what was joined for the first of them, and nobody gets another's values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from itertools import product
from typing import Any

import pytest

from pipeline.compose.settings import READ_WITHIN
from pipeline.compose.stage import fill_batches
from pipeline.deliver.letters import MOULDS, Letter, Letters
from pipeline.jobs.sends import compose_now, parts
from pipeline.mail.marks import find
from pipeline.mail.tokens import Keyring
from pipeline.model.frozen import Arrangement
from pipeline.model.letterhead import Letterhead
from pipeline.store import deliveries, meta

RING = Keyring(("k" * 43,))
SINCE = [None, datetime(2026, 5, 3, tzinfo=UTC)]


@pytest.fixture
def letters(composed: Any) -> Any:
    """() -> the digest's letter, joined for nobody yet."""
    return lambda: Letters(composed.app.store).get(1)


def written(letter: Letter, number: int, since: datetime | None, ids: tuple[int, ...], more: int) -> bytes:
    _, chunks = letter.personal(
        RING, number, f"r{number}@people.example", since, subject=f"{len(ids)} articles", shown=Arrangement(ids),
        preheader="å", more=more)
    return b"".join(chunks)


def test_whoever_came_before_does_not_show_in_a_message(letters: Any) -> None:
    ids = tuple(letters().frozen[""].article_ids)
    kinds = list(product(SINCE, (ids, ids[:1], ids[::-1]), (0, 4)))
    shared = letters()
    together = [written(shared, number, *kind) for number, kind in enumerate(kinds * 2)]
    alone = [written(letters(), number, *kind) for number, kind in enumerate(kinds * 2)]
    assert together == alone
    assert len(set(together)) == 2 * len(kinds)
    told = [sum(title in message for title in (b"Article one", b"Article two")) for message in together]
    assert told == [len(shown) for _, shown, _ in kinds * 2]
    assert [b"3 May 2026" in message for message in together] == [since is not None for since, _, _ in kinds * 2]


def test_only_so_many_are_kept(letters: Any) -> None:
    letter = letters()
    for more in range(MOULDS + 20):
        written(letter, 1, None, (), more)
    assert len(letter._moulds) == MOULDS


# --- what the configuration adds to a message -------------------------------------------------------------

RETURNS = '[mail.returns]\naddress = "bounces@lantern.example"\nmaildir = "returned"\n'


@pytest.fixture
def claimed(copy_site: Any, basic_config: str) -> Callable[..., Any]:
    """`claimed(keys, read=…)`: (site, letter, the deliveries) of a digest frozen with these further keys, the mailbox
    of what comes back last read so long before."""

    def make(more: str = RETURNS, *, read: timedelta | None = timedelta(hours=1), mail: str = "") -> Any:
        site = copy_site(_people, basic_config.replace("[preflight]", more + "[preflight]").replace(
            "[mail]\n", f"[mail]\n{mail}"))
        if read is not None:
            with site.app.store.write() as connection:
                meta.put(connection, meta.RETURNS_READ_AT, (site.now - read).isoformat())
        assert compose_now(site.app, site.app.config.newsletters[0]).status == "frozen"
        fill_batches(parts(site.app), site.now)
        with site.app.store.write() as connection:
            taken = deliveries.claim(connection, "w1.1", site.now, 10)
        return site, Letters(site.app.store).get(taken[0].digest_id), taken

    return make


def _people(site: Any) -> None:
    for name in ("ada", "bo", "cy"):
        site.subscribe(f"{name}@example.org")
    site.accept(["Article one", "Article two"])


def test_each_delivery_has_its_own_return_path(claimed: Any) -> None:
    site, letter, taken = claimed()
    for one in taken:
        envelope, chunks = letter.message(site.app.keyring, one)
        assert find(site.app.keyring, envelope.sender) == ("d", one.id)
        assert envelope.sender.startswith("bounces+")
        assert b"bounces+d" not in b"".join(chunks), "it is for servers; only the way to leave stands in the message"
    made_up, _ = letter.personal(site.app.keyring, 0, "x@example.org", None, subject="s",
                                 shown=Arrangement(()), preheader="", more=0)
    assert made_up.sender == "bounces@lantern.example"


def test_leaving_by_mail_is_offered_while_such_mails_are_read(claimed: Any) -> None:
    site, letter, taken = claimed()
    for one in taken:
        mail = message_from_bytes(b"".join(letter.message(site.app.keyring, one)[1]), policy=policy.default)
        https, mailto = re.findall("<([^>]*)>", mail["list-unsubscribe"])
        assert https.startswith("https://lantern.example/u/")
        assert find(site.app.keyring, mailto) == ("u", one.subscription_id)
        assert mailto.endswith("@lantern.example?subject=unsubscribe")
        assert mail["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize(("more", "read"), [
    (RETURNS, None), (RETURNS, READ_WITHIN + timedelta(seconds=1)), ("", timedelta(0))])
def test_and_else_it_is_not(claimed: Any, more: str, read: timedelta | None) -> None:
    site, letter, taken = claimed(more, read=read)
    assert b"mailto:" not in b"".join(letter.message(site.app.keyring, taken[0])[1])


def test_a_test_mail_makes_nobody_leave(claimed: Any) -> None:
    site, letter, _ = claimed()
    _, chunks = letter.personal(site.app.keyring, 7, "x@example.org", None, subject="s", shown=Arrangement(()),
                                preheader="", more=0, unsubscribe_url="https://lantern.example/u/test")
    assert b"mailto:" not in b"".join(chunks)


def test_headers_that_group_mails_name_no_person(claimed: Any) -> None:
    site, letter, taken = claimed(mail="precedence = true\n")
    told = set()
    for one in taken:
        mail = message_from_bytes(b"".join(letter.message(site.app.keyring, one)[1]), policy=policy.default)
        assert mail["precedence"] == "bulk"
        told.add(mail["feedback-id"])
    (feedback,) = told
    digest, newsletter, kind, sender = feedback.split(":")
    assert (newsletter, kind) == ("lantern", "Digest")
    assert digest == letter.head.page.digest_name
    assert 5 <= len(sender) <= 15


def test_a_digest_that_was_frozen_before_all_this_still_goes(claimed: Any) -> None:
    site, letter, taken = claimed()
    stored = json.loads(json.dumps(letter.head.to_json()))
    assert Letterhead.from_json(stored) == letter.head
    for key in ("return_path", "unsubscribe_mailto", "feedback_id", "precedence"):
        del stored[key]
    old = replace(letter, head=Letterhead.from_json(stored))
    envelope, chunks = old.message(site.app.keyring, taken[0])
    assert envelope.sender == "news@lantern.example"
    assert b"Feedback-ID" not in b"".join(chunks)


def test_a_changed_config_does_not_change_a_frozen_digest(claimed: Any) -> None:
    site, letter, taken = claimed()
    before = letter.message(site.app.keyring, taken[0])
    path = site.folder / "config.toml"
    path.write_text(path.read_text().replace("bounces@", "elsewhere@"))
    site.close()
    assert Letters(site.app.store).get(taken[0].digest_id).message(site.app.keyring, taken[0]) == before
