"""Taking the port, and ending when asked."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Web
from pipeline.errors import BroadsheetError
from pipeline.web.app import bind, serve

SERVE = """
import sys
from pathlib import Path
from pipeline.app import open_app
from pipeline.web.app import bind, serve
app = open_app(Path(sys.argv[1]))
for _ in range(2):
    listener = bind(app.config.web)
    serve(app, on_ready=lambda: print(listener.getsockname()[1], flush=True), listener=listener)
print("after", flush=True)
"""


def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(BroadsheetError) as caught:
            bind(Web(listen=listen))
    assert str(caught.value) == (
        f"{listen}: another program listens there (stop it, or choose another port: [web] listen in config.toml)")


def test_a_port_that_was_bound_is_taken_at_once() -> None:
    with bind(Web(listen="127.0.0.1:0")) as first:
        taken = Web(listen=f"127.0.0.1:{first.getsockname()[1]}")
        with pytest.raises(BroadsheetError, match="another program listens there"):
            bind(taken)


@pytest.mark.parametrize("listen", ["192.0.2.1:0", "nowhere.invalid:8000"])
def test_an_address_that_is_not_ours(listen: str) -> None:
    with pytest.raises(BroadsheetError, match="is no address of this machine"):
        bind(Web(listen=listen))


@pytest.mark.skipif(os.getuid() == 0 or not Path("/proc").exists(), reason="root may listen on any port")
def test_a_port_that_needs_rights() -> None:
    with pytest.raises(BroadsheetError, match="choose one above"):
        bind(Web(listen="127.0.0.1:80"))


def test_answers_do_not_wait_for_an_acknowledgement() -> None:
    with bind(Web(listen="127.0.0.1:0")) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_serving_without_a_socket_takes_the_port_itself(house: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        path = house.folder / "config.toml"
        path.write_text(path.read_text().replace("127.0.0.1:0", f"127.0.0.1:{other.getsockname()[1]}"))
        from pipeline import config

        app = type(house.app)(config.load(path), house.app.store, house.app.keyring, house.app.now)
        with pytest.raises(BroadsheetError, match="another program"):
            serve(app, on_ready=lambda: None)


def test_a_signal_ends_serving_and_not_the_process(house: Any) -> None:
    house.app.close()
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(house.folder / "config.toml")], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as process:
        assert process.stdout
        assert process.stderr
        for number in (signal.SIGTERM, signal.SIGINT):
            connection = HTTPConnection("127.0.0.1", int(process.stdout.readline()), timeout=10)
            connection.request("GET", f"/u/{house.token()}")
            assert connection.getresponse().read()  # and the connection stays open, idle
            process.send_signal(number)
            assert connection.sock.recv(1) == b""
            connection.close()
        assert process.stdout.read() == "after\n"
        assert process.stderr.read() == ""          # no access log: it would hold tokens
        assert process.wait(10) == 0


def test_a_request_that_is_none_does_not_reach_the_log(
    served: Callable[[], HTTPConnection], caplog: pytest.LogCaptureFixture
) -> None:
    connection = served()
    connection.connect()
    connection.sock.sendall(b"NONSENSE \x00\r\n\r\n")
    assert connection.sock.recv(100).startswith(b"HTTP/1.1 400")
    assert caplog.text == ""
