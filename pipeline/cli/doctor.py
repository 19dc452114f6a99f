"""doctor: what to publish so that mail of this site is believed, and whether it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.terminal import BAD, DIM, FAILED, GOOD, HEADING, PARTLY, WARN, Terminal, here, leave, plural
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.desk.doctor import Report, Seen


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(
    context: typer.Context,
    nameserver: Annotated[str, typer.Option(
        "--nameserver", metavar="IP[:PORT]", help="Whom to ask instead of this machine's name servers.")] = "",
) -> None:
    """Look at what decides whether mail arrives: DNS records (SPF, DKIM, DMARC), keys, relays. Sends nothing."""
    from pipeline import config as configuration
    from pipeline.app import utc_now
    from pipeline.desk.doctor import TIME_S, examine
    from pipeline.net.records import Resolver

    terminal = here(context)
    address, port = split_nameserver(nameserver)
    config = configuration.load(terminal.config)
    report = examine(config, Resolver(TIME_S, address, port), (terminal.now or utc_now)())
    _show(terminal, report)
    terminal.result({
        "ok": not report.wrong, "asked": not report.unasked,
        "records": [{"kind": one.wanted.kind, "name": one.wanted.name, "type": "TXT", "value": one.wanted.value,
                     "strings": one.wanted.strings, "why": one.wanted.why, "optional": one.wanted.optional,
                     "standing": one.judged.standing, "says": one.judged.why, "found": one.found, "found_at": one.at,
                     "publish": one.judged.publish or one.wanted.value} for one in report.records],
        "findings": report.findings})
    if report.wrong:
        terminal.next(f"put right {plural(report.wrong, 'thing')} (✗), then `broadsheet doctor` again; what you "
                      "publish in the DNS may take an hour to be seen.")
        leave(FAILED)
    if report.unasked:
        terminal.next("the DNS could not be asked from here: publish what is above, and look again from a machine "
                      "that can.")
        leave(PARTLY)
    terminal.next("mail of yours can be believed. `broadsheet send-test NEWSLETTER ADDRESS` shows what a provider "
                  "makes of it: look for SPF, DKIM and DMARC in the original of that mail.")


def split_nameserver(text: str) -> tuple[str, int]:
    """An IP address and a port of "9.9.9.9", "127.0.0.1:5353" or "[::1]:53"; ("", 53) of nothing."""
    from ipaddress import ip_address

    host, colon, port = text.rpartition(":") if text.startswith("[") or text.count(":") == 1 else (text, "", "53")
    if text.startswith("[") and text.endswith("]"):
        host, colon, port = text, ":", "53"
    try:
        number = int(port if colon else "53")
        if text and not 0 < number < 65_536:
            raise ValueError
        return (str(ip_address(host.strip("[]"))) if text else ""), number
    except ValueError:
        raise UsageError(text, "is no address of a name server",
                         hint="write an IP address: --nameserver 9.9.9.9") from None


def _show(terminal: Terminal, report: Report) -> None:
    from pipeline.desk.preflight import Verdict

    terminal.line("What the DNS must say", HEADING)
    for one in report.records:
        _show_record(terminal, one)
    terminal.line()
    terminal.line("Everything else", HEADING)
    signs = {Verdict.OK: ("✓", ""), Verdict.WARNING: ("!", WARN), Verdict.PROBLEM: ("✗", BAD)}
    width = max(len(finding.area) for finding in report.findings)
    for finding in report.findings:
        sign, style = signs[finding.verdict]
        terminal.line(f"{sign} {finding.area:<{width}}  {finding.text}", style)


def _show_record(terminal: Terminal, seen: Seen) -> None:
    """A record as it is written into a zone, and what is there now."""
    from pipeline.desk.published import Standing, strings

    record, judged = seen.wanted, seen.judged
    sign, style = {Standing.MATCH: ("✓", GOOD), Standing.NOT_ASKED: ("?", WARN)}.get(judged.standing, ("✗", BAD))
    if record.optional and judged.standing is not Standing.MATCH:
        sign, style = "-", DIM
    word = "optional" if record.optional and sign == "-" else str(judged.standing)
    where = f" (at {seen.at})" if seen.at else ""
    terminal.line()
    terminal.line(f"{sign} {record.kind}: {word}{where}" + (f": {judged.why}" if judged.why else ""), style)
    terminal.line(f"  {record.why}.", DIM)
    written = " ".join(f'"{part}"' for part in strings(judged.publish or record.value))
    terminal.line(f"  {record.name}. TXT {written}")
    if judged.standing is Standing.DIFFERENT:
        for found in seen.found:
            terminal.line(f"  there now: {found}", WARN)
