"""What outside judges are shown: a full letter in every design and every language that Broadsheet has words for, as it
is mailed and as it stands on the web."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.compose.freeze import content_of, freeze
from pipeline.compose.press import said
from pipeline.model.articles import Also, Article, ArticleStatus, Images, Show
from pipeline.model.frozen import TOKENS, Arrangement, DigestPage, Frozen, personal_html, web_html, web_values
from pipeline.render.templates import Templates
from pipeline.render.views import GroupView
from pipeline.text.clean import clean_html

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DESIGNS = sorted(path.parent.name for path in ROOT.glob("templates/*/body.html.j2"))
LANGUAGES = sorted({path.stem for path in ROOT.glob("templates/words/*.toml")} | {"en", "he"})
LEAVE = "https://lantern.example/u/token?a=1&b=2"
AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)

# Whatever an article may hold, well written.
RICH = """<p>The first boat leaves at <a href="https://ferry.example/times?day=1&amp;pier=2" title="Times">five past
five</a>, <em>now and then</em> with a <strong>piano</strong>; <code>boats = 2</code>, <kbd>Ctrl</kbd>, <mark>mind
it</mark>, H<sub>2</sub>O, x<sup>2</sup>, <abbr title="as soon as possible">asap</abbr>, <del>no</del>
<ins>yes</ins>.</p>
<h2>Before dawn</h2><p>Milk.</p><h3>Why so early</h3><ul><li>Milk<ul><li>and cream</li></ul></li><li>Post</li></ul>
<ol start="3"><li>Third</li></ol><dl><dt>Pier</dt><dd>Where it lands</dd></dl>
<blockquote><p>Nobody has ever missed it twice.</p></blockquote>
<pre><code>boats = 2
  # and a raft, in a line that is far too long for any telephone that was ever made by anybody</code></pre>
<table><caption>Crossings</caption><thead><tr><th>Pier</th><th>Minutes</th></tr></thead>
<tbody><tr><td>North</td><td>12</td></tr><tr><td colspan="2">closed on Sundays</td></tr></tbody></table><hr>
<figure><img src="https://lantern.example/i/ferry.jpg" alt="A ferry" width="640" height="400"><figcaption>At
dawn</figcaption></figure><p><img src="https://elsewhere.example/none.jpg"></p>
<p lang="de">Ein Satz auf Deutsch.</p><p dir="rtl" lang="he">שלום</p>
<p>日本<ruby>語<rp>(</rp><rt>ご</rt><rp>)</rp></ruby></p>"""


@dataclass(frozen=True)
class Copy:
    """One document that somebody reads."""

    design: str
    language: str
    kind: str            # "mail" or "web"
    html: str

    @property
    def name(self) -> str:
        return f"{self.design}-{self.language}-{self.kind}"


@pytest.fixture(scope="session")
def copies() -> list[Copy]:
    """Every design in every language, mailed and on the web."""
    found = []
    for design in DESIGNS:
        for language in LANGUAGES:
            frozen, shown = letter(design, language)
            found += [Copy(design, language, "mail", personal_html(frozen, shown, values_of(shown))),
                      Copy(design, language, "web", on_the_web(frozen, shown))]
    return found


@pytest.fixture(scope="session")
def mailed() -> Callable[[str, str], str]:
    """`mailed(design, html)` is a mail of three articles, the second of which holds `html` as it is."""

    def mailed(design: str, html: str) -> str:
        page = page_of("en")
        told = [article(1), article(2, html=html, title="The second"), article(3)]
        frozen = freeze(templates().digest(design), page, content_of(told, page), nonce="judged0nonce")
        shown = Arrangement((1, 2, 3))
        return personal_html(frozen, shown, values_of(shown))

    return mailed


@pytest.fixture(scope="session")
def spoken() -> Callable[[str, str], str]:
    """`spoken(design, words)` is a mail with this introduction of the operator's, and this note on the second of three
    articles."""

    def spoken(design: str, words: str) -> str:
        html, text = said(words, page_of("en").public_url, Images.OWN, first_heading=2)
        page = replace(page_of("en"), introduction=html, introduction_text=text)
        content = content_of([article(1), article(2), article(3)], page,
                             notes={2: said(words, page.public_url, Images.OWN)})
        frozen = freeze(templates().digest(design), page, content, nonce="judged0nonce")
        shown = Arrangement((1, 2, 3))
        return personal_html(frozen, shown, values_of(shown))

    return spoken


@pytest.fixture(scope="session")
def judge(need: Any) -> Callable[[str], Path]:
    """`judge("axe-core/axe.min.js")` is a file of an installed npm package."""

    def judge(path: str) -> Path:
        found = HERE / "node_modules" / path
        need(found.is_file(), "the judges are not installed: npm ci --ignore-scripts --prefix tests/judges")
        return found

    return judge


@pytest.fixture(scope="module")
def browser(chromium: str, need: Any) -> Iterator[Any]:
    """A Chromium of Playwright's, without a network. One at a time: tests/browser opens its own in the same process."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        need(None, "Playwright is not installed: sh .ci/setup requirements-ci.txt")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND"])
        yield opened
        opened.close()


def letter(design: str, language: str) -> tuple[Frozen, Arrangement]:
    """A letter with everything that one can hold."""
    page = page_of(language)
    also = (Also(8, "The <Blog>", "https://blog.example/1?a=1&b=2"), Also(9, "Us", ""))
    articles = [
        article(1, html=clean_html(RICH), also=also),
        article(2, title="A parser & where it hurts", author="", show=Show.SUMMARY, source_title="Insider",
                url="https://blog.example/p?x=1&y=2", summary="Error messages that point at the comma."),
        article(3, title="Räksmörgås & <friends>: 日本語", html="<p>Kort.</p>", language="sv"),
        article(4, title="عنوان", html="<p>نص قصير.</p>", language="ar", url="https://elsewhere.example/4"),
    ]
    corrected = [
        article(5, title="An older one", correction="The tram has 62 seats, not 26.", corrected_at=AT),
        article(6, title="One that its source changed", url="https://blog.example/6"),
    ]
    groups = (GroupView(1, "city", "City"), GroupView(2, "", "Other"))
    notes = {1: ("<p>A note of <em>ours</em>.</p>", "A note of ours."), 2: ("<p>Another.</p>", "Another.")}
    content = content_of(articles, page, groups=groups, corrections=corrected, notes=notes)
    return (freeze(templates().digest(design), page, content, nonce="judged0nonce"),
            Arrangement((1, 2, 3, 4), (1, 1, 2, 2), (5, 6)))


def on_the_web(frozen: Frozen, shown: Arrangement) -> str:
    around = {name: f"https://lantern.example/{name}" for name in ("previous_url", "next_url") if name in TOKENS}
    return web_html(frozen, shown, web_values(shown) | around)


def values_of(shown: Arrangement) -> dict[str, str]:
    """A value for each token there is, so that every part of the letter shows."""
    return {name: f"https://lantern.example/{name}" if name.endswith("_url") else "1" for name in TOKENS} | {
        "unsubscribe_url": LEAVE, "address": "ada@example.org", "since": "3 May 2026", "preheader": "Two · Three",
        "more": "4", "count": str(len(shown.articles)),
        "corrections": str(len(shown.corrections) or "")}


def page_of(language: str) -> DigestPage:
    return DigestPage(
        site_title="The Lantern", public_url="https://lantern.example", language=language, newsletter_slug="lantern",
        newsletter_title="The Lantern", digest_name="2026-11-22-0800-daily", description="A little light every morning",
        digest_url="https://lantern.example/n/lantern/2026-11-22-0800-daily",
        date=datetime(2026, 11, 22, 8, tzinfo=UTC),
        postal_address="Lantern, Main Street 1, Stockholm", archive_url="https://lantern.example/n/lantern/",
        feed_url="https://lantern.example/feeds/all.xml", introduction="<p>A word before <em>all</em> of it.</p>",
        introduction_text="A word before all of it.")


def article(number: int, **changes: Any) -> Article:
    plain = Article(
        id=number, source="desk", source_title="The Desk", guid="", url="", title=f"Title {number}", author="Ada",
        summary=f"Summary {number}.", html=f"<p>Body {number}</p>", published_at=AT, first_seen_at=AT, updated_at=AT,
        accepted_seq=number, accepted_at=AT, status=ArticleStatus.ACCEPTED, story=number, revision=1, show=Show.FULL)
    return replace(plain, **changes)


def templates() -> Templates:
    return Templates([ROOT / "templates"])
