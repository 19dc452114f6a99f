"""Rules in words: what an operator writes to take, leave or hold articles. Pure, and the only place that knows RE2.

    casino                 the whole word, in any script, small or capital; accents count ("resume" is not "résumé")
    premier league         these words in a row
    gambl*                 words that begin so
    /bitcoin|ether(eum)?/  a regular expression; /…/i takes small and capital letters for the same
    title: casino          only there; also topic:, author: and url:

Where nothing is said a rule looks at title, text, topics and author. A script that puts no spaces between words (Han,
kana, Thai …) knows no whole words: there a word is found wherever it stands.

Regular expressions are RE2's (https://github.com/google/re2/wiki/Syntax), which has no look-around and no
back-references and for that needs time in proportion to the text, whatever rule and text are. What matching may cost
at most is set by MAX_TEXT, MAX_RULE and MAX_MEMORY.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from unicodedata import normalize

import re2

from pipeline.errors import UsageError

MAX_TEXT = 100_000   # characters of an article's text that rules look at
MAX_OTHER = 2_000    # and of each title, topic, author and address
MAX_TOPICS = 50
MAX_RULE = 500       # characters
MOST_NAMED = 3       # rules that a sentence names
MAX_MEMORY = 1 << 20  # bytes that one rule's automata may take; RE2 goes on, slower and still linear, without more


class Field(StrEnum):
    """Where a rule looks; the value is how an operator writes it."""

    ANYWHERE = ""    # title, text, topics and author
    TITLE = "title"
    TEXT = "text"
    TOPIC = "topic"
    AUTHOR = "author"
    URL = "url"


class Reading:
    """One article's texts, prepared once for any number of rules.

    `text` may be a function: it is called at most once, and only where a rule looks at the text.
    """

    def __init__(
        self, *, title: str = "", text: str | Callable[[], str] = "", topics: Iterable[str] = (), author: str = "",
        url: str = "",
    ) -> None:
        self._given = {
            Field.TITLE: [title[:MAX_OTHER]],
            Field.TOPIC: [topic[:MAX_OTHER] for topic, _ in zip(topics, range(MAX_TOPICS), strict=False)],
            Field.AUTHOR: [author[:MAX_OTHER]],
            Field.URL: [url[:MAX_OTHER]],
        }
        self._text = text
        self._plain: dict[Field, list[bytes]] = {}
        self._folded: dict[Field, bytes] = {}

    def plain(self, field: Field) -> list[bytes]:
        """The texts of a field as they are (in NFC, since the door): regular expressions look at each by itself."""
        if field not in self._plain:
            self._plain[field] = [_bytes(text) for text in self._of(field)]
        return self._plain[field]

    def folded(self, field: Field) -> bytes:
        """A field's texts in one, as whole words are looked for."""
        if field not in self._folded:
            self._folded[field] = _bytes(_SEPARATOR.join(_fold(text) for text in self._of(field)))
        return self._folded[field]

    def _of(self, field: Field) -> list[str]:
        return [self._whole] if field is Field.TEXT else self._given[field]

    @cached_property
    def _whole(self) -> str:
        return (self._text if isinstance(self._text, str) else self._text())[:MAX_TEXT]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A rule that can be looked for. `written` is what the operator wrote; `parse_rule` makes it."""

    written: str
    field: Field
    _compiled: re2._Regexp
    regex: bool = False

    @property
    def fields(self) -> tuple[Field, ...]:
        return ANYWHERE if self.field is Field.ANYWHERE else (self.field,)

    def where(self, reading: Reading) -> Field | None:
        """The first place in the article where the rule is found, None where it is not."""
        return next((field for field in self.fields if self._is_in(reading, field)), None)

    def _is_in(self, reading: Reading, field: Field) -> bool:
        texts = reading.plain(field) if self.regex else [reading.folded(field)]
        return any(self._compiled.search(text) is not None for text in texts)


@lru_cache(maxsize=4096)
def parse_rule(rule: str) -> Pattern:
    """Read a rule. Raises UsageError with the reason; its `cause` and `hint` never repeat what was written."""
    written = " ".join(rule.split())
    field, wanted = _field_of(written)
    if len(written) > MAX_RULE:
        raise _no(rule, f"is longer than {MAX_RULE} characters")
    if wanted.startswith("/"):
        return Pattern(written, field, _regex(rule, rule.partition("/")[2].rstrip()), regex=True)
    return Pattern(written, field, _compile(rule, _words(rule, _fold(wanted)), any_case=False))


ANYWHERE = (Field.TITLE, Field.TEXT, Field.TOPIC, Field.AUTHOR)
LIMITED = tuple(field.value for field in Field if field)
CLOSE = 0.8  # how like "topics" a mistyped field is before it is taken for one

_SEPARATOR = "\x1e"
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))   # a word with one of these inside reads the same
_LIKE = str.maketrans("’ʼ‐‑", "''--")
_MARKS = re.compile(r"([^\x00-\x7f\w\s]{30})[^\x00-\x7f\w\s]+")   # sorting long runs of marks takes O(n²): UAX #15
_SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\x{30FC}"
_LETTER = r"\pL\pN\pM_"
_EDGE = rf"(?:[^{_LETTER}]|[{_SPACELESS}])"
_REFUSED = (  # what RE2 says (a piece of the rule follows, which is not repeated), and what we say
    ("invalid perl operator", "has a look-ahead, a look-behind or another (?…) that is not linear in time"),
    ("invalid escape sequence", "has a \\ before what needs none, or a back-reference (\\1): not linear in time"),
    ("invalid character class", "has a [ ] or \\p{ } that names nothing"),
    ("missing ]", "has a [ that is not closed"),
    ("missing )", "has a ( that is not closed"),
    ("unexpected )", "has a ) without its ("),
    ("trailing", "ends with a \\"),
    ("no argument for repetition", "has a *, + or ? with nothing before it"),
    ("invalid repetition size", "repeats something more than 1,000 times"),
    ("bad repetition", "has two of *, + and ? in a row"),
    ("invalid named capture group", "has a (?P<…>) without a proper name"),
    ("pattern too large", "is too large: repeated groups and \\p{ } classes multiply"),
)


def first_found(rules: Iterable[str], reading: Reading) -> str:
    """The first rule that is found, and where, in words; "" where none is. Raises UsageError on a rule that is none."""
    for rule in rules:
        pattern = parse_rule(rule)
        if (place := pattern.where(reading)) is not None:
            where = {Field.TOPIC: "among its topics", Field.URL: "in its address"}.get(place, f"in its {place.value}")
            return f'the rule "{pattern.written}", found {where}'
    return ""


def none_found(rules: Sequence[str]) -> str:
    """That none of these rules is found, in words."""
    named = ", ".join(f'"{rule}"' for rule in rules[:MOST_NAMED]) + (", …" if len(rules) > MOST_NAMED else "")
    return f"none of the rules {named} is found in it"


def _field_of(rule: str) -> tuple[Field, str]:
    name, colon, rest = rule.partition(":")
    word = name.strip().casefold()
    if not colon or not word.isalpha():
        return Field.ANYWHERE, rule
    if word in LIMITED:
        return Field(word), rest.strip()
    close = difflib.get_close_matches(word, LIMITED, n=1, cutoff=CLOSE)
    if close:
        raise _no(rule, f"begins with a field that is none; the nearest is {close[0]}:")
    return Field.ANYWHERE, rule


def _regex(rule: str, rest: str) -> re2._Regexp:
    body, slash, flags = rest.rpartition("/")
    if not slash:
        raise _no(rule, "begins with a / and does not end with one")
    if flags not in ("", "i"):
        raise _no(rule, "has something other than i after its last /")
    if not body:
        raise _no(rule, "has nothing between its slashes")
    compiled = _compile(rule, normalize("NFC", body), any_case=flags == "i")
    if compiled.search(b"") is not None:
        raise _no(rule, "is found in every text, even in an empty one")
    return compiled


def _words(rule: str, folded: str) -> str:
    """The expression for whole words in a row, in a text that went through `_fold`."""
    if not any(c.isalnum() for c in folded):
        raise _no(rule, "has no letter and no digit")
    words = []
    for word in folded.split():
        start = word.rstrip("*")
        if "*" in start or not start:
            raise _no(rule, "has a * elsewhere than at the end of a word; write a /regular expression/ for that")
        words.append(re2.escape(start) + (f"[{_LETTER}]*" if word != start else ""))
    first, last = folded[0], folded[-1]
    return (f"(?:^|{_EDGE})" if _needs_edge(first) else "") + " ".join(words) + (
        f"(?:$|{_EDGE})" if _needs_edge(last) else "")


def _needs_edge(char: str) -> bool:
    """Whether a word that begins or ends so is only whole where no other letter follows."""
    return re2.search(rf"[{_LETTER}]", char) is not None and re2.search(f"[{_SPACELESS}]", char) is None


def _compile(rule: str, expression: str, *, any_case: bool) -> re2._Regexp:
    options = re2.Options()
    options.max_mem = MAX_MEMORY
    options.case_sensitive = not any_case
    options.never_capture = True
    options.log_errors = False
    try:
        return re2.compile(_bytes(expression), options)
    except re2.error as error:
        said = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        cause = next((ours for theirs, ours in _REFUSED if said.startswith(theirs)), "can't be understood")
        raise _no(rule, cause) from None


def _fold(text: str) -> str:
    """Compatibility forms, letter case, dashes, apostrophes, spaces and invisible marks make no difference."""
    if not text.isascii():
        text = normalize("NFKC", _MARKS.sub(r"\1", text.translate(_INVISIBLE))).translate(_LIKE)
        text = normalize("NFC", text[:MAX_TEXT].casefold())
    return " ".join(text.casefold().split())


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", errors="replace")


def _no(rule: str, cause: str) -> UsageError:
    return UsageError(f'the rule "{rule}"', cause, hint='plain words, or "/a regular expression/"')
