"""p-values of several tests at once, adjusted so that many tests do not find what is not there.

The order is kept. A None, which is no test, stays None and does not count as one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from campaignkit.ab.stats.inputs import probability

PValues = Sequence[float | None]
Adjusted = tuple[float | None, ...]


def bonferroni(p_values: PValues) -> Adjusted:
    """Return each p-value times the number of tests.

    Source: Dunn 1961, J. Am. Stat. Assoc. 56:52.

    >>> bonferroni([0.01, None, 0.6])
    (0.02, None, 1.0)
    """
    return _adjusted(p_values, lambda known: [len(known) * p for p in known])


def holm(p_values: PValues) -> Adjusted:
    """Return p-values adjusted step by step from the smallest: the chance of any false finding is kept.

    Source: Holm 1979, Scand. J. Stat. 6:65.

    >>> holm([0.01, 0.04, 0.03, 0.005])
    (0.03, 0.06, 0.06, 0.02)
    """
    return _adjusted(
        p_values,
        lambda known: list(itertools.accumulate(((len(known) - i) * p for i, p in enumerate(known)), max)),
    )


def hochberg(p_values: PValues) -> Adjusted:
    """Return p-values adjusted from the largest: never more than Holm's, for tests that do not oppose each other.

    Source: Hochberg 1988, Biometrika 75:800.

    >>> hochberg([0.01, 0.04, 0.03, 0.005])
    (0.03, 0.04, 0.04, 0.02)
    """
    return _adjusted(p_values, lambda known: _step_up([(len(known) - i) * p for i, p in enumerate(known)]))


def benjamini_hochberg(p_values: PValues) -> Adjusted:
    """Return p-values adjusted so that of what is found a small share is false, in place of nothing.

    Source: Benjamini & Hochberg 1995, J. R. Stat. Soc. B 57:289.

    >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.005])
    (0.02, 0.04, 0.04, 0.02)
    """
    return _adjusted(p_values, lambda known: _step_up([max(p, len(known) * p / i) for i, p in enumerate(known, 1)]))


def _step_up(values: list[float]) -> list[float]:
    return list(itertools.accumulate(reversed(values), min))[::-1]


def _adjusted(p_values: PValues, adjust: Callable[[list[float]], list[float]]) -> Adjusted:
    """Return what `adjust` makes of the known p-values in ascending order, in the order given."""
    known = {i: probability(p, f"p_values[{i}]") for i, p in enumerate(p_values) if p is not None}
    order = sorted(known, key=known.__getitem__)
    found = dict(zip(order, adjust([known[i] for i in order]), strict=True))
    return tuple(min(1.0, found[i]) if i in found else None for i in range(len(p_values)))
