"""Integrals of smooth functions, and what Stirling's formula leaves out.

An interval is cut into panels and each function known at the 16 points of Gauss and Legendre in
every panel, which is as good as a polynomial of degree 31. The integral up to each of the 16
points comes from the same heights (by integrating the polynomial through them), so a density
gives its distribution for free.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from operator import mul
from typing import Final, NamedTuple

POINTS: Final = 16
NEGLIGIBLE: Final = 36.0
"""A density is taken as 0 where its logarithm is this much below its peak: exp(-36) = 2e-16."""

_NEWTON_STEPS: Final = 6
_HALVINGS: Final = 4
_ASYMPTOTIC: Final = 15.0
_HALF_LOG_2PI: Final = math.log(2 * math.pi) / 2


class Rule(NamedTuple):
    """Gauss and Legendre's rule on -1 to 1.

    Attributes:
        points: where to look.
        weights: what each height counts.
        partial: for each point, what each height counts in the integral from -1 to that point.
    """

    points: tuple[float, ...]
    weights: tuple[float, ...]
    partial: tuple[tuple[float, ...], ...]


class Panel(NamedTuple):
    """A piece of an integral.

    Attributes:
        points: where to look.
        weights: what each height counts.
        half: half its width.
    """

    points: list[float]
    weights: list[float]
    half: float

    def integral(self, heights: Iterable[float]) -> float:
        """Return the integral over the panel."""
        total: float = sum(map(mul, self.weights, heights))
        return total

    def integrals(self, heights: list[float], start: float) -> list[float]:
        """Return `start` and the integral up to each point."""
        half = self.half
        return [start + half * sum(map(mul, row, heights)) for row in rule().partial]


def panel(start: float, end: float) -> Panel:
    """Return the panel between two places."""
    middle, half = (start + end) / 2, (end - start) / 2
    known = rule()
    return Panel([middle + half * x for x in known.points], [half * w for w in known.weights], half)


@functools.cache
def rule() -> Rule:
    """Return the rule of 16 points (Abramowitz & Stegun 1964, 25.4.29)."""
    points = sorted(_root(math.cos(math.pi * (i + 0.75) / (POINTS + 0.5))) for i in range(POINTS))
    tables = [_legendre(x) for x in points]
    weights = [2 * (1 - x * x) / (POINTS * p[POINTS - 1]) ** 2 for x, p in zip(points, tables, strict=True)]
    # The polynomial through heights y is the sum over n of (n + 1/2) P_n(x) sum_i w_i P_n(x_i) y_i,
    # and the integral of (2n + 1) P_n from -1 is P_{n+1} - P_{n-1}.
    upto = [[p[1] + 1.0, *(p[n + 1] - p[n - 1] for n in range(1, POINTS))] for p in tables]
    partial = tuple(
        tuple(w * sum(map(mul, integrals, p)) / 2 for w, p in zip(weights, tables, strict=True)) for integrals in upto
    )
    return Rule(tuple(points), tuple(weights), partial)


def _legendre(x: float) -> list[float]:
    """Return P_0 to P_16 at a point (Bonnet's recursion)."""
    values = [1.0, x]
    for n in range(1, POINTS):
        values.append(((2 * n + 1) * x * values[n] - n * values[n - 1]) / (n + 1))
    return values


def _root(x: float) -> float:
    for _ in range(_NEWTON_STEPS):
        p = _legendre(x)
        x -= p[POINTS] * (x * x - 1) / (POINTS * (x * p[POINTS] - p[POINTS - 1]))
    return x


def halved(start: float, end: float, fine: Callable[[float, float], bool]) -> Iterator[tuple[float, float]]:
    """Yield pieces of an interval from left to right, each halved until it is `fine`."""
    waiting = [(start, end)]
    while waiting:
        left, right = waiting.pop()
        middle = (left + right) / 2
        if fine(left, right) or not left < middle < right:
            yield left, right
        else:
            waiting += [(middle, right), (left, middle)]


def reach(height: Callable[[float], float], guess: float) -> float:
    """Return how far from 0 a falling logarithm becomes negligible, or a little further."""
    far = guess
    while height(far) > -NEGLIGIBLE:
        far *= 2
    while height(far / 2) < -NEGLIGIBLE:
        far /= 2
    near = far / 2
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        near, far = (near, middle) if height(middle) < -NEGLIGIBLE else (middle, far)
    return far


def stirling_rest(z: float) -> float:
    """Return ln Gamma(z) - ((z - 1/2) ln z - z + ln(2 pi) / 2).

    It is small where both sides are huge, so differences of ln Gamma keep their digits
    (Abramowitz & Stegun 1964, 6.1.41).
    """
    if z < _ASYMPTOTIC:
        return math.lgamma(z) - ((z - 0.5) * math.log(z) - z + _HALF_LOG_2PI)
    y = 1 / (z * z)
    return (1 / 12 + y * (-1 / 360 + y * (1 / 1260 + y * (-1 / 1680 + y / 1188)))) / z
