"""A subscriber's own page: a GET shows, a POST saves all of it or nothing, and says what that means."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html

from pipeline.audience.choices import Choices, Topic
from pipeline.audience.subscriptions import unsubscribe
from pipeline.config import load_text
from pipeline.mail.tokens import PREFERENCES
from pipeline.model.subscribers import Subscription, SubscriptionStatus
from pipeline.store import subscribers
from pipeline.web.preferences import decide_wish
from pipeline.web.tongues import own_name

FORM = {"content-type": "application/x-www-form-urlencoded"}
TOPICS = 'select = { topics = ["Tide", "quay", "Ferry & boat"] }\nlanguages = ["sv", "ar"]\n'
ALL = ("schedule", "topics", "language")


@pytest.fixture
def house(house: Any) -> Any:
    """The site, whose newsletter lets people choose all there is to choose."""
    return with_newsletter(house, TOPICS)


def with_newsletter(house: Any, more: str, *, without: str = "") -> Any:
    path = house.folder / "config.toml"
    text = path.read_text().replace('former = ["lamp"]\n', 'former = ["lamp"]\n' + more)
    config = load_text(text.replace(without, ""), path)
    return type(house)(replace(house.app, config=config), house.folder)


def token(house: Any, subscription_id: int = 1) -> str:
    return str(house.app.keyring.sign(PREFERENCES, str(subscription_id)))


def save(house: Any, *, shown: tuple[str, ...] = ALL, subscription_id: int = 1, **fields: Any) -> Any:
    values = {"schedule": "weekly", "language": "en", "shown": shown} | fields
    return house.ask("POST", f"/p/{token(house, subscription_id)}", FORM, urlencode(values, doseq=True).encode())


def chosen(house: Any) -> tuple[str, tuple[str, ...], str]:
    with house.app.store.read() as connection:
        found = subscribers.subscription(connection, 1)
    assert found is not None
    return found.schedule, found.topics, found.language


def kinds(house: Any) -> list[str]:
    with house.app.store.read() as connection:
        return [str(event.kind) for event in subscribers.history(connection, 1)]


def checked(page: Any) -> dict[str, list[str]]:
    """What is ticked in a page's form."""
    found: dict[str, list[str]] = {}
    for box in lxml_html.fromstring(page.text).xpath("//input[@checked]"):
        found.setdefault(box.get("name"), []).append(box.get("value"))
    return found


# --- looking ----------------------------------------------------------------------------------------------


def test_a_get_shows_what_there_is_to_choose_and_changes_nothing(house: Any) -> None:
    before = house.data_digest()
    page = house.get(f"/p/{token(house)}")
    assert page.status == 200
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in page.headers
    assert "<script" not in page.text
    tree = lxml_html.fromstring(page.text)
    assert tree.xpath("//fieldset/legend/text()") == ["How often", "About what", "In which language"]
    assert checked(page) == {"schedule": ["weekly"], "language": ["en"]}
    assert [box.get("value") for box in tree.xpath("//input[@name='topics']")] == ["tide", "quay", "ferry & boat"]
    assert "Every day at 08:00, Europe/Stockholm" in page.text
    assert "Ferry &amp; boat" in page.text
    assert tree.xpath("//*[@lang='ar' and @dir='rtl']/text()") == ["العربية"]
    assert tree.xpath("//*[@lang='sv']/text()") == ["svenska"]
    assert "j•••@example.org" in page.text
    assert "jonna" not in page.text
    assert house.ask("HEAD", f"/p/{token(house)}").status == 200
    assert house.data_digest() == before


def test_each_field_can_be_named_and_reached_without_a_script(house: Any) -> None:
    tree = lxml_html.fromstring(house.get(f"/p/{token(house)}").text)
    fields = tree.xpath("//input[not(@type='hidden')]")
    assert len(fields) == 8
    for one in fields:
        (label,) = one.xpath("ancestor::label")
        assert label.text_content().strip()
        assert one.xpath("ancestor::fieldset/legend")
    for described in tree.xpath("//@aria-describedby"):
        for name in described.split():
            assert tree.xpath(f"//*[@id='{name}']"), name
    save_form, leave_form = tree.xpath("//form")
    assert save_form.get("action") is None  # it posts to this very address
    assert leave_form.get("action") == f"/u/{house.token()}"


def test_the_way_out_beside_it_works(house: Any) -> None:
    (action,) = re.findall(r'action="([^"]+)"', house.get(f"/p/{token(house)}").text)
    assert "You are unsubscribed" in house.ask("POST", action, FORM, b"List-Unsubscribe=One-Click").text
    assert house.status() == "unsubscribed"


# --- saving -----------------------------------------------------------------------------------------------


def test_a_post_saves_and_says_what_it_means(house: Any) -> None:
    page = save(house, schedule="daily", topics=["tide", "ferry & boat"], language="sv")
    assert page.status == 200
    assert chosen(house) == ("daily", ("ferry & boat", "tide"), "sv")
    assert checked(page) == {"schedule": ["daily"], "topics": ["tide", "ferry & boat"], "language": ["sv"]}
    said = " ".join(lxml_html.fromstring(page.text).xpath("//*[@role='status']")[0].text_content().split())
    assert said == (
        "Saved. From the next letter on: every day at 08:00, Europe/Stockholm; only about Ferry & boat and Tide; in "
        "svenska. The next one is due on Tuesday, 24 November 2026 at 08:00, if there is something for you by then. "
        "Nothing is sent twice, and nothing about what you chose is lost by switching. Articles about anything else "
        "are not kept for later. A letter that is on its way at this moment may still come as before.")
    assert kinds(house) == ["confirmed", "schedule", "topics", "language"]
    assert checked(house.get(f"/p/{token(house)}")) == checked(page)


def test_again_and_again_changes_nothing_more(house: Any) -> None:
    first = save(house, schedule="daily", topics=["tide", "quay"], language="ar")
    before = house.data_digest()
    with house.app.store.write():  # and a repeat waits for no writer
        assert save(house, schedule="daily", topics=["quay", "tide", "tide"], language="ar").text == first.text
    assert house.data_digest() == before


def test_no_topic_ticked_is_everything(house: Any) -> None:
    save(house, topics=["tide"])
    page = save(house)
    assert chosen(house) == ("weekly", (), "")
    assert "weekly" not in page.text.partition("<fieldset")[0]
    assert "; about everything; in" in page.text
    assert "Tick none to get everything" in page.text


def test_the_newsletter_s_own_language_is_stored_as_such(house: Any) -> None:
    save(house, language="sv")
    save(house, language="en")
    assert chosen(house)[2] == "", "so that it goes with the newsletter's, should that change"


@pytest.mark.parametrize(("fields", "field", "words"), [
    ({"schedule": "dayly"}, "schedule", "“dayly” is not one of these: did you mean \"daily\"?"),
    ({"schedule": ["daily", "weekly"]}, "schedule", "Choose one of these."),
    ({"schedule": []}, "schedule", "Choose one of these."),
    ({"schedule": ""}, "schedule", "Choose one of these."),
    ({"topics": ["tide", "tyde", "<b>"]}, "topics", "“tyde” is not one of these: did you mean \"Tide\"?"),
    ({"topics": ["x" * 500]}, "topics", "x" * 59 + "…”"),
    ({"language": "fi"}, "language", "“fi” is not one of these"),
    ({"language": "xx\x00\u202e"}, "language", "“xx��” is not one of these"),
])
def test_what_can_not_be_taken_is_said_beside_its_field_and_nothing_is_lost(
    house: Any, fields: dict[str, Any], field: str, words: str
) -> None:
    before = house.data_digest()
    typed = {"schedule": "daily", "topics": ["tide", "quay"], "language": "ar"} | fields
    page = save(house, **typed)
    assert page.status == 422
    assert "Nothing was saved yet." in page.text
    tree = lxml_html.fromstring(page.text)
    (problem,) = tree.xpath("//fieldset//p[@class='problem']")
    assert words in problem.text_content()
    assert problem.get("id") == f"{field}-problem"
    assert f"{field}-problem" in problem.xpath("ancestor::fieldset")[0].get("aria-describedby").split()
    assert "<b>" not in page.text
    kept = checked(page)
    for name, value in typed.items():
        if name != field:
            assert kept[name] == ([value] if isinstance(value, str) else value)
    if field == "topics" and "tide" in typed["topics"]:
        assert kept["topics"] == ["tide"]
    assert house.data_digest() == before


@pytest.mark.parametrize("body", [
    b"", b"List-Unsubscribe=One-Click", b"schedule=daily", b"topics=tide&shown=", b"shown=everything&schedule=daily",
    b"\xff\xfe=%ff", b"shown=schedule&shown=admin&schedule=daily",
])
def test_a_body_that_is_not_this_form_unticks_nothing(house: Any, body: bytes) -> None:
    save(house, schedule="daily", topics=["tide"], language="sv")
    before = house.data_digest()
    page = house.ask("POST", f"/p/{token(house)}", FORM, body)
    assert page.status == 422
    assert "does not fit this page as it is now" in page.text
    assert house.data_digest() == before
    assert checked(page) == {"schedule": ["daily"], "topics": ["tide"], "language": ["sv"]}


def test_a_group_that_the_form_did_not_have_is_left_alone(house: Any) -> None:
    save(house, schedule="daily", topics=["tide"], language="sv")
    save(house, shown=("schedule",), schedule="weekly", topics=["quay"], language="ar")
    assert chosen(house) == ("weekly", ("tide",), "sv")


def test_a_form_of_a_config_that_was_keeps_what_was_typed(house: Any) -> None:
    save(house, schedule="daily", topics=["tide"], language="sv")
    fewer = with_newsletter(house, "", without='languages = ["sv", "ar"]\n')
    before = house.data_digest()
    page = save(fewer, shown=("schedule", "language", "x"), schedule="weekly", topics=["quay"], language="sv")
    assert page.status == 422
    assert checked(page)["schedule"] == ["weekly"]
    assert checked(page)["topics"] == ["tide"], "a group that was not sent is as it is stored"
    assert house.data_digest() == before


@pytest.mark.parametrize(("headers", "body", "status"), [
    ({"content-type": "text/plain"}, b"shown=topics", 415),
    ({"content-type": "multipart/form-data; boundary=x"}, b"--x--", 415),
    ({}, b"shown=topics", 415),
    (FORM, b"shown=topics&x=" + b"y" * 70_000, 413),
    (FORM, b"&".join([b"a=1"] * 2000), 413),
])
def test_other_bodies_are_refused_in_words(house: Any, headers: dict[str, str], body: bytes, status: int) -> None:
    before = house.data_digest()
    page = house.ask("POST", f"/p/{token(house)}", headers, body)
    assert page.status == status
    assert "Nothing was changed" in page.text
    assert house.data_digest() == before


def test_a_form_over_the_wire(house: Any, serve: Any) -> None:
    with serve(house) as connect:
        connection: HTTPConnection = connect()
        for body, status in ((b"shown=topics&topics=tide", 200), (b"x" * 200_000, 413), (b"shown=topics", 200)):
            connection.request("POST", f"/p/{token(house)}", body,
                               {"content-type": "application/x-www-form-urlencoded; charset=UTF-8"})
            answer = connection.getresponse()
            assert answer.status == status
            answer.read()
            if answer.headers.get("connection") == "close":
                connection = connect()
    assert chosen(house)[1] == ()
    assert kinds(house) == ["confirmed", "topics", "topics"]


# --- who it is for ----------------------------------------------------------------------------------------


def bad_tokens(good: str) -> list[str]:
    flipped = [good[:i] + ("A" if c != "A" else "B") + good[i + 1:] for i, c in list(enumerate(good))[::4]]
    return [*flipped, good[:-1], good[1:], "1", "1.", ".", "x" * 3000, "1.é", good.replace("1", "٣", 1)]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_wrong_token_does_nothing_and_says_so(house: Any, method: str) -> None:
    before = house.data_digest()
    with house.app.store.write():
        for wrong in [*bad_tokens(token(house)), house.token(), house.app.keyring.sign(PREFERENCES, "0x1")]:
            page = house.ask(method, f"/p/{wrong}", FORM, b"shown=topics&topics=tide")
            assert page.status == 404, wrong
            assert "This link is not complete" in page.text
    assert house.data_digest() == before


def test_a_token_of_this_page_does_not_unsubscribe(house: Any) -> None:
    assert house.ask("POST", f"/u/{token(house)}", FORM, b"List-Unsubscribe=One-Click").status == 404
    assert house.status() == "confirmed"


def test_who_has_left_stays_away_and_is_told_so(house: Any) -> None:
    unsubscribe(house.app.store, 1, house.app.now(), "a test")
    before = house.data_digest()
    for page in (house.get(f"/p/{token(house)}"), save(house, schedule="daily", topics=["tide"])):
        assert page.status == 200
        assert "You are unsubscribed" in page.text
    assert house.data_digest() == before


def test_a_person_whose_data_is_gone_is_told_so(house: Any) -> None:
    for page in (house.get(f"/p/{token(house, 987)}"), save(house, subscription_id=987)):
        assert page.status == 200
        assert "not known here any more" in page.text


def test_the_link_of_a_test_mail_leads_nowhere(house: Any) -> None:
    for page in (house.get("/p/test"), house.ask("POST", "/p/test", FORM, b"shown=topics")):
        assert page.status == 404
        assert "This was a test" in page.text


def test_a_newsletter_that_was_renamed_keeps_its_links(house: Any) -> None:
    with house.app.store.write() as connection:
        connection.exec_driver_sql("UPDATE newsletters SET slug = 'lamp'")
    assert save(house, schedule="daily").status == 200
    assert chosen(house)[0] == "daily"


def test_a_newsletter_that_is_no_more_leaves_the_way_out(house: Any) -> None:
    with house.app.store.write() as connection:
        connection.exec_driver_sql("UPDATE newsletters SET slug = 'gone'")
    page = house.get(f"/p/{token(house)}")
    assert (page.status, page.headers["location"]) == (303, f"/u/{house.token()}")


def test_the_mail_leads_here(house: Any) -> None:
    raw = house.get(f"{house.mail_path}/raw").text.replace("=\n", "").replace("=3D", "=")
    assert f"http://127.0.0.1:8000/p/{token(house)}" in raw
    assert "Choose how often and about what" in raw


def test_no_token_reaches_a_log(house: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.DEBUG)
    save(house, topics=["tide"])
    monkeypatch.setattr(subscribers, "subscription", lambda *_: 1 / 0)
    assert house.get(f"/p/{token(house)}").status == 500
    assert "/p/…" in caplog.text
    assert token(house) not in caplog.text


# --- what is offered --------------------------------------------------------------------------------------


def shown(page: Any) -> list[str]:
    return re.findall(r'name="shown" value="(\w+)"', page.text)


def test_one_of_a_kind_is_no_choice(house: Any) -> None:
    weekly = '  [[newsletters.schedules]]\n  slug = "daily"\n  at = "08:00"\n'
    bare = with_newsletter(house, 'languages = ["en"]\nselect = { topics = ["tide"] }\n', without=weekly)
    page = bare.get(f"/p/{token(bare)}")
    assert "there is nothing to choose" in page.text
    assert page.text.count("<form") == 1
    two = with_newsletter(house, "", without=weekly)
    assert shown(two.get(f"/p/{token(two)}")) == []
    topics = with_newsletter(house, TOPICS, without=weekly)
    page = topics.get(f"/p/{token(topics)}")
    assert shown(page) == ["topics", "language"]
    assert "It goes out every Monday at 08:00, Europe/Stockholm." in page.text


def test_what_is_not_offered_any_more_stays_theirs_until_they_untick_it(house: Any) -> None:
    save(house, topics=["tide", "quay"])
    less = with_newsletter(house, 'select = { topics = ["tide"] }\n')
    page = less.get(f"/p/{token(less)}")
    assert "not offered any more" in page.text
    assert checked(page)["topics"] == ["tide", "quay"]
    assert save(less, shown=("schedule", "topics"), topics=["tide", "quay"]).status == 200
    assert chosen(less)[1] == ("quay", "tide")
    save(less, shown=("schedule", "topics"), topics=["tide"])
    assert save(less, shown=("schedule", "topics"), topics=["quay"]).status == 422, "and nobody new may pick it"


# --- the decision -----------------------------------------------------------------------------------------

OFFERED = Choices(("daily", "weekly"), (Topic("a", "A"), Topic("b", "B"), Topic("strasse", "Straße")), ("en", "sv"))

words = st.sampled_from(["daily", "weekly", "en", "sv", "a", "B", "b", "STRASSE", "straße", "*", "", "x", "\x00"])
forms = st.fixed_dictionaries(
    {"shown": st.lists(st.sampled_from(ALL), min_size=1, max_size=3) | st.lists(words, max_size=2)},
    optional={name: st.lists(words, max_size=2) for name in (*ALL, "other")})


@settings(max_examples=200)
@given(forms, st.lists(st.sampled_from(["a", "b", "old"]), max_size=2, unique=True))
def test_a_wish_is_whole_or_nothing_and_only_of_what_is_offered(fields: dict[str, list[str]], kept: list[str]) -> None:
    found = Subscription(1, 1, "x@example.org", "n", "daily", SubscriptionStatus.CONFIRMED, 0, None, None, "",  # type: ignore[arg-type]
                         tuple(kept))
    wish, problems = decide_wish(OFFERED, found, fields)
    groups = set(fields.get("shown", ()))
    if not groups or not groups <= set(ALL):
        assert list(problems) == [""]
        return
    assert set(problems) <= groups
    if not problems:
        assert (wish.schedule is None) == ("schedule" not in groups)
        assert (wish.topics is None) == ("topics" not in groups)
        assert (wish.language is None) == ("language" not in groups)
    assert wish.schedule in (None, "daily", "weekly")
    assert wish.language in (None, "", "sv")
    assert set(wish.topics or ()) <= {"a", "b", "strasse", *kept}


@pytest.mark.parametrize(("tag", "name"), [
    ("sv", "svenska"), ("EN", "English"), ("pt-BR", "português (BR)"), ("zh-Hant-TW", "中文 (Hant-TW)"), ("tlh", "tlh"),
    ("tlh-x", "tlh-x"),
])
def test_languages_are_called_as_their_own_speakers_do(tag: str, name: str) -> None:
    assert own_name(tag) == name
