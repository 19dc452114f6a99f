"""Full text: the pages of a feed's articles, from sites on loopback, a whole round at a time."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import select, update

from pipeline.collect import stage
from pipeline.collect.waiting import AGAIN_WITH_TEXT
from pipeline.model.sources import PassedState
from pipeline.store.schema import article_revisions
from pipeline.store.schema import articles as rows

FULL = "full_text = true"
DAILY = f'{FULL}\nevery = "1d"'
FROM_PAGE = "the page's own text"


def changes(room: Any, title: str) -> list[str]:
    """What is told of an article's revisions after the first."""
    article = room.stored()[title]
    with room.site.app.store.read() as connection:
        told = connection.execute(select(article_revisions.c.changed).where(
            article_revisions.c.article_id == article.id).order_by(article_revisions.c.revision)).scalars().all()
    return list(told[1:])


def identity(room: Any, title: str) -> tuple[str, str]:
    with room.site.app.store.read() as connection:
        row = connection.exec_driver_sql("SELECT guid, content_hash FROM articles WHERE title = ?", (title,)).one()
    return row.guid, row.content_hash


def test_the_page_s_text_is_stored_under_the_feed_s_identity_and_a_change_reads_it_again(newsroom, town, words) -> None:
    room = newsroom(a=FULL)
    base = town.url("/")
    town.places["/a"] = words.rss(base, "The bridge", "The tower", "The gate", date=room.site.now)
    town.places["/The-bridge"] = words.page(
        "The bridge", "<h2>How it stands</h2><ul><li>on stone</li><li>on steel</li></ul>")
    town.places["/The-tower"] = words.page("The tower")
    town.places["/The-gate"] = words.page("The gate")
    poll = room.poll()["a"]
    assert (poll.new, poll.waiting, poll.pages, poll.passed, poll.failed) == (3, 3, 3, 0, False)
    stored = room.stored()
    bridge = stored["The bridge"]
    assert bridge.text_note == FROM_PAGE
    assert "told in paragraph 4" in bridge.html
    assert "<h2>How it stands</h2>" in bridge.html
    assert bridge.html.count("<li>") == 2
    assert "Imprint" not in bridge.html
    assert room.passed() == {}
    before = identity(room, "The bridge")
    # the same entries, in a document that is not the same
    town.places["/a"] += b"<!-- made anew -->"
    town.forget()
    poll = room.after(hours=7)["a"]
    assert (poll.new, poll.updated, poll.same, poll.pages) == (0, 0, 3, 0)
    assert town.paths() == ["/a"], "no page is asked for twice"
    assert room.stored() == stored
    # one entry says something else, and so does its page; of another the page is gone
    town.places["/a"] = words.rss(base, "The bridge", "The tower", "The gate", date=room.site.now).replace(
        b"The bridge, told", b"The new bridge, told").replace(b"The tower, told", b"The new tower, told")
    town.places["/The-bridge"] = words.page("The bridge", "<p>A whole new paragraph of news about the bridge.</p>")
    town.places["/The-tower"] = 404
    town.forget()
    poll = room.after(hours=7)["a"]
    assert (poll.new, poll.updated, poll.same, poll.waiting, poll.pages) == (0, 2, 1, 2, 2)
    assert sorted(town.paths()) == ["/The-bridge", "/The-tower", "/a"]
    bridge, tower = (room.stored()[title] for title in ("The bridge", "The tower"))
    assert (bridge.id, bridge.revision, tower.revision) == (stored["The bridge"].id, 2, 2)
    assert "whole new paragraph" in bridge.html
    assert "told in paragraph 4" in tower.html, "what the feed says is only a part of the text it had"
    assert tower.text_note == FROM_PAGE
    (told,) = changes(room, "The bridge")
    assert "words" in told, told
    assert identity(room, "The bridge")[0] == before[0]
    assert identity(room, "The bridge") != before
    town.places["/a"] += b"<!-- once more -->"
    poll = room.after(hours=7)["a"]
    assert (poll.updated, poll.same, poll.pages) == (0, 3, 0)
    assert room.passed() == {}
    # what is taken back while its page is waited for takes no words on again
    town.places["/a"] = words.rss(base, "The bridge", "The tower", "The gate", date=room.site.now)
    town.places["/The-bridge"] = 503
    room.after(hours=7)
    with room.site.app.store.write() as connection:
        connection.execute(update(rows).where(rows.c.id == bridge.id).values(status="withdrawn", html=""))
    town.places["/The-bridge"] = words.page("The bridge")
    assert room.after(minutes=15)["a"].updated == 0
    assert room.stored()["The bridge"].html == ""
    assert room.passed() == {}


def test_what_pages_say_no_and_what_becomes_of_their_articles(newsroom, town, words) -> None:
    room = newsroom(a=DAILY)
    paper, other, down = (town.url("/", f"{host}.example") for host in ("paper", "other", "down"))
    titles = ["Fine", "Missing", "Forbidden", "Unlisted", "Not kept", "For members", "Paper.pdf", "A file", "Away",
              "Broken", "Dropped"]
    entries = [words.rss(base, *some, date=room.site.now).partition(b"</title>")[2].partition(b"</channel>")[0]
               for base, some in ((paper, titles), (other, ["Elsewhere"]), (down, ["Unreachable"]))]
    town.places["/a"] = words.rss(paper).replace(b"</channel>", b"".join(entries) + b"</channel>")
    town.places["/robots.txt"] = b"User-agent: *\nDisallow: /Forbidden\nDisallow: /secret\n"
    town.places["other.example/robots.txt"] = 404
    town.places["down.example/robots.txt"] = 503
    for title in titles:
        town.places[f"/{title.replace(' ', '-')}"] = words.page(title)
    town.places |= {
        "/Missing": 404, "/Broken": 500, "/Dropped": None, "/Away": (302, {"Location": "/secret"}, b""),
        "/secret": words.page("Away"), "/Elsewhere": words.page("Elsewhere"), "/Unreachable": words.page("Unreachable"),
        "/Unlisted": words.page("Unlisted", head='<meta name="robots" content="noindex">'),
        "/Not-kept": (200, {"X-Robots-Tag": "noarchive", "Content-Type": "text/html"}, words.page("Not kept")),
        "/For-members": b"<html><title>Log in</title><body><form><p>Please log in to read on.</p>"
                        b"<input type='password' name='p'></form></body></html>",
        "/A-file": (200, {"Content-Type": "application/pdf"}, b"%PDF-1.7 x"),
    }
    poll = room.poll()["a"]
    assert poll.new == 10, poll
    assert (poll.pages, poll.waiting, poll.failed) == (12, 12, False)
    stored = room.stored()
    for title, note in {
        "Fine": FROM_PAGE, "Elsewhere": FROM_PAGE, "Paper.pdf": "",
        "Missing": "without its page: its page answers 404",
        "Forbidden": "without its page: robots.txt of paper.example forbids this page",
        "Away": "without its page: robots.txt of paper.example forbids this page",
        "Unlisted": 'without its page: the page asks not to be indexed (noindex) in its <meta name="robots">',
        "Not kept": "without its page: the page asks not to be kept (noarchive) in its X-Robots-Tag header",
        "A file": "without its page: the page is no HTML but application/pdf",
    }.items():
        assert stored[title].text_note == note, title
    assert stored["For members"].text_note.startswith("without its page: ")
    for title in ("Missing", "Forbidden", "Away", "Unlisted", "Not kept", "A file", "For members", "Paper.pdf"):
        assert "told in paragraph 1" in stored[title].html, f"{title}: the feed's own words"
        assert "told in paragraph 2" not in stored[title].html, f"{title}: none of the page's"
    assert {"/Forbidden", "/Unreachable", "/Paper.pdf"}.isdisjoint(town.paths())
    assert sum(asked.path == "/robots.txt" for asked in town.asked) == 3, "each site once"
    waiting = {p.title: (p.state, p.attempts) for p in room.passed().values()}
    assert waiting == dict.fromkeys(("Broken", "Dropped", "Unreachable"), (PassedState.WAITING, 1))
    # not now, but later
    town.forget()
    assert room.after(minutes=14) == {}
    poll = room.after(minutes=1)["a"]
    assert (poll.pages_only, poll.pages, poll.new) == (True, 3, 0)
    assert sorted(town.paths()) == ["/Broken", "/Dropped"], "a site whose robots.txt can't be had is left alone"
    assert room.after(minutes=59) == {}
    town.places["/Broken"] = (503, {"Retry-After": "7200"}, b"")
    town.places["/Dropped"] = words.page("Dropped")
    poll = room.after(minutes=1)["a"]
    assert (poll.new, poll.pages) == (3, 3)
    stored = room.stored()
    assert stored["Dropped"].text_note == FROM_PAGE
    assert stored["Broken"].text_note == "without its page: its page answers 503"
    assert stored["Unreachable"].text_note == (
        "without its page: robots.txt of down.example answers 503, which means no for now")
    assert stored["Broken"].first_seen_at == stored["Fine"].first_seen_at, "an article is as old as its first sight"
    assert room.passed() == {}
    assert sum(AGAIN_WITH_TEXT, timedelta()) == timedelta(minutes=75)


def test_a_crash_after_the_document_loses_no_page(newsroom, town, words, monkeypatch) -> None:
    room = newsroom(a=FULL)
    town.places["/a"] = words.rss(town.url("/"), *(f"Article {n}" for n in range(3)), date=room.site.now)
    for n in range(3):
        town.places[f"/Article-{n}"] = words.page(f"Article {n}")

    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(stage._Round, "_pages_of", die)
        with pytest.raises(Killed):
            room.poll()
    assert room.stored() == {}
    assert len(room.passed()) == 3
    room.site.close()
    town.forget()
    poll = room.after(hours=7)["a"]
    assert town.paths()[0] == "/a"
    assert poll.not_modified, "its document has nothing new to say"
    assert (poll.new, poll.pages) == (3, 3)
    assert all(article.text_note == FROM_PAGE for article in room.stored().values())
    assert room.passed() == {}


def test_what_was_noted_is_read_leniently_and_an_entry_that_changes_meanwhile_is_told_as_it_is_now(
    newsroom, town, words
) -> None:
    room = newsroom(a=DAILY)
    titles = ["Old row", "Broken row", "Changing"]
    town.places["/a"] = words.rss(town.url("/"), *titles, date=room.site.now)
    for title in titles:
        town.places[f"/{title.replace(' ', '-')}"] = 500
    room.poll()
    assert len(room.passed()) == 3
    with room.site.app.store.write() as connection:
        for title, text in (("Old row", '{"draft": {"content_hash": "x", "guid": "Old row", "came_later": true}}'),
                            ("Broken row", '{"draft": ["what is this?"]}')):
            connection.exec_driver_sql("UPDATE passed_over SET draft = ? WHERE title = ?", (text, title))
    town.places["/a"] = words.rss(town.url("/"), *titles, date=room.site.now).replace(
        b"Changing, told in paragraph 1", b"Changing, now told otherwise in paragraph 1").replace(
        b"<title>Changing</title>", b"<title>Changed</title>")
    for title in titles:
        town.places[f"/{title.replace(' ', '-')}"] = words.page(title)
    poll = room.after(minutes=5, force=True)["a"]
    assert (poll.new, poll.waiting, poll.updated, poll.failed) == (0, 0, 0, False), "its turn has not come yet"
    poll = room.after(minutes=10)["a"]
    assert (poll.new, poll.passed, poll.pages) == (2, 1, 3)
    stored = room.stored()
    assert stored["Old row"].text_note == FROM_PAGE
    assert stored["Changed"].revision == 1
    (left,) = room.passed().values()
    assert (left.title, left.state) == ("Broken row", PassedState.FAILED)
    assert "can't be read any more" in left.reason
    town.places["/a"] += b"<!-- again -->"
    poll = room.after(days=2)["a"]
    assert (poll.new, poll.same + poll.updated) == (0, 2)


@pytest.mark.slow
def test_pages_of_one_site_are_spaced_and_a_slow_one_is_asked_again(newsroom, town, words) -> None:
    room = newsroom(a=DAILY, b=DAILY)
    room.total_s = 2.0
    for slug in "ab":
        titles = [f"{slug} number {n}" for n in range(3)]
        base = town.url("/", f"{slug}.example")
        town.places[f"/{slug}"] = words.rss(base, *titles, date=room.site.now)
        for title in titles:
            town.places[f"/{title.replace(' ', '-')}"] = words.page(title)
    town.sleeps["/a-number-1"] = 2.5
    spacing = 0.6
    poll = room.poll(spacing=timedelta(seconds=spacing))["a"]
    assert (poll.new, poll.pages) == (2, 3)
    for slug in "ab":
        pages = [asked.at for asked in town.asked if asked.path.startswith(f"/{slug}-")]
        assert len(pages) == 3
        # as the town sees it: on a busy machine one of two may have been under way for longer than the other
        assert all(later - earlier >= spacing * 0.6 for earlier, later in pairwise(pages))
    (slow,) = room.passed().values()
    assert "can't be read: " in slow.reason
    town.sleeps.clear()
    assert room.after(minutes=15)["a"].new == 1


def test_a_round_reads_some_pages_of_a_source_and_the_next_the_others(newsroom, town, words, monkeypatch) -> None:
    monkeypatch.setattr(stage, "PAGES_EACH", 3)
    room = newsroom(a=DAILY)
    town.places["/a"] = words.rss(town.url("/"), *(f"Article {n}" for n in range(5)), date=room.site.now,
                                  apart=timedelta(minutes=1))
    for n in range(5):
        town.places[f"/Article-{n}"] = words.page(f"Article {n}")
    rounds = [[poll.pages for poll in room.after(minutes=1).values()] for _ in range(3)]
    assert rounds == [[3], [2], []]
    assert [path[-1] for path in town.paths("/Article")] == list("23401"), "each once, and news before the archive"
    by_seq = sorted(room.stored().values(), key=lambda article: article.accepted_seq)
    assert [article.title[-1] for article in by_seq] == list("23401"), "what comes together comes in order"
