"""From a mistake to the apology: a digest was wrong, those who got it hear of it, and the next one is as ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.desk.announcing import prepare, send
from pipeline.desk.review import cancel
from pipeline.jobs.sends import parts


def test_an_apology_to_those_who_had_got_it(make_site: Callable[..., Any]) -> None:
    site = make_site()
    for number in range(6):
        site.subscribe(f"p{number}@example.org")
    site.write("one.md", "Article one")
    site.run()
    site.advance(hours=2)            # the slot of 08:00
    site.run()
    (digest,) = [d for d in site.digests() if d.schedule == "daily"]
    assert site.counts(digest.id).sent == 6

    (site.folder / "sorry.md").write_text("# That was the draft\n\nThe right letter comes at noon.\n")
    site.subscribe("late@example.org")
    site.advance(minutes=5)
    prepared = prepare(site.app, site.app.config.newsletters[0], site.folder / "sorry.md", received="latest")
    assert (prepared.people, prepared.waiting, prepared.holds) == (6, 0, "")
    notice = send(site.app, parts(site.app), prepared)
    site.run()
    assert site.counts(notice.id).sent == 6
    sorry = [str(m["To"]) for m in site.mails() if m["Subject"] == "That was the draft"]
    assert sorted(sorry) == [f"p{n}@example.org" for n in range(6)]

    # and one that is taken back before it goes reaches nobody
    (site.folder / "sorry.md").write_text("# Wrong again\n\nNo.\n")
    site.advance(minutes=5)
    prepared = prepare(site.app, site.app.config.newsletters[0], site.folder / "sorry.md")
    wrong = send(site.app, parts(site.app), prepared)
    cancel(site.app, wrong, "wrong again")
    site.run()
    assert (site.counts(wrong.id).excluded, site.counts(wrong.id).holds) == (7, True)
    assert all("Wrong" not in str(m["Subject"]) for m in site.mails())

    # the next digest is as if nothing had been
    site.write("two.md", "Article two")
    site.advance(days=1)
    site.run()
    assert site.told("p0@example.org") == ["Article one", "Article two"]
