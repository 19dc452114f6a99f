"""doctor on the command line: what to publish in words that go into a zone file, and a status for scripts."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from pipeline.cli.doctor import split_nameserver
from pipeline.errors import UsageError

RIGHT = {("lantern.example.", "TXT"): ['"v=spf1 mx ~all"'], ("lantern.example.", "MX"): ["10 mx.example."],
         ("_dmarc.lantern.example.", "TXT"): ['"v=DMARC1; p=reject"']}


@pytest.fixture
def cli(broadsheet: Callable[..., Any], make_site: Callable[..., Any]) -> Callable[..., Any]:
    return partial(broadsheet, make_site())


def test_records_are_printed_as_a_zone_has_them(cli: Any, name_server: Callable[..., int]) -> None:
    said = cli("doctor", "--nameserver", f"127.0.0.1:{name_server({('x.', 'TXT'): ['x']})}")
    assert said.status == 1
    assert 'lantern.example. TXT "v=spf1 mx ~all"' in said.out
    assert '_dmarc.lantern.example. TXT "v=DMARC1; p=none"' in said.out
    assert re.search(r"✗ SPF: missing", said.out)
    assert "Next: put right" in said.out + said.err


def test_all_is_well(cli: Any, name_server: Callable[..., int]) -> None:
    port = name_server(RIGHT)
    assert cli("doctor", "--nameserver", f"127.0.0.1:{port}").status == 0
    told = cli("doctor", "--json", "--nameserver", f"127.0.0.1:{port}")
    assert told.json["ok"] is told.json["asked"] is True
    assert {one["kind"]: one["standing"] for one in told.json["records"]} == {
        "SPF": "match", "DMARC": "match", "BIMI": "missing"}


def test_without_a_name_server_the_records_are_told_all_the_same(cli: Any, name_server: Callable[..., int]) -> None:
    failing = dict.fromkeys(RIGHT, "SERVFAIL")
    told = cli("doctor", "--json", "--nameserver", f"127.0.0.1:{name_server(failing)}")
    assert told.status == 3
    assert told.json["asked"] is False
    assert told.json["records"][0]["publish"] == "v=spf1 mx ~all"


def test_what_others_publish_moves_no_cursor(cli: Any, name_server: Callable[..., int]) -> None:
    zone = RIGHT | {("_dmarc.lantern.example.", "TXT"): ['"v=DMARC1; p=\\027[2J"']}
    said = cli("doctor", "--nameserver", f"127.0.0.1:{name_server(zone)}")
    assert "there now: v=DMARC1; p=�[2J" in said.out


@pytest.mark.parametrize(("text", "parts"), [
    ("", ("", 53)), ("9.9.9.9", ("9.9.9.9", 53)), ("127.0.0.1:5353", ("127.0.0.1", 5353)), ("::1", ("::1", 53)),
    ("[::1]:5353", ("::1", 5353)), ("[::1]", ("::1", 53)), ("2001:db8::53", ("2001:db8::53", 53)),
])
def test_name_servers(text: str, parts: tuple[str, int]) -> None:
    assert split_nameserver(text) == parts


@pytest.mark.parametrize("text", ["ns.example", "1.2.3", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:99999", "[::1]:x", ":53"])
def test_no_name_servers(text: str) -> None:
    with pytest.raises(UsageError, match="no address of a name server"):
        split_nameserver(text)
