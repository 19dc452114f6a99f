"""The pages of feeds in a real browser, as they lie in a folder: light and dark, phone and desktop, no script, and
under the policy that our own server sends. Needs Chromium, and Playwright from requirements-ci.txt; a picture of
each page is kept where `--basetemp` says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.model.feeds import Document, Entry, FeedPage, Mark, Podcast, Volume
from pipeline.publish.page import feed_page, feeds_page
from pipeline.render.pages import Pages
from pipeline.web.shell import LETTER

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parent.parent.parent
VIEWS = [(device, scheme) for device in ("phone", "desktop") for scheme in ("light", "dark")]
SIZES = {"phone": {"width": 360, "height": 800}, "desktop": {"width": 1280, "height": 900}}
PATHS = ("all/", "all/topic/repair/", "talks/", "empty/", "sefer/", "")

NOON = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
SITE = FeedPage(
    slug="all", id="tag:lantern.example,2026:feed-all", title="Everything from The Lantern",
    description="News of the city and the river: repairs, books, kitchens, and what the council would rather not say.",
    language="en", site_title="The Lantern", site_url="https://lantern.example",
    url="https://lantern.example/feeds/all/", created_at=NOON - timedelta(days=300), hub="https://hub.example/",
)
TITLES = (
    "The old bridge opens again on Monday, three years and two mayors late",
    ("A repair café in every district: how a library, a choir and eleven retired engineers made the cheapest "
     "recycling programme that this city has ever had, and why nobody wants to pay for its electricity"),
    "הגשר הישן נפתח מחדש: שלוש שנים של איחור",
    "Was die Bäcker vom Fluss erzählen",
    "What we got wrong about the tram",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2,
    "Night market",
    "Eleven ways to keep bread, tried for a month",
    "R&D <em>cuts</em> at the “observatory”: an open letter",
    "How the council counts its trees",
)
SUMMARIES = (
    ("From six in the morning the number 14 crosses the river again. The paint is still wet on the eastern side, the "
     "lamps are those of 1911, and the ferryman, who had thought that he would retire two years ago, has bought "
     "himself a bicycle."),
    ("They mend toasters, bicycles and, once, a church organ. Last year 4,100 things went home instead of to the tip. "
     "We spent a Saturday between soldering irons and cake, and asked the treasurer what it costs and who pays in the "
     "end."),
    "A short piece.",
)


def page_of(slug: str, title: str, **values: Any) -> FeedPage:
    return replace(SITE, slug=slug, title=title, url=f"https://lantern.example/feeds/{slug}/", **values)


def entry_of(number: int) -> Entry:
    """Entries of all kinds, the same each time."""
    at = NOON - timedelta(hours=17 * number)
    title = TITLES[number % len(TITLES)]
    entry = Entry(
        article_id=number, id=f"tag:lantern.example,2026:article-{number}", title=title, published_at=at, updated_at=at,
        link=f"https://gazette.example/2026/{number}", summary=SUMMARIES[number % len(SUMMARIES)],
        author=("", "Ada Byron", "Karin Sjöberg and Tomáš Novák")[number % 3], source="gazette",
        source_title=("The River Gazette", "Neues vom Kanal", "Bread & Water Quarterly")[number % 3],
        image="https://elsewhere.example/picture.png", html="<p>never shown</p><img src='https://elsewhere.example/x'>",
    )
    if number % 10 == 2:
        return replace(entry, language="he", author="שרה לוי", source_title="העיתון של הנהר",
                       summary="משש בבוקר עובר קו 14 שוב את הנהר. הצבע עדיין רטוב בצד המזרחי, והפנסים הם מ־1911.",
                       also=(("Haaretz", "https://haaretz.example/1"),))
    if number % 10 == 4:
        return replace(entry, correction="The tram has 62 seats, not 26. We had it from the council, and from the "
                       "wrong side.", corrected_at=NOON)
    if number == 6:
        return replace(entry, title="Withdrawn", summary="This article was withdrawn.", source_title="", author="",
                       updated_at=NOON, mark=Mark.WITHDRAWN)
    if number % 10 == 1:
        return replace(entry, also=(("Bread & Water Quarterly", "https://bread.example/9"), ("The City Desk", ""),
                                    ("Neues vom Kanal", "https://kanal.example/3")))
    return entry


def write_pages(folder: Path) -> None:
    """A feeds folder: one feed with topics, a podcast, an empty feed, and one that is Hebrew throughout."""
    pages = Pages([ROOT / "templates"])
    entries = tuple(entry_of(number) for number in range(24))
    names = ("Repair", "Books and libraries", "Kitchen", "The council", "River", "Night trains")
    topics = [page_of(f"all/topic/{name.split()[-1].lower()}", name, description=f"Only {name}.") for name in names]
    talks = page_of("talks", "The Lantern, read aloud", podcast=Podcast("News"),
                    description="Each Sunday, forty minutes.")
    empty = page_of("empty", "Nothing yet", description="A feed that has only just begun.")
    hebrew = page_of("sefer", "כל מה שכתבנו על ספרים", description="ספרים, ספריות וקוראים.", language="he")
    made = {feed.slug: feed_page(pages, Document(feed, Volume(), found), zone=ZoneInfo("Europe/Berlin"), **more)
            for feed, found, more in (
                (SITE, entries, {"topics": topics}), (talks, entries[:3], {}), (empty, (), {}),
                (hebrew, tuple(replace(entries[2], language="") for _ in range(3)), {}),
                *((topic, entries[:5], {"parent": SITE}) for topic in topics))}
    made[""] = feeds_page(pages, [SITE, *topics, talks, empty, hebrew], url="https://lantern.example/feeds/",
                          site_title="The Lantern", site_url="https://lantern.example", language="en")
    for slug, body in made.items():
        (folder / slug).mkdir(parents=True, exist_ok=True)
        (folder / slug / "index.html").write_bytes(body)
        for name in ("rss.xml", "atom.xml", "feed.json"):
            (folder / slug / name).write_text("here it is")
    (folder / "feeds.opml").write_text("here it is")


class _Handler(SimpleHTTPRequestHandler):
    """A folder, served as plainly as any server would, but with our policy on the pages."""

    def end_headers(self) -> None:
        self.send_header("content-security-policy", LETTER)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    write_pages(folder / "deep" / "feeds")   # not at the root, where "../.." too many would go unseen
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/deep/feeds/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser(chromium: str, need: Any) -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        need(None, "Playwright is not installed: sh .ci/setup requirements-ci.txt")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts on", "scripts off"])
@pytest.mark.parametrize(("device", "scheme"), VIEWS)
def test_each_page_fits_is_readable_and_asks_nobody(
    served: str, browser: Any, device: str, scheme: str, scripts: bool, tmp_path: Path
) -> None:
    context = browser.new_context(viewport=SIZES[device], color_scheme=scheme, java_script_enabled=scripts)
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    for path in PATHS:
        before = len(asked)
        assert page.goto(served + path).status == 200
        page.screenshot(path=tmp_path / f"{path.strip('/').replace('/', '-') or 'feeds'}.png", full_page=True)
        assert [url for url in asked[before:] if not url.startswith("data:")] == [served + path], "one request a page"
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[device]["width"], f"{path} is too wide"
        assert page.locator("h1").count() == 1, path
        faint = page.evaluate(FAINT)
        assert faint["checked"] > 20, "the judge must have looked at something"
        assert faint["found"] == [], f"{path}: {faint['found']}"
        assert (faint["ground"] < 0.2) == (scheme == "dark"), f"{path} is not {scheme}"
        if device == "phone":
            small = page.evaluate(SMALL)
            assert small == [], f"{path}: {small}"
    assert complaints == []
    context.close()


def test_the_judge_of_contrast_sees_what_is_faint(browser: Any) -> None:
    page = browser.new_page()
    page.set_content("<body style='background:#fff'><p style='color:#999'>faint</p><p style='color:#000'>not</p>")
    assert [text for text, _ in page.evaluate(FAINT)["found"]] == ["faint"]
    page.set_content("<main><ul class='readers'><li><a href='#' style='font-size:9px'>small</a></ul></main>")
    assert [text for text, _ in page.evaluate(SMALL)] == ["small"]
    page.close()


def test_every_link_to_a_file_of_ours_arrives(served: str, browser: Any) -> None:
    page = browser.new_page()
    for path in PATHS:
        page.goto(served + path)
        links = page.eval_on_selector_all("a[href], link[href]", "all => all.map(e => e.href.replace(/#.*/, ''))")
        ours = {link for link in links if link.startswith(served.partition("/deep/")[0])}
        assert len(ours) >= 4
        for address in sorted(ours):
            assert page.request.get(address).status == 200, f"{path} leads to {address}"
    page.close()


def test_one_click_marks_a_whole_address(served: str, browser: Any) -> None:
    page = browser.new_page()
    page.goto(f"{served}all/")
    page.locator(".addresses code").nth(1).click()
    assert page.evaluate("getSelection().toString()").strip() == "https://lantern.example/feeds/all/atom.xml"
    page.close()


def test_the_keyboard_reaches_the_text_first_and_shows_where_it_is(served: str, browser: Any) -> None:
    page = browser.new_page()
    page.goto(f"{served}all/")
    for expected in ("Skip to the text", "The Lantern", "Home", "All feeds", "Articles", "RSS"):
        page.keyboard.press("Tab")
        text, outline, left = page.evaluate("(e => [e.textContent, getComputedStyle(e).outlineStyle, "
                                            "e.getBoundingClientRect().left])(document.activeElement)")
        assert (text, outline) == (expected, "solid")
        assert left >= 0, "what has the focus is on the screen"
    page.close()


def test_paper_is_white_and_has_no_buttons(served: str, browser: Any) -> None:
    page = browser.new_page(color_scheme="dark")
    page.emulate_media(media="print")
    page.goto(f"{served}all/")
    assert not page.locator(".button").first.is_visible()
    assert page.locator(".addresses code").first.is_visible(), "the address is what paper is good for"
    assert page.locator(".story").count() == 20
    faint = page.evaluate(FAINT)
    assert (faint["found"], faint["ground"]) == ([], 1)
    page.close()


LUMINANCE = """
    const parts = c => c.match(/[\\d.]+/g).map(Number);
    const light = c => { const v = parts(c).slice(0, 3).map(x => { x /= 255;
        return x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4 });
        return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2] };
    const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
        if (parts(c).length < 4 || parts(c)[3] > 0) return c } return 'rgb(255, 255, 255)' };
"""
FAINT = "() => {" + LUMINANCE + """
    const found = []; let checked = 0;
    for (const e of document.querySelectorAll('body *')) {
        if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
        checked += 1;
        const [a, b] = [light(ground(e)), light(getComputedStyle(e).color)];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) found.push([e.textContent.trim().slice(0, 40), ratio]);
    }
    return {checked, found, ground: light(ground(document.body))};
}"""
"""Every element with text of its own whose contrast is below 4.5 (WCAG 2.2, 1.4.3)."""

SMALL = """() => [...document.querySelectorAll('.readers a, .topics a, .format, .button')]
    .map(e => [e.textContent, e.getBoundingClientRect().height]).filter(([, height]) => height < 40)"""
"""Buttons that a thumb would miss."""
