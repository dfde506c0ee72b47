"""The statistics alone: counts in, frozen values out.

    >>> from campaignkit.ab import stats
    >>> stats.two_proportion_test(120, 2500, 150, 2500).p_value < 0.07
    True

Each function names its source. Nothing is drawn at random; nobody to count and no variance give
None with a reason; small chances are tails of their own, never 1 minus the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from campaignkit.lazy import loader

if TYPE_CHECKING:
    from campaignkit.ab.stats.adjust import benjamini_hochberg, bonferroni, hochberg, holm
    from campaignkit.ab.stats.averages import best_mean, mean, mean_ratio
    from campaignkit.ab.stats.bayes import Posterior, beta_binomial
    from campaignkit.ab.stats.means import MeanDifference, cuped, welch
    from campaignkit.ab.stats.rates import (
        NonInferiority,
        clopper_pearson,
        difference,
        lift,
        non_inferiority,
        two_proportion_test,
        wilson,
    )
    from campaignkit.ab.stats.ratio import SampleRatios, sample_ratio, sample_ratio_sequence
    from campaignkit.ab.stats.sequential import AlwaysValid, confidence_sequence, confidence_sequence_of, msprt
    from campaignkit.ab.stats.sizing import detectable, power, sample_size

_MODULE_OF = {
    "AlwaysValid": "sequential",
    "MeanDifference": "means",
    "NonInferiority": "rates",
    "Posterior": "bayes",
    "SampleRatios": "ratio",
    "benjamini_hochberg": "adjust",
    "best_mean": "averages",
    "beta_binomial": "bayes",
    "bonferroni": "adjust",
    "clopper_pearson": "rates",
    "confidence_sequence": "sequential",
    "confidence_sequence_of": "sequential",
    "cuped": "means",
    "detectable": "sizing",
    "difference": "rates",
    "hochberg": "adjust",
    "holm": "adjust",
    "lift": "rates",
    "mean": "averages",
    "mean_ratio": "averages",
    "msprt": "sequential",
    "non_inferiority": "rates",
    "power": "sizing",
    "sample_ratio": "ratio",
    "sample_ratio_sequence": "ratio",
    "sample_size": "sizing",
    "two_proportion_test": "rates",
    "welch": "means",
    "wilson": "rates",
}

__all__ = [
    "AlwaysValid",
    "MeanDifference",
    "NonInferiority",
    "Posterior",
    "SampleRatios",
    "benjamini_hochberg",
    "best_mean",
    "beta_binomial",
    "bonferroni",
    "clopper_pearson",
    "confidence_sequence",
    "confidence_sequence_of",
    "cuped",
    "detectable",
    "difference",
    "hochberg",
    "holm",
    "lift",
    "mean",
    "mean_ratio",
    "msprt",
    "non_inferiority",
    "power",
    "sample_ratio",
    "sample_ratio_sequence",
    "sample_size",
    "two_proportion_test",
    "welch",
    "wilson",
]

__getattr__ = loader(__name__, _MODULE_OF)


def __dir__() -> list[str]:
    return [*__all__]
