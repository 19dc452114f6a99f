"""announce: an apology or a notice, looked at before, mailed once to each, by the ledger of digests."""

from __future__ import annotations

import email
import sys
from collections.abc import Callable
from email import policy
from pathlib import Path
from typing import Any

import pytest

from pipeline.audience.subscriptions import unsubscribe
from pipeline.model.deliveries import DeliveryState
from pipeline.store import announcements, public_digests, subscribers
from pipeline.store.schema import deliveries as rows

Run = Callable[..., Any]

SORRY = "# We are *sorry*\n\nYou had yesterday's letter **twice**.\n\n## Why\n\nSee [here](https://lantern.example/why).\n"


@pytest.fixture
def site(make_site: Any) -> Any:
    """Two on the daily schedule and one on the weekly one."""
    site = make_site()
    for name in ("ann", "bo"):
        site.subscribe(f"{name}@here.example")
    site.subscribe("cy@here.example", "weekly")
    (site.folder / "sorry.md").write_text(SORRY, encoding="utf-8")
    return site


def file(site: Any, text: str = "", name: str = "sorry.md") -> str:
    path = site.folder / name
    if text:
        path.write_text(text, encoding="utf-8")
    return str(path)


def subjects(site: Any) -> dict[str, list[str]]:
    got: dict[str, list[str]] = {}
    for mail in site.mails():
        got.setdefault(str(mail["To"]).partition("@")[0], []).append(str(mail["Subject"]))
    return got


def test_a_dry_run_shows_the_mail_and_sends_nothing(broadsheet: Run, site: Any, tmp_path: Path) -> None:
    said = broadsheet(site, "announce", "lantern", file(site), "--dry-run", "--out", str(tmp_path / "out"))
    assert said.status == 0, said.all
    assert "We are sorry" in said.out
    assert "3 people, everyone of lantern" in said.out
    message = email.message_from_bytes((tmp_path / "out" / "message.eml").read_bytes(), policy=policy.default)
    html, text = (tmp_path / "out" / "digest.html").read_text(), (tmp_path / "out" / "digest.txt").read_text()
    assert message["Subject"] == "We are sorry"
    assert "<strong" in html
    assert ">Why</h3>" in html
    assert "We are sorry\n------------\n\nYou had yesterday's letter twice." in text
    assert "[1] https://lantern.example/why" in text
    for part in (html, text):
        assert "/u/" in part, "everybody can leave"
        assert "/n/lantern/2" not in part, "it has no page on the web to link to"
    assert site.digests() == []
    assert broadsheet(site, "announce", "lantern", file(site), "--dry-run", "--json").json["people"] == 3


def test_nobody_is_mailed_without_a_word(broadsheet: Run, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = broadsheet(site, "announce", "lantern", file(site))
    assert (alone.status, site.digests()) == (2, [])
    assert "--yes sends it" in alone.err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda question, **_: "3 people" not in question)
    assert "Nothing was sent" in broadsheet(site, "announce", "lantern", file(site)).out
    assert site.digests() == []
    monkeypatch.setattr("typer.confirm", lambda *_, **__: True)
    assert broadsheet(site, "announce", "lantern", file(site)).status == 0
    assert [d.status for d in site.digests()] == ["frozen"]


def test_everybody_gets_it_once_and_the_ledger_knows(broadsheet: Run, site: Any) -> None:
    said = broadsheet(site, "announce", "lantern", file(site), "--yes", "--json")
    assert said.status == 0, said.all
    assert (said.json["people"], said.json["name"]) == (3, "2026-06-01-060000-announcement")
    assert broadsheet(site, "deliver", "--json").json["delivered"] == {"sent": 3}
    assert subjects(site) == {name: ["We are sorry"] for name in ("ann", "bo", "cy")}
    mail = site.mails()[0]
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert str(mail["To"]) in mail.get_body(("plain",)).get_content()
    audit = broadsheet(site, "audit", "--people")
    assert "2026-06-01-060000-announcement  (done)" in audit.out
    assert "selected 3 = sent 3" in audit.out
    shown = broadsheet(site, "digests", "show", "latest")
    assert "On the web" not in shown.out
    assert "We are sorry" in shown.out
    previewed = broadsheet(site, "preview", "lantern", "--digest", "2026-06-01-060000-announcement", "--out",
                           str(site.folder / "out"))
    assert "We are sorry" in previewed.out


def test_it_is_mail_only(broadsheet: Run, site: Any) -> None:
    site.write("one.md", "Article one")
    site.run()
    before = {path: path.read_bytes() for path in (site.folder / "feeds").rglob("*") if path.is_file()}
    with site.app.store.read() as connection:
        state, newest = public_digests.public_state(connection), public_digests.newest(connection, "lantern", 9)
    broadsheet(site, "announce", "lantern", file(site), "--yes")
    site.run()
    assert {path: path.read_bytes() for path in (site.folder / "feeds").rglob("*") if path.is_file()} == before
    with site.app.store.read() as connection:
        assert public_digests.public_state(connection) == state
        assert public_digests.newest(connection, "lantern", 9) == newest
        assert public_digests.neighbours(connection, site.digests()[0]) == (None, None) or newest


def test_the_same_words_go_twice_only_where_that_is_said(broadsheet: Run, site: Any) -> None:
    send = ("announce", "lantern", file(site), "--yes")
    broadsheet(site, *send)
    again = broadsheet(site, *send)
    assert again.status == 2
    assert "the same words went out before" in again.err
    site.advance(minutes=1)
    assert broadsheet(site, *send, "--again").status == 0
    site.advance(minutes=1)
    assert broadsheet(site, "announce", "lantern", file(site, SORRY + "More.\n"), "--yes").status == 0
    site.advance(minutes=1)
    file(site, SORRY)
    for one in site.digests():
        broadsheet(site, "digests", "cancel", str(one.id))
    assert broadsheet(site, *send).status == 0, "what was cancelled went to nobody"
    broadsheet(site, "deliver")
    assert subjects(site) == {name: ["We are sorry"] for name in ("ann", "bo", "cy")}


def test_only_those_whom_a_digest_reached(broadsheet: Run, site: Any) -> None:
    for name in ("dee", "eve", "fay", "gus"):
        site.subscribe(f"{name}@here.example")
    site.accept(["Article one"])
    broadsheet(site, "compose", "lantern", "--schedule", "daily")
    site.subscribe("late@here.example")
    broadsheet(site, "deliver")
    (digest,) = site.digests()
    with site.app.store.write() as connection:  # what else can have become of it
        by_name = {s.address.partition("@")[0]: s.id for s in subscribers.listed(connection)}
        for name, state, attempts in (("bo", "uncertain", 1), ("dee", "bounced", 1), ("eve", "failed", 1),
                                      ("fay", "failed", 2)):
            connection.execute(rows.update().where(rows.c.subscription_id == by_name[name]).values(
                state=state, attempts=attempts, covered=name != "eve"))
        theirs = announcements.reached(connection, digest)
    # fay was uncertain once, and sending it again failed: it may have arrived the first time
    assert theirs == [by_name[name] for name in ("ann", "bo", "fay", "gus")]
    unsubscribe(site.app.store, by_name["gus"], site.now, "by a link")
    site.advance(minutes=1)
    dry = broadsheet(site, "announce", "lantern", file(site), "--received", "latest", "--dry-run")
    assert f"4 people, whom lantern/{digest.name} reached" in dry.out
    said = broadsheet(site, "announce", "lantern", file(site), "--received", digest.name, "--yes", "--json")
    assert (said.json["people"], said.json["received"]) == (4, digest.name)
    broadsheet(site, "deliver")
    audit = broadsheet(site, "audit", "--json").json
    assert audit["counts"] == {"selected": 4, "sent": 3, "bounced": 0, "failed": 0, "uncertain": 0, "excluded": 1,
                               "waiting": 0}
    assert audit["holds"]
    assert [r["reason"] for r in audit["reasons"] if r["state"] == "excluded"] == ["unsubscribed"]
    assert {name for name, got in subjects(site).items() if "We are sorry" in got} == {"ann", "bo", "fay"}
    site.advance(minutes=1)
    everyone = ("announce", "lantern", file(site), "--yes")
    assert broadsheet(site, *everyone).status == 2, "some have it already"
    assert broadsheet(site, *everyone, "--again").status == 0


def test_whom_it_may_still_reach_is_said(broadsheet: Run, site: Any) -> None:
    site.accept(["Article one"])
    broadsheet(site, "compose", "lantern")
    site.advance(minutes=1)
    dry = broadsheet(site, "announce", "lantern", file(site), "--received", "latest", "--dry-run")
    assert "0 people" in dry.out
    assert "3 people may still get" in dry.out
    refused = broadsheet(site, "announce", "lantern", file(site), "--received", "latest", "--yes")
    assert refused.status == 2
    assert "it is for nobody" in refused.err
    assert len(site.digests()) == 1


@pytest.mark.parametrize(("name", "text", "problem"), [
    ("sorry.txt", "Sorry", "no Markdown file"), ("none.md", "", "no such file"), ("a.md", "Only words.", "no subject"),
    ("a.md", "---\ndraft: true\n---\n# Sorry\n\nx", "draft"), ("a.md", "# Sorry\n", "says nothing"),
    ("a.md", "# Sorry\n\n<script>alert(1)</script>", "says nothing"),
    ("a.md", "---\ntitle: a: b\n---\nx", "front matter"),
    ("a.md", "---\ndate: 2030-01-01\n---\n# Sorry\n\nx", "not before"),
])
def test_what_can_not_be_announced(broadsheet: Run, site: Any, name: str, text: str, problem: str) -> None:
    said = broadsheet(site, "announce", "lantern", file(site, text, name), "--yes")
    assert said.status in (1, 2)
    assert problem in said.err
    assert site.digests() == []


def test_an_unknown_digest_or_one_that_never_went(broadsheet: Run, site: Any) -> None:
    assert "no such digest" in broadsheet(site, "announce", "lantern", file(site), "--received", "x", "--yes").err
    broadsheet(site, "compose", "lantern")
    skipped = broadsheet(site, "announce", "lantern", file(site), "--received", str(site.digests()[0].id), "--yes")
    assert "was never sent" in skipped.err


def test_where_the_subject_comes_from(broadsheet: Run, site: Any) -> None:
    path = file(site, "---\ntitle: From the top\n---\n# A heading\n\nText.\n")
    dry = ("announce", "lantern", path, "--dry-run", "--json")
    out = site.folder / "preview"
    assert broadsheet(site, *dry, "--out", str(out)).json["subject"] == "From the top"
    assert "A heading</h3>" in (out / "digest.html").read_text(), "a second title is a heading"
    assert broadsheet(site, *dry, "--out", str(out), "--subject", "Shorter").json["subject"] == "Shorter"
    assert ">From the top</h2>" in (out / "digest.html").read_text()
    untitled = ("announce", "lantern", file(site, "Only words."), "--dry-run", "--json", "--out", str(out))
    assert broadsheet(site, *untitled, "--subject", "No {{ template }} <b>").json["subject"] == "No {{ template }} <b>"
    assert "No {{ template }} &lt;b&gt;</h2>" in (out / "digest.html").read_text()


def test_it_is_cleaned_as_an_article_is(broadsheet: Run, site: Any) -> None:
    path = file(site, "# Hello\n\nA <b onclick=x()>word</b> <script>alert(1)</script><style>.small{color:red}</style>"
                      " and <a href='javascript:alert(1)'>a link</a> ![far](https://elsewhere.example/spy.png)\n")
    broadsheet(site, "announce", "lantern", path, "--yes")
    broadsheet(site, "deliver")
    html = site.mails()[0].get_body(("html",)).get_content()
    for harm in ("onclick", "alert(1)", "javascript:", "spy.png", ".small{"):
        assert harm not in html
    assert "<b>word</b>" in html


def test_a_template_that_shows_no_introduction_is_not_trusted_with_it(broadsheet: Run, site: Any) -> None:
    folder = site.folder / "templates" / "digest"
    folder.mkdir(parents=True)
    config = site.folder / "config.toml"
    bare = site.folder / "templates" / "bare"
    bare.mkdir()
    (bare / "body.html.j2").write_text('{% extends "digest/body.html.j2" %}{% block introduction %}{% endblock %}')
    config.write_text(config.read_text().replace("select = { limit = 500 }", 'template = "bare"'))
    said = broadsheet(site, "announce", "lantern", file(site), "--yes")
    assert said.status == 0, said.all
    assert 'template "bare" shows no introduction' in said.err
    broadsheet(site, "deliver")
    assert "twice" in site.mails()[0].get_body(("html",)).get_content()
    (folder / "body.txt.j2").write_text("{% block shell %}{{ begin.mail }}{{ tokens.unsubscribe_url }}{{ end.mail }} "
                                        "{{ slots.articles }}{% endblock %}"
                                        "{% block article %}{{ article.title }}{% endblock %}")
    site.advance(minutes=1)
    worse = broadsheet(site, "announce", "lantern", file(site), "--yes", "--again")
    assert worse.status != 0
    assert "shows no introduction" in worse.err
    assert len(site.digests()) == 1


def test_what_the_preflight_holds_does_not_go(broadsheet: Run, make_site: Any, basic_config: str) -> None:
    site = make_site(basic_config + 'strict = true\nhold = ["pictures"]\n')
    site.subscribe("ann@here.example")
    file(site, SORRY + "\n![The quay](https://lantern.example/quay.png)\n")  # of no size that anybody would know
    held = broadsheet(site, "announce", "lantern", file(site), "--yes")
    assert held.status == 2
    assert "the preflight holds it" in held.err
    assert site.digests() == []
    assert broadsheet(site, "announce", "lantern", file(site), "--yes", "--anyway").status == 0


def test_states_are_words_of_the_ledger() -> None:
    """What `reached` calls reached must be named anew when the ledger learns another state."""
    assert set(DeliveryState) == set("queued claimed handed sent deferred bounced failed uncertain excluded".split())
