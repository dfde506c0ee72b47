"""The state of a message is a join of what the carrier said, so order cannot matter.

Receipts come twice, late, shuffled, per part, and contradict each other. Each is lifted to
an element of a semilattice, and elements are joined; a join is commutative, associative and
idempotent, so any order and any repetition end in the same state.

One part of one attempt is four values, each with its own join:

    bits         progress and verdicts in unary, joined with ``|``
                     queued 01, sent 11            a chain: sent implies queued
                     delivered 01, read 11         a chain: read implies delivered
                     one bit per severity of a negative verdict
    positive_at  the first positive evidence, joined with min
    negative_at  the first negative evidence, joined with min
    shown        (severity, word, code) of the worst negative, joined with max

What is shown is a view of these, never stored. Positive evidence wins by default, because
the opposite mistake sends again to a phone that has the message and counts a strike against
a number that works; a contradiction is flagged, and ``conflict_policy`` can turn the rule.

What we did (attempts) is a separate machine with one writer; only "taken" enters the
lattice, as a queued fact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import IntEnum
from typing import Final, Literal

import attrs

from campaignkit.errors import InvalidValue, UnknownStatus
from campaignkit.models import Attempt, Bounce, Outcome, Receipt, Status
from campaignkit.profiles import Profile, get_profile
from campaignkit.verdicts import Verdict, code_with_word, parse_status_word, verdict_of

ConflictPolicy = Literal["positive_wins", "negative_wins"]


class Severity(IntEnum):
    """How bad a negative verdict is; the worst one is shown."""

    CANCELED = 0
    UNCONFIRMED = 1
    EXPIRED = 2
    SOFT = 3
    OTHER = 4
    HARD = 5
    OPTED_OUT = 6


# The one table of the machine. The diagram in the docs is drawn from it (docs/states.py).
PROGRESS: Final[Mapping[Status, int]] = {Status.QUEUED: 0b0001, Status.SENT: 0b0011}
POSITIVE: Final[Mapping[Status, int]] = {Status.DELIVERED: 0b0100, Status.READ: 0b1100}
NEGATIVE: Final[Mapping[Severity, int]] = {severity: 1 << (4 + severity) for severity in Severity}
NEGATIVE_WORDS: Final = frozenset({Status.UNDELIVERED, Status.REJECTED, Status.EXPIRED, Status.UNCONFIRMED})

_POSITIVE_MASK: Final = 0b1100
_NEGATIVE_MASK: Final = sum(NEGATIVE.values())
_BOTTOM_SHOWN: Final = (-1, "", "")


@attrs.frozen(kw_only=True)
class PartState:
    """What is known about one part of one attempt: an element of the lattice."""

    bits: int = 0
    positive_at: datetime | None = None
    negative_at: datetime | None = None
    shown: tuple[int, str, str] = _BOTTOM_SHOWN

    def join(self, other: PartState) -> PartState:
        """Return the least element above both."""
        return PartState(
            bits=self.bits | other.bits,
            positive_at=_earliest(self.positive_at, other.positive_at),
            negative_at=_earliest(self.negative_at, other.negative_at),
            shown=max(self.shown, other.shown),
        )

    @property
    def conflict(self) -> bool:
        """Whether the carrier said both that it arrived and that it did not."""
        return bool(self.bits & _POSITIVE_MASK) and bool(self.bits & _NEGATIVE_MASK)

    def status(self, policy: ConflictPolicy = "positive_wins") -> Status:
        """Return the status this part shows."""
        positive = _top(self.bits, POSITIVE)
        negative = Status(self.shown[1]) if self.bits & _NEGATIVE_MASK else None
        first, second = (positive, negative) if policy == "positive_wins" else (negative, positive)
        return first or second or _top(self.bits, PROGRESS) or Status.PENDING


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return min(one, other)


def _top(bits: int, chain: Mapping[Status, int]) -> Status | None:
    """Return the highest status of a chain that the bits reach."""
    return next((status for status, mask in reversed([*chain.items()]) if bits & mask == mask), None)


BOTTOM: Final = PartState()
"""Nothing is known."""


def severity_of(status: Status, verdict: Verdict) -> Severity:
    """Return how bad a negative word is, from the word and its code's verdict."""
    if status is Status.UNCONFIRMED:
        return Severity.UNCONFIRMED
    if verdict.reason == "canceled":
        return Severity.CANCELED
    if verdict.opts_out:
        return Severity.OPTED_OUT
    if verdict.bounce in {Bounce.HARD, Bounce.DELETED}:
        return Severity.HARD
    if status is Status.EXPIRED:
        return Severity.EXPIRED
    return Severity.SOFT if verdict.bounce is Bounce.SOFT else Severity.OTHER


def lift(receipt: Receipt, profile: Profile) -> PartState | None:
    """Return what one receipt says as a lattice element; None for a word nobody knows."""
    try:
        meaning = parse_status_word(receipt.carrier, receipt.status)
    except UnknownStatus:
        return None
    status, at = meaning.status, receipt.at or receipt.received_at
    if status in PROGRESS:
        return PartState(bits=PROGRESS[status])
    if status in POSITIVE:
        return PartState(bits=POSITIVE[status], positive_at=at)
    code = code_with_word(receipt.carrier, receipt.error_code, receipt.status, meaning, profile=profile)
    if status is Status.CANCELED:
        status, code = Status.REJECTED, "canceled"
    if status not in NEGATIVE_WORDS:
        return None
    severity = severity_of(status, verdict_of(receipt.carrier, code, status, profile))
    return PartState(bits=NEGATIVE[severity], negative_at=at, shown=(int(severity), status, code or ""))


@attrs.frozen(kw_only=True)
class DeliveryState:
    """Everything known about one message; the properties are views of it.

    Attributes:
        part_states: (attempt, part) to `PartState`.
        attempts: what we did, by attempt number.
        unknown_words: status words in no table; kept, and without effect.
    """

    part_states: Mapping[tuple[int, int], PartState] = attrs.field(factory=dict)
    attempts: Mapping[int, Attempt] = attrs.field(factory=dict)
    unknown_words: frozenset[str] = frozenset()
    conflict_policy: ConflictPolicy = "positive_wins"

    def apply(self, receipt: Receipt, *, profile: str | Profile = "campaignkit") -> DeliveryState:
        """Return the state with one more receipt; a repeated one changes nothing."""
        element = lift(receipt, get_profile(profile))
        if element is None:
            return attrs.evolve(self, unknown_words=self.unknown_words | {receipt.status})
        key = (receipt.attempt, receipt.part)
        joined = self.part_states.get(key, BOTTOM).join(element)
        return attrs.evolve(self, part_states={**self.part_states, key: joined})

    def merge(self, other: DeliveryState) -> DeliveryState:
        """Return what two observers of one message know together."""
        keys = self.part_states.keys() | other.part_states.keys()
        return attrs.evolve(
            self,
            part_states={
                key: self.part_states.get(key, BOTTOM).join(other.part_states.get(key, BOTTOM)) for key in keys
            },
            attempts=_furthest([*self.attempts.values(), *other.attempts.values()]),
            unknown_words=self.unknown_words | other.unknown_words,
        )

    @property
    def status(self) -> Status:
        """Where the message stands now."""
        return self._view()[0]

    @property
    def error_code(self) -> str | None:
        """The code of the worst failure shown, ``partly_delivered`` when only some parts arrived."""
        return self._view()[1]

    @property
    def conflict(self) -> bool:
        """Whether some part was reported both as arrived and as failed."""
        return any(part.conflict for part in self.part_states.values())

    @property
    def delivered_at(self) -> datetime | None:
        """The first positive evidence for any part, None when there is none."""
        return min((part.positive_at for part in self.part_states.values() if part.positive_at), default=None)

    @property
    def handed_off(self) -> bool:
        """Whether a carrier ever took the message. Once true it stays true."""
        taken = any(attempt.outcome is Outcome.TAKEN for attempt in self.attempts.values())
        return taken or bool(self.part_states)

    @property
    def parts(self) -> tuple[int, int]:
        """(parts that arrived, parts expected) of the attempt that got furthest."""
        reached = [(self._arrived(number), self._expected(number)) for number in self._numbers()]
        return max(reached, default=(0, 1))

    @property
    def extra_copies(self) -> int:
        """How many attempts reached the phone beyond the first."""
        whole = sum(self._arrived(number) >= self._expected(number) for number in self._numbers())
        return max(0, whole - 1)

    def _numbers(self) -> list[int]:
        return sorted({attempt for attempt, _ in self.part_states} | self.attempts.keys())

    def _parts_of(self, number: int) -> list[PartState]:
        return [part for (attempt, _), part in self.part_states.items() if attempt == number]

    def _expected(self, number: int) -> int:
        declared = self.attempts[number].parts if number in self.attempts else 1
        return max(declared, len(self._parts_of(number)))

    def _arrived(self, number: int) -> int:
        return sum(part.status(self.conflict_policy) in POSITIVE for part in self._parts_of(number))

    def _view(self) -> tuple[Status, str | None]:
        numbers = self._numbers()
        if not numbers:
            return Status.PENDING, None
        views = {number: self._attempt_view(number) for number in numbers}
        for reached in (Status.READ, Status.DELIVERED):
            if any(status is reached for status, _ in views.values()):
                return reached, None
        return self._newest_view(views)

    def _newest_view(self, views: Mapping[int, tuple[Status, str | None]]) -> tuple[Status, str | None]:
        """Our newest attempt decides, except that what was handed off once stays handed off."""
        newest = max(views)
        if newest not in self.attempts or self._parts_of(newest):
            return views[newest]
        outcome = self.attempts[newest].outcome
        handed_off = [number for number in views if self._was_handed_off(number)]
        if not handed_off:
            return views[newest]
        if outcome in {Outcome.REFUSED, Outcome.CANCELED}:
            return views[max(handed_off)]
        return Status.QUEUED, None  # a retry is planned, under way, or in doubt: still processing

    def _was_handed_off(self, number: int) -> bool:
        attempt = self.attempts.get(number)
        return bool(self._parts_of(number)) or (attempt is not None and attempt.outcome is Outcome.TAKEN)

    def _attempt_view(self, number: int) -> tuple[Status, str | None]:
        known = self._parts_of(number)
        if not known:
            attempt = self.attempts[number]
            return _WITHOUT_RECEIPTS[attempt.outcome], attempt.error_code
        states = known + [BOTTOM] * (self._expected(number) - len(known))
        shown = [state.status(self.conflict_policy) for state in states]
        arrived = [status in POSITIVE for status in shown]
        if all(arrived):
            return (Status.READ if all(status is Status.READ for status in shown) else Status.DELIVERED), None
        failed = [state.shown for state, status in zip(states, shown, strict=True) if status in NEGATIVE_WORDS]
        if failed and any(arrived):
            return Status.UNDELIVERED, "partly_delivered"
        if failed:
            _, word, code = max(failed)
            return Status(word), code or None
        return (Status.SENT if any(arrived) or Status.SENT in shown else Status.QUEUED), None


# How far an attempt is. What we did has one writer, so of two versions the further one is the newer.
_FURTHER: Final = (
    Outcome.PLANNED,
    Outcome.INFLIGHT,
    Outcome.UNKNOWN,
    Outcome.CANCELED,
    Outcome.REFUSED,
    Outcome.TAKEN,
)


def _furthest(attempts: Iterable[Attempt]) -> dict[int, Attempt]:
    """Return the attempts by number; of several versions of one, the furthest, in whatever order they come."""
    known: dict[int, Attempt] = {}
    for each in attempts:
        known[each.number] = max(
            known.get(each.number, each),
            each,
            key=lambda it: (_FURTHER.index(it.outcome), it.parts, it.error_code or ""),
        )
    return known


_WITHOUT_RECEIPTS: Final[Mapping[Outcome, Status]] = {
    Outcome.PLANNED: Status.PENDING,
    Outcome.INFLIGHT: Status.PENDING,
    Outcome.TAKEN: Status.QUEUED,
    Outcome.REFUSED: Status.REFUSED,
    Outcome.UNKNOWN: Status.UNKNOWN,
    Outcome.CANCELED: Status.CANCELED,
}


def fold(
    receipts: Iterable[Receipt],
    *,
    attempts: Iterable[Attempt] = (),
    conflict_policy: ConflictPolicy = "positive_wins",
    profile: str | Profile = "campaignkit",
) -> DeliveryState:
    """Return the state of one message from everything the carrier said about it.

    Args:
        receipts: in any order, with any repetition.
        attempts: ours; an attempt that is not given is taken to expect one part.
        conflict_policy: which evidence wins when a part both arrived and failed.
        profile: whose code table decides which failure is worst.

    Raises:
        InvalidValue: an unknown conflict policy or profile.
        AmbiguousCode: a word or code without the qualifier that its carrier needs (Vonage ``6``).

    >>> from campaignkit.models import Receipt
    >>> late = [Receipt(status="delivered"), Receipt(status="sent"), Receipt(status="queued")]
    >>> fold(late).status.value
    'delivered'
    >>> both = fold([Receipt(status="undelivered", carrier="twilio", error_code="30003"), *late])
    >>> both.status.value, both.conflict
    ('delivered', True)
    """
    if conflict_policy not in {"positive_wins", "negative_wins"}:
        raise InvalidValue(f"conflict_policy is {conflict_policy!r}: give positive_wins or negative_wins")
    chosen = get_profile(profile)
    state = DeliveryState(attempts=_furthest(attempts), conflict_policy=conflict_policy)
    parts: dict[tuple[int, int], PartState] = {}
    unknown: set[str] = set()
    for receipt in receipts:
        element = lift(receipt, chosen)
        if element is None:
            unknown.add(receipt.status)
            continue
        key = (receipt.attempt, receipt.part)
        parts[key] = parts.get(key, BOTTOM).join(element)
    return attrs.evolve(state, part_states=parts, unknown_words=frozenset(unknown))
