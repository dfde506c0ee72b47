"""The message log of a tracked campaign as rows of a file, read as it stood at one moment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from campaignkit.backends.storage.port import Transaction
from campaignkit.backends.storage.tables import MESSAGES
from campaignkit.exports import AFTER, BEFORE, Row, said_of
from campaignkit.models import Status
from campaignkit.profiles import Profile
from campaignkit.tracker.stored import amount, moment_of, spent

_TOLD: Final = ("assisted_revenue",)  # is in ``revenue`` with the other
_READ: Final = tuple(name for name in (*BEFORE, *AFTER) if name not in _TOLD)
_MOMENTS: Final = tuple(at for at, name in enumerate(BEFORE) if name.endswith("_at"))
_STATUS, _CARRIER, _CODE = (BEFORE.index(name) for name in ("status", "carrier", "error_code"))
_STATUSES: Final = {each.value: each for each in Status}


def log_of(tx: Transaction, campaign: str, profile: Profile) -> Iterator[Row]:
    """Yield the messages of a campaign in the order of `LOG_COLUMNS`, without holding them."""
    for values in tx.select(MESSAGES, _READ, index="campaign", where={"campaign_id": campaign}):
        before: list[Any] = [*values[: len(BEFORE)]]
        for at in _MOMENTS:
            if before[at] is not None:
                before[at] = moment_of(before[at])
        status = before[_STATUS] = _STATUSES[before[_STATUS]]
        said = said_of(before[_CARRIER], before[_CODE], status, profile)
        yield (*before, *said, *_after(status, *values[len(BEFORE) :]))


def _after(  # noqa: PLR0917 - in the order of the columns
    status: Status, skip_reason: str | None, segments: int | None, price: int | None, currency: str | None,
    replies: int, stop_replies: int, clicks: int, opted_out: int, orders: int, revenue: Any, assisted: int,
) -> Row:  # fmt: skip
    currency, earned, helped = spent(revenue, currency)
    return (
        skip_reason if status is Status.SKIPPED else None,
        segments,
        amount(price),
        currency,
        replies,
        stop_replies,
        clicks,
        bool(opted_out),
        orders,
        amount(earned),
        assisted,
        amount(helped),
    )
