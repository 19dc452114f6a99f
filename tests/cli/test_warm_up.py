"""What an operator hears of a warm-up, and the file of those who had no place."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def site(make_site: Any, basic_config: str) -> Any:
    """Four people, and two places on the first day."""
    plan = "[mail.warm_up]\nsince = 2026-06-01\ndays = [2, 3]\n"
    site = make_site(basic_config.replace("[preflight]", plan + "[preflight]"))
    for name in ("ann", "bo", "cy", "dee"):
        site.subscribe(f"{name}@here.example")
    site.accept(["Article one"])
    return site


def test_next_and_audit_say_how_many_go_today(broadsheet: Run, site: Any) -> None:
    assert "A warm-up is on, day 1 of 2: 2 mails today, 2 of them not given away yet" in broadsheet(site, "next").err
    assert "2 mails today, 2 of them not given away" in broadsheet(site, "compose", "lantern").err
    assert broadsheet(site, "deliver", "--json").json["delivered"] == {"sent": 2}
    said = broadsheet(site, "next", "--json").json["warm_up"]
    assert said == ("A warm-up is on, day 1 of 2: 2 mails today, 0 of them not given away yet; there is no limit from "
                    "2026-06-03 on.")
    audit = broadsheet(site, "audit")
    assert "excluded  2  warm_up: the 2 places of 2026-06-01 went to others" in audit.out
    assert "selected 4 = sent 2 + bounced 0 + failed 0 + uncertain 0 + excluded 2 + waiting 0" in audit.out
    (name,) = [d.name for d in site.digests()]
    assert "2 people have no place in the warm-up that day" in audit.err
    assert f"`broadsheet subscribers export --newsletter lantern --excluded {name}` writes them down" in audit.err
    site.advance(days=2)
    assert broadsheet(site, "next", "--json").json["warm_up"] == ""
    site.advance(days=-30)
    assert broadsheet(site, "next", "--json").json["warm_up"].startswith("A warm-up begins on 2026-06-01, with 2 mails")


def test_those_who_had_no_place_are_written_to_a_file(broadsheet: Run, site: Any) -> None:
    broadsheet(site, "compose", "lantern")
    broadsheet(site, "deliver")
    (name,) = [d.name for d in site.digests()]
    said = broadsheet(site, "subscribers", "export", "--newsletter", "lantern", "--excluded", name)
    assert [row["address"] for row in csv.DictReader(io.StringIO(said.out))] == ["cy@here.example", "dee@here.example"]
    assert len(broadsheet(site, "subscribers", "export", "--newsletter", "lantern").out.splitlines()) == 5
    broadsheet(site, "subscribers", "remove", "cy@here.example")
    said = broadsheet(site, "subscribers", "export", "--newsletter", "lantern", "--excluded", name, "--json")
    assert said.json["subscribers"] == 1, "whoever left is in no file"


def test_check_says_that_one_is_coming(broadsheet: Run, make_site: Any, basic_config: str) -> None:
    site = make_site(basic_config.replace("[preflight]", "[mail.warm_up]\nsince = 2999-01-01\n[preflight]"))
    assert site.app
    site.close()
    assert "A warm-up begins on 2999-01-01, with 50 mails (UTC)" in broadsheet(site.folder, "check").all


def test_an_announcement_says_that_it_will_take_days(broadsheet: Run, site: Any) -> None:
    (site.folder / "notice.md").write_text("# A notice\n\nText.\n")
    said = broadsheet(site, "announce", "lantern", str(site.folder / "notice.md"), "--yes")
    assert "What has no place today goes on the days after." in said.err
    assert broadsheet(site, "deliver", "--json").json["delivered"] == {"sent": 2}
    site.advance(days=1)
    assert broadsheet(site, "deliver", "--json").json["delivered"] == {"sent": 2}


def test_a_cycle_that_made_a_digest_says_so(broadsheet: Run, site: Any) -> None:
    site.advance(hours=2, minutes=1)   # the slot of 08:00
    said = broadsheet(site, "once")
    assert "A warm-up is on, day 1 of 2: 2 mails today, 0 of them not given away yet" in said.err, said.all
    assert "2 sent" in said.out
