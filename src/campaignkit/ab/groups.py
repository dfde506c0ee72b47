"""Outcomes of summaries, or of counts that a host brings: one for each variant, each taken as final."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import attrs

from campaignkit.ab.outcomes import MEAN, STAGES, Arm, Outcomes, asked_metrics, outcomes_of
from campaignkit.ab.values import REST, Moments
from campaignkit.cells import MEASURES, PEOPLE_COUNTS
from campaignkit.errors import InvalidValue, nearest, shown
from campaignkit.metrics import COUNT_FIELDS, COUNT_PROPERTIES, Rate
from campaignkit.profiles import Formula, Profile
from campaignkit.summary import Summaries, Summary

# What a host that counts people may call its counts: of people who got one message each they are the same.
_AS_PEOPLE: Final = {
    "sent": "unique_sends",
    "delivered": "unique_deliveries",
    "replied": "repliers",
    "clicked": "clickers",
    "opted_out": "unsubscribers",
    "converted": "converters",
}
_HITS: Final = {hits: messages[0] for hits, *messages in MEASURES.values() if messages}


def from_groups(data: Mapping[Any, Any], metrics: Iterable[str] | None, profile: Profile) -> Outcomes:
    """Return the outcomes of summaries or plain counts, one for each variant; each is taken as final.

    Raises:
        InvalidValue: a count that is none, one we do not know, or summaries of several columns.
    """
    if isinstance(data, Summaries) and len(data.by) != 1:
        raise InvalidValue(f"the summaries are by {', '.join(data.by)}: group by the variant alone")
    asked = asked_metrics(metrics, profile)
    given = {_arm_name(key): _Given.of(key, value) for key, value in data.items() if key is not None}
    measured: dict[str, dict[str, Rate]] = {name: {} for name, formula in asked.items() if formula is not None}
    for arm, counts in given.items():
        for name, formula in asked.items():
            if formula is not None:
                measured[name][arm] = counts.rate(name, formula)
    groups = {
        stage: {arm: n for arm, counts in given.items() if (n := counts.stage(stage)) is not None} for stage in STAGES
    }
    arms = {arm: counts.arm(arm) for arm, counts in given.items() if arm not in REST}
    moments = [each.as_of for each in given.values() if each.as_of is not None]
    return outcomes_of(
        arms,
        measured,
        {arm: counts.moments for arm, counts in given.items() if counts.moments is not None},
        groups={stage: found for stage, found in groups.items() if len(found) == len(given)},
        asked=metrics,
        as_of=max(moments, default=None),
    )


@attrs.frozen(kw_only=True)
class _Given:
    """The counts of one variant, wherever they come from."""

    counts: Mapping[str, int | None]
    summary: Summary | None = None
    moments: Moments | None = None

    @classmethod
    def of(cls, key: Any, value: Any) -> _Given:
        if isinstance(value, Summary):
            return cls(counts={}, summary=value)
        if not isinstance(value, Mapping):
            raise InvalidValue(
                f"{shown(key)} has {shown(value)}: give a Summary, or counts like {{'sent': 2500, 'clicked': 120}}"
            )
        known = (*COUNT_FIELDS, *COUNT_PROPERTIES, *PEOPLE_COUNTS)
        for name, n in value.items():
            if name == MEAN and isinstance(n, Moments):
                continue
            if name not in known:
                raise InvalidValue(f"count {shown(name)} of {key}: not one we know; nearest: {nearest(name, known)}")
            if not isinstance(n, int) or isinstance(n, bool) or n < 0:
                raise InvalidValue(f"{name} of {key} is {shown(n)}: a count is a whole number of 0 or more")
        counts = {name: n for name, n in value.items() if name != MEAN}
        for hits, messages in _HITS.items():
            if hits in counts and not counts.keys() & {messages, _AS_PEOPLE[messages]}:
                raise InvalidValue(
                    f"{key} has {hits}, of which one message may have several: give {messages},"
                    f" the messages with at least one"
                )
        return cls(counts=counts, moments=value.get(MEAN))

    @property
    def as_of(self) -> datetime | None:
        return self.summary.as_of if self.summary else None

    def _count(self, name: str) -> int | None:
        if self.summary is not None:
            return self.summary.count(name)
        return self.counts.get(name, self.counts.get(_AS_PEOPLE.get(name, "")))

    def stage(self, stage: str) -> int | None:
        if stage != "assigned":
            return self._count(stage)
        found = self._count("total")
        found = self._count("recipients") if found is None else found
        return self._count("sent") if found is None else found

    def rate(self, name: str, formula: Formula) -> Rate:
        part, whole = self._count(formula.part), self._count(formula.whole)
        if self.summary is not None:
            return self.summary.rate(name) if name in self.summary.profile.rates else Rate(part, whole, formula)
        if whole is None:
            raise InvalidValue("counts have no 'sent': give how many messages of each variant were sent")
        if part is not None and part > whole:
            raise InvalidValue(f"{formula.part} is {part:,} of {whole:,} {formula.whole}: it counts messages of those")
        return Rate(part, whole, formula, None if part is not None else f"no {formula.part!r} among the counts")

    def arm(self, name: str) -> Arm:
        cost = self.summary.cost if self.summary else None
        return Arm(
            name=name,
            assigned=self.stage("assigned") or 0,
            sent=self._count("sent") or 0,
            delivered=self._count("delivered"),
            matured=self._count("sent") or 0,
            segments=self._count("segments"),
            cost=cost or {},
        )


def _arm_name(key: Any) -> str:
    return key if isinstance(key, str) else str(key)
