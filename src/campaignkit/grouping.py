"""What messages are grouped by: columns, and hours or days in an explicit zone."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import attrs

from campaignkit.errors import InvalidValue
from campaignkit.models import moment

QUARTER: Final = 900.0
"""Seconds of a quarter of an hour."""

EVEN_OFFSETS: Final = datetime(1972, 1, 8, tzinfo=UTC)
"""Since then every zone is off UTC by whole quarters of an hour."""


@attrs.frozen
class TimeBucket:
    """A grouping by hour or day of a moment, in an explicit zone.

    Attributes:
        column: the column of moments, like ``sent_at``.
        unit: ``hour`` or ``day``.
        zone: an IANA zone.
    """

    column: str
    unit: Literal["hour", "day"]
    zone: str
    _starts: dict[float, datetime] = attrs.field(factory=dict, init=False, eq=False, repr=False)

    @property
    def name(self) -> str:
        """The name of the group column."""
        return f"{self.column}_{self.unit}"

    def start(self, moment: datetime | None) -> datetime | None:
        """Return the beginning of the bucket a moment is in, in the zone; None stays None."""
        if moment is None:
            return None
        if moment < EVEN_OFFSETS:
            return self._start(moment)
        quarter = moment.timestamp() // QUARTER  # the clock of a zone is asked a million times for few answers
        found = self._starts.get(quarter)
        if found is None:
            found = self._starts[quarter] = self._start(moment)
        return found

    def _start(self, moment: datetime) -> datetime:
        try:
            local = moment.astimezone(zoneinfo.ZoneInfo(self.zone))
        except OverflowError:  # at the ends of the calendar a zone may lead out of it
            local = moment
        hour = local.hour if self.unit == "hour" else 0
        return local.replace(hour=hour, minute=0, second=0, microsecond=0, fold=0)


@attrs.frozen
class _Cut:
    """A grouping in two, by a moment."""

    column: str
    moment: datetime = attrs.field(validator=lambda _, field, value: moment(field.name, value))


@attrs.frozen
class Since(_Cut):
    """A grouping in two: at or after a moment, or before it (and never).

    Attributes:
        column: the column of moments.
        moment: aware; where the True group begins.
    """

    @property
    def name(self) -> str:
        """The name of the group column."""
        return f"{self.column}_recent"

    def start(self, moment: datetime | None) -> bool:
        """Return whether a moment is in the later group."""
        # In UTC, because within one zone Python compares what the clocks show.
        return moment is not None and moment.astimezone(UTC) >= self.moment.astimezone(UTC)


@attrs.frozen
class Until(_Cut):
    """A grouping in two: at or before a moment, or after it (and never).

    Attributes:
        column: the column of moments.
        moment: aware; where the True group ends.
    """

    @property
    def name(self) -> str:
        """The name of the group column."""
        return f"{self.column}_past"

    def start(self, moment: datetime | None) -> bool:
        """Return whether a moment is in the earlier group."""
        return moment is not None and moment.astimezone(UTC) <= self.moment.astimezone(UTC)


Derived = TimeBucket | Since | Until
"""A grouping column that is made from a column of moments."""


def hours(column: str, *, zone: str) -> TimeBucket:
    """Group by the hour of a column of moments, as the clock shows it in ``zone``.

    The hour that the clock shows twice, when it is put back in autumn, is one group.

    >>> hours("sent_at", zone="Europe/Paris").name
    'sent_at_hour'
    """
    return _time_bucket(column, "hour", zone)


def days(column: str, *, zone: str) -> TimeBucket:
    """Group by the day of a column of moments, as the calendar shows it in ``zone``."""
    return _time_bucket(column, "day", zone)


def _time_bucket(column: str, unit: Literal["hour", "day"], zone: str) -> TimeBucket:
    parse_zone(zone)
    return TimeBucket(column, unit, zone)


def parse_zone(name: str) -> zoneinfo.ZoneInfo:
    """Return an IANA time zone.

    Raises:
        InvalidValue: there is none of that name.
    """
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError, TypeError):  # a folder of zones is an OSError
        raise InvalidValue(f"zone is {name!r}: not an IANA time zone; give one like 'Europe/Paris'") from None


By = str | Derived | Iterable["str | Derived"] | None
"""What ``by=`` takes: a column, a time bucket, or several."""


def by_columns(by: By) -> tuple[str | Derived, ...]:
    """Return ``by=`` as a tuple.

    Raises:
        InvalidValue: the same column twice.
    """
    if by is None:
        return ()
    columns = (by,) if isinstance(by, str | Derived) else tuple(by)
    names = [by_name(each) for each in columns]
    for name in names:
        if names.count(name) > 1:
            raise InvalidValue(f"by names {name!r} twice: name each column once")
    return columns


def by_name(by: str | Derived) -> str:
    """Return the name of a group column."""
    return by if isinstance(by, str) else by.name


# --- zones as arithmetic -------------------------------------------------------------------------

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000
_DAY: Final = 86_400 * _SECOND


def micros_of(moment: datetime) -> int:
    """Return the microseconds from 1970 to an aware moment."""
    return (moment - EPOCH) // _MICRO


def moment_at(micros: int) -> datetime:
    """Return the moment so many microseconds after 1970, in UTC."""
    return EPOCH + micros * _MICRO


def offset_steps(zone: zoneinfo.ZoneInfo, low: int, high: int, *, on_clock: bool = False) -> list[tuple[int, int]]:
    """Return how far a zone's clock is from UTC between two moments, as steps that add up.

    Args:
        zone: whose clock.
        low: microseconds since 1970, in UTC, or ``on_clock`` as the clock shows them.
        high: the same, not below ``low``.
        on_clock: a time that the clock shows twice is the first of the two, as everywhere in Python.

    Returns:
        (from when on, change of the offset in microseconds), the first from ``low``.

    >>> paris = zoneinfo.ZoneInfo("Europe/Paris")
    >>> [change // 3_600_000_000 for _, change in offset_steps(paris, 1767225600_000000, 1798761600_000000)]
    [1, 1, -1]
    """

    def offset(micros: int) -> int:
        at = moment_at(micros)
        local = at.replace(tzinfo=zone) if on_clock else at.astimezone(zone)
        return (local.utcoffset() or timedelta()) // _MICRO

    steps = [(low, offset(low))]
    last, known = low, steps[0][1]
    while last < high:
        then = min(last + _DAY, high)  # no clock changes twice in a day
        if offset(then) != known:
            then = _first_change(offset, known, last, then)
            steps.append((then, offset(then) - known))
            known += steps[-1][1]
        last = then
    return steps


def _first_change(offset: Callable[[int], int], known: int, before: int, after: int) -> int:
    """Return the first moment at which an offset is another, as it is at ``after`` and not at ``before``."""
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (middle, after) if offset(middle) == known else (before, middle)
    return after
