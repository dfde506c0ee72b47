"""Whole counts from shares, ranks from keys, and turns."""

from __future__ import annotations

import json
import math
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from campaignkit.ab.allocation import (
    allocate,
    allocate_strata,
    cut_points,
    digests,
    exact_share,
    fraction,
    group_at,
    growthbook_fraction,
    hash64,
    interleave,
)
from campaignkit.errors import InvalidValue

CASES = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))["cases"]


def cases(formula):
    """Return the known answers of a formula."""
    return [
        pytest.param(case["inputs"], case["expected"], id=case["id"]) for case in CASES if case["formula"] == formula
    ]


def refusal(call, *given, **more):
    """Return the sentence that a call is refused with."""
    with pytest.raises(InvalidValue) as refused:
        call(*given, **more)
    return str(refused.value)


# --- counts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("inputs", "expected"), cases("F14"))
def test_known_answers_of_the_allocation(inputs, expected):
    """Counts are those of the specification."""
    assert expected["counts"] == allocate(inputs["audience"], inputs["weights"])


SHARES = {
    0.05: Fraction(1, 20),
    0.1: Fraction(1, 10),
    1e-05: Fraction(1, 100_000),
    1: Fraction(1),
    Decimal("0.333"): Fraction(333, 1000),
    Fraction(1, 3): Fraction(1, 3),
}


@pytest.mark.parametrize("given", SHARES, ids=repr)
def test_share_is_the_decimal_it_was_written_as(given):
    """A share is exact: 0.05 is one in twenty, not the nearest binary fraction."""
    assert SHARES[given] == exact_share("share", given)


@pytest.mark.parametrize("wrong", [-0.1, float("nan"), float("inf"), Decimal("NaN"), True, "0.05", None, 1j])
def test_share_that_is_none_is_refused(wrong):
    """What is no number of 0 or more is refused with the remedy."""
    assert refusal(exact_share, "share", wrong) == (
        f"share is {wrong!r}: must be a number, 0 or more; give it like 0.05, or Fraction(1, 3)"
    )


@pytest.mark.parametrize("total", [-1, 2.0, True, None])
def test_total_that_is_none_is_refused(total):
    """Only whole numbers can be divided."""
    rule = "must be a whole number, 0 or more; count who is to be divided"

    assert refusal(allocate, total, [1]) == f"total is {total!r}: {rule}"


@pytest.mark.parametrize("weights", [[], [0, 0.0]])
def test_weights_of_nothing_are_refused(weights):
    """Something must be above 0."""
    assert "weights are all 0" in refusal(allocate, 5, weights)


shares = st.lists(st.integers(1, 1000), min_size=1, max_size=8)


@given(st.integers(0, 10**9), shares)
def test_allocation_is_exact(total, weights):
    """Counts add up to the total, each is its share rounded one way or the other, and no larger share gets less."""
    counts = allocate(total, weights)
    due = [Fraction(total * weight, sum(weights)) for weight in weights]

    assert total == sum(counts)
    assert all(math.floor(each) <= count <= math.ceil(each) for each, count in zip(due, counts, strict=True))
    ordered = sorted(zip(weights, counts, strict=True))
    assert [count for _, count in ordered] == sorted(counts)


# --- strata ------------------------------------------------------------------------------------

sizes = st.lists(st.one_of(st.integers(1, 3), st.integers(1, 100)), min_size=1, max_size=8)


def off(row, size, weights):
    """Return how far a stratum is from its shares, at most."""
    due = (Fraction(size * weight, sum(weights)) for weight in weights)
    return max(abs(count - each) for count, each in zip(row, due, strict=True))


def check_sums(rows, sizes, weights):
    """Check that everybody is in a group, and that the totals are exact."""
    assert sizes == [sum(row) for row in rows]
    assert allocate(sum(sizes), weights) == [sum(column) for column in zip(*rows, strict=True)]
    assert all(count >= 0 for row in rows for count in row)


@given(sizes, st.lists(st.integers(1, 100), min_size=1, max_size=4))
def test_strata_of_up_to_four_groups_keep_both_promises(sizes, weights):
    """With four groups or fewer, totals are exact and each stratum is within 1 of its shares."""
    rows = allocate_strata(sizes, weights)

    check_sums(rows, sizes, weights)
    assert all(off(row, size, weights) <= 1 for row, size in zip(rows, sizes, strict=True))


def possible(sizes, weights):
    """Return whether there is any solution within 1: a linear programme, whose corners are whole numbers."""
    due = [[Fraction(size * weight, sum(weights)) for weight in weights] for size in sizes]
    bounds = [(max(0, math.ceil(each) - 1), math.floor(each) + 1) for row in due for each in row]
    places = range(len(bounds))
    across = [[int(place // len(weights) == row) for place in places] for row in range(len(sizes))]
    down = [[int(place % len(weights) == group) for place in places] for group in range(len(weights))]
    sums = [*sizes, *allocate(sum(sizes), weights)]
    return linprog([0] * len(bounds), A_eq=across + down, b_eq=sums, bounds=bounds).status == 0


@given(sizes, st.lists(st.integers(1, 100), min_size=5, max_size=7))
def test_strata_of_many_groups_keep_both_promises_where_they_can_be(sizes, weights):
    """Totals are always exact; strata are within 1 whenever any solution is."""
    rows = allocate_strata(sizes, weights)
    within = all(off(row, size, weights) <= 1 for row, size in zip(rows, sizes, strict=True))

    check_sums(rows, sizes, weights)
    assert within == possible(sizes, weights)


def test_totals_go_first_where_both_promises_cannot_be_kept():
    """Seven and one contact in groups of 42.5, 42.5, 5, 5 and 5 % have no solution within 1."""
    sizes, weights = [7, 1], [0.425, 0.425, 0.05, 0.05, 0.05]

    rows = allocate_strata(sizes, weights)

    assert not possible(sizes, [exact_share("weight", each) for each in weights])
    assert rows == [[3, 4, 0, 0, 0], [1, 0, 0, 0, 0]]


def test_whole_shares_move_where_nothing_else_helps():
    """A stratum whose shares are whole gives one up, if the totals cannot be reached otherwise."""
    sizes, weights = [16, 10], [10, 10, 30, 25, 25]

    rows = allocate_strata(sizes, weights)

    assert [sum(column) for column in zip(*rows, strict=True)] == [3, 3, 8, 6, 6]
    assert all(off(row, size, weights) <= 1 for row, size in zip(rows, sizes, strict=True))


def test_leftovers_of_single_contacts_are_spread():
    """A thousand strata of one contact each: one in twenty of any stretch is in A, one in twenty in B."""
    rows = allocate_strata([1] * 1000, [0.05, 0.05, 0.9])

    for begin in range(0, 1000, 100):
        a, b, rest = (sum(column) for column in zip(*rows[begin : begin + 100], strict=True))
        assert (a, b, rest) == (5, 5, 90)


# --- ranks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("inputs", "expected"), cases("F15"))
def test_known_answers_of_the_hash(inputs, expected):
    """A key ranks where the specification says, to the last bit."""
    asked = inputs["salt"], inputs["unit"]

    assert int(expected["hash64"]) == hash64(*asked)
    assert fraction(*asked) == pytest.approx(expected["fraction"], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("inputs", "expected"), cases("F15g"))
def test_known_answers_of_growthbook(inputs, expected):
    """GrowthBook's hash is theirs."""
    assert growthbook_fraction(inputs["salt"], inputs["unit"]) == pytest.approx(expected["fraction"], abs=1e-12)


@pytest.mark.parametrize("asked", [("\ud800", "ana"), ("spring", "\ud800")])
def test_text_that_cannot_be_written_is_refused(asked):
    """Half a character has no hash."""
    assert "is not text that UTF-8 can write" in refusal(hash64, *asked)


KEYS = [f"k{number}" for number in range(5000)]


@pytest.mark.parametrize("n", [0, 1, 2, 10, 5000])
@pytest.mark.parametrize("shares", [[1], [1, 1], [0.05, 0.05, 0.9], [0.2] * 5, [0.999, 0.001]], ids=str)
def test_cuts_part_the_ranked_keys_at_the_counts(n, shares):
    """Who ranks lowest is in the first group, up to its count, however many there are."""
    ranked, counts = digests("spring", KEYS[:n]), allocate(n, shares)

    groups = list(map(group_at(cut_points(ranked, counts)), sorted(ranked)))

    assert groups == [group for group, count in enumerate(counts) for _ in range(count)]


def test_cuts_name_nobody():
    """A cut is much shorter than the digests beside it, so that it fits thousands of keys alike."""
    cuts = cut_points(digests("spring", KEYS), [250, 250, 4500])

    assert all(0 < len(cut) <= 3 for cut in cuts)


def test_cuts_between_neighbours():
    """Digests that differ in the last bit are parted, and so are those at the end of all numbers."""
    low, high = bytes(31) + b"\x01", bytes(31) + b"\x02"

    assert cut_points([high, low], [1, 1]) == (high,)
    assert cut_points([b"\xff" * 31 + b"\xfe"], [1, 0]) == (b"\xff" * 32,)


# --- turns -------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6))
def test_turns_are_fair_at_every_step(counts):
    """However far one has come, each group has had its share, give or take less than 1."""
    order = interleave(counts)
    had = Counter()

    for step, group in enumerate(order, 1):
        had[group] += 1
        assert all(abs(had[each] - Fraction(step * count, sum(counts))) < 1 for each, count in enumerate(counts))

    assert had == Counter({group: count for group, count in enumerate(counts) if count})
