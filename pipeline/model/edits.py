"""What the operator changed in the draft of a digest. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Edits:
    """What the operator changed in one digest. Markdown as it was written; it is cleaned when it is rendered."""

    drop: tuple[int, ...] = ()       # articles that it does not tell, nor any other telling of their stories
    keep: tuple[int, ...] = ()       # those that it tells though another digest dropped them
    order: tuple[int, ...] = ()      # these come first, in this order
    introduction: str = ""
    notes: Mapping[int, str] = field(default_factory=dict)   # article's id -> words on it
    subject: str = ""                # a template, as the newsletter's; "": the newsletter's
    anyway: bool = False             # it goes out whatever the preflight finds

    def to_json(self) -> dict[str, Any]:
        empty = Edits()
        return {key: value for key, value in asdict(self).items() if value != getattr(empty, key)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Edits:
        read: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        if "notes" in read:
            read["notes"] = {int(number): words for number, words in read["notes"].items()}
        return cls(**read)

    def rank(self, article_id: int) -> int:
        return self.order.index(article_id) + 1 if article_id in self.order else 0

    # --- one change each ---

    def dropping(self, ids: Sequence[int]) -> Edits:
        return replace(self, drop=_with(self.drop, ids), keep=_without(self.keep, ids), order=_without(self.order, ids))

    def keeping(self, ids: Sequence[int]) -> Edits:
        return replace(self, drop=_without(self.drop, ids), keep=_with(self.keep, ids))

    def pinning(self, ids: Sequence[int]) -> Edits:
        """To the top, before what is there already."""
        return replace(self, order=(*dict.fromkeys(ids), *_without(self.order, ids)))

    def unpinning(self, ids: Sequence[int]) -> Edits:
        return replace(self, order=_without(self.order, ids))

    def annotating(self, article_id: int, words: str) -> Edits:
        notes = {number: said for number, said in self.notes.items() if number != article_id}
        return replace(self, notes=notes | ({article_id: words} if words else {}))


def _with(ids: tuple[int, ...], more: Sequence[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys((*ids, *more)))


def _without(ids: tuple[int, ...], some: Sequence[int]) -> tuple[int, ...]:
    return tuple(i for i in ids if i not in some)
