"""subscribers: who gets what, added by hand or from a file, and taken off again."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli import suppressing
from pipeline.cli.terminal import FAILED, GOOD, PARTLY, here, leave, local, plural
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.app import App

NEWSLETTER = typer.Option("--newsletter", metavar="SLUG", help="Which newsletter.")
SCHEDULE = typer.Option("--schedule", metavar="SLUG", help="Which schedule; else the newsletter's default.")
TOPIC = typer.Option("--topic", metavar="TOPIC", help='Only about this; again for more than one, "*" for everything.')
LANGUAGE = typer.Option("--language", metavar="TAG", help="One of the newsletter's languages; else its own.")
CONSENT = typer.Option("--consent", metavar="TEXT", help='How they asked for it: "signed up at the fair".')
BACKLOG = typer.Option("--backlog", metavar="SPAN", help='What their first digest may tell: "all", "7d"; else what is '
                                                         "accepted from now on.")


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Who gets the newsletters.", rich_markup_mode=None)
    group.callback(invoke_without_command=True)(subscribers_default)
    group.command("list")(subscribers_list)
    group.command("add")(subscribers_add)
    group.command("import")(subscribers_import)
    group.command("export")(subscribers_export)
    group.command("remove")(subscribers_remove)
    suppressing.register(group)
    app.add_typer(group, name="subscribers")


def subscribers_default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        subscribers_list(context)


def subscribers_list(
    context: typer.Context,
    newsletter: Annotated[str, typer.Option("--newsletter", metavar="SLUG", help="Only of this newsletter.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many.")] = 100,
) -> None:
    """Who is subscribed to what, and how they asked."""
    from pipeline.store import declared, subscribers

    terminal = here(context)
    with terminal.app() as app, app.store.read() as connection:
        chosen = declared.newsletter_id(connection, app.config.newsletter(newsletter).slug) if newsletter else None
        found = subscribers.listed(connection, chosen, limit + 1)
        zone = app.config.site.timezone
    shown = found[:limit]
    chose = {"topics": any(s.topics for s in shown), "language": any(s.language for s in shown)}
    headings = ("address", "newsletter", "schedule", *(name for name, some in chose.items() if some), "status", "since",
                "consent")
    terminal.table(headings, [
        (s.address, s.newsletter, s.schedule, *([", ".join(s.topics)] if chose["topics"] else []),
         *([s.language] if chose["language"] else []), s.status, local(s.confirmed_at, zone), s.consent)
        for s in shown])
    if not found:
        terminal.line("Nobody is subscribed yet.")
    if len(found) > limit:
        terminal.note(f"  and more; --limit {limit * 10} shows them")
    terminal.result({"subscriptions": shown, "more": len(found) > limit})
    terminal.next('`broadsheet subscribers add ADDRESS --newsletter SLUG --consent "how they asked"`.')


def subscribers_add(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS")],
    newsletter: Annotated[str, NEWSLETTER],
    consent: Annotated[str, CONSENT],
    schedule: Annotated[str, SCHEDULE] = "",
    topic: Annotated[list[str] | None, TOPIC] = None,
    language: Annotated[str, LANGUAGE] = "",
    backlog: Annotated[str, BACKLOG] = "",
) -> None:
    """Subscribe somebody, confirmed: you vouch for their consent."""
    from pipeline.audience.choices import choices
    from pipeline.audience.subscriptions import Joined, Request, add

    terminal = here(context)
    with terminal.app() as app:
        chosen = app.config.newsletter(newsletter)
        wanted = app.config.schedule(newsletter, schedule)
        start = start_seq(app, backlog)
        offered = choices(app.config, chosen)
        topics = offered.chosen_topics(topic) if topic else None
        tag = offered.language(language) if language else None
        with app.store.write() as connection:
            how = add(connection, Request(address, newsletter, wanted.slug, consent, start, topics, tag), app.now(),
                      revive=True)
        due = wanted.times.next_after(app.now())
    terminal.result({"address": address, "newsletter": newsletter, "schedule": wanted.slug, "result": str(how)}
                    | ({} if topics is None else {"topics": topics}) | ({} if tag is None else {"language": language}))
    if how is Joined.SUPPRESSED:
        terminal.problem(f"{address}: is suppressed, and never mailed")
        terminal.next("only whoever owns the address can change that.")
        leave(FAILED)
    said = {Joined.ADDED: "is subscribed to", Joined.ALREADY: "was subscribed already to",
            Joined.SWITCHED: "has another schedule now of",
            Joined.CHOSE: "has other topics or another language now of"}.get(how, f"({how})")
    terminal.line(f'{address} {said} "{chosen.slug}", {wanted.times.describe()}.', GOOD)
    terminal.next(f"their next digest is due {local(due.due_at, wanted.timezone)}; "
                  f"`broadsheet preview {newsletter} --to {address}` shows it.")


def subscribers_import(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(
        metavar="CSV", help="First line: address,consent,schedule,topics,language (any order; topics parted by "
                            "semicolons).")],
    newsletter: Annotated[str, NEWSLETTER],
    consent: Annotated[str, typer.Option("--consent", metavar="TEXT", help="For lines that name none.")] = "",
    schedule: Annotated[str, SCHEDULE] = "",
    backlog: Annotated[str, BACKLOG] = "",
) -> None:
    """Subscribe the people in a CSV file. A bad line is named and stops no other; nobody who left comes back."""
    from pipeline.audience.choices import choices
    from pipeline.audience.importing import import_csv

    terminal = here(context)
    with terminal.app() as app:
        chosen = app.config.newsletter(newsletter)
        if schedule:
            app.config.schedule(newsletter, schedule)
        done = import_csv(app.store, file, chosen, choices(app.config, chosen), consent=consent, schedule=schedule,
                          now=app.now(), start_seq=start_seq(app, backlog))
    counts = {str(how): number for how, number in sorted(done.joined.items())}
    terminal.table(("", ""), [(f"{number:,}", what) for what, number in counts.items()])
    if not counts and not done.problems:
        terminal.line(f"{file} holds nobody.")
    for text in done.notes:
        terminal.note(f"  {file}: {text}")
    for number, text in done.problems:
        terminal.problem(f"{file}:{number}: {text}")
    terminal.result({"joined": counts, "problems": [{"line": n, "problem": text} for n, text in done.problems],
                     "notes": done.notes})
    if done.problems:
        terminal.next(f"put right {plural(len(done.problems), 'line')} and import the file again: who is in stays in "
                      "once.")
        leave(PARTLY if counts else FAILED)
    terminal.next("`broadsheet next` says when their first digest is due.")


def subscribers_export(
    context: typer.Context,
    newsletter: Annotated[str, NEWSLETTER],
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Where to; else standard output.")] = None,
    excluded: Annotated[str, typer.Option(
        "--excluded", metavar="DIGEST", help="Those whom the warm-up left out of this digest.")] = "",
) -> None:
    """Write who gets a newsletter, and what they chose, as the CSV that import reads. Nobody who left is in it."""
    from pipeline.audience.exporting import WARM_UP, export_csv
    from pipeline.store import declared, digests, ledger, subscribers

    terminal = here(context)
    with terminal.app() as app, app.store.read() as connection:
        chosen = app.config.newsletter(newsletter)
        people = subscribers.listed(connection, declared.newsletter_id(connection, chosen.slug))
        if excluded:
            digest = digests.require(connection, excluded, chosen.slug)
            left_out = ledger.excluded(connection, digest.id, WARM_UP)
            people = [one for one in people if one.id in left_out]
        text = export_csv(people)
    if file is not None:
        _write_new(file, text)
    elif not terminal.as_json:
        sys.stdout.write(text)
    number = text.count("\n") - 1
    terminal.note(f"{plural(number, 'subscriber')}{f' in {file}' if file else ''}.")
    terminal.result({"newsletter": chosen.slug, "subscribers": number, "file": file,
                     "csv": text if file is None else None})


def subscribers_remove(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS")],
    newsletter: Annotated[str, typer.Option("--newsletter", metavar="SLUG", help="Only this one; else all.")] = "",
) -> None:
    """Unsubscribe somebody. From this moment nothing that has not left yet goes to them."""
    from pipeline.audience.addresses import read_address
    from pipeline.audience.subscriptions import unsubscribe
    from pipeline.model.subscribers import SubscriptionStatus
    from pipeline.store import subscribers

    terminal = here(context)
    with terminal.app() as app:
        if newsletter:
            app.config.newsletter(newsletter)
        _, key = read_address(address)
        with app.store.read() as connection:
            theirs = [s for s in subscribers.by_address(connection, key) if newsletter in ("", s.newsletter)]
        if not theirs:
            raise UsageError(address, f'is not subscribed to "{newsletter}"',
                             hint="`broadsheet subscribers list` shows who is")
        left = [s.newsletter for s in theirs if s.status is not SubscriptionStatus.UNSUBSCRIBED]
        for one in theirs:
            unsubscribe(app.store, one.id, app.now(), "by the operator")
    if left:
        terminal.line(f"{address} is unsubscribed from {', '.join(left)}.", GOOD)
    else:
        terminal.line(f"{address} had left already.")
    terminal.result({"address": address, "unsubscribed": left})
    terminal.next("an import never takes them back; only `broadsheet subscribers add` does.")


def start_seq(app: App, backlog: str) -> int | None:
    """Where a new person's window starts: None for "from now on". Raises UsageError for what is no span."""
    if not backlog or backlog == "none":
        return None
    from pydantic import TypeAdapter, ValidationError

    from pipeline.config import FOREVER
    from pipeline.config.values import Backlog
    from pipeline.store import articles

    try:
        span = TypeAdapter(Backlog).validate_python(backlog)
    except ValidationError:
        raise UsageError(f'--backlog "{backlog}"', "is no span",
                         hint='write a duration like "7d", or "all" or "none"') from None
    if span == FOREVER:
        return 0
    with app.store.read() as connection:
        return articles.last_seq_before(connection, app.now() - span)


def _write_new(file: Path, text: str) -> None:
    """People's addresses: for the owner's eyes, and nothing is overwritten."""
    try:
        with open(file, "x", encoding="utf-8", newline="", opener=partial(os.open, mode=0o600)) as target:
            target.write(text)
    except FileExistsError:
        raise UsageError(str(file), "is there already, and nothing is overwritten",
                         hint="name another file, or move it away") from None
    except OSError as error:
        raise UsageError(str(file), f"can't be written: {(error.strerror or '').lower()}") from error
