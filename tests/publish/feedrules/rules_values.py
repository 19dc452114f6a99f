"""What one value may be: an address, a date, a language, a number, plain text.

A check gets the value and where it stands, and yields what is wrong with the name of the rule: the message of the W3C
Feed Validator (https://github.com/w3c/feedvalidator), or a section of the specification where the validator has none.
The rules were learned from its source; the code is our own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from html.entities import name2codepoint
from urllib.parse import urlsplit

Found = tuple[str, str]


@dataclass(frozen=True)
class Spot:
    """Where a value stands. `escaped`: its source line has a hexadecimal reference (&#x26;), by which the validator
    knows that a publisher has thought about markup in plain text."""

    where: str
    feed: str = ""           # rss, atom or json
    escaped: bool = False
    base: str = ""           # the xml:base in force
    tolerate: frozenset[str] = frozenset()


Check = Callable[[str, Spot], Iterator[Found]]

# --- addresses ----------------------------------------------------------------------------------------------

# RFC 3986 2.2 and 2.3, plus "%"; brackets only around an IPv6 host, which the validator, made before, does not know
_URI = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://(?:[^/?#\[\]@]*@)?\[[0-9A-Fa-f:.]+\])?[^\[\]\s\"<>\\^`{|}]*")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?=.)")
_TAG = re.compile(  # RFC 4151
    r"tag:(?:[a-z0-9._-]+@)?[a-z0-9.-]+,\d{4}(?:-\d{2}(?:-\d{2})?)?:[A-Za-z0-9;/?:@&=+$._!~*'(),%-]*(?:#\S*)?")
_URN = re.compile(r"urn:[a-z0-9][a-z0-9-]{1,31}:(?:[a-z0-9()+,.:=@;$_!*'-]|%[0-9a-f]{2})+", re.IGNORECASE)
_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# those of the IANA registry that the validator knows and a feed could hold
_SCHEMES = set("ftp http gopher mailto news nntp telnet file cid mid imap nfs rtsp pop data dav sip sips tel fax ldap "
               "https urn tag dns info iax xmpp msrp tv dict crid pres im".split())
_HOST = r"(?:(?:[a-z0-9-]+\.)+[a-z0-9][a-z0-9-]*)"
_HTTP = re.compile(rf"https?://{_HOST}(?::\d+)?(?:/.*)?", re.IGNORECASE)
_DEFAULT_PORTS = {"http": ":80", "https": ":443", "ftp": ":21"}
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")


def _address(value: str, name: str, *, full: bool, iri: bool) -> Iterator[Found]:
    scheme = value.partition(":")[0].lower() if ":" in value else ""
    wrong = re.search(r"[\x00-\x20\"<>\\^`{|}\x7f]", value)
    ascii_form = value if value.isascii() or not iri else _ascii(value)
    if scheme == "tag":
        if not _TAG.fullmatch(value):
            yield f"{value!r} is no tag URI", "InvalidTAG"
    elif scheme == "urn":
        if value.lower().startswith("urn:uuid:") and not _UUID.fullmatch(value):
            yield f"{value!r} is no UUID", "InvalidUUID"
        elif not _URN.fullmatch(value):
            yield f"{value!r} is no URN", "InvalidURN"
    elif wrong:
        yield f"{value!r} has {wrong[0]!r} in it", "InvalidUriChar"
    elif not ascii_form.isascii():
        yield f"{value!r} is an IRI, not a URI", "InvalidIRI" if iri else "UriNotIri"
    elif not _URI.fullmatch(ascii_form) or (full and not _SCHEME.match(value)):
        yield f"{value!r} is no {'full ' if full else ''}address", name
    elif scheme in {"http", "https", "ftp"} and not re.match(r"\w+://[^/]", value):
        yield f"{value!r} has no host", name
    elif scheme.isalpha() and scheme not in _SCHEMES:
        yield f"{scheme}: is no registered scheme", "SchemeNotIANARegistered"
    if re.search(r"%(?![0-9A-Fa-f]{2})", value):
        yield f"{value!r} has a % that starts no escape", "RFC 3986 2.1"


def _ascii(value: str) -> str:
    """The validator's way of reading an IRI, by which a long one stays one."""
    try:
        return value.encode("idna").decode("ascii")
    except UnicodeError:
        return value


def full_uri(value: str, _spot: Spot) -> Iterator[Found]:
    return _address(value, "InvalidFullLink", full=True, iri=False)


def full_iri(value: str, _spot: Spot) -> Iterator[Found]:
    return _address(value, "InvalidFullLink", full=True, iri=True)


def uri_reference(value: str, _spot: Spot) -> Iterator[Found]:
    return _address(value, "InvalidLink", full=False, iri=False)


def iri_reference(value: str, _spot: Spot) -> Iterator[Found]:
    return _address(value, "InvalidIRI", full=False, iri=True)


def http_url(value: str, _spot: Spot) -> Iterator[Found]:
    """Stricter than an address: a DNS name with a dot in it or an IPv4 address, and a path or nothing behind it."""
    found = list(_address(value, "InvalidURLAttribute", full=True, iri=False))
    yield from found
    if not found and not _HTTP.fullmatch(value):
        yield f"{value!r} is no http(s) address of a public host", "InvalidURLAttribute"


def identifier(value: str, spot: Spot) -> Iterator[Found]:
    """atom:id, which is compared character by character and so has to be in normal form (RFC 4287 4.2.6.1)."""
    found = list(full_iri(value, spot))
    yield from found
    if not found and normal_form(value) != value:
        yield f"{value!r} is {normal_form(value)!r} in normal form", "NonCanonicalURI"


def normal_form(uri: str) -> str:
    """RFC 3986 6.2.2 and 6.2.3."""
    uri = re.sub("%([0-9A-Fa-f]{2})", lambda m: c if _UNRESERVED.fullmatch(c := chr(int(m[1], 16))) else m[0].upper(),
                 uri)
    scheme, colon, rest = uri.partition(":")
    match = re.fullmatch(r"//([^/?#]*)([^?#]*)(.*)", rest) if colon else None
    if not match:
        return f"{scheme.lower()}:{rest}" if colon else uri
    user, at, host = match[1].rpartition("@")
    host = host.lower().removesuffix(":").removesuffix(_DEFAULT_PORTS.get(scheme.lower(), "\0"))
    path = match[2] or "/"
    while (shorter := re.sub(r"/\.(?=/|$)|/(?!\.\.?/)[^/]+/\.\.(?=/|$)|^/\.\.(?=/)", "", path)) != path:
        path = shorter or "/"
    return f"{scheme.lower()}://{user}{at}{host}{path}{match[3]}"


def host_of(url: str) -> str:
    return urlsplit(url).netloc


# --- dates --------------------------------------------------------------------------------------------------

_DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_RFC822 = re.compile(rf"(?:({'|'.join(_DAYS)}), )?(\d\d?) ({'|'.join(_MONTHS)}) (\d{{4}}) "
                     r"(\d\d):(\d\d)(?::(\d\d))? (?:[+-]\d\d[03]0|UT|GMT|[ECMP][SD]T|Z)")
_LOOSE_822 = re.compile(rf"(?:({'|'.join(_DAYS)})\s*,\s*)?\d\d?\s+({'|'.join(_MONTHS)})\s+\d\d(\d\d)?\s+"
                        r"\d\d:\d\d(:\d\d)?\s+([+-]\d{4}|UT|GMT|[ECMP][SD]T|[A-IK-Z])?", re.IGNORECASE)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:Z|[+-]([01]\d|2[0-3]):[0-5]\d)")
_W3CDTF = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?)?)?")
_OLDEST = 1990


def rfc822_date(value: str, _spot: Spot) -> Iterator[Found]:
    match = _RFC822.fullmatch(value)
    if not match:
        yield f"{value!r} is no RFC 822 date", (
            "ProblematicalRFC822Date" if _LOOSE_822.fullmatch(value) else "InvalidRFC2822Date")
        return
    day = _day(int(match[4]), _MONTHS.index(match[3]) + 1, int(match[2]))
    if not day or not _clock(match[5], match[6], match[7]):
        yield f"{value!r} is in no calendar", "InvalidRFC2822Date"
    elif match[1] and _DAYS[day.weekday()] != match[1]:
        yield f"{value!r} is a {_DAYS[day.weekday()]}", "IncorrectDOW"
    elif day.year < _OLDEST:
        yield f"{value!r} is before feeds were", "ImplausibleDate"


def rfc3339_date(value: str, _spot: Spot) -> Iterator[Found]:
    yield from _iso(value, _RFC3339, "InvalidRFC3339Date")


def w3c_date(value: str, _spot: Spot) -> Iterator[Found]:
    yield from _iso(value, _W3CDTF, "InvalidW3CDTFDate")


def _iso(value: str, pattern: re.Pattern[str], name: str) -> Iterator[Found]:
    match = pattern.fullmatch(value)
    if not match:
        yield f"{value!r} is not a date of the right form", name
    elif not _day(int(match[1]), int(match[2] or 1), int(match[3] or 1)) or not _clock(match[4], match[5], match[6]):
        yield f"{value!r} is in no calendar", name
    elif int(match[1]) < _OLDEST:
        yield f"{value!r} is before feeds were", "ImplausibleDate"


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _clock(hour: str | None, minute: str | None, second: str | None) -> bool:
    return int(hour or 0) < 24 and int(minute or 0) < 60 and int(second or 0) <= 60  # a leap second is 60


# --- words --------------------------------------------------------------------------------------------------

_ISO_639_1 = set(
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en "
    "eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv "
    "ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mo mr ms mt my na nb nd "
    "ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr "
    "ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu".split())
_BCP47 = re.compile(r"([A-Za-z]{2,3}|x)(-[A-Za-z0-9]{1,8})*")
_MIME = re.compile(r"[^\s()<>,;:\\\"/\[\]?=]+/[^\s()<>,;:\\\"/\[\]?=]+"
                   r"(\s*;\s*[^\s()<>,;:\\\"/\[\]?=]+=(\"[^\"]*\"|[^\s()<>,;:\\\"/\[\]?=]+))*")
_EMAIL = re.compile(rf"[a-z0-9_+.'%-]+@{_HOST}", re.IGNORECASE)
_END_TAG = re.compile(r"</(\w+)>")


def language(value: str, _spot: Spot) -> Iterator[Found]:
    """Three letters are taken on trust: the validator has a list of them (ISO 639-2), in which `yue` is missing."""
    match = _BCP47.fullmatch(value)
    if not match or (len(match[1]) == 2 and match[1].lower() not in _ISO_639_1):
        yield f"{value!r} is no language", "InvalidLanguage"


def media_type(value: str, _spot: Spot) -> Iterator[Found]:
    if not _MIME.fullmatch(value):
        yield f"{value!r} is no media type", "InvalidMIMEType"


def email(value: str, _spot: Spot) -> Iterator[Found]:
    if not _EMAIL.fullmatch(value):
        yield f"{value!r} is no e-mail address", "InvalidAddrSpec"


def email_with_name(value: str, spot: Spot) -> Iterator[Found]:
    match = re.fullmatch(r"(\S+@\S+) \(.+\)", value)
    if match:
        yield from email(match[1], spot)
    elif "@" in value:
        yield f"{value!r} has no name in parentheses behind it", "EmailFormat" if " " in value else "MissingRealName"
    else:
        yield f"{value!r} is no e-mail address", "InvalidContact"


def count(value: str, _spot: Spot) -> Iterator[Found]:
    if not re.fullmatch("[0-9]+", value):
        unknown = re.fullmatch("-1", value)
        yield f"{value!r} is no number from 0 on", "UseZeroForUnknown" if unknown else "InvalidNonNegativeInteger"


def positive(value: str, _spot: Spot) -> Iterator[Found]:
    if not re.fullmatch("0*[1-9][0-9]*", value):
        yield f"{value!r} is no number from 1 on", "InvalidPositiveInteger"


def decimal(value: str, _spot: Spot) -> Iterator[Found]:
    if not re.fullmatch(r"\d+(\.\d+)?", value):
        yield f"{value!r} is no number", "InvalidFloat"


def one_of(name: str, *words: str, any_case: bool = False) -> Check:
    def check(value: str, _spot: Spot) -> Iterator[Found]:
        if (value.lower() if any_case else value) not in words:
            yield f"{value!r} is not one of {', '.join(words)}", name

    return check


def matches(name: str, pattern: str) -> Check:
    def check(value: str, _spot: Spot) -> Iterator[Found]:
        if not re.fullmatch(pattern, value):
            yield f"{value!r} is not of the form {pattern}", name

    return check


def at_most(length: int, name: str = "TooLong") -> Check:
    def check(value: str, spot: Spot) -> Iterator[Found]:
        if len(value) > length:
            yield f"{len(value)} characters are more than {length}", name
        yield from plain(value, spot)

    return check


def anything(_value: str, _spot: Spot) -> Iterator[Found]:
    return iter(())


def filled(check: Check, name: str = "NotBlank") -> Check:
    def and_filled(value: str, spot: Spot) -> Iterator[Found]:
        if value:
            yield from check(value, spot)
        else:
            yield "is empty", name

    return and_filled


def plain(value: str, spot: Spot, name: str = "ContainsHTML") -> Iterator[Found]:
    """Text that nobody may take for HTML."""
    tags = [tag for tag in _END_TAG.findall(value) if tag.lower() in HTML_TAGS]
    references = [r for r in re.findall(r"&(#?\w+)", value)
                  if r in name2codepoint or r == "apos" or not r.isalpha()]
    if tags:
        yield f"looks like HTML: </{tags[0]}>", name
    elif spot.escaped:
        return
    elif references:
        yield f"looks like HTML: &{references[0]};", name
    elif spot.feed == "rss" and (match := re.search(r"<[/A-Za-z]", value)):
        yield f"looks like HTML: {value[match.start():][:20]!r}", "CharacterData"


def undeclared(value: str, spot: Spot) -> Iterator[Found]:
    return plain(value, spot, "ContainsUndeclaredHTML")


def person_name(value: str, spot: Spot) -> Iterator[Found]:
    yield from plain(value, spot)
    if re.search(rf"<{_EMAIL.pattern}>", value, re.IGNORECASE):
        yield f"{value!r} has an e-mail address in it", "ContainsEmail"


def bad_characters(value: str) -> Iterator[Found]:
    if match := re.search("[\x80-\x9f\ufffd]", value):
        yield f"has U+{ord(match[0]):04X} in it", "BadCharacters"
    elif re.search("[\xc2\xc3][\x80-\xbf]", value):
        try:
            value.encode("latin-1").decode("utf-8")
        except UnicodeError:
            return
        yield f"{value[:40]!r} is UTF-8 that was read as Latin-1", "BadCharacters"


# What the validator knows as HTML; anything else between < and > is no tag to it.
RISKY_TAGS = set("applet base basefont body comment embed frame frameset head html iframe isindex link listing meta "
                 "noframes object param plaintext script slot style title xmp".split())
HTML_TAGS = RISKY_TAGS | set(
    "a abbr acronym address area article aside audio b bdi bdo big blockquote br button canvas caption center cite "
    "code col colgroup command data datagrid datalist dd del details dfn dialog dir div dl dt em eventsource fieldset "
    "figcaption figure font footer form h1 h2 h3 h4 h5 h6 header hgroup hr i img input ins kbd label legend li m main "
    "map mark menu meter nav noscript ol optgroup option output p picture pre progress q rp rt ruby s samp section "
    "select small source span strike strong sub summary sup table tbody td template textarea tfoot th thead time tr "
    "track tt u ul var video wbr".split())
# Known as HTML yet not on its list of harmless ones.
RISKY_TAGS |= {"bdo"}
