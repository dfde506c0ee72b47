"""Requests that come at once share a commit, and none of them spoils it for another; on asyncio and trio."""

from __future__ import annotations

import asyncio
import threading

import anyio
import anyio.to_thread
import pytest
from posting import NOW, SPRING, Broken, Held

from campaignkit.backends.storage import MemoryStorage
from campaignkit.errors import StorageUnavailable
from campaignkit.models import Message, Receipt
from campaignkit.tracker import Tracker
from campaignkit.web.commits import Commits


@pytest.fixture(params=["asyncio", "trio"])
def run(request):
    """Return a function that runs a coroutine function in an event loop."""
    return lambda function, *args: anyio.run(function, *args, backend=request.param)


class Noting(Tracker):
    """A tracker that notes how many events it is told at a time, and takes none of what it is told not to."""

    def __init__(self, storage=None, count=8):
        super().__init__(storage or MemoryStorage(), clock=lambda: NOW, patience=0)
        self.told, self.refused = [], ()
        sent = [Message(message_id=f"m{i}", campaign_id=SPRING, status="sent", sent_at=NOW) for i in range(count)]
        self.record(sent)

    def ingest(self, events, *, now=None):
        """Take in what came back."""
        self.told.append(len(events))
        for each in events:
            if each.message_id in self.refused:
                raise ZeroDivisionError(each.message_id)
        return super().ingest(events, now=now)

    @property
    def delivered(self):
        """How many messages are delivered."""
        return self.summary(SPRING).counts.delivered


def delivered(i):
    """Return a receipt about a message."""
    return [Receipt(message_id=f"m{i}", status="delivered", at=NOW)]


async def kept(commits, i, results):
    """Keep a receipt; note what became of it."""
    try:
        await commits.keep(delivered(i), NOW)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is noted
        results[i] = error
    else:
        results[i] = None


async def behind_the_first(storage, commits, others, results, meanwhile=None):
    """Begin one commit, and hold it until others wait and something more has happened."""
    storage.holding = True
    async with anyio.create_task_group() as group:
        group.start_soon(kept, commits, 0, results)
        assert await anyio.to_thread.run_sync(storage.at_commit.wait, 30)
        storage.holding = False
        for i in others:
            group.start_soon(kept, commits, i, results)
        await anyio.wait_all_tasks_blocked()
        if meanwhile is not None:
            await meanwhile()
        storage.let_go.set()


def test_those_who_come_while_one_commits_share_the_next(run):
    """Seven who come during a commit are told to the tracker at once."""
    storage, results = Held(), {}
    tracker = Noting(storage)

    run(behind_the_first, storage, Commits(tracker), range(1, 8), results)

    assert tracker.told == [1, 7]
    assert results == dict.fromkeys(range(8))
    assert tracker.delivered == 8


def test_a_commit_has_an_end(run, monkeypatch):
    """Who waits beyond what one commit holds is in the next."""
    monkeypatch.setattr("campaignkit.web.commits._MOST", 3)
    storage, results = Held(), {}
    tracker = Noting(storage)

    run(behind_the_first, storage, Commits(tracker), range(1, 8), results)

    assert tracker.told == [1, 3, 3, 1]
    assert results == dict.fromkeys(range(8))


def test_one_that_fails_spoils_no_other(run):
    """What cannot be kept is an error of who brought it alone."""
    storage, results = Held(), {}
    tracker = Noting(storage)
    tracker.refused = {"m3"}

    run(behind_the_first, storage, Commits(tracker), range(1, 8), results)

    assert repr(results.pop(3)) == "ZeroDivisionError('m3')"
    assert set(results.values()) == {None}
    assert tracker.delivered == 7


def test_a_storage_that_is_unavailable_is_asked_once(run):
    """When the storage is away, all who wait are told, each with an error of its own, and the next try is kept."""
    storage, results = Broken(), {}
    tracker = Noting(storage)
    commits = Commits(tracker)
    storage.error = StorageUnavailable("the disk is full", in_doubt=True)

    async def scene():
        async with anyio.create_task_group() as group:
            for i in range(8):
                group.start_soon(kept, commits, i, results)
        storage.error = None
        await commits.keep(delivered(0), NOW)

    run(scene)

    assert {(type(each), str(each), each.in_doubt) for each in results.values()} == {
        (StorageUnavailable, "the disk is full", True)
    }
    assert len({id(each) for each in results.values()}) == 8
    assert sum(tracker.told[:-1]) == 8
    assert tracker.delivered == 1


def test_who_is_cancelled_while_it_commits_commits_to_the_end(run):
    """The others are kept with it, and nobody after it is stuck."""
    storage, results = Held(), {}
    tracker = Noting(storage)
    commits = Commits(tracker)
    storage.holding = True

    async def scene():
        async with anyio.create_task_group() as group:
            with anyio.CancelScope() as scope:
                group.start_soon(release, scope, group)
                await commits.keep(delivered(0), NOW)
                await anyio.sleep_forever()
            assert scope.cancelled_caught

    async def release(scope, group):
        assert await anyio.to_thread.run_sync(storage.at_commit.wait, 30)
        scope.cancel()
        for i in (1, 2):
            group.start_soon(kept, commits, i, results)
        await anyio.wait_all_tasks_blocked()
        storage.holding = False
        storage.let_go.set()

    run(scene)

    assert results == {1: None, 2: None}
    assert tracker.delivered == 3


def test_who_is_cancelled_while_it_waits_is_not_kept(run):
    """It leaves the line, also the head of it, and the others move up."""
    storage, results = Held(), {}
    tracker = Noting(storage)
    commits = Commits(tracker)

    async def given_up():
        async with anyio.create_task_group() as group:
            for i in (4, 5):
                group.start_soon(kept, commits, i, results)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()

    run(behind_the_first, storage, commits, (), results, given_up)
    run(kept, commits, 1, results)

    assert results == {0: None, 1: None}
    assert tracker.delivered == 2


@pytest.mark.parametrize("led_by_another", [True, False])
def test_asyncio_cancels_through_every_shield(led_by_another):
    """What asyncio itself cancels leaves others in doubt, at once, and nobody stuck: their carriers come again."""
    storage, results = Held(), {}
    tracker = Noting(storage)
    commits = Commits(tracker)
    storage.holding = True

    async def scene():
        first = asyncio.create_task(commits.keep(delivered(0), NOW))
        assert await asyncio.to_thread(storage.at_commit.wait, 30)
        others = [asyncio.create_task(kept(commits, i, results)) for i in (1, 2, 3)]
        await anyio.wait_all_tasks_blocked()
        if led_by_another:  # the second commit is of all three, and its leader is cancelled
            first_held, storage.let_go, storage.at_commit = storage.let_go, threading.Event(), threading.Event()
            first_held.set()
            await first
            assert await asyncio.to_thread(storage.at_commit.wait, 30)
            others[0].cancel()
        else:
            first.cancel()
        await anyio.wait_all_tasks_blocked()
        storage.holding = False
        storage.let_go.set()
        await asyncio.gather(first, *others, return_exceptions=True)
        await commits.keep(delivered(4), NOW)

    asyncio.run(scene())

    if led_by_another:
        assert [str(results[i]) for i in (2, 3)] == ["the request that committed was cancelled: try again"] * 2
        assert all(results[i].in_doubt for i in (2, 3))
    else:
        assert results == {1: None, 2: None, 3: None}
    assert tracker.summary(SPRING).counts.delivered == 5
    assert tracker.verify_counters() == []


def test_many_event_loops(run):
    """Event loops that run at once have a line each, and share the tracker's commits."""
    tracker = Noting()
    commits = Commits(tracker)

    async def scene(i):
        results = {}
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(kept, commits, i, results)

    threads = [threading.Thread(target=run, args=(scene, i)) for i in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    run(scene, 0)

    assert tracker.delivered == 4
    assert sum(tracker.told) == 25
