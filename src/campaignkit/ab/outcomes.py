"""What each variant did: a few numbers for each, wherever they come from.

messages   messages, any rows or frame: by variant, and by whether the window has closed ──┐
prepared   one row for each recipient, with a flag for each metric ────────────────────────┼─► Outcomes
groups     Summaries, or counts ───────────────────────────────────────────────────────────┘
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import attrs

from campaignkit.ab.values import Moments
from campaignkit.errors import InvalidValue, nearest, shown
from campaignkit.metrics import Rate
from campaignkit.profiles import Formula, Profile

MEAN: Final = "revenue_per_recipient"
"""The one metric that is a mean, not a proportion."""

DEFAULT_METRICS: Final = (
    "delivery_rate",
    "reply_rate",
    "click_rate",
    "conversion_rate",
    "opt_out_rate",
    "hard_bounce_rate",
)
"""What is compared unasked, as far as it was measured."""

STAGES: Final = ("assigned", "sent", "delivered")


@attrs.frozen(kw_only=True)
class Arm:
    """One variant of a test, before any metric.

    Attributes:
        name: the variant.
        assigned: recipients that the data has, sent to or not.
        sent: recipients whose message was handed to a carrier.
        matured: recipients sent to long enough ago, so that what they do is known.
        delivered: recipients whose message arrived; None where that is not known.
        waiting: recipients whose message is still to be handed over, or may be.
        segments: billed parts, None where not recorded.
        cost: what its messages cost, by currency.
    """

    name: str
    assigned: int
    sent: int
    matured: int
    delivered: int | None = None
    waiting: int = 0
    segments: int | None = None
    cost: Mapping[str, Decimal] = attrs.field(factory=dict)

    @property
    def segments_per_message(self) -> float | None:
        """Billed parts of one message; None where not recorded."""
        return None if self.segments is None or not self.sent else self.segments / self.sent


@attrs.frozen(kw_only=True)
class Outcomes:
    """What each variant did.

    Attributes:
        arms: by name, in their order.
        rates: metric to arm to fraction, of recipients whose window has closed.
        means: metric to arm to moments, of the same.
        missing: metric to the reason why it has neither.
        groups: ``assigned``, ``sent`` and ``delivered``, each by group, those without a text of the test included.
        first: when the first message was sent; None where the data has no times.
        last: when the last one was.
        as_of: when all this is true; None where the data has no times.
        window: how long an outcome may take; None where all counts at once.
        unit: what one currency's revenue is in.
        notes: what to know before believing it.
    """

    arms: Mapping[str, Arm]
    rates: Mapping[str, Mapping[str, Rate]]
    means: Mapping[str, Mapping[str, Moments]] = attrs.field(factory=dict)
    missing: Mapping[str, str] = attrs.field(factory=dict)
    groups: Mapping[str, Mapping[str, int]]
    first: datetime | None = None
    last: datetime | None = None
    as_of: datetime | None = None
    window: timedelta | None = None
    unit: str = ""
    notes: tuple[str, ...] = ()


# --- what is asked -------------------------------------------------------------------------------


def formula_of(name: str, profile: Profile) -> Formula:
    """Return how a metric is made, if it can be compared as a proportion of what was sent.

    Raises:
        InvalidValue: there is no such metric, or it is no proportion of what was sent.
    """
    formula = profile.rates.get(name)
    known = [*(each for each, made in profile.rates.items() if _comparable(made)), MEAN]
    if formula is None:
        raise InvalidValue(f"metric is {shown(name)}: not one we know; nearest: {nearest(name, known)}")
    if not _comparable(formula):
        why = "no proportion: its top may pass its bottom" if not formula.proportion else "not of what was sent"
        raise InvalidValue(f"metric {name!r} ({formula}) is {why}; compare one of {', '.join(known)}")
    return formula


def _comparable(formula: Formula) -> bool:
    return formula.proportion and formula.whole == "sent"


def asked_metrics(metrics: Iterable[str] | None, profile: Profile) -> dict[str, Formula | None]:
    """Return the metrics and how each is made; None for the mean."""
    if isinstance(metrics, str):
        raise InvalidValue(f"metrics is {shown(metrics)}: give a list of names, like [{metrics!r}]")
    if metrics is None:
        known = {name: profile.rates[name] for name in DEFAULT_METRICS if name in profile.rates}
        return {name: formula for name, formula in known.items() if _comparable(formula)}
    return {name: None if name == MEAN else formula_of(name, profile) for name in metrics}


def in_order(raws: Iterable[Any], groups: Sequence[str]) -> dict[Any, str]:
    """Return what a column of variants holds, with the name of each: in the order of a split, else of the alphabet."""
    order = {name: place for place, name in enumerate(groups)}
    return {raw: str(raw) for raw in sorted(raws, key=lambda each: (order.get(str(each), len(order)), str(each)))}


def outcomes_of(
    arms: Mapping[str, Arm],
    rates: Mapping[str, Mapping[str, Rate]],
    means: Mapping[str, Moments],
    *,
    asked: Iterable[str] | None,
    **rest: Any,
) -> Outcomes:
    """Return the outcomes of what was measured, and why the rest was not; of what nobody asked for, nothing.

    Args:
        arms: the variants.
        rates: metric to variant to fraction, also of groups that are no variants.
        means: variant to moments of the mean.
        asked: the metrics that somebody asked for, if anybody did.
        rest: the other fields.
    """
    wanted = () if asked is None else tuple(asked)
    missing, kept = {}, {}
    for name, found in rates.items():
        of_arms = {arm: found[arm] for arm in arms}
        lost = next((rate for rate in of_arms.values() if rate.part is None or rate.whole is None), None)
        if lost is None:
            kept[name] = of_arms
        elif name in wanted:
            missing[name] = lost.missing or "it was not recorded for every variant"
    known = {MEAN: {arm: means[arm] for arm in arms}} if means and means.keys() >= arms.keys() else {}
    if MEAN in wanted and not known:
        missing[MEAN] = "no revenue was recorded"
    return Outcomes(arms=arms, rates=kept, means=known, missing=missing, **rest)
