"""Promises of means by themselves: Student's interval, the ratio of two, which is the best."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate
from scipy import stats as oracle

from campaignkit.ab.stats import best_mean, mean, mean_ratio
from campaignkit.ab.values import Moments


def spent(seed, n, most=20.0):
    """Return what people spent: most nothing."""
    chance = random.Random(seed)  # noqa: S311 - seeded
    return [chance.uniform(0, most) if chance.random() < 0.1 else 0.0 for _ in range(n)]


@pytest.mark.parametrize("n", [2, 5, 40, 3000])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_a_mean_has_students_interval(n, confidence):
    """The interval of a mean is that of scipy's t distribution."""
    values = [*spent(n, n - 1), 3.0]
    found = mean(Moments.of(values), confidence=confidence)
    expected = oracle.t.interval(confidence, n - 1, np.mean(values), oracle.sem(values))
    assert (found.lower, found.upper) == pytest.approx(expected, rel=1e-9)
    assert found.value == pytest.approx(np.mean(values))


def test_the_ratio_is_by_the_delta_method():
    """Value and interval of a ratio are those of the formula, worked out with numpy."""
    a, b = spent(1, 800), spent(2, 900, most=30.0)
    found = mean_ratio(Moments.of(a), Moments.of(b), confidence=0.9)
    ratio = np.mean(b) / np.mean(a)
    error = np.sqrt(oracle.sem(b) ** 2 + ratio**2 * oracle.sem(a) ** 2) / np.mean(a)
    half = oracle.norm.ppf(0.95) * error
    assert (found.value, found.lower, found.upper) == pytest.approx((ratio - 1, ratio - 1 - half, ratio - 1 + half))


def test_two_means_are_ranked_as_the_normal_distribution_says():
    """Of two means the odds are one normal tail, and the expected loss has a closed form."""
    a, b = spent(3, 500), spent(4, 600, most=26.0)
    found = best_mean([Moments.of(a), Moments.of(b)])
    gap, error = np.mean(b) - np.mean(a), np.hypot(oracle.sem(a), oracle.sem(b))
    assert found.prob_best[1] == pytest.approx(oracle.norm.cdf(gap / error), rel=1e-9)
    loss = error * oracle.norm.pdf(gap / error) - gap * oracle.norm.sf(gap / error)
    assert found.expected_loss == pytest.approx((gap + loss, loss), rel=1e-7)


def test_several_means_are_ranked_as_an_integral_says():
    """Of three means, one much less sure than the others, the odds are those of scipy's quadrature."""
    arms = [spent(5, 400), spent(6, 5000), spent(7, 40, most=35.0)]
    found = best_mean([Moments.of(each) for each in arms])
    beliefs = [oracle.norm(np.mean(each), oracle.sem(each)) for each in arms]
    for place, belief in enumerate(beliefs):
        others = [each for i, each in enumerate(beliefs) if i != place]
        expected, _ = integrate.quad(
            lambda x, one=belief, rest=others: one.pdf(x) * np.prod([each.cdf(x) for each in rest]),
            *belief.interval(1 - 1e-15),
            epsabs=1e-12,
            limit=500,
        )
        assert found.prob_best[place] == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=5))
def test_less_is_the_mirror_of_more(seeds):
    """Where less is better the odds are those of the means turned round; they add up to 1, no loss is below 0."""
    arms = [Moments.of([*spent(seed, 50), 1.0]) for seed in seeds]
    turned = [Moments(n=each.n, total=-each.total, squares=each.squares) for each in arms]
    less, more = best_mean(arms, lower_is_better=True), best_mean(turned)
    assert less.prob_best == pytest.approx(more.prob_best)
    assert sum(less.prob_best) == pytest.approx(1)
    assert min(less.expected_loss) >= 0


def test_what_does_not_vary_has_no_odds():
    """Nobody, one person and equal values: None, with the reason where there is room for one."""
    some = Moments.of([1.0, 2.0])
    for few, why in (
        (Moments.of([]), "nobody"),
        (Moments.of([1.0]), "two people"),
        (Moments.of([2.0] * 5), "variance"),
    ):
        assert best_mean([some, few]) is None
        assert why in mean(few).missing
        assert mean(few).lower is None
    assert (Moments.of([]).mean, Moments.of([1.0, 2.0]).mean) == (None, 1.5)
    assert "nobody" in mean_ratio(Moments.of([]), some).missing
    assert "not above 0" in mean_ratio(Moments.of([0.0, 0.0]), some).missing
    assert "two people" in mean_ratio(Moments.of([1.0]), some).missing
    assert "variance" in mean_ratio(Moments.of([1.0, 1.0]), Moments.of([2.0, 2.0])).missing
