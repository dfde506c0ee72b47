"""The tracker, awaited: the same methods, in threads that are bounded, on asyncio and trio."""

from __future__ import annotations

import inspect
import threading
from contextlib import aclosing, contextmanager

import anyio
import anyio.to_thread
import pytest
from posting import NOW, SPRING, Held

from campaignkit.backends.storage import MemoryStorage, SqlStorage
from campaignkit.errors import InvalidColumn, InvalidValue
from campaignkit.models import Message, Receipt
from campaignkit.tracker import AsyncTracker, Tracker

METHODS = sorted(name for name, value in vars(Tracker).items() if callable(value) and not name.startswith("_"))


@pytest.fixture(params=["asyncio", "trio"])
def run(request):
    """Return a function that runs a coroutine function in an event loop."""
    return lambda function, *args: anyio.run(function, *args, backend=request.param)


def told(count=1):
    """Return messages of the spring campaign, sent."""
    return [Message(message_id=f"m{i:05}", campaign_id=SPRING, status="sent", sent_at=NOW) for i in range(count)]


def delivered(i=0):
    """Return a receipt about one of them."""
    return [Receipt(message_id=f"m{i:05}", status="delivered", at=NOW)]


def tracking(storage=None, count=1):
    """Return a tracker that follows so many messages."""
    tracker = Tracker(storage or MemoryStorage(), clock=lambda: NOW, patience=0)
    tracker.record(told(count))
    return tracker


# --- the same methods --------------------------------------------------------------------------


def test_it_has_every_name_of_the_tracker():
    """What is public of a Tracker is public of an AsyncTracker."""
    public = {name for name in dir(tracking()) if not name.startswith("_")}

    assert public - set(dir(AsyncTracker(tracking()))) == set()


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_the_trackers(name):
    """Each method has the signature and the words of the tracker's, and is awaited, or iterated where that one is."""
    own, awaited = getattr(Tracker, name), getattr(AsyncTracker, name)

    assert inspect.signature(awaited) == inspect.signature(own)
    assert awaited.__doc__ == own.__doc__
    if inspect.signature(own).return_annotation.startswith("Iterator["):
        assert inspect.isasyncgenfunction(awaited)
    else:
        assert inspect.iscoroutinefunction(awaited)


def test_it_does_what_the_tracker_does(run):
    """What is told to one is known to the other; errors are the same too."""
    tracker = tracking()

    async def scene():
        awaited = AsyncTracker(tracker)
        assert (await awaited.record(told(2))).recorded == 1
        assert (await awaited.ingest(delivered(), now=NOW)).receipts == 1
        assert await awaited.summary(SPRING) == tracker.summary(SPRING)
        assert await awaited.tally(SPRING, by="variant") == tracker.tally(SPRING, by="variant")
        assert await awaited.version(SPRING) == tracker.version(SPRING) > 1
        assert await awaited.notes() == tracker.notes()
        assert [each async for each in awaited.messages(SPRING)] == [*tracker.messages(SPRING)]
        assert await awaited.verify_counters() == await awaited.rebuild(SPRING) == []
        assert len(await awaited.frame(SPRING, backend="polars")) == 2
        with pytest.raises(InvalidColumn):
            await awaited.summary(SPRING, by="nothing")

    run(scene)
    assert tracker.summary(SPRING).counts.delivered == 1


def test_a_subclass_is_listened_to(run):
    """What a host's own tracker does otherwise is done otherwise."""

    class Own(Tracker):
        def version(self, campaign):
            return len(campaign)

    async def scene():
        return await AsyncTracker(Own(MemoryStorage())).version("spring")

    assert run(scene) == 6


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"tracker": MemoryStorage}, "tracker is <class 'campaignkit.backends.storage.memory.MemoryStorage'>"),
        ({"threads": 0}, "threads is 0: must be a whole number from 1"),
        ({"threads": True}, "threads is True: must be a whole number from 1"),
        ({"threads": 1.5}, "threads is 1.5: must be a whole number from 1"),
    ],
)
def test_what_cannot_be_meant(arguments, sentence):
    """A wrong argument is one sentence."""
    with pytest.raises(InvalidValue) as caught:
        AsyncTracker(**{"tracker": tracking(), **arguments})

    assert str(caught.value).startswith(sentence)


# --- threads -----------------------------------------------------------------------------------


class Counting(MemoryStorage):
    """A storage that counts its transactions, and how many threads stand before it at once."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()
        self.transactions = self.at_once = self.most = 0

    @contextmanager
    def reading(self, tenant):
        """Begin to read."""
        with self.lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        try:
            with super().reading(tenant) as tx:
                yield tx
        finally:
            with self.lock:
                self.at_once -= 1


def test_threads_are_bounded(run):
    """However many ask at once, so many threads work and no more."""
    storage = Counting()

    async def scene():
        awaited = AsyncTracker(tracking(storage), threads=3)
        async with anyio.create_task_group() as group:
            for _ in range(60):
                group.start_soon(awaited.version, SPRING)

    run(scene)
    assert 1 <= storage.most <= 3


def test_those_who_come_at_once_share_a_commit(run):
    """While one commits, the others gather, and share the next one."""
    storage = Held()
    tracker = tracking(storage, 31)
    before, works = tracker._committed._commit, []

    def committed(given):
        works.append(len(given))
        return before(given)

    tracker._committed._commit = committed

    async def scene():
        awaited = AsyncTracker(tracker, threads=31)
        storage.holding = True
        async with anyio.create_task_group() as group:
            for i in range(31):
                group.start_soon(awaited.ingest, delivered(i))
            assert await anyio.to_thread.run_sync(storage.at_commit.wait, 30)
            while len(tracker._committed._waiting) < 31 - works[0]:  # noqa: ASYNC110 - a queue tells nobody
                await anyio.sleep(0.001)
            storage.let_go.set()

    run(scene)
    assert sum(works) == 31
    assert len(works) == 2
    assert tracker.summary(SPRING).counts.delivered == 31


def test_many_event_loops(run):
    """One AsyncTracker serves event loops that come one after another, and some at once, in threads of their own."""
    awaited = AsyncTracker(tracking(count=4), threads=1)

    async def scene(i):
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(awaited.ingest, delivered(i))

    threads = [threading.Thread(target=run, args=(scene, i)) for i in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    run(scene, 0)

    assert awaited.tracker.summary(SPRING).counts.delivered == 4
    assert awaited.tracker.notes()["duplicate", ""] == 21


def test_a_cancelled_ingest_is_done_to_its_end(run):
    """Who is cancelled while it commits may have been kept; nobody after it is stuck."""
    storage = Held()
    tracker = tracking(storage, 2)
    awaited = AsyncTracker(tracker)
    storage.holding = True

    async def scene():
        async with anyio.create_task_group() as group:
            with anyio.CancelScope() as scope:
                group.start_soon(release, scope)
                await awaited.ingest(delivered())
                await anyio.sleep_forever()
            assert scope.cancelled_caught
            await awaited.ingest(delivered(1))

    async def release(scope):
        assert await anyio.to_thread.run_sync(storage.at_commit.wait, 30)
        scope.cancel()
        storage.holding = False
        storage.let_go.set()

    run(scene)
    assert tracker.summary(SPRING).counts.delivered == 2


def test_who_was_cancelled_before_it_began_was_not_kept(run):
    """Who waits for a free thread, and is cancelled, did nothing."""
    storage = Held()
    tracker = tracking(storage, 2)
    awaited = AsyncTracker(tracker, threads=1)
    storage.holding = True

    async def scene():
        async with anyio.create_task_group() as group:
            group.start_soon(awaited.ingest, delivered())
            assert await anyio.to_thread.run_sync(storage.at_commit.wait, 30)
            with anyio.move_on_after(0.01) as scope:
                await awaited.ingest(delivered(1))
            assert scope.cancelled_caught
            storage.let_go.set()

    run(scene)
    assert tracker.summary(SPRING).counts.delivered == 1


# --- what is iterated --------------------------------------------------------------------------


class OneThread(MemoryStorage):
    """A storage whose transactions belong to a thread, as connections of some databases do."""

    def __init__(self):
        super().__init__()
        self.threads = []

    @contextmanager
    def reading(self, tenant):
        """Begin to read."""
        began = threading.get_ident()
        with super().reading(tenant) as tx:
            scan = tx.scan

            def checked(*args, **kwargs):
                assert threading.get_ident() == began
                self.threads.append(began)
                return scan(*args, **kwargs)

            tx.scan = checked
            try:
                yield tx
            finally:
                assert threading.get_ident() == began


def test_messages_are_read_by_one_thread(run):
    """A transaction is begun, read and ended by one thread, and that is none of the event loop's."""
    tracker = tracking(OneThread(), 2_500)
    tracker._storage.threads.clear()

    async def scene():
        return [each.message_id async for each in AsyncTracker(tracker).messages(SPRING)]

    assert run(scene) == [each.message_id for each in told(2_500)]
    assert len(set(tracker._storage.threads)) == 1
    assert threading.get_ident() not in tracker._storage.threads


def test_messages_are_of_one_moment(run, tmp_path):
    """What is kept while messages are taken is not among them, and need not wait for them."""
    storage = SqlStorage(f"sqlite:///{tmp_path}/campaigns.db")
    tracker = tracking(storage, 2_500)

    async def scene():
        awaited, found = AsyncTracker(tracker, threads=1), 0
        async for each in awaited.messages(SPRING):
            if not found:
                await awaited.ingest(delivered(2_499))
            found += each.status == "sent"
        return found

    assert run(scene) == 2_500
    assert tracker.summary(SPRING).counts.delivered == 1
    storage.close()


def test_messages_that_are_not_taken_to_the_end(run):
    """Whoever stops in the middle ends the transaction; whoever never begins begins none."""
    tracker = tracking(count=2_500)

    async def scene():
        awaited = AsyncTracker(tracker)
        async with aclosing(awaited.messages(SPRING)) as messages:
            async for each in messages:
                assert each.message_id == "m00000"
                break
        awaited.messages(SPRING)
        return await awaited.ingest(delivered())

    assert run(scene).receipts == 1


def test_messages_go_on_while_all_threads_wait_for_them(run):
    """Those who wait for the transaction to end may hold every thread; the next page has one of its own."""
    tracker = tracking(count=2_500)

    async def scene():
        awaited, found = AsyncTracker(tracker, threads=2), 0
        async with anyio.create_task_group() as group:
            async for _ in awaited.messages(SPRING):
                if not found:
                    for i in range(4):
                        group.start_soon(awaited.ingest, delivered(i))
                    await anyio.sleep(0.01)
                found += 1
        return found

    assert run(scene) == 2_500
    assert tracker.summary(SPRING).counts.delivered == 4


def test_an_error_in_the_middle_is_raised(run):
    """What goes wrong while messages are read is raised where they are taken, and the transaction ends."""

    class Failing(Tracker):
        def messages(self, campaign):
            with self._storage.reading("default"):
                yield from told(1_000)
                raise ZeroDivisionError(campaign)

    tracker = Failing(MemoryStorage())

    async def scene():
        awaited, messages = AsyncTracker(tracker), AsyncTracker(tracker).messages(SPRING)
        found = [await anext(messages) for _ in range(1_000)]
        with pytest.raises(ZeroDivisionError):
            await anext(messages)
        await awaited.record(told())
        return len(found)

    assert run(scene) == 1_000
