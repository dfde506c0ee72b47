"""Nouns as rows, and back: what the storage holds of one message, and what may be learned of it.

The columns of a row of messages are three kinds of things:

    told        who, whom, from where, what: of several tellings the first, gap by gap
    joined      ``state``, the lattice of `delivery`: attempts, parts, and what was recorded
    views       status, code, moments, counts: made of the other two, written with them

``state`` is JSON, small because there is one for each message. What is empty is left out, and
so is the end of a list where it says nothing:

    {"attempts": [[number, outcome, parts, error code]],
     "parts":    [[attempt, part, bits, positive at, negative at, severity, word, code]],
     "said":     [[status, code, at, attempt, parts]],      statuses that messages were recorded with
     "recorded": {"replies": 2, ...},                       counts and moments they were recorded with
     "filled":   ["price", "segments"],                     columns that a carrier filled
     "skipped":  1}
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final

import attrs

from campaignkit.backends.storage.port import Row, Transaction
from campaignkit.backends.storage.tables import CLICKS, MESSAGES, ORDERS, RECEIPTS, REPLIES, Table
from campaignkit.delivery import BOTTOM, POSITIVE, ConflictPolicy, DeliveryState, PartState, lift
from campaignkit.errors import AmbiguousCode, InvalidValue
from campaignkit.grouping import EPOCH, micros_of, moment_at
from campaignkit.latency import latency_bucket
from campaignkit.models import (
    EXACT,
    MICROS,
    Attempt,
    Click,
    Keyword,
    Message,
    OptOut,
    Order,
    Outcome,
    Receipt,
    Reply,
    Status,
    to_micros,
)
from campaignkit.profiles import Profile
from campaignkit.verdicts import FAILURES, verdict_of

TOLD: Final = (
    "campaign_id", "contact_id", "contact_name", "to", "variant", "list_id", "account_id", "sender", "step",
    "carrier", "carrier_id", "created_at", "skip_reason", "text",
)  # fmt: skip
"""Columns that are told of a message as they are."""

COUNTS: Final = ("replies", "stop_replies", "clicks", "opted_out", "orders", "assisted_orders")
"""Columns that are counted up by what comes back."""

ERASED: Final = "erased:"
"""How that begins which stands in the place of a number or a contact id that was erased."""

_PERSONAL: Final = frozenset({"contact_id", "contact_name", "to", "text"})

BEFORE_TAKEN: Final[Mapping[Status, Outcome]] = {
    Status.SKIPPED: Outcome.PLANNED,
    Status.PENDING: Outcome.PLANNED,
    Status.CANCELED: Outcome.CANCELED,
    Status.REFUSED: Outcome.REFUSED,
    Status.UNKNOWN: Outcome.UNKNOWN,
}
"""What a status that no carrier reports says of the attempt."""

HOUR: Final = 3_600_000_000
"""In microseconds."""

WHOSE: Final = ("campaign_id", "contact_id", "to")
"""Columns that say whose something is that came back."""

ARRIVED: Final = frozenset(POSITIVE)
FAILED: Final = FAILURES - {Status.REFUSED}
"""Statuses of messages that were handed off and did not arrive."""

_UNSHOWN: Final = BOTTOM.shown


def micros(at: datetime | None) -> int | None:
    """Return a moment as the storage has it."""
    return None if at is None else micros_of(at)


def moment_of(at: int | None) -> datetime | None:
    """Return a moment of the storage."""
    return None if at is None else moment_at(at)


def amount(value: int | None) -> Decimal | None:
    """Return millionths as an amount."""
    return None if value is None else EXACT.divide(Decimal(value), MICROS)


def earliest(one: int | None, other: int | None) -> int | None:
    """Return the earlier of two moments, or the one that is known."""
    return min((at for at in (one, other) if at is not None), default=None)


def latest(*moments: int | None) -> int | None:
    """Return the latest of some moments, None when none is known."""
    return max((at for at in moments if at is not None), default=None)


as_json: Final = json.JSONEncoder(separators=(",", ":")).encode
"""Values as compact JSON, equal for equal values."""


def is_erased(row: Row) -> bool:
    """Return whether a message is about somebody who was erased: it learns nothing more of who that was."""
    return any(str(row[name] or "").startswith(ERASED) for name in ("to", "contact_id"))


def digest(*values: object) -> str:
    """Return what tells some values from others, as 32 letters and digits."""
    return hashlib.sha256(as_json(values).encode()).hexdigest()[:32]


def empty_row(table: Table, **known: Any) -> Row:
    """Return a row with nothing in it but what is known."""
    return {**dict.fromkeys(table.columns), **known}


def plain(value: Any) -> Any:
    """Return what JSON keeps of a value."""
    if type(value) is dict and all(type(each) is str and "\0" not in each for each in (*value, *value.values())):
        return value  # a form, as most of what carriers send
    return json.loads(json.dumps(value, default=str).replace("\\u0000", "\\ufffd"))


def write_changes(tx: Transaction, table: Table, changes: Sequence[tuple[Row, Row]]) -> None:
    """Put what changed of rows that are held, each given as it was and as it is."""
    changed = {name for old, new in changes for name in table.columns if old[name] != new[name]}
    if changed:
        columns = (*table.key, *sorted(changed))
        tx.update(table, columns, list(map(itemgetter(*columns), (new for _, new in changes))))


def receipts_about(tx: Transaction, message_id: str) -> list[Row]:
    """Return what carriers said of a message, as it came."""
    return sorted(tx.walk(RECEIPTS, where={"message_id": message_id}), key=itemgetter("received_at"))


# --- the lattice as JSON -----------------------------------------------------------------------


def _shortened(values: Iterable[Any]) -> list[Any]:
    kept = list(values)
    while kept and kept[-1] is None:
        kept.pop()
    return kept


def _part_as_json(key: tuple[int, int], part: PartState) -> list[Any]:
    shown = () if part.shown == _UNSHOWN else part.shown
    return _shortened((*key, part.bits, micros(part.positive_at), micros(part.negative_at), *shown))


def _part_of(written: list[Any]) -> tuple[tuple[int, int], PartState]:
    padded = [*written, *[None] * (8 - len(written))]
    state = PartState(
        bits=padded[2],
        positive_at=moment_of(padded[3]),
        negative_at=moment_of(padded[4]),
        shown=_UNSHOWN if padded[5] is None else (padded[5], padded[6], padded[7]),
    )
    return (padded[0], padded[1]), state


def _attempt_as_json(attempt: Attempt) -> list[Any]:
    parts = attempt.parts if attempt.parts > 1 or attempt.error_code else None
    return _shortened((attempt.number, attempt.outcome.value, parts, attempt.error_code))


@functools.lru_cache(maxsize=10_000)
def _attempt_of(number: int, outcome: str, parts: int | None = None, error_code: str | None = None) -> Attempt:
    return Attempt(number=number, outcome=Outcome(outcome), parts=parts or 1, error_code=error_code)


# --- what one receipt says ---------------------------------------------------------------------

_SLACK: Final = 300_000_000
"""How far two clocks may be apart, in microseconds: beyond, ours is believed."""

UNKNOWN_STATUS: Final = "unknown_status"
AMBIGUOUS_CODE: Final = "ambiguous_code"


def lifted(
    row: Row, carrier: str | None, profile: Profile, *, sent_at: int | None = None
) -> tuple[PartState | None, str | None]:
    """Return what a row of receipts says of a message of a carrier, and what was strange about it; it never raises.

    A code that means several things is as good as none, and so is a time before the message was handed over.
    """
    element, note = _lifted(row["status"], row["error_code"], row["carrier"] or carrier, profile)
    if element is None or element.positive_at is element.negative_at is None:
        return element, note
    return _dated(element, row["received_at"] if is_early(row, sent_at) else row["at"]), note


def _dated(element: PartState, at: int | None) -> PartState:
    """Return an element as of a moment."""
    moment = moment_of(at)
    return PartState(
        bits=element.bits,
        positive_at=element.positive_at and moment,
        negative_at=element.negative_at and moment,
        shown=element.shown,
    )


@functools.lru_cache(maxsize=100_000, typed=True)  # typed: our word and a carrier's that is spelled alike differ
def _lifted(
    status: str, code: str | None, carrier: str | None, profile: Profile
) -> tuple[PartState | None, str | None]:
    return _lift(Receipt(status=status, error_code=code, carrier=carrier, at=EPOCH), profile)


def _lift(receipt: Receipt, profile: Profile) -> tuple[PartState | None, str | None]:
    try:
        element = lift(receipt, profile)
    except AmbiguousCode:
        if receipt.error_code is None:  # then it is the word that means several things
            return None, UNKNOWN_STATUS
        element, note = _lift(attrs.evolve(receipt, error_code=None), profile)
        return element, note or AMBIGUOUS_CODE
    return element, UNKNOWN_STATUS if element is None else None


def known_code(carrier: str | None, code: str | None, profile: Profile) -> str | None:
    """Return a code, None when it means several things."""
    try:
        verdict_of(carrier, code, None, profile)
    except AmbiguousCode:
        return None
    return code


@functools.lru_cache(maxsize=100_000)
def _view(
    parts: tuple[tuple[int, int, int, tuple[int, str, str]], ...],
    attempts: tuple[tuple[int, Outcome, int, str | None], ...],
    policy: ConflictPolicy,
) -> tuple[str, str | None, int]:
    """Return status, code and conflict, which depend on what was said and not on when."""
    state = DeliveryState(
        part_states={(attempt, part): PartState(bits=bits, shown=shown) for attempt, part, bits, shown in parts},
        attempts={
            number: Attempt(number=number, outcome=outcome, parts=parts, error_code=code)
            for number, outcome, parts, code in attempts
        },
        conflict_policy=policy,
    )
    return state.status.value, state.error_code, int(state.conflict)


def _by_place(part: tuple[tuple[int, int], PartState]) -> tuple[int, int]:
    return part[0]


def bucket_of(sent_at: int | None, delivered_at: int | None) -> int | None:
    """Return the bucket of the time between two moments, as `bucket_between` does."""
    return None if sent_at is None or delivered_at is None else latency_bucket((delivered_at - sent_at) // 1000)


# --- one message -------------------------------------------------------------------------------


@attrs.define
class Stored:
    """One message as it is stored, being told more; `row` then says how it stands.

    Attributes:
        told: its row, of which `row` replaces the views.
        state: the lattice.
        recheck: whether what its receipts say must be read again, because their carrier is known only now.
    """

    told: Row
    state: DeliveryState
    said: set[tuple[Any, ...]]
    recorded: dict[str, Any]
    filled: set[str]
    skipped: bool
    recheck: bool = False

    @classmethod
    def of(cls, row: Row, policy: ConflictPolicy) -> Stored:
        """Return what a row says."""
        written = row["state"] or {}
        state = DeliveryState(
            part_states=dict(map(_part_of, written.get("parts", ()))),
            attempts={each[0]: _attempt_of(*each) for each in written.get("attempts", ())},
            conflict_policy=policy,
        )
        return cls(
            told=dict(row),
            state=state,
            said={tuple(each) for each in written.get("said", ())},
            recorded=dict(written.get("recorded", {})),
            filled=set(written.get("filled", ())),
            skipped="skipped" in written,
        )

    @classmethod
    def new(cls, message_id: str, policy: ConflictPolicy) -> Stored:
        """Return a message of which nothing is known, not even its campaign: it is counted nowhere."""
        zeros = dict.fromkeys((*COUNTS, "conflict"), 0)
        return cls.of(empty_row(MESSAGES, message_id=message_id, status="pending", **zeros), policy)

    @property
    def message_id(self) -> str:
        """Its id."""
        return str(self.told["message_id"])

    # --- what we say of it

    def record(self, message: Message, attempts: Iterable[Attempt], profile: Profile) -> None:
        """Learn from a message as somebody tells it. Gaps are filled; what is known stays."""
        self.carried_by(message.carrier)
        self._fill_gaps(message)
        code = known_code(message.carrier, message.error_code, profile)
        given = tuple(attempts) or (Attempt(outcome=BEFORE_TAKEN.get(message.status, Outcome.TAKEN), error_code=code),)
        self.attempted(*given)
        self.skipped |= message.status is Status.SKIPPED
        if message.status not in BEFORE_TAKEN and message.status is not Status.QUEUED:
            newest = max(given, key=lambda each: each.number)
            positive = message.status in ARRIVED
            at = message.delivered_at if positive else message.last_event_at
            self.said.add((message.status.value, code, micros(at), newest.number, newest.parts))
            self._join_said(profile)

    def _fill_gaps(self, message: Message) -> None:
        told, erased = self.told, is_erased(self.told)
        for name in TOLD:
            if told[name] is None and not (erased and name in _PERSONAL):
                value = getattr(message, name)
                told[name] = micros(value) if name == "created_at" else value
        told["media"] = told["media"] or (None if erased else list(message.media) or None)
        self.handed_off(micros(message.sent_at))
        self._fill("segments", message.segments)
        if message.price is not None and (told["price"] is None or "price" in self.filled):
            told["price"], told["currency"] = to_micros(message.price), message.currency
            self.filled.discard("price")
        told["currency"] = told["currency"] or message.currency
        self._record_counts(message)

    def _fill(self, name: str, value: int | None) -> None:
        if value is not None and (self.told[name] is None or name in self.filled):
            self.told[name] = value
            self.filled.discard(name)

    def _record_counts(self, message: Message) -> None:
        """Keep the most that was recorded; what came back since stands on top of it."""
        for name in COUNTS:
            value = int(getattr(message, name) or 0)
            before = self.recorded.get(name, 0)
            if value > before:
                self.recorded[name] = value
                self.told[name] = 1 if name == "opted_out" else self.told[name] + value - before
        for name, choose in (("delivered_at", earliest), ("last_event_at", latest)):
            at = choose(self.recorded.get(name), micros(getattr(message, name)))
            if at is not None:
                self.recorded[name] = at
        for kind in ("revenue", "assisted_revenue"):
            value = getattr(message, kind)
            if value is not None:
                self._record_money(kind, str(message.currency), to_micros(value))

    def _record_money(self, kind: str, currency: str, value: int) -> None:
        known = {(k, c): n for k, c, n in self.recorded.get("revenue", ())}
        before = known.get((kind, currency))
        if before is None or value > before:
            known[kind, currency] = value
            self.recorded["revenue"] = [[*key, n] for key, n in sorted(known.items())]
            self._earn(kind, currency, value - (before or 0))

    def attempted(self, *attempts: Attempt) -> None:
        """Learn what we did; of several versions of one attempt the furthest."""
        for each in attempts:
            self.state = self.state.merge(DeliveryState(attempts={each.number: each}))

    def handed_off(self, at: int | None) -> None:
        """Learn when it was handed over; which times can be believed depends on that."""
        before = self.told["sent_at"]
        self.told["sent_at"] = earliest(before, at)
        self.recheck |= self.told["sent_at"] != before and bool(self.state.part_states)

    def carried_by(self, carrier: str | None, *, instead: bool = False) -> None:
        """Learn whose message it is: of nobody's until now, or of another's ``instead``."""
        told = self.told
        if carrier is None or told["carrier"] == carrier or not (instead or told["carrier"] is None):
            return
        told["carrier"] = carrier
        self.recheck |= bool(self.state.part_states)

    def priced(self, segments: int | None, price: Decimal | None, currency: str | None) -> None:
        """Learn what a carrier says of parts and price: it fills a gap, and of several tellings the most counts."""
        told = self.told
        if segments is not None and (told["segments"] is None or "segments" in self.filled):
            told["segments"] = max(segments, told["segments"] or 0)
            self.filled.add("segments")
        if price is None or not (told["price"] is None or "price" in self.filled):
            return
        offered = (to_micros(price), str(currency))
        if told["price"] is None or offered > (told["price"], told["currency"]):
            told["price"], told["currency"] = offered
        self.filled.add("price")

    # --- what a carrier says of it

    def join(self, where: tuple[int, int], element: PartState) -> None:
        """Learn what one receipt says."""
        state = self.state
        joined = state.part_states.get(where, BOTTOM).join(element)
        self.state = DeliveryState(
            part_states={**state.part_states, where: joined},
            attempts=state.attempts,
            conflict_policy=state.conflict_policy,
        )

    def seen(self, at: int | None) -> None:
        """Learn that something happened."""
        self.told["last_event_at"] = latest(self.told["last_event_at"], at)

    def _join_said(self, profile: Profile) -> None:
        for status, code, at, attempt, parts in self.said:
            element, _ = _lifted(Status(status), code, self.told["carrier"], profile)
            for part in range(parts if element is not None else 0):
                self.join((attempt, part), _dated(element or BOTTOM, at))

    # --- what people do

    def engage(self, event: Reply | Click | Order) -> None:
        """Learn of a reply, a click or an order that is new."""
        told = self.told
        if isinstance(event, Order):
            told["assisted_orders" if event.assisted else "orders"] += 1
            if event.revenue is not None:
                kind = "assisted_revenue" if event.assisted else "revenue"
                self._earn(kind, str(event.currency), to_micros(event.revenue))
        elif isinstance(event, Click):
            told["clicks"] += 1
        elif event.keyword is Keyword.OPT_OUT:
            told["stop_replies"] += 1
            told["opted_out"] = 1
        else:
            told["replies"] += 1
        self.seen(when(event))

    def opt_out(self, event: OptOut) -> bool:
        """Learn of an opt-out; return whether it is the first."""
        first = not self.told["opted_out"]
        self.recorded["opted_out"] = self.told["opted_out"] = 1
        self.recorded["last_event_at"] = latest(self.recorded.get("last_event_at"), when(event))
        return first

    def _earn(self, kind: str, currency: str, value: int) -> None:
        known = {(k, c): n for k, c, n in self.told["revenue"] or ()}
        known[kind, currency] = known.get((kind, currency), 0) + value
        self.told["revenue"] = [[*key, n] for key, n in sorted(known.items())]

    # --- and from the beginning

    def forget(self) -> None:
        """Go back to what was recorded, before anything came back."""
        told = self.told
        told |= {name: self.recorded.get(name, 0) for name in COUNTS}
        told["revenue"] = self.recorded.get("revenue")
        told["last_event_at"] = None

    def unhear(self, profile: Profile) -> None:
        """Go back to what was recorded, before any receipt came."""
        self.state = attrs.evolve(self.state, part_states={})
        self.recheck = False
        self._join_said(profile)

    # --- how it stands

    def row(self) -> Row:
        """Return its row, with the views of now."""
        state, told = self.state, self.told
        status, code, conflict = _view(
            tuple([(*key, part.bits, part.shown) for key, part in sorted(state.part_states.items(), key=_by_place)]),
            tuple([(each.number, each.outcome, each.parts, each.error_code) for each in state.attempts.values()]),
            state.conflict_policy,
        )
        if self.skipped and not state.part_states and status == Status.PENDING:
            status, code = Status.SKIPPED.value, None
        sent_at = told["sent_at"]
        delivered_at = earliest(micros(state.delivered_at), self.recorded.get("delivered_at"))
        return {
            **told,
            "state": self._as_json(),
            "status": status,
            "error_code": code,
            "delivered_at": delivered_at,
            "last_event_at": latest(told["last_event_at"], self.recorded.get("last_event_at")),
            "hour": None if sent_at is None else sent_at // HOUR,
            "latency": bucket_of(sent_at, delivered_at),
            "conflict": conflict,
        }

    def _as_json(self) -> dict[str, Any]:
        written: dict[str, Any] = {
            "attempts": [_attempt_as_json(each) for _, each in sorted(self.state.attempts.items())],
            "parts": [_part_as_json(*each) for each in sorted(self.state.part_states.items(), key=lambda it: it[0])],
            "said": sorted(([*each] for each in self.said), key=json.dumps),
            "recorded": dict(sorted(self.recorded.items())),
            "filled": sorted(self.filled),
            "skipped": int(self.skipped),
        }
        return {name: value for name, value in written.items() if value}


def check_recordable(message: Message) -> None:
    """Refuse a message that could not be found again, or counted.

    Raises:
        InvalidValue: what is missing or contradicts itself, and the way out.
    """
    if message.message_id is None:
        raise InvalidValue("a message has no message_id: receipts find it by that; give one")
    if message.campaign_id is None:
        raise InvalidValue(f"message {message.message_id!r} has no campaign_id: it is counted there; give one")
    if message.status is Status.SKIPPED and message.sent_at is not None:
        raise InvalidValue(
            f"message {message.message_id!r} is skipped, but has sent_at: a skipped message was never handed over;"
            " correct its status or leave sent_at empty"
        )


def message_of(row: Row, *, segments: bool = True) -> Message:
    """Return a row as the noun.

    Money that people spent is there in one currency, see `spent`; `counters` keep each.

    Args:
        row: of a message.
        segments: whether to tell its segments: for all messages of a set or for none.
    """
    currency, revenue, assisted = spent(row["revenue"], row["currency"])
    fields: dict[str, Any] = {name: row[name] for name in ("message_id", "error_code", *TOLD, *COUNTS)}
    fields |= {name: moment_of(row[name]) for name in ("created_at", "sent_at", "delivered_at", "last_event_at")}
    fields["opted_out"] = bool(row["opted_out"])
    if row["status"] != Status.SKIPPED:
        fields["skip_reason"] = None
    return Message(
        **fields,
        status=Status(row["status"]),
        media=row["media"] or (),
        segments=row["segments"] if segments else None,
        price=amount(row["price"]),
        currency=currency,
        revenue=amount(revenue),
        assisted_revenue=amount(assisted),
    )


def spent(revenue: list[list[Any]] | None, currency: str | None) -> tuple[str | None, int | None, int | None]:
    """Return what people spent as a message has it, in one currency: that of its price, or else their first."""
    if not revenue:
        return currency, None, None
    chosen = currency or revenue[0][1]
    found = {kind: value for kind, of, value in revenue if of == chosen}
    return chosen, found.get("revenue"), found.get("assisted_revenue")


def when(event: Reply | Click | OptOut | Order) -> int:
    """Return the moment of an event."""
    if isinstance(event, Reply):
        return micros_of(event.received_at)
    if isinstance(event, Click):
        return micros_of(event.clicked_at)
    return micros_of(event.ordered_at if isinstance(event, Order) else event.opted_out_at)


# --- what came back, as rows -------------------------------------------------------------------


def receipt_row(receipt: Receipt, message_id: str, attempt: int, part: int) -> Row:
    """Return a receipt as a row; its id is what it says, of which part of which attempt."""
    received, at = micros(receipt.received_at), micros(receipt.at)
    if at is not None and received is not None and at > received + _SLACK:
        at = None
    return {
        "receipt_id": digest(message_id, attempt, part, receipt.status, receipt.error_code),
        "message_id": message_id,
        "attempt": attempt,
        "part": part,
        "carrier": receipt.carrier,
        "status": receipt.status,
        "error_code": receipt.error_code,
        "at": received if at is None else at,
        "received_at": received,
        "last_received_at": latest(received, at),
        "duplicates": 0,
        "raw": None if receipt.raw is None else plain(dict(receipt.raw)),
        "raw_since": None if receipt.raw is None else received,
    }


def is_early(row: Row, sent_at: int | None) -> bool:
    """Return whether a carrier's time is before the message was handed over."""
    return sent_at is not None and row["at"] is not None and bool(row["at"] < sent_at - _SLACK)


def repeated(row: Row, again: Row) -> Row:
    """Return a row of receipts, or of the inbox's, that came once more: the first time of all counts."""
    return {
        **row,
        "at": earliest(row["at"], again["at"]),
        "received_at": earliest(row["received_at"], again["received_at"]),
        "last_received_at": latest(row["last_received_at"], again["last_received_at"]),
        "duplicates": row["duplicates"] + again["duplicates"] + 1,
    }


# --- what people did, as rows, and back ------------------------------------------------------


def event_row(event: Reply | Click | Order, told: Row | None, message_id: str | None) -> tuple[Table, Row]:
    """Return a reply, a click or an order as a row; without an id of its own, all it says tells it from others."""
    at = when(event)
    known = {name: getattr(event, name) or (told or {}).get(name) for name in WHOSE}
    known["message_id"] = message_id
    if isinstance(event, Reply):
        row = empty_row(REPLIES, **known, sender=event.sender, carrier=event.carrier, received_at=at, text=event.text)
        row["reply_id"] = event.reply_id or digest("reply", event.to, event.message_id, event.sender, at, event.text)
        row |= {"keyword": event.keyword and event.keyword.value, "media": [*event.media]}
        row |= {"dated": int(event.dated), "lossy": int(event.lossy)}
        return REPLIES, row
    if isinstance(event, Click):
        click_id = event.click_id or digest("click", event.to, event.message_id, at, event.url)
        return CLICKS, empty_row(CLICKS, **known, click_id=click_id, clicked_at=at, url=event.url)
    revenue = None if event.revenue is None else to_micros(event.revenue)
    order_id = event.order_id or digest("order", event.to, event.message_id, at, revenue, event.currency)
    money = {"revenue": revenue, "currency": event.currency, "assisted": int(event.assisted)}
    return ORDERS, empty_row(ORDERS, **known, order_id=order_id, ordered_at=at, **money)


def reply_of(row: Row) -> Reply:
    """Return a row of replies as the noun."""
    told = {name: row[name] for name in ("reply_id", "message_id", "campaign_id", "contact_id", "to", "sender")}
    return Reply(
        **told,
        received_at=moment_at(row["received_at"]),
        text=row["text"] or "",
        keyword=row["keyword"],
        carrier=row["carrier"],
        media=tuple(row["media"] or ()),
        lossy=bool(row["lossy"]),
    )


def click_of(row: Row) -> Click:
    """Return a row of clicks as the noun."""
    told = {name: row[name] for name in ("click_id", "message_id", "campaign_id", "contact_id", "to", "url")}
    return Click(**told, clicked_at=moment_at(row["clicked_at"]))


def order_of(row: Row) -> Order:
    """Return a row of orders as the noun."""
    told = {name: row[name] for name in ("order_id", "message_id", "campaign_id", "contact_id", "to", "currency")}
    return Order(
        **told,
        ordered_at=moment_at(row["ordered_at"]),
        revenue=amount(row["revenue"]),
        assisted=bool(row["assisted"]),
    )


EVENT_OF: Final[Mapping[str, Callable[[Row], Reply | Click | Order]]] = {
    REPLIES.name: reply_of,
    CLICKS.name: click_of,
    ORDERS.name: order_of,
}
"""What makes a noun of a row, by the name of its table."""
