"""The tables of `tables` in a SQL database, and which version of them a database holds.

    every table       campaignkit_<name>(tenant, <key>, <the rest>), primary key (tenant, <key>)
    every order       an index (tenant, <columns of the order>, <rest of the key>), so that a page is one walk
    text              by code point: COLLATE "C" in PostgreSQL, the plain order of a STRICT table in SQLite
    int               64 bits
    json              text, so that what comes back is what was put, to the last digit
    campaignkit_schema  one row: the version

A table whose rows are narrow is kept in the order of its key in SQLite, which saves an index.

A database of an older version is brought to this one by `upgrade`, in one transaction: killed
anywhere, it leaves the old tables or the new ones. A database of a newer version is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, Literal

from campaignkit.backends.storage.tables import TABLES, VERSION, Kind, Table
from campaignkit.backends.storage.values import values_of
from campaignkit.errors import MissingExtra, UnsupportedSchema

try:
    import sqlalchemy as sa
except ImportError:
    raise MissingExtra("sqlalchemy", "sql", "SqlStorage") from None

DialectName = Literal["sqlite", "postgresql"]
TENANT: Final = "tenant"
_PREFIX: Final = "campaignkit_"
_SCHEMA: Final = sa.table(f"{_PREFIX}schema", sa.column("version", sa.Integer))

STEPS: Mapping[int, Callable[[sa.Connection], None]] = {}
"""From a version to the next one."""


@cache
def metadata(dialect: DialectName) -> sa.MetaData:
    """Return all tables, for a host whose Alembic should know them.

    Args:
        dialect: ``sqlite`` or ``postgresql``; they differ in types and in where an index puts NULL.

    >>> sorted(metadata("sqlite").tables)[:2]
    ['campaignkit_actions', 'campaignkit_amounts']
    """
    made = sa.MetaData()
    for table in TABLES:
        _table(made, table, dialect)
    sa.Table(_SCHEMA.name, made, sa.Column("version", sa.Integer, primary_key=True, autoincrement=False))
    return made


def sql_table(dialect: DialectName, name: str) -> sa.Table:
    """Return one of our tables as SQLAlchemy knows it."""
    return metadata(dialect).tables[_PREFIX + name]


def version_of(connection: sa.Connection) -> int | None:
    """Return the version of a database, or None where there is none of our tables."""
    if not sa.inspect(connection).has_table(_SCHEMA.name):
        return None
    version: int | None = connection.scalar(sa.select(_SCHEMA.c.version))
    return version


def check(found: int) -> None:
    """Refuse a database of another version than this library's.

    Raises:
        UnsupportedSchema: with the way out.
    """
    if found > VERSION:
        raise UnsupportedSchema(
            f"the tables in this database are of version {found} and this campaignkit knows {VERSION}: "
            "install a newer campaignkit"
        )
    if found < VERSION:
        raise UnsupportedSchema(
            f"the tables in this database are of version {found} and this campaignkit needs {VERSION}: "
            "stop what uses them, and call SqlStorage(...).upgrade() once"
        )


def upgrade(connection: sa.Connection) -> None:
    """Create the tables, or bring them to this version; the caller has begun the transaction, and ends it."""
    found = version_of(connection)
    if found is None:
        metadata(connection.dialect.name).create_all(connection)
        connection.execute(sa.insert(_SCHEMA).values(version=VERSION))
        return
    for version in range(found, VERSION):
        STEPS[version](connection)
    check(max(found, VERSION))
    connection.execute(sa.update(_SCHEMA).values(version=VERSION))


def _table(made: sa.MetaData, table: Table, dialect: DialectName) -> None:
    sql = sa.Table(
        _PREFIX + table.name,
        made,
        sa.Column(TENANT, _type("text", dialect), primary_key=True),
        *(
            sa.Column(name, _type(table.columns[name], dialect), primary_key=name in table.key, autoincrement=False)
            for name in values_of(table).names
        ),
        sqlite_strict=True,
        sqlite_with_rowid="raw" in table.columns,
    )
    for index in table.indexes:
        places = [place(sql.c[name], dialect) for name in table.order(index)]
        sa.Index(f"{sql.name}_{index}", sql.c[TENANT], *places)


def place(column: sa.ColumnElement[Any], dialect: DialectName, *, descending: bool = False) -> sa.ColumnElement[Any]:
    """Return what to order by, so that NULL comes before everything, as SQLite has it unasked (and cannot be told)."""
    way = column.desc() if descending else column
    if dialect == "sqlite" or getattr(column, "primary_key", False):
        return way
    return way.nulls_last() if descending else way.nulls_first()


def _type(kind: Kind, dialect: DialectName) -> sa.types.TypeEngine[Any]:
    if kind == "int":
        return sa.BigInteger() if dialect == "postgresql" else sa.Integer()
    return sa.Text(collation="C" if dialect == "postgresql" else None)
