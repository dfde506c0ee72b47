"""Time that passes only when somebody waits: three days of receipts in a second, the same in every run."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

from campaignkit.models import moment

T = TypeVar("T")
START: Final = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)


class Clock(Protocol):
    """What tells the time."""

    def now(self) -> datetime:
        """Return the present moment, aware."""

    def monotonic(self) -> float:
        """Return seconds since some moment."""


class SystemClock:
    """The real time."""

    def now(self) -> datetime:
        """Return the present moment."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds since some moment."""
        return time.monotonic()


class VirtualClock:
    """A clock that `sleep` moves.

    Args:
        start: an aware datetime.

    >>> clock = VirtualClock()
    >>> clock.sleep(90)
    >>> clock.now().isoformat(), clock.monotonic()
    ('2026-11-21T15:01:30+00:00', 90.0)
    """

    def __init__(self, start: datetime = START) -> None:
        self._start = moment("start", start)
        self._seconds = 0.0

    def now(self) -> datetime:
        """Return the present moment."""
        return self._start + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        """Return the seconds since the start."""
        return self._seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._seconds += max(0.0, seconds)

    def sleep_until(self, at: datetime) -> None:
        """Let time pass up to a moment; none when it has passed."""
        self.sleep((at - self.now()).total_seconds())


class Deadlock(RuntimeError):
    """Every task waits for something that will never happen."""


def run_virtual(coroutine: Coroutine[Any, Any, T], clock: VirtualClock) -> T:
    """Run a coroutine on an event loop whose time is a virtual clock's.

    What sleeps or times out costs no time; everything happens in the same order in every run.
    Work given to threads is done at once, in this one. Real sockets are never waited for.

    Raises:
        Deadlock: every task waits for something that will never happen.

    >>> clock = VirtualClock()
    >>> run_virtual(asyncio.sleep(72 * 3600, "three days later"), clock)
    'three days later'
    >>> clock.now().isoformat()
    '2026-11-24T15:00:00+00:00'
    """
    with asyncio.Runner(loop_factory=lambda: _VirtualLoop(clock)) as runner:
        return runner.run(coroutine)


class _VirtualSelector(selectors.SelectSelector):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock("every task waits for something that will never happen")
        self._clock.sleep(timeout)
        return []


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        super().__init__(_VirtualSelector(clock))

    def time(self) -> float:
        return self._clock.monotonic()

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]  # noqa: ARG002
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is for who waits
            future.set_exception(error)
        return future
