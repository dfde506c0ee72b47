"""Campaigns side by side from their counters, and what a host says of them.

campaigns: name, type, who changed it ─┐
counters of each ──────────────────────┴─► `overview.Campaigns`, without reading a message
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from campaignkit.backends.storage.port import Row, Transaction
from campaignkit.backends.storage.tables import CAMPAIGNS
from campaignkit.cells import MEASURES, Tally, unmeasured_of
from campaignkit.errors import InvalidValue, shown
from campaignkit.grouping import moment_at
from campaignkit.models import Campaign
from campaignkit.overview import Campaigns, read_campaigns
from campaignkit.profiles import Profile
from campaignkit.tracker.counters import read_counters
from campaignkit.tracker.details import asked_text, storable
from campaignkit.tracker.people import check_name
from campaignkit.tracker.stored import empty_row, moment_of
from campaignkit.tracker.timeline import Action, read_timeline, write_action


def read_listing(tx: Transaction, *, profile: str | Profile, rank_by: str, min_sent: int) -> Campaigns:
    """Return every campaign beside the others, the last sent first, from counters alone."""
    described: dict[str, Campaign] = {}
    sent: dict[str, datetime] = {}
    tallies: dict[str, Tally] = {}
    for row in tx.walk(CAMPAIGNS):
        name = row["campaign_id"]
        described[name] = _campaign_of(row)
        if row["last_sent_at"] is not None:
            sent[name] = moment_at(row["last_sent_at"])
        table = read_counters(tx, name, by=None, as_of=moment_of(row["latest_at"]))
        if table.cells:
            tallies[name] = table
    return read_campaigns(_together(tallies), described, sent, profile=profile, rank_by=rank_by, min_sent=min_sent)


def _campaign_of(row: Row) -> Campaign:
    told = {name: row[name] for name in ("campaign_id", "name", "type", "last_modified_by")}
    return Campaign(**told, last_modified_at=moment_of(row["last_modified_at"]))


def _together(tallies: Mapping[str, Tally]) -> Tally:
    """Return the tables of campaigns as one, by campaign."""

    def grouped(part: str) -> dict[Any, Any]:
        return {(name,): found for name, table in tallies.items() if (found := getattr(table, part).get(()))}

    cells = grouped("cells")
    missing = {column for table in tallies.values() for column in table.unmeasured}
    return Tally(
        by=("campaign_id",),
        cells=cells,
        money=grouped("money"),
        latency=grouped("latency"),
        unmeasured=unmeasured_of(MEASURES.keys() - missing, cells, None),
        as_of=max((table.as_of for table in tallies.values() if table.as_of), default=None),
    )


def read_actions(tx: Transaction, campaign: object) -> list[Action]:
    """Return what was done to a campaign, the first first."""
    name = asked_text("campaign", campaign)
    return [*read_timeline(tx, name)] if storable(name) else []


def act(tx: Transaction, campaign: object, what: object, *, who: object, why: object, now: int) -> Action:
    """Put what a host did on the timeline of a campaign; return it."""
    name, word, person = _said("campaign", campaign), _said("what", what), _said("who", who)
    cause = None if why is None else _said("why", why)
    write_action(tx, name, now, word, who=person, why=cause)
    return Action(campaign_id=name, at=moment_at(now), what=word, who=person, why=cause)


def describe(tx: Transaction, campaign: Campaign, now: int) -> Campaign:
    """Keep what a host says of a campaign, and put it on its timeline; what is None stays as it was."""
    for field in ("campaign_id", "name", "last_modified_by"):
        _said(field, getattr(campaign, field) or "nobody")
    name = campaign.campaign_id
    tx.insert(CAMPAIGNS, [empty_row(CAMPAIGNS, campaign_id=name, created_at=now, version=0)])
    row = tx.lock(CAMPAIGNS, [(name,)])[name,]
    told = {field: value for field in ("name", "type") if (value := getattr(campaign, field)) is not None}
    changed = {field: value for field, value in told.items() if row[field] != value}
    if changed:
        row |= {**changed, "last_modified_by": campaign.last_modified_by, "last_modified_at": now}
        row["version"] = (row["version"] or 0) + 1  # pages that poll show the name, too
        tx.put(CAMPAIGNS, [row])
        why = ", ".join(f"{field} is {value!r}" for field, value in changed.items())
        write_action(tx, name, now, "described", who=campaign.last_modified_by, why=why)
    return _campaign_of(row)


def _said(name: str, value: object) -> str:
    text = check_name(name, value)
    if not storable(text):
        raise InvalidValue(f"{name} is {shown(value)}: no database can hold that; leave out what is no character")
    return text
