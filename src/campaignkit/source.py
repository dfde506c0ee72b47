"""A frame whose columns are known by our names, as expressions that every engine understands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import narwhals as nw

from campaignkit.cells import PEOPLE_NEED, Group, carrier_name
from campaignkit.engines import LazyFrame, collect, reads_files, with_micros
from campaignkit.errors import InvalidColumn, nearest, shown
from campaignkit.grouping import (
    Derived,
    Since,
    TimeBucket,
    Until,
    by_name,
    micros_of,
    moment_at,
    offset_steps,
    parse_zone,
)
from campaignkit.models import (
    COUNT_COLUMNS,
    MICROS,
    MOMENT_COLUMNS,
    MONEY_COLUMNS,
    NEVER_HANDED_OFF,
    Status,
)
from campaignkit.rows import MESSAGE_COLUMNS, NEGATIVE_PRICES, check_columns
from campaignkit.verdicts import own_word, parse_status_word

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


class Source:
    """A frame whose columns are known by our names.

    Attributes:
        frame: the frame, with what its engine had to prepare.
        carrier: whose words and codes these are; None where the rows say.
        means: the status of each (carrier, word) met so far, both as the frame has them.
    """

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
        self.means: dict[tuple[Any, str], Status] = {}
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
        bucketed = {each.column for each in by if isinstance(each, TimeBucket)} & self._micros.keys()
        self._spans = self.spans(sorted(bucketed))

    def __contains__(self, name: str) -> bool:
        return self.theirs(name) in self.schema and name not in self._void

    def leave_out(self, name: str) -> None:
        """Take a column from here on as if it were not there."""
        self._void |= {name}

    def _columns_without_values(self) -> frozenset[str]:
        """Return our columns that hold only nulls and so have no type: the same as not there."""
        untyped = [
            name
            for name in MESSAGE_COLUMNS
            if name != "status" and self.theirs(name) in self.schema and not _could_be(name, self.dtype(name))
        ]
        if not untyped:
            return frozenset()
        look = self.collect(self.frame.select(*(self.col(name).count().alias(name) for name in untyped)))
        return frozenset(name for name, given in row_of(look).items() if not given)

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

    def meet(self, carrier: Any, word: str) -> tuple[str | None, str, Status]:
        """Return a word's carrier, the word and its status: the carrier's when ``carrier=`` says so, else ours first.

        A word of the column's own is returned as its status.
        """
        name, said = self.carrier or carrier_name(carrier), own_word(self.theirs("status"), word)
        status = self.means[carrier, word] = parse_status_word(name, said, ours_first=self.carrier is None).status
        return name, said, status

    @property
    def by(self) -> tuple[str, ...]:
        """The names of the grouping columns."""
        return tuple(map(by_name, self._by))

    def keys(self) -> list[nw.Expr]:
        """Return the grouping columns, named as `grouped` says."""
        columns = (self.col(by) if isinstance(by, str) else self._derived(by) for by in self._by)
        return [column.alias(name) for column, name in zip(columns, self.grouped, strict=True)]

    @property
    def grouped(self) -> list[str]:
        """The names of the prepared grouping columns, which collide with no other."""
        return [f"by {name}" for name in self.by]

    def _derived(self, by: Derived) -> nw.Expr:
        if by.column in self._void:
            return nw.lit(by.start(None))
        micros = self.moment(by.column)
        if isinstance(by, Since):
            return (micros >= micros_of(by.moment)).fill_null(value=False)
        if isinstance(by, Until):
            return (micros <= micros_of(by.moment)).fill_null(value=False)
        low, high = self._spans.get(by.column, (0, 0))
        local = _shifted(micros, offset_steps(parse_zone(by.zone), low, high))
        # Counted from a day before the first, because engines round below zero in two ways.
        return (local - _day_before(low)) // (_HOUR if by.unit == "hour" else _DAY)

    def group(self, values: tuple[Any, ...]) -> Group:
        """Return the values of the grouping columns as plain Python; time buckets are moments in their zone."""
        if values not in self._groups:
            self._groups[values] = tuple(map(self._plain, self._by, map(plain, values)))
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
        if self._zone is not None:
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

    def spans(self, names: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Return the first and the last moment of each column that has any."""
        return self._read_spans({name: self._micros[name] for name in names if name in self._micros})

    def _read_spans(self, columns: Mapping[str, nw.Expr]) -> dict[str, tuple[int, int]]:
        """Return the first and the last value of columns that have any."""
        if not columns:
            return {}
        asked = [expression.min().alias(f"first {name}") for name, expression in columns.items()]
        asked += [expression.max().alias(f"last {name}") for name, expression in columns.items()]
        found = row_of(self.collect(self.frame.select(*asked)))
        spans = {name: (found[f"first {name}"], found[f"last {name}"]) for name in columns}
        return {name: (int(low), int(high)) for name, (low, high) in spans.items() if low is not None}

    # --- numbers ---------------------------------------------------------------------------

    def number(self, name: str) -> nw.Expr:
        """Return a column of counts or money as numbers that any engine can compare and add.

        Raises:
            InvalidColumn: it holds something else.
        """
        dtype, column, counts = self.dtype(name), self.col(name), name in COUNT_COLUMNS
        if counts and dtype == nw.Boolean:
            return as_number(column)
        if counts and dtype.is_integer() and not self.is_plain(name):
            return column.fill_null(0).cast(nw.Int64)  # polars adds 32 bits to 32 bits, and overflows
        if dtype.is_integer():
            return column
        if dtype.is_numeric() or dtype == nw.Object:
            return column.cast(nw.Float64)
        what = "a count must be a column of whole numbers" if counts else "money must be a column of numbers"
        raise InvalidColumn(f"{self.theirs(name)!r} is {dtype}: {what}; convert it first")

    def is_plain(self, name: str) -> bool:
        """Return whether a column of counts is a number as it stands."""
        dtype = self.dtype(name)
        return bool(dtype.is_integer() and dtype not in {nw.Int32, nw.UInt32})

    def is_inexact(self, name: str) -> bool:
        """Return whether a column of numbers can hold fractions, or what is no number."""
        return self.dtype(name) != nw.Boolean and not self.dtype(name).is_integer()

    def is_signed(self, name: str) -> bool:
        """Return whether a column of numbers can go below zero."""
        return self.dtype(name) != nw.Boolean and not self.dtype(name).is_unsigned_integer()

    def micros(self, name: str) -> nw.Expr:
        """Return a column of money as whole millionths, 0 where it is not known."""
        # Through a float, because no engine multiplies decimals alike: exact up to nine thousand
        # million units, as 2**53 is more than 9e15 millionths.
        amount = self.number(name).cast(nw.Float64)
        if self.is_inexact(name):
            amount = nw.when(~not_finite(amount)).then(amount)
        micros = (amount * MICROS).round(0).fill_null(0).cast(nw.Int64)
        if name != "price" or (self.carrier is None and "carrier" not in self):
            return micros
        if self.carrier is not None:
            return micros.abs() if self.carrier in NEGATIVE_PRICES else micros
        carrier = self.col("carrier").cast(nw.String).str.strip_chars().str.to_lowercase()
        return nw.when(carrier.is_in(list(NEGATIVE_PRICES))).then(micros.abs()).otherwise(micros)

    # --- whose messages --------------------------------------------------------------------

    def where(self, name: str) -> nw.Expr:
        """Return which messages make their person one of the count."""
        column = PEOPLE_NEED.get(name)
        if column is not None:
            return self.number(column) > 0
        if name == "recipients":
            return ~self.col("status").is_null()  # every message, as is checked
        where = self._of_status(lambda status: _fits(name, status))
        return where | ~self.col("sent_at").is_null() if name == "unique_sends" and "sent_at" in self else where

    def _of_status(self, fits: Callable[[Status], bool]) -> nw.Expr:
        """Return which messages have a status that fits, by the words that `cells` met."""
        with_carrier = self.carrier is None and "carrier" in self
        said: dict[Any, list[str]] = {}
        for (raw, word), status in self.means.items():
            if fits(status):
                said.setdefault(raw, []).append(word)
        where = self.col("status").is_null()  # of no message, as is checked
        for raw, words in said.items():
            spoken = self.col("status").is_in(words)
            if with_carrier:
                spoken &= self.col("carrier").is_null() if raw is None else self.col("carrier") == raw
            where |= spoken
        return where

    def refusal(self, name: str, wrong: nw.Expr, rule: str) -> InvalidColumn:
        """Return the sentence about the first row of a column that breaks a rule."""
        return refusal(self.frame, self.theirs(name), wrong, rule)


def refusal(frame: LazyFrame, column: str, wrong: nw.Expr, rule: str) -> InvalidColumn:
    """Return the sentence about the first row of a frame whose column breaks a rule."""
    flagged = frame.select(nw.col(column), wrong.alias("ck wrong"))
    if frame.implementation in _UNORDERED:
        (value,) = flagged.filter(nw.col("ck wrong")).select(column).head(1).collect().row(0)
        return InvalidColumn(f"{column!r} is {shown(plain(value))} in a row: {rule}")
    row, value, _ = flagged.collect().with_row_index("ck row").filter(nw.col("ck wrong")).row(0)
    return InvalidColumn(f"{column!r} is {shown(value)} in row {row}: {rule}")


def row_of(look: nw.DataFrame[Any]) -> dict[str, Any]:
    """Return the one row of a table by name, as plain values."""
    return dict(zip(look.columns, map(plain, look.row(0)), strict=True))


def _shifted(micros: nw.Expr, steps: list[tuple[int, int]]) -> nw.Expr:
    """Return microseconds moved by an offset that changes at some moments."""
    (_, first), *changes = steps
    moved = micros + first
    for at, change in changes:
        moved += as_number(micros >= at) * change
    return moved


def as_number(flag: nw.Expr, dtype: Any = nw.Int64) -> nw.Expr:
    """Return 1 where a flag is true, else 0: Spark adds no booleans up, and dask turns no null into a number."""
    return flag.fill_null(value=False).cast(dtype)


def _day_before(micros: int) -> int:
    """Return the beginning of the UTC day that ends at least a day before a moment."""
    return (micros // _DAY - 2) * _DAY


def not_finite(column: nw.Expr) -> nw.Expr:
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


def plain(value: Any) -> Any:
    """Return a value as plain Python; NaN, NaT and the engines' nulls are None."""
    try:
        if value is None or value != value:  # noqa: PLR0124 - NaN is not itself
            return None
    except TypeError:  # pandas.NA is neither equal nor unequal
        return None
    return value.to_pydatetime(warn=False) if hasattr(value, "to_pydatetime") else value
