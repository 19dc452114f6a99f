"""People who get the same share what was joined for the first of them, and nobody gets another's values."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from pipeline.deliver.letters import MOULDS, Letter, Letters
from pipeline.mail.tokens import Keyring
from pipeline.model.frozen import Arrangement

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
