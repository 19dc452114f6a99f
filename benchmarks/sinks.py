"""SMTP servers that take everything and keep nothing, each in a process of its own, and Postfix's own sender.

Postfix's `smtp-sink` and `smtp-source` come from the folder that `sh .ci/postfix-tools` makes, or from POSTFIX_TOOLS.
Where they are not, a small sink in Python stands in, and what is compared with smtp-source is left out.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

TOOLS = Path(os.environ.get("POSTFIX_TOOLS") or Path(__file__).parents[1] / ".postfix-tools")
END = b"\r\n.\r\n"


def tool(name: str) -> str:
    """One of Postfix's, or ""."""
    here = TOOLS / name
    return str(here) if here.exists() else shutil.which(name) or ""


@contextmanager
def sink() -> Iterator[int]:
    """Postfix's where it is there; the port that it listens on."""
    program = tool("smtp-sink")
    if not program:
        with python_sink(0.0) as port:
            yield port
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    user = ["-u", "root"] if os.geteuid() == 0 else []
    process = subprocess.Popen([program, *user, f"127.0.0.1:{port}", "1000"])
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def source_s(port: int, messages: int, size: int, sessions: int) -> float:
    """Seconds that smtp-source takes for so many messages of so many bytes over so many open connections."""
    started = time.perf_counter()
    subprocess.run(
        [tool("smtp-source"), "-d", "-s", str(sessions), "-m", str(messages), "-l", str(size), "-f", "a@example.com",
         "-t", "b@example.net", f"127.0.0.1:{port}"], check=True)
    return time.perf_counter() - started


@contextmanager
def python_sink(wait_s: float) -> Iterator[int]:
    """A server that waits so long before each of its replies, as one far away would."""
    context = multiprocessing.get_context("spawn")
    ready, told = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(told, wait_s), daemon=True)
    process.start()
    try:
        if not ready.poll(30):
            raise AssertionError("the sink did not start")
        yield int(ready.recv())
    finally:
        process.terminate()
        process.join(10)


def _wait_for(port: int) -> None:
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}")


def _serve(told: Any, wait_s: float) -> None:
    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As much of RFC 5321 as one well-behaved client needs, RFC 2920's pipelining included."""
        async def say(words: bytes) -> None:
            if wait_s:
                await asyncio.sleep(wait_s)
            writer.write(words + b"\r\n")

        with suppress(OSError, asyncio.IncompleteReadError):
            await say(b"220 sink.example ESMTP")
            while line := await reader.readline():
                verb = line[:4].upper()
                if verb == b"EHLO":
                    await say(b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 50000000")
                elif verb == b"DATA":
                    await say(b"354 go on")
                    await reader.readuntil(END)
                    await say(b"250 2.0.0 taken")
                elif verb == b"QUIT":
                    await say(b"221 bye")
                    break
                else:
                    await say(b"250 2.0.0 ok")
        writer.close()

    async def listen() -> None:
        server = await asyncio.start_server(session, "127.0.0.1", 0, backlog=1_000, limit=1 << 20)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(listen())
