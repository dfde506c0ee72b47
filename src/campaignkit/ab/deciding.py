"""Two answers to a test: what it shows, and what to send.

The first rule that fits decides:

    nobody yet, and no time left ......... no_data       a closed window, or a deadline that has passed
    the sample ratio is off .............. invalid
    every variant does harm .............. blocked       a guardrail, shown beyond chance
    too early, or too few ................ collecting    unless an always-valid interval says more
    choosing any costs next to nothing ... equivalent
    one is best with the wanted odds ..... winner
    one is best with odds of 80 % ........ leader
    else ................................. inconclusive
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal

import attrs

from campaignkit.ab.evidence import Better, Evidence, Metric
from campaignkit.ab.reading import parse_span
from campaignkit.ab.showing import Written, odds_text, ratio_said
from campaignkit.ab.stats.rates import non_inferiority
from campaignkit.ab.values import Estimate
from campaignkit.errors import InvalidValue, shown
from campaignkit.models import moment

Fallback = Literal["leader", "control"] | str | None  # noqa: PYI051 - the two words are what to read first
"""What to send without a winner."""

LEADING: Final = 0.8
"""The odds of being best from which on a variant is called the leader."""


class DecisionStatus(StrEnum):
    """How sure a test is."""

    WINNER = "winner"
    LEADER = "leader"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"
    COLLECTING = "collecting"
    BLOCKED = "blocked"
    INVALID = "invalid"
    NO_DATA = "no_data"


@attrs.frozen
class Guardrail:
    """A metric that must not get worse by more than a margin, as shares (0.001 is a tenth of a point).

    A variant is excluded when its harm is shown: when even the better end of the interval of its
    difference from the control is beyond the margin. Both ends are Newcombe's, which hold where
    nothing happened yet.

    Attributes:
        max_increase: for metrics of which less is better.
        max_decrease: for metrics of which more is better.
        confidence: of each end.

    Raises:
        InvalidValue: not exactly one margin, or one that is no share.

    >>> Guardrail(max_increase=0.001).margin
    0.001
    """

    max_increase: float | None = attrs.field(default=None, kw_only=True)
    max_decrease: float | None = attrs.field(default=None, kw_only=True)
    confidence: float = attrs.field(default=0.95, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the margin."""
        margins = [each for each in (self.max_increase, self.max_decrease) if each is not None]
        if len(margins) != 1:
            raise InvalidValue("a guardrail has one margin: give max_increase, or max_decrease")
        check_share("margin of a guardrail", margins[0], zero=True)
        check_share("confidence", self.confidence)

    @property
    def margin(self) -> float:
        """How much worse is accepted."""
        return next(each for each in (self.max_increase, self.max_decrease) if each is not None)


def check_share(name: str, value: object, *, zero: bool = False) -> None:
    """Check a share between 0 and 1.

    Raises:
        InvalidValue: it is none.
    """
    fits = isinstance(value, int | float) and not isinstance(value, bool) and (0 < value < 1 or (zero and value == 0))
    if not fits:
        raise InvalidValue(f"{name} is {shown(value)}: give a share between 0 and 1, like 0.95 for 95 %")


@attrs.frozen(kw_only=True)
class Guarded:
    """What a guardrail says of a variant.

    Attributes:
        metric: which.
        arm: the variant.
        worse: how much worse it is than the control, from the better end to the other.
        margin: how much is accepted.
        harmful: harm is shown.
        safe: that there is none is shown.
    """

    metric: str
    arm: str
    worse: Estimate
    margin: float
    harmful: bool
    safe: bool

    def __str__(self) -> str:
        """Return what it says."""
        said = "does harm" if self.harmful else "is safe" if self.safe else "is not shown to be safe"
        if self.worse.lower is None or self.worse.upper is None:
            return f"{self.arm} {said}: {self.worse.missing}"
        ends = f"{_worse(self.worse.lower)} and {_worse(self.worse.upper)}"
        name = self.metric.replace("_", " ")
        return f"{self.arm} {said}: its {name} is between {ends}, and {100 * self.margin:.2f} points are accepted"


def _worse(share: float) -> str:
    return f"{100 * abs(share):.2f} points {'better' if share < 0 else 'worse'}"


@attrs.frozen(kw_only=True)
class Decision:
    """What a test shows, and what to send.

    Attributes:
        status: how sure it is.
        send: the variant for the rest of the audience; None when nothing should be sent yet.
        reason: why, in a sentence or two, with the numbers.
        metric: what decided.
        best: the variant with the best odds; None where there are none yet.
        prob_best: variant to the probability that it is best, among those not excluded.
        expected_loss: variant to what choosing it costs on average where another is better.
        guardrails: what each guardrail says of each variant.
        excluded: variants that do harm.
        early: an always-valid interval said it before every window had closed.
        remaining: recipients who wait for the better text; None when nobody said.
        expected_gain: how many more outcomes the rest brings with ``send`` than with ``against``; of a
            mean, how much more.
        against: the control, or the next best when the control is sent.
    """

    status: DecisionStatus
    send: str | None
    reason: str
    metric: str
    best: str | None = None
    prob_best: Mapping[str, float | None] = attrs.field(factory=dict)
    expected_loss: Mapping[str, float | None] = attrs.field(factory=dict)
    guardrails: tuple[Guarded, ...] = ()
    early: bool = False
    remaining: int | None = None
    expected_gain: Estimate | None = None
    against: str | None = None

    @property
    def excluded(self) -> tuple[str, ...]:
        """Variants that do harm."""
        return tuple(dict.fromkeys(each.arm for each in self.guardrails if each.harmful))

    def __str__(self) -> str:
        """Return status, action and reason."""
        action = "send nothing yet" if self.send is None else f"send {self.send}"
        return f"{self.status.value}: {action}. {self.reason}"


# --- the rules -----------------------------------------------------------------------------------


def decide(
    evidence: Evidence,
    metric: str,
    *,
    guardrails: Mapping[str, Guardrail],
    min_recipients: int,
    threshold: float,
    max_expected_loss: float | None,
    deadline: timedelta | str | datetime | None,
    fallback: Fallback,
    better: Better | None,
    remaining: int | None,
    force: bool,
) -> Decision:
    """Return what a test shows and what to send; `Comparison.decide` says what the arguments are."""
    if fallback not in {"leader", "control", None, *evidence.arms}:
        known = ", ".join(["leader", "control", *evidence.arms])
        raise InvalidValue(f"fallback is {shown(fallback)}: give one of {known}, or None to send nothing")
    check_share("prob_best", threshold)
    if better not in {None, "higher", "lower"}:
        raise InvalidValue(f"better is {shown(better)}: give 'higher' or 'lower'")
    chosen = evidence[metric] if better is None else attrs.evolve(evidence[metric], better=better)
    found = _Found(
        evidence=evidence,
        metric=chosen,
        passed=_passed(evidence, deadline),
        guarded=tuple(_guarded(evidence, guardrails)),
        min_recipients=min_recipients,
        threshold=threshold,
        max_expected_loss=max_expected_loss,
        fallback=fallback,
        remaining=evidence.remaining if remaining is None else remaining,
    )
    return found.no_data() or (None if force else found.invalid()) or found.blocked() or found.early() or found.judged()


def _passed(evidence: Evidence, deadline: timedelta | str | datetime | None) -> bool:
    """Return whether an answer is needed now."""
    if deadline is None:
        return False
    first, as_of = evidence.outcomes.first, evidence.as_of
    if as_of is None:
        raise InvalidValue("deadline= needs to know when: the data has no times; leave it out, or give messages")
    if isinstance(deadline, datetime):
        return as_of >= moment("deadline", deadline)
    span = parse_span("deadline", deadline)
    return first is not None and span is not None and as_of >= first + span


def _guarded(evidence: Evidence, guardrails: Mapping[str, Guardrail]) -> list[Guarded]:
    found = []
    for name, guardrail in guardrails.items():
        if not isinstance(guardrail, Guardrail):
            raise InvalidValue(f"guardrail of {name} is {shown(guardrail)}: give a Guardrail(max_increase=0.001)")
        metric = evidence[name]
        if metric.is_mean:
            raise InvalidValue(f"guardrail of {name}: it is a mean, and a guardrail holds a proportion")
        found += [_guarded_arm(metric, arm, guardrail) for arm in metric.contrasts]
    return found


def _guarded_arm(metric: Metric, arm: str, guardrail: Guardrail) -> Guarded:
    said = non_inferiority(
        *metric.counts[metric.control],
        *metric.counts[arm],
        margin=guardrail.margin,
        confidence=guardrail.confidence,
        higher_is_better=guardrail.max_increase is None,
    )
    lower, upper = said.lower, said.upper
    if guardrail.max_increase is None and lower is not None and upper is not None:  # what is worse is a decrease
        lower, upper = -upper, -lower
    worse = Estimate(lower=lower, upper=upper, missing=said.missing)
    return Guarded(
        metric=metric.name, arm=arm, worse=worse, margin=guardrail.margin, harmful=said.harmful, safe=said.safe
    )


@attrs.frozen(kw_only=True)
class _Found:
    """Everything the rules look at; each rule returns a decision, or None when it does not fit."""

    evidence: Evidence
    metric: Metric
    passed: bool
    guarded: tuple[Guarded, ...]
    min_recipients: int
    threshold: float
    max_expected_loss: float | None
    fallback: Fallback
    remaining: int | None

    # --- what is there ---------------------------------------------------------------------

    @property
    def candidates(self) -> list[str]:
        """The variants that do no harm; the control is always one."""
        harmful = {each.arm for each in self.guarded if each.harmful}
        return [arm for arm in self.metric.found if arm not in harmful]

    @property
    def fewest(self) -> int:
        """The recipients of the smallest variant."""
        return min(map(self.metric.recipients, self.metric.found))

    @property
    def closed(self) -> bool:
        """Whether the outcome of every message sent is known; of one without a time it never is."""
        seen, arms = self.evidence.outcomes, self.evidence.arms
        if seen.window is not None and seen.last is not None and seen.as_of is not None:
            return seen.as_of >= seen.last + seen.window
        return all(self.metric.recipients(arm) >= arms[arm].sent for arm in self.metric.found)

    @property
    def final(self) -> bool:
        """Whether nothing more can come: nobody waits, and everybody else was sent to long enough ago."""
        waits = any(arm.waiting for arm in self.evidence.arms.values())
        return self.closed and self.evidence.outcomes.window is not None and not waits

    # --- the rules, in their order ---------------------------------------------------------

    def no_data(self) -> Decision | None:
        """Nobody was assigned, or the time is over and nothing is known of anybody."""
        assigned = sum(arm.assigned for arm in self.evidence.arms.values())
        if assigned and not (self.passed and not sum(map(self.metric.recipients, self.metric.found))):
            return None
        what = "no recipients at all" if not assigned else "no recipient whose window has closed by the deadline"
        return self._decision(DecisionStatus.NO_DATA, None, f"There are {what}.")

    def invalid(self) -> Decision | None:
        """The variants have not as many recipients as they should."""
        off = [each for stage, each in self.evidence.sample_ratios.items() if stage != "delivered" and not each.ok]
        if not off:
            return None
        assumed = "" if self.evidence.shares_given else " Equal shares were assumed: give split= or shares=."
        return self._decision(
            DecisionStatus.INVALID,
            None,
            f"{ratio_said(off[0])}{assumed}"
            " Something assigns, skips or loses people of one variant; or messages of the rest are counted in.",
        )

    def blocked(self) -> Decision | None:
        """Every variant does harm beside the control."""
        if len(self.candidates) > 1 or not self.guarded:
            return None
        harm = "; ".join(str(each) for each in self.guarded if each.harmful)
        return self._decision(DecisionStatus.BLOCKED, None, f"{harm}. Only the control {self.metric.control} is left.")

    def early(self) -> Decision | None:
        """Too early to say: unless an interval that may be looked at any time says it."""
        enough = self.fewest >= self.min_recipients
        if self.passed or self.final or (self.closed and enough):
            return None
        winner = self._always_valid_winner() if enough else None
        if winner is not None:
            why = "An interval that may be looked at any time says so."
            return self._judged(DecisionStatus.WINNER, winner, why, early=True)
        known = sum(map(self.metric.recipients, self.metric.found))
        sent = sum(arm.sent for arm in self.evidence.arms.values())
        wait = f"{known:,} of {sent:,} recipients have a known outcome"
        if not enough:
            wait += f", {self.fewest:,} in the smallest variant, of at least {self.min_recipients:,}"
        return self._decision(DecisionStatus.COLLECTING, None, f"Too early: {wait}.")

    def _always_valid_winner(self) -> str | None:
        sign = -1.0 if self.metric.better == "lower" else 1.0
        arms = self.candidates
        alpha = (1 - self.metric.confidence) / max(1, len(arms) - 1)
        for arm in arms:
            found = [self.metric.always_valid(arm, other, alpha=alpha) for other in arms if other != arm]
            ends = [each.lower if sign > 0 else each.upper for each in found]
            if ends and all(end is not None and sign * end > 0 for end in ends):
                return arm
        return None

    def judged(self) -> Decision:
        """What is known by now, judged by the odds."""
        odds, losses = self._odds
        known = {arm: each for arm, each in odds.items() if each is not None}
        if not known:
            return self._decision(
                DecisionStatus.INCONCLUSIVE, self._send(None), "There are no odds: a variant has no outcomes."
            )
        best = max(known, key=lambda arm: known[arm])
        if self.fewest < self.min_recipients:
            few = f"Only {self.fewest:,} recipients in the smallest variant, of at least {self.min_recipients:,}."
            return self._judged(DecisionStatus.INCONCLUSIVE, best, few)
        worst = max((each for each in losses.values() if each is not None), default=0.0)
        if self.max_expected_loss is not None and worst <= self.max_expected_loss:
            return self._judged(
                DecisionStatus.EQUIVALENT, best, f"Choosing any costs {self._written.loss(worst)} at most."
            )
        for verdict, odds_wanted in ((DecisionStatus.WINNER, self.threshold), (DecisionStatus.LEADER, LEADING)):
            if known[best] >= odds_wanted:
                return self._judged(verdict, best, "")
        return self._judged(DecisionStatus.INCONCLUSIVE, best, "")

    # --- said ------------------------------------------------------------------------------

    @functools.cached_property
    def _odds(self) -> tuple[dict[str, float | None], dict[str, float | None]]:
        arms = self.candidates
        found = self.metric.posterior(arms)
        if found is None:
            return dict.fromkeys(arms), dict.fromkeys(arms)
        return (
            dict(zip(arms, found.prob_best, strict=True)),
            dict(zip(arms, found.expected_loss, strict=True)),
        )

    def _send(self, best: str | None, verdict: DecisionStatus = DecisionStatus.INCONCLUSIVE) -> str | None:
        """Return what to send: the winner, or what the fallback says; never what does harm."""
        wanted = best if verdict is DecisionStatus.WINNER or self.fallback == "leader" else self.fallback
        wanted = self.metric.control if wanted == "control" else wanted
        return wanted if wanted is None or wanted in self.candidates else self.metric.control

    def _judged(self, verdict: DecisionStatus, best: str, more: str, *, early: bool = False) -> Decision:
        odds, losses = self._odds
        send = self._send(best, verdict)
        others = [arm for arm in odds if arm != best]
        next_best = max(others, key=lambda arm: odds[arm] or 0.0) if others else best
        said = (
            f"{self._written.name} of {best}: {self._rate(best)}, of {next_best}: {self._rate(next_best)};"
            f" the probability that it is best is {odds_text(odds[best])},"
            f" and {odds_text(self.threshold)} is asked for."
        )
        fallen = "" if verdict is DecisionStatus.WINNER or send is None else f" Without a winner, {send} is sent."
        reference = self.metric.control if send != self.metric.control else next_best if next_best != send else best
        return self._decision(
            verdict,
            send,
            f"{more} {said}".strip() + fallen,
            best=best,
            prob_best=odds,
            expected_loss=losses,
            early=early,
            expected_gain=self._gain(send, reference),
            against=None if send is None else reference,
        )

    def _rate(self, arm: str) -> str:
        value = self.metric.estimates[arm].value
        level = "none" if value is None else self._written.level(value)
        if self.metric.is_mean:
            return level
        x, n = self.metric.counts[arm]
        return f"{level} ({x:,} of {n:,})"

    @property
    def _written(self) -> Written:
        return Written.of(self.evidence, self.metric)

    def _gain(self, send: str | None, reference: str) -> Estimate | None:
        if send is None or send == reference or self.remaining is None:
            return None
        found = self.metric.difference(send, reference)
        ends = [None if each is None else each * self.remaining for each in (found.value, found.lower, found.upper)]
        return Estimate(value=ends[0], lower=ends[1], upper=ends[2], missing=found.missing)

    def _decision(self, status: DecisionStatus, send: str | None, reason: str, **more: Any) -> Decision:
        said = status is DecisionStatus.BLOCKED  # then the reason has the harm
        unsafe = [each for each in self.guarded if not each.safe and not (said and each.harmful)]
        sentences = [reason, *(f"{each}." for each in unsafe), *self._costs()]
        return Decision(
            status=status,
            send=send,
            reason=" ".join(sentences),
            metric=self.metric.name,
            guardrails=self.guarded,
            remaining=self.remaining,
            **more,
        )

    def _costs(self) -> list[str]:
        """Return the sentence about texts of different length."""
        each = {arm.name: arm.segments_per_message for arm in self.evidence.arms.values()}
        known = {name: round(per, 2) for name, per in each.items() if per is not None}
        if len(set(known.values())) <= 1:
            return []
        return [f"Segments a message: {', '.join(f'{name} {per:g}' for name, per in known.items())}."]
