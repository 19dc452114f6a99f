"""One e-mail address: what we take, and the form in which two are the same."""

from __future__ import annotations

from unicodedata import normalize

from email_validator import EmailNotValidError, validate_email

from pipeline.errors import UsageError

MAX_LENGTH = 254  # bytes, RFC 5321 §4.5.3.1.3 less the angle brackets
MAX_LOCAL = 64    # bytes before the @, §4.5.3.1.1


def read_address(text: str) -> tuple[str, str]:
    """(the address as written, its key for comparison), or UsageError in words for a person.

    One addr-spec only: no name, no brackets, no comma, no IP literal, no host without a dot. A domain of other letters
    is kept in its ASCII form (IDNA); a local part of other letters as it is, in NFC (RFC 6531: what goes there needs a
    mail server with SMTPUTF8, which is seen when it is sent). The key is in lower case: a server may tell Ann@ from
    ann@ (RFC 5321 §2.4), but none is known to, and one person must not be mailed twice.
    """
    address = text.strip()
    if len(address) > MAX_LENGTH:  # before anything looks into it
        raise UsageError(_short(address), f"is longer than an address can be ({MAX_LENGTH} bytes)")
    try:
        valid = validate_email(address, check_deliverability=False, allow_quoted_local=False,
                               allow_domain_literal=False, allow_display_name=False, allow_smtputf8=True,
                               test_environment=True, strict=True)
    except EmailNotValidError as error:
        raise UsageError(_short(address) or "(empty)", f"is no e-mail address: {_plain(str(error))}") from error
    if "." not in valid.domain:
        raise UsageError(_short(address), "is no e-mail address: its domain has no dot")
    kept = f"{valid.local_part}@{valid.ascii_domain}"
    if len(kept.encode()) > MAX_LENGTH or len(valid.local_part.encode()) > MAX_LOCAL:
        most = f"{MAX_LENGTH} bytes, {MAX_LOCAL} before the @"
        raise UsageError(_short(address), f"is longer than an address can be ({most})")
    if not kept.isprintable():
        raise UsageError(_short(address), "is no e-mail address: it holds characters that can't be seen")
    return kept, normalize("NFC", kept.lower())


def _short(text: str) -> str:
    printable = "".join(c if c.isprintable() else "�" for c in text)
    return printable if len(printable) <= 60 else printable[:57] + "…"


def _plain(message: str) -> str:
    return message.removesuffix(".")[:1].lower() + message.removesuffix(".")[1:]
