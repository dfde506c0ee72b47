"""Which arm is the best: against exact fractions and mpmath, and the laws it keeps."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from campaignkit.ab.stats import beta_binomial
from campaignkit.errors import InvalidValue

arms = st.integers(0, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
wild_arms = st.tuples(st.floats(0, 9), st.floats(0, 1), st.integers(0, 9)).map(
    lambda drawn: (round(10 ** drawn[0] * drawn[1] ** drawn[2]), round(10 ** drawn[0]))
)
several = st.lists(arms, min_size=2, max_size=5)


# --- exact answers -----------------------------------------------------------------------------


def times(p, q):
    """Return the product of two polynomials."""
    found = [Fraction(0)] * (len(p) + len(q) - 1)
    for i, one in enumerate(p):
        for j, other in enumerate(q):
            found[i + j] += one * other
    return found


def upto(p):
    """Return the polynomial that is the integral of another from 0."""
    return [Fraction(0), *(value / (i + 1) for i, value in enumerate(p))]


def density(x, n):
    """Return the density of a rate after x of n, with all rates equally likely before, as a polynomial."""
    power = [Fraction(math.comb(n - x, i) * (-1) ** i * (n + 1) * math.comb(n, x)) for i in range(n - x + 1)]
    return [Fraction(0)] * x + power


def exact(counts):
    """Return chances and losses as fractions."""
    densities = [density(*arm) for arm in counts]
    below = [upto(each) for each in densities]
    chances, losses = [], []
    for i, own in enumerate(densities):
        others = [Fraction(1)]
        for j, each in enumerate(below):
            others = times(others, each) if i != j else others
        chances.append(sum(upto(times(own, others))))
        worse = times(below[i], [1 - others[0], *(-value for value in others[1:])])
        losses.append(sum(upto(worse)))
    return chances, losses


@pytest.mark.parametrize(
    "counts",
    [
        [(1, 3), (2, 3)],
        [(0, 0), (0, 0)],
        [(0, 20), (0, 20)],
        [(0, 1), (5, 5), (2, 4)],
        [(3, 10), (3, 10), (3, 10), (4, 10)],
        [(1, 40), (35, 40)],
        [(0, 60), (60, 60)],
        [(1, 30), (25, 30), (28, 30)],
        [(1, 30), (15, 30), (30, 30)],
        [(0, 40), (1, 40), (40, 40)],
        [(2, 20), (3, 50), (40, 45), (4, 30)],
        [(0, 0), (0, 50), (50, 50)],
    ],
)
def test_small_counts_are_exact(counts):
    """Chances and losses are the exact fractions, the smallest of them too."""
    found = beta_binomial(counts)
    chances, losses = exact(counts)

    assert found.prob_best == pytest.approx([float(value) for value in chances], rel=1e-11, abs=1e-13)
    assert found.expected_loss == pytest.approx([float(value) for value in losses], rel=1e-10, abs=1e-14)
    for ours, theirs in zip(found.prob_best + found.expected_loss, chances + losses, strict=True):
        assert ours == pytest.approx(float(theirs), rel=1e-8, abs=0)
    assert found.means == tuple((x + 1) / (n + 2) for x, n in counts)


def test_jeffreyss_prior_agrees_with_mpmath():
    """With a prior that is no whole number chances are those of a quadrature in 20 digits."""
    (a, b), (c, d) = (12.5, 288.5), (20.5, 300.5)

    def height(t):
        p = 1 / (1 + mpmath.exp(-t))
        return p**a * (1 - p) ** b / mpmath.beta(a, b) * mpmath.betainc(c, d, 0, p, regularized=True)

    with mpmath.workdps(20):
        exact_chance = float(mpmath.quad(height, [-7, -4.5, -3, -2, 0], maxdegree=5))

    assert beta_binomial([(12, 300), (20, 320)], prior=(0.5, 0.5)).prob_best[0] == pytest.approx(
        exact_chance, abs=1e-11
    )


@pytest.mark.parametrize("people", [1, 17, 40, 900])
@pytest.mark.parametrize("arm", [(3, 5), (11, 1000), (13_138_547, 21_924_946), (95_643_070, 95_647_047)])
def test_few_people_against_many_are_exact(people, arm):
    """Where nobody of few did it, the chance is known in closed form: a broad peak beside a narrow one, far from it."""
    x, n = arm
    with mpmath.workdps(40):
        a, b = mpmath.mpf(x + 1), mpmath.mpf(n - x + 1)
        log = mpmath.loggamma(b + people + 1) - mpmath.loggamma(b)
        log -= mpmath.loggamma(a + b + people + 1) - mpmath.loggamma(a + b)
        chance = float(mpmath.exp(log))

    assert beta_binomial([(0, people), arm]).prob_best[0] == pytest.approx(chance, rel=1e-8, abs=1e-300)


@pytest.mark.parametrize("people", [1, 12, 40, 900])
@pytest.mark.parametrize("arm", [(3, 5), (11, 1000), (115_595_281, 223_588_243), (2_723_838, 3_295_006)])
def test_the_cost_of_few_people_against_many_is_exact(people, arm):
    """Where everybody of few did it, the cost is known in closed form, however small."""
    x, n = arm
    with mpmath.workdps(40):
        a, b = mpmath.mpf(x + 1), mpmath.mpf(n - x + 1)
        log = mpmath.loggamma(a + people + 2) - mpmath.loggamma(a)
        log -= mpmath.loggamma(a + b + people + 2) - mpmath.loggamma(a + b)
        cost = float(mpmath.exp(log)) / (people + 2)

    assert beta_binomial([(people, people), arm]).expected_loss[0] == pytest.approx(cost, rel=1e-8, abs=1e-300)


def fine_sums(counts, prior):
    """Return chances and losses as plain sums over very many places, with scipy's distributions."""
    a = np.array([[x + prior[0]] for x, _ in counts])
    b = np.array([[n - x + prior[1]] for x, n in counts])
    start = (np.log(a / b) - 12 * np.sqrt(1 / a + 1 / b) - 40 / a).min()
    end = (np.log(a / b) + 12 * np.sqrt(1 / a + 1 / b) + 40 / b).max()
    t, step = np.linspace(start, end, 60_001, retstep=True)
    p = special.expit(t)
    densities = np.exp(a * special.log_expit(t) + b * special.log_expit(-t) - special.betaln(a, b))
    below = special.betainc(a, b, p)
    others = np.array([np.delete(below, i, axis=0).prod(axis=0) for i in range(len(counts))])
    return step * (densities * others).sum(axis=1), step * (below * (1 - others) * p * (1 - p)).sum(axis=1)


@settings(max_examples=40)
@given(several, st.sampled_from([(1.0, 1.0), (0.5, 0.5), (1.7, 20.3), (4.0, 0.8)]))
def test_any_arms_and_prior_agree_with_fine_sums(counts, prior):
    """Whatever the arms and the prior, chances and losses are those of a sum over 60,001 places."""
    found = beta_binomial(counts, prior=prior)
    chances, losses = fine_sums(counts, prior)
    assert found.prob_best == pytest.approx(chances, abs=1e-9)
    assert found.expected_loss == pytest.approx(losses, abs=1e-9)


@pytest.mark.parametrize("n", [10**3, 10**6, 10**9, 10**12])
def test_many_people_are_a_normal_distribution(n):
    """The same distance in standard errors is nearly the same chance, whatever the size: digits are not lost."""
    x = n // 5
    apart = math.isqrt(2 * n * 4 // 25)

    found = beta_binomial([(x, n), (x + apart, n)])

    assert found.prob_best[1] == pytest.approx(math.erfc(-1 / math.sqrt(2)) / 2, abs=2 / math.sqrt(n))
    assert sum(found.prob_best) == pytest.approx(1, abs=1e-9)


def test_what_is_nearly_sure_is_not_nothing():
    """A chance too small to matter is still a chance, even of 1e-200, and so is the cost."""
    found = beta_binomial([(200, 1000), (900, 1000)])
    assert 1e-300 < found.prob_best[0] < 1e-200
    assert 1e-300 < found.expected_loss[1] < 1e-200
    three = beta_binomial([(100, 1000), (900, 1000), (110, 1000)])
    assert all(0 < chance < 1e-200 for chance in (three.prob_best[0], three.prob_best[2]))


@pytest.mark.parametrize("n", [1, 1000, 10**9, 2**53])
def test_nobody_against_everybody(n):
    """The farthest that two arms can be apart, in either order, is no trouble."""
    for counts in ([(0, n), (n, n)], [(n, n), (0, n)], [(n, n), (0, n), (n // 2, n)]):
        found = beta_binomial(counts)
        best = counts.index((n, n))
        assert sum(found.prob_best) == pytest.approx(1, abs=1e-9)
        assert found.prob_best[best] == max(found.prob_best)
        if n > 1:
            assert found.expected_loss[counts.index((0, n))] == pytest.approx(n / (n + 2), rel=1e-9, abs=0.1 / n)


@pytest.mark.parametrize("prior", [(0.01, 0.01), (1e-3, 1.0), (1.0, 1e-3), (50.0, 950.0)])
def test_flat_and_sharp_priors(prior):
    """A prior that leaves long tails, or nearly none, loses nothing of the whole."""
    for counts in ([(0, 0), (0, 0)], [(0, 1000), (0, 1000)], [(0, 10), (3, 10), (10, 10)]):
        found = beta_binomial(counts, prior=prior)
        assert sum(found.prob_best) == pytest.approx(1, abs=1e-9)
    assert found.expected_loss[0] - found.expected_loss[2] == pytest.approx(found.means[2] - found.means[0], abs=1e-9)


# --- laws --------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(several)
def test_chances_are_one_together(counts):
    """Chances add up to 1, and two losses differ as the means do."""
    found = beta_binomial(counts)
    best = max(range(len(counts)), key=found.means.__getitem__)

    assert sum(found.prob_best) == pytest.approx(1, abs=1e-10)
    assert all(0 <= chance <= 1 for chance in found.prob_best)
    assert all(loss >= 0 for loss in found.expected_loss)
    assert found.expected_loss[best] == pytest.approx(min(found.expected_loss), rel=1e-9)
    for loss, mean in zip(found.expected_loss, found.means, strict=True):
        assert loss - found.expected_loss[best] == pytest.approx(found.means[best] - mean, abs=1e-12)


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=2, max_size=4)
)
def test_nothing_is_impossible(counts):
    """With some hundred people every arm may be the best, and every choice may cost."""
    found = beta_binomial(counts)
    assert all(chance > 0 for chance in found.prob_best)
    assert all(loss > 0 for loss in found.expected_loss)


@settings(max_examples=100)
@given(st.lists(wild_arms, min_size=2, max_size=4), st.tuples(*[st.sampled_from([1e-3, 0.5, 1.0, 30.0])] * 2))
def test_chances_are_one_together_for_any_sizes_and_priors(counts, prior):
    """Arms of one person beside arms of a thousand million, with any prior, lose nothing of the whole."""
    found = beta_binomial(counts, prior=prior)
    best = max(range(len(counts)), key=found.means.__getitem__)

    assert sum(found.prob_best) == pytest.approx(1, abs=1e-9)
    for loss, mean in zip(found.expected_loss, found.means, strict=True):
        assert loss - found.expected_loss[best] == pytest.approx(found.means[best] - mean, abs=1e-9)


@settings(max_examples=40)
@given(several, st.randoms(use_true_random=False))
def test_the_order_of_arms_is_no_matter(counts, random):
    """Arms in another order have the same chances in that order."""
    order = list(range(len(counts)))
    random.shuffle(order)
    found, other = beta_binomial(counts), beta_binomial([counts[i] for i in order])
    assert other.prob_best == pytest.approx([found.prob_best[i] for i in order], abs=1e-11)
    assert other.expected_loss == pytest.approx([found.expected_loss[i] for i in order], abs=1e-11)


@settings(max_examples=40)
@given(arms, arms)
def test_who_did_not_is_the_mirror(a, b):
    """The arm that fewer did not do is the arm that more did."""
    found = beta_binomial([a, b])
    mirrored = beta_binomial([(n - x, n) for x, n in (a, b)])
    assert mirrored.prob_best == pytest.approx(found.prob_best[::-1], rel=1e-4, abs=1e-11)


@settings(max_examples=40)
@given(arms, st.integers(1, 2999).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_one_more_who_did_it_raises_the_chance(a, b):
    """The more of an arm did it, the likelier it is the best."""
    before, after = beta_binomial([a, b]), beta_binomial([a, (b[0] + 1, b[1])])
    assert after.prob_best[1] > before.prob_best[1] - 1e-12
    assert after.prob_best[0] < before.prob_best[0] + 1e-12
    assert after.expected_loss[1] <= before.expected_loss[1]


def test_equal_arms_share_the_chance():
    """Arms with the same counts have the same chance: eight have an eighth each."""
    assert beta_binomial([(50, 1000)] * 8).prob_best == pytest.approx([1 / 8] * 8, abs=1e-12)


def test_one_arm_is_the_best():
    """A single arm is the best, at no cost."""
    found = beta_binomial([(5, 10)])
    assert (found.means, found.prob_best, found.expected_loss) == ((0.5,), (1.0,), (0.0,))


def test_the_same_counts_give_the_same_numbers():
    """Nothing is drawn at random."""
    assert beta_binomial([(120, 2500), (150, 2500)]) == beta_binomial([(120, 2500), (150, 2500)])


@pytest.mark.parametrize(
    ("counts", "prior", "sentence"),
    [
        ([], (1, 1), r"counts is \[\]: give a list with one value for each arm"),
        ([(3, 2)], (1, 1), r"x\[0\] is 3 of n\[0\] = 2: no more can have done it"),
        ([(1, 2), (True, 2)], (1, 1), r"x\[1\] is True: a count is a whole number"),
        ([(1, 2), 5], (1, 1), r"counts\[1\] is 5: must be two numbers; give a pair"),
        ([(1, 2)], (1, 1, 1), r"prior is \(1, 1, 1\): must be two numbers; give a pair"),
        ([(1, 2)], (0, 1), r"prior\[0\] is 0: must be a number more than 0; give a finite one"),
        ([(1, 2)], (1, math.inf), r"prior\[1\] is inf: must be a number more than 0; give a finite one"),
    ],
)
def test_what_cannot_be_is_refused(counts, prior, sentence):
    """What cannot be is refused in one sentence with value, rule and remedy."""
    with pytest.raises(InvalidValue, match=sentence):
        beta_binomial(counts, prior=prior)
