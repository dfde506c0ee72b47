"""Who answered, clicked and bought what: each event belongs to one message, or to none.

An event belongs to the message it names, else to the last one sent to that person before it.
Messages are here as columns, one list for each field, and an owner is a place in them.
Nothing depends on the order of messages or events.
"""

from __future__ import annotations

import bisect
import collections
import functools
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final

import attrs

from campaignkit.consent import match_keyword
from campaignkit.errors import InvalidColumn, InvalidRow, InvalidValue, shown
from campaignkit.models import EXACT, MONEY_COLUMNS, Click, Keyword, OptOut, Order, Reply, parse_money
from campaignkit.tables import Table, read_rows

Fields = dict[str, Any]
"""One row by our names."""

Columns = dict[str, Sequence[Any]]
"""Messages, by our names; a column that nobody has is not there."""

REPLY_COUNTS: Final = ("replies", "stop_replies", "opted_out")
"""What messages have when the log knows the answers."""

REPLY_FIELDS: Final = ("to", "sender", "received_at", "text", "reply_id", "account_id")
"""What a reply knows itself; the rest it has from its message."""

AUDIENCE_COLUMNS: Final = ("contact_id", "contact_name", "campaign_id", "variant", "list_id")
"""What an audience says of a number."""

_Key = tuple[str | None, ...]
_Sent = tuple[datetime, str, int]
_Events = list[tuple[int | None, int, Fields]]

_ORDER_COUNTS: Final = ("orders", "revenue", "assisted_orders", "assisted_revenue")
_EVENT_KEYS: Final = ("message_id", "contact_id", "to")
_IDENTITY: Final = (*_EVENT_KEYS, "contact_name", "campaign_id", "variant", "list_id", "account_id", "sender")
_ATTACHED_COLUMNS: Final = {
    "audience": ("to", *AUDIENCE_COLUMNS),
    "clicks": ("clicked_at", *_EVENT_KEYS, "click_id", "url"),
    "orders": ("ordered_at", *_EVENT_KEYS, "order_id", "revenue", "currency", "assisted"),
}
_FORMATTING: Final = str.maketrans("", "", " -.()\u00a0\u2010\u2011\u2012\u2013")


@attrs.frozen(kw_only=True)
class Answers:
    """What people answered.

    Attributes:
        replies: with what their messages know of person and campaign.
        opt_outs: one for each reply that is an opt-out.
        counts: columns for the messages: replies, stop_replies, opted_out.
        unattributed: replies that belong to no message.
    """

    replies: tuple[Reply, ...]
    opt_outs: tuple[OptOut, ...]
    counts: Mapping[str, list[Any]]
    unattributed: int


def answer(held: Columns, rows: Sequence[Fields], people: Mapping[str | None, Fields] | None = None) -> Answers:
    """Return what replies (as `REPLY_FIELDS`) say about messages.

    A reply belongs to the last message sent before it to that person from the number they
    answered, else to the last from any.

    Args:
        held: the messages.
        rows: the replies.
        people: by number, who replies that belong to no message come from.
    """
    owners = _owners(held, [(fields["received_at"], _reply_keys(fields)) for fields in rows])
    replies = []
    for owner, fields in zip(owners, rows, strict=True):
        known = _event_fields(held, owner, fields)
        if owner is None and people:
            person = people.get(bare_number(fields["to"]), {})
            known = known | {name: person.get(name) for name in ("contact_id", "contact_name")}
        replies.append(Reply(**known, keyword=match_keyword(fields["text"])))
    return Answers(
        replies=tuple(replies),
        opt_outs=tuple(_opt_out(reply) for reply in replies if reply.keyword is Keyword.OPT_OUT),
        counts=_reply_counts(len(held["status"]), owners, replies),
        unattributed=owners.count(None),
    )


def _reply_keys(fields: Fields) -> list[_Key]:
    number, ours = bare_number(fields["to"]), bare_number(fields["sender"])
    if number is None:
        return []
    return [("to", number)] if ours is None else [("to", number, ours), ("to", number)]


def _opt_out(reply: Reply) -> OptOut:
    return OptOut(opted_out_at=reply.received_at, text=reply.text, **{name: getattr(reply, name) for name in _IDENTITY})


def _reply_counts(size: int, owners: Iterable[int | None], replies: Iterable[Reply]) -> dict[str, list[Any]]:
    counts: dict[str, list[Any]] = {"replies": [0] * size, "stop_replies": [0] * size, "opted_out": [False] * size}
    for owner, reply in zip(owners, replies, strict=True):
        if owner is not None:
            stop = reply.keyword is Keyword.OPT_OUT
            counts["stop_replies" if stop else "replies"][owner] += 1
            counts["opted_out"][owner] |= stop
    return counts


def _owners(held: Columns, wanted: Sequence[tuple[datetime, Sequence[_Key]]]) -> list[int | None]:
    """Return the place of the last message sent before each moment to each person.

    Args:
        held: the messages.
        wanted: moment, and the keys to look under, the first that has a message before deciding.
    """
    index = _index(held, {key for _, keys in wanted for key in keys})
    return [_last_before(at, keys, index) for at, keys in wanted]


def _last_before(at: datetime, keys: Iterable[_Key], index: Mapping[_Key, list[_Sent]]) -> int | None:
    for key in keys:
        sent = index.get(key, [])
        place = bisect.bisect_right(sent, at, key=operator.itemgetter(0))
        if place:
            return sent[place - 1][-1]
    return None


def _index(held: Columns, wanted: set[_Key]) -> Mapping[_Key, list[_Sent]]:
    """Return the messages under each wanted key in the order they were sent; the id decides between equals."""
    index: collections.defaultdict[_Key, list[_Sent]] = collections.defaultdict(list)
    names = {key[1] for key in wanted}
    nothing = [None] * len(held["status"])
    columns = [held.get(name, nothing) for name in ("sent_at", "message_id", "to", "sender", "contact_id")]
    for place, (at, identity, to, sender, contact) in enumerate(zip(*columns, strict=True) if wanted else ()):
        number = bare_number(to)
        if at is None or (number not in names and contact not in names):
            continue
        for key in (("to", number), ("to", number, bare_number(sender)), ("contact", contact)):
            if key in wanted:
                index[key].append((at, identity or "", place))
    for sent in index.values():
        sent.sort()
    return index


def bare_number(number: str | None) -> str | None:
    """Return a number without formatting, for finding it again."""
    if number is None or (number[0] == "+" and number[1:].isdigit()):
        return number
    bare = number.translate(_FORMATTING)
    return f"+{bare[2:]}" if bare.startswith("00") else bare


def _event_fields(held: Columns, owner: int | None, fields: Fields) -> Fields:
    """Return an event's fields with what its message knows beyond them."""
    if owner is None:
        return fields
    known = dict(fields)
    for name in _IDENTITY:
        if known.get(name) is None and name in held:
            known[name] = held[name][owner]
    return known


# --- attaching ---------------------------------------------------------------------------------


class Attached:
    """The rows of a table to attach: each row's number and its fields.

    Raises:
        InvalidColumn: it has not the columns that it needs.
        InvalidRow: a row that cannot be read.
    """

    def __init__(self, kind: str, table: Table, columns: Mapping[str, str] | None, zone: tzinfo | None) -> None:
        wanted = _ATTACHED_COLUMNS[kind]
        self.places = table.find({name: name for name in wanted}, columns, wanted)
        self._table, self._zone = table, zone
        needed = wanted[0]
        missing = needed if needed not in self.places else None
        if missing is None and kind != "audience" and not self.places.keys() & set(_EVENT_KEYS):
            missing = "to"
        if missing is not None and table.columns:
            raise InvalidColumn(
                f"the {kind} have no column {missing!r}: give columns={{{missing!r}: their name}}."
                f" The columns: {shown(', '.join(table.columns))}"
            )
        self.needed = needed

    def __iter__(self) -> Iterator[tuple[int, Fields]]:
        for item in read_rows(self._table, self.places, self._zone):
            if isinstance(item, InvalidRow):
                raise item
            number, fields = item
            if fields.get(self.needed) is None:
                raise self.wrong(number, self.needed, None, "is empty: every row needs it")
            yield number, fields

    def wrong(self, number: int, name: str, value: object, rule: str) -> InvalidRow:
        """Return the error about one field of a row."""
        label = self._table.columns[self.places[name]] if name in self.places else name
        return InvalidRow(number, label, value, rule)


def attach_audience(held: Columns, rows: Attached, replies: Iterable[Reply]) -> Fields:
    """Fill the messages with who people are; return what changes in the log, by the names of its fields.

    Raises:
        InvalidRow: two different rows for one number.
    """
    people = _people(rows)
    size = len(held["status"])
    numbers = [bare_number(to) for to in held.get("to", [None] * size)]
    for name in AUDIENCE_COLUMNS:
        if name in rows.places:
            own = held.get(name, [None] * size)
            theirs = (people.get(number, {}).get(name) for number in numbers)
            held[name] = [each if value is None else value for value, each in zip(own, theirs, strict=True)]
    answers = answer(held, [{name: getattr(reply, name) for name in REPLY_FIELDS} for reply in replies], people)
    unmatched = sum(number not in people for number in numbers)
    return {"replies": answers.replies, "opt_outs": answers.opt_outs, "unmatched": unmatched}


def _people(rows: Attached) -> dict[str | None, Fields]:
    people: dict[str | None, Fields] = {}
    first: dict[str | None, int] = {}
    for number, fields in rows:
        to = fields.pop("to")
        known = people.setdefault(bare_number(to), fields)
        row = first.setdefault(bare_number(to), number)
        if known != fields:
            name = next(each for each in fields if known[each] != fields[each])
            rule = f"is also in row {row}, with another {name}: keep one row for each number"
            raise rows.wrong(number, "to", to, rule)
    return people


def attach_clicks(held: Columns, rows: Attached) -> Fields:
    """Count clicks with their messages; return the log's clicks, and how many are unattributed.

    Raises:
        InvalidColumn: the messages have clicks already.
        InvalidRow: a click of nobody.
    """
    if "clicks" in held:
        raise InvalidColumn("clicks are given twice: attached, and in the column 'clicks'; leave one out")
    events = _attached_events(held, rows, "click_id")
    counts = [0] * len(held["status"])
    for owner, _, _ in events:
        if owner is not None:
            counts[owner] += 1
    clicks = tuple(Click(**_event_fields(held, owner, fields)) for owner, _, fields in events)
    held["clicks"] = counts
    return {"clicks": clicks, "unattributed": _lost(events)}


def _lost(events: _Events) -> int:
    return sum(owner is None for owner, _, _ in events)


def _attached_events(held: Columns, rows: Attached, identity: str) -> _Events:
    """Return the place of each event's message, its row and its fields; each id once."""
    known: set[str] = set()
    taken = []
    for number, fields in rows:
        if all(fields.get(name) is None for name in _EVENT_KEYS):
            raise rows.wrong(number, "to", None, "is all there is, and no message_id or contact_id: nobody is named")
        if fields.get(identity) in known:
            continue
        known.update(filter(None, [fields.get(identity)]))
        taken.append((number, fields))
    by_id = {each: place for place, each in enumerate(held.get("message_id", ()))}
    wanted = [(fields[rows.needed], _person_keys(fields)) for _, fields in taken]
    found = _owners(held, wanted)
    return [
        (owner if fields.get("message_id") is None else by_id.get(fields["message_id"]), number, fields)
        for owner, (number, fields) in zip(found, taken, strict=True)
    ]


def _person_keys(fields: Fields) -> list[_Key]:
    if fields.get("message_id") is not None:
        return []
    keys = [("contact", fields.get("contact_id")), ("to", bare_number(fields.get("to")))]
    return [(kind, name) for kind, name in keys if name is not None]


def attach_orders(held: Columns, rows: Attached) -> Fields:
    """Count orders with their messages; return the log's orders, and how many are unattributed.

    Raises:
        InvalidColumn: the messages have orders already.
        InvalidRow: an order of nobody, or one whose revenue cannot be added.
    """
    given = next((name for name in _ORDER_COUNTS if name in held), None)
    if given is not None:
        raise InvalidColumn(f"orders are given twice: attached, and in the column {given!r}; leave one out")
    events = _attached_events(held, rows, "order_id")
    size = len(held["status"])
    currency = list(held.get("currency", [None] * size))
    sums: dict[str, list[Any]] = {"orders": [0] * size, "revenue": [None] * size, "currency": currency}
    if "assisted" in rows.places:
        sums |= {"assisted_orders": [0] * size, "assisted_revenue": [None] * size}
    held.update(sums)
    orders = []
    for owner, number, fields in events:
        fields["assisted"] = bool(fields.get("assisted"))
        if fields.get("revenue") is not None and fields.get("currency") is None:
            raise rows.wrong(number, "revenue", fields["revenue"], "has no currency: fill that column too")
        if owner is not None:
            _credit(held, sums, owner, fields, functools.partial(rows.wrong, number))
        orders.append(Order(**_event_fields(held, owner, fields)))
    return {"orders": tuple(orders), "unattributed": _lost(events)}


def _credit(
    held: Columns,
    sums: Mapping[str, list[Any]],
    owner: int,
    fields: Fields,
    wrong: Callable[[str, object, str], InvalidRow],
) -> None:
    """Count an order with its message."""
    prefix = "assisted_" if fields["assisted"] else ""
    sums[f"{prefix}orders"][owner] += 1
    amount, currency = fields.get("revenue"), fields.get("currency")
    if amount is None:
        return
    known = sums["currency"][owner]
    if known != currency and any(held[name][owner] is not None for name in MONEY_COLUMNS if name in held):
        rule = f"is not the {known} that the message has: a message holds one currency; convert, or leave revenue out"
        raise wrong("currency", currency, rule)
    total = EXACT.add(sums[f"{prefix}revenue"][owner] or 0, amount)
    try:
        sums[f"{prefix}revenue"][owner] = parse_money("revenue", total)
    except InvalidValue as error:
        raise wrong("revenue", amount, f"adds up to too much: {error}") from None
    sums["currency"][owner] = currency
