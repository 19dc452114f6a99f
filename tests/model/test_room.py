"""How much fits into one mail: what is reckoned before is never less than what a mail then has."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.fragments import fragments, thaw
from pipeline.model.frozen import (
    ARTICLES,
    CONTENTS,
    CORRECTIONS,
    GROUP,
    Arrangement,
    Frozen,
    Piece,
    PieceKind,
    fragment,
    literal,
    personal_html,
    personal_text,
)
from pipeline.model.room import MOST_HTML, PREHEADER, VALUE, correction_sizes, room, sizes

SLOT, TOKEN = PieceKind.SLOT, PieceKind.TOKEN


def made(*keys: tuple[str, int, str], shell: tuple[Piece, ...] = ()) -> Frozen:
    html = (literal("<top>"), *shell, Piece(SLOT, CONTENTS), Piece(SLOT, ARTICLES), Piece(SLOT, CORRECTIONS),
            literal("é</top>"))
    parts = {(slot, number): fragment(slot, number, body, body.upper()) for slot, number, body in keys}
    return Frozen("nonce", html, html, parts)


def test_the_shell_is_taken_off_in_bytes() -> None:
    assert room(made()) == MOST_HTML - len("<top>é</top>".encode())


def test_values_of_one_person_have_room_kept_free() -> None:
    tokens = (Piece(TOKEN, "address"), Piece(TOKEN, "preheader"))
    assert room(made()) - room(made(shell=tokens)) == VALUE + PREHEADER


def test_what_only_the_web_shows_takes_none_and_what_only_mail_shows_does() -> None:
    assert room(made(shell=(literal("x" * 500, ("web",)),))) == room(made())
    assert room(made(shell=(literal("x" * 500, ("mail",)),))) == room(made()) - 500
    assert room(made(shell=(literal("x" * 500, ("contents",)),))) == room(made()) - 500


def test_an_article_takes_its_line_in_the_contents_and_a_heading_too() -> None:
    frozen = made((GROUP, 1, "é" * 5), (GROUP, 2, "g"), (ARTICLES, 7, "a" * 100), (CONTENTS, 7, "c" * 11),
                  (ARTICLES, 8, "b"), (CORRECTIONS, 1, "k" * 9))
    assert sizes(frozen) == {7: 121, 8: 11}, "a group's number is no article's"
    assert correction_sizes(frozen) == {1: 9}


def test_nothing_in_it() -> None:
    assert (sizes(made()), correction_sizes(made())) == ({}, {})


BODIES = st.text(alphabet="aé中😀", max_size=40)


@given(st.lists(BODIES, min_size=1, max_size=6), BODIES, st.lists(BODIES, max_size=2),
       st.randoms(use_true_random=False))
def test_no_mail_is_longer_than_was_reckoned(bodies: list[str], heading: str, corrections: list[str], random) -> None:
    keys = [(GROUP, 1, heading), (GROUP, 2, heading), (GROUP, 3, "")]
    for number, body in enumerate(bodies, 1):
        keys += [(ARTICLES, number, body), (CONTENTS, number, body[:3])]
    keys += [(CORRECTIONS, number, body) for number, body in enumerate(corrections, 1)]
    frozen = made(*keys, shell=(Piece(TOKEN, "address"),))
    chosen = [number for number in range(1, len(bodies) + 1) if random.random() < 0.7]
    groups = tuple(random.randrange(4) for _ in chosen)
    shown = Arrangement(tuple(chosen), groups, tuple(range(1, len(corrections) + 1)))
    html = personal_html(frozen, shown, {"address": "a" * VALUE, **shown.values()})
    reckoned = sum(sizes(frozen)[i] for i in chosen) + sum(correction_sizes(frozen).values())
    assert len(html.encode()) <= MOST_HTML - room(frozen) + reckoned


# --- groups, in the digest and in its rows ---


def test_a_heading_stands_before_the_first_of_its_group_and_only_where_there_is_one() -> None:
    shown = Arrangement((5, 1, 3, 4), (2, 2, 0, 1), (9,))
    assert list(shown.parts(ARTICLES)) == [
        (GROUP, 2), (ARTICLES, 5), (ARTICLES, 1), (ARTICLES, 3), (GROUP, 1), (ARTICLES, 4)]
    assert list(shown.parts(CONTENTS)) == [(CONTENTS, i) for i in (5, 1, 3, 4)]
    assert list(shown.parts(CORRECTIONS)) == [(CORRECTIONS, 9)]
    assert list(replace(shown, groups=()).parts(ARTICLES)) == [(ARTICLES, i) for i in (5, 1, 3, 4)]
    frozen = made((GROUP, 1, "One:"), (ARTICLES, 1, "a"), (CONTENTS, 1, ""), (ARTICLES, 2, "b"), (CONTENTS, 2, ""))
    grouped = Arrangement((2, 1), (1, 2))
    assert personal_html(frozen, grouped, {}) == "<top>One:baé</top>", "2 has no heading in this template"
    assert "ONE:BA" in personal_text(frozen, grouped, {})


def test_a_group_and_an_article_of_the_same_number_are_told_apart_in_rows() -> None:
    frozen = made((GROUP, 7, "Heading"), (ARTICLES, 7, "a"), (CONTENTS, 7, "c"), (CORRECTIONS, 7, "k"))
    rows = fragments(frozen)
    assert {row.article_id for row in rows if row.name == GROUP} == {None}
    assert {row.scope for row in rows if row.name == GROUP} == {"7"}
    assert thaw(reversed(rows), "nonce") == frozen
