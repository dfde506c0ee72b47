"""What each dataframe engine says in its own words; everything else is asked through narwhals, of all alike.

Three things differ: how a moment becomes a number, how a query over files is run without
holding them, and what an engine cannot do. Moments are whole microseconds from here on, since
1970 in UTC, or on the clock's face where a column names no zone: arithmetic that every engine
does alike, whatever zone its session or its column is in.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import narwhals as nw

from campaignkit.errors import InvalidValue, UnsupportedFrame

LazyFrame = nw.LazyFrame[Any]
"""A frame of any engine whose work is put off."""

UTC_MICROS: Final = nw.Datetime("us", "UTC")

_EXPRESSION: Final = 200  # of what narwhals says, the rest is where to write to
_DOUBLE: Final = '"'
_BACK: Final = "`"
_SPARK_EPOCH: Final = "timestampdiff(MICROSECOND, TIMESTAMP_NTZ '1970-01-01 00:00:00', {})"


def open_frame(frame: Any) -> LazyFrame:
    """Return any engine's frame, eager or lazy, as a lazy one.

    Raises:
        InvalidValue: a column, or an engine that narwhals does not know.
    """
    try:
        lazy: LazyFrame = nw.from_native(frame).lazy()
    except TypeError:
        raise InvalidValue(f"rows is a {type(frame).__name__}: give the whole frame, or rows") from None
    return lazy


def reads_files(frame: LazyFrame) -> bool:
    """Return whether polars would read files for this frame; it then runs in pieces, not all in memory."""
    native = frame.to_native()
    return frame.implementation.is_polars() and "SCAN" in native.explain(optimized=False)


def collect(query: LazyFrame, *, in_pieces: bool = False) -> nw.DataFrame[Any]:
    """Run a query; ``in_pieces`` when `reads_files` says so."""
    return query.collect(engine="streaming") if in_pieces else query.collect()


@contextlib.contextmanager
def named_gaps(frame: LazyFrame) -> Iterator[None]:
    """Turn what an engine cannot do into a sentence that names it and says what to do.

    Raises:
        UnsupportedFrame: the engine, the expression, the way out.
    """
    try:
        yield
    except NotImplementedError as error:
        engine, expression = frame.implementation.name.lower(), " ".join(str(error).split())[:_EXPRESSION].rstrip(".")
        raise UnsupportedFrame(
            f"{engine} cannot count this, as narwhals says: {expression}. Give the frame as polars, pandas or pyarrow"
        ) from error


def with_micros(frame: LazyFrame, moments: Iterable[str]) -> tuple[LazyFrame, dict[str, nw.Expr]]:
    """Return a frame, and for each column of moments the whole microseconds since 1970.

    Args:
        frame: has the columns.
        moments: names of columns of datetimes; those without a zone count on the clock's face.
    """
    schema: Mapping[str, Any] = frame.collect_schema()
    names = list(moments)
    make = _MAKERS.get(frame.implementation)
    if make is None or not names:
        return frame, {name: _micros(name, schema[name]) for name in names}
    added = {name: f"us {name}" for name in names}
    naive = frozenset(name for name in names if schema[name].time_zone is None)
    native = make(frame.to_native(), added, naive)
    return nw.from_native(native), {name: nw.col(column) for name, column in added.items()}


def _micros(name: str, dtype: Any) -> nw.Expr:
    column = nw.col(name)
    if dtype != nw.Datetime:  # narwhals cannot read pandas' names of zones like America/New_York
        column = column.cast(UTC_MICROS)
    return column.dt.timestamp("us")


def _duckdb(relation: Any, added: Mapping[str, str], naive: frozenset[str]) -> Any:
    del naive  # duckdb's function takes the clock's face for UTC by itself
    made = [f"epoch_us({_quoted(name, _DOUBLE)}) AS {_quoted(column, _DOUBLE)}" for name, column in added.items()]
    return relation.project(", ".join(("*", *made)))


def _spark(frame: Any, added: Mapping[str, str], naive: frozenset[str]) -> Any:
    functions = _spark_functions(frame)
    for name, column in added.items():
        if name in naive:
            frame = frame.withColumn(column, functions.expr(_SPARK_EPOCH.format(_quoted(name, _BACK))))
        else:
            frame = frame.withColumn(column, functions.unix_micros(_quoted(name, _BACK)))
    return frame


def _sqlframe(frame: Any, added: Mapping[str, str], naive: frozenset[str]) -> Any:
    del naive  # its one timestamp is taken for UTC
    functions = _spark_functions(frame)
    for name, column in added.items():
        frame = frame.withColumn(column, functions.unix_micros(_quoted(name, _BACK)))
    return frame


def _spark_functions(frame: Any) -> Any:
    package = ".".join(type(frame).__module__.split(".")[:2])  # pyspark.sql, or sqlframe.duckdb and the like
    return importlib.import_module(f"{package}.functions")


def _ibis(table: Any, added: Mapping[str, str], naive: frozenset[str]) -> Any:
    del naive
    made = {
        # Whole seconds first, because backends round what is between them.
        column: table[name].truncate("s").epoch_seconds() * 1_000_000 + table[name].microsecond() % 1_000_000
        for name, column in added.items()
    }
    return table.mutate(**made)


def _quoted(name: str, mark: str) -> str:
    return mark + name.replace(mark, mark + mark) + mark


_MAKERS: Final[Mapping[nw.Implementation, Callable[[Any, Mapping[str, str], frozenset[str]], Any]]] = {
    nw.Implementation.DUCKDB: _duckdb,
    nw.Implementation.PYSPARK: _spark,
    nw.Implementation.PYSPARK_CONNECT: _spark,
    nw.Implementation.SQLFRAME: _sqlframe,
    nw.Implementation.IBIS: _ibis,
}
