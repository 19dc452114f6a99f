"""init, templates, check, migrate: from nothing to a site that can start."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.terminal import BAD, DIM, FAILED, GOOD, WARN, here, leave, plural
from pipeline.errors import UsageError

WELCOME = """\
---
title: The first article
topics: [news]
---

This article came with `broadsheet init`. It is a text file in the folder `articles`: change it, or delete it.

## How to write one

Put a file whose name ends in `.md`, `.html` or `.txt` into this folder. The lines between the dashes above are
optional; without them the first line is the title.

- `topics` say which feeds and newsletters take it
- `draft: true` keeps it out
- a `date` in the future means: not before

Within a minute it stands in the feeds, and in the next digest.
"""

CONFIG, ARTICLES, FEEDS = "config.toml", "articles", "feeds"


def register(app: typer.Typer) -> None:
    app.command()(init)
    app.command()(check)
    app.command()(migrate)
    templates = typer.Typer(help="The templates that digests are rendered from.", rich_markup_mode=None)
    templates.callback(invoke_without_command=True)(templates_default)
    templates.command("list")(templates_list)
    templates.command("copy")(templates_copy)
    app.add_typer(templates, name="templates")


def init(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to; made if it is not there.")] = Path(),
) -> None:
    """Make a site of your own. Writes a commented config.toml, a folder for articles and one for feeds."""
    from pipeline.config import STARTER

    terminal = here(context)
    target = folder / CONFIG
    if target.exists() or target.is_symlink():
        raise UsageError(str(target), "is there already, and init never overwrites one",
                         hint="`broadsheet check` says what is wrong with it; or name another folder")
    made = []
    try:
        for name in (ARTICLES, FEEDS):
            (folder / name).mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(STARTER.read_text(encoding="utf-8"))
        made.append(target)
        if not any((folder / ARTICLES).iterdir()):
            (folder / ARTICLES / "welcome.md").write_text(WELCOME, encoding="utf-8")
            made.append(folder / ARTICLES / "welcome.md")
    except OSError as error:
        cause = f"can't be written: {(error.strerror or '').lower()}"
        raise UsageError(str(error.filename or folder), cause) from error
    explained = {CONFIG: "what to collect, publish and send; every key is explained",
                 "welcome.md": "a first article, to be changed or deleted"}
    terminal.line(f"A new site in {folder.resolve()}:")
    terminal.table(("", ""), [(path, explained[path.name]) for path in made]
                   + [(folder / FEEDS, "where the built feeds will be")], indent=2)
    terminal.result({"folder": folder.resolve(), "made": made})
    go_there = f"cd {folder}, then " if folder != Path() else ""
    terminal.next(f"{go_there}look through config.toml, then `broadsheet check` and `broadsheet run`.")


def check(context: typer.Context) -> None:
    """Say everything that is wrong, at once. Looks at config, templates, database, folders and the way out of mail."""
    from pipeline import config as configuration
    from pipeline.desk.preflight import Finding, Verdict, preflight
    from pipeline.errors import BroadsheetError
    from pipeline.web.app import bind

    terminal = here(context)
    config = configuration.load(terminal.config)
    findings = preflight(config)
    try:
        bind(config.web).close()
        findings.append(Finding("web", f"{config.web.listen} is free"))
    except BroadsheetError as error:  # it may well be this very site, running
        findings.append(Finding("web", f"{error}", Verdict.WARNING))
    signs = {Verdict.OK: ("✓", GOOD), Verdict.WARNING: ("!", WARN), Verdict.PROBLEM: ("✗", BAD)}
    width = max(len(f.area) for f in findings)
    for finding in findings:
        sign, style = signs[finding.verdict]
        terminal.line(f"{sign} {finding.area:<{width}}  {finding.text}", "" if style == GOOD else style)
    problems = [f for f in findings if f.verdict is Verdict.PROBLEM]
    warnings = [f for f in findings if f.verdict is Verdict.WARNING]
    terminal.result({"ok": not problems, "findings": findings})
    if problems:
        terminal.next(f"put right {plural(len(problems), 'problem')} (✗), then `broadsheet check` again.")
        leave(FAILED)
    also = f" ({plural(len(warnings), 'warning')}, marked with !)" if warnings else ""
    terminal.next(f"all is well{also}: `broadsheet run` starts the service, `broadsheet once` works through once.")


def migrate(context: typer.Context) -> None:
    """Bring the database up to date. Every start does so by itself."""
    from pipeline import config as configuration
    from pipeline.store.engine import Store
    from pipeline.store.migrate import migrate as bring_up_to_date

    terminal = here(context)
    store = Store(configuration.load(terminal.config).store.url.get_secret_value())
    try:
        revision = bring_up_to_date(store)
    finally:
        store.close()
    terminal.line(f"{store.name} is at revision {revision}.", GOOD)
    terminal.result({"database": store.name, "revision": revision})
    terminal.next("`broadsheet check` looks at everything else.")


def templates_default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        templates_list(context)


def templates_list(context: typer.Context) -> None:
    """Which templates there are, whose they are, and which newsletters use them."""
    from pipeline import config as configuration
    from pipeline.app import shipped
    from pipeline.render.templates import Templates

    terminal = here(context)
    config = configuration.load(terminal.config)
    own, ours = config.paths.templates, shipped("templates")
    rows = []
    for name in Templates([own, ours]).names():
        users = [n.slug for n in config.newsletters if n.template == name]
        mine = (own / name).is_dir() and own.resolve() != ours.resolve()
        rows.append((name, "yours" if mine else "shipped", ", ".join(users) or "–"))
    terminal.table(("template", "whose", "used by"), rows)
    terminal.result({"templates": [dict(zip(("name", "whose", "used_by"), row, strict=True)) for row in rows]})
    terminal.next(f"`broadsheet templates copy NAME` brings one into {own} to change.")


def templates_copy(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A shipped template, such as digest.")],
) -> None:
    """Copy a shipped template into the site's own templates folder, which comes first."""
    from pipeline import config as configuration
    from pipeline.app import shipped

    terminal = here(context)
    own, ours = configuration.load(terminal.config).paths.templates, shipped("templates")
    names = sorted(path.parent.name for path in ours.glob("*/body.html.j2"))
    if name not in names:
        close = configuration.nearest(name, names)
        raise UsageError(f'template "{name}"', "does not come with Broadsheet",
                         hint=f'did you mean "{close}"?' if close else "there is " + ", ".join(names))
    target = own / name
    if target.exists():
        raise UsageError(str(target), "is there already, and nothing is overwritten", hint="move it away first")
    copied = []
    try:
        target.mkdir(parents=True)
        for path in sorted((ours / name).iterdir()):
            (target / path.name).write_bytes(path.read_bytes())
            copied.append(target / path.name)
    except OSError as error:
        raise UsageError(str(target), f"can't be written: {(error.strerror or '').lower()}") from error
    terminal.line(f"Copied to {target}:")
    for path in copied:
        terminal.line(f"  {path.name}", DIM)
    terminal.result({"copied": copied})
    terminal.next("change it, then `broadsheet check` and `broadsheet preview NEWSLETTER`. A file you delete there is "
                  "the shipped one again.")
