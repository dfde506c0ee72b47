"""Messages whose receipts still arrive: counts kept by delta, always equal to a recount.

What a message can be in (its lattice element without times, and what was counted of it) is
interned as a small integer. A fact joined to such a state once is a dictionary look-up ever
after, so a receipt costs about a microsecond, and a group is a list of counts by state.
Sums are only over facts that never fall, which is why a delta cannot go wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from datetime import UTC, datetime
from typing import Any, Final, get_args

import attrs

from campaignkit.cells import MEASURES, Cell, Group, Sums, Tally, unmeasured_of
from campaignkit.delivery import BOTTOM, ConflictPolicy, DeliveryState, PartState, lift
from campaignkit.errors import InvalidValue, shown
from campaignkit.grouping import By, Derived, by_columns, by_name
from campaignkit.latency import latency_bucket
from campaignkit.models import (
    NEVER_HANDED_OFF,
    Attempt,
    CellKey,
    Click,
    Keyword,
    Message,
    MoneyKey,
    OptOut,
    Order,
    Outcome,
    Receipt,
    Reply,
    Status,
    money_of,
)
from campaignkit.profiles import Profile, get_profile
from campaignkit.rows import check_fields

Event = Receipt | Reply | Click | OptOut | Order
"""Anything that can happen to a message after it was added."""

_MILLISECOND: Final = 1000
_WITHOUT_CARRIER: Final = {
    Status.SKIPPED: Outcome.PLANNED,
    Status.PENDING: Outcome.PLANNED,
    Status.CANCELED: Outcome.CANCELED,
    Status.REFUSED: Outcome.REFUSED,
    Status.UNKNOWN: Outcome.UNKNOWN,
}


@attrs.frozen
class _State:
    """Everything that decides a message's cell and sums; equal states share one number."""

    carrier: str | None
    skipped: str | None
    attempt: Attempt
    parts: tuple[tuple[tuple[int, int], PartState], ...]
    sums: Sums

    def cell(self, policy: ConflictPolicy) -> Cell:
        """Return the cell the message is counted in."""
        if self.skipped is not None and not self.parts:
            return Cell(Status.SKIPPED.value, self.carrier, self.skipped or None)
        state = DeliveryState(
            part_states=dict(self.parts), attempts={self.attempt.number: self.attempt}, conflict_policy=policy
        )
        return Cell(state.status.value, self.carrier, state.error_code)


class _Tracked:
    """One message: its state, its group's counts, and the two times that latency needs."""

    __slots__ = ("delivered_at", "group", "sent_at", "state", "states")

    def __init__(self, state: int, group: _Counts, sent_at: datetime | None) -> None:
        self.state = state
        self.group = group
        self.states = group.states
        self.sent_at = sent_at
        self.delivered_at: datetime | None = None


class _Counts:
    """One group: messages by state, money, latency."""

    __slots__ = ("latency", "money", "states")

    def __init__(self) -> None:
        self.states: defaultdict[int, int] = defaultdict(int)
        self.money: defaultdict[MoneyKey, int] = defaultdict(int)
        self.latency: defaultdict[int, int] = defaultdict(int)


class Live:
    """A tally that receipts and replies keep up to date.

    Receipts may come in any order and any number of times. A receipt for a message that was
    not added yet waits for it. Not for use by several threads at once.

    Args:
        by: columns of `Message` to group by.
        profile: whose code table decides which failure is worst.
        conflict_policy: which evidence wins when a part both arrived and failed.

    Raises:
        InvalidColumn: ``by`` names no field of `Message`.
        InvalidValue: an unknown profile or conflict policy.

    Attributes:
        waiting: events whose message was not added yet, by message id.
        unknown_words: how often each unknown status word came.

    >>> live = Live()
    >>> live.add([Message(message_id="m1", status="queued"), Message(message_id="m2", status="queued")])
    >>> live.apply(Receipt(message_id="m1", status="delivered"))
    >>> {cell.status: sums.n for cell, sums in live.tally().cells[()].items()}
    {'queued': 1, 'delivered': 1}
    """

    def __init__(
        self,
        *,
        by: By = None,
        profile: str | Profile = "campaignkit",
        conflict_policy: ConflictPolicy = "positive_wins",
    ) -> None:
        if conflict_policy not in get_args(ConflictPolicy):
            raise InvalidValue(f"conflict_policy is {conflict_policy!r}: give positive_wins or negative_wins")
        self._by: tuple[str | Derived, ...] = by_columns(by)
        check_fields(self._by)
        self._profile = get_profile(profile)
        self._policy = conflict_policy
        self._messages: dict[str | None, _Tracked] = {}
        self._groups: defaultdict[Group, _Counts] = defaultdict(_Counts)
        self._states: list[_State] = []
        self._numbers: dict[_State, int] = {}
        self._firsts: dict[tuple[CellKey, int, Sums], int] = {}
        self._joins: list[dict[Hashable, int]] = []
        self._seen: set[tuple[type, str]] = set()
        self._latest: datetime | None = None
        self._segments: bool | None = None
        self.waiting: defaultdict[str, list[Event]] = defaultdict(list)
        self.unknown_words: defaultdict[str, int] = defaultdict(int)

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, messages: Iterable[Message], *, parts: int = 1) -> None:
        """Begin to follow messages; one that is followed already is left as it is.

        Args:
            messages: each with a ``message_id``. Its status is the first fact about it.
            parts: how many parts the carrier will report on.

        Raises:
            InvalidValue: a message without an id, one that is skipped although it was sent,
                or segments given for some messages only.
            AmbiguousCode: a code without the qualifier that its carrier needs. An event that waited
                and has one is left out; adding the message again goes on with the next.
        """
        for message in messages:
            if message.message_id is None:
                raise InvalidValue(
                    f"message to {shown(message.to)} has no message_id: receipts find it by that; give one"
                )
            if message.message_id not in self._messages:
                self._messages[message.message_id] = self._track(message, parts)
            waiting = self.waiting.get(message.message_id, [])
            while waiting:  # one by one: when one cannot be read, the rest wait for the next add()
                self.apply(waiting.pop(0))
            self.waiting.pop(message.message_id, None)

    def _track(self, message: Message, parts: int) -> _Tracked:
        if self._segments is not None and self._segments is not (message.segments is not None):
            raise InvalidValue(
                f"segments is {message.segments} for message {message.message_id!r} and otherwise for those before:"
                " give it for every message or for none"
            )
        if message.status is Status.SKIPPED and message.sent_at is not None:
            raise InvalidValue(
                f"message {message.message_id!r} is skipped, but has sent_at: a skipped message was never handed over;"
                " correct its status or leave sent_at empty"
            )
        state = self._first(message, parts)
        self._segments = message.segments is not None
        group = self._groups[tuple(_key(each, message) for each in self._by)]
        for key, micros in message.facts_.money:
            group.money[key] += micros
        tracked = _Tracked(state, group, message.sent_at)
        group.states[state] += 1
        self._see(message.sent_at)
        self._see(message.last_event_at)
        if message.delivered_at is not None:
            self._deliver(tracked, message.delivered_at)
        return tracked

    def _first(self, message: Message, parts: int) -> int:
        """Return the number of the state that a message is added in; it is worked out once for equal ones."""
        sums = Sums(
            handed_off=int(message.sent_at is not None and message.status in NEVER_HANDED_OFF),
            segments=message.segments or 0,
            replies=message.replies or 0,
            replied=int(bool(message.replies)),
            stop_replies=message.stop_replies or 0,
            clicks=message.clicks or 0,
            clicked=int(bool(message.clicks)),
            opted_out=int(bool(message.opted_out)),
            orders=message.orders or 0,
            converted=int(bool(message.orders)),
            assisted_orders=message.assisted_orders or 0,
            priced=int(message.price is not None),
        )
        known = (message.facts_.cell, parts, sums)
        if known not in self._firsts:
            self._firsts[known] = self._number(self._state(message, parts, sums))
        return self._firsts[known]

    def _state(self, message: Message, parts: int, sums: Sums) -> _State:
        skipped = (message.facts_.cell[2] or "") if message.status is Status.SKIPPED else None
        outcome = _WITHOUT_CARRIER.get(message.status, Outcome.TAKEN)
        attempt = Attempt(parts=parts, outcome=outcome, error_code=message.error_code)
        first = _State(message.carrier, skipped, attempt, (), sums)
        if message.status in _WITHOUT_CARRIER:
            return first
        told = Receipt(status=message.status, carrier=message.carrier, error_code=message.error_code)
        return _joined(first, told, lift(told, self._profile) or BOTTOM)

    def apply(self, event: Event) -> None:
        """Take in one event. What was taken in before changes nothing, where it can be told.

        Receipts can always be told. Replies, clicks and orders can by their ids; without an
        id each one counts.

        Raises:
            AmbiguousCode: a code without the qualifier that its carrier needs; nothing changed.
        """
        if not isinstance(event, Receipt):
            self._engage(event)
            return
        tracked = self._messages.get(event.message_id)
        if tracked is None:
            self.waiting[event.message_id or ""].append(event)
            return
        old = tracked.state
        new = self._joins[old].get(event.saying_)
        if new is None:
            new = self._join(old, event)  # before anything changes, because it refuses ambiguous codes
        at = event.at_
        if at is not None and (self._latest is None or at > self._latest):
            self._latest = at
        if new < 0:  # a positive fact; its time may move the latency although the state stays
            new = ~new
            if at is not None and (tracked.delivered_at is None or at < tracked.delivered_at):
                self._deliver(tracked, at)
        if new != old:
            states = tracked.states
            states[old] -= 1
            states[new] += 1
            tracked.state = new

    def apply_many(self, events: Iterable[Event]) -> None:
        """Take in events, like `apply` for each."""
        apply = self.apply
        for event in events:
            apply(event)

    def _join(self, old: int, receipt: Receipt) -> int:
        """Work out one join; the result is kept, its bits flipped when the fact was positive."""
        state = self._states[old]
        own = attrs.evolve(receipt, carrier=receipt.carrier or state.carrier)
        element = lift(own, self._profile)
        if element is None:
            self.unknown_words[receipt.status] += 1
            return old
        new = self._number(_joined(state, receipt, element))
        kept = ~new if element.positive_at is not None or element.bits & 0b1100 else new
        self._joins[old][receipt.saying_] = kept
        return kept

    def _number(self, state: _State) -> int:
        number = self._numbers.setdefault(state, len(self._states))
        if number == len(self._states):
            self._states.append(state)
            self._joins.append({})
        return number

    def _deliver(self, tracked: _Tracked, at: datetime) -> None:
        if tracked.sent_at is not None:
            if tracked.delivered_at is not None:
                tracked.group.latency[_bucket(tracked.delivered_at, tracked.sent_at)] -= 1
            tracked.group.latency[_bucket(at, tracked.sent_at)] += 1
        tracked.delivered_at = at
        self._see(at)

    def _see(self, at: datetime | None) -> None:
        if at is not None and (self._latest is None or at > self._latest):
            self._latest = at

    def _engage(self, event: Reply | Click | OptOut | Order) -> None:
        tracked = self._messages.get(event.message_id)
        if tracked is None:
            self.waiting[event.message_id or ""].append(event)
            return
        name, at, identity = _describe(event)
        if identity is not None and (type(event), identity) in self._seen:
            return
        if identity is not None:
            self._seen.add((type(event), identity))
        self._see(at)
        old = tracked.state
        new = self._joins[old].get(name)
        if new is None:
            state = self._states[old]
            new = self._joins[old][name] = self._number(attrs.evolve(state, sums=_engaged(state.sums, name)))
        tracked.group.states[old] -= 1
        tracked.group.states[new] += 1
        tracked.state = new
        if isinstance(event, Order) and event.revenue is not None:
            amounts = (None, None, event.revenue) if event.assisted else (None, event.revenue, None)
            for key, micros in money_of(event.currency, *amounts):
                tracked.group.money[key] += micros

    def tally(self) -> Tally:
        """Return the table of cells as it stands now."""
        counted = [name for name in MEASURES if name != "price" and (name != "segments" or self._segments)]
        cells = {group: self._cells(counts) for group, counts in self._groups.items()}
        return Tally(
            by=tuple(map(by_name, self._by)),
            cells=cells,
            money={group: dict(counts.money) for group, counts in self._groups.items() if counts.money},
            latency={group: _positive(counts.latency) for group, counts in self._groups.items() if counts.latency},
            unmeasured=unmeasured_of(counted, cells, None),
            as_of=self._latest.astimezone(UTC) if self._latest else None,
        )

    def _cells(self, counts: _Counts) -> dict[Cell, Sums]:
        cells: dict[Cell, Sums] = {}
        for number, n in counts.states.items():
            if n:
                state = self._states[number]
                cell = state.cell(self._policy)
                early = state.sums.handed_off if cell.status in NEVER_HANDED_OFF else 0
                sums = Sums(*(n * value for value in state.sums))._replace(n=n, handed_off=n * early)
                cells[cell] = cells.get(cell, Sums()).plus(sums)
        return cells


def _joined(state: _State, receipt: Receipt, element: PartState) -> _State:
    """Return the state with what a receipt says, but for its times."""
    parts = dict(state.parts)
    where = (receipt.attempt, receipt.part)
    parts[where] = parts.get(where, BOTTOM).join(attrs.evolve(element, positive_at=None, negative_at=None))
    return attrs.evolve(state, parts=tuple(sorted(parts.items())))


def _key(by: str | Derived, message: Message) -> Any:
    return getattr(message, by) if isinstance(by, str) else by.start(getattr(message, by.column))


def _bucket(delivered_at: datetime, sent_at: datetime) -> int:
    elapsed = delivered_at - sent_at
    return latency_bucket((elapsed.days * 86400 + elapsed.seconds) * 1000 + elapsed.microseconds // _MILLISECOND)


def _positive(counts: dict[int, int]) -> dict[int, int]:
    return {bucket: n for bucket, n in counts.items() if n}


def _describe(event: Reply | Click | OptOut | Order) -> tuple[str, datetime, str | None]:
    """Return what an event adds to, when it was, and what tells it from others of its kind."""
    if isinstance(event, Reply):
        name = "stop_replies" if event.keyword is Keyword.OPT_OUT else "replies"
        return name, event.received_at, event.reply_id
    if isinstance(event, Click):
        return "clicks", event.clicked_at, event.click_id
    if isinstance(event, OptOut):
        return "opted_out", event.opted_out_at, None
    return ("assisted_orders" if event.assisted else "orders"), event.ordered_at, event.order_id


def _engaged(sums: Sums, name: str) -> Sums:
    """Return the sums after one more event: the event count rises, the message counts once."""
    if name == "opted_out":
        return sums._replace(opted_out=1)
    changed: dict[str, int] = {name: getattr(sums, name) + 1}
    changed |= dict.fromkeys(MEASURES[name][1:], 1)
    return sums._replace(**changed)
