"""Which arm is the best, and what it costs to be wrong: exact, for any number of arms.

What is believed of an arm's rate after x of n did it is a beta distribution. On the scale of
log-odds its density is a smooth peak, so the integrals

    P(arm is best)       = integral of  density_arm x product of the others' distributions,
    expected loss of arm = integral of  distribution_arm x (1 - product of the others') dp

are sums over panels (`calculus`). The panels end where any arm's density begins or ends to
matter: one grid for all would miss a narrow peak beside a broad one. Nothing is drawn at random,
so the numbers are the same every time.

An arm that is far behind is best only if its own rate and those of all ahead of it are equally
far out. Where that meets is known in closed form, so even a chance of 1e-200 is found.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from operator import mul
from typing import Final, NamedTuple

import attrs

from campaignkit.ab.stats.calculus import POINTS, Panel, panel, reach
from campaignkit.ab.stats.inputs import counted, listed, number
from campaignkit.ab.stats.logodds import LogOddsBeta, pieces
from campaignkit.errors import InvalidValue, shown

_SMALL: Final = 1e-7
"""A chance this small is not read from panels, whose error is absolute."""

_NEAR: Final = 0.5
_PART: Final = 0.8  # what is small needs fewer digits: the last exp(-23) is left out, ...
_COARSE: Final = 4  # ... and panels are twice as wide
_NONE: Final = [0.0] * POINTS
_ALL: Final = [1.0] * POINTS


@attrs.frozen(kw_only=True)
class Posterior:
    """What is believed after the counts, arm by arm.

    Attributes:
        means: the expected rate.
        prob_best: how likely the arm has the highest rate; they add up to 1. It is 0 only below 1e-300,
            and 1 where the rest is less than a float holds beside it.
        expected_loss: by how much the rate of the best is expected to be above that of the arm:
            what choosing the arm costs, 0.001 being 1 in 1,000.
    """

    means: tuple[float, ...]
    prob_best: tuple[float, ...]
    expected_loss: tuple[float, ...]


def beta_binomial(counts: Sequence[tuple[float, float]], *, prior: tuple[float, float] = (1.0, 1.0)) -> Posterior:
    """Return how likely each arm is the best, and what it would cost to be wrong.

    Args:
        counts: for each arm how many did it, and of how many.
        prior: the beta distribution before any count: (1, 1) holds all rates for equally likely,
            (0.5, 0.5) is Jeffreys's; both more than 0.

    Source: Miller 2015, evanmiller.org/bayesian-ab-testing.html; Stucchio 2015, Bayesian A/B Testing
    at VWO. For more than two arms the same integrals with a product in them.

    >>> found = beta_binomial([(120, 2500), (150, 2500)])
    >>> [round(p, 4) for p in found.prob_best], [round(loss, 6) for loss in found.expected_loss]
    ([0.0304, 0.9696], [0.012066, 7.6e-05])
    """
    arms = _arms(counts, prior)
    if len(arms) == 1:
        return Posterior(means=(arms[0].mean,), prob_best=(1.0,), expected_loss=(0.0,))
    chances, losses = _integrals(arms)
    _refine(arms, chances, losses)
    return Posterior(
        means=tuple(arm.mean for arm in arms),
        prob_best=tuple(min(chance, 1.0) for chance in chances),
        expected_loss=tuple(losses),
    )


class _Arm(NamedTuple):
    """What is believed of an arm; places are log-odds less those of the first arm's mean."""

    beta: LogOddsBeta
    peak: float
    start: float
    end: float

    @property
    def mean(self) -> float:
        return self.beta.a / self.beta.n


def _arms(counts: Sequence[tuple[float, float]], prior: tuple[float, float]) -> list[_Arm]:
    listed(counts, "counts")
    more_a, more_b = (number(value, f"prior[{i}]", above=0.0) for i, value in enumerate(_pair(prior, "prior")))
    checked = [counted(*_pair(arm, f"counts[{i}]"), f"[{i}]") for i, arm in enumerate(counts)]
    betas = [LogOddsBeta(x + more_a, n - x + more_b) for x, n in checked]
    return [_arm(beta, betas[0]) for beta in betas]


def _pair(values: tuple[float, float], name: str) -> tuple[float, float]:
    try:
        one, other = values
    except (TypeError, ValueError):
        raise InvalidValue(f"{name} is {shown(values)}: must be two numbers; give a pair") from None
    return one, other


def _arm(beta: LogOddsBeta, first: LogOddsBeta) -> _Arm:
    start, end = beta.window()
    change = (beta.a * first.b - first.a * beta.b) / (first.a * beta.b)
    peak = math.log1p(change) if abs(change) < _NEAR else beta.peak - first.peak  # each where it keeps more digits
    return _Arm(beta, peak, peak + start, peak + end)


# --- chances that are not small ----------------------------------------------------------------


def _integrals(arms: list[_Arm]) -> tuple[list[float], list[float]]:
    """Return each arm's chance of being the best, and its expected loss."""
    origin = arms[0].beta.peak
    chances, losses, reached = ([0.0] * len(arms) for _ in range(3))
    for part, active in _panels(arms, origin):
        densities, below = _heights(arms, part, active, reached)
        slopes = [w * _slope(origin + place) for w, place in zip(part.weights, part.points, strict=True)]
        for i, others in enumerate(_products_of_others(below)):
            if active[i]:
                chances[i] += part.integral(map(mul, densities[i], others))
            losses[i] += sum(s * f * (1 - o) for s, f, o in zip(slopes, below[i], others, strict=True))
    return chances, losses


def _panels(arms: list[_Arm], origin: float) -> Iterator[tuple[Panel, list[bool]]]:
    """Yield panels from left to right, and for each which arms' densities matter there."""
    cuts = sorted({place for arm in arms for place in (arm.start, arm.end)})
    for left, right in itertools.pairwise(cuts):
        active = [arm.start <= left and right <= arm.end for arm in arms]
        narrowest = max((arm.beta.n for arm in itertools.compress(arms, active)), default=0.0)
        for ends in pieces(left, right, narrowest, origin):
            yield panel(*ends), active


def _heights(
    arms: list[_Arm], part: Panel, active: list[bool], reached: list[float]
) -> tuple[list[list[float]], list[list[float]]]:
    """Return each arm's density and distribution at the points of a panel, and count up what is reached."""
    densities, below = [], []
    for i, arm in enumerate(arms):
        if active[i]:
            heights = arm.beta.densities([place - arm.peak for place in part.points])
            densities.append(heights)
            below.append(part.integrals(heights, reached[i]))
            reached[i] += part.integral(heights)
        else:
            densities.append(_NONE)
            below.append(_ALL if part.points[0] > arm.end else _NONE)
    return densities, below


def _products_of_others(rows: list[list[float]]) -> Iterator[list[float]]:
    """Yield for each row the product, point by point, of all other rows."""
    after = [_ALL]
    for row in rows[:0:-1]:
        after.append(list(map(mul, after[-1], row)))
    before = _ALL
    for row, rest in zip(rows, reversed(after), strict=True):
        yield list(map(mul, before, rest))
        before = list(map(mul, before, row))


def _slope(t: float) -> float:
    """Return dp/dt = p (1 - p) at log-odds t."""
    odds = math.exp(-abs(t))
    return odds / (1 + odds) ** 2


# --- small chances -----------------------------------------------------------------------------


def _refine(arms: list[_Arm], chances: list[float], losses: list[float]) -> None:
    """Put the small chances right; and the loss of the best arm, where all others' are small."""
    best, *rest = sorted(range(len(arms)), key=lambda i: arms[i].mean, reverse=True)
    ahead, loss = [arms[best]], 0.0
    for place, i in enumerate(rest):
        if chances[i] < _SMALL:
            behind = (arms[other] for other in rest[place + 1 :])
            chances[i], more = _meeting(arms[i], ahead, list(behind), arms[0].beta.peak)
            loss += more
        ahead.append(arms[i])
    if all(chances[i] < _SMALL for i in rest):
        losses[best] = loss


def _meeting(arm: _Arm, ahead: list[_Arm], behind: list[_Arm], origin: float) -> tuple[float, float]:
    """Return the chance that an arm beats all, and its part in what choosing the best costs.

    To the left of its peak a distribution falls like its density. So the integrand has the peak of
    the product of densities of the arm and those arms ahead of it that are to the right of there:
    all people of those arms taken together.
    """
    start, end = _surroundings(arm, ahead, _meeting_place(arm, ahead) - origin)
    cuts = {arm.start, *(place for other in ahead for place in (other.start, other.end))}
    chance = loss = 0.0
    for left, right in itertools.pairwise(sorted({start, end, *(cut for cut in cuts if start < cut < end)})):
        n = sum(other.beta.n for other in ahead if other.end > left) + (arm.beta.n if right > arm.start else 0.0)
        for part in (panel(*ends) for ends in pieces(left, right, n / _COARSE, origin)):
            below_ahead = [math.prod(_below(other, place) for other in ahead) for place in part.points]
            below = [
                f * math.prod(_below(other, place) for other in behind)
                for f, place in zip(below_ahead, part.points, strict=True)
            ]
            places = [place - arm.peak for place in part.points]
            chance += part.integral(map(mul, arm.beta.densities(places), below))
            above = [arm.beta.above(u) * _slope(origin + place) for u, place in zip(places, part.points, strict=True)]
            loss += part.integral(map(mul, above, below_ahead))
    return chance, loss


def _meeting_place(arm: _Arm, ahead: list[_Arm]) -> float:
    """Return the log-odds of the mean of the arm and all that are ahead of that mean, taken together."""
    a, b = arm.beta.a, arm.beta.b
    for other in ahead:
        if other.mean > a / (a + b):
            a, b = a + other.beta.a, b + other.beta.b
    return math.log(a / b)


def _surroundings(arm: _Arm, ahead: list[_Arm], place: float) -> tuple[float, float]:
    """Return from where to where the integrands matter, of which that of the loss is the wider and peaks at a place."""

    def height(there: float) -> float:
        falling = (other.beta.height(there - other.peak) for other in ahead if there < other.peak)
        return sum(falling) + (arm.beta.height(there - arm.peak) if there > arm.peak else 0.0)

    top, guess = height(place), arm.beta.deviation
    left = reach(lambda v: height(place - v) - top, guess)
    right = reach(lambda v: height(place + v) - top, guess)
    return place - _PART * left, place + _PART * right


def _below(arm: _Arm, place: float) -> float:
    return 1.0 if place >= arm.end else arm.beta.below(place - arm.peak)
