"""The port of storage: seven verbs that know nothing of messages, merging or counting.

An adapter keeps rows of the tables in `tables`, each tenant's apart. It cannot get a rule of
campaignkit wrong, because it is told none: what a receipt changes is worked out above, and
comes here as rows to insert, rows to put, and numbers to add.

    with storage.transaction(tenant) as tx:      all or nothing, and durable when the block ends
        tx.insert(table, rows)                   -> which of them are new; the others stay as they were
        tx.lock(table, keys)                     -> those there are; nobody else changes them until the end
        tx.get(table, keys)                      -> those there are
        tx.put(table, rows)                      inserts or replaces whole rows
        tx.add(table, {key: {column: number}})   adds to integer columns; a missing row begins at 0
        tx.scan(table, index, where, after)      -> rows in the order of a key or an index, a page at a time
        tx.delete(table, keys)                   -> how many there were

A row is a dict of all columns of its table. A key is a tuple of the values of the key's columns.
"""

from __future__ import annotations

import abc
import json
import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from campaignkit.backends.storage.tables import Table

Row = dict[str, Any]
"""All columns of a table by name; None where there is nothing."""

Key = tuple[Any, ...]
"""The values of a table's key, in its order."""


class Transaction(abc.ABC):
    """One tenant's rows, for the length of one transaction."""

    @abc.abstractmethod
    def insert(self, table: Table, rows: Sequence[Row]) -> list[bool]:
        """Insert the rows whose key is not there yet; return, row by row, whether it was new.

        Of equal keys among the rows the first is new. Two transactions that insert one key run one
        after the other: the second waits, and is told that it is not new.
        """

    @abc.abstractmethod
    def lock(self, table: Table, keys: Iterable[Key]) -> dict[Key, Row]:
        """Return the rows there are, and let no other transaction change or lock them until this one ends.

        Keys are locked in their order, so that two transactions that lock the same ones cannot
        wait for each other.
        """

    @abc.abstractmethod
    def get(self, table: Table, keys: Iterable[Key]) -> dict[Key, Row]:
        """Return the rows there are, as they are now."""

    @abc.abstractmethod
    def put(self, table: Table, rows: Sequence[Row]) -> None:
        """Insert rows, or replace those of the same key as a whole; of equal keys the last."""

    @abc.abstractmethod
    def add(self, table: Table, numbers: Mapping[Key, Mapping[str, int]]) -> None:
        """Add to integer columns; a row that is not there begins with 0 in all of them, and None elsewhere.

        None counts as 0, and a number may be below 0.
        """

    @abc.abstractmethod
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
        """Return rows in the order of an index, or of the key.

        None comes before everything, and text is ordered by code point.

        Args:
            table: the one whose rows are asked for.
            index: a name of ``table.indexes``.
            where: values of the first columns of that order, which all rows have.
            after: values of ``table.order(index)`` of the last row of the page before.
            limit: how many at most; None for all.
            descending: from the last to the first; ``after`` then means before.
        """

    @abc.abstractmethod
    def delete(self, table: Table, keys: Iterable[Key]) -> int:
        """Delete rows; return how many there were."""

    # --- derived; an adapter may do them faster, and the contract compares

    def load(self, table: Table, columns: Sequence[str], values: Sequence[Sequence[Any]]) -> list[bool]:
        """Insert many rows, given as values of some columns, the key among them; the rest of a row is None.

        Returns:
            Row by row, whether it was new, as `insert` does.
        """
        nothing = dict.fromkeys(table.columns)
        return self.insert(table, [{**nothing, **dict(zip(columns, row, strict=True))} for row in values])

    def update(self, table: Table, columns: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
        """Change some columns of rows that are there and that this transaction holds: it locked, inserted or put them.

        Rows are given as values of those columns, the key among them, each row once. Their other
        columns stay as they are.
        """
        given = [dict(zip(columns, row, strict=True)) for row in values]
        known = self.get(table, [table.key_of(row) for row in given])
        self.put(table, [known[table.key_of(row)] | row for row in given])

    def pages(self, table: Table, *, size: int = 1000, **scan: Any) -> Iterator[list[Row]]:
        """Yield all rows of a scan, page by page."""
        after: Key | None = None
        while page := self.scan(table, after=after, limit=size, **scan):
            yield page
            if len(page) < size:
                return
            after = tuple(page[-1][name] for name in table.order(scan.get("index")))

    def walk(self, table: Table, **scan: Any) -> Iterator[Row]:
        """Yield all rows of a scan, one by one; they are read page by page."""
        for page in self.pages(table, **scan):
            yield from page

    def select(
        self, table: Table, columns: Sequence[str], *, index: str | None = None, where: Mapping[str, Any] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the values of some columns, of all rows of a scan, without holding them all."""
        for row in self.walk(table, index=index, where=where):
            yield tuple([row[name] for name in columns])

    def count(
        self, table: Table, columns: Sequence[str], *, index: str | None = None, where: Mapping[str, Any] | None = None
    ) -> Iterator[tuple[tuple[Any, ...], int]]:
        """Yield each combination of values that some columns have in the rows of a scan, and how many rows have it."""
        found = Counter(json.dumps(values) for values in self.select(table, columns, index=index, where=where))
        return ((tuple(json.loads(values)), n) for values, n in found.items())

    def total(
        self, table: Table, columns: Sequence[str], numbers: Sequence[str], *, where: Mapping[str, Any] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """Yield what some text or int columns hold in the rows of a scan, in their order, then the sums of others.

        Args:
            table: the one whose rows are asked for.
            columns: what rows have in common that are added up, at least one.
            numbers: int columns, whose sums have 64 bits too; None counts as 0.
            where: values of the first columns of the key, which all rows have.
        """
        found: dict[tuple[Any, ...], list[int]] = {}
        for values in self.select(table, (*columns, *numbers), where=where):
            key, added = values[: len(columns)], [value or 0 for value in values[len(columns) :]]
            found[key] = [*map(operator.add, found[key], added)] if key in found else added
        for key in sorted(found, key=lambda key: [(each is not None, each) for each in key]):
            yield (*key, *found[key])


class Storage(abc.ABC):
    """Where everything is kept. It may be called from any thread."""

    @abc.abstractmethod
    def transaction(self, tenant: str) -> AbstractContextManager[Transaction]:
        """Begin a transaction that may change things. It is durable when the block ends, and nothing after an error.

        Raises:
            StorageUnavailable: it cannot be had now; nothing was changed, and trying again may help.
        """

    @abc.abstractmethod
    def reading(self, tenant: str) -> AbstractContextManager[Transaction]:
        """Begin a transaction that only reads, all of it as of one moment."""

    def compact(self) -> None:  # noqa: B027 - in memory nothing stays of what was deleted
        """See to it that files hold nothing any more of what was deleted or overwritten, as far as this can.

        Raises:
            StorageUnavailable: somebody uses it now; trying again may help.
        """

    def close(self) -> None:  # noqa: B027 - one that holds none has nothing to do
        """Let go of files and connections."""
