"""How many people a test needs, and what it could show: to be asked before the send.

All of it is the normal approximation for two proportions; B has `ratio` times as many people as A.
"""

from __future__ import annotations

import math
from typing import Final, Literal, NamedTuple

from campaignkit.ab.stats.inputs import ALTERNATIVES, Alternative, choice, level, number, probability, whole
from campaignkit.ab.stats.tails import normal_quantile, normal_tail

Method = Literal["pooled", "unpooled", "cohen_h"]
_METHODS: Final = ("pooled", "unpooled", "cohen_h")


def sample_size(
    p_a: float,
    p_b: float,
    *,
    ratio: float = 1.0,
    power: float = 0.8,
    alpha: float = 0.05,
    method: Method = "pooled",
    alternative: Alternative = "two-sided",
) -> int | None:
    """Return how many people arm A needs, so that a test shows the difference between two rates.

    Args:
        p_a: the rate of A.
        p_b: the rate of B that is to be shown.
        ratio: how many of B for each of A.
        power: how often the test is to show it.
        alpha: how often the test may show a difference that is not there.
        method: the test: ``pooled`` and ``unpooled`` z, or Cohen's h, the difference of arcsines.
        alternative: ``two-sided``, or ``larger`` and ``smaller`` for a test of B's rate on one side.

    Returns:
        People of A; B needs `ratio` times as many. None where no number is enough: the rates are
        the same, or differ to the side that is not tested.

    Source: Fleiss, Levin & Paik 2003, Statistical Methods for Rates and Proportions, ch. 4;
    Cohen 1988, Statistical Power Analysis for the Behavioral Sciences, ch. 6.

    >>> sample_size(0.05, 0.06)
    8158
    >>> sample_size(0.05, 0.05) is None
    True
    """
    change = _change(p_a, p_b, ratio, method)
    critical = _critical(alpha, alternative)
    size = _towards(change.size, alternative)
    if size <= 0:
        return None
    root = (critical * change.null_error + _reserve(power, alpha) * change.error) / size
    people = max(root, 0.0) * root
    return max(1, math.ceil(people)) if math.isfinite(people) else None


def power(
    p_a: float,
    p_b: float,
    n_a: float,
    *,
    ratio: float = 1.0,
    alpha: float = 0.05,
    method: Method = "pooled",
    alternative: Alternative = "two-sided",
) -> float | None:
    """Return how often a test shows the difference between two rates.

    Args:
        p_a: the rate of A.
        p_b: the rate of B.
        n_a: people of A.
        ratio: how many of B for each of A.
        alpha: how often the test may show a difference that is not there.
        method: the test, as in `sample_size`.
        alternative: the side, as in `sample_size`.

    Returns:
        A share of tests; None where A has nobody, or both rates are 0 or both 1.

    Source: as `sample_size`.

    >>> round(power(0.05, 0.06, 1000), 3), round(power(0.05, 0.06, 10_000), 3)
    (0.165, 0.873)
    """
    people = whole(n_a, "n_a")
    change = _change(p_a, p_b, ratio, method)
    threshold = _critical(alpha, alternative) * change.null_error
    size = _towards(change.size, alternative) * math.sqrt(people)
    if not people or not change.error:
        return float(size > threshold) if size and people else None
    shown_so = normal_tail((threshold - size) / change.error)
    return shown_so + normal_tail((threshold + size) / change.error) if alternative == "two-sided" else shown_so


def detectable(
    p_a: float,
    n_a: float,
    *,
    ratio: float = 1.0,
    power: float = 0.8,
    alpha: float = 0.05,
    method: Method = "pooled",
    down: bool = False,
) -> float | None:
    """Return the rate of B nearest to A's that a two-sided test of this size shows.

    Args:
        p_a: the rate of A.
        n_a: people of A.
        ratio: how many of B for each of A.
        power: how often the test is to show it.
        alpha: how often the test may show a difference that is not there.
        method: the test, as in `sample_size`.
        down: True for a rate below that of A.

    Returns:
        A rate; None where even one of 1 (`down`: of 0) would not be shown.

    Source: as `sample_size`, solved for the rate.

    >>> round(detectable(0.05, 2500), 4), round(detectable(0.05, 2500, down=True), 4)
    (0.0687, 0.0341)
    >>> detectable(0.05, 2) is None
    True
    """
    root = math.sqrt(whole(n_a, "n_a"))
    critical, reserve = _critical(alpha, "two-sided"), _reserve(power, alpha)

    def shows(rate: float) -> bool:
        change = _change(p_a, rate, ratio, method)
        return abs(change.size) * root > critical * change.null_error + reserve * change.error

    near, far = probability(p_a, "p_a"), 0.0 if down else 1.0
    if not shows(far):
        return None
    while (middle := (near + far) / 2) not in (near, far):
        near, far = (near, middle) if shows(middle) else (middle, far)
    return far


class _Change(NamedTuple):
    """A difference, and its standard errors if A were one person: as it is, and if there were none."""

    size: float
    error: float
    null_error: float


def _change(p_a: float, p_b: float, ratio: float, method: str) -> _Change:
    a, b, k = probability(p_a, "p_a"), probability(p_b, "p_b"), number(ratio, "ratio", above=0.0)
    choice(method, "method", _METHODS)
    if method == "cohen_h":
        arcsines = 2 * (math.asin(math.sqrt(b)) - math.asin(math.sqrt(a)))
        return _Change(arcsines, math.sqrt(1 + 1 / k), math.sqrt(1 + 1 / k))
    error = math.sqrt(a * (1 - a) + b * (1 - b) / k)
    if method == "unpooled":
        return _Change(b - a, error, error)
    both = (a + k * b) / (1 + k)
    return _Change(b - a, error, math.sqrt(both * (1 - both) * (1 + 1 / k)))


def _towards(size: float, alternative: Alternative) -> float:
    """Return how large a difference is to the side that is tested."""
    return abs(size) if alternative == "two-sided" else size if alternative == "larger" else -size


def _critical(alpha: float, alternative: Alternative) -> float:
    choice(alternative, "alternative", ALTERNATIVES)
    tail = level(alpha, "alpha")
    return normal_quantile(tail / 2 if alternative == "two-sided" else tail)


def _reserve(power: float, alpha: float) -> float:
    return normal_quantile(1 - level(power, "power", above=float(alpha)))
