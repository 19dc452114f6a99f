"""digests draft, approve, hold, cancel, drop, keep, pin, unpin, order, introduce, annotate, subject: a digest before it
goes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.terminal import DIM, GOOD, HEADING, Terminal, here, local, plural
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.app import App
    from pipeline.desk.review import Line, Proof
    from pipeline.model.edits import Edits
    from pipeline.model.newsletters import Digest

DIGEST = typer.Argument(metavar="DIGEST", help="Its name or number; `next` is the one that waits.")
NEWSLETTER = typer.Option("--newsletter", help="Only of this newsletter.")
ARTICLES = typer.Argument(metavar="ARTICLE…", help="Numbers, as `digests show` lists them.")
REASON = typer.Argument(metavar="[REASON]", help="Kept with it, for whoever asks later.")


def register(digests: typer.Typer) -> None:
    for command in (draft, approve, hold, cancel, drop, keep, pin, unpin, order, introduce, annotate, subject):
        digests.command()(command)
    digests.command("pause", help="The same as hold: of one that is being sent, nothing more goes out.")(hold)
    digests.command("resume", help="The same as approve: one that was paused goes on.")(approve)


def draft(
    context: typer.Context,
    newsletter: Annotated[str, typer.Argument(metavar="NEWSLETTER")],
    schedule: Annotated[str, typer.Option("--schedule", help="Which one's next digest; else the default's.")] = "",
) -> None:
    """Compose the next digest now, to look at it and change it. What comes in later is for the one after it."""
    from pipeline.desk.review import begin

    terminal = here(context)
    with terminal.app() as app:
        show_open(terminal, app, begin(app, app.config.newsletter(newsletter), schedule))


def approve(
    context: typer.Context,
    digest: Annotated[str, DIGEST] = "next",
    newsletter: Annotated[str, NEWSLETTER] = "",
    anyway: Annotated[bool, typer.Option("--anyway", help="Also past what the preflight holds it for.")] = False,
) -> None:
    """Let it go: at its slot, or at once where that has passed."""
    from pipeline.desk.review import approve as give_word
    from pipeline.desk.review import when

    terminal = here(context)
    with _named(terminal, digest, newsletter) as (app, one):
        mend = one.reason if one.held_by == "error" else ""
        done = give_word(app, one, anyway=anyway)
        moment, zone = when(done, app.now()), app.config.site.timezone
    due = f", {local(done.due_at, zone)}" if moment == "at its slot" else ""
    goes = f"It goes {moment}{due}." if not mend else "It goes as soon as this is mended:"
    terminal.line(f"{done.newsletter}/{done.name}: {done.status}. {goes}", GOOD)
    if mend:
        terminal.warn(mend)
    terminal.result({"digest": done, "goes": moment})
    terminal.next("`broadsheet run` does it by itself; without it, `broadsheet once`.")


def hold(
    context: typer.Context,
    digest: Annotated[str, DIGEST] = "next",
    reason: Annotated[str, REASON] = "",
    newsletter: Annotated[str, NEWSLETTER] = "",
) -> None:
    """Keep it back until you approve it; one that is being sent pauses."""
    from pipeline.desk.review import hold as keep_back

    terminal = here(context)
    with _named(terminal, digest, newsletter) as (app, one):
        done = keep_back(app, one, reason)
    terminal.line(f"{done.newsletter}/{done.name}: {done.status}, {done.reason}.", GOOD)
    terminal.result({"digest": done})
    terminal.next(f"`broadsheet digests approve {done.name}` lets it go on.")


def cancel(
    context: typer.Context,
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="Its name or number.")],
    reason: Annotated[str, REASON] = "",
    newsletter: Annotated[str, NEWSLETTER] = "",
) -> None:
    """Send it to nobody who has not got it yet, for good. Its articles are in the next one."""
    from pipeline.desk.review import cancel as take_back

    terminal = here(context)
    with _named(terminal, digest, newsletter) as (app, one):
        done = take_back(app, one, reason)
    terminal.line(f"{done.newsletter}/{done.name} is cancelled: {done.reason}.", GOOD)
    terminal.result({"digest": done})
    others = "" if done.announces else "; the next digest tells the others"
    terminal.next(f"`broadsheet audit {done.name}` says who had got it{others}.")


def drop(
    context: typer.Context, digest: Annotated[str, DIGEST], articles: Annotated[list[int], ARTICLES],
    newsletter: Annotated[str, NEWSLETTER] = "",
) -> None:
    """Leave articles out, with every other telling of their stories."""
    _edit(context, digest, newsletter, articles, lambda edits: edits.dropping(articles))


def keep(
    context: typer.Context, digest: Annotated[str, DIGEST], articles: Annotated[list[int], ARTICLES],
    newsletter: Annotated[str, NEWSLETTER] = "",
) -> None:
    """Take back a drop, also one of an earlier digest."""
    _edit(context, digest, newsletter, articles, lambda edits: edits.keeping(articles))


def pin(
    context: typer.Context, digest: Annotated[str, DIGEST], articles: Annotated[list[int], ARTICLES],
    newsletter: Annotated[str, NEWSLETTER] = "",
) -> None:
    """Put articles at the top."""
    _edit(context, digest, newsletter, articles, lambda edits: edits.pinning(articles))


def unpin(
    context: typer.Context, digest: Annotated[str, DIGEST], articles: Annotated[list[int], ARTICLES],
    newsletter: Annotated[str, NEWSLETTER] = "",
) -> None:
    """Let the rules place articles again."""
    _edit(context, digest, newsletter, articles, lambda edits: edits.unpinning(articles))


def order(
    context: typer.Context, digest: Annotated[str, DIGEST], articles: Annotated[list[int], ARTICLES],
    newsletter: Annotated[str, NEWSLETTER] = "",
) -> None:
    """These first, in this order; the others follow by the rules."""
    wanted = tuple(dict.fromkeys(articles))
    _edit(context, digest, newsletter, articles, lambda edits: replace(edits, order=wanted))


def introduce(
    context: typer.Context, digest: Annotated[str, DIGEST],
    file: Annotated[str, typer.Argument(metavar="FILE", help="Markdown; - reads standard input, '' takes it away.")],
    newsletter: Annotated[str, NEWSLETTER] = "",
) -> None:
    """Put words of your own before the articles."""
    from pipeline.desk.review import introduce as put

    terminal = here(context)
    words = _read(file)
    with _named(terminal, digest, newsletter) as (app, one):
        show_open(terminal, app, put(app, one, words))


def annotate(
    context: typer.Context, digest: Annotated[str, DIGEST],
    article: Annotated[int, typer.Argument(metavar="ARTICLE")],
    words: Annotated[str, typer.Argument(metavar="WORDS", help="Markdown; '' takes them away.")],
    newsletter: Annotated[str, NEWSLETTER] = "",
) -> None:
    """Put words of your own on one article, for this digest."""
    from pipeline.desk.review import annotate as put

    terminal = here(context)
    with _named(terminal, digest, newsletter) as (app, one):
        show_open(terminal, app, put(app, one, article, words))


def subject(
    context: typer.Context, digest: Annotated[str, DIGEST],
    words: Annotated[str, typer.Argument(metavar="SUBJECT", help="A template, as in config.toml; '' for that one.")],
    newsletter: Annotated[str, NEWSLETTER] = "",
) -> None:
    """Give it another subject."""
    from pipeline.desk.review import call

    terminal = here(context)
    with _named(terminal, digest, newsletter) as (app, one):
        show_open(terminal, app, call(app, one, words))


def show_open(terminal: Terminal, app: App, digest: Digest) -> None:
    """A digest that is not frozen yet: what it would tell, in which order and why, and what was changed in it."""
    from pipeline.cli.sending import show_findings
    from pipeline.desk.proof.finding import Finding
    from pipeline.desk.review import look

    proof = look(app, digest)
    zone = app.config.site.timezone
    state = f"{digest.status}: {digest.reason}" if digest.reason else str(digest.status)
    terminal.line(f"{digest.newsletter}/{digest.name}", HEADING)
    facts = [("Status", state + (", approved" if digest.approved_at and digest.status != "approved" else "")),
             ("Due", local(digest.due_at, zone)), ("For", plural(proof.people, "person", "people"))]
    if digest.drafted_at:
        facts.append(("Drafted", f"{local(digest.drafted_at, zone)}; what came in later is for the next one"))
    facts += decisions(digest)
    terminal.table(("", ""), facts)
    terminal.table(("", "article", "title", "group", ""), [
        (line.place or "–", line.article.id, line.article.title, line.group, _remarks(line)) for line in proof.lines])
    for article in proof.corrections:
        terminal.line(f"  Correction of {article.id}: {article.title}", DIM)
    for text in proof.notes:
        terminal.note(f"  {text}")
    findings = [Finding.from_json(one) for one in digest.findings]
    if findings and digest.proofed_at:
        terminal.line(f"Preflight of {local(digest.proofed_at, zone)}", DIM)
        show_findings(terminal, findings)
    if proof.empty:
        terminal.warn(f"as it stands nothing is sent: {proof.empty}")
    _result(terminal, proof)
    if digest.held_by == "error":
        terminal.next("mend what is said above; the next run tries it again. `broadsheet check` looks at it at once.")
        return
    terminal.next(f"`broadsheet digests approve {digest.name}` lets it go; drop, pin, order, introduce, annotate and "
                  f"subject change it; `broadsheet preview {digest.newsletter} --schedule {digest.schedule}` shows it.")


def decisions(digest: Digest) -> list[tuple[str, str]]:
    """What the operator changed in it, each with its name."""
    edits = digest.edits
    if digest.announces:
        return [("Subject", edits.subject)]
    said = [("Subject", edits.subject), ("Introduction", edits.introduction.partition("\n")[0]),
            ("At the top", ", ".join(map(str, edits.order))), ("Dropped", ", ".join(map(str, edits.drop))),
            ("Kept", ", ".join(map(str, edits.keep))), ("Notes on", ", ".join(map(str, edits.notes)))]
    return [(name, value) for name, value in said if value]


def _edit(
    context: typer.Context, digest: str, newsletter: str, ids: Sequence[int], edit: Callable[[Edits], Edits]
) -> None:
    from pipeline.desk.review import change

    terminal = here(context)
    with _named(terminal, digest, newsletter) as (app, one):
        show_open(terminal, app, change(app, one, ids, edit))


@contextmanager
def _named(terminal: Terminal, name: str, newsletter: str) -> Iterator[tuple[App, Digest]]:
    from pipeline.store import digests

    with terminal.app() as app:
        if newsletter:
            app.config.newsletter(newsletter)
        with app.store.read() as connection:
            one = digests.require(connection, name, newsletter)
        yield app, one


def _read(file: str) -> str:
    if not file:
        return ""
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = (error.strerror or "").lower() if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(file, f"can't be read: {cause}", hint="name a text file in UTF-8, or - for standard input"
                         ) from error


def _remarks(line: Line) -> str:
    return "; ".join(filter(None, (line.left_out, line.why, f"note: {line.note}" if line.note else "")))


def _result(terminal: Terminal, proof: Proof) -> None:
    terminal.result({
        "digest": proof.digest, "name": proof.digest.name, "people": proof.people, "nothing": proof.empty,
        "articles": [{"id": line.article.id, "title": line.article.title, "place": line.place, "group": line.group,
                      "why": line.why, "note": line.note, "left_out": line.left_out} for line in proof.lines],
        "corrections": [{"id": a.id, "title": a.title} for a in proof.corrections], "notes": proof.notes,
        "findings": list(proof.digest.findings)})
