"""Intervals that hold at every look at once, so that one may look as often as one likes.

They hold for outcomes that are final: count a person only when the time to answer is over.
"""

from __future__ import annotations

import math

import attrs

from campaignkit.ab.stats.inputs import NO_VARIANCE, NOBODY, level, number, whole
from campaignkit.ab.stats.rates import difference, lift
from campaignkit.ab.values import Estimate


@attrs.frozen(kw_only=True)
class AlwaysValid(Estimate):
    """An estimate whose interval and p-value hold at every look.

    Attributes:
        p_value: how often chance alone ever gives at least this; None when there is none.
        log_e_value: the logarithm of the evidence against no difference.
        rho: the width of the mixture, from the size that it is tuned to.
    """

    p_value: float | None = None
    log_e_value: float | None = None
    rho: float | None = None


def confidence_sequence(
    x_a: float,
    n_a: float,
    x_b: float,
    n_b: float,
    *,
    tuning: float,
    alpha: float = 0.05,
    relative: bool = False,
) -> AlwaysValid:
    """Return how two rates differ, with an interval that holds at every look.

    Args:
        x_a: how many of A did it.
        n_a: how many A has.
        x_b: how many of B did it.
        n_b: how many B has.
        tuning: how many people, both arms together, the interval is to be shortest at: the size
            that is planned.
        alpha: how often such a sequence of intervals ever misses the truth.
        relative: True for the lift, p_B / p_A - 1, in place of the difference.

    Source: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024, Ann. Stat. 52(6), arXiv:2103.06476,
    eq. 9; the variance of the lift by the delta method.

    >>> found = confidence_sequence(500, 10_000, 620, 10_000, tuning=5000)
    >>> found.value, round(found.lower, 4), round(found.upper, 4), round(found.p_value, 4)
    (0.012, 0.0018, 0.0222, 0.0077)
    """
    found = lift(x_a, n_a, x_b, n_b, method="delta") if relative else difference(x_a, n_a, x_b, n_b, method="wald")
    people = whole(n_a, "n_a") + whole(n_b, "n_b")
    return _sequence(found, people, number(tuning, "tuning", least=1.0), level(alpha, "alpha"))


def confidence_sequence_of(
    estimate: float, standard_error: float, n: float, *, tuning: float, alpha: float = 0.05
) -> AlwaysValid:
    """Return the same of any estimate that has a standard error, a difference of means for example.

    Args:
        estimate: what is estimated.
        standard_error: its standard error; 0 gives no interval.
        n: how many people it is made of, both arms together.
        tuning: as in `confidence_sequence`.
        alpha: as in `confidence_sequence`.

    >>> found = confidence_sequence_of(0.13, 0.19, 5000, tuning=5000)
    >>> round(found.lower, 3), round(found.upper, 3)
    (-0.447, 0.707)
    """
    people = whole(n, "n")
    error = number(standard_error, "standard_error", least=0.0)
    missing = NOBODY if not people else None if error else NO_VARIANCE
    found = Estimate(value=number(estimate, "estimate"), standard_error=error, missing=missing)
    return _sequence(found, people, number(tuning, "tuning", least=1.0), level(alpha, "alpha"))


def _sequence(found: Estimate, people: int, tuning: float, alpha: float) -> AlwaysValid:
    """Return the sequence where it stands; the mixture is the narrowest at `tuning` people."""
    log = math.log(alpha)
    rho = math.sqrt((-2 * log + math.log1p(-2 * log)) / tuning)
    value, error = found.value, found.standard_error
    if value is None or not error or found.missing:
        return AlwaysValid(value=value, standard_error=error, rho=rho, missing=found.missing)
    mixed = people * rho * rho + 1
    half = error * math.sqrt(2 * mixed * (math.log(mixed) / 2 - log) / people) / rho
    evidence = (rho * value / error) ** 2 * people / (2 * mixed) - math.log(mixed) / 2
    return AlwaysValid(
        value=value,
        lower=value - half,
        upper=value + half,
        standard_error=error,
        p_value=math.exp(-max(evidence, 0.0)),
        log_e_value=evidence,
        rho=rho,
    )


def msprt(estimate: float, variance: float, *, tau_squared: float, alpha: float = 0.05) -> AlwaysValid:
    """Return an estimate with an interval that holds at every look, by the mixture sequential probability ratio test.

    Args:
        estimate: what is estimated.
        variance: the square of its standard error; 0 gives no interval.
        tau_squared: the variance of the effects that are expected.
        alpha: how often such a sequence of intervals ever misses the truth.

    Source: Johari, Koomen, Pekelis & Walsh 2022, Oper. Res. 70:1806.

    >>> found = msprt(0.012, 2.5e-05, tau_squared=0.0001)
    >>> round(found.lower, 4), round(found.upper, 4), round(found.p_value, 3)
    (-0.0034, 0.0274, 0.223)
    """
    value, spread = number(estimate, "estimate"), number(variance, "variance", least=0.0)
    prior, log = number(tau_squared, "tau_squared", above=0.0), math.log(level(alpha, "alpha"))
    if not spread:
        return AlwaysValid(value=value, standard_error=0.0, missing=NO_VARIANCE)
    both = spread + prior
    growth = math.log1p(prior / spread)
    half = math.sqrt(spread * both / prior * (growth - 2 * log))
    evidence = prior * value * value / (2 * spread * both) - growth / 2
    return AlwaysValid(
        value=value,
        lower=value - half,
        upper=value + half,
        standard_error=math.sqrt(spread),
        p_value=math.exp(-max(evidence, 0.0)),
        log_e_value=evidence,
    )
