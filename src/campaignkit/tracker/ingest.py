"""What a batch of tellings changes: the one place that reads and writes messages and what came back.

A batch is one transaction. Each of its steps needs only what the one before found:

    find       which messages the events are about, as far as the storage knows
    lock       those messages, and those that are recorded; what is not there yet is made
    register   what we say of messages: recorded, submitted
    claim      ids that stand for them now; receipts that waited for such an id join in
    place      every other receipt: with its message, or in the inbox
    hear       receipts, joined part by part
    engage     replies, clicks, opt-outs, orders
    write      each message once, what it counted for taken away, what it counts for now added
    decide     what people want now, whose number takes no more, which campaign has to stop

Two batches cannot wait for each other, because all take what they lock in one order: messages,
ids, the inbox, receipts, what people did, what they want, suppressions, campaigns, actions,
channels, counters, notes; each by key.
An id that gets its message between finding and placing is `Raced`: the batch begins again.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import attrs

from campaignkit.backends.carriers.port import Submission
from campaignkit.backends.storage.port import Key, Row, Transaction
from campaignkit.backends.storage.tables import (
    ATTEMPTS,
    CAMPAIGNS,
    CARRIER_IDS,
    CLICKS,
    INBOX,
    MESSAGES,
    NOTES,
    ORDERS,
    RECEIPTS,
    REPLIES,
    Table,
)
from campaignkit.errors import InvalidValue
from campaignkit.grouping import micros_of
from campaignkit.models import Attempt, Click, Message, OptOut, Order, Outcome, Receipt, Reply, to_micros
from campaignkit.tracker.channels import note_channels
from campaignkit.tracker.counters import Deltas, Numbers, counted
from campaignkit.tracker.people import (
    Wish,
    addressed,
    hear,
    struck,
    suppress_struck,
    wish_of_event,
    wish_of_receipt,
    wish_of_refusal,
    wish_of_reply,
    wishes_of,
)
from campaignkit.tracker.policies import Rules
from campaignkit.tracker.stored import (
    EVENT_OF,
    WHOSE,
    Stored,
    amount,
    digest,
    empty_row,
    event_row,
    is_early,
    is_erased,
    known_code,
    latest,
    lifted,
    micros,
    moment_of,
    receipt_row,
    receipts_about,
    repeated,
    when,
    write_changes,
)
from campaignkit.tracker.suspension import decided, watched, write_suspended
from campaignkit.verdicts import FAILURES

Event = Receipt | Reply | Click | OptOut | Order
"""Anything that can come back of a message."""

DUPLICATE: Final = "duplicate"
WAITING: Final = "waiting"
DROPPED: Final = "inbox_dropped"
REUSED: Final = "carrier_id_reused"
UNATTRIBUTED: Final = "unattributed"
INBOUND: Final = "inbound"
UNREADABLE: Final = "unreadable"

_LOOKED_AT: Final = 100


class Raced(Exception):
    """Another transaction changed what this one had found; begin it again."""


@attrs.frozen(kw_only=True)
class Ingested:
    """What a call changed, counted. Results add with ``+``.

    Attributes:
        recorded: messages that were not known.
        receipts: receipts that said something new; ``replies``, ``clicks``, ``opt_outs`` and
            ``orders`` likewise.
        duplicates: events that said what was known.
        waiting: receipts whose message is not known yet; they join it when its id appears.
        unknown_status: new receipts with a word that is in no table; kept, without effect.
        ambiguous_code: new receipts with a code that means several things; kept, as a failure without one.
        unreadable: new receipts whose price, currency or segments are nothing that can be read; kept, without them.
        unattributed: replies and the like that are about no message we know.
    """

    recorded: int = 0
    receipts: int = 0
    replies: int = 0
    clicks: int = 0
    opt_outs: int = 0
    orders: int = 0
    duplicates: int = 0
    waiting: int = 0
    unknown_status: int = 0
    ambiguous_code: int = 0
    unreadable: int = 0
    unattributed: int = 0

    def __add__(self, other: Ingested) -> Ingested:
        return Ingested(**{name: getattr(self, name) + getattr(other, name) for name in _RESULTS})


_RESULTS: Final = tuple(field.name for field in attrs.fields(Ingested))


@attrs.frozen
class Recorded:
    """A message that somebody else sends or sent."""

    message: Message
    attempts: tuple[Attempt, ...]


@attrs.frozen
class Submitted:
    """What became of handing a message over."""

    message_id: str
    attempt: Attempt
    submission: Submission


@attrs.frozen
class Work:
    """What one caller brings, and when."""

    items: Sequence[Recorded | Submitted | Event]
    now: datetime


@attrs.define
class _Heard:
    """A receipt that is being placed.

    Attributes:
        caller: who brought it; None for one that waited in the inbox.
        first: as it stood there.
        answered: it stood in the answer to the handing over, and proves no webhook.
    """

    receipt: Receipt
    caller: int | None
    first: Row | None = None
    answered: bool = False


_Place = tuple[str, int, int | None]
"""Message, attempt, and part where that is known."""


class Batch:
    """The work of some callers, in one transaction."""

    def __init__(self, tx: Transaction, rules: Rules, works: Sequence[Work]) -> None:
        self.tx = tx
        self.rules = rules
        self.works = works
        self.now = max(micros_of(work.now) for work in works)
        self.results: list[Counter[str]] = [Counter() for _ in works]
        self.notes: Counter[Key] = Counter()
        self._stored: dict[str, Stored] = {}
        self._before: dict[str, Numbers] = {}
        self._rows: dict[str, Row] = {}
        self._attempts: dict[str, _Place] = {}
        self._ids: dict[Key, _Place] = {}
        self._parts: dict[tuple[str, int], set[int]] = {}
        self._attempt_rows: dict[str, Row] = {}
        self._heard: list[tuple[_Heard, _Place]] = []
        self._replies = [item for work in works for item in work.items if isinstance(item, Reply)]
        self._wishes: list[tuple[int | None, str | None, Wish]] = []
        self._reread: set[str] = set()

    def run(self) -> list[Ingested]:
        """Do it all; the caller ends the transaction."""
        told = [(i, item) for i, work in enumerate(self.works) for item in work.items]
        ours = [(i, item) for i, item in told if isinstance(item, Recorded | Submitted)]
        receipts = [_Heard(self._dated(item, i), i) for i, item in told if isinstance(item, Receipt)]
        events = [(i, item) for i, item in told if isinstance(item, Reply | Click | OptOut | Order)]
        self._look_up(receipts)
        named = [self._named(event) for _, event in events]
        about = [name or self._last_stored(event) for name, (_, event) in zip(named, events, strict=True)]
        self._lock(ours, receipts, about)
        self._register(ours)
        self._place(receipts)
        self._drop_inbound()
        self._hear()
        self._name_events()
        about = [name or self._last_sent(told[1], last) for name, told, last in zip(named, events, about, strict=True)]
        self._engage(events, about)
        self._write()
        return [Ingested(**{name: result[name] for name in _RESULTS}) for result in self.results]

    def _dated(self, receipt: Receipt, caller: int) -> Receipt:
        return receipt if receipt.received_at else attrs.evolve(receipt, received_at=self.works[caller].now)

    # --- find

    def _look_up(self, receipts: Iterable[_Heard]) -> None:
        """Learn what the ids of receipts stand for."""
        told = [each.receipt for each in receipts]
        wanted = {(each.attempt_id,) for each in told if each.attempt_id} - {(known,) for known in self._attempts}
        for (attempt_id,), row in self.tx.get(ATTEMPTS, wanted).items():
            if row["message_id"] is not None:
                self._attempts[attempt_id] = (row["message_id"], row["number"], None)
        for key, row in self.tx.get(CARRIER_IDS, set(filter(None, map(_id_of, told))) - self._ids.keys()).items():
            if row["message_id"] is not None:
                self._ids[key] = (row["message_id"], row["attempt"], row["part"])

    def _owner(self, receipt: Receipt) -> _Place | None:
        """Return which message, attempt and part a receipt is about, as far as is known."""
        by_id = self._ids.get(_id_of(receipt) or ())
        if receipt.message_id is not None:
            return receipt.message_id, receipt.attempt, receipt.part
        ours = self._attempts.get(receipt.attempt_id or "")
        if ours is None:
            return by_id
        if by_id is not None and by_id[:2] == ours[:2]:
            return by_id
        return *ours[:2], receipt.part or (0 if by_id is not None or _id_of(receipt) is None else None)

    def _named(self, event: Reply | Click | OptOut | Order) -> str | None:
        """Return the message that an event names, by its id or the carrier's."""
        if event.message_id is not None:
            return event.message_id
        if isinstance(event, Reply) and event.carrier_id is not None:
            key = (event.carrier or "", event.carrier_id)
            row = self.tx.get(CARRIER_IDS, [key]).get(key)
            if row is not None and row["message_id"] is not None:
                return str(row["message_id"])
        return None

    def _last_stored(self, event: Reply | Click | OptOut | Order) -> str | None:
        """Return the last message that a person was sent before an event, as the storage has it."""
        if event.to is None:
            return None
        after = (event.to, when(event) + 1, "")
        found = self.tx.scan(
            MESSAGES, index="to", where={"to": event.to}, after=after, limit=_LOOKED_AT, descending=True
        )
        return next((row["message_id"] for row in found if _fits(row, event)), None)

    # --- lock

    def _lock(
        self,
        ours: Iterable[tuple[int, Recorded | Submitted]],
        receipts: Iterable[_Heard],
        about: Iterable[str | None],
    ) -> None:
        wanted = {item.message.message_id if isinstance(item, Recorded) else item.message_id for _, item in ours}
        wanted |= {place[0] for each in receipts if (place := self._owner(each.receipt))}
        wanted |= {each for each in about if each is not None}
        names = sorted(filter(None, wanted))
        known = self.tx.lock(MESSAGES, [(name,) for name in names])
        missing = [Stored.new(name, self.rules.policy).row() for name in names if (name,) not in known]
        if missing and not all(self.tx.insert(MESSAGES, missing)):
            raise Raced
        for row in (*known.values(), *missing):
            self._take(row)

    def _take(self, row: Row) -> None:
        """Begin to change a message that is locked."""
        name = row["message_id"]
        self._rows[name] = row
        self._before[name] = counted(row)
        self._stored[name] = Stored.of(row, self.rules.policy)

    # --- register

    def _register(self, ours: Iterable[tuple[int, Recorded | Submitted]]) -> None:
        """Learn what we say of messages, and claim their ids."""
        attempts: dict[str, _Place] = {}
        ids: dict[Key, _Place] = {}
        for caller, item in ours:
            if isinstance(item, Recorded):
                self._record(caller, item, attempts, ids)
            else:
                self._submit(caller, item, attempts, ids)
        self._place(self._claim(attempts, ids))

    def _record(self, caller: int, item: Recorded, attempts: dict[str, _Place], ids: dict[Key, _Place]) -> None:
        message, name = item.message, str(item.message.message_id)
        stored = self._stored[name]
        self.results[caller]["recorded"] += stored.told["campaign_id"] is None
        self._wish_recorded(caller, message, stored)
        stored.record(message, item.attempts, self.rules.profile)
        for each in item.attempts:
            self._claim_attempt(attempts, name, each)
        if message.carrier_id is not None:
            newest = max((each.number for each in item.attempts), default=1)
            ids.setdefault((message.carrier or "", message.carrier_id), (name, newest, None))

    def _wish_recorded(self, caller: int, message: Message, stored: Stored) -> None:
        """Learn that somebody opted out from how their message was recorded, unless that was known."""
        at = micros_of(message.last_event_at or message.sent_at or message.created_at or self.works[caller].now)
        if message.opted_out and not stored.told["opted_out"]:
            self._wish(None, stored.message_id, Wish(at=at, out=True, source="record"))
        elif message.status in FAILURES and message.error_code != self._rows[stored.message_id]["error_code"]:
            wish = wish_of_refusal(message.carrier, message.error_code, at, self.rules.profile)
            self._wish(None, stored.message_id, wish)

    def _submit(self, caller: int, item: Submitted, attempts: dict[str, _Place], ids: dict[Key, _Place]) -> None:
        said, attempt, name = item.submission, item.attempt, item.message_id
        now = micros_of(self.works[caller].now)
        stored, carrier = self._stored[name], said.carrier.lower()
        taken, before = said.outcome is Outcome.TAKEN, stored.state.handed_off
        code = known_code(carrier, said.error_code, self.rules.profile) if not taken else None
        parts = max(attempt.parts, len(said.part_ids))
        told = attrs.evolve(attempt, outcome=said.outcome, error_code=code, parts=parts)
        known = stored.state.attempts.get(attempt.number)
        if said.outcome is Outcome.REFUSED and (known is None or known.outcome is not Outcome.REFUSED):
            self._wish(None, name, wish_of_refusal(carrier, code, now, self.rules.profile))
        stored.attempted(told)
        stored.carried_by(carrier, instead=taken or not before)
        stored.priced(said.segments, said.price, said.currency)
        if taken:
            stored.handed_off(now)
        self._claim_attempt(attempts, name, told, said, now)
        names = [each for each in (said.part_ids or (said.carrier_id,)) if each is not None]
        if stored.told["carrier_id"] is None:
            stored.told["carrier_id"] = said.carrier_id
        labels = self._labels(name, attempt.number, carrier, said.part_ids or (said.carrier_id,))
        for each in names:
            ids.setdefault((carrier, each), (name, attempt.number, labels[each]))
        if said.carrier_id is not None:
            ids.setdefault((carrier, said.carrier_id), (name, attempt.number, 0))
        for receipt in said.receipts:
            part = labels.get(receipt.part, receipt.part)
            own = attrs.evolve(receipt, message_id=name, attempt=attempt.number, part=part)
            heard = _Heard(self._dated(own, caller), caller, answered=True)
            self._heard.append((heard, (name, attempt.number, own.part)))

    def _claim_attempt(
        self,
        attempts: dict[str, _Place],
        name: str,
        attempt: Attempt,
        said: Submission | None = None,
        now: int | None = None,
    ) -> None:
        key = attempt.attempt_id or f"{name}/{attempt.number}"  # no carrier brings a / back
        if attempts.setdefault(key, (name, attempt.number, None))[0] != name:
            raise _twice(key, attempts[key][0], name)
        self._attempts[key] = (name, attempt.number, None)
        before = self._attempt_rows.get(key, {})
        self._attempt_rows[key] = empty_row(
            ATTEMPTS,
            attempt_id=key,
            message_id=name,
            number=attempt.number,
            carrier=said.carrier.lower() if said else before.get("carrier"),
            carrier_id=said.carrier_id if said else before.get("carrier_id"),
            started_at=micros(attempt.started_at) or before.get("started_at"),
            ended_at=now or before.get("ended_at"),
        )

    def _labels(self, name: str, attempt: int, carrier: str, names: Sequence[str | None]) -> dict[Any, int]:
        """Return the part that each id, and each place among them, stands for.

        Receipts may have named a part before we knew its place. It keeps the number it got then:
        parts are told from each other by their numbers, and nothing depends on which is which.
        """
        known = self._known_parts(name, attempt)
        free = (number for number in itertools.count() if number not in known.values())
        labels: dict[Any, int] = {}
        for place, each in enumerate(names):
            key = (carrier, each)
            labels[place] = known[key] if key in known else next(free)
            if each is not None:
                labels[each] = labels[place]
        return labels

    # --- claim

    def _claim(self, attempts: Mapping[str, _Place], ids: Mapping[Key, _Place]) -> list[_Heard]:
        """Let ids stand for messages; return the receipts that waited for one of them."""
        waited = [("attempt", key) for key in self._claim_attempts(attempts)]
        waited += [("carrier", key) for key in self._claim_ids(ids)]
        names = {"attempt": ("attempt_id",), "carrier": ("carrier", "carrier_id")}
        found: dict[str, Row] = {}
        for index, key in waited:
            where = dict(zip(names[index], key, strict=True))
            found |= {row["receipt_id"]: row for row in self.tx.scan(INBOX, index=index, where=where)}
        if found:
            self.tx.delete(INBOX, [(key,) for key in sorted(found)])
            self.notes[WAITING, ""] -= len(found)
        return [_from_inbox(row["receipt"]) for row in found.values()]

    def _claim_attempts(self, attempts: Mapping[str, _Place]) -> list[Key]:
        """Insert attempts; return the ids that somebody had heard of before."""
        rows = [self._attempt_rows[attempt_id] for attempt_id in sorted(attempts)]
        old = _not_new(self.tx, ATTEMPTS, rows)
        for (attempt_id,), row in old.items():
            if row["message_id"] not in {None, attempts[attempt_id][0]}:
                raise _twice(attempt_id, row["message_id"], attempts[attempt_id][0])
            ours = self._attempt_rows[attempt_id]
            for name in ("carrier", "carrier_id", "started_at", "ended_at"):
                ours[name] = row[name] if ours[name] is None else ours[name]
        return [key for key, row in old.items() if row["message_id"] is None]

    def _claim_ids(self, ids: Mapping[Key, _Place]) -> list[Key]:
        """Insert carriers' ids; return those that somebody had heard of before."""
        known = self.tx.get(CARRIER_IDS, ids.keys())
        rows = []
        for key, (name, attempt, part) in sorted(ids.items()):
            row = known.get(key)
            if row is not None and row["message_id"] is not None:
                self._is_ours(key, row, name)
                continue
            number = self._free_part(name, attempt) if part is None else part
            self._parts.setdefault((name, attempt), set()).add(number)
            carrier, carrier_id = key
            rows.append(
                {"carrier": carrier, "carrier_id": carrier_id, "message_id": name, "attempt": attempt, "part": number}
            )
            self._ids[key] = (name, attempt, number)
        old = _not_new(self.tx, CARRIER_IDS, rows)
        if any(row["message_id"] is not None for row in old.values()):
            raise Raced
        self.tx.put(CARRIER_IDS, [row for row in rows if (row["carrier"], row["carrier_id"]) in old])
        return [*old]

    def _is_ours(self, key: Key, row: Row, name: str) -> None:
        self._ids[key] = (row["message_id"], row["attempt"], row["part"])
        if row["message_id"] != name:
            self.notes[REUSED, key[0]] += 1
            if self._stored[name].told["carrier_id"] == key[1]:
                self._stored[name].told["carrier_id"] = None

    def _free_part(self, name: str, attempt: int) -> int:
        """Return the lowest number of a part that no id of an attempt stands for."""
        taken = {*self._known_parts(name, attempt).values(), *self._parts.get((name, attempt), ())}
        return next(number for number in itertools.count() if number not in taken)

    def _known_parts(self, name: str, attempt: int) -> dict[Key, int]:
        """Return which part of an attempt each id stands for, as the storage has it."""
        rows = self.tx.scan(CARRIER_IDS, index="message", where={"message_id": name})
        return {(row["carrier"], row["carrier_id"]): row["part"] for row in rows if row["attempt"] == attempt}

    # --- place

    def _place(self, receipts: list[_Heard]) -> None:
        """Give each receipt its message, or let it wait; what waited for an id that one of them brings follows."""
        while receipts:
            self._look_up(receipts)
            found = [(each, self._owner(each.receipt)) for each in receipts]
            unplaced = [each for each, place in found if place is None]
            placed = [(each, place) for each, place in found if place is not None]
            learned: dict[Key, _Place] = {}
            for each, place in placed:
                if place[0] not in self._stored:
                    raise Raced
                key = _id_of(each.receipt)
                if key is not None and key not in self._ids and each.receipt.message_id is None:
                    learned.setdefault(key, place)
            released = self._claim({}, learned)
            for each, place in placed:
                message_id, attempt, part = self._owner(each.receipt) or place  # its part may be known by now
                self._heard.append((each, (message_id, attempt, part or 0)))
            unplaced = self._without_inbound(unplaced) if unplaced else []
            if unplaced:
                self._wait(unplaced)
            receipts = released

    def _without_inbound(self, receipts: Sequence[_Heard]) -> list[_Heard]:
        """Return receipts without those that are about a reply: some carriers report on what people wrote, too."""
        ours = {(each.carrier or "", each.reply_id) for each in self._replies}
        names = {(key[1],) for each in receipts if (key := _id_of(each.receipt)) is not None}
        ours |= {(row["carrier"] or "", name) for (name,), row in self.tx.get(REPLIES, names).items()}
        for each in receipts:
            self.notes[INBOUND, each.receipt.carrier or ""] += _id_of(each.receipt) in ours
        return [each for each in receipts if _id_of(each.receipt) not in ours]

    def _drop_inbound(self) -> None:
        """Let no receipt wait for a message whose id turns out to be that of a reply."""
        keys = {(each.carrier or "", each.reply_id) for each in self._replies if each.reply_id is not None}
        reserved = [key for key, row in self.tx.get(CARRIER_IDS, keys).items() if row["message_id"] is None]
        for key in sorted(reserved):
            found = self.tx.scan(INBOX, index="carrier", where=dict(zip(CARRIER_IDS.key, key, strict=True)))
            n = self.tx.delete(INBOX, [(row["receipt_id"],) for row in found])
            self.notes[WAITING, ""] -= n
            self.notes[INBOUND, key[0]] += n

    def _wait(self, receipts: Sequence[_Heard]) -> None:
        """Keep receipts in the inbox, under ids that are reserved until they stand for a message."""
        attempts = sorted({each.receipt.attempt_id for each in receipts if each.receipt.attempt_id})
        ids = sorted({key for each in receipts if (key := _id_of(each.receipt))})
        old = {
            **_not_new(self.tx, ATTEMPTS, [empty_row(ATTEMPTS, attempt_id=each) for each in attempts]),
            **_not_new(self.tx, CARRIER_IDS, [empty_row(CARRIER_IDS, carrier=a, carrier_id=b) for a, b in ids]),
        }
        if any(row["message_id"] is not None for row in old.values()):
            raise Raced
        rows: dict[str, Row] = {}
        for each in receipts:
            row = _inbox_row(each)
            name = row["receipt_id"]
            if name in rows:
                rows[name]["receipt"] = repeated(rows[name]["receipt"], row["receipt"])
                self._again(each, each.receipt.carrier)
            else:
                rows[name] = row
        known = self.tx.get(INBOX, [(name,) for name in rows])
        brought = {_inbox_row(each)["receipt_id"]: each for each in reversed(receipts)}
        for name, row in rows.items():
            before = known.get((name,))
            if before is not None:
                row["receipt"] = repeated(before["receipt"], row["receipt"])
                self._again(brought[name], row["receipt"]["carrier"])
                continue
            self.notes[WAITING, ""] += 1
            self._count(brought[name].caller, "waiting")
        self.tx.put(INBOX, [rows[name] for name in sorted(rows)])

    def _again(self, heard: _Heard, carrier: str | None) -> None:
        self.notes[DUPLICATE, carrier or ""] += 1
        self._count(heard.caller, "duplicates")

    def _count(self, caller: int | None, name: str) -> None:
        if caller is not None:
            self.results[caller][name] += 1

    # --- hear

    def _hear(self) -> None:
        """Join receipts to their messages."""
        rows = [
            (each, _with_first(receipt_row(each.receipt, message, attempt, part or 0), each))
            for each, (message, attempt, part) in self._heard
        ]
        for _, row in rows:
            if is_erased(self._stored[row["message_id"]].told):
                row |= {"raw": None, "raw_since": None}
        held, new = self._keep(row for _, row in rows)
        for each, row in rows:
            key = RECEIPTS.key_of(row)
            if key not in new:
                self._again(each, each.receipt.carrier)
            self._join(each, row, new=key in new)
            new.discard(key)
            stored = self._stored[row["message_id"]]
            stored.recheck |= is_early(held[key], stored.told["sent_at"])
        for stored in self._stored.values():
            if stored.recheck:
                self._reread.add(stored.message_id)
                refold(self.tx, stored, self.rules)

    def _keep(self, rows: Iterable[Row]) -> tuple[dict[Key, Row], set[Key]]:
        """Keep receipts, each once with how often it came; return them as they are kept, and which are new."""
        told: dict[Key, Row] = {}
        for row in rows:
            key = RECEIPTS.key_of(row)
            told[key] = repeated(told[key], row) if key in told else row
        keys = sorted(told)
        new = set(itertools.compress(keys, self.tx.insert(RECEIPTS, [told[key] for key in keys])))
        known = self.tx.get(RECEIPTS, [key for key in keys if key not in new])
        again = {key: repeated(row, told[key]) for key, row in known.items()}
        write_changes(self.tx, RECEIPTS, [(row, again[key]) for key, row in known.items()])
        return told | again, new

    def _join(self, heard: _Heard, row: Row, *, new: bool) -> None:
        stored, receipt = self._stored[row["message_id"]], heard.receipt
        stored.carried_by(receipt.carrier)
        stored.priced(receipt.segments, receipt.price, receipt.currency)
        if stored.told["carrier_id"] is None:
            stored.told["carrier_id"] = receipt.carrier_id
        stored.seen(row["last_received_at"])
        element, note = lifted(row, stored.told["carrier"], self.rules.profile)
        if element is not None:
            stored.join((row["attempt"], row["part"]), element)
        if new:
            self._count(heard.caller, "receipts")
            self._wish(None, row["message_id"], wish_of_receipt(element, row, stored.told["carrier"]))
        for odd in (note, receipt.unreadable and UNREADABLE):
            if new and odd:
                self.notes[odd, receipt.carrier or ""] += 1
                self._count(heard.caller, odd)

    # --- engage

    def _name_events(self) -> None:
        """Tell what came back of a message before it was recorded whose it is."""
        for name, stored in sorted(self._stored.items()):
            told, before = stored.told, self._rows[name]
            learned = [each for each in WHOSE if before[each] is None and told[each] is not None]
            if not learned or not before["last_event_at"]:  # then nothing came back
                continue
            for table in (REPLIES, CLICKS, ORDERS):
                for rows in self.tx.pages(table, index="message", where={"message_id": name}):
                    gaps = [{each: told[each] for each in learned if row[each] is None} for row in rows]
                    self.tx.put(table, [{**row, **gap} for row, gap in zip(rows, gaps, strict=True) if gap])

    def _engage(
        self, events: Sequence[tuple[int, Reply | Click | OptOut | Order]], about: Sequence[str | None]
    ) -> None:
        rows: defaultdict[str, list[tuple[int, Reply | Click | Order, Row]]] = defaultdict(list)
        for (caller, event), found in zip(events, about, strict=True):
            about_whom = None if found is None else self._stored[found].told
            erased = about_whom is not None and is_erased(about_whom)
            message_id = None if erased and isinstance(event, Reply) else found  # who writes again is somebody new
            if message_id is None:
                self.notes[UNATTRIBUTED, ""] += 1
                self.results[caller]["unattributed"] += 1
            if not isinstance(event, OptOut):
                known = None if message_id is None else about_whom
                table, row = event_row(event, known, message_id)
                if known is not None and erased:
                    row = self.rules.aliases.attributed(table, row, known)
                rows[table.name].append((caller, event, row))
                continue
            self._wish(caller if message_id is None else None, message_id, wish_of_event(event))
            if message_id is not None:
                first = self._stored[message_id].opt_out(event)
                self.results[caller]["opt_outs" if first else "duplicates"] += 1
        for table, name in ((REPLIES, "replies"), (CLICKS, "clicks"), (ORDERS, "orders")):
            # In the order of the key: whoever inserts the same rows waits for one of them, and not crosswise.
            told = sorted(rows[table.name], key=lambda each: table.key_of(each[2]))
            for (caller, event, row), new in zip(told, self.tx.insert(table, [row for *_, row in told]), strict=True):
                self.results[caller][name if new else "duplicates"] += 1
                self.notes[DUPLICATE, ""] += not new
                if new and isinstance(event, Reply):
                    self._wish(None, row["message_id"], wish_of_reply(event))
                if new and row["message_id"] is not None:
                    self._stored[row["message_id"]].engage(event)

    def _last_sent(self, event: Reply | Click | OptOut | Order, found: str | None) -> str | None:
        """Return the last message before an event, now that this batch's own are handed off."""
        if event.to is None:
            return found
        before = when(event)
        sent = [
            (each["sent_at"], name)
            for name, stored in self._stored.items()
            if (each := stored.told)["to"] == event.to
            and each["sent_at"] is not None
            and each["sent_at"] <= before
            and _fits(each, event)
        ]
        return max(sent, default=(0, found))[1]

    # --- write

    def _write(self) -> None:
        deltas, campaigns, changed, both = Deltas(), set(), [], []
        for name, stored in sorted(self._stored.items()):
            row = stored.row()
            both.append((self._rows[name], row))
            if row == self._rows[name]:
                continue
            changed.append(both[-1])
            if deltas.change(self._before[name], counted(row)):
                campaigns |= {row["campaign_id"]}
        write_changes(self.tx, MESSAGES, changed)
        self.tx.put(ATTEMPTS, [self._finished(row) for _, row in sorted(self._attempt_rows.items())])
        self._decide(both)
        touch_campaigns(self.tx, [row for _, row in changed], campaigns, deltas, rules=self.rules, now=self.now)
        note_channels(self.tx, both, self._came(), self.now)
        deltas.write(self.tx)
        write_notes(self.tx, self.notes, self.now)

    # --- decide

    def _wish(self, caller: int | None, message_id: str | None, wish: Wish | None) -> None:
        """Keep what a person wants until it is known who they are; a caller is told whether it was news."""
        if wish is not None:
            self._wishes.append((caller, message_id, wish))

    def _decide(self, both: Sequence[tuple[Row, Row]]) -> None:
        """Join what people want, and suppress numbers of which too many messages failed for good."""
        for name, stored in self._stored.items():
            if name in self._reread or self._learned_whose(name, stored):
                self._wishes += [(None, name, wish) for wish in wishes_of(self.tx, stored, self.rules, self.now)]
        told = {name: stored.told for name, stored in self._stored.items()} if self._wishes else {}
        wishes = [(caller, addressed(wish, told.get(name or ""))) for caller, name, wish in self._wishes]
        wishes = [(caller, wish) for caller, wish in wishes if wish.to is not None]
        for (caller, _), new in zip(wishes, hear(self.tx, [wish for _, wish in wishes], self.rules), strict=True):
            self._count(caller, "opt_outs" if new else "duplicates")
        suppress_struck(self.tx, struck(both, self.rules.profile), self.rules, self.now)

    def _learned_whose(self, name: str, stored: Stored) -> bool:
        """Return whether something came of a message before it was known whom it is to."""
        before = self._rows[name]
        return (
            before["to"] is None and stored.told["to"] is not None and bool(before["state"] or before["last_event_at"])
        )

    def _came(self) -> dict[str, int]:
        """Return when the latest receipt about each message came."""
        came: dict[str, int] = {}
        for each, (message_id, *_) in self._heard:
            if not each.answered:
                came[message_id] = max(came.get(message_id, 0), micros(each.receipt.received_at) or 0)
        return came

    def _finished(self, row: Row) -> Row:
        attempt = self._stored[row["message_id"]].state.attempts[row["number"]]
        return {**row, "parts": attempt.parts, "outcome": attempt.outcome.value, "error_code": attempt.error_code}


# --- what rebuilding shares --------------------------------------------------------------------


def refold(tx: Transaction, stored: Stored, rules: Rules) -> None:
    """Read again what every receipt of a message says."""
    stored.unhear(rules.profile)
    for row in receipts_about(tx, stored.message_id):
        element, _ = lifted(row, stored.told["carrier"], rules.profile, sent_at=stored.told["sent_at"])
        stored.seen(row["last_received_at"])
        if element is not None:
            stored.join((row["attempt"], row["part"]), element)


def touch_campaigns(
    tx: Transaction, rows: Iterable[Row], changed: Iterable[str], deltas: Deltas, *, rules: Rules, now: int
) -> None:
    """Note that campaigns changed, and when something last happened in them; they stay locked.

    Those of which too much went wrong are suspended.
    """
    sent_at: dict[str, int | None] = {}
    latest_at: dict[str, int | None] = {}
    for row in rows:
        name = row["campaign_id"]
        if name is not None:
            sent_at[name] = latest(sent_at.get(name), row["sent_at"])
            latest_at[name] = latest(latest_at.get(name), row["sent_at"], row["delivered_at"], row["last_event_at"])
    names = sorted({*latest_at, *changed})
    known = tx.lock(CAMPAIGNS, [(name,) for name in names])
    missing = [
        empty_row(CAMPAIGNS, campaign_id=name, created_at=now, version=0) for name in names if (name,) not in known
    ]
    if missing and not all(tx.insert(CAMPAIGNS, missing)):
        raise Raced
    known |= {(row["campaign_id"],): row for row in missing}
    bumped, more = set(changed), watched(deltas.found(), rules.profile)
    before = [row for _, row in sorted(known.items())]
    after: list[Row] = [
        {
            **decided(row, more.get(row["campaign_id"]), rules.suspension, now),
            "version": (row["version"] or 0) + (row["campaign_id"] in bumped),
            "last_sent_at": latest(row["last_sent_at"], sent_at.get(row["campaign_id"])),
            "latest_at": latest(row["latest_at"], latest_at.get(row["campaign_id"])),
        }
        for row in before
    ]
    write_changes(tx, CAMPAIGNS, list(zip(before, after, strict=True)))
    write_suspended(tx, before, after)


def write_notes(tx: Transaction, notes: Mapping[Key, int], now: int) -> None:
    """Count what was noticed."""
    counts = {key: {"n": n} for key, n in sorted(notes.items()) if n}
    if counts:
        tx.add(NOTES, counts)  # which also locks them
        tx.update(NOTES, (*NOTES.key, "last_at"), [(*key, now) for key in counts])


# --- rows --------------------------------------------------------------------------------------


def _id_of(receipt: Receipt) -> Key | None:
    return None if receipt.carrier_id is None else (receipt.carrier or "", receipt.carrier_id)


def _twice(attempt_id: str, one: str, other: str) -> InvalidValue:
    return InvalidValue(
        f"attempt_id is {attempt_id!r}: it belongs to message {one!r} and was given to {other!r} too;"
        " give each attempt an id of its own, like str(uuid.uuid4())"
    )


def _not_new(tx: Transaction, table: Table, rows: Sequence[Row]) -> dict[Key, Row]:
    """Insert rows; return those of the storage that were there."""
    if not rows:
        return {}
    keys = [table.key_of(row) for row in rows]
    old = [key for key, new in zip(keys, tx.insert(table, rows), strict=True) if not new]
    return tx.lock(table, old) if old else {}


def _fits(row: Row, event: Reply | Click | OptOut | Order) -> bool:
    """Return whether an event can be about a message to the same person: it was sent, and from the same sender."""
    if row["sent_at"] is None:
        return False
    if event.campaign_id is not None and event.campaign_id != row["campaign_id"]:
        return False
    return event.sender is None or row["sender"] is None or event.sender == row["sender"]


def _with_first(row: Row, heard: _Heard) -> Row:
    """Return a row of receipts with what was known of it in the inbox."""
    first = heard.first
    if first is None:
        return row
    return {**row, **{name: first[name] for name in ("at", "received_at", "last_received_at", "duplicates")}}


def _inbox_row(heard: _Heard) -> Row:
    each = heard.receipt
    said = _with_first(receipt_row(each, "", each.attempt, each.part), heard)
    more = {
        "carrier_id": each.carrier_id,
        "attempt_id": each.attempt_id,
        "segments": each.segments,
        "price": None if each.price is None else to_micros(each.price),
        "currency": each.currency,
        "unreadable": [*each.unreadable],
    }
    kept = {name: value for name, value in said.items() if name not in {"receipt_id", "message_id"}}
    return {
        "receipt_id": digest(
            each.carrier, each.carrier_id, each.attempt_id, each.attempt, each.part, each.status, each.error_code
        ),
        "carrier": each.carrier or ("" if each.carrier_id else None),
        "carrier_id": each.carrier_id,
        "attempt_id": each.attempt_id,
        "received_at": said["received_at"],
        "receipt": kept | more,
    }


def _from_inbox(row: Row) -> _Heard:
    receipt = Receipt(
        **{name: row[name] for name in ("status", "carrier", "carrier_id", "attempt_id", "error_code", "raw")},
        **{name: row[name] for name in ("attempt", "part", "segments", "currency", "unreadable")},
        price=amount(row["price"]),
        at=moment_of(row["at"]),
        received_at=moment_of(row["received_at"]),
    )
    return _Heard(receipt, None, first=row)


def events_of(tx: Transaction, message_id: str) -> Iterator[Reply | Click | Order]:
    """Yield what people did upon a message."""
    for table in (REPLIES, CLICKS, ORDERS):
        yield from map(EVENT_OF[table.name], tx.walk(table, index="message", where={"message_id": message_id}))
