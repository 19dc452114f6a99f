"""subscribers suppress, unsuppress, suppressed: addresses that are never mailed."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.terminal import GOOD, here, local

ADDRESS = typer.Argument(metavar="ADDRESS")


def register(group: typer.Typer) -> None:
    group.command("suppress")(suppress)
    group.command("unsuppress")(unsuppress)
    group.command("suppressed")(suppressed)


def suppress(
    context: typer.Context,
    address: Annotated[str, ADDRESS],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept.")] = "by the operator",
) -> None:
    """Never mail an address again, subscribed or not. What has not left yet goes to it no more."""
    from pipeline.audience.addresses import read_address
    from pipeline.store import suppressions

    terminal = here(context)
    kept, key = read_address(address)
    with terminal.app() as app, app.store.write() as connection:
        fresh = suppressions.suppress(connection, key, reason, app.now())
    terminal.line(f"{kept} is suppressed{'' if fresh else ' already, for the reason of then'}.", GOOD)
    terminal.result({"address": kept, "suppressed": fresh})
    terminal.next("their subscriptions stay as they are; `broadsheet subscribers unsuppress` takes it back.")


def unsuppress(context: typer.Context, address: Annotated[str, ADDRESS]) -> None:
    """Mail an address again: whoever owns it asked for that, or the bounce was a mistake."""
    from pipeline.audience.addresses import read_address
    from pipeline.store import suppressions

    terminal = here(context)
    kept, key = read_address(address)
    with terminal.app() as app, app.store.write() as connection:
        reason = suppressions.unsuppress(connection, key)
    if reason:
        terminal.line(f"{kept} is mailed again; it was suppressed: {reason}", GOOD)
    else:
        terminal.line(f"{kept} was not suppressed.")
    terminal.result({"address": kept, "was": reason})
    terminal.next("who complained was unsubscribed as well; only `broadsheet subscribers add` takes them back."
                  if reason.startswith("complaint") else "their next digest tells what they missed.")


def suppressed(
    context: typer.Context, limit: Annotated[int, typer.Option("--limit", min=1, help="How many.")] = 100
) -> None:
    """Addresses that are never mailed, and why; the newest first."""
    from pipeline.store import suppressions

    terminal = here(context)
    with terminal.app() as app, app.store.read() as connection:
        found = suppressions.listed(connection, limit)
        zone = app.config.site.timezone
    terminal.table(("address", "since", "reason"), [(s.address, local(s.at, zone), s.reason) for s in found])
    if not found:
        terminal.line("Nobody is suppressed.")
    terminal.result({"suppressed": found})
    terminal.next("`broadsheet bounces list --address ADDRESS` says what came back from one.")
