"""From the configuration to what a digest keeps of it."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from pipeline.config import Config, Newsletter
from pipeline.errors import UsageError
from pipeline.model.frozen import DigestPage
from pipeline.model.letterhead import Letterhead
from pipeline.model.newsletters import MANUAL, Digest


def page_for(config: Config, newsletter: Newsletter, digest: Digest, language: str = "") -> DigestPage:
    """What the template may know, the operator's introduction apart. `language`: "" is the newsletter's."""
    public_url = config.site.public_url
    archive_url = f"{public_url}/n/{newsletter.slug}/"
    return DigestPage(
        site_title=config.site.title, public_url=public_url,
        language=language or newsletter.language or config.site.language,
        newsletter_slug=newsletter.slug, newsletter_title=newsletter.title, description=newsletter.description,
        digest_name=digest.name, digest_url=f"{archive_url}{digest.name}", archive_url=archive_url,
        date=local_date(config, digest), postal_address=config.site.postal_address or "",
        feed_url=config.feed_url(newsletter),
    )


def letterhead(config: Config, newsletter: Newsletter, digest: Digest) -> Letterhead:
    if config.mail is None:
        raise UsageError(f"newsletter {newsletter.slug!r}", "there is no [mail] in config.toml",
                         hint="say who sends: [mail] sender = …")
    return Letterhead(
        sender_name=config.mail.sender_name, sender_address=config.mail.sender_address,
        reply_to=config.mail.reply_to or "", subject=digest.edits.subject or newsletter.subject,
        on_uncertain=newsletter.on_uncertain, page=page_for(config, newsletter, digest), rules=newsletter.rules,
    )


def local_date(config: Config, digest: Digest) -> datetime:
    """The slot's own local date; for a digest made by hand, when that was where the site is."""
    if digest.schedule == MANUAL:
        return digest.due_at.astimezone(ZoneInfo(config.site.timezone)).replace(tzinfo=None)
    return datetime.fromisoformat(digest.nominal)
