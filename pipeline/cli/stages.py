"""collect, publish, compose, deliver, stop, go: one stage by hand, and the tap of all outgoing mail."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.terminal import DIM, FAILED, GOOD, PARTLY, end_as_if_interrupted, here, leave, plural
from pipeline.errors import UsageError

SLUGS = typer.Argument(metavar="[SLUG]...", help="Only these; else all.")


MOST_NAMED = 40
"""Files that are named; the others are counted."""


def register(app: typer.Typer) -> None:
    for command in (collect, publish, compose, deliver, stop, go):
        app.command()(command)


def collect(context: typer.Context, slugs: Annotated[list[str] | None, SLUGS] = None) -> None:
    """Poll sources now, whether they are due or not."""
    from pipeline.cli.progress import watching
    from pipeline.cli.telling import failures, notes, remark, waiting_pages
    from pipeline.jobs.collecting import collect_due
    from pipeline.jobs.report import Report

    terminal = here(context)
    with terminal.app() as app:
        wanted = [app.config.source(slug).slug for slug in slugs or []]
        with watching(terminal, sources=len(wanted) or len(app.config.sources)) as watch:
            watch.step("collecting")
            report = Report(polls=collect_due(app, wanted, force=True, watch=watch))
        waiting = waiting_pages(app)
    rows = [(p.source, p.new, p.updated, p.held, p.same, remark(p, waiting.get(p.source, 0))) for p in report.polls]
    terminal.table(("source", "new", "updated", "held", "known", ""), rows)
    for text in notes(report):
        terminal.note(f"  {text}")
    wrong = failures(report)
    wrong += [f"source {slug}: is blocked, and not asked" for slug in dict.fromkeys(wanted)
              if app.config.source(slug).blocked]
    for text in wrong:
        terminal.problem(text)
    terminal.result({"polls": report.polls, "waiting": waiting, "failures": wrong})
    terminal.next("`broadsheet publish` builds the feeds from it; `broadsheet articles list` shows what came.")
    if wrong:
        leave(PARTLY)


def publish(
    context: typer.Context,
    slugs: Annotated[list[str] | None, SLUGS] = None,
    everything: Annotated[bool, typer.Option("--all", help="Look at every file, archives too.")] = False,
) -> None:
    """Build the feeds. A file whose bytes stay the same is not touched."""
    from pipeline.cli.telling import named_feed, shown
    from pipeline.jobs.steps import publish_all

    terminal = here(context)
    with terminal.app() as app:
        known = {folder for folder, _ in app.config.feed_folders}
        asked = [slug if slug in known else app.config.feed(slug).slug for slug in slugs or []]
        done = publish_all(app, asked, everything=everything)
    for word, names in (("written", done.written), ("removed", done.removed)):
        for name in names[:MOST_NAMED]:
            terminal.line(f"{word}  {shown(f'{done.where}/{name}')}")
        if len(names) > MOST_NAMED:
            terminal.line(f"{word}  and {len(names) - MOST_NAMED:,} more")
    removed = f", {len(done.removed)} removed" if done.removed else ""
    terminal.line(f"{plural(len(done.written), 'file')} written{removed}, {done.unchanged} unchanged.")
    for text in done.notes:
        terminal.note(f"  {text}")
    for slug, text in done.failed.items():
        terminal.problem(named_feed(slug, text))
    terminal.result({"where": done.where, "written": done.written, "removed": done.removed,
                     "unchanged": done.unchanged, "notes": done.notes, "failed": done.failed})
    if done.written or done.unchanged:
        terminal.next("`broadsheet run` serves them; any web server can serve the folder too.")
    if done.failed:
        leave(PARTLY)


def compose(
    context: typer.Context,
    newsletter: Annotated[str, typer.Argument(metavar="NEWSLETTER")],
    schedule: Annotated[str, typer.Option("--schedule", help="Only for the people of one schedule.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be in it, and make nothing.")] = False,
) -> None:
    """Make a digest by hand, now, whatever the clock says."""
    from pipeline.cli.telling import described
    from pipeline.desk.warming import warm_up_line
    from pipeline.jobs.sends import compose_now
    from pipeline.model.newsletters import DigestStatus

    terminal = here(context)
    with terminal.app() as app:
        chosen = app.config.newsletter(newsletter)
        if schedule:
            app.config.schedule(newsletter, schedule)
        if dry_run:
            from pipeline.desk.preview import preview_by_hand

            shown = preview_by_hand(app, chosen, schedule=schedule)
            if shown.sheet is None:
                terminal.line(f"There would be no digest: {shown.nothing}.")
            else:
                more = f", and {shown.sheet.more} more on the web" if shown.sheet.more else ""
                terminal.line(f"A digest for {plural(shown.people, 'person', 'people')}: {shown.sheet.subject}")
                for article in shown.sheet.articles:
                    terminal.line(f"  {article.title}", DIM)
                terminal.line(f"{plural(len(shown.sheet.articles), 'article')} for most of them{more}.")
            terminal.result({"dry_run": True, "nothing": shown.nothing, "people": shown.people,
                             "articles": [a.id for a in shown.sheet.articles] if shown.sheet else []})
            terminal.next(f"without --dry-run it is made; `broadsheet preview {newsletter}` shows the mail itself.")
            return
        digest = compose_now(app, chosen, schedule)
        terminal.line(described(app, digest))
        if digest.status is DigestStatus.FROZEN and (warming := warm_up_line(app)):
            terminal.note(f"  {warming}")
        terminal.result({"digest": digest})
    if digest.status is DigestStatus.SKIPPED:
        terminal.next(f"`broadsheet compose {newsletter} --dry-run` says what a digest would hold.")
    else:
        terminal.next("`broadsheet deliver` sends it; a running service does so by itself within seconds.")


def deliver(context: typer.Context) -> None:
    """Send what is due now. New digests, and what was put off."""
    from pipeline.cli.progress import watching
    from pipeline.cli.telling import failures, stopped_reason
    from pipeline.jobs.outgoing import deliver_due, recover_dead
    from pipeline.jobs.report import Report
    from pipeline.jobs.worker import working

    end_as_if_interrupted()
    terminal = here(context)
    with terminal.app() as app, working(app.store, app.data_folder, app.now) as worker:
        with watching(terminal) as watch:
            recovered = recover_dead(app, worker)
            watch.step("delivering")
            report = Report(recovered=recovered, delivered=deliver_due(app, worker, watch=watch))
        stopped = stopped_reason(app)
    numbers = {str(state): number for state, number in report.delivered.numbers.items()}
    terminal.line(", ".join(f"{number:,} {state}" for state, number in numbers.items()) + "." if numbers
                  else "Nothing was sent." if report.delivered.stopped else "Nothing was due.")
    for text in report.delivered.troubles:
        terminal.warn(text)
    if stopped:
        terminal.warn(f"Outgoing mail is stopped: {stopped}. `broadsheet go` lets it out again.")
    wrong = failures(report, stopped)
    for text in wrong:
        terminal.problem(text)
    terminal.result({"delivered": numbers, "stopped": stopped, "failures": wrong})
    terminal.next("`broadsheet audit` says who got the latest digest, who did not, and why.")
    if wrong:
        leave(PARTLY if report.delivered.total else FAILED)


def stop(
    context: typer.Context,
    reason: Annotated[list[str] | None, typer.Argument(metavar="[REASON]", help="Why, in words.")] = None,
) -> None:
    """Stop all outgoing mail until `go`. It outlives a restart; feeds and web pages go on."""
    from pipeline.store import meta

    terminal = here(context)
    words = " ".join(reason or []).strip() or "by the operator"
    with terminal.app() as app, app.store.write() as connection:
        meta.put(connection, meta.OUTGOING_STOPPED, words)
    terminal.line(f"All outgoing mail is stopped: {words}.")
    terminal.result({"stopped": words})
    terminal.next("`broadsheet go` lets it out again. Only a mail that is on its way this very moment still leaves.")


def go(
    context: typer.Context,
    destination: Annotated[str, typer.Argument(
        metavar="[DESTINATION]", help="Only to this domain or mail server, which had said no.")] = "",
) -> None:
    """Let outgoing mail go again. All of it, also to destinations that had said no (5.7.x), or to one of these."""
    from pipeline.store import deliveries, destinations, meta

    terminal = here(context)
    before = ""
    with terminal.app() as app, app.store.write() as connection:
        known = destinations.stopped(connection, app.now())
        if destination:
            key = destination if destination in known else destinations.relay(destination)
            if key not in known:
                names = ", ".join(name.removeprefix("relay:") for name in known) or "none"
                raise UsageError(f'"{destination}"', "nothing is stopped there", hint=f"stopped are: {names}")
            destinations.release(connection, key)
            deliveries.wait_no_more(connection, key, app.now())
            released = [destination]
        else:
            before = meta.get(connection, meta.OUTGOING_STOPPED)
            meta.remove(connection, meta.OUTGOING_STOPPED)
            released = [name.removeprefix("relay:") for name in known]
            destinations.release(connection)
            deliveries.wait_no_more(connection, "", app.now())
    if released:
        terminal.line(f"Mail goes to {', '.join(released)} again.", GOOD)
    if not destination:
        terminal.line(f"Outgoing mail goes again; it was stopped: {before}." if before else "It was not stopped.", GOOD)
    terminal.result({"stopped": "", "was": before, "destinations": released})
    terminal.next("a running service sends what waited within seconds; `broadsheet deliver` sends it now.")
