"""A mail server that counts: what it took responsibility for, and what it was merely brought.

    python sink.py LOG        prints its two ports: SMTP, and one for questions

Each message that came with its final dot gets a line of JSON in LOG, written before it is answered: Message-ID,
recipient, and `taken`: whether the answer is (or would be) 250. Whom a message is for decides what happens to it, by
the beginning of the address (FAULT): "rcpt.550.5.1.1@example.org". A question is one line: "idle" is answered once no
SMTP connection is open, "open" with their number at once.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import threading
import time
from contextlib import suppress

HELLO = (b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n"
         b"250 SIZE 50000000\r\n")

FAULT = re.compile(r"(rcpt|data|dot)\.(drop|slow|what|\d{3})((?:\.\d+)*)@")
"""Of an address: where in the talk, and what then: the connection ends without a word, the answer comes after SLOW_S
or makes no sense, or it is this code, with an enhanced one. "dot.drop" and "dot.slow" have taken the message."""

SLOW_S = 2.5


class Sink:
    def __init__(self, log: str) -> None:
        self.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.open = 0
        self.change = threading.Condition()

    def serve(self) -> None:
        smtp, questions = (socket.create_server(("127.0.0.1", 0), backlog=200) for _ in range(2))
        print(smtp.getsockname()[1], questions.getsockname()[1], flush=True)
        threading.Thread(target=end_with_the_tests, daemon=True).start()
        threading.Thread(target=self._listen, args=(questions, self._answer), daemon=True).start()
        self._listen(smtp, self._session)

    def _listen(self, server: socket.socket, talk) -> None:
        while True:
            sock, _ = server.accept()
            if talk == self._session:
                with self.change:
                    self.open += 1
            threading.Thread(target=talk, args=(sock,), daemon=True).start()

    def _answer(self, sock: socket.socket) -> None:
        with sock, sock.makefile("rb") as lines, suppress(OSError):
            for line in lines:
                with self.change:
                    if line.strip() == b"idle":
                        self.change.wait_for(lambda: not self.open)
                    sock.sendall(b"%d\n" % self.open)

    def _session(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with sock, sock.makefile("rb", 1 << 17) as lines, suppress(OSError):
                self._talk(sock, lines)
        finally:
            with self.change:
                self.open -= 1
                self.change.notify_all()

    def _talk(self, sock: socket.socket, lines) -> None:
        recipients: list[str] = []
        sock.sendall(b"220 sink ESMTP\r\n")
        while line := lines.readline():
            verb = line[:4].upper()
            if verb in (b"EHLO", b"HELO"):
                sock.sendall(HELLO)
            elif verb in (b"MAIL", b"RSET"):
                recipients = []
                sock.sendall(b"250 2.0.0 ok\r\n")
            elif verb == b"RCPT":
                to = line.partition(b"<")[2].partition(b">")[0].decode()
                answer = answer_to("rcpt", to, b"250 2.1.5 ok\r\n")
                if answer.startswith(b"250"):
                    recipients.append(to)
                sock.sendall(answer)
                if not answer or answer.startswith(b"421"):
                    return
            elif verb == b"DATA" and not recipients:
                sock.sendall(b"554 5.5.1 no valid recipients\r\n")
            elif verb == b"DATA":
                answer = answer_to("data", recipients[0], b"354 go on\r\n")
                sock.sendall(answer)
                if not answer or (answer.startswith(b"354") and not self._message(sock, lines, recipients)):
                    return
                recipients = []
            elif verb == b"QUIT":
                sock.sendall(b"221 2.0.0 bye\r\n")
                return
            else:
                sock.sendall(b"250 2.0.0 ok\r\n")

    def _message(self, sock: socket.socket, lines, recipients: list[str]) -> bool:
        """Whether the connection goes on."""
        body = []
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)   # a client must not wait 40 ms for our ack
        while (part := lines.readline()) != b".\r\n":
            if not part:
                return False      # it left before the dot: nothing was brought
            body.append(part)
        found = re.search(rb"^message-id:\s*(\S+)", b"".join(body), re.IGNORECASE | re.MULTILINE)
        fault = FAULT.match(recipients[0])
        silent = fault is not None and fault[1] == "dot" and fault[2] in ("drop", "slow")
        answer = b"" if silent else answer_to("dot", recipients[0], b"250 2.0.0 taken\r\n")
        for one in recipients:
            said = {"id": found[1].decode() if found else "", "to": one, "taken": silent or answer.startswith(b"250"),
                    "bytes": sum(map(len, body))}
            os.write(self.log, json.dumps(said).encode() + b"\n")
        if silent:
            time.sleep(SLOW_S * (fault is not None and fault[2] == "slow"))
            return False
        sock.sendall(answer)
        return not answer.startswith(b"421")


def end_with_the_tests() -> None:
    sys.stdin.read()
    os._exit(0)


def answer_to(at: str, address: str, usual: bytes) -> bytes:
    """b"": none, and the connection ends."""
    fault = FAULT.match(address)
    if fault is None or fault[1] != at:
        return usual
    if fault[2] == "slow":
        time.sleep(SLOW_S)
        return usual
    if fault[2] in ("drop", "what"):
        return b"" if fault[2] == "drop" else b"what is this\r\n"
    return f"{fault[2]} {fault[3][1:]} as its address says\r\n".encode()


if __name__ == "__main__":
    Sink(sys.argv[1]).serve()
