"""What a test shows: each metric with its intervals, its differences from the control, and the odds of being best.

Every number is made when it is asked for, of counts alone; nothing is drawn at random, so a page that is
loaded again shows the same.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import attrs

from campaignkit.ab.outcomes import STAGES, Arm, Outcomes
from campaignkit.ab.stats.adjust import holm
from campaignkit.ab.stats.averages import best_mean, mean, mean_ratio
from campaignkit.ab.stats.bayes import Posterior, beta_binomial
from campaignkit.ab.stats.means import MeanDifference, cuped, welch
from campaignkit.ab.stats.rates import difference, lift, two_proportion_test, wilson
from campaignkit.ab.stats.ratio import sample_ratio
from campaignkit.ab.stats.sequential import confidence_sequence, confidence_sequence_of
from campaignkit.ab.values import Estimate, Moments, Test
from campaignkit.errors import InvalidValue, nearest, shown
from campaignkit.metrics import Rate
from campaignkit.profiles import LOWER_IS_BETTER, Formula

Better = Literal["higher", "lower"]
Method = Literal["katz", "delta", "fieller"]

MISMATCH: Final = 0.001
"""Below this the p-value of a sample ratio says that the test is broken."""


@attrs.frozen(kw_only=True)
class Contrast:
    """One variant against the control.

    Attributes:
        arm: the variant.
        control: what it is held against.
        difference: its rate less the control's, as a share (0.01 is one point); of means, in their unit.
        lift: the same relative to the control's: 0.2 is 20 % more.
        test: whether chance explains the difference.
        p_adjusted: the p-value, Holm's correction for the number of variants made.
        always_valid: the interval of the difference that holds however often it is looked at.
    """

    arm: str
    control: str
    difference: Estimate
    lift: Estimate
    test: Test
    p_adjusted: float | None
    always_valid: Estimate

    @property
    def p_value(self) -> float | None:
        """The p-value of the test, before any correction."""
        return self.test.p_value


@attrs.frozen(kw_only=True)
class Metric:
    """One metric of every variant.

    Attributes:
        name: a rate's name, or what the caller calls it.
        formula: how it is made.
        better: ``higher`` or ``lower``.
        control: the variant that the others are held against.
        found: variant to its fraction, or to its moments.
        confidence: of every interval.
        method: of the interval of the lift: ``katz``, ``delta`` or ``fieller``.
        prior: alpha and beta of each proportion's prior.
        planned: how many recipients the test was planned for; it tunes the intervals that may be looked at.
        before: each mean is adjusted by what people did before (CUPED).
    """

    name: str
    formula: str
    better: Better
    control: str
    found: Mapping[str, Rate] | Mapping[str, Moments]
    confidence: float
    method: Method
    prior: tuple[float, float]
    planned: int
    before: bool = False

    @property
    def is_mean(self) -> bool:
        """Whether it is a mean, not a proportion."""
        return any(isinstance(each, Moments) for each in self.found.values())

    @functools.cached_property
    def counts(self) -> Mapping[str, tuple[int, int]]:
        """Variant to (with the outcome, all) of a proportion."""
        rates = {arm: each for arm, each in self.found.items() if isinstance(each, Rate)}
        return {arm: (rate.part or 0, rate.whole or 0) for arm, rate in rates.items()}

    @functools.cached_property
    def moments(self) -> Mapping[str, Moments]:
        """Variant to the moments of a mean."""
        return {arm: each for arm, each in self.found.items() if isinstance(each, Moments)}

    def recipients(self, arm: str) -> int:
        """Return how many recipients of a variant it is made of."""
        return self.moments[arm].n if self.is_mean else self.counts[arm][1]

    @functools.cached_property
    def estimates(self) -> Mapping[str, Estimate]:
        """Variant to its rate with Wilson's interval, or its mean with Student's."""
        if self.is_mean:
            return {arm: mean(each, confidence=self.confidence) for arm, each in self.moments.items()}
        return {arm: wilson(x, n, confidence=self.confidence) for arm, (x, n) in self.counts.items()}

    @functools.cached_property
    def contrasts(self) -> Mapping[str, Contrast]:
        """Each variant but the control, against it."""
        arms = [arm for arm in self.found if arm != self.control]
        tests = {arm: self._test(arm) for arm in arms}
        adjusted = dict(zip(arms, holm([tests[arm].p_value for arm in arms]), strict=True))
        return {
            arm: Contrast(
                arm=arm,
                control=self.control,
                difference=self.difference(arm, self.control),
                lift=self._lift(arm),
                test=tests[arm],
                p_adjusted=adjusted[arm],
                always_valid=self.always_valid(arm, self.control),
            )
            for arm in arms
        }

    def _pair(self, arm: str) -> tuple[int, int, int, int]:
        return (*self.counts[self.control], *self.counts[arm])

    def _test(self, arm: str) -> Test:
        if self.is_mean:
            return self._means(arm, self.control).test
        return two_proportion_test(*self._pair(arm))

    def _means(self, arm: str, other: str) -> MeanDifference:
        compared = cuped if self.before else welch
        return compared(self.moments[other], self.moments[arm], confidence=self.confidence)

    def difference(self, arm: str, other: str) -> Estimate:
        """Return how much more one variant has than another."""
        if self.is_mean:
            return self._means(arm, other).difference
        return difference(*self.counts[other], *self.counts[arm], confidence=self.confidence)

    def _lift(self, arm: str) -> Estimate:
        if self.is_mean:
            return mean_ratio(self.moments[self.control], self.moments[arm], confidence=self.confidence)
        return lift(*self._pair(arm), method=self.method, confidence=self.confidence)

    def always_valid(self, arm: str, other: str, *, alpha: float | None = None) -> Estimate:
        """Return the interval of a difference that holds however often it is looked at."""
        chosen = 1 - self.confidence if alpha is None else alpha
        if self.is_mean:
            found = self._means(arm, other).difference
            if found.value is None or found.standard_error is None:
                return found
            n = self.moments[arm].n + self.moments[other].n
            return confidence_sequence_of(found.value, found.standard_error, n, tuning=self.planned, alpha=chosen)
        return confidence_sequence(*self.counts[other], *self.counts[arm], tuning=self.planned, alpha=chosen)

    def posterior(self, arms: Sequence[str] | None = None) -> Posterior | None:
        """Return the odds of being best, and what choosing wrong would cost, among some variants.

        None where a variant has nobody, because its odds would be the prior's; and of means that do not vary.
        """
        chosen = list(self.found) if arms is None else list(arms)
        lower = self.better == "lower"
        if not all(map(self.recipients, chosen)):
            return None
        if self.is_mean:
            return best_mean([self.moments[arm] for arm in chosen], lower_is_better=lower)
        if lower:  # the best is the one whose opposite is the highest
            opposites = [(n - x, n) for x, n in map(self.counts.__getitem__, chosen)]
            return beta_binomial(opposites, prior=(self.prior[1], self.prior[0]))
        return beta_binomial([self.counts[arm] for arm in chosen], prior=self.prior)

    @functools.cached_property
    def _posterior(self) -> Posterior | None:
        return self.posterior()

    @property
    def prob_best(self) -> Mapping[str, float | None]:
        """Variant to the probability that it is the best of all."""
        known = self._posterior
        return dict(zip(self.found, known.prob_best if known else [None] * len(self.found), strict=True))

    @property
    def expected_loss(self) -> Mapping[str, float | None]:
        """Variant to what choosing it costs on average, where another is better: a share, or the mean's unit."""
        known = self._posterior
        return dict(zip(self.found, known.expected_loss if known else [None] * len(self.found), strict=True))

    # --- of two variants there is one contrast ---------------------------------------------

    def _only(self, name: str) -> Contrast:
        if len(self.contrasts) != 1:
            arms = ", ".join(self.contrasts)
            raise InvalidValue(
                f"{name} is of two variants, and here {arms} are held against {self.control}: use"
                f" .contrasts[...].{name}"
            )
        return next(iter(self.contrasts.values()))

    @property
    def lift(self) -> Estimate:
        """The lift of the one variant beside the control."""
        return self._only("lift").lift

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """Where the lift's interval begins and ends."""
        return self.lift.lower, self.lift.upper

    @property
    def p_value(self) -> float | None:
        """The p-value of the one variant beside the control."""
        return self._only("p_value").p_value


@attrs.frozen(kw_only=True)
class SampleRatio:
    """Whether the variants have as many recipients as they should have: if not, the test is broken somewhere.

    Attributes:
        stage: ``assigned``, ``sent`` or ``delivered``.
        observed: group to recipients.
        expected: group to how many there should be.
        p_value: how often chance alone gives at least this; None where there is nobody.
        missing: why there is no p-value.
    """

    stage: str
    observed: Mapping[str, int]
    expected: Mapping[str, float]
    p_value: float | None
    missing: str | None = None

    @property
    def ok(self) -> bool:
        """Whether chance explains it."""
        return self.p_value is None or self.p_value >= MISMATCH


@attrs.frozen(kw_only=True, repr=False)
class Evidence(Mapping[str, Metric]):
    """What a test shows: metric name to `Metric`, and whether the variants have as many recipients as they should.

    Attributes:
        outcomes: what each variant did.
        control: the variant that the others are held against.
        shares: what share each group should have; ``shares_given`` tells whether the caller said so.
        confidence: of every interval.
        method: of the interval of the lift.
        prior: of each proportion.
        planned: how many recipients the test was planned for.
        remaining: recipients that still wait for the better text; None where no split said.
        before: means are adjusted by what people did before.
    """

    outcomes: Outcomes
    control: str
    shares: Mapping[str, float]
    shares_given: bool
    confidence: float = 0.95
    method: Method = "katz"
    prior: tuple[float, float] = (1.0, 1.0)
    planned: int = 1
    remaining: int | None = None
    before: bool = False

    @property
    def arms(self) -> Mapping[str, Arm]:
        """The variants by name, in their order."""
        return self.outcomes.arms

    @property
    def as_of(self) -> datetime | None:
        """When all this is true; None where the data has no times."""
        return self.outcomes.as_of

    @property
    def matured(self) -> Rate:
        """How many recipients had their whole window, of those sent to."""
        part = sum(arm.matured for arm in self.arms.values())
        return Rate(part, sum(arm.sent for arm in self.arms.values()), Formula("matured", "sent"))

    @functools.cached_property
    def _metrics(self) -> dict[str, Metric]:
        found: dict[str, Any] = {**self.outcomes.rates, **self.outcomes.means}
        return {
            name: Metric(
                name=name,
                formula=self._formula(each),
                better="lower" if name in LOWER_IS_BETTER else "higher",
                control=self.control,
                found=each,
                confidence=self.confidence,
                method=self.method,
                prior=self.prior,
                planned=self.planned,
                before=self.before,
            )
            for name, each in found.items()
        }

    def _formula(self, found: Mapping[str, Any]) -> str:
        first = next(iter(found.values()), None)
        if isinstance(first, Rate):
            return str(first.formula)
        return f"revenue ÷ sent, {self.outcomes.unit}".rstrip(", ")

    def __getitem__(self, name: str) -> Metric:
        if name in self._metrics:
            return self._metrics[name]
        if name in self.outcomes.missing:
            raise InvalidValue(f"{name} was not measured: {self.outcomes.missing[name]}")
        raise InvalidValue(f"metric is {shown(name)}: not compared here; nearest: {nearest(name, self._metrics)}")

    def __contains__(self, name: object) -> bool:
        return name in self._metrics

    def __iter__(self) -> Iterator[str]:
        return iter(self._metrics)

    def __len__(self) -> int:
        return len(self._metrics)

    @functools.cached_property
    def sample_ratios(self) -> Mapping[str, SampleRatio]:
        """Whether the variants have as many recipients as they should, at each stage that is known."""
        return {stage: self._sample_ratio(stage) for stage in STAGES if stage in self.outcomes.groups}

    def _sample_ratio(self, stage: str) -> SampleRatio:
        there = self.outcomes.groups[stage]
        groups = [
            group
            for group in self.shares
            if group in self.arms or (stage == "assigned" and group in there and self.shares_given)
        ]
        observed = {group: there.get(group, 0) for group in groups}
        weights = [self.shares[group] for group in groups]
        found = sample_ratio(list(observed.values()), weights)
        whole, total = sum(weights), sum(observed.values())
        return SampleRatio(
            stage=stage,
            observed=observed,
            expected={group: total * weight / whole for group, weight in zip(groups, weights, strict=True)},
            p_value=found.p_value,
            missing=found.missing,
        )
