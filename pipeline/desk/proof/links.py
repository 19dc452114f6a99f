"""Which links a letter has, and what their answers mean. Whether they answer is asked in `following`.

Those that lead to ourselves are never asked: what they lead to may be there only once the digest is, and a personal
one (to unsubscribe, to choose) would do what it is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, urlsplit

from pipeline.desk.proof.finding import MOST_NAMED, Finding, Severity, shown
from pipeline.desk.proof.opened import Opened, is_address
from pipeline.store.link_checks import LinkCheck

NO_SUCH_HOST = "its host does not exist"
NOT_ASKED = "there was no time for it"

_WORKING = ("mailto:", "tel:", "sms:", "http://", "https://")
_GONE = frozenset({404, 410})


class Answer(StrEnum):
    GOOD = "good"
    DEAD = "dead"              # whoever follows it sees nothing
    UNKNOWN = "unknown"        # it did not answer us; others may be luckier


@dataclass(frozen=True, slots=True)
class Links:
    outside: tuple[str, ...]             # addresses of others, each once, without fragments
    findings: tuple[Finding, ...]        # about those that need not be asked


def gather(opened: Opened) -> Links:
    outside: dict[str, None] = {}
    wrong: dict[str, str] = {}
    names = {name for element in opened.elements for name in (element.get("id"), element.get("name")) if name}
    for element in opened.named("a", "area"):
        href = element.get("href")
        if href is None:
            continue
        found = _split(href.strip())
        if problem := _problem(href.strip(), found, opened.letter.public_url, names):
            wrong.setdefault(href.strip(), problem)
        elif found is not None and is_address(href.strip()) and not _may_be_ours(found, opened.letter.public_url):
            outside.setdefault(found._replace(fragment="").geturl())
    findings = [Finding("links", Severity.WARNING, f"{problem}: {shown(href, 120)}", shown(href, 500))
                for href, problem in list(wrong.items())[:MOST_NAMED]]
    if len(wrong) > MOST_NAMED:
        findings.append(Finding("links", Severity.WARNING, f"{len(wrong) - MOST_NAMED} more links lead nowhere"))
    return Links(tuple(outside), tuple(findings))


def judge(check: LinkCheck) -> Answer:
    if check.status in _GONE or check.reason == NO_SUCH_HOST:
        return Answer.DEAD
    return Answer.GOOD if 200 <= check.status < 400 else Answer.UNKNOWN


def judged(outside: tuple[str, ...], answers: Mapping[str, LinkCheck]) -> Iterator[Finding]:
    """What the answers of links to others mean, in the order of the letter."""
    dead = [check for url in outside if (check := answers.get(url)) and judge(check) is Answer.DEAD]
    for check in dead[:MOST_NAMED]:
        yield Finding("links", Severity.WARNING,
                      f"does not answer: {shown(check.url, 120)} ({check.reason or check.status})",
                      shown(check.url, 500))
    if len(dead) > MOST_NAMED:
        yield Finding("links", Severity.WARNING, f"{len(dead) - MOST_NAMED} more links do not answer")
    unknown = [check for url in outside if (check := answers.get(url)) and judge(check) is Answer.UNKNOWN]
    for check in unknown[:MOST_NAMED]:
        yield Finding("links", Severity.NOTE,
                      f"could not be checked: {shown(check.url, 120)} ({check.reason or check.status})",
                      shown(check.url, 500))
    left = len(unknown[MOST_NAMED:]) + sum(url not in answers for url in outside)
    if left:
        yield Finding("links", Severity.NOTE, f"{left:,} more links could not be checked: {NOT_ASKED}"
                      if not unknown[MOST_NAMED:] else f"{left:,} more links could not be checked")


def _problem(href: str, found: SplitResult | None, public_url: str, names: set[str]) -> str:
    """Why a link leads nowhere, "" where it may lead somewhere."""
    if found is None:
        return "is no address"
    if href.startswith("#"):
        return "" if len(href) == 1 or href[1:] in names else "leads to a place that is not in the letter"
    if not href.lower().startswith(_WORKING):
        return "is no address that mail programs open" if found.scheme else "leads nowhere in a mail, as it is relative"
    if is_address(href) and _same_host(found, public_url) and not _is_ours(found, public_url):
        return f"is on our host, but not below {public_url}"
    return ""


def _is_ours(found: SplitResult, public_url: str) -> bool:
    public = urlsplit(public_url)
    below = public.path.rstrip("/")
    return (found.scheme.lower() == public.scheme and _same_host(found, public_url)
            and (found.path == below or found.path.startswith(f"{below}/")))


def _may_be_ours(found: SplitResult, public_url: str) -> bool:
    """On our host by any port or spelling: never asked."""
    return (found.hostname or "").rstrip(".") == urlsplit(public_url).hostname


def _same_host(found: SplitResult, public_url: str) -> bool:
    return found.netloc.lower() == urlsplit(public_url).netloc.lower()


def _split(href: str) -> SplitResult | None:
    try:
        found = urlsplit(href)
        _ = found.port, found.hostname  # some are wrong only when they are read
    except ValueError:
        return None
    return found
