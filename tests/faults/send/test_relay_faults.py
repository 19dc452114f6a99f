"""The tables of docs/delivery.md, row by row: a relay that fails, and one that fails single people."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

pytestmark = pytest.mark.services

ROOT = Path(__file__).resolve().parents[3]
SMTP_SINK = ROOT / ".postfix-tools" / "smtp-sink"
PEOPLE = ["ada@example.org", "bo@example.net", "cy@example.com"]
IMPATIENT = '  connections = 1\n  answer_timeout = "1s"\n'
TWO_HOURS_S = 2 * 3600 + 600.0


def rows_of(section: str) -> list[list[str]]:
    """Cells of the table under a heading, without their ticks."""
    page = (ROOT / "docs" / "delivery.md").read_text(encoding="utf-8")
    part = page.split(f"## {section}\n")[1].split("\n## ")[0]
    rows = [[cell.strip().replace("`", "") for cell in line.strip("|\n").split("|")]
            for line in part.splitlines() if line.startswith("| `")]
    assert rows
    return rows


RELAY = rows_of("When the relay fails")
RECIPIENTS = rows_of("When it is about one recipient")


def test_the_table_has_every_flag_at_every_step() -> None:
    steps = ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", ".")
    wanted = {f"{flag} {step}" for flag in ("-f", "-r", "-q", "-Q") for step in steps}
    wanted |= {f"-p -W {step}:3" for step in steps} | {"-A 3", "-w 3"}
    assert {row[0] for row in RELAY} == wanted


@pytest.fixture(scope="session")
def smtp_sink(need: Callable[[object, str], None]) -> Callable[..., Any]:
    """`with smtp_sink("-q", ".") as port:`"""
    need(SMTP_SINK.exists(), "Postfix's smtp-sink is not here: sh .ci/postfix-tools")

    @contextmanager
    def run(*flags: str) -> Iterator[int]:
        port = free_port()
        owner = ("-u", "root") if os.geteuid() == 0 else ()
        process = subprocess.Popen([SMTP_SINK, *owner, *flags, f"127.0.0.1:{port}", "16"], stderr=subprocess.DEVNULL)
        try:
            wait_for(port)
            yield port
        finally:
            process.kill()
            process.wait()

    return run


@pytest.fixture(scope="module")
def stand(make_stand: Callable[..., Any]) -> Any:
    return make_stand(PEOPLE, IMPATIENT)


@pytest.mark.parametrize("row", RELAY, ids=[row[0] for row in RELAY])
def test_a_relay_that_fails(stand: Any, smtp_sink: Callable[..., Any], row: list[str]) -> None:
    flags, _, first, others, later = row
    folder = stand.fresh()
    with smtp_sink(*flags.split()) as port:
        relay(folder, stand.sink.port, port)
        ended = stand.victim.run(folder)
    assert "Traceback" not in ended.out, ended.out
    assert [state for state, _ in states(stand, folder)] == [first, others, others], (states(stand, folder), ended.out)
    relay(folder, port, stand.sink.port)
    stand.victim.run(folder, ahead_s=TWO_HOURS_S)
    end = [part.strip() for part in later.split(",")]
    assert [state for state, _ in states(stand, folder)] == [end[0], end[-1], end[-1]]
    stand.done(folder)


GOOD = [f"good{n}@example.org" for n in range(6)]
MARKED = [(f"{at.lower()}.{answer.replace(' ', '.')}@{at.lower()}{n}.example", state)
          for n, (at, answer, state, _) in enumerate(RECIPIENTS)]
ALL = [*GOOD[:3], *(address for address, _ in MARKED[:9]), *GOOD[3:], *(address for address, _ in MARKED[9:])]


@pytest.mark.parametrize("server", ["aiosmtpd", "the counting server"])
def test_a_relay_that_fails_single_people(make_stand: Callable[..., Any], server: str) -> None:
    stand = make_stand(ALL, IMPATIENT)
    folder = stand.fresh()
    if server == "aiosmtpd":
        handler = Picky()
        controller = PickyServer(handler, hostname="127.0.0.1", port=free_port())
        controller.start()
        try:
            relay(folder, stand.sink.port, controller.port)
            stand.victim.run(folder)
        finally:
            controller.stop()
        taken = handler.taken
    else:
        relay(folder, stand.sink.port, stand.sink.port)
        stand.victim.run(folder)
        taken = [one["to"] for one in stand.sink.brought() if one["taken"]]
    found = dict(zip(ALL, states(stand, folder), strict=True))
    assert {address: found[address][0] for address, _ in MARKED} == dict(MARKED), found
    assert {found[address][0] for address in GOOD} == {"sent"}
    assert sorted(taken) == sorted([*GOOD, *(a for a, _ in MARKED if a.startswith(("dot.drop", "dot.slow")))])
    for address, (state, reason) in found.items():
        if code := re.match(r"\w+\.(\d{3})", address):
            assert reason.startswith(code[1]), (address, state, reason)
    stand.done(folder)


FAULT = re.compile(r"(rcpt|data|dot)\.(drop|slow|what|\d{3})((?:\.\d+)*)@")


class Picky:
    """Does by aiosmtpd what the counting server does."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        answer = await answer_to("rcpt", address, server) or "250 2.1.5 ok"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        (address,) = envelope.rcpt_tos
        if not re.match(r"dot\.(\d|what)", address):
            self.taken.append(address)
        return await answer_to("dot", address, server) or "250 2.0.0 taken"


class PickySMTP(SMTP):
    """aiosmtpd's handlers are not asked before the message has come."""

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        answer = await answer_to("data", self.envelope.rcpt_tos[0], self) if self.envelope.rcpt_tos else ""
        if answer:
            await self.push(answer)
        else:
            await super().smtp_DATA(arg)


class PickyServer(Controller):
    def factory(self) -> SMTP:
        return PickySMTP(self.handler)


async def answer_to(at: str, address: str, server: Any) -> str:
    """The answer that an address asks for; "": the usual one."""
    fault = FAULT.match(address)
    if fault is None or fault[1] != at:
        return ""
    if fault[2] == "slow":
        await asyncio.sleep(2.5)
    elif fault[2] == "drop":
        server.transport.close()
        return "421 never heard"
    return {"slow": "", "what": "what is this"}.get(fault[2], f"{fault[2]} {fault[3][1:]} as its address says")


def relay(folder: Path, before: int, port: int) -> None:
    config = folder / "config.toml"
    text = config.read_text().replace(f"port = {before}", f"port = {port}")
    config.write_text(text.replace('timeout = "5s"', 'timeout = "1s"'))


def states(stand: Any, folder: Path) -> list[tuple[str, str]]:
    """(state, reason) of everybody, in the order in which they were subscribed."""
    said = json.loads(stand.victim.run(folder, "audit", "--json", "--people").out.splitlines()[0])
    found = {one["address"]: (one["state"], one["reason"]) for one in said["people"]}
    assert said["holds"]
    return [found[address] for address in stand.people]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def wait_for(port: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.01)
    raise AssertionError("smtp-sink does not start")
