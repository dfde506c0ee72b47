"""Rates and their differences: against scipy and statsmodels, the laws they keep, and what they refuse."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats as oracle
from statsmodels.stats import proportion

from campaignkit.ab.stats import clopper_pearson, difference, lift, non_inferiority, two_proportion_test, wilson
from campaignkit.errors import InvalidValue

arms = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
small_arms = st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
levels = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99, 0.9999])
sides = st.sampled_from(["two-sided", "larger", "smaller"])
THEIRS = {"two-sided": "two-sided", "larger": "greater", "smaller": "less"}


# --- one rate ----------------------------------------------------------------------------------


@given(arms, levels)
def test_intervals_of_a_rate_agree_with_scipy(arm, confidence):
    """Wilson's and Clopper and Pearson's intervals are scipy's."""
    theirs = oracle.binomtest(*arm)
    for ours, method in ((wilson, "wilson"), (clopper_pearson, "exact")):
        found = ours(*arm, confidence=confidence)
        expected = theirs.proportion_ci(confidence, method)
        assert (found.lower, found.upper) == pytest.approx((expected.low, expected.high), rel=1e-8, abs=1e-12)
        assert 0 <= found.lower <= found.value <= found.upper <= 1


@given(arms, levels)
def test_intervals_of_a_rate_are_mirrored(arm, confidence):
    """Who did not do it have the same interval, from the other end."""
    x, n = arm
    for function in (wilson, clopper_pearson):
        found, mirrored = function(x, n, confidence=confidence), function(n - x, n, confidence=confidence)
        assert found.lower == pytest.approx(1 - mirrored.upper, abs=1e-12)


@given(arms, st.integers(2, 1000))
def test_more_people_make_intervals_shorter(arm, times):
    """The same rate among more people is known better."""
    x, n = arm
    for function in (wilson, clopper_pearson):
        few, many = function(x, n), function(times * x, times * n)
        assert many.upper - many.lower < few.upper - few.lower


def test_a_rate_of_a_thousand_million():
    """Nothing of a large count is lost: the upper end of 0 among 1e9 has all its digits."""
    assert wilson(0, 10**9).upper == pytest.approx(3.8414588059e-09, rel=1e-9)
    assert clopper_pearson(0, 10**9).upper == pytest.approx(-math.expm1(math.log(0.025) / 1e9), rel=1e-9)
    assert clopper_pearson(10**9, 10**9).lower == pytest.approx(math.exp(math.log(0.025) / 1e9), rel=1e-15)


# --- two rates ---------------------------------------------------------------------------------


@given(arms, arms, levels)
def test_differences_agree_with_statsmodels(a, b, confidence):
    """Newcombe's and Wald's intervals are those of statsmodels."""
    for ours, theirs in (("newcombe", "newcomb"), ("wald", "wald")):
        found = difference(*a, *b, method=ours, confidence=confidence)
        if found.lower is not None:
            expected = proportion.confint_proportions_2indep(
                *b, *a, theirs, "diff", alpha=1 - confidence, correction=False
            )
            assert (found.lower, found.upper) == pytest.approx(expected, rel=1e-8, abs=1e-10)


@given(arms, arms, levels)
def test_swapped_arms_mirror_the_difference(a, b, confidence):
    """B minus A is the opposite of A minus B, to the last digit."""
    for method in ("newcombe", "wald"):
        found = difference(*a, *b, method=method, confidence=confidence)
        swapped = difference(*b, *a, method=method, confidence=confidence)
        assert found.value == -swapped.value
        if found.lower is not None:
            assert (found.lower, found.upper) == (-swapped.upper, -swapped.lower)


@given(arms, arms, st.integers(2, 100))
def test_more_people_make_differences_clearer(a, b, times):
    """The same two rates among more people differ more certainly."""
    few = difference(*a, *b)
    many = difference(*(times * count for count in (*a, *b)))
    assert many.upper - many.lower < few.upper - few.lower
    assert few.lower <= few.value <= few.upper
    assert few.lower >= -1
    assert few.upper <= 1


@given(arms, arms, levels)
def test_swapped_arms_invert_the_lift(a, b, confidence):
    """By Katz's method A over B is 1 over B over A, and never less than nothing."""
    assume(a[0] and b[0])
    found, swapped = lift(*a, *b, confidence=confidence), lift(*b, *a, confidence=confidence)
    assert 1 + found.value == pytest.approx(1 / (1 + swapped.value))
    if found.lower is not None:
        assert 1 + found.lower == pytest.approx(1 / (1 + swapped.upper))
        assert -1 < found.lower < found.value < found.upper


@given(arms, arms, levels)
def test_fiellers_limits_solve_his_equation(a, b, confidence):
    """At Fieller's limits the ratio is just significantly wrong; a bounded set holds the lift."""
    found = lift(*a, *b, method="fieller", confidence=confidence)
    if found.lower is None:
        assert found.kind in {"unbounded", "degenerate"}
        return
    z = oracle.norm.isf((1 - confidence) / 2)
    (p_a, v_a), (p_b, v_b) = ((x / n, x * (n - x) / n**3) for x, n in (a, b))
    for limit in (found.lower, found.upper):
        ratio = 1 + limit
        scale = p_b**2 + ratio**2 * p_a**2
        assert (p_b - ratio * p_a) ** 2 == pytest.approx(z * z * (v_b + ratio**2 * v_a), abs=1e-7 * scale)
    if found.kind == "bounded":
        assert found.lower <= found.value + 1e-12
        assert found.value - 1e-12 <= found.upper


@given(small_arms, small_arms, sides)
def test_fishers_test_agrees_with_scipy(a, b, alternative):
    """Fisher's p-value is scipy's for every small table."""
    found = two_proportion_test(*a, *b, method="fisher", alternative=alternative)
    table = [[b[0], b[1] - b[0]], [a[0], a[1] - a[0]]]
    assert found.p_value == pytest.approx(oracle.fisher_exact(table, THEIRS[alternative]).pvalue, rel=1e-8)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((30, 100_000), (60, 100_000)),
        ((5000, 100_000), (5300, 90_000)),
        ((2, 10), (100_000, 900_000)),
        ((400, 1000), (600, 1000)),
        ((900, 1000), (20, 1000)),
    ],
)
@pytest.mark.parametrize("alternative", THEIRS)
def test_fishers_test_of_large_tables_agrees_with_scipy(a, b, alternative):
    """Fisher's p-value is scipy's for large tables, in far tails too."""
    found = two_proportion_test(*a, *b, method="fisher", alternative=alternative)
    table = [[b[0], b[1] - b[0]], [a[0], a[1] - a[0]]]
    assert found.p_value == pytest.approx(oracle.fisher_exact(table, THEIRS[alternative]).pvalue, rel=1e-6, abs=0)


def test_fishers_test_of_what_cannot_be_chance():
    """What is beyond the smallest float is 0, and the other side everything."""
    assert two_proportion_test(0, 100_000, 100_000, 100_000, method="fisher").p_value == 0
    assert two_proportion_test(0, 9999, 9999, 9999, method="fisher", alternative="smaller").p_value == 1


@given(arms, arms)
def test_swapped_arms_have_the_same_p_value(a, b):
    """Which arm is called A is no matter, but for the sign."""
    for method in (None, "pooled", "unpooled", "corrected", "fisher"):
        found = two_proportion_test(*a, *b, method=method)
        swapped = two_proportion_test(*b, *a, method=method)
        assert found.missing == swapped.missing
        if found.statistic is not None:
            assert found.statistic == -swapped.statistic
        if found.p_value is not None:
            assert found.p_value == pytest.approx(swapped.p_value, rel=1e-9)


@pytest.mark.parametrize(
    ("counts", "method"),
    [
        ((5, 100, 5, 100), "pooled"),
        ((4, 100, 5, 100), "fisher"),
        ((95, 100, 96, 100), "fisher"),
        ((5, 10, 500_000, 1_000_000), "pooled"),
        ((5, 9, 500_000, 1_000_000), "fisher"),
        ((0, 2500, 9, 2500), "fisher"),
    ],
)
def test_few_expected_are_tested_exactly(counts, method):
    """Fewer than five expected in a cell make it Fisher's test."""
    assert two_proportion_test(*counts).method == method


# --- guardrails --------------------------------------------------------------------------------


@given(arms, arms, st.sampled_from([0, 0.001, 0.02, 0.3]), st.sampled_from([0.8, 0.95, 0.99]))
def test_a_guardrail_reads_newcombes_bounds(a, b, margin, confidence):
    """Each bound is that of the two-sided interval with both tails; harm is never safe."""
    found = non_inferiority(*a, *b, margin=margin, confidence=confidence)
    both = difference(*a, *b, confidence=2 * confidence - 1)
    assert (found.increase, found.lower, found.upper) == pytest.approx((both.value, both.lower, both.upper), abs=1e-12)
    assert found.safe == (found.upper < margin)
    assert found.harmful == (found.lower > margin)
    assert not (found.safe and found.harmful)


@given(arms, arms, st.sampled_from([0, 0.001, 0.02, 0.3]))
def test_a_guardrail_for_what_should_be_high(a, b, margin):
    """That fewer did it is that more did not."""
    found = non_inferiority(*a, *b, margin=margin, higher_is_better=True)
    mirrored = non_inferiority(a[1] - a[0], a[1], b[1] - b[0], b[1], margin=margin)
    assert (found.increase, found.lower, found.upper) == pytest.approx(
        (-mirrored.increase, -mirrored.upper, -mirrored.lower), abs=1e-12
    )
    assert (found.statistic is None) == (mirrored.statistic is None)
    if found.statistic is not None:
        assert found.p_value == pytest.approx(mirrored.p_value, rel=1e-6, abs=1e-12)


def test_a_guardrail_shows_harm():
    """A guardrail can be safe, harmful, or open; also where nothing happened."""
    harm = non_inferiority(30, 25_000, 130, 25_000, margin=0.001)
    assert (harm.safe, harm.harmful) == (False, True)
    assert harm.p_value > 0.99
    none = non_inferiority(0, 25_000, 0, 25_000, margin=0.001)
    assert (none.safe, none.statistic, none.missing) == (True, None, "no variance in either variant")
    nobody = non_inferiority(0, 0, 0, 10, margin=0.001)
    assert (nobody.safe, nobody.harmful, nobody.lower, nobody.missing) == (
        False,
        False,
        None,
        "a variant has nobody in it",
    )


# --- nothing to say ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "missing"),
    [
        (wilson(0, 0), "nobody to count"),
        (clopper_pearson(0, 0), "nobody to count"),
        (difference(0, 0, 1, 2), "a variant has nobody in it"),
        (difference(0, 5, 7, 7, method="wald"), "no variance in either variant"),
        (lift(1, 2, 0, 0), "a variant has nobody in it"),
        (lift(0, 2, 1, 3), "nobody of A did it"),
        (lift(0, 2, 1, 3, method="delta"), "nobody of A did it"),
        (lift(1, 2, 0, 3), "nobody of B did it"),
        (lift(1, 2, 0, 3, method="delta"), "nobody of B did it"),
        (lift(2, 2, 3, 3), "everybody did it in both variants"),
        (lift(2, 2, 3, 3, method="delta"), "everybody did it in both variants"),
        (lift(2, 2, 3, 3, method="fieller"), "everybody did it in both variants"),
        (lift(1, 2, 0, 3, method="fieller"), "nobody of B did it"),
        (lift(0, 2, 1, 3, method="fieller"), "nobody of A did it"),
        (lift(1, 3, 1, 3, method="fieller", confidence=0.999), "too few did it for any limits"),
        (two_proportion_test(0, 0, 1, 2), "a variant has nobody in it"),
        (two_proportion_test(0, 2, 0, 2), "nobody did it in either variant"),
        (two_proportion_test(2, 2, 2, 2), "everybody did it in both variants"),
        (two_proportion_test(0, 2, 0, 2, method="pooled"), "nobody did it in either variant"),
        (two_proportion_test(2, 2, 0, 2, method="unpooled"), "no variance in either variant"),
    ],
)
def test_nothing_to_say_is_none_with_a_reason(found, missing):
    """Where there is nothing to say there is None and why, never 0, 1 or infinity."""
    assert found.missing == missing
    if hasattr(found, "p_value"):
        assert found.p_value is found.statistic is None


def test_an_interval_of_no_confidence_is_the_rate():
    """The least confidence leaves the rate alone, at 0 too."""
    for x in (0, 3, 10):
        found = wilson(x, 10, confidence=1e-20)
        assert (found.lower, found.upper) == pytest.approx((x / 10, x / 10))


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: wilson(3, 2), "x is 3 of n = 2: no more can have done it than there are; count each person once"),
        (lambda: wilson(-1, 2), r"x is -1: a count is between 0 and 2\*\*53; give how many people"),
        (lambda: wilson(1.5, 2), "x is 1.5: a count is a whole number; give how many people"),
        (lambda: wilson(bool(1), 2), "x is True: a count is a whole number; give how many people"),
        (lambda: wilson(math.nan, 2), "x is nan: a count is a whole number"),
        (lambda: wilson(math.inf, 2), "x is inf: a count is a whole number"),
        (lambda: wilson("1", 2), "x is '1': a count is a whole number"),
        (lambda: wilson(None, 2), "x is None: a count is a whole number"),
        (lambda: wilson(1, 2**53 + 2), "n is 9007199254740994: a count is between 0"),
        (
            lambda: wilson(1, 2, confidence=1),
            "confidence is 1: must be more than 0 and less than 1; write 95 % as 0.95",
        ),
        (lambda: clopper_pearson(1, 2, confidence=95), "confidence is 95: must be more than 0 and less than 1"),
        (lambda: wilson(1, 2, confidence=math.nan), "confidence is nan: must be a number; give a finite one"),
        (lambda: wilson(1, 2, confidence="0.9"), "confidence is '0.9': must be a number; give a finite one"),
        (lambda: difference(1, 2, 3, 2), "x_b is 3 of n_b = 2: no more can have done it"),
        (lambda: difference(1, 2, 1, 2, method="score"), "method is 'score': not one we know; nearest: newcombe, wald"),
        (lambda: lift(1, 2, 1, 2, method="kats"), "method is 'kats': not one we know; nearest: katz"),
        (lambda: two_proportion_test(1, 2, 1, 2, method="fischer"), "nearest: fisher"),
        (lambda: two_proportion_test(1, 2, 1, 2, alternative="greater"), "alternative is 'greater': not one we know"),
        (
            lambda: non_inferiority(1, 2, 1, 2, margin=-0.1),
            "margin is -0.1: must be a number at least 0; give a finite",
        ),
        (lambda: non_inferiority(1, 2, 1, 2, margin=[]), r"margin is \[\]: must be a number at least 0"),
        (lambda: non_inferiority(1, 2, 1, 2, margin=0, confidence=0.5), "confidence is 0.5: must be more than 0.5 and"),
    ],
)
def test_what_cannot_be_is_refused(call, sentence):
    """What cannot be is refused in one sentence with value, rule and remedy."""
    with pytest.raises(InvalidValue, match=sentence):
        call()


def test_counts_may_be_whole_numbers_of_any_kind():
    """A whole number of a frame, 5.0 or numpy's, is a count."""
    assert wilson(5.0, 10.0) == wilson(5, 10)
    assert type(wilson(5.0, 10).value) is float
