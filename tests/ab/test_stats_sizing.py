"""Sizes, power and what can be shown: each undoes the other, and all agree with statsmodels."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from statsmodels.stats import power as oracle
from statsmodels.stats.proportion import power_proportions_2indep

from campaignkit.ab.stats import detectable, power, sample_size
from campaignkit.errors import InvalidValue

rates = st.floats(0.001, 0.999)
methods = st.sampled_from(["pooled", "unpooled", "cohen_h"])
ratios = st.sampled_from([0.25, 1.0, 3.0])
sides = st.sampled_from(["two-sided", "larger", "smaller"])

LIFTS = {  # people of each arm: the smallest lift in percent, for rates of A of 0.5, 2, 5, 10 and 20 %
    250: (769, 263, 139, 88, 54),
    500: (446, 166, 92, 59, 38),
    2500: (147, 63, 37, 25, 16),
    5000: (96, 43, 26, 17, 11),
    25_000: (39, 18, 11, 8, 5),
    50_000: (27, 13, 8, 5, 4),
}


@pytest.mark.parametrize("people", LIFTS)
def test_what_ten_percent_can_show(people):
    """The smallest lift that a size shows with 80 % power is that of the published table."""
    found = [round(100 * (detectable(rate, people) / rate - 1)) for rate in (0.005, 0.02, 0.05, 0.1, 0.2)]
    assert found == list(LIFTS[people])


@given(rates, rates, st.integers(5, 100_000), ratios)
def test_power_agrees_with_statsmodels(p_a, p_b, people, ratio):
    """The power of the pooled test is that of statsmodels."""
    assume(abs(p_a - p_b) > 1e-6)
    theirs = power_proportions_2indep(p_a - p_b, p_b, people, ratio).power
    assert power(p_a, p_b, people, ratio=ratio) == pytest.approx(theirs, rel=1e-9)


@given(rates, rates, st.integers(5, 100_000), ratios, sides)
def test_power_by_cohen_agrees_with_statsmodels(p_a, p_b, people, ratio, alternative):
    """The power for Cohen's h is that of statsmodels."""
    effect = 2 * (math.asin(math.sqrt(p_b)) - math.asin(math.sqrt(p_a)))
    theirs = oracle.normal_power_het(effect, people, 0.05, math.sqrt(1 + 1 / ratio), alternative=alternative)
    found = power(p_a, p_b, people, ratio=ratio, method="cohen_h", alternative=alternative)
    assert found == pytest.approx(theirs, rel=1e-9, abs=1e-300)


@given(rates, rates, st.tuples(ratios, methods, sides), st.sampled_from([0.5, 0.8, 0.95]))
def test_the_size_is_just_enough(p_a, p_b, design, wanted):
    """The size that is asked for has the power, and one person fewer has not."""
    ratio, method, alternative = design
    people = sample_size(p_a, p_b, ratio=ratio, power=wanted, method=method, alternative=alternative)
    if people is None:
        assert p_a == p_b or (p_b > p_a) != (alternative == "larger")
        return
    enough, few = (
        power(p_a, p_b, n, ratio=ratio, method=method, alternative=alternative) for n in (people, people - 1)
    )
    assert enough >= wanted * (1 - 1e-9)
    if alternative != "two-sided" and people > 1:  # the other side of a two-sided test adds a little
        assert few < wanted * (1 + 1e-9)


@given(rates, st.integers(20, 1_000_000), ratios, methods, st.booleans())
def test_what_can_be_shown_needs_the_size(p_a, people, ratio, method, down):
    """The nearest rate that a size shows is one for which that size is asked."""
    rate = detectable(p_a, people, ratio=ratio, method=method, down=down)
    if rate is None:
        return
    assert (rate < p_a) == down
    assert sample_size(p_a, rate, ratio=ratio, method=method) == pytest.approx(people, rel=1e-6, abs=1)


@given(rates, st.integers(20, 1_000_000))
def test_more_people_show_smaller_differences(p_a, people):
    """Twice the people show a rate that is nearer."""
    few, many = detectable(p_a, people), detectable(p_a, 2 * people)
    assert few is None or p_a < many < few


def test_what_no_size_shows():
    """The same rate, a wrong side, a rate that cannot be passed: None, never infinity."""
    assert sample_size(0.05, 0.05) is None
    assert sample_size(0.05, 0.06, alternative="smaller") is None
    assert sample_size(0.0, 5e-324) is None
    assert detectable(1.0, 1000) is None
    assert detectable(0.0, 1000, down=True) is None
    assert detectable(0.5, 0) is None
    assert detectable(0.01, 2) is None


def test_the_ends_of_all_rates():
    """Rates of 0 and 1 are rates too."""
    assert sample_size(0, 1, method="unpooled") == 1
    assert power(0, 1, 100) == 1
    assert power(0, 1, 1) == 0
    assert power(0, 0, 100) is None
    assert power(0.1, 0.2, 0) is None
    assert detectable(0.0, 1000) == pytest.approx(0.0078, abs=1e-4)
    assert detectable(1.0, 1000, down=True) == pytest.approx(1 - detectable(0.0, 1000))


def test_a_test_of_the_same_rates_is_significant_as_often_as_alpha_says():
    """Where there is no difference the power is alpha."""
    assert power(0.1, 0.1, 500, alpha=0.05) == pytest.approx(0.05)
    assert power(0.1, 0.1, 500, alpha=0.05, alternative="larger") == pytest.approx(0.05)


def test_one_side_is_easier():
    """A test of one side needs fewer people, and has no power for the other."""
    assert sample_size(0.05, 0.06, alternative="larger") < sample_size(0.05, 0.06)
    assert power(0.05, 0.06, 10_000, alternative="smaller") < 1e-4


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: sample_size(5, 6), "p_a is 5: must be from 0 to 1; write 5 % as 0.05"),
        (lambda: sample_size(0.1, 0.2, power=0.05), "power is 0.05: must be more than 0.05 and less than 1"),
        (lambda: sample_size(0.1, 0.2, alpha=0), "alpha is 0: must be more than 0 and less than 1"),
        (lambda: sample_size(0.1, 0.2, ratio=0), "ratio is 0: must be a number more than 0"),
        (lambda: sample_size(0.1, 0.2, method="cohen"), "method is 'cohen': not one we know; nearest: cohen_h"),
        (lambda: power(0.1, 0.2, 10, alternative="both"), "alternative is 'both': not one we know"),
        (lambda: power(0.1, 0.2, -1), "n_a is -1: a count is between 0"),
        (lambda: detectable(-0.1, 10), "p_a is -0.1: must be from 0 to 1"),
        (lambda: detectable(0.1, 10.5), "n_a is 10.5: a count is a whole number"),
    ],
)
def test_what_cannot_be_is_refused(call, sentence):
    """What cannot be is refused in one sentence with value, rule and remedy."""
    with pytest.raises(InvalidValue, match=sentence):
        call()
