"""How two means differ: revenue per recipient, say, with those who bought nothing counted as 0.

Means are made of sums (`Moments`), so they add up over batches as counts do.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import attrs

from campaignkit.ab.stats.inputs import ALTERNATIVES, NO_VARIANCE, NOBODY, Alternative, choice, level, number, whole
from campaignkit.ab.stats.tails import t_p_value, t_quantile
from campaignkit.ab.values import Estimate, Moments, Test

_ROUNDING: Final = 1e-10
"""Sums of squares this small a share of what they are the difference of are rounding, not variance."""

TOO_FEW: Final = "a variance needs two people in each variant"
_NO_BEFORE: Final = "what was before does not vary"


@attrs.frozen(kw_only=True)
class MeanDifference:
    """How the mean of B differs from that of A.

    Attributes:
        test: t, degrees of freedom and p-value.
        difference: the mean of B minus that of A, with its interval and standard error.
        mean_a: the mean of A; adjusted where what was before is taken out.
        mean_b: the same of B.
        theta: how much of what was before is taken out; None where nothing is.
    """

    test: Test
    difference: Estimate
    mean_a: float | None = None
    mean_b: float | None = None
    theta: float | None = None


def welch(
    a: Moments, b: Moments, *, confidence: float = 0.95, alternative: Alternative = "two-sided"
) -> MeanDifference:
    """Return how two means differ, by Welch's t-test: the arms may vary differently.

    Args:
        a: the moments of A.
        b: the moments of B.
        confidence: how often such intervals hold the truth, between 0 and 1.
        alternative: ``larger`` asks whether B's mean is the larger one, ``smaller`` the smaller.

    Source: Welch 1947, Biometrika 34:28.

    >>> from campaignkit.ab.values import Moments
    >>> found = welch(Moments.of([0, 0, 5, 1]), Moments.of([2, 0, 9, 4]))
    >>> found.difference.value, round(found.test.statistic, 3), round(found.test.p_value, 3)
    (2.25, 0.992, 0.367)
    """
    return _compared(_spread(_sums(a, "a")), _spread(_sums(b, "b")), confidence, alternative, "welch")


def cuped(
    a: Moments, b: Moments, *, confidence: float = 0.95, alternative: Alternative = "two-sided"
) -> MeanDifference:
    """Return how two means differ when what the same people did before is taken out: a shorter interval.

    Args:
        a: the moments of A, with what was before.
        b: the moments of B, with what was before.
        confidence: how often such intervals hold the truth, between 0 and 1.
        alternative: the side, as in `welch`.

    Source: Deng, Xu, Kohavi & Walker 2013, WSDM; theta over both arms together.

    >>> from campaignkit.ab.values import Moments
    >>> a = Moments.of([2.0, 3.0, 5.0, 6.0], before=[1.0, 2.0, 4.0, 6.0])
    >>> b = Moments.of([4.0, 5.0, 6.0, 9.0], before=[2.0, 3.0, 3.0, 6.0])
    >>> found = cuped(a, b)
    >>> round(found.theta, 3), round(found.difference.value, 3), round(found.test.p_value, 3)
    (1.005, 1.749, 0.004)
    """
    of_a, of_b = _sums(a, "a"), _sums(b, "b")
    both = _Sums(of_a.n + of_b.n, *map(sum, zip(of_a[1:], of_b[1:], strict=True)))
    varies = _deviations(both.before_squares, both.before, both.n)
    if not varies:
        missing = _NO_BEFORE if both.n else NOBODY
        return MeanDifference(test=Test(method="cuped", missing=missing), difference=Estimate(missing=missing))
    middle = both.before / both.n
    theta = (both.products - both.total * middle) / varies
    spreads = _spread(of_a, theta, middle), _spread(of_b, theta, middle)
    return attrs.evolve(_compared(*spreads, confidence, alternative, "cuped"), theta=theta)


class _Sums(NamedTuple):
    """The fields of Moments, checked."""

    n: int
    total: float
    squares: float
    before: float
    before_squares: float
    products: float


def _sums(moments: Moments, name: str) -> _Sums:
    n = whole(moments.n, f"{name}.n")
    return _Sums(n, *(number(getattr(moments, field), f"{name}.{field}") for field in _Sums._fields[1:]))


def spread_of(moments: Moments, name: str) -> Spread:
    """Return mean and variance of an arm.

    Raises:
        InvalidValue: sums that no people can have.
    """
    return _spread(_sums(moments, name))


class Spread(NamedTuple):
    """Of an arm: people, mean, and the squared standard error of the mean (None of fewer than two)."""

    n: int
    mean: float | None
    variance: float | None


def _spread(sums: _Sums, theta: float = 0.0, middle: float = 0.0) -> Spread:
    """Return mean and variance of an arm, less `theta` times how far what was before is from `middle`."""
    n, total, squares, before, before_squares, products = sums
    if not n:
        return Spread(n, None, None)
    mean = (total - theta * (before - n * middle)) / n
    if n == 1:
        return Spread(n, mean, None)
    own = _deviations(squares, total, n)
    rest = own - 2 * theta * (products - total * before / n) + theta**2 * _deviations(before_squares, before, n)
    return Spread(n, mean, (rest if rest > _ROUNDING * own else 0.0) / (n - 1) / n)


def _deviations(squares: float, total: float, n: int) -> float:
    """Return the sum of squared distances from the mean, 0 where it is only rounding."""
    found = squares - total * total / n if n else 0.0
    return found if found > _ROUNDING * squares else 0.0


def _compared(a: Spread, b: Spread, confidence: float, alternative: Alternative, method: str) -> MeanDifference:
    tail = (1 - level(confidence, "confidence")) / 2
    choice(alternative, "alternative", ALTERNATIVES)
    found = None if a.mean is None or b.mean is None else b.mean - a.mean
    missing, error = _standard_error(a, b)
    if found is None or error is None or missing:
        return MeanDifference(
            test=Test(method=method, missing=missing),
            difference=Estimate(value=found, standard_error=error, missing=missing),
            mean_a=a.mean,
            mean_b=b.mean,
        )
    df = _degrees(a, b)
    t, half = found / error, t_quantile(tail, df) * error
    return MeanDifference(
        test=Test(p_value=t_p_value(t, df, alternative), statistic=t, df=df, method=method),
        difference=Estimate(value=found, lower=found - half, upper=found + half, standard_error=error),
        mean_a=a.mean,
        mean_b=b.mean,
    )


def _standard_error(a: Spread, b: Spread) -> tuple[str | None, float | None]:
    """Return why there is no standard error, or it."""
    if not (a.n and b.n):
        return NOBODY, None
    if a.variance is None or b.variance is None:
        return TOO_FEW, None
    error = math.sqrt(a.variance + b.variance)
    return None if error else NO_VARIANCE, error


def _degrees(a: Spread, b: Spread) -> float:
    """Return Welch and Satterthwaite's degrees of freedom."""
    variances = [(arm.variance or 0.0, arm.n - 1) for arm in (a, b)]
    return sum(v for v, _ in variances) ** 2 / sum(v * v / df for v, df in variances)
