"""Suspension: a campaign stops when too many of its messages bounce, or people opt out.

What is decided by is kept in the campaign's own row, which every batch holds anyway: four
numbers, moved by the same differences as the counters. Nothing is summed up when a receipt
comes. That a limit was reached stays, whatever comes later, until somebody resumes the
campaign; from then on only what is new counts.
"""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import attrs

from campaignkit.backends.storage.port import Row, Transaction
from campaignkit.backends.storage.tables import CAMPAIGNS, COUNTERS
from campaignkit.cells import Cell
from campaignkit.metrics import place
from campaignkit.profiles import Profile
from campaignkit.tracker.counters import Difference, Numbers
from campaignkit.tracker.policies import Rules, Suspension
from campaignkit.tracker.stored import empty_row, moment_of
from campaignkit.tracker.timeline import OURSELVES, write_action

WATCHED: Final = ("sent", "soft", "hard", "opted_out")
"""Columns of campaigns that suspension is decided by."""

_UNSENT: Final = frozenset({"skipped", "canceled", "pending", "refused", "unknown"})

Watched = Mapping[str, Mapping[str, int]]
"""By campaign, how much more there is of what is watched."""


@attrs.frozen(kw_only=True)
class Suspended:
    """That a campaign is suspended.

    Attributes:
        why: the rates that reached their limit, or what somebody said.
    """

    since: datetime
    why: str


# --- what is watched ---------------------------------------------------------------------------


def watched(numbers: Numbers, profile: Profile) -> Watched:
    """Return how much counters, or differences of counters, add to what is watched."""
    found: defaultdict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(WATCHED, 0))
    for (table, key), sums in numbers.items():
        if table == COUNTERS.name:
            campaign, _, cell = key
            taken = sums.get("handed_off", 0)
            for where, n in zip(_places(cell, profile), (sums.get("n", 0) - taken, taken), strict=True):
                for name in where:
                    found[campaign][name] += n
            found[campaign]["opted_out"] += sums.get("opted_out", 0)
    return found


@functools.lru_cache(maxsize=10_000)
def _places(cell: str, profile: Profile) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what messages of a cell add to, not handed off and handed off."""
    before, after = (_names(each) for each in place(Cell(*json.loads(cell)), profile))
    return before, after


def _names(where: str) -> tuple[str, ...]:
    if where in _UNSENT:
        return ()
    return {"soft": ("sent", "soft"), "hard": ("sent", "hard"), "deleted": ("sent", "hard")}.get(where, ("sent",))


def set_anew(tx: Transaction, campaign: str, numbers: Numbers, rules: Rules, now: int) -> None:
    """Put what is watched as a recount says, and decide by it."""
    (row,) = tx.lock(CAMPAIGNS, [(campaign,)]).values()
    more = _of(watched(numbers, rules.profile), campaign)
    changed = decided({**row, **dict.fromkeys(WATCHED, 0)}, more, rules.suspension, now)
    tx.put(CAMPAIGNS, [changed])
    write_suspended(tx, [row], [changed])


def miscounted(tx: Transaction, campaign: str, numbers: Numbers, profile: Profile) -> list[Difference]:
    """Return every number that is watched and is not what a recount says."""
    row = tx.get(CAMPAIGNS, [(campaign,)]).get((campaign,), empty_row(CAMPAIGNS))
    return [
        Difference(
            campaign_id=campaign, table=CAMPAIGNS.name, group={}, key=(), column=name, stored=row[name] or 0, counted=n
        )
        for name, n in _of(watched(numbers, profile), campaign).items()
        if (row[name] or 0) != n
    ]


def _of(found: Watched, campaign: str) -> Mapping[str, int]:
    return found.get(campaign) or dict.fromkeys(WATCHED, 0)


# --- deciding ----------------------------------------------------------------------------------


def decided(row: Row, more: Mapping[str, int] | None, policy: Suspension | None, now: int) -> Row:
    """Return a row of campaigns with more of what is watched, suspended if a limit is reached by that."""
    if not more:
        return row
    changed = {**row, **{name: (row[name] or 0) + n for name, n in more.items()}}
    if policy is None or row["suspended_at"] is not None:
        return changed
    before = row["resumed"] or {}
    why = policy.crossed({name: max(0, changed[name] - before.get(name, 0)) for name in WATCHED})
    return changed if why is None else {**changed, "suspended_at": now, "suspended_why": why}


def write_suspended(tx: Transaction, before: Iterable[Row], after: Iterable[Row]) -> None:
    """Put on the timeline which campaigns were suspended just now."""
    for old, new in zip(before, after, strict=True):
        if old["suspended_at"] is None and new["suspended_at"] is not None:
            at, why = new["suspended_at"], new["suspended_why"]
            write_action(tx, new["campaign_id"], at, "suspended", who=OURSELVES, why=why)


def suspend(tx: Transaction, campaign: str, now: int, *, who: str, why: str) -> None:
    """Suspend a campaign because somebody says so; one that is suspended stays so for its first reason."""
    tx.insert(CAMPAIGNS, [empty_row(CAMPAIGNS, campaign_id=campaign, created_at=now, version=0)])
    (row,) = tx.lock(CAMPAIGNS, [(campaign,)]).values()
    if row["suspended_at"] is None:
        tx.put(CAMPAIGNS, [{**row, "suspended_at": now, "suspended_why": why}])
        write_action(tx, campaign, now, "suspended", who=who, why=why)


def resume(tx: Transaction, campaign: str, now: int, *, who: str, why: str | None) -> None:
    """Let a campaign go on; nothing that came until now can suspend it again."""
    row = next(iter(tx.lock(CAMPAIGNS, [(campaign,)]).values()), None)
    if row is None or row["suspended_at"] is None:
        return
    base = {name: row[name] or 0 for name in WATCHED}
    tx.put(CAMPAIGNS, [{**row, "suspended_at": None, "suspended_why": None, "resumed": base}])
    write_action(tx, campaign, now, "resumed", who=who, why=why)


def suspended(tx: Transaction, campaign: str) -> Suspended | None:
    """Return since when and why a campaign is suspended, None when it is not."""
    row = tx.get(CAMPAIGNS, [(campaign,)]).get((campaign,))
    since = None if row is None else moment_of(row["suspended_at"])
    return None if row is None or since is None else Suspended(since=since, why=row["suspended_why"])
