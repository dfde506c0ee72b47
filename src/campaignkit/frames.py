"""Any dataframe in, cells out: one GROUP BY, run lazily by the frame's own engine.

Through narwhals, in the dialect that all its engines share: values are prepared as columns,
then grouped, then only ``len``, ``count``, ``sum`` and ``max`` are asked for. Money and
latency are small GROUP BYs of their own, because as keys of the first they would multiply
its groups. Nothing is copied that is not asked for; enums and categoricals stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

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
    carrier_name,
    cause,
    make_cell,
    unmeasured_of,
)
from campaignkit.errors import InvalidColumn, InvalidValue, nearest, shown
from campaignkit.grouping import Derived, TimeBucket, by_name, parse_zone
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
from campaignkit.rows import MESSAGE_COLUMNS, NEGATIVE_PRICES, asked_columns, check_columns
from campaignkit.verdicts import parse_status_word

_CELL_COLUMNS: Final = ("status", "carrier", "error_code", "skip_reason")
_FINITE: Final = "money must be finite; use null for unknown"
_MOST_MICROS: Final = 10**9 * MICROS
_UTC: Final = nw.Datetime("us", "UTC")
_Lazy = nw.LazyFrame[Any]
_Rule = tuple[str, nw.Expr | None, str]
"""A column of ours, what is wrong with a row of it (None: a null), and the rule that it breaks."""


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
    """
    source = _Source(frame, columns or {}, carrier, timezone, asked_columns(by, people))
    keys = source.keys(by)
    latest = source.check(people)
    counted = tuple(name for name in COUNT_COLUMNS if name in source)
    cells = source.cells(keys, counted)
    return Tally(
        by=tuple(keys),
        cells=cells,
        money=source.money(keys),
        latency=source.latency(keys),
        people=source.people(keys, people, counted, cells) if people else {},
        unmeasured=unmeasured_of(counted, cells, people),
        as_of=latest,
    )


class _Source:
    """A frame whose columns are known by our names."""

    def __init__(
        self,
        frame: Any,
        columns: Mapping[str, str],
        carrier: str | None,
        timezone: str | None,
        asked: Iterable[str],
    ) -> None:
        self.frame = _lazy(frame)
        self.schema = self.frame.collect_schema()
        self.carrier = carrier
        self.timezone = None if timezone is None else parse_zone(timezone).key
        check_columns(columns, self.schema, {*MESSAGE_COLUMNS, *asked})
        self._columns = columns
        self._void = self._columns_without_values()
        self._zones: list[ZoneInfo | None] = []
        self._groups: dict[tuple[Any, ...], Group] = {}
        if self.theirs("status") not in self.schema:
            raise InvalidColumn(
                f"the frame has no {self._columns.get('status', 'status')!r}: every message needs a status; give"
                f' columns={{"status": their name}}. Its columns: {", ".join(self.schema)}'
            )

    def __contains__(self, name: str) -> bool:
        return self.theirs(name) in self.schema and name not in self._void

    def _columns_without_values(self) -> frozenset[str]:
        """Return our columns that hold only nulls and so have no type: the same as not there."""
        untyped = [
            name
            for name in MESSAGE_COLUMNS
            if name != "status" and self.theirs(name) in self.schema and not _could_be(name, self.dtype(name))
        ]
        if not untyped:
            return frozenset()
        nulls = [self.col(name).null_count().alias(name) for name in untyped]
        look = self.frame.select(*nulls, nw.len().alias("n")).collect().row(0)
        return frozenset(name for name, count in zip(untyped, look, strict=False) if count == look[-1])

    def theirs(self, name: str) -> str:
        """Return the frame's name of a column of ours."""
        return self._columns.get(name, name)

    def col(self, name: str) -> nw.Expr:
        """Return a column by our name."""
        return nw.col(self.theirs(name))

    def dtype(self, name: str) -> Any:
        """Return a column's type by our name."""
        return self.schema[self.theirs(name)]

    def _carrier_of(self, value: Any) -> str | None:
        return self.carrier or carrier_name(value)

    def means(self, carrier: str | None, word: str) -> Status:
        """Return the status a word means: the carrier's own when ``carrier=`` says so, else ours first."""
        return parse_status_word(carrier, word, ours_first=self.carrier is None).status

    def keys(self, by: tuple[str | Derived, ...]) -> dict[str, nw.Expr]:
        """Return each grouping column's name with the expression that makes it."""
        keys = {}
        for each in by:
            name = each if isinstance(each, str) else each.column
            if self.theirs(name) not in self.schema:
                raise InvalidColumn(f"the frame has no {name!r} to group by; nearest: {nearest(name, self.schema)}")
            keys[by_name(each)] = self.col(each) if isinstance(each, str) else self._derived(each)
        self._zones = [parse_zone(each.zone) if isinstance(each, TimeBucket) else None for each in by]
        return keys

    def _derived(self, by: Derived) -> nw.Expr:
        if by.column in self._void:
            return nw.lit(by.start(None))
        moment = self.moment(by.column)
        if isinstance(by, TimeBucket):
            # Cut off without its zone, because engines refuse an hour that the clock skips or shows twice.
            local = moment.dt.convert_time_zone(by.zone).dt.replace_time_zone(None)
            return local.dt.truncate("1h" if by.unit == "hour" else "1d")
        # In one zone, because polars compares moments within one zone only.
        return (moment.dt.convert_time_zone("UTC") >= by.moment.astimezone(UTC)).fill_null(value=False)

    def group(self, values: tuple[Any, ...]) -> Group:
        """Return the values of the grouping columns as plain Python; those of time buckets get their zone back."""
        if values not in self._groups:
            self._groups[values] = tuple(self._plain(values))
        return self._groups[values]

    def _plain(self, values: tuple[Any, ...]) -> Iterator[Any]:
        for value, zone in zip(map(_value, values), self._zones, strict=True):
            yield value if zone is None or value is None else value.replace(tzinfo=zone)

    def moment(self, name: str) -> nw.Expr:
        """Return a column of moments, aware.

        Raises:
            InvalidColumn: not moments, or naive without ``timezone=``.
        """
        dtype, column = self.dtype(name), self.col(name)
        if dtype == nw.Unknown:  # narwhals cannot read pandas' names of zones like America/New_York
            return column.cast(_UTC)
        if dtype != nw.Datetime:
            raise InvalidColumn(f"{self.theirs(name)!r} is {dtype}: moments must be a datetime column; parse it first")
        if dtype.time_zone is not None:
            return column
        if self.timezone is None:
            raise InvalidColumn(
                f'{self.theirs(name)!r} has no time zone: give timezone="UTC", or the zone its clock was in'
            )
        return column.dt.replace_time_zone(self.timezone).cast(_UTC)

    def _zone(self, name: str) -> str:
        return getattr(self.dtype(name), "time_zone", None) or "UTC"

    # --- one look over everything ----------------------------------------------------------

    def check(self, people: People | None) -> datetime | None:
        """Refuse what cannot be counted, wherever it is; return the latest moment.

        Numbers that are null in every row are from here on as if they were not there.

        Raises:
            InvalidColumn: naming the column and the first row.
        """
        numbers = [name for name in (*COUNT_COLUMNS, *MONEY_COLUMNS) if name in self]
        moments = [name for name in MOMENT_COLUMNS if name in self]
        rules = [*self._never_null(people), *(rule for name in numbers for rule in self._number_rules(name))]
        asked = [nw.len().alias("n")]
        nullable = dict.fromkeys([*numbers, *(name for name, *_ in rules)])
        asked += [self.col(name).null_count().alias(f"null {name}") for name in nullable]
        asked += [wrong.any().alias(f"wrong {place}") for place, (_, wrong, _) in enumerate(rules) if wrong is not None]
        asked += [self.moment(name).max().alias(f"last {name}") for name in moments]
        look = self.frame.select(*asked).collect()
        found = dict(zip(look.columns, map(_value, look.row(0)), strict=True))
        void = {name for name in numbers if found[f"null {name}"] == found["n"] > 0}
        for place, (name, wrong, rule) in enumerate(rules):
            if name not in void and found[f"null {name}" if wrong is None else f"wrong {place}"]:
                first = self.col(name).is_null() if wrong is None else wrong
                raise _at_first_row(self.frame, self.theirs(name), first, rule)
        self._void |= void
        return max((found[f"last {name}"].astimezone(UTC) for name in moments if found[f"last {name}"]), default=None)

    def _never_null(self, people: People | None) -> Iterator[_Rule]:
        yield "status", None, "every message needs a status"
        if people is None:
            return
        if self.theirs(people.column) not in self.schema:
            near = nearest(people.column, self.schema)
            raise InvalidColumn(f"the frame has no {people.column!r} to tell people apart; nearest: {near}")
        yield people.column, None, "people are counted by it; fill it, or leave people= out"

    def _number_rules(self, name: str) -> Iterator[_Rule]:
        number, inexact = self._number(name), not self.dtype(name).is_integer()
        if name in MONEY_COLUMNS:
            if inexact:
                yield name, _infinite(number), _FINITE
            return
        rule = "it is given for some messages only; fill it with 0 where nothing happened, or leave the column out"
        yield name, None, rule
        if inexact:
            yield name, number - number.round(0) != 0, "a count must be a whole number"
        yield name, number < 0, "a count must be 0 or more"

    def _number(self, name: str) -> nw.Expr:
        """Return a column of counts or money as numbers that any engine can compare and add.

        Raises:
            InvalidColumn: it holds something else.
        """
        dtype, column, counts = self.dtype(name), self.col(name), name in COUNT_COLUMNS
        if counts and dtype in {nw.Boolean, nw.Int32, nw.UInt32}:
            return column.cast(nw.Int64)  # polars adds 32 bits to 32 bits, and overflows
        if dtype.is_integer():
            return column
        if dtype.is_numeric() or dtype == nw.Object:
            return column.cast(nw.Float64)
        what = "a count must be a column of whole numbers" if counts else "money must be a column of numbers"
        raise InvalidColumn(f"{self.theirs(name)!r} is {dtype}: {what}; convert it first")

    # --- cells -----------------------------------------------------------------------------

    def cells(self, keys: Mapping[str, nw.Expr], counted: tuple[str, ...]) -> dict[Group, dict[Cell, Sums]]:
        """Return the cells: the one GROUP BY over everything that counts."""
        key_columns = [name for name in _CELL_COLUMNS if name in self and not (name == "carrier" and self.carrier)]
        names, sums = ["n"], [nw.len().alias("n")]
        prepared = [expression.alias(f"by {name}") for name, expression in keys.items()]
        prepared += [self.col(name).alias(f"key {name}") for name in key_columns]
        if "sent_at" in self:
            names.append("handed_off")
            prepared.append(self.col("sent_at").alias("value sent_at"))
            sums.append(nw.col("value sent_at").count().alias("handed_off"))
        for name in counted:
            prepared += [self._number(name).alias(f"value {name}")]
            total, *messages = MEASURES[name]
            names.append(total)
            sums.append(nw.col(f"value {name}").sum().alias(total))
            for each in messages:
                prepared.append((self._number(name) > 0).cast(nw.Int64).alias(f"any {name}"))
                names.append(each)
                sums.append(nw.col(f"any {name}").sum().alias(each))
        if "price" in self:
            names.append("priced")
            prepared.append(self.col("price").alias("value price"))
            sums.append(nw.col("value price").count().alias("priced"))
        grouped = [f"by {name}" for name in keys] + [f"key {name}" for name in key_columns]
        table = self.frame.select(*prepared).group_by(*grouped).agg(*sums).select(*grouped, *names).collect()
        return self._read_cells(table.iter_rows(), len(keys), key_columns, names)

    def _read_cells(
        self, rows: Iterable[tuple[Any, ...]], width: int, key_columns: list[str], names: list[str]
    ) -> dict[Group, dict[Cell, Sums]]:
        read: dict[Group, dict[Cell, Sums]] = {}
        middle = width + len(key_columns)
        for row in rows:
            raw = dict(zip(key_columns, map(_value, row[width:middle]), strict=True))
            sums = Sums(**dict(zip(names, map(int, row[middle:]), strict=True)))
            carrier, word = self._carrier_of(raw.get("carrier")), str(raw["status"])
            status = self.means(carrier, word)
            early = sums.handed_off if status in NEVER_HANDED_OFF else 0
            code = cause(raw.get("error_code"), raw.get("skip_reason"), status)
            cell = make_cell(word, carrier, code, sums.n, early, ours_first=self.carrier is None)
            cells = read.setdefault(self.group(row[:width]), {})
            cells[cell] = cells.get(cell, Sums()).plus(sums._replace(handed_off=early))
        return read

    # --- the small tables beside ------------------------------------------------------------

    def money(self, keys: Mapping[str, nw.Expr]) -> dict[Group, dict[MoneyKey, int]]:
        """Return each group's money in millionths, by kind and currency."""
        kinds = [name for name in MONEY_COLUMNS if name in self]
        if not kinds:
            return {}
        if self.theirs("currency") not in self.schema:
            raise InvalidColumn(
                f"{self.theirs(kinds[0])!r} has no currency: add a 'currency' column, or name theirs in columns="
            )
        prepared = [expression.alias(f"by {name}") for name, expression in keys.items()]
        prepared += [self.col("currency").alias("currency"), *(self._micros(name).alias(name) for name in kinds)]
        prepared += [self.col(name).alias(f"given {name}") for name in kinds]
        sums = [nw.col(name).sum().alias(f"sum {name}") for name in kinds]
        sums += [nw.col(f"given {name}").count().alias(f"n {name}") for name in kinds]
        sums += [nw.col(name).min().alias(f"least {name}") for name in kinds]
        sums += [nw.col(name).max().alias(f"most {name}") for name in kinds]
        grouped = [*(f"by {name}" for name in keys), "currency"]
        table = self.frame.select(*prepared).group_by(*grouped).agg(*sums).collect()
        money: dict[Group, dict[MoneyKey, int]] = {}
        for row in table.iter_rows(named=True):
            group = self.group(tuple(row[f"by {name}"] for name in keys))
            for name in kinds:
                if not row[f"n {name}"]:
                    continue
                if row[f"least {name}"] < 0:
                    raise InvalidColumn(
                        f"{self.theirs(name)!r} has negative amounts: give carrier= if the carrier writes charges so"
                        f" ({', '.join(sorted(NEGATIVE_PRICES))}), or negate them"
                    )
                if row[f"most {name}"] > _MOST_MICROS:
                    raise InvalidColumn(f"{self.theirs(name)!r} has amounts above 1,000,000,000: check its unit")
                key = (MONEY_COLUMNS[name], parse_currency("currency", _value(row["currency"])))
                table_of = money.setdefault(group, {})
                table_of[key] = table_of.get(key, 0) + int(row[f"sum {name}"])
        return money

    def _micros(self, name: str) -> nw.Expr:
        # Through a float, because no engine multiplies decimals alike: exact up to nine thousand
        # million units, as 2**53 is more than 9e15 millionths.
        micros = (self._number(name).cast(nw.Float64) * MICROS).round(0).fill_null(0).cast(nw.Int64)
        if name != "price" or (self.carrier is None and "carrier" not in self):
            return micros
        if self.carrier is not None:
            return micros.abs() if self.carrier in NEGATIVE_PRICES else micros
        carrier = self.col("carrier").cast(nw.String).str.strip_chars().str.to_lowercase()
        return nw.when(carrier.is_in(list(NEGATIVE_PRICES))).then(micros.abs()).otherwise(micros)

    def latency(self, keys: Mapping[str, nw.Expr]) -> dict[Group, dict[int, int]]:
        """Return how many messages took how long from sending to delivery, by bucket."""
        if "sent_at" not in self or "delivered_at" not in self:
            return {}
        elapsed = self._elapsed() // 1000
        grouped = [*(f"by {name}" for name in keys), "bucket"]
        timed = self.frame.select(
            *(expression.alias(f"by {name}") for name, expression in keys.items()), elapsed.alias("ms")
        ).filter(~nw.col("ms").is_null())
        steps = nw.col("ms").clip(1, None).log(LATENCY_STEP).floor().cast(nw.Int64)
        below = (nw.col("ms") < 0).cast(nw.Int64)
        counted = timed.with_columns(bucket=steps * (1 - below) + below * NEGATIVE_LATENCY)
        table = counted.group_by(*grouped).agg(nw.len().alias("n")).collect()
        latency: dict[Group, dict[int, int]] = {}
        for *group, bucket, n in table.select(*grouped, "n").iter_rows():
            latency.setdefault(self.group(tuple(group)), {})[int(bucket)] = int(n)
        return latency

    def _elapsed(self) -> nw.Expr:
        """Return microseconds from sending to delivery."""
        sent, delivered = self.moment("sent_at"), self.moment("delivered_at")
        if self.frame.implementation.is_pandas_like():  # whose durations go through floats, and lose the last one
            return delivered.dt.timestamp("us") - sent.dt.timestamp("us")
        if self._zone("sent_at") != self._zone("delivered_at"):  # polars subtracts within one zone only
            sent, delivered = sent.dt.convert_time_zone("UTC"), delivered.dt.convert_time_zone("UTC")
        return (delivered - sent).dt.total_microseconds()

    # --- people ----------------------------------------------------------------------------

    def people(
        self, keys: Mapping[str, nw.Expr], asked: People, counted: tuple[str, ...], groups: Iterable[Group]
    ) -> dict[Group, PeopleCounts]:
        """Return distinct people by group: whoever has at least one message of the kind."""
        found: dict[str, dict[Group, int]] = {}
        for name in asked.counts:
            column = PEOPLE_NEED.get(name)
            if column is None:
                found[name] = self._distinct(keys, asked.column, self._where(name))
            elif column in counted:
                found[name] = self._distinct(keys, asked.column, self._number(column) > 0)
        return {
            group: PeopleCounts(**{name: counts.get(group, 0) for name, counts in found.items()}) for group in groups
        }

    def _where(self, name: str) -> nw.Expr | None:
        """Return which messages make their person one of the count, by status; None for all of them."""
        if name == "recipients":
            return None
        with_carrier = self.carrier is None and "carrier" in self
        columns = [self.col("status"), *([self.col("carrier")] if with_carrier else [])]
        said: dict[Any, list[Any]] = {}
        for word, *carriers in self.frame.select(*columns).unique().collect().iter_rows():
            raw = _value(carriers[0]) if carriers else None
            if _fits(name, self.means(self._carrier_of(raw), str(word))):
                said.setdefault(raw, []).append(word)
        where = self.col("status").is_null()  # of no message, as is checked
        for raw, words in said.items():
            fits = self.col("status").is_in(words)
            if with_carrier:
                fits &= self.col("carrier").is_null() if raw is None else self.col("carrier") == raw
            where |= fits
        if name == "unique_sends" and "sent_at" in self:
            where |= ~self.col("sent_at").is_null()
        return where

    def _distinct(self, keys: Mapping[str, nw.Expr], person: str, where: nw.Expr | None) -> dict[Group, int]:
        rows = self.frame if where is None else self.frame.filter(where)
        grouped = [f"by {name}" for name in keys]
        prepared = [expression.alias(f"by {name}") for name, expression in keys.items()]
        distinct = rows.select(*prepared, self.col(person).alias("person")).unique()
        if not grouped:
            return {(): int(distinct.select(nw.len()).collect().item())}
        table = distinct.group_by(*grouped).agg(nw.len().alias("n")).collect()
        return {self.group(row[:-1]): int(row[-1]) for row in table.select(*grouped, "n").iter_rows()}


def _lazy(frame: Any) -> _Lazy:
    try:
        lazy: _Lazy = nw.from_native(frame).lazy()
    except TypeError:
        raise InvalidValue(f"rows is a {type(frame).__name__}: give the whole frame, or rows") from None
    return lazy


def _at_first_row(frame: _Lazy, column: str, wrong: nw.Expr, rule: str) -> InvalidColumn:
    eager = frame.select(nw.col(column), wrong.alias("ck wrong")).collect().with_row_index("ck row")
    row, value, _ = eager.filter(nw.col("ck wrong")).row(0)
    return InvalidColumn(f"{column!r} is {shown(value)} in row {row}: {rule}")


def _infinite(column: nw.Expr) -> nw.Expr:
    """Return where a float is no number, though the engine does not take it for null."""
    return ~column.is_finite() & ~column.is_null()


def _could_be(name: str, dtype: Any) -> bool:
    """Return whether a column of this type could hold what the name says; a column of nulls often cannot."""
    if name in MOMENT_COLUMNS:
        return bool(dtype == nw.Datetime)
    if name in COUNT_COLUMNS or name in MONEY_COLUMNS:
        return bool(dtype.is_numeric() or dtype == nw.Boolean)
    return dtype not in {nw.Unknown(), nw.Object()}


def _fits(name: str, status: Status) -> bool:
    if name == "unique_sends":
        return status not in NEVER_HANDED_OFF
    return status in {Status.DELIVERED, Status.READ}


def _value(value: Any) -> Any:
    """Return a value as plain Python; NaN, NaT and the engines' nulls are None."""
    try:
        if value is None or value != value:  # noqa: PLR0124 - NaN is not itself
            return None
    except TypeError:  # pandas.NA is neither equal nor unequal
        return None
    return value.to_pydatetime(warn=False) if hasattr(value, "to_pydatetime") else value


def frame_rows(frame: Any) -> Iterator[dict[str, Any]]:
    """Yield a frame's rows as mappings of plain Python values: nulls of every kind None, money Decimal."""
    lazy = _lazy(frame)
    schema = lazy.collect_schema()
    money = [name for name in MONEY_COLUMNS if name in schema and schema[name].is_float()]
    for name in money:
        if lazy.select(_infinite(nw.col(name)).any()).collect().item():
            raise _at_first_row(lazy, name, _infinite(nw.col(name)), _FINITE)
    for row in lazy.collect().iter_rows(named=True):
        plain = {name: _value(value) for name, value in row.items()}
        yield plain | {name: Decimal(str(plain[name])) for name in money if plain[name] is not None}
