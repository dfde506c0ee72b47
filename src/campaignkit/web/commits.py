"""Keeping what many requests report in few commits, without a thread for each.

    a request ──► waits ──► kept by another
                    │
                    └─────► leads: one thread keeps what all who wait report, itself among them;
                            then the first who came meanwhile leads

It is what `campaignkit.tracker.commits` does for threads, before there are any: a hand-over from the
event loop to a thread and back costs a tenth of a receipt, and as many threads as there are
requests would take the interpreter from the one that commits.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import anyio
import attrs
from anyio.lowlevel import RunVar

from campaignkit.backends.carriers.port import Event
from campaignkit.errors import StorageUnavailable
from campaignkit.tracker import Tracker

_MOST: Final = 1000
"""How many events are kept in one commit, unless a single request brings more."""


@attrs.define(eq=False)
class _Call:
    """What one request reports; ``awake`` when it is done, or leads."""

    events: Sequence[Event]
    now: datetime
    awake: anyio.Event = attrs.field(factory=anyio.Event)
    done: bool = False
    error: Exception | None = None


class Commits:
    """Keeps events with a tracker; who comes while some are being kept is kept with the next.

    Args:
        tracker: what keeps them.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._line: RunVar[_Line] = RunVar("campaignkit.web")  # who waits in one event loop is not woken by another

    async def keep(self, events: Sequence[Event], now: datetime) -> None:
        """Return when events are kept; what is raised is about these alone, or about the storage."""
        line = self._line.get(None)
        if line is None:
            line = _Line(self._tracker)
            self._line.set(line)
        await line.keep(_Call(events, now))


class _Line:
    """Those who wait in one event loop."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._waiting: list[_Call] = []
        self._leader: _Call | None = None
        self._limiter = anyio.CapacityLimiter(1)  # our own, so that no host's threads are waited for

    async def keep(self, call: _Call) -> None:
        self._waiting.append(call)
        try:
            if self._leader is None:
                self._leader = call
            else:
                await call.awake.wait()
            while not call.done:
                await self._together(self._next())
        finally:
            self._leave(call)
        if call.error is not None:
            raise call.error

    def _next(self) -> list[_Call]:
        count = total = 0
        for call in self._waiting:
            total += len(call.events)
            if count and total > _MOST:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    def _leave(self, call: _Call) -> None:
        """Let the next one lead; also when this task is cancelled, before or after it was its turn."""
        if not call.done:
            self._waiting = [each for each in self._waiting if each is not call]
        if self._leader is call:
            self._leader = next(iter(self._waiting), None)
            if self._leader is not None:
                self._leader.awake.set()

    async def _together(self, batch: Sequence[_Call]) -> None:
        """Keep a batch; in the end each of it is done, whatever happens to this task."""
        try:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._ingest, batch, limiter=self._limiter)
        finally:
            for call in batch:
                if not call.done:  # asyncio's own cancelling breaks the shield; the others must not wait for ever
                    call.error = StorageUnavailable(
                        "the request that committed was cancelled: try again", in_doubt=True
                    )
                    call.done = True
                call.awake.set()

    def _ingest(self, batch: Sequence[_Call]) -> None:
        """Keep a batch; when it fails, each by itself, so that one cannot spoil the others."""
        try:
            self._tracker.ingest(
                [event for call in batch for event in call.events], now=max(call.now for call in batch)
            )
        except StorageUnavailable as error:
            for call in batch:  # it is about nobody's events: what one waited for in vain, no other waits for
                call.error = copy.copy(error)
                call.error.__cause__ = error
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to whoever brought it
            if len(batch) > 1:
                for call in batch:
                    self._ingest([call])
                return
            batch[0].error = error
        for call in batch:
            call.done = True
