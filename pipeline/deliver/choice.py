"""Which transport the configuration asks for."""

from __future__ import annotations

from urllib.parse import urlsplit

from pipeline.config import Config
from pipeline.deliver.maildir import MaildirTransport
from pipeline.deliver.smtp import Relay, SmtpTransport
from pipeline.deliver.transport import Transport
from pipeline.errors import UsageError


def transport_for(config: Config) -> Transport:
    mail = config.mail
    if mail is None:
        raise UsageError("config.toml", "has no [mail]", hint="say who sends and how: [mail] sender, transport")
    if mail.transport == "maildir":
        return MaildirTransport(mail.maildir)
    if mail.smtp is None:
        raise UsageError("config.toml", "has no [mail.smtp]", hint="say where the mail server is: host, port")
    return SmtpTransport(Relay(
        host=mail.smtp.host, port=mail.smtp.port, tls=mail.smtp.tls, user=mail.smtp.user,
        password=mail.smtp.password.get_secret_value(), timeout_s=mail.smtp.timeout.total_seconds(),
        hello=urlsplit(config.site.public_url).hostname or "localhost",
    ))
