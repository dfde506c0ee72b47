"""Taking in many messages that nobody has heard of: the short way of `Tracker.record`.

Most messages that are recorded are new, and nothing has come of them. Their rows follow from
what is told of them and from a status, so they need no look at what is known, and go to the
storage as plain values. Whatever is not so simple is left to `ingest.Batch`, which knows every
case, and makes the same row of a simple one.
"""

from __future__ import annotations

import functools
import operator
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any, Final

from campaignkit.backends.storage.port import Transaction
from campaignkit.backends.storage.tables import CARRIER_IDS, MESSAGES
from campaignkit.grouping import micros_of
from campaignkit.models import Message, Status, to_micros
from campaignkit.tracker.channels import note_channels
from campaignkit.tracker.counters import COUNTED, count_alike
from campaignkit.tracker.ingest import touch_campaigns
from campaignkit.tracker.policies import Rules
from campaignkit.tracker.stored import HOUR, TOLD, Stored

_SIMPLE: Final = frozenset({Status.PENDING, Status.SKIPPED, Status.CANCELED, Status.QUEUED, Status.SENT})
_happened: Final = operator.attrgetter(
    "delivered_at", "last_event_at", "replies", "stop_replies", "clicks", "opted_out",
    "orders", "assisted_orders", "revenue", "assisted_revenue",
)  # fmt: skip
_TOLD: Final = ("message_id", *(name for name in TOLD if name != "created_at"), "segments", "currency")
_MADE: Final = ("created_at", "sent_at", "hour", "price", "media")
_REST: Final = tuple(name for name in MESSAGES.columns if name not in {*_TOLD, *_MADE})
_like_of: Final = operator.attrgetter("status", "carrier", "error_code")

Columns = dict[str, Sequence[Any]]
"""Rows, column by column: of many messages most columns hold nothing, and few hold much."""


def is_simple(message: Message) -> bool:
    """Return whether a message, if it is new, can be taken in the short way: nothing has come of it yet."""
    return message.status in _SIMPLE and not any(_happened(message))


def take_in(tx: Transaction, messages: Sequence[Message], rules: Rules, now: int) -> list[Message]:
    """Insert simple messages that are new, with their ids and counters; return the others."""
    told = sorted(messages, key=lambda each: str(each.message_id))
    columns = columns_of(told, rules)
    given = {name: column for name, column in columns.items() if not _is_empty(column)}
    fresh = tx.load(MESSAGES, tuple(given), list(zip(*given.values(), strict=True)))
    late = _claim(tx, list(compress(told, fresh)))
    _count(tx, columns, fresh, rules, now)
    return [*(each for each, new in zip(told, fresh, strict=True) if not new), *late]


def _claim(tx: Transaction, messages: Sequence[Message]) -> list[Message]:
    """Insert the ids of carriers; return the messages of which ids are known.

    Such an id was waited for, or is another message's: ingest knows what then happens.
    """
    named = [each for each in messages if each.carrier_id is not None]
    named.sort(key=lambda each: (each.carrier or "", each.carrier_id))
    ids = [(each.carrier or "", each.carrier_id, each.message_id, 1, 0) for each in named]
    fresh = tx.load(CARRIER_IDS, ("carrier", "carrier_id", "message_id", "attempt", "part"), ids)
    return [each for each, new in zip(named, fresh, strict=True) if not new]


def _count(tx: Transaction, columns: Columns, fresh: Sequence[bool], rules: Rules, now: int) -> None:
    """Count messages that are new, and note what was handed off."""
    counted = zip(*(columns[name] for name in COUNTED), strict=True)
    deltas = count_alike(Counter(compress(counted, fresh)).items())
    taken = [new and at is not None for new, at in zip(fresh, columns["sent_at"], strict=True)]
    rows = compress(zip(*columns.values(), strict=True), taken) if any(taken) else ()
    handed_off = [dict(zip(columns, row, strict=True)) for row in rows]
    campaigns = {campaign for _, (campaign, *_) in deltas.numbers}
    touch_campaigns(tx, handed_off, campaigns, deltas, rules=rules, now=now)
    note_channels(tx, [(None, row) for row in handed_off], {}, now)
    deltas.write(tx)


def columns_of(messages: Sequence[Message], rules: Rules) -> Columns:
    """Return the rows of simple messages that are new, all columns of them."""
    told: Columns = {name: [*map(operator.attrgetter(name), messages)] for name in (*_TOLD, *_MADE) if name != "hour"}
    likes = [*map(_like_of, messages)]
    like = {each: _like(*each, rules) for each in {*likes}}
    sent_at = _each(micros_of, told["sent_at"])
    return {
        **told,
        "created_at": _each(micros_of, told["created_at"]),
        "sent_at": sent_at,
        "hour": _each(lambda at: at // HOUR, sent_at),
        "price": _each(to_micros, told["price"]),
        "media": [[*media] or None for media in told["media"]],
        **dict(zip(_REST, zip(*map(like.__getitem__, likes), strict=True), strict=True)),
    }


def _each(make: Callable[[Any], Any], column: Sequence[Any]) -> Sequence[Any]:
    return column if _is_empty(column) else [None if value is None else make(value) for value in column]


def _is_empty(column: Sequence[Any]) -> bool:
    return column[0] is None and column.count(None) == len(column)


@functools.lru_cache(maxsize=10_000)
def _like(status: Status, carrier: str | None, code: str | None, rules: Rules) -> tuple[Any, ...]:
    """Return what follows from a status."""
    stored = Stored.new("any", rules.policy)
    stored.record(Message(status=status, carrier=carrier, error_code=code), (), rules.profile)
    row = stored.row()
    return tuple(row[name] for name in _REST)
