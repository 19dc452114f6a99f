"""What one table can't know by itself: names that must differ or exist, keys that need or exclude each other.

Every check reads the plain document, not the models, and steps over what has the wrong shape: so it also runs where
other keys are wrong, and all problems come at once.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.config.lines import KeyPath, line_of
from pipeline.config.podcasts import check_podcast
from pipeline.config.problems import Problems, spell, value_at
from pipeline.config.secrets import has_place, literal_password
from pipeline.config.values import is_loopback, nearest, split_listen
from pipeline.errors import UsageError
from pipeline.model.feeds import NEWSLETTERS
from pipeline.schedules import check_zone, parse_schedule

VERSION = 1
MANUAL = "manual"  # the slot of a digest made by hand
RESERVED = ("sitemaps", NEWSLETTERS)  # below feeds/
KINDS = ("sources", "feeds", "newsletters")
FOR_ADDRESSES = ("selector", "full_text", "allow_networks")
SMALLEST_NETWORK = {4: 8, 6: 16}  # prefix lengths; anything wider is nearly the whole Internet


def check_document(document: Mapping[str, Any], problems: Problems) -> None:
    """Report everything that is wrong between the tables. `document` has its secrets filled in."""
    version = document.get("config_version", VERSION)
    if isinstance(version, int) and version != VERSION:
        problems.add(("config_version",), f"this Broadsheet reads version {VERSION}")
    for kind in KINDS:
        _check_names(document, (kind,), problems)
    for path, source in _each(document, ("sources",)):
        _check_source(path, source, problems)
    _check_addresses(document, problems)
    for kind in ("feeds", "newsletters"):
        for path, wanted in _each(document, (kind,)):
            _check_select(document, (*path, "select"), wanted.get("select"), problems)
    for path, feed in _each(document, ("feeds",)):
        _check_feed(path, feed, document, problems)
    _check_bucket(document, problems)
    for path, newsletter in _each(document, ("newsletters",)):
        _check_newsletter(document, path, newsletter, problems)
    _check_store(problems)
    _check_mail(document, problems)
    _check_demo(document, problems)


def site_zone(document: Mapping[str, Any]) -> str:
    """The site's time zone, or UTC where it has none that exists."""
    zone = value_at(document, ("site", "timezone"))
    return zone if _is_zone(zone) else "UTC"


def _check_names(document: Mapping[str, Any], kind: KeyPath, problems: Problems) -> None:
    """No two of a kind share a slug, and nobody's former slug is somebody's slug now."""
    owner: dict[str, KeyPath] = {}
    for former in (False, True):
        for path, table in _each(document, kind):
            names = table.get("former", []) if former else [table.get("slug")]
            for number, name in enumerate(names if isinstance(names, list) else []):
                place = (*path, "former", number) if former else (*path, "slug")
                if not isinstance(name, str):
                    continue
                if name in owner:
                    line = line_of(problems.lines, owner[name])
                    problems.add(place, f"{problems.shown(place)} is already {spell(owner[name])} on line {line}")
                owner.setdefault(name, place)


def _check_source(path: KeyPath, source: Mapping[str, Any], problems: Problems) -> None:
    if "url" in source and "folder" in source:
        problems.add((*path, "folder"), "a source has either url or folder, not both")
    if "url" not in source and "folder" not in source:
        problems.add(path, 'needs a url = "https://…" or a folder = "…"')
    _check_kind(path, source, problems)
    excluded = {name for _, name in _texts(source, path, "exclude")}
    for place, name in _texts(source, path, "include"):
        if name in excluded:
            problems.warn(place, f"stands in exclude too, which wins: {problems.shown(place)} is never taken")
    networks = source.get("allow_networks")
    for number, written in enumerate(networks if isinstance(networks, list) else []):
        try:
            network = ipaddress.ip_network(written)
        except ValueError:
            continue  # its own problem
        if network.prefixlen < SMALLEST_NETWORK[network.version]:
            problems.warn((*path, "allow_networks", number), "lets this source reach nearly every address, yours too")


def _check_kind(path: KeyPath, source: Mapping[str, Any], problems: Problems) -> None:
    """Keys that mean nothing for what the source is, and would be believed to work."""
    kind = source.get("kind", "auto")
    if "folder" in source:
        if kind not in ("auto", "folder"):
            problems.add((*path, "kind"), 'a folder is of the kind "folder"; leave kind out')
        for key in FOR_ADDRESSES:
            if source.get(key):
                problems.add((*path, key), "is for sources with an address; a folder has no use for it")
    elif kind == "folder":
        problems.add((*path, "kind"), 'is for a source with a folder = "…", not with a url')
    elif source.get("selector") and kind not in ("auto", "page"):
        written = problems.shown((*path, "kind"))
        problems.add((*path, "selector"), f'is for pages that list articles: kind = "page", not {written}')


def _check_addresses(document: Mapping[str, Any], problems: Problems) -> None:
    """Two sources with one address: each article would be there twice."""
    first: dict[str, KeyPath] = {}
    for path, source in _each(document, ("sources",)):
        url = source.get("url")
        if isinstance(url, str) and url:
            same = url.partition("://")[2].rstrip("/").casefold()
            if same in first:
                line = line_of(problems.lines, (*first[same], "url"))
                problems.warn((*path, "url"), f"is the address of {spell(first[same])} on line {line} too")
            first.setdefault(same, path)


def _check_select(document: Mapping[str, Any], path: KeyPath, wanted: Any, problems: Problems) -> None:
    if not isinstance(wanted, Mapping):
        return
    named = ((place, source.get("slug")) for place, source in _each(document, ("sources",)))
    slugs = {(*place, "slug"): slug for place, slug in named if isinstance(slug, str)}
    offered = [slug for place, slug in slugs.items() if not has_place(value_at(problems.written, place))]
    for place, name in _texts(wanted, path, "sources"):
        if name not in slugs.values():
            close = nearest(name, offered)
            hint = f'did you mean "{close}"?' if close else "the sources are: " + (", ".join(offered) or "none")
            problems.add(place, f"no source is called {problems.shown(place)}, {hint}")
    topics, all_say = _source_topics(document)
    written, _ = _source_topics(problems.written)
    for place, name in _texts(wanted, path, "topics"):
        close = nearest(name, [topic for topic in written if not has_place(topic)], cutoff=0.75)
        # Articles bring topics of their own, so an unknown one is only odd where it looks like a slip of the pen
        # or where each source says what it is about.
        if name != "*" and name not in topics and (close or all_say):
            hint = f', did you mean "{close}"?' if close else ""
            problems.warn(place, f"no source has the topic {problems.shown(place)}{hint}")


def _check_feed(
    path: KeyPath, feed: Mapping[str, Any], document: Mapping[str, Any], problems: Problems
) -> None:
    for name, place in [(feed.get("slug"), (*path, "slug")), *((n, p) for p, n in _texts(feed, path, "former"))]:
        if name in RESERVED:
            problems.add(place, f'"{name}" is a folder of our own below feeds/; choose another')
    if isinstance(feed.get("podcast"), Mapping):
        image = feed.get("image") or value_at(document, ("publish", "image"))
        check_podcast(path, feed, problems, has_image=bool(image))


def _check_bucket(document: Mapping[str, Any], problems: Problems) -> None:
    path = ("publish", "s3")
    keys = value_at(document, path)
    if not isinstance(keys, Mapping) or not keys:
        return
    feeds = value_at(document, ("paths", "feeds"))
    if not (isinstance(feeds, str) and feeds.startswith("s3://")):
        problems.warn(path, 'means nothing as long as [paths] feeds is no bucket ("s3://…")')
    for key, other in (("access_key", "secret_key"), ("secret_key", "access_key")):
        if keys.get(key) and not keys.get(other):
            problems.add((*path, key), f"needs {other} beside it")
    secret = value_at(problems.written, (*path, "secret_key"))
    if isinstance(secret, str) and secret and not has_place(secret):
        problems.add((*path, "secret_key"), 'a secret does not belong in the file; write "${S3_SECRET_KEY}" and set '
                     'that variable, or "${file:s3.secret}"')


def _source_topics(document: Mapping[str, Any]) -> tuple[list[str], bool]:
    """Every topic that a source names, and whether each source names some."""
    told = [[name for _, name in _texts(s, path, "topics")] for path, s in _each(document, ("sources",))]
    return sorted({name for names in told for name in names}), bool(told) and all(told)


def _check_newsletter(
    document: Mapping[str, Any], path: KeyPath, newsletter: Mapping[str, Any], problems: Problems
) -> None:
    schedules = list(_each(document, (*path, "schedules")))
    if not newsletter.get("schedules", []):
        problems.add(path, "has no schedule; add a [[newsletters.schedules]] table with slug and at")
    _check_names(document, (*path, "schedules"), problems)
    defaults = [place for place, schedule in schedules if schedule.get("default") is True]
    for place in defaults[1:]:
        first = line_of(problems.lines, (*defaults[0], "default"))
        problems.add((*place, "default"), f"only one schedule can be the default, and line {first} already is")
    for place, schedule in schedules:
        if schedule.get("slug") == MANUAL:
            problems.add((*place, "slug"), f'"{MANUAL}" is what digests made by hand are called; choose another')
        _check_times(place, schedule, site_zone(document), problems)


def _check_times(path: KeyPath, schedule: Mapping[str, Any], zone: str, problems: Problems) -> None:
    given = [key for key in ("at", "cron") if key in schedule]
    if not given:
        problems.add(path, 'needs at = "Mon 08:00" or cron = "0 8 * * 1"')
    elif len(given) > 1:
        problems.add((*path, "cron"), "a schedule has either at or cron, not both")
    elif isinstance(schedule[given[0]], str):
        own = schedule.get("timezone", zone)
        place = (*path, given[0])
        try:
            parse_schedule(**{given[0]: schedule[given[0]]}, zone=str(own) if _is_zone(own) else zone)
        except UsageError as error:
            if has_place(value_at(problems.written, place)):
                problems.add(place, "what it stands for is no time that a schedule understands")
            else:
                problems.add(place, f"{problems.shown(place)}: {error.cause}, {error.hint}")


def _is_zone(zone: Any) -> bool:
    try:
        check_zone(zone if isinstance(zone, str) else "")
    except UsageError:
        return False
    return True


def _check_store(problems: Problems) -> None:
    path = ("store", "url")
    if literal_password(value_at(problems.written, path)):
        problems.add(path, 'a password does not belong in the file; write "postgresql://user:${PG_PASSWORD}@host/name"')


def _check_mail(document: Mapping[str, Any], problems: Problems) -> None:
    mail = document.get("mail")
    if mail is None and document.get("newsletters"):
        problems.add(("mail",), "is missing; newsletters need a [mail] table with a sender")
    if not isinstance(mail, Mapping):
        return
    relays: list[tuple[KeyPath, Any]] = [(("mail", "smtp"), mail.get("smtp")), *_each(document, ("mail", "relays"))]
    for path, relay in relays:
        if isinstance(relay, Mapping):
            _check_relay(path, relay, problems)
    _check_unique(document, problems)
    hooks = mail.get("hooks")
    if isinstance(hooks, Mapping):
        _check_hooks(hooks, problems)
    if isinstance(mail.get("returns"), Mapping):
        _check_returns(mail["returns"], problems)
    if mail.get("transport") != "smtp":
        return
    if all(relay is None for _, relay in relays):
        problems.add(("mail", "transport"), 'needs a [mail.smtp] table with a host, or transport = "maildir"')
    site = document.get("site")
    address = site.get("postal_address") if isinstance(site, Mapping) else None
    if address is None or (isinstance(address, str) and not address.strip()):
        problems.add(("site", "postal_address"), "is missing; many countries require one in every newsletter "
                     "(postal_address = false says that you need none)")
    url = value_at(document, ("site", "public_url"))
    if isinstance(url, str) and url.startswith("http://"):
        problems.warn(("site", "public_url"), "mail programs offer one-click unsubscribing only over https (RFC 8058)")


def _check_relay(path: KeyPath, smtp: Mapping[str, Any], problems: Problems) -> None:
    _check_password((*path, "password"), "SMTP_PASSWORD", problems)
    for key, other in (("user", "password"), ("password", "user")):
        if smtp.get(key) and not smtp.get(other):
            problems.add((*path, key), f"needs {other} beside it")
    if smtp.get("auth", "auto") != "auto" and not smtp.get("user"):
        problems.add((*path, "auth"), "needs user and password beside it")
    host = smtp.get("host")
    if smtp.get("tls") == "none" and smtp.get("password") and isinstance(host, str) and not is_loopback(host):
        problems.warn((*path, "tls"), "sends the password readable for everybody on the way")


def _check_returns(returns: Mapping[str, Any], problems: Problems) -> None:
    path = ("mail", "returns")
    _check_password((*path, "password"), "IMAP_PASSWORD", problems)
    if returns.get("maildir") is not None and returns.get("imap") is not None:
        problems.add((*path, "imap"), "stands beside maildir: only one mailbox is read")
    imap = returns.get("imap")
    if isinstance(imap, str) and imap.startswith("imap") and not (returns.get("user") and returns.get("password")):
        problems.add((*path, "imap"), "needs user and password beside it")


def _check_hooks(hooks: Mapping[str, Any], problems: Problems) -> None:
    path = ("mail", "hooks")
    for key, name in (("mailgun", "MAILGUN_KEY"), ("postmark", "POSTMARK_PASSWORD")):
        _check_password((*path, key), name, problems)
    postmark = hooks.get("postmark")
    if isinstance(postmark, str) and postmark and ":" not in postmark:
        problems.add((*path, "postmark"), 'must be "user:password", as its webhook sends it')
    for path_of, topic in _texts(hooks, path, "ses"):
        if not topic.startswith("arn:"):
            problems.add(path_of, 'is no ARN of a topic; it looks like "arn:aws:sns:eu-north-1:123456789012:bounces"')


def _check_unique(document: Mapping[str, Any], problems: Problems) -> None:
    """What would silently win over its twin."""
    seen: set[tuple[str, str, str]] = set()
    kinds = {"dkim": ("selector", "domain"), "domains": ("name",), "relays": ("host", "port", "user")}
    for kind, keys in kinds.items():
        for path, table in _each(document, ("mail", kind)):
            named = (kind, str(table.get(keys[0])).lower(), "/".join(str(table.get(key)) for key in keys[1:]))
            if named in seen:
                problems.add((*path, keys[0]), "is there twice")
            seen.add(named)
            if kind == "domains" and table.get("rate") is None and table.get("connections") is None:
                problems.add((*path, "name"), "has neither rate nor connections: nothing is limited")


def _check_password(path: KeyPath, name: str, problems: Problems) -> None:
    password = value_at(problems.written, path)
    if isinstance(password, str) and password and not has_place(password):
        problems.add(path, f'a password does not belong in the file; write "${{{name}}}" and set that variable, '
                     f'or "${{file:{name.lower().replace("_", ".")}}}"')


def _check_demo(document: Mapping[str, Any], problems: Problems) -> None:
    if value_at(document, ("site", "demo")) is not True:
        return
    if value_at(document, ("mail", "transport")) == "smtp":
        problems.add(("mail", "transport"), 'a demo never sends real mail; use "maildir", or take demo = true away')
    listen = value_at(document, ("web", "listen"))
    try:
        inside = not isinstance(listen, str) or is_loopback(split_listen(listen)[0])
    except ValueError:
        return  # its own problem
    if not inside:
        problems.add(("web", "listen"), "a demo shows its mailbox to everybody, so it listens on 127.0.0.1 only")


def _each(document: Mapping[str, Any], path: KeyPath) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    """The tables of an array of tables, as far as they are tables."""
    tables = value_at(document, path)
    for number, table in enumerate(tables if isinstance(tables, list) else []):
        if isinstance(table, Mapping):
            yield (*path, number), table


def _texts(table: Mapping[str, Any], path: KeyPath, key: str) -> Iterator[tuple[KeyPath, str]]:
    """The texts of a list, as far as it is one."""
    listed = table.get(key)
    for number, name in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(name, str):
            yield (*path, key, number), name
