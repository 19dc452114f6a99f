"""A page's bytes to text, as browsers do it, and where the page says nothing or says it wrongly, by looking."""

from __future__ import annotations

import codecs
import re

SNIFF = 8_192  # bytes within which <meta> has to say the charset; browsers look at 1,024

_DECLARED = re.compile(rb"<meta\b[^>]{0,300}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_XML = re.compile(rb"^\s*<\?xml[^>]{0,100}encoding\s*=\s*[\"']([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_HEADER = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_MEANT = {  # https://encoding.spec.whatwg.org/#names-and-labels: what browsers read under another's name
    "iso8859-1": "cp1252", "ascii": "cp1252", "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874",
    "shift_jis": "cp932", "gb2312": "gb18030", "gbk": "gb18030", "euc_kr": "cp949", "ks_c_5601-1987": "cp949",
    "utf-16": "utf-8", "utf-16-le": "utf-8", "utf-16-be": "utf-8",  # in a <meta> that could be read it can't be true
}
_GUESSES = (  # what most of the letters beyond ASCII are, where the guess is right
    ("cp932", re.compile("[\u3041-\u30ff]")), ("euc_jp", re.compile("[\u3041-\u30ff]")),
    ("gb18030", re.compile("[的一是不了在人有我他这中大来上国]")), ("cp949", re.compile("[\uac00-\ud7a3]")),
    ("big5", re.compile("[的一是不了在人有我他這中大來上國]")),
    ("cp1251", re.compile("[оеаинтсрвл]")), ("koi8_r", re.compile("[оеаинтсрвл]")),
)
_BEYOND = re.compile(rb"[\x80-\xff]")
_RUNS = re.compile("[^\x00-\x7f]+")
_SHARE = {"gb18030": 0.06, "big5": 0.06}  # of all letters beyond ASCII; else a third
_LOOKED_AT = 20_000  # bytes


def decode_page(body: bytes, content_type: str = "") -> str:
    """Return `body` as text: byte order mark, UTF-8 where it is valid, header, <meta>, a guess, Windows-1252.

    Text beyond ASCII that is valid UTF-8 is never anything else by chance, so it wins over what a server
    declares by default. Never raises; bytes that mean nothing become U+FFFD.
    """
    for mark, charset in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(charset, errors="replace")
    declared = _known(_header(content_type)) or _known(_first(_XML, body)) or _known(_first(_DECLARED, body))
    if not body.isascii() or not declared.startswith("iso2022"):
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError as error:
            is_cut = error.start > len(body) - 4 and not body[: error.start].isascii()
            if is_cut or declared == "utf-8":  # within its last character, or a few are broken
                return body.decode("utf-8", errors="replace")
    return body.decode(declared or _guess(body), errors="replace")


def _header(content_type: str) -> str:
    match = _HEADER.search(content_type)
    return match[1] if match else ""


def _first(pattern: re.Pattern[bytes], body: bytes) -> str:
    match = pattern.search(body[:SNIFF])
    return match[1].decode("ascii", errors="replace") if match else ""


def _known(label: str) -> str:
    """The codec that is meant by a label, "" where it is none that text is written in."""
    try:
        codec = codecs.lookup(label.strip().lower().removeprefix("x-"))
    except (LookupError, ValueError):
        return ""
    # Python also knows codecs that make bytes of bytes ("zip"), and some that only hide text ("idna", "utf-7")
    if not getattr(codec, "_is_text_encoding", True) or codec.name in ("utf-7", "idna", "punycode", "unicode_escape",
                                                                       "raw_unicode_escape", "undefined"):
        return ""
    return _MEANT.get(codec.name, codec.name)


def _guess(body: bytes) -> str:
    first = _BEYOND.search(body)
    sample = body[first.start() :][:_LOOKED_AT] if first else b""
    for charset, usual in _GUESSES:
        try:
            text = codecs.getincrementaldecoder(charset)().decode(sample)
        except UnicodeDecodeError:
            continue
        runs = _RUNS.findall(text)
        letters = sum(map(len, runs))
        # Western European text has its letters beyond ASCII one at a time
        if letters >= 2 * len(runs) and letters and len(usual.findall(text)) / letters > _SHARE.get(charset, 0.34):
            return charset
    return "cp1252"
