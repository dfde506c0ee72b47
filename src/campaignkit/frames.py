"""Any dataframe in, cells out: one GROUP BY, run lazily by the frame's own engine.

Through narwhals, in the dialect that all its engines share: values are prepared as columns,
then grouped, then only ``len``, ``count``, ``sum`` and ``max`` are asked for. Money and
latency are small GROUP BYs of their own, because as keys of the first they would multiply
its groups. Nothing is copied that is not asked for; enums and categoricals stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import narwhals as nw

from campaignkit.errors import InvalidColumn, nearest, shown
from campaignkit.metrics import (
    LATENCY_STEP,
    MEASURES,
    NEGATIVE_LATENCY,
    PEOPLE_NEED,
    Cell,
    Derived,
    Group,
    People,
    PeopleCounts,
    Sums,
    Tally,
    TimeBucket,
    by_name,
    make_cell,
    unmeasured_of,
)
from campaignkit.models import (
    COUNT_COLUMNS,
    MICROS,
    MONEY_COLUMNS,
    NEVER_HANDED_OFF,
    MoneyKey,
    Status,
    parse_code,
    parse_currency,
)
from campaignkit.rows import MESSAGE_COLUMNS, NEGATIVE_PRICES
from campaignkit.verdicts import parse_status_word

_MOMENTS: Final = ("sent_at", "delivered_at", "last_event_at")
_CELL_COLUMNS: Final = ("status", "carrier", "error_code", "skip_reason")
_Lazy = nw.LazyFrame[Any]


def tally_frame(
    frame: Any,  # noqa: ANN401 - a frame of any engine
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
    source = _Source(frame, columns or {}, carrier, timezone)
    keys = source.keys(by)
    checked = source.check()
    counted = tuple(name for name in COUNT_COLUMNS if name in source and name not in checked.empty)
    cells = source.cells(keys, counted)
    return Tally(
        by=tuple(keys),
        cells=cells,
        money=source.money(keys),
        latency=source.latency(keys),
        people=source.people(keys, people, counted) if people else {},
        unmeasured=unmeasured_of(counted, cells, people),
        as_of=checked.latest,
    )


class _Checked:
    """What one look over the whole frame told: its latest moment and the columns without values."""

    def __init__(self, latest: datetime | None, empty: frozenset[str]) -> None:
        self.latest = latest
        self.empty = empty


class _Source:
    """A frame whose columns are known by our names."""

    def __init__(
        self,
        frame: Any,  # noqa: ANN401
        columns: Mapping[str, str],
        carrier: str | None,
        timezone: str | None,
    ) -> None:
        self.frame: _Lazy = nw.from_native(frame).lazy()
        self.schema = self.frame.collect_schema()
        self.carrier = carrier
        self.timezone = timezone
        self._columns = _check_columns(columns, self.schema)
        self._void = self._columns_without_values()
        if "status" not in self:
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
            if self.theirs(name) in self.schema and not _could_be(name, self.dtype(name))
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

    def dtype(self, name: str) -> Any:  # noqa: ANN401 - narwhals' types are classes and instances
        """Return a column's type by our name."""
        return self.schema[self.theirs(name)]

    def means(self, carrier: str | None, word: str) -> Status:
        """Return the status a word means: the carrier's own when ``carrier=`` says so, else ours first."""
        return parse_status_word(carrier, word, ours_first=self.carrier is None).status

    def keys(self, by: tuple[str | Derived, ...]) -> dict[str, nw.Expr]:
        """Return each grouping column's name with the expression that makes it."""
        keys = {}
        for each in by:
            name = each if isinstance(each, str) else each.column
            if name not in self:
                raise InvalidColumn(f"the frame has no {name!r} to group by; nearest: {nearest(name, self.schema)}")
            keys[by_name(each)] = self.col(each) if isinstance(each, str) else self._derived(each)
        return keys

    def _derived(self, by: Derived) -> nw.Expr:
        moment = self.moment(by.column)
        if isinstance(by, TimeBucket):
            return moment.dt.convert_time_zone(by.zone).dt.truncate("1h" if by.unit == "hour" else "1d")
        return (moment >= by.moment).fill_null(value=False)

    def moment(self, name: str) -> nw.Expr:
        """Return a column of moments, aware.

        Raises:
            InvalidColumn: not moments, or naive without ``timezone=``.
        """
        dtype = self.dtype(name)
        if dtype != nw.Datetime:
            raise InvalidColumn(f"{self.theirs(name)!r} is {dtype}: moments must be a datetime column; parse it first")
        if dtype.time_zone is not None:
            return self.col(name)
        if self.timezone is None:
            raise InvalidColumn(
                f'{self.theirs(name)!r} has no time zone: give timezone="UTC", or the zone its clock was in'
            )
        return self.col(name).dt.replace_time_zone(self.timezone)

    # --- one look over everything ----------------------------------------------------------

    def check(self) -> _Checked:
        """Refuse nulls, negatives and non-finite money anywhere; find the latest moment.

        Raises:
            InvalidColumn: naming the column and the first row.
        """
        counted = [name for name in COUNT_COLUMNS if name in self]
        money = [name for name in MONEY_COLUMNS if name in self and self.dtype(name).is_float()]
        moments = [name for name in _MOMENTS if name in self]
        asked = [nw.len().alias("n"), self.col("status").null_count().alias("null status")]
        asked += [self.col(name).null_count().alias(f"null {name}") for name in counted]
        asked += [self._number(name).min().alias(f"least {name}") for name in counted]
        asked += [(~self.col(name).is_finite()).any().alias(f"odd {name}") for name in money]
        asked += [self.moment(name).max().alias(f"last {name}") for name in moments]
        look = self.frame.select(*asked).collect()
        found = dict(zip(look.columns, look.row(0), strict=True))
        if found["null status"]:
            raise self._at_first_row("status", self.col("status").is_null(), "every message needs a status")
        empty = frozenset(name for name in counted if found["n"] and found[f"null {name}"] == found["n"])
        for name in counted:
            self._check_counted(name, found, empty)
        for name in money:
            if found[f"odd {name}"]:
                raise self._at_first_row(
                    name, ~self.col(name).is_finite(), "money must be finite; use null for unknown"
                )
        latest = max((found[f"last {name}"] for name in moments if _is_moment(found[f"last {name}"])), default=None)
        return _Checked(None if latest is None else _as_datetime(latest).astimezone(UTC), empty)

    def _check_counted(self, name: str, found: Mapping[str, Any], empty: frozenset[str]) -> None:
        if found[f"null {name}"] and name not in empty:
            rule = "it is given for some messages only; fill it with 0 where nothing happened, or leave the column out"
            raise self._at_first_row(name, self.col(name).is_null(), rule)
        if name not in empty and found["n"] and not found[f"least {name}"] >= 0:
            raise self._at_first_row(name, ~(self._number(name) >= 0), "a count must be 0 or more")

    def _number(self, name: str) -> nw.Expr:
        dtype = self.dtype(name)
        if dtype == nw.Boolean:
            return self.col(name).cast(nw.Int64)
        if not dtype.is_numeric() and dtype not in {nw.Object, nw.Unknown}:
            raise InvalidColumn(f"{self.theirs(name)!r} is {dtype}: a count must be a column of whole numbers")
        return self.col(name)

    def _at_first_row(self, name: str, wrong: nw.Expr, rule: str) -> InvalidColumn:
        eager = self.frame.select(self.col(name), wrong.alias("ck wrong")).collect().with_row_index("ck row")
        row, value, _ = eager.filter(nw.col("ck wrong")).row(0)
        return InvalidColumn(f"{self.theirs(name)!r} is {shown(value)} in row {row}: {rule}")

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
            raw = dict(zip(key_columns, row[width:middle], strict=True))
            sums = Sums(**{name: _exact(name, value) for name, value in zip(names, row[middle:], strict=True)})
            carrier = self.carrier or _value(raw.get("carrier"))
            word = str(raw["status"])
            early = sums.handed_off if self.means(carrier, word) in NEVER_HANDED_OFF else 0
            code = parse_code(raw.get("error_code")) or _value(raw.get("skip_reason"))
            cell = make_cell(word, carrier, code, sums.n, early, ours_first=self.carrier is None)
            cells = read.setdefault(tuple(map(_value, row[:width])), {})
            cells[cell] = cells.get(cell, Sums()).plus(sums._replace(handed_off=early))
        return read

    # --- the small tables beside ------------------------------------------------------------

    def money(self, keys: Mapping[str, nw.Expr]) -> dict[Group, dict[MoneyKey, int]]:
        """Return each group's money in millionths, by kind and currency."""
        kinds = [name for name in MONEY_COLUMNS if name in self]
        if not kinds:
            return {}
        if "currency" not in self:
            raise InvalidColumn(f"{kinds[0]!r} has no currency: add a 'currency' column, or name theirs in columns=")
        prepared = [expression.alias(f"by {name}") for name, expression in keys.items()]
        prepared += [self.col("currency").alias("currency"), *(self._micros(name).alias(name) for name in kinds)]
        sums = [nw.col(name).sum().alias(f"sum {name}") for name in kinds]
        sums += [nw.col(name).count().alias(f"n {name}") for name in kinds]
        sums += [nw.col(name).min().alias(f"least {name}") for name in kinds]
        grouped = [*(f"by {name}" for name in keys), "currency"]
        table = self.frame.select(*prepared).group_by(*grouped).agg(*sums).collect()
        money: dict[Group, dict[MoneyKey, int]] = {}
        for row in table.iter_rows(named=True):
            group = tuple(_value(row[f"by {name}"]) for name in keys)
            for name in kinds:
                if not row[f"n {name}"]:
                    continue
                if row[f"least {name}"] < 0:
                    raise InvalidColumn(
                        f"{self.theirs(name)!r} has negative amounts: give carrier= if the carrier writes charges so"
                        f" ({', '.join(sorted(NEGATIVE_PRICES))}), or negate them"
                    )
                key = (MONEY_COLUMNS[name], parse_currency("currency", _value(row["currency"])))
                table_of = money.setdefault(group, {})
                table_of[key] = table_of.get(key, 0) + int(row[f"sum {name}"])
        return money

    def _micros(self, name: str) -> nw.Expr:
        # Through a float, because no engine multiplies decimals alike: exact up to nine thousand
        # million units, as 2**53 is more than 9e15 millionths.
        micros = (self.col(name).cast(nw.Float64) * MICROS).round(0).cast(nw.Int64)
        if name != "price" or "carrier" not in self:
            return micros.abs() if name == "price" and self.carrier in NEGATIVE_PRICES else micros
        negative = self.col("carrier").cast(nw.String).str.to_lowercase().is_in(list(NEGATIVE_PRICES))
        return nw.when(negative).then(micros.abs()).otherwise(micros)

    def latency(self, keys: Mapping[str, nw.Expr]) -> dict[Group, dict[int, int]]:
        """Return how many messages took how long from sending to delivery, by bucket."""
        if "sent_at" not in self or "delivered_at" not in self:
            return {}
        elapsed = (self.moment("delivered_at") - self.moment("sent_at")).dt.total_microseconds() // 1000
        grouped = [*(f"by {name}" for name in keys), "bucket"]
        timed = self.frame.select(
            *(expression.alias(f"by {name}") for name, expression in keys.items()), elapsed.alias("ms")
        ).filter(~nw.col("ms").is_null())
        bucket = nw.col("ms").clip(1, None).log(LATENCY_STEP).floor().cast(nw.Int64)
        below = (nw.col("ms") < 0).cast(nw.Int64)
        counted = timed.with_columns(bucket=bucket * (1 - below) + below * NEGATIVE_LATENCY)
        table = counted.group_by(*grouped).agg(nw.len().alias("n")).collect()
        latency: dict[Group, dict[int, int]] = {}
        for row in table.iter_rows(named=True):
            group = tuple(_value(row[f"by {name}"]) for name in keys)
            latency.setdefault(group, {})[int(row["bucket"])] = int(row["n"])
        return latency

    # --- people ----------------------------------------------------------------------------

    def people(self, keys: Mapping[str, nw.Expr], asked: People, counted: tuple[str, ...]) -> dict[Group, PeopleCounts]:
        """Return distinct people by group: whoever has at least one message of the kind."""
        if asked.column not in self:
            raise InvalidColumn(
                f"the frame has no {asked.column!r} to tell people apart; nearest: {nearest(asked.column, self.schema)}"
            )
        found: dict[str, dict[Group, int]] = {}
        for name in asked.counts:
            column = PEOPLE_NEED.get(name)
            if column is None:
                found[name] = self._distinct(keys, asked.column, self._where(name))
            elif column in counted:
                found[name] = self._distinct(keys, asked.column, self._number(column) > 0)
        groups = {group for counts in found.values() for group in counts}
        return {
            group: PeopleCounts(**{name: counts.get(group, 0) for name, counts in found.items()}) for group in groups
        }

    def _where(self, name: str) -> nw.Expr | None:
        if name == "recipients":
            return None
        words = self.frame.select(self.col("status").alias("word")).unique().collect()
        wanted = [word for (word,) in words.iter_rows() if _fits(name, self.means(self.carrier, str(word)))]
        where = self.col("status").is_in(wanted)
        if name == "unique_sends" and "sent_at" in self:
            return where | ~self.col("sent_at").is_null()
        return where

    def _distinct(self, keys: Mapping[str, nw.Expr], person: str, where: nw.Expr | None) -> dict[Group, int]:
        rows = self.frame if where is None else self.frame.filter(where)
        grouped = [f"by {name}" for name in keys]
        prepared = [expression.alias(f"by {name}") for name, expression in keys.items()]
        distinct = rows.select(*prepared, self.col(person).alias("person")).unique()
        if not grouped:
            return {(): int(distinct.select(nw.len()).collect().item())}
        table = distinct.group_by(*grouped).agg(nw.len().alias("n")).collect()
        return {tuple(map(_value, row[:-1])): int(row[-1]) for row in table.select(*grouped, "n").iter_rows()}


def _could_be(name: str, dtype: Any) -> bool:  # noqa: ANN401
    """Return whether a column of this type could hold what the name says; a column of nulls often cannot."""
    if name in _MOMENTS:
        return bool(dtype == nw.Datetime)
    if name in COUNT_COLUMNS or name in MONEY_COLUMNS:
        return bool(dtype.is_numeric() or dtype == nw.Boolean)
    return dtype not in {nw.Unknown(), nw.Object()}


def _fits(name: str, status: Status) -> bool:
    if name == "unique_sends":
        return status not in NEVER_HANDED_OFF
    return status in {Status.DELIVERED, Status.READ}


def _check_columns(columns: Mapping[str, str], schema: Mapping[str, Any]) -> dict[str, str]:
    """Return ``columns=``, checked: our name to theirs.

    Raises:
        InvalidColumn: turned round, an unknown name of ours, or a name the frame has not.
    """
    for ours, theirs in columns.items():
        if theirs in schema:
            continue
        if ours in schema and theirs in MESSAGE_COLUMNS:
            right = {value: key for key, value in columns.items()}
            raise InvalidColumn(f"columns= is turned round: give {{our name: their name}}, here columns={right}")
        raise InvalidColumn(f"columns= names {theirs!r}, which the frame has not; nearest: {nearest(theirs, schema)}")
    return dict(columns)


def _value(value: Any) -> Any:  # noqa: ANN401
    """Return a group value as plain Python; NaN, NaT and the engines' nulls are None."""
    if value is None or value != value:  # noqa: PLR0124 - NaN is not itself
        return None
    return value


def _is_moment(value: Any) -> bool:  # noqa: ANN401
    return value is not None and value == value  # noqa: PLR0124 - NaT is not itself


def _as_datetime(value: Any) -> datetime:  # noqa: ANN401
    plain: datetime = value.to_pydatetime() if hasattr(value, "to_pydatetime") else value
    return plain


def _exact(name: str, value: Any) -> int:  # noqa: ANN401
    whole = int(value)
    if whole != value:
        raise InvalidColumn(f"{name} adds up to {value}: it must be a column of whole numbers")
    return whole


def frame_rows(frame: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    """Yield a frame's rows as mappings of plain Python values, nulls of every kind as None."""
    for row in nw.from_native(frame).lazy().collect().iter_rows(named=True):
        yield {name: _value(value) for name, value in row.items()}
