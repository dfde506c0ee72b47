"""The table of cells: how many messages stand in each, and nothing else.

    rows, frames, live streams ──► Tally {group: {Cell: Sums}} ──► metrics

However many messages there are, a group has about a hundred distinct cells. A cell holds
the carrier's own code; what it means is asked once for each distinct cell when the table is
read, so another profile or a newer code table needs no recount.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import attrs

from campaignkit.errors import InvalidColumn, InvalidValue, nearest
from campaignkit.models import MoneyKey, Status, parse_code
from campaignkit.verdicts import code_with_word, parse_status_word

Group = tuple[Any, ...]
"""The values of the ``by`` columns; the empty tuple when nothing is grouped."""


class Cell(NamedTuple):
    """What messages counted together have in common.

    Attributes:
        status: one of `Status`.
        carrier: whose code it is.
        code: the carrier's error code as it wrote it, or the reason a message was skipped;
            ``@word`` where only the carrier's status word tells the cause.
    """

    status: str
    carrier: str | None = None
    code: str | None = None


class Sums(NamedTuple):
    """What adds up over the messages of one cell.

    ``handed_off`` counts messages that carry ``sent_at`` although their status alone does
    not say that a carrier ever took them. ``replied``, ``clicked``, ``converted`` count
    messages; ``replies``, ``clicks``, ``orders`` count events.
    """

    n: int = 0
    handed_off: int = 0
    segments: int = 0
    replies: int = 0
    replied: int = 0
    stop_replies: int = 0
    clicks: int = 0
    clicked: int = 0
    opted_out: int = 0
    orders: int = 0
    converted: int = 0
    assisted_orders: int = 0
    priced: int = 0

    def plus(self, other: Sums) -> Sums:
        """Return the sums of both."""
        return Sums(*map(int.__add__, self, other))


MEASURES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "segments": ("segments",),
        "replies": ("replies", "replied"),
        "stop_replies": ("stop_replies",),
        "clicks": ("clicks", "clicked"),
        "opted_out": ("opted_out",),
        "orders": ("orders", "converted"),
        "assisted_orders": ("assisted_orders",),
        "price": ("priced",),
    }
)
"""For each column of messages, the sums that need it."""

EVENTS: Final = Cell("")
"""The cell that holds what event tables add: no message, so every count of messages is 0."""


# --- tally -------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class PeopleCounts:
    """Distinct people, each the OR of their messages in the group. They do not add over groups.

    Attributes:
        recipients: people who have any message in the data, sent or not.
        unique_sends: people who were sent at least one message.
        unique_deliveries: people who got at least one message.
        repliers: people who answered at least once.
        clickers: people who clicked at least once.
        unsubscribers: people who opted out.
        converters: people who ordered at least once.
    """

    recipients: int | None = None
    unique_sends: int | None = None
    unique_deliveries: int | None = None
    repliers: int | None = None
    clickers: int | None = None
    unsubscribers: int | None = None
    converters: int | None = None


PEOPLE_COUNTS: Final = tuple(field.name for field in attrs.fields(PeopleCounts))

PEOPLE_NEED: Final[Mapping[str, str]] = MappingProxyType(
    {"repliers": "replies", "clickers": "clicks", "unsubscribers": "opted_out", "converters": "orders"}
)
"""For each count of people, the column of messages it is made from; the others need the status."""


def _people_names(names: Iterable[str]) -> tuple[str, ...]:
    asked = tuple(names)
    for name in asked:
        if name not in PEOPLE_COUNTS:
            raise InvalidValue(f"people count is {name!r}: not one we know; nearest: {nearest(name, PEOPLE_COUNTS)}")
    return asked


@attrs.frozen
class People:
    """What to count of people: ``people="contact_id"`` is short for all of it.

    Attributes:
        column: the column that tells one person from another.
        counts: names of `PeopleCounts`. Repliers, clickers, unsubscribers and converters are
            cheap on a frame, because few rows have them; the others look at every row.
    """

    column: str
    counts: tuple[str, ...] = attrs.field(default=PEOPLE_COUNTS, converter=_people_names)


@attrs.frozen(kw_only=True)
class Tally:
    """The table of cells: additive, small, and all that a summary needs.

    Attributes:
        by: the names of the grouping columns.
        cells: group to cell to sums.
        money: group to (kind, currency) to millionths of the currency's unit.
        latency: group to bucket to messages.
        people: group to distinct people, when they were asked for.
        unmeasured: column to the reason why what needs it is None.
        as_of: the latest moment in the data, or the caller's.
    """

    by: tuple[str, ...] = ()
    cells: Mapping[Group, Mapping[Cell, Sums]] = attrs.field(factory=dict)
    money: Mapping[Group, Mapping[MoneyKey, int]] = attrs.field(factory=dict)
    latency: Mapping[Group, Mapping[int, int]] = attrs.field(factory=dict)
    people: Mapping[Group, PeopleCounts] = attrs.field(factory=dict)
    unmeasured: Mapping[str, str] = attrs.field(factory=dict)
    as_of: datetime | None = None

    def __add__(self, other: Tally) -> Tally:
        """Return the table of both sets of messages; a message must not be in both.

        People are left out, because the same person may be in both.

        Raises:
            InvalidValue: the two are grouped differently.
        """
        as_of = max(filter(None, (self.as_of, other.as_of)), default=None)
        if not self.cells or not other.cells:
            return attrs.evolve(self if self.cells else other, as_of=as_of)
        if self.by != other.by:
            raise InvalidValue(f"cannot add a tally by {self.by} to one by {other.by}: group both the same way")
        unmeasured = {**self.unmeasured, **other.unmeasured}
        if "price" not in self.unmeasured or "price" not in other.unmeasured:
            unmeasured.pop("price", None)  # unlike a count, a price may be given for some messages only
        if self.people or other.people:
            unmeasured["people"] = "people do not add over tallies; count them over all messages at once"
        return Tally(
            by=self.by,
            cells=add_nested(self.cells, other.cells, Sums.plus),
            money=add_nested(self.money, other.money, int.__add__),
            latency=add_nested(self.latency, other.latency, int.__add__),
            unmeasured=unmeasured,
            as_of=as_of,
        )

    def total(self) -> Tally:
        """Return the table without groups. People are left out, because the same person may be in several."""
        return self.narrow()

    def narrow(self, *by: str) -> Tally:
        """Return the table grouped by some of its columns only. People are left out, as in `total`."""
        if by == self.by:
            return self
        places = [self.by.index(name) for name in by]

        def narrowed(table: Mapping[Group, Mapping[Any, Any]], add: Any) -> dict[Group, Any]:
            return regrouped(table, lambda group: tuple(group[place] for place in places), add)

        return Tally(
            by=by,
            cells=narrowed(self.cells, Sums.plus),
            money=narrowed(self.money, int.__add__),
            latency=narrowed(self.latency, int.__add__),
            unmeasured={"people": "people do not add over groups; ask again without by=", **self.unmeasured},
            as_of=self.as_of,
        )

    def select(self, wanted: Callable[[Group], bool]) -> Tally:
        """Return the table of some of the groups."""

        def kept(table: Mapping[Group, Any]) -> dict[Group, Any]:
            return {group: value for group, value in table.items() if wanted(group)}

        return attrs.evolve(
            self,
            cells=kept(self.cells),
            money=kept(self.money),
            latency=kept(self.latency),
            people=kept(self.people),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the table as plain JSON-ready values; `from_dict` reads it back.

        Raises:
            InvalidValue: a group value is not text, a number, a bool or None.
        """
        for group in self.cells:
            for value in group:
                if value is not None and not isinstance(value, str | int | float):
                    raise InvalidValue(f"group value {value!r} cannot be written: convert it to text first")
        return {
            "by": list(self.by),
            "cells": [[*group, *cell, *sums] for group, cells in self.cells.items() for cell, sums in cells.items()],
            "money": [[*group, *key, micros] for group, sums in self.money.items() for key, micros in sums.items()],
            "latency": [[*group, bucket, n] for group, counts in self.latency.items() for bucket, n in counts.items()],
            "people": [[*group, *attrs.astuple(people)] for group, people in self.people.items()],
            "unmeasured": dict(self.unmeasured),
            "as_of": self.as_of.isoformat() if self.as_of else None,
        }

    @classmethod
    def from_dict(cls, written: Mapping[str, Any]) -> Tally:
        """Return the table that `to_dict` wrote."""
        width = len(written["by"])
        cells: dict[Group, dict[Cell, Sums]] = {}
        money: dict[Group, dict[MoneyKey, int]] = {}
        latency: dict[Group, dict[int, int]] = {}
        for row in written["cells"]:
            cell, sums = Cell(*row[width : width + 3]), Sums(*row[width + 3 :])
            cells.setdefault(tuple(row[:width]), {})[cell] = sums
        for *group, kind, currency, micros in written["money"]:
            money.setdefault(tuple(group), {})[kind, currency] = micros
        for *group, bucket, n in written["latency"]:
            latency.setdefault(tuple(group), {})[bucket] = n
        return cls(
            by=tuple(written["by"]),
            cells=cells,
            money=money,
            latency=latency,
            people={
                tuple(row[:width]): PeopleCounts(**dict(zip(PEOPLE_COUNTS, row[width:], strict=True)))
                for row in written["people"]
            },
            unmeasured=written["unmeasured"],
            as_of=datetime.fromisoformat(written["as_of"]) if written["as_of"] else None,
        )


def _merge(tables: Iterable[Mapping[Any, Any]], add: Any) -> dict[Any, Any]:
    merged: dict[Any, Any] = {}
    for table in tables:
        for key, value in table.items():
            merged[key] = add(merged[key], value) if key in merged else value
    return merged


def regrouped(
    table: Mapping[Group, Mapping[Any, Any]], key: Callable[[Group], Group], add: Any
) -> dict[Group, dict[Any, Any]]:
    """Return a table whose groups are those that ``key`` makes of another's, with ``add`` where they meet."""
    merged: dict[Group, dict[Any, Any]] = {}
    for group, values in table.items():
        into = merged.setdefault(key(group), {})
        for name, value in values.items():
            into[name] = add(into[name], value) if name in into else value
    return merged


def add_nested(one: Mapping[Any, Mapping[Any, Any]], other: Mapping[Any, Mapping[Any, Any]], add: Any) -> Any:
    """Return two tables of tables as one, with ``add`` where both have a value."""
    return {group: _merge((one.get(group, {}), other.get(group, {})), add) for group in {**one, **other}}


def unmeasured_of(
    counted: Iterable[str], cells: Mapping[Group, Mapping[Cell, Sums]], people: People | None
) -> dict[str, str]:
    """Return, for each column the data did not give, the reason why its counts are None."""
    given = set(counted)
    reasons = {column: f"no {column} in the data" for column in MEASURES if column not in given}
    if any(sums.priced for each in cells.values() for sums in each.values()):
        reasons.pop("price", None)
    if people is None:
        reasons["people"] = 'not asked for; give people="contact_id"'
    return reasons


MOST_CELLS: Final = 50_000


def check_size(tally: Tally) -> None:
    """Warn about a table of more than 50,000 cells; refuse one of a tenth of the messages.

    Raises:
        InvalidValue: the grouping makes the table as large as the data.
    """
    cells, by = tally.cells, tally.by
    size = sum(map(len, cells.values()))
    if size <= MOST_CELLS:
        return
    widest = max(range(len(by)), key=lambda place: len({group[place] for group in cells}), default=None)
    where = "" if widest is None else f"; {by[widest]!r} has {len({group[widest] for group in cells}):,} values"
    messages = sum(sums.n for each in cells.values() for sums in each.values())
    sentence = f"by={list(by)} makes {size:,} cells of {messages:,} messages{where}"
    if size * 10 > messages:
        raise InvalidValue(f"{sentence}: group by something coarser, or filter first")
    warnings.warn(f"{sentence}; a coarser grouping would be faster to read", stacklevel=3)


# --- making a cell -----------------------------------------------------------------------------


def carrier_name(value: object) -> str | None:
    """Return a carrier in our spelling; None for nulls of any kind and for empty text."""
    if value is None or value != value:  # noqa: PLR0124 - NaN is not itself
        return None
    return str(value).strip().lower() or None


def cause(code: object, skip_reason: object, status: Status) -> str | None:
    """Return what a cell keeps as code: the carrier's, or why the message was skipped.

    Raises:
        InvalidValue: a reason for skipping a message that was not skipped.
    """
    reason = parse_code(skip_reason)
    if reason is not None and status is not Status.SKIPPED:
        raise InvalidValue(
            f'skip_reason is {reason!r} where the status is {status.value}: give status="skipped" with it, or no reason'
        )
    return parse_code(code) or reason


def make_cell(status: object, carrier: object, code: str | None, n: int, taken: int, *, ours_first: bool) -> Cell:
    """Return the cell of one distinct combination, checked; the status is ours, the code raw.

    Raises:
        UnknownStatus: neither the carrier nor we know the word.
        InvalidColumn: skipped messages that were handed off.
    """
    name, word = carrier_name(carrier), status if isinstance(status, Status) else str(status)
    meaning = parse_status_word(name, word, ours_first=ours_first)
    if meaning.status is Status.SKIPPED and taken:
        raise InvalidColumn(
            f"sent_at is present in {taken:,} of {n:,} skipped messages: a skipped message was never"
            " handed over; correct their status or leave sent_at empty"
        )
    return Cell(meaning.status.value, name, code_with_word(name, code, word, meaning))
