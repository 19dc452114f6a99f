"""What changed in an article since it was last read, in words for the operator. Pure."""

from __future__ import annotations

from collections import Counter

from pipeline.collect.similar import tokens
from pipeline.model.articles import Article, Draft
from pipeline.text.words import visible_text

MAX_TEXT = 200_000   # characters that are compared; what comes after them counts as unchanged
MAX_QUOTED = 120     # characters of an earlier title that are repeated
REWRITTEN = 0.7      # a text that lost and gained more than this share of its words is another one


def describe_change(old: Article | Draft, new: Article | Draft) -> str:
    """Say what is different in `new`: 'title changed from "A"; text 120 words longer; address moved', "" for nothing.

    Words are counted, not aligned: a sentence that only moved elsewhere is "in another order".
    """
    told = [
        f'title changed from "{_short(old.title)}"' if old.title != new.title else "",
        _text(old, new),
        "address moved" if old.url != new.url and new.url else "",
        _author(old.author, new.author),
        _topics(old.topics, new.topics),
        "media files changed" if [e.url for e in old.enclosures] != [e.url for e in new.enclosures] else "",
        "picture changed" if old.image != new.image and new.image else "",
        "licence changed" if (old.licence, old.rights) != (new.licence, new.rights) else "",
    ]
    return "; ".join(filter(None, told))


def _text(old: Article | Draft, new: Article | Draft) -> str:
    before, after = _text_of(old), _text_of(new)
    if before.split() == after.split():
        return ""
    before_words, after_words = tokens(before), tokens(after)
    if before_words == after_words:
        return "text: only signs between words changed"
    left, came = Counter(before_words), Counter(after_words)
    gone, added = (left - came).total(), (came - left).total()
    if not before_words:
        return f"text added, {_words(len(after_words))}"
    if not after_words:
        return f"text gone, which had {_words(len(before_words))}"
    if not gone and not added:
        return "text in another order"
    if gone > len(before_words) * REWRITTEN and added > len(after_words) * REWRITTEN:
        return f"text rewritten, {_words(len(after_words))} instead of {len(before_words):,}"
    parts = []
    if longer := added - gone:
        parts.append(f"{_words(abs(longer))} {'longer' if longer > 0 else 'shorter'}")
    if replaced := min(gone, added):
        parts.append(f"{_words(replaced)} replaced")
    return "text " + " and ".join(parts)


def _text_of(article: Article | Draft) -> str:
    return (visible_text(article.html) or article.summary)[:MAX_TEXT]


def _author(old: str, new: str) -> str:
    if old == new:
        return ""
    if not new:
        return "author gone"
    return f'author changed from "{_short(old)}"' if old else "author added"


def _topics(old: tuple[str, ...], new: tuple[str, ...]) -> str:
    gone, came = [t for t in old if t not in new], [t for t in new if t not in old]
    said = [f"topics {what}: {', '.join(_short(t) for t in some)}" for what, some in (("gone", gone), ("added", came))
            if some]
    return "; ".join(said)


def _words(count: int) -> str:
    return f"{count:,} word" if count == 1 else f"{count:,} words"


def _short(text: str) -> str:
    return text if len(text) <= MAX_QUOTED else text[: MAX_QUOTED - 1].rstrip() + "…"
