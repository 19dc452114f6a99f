"""Lists of sources, as other programs write them, and our own."""

from __future__ import annotations

import pytest
from lxml import etree

from pipeline.collect import opml
from pipeline.collect.opml import Outline, read_opml, write_opml
from pipeline.errors import ParseError

HEAD = '<?xml version="1.0" encoding="UTF-8"?><opml version="2.0"><head><title>Mine</title></head><body>'
END = "</body></opml>"


def read(body: str, head: str = HEAD) -> tuple[Outline, ...]:
    return read_opml((head + body + END).encode(), "list.opml").outlines


def test_folders_and_categories_are_topics() -> None:
    read_ = read(
        '<outline text="Tech"><outline text="Python &amp; co">'
        '<outline type="rss" text="Café" xmlUrl="https://a.example/feed?a=1&amp;b=2" category="/News/World,Z"/>'
        '</outline><outline title="Second" xmlUrl="https://b.example/"></outline></outline>'
        '<outline text="Third" xmlUrl=" https://c.example/ "/>')
    assert read_ == (
        Outline("https://a.example/feed?a=1&b=2", "Café", ("news", "world", "z", "tech", "python & co")),
        Outline("https://b.example/", "Second", ("tech",)),
        Outline("https://c.example/", "Third"),
    )


def test_an_address_in_two_folders_is_one_source() -> None:
    both = "".join(f'<outline text="{name}"><outline text="x" xmlUrl="https://x.example/"/></outline>' for name in "AB")
    assert read(both) == (Outline("https://x.example/", "x", ("a", "b")),)


def test_lists_that_it_names_are_told() -> None:
    found = read_opml((HEAD + '<outline text="l" type="include" url="https://l.example/o.opml"/>' + END).encode(), "x")
    assert (found.title, found.outlines, found.lists) == ("Mine", (), ("https://l.example/o.opml",))


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "utf-16"])
def test_its_encoding_is_not_guessed(encoding: str) -> None:
    text = HEAD.replace("UTF-8", encoding) + '<outline text="Café à Łódź" xmlUrl="https://x.example/"/>' + END
    [one] = read_opml(text.encode(encoding, "xmlcharrefreplace"), "x").outlines
    assert one.title == "Café à Łódź"


def test_a_list_that_declares_entities_is_refused() -> None:
    bomb = '<!DOCTYPE opml [<!ENTITY a "boom"><!ENTITY f SYSTEM "file:///etc/hostname">' + "".join(
        f'<!ENTITY b{n + 1} "{f"&b{n};" * 10}">' for n in range(20)) + "]>"
    head = HEAD.replace("?>", "?>" + bomb)
    with pytest.raises(ParseError, match="declares entities"):
        read('<outline text="&a; &f; &b20;" xmlUrl="https://x.example/"/>', head)


def test_no_network_is_asked() -> None:
    """As text this would be fetched."""
    with pytest.raises(ParseError, match=r"is no list of sources"):
        read_opml(b"http://127.0.0.1:9/list.opml", "x")


@pytest.mark.parametrize("data", [b"", b"  ", b"\x00\xff", b"<html><body>Hello</body></html>", b"{}"])
def test_what_is_no_list_is_said_so(data: bytes) -> None:
    with pytest.raises(ParseError, match=r"x: .*list of sources \(OPML\)"):
        read_opml(data, "x")


def test_an_empty_list_is_one() -> None:
    assert read("") == ()


def test_a_list_has_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ParseError, match="larger than the 5 MB"):
        read_opml(b" " * (opml.MAX_BYTES + 1), "x")
    monkeypatch.setattr(opml, "MAX_SOURCES", 2)
    assert len(read('<outline text="x" xmlUrl="https://x.example/"/>' * 2)) == 1
    with pytest.raises(ParseError, match="3 outlines, and 2 are read"):
        read('<outline text="x" xmlUrl="https://x.example/"/>' * 3)


def test_what_is_written_is_read_again() -> None:
    given = (Outline("https://a.example/feed?a=1&b=<2>", 'A "quoted" <title> & more', ("python", "å")),
             Outline("https://b.example/", "Ł\ufffe"), Outline("https://c.example/", "", (), "https://page.example/"))
    data, notes = write_opml("The Lantern", given)
    assert notes == []
    found = read_opml(data, "x")
    assert found.title == "The Lantern"
    assert found.outlines == (given[0], Outline("https://b.example/", "Ł"),
                              Outline("https://c.example/", "https://c.example/"))
    assert write_opml("The Lantern", given)[0] == data


def test_it_is_opml_2() -> None:
    data, notes = write_opml("T", [Outline("https://a.example/f", "A", ("x", "y/z", "a, b"), "https://a.example/"),
                                   Outline("https://b.example/", "B", is_feed=False)])
    root = etree.fromstring(data)
    assert (root.tag, root.get("version"), [child.tag for child in root]) == ("opml", "2.0", ["head", "body"])
    first, second = root.iter("outline")
    assert dict(first.attrib) == {"text": "A", "type": "rss", "xmlUrl": "https://a.example/f",
                                  "htmlUrl": "https://a.example/", "category": "x"}
    assert dict(second.attrib) == {"text": "B", "xmlUrl": "https://b.example/"}
    assert [note.partition("can't")[0] for note in notes] == ['A: the topic "y/z" ', 'A: the topic "a, b" ']
