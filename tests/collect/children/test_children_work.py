"""Each kind of work, done in a child: what comes back is what the function gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

from pipeline.collect.children.answers import ANSWERS
from pipeline.collect.children.pool import Children
from pipeline.collect.children.work import WORK
from pipeline.errors import ParseError
from pipeline.model.articles import Draft
from pipeline.model.sources import SourceKind

PROSE = "".join(f"<p>{'Words of a long and quiet article, told at length. ' * 6}{n}</p>" for n in range(8))
PAGE = f"""<html lang="en"><head><title>A quiet article</title><meta name="author" content="Jo Doe"></head>
<body><main><article><h1>A quiet article</h1>{PROSE}</article></main></body></html>""".encode()
LIST = ("<html><head><title>News</title></head><body>" + "".join(
    f'<article><h2><a href="/2026/11/{n}-a-long-headline">A headline of several words {n}</a></h2></article>'
    for n in range(6)) + "</body></html>").encode()
SITEMAP = b"""<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
<url><loc>https://example.org/a</loc><lastmod>2026-11-20</lastmod></url></urlset>"""


@pytest.fixture(scope="module")
def children() -> Iterator[Children]:
    with Children(1) as made:
        yield made


def test_each_kind_of_work_has_its_type_of_answer() -> None:
    assert ANSWERS.keys() == WORK.keys()


@pytest.mark.parametrize(("kind", "body"), [("listing", LIST), ("sitemap", SITEMAP), ("look", LIST), ("look", SITEMAP)])
def test_what_is_no_feed_is_read_as_it_would_be_here(
    children: Children, kind: str, body: bytes, now: datetime
) -> None:
    told = {"url": "https://example.org/", "now": now}
    assert children.work(kind, "s", body, **told) == WORK[kind](body, **told)


def test_a_list_and_a_sitemap_give_pointers(children: Children, now: datetime) -> None:
    told = {"url": "https://example.org/", "now": now}
    assert len(children.work("listing", "s", LIST, **told).pointers) == 6
    (pointer,) = children.work("sitemap", "s", SITEMAP, **told).pointers
    assert (pointer.draft.url, pointer.draft.pointer) == ("https://example.org/a", True)
    assert children.work("look", "s", LIST, **told).kind is SourceKind.PAGE


def test_a_page_comes_into_its_draft(children: Children, draft: Callable[..., Draft], now: datetime) -> None:
    pointer = draft("A headline", url="https://example.org/a", pointer=True)
    read = children.work("page", "s", PAGE, url="https://example.org/a", now=now, draft=pointer,
                         content_type="text/html", headers={})
    assert not read.refused
    assert read.draft.title == "A headline"
    assert read.draft.html.count("<p>") == 8
    assert not read.draft.pointer


@pytest.mark.parametrize(("headers", "why"), [({"x-robots-tag": "noindex"}, "noindex"), ({}, "no HTML")])
def test_a_page_that_gives_nothing_says_why(
    children: Children, draft: Callable[..., Draft], now: datetime, headers: dict[str, str], why: str
) -> None:
    body = PAGE if headers else b"%PDF-1.7"
    read = children.work("page", "s", body, url="https://example.org/a", now=now, draft=draft(url="https://example.org/a"),
                         content_type="text/html", headers=headers)
    assert why in read.refused
    assert read.draft.html == ""


def test_an_error_of_theirs_is_one_here(children: Children, now: datetime) -> None:
    with pytest.raises(ParseError, match=r"https://example\.org/: "):
        children.work("sitemap", "s", b"<html>", url="https://example.org/", now=now)
