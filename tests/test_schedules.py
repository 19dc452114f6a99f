"""Slots: exact in every zone, once each, whatever the clocks do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.schedules import Schedule, check_zone, parse_schedule

ODD_ZONES = [  # midnight jumps, a half-hour jump, a skipped day, winter time that is the odd one, no jumps at all
    "America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut", "Australia/Lord_Howe", "Pacific/Apia", "Europe/Dublin",
    "Africa/Casablanca", "America/St_Johns", "Asia/Kathmandu", "Antarctica/Troll", "Asia/Gaza", "UTC",
]
ZONES = st.sampled_from(ODD_ZONES) | st.sampled_from(sorted(available_timezones()))
MOMENTS = st.integers(0, 30 * 365 * 86_400).map(lambda n: datetime(2005, 1, 1, tzinfo=UTC) + timedelta(seconds=n))
CRONS = st.sampled_from([
    "0 8 * * *", "30 2 * * *", "0 0 * * *", "*/15 * * * *", "0 * * * *", "30 1,2,3 * * *", "0 0 1 * *", "5 0 * * 1,5",
])


def at(text: str, zone: str = "UTC") -> Schedule:
    return parse_schedule(at=text, zone=zone)


def cron(text: str, zone: str = "UTC") -> Schedule:
    return parse_schedule(cron=text, zone=zone)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def told(schedule: Schedule, after: str, until: str) -> list[tuple[str, str]]:
    """Nominal time and due time in UTC, short enough to read."""
    return [(s.nominal[5:], s.due_at.isoformat()[5:16]) for s in schedule.due(utc(after), utc(until))]


def jumps(zone: str, year: int) -> Iterator[date]:
    """The days in whose 24 hours of UTC the zone's offset changes."""
    here = ZoneInfo(zone)
    days = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(366)]
    offsets = [day.astimezone(here).utcoffset() for day in days]
    return (day.date() for day, (a, b) in zip(days, pairwise(offsets), strict=False) if a != b)


def assert_due_is_right(zone: str, nominal: str, due_at: datetime) -> None:
    """Against the definition: the first moment at which the clock shows it, else the first at which it is past it."""
    wanted = datetime.fromisoformat(nominal)
    here = ZoneInfo(zone)

    def shown(moment: datetime) -> datetime:
        return moment.astimezone(here).replace(tzinfo=None)

    if shown(due_at) == wanted:
        around = (due_at - timedelta(minutes=n) for n in (30, 60, 120, 1440))
        assert all(shown(earlier) != wanted for earlier in around), "the clock had shown it before"
    else:
        assert shown(due_at) > wanted > shown(due_at - timedelta(seconds=1)), "not the moment of the jump"


# --- the grammar ---


@pytest.mark.parametrize(
    ("text", "nominal", "said"),
    [  # the first slot after Sunday 2026-11-22 at noon
        ("08:00", "2026-11-23T08:00", "every day at 08:00"),
        ("8:00", "2026-11-23T08:00", "every day at 08:00"),
        ("daily 13:00", "2026-11-22T13:00", "every day at 13:00"),
        ("Mon 08:00", "2026-11-23T08:00", "every Monday at 08:00"),
        ("sunday 08:00", "2026-11-29T08:00", "every Sunday at 08:00"),
        ("Wed,Mon 18:30", "2026-11-23T18:30", "every Monday and Wednesday at 18:30"),
        ("Tue, Thu 18:30", "2026-11-24T18:30", "every Tuesday and Thursday at 18:30"),
        ("Fri-Mon 11:00", "2026-11-23T11:00", "every Monday, Friday, Saturday and Sunday at 11:00"),
        ("weekdays 07:00", "2026-11-23T07:00", "every weekday at 07:00"),
        ("Mon-Fri 07:00", "2026-11-23T07:00", "every weekday at 07:00"),
        ("weekends 07:00", "2026-11-28T07:00", "every Saturday and Sunday at 07:00"),
        ("1st 09:00", "2026-12-01T09:00", "on the 1st of each month at 09:00"),
        ("1st,15th 09:00", "2026-12-01T09:00", "on the 1st and 15th of each month at 09:00"),
        ("last 09:00", "2026-11-30T09:00", "on the last day of each month at 09:00"),
        ("18:00, 07:30", "2026-11-22T18:00", "every day at 07:30 and 18:00"),
    ],
)
def test_at_means_what_it_says(text: str, nominal: str, said: str) -> None:
    schedule = at(text)
    assert schedule.next_after(utc("2026-11-22T12:00")).nominal == nominal
    assert schedule.describe() == f"{said}, UTC"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("8am", "08:00"), ("24:00", "midnight is 00:00"), ("07:60", "23:59"), ("Mnday 08:00", "monday"),
        ("Mon", "Mon 08:00"), ("1st,Mon 08:00", "one kind"), ("31st 08:00", "last"), ("32nd 08:00", "Mon 08:00"),
        ("08:00 Mon", "Mon 08:00"), ("Mon,,Tue 08:00", "Mon 08:00"), ("٠٨:٠٠", "08:00"), ("-Mon 08:00", "Mon 08:00"),
    ],
)
def test_a_wrong_at_is_told_what_is_right(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as error:
        at(text)
    assert hint in error.value.hint
    assert text in error.value.subject


@pytest.mark.parametrize(
    "text",
    ["", "0 8 * *", "0 8 * * * *", "60 8 * * *", "0 24 * * *", "0 8 32 * *", "0 8 * 13 *", "0 8 * * 8", "@daily",
     "0 8 30 2 *", "0 8 * * mon-", "a b c d e", "0 0 */0 * *"],
)
def test_a_wrong_cron_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        cron(text)


@pytest.mark.parametrize(("day", "nominal"), [("0", "29"), ("7", "29"), ("1", "23"), ("sun", "29"), ("5-7", "27")])
def test_crons_weekdays_are_crons(day: str, nominal: str) -> None:
    assert cron(f"0 8 * * {day}").next_after(utc("2026-11-22T12:00")).nominal == f"2026-11-{nominal}T08:00"


def test_cron_is_described() -> None:
    assert cron("30 7 * * 1").describe() == "at 07:30 on Monday, UTC"


def test_either_at_or_cron() -> None:
    with pytest.raises(UsageError, match="either"):
        parse_schedule(at="08:00", cron="0 8 * * *", zone="UTC")
    with pytest.raises(UsageError, match="either"):
        parse_schedule(zone="UTC")


@pytest.mark.parametrize(
    ("zone", "near"),
    [("Europe/Stokholm", "Europe/Stockholm"), ("europe/stockholm", "Europe/Stockholm"),
     ("New York", "America/New_York"), ("Stockholm", "Europe/Stockholm"),
     ("", "UTC"), ("../../etc/passwd", "UTC"), ("Europe", "UTC"), ("\0", "UTC")],
)
def test_an_unknown_zone_is_told_the_nearest(zone: str, near: str) -> None:
    with pytest.raises(UsageError) as error:
        check_zone(zone)
    assert near in error.value.hint


@pytest.mark.parametrize(
    ("text", "period"),
    [("0 8 * * *", timedelta(days=1)), ("0 8 * * 1", timedelta(days=7)), ("0 8 * * 1-5", timedelta(days=1)),
     ("0 7,19 * * *", timedelta(hours=12)), ("*/5 * * * *", timedelta(minutes=5)), ("0 0 1 * *", timedelta(days=28))],
)
def test_the_period_is_the_shortest_gap(text: str, period: timedelta) -> None:
    assert cron(text).period == period
    assert cron(text, "Europe/Stockholm").period == period  # jumps of the clock don't count


# --- the clocks ---


def test_a_repeated_hour_is_due_once_at_its_first_time() -> None:
    assert told(at("02:30", "Europe/Stockholm"), "2026-10-24T12:00", "2026-10-26T12:00") == [
        ("10-25T02:30", "10-25T00:30"), ("10-26T02:30", "10-26T01:30")]


def test_asked_in_the_repetition_of_an_hour_its_slots_have_passed() -> None:
    second_time = utc("2026-10-25T01:15")  # 02:15 for the second time
    assert at("02:30", "Europe/Stockholm").next_after(second_time).nominal == "2026-10-26T02:30"


def test_a_left_out_hour_is_due_when_the_clock_has_jumped() -> None:
    assert told(at("02:30", "Europe/Stockholm"), "2026-03-28T12:00", "2026-03-30T12:00") == [
        ("03-29T02:30", "03-29T01:00"), ("03-30T02:30", "03-30T00:30")]


def test_a_left_out_midnight() -> None:
    assert told(at("00:00", "America/Sao_Paulo"), "2018-11-03T12:00", "2018-11-05T12:00") == [
        ("11-04T00:00", "11-04T03:00"), ("11-05T00:00", "11-05T02:00")]


def test_half_an_hour_left_out() -> None:
    assert told(at("02:15", "Australia/Lord_Howe"), "2026-10-03T00:00", "2026-10-04T00:00") == [
        ("10-04T02:15", "10-03T15:30")]


def test_a_day_that_never_was_is_due_when_it_has_been_skipped() -> None:
    assert told(at("08:00", "Pacific/Apia"), "2011-12-29T12:00", "2011-12-31T12:00") == [
        ("12-29T08:00", "12-29T18:00"), ("12-30T08:00", "12-30T10:00"), ("12-31T08:00", "12-30T18:00")]


def test_slots_that_one_jump_swallows_are_one_the_latest() -> None:
    assert told(at("02:00, 02:30, 03:00", "Europe/Stockholm"), "2026-03-29T00:00", "2026-03-29T12:00") == [
        ("03-29T03:00", "03-29T01:00")]


def test_every_zone_has_each_slot_once_on_the_days_its_clock_jumps() -> None:
    checked = 0
    for zone in sorted(available_timezones()):
        for day in jumps(zone, 2026):
            start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=2)
            for text in ("00:00", "02:30"):
                slots = list(at(text, zone).due(start, start + timedelta(days=5)))
                days = [date.fromisoformat(slot.nominal[:10]) for slot in slots]
                assert days == [days[0] + timedelta(days=n) for n in range(len(days))], (zone, slots)
                assert len(days) in {4, 5, 6}, (zone, slots)
                for slot in slots:
                    assert_due_is_right(zone, *slot)
                checked += 1
    assert checked > 300


@given(zone=ZONES, start=MOMENTS, hour=st.integers(0, 23), minute=st.integers(0, 59))
@example(zone="America/Sao_Paulo", start=utc("2018-01-01"), hour=0, minute=0)
@example(zone="Africa/Cairo", start=utc("2010-01-01"), hour=0, minute=30)
@example(zone="Asia/Beirut", start=utc("2022-06-01"), hour=0, minute=0)
@example(zone="Australia/Lord_Howe", start=utc("2026-01-01"), hour=2, minute=0)
@example(zone="Pacific/Apia", start=utc("2011-06-01"), hour=8, minute=0)
@settings(max_examples=12)
def test_through_a_year_each_day_has_its_slot_once(zone: str, start: datetime, hour: int, minute: int) -> None:
    slots = list(at(f"{hour:02}:{minute:02}", zone).due(start, start + timedelta(days=370)))
    days = [date.fromisoformat(slot.nominal[:10]) for slot in slots]
    # a day that a jump of 24 hours swallows from its very first minute is one with the day it lands on
    gaps = [b for a, b in pairwise(days) if (b - a).days != 1]
    assert not gaps or (zone.startswith("Pacific/") and len(gaps) == 1)
    assert all(a.due_at < b.due_at for a, b in pairwise(slots))
    for slot in slots:
        assert_due_is_right(zone, *slot)


@given(zone=ZONES, line=CRONS, a=MOMENTS, ends=st.lists(st.integers(0, 3 * 86_400), min_size=2, max_size=2))
@example(zone="Europe/Stockholm", line="*/15 * * * *", a=utc("2026-03-29T00:10"), ends=[2999, 9000])
@example(zone="Europe/Stockholm", line="*/15 * * * *", a=utc("2026-10-25T00:10"), ends=[3600, 9000])
@settings(max_examples=40)
def test_ranges_that_touch_share_nothing_and_lose_nothing(zone: str, line: str, a: datetime, ends: list[int]) -> None:
    schedule = cron(line, zone)
    b, c = (a + timedelta(seconds=n) for n in sorted(ends))
    whole = list(schedule.due(a, c))
    assert list(schedule.due(a, b)) + list(schedule.due(b, c)) == whole
    assert all(x.due_at < y.due_at for x, y in pairwise(whole))
    assert all(a < x.due_at <= c for x in whole)


@given(zone=ZONES, line=CRONS, start=MOMENTS)
@example(zone="Europe/Stockholm", line="*/15 * * * *", start=utc("2026-03-29T00:50"))
@example(zone="Europe/Stockholm", line="*/15 * * * *", start=utc("2026-10-25T00:50"))
@settings(max_examples=40)
def test_next_after_walks_the_same_slots_as_due(zone: str, line: str, start: datetime) -> None:
    schedule = cron(line, zone)
    walked = [schedule.next_after(start)]
    for _ in range(12):
        walked.append(schedule.next_after(walked[-1].due_at))
    assert list(schedule.due(start, walked[-1].due_at)) == walked


@given(zone=ZONES, start=MOMENTS)
@settings(max_examples=15)
def test_the_end_belongs_to_a_range_and_the_start_does_not(zone: str, start: datetime) -> None:
    schedule = at("08:00", zone)
    slot = schedule.next_after(start)
    assume(slot.due_at > start)
    assert list(schedule.due(start, slot.due_at)) == [slot]
    assert list(schedule.due(slot.due_at, slot.due_at)) == []
    assert list(schedule.due(start, slot.due_at - timedelta(microseconds=1))) == []
