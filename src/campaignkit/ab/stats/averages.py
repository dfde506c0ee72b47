"""Means by themselves: the interval of one, the ratio of two, and which of several is the largest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from campaignkit.ab.stats.bayes import Posterior
from campaignkit.ab.stats.calculus import panel
from campaignkit.ab.stats.inputs import NO_VARIANCE, NOBODY, level, listed
from campaignkit.ab.stats.means import TOO_FEW, spread_of
from campaignkit.ab.stats.tails import normal_tail, t_quantile, two_sided_quantile
from campaignkit.ab.values import Estimate, Moments

_REACH: Final = (-9.0, -6.0, -4.0, -2.5, -1.0, 1.0, 2.5, 4.0, 6.0, 9.0)
"""Where panels end, in standard errors from a mean: beyond the last a density is 0 to 18 digits."""

_ROOT_2PI: Final = math.sqrt(2 * math.pi)


def mean(moments: Moments, *, confidence: float = 0.95) -> Estimate:
    """Return a mean with Student's interval.

    Args:
        moments: what it is made of.
        confidence: how often such intervals hold the truth, between 0 and 1.

    Source: Student 1908, Biometrika 6:1.

    >>> found = mean(Moments.of([0.0, 0.0, 5.0, 1.0]))
    >>> found.value, round(found.lower, 2), round(found.upper, 2)
    (1.5, -2.29, 5.29)
    """
    tail = (1 - level(confidence, "confidence")) / 2
    spread = spread_of(moments, "moments")
    if not spread.variance or spread.mean is None:
        return Estimate(value=spread.mean, missing=_why_none(spread.n, spread.variance))
    error = math.sqrt(spread.variance)
    half = t_quantile(tail, spread.n - 1) * error
    return Estimate(value=spread.mean, lower=spread.mean - half, upper=spread.mean + half, standard_error=error)


def _why_none(n: int, variance: float | None) -> str:
    return NOBODY if not n else TOO_FEW if variance is None else NO_VARIANCE


def mean_ratio(a: Moments, b: Moments, *, confidence: float = 0.95) -> Estimate:
    """Return how much larger the mean of B is than that of A, as a share of A's: 0.2 is 20 % more.

    Args:
        a: the moments of A.
        b: the moments of B.
        confidence: how often such intervals hold the truth, between 0 and 1.

    Source: the delta method, Deng, Knoblich & Lu 2018, KDD.

    >>> found = mean_ratio(Moments.of([1.0, 2.0, 3.0] * 100), Moments.of([2.0, 3.0, 4.0] * 100))
    >>> found.value, round(found.lower, 3), round(found.upper, 3)
    (0.5, 0.417, 0.583)
    """
    z = two_sided_quantile(level(confidence, "confidence"))
    one, other = spread_of(a, "a"), spread_of(b, "b")
    if not (one.n and other.n):
        return Estimate(missing=NOBODY)
    if not one.mean or other.mean is None or one.mean < 0:
        return Estimate(missing="the mean of A is not above 0")
    value = other.mean / one.mean - 1
    if one.variance is None or other.variance is None:
        return Estimate(value=value, missing=TOO_FEW)
    error = math.sqrt(other.variance + one.variance * (1 + value) ** 2) / one.mean
    if not error:
        return Estimate(value=value, standard_error=0.0, missing=NO_VARIANCE)
    return Estimate(value=value, lower=value - z * error, upper=value + z * error, standard_error=error)


def best_mean(moments: Sequence[Moments], *, lower_is_better: bool = False) -> Posterior | None:
    """Return how likely each arm has the best mean, and what it would cost to be wrong.

    What is believed of a mean is a normal distribution with its standard error, which is good where
    there are some hundred people. None where an arm has fewer than two people, or no variance.

    Args:
        moments: of each arm.
        lower_is_better: the smallest mean is the best.

    Source: Stucchio 2015, Bayesian A/B Testing at VWO; the normal approximation of the posterior,
    Gelman et al. 2013, Bayesian Data Analysis, ch. 4.

    >>> arms = [Moments.of([1.0, 2.0, 3.0] * 100), Moments.of([1.0, 2.0, 3.3] * 100)]
    >>> [round(p, 3) for p in best_mean(arms).prob_best]
    [0.083, 0.917]
    """
    listed(moments, "moments")
    spreads = [spread_of(each, f"moments[{place}]") for place, each in enumerate(moments)]
    if any(not each.variance for each in spreads):
        return None
    sign = -1.0 if lower_is_better else 1.0
    means = [sign * (each.mean or 0.0) for each in spreads]
    errors = [math.sqrt(each.variance or 0.0) for each in spreads]
    ends = sorted({middle + step * error for middle, error in zip(means, errors, strict=True) for step in _REACH})
    chances, best = [0.0] * len(means), 0.0
    origin = max(means)
    for start, end in pairwise(ends):
        part = panel(start, end)
        below = [[normal_tail((middle - x) / error) for x in part.points] for middle, error in _pairs(means, errors)]
        for arm, (middle, error) in enumerate(_pairs(means, errors)):
            others = [
                math.prod(row[place] for i, row in enumerate(below) if i != arm) for place in range(len(part.points))
            ]
            heights = [
                _density((x - middle) / error) / error * rest for x, rest in zip(part.points, others, strict=True)
            ]
            chances[arm] += part.integral(heights)
            best += part.integral((x - origin) * height for x, height in zip(part.points, heights, strict=True))
    whole = sum(chances)
    return Posterior(
        means=tuple(sign * each for each in means),
        prob_best=tuple(each / whole for each in chances),
        expected_loss=tuple(max(0.0, best + origin - each) for each in means),
    )


def _pairs(means: list[float], errors: list[float]) -> list[tuple[float, float]]:
    return list(zip(means, errors, strict=True))


def _density(z: float) -> float:
    return math.exp(-z * z / 2) / _ROOT_2PI
