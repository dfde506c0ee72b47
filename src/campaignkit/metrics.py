"""What a table of cells says: counts and rates.

`Counts.of` is the only place where a count is defined; each rate is two counts, and
remembers them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import attrs

from campaignkit.cells import EVENTS, MEASURES, Cell, Sums
from campaignkit.latency import NEGATIVE_LATENCY, bucket_middle
from campaignkit.models import EXACT, MICROS, Bounce, MoneyKey, MoneyKind, Status
from campaignkit.profiles import Formula, Profile
from campaignkit.verdicts import FAILURES, Verdict, verdict_of

# --- counts ------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Counts:
    """What a set of messages adds up to. Each message is in exactly one of the first twelve.

    total = skipped + canceled + pending + refused + unknown + processing + delivered
            + failed + unconfirmed, where failed = soft + hard + deleted + other.

    A count that the data cannot give is None, never 0.

    Attributes:
        skipped: decided not to send, with a reason.
        canceled: called off before any carrier took it.
        pending: not yet handed to a carrier.
        refused: the carrier said no at submission; never handed off.
        unknown: may or may not have been handed off.
        processing: handed off, no verdict yet.
        delivered: the carrier says it arrived (read included).
        soft: failed; the number may work later.
        hard: failed; the number does not work.
        deleted: failed; the network deleted the number.
        other: failed, and nothing follows for the number (content, sender, account, opt-out).
        unconfirmed: the carrier gave up knowing.
        read: delivered, and known to be read.
        unmapped: failed with a code that no table of ours has.
        segments: billed parts.
        replies: answers that are not opt-outs.
        replied: messages answered at least once.
        stop_replies: answers that are opt-outs.
        clicks: hits on links.
        clicked: messages clicked at least once.
        opted_out: messages after which the person opted out.
        orders: purchases credited to these messages.
        converted: messages with at least one order credited to them.
        assisted_orders: purchases credited elsewhere that these messages touched.
        priced: messages whose cost is known.
    """

    skipped: int = 0
    canceled: int = 0
    pending: int = 0
    refused: int = 0
    unknown: int = 0
    processing: int = 0
    delivered: int = 0
    soft: int = 0
    hard: int = 0
    deleted: int = 0
    other: int = 0
    unconfirmed: int = 0
    read: int = 0
    unmapped: int = 0
    segments: int | None = 0
    replies: int | None = 0
    replied: int | None = 0
    stop_replies: int | None = 0
    clicks: int | None = 0
    clicked: int | None = 0
    opted_out: int | None = 0
    orders: int | None = 0
    converted: int | None = 0
    assisted_orders: int | None = 0
    priced: int | None = 0

    @classmethod
    def of(cls, cells: Mapping[Cell, Sums], profile: Profile, unmeasured: Iterable[str] = ()) -> Counts:
        """Return what cells add up to under a profile. The only place where a count is defined."""
        places: dict[str, Any] = dict.fromkeys(_PLACES, 0)
        totals = Sums()
        for cell, sums in cells.items():
            totals = totals.plus(sums)
            if cell == EVENTS:
                continue
            before, after = place(cell, profile)
            places[before] += sums.n - sums.handed_off
            places[after] += sums.handed_off
            if cell.status == Status.READ:
                places["read"] += sums.n
            if is_failed(cell) and not verdict_on(cell, profile).mapped:
                places["unmapped"] += sums.n
        measured = dict(zip(Sums._fields[2:], totals[2:], strict=True))
        absent = dict.fromkeys(name for column in unmeasured for name in MEASURES.get(column, ()))
        return cls(**{**places, **measured, **absent})

    @property
    def failed(self) -> int:
        """Handed off, and the carrier says it did not arrive: soft + hard + deleted + other."""
        return self.soft + self.hard + self.deleted + self.other

    @property
    def sent(self) -> int:
        """Ever handed to a carrier: processing + delivered + failed + unconfirmed. It never falls."""
        return self.processing + self.delivered + self.failed + self.unconfirmed

    @property
    def resolved(self) -> int:
        """Handed off, and the carrier said what became of it: delivered + failed."""
        return self.delivered + self.failed

    @property
    def final(self) -> int:
        """Messages whose status will not change by itself: all but pending, unknown and processing."""
        return self.total - self.pending - self.unknown - self.processing

    @property
    def total(self) -> int:
        """All messages, whatever became of them."""
        return self.skipped + self.canceled + self.pending + self.refused + self.unknown + self.sent

    def __add__(self, other: Counts) -> Counts:
        """Return the counts of both sets; None stays None."""
        return self._combine(other, 1)

    def __sub__(self, other: Counts) -> Counts:
        """Return the difference, for comparing two moments of one campaign."""
        return self._combine(other, -1)

    def __mul__(self, factor: int) -> Counts:
        """Return each count times a whole number."""
        return Counts()._combine(self, factor)

    def _combine(self, other: Counts, factor: int) -> Counts:
        combined: dict[str, Any] = {}
        for name in COUNT_FIELDS:
            one, another = getattr(self, name), getattr(other, name)
            combined[name] = None if one is None or another is None else one + factor * another
        return Counts(**combined)


COUNT_FIELDS: Final = tuple(field.name for field in attrs.fields(Counts))
COUNT_PROPERTIES: Final = ("sent", "failed", "resolved", "final", "total")
_PLACES: Final = COUNT_FIELDS[: COUNT_FIELDS.index("segments")]

_PLACE_OF_STATUS: Final[Mapping[Status, str]] = {
    Status.PENDING: "pending",
    Status.SKIPPED: "skipped",
    Status.CANCELED: "canceled",
    Status.REFUSED: "refused",
    Status.UNKNOWN: "unknown",
    Status.QUEUED: "processing",
    Status.SENT: "processing",
    Status.DELIVERED: "delivered",
    Status.READ: "delivered",
    Status.UNCONFIRMED: "unconfirmed",
}
_PLACE_OF_BOUNCE: Final[Mapping[Bounce, str]] = {
    Bounce.SOFT: "soft",
    Bounce.HARD: "hard",
    Bounce.DELETED: "deleted",
    Bounce.NONE: "other",
}
# Handed off stays handed off: in doubt becomes processing, called off or refused later becomes failed.
_PLACE_ONCE_HANDED_OFF: Final[Mapping[Status, str]] = {
    Status.PENDING: "processing",
    Status.UNKNOWN: "processing",
    Status.CANCELED: "other",
    Status.REFUSED: "other",
}


def verdict_on(cell: Cell, profile: Profile) -> Verdict:
    """Return what a cell's code means, whatever its status."""
    return verdict_of(cell.carrier, cell.code, Status(cell.status), profile)


def place(cell: Cell, profile: Profile) -> tuple[str, str]:
    """Return the counts that a cell's messages are in: not handed off, and handed off."""
    status = Status(cell.status)
    where = _PLACE_OF_STATUS.get(status)
    if where is None:
        where = _PLACE_OF_BOUNCE[verdict_on(cell, profile).bounce]
    return where, _PLACE_ONCE_HANDED_OFF.get(status, where)


def is_failed(cell: Cell) -> bool:
    """Return whether a cell's messages failed or were refused, so that its code says why."""
    return cell.status in FAILURES


# --- rates -------------------------------------------------------------------------------------


@attrs.frozen
class Rate:
    """A rate that remembers its fraction.

    Attributes:
        part: the count on top.
        whole: the count below.
        formula: the definition, printed beside the number.
        missing: why there is no value, when a count was not measured.

    >>> from campaignkit.profiles import Formula
    >>> str(Rate(950, 1000, Formula("delivered", "sent")))
    '95.0 % (950/1000)'
    >>> Rate(0, 0, Formula("delivered", "sent")).value is None
    True
    """

    part: int | None
    whole: int | None
    formula: Formula
    missing: str | None = None

    @property
    def value(self) -> float | None:
        """The rate as a number; None when the whole is 0 or a count was not measured."""
        if self.part is None or not self.whole:
            return None
        return self.part / self.whole

    def __float__(self) -> float:
        """Return the value, NaN when there is none."""
        return math.nan if self.value is None else self.value

    def __str__(self) -> str:
        """Return percent and fraction, the reason when it was not measured, or a dash for 0/0."""
        if self.part is None or self.whole is None:
            return f"not recorded ({self.missing})" if self.missing else "not recorded"
        if self.value is None:
            return f"– ({self.part}/{self.whole})"
        return f"{100 * self.value:.1f} % ({self.part}/{self.whole})"


# --- latency and money, read -------------------------------------------------------------------


@attrs.frozen
class Latency:
    """Time from handing over to delivery.

    Attributes:
        n: messages with both times.
        median: half were faster; within 2 %.
        p95: 95 in 100 were faster; within 2 %.
        negative: messages dated as delivered before they were sent, left out of the above.
    """

    n: int
    median: timedelta | None
    p95: timedelta | None
    negative: int = 0

    @classmethod
    def of(cls, buckets: Mapping[int, int]) -> Latency:
        """Return the quantiles of a table of buckets."""
        counted = sorted((bucket, n) for bucket, n in buckets.items() if bucket != NEGATIVE_LATENCY)
        n = sum(count for _, count in counted)
        return cls(
            n=n,
            median=_quantile(counted, n, 0.5),
            p95=_quantile(counted, n, 0.95),
            negative=buckets.get(NEGATIVE_LATENCY, 0),
        )


def _quantile(counted: list[tuple[int, int]], n: int, share: float) -> timedelta | None:
    passed = 0
    for bucket, count in counted:
        passed += count
        if passed >= share * n:
            return bucket_middle(bucket)
    return None


def amounts(money: Mapping[MoneyKey, int], kind: MoneyKind) -> dict[str, Decimal]:
    """Return what one kind of money adds up to, by currency."""
    return {
        currency: EXACT.divide(Decimal(micros), MICROS)
        for (each, currency), micros in sorted(money.items())
        if each == kind
    }
