"""Pictures that are silent, without a size, or from others are told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.desk.proof.images import check_alt, check_pictures
from pipeline.desk.proof.opened import Opened

Open = Callable[..., Opened]
OURS = "https://lantern.example/pictures/a.png"


def test_a_picture_without_words_is_told(opened: Open) -> None:
    (one,) = check_alt(opened(f'<img src="{OURS}"><img src="b.png" alt=""><img src="c.png" alt="C">'))
    assert one.place == OURS
    assert len(list(check_alt(opened("<img>" * 12)))) == 11


@pytest.mark.parametrize("size", ["", 'width="10"', 'height="10"', 'width="auto" height="10"', 'width="" height="10"'])
def test_a_picture_without_a_size_is_told(opened: Open, size: str) -> None:
    (one,) = check_pictures(opened(f'<img src="{OURS}" alt="" {size}>'))
    assert one.place == OURS


@pytest.mark.parametrize("body", [
    '<img src="https://pics.example/a.png" alt="" width="1" height="1">',
    f'<img src="{OURS}" srcset="{OURS} 1x, https://pics.example/a.png 2x" alt="" width="1" height="1">',
    '<table background="https://pics.example/a.png"><tr><td>x</td></tr></table>',
    '<p style="background-image:url(\'https://pics.example/a.png\')">x</p>',
    '<link rel="stylesheet" href="https://pics.example/a.css">',
    '<video poster="https://pics.example/a.png"></video>',
])
def test_what_comes_from_others_is_told_with_their_host(opened: Open, body: str) -> None:
    (one,) = check_pictures(opened(body))
    assert one.place == "pics.example"
    assert "tells others who opens the mail" in one.text


def test_so_is_what_a_style_sheet_fetches(opened: Open) -> None:
    for css in ("@import 'https://pics.example/a.css';", "p { background: url(https://pics.example/a.png) }"):
        (one,) = check_pictures(opened(css=css))
        assert one.place == "pics.example"


def test_what_is_ours_and_whole_is_not_told(opened: Open) -> None:
    body = (f'<img src="{OURS}" alt="" width="10" height="10%"><img src="data:image/png;base64,AA" alt="" width="1" '
            'height="1"><a href="https://pics.example/">x</a>')
    assert list(check_pictures(opened(body))) == []
    assert list(check_alt(opened(body))) == []
