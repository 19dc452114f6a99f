"""What people of a newsletter may choose, as the config has it, and what they asked for held against that. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.config import Config, Newsletter, nearest
from pipeline.errors import UsageError

EVERYTHING = "*"
"""In a list of topics: all of them, whatever else is in it."""


@dataclass(frozen=True, slots=True)
class Topic:
    key: str     # in small letters, as articles and subscriptions have it
    title: str   # as the operator wrote it


@dataclass(frozen=True, slots=True)
class Choices:
    """What a newsletter offers. A list with fewer than two leaves nothing to choose."""

    schedules: tuple[str, ...]   # slugs
    topics: tuple[Topic, ...]
    languages: tuple[str, ...]   # tags as they were written, the newsletter's own first

    def schedule(self, wanted: str) -> str:
        """A schedule's slug. Raises UsageError where there is no such one."""
        return _known("schedule", wanted, {slug: slug for slug in self.schedules})

    def chosen_topics(self, wanted: Iterable[str], *, kept: Sequence[str] = ()) -> tuple[str, ...]:
        """Keys for what somebody named, sorted; empty for everything. `kept` are keys that they have already: these
        stay theirs when the config names them no more. Raises UsageError at the first unknown one."""
        asked = [name.strip() for name in wanted if name.strip()]
        if EVERYTHING in asked:
            return ()
        titles = {topic.key: topic.title for topic in self.topics}
        return tuple(sorted({
            key if (key := name.casefold()) in kept else _known("topic", name, titles) for name in asked}))

    def language(self, wanted: str) -> str:
        """What a subscription stores for this tag: "" for the newsletter's own. Raises UsageError for another one."""
        if not wanted:
            return ""
        tag = _known("language", wanted, {tag: tag for tag in self.languages})
        return "" if tag == self.languages[0] else tag


def choices(config: Config, newsletter: Newsletter) -> Choices:
    return Choices(
        schedules=tuple(schedule.slug for schedule in newsletter.schedules),
        topics=_topics(config, newsletter),
        languages=tuple(dict.fromkeys((newsletter.language or config.site.language, *newsletter.languages))),
    )


def _topics(config: Config, newsletter: Newsletter) -> tuple[Topic, ...]:
    """Those that the newsletter is about; where it takes any, those of the sources that it takes."""
    named: Iterable[str] = newsletter.select.topics
    if EVERYTHING in newsletter.select.topics:
        taken = newsletter.select.sources
        named = (topic for source in config.sources if not source.blocked and (not taken or source.slug in taken)
                 for topic in source.topics)
    first: dict[str, Topic] = {}
    for title in named:
        key = title.casefold()
        first.setdefault(key, Topic(key, title))
    return tuple(first.values())


def _known(kind: str, wanted: str, names: dict[str, str]) -> str:
    """Which of `names` (what it is called inside -> what people call it) is meant, in small or large letters."""
    folded = {name.casefold(): name for name in names}
    if wanted.casefold() in folded:
        return folded[wanted.casefold()]
    close = nearest(wanted, names.values())
    there = ", ".join(names.values())
    hint = f'did you mean "{close}"?' if close else f"there is {there}" if there else _NONE.get(kind, "")
    raise UsageError(f"{kind} {wanted!r}", "there is none", hint=hint)


_NONE = {"topic": "config.toml names no topics: [[sources]] topics, or the newsletter's select.topics"}
