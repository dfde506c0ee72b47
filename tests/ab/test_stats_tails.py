"""Tails and quantiles against mpmath and scipy, out to 1e-300."""

from __future__ import annotations

import math

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from campaignkit.ab.stats.calculus import rule, stirling_rest
from campaignkit.ab.stats.logodds import LogOddsBeta
from campaignkit.ab.stats.tails import (
    beta_quantile,
    chi_square_tail,
    normal_p_value,
    normal_quantile,
    normal_tail,
    t_p_value,
    t_quantile,
    t_tail,
)

DEGREES = [1, 1.3, 2, 3, 7.77, 20, 55.5, 300, 983.33, 12345.6, 1e5, 1e6]
TAILS = [0.4, 0.1, 0.025, 1e-3, 1e-10, 1e-50, 1e-300]


def exact_t_tail(t, df):
    """Return the tail of Student's t by quadrature of cosh(w)^-df, with sinh(w) = t / sqrt(df)."""
    nu = mpmath.mpf(df)
    start = mpmath.asinh(mpmath.mpf(t) / mpmath.sqrt(nu))
    top = mpmath.log(mpmath.cosh(start))
    scale = 1 / (nu * mpmath.tanh(start) + mpmath.sqrt(nu))
    rest = mpmath.quad(
        lambda v: mpmath.exp(-nu * (mpmath.log(mpmath.cosh(start + v)) - top)),
        [scale * step for step in (0, 2, 5, 10, 20, 40, 80)],
    )
    height = mpmath.exp(mpmath.loggamma((nu + 1) / 2) - mpmath.loggamma(nu / 2) - nu * top)
    return height / mpmath.sqrt(mpmath.pi) * rest


@pytest.fixture(autouse=True)
def digits():
    """Give mpmath 25 digits."""
    with mpmath.workdps(25):
        yield


@pytest.mark.parametrize(
    ("t", "df"), [(0.3, 1), (1e290, 1), (8, 2.5), (36, 55.5), (2, 983.33), (30, 12345.6), (37, 1e6)]
)
def test_t_tail_is_exact(t, df):
    """The tail of t keeps its digits however far out, and for a million degrees of freedom."""
    assert t_tail(t, df) == pytest.approx(float(exact_t_tail(t, df)), rel=5e-12, abs=0)


@pytest.mark.parametrize("df", DEGREES)
def test_t_tail_agrees_with_scipy(df):
    """Where scipy is exact, the tail of t is the same."""
    for t in (0, 0.01, 0.7, 1.96, 4, 12):
        assert t_tail(t, df) == pytest.approx(stats.t.sf(t, df), rel=1e-11, abs=0)
        assert t_tail(-t, df) == pytest.approx(1 - t_tail(t, df))


@pytest.mark.parametrize("df", DEGREES)
@pytest.mark.parametrize("tail", TAILS)
def test_t_quantile_undoes_the_tail(tail, df):
    """The quantile of t is the place of the tail."""
    assert t_tail(t_quantile(tail, df), df) == pytest.approx(tail, rel=1e-11, abs=0)


@pytest.mark.parametrize("df", range(1, 21))
def test_chi_square_tail_is_exact(df):
    """The tail of chi-square keeps its digits however far out."""
    for x in (0, 1e-9, 0.1, 1, 5, 20, 50, 200, 700, 1300):
        exact = float(mpmath.gammainc(mpmath.mpf(df) / 2, mpmath.mpf(x) / 2, mpmath.inf, regularized=True))
        assert chi_square_tail(x, df) == pytest.approx(exact, rel=1e-12, abs=0)


def test_normal_tail_and_quantile_are_exact():
    """The tail of the normal distribution keeps its digits, and the quantile finds its place."""
    for z in (-5, 0, 0.1, 1.96, 5, 20, 37):
        exact = float(mpmath.erfc(z / mpmath.sqrt(2)) / 2)
        assert normal_tail(z) == pytest.approx(exact, rel=1e-12, abs=0)
    for tail in TAILS:
        assert normal_tail(normal_quantile(tail)) == pytest.approx(tail, rel=1e-12, abs=0)


def test_sides_of_a_p_value():
    """A large statistic speaks for larger, and against smaller."""
    assert t_p_value(2.0, 10, "larger") == pytest.approx(stats.t.sf(2, 10))
    assert t_p_value(2.0, 10, "smaller") == pytest.approx(stats.t.cdf(2, 10))
    assert t_p_value(2.0, 10, "two-sided") == pytest.approx(2 * stats.t.sf(2, 10))
    assert normal_p_value(2.0, "larger") == pytest.approx(stats.norm.sf(2))
    assert normal_p_value(2.0, "smaller") == pytest.approx(stats.norm.cdf(2))


@given(st.floats(-30, 30), st.sampled_from(DEGREES))
def test_one_sided_p_values_make_the_two_sided_one(value, df):
    """The two-sided p-value is twice the smaller of the others, which are 1 together."""
    for p_value in (normal_p_value, lambda t, side: t_p_value(t, df, side)):
        larger, smaller = p_value(value, "larger"), p_value(value, "smaller")
        assert larger + smaller == pytest.approx(1)
        assert p_value(value, "two-sided") == pytest.approx(2 * min(larger, smaller), rel=1e-9)


@pytest.mark.parametrize(
    ("a", "b"), [(1, 1), (0.5, 0.5), (1, 10), (3, 48), (121, 2381), (500, 3), (30_001, 970_001), (1, 10**9)]
)
def test_beta_quantile_undoes_the_distribution(a, b):
    """The share below which a beta distribution is so often, from either end."""
    for tail in (0.4, 0.025, 1e-6):
        assert special.betainc(a, b, beta_quantile(tail, a, b)) == pytest.approx(tail, rel=1e-7)
        assert beta_quantile(tail, a, b, upper=True) == pytest.approx(1 - beta_quantile(tail, b, a), rel=1e-12)


@pytest.mark.parametrize(("a", "b"), [(1, 1), (0.5, 0.5), (0.01, 0.01), (0.5, 200.5), (121, 2381), (500, 3)])
def test_both_sides_of_a_beta_distribution_are_one(a, b):
    """What is below and what is above a place is everything, and mirrored when the parameters are."""
    beta, mirrored = LogOddsBeta(a, b), LogOddsBeta(b, a)
    for u in (-20.0, -1.0, 0.0, 0.3, 2.0, 40.0):
        assert beta.below(u) + beta.above(u) == pytest.approx(1, rel=1e-12)
        assert beta.below(u) == pytest.approx(mirrored.above(-u), rel=1e-12)
        assert beta.above(u) == pytest.approx(special.betainc(b, a, special.expit(-beta.peak - u)), rel=1e-9)


def test_quantile_near_the_middle():
    """A quantile may be on either side of the peak."""
    beta = LogOddsBeta(2, 60)
    for tail in (0.3, 0.49, 0.55, 0.9):
        assert beta.below(beta.lower_quantile(tail)) == pytest.approx(tail)


def test_the_rule_integrates_polynomials():
    """Sixteen points are exact for degree 31, and for degree 15 up to each of them."""
    points, weights, partial = rule()
    for degree in (0, 1, 8, 30, 31):
        whole = sum(w * x**degree for x, w in zip(points, weights, strict=True))
        assert whole == pytest.approx((1 - (-1) ** (degree + 1)) / (degree + 1), abs=1e-14)
    for x, row in zip(points, partial, strict=True):
        upto = sum(w * y**15 for y, w in zip(points, row, strict=True))
        assert upto == pytest.approx((x**16 - 1) / 16, abs=1e-14)


@pytest.mark.parametrize("z", [1e-3, 0.5, 1, 14.9, 15, 15.1, 1e3, 1e9])
def test_stirlings_rest(z):
    """It is what Stirling's formula leaves out."""
    big = mpmath.mpf(z)
    exact = mpmath.loggamma(big) - ((big - 0.5) * mpmath.log(big) - big + mpmath.log(2 * mpmath.pi) / 2)
    assert stirling_rest(z) == pytest.approx(float(exact), rel=1e-12, abs=1e-15)
    assert math.isfinite(stirling_rest(z))
