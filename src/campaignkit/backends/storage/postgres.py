"""PostgreSQL, through psycopg 3: a verb is one statement, however many rows it is about.

Rows go as one array for each column, and the server makes rows of them:

    INSERT INTO ... SELECT :tenant, given.* FROM unnest(:message_ids, :campaign_ids, ...) AS given

A transaction that changes things is READ COMMITTED: what it must not lose it has locked, and it
sees what another has committed while it waited for the lock. One that only reads is REPEATABLE
READ, all of it as of one moment. Rows are inserted, changed and locked in the order of their
keys, so that two transactions cannot wait for each other over one table; if they do over two,
PostgreSQL ends one of them, which is `StorageUnavailable`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from campaignkit.backends.storage.dialect import (
    Dialect,
    Shape,
    SqlTransaction,
    adding,
    columns,
    key_columns,
    replacing,
    sums,
)
from campaignkit.backends.storage.port import Key, Row
from campaignkit.backends.storage.schema import TENANT, metadata
from campaignkit.backends.storage.tables import Table
from campaignkit.backends.storage.values import values_of

_LOST: Final = ("08", "57P")
_FETCHED: Final = 5000  # rows at a time
_NAMES: Final = itertools.count()
_UPGRADING: Final = 7263_2001  # an advisory lock of our own


class Postgres(Dialect):
    """How a storage speaks to PostgreSQL."""

    name = "postgresql"

    def __init__(self, engine: sa.Dialect, *, synchronous: Literal["FULL", "NORMAL"], patience: float) -> None:
        super().__init__(engine, engine.loaded_dbapi)
        waits = f"SET LOCAL lock_timeout={int(patience * 1000)}"
        loose = "; SET LOCAL synchronous_commit=off" if synchronous == "NORMAL" else ""
        self.begin = f"BEGIN ISOLATION LEVEL READ COMMITTED; {waits}{loose}"
        self.begin_reading = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        self.begin_upgrade = (
            f"BEGIN ISOLATION LEVEL READ COMMITTED; {waits}; SELECT pg_advisory_xact_lock({_UPGRADING})"
        )

    def turn(self) -> AbstractContextManager[None]:
        """Let everybody begin: they meet at the rows."""
        return nullcontext()

    def prepare(self, cursor: Any) -> None:
        """Leave a connection as it is."""

    def transaction(self, cursor: Any, tenant: str, state: str) -> SqlTransaction:
        """Return a transaction that was begun on a cursor."""
        # An int is sent as 64 bits whatever its size, so that the server prepares a statement once and for all.
        from psycopg.types.numeric import Int8Dumper  # noqa: PLC0415 - an extra

        cursor.adapters.register_dumper(int, Int8Dumper)
        return _PostgresTransaction(cursor, tenant, self, state)

    def compact(self, cursor: Any) -> None:
        """Make free what dead rows took."""
        for table in metadata(self.name).sorted_tables:
            cursor.execute(f"VACUUM {table.name}")

    def passing(self, error: BaseException) -> bool:
        """Return whether it is about the connection, the disk, or somebody else's lock."""
        return isinstance(error, self.driver.OperationalError)

    def lost(self, error: BaseException) -> bool:
        """Return whether the server said nothing, or that it ends this connection."""
        said = str(getattr(error, "sqlstate", None) or _LOST[0])
        return self.passing(error) and said.startswith(_LOST)


class _PostgresTransaction(SqlTransaction):
    def insert(self, table: Table, rows: Sequence[Row]) -> list[bool]:
        self._check(changing=True)
        keys = [table.key_of(row) for row in rows]
        first = dict(zip(reversed(keys), reversed(rows), strict=True))
        new = set(self._put(_insert, table, first).fetchall()) if rows else set()
        fresh = []
        for key in keys:
            fresh.append(key in new)
            new.discard(key)
        return fresh

    def load(self, table: Table, columns: Sequence[str], values: Sequence[Sequence[Any]]) -> list[bool]:
        self._check(changing=True)
        if not values:
            return []
        names, rows = self._columns(table, columns, values)
        # Many rows are nearly always all new: then COPY takes them.
        self._run("SAVEPOINT many", None, table)
        try:
            with self._cursor.copy(self._statement(_copy, table, names).text) as copy:
                for row in rows:
                    copy.write_row(row)
        except self._dialect.driver.errors.UniqueViolation:
            self._run("ROLLBACK TO many", None, table)
            return super().load(table, columns, values)
        except BaseException as error:  # noqa: BLE001 - raised again as what it means
            self._fail(error, table)
        self._run("RELEASE many", None, table)
        return [True] * len(rows)

    def lock(self, table: Table, keys: Iterable[Key]) -> dict[Key, Row]:
        self._check(changing=True)
        return self._found(_lock, table, sorted({*keys}))

    def get(self, table: Table, keys: Iterable[Key]) -> dict[Key, Row]:
        self._check()
        return self._found(_get, table, keys)

    def put(self, table: Table, rows: Sequence[Row]) -> None:
        self._check(changing=True)
        if rows:
            self._put(_put, table, {table.key_of(row): row for row in rows})

    def update(self, table: Table, columns: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
        self._check(changing=True)
        if values:
            given = self._changes(table, columns, values)
            self._arrays(_update, table, given, tuple(given))

    def add(self, table: Table, numbers: Mapping[Key, Mapping[str, int]]) -> None:
        self._check(changing=True)
        names, rows = sums(table, numbers)
        if rows:
            self._put(_add, table, {table.key_of(row): row for row in rows}, names)

    def delete(self, table: Table, keys: Iterable[Key]) -> int:
        locked = self.lock(table, keys)
        deleted: int = self._given(_delete, table, table.key, list(locked)).rowcount if locked else 0
        return deleted

    def _stream(self, text: str, given: Any, table: Table) -> Iterator[tuple[Any, ...]]:
        try:
            with self._cursor.connection.cursor(name=f"campaignkit_{next(_NAMES)}") as cursor:
                cursor.itersize = _FETCHED
                cursor.execute(text, given)
                yield from cursor
        except self._dialect.driver.Error as error:
            self._fail(error, table)

    def _counted(
        self, shape: Shape, table: Table, index: str | None, where: Mapping[str, Any] | None
    ) -> Iterable[tuple[tuple[Any, ...], int]]:
        return ((values[:-1], values[-1]) for values in self._all_of(shape, table, index, where))

    def _found(self, make: Any, table: Table, keys: Iterable[Key]) -> dict[Key, Row]:
        given = list(keys)
        found = self._given(make, table, table.key, given).fetchall() if given else []
        size = len(table.key)
        decode = values_of(table).decode
        return {values[:size]: decode(values) for values in found}

    def _put(self, make: Any, table: Table, by_key: Mapping[Key, Row], *shape: Any) -> Any:
        size = len(table.key)
        rows = sorted(self._values(table, by_key.values()), key=lambda values: tuple(values[:size]))
        return self._given(make, table, values_of(table).names, rows, *shape)

    def _given(self, make: Any, table: Table, names: Sequence[str], rows: Iterable[Sequence[Any]], *shape: Any) -> Any:
        return self._arrays(make, table, dict(zip(names, zip(*rows, strict=True), strict=True)), *shape)

    def _arrays(self, make: Any, table: Table, columns: Mapping[str, Sequence[Any]], *shape: Any) -> Any:
        statement = self._statement(make, table, *shape)
        arrays = {name: _array(values) for name, values in columns.items()}
        return self._run(statement.text, statement.given({**arrays, TENANT: self._tenant}), table)


def _array(values: Iterable[Any]) -> str:
    """Return values as PostgreSQL writes an array: much less work than to let the driver look at each of them."""
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: Any) -> str:
    if not isinstance(value, str):
        return "NULL" if value is None else str(value)
    escaped = value.replace("\\", r"\\").replace('"', r"\"") if '"' in value or "\\" in value else value
    return f'"{escaped}"'


def _copy(sql: sa.Table, names: tuple[str, ...]) -> sa.ClauseElement:
    quoted: Any = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call]  # SQLAlchemy has no type for it
    return sa.text(f"COPY {quoted.format_table(sql)} ({', '.join(map(quoted.quote, names))}) FROM STDIN")


def _insert(sql: sa.Table) -> sa.ClauseElement:
    return _all(sql).on_conflict_do_nothing().returning(*key_columns(sql))


def _put(sql: sa.Table) -> sa.ClauseElement:
    return replacing(_all(sql), sql)


def _update(sql: sa.Table, names: tuple[str, ...]) -> sa.ClauseElement:
    # The rows are there. This way they are always found along the key; see _one_by_one.
    return replacing(_all(sql, names), sql, names)


def _add(sql: sa.Table, names: tuple[str, ...]) -> sa.ClauseElement:
    return adding(_all(sql), sql, names)


def _get(sql: sa.Table) -> sa.ClauseElement:
    return _one_by_one(sql, lambda row: row.offset(sa.literal_column("0")))


def _lock(sql: sa.Table) -> sa.ClauseElement:
    return _one_by_one(sql, sa.Select.with_for_update)


def _one_by_one(sql: sa.Table, kept_apart: Callable[[sa.Select[Any]], sa.Select[Any]]) -> sa.ClauseElement:
    """Return what finds rows along the key, in the order in which keys are given.

    Joined in the plain way, a table of which PostgreSQL has no statistics yet would be read from end to end: it
    takes the rows of one tenant for few. What is kept apart is not made a join of.
    """
    given = _unnested(key_columns(sql))
    row = kept_apart(sa.select(*columns(sql)).where(*_same(sql, given))).lateral("found")
    return sa.select(*row.c).join_from(given, row, sa.true())


def _delete(sql: sa.Table) -> sa.ClauseElement:
    return sa.delete(sql).where(*_same(sql, _unnested(key_columns(sql))))


def _all(sql: sa.Table, names: tuple[str, ...] = ()) -> postgresql.Insert:
    given = _unnested([sql.c[name] for name in names] or columns(sql))
    rows = sa.select(sa.bindparam(TENANT, type_=sa.Text), *given.c)
    return postgresql.insert(sql).from_select([TENANT, *given.c.keys()], rows)


def _unnested(given: Sequence[sa.Column[Any]]) -> sa.TableValuedAlias:
    """Return rows made of arrays, one for each column and named as it is."""
    arrays = [sa.bindparam(each.name, type_=postgresql.ARRAY(_plain(each))) for each in given]
    named = sa.func.unnest(*arrays).table_valued(*(sa.column(each.name, _plain(each)) for each in given), name="given")
    return named.render_derived()


def _plain(column: sa.Column[Any]) -> sa.types.TypeEngine[Any]:
    return sa.Text() if isinstance(column.type, sa.Text) else sa.BigInteger()


def _same(sql: sa.Table, given: sa.TableValuedAlias) -> list[sa.ColumnElement[bool]]:
    tests = [column == given.c[column.name] for column in key_columns(sql)]
    return [sql.c[TENANT] == sa.bindparam(TENANT, type_=sa.Text), *tests]
