"""subscribers: by hand and from a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]
NEWS = ("--newsletter", "lantern")


def test_somebody_is_added_once_and_may_come_back_by_hand_only(broadsheet: Run, make_site: Any, tmp_path: Any) -> None:
    site = make_site()
    add = ("subscribers", "add", "ann@here.example", *NEWS, "--consent", "at the fair")
    assert "is subscribed to" in broadsheet(site, *add).out
    assert "already" in broadsheet(site, *add).out
    assert "another schedule" in broadsheet(site, *add, "--schedule", "daily").out
    assert "unsubscribed from lantern" in broadsheet(site, "subscribers", "remove", "ann@here.example").out
    assert "had left already" in broadsheet(site, "subscribers", "remove", "ann@here.example").out
    file = tmp_path / "people.csv"
    file.write_text("address\nann@here.example\n")
    kept = broadsheet(site, "subscribers", "import", str(file), *NEWS, "--consent", "x", "--json")
    assert kept.json["joined"] == {"unsubscribed before, and stays so": 1}
    assert "is subscribed to" in broadsheet(site, *add).out
    listed = broadsheet(site, "subscribers", "--json").json["subscriptions"]
    assert [(s["address"], s["status"], s["consent"]) for s in listed] == [
        ("ann@here.example", "confirmed", "at the fair")]


def test_each_bad_line_is_named_and_the_others_go_in(broadsheet: Run, make_site: Any, tmp_path: Any) -> None:
    site = make_site()
    file = tmp_path / "people.csv"
    file.write_text("name,email,schedule\nAnn,ann@here.example,\nBob,bob@@here,daily\nCid,cid@here.example,dayly\n"
                    "Dot,dot@here.example,daily\n")
    said = broadsheet(site, "subscribers", "import", str(file), *NEWS, "--consent", "x")
    assert said.status == 3
    assert f"{file}:3: bob@@here: is no e-mail address" in said.err
    assert f"{file}:4: schedule 'dayly': there is none (did you mean \"daily\"?)" in said.err
    assert "columns not used: name" in said.err
    assert broadsheet(site, "subscribers", "list").out.count("@here.example") == 2
    again = broadsheet(site, "subscribers", "import", str(file), *NEWS, "--consent", "x", "--json")
    assert again.json["joined"] == {"already subscribed": 2}


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"name\nAnn\n"])
def test_a_file_that_is_no_list_of_people(
    broadsheet: Run, make_site: Any, tmp_path: Any, content: bytes | None
) -> None:
    file = tmp_path / "people.csv"
    if content is not None:
        file.write_bytes(content)
    said = broadsheet(make_site(), "subscribers", "import", str(file), *NEWS, "--consent", "x")
    assert said.status == 2
    assert str(file) in said.err


def test_a_backlog_is_where_the_first_window_starts(broadsheet: Run, make_site: Any, tmp_path: Any) -> None:
    site = make_site()
    assert site.app is not None
    site.accept(["Article old"])
    site.advance(days=8)
    site.accept(["Article new"])
    for name, backlog in (("all", ["--backlog", "all"]), ("week", ["--backlog", "7d"]), ("now", [])):
        added = broadsheet(site, "subscribers", "add", f"{name}@here.example", *NEWS, "--consent", "x", *backlog)
        assert added.status == 0, added.all
    found = {}
    for name in ("all", "week", "now"):
        said = broadsheet(site, "preview", "lantern", "--to", f"{name}@here.example", "--out", str(tmp_path), "--json")
        found[name] = said.json.get("articles", [])
    assert found == {"all": [2, 1], "week": [2], "now": []}
    wrong = broadsheet(site, "subscribers", "add", "x@here.example", *NEWS, "--consent", "x", "--backlog", "soon")
    assert wrong.status == 2
    assert '"7d"' in wrong.err


def test_consent_is_not_optional(broadsheet: Run, make_site: Any) -> None:
    site = make_site()
    assert broadsheet(site, "subscribers", "add", "a@here.example", *NEWS).status == 2
    empty = broadsheet(site, "subscribers", "add", "a@here.example", *NEWS, "--consent", " ")
    assert empty.status == 2
    assert "consent" in empty.err


CHOICES = ('select = { limit = 500 }', 'select = { limit = 500, topics = ["Health", "city"] }\nlanguages = ["sv"]')


def test_topics_and_language_by_hand(broadsheet: Run, make_site: Any, basic_config: str) -> None:
    site = make_site(basic_config.replace(*CHOICES))
    add = ("subscribers", "add", "ann@here.example", *NEWS, "--consent", "x")
    assert "topics" not in broadsheet(site, "subscribers", "list").out
    added = broadsheet(site, *add, "--topic", "health", "--topic", "City", "--language", "sv", "--json").json
    assert (added["topics"], added["language"], added["result"]) == (["city", "health"], "sv", "added")
    listed = broadsheet(site, "subscribers", "list")
    assert "city, health" in listed.out
    assert "language" in listed.out
    assert "was subscribed already" in broadsheet(site, *add).out, "nothing said, nothing changed"
    assert "other topics or another language" in broadsheet(site, *add, "--topic", "*").out
    (ann,) = broadsheet(site, "subscribers", "list", "--json").json["subscriptions"]
    assert (ann["topics"], ann["language"]) == ([], "sv")


@pytest.mark.parametrize(("args", "said"), [
    (("--topic", "helth"), 'topic \'helth\': there is none (did you mean "Health"?)'),
    (("--topic", "zzz"), "topic 'zzz': there is none (there is Health, city)"),
    (("--language", "fi"), "language 'fi': there is none (there is en, sv)"),
])
def test_what_is_not_offered_is_told_the_nearest(
    broadsheet: Run, make_site: Any, basic_config: str, args: tuple[str, ...], said: str
) -> None:
    site = make_site(basic_config.replace(*CHOICES))
    wrong = broadsheet(site, "subscribers", "add", "ann@here.example", *NEWS, "--consent", "x", *args)
    assert wrong.status == 2
    assert said in wrong.err
    assert broadsheet(site, "subscribers", "list", "--json").json["subscriptions"] == []


def test_people_go_out_to_a_file_and_come_in_again(
    broadsheet: Run, make_site: Any, basic_config: str, tmp_path: Any
) -> None:
    config = basic_config.replace(*CHOICES)
    site = make_site(config)
    for name, *args in (("ann", "--topic", "health", "--topic", "city", "--schedule", "daily"), ("bob",),
                        ("cid", "--language", "sv"), ("dot", "--topic", "city")):
        broadsheet(site, "subscribers", "add", f"{name}@here.example", *NEWS, "--consent", "at the fair; really",
                   *args)
    broadsheet(site, "subscribers", "remove", "dot@here.example")
    file = tmp_path / "people.csv"
    assert "3 subscribers in" in broadsheet(site, "subscribers", "export", str(file), *NEWS).err
    assert file.stat().st_mode & 0o077 == 0
    assert file.read_text() == (
        "address,schedule,topics,language,consent\nann@here.example,daily,city;health,,at the fair; really\n"
        "bob@here.example,weekly,,,at the fair; really\ncid@here.example,weekly,,sv,at the fair; really\n")
    assert broadsheet(site, "subscribers", "export", *NEWS).out == file.read_text()
    assert broadsheet(site, "subscribers", "export", *NEWS, "--json").json["csv"] == file.read_text()
    again = broadsheet(site, "subscribers", "export", str(file), *NEWS)
    assert again.status == 2
    assert "nothing is overwritten" in again.err
    other = make_site(config, name="other")
    assert broadsheet(other, "subscribers", "import", str(file), *NEWS, "--json").json["joined"] == {"added": 3}
    assert broadsheet(other, "subscribers", "export", *NEWS).out == file.read_text()
    assert broadsheet(other, "subscribers", "import", str(file), *NEWS, "--json").json["joined"] == {
        "already subscribed": 3}
