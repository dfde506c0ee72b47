"""The reference adapter: everything in this process, nothing after it.

    (tenant, table) ──► _Rows:  key ──► row             what get reads
                                order ──► sorted places  what scan reads, one list for each order

A place is what a row is sorted by, so an order is a list to search in halves. Transactions run
one after another, which is all there is to locking, and to reading as of one moment. Each
remembers what it overwrote, and puts it back after an error.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from campaignkit.backends.storage.port import Key, Row, Storage, Transaction
from campaignkit.backends.storage.tables import Table
from campaignkit.backends.storage.values import values_of

_Kept = tuple[Any, ...]
_Place = tuple[tuple[bool, Any], ...]


class MemoryStorage(Storage):
    """Everything in this process: for tests, for trying things out, and for reading how it is done.

    Transactions of all threads and tenants run one after another.

    >>> from campaignkit.backends.storage.tables import NOTES
    >>> storage = MemoryStorage()
    >>> with storage.transaction("acme") as tx:
    ...     tx.add(NOTES, {("duplicate", "twilio"): {"n": 2}})
    >>> with storage.reading("acme") as tx:
    ...     tx.scan(NOTES)
    [{'name': 'duplicate', 'carrier': 'twilio', 'n': 2, 'last_at': 0}]
    """

    def __init__(self) -> None:
        self._tenants: defaultdict[str, dict[str, _Rows]] = defaultdict(dict)
        self._turn = threading.Lock()
        self._owner: int | None = None

    @contextmanager
    def transaction(self, tenant: str) -> Iterator[Transaction]:
        """Begin a transaction that may change things; it waits until nobody else is in one.

        Raises:
            RuntimeError: this thread is in one already, for which it would wait for ever.
        """
        with self._alone():
            tx = _MemoryTransaction(self._tenants[tenant])
            try:
                yield tx
            except BaseException:
                tx.undo()
                raise
            finally:
                tx.state = "has ended"

    @contextmanager
    def reading(self, tenant: str) -> Iterator[Transaction]:
        """Begin a transaction that only reads; it waits, and lets wait, like one that changes things."""
        with self._alone():
            tx = _MemoryTransaction(self._tenants[tenant], state="only reads")
            try:
                yield tx
            finally:
                tx.state = "has ended"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        me = threading.get_ident()
        if self._owner == me:
            raise RuntimeError("this thread is in a transaction already: end it first, or pass it on")
        with self._turn:
            self._owner = me
            try:
                yield
            finally:
                self._owner = None


class _MemoryTransaction(Transaction):
    def __init__(self, tables: dict[str, _Rows], state: str = "") -> None:
        self._tables = tables
        self._overwritten: list[tuple[_Rows, Key, _Kept | None]] = []
        self.state = state

    def insert(self, table: Table, rows: Sequence[Row]) -> list[bool]:
        held = self._changing(table)
        return [held.table.key_of(row) not in held.by_key and self._set(held, row) for row in rows]

    def lock(self, table: Table, keys: Iterable[Key]) -> dict[Key, Row]:
        self._changing(table)
        return self.get(table, keys)

    def get(self, table: Table, keys: Iterable[Key]) -> dict[Key, Row]:
        held = self._rows(table)
        return {key: held.values.decode(held.by_key[key]) for key in keys if key in held.by_key}

    def put(self, table: Table, rows: Sequence[Row]) -> None:
        held = self._changing(table)
        for row in rows:
            self._set(held, row)

    def add(self, table: Table, numbers: Mapping[Key, Mapping[str, int]]) -> None:
        held = self._changing(table)
        for key, more in numbers.items():
            found = held.by_key.get(key)
            row = table.begun(key) if found is None else held.values.decode(found)
            self._set(held, row | {name: (row[name] or 0) + number for name, number in more.items()})

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
        held = self._rows(table)
        places, named = held.places[index], where or {}
        prefix = _place(named[name] for name in table.prefix(index, named))
        low = bisect_left(places, prefix, key=lambda place: place[: len(prefix)])
        high = bisect_right(places, prefix, key=lambda place: place[: len(prefix)])
        if after is not None and descending:
            high = min(high, bisect_left(places, _place(after)))
        elif after is not None:
            low = max(low, bisect_right(places, _place(after)))
        found = range(low, high)[:: -1 if descending else 1][:limit]
        return [held.values.decode(held.by_key[held.key_at(index, places[at])]) for at in found]

    def delete(self, table: Table, keys: Iterable[Key]) -> int:
        held = self._changing(table)
        return sum(self._keep(held, key, None) is not None for key in keys)

    def undo(self) -> None:
        for held, key, row in reversed(self._overwritten):
            held.set(key, row)

    def _rows(self, table: Table) -> _Rows:
        if self.state == "has ended":
            raise RuntimeError("this transaction has ended: begin another one")
        if table.name not in self._tables:
            self._tables[table.name] = _Rows(table)
        return self._tables[table.name]

    def _changing(self, table: Table) -> _Rows:
        if self.state == "only reads":
            raise RuntimeError("this transaction only reads: change things in storage.transaction(tenant)")
        return self._rows(table)

    def _set(self, held: _Rows, row: Row) -> bool:
        self._keep(held, held.table.key_of(row), held.values.encode(row))
        return True

    def _keep(self, held: _Rows, key: Key, kept: _Kept | None) -> _Kept | None:
        before = held.set(key, kept)
        self._overwritten.append((held, key, before))
        return before


class _Rows:
    """One table of one tenant. Rows are never changed, only replaced, so that a transaction can keep the old ones."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.values = values_of(table)
        self.by_key: dict[Key, _Kept] = {}
        self.places: dict[str | None, list[_Place]] = {index: [] for index in (None, *table.indexes)}
        self._at = {index: [self.values.names.index(name) for name in table.order(index)] for index in self.places}

    def set(self, key: Key, kept: _Kept | None) -> _Kept | None:
        """Replace what has a key by a row, or by nothing; return what it was."""
        before = self.by_key.pop(key, None)
        if kept is not None:
            self.by_key[key] = kept
        for index, places in self.places.items():
            old, new = self._place_of(index, before), self._place_of(index, kept)
            if old == new:
                continue
            if old is not None:
                del places[bisect_left(places, old)]
            if new is not None:
                insort(places, new)
        return before

    def _place_of(self, index: str | None, kept: _Kept | None) -> _Place | None:
        at = self._at[index]
        return None if kept is None or kept[at[0]] is None else _place(kept[each] for each in at)

    def key_at(self, index: str | None, place: _Place) -> Key:
        values = {name: value for name, (_, value) in zip(self.table.order(index), place, strict=True)}
        return self.table.key_of(values)


def _place(values: Iterable[Any]) -> _Place:
    """Return what a row is sorted by: None before everything, text by code point."""
    return tuple((value is not None, value) for value in values)
