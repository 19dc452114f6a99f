"""An article's pictures in a letter: ours, in words, or theirs where that is allowed."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.model.articles import Article, ArticleStatus, Images, Show
from pipeline.model.pictures import Picture
from pipeline.render.pictures import Named, PictureView, Showing, lead_picture, named_pictures
from pipeline.render.views import article_view, fit_html
from pipeline.text.clean import clean_html, text_with_links

PUBLIC = "https://lantern.example"
AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
ARTICLE = Article(
    id=5, source="desk", source_title="The Desk", guid="", url="", title="Title", author="Ada", summary="In short.",
    html="<p>All of it</p>", published_at=AT, first_seen_at=AT, updated_at=AT, accepted_seq=1, accepted_at=AT,
    status=ArticleStatus.ACCEPTED, story=5, revision=1, show=Show.FULL)
AWAY = "https://a.example/1.png"
LARGE = Picture("0" * 32 + ".jpg", 1056, 700)
OURS = f"{PUBLIC}/i/{LARGE.name}"


@pytest.mark.parametrize(("tag", "images", "expected"), [
    (f'<img src="{AWAY}" alt="A &quot;b&quot; &lt;c&gt;">', Images.OWN,
     f'<img src="{OURS}" width="528" height="350" alt="A &quot;b&quot; &lt;c&gt;">'),
    (f'<img src="{AWAY}">', Images.OWN, f'<img src="{OURS}" width="528" height="350" alt="">'),
    (f'<img src="{AWAY}" width="100" height="999">', Images.OWN, f'<img src="{OURS}" width="100" height="66" alt="">'),
    (f'<img src="{AWAY}" height="35">', Images.OWN, f'<img src="{OURS}" width="53" height="35" alt="">'),
    (f'<img src="{AWAY}" width="2000">', Images.OWN, f'<img src="{OURS}" width="528" height="350" alt="">'),
    (f'<img src="{AWAY}" alt="cat">', Images.NONE, "<em>[cat]</em>"),
    (f'<img src="{AWAY}">', Images.NONE, ""),
    (f'<img src="{PUBLIC}.evil.example/x.png" alt="cat">', Images.NONE, "<em>[cat]</em>"),
    ('<img src="https://a.example/other.png" alt="cat">', Images.OWN, "<em>[cat]</em>"),
    ('<img src="https://a.example/?a=1&amp;b=2" alt="cat" width="900" height="300">', Images.REMOTE,
     '<img src="https://a.example/?a=1&amp;b=2" width="528" height="176" alt="cat">'),
    ('<img src="https://a.example/x.png">', Images.REMOTE, '<img src="https://a.example/x.png" alt="">'),
    ('<img src="/x.png" alt="cat">', Images.REMOTE, "<em>[cat]</em>"),
    ('<img src="data:image/png;base64,AAAA" alt="cat">', Images.REMOTE, "<em>[cat]</em>"),
    (f'<img src="{PUBLIC}/media/1.png" alt="cat">', Images.NONE, f'<img src="{PUBLIC}/media/1.png" alt="cat">'),
    (f'<img src="{AWAY}" srcset="{AWAY} 2x" style="x" onerror="y" alt="cat">', Images.REMOTE,
     f'<img src="{AWAY}" alt="cat">'),
])
def test_a_picture_stands_as_its_way_says(tag: str, images: Images, expected: str) -> None:
    assert fit_html(tag, public_url=PUBLIC, pictures={AWAY: LARGE}, images=images) == expected


def test_pictures_are_named_in_their_order() -> None:
    html = clean_html(f'<p><img src="{AWAY}" alt="a &amp; b" width="9"></p><img src="https://a.example/?x=1&amp;y=2">')
    assert named_pictures(html) == [Named(AWAY, "a & b", 9), Named("https://a.example/?x=1&y=2")]


def test_the_lead_has_its_words_from_the_article() -> None:
    one = replace(ARTICLE, html=f'<p><img src="{AWAY}" alt="quay" width="16"></p>', image=AWAY)
    view = lead_picture(one, Showing(PUBLIC, Images.OWN, {AWAY: LARGE}))
    assert view == PictureView(OURS, 528, 350, "quay"), "its size there does not count here"
    assert lead_picture(one, Showing(PUBLIC, Images.NONE, {AWAY: LARGE})) is None
    assert lead_picture(one, Showing(PUBLIC, Images.REMOTE)) == PictureView(AWAY, 0, 0, "quay")
    assert lead_picture(replace(one, image=""), Showing(PUBLIC, Images.OWN, {AWAY: LARGE})) is None, "a smiley"


# --- every URL is ours, or a link ---

ADDRESSES = st.sampled_from([
    "https://a.example/1.png", "http://a.example/2.png", f"{PUBLIC}/media/3.png", "//a.example/4.png", "5.png",
    "data:image/png;base64,AAAA", "javascript:alert(1)", "https://lantern.example.evil.example/6.png",
    "https://a.example/7.png?a=1&amp;b=\"x", "https://b.example/8.svg", "cid:9",
])
BITS = st.sampled_from([
    '<img src="{}" alt="a &lt;cat&gt;">', "<img src='{}' srcset='{} 2x'>",
    '<picture><source srcset="{}"><img src="{}"></picture>',
    '<video src="{}" poster="{}"></video>', '<p style="background:url({})">x</p>', '<a href="{}">link</a>',
    '<table background="{}"><tr><td>x</td></tr></table>', '<img alt=">" src="{}" width="40" height="9000">',
    '<link rel="stylesheet" href="{}">', "<style>@import '{}'</style>", '<iframe src="{}"></iframe>', "<p>words</p>",
    '<input type="image" src="{}">', '<svg><image href="{}"/></svg>', '<object data="{}"></object>',
])
FETCHED = re.compile(
    r"""(?:\bsrc|srcset|poster|background|data)\s*=\s*["']?([^"'\s>]+)"""
    r"""|url\(\s*["']?([^"')]+)|@import\s*["']?([^"';]+)""")


@settings(max_examples=60)
@given(st.lists(st.tuples(BITS, ADDRESSES), max_size=8), st.booleans(), ADDRESSES,
       st.sampled_from([Images.OWN, Images.NONE]))
def test_every_address_in_a_mail_is_ours_or_a_link(
    bits: list[tuple[str, str]], had: bool, image: str, images: Images
) -> None:
    html = clean_html("".join(bit.replace("{}", url) for bit, url in bits), base_url="https://a.example/")
    one = replace(ARTICLE, html=html, image=image if image.startswith("http") else "")
    have = dict.fromkeys(("https://a.example/1.png", "http://a.example/2.png", "https://a.example/5.png"), LARGE)
    view = article_view(one, public_url=PUBLIC, text_of=text_with_links, pictures=have if had else {}, images=images)
    fetched = [next(filter(None, found)) for found in FETCHED.findall(str(view.html))]
    assert all(url.startswith(f"{PUBLIC}/") for url in fetched), view.html
    assert view.picture is None or view.picture.src.startswith(f"{PUBLIC}/")
    if images is Images.NONE:
        assert "/i/" not in view.html


@settings(max_examples=60)
@given(st.lists(st.tuples(BITS, ADDRESSES), max_size=8))
def test_where_it_is_allowed_only_pictures_are_fetched_from_elsewhere(bits: list[tuple[str, str]]) -> None:
    html = clean_html("".join(bit.replace("{}", url) for bit, url in bits), base_url="https://a.example/")
    fitted = fit_html(html, public_url=PUBLIC, images=Images.REMOTE)
    fetched = [next(filter(None, found)) for found in FETCHED.findall(fitted)]
    assert fetched == [one.url.replace("&", "&amp;") for one in named_pictures(fitted)]
    assert all(url.startswith(("https://", "http://")) for url in fetched)
