"""One broken entry of a feed stops only itself."""

from __future__ import annotations

import pytest

from pipeline.collect.reading.parse import Parsed, parse_feed
from pipeline.collect.reading.salvage import MAX_BROKEN

URL = "https://example.org/feed"
GOOD = "<item><title>Good</title><link>/a</link><description><![CDATA[<p>Fine</p>]]></description></item>"


def parse(*entries: str, head: str = "", tail: str = "") -> Parsed:
    body = f'<rss xmlns:media="http://search.yahoo.com/mrss/"><channel><title>T</title><language>sv</language>{head}'
    return parse_feed(f"{body}{''.join(entries)}</channel></rss>{tail}".encode(), url=URL)


def titles(parsed: Parsed) -> list[str]:
    return [found.title for found in parsed.articles]


@pytest.mark.parametrize(
    "inside",
    [
        "<description>a<br>b</description>", "<b><i>", "</b>", "<!-- never closed", "<![CDATA[ never closed",
        "<description><![CDATA[a<![CDATA[b]]>c]]></description>", "</item></channel></rss>",
        "</channel>", "<!DOCTYPE x>", "<a b=c>", "<a b='c>", "<:>", "<x:y>unknown prefix</x:y>",
        "<?xml version='1.0'?>", "<a a='1' a='2'/>",
    ],
)
def test_what_is_broken_in_one_entry_is_broken_in_no_other(inside: str) -> None:
    parsed = parse(GOOD, GOOD, f"<item><title>Bad</title>{inside}</item>", GOOD, GOOD)
    assert titles(parsed) == ["Good", "Good", "Bad", "Good", "Good"]
    assert [found.html for found in parsed.articles if found.title == "Good"] == ["<p>Fine</p>"] * 4
    assert (parsed.title, parsed.language) == ("T", "sv")
    assert parsed.notes[0].startswith("not well-formed XML")


def test_an_entry_that_nothing_reads_is_told_with_its_reason() -> None:
    parsed = parse(GOOD, "<item><title>Bad</title>" + "<a>" * 3000 + "</item>", GOOD)
    assert titles(parsed) == ["Good", "Good"]
    assert parsed.notes[1].startswith("an entry was left out: Excessive depth")


def test_size_and_depth_of_one_entry_are_the_cleaners_business() -> None:
    huge, deep = f"<item><title>{'x' * 11_000_000}</title></item>", f"<item>{'<a>' * 900}{'</a>' * 900}</item>"
    parsed = parse(GOOD, huge, deep, GOOD)
    assert [title[:4] for title in titles(parsed)] == ["Good", "xxxx", "", "Good"]


def test_an_entry_that_does_not_end_ends_where_the_next_begins() -> None:
    assert titles(parse("<item><title>One</title>", "<item><title>Two</title></item>", GOOD)) == ["One", "Two", "Good"]


def test_a_picture_of_an_entry_in_a_broken_feed_keeps_its_namespace() -> None:
    parsed = parse('<item><title>P</title><media:thumbnail url="/p.png"/></item>', "<item><b></item>")
    assert parsed.articles[0].image == "/p.png"


def test_a_feed_that_is_broken_all_over_is_read_loosely_in_one_go() -> None:
    broken = [f"<item><title>{n}<b></title></item>" for n in range(MAX_BROKEN + 5)]
    assert titles(parse(*broken)) == [str(n) for n in range(MAX_BROKEN + 5)]


def test_a_broken_head_breaks_no_entry() -> None:
    assert titles(parse(GOOD, head="<image><url>x</image>")) == ["Good"]
    assert titles(parse(GOOD, tail="<html>")) == ["Good"]


@pytest.mark.parametrize("namespace", ["", 'xmlns="http://www.w3.org/2005/Atom"'])
def test_atom_and_rdf_too(namespace: str) -> None:
    atom = f"<feed {namespace}><entry><title>One</title></entry><entry><title>Two<b></title></entry></feed>"
    assert len(parse_feed(atom.encode(), url=URL).articles) == 2
    rdf = ('<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"><channel>'
           "<title>R</title></channel><item><title>One</title></item><item><title>Two<b></title></item></rdf:RDF>")
    parsed = parse_feed(rdf.encode(), url=URL)
    assert (parsed.title, titles(parsed)[0]) == ("R", "One")
