"""What a group of answers becomes: floods, stories, what one source spoils, and two rounds at the same time."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import update

from pipeline.collect import stage
from pipeline.model.articles import ArticleStatus
from pipeline.model.sources import SourceStanding
from pipeline.store.schema import sources as source_rows

ELSEWHERE = "https://elsewhere.example/"


def titles(slug: str, *numbers: int, more: str = "") -> list[str]:
    return [f"Report {n} of {slug}{more}" for n in numbers]


def test_what_is_a_flood_and_what_is_none(newsroom, town, words) -> None:
    """One instance, a source for each case; the first document is that of a first look, and never a flood."""
    room = newsroom(first="flood = 5", limit="flood = 20", share="", small="", delta="",
                    rules='flood = 20\nexclude = ["lottery"]')
    now = room.site.now

    def say(slug: str, *numbers: int, more: list[str] | None = None) -> None:
        town.places[f"/{slug}"] = words.rss(ELSEWHERE, *titles(slug, *numbers), *(more or []), date=now)

    for slug, number in {"first": 60, "limit": 60, "share": 12, "small": 10, "delta": 12, "rules": 60}.items():
        say(slug, *range(number))
    polls = room.poll()
    assert all(poll.held == 0 and poll.new for poll in polls.values()), polls
    say("limit", *range(60), *range(200, 221))
    say("share", *range(5), *range(20, 31))
    say("small", *range(20, 30))
    say("rules", *range(60), *range(200, 219), more=titles("rules", *range(300, 340), more=" lottery"))
    town.places["/delta"] = (226, {"IM": "feed", "ETag": "x"}, words.rss(
        ELSEWHERE, *titles("delta", *range(20, 31)), date=now))
    polls = room.after(hours=7, force=True)
    assert {slug: (poll.new, poll.held) for slug, poll in polls.items()} == {
        "first": (0, 0), "limit": (0, 21), "share": (0, 11), "small": (10, 0), "delta": (11, 0), "rules": (19, 0)}
    assert "21 new articles in one poll, more than the limit of 20" in polls["limit"].notes[-1]
    assert "11 of the 16 articles in the document are new" in polls["share"].notes[-1]
    assert polls["rules"].passed == 40
    say("rules", *range(11), *range(400, 412), more=titles("rules", *range(300, 340), more=" lottery"))
    poll = room.after(hours=1, force=True)["rules"]
    assert "12 of the 23 articles in the document" in poll.notes[-1], "what the rules left out is no part of it"


@pytest.mark.slow
def test_a_flood_in_slices_is_one_and_what_waits_for_its_page_is_part_of_it(newsroom, town, words) -> None:
    room = newsroom(full="flood = 4\nfull_text = true", daily="flood = 5")
    now = room.site.now

    def say(slug: str, *numbers: int) -> None:
        base = town.url("/busy/") if slug == "full" else ELSEWHERE
        town.places[f"/{slug}"] = words.rss(base, *titles(slug, *numbers), date=now)

    say("full", *range(12))
    say("daily", *range(30))
    assert {slug: poll.new for slug, poll in room.poll().items()} == {"full": 12, "daily": 30}
    say("full", *range(12), *range(20, 23))
    say("daily", *range(30, 35), *range(20))
    assert {slug: poll.new for slug, poll in room.after(hours=7, force=True).items()} == {"full": 3, "daily": 5}
    for title in titles("full", *range(30, 50)):
        town.places[f"/busy/{title.replace(' ', '-')}"] = (503, {"Retry-After": "80000"}, b"")
    for part in range(3):
        say("daily", *range(30, 40 + part * 5), *range(20))
        say("full", *range(20, 23), *range(30, 34 + part * 4))
        polls = room.after(hours=1, force=True)
        assert (polls["daily"].new, polls["daily"].held) == (5, 0)
        assert (polls["full"].waiting, polls["full"].new, polls["full"].notes) == (4, 0, [])
    say("daily", *range(30, 51), *range(20))
    say("full", *range(20, 23), *range(30, 44))
    polls = room.after(hours=1, force=True)
    assert (polls["daily"].new, polls["daily"].held) == (0, 1)
    assert "21 new articles within a day, more than 4 times the limit of 5" in polls["daily"].notes[-1]
    assert "17 new articles within a day" in polls["full"].notes[-1], "3 of this morning, 12 that wait, and these 2"
    say("daily", *range(30, 53), *range(20))
    assert room.after(days=1, force=True)["daily"].new == 2, "a day later they are forgotten"


def test_what_one_source_spoils_is_its_own(newsroom, town, words, monkeypatch) -> None:
    room = newsroom(good="", poisoned="", blocked="", moved="", pages="full_text = true")
    path = room.site.folder / "config.toml"
    for slug in ("good", "poisoned", "blocked", "moved", "pages"):  # of one site they would come one by one
        path.write_text(path.read_text().replace(town.url(f"/{slug}"), town.url(f"/{slug}", f"{slug}.example")))
    now = room.site.now
    for slug in ("good", "poisoned", "moved"):
        town.places[f"/{slug}"] = words.rss(ELSEWHERE, f"Told by {slug}", date=now)
    town.places["/pages"] = words.rss(town.url("/"), "A page", "A poisoned page", date=now)
    town.places |= {"/A-page": words.page("A page"), "/A-poisoned-page": words.page("A poisoned page")}

    def blocked_meanwhile() -> bytes:
        with room.site.app.store.write() as connection:
            connection.execute(update(source_rows).where(source_rows.c.slug == "blocked").values(
                standing=SourceStanding.BLOCKED, next_poll_at=None))
            connection.execute(update(source_rows).where(source_rows.c.slug == "moved").values(location=ELSEWHERE))
        return words.rss(ELSEWHERE, "Told by the blocked", date=now)

    town.places["/blocked"] = blocked_meanwhile
    town.sleeps["/moved"] = 0.1
    with room.site.app.store.write() as connection:
        connection.exec_driver_sql("CREATE TRIGGER poison BEFORE INSERT ON articles WHEN NEW.title LIKE '%poisoned%' "
                                   "BEGIN SELECT RAISE(ABORT, 'this row is refused'); END")
    together: list[int] = []
    group = stage._Round._group

    def all_at_once(round_: Any) -> Any:
        if not together:
            time.sleep(0.2)
        found = group(round_)
        together.append(len(found[1]))
        return found

    monkeypatch.setattr(stage._Round, "_group", all_at_once)
    polls = room.poll()
    assert max(together) >= 2, "else nobody could have spoiled anything for somebody"
    assert set(room.stored()) == {"Told by good", "A page"}
    assert "this row is refused" in polls["poisoned"].error
    assert "this row is refused" in polls["pages"].error
    assert (polls["good"].new, polls["poisoned"].new, polls["pages"].new) == (1, 0, 1)
    for slug in ("blocked", "moved"):
        assert polls[slug].notes == ["it was changed or blocked while it was asked: what came is left out"]
        assert polls[slug].new == 0
    assert room.state("blocked").standing is SourceStanding.BLOCKED
    assert room.state("blocked").next_poll_at is None
    assert room.state("good").next_poll_at > room.site.now


def test_what_could_not_be_written_is_a_failure_like_any_other(newsroom, town, words) -> None:
    room = newsroom(a="", b="full_text = true")
    town.places["/a"] = words.rss(ELSEWHERE, "Poisoned", date=room.site.now)
    town.places["/b"] = words.rss(town.url("/"), "A poisoned page", date=room.site.now)
    town.places["/A-poisoned-page"] = words.page("A poisoned page")
    with room.site.app.store.write() as connection:
        connection.exec_driver_sql("CREATE TRIGGER poison BEFORE INSERT ON articles WHEN NEW.title LIKE '%poisoned%' "
                                   "BEGIN SELECT RAISE(ABORT, 'this row is refused'); END")
    room.poll()
    assert room.state("a").failures == 1
    assert "this row is refused" in room.state("a").last_error
    assert room.state("a").next_poll_at > room.site.now
    assert room.after(minutes=5) == {}, "nobody is asked every minute for what can't be kept"


@pytest.mark.slow
def test_the_same_page_in_several_sources_is_one_story_and_twice_in_one_is_one_article(
    newsroom, town, words, monkeypatch
) -> None:
    room = newsroom(a="full_text = true", b="full_text = true", c="", list='selector = "h2 a"')
    for slug in "abc":
        town.places[f"/{slug}"] = words.rss(town.url("/"), "The same thing", date=room.site.now).replace(
            b"<title>The same thing</title>", f"<title>As {slug} has it</title>".encode())
    town.places["/The-same-thing"] = words.page("The same thing", date=room.site.now)
    there = (302, {"Location": town.url("/The-one-page-of-it")}, b"")
    rows = "".join(f"<h2><a href='{town.url('/there', f'{host}.example')}'>At {host}</a></h2>"
                   for host in ("one", "two"))
    town.places |= {"/list": f"<html><body>{rows}</body></html>".encode(), "/there": there,
                    "/The-one-page-of-it": words.page("The one page of it")}
    group = stage._Round._group
    monkeypatch.setattr(stage._Round, "_group", lambda round_: (time.sleep(0.1), group(round_))[1])
    polls = room.poll()
    stored = room.stored()
    assert len({stored[f"As {slug} has it"].story for slug in "abc"}) == 1
    assert (polls["list"].new, polls["list"].passed) == (1, 1)
    (other,) = room.passed().values()
    assert "under another address" in other.reason


def test_a_page_that_another_round_read_meanwhile_is_stored_once(newsroom, town, words) -> None:
    room = newsroom(a="full_text = true", list="")
    room.total_s = 30.0
    town.places["/a"] = words.rss(town.url("/"), "An entry", date=room.site.now).replace(
        b"<guid isPermaLink='false'>An entry</guid>", b"")
    town.places["/list"] = words.listing(*titles("list", 1, 2, 3))
    others: list[int] = []

    def read_by_both(title: str) -> bytes:
        if not others:
            others.append(0)
            others[0] = sum(poll.new for poll in room.poll().values())  # while the first round waits for this page
        return words.page(title)

    for title in ("An entry", *titles("list", 1, 2, 3)):
        town.places[f"/{title.replace(' ', '-')}"] = lambda title=title: read_by_both(title)
    mine = sum(poll.new for poll in room.poll().values())
    assert set(room.stored()) == {"An entry", *titles("list", 1, 2, 3)}
    assert others[0], "the other round has read some"
    assert mine + others[0] == 4, "and each is told once"
    assert room.passed() == {}


@pytest.mark.slow
def test_two_rounds_at_once_store_nothing_twice(newsroom, town, words) -> None:
    rounds = 12
    room = newsroom(feed="", full="full_text = true\n", list="", lonely="full_text = true")
    assert room.site.app, "made by one thread, for both"
    told: Counter[str] = Counter()
    for number in range(rounds):
        fresh = [f"{{}} number {n} of this long day" for n in range(number * 3, number * 3 + 3)]
        for slug in ("feed", "full", "lonely"):
            town.places[f"/{slug}"] = words.rss(town.url("/"), *(t.format(slug) for t in fresh), date=room.site.now)
        town.places["/lonely"] = b"".join(
            part.partition(b"</guid>")[2] if b"</guid>" in part else part
            for part in town.places["/lonely"].replace(b"<guid", b"\0<guid").split(b"\0"))
        town.places["/list"] = words.listing(*(t.format("list") for t in fresh))
        for slug in ("full", "list", "lonely"):
            for title in (t.format(slug) for t in fresh):
                town.places[f"/{title.replace(' ', '-')}"] = words.page(title)
        results: list[dict[str, Any]] = []
        failures: list[BaseException] = []

        def go(results: list = results, failures: list = failures) -> None:
            try:
                results.append(room.poll(force=True))
            except BaseException as error:  # noqa: BLE001 - to be shown by the test
                failures.append(error)

        threads = [threading.Thread(target=go) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert [poll.error for polls in results for poll in polls.values() if poll.error] == []
        for polls in results:
            for slug, poll in polls.items():
                told[slug] += poll.new + poll.held
        room.site.advance(hours=1)
    stored = room.stored()
    assert len(stored) == 4 * 3 * rounds
    assert told == dict.fromkeys(("feed", "full", "list", "lonely"), 3 * rounds), "and each is told once"
    seqs = sorted(a.accepted_seq for a in stored.values() if a.status is ArticleStatus.ACCEPTED)
    assert seqs == list(range(1, len(seqs) + 1))
    assert room.passed() == {}
