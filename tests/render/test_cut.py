"""Markers: put in, found again, and cut at."""

from __future__ import annotations

import pytest

from pipeline.errors import TemplateError
from pipeline.model.frozen import PieceKind
from pipeline.render.cut import Markers, shell_problems

HTML = Markers("html", "nonce0000")
TEXT = Markers("text", "nonce0000")
DOCUMENT = "<html><head><title>t</title></head><body>{}</body></html>"


def shell(markers: Markers, template: str) -> str:
    return template.format(**markers.context())


def test_a_document_comes_apart_at_its_markers() -> None:
    mail_only = "{begin.mail}to {tokens.address}{begin.since} since{end.since}{end.mail}"
    source = shell(HTML, "top " + mail_only + "|{slots.articles}end")
    cut = HTML.cut(HTML.assemble(source, {"articles": [(7, "<p>7</p>"), (3, "")]}))
    assert [(p.kind, p.name, p.body, p.conditions) for p in cut.shell] == [
        ("literal", "", "top ", ()), ("literal", "", "to ", ("mail",)), ("token", "address", "", ("mail",)),
        ("literal", "", " since", ("mail", "since")), ("literal", "", "|", ()), ("slot", "articles", "", ()),
        ("literal", "", "end", ()),
    ]
    assert cut.fragments == {("articles", 7): "<p>7</p>", ("articles", 3): ""}


def test_in_plain_text_a_marker_on_a_line_of_its_own_takes_the_line_along() -> None:
    source = shell(TEXT, "a\n{begin.mail}\nto {tokens.address}\n{end.mail}\n{slots.articles}\nb\n")
    cut = TEXT.cut(TEXT.assemble(source, {"articles": [(1, "one\n")]}))
    assert [p.body for p in cut.shell if p.kind is PieceKind.LITERAL] == ["a\n", "to ", "\n", "b\n"]


def test_text_that_only_looks_like_a_marker_is_text() -> None:
    other = shell(Markers("html", "other0000"), "{tokens.address}{begin.mail}")
    assert HTML.codes(other) == []
    assert [p.body for p in HTML.cut(other).shell] == [other]


@pytest.mark.parametrize(
    ("article", "says"),
    [
        ("<p>fine</p>", ""),
        ("<p>fine <!-- too --></p>", ""),
        ("<!-- open", "swallows"),
        ("<textarea>", "swallows"),
        ("<plaintext>", "swallows"),
        ("</div><p>x</p>", "not balanced"),
        ("<table><tr><td>", "not balanced"),
    ],
)
def test_what_parsing_does_to_a_document_is_seen(article: str, says: str) -> None:
    source = shell(HTML, "<div>{slots.articles}</div><p>{tokens.address}</p>")
    document = DOCUMENT.format(HTML.assemble(source, {"articles": [(1, article), (2, "<p>2</p>")]}))
    assert says in HTML.damage(document, HTML.codes(document))
    assert bool(HTML.damage(document, HTML.codes(document))) is bool(says)


def test_a_lost_or_doubled_marker_is_seen() -> None:
    document = DOCUMENT.format(shell(HTML, "<p>{tokens.address}</p>"))
    assert "lost a part" in HTML.damage(document, [*HTML.codes(document), "t1"])
    assert "lost a part" in HTML.damage(document, [])


def test_a_fragment_may_not_write_for_one_person() -> None:
    source = HTML.assemble(shell(HTML, "{slots.articles}"), {"articles": [(1, shell(HTML, "{tokens.address}"))]})
    with pytest.raises(TemplateError, match="only the shell may"):
        HTML.cut(source)


def test_what_a_shell_must_have() -> None:
    whole = shell(HTML, "{slots.articles}{begin.mail}{tokens.unsubscribe_url}{end.mail}")
    assert shell_problems(HTML.cut(whole).shell, "html") == []
    assert len(shell_problems(HTML.cut("").shell, "html")) == 2
    personal = "{begin.web}{tokens.unsubscribe_url}{tokens.since}{end.web}"
    bare = shell(HTML, "{slots.articles}" + personal + "{tokens.preferences_url}{slots.toc}{slots.toc}")
    assert [p.split()[0] for p in shell_problems(HTML.cut(bare).shell, "html")] == [
        "the", "tokens.preferences_url", "tokens.since", "tokens.unsubscribe_url"
    ]


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        ("{begin.web}{begin.next_url}{tokens.next_url}{end.next_url}{end.web}", False),
        ("{begin.web}{tokens.next_url}{end.web}", False),
        ("{tokens.next_url}", True),
        ("{begin.mail}{tokens.next_url}{end.mail}", True),
        ("{begin.next_url}on{end.next_url}", True),
        ("{begin.next_url}{begin.web}on{end.web}{end.next_url}", True),   # a mail would ask for it first
    ],
)
def test_what_only_the_web_knows_is_asked_for_there_alone(asked: str, refused: bool) -> None:
    whole = shell(HTML, "{slots.articles}{begin.mail}{tokens.unsubscribe_url}{end.mail}" + asked)
    problems = shell_problems(HTML.cut(whole).shell, "html")
    assert [p.split()[0] for p in problems] == (["tokens.next_url"] if refused else [])
