"""What the DNS must say so that mail of ours is believed: which records, and whether what is there is right. Pure.

    SPF    which servers may send for the domain of the return path     RFC 7208
    DKIM   the public half of each key                                  RFC 6376, 8463
    DMARC  what receivers do with mail that is neither                  RFC 7489
    BIMI   a logo beside the subject, where DMARC rejects               draft-brand-indicators
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.config.values import is_loopback
from pipeline.mail.dkim import Signer

STRING = 255    # bytes of one string of a TXT record, RFC 1035 §3.3

PROVIDERS: Mapping[str, str] = {
    "amazonaws.com": "include:amazonses.com",
    "sendgrid.net": "include:sendgrid.net",
    "mailgun.org": "include:mailgun.org",
    "postmarkapp.com": "include:spf.mtasv.net",
    "gmail.com": "include:_spf.google.com",
    "google.com": "include:_spf.google.com",
    "office365.com": "include:spf.protection.outlook.com",
    "outlook.com": "include:spf.protection.outlook.com",
    "mailjet.com": "include:spf.mailjet.com",
    "fastmail.com": "include:spf.messagingengine.com",
}
"""Whose relay it is, by the end of its name, and what that provider says belongs into SPF."""


class Standing(StrEnum):
    MATCH = "match"
    MISSING = "missing"
    DIFFERENT = "different"
    NOT_ASKED = "could not be asked"


@dataclass(frozen=True, slots=True)
class Judged:
    standing: Standing
    why: str
    publish: str = ""     # what would be right, where it is another than the record proposes


@dataclass(frozen=True, slots=True)
class Wanted:
    """A TXT record to publish. `judge` says what the records that were found there are worth."""

    kind: str             # "SPF", "DKIM 2026a", "DMARC", …
    name: str
    value: str
    why: str
    judge: Callable[[Sequence[str]], Judged]
    optional: bool = False

    @property
    def strings(self) -> tuple[str, ...]:
        return strings(self.value)


def strings(value: str) -> tuple[str, ...]:
    """A TXT record's value as the strings that it is written in: none may be longer than 255 bytes."""
    return tuple(value[i:i + STRING] for i in range(0, len(value), STRING)) or ("",)


def wanted(
    *, sender: str, envelope: str, relays: Sequence[str], signers: Iterable[Signer], operator: str, public_url: str
) -> list[Wanted]:
    """Everything to publish. `sender`, `envelope`: the domains of From and of the return path; `relays`: host names;
    `operator`: an address, "" where there is none."""
    found = [_spf(envelope, relays), *map(_dkim, signers), _dmarc(sender, operator)]
    reports = operator.rpartition("@")[2].lower()
    if reports and not below(reports, sender) and not below(sender, reports):
        found.append(Wanted(
            "DMARC reports", f"{sender}._report._dmarc.{reports}", "v=DMARC1",
            f"Says that {reports} wants reports about {sender}; without it none come (RFC 7489, 7.1)",
            lambda there: _tagged(there, "v", "DMARC1", "says so"), optional=True))
    found.append(Wanted(
        "BIMI", f"default._bimi.{sender}", f"v=BIMI1; l={public_url}/logo.svg; a=",
        "Shows a logo beside the subject: an SVG (Tiny PS) of yours at that address; most programs also want a "
        "certificate in a=, and DMARC with p=quarantine or p=reject",
        lambda there: _tagged(there, "v", "BIMI1", "is there"), optional=True))
    return found


def below(name: str, domain: str) -> bool:
    """Whether a name is the domain or stands below it."""
    return name == domain or name.endswith(f".{domain}")


# --- SPF --------------------------------------------------------------------------------------------------


def spf_terms(relays: Iterable[str]) -> list[str]:
    """As far as one can know it from the relays' names."""
    return list(dict.fromkeys(_spf_term(host.lower().rstrip(".")) for host in relays)) or ["mx"]


def _spf_term(host: str) -> str:
    for end, term in PROVIDERS.items():
        if below(host, end):
            return term
    if ":" in host and not is_loopback(host):
        return f"ip6:{host}"
    if is_loopback(host) or "." not in host:
        return "a"           # a mail server of one's own, on this very machine
    return f"ip4:{host}" if re.fullmatch(r"[0-9.]+", host) else f"a:{host}"


def _spf(domain: str, relays: Sequence[str]) -> Wanted:
    terms = spf_terms(relays)
    why = "Says which servers may send mail whose return path is of this domain"
    if "a" in terms:
        why += f'. "a" is the address of {domain} itself: where this machine sends from another, write ip4: and that'
    if guess := [term for term in terms if ":" in term and not term.startswith("include:")]:
        why += f". {' '.join(guess)} is a guess by the relay's name: its operator may name an include: instead"
    if terms == ["mx"]:
        why += '. "mx" stands for the domain\'s own mail servers: write what your relay\'s operator says'
    return Wanted("SPF", domain, f"v=spf1 {' '.join(terms)} ~all", why, lambda there: _judge_spf(there, terms))


def _judge_spf(there: Sequence[str], terms: Sequence[str]) -> Judged:
    records = [one for one in there if re.match(r"v=spf1(?: |$)", one, re.IGNORECASE)]
    if not records:
        return Judged(Standing.MISSING, "there is no SPF record")
    if len(records) > 1:
        return Judged(Standing.DIFFERENT, f"there are {len(records)} SPF records, so that receivers heed none "
                                          "(RFC 7208, 4.5): make one of them", records[0])
    words = records[0].split()
    known = {word.lstrip("+").lower() for word in words}
    if known & {"all", "?all"}:
        return Judged(Standing.DIFFERENT, "it lets everybody send in your name", _with_terms(
            [word for word in words if word.lstrip("+?").lower() != "all"], terms))
    lacking = [term for term in terms if term not in known]
    if lacking and not any(word.startswith("redirect=") for word in known):
        return Judged(Standing.DIFFERENT, f"it does not name {' '.join(lacking)}", _with_terms(words, lacking))
    named = "another record, which was not looked at" if lacking else "your relays"
    return Judged(Standing.MATCH, f"names {named}")


def _with_terms(words: Sequence[str], terms: Iterable[str]) -> str:
    """A record with these terms, before what it says of all others."""
    ends = [word for word in words if re.fullmatch(r"[~?-]all", word, re.IGNORECASE)] or ["~all"]
    kept = [word for word in words if word not in ends]
    return " ".join([*kept, *(term for term in terms if term not in kept), ends[0]])


# --- DKIM -------------------------------------------------------------------------------------------------


def _dkim(signer: Signer) -> Wanted:
    return Wanted(f"DKIM {signer.selector}", signer.name, signer.record,
                  f"Holds the public half of the key that signs ({signer.algorithm})",
                  lambda there: _judge_dkim(there, signer))


def _judge_dkim(there: Sequence[str], signer: Signer) -> Judged:
    if not there:
        return Judged(Standing.MISSING, "nobody can check our signatures, which then count for nothing")
    records = [tags(one) for one in there]
    kind = signer.algorithm.partition("-")[0]
    for record in records:
        if record.get("p", "").replace(" ", "") != signer.public:
            continue
        if record.get("k", "rsa") != kind:
            return Judged(Standing.DIFFERENT, f"it says that the key is {record.get('k', 'rsa')}, and it is {kind}")
        if "h" in record and "sha256" not in record["h"].split(":"):
            return Judged(Standing.DIFFERENT, f"it allows {record['h']} only, and we sign with sha256")
        if len(records) > 1:
            return Judged(Standing.DIFFERENT, "there are several records, of which receivers may take any")
        if "y" in record.get("t", "").split(":"):
            return Judged(Standing.DIFFERENT, "it says that we are only testing (t=y): receivers need not heed it")
        return Judged(Standing.MATCH, "is the public half of the key that signs")
    if any(record.get("p") == "" for record in records):
        return Judged(Standing.DIFFERENT, "it says that this key was given up (an empty p=)")
    return Judged(Standing.DIFFERENT, "it is the public half of another key")


# --- DMARC and the rest -----------------------------------------------------------------------------------


def _dmarc(domain: str, operator: str) -> Wanted:
    rua = f"; rua=mailto:{operator}" if operator else ""
    why = ("Says what receivers do with mail that claims to be yours and is not; with p=none they only report. Once "
           "the reports show that all your mail passes, make it p=quarantine")
    return Wanted("DMARC", f"_dmarc.{domain}", f"v=DMARC1; p=none{rua}", why, judge_dmarc)


def judge_dmarc(there: Sequence[str]) -> Judged:
    records = [found for found in map(tags, there) if found.get("v", "").upper() == "DMARC1"]
    if not records:
        return Judged(Standing.MISSING, "large mailbox providers ask for one of whoever sends to many")
    if len(records) > 1:
        return Judged(Standing.DIFFERENT, f"there are {len(records)} of them, so that receivers heed none")
    policy = records[0].get("p", "")
    if policy not in ("none", "quarantine", "reject"):
        return Judged(Standing.DIFFERENT, "its p= is none of none, quarantine, reject")
    heard = "" if "rua" in records[0] else " and nobody who gets reports"
    return Judged(Standing.MATCH, f"is there, with p={policy}{heard}")


def dmarc_places(domain: str) -> list[str]:
    """Where receivers look: at the domain, then above it."""
    labels = domain.split(".")
    return [f"_dmarc.{'.'.join(labels[i:])}" for i in range(max(1, len(labels) - 1))]


def strict(there: Sequence[str], tag: str) -> bool:
    """Whether a DMARC record wants the very same domain, in adkim or aspf."""
    return any(found.get(tag) == "s" for found in map(tags, there))


def tags(record: str) -> dict[str, str]:
    """ "v=DKIM1; p=…" -> its tags; of a tag that stands there twice the first (RFC 6376 §3.2)."""
    found: dict[str, str] = {}
    for part in record.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            found.setdefault(name.strip().lower(), re.sub(r"\s+", " ", value.strip()))
    return found


def _tagged(there: Sequence[str], tag: str, value: str, why: str) -> Judged:
    if any(found.get(tag, "").upper() == value for found in map(tags, there)):
        return Judged(Standing.MATCH, why)
    return Judged(Standing.MISSING, "is not there")
