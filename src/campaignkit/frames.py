"""Any dataframe in, cells out: one GROUP BY, run lazily by the frame's own engine.

Through narwhals, in the dialect that all its engines share: values are prepared as columns,
then grouped, then only ``len``, ``count``, ``sum``, ``min``, ``max`` and ``n_unique`` are asked
for. What may be wrong with a column is asked for in the same breath, because a second look
costs as much as it saves. Money and latency are small GROUP BYs of their own, because as keys of
the first they would multiply its groups. Nothing is copied that is not asked for; enums and
categoricals stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

import narwhals as nw

from campaignkit.cells import (
    MEASURES,
    PEOPLE_NEED,
    Cell,
    Group,
    People,
    PeopleCounts,
    Sums,
    Tally,
    cause,
    make_cell,
    unmeasured_of,
)
from campaignkit.engines import named_gaps, open_frame
from campaignkit.errors import InvalidColumn, nearest
from campaignkit.grouping import Derived, moment_at
from campaignkit.latency import LATENCY_STEP, NEGATIVE_LATENCY
from campaignkit.models import (
    COUNT_COLUMNS,
    MICROS,
    MOMENT_COLUMNS,
    MONEY_COLUMNS,
    NEVER_HANDED_OFF,
    MoneyKey,
    Status,
    parse_currency,
)
from campaignkit.rows import NEGATIVE_PRICES, asked_columns
from campaignkit.source import Source, as_number, not_finite, plain, refusal

_CELL_COLUMNS: Final = ("status", "carrier", "error_code", "skip_reason")
_BY_PERSON: Final = "people are counted by it; fill it, or leave people= out"
_BY_STEPS: Final = "contacts are told apart by it; fill it, or leave steps= out"
_FINITE: Final = "money must be finite; use null for unknown"
_MOST_MICROS: Final = 10**9 * MICROS
# Each is of people who also are in the one before.
_LEVELS: Final = ("recipients", "unique_sends", "unique_deliveries")


def tally_frame(
    frame: Any,
    *,
    by: tuple[str | Derived, ...] = (),
    columns: Mapping[str, str] | None = None,
    carrier: str | None = None,
    people: People | None = None,
    timezone: str | None = None,
) -> Tally:
    """Return the table of cells of a frame, eager or lazy.

    Raises:
        InvalidColumn: a column is missing, has nulls where it counts, or the wrong type.
        UnknownStatus: a status word that neither the carrier nor we know.
        UnsupportedFrame: the engine cannot do something that is needed.
    """
    lazy = open_frame(frame)
    with named_gaps(lazy):
        source = Source(
            lazy,
            by=by,
            columns=columns or {},
            carrier=carrier,
            timezone=timezone,
            asked=asked_columns(by, people),
        )
        look = _look(source, people)
        cells = _read_cells(source, look)
        return Tally(
            by=source.by,
            cells=cells,
            money=_money(source),
            latency=_latency(source),
            people=_people(source, people, look.counted, cells) if people else {},
            unmeasured=unmeasured_of(look.counted, cells, people),
            as_of=look.latest,
        )


def latest_by(
    frame: Any, by: str, column: str, *, columns: Mapping[str, str] | None = None, timezone: str | None = None
) -> dict[Any, datetime]:
    """Return the latest moment of a column for each value of another; without those that have none.

    Raises:
        InvalidColumn: a column is missing, or has no moments.
    """
    lazy = open_frame(frame)
    with named_gaps(lazy):
        source = Source(lazy, by=(by,), columns=columns or {}, timezone=timezone, asked=(by, column))
        if column not in source:
            return {}
        moments = source.frame.select(*source.keys(), source.moment(column).alias("us"))
        table = source.collect(moments.group_by(*source.grouped).agg(nw.col("us").max()))
        found = ((source.group(row[:-1])[0], plain(row[-1])) for row in table.iter_rows())
        return {group: moment_at(int(micros)) for group, micros in found if micros is not None}


def names_and_span(
    frame: Any,
    names: Iterable[str],
    column: str,
    *,
    columns: Mapping[str, str] | None = None,
    timezone: str | None = None,
) -> tuple[dict[str, frozenset[Any]], tuple[datetime, datetime] | None]:
    """Return the values of some columns, none of those that are not there, and the first and last moment of another.

    Raises:
        InvalidColumn: the moments are none.
    """
    lazy = open_frame(frame)
    with named_gaps(lazy):
        source = Source(lazy, by=(), columns=columns or {}, timezone=timezone, asked=(*names, column))
        found = {}
        for name in names:
            there = source.theirs(name) in source.schema
            values = source.collect(source.frame.select(source.theirs(name)).unique()).iter_rows() if there else ()
            found[name] = frozenset(plain(value) for (value,) in values)
        span = source.spans([column]).get(column)
        return found, None if span is None else (moment_at(span[0]), moment_at(span[1]))


def steps_handed_off(
    frame: Any,
    *,
    columns: Mapping[str, str] | None = None,
    carrier: str | None = None,
    timezone: str | None = None,
) -> dict[int, int]:
    """Return how many contacts were handed how many of their steps, from ``contact_id`` and ``step``.

    Raises:
        InvalidColumn: a column is missing, or a contact is null.
    """
    lazy = open_frame(frame)
    with named_gaps(lazy):
        asked = ("contact_id", "step")
        source = Source(lazy, by=(), columns=columns or {}, carrier=carrier, timezone=timezone, asked=asked)
        for name in asked:
            _check_there(source, name, "to follow people through a sequence")
        _read_cells(source, _look(source, People("contact_id", ())))  # to meet the words
        contact, step = source.col("contact_id").alias("contact"), source.col("step").alias("step")
        handed = source.frame.filter(source.where("unique_sends")).select(contact, step).unique()
        each = handed.group_by("contact").agg(nw.len().alias("steps"))
        table = source.collect(each.group_by("steps").agg(nw.len().alias("n")).select("steps", "n"))
        found = {int(steps): int(n) for steps, n in table.iter_rows()}
        contacts = int(source.collect(source.frame.select(contact.n_unique())).item())
        return {0: contacts - sum(found.values()), **found}


# --- the one GROUP BY --------------------------------------------------------------------------


_Asked = tuple[str, str, Callable[[nw.Expr], nw.Expr]]
"""What a number of each group is called, the prepared column it is made from, and how."""


class _Look(NamedTuple):
    """What the one GROUP BY found: rows, where each of their columns is, and what was counted."""

    rows: Sequence[tuple[Any, ...]]
    places: Mapping[str, int]
    counted: tuple[str, ...]
    latest: datetime | None

    def column(self, name: str) -> Iterator[Any]:
        """Yield the values of a column, as plain Python."""
        place = self.places[name]
        return (plain(row[place]) for row in self.rows)

    def total(self, name: str) -> int:
        """Return the sum of a column."""
        return sum(map(int, self.column(name)))


def _look(source: Source, people: People | None) -> _Look:
    """Return the GROUP BY of everything that is counted, checked.

    Columns of numbers that are null in every row are from here on as if they were not there.

    Raises:
        InvalidColumn: naming the column and the first row.
    """
    kept = [name for name in _CELL_COLUMNS if name in source and not (name == "carrier" and source.carrier)]
    counts = [name for name in COUNT_COLUMNS if name in source]
    money = [name for name in MONEY_COLUMNS if name in source]
    moments = [name for name in MOMENT_COLUMNS if name in source]
    persons = [] if people is None else [people.column]
    for name in persons:
        _check_there(source, name, "to tell people apart")
    columns = {f"key {name}": source.col(name) for name in kept}
    columns |= {f"raw {name}": source.col(name) for name in (*counts, *money, *persons)}
    asked: list[_Asked] = [(f"given {each}", f"raw {each}", nw.Expr.count) for each in (*counts, *money, *persons)]
    if "sent_at" in source:
        columns["raw sent_at"] = source.col("sent_at")
        asked.append(("given sent_at", "raw sent_at", nw.Expr.count))
    for name in counts:
        columns |= _columns_of(source, name)
        asked += _asked_of(source, name)
    for name in moments:
        columns[f"at {name}"] = source.moment(name)
        asked.append((f"last {name}", f"at {name}", nw.Expr.max))
    prepared = [*source.keys(), *(column.alias(name) for name, column in columns.items())]
    sums = [how(nw.col(column)).alias(name) for name, column, how in dict.fromkeys(asked)]
    grouped = [*source.grouped, *(f"key {name}" for name in kept)]
    table = source.collect(source.frame.select(*prepared).group_by(*grouped).agg(nw.len().alias("n"), *sums))
    look = _Look(table.rows(), {name: place for place, name in enumerate(table.columns)}, (), None)
    _check(source, look, counts)
    for name in persons:
        if look.total(f"given {name}") < look.total("n"):
            rule = _BY_PERSON if people and people.counts else _BY_STEPS
            raise source.refusal(name, source.col(name).is_null(), rule)
    for name in (*counts, *money):
        if look.rows and not look.total(f"given {name}"):
            source.leave_out(name)
    latest = [micros for name in moments for micros in look.column(f"last {name}") if micros is not None]
    return look._replace(
        counted=tuple(name for name in COUNT_COLUMNS if name in source),
        latest=moment_at(int(max(latest))) if latest else None,
    )


def _columns_of(source: Source, name: str) -> dict[str, nw.Expr]:
    """Return the columns to prepare of one column of counts, beside itself."""
    number = source.number(name)
    columns = {} if source.is_plain(name) else {f"number {name}": number}
    if len(MEASURES[name]) > 1:
        columns[f"flag {name}"] = as_number(number > 0)
    if source.is_inexact(name):
        columns[f"fraction {name}"] = as_number(number - number.round(0) != 0)
    return columns


def _asked_of(source: Source, name: str) -> Iterator[_Asked]:
    """Yield what is asked of a column of counts: its sums, and what shows that something is wrong with it."""
    number = f"raw {name}" if source.is_plain(name) else f"number {name}"
    yield f"sum {name}", number, nw.Expr.sum
    if len(MEASURES[name]) > 1:
        yield f"any {name}", f"flag {name}", nw.Expr.sum
    if source.is_inexact(name):
        yield f"odd {name}", f"fraction {name}", nw.Expr.sum
    if source.is_signed(name):
        yield f"least {name}", number, nw.Expr.min


def _check_there(source: Source, name: str, purpose: str) -> None:
    if source.theirs(name) not in source.schema:
        raise InvalidColumn(f"the frame has no {name!r} {purpose}; nearest: {nearest(name, source.schema)}")


def _check(source: Source, look: _Look, counts: Iterable[str]) -> None:
    """Refuse what cannot be counted, wherever it is.

    Raises:
        InvalidColumn: naming the column and the first row.
    """
    rows = look.total("n")
    if None in look.column("key status"):
        raise source.refusal("status", source.col("status").is_null(), "every message needs a status")
    for name in counts:
        given = look.total(f"given {name}")
        if not given:
            continue
        number = source.number(name)
        if given < rows:
            rule = "it is given for some messages only; fill it with 0 where nothing happened, or leave the column out"
            raise source.refusal(name, source.col(name).is_null(), rule)
        if f"odd {name}" in look.places and look.total(f"odd {name}"):
            raise source.refusal(name, number - number.round(0) != 0, "a count must be a whole number")
        if f"least {name}" in look.places and min(look.column(f"least {name}")) < 0:
            raise source.refusal(name, number < 0, "a count must be 0 or more")


def _read_cells(source: Source, look: _Look) -> dict[Group, dict[Cell, Sums]]:
    """Return the cells of the one GROUP BY, each once however its carriers, words and codes were written."""
    places = [look.places.get(name, -1) for name in _sums_of(look.counted, source)]
    width, keys = len(source.by), [look.places.get(f"key {name}", -1) for name in _CELL_COLUMNS]
    met: dict[tuple[Any, ...], tuple[Status, Cell]] = {}  # each distinct combination once, not in every group
    read: dict[Group, dict[Cell, Sums]] = {}
    for row in look.rows:
        raw = tuple(None if place < 0 else row[place] for place in keys)
        sums = Sums(*(0 if place < 0 else int(row[place]) for place in places))
        if raw not in met:
            met[raw] = _met(source, raw, sums)
        status, cell = met[raw]
        if status is Status.SKIPPED:
            _met(source, raw, sums)  # which may have been handed off in this group
        if sums.handed_off and status not in NEVER_HANDED_OFF:
            sums = sums._replace(handed_off=0)
        cells = read.setdefault(source.group(row[:width]), {})
        cells[cell] = cells[cell].plus(sums) if cell in cells else sums
    return read


def _met(source: Source, raw: tuple[Any, ...], sums: Sums) -> tuple[Status, Cell]:
    """Return the status and the cell of one combination, checked."""
    word, of, error_code, skip_reason = map(plain, raw)
    carrier, said, status = source.meet(of, str(word))
    code = cause(error_code, skip_reason, status)
    return status, make_cell(said, carrier, code, sums.n, sums.handed_off, ours_first=source.carrier is None)


def _sums_of(counted: Iterable[str], source: Source) -> Iterator[str]:
    """Yield, for each field of `Sums`, the column of the one GROUP BY that has it, or nothing."""
    held = {"n": "n", "handed_off": "given sent_at"}
    if "price" in source:
        held["priced"] = "given price"
    for name in counted:
        total, *messages = MEASURES[name]
        held |= {total: f"sum {name}", **dict.fromkeys(messages, f"any {name}")}
    return (held.get(field, "") for field in Sums._fields)


# --- the small tables beside -------------------------------------------------------------------


def _money(source: Source) -> dict[Group, dict[MoneyKey, int]]:
    """Return each group's money in millionths, by kind and currency."""
    kinds = [name for name in MONEY_COLUMNS if name in source]
    if not kinds:
        return {}
    if source.theirs("currency") not in source.schema:
        raise InvalidColumn(
            f"{source.theirs(kinds[0])!r} has no currency: add a 'currency' column, or name theirs in columns="
        )
    prepared, sums = [*source.keys(), source.col("currency").alias("currency")], []
    for name in kinds:
        prepared += [source.micros(name).alias(name), source.col(name).alias(f"given {name}")]
        sums += [nw.col(name).sum().alias(f"sum {name}"), nw.col(f"given {name}").count().alias(f"n {name}")]
        sums += [nw.col(name).min().alias(f"least {name}"), nw.col(name).max().alias(f"most {name}")]
        if source.is_inexact(name):
            prepared.append(as_number(not_finite(source.number(name))).alias(f"odd {name}"))
            sums.append(nw.col(f"odd {name}").sum().alias(f"endless {name}"))
    grouped = [*source.grouped, "currency"]
    table = source.collect(source.frame.select(*prepared).group_by(*grouped).agg(*sums))
    money: dict[Group, dict[MoneyKey, int]] = {}
    for row in table.iter_rows(named=True):
        group = source.group(tuple(row[name] for name in source.grouped))
        for name in kinds:
            if not row[f"n {name}"]:
                continue
            _check_money(source, name, row)
            key = (MONEY_COLUMNS[name], parse_currency("currency", plain(row["currency"])))
            table_of = money.setdefault(group, {})
            table_of[key] = table_of.get(key, 0) + int(row[f"sum {name}"])
    return money


def _check_money(source: Source, name: str, row: Mapping[str, Any]) -> None:
    if row.get(f"endless {name}"):
        raise source.refusal(name, not_finite(source.number(name)), _FINITE)
    if row[f"least {name}"] < 0:
        raise InvalidColumn(
            f"{source.theirs(name)!r} has negative amounts: give carrier= if the carrier writes charges so"
            f" ({', '.join(sorted(NEGATIVE_PRICES))}), or negate them"
        )
    if row[f"most {name}"] > _MOST_MICROS:
        raise InvalidColumn(f"{source.theirs(name)!r} has amounts above 1,000,000,000: check its unit")


def _latency(source: Source) -> dict[Group, dict[int, int]]:
    """Return how many messages took how long from sending to delivery, by bucket."""
    if "sent_at" not in source or "delivered_at" not in source:
        return {}
    elapsed = (source.moment("delivered_at") - source.moment("sent_at")).alias("us")
    timed = source.frame.select(*source.keys(), elapsed).filter(~nw.col("us").is_null())
    milliseconds = nw.col("us").clip(1000, None) // 1000
    steps = milliseconds.log(LATENCY_STEP).floor().cast(nw.Int64)
    below = as_number(nw.col("us") < 0)
    counted = timed.with_columns(bucket=steps * (1 - below) + below * NEGATIVE_LATENCY)
    grouped = [*source.grouped, "bucket"]
    table = source.collect(counted.group_by(*grouped).agg(nw.len().alias("n")).select(*grouped, "n"))
    latency: dict[Group, dict[int, int]] = {}
    for *group, bucket, n in table.iter_rows():
        latency.setdefault(source.group(tuple(group)), {})[int(bucket)] = int(n)
    return latency


# --- people ------------------------------------------------------------------------------------


def _people(
    source: Source, asked: People, counted: tuple[str, ...], groups: Iterable[Group]
) -> dict[Group, PeopleCounts]:
    """Return distinct people by group: whoever has at least one message of the kind."""
    levels = [name for name in asked.counts if name not in PEOPLE_NEED]
    flags = [name for name in asked.counts if PEOPLE_NEED.get(name) in counted]
    if levels and not source.frame.implementation.is_pyarrow():
        found = _by_person(source, asked.column, levels, flags)
    else:
        found = {name: _distinct(source, asked.column, name) for name in (*levels, *flags)}
    return {group: PeopleCounts(**{name: counts.get(group, 0) for name, counts in found.items()}) for group in groups}


def _by_person(source: Source, person: str, levels: list[str], flags: list[str]) -> dict[str, dict[Group, int]]:
    """Count every kind in one GROUP BY of people: the quickest where each row may count, but in pyarrow."""
    sends, deliveries = (as_number(source.where(name), nw.Int8) for name in _LEVELS[1:])
    prepared = [*source.keys(), source.col(person).alias("person"), (sends + deliveries).alias("reached")]
    prepared += [as_number(source.where(name), nw.Int8).alias(name) for name in flags]
    marks, width = ["reached", *flags], len(source.by)
    people = source.frame.select(*prepared).group_by(*source.grouped, "person").agg(nw.col(*marks).max())
    grouped = [*source.grouped, *marks]
    table = source.collect(people.group_by(*grouped).agg(nw.len().alias("n")).select(*grouped, "n"))
    found: dict[str, dict[Group, int]] = {name: {} for name in (*levels, *flags)}
    for row in table.iter_rows():
        group, marked = source.group(row[:width]), dict(zip(marks, map(int, row[width:-1]), strict=True))
        for name, counts in found.items():
            if marked["reached"] >= _LEVELS.index(name) if name in _LEVELS else marked[name]:
                counts[group] = counts.get(group, 0) + int(row[-1])
    return found


def _distinct(source: Source, person: str, name: str) -> dict[Group, int]:
    """Count the people of some messages: the quickest where few messages count, and always in pyarrow."""
    rows = source.frame.filter(source.where(name)).select(*source.keys(), source.col(person).alias("person"))
    people = nw.col("person").n_unique().alias("n")
    if not source.by:
        return {(): int(source.collect(rows.select(people)).item())}
    table = source.collect(rows.group_by(*source.grouped).agg(people).select(*source.grouped, "n"))
    return {source.group(row[:-1]): int(row[-1]) for row in table.iter_rows()}


def frame_rows(frame: Any) -> Iterator[dict[str, Any]]:
    """Yield a frame's rows as mappings of plain Python values: nulls of every kind None, money Decimal."""
    lazy = open_frame(frame)
    schema = lazy.collect_schema()
    money = [name for name in MONEY_COLUMNS if name in schema and schema[name].is_float()]
    for name in money:
        if lazy.select(not_finite(nw.col(name)).any()).collect().item():
            raise refusal(lazy, name, not_finite(nw.col(name)), _FINITE)
    for row in lazy.collect().iter_rows(named=True):
        values = {name: plain(value) for name, value in row.items()}
        yield values | {name: Decimal(str(values[name])) for name in money if values[name] is not None}
