"""Zones as arithmetic: the steps of an offset say what the zone says, at every moment."""

from __future__ import annotations

import datetime as dt
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaignkit.grouping import TimeBucket, micros_of, moment_at, offset_steps

ZONES = ["Europe/Paris", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]
MICRO = dt.timedelta(microseconds=1)
YEAR = 366 * 86_400 * 10**6
moments = st.integers(-20 * YEAR, 80 * YEAR)


def offset_at(steps, micros):
    """Return the offset that steps add up to at a moment."""
    return sum(change for at, change in steps if micros >= at or (at, change) == steps[0])


@pytest.mark.parametrize("on_clock", [False, True])
@pytest.mark.parametrize("zone", ZONES)
@given(low=moments, length=st.integers(0, 3 * YEAR), place=st.floats(0, 1))
def test_the_steps_of_an_offset_are_those_of_the_zone(zone, on_clock, low, length, place):
    """Anywhere between two moments the steps add up to the zone's offset, in UTC and on the clock's face."""
    clock = zoneinfo.ZoneInfo(zone)
    micros = low + round(length * place)
    at = moment_at(micros)
    local = at.replace(tzinfo=clock) if on_clock else at.astimezone(clock)

    steps = offset_steps(clock, low, low + length, on_clock=on_clock)

    assert offset_at(steps, micros) * MICRO == local.utcoffset()


@given(micros=moments)
def test_moments_are_whole_microseconds(micros):
    """A moment survives being a number."""
    assert micros_of(moment_at(micros)) == micros


# --- time buckets --------------------------------------------------------------------------------

any_year = st.datetimes(*(dt.datetime(year, 1, 1) for year in (1900, 2100)), timezones=st.just(dt.UTC))  # noqa: DTZ001


@pytest.mark.parametrize("unit", ["hour", "day"])
@pytest.mark.parametrize("zone", ZONES)
@given(moment=any_year)
def test_a_bucket_that_remembers_asks_the_zone(zone, unit, moment):
    """Asked again and again, in any zone and year, a bucket begins where the zone's clock says."""
    bucket = TimeBucket("sent_at", unit, zone)

    for seconds in (0, 1, 899, 1800, 3599, 0):
        at = moment + dt.timedelta(seconds=seconds)
        clock = at.astimezone(zoneinfo.ZoneInfo(zone))
        hour = clock.hour if unit == "hour" else 0
        assert bucket.start(at) == clock.replace(hour=hour, minute=0, second=0, microsecond=0, fold=0)
    assert bucket.start(None) is None


@pytest.mark.parametrize("year", [dt.MINYEAR, dt.MAXYEAR])
def test_the_ends_of_the_calendar_are_in_a_bucket(year):
    """Where a zone would lead out of the calendar, the bucket is UTC's."""
    moment = dt.datetime(year, 1 if year == dt.MINYEAR else 12, 31 if year == dt.MAXYEAR else 1, 12, tzinfo=dt.UTC)

    assert TimeBucket("sent_at", "hour", "Pacific/Kiritimati").start(moment) is not None
    assert TimeBucket("sent_at", "hour", "Pacific/Honolulu").start(moment) is not None
