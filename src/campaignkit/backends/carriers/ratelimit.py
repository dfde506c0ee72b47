"""How fast a sender may send: a bucket of tokens for each, and a place in the queue for each message.

A bucket holds at most ``burst`` tokens and fills at ``per_second``. Whoever sends takes its
place at once and is told how long to wait for it, so places are given in the order of asking,
and the same arithmetic serves threads and tasks. A place that is given up is not given to
another: the sender is idle for that moment, and the limit holds.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from math import isfinite
from typing import Final, Literal

import attrs

from campaignkit.errors import InvalidValue, shown
from campaignkit.models import Message

MOST_SENDERS: Final = 10_000
"""How many buckets are kept; then those that are full are dropped, which changes nothing."""


def _positive(_: object, field: attrs.Attribute[float], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0 or not isfinite(value):
        raise InvalidValue(f"{field.name} is {shown(value)}: must be a number above 0, such as 10")


def _count(_: object, field: attrs.Attribute[int], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidValue(f"{field.name} is {shown(value)}: must be a whole number from 1")


def _unit(_: object, __: object, value: object) -> None:
    if value not in {"messages", "segments"}:
        raise InvalidValue(f'unit is {shown(value)}: must be "messages" or "segments"')


@attrs.frozen
class RateLimit:
    """How fast one sender may send.

    Attributes:
        per_second: on average; below 1 for slower than one a second.
        unit: what is counted: ``messages``, or ``segments`` as `Message.segments` says them.
        burst: how many may go at once after a pause.

    >>> RateLimit(10)
    RateLimit(per_second=10, unit='messages', burst=1)
    >>> RateLimit(0)
    Traceback (most recent call last):
    ...
    campaignkit.errors.InvalidValue: per_second is 0: must be a number above 0, such as 10
    """

    per_second: float = attrs.field(validator=_positive)
    unit: Literal["messages", "segments"] = attrs.field(default="messages", validator=_unit)
    burst: int = attrs.field(default=1, validator=_count)

    def cost(self, message: Message) -> int:
        """Return how many tokens a message takes.

        Raises:
            InvalidValue: segments are counted, and the message does not say its own.
        """
        if self.unit == "messages":
            return 1
        if message.segments is None:
            raise InvalidValue(
                "segments is None: this sender's rate counts segments; give segments=, or a rate in messages"
            )
        return max(message.segments, 1)


class Bucket:
    """The tokens of one sender; ``full_at`` is when it will be full again if nobody takes any."""

    __slots__ = ("full_at", "limit")

    def __init__(self, limit: RateLimit) -> None:
        """Begin full."""
        self.limit = limit
        self.full_at = float("-inf")

    def take(self, cost: int, now: float) -> float:
        """Take tokens; return the seconds to wait until they are there. More than a burst waits for a full bucket."""
        needed = min(cost, self.limit.burst)
        start = max(now, self.full_at - (self.limit.burst - needed) / self.limit.per_second)
        self.full_at = max(self.full_at, start) + cost / self.limit.per_second
        return start - now


Rate = RateLimit | Mapping[str | None, RateLimit]
"""One limit, that each sender has; or the limit of each sender, None standing for all others."""


class Buckets:
    """A bucket for each sender; safe in threads."""

    def __init__(self, rate: Rate) -> None:
        """Begin with full buckets.

        Raises:
            InvalidValue: what was given is no rate.
        """
        if not isinstance(rate, RateLimit | Mapping):
            raise InvalidValue(f"rate is {shown(rate)}: give RateLimit(10), or a mapping from sender to RateLimit")
        self._limits: Mapping[str | None, RateLimit] = {None: rate} if isinstance(rate, RateLimit) else dict(rate)
        for sender, limit in self._limits.items():
            if not isinstance(limit, RateLimit):
                raise InvalidValue(f"rate of {shown(sender)} is {shown(limit)}: give a RateLimit")
        self._buckets: dict[str | None, Bucket] = {}
        self._lock = threading.Lock()

    def take(self, message: Message, now: float) -> float:
        """Take a message's place; return the seconds to wait for it.

        Raises:
            InvalidValue: see `RateLimit.cost`.
        """
        limit = self._limits.get(message.sender) or self._limits.get(None)
        if limit is None:
            return 0.0
        cost = limit.cost(message)
        with self._lock:
            bucket = self._buckets.get(message.sender)
            if bucket is None:
                self._make_room(now)
                bucket = self._buckets[message.sender] = Bucket(limit)
            return bucket.take(cost, now)

    def _make_room(self, now: float) -> None:
        if len(self._buckets) >= MOST_SENDERS:
            self._buckets = {sender: each for sender, each in self._buckets.items() if each.full_at > now}
