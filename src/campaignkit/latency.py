"""Times from handing over to delivery, in buckets that are 2 % wide, so that they add up."""

from __future__ import annotations

import bisect
import math
from datetime import UTC, datetime, timedelta
from typing import Final

LATENCY_STEP: Final = 1.02
"""Each bucket of milliseconds is 2 % wider than the one before."""

_LATENCY_EDGES: Final = tuple(math.ceil(LATENCY_STEP**power) for power in range(1, 1500))
_NONE: Final = timedelta()
NEGATIVE_LATENCY: Final = -1
"""The bucket of messages whose delivery is dated before their sending."""


def latency_bucket(milliseconds: int) -> int:
    """Return the bucket of a time from sending to delivery.

    >>> latency_bucket(0), latency_bucket(1000), latency_bucket(-5)
    (0, 348, -1)
    """
    return NEGATIVE_LATENCY if milliseconds < 0 else bisect.bisect_right(_LATENCY_EDGES, milliseconds)


def bucket_middle(bucket: int) -> timedelta:
    """Return the time that stands for a bucket: within 1 % of everything in it, above 1 s."""
    return timedelta(milliseconds=LATENCY_STEP ** (bucket + 0.5))


def bucket_between(sent_at: datetime | None, delivered_at: datetime | None) -> int | None:
    """Return the bucket of the time between two moments; None where one is not known."""
    if sent_at is None or delivered_at is None:
        return None
    elapsed = delivered_at - sent_at
    if sent_at.tzinfo is delivered_at.tzinfo is not UTC:  # then Python subtracts what the clocks show
        elapsed -= (delivered_at.utcoffset() or _NONE) - (sent_at.utcoffset() or _NONE)
    return latency_bucket((elapsed.days * 86400 + elapsed.seconds) * 1000 + elapsed.microseconds // 1000)
