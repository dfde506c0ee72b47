"""Tables of what came back (replies, clicks, opt-outs, orders) in, sums out.

Events carry the columns that they are grouped by; nothing is joined here, because a join
costs more than everything else together. `Log.attach` does it once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from campaignkit.errors import InvalidColumn, InvalidValue
from campaignkit.metrics import EVENTS, Derived, Group, People, PeopleCounts, Sums, Tally, by_name, parse_zone
from campaignkit.models import Keyword, MoneyKey, moment, money_of, parse_currency, parse_money


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
    for place, row in enumerate(rows):
        get = row.get if isinstance(row, Mapping) else _getter(row)
        try:
            at = _moment(kind.moment, get(kind.moment), timezone)
            latest = at if latest is None or at > latest else latest
            group = groups[tuple(_key(each, row, get, name) for each in by)]
            _count(name, group, get)
            if people is not None:
                group.people.add(_person(get, people.column))
        except InvalidValue as error:
            raise type(error)(f"{name} row {place}: {error}") from None
    return Tally(
        by=tuple(map(by_name, by)),
        cells={key: {EVENTS: _sums(name, group)} for key, group in groups.items()},
        money={key: dict(group.money) for key, group in groups.items() if group.money},
        people={key: PeopleCounts(**{kind.people: len(g.people)}) for key, g in groups.items()} if people else {},
        as_of=latest.astimezone(UTC) if latest else None,
    )


def _count(name: str, group: _Group, get: Callable[[str], Any]) -> None:
    if name == "orders":
        assisted = bool(get("assisted"))
        revenue, currency = get("revenue"), get("currency")
        if revenue is not None:
            amounts = (None, None, revenue) if assisted else (None, revenue, None)
            checked = [None if each is None else parse_money("revenue", each) for each in amounts]
            for key, micros in money_of(parse_currency("currency", currency), *checked) or ():
                group.money[key] += micros
        if assisted:
            group.others += 1
            return
    elif name == "replies" and get("keyword") == Keyword.OPT_OUT:
        group.others += 1
        return
    group.events += 1
    who = get("message_id") or get("contact_id")
    if who is None:
        raise InvalidColumn("has neither message_id nor contact_id: one is needed to count who answered; attach() it")
    group.messages.add(who)


def _sums(name: str, group: _Group) -> Sums:
    if name == "replies":
        return Sums(replies=group.events, replied=len(group.messages), stop_replies=group.others)
    if name == "clicks":
        return Sums(clicks=group.events, clicked=len(group.messages))
    if name == "opt_outs":
        return Sums(opted_out=len(group.messages))
    return Sums(orders=group.events, converted=len(group.messages), assisted_orders=group.others)


def _key(by: str | Derived, row: Any, get: Callable[[str], Any], name: str) -> Any:  # noqa: ANN401
    column = by if isinstance(by, str) else by.column
    present = column in row if isinstance(row, Mapping) else hasattr(row, column)
    if not present:
        raise InvalidColumn(
            f"there is no {column!r}: {name} need the columns of by=; join them once with read_log(...).attach(...)"
        )
    value = get(column)
    if not isinstance(by, str):
        return by.start(value)
    return None if value != value else value  # noqa: PLR0124 - NaN is not itself


def _person(get: Callable[[str], Any], column: str) -> Any:  # noqa: ANN401
    who = get(column)
    if who is None:
        raise InvalidColumn(f"has no {column}: people are counted by it; fill it, or leave people= out")
    return who


def _moment(field: str, value: Any, timezone: str | None) -> datetime:  # noqa: ANN401
    if isinstance(value, datetime) and value.utcoffset() is None and timezone is not None:
        value = value.replace(tzinfo=parse_zone(timezone))
    return moment(field, value)


def _getter(row: object) -> Callable[[str], Any]:
    return lambda name: getattr(row, name, None)


def merge_events(messages: Tally, tables: Mapping[str, Tally]) -> Tally:
    """Return a tally of messages with what its event tables add.

    Raises:
        InvalidColumn: a table and a column of the messages say the same thing.
    """
    whole = messages
    for name, table in tables.items():
        kind = KINDS[name]
        given = [column for column in kind.replaces if messages.cells and column not in messages.unmeasured]
        if given:
            raise InvalidColumn(
                f"{name} are given twice: by {name}= and by the column {given[0]!r} of the messages; leave one out"
            )
        whole = _with(whole, table, kind)
    return whole


def _with(messages: Tally, table: Tally, kind: _Kind) -> Tally:
    unmeasured = {column: why for column, why in messages.unmeasured.items() if column not in kind.replaces}
    cells = {group: dict(each) for group, each in messages.cells.items()}
    for group, each in table.cells.items():
        held = cells.setdefault(group, {})
        held[EVENTS] = held.get(EVENTS, Sums()).plus(each[EVENTS])
    money = {group: dict(each) for group, each in messages.money.items()}
    for group, sums in table.money.items():
        held_money = money.setdefault(group, {})
        for key, micros in sums.items():
            held_money[key] = held_money.get(key, 0) + micros
    people = dict(messages.people)
    for group in people:
        counted = table.people.get(group, PeopleCounts(**{kind.people: 0}))
        people[group] = attrs.evolve(people[group], **{kind.people: getattr(counted, kind.people)})
    latest = max((each for each in (messages.as_of, table.as_of) if each), default=None)
    return attrs.evolve(
        messages, by=table.by, cells=cells, money=money, people=people, unmeasured=unmeasured, as_of=latest
    )
