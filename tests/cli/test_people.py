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
