"""The sentences of `why`, each from made-up facts; and that they agree with what really chooses."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.desk.why import (
    DeliveryFacts,
    DigestFacts,
    Facts,
    FeedFacts,
    LikenessFacts,
    NewsletterFacts,
    PassedFacts,
    PersonFacts,
    RevisionFacts,
    tell,
    tell_passed,
    why_no_match,
    why_not_chosen,
)
from pipeline.model.articles import Article, ArticleStatus
from pipeline.model.deliveries import DeliveryState
from pipeline.model.newsletters import DigestStatus, Window
from pipeline.model.selection import Candidate, Group, Order, Rules, select, told_between
from pipeline.model.sources import PassedState

NOW = datetime(2026, 6, 1, 6, 0, tzinfo=UTC)


def article(number: int = 7, **values: Any) -> Article:
    made = Article(
        id=number, source="desk", source_title="The desk", guid="", url="", title=f"Article {number}", author="",
        summary="", html="", published_at=NOW, first_seen_at=NOW, updated_at=NOW, accepted_seq=number,
        accepted_at=NOW, status=ArticleStatus.ACCEPTED, story=number, revision=1, topics=("city",))
    return replace(made, **values)


def candidate(number: int, **values: Any) -> Candidate:
    made = Candidate(id=number, source="desk", topics=("city",), story=number, accepted_seq=number,
                     published_at=NOW + timedelta(minutes=number))
    return replace(made, **values)


def story(about: Article | None = None, **values: Any) -> str:
    facts = Facts(article=about or article(), zone="Europe/Stockholm", now=NOW, **values)
    return "\n".join(sentence for chapter in tell(facts) for sentence in chapter.sentences)


def person(**values: Any) -> PersonFacts:
    made = PersonFacts(address="ann@here.example", newsletter="lantern", status="confirmed", schedule="daily",
                       start_seq=3, next_from=9, rules=Rules())
    return replace(made, **values)


@pytest.mark.parametrize(
    ("about", "said"),
    [
        (article(), "Found on 1 June 2026 at 08:00 in the source \"desk\" (The desk)."),
        (article(), "Accepted on 1 June 2026 at 08:00 as number 7."),
        (article(published_at=NOW - timedelta(days=1)), "It says that it was published on 31 May 2026 at 08:00."),
        (article(), "It names no date; it counts as published when it was first seen, on 1 June 2026 at 08:00."),
        (article(revision=3), "this is revision 3"),
        (article(mailable=False, reason="older than the backlog"), "for feeds only, no digest takes it: older than"),
        (article(status=ArticleStatus.HELD, reason="90 at once"), "It is held: 90 at once."),
        (article(status=ArticleStatus.HELD, reason='held by the rule "x"'), 'It is held by the rule "x". No feed'),
        (article(status=ArticleStatus.HELD), "broadsheet articles release 7"),
        (article(status=ArticleStatus.WITHDRAWN), "It was withdrawn. No feed, digest or page shows it any more."),
        (article(status=ArticleStatus.WITHDRAWN, withdrawn_at=NOW + timedelta(days=1), reason="a hoax"),
         "Accepted on 1 June 2026 at 08:00 as number 7.\nIt was withdrawn on 2 June 2026 at 08:00: a hoax. No feed,"),
        (article(status=ArticleStatus.WITHDRAWN, withdrawn_at=NOW, accepted_seq=0), "08:00.\nIt was withdrawn on 1 "),
        (article(correction="In May", corrected_at=NOW),
         "Readers see your correction of 1 June 2026 at 08:00: In May."),
        (article(text_note="from its page"), "About its text: from its page."),
    ],
)
def test_the_article_itself(about: Article, said: str) -> None:
    assert said in story(about)


@pytest.mark.parametrize(
    ("feed", "said"),
    [
        (FeedFacts("all", Rules(), 2, 5), "all: yes, number 2 of 5."),
        (FeedFacts("all", Rules(topics=("health",)), 0, 5), "no, it takes only the topics health, and this article's"),
        (FeedFacts("all", Rules(sources=("blog",)), 0, 5), "takes only the sources blog, and this one came from desk"),
        (FeedFacts("all", Rules(), 0, 5, "The other"), 'no, "The other" tells the same story there.'),
        (FeedFacts("all", Rules(limit=5, per_source=2), 0, 5), "it holds the newest 5, 2 of a source."),
        (FeedFacts("all", Rules(limit=5), 0, 5, archive="feeds/all/archive/1-10/"),
         "all: in feeds/all/archive/1-10/; the feed itself holds the newest 5."),
    ],
)
def test_a_feed(feed: FeedFacts, said: str) -> None:
    assert said in story(feeds=(feed,))


def test_what_was_withdrawn_is_nowhere_and_comes_to_nobody() -> None:
    gone = article(status=ArticleStatus.WITHDRAWN, withdrawn_at=NOW, correction="In May.", corrected_at=NOW)
    assert "all: no, it was withdrawn." in story(gone, feeds=(FeedFacts("all", Rules(topics=("health",)), 0, 5),))
    entered = FeedFacts("all", Rules(), 0, 5, entered=True)
    assert "all: no, it was withdrawn; whoever had it from there is told so." in story(gone, feeds=(entered,))
    hidden = FeedFacts("all", Rules(), 0, 5, "The other", entered=True)
    assert 'all: no, it was withdrawn; "The other" tells the same story there.' in story(gone, feeds=(hidden,))
    assert 'article 8 of "desk", which was withdrawn.' in story(siblings=(article(), replace(gone, id=8)))
    stood = NewsletterFacts("lantern", Rules(), (DigestFacts("d1", DigestStatus.DONE),), people=1, waiting=1)
    told = story(gone, newsletters=(stood, NewsletterFacts("beacon", Rules(), people=1, waiting=1)))
    assert "lantern: it stood in the digest d1, which is done.\nbeacon: no, it was withdrawn." in told
    assert "Readers see" not in told
    assert "would hold it, but it was withdrawn" in story(gone, people=(person(next_from=6),))


@pytest.mark.parametrize(("state", "days", "said"), [
    (DeliveryState.SENT, 0, "; the article is in it."), (DeliveryState.BOUNCED, 0, "; the article is in it."),
    (DeliveryState.SENT, 2, "; it says that the article was withdrawn."),
    (DeliveryState.QUEUED, 0, "; it says that the article was withdrawn."),
])
def test_a_mail_left_before_it_was_withdrawn_or_after(state: DeliveryState, days: int, said: str) -> None:
    gone = article(status=ArticleStatus.WITHDRAWN, withdrawn_at=NOW + timedelta(days=1))
    one = DeliveryFacts("d1", state, "", Window(4, 8), NOW + timedelta(days=days), chosen=(7,))
    assert said in story(gone, people=(person(deliveries=(one,)),))
    other = replace(one, chosen=(8,), candidates=[candidate(7, topics=())], rules=Rules(topics=("city",)))
    assert "; without this article.\n" in story(gone, people=(person(deliveries=(other,), next_from=6),))


@pytest.mark.parametrize(
    ("about", "newsletter", "said"),
    [
        (article(), NewsletterFacts("lantern", Rules(), people=4, waiting=3), "the next digest has it, for 3 of 4"),
        (article(), NewsletterFacts("lantern", Rules(), people=4), "they subscribed later"),
        (article(), NewsletterFacts("lantern", Rules()), "nobody is subscribed"),
        (article(), NewsletterFacts("lantern", Rules(topics=("health",)), people=4, waiting=4), "no digest takes it"),
        (article(mailable=False), NewsletterFacts("lantern", Rules(), people=4, waiting=4), "for feeds only"),
        (article(status=ArticleStatus.HELD), NewsletterFacts("lantern", Rules(), people=4), "not while it is held"),
        (article(), NewsletterFacts("lantern", Rules(), (DigestFacts("d1", DigestStatus.DONE),), people=1),
         "it stood in the digest d1, which is done."),
        (article(), NewsletterFacts("lantern", Rules(), (DigestFacts("d1", DigestStatus.DONE, rank=2),), people=1),
         "it stood in the digest d1, which is done; you put it at place 2."),
        (article(), NewsletterFacts("lantern", Rules(), (DigestFacts(
            "d1", DigestStatus.DONE, points={"freshness": 50, "sources": 20, "pin": 1000}),), people=1),
         "which is done; it had 1,070 points: 50 for freshness, 20 for other sources of its story, 1,000 for your "),
        (article(), NewsletterFacts("lantern", Rules(), unwanted='excluded by "advert"', people=4, waiting=4),
         'lantern: no digest takes it: excluded by "advert".'),
        (article(), NewsletterFacts("lantern", Rules(), dropped="d1", people=4, waiting=4),
         "lantern: you dropped its story from the digest d1."),
        (article(), NewsletterFacts("lantern", Rules(topics=("health",)), unwanted="x", dropped="d1", people=4),
         "no digest takes it, because it takes only the topics health"),
    ],
)
def test_a_newsletter(about: Article, newsletter: NewsletterFacts, said: str) -> None:
    assert said in story(about, newsletters=(newsletter,))


def test_a_persons_deliveries() -> None:
    sent = DeliveryFacts("d1", DeliveryState.SENT, "", Window(4, 8), NOW, chosen=(7,), candidates=[candidate(7)],
                         covered=True)
    assert "covers numbers 5 to 8 for them: sent on 1 June 2026 at 08:00; the article is in it." in story(
        people=(person(deliveries=(sent,)),))
    bounced = replace(sent, state=DeliveryState.BOUNCED, reason="no such user", covered=False)
    assert "bounced on 1 June 2026 at 08:00 (no such user)" in story(people=(person(deliveries=(bounced,)),))
    limited = replace(sent, chosen=(8,), candidates=[candidate(7), candidate(8)], rules=Rules(limit=1))
    assert "without this article, because the limit of 1 articles" in story(people=(person(deliveries=(limited,)),))
    other = replace(sent, window=Window(0, 4))
    assert "d1" not in story(people=(person(deliveries=(other,)),))


@pytest.mark.parametrize(
    ("who", "said"),
    [
        (person(start_seq=7), "they never get it by mail"),
        (person(next_from=6), 'the next "daily" has it'),
        (person(next_from=6, status="unsubscribed"), "they are not confirmed"),
        (person(next_from=6, rules=Rules(topics=("health",))), "lantern does not take it"),
        (person(next_from=9), "is behind them"),
        (person(suppressed="complained"), "never mailed: complained"),
    ],
)
def test_a_persons_window(who: PersonFacts, said: str) -> None:
    assert said in story(people=(who,))


def test_a_story_told_twice() -> None:
    other = article(3, source="blog", story=3)
    told = story(article(7, story=3), siblings=(other, article(7, story=3)))
    assert 'the same story as article 3 of "blog"' in told
    assert "Article 3 came first" in told


def test_what_changed_in_it() -> None:
    changes = (RevisionFacts(2, NOW, 'title changed from "A"; address moved'), RevisionFacts(3, NOW, ""))
    told = story(article(revision=3), revisions=(*changes, RevisionFacts(4, NOW, "correction: In May, not in March.")))
    assert "Revision 4, 1 June 2026 at 08:00: correction: In May, not in March.\n" in told, "with one full stop"
    assert 'Revision 2, 1 June 2026 at 08:00: title changed from "A"; address moved.' in told
    assert "Revision 3" not in told, "nobody wrote down what changed"


@pytest.mark.parametrize(
    ("state", "said"),
    [("suggested", 'It is 84 % like article 3 of "blog", "Other". One story? broadsheet articles merge 7 3'),
     ("merged", 'You made it one story with article 3 of "blog", "Other" (1 June 2026 at 08:00).'),
     ("split", 'You parted it from article 3 of "blog", "Other" (1 June 2026 at 08:00).')])
def test_what_is_like_it(state: str, said: str) -> None:
    alike = LikenessFacts(3, "blog", "Other", 84, state, NOW)
    assert said in story(likenesses=(alike,))
    one = (article(3, source="blog"), article(7, story=3))
    assert ("84 %" in story(article(7, story=3), likenesses=(alike,), siblings=one)) is False


@pytest.mark.parametrize(
    ("state", "reason", "retry_at", "said"),
    [(PassedState.EXCLUDED, 'excluded by the rule "x"', None,
      ['not taken: excluded by the rule "x".', "It stays out while the rules in config.toml stay as they are."]),
     (PassedState.RECONSIDER, 'excluded by the rule "x"', None,
      ['not taken: excluded by the rule "x".', "The rules have changed since: the next poll decides anew."]),
     (PassedState.FAILED, "its page answers 404", None, ["not taken: its page answers 404."]),
     (PassedState.WAITING, "", NOW + timedelta(days=1),
      ["waits for its page.", "Its page is asked for after 2 June 2026 at 08:00."])])
def test_what_was_not_taken(state: PassedState, reason: str, retry_at: datetime | None, said: list[str]) -> None:
    out = PassedFacts(state, "A title", "https://blog.example/1", "blog", reason, NOW, retry_at)
    [chapter] = tell_passed([out], "Europe/Stockholm")
    seen = 'Seen on 1 June 2026 at 08:00 in the source "blog", and '
    assert (chapter.heading, chapter.sentences) == (
        "A title", [seen + said[0], *said[1:], "Its address: https://blog.example/1"])
    [bare] = tell_passed([replace(out, title="")], "UTC")
    assert (bare.heading, len(bare.sentences)) == ("https://blog.example/1", len(said))


@pytest.mark.parametrize(
    ("candidates", "rules", "said"),
    [
        ([candidate(7)], Rules(), ""),
        ([candidate(8)], Rules(), "the digest did not have it"),
        ([candidate(7, accepted_seq=99)], Rules(), "outside their window"),
        ([candidate(7)], Rules(topics=("health",)), "only the topics health"),
        ([candidate(7, story=2), candidate(2, fresh=False, told=True)], Rules(), "article 2 told them the same story"),
        ([candidate(7, story=6), candidate(6)], Rules(), "article 6 tells the same story and came first"),
        ([candidate(7), candidate(8)], Rules(per_source=1), "1 per source"),
        ([candidate(7), candidate(8)], Rules(limit=1), "limit of 1 articles was reached with newer ones"),
        ([candidate(7, rank=1), candidate(8, points=9)], Rules(limit=1, order=Order.SCORE), ""),
        ([candidate(7), candidate(5, points=9)], Rules(limit=1, order=Order.SCORE), "with those of more points"),
        ([candidate(7), candidate(5, source="a")], Rules(limit=1, order=Order.SOURCE), "with those before it"),
    ],
)
def test_why_an_article_was_not_chosen(candidates: list[Candidate], rules: Rules, said: str) -> None:
    reason = why_not_chosen(7, candidates, Window(4, 20), rules, told=told_between(candidates, 1, 4))
    assert said in reason
    assert bool(said) == bool(reason)


def test_why_for_a_persons_topics_and_for_want_of_room() -> None:
    listed = [candidate(7, size=60), candidate(8, size=60)]
    assert why_not_chosen(7, listed, Window(4, 20), Rules(), room=100) == (
        "the mail would have become too long with it; it is on the web page")
    assert why_not_chosen(7, listed, Window(4, 20), Rules(), room=120) == ""
    assert why_not_chosen(7, listed, Window(4, 20), Rules(), topics=("x", "y")) == "they picked the topics x, y"


CANDIDATES = st.lists(
    st.builds(candidate, st.integers(1, 12), story=st.integers(1, 4), source=st.sampled_from("ab"),
              topics=st.sampled_from([("x",), ("y",), ()]), fresh=st.booleans(), told=st.booleans(),
              rank=st.sampled_from([0, 0, 1, 2]), points=st.integers(0, 2), size=st.integers(0, 50)),
    max_size=10, unique_by=lambda c: c.id)
RULES = st.builds(Rules, topics=st.sampled_from([("*",), ("x",)]), sources=st.sampled_from([(), ("a",)]),
                  limit=st.integers(1, 4), per_source=st.integers(0, 2), order=st.sampled_from(list(Order)),
                  group=st.sampled_from(list(Group)))


@given(CANDIDATES, RULES, st.integers(0, 6), st.integers(0, 6), st.integers(6, 12),
       st.sampled_from([(), ("x",), ("y", "z")]), st.integers(0, 90))
def test_there_is_a_reason_exactly_for_what_is_not_chosen(
    candidates: list[Candidate], rules: Rules, start_seq: int, start: int, cut: int, topics: tuple[str, ...], room: int
) -> None:
    window = Window(start, cut)
    told = told_between(candidates, start_seq, start)
    chosen = select(candidates, window, rules, told=told, topics=topics, room=room).ids
    for one in candidates:
        why = why_not_chosen(one.id, candidates, window, rules, told=told, topics=topics, room=room)
        assert bool(why) == (one.id not in chosen)
        assert bool(why_no_match(one, rules)) == (not rules.match(one))
        if "too long" in why:
            assert room
            assert len(chosen) < rules.limit
