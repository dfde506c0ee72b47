"""A/B tests of texts: plan before, decide after, and tell the truth in between.

    plan(audience, ...) ──► is the test large enough?
    split(contacts, ...) ──► who gets what, who waits        decide ◄── compare(messages, split=...)
         └──────────────────► remaining(send="B") ◄────────────┘

    comparing   Comparison, compare: the way in                    splitting   Split, split
    deciding    Decision: what it shows, and what to send          planning    Plan, plan
    showing     tables, a picture of the intervals                 allocation  who is in which group
    evidence    Metric, Contrast, SampleRatio: the numbers         contacts    keys of any audience
    messages, prepared, groups ──► outcomes: what each variant did
    stats       the statistics, of counts alone                    values      what they give back

Names are loaded on first use: planning a test does not load what reads frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from campaignkit.lazy import loader

if TYPE_CHECKING:
    from campaignkit.ab import stats
    from campaignkit.ab.allocation import allocate, fraction, growthbook_fraction, hash64
    from campaignkit.ab.comparing import Comparison, compare
    from campaignkit.ab.deciding import Decision, DecisionStatus, Guarded, Guardrail
    from campaignkit.ab.evidence import Contrast, Metric, SampleRatio
    from campaignkit.ab.planning import Plan, plan
    from campaignkit.ab.splitting import Split, split
    from campaignkit.ab.values import Estimate, Moments, Test

_MODULE_OF = {
    "Comparison": "comparing",
    "Contrast": "evidence",
    "Decision": "deciding",
    "DecisionStatus": "deciding",
    "Estimate": "values",
    "Guarded": "deciding",
    "Guardrail": "deciding",
    "Metric": "evidence",
    "Moments": "values",
    "Plan": "planning",
    "SampleRatio": "evidence",
    "Split": "splitting",
    "Test": "values",
    "allocate": "allocation",
    "compare": "comparing",
    "fraction": "allocation",
    "growthbook_fraction": "allocation",
    "hash64": "allocation",
    "plan": "planning",
    "split": "splitting",
    "stats": "stats",
}

__all__ = [
    "Comparison",
    "Contrast",
    "Decision",
    "DecisionStatus",
    "Estimate",
    "Guarded",
    "Guardrail",
    "Metric",
    "Moments",
    "Plan",
    "SampleRatio",
    "Split",
    "Test",
    "allocate",
    "compare",
    "fraction",
    "growthbook_fraction",
    "hash64",
    "plan",
    "split",
    "stats",
]


__getattr__ = loader(__name__, _MODULE_OF)


def __dir__() -> list[str]:
    return [*__all__]
