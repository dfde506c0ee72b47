"""What the statistics accept: counts of people, probabilities, and the words for a method."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Final, Literal, SupportsFloat, SupportsIndex

from campaignkit.errors import InvalidValue, nearest, shown

Alternative = Literal["two-sided", "larger", "smaller"]
ALTERNATIVES: Final = ("two-sided", "larger", "smaller")

NOBODY: Final = "a variant has nobody in it"
NOBODY_DID: Final = "nobody did it in either variant"
NO_VARIANCE: Final = "no variance in either variant"
EVERYBODY_DID: Final = "everybody did it in both variants"

_MOST: Final = 2**53  # beyond it a float no longer counts by ones


def whole(value: float | SupportsIndex, name: str) -> int:
    """Return a count as an int."""
    try:
        if isinstance(value, bool):
            raise TypeError  # noqa: TRY301 - a truth is an index too
        if not isinstance(value, float):
            number = operator.index(value)
        elif value.is_integer():
            number = int(value)
        else:
            raise TypeError  # noqa: TRY301 - the same sentence
    except TypeError:
        raise InvalidValue(f"{name} is {shown(value)}: a count is a whole number; give how many people") from None
    if not 0 <= number <= _MOST:
        raise InvalidValue(f"{name} is {shown(value)}: a count is between 0 and 2**53; give how many people")
    return number


def counted(x: float | SupportsIndex, n: float | SupportsIndex, arm: str = "") -> tuple[int, int]:
    """Return how many of how many, of an arm."""
    some, everybody = whole(x, f"x{arm}"), whole(n, f"n{arm}")
    if some > everybody:
        raise InvalidValue(
            f"x{arm} is {some} of n{arm} = {everybody}: no more can have done it than there are; count each person once"
        )
    return some, everybody


def number(value: SupportsFloat, name: str, *, least: float = -math.inf, above: float = -math.inf) -> float:
    """Return a finite number that is at least `least` and more than `above`."""
    try:
        found = math.nan if isinstance(value, bool | str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found) or found < least or found <= above:
        rule = f"more than {above:g}" if math.isfinite(above) else f"at least {least:g}" if math.isfinite(least) else ""
        raise InvalidValue(f"{name} is {shown(value)}: must be a number {rule}".rstrip() + "; give a finite one")
    return found


def probability(value: SupportsFloat, name: str) -> float:
    """Return a number from 0 to 1, both included."""
    found = number(value, name)
    if not 0 <= found <= 1:
        raise InvalidValue(f"{name} is {shown(value)}: must be from 0 to 1; write 5 % as 0.05")
    return found


def level(value: SupportsFloat, name: str, *, above: float = 0.0) -> float:
    """Return a number strictly between `above` and 1."""
    found = number(value, name)
    if not above < found < 1:
        raise InvalidValue(f"{name} is {shown(value)}: must be more than {above:g} and less than 1; write 95 % as 0.95")
    return found


def choice(value: str, name: str, choices: Iterable[str]) -> None:
    """Raise unless a word is one of those."""
    known = tuple(choices)
    if value not in known:
        raise InvalidValue(f"{name} is {shown(value)}: not one we know; nearest: {nearest(value, known)}")


def listed(values: Sequence[object], name: str) -> None:
    """Raise unless there is at least one value."""
    if isinstance(values, str | bytes) or not isinstance(values, Sequence) or not values:
        raise InvalidValue(f"{name} is {shown(values)}: give a list with one value for each arm")
