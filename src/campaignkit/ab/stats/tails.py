"""How often chance alone gives at least this: tails of the normal, t, chi-square and beta distributions.

Always the tail itself, never 1 minus the rest, so that 1e-300 is 1e-300 and not 0.

    >>> f"{normal_tail(10.0):.12e}"
    '7.619853024161e-24'
"""

from __future__ import annotations

import functools
import math
from statistics import NormalDist
from typing import Final

from campaignkit.ab.stats.inputs import Alternative
from campaignkit.ab.stats.logodds import LogOddsBeta

_STANDARD: Final = NormalDist()
_ROOT_TWO: Final = math.sqrt(2)


def normal_tail(z: float) -> float:
    """Return the probability that a standard normal value is more than z."""
    return math.erfc(z / _ROOT_TWO) / 2


@functools.lru_cache(maxsize=64)
def normal_quantile(tail: float) -> float:
    """Return the z above which a standard normal value is with this probability (Wichura 1988, AS 241)."""
    return -_STANDARD.inv_cdf(tail)


def two_sided_quantile(confidence: float) -> float:
    """Return the z between which and -z a standard normal value is with this probability."""
    return normal_quantile((1 - confidence) / 2)


def normal_p_value(z: float, alternative: Alternative) -> float:
    """Return the p-value of a z statistic."""
    if alternative == "two-sided":
        return math.erfc(abs(z) / _ROOT_TWO)
    return normal_tail(z if alternative == "larger" else -z)


def t_tail(t: float, df: float) -> float:
    """Return the probability that Student's t, of any df of 1 or more, is more than t.

    >>> round(t_tail(12.70620473617471, 1), 12)
    0.025
    """
    return LogOddsBeta(df / 2, df / 2).above(2 * math.asinh(t / math.sqrt(df)))


def t_quantile(tail: float, df: float) -> float:
    """Return the t above which Student's t is with this probability, of 1/2 or less."""
    return math.sqrt(df) * math.sinh(-LogOddsBeta(df / 2, df / 2).lower_quantile(tail) / 2)


def t_p_value(t: float, df: float, alternative: Alternative) -> float:
    """Return the p-value of a t statistic."""
    if alternative == "two-sided":
        return min(1.0, 2 * t_tail(abs(t), df))
    return t_tail(t if alternative == "larger" else -t, df)


def chi_square_tail(x: float, df: int) -> float:
    """Return the probability that chi-square, of whole df, is more than x.

    For whole df it is a finite sum of positive terms (Abramowitz & Stegun 1964, 26.4.4 and 26.4.5).

    >>> round(chi_square_tail(3.841458820694124, 1), 12)
    0.05
    """
    half = x / 2
    if half == 0:
        return 1.0
    log, first = math.log(half), df % 2 / 2
    powers = (first + k for k in range(df // 2))
    terms = sum(math.exp(power * log - half - math.lgamma(power + 1)) for power in powers)
    return terms + math.erfc(math.sqrt(half)) if df % 2 else terms


def beta_quantile(tail: float, a: float, b: float, *, upper: bool = False) -> float:
    """Return the share below which (`upper`: above which) a beta distribution is with this probability."""
    u = -LogOddsBeta(b, a).lower_quantile(tail) if upper else LogOddsBeta(a, b).lower_quantile(tail)
    odds = a / b * math.exp(u)
    return odds / (1 + odds)
