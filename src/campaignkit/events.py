"""Tables of what came back (replies, clicks, opt-outs, orders) in, sums out.

Events carry the columns that they are grouped by; nothing is joined here, because a join
costs more than everything else together. `Log.attach` does it once.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from campaignkit.cells import EVENTS, Group, People, PeopleCounts, Sums, Tally, add_nested
from campaignkit.errors import InvalidColumn, InvalidValue, shown
from campaignkit.grouping import Derived, by_name, parse_zone
from campaignkit.models import Keyword, MoneyKey, moment, money_of, parse_currency, parse_money
from campaignkit.rows import attribute, not_null


@attrs.frozen
class _Kind:
    """One kind of event table.

    Attributes:
        moment: the column that says when.
        replaces: the columns of messages that it stands for.
        people: the count of people that it gives.
    """

    moment: str
    replaces: tuple[str, ...]
    people: str


KINDS: Final[Mapping[str, _Kind]] = {
    "replies": _Kind("received_at", ("replies", "stop_replies"), "repliers"),
    "clicks": _Kind("clicked_at", ("clicks",), "clickers"),
    "opt_outs": _Kind("opted_out_at", ("opted_out",), "unsubscribers"),
    "orders": _Kind("ordered_at", ("orders", "assisted_orders"), "converters"),
}


_KEYWORDS: Final = frozenset({None, *Keyword})
_REVENUE: Final = ("revenue", "assisted_revenue")


class _Group:
    """What is counted for one group."""

    __slots__ = ("events", "messages", "money", "others", "people")

    def __init__(self) -> None:
        self.events = 0
        self.others = 0  # replies that are opt-outs, orders that are assisted
        self.messages: set[Any] = set()
        self.people: set[Any] = set()
        self.money: defaultdict[MoneyKey, int] = defaultdict(int)


def tally_events(
    name: str, rows: Iterable[Any], *, by: tuple[str | Derived, ...], people: People | None, timezone: str | None
) -> Tally:
    """Return what one event table adds to a tally of messages.

    ``replied``, ``clicked``, ``opted_out`` and ``converted`` count distinct ``message_id``,
    or distinct ``contact_id`` where the events do not say which message.

    Args:
        name: a key of `KINDS`.
        rows: event objects or mappings.
        by: the columns the messages are grouped by; the events must have them.
        people: counts distinct people too.
        timezone: of naive moments.

    Raises:
        InvalidColumn: a column is missing.
        InvalidValue: naming the row.
    """
    kind = KINDS[name]
    groups: defaultdict[Group, _Group] = defaultdict(_Group)
    latest: datetime | None = None
    person = people.column if people is not None and kind.people in people.counts else None
    for place, row in enumerate(rows):
        get = getter(row)
        try:
            at = event_moment(kind.moment, get(kind.moment), timezone)
            latest = at if latest is None or at > latest else latest
            group = groups[tuple(_key(each, row, get(_column(each)), name, timezone) for each in by)]
            if _count(name, group, get) and person is not None:
                group.people.add(_person(get, person))
        except InvalidValue as error:
            raise type(error)(f"{name} row {place}: {error}") from None
        except TypeError as error:
            raise InvalidValue(f"{name} row {place} cannot be read: {error}") from None
    return Tally(
        by=tuple(map(by_name, by)),
        cells={key: {EVENTS: _sums(name, group)} for key, group in groups.items()},
        money={key: dict(group.money) for key, group in groups.items() if group.money},
        people={key: PeopleCounts(**{kind.people: len(g.people)}) for key, g in groups.items()} if person else {},
        unmeasured={} if person else {"people": f"{kind.people} are not asked for"},
        as_of=latest.astimezone(UTC) if latest else None,
    )


def _count(name: str, group: _Group, get: Callable[[str], Any]) -> bool:
    """Count one event; return whether it is of the kind that people and messages are counted by."""
    other = is_other(name, get)
    if name == "orders":
        _add_money(group, get, assisted=other)
    if other:
        group.others += 1
        return False
    group.events += 1
    group.messages.add(_message(get))
    return True


def _message(get: Callable[[str], Any]) -> tuple[str, Any]:
    """Return which message an event is counted for: the column that says it, because ids of both may be alike."""
    for column in ("message_id", "contact_id"):
        who = get(column)
        if who is not None and who != "":
            return column, who
    raise InvalidColumn("has neither message_id nor contact_id: one is needed to count messages; attach() it")


def is_other(name: str, get: Callable[[str], Any]) -> bool:
    """Return whether a reply is an opt-out, or an order assisted."""
    if name == "replies":
        keyword = get("keyword") or None
        if keyword not in _KEYWORDS:
            raise InvalidValue(
                f"keyword is {shown(keyword)}: must be one of {', '.join(Keyword)}; match_keyword() finds it in a text"
            )
        return bool(keyword == Keyword.OPT_OUT)
    if name != "orders":
        return False
    assisted = get("assisted")
    if assisted not in {None, False, True}:
        raise InvalidValue(f"assisted is {shown(assisted)}: must be True or False; convert it first")
    return bool(assisted)


def _add_money(group: _Group, get: Callable[[str], Any], *, assisted: bool) -> None:
    if get("revenue") is not None:
        revenue, currency = parse_money("revenue", get("revenue")), parse_currency("currency", get("currency"))
        amounts = (None, None, revenue) if assisted else (None, revenue, None)
        for key, micros in money_of(currency, *amounts):
            group.money[key] += micros


def _sums(name: str, group: _Group) -> Sums:
    if name == "replies":
        return Sums(replies=group.events, replied=len(group.messages), stop_replies=group.others)
    if name == "clicks":
        return Sums(clicks=group.events, clicked=len(group.messages))
    if name == "opt_outs":
        return Sums(opted_out=len(group.messages))
    return Sums(orders=group.events, converted=len(group.messages), assisted_orders=group.others)


def _column(by: str | Derived) -> str:
    return by if isinstance(by, str) else by.column


def _key(by: str | Derived, row: Any, value: Any, name: str, timezone: str | None) -> Any:
    column = _column(by)
    present = column in row if isinstance(row, Mapping) else hasattr(row, column)
    if not present:
        raise InvalidColumn(
            f"there is no {column!r}: {name} need the columns of by=; join them once with read_log(...).attach(...)"
        )
    if isinstance(by, str):
        return value
    return by.start(None if value is None else event_moment(column, value, timezone))


def _person(get: Callable[[str], Any], column: str) -> Any:
    who = get(column)
    if who is None:
        raise InvalidColumn(f"has no {column}: people are counted by it; fill it, or leave people= out")
    return who


def event_moment(field: str, value: Any, timezone: str | None) -> datetime:
    """Return the moment of an event, in ``timezone`` where it names no zone.

    Raises:
        InvalidValue: it is missing, or none.
    """
    if value is None:
        raise InvalidColumn(f"has no {field}: every event needs the moment it happened")
    if isinstance(value, datetime) and value.utcoffset() is None and timezone is not None:
        value = value.replace(tzinfo=parse_zone(timezone))
    return moment(field, value)


def getter(row: Any) -> Callable[[str], Any]:
    """Return what takes a field from an event, an object or a mapping; None where it has none."""
    find = row.get if isinstance(row, Mapping) else functools.partial(attribute, row)
    return lambda name: not_null(find(name))


def merge_events(messages: Tally, tables: Mapping[str, Tally]) -> Tally:
    """Return a tally of messages with what its event tables add.

    Raises:
        InvalidColumn: a table and a column of the messages say the same thing.
    """
    whole = messages
    for name, table in tables.items():
        for column in _given(name, messages):
            raise InvalidColumn(
                f"{name} are given twice: by {name}= and by the column {column!r} of the messages; leave one out"
            )
        whole = _with(whole, table, KINDS[name])
    return whole


def _given(name: str, messages: Tally) -> Iterator[str]:
    """Yield the columns of the messages that say what an event table says."""
    if not messages.cells:
        return
    yield from (column for column in KINDS[name].replaces if column not in messages.unmeasured)
    if name == "orders":
        kinds = {kind for sums in messages.money.values() for kind, _ in sums}
        yield from (column for column in _REVENUE if column in kinds)


def _with(messages: Tally, table: Tally, kind: _Kind) -> Tally:
    people = dict(messages.people)
    if "people" not in table.unmeasured:
        for group, counts in people.items():
            counted = getattr(table.people.get(group), kind.people, 0)
            people[group] = attrs.evolve(counts, **{kind.people: counted})
    return attrs.evolve(
        messages,
        by=table.by,
        cells=add_nested(messages.cells, table.cells, Sums.plus),
        money=add_nested(messages.money, table.money, int.__add__),
        people=people,
        unmeasured={column: why for column, why in messages.unmeasured.items() if column not in kind.replaces},
        as_of=max(filter(None, (messages.as_of, table.as_of)), default=None),
    )
