"""Any dataframe in, cells out: one GROUP BY, run lazily by the frame's own engine.

Through narwhals, in the dialect that all its engines share: values are prepared as columns,
then grouped, then only ``len``, ``count``, ``sum``, ``min``, ``max`` and ``n_unique`` are asked
for; moments are whole numbers (`engines`). Money and latency are small GROUP BYs of their own,
because as keys of the first they would multiply its groups. Nothing is copied that is not asked
for; enums and categoricals stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

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
from campaignkit.engines import LazyFrame, collect, named_gaps, open_frame, reads_files, with_micros
from campaignkit.errors import InvalidColumn, nearest, shown
from campaignkit.grouping import Derived, Since, TimeBucket, by_name, micros_of, moment_at, offset_steps, parse_zone
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
_HOUR: Final = 3_600_000_000
_DAY: Final = 24 * _HOUR
# Engines that promise no order of rows.
_UNORDERED: Final = frozenset(
    {
        nw.Implementation.PYSPARK,
        nw.Implementation.PYSPARK_CONNECT,
        nw.Implementation.SQLFRAME,
        nw.Implementation.IBIS,
        nw.Implementation.DUCKDB,
        nw.Implementation.DASK,
    }
)
_Steps = list[tuple[int, int]]
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
    lazy = open_frame(frame)
    with named_gaps(lazy):
        source = _Source(
            lazy,
            by=by,
            columns=columns or {},
            carrier=carrier,
            timezone=timezone,
            asked=asked_columns(by, people),
        )
        latest = source.check(people)
        keys = source.keys()
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


def latest_by(
    frame: Any, by: str, column: str, *, columns: Mapping[str, str] | None = None, timezone: str | None = None
) -> dict[Any, datetime]:
    """Return the latest moment of a column for each value of another; without those that have none.

    Raises:
        InvalidColumn: a column is missing, or has no moments.
    """
    lazy = open_frame(frame)
    with named_gaps(lazy):
        source = _Source(lazy, by=(by,), columns=columns or {}, timezone=timezone, asked=(by, column))
        return source.latest(column)


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
        source = _Source(lazy, by=asked, columns=columns or {}, carrier=carrier, timezone=timezone, asked=asked)
        source.check(People("contact_id", ()))
        return source.steps()


class _Source:
    """A frame whose columns are known by our names."""

    def __init__(
        self,
        frame: LazyFrame,
        *,
        by: tuple[str | Derived, ...],
        columns: Mapping[str, str],
        carrier: str | None = None,
        timezone: str | None,
        asked: Iterable[str],
    ) -> None:
        self.frame = frame
        self.schema = frame.collect_schema()
        self.carrier = carrier
        self._by = by
        self._columns = columns
        self._zone = None if timezone is None else parse_zone(timezone)
        self._in_pieces = reads_files(frame)
        check_columns(columns, self.schema, {*MESSAGE_COLUMNS, *asked})
        self._void = self._columns_without_values()
        self._groups: dict[tuple[Any, ...], Group] = {}
        self._means: dict[tuple[Any, str], Status] = {}
        self._spans: dict[str, tuple[int, int]] = {}
        if self.theirs("status") not in self.schema:
            raise InvalidColumn(
                f"the frame has no {self._columns.get('status', 'status')!r}: every message needs a status; give"
                f' columns={{"status": their name}}. Its columns: {", ".join(self.schema)}'
            )
        for each in by:
            name = each if isinstance(each, str) else each.column
            if self.theirs(name) not in self.schema:
                raise InvalidColumn(f"the frame has no {name!r} to group by; nearest: {nearest(name, self.schema)}")
        self._micros = self._read_moments()

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
        look = self.collect(self.frame.select(*nulls, nw.len().alias("n"))).row(0)
        return frozenset(name for name, count in zip(untyped, look, strict=False) if count == look[-1])

    def collect(self, query: LazyFrame) -> nw.DataFrame[Any]:
        """Run a query."""
        return collect(query, in_pieces=self._in_pieces)

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

    def keys(self) -> dict[str, nw.Expr]:
        """Return each grouping column's name with the expression that makes it."""
        return {by_name(by): self.col(by) if isinstance(by, str) else self._derived(by) for by in self._by}

    def _derived(self, by: Derived) -> nw.Expr:
        if by.column in self._void:
            return nw.lit(by.start(None))
        micros = self.moment(by.column)
        if isinstance(by, Since):
            return (micros >= micros_of(by.moment)).fill_null(value=False)
        low, high = self._spans.get(by.column, (0, 0))
        local = _shifted(micros, offset_steps(parse_zone(by.zone), low, high))
        # Counted from a day before the first, because engines round below zero in two ways.
        return (local - _day_before(low)) // (_HOUR if by.unit == "hour" else _DAY)

    def group(self, values: tuple[Any, ...]) -> Group:
        """Return the values of the grouping columns as plain Python; time buckets are moments in their zone."""
        if values not in self._groups:
            self._groups[values] = tuple(map(self._plain, self._by, map(_value, values)))
        return self._groups[values]

    def _plain(self, by: str | Derived, value: Any) -> Any:
        if value is None or not isinstance(by, TimeBucket):
            return value
        since = _day_before(self._spans[by.column][0])
        clock = moment_at(since + int(value) * (_HOUR if by.unit == "hour" else _DAY))
        return clock.replace(tzinfo=parse_zone(by.zone))

    # --- moments ---------------------------------------------------------------------------

    def moment(self, name: str) -> nw.Expr:
        """Return a column of moments as whole microseconds since 1970, in UTC."""
        return self._micros[name]

    def _read_moments(self) -> dict[str, nw.Expr]:
        """Return the microseconds of each column of moments; those without a zone are in that of ``timezone=``.

        Raises:
            InvalidColumn: not moments, or naive without ``timezone=``.
        """
        derived = [by.column for by in self._by if not isinstance(by, str)]
        names = [name for name in dict.fromkeys((*MOMENT_COLUMNS, *derived)) if name in self]
        naive = [name for name in names if self._is_naive(name)]
        self.frame, found = with_micros(self.frame, map(self.theirs, names))
        micros = {name: found[self.theirs(name)] for name in names}
        if naive and self._zone is not None:
            spans = self._read_spans({name: micros[name] for name in naive})
            for name, (low, high) in spans.items():
                steps = offset_steps(self._zone, low, high, on_clock=True)
                micros[name] = _shifted(micros[name], [(at, -change) for at, change in steps])
        return micros

    def _is_naive(self, name: str) -> bool:
        dtype = self.dtype(name)
        if dtype == nw.Unknown:  # a zone of pandas' that narwhals cannot read
            return False
        if dtype != nw.Datetime:
            raise InvalidColumn(f"{self.theirs(name)!r} is {dtype}: moments must be a datetime column; parse it first")
        if dtype.time_zone is None and self._zone is None:
            raise InvalidColumn(
                f'{self.theirs(name)!r} has no time zone: give timezone="UTC", or the zone its clock was in'
            )
        return dtype.time_zone is None

    def _read_spans(self, columns: Mapping[str, nw.Expr]) -> dict[str, tuple[int, int]]:
        """Return the first and the last value of columns that have any."""
        asked = [expression.min().alias(f"first {name}") for name, expression in columns.items()]
        asked += [expression.max().alias(f"last {name}") for name, expression in columns.items()]
        found = _row(self.collect(self.frame.select(*asked)))
        return _spans(found, columns)

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
        bucketed = [by.column for by in self._by if isinstance(by, TimeBucket) and by.column in self]
        asked += [self.moment(name).min().alias(f"first {name}") for name in dict.fromkeys(bucketed)]
        asked += [self.moment(name).max().alias(f"last {name}") for name in dict.fromkeys((*moments, *bucketed))]
        found = _row(self.collect(self.frame.select(*asked)))
        void = {name for name in numbers if found[f"null {name}"] == found["n"] > 0}
        for place, (name, wrong, rule) in enumerate(rules):
            if name not in void and found[f"null {name}" if wrong is None else f"wrong {place}"]:
                first = self.col(name).is_null() if wrong is None else wrong
                raise _at_first_row(self.frame, self.theirs(name), first, rule)
        self._void |= void
        self._spans = _spans(found, bucketed)
        latest = [found[f"last {name}"] for name in moments if found[f"last {name}"] is not None]
        return moment_at(int(max(latest))) if latest else None

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
        if counts and dtype == nw.Boolean:
            return _as_number(column)
        if counts and dtype in {nw.Int32, nw.UInt32}:
            return column.fill_null(0).cast(nw.Int64)  # polars adds 32 bits to 32 bits, and overflows
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
                prepared.append(_as_number(self._number(name) > 0).alias(f"any {name}"))
                names.append(each)
                sums.append(nw.col(f"any {name}").sum().alias(each))
        if "price" in self:
            names.append("priced")
            prepared.append(self.col("price").alias("value price"))
            sums.append(nw.col("value price").count().alias("priced"))
        grouped = [f"by {name}" for name in keys] + [f"key {name}" for name in key_columns]
        table = self.frame.select(*prepared).group_by(*grouped).agg(*sums).select(*grouped, *names)
        return self._read_cells(self.collect(table).iter_rows(), len(keys), key_columns, names)

    def _read_cells(
        self, rows: Iterable[tuple[Any, ...]], width: int, key_columns: list[str], names: list[str]
    ) -> dict[Group, dict[Cell, Sums]]:
        read: dict[Group, dict[Cell, Sums]] = {}
        middle = width + len(key_columns)
        for row in rows:
            raw = dict(zip(key_columns, map(_value, row[width:middle]), strict=True))
            sums = Sums(**dict(zip(names, map(int, row[middle:]), strict=True)))
            carrier, word = self._carrier_of(raw.get("carrier")), str(raw["status"])
            status = self._means[raw.get("carrier"), word] = self.means(carrier, word)
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
        prepared += [self.col("currency").alias("currency"), *(self._money(name).alias(name) for name in kinds)]
        prepared += [self.col(name).alias(f"given {name}") for name in kinds]
        sums = [nw.col(name).sum().alias(f"sum {name}") for name in kinds]
        sums += [nw.col(f"given {name}").count().alias(f"n {name}") for name in kinds]
        sums += [nw.col(name).min().alias(f"least {name}") for name in kinds]
        sums += [nw.col(name).max().alias(f"most {name}") for name in kinds]
        grouped = [*(f"by {name}" for name in keys), "currency"]
        table = self.collect(self.frame.select(*prepared).group_by(*grouped).agg(*sums))
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

    def _money(self, name: str) -> nw.Expr:
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
        grouped = [*(f"by {name}" for name in keys), "bucket"]
        timed = self.frame.select(
            *(expression.alias(f"by {name}") for name, expression in keys.items()),
            (self.moment("delivered_at") - self.moment("sent_at")).alias("us"),
        ).filter(~nw.col("us").is_null())
        milliseconds = nw.col("us").clip(1000, None) // 1000
        steps = milliseconds.log(LATENCY_STEP).floor().cast(nw.Int64)
        below = _as_number(nw.col("us") < 0)
        counted = timed.with_columns(bucket=steps * (1 - below) + below * NEGATIVE_LATENCY)
        table = self.collect(counted.group_by(*grouped).agg(nw.len().alias("n")))
        latency: dict[Group, dict[int, int]] = {}
        for *group, bucket, n in table.select(*grouped, "n").iter_rows():
            latency.setdefault(self.group(tuple(group)), {})[int(bucket)] = int(n)
        return latency

    def latest(self, column: str) -> dict[Any, datetime]:
        """Return the latest moment of a column in each group, which is of one column."""
        if column not in self:
            return {}
        keys = self.keys()
        prepared = [expression.alias(f"by {name}") for name, expression in keys.items()]
        moments = self.frame.select(*prepared, self.moment(column).alias("us"))
        table = self.collect(moments.group_by(*(f"by {name}" for name in keys)).agg(nw.col("us").max()))
        found = ((self.group(row[:-1])[0], _value(row[-1])) for row in table.iter_rows())
        return {group: moment_at(int(micros)) for group, micros in found if micros is not None}

    # --- people ----------------------------------------------------------------------------

    def people(
        self, keys: Mapping[str, nw.Expr], asked: People, counted: tuple[str, ...], groups: Iterable[Group]
    ) -> dict[Group, PeopleCounts]:
        """Return distinct people by group: whoever has at least one message of the kind."""
        levels = [name for name in asked.counts if name not in PEOPLE_NEED]
        flags = [name for name in asked.counts if PEOPLE_NEED.get(name) in counted]
        if levels and not self.frame.implementation.is_pyarrow():
            found = self._by_person(keys, asked.column, levels, flags)
        else:
            found = {name: self._distinct(keys, asked.column, self._where(name)) for name in (*levels, *flags)}
        return {
            group: PeopleCounts(**{name: counts.get(group, 0) for name, counts in found.items()}) for group in groups
        }

    def steps(self) -> dict[int, int]:
        """Return how many contacts were handed how many steps."""
        self.cells({}, ())  # to meet the words
        contact, step = self.col("contact_id").alias("contact"), self.col("step").alias("step")
        handed = self.frame.filter(self._where("unique_sends")).select(contact, step).unique()
        each = handed.group_by("contact").agg(nw.len().alias("steps"))
        table = self.collect(each.group_by("steps").agg(nw.len().alias("n")).select("steps", "n"))
        found = {int(steps): int(n) for steps, n in table.iter_rows()}
        contacts = int(self.collect(self.frame.select(contact.n_unique())).item())
        return {0: contacts - sum(found.values()), **found}

    def _by_person(
        self, keys: Mapping[str, nw.Expr], person: str, levels: list[str], flags: list[str]
    ) -> dict[str, dict[Group, int]]:
        """Count every kind in one GROUP BY of people: the quickest where each row may count, but in pyarrow."""
        sends, deliveries = (_as_number(self._where(name)) for name in _LEVELS[1:])
        grouped = [f"by {name}" for name in keys]
        prepared = [expression.alias(f"by {name}") for name, expression in keys.items()]
        prepared += [self.col(person).alias("person"), (sends + deliveries).alias("reached")]
        prepared += [_as_number(self._where(name)).alias(name) for name in flags]
        marks = ["reached", *flags]
        people = self.frame.select(*prepared).group_by(*grouped, "person").agg(*(nw.col(name).max() for name in marks))
        table = self.collect(people.group_by(*grouped, *marks).agg(nw.len().alias("n")))
        found: dict[str, dict[Group, int]] = {name: {} for name in (*levels, *flags)}
        for row in table.select(*grouped, *marks, "n").iter_rows():
            *values, n = row[len(grouped) :]
            marked = dict(zip(marks, map(int, values), strict=True))
            group = self.group(row[: len(grouped)])
            for name, counts in found.items():
                if marked["reached"] >= _LEVELS.index(name) if name in _LEVELS else marked[name]:
                    counts[group] = counts.get(group, 0) + int(n)
        return found

    def _where(self, name: str) -> nw.Expr:
        """Return which messages make their person one of the count."""
        column = PEOPLE_NEED.get(name)
        if column is not None:
            return self._number(column) > 0
        if name == "recipients":
            return ~self.col("status").is_null()  # every message, as is checked
        where = self._of_status(lambda status: _fits(name, status))
        return where | ~self.col("sent_at").is_null() if name == "unique_sends" and "sent_at" in self else where

    def _of_status(self, fits: Callable[[Status], bool]) -> nw.Expr:
        """Return which messages have a status that fits, by the words that `cells` met."""
        with_carrier = self.carrier is None and "carrier" in self
        said: dict[Any, list[str]] = {}
        for (raw, word), status in self._means.items():
            if fits(status):
                said.setdefault(raw, []).append(word)
        where = self.col("status").is_null()  # of no message, as is checked
        for raw, words in said.items():
            spoken = self.col("status").is_in(words)
            if with_carrier:
                spoken &= self.col("carrier").is_null() if raw is None else self.col("carrier") == raw
            where |= spoken
        return where

    def _distinct(self, keys: Mapping[str, nw.Expr], person: str, where: nw.Expr) -> dict[Group, int]:
        """Count the people of some messages: the quickest where few messages count, and always in pyarrow."""
        grouped = [f"by {name}" for name in keys]
        prepared = [expression.alias(f"by {name}") for name, expression in keys.items()]
        rows = self.frame.filter(where).select(*prepared, self.col(person).alias("person"))
        people = nw.col("person").n_unique().alias("n")
        if not grouped:
            return {(): int(self.collect(rows.select(people)).item())}
        table = self.collect(rows.group_by(*grouped).agg(people))
        return {self.group(row[:-1]): int(row[-1]) for row in table.select(*grouped, "n").iter_rows()}


# Each is of people who also are in the one before.
_LEVELS: Final = ("recipients", "unique_sends", "unique_deliveries")


def _row(look: nw.DataFrame[Any]) -> dict[str, Any]:
    return dict(zip(look.columns, map(_value, look.row(0)), strict=True))


def _spans(found: Mapping[str, Any], names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return the span of each column of moments that has any."""
    spans = {name: (found[f"first {name}"], found[f"last {name}"]) for name in names}
    return {name: (int(low), int(high)) for name, (low, high) in spans.items() if low is not None}


def _shifted(micros: nw.Expr, steps: _Steps) -> nw.Expr:
    """Return microseconds moved by an offset that changes at some moments."""
    (_, first), *changes = steps
    moved = micros + first
    for at, change in changes:
        moved += _as_number(micros >= at) * change
    return moved


def _as_number(flag: nw.Expr) -> nw.Expr:
    """Return 1 where a flag is true, else 0: Spark adds no booleans up, and dask turns no null into a number."""
    return flag.fill_null(value=False).cast(nw.Int64)


def _day_before(micros: int) -> int:
    """Return the beginning of the UTC day that ends at least a day before a moment."""
    return (micros // _DAY - 2) * _DAY


def _at_first_row(frame: LazyFrame, column: str, wrong: nw.Expr, rule: str) -> InvalidColumn:
    flagged = frame.select(nw.col(column), wrong.alias("ck wrong"))
    if frame.implementation in _UNORDERED:
        (value,) = flagged.filter(nw.col("ck wrong")).select(column).head(1).collect().row(0)
        return InvalidColumn(f"{column!r} is {shown(_value(value))} in a row: {rule}")
    row, value, _ = flagged.collect().with_row_index("ck row").filter(nw.col("ck wrong")).row(0)
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
    lazy = open_frame(frame)
    schema = lazy.collect_schema()
    money = [name for name in MONEY_COLUMNS if name in schema and schema[name].is_float()]
    for name in money:
        if lazy.select(_infinite(nw.col(name)).any()).collect().item():
            raise _at_first_row(lazy, name, _infinite(nw.col(name)), _FINITE)
    for row in lazy.collect().iter_rows(named=True):
        plain = {name: _value(value) for name, value in row.items()}
        yield plain | {name: Decimal(str(plain[name])) for name in money if plain[name] is not None}
