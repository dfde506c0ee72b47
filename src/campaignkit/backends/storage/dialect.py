"""What SQLite and PostgreSQL have in common: the port's verbs as statements, made once and kept as text.

SQLAlchemy builds the statements and holds the connections. What runs is the text, on the
driver's own cursor, because SQLAlchemy's way of running a statement costs more than a row does.

A page of a scan is a walk along an index from behind the last row of the page before:

    (sent_at, message_id) > (:at, :id)      rising: NULL comes first, so it is behind us already
    sent_at = :at AND message_id < :id      falling: what ties with the last row,
    sent_at < :at                           then what is smaller,
    sent_at IS NULL                         then what has none; each asked only if the page has room
"""

from __future__ import annotations

import abc
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from itertools import count, repeat
from typing import Any, Final, Literal, NoReturn

import attrs
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from campaignkit.backends.storage.port import Key, Row, Transaction
from campaignkit.backends.storage.schema import TENANT, DialectName, place, sql_table
from campaignkit.backends.storage.tables import Table
from campaignkit.backends.storage.values import values_of
from campaignkit.errors import InvalidValue, StorageUnavailable

_Operator = Literal["=", "<", ">", "is null", "is not null"]
_Test = tuple[tuple[str, ...], _Operator]
_Bound = tuple[_Test, tuple[Any, ...]]
_ZERO: Final[sa.ColumnClause[int]] = sa.literal_column("0")
_TESTS: Final[Mapping[_Operator, Callable[[Any, Any], Any]]] = {
    "=": lambda column, value: column == value,
    "<": lambda column, value: column < value,
    ">": lambda column, value: column > value,
    "is null": lambda column, _: column.is_(None),
    "is not null": lambda column, _: column.is_not(None),
}


@attrs.frozen
class Statement:
    """The text of a statement, and how its values are given: by name, or in an order."""

    text: str
    order: Sequence[str] | None
    fixed: Mapping[str, Any]

    @classmethod
    def of(cls, statement: sa.ClauseElement, dialect: sa.Dialect) -> Statement:
        """Compile a statement."""
        compiled: Any = statement.compile(dialect=dialect)
        return cls(str(compiled), compiled.positiontup if compiled.positional else None, compiled.params)

    def given(self, values: Mapping[str, Any]) -> Any:
        """Return values in the form that the driver takes."""
        every = {**self.fixed, **values}
        return every if self.order is None else tuple(every[name] for name in self.order)


class Dialect(abc.ABC):
    """What two databases do differently.

    Attributes:
        begin: how a transaction that changes things begins; ``begin_reading`` one that only
            reads, ``begin_upgrade`` the one that makes tables, which lets in one at a time.
    """

    name: DialectName
    compiler: sa.Dialect
    driver: Any
    begin: str
    begin_reading: str
    begin_upgrade: str

    def __init__(self, compiler: sa.Dialect, driver: Any) -> None:
        self.compiler = compiler
        self.driver = driver  # the module, with its errors
        self._statements: dict[tuple[Any, ...], Statement] = {}

    @abc.abstractmethod
    def turn(self) -> AbstractContextManager[object]:
        """Wait until this process may begin a transaction that changes things."""

    @abc.abstractmethod
    def prepare(self, cursor: Any) -> None:
        """Set up a connection before its first transaction."""

    @abc.abstractmethod
    def transaction(self, cursor: Any, tenant: str, state: str) -> SqlTransaction:
        """Return a transaction that was begun on a cursor."""

    @abc.abstractmethod
    def passing(self, error: BaseException) -> bool:
        """Return whether an error of the driver may be gone at the next try."""

    @abc.abstractmethod
    def compact(self, cursor: Any) -> None:
        """Rid files of what was deleted, outside of any transaction."""

    def meaning(self, error: BaseException, table: str = "") -> BaseException:
        """Return an error as one of ours, where it is about a value, or may be gone at the next try."""
        cause = getattr(error, "orig", None) or error
        if self.passing(cause) or isinstance(error, sa.exc.TimeoutError):
            return StorageUnavailable(f"the database cannot do this now ({_line(cause)}): try again")
        if isinstance(cause, (self.driver.DataError, self.driver.IntegrityError, OverflowError, UnicodeError)):
            return InvalidValue(f"{table} cannot hold this ({_line(cause)}): give each column what its kind says")
        return error

    def fail(self, error: BaseException, table: str = "") -> NoReturn:
        """Raise an error as what it means."""
        meant = self.meaning(error, table)
        if meant is error:
            raise error
        # What the driver says of a value may hold the whole row.
        raise meant from (None if isinstance(meant, InvalidValue) else error)

    @abc.abstractmethod
    def lost(self, error: BaseException) -> bool:
        """Return whether a connection turned out to be dead."""

    def commit(self, cursor: Any) -> None:
        """End a transaction, and make it durable.

        Raises:
            StorageUnavailable: perhaps it is not: ``in_doubt``.
        """
        try:
            cursor.execute("COMMIT")
        except BaseException as error:
            if isinstance(self.meaning(error), StorageUnavailable):
                sentence = f"it is not known whether this was kept ({_line(error)}): read again"
                raise StorageUnavailable(sentence, in_doubt=True) from error
            self.fail(error)

    def statement(self, make: Callable[..., sa.ClauseElement], table: str, *shape: Any) -> Statement:
        """Return a statement about a table, made at the first call."""
        made = self._statements.get((make, table, *shape))
        if made is None:
            made = Statement.of(make(sql_table(self.name, table), *shape), self.compiler)
            self._statements[make, table, *shape] = made
        return made


class SqlTransaction(Transaction):
    """One transaction on a cursor of a driver."""

    def __init__(self, cursor: Any, tenant: str, dialect: Dialect, state: str) -> None:
        self._cursor = cursor
        self._tenant = tenant
        self._dialect = dialect
        self._failed = False
        self.state = state

    def scan(
        self,
        table: Table,
        *,
        index: str | None = None,
        where: Mapping[str, Any] | None = None,
        after: Key | None = None,
        limit: int | None = None,
        descending: bool = False,
    ) -> list[Row]:
        """Return rows in the order of an index, or of the key."""
        self._check()
        order, found = table.order(index), list[Row]()
        for walk in _walks(table, index, where or {}, after, descending=descending):
            if limit is not None and len(found) >= limit:
                break
            tests = tuple(test for test, _ in walk)
            shape = Shape(index=index, order=order, tests=tests, descending=descending, limited=limit is not None)
            statement = self._statement(_page, table, self._dialect.name, shape)
            values = {**_bound(walk), TENANT: self._tenant, "most": limit and limit - len(found)}
            rows = self._run(statement.text, statement.given(values), table).fetchall()
            found += map(values_of(table).decode, rows)
        return found

    def select(
        self, table: Table, columns: Sequence[str], *, index: str | None = None, where: Mapping[str, Any] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """Yield some columns of the rows of a scan."""
        found = self._all_of(Shape(columns=tuple(columns)), table, index, where)
        return map(_reader(table, columns), found)

    def count(
        self, table: Table, columns: Sequence[str], *, index: str | None = None, where: Mapping[str, Any] | None = None
    ) -> Iterator[tuple[tuple[Any, ...], int]]:
        """Yield what some columns hold in the rows of a scan, and how many hold it."""
        read = _reader(table, columns)
        for values, n in self._counted(Shape(columns=tuple(columns), grouped=True), table, index, where):
            yield read(values), n

    def total(
        self, table: Table, columns: Sequence[str], numbers: Sequence[str], *, where: Mapping[str, Any] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """Yield what some columns hold in the rows of a scan, and the sums of others."""
        return self._all_of(Shape(columns=tuple(columns), summed=tuple(numbers)), table, None, where)

    @abc.abstractmethod
    def _counted(
        self, shape: Shape, table: Table, index: str | None, where: Mapping[str, Any] | None
    ) -> Iterable[tuple[tuple[Any, ...], int]]:
        """Yield groups of values as they are kept, and their sizes."""

    @abc.abstractmethod
    def _stream(self, text: str, given: Any, table: Table) -> Iterator[tuple[Any, ...]]:
        """Yield what a statement finds without holding all of it."""

    def _all_of(
        self, shape: Shape, table: Table, index: str | None, where: Mapping[str, Any] | None
    ) -> Iterator[tuple[Any, ...]]:
        """Yield what a scan without an end finds, as it is kept."""
        self._check()
        order = table.order(index)
        for walk in _walks(table, index, where or {}, None, descending=False):
            tests = tuple(test for test, _ in walk)
            asked = attrs.evolve(shape, index=index, order=order, tests=tests)
            statement = self._statement(_page, table, self._dialect.name, asked)
            yield from self._stream(statement.text, statement.given({**_bound(walk), TENANT: self._tenant}), table)

    def commit(self) -> None:
        """Make it durable.

        Raises:
            StorageUnavailable: it is not; or, with ``in_doubt``, perhaps not.
        """
        self._check()
        self._dialect.commit(self._cursor)

    def _check(self, *, changing: bool = False) -> None:
        if self.state == "has ended":
            raise RuntimeError("this transaction has ended: begin another one")
        if self._failed:
            raise StorageUnavailable("a statement of this transaction failed, so nothing of it is kept: try again")
        if changing and self.state == "only reads":
            raise RuntimeError("this transaction only reads: change things in storage.transaction(tenant)")

    def _statement(self, make: Callable[..., sa.ClauseElement], table: Table, *shape: Any) -> Statement:
        return self._dialect.statement(make, table.name, *shape)

    def _run(self, text: str, given: Any, table: Table) -> Any:
        try:
            return self._cursor.execute(text, given)
        except BaseException as error:  # noqa: BLE001 - raised again as what it means
            self._fail(error, table)

    def _fail(self, error: BaseException, table: Table) -> NoReturn:
        """Note that nothing of this may be kept, whoever catches the error."""
        self._failed = True
        self._dialect.fail(error, table.name)

    def _values(self, table: Table, rows: Iterable[Row]) -> list[tuple[Any, ...]]:
        """Return rows as a database has them: the key first."""
        encode = values_of(table).encode
        try:
            return [encode(row) for row in rows]
        except BaseException:
            self._failed = True
            raise

    def _columns(
        self, table: Table, columns: Sequence[str], values: Iterable[Sequence[Any]]
    ) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Return the columns in which many rows have something, the tenant's first, and the rows in these alone."""
        kept = self._encoded(table, columns, values)
        found = {name: given for name, given in kept.items() if given is not None}
        return (TENANT, *found), list(zip(repeat(self._tenant), *found.values(), strict=False))

    def _changes(
        self, table: Table, columns: Sequence[str], values: Sequence[Sequence[Any]]
    ) -> dict[str, Sequence[Any]]:
        """Return columns of many rows as a database has them, the key first, those that have nothing too."""
        nothing = [None] * len(values)
        kept = self._encoded(table, columns, values)
        return {name: nothing if given is None else given for name, given in kept.items()}

    def _encoded(
        self, table: Table, columns: Sequence[str], values: Iterable[Sequence[Any]]
    ) -> dict[str, Sequence[Any] | None]:
        """Return columns of many rows as a database has them, the key first; None for one that has nothing."""
        try:
            return values_of(table).encode_columns(columns, values)
        except BaseException:
            self._failed = True
            raise


def columns(sql: sa.Table) -> list[sa.Column[Any]]:
    """Return the columns that the port knows."""
    return [column for column in sql.c if column.name != TENANT]


def key_columns(sql: sa.Table) -> list[sa.Column[Any]]:
    """Return the columns of the key, as the port knows it."""
    return [column for column in sql.primary_key if column.name != TENANT]


def replacing(
    insert: sqlite.Insert | postgresql.Insert, sql: sa.Table, names: tuple[str, ...] = ()
) -> sa.ClauseElement:
    """Return an insert that replaces what is there, in some columns or in all."""
    rest = {name: insert.excluded[name] for name in names or sql.c.keys() if not sql.c[name].primary_key}
    return insert.on_conflict_do_update(index_elements=list(sql.primary_key), set_=rest)


def adding(insert: sqlite.Insert | postgresql.Insert, sql: sa.Table, names: tuple[str, ...]) -> sa.ClauseElement:
    """Return an insert that adds to what is there, in some columns."""
    more = {name: sa.func.coalesce(sql.c[name], _ZERO) + insert.excluded[name] for name in names}
    return insert.on_conflict_do_update(index_elements=list(sql.primary_key), set_=more)


def sums(table: Table, numbers: Mapping[Key, Mapping[str, int]]) -> tuple[tuple[str, ...], list[Row]]:
    """Return the columns that are added to, and rows that begin with those numbers, in the order of the key."""
    names = tuple(sorted({name for values in numbers.values() for name in values}))
    return names, [table.begun(key) | dict(numbers[key]) for key in sorted(numbers)]


@attrs.frozen(kw_only=True)
class Shape:
    """What a page of a scan looks like, but for the values it is given.

    Attributes:
        index: along which; None for the key.
        columns: which ones; none for all.
        grouped: whether equal rows are one, counted, in no order.
        summed: columns that are added up where the others are equal; in the order of those.
    """

    index: str | None = None
    order: tuple[str, ...] = ()
    tests: tuple[_Test, ...] = ()
    columns: tuple[str, ...] = ()
    descending: bool = False
    limited: bool = False
    grouped: bool = False
    summed: tuple[str, ...] = ()


def _page(sql: sa.Table, dialect: DialectName, shape: Shape) -> sa.Select[Any]:
    at = count()
    chosen = [sql.c[name] for name in shape.columns] or columns(sql)
    tests = [sql.c[TENANT] == sa.bindparam(TENANT), *(_test(sql, *test, at) for test in shape.tests)]
    page = sa.select(*chosen).where(*tests)
    if shape.index is not None:
        # Left to itself, SQLite would rather walk all of a tenant along the key: then it has nothing to sort.
        page = page.with_hint(sql, f"INDEXED BY {sql.name}_{shape.index}", "sqlite")
    if shape.grouped:
        return page.add_columns(sa.func.count()).group_by(*chosen)
    if shape.summed:
        sums = [sa.cast(sa.func.coalesce(sa.func.sum(sql.c[name]), 0), sa.BigInteger) for name in shape.summed]
        return page.add_columns(*sums).group_by(*chosen).order_by(*(place(each, dialect) for each in chosen))
    page = page.order_by(*(place(sql.c[name], dialect, descending=shape.descending) for name in shape.order))
    return page.limit(sa.bindparam("most", type_=sa.Integer)) if shape.limited else page


def _bound(walk: Iterable[_Bound]) -> dict[str, Any]:
    return {f"v{at}": value for at, value in enumerate(value for _, values in walk for value in values)}


def _reader(table: Table, names: Sequence[str]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Return what makes of some columns as they are kept what they are."""
    jsons = [at for at, name in enumerate(names) if table.columns[name] == "json"]
    if not jsons:
        return tuple

    def read(kept: tuple[Any, ...]) -> tuple[Any, ...]:
        given = [at for at in jsons if kept[at] is not None]
        if not given:
            return kept
        values = list(kept)
        for at in given:
            values[at] = json.loads(values[at])
        return tuple(values)

    return read


def _test(sql: sa.Table, names: tuple[str, ...], operator: _Operator, at: Iterator[int]) -> Any:
    if operator.startswith("is"):
        return _TESTS[operator](sql.c[names[0]], None)
    values = [sa.bindparam(f"v{next(at)}", type_=sql.c[name].type) for name in names]
    if len(names) == 1:
        return _TESTS[operator](sql.c[names[0]], values[0])
    return _TESTS[operator](sa.tuple_(*(sql.c[name] for name in names)), sa.tuple_(*values))


def _walks(
    table: Table, index: str | None, where: Mapping[str, Any], after: Key | None, *, descending: bool
) -> Iterator[list[_Bound]]:
    """Yield what to walk along, one after the other: each a list of tests and the values they are given."""
    order, first = table.order(index), table.prefix(index, where)
    if where and where[order[0]] is None:
        return
    fixed: list[_Bound] = [_equal(name, where[name]) for name in first]
    if not where and order[0] not in table.key:
        fixed.append((((order[0],), "is not null"), ()))
    if after is None:
        yield fixed
        return
    known = len(first) if tuple(where[name] for name in first) == tuple(after[: len(first)]) else 0
    always = {*table.key, order[0]}
    for walk in _beyond(always, order[known:], tuple(after[known:]), descending=descending):
        yield [*fixed, *walk]


def _beyond(
    always: AbstractSet[str], order: tuple[str, ...], after: Key, *, descending: bool
) -> Iterator[list[_Bound]]:
    """Yield the walks of what comes after a place, given the columns that are never NULL."""
    if not order:
        return
    if always >= set(order) or not (descending or None in after):
        yield [((order, "<" if descending else ">"), after)]
        return
    for at in reversed(range(len(order))):
        ties = [_equal(name, value) for name, value in zip(order[:at], after, strict=False)]
        for test in _past(order[at], after[at], always, descending=descending):
            yield [*ties, test]


def _past(name: str, value: Any, always: AbstractSet[str], *, descending: bool) -> Iterator[_Bound]:
    """Yield the tests for what comes after a value of one column, where NULL comes before everything."""
    if value is not None:
        yield ((name,), "<" if descending else ">"), (value,)
        if descending and name not in always:
            yield ((name,), "is null"), ()
    elif not descending:
        yield ((name,), "is not null"), ()


def _equal(name: str, value: Any) -> _Bound:
    return (((name,), "is null"), ()) if value is None else (((name,), "="), (value,))


def _line(error: BaseException) -> str:
    first, *_ = str(error).splitlines() or [type(error).__name__]  # what follows may hold the row
    return " ".join(first.split())
