"""Tokens: nobody else can make one, one purpose each, and a changed key keeps every promise that was mailed."""

from __future__ import annotations

import hashlib
import stat
import string
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer

from pipeline.errors import StoreError
from pipeline.mail.tokens import PREFERENCES, UNSUBSCRIBE, Keyring, load_or_create

OLD, NEW = "o" * 43, "n" * 43
GOLDEN = "42.HCDcNAVuYTs75CdVBuVHuq_YT_cRfBvy5BxI6q97gLY"
"""What OLD makes of subscription 42's link to leave: it has to work for as long as there are mails with it."""
RING, ROTATED = Keyring((OLD,)), Keyring((NEW, OLD))
URL_SAFE = set(string.ascii_letters + string.digits + "-_.")


@given(st.integers(1, 2**62))
def test_a_token_says_what_was_signed_and_fits_into_a_url(number: int) -> None:
    token = RING.sign(UNSUBSCRIBE, str(number))
    assert RING.read(UNSUBSCRIBE, token) == str(number)
    assert set(token) <= URL_SAFE


@given(st.text(st.characters(codec="utf-8"), max_size=30), st.sampled_from([UNSUBSCRIBE, PREFERENCES, "x"]),
       st.sampled_from([RING, ROTATED]))
def test_a_token_is_the_one_that_itsdangerous_makes(value: str, purpose: str, ring: Keyring) -> None:
    """Links in mails that went out long ago were made by its Signer, with a key derived each time."""
    signer = Signer(ring.secrets[0], salt=f"broadsheet.{purpose}", sep=".", digest_method=hashlib.sha256)
    assert ring.sign(purpose, value) == signer.sign(value).decode()


def test_a_link_of_before_is_still_the_same() -> None:
    assert RING.sign(UNSUBSCRIBE, "42") == GOLDEN


@pytest.mark.parametrize("number", range(20))
def test_no_flipped_bit_is_taken(number: int) -> None:
    token = RING.sign(UNSUBSCRIBE, str(1234 + number))
    for place, letter in enumerate(token):
        for bit in range(7):
            other = token[:place] + chr(ord(letter) ^ (1 << bit)) + token[place + 1:]
            assert RING.read(UNSUBSCRIBE, other) is None, (place, bit)
    for cut in range(len(token)):
        assert RING.read(UNSUBSCRIBE, token[:cut]) is None
        assert RING.read(UNSUBSCRIBE, token[cut:]) is None or cut == 0


def test_the_last_character_has_no_second_spelling() -> None:
    """Spare bits of base64 would give several tokens that all work."""
    token = RING.sign(UNSUBSCRIBE, "1")
    assert [c for c in sorted(URL_SAFE) if RING.read(UNSUBSCRIBE, token[:-1] + c)] == [token[-1]]


@given(st.text(max_size=60))
def test_what_is_no_token(text: str) -> None:
    assert RING.read(UNSUBSCRIBE, text) is None


def test_purposes_and_keys_do_not_mix() -> None:
    token = RING.sign(UNSUBSCRIBE, "1")
    assert RING.read("confirm", token) is None
    assert Keyring((NEW,)).read(UNSUBSCRIBE, token) is None
    assert RING.sign("confirm", "1") != token
    assert RING.read(UNSUBSCRIBE, RING.sign(UNSUBSCRIBE, "1").replace("1.", "2.", 1)) is None


@given(st.integers(1, 2**62), st.permutations([UNSUBSCRIBE, PREFERENCES, "confirm"]), st.sampled_from([RING, ROTATED]))
def test_a_link_for_one_thing_does_no_other(number: int, purposes: list[str], ring: Keyring) -> None:
    """Each kind of link must stay worth only what it was mailed for, with old keys and new."""
    own, *others = purposes
    token = ring.sign(own, str(number))
    assert ROTATED.read(own, token) == str(number)
    for other in others:
        assert ring.read(other, token) is None
        assert ROTATED.read(other, token) is None
        assert ring.sign(other, str(number)) != token
        value, _, signature = token.rpartition(".")
        assert ring.read(other, f"{other}.{value}.{signature}") is None


def test_a_new_key_keeps_old_links_message_ids_and_the_fingerprint() -> None:
    token = RING.sign(UNSUBSCRIBE, "7")
    assert ROTATED.read(UNSUBSCRIBE, token) == "7"
    assert ROTATED.read(PREFERENCES, RING.sign(PREFERENCES, "7")) == "7"
    fresh = ROTATED.sign(UNSUBSCRIBE, "7")
    assert Keyring((NEW,)).read(UNSUBSCRIBE, fresh) == "7", "new links are signed with the new key"
    assert RING.read(UNSUBSCRIBE, fresh) is None
    assert ROTATED.fingerprint == RING.fingerprint != Keyring((NEW,)).fingerprint
    assert ROTATED.message_id("d", 7, "h.example") == RING.message_id("d", 7, "h.example")


def test_message_ids() -> None:
    ids = {RING.message_id(d, n, "h.example") for d in ("a", "b") for n in range(50)}
    assert len(ids) == 100
    assert all(i.startswith("<") and i.endswith("@h.example>") and len(i) == 32 + 13 - 1 for i in ids), ids
    assert RING.message_id("a", 11, "h") != RING.message_id("a1", 1, "h")
    assert Keyring((NEW,)).message_id("a", 1, "h") != RING.message_id("a", 1, "h")


def test_secrets_are_never_printed() -> None:
    assert OLD not in repr(RING)
    assert OLD not in RING.fingerprint


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "broadsheet.key"
    ring = load_or_create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create(path) == ring
    assert load_or_create(tmp_path / "other.key") != ring
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broadsheet.key", "other.key"]


def test_two_first_starts_at_once_share_one_key(tmp_path: Path) -> None:
    path = tmp_path / "broadsheet.key"
    rings: list[Keyring] = []
    start = threading.Barrier(6)

    def begin() -> None:
        start.wait()
        rings.append(load_or_create(path))

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rings) == 6
    assert len(set(rings)) == 1


def test_a_start_that_was_killed_leaves_no_half_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "broadsheet.key"

    def killed(_size: int) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.mail.tokens.secrets.token_urlsafe", killed)
    with pytest.raises(KeyboardInterrupt):
        load_or_create(path)
    monkeypatch.undo()
    assert not path.exists()
    assert load_or_create(path)


def test_two_lines_are_two_keys(tmp_path: Path) -> None:
    path = tmp_path / "broadsheet.key"
    path.write_text(f"{NEW}\n{OLD}\n")
    assert load_or_create(path) == ROTATED


@pytest.mark.parametrize("content", [b"", b"\n\n", b"short\n", b"\xff\xfe" * 40, f"{OLD}\nshort\n".encode()])
def test_what_is_no_key_is_refused_and_not_overwritten(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broadsheet.key"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="restore it from a backup"):
        load_or_create(path)
    assert path.read_bytes() == content


def test_where_no_key_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="the signing key can't be made"):
        load_or_create(tmp_path / "file" / "broadsheet.key")
    (tmp_path / "folder.key").mkdir()
    with pytest.raises(StoreError, match="can't be read"):
        load_or_create(tmp_path / "folder.key")
