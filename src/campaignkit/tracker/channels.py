"""Channels: whether carriers still report on what they were given, for each carrier and sender.

A webhook that is misconfigured makes no error. Nothing comes, and messages stay queued for ever.
So for each channel two things are kept, in the transaction of what they say:

    heard_at            when the latest receipt came                     the latest
    waiting, since      messages handed off after that, and when         a sum, and the first hundred

Neither depends on the order in which tellings arrive, as long as no more than a hundred wait; of
more, some are forgotten when a receipt comes that is newer than some of them and older than
others. So it never says that more wait than do.

A receipt counts whatever it says, also one that was known. What was handed off longer ago than
`NEWS` when it was told is history, whose receipts went elsewhere; so is what was told with its end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from campaignkit.backends.storage.port import Key, Row, Transaction
from campaignkit.backends.storage.tables import CHANNELS
from campaignkit.errors import InvalidValue, shown
from campaignkit.grouping import micros_of
from campaignkit.models import Status
from campaignkit.tracker.stored import empty_row, latest, moment_of, write_changes

AFTER: Final = timedelta(hours=1)
"""Most receipts come within a minute, and some carrier is slow some day; an hour is trouble."""

LEAST: Final = 20
"""A phone that is off says nothing for days. That of 20 not even one is heard of in an hour, although it is
so for half of them, happens once in a million times."""

MOST: Final = 100
"""Moments that are kept of what waits; `least` cannot be more."""

NEWS: Final = timedelta(days=1)
"""What was handed off longer before it was told is history."""

IN_USE: Final = timedelta(days=7)
"""A channel that was given nothing for so long is not in use: carriers report for some days."""

_ON_ITS_WAY: Final = frozenset({Status.QUEUED.value, Status.SENT.value})
_SECOND: Final = 1_000_000
_NEWS: Final = NEWS // timedelta(microseconds=1)


@attrs.frozen(kw_only=True)
class Silence:
    """A carrier and a sender of ours of which nothing is heard. As text, it says what to check.

    Attributes:
        carrier: None where messages do not say whose they are.
        sender: of ours; None where they do not say it.
        waiting: how many messages were handed off since the last receipt; at least so many.
        since: when the first of those was.
        heard_at: when the last receipt came; None: there never was one.
    """

    carrier: str | None
    sender: str | None
    waiting: int
    since: datetime
    heard_at: datetime | None

    def __str__(self) -> str:
        whose = f"{self.carrier or 'a carrier that is not known'} about messages from {self.sender or 'no sender'}"
        heard = "never" if self.heard_at is None else f"last {_minute(self.heard_at)}"
        return (
            f"nothing is heard of {whose}: {self.waiting:,} handed off since {_minute(self.since)}, receipts:"
            f" {heard}; check the webhook address that the carrier has of you, the secret that its signature is"
            " checked with, and whether the account sends receipts"
        )


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


# --- what one batch says -------------------------------------------------------------------------


@attrs.define
class _News:
    handed_off_at: int | None = None
    heard_at: int | None = None
    waiting: list[int] = attrs.field(factory=list)


def note_channels(
    tx: Transaction, changes: Iterable[tuple[Row | None, Row]], heard: Mapping[str, int], now: int
) -> None:
    """Note what was handed off and what was heard of; the rows of channels stay locked.

    Args:
        tx: the transaction that changes the messages.
        changes: each message before and after; None for one that was not known, and those that
            did not change only if something was heard of them.
        heard: by message id, when the latest of the carrier's receipts about it came.
        now: the moment of the batch.
    """
    news: defaultdict[Key, _News] = defaultdict(_News)
    for before, after in changes:
        if after["campaign_id"] is not None:
            _note(news, before, after, heard.get(after["message_id"]), now)
    # Most batches say nothing that is new to the second, and need not wait for each other here.
    wanted = [key for key, row in _found(tx.get(CHANNELS, news), news) if _joined(row, news[key]) != row]
    if not wanted:
        return
    held = tx.lock(CHANNELS, sorted(wanted))
    missing = [key for key in sorted(wanted) if key not in held]
    if missing:
        tx.insert(CHANNELS, [_empty(key) for key in missing])
        held |= tx.lock(CHANNELS, missing)  # somebody else may have been first
    write_changes(tx, CHANNELS, [(held[key], _joined(held[key], news[key])) for key in wanted])


def _note(news: defaultdict[Key, _News], before: Row | None, after: Row, heard: int | None, now: int) -> None:
    known = before if before is not None and before["campaign_id"] is not None else None
    if known is None and before is not None and before["status"] != Status.PENDING:
        heard = latest(heard, before["last_event_at"])  # what came before the message was told of
    if heard is not None:
        for channel in {_channel(row) for row in (known, after) if row is not None}:
            of = news[channel]
            of.heard_at = latest(of.heard_at, -(-heard // _SECOND) * _SECOND)
    sent_at = after["sent_at"]
    if sent_at is not None and (known is None or known["sent_at"] is None):
        of = news[_channel(after)]
        if of.handed_off_at is None or sent_at > of.handed_off_at:
            of.handed_off_at = sent_at
        if _waits(after, now - _NEWS):
            of.waiting.append(sent_at)


def _channel(row: Row) -> Key:
    return row["carrier"] or "", row["sender"] or ""


def _waits(row: Row, since: int) -> bool:
    """Return whether something should be heard of a message: it is on its way, and not for longer than that."""
    if row["status"] not in _ON_ITS_WAY or row["sent_at"] < since:
        return False
    return row["last_event_at"] is None or row["last_event_at"] <= row["sent_at"]


def _found(rows: Mapping[Key, Row], keys: Iterable[Key]) -> Iterator[tuple[Key, Row]]:
    for key in keys:
        yield key, rows.get(key) or _empty(key)


def _empty(key: Key) -> Row:
    return empty_row(CHANNELS, carrier=key[0], sender=key[1], waiting=0, since=[])


def _joined(row: Row, news: _News) -> Row:
    heard_at = latest(row["heard_at"], news.heard_at)
    known = sorted([*row["since"], *news.waiting])
    since = known if heard_at is None else [at for at in known if at > heard_at]
    fresh = news.waiting if heard_at is None else [at for at in news.waiting if at > heard_at]
    heard_some = len(since) - len(fresh) < len(row["since"])
    return {
        **row,
        "handed_off_at": latest(row["handed_off_at"], news.handed_off_at),
        "heard_at": heard_at,
        "waiting": len(since) if heard_some else row["waiting"] + len(fresh),
        "since": since[:MOST],
    }


# --- who is silent -------------------------------------------------------------------------------


def find_silent(tx: Transaction, *, after: timedelta, least: int, now: datetime) -> list[Silence]:
    """Return the channels of which nothing was heard, the one with the most messages first.

    Raises:
        InvalidValue: ``after`` is not above zero, or ``least`` not from 1 to 100.
    """
    if not isinstance(after, timedelta) or after <= timedelta(0):
        raise InvalidValue(f"after is {shown(after)}: must be above zero; give a timedelta, like timedelta(hours=1)")
    if isinstance(least, bool) or not isinstance(least, int) or not 1 <= least <= MOST:
        raise InvalidValue(f"least is {shown(least)}: must be a whole number from 1 to {MOST}, of messages")
    found = [
        row for row in tx.scan(CHANNELS) if _is_silent(row, micros_of(now - after), micros_of(now - IN_USE), least)
    ]
    return [_silence(row) for row in sorted(found, key=lambda row: (-row["waiting"], row["carrier"], row["sender"]))]


def _is_silent(row: Row, before: int, in_use: int, least: int) -> bool:
    since = row["since"]
    return len(since) >= least and since[least - 1] <= before and row["handed_off_at"] >= in_use


def _silence(row: Row) -> Silence:
    since: Any = moment_of(row["since"][0])
    return Silence(
        carrier=row["carrier"] or None,
        sender=row["sender"] or None,
        waiting=row["waiting"],
        since=since,
        heard_at=moment_of(row["heard_at"]),
    )
