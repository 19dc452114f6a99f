"""What of a page comes into a draft, and when the page is not believed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipeline.collect.identify import make_draft
from pipeline.collect.pages.fulltext import read_page
from pipeline.collect.pages.joining import FROM_PAGE, with_page
from pipeline.collect.pages.pageread import PageRead
from pipeline.model.articles import Draft, Found, Show

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
URL = "https://paper.example/2026/the-quay"
START = ("The quay was rebuilt in nineteen months, which is four more than the council had promised, and it cost "
         "twice as much as the first estimate had said.")
REST = "Nobody at the meeting was surprised, least of all the harbour master, who had warned of it for years. " * 4
PAGE = PageRead(
    URL, html=f"<p>{START}</p><h2>Cost</h2><p>{REST}</p>", title="The quay is open", author="Ines Holm",
    description="Nineteen months late, and twice as dear: the new quay.",
    published_at=datetime(2026, 11, 20, 7, tzinfo=UTC),
    updated_at=datetime(2026, 11, 21, 7, tzinfo=UTC), image="https://paper.example/quay.jpg", language="sv",
    licence="https://creativecommons.org/licenses/by/4.0/", rights="© The Paper", topics=("Harbour",),
    canonical_url="https://www.paper.example/2026/the-quay?utm_source=x",
)


def entry(**found: object) -> Draft:
    given = {"title": "The quay", "html": f"<p>{START[:90]} […]</p>", "guid": "7", "url": URL} | found
    return make_draft(Found(**given), source_url=URL, now=NOW)  # type: ignore[arg-type]


def pointer(**found: object) -> Draft:
    return entry(**{"title": "The quay", "html": "", "guid": "", "pointer": True} | found)


def merged(draft: Draft, page: PageRead = PAGE, **more: object) -> Draft:
    return with_page(draft, page, now=NOW, **more)  # type: ignore[arg-type]


def test_an_entry_gets_the_text_and_keeps_what_it_is_known_by() -> None:
    before, after = entry(), merged(entry())
    assert (after.guid, after.url, after.url_key, after.content_hash, after.title) == (
        before.guid, before.url, before.url_key, before.content_hash, before.title)
    assert "<h2>Cost</h2>" in after.html
    assert after.text_note == FROM_PAGE
    assert (after.author, after.language, after.rights) == ("Ines Holm", "sv", "© The Paper")
    assert (after.image, after.licence) == (PAGE.image, PAGE.licence)
    assert (after.published_at, after.dated, after.updated_at) == (PAGE.published_at, True, PAGE.updated_at)
    assert after.topics == before.topics


def test_what_an_entry_says_itself_stands() -> None:
    said = {"author": "Bo Ek", "language": "en", "rights": "© Bo Ek", "image": "https://paper.example/own.jpg",
            "published_at": datetime(2026, 11, 19, tzinfo=UTC), "summary": "A whole summary, written by somebody."}
    after = merged(entry(**said))
    assert {name: getattr(after, name) for name in said} == said


def test_a_summary_that_was_cut_is_made_anew() -> None:
    assert entry().summary.endswith(("…", ","))
    assert merged(entry()).summary == PAGE.description
    cut = replace(PAGE, description="Nineteen months late, and twice as dear, as the…")
    assert merged(entry(), cut).summary.startswith("The quay was rebuilt in nineteen months")
    assert len(merged(entry(), cut).summary.split()) <= 61
    assert len(merged(entry(), replace(cut, description="word " * 100), show=Show.FULL).summary.split()) == 100


def test_a_pointer_becomes_an_article() -> None:
    before, after = pointer(), merged(pointer())
    assert not after.pointer
    assert (after.title, after.url, after.url_key) == (
        "The quay is open", "https://www.paper.example/2026/the-quay", before.url_key)
    assert after.content_hash == make_draft(
        Found("The quay is open", html=PAGE.html), source_url=URL, now=NOW).content_hash != before.content_hash
    assert after.topics == ("harbour",)
    assert after.text_note == FROM_PAGE
    assert merged(pointer(title="The link's text"), replace(PAGE, title="")).title == "The link's text"


@pytest.mark.parametrize(("known", "said", "title"), [
    ("A story about the harbour number 0", "The Paper", "A story about the harbour number 0"),
    ("The quay is open", "News from the harbour", "The quay is open"),
    ("The quay is open", "The quay is open | The Paper", "The quay is open"),
    ("The quay is open", "The quay is open after all", "The quay is open after all"),
    ("12 May: The quay is open, by Ines Holm", "The quay is open", "The quay is open"),
    ("The quay is…", "A bill for the town", "A bill for the town"),
    ("Quay", "A bill for the town", "A bill for the town"),
    ("Read more", "A bill for the town", "A bill for the town"),
    ("Read the full story »", "A bill for the town", "A bill for the town"),
    ("", "A bill for the town", "A bill for the town"),        # the title was made of the address
    ("word " * 60, "A bill for the town", "A bill for the town"),
])
def test_a_title_that_a_listing_gave_stands(known: str, said: str, title: str) -> None:
    assert merged(pointer(title=known), replace(PAGE, title=said)).title == title


@pytest.mark.parametrize(("head", "body", "title"), [
    ("<title>Short One - Paper</title>", "<h1>Short One</h1>", "Short One"),
    ("<title>Ox | Paper</title>", "<h1>Ox</h1>", "Ox"),
    ("<title>Ox | Paper</title>", "<h2>Ox</h2>", "Ox | Paper"),
    ("<title>Paper | Short One</title>", "<h1>Paper</h1><h1>Short One</h1>", "Paper | Short One"),
    ("<title>Paper - Short</title><meta property='og:site_name' content='Paper'>", "<h1>Paper</h1>", "Short"),
    ("<title>Short One - Paper</title>", "<h1></h1>", "Short One - Paper"),
])
def test_a_heading_tells_where_the_title_ends_however_short(head: str, body: str, title: str) -> None:
    text = f"<html><head>{head}</head><body><article>{body}<p>{START}</p><p>{REST}</p></article></body></html>"
    assert read_page(text.encode(), url=URL, now=NOW).title == title


@pytest.mark.parametrize(("canonical", "url"), [
    ("", URL), ("https://elsewhere.example/the-quay", URL), ("https://paper.example/", URL),
    ("https://news.paper.example/quay", "https://news.paper.example/quay"),
])
def test_a_page_names_an_address_of_its_own_site_only(canonical: str, url: str) -> None:
    assert merged(pointer(), replace(PAGE, canonical_url=canonical)).url == url


@pytest.mark.parametrize(("draft", "page", "why"), [
    (entry(), replace(PAGE, html="", refused="the page asks not to be kept (noarchive) in its X-Robots-Tag header"),
     "the page asks not to be kept (noarchive) in its X-Robots-Tag header"),
    (entry(), replace(PAGE, url="https://paper.example/"), "its address leads to the site's front page"),
    (entry(), replace(PAGE, html=""), "the page holds no article"),
    (entry(html=f"<p>{START}</p><p>{REST}</p>"), replace(PAGE, html=f"<p>{START}</p>"),
     "the page holds less than the source's document"),
    (entry(html=f"<p>{START}</p>"), replace(PAGE, title="Log in", html=f"<p>{REST}</p>"),
     "the page holds another text"),
    (entry(html=f"<p>{START} {START}</p><p>Bought it twice, and would again, said one of those who never have to pay "
                "for what is built in their name by the sea, or by anybody else.</p>"),
     replace(PAGE, title="The quay", html=f"<p>{REST}</p>"), "the page holds another text"),   # a link blog
])
def test_a_page_that_is_not_believed_changes_nothing_and_is_said(draft: Draft, page: PageRead, why: str) -> None:
    assert merged(draft, page) == replace(draft, text_note=f"without its page: {why}")


def test_a_summary_in_other_words_is_no_other_text() -> None:
    draft = entry(title="The quay is open", html="<p>After many months, the town has its waterfront back, and a large "
                  "bill for it; the mayor is happy all the same, as are the gulls.</p>")
    assert merged(draft).text_note == FROM_PAGE


def test_a_page_is_cleaned_like_everything_at_the_door() -> None:
    hostile = replace(PAGE, title="A\u202e\x00b", author="C\nD", language="x'\"", licence="javascript:alert(1)",
                      image="file:///etc/passwd", published_at=datetime(9999, 12, 31, 23, tzinfo=UTC),
                      html=f'<p onclick="x()">{START}<script>x()</script><a href="javascript:x()">y</a></p>')
    after = merged(pointer(title=""), hostile)
    assert (after.title, after.author, after.language, after.licence, after.image) == ("Ab", "C D", "", "", "")
    assert after.published_at.year == 2026
    assert "script" not in after.html
    assert "onclick" not in after.html


def test_a_pointer_stays_one_where_its_page_gives_nothing() -> None:
    assert merged(pointer(), replace(PAGE, html="", refused="the page is no HTML but application/pdf")).pointer
