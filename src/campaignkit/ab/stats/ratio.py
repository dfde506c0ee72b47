"""Whether the arms have as many people as the split says: a sample ratio that is off makes every number suspect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import attrs

from campaignkit.ab.stats.calculus import stirling_rest
from campaignkit.ab.stats.inputs import listed, number, whole
from campaignkit.ab.stats.tails import chi_square_tail
from campaignkit.ab.values import Test
from campaignkit.errors import InvalidValue, shown

_METHOD: Final = "chi-square"
_EMPTY: Final = "nobody to count"
_ONE_GROUP: Final = "only one group has a share"
_UNPLANNED: Final = "somebody is in a group whose share is 0"


def sample_ratio(observed: Sequence[float], shares: Sequence[float]) -> Test:
    """Test whether groups are as large as their shares say.

    Args:
        observed: how many people each group has; every group, the remainder too.
        shares: what each was to have, as any weights: ``(1, 1)`` or ``(0.05, 0.05, 0.9)``. A group
            with share 0 is left out when it is empty; when it is not, that alone is a mismatch: the
            p-value is 0, and `missing` says it.

    Source: Pearson 1900, Phil. Mag. 50:157; Fabijan et al. 2019, KDD, who alert below 0.001.

    >>> test = sample_ratio([2523, 2477], [1, 1])
    >>> test.df, round(test.statistic, 4), round(test.p_value, 4)
    (1, 0.4232, 0.5153)
    """
    weights = _weights(shares)
    counts = _counts(observed, weights)
    df = sum(weight > 0 for weight in weights) - 1
    if any(count and not weight for count, weight in zip(counts, weights, strict=True)):
        return Test(p_value=0.0, df=df, method=_METHOD, missing=_UNPLANNED)
    people = sum(counts)
    if not people or not df:
        return Test(df=df, method=_METHOD, missing=_ONE_GROUP if people else _EMPTY)
    whole_weight = sum(weights)
    expected = [people * weight / whole_weight for weight in weights]
    statistic = sum((o - e) ** 2 / e for o, e in zip(counts, expected, strict=True) if e)
    return Test(p_value=chi_square_tail(statistic, df), statistic=statistic, df=df, method=_METHOD)


@attrs.frozen(kw_only=True)
class SampleRatios:
    """What a sample ratio says that is looked at again and again.

    Attributes:
        log_bayes_factor: the logarithm of how much likelier the counts are when the shares are off;
            None when it has no limit, or nothing to say.
        p_values: after each batch, valid however often one looks: they never rise.
        missing: why there is no Bayes factor.
    """

    log_bayes_factor: float | None
    p_values: tuple[float, ...]
    missing: str | None = None


def sample_ratio_sequence(
    batches: Sequence[Sequence[float]], shares: Sequence[float], *, concentration: float = 10_000.0
) -> SampleRatios:
    """Test whether groups are as large as their shares say, again after every batch.

    Args:
        batches: for each batch, how many people it brought to each group.
        shares: what each group was to have, as any weights; 0 as in `sample_ratio`.
        concentration: how near to the shares a mismatch is looked for, as a number of people: the
            larger, the smaller the mismatch.

    Source: Lindon & Malek 2022, NeurIPS, arXiv:2011.03567: a Dirichlet mixture around the shares.

    >>> found = sample_ratio_sequence([[260, 240], [530, 470], [1100, 900]], [1, 1])
    >>> round(found.log_bayes_factor, 3), [round(p, 3) for p in found.p_values]
    (2.754, [1.0, 0.812, 0.064])
    """
    concentration = number(concentration, "concentration", above=0.0)
    weights = _weights(shares)
    totals = [0] * len(weights)
    p_values, evidence, lowest = [], 0.0, 1.0
    for batch in batches:
        totals = [sum(pair) for pair in zip(totals, _counts(batch, weights), strict=True)]
        evidence = _log_bayes_factor(totals, weights, concentration)
        lowest = min(lowest, math.exp(-max(evidence, 0.0)))
        p_values.append(lowest)
    missing = _UNPLANNED if evidence == math.inf else _ONE_GROUP if sum(w > 0 for w in weights) == 1 else None
    return SampleRatios(log_bayes_factor=None if missing else evidence, p_values=tuple(p_values), missing=missing)


def _log_bayes_factor(totals: list[int], weights: list[float], concentration: float) -> float:
    """Return ln of the Dirichlet-multinomial probability of the counts over the multinomial one.

    It is made of totals alone, since batches multiply. Written as a divergence from the shares plus
    small terms, it keeps its digits where the logarithms of Gamma are huge.
    """
    people, whole_weight = sum(totals), sum(weights)
    size = concentration + people
    log = (math.log(size / concentration)) / 2 - stirling_rest(size) + stirling_rest(concentration)
    for count, weight in zip(totals, weights, strict=True):
        if not weight:
            if count:
                return math.inf
            continue
        share = weight / whole_weight
        prior = concentration * share
        off = (count - people * share) / (size * share)
        log += size * share * ((1 + off) * math.log1p(off) - off)
        log += stirling_rest(prior + count) - stirling_rest(prior) - math.log1p(count / prior) / 2
    return log


def _weights(shares: Sequence[float]) -> list[float]:
    listed(shares, "shares")
    weights = [number(share, f"shares[{i}]", least=0.0) for i, share in enumerate(shares)]
    if not sum(weights):
        raise InvalidValue(
            f"shares is {shown(shares)}: at least one must be more than 0; give what each group was to get"
        )
    return weights


def _counts(observed: Sequence[float], weights: list[float]) -> list[int]:
    counts = [whole(count, f"observed[{i}]") for i, count in enumerate(observed)]
    if len(counts) != len(weights):
        raise InvalidValue(
            f"observed has {len(counts)} groups and shares {len(weights)}: give one share for each group"
        )
    return counts
