"""Means: against scipy, adjusted for what was before, and where there is nothing to say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats as oracle

from campaignkit.ab.stats import cuped, welch
from campaignkit.ab.values import Moments
from campaignkit.errors import InvalidValue

amounts = st.lists(st.integers(0, 10_000).map(lambda cents: cents / 100), min_size=2, max_size=30)
sides = st.sampled_from(["two-sided", "larger", "smaller"])
THEIRS = {"two-sided": "two-sided", "larger": "greater", "smaller": "less"}


def scipys(a, b, alternative="two-sided"):
    """Return scipy's test of B against A, from means and standard deviations."""
    (mean_a, sd_a, n_a), (mean_b, sd_b, n_b) = ((np.mean(arm), np.std(arm, ddof=1), len(arm)) for arm in (a, b))
    return oracle.ttest_ind_from_stats(
        mean_b, sd_b, n_b, mean_a, sd_a, n_a, equal_var=False, alternative=THEIRS[alternative]
    )


@given(amounts, amounts, sides, st.sampled_from([0.8, 0.95, 0.999]))
def test_welchs_test_agrees_with_scipy(a, b, alternative, confidence):
    """Statistic, p-value and interval are scipy's."""
    assume(np.var(a) + np.var(b) > 1e-3)
    found = welch(Moments.of(a), Moments.of(b), confidence=confidence, alternative=alternative)
    theirs = scipys(a, b, alternative)
    low, high = oracle.t.interval(confidence, found.test.df, found.difference.value, found.difference.standard_error)

    assert found.test.statistic == pytest.approx(theirs.statistic, rel=1e-7, abs=1e-9)
    assert found.test.p_value == pytest.approx(theirs.pvalue, rel=1e-6)
    assert (found.difference.lower, found.difference.upper) == pytest.approx((low, high), rel=1e-6, abs=1e-6)
    assert found.difference.value == pytest.approx(np.mean(b) - np.mean(a), abs=1e-9)


@given(amounts, amounts)
def test_swapped_arms_mirror_the_difference(a, b):
    """B minus A is the opposite of A minus B."""
    found, swapped = welch(Moments.of(a), Moments.of(b)), welch(Moments.of(b), Moments.of(a))
    assert found.difference.value == -swapped.difference.value
    assert found.test.p_value == swapped.test.p_value
    if found.difference.lower is not None:
        assert found.difference.lower == -swapped.difference.upper


@given(st.lists(st.tuples(*[st.integers(0, 100)] * 4), min_size=3, max_size=30))
def test_cuped_agrees_with_numpy(rows):
    """Theta is the slope over everybody, and the test Welch's of what is left."""
    y_a, x_a, y_b, x_b = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    x, y = np.concatenate([x_a, x_b]), np.concatenate([y_a, y_b])
    assume(np.var(x) > 0)
    theta = np.cov(y, x, ddof=0)[0, 1] / np.var(x)
    left_a, left_b = (y_arm - theta * (x_arm - x.mean()) for y_arm, x_arm in ((y_a, x_a), (y_b, x_b)))
    assume(np.var(left_a) + np.var(left_b) > 1e-3)

    found = cuped(Moments.of(y_a, x_a), Moments.of(y_b, x_b))
    theirs = scipys(left_a, left_b)

    assert found.theta == pytest.approx(theta, abs=1e-9)
    assert (found.mean_a, found.mean_b) == pytest.approx((left_a.mean(), left_b.mean()), abs=1e-8)
    assert found.test.p_value == pytest.approx(theirs.pvalue, rel=1e-5)
    assert found.test.method == "cuped"


def test_what_was_before_makes_intervals_shorter():
    """When it foretells what comes, taking it out helps; when it says nothing, hardly anything changes."""
    before = [float(i % 10) for i in range(200)]
    after = [3 * x + (i * 7 % 5) for i, x in enumerate(before)]
    a, b = Moments.of(after, before), Moments.of([y + 0.5 for y in after], before)

    plain, adjusted = welch(a, b).difference, cuped(a, b).difference

    assert adjusted.value == pytest.approx(plain.value) == pytest.approx(0.5)
    assert adjusted.standard_error < plain.standard_error / 4


@pytest.mark.parametrize(
    ("a", "b", "value", "missing"),
    [
        ([], [1.0, 2.0], None, "a variant has nobody in it"),
        ([1.0], [1.0, 2.0], 0.5, "a variance needs two people in each variant"),
        ([0.0] * 50, [0.0] * 60, 0.0, "no variance in either variant"),
        ([0.1] * 1000, [0.3] * 1000, pytest.approx(0.2), "no variance in either variant"),
    ],
)
def test_nothing_to_say_is_none_with_a_reason(a, b, value, missing):
    """Nobody, one, or all the same: there is no test, and sums that are only rounding are no variance."""
    found = welch(Moments.of(a), Moments.of(b))
    assert (found.test.missing, found.difference.missing) == (missing, missing)
    assert found.test.p_value is found.test.statistic is found.test.df is None
    assert found.difference.lower is found.difference.upper is None
    assert found.difference.value == value


@pytest.mark.parametrize(
    ("a", "missing"),
    [
        (Moments.of([1.0, 2.0], [3.0, 3.0]), "what was before does not vary"),
        (Moments.of([1.0, 2.0]), "what was before does not vary"),
        (Moments.of([]), "a variant has nobody in it"),
    ],
)
def test_nothing_before_is_none_with_a_reason(a, missing):
    """Without anything that varied before, nothing can be taken out."""
    found = cuped(a, a)
    assert (found.test.missing, found.theta, found.difference.value) == (missing, None, None)


def test_one_arm_may_be_all_the_same():
    """Nobody of A bought anything: B alone has the variance, and its degrees of freedom."""
    found = welch(Moments.of([0.0] * 9), Moments.of([0.0, 1.0, 2.0]))
    assert found.test.df == pytest.approx(2)
    assert found.test.p_value == pytest.approx(oracle.ttest_1samp([0.0, 1.0, 2.0], 0).pvalue)


def test_moments_from_a_mean():
    """Moments can be made from what a report prints."""
    values = [1.0, 2.0, 4.0, 4.0]
    known = Moments.of(values)
    made = Moments.from_mean(np.mean(values), np.std(values, ddof=1), 4)
    assert (made.n, made.total, made.squares) == pytest.approx((known.n, known.total, known.squares))
    assert Moments.from_mean(3.0, None, 1).squares == 9


@pytest.mark.parametrize(
    ("moments", "sentence"),
    [
        (Moments(n=-1, total=0, squares=0), "a.n is -1: a count is between 0"),
        (Moments(n=2, total=math.nan, squares=0), "a.total is nan: must be a number; give a finite one"),
        (Moments(n=2, total=1, squares=math.inf), "a.squares is inf: must be a number"),
    ],
)
@pytest.mark.parametrize("function", [welch, cuped])
def test_what_cannot_be_is_refused(function, moments, sentence):
    """What cannot be is refused in one sentence with value, rule and remedy."""
    with pytest.raises(InvalidValue, match=sentence):
        function(moments, Moments.of([1.0, 2.0]))


def test_a_side_and_a_confidence_are_checked():
    """A word or a level that is none is refused."""
    a = Moments.of([1.0, 2.0], [1.0, 3.0])
    with pytest.raises(InvalidValue, match="alternative is 'up': not one we know"):
        cuped(a, a, alternative="up")
    with pytest.raises(InvalidValue, match="confidence is 2: must be more than 0 and less than 1"):
        welch(a, a, confidence=2)
