"""A campaign's timeline: what was done to it, by whom, when and why.

Written in the transaction of what is done, so that nothing is done without standing here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import attrs

from campaignkit.backends.storage.port import Transaction
from campaignkit.backends.storage.tables import ACTIONS
from campaignkit.grouping import moment_at
from campaignkit.tracker.stored import digest

OURSELVES: Final = "campaignkit"
"""Who did what a rule of ours decided."""


@attrs.frozen(kw_only=True)
class Action:
    """Something that was done to a campaign.

    Attributes:
        what: a word, such as ``suspended`` or ``resumed``, or the host's own.
        who: a person's name, or ``campaignkit`` where a rule decided.
    """

    campaign_id: str
    at: datetime
    what: str
    who: str | None = None
    why: str | None = None


def write_action(tx: Transaction, campaign_id: str, at: int, what: str, *, who: str | None, why: str | None) -> None:
    """Put an action on the timeline; the same one at the same moment is one."""
    action_id = digest("action", campaign_id, at, what, who, why)
    row = {"action_id": action_id, "campaign_id": campaign_id, "at": at, "who": who, "what": what, "why": why}
    tx.insert(ACTIONS, [row])


def read_timeline(tx: Transaction, campaign_id: str) -> Iterator[Action]:
    """Yield the actions of a campaign, the first first."""
    yield from map(_action_of, tx.walk(ACTIONS, index="campaign", where={"campaign_id": campaign_id}))


def _action_of(row: dict[str, Any]) -> Action:
    at = moment_at(row["at"])
    return Action(campaign_id=row["campaign_id"], at=at, what=row["what"], who=row["who"], why=row["why"])
