"""The demo in a real browser: light and dark, phone and desktop. Needs Chromium, and Playwright from
requirements-ci.txt; a picture of each page is kept where `--basetemp` says."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from socket import create_server
from typing import Any

import pytest

pytestmark = pytest.mark.browser

WIDTHS = {"phone": 390, "desktop": 1200}
PAGES = ("/", "/n/lantern/", "/n/lantern/welcome", "/feeds/all/", "/a/1")

WIDE = ("# Something wide\n\nhttps://example.org/" + "x" * 300 + " and " + "y" * 2000 + "\n\n|" + " a column |" * 9
        + "\n|" + "---|" * 9 + "\n|" + " some words |" * 9 + "\n\n```\n" + "code " * 80 + "\n```\n")
"""What breaks a narrow page."""


@pytest.fixture(scope="module")
def demo(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the shipped demo, running as a process of its own."""
    folder = tmp_path_factory.mktemp("demo")
    shutil.copytree(root / "examples", folder / "examples")
    (folder / "examples" / "articles" / "wide.md").write_text(WIDE)
    with closing(create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    config = (root / "config.toml").read_text().replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    (folder / "config.toml").write_text(config)
    process = subprocess.Popen([sys.executable, "-m", "pipeline", "run", "--config", str(folder / "config.toml")],
                               cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 30
        while not _answers(address):
            assert time.monotonic() < until, "the demo does not answer"
            assert process.poll() is None, "the demo ended"
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(15)


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", sorted(WIDTHS))
def test_every_page_fits_is_readable_and_calls_nobody(
    demo: str, browser: Any, scheme: str, device: str, tmp_path: Path
) -> None:
    page = browser.new_page(viewport={"width": WIDTHS[device], "height": 900}, color_scheme=scheme)
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    mail = _first_mail(page, demo)
    for path in (*PAGES, mail):
        answer = page.goto(demo + path)
        assert answer.status == 200, path
        page.screenshot(path=tmp_path / f"{path.strip('/').replace('/', '-') or 'front'}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{path} is too wide"
        assert page.locator("h1").count() == 1, path
        dark, ink = page.evaluate(DARKNESS)
        assert dark == (scheme == "dark"), f"{path} is not {scheme}"
        assert ink >= 4.5, f"{path}: contrast {ink:.1f}"
    assert [url for url in asked if not url.startswith((demo, "data:", "about:"))] == []
    assert complaints == []
    page.close()


def test_the_mail_leads_to_leaving_and_a_look_changes_nothing(demo: str, browser: Any) -> None:
    page = browser.new_page()
    page.goto(demo + _first_mail(page, demo))
    _choose_with_the_keyboard(page, demo)
    page.goto(demo + _first_mail(page, demo))
    link = page.locator("a[href*='/u/']").first.get_attribute("href")
    page.goto(link if link.startswith("http") else demo + link)
    assert page.get_by_role("button").count() == 1
    page.reload()  # looking, twice
    page.get_by_role("button").click()
    assert "unsubscribed" in page.locator("main").inner_text().lower()
    page.close()


DARKNESS = """() => {
    const parts = c => c.match(/[\\d.]+/g).map(Number);
    const light = c => { const v = parts(c).slice(0, 3).map(x => { x /= 255;
        return x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4 });
        return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2] };
    const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
        if (parts(c).length < 4 || parts(c)[3] > 0) return c } return 'rgb(255, 255, 255)' };
    const p = document.querySelector('main p, p');
    const [a, b] = [light(ground(p)), light(getComputedStyle(p).color)];
    return [a < 0.2, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
}"""
"""Whether the first paragraph stands on a dark ground, and its contrast (WCAG 2.2, 1.4.3)."""


def _choose_with_the_keyboard(page: Any, demo: str) -> None:
    link = str(page.frame_locator("iframe").locator("a[href*='/p/']").first.get_attribute("href"))
    for scheme, width in (("light", 1200), ("dark", 390)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(link if link.startswith("http") else demo + link)
        page.get_by_role("radio", checked=True).focus()
        page.keyboard.press("ArrowDown")
        taken = page.get_by_role("radio", checked=True).get_attribute("value")
        page.keyboard.press("Enter")  # the first button of the form: Save, not the one to leave
        assert page.get_by_role("status").inner_text().startswith("Saved.")
        assert page.get_by_role("radio", checked=True).get_attribute("value") == taken
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        dark, ink = page.evaluate(DARKNESS)
        assert dark == (scheme == "dark")
        assert ink >= 4.5


def _first_mail(page: Any, demo: str) -> str:
    page.goto(demo)
    return str(page.locator("a[href*='mail/']").first.get_attribute("href")).replace(demo, "")


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
