"""Intervals for every look: they hold all at once, and agree with the test beside them."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from campaignkit.ab.stats import confidence_sequence, confidence_sequence_of, difference, lift, msprt
from campaignkit.errors import InvalidValue

arms = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
alphas = st.sampled_from([0.001, 0.05, 0.2])


@given(arms, arms, alphas, st.sampled_from([100, 5000, 1e6]), st.booleans())
def test_the_interval_and_the_p_value_agree(a, b, alpha, tuning, relative):
    """The interval leaves 0 out exactly where the p-value is alpha or less; it is wider than one for a single look."""
    found = confidence_sequence(*a, *b, tuning=tuning, alpha=alpha, relative=relative)
    if found.lower is None:
        assert found.missing
        return
    assume(abs(found.p_value / alpha - 1) > 1e-9)
    assert (found.lower > 0 or found.upper < 0) == (found.p_value < alpha)
    once = (
        lift(*a, *b, method="delta", confidence=1 - alpha)
        if relative
        else difference(*a, *b, method="wald", confidence=1 - alpha)
    )
    assert found.upper - found.lower > once.upper - once.lower
    assert found.value == once.value


@given(arms, arms, alphas)
def test_swapped_arms_mirror_the_sequence(a, b, alpha):
    """B minus A is the opposite of A minus B."""
    found = confidence_sequence(*a, *b, tuning=5000, alpha=alpha)
    swapped = confidence_sequence(*b, *a, tuning=5000, alpha=alpha)
    if found.lower is not None:
        assert (found.lower, found.upper) == pytest.approx((-swapped.upper, -swapped.lower))
        assert found.p_value == pytest.approx(swapped.p_value)


@given(arms, arms, st.sampled_from([100, 5000]))
def test_any_estimate_with_a_standard_error(a, b, tuning):
    """From the difference and its standard error comes the same sequence."""
    plain = difference(*a, *b, method="wald")
    assume(plain.standard_error)
    found = confidence_sequence_of(plain.value, plain.standard_error, a[1] + b[1], tuning=tuning)
    assert found == confidence_sequence(*a, *b, tuning=tuning)


def test_looking_at_every_batch_finds_nothing_that_is_not_there():
    """Of 400 tests of equal arms, looked at 40 times each, at most one in twenty ever finds a difference."""
    draw = random.Random(7)  # noqa: S311 - a seeded simulation, no secret
    wrong = naive = 0
    for _ in range(400):
        x_a = x_b = n = 0
        first = once = False
        for _ in range(40):
            n += 250
            x_a, x_b = (x + round(max(0.0, draw.gauss(25, math.sqrt(22.5)))) for x in (x_a, x_b))
            first = first or confidence_sequence(x_a, n, x_b, n, tuning=10_000).p_value <= 0.05
            plain = difference(x_a, n, x_b, n, method="wald")
            once = once or abs(plain.value) > 1.96 * plain.standard_error
        wrong, naive = wrong + first, naive + once
    assert wrong <= 20
    assert naive > 60


@given(st.floats(-1, 1), st.floats(1e-8, 1), st.floats(1e-8, 1), alphas)
def test_the_mixture_test_and_its_interval_agree(estimate, variance, tau_squared, alpha):
    """The interval of the mixture test leaves 0 out exactly where its p-value is alpha or less."""
    found = msprt(estimate, variance, tau_squared=tau_squared, alpha=alpha)
    assume(abs(found.p_value / alpha - 1) > 1e-9)
    assert (found.lower > 0 or found.upper < 0) == (found.p_value < alpha)
    assert found.standard_error == math.sqrt(variance)


@pytest.mark.parametrize(
    ("found", "missing"),
    [
        (confidence_sequence(0, 0, 1, 2, tuning=10), "a variant has nobody in it"),
        (confidence_sequence(0, 3, 0, 2, tuning=10), "no variance in either variant"),
        (confidence_sequence(0, 3, 1, 2, tuning=10, relative=True), "nobody of A did it"),
        (confidence_sequence(1, 3, 0, 2, tuning=10, relative=True), "nobody of B did it"),
        (confidence_sequence(3, 3, 2, 2, tuning=10, relative=True), "everybody did it in both variants"),
        (confidence_sequence_of(0.1, 0, 10, tuning=10), "no variance in either variant"),
        (confidence_sequence_of(0.1, 0.1, 0, tuning=10), "a variant has nobody in it"),
        (msprt(0.1, 0, tau_squared=1), "no variance in either variant"),
    ],
)
def test_nothing_to_say_is_none_with_a_reason(found, missing):
    """Where there is no variance there is no interval, and why."""
    assert found.missing == missing
    assert found.lower is found.upper is found.p_value is found.log_e_value is None


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: confidence_sequence(1, 2, 1, 2, tuning=0), "tuning is 0: must be a number at least 1"),
        (
            lambda: confidence_sequence(1, 2, 1, 2, tuning=10, alpha=5),
            "alpha is 5: must be more than 0 and less than 1",
        ),
        (lambda: confidence_sequence_of(math.nan, 1, 2, tuning=10), "estimate is nan: must be a number"),
        (lambda: confidence_sequence_of(1, -1, 2, tuning=10), "standard_error is -1: must be a number at least 0"),
        (lambda: msprt(1, -1, tau_squared=1), "variance is -1: must be a number at least 0"),
        (lambda: msprt(1, 1, tau_squared=0), "tau_squared is 0: must be a number more than 0"),
    ],
)
def test_what_cannot_be_is_refused(call, sentence):
    """What cannot be is refused in one sentence with value, rule and remedy."""
    with pytest.raises(InvalidValue, match=sentence):
        call()
