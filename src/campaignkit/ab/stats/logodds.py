"""The beta distribution on the scale of log-odds, where it has one smooth peak and light tails.

With t = ln(p / (1 - p)) the density of a beta distribution is proportional to p^a (1 - p)^b: its
logarithm is concave, its peak is at the mean p = a / (a + b), and nothing is infinite at 0 and 1.
Places are given as u, the distance from the peak. Student's t is the case a = b = df / 2 with
u = 2 asinh(t / sqrt(df)), so the tails of both are one integral.

Panels are as wide as three standard deviations at their place: 2 sqrt(n) arcsin(sqrt(p)) is the
scale on which those are all the same (Anscombe 1948, Biometrika 35:246).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final

from campaignkit.ab.stats.calculus import NEGLIGIBLE, Panel, halved, panel, reach, stirling_rest

DEVIATIONS: Final = 3.0
"""How many standard deviations wide a panel may be."""

_WIDEST: Final = 4.0  # e^t / (1 + e^t) is not a polynomial: it has poles at t = ± i pi
_FAR: Final = 30.0
_OUT: Final = -2.0  # about two deviations from the peak: there, or with few people, the fraction needs few steps
_FEW: Final = 1000
_MOST_ODDS: Final = 1000.0  # beyond, 1 - x has lost the digits that the fraction lives on
_ENOUGH_STEPS: Final = 4e-16
_ENOUGH: Final = 1e-9  # of a deviation: the error left is the square of the last step


def log_height(a: float, b: float) -> Callable[[float], float]:
    """Return the logarithm of the density at a distance from its peak, where it is 0."""
    if a > b:
        mirrored = log_height(b, a)
        return lambda u: mirrored(-u)
    n = a + b
    p, q = a / n, b / n

    def height(u: float) -> float:
        if u > _FAR:  # the other form of the same, which does not overflow
            return -b * u - n * math.log(p + q * math.exp(-u))
        return a * u - n * math.log1p(p * math.expm1(u))

    return height


def angle(t: float) -> float:
    """Return 2 arcsin(sqrt(p)) at log-odds t."""
    return 2 * math.atan(math.exp(t / 2)) if t < 0 else math.pi - 2 * math.atan(math.exp(-t / 2))


def pieces(start: float, end: float, n: float, peak: float = 0.0) -> Iterator[tuple[float, float]]:
    """Yield pieces of an interval that are narrow enough for a distribution of n people.

    Args:
        start: where to begin, from the peak.
        end: where to end.
        n: a + b of the narrowest distribution; 0 for none.
        peak: the log-odds from which start and end are measured.
    """
    root = math.sqrt(n)

    def fine(left: float, right: float) -> bool:
        low, high = peak + left, peak + right
        widest = max(_WIDEST, min(abs(low), abs(high)) / 2)
        return right - left <= widest and root * (angle(high) - angle(low)) <= DEVIATIONS

    return halved(start, end, fine)


def _fraction(a: float, b: float, x: float) -> float:
    """Return I_x(a, b) over x^a (1 - x)^b / (a B(a, b)), for x no more than the mean.

    It is a continued fraction (Abramowitz & Stegun 1964, 26.5.8), read from the top (Lentz 1976,
    Appl. Opt. 15:668); far from the peak a few steps are enough.
    """
    n, m = a + b, 0
    upper, lower = 1.0, 1 / (1 - n * x / (a + 1))
    found, change = lower, 0.0
    while abs(change - 1) > _ENOUGH_STEPS:
        m += 1
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower, upper = 1 / (1 + even * lower), 1 + even / upper
        found *= lower * upper
        odd = -(a + m) * (n + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        lower, upper = 1 / (1 + odd * lower), 1 + odd / upper
        change = lower * upper
        found *= change
    return found


class LogOddsBeta:
    """A beta distribution on the scale of log-odds.

    Attributes:
        a: its first parameter.
        b: its second.
        n: their sum.
        peak: the log-odds of the mean.
        height: the logarithm of the density at a distance from the peak, where it is 0.
        mass: the integral of exp(height).
    """

    def __init__(self, a: float, b: float) -> None:
        self.a = a
        self.b = b
        self.n = a + b
        self.peak = math.log(a / b)
        self.height = log_height(a, b)
        self.mass = math.sqrt(2 * math.pi * (self.n / a) / b) * math.exp(
            stirling_rest(a) + stirling_rest(b) - stirling_rest(self.n)
        )

    @property
    def deviation(self) -> float:
        """About one standard deviation, in log-odds."""
        return math.sqrt(self.n / self.a / self.b)

    def window(self) -> tuple[float, float]:
        """Return where the density begins and ends to matter."""
        guess = self.deviation * math.sqrt(2 * NEGLIGIBLE)
        return -reach(lambda v: self.height(-v), guess), reach(self.height, guess)

    def densities(self, places: list[float]) -> list[float]:
        """Return the density at some distances from the peak."""
        height, mass = self.height, self.mass
        return [math.exp(height(u)) / mass for u in places]

    def below(self, u: float) -> float:
        """Return the probability of less than u; tiny ones keep their digits."""
        return self._share(u, -1) if u <= 0 else 1 - self._share(u, 1)

    def above(self, u: float) -> float:
        """Return the probability of more than u; tiny ones keep their digits."""
        return self._share(u, 1) if u >= 0 else 1 - self._share(u, -1)

    def lower_quantile(self, tail: float) -> float:
        """Return the u with this probability below it.

        The logarithm of the probability is concave, so that Newton's steps come from one side.
        """
        goal = math.log(tail)
        u = -self.deviation * math.sqrt(-2 * goal)
        step = u
        while abs(step) > _ENOUGH * self.deviation:
            step = self._newton(u, goal)
            u += step
        return u

    def _newton(self, u: float, goal: float) -> float:
        """Return the step to where the logarithm of the probability below is `goal`."""
        if u <= 0:
            rest = self._rest(u, -1)
            return (goal - self.height(u) - math.log(rest / self.mass)) * rest
        below = self.below(u)
        return (goal - math.log(below)) * below * self.mass / math.exp(self.height(u))

    def _share(self, u: float, side: int) -> float:
        return math.exp(self.height(u)) * (self._rest(u, side) / self.mass)

    def _rest(self, u: float, side: int) -> float:
        """Return the integral of the density from u outwards, relative to its height at u."""
        top = self.height(u)
        a, b = (self.a, self.b) if side < 0 else (self.b, self.a)
        odds = a / b * math.exp(-abs(u))
        if side * u >= 0 and odds < _MOST_ODDS and (top < _OUT or min(a, b) < _FEW):
            return _fraction(a, b, odds / (1 + odds)) / a
        half = side * reach(lambda v: self.height(u + side * v) - top, self.deviation) / 2
        return sum(
            part.integral([math.exp(self.height(place) - top) for place in part.points])
            for start in (u, u + half)  # halved, because 16 points are too few for a fall by exp(-36)
            for part in self._panels(start, start + half)
        )

    def _panels(self, start: float, end: float) -> Iterator[Panel]:
        for left, right in pieces(min(start, end), max(start, end), self.n, self.peak):
            yield panel(left, right)
