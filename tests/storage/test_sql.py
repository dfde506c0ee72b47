"""SqlStorage holds the contract of storages on SQLite and on PostgreSQL, and what each promises beyond it."""

from __future__ import annotations

import pickle
import re
import sqlite3
import subprocess
import sys
import threading
from itertools import product
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from campaignkit.backends.storage import SqlStorage, schema, sqlite
from campaignkit.backends.storage.tables import MESSAGES, NOTES, RECEIPTS, TABLES, VERSION
from campaignkit.errors import InvalidValue, MissingExtra, StorageUnavailable, UnsupportedSchema
from campaignkit.testing import StorageContract

HERE = Path(__file__).parent
BOTH = ["sqlite", "postgresql"]
ORDERS = [(table, index) for table in TABLES for index in (None, *table.indexes)]


class TestSqlite(StorageContract):
    """SQLite, in a file."""

    @pytest.fixture
    def storage(self, tmp_path):
        """Return an empty one."""
        storage = SqlStorage(f"sqlite:///{tmp_path}/campaigns.db")
        yield storage
        storage.close()

    def reopen(self, storage):
        """Return another one of the same file."""
        storage.close()
        return SqlStorage(storage._engine.url)


class TestPostgres(StorageContract):
    """PostgreSQL, in a schema of its own."""

    @pytest.fixture
    def storage(self, postgres_url):
        """Return an empty one."""
        storage = SqlStorage(postgres_url)
        yield storage
        storage.close()

    def reopen(self, storage):
        """Return another one of the same schema."""
        storage.close()
        return SqlStorage(storage._engine.url)


@pytest.fixture
def url(request):
    """Return the URL of an empty database, of each kind where a test asks for both."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return sa.make_url(f"sqlite:///{request.getfixturevalue('tmp_path')}/campaigns.db")
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def engine(url):
    """Return a host's engine for it."""
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def storage(url):
    """Return an empty storage, which waits for nobody for long."""
    storage = SqlStorage(url, patience=0.2)
    yield storage
    storage.close()


def noted(storage, then=lambda _: None):
    """Note something, do something else in the same transaction, and return how often it was noted."""
    with storage.transaction("acme") as tx:
        tx.add(NOTES, {("noted", ""): {"n": 1}})
        n = tx.get(NOTES, [("noted", "")])["noted", ""]["n"]
        then(tx)
    return n


def message(name, **given):
    """Return a message."""
    return dict.fromkeys(MESSAGES.columns) | {"message_id": name} | given


def asked(engine, sentence):
    """Return one value that a database says of itself."""
    with engine.connect() as connection:
        return connection.exec_driver_sql(sentence).scalar()


# --- waiting, and what cannot be had


@pytest.mark.parametrize("url", BOTH, indirect=True)
def test_processes_share_a_database(url, storage):
    """Four processes that open an empty database and write to it at once lose nothing, and meet no error."""
    command = [sys.executable, str(HERE / "writing.py"), url.render_as_string(hide_password=False), "100"]
    others = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]  # noqa: S603 - our own

    said = [other.communicate(timeout=100)[0] for other in others]

    assert said == ["100\n"] * 4
    with storage.reading("acme") as tx:
        assert tx.scan(NOTES)[0]["n"] == 400


@pytest.mark.parametrize("url", BOTH, indirect=True)
def test_a_writer_who_waits_too_long_is_told(url, storage):
    """Who waits for another writer longer than patience gets StorageUnavailable, and the next try works."""
    other = SqlStorage(url)
    noted(other)
    with other.transaction("acme") as tx:
        tx.lock(NOTES, [("noted", "")])

        with pytest.raises(StorageUnavailable, match=r"^the database cannot do this now .*: try again$") as caught:
            noted(storage)

    assert not caught.value.in_doubt
    assert noted(storage) == 2
    other.close()


@pytest.mark.parametrize("patience", [0.1, 30])
def test_a_new_file_that_somebody_holds(url, opened, patience):
    """A file that cannot be set up yet is waited for like any other, and no longer."""
    holder = sqlite3.connect(url.database, isolation_level=None, check_same_thread=False)
    holder.execute("CREATE TABLE theirs (a)")
    holder.execute("BEGIN")
    holder.execute("SELECT * FROM theirs").fetchall()
    end = threading.Timer(0.5, holder.close)
    end.start()
    storage = opened(url, patience=patience)

    if patience < 1:
        with pytest.raises(StorageUnavailable, match="database is locked"):
            noted(storage)
    else:
        assert noted(storage) == 1
    end.join()


def test_a_new_file_that_two_open_at_once(storage):
    """Where SQLite gives up at once, because another one opens the same new file, it is asked again."""
    said = []

    class Cursor:
        def execute(self, sentence):
            said.append(sentence)
            if "journal_mode" in sentence and said.count(sentence) == 1:
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise error

    storage._dialect.prepare(Cursor())

    assert said.count("PRAGMA journal_mode=WAL") == 2


def test_threads_wait_in_line(storage):
    """A thread that waits for another one of the same process longer than patience is told so."""
    begun, done = threading.Event(), threading.Event()

    def write():
        with storage.transaction("acme"):
            begun.set()
            done.wait(10)

    thread = threading.Thread(target=write)
    thread.start()
    begun.wait(10)

    with pytest.raises(StorageUnavailable, match=r"another thread has been writing for 0\.2 seconds: try again"):
        noted(storage)

    done.set()
    thread.join()
    assert noted(storage) == 1


def test_a_thread_does_not_wait_for_itself(storage):
    """A transaction within one of the same thread is an error at once, where it would wait for ever."""
    with storage.transaction("acme"), pytest.raises(RuntimeError, match="this thread is in a transaction already"):
        noted(storage)


@pytest.mark.parametrize("url", BOTH, indirect=True)
def test_reading_only_reads(storage):
    """A transaction that reads refuses to change anything."""
    for change in (
        lambda tx: tx.insert(NOTES, []),
        lambda tx: tx.lock(NOTES, []),
        lambda tx: tx.put(NOTES, []),
        lambda tx: tx.add(NOTES, {}),
        lambda tx: tx.delete(NOTES, []),
    ):
        with storage.reading("acme") as tx, pytest.raises(RuntimeError, match="this transaction only reads"):
            change(tx)


def test_a_full_disk_undoes_everything(storage):
    """Where a row has no room left, neither it nor what was counted with it is kept, and there is room for less."""
    noted(storage)
    with storage._begun("BEGIN") as (_, cursor):
        cursor.execute("COMMIT")
        cursor.execute(f"PRAGMA max_page_count={cursor.execute('PRAGMA page_count').fetchone()[0] + 1}")

    with pytest.raises(StorageUnavailable, match="full"):
        noted(storage, then=lambda tx: tx.put(MESSAGES, [message(str(n), text="x" * 1000) for n in range(100)]))

    assert noted(storage) == 2
    with storage.reading("acme") as tx:
        assert not tx.scan(MESSAGES)


def test_a_disk_without_room_for_the_tables(url, engine):
    """Where there is no room for all tables, none is made, and they are once there is."""
    sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA max_page_count=20"))

    with pytest.raises(StorageUnavailable, match="full"):
        noted(SqlStorage(engine))

    assert not sa.inspect(engine).get_table_names()
    assert noted(SqlStorage(sa.create_engine(url, poolclass=sa.NullPool))) == 1


def test_a_file_that_cannot_be_opened(tmp_path):
    """A file in a folder that is not there cannot be had now."""
    with pytest.raises(StorageUnavailable, match="unable to open database file"):
        noted(SqlStorage(f"sqlite:///{tmp_path}/none/campaigns.db"))


def test_a_server_that_is_not_there(tmp_path):
    """A server that does not answer cannot be had now."""
    with pytest.raises(StorageUnavailable, match="the database cannot do this now"):
        noted(SqlStorage(f"postgresql://nobody@/none?host={tmp_path}"))


def test_a_pool_of_the_host_that_is_empty(postgres_url):
    """Where the host's pool has no connection left, StorageUnavailable says so."""
    engine = sa.create_engine(postgres_url, pool_size=1, max_overflow=0, pool_timeout=0.05)
    with engine.connect(), pytest.raises(StorageUnavailable, match="QueuePool"):
        noted(SqlStorage(engine))
    engine.dispose()


def test_connections_that_died_in_the_pool_are_replaced(postgres_url):
    """After the server dropped every pooled connection, the next transaction works and nobody is told."""
    storage = SqlStorage(postgres_url)
    with storage.transaction("acme"), storage.reading("acme"):
        pass

    ended = dropped(postgres_url)

    assert ended == 2
    assert noted(storage) == 1
    storage.close()


def test_a_connection_that_is_lost_keeps_nothing(postgres_url, opened):
    """A connection that is lost while a transaction works is StorageUnavailable, and nothing of it was kept."""
    storage = opened(postgres_url)
    noted(storage)

    def lose(tx):
        dropped(postgres_url)
        tx.add(NOTES, {("noted", ""): {"n": 1}})

    with pytest.raises(StorageUnavailable) as caught:
        noted(storage, then=lose)

    assert not caught.value.in_doubt
    assert noted(storage) == 2


def test_a_connection_that_is_lost_while_committing_is_in_doubt(postgres_url, opened):
    """A connection that is lost while a transaction is committed says that it may or may not be kept."""
    storage = opened(postgres_url)

    with pytest.raises(StorageUnavailable, match="not known whether this was kept") as caught:
        noted(storage, then=lambda _: dropped(postgres_url))

    assert caught.value.in_doubt
    assert pickle.loads(pickle.dumps(caught.value)).in_doubt  # noqa: S301 - our own
    assert noted(storage) == 1


def test_an_interrupt_undoes(storage):
    """Ctrl-C while a transaction is committed is Ctrl-C for the caller too, and nothing was kept."""

    class Interrupted:
        def execute(self, _):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        noted(storage, then=lambda tx: setattr(tx, "_cursor", Interrupted()))

    assert noted(storage) == 1


def test_deadlocks_end(postgres_url, opened):
    """Of two transactions that wait for each other over two tables one ends as StorageUnavailable, the other works."""
    storage, both, told = opened(postgres_url, patience=30), threading.Barrier(2), []
    with storage.transaction("acme") as tx:
        tx.put(NOTES, [{"name": "noted", "carrier": "", "n": 0, "last_at": 0}])
        tx.put(MESSAGES, [message("m1")])

    def write(*tables):
        try:
            with storage.transaction("acme") as tx:
                tx.lock(*tables[0])
                both.wait(10)
                tx.lock(*tables[1])
        except StorageUnavailable as error:
            told.append(error)

    one, other = (NOTES, [("noted", "")]), (MESSAGES, [("m1",)])
    threads = [threading.Thread(target=write, args=order) for order in ((one, other), (other, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(told) == 1


def test_the_errors_of_the_host_are_the_hosts(engine, storage):
    """An error that the host raises in a block reaches it as it was, even one of SQLAlchemy, and undoes the block."""
    with pytest.raises(sa.exc.OperationalError, match="no such table: theirs"):
        noted(storage, then=lambda _: asked(engine, "SELECT 1 FROM theirs"))

    assert noted(storage) == 1


@pytest.mark.parametrize("url", BOTH, indirect=True)
def test_tables_that_are_gone(engine, storage):
    """A table that somebody has dropped is no reason to try again: the error is the driver's own."""
    noted(storage)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE campaignkit_notes")

    with pytest.raises((sqlite3.OperationalError, psycopg.errors.UndefinedTable), match="campaignkit_notes"):
        noted(storage)


@pytest.mark.parametrize("url", BOTH, indirect=True)
def test_an_error_that_was_swallowed_keeps_nothing(storage):
    """Where a block goes on after a verb has failed, its end says that nothing was kept, and nothing is."""

    def swallow(tx):
        with pytest.raises(InvalidValue):
            tx.add(NOTES, {("noted", ""): {"n": 2**63}})

    with pytest.raises(StorageUnavailable, match="nothing of it is kept"):
        noted(storage, then=swallow)

    assert noted(storage) == 1


def dropped(url):
    """Let the server end every connection of this test's; return how many those were."""
    engine = sa.create_engine(url.difference_update_query(["application_name"]), poolclass=sa.NullPool)
    ours = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = :name"
    with engine.connect() as connection:
        return connection.scalar(sa.text(ours), {"name": url.query["application_name"]})


# --- what a value must be


@pytest.mark.parametrize("url", BOTH, indirect=True)
@pytest.mark.parametrize(
    "given",
    [
        {"segments": 2**63},
        {"segments": 1.5},
        {"segments": "many"},
        {"text": "\ud800"},
        {"state": {"a": float("nan")}},
        {"state": {"a": object()}},
        {"segments": True},
        {"to": b"a"},
        {"to": "+1202555\0000"},
        {"message_id": None},
        {"more": None},
    ],
    ids=["wide", "broken", "words", "surrogate", "nan", "object", "flag", "bytes", "nul", "keyless", "more"],
)
@pytest.mark.parametrize("verb", ["put", "load"])
def test_a_value_of_another_kind_is_refused(storage, given, verb):
    """What a column cannot hold is refused with the table's name and without the value, and nothing is kept."""
    rows = [message("m1") | dict.fromkeys(given.keys() & {"more"}), message("m2", **given)]
    asked = {"put": (rows,), "load": ([*rows[0]], [[*row.values()] for row in rows])}[verb]
    with (
        pytest.raises(InvalidValue, match=r"^(a row of )?messages(\.| cannot hold | cannot take | has )") as caught,
        storage.transaction("acme") as tx,
    ):
        getattr(tx, verb)(MESSAGES, *asked)
    assert "+1202555" not in str(caught.value)

    with storage.reading("acme") as tx:
        assert not tx.scan(MESSAGES)


@pytest.mark.parametrize("url", BOTH, indirect=True)
def test_where_is_the_beginning_of_an_order(storage):
    """A scan of columns that an order does not begin with is refused, with the columns that it does."""
    said = r"the rows of messages are ordered by others first: give \('campaign_id',\)"
    with storage.reading("acme") as tx, pytest.raises(InvalidValue, match=said):
        tx.scan(MESSAGES, index="status", where={"status": "sent"})


@pytest.mark.parametrize("url", BOTH, indirect=True)
def test_what_stands_in_no_index_is_not_found_there(storage):
    """A row without the first column of an index is not found by asking that index for None."""
    with storage.transaction("acme") as tx:
        tx.put(MESSAGES, [message("m1")])

        assert tx.scan(MESSAGES, index="campaign", where={"campaign_id": None}) == []


# --- the database


@pytest.mark.parametrize("url", BOTH, indirect=True)
def test_pages_are_walked_along_an_index(storage):
    """No page of any order, up or down, from its start or after a row, is sorted: each is a walk along its index."""
    sorted_ones, asked = [], []
    with storage.reading("acme") as tx:
        run = tx._run

        def explained(text, given, of):
            explain = "EXPLAIN QUERY PLAN " if storage._dialect.name == "sqlite" else "EXPLAIN "
            plan = str(run(explain + text, given, of).fetchall())
            index, where = asked[-1]
            named = f"_{index}" if index else "(PRIMARY KEY|_autoindex_\\w+)"
            walked = re.search(rf"{named} \(tenant=\?" + (rf" AND {where}=\?" if where else ""), plan)
            if "Sort" in plan or "TEMP B-TREE" in plan or not (walked or explain == "EXPLAIN "):
                sorted_ones.append((text.split("WHERE")[1], plan))
            return run(text, given, of)

        if storage._dialect.name == "postgresql":
            for way in ("sort", "seqscan", "bitmapscan"):
                tx._cursor.execute(f"SET LOCAL enable_{way}=off")
        tx._run = explained
        for table, index in ORDERS:
            order = table.order(index)
            some = tuple("a" if table.columns[name] == "text" else 1 for name in order)
            places = [None, some]
            if index and order[1] not in table.key:
                places.append((some[0], None, *some[2:]))
            for after, descending, where in product(places, (False, True), ({}, {order[0]: some[0]})):
                asked.append((index, next(iter(where), None)))
                tx.scan(table, index=index, where=where, after=after, limit=5, descending=descending)

    assert sorted_ones == []


@pytest.mark.parametrize("url", BOTH, indirect=True)
def test_a_telephone_number_stays_text(engine, storage):
    """What looks like a number is kept as text, for whoever else reads the table."""
    with storage.transaction("acme") as tx:
        tx.put(MESSAGES, [message("m1", to="+12025550100", carrier_id="0010")])

    with engine.connect() as connection:
        sql = schema.metadata(engine.dialect.name).tables["campaignkit_messages"]
        assert connection.execute(sa.select(sql.c.to, sql.c.carrier_id)).all() == [("+12025550100", "0010")]


@pytest.mark.parametrize(("synchronous", "kept"), [("FULL", 2), ("NORMAL", 1)])
def test_how_sqlite_is_set_up(url, synchronous, kept):
    """A file has a write-ahead log, waits for others, and is flushed at each commit unless the host says NORMAL."""
    storage = SqlStorage(url, synchronous=synchronous, patience=1.5)
    with storage.transaction("acme") as tx:
        said = [
            tx._cursor.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "busy_timeout")
        ]

    assert said == ["wal", kept, 1500]
    storage.close()


@pytest.mark.parametrize(("synchronous", "kept"), [("FULL", "on"), ("NORMAL", "off")])
def test_how_postgres_is_set_up(postgres_url, opened, synchronous, kept):
    """A commit waits for the disk unless the host says NORMAL, and a lock for as long as patience."""
    storage = opened(postgres_url, synchronous=synchronous, patience=1.5)
    with storage.transaction("acme") as tx:
        said = [tx._cursor.execute(f"SHOW {name}").fetchone()[0] for name in ("synchronous_commit", "lock_timeout")]

    assert said == [kept, "1500ms"]


@pytest.mark.parametrize("url", BOTH, indirect=True)
@pytest.mark.parametrize("level", ["SERIALIZABLE", "AUTOCOMMIT"])
def test_the_host_may_pass_its_engine(url, level):
    """A host's engine is used as it is, is as it was afterwards, and is not closed with the storage."""
    engine = sa.create_engine(url, isolation_level=level)
    before = mode(engine)
    storage = SqlStorage(engine)

    assert noted(storage) == 1
    with pytest.raises(ZeroDivisionError), storage.transaction("acme") as tx:
        tx.add(NOTES, {("noted", ""): {"n": 1 // 0}})
    storage.close()

    assert engine.pool.checkedin() == 1
    assert asked(engine, "SELECT n FROM campaignkit_notes") == 1
    assert mode(engine) == before
    engine.dispose()


def mode(engine):
    """Return how a connection of a host begins transactions."""
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        return driver.isolation_level, getattr(driver, "autocommit", None)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("sqlite://", "a database in memory ends with its connection: give a file, or use MemoryStorage()"),
        ("sqlite:///:memory:", "a database in memory ends with its connection: give a file, or use MemoryStorage()"),
        ("campaigns.db", "the database is no URL, nor an engine: give one as sqlite:///campaigns.db"),
        ("mysql://localhost/a", "SqlStorage does not speak mysql: give an engine or a URL of sqlite+pysqlite"),
        ("postgresql+asyncpg:///a", "SqlStorage does not speak postgresql+asyncpg: give an engine or a URL of"),
    ],
)
def test_a_database_that_is_none_of_the_two(given, sentence):
    """What SqlStorage cannot use is refused when it is constructed, with the remedy."""
    with pytest.raises(InvalidValue) as caught:
        SqlStorage(given)

    assert str(caught.value).startswith(sentence)


def test_synchronous_is_one_of_two(url):
    """How durable a commit is has two words."""
    with pytest.raises(InvalidValue, match="synchronous='OFF' is not one of FULL, NORMAL"):
        SqlStorage(url, synchronous="OFF")


def test_an_old_sqlite_is_refused(url, monkeypatch):
    """A Python whose SQLite has no strict tables is told so."""
    monkeypatch.setattr(sqlite.sqlite3, "sqlite_version_info", (3, 34, 1))

    with pytest.raises(InvalidValue, match=r"SqlStorage needs 3\.37 or newer"):
        SqlStorage(url)


def test_what_is_not_installed_is_named(monkeypatch):
    """Without psycopg, or without SQLAlchemy, the error is the command that installs it."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match=r'pip install "campaignkit\[postgres\]"'):
        SqlStorage("postgresql:///a")

    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    monkeypatch.delitem(sys.modules, "campaignkit.backends.storage.schema")
    with pytest.raises(MissingExtra, match=r'pip install "campaignkit\[sql\]"'):
        import campaignkit.backends.storage.schema  # noqa: F401


# --- versions


@pytest.mark.parametrize("url", BOTH, indirect=True)
def test_nothing_is_opened_before_it_is_needed(url, engine):
    """Constructing touches nothing; the first transaction makes the tables where there are none."""
    storage = SqlStorage(url)
    assert not sa.inspect(engine).get_table_names()

    noted(storage)

    assert set(sa.inspect(engine).get_table_names()) == set(schema.metadata(engine.dialect.name).tables)
    storage.close()


@pytest.mark.parametrize("url", BOTH, indirect=True)
def test_a_host_may_make_the_tables(engine, storage):
    """Tables that the host made of our MetaData, with Alembic or without, are taken as they are."""
    schema.metadata(engine.dialect.name).create_all(engine)

    assert noted(storage) == 1


@pytest.mark.parametrize("url", BOTH, indirect=True)
def test_upgrade_does_nothing_twice(storage):
    """Upgrade may be called again, by anybody."""
    storage.upgrade()
    assert noted(storage) == 1
    storage.upgrade()

    assert noted(storage) == 2


@pytest.mark.parametrize("url", BOTH, indirect=True)
def test_a_newer_version_is_refused(engine, storage):
    """A database that a newer library has upgraded is refused by an older one, and left as it is."""
    storage.upgrade()
    with engine.begin() as connection:
        connection.execute(sa.update(schema._SCHEMA).values(version=VERSION + 1))

    for use in (storage.upgrade, lambda: noted(storage)):
        with pytest.raises(UnsupportedSchema, match=f"version {VERSION + 1} .* knows {VERSION}: install a newer"):
            use()
    assert asked(engine, "SELECT version FROM campaignkit_schema") == VERSION + 1


@pytest.mark.parametrize("url", BOTH, indirect=True)
def test_an_older_version_waits_for_upgrade(url, engine, storage, monkeypatch):
    """A newer library leaves older tables alone until it is told to upgrade, and then keeps what is in them."""
    noted(storage)
    monkeypatch.setattr(schema, "VERSION", 2)
    monkeypatch.setattr(
        schema, "STEPS", {1: lambda connection: connection.execute(sa.text("CREATE TABLE more (a INT)"))}
    )
    newer = SqlStorage(url)

    with pytest.raises(UnsupportedSchema, match=r"call SqlStorage\(...\).upgrade\(\) once"):
        noted(newer)
    newer.upgrade()

    assert noted(newer) == 2
    assert sa.inspect(engine).has_table("more")
    newer.close()


@pytest.mark.parametrize("url", BOTH, indirect=True)
@pytest.mark.parametrize("version", [VERSION, VERSION + 1])
def test_an_upgrade_that_is_killed(url, version):
    """Killed before any statement of an upgrade, the old tables are left, all of them and nothing else."""
    old = (None, 0, 0)
    if version > VERSION:
        older = SqlStorage(url)
        older.upgrade()
        older.close()
        old = (VERSION, len(TABLES) + 1, 0)
    command = [sys.executable, str(HERE / "killing.py"), url.render_as_string(hide_password=False), str(version)]

    ended = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own

    said = ended.stdout.splitlines()

    new = (version, len(TABLES) + 1, 2 * (version > VERSION))
    assert said[:-1] == [" ".join(map(str, old))] * (len(said) - 1)
    assert said[-1] == " ".join(map(str, new))
    assert len(said) > 5


def test_tables_carry_our_name():
    """Every table and index begins with campaignkit_, so that a host's own are never meant."""
    for dialect in BOTH:
        for table in schema.metadata(dialect).tables.values():
            assert table.name.startswith("campaignkit_")
            assert all(index.name.startswith("campaignkit_") for index in table.indexes)
            assert next(iter(table.primary_key)).name == ("version" if table.name == "campaignkit_schema" else "tenant")
            assert all(next(iter(index.columns)).name == "tenant" for index in table.indexes)
    assert RECEIPTS.name in {name.removeprefix("campaignkit_") for name in schema.metadata("sqlite").tables}
