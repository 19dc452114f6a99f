"""Feeds, pages that name one, listings, single articles and sitemaps as sources, a whole round at a time."""

from __future__ import annotations

import gzip
from datetime import timedelta
from typing import Any

import pytest

from pipeline.model.articles import ArticleStatus
from pipeline.model.sources import PassedState

DAY = timedelta(days=1)


def of(room: Any, slug: str) -> dict[str, Any]:
    return {title: article for title, article in room.stored().items() if article.source == slug}


def put_pages(town: Any, words: Any, *titles: str, start: str = "/", **values: Any) -> list[str]:
    """Give each title a page; return the titles."""
    for title in titles:
        town.places[f"{start}{title.replace(' ', '-')}"] = words.page(title, **values)
    return list(titles)


def named(about: str, count: int, start: int = 0) -> list[str]:
    return [f"{about} and the council {n}" for n in range(start, start + count)]


def sitemap_of(town: Any, words: Any, titles: list[str], *dates: str) -> bytes:
    marks = [f"<lastmod>{date}</lastmod>" for date in dates] or [""] * len(titles)
    return words.sitemap(*((town.url("/" + title.replace(" ", "-")), mark) for title, mark in zip(titles, marks,
                                                                                                 strict=True)))


def test_what_an_address_turns_out_to_be_is_read_and_remembered(newsroom, town, words) -> None:
    room = newsroom(feed="", front="", list="", chosen='selector = ".river a"', nothing='selector = ".nowhere"',
                    single='kind = "article"', lone="full_text = true", map="", index="", news="",
                     forced='kind = "feed"')
    now = room.site.now
    old = now - 60 * DAY
    town.places["/feed"] = words.rss("https://elsewhere.example/", "A fed article", date=now)
    link = '<link rel="alternate" type="application/rss+xml" href="/front.xml">'
    town.places["/front"] = town.places["/forced"] = words.listing(*named("Never read", 5), head=link)
    town.places["/front.xml"] = words.rss("https://elsewhere.example/", "Named by its page", date=now)
    town.places["/list"] = words.listing(*put_pages(town, words, *named("Listed", 4), date=now))
    river = "".join(f"<div class='river'><a href='/{t.replace(' ', '-')}'>{t}</a></div>"
                    for t in put_pages(town, words, *named("Chosen", 2)))
    town.places["/chosen"] = f"<html><body>{river}</body></html>".encode()  # nobody else would call that a list
    town.places["/nothing"] = words.listing(*named("Not chosen", 5))
    town.places["/single"] = words.page("A single page", date=now)
    town.places["/lone"] = words.page("A lone page", head='<meta property="og:type" content="article">', paragraphs=12)
    titles = put_pages(town, words, *named("Mapped", 5))
    town.places["/map"] = sitemap_of(town, words, titles, *(f"2026-05-{d}" for d in (30, 29, 28, 10, "09")))
    put_pages(town, words, *named("Packed", 2), date=now)
    town.places["/packed-1.xml.gz"] = gzip.compress(sitemap_of(town, words, named("Packed", 2), *["2026-05-30"] * 2))
    put_pages(town, words, *named("Plain", 1), date=old)
    town.places["/plain-1.xml"] = sitemap_of(town, words, named("Plain", 1), "2026-05-31")
    town.places["/index"] = words.sitemap(
        (town.url("/packed-1.xml.gz"), "<lastmod>2026-06-01</lastmod>"),
        (town.url("/plain-1.xml"), "<lastmod>2026-05-31</lastmod>"),
        (town.url("/gone-1.xml"), "<lastmod>2026-05-30</lastmod>"), index=True)
    put_pages(town, words, *named("Newsy", 2))
    news = ("<news:news><news:publication_date>2026-06-01T04:00:00Z</news:publication_date>"
            "<news:title>A headline {}</news:title><news:keywords>City, Council</news:keywords></news:news>")
    town.places["/news"] = words.sitemap(*((town.url(f"/Newsy-and-the-council-{n}"), news.format(n)) for n in (0, 1)))

    polls = room.poll()
    kinds = {slug: room.state(slug).found_kind for slug in polls}
    assert kinds == {"feed": "feed", "front": "feed", "list": "page", "chosen": "page", "nothing": "", "single": "",
                     "lone": "article", "map": "sitemap", "index": "sitemap", "news": "sitemap", "forced": ""}
    assert list(of(room, "feed")) == ["A fed article"]
    assert list(of(room, "front")) == ["Named by its page"]
    assert room.state("front").feed_url == town.url("/front.xml")
    assert "names the feed" in polls["front"].notes[0]
    assert sorted(of(room, "list")) == named("Listed", 4)
    assert sorted(of(room, "chosen")) == named("Chosen", 2)
    assert "'.nowhere' means nothing on this page" in polls["nothing"].error
    assert "HTML" in polls["forced"].error, "what the operator says it is, it has to be"
    assert list(of(room, "single")) == ["A single page"]
    assert list(of(room, "lone")) == ["A lone page"]
    assert town.paths("/lone") == ["/lone"], "the page that it is is no page of its own to be read"
    assert sorted(of(room, "map")) == named("Mapped", 5), "what is older than the backlog fills the feed"
    assert sorted(of(room, "index")) == [*named("Packed", 2), *named("Plain", 1)]
    assert "/gone-1.xml" in polls["index"].problems[0], "and the other sitemaps were read"
    assert {a.topics for a in of(room, "news").values()} == {("city", "council")}
    assert sorted(of(room, "news")) == ["A headline 0", "A headline 1"], "the headline, not the page's title"
    assert {a.text_note for slug in ("list", "chosen", "map", "index", "news", "single", "lone")
            for a in of(room, slug).values()} == {"the page's own text"}
    mailable = {title: a.mailable for title, a in room.stored().items()}
    assert mailable["Listed and the council 0"], "its page says that it is of today"
    assert not mailable["Chosen and the council 0"], "nothing says how old it is, and it was there from the start"
    assert mailable["Packed and the council 0"]
    assert not mailable["Plain and the council 0"], "a lastmod says nothing of when it was published"
    assert "older than the backlog" in of(room, "index")["Plain and the council 0"].reason
    assert mailable["A headline 1"]
    everything = room.stored()

    # the second time: a little is new everywhere
    town.forget()
    town.places["/front.xml"] = words.rss("https://elsewhere.example/", "Named by its page", "Named too", date=now)
    town.places["/list"] = words.listing(*put_pages(town, words, *named("Listed", 5)[::-1]))
    town.places["/map"] = sitemap_of(town, words, put_pages(town, words, *named("Mapped", 6)),
                                     *(f"2026-05-{d}" for d in (30, 29, 28, 10, "09")), "2026-06-01")
    put_pages(town, words, *named("Packed", 3), date=now)
    town.places["/packed-1.xml.gz"] = gzip.compress(sitemap_of(town, words, named("Packed", 3), *["2026-06-01"] * 3))
    town.places["/index"] = words.sitemap(
        (town.url("/packed-1.xml.gz"), "<lastmod>2026-06-01</lastmod>"),
        (town.url("/plain-1.xml"), "<lastmod>2026-05-20</lastmod>"), index=True)
    town.places["/single"] = words.page("A single page", "<p>And a paragraph that was not there before.</p>", date=now)
    polls = room.after(hours=26, force=True)
    fresh = {t: a for t, a in room.stored().items() if t not in everything}
    assert set(fresh) == {"Named too", "Listed and the council 4", "Mapped and the council 5",
                          "Packed and the council 2"}
    assert "/plain-1.xml" not in town.paths(), "it has not changed, as the index says; of the other that says the day"
    assert all(a.mailable for a in fresh.values()), "what appears later is new, whatever its page says"
    assert "/front" not in town.paths(), "the page has said what it had to"
    assert next(a for a in town.asked if a.path == "/front.xml").headers["if-none-match"]
    assert sorted(path for path in town.paths() if "council" in path) == [
        "/Listed-and-the-council-4", "/Mapped-and-the-council-5", "/Packed-and-the-council-2"], "none twice"
    single = of(room, "single")["A single page"]
    assert (polls["single"].updated, single.revision, polls["lone"].not_modified) == (1, 2, True)
    assert "not there before" in single.html


def test_a_feed_that_is_not_there_for_once_is_a_feed_still(newsroom, town, words) -> None:
    room = newsroom(turned="", front="", broken="", hour="")
    base = "https://elsewhere.example/"
    town.places["/turned"] = words.rss(base, *named("Old", 3), date=room.site.now)
    link = '<link rel="alternate" type="application/rss+xml" href="{}">'
    town.places["/front"] = words.listing("Nothing to read here", head=link.format("/first.xml"))
    town.places["/first.xml"] = words.rss(base, "From the first", date=room.site.now)
    town.places["/broken"] = words.listing(*put_pages(town, words, *named("Broken", 3)), head=link.format("/gone.xml"))
    town.places["/hour"] = words.listing(*named("Hourly", 3), head=link.format("/busy.xml"))
    town.places["/busy.xml"] = 503
    polls = room.poll()
    assert room.state("broken").found_kind == "page", "a feed that its page names and that is not there is none"
    assert sorted(of(room, "broken")) == named("Broken", 3)
    assert "can't be read" in polls["broken"].notes[0]
    assert ("503" in polls["hour"].error, room.state("hour").found_kind) == (True, ""), "a bad hour decides nothing"
    town.places["/busy.xml"] = words.rss(base, "After the bad hour", date=room.site.now)
    # the feed moves away, and so does the one that a page names
    town.places["/turned"] = words.listing(*put_pages(town, words, *named("New", 4)))
    town.places["/first.xml"] = 404
    town.places["/front"] = words.listing("Nothing to read here", head=link.format("/second.xml"))
    town.places["/second.xml"] = words.rss(base, "From the first", "From the second", date=room.site.now)
    polls = room.after(hours=7, force=True)
    assert "HTML" in polls["turned"].error
    assert (room.state("turned").found_kind, room.state("turned").failures) == ("feed", 1)
    assert "404" in polls["front"].error
    assert room.state("front").feed_url == ""
    assert list(of(room, "hour")) == ["After the bad hour"]
    polls = room.after(hours=2, force=True)
    assert polls["front"].new == 1, "the page names another"
    assert room.state("front").feed_url == town.url("/second.xml")
    assert room.state("turned").found_kind == "feed"


@pytest.mark.slow
def test_a_feed_that_is_none_for_a_week_may_be_something_else(newsroom, town, words) -> None:
    room = newsroom(turned="")
    town.places["/turned"] = words.rss("https://elsewhere.example/", *named("Old", 3), date=room.site.now)
    room.poll()
    town.places["/turned"] = words.listing(*put_pages(town, words, *named("New", 4)))
    assert "HTML" in room.after(hours=7, force=True)["turned"].error
    assert room.after(days=6, force=True)["turned"].failed
    assert room.state("turned").found_kind == "feed"
    poll = room.after(days=1, force=True)["turned"]
    assert room.state("turned").found_kind == "page"
    assert "no feed any more" in poll.notes[0]
    assert (poll.new, poll.held, poll.pages) == (0, 4, 4)
    held = [a for a in of(room, "turned").values() if a.status is ArticleStatus.HELD]
    assert {a.title for a in held} == set(named("New", 4))
    assert {a.reason for a in held} == {"held because the source turned from a feed into something else"}
    town.places["/turned"] = words.listing(*put_pages(town, words, *named("New", 5)[::-1]))
    assert room.after(hours=26, force=True)["turned"].new == 1, "and is what it is from then on"


def test_rules_are_asked_before_a_page_and_after_it_and_again_when_they_change(newsroom, town, words) -> None:
    rules = 'exclude = ["url: sport", "advert"]\nhold = ["rumour"]\n'
    room = newsroom(list=rules, map='include = ["url: /culture/", "bridge"]\n', feed='exclude = ["sport"]\nflood = 5\n',
                    full='full_text = true\ninclude = ["harbour"]\n',
                    storm='exclude = ["sport"]\nflood = 5\n', one='include = ["url: culture"]\n')
    now = room.site.now
    put_pages(town, words, "A quiet day in town", "The match that was lost", "What the neighbours say", date=now)
    town.places["/Buy-this-now-or-never"] = words.page("Buy this now or never", "<p>This is an advert.</p>")
    town.places["/What-the-neighbours-say"] = words.page("What the neighbours say", "<p>It is a rumour.</p>", date=now)
    town.places["/list"] = words.listing("A quiet day in town", "Buy this now or never", "What the neighbours say",
                                         "Sport of the whole week")
    town.places["/list"] = town.places["/list"].replace(b"/Sport-of", b"/sport/Sport-of")
    inside, outside = (words.page(t, "<p>They opened the bridge.</p>" if b else "", date=now)
                       for t, b in (("In the north", True), ("In the south", False)))
    town.places |= {"/north/one": inside, "/south/one": outside}
    town.places["/map"] = words.sitemap(*((town.url(path), "<lastmod>2026-06-01</lastmod>")
                                          for path in ("/north/one", "/south/one")))
    town.places |= {"/culture/x": words.page("A theatre", date=now), "/money/x": words.page("A bank", date=now)}
    town.places["/one"] = words.sitemap(*((town.url(path), "<lastmod>2026-06-01</lastmod>")
                                          for path in ("/culture/x", "/money/x")))
    town.places["/feed"] = words.rss("https://elsewhere.example/", *named("Some sport", 9), *named("News", 3),
                                     date=now - 30 * DAY)
    town.places["/storm"] = words.rss("https://elsewhere.example/", *named("Storm sport", 9), *named("Storm", 3))
    town.places["/full"] = words.rss(town.url("/"), *put_pages(town, words, "In the harbour", "In the fields"))
    polls = room.poll()
    assert (polls["list"].new, polls["list"].held, polls["list"].passed) == (1, 1, 2)
    assert not [path for path in town.paths() if "sport" in path or path == "/money/x"], "that costs no request"
    held = of(room, "list")["What the neighbours say"]
    assert (held.status, held.reason) == (ArticleStatus.HELD, 'held by the rule "rumour", found in its text')
    reasons = {p.url.rpartition("/")[2]: (p.state, p.reason) for p in room.passed().values()}
    assert reasons["Buy-this-now-or-never"] == (
        PassedState.EXCLUDED, 'excluded by the rule "advert", found in its text')
    assert reasons["Sport-of-the-whole-week"] == (
        PassedState.EXCLUDED, 'excluded by the rule "url: sport", found in its address')
    assert list(of(room, "one")) == ["A theatre"]
    assert list(of(room, "map")) == ["In the north"]
    assert reasons["one"][0] is PassedState.EXCLUDED
    assert "not included" in reasons["one"][1]
    assert (polls["feed"].new, polls["feed"].passed) == (3, 9)
    assert list(of(room, "full")) == ["In the harbour"]
    # the rules change: what they left out comes in as if it had been there from the start, and is no flood
    town.forget()
    room.declare(list='hold = ["rumour"]\n', map="", feed='exclude = ["nothing of it"]\nflood = 5\n',
                 full="full_text = true\n", storm="flood = 5\n", one="")
    room.site.advance(days=100)
    town.places["/feed"] = words.rss("https://elsewhere.example/", *named("Some sport", 9), *named("News", 4), date=now)
    town.places["/storm"] = words.rss("https://elsewhere.example/", *named("Storm sport", 9), *named("Storm", 9))
    polls = room.poll()
    assert (polls["feed"].new, polls["feed"].held, polls["feed"].unmailable) == (10, 0, 9)
    assert (polls["storm"].new, polls["storm"].held) == (9, 6), "what is new beside them is another matter"
    assert "held as a flood: 6 new articles" in polls["storm"].notes[-1]
    assert "older than the backlog" in of(room, "feed")["Some sport and the council 0"].reason
    assert of(room, "feed")["Some sport and the council 0"].first_seen_at == now
    assert {"Buy this now or never", "A quiet day in town"} <= set(of(room, "list"))
    assert set(of(room, "map")) == {"In the north", "In the south"}
    assert not of(room, "map")["In the south"].mailable, "it is a hundred days old by now"
    assert set(of(room, "full")) == {"In the harbour", "In the fields"}
    assert set(of(room, "one")) == {"A theatre", "A bank"}
    assert [p.url for p in room.passed().values()] == [town.url("/sport/Sport-of-the-whole-week")], "its page is gone"
    assert room.after(hours=26)["feed"].new == 0


@pytest.mark.slow
def test_topics_of_the_operator_reach_what_is_known(newsroom, town, words) -> None:
    room = newsroom(feed="topics = ['old']\n", map="topics = ['old']\n")
    town.places["/feed"] = words.rss("https://elsewhere.example/", "An article", date=room.site.now)
    town.places["/map"] = sitemap_of(town, words, put_pages(town, words, "A page of the map"), "2026-06-01")
    room.poll()
    assert {a.topics for a in room.stored().values()} == {("old",)}
    room.declare(feed="topics = ['new']\n", map="topics = ['new']\n")
    polls = room.after(minutes=1)
    assert [(poll.new, poll.updated, poll.same) for poll in polls.values()] == [(0, 0, 1)] * 2
    assert of(room, "feed")["An article"].topics == ("new",)
    assert of(room, "map")["A page of the map"].topics == ("old", "new"), "some may be its page's own"
    assert {a.revision for a in room.stored().values()} == {1}
    with room.site.app.store.read() as connection:
        filed = connection.exec_driver_sql("SELECT topic FROM article_topics ORDER BY topic").scalars().all()
    assert filed == ["new", "new", "old"]


@pytest.mark.slow
def test_an_index_that_stays_the_same_may_have_sitemaps_that_do_not(newsroom, town, words) -> None:
    room = newsroom(undated="", today="")
    for slug, lastmod in (("undated", ""), ("today", "<lastmod>2026-06-01</lastmod>")):
        town.places[f"/{slug}"] = words.sitemap((town.url(f"/{slug}-1.xml"), lastmod), index=True)
        town.places[f"/{slug}-1.xml"] = sitemap_of(town, words, put_pages(town, words, *named(slug, 1)), "2026-06-01")
    room.poll()
    for slug in ("undated", "today"):
        town.places[f"/{slug}-1.xml"] = sitemap_of(town, words, put_pages(town, words, *named(slug, 2)),
                                                   *["2026-06-01"] * 2)
    room.after(hours=7, force=True)
    assert sorted(of(room, "undated")) == named("undated", 2)
    assert sorted(of(room, "today")) == named("today", 2)


@pytest.mark.slow
def test_a_sitemap_of_thousands_begins_with_few_and_goes_on_with_what_is_new(newsroom, town, words) -> None:
    room = newsroom(undated="", dated="", all='backlog = "all"\nevery = "1h"\n')
    now = room.site.now

    def addresses(slug: str, *numbers: int) -> list[str]:
        for n in numbers:
            title = f"{slug} piece number {n}"
            town.places.setdefault(f"/{slug}/{n}", lambda title=title: words.page(title))
        return [town.url(f"/{slug}/{n}") for n in numbers]

    def dated(slug: str, *numbers: int) -> list[tuple[str, str]]:
        """A year old, and a minute younger each, or of now."""
        when = [now - 365 * DAY + n * timedelta(minutes=1) if n < 3_000 else room.site.now for n in numbers]
        return [(url, f"<lastmod>{date.isoformat()}</lastmod>")
                for date, url in zip(when, addresses(slug, *numbers), strict=True)]

    town.places["/undated"] = words.sitemap(*addresses("undated", *range(3_000)))
    town.places["/dated"] = words.sitemap(*dated("dated", *range(3_000)))
    town.places["/all"] = words.sitemap(*dated("all", *range(3_000)))
    polls = room.poll()
    assert town.paths("/undated/") == [], "nothing says which of them are articles, and which of these are new"
    assert town.paths("/dated/") == [f"/dated/{n}" for n in range(2_990, 3_000)], "a feed does not begin empty"
    assert town.paths("/all/") == [f"/all/{n}" for n in range(2_980, 3_000)]
    assert "only the newest 1000 are read" in polls["undated"].notes[-1]
    assert (polls["undated"].passed, polls["dated"].passed) == (1_000, 990)
    assert {p.state for p in room.passed("/undated/").values()} == {PassedState.BACKLOG}
    assert {p.reason for p in room.passed("/undated/").values()} == {
        "was there when the sitemap was first read, and has no date"}
    assert {p.reason for p in room.passed("/dated/").values()} == {
        "older than the backlog when the source was first read"}
    assert {a.mailable for a in of(room, "dated").values()} == {False}
    assert {a.mailable for a in of(room, "all").values()} == {True}
    # the archive is read a few at a time, and news come before it
    town.forget()
    assert {slug: poll.pages for slug, poll in room.after(minutes=1).items()} == {"all": 20}
    assert town.paths() == [f"/all/{n}" for n in range(2_960, 2_980)]
    for slug in ("undated", "dated", "all"):
        make = addresses if slug == "undated" else dated
        town.places[f"/{slug}"] = words.sitemap(*make(slug, *range(3_003)))
    town.forget()
    room.after(hours=26, force=True)
    for slug in ("undated", "dated"):
        assert town.paths(f"/{slug}/") == [f"/{slug}/{n}" for n in (3_000, 3_001, 3_002)]
        fresh = [a for a in of(room, slug).values() if a.first_seen_at == room.site.now]
        assert len(fresh) == 3
        assert all(a.mailable for a in fresh)
    assert [int(path.rpartition("/")[2]) for path in town.paths("/all/")][-3:] == [3_000, 3_001, 3_002]
    # too many at once
    town.places["/undated"] = words.sitemap(*addresses("undated", *range(3_080)))
    polls = room.after(hours=26, force=True)
    assert (polls["undated"].new, polls["undated"].held, polls["undated"].waiting) == (0, 20, 77)
    assert "held as a flood: 77 new articles in one poll" in polls["undated"].notes[-1]
    for _ in range(3):
        room.after(minutes=1)
    assert sum(a.status is ArticleStatus.HELD for a in of(room, "undated").values()) == 77
