"""What is stored, said once: tables with their columns, keys and orders. No adapter knows more.

Every table is kept apart by tenant, which is the first part of every key and index and is
named in none of them. Moments are whole microseconds since 1970 in UTC, money whole
millionths with its currency, flags 0 and 1, and what has no fixed shape is JSON.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

import attrs

from campaignkit.cells import Sums
from campaignkit.errors import InvalidValue

Kind = Literal["text", "int", "json"]
"""``text`` is any Unicode but NUL, ``int`` has 64 bits, ``json`` a dict or a list of plain values."""

VERSION: Final = 1
"""Of all tables together; a storage that holds another one says so."""


def _columns(given: Mapping[str, Kind]) -> Mapping[str, Kind]:
    return MappingProxyType(dict(given))


def _names(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(given)


def _indexes(given: Mapping[str, Iterable[str]]) -> Mapping[str, tuple[str, ...]]:
    return MappingProxyType({name: tuple(columns) for name, columns in given.items()})


@attrs.frozen(eq=False)  # one object each: statements are kept by it
class Table:
    """One table.

    Attributes:
        columns: name to kind. Those of the key are always there; every other may be None.
        key: what tells one row from another; text or int.
        indexes: further orders in which rows can be scanned, by name. Ties are in the order of
            the key. A row whose first column of an index is None does not stand in it.
    """

    name: str
    columns: Mapping[str, Kind] = attrs.field(converter=_columns)
    key: tuple[str, ...] = attrs.field(converter=_names)
    indexes: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict, converter=_indexes)

    def __attrs_post_init__(self) -> None:
        """Refuse a key or an index of columns that are not there."""
        for name in (*self.key, *(each for columns in self.indexes.values() for each in columns)):
            if self.columns.get(name) not in {"text", "int"}:
                raise InvalidValue(f"table {self.name} has no text or int column {name!r}: correct its key or index")

    def key_of(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the values of the key in a row."""
        return tuple([row[name] for name in self.key])

    def begun(self, key: tuple[Any, ...]) -> dict[str, Any]:
        """Return a row that numbers are added to first: 0 in every integer column, None elsewhere but in the key."""
        zeros = {name: 0 if kind == "int" else None for name, kind in self.columns.items()}
        return zeros | dict(zip(self.key, key, strict=True))

    def order(self, index: str | None = None) -> tuple[str, ...]:
        """Return the columns that rows are ordered by in an index, or by key."""
        first = self.key if index is None else self.indexes[index]
        return (*first, *(name for name in self.key if name not in first))

    def prefix(self, index: str | None, where: Collection[str]) -> tuple[str, ...]:
        """Return the first columns of an order, those that a scan gives values for.

        Raises:
            InvalidValue: it gives values for others.
        """
        first = self.order(index)[: len(where)]
        if {*first} != {*where}:
            given, table = sorted(where), self.name
            raise InvalidValue(f"where has {given}, and the rows of {table} are ordered by others first: give {first}")
        return first


CAMPAIGNS: Final = Table(
    "campaigns",
    {
        "campaign_id": "text",
        "name": "text",
        "type": "text",
        "created_at": "int",
        "last_modified_at": "int",
        "last_modified_by": "text",
        "suspended_at": "int",
        "suspended_why": "text",
        "sent": "int",  # this and the next three are what suspension is decided by
        "soft": "int",
        "hard": "int",
        "opted_out": "int",
        "resumed": "json",  # the four as they were when it was resumed
        "version": "int",  # rises with every change of anything counted, for pages that poll
        "last_sent_at": "int",
        "latest_at": "int",  # the latest moment of its messages: when the counters are true
    },
    key=("campaign_id",),
)

MESSAGES: Final = Table(
    "messages",
    {
        "message_id": "text",
        "campaign_id": "text",
        "contact_id": "text",
        "contact_name": "text",
        "to": "text",
        "variant": "text",
        "list_id": "text",
        "account_id": "text",
        "sender": "text",
        "step": "int",
        "carrier": "text",
        "carrier_id": "text",
        "segments": "int",
        "price": "int",
        "currency": "text",
        "created_at": "int",
        "sent_at": "int",
        "skip_reason": "text",
        "text": "text",
        "media": "json",
        # What follows is derived from receipts, replies and the rest, and written with them.
        "state": "json",  # the lattice: what is known of each part of each attempt
        "status": "text",
        "error_code": "text",
        "delivered_at": "int",
        "last_event_at": "int",
        "hour": "int",  # of handing over, in hours since 1970
        "latency": "int",  # the bucket of the time to delivery
        "conflict": "int",
        "replies": "int",
        "stop_replies": "int",
        "clicks": "int",
        "opted_out": "int",
        "orders": "int",
        "assisted_orders": "int",
        "revenue": "json",  # [[kind, currency, micros]]
    },
    key=("message_id",),
    indexes={
        "campaign": ("campaign_id",),
        "status": ("campaign_id", "status"),
        "contact": ("contact_id", "sent_at"),
        "to": ("to", "sent_at"),
    },
)

ATTEMPTS: Final = Table(
    "attempts",
    {
        "attempt_id": "text",
        "message_id": "text",
        "number": "int",
        "parts": "int",
        "outcome": "text",
        "carrier": "text",
        "carrier_id": "text",
        "error_code": "text",
        "started_at": "int",
        "ended_at": "int",
    },
    key=("attempt_id",),
    indexes={"message": ("message_id", "number")},
)

CARRIER_IDS: Final = Table(
    "carrier_ids",
    {"carrier": "text", "carrier_id": "text", "message_id": "text", "attempt": "int", "part": "int"},
    key=("carrier", "carrier_id"),
    indexes={"message": ("message_id",)},
)
"""Which message, attempt and part a carrier's id stands for."""

RECEIPTS: Final = Table(
    "receipts",
    {
        "receipt_id": "text",  # what it says about which part of which attempt: equal ones are one
        "message_id": "text",
        "attempt": "int",
        "part": "int",
        "carrier": "text",
        "status": "text",
        "error_code": "text",
        "at": "int",
        "received_at": "int",
        "last_received_at": "int",
        "duplicates": "int",
        "raw": "json",
        "raw_since": "int",  # when it was received, as long as raw is kept
    },
    key=("message_id", "receipt_id"),
    indexes={"raw": ("raw_since",)},
)

INBOX: Final = Table(
    "inbox",
    {
        "receipt_id": "text",
        "carrier": "text",
        "carrier_id": "text",
        "attempt_id": "text",
        "received_at": "int",
        "receipt": "json",
    },
    key=("receipt_id",),
    indexes={
        "carrier": ("carrier", "carrier_id"),
        "attempt": ("attempt_id",),
        "received": ("received_at",),
    },
)
"""Receipts whose message is not known yet."""

REPLIES: Final = Table(
    "replies",
    {
        "reply_id": "text",
        "message_id": "text",
        "campaign_id": "text",
        "contact_id": "text",
        "to": "text",
        "sender": "text",
        "carrier": "text",
        "received_at": "int",
        "text": "text",
        "keyword": "text",
        "media": "json",
        "dated": "int",
        "lossy": "int",
    },
    key=("reply_id",),
    indexes={
        "to": ("to", "received_at"),
        "contact": ("contact_id",),
        "campaign": ("campaign_id", "received_at"),
        "message": ("message_id",),
    },
)

CLICKS: Final = Table(
    "clicks",
    {
        "click_id": "text",
        "message_id": "text",
        "campaign_id": "text",
        "contact_id": "text",
        "to": "text",
        "clicked_at": "int",
        "url": "text",
    },
    key=("click_id",),
    indexes={
        "message": ("message_id", "clicked_at"),
        "campaign": ("campaign_id", "clicked_at"),
        "to": ("to",),
        "contact": ("contact_id",),
    },
)

ORDERS: Final = Table(
    "orders",
    {
        "order_id": "text",
        "message_id": "text",
        "campaign_id": "text",
        "contact_id": "text",
        "to": "text",
        "ordered_at": "int",
        "revenue": "int",
        "currency": "text",
        "assisted": "int",
    },
    key=("order_id",),
    indexes={
        "message": ("message_id",),
        "campaign": ("campaign_id", "ordered_at"),
        "to": ("to",),
        "contact": ("contact_id",),
    },
)

CONSENTS: Final = Table(
    "consents",
    {
        "to": "text",
        "scope": "text",  # "" for everything of the tenant, or one sender
        "out_at": "int",  # the last opt-out
        "out_source": "text",
        "in_at": "int",  # from when the last opt-in counts for sure
        "in_source": "text",
        "maybe_at": "int",  # the last opt-in whose moment is only ours
        "held_at": "int",  # the same, while it waits for a person to decide
    },
    key=("to", "scope"),
    indexes={"held": ("held_at",)},
)

SUPPRESSIONS: Final = Table(
    "suppressions",
    {
        "to": "text",
        "since": "int",  # None: looked at, and not suppressed
        "who": "text",
        "why": "text",
        "forgiven_at": "int",  # what was sent until then counts no more
    },
    key=("to",),
    indexes={"since": ("since",)},
)

ACTIONS: Final = Table(
    "actions",
    {"action_id": "text", "campaign_id": "text", "at": "int", "who": "text", "what": "text", "why": "text"},
    key=("action_id",),
    indexes={"campaign": ("campaign_id", "at")},
)

COUNTERS: Final = Table(
    "counters",
    {
        "campaign_id": "text",
        "group": "text",  # JSON of the values of GROUP_BY, and the UTC hour of handing over
        "cell": "text",  # JSON of status, carrier and code
        **dict.fromkeys(Sums._fields, "int"),
        "measured": "int",  # messages whose segments are known: counted when it is every one
    },
    key=("campaign_id", "group", "cell"),
)

AMOUNTS: Final = Table(
    "amounts",
    {"campaign_id": "text", "group": "text", "kind": "text", "currency": "text", "micros": "int"},
    key=("campaign_id", "group", "kind", "currency"),
)

LATENCIES: Final = Table(
    "latencies",
    {"campaign_id": "text", "group": "text", "bucket": "int", "n": "int"},
    key=("campaign_id", "group", "bucket"),
)

NOTES: Final = Table(
    "notes",
    {"name": "text", "carrier": "text", "n": "int", "last_at": "int"},
    key=("name", "carrier"),
)
"""How often something was noticed: duplicates, unknown words, receipts dropped from the inbox."""

CHANNELS: Final = Table(
    "channels",
    {
        "carrier": "text",  # "" where it is not known
        "sender": "text",
        "handed_off_at": "int",  # the latest
        "heard_at": "int",  # when the latest receipt came
        "waiting": "int",  # messages handed off since then
        "since": "json",  # when the first hundred of those were
    },
    key=("carrier", "sender"),
)

GROUP_BY: Final = ("variant", "list_id", "account_id", "sender", "step", "carrier")
"""Columns of messages by which a live summary can be broken down, beside the hour of handing over."""

TABLES: Final = (
    CAMPAIGNS, MESSAGES, ATTEMPTS, CARRIER_IDS, RECEIPTS, INBOX, REPLIES, CLICKS, ORDERS, CONSENTS,
    SUPPRESSIONS, ACTIONS, COUNTERS, AMOUNTS, LATENCIES, NOTES, CHANNELS,
)  # fmt: skip
