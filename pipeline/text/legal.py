"""Text at the door: NFC, only characters XML 1.0 allows, no hidden control of line or direction.

One illegal character in one title loses a whole feed (feedgen raises), and one U+2028 in a subject loses a
mail (the email package raises). So every string of a source passes through here once, before it is stored.
"""

from __future__ import annotations

import re
import unicodedata

TITLE_LIMIT = 300  # characters
MAX_MARKS = 30     # combining marks in a row: UAX #15 "Stream-Safe Text Format"; NFC sorts longer runs in O(n²)

# Bidirectional overrides, embeddings and isolates (U+202A–202E, U+2066–2069). They reorder what a reader sees
# ("moc.elgoog" reads as "google.com") and reach past the end of a title into the text around it. Text that is
# honestly right-to-left needs none of them: Unicode's algorithm and the `dir` attribute do the work.
_BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_C0_AND_C1 = "".join(chr(c) for c in (*range(0x20), *range(0x7F, 0xA0)) if chr(c) not in "\t\n\x0b\x0c\x85")
_DROPPED = f"{re.escape(_C0_AND_C1)}{_BIDI}\ud800-\udfff\ufffe\uffff"
_LINE_ENDS = "\r\x0b\x0c\x85\u2028\u2029"
_DROP = re.compile(f"[{_DROPPED}]")
_LINE_END = re.compile(f"\r\n|[{_LINE_ENDS}]")
_SUSPECT = re.compile(f"[{_DROPPED}{_LINE_ENDS}]")
_PLAIN = bytes((9, 10, *range(0x20, 0x7F)))
_MANY_MARKS = re.compile(rf"[^\x00-\x7f\w\s]{{{MAX_MARKS + 1},}}")


def legal_text(s: str) -> str:
    r"""Return `s` in NFC, with only characters legal in XML 1.0 (section 2.2) and "\n" as the only line end.

    Lone surrogates, C0 and C1 controls other than tab and newline, U+FFFE, U+FFFF and bidirectional controls
    go; U+2028, U+2029, U+0085, vertical tab and form feed become "\n". Idempotent. It is not for markup:
    NFC makes one character of "<" and U+0338 (`text.clean` takes care of that).
    """
    # Most text is plain ASCII or nearly so, and a table of bytes finds the rest ten times faster than a pattern.
    unusual = s.encode("utf-8", "surrogatepass").translate(None, _PLAIN).decode("utf-8", "surrogatepass")
    if not unusual:
        return s
    if _SUSPECT.search(unusual):
        s = _DROP.sub("", _LINE_END.sub("\n", s))
    if len(unusual) > MAX_MARKS and _MANY_MARKS.search(unusual) and any(map(unicodedata.combining, unusual)):
        s = _MANY_MARKS.sub(_stream_safe, s)
    return s if s.isascii() else unicodedata.normalize("NFC", s)


def one_line(s: str, limit: int = TITLE_LIMIT) -> str:
    """Return `s` as one line of at most `limit` characters: whitespace folded, cut at a word with an ellipsis.

    No `str.splitlines`, no header writer and no feed reader finds a line break in it.
    """
    line = " ".join(legal_text(s).split())
    if len(line) <= limit:
        return line
    head = line[: limit - 1]
    word_end = head.rfind(" ")
    return (head[:word_end] if word_end > limit // 2 else head).rstrip(" ,;:–—-") + "…"


def _stream_safe(match: re.Match[str]) -> str:
    """Drop what stands past the 30th combining mark in a row; emoji and punctuation are no marks and stay."""
    kept: list[str] = []
    marks = 0
    for char in match[0]:
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks <= MAX_MARKS:
            kept.append(char)
    return "".join(kept)
