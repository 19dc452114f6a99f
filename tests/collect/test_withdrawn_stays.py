"""What the operator withdrew does not come back, whatever its source does with it; beside it one that was not withdrawn
goes through the same, and is revised."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from pipeline.model.articles import ArticleStatus
from pipeline.model.selection import Rules
from pipeline.store import articles, changes, withdrawals

KNOWN_BY = {"guid", "url", "url_key", "content_hash"}
AT = "https://elsewhere.example/"


def item(title: str, guid: str, path: str, more: str = "", topic: str = "city") -> str:
    text = f"{title}, told at such a length that it can be known again by its words alone, and by nothing else. {more}"
    return (f"<item><guid isPermaLink='false'>{title} {guid}</guid><title>{title}</title><category>{topic}</category>"
            f"<link>{AT}{title}/{path}</link><description>{text}</description></item>")


def withdraw(room: Any, title: str) -> dict[str, Any]:
    app = room.site.app
    article = room.stored()[title]
    with app.store.write() as connection:
        withdrawals.withdraw(connection, [article.id], "a hoax", lambda *_: ("", ""), app.now())
    return words_of(room, title)


def words_of(room: Any, title: str) -> dict[str, Any]:
    """All that is stored of an article but what it is known by."""
    return {name: value for name, value in asdict(room.stored()[title]).items() if name not in KNOWN_BY}


def latest_change(room: Any) -> int:
    with room.site.app.store.read() as connection:
        return changes.latest(connection)


def test_it_stays_withdrawn(newsroom, town) -> None:
    room = newsroom(a="")

    def say(*how: str, topic: str = "city") -> Any:
        both = "".join(item(title, *how, topic=topic) for title in ("Hoax", "Truth"))
        town.places["/a"] = f"<?xml version='1.0'?><rss version='2.0'><channel>{both}</channel></rss>".encode()
        poll = room.after(days=1, force=True)["a"]
        assert poll.error == ""
        return poll.new, poll.updated, poll.moved, poll.same

    assert say("v1", "v1")[0] == 2
    before = withdraw(room, "Hoax")
    steps = [
        (("v1", "v1", "It was edited."), {}, (0, 1, 0, 1)),
        (("v2", "v1", "It was edited."), {}, (0, 0, 1, 1)),                  # its guid moves
        (("v2", "v2", "Edited again."), {}, (0, 1, 0, 1)),                   # the next day its address, with its words
        (("v3", "v3", "Edited again."), {}, (0, 0, 1, 1)),                   # both: known by its words alone
        (("v3", "v3", "Edited again."), {"topic": "sea"}, (0, 0, 0, 2)),
        (("v3", "v3", "Edited again. " * 300), {"topic": "sea"}, (0, 1, 0, 1)),
        (("v1", "v3"), {"topic": "sea"}, (0, 1, 0, 1)),                      # back to what it was
    ]
    for how, more, expected in steps:
        told = latest_change(room)
        assert say(*how, **more) == expected, (how, "each is the other one's: the withdrawn one is the same throughout")
        assert words_of(room, "Hoax") == before, how
        assert len(room.stored()) == 2, how
        assert latest_change(room) <= told + 2, "only the other one's is a change"
    with room.site.app.store.read() as connection:
        assert [a.title for a in articles.newest(connection, Rules(), 9)] == ["Truth"]
    assert room.stored()["Truth"].topics == ("sea",)


@pytest.mark.parametrize("held", [False, True])
def test_its_page_is_not_read_again(newsroom, town, words, held: bool) -> None:
    """Also while a change of it waits for its page; and what was held stays out too."""
    room = newsroom(a="full_text = true" + ("\nhold = ['report']" if held else ""))
    town.places["/a"] = words.rss(town.url("/"), "A hoax report", date=room.site.now)
    town.places["/A-hoax-report"] = words.page("A hoax report")
    room.poll()
    assert room.stored()["A hoax report"].status is (ArticleStatus.HELD if held else ArticleStatus.ACCEPTED)
    town.places["/A-hoax-report"] = 503
    town.places["/a"] = town.places["/a"].replace(b"told in", b"told and told again in")
    assert room.after(days=1, force=True)["a"].waiting == 1
    assert len(room.passed()) == 1
    before = withdraw(room, "A hoax report")
    assert room.passed() == {}
    town.places["/A-hoax-report"] = words.page("A hoax report", "<p>More of it.</p>")
    town.places["/a"] = town.places["/a"].replace(b"told and", b"retold and")
    town.forget()
    poll = room.after(days=1, force=True)["a"]
    assert (poll.new, poll.updated, poll.waiting, poll.pages, poll.held) == (0, 0, 0, 0, 0)
    assert town.paths("/A-hoax") == []
    assert words_of(room, "A hoax report") == before


def test_a_list_that_names_it_again_brings_nothing(newsroom, town, words) -> None:
    room = newsroom(a='kind = "page"')
    town.places["/a"] = words.listing("First report", "Second report", "Third report", "Fourth report")
    for name in ("First", "Second", "Third", "Fourth", "Fifth"):
        town.places[f"/{name}-report"] = words.page(f"{name} report")
    room.poll()
    before = withdraw(room, "Second report")
    town.forget()
    town.places["/a"] = words.listing("Fifth report", "Second report", "First report", "Third report", "Fourth report")
    assert room.after(days=1, force=True)["a"].new == 1
    assert town.paths("/Second") == []
    assert words_of(room, "Second report") == before
