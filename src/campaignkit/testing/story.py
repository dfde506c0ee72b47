"""What becomes of a message that was taken: where it ends, and what the carrier says about it, when."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log
from random import Random
from typing import Final

import attrs

from campaignkit.models import Status
from campaignkit.testing.dialects.base import Dialect
from campaignkit.testing.weather import Weather

ARRIVED: Final = frozenset({Status.DELIVERED, Status.READ})

_UNKNOWN_WORDS: Final = ("teleported", "DELIVERED?", "4711")


class Dice(Random):
    """What is left to chance, from a seed."""

    def happens(self, rate: float) -> bool:
        """Return True as often as the rate says."""
        return rate > 0 and self.random() < rate

    def between(self, span: tuple[float, float]) -> float:
        """Return seconds from a span, short ones as often as long ones (log-uniform)."""
        return exp(self.uniform(log(span[0]), log(span[1])))


@attrs.frozen
class Step:
    """One receipt: in how many seconds, the carrier's word, its code."""

    delay: float
    word: str
    code: str | None = None


@attrs.frozen(kw_only=True)
class Story:
    """What becomes of one message.

    Attributes:
        fate: where it ends: delivered, read or undelivered, by whatever word the carrier says so.
        code: the carrier's code for that, when it failed.
        told: whether the carrier reports that end.
        steps: its receipts, copies among them.
        ends: in how many seconds it has arrived, or failed.
    """

    fate: Status
    code: str | None
    told: bool
    steps: list[Step]
    ends: float


def story(dialect: Dialect, weather: Weather, dice: Dice, seconds: float) -> Story:
    """Return what becomes of a message whose answer comes in some seconds."""
    word, code, fate = _end(dialect, weather, dice)
    told = not dice.happens(weather.lost)
    said = _on_the_way(dialect.words, fate)
    if told:
        said.append((word, code))
    if told and fate in ARRIVED and dice.happens(weather.lies):
        said = _lied(dialect, dice, said)
    steps = [Step(delay, *each) for delay, each in zip(_delays(weather, dice, seconds, len(said)), said, strict=True)]
    ends = max((step.delay for step in steps), default=0.0)
    return Story(fate=fate, code=code, told=told, steps=[*_copied(weather, dice, steps)], ends=ends)


def _end(dialect: Dialect, weather: Weather, dice: Dice) -> tuple[str, str | None, Status]:
    words, failures = dialect.words, dialect.failures
    if failures and dice.happens(weather.failed):
        word, code = dice.choices([*failures], [*failures.values()])[0]
        return word, code, Status.UNDELIVERED
    fate = Status.READ if Status.READ in words and dice.happens(weather.read) else Status.DELIVERED
    return words[fate], None, fate


def _on_the_way(words: Mapping[Status, str], fate: Status) -> list[tuple[str, str | None]]:
    passed = [Status.QUEUED, Status.SENT, *([Status.DELIVERED] if fate is Status.READ else [])]
    return [(word, None) for word in dict.fromkeys(words[each] for each in passed if each in words)]


def _lied(dialect: Dialect, dice: Dice, said: list[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    """Return what is said of a message that arrived, with a failure or an unknown word before or behind it."""
    unknown: list[tuple[str, str | None]] = [(word, None) for word in _UNKNOWN_WORDS]
    lie = dice.choice([*dialect.failures] if dice.happens(0.5) else unknown)
    at = dice.choice((0, len(said)))
    return [*said[:at], lie, *said[at:]]


def _delays(weather: Weather, dice: Dice, seconds: float, count: int) -> list[float]:
    if dice.happens(weather.early):
        delays = [dice.uniform(0.1, 0.9) * seconds for _ in range(count)]
    else:
        delays = [seconds + dice.between(weather.delay) for _ in range(count)]
    return delays if weather.shuffled else sorted(delays)


def _copied(weather: Weather, dice: Dice, steps: list[Step]) -> list[Step]:
    return [
        attrs.evolve(step, delay=step.delay + (dice.between(weather.delay) if i else 0.0))
        for step in steps
        for i in range(dice.randint(1, weather.copies))
    ]
