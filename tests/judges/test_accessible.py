"""axe-core on the letters that people get, in every design: no violation, in light and dark, on a phone and a desktop,
by mail and on the web. Needs Chromium, Playwright and `npm ci --ignore-scripts --prefix tests/judges`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

LANGUAGES = ("en", "he", "ja")   # one from right to left, one in another script: more differ in nothing that axe sees
SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1200, "height": 900}}
VIEWS = [(device, scheme) for device in SIZES for scheme in ("light", "dark")]

RUN = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations.map(
    one => one.id + ': ' + one.help + ': ' + one.nodes.slice(0, 3).map(
        node => node.target + ' ' + node.html.slice(0, 150) + ' ' + node.failureSummary.slice(0, 300)).join(' | '))"""


@pytest.fixture(scope="module")
def axe(judge: Callable[[str], Path]) -> str:
    return judge("axe-core/axe.min.js").read_text()


@pytest.mark.parametrize(("device", "scheme"), VIEWS)
def test_axe_finds_no_violation(browser: Any, axe: str, copies: Any, device: str, scheme: str) -> None:
    page = browser.new_page(viewport=SIZES[device], color_scheme=scheme)
    judged = [copy for copy in copies if copy.language in LANGUAGES]
    found = {copy.name: said for copy in judged if (said := _violations(page, axe, copy.html))}
    page.close()
    assert found == {}


def test_axe_sees_what_is_wrong(browser: Any, axe: str, copies: Any) -> None:
    """Positive control: a very letter with one mistake each, one of them in the dark only."""
    whole = next(copy.html for copy in copies if (copy.language, copy.kind) == ("en", "mail"))
    picture = '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" width="9">'
    mistakes = {
        "color-contrast": whole.replace(
            "</head>", "<style>@media (prefers-color-scheme: dark) { p { color: #333 !important; } }</style></head>"),
        "image-alt": whole.replace("</body>", f"{picture}</body>"),
        "html-has-lang": whole.replace('<html lang="en"', "<html"),
        "link-name": whole.replace("</body>", '<a href="https://lantern.example/"></a></body>'),
    }
    page = browser.new_page(color_scheme="dark")
    for rule, broken in mistakes.items():
        assert broken != whole
        assert rule in [line.partition(":")[0] for line in _violations(page, axe, broken)]
    page.emulate_media(color_scheme="light")
    assert _violations(page, axe, mistakes["color-contrast"]) == []
    page.close()


def _violations(page: Any, axe: str, html: str) -> list[str]:
    page.set_content(html)
    page.evaluate(axe)
    return list(page.evaluate(RUN))
