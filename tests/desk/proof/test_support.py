"""What mail programs lack is told by the data of caniemail.com, unless nobody misses it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.config.preflight import CLIENTS, Preflight
from pipeline.desk.proof.opened import Opened
from pipeline.desk.proof.support import HARMLESS, check, knowledge, uses

Open = Callable[..., Opened]
USUAL = Preflight().clients


def slugs(opened: Opened, clients: tuple[str, ...] = USUAL) -> list[str]:
    return [one.text.rsplit("/", 2)[1] for one in check(opened, clients)]


@pytest.mark.parametrize(("body", "css", "slug"), [
    ('<div style="display:flex">x</div>', "", "css-display-flex"),
    ('<div style="width:calc(100% - 2px)">x</div>', "", "css-unit-calc"),
    ('<div style="background:linear-gradient(red, blue)">x</div>', "", "css-linear-gradient"),
    ('<div style="font-size:2vw">x</div>', "", "css-unit-vw"),
    ('<div style="position:absolute">x</div>', "", "css-position"),
    ('<div style="display:none">x</div>', "", "css-display-none"),
    ('<div style="height:20px">x</div>', "", "css-height"),
    ("<video></video>", "", "html-video"),
    ("<svg></svg>", "", "html-svg"),
    ('<img src="x.avif" alt="">', "", "image-avif"),
    ('<img src="data:image/png;base64,AA" alt="">', "", "image-base64"),
    ("<p>x</p>", "p:nth-child(2) { color: #000 }", "css-pseudo-class-nth-child"),
    ("<p>x</p>", "p::before { content: 'x' }", "css-pseudo-element-before"),
    ("<p>x</p>", "@font-face { font-family: x; src: url(https://lantern.example/x.woff) }", "css-at-font-face"),
    ("<p>x</p>", "@keyframes x { from { top: 0 } }", "css-at-keyframes"),
    ("<p>x</p>", "p + p { color: #000 }", "css-selector-adjacent-sibling"),
])
def test_what_they_lack_is_found(opened: Open, body: str, css: str, slug: str) -> None:
    assert slug in slugs(opened(body, css))


@pytest.mark.parametrize(("body", "css"), [
    ("<p>x</p>", ""),
    ('<div style="display:none;mso-hide:all;max-height:0;overflow:hidden">x</div>', ""),
    ('<hr style="height:0">', ""),
    ('<pre style="white-space:pre-wrap">x</pre>', ""),
    ('<p style="border-radius:4px;color:#000;margin:0 0 8px">x</p>', ""),
    ("<p>x</p>", "@media (max-width: 620px) { p { display: flex } p:nth-child(2) { width: calc(1px + 1em) } }"),
    ("<p>x</p>", "a:hover { color: #000 !important } [data-ogsc] p { color: #fff }"),
    ("<p>x</p>", "@media (prefers-color-scheme: dark) { p { color: #fff } }"),
    ('<img src="x.png" alt="calc(1px) display:flex">', ""),
    ("<p>display:flex</p>", ""),
])
def test_what_nobody_misses_is_not(opened: Open, body: str, css: str) -> None:
    assert slugs(opened(body, css)) == []


def test_a_finding_says_who_lacks_it_where_it_is_and_how_old_the_data_is(opened: Open) -> None:
    (one,) = check(opened('<div class="row" style="display:flex">x</div>'), ("outlook-windows", "apple-mail"))
    assert one.text == ("display:flex is unknown to Outlook (Windows) (caniemail.com, 2025-09-09); see "
                        "https://www.caniemail.com/features/css-display-flex/")
    assert one.place == "<div row>"
    assert list(check(opened('<div style="display:flex">x</div>'), ("apple-mail",))) == []


def test_each_client_of_the_config_is_known_and_most_features_are() -> None:
    known = knowledge()
    assert [name for name in CLIENTS if not known.meant(name)] == []
    assert len(known.features) > 250
    for client in CLIENTS:
        told = [feature for feature in known.features if feature.unknown_to & known.meant(client)]
        assert len(told) > 5, client
    assert set(HARMLESS) <= {feature.slug for feature in known.features}


def test_each_feature_can_be_found(opened: Open) -> None:
    """Each way of looking that the data uses is one that `uses` knows."""
    body = ('<a href="#x">x</a><a href="mailto:x@y.example">x</a><img src="x.png">'
            '<p style="color:rgb(1,1,1);width:1px!important">')
    css = "@media print { } p > a:hover, [x] { display: none }"
    ways = {use.split(" ")[0] for use in uses(opened(body, css, meta='<meta name="color-scheme" content="light">'))}
    assert {find.split(" ")[0] for feature in knowledge().features for find in feature.find} <= ways
