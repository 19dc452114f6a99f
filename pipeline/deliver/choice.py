"""Which transport the configuration asks for."""

from __future__ import annotations

from urllib.parse import urlsplit

from pipeline.config import Config, Smtp
from pipeline.deliver.folder import DryRunTransport, FilesTransport
from pipeline.deliver.maildir import MaildirTransport
from pipeline.deliver.pace import Limits, Pace
from pipeline.deliver.relay import Relay
from pipeline.deliver.smtp import SmtpTransport
from pipeline.deliver.transport import Transport
from pipeline.errors import UsageError


def transport_for(config: Config) -> Transport:
    mail = config.mail
    if mail is None:
        raise UsageError("config.toml", "has no [mail]", hint="say who sends and how: [mail] sender, transport")
    if mail.transport == "maildir":
        return MaildirTransport(mail.maildir)
    if mail.transport == "files":
        return FilesTransport(mail.files)
    if mail.transport == "dry-run":
        return DryRunTransport()
    if not mail.servers:
        raise UsageError("config.toml", "has no [mail.smtp]", hint="say where the mail server is: host, port")
    hello = urlsplit(config.site.public_url).hostname or "localhost"
    return SmtpTransport(*(relay_of(server, hello) for server in mail.servers))


def relay_of(smtp: Smtp, hello: str) -> Relay:
    return Relay(
        host=smtp.host, port=smtp.port, tls=smtp.tls, user=smtp.user, password=smtp.password.get_secret_value(),
        timeout_s=smtp.timeout.total_seconds(), hello=hello, auth=smtp.auth,
        answer_timeout_s=smtp.answer_timeout.total_seconds(), connections=smtp.connections,
        per_connection=smtp.per_connection, rate=smtp.rate, weight=smtp.weight)


def pace_for(config: Config) -> Pace:
    domains = config.mail.domains if config.mail is not None else ()
    return Pace({one.name: Limits(one.connections, one.rate) for one in domains})
