"""Markers: put into a rendered document, kept through inlining, cut at afterwards. Pure.

    {{ tokens.address }}                  a value that is filled in at delivery
    {{ slots.articles }}                  where the articles go
    {{ begin.mail }} … {{ end.mail }}     only in mail; `web`: only on the web; a token's name: where it has a value

A marker is letters and digits only, so that it survives in an attribute and in an address, and carries the
freeze's nonce, so that no content can hold one. In HTML all but tokens are comments; in plain text a marker that
stands alone takes its line end along.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from markupsafe import Markup

from pipeline.errors import TemplateError
from pipeline.model.frozen import (
    ARTICLES,
    MAIL,
    PARTS,
    PERSONAL,
    SLOTS,
    TOKENS,
    WEB,
    WEB_ONLY,
    Piece,
    PieceKind,
    literal,
)
from pipeline.render import inline as inliner

Parts = Mapping[str, Sequence[tuple[int, str]]]
"""Kind of part -> (article's id or group's number, its rendered text), in order."""


@dataclass(slots=True)
class Cut:
    """A document in pieces."""

    shell: list[Piece] = field(default_factory=list)
    fragments: dict[tuple[str, int], str] = field(default_factory=dict)


class Markers:
    """The markers of one freeze, for HTML or for plain text."""

    def __init__(self, part: str, nonce: str, values: Mapping[str, str] | None = None) -> None:
        """`values` stand in for the tokens where one person's copy is rendered directly."""
        if not _NONCE.fullmatch(nonce):
            raise ValueError("a nonce is 8 to 40 lower-case letters and digits")
        self.part = part
        self.nonce = nonce
        self._values = values
        head = rf"bs{nonce}"
        self._any = re.compile(rf"{head}([a-z]\d+(?:n\d+)?)x")
        standing = rf"{head}([besoc]\d+(?:n\d+)?)x"
        token = rf"{head}(t\d+)x"
        self._cut = re.compile(rf"<!--{standing}-->|{token}" if part == "html" else rf"{standing}\n?|{token}")

    def context(self) -> dict[str, Any]:
        """What the shell block may write."""
        tokens = {name: self._mark(f"t{i}") for i, name in enumerate(TOKENS)}
        if self._values:
            tokens = {**dict.fromkeys(WEB_ONLY, ""), **self._values}
        return {
            "tokens": SimpleNamespace(**tokens),
            "slots": SimpleNamespace(**{name: self._written(f"s{i}") for i, name in enumerate(SLOTS)}),
            "begin": SimpleNamespace(**{name: self._written(f"b{i}") for i, name in enumerate(_CONDITIONS)}),
            "end": SimpleNamespace(**{name: self._written(f"e{i}") for i, name in enumerate(_CONDITIONS)}),
        }

    def assemble(self, shell: str, parts: Parts) -> str:
        """Put each slot's texts behind its marker, each between an opening and a closing one."""
        for i, slot in enumerate(SLOTS):
            mark = self._stand(f"s{i}")
            texts = "".join(
                f"{self._stand(f'o{p}n{number}')}{text}{self._stand(f'c{p}n{number}')}"
                for p, kind in enumerate(PARTS) if PARTS[kind] == slot for number, text in parts.get(kind, ())
            )
            shell = shell.replace(mark, mark + texts)
        return shell

    def slots(self, shell: str) -> set[str]:
        """The slots that a rendered shell has."""
        return {name for i, name in enumerate(SLOTS) if self._stand(f"s{i}") in shell}

    def codes(self, text: str) -> list[str]:
        """Every marker in order; TemplateError where the nonce stands outside of one."""
        found = self._any.findall(text)
        if text.count(self.nonce) != len(found):
            raise TemplateError("freeze", "content holds the freeze's nonce", hint="freeze again: the nonce is random")
        return found

    def cut(self, document: str) -> Cut:
        """Cut a document at its markers. TemplateError where ranges or fragments are not closed in order."""
        cut = Cut()
        conditions: list[str] = []
        inside: tuple[str, int] | None = None
        position = 0
        for match in self._cut.finditer(document):
            text, position = document[position : match.start()], match.end()
            code = match[1] or match[2]
            number, _, article = code[1:].partition("n")
            if inside and code[0] != "c":
                raise TemplateError("article block", "writes a token, a slot or a range; only the shell may")
            if inside:
                cut.fragments[inside] = text
                inside = None
                continue
            _add(cut.shell, literal(text, tuple(conditions)))
            if code[0] == "o":
                inside = (_PARTS[int(number)], int(article))
            elif code[0] == "s":
                cut.shell.append(Piece(PieceKind.SLOT, SLOTS[int(number)], conditions=tuple(conditions)))
            elif code[0] == "t":
                cut.shell.append(Piece(PieceKind.TOKEN, _TOKENS[int(number)], conditions=tuple(conditions)))
            elif code[0] == "b":
                conditions.append(_CONDITIONS[int(number)])
            elif not conditions or conditions.pop() != _CONDITIONS[int(number)]:
                raise TemplateError("shell block", f"end.{_CONDITIONS[int(number)]} closes no begin of that name")
        if conditions:
            raise TemplateError("shell block", f"begin.{conditions[-1]} is never closed")
        _add(cut.shell, literal(document[position:]))
        return cut

    def damage(self, document: str, before: list[str]) -> str:
        """What parsing did to a document whose markers were `before`, in words; "" where it did nothing.

        TemplateError where the template is at fault: a range that starts in one element and ends in another.
        """
        if self.codes(document) != before:
            return "the HTML parser lost a part of it: nested too deep or too long"
        comments = [(match[1], parent) for text, parent in inliner.comment_parents(document)
                    if (match := self._any.fullmatch(text))]
        if [code for code, _ in comments] != [code for code in before if code[0] != "t"]:
            return "it swallows what follows it: an unclosed comment or raw text"
        opened: list[int] = []
        for code, parent in comments:
            if code[0] in "ob":
                opened.append(parent)
            elif code[0] in "ce" and (not opened or opened.pop() != parent):
                if code[0] == "c":
                    return "it is not balanced: it ends in another element than it begins in"
                name = _CONDITIONS[int(code[1:])]
                raise TemplateError("shell block", f"begin.{name} and end.{name} stand in different elements")
        return ""

    def _mark(self, code: str) -> str:
        return f"bs{self.nonce}{code}x"

    def _stand(self, code: str) -> str:
        return f"<!--{self._mark(code)}-->" if self.part == "html" else self._mark(code)

    def _written(self, code: str) -> str:
        """As a template gets it: it must not be escaped there."""
        mark = self._stand(code)
        return Markup(mark) if self.part == "html" else mark  # noqa: S704 - made here


def shell_problems(shell: Iterable[Piece], part: str) -> list[str]:
    """What a shell's pieces must have and don't, in words."""
    pieces = list(shell)
    slots = [p for p in pieces if p.kind is PieceKind.SLOT and p.name == ARTICLES]
    tokens = [p for p in pieces if p.kind is PieceKind.TOKEN]
    problems = []
    if len(slots) != 1 or slots[0].conditions:
        problems.append(f"the {part} shell must write slots.articles once, outside of every range; "
                        f"it does so {len(slots)} times")
    problems.extend(
        f"the {part} shell writes slots.{name} more than once"
        for name in SLOTS[1:] if sum(p.kind is PieceKind.SLOT and p.name == name for p in pieces) > 1
    )
    if not any(p.name == "unsubscribe_url" for p in tokens):
        problems.append(f"the {part} shell has no tokens.unsubscribe_url: every mail must show the way out")
    problems.extend(
        f"tokens.{name} must stand between begin.mail and end.mail in the {part} shell: it is personal"
        for name in sorted({p.name for p in tokens if p.name in PERSONAL and MAIL not in p.conditions})
    )
    problems.extend(
        f"tokens.{name} and begin.{name} must stand between begin.web and end.web in the {part} shell: no mail has a "
        f"value for it"
        for name in sorted({name for p in pieces for name in _asked_in_mail(p)})
    )
    return problems


def _asked_in_mail(piece: Piece) -> frozenset[str]:
    """The tokens of the web alone that a piece asks for in mail too: a condition counts where those before it hold."""
    before = piece.conditions[: piece.conditions.index(WEB)] if WEB in piece.conditions else (
        *piece.conditions, *((piece.name,) if piece.kind is PieceKind.TOKEN else ()))
    return WEB_ONLY.intersection(before)


def _add(shell: list[Piece], piece: Piece) -> None:
    if piece.body:
        shell.append(piece)


_PARTS = tuple(PARTS)
_TOKENS = tuple(TOKENS)
_CONDITIONS = (MAIL, WEB, *_TOKENS)
_NONCE = re.compile(r"[a-z0-9]{8,40}")
