"""The state of a message, as an executable specification that shares no code with the library.

A `Fact` is one thing a carrier said about one part of one attempt. Facts are lifted to
elements of a semilattice (`Part`) and joined; what is shown is a view of the joined elements.

    progress    queued < sent                       joined with max
    positive    delivered < read                    joined with max
    negatives   the set of verdicts ever heard      joined with union
    times       first positive, first negative      joined with min

Sets, names and infinities are used where the library has bits and None, so that both cannot
be wrong in the same way. The tests hold `campaignkit.fold` against it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PROGRESS = ("pending", "queued", "sent")
POSITIVE = ("nothing", "delivered", "read")
NEGATIVE = ("canceled", "unknown_final", "expired", "soft", "rejected", "hard", "blocked")
"""Negative verdicts, the worst last."""

ARRIVED = frozenset({"delivered", "read"})


class Fact(NamedTuple):
    """One thing the carrier said; times are seconds, None where nobody knows."""

    status: str
    attempt: int = 1
    part: int = 0
    at: int | None = None
    received: int | None = None

    @property
    def time(self) -> float:
        """Return the carrier's time, else ours, else never."""
        return next((time for time in (self.at, self.received) if time is not None), math.inf)


class Part(NamedTuple):
    """Everything known about one part of one attempt."""

    progress: int = 0
    positive: int = 0
    negatives: frozenset[str] = frozenset()
    positive_at: float = math.inf
    negative_at: float = math.inf

    def join(self, other: Part) -> Part:
        """Return the least element above both."""
        return Part(
            progress=max(self.progress, other.progress),
            positive=max(self.positive, other.positive),
            negatives=self.negatives | other.negatives,
            positive_at=min(self.positive_at, other.positive_at),
            negative_at=min(self.negative_at, other.negative_at),
        )


State = dict[tuple[int, int], Part]
"""(attempt, part) to what is known about it; joined point by point."""


def lift(fact: Fact) -> Part:
    """Return what one fact says as an element."""
    if fact.status in PROGRESS:
        return Part(progress=PROGRESS.index(fact.status))
    if fact.status in POSITIVE:
        return Part(positive=POSITIVE.index(fact.status), positive_at=fact.time)
    return Part(negatives=frozenset({fact.status}), negative_at=fact.time)


def learn(facts: Iterable[Fact]) -> State:
    """Return the state after some facts, in whatever order they come."""
    state: State = {}
    for fact in facts:
        key = (fact.attempt, fact.part)
        state[key] = state.get(key, Part()).join(lift(fact))
    return state


def merge(one: State, other: State) -> State:
    """Return what two observers know together."""
    return {key: one.get(key, Part()).join(other.get(key, Part())) for key in {*one, *other}}


def part_view(part: Part, *, negative_wins: bool = False) -> str:
    """Return the name that one part shows: a verdict if there is one, else its progress."""
    positive = POSITIVE[part.positive] if part.positive else None
    negative = max(part.negatives, key=NEGATIVE.index, default=None)
    first, second = (negative, positive) if negative_wins else (positive, negative)
    return first or second or PROGRESS[part.progress]


def attempt_view(parts: Sequence[Part], expected: int, *, negative_wins: bool = False) -> str:
    """Return the name that an attempt of ``expected`` parts shows; unheard parts are pending."""
    views = [part_view(part, negative_wins=negative_wins) for part in parts]
    views += ["pending"] * (expected - len(parts))
    if all(view in ARRIVED for view in views):
        return "read" if set(views) == {"read"} else "delivered"
    arrived = any(view in ARRIVED for view in views)
    failures = [view for view in views if view in NEGATIVE]
    if failures:
        return "partial" if arrived else max(failures, key=NEGATIVE.index)
    return "sent" if arrived else max(views, key=PROGRESS.index)


def message_view(state: Mapping[tuple[int, int], Part], expected: int = 1, *, negative_wins: bool = False) -> str:
    """Return the name that a message shows: any attempt that arrived, else our newest attempt."""
    if not state:
        return "pending"
    views = {
        number: attempt_view(
            [part for (attempt, _), part in state.items() if attempt == number], expected, negative_wins=negative_wins
        )
        for number, _ in state
    }
    return next((each for each in ("read", "delivered") if each in views.values()), views[max(views)])


def conflict(state: Mapping[tuple[int, int], Part]) -> bool:
    """Return whether some part is said both to have arrived and to have failed."""
    return any(part.positive and part.negatives for part in state.values())


def delivered_at(state: Mapping[tuple[int, int], Part]) -> float | None:
    """Return the first moment of positive evidence, None when there is none or nobody knows it."""
    first = min((part.positive_at for part in state.values()), default=math.inf)
    return None if first == math.inf else first
