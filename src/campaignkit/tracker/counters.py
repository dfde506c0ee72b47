"""Counters: how many messages of a campaign stand in each cell, kept by differences, read as a `Tally`.

A message counts for what its row says. When a row changes, what the old one counted for is
taken away and what the new one counts for is added, so counters are never anything but the
sum of the rows; `differences` proves it.

A group holds every column that can be asked for, and the hour (UTC) of handing over. Whoever
asks for less gets the sum.
"""

from __future__ import annotations

import functools
import itertools
import json
import operator
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import attrs

from campaignkit.backends.storage.port import Key, Row, Transaction
from campaignkit.backends.storage.tables import AMOUNTS, COUNTERS, GROUP_BY, LATENCIES, Table
from campaignkit.cells import MEASURES, Cell, Group, Sums, Tally, unmeasured_of
from campaignkit.errors import InvalidColumn, InvalidValue, nearest
from campaignkit.grouping import EPOCH, By, Derived, by_columns, by_name, moment_at
from campaignkit.models import Message, Status
from campaignkit.rows import tally_rows
from campaignkit.tracker.stored import COUNTS, HOUR, as_json

_LAST_MICRO: Final = timedelta(hours=1) - timedelta(microseconds=1)
_FACTS: Final = ("status", "carrier", "error_code", "skip_reason", "segments", *COUNTS)
_TABLES: Final = (COUNTERS, AMOUNTS, LATENCIES)
_ADDED: Final[Mapping[str, tuple[str, ...]]] = {
    table.name: tuple(name for name in table.columns if name not in table.key and name != "campaign_id")
    for table in _TABLES
}

Numbers = dict[tuple[str, Key], dict[str, int]]
"""(table, key) to what stands in its columns."""


# --- what one message counts for -----------------------------------------------------------------


def counted(row: Row) -> Numbers:
    """Return what a message counts for; nothing until its campaign is known."""
    campaign, group = row["campaign_id"], group_of(row)
    if campaign is None:
        return {}
    priced = row["price"] is not None
    cell, sums = _cell_of(row["hour"] is not None, priced, _facts_of(row))
    numbers: Numbers = {(COUNTERS.name, (campaign, group, cell)): sums}
    if priced:
        numbers[AMOUNTS.name, (campaign, group, "cost", row["currency"])] = {"micros": row["price"]}
    for kind, currency, value in row["revenue"] or ():
        numbers[AMOUNTS.name, (campaign, group, kind, currency)] = {"micros": value}
    if row["latency"] is not None:
        numbers[LATENCIES.name, (campaign, group, row["latency"])] = {"n": 1}
    return numbers


COUNTED: Final = ("campaign_id", *GROUP_BY, "hour", *_FACTS, "price", "currency", "latency", "revenue")
"""Columns of messages that say what they count for."""

_facts_of: Final = operator.itemgetter(*_FACTS)
_group_of: Final = operator.itemgetter(*GROUP_BY, "hour")


def group_of(row: Row) -> str:
    """Return the group a message is counted in."""
    return _as_text(_group_of(row))


_as_text: Final = functools.lru_cache(maxsize=100_000, typed=True)(as_json)


@functools.lru_cache(maxsize=100_000)
def _cell_of(taken: bool, priced: bool, facts: tuple[Any, ...]) -> tuple[str, dict[str, int]]:  # noqa: FBT001
    """Return cell and sums of a message with these facts, as a tally of it alone has them."""
    given = dict(zip(_FACTS, facts, strict=True))
    skipped = given["status"] == Status.SKIPPED
    alone = Message(
        **given
        | {
            "opted_out": bool(given["opted_out"]),
            "skip_reason": given["skip_reason"] if skipped else None,
            "sent_at": EPOCH if taken else None,
            "price": Decimal(0) if priced else None,
            "currency": "XXX",  # no currency: a cell knows only that there is a price
        }
    )
    ((cell, sums),) = tally_rows([alone]).cells[()].items()
    counts = {name: value for name, value in sums._asdict().items() if value}
    return as_json(cell), counts | {"measured": int(given["segments"] is not None)}


# --- keeping them --------------------------------------------------------------------------------


@attrs.frozen
class Deltas:
    """What has to be added to counters."""

    numbers: dict[tuple[str, Key], defaultdict[str, int]] = attrs.field(factory=dict)

    def change(self, before: Numbers, after: Numbers) -> bool:
        """Take away what a message counted for, and add what it counts for now; return whether they differ."""
        if before == after:
            return False
        self.add(after)
        self.add(before, -1)
        return True

    def add(self, numbers: Numbers, factor: int = 1) -> None:
        """Add numbers."""
        for place, values in numbers.items():
            held = self.numbers.setdefault(place, defaultdict(int))
            for name, value in values.items():
                held[name] += factor * value

    def found(self) -> Numbers:
        """Return what is not zero."""
        kept = {place: {name: n for name, n in values.items() if n} for place, values in self.numbers.items()}
        return {place: values for place, values in kept.items() if values}

    def write(self, tx: Transaction) -> None:
        """Add everything to the counters that are stored, each table in the order of its keys."""
        found = sorted(self.found().items())
        for table in _TABLES:
            added = {key: values for (name, key), values in found if name == table.name}
            if added:
                tx.add(table, added)


def count_alike(alike: Iterable[tuple[tuple[Any, ...], int]]) -> Deltas:
    """Return what messages count for, of which so many have the same values in the columns `COUNTED`."""
    deltas = Deltas()
    for values, n in alike:
        deltas.add(counted(dict(zip(COUNTED, values, strict=True))), n)
    return deltas


def stored_counters(tx: Transaction, campaign: str) -> Numbers:
    """Return the counters of a campaign as they are stored, without zeros."""
    return {
        (table.name, table.key_of(row)): kept
        for table in _TABLES
        for row in tx.walk(table, where={"campaign_id": campaign})
        if (kept := {name: row[name] for name in _ADDED[table.name] if row[name]})
    }


@attrs.frozen(kw_only=True)
class Difference:
    """A counter that is not what its messages say.

    Attributes:
        table: ``counters``, ``amounts`` or ``latencies``.
        group: the values of `GROUP_BY`, and the hour of handing over.
        key: the cell; kind and currency; or the bucket of latency.
        column: what is counted.
        stored: what the counter says.
        counted: what the messages say.
    """

    campaign_id: str
    table: str
    group: Mapping[str, Any]
    key: tuple[Any, ...]
    column: str
    stored: int
    counted: int

    def __str__(self) -> str:
        where = ", ".join(f"{name}={value!r}" for name, value in self.group.items() if value is not None)
        return (
            f"{self.table} of {self.campaign_id!r} {self.key} [{where}]: {self.column} is {self.stored},"
            f" but its messages make {self.counted}"
        )


def differences(stored: Numbers, recounted: Numbers) -> list[Difference]:
    """Return every number that two tables do not agree on."""
    places = sorted({*stored, *recounted}, key=repr)
    return [
        _difference(place, column, one, other)
        for place in places
        for column in _ADDED[place[0]]
        if (one := stored.get(place, {}).get(column, 0)) != (other := recounted.get(place, {}).get(column, 0))
    ]


def _difference(place: tuple[str, Key], column: str, stored: int, recounted: int) -> Difference:
    table, (campaign, group, *rest) = place
    return Difference(
        campaign_id=campaign,
        table=table,
        group=dict(zip((*GROUP_BY, "hour"), _read_group(group), strict=True)),
        key=tuple(json.loads(rest[0])) if table == COUNTERS.name else tuple(rest),
        column=column,
        stored=stored,
        counted=recounted,
    )


# --- reading them --------------------------------------------------------------------------------


def read_counters(tx: Transaction, campaign: str, *, by: By, as_of: datetime | None) -> Tally:
    """Return the table of cells of a campaign, from its counters alone.

    Raises:
        InvalidColumn: counters are not kept by that column.
        InvalidValue: hours or days that do not consist of whole hours of UTC.
    """
    keys = by_columns(by)
    _check(keys)
    asked = _Asked(tx, campaign, keys)
    sums = _read_sums(asked)
    messages = sum(values[0] for of in sums.values() for values in of.values())
    measured = sum(values[-1] for of in sums.values() for values in of.values())
    names = tuple(map(by_name, keys))
    if not messages:
        return Tally(by=names)
    cells = {each: {cell: Sums(*values[:-1]) for cell, values in of.items()} for each, of in sums.items()}
    given = [name for name in MEASURES if name != "price" and (name != "segments" or measured == messages)]
    if measured != messages:
        cells = {each: {cell: n._replace(segments=0) for cell, n in of.items()} for each, of in cells.items()}
    return Tally(
        by=names,
        cells=cells,
        money=_read_added(asked, AMOUNTS, ("kind", "currency")),
        latency=_read_added(asked, LATENCIES, ("bucket",)),
        unmeasured=unmeasured_of(given, cells, None),
        as_of=as_of,
    )


class _Asked:
    """The counters of a campaign, in the groups that somebody asks for."""

    def __init__(self, tx: Transaction, campaign: str, keys: Sequence[str | Derived]) -> None:
        self._tx, self._where, self._keys = tx, {"campaign_id": campaign}, keys

    def rows(self, table: Table, names: Sequence[str]) -> Iterator[tuple[Group, Iterable[tuple[Any, ...]]]]:
        """Yield groups, one perhaps several times, each with rows that end in the rest of their key and the numbers."""
        numbers = _ADDED[table.name]
        if not self._keys:  # then the database adds up, and there are few
            yield (), self._tx.total(table, names, numbers, where=self._where)
            return
        rows = self._tx.select(table, ("group", *names, *numbers), where=self._where)
        for written, alike in itertools.groupby(rows, key=operator.itemgetter(0)):
            yield self._group(written), alike

    def _group(self, written: str) -> Group:
        return tuple(_value(each, written) for each in self._keys)


def _read_sums(asked: _Asked) -> Mapping[Group, Mapping[Cell, Sequence[int]]]:
    """Return the sums of each cell, and how many of its messages are measured."""
    found: defaultdict[Group, dict[Cell, Sequence[int]]] = defaultdict(dict)
    for group, rows in asked.rows(COUNTERS, ("cell",)):
        for row in rows:
            values = row[-len(_ADDED[COUNTERS.name]) :]
            if any(values):
                of, key = found[group], _read_cell(row[-1 - len(values)])
                of[key] = list(map(operator.add, of[key], values)) if key in of else values
    return found


def _read_added(asked: _Asked, table: Table, names: Sequence[str]) -> dict[Group, dict[Any, int]]:
    """Return what one number of a table adds up to, by the rest of its key."""
    key = operator.itemgetter(*range(-1 - len(names), -1))
    found: defaultdict[Group, defaultdict[Any, int]] = defaultdict(lambda: defaultdict(int))
    for group, rows in asked.rows(table, names):
        of = found[group]
        for row in rows:
            of[key(row)] += row[-1]
    kept = {group: {each: n for each, n in of.items() if n} for group, of in found.items()}
    return {group: of for group, of in kept.items() if of}


@functools.lru_cache(maxsize=10_000)
def _read_cell(written: str) -> Cell:
    return Cell(*json.loads(written))


def _check(keys: Iterable[str | Derived]) -> None:
    for each in keys:
        name = each if isinstance(each, str) else each.column
        if name not in (GROUP_BY if isinstance(each, str) else ("sent_at",)):
            known = [*GROUP_BY, "hours('sent_at', zone=...)"]
            raise InvalidColumn(
                f"by is {name!r}: counters are not kept by it; give one of {nearest(name, known)},"
                " or summarize(tracker.messages(campaign), by=...)"
            )


def _read_group(written: str) -> list[Any]:
    *values, hour = json.loads(written)
    return [*values, None if hour is None else moment_at(hour * HOUR)]


def _value(by: str | Derived, written: str) -> Any:
    """Return the value of one grouping column in a group as it is stored."""
    *values, hour = _read_group(written)
    if isinstance(by, str):
        return values[GROUP_BY.index(by)]
    if hour is None:
        return by.start(None)
    first = by.start(hour)
    if first != by.start(hour + _LAST_MICRO):
        raise InvalidValue(
            f"by is {by.name!r}: the hour from {hour:%Y-%m-%d %H:%M} UTC, by which counters are kept, is in two of its"
            " groups; take a zone that is whole hours off UTC, or summarize(tracker.messages(campaign), by=...)"
        )
    return first
