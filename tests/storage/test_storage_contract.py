"""The contract of storages: the docs' own storage holds it, and storages that are broken do not."""

from __future__ import annotations

import inspect
import sys

import pytest

from campaignkit.testing import StorageContract
from examples_of_docs import changed, code_blocks

FILE, TEST_FILE = code_blocks("storage.md")
PROMISES = [name for name in vars(StorageContract) if name.startswith("test_")]


@pytest.fixture
def contract(load_module):
    """Return what makes the test class of the docs' storage, with the storage changed in places."""

    def made(*changes):
        load_module("jsonfiles", changed(FILE, changes))
        return load_module("test_jsonfiles", TEST_FILE).TestJsonFiles()

    return made


def held(contract, promise, folder):
    """Run one test of a contract on an empty storage."""
    folder.mkdir()
    storage = sys.modules["jsonfiles"].JsonFiles(folder)
    getattr(contract, promise)(storage)


@pytest.mark.parametrize("promise", PROMISES)
def test_the_docs_storage_holds_the_contract(promise, contract, tmp_path):
    """The storage of the docs, as it stands there, breaks no promise."""
    held(contract(), promise, tmp_path / "rows")


def test_every_promise_is_a_sentence():
    """Each test of the contract has a docstring of one line, because together they are the specification."""
    for name in PROMISES:
        (line,) = inspect.getdoc(vars(StorageContract)[name]).splitlines()
        assert line.endswith(".")
        assert line[0].isupper()


ONE_AT_A_TIME = ("with self._turn:", "if True:")
SLOWLY = (
    "                yield tx\n                tx.write()",
    "                yield tx\n                sleep(0.02)\n                tx.write()",
)
OWN_DRAFT = ('with_suffix(".new")', 'with_suffix(f".{threading.get_ident()}")')
RACING = [ONE_AT_A_TIME, SLOWLY, OWN_DRAFT, ("import threading\n", "import threading\nfrom time import sleep\n")]

KEY = "            key = tuple(row[name] for name in table.key)\n"
INSERTED = "held.setdefault(key, deepcopy(row))"
PUT = "held[tuple(row[name] for name in table.key)] = deepcopy(row)"
GET = "{key: deepcopy(held[key]) for key in keys if key in held}"
LOCK = "return self.get(table, keys)  # transactions run one after another"
WHERE = "row[name] == value for name, value in where.items()"
AFTER = "[row for row in rows if (place(row) < last if descending else place(row) > last)]"
SORT = "rows.sort(key=place, reverse=descending)"
PLACE = "(row[name] is not None, row[name])"
ROWS = "    def _rows(self, table):"

LOCK_EACH = """for key in keys:
            sleep(0.0001)
            assert LOCKS[key].acquire(timeout=0.5), "two transactions wait for each other"
            self.locks.append(LOCKS[key])
        return self.get(table, keys)"""
STAY_IN_INDEX = f"""old = held.get(tuple(row[name] for name in table.key), row)
            {PUT} | {{name: old[name] for index in table.indexes.values() for name in index}}"""
PUT_OVER = f"""old = held.get(tuple(row[name] for name in table.key), row)
            {PUT} | {{name: old[name] for name in row if row[name] is None}}"""
TIES_ASCEND = """rows.sort(key=place)
        width = len(table.indexes.get(index, order))
        rows.sort(key=lambda row: place(row)[:width], reverse=descending)"""
ONE_PAGE = f"""
    def pages(self, table, *, size=1000, **scan):
        yield self.scan(table, limit=size, **scan)

{ROWS}"""
ALL_PAGES = f"""
    def pages(self, table, *, where=None, **scan):
        yield from super().pages(table, **scan)

{ROWS}"""
SOME_COLUMNS = f"""
    def select(self, table, columns, **scan):
        return (values[::-1] for values in super().select(table, columns, **scan))

{ROWS}"""
ALL_COUNTED = f"""
    def count(self, table, columns, *, index=None, where=None):
        return super().count(table, columns)

{ROWS}"""
ALL_ADDED = f"""
    def total(self, table, columns, numbers, *, where=None):
        return super().total(table, columns, numbers)

{ROWS}"""
LOAD_OVER = f"""
    def load(self, table, columns, values):
        nothing = dict.fromkeys(table.columns)
        self.put(table, [nothing | dict(zip(columns, row, strict=True)) for row in values])
        return [True] * len(values)

{ROWS}"""
UPDATE_WHOLE = f"""
    def update(self, table, columns, values):
        nothing = dict.fromkeys(table.columns)
        self.put(table, [nothing | dict(zip(columns, row, strict=True)) for row in values])

{ROWS}"""
EMPTIED = """    def compact(self):
        for path in self.folder.iterdir():
            path.unlink()

    def _path("""
CLOSE_ONCE = """    def close(self):
        assert self._turn, "it is closed already"
        self._turn = None

    def _path("""

BROKEN = {
    # what is derived
    "selects in another order": ("test_select_gives_some_columns_of_every_row", (ROWS, SOME_COLUMNS)),
    "counts other campaigns too": ("test_count_counts_what_is_alike", (ROWS, ALL_COUNTED)),
    "adds up other campaigns too": ("test_total_adds_up_what_is_alike", (ROWS, ALL_ADDED)),
    "loads over what is there": ("test_load_inserts_what_is_new", (ROWS, LOAD_OVER)),
    "updates what was not asked for": ("test_update_changes_some_columns", (ROWS, UPDATE_WHOLE)),
    "compacts to nothing": ("test_compacting_changes_nothing", ("    def _path(", EMPTIED)),
    # who is new
    "the last insert wins": ("test_insert_says_what_is_new", (INSERTED, "held[key] = deepcopy(row)")),
    "looks once for what is there": (
        "test_of_equal_keys_the_first_is_new",
        ("held, new = self._rows(table), []", "held, new = self._rows(table), []\n        before = {*held}"),
        ("key not in held)", "key not in before)"),
    ),
    "never forgets a key": (
        "test_what_was_deleted_or_undone_is_new",
        ("class JsonFiles", "SEEN = set()\n\n\nclass JsonFiles"),
        ("new.append(key not in held)", "new.append(key not in SEEN)\n            SEEN.add(key)"),
    ),
    "inserts at the same time": ("test_one_thread_inserts_a_key", *RACING),
    "does not wait for an insert": ("test_a_second_insert_waits", ONE_AT_A_TIME),
    # locks
    "locks what is not there": (
        "test_lock_returns_what_there_is",
        (LOCK, "return {key: self._rows(table).get(key) for key in keys}"),
    ),
    "locks nothing": ("test_lock_excludes", ONE_AT_A_TIME),
    "changes what is locked": ("test_a_locked_row_is_changed_by_nobody_else", ONE_AT_A_TIME),
    "loses what was read under a lock": ("test_nothing_read_under_a_lock_is_lost", *RACING),
    "locks in any order": (
        "test_opposite_orders_do_not_deadlock",
        *RACING,
        ("class JsonFiles", "LOCKS = defaultdict(threading.Lock)\n\n\nclass JsonFiles"),
        ("from time import", "from collections import defaultdict\nfrom time import"),
        ("self.ended = False", "self.ended, self.locks = False, []"),
        ("tx.ended = True", "tx.ended = [lock.release() for lock in tx.locks] or True"),
        (LOCK, LOCK_EACH),
    ),
    # rows
    "gets what is not there": ("test_get_returns_what_there_is", (GET, "{key: held.get(key) for key in keys}")),
    "scans what was there before": (
        "test_a_transaction_sees_what_it_did",
        ("self._rows(table).values()", "JsonTransaction(self._path)._rows(table).values()"),
    ),
    "keeps the caller's row": ("test_a_row_is_its_own", (INSERTED, "held.setdefault(key, row)")),
    "returns its own row": ("test_a_row_is_its_own", ("return deepcopy(rows[:limit])", "return rows[:limit]")),
    "puts over what is there": ("test_put_replaces", (PUT, PUT_OVER)),
    "never moves a row in an index": ("test_put_moves_in_every_order", (PUT, STAY_IN_INDEX)),
    "replaces numbers": ("test_add_adds", ("(row[name] or 0) + number", "number")),
    "begins at nothing": ("test_add_begins_at_zero", ('0 if kind == "int" else None', "None")),
    "adds nothing below zero": ("test_add_adds", ("(row[name] or 0) + number", "(row[name] or 0) + max(number, 0)")),
    "loses what was added": ("test_threads_add_up", *RACING),
    "counts what it did not delete": (
        "test_delete_deletes",
        ("held.pop(key, None) is not None", "held.pop(key, None) is not key"),
    ),
    # all or nothing
    "forgets to roll back": (
        "test_an_error_undoes_everything",
        ("                tx.write()\n            finally:\n", "            finally:\n                tx.write()\n"),
    ),
    "swallows errors": (
        "test_an_error_undoes_everything",
        (
            "                tx.write()\n",
            "                tx.write()\n            except KeyError:\n                pass\n",
        ),
    ),
    "adds at once": (
        "test_numbers_are_undone_with_rows",
        ("(row[name] or 0) + number", "(row[name] or 0) + number\n        self.write()"),
    ),
    "shows what is not done": ("test_nobody_sees_what_is_not_done", (PUT, f"{PUT}\n        self.write()")),
    "never ends": ("test_what_has_ended_is_refused", ("if self.ended:", "if False:")),
    "reads each time anew": (
        "test_reading_is_of_one_moment",
        (
            f"held = self._rows(table)\n        return {GET}",
            f"held = JsonTransaction(self._path)._rows(table)\n        return {GET}",
        ),
    ),
    "keeps nothing": (
        "test_what_was_answered_is_kept",
        ("self.folder = folder", "self.folder = folder / str(id(self))\n        self.folder.mkdir()"),
    ),
    "closes once": ("test_it_can_be_closed_twice", ("    def _path(", CLOSE_ONCE)),
    # scans
    "scans in no order": ("test_scan_is_in_order", (SORT, "pass")),
    "has None at the end": ("test_scan_is_in_order", (PLACE, "(row[name] is None, row[name])")),
    "sorts as people do": (
        "test_scan_is_in_order",
        (PLACE, "(row[name] is not None, row[name].lower() if isinstance(row[name], str) else row[name])"),
    ),
    "sorts halves of letters": (
        "test_scan_is_in_order",
        (PLACE, "(row[name] is not None, row[name].encode('utf-16-be') if isinstance(row[name], str) else row[name])"),
    ),
    "forgets the key in ties": (
        "test_scan_is_in_order",
        (SORT, "rows.sort(key=lambda row: place(row)[: len(table.indexes.get(index, order))])"),
    ),
    "leaves ties as they were": ("test_scan_descends", (SORT, TIES_ASCEND)),
    "has all rows in an index": (
        "test_an_index_has_no_row_without_its_first_column",
        (" if row[order[0]] is not None]", "]"),
    ),
    "asks nothing of None": ("test_scan_keeps_to_where", (WHERE, f"value is None or {WHERE}")),
    "finds None nowhere": ("test_scan_keeps_to_where", (WHERE, f"value is not None and {WHERE}")),
    "finds everything for nothing": (
        "test_scan_of_what_nothing_equals_is_empty",
        (f"[row for row in rows if all({WHERE})]", f"[row for row in rows if all({WHERE})] or rows"),
    ),
    "begins with the last row": ("test_scan_goes_on_after", ("place(row) > last", "place(row) >= last")),
    "goes on upward": ("test_scan_goes_on_after", ("place(row) < last", "place(row) > last")),
    "looks for the last row": (
        "test_scan_goes_on_after_what_is_gone",
        (AFTER, "rows[1 + max((i for i, row in enumerate(rows) if place(row) == last), default=-1) :]"),
    ),
    "takes 0 for all": ("test_scan_keeps_to_limit", ("rows[:limit]", "rows[: limit or None]")),
    "has one page": ("test_pages_are_the_scan", (ROWS, ONE_PAGE)),
    "pages through everything": ("test_pages_keep_to_where", (ROWS, ALL_PAGES)),
    # values
    "lacks a column": (
        "test_every_table_keeps_every_column",
        (PUT, f"{PUT} | ({{'lossy': None}} if 'lossy' in row else {{}})"),
    ),
    "trims text": (
        "test_text_is_kept_as_it_is",
        (PUT, f"{PUT} | {{n: v.strip() for n, v in row.items() if isinstance(v, str)}}"),
    ),
    "compares as people do": (
        "test_keys_that_differ_are_two",
        (KEY, "            key = tuple(str(row[name]).casefold() for name in table.key)\n"),
    ),
    "joins keys": (
        "test_two_columns_are_two",
        (KEY, "            key = (''.join(row[name] for name in table.key),)\n"),
    ),
    "counts in floats": (
        "test_numbers_have_64_bits",
        (PUT, f"{PUT} | {{n: int(float(v)) for n, v in row.items() if isinstance(v, int)}}"),
    ),
    "takes empty for None": (
        "test_json_is_kept_as_it_is",
        (PUT, f"{PUT} | {{n: v or None for n, v in row.items()}}"),
    ),
    "returns numbers of its own": (
        "test_numbers_have_64_bits",
        (
            "return deepcopy(rows[:limit])",
            "return [{n: Int(v) if type(v) is int else v for n, v in row.items()} for row in rows[:limit]]",
        ),
        ("class JsonFiles", "class Int(int):\n    pass\n\n\nclass JsonFiles"),
    ),
    # tenants
    "ignores tenants": ("test_tenants_never_meet", ("tenant.encode()", "b'one'")),
    "takes two tenants for one": ("test_every_name_is_its_own_tenant", ("tenant.encode()", "tenant.strip().encode()")),
    # how much
    "takes nothing for everything": (
        "test_no_rows_are_fine",
        ("for key in keys if key in held", "for key in ([*keys] or held) if key in held"),
    ),
    "takes a thousand": ("test_thousands_of_rows_in_one_call", (GET, GET.replace("keys if", "[*keys][:1000] if"))),
}


@pytest.mark.parametrize("mistake", BROKEN)
def test_a_broken_storage_is_told_so(mistake, contract, tmp_path):
    """A storage with a mistake in it breaks the promise that is about it, and a sentence says how."""
    promise, *changes = BROKEN[mistake]
    broken = contract(*changes)

    with pytest.raises(AssertionError) as error:
        held(broken, promise, tmp_path / "rows")

    assert len(str(error.value).split()) > 2


def test_every_promise_can_be_broken():
    """Each promise has a storage that breaks it, so that none of them is empty."""
    assert {promise for promise, *_ in BROKEN.values()} == {*PROMISES}
