"""What the operator hears by mail: a digest that waits for a word. Once for each reason; where it can't be mailed the
log and `broadsheet next` say it all the same."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from secrets import token_hex
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pipeline.app import App
from pipeline.deliver.transport import Envelope
from pipeline.desk.proof.finding import Finding, Severity
from pipeline.desk.review import Proof, look
from pipeline.errors import BroadsheetError
from pipeline.mail.message import HeaderFields, Mailbox, notice_bytes
from pipeline.model.deliveries import DeliveryState, Outcome
from pipeline.model.drafts import HeldBy
from pipeline.model.newsletters import Digest, DigestStatus
from pipeline.store import digests, meta, notices

KIND = "alert"
MOST_ARTICLES = 40


def digest_waits(app: App, digest: Digest) -> str:
    """Mail the operator about a draft or a held digest, if they were not told of it for this reason; why that could not
    be done, "" where it was, or where there is nobody to tell."""
    mail, operator = app.config.mail, app.config.operator
    if mail is None or operator is None or digest.status not in digests.OPEN:
        return ""
    with app.store.read() as connection:
        if meta.get(connection, meta.OUTGOING_STOPPED):
            return ""
    sender = mail.sender_address
    host = urlsplit(app.config.site.public_url).hostname or "localhost"
    envelope = Envelope(sender, str(operator.email), f"<{token_hex(16)}@{host}>", KIND)
    proof = look(app, digest)
    fields = HeaderFields(
        sender=Mailbox(sender, mail.sender_name), to=str(operator.email), subject=subject(digest), date=app.now(),
        message_id=envelope.message_id, auto_submitted=True)
    because = hashlib.sha256(f"{digest.status}:{digest.held_by}:{digest.reason}".encode()).hexdigest()[:16]
    try:
        outcome = hand_over(app, envelope, notice_bytes(fields, words(proof, app.config.site.timezone)), KIND,
                            dedupe=f"digest:{digest.id}:{because}")
    except BroadsheetError as error:
        return f"the operator could not be told of {digest.newsletter}/{digest.name}: {error}"
    if outcome is None or outcome.state is DeliveryState.SENT:
        return ""
    return f"the operator could not be told of {digest.newsletter}/{digest.name}: {outcome.reason}"


def hand_over(app: App, envelope: Envelope, eml: bytes, kind: str, *, dedupe: str = "") -> Outcome | None:
    """As a delivery goes: everything up to the last step, a durable mark, the step, what became of it. None where one
    with this `dedupe` was handed over before. Raises TransportError."""
    connection = app.transport().open()
    try:
        refused = connection.offer(replace(envelope, lease=kind), [eml])
        with app.store.write() as database:
            notice = notices.open_notice(database, kind, envelope.recipient, app.now(), dedupe=dedupe)
        if notice is None:
            connection.abandon()
            return None
        outcome = refused if refused is not None else connection.commit()
        with app.store.write() as database:
            notices.record(database, notice, outcome, app.now())
    finally:
        connection.close()
    return outcome


def subject(digest: Digest) -> str:
    what = {HeldBy.ERROR: "can't be made", HeldBy.PREFLIGHT: "is held", HeldBy.SILENCE: "waits for your word",
            HeldBy.OPERATOR: "is held"}.get(HeldBy(digest.held_by)) if digest.held_by else "can be looked at"
    return f"{digest.newsletter}/{digest.name} {what}"


def words(proof: Proof, zone: str) -> str:
    """The mail's text."""
    digest = proof.digest
    due = f"{_local(digest.due_at, zone)} ({zone})"
    held = digest.status is DigestStatus.HELD
    lines = [f"{digest.newsletter}/{digest.name} is held, and goes to nobody: {digest.reason}" if held else
             f"The draft of {digest.newsletter}/{digest.name} is there. It is due on {due}.", ""]
    for line in proof.lines[:MOST_ARTICLES]:
        place = f"{line.place:>3}." if line.place else "   -"
        lines.append(f"{place} [{line.article.id}] {line.article.title}"
                     + (f" ({line.left_out})" if line.left_out else ""))
    if len(proof.lines) > MOST_ARTICLES:
        lines.append(f"     and {len(proof.lines) - MOST_ARTICLES} more")
    found = [Finding.from_json(one) for one in digest.findings]
    if told := [one for one in found if one.severity is not Severity.NOTE]:
        lines += ["", "What was found in it:", *(f"  {one.severity}: {one.check}: {one.text}" for one in told)]
    lines += ["", "To look at it and change it:", f"  broadsheet digests show {digest.name}",
              f"  broadsheet preview {digest.newsletter} --schedule {digest.schedule}",
              "To let it go, or keep it back:",
              f"  broadsheet digests approve {digest.name}", f"  broadsheet digests hold {digest.name}"]
    return "\n".join(lines)


def _local(moment: datetime, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%A %d %B %Y, %H:%M}"
