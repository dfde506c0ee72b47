"""What a tracker is compared with: the pure functions, told everything at once and in order."""

from __future__ import annotations

import datetime as dt
import functools
from contextlib import contextmanager

import attrs

from campaignkit.backends.storage.memory import MemoryStorage
from campaignkit.backends.storage.tables import MESSAGES, RECEIPTS
from campaignkit.models import Message
from campaignkit.summary import tally
from campaignkit.tracker import Tracker
from strategies import CARRIER, NOON

SPRING = "spring"


def told(message_id="m1", status="queued", **fields):
    """Return a message of the spring campaign."""
    return Message(**{"message_id": message_id, "campaign_id": SPRING, "status": status, "carrier": CARRIER, **fields})


def tracking(*messages, storage=None, **options):
    """Return a tracker at noon that follows messages; of one message, when none is given."""
    tracker = Tracker(storage or MemoryStorage(), **{"clock": lambda: NOON, **options})
    tracker.record(messages or [told()])
    return tracker


def stored(tracker, table, tenant="default"):
    """Return all rows of a table by key."""
    with tracker._storage.reading(tenant) as tx:
        return {tuple(row[name] for name in table.key): row for row in tx.scan(table)}


def rows(tracker, tenant="default"):
    """Return every message as it is stored."""
    return {key[0]: row for key, row in stored(tracker, MESSAGES, tenant).items()}


def receipts(tracker):
    """Return what is stored of receipts, but for how often and when each came."""
    kept = ("message_id", "attempt", "part", "status", "error_code", "at")
    return sorted(tuple(row[name] for name in kept) for row in stored(tracker, RECEIPTS).values())


def only(tracker):
    """Return the one message there is."""
    (message,) = tracker.messages(SPRING)
    return message


def same_numbers(tracker, campaign=SPRING, **asked):
    """Return whether counters, a recount, and the messages summarised all agree."""
    assert tracker.verify_counters() == []
    messages = list(tracker.messages(campaign))
    assert _comparable(tracker.tally(campaign, **asked)) == _comparable(tally(messages, **asked))
    return True


def _comparable(table):
    """Return a tally without what counts nothing: a counter that went back to 0 is as good as none."""
    money = {group: {key: n for key, n in of.items() if n} for group, of in table.money.items()}
    return attrs.evolve(
        table,
        money={group: of for group, of in money.items() if of},
        as_of=table.as_of and table.as_of.astimezone(dt.UTC),
    )


class BlindOnce(MemoryStorage):
    """A storage where somebody else inserts rows at the worst moment: they are not seen the first time.

    Attributes:
        hidden: the table they are in; None once it has happened.
    """

    hidden = None

    @contextmanager
    def transaction(self, tenant):
        """Begin a transaction that is blind once."""
        with super().transaction(tenant) as tx:
            tx.get, tx.lock = (functools.partial(self._see, verb) for verb in (tx.get, tx.lock))
            yield tx

    def _see(self, verb, table, keys):
        found = verb(table, keys)
        if not found or table is not self.hidden:
            return found
        self.hidden = None
        return {}
