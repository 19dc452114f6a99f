"""Sending without sending: a folder of files, and a dry run."""

from __future__ import annotations

from email import message_from_bytes

from pipeline.deliver.choice import transport_for
from pipeline.deliver.folder import DryRunTransport, FilesTransport, eml_name
from pipeline.deliver.transport import Envelope

ADA = Envelope("news@lantern.example", "ada@example.org", "<1@lantern.example>", "w1.x.1")
BODY = [b"Subject: x\r\n\r\n", b"text\r\n"]


def test_a_file_for_each_message(tmp_path) -> None:
    transport = FilesTransport(tmp_path / "outgoing")
    connection = transport.open()
    assert connection.offer(ADA, BODY) is None
    assert transport.arrived(ADA) is False, "and what was begun is taken away"
    assert connection.offer(ADA, BODY) is None
    assert connection.commit().state == "sent"
    (file,) = (tmp_path / "outgoing").iterdir()
    assert file.name == eml_name(ADA)
    assert file.name.startswith("ada@example.org-")
    assert file.read_bytes() == b"".join(BODY)
    assert transport.arrived(ADA) is True


def test_what_is_abandoned_is_not_there(tmp_path) -> None:
    connection = FilesTransport(tmp_path).open()
    connection.offer(ADA, BODY)
    connection.abandon()
    connection.close()
    assert list(tmp_path.iterdir()) == []


def test_names_that_would_lead_elsewhere(tmp_path) -> None:
    for address in ("../../etc/x@example.org", ".hidden@example.org", "a/b@example.org", "x" * 300 + "@example.org"):
        name = eml_name(Envelope("s@x", address, "<1@x>"))
        assert (tmp_path / name).resolve().parent == tmp_path.resolve()
        assert not name.startswith(".")
        assert len(name.encode()) < 200


def test_a_send_into_files_and_a_dry_one(composed, send) -> None:
    folder = composed.folder / "outgoing"
    assert send(composed, FilesTransport(folder)).numbers == {"sent": 3}
    assert {message_from_bytes(file.read_bytes())["To"] for file in folder.iterdir()} == {
        "ada@example.org", "bo@example.org", "cy@example.org"}


def test_a_dry_run_counts(composed, send) -> None:
    transport = DryRunTransport()
    assert send(composed, transport).numbers == {"sent": 3}
    assert not (composed.folder / "outgoing").exists()


def test_the_config_chooses(copy_site, basic_config) -> None:
    for kind, made in (("files", FilesTransport), ("dry-run", DryRunTransport)):
        site = copy_site(lambda _site: None, basic_config.replace("[mail]\n", f'[mail]\ntransport = "{kind}"\n'))
        assert isinstance(transport_for(site.app.config), made)
