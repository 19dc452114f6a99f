"""proof: everything that is found in a letter, in a fixed order. It never raises for what is wrong with it.

    open | size | text | headers | links | alt | pictures | contrast | css | spam
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from pipeline.app import App, fetcher_for
from pipeline.config import Preflight
from pipeline.desk.proof import contrast, headers, images, links, size, spam, support, text
from pipeline.desk.proof.finding import Finding, Letter, Severity
from pipeline.desk.proof.following import ALL_S, LIMITS, follow
from pipeline.desk.proof.opened import Opened, open_letter
from pipeline.errors import BroadsheetError
from pipeline.net.fetch import Fetcher
from pipeline.store.engine import Store


@dataclass(frozen=True, slots=True)
class Outside:
    """What is asked outside of the letter."""

    fetcher: Callable[[], Fetcher]   # made for one letter, and closed after it
    store: Store | None              # where answers are remembered; None: nowhere
    now: datetime
    links_s: float = ALL_S           # seconds for all links together


def outside(app: App) -> Outside:
    return Outside(partial(fetcher_for, app.config, LIMITS), app.store, app.now())


def proof(letter: Letter, outside: Outside, settings: Preflight) -> list[Finding]:
    """What is found. Errors of checks that may not hold a digest are told as warnings.

    Takes seconds at most for the letter, `links_s` for its links and spam.TIME_S for its spam score. Writes to the
    database where links are asked (a cache): call it outside of any transaction.
    """
    opened = Opened(letter, too_large="it can't be read")
    found: list[Finding] = []
    try:
        opened = open_letter(letter)
    except Exception as error:  # noqa: BLE001 - whatever a parser trips over, the letter is not lost by it
        found.append(_not_run("text", error))
    if opened.too_large:
        found.append(Finding("size", Severity.WARNING,
                             f"links, pictures, contrast and CSS were not looked at: {opened.too_large}"))
    checks: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        ("size", lambda: size.check(letter)),
        ("text", lambda: text.check(opened)),
        ("headers", lambda: headers.check(opened)),
        ("links", lambda: _links(opened, outside, settings)),
        ("alt", lambda: images.check_alt(opened)),
        ("pictures", lambda: images.check_pictures(opened)),
        ("contrast", lambda: contrast.check(opened)),
        ("css", lambda: support.check(opened, settings.clients)),
        ("spam", lambda: _spam(letter, settings)),
    ]
    for name, check in checks:
        try:
            found += check()
        except Exception as error:  # noqa: BLE001 - one check that fails says so, and the others are made
            found.append(_not_run(name, error))
    return [_as_allowed(one, settings) for one in found]


def _links(opened: Opened, outside: Outside, settings: Preflight) -> Iterator[Finding]:
    gathered = links.gather(opened)
    yield from gathered.findings
    if settings.links:
        answers = follow(gathered.outside, outside.fetcher, outside.store, outside.now, all_s=outside.links_s)
        yield from links.judged(gathered.outside, answers)


def _spam(letter: Letter, settings: Preflight) -> Iterator[Finding]:
    if settings.spam == "off":
        return
    score = spam.measure(letter.eml, settings.spam)
    if score is not None:
        yield from spam.check(score)


def _as_allowed(found: Finding, settings: Preflight) -> Finding:
    shown_only = found.severity is Severity.ERROR and found.check not in settings.hold
    return replace(found, severity=Severity.WARNING) if shown_only else found


def _not_run(check: str, error: Exception) -> Finding:
    words = str(error) if isinstance(error, BroadsheetError) else f"{type(error).__name__}: {error}"
    return Finding(check, Severity.WARNING, f"this could not be looked at: {words[:300]}")
