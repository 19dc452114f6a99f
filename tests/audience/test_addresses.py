"""What is taken for an address, and which two are the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audience.addresses import read_address
from pipeline.errors import UsageError


@pytest.mark.parametrize(("text", "address", "key"), [
    ("ada@example.org", "ada@example.org", "ada@example.org"),
    ("  ada@example.org\t", "ada@example.org", "ada@example.org"),
    ("Ada@EXAMPLE.org", "Ada@example.org", "ada@example.org"),
    ("ada+news@example.org", "ada+news@example.org", "ada+news@example.org"),
    ("o'neill@example.co.uk", "o'neill@example.co.uk", "o'neill@example.co.uk"),
    ("ada@bücher.example", "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
    ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
    ("a" * 64 + "@example.org", "a" * 64 + "@example.org", "a" * 64 + "@example.org"),
    ("åsa@example.org", "åsa@example.org", "åsa@example.org"),
    ("A\u030aSA@example.org", "ÅSA@example.org", "åsa@example.org"),
    ("用户@例え.example", "用户@xn--r8jz45g.example", "用户@xn--r8jz45g.example"),
    ("ada@sub.sub.example.org", "ada@sub.sub.example.org", "ada@sub.sub.example.org"),
])
def test_good(text: str, address: str, key: str) -> None:
    assert read_address(text) == (address, key)


BAD = [
    "", "   ", "ada", "@example.org", "ada@", "ada@example", "ada@localhost", "ada@@example.org", "ada@ex ample.org",
    "ada@example..org", "ada@.example.org", "ada@example.org.", ".ada@example.org", "ada.@example.org",
    "a..b@example.org",
    "ada@[127.0.0.1]", "ada@127.0.0.1", "ada@[IPv6:::1]", '"a b"@example.org', '"ada"@example.org',
    "Ada <ada@example.org>", "<ada@example.org>", "ada@example.org, bo@example.org", "ada@example.org;bo@example.org",
    "ada@example.org bo@example.org", "ada@exam\nple.org", "ada@example.org\r\nBcc: bo@example.org",
    "ada\x00@example.org", "ada@example\u2028.org", "a\u202eda@example.org", "ada@-example.org", "ada@example-.org",
    "ada@exam_ple.org", "a" * 65 + "@example.org", "ada@" + "x" * 64 + ".org", "ada@" + "x." * 125 + "org",
    "mailto:ada@example.org", "ada(comment)@example.org", "ada@example.123", "=1+1@[x]",
    "å" * 33 + "@example.org", "å" * 20 + "@" + "x." * 110 + "org", "å\u200dsa@example.org", "å\u202esa@example.org",
    "å sa@example.org",
]


@pytest.mark.parametrize("text", BAD)
def test_bad(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_address(text)
    line = str(caught.value)
    assert line.isprintable(), "what is refused is shown without what it could do to a terminal"
    assert len(line) < 300


@given(st.text(max_size=80))
def test_whatever_is_taken_is_one_plain_address(text: str) -> None:
    try:
        address, key = read_address(f"{text}@example.org")
    except UsageError:
        return
    for one in (address, key):
        assert one.count("@") == 1
        assert not set(one) & set(" ,;<>()[]\"\\\r\n\t")
        assert one.isprintable()
    assert read_address(address) == (address, key), "read again it is the same"
