"""SqlStorage: SQLite for one machine, PostgreSQL for many.

    sql.py         connections and transactions: begin, commit, undo, what an error means
    dialect.py     the verbs that both databases share, and the walk of a scan
    sqlite.py      how each of the two does what they do differently
    postgres.py
    schema.py      the tables, and which version of them a database holds

A connection is taken from the pool for one transaction. It is in the driver's autocommit mode,
and BEGIN, COMMIT and ROLLBACK are said in so many words: nobody begins or ends one behind our back.

    what happens                             what the caller gets
    ─────────────────────────────────────────────────────────────────────────────────────────
    another writer is at work                waits, up to ``patience``; then StorageUnavailable
    a pooled connection has died             a new one: nothing had begun
    lost while working, disk full, deadlock  StorageUnavailable; nothing was kept
    lost while committing                    StorageUnavailable with ``in_doubt``: read again
    a verb failed and the block went on      StorageUnavailable at its end; nothing was kept
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

from campaignkit.backends.storage import schema  # first: says which extra is missing

import sqlalchemy as sa  # isort: skip

from campaignkit.backends.storage.dialect import Dialect
from campaignkit.backends.storage.port import Storage, Transaction
from campaignkit.backends.storage.postgres import Postgres
from campaignkit.backends.storage.sqlite import Sqlite
from campaignkit.errors import InvalidValue, MissingExtra, shown

_USED: Final = "campaignkit"
_DIALECTS: Final[dict[str, type[Sqlite | Postgres]]] = {"sqlite+pysqlite": Sqlite, "postgresql+psycopg": Postgres}
_USUAL: Final = {"sqlite": "sqlite+pysqlite", "postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}


class SqlStorage(Storage):
    """Everything in a SQL database, under names that begin with ``campaignkit_``.

    Nothing is opened before the first transaction. That one makes the tables in a database that
    has none of ours; tables of an older version it leaves alone, for `upgrade` to be called
    when nobody else uses them.

    Args:
        database: a URL, ``sqlite:///campaigns.db`` or ``postgresql://user:password@host/name``; or the
            host's own SQLAlchemy engine for one of the two, with the drivers pysqlite or psycopg.
        synchronous: ``FULL``: what a block did is on the disk when it ends. ``NORMAL`` does not wait for
            the disk: a power cut takes the last moments, and leaves everything before them whole.
        patience: seconds to wait for another writer.

    Raises:
        InvalidValue: not such a database, or one in memory, which `MemoryStorage` is for.
        MissingExtra: SQLAlchemy or psycopg is not installed.

    >>> import tempfile
    >>> from campaignkit.backends.storage.tables import NOTES
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     storage = SqlStorage(f"sqlite:///{folder}/campaigns.db")
    ...     with storage.transaction("acme") as tx:
    ...         tx.add(NOTES, {("duplicate", "twilio"): {"n": 2}})
    ...     with storage.reading("acme") as tx:
    ...         tx.scan(NOTES)
    ...     storage.close()
    [{'name': 'duplicate', 'carrier': 'twilio', 'n': 2, 'last_at': 0}]
    """

    def __init__(
        self,
        database: str | sa.URL | sa.Engine,
        *,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        patience: float = 30.0,
    ) -> None:
        if synchronous not in {"FULL", "NORMAL"}:
            raise InvalidValue(f"synchronous={shown(synchronous)} is not one of FULL, NORMAL")
        self._own = not isinstance(database, sa.Engine)
        engine = database if isinstance(database, sa.Engine) else _engine(database, patience)
        made = _dialect_of(engine.url, f"{engine.dialect.name}+{engine.dialect.driver}")
        self._dialect: Dialect = made(engine.dialect, synchronous=synchronous, patience=patience)
        self._engine = engine if self._own else engine.execution_options(isolation_level="AUTOCOMMIT")
        self._checking = threading.Lock()
        self._checked = False

    @contextmanager
    def transaction(self, tenant: str) -> Iterator[Transaction]:
        """Begin a transaction that may change things; see `Storage`.

        Raises:
            StorageUnavailable: it cannot be had now.
            UnsupportedSchema: the database holds tables of another version.
        """
        self._check()
        with self._dialect.turn(), self._running(self._dialect.begin, tenant) as tx:
            yield tx

    @contextmanager
    def reading(self, tenant: str) -> Iterator[Transaction]:
        """Begin a transaction that only reads, as of one moment, and that nobody waits for."""
        self._check()
        with self._running(self._dialect.begin_reading, tenant, "only reads") as tx:
            yield tx

    def upgrade(self) -> None:
        """Make the tables, or bring them to the version of this library, in one transaction.

        Killed anywhere, it leaves the old tables or the new ones; called again, it does nothing.

        Raises:
            UnsupportedSchema: they are of a newer version than this library's.
        """
        with self._dialect.turn(), self._begun(self._dialect.begin_upgrade) as (connection, cursor):
            with self._translated():
                schema.upgrade(connection)
            self._dialect.commit(cursor)

    def compact(self) -> None:
        """Write the tables anew without what was deleted; see `Storage`. It takes time, and in SQLite all writers wait.

        PostgreSQL is asked to make the room free for other rows, which is when it is overwritten.
        """
        self._check()
        with self._dialect.turn(), self._begun("SELECT 1") as (_, cursor):
            try:
                self._dialect.compact(cursor)
            except Exception as error:  # noqa: BLE001 - raised again as what it means
                self._dialect.fail(error)

    def close(self) -> None:
        """Close the connections, unless the engine is the host's."""
        if self._own:
            self._engine.dispose()

    def _check(self) -> None:
        if self._checked:
            return
        with self._checking:
            with self._begun(self._dialect.begin_reading) as (connection, _), self._translated():
                found = schema.version_of(connection)
            if found is None:
                self.upgrade()
            else:
                schema.check(found)
            self._checked = True

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            self._dialect.fail(error)

    @contextmanager
    def _running(self, begin: str, tenant: str, state: str = "") -> Iterator[Transaction]:
        with self._begun(begin) as (_, cursor):
            tx = self._dialect.transaction(cursor, tenant, state)
            try:
                yield tx
                tx.commit()
            finally:
                tx.state = "has ended"

    @contextmanager
    def _begun(self, begin: str) -> Iterator[tuple[sa.Connection, Any]]:
        """Begin on a connection of the pool; whoever is given it commits. An error undoes everything."""
        connection, cursor = self._begin(begin)
        try:
            yield connection, cursor
        except BaseException:
            try:
                cursor.execute("ROLLBACK")
            except Exception:  # noqa: BLE001 - whatever it is: a connection that cannot undo is not used again
                connection.invalidate()
            raise
        finally:
            connection.close()

    def _begin(self, begin: str) -> tuple[sa.Connection, Any]:
        while True:
            connection, used = None, False
            try:
                connection = self._engine.connect()
                driver: Any = connection.connection
                cursor = driver.cursor()
                used = _USED in connection.info
                if not used:
                    self._dialect.prepare(cursor)
                connection.info[_USED] = True
                cursor.execute(begin)
            except BaseException as error:  # noqa: BLE001 - raised again as what it means
                if connection is not None:
                    connection.invalidate()
                    connection.close()
                # It had died in the pool, as after a restart of the server; others there may have died too.
                if used and self._dialect.lost(error):
                    continue
                self._dialect.fail(error)
            return connection, cursor


def _engine(database: str | sa.URL, patience: float) -> sa.Engine:
    try:
        url = sa.make_url(database)
    except sa.exc.ArgumentError:
        raise InvalidValue("the database is no URL, nor an engine: give one as sqlite:///campaigns.db") from None
    driver = _USUAL.get(url.drivername, url.drivername)
    _dialect_of(url, driver)
    try:
        return sa.create_engine(url.set(drivername=driver), pool_timeout=patience, isolation_level="AUTOCOMMIT")
    except ModuleNotFoundError:
        raise MissingExtra("psycopg", "postgres", "PostgreSQL") from None


def _dialect_of(url: sa.URL, driver: str) -> type[Sqlite | Postgres]:
    if driver not in _DIALECTS:
        known = " or ".join(_DIALECTS)
        raise InvalidValue(f"SqlStorage does not speak {driver}: give an engine or a URL of {known}")
    database = url.database or ""
    if driver.startswith("sqlite") and (not database or ":memory:" in database or "mode=memory" in database):
        raise InvalidValue("a database in memory ends with its connection: give a file, or use MemoryStorage()")
    return _DIALECTS[driver]
