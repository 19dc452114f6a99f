"""Which articles say nearly the same: an agency's text under two headlines, a text cut short, a few words corrected.

    title, text -> signature: a few numbers that alike articles share; they find who may be alike (`store/similar`)
    two articles -> likeness in percent, of the words themselves

Pure. A signature samples the text's runs of five words, which hardly ever stand in two articles by chance: the smallest
hash out of each of several groups (one-permutation MinHash: Li, Owen, Zhang, "One Permutation Hashing", NIPS 2012),
once over the beginning, so that a summary finds the text it begins, and once over the whole.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import accumulate
from unicodedata import normalize

THRESHOLD = 60                # percent from which the operator is asked
WITHIN_SOURCE = 90            # and within one source, unless the titles are the same: series repeat themselves
APART = timedelta(days=30)    # between two publications: what returns later is a repetition, not the same news
MOST_WORDS = 1_000            # of a text that are compared
LEAD_WORDS = 60               # of a text that count as its beginning; as many as a summary has
LEAD_BANDS, WHOLE_BANDS = 3, 5
TITLE_WORDS = 4               # a title with fewer may stand on anything ("Open thread")
ENOUGH = 20                   # runs of three words that must be there before "contained in" means anything
ALIKE_TITLES = 0.5            # share of two titles' words
EVERYWHERE = 2                # a run of words in as many other articles of a source is its furniture

Run = tuple[str, ...]


@dataclass(frozen=True)
class Telling:
    """An article as it is compared."""

    id: int
    source_id: int
    story: int
    title: str
    text: str
    published_at: datetime

    @cached_property
    def title_words(self) -> list[str]:
        return tokens(self.title)

    @cached_property
    def text_words(self) -> list[str]:
        return tokens(self.text, MOST_WORDS)

    @cached_property
    def runs(self) -> frozenset[Run]:
        """The runs of three words in title and text; of fewer words the only run there is."""
        runs: set[Run] = set()
        for words in (self.title_words, self.text_words):
            runs.update(zip(words, words[1:], words[2:], strict=False) if len(words) > 2 else [tuple(words)])
        return frozenset(runs - {()})


def tokens(text: str, most: int = 1_000_000) -> list[str]:
    """The words of a text, small and without signs; in scripts without spaces each character is one."""
    text = text[: most * 30]
    if text.isascii():
        return _WORD.findall(text.lower())[:most]
    text = normalize("NFC", text.casefold()) if not _LONG_MARKS.search(text) else text.casefold()
    return (_ANY_SCRIPT if _SPACELESS.search(text) else _WORD).findall(text)[:most]


def signature(article: Telling) -> dict[int, int]:
    """Band number -> value. Two articles that are alike share at least one; a short text has fewer bands."""
    hashes = _hashes(article.text_words)
    lead = LEAD_WORDS - _RUN + 1
    bands = _smallest(hashes[:lead], LEAD_BANDS, first=1)
    if len(hashes) > lead:
        bands |= _smallest(hashes, WHOLE_BANDS, first=1 + LEAD_BANDS)
    if len(article.title_words) >= TITLE_WORDS:
        bands[0] = zlib.crc32(" ".join(article.title_words).encode())
    return bands


def likeness(a: Telling, b: Telling, furniture: Mapping[int, frozenset[Run]] | None = None) -> int:
    """How much of two articles is the same, in percent; 0 where it is not worth asking about.

    The larger of what they share out of all they say, and of how much of the shorter one the longer holds. `furniture`
    (source id -> runs of words that it puts under each of its articles) does not count.
    """
    if abs(a.published_at - b.published_at) > APART or a.story == b.story:
        return 0
    furniture = furniture or {}
    none: frozenset[Run] = frozenset()
    noise = furniture.get(a.source_id, none) | furniture.get(b.source_id, none)
    mine, other = a.runs - noise, b.runs - noise
    shared, fewer = len(mine & other), min(len(mine), len(other))
    if not shared:
        return 0
    same_title = a.title_words == b.title_words and len(a.title_words) >= TITLE_WORDS
    alike = shared / (len(mine) + len(other) - shared)
    within = shared / fewer if fewer >= ENOUGH or same_title else 0.0
    if a.source_id == b.source_id and not same_title:
        return _percent(alike) if alike * 100 >= WITHIN_SOURCE and _same_but_for_words(a, b) else 0
    percent = _percent(max(alike, within))
    return percent if percent >= THRESHOLD else 0


def furniture_of(others: Iterable[Telling]) -> frozenset[Run]:
    """What a source says under all its articles, out of some others of it."""
    seen: Counter[Run] = Counter()
    for other in others:
        seen.update(other.runs)
    return frozenset(run for run, times in seen.items() if times >= EVERYWHERE)


_MARKS = r"\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0963\u0966-\u0dff\u0f00-\u0fff"
_NO_SPACES = (  # Thai, Lao, Myanmar, Khmer, kana, Han
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff")
_WORD = re.compile(rf"[\w{_MARKS}]+")
_SPACELESS = re.compile(rf"[{_NO_SPACES}]")
_ANY_SCRIPT = re.compile(rf"[{_NO_SPACES}]|(?:[^\W{_NO_SPACES}]|[{_MARKS}])+")
_LONG_MARKS = re.compile(r"[^\x00-\x7f\w\s]{31}")  # sorting a long run of marks takes O(n²): UAX #15
_RUN = 5  # words


def _hashes(words: list[str]) -> list[int]:
    """Of each run of five words; the same in every process and on every machine."""
    encoded = [word.encode() for word in words]
    view = memoryview(b" ".join(encoded))
    starts = list(accumulate((len(word) + 1 for word in encoded), initial=0))
    return [zlib.crc32(view[start:end - 1]) for start, end in zip(starts, starts[_RUN:], strict=False)]


def _smallest(hashes: list[int], groups: int, *, first: int) -> dict[int, int]:
    """The smallest hash in each of several groups."""
    smallest: dict[int, int] = {}
    for value in hashes:
        group = first + value % groups
        if value < smallest.get(group, 1 << 32):
            smallest[group] = value
    return smallest


def _same_but_for_words(a: Telling, b: Telling) -> bool:
    """Titles of one source that may name the same: mostly the same words, and no other number ("Week 31")."""
    mine, other = set(a.title_words), set(b.title_words)
    if not mine or not other or len(mine & other) / len(mine | other) < ALIKE_TITLES:
        return False
    return not any(any(c.isdigit() for c in word) for word in mine ^ other)


def _percent(share: float) -> int:
    return int(share * 100)
