"""What a report asks of any rows, each time reading them as seldom as possible.

    rows ──look──► names, first and last sending ──► one tally by all names at once ──► by this, by that
                                            └──────► a tally for each, where one would be too large

Many rows are read to see which names there are, to count by them, and to count by time.
Time stays by itself: with it the one tally would have nearly a group for each message.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs

from campaignkit.cells import Cell, Group, People, Sums, Tally, add_nested, make_cell, regrouped
from campaignkit.charts import Unit, start_of, unit_of
from campaignkit.errors import InvalidValue
from campaignkit.grouping import EVEN_OFFSETS, QUARTER, Derived, Since, TimeBucket, by_name, parse_zone
from campaignkit.models import CellKey, Message
from campaignkit.rows import attribute, is_frame, not_null
from campaignkit.summary import cells_of, tally

NAMES: Final = ("campaign_id", "sender", "variant", "list_id", "account_id")
"""Columns whose values a report names."""

MOST_GROUPS: Final = 5_000
"""A report breaks down unasked only by columns with at most so many values."""

_MOST_JOINED: Final = 2_000
_RECENT: Final = timedelta(days=30)


@attrs.frozen(kw_only=True)
class Survey:
    """Rows, and what there is to see of them at first sight. Make it with `survey`.

    Attributes:
        rows: a tuple or a frame, to be read again.
        reading: ``columns``, ``carrier`` and ``timezone``, as for `summarize`.
        events: tables of replies, clicks, opt-outs and orders, by the name of their argument.
        people: as for `summarize`.
        as_of: as for `summarize`.
        names: for each of `NAMES`, the values there are.
        span: the first and the last sending, None where no message has a time.
        zone: whose clock hours and days are of.
        by: what to break down by.
    """

    rows: Any
    reading: Mapping[str, Any]
    events: Mapping[str, tuple[Any, ...]]
    people: str | People | None
    as_of: datetime | None
    names: Mapping[str, frozenset[Any]]
    span: tuple[datetime, datetime] | None
    zone: str
    by: tuple[str | Derived, ...]
    _asked: tuple[str | Derived, ...]
    _joined: tuple[str, ...]
    _moments: Sequence[Any]

    @property
    def unit(self) -> Unit:
        """How long the bars of its time should last."""
        return "hour" if self.span is None else unit_of(*self.span)

    @property
    def bucket(self) -> TimeBucket:
        """The hours or days of sending."""
        return _bucket(self.unit, self.zone)

    def tally(self, *by: str | Derived) -> Tally:
        """Return the table of cells, grouped."""
        if self._joined and {*by} <= {*self._joined}:
            return self._joint.narrow(*map(by_name, by))
        events = self._events_with(by)
        return tally(self.rows, by=by, people=self.people, as_of=self.as_of, **self.reading, **events)

    @functools.cached_property
    def _joint(self) -> Tally:
        return tally(self.rows, by=self._joined, as_of=self.as_of, **self.reading)

    def _events_with(self, by: Iterable[str | Derived]) -> dict[str, Any]:
        """Return the event tables that can be grouped so, and those that the caller asked to."""
        unasked = [each if isinstance(each, str) else each.column for each in by if each not in self._asked]
        return {
            kind: table
            for kind, table in self.events.items()
            if not table or all(_has(table[0], column) for column in unasked)
        }

    def over_time(self) -> dict[datetime | None, Mapping[Cell, Sums]]:
        """Return the cells of each hour, day, month or year of sending, in order; None is for what has no time."""
        if self.span is None:
            return {}
        bucket, unit = self.bucket, self.unit
        found: Mapping[Group, Mapping[Cell, Sums]]
        if _are_messages(self.rows, self.reading) and self.span[0] >= EVEN_OFFSETS:
            found = _by_time(self.rows, self._moments, bucket)
        else:
            # Not a tally of its own, because a report over years has more days than a table should have groups.
            by: tuple[Any] = (bucket,)
            found = cells_of(self.rows, by=by, **self.reading)
        merged = regrouped(found, lambda group: (None if group[0] is None else start_of(group[0], unit),), Sums.plus)
        starts = sorted(start for (start,) in merged if start is not None)
        return {start: merged[start,] for start in (*starts, None) if (start,) in merged}

    def recent(self, by: str, as_of: datetime) -> Tally:
        """Return the messages of the 30 days before a moment, as the group True of each value of a column."""
        begin = as_of - _RECENT if as_of.year > 1 else as_of
        if self.span is None or self.span[0] < begin or not self._joined:
            return self.tally(by, Since("sent_at", begin))
        # All that has a time is recent; what has none is counted apart, because it is mostly little.
        timed = [at is not None for at in self._moments] if None in self._moments else ()
        timeless = tally([row for row, has in zip(self.rows, timed, strict=False) if not has], by=by, **self.reading)
        table = self.tally(by)
        cells = add_nested(table.cells, timeless.cells, lambda one, other: Sums(*map(int.__sub__, one, other)))
        return attrs.evolve(table, by=(by, "recent"), cells={(*group, True): each for group, each in cells.items()})


def first_of(rows: Any, most: int) -> Any:
    """Return the first rows; of a frame, a frame."""
    if not is_frame(rows):
        return list(itertools.islice(rows, most))
    import narwhals as nw  # noqa: PLC0415 - loaded with the first frame

    return nw.from_native(rows).head(most)


def survey(
    rows: Any,
    *,
    by: Iterable[str | Derived] | None,
    zone: str,
    columns: Mapping[str, str] | None = None,
    carrier: str | None = None,
    timezone: str | None = None,
    people: str | People | None = None,
    as_of: datetime | None = None,
    events: Mapping[str, Any],
) -> Survey:
    """Return what there is to see of rows at first sight.

    What the arguments are says `summarize`; ``by`` is None for variant and list, where there
    are several, and ``events`` are its event tables by the names of their arguments.
    """
    parse_zone(zone)
    reading = {"columns": columns, "carrier": carrier, "timezone": timezone}
    tables = {kind: _kept(kind, table) for kind, table in events.items() if table is not None}
    seen = _look_at_frame(rows, reading) if is_frame(rows) else _look_at_rows(rows, reading)
    wanted = _several(seen.names) if by is None else tuple(by)
    alone = is_frame(rows) or tables or people is not None
    return Survey(
        rows=seen.rows,
        reading=reading,
        events=tables,
        people=people,
        as_of=as_of,
        names=seen.names,
        span=seen.span,
        zone=zone,
        by=wanted,
        asked=() if by is None else wanted,
        joined=() if alone else _joined(seen, wanted),
        moments=seen.moments,
    )


def _several(names: Mapping[str, Collection[Any]]) -> tuple[str, ...]:
    return tuple(name for name in ("variant", "list_id") if 1 < len(names[name]) <= MOST_GROUPS)


@attrs.frozen
class _Look:
    """What one look showed: rows to read again, the names in them, the first and last sending, and each of rows."""

    rows: Any
    names: Mapping[str, frozenset[Any]]
    span: tuple[datetime, datetime] | None
    moments: Sequence[Any] = ()


def _joined(seen: _Look, by: Iterable[str | Derived]) -> tuple[str, ...]:
    """Return the names to count by at once: all that the report shows, unless there are too many combinations."""
    wanted = {*by, *(["account_id"] if seen.names["account_id"] - {None} else [])}
    names = tuple(name for name in NAMES if name in wanted)
    return names if math.prod(len(seen.names[name]) for name in names) <= _MOST_JOINED else ()


def _bucket(unit: Unit, zone: str) -> TimeBucket:
    return TimeBucket("sent_at", "hour" if unit == "hour" else "day", zone)


# --- the look ----------------------------------------------------------------------------------


def _look_at_rows(rows: Any, reading: Mapping[str, Any]) -> _Look:
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable):
        tally(rows)  # says what is wrong with it
    kept = tuple(rows)
    try:
        names = {name: frozenset(map(_taker(kept, name, reading), kept)) for name in NAMES}
        moments = list(map(_taker(kept, "sent_at", reading), kept))
        timed = [at for at in moments if isinstance(at, datetime)]
        span = _span(min(timed), max(timed), reading) if timed else None
    except (AttributeError, TypeError) as error:
        tally(kept, **reading)  # says which row is not like the others
        raise InvalidValue(f"rows cannot be grouped: {error}; give names as text or numbers") from None
    return _Look(kept, names, span, moments)


def _taker(rows: tuple[Any, ...], name: str, reading: Mapping[str, Any]) -> Callable[[Any], Any]:
    """Return what takes a column of ours from a row."""
    if not rows or _are_messages(rows, reading):
        return operator.attrgetter(name)
    theirs = (reading["columns"] or {}).get(name, name)
    if isinstance(rows[0], Mapping):
        return lambda row: not_null(row.get(theirs))
    return lambda row: not_null(attribute(row, theirs))


def _are_messages(rows: Any, reading: Mapping[str, Any]) -> bool:
    return isinstance(rows, tuple) and bool(rows) and isinstance(rows[0], Message) and not any(reading.values())


def _look_at_frame(frame: Any, reading: Mapping[str, Any]) -> _Look:
    from campaignkit.frames import names_and_span  # noqa: PLC0415 - narwhals is loaded with the first frame

    asked = {name: reading[name] for name in ("columns", "timezone")}
    return _Look(frame, *names_and_span(frame, NAMES, "sent_at", **asked))


def _span(first: datetime, last: datetime, reading: Mapping[str, Any]) -> tuple[datetime, datetime]:
    zone = parse_zone(reading["timezone"] or "UTC")
    ends = (each.replace(tzinfo=zone) if each.utcoffset() is None else each for each in (first, last))
    return next(ends), next(ends)


def _kept(kind: str, table: Any) -> tuple[Any, ...]:
    """Return an event table that can be read again."""
    if is_frame(table):
        from campaignkit.frames import frame_rows  # noqa: PLC0415 - the same

        return tuple(frame_rows(table))
    if isinstance(table, str | bytes | Mapping) or not isinstance(table, Iterable):
        asked: Any = {kind: table}
        tally((), **asked)  # says what is wrong with it
    return tuple(table)


def _has(row: Any, column: str) -> bool:
    return column in row if isinstance(row, Mapping) else hasattr(row, column)


# --- over time ---------------------------------------------------------------------------------


def _by_time(
    messages: tuple[Message, ...], moments: Sequence[Any], bucket: TimeBucket
) -> dict[Group, dict[Cell, Sums]]:
    """Return how many messages are in each cell of each bucket; what else `cells_of` sums up takes thrice the time."""
    facts = map(operator.attrgetter("facts_"), messages)
    if None in moments:
        quarters: Iterable[float | None] = (None if at is None else at.timestamp() // QUARTER for at in moments)
    else:
        quarters = map(QUARTER.__rfloordiv__, map(datetime.timestamp, moments))
    counted: defaultdict[tuple[datetime | None, CellKey], int] = defaultdict(int)
    for (quarter, each), n in Counter(zip(quarters, facts, strict=True)).items():
        at = None if quarter is None else datetime.fromtimestamp(quarter * QUARTER, UTC)
        counted[bucket.start(at), each.cell] += n
    found: dict[Group, dict[Cell, Sums]] = {}
    for (start, (status, carrier, code, early)), n in counted.items():
        taken = n if early else 0
        cells = found.setdefault((start,), {})
        cell = make_cell(status, carrier, code, n, taken, ours_first=True)
        cells[cell] = cells.get(cell, Sums()).plus(Sums(n=n, handed_off=taken))
    return found
