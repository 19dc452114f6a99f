"""digests, next, runs: what was made, what is to come."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli import reviewing
from pipeline.cli.terminal import HEADING, Terminal, here, local, plural
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.app import App
    from pipeline.model.runs import SlotVerdict

NEWSLETTER = typer.Option("--newsletter", help="Only of this newsletter.")


def register(app: typer.Typer) -> None:
    app.command("next")(coming)
    app.command()(runs)
    digests = typer.Typer(help="What was made, and what is in it.", rich_markup_mode=None)
    digests.callback(invoke_without_command=True)(digests_default)
    digests.command("list")(digests_list)
    digests.command("show")(digests_show)
    reviewing.register(digests)
    app.add_typer(digests, name="digests")


def digests_default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        digests_list(context)


def digests_list(
    context: typer.Context,
    newsletter: Annotated[str, NEWSLETTER] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many.")] = 20,
) -> None:
    """The digests there were, the newest first."""
    from pipeline.store import digests

    terminal = here(context)
    with terminal.app() as app:
        if newsletter:
            app.config.newsletter(newsletter)
        with app.store.read() as connection:
            found = digests.listed(connection, newsletter=newsletter, limit=limit)
        zone = app.config.site.timezone
    terminal.table(("", "digest", "due", "people", "status", ""), [
        (d.id, f"{d.newsletter}/{d.name}", local(d.due_at, zone), d.selected, d.status, d.reason) for d in found])
    if not found:
        terminal.line("There is no digest yet.")
    terminal.result({"digests": found})
    terminal.next("`broadsheet digests show NAME` and `broadsheet audit NAME` tell more." if found
                  else "`broadsheet next` says when the first one comes.")


def digests_show(
    context: typer.Context,
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="Its name or number, or latest.")],
    newsletter: Annotated[str, NEWSLETTER] = "",
) -> None:
    """One digest: when, for whom, what is in it, what was left out."""
    from pipeline.cli.sending import show_findings
    from pipeline.desk.proof.finding import Finding
    from pipeline.model.newsletters import DigestStatus
    from pipeline.store import digests as rows

    terminal = here(context)
    with terminal.app() as app:
        with app.store.read() as connection:
            one = rows.require(connection, digest, newsletter)
        if one.status in rows.OPEN:
            reviewing.show_open(terminal, app, one)
            return
        with app.store.read() as connection:
            facts = rows.facts(connection, one.id)
            told = [a for a, how in rows.frozen_articles(connection, one.id) if how.fresh]
        zone, public_url = app.config.site.timezone, app.config.site.public_url
    frozen = one.frozen_at is not None and one.status is not DigestStatus.CANCELLED and not one.announces
    url = f"{public_url}/n/{one.newsletter}/{one.name}" if frozen else ""
    terminal.line(f"{one.newsletter}/{one.name}", HEADING)
    terminal.table(("", ""), [
        ("Number", str(one.id)), ("Status", f"{one.status}{f': {one.reason}' if one.reason else ''}"),
        ("Due", local(one.due_at, zone)), ("Frozen", local(one.frozen_at, zone)),
        ("Audience", f"{plural(one.selected, 'person', 'people')} "
                     + ("" if one.announces else f'on "{facts.audience}"' if facts.audience else "of every schedule")),
        ("Window", "none: it tells no articles" if one.announces else
         f"articles accepted as number {facts.from_seq + 1} to {facts.cut_seq}" if one.frozen_at else "–"),
        *([("On the web", url)] if url else []), *reviewing.decisions(one),
    ])
    for article in told:
        terminal.line(f"  {article.id:>5}  {article.title or '(taken down)'}")
    for text in facts.notes:
        terminal.note(f"  {text}")
    show_findings(terminal, [Finding.from_json(found) for found in one.findings])
    terminal.result({"digest": one, "name": one.name, "audience": facts.audience, "from_seq": facts.from_seq,
                     "url": url, "notes": facts.notes, "articles": [{"id": a.id, "title": a.title} for a in told]})
    terminal.next(f"`broadsheet audit {one.name}` says who got it.")


def coming(
    context: typer.Context,
    count: Annotated[int, typer.Option("--count", min=1, help="At most so many of each schedule.")] = 3,
    days: Annotated[int, typer.Option("--days", min=1, max=3660, help="At most so many days ahead.")] = 14,
) -> None:
    """When the next sends are due. In local time and UTC; also what is overdue, and the digests that wait for you."""
    from itertools import islice

    from pipeline.cli.telling import stopped_reason
    from pipeline.desk.warming import warm_up_line
    from pipeline.model.newsletters import DigestStatus
    from pipeline.store import digests

    terminal = here(context)
    rows: list[tuple[datetime, str, str, str]] = []
    with terminal.app() as app:
        now = app.now()
        for newsletter in app.config.newsletters:
            for schedule in newsletter.schedules:
                name = f"{newsletter.slug} {schedule.slug}"
                for verdict in overdue(app, newsletter.slug, schedule.slug):
                    what = f"overdue, not sent: {verdict.reason}" if verdict.reason else "overdue: the next run does it"
                    rows.append((verdict.slot.due_at, schedule.timezone, name, what))
                slots = islice(schedule.times.due(now, now + timedelta(days=days)), count)
                rows += [(due.due_at, schedule.timezone, name, schedule.times.said) for due in slots]
        rows.sort(key=lambda row: (row[0], row[2]))
        with app.store.read() as connection:
            held = digests.listed(connection, statuses=[DigestStatus.HELD])
        stopped = stopped_reason(app)
        warming = warm_up_line(app)
    terminal.table(("local time", "", "", "send", ""), [
        (local(due_at, zone), zone, f"{due_at:%d %b %H:%M} UTC", name, what) for due_at, zone, name, what in rows])
    if not rows:
        terminal.line(f"Nothing is due within {plural(days, 'day')}.")
    for digest in held:
        terminal.warn(f"{digest.newsletter}/{digest.name} is held: {digest.reason}")
    if warming:
        terminal.note(warming)
    mention_stop(terminal, stopped)
    values = [dict(zip(("due_at", "zone", "send", "what"), row, strict=True)) for row in rows]
    terminal.result({"coming": values, "held": held, "stopped": stopped, "warm_up": warming})
    terminal.next("`broadsheet preview NEWSLETTER` shows the very mail of the next send.")


def overdue(app: App, newsletter: str, schedule: str) -> list[SlotVerdict]:
    """Slots that have come due and that nobody has looked at yet, with what the next run will do."""
    from pipeline.jobs.slots import due_since, job_name
    from pipeline.model.runs import decide_due
    from pipeline.store import declared

    chosen = app.config.schedule(newsletter, schedule)
    with app.store.read() as connection:
        row = declared.schedule(connection, declared.newsletter_id(connection, newsletter), schedule)
        slots = due_since(connection, job_name(newsletter, schedule), schedule, chosen.times, row.since, app.now())
    return decide_due(slots, app.now(), catch_up=chosen.catch_up, max_lateness=chosen.lateness)


def runs(
    context: typer.Context,
    job: Annotated[str, typer.Argument(metavar="[JOB]", help="A job, or a newsletter; else all.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many.")] = 20,
) -> None:
    """What ran, was skipped or missed, and why. Every scheduled send has its row."""
    from pipeline.cli.telling import stopped_reason
    from pipeline.jobs.slots import PREFIX
    from pipeline.store import runs as rows

    terminal = here(context)
    with terminal.app() as app:
        with app.store.read() as connection:
            found = rows.listed(connection, job, limit)
            if job and not found:
                found = rows.listed(connection, PREFIX + job, limit)
        if job and not found:
            _refuse_unknown_job(app, job)
        zone = app.config.site.timezone
        stopped = stopped_reason(app)
    terminal.table(("due", "job", "status", ""), [
        (local(r.due_at, zone), r.job, r.status, r.reason or r.result) for r in found])
    if not found:
        terminal.line("Nothing has come due yet.")
    mention_stop(terminal, stopped)
    terminal.result({"runs": found, "stopped": stopped})
    terminal.next("`broadsheet next` says what is to come.")


def _refuse_unknown_job(app: App, job: str) -> None:
    from pipeline.config import nearest
    from pipeline.jobs.slots import PREFIX, job_name

    known = [job_name(n.slug, s.slug) for n in app.config.newsletters for s in n.schedules]
    if any(name.startswith((job, PREFIX + job)) for name in known):
        return
    close = nearest(job, [*known, *(name.removeprefix(PREFIX) for name in known)])
    raise UsageError(f'job "{job}"', "there is no such job",
                     hint=f'did you mean "{close}"?' if close else "the jobs are: " + (", ".join(known) or "none"))


def mention_stop(terminal: Terminal, stopped: str) -> None:
    if stopped:
        terminal.warn(f"Outgoing mail is stopped: {stopped}. `broadsheet go` lets it out again.")


