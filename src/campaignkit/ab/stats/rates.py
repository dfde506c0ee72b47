"""Rates, and how two of them differ: intervals that hold at 0 and at everybody, and tests.

Arm A is the control and B the variant; a difference is B minus A.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

import attrs

from campaignkit.ab.stats.inputs import (
    ALTERNATIVES,
    EVERYBODY_DID,
    NO_VARIANCE,
    NOBODY,
    NOBODY_DID,
    Alternative,
    choice,
    counted,
    level,
    number,
)
from campaignkit.ab.stats.tails import beta_quantile, normal_p_value, normal_quantile, normal_tail, two_sided_quantile
from campaignkit.ab.values import Estimate, Test

Arm = tuple[int, int]
"""How many did it, of how many."""

_FEW: Final = 5
_SAME: Final = 1 + 1e-7  # tables as likely as the observed one, but for rounding
_NOTHING: Final = 1e-18  # of the greatest term: what follows cannot change a float


# --- one rate ----------------------------------------------------------------------------------


def wilson(x: float, n: float, *, confidence: float = 0.95) -> Estimate:
    """Return a rate with Wilson's score interval.

    It keeps to 0 and 1, and holds where nobody or everybody did it.

    Args:
        x: how many did it.
        n: how many there are.
        confidence: how often such intervals hold the truth, between 0 and 1.

    Source: Wilson 1927, J. Am. Stat. Assoc. 22:209; Brown, Cai & DasGupta 2001, Stat. Sci. 16:101.

    >>> rate = wilson(120, 2500)
    >>> rate.value, round(rate.lower, 4), round(rate.upper, 4)
    (0.048, 0.0403, 0.0571)
    >>> wilson(0, 0)
    Estimate(value=None, lower=0.0, upper=1.0, standard_error=None, kind='bounded', missing='nobody to count')
    """
    did, everybody = counted(x, n)
    z = two_sided_quantile(level(confidence, "confidence"))
    if not everybody:
        return _UNKNOWN_RATE
    lower, upper = _score_interval(did, everybody, z)
    return Estimate(value=did / everybody, lower=lower, upper=upper)


def clopper_pearson(x: float, n: float, *, confidence: float = 0.95) -> Estimate:
    """Return a rate with Clopper and Pearson's exact interval, which is never too short and often too long.

    Args:
        x: how many did it.
        n: how many there are.
        confidence: how often such intervals hold the truth at least, between 0 and 1.

    Source: Clopper & Pearson 1934, Biometrika 26:404.

    >>> rate = clopper_pearson(0, 10)
    >>> rate.value, rate.lower, round(rate.upper, 4)
    (0.0, 0.0, 0.3085)
    """
    did, everybody = counted(x, n)
    did_not = everybody - did
    tail = (1 - level(confidence, "confidence")) / 2
    if not everybody:
        return _UNKNOWN_RATE
    lower = beta_quantile(tail, did, did_not + 1) if did else 0.0
    upper = beta_quantile(tail, did + 1, did_not, upper=True) if did_not else 1.0
    return Estimate(value=did / everybody, lower=lower, upper=upper)


_UNKNOWN_RATE: Final = Estimate(lower=0.0, upper=1.0, missing="nobody to count")


def _score_interval(x: int, n: int, z: float) -> tuple[float, float]:
    """Return Wilson's interval, as the roots of (p - t)^2 = z^2 t (1 - t) / n without any cancellation."""
    square = z * z
    total = 2 * x + square + z * math.sqrt(square + 4 * x * (n - x) / n)
    return 2 * (x * x / n) / total if x else 0.0, 1.0 if x == n else total / (2 * (n + square))


# --- the difference of two rates ---------------------------------------------------------------


def difference(
    x_a: float,
    n_a: float,
    x_b: float,
    n_b: float,
    *,
    method: Literal["newcombe", "wald"] = "newcombe",
    confidence: float = 0.95,
) -> Estimate:
    """Return the rate of B minus that of A, with an interval.

    Args:
        x_a: how many of A did it.
        n_a: how many A has.
        x_b: how many of B did it.
        n_b: how many B has.
        method: ``newcombe`` makes it from the two Wilson intervals and holds at 0 of 0;
            ``wald`` is the plain normal one, with its `standard_error`, and none at no variance.
        confidence: how often such intervals hold the truth, between 0 and 1.

    Source: Newcombe 1998, Stat. Med. 17:873, method 10; Wald's is his method 1.

    >>> d = difference(120, 2500, 150, 2500)
    >>> d.value, round(d.lower, 4), round(d.upper, 4)
    (0.012, -0.0006, 0.0246)
    """
    a, b = counted(x_a, n_a, "_a"), counted(x_b, n_b, "_b")
    z = two_sided_quantile(level(confidence, "confidence"))
    choice(method, "method", ("newcombe", "wald"))
    if not (a[1] and b[1]):
        return Estimate(missing=NOBODY)
    found = _difference(a, b)
    if method == "newcombe":
        lower, upper = _newcombe(a, b, z)
        return Estimate(value=found, lower=lower, upper=upper)
    error = _unpooled_error(a, b)
    if not error:
        return Estimate(value=found, standard_error=0.0, missing=NO_VARIANCE)
    return Estimate(value=found, lower=found - z * error, upper=found + z * error, standard_error=error)


def _difference(a: Arm, b: Arm) -> float:
    """Return the difference of two rates, rounded once."""
    return (b[0] * a[1] - a[0] * b[1]) / (a[1] * b[1])


def _variance(x: int, n: int) -> float:
    """Return the variance of a rate, p (1 - p) / n."""
    return x * (n - x) / n**3


def _newcombe(a: Arm, b: Arm, z: float) -> tuple[float, float]:
    p_a, p_b, found = a[0] / a[1], b[0] / b[1], _difference(a, b)
    lower_a, upper_a = _score_interval(*a, z)
    lower_b, upper_b = _score_interval(*b, z)
    return found - math.hypot(p_b - lower_b, upper_a - p_a), found + math.hypot(upper_b - p_b, p_a - lower_a)


# --- the lift ----------------------------------------------------------------------------------


def lift(
    x_a: float,
    n_a: float,
    x_b: float,
    n_b: float,
    *,
    method: Literal["katz", "delta", "fieller"] = "katz",
    confidence: float = 0.95,
) -> Estimate:
    """Return how much larger the rate of B is than that of A, as a share of A's: 0.25 is + 25 %.

    Args:
        x_a: how many of A did it.
        n_a: how many A has.
        x_b: how many of B did it.
        n_b: how many B has.
        method: ``katz`` works on the logarithm, never says less than -100 %, and has the
            `standard_error` of the logarithm; ``delta`` is the plain normal interval, with the
            standard error of the lift; ``fieller`` solves for the ratio, and says in `kind` when
            what it finds is no interval.
        confidence: how often such intervals hold the truth, between 0 and 1.

    Source: Katz et al. 1978, Biometrics 34:469; delta: Deng, Knoblich & Lu 2018, KDD;
    Fieller 1954, J. R. Stat. Soc. B 16:175.

    >>> up = lift(120, 2500, 150, 2500)
    >>> up.value, round(up.lower, 3), round(up.upper, 3)
    (0.25, -0.01, 0.579)
    >>> lift(0, 2500, 5, 2500).missing
    'nobody of A did it'
    """
    a, b = counted(x_a, n_a, "_a"), counted(x_b, n_b, "_b")
    z = two_sided_quantile(level(confidence, "confidence"))
    choice(method, "method", ("katz", "delta", "fieller"))
    if not (a[1] and b[1]):
        return Estimate(missing=NOBODY)
    if method == "fieller":
        return _fieller(a, b, z)
    if not a[0]:
        return Estimate(missing=_NOBODY_OF_A)
    return _katz(a, b, z) if method == "katz" else _delta(a, b, z)


_NOBODY_OF_A: Final = "nobody of A did it"
_NOBODY_OF_B: Final = "nobody of B did it"


def _lift(a: Arm, b: Arm) -> float:
    """Return p_B / p_A - 1, rounded once."""
    return (b[0] * a[1] - a[0] * b[1]) / (a[0] * b[1])


def _katz(a: Arm, b: Arm, z: float) -> Estimate:
    found = _lift(a, b)
    if not b[0]:
        return Estimate(value=found, missing=_NOBODY_OF_B)
    error = math.sqrt(sum((n - x) / (n * x) for x, n in (a, b)))
    if not error:
        return Estimate(value=found, standard_error=0.0, missing=EVERYBODY_DID)
    log = math.log1p(found)
    lower, upper = math.expm1(log - z * error), math.expm1(log + z * error)
    return Estimate(value=found, lower=lower, upper=upper, standard_error=error)


def _delta(a: Arm, b: Arm, z: float) -> Estimate:
    found = _lift(a, b)
    p_a = a[0] / a[1]
    error = math.sqrt(_variance(*b) + _variance(*a) * (1 + found) ** 2) / p_a
    if not error:
        return Estimate(value=found, standard_error=0.0, missing=EVERYBODY_DID if b[0] else _NOBODY_OF_B)
    return Estimate(value=found, lower=found - z * error, upper=found + z * error, standard_error=error)


def _fieller(a: Arm, b: Arm, z: float) -> Estimate:
    found = _lift(a, b) if a[0] else None
    if not b[0] or (a[0] == a[1] and b[0] == b[1]):
        return Estimate(value=found, kind="degenerate", missing=EVERYBODY_DID if b[0] else _NOBODY_OF_B)
    p_a, p_b = a[0] / a[1], b[0] / b[1]
    v_a, v_b = z * z * _variance(*a), z * z * _variance(*b)
    clear = p_a * p_a - v_a  # positive when A's rate is clearly not 0
    inside = p_a * p_a * v_b + p_b * p_b * v_a - v_a * v_b
    if not clear or inside < 0:
        return Estimate(value=found, kind="unbounded", missing=_NOBODY_OF_A if not a[0] else _TOO_FEW)
    middle, half = p_a * _difference(a, b) + v_a, math.sqrt(inside)
    lower, upper = sorted(((middle - half) / clear, (middle + half) / clear))
    return Estimate(value=found, lower=lower, upper=upper, kind="bounded" if clear > 0 else "exclusive")


_TOO_FEW: Final = "too few did it for any limits"


# --- a guardrail -------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class NonInferiority:
    """Whether B is worse than A by no more than a margin.

    Attributes:
        increase: the rate of B minus that of A; None when an arm has nobody in it.
        lower: the increase is more than this, with the confidence asked for.
        upper: the increase is less than this, with the confidence asked for.
        safe: True when it is shown that the harm is less than the margin.
        harmful: True when it is shown that the harm is more than the margin.
        statistic: z of Wald's test that the harm is the margin or more; None at no variance.
        p_value: its p-value: small speaks for safe.
        missing: why something is None.
    """

    increase: float | None = None
    lower: float | None = None
    upper: float | None = None
    safe: bool = False
    harmful: bool = False
    statistic: float | None = None
    p_value: float | None = None
    missing: str | None = None


def non_inferiority(
    x_a: float,
    n_a: float,
    x_b: float,
    n_b: float,
    *,
    margin: float,
    confidence: float = 0.95,
    higher_is_better: bool = False,
) -> NonInferiority:
    """Return whether B harms by no more than a margin: a guardrail.

    What is shown is read from Newcombe's bounds, which hold at 0 of 0, and not from Wald's test.

    Args:
        x_a: how many of A did it (opted out, say).
        n_a: how many A has.
        x_b: how many of B did it.
        n_b: how many B has.
        margin: the harm that is accepted, as a difference of rates: 0.001 is 1 in 1,000; 0 or more.
        confidence: of each bound alone, between 0.5 and 1.
        higher_is_better: False when harm is an increase, True when it is a decrease.

    Source: Newcombe 1998, Stat. Med. 17:873, method 10, one-sided; Wald's test as in
    Fleiss, Levin & Paik 2003, ch. 3.

    >>> found = non_inferiority(30, 25_000, 31, 25_000, margin=0.001)
    >>> found.safe, found.harmful, round(found.upper, 5)
    (True, False, 0.00057)
    >>> non_inferiority(0, 2500, 0, 2500, margin=0.001).safe
    False
    """
    a, b = counted(x_a, n_a, "_a"), counted(x_b, n_b, "_b")
    margin = number(margin, "margin", least=0.0)
    z = normal_quantile(1 - level(confidence, "confidence", above=0.5))
    if not (a[1] and b[1]):
        return NonInferiority(missing=NOBODY)
    found = _difference(a, b)
    lower, upper = _newcombe(a, b, z)
    least, most = (-upper, -lower) if higher_is_better else (lower, upper)
    error = _unpooled_error(a, b)
    statistic = (found + margin if higher_is_better else found - margin) / error if error else None
    p_value = None if statistic is None else normal_tail(statistic if higher_is_better else -statistic)
    return NonInferiority(
        increase=found,
        lower=lower,
        upper=upper,
        safe=most < margin,
        harmful=least > margin,
        statistic=statistic,
        p_value=p_value,
        missing=None if error else NO_VARIANCE,
    )


# --- is there a difference? --------------------------------------------------------------------

RateTest = Literal["pooled", "unpooled", "corrected", "fisher"]


def two_proportion_test(
    x_a: float,
    n_a: float,
    x_b: float,
    n_b: float,
    *,
    method: RateTest | None = None,
    alternative: Alternative = "two-sided",
) -> Test:
    """Test whether B's rate differs from A's.

    Args:
        x_a: how many of A did it.
        n_a: how many A has.
        x_b: how many of B did it.
        n_b: how many B has.
        method: ``pooled`` is the z-test with one variance for both, ``unpooled`` with each its
            own, ``corrected`` the pooled one with Yates's correction; ``fisher`` is exact. None
            takes pooled, or Fisher's where fewer than 5 are expected in a cell.
        alternative: ``larger`` asks whether B's rate is the larger one, ``smaller`` the smaller.

    Source: Fleiss, Levin & Paik 2003, Statistical Methods for Rates and Proportions, ch. 3;
    Yates 1934, J. R. Stat. Soc. Suppl. 1:217; Fisher 1935, The Design of Experiments.

    >>> test = two_proportion_test(120, 2500, 150, 2500)
    >>> test.method, round(test.statistic, 4), round(test.p_value, 4)
    ('pooled', 1.8771, 0.0605)
    >>> test = two_proportion_test(1, 2500, 6, 2500)
    >>> test.method, round(test.p_value, 4)
    ('fisher', 0.1247)
    """
    a, b = counted(x_a, n_a, "_a"), counted(x_b, n_b, "_b")
    choice(alternative, "alternative", ALTERNATIVES)
    if method is None:
        missing = _why_no_test(a, b)
        if missing:
            return Test(method="pooled", missing=missing)
        method = "fisher" if _expects_few(a, b) else "pooled"
    choice(method, "method", ("pooled", "unpooled", "corrected", "fisher"))
    if method == "fisher":
        return Test(p_value=_fisher(a, b, alternative), method=method)
    missing = _why_no_test(a, b)
    error = 0.0 if missing else _unpooled_error(a, b) if method == "unpooled" else _pooled_error(a, b)
    if not error:
        return Test(method=method, missing=missing or NO_VARIANCE)
    found = _difference(a, b)
    if method == "corrected":
        correction = (1 / a[1] + 1 / b[1]) / 2
        found = math.copysign(max(abs(found) - correction, 0.0), found)
    z = found / error
    return Test(p_value=normal_p_value(z, alternative), statistic=z, method=method)


def _why_no_test(a: Arm, b: Arm) -> str | None:
    if not (a[1] and b[1]):
        return NOBODY
    did = a[0] + b[0]
    return NOBODY_DID if not did else EVERYBODY_DID if did == a[1] + b[1] else None


def _expects_few(a: Arm, b: Arm) -> bool:
    everybody, did = a[1] + b[1], a[0] + b[0]
    return min(a[1], b[1]) * min(did, everybody - did) < _FEW * everybody


def _pooled_error(a: Arm, b: Arm) -> float:
    everybody, did = a[1] + b[1], a[0] + b[0]
    return math.sqrt(did * (everybody - did) / (everybody * a[1] * b[1]))


def _unpooled_error(a: Arm, b: Arm) -> float:
    return math.sqrt(_variance(*a) + _variance(*b))


# --- Fisher's exact test -----------------------------------------------------------------------


def _fisher(a: Arm, b: Arm, alternative: Alternative) -> float:
    """Return how likely tables like this one are among all with its margins."""
    did, everybody = a[0] + b[0], a[1] + b[1]
    upwards = _Margins(did, b[1], everybody)
    downwards = _Margins(everybody - did, b[1], everybody)  # the same, counting who did not
    x, opposite = b[0], b[1] - b[0]
    if alternative == "larger":
        return _at_least(x, upwards, downwards)
    if alternative == "smaller":
        return _at_least(opposite, downwards, upwards)
    if x < upwards.peak:
        x, upwards, downwards = opposite, downwards, upwards
    tail, other, total = _tails(x, upwards, downwards)
    return min(1.0, (tail + other) / total)


class _Margins(NamedTuple):
    """What is fixed: how many did it, how many B has, how many there are."""

    did: int
    drawn: int
    everybody: int

    @property
    def peak(self) -> int:
        """How many of B did it, most likely."""
        return (self.did + 1) * (self.drawn + 1) // (self.everybody + 2)

    def heights(self, x: int) -> Iterator[float]:
        """Yield how likely x, x + 1, ... of B are, relative to x: no factorial is ever made."""
        height = 1.0
        spare = self.everybody - self.did - self.drawn
        while height:
            yield height
            height *= (self.did - x) * (self.drawn - x) / ((x + 1) * (spare + x + 1))
            x += 1


def _at_least(x: int, upwards: _Margins, downwards: _Margins) -> float:
    if x < upwards.peak:
        return 1 - _at_least(upwards.drawn - x + 1, downwards, upwards)
    tail, _, total = _tails(x, upwards, downwards)
    return min(1.0, tail / total)


def _tails(x: int, upwards: _Margins, downwards: _Margins) -> tuple[float, float, float]:
    """Return the sum of heights from x up, of those below the peak that are as low as x's, and of all."""
    peak = upwards.peak
    tail = other = total = own = 0.0
    for place, height in enumerate(upwards.heights(peak), peak):
        total += height
        own = height if place <= x else own
        tail += height if place >= x else 0.0
        if place > x and height < _NOTHING * own:
            break
    own = own if tail else 0.0
    for height in itertools.islice(downwards.heights(upwards.drawn - peak), 1, None):
        total += height
        other += height if height <= own * _SAME else 0.0
        if height < _NOTHING * (own or 1.0):
            break
    return tail, other, total
