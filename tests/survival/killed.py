"""A script: be killed while telling a story, and compare what is left with what was answered.

python killed.py URL points SEED MESSAGES TIMES EVERY  before and after each verb and commit, one process for each
python killed.py URL random SEED MESSAGES KILLS        in the middle of four threads, again and again

A process says what was answered through a pipe, which outlives it. What is left may be that and
what was under way, all of it or nothing; counters agree; and whoever tells everything again ends
where nobody was killed.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import sqlalchemy as sa
from story import state, states_of, story, tell, told_once, tracker_of, whole

from campaignkit.backends.storage import SqlStorage, Storage
from campaignkit.backends.storage.memory import MemoryStorage

WRITERS = 4


class Watched(Storage):
    """A storage whose process is killed when it passes a sync point for the n-th time, or never."""

    def __init__(self, storage, kill_at=0):
        self._storage = storage
        self._kill_at = kill_at
        self.passed = []

    @contextmanager
    def transaction(self, tenant):
        """Begin a transaction that passes sync points."""
        self.pass_by("begin")
        with self._storage.transaction(tenant) as tx:
            yield WatchedTransaction(tx, self.pass_by)
            self.pass_by("commit")
        self.pass_by("committed")

    def reading(self, tenant):
        """Begin a transaction that is not watched."""
        return self._storage.reading(tenant)

    def pass_by(self, point):
        """Pass a sync point, or end there."""
        self.passed.append(point)
        if len(self.passed) == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


class WatchedTransaction:
    """A transaction that passes a sync point before each verb, and after it."""

    def __init__(self, tx, pass_by):
        self._tx = tx
        self._pass_by = pass_by

    def __getattr__(self, name):
        verb = getattr(self._tx, name)

        def watched(table, *given, **more):
            self._pass_by(f"before {name} {table.name}")
            found = verb(table, *given, **more)
            self._pass_by(f"after {name} {table.name}")
            return found

        return watched


def in_a_child(work):
    """Do work in a process of its own; return its id, and what waits for its end and says what it answered."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        work(lambda i: os.write(writer, f"{i}\n".encode()))
        os._exit(0)
    os.close(writer)

    def ended():
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with os.fdopen(reader) as pipe:
            return status, [int(line) for line in pipe]

    return pid, ended


@contextmanager
def opened(url):
    """Open a storage, and close it before anybody forks."""
    storage = SqlStorage(url)
    try:
        yield storage
    finally:
        storage.close()


def sound(url):
    """Return whether SQLite finds its file whole."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return engine.dialect.name != "sqlite" or connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


def at_points(url, seed, messages, times, every):
    """Be killed at sync points, every so many kinds so many times each; each time with a tenant of its own."""
    told = story(seed, messages)
    states, counting, found = states_of(told), Watched(MemoryStorage()), Counter()
    tell_all(tracker_of(counting), told, lambda _: None)
    for at in some_of_each(counting.passed, times, every, random.Random(seed)):  # noqa: S311 - seeded, and no secret
        point = counting.passed[at - 1]

        def killed(answer, at=at):
            tell_all(tracker_of(Watched(SqlStorage(url), at), tenant=f"t{at}"), told, answer)

        status, answered = in_a_child(killed)[1]()
        assert status == -signal.SIGKILL, point
        kept = len(answered) + (point == "committed")
        with opened(url) as storage:
            tracker = tracker_of(storage, tenant=f"t{at}")
            assert state(tracker) == states[kept], (at, point)
            assert whole(tracker)
            tell_all(tracker, told[max(0, kept - 1) :], lambda _: None)
            assert state(tracker) == states[-1]
        found[point] += 1
    assert sound(url)
    points = f"{found.total()} kills at {len(found)} kinds of {len(counting.passed)} sync points"
    return f"{points}: 0 lost, 0 differences"


def some_of_each(points, times, every, chance):
    """Return the places, from 1, of some points of each kind, or of every so many kinds."""
    places = {}
    for at, point in enumerate(points, 1):
        places.setdefault(point, []).append(at)
    kinds = [places[point] for point in sorted(places)][1 % every :: every]
    return sorted(at for each in kinds for at in chance.sample(each, min(times, len(each))))


def tell_all(tracker, told, answer):
    """Tell a story in order."""
    for i, each in enumerate(told):
        tell(tracker, each)
        answer(i)


def at_random(url, seed, messages, kills):
    """Be killed at random while four threads tell a story, until all of it is told or there were enough kills."""
    chance, told = random.Random(seed), story(seed, messages)  # noqa: S311 - seeded, and no secret
    left, held, done = {*range(len(told))}, set(), 0
    with opened(url) as storage:
        storage.upgrade()
    while left and done < kills:
        order = chance.sample(sorted(left), len(left))
        shares = [order[i::WRITERS] for i in range(WRITERS)]

        def threads(answer, shares=shares):
            tracker = tracker_of(SqlStorage(url))
            works = [threading.Thread(target=tell_some, args=(tracker, told, share, answer)) for share in shares]
            for work in works:
                work.start()
            for work in works:
                work.join()

        pid, ended = in_a_child(threads)
        time.sleep(chance.uniform(0.02, 0.2))
        os.kill(pid, signal.SIGKILL)
        status, answered = ended()
        done, known = done + (status == -signal.SIGKILL), {*answered}
        under_way = [next((i for i in share if i not in known), None) for share in shares]
        left, held = left - known, left_is_right(url, told, held | known, [i for i in under_way if i is not None])
    with opened(url) as storage:
        tracker = tracker_of(storage)
        tell_all(tracker, told, lambda _: None)
        assert state(tracker) == told_once(told)
    assert sound(url)
    return f"{done} kills at random, {len(told) - len(left)} of {len(told)} answered before: 0 lost, 0 differences"


def tell_some(tracker, told, share, answer):
    """Tell a share of a story."""
    for i in share:
        tell(tracker, told[i])
        answer(i)


def left_is_right(url, told, known, under_way):
    """Return what is kept: all that was answered, and some of what was under way; anything else is an error."""
    with opened(url) as storage:
        tracker = tracker_of(storage)
        found = state(tracker)
        assert whole(tracker)
    for some in itertools.product([False, True], repeat=len(under_way)):
        kept = known | {i for i, there in zip(under_way, some, strict=True) if there}
        if found == told_once(told[i] for i in sorted(kept)):
            return kept
    raise AssertionError(f"what is left is not {sorted(known)} with or without {under_way}")


if __name__ == "__main__":
    url, way, *given = sys.argv[1:]
    print({"points": at_points, "random": at_random}[way](url, *map(int, given)))  # noqa: T201 - a script
