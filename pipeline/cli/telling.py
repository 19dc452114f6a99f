"""What a cycle did, in lines for people and as values for programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.app import App
from pipeline.audience.returns.counted import Ingested
from pipeline.cli.terminal import GOOD, Terminal, plural
from pipeline.jobs.report import Report
from pipeline.model.newsletters import Digest, DigestStatus
from pipeline.model.returns import ReturnKind
from pipeline.store import digests, meta, passed

if TYPE_CHECKING:
    from pipeline.collect.accept import Poll

NO_FEED = ("", "hub")   # under which publishing tells what is wrong with no feed of its own
MOST_MISSED = 3
"""Missed sends that are named one by one after a long standstill."""

NOTHING_NEW = "Nothing was new: no article came in, no file was written, nothing was sent."


def stopped_reason(app: App) -> str:
    """Why the operator stopped all mail, or ""."""
    with app.store.read() as connection:
        return meta.get(connection, meta.OUTGOING_STOPPED)


_CAME_BACK = {
    ReturnKind.BOUNCE: ("bounce", "bounces"), ReturnKind.DELAY: ("delay", "delays"),
    ReturnKind.COMPLAINT: ("complaint", "complaints"),
    ReturnKind.UNSUBSCRIBE: ("request to leave", "requests to leave"),
    ReturnKind.AUTO_REPLY: ("automatic answer", "automatic answers"),
    ReturnKind.UNKNOWN: ("unknown mail", "unknown mails"),
}


def waiting_pages(app: App) -> dict[str, int]:
    """How many articles of each source wait for their page."""
    with app.store.read() as connection:
        return passed.count_waiting(connection)


def named_feed(slug: str, text: str) -> str:
    """What is wrong with a feed, or with publishing as a whole."""
    return text if slug in NO_FEED else f"feed {slug}: {text}"


def failures(report: Report, stopped: str = "") -> list[str]:
    """Everything that failed, each named. That the operator stopped outgoing mail is no failure."""
    found = []
    for poll in report.polls:
        found += [f"source {poll.source}: {text}" for text in ([poll.error] if poll.error else []) + poll.problems]
    found += [named_feed(slug, text) for slug, text in report.published.failed.items()]
    found += report.problems
    if report.returned.problem:
        found.append(f"what came back: {report.returned.problem}")
    found += report.returned.hints
    for state in ("bounced", "failed", "uncertain"):
        number = sum(n for s, n in report.delivered.numbers.items() if s == state)
        if number:
            found.append(f"{plural(number, 'mail')} {state}: `broadsheet audit` says why")
    found += report.delivered.troubles
    if report.delivered.stopped and report.delivered.stopped != stopped:
        found.append(f"mail: {report.delivered.stopped}")
    return found


def tell_report(terminal: Terminal, app: App, report: Report) -> bool:
    """Print a cycle's summary; whether all of it went well."""
    stopped = stopped_reason(app)
    rows = list(summary(app, report))
    if rows:
        terminal.table(("", ""), rows)
    if report.idle:
        terminal.line(NOTHING_NEW)
    for text in notes(report):
        terminal.note(f"  {text}")
    if report.digests:
        from pipeline.desk.warming import warm_up_line

        if warming := warm_up_line(app):
            terminal.note(f"  {warming}")
    if stopped:
        terminal.warn(f"Outgoing mail is stopped: {stopped}. `broadsheet go` lets it out again.")
    found = failures(report, stopped)
    for text in found:
        terminal.problem(text)
    if not found and not report.idle:
        terminal.line("All done.", GOOD)
    return not found


def summary(app: App, report: Report) -> Iterator[tuple[str, str]]:
    """One row for each stage that had something to do."""
    if settled := sum(report.recovered.values()):
        yield "Recovered", f"{plural(settled, 'delivery', 'deliveries')} that an interruption had left open"
    news = collected(report)
    if news:
        yield "Collected", news
    if pages := asked_pages(report, sum(waiting_pages(app).values())):
        yield "Pages", pages
    if report.published.written:
        yield "Published", (f"{plural(len(report.published.written), 'feed file')} in "
                            f"{shown(app.config.paths.feeds)}, {report.published.unchanged} unchanged")
    if report.returned.total:
        yield "Came back", came_back(report.returned)
    for digest in report.digests:
        yield "Composed", described(app, digest)
    for text in report.missed[-MOST_MISSED:]:
        yield "Not sent", text
    if (more := len(report.missed) - MOST_MISSED) > 0:
        yield "Not sent", f"and {plural(more, 'earlier one')}; `broadsheet runs` lists them"
    if report.delivered.total:
        numbers = ", ".join(f"{n:,} {state}" for state, n in report.delivered.numbers.items())
        yield "Delivered", numbers


def came_back(returned: Ingested) -> str:
    """ "3 bounces, 1 complaint; 2 suppressed, 1 unsubscribed"."""
    kinds = ", ".join(plural(number, one, many) for kind, (one, many) in _CAME_BACK.items()
                      if (number := returned.kinds.get(kind, 0)))
    done = {"suppressed": returned.suppressed, "unsubscribed": returned.unsubscribed, "to be read": returned.unread}
    said = ", ".join(f"{number:,} {what}" for what, number in done.items() if number)
    return f"{kinds}; {said}" if said else kinds


def collected(report: Report) -> str:
    """ "7 new, 1 updated, from 2 sources", or "" where nothing came."""
    counts = {"new": sum(p.new for p in report.polls), "updated": sum(p.updated for p in report.polls),
              "held": sum(p.held for p in report.polls)}
    if not any(counts.values()):
        return ""
    sources = sum(1 for p in report.polls if p.new or p.updated or p.held)
    said = ", ".join(f"{number:,} {what}" for what, number in counts.items() if number)
    unmailable = sum(p.unmailable for p in report.polls)
    aside = f" ({unmailable:,} for feeds only, older than the backlog)" if unmailable else ""
    return f"{said}{aside}, from {plural(sources, 'source')}"


def asked_pages(report: Report, waiting: int) -> str:
    """ "20 asked for; 13 articles wait for theirs", or "" where there was nothing to ask."""
    asked = sum(p.pages for p in report.polls)
    later = "1 article waits for its own" if waiting == 1 else f"{waiting:,} articles wait for theirs"
    return "; ".join([f"{asked:,} asked for"] * bool(asked) + [later] * bool(waiting))


def remark(poll: Poll, waiting: int) -> str:
    """ "not modified, 20 pages asked for, 13 wait": what the numbers of one poll do not say."""
    said = ["failed" if poll.error else "not modified" if poll.not_modified else "",
            f"{plural(poll.pages, 'page')} asked for" if poll.pages else "",
            f"{waiting:,} {'waits' if waiting == 1 else 'wait'}" if waiting else ""]
    return ", ".join(filter(None, said))


def notes(report: Report) -> list[str]:
    """What people may want to know, and what is no failure."""
    found = [f"{poll.source}: left out {text}" for poll in report.polls for text in poll.skipped]
    found += [f"{poll.source}: {text}" for poll in report.polls for text in poll.notes]
    found += [f"{poll.source}: held articles wait for `broadsheet articles release --source {poll.source}`"
              for poll in report.polls if poll.held]
    found += [f"{poll.source}: {plural(poll.passed, 'article')} seen and not taken; `broadsheet why WORDS` says why"
              for poll in report.polls if poll.passed]
    return found + report.published.notes


def described(app: App, digest: Digest) -> str:
    """ "lantern/2026-11-22-0800-daily: 7 articles for 1 person"."""
    name = f"{digest.newsletter}/{digest.name}"
    if digest.status in (DigestStatus.SKIPPED, DigestStatus.HELD, DigestStatus.CANCELLED):
        return f"{name}: {digest.status}, {digest.reason or 'no reason was given'}"
    if digest.status in (DigestStatus.DRAFT, DigestStatus.APPROVED):
        from pipeline.desk.review import look  # templates, and all that they need

        proof = look(app, digest)
        number = sum(1 for line in proof.lines if line.place)
        return (f"{name}: {digest.status}, {plural(number, 'article')} for {plural(proof.people, 'person', 'people')}; "
                f"`broadsheet digests show {digest.name}` shows it")
    if digest.announces:
        return f"{name}: for {plural(digest.selected, 'person', 'people')}"
    with app.store.read() as connection:
        number = sum(how.fresh for _, how in digests.frozen_articles(connection, digest.id))
    return f"{name}: {plural(number, 'article')} for {plural(digest.selected, 'person', 'people')}"


def values(report: Report, stopped: str) -> dict[str, Any]:
    """The same for programs."""
    return {
        "idle": report.idle, "polls": report.polls, "written": report.published.written,
        "unchanged": report.published.unchanged, "digests": report.digests,
        "delivered": {str(s): n for s, n in report.delivered.numbers.items()}, "missed": report.missed,
        "recovered": {str(s): n for s, n in report.recovered.items()}, "stopped": stopped,
        "failures": failures(report, stopped),
    }


def shown(path: Path | str) -> str:
    """A path as people read it: relative where it lies below where they are. An address of a bucket stays one."""
    if "://" in str(path):
        return str(path)
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return str(path)
