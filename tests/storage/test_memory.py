"""MemoryStorage holds the contract of storages, and says clearly what is wrong with a call."""

from __future__ import annotations

import pytest

import campaignkit as ck
from campaignkit.backends.storage import MemoryStorage
from campaignkit.backends.storage.tables import NOTES
from campaignkit.testing import StorageContract


class TestMemoryStorage(StorageContract):
    """The reference adapter."""

    @pytest.fixture
    def storage(self):
        """Return an empty one."""
        return MemoryStorage()


def note(**values):
    """Return a row of notes."""
    return {"name": "a", "carrier": "twilio", "n": 1, "last_at": None, **values}


@pytest.mark.parametrize("begin", ["transaction", "reading"])
def test_a_transaction_in_a_transaction_is_refused(begin):
    """A thread that begins a transaction within one is told, instead of waiting for itself."""
    storage = MemoryStorage()

    with (
        storage.transaction("acme") as tx,
        pytest.raises(RuntimeError, match="this thread is in a transaction already: end it first"),
        getattr(storage, begin)("acme"),
    ):
        pass

    with pytest.raises(RuntimeError, match="this transaction has ended: begin another one"):
        tx.get(NOTES, [])
    with storage.transaction("acme") as tx:
        assert tx.insert(NOTES, [note()]) == [True]


@pytest.mark.parametrize(
    ("verb", "given"), [("insert", [note()]), ("put", [note()]), ("add", {}), ("delete", []), ("lock", [])]
)
def test_who_reads_changes_nothing(verb, given):
    """A transaction that only reads says where things are changed."""
    with (
        MemoryStorage().reading("acme") as tx,
        pytest.raises(RuntimeError, match=r"only reads: change things in storage.transaction\(tenant\)"),
    ):
        getattr(tx, verb)(NOTES, given)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": None}, "notes.name is missing: give it as text"),
        ({"name": 7}, "notes.name is int: give it as text"),
        ({"carrier": "a\0b"}, "notes.carrier has a NUL in it: give it as text"),
        ({"n": "1"}, "notes.n is str: give it as int"),
        ({"n": True}, "notes.n is bool: give it as int"),
        ({"n": 1.0}, "notes.n is float: give it as int"),
        ({"n": 2**63}, "notes.n has more than 64 bits: give it as int"),
        ({"m": 1}, r"a row of notes has all of its columns and no other: correct \['m'\]"),
    ],
)
def test_a_row_that_no_database_would_take_is_refused(wrong, sentence):
    """What a column cannot hold is refused here too, so that a test in memory finds it."""
    with MemoryStorage().transaction("acme") as tx, pytest.raises(ck.InvalidValue, match=f"^{sentence}$"):
        tx.put(NOTES, [note(**wrong)])


def test_where_must_come_first_in_the_order():
    """Where is refused when the order does not begin with its columns."""
    with (
        MemoryStorage().reading("acme") as tx,
        pytest.raises(ck.InvalidValue, match=r"where has \['carrier'\], .* ordered by others first: give \('name',\)"),
    ):
        tx.scan(NOTES, where={"carrier": "twilio"})
