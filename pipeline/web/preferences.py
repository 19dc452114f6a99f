"""How often, about what, and in which language: a subscriber's own page, from a link that works for ever.

GET and HEAD show it and change nothing: mail scanners follow every link. POST saves, once or a hundred times alike.
There is no cookie and no sign-in, so there is nothing that another site could use in a reader's name: who sends the
form must know the token in its address, and who knows that needs no forgery. Therefore no second token stands in the
form. Our answers send no referrer (`shell.HEADERS`), so the address stays between the reader and us.

    fields | decide_wish -> a wish, or what is wrong in each field | save | the form as it is now
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from pipeline.audience import subscriptions
from pipeline.audience.choices import Choices, choices
from pipeline.audience.subscriptions import Wish
from pipeline.config import Newsletter
from pipeline.errors import UsageError
from pipeline.mail.tokens import PREFERENCES, UNSUBSCRIBE
from pipeline.model.frozen import direction
from pipeline.model.subscribers import Subscription, SubscriptionStatus
from pipeline.web import unsubscribe
from pipeline.web.answers import NEVER, Missing
from pipeline.web.personal import find, masked
from pipeline.web.site import Site
from pipeline.web.tongues import own_name

FORM = "application/x-www-form-urlencoded"
MAX_BODY = 64 * 1024
MAX_FIELDS = 1000
BODY_S = 15.0        # seconds for a form to arrive
MAX_SHOWN = 60       # characters of something wrong that are repeated

SCHEDULE, TOPICS, LANGUAGE = "schedule", "topics", "language"
SHOWN = "shown"
"""The field that names the groups which the form had: a group that it did not have is left alone, and a body without
any is no form of ours, so that no empty one unticks everything."""

Fields = Mapping[str, Sequence[str]]

_TEST = ("Test mails carry a link that leads nowhere, so that nobody's choice is changed by trying it. In a real mail "
         "it opens a page on which a subscriber chooses how often it comes, and about what.")
_STALE = "What was sent does not fit this page as it is now. Look it over, and press Save once more."


class Option(NamedTuple):
    value: str
    said: str
    checked: bool
    language: str = ""   # of `said`, where it is not the page's
    note: str = ""

    @property
    def direction(self) -> str:
        return direction(self.language)


@dataclass(frozen=True, slots=True)
class Form:
    """What the page shows. A group without options is not there; `problems` says what is wrong in which, "" for all."""

    schedules: tuple[Option, ...] = ()
    topics: tuple[Option, ...] = ()
    languages: tuple[Option, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> list[str]:
        groups = ((SCHEDULE, self.schedules), (TOPICS, self.topics), (LANGUAGE, self.languages))
        return [name for name, options in groups if options]


async def answer(site: Site, request: Request) -> Response:
    """`/p/{token}`."""
    found = await run_in_threadpool(find, site, request, PREFERENCES, test=_TEST)
    fields = await _fields(request) if request.method == "POST" else None
    return await run_in_threadpool(_answer, site, found, fields)


def decide_wish(offered: Choices, found: Subscription, fields: Fields) -> tuple[Wish, dict[str, str]]:
    """(what they would like, what is wrong in which field). Nothing may be saved while anything is wrong."""
    groups = set(fields.get(SHOWN, ()))
    if not groups or not groups <= set(_form(offered, found).shown):
        return Wish(), {"": _STALE}
    problems: dict[str, str] = {}
    schedule = language = topics = None
    if SCHEDULE in groups:
        schedule = _one(offered.schedule, fields, SCHEDULE, problems)
    if LANGUAGE in groups:
        language = _one(offered.language, fields, LANGUAGE, problems)
    if TOPICS in groups:
        topics = fields.get(TOPICS, ())
        unknown = [why for name in topics if (why := _unknown_topic(offered, found, name))]
        if unknown:
            problems[TOPICS] = " ".join(unknown)
        else:
            topics = offered.chosen_topics(topics, kept=found.topics)
    return Wish(schedule, None if topics is None or problems else tuple(topics), language), problems


def _answer(site: Site, found: Subscription | None, fields: Fields | None) -> Response:
    if found is None or found.status is SubscriptionStatus.UNSUBSCRIBED:
        return unsubscribe.page(site, found, left=True)
    newsletter = next((n for n in site.app.config.newsletters if found.newsletter in (n.slug, *n.former)), None)
    if newsletter is None:  # no config names it any more: there is nothing left but to leave
        return RedirectResponse(_leave(site, found), 303, {"cache-control": NEVER})
    offered = choices(site.app.config, newsletter)
    if fields is None:
        return _page(site, newsletter, offered, found, _form(offered, found, newsletter))
    wish, problems = decide_wish(offered, found, fields)
    if problems:
        form = _form(offered, found, newsletter, fields, problems)
        return _page(site, newsletter, offered, found, form, status=422)
    now = subscriptions.choose(site.app.store, found.id, wish, site.app.now())
    if now is None or now.status is SubscriptionStatus.UNSUBSCRIBED:  # left in another window meanwhile
        return unsubscribe.page(site, now, left=True)
    return _page(site, newsletter, offered, now, _form(offered, now, newsletter), saved=True)


def _page(
    site: Site, newsletter: Newsletter, offered: Choices, found: Subscription, form: Form, *, saved: bool = False,
    status: int = 200,
) -> Response:
    schedule = next((s for s in newsletter.schedules if s.slug == found.schedule), None)
    due = schedule.times.next_after(site.app.now()) if schedule else None
    titles = {topic.key: topic.title for topic in offered.topics}
    language = found.language or offered.languages[0]
    return site.page(
        "preferences", status=status, cache=NEVER, form=form, saved=saved, masked=masked(found.address),
        newsletter=newsletter, how_often=schedule.times.describe() if schedule else "as before",
        due=datetime.fromisoformat(due.nominal) if due else None,
        about=[titles.get(key, key) for key in found.topics], in_language=own_name(language), language=language,
        language_direction=direction(language), leave=_leave(site, found),
    )


def _leave(site: Site, found: Subscription) -> str:
    return site.to("u", site.app.keyring.sign(UNSUBSCRIBE, str(found.id)))


def _form(
    offered: Choices, found: Subscription, newsletter: Newsletter | None = None, typed: Fields | None = None,
    problems: Mapping[str, str] | None = None,
) -> Form:
    """The form as the person has it; in the groups that they sent, as they had filled it in."""
    schedules = _filled(SCHEDULE, typed, (found.schedule,))
    ticked = {name.casefold() for name in _filled(TOPICS, typed, found.topics)}
    languages = _filled(LANGUAGE, typed, (found.language or offered.languages[0],))
    said = {s.slug: _capital(s.times.describe()) for s in newsletter.schedules} if newsletter else {}
    known = {topic.key for topic in offered.topics}
    form = Form(
        tuple(Option(slug, said.get(slug, slug), slug in schedules) for slug in offered.schedules),
        (*(Option(topic.key, topic.title, topic.key in ticked) for topic in offered.topics),
         *(Option(key, key, key in ticked, note="not offered any more") for key in found.topics if key not in known)),
        tuple(Option(tag, own_name(tag), tag in languages, tag) for tag in offered.languages),
        problems or {},
    )
    # One alone leaves nothing to choose, unless the person has something else, of a config that was: then it is the
    # way back.
    return Form(
        form.schedules if len(form.schedules) > 1 or found.schedule not in offered.schedules else (),
        form.topics if len(form.topics) > 1 or found.topics else (),
        form.languages if len(form.languages) > 1 or found.language not in ("", *offered.languages) else (),
        form.problems,
    )


def _filled(name: str, typed: Fields | None, stored: Sequence[str]) -> Sequence[str]:
    return typed.get(name, ()) if typed and name in typed.get(SHOWN, ()) else stored


def _one(read: Callable[[str], str], fields: Fields, name: str, problems: dict[str, str]) -> str | None:
    """The one value of a field, as `read` takes it; where it can't, None and a problem."""
    values = fields.get(name, ())
    if len(values) != 1 or not values[0]:
        problems[name] = "Choose one of these."
        return None
    try:
        return read(values[0])
    except UsageError as error:
        problems[name] = f"{_quoted(values[0])} is not one of these: {error.hint}"
        return None


def _unknown_topic(offered: Choices, found: Subscription, name: str) -> str:
    try:
        offered.chosen_topics([name], kept=found.topics)
    except UsageError as error:
        return f"{_quoted(name)} is not one of these: {error.hint}"
    return ""


async def _fields(request: Request) -> Fields:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise _refused(415, "This is no form of ours", "It came in a shape that this page does not read.")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for piece in request.stream():
                body += piece
                if len(body) > MAX_BODY:
                    raise _refused(413, "This is too much", "No form of ours is that long.")
    except TimeoutError:
        raise _refused(408, "This took too long", "The form did not arrive in time.") from None
    except ClientDisconnect:  # nobody hears this
        raise _refused(400, "This was cut off", "The form did not arrive.") from None
    try:
        return parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise _refused(413, "This is too much", "No form of ours has that many fields.") from None


def _refused(status: int, title: str, text: str) -> Missing:
    return Missing(title, f"{text} Nothing was changed. Open the link in your mail once more.", status=status)


def _quoted(value: str) -> str:
    printable = "".join(c if c.isprintable() else "�" for c in value)
    return f"“{printable if len(printable) <= MAX_SHOWN else printable[:MAX_SHOWN - 1] + '…'}”"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
