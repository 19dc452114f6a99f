"""What the operator hears by mail: a digest that waits for a word. Once for each reason; while it can't be mailed the
log and `broadsheet next` say it all the same."""

from __future__ import annotations

import hashlib
from datetime import datetime
from zoneinfo import ZoneInfo

from pipeline.app import App
from pipeline.deliver.notices import tell_operator
from pipeline.desk.proof.finding import Finding, Severity
from pipeline.desk.review import Proof, look
from pipeline.model.drafts import HeldBy
from pipeline.model.newsletters import Digest, DigestStatus
from pipeline.store import digests

MOST_ARTICLES = 40


def digest_waits(app: App, digest: Digest) -> None:
    """Let the operator know of a draft or a held digest by mail, if they were not told of it for this reason. It goes
    with what is delivered next, or as soon as mail can go again."""
    if app.config.mail is None or app.config.operator is None or digest.status not in digests.OPEN:
        return
    because = hashlib.sha256(f"{digest.status}:{digest.held_by}:{digest.reason}".encode()).hexdigest()[:16]
    text = words(look(app, digest), app.config.site.timezone)
    with app.store.write() as database:
        tell_operator(database, app.config, subject(digest), text, app.now(), dedupe=f"digest:{digest.id}:{because}")


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
