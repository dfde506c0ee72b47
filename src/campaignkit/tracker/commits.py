"""Group commit: callers that arrive while a commit runs share the next one.

A commit costs the same for one caller as for a hundred, because the disk is asked once. So
there is no thread of our own and no delay: whoever finds nobody committing commits for all
who wait, and who waited finds the work done.

    a caller ──► waits ──► done by somebody else
                   │
                   └─────► leads: commits for all who wait, itself among them, then lets the
                           first who came meanwhile lead

The lead is handed over, and not left to whoever is quickest: a newcomer would be, and would
commit alone while many wait.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

from campaignkit.errors import StorageUnavailable

_Work = TypeVar("_Work")
_Result = TypeVar("_Result")


class _Call(Generic[_Work, _Result]):
    __slots__ = ("awake", "error", "result", "work")

    def __init__(self, work: _Work) -> None:
        self.work = work
        self.awake = threading.Event()  # it is done, or leads
        self.result: _Result | None = None
        self.error: BaseException | None = None

    @property
    def done(self) -> bool:
        return self.result is not None or self.error is not None


class GroupCommit(Generic[_Work, _Result]):
    """Runs the work of many threads together.

    Args:
        commit: does several works at once, all or nothing; returns a result for each.
        size: how large a work is.
        most: how much is done in one commit, unless a single work is larger.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[_Work]], Sequence[_Result]],
        *,
        size: Callable[[_Work], int],
        most: int,
    ) -> None:
        self._commit = commit
        self._size = size
        self._most = most
        self._waiting: list[_Call[_Work, _Result]] = []
        self._leader: _Call[_Work, _Result] | None = None
        self._lock = threading.Lock()

    def __call__(self, work: _Work) -> _Result:
        """Do a work, with what others brought meanwhile; what is raised is about this work alone."""
        call: _Call[_Work, _Result] = _Call(work)
        try:
            with self._lock:
                self._waiting.append(call)
                if self._leader is None:
                    self._lead(call)
            call.awake.wait()
            while not call.done:
                time.sleep(0)  # those whose work was just done are about to come back: let them, and lead them all
                self._together(self._next())
        finally:
            self._leave(call)
        if call.error is not None:
            raise call.error
        return cast("_Result", call.result)

    def _lead(self, call: _Call[_Work, _Result] | None) -> None:
        self._leader = call
        if call is not None:
            call.awake.set()

    def _leave(self, call: _Call[_Work, _Result]) -> None:
        """Let the next one lead; also when this thread is being stopped, before or after its work was done."""
        with self._lock:
            self._waiting = [each for each in self._waiting if each is not call]
            if self._leader is call:
                self._lead(next(iter(self._waiting), None))

    def _next(self) -> list[_Call[_Work, _Result]]:
        with self._lock:
            count = total = 0
            for call in self._waiting:
                total += self._size(call.work)
                if count and total > self._most:
                    break
                count += 1
            batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    def _together(self, batch: Sequence[_Call[_Work, _Result]]) -> None:
        """Do a batch; in the end each of it is done, whatever happens to this thread."""
        try:
            self._do(batch)
        finally:
            for call in batch:
                if not call.done:  # this thread is being stopped; the others must not wait for ever
                    sentence = "the thread that committed was stopped: try again"
                    call.error = StorageUnavailable(sentence, in_doubt=True)
                call.awake.set()

    def _do(self, batch: Sequence[_Call[_Work, _Result]]) -> None:
        """Do a batch; when it fails, each by itself, so that one cannot spoil the others."""
        try:
            for call, result in zip(batch, self._commit([call.work for call in batch]), strict=True):
                call.result = result
        except StorageUnavailable as error:
            for call in batch:  # it is about nobody's work: what one waited for in vain, no other waits for
                call.error = copy.copy(error)
                call.error.__cause__ = error
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to whoever brought it
            if len(batch) == 1:
                batch[0].error = error
                return
            for call in batch:
                self._do([call])
