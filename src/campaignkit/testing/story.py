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
    """One receipt: in how many seconds, the carrier's word, its code, and which part it is about, from 0."""

    delay: float
    word: str
    code: str | None = None
    part: int = 0


@attrs.frozen
class End:
    """Where a part ends, with the carrier's word and code for it; a part without a word was refused at once."""

    fate: Status
    word: str | None = None
    code: str | None = None


@attrs.frozen(kw_only=True)
class Story:
    """What becomes of one message.

    Attributes:
        parts: where each part ends.
        told: whether the carrier reports all these ends.
        steps: its receipts, copies among them.
        ends: in how many seconds it has arrived, or failed.
    """

    parts: list[End]
    told: bool
    steps: list[Step]
    ends: float

    @property
    def fate(self) -> Status:
        """Where the message ends: delivered, read or undelivered, by whatever word the carrier says so."""
        return self.parts[0].fate if self._alike() else Status.UNDELIVERED

    @property
    def code(self) -> str | None:
        """The carrier's code for that, when it failed; ``partly_delivered`` when only some parts arrived."""
        return self.parts[0].code if self._alike() else "partly_delivered"

    def _alike(self) -> bool:
        return len({each.fate for each in self.parts}) == 1


def story(dialect: Dialect, weather: Weather, dice: Dice, seconds: float, parts: int = 1) -> Story:
    """Return what becomes of a message, in some parts, whose answer comes in some seconds."""
    ends = _ends(dialect, weather, dice, parts)
    told = [_told(dialect, weather, dice, seconds, each) for each in ends]
    steps = [[attrs.evolve(step, part=part) for step in said] for part, (said, _) in enumerate(told)]
    return Story(
        parts=ends,
        told=all(whole for _, whole in told),
        steps=[each for said in steps for each in _copied(weather, dice, said)],
        ends=max((step.delay for said in steps for step in said), default=0.0),
    )


def _ends(dialect: Dialect, weather: Weather, dice: Dice, parts: int) -> list[End]:
    if parts == 1 or not dice.happens(weather.partial):
        return [_end(dialect, weather, dice)] * parts
    at_once = not dialect.failures or dice.happens(0.5)
    missing = End(Status.UNDELIVERED) if at_once else _failure(dialect, dice)
    arrived = End(Status.DELIVERED, dialect.words[Status.DELIVERED])
    count = dice.randint(1, parts - 1)
    ends = [missing] * count + [arrived] * (parts - count)
    dice.shuffle(ends)
    return ends


def _end(dialect: Dialect, weather: Weather, dice: Dice) -> End:
    if dialect.failures and dice.happens(weather.failed):
        return _failure(dialect, dice)
    fate = Status.READ if Status.READ in dialect.words and dice.happens(weather.read) else Status.DELIVERED
    return End(fate, dialect.words[fate])


def _failure(dialect: Dialect, dice: Dice) -> End:
    return End(Status.UNDELIVERED, *dice.choices([*dialect.failures], [*dialect.failures.values()])[0])


def _told(dialect: Dialect, weather: Weather, dice: Dice, seconds: float, end: End) -> tuple[list[Step], bool]:
    """Return the receipts about a part, each once, and whether its end is known by them or by the answer."""
    if end.word is None:
        return [], True
    told = not dice.happens(weather.lost)
    said = _on_the_way(dialect.words, end.fate)
    if told:
        said.append((end.word, end.code))
    if told and end.fate in ARRIVED and dice.happens(weather.lies):
        said = _lied(dialect, dice, said)
    delays = _delays(weather, dice, seconds, len(said))
    return [Step(delay, *each) for delay, each in zip(delays, said, strict=True)], told


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
