"""When a thing is due: "Mon 08:00" or a cron line, in any time zone. Pure, and the only place that knows cronsim.

A schedule is thought of in *local* time. Its slots are nominal local dates and times, counted out without any
zone; only then is each one mapped to the one moment at which it is due:

    an hour that an autumn clock repeats    due once, the first time the clock shows it
    an hour that a spring clock leaves out  due once, the moment the clock has jumped past it
    several slots that one jump swallows    due at the same moment, so they are one: the latest

cronsim's own handling of zones is not used: it fires every-minute schedules twice in a repeated hour, and names
the shifted time where a slot's identity needs what the operator wrote.

What `at` understands:

    at   = [days] times         "08:00"   "Mon 08:00"   "Mon,Wed 18:30"   "weekdays 07:00"   "1st 09:00"
    days = names or ranges of weekdays, separated by commas ("Mon", "monday", "Mon-Fri", "weekdays", "weekends"),
           or days of the month ("1st", "15th", up to "28th", and "last"); nothing or "daily" means each day
    times = 24-hour times separated by commas ("08:00", "07:30, 18:00")

`cron` is the standard line of five fields: minute, hour, day of month, month, day of week (0 and 7 are Sunday, 1 is
Monday). If neither day field starts with a star, a day that fits either one fits, as in Debian's crontab(5).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from heapq import merge
from itertools import islice, pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from pipeline.errors import UsageError

DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")  # in cron's order, Sunday is 0
GROUPS = {"weekdays": (1, 2, 3, 4, 5), "weekends": (6, 0), "daily": tuple(range(7))}
LAST_SAFE_DAY = 28  # every month has it
SAMPLE = 64  # slots looked at to find a schedule's period
SAMPLE_FROM = datetime.fromisoformat("2024-01-01")  # naive local, and fixed: a period never depends on today
AT = re.compile(r"(?:(?P<days>[^:]*[^:\s])\s+)?(?P<times>\d{1,2}:\d\d(?:\s*,\s*\d{1,2}:\d\d)*)", re.ASCII)
AT_HINT = 'write "08:00", "Mon 08:00", "Mon,Wed 18:30", "weekdays 07:00", "1st 09:00", or use cron'


class Due(NamedTuple):
    """One slot: its nominal local time "YYYY-MM-DDTHH:MM", which is its identity, and the moment it is due (UTC)."""

    nominal: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something is due. Made by `parse_schedule`, which has checked every part."""

    crons: tuple[str, ...]  # one line for each time of day that `at` names
    zone: str
    said: str               # "every Monday at 08:00", without the zone

    def due(self, after: datetime, until: datetime) -> Iterator[Due]:
        """Every slot that is due in the half-open (after, until], oldest first, no two at the same moment.

        Both ends are aware. Ranges that touch never share a slot and never lose one.
        """
        pending: Due | None = None
        for slot in self._after(after):
            if pending and slot.due_at > pending.due_at:
                yield pending
            if slot.due_at > until:
                return
            pending = slot
        if pending:
            yield pending

    def next_after(self, moment: datetime) -> Due:
        """The first slot due later than `moment` (aware)."""
        slots = self._after(moment)
        first = next(slots)
        for slot in slots:
            if slot.due_at > first.due_at:
                break
            first = slot
        return first

    @property
    def period(self) -> timedelta:
        """The shortest gap between two slots that follow each other: a day for "08:00" and for "weekdays 08:00"."""
        return _period(self.crons)

    def describe(self) -> str:
        """For people: "every Monday at 08:00, Europe/Stockholm"."""
        return f"{self.said}, {self.zone}"

    def _after(self, moment: datetime) -> Iterator[Due]:
        zone = ZoneInfo(self.zone)
        # Due moments never run backwards along nominal times, and the nominal time a clock shows is never due
        # later than that moment. So no slot up to the local time of `moment` can still be due after it.
        local = moment.astimezone(zone).replace(tzinfo=None)
        for nominal in _nominals(self.crons, local):
            due_at = _moment(nominal, zone)
            if due_at > moment:  # else: in a repeated hour, whose first time has passed
                yield Due(nominal.isoformat(timespec="minutes"), due_at)


@lru_cache(maxsize=1024)
def parse_schedule(*, at: str = "", cron: str = "", zone: str) -> Schedule:
    """Read one of `at` and `cron` (the grammar is above). Raises UsageError with what would have been right."""
    if bool(at) == bool(cron):
        raise UsageError("schedule", "needs either at or cron", hint='at = "Mon 08:00", or cron = "0 8 * * 1"')
    check_zone(zone)
    crons, said = _read_at(at) if at else _read_cron(cron)
    if next(_nominals(crons, SAMPLE_FROM), None) is None:
        raise UsageError(f'"{cron}"', "never comes", hint="no date fits all of its fields")
    return Schedule(crons, zone, said)


def check_zone(zone: str) -> None:
    """Raise UsageError, with the nearest name there is, unless `zone` names a time zone of the tz database."""
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):  # unknown; not a relative name; a folder or nothing at all
        near = _nearest_zone(zone)
        hint = f'did you mean "{near}"?' if near else 'names look like "Europe/Stockholm" or "UTC"'
        raise UsageError(f'"{zone}"', "no such time zone", hint=hint) from None


def _nearest_zone(zone: str) -> str:
    names = _zone_names()
    wanted = zone.strip().replace(" ", "_").casefold()
    if wanted in names:
        return names[wanted]
    cities = {name.rsplit("/", 1)[-1]: full for name, full in sorted(names.items(), reverse=True)}
    for options in (names, cities):
        close = difflib.get_close_matches(wanted, options, n=1, cutoff=0.75)
        if close:
            return options[close[0]]
    return ""


@lru_cache(maxsize=1)
def _zone_names() -> dict[str, str]:
    return {name.casefold(): name for name in sorted(available_timezones())}


def _read_at(at: str) -> tuple[tuple[str, ...], str]:
    found = AT.fullmatch(at.strip())
    if not found:
        raise UsageError(f'"{at}"', "no time that at understands", hint=AT_HINT)
    times = sorted({_read_time(at, t.strip()) for t in found["times"].split(",")})
    day_of_month, day_of_week, said = _read_days(at, found["days"] or "daily")
    crons = tuple(f"{minute} {hour} {day_of_month} * {day_of_week}" for hour, minute in times)
    return crons, f"{said} at {_and([f'{hour:02}:{minute:02}' for hour, minute in times])}"


def _read_time(at: str, time: str) -> tuple[int, int]:
    hour, minute = (int(part) for part in time.split(":"))
    if hour > 23 or minute > 59:
        raise UsageError(f'"{at}"', f"{time} is no time of day", hint="00:00 to 23:59; midnight is 00:00")
    return hour, minute


def _read_days(at: str, days: str) -> tuple[str, str, str]:
    """The cron fields for day of month and day of week, and the words for both."""
    words = [w.strip().casefold() for w in days.split(",")]
    month_days = sorted({day for day in map(_month_day, words) if day})
    if not month_days:
        week = {day for word in words for day in _week_days(at, word)}
        return "*", ",".join(map(str, sorted(week))) if len(week) < 7 else "*", _say_week(week)
    if not all(map(_month_day, words)):
        raise UsageError(f'"{at}"', "mixes weekdays and days of the month", hint="use one kind, or two schedules")
    if any(LAST_SAFE_DAY < day < 32 for day in month_days):
        raise UsageError(f'"{at}"', f"not every month has more than {LAST_SAFE_DAY} days",
                         hint='"last" is the last day of each month; cron can name the 29th to the 31st')
    named = [_ordinal(day) if day < 32 else "last day" for day in month_days]
    return ",".join(str(d) if d < 32 else "L" for d in month_days), "*", f"on the {_and(named)} of each month"


def _month_day(word: str) -> int:
    """1 to 31; 32 for the last day; 0 if it is none."""
    if word == "last":
        return 32
    found = re.fullmatch(r"([1-9]|[12]\d|3[01])(?:st|nd|rd|th)", word, re.ASCII)
    return int(found[1]) if found else 0


def _week_days(at: str, word: str) -> tuple[int, ...]:
    if word in GROUPS:
        return GROUPS[word]
    first, dash, last = (part.strip() for part in word.partition("-"))
    start = _week_day(at, first)
    end = _week_day(at, last) if dash else start
    return tuple((start + step) % 7 for step in range((end - start) % 7 + 1))


def _week_day(at: str, word: str) -> int:
    for number, name in enumerate(DAYS):
        if word in {name.casefold(), name[:3].casefold()}:
            return number
    close = difflib.get_close_matches(word, [*(d.casefold() for d in DAYS), *GROUPS], n=1, cutoff=0.5)
    raise UsageError(f'"{at}"', f'"{word}" is no day', hint=f'did you mean "{close[0]}"?' if close else AT_HINT)


def _say_week(week: set[int]) -> str:
    if len(week) == 7:
        return "every day"
    if week == set(GROUPS["weekdays"]):
        return "every weekday"
    return "every " + _and([DAYS[day] for day in sorted(week, key=lambda d: d or 7)])  # people's weeks start on Monday


def _ordinal(day: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(day % 10 if day not in {11, 12, 13} else 0, "th")
    return f"{day}{ending}"


def _and(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def _read_cron(cron: str) -> tuple[tuple[str, ...], str]:
    fields = cron.split()
    if len(fields) != 5:
        raise UsageError(f'"{cron}"', f"a cron line has 5 fields, this has {len(fields)}",
                         hint='minute hour day-of-month month day-of-week: "0 8 * * 1" is Monday at 08:00')
    line = " ".join(fields)
    try:
        said = CronSim(line, SAMPLE_FROM).explain()
    except CronSimError as error:
        raise UsageError(f'"{cron}"', f"bad cron line: {str(error).lower()}",
                         hint="minute 0-59, hour 0-23, day 1-31, month 1-12, weekday 0-7; 0, 7: Sunday") from None
    return (line,), said[:1].lower() + said[1:]


@lru_cache(maxsize=1024)
def _period(crons: tuple[str, ...]) -> timedelta:
    nominals = islice(_nominals(crons, SAMPLE_FROM), SAMPLE)
    return min((b - a for a, b in pairwise(nominals)), default=timedelta(days=365))


def _nominals(crons: tuple[str, ...], after: datetime) -> Iterator[datetime]:
    """Naive local times after `after`, in order. Ends only where nothing comes for fifty years."""
    lines = [CronSim(cron, after) for cron in crons]
    return iter(lines[0]) if len(lines) == 1 else merge(*lines)


def _moment(nominal: datetime, zone: ZoneInfo) -> datetime:
    """The first moment (UTC) at which the zone's clock shows `nominal`, or has jumped past it."""
    late = nominal.replace(tzinfo=zone).astimezone(UTC)
    if late.astimezone(zone).replace(tzinfo=None) == nominal:
        return late
    # The clock never shows it. By PEP 495 fold=0 reads the time with the offset from before the jump, which lands
    # after it, and fold=1 the other way round: the jump lies between the two.
    early = nominal.replace(tzinfo=zone, fold=1).astimezone(UTC)
    while late - early > timedelta(seconds=1):
        middle = early + timedelta(seconds=(late - early) // timedelta(seconds=2))
        if middle.astimezone(zone).replace(tzinfo=None) > nominal:
            late = middle
        else:
            early = middle
    return late
