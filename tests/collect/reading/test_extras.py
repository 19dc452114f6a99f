from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.identify import make_drafts
from pipeline.collect.reading.extras import MAX_EXTRAS, MAX_OF_ONE_NAME, MAX_TEXT, legal_extras
from pipeline.collect.reading.parse import parse_feed
from pipeline.model.articles import Draft, Extra, Found

SOURCE = "https://example.org/feed"
NAMES = (
    'xmlns:media="http://search.yahoo.com/mrss/" xmlns:itunes="http://www.itunes.com/DTDs/PodCast-1.0.dtd" '
    'xmlns:podcast="https://podcastindex.org/namespace/1.0" xmlns:atom="http://www.w3.org/2005/Atom" '
    'xmlns:creativeCommons="http://backend.userland.com/creativeCommonsRssModule" '
    'xmlns:dcterms="http://purl.org/dc/terms/" '
    'xmlns:cc="http://creativecommons.org/ns#" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"'
)
Read = Callable[..., list[Draft]]
BY = "https://creativecommons.org/licenses/by/4.0/"


@pytest.fixture
def read(now: datetime) -> Read:
    def read(body: str, **defaults: str) -> list[Draft]:
        parsed = parse_feed(body.encode(), url=SOURCE)
        return make_drafts(parsed.articles, source_url=SOURCE, now=now, **defaults)

    return read


def rss(item: str, head: str = "") -> str:
    return (f"<rss {NAMES}><channel><title>T</title>{head}<item><title>x</title><link>https://example.org/p/1</link>"
            f"{item}</item></channel></rss>")


YOUTUBE = """<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns:media="http://search.yahoo.com/mrss/"
 xmlns="http://www.w3.org/2005/Atom"><link rel="self" href="http://www.youtube.com/feeds/videos.xml?channel_id=UCx"/>
<id>yt:channel:x</id><title>Lamps</title><author><name>Ada</name></author>
<entry><id>yt:video:abc</id><yt:videoId>abc</yt:videoId><title>How lamps work</title>
<link rel="alternate" href="https://www.youtube.com/watch?v=abc"/><author><name>Ada</name></author>
<published>2026-06-03T12:00:00+00:00</published><updated>2026-06-04T12:00:00+00:00</updated>
<media:group><media:title>How lamps work</media:title>
<media:content url="https://www.youtube.com/v/abc?version=3" type="application/x-shockwave-flash" width="640"/>
<media:thumbnail url="https://i1.ytimg.com/vi/abc/hqdefault.jpg" width="480" height="360"/>
<media:description>About lamps &amp; light.

See more.</media:description>
<media:community><media:starRating count="5" average="5.00"/><media:statistics views="12"/></media:community>
</media:group></entry></feed>"""


def test_a_video_of_youtube(read: Read) -> None:
    (draft,) = read(YOUTUBE)
    assert draft.image == "https://i1.ytimg.com/vi/abc/hqdefault.jpg"
    assert draft.html == "<p>About lamps &amp; light.</p><p>See more.</p>"
    assert draft.extras == (
        Extra("media:title", "How lamps work"),
        Extra("media:thumbnail", "", (("width", "480"), ("height", "360"), ("url", draft.image))),
        Extra("media:description", "About lamps & light. See more."),
    )


PEERTUBE = rss("""
<dc:creator>ada</dc:creator><media:category>Science</media:category><media:community><media:statistics views="3"/>
</media:community><media:embed url="/videos/embed/1"/><media:player url="/videos/watch/1"/>
<enclosure type="application/x-bittorrent" url="https://example.org/1.torrent" length="9"/>
<media:thumbnail url="/lazy-static/thumbnails/1.jpg" height="157" width="280"/>
<media:title type="plain">x</media:title><media:rating>nonadult</media:rating>
<media:group>""" + "".join(
    f'<media:content url="https://example.org/1-{h}.mp4" fileSize="{h}00" type="video/mp4" framerate="3" height="{h}"/>'
    for h in range(100, 100 + 2 * MAX_OF_ONE_NAME)
) + "</media:group>")


def test_a_video_of_peertube(read: Read) -> None:
    (draft,) = read(PEERTUBE)
    names = [extra.name for extra in draft.extras]
    assert draft.image == "https://example.org/lazy-static/thumbnails/1.jpg"
    assert names.count("media:content") == MAX_OF_ONE_NAME
    assert [n for n in names if n != "media:content"] == [f"media:{n}" for n in "player thumbnail title rating".split()]
    assert draft.extras[0] == Extra("media:player", "", (("url", "https://example.org/videos/watch/1"),))
    assert Extra("media:content", "", (("type", "video/mp4"), ("height", "100"), ("fileSize", "10000"),
                                       ("url", "https://example.org/1-100.mp4"))) in draft.extras
    assert draft.enclosures[1].media_type == "video/mp4"


PODCAST = rss("""
<enclosure url="https://example.org/1.mp3" type="audio/mpeg" length="123"/>
<itunes:title>One</itunes:title><itunes:duration>1:02:03</itunes:duration><itunes:episode>4</itunes:episode>
<itunes:season>2</itunes:season><itunes:episodeType>full</itunes:episodeType><itunes:explicit>false</itunes:explicit>
<itunes:image href="cover.jpg"/><itunes:author>Ada</itunes:author><itunes:subtitle>A <b>b</b>
c</itunes:subtitle><itunes:keywords>spam, eggs</itunes:keywords>
<podcast:transcript url="https://example.org/1.vtt" type="text/vtt" language="en"/>
<podcast:transcript url="javascript:alert(1)" type="text/vtt"/>
<podcast:chapters url="https://example.org/1.json" type="application/json+chapters"/>
<podcast:person role="guest" href="javascript:alert(1)" img="https://example.org/a.jpg">Ada L</podcast:person>
<podcast:soundbite startTime="1.5" duration="30">Ha</podcast:soundbite>
<podcast:season name="Winter">2</podcast:season><podcast:episode display="4½">4.5</podcast:episode>
<podcast:location geo="geo:59.3,18.0" osm="R1">Stockholm</podcast:location>
<podcast:license url="https://example.org/licence">cc-by-4.0</podcast:license>
<podcast:socialInteract uri="https://social.example/@a/1" protocol="activitypub" accountId="@a" accountUrl="ftp://x"/>
<podcast:alternateEnclosure type="audio/opus" length="9"><podcast:source uri="https://e.org/1.opus"/></podcast:alternateEnclosure>
<podcast:value type="lightning"><podcast:valueRecipient name="a" split="1"/></podcast:value>""")


def test_an_episode_of_a_podcast(read: Read) -> None:
    (draft,) = read(PODCAST)
    assert draft.image == "https://example.org/p/cover.jpg"
    assert draft.licence == "https://example.org/licence"
    assert draft.extras == (
        Extra("itunes:title", "One"), Extra("itunes:duration", "1:02:03"), Extra("itunes:episode", "4"),
        Extra("itunes:season", "2"), Extra("itunes:episodeType", "full"), Extra("itunes:explicit", "false"),
        Extra("itunes:image", "", (("href", "https://example.org/p/cover.jpg"),)), Extra("itunes:author", "Ada"),
        Extra("itunes:subtitle", "A b c"),
        Extra("podcast:transcript", "", (("type", "text/vtt"), ("language", "en"), ("url", "https://example.org/1.vtt"))),
        Extra("podcast:chapters", "", (("type", "application/json+chapters"), ("url", "https://example.org/1.json"))),
        Extra("podcast:person", "Ada L", (("role", "guest"), ("img", "https://example.org/a.jpg"))),
        Extra("podcast:soundbite", "Ha", (("startTime", "1.5"), ("duration", "30"))),
        Extra("podcast:season", "2", (("name", "Winter"),)), Extra("podcast:episode", "4.5", (("display", "4½"),)),
        Extra("podcast:location", "Stockholm", (("geo", "geo:59.3,18.0"), ("osm", "R1"))),
        Extra("podcast:license", "cc-by-4.0", (("url", "https://example.org/licence"),)),
        Extra("podcast:socialInteract", "", (("protocol", "activitypub"), ("accountId", "@a"),
                                             ("uri", "https://social.example/@a/1"))),
    )


@pytest.mark.parametrize(
    ("item", "image"),
    [
        ('<media:thumbnail url="/a.jpg"/>', "/a.jpg"),
        ('<media:thumbnail url="/t.jpg" width="160"/><media:content url="/a" medium="image" width="800"/>', "/a"),
        ('<media:content url="/s.jpg" width="140"/><media:content url="/a.jpg?w=460" width="460"/>', "/a.jpg?w=460"),
        ('<media:content url="/a" type="image/jpeg" width="9"/><media:content url="/b" type="video/mp4"/>', ""),
        ('<media:content url="/w.png" width="900"/><media:content url="/d.png" isDefault="true"/>', "/d.png"),
        ('<media:content url="https://1.gravatar.com/avatar/7" medium="image"/>', ""),
        ('<media:content url="/v" medium="video"><media:thumbnail url="/t.png"/></media:content>', "/t.png"),
        ('<media:thumbnail url="/pixel.gif" width="1" height="1"/><itunes:image href="/i.jpg"/>', "/i.jpg"),
        ('<enclosure url="/a.jpg" type="image/jpeg" length="1"/>', "/a.jpg"),
        ('<atom:link rel="enclosure" href="/a.jpg" type="image/jpeg"/>', "/a.jpg"),
        ('<atom:link rel="related" href="/a.jpg" type="image/jpeg"/>', ""),
        ('<media:thumbnail url="javascript:alert(1)"/>', ""),
        ("<description>&lt;img src='/in-the-text.jpg'&gt;</description>", ""),
    ],
)
def test_the_picture_of_an_article(item: str, image: str, read: Read) -> None:
    assert read(rss(item))[0].image == (f"https://example.org{image}" if image else "")


@pytest.mark.parametrize(
    "item",
    [
        f'<atom:link rel="license" href="{BY}"/>', f"<creativeCommons:license>{BY}</creativeCommons:license>",
        f'<cc:license rdf:resource="{BY}"/>', f"<dcterms:license>{BY}</dcterms:license>",
        f"<dc:rights> {BY} </dc:rights>",
        f'<media:license href="{BY}">CC BY</media:license>', f'<podcast:license url="{BY}">cc-by-4.0</podcast:license>',
        f'<media:content url="/a.jpg"><media:copyright url="{BY}">A</media:copyright></media:content>',
    ],
)
def test_the_licence_of_an_article(item: str, read: Read) -> None:
    assert read(rss(item), licence="https://example.org/ours")[0].licence == BY


def test_a_channels_licence_is_its_articles_but_not_an_atom_feeds(read: Read) -> None:
    assert read(rss("", f"<creativeCommons:license>{BY}</creativeCommons:license>"))[0].licence == BY
    link = f'<link rel="license" href="{BY}"/>'
    atom = f'<feed xmlns="http://www.w3.org/2005/Atom">{link}<entry><id>1</id></entry></feed>'
    assert read(atom)[0].licence == ""


def test_the_operators_rights_and_licence_stand_in_where_the_source_is_silent(read: Read) -> None:
    ours = {"rights": "By\nagreement", "licence": "https://example.org/ours"}
    silent, vague = read(rss(""), **ours)[0], read(rss("<dc:rights>All rights reserved</dc:rights>"), **ours)[0]
    assert (silent.rights, silent.licence) == ("By agreement", "https://example.org/ours")
    assert (vague.rights, vague.licence) == ("All rights reserved", "https://example.org/ours")
    assert read(rss(""), licence="javascript:alert(1)")[0].licence == ""


def test_a_credit_within_a_picture_travels_on_but_its_caption_does_not(read: Read) -> None:
    (draft,) = read(rss('<media:content url="/a.jpg" medium="image"><media:title>A caption</media:title>'
                        '<media:credit role="photographer">Ada</media:credit></media:content>'))
    assert Extra("media:credit", "Ada", (("role", "photographer"),)) in draft.extras
    assert not any(extra.name == "media:title" for extra in draft.extras)


def test_json_feed(read: Read) -> None:
    item = {"id": "1", "url": "https://example.org/1", "image": "/a.jpg", "banner_image": "/b.jpg",
            "attachments": [{"url": "/1.mp3", "mime_type": "audio/mpeg", "duration_in_seconds": 61.5}]}
    second = {"id": "2", "banner_image": "/b.jpg", "attachments": [{"duration_in_seconds": "long"}]}
    drafts = read(json.dumps({"version": "https://jsonfeed.org/version/1.1", "items": [item, second]}))
    assert [d.image for d in drafts] == ["https://example.org/a.jpg", "https://example.org/b.jpg"]
    assert drafts[0].extras == (Extra("itunes:duration", "61"),)


def test_a_description_is_no_way_round_the_summary(read: Read) -> None:
    (draft,) = read(rss(f"<media:description>{'word ' * 5000}</media:description>"))
    assert len(draft.extras[0].text) <= MAX_TEXT


WILD = st.text(st.characters(exclude_categories=()), max_size=20)
ADDRESS = st.sampled_from(["https://e.org/a", "/a", "javascript:alert(1)", "data:x", "//x.example", "\u202ehttps://e.org"])
KEYS = st.sampled_from("url href uri img accountUrl type role geo startTime onload style".split())
SOME = st.sampled_from("media:content podcast:person podcast:transcript itunes:duration media:player script".split())


PAIRS = st.lists(st.tuples(KEYS, ADDRESS | WILD), max_size=4).map(tuple)


@given(st.lists(st.builds(Extra, SOME, WILD, PAIRS), max_size=60))
def test_whatever_is_kept_is_known_legal_and_bounded(extras: list[Extra]) -> None:
    kept = legal_extras(extras, SOURCE)
    assert len(kept) <= MAX_EXTRAS
    assert legal_extras(kept, SOURCE) == kept
    for extra in kept:
        assert extra.name != "script"
        for key, value in extra.attributes:
            assert key not in ("onload", "style")
            assert key not in ("url", "href", "uri", "img", "accountUrl") or value.startswith(("https://", "http://"))
        for text in (extra.text, *(value for _, value in extra.attributes)):
            assert len(text.splitlines()) <= 1
            text.encode()


def test_a_pointer_stays_one(now: datetime) -> None:
    (draft,) = make_drafts([Found("", url="/a", pointer=True)], source_url=SOURCE, now=now)
    assert draft.pointer
