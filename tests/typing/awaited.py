"""How the tracker, awaited, and what a host mounts look to a type checker; checked by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import assert_type

import campaignkit as ck
from campaignkit.backends.carriers import Carrier, Request
from campaignkit.backends.storage import MemoryStorage
from campaignkit.tracker import AsyncTracker, Difference, Ingested, Tracker
from campaignkit.web import Answer, receive, webhooks

tracker = Tracker(MemoryStorage())


async def awaited() -> None:
    """Await the tracker."""
    own = AsyncTracker(tracker)
    assert_type(await own.ingest([ck.Receipt(status="delivered")]), Ingested)
    assert_type(await own.summary("spring", by="variant"), ck.Summary | ck.Summaries)
    assert_type(await own.version("spring"), int)
    assert_type(await own.verify_counters(), list[Difference])
    assert_type(own.messages("spring"), AsyncGenerator[ck.Message, None])
    await own.version(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await own.version("spring", by="variant")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def mounted(carrier: Carrier, request: Request) -> None:
    """Mount it."""
    assert_type(receive(tracker, carrier, request), Answer)
    webhooks(AsyncTracker(tracker), {"twilio": carrier}, on_error=lambda error, of: print(of.name, error))  # noqa: T201
