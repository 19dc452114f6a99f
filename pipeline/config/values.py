"""The kinds of value that a config holds: each checks one text or number and says in plain words what is wrong.

Messages carry "{value}" (or "{slug}", made of it) where the written value belongs; it is put in by the caller, who
knows what is secret. A validator sees expanded values, so it must never write one into a message itself.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Iterable
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import idna
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    SecretStr,
    StrictBool,
    StrictInt,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError

from pipeline.errors import UsageError
from pipeline.patterns import parse_rule
from pipeline.schedules import check_zone

FOREVER = timedelta.max
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LONGEST = timedelta(days=3660)
MAX_LINE = 500       # characters of a title or subject
MAX_SLUG = 63
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# RFC 5321 section 4.1.2, without quoted local parts and address literals: both are refused everywhere in Broadsheet.
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
ADDRESS = re.compile(rf"{ATOM}(?:\.{ATOM})*@(?:{LABEL}\.)+{LABEL}")
# Amazon's rules for names of buckets; what follows is a prefix of plain names
BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
# RFC 5646 section 2.1, only its outline: a language, then any subtags
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")


def wrong(cause: str) -> PydanticCustomError:
    """A problem in our own words; "{value}" and "{slug}" in it stand for what was written."""
    return PydanticCustomError("own", "{cause}", {"cause": cause})


def nearest(word: str, names: Iterable[str], *, cutoff: float = 0.6) -> str:
    """The name most like `word`, or ""."""
    by_fold = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(word.casefold(), by_fold, n=1, cutoff=cutoff)
    return by_fold[close[0]] if close else ""


def one_of(*names: str) -> BeforeValidator:
    """Only one of these names; a wrong one is told the nearest."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and value not in names:
            close = nearest(value, names)
            hint = f', did you mean "{close}"?' if close else ""
            quoted = " or ".join(f'"{name}"' for name in names)
            raise wrong(f"{{value}} is not {quoted}{hint}")
        return value

    return BeforeValidator(check)


def _line(value: str) -> str:
    if CONTROL.search(value):
        raise wrong("must be one line of text without control characters")
    if len(value) > MAX_LINE:
        raise wrong(f"is longer than {MAX_LINE} characters")
    return value.strip()


def _title(value: str) -> str:
    if not _line(value):
        raise wrong("must not be empty")
    return _line(value)


def _rule(value: str) -> str:
    try:
        parse_rule(_title(value))
    except UsageError as error:
        raise wrong(f"{{value}} is no rule: it {error.cause}") from None
    return value


def _slug(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(?:-+[a-z0-9]+)*", value) or len(value) > MAX_SLUG:
        example = ", for example {slug}" if as_slug(value) else ""
        raise wrong(f"{{value}} is no slug: small letters a-z, digits and hyphens, at most {MAX_SLUG}{example}")
    return value


def as_slug(text: str) -> str:
    """The slug most like a text, or ""."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:MAX_SLUG].strip("-")


def _language(value: str) -> str:
    if not LANGUAGE.fullmatch(value):
        raise wrong('{value} is no language tag; write one like "en" or "pt-BR"')
    return value


def _zone(value: str) -> str:
    try:
        check_zone(value)
    except UsageError as error:
        raise wrong(f"{{value}}: {error.cause}, {error.hint}") from None
    return value


def is_address(value: str) -> bool:
    """One bare addr-spec: no name, no list, no IP literal, a domain with a dot."""
    return len(value) <= 254 and ADDRESS.fullmatch(value) is not None


def split_mailbox(value: str) -> tuple[str, str]:
    """The name ("" if there is none) and the address of "The Lantern <news@lantern.example>"."""
    found = re.fullmatch(r"\s*(.*?)\s*<([^<>]*)>\s*", value)
    if not found:
        return "", value.strip()
    name = found[1]
    return (parseaddr(f"{name} <x@y.example>")[0] if name.startswith('"') else name), found[2].strip()


def ascii_domain(domain: str) -> str:
    """A domain in punycode (IDNA 2008 by the rules of UTS 46), which is all that mail servers and the DNS know. Raises
    ValueError for what is none."""
    return domain if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")  # IDNAError is a ValueError


def _address(value: str) -> str:
    return _with_ascii_domain(value.strip(), "desk@lantern.example")


def _mailbox(value: str) -> str:
    address = split_mailbox(value)[1] if not CONTROL.search(value) else ""
    made = _with_ascii_domain(address, '"The Lantern <news@lantern.example>"')
    start = value.rindex(address)
    return f"{value[:start]}{made}{value[start + len(address):]}".strip()


def _with_ascii_domain(address: str, example: str) -> str:
    try:
        local, _, domain = address.rpartition("@")
        made = f"{local}@{ascii_domain(domain)}"
    except ValueError:
        made = ""
    if not is_address(address) or not is_address(made):
        raise wrong(f"{{value}} is no mail address; write one like {example}")
    return made


def span(shortest: timedelta) -> PlainValidator:
    """A duration like "30m", at least `shortest`."""

    def check(value: Any) -> timedelta:
        found = re.fullmatch(r"\s*(\d{1,6})\s*([smhdw])\s*", value, re.ASCII) if isinstance(value, str) else None
        if not found:
            raise wrong('{value} is no duration; write a number and s, m, h, d or w in quotes: "30m", "2h", "7d"')
        length = timedelta(**{UNITS[found[2]]: int(found[1])})
        if not shortest <= length <= LONGEST:
            raise wrong(f"{{value}} is out of range: at least {say_span(shortest)}, at most {say_span(LONGEST)}")
        return length

    return PlainValidator(check)


def say_span(length: timedelta) -> str:
    """A duration as an operator would write it: "30m"."""
    seconds = int(length.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _backlog(value: Any) -> timedelta:
    if isinstance(value, str) and value in {"all", "none"}:
        return FOREVER if value == "all" else timedelta(0)
    found = re.fullmatch(r"\s*(\d{1,6})\s*([mhdw])\s*", value, re.ASCII) if isinstance(value, str) else None
    length = timedelta(**{UNITS[found[2]]: int(found[1])}) if found else FOREVER
    if length > LONGEST:
        raise wrong('{value} is no backlog; write a duration like "7d", or "all" or "none"')
    return length


def web_url(value: str) -> str:
    """Check an absolute http(s) URL without a name or password in it."""
    try:
        parts = urlsplit(value)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, an unclosed [
        fine = False
        parts = urlsplit("")
    if not fine or re.search(r"\s", value) or CONTROL.search(value):
        raise wrong("{value} is no web address; write it in full: https://lantern.example")
    if "@" in parts.netloc:
        raise wrong("a web address can't carry a name and password here")
    return value


def _public_url(value: str) -> str:
    parts = urlsplit(web_url(value))
    if parts.query or parts.fragment or "?" in value or "#" in value:
        raise wrong("{value} must end before any ? or #: every link is built by adding to it")
    return value.rstrip("/")


def split_listen(value: str) -> tuple[str, int]:
    """Host and port of "127.0.0.1:8000" or "[::1]:8000". Raises ValueError where it is neither."""
    host, colon, port = value.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = str(ipaddress.IPv6Address(host[1:-1]))
    elif ":" in host or not re.fullmatch(r"[A-Za-z0-9.-]+", host):
        raise ValueError("no host")
    if not colon or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or int(port) > 65_535:
        raise ValueError("no port")
    return host, int(port)


def _listen(value: str) -> str:
    try:
        split_listen(value)
    except ValueError:
        raise wrong('{value} is no host and port; write "127.0.0.1:8000" (IPv6: "[::1]:8000")') from None
    return value


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise wrong('{value} is no address or network; write one like "192.168.1.0/24"') from None


def _database(value: SecretStr, info: ValidationInfo) -> SecretStr:
    """Check a database's URL, and make a SQLite file's path one that does not depend on the working directory."""
    url = value.get_secret_value()
    if not re.match(r"sqlite:///[^?]|postgresql(?:\+psycopg)?://.", url):
        raise wrong('must be "sqlite:///a-file.db" or "postgresql://user:${PASSWORD}@host/name"')
    if not url.startswith("sqlite:///"):
        return value
    folder: Path = (info.context or {}).get("folder", Path())
    name, mark, options = url.removeprefix("sqlite:///").partition("?")
    return SecretStr(f"sqlite:///{folder / name}{mark}{options}")


def _under_folder(value: Any, info: ValidationInfo) -> Path:
    if not isinstance(value, str | Path):
        raise wrong("must be a path in quotes")
    if not str(value).strip() or CONTROL.search(str(value)):
        raise wrong("{value} is no path")
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / Path(value).expanduser()


def _feeds_place(value: Any, info: ValidationInfo) -> Path | str:
    """A folder, or a bucket of an object store: "s3://bucket", "s3://bucket/folder"."""
    if isinstance(value, str) and "://" in value:
        if not BUCKET.fullmatch(value.rstrip("/")):
            raise wrong('{value} is neither a folder nor a bucket; write one like "s3://my-bucket/feeds"')
        return value.rstrip("/")
    return _under_folder(value, info)


Flag = StrictBool
Count = Annotated[StrictInt, Field(ge=1, le=10_000)]
Line = Annotated[str, AfterValidator(_line)]
Title = Annotated[str, AfterValidator(_title)]
Rule = Annotated[str, AfterValidator(_rule)]
Slug = Annotated[str, AfterValidator(_slug)]
Language = Annotated[str, AfterValidator(_language)]
Zone = Annotated[str, AfterValidator(_zone)]
Address = Annotated[str, AfterValidator(_address)]
Mailbox = Annotated[str, AfterValidator(_mailbox)]
WebUrl = Annotated[str, AfterValidator(web_url)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
Listen = Annotated[str, AfterValidator(_listen)]
Network = Annotated[str, AfterValidator(_network)]
Backlog = Annotated[timedelta, PlainValidator(_backlog)]
Place = Annotated[Path, BeforeValidator(_under_folder)]
DefaultPlace = Annotated[Path, BeforeValidator(_under_folder), Field(validate_default=True)]
Database = Annotated[SecretStr, AfterValidator(_database), Field(validate_default=True)]
FeedsPlace = Annotated[Path | str, PlainValidator(_feeds_place), Field(validate_default=True)]
