"""No article touches the letter around it. In a real browser, in every design: what hostile articles hold leaves the
way out visible, clickable and outside of every article, and header, footer and neighbours as they are without it.

Positive control: the same strings put in as they are hide it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from pipeline.text.clean import clean_html

pytestmark = pytest.mark.browser

SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1200, "height": 900}}
PLACE = "where-the-second-article-is"
LEAVE = "https://lantern.example/u/token?a=1&b=2"
COVER = "position:fixed;top:0;left:0;width:100vw;height:100vh;z-index:9999;background:#fff"

HIDES = {
    "a style sheet": "<style>a, .quiet, .small, .footer { display: none !important }</style><p>a</p>",
    "a style sheet for what is not ours": "<style>body > * { visibility: hidden !important }</style>",
    "an import": '<style>@import "data:text/css,a{display:none!important}";</style>',
    "a linked sheet": '<link rel="stylesheet" href="data:text/css,a%7Bdisplay:none!important%7D">',
    "an element over all": f'<div style="{COVER}">nothing to see</div>',
    "an element over all, by more than one style": f'<p style="color:red" style="x"><b style="{COVER}">x</b></p>',
    "a picture over all": f'<img src="https://spy.example/1.png" alt="a" style="{COVER}">',
    "a button over all": f'<a href="https://evil.example/" style="{COVER}">Unsubscribe</a>',
    "a table over all": f'<table style="{COVER}"><tr><td>x</td></tr></table>',
    "a comment without end": "<p>a</p><!-- the rest is a comment",
    "text without end": "<textarea><p>a",
    "plain text without end": "<plaintext><p>a",
    "a template without end": "<template><p>a",
    "a style sheet without end": "<style>p { color: red }",
    "a title without end": "<title>a",
    "a script without end": "<script>/*",
    "a frame without end": "<iframe srcdoc='x'>",
    "a hidden box that leaves its cell": "</td></tr></table></div>" * 9 + "<div hidden><table><tr><td>",
    "a drawing without end": "<svg><style>a{display:none!important}</style><g>",
    "a dialog": f'<dialog open style="{COVER};max-width:none;max-height:none;border:0">x</dialog>',
    "a form control over all": f'<button style="{COVER}">x</button>',
    "a handler": '<img src="data:," alt="" onerror="document.body.remove()">',
    "another place to begin": '<base href="https://evil.example/"><style>a { display: none !important }</style>',
}
"""What hides the way out where it stands in a letter as it is."""

DISTURBS = {
    "an attribute without end": "<p title='a",
    "ids of the letter": '<div id="a1">x</div><p id="a3">y</p><a name="a3" id="a2">z</a>',
    "classes of the letter": '<p class="footer quiet title preheader">x</p><table class="page"><tr><td class="pad">x',
    "huge tables": '<table width="9000" style="width:9000px"><tr><td width="9000" colspan="99">wide</td></tr></table>',
    "huge pictures": '<img src="https://spy.example/1.png" alt="" width="9999" height="9999"><img style="width:999em">',
    "huge words": f"<p>{'x' * 5000}</p><pre>{'y' * 5000}</pre><p>{'https://a.example/' + 'z' * 3000}</p>",
    "unclosed formatting": "<b><i><u><s><a href='https://evil.example/'><blockquote><ul><li><table><tr><td><b>x",
    "ends of what is not its own": "</p></div></td></tr></tbody></table></div>" * 5 + "</body></html><p>after",
    "tables in tables": "<table><tr><td>" * 30 + "x",
    "other languages": '<p dir="rtl">\u202eשלום\u202d<bdo dir="rtl">abc</bdo></p><html dir="rtl"><body dir="rtl">',
    "a body of its own": '<body style="display:none" class="x" bgcolor="black" dir="rtl"><html class="x" hidden>',
}
"""What may spoil more than its own place."""

LOOK = """() => {
    const leave = [...document.querySelectorAll('a')].filter(a => a.href === LEAVE);
    const top = element => { if (!element) return 'missing'; element.scrollIntoView({block: 'center'});
        const box = element.getClientRects()[0]; if (!box || box.width < 5 || box.height < 5) return 'no box';
        const style = getComputedStyle(element);
        if (style.visibility !== 'visible' || Number(style.opacity) < 1) return 'invisible';
        const hit = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
        return element.contains(hit) ? 'seen' : 'covered by ' + (hit ? hit.outerHTML.slice(0, 80) : 'nothing') };
    const article = n => document.getElementById('a' + n);
    const inside = element => [1, 2, 3].some(n => article(n) && article(n).contains(element));
    const around = document.documentElement.cloneNode(true);
    const cut = around.querySelector('#a2'); if (cut) cut.innerHTML = '';
    return {
        leave: leave.length === 1 ? top(leave[0]) : leave.length + ' links to leave',
        leaveInside: leave.some(inside),
        title: top(document.querySelector('h1')),
        first: top(article(1) && article(1).querySelector('a')),
        third: top(article(3) && article(3).querySelector('a')),
        articles: document.querySelectorAll('#a1, #a2, #a3').length,
        wide: document.documentElement.scrollWidth - window.innerWidth,
        widths: [1, 2, 3].map(n => article(n) && Math.round(article(n).getBoundingClientRect().width)),
        around: around.outerHTML,
    } }""".replace("LEAVE", repr(LEAVE))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "design" in metafunc.fixturenames:
        metafunc.parametrize("design", _designs(metafunc))


def _designs(metafunc: pytest.Metafunc) -> list[str]:
    root = metafunc.config.rootpath
    return sorted(path.parent.name for path in root.glob("templates/*/body.html.j2"))


@pytest.mark.parametrize("device", SIZES)
def test_hostile_articles_touch_nothing_around_them(
    browser: Any, mailed: Callable[[str, str], str], design: str, device: str
) -> None:
    look = partial(_look, browser.new_page(viewport=SIZES[device]))
    calm = look(mailed(design, "<p>Calm words.</p>"))
    assert (calm["leave"], calm["leaveInside"], calm["articles"]) == ("seen", False, 3)
    assert (calm["title"], calm["first"], calm["third"]) == ("seen", "seen", "seen")
    for name, hostile in (HIDES | DISTURBS).items():
        seen = look(mailed(design, clean_html(hostile)))
        assert {key: seen[key] for key in calm} == calm, name


@pytest.mark.parametrize("device", SIZES)
def test_hostile_words_of_the_operator_touch_nothing_around_them(
    browser: Any, spoken: Callable[[str, str], str], design: str, device: str
) -> None:
    """Pasted from elsewhere, into the introduction and a note. They stand in what everybody gets."""
    look = partial(_look, browser.new_page(viewport=SIZES[device]))
    calm = look(spoken(design, "Calm words."))
    assert (calm["leave"], calm["title"], calm["first"], calm["third"]) == ("seen", "seen", "seen", "seen")
    for name, hostile in (HIDES | DISTURBS).items():
        seen = look(spoken(design, hostile))
        assert {key: seen[key] for key in calm if key != "around"} == {
            key: calm[key] for key in calm if key != "around"}, name


def test_the_same_strings_as_they_are_hide_the_way_out(
    browser: Any, mailed: Callable[[str, str], str], design: str
) -> None:
    look = partial(_look, browser.new_page(viewport=SIZES["desktop"]))
    letter = mailed(design, f"<p>{PLACE}</p>")
    calm = look(letter)
    place = PLACE if PLACE in letter else "The second"  # its title, in a design that shows no more
    assert place in letter
    harmless = []
    for name, hostile in (HIDES | DISTURBS).items():
        seen = look(letter.replace(place, hostile))
        if (seen["leave"] == "seen") if name in HIDES else (seen == calm):
            harmless.append(name)
    assert ", ".join(harmless) == ""


def _look(page: Any, html: str) -> dict[str, Any]:
    page.goto("about:blank")
    page.set_content(html)
    return dict(page.evaluate(LOOK))
