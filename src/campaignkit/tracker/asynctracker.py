"""The tracker for async hosts: the same calls, awaited, each done in a thread.

    await tracker.summary("spring") ──► a free thread ──► Tracker.summary("spring")

Storages wait for disks and networks, so they run in threads, on asyncio and on trio. A method here
is made of the tracker's own, in one line, so that the two cannot differ.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import anyio
from anyio.lowlevel import RunVar

from campaignkit.errors import InvalidValue, shown
from campaignkit.tracker import Tracker

__all__ = ["AsyncTracker", "Threads"]

THREADS: Final = 40
"""How many calls are under way at once; those that commit share one commit, so it is also how many share it."""

_PAGE: Final = 1000

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Threads:
    """Runs calls in threads, so many at once in each event loop; more wait for a place.

    A call that began is done to its end, also when the task that awaits it is cancelled: it may be
    committing for others.
    """

    def __init__(self, most: int) -> None:
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            raise InvalidValue(f"threads is {shown(most)}: must be a whole number from 1")
        self._most = most
        # A limiter belongs to one event loop, and hosts have several: one for each request, in some.
        self._limiter: RunVar[anyio.CapacityLimiter] = RunVar("campaignkit")

    async def run(self, call: Callable[[], _R]) -> _R:
        """Return what a call returns, or raise what it raises."""
        limiter = self._limiter.get(None)
        if limiter is None:
            limiter = anyio.CapacityLimiter(self._most)
            self._limiter.set(limiter)
        return await anyio.to_thread.run_sync(call, limiter=limiter)


def _awaited(
    method: Callable[Concatenate[Tracker, _P], _R],
) -> Callable[Concatenate[AsyncTracker, _P], Coroutine[Any, Any, _R]]:
    """Return a method of the tracker, to be awaited."""

    @functools.wraps(method)
    async def run(self: AsyncTracker, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        own: Callable[_P, _R] = getattr(self.tracker, method.__name__)  # a host's subclass may have its own
        return await self.threads.run(functools.partial(own, *args, **kwargs))

    return run


def _iterated(
    method: Callable[Concatenate[Tracker, _P], Iterator[_R]],
) -> Callable[Concatenate[AsyncTracker, _P], AsyncGenerator[_R, None]]:
    """Return a method of the tracker that yields, for ``async for``.

    It reads in one transaction, and those of some storages belong to a thread: so one thread does
    all of it, and nothing else meanwhile. Nor does a page wait for a free thread, which those may
    hold who wait for this transaction to end.
    """

    @functools.wraps(method)
    async def run(self: AsyncTracker, /, *args: _P.args, **kwargs: _P.kwargs) -> AsyncGenerator[_R, None]:
        own: Callable[_P, Iterator[_R]] = getattr(self.tracker, method.__name__)
        pages = _pages(functools.partial(own, *args, **kwargs))
        thread, limiter = ThreadPoolExecutor(1), anyio.CapacityLimiter(1)
        try:
            while page := await anyio.to_thread.run_sync(thread.submit(next, pages, ()).result, limiter=limiter):
                for each in page:
                    yield each
        finally:
            thread.submit(pages.close)
            thread.shutdown(wait=False)

    return run


def _pages(values: Callable[[], Iterator[_R]]) -> Generator[Sequence[_R], None, None]:
    stream = values()
    while page := list(itertools.islice(stream, _PAGE)):
        yield page


class AsyncTracker:
    """A `Tracker` whose methods are awaited.

    It shares the tracker it is given: threads may go on using that one, and both share commits.

    A call that is cancelled was not begun, or is done to its end all the same: what it keeps may
    have been kept. Make it again; what is known already counts once.

    Args:
        tracker: whose methods these are.
        threads: how many calls are under way at once; more wait.

    Attributes:
        tracker: the one that was given.

    Raises:
        InvalidValue: an argument that cannot be meant.

    >>> import asyncio
    >>> from campaignkit.backends.storage import MemoryStorage
    >>> from campaignkit.models import Message, Receipt
    >>> async def main():
    ...     tracker = AsyncTracker(Tracker(MemoryStorage()))
    ...     await tracker.record([Message(message_id="m1", campaign_id="spring", status="queued")])
    ...     await tracker.ingest([Receipt(message_id="m1", status="delivered")])
    ...     return await tracker.summary("spring"), [each async for each in tracker.messages("spring")]
    >>> summary, messages = asyncio.run(main())
    >>> summary.counts.delivered, len(messages)
    (1, 1)
    """

    def __init__(self, tracker: Tracker, *, threads: int = THREADS) -> None:
        if not isinstance(tracker, Tracker):
            raise InvalidValue(f"tracker is {shown(tracker)}: give a Tracker")
        self.tracker = tracker
        self.threads = Threads(threads)

    record = _awaited(Tracker.record)
    submitted = _awaited(Tracker.submitted)
    ingest = _awaited(Tracker.ingest)

    summary = _awaited(Tracker.summary)
    tally = _awaited(Tracker.tally)
    version = _awaited(Tracker.version)
    messages = _iterated(Tracker.messages)
    frame = _awaited(Tracker.frame)
    notes = _awaited(Tracker.notes)

    log = _awaited(Tracker.log)
    message = _awaited(Tracker.message)
    explain = _awaited(Tracker.explain)
    conversation = _awaited(Tracker.conversation)
    clickers = _awaited(Tracker.clickers)
    contacts = _iterated(Tracker.contacts)
    timeline = _awaited(Tracker.timeline)
    acted = _awaited(Tracker.acted)
    describe = _awaited(Tracker.describe)
    campaigns = _awaited(Tracker.campaigns)
    to_csv = _awaited(Tracker.to_csv)
    to_parquet = _awaited(Tracker.to_parquet)

    silent = _awaited(Tracker.silent)
    erase = _awaited(Tracker.erase)
    tidy = _awaited(Tracker.tidy)

    standing = _awaited(Tracker.standing)
    held = _awaited(Tracker.held)
    suppressed = _awaited(Tracker.suppressed)
    opt_out = _awaited(Tracker.opt_out)
    opt_in = _awaited(Tracker.opt_in)
    suppress = _awaited(Tracker.suppress)
    unsuppress = _awaited(Tracker.unsuppress)
    suspended = _awaited(Tracker.suspended)
    suspend = _awaited(Tracker.suspend)
    resume = _awaited(Tracker.resume)

    verify_counters = _awaited(Tracker.verify_counters)
    rebuild = _awaited(Tracker.rebuild)
