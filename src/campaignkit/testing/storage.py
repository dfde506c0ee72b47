"""What every storage must hold, as a class of tests: subclass it, and run pytest.

    class TestMyStorage(StorageContract):
        @pytest.fixture
        def storage(self, tmp_path):
            return MyStorage(tmp_path)

        def reopen(self, storage):
            storage.close()
            return MyStorage(storage.path)

Each test is one sentence of the specification, its docstring. What is wrong is raised as an
AssertionError that says so. Rows that are made up are the same in every run.

That somebody waits cannot be seen, only that it has not ended: a transaction that must wait is
watched for `WATCHED` seconds, and one that must not wait for ever is given `PATIENCE`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any, Final

from campaignkit.backends.storage.port import Key, Row, Storage, Transaction
from campaignkit.backends.storage.tables import (
    ATTEMPTS,
    CARRIER_IDS,
    COUNTERS,
    LATENCIES,
    MESSAGES,
    NOTES,
    RECEIPTS,
    TABLES,
    Kind,
    Table,
)
from campaignkit.errors import shown

WATCHED: Final = 0.2
"""Seconds for which a transaction that must wait is watched."""

PATIENCE: Final = 60.0
"""Seconds after which a transaction that has not ended waits for ever."""

MANY: Final = 3000
"""Rows in one call, of thirty columns each: more than one statement of a database takes."""

_TENANT: Final = "acme"
_TEXTS: Final = (
    *("", " ", "a", "A", "a ", " a", "aa", "ab", "b", "B", "10", "9", "\t", "\n"),
    *("\u00e4", "a\u0308", "\u00c4", "\u00df", "ss", "\u0131", "i", "I", "\u0130", "\u212b", "\u00e5"),
    *("\uffff", "\ufb01", "\U0001f44b", "\U0001f468\u200d\U0001f469", "\u202e", "\u0661"),
    *("'", "''", '"', "%", "_", "a%", "\\", "\\'", "?", ":a", "%s", "{}", "$1", "--", "/*", "null", "NULL"),
    *("' OR 1=1 --", "'; DROP TABLE messages; --", "0x00", "1e3", "true"),
)
_TENANTS: Final = ("a", "A", "a ", "a:b", "a/b", "a%", "a_", "a'", "\u00e4", "a\u0308", "..", "aux", "a\\b", "a" * 200)
_INTS: Final = (-(2**63), -(2**53) - 1, -(2**31), -1, 0, 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1)
_JSONS: Final[tuple[dict[str, Any] | list[Any], ...]] = (
    {},
    [],
    {"": None, "a": [True, False, 0, 1, -1, 0.25, 2**53 + 1], "b": {"a": {}}},
    [[["delivered", "EUR", 2**40]], None, "", "null"],
    [{text: text} for text in _TEXTS],
)
_FEW: Final[dict[Kind, tuple[Any, ...]]] = {
    "text": (None, "", "a", "A", "\u00e4", "\uffff", "\U0001f44b"),
    "int": (None, -1, 0, 1, 2**62),
    "json": (None, {}, ["a"]),
}
_SCATTERED: Final = 50
_PLAIN: Final = frozenset({str, int, dict, list, type(None)})


class _Stop(BaseException):  # no Exception: whatever ends a transaction early undoes it
    """What ends a transaction early on purpose."""


class StorageContract:
    """What every storage must hold. A subclass has a fixture ``storage``, which gives an empty one."""

    def reopen(self, storage: Storage) -> Storage | None:  # noqa: ARG002 - for subclasses
        """Close a storage, and return another one of the same rows; None, as here, if nothing outlives it."""
        return None

    # --- inserting

    def test_insert_says_what_is_new(self, storage: Storage) -> None:
        """Insert returns, row by row, whether it was new, and leaves the others as they were."""
        with storage.transaction(_TENANT) as tx:
            first = tx.insert(NOTES, [_note("a", 1), _note("b", 2)])
        with storage.transaction(_TENANT) as tx:
            second = tx.insert(NOTES, [_note("c", 3), _note("b", 4), _note("a", 5), _note("d", 6)])

        _same(first, [True, True], "insert of new rows")
        _same(second, [True, False, False, True], "insert of a new row, two that are there, and a new one")
        _same(_numbers(storage), {"a": 1, "b": 2, "c": 3, "d": 6}, "after both inserts there are")

    def test_of_equal_keys_the_first_is_new(self, storage: Storage) -> None:
        """Of equal keys in one insert the first is new, and of several inserts in one transaction the first."""
        with storage.transaction(_TENANT) as tx:
            once = tx.insert(NOTES, [_note("a", 1), _note("b", 2), _note("a", 3), _note("a", 4)])
            twice = tx.insert(NOTES, [_note("b", 5)])

        _same((once, twice), ([True, True, False, False], [False]), "insert of a, b, a, a, and then b")
        _same(_numbers(storage), {"a": 1, "b": 2}, "of equal keys")

    def test_what_was_deleted_or_undone_is_new(self, storage: Storage) -> None:
        """A key that was deleted, or whose insert was undone, is new again."""
        with suppress(_Stop), storage.transaction(_TENANT) as tx:
            tx.insert(NOTES, [_note("a", 1)])
            raise _Stop
        with storage.transaction(_TENANT) as tx:
            undone = tx.insert(NOTES, [_note("a", 2)])
            tx.delete(NOTES, [("a", "")])
            deleted = tx.insert(NOTES, [_note("a", 3)])

        _same((undone, deleted), ([True], [True]), "insert after an undone one, and after a delete")
        _same(_numbers(storage), {"a": 3}, "after both there is")

    def test_one_thread_inserts_a_key(self, storage: Storage) -> None:
        """Of threads that insert the same keys, exactly one is told of each that it is new, and its row stays."""
        names = [str(i) for i in range(20)]

        def insert(thread: int) -> list[tuple[str, int]]:
            won = []
            for part in (names[:7], names[7:15], names[15:]):
                with storage.transaction(_TENANT) as tx:
                    new = tx.insert(NOTES, [_note(name, thread) for name in part])
                won += [(name, thread) for name, each in zip(part, new, strict=True) if each]
            return won

        won = [each for found in _together(partial(insert, i) for i in range(4)) for each in found]

        _same(sorted(name for name, _ in won), sorted(names), "keys that a thread was told are new")
        _same(_numbers(storage), dict(won), "rows of the threads that were told so")

    def test_a_second_insert_waits(self, storage: Storage) -> None:
        """An insert of a key waits for a transaction that inserted it: it is new after all if that is undone."""
        for name, undone in (("kept", False), ("undone", True)):
            row = [_note(name, 1)]
            insert = partial(_inserted, row)
            found = _meanwhile(storage, insert, insert, undone=undone)

            _same(found, [undone], f"insert of a key whose first insert was {name}")

    # --- locking

    def test_lock_returns_what_there_is(self, storage: Storage) -> None:
        """Lock returns the rows there are by key, and nothing of keys that are not there."""
        _put(storage, NOTES, [_note("a", 1), _note("b", 2)])
        with storage.transaction(_TENANT) as tx:
            found = tx.lock(NOTES, iter([("b", ""), ("none", ""), ("a", ""), ("b", "")]))

        _same(found, {("a", ""): _note("a", 1), ("b", ""): _note("b", 2)}, "lock of b, one that is not there, a, b")

    def test_lock_excludes(self, storage: Storage) -> None:
        """A second lock of a row waits until the first transaction ends, and sees what that one put."""
        _put(storage, NOTES, [_note("a", 1)])

        def first(tx: Transaction) -> None:
            tx.lock(NOTES, [("a", "")])
            tx.put(NOTES, [_note("a", 2)])

        found = _meanwhile(storage, first, lambda tx: tx.lock(NOTES, [("a", "")]))
        _same(found, {("a", ""): _note("a", 2)}, "lock of a row that was changed under another lock")

    def test_a_locked_row_is_changed_by_nobody_else(self, storage: Storage) -> None:
        """Put, add and delete of a locked row by another transaction wait until the lock ends."""
        changes: dict[str, Callable[[Transaction], object]] = {
            "put": lambda tx: tx.put(NOTES, [_note("a", 7)]),
            "add": lambda tx: tx.add(NOTES, {("a", ""): {"n": 1}}),
            "delete": lambda tx: tx.delete(NOTES, [("a", "")]),
        }
        for verb, change in changes.items():
            _put(storage, NOTES, [_note("a", 1)])
            with storage.transaction(_TENANT) as tx:
                tx.lock(NOTES, [("a", "")])
                other = _Aside(partial(_within, storage, change))
                other.join(WATCHED)
                found = tx.get(NOTES, [("a", "")])
                waits = other.is_alive()
            other.outcome()

            _hold(waits, f"{verb} of a locked row does not wait for the lock to end")
            _same(found, {("a", ""): _note("a", 1)}, f"during a {verb} of somebody else a locked row is")

    def test_nothing_read_under_a_lock_is_lost(self, storage: Storage) -> None:
        """Threads that lock a row, read its number and put one more lose none."""
        _put(storage, NOTES, [_note("a", 0)])

        def rise() -> None:
            for _ in range(10):
                with storage.transaction(_TENANT) as tx:
                    (row,) = tx.lock(NOTES, [("a", "")]).values()
                    tx.put(NOTES, [row | {"n": row["n"] + 1}])

        _together([rise] * 4)
        _same(_numbers(storage), {"a": 40}, "after four threads raised it ten times each")

    def test_opposite_orders_do_not_deadlock(self, storage: Storage) -> None:
        """Threads that lock, insert, put, add to or delete the same rows in opposite orders do not deadlock."""
        names = [str(i) for i in range(200)]
        verbs: list[Callable[[Transaction, list[str]], object]] = [
            lambda tx, names: tx.lock(NOTES, [(name, "") for name in names]),
            lambda tx, names: tx.insert(NOTES, [_note(name, 1) for name in names]),
            lambda tx, names: tx.put(NOTES, [_note(name, 1) for name in names]),
            lambda tx, names: tx.add(NOTES, {(name, ""): {"n": 1} for name in names}),
            lambda tx, names: tx.delete(NOTES, [(name, "") for name in names]),
        ]
        for i, verb in enumerate(verbs * 4):
            _within(storage, lambda tx: tx.delete(NOTES, [(name, "") for name in names]))
            _put(storage, NOTES, [_note(name, 1) for name in names[::2]])
            orders = [Random(3 * i + n).sample(names, len(names)) for n in range(3)]
            _together(partial(_within, storage, partial(_swapped, verb, order)) for order in orders)

    # --- getting

    def test_get_returns_what_there_is(self, storage: Storage) -> None:
        """Get returns the rows there are by key, and nothing of keys that are not there."""
        _put(storage, LATENCIES, [_latency("a", -1, 1), _latency("a", 1, 2), _latency("b", 1, 3)])
        with storage.reading(_TENANT) as tx:
            found = tx.get(LATENCIES, iter([("b", "", 1), ("a", "", 2), ("a", "", -1), ("a", "", -1)]))

        expected = {("b", "", 1): _latency("b", 1, 3), ("a", "", -1): _latency("a", -1, 1)}
        _same(found, expected, "get of two keys that are there, one of them twice, and one that is not")

    def test_a_transaction_sees_what_it_did(self, storage: Storage) -> None:
        """Within a transaction get, lock and scan return what it inserted, put, added and deleted."""
        _put(storage, NOTES, [_note(name, 1) for name in ("add", "delete", "put")])
        with storage.transaction(_TENANT) as tx:
            _change_everything(tx)
            keys = [(name, "") for name in ("add", "delete", "insert", "put")]
            got, locked, scanned = tx.get(NOTES, keys), tx.lock(NOTES, keys), tx.scan(NOTES)

        expected = [_note("add", 2), _note("insert", 2), _note("put", 2)]
        _same(got, _by_key(NOTES, expected), "get within the transaction")
        _same(locked, _by_key(NOTES, expected), "lock within the transaction")
        _same(scanned, expected, "scan within the transaction")

    def test_a_row_is_its_own(self, storage: Storage) -> None:
        """Changing a row after it was given, or after it was returned, changes nothing that is kept."""
        row = _made(MESSAGES, message_id="m-1", campaign_id="c", media=["a"])
        with storage.transaction(_TENANT) as tx:
            tx.insert(MESSAGES, [row])
            row["text"] = "changed"
            row["media"].append("changed")
            for found in (tx.get(MESSAGES, [("m-1",)])["m-1",], *tx.scan(MESSAGES)):
                found["text"] = "changed"
                found["media"].append("changed")

        expected = _made(MESSAGES, message_id="m-1", campaign_id="c", media=["a"])
        _same(_all(storage, MESSAGES), [expected], "after its caller changed a row it gave and was given")

    # --- putting and adding

    def test_put_replaces(self, storage: Storage) -> None:
        """Put inserts what is not there, and replaces what is as a whole; of equal keys the last stays."""
        _put(storage, NOTES, [_note("a", 1) | {"last_at": 5}, _note("b", 1)])
        _put(storage, NOTES, [_note("a", 2), _note("c", 3), _note("c", 4) | {"last_at": 6}, _note("c", 5)])

        _same(_all(storage, NOTES), [_note("a", 2), _note("b", 1), _note("c", 5)], "after put there are")

    def test_put_moves_in_every_order(self, storage: Storage) -> None:
        """A row that was put again, undone or deleted stands in every index as it is, and once."""
        _put(storage, ATTEMPTS, [_attempt("a", "m-1", 1), _attempt("b", "m-1", 2), _attempt("c", "m-1", None)])
        with suppress(_Stop), storage.transaction(_TENANT) as tx:
            tx.put(ATTEMPTS, [_attempt("b", "m-2", 9)])
            raise _Stop
        with storage.transaction(_TENANT) as tx:
            tx.put(ATTEMPTS, [_attempt("a", "m-1", 3), _attempt("c", None, 1)])
            tx.put(ATTEMPTS, [_attempt("d", "m-1", 4)])
            tx.delete(ATTEMPTS, [("d",)])
        with storage.reading(_TENANT) as tx:
            found = [row["attempt_id"] for row in tx.scan(ATTEMPTS, index="message")]

        _same(found, ["b", "a"], "the index after a row was moved, one taken out of it, one undone, one deleted")

    def test_add_adds(self, storage: Storage) -> None:
        """Add adds to numbers, to None as if it were 0, and leaves the other columns as they were."""
        _put(storage, NOTES, [_note("a", 2**40) | {"last_at": 7}, _note("b", None)])
        with storage.transaction(_TENANT) as tx:
            tx.add(NOTES, {("a", ""): {"n": 2**40}, ("b", ""): {"n": 3, "last_at": 4}})
            tx.add(NOTES, {("a", ""): {"n": -1}})

        expected = [_note("a", 2**41 - 1) | {"last_at": 7}, _note("b", 3) | {"last_at": 4}]
        _same(_all(storage, NOTES), expected, "after add there are")

    def test_add_begins_at_zero(self, storage: Storage) -> None:
        """A row that add does not find begins with 0 in every number, and None in what is no number."""
        with storage.transaction(_TENANT) as tx:
            tx.add(ATTEMPTS, {("a",): {"parts": 3}, ("b",): {"number": -1}})

        zeros = _made(ATTEMPTS, number=0, parts=0, started_at=0, ended_at=0)
        expected = [zeros | {"attempt_id": "a", "parts": 3}, zeros | {"attempt_id": "b", "number": -1}]
        _same(_all(storage, ATTEMPTS), expected, "after add to rows that were not there there are")

    def test_threads_add_up(self, storage: Storage) -> None:
        """Numbers that threads add to the same rows, there or not, add up without a lock."""
        names = [str(i) for i in range(5)]
        _put(storage, NOTES, [_note("0", 0)])

        def add(seed: int) -> None:
            random = Random(seed)
            for _ in range(10):
                _within(storage, lambda tx: tx.add(NOTES, {(n, ""): {"n": 2} for n in random.sample(names, 5)}))

        _together(partial(add, seed) for seed in range(4))
        _same(_numbers(storage), dict.fromkeys(names, 80), "after four threads added 2 ten times each")

    def test_delete_deletes(self, storage: Storage) -> None:
        """Delete takes away the rows there are, and no other, and returns how many there were."""
        _put(storage, NOTES, [_note(name, 1) for name in ("a", "b", "c")])
        with storage.transaction(_TENANT) as tx:
            first = tx.delete(NOTES, iter([("a", ""), ("none", ""), ("c", ""), ("a", "")]))
            second = tx.delete(NOTES, [("a", "")])

        _same((first, second), (2, 0), "delete of a, one that is not there, c and a; and of a again")
        _same(_numbers(storage), {"b": 1}, "after both there is")

    # --- all or nothing

    def test_an_error_undoes_everything(self, storage: Storage) -> None:
        """After an error nothing is left of a transaction, in no table, and the error is the caller's own."""
        _put(storage, NOTES, [_note(name, 1) for name in ("add", "delete", "put")])
        before = _all(storage, NOTES)
        for error in (KeyError("mine"), _Stop("mine")):
            caught = _raised_within(storage, error)

            _hold(caught is error, f"out of a transaction that raised {error!r} came {caught!r}")
            _same(_all(storage, NOTES), before, f"after {error!r} there are")
            _same(_all(storage, MESSAGES), [], f"after {error!r} in another table there are")

    def test_numbers_are_undone_with_rows(self, storage: Storage) -> None:
        """What was added is undone with the rest: a number and the row it counts stand or fall together."""
        _put(storage, NOTES, [_note("a", 1)])
        with suppress(_Stop), storage.transaction(_TENANT) as tx:
            tx.add(NOTES, {("a", ""): {"n": 1}, ("b", ""): {"n": 1}})
            tx.insert(RECEIPTS, [_made(RECEIPTS, message_id="m-1", receipt_id="r-1")])
            raise _Stop

        _same(_numbers(storage), {"a": 1}, "after an undone add there are")
        _same(_all(storage, RECEIPTS), [], "after an undone insert there are")

    def test_nobody_sees_what_is_not_done(self, storage: Storage) -> None:
        """What a transaction did is seen by nobody else before it ends."""
        _put(storage, NOTES, [_note(name, 1) for name in ("add", "delete", "put")])
        before = _all(storage, NOTES)
        with suppress(_Stop), storage.transaction(_TENANT) as tx:
            _change_everything(tx)
            other = _Aside(partial(_all, storage, NOTES))
            other.join(WATCHED)
            raise _Stop

        _same(other.outcome(), before, "during a transaction that was undone somebody else saw")

    def test_what_has_ended_is_refused(self, storage: Storage) -> None:
        """A transaction that has ended changes and returns nothing, but raises an error."""
        with storage.transaction(_TENANT) as tx:
            tx.insert(NOTES, [_note("a", 1)])

        _fails(lambda: tx.put(NOTES, [_note("a", 2)]), "put in a transaction that has ended is no error")
        _fails(lambda: tx.scan(NOTES), "scan in a transaction that has ended is no error")
        _same(_numbers(storage), {"a": 1}, "after a put in a transaction that has ended there is")

    def test_reading_is_of_one_moment(self, storage: Storage) -> None:
        """Whatever others do meanwhile, one that reads sees every table as of one moment."""
        _put(storage, NOTES, [_note("a", 1)])

        def write(tx: Transaction) -> None:
            tx.put(NOTES, [_note("a", 2), _note("b", 2)])
            tx.insert(RECEIPTS, [_made(RECEIPTS, message_id="m-1", receipt_id="r-1")])

        with storage.reading(_TENANT) as tx:
            before = tx.scan(NOTES)
            other = _Aside(partial(_within, storage, write))
            other.join(WATCHED)
            after, receipts = tx.scan(NOTES), tx.get(RECEIPTS, [("m-1", "r-1")])
        other.outcome()

        _same(
            (before, after, receipts),
            ([_note("a", 1)], [_note("a", 1)], {}),
            "before, after, and in another table there is",
        )
        _same(_numbers(storage), {"a": 2, "b": 2}, "one that reads later sees")

    def test_what_was_answered_is_kept(self, storage: Storage) -> None:
        """When the block has ended, everything outlives the storage; what was undone does not come back."""
        _put(storage, NOTES, [_note(name, 1) for name in ("add", "delete", "put")])
        _within(storage, _change_everything)
        with suppress(_Stop), storage.transaction(_TENANT) as tx:
            tx.put(NOTES, [_note("undone", 1)])
            raise _Stop
        again = self.reopen(storage)
        if again is None:
            return  # nothing outlives it, as its author says
        try:
            found = _all(again, NOTES)
        finally:
            again.close()

        _same(found, [_note("add", 2), _note("insert", 2), _note("put", 2)], "opened again it holds")

    def test_it_can_be_closed_twice(self, storage: Storage) -> None:
        """Closing what is closed is no error, for a host that cleans up in two places."""
        storage.close()
        storage.close()

    # --- scanning

    def test_scan_is_in_order(self, storage: Storage) -> None:
        """Rows come in the order of the key or of an index: None first, text by code point, ties by key."""
        _hold_scans(storage, lambda _, rows: [({}, rows)])

    def test_scan_descends(self, storage: Storage) -> None:
        """Descending is the same order from its end, ties and None included."""
        _hold_scans(storage, lambda _, rows: [({"descending": True}, rows[::-1])])

    def test_an_index_has_no_row_without_its_first_column(self, storage: Storage) -> None:
        """A row that has None in the first column of an index does not stand in it; in a later one it comes first."""
        rows = [_attempt("a", "m-1", 1), _attempt("b", None, 1), _attempt("c", "m-1", None), _attempt("d", "m-1", -5)]
        _put(storage, ATTEMPTS, rows)
        with storage.reading(_TENANT) as tx:
            found = [row["attempt_id"] for row in tx.scan(ATTEMPTS, index="message")]

        _same(found, ["c", "d", "a"], "scan of an index with None in it")

    def test_scan_keeps_to_where(self, storage: Storage) -> None:
        """With where a scan returns the rows whose first columns equal it exactly, None included, in order."""
        _hold_scans(storage, _where)

    def test_scan_of_what_nothing_equals_is_empty(self, storage: Storage) -> None:
        """Where nothing equals what is asked for, a scan returns nothing."""
        _put(storage, MESSAGES, _scattered(MESSAGES))
        with storage.reading(_TENANT) as tx:
            for index in (None, *MESSAGES.indexes):
                found = tx.scan(MESSAGES, index=index, where={MESSAGES.order(index)[0]: "nobody's"})
                _same(found, [], f"scan by {index or 'key'} of what nothing equals")

    def test_scan_goes_on_after(self, storage: Storage) -> None:
        """After begins behind the row of these values; descending, before it."""
        _hold_scans(storage, _after)

    def test_scan_goes_on_after_what_is_gone(self, storage: Storage) -> None:
        """Pages go on where they were when the last row of the page before is deleted meanwhile."""
        _put(storage, NOTES, [_note(name, 1) for name in "abcde"])
        _within(storage, lambda tx: tx.delete(NOTES, [("c", "")]))
        with storage.reading(_TENANT) as tx:
            found = [row["name"] for row in tx.scan(NOTES, after=("c", ""), limit=1)]
            back = [row["name"] for row in tx.scan(NOTES, after=("c", ""), limit=1, descending=True)]

        _same((found, back), (["d"], ["b"]), "one row after, and before, a row that is gone")

    def test_scan_keeps_to_limit(self, storage: Storage) -> None:
        """Limit is how many rows come at most: 0 is none, and more than there are is all."""
        _put(storage, NOTES, [_note(name, 1) for name in "abc"])
        with storage.reading(_TENANT) as tx:
            found = [len(tx.scan(NOTES, limit=limit)) for limit in (0, 1, 3, 4, None)]

        _same(found, [0, 1, 3, 3, 3], "scan of three rows with limit 0, 1, 3, 4 and None")

    def test_pages_are_the_scan(self, storage: Storage) -> None:
        """Pages of any size hold each row of the scan once, in its order, up or down."""
        rows = _scattered(MESSAGES)
        _put(storage, MESSAGES, rows)
        for index in (None, *MESSAGES.indexes):
            for size in (1, 7, len(rows), len(rows) + 1):
                self._pages(storage, index, size, _ordered(MESSAGES, rows, index))

    def _pages(self, storage: Storage, index: str | None, size: int, expected: list[Row]) -> None:
        with storage.reading(_TENANT) as tx:
            up = [*tx.pages(MESSAGES, size=size, index=index)]
            down = [*tx.pages(MESSAGES, size=size, index=index, descending=True)]
            each = [*tx.walk(MESSAGES, size=size, index=index)]

        _same(each, expected, f"walk of messages by {index or 'key'}")
        _same([row for page in up for row in page], expected, f"pages of {size} of messages by {index or 'key'}")
        _same([row for page in down for row in page], expected[::-1], "the same from the end")
        _hold(all(0 < len(page) <= size for page in up + down), f"a page of {size} rows is empty, or longer")

    def test_pages_keep_to_where(self, storage: Storage) -> None:
        """Pages of a part hold each row of the part once."""
        rows = [_made(MESSAGES, message_id=f"m-{i}", campaign_id="ab"[i % 2], status="xyz"[i % 3]) for i in range(30)]
        _put(storage, MESSAGES, rows)
        with storage.reading(_TENANT) as tx:
            for size in (1, 5, 1000):
                pages = tx.pages(MESSAGES, size=size, index="status", where={"campaign_id": "a", "status": "x"})
                found = sorted(row["message_id"] for page in pages for row in page)
                _same(found, sorted(f"m-{i}" for i in range(0, 30, 6)), f"pages of {size} of a part")

    # --- what can be kept

    def test_every_table_keeps_every_column(self, storage: Storage) -> None:
        """Each table has each of its columns, keeps what is in it, and keeps None in all but the key."""
        for table in TABLES:
            full = _full(table)
            rows = [full, _made(table)]
            _put(storage, table, rows)

            _same(_all(storage, table), _ordered(table, rows), f"what {table.name} keeps")

    def test_text_is_kept_as_it_is(self, storage: Storage) -> None:
        """Text of any characters but NUL comes back as it was: spaces, accents in two parts, emoji, quotes, 1 MB."""
        rows = [
            _made(MESSAGES, message_id=str(i), text=text) for i, text in enumerate((*_TEXTS, "ä\U0001f44b'" * 200_000))
        ]
        _put(storage, MESSAGES, rows)
        found = {row["message_id"]: row for row in _all(storage, MESSAGES)}

        for row in rows:
            _same(found.get(row["message_id"]), row, "a message with this text comes back")

    def test_keys_that_differ_are_two(self, storage: Storage) -> None:
        """Keys that differ in case, accents, spaces, width, or the way one letter is written are two."""
        rows = [_note(text, i) for i, text in enumerate(_TEXTS)]
        with storage.transaction(_TENANT) as tx:
            new = tx.insert(NOTES, rows)
            found = {text: tx.get(NOTES, [(text, "")]) for text in _TEXTS}
            where = {text: tx.scan(NOTES, where={"name": text}) for text in _TEXTS}
            tx.delete(NOTES, [("a", ""), ("%", ""), ("'", "")])
            left = [row["name"] for row in tx.scan(NOTES)]

        _same(new, [True] * len(rows), "insert of keys that differ a little")
        _same(found, {row["name"]: {(row["name"], ""): row} for row in rows}, "get of keys that differ a little")
        _same(where, {row["name"]: [row] for row in rows}, "scan where the key is one of those")
        _same(left, sorted({*_TEXTS} - {"a", "%", "'"}), "after a delete of three of them there are")

    def test_two_columns_are_two(self, storage: Storage) -> None:
        """Keys of two columns that look alike when joined are two."""
        rows = [
            _made(CARRIER_IDS, carrier=first, carrier_id=second, message_id=f"{first}{second}")
            for first, second in (("a", "bc"), ("ab", "c"), ("a:b", "c"), ("a", "b:c"), ("", "abc"), ("abc", ""))
        ]
        with storage.transaction(_TENANT) as tx:
            new = tx.insert(CARRIER_IDS, rows)

        _same(new, [True] * len(rows), "insert of keys that are equal when joined")
        _same(_all(storage, CARRIER_IDS), _ordered(CARRIER_IDS, rows), "after it there are")

    def test_numbers_have_64_bits(self, storage: Storage) -> None:
        """Whole numbers of 64 bits come back exactly, in columns and in keys, and are in order."""
        rows = [_latency("c", number, number) for number in _INTS]
        _put(storage, LATENCIES, rows)
        with storage.reading(_TENANT) as tx:
            got = tx.get(LATENCIES, [("c", "", number) for number in _INTS])

        _same(_all(storage, LATENCIES), rows, "rows numbered from least to greatest")
        _same(got, _by_key(LATENCIES, rows), "get of each of them")

    def test_json_is_kept_as_it_is(self, storage: Storage) -> None:
        """JSON comes back equal: empty, nested, of any text, with large numbers, None inside, 1 MB; {} is not None."""
        large = {str(i): ["x" * 100, i, None] for i in range(10_000)}
        rows = [_made(MESSAGES, message_id=str(i), state=each) for i, each in enumerate((*_JSONS, large))]
        _put(storage, MESSAGES, rows)

        for found, row in zip(_all(storage, MESSAGES), rows, strict=True):
            _same(found, row, "a message with this JSON comes back")

    # --- what is derived, and may be overridden

    def test_select_gives_some_columns_of_every_row(self, storage: Storage) -> None:
        """Select yields the columns that are asked for, in that order, of the rows that a scan finds."""
        rows = _scattered(MESSAGES)
        _put(storage, MESSAGES, rows)
        with storage.reading(_TENANT) as tx:
            for scan in _scans_of_campaigns(rows):
                found = [*tx.select(MESSAGES, ("media", "to", "clicks", "to"), **scan)]
                expected = [(row["media"], row["to"], row["clicks"], row["to"]) for row in tx.scan(MESSAGES, **scan)]
                _same(found, expected, f"select by {scan}")

    def test_count_counts_what_is_alike(self, storage: Storage) -> None:
        """Count yields each combination of values that some columns have, once, and how many rows have it."""
        rows = _scattered(MESSAGES)
        _put(storage, MESSAGES, rows)
        with storage.reading(_TENANT) as tx:
            for scan in _scans_of_campaigns(rows):
                for columns in (("clicks", "media"), ("variant",)):
                    found = sorted(tx.count(MESSAGES, columns, **scan), key=repr)
                    derived = Transaction.count(tx, MESSAGES, columns, **scan)
                    _same(found, sorted(derived, key=repr), f"count of {columns} by {scan}")

    def test_total_adds_up_what_is_alike(self, storage: Storage) -> None:
        """Total yields what some columns hold, once and in its order, and the sums of others; None counts as 0."""
        told = [("a", 1, None), ("b", 5, -7), (None, 2, 3), ("a", None, None), ("b", None, 8)]
        rows = [
            _made(MESSAGES, message_id=f"m{at}", variant=variant, clicks=clicks, price=price)
            for at, (variant, clicks, price) in enumerate(told)
        ]
        _put(storage, MESSAGES, rows)
        numbers = {
            (f"c{i}", group, cell): {"n": i - 2, "clicks": 7} for i in range(5) for group in "ab" for cell in "yx"
        }
        with storage.transaction(_TENANT) as tx:
            tx.add(COUNTERS, numbers)
        with storage.reading(_TENANT) as tx:
            found = [*tx.total(MESSAGES, ("variant",), ("clicks", "price"))]
            _same(found, [(None, 2, 3), ("a", 1, 0), ("b", 5, 1)], "total of messages by variant")
            found = [*tx.total(COUNTERS, ("cell",), ("n", "clicks"), where={"campaign_id": "c4"})]
            _same(found, [("x", 4, 14), ("y", 4, 14)], "total of a campaign by cell")
            for columns, where in (
                (("cell", "group"), None),
                (("campaign_id",), None),
                (("cell",), {"campaign_id": "-"}),
            ):
                found = [*tx.total(COUNTERS, columns, ("clicks", "n"), where=where)]
                derived = [*Transaction.total(tx, COUNTERS, columns, ("clicks", "n"), where=where)]
                _same(found, derived, f"total by {columns}")

    def test_load_inserts_what_is_new(self, storage: Storage) -> None:
        """Load inserts thousands of rows given as values of some columns, and says which were new."""
        columns, moment = ("media", "message_id", "clicks", "text"), 1_795_359_600_000_000
        values = [([f"https://app.example/{i}"] if i % 2 else None, f"m-{i:05}", moment + i, None) for i in range(MANY)]
        _put(storage, MESSAGES, [_made(MESSAGES, message_id="m-00007", text="was here")])
        with storage.transaction(_TENANT) as tx:
            more = tx.load(MESSAGES, columns, [(None, f"n-{i}", None, None) for i in range(MANY)])
            fresh = tx.load(MESSAGES, columns, [*values, values[3]])
            none = tx.load(MESSAGES, columns, [])
            tx.delete(MESSAGES, [(f"n-{i}",) for i in range(MANY)])

        _same((all(more), none), (True, []), "load of new rows, and of none")
        _same([at for at, new in enumerate(fresh) if not new], [7, MANY], "the places of rows that were not new")
        expected = [_made(MESSAGES, **dict(zip(columns, row, strict=True))) for row in values]
        expected[7] = _made(MESSAGES, message_id="m-00007", text="was here")
        _same(_all(storage, MESSAGES), expected, "the table has")

    def test_update_changes_some_columns(self, storage: Storage) -> None:
        """Update changes some columns of rows that are locked or new, in every order too, and leaves the others."""
        rows = [_full(MESSAGES) | {"message_id": f"m-{i:05}", "campaign_id": "c"} for i in range(MANY)]
        columns = ("status", "message_id", "media", "price", "text", "to")
        changes = [("ab"[i % 2], f"m-{i:05}", [i] if i % 3 else None, -i, None, None) for i in range(MANY)]
        _put(storage, MESSAGES, rows)
        with storage.transaction(_TENANT) as tx:
            tx.lock(MESSAGES, [MESSAGES.key_of(row) for row in rows])
            tx.update(MESSAGES, columns, changes[::-1])
            tx.update(MESSAGES, columns, [])
            tx.insert(CARRIER_IDS, [_made(CARRIER_IDS, carrier="x", carrier_id="y", part=1)])
            tx.update(CARRIER_IDS, ("carrier_id", "attempt", "carrier"), [("y", 2, "x")])
        with storage.reading(_TENANT) as tx:
            moved = tx.scan(MESSAGES, index="status", where={"campaign_id": "c", "status": "b"})

        expected = [row | dict(zip(columns, change, strict=True)) for row, change in zip(rows, changes, strict=True)]
        _same(_all(storage, MESSAGES), expected, "after update the table has")
        _same(moved, expected[1::2], "the index has of rows that moved in it")
        ids = [_made(CARRIER_IDS, carrier="x", carrier_id="y", attempt=2, part=1)]
        _same(_all(storage, CARRIER_IDS), ids, "after update of a new row there are")

    def test_compacting_changes_nothing(self, storage: Storage) -> None:
        """A storage that is compacted has what it had."""
        rows = [_full(MESSAGES) | {"message_id": f"m-{i}"} for i in range(3)]
        _put(storage, MESSAGES, rows)
        with storage.transaction(_TENANT) as tx:
            tx.delete(MESSAGES, [("m-1",)])
        storage.compact()

        _same(_all(storage, MESSAGES), [rows[0], rows[2]], "after compacting the table has")

    # --- tenants

    def test_tenants_never_meet(self, storage: Storage) -> None:
        """Nothing a tenant does is seen or changed by another one that uses the same keys."""
        _put(storage, ATTEMPTS, [_attempt("a", "m-1", 1), _attempt("b", "m-1", 2)])
        before = _all(storage, ATTEMPTS)
        with storage.transaction("other") as tx:
            nothing = [tx.scan(ATTEMPTS), tx.scan(ATTEMPTS, index="message", where={"message_id": "m-1"})]
            none = [tx.get(ATTEMPTS, [("a",)]), tx.lock(ATTEMPTS, [("a",)])]
            new = tx.insert(ATTEMPTS, [_attempt("a", "m-1", 7)])
            tx.put(ATTEMPTS, [_attempt("b", "m-1", 8)])
            tx.add(ATTEMPTS, {("a",): {"parts": 3}})
            deleted = tx.delete(ATTEMPTS, [("b",), ("c",)])
            theirs = tx.scan(ATTEMPTS, index="message")

        _same((nothing, none), ([[], []], [{}, {}]), "another tenant sees")
        _same((new, deleted), ([True], 1), "another tenant's insert and delete of keys that the first one has")
        _same(theirs, [_attempt("a", "m-1", 7) | {"parts": 3}], "another tenant has")
        _same(_all(storage, ATTEMPTS), before, "after all that the first tenant has")

    def test_every_name_is_its_own_tenant(self, storage: Storage) -> None:
        """Tenants whose names differ in case, accents, spaces or signs are two, and any text is a name."""
        for n, tenant in enumerate(_TENANTS):
            with storage.transaction(tenant) as tx:
                tx.add(NOTES, {("a", ""): {"n": n}})
        found = {}
        for tenant in _TENANTS:
            with storage.reading(tenant) as tx:
                found[tenant] = [row["n"] for row in tx.scan(NOTES)]

        _same(found, {tenant: [n] for n, tenant in enumerate(_TENANTS)}, "tenants have")

    # --- how much

    def test_no_rows_are_fine(self, storage: Storage) -> None:
        """Every call takes nothing, and does nothing with it; so may a transaction."""
        _put(storage, NOTES, [_note("a", 1)])
        with storage.transaction(_TENANT) as tx:
            found = [tx.insert(NOTES, []), tx.lock(NOTES, []), tx.get(NOTES, ()), tx.delete(NOTES, iter(()))]
            tx.put(NOTES, [])
            tx.add(NOTES, {})
            found += [tx.scan(MESSAGES, where={}), [*tx.pages(MESSAGES)]]
        with storage.transaction(_TENANT):
            pass

        _same(found, [[], {}, {}, 0, [], []], "insert, lock, get, delete of nothing, scan and pages of an empty table")
        _same(_numbers(storage), {"a": 1}, "after all that there is")

    def test_thousands_of_rows_in_one_call(self, storage: Storage) -> None:
        """Every call takes thousands of rows or keys at once."""
        rows = [_full(MESSAGES) | {"message_id": f"m-{i:06}"} for i in range(MANY)]
        keys = [MESSAGES.key_of(row) for row in rows]
        with storage.transaction(_TENANT) as tx:
            new = tx.insert(MESSAGES, rows[::-1])
            again = tx.insert(MESSAGES, rows)
            found = [len(tx.get(MESSAGES, keys)), len(tx.lock(MESSAGES, keys)), len(tx.scan(MESSAGES, index="to"))]
            tx.put(MESSAGES, [row | {"clicks": 5} for row in rows])
            tx.add(MESSAGES, {key: {"clicks": 1} for key in keys})
            clicks = {row["clicks"] for row in tx.scan(MESSAGES)}
            found.append(tx.delete(MESSAGES, keys))

        _same((all(new), any(again)), (True, False), "insert of thousands of rows, and of the same again")
        _same(found, [MANY] * 4, "how many rows get, lock, scan and delete found")
        _same(clicks, {6}, "after put of 5 and add of 1")


class _Aside(threading.Thread):
    """A call in a thread of its own."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self._result: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:  # noqa: BLE001 - raised again where somebody looks
            self._error = error

    def outcome(self) -> Any:
        self.join(PATIENCE)
        _hold(not self.is_alive(), f"a transaction has not ended after {PATIENCE:.0f} seconds: it waits for another")
        if self._error is not None:
            raise self._error
        return self._result


def _together(calls: Iterable[Callable[[], Any]]) -> list[Any]:
    threads = [_Aside(call) for call in calls]
    return [thread.outcome() for thread in threads]


def _meanwhile(
    storage: Storage,
    first: Callable[[Transaction], object],
    second: Callable[[Transaction], object],
    *,
    undone: bool = False,
) -> Any:
    """Return what a second transaction finds that must wait for the first, which ends or is undone."""
    with suppress(_Stop), storage.transaction(_TENANT) as tx:
        first(tx)
        other = _Aside(partial(_within, storage, second))
        other.join(WATCHED)
        waits = other.is_alive()
        if undone:
            raise _Stop
    found = other.outcome()
    _hold(waits, "a second transaction does not wait for the first, which has the same row")
    return found


def _within(storage: Storage, call: Callable[[Transaction], Any]) -> Any:
    with storage.transaction(_TENANT) as tx:
        return call(tx)


def _raised_within(storage: Storage, error: BaseException) -> BaseException | None:
    """Return what comes out of a transaction in which something was changed and then an error raised."""

    def fail(tx: Transaction) -> None:
        _change_everything(tx)
        tx.lock(NOTES, [("put", "")])
        tx.insert(MESSAGES, [_made(MESSAGES, message_id="m-1")])
        raise error

    try:
        _within(storage, fail)
    except BaseException as caught:  # noqa: BLE001 - looked at by the caller
        return caught
    return None


def _put(storage: Storage, table: Table, rows: list[Row]) -> None:
    _within(storage, lambda tx: tx.put(table, rows))


def _all(storage: Storage, table: Table) -> list[Row]:
    with storage.reading(_TENANT) as tx:
        rows = tx.scan(table)
    for name, value in (each for row in rows for each in row.items()):
        _hold(
            type(value) in _PLAIN,
            f"{table.name}.{name} comes back as {shown(value)}, of {type(value).__name__}: give a plain value",
        )
    return rows


def _numbers(storage: Storage) -> dict[str, int]:
    return {row["name"]: row["n"] for row in _all(storage, NOTES)}


def _inserted(rows: list[Row], tx: Transaction) -> list[bool]:
    return tx.insert(NOTES, rows)


def _swapped(call: Callable[[Transaction, list[str]], object], names: list[str], tx: Transaction) -> object:
    return call(tx, names)


def _change_everything(tx: Transaction) -> None:
    """Insert, put, add to and delete rows of these names, of which all but the first are there."""
    tx.insert(NOTES, [_note("insert", 2)])
    tx.put(NOTES, [_note("put", 2)])
    tx.add(NOTES, {("add", ""): {"n": 1}})
    tx.delete(NOTES, [("delete", "")])


# --- rows


def _made(table: Table, **values: Any) -> Row:
    """Return a row of a table: None but for its key and what is given."""
    key = {name: 0 if table.columns[name] == "int" else "" for name in table.key}
    return {**dict.fromkeys(table.columns), **key, **values}


def _note(name: str, n: int | None) -> Row:
    return _made(NOTES, name=name, n=n)


def _attempt(attempt_id: str, message_id: str | None, number: int | None) -> Row:
    return _made(ATTEMPTS, attempt_id=attempt_id, message_id=message_id, number=number)


def _latency(campaign_id: str, bucket: int, n: int) -> Row:
    return _made(LATENCIES, campaign_id=campaign_id, bucket=bucket, n=n)


def _full(table: Table) -> Row:
    """Return a row that has something of its own in every column."""
    made: dict[Kind, Callable[[int, str], Any]] = {
        "text": lambda n, name: f"{name} {n}",
        "int": lambda n, _: 2**40 + n,
        "json": lambda n, name: {name: [n]},
    }
    return {name: made[kind](n, name) for n, (name, kind) in enumerate(table.columns.items())}


def _scattered(table: Table) -> list[Row]:
    """Return rows with few different values, so that many tie, in no order."""
    random = Random(table.name)
    chosen: dict[Key, Row] = {}
    for _ in range(_SCATTERED):
        row = {name: random.choice(_FEW[kind]) for name, kind in table.columns.items()}
        row |= {name: _key_value(random, table.columns[name]) for name in table.key}
        chosen[table.key_of(row)] = row
    return [*chosen.values()]


def _key_value(random: Random, kind: Kind) -> str | int:
    return random.choice(_INTS) if kind == "int" else random.choice(_TEXTS)


def _by_key(table: Table, rows: Iterable[Row]) -> dict[Key, Row]:
    return {table.key_of(row): row for row in rows}


# --- what a scan must return


def _ordered(table: Table, rows: Iterable[Row], index: str | None = None) -> list[Row]:
    order = table.order(index)
    standing = (row for row in rows if row[order[0]] is not None)
    return sorted(standing, key=lambda row: [(row[name] is not None, row[name]) for name in order])


_Cases = Iterable[tuple[dict[str, Any], list[Row]]]


def _hold_scans(storage: Storage, cases: Callable[[tuple[str, ...], list[Row]], _Cases]) -> None:
    """Hold, for each order of each table, that scans return what they should of its rows."""
    for table in TABLES:
        rows = _scattered(table)
        _put(storage, table, rows)
        with storage.reading(_TENANT) as tx:
            for index in (None, *table.indexes):
                for scan, expected in cases(table.order(index), _ordered(table, rows, index)):
                    given = {"index": index, **scan}
                    what = f"scan({table.name}, {', '.join(f'{name}={value!r}' for name, value in given.items())})"
                    _same(tx.scan(table, index=index, **scan), expected, what)


def _scans_of_campaigns(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return scans of all messages, and of one campaign each."""
    campaigns = [*sorted({row["campaign_id"] for row in rows} - {None}), "nobody's"]
    return [{}, *({"index": "status", "where": {"campaign_id": name}} for name in campaigns)]


def _where(order: tuple[str, ...], rows: list[Row]) -> _Cases:
    for row in rows[::9]:
        for n in range(len(order) + 1):
            where = {name: row[name] for name in order[:n]}
            equal = [each for each in rows if where.items() <= {name: each[name] for name in order}.items()]
            yield {"where": where}, equal
            yield {"where": where, "descending": True, "limit": 2}, equal[::-1][:2]


def _after(order: tuple[str, ...], rows: list[Row]) -> _Cases:
    for i in range(0, len(rows), 5):
        after = tuple(rows[i][name] for name in order)
        yield {"after": after}, rows[i + 1 :]
        yield {"after": after, "limit": 3}, rows[i + 1 :][:3]
        yield {"after": after, "descending": True}, rows[:i][::-1]


# --- sentences


def _hold(promise: object, otherwise: str) -> None:
    if not promise:
        raise AssertionError(otherwise)


def _same(found: object, expected: object, what: str) -> None:
    if found != expected:
        raise AssertionError(f"{what}: {_difference(found, expected)}")


def _fails(call: Callable[[], object], otherwise: str) -> None:
    try:
        call()
    except Exception:  # noqa: BLE001 - any error will do
        return
    raise AssertionError(otherwise)


def _difference(found: Any, expected: Any) -> str:
    """Return where two values differ first."""
    if isinstance(found, list | tuple) and isinstance(expected, list | tuple):
        found, expected = dict(enumerate(found)), dict(enumerate(expected))
    if not (isinstance(found, dict) and isinstance(expected, dict)):
        return f"{shown(found)}, not {shown(expected)}"
    names = [*expected, *found]
    name = next(name for name in names if not (name in found and name in expected and found[name] == expected[name]))
    if name not in found:
        return f"[{shown(name)}] is missing, which is {shown(expected[name])}"
    if name not in expected:
        return f"[{shown(name)}] is too many, which is {shown(found[name])}"
    return f"[{shown(name)}] {_difference(found[name], expected[name])}"
