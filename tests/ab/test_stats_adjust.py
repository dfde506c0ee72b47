"""Adjusted p-values: against what defines them, and the laws they keep."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from campaignkit.ab.stats import benjamini_hochberg, bonferroni, hochberg, holm
from campaignkit.errors import InvalidValue

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)
few_p_values = st.lists(st.floats(0, 1), min_size=1, max_size=7)
METHODS = (bonferroni, holm, hochberg, benjamini_hochberg)


@given(few_p_values)
def test_holms_method_is_bonferronis_for_every_set_of_tests(p_values):
    """Holm's p-value is the largest that Bonferroni's gives for any of the sets a test is in."""
    places = range(len(p_values))
    sets = [each for size in range(1, len(p_values) + 1) for each in itertools.combinations(places, size)]
    bounds = {each: min(1.0, len(each) * min(p_values[i] for i in each)) for each in sets}
    expected = tuple(max(bound for each, bound in bounds.items() if i in each) for i in places)
    assert holm(p_values) == pytest.approx(expected, rel=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12, unique=True))
def test_hochbergs_method_is_its_rule(p_values):
    """Hochberg's p-value is the least, among those as large, of the p-value times how many are as large as that."""
    expected = tuple(
        min(other * sum(each >= other for each in p_values) for other in p_values if other >= p) for p in p_values
    )
    assert hochberg(p_values) == pytest.approx(expected, rel=1e-12)


@given(p_values)
def test_benjamini_and_hochbergs_method_agrees_with_scipy(p_values):
    """What keeps the share of false findings small is scipy's."""
    assert benjamini_hochberg(p_values) == pytest.approx(tuple(stats.false_discovery_control(p_values)), rel=1e-12)


@given(p_values)
def test_bonferronis_method_multiplies(p_values):
    """Bonferroni's p-value is the p-value times the number of tests."""
    assert bonferroni(p_values) == tuple(min(1.0, len(p_values) * p) for p in p_values)


@given(p_values)
def test_adjusting_only_raises(p_values):
    """No method lowers a p-value: Benjamini and Hochberg's raise the least, then Hochberg's, Holm's, Bonferroni's."""
    rows = zip(
        p_values, *(method(p_values) for method in (benjamini_hochberg, hochberg, holm, bonferroni)), strict=True
    )
    for row in rows:
        for smaller, larger in itertools.pairwise(row):
            assert smaller <= larger * (1 + 1e-15)
        assert row[-1] <= 1


@given(p_values)
@pytest.mark.parametrize("adjust", METHODS)
def test_adjusting_keeps_the_order(adjust, p_values):
    """A smaller p-value never gets the larger adjusted one, and equals stay equal."""
    found = dict(zip(p_values, adjust(p_values), strict=True))
    ordered = [found[p] for p in sorted(found)]
    assert ordered == sorted(ordered)
    assert tuple(found[p] for p in p_values) == adjust(p_values)


@given(p_values, st.integers(0, 12))
@pytest.mark.parametrize("adjust", METHODS)
def test_what_is_no_test_does_not_count(adjust, p_values, place):
    """A None stays None in its place, and the others are as if it were not there."""
    some = [*p_values[:place], None, *p_values[place:]]
    found = list(adjust(some))
    assert found.pop(min(place, len(p_values))) is None
    assert tuple(found) == adjust(p_values)
    assert adjust([None, None]) == (None, None)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, math.nan, "0.1", True])
def test_what_is_no_probability_is_refused(wrong):
    """A p-value outside 0 to 1 is refused in a sentence that says which."""
    with pytest.raises(InvalidValue, match=r"p_values\[1\] is .*: must be"):
        holm([0.1, wrong])
