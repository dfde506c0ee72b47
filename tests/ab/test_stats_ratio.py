"""Sample ratios: against scipy, again after every batch, and what they refuse."""

from __future__ import annotations

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from campaignkit.ab.stats import sample_ratio, sample_ratio_sequence
from campaignkit.errors import InvalidValue

groups = st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 20)), min_size=2, max_size=9)


@given(groups)
def test_sample_ratios_agree_with_scipy(groups):
    """The test of sizes is scipy's chi-square."""
    observed, shares = zip(*groups, strict=True)
    if not sum(observed):
        return
    found = sample_ratio(observed, shares)
    expected = stats.chisquare(observed, [sum(observed) * share / sum(shares) for share in shares])
    assert (found.statistic, found.p_value) == pytest.approx(
        (expected.statistic, expected.pvalue), rel=1e-9, abs=1e-300
    )
    assert found.df == len(groups) - 1


def test_an_exact_split_is_beyond_doubt():
    """Groups of exactly their size have p-value 1, to the last digit."""
    assert sample_ratio([2500, 2500, 45_000], [0.05, 0.05, 0.9]).p_value == pytest.approx(1)
    assert sample_ratio([5, 5], [1, 1]).p_value == 1


def test_a_group_without_a_share():
    """An empty group that was to be empty is left out; one that is not empty is a mismatch by itself."""
    assert sample_ratio([260, 240, 0], [1, 1, 0]) == sample_ratio([260, 240], [1, 1])
    found = sample_ratio([260, 240, 1], [1, 1, 0])
    assert (found.p_value, found.statistic, found.df) == (0, None, 1)
    assert found.missing == "somebody is in a group whose share is 0"


@pytest.mark.parametrize(
    ("observed", "shares", "missing"),
    [
        ([0, 0], [1, 1], "nobody to count"),
        ([7], [1], "only one group has a share"),
        ([7, 0], [1, 0], "only one group has a share"),
    ],
)
def test_nothing_to_compare_is_none_with_a_reason(observed, shares, missing):
    """Without people or without a second group there is no test."""
    found = sample_ratio(observed, shares)
    assert (found.p_value, found.statistic, found.missing) == (None, None, missing)


def exact_evidence(totals, shares, concentration):
    """Return the logarithm of the Bayes factor from Gamma functions of 60 digits."""
    with mpmath.workdps(60):
        whole = mpmath.mpf(concentration)
        parts = [mpmath.mpf(share) / sum(map(mpmath.mpf, shares)) for share in shares]
        found = mpmath.loggamma(whole) - mpmath.loggamma(whole + sum(totals))
        for count, part in zip(totals, parts, strict=True):
            found += mpmath.loggamma(whole * part + count) - mpmath.loggamma(whole * part) - count * mpmath.log(part)
        return float(found)


@pytest.mark.parametrize(
    ("totals", "shares", "concentration"),
    [
        ([260, 240], [1, 1], 10_000),
        ([50, 40, 910], [0.05, 0.05, 0.9], 1000),
        ([500_000_000, 500_100_000], [1, 1], 10_000),
        ([3, 0], [1, 1], 0.5),
        ([10**9, 0], [1, 1], 10_000),
    ],
)
def test_evidence_is_exact(totals, shares, concentration):
    """The evidence keeps its digits for a thousand million people."""
    found = sample_ratio_sequence([totals], shares, concentration=concentration)
    assert found.log_bayes_factor == pytest.approx(exact_evidence(totals, shares, concentration), rel=1e-9, abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), max_size=8))
def test_looking_again_never_raises_the_p_value(batches):
    """p-values fall or stay, and the evidence is that of all batches taken together."""
    found = sample_ratio_sequence(batches, [1, 1])
    assert list(found.p_values) == sorted(found.p_values, reverse=True)
    assert all(0 < p <= 1 for p in found.p_values)
    together = sample_ratio_sequence([[sum(part) for part in zip((0, 0), *batches, strict=True)]], [1, 1])
    assert found.log_bayes_factor == pytest.approx(together.log_bayes_factor, abs=1e-9)


def test_a_sequence_with_a_group_without_a_share():
    """Somebody where nobody was to be ends the matter; a group alone says nothing."""
    found = sample_ratio_sequence([[5, 5, 0], [5, 5, 1], [5, 5, 0]], [1, 1, 0])
    assert (found.p_values[1:], found.log_bayes_factor) == ((0, 0), None)
    assert found.missing == "somebody is in a group whose share is 0"
    alone = sample_ratio_sequence([[5, 0]], [1, 0])
    assert (alone.p_values, alone.log_bayes_factor, alone.missing) == ((1,), None, "only one group has a share")


@pytest.mark.parametrize(
    ("observed", "shares", "sentence"),
    [
        ([1, 2], [1], "observed has 2 groups and shares 1: give one share for each group"),
        ([1, -2], [1, 1], r"observed\[1\] is -2: a count is between 0"),
        ([1, 2], [1, -1], r"shares\[1\] is -1: must be a number at least 0"),
        ([1, 2], [0, 0], r"shares is \[0, 0\]: at least one must be more than 0"),
        ([], [], r"shares is \[\]: give a list"),
        ([1, 2], "11", "shares is '11': give a list"),
    ],
)
def test_what_cannot_be_is_refused(observed, shares, sentence):
    """What cannot be is refused in one sentence with value, rule and remedy."""
    with pytest.raises(InvalidValue, match=sentence):
        sample_ratio(observed, shares)
    with pytest.raises(InvalidValue, match=sentence):
        sample_ratio_sequence([observed], shares)


def test_a_concentration_is_more_than_nothing():
    """A concentration of 0 is refused."""
    with pytest.raises(InvalidValue, match="concentration is 0: must be a number more than 0"):
        sample_ratio_sequence([[1, 2]], [1, 1], concentration=0)
