"""Faults that sank other systems, kept as patches: each of them turns tests red.

A mutant is text of ours and what it is replaced by, in a copy of the package. Its number is that
of the incident in the list of faults that the library is held to; the tests named with it are a
few that find it quickly. A patch that no longer fits is a failure: write it anew.

The copy without a patch must pass all of these tests, or red would prove nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

import campaignkit

ROOT = Path(__file__).parents[2]
PACKAGE = Path(campaignkit.__file__).parent


@attrs.frozen
class Mutant:
    """One fault.

    Attributes:
        was: text that stands in a file once, and what it becomes.
        found_by: ids of tests, at least one of which must fail.
    """

    number: int
    fault: str
    file: str
    was: str
    becomes: str
    found_by: tuple[str, ...]

    def __str__(self):
        return f"{self.number} {self.fault}"


MUTANTS = [
    Mutant(
        1,
        "the last receipt wins",
        "tracker/stored.py",
        "joined = state.part_states.get(where, BOTTOM).join(element)",
        "joined = element",
        ("tests/test_tracker.py::test_every_order_of_four_facts_ends_alike[delivered-hard-queued-unknown_final]",),
    ),
    # There are no retries yet, which a duplicate could spend. What it may not do here is count twice,
    # as a receipt or against a number.
    Mutant(
        2,
        "a duplicate counts again",
        "tracker/ingest.py",
        "self._join(each, row, new=key in new)",
        "self._join(each, row, new=True)",
        ("tests/test_tracker.py::test_a_repeated_receipt_counts_as_a_duplicate",),
    ),
    Mutant(
        2,
        "a duplicate is another strike",
        "tracker/people.py",
        "found += [at] if forgiven_at",
        "from campaignkit.backends.storage.tables import RECEIPTS\n"
        '            told = tx.scan(RECEIPTS, where={"message_id": row["message_id"]})\n'
        '            found += [at] * sum(1 + each["duplicates"] for each in told) if forgiven_at',
        ("tests/test_storage_threats.py::test_strikes_cannot_be_forged",),
    ),
    Mutant(
        7,
        "our own result overwrites an earlier receipt",
        "tracker/stored.py",
        "self.state = self.state.merge(DeliveryState(attempts={each.number: each}))",
        "self.state = DeliveryState(attempts={**self.state.attempts, each.number: each})",
        ("tests/test_storage_threats.py::test_a_time_that_a_carrier_cannot_mean[submitted last-60-60]",),
    ),
    Mutant(
        8,
        "a receipt without a message is dropped",
        "tracker/ingest.py",
        "                self._wait(unplaced)",
        "                pass",
        ("tests/test_tracker.py::test_early_receipts_wait_and_join",),
    ),
    Mutant(
        9,
        "a message counts once for each attempt",
        "tracker/ingest.py",
        "if deltas.change(self._before[name], counted(row)):",
        "if deltas.change({}, counted(row)):",
        ("tests/test_tracker.py::test_a_retry_is_a_second_attempt",),
    ),
    Mutant(
        10,
        "BEGIN instead of BEGIN IMMEDIATE",
        "backends/storage/sqlite.py",
        '    begin = "BEGIN IMMEDIATE"',
        '    begin = "BEGIN"',
        ("tests/survival/test_together.py::test_who_reads_first_may_write_then[sqlite]",),
    ),
    Mutant(
        11,
        "of several receipts about a message in one batch one counts",
        "tracker/ingest.py",
        'stored, receipt = self._stored[row["message_id"]], heard.receipt',
        'stored, receipt = Stored.of(self._rows[row["message_id"]], self.rules.policy), heard.receipt\n'
        '        self._stored[row["message_id"]] = stored',
        ("tests/survival/test_order.py::test_every_order_of_four_facts_and_every_way_to_group_them",),
    ),
    Mutant(
        15,
        "200 before the commit",
        "web/commits.py",
        "await line.keep(_Call(events, now))",
        "from threading import Thread\n"
        "        Thread(target=self._tracker.ingest, args=(events,), kwargs={'now': now}).start()",
        ("tests/web/test_routes.py::test_nothing_is_answered_before_the_commit",),
    ),
    Mutant(
        17,
        "three days of silence are stored as a failure",
        "tracker/ingest.py",
        "        self._stored[name] = Stored.of(row, self.rules.policy)\n",
        "        self._stored[name] = Stored.of(row, self.rules.policy)\n"
        "        silent = self.now - (row['sent_at'] or self.now)\n"
        '        if row["status"] in {"queued", "sent"} and silent > 72 * 3_600_000_000:\n'
        '            silence = {"status": "expired", "error_code": None, "carrier": None, "at": self.now}\n'
        '            element, _ = lifted({**silence, "received_at": self.now}, row["carrier"], self.rules.profile)\n'
        "            self._stored[name].join((1, 0), element)\n",
        ("tests/test_storage_threats.py::test_silence_decides_nothing",),
    ),
    Mutant(
        18,
        "receipts are told apart by their bodies",
        "tracker/stored.py",
        '"receipt_id": digest(message_id, attempt, part, receipt.status, receipt.error_code),',
        '"receipt_id": digest(message_id, attempt, part, str(receipt.raw)),',
        ("tests/test_storage_threats.py::test_a_repeat_in_other_words_is_a_repeat",),
    ),
    Mutant(
        19,
        "ids of replies are kept for five minutes",
        "tracker/ingest.py",
        '        for table, name in ((REPLIES, "replies"), (CLICKS, "clicks"), (ORDERS, "orders")):\n'
        "            # In the order",
        "        least = max((when(event) for _, event in events), default=0) - 300_000_000\n"
        '        old = [row["reply_id"] for row in self.tx.scan(REPLIES) if row["received_at"] < least]\n'
        "        self.tx.delete(REPLIES, [(each,) for each in old])\n"
        '        for table, name in ((REPLIES, "replies"), (CLICKS, "clicks"), (ORDERS, "orders")):\n'
        "            # In the order",
        ("tests/test_people.py::test_a_replayed_start_does_nothing",),
    ),
]


@pytest.fixture
def copied(tmp_path, postgres_server, monkeypatch):
    """Return a copy of the package, whose tests share this run's PostgreSQL."""
    monkeypatch.setenv("CAMPAIGNKIT_TEST_POSTGRES", postgres_server.render_as_string(hide_password=False))
    return shutil.copytree(PACKAGE, tmp_path / "campaignkit", ignore=shutil.ignore_patterns("__pycache__"))


def run_tests(package, tests):
    """Run tests with a copy of the package; return how pytest ended, and what it said."""
    path = os.pathsep.join([str(package.parent), os.environ.get("PYTHONPATH", "")])
    options = ["-q", "-x", "-p", "no:cacheprovider", "--tb=line", "--assert=plain"]
    ended = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # whose imports take longest
        capture_output=True,
        text=True,
        check=False,
    )
    return pytest.ExitCode(ended.returncode), ended.stdout + ended.stderr


def test_the_copy_is_what_is_tested(copied, tmp_path):
    """The tests import the copy, and not the package that is installed."""
    test, place = tmp_path / "test_where.py", str(copied / "__init__.py")
    test.write_text(f"import campaignkit\n\ndef test_where():\n    assert campaignkit.__file__ == {place!r}\n", "utf-8")

    ended, said = run_tests(copied, [str(test)])

    assert ended is pytest.ExitCode.OK, said


def test_without_a_fault_all_is_green(copied):
    """Every test that a mutant names passes on a copy that is not patched."""
    ended, said = run_tests(copied, dict.fromkeys(test for mutant in MUTANTS for test in mutant.found_by))

    assert ended is pytest.ExitCode.OK, said


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_fault_is_found(mutant, copied):
    """With the fault, one of the tests fails."""
    file = copied / mutant.file
    text = file.read_text("utf-8")
    assert text.count(mutant.was) == 1, f"the patch of mutant {mutant} fits no more: write it anew"
    file.write_text(text.replace(mutant.was, mutant.becomes), "utf-8")
    compile(file.read_text("utf-8"), mutant.file, "exec")

    ended, said = run_tests(copied, mutant.found_by)

    assert ended is pytest.ExitCode.TESTS_FAILED, said


def test_every_fault_that_can_be_made_here_is_kept():
    """The others are about sending, which is not there yet."""
    assert sorted({mutant.number for mutant in MUTANTS}) == [1, 2, 7, 8, 9, 10, 11, 15, 17, 18, 19]
