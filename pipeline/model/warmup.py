"""The warm-up of a sender nobody knows yet: so many mails on the first day, so many on the second. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class WarmUp:
    """The plan. Days are those of the site's time zone; before the first and after the last there is no limit."""

    since: date
    days: tuple[int, ...]    # mails on the first day, on the second, …

    def allowance(self, day: date) -> int | None:
        """How many mails may be made for a day; None: as many as there are."""
        number = self.number(day)
        return self.days[number - 1] if number else None

    def number(self, day: date) -> int:
        """Which day of the plan it is, from 1 on; 0 for one that is not in it."""
        number = (day - self.since).days + 1
        return number if 1 <= number <= len(self.days) else 0

    @property
    def free_from(self) -> date:
        """The first day after it."""
        return self.since + timedelta(days=len(self.days))

    def last_moment(self, zone: str) -> datetime:
        """Where it ends, aware UTC."""
        return datetime.combine(self.free_from, time(), ZoneInfo(zone)).astimezone(UTC)

    def following(self, day: date) -> Iterator[date]:
        """That day and those after it, up to the first without a limit."""
        while self.allowance(day) is not None:
            yield day
            day += timedelta(days=1)
        yield day


def left_of(allowance: int, given: int) -> int:
    """Places that nobody has yet; a plan that was made shorter may have given more than it now has."""
    return max(0, allowance - given)


def spread(plan: WarmUp, today: date, given: Mapping[date, int], people: int) -> dict[date, int]:
    """Day -> how many of these people get their mail on it: all that a day has places for, then the next day; whoever
    is left when the plan ends gets it on the first day without a limit."""
    days: dict[date, int] = {}
    for day in plan.following(today):
        allowance = plan.allowance(day)
        places = people if allowance is None else min(people, left_of(allowance, given.get(day, 0)))
        if places:
            days[day] = places
            people -= places
        if not people:
            break
    return days


def day_of(moment: datetime, zone: str) -> date:
    return moment.astimezone(ZoneInfo(zone)).date()


def same_time_on(day: date, moment: datetime, zone: str) -> datetime:
    """A moment's local time of day on another day, aware UTC."""
    return datetime.combine(day, moment.astimezone(ZoneInfo(zone)).time(), ZoneInfo(zone)).astimezone(UTC)
