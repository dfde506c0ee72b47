"""SQLite: one file, one writer at a time, everybody else reads on.

    journal_mode=WAL       readers see the last commit while somebody writes
    synchronous=FULL       a commit is on the disk before it is answered; with NORMAL a power cut
                           takes the last of them, all or nothing, and the file stays whole
    BEGIN IMMEDIATE        a writer waits for its turn before it reads, so that nobody else can have
                           changed what it read: this is the lock on every row
    busy_timeout           how long it waits for another process; threads of this one queue before

Statements run row by row: in the same process there is no way to a server to save.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal

import attrs
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

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
from campaignkit.backends.storage.schema import TENANT
from campaignkit.backends.storage.tables import Table
from campaignkit.backends.storage.values import values_of
from campaignkit.errors import InvalidValue, StorageUnavailable

_OLDEST: Final = (3, 37, 0)  # has STRICT tables
_KIND: Final = 0xFF  # the part of an error code that says what kind it is
_PAUSE: Final = 0.01  # seconds


class _WithHints(SQLiteCompiler):
    """Writes hints about indexes, which SQLAlchemy knows of other databases only."""

    def get_from_hint_text(self, table: sa.FromClause, text: str | None) -> str | None:  # noqa: ARG002
        return text


class Sqlite(Dialect):
    """How a storage speaks to SQLite."""

    name = "sqlite"
    begin = "BEGIN IMMEDIATE"
    begin_reading = "BEGIN"
    begin_upgrade = "BEGIN IMMEDIATE"

    def __init__(self, engine: sa.Dialect, *, synchronous: Literal["FULL", "NORMAL"], patience: float) -> None:
        compiler: Any = sqlite.dialect(paramstyle="qmark")
        compiler.statement_compiler = _WithHints
        super().__init__(compiler, engine.loaded_dbapi)
        if sqlite3.sqlite_version_info < _OLDEST:
            raise InvalidValue(f"this Python has SQLite {sqlite3.sqlite_version}: SqlStorage needs 3.37 or newer")
        self._synchronous = synchronous
        self._patience = patience
        self._turn = threading.Lock()
        self._owner: int | None = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the other threads of this process, in the order in which they came."""
        me = threading.get_ident()
        if self._owner == me:
            raise RuntimeError("this thread is in a transaction already: end it first, or pass it on")
        if not self._turn.acquire(timeout=self._patience):
            raise StorageUnavailable(f"another thread has been writing for {self._patience:g} seconds: try again")
        try:
            self._owner = me
            yield
        finally:
            self._owner = None
            self._turn.release()

    def prepare(self, cursor: Any) -> None:
        """Set up a connection."""
        cursor.execute(f"PRAGMA busy_timeout={int(self._patience * 1000)}")
        cursor.execute(f"PRAGMA synchronous={self._synchronous}")
        until = time.monotonic() + self._patience
        while True:
            try:
                cursor.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                # Two that open a new file at once: for this one thing SQLite does not wait by itself.
                if not self.passing(error) or time.monotonic() > until:
                    raise
                time.sleep(_PAUSE)
            else:
                return

    def transaction(self, cursor: Any, tenant: str, state: str) -> SqlTransaction:
        """Return a transaction that was begun on a cursor."""
        return _SqliteTransaction(cursor, tenant, self, state)

    def compact(self, cursor: Any) -> None:
        """Write the file anew, and then empty the log, which holds what was written before.

        The log is emptied only when nobody reads: until then it still holds the new file.
        """
        cursor.execute("VACUUM")
        busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StorageUnavailable("somebody reads this file, so its log still holds what was deleted: try again")

    def passing(self, error: BaseException) -> bool:
        """Return whether it is about the disk, or about somebody else; a statement that is wrong stays so."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        return isinstance(error, sqlite3.OperationalError) and code & _KIND != sqlite3.SQLITE_ERROR

    def lost(self, error: BaseException) -> bool:  # noqa: ARG002 - whatever it says
        """Say no: a file does not hang up."""
        return False


class _SqliteTransaction(SqlTransaction):
    def insert(self, table: Table, rows: Sequence[Row]) -> list[bool]:
        self._check(changing=True)
        return self._insert_each(table, self._given(table, rows)) if rows else []

    def load(self, table: Table, columns: Sequence[str], values: Sequence[Sequence[Any]]) -> list[bool]:
        self._check(changing=True)
        if not values:
            return []
        names, given = self._columns(table, columns, values)
        # Where no key is between the first and the last of many, all of them are new, and the driver goes through the
        # rows by itself. To try that in a savepoint would cost more: it copies each page before it changes.
        keys = {row[: 1 + len(table.key)] for row in given}
        ends = (self._tenant, *min(keys)[1:], *max(keys)[1:])
        if len(keys) < len(given) or self._run(self._statement(_between, table).text, ends, table).fetchone():
            return self._insert_each(table, given, names)
        self._run_all(_insert, table, given, names)
        return [True] * len(given)

    def _insert_each(self, table: Table, given: Iterable[tuple[Any, ...]], *shape: Any) -> list[bool]:
        text = self._statement(_insert, table, *shape).text
        return [self._run(text, values, table).rowcount == 1 for values in given]

    def lock(self, table: Table, keys: Iterable[Key]) -> dict[Key, Row]:
        self._check(changing=True)
        return self.get(table, keys)

    def get(self, table: Table, keys: Iterable[Key]) -> dict[Key, Row]:
        self._check()
        given = list(keys)
        if not given:  # most calls: one receipt needs little of what a batch may
            return {}
        text, size, decode = self._statement(_get, table).text, len(table.key), values_of(table).decode
        found: list[tuple[Any, ...]] = []
        for key in given:
            found += self._run(text, (self._tenant, *key), table).fetchall()
        return {values[:size]: decode(values) for values in found}

    def put(self, table: Table, rows: Sequence[Row]) -> None:
        self._check(changing=True)
        if rows:
            self._run_all(_put, table, self._given(table, rows))

    def update(self, table: Table, columns: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
        self._check(changing=True)
        if values:
            given = self._changes(table, columns, values)
            key = [given.pop(name) for name in table.key]
            rows = list(zip(*given.values(), [self._tenant] * len(values), *key, strict=True))
            self._run_all(_update, table, rows, tuple(given))

    def add(self, table: Table, numbers: Mapping[Key, Mapping[str, int]]) -> None:
        self._check(changing=True)
        if numbers:
            names, rows = sums(table, numbers)
            self._run_all(_add, table, self._given(table, rows), names)

    def delete(self, table: Table, keys: Iterable[Key]) -> int:
        self._check(changing=True)
        return self._run_all(_delete, table, [(self._tenant, *key) for key in keys])

    def _given(self, table: Table, rows: Iterable[Row]) -> list[tuple[Any, ...]]:
        return [(self._tenant, *values) for values in self._values(table, rows)]

    def _run_all(self, make: Any, table: Table, given: Sequence[Any], *shape: Any) -> int:
        try:
            changed: int = self._cursor.executemany(self._statement(make, table, *shape).text, given).rowcount
        except BaseException as error:  # noqa: BLE001 - raised again as what it means
            self._fail(error, table)
        return changed

    def _stream(self, text: str, given: Any, table: Table) -> Iterator[tuple[Any, ...]]:
        cursor = self._cursor.connection.cursor()
        try:
            yield from cursor.execute(text, given)
        except sqlite3.Error as error:
            self._fail(error, table)
        finally:
            cursor.close()

    def _counted(
        self, shape: Shape, table: Table, index: str | None, where: Mapping[str, Any] | None
    ) -> Iterable[tuple[tuple[Any, ...], int]]:
        # GROUP BY sorts every row on the disk here; counting in a dictionary needs one place a group.
        return Counter(self._all_of(attrs.evolve(shape, grouped=False), table, index, where)).items()


def _insert(sql: sa.Table, names: tuple[str, ...] | None = None) -> sa.ClauseElement:
    insert = sqlite.insert(sql)
    given = insert if names is None else insert.values({name: sa.bindparam(name) for name in names})
    return given.on_conflict_do_nothing()


def _put(sql: sa.Table) -> sa.ClauseElement:
    return replacing(sqlite.insert(sql), sql)


def _update(sql: sa.Table, names: tuple[str, ...]) -> sa.ClauseElement:
    # The values come in this order: what changes, then the key.
    changed: list[tuple[Any, Any]] = [(sql.c[name], sa.bindparam(f"v_{name}")) for name in names]
    return sa.update(sql).where(*_same(sql)).ordered_values(*changed)


def _add(sql: sa.Table, names: tuple[str, ...]) -> sa.ClauseElement:
    return adding(sqlite.insert(sql), sql, names)


def _get(sql: sa.Table) -> sa.ClauseElement:
    return sa.select(*columns(sql)).where(*_same(sql))


def _between(sql: sa.Table) -> sa.ClauseElement:
    """Return what finds a row from one key to another."""
    key = key_columns(sql)
    first, last = [sa.tuple_(*(sa.bindparam(f"{end}{at}") for at in range(len(key)))) for end in ("from", "to")]
    tests = [sql.c[TENANT] == sa.bindparam(TENANT), sa.tuple_(*key) >= first, sa.tuple_(*key) <= last]
    return sa.select(sql.c[TENANT]).where(*tests)


def _delete(sql: sa.Table) -> sa.ClauseElement:
    return sa.delete(sql).where(*_same(sql))


def _same(sql: sa.Table) -> list[sa.ColumnElement[bool]]:
    return [column == sa.bindparam(f"k{at}") for at, column in enumerate((sql.c[TENANT], *key_columns(sql)))]
