"""What a test asks of a frame beyond cells: its parts by nulls, single rows, repeated contacts, sums of flags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, Final

import narwhals as nw

from campaignkit.ab.reading import Flags, Reading, Sums
from campaignkit.engines import LazyFrame, collect, named_gaps, open_frame, reads_files, with_micros
from campaignkit.errors import InvalidColumn, nearest
from campaignkit.grouping import micros_of, moment_at
from campaignkit.models import parse_currency
from campaignkit.source import Source, as_number, plain, refusal

_FLAG_TYPES: Final = "true, false, or null where it is not yet known"


def parts_by_nulls(frame: Any, columns: Iterable[str]) -> Iterator[Any]:
    """Yield a frame apart by which of some columns are null: itself, where each is so in all rows or in none."""
    lazy = open_frame(frame)
    with named_gaps(lazy):
        schema = lazy.collect_schema()
        there = [name for name in columns if name in schema]
        nulls = [as_number(nw.col(name).is_null()).alias(f"null {name}") for name in there]
        if not there:
            yield frame
            return
        found = collect(lazy.select(*nulls).unique(), in_pieces=reads_files(lazy)).rows()
        if len(found) <= 1:
            yield frame
            return
        for pattern in sorted(tuple(map(int, row)) for row in found):
            part = lazy
            for name, null in zip(there, pattern, strict=True):
                part = part.filter(nw.col(name).is_null() if null else ~nw.col(name).is_null())
            yield part.to_native()


def rows_with(frame: Any, columns: Sequence[str], among: AbstractSet[Any] | None) -> Iterator[tuple[Any, ...]]:
    """Yield columns of the rows that have the first of them (``among`` these values); None for a column not there."""
    lazy = open_frame(frame)
    with named_gaps(lazy):
        schema = lazy.collect_schema()
        first, *_ = columns
        if first not in schema:
            return
        there = [name for name in dict.fromkeys(columns) if name in schema]
        wanted = ~nw.col(first).is_null() if among is None else nw.col(first).is_in(list(among))
        found = collect(lazy.filter(wanted).select(*there), in_pieces=reads_files(lazy))
        places = [there.index(name) if name in schema else -1 for name in columns]
        for row in found.iter_rows():
            yield tuple(None if place < 0 else plain(row[place]) for place in places)


def repeated(frame: Any, contact: str, variant: str) -> tuple[bool, tuple[Any, bool] | None]:
    """Return whether there is any contact, and one who is there twice: in several variants, or in one."""
    lazy = open_frame(frame)
    with named_gaps(lazy):
        schema = lazy.collect_schema()
        if contact not in schema or variant not in schema:
            return False, None
        named = lazy.filter(~nw.col(contact).is_null(), ~nw.col(variant).is_null())
        columns = named.select(nw.col(contact).alias("who"), nw.col(variant).alias("variant"))
        pairs = columns.group_by("who", "variant").agg(nw.len().alias("n"))
        # Not n_unique, which dask adds up over its partitions.
        groups = pairs.group_by("who").agg(nw.len().alias("variants"), nw.col("n").max().alias("most"))
        twice = collect(
            groups.filter((nw.col("variants") > 1) | (nw.col("most") > 1)).select("who", "variants").head(1)
        ).rows()
        if twice:
            return True, (plain(twice[0][0]), int(twice[0][1]) > 1)
        return bool(collect(named.select(contact).head(1)).rows()), None


def revenue_sums(frame: Any, reading: Reading) -> tuple[dict[Any, Sums], set[str]]:
    """Return, by variant, what the moments of revenue are made of, and the currencies it is in."""
    lazy = open_frame(frame)
    with named_gaps(lazy):
        names = ("revenue", "currency", reading.variant)
        source = Source(
            lazy,
            by=(reading.variant,),
            columns=reading.columns,
            carrier=reading.carrier,
            timezone=reading.timezone,
            asked=names,
        )
        if "revenue" not in source:
            return {}, set()
        rows = source.frame
        if reading.closed is not None:
            rows = rows.filter(source.moment("sent_at") <= micros_of(reading.closed))
        elif reading.before is not None:
            rows = rows.filter(~source.col("sent_at").is_null())
        y = source.number("revenue").cast(nw.Float64).fill_null(0.0)
        x = nw.lit(0.0) if reading.before is None else nw.col(reading.before).cast(nw.Float64).fill_null(0.0)
        currency = source.col("currency") if source.theirs("currency") in source.schema else nw.lit(None, nw.String)
        made = rows.select(*source.keys(), currency.alias("currency"), y.alias("y"), x.alias("x"))
        made = made.with_columns(
            yy=nw.col("y") * nw.col("y"), xx=nw.col("x") * nw.col("x"), xy=nw.col("x") * nw.col("y")
        )
        grouped = [*source.grouped, "currency"]
        sums = [nw.col(name).sum() for name in ("y", "yy", "x", "xx", "xy")]
        found: dict[Any, Sums] = {}
        currencies = set()
        columns = (*grouped, "n", "y", "yy", "x", "xx", "xy")
        for raw, unit, n, *totals in collect(
            made.group_by(*grouped).agg(nw.len().alias("n"), *sums).select(*columns)
        ).iter_rows():
            of_arm = found.setdefault(plain(raw), Sums())
            of_arm.join(int(n), *map(float, totals))
            if totals[0]:
                currencies.add(parse_currency("currency", plain(unit)))
        return found, currencies


def sending_span(frame: Any, column: str) -> tuple[datetime | None, datetime | None]:
    """Return the first and the last moment of a column.

    Raises:
        InvalidColumn: there is none of that name, or its moments name no zone.
    """
    lazy = open_frame(frame)
    with named_gaps(lazy):
        lazy, micros = _sent(lazy, column)
        table = collect(lazy.select(micros.min().alias("first"), micros.max().alias("last")))
        first, last = map(plain, table.row(0))
        return None if first is None else moment_at(int(first)), None if last is None else moment_at(int(last))


def _sent(lazy: LazyFrame, column: str) -> tuple[LazyFrame, nw.Expr]:
    schema = lazy.collect_schema()
    if column not in schema:
        raise InvalidColumn(f"the frame has no {column!r}, which a window needs; nearest: {nearest(column, schema)}")
    dtype = schema[column]
    if not isinstance(dtype, nw.Datetime) or dtype.time_zone is None:
        raise InvalidColumn(f"{column!r} is {dtype}: a window needs moments with a time zone; convert it first")
    lazy, micros = with_micros(lazy, [column])
    return lazy, micros[column]


def flag_sums(frame: Any, metrics: Mapping[str, str], reading: Reading) -> dict[Any, Flags]:
    """Return, by variant, its rows and the flags that are set: one pass over masks, without a GROUP BY."""
    lazy = open_frame(frame)
    with named_gaps(lazy):
        schema = lazy.collect_schema()
        columns = list(metrics.values())
        for name in (reading.variant, *columns):
            if name not in schema:
                raise InvalidColumn(f"the frame has no {name!r}; nearest: {nearest(name, schema)}")
        flags = {name: _flag(lazy, name, schema[name]) for name in columns}
        variant = nw.col(reading.variant)
        raws = _values(lazy, reading.variant, schema[reading.variant])
        arms = sorted((raw for raw in raws if plain(raw) is not None), key=str)
        closed = None
        if reading.closed is not None:
            lazy, sent = _sent(lazy, reading.theirs("sent_at"))
            closed = sent <= micros_of(reading.closed)
        asked = {}
        for place, raw in enumerate(arms):
            mask = variant == raw
            counted = mask if closed is None else mask & closed
            asked[f"rows {place}"] = mask
            asked[f"matured {place}"] = counted
            for metric, name in enumerate(columns):
                asked[f"n {place} {metric}"] = counted & ~nw.col(name).is_null()
                asked[f"x {place} {metric}"] = counted & flags[name]
        popcount = lazy.implementation.is_polars()
        sums = [(each.sum() if popcount else as_number(each).sum()).alias(name) for name, each in asked.items()]
        table = collect(lazy.select(*sums))
        row = dict(zip(table.columns, (int(plain(each) or 0) for each in table.row(0)), strict=True)) if arms else {}
    every = range(len(columns))
    return {
        plain(raw): Flags(
            row[f"rows {place}"],
            row[f"matured {place}"],
            [row[f"n {place} {metric}"] for metric in every],
            [row[f"x {place} {metric}"] for metric in every],
        )
        for place, raw in enumerate(arms)
        if row[f"rows {place}"]
    }


def _values(lazy: LazyFrame, name: str, dtype: Any) -> list[Any]:
    """Return what a column may hold; of an enum without looking, which takes as long as all the sums."""
    if isinstance(dtype, nw.Enum):
        return list(dtype.categories)
    return [value for (value,) in collect(lazy.select(name).unique()).iter_rows()]


def _flag(lazy: LazyFrame, name: str, dtype: Any) -> nw.Expr:
    """Return a column as flags.

    Raises:
        InvalidColumn: it holds something else.
    """
    column = nw.col(name)
    if dtype == nw.Boolean:
        return column
    if not dtype.is_numeric() and dtype != nw.Object:  # as pandas holds flags with nulls
        raise InvalidColumn(f"{name!r} is {dtype}: give {_FLAG_TYPES}")
    wrong = ~column.is_null() & (column != 0) & (column != 1)
    if collect(lazy.select(as_number(wrong).sum().alias("n"))).item():
        raise refusal(lazy, name, wrong, f"give {_FLAG_TYPES}")
    return column == 1
