"""From a slot to a frozen digest with its ledger: idempotent, reasons stored, nobody mailed by a broken template."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pipeline.compose import press
from pipeline.compose.selections import selection_key, store_selections
from pipeline.compose.stage import compose, fill_batches
from pipeline.errors import StoreError, TemplateError
from pipeline.jobs.sends import parts
from pipeline.model.letterhead import Letterhead
from pipeline.model.newsletters import DigestStatus
from pipeline.model.runs import Slot
from pipeline.model.selection import Selection
from pipeline.store import digests, drafts, ledger, suppressions
from pipeline.store.schema import articles as rows

NOMINAL = "2026-06-01T08:00"


def opened(site: Any) -> None:
    assert site.app


def filled(site: Any) -> None:
    for name in ("ada", "bo"):
        site.subscribe(f"{name}@example.org")
    site.accept(["Article one", "Article two"])


@pytest.fixture
def site(copy_site: Callable) -> Any:
    """Two people on the daily schedule, and two articles for them."""
    return copy_site(filled)


@pytest.fixture
def empty(copy_site: Callable) -> Any:
    return copy_site(opened)


def make(site: Any, nominal: str = NOMINAL, audience: str = "daily"):
    return compose(parts(site.app), site.app.config.newsletters[0], Slot("daily", nominal, site.now),
                   audience=audience, now=site.now)


def frozen_titles(site: Any, digest_id: int) -> list[str]:
    with site.app.store.read() as connection:
        return [a.title for a, how in digests.frozen_articles(connection, digest_id) if how.fresh]


def test_a_slot_makes_one_digest_however_often_it_is_asked_for(site) -> None:
    first = make(site)
    assert (first.status, first.selected, first.cut_seq) == (DigestStatus.FROZEN, 2, 2)
    site.accept(["Article three"])
    assert make(site) == first
    assert frozen_titles(site, first.id) == ["Article two", "Article one"]
    assert fill_batches(parts(site.app), site.now) == 1
    assert fill_batches(parts(site.app), site.now) == 0
    assert site.counts(first.id).waiting == 2


def test_before_it_is_filled_everybody_waits(site) -> None:
    digest = make(site)
    counts = site.counts(digest.id)
    assert counts.holds
    assert counts.waiting == 2


@pytest.mark.parametrize(("prepare", "reason"), [
    (lambda site: site.accept(["x"]), "nobody is subscribed to this schedule"),
    (lambda site: site.subscribe("ada@example.org"), "nothing new"),
    (lambda site: site.subscribe("ada@example.org", "weekly"), "nobody is subscribed to this schedule"),
])
def test_nothing_to_send_is_skipped_with_its_reason(empty, prepare: Callable, reason: str) -> None:
    prepare(empty)
    digest = make(empty)
    assert (digest.status, digest.reason) == (DigestStatus.SKIPPED, reason)
    assert make(empty) == digest


def test_too_few_wait_for_the_next(copy_site: Callable, basic_config: str) -> None:
    site = copy_site(filled, basic_config.replace("limit = 500", "limit = 500, min_articles = 3"))
    assert make(site).reason == "only 2 new articles, and min_articles is 3; they stay for the next one"
    site.accept(["Article three"])
    following = make(site, "2026-06-02T08:00")
    assert following.status is DigestStatus.FROZEN
    assert len(frozen_titles(site, following.id)) == 3


def test_suppressed_people_drag_nothing_in(site) -> None:
    with site.app.store.write() as connection:
        suppressions.suppress(connection, "ada@example.org", "complained", site.now)
    site.send()
    with site.app.store.write() as connection:
        suppressions.suppress(connection, "bo@example.org", "complained", site.now)
    assert make(site).reason == "nobody is subscribed to this schedule"


def test_a_broken_template_holds_the_digest_and_mends_with_it(site) -> None:
    folder = site.folder / "templates" / "digest"
    folder.mkdir(parents=True)
    (folder / "body.html.j2").write_text("{% block shell %}{{ unclosed ")
    with pytest.raises(TemplateError, match=r"body\.html\.j2"):
        make(site)
    (held,) = site.digests()
    assert held.status is DigestStatus.HELD
    assert "body.html.j2" in held.reason
    assert site.counts(held.id).selected == 0
    (folder / "body.html.j2").unlink()
    mended = make(site)
    assert (mended.id, mended.status, mended.reason) == (held.id, DigestStatus.FROZEN, "")


def test_a_subject_that_fails_holds_it_before_anybody_is_mailed(copy_site: Callable, basic_config: str) -> None:
    title = 'title = "The Lantern"\n  [['
    text = basic_config.replace(title, title.replace("\n", '\nsubject = "{{ nothing.here }}"\n'))
    assert text != basic_config
    site = copy_site(filled, text)
    with pytest.raises(TemplateError):
        make(site)
    assert site.digests()[0].status is DigestStatus.HELD


def test_a_crash_before_the_freeze_leaves_a_draft_that_goes_on(site, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.compose.press.freeze", killed)
    with pytest.raises(KeyboardInterrupt):
        make(site)
    monkeypatch.undo()
    (draft,) = site.digests()
    assert draft.status is DigestStatus.DRAFT
    site.accept(["Article three"])
    assert make(site).id == draft.id
    assert len(frozen_titles(site, draft.id)) == 3, "what came meanwhile is in it"


def test_an_article_that_changes_during_the_rendering_is_rendered_again(site, monkeypatch: pytest.MonkeyPatch) -> None:
    real, seen = press.freeze, []

    def slow(template, page, chosen, **values):
        seen.append([a.title for a in chosen.articles])
        if len(seen) == 1:
            with site.app.store.write() as connection:
                connection.execute(rows.update().where(rows.c.id == 1).values(title="Corrected", revision=2))
        return real(template, page, chosen, **values)

    monkeypatch.setattr(press, "freeze", slow)
    digest = make(site)
    assert seen == [["Article two", "Article one"], ["Article two", "Corrected"]]
    assert frozen_titles(site, digest.id) == ["Article two", "Corrected"]


def test_one_that_is_withdrawn_during_the_rendering_is_not_in_it(site, monkeypatch: pytest.MonkeyPatch) -> None:
    real = press.freeze

    def slow(template, page, chosen, **values):
        with site.app.store.write() as connection:
            connection.execute(rows.update().where(rows.c.id == 1).values(status="withdrawn"))
        return real(template, page, chosen, **values)

    monkeypatch.setattr(press, "freeze", slow)
    assert frozen_titles(site, make(site).id) == ["Article two"]


def test_one_that_changes_each_time_is_given_up_for_now(site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.compose.stage.digests.unchanged", lambda *_: False)
    with pytest.raises(StoreError, match="changed during each of 3 renderings") as caught:
        make(site)
    assert not caught.value.permanent
    assert site.digests()[0].status is DigestStatus.DRAFT


def test_two_processes_freeze_one_slot_once(site, monkeypatch: pytest.MonkeyPatch) -> None:
    real, inner = press.freeze, []

    def racing(*args, **values):
        if not inner:
            inner.append(None)
            inner[0] = make(site)  # the other one is faster
        return real(*args, **values)

    monkeypatch.setattr(press, "freeze", racing)
    outer = make(site)
    assert outer == inner[0]
    assert len(site.digests()) == 1
    fill_batches(parts(site.app), site.now)
    assert site.counts(outer.id).holds


def test_each_choice_is_stored_once_and_windows_differ(site) -> None:
    site.subscribe("late@example.org")
    site.accept(["Article three"])
    digest = make(site)
    fill_batches(parts(site.app), site.now)
    with site.app.store.read() as connection:
        selections = digests.selection_rows(connection, digest.id)
        windows = {r.address: (r.from_seq, r.cut_seq) for r in ledger.each(connection, digest.id)}
    assert windows == {"ada@example.org": (0, 3), "bo@example.org": (0, 3), "late@example.org": (2, 3)}
    assert sorted(s.subject for s in selections.values()) == ["Article three", "Article three and 2 more"]


def test_more_people_than_one_batch(site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.compose.stage.BATCH", 3)
    for number in range(6):
        site.subscribe(f"reader{number}@example.org", start_seq=0)
    digest = make(site)
    assert fill_batches(parts(site.app), site.now) == 3
    counts = site.counts(digest.id)
    assert (counts.selected, counts.waiting, counts.holds) == (8, 8, True)


def test_too_many_candidates_are_capped_and_said(site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.compose.choose.MOST_CANDIDATES", 3)
    site.accept([f"Article {n}" for n in range(3, 7)])
    digest = make(site)
    assert len(frozen_titles(site, digest.id)) == 3
    with site.app.store.read() as connection:
        facts = digests.facts(connection, digest.id)
    assert facts.notes == ["3 older articles left out: a digest renders 3 at the most"]
    assert (facts.capped, facts.from_seq, facts.cut_seq) == (True, 3, 6)
    fill_batches(parts(site.app), site.now)
    with site.app.store.read() as connection:
        assert {(r.state, r.from_seq) for r in ledger.each(connection, digest.id)} == {("queued", 3)}


def test_a_selection_is_worded_and_stored_once(site) -> None:
    digest = make(site)
    with site.app.store.read() as connection:
        told = digests.frozen_articles(connection, digest.id)
        head = Letterhead.from_json(digests.settings(connection, digest.id))
    both = Selection(tuple(how for _, how in told))
    wanted = [("", both), ("", replace(both, more=3)), ("", Selection(both.articles[:1])), ("", replace(both))]

    def store(wanted: list[tuple[str, Selection]], articles: list[Any]) -> dict[str, int]:
        with site.app.store.write() as connection:
            return store_selections(connection, site.app.templates(), head, digest.id, wanted, articles)

    articles = [article for article, _ in told]
    first = store(wanted, articles)
    assert len(set(first.values())) == 3
    assert first == store(wanted, []), "what is there is not worded again, with no article to tell of"
    more = store([*wanted, ("", Selection(both.articles[1:]))], articles)
    assert first.items() < more.items()
    with site.app.store.read() as connection:
        rows_ = {row.id: row for row in digests.selection_rows(connection, digest.id).values()}
    assert {key: rows_[number].key for key, number in more.items()} == {key: key for key in more}
    assert rows_[first[selection_key(head, "", both)]].subject == "Article two and 1 more"
    assert rows_[more[selection_key(head, "", Selection(both.articles[1:]))]].subject == "Article one"
    assert all(row.preheader for row in rows_.values())


def test_an_introduction_without_end_holds_it_and_says_what_to_do(site) -> None:
    """It stands in what everybody gets, so no article can make room for it."""
    with site.app.store.write() as connection:
        digest, _ = digests.take_slot(connection, 1, schedule="daily", nominal=NOMINAL, due_at=site.now,
                                      audience="daily", now=site.now)
        drafts.edit(connection, digest, lambda edits: replace(edits, introduction="&" * 20_000))
    with pytest.raises(TemplateError, match="a shorter introduction"):
        make(site)
    with site.app.store.read() as connection:
        held = digests.get(connection, digest)
    assert (held.status, held.held_by) == (DigestStatus.HELD, "error")
    assert "a shorter introduction" in held.reason
    with site.app.store.write() as connection:
        drafts.edit(connection, digest, lambda edits: replace(edits, introduction="<div><!-- </td></tr><b>Good day"))
    assert make(site).status is DigestStatus.FROZEN


def test_a_title_that_nobody_sees_holds_nothing(site) -> None:
    site.accept(["\u200b\u2060"])
    made = make(site)
    assert made.status is DigestStatus.FROZEN
    assert len(frozen_titles(site, made.id)) == 3
