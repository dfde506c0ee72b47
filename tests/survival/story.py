"""What the tests of survival tell trackers, and what must stand in the end.

A story is a list of tellings: messages recorded and submitted, and everything that comes back of
them. Told in any order, any number of times, by anybody, it ends in one state: `told_once`'s.
"""

from __future__ import annotations

import random
from decimal import Decimal

from campaignkit.backends.carriers.port import Submission
from campaignkit.backends.storage.memory import MemoryStorage
from campaignkit.backends.storage.tables import (
    AMOUNTS,
    ATTEMPTS,
    CARRIER_IDS,
    CLICKS,
    COUNTERS,
    INBOX,
    LATENCIES,
    MESSAGES,
    ORDERS,
    RECEIPTS,
    REPLIES,
)
from campaignkit.models import Attempt, Click, Keyword, Message, OptOut, Order, Receipt, Reply
from campaignkit.tracker import Tracker
from strategies import CARRIER, NOON, SAYS, moment

SPRING = "spring"
KEPT = (MESSAGES, ATTEMPTS, CARRIER_IDS, RECEIPTS, INBOX, REPLIES, CLICKS, ORDERS, COUNTERS, AMOUNTS, LATENCIES)
"""Tables that do not depend on order. What is noticed, decided and latched on the way does."""

_NUMBERS = {table.name for table in (COUNTERS, AMOUNTS, LATENCIES)}


def story(seed, messages):
    """Return the tellings of some messages, each of which is handed over and has up to five receipts."""
    chance = random.Random(seed)  # noqa: S311 - seeded, and no secret
    told = []
    for i in range(messages):
        name, to = f"m{i}", f"+1202555{100 + i % 100:04d}"
        fields = {"campaign_id": SPRING, "to": to, "variant": "ab"[i % 2], "contact_id": f"c{i}"}
        told.append(Message(message_id=name, status="pending", **fields))
        price = {"segments": 1 + i % 3, "price": Decimal(7900 + i).scaleb(-6), "currency": "USD"}
        told.append((name, Submission(outcome="taken", carrier=CARRIER, carrier_id=f"SM{i}", **price)))
        for n, status in enumerate(chance.sample(list(SAYS), chance.randint(1, 5))):
            word, code = SAYS[status][0]
            known = chance.choice([{"carrier_id": f"SM{i}"}, {"attempt_id": f"a-{i}"}])
            told.append(Receipt(status=word, carrier=CARRIER, error_code=code, at=moment(n), **known))
        told += chance.sample(
            [
                Reply(message_id=name, to=to, received_at=moment(60), text="Yes", reply_id=f"r{i}"),
                Reply(message_id=name, to=to, received_at=moment(61), text="STOP", keyword=Keyword.OPT_OUT),
                Click(message_id=name, clicked_at=moment(62), url="https://app.example/a"),
                Order(message_id=name, ordered_at=moment(63), order_id=f"o{i}", revenue=Decimal(5), currency="EUR"),
                OptOut(message_id=name, to=to, opted_out_at=moment(64)),
            ],
            chance.randint(0, 2),
        )
    return told


def tracker_of(storage, **options):
    """Return a tracker whose clock stands at noon."""
    return Tracker(storage, clock=lambda: NOON, **options)


def tell(tracker, *told):
    """Tell a tracker some tellings, together where that can be."""
    if events := [each for each in told if not isinstance(each, Message | tuple)]:
        tracker.ingest(events)
    for each in told:
        if isinstance(each, Message):
            tracker.record([each])
        elif isinstance(each, tuple):
            name, submission = each
            tracker.submitted(name, Attempt(attempt_id=f"a-{name[1:]}"), submission)


def told_once(told):
    """Return the state after some tellings, each told once and in order."""
    tracker = tracker_of(MemoryStorage())
    for each in told:
        tell(tracker, each)
    return state(tracker)


def states_of(told):
    """Return the states before and after each of some tellings, told once and in order."""
    tracker = tracker_of(MemoryStorage())
    states = [state(tracker)]
    for each in told:
        tell(tracker, each)
        states.append(state(tracker))
    return states


def state(tracker):
    """Return everything that may not depend on order or on how often it was told, by table and key."""
    found = {}
    with tracker._storage.reading(tracker._tenant) as tx:
        for table in KEPT:
            for row in tx.scan(table):
                kept = {**_once(row), "receipt": _once(row.get("receipt") or {})}
                if table.name not in _NUMBERS or any(row[name] for name in row if name not in table.key):
                    found[table.name, *(row[name] for name in table.key)] = kept
    return found


def _once(row):
    return {name: value for name, value in row.items() if name not in {"duplicates", "received_at"}}


def whole(tracker):
    """Return whether counters are those of their messages, and messages those of their receipts."""
    assert tracker.verify_counters() == []
    before = state(tracker)
    assert tracker.rebuild(SPRING) == []
    assert state(tracker) == before
    return True
