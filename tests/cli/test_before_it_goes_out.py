"""preview, send-test, compose --dry-run, next: what an operator looks at before anything leaves."""

from __future__ import annotations

import email
from collections.abc import Callable
from email import policy
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def site(make_site: Any) -> Any:
    site = make_site()
    site.subscribe("ann@here.example")
    site.accept(["Article one", "Article two"])
    return site


def test_preview_writes_the_mail_and_its_two_halves(broadsheet: Run, site: Any, tmp_path: Any) -> None:
    said = broadsheet(site, "preview", "lantern", "--schedule", "daily", "--out", str(tmp_path / "out"))
    assert said.status == 0, said.all
    assert "Article two and 1 more" in said.out
    message = email.message_from_bytes((tmp_path / "out" / "message.eml").read_bytes(), policy=policy.default)
    html, text = (tmp_path / "out" / "digest.html").read_text(), (tmp_path / "out" / "digest.txt").read_text()
    assert message.get_body(("html",)).get_content().replace("\r\n", "\n") == html
    assert "Article one" in text
    assert site.mails() == []
    assert site.digests() == []


def test_preview_says_why_there_is_nothing(broadsheet: Run, site: Any, tmp_path: Any) -> None:
    out = ["--out", str(tmp_path / "out")]
    nobody = broadsheet(site, "preview", "lantern", *out)
    assert "nobody is subscribed to this schedule" in nobody.out
    site.subscribe("new@here.example")
    late = broadsheet(site, "preview", "lantern", "--to", "new@here.example", *out)
    assert "to new@here.example" in late.out
    other = broadsheet(site, "preview", "lantern", "--to", "ann@here.example", "--schedule", "weekly", *out, "--json")
    assert other.json["nothing"]
    stranger = broadsheet(site, "preview", "lantern", "--to", "zed@here.example", *out)
    assert stranger.status == 2
    assert "not subscribed" in stranger.err
    assert not (tmp_path / "out").exists()


def test_preview_for_a_folder_that_can_not_be_written(broadsheet: Run, site: Any, tmp_path: Any) -> None:
    (tmp_path / "file").write_text("")
    said = broadsheet(site, "preview", "lantern", "--to", "ann@here.example", "--out", str(tmp_path / "file"))
    assert said.status == 2
    assert str(tmp_path / "file") in said.err


def test_pictures_without_a_chromium_say_what_to_install(
    broadsheet: Run, site: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.desk import chromium

    monkeypatch.setattr(chromium, "NAMES", ("no-such-browser",))
    monkeypatch.setattr(chromium, "PLACES", ())
    out = ["--out", str(tmp_path / "out")]
    said = broadsheet(site, "preview", "lantern", "--schedule", "daily", "--screenshots", *out)
    assert said.status == 2
    assert "neither was found (`apt-get install chromium`" in said.err
    assert not (tmp_path / "out").exists(), "it is said before anything is written"


def test_a_test_mail_is_marked_harmless_and_on_record(broadsheet: Run, site: Any) -> None:
    said = broadsheet(site, "send-test", "lantern", "me@elsewhere.example", "--schedule", "daily", "--json")
    assert said.status == 0, said.all
    assert (said.json["again"], len(said.json["articles"])) == (False, 2)
    (mail,) = site.mails()
    assert mail["To"] == "me@elsewhere.example"
    assert mail["Subject"] == "[Test] Article two and 1 more"
    assert mail["List-Unsubscribe"] == "<https://lantern.example/u/test>"
    for part in ("html", "plain"):
        content = mail.get_body((part,)).get_content()
        assert "https://lantern.example/u/test" in content
        assert "https://lantern.example/p/test" in content
    assert site.digests() == [], "a test is no digest and moves nobody's window"
    from sqlalchemy import text

    with site.app.store.read() as connection:
        rows = connection.execute(text("SELECT kind, address, state FROM notices")).all()
    assert rows == [("test", "me@elsewhere.example", "sent")]


def test_a_newcomer_always_gets_a_test_mail_where_there_is_any_article(broadsheet: Run, make_site: Any) -> None:
    site = make_site()
    refused = broadsheet(site, "send-test", "lantern", "me@here.example")
    assert refused.status == 2
    assert "no article" in refused.err
    site.accept(["Article one"])
    said = broadsheet(site, "send-test", "lantern", "me@here.example")
    assert said.status == 0
    assert "latest articles again" in said.out
    assert site.told("me@here.example") == ["Article one"]
    bad = broadsheet(site, "send-test", "lantern", "me@@here.example")
    assert bad.status == 2
    assert "no e-mail address" in bad.err


def test_a_dry_run_makes_nothing_and_compose_does(broadsheet: Run, site: Any) -> None:
    dry = broadsheet(site, "compose", "lantern", "--dry-run", "--json")
    assert dry.json == {"dry_run": True, "nothing": "", "people": 1, "articles": [2, 1]}
    assert site.digests() == []
    assert "2 articles for 1 person" in broadsheet(site, "compose", "lantern").out
    assert [str(d.status) for d in site.digests()] == ["frozen"]
    assert broadsheet(site, "deliver", "--json").json["delivered"] == {"sent": 1}
    site.advance(minutes=1)
    assert "nothing new" in broadsheet(site, "compose", "lantern").out
    assert "nothing new" in broadsheet(site, "compose", "lantern", "--dry-run").out


def test_next_shows_what_comes_and_what_is_overdue(broadsheet: Run, site: Any) -> None:
    said = broadsheet(site, "next", "--count", "1", "--days", "1")
    assert said.out.count("Mon 01 Jun 2026 08:00") == 2, said.out  # daily and weekly
    site.advance(days=1, hours=3)
    coming = broadsheet(site, "next", "--count", "1", "--json").json["coming"]
    daily = [(one["due_at"][:10], one["what"]) for one in coming if one["send"] == "lantern daily"]
    assert [day for day, _ in daily] == ["2026-06-01", "2026-06-02", "2026-06-03"]
    assert daily[0][1].startswith("overdue, not sent: missed")
    assert daily[1][1] == "overdue: the next run does it"
    done = broadsheet(site, "once")
    assert "Not sent" in done.out
    assert "2026-06-01T08:00: missed" in done.out
    ran = broadsheet(site, "runs", "lantern:daily", "--json").json["runs"]
    assert [(r["nominal"], r["status"]) for r in ran] == [
        ("2026-06-02T08:00", "done"), ("2026-06-01T08:00", "skipped")]
    assert "missed" in ran[1]["reason"]
