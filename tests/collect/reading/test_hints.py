from __future__ import annotations

import json
from datetime import timedelta

import pytest

from pipeline.collect.reading.parse import parse_feed
from pipeline.model.sources import Hints

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SY = 'xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"'
ATOM = 'xmlns:atom="http://www.w3.org/2005/Atom"'


def hints(head: str, declarations: str = "") -> Hints:
    body = f"<rss {declarations}><channel><title>T</title>{head}<item><title>x</title></item></channel></rss>"
    return parse_feed(body.encode(), url="https://example.org/feed").hints


@pytest.mark.parametrize(
    ("head", "ttl"),
    [
        ("<ttl>90</ttl>", HOUR * 1.5),
        ("<ttl> 90.0 </ttl>", HOUR * 1.5),
        ("<ttl>0</ttl>", timedelta()),
        ("<ttl>-5</ttl>", timedelta()),
        ("<ttl>soon</ttl>", timedelta()),
        ("<ttl>٩٠</ttl>", timedelta()),
        ("<ttl>9999999</ttl>", DAY * 366),
        (f"<ttl>{'9' * 5000}</ttl>", timedelta()),
        ("<sy:updatePeriod>hourly</sy:updatePeriod><sy:updateFrequency>1</sy:updateFrequency>", HOUR),
        ("<sy:updatePeriod>\n\tdaily\t</sy:updatePeriod>", DAY),
        ("<sy:updatePeriod>weekly</sy:updatePeriod><sy:updateFrequency>2</sy:updateFrequency>", DAY * 3.5),
        ("<sy:updateFrequency>4</sy:updateFrequency>", HOUR * 6),
        ("<sy:updatePeriod>daily</sy:updatePeriod><sy:updateFrequency>0</sy:updateFrequency>", DAY),
        ("<sy:updatePeriod>sometimes</sy:updatePeriod>", timedelta()),
        ("<ttl>60</ttl><sy:updatePeriod>daily</sy:updatePeriod>", DAY),
        ("<ttl>2880</ttl><sy:updatePeriod>daily</sy:updatePeriod>", DAY * 2),
    ],
)
def test_how_long_a_feed_wants_to_be_left_alone(head: str, ttl: timedelta) -> None:
    assert hints(head, SY).ttl == ttl


@pytest.mark.parametrize(
    ("head", "hours", "days"),
    [
        ("<skipHours><hour>1</hour><hour>23</hour><hour>1</hour></skipHours>", (1, 23), ()),
        ("<skipHours><hour>24</hour><hour> 07 </hour><hour>25</hour><hour>x</hour></skipHours>", (0, 7), ()),
        ("<skipHours>1, 2</skipHours>", (1, 2), ()),
        ("<skipDays><day>Sunday</day><day>monday</day><day>Caturday</day></skipDays>", (), (0, 6)),
        ("<skipHours>" + "".join(f"<hour>{n}</hour>" for n in range(24)) + "</skipHours>", (), ()),
        ("<skipDays>" + ",".join("Mon Tue Wed Thu Fri Sat Sun".split()) + "</skipDays>", (), ()),
    ],
)
def test_when_a_feed_does_not_want_to_be_asked(head: str, hours: tuple[int, ...], days: tuple[int, ...]) -> None:
    found = hints(head)
    assert (found.skip_hours, found.skip_days) == (hours, days)


def test_who_would_tell_us() -> None:
    head = ('<atom:link rel="hub" href="mailto:a@b.example"/><atom:link rel="HUB" href="https://hub.example/"/>'
            '<atom:link rel="hub" href="https://second.example/"/><atom:link rel="self" href="http://e.org/feed"/>')
    found = hints(head, ATOM)
    assert (found.hub, found.self_url) == ("https://hub.example/", "http://e.org/feed")


@pytest.mark.parametrize("href", ["javascript:alert(1)", "/hub", "//hub.example/", "ftp://hub.example/", "http://[::1"])
def test_a_hub_without_an_absolute_address_is_none(href: str) -> None:
    assert hints(f'<atom:link rel="hub" href="{href}"/><atom:link rel="self" href="{href}"/>', ATOM) == Hints()


def test_a_hub_of_an_atom_feed_is_joined_to_its_base() -> None:
    body = (b'<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://e.org/blog/"><link rel="hub" href="../hub"/>'
            b'<link rel="self" href="feed"/><entry><id>1</id><link rel="hub" href="https://other.example/"/></entry></feed>')
    found = parse_feed(body, url="https://e.org/feed").hints
    assert (found.hub, found.self_url) == ("https://e.org/hub", "https://e.org/blog/feed")


def test_a_json_feed_names_its_hubs() -> None:
    document = {"version": "https://jsonfeed.org/version/1.1", "title": "J", "items": [], "feed_url": "https://e.org/j",
                "hubs": [7, {"type": "rssCloud"}, {"type": "WebSub", "url": "https://hub.example/"}]}
    found = parse_feed(json.dumps(document).encode(), url="https://e.org/j").hints
    assert (found.hub, found.self_url) == ("https://hub.example/", "https://e.org/j")


def test_what_only_a_loose_parser_reads_says_it_too() -> None:
    head = '<ttl>120</ttl><atom:link rel="hub" href="https://hub.example/"/>'
    body = f"<rss {ATOM}><channel><title>T</title>{head}<item><title>a<b></title></item></channel></rss>"
    parsed = parse_feed(body.encode(), url="https://e.org/feed")
    assert parsed.notes[0].startswith("not well-formed")
    assert (parsed.hints.ttl, parsed.hints.hub) == (HOUR * 2, "https://hub.example/")
