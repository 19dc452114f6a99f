"""Which records must be published, and what those that are there are worth."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.desk.published import Standing, Wanted, dmarc_places, spf_terms, strings, tags, wanted
from pipeline.mail.keys import signer

RSA = signer("lantern.example", "2026a", rsa.generate_private_key(public_exponent=65537, key_size=2048))
EDWARDS = signer("lantern.example", "2026b", ed25519.Ed25519PrivateKey.generate())


def records(**changes: object) -> dict[str, Wanted]:
    known = {"sender": "lantern.example", "envelope": "lantern.example", "relays": ["email-smtp.eu.amazonaws.com"],
             "signers": (RSA, EDWARDS), "operator": "desk@lantern.example", "public_url": "https://lantern.example"}
    return {one.kind: one for one in wanted(**(known | changes))}  # type: ignore[arg-type]


def test_each_record_is_where_receivers_look() -> None:
    made = records(envelope="bounces.lantern.example")
    assert {kind: one.name for kind, one in made.items()} == {
        "SPF": "bounces.lantern.example", "DKIM 2026a": "2026a._domainkey.lantern.example",
        "DKIM 2026b": "2026b._domainkey.lantern.example", "DMARC": "_dmarc.lantern.example",
        "BIMI": "default._bimi.lantern.example"}
    assert made["DMARC"].value == "v=DMARC1; p=none; rua=mailto:desk@lantern.example"
    assert records(operator="")["DMARC"].value == "v=DMARC1; p=none"
    assert records(operator="me@elsewhere.example")["DMARC reports"].name == (
        "lantern.example._report._dmarc.elsewhere.example")


def test_what_we_propose_is_right_by_our_own_judgement() -> None:
    for one in records(operator="me@elsewhere.example").values():
        assert one.judge([one.value]).standing is Standing.MATCH, one.kind
        assert one.judge([]).standing is Standing.MISSING, one.kind
        assert one.judge(["google-site-verification=x"]).standing is not Standing.MATCH, one.kind


def test_a_long_key_is_cut_into_strings_that_servers_take() -> None:
    cut = records()["DKIM 2026a"].strings
    assert len(cut) == 2
    assert max(map(len, cut)) == 255
    assert "".join(cut) == RSA.record
    assert strings("") == ("",)


@pytest.mark.parametrize(
    ("relays", "terms"),
    [
        (["email-smtp.eu-north-1.amazonaws.com"], ["include:amazonses.com"]),
        (["smtp-relay.gmail.com", "smtp.google.com"], ["include:_spf.google.com"]),
        (["127.0.0.1"], ["a"]), (["localhost", "mail"], ["a"]), (["192.0.2.7"], ["ip4:192.0.2.7"]),
        (["2001:db8::7"], ["ip6:2001:db8::7"]), (["relay.example."], ["a:relay.example"]),
        (["notamazonaws.com"], ["a:notamazonaws.com"]), ([], ["mx"]),
    ],
)
def test_spf_follows_from_the_relays(relays: list[str], terms: list[str]) -> None:
    assert spf_terms(relays) == terms


@pytest.mark.parametrize(
    ("there", "standing", "publish"),
    [
        (["v=spf1 mx include:amazonses.com -all"], "match", ""),
        (["V=SPF1 +include:amazonses.com ~all", "other"], "match", ""),
        (["v=spf1 redirect=_spf.elsewhere.example"], "match", ""),
        (["v=spf1 mx -all"], "different", "v=spf1 mx include:amazonses.com -all"),
        (["v=spf1"], "different", "v=spf1 include:amazonses.com ~all"),
        (["v=spf1 include:amazonses.com +all"], "different", "v=spf1 include:amazonses.com ~all"),
        (["v=spf1 mx -all", "v=spf1 include:amazonses.com -all"], "different", "v=spf1 mx -all"),
        (["v=spf10 include:amazonses.com"], "missing", ""),
    ],
)
def test_spf(there: list[str], standing: str, publish: str) -> None:
    judged = records()["SPF"].judge(there)
    assert (judged.standing, judged.publish) == (standing, publish)


@pytest.mark.parametrize(
    ("there", "standing", "said"),
    [
        (f"v=DKIM1;k=rsa;p={RSA.public}", "match", "public half"),
        (f"p={RSA.public[:100]} {RSA.public[100:]}", "match", "public half"),
        (f"v=DKIM1; k=ed25519; p={RSA.public}", "different", "says that the key is ed25519"),
        (f"v=DKIM1; h=sha1; p={RSA.public}", "different", "sha256"),
        (f"v=DKIM1; h=sha1:sha256; s=email; p={RSA.public}", "match", "public half"),
        (f"v=DKIM1; t=y:s; p={RSA.public}", "different", "testing"),
        ("v=DKIM1; p=", "different", "given up"),
        (EDWARDS.record, "different", "another key"),
    ],
    ids=map(str, range(8)),  # keys are new in each run, and tests are known by their names
)
def test_dkim(there: str, standing: str, said: str) -> None:
    judged = records()["DKIM 2026a"].judge([there])
    assert judged.standing == standing
    assert said in judged.why
    assert records()["DKIM 2026a"].judge([RSA.record, there or "x"]).standing == "different"


@pytest.mark.parametrize(
    ("there", "standing"),
    [
        (["v=DMARC1; p=reject; rua=mailto:x@y.example"], "match"), (["v=DMARC1;p=none"], "match"),
        (["v=DMARC1"], "different"), (["v=DMARC1; p=maybe"], "different"),
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], "different"), (["v=spf1 -all"], "missing"),
    ],
)
def test_dmarc(there: list[str], standing: str) -> None:
    assert records()["DMARC"].judge(there).standing == standing


def test_dmarc_is_looked_for_above_the_domain_but_not_at_the_top() -> None:
    assert dmarc_places("news.lantern.example") == ["_dmarc.news.lantern.example", "_dmarc.lantern.example"]
    assert dmarc_places("example") == ["_dmarc.example"]


@given(st.lists(st.text(max_size=60), max_size=3))
def test_whatever_is_published_is_judged(there: list[str]) -> None:
    for one in records(operator="me@elsewhere.example").values():
        assert one.judge(there).standing in Standing
        assert one.judge([f"{one.value}{text}" for text in there]).why
    for text in there:
        assert all(name == name.strip().lower() for name in tags(text))
