"""Where answers arrive: a Maildir, an IMAP server, a mail server's pipe. Each mail is read once, none is lost, and the
mailbox hears that one was dealt with only after what it said is committed."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipeline.audience.returns import stage
from pipeline.audience.returns.counted import Ingested
from pipeline.audience.returns.imap import ImapMailbox
from pipeline.audience.returns.maildir import MaildirMailbox
from pipeline.audience.returns.stage import ingest, take_piped
from pipeline.errors import BroadsheetError, StoreError, TransportError
from pipeline.jobs.clock import Clock
from pipeline.jobs.report import Report
from pipeline.jobs.returning import parts, read_returns
from pipeline.jobs.worker import Worker, working
from pipeline.model.returns import ReturnKind
from pipeline.store import meta

ANN = "ann@quay.example"


def read_at(post: Any) -> str:
    with post.app.store.read() as connection:
        return meta.get(connection, meta.RETURNS_READ_AT)


# --- a Maildir --------------------------------------------------------------------------------------------


def test_a_maildir_is_read_once_and_keeps_every_mail(post: Any) -> None:
    post.arrive(post.sample("postfix"), "1.a")
    post.arrive(post.sample("vacation"), "2.b")
    post.arrive(post.sample("asks-by-hand"), "3.c")
    done = post.read()
    assert done.kinds == {ReturnKind.BOUNCE: 1, ReturnKind.AUTO_REPLY: 1, ReturnKind.UNKNOWN: 1}
    assert (done.suppressed, done.unread) == (1, 1)
    assert sorted(p.name for p in (post.maildir / "cur").iterdir()) == ["1.a:2,S", "2.b:2,S", "3.c:2,FS"]
    assert list((post.maildir / "new").iterdir()) == []
    assert post.read().total == 0
    assert len(post.records()) == 3


def test_reading_says_when_it_was_done_and_only_where_it_reached_the_end(post: Any) -> None:
    assert read_returns(post.app).problem.endswith("(see mail.returns.maildir in config.toml)")
    assert read_at(post) == ""
    post.arrive(post.sample("postfix"))
    post.read()
    assert read_at(post) == post.now.isoformat()


def test_killed_between_the_commit_and_the_move_nothing_counts_twice(post: Any, monkeypatch: Any) -> None:
    """The process dies with the mail still in new/; the next reading knows it, and moves it."""
    path = post.arrive(post.sample("zimbra-full"))
    hand = post.arrive(post.sample("asks-by-hand"), "2.b")

    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    monkeypatch.setattr("pipeline.audience.returns.maildir.MaildirSession.done", die)
    for left in (path, hand):
        with pytest.raises(Killed):
            ingest(parts(post.app), MaildirMailbox(post.maildir), post.app.now, Ingested())
        assert left.exists()
        left.rename(post.maildir / "tmp" / left.name)     # so that the other one's turn comes
    monkeypatch.undo()
    for left in (path, hand):
        (post.maildir / "tmp" / left.name).rename(left)
    done = post.read()
    assert (done.total, done.known) == (0, 2)
    assert len(post.records()) == 2
    assert sorted(p.name for p in (post.maildir / "cur").iterdir()) == ["1.host:2,S", "2.b:2,FS"]


def test_killed_before_the_commit_it_is_read_again(post: Any, monkeypatch: Any) -> None:
    path = post.arrive(post.sample("postfix"))

    def full(*_: Any, **__: Any) -> None:
        raise StoreError("the database", "disk full", permanent=False)

    monkeypatch.setattr("pipeline.store.returned.finish", full)
    assert "disk full" in read_returns(post.app).problem
    assert path.exists()
    assert post.records() == []
    assert post.delivery().state == "sent", "all of it or nothing"
    assert not post.suppressed()
    monkeypatch.undo()
    post.read()
    assert post.delivery().state == "bounced"


def test_two_who_read_the_same_mailbox_do_everything_once(post: Any) -> None:
    for number in range(12):
        post.arrive(post.sample("zimbra-full").replace(b"Hello.", b"%d" % number), f"{number}.x")
    done = [Ingested() for _ in range(3)]
    assert post.app.store
    threads = [threading.Thread(target=ingest, args=(parts(post.app), MaildirMailbox(post.maildir), post.app.now, one))
               for one in done]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(one.total for one in done) == 12
    assert len(post.records()) == 12
    assert len(list((post.maildir / "cur").iterdir())) == 12


def test_a_folder_that_is_no_maildir_is_a_problem_in_words(post: Any, tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="is no Maildir"), MaildirMailbox(tmp_path).open():
        pass


def test_a_folder_within_new_and_a_mail_that_vanishes_stop_nothing(post: Any) -> None:
    post.arrive(post.sample("postfix"))
    (post.maildir / "new" / "folder").mkdir()
    session_names = []
    with MaildirMailbox(post.maildir).open() as session:
        for letter in session.letters():
            session_names.append(letter.name)
            (post.maildir / "new" / letter.name).unlink()
            session.done(letter, unread=False)
    assert session_names == ["1.host"]


def test_a_reading_that_is_to_end_ends_between_two_mails(post: Any) -> None:
    for number in range(3):
        post.arrive(post.sample("zimbra-full").replace(b"Hello.", b"%d" % number), f"{number}.x")
    asked = iter([True, False])
    done = read_returns(post.app, lambda: next(asked))
    assert (done.total, done.problem) == (1, "")
    assert read_at(post) == "", "it did not reach the end"
    assert post.read().total == 2


# --- the job ----------------------------------------------------------------------------------------------


def test_a_cycle_reads_what_came_back_before_it_sends(post: Any) -> None:
    post.arrive(post.sample("postfix"))
    post.site.advance(days=1)
    post.site.write("two.md", "Article Two")
    report = post.site.run()
    assert report.returned.kinds == {ReturnKind.BOUNCE: 1}
    assert not report.partly_failed
    assert post.delivery().state == "excluded"


def test_a_mailbox_that_fails_is_told_and_stops_nothing(post: Any) -> None:
    post.site.advance(days=1)
    post.site.write("two.md", "Article Two")
    report = post.site.run()
    assert "is no Maildir" in report.returned.problem
    assert report.partly_failed
    assert len(post.site.mails()) == 4, "the digest went out all the same"


def test_the_clock_reads_as_often_as_it_is_told(post: Any) -> None:
    post.arrive(post.sample("postfix"))
    heard: list[Report] = []
    with working(post.app.store, post.app.data_folder, post.app.now) as worker:
        clock = Clock(post.app, Worker(worker.id), heard.append)
        clock.start()
        try:
            assert "returns" in clock.jobs()
            clock._scheduler.modify_job("returns", next_run_time=datetime.now(UTC))
            for _ in range(200):
                if any(report.returned.total for report in heard):
                    break
                threading.Event().wait(0.05)
        finally:
            clock.stop()
    assert post.delivery().state == "bounced"


def test_without_a_mailbox_there_is_no_such_job(copy_site: Callable, basic_config: str) -> None:
    def prepare(site: Any) -> None:
        assert site.app

    site = copy_site(prepare, f'{basic_config}\n[mail.returns]\naddress = "bounces@lantern.example"\n')
    with working(site.app.store, site.app.data_folder, site.app.now) as worker:
        clock = Clock(site.app, Worker(worker.id), lambda _report: None)
        assert "returns" not in {job.id for job in clock._scheduler.get_jobs()}
    assert read_returns(site.app) == Ingested()


# --- a pipe -----------------------------------------------------------------------------------------------


def test_what_a_pipe_brings_and_nobody_understands_is_kept(post: Any, tmp_path: Path, monkeypatch: Any) -> None:
    folder = tmp_path / "returned"
    monkeypatch.setattr(stage, "MOST_KEPT", 2)
    for number in range(4):
        raw = post.sample("asks-by-hand") + b"%d\n" % number
        take_piped(parts(post.app), raw, post.now, "", folder)
        take_piped(parts(post.app), raw, post.now, "", folder)
    take_piped(parts(post.app), post.sample("postfix"), post.now, "", folder)
    kept = list(folder.iterdir())
    assert len(kept) == 2, "whoever floods us fills no disk"
    assert kept[0].stat().st_mode & 0o777 == 0o600
    assert kept[0].read_bytes().startswith(b"Return-Path: <someone@quay.example>")
    assert len(post.records()) == 5
    assert read_at(post) == post.now.isoformat()


# --- IMAP -------------------------------------------------------------------------------------------------


@dataclass
class Imap:
    """An IMAP server that speaks as much of RFC 3501 as a reader needs: its own parts, real sockets, real TLS."""

    tls: ssl.SSLContext | None = None
    greeting_tls: bool = True
    mails: list[bytes] = field(default_factory=list)
    flags: list[set[str]] = field(default_factory=list)
    password: str = "secret word"
    said: list[str] = field(default_factory=list)
    silent_at: str = ""        # a command that is never answered
    drop_at: str = ""          # one that ends the connection

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def put(self, *mails: bytes) -> None:
        self.mails += mails
        self.flags += [set() for _ in mails]

    def close(self) -> None:
        self._ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for one in [self._listener, *self._open]:
            with suppress(OSError):
                one.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                bare, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(bare)
            thread = threading.Thread(target=self._serve, args=(bare,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, bare: socket.socket) -> None:
        with suppress(OSError, ssl.SSLError, ValueError):
            line = self.tls.wrap_socket(bare, server_side=True) if self.tls and self.greeting_tls else bare
            self._open.append(line)
            self._talk(line)

    def _talk(self, line: socket.socket) -> None:
        file = line.makefile("rwb")
        file.write(b"* OK ready\r\n")
        file.flush()
        while command := file.readline().decode().strip():
            tag, _, rest = command.partition(" ")
            self.said.append(rest)
            name = rest.upper().removeprefix("UID ").partition(" ")[0]
            if self.silent_at and name == self.silent_at:
                self._ended.wait(20)
                return
            if self.drop_at and name == self.drop_at:
                line.shutdown(socket.SHUT_RDWR)
                return
            for piece in self._answer(name, rest):
                file.write(piece)
            ok = "NO [AUTHENTICATIONFAILED] wrong password " + self.password \
                if name == "LOGIN" and self.password not in rest else "OK done"
            file.write(f"{tag} {ok}\r\n".encode())
            file.flush()
            if name == "STARTTLS":
                assert self.tls
                line = self.tls.wrap_socket(line, server_side=True)
                self._open.append(line)
                file = line.makefile("rwb")

    def _answer(self, name: str, rest: str) -> Iterator[bytes]:
        if name == "CAPABILITY":
            yield b"* CAPABILITY IMAP4rev1" + (b" STARTTLS" if self.tls and not self.greeting_tls else b"") + b"\r\n"
        elif name == "SELECT":
            yield b"* %d EXISTS\r\n" % len(self.mails)
        elif name == "SEARCH":
            first, last = map(int, rest.split()[2].split(":"))
            unseen = [n for n in range(first, last + 1) if r"\Seen" not in self.flags[n - 1]]
            yield ("* SEARCH " + " ".join(str(100 + n) for n in unseen)).rstrip().encode() + b"\r\n"
        elif name == "FETCH":
            number = int(rest.split()[2]) - 100
            limit = re.search(r"<0\.(\d+)>", rest)
            assert limit
            body = self.mails[number - 1][:int(limit[1])]
            yield b"* 99 FETCH (FLAGS (\\Recent))\r\n"      # of another mail, as servers may say at any time
            yield b"* %d FETCH (UID %d BODY[]<0> {%d}\r\n" % (number, number + 100, len(body)) + body + b")\r\n"
        elif name == "STORE":
            number = int(rest.split()[2]) - 100
            self.flags[number - 1] |= set(re.findall(r"\\\w+", rest))
        elif name == "LOGOUT":
            yield b"* BYE\r\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For localhost, signed by itself: a file with the key and the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256()))
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def imap(certificate: Path) -> Iterator[Callable[..., Imap]]:
    made: list[Imap] = []

    def make(**values: Any) -> Imap:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        made.append(Imap(**{"tls": context, **values}))
        return made[-1]

    yield make
    for server in made:
        server.close()


def mailbox(server: Imap, certificate: Path, scheme: str = "imaps", **values: Any) -> ImapMailbox:
    return ImapMailbox(f"{scheme}://localhost:{server.port}/Returned%20mail", "lantern", "secret word",
                       tls=ssl.create_default_context(cafile=certificate), **values)


@pytest.mark.parametrize("scheme", ["imaps", "imap"])
def test_an_imap_mailbox_is_read_once_over_tls(post: Any, imap: Callable, certificate: Path, scheme: str) -> None:
    server = imap(greeting_tls=scheme == "imaps")
    server.put(post.sample("postfix").replace(b"\n", b"\r\n"), post.sample("asks-by-hand"), post.sample("vacation"))
    server.flags[2].add(r"\Seen")      # a person read it already
    done = Ingested()
    ingest(parts(post.app), mailbox(server, certificate, scheme), post.app.now, done)
    assert done.kinds == {ReturnKind.BOUNCE: 1, ReturnKind.UNKNOWN: 1}
    assert server.flags == [{r"\Seen"}, {r"\Seen", r"\Flagged"}, {r"\Seen"}]
    assert post.delivery().state == "bounced"
    assert 'SELECT "Returned mail"' in server.said
    if scheme == "imap":
        assert server.said.index("STARTTLS") < next(n for n, said in enumerate(server.said) if said.startswith("LOGIN"))
    ingest(parts(post.app), mailbox(server, certificate, scheme), post.app.now, done)
    assert done.total == 2


def test_many_letters_are_asked_about_in_portions(
    post: Any, imap: Callable, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.audience.returns.imap.WINDOW", 2)
    server = imap()
    server.put(*(b"Subject: %d\n\n" % number for number in range(5)))
    done = Ingested()
    ingest(parts(post.app), mailbox(server, certificate), post.app.now, done)
    assert done.total == 5
    assert [said for said in server.said if "SEARCH" in said] == [
        "UID SEARCH 1:2 UNSEEN", "UID SEARCH 3:4 UNSEEN", "UID SEARCH 5:5 UNSEEN"]


def test_no_more_of_a_huge_mail_is_fetched_than_its_beginning(post: Any, imap: Callable, certificate: Path) -> None:
    server = imap()
    server.put(post.sample("postfix") + b"x" * 5_000_000)
    ingest(parts(post.app), mailbox(server, certificate), post.app.now, Ingested())
    assert post.delivery().state == "bounced"
    assert any("BODY.PEEK[]<0.262144>" in said for said in server.said), "PEEK: reading alone marks nothing"


def test_what_was_not_committed_stays_unseen(post: Any, imap: Callable, certificate: Path, monkeypatch: Any) -> None:
    server = imap()
    server.put(post.sample("postfix"))

    def full(*_: Any, **__: Any) -> None:
        raise StoreError("the database", "disk full", permanent=False)

    monkeypatch.setattr("pipeline.store.returned.finish", full)
    with pytest.raises(StoreError):
        ingest(parts(post.app), mailbox(server, certificate), post.app.now, Ingested())
    assert server.flags == [set()]


@pytest.mark.parametrize("command", ["LOGIN", "SELECT", "SEARCH", "FETCH", "STORE"])
def test_a_connection_that_breaks_loses_nothing(
    post: Any, imap: Callable, certificate: Path, command: str
) -> None:
    server = imap(drop_at=command)
    server.put(post.sample("zimbra-full"))
    with pytest.raises(TransportError):
        ingest(parts(post.app), mailbox(server, certificate), post.app.now, Ingested())
    assert read_at(post) == "", "the header offers no mailto that nobody reads"
    server.drop_at = ""
    ingest(parts(post.app), mailbox(server, certificate), post.app.now, Ingested())
    assert len(post.records()) == 1
    assert post.records()[0].outcome == "soft: not delivered, number 1 of 3 in a row"
    assert server.flags == [{r"\Seen"}]


@pytest.mark.parametrize("total", [True, False])
def test_a_server_that_says_nothing_is_left(post: Any, imap: Callable, certificate: Path, total: bool) -> None:
    server = imap(silent_at="FETCH")
    server.put(post.sample("postfix"))
    limits = {"total_s": 0.5} if total else {"answer_s": 0.5}
    with pytest.raises(TransportError, match="can't be re"):
        ingest(parts(post.app), mailbox(server, certificate, **limits), post.app.now, Ingested())


def test_a_certificate_that_nobody_vouches_for_is_refused_before_the_password(
    imap: Callable, certificate: Path
) -> None:
    server = imap()
    stranger = ImapMailbox(f"imaps://localhost:{server.port}", "lantern", "secret word")
    with pytest.raises(TransportError, match="certificate does not hold"), stranger.open():
        pass
    assert server.said == []


def test_a_certificate_of_another_host_is_refused(imap: Callable, certificate: Path) -> None:
    server = imap()
    other = ImapMailbox(f"imaps://127.0.0.1:{server.port}", "lantern", "secret word",
                        tls=ssl.create_default_context(cafile=certificate))
    with pytest.raises(TransportError, match="certificate does not hold"), other.open():
        pass


def test_a_wrong_password_is_told_without_it(imap: Callable, certificate: Path) -> None:
    server = imap()
    server.password = "another word"
    box = mailbox(server, certificate)
    assert "secret" not in repr(box)
    with pytest.raises(TransportError, match="refuses to let lantern in") as refused, box.open():
        pass
    assert "secret word" not in str(refused.value)


def test_a_server_without_encryption_gets_no_password_over_a_network(
    monkeypatch: pytest.MonkeyPatch, imap: Callable
) -> None:
    server = imap(tls=None)
    monkeypatch.setattr("pipeline.audience.returns.imap._is_loopback", lambda _host: False)
    box = ImapMailbox(f"imap://127.0.0.1:{server.port}", "lantern", "secret word")
    with pytest.raises(TransportError, match="offers no encryption"), box.open():
        pass
    assert not any("LOGIN" in said for said in server.said)


def test_nobody_there_is_a_problem_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(BroadsheetError, match="can't be reached"), \
            ImapMailbox(f"imaps://127.0.0.1:{port}", "a", "b").open():
        pass
