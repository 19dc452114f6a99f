"""audit, resolve: who got a digest and who did not, and what becomes of those of whom nobody knows."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.ledger import NEWSLETTER, mention_stop
from pipeline.cli.terminal import BAD, DONE, FAILED, GOOD, HEADING, Terminal, here, leave, local, plural
from pipeline.errors import UsageError
from pipeline.model.newsletters import DigestStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.desk.audit import Audit, Person
    from pipeline.desk.resolve import Resolved
    from pipeline.model.deliveries import DeliveryState
    from pipeline.model.newsletters import Digest

DIGEST = typer.Argument(metavar="[DIGEST]", help="Its name or number; else the latest.")
SCREENFUL = 1000   # people that are aligned with each other


def register(app: typer.Typer) -> None:
    app.command()(audit)
    app.command()(resolve)


def audit(
    context: typer.Context,
    digest: Annotated[str, DIGEST] = "latest",
    newsletter: Annotated[str, NEWSLETTER] = "",
    people: Annotated[bool, typer.Option("--people", help="List everyone.")] = False,
    state: Annotated[list[str] | None, typer.Option("--state", help="List those in this state; repeatable.")] = None,
    recount: Annotated[bool, typer.Option("--recount", help="Compare each batch with its rows, too.")] = False,
    notices: Annotated[bool, typer.Option("--notices", help="Alerts, tests and confirmations instead.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Of notices, how many.")] = 50,
) -> None:
    """Who got a digest, who did not, and why. The delivery ledger, with everybody accounted for."""
    from pipeline.cli.announcing import left_out
    from pipeline.desk.audit import audit as read
    from pipeline.desk.audit import people as everyone

    terminal = here(context)
    states = _states(state or [])
    if notices:
        _notices(terminal, states, limit)
        return
    with terminal.app() as app:
        if newsletter:
            app.config.newsletter(newsletter)
        found = read(app, digest, newsletter=newsletter, recount=recount)
        _tell(terminal, found)
        listed = people or bool(states)
        if listed:
            terminal.line()
            _list(terminal, everyone(app, found.digest, states), app.config.site.timezone)
        for text in [*found.notes, *left_out(found)]:
            terminal.note(f"  {text}")
        for text in found.faults:
            terminal.problem(text)
        mention_stop(terminal, found.stopped)
        counts = {name: getattr(found.counts, name) for name in
                  ("selected", "sent", "bounced", "failed", "uncertain", "excluded", "waiting")}
        terminal.result({"digest": found.digest, "counts": counts, "holds": found.holds, "reasons": found.reasons,
                         "faults": found.faults, "notes": found.notes, "left": found.left, "stopped": found.stopped},
                        *(("people", everyone(app, found.digest, states)) if listed else ()))
    if not found.holds:
        terminal.next("this must not be: please report it as a bug, with this output.")
        leave(FAILED)
    waiting = found.counts.waiting and not found.stopped
    paused = found.digest.status is DigestStatus.PAUSED
    terminal.next(f"it is paused: `broadsheet digests resume {found.digest.name}` lets it go on." if paused else
                  "`broadsheet deliver` sends to those who wait." if waiting else
                  f"`broadsheet resolve {found.digest.name} leave` or `resend` settles those of whom nobody knows."
                  if found.counts.uncertain > found.left else
                  "`broadsheet audit --people` lists everyone." if not listed else
                  "`broadsheet why ARTICLE --subscriber ADDRESS` tells why somebody got an article or did not.")


def resolve(
    context: typer.Context,
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="Its name or number, or latest.")],
    how: Annotated[str, typer.Argument(metavar="resend|leave")],
    addresses: Annotated[list[str] | None, typer.Argument(metavar="[ADDRESS…]", help="Only these.")] = None,
    state: Annotated[str, typer.Option("--state", help="uncertain, failed or bounced-soft.")] = "uncertain",
    newsletter: Annotated[str, NEWSLETTER] = "",
    yes: Annotated[bool, typer.Option(
        "--yes", "-y", help="Do not ask before; without a terminal it has to be said.")] = False,
) -> None:
    """Settle those of a digest of whom nobody knows whether they got it. Or send it again to those it did not reach."""
    from pipeline.desk.audit import named
    from pipeline.desk.resolve import resolve as settle

    terminal = here(context)
    with terminal.app() as app:
        one = named(app, digest, newsletter)
        planned = settle(app, one, how, state=state, addresses=addresses or [], dry=True)
        _tell_planned(terminal, one, how, planned)
        done = planned
        if planned.number:
            _ask(terminal, yes=yes)
            done = settle(app, one, how, state=state, addresses=addresses or [])
            terminal.line(f"{plural(done.number, 'person', 'people')} "
                          + ("left as they are." if how == "leave" else "queued once more."), GOOD)
    terminal.result({"digest": one, "how": how, "settled": done.number, "others": done.others})
    terminal.next(f"`broadsheet audit {one.name}` says how it stands." if how == "leave" or not done.number else
                  "`broadsheet deliver` sends it; a running service does so by itself within seconds.")


def _tell(terminal: Terminal, found: Audit) -> None:
    from pipeline.desk.audit import identity_line, in_order

    one = found.digest
    terminal.line(f"{one.newsletter}/{one.name}  ({one.status}{f': {one.reason}' if one.reason else ''})", HEADING)
    terminal.table(("", "", ""), [(r.state, r.number, r.reason) for r in in_order(found.reasons)], indent=2)
    terminal.line(identity_line(found.counts), GOOD if found.counts.holds else BAD)


def _list(terminal: Terminal, people: Iterator[Person], zone: str) -> None:
    if terminal.as_json:
        return
    headings = ("address", "state", "when", "reason")
    while page := list(islice(people, SCREENFUL)):
        terminal.table(headings, [(p.address, p.state, local(p.changed_at, zone), _reason(p)) for p in page])
        headings = ("", "", "", "")


def _reason(person: Person) -> str:
    """With the code where it does not say that itself, and what came back where that is not the reason."""
    told = person.code and not person.reason.startswith(str(person.code))
    said = f"{person.code} {person.reason}" if told else person.reason
    is_told = person.reason.startswith("came back")
    others = [one for one in person.came_back if not (is_told and one.startswith("bounce"))]
    return f"{said} (came back: {', '.join(others)})".strip() if others else said


def _notices(terminal: Terminal, states: list[DeliveryState], limit: int) -> None:
    from pipeline.store import notices

    with terminal.app() as app:
        with app.store.read() as connection:
            found = notices.listed(connection, states=states, limit=limit)
        zone = app.config.site.timezone
    terminal.table(("", "kind", "to", "state", "when", "subject", ""), [
        (n.id, n.kind, n.address, n.state, local(n.changed_at, zone), n.subject, n.reason) for n in found])
    if not found:
        terminal.line("There is no such notice.")
    terminal.result({"notices": [n._asdict() for n in found]})
    terminal.next("`broadsheet deliver` sends what waits; a running service does so by itself.")


def _states(written: list[str]) -> list[DeliveryState]:
    from pipeline.config import nearest
    from pipeline.model.deliveries import DeliveryState

    known = [str(state) for state in DeliveryState]
    for one in written:
        if one not in known:
            close = nearest(one, known)
            raise UsageError(f'state "{one}"', "there is no such state",
                             hint=f'did you mean "{close}"?' if close else f"one of {', '.join(known)}")
    return [DeliveryState(one) for one in written]


def _tell_planned(terminal: Terminal, digest: Digest, how: str, planned: Resolved) -> None:
    who = plural(planned.number, "person", "people")
    terminal.line(f"{digest.newsletter}/{digest.name}", HEADING)
    terminal.line(f"{who}: maybe delivered, and left so." if how == "leave" else f"{who} would get it once more.")
    terminal.table(("", ""), [(number, reason) for reason, number in sorted(planned.others.items())], indent=2)


def _ask(terminal: Terminal, *, yes: bool) -> None:
    if yes:
        return
    if terminal.as_json or not sys.stdin.isatty():
        raise UsageError("resolve", "asks before it settles anything, and nobody is there to answer", hint="say --yes")
    if not typer.confirm("Go on?", default=False):
        terminal.line("Nothing was changed.")
        leave(DONE)
