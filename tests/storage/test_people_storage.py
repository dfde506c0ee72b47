"""Who may be written to, and which campaign has to stop: the same on every storage, also when two come at once."""

from __future__ import annotations

import datetime as dt
import threading
from contextlib import contextmanager, suppress

import pytest

from campaignkit.backends.storage import MemoryStorage, SqlStorage
from campaignkit.backends.storage.tables import MESSAGES
from campaignkit.models import Message, OptOut, Receipt, Reply
from campaignkit.tracker import Tracker
from campaignkit.tracker.policies import Suspension

NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
ANA, BEN = "+12025550143", "+12025550144"
US, OTHER = "+12025550100", "+12025550101"


class Meeting(SqlStorage):
    """A storage where two transactions meet after they put their messages, before either decides anything."""

    meet = None

    @contextmanager
    def transaction(self, tenant):
        """Begin a transaction that waits for the other one."""
        with super().transaction(tenant) as tx:
            if self.meet is not None:
                put = tx.put
                tx.put = lambda table, rows: (put(table, rows), table is MESSAGES and self._wait())
            yield tx

    def _wait(self):
        with suppress(threading.BrokenBarrierError):  # a storage that lets one write at a time keeps the other away
            self.meet.wait(timeout=0.5)


@pytest.fixture(params=["sqlite", "postgresql"])
def storage(request, tmp_path):
    """Return an empty storage of each kind."""
    sqlite = request.param == "sqlite"
    storage = Meeting(f"sqlite:///{tmp_path}/campaigns.db" if sqlite else request.getfixturevalue("postgres_url"))
    yield storage
    storage.close()


def at(seconds):
    """Return a moment after noon."""
    return NOON + dt.timedelta(seconds=seconds)


def sent(name, to=ANA, sender=US, second=0):
    """Return a message."""
    named = {"message_id": name, "campaign_id": "spring", "to": to, "sender": sender, "carrier": "twilio"}
    return Message(**named, status="sent", sent_at=at(second))


def failed(name, code="30005"):
    """Return a receipt of a message that failed."""
    return Receipt(message_id=name, status="undelivered", carrier="twilio", error_code=code, at=at(9))


def wrote(keyword, second, **fields):
    """Return a reply."""
    return Reply(received_at=at(second), keyword=keyword, reply_id=f"{keyword} {second}", **{"to": ANA, **fields})


def story(storage, tenant="acme"):
    """Return how everybody stands after some days of a campaign."""
    tracker = Tracker(
        storage, tenant=tenant, clock=lambda: NOON, suspension=Suspension(least=4), opt_out_scope="sender"
    )
    tracker.record([*(sent(f"m{i}", second=i) for i in range(4)), sent("n", BEN)])
    tracker.ingest([failed(f"m{i}") for i in range(3)])
    tracker.ingest([failed("n", "21610"), wrote("opt_out", 20), wrote("opt_in", 30)])
    tracker.ingest(
        [OptOut(to=BEN, opted_out_at=at(40)), Receipt(status="sent", carrier="twilio", carrier_id="opt_in 30")]
    )
    tracker.opt_in(BEN, US, who="Kim", why="she called")
    tracker.suppress(BEN, who="Kim", why="a landline")
    stand = [tracker.standing(to, sender) for to in (ANA, BEN) for sender in (None, US, OTHER)]
    stand += [*tracker.held(), *tracker.suppressed()]
    tracker.unsuppress(ANA, who="Kim")
    stand += [tracker.standing(ANA), tracker.suspended("spring")]
    tracker.resume("spring", who="Kim")
    tracker.suspend("spring", who="Kim", why="wrong text")
    assert tracker.verify_counters() == []
    tracker.rebuild("spring")
    assert tracker.verify_counters() == []
    return [*stand, tracker.suspended("spring"), tracker.notes()]


def test_every_storage_tells_the_same_story(storage):
    """Opt-outs, what waits, suppressions and suspensions are as in memory, and of each tenant apart."""
    expected = story(MemoryStorage())

    assert [story(storage), story(storage, tenant="zenith")] == [expected, expected]


def meet(storage, *events):
    """Bring events at once, each in a transaction of its own."""
    storage.meet = threading.Barrier(len(events))
    trackers = [Tracker(storage, tenant="acme", clock=lambda: NOON) for _ in events]
    threads = [
        threading.Thread(target=tracker.ingest, args=([event],))
        for tracker, event in zip(trackers, events, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    storage.meet = None
    return trackers[0]


def test_the_second_and_the_third_strike_at_once_suppress(storage):
    """Neither transaction sees what the other brings before it ends, and still it is seen that it is the third."""
    tracker = Tracker(storage, tenant="acme")
    tracker.record([sent(f"m{i}", second=i) for i in range(3)])
    tracker.ingest([failed("m0")])

    tracker = meet(storage, failed("m1"), failed("m2"))

    assert (tracker.standing(ANA).strikes, tracker.standing(ANA).suppressed_since) == (3, NOON)
    assert tracker.verify_counters() == []


def test_what_two_people_hear_of_one_person_at_once_is_kept(storage):
    """The first two wishes of somebody, of whom nothing was known: the later one counts."""
    Tracker(storage, tenant="acme").record([sent("m1"), sent("m2", sender=OTHER)])
    opt_out, opt_in = wrote("opt_out", 20, sender=US), wrote("opt_in", 10, sender=OTHER, dated=True)

    tracker = meet(storage, opt_in, opt_out)

    assert tracker.standing(ANA).opted_out_since == at(20)
    assert tracker.verify_counters() == []


def test_two_who_bring_the_rate_to_its_limit_at_once_suspend(storage):
    """Each brings half of it."""
    tracker = Tracker(storage, tenant="acme")
    tracker.record([sent(f"m{i}", to=f"+1202555{i:04}") for i in range(200)])
    tracker.ingest([failed(f"m{i}") for i in range(23)])

    tracker = meet(storage, failed("m23"), failed("m24"))

    assert tracker.suspended("spring").why == "12.5 % hard bounces (25 of 200 sent); the limit is 12.5 %"
    assert [each.what for each in tracker.timeline("spring")] == ["suspended"]
    assert tracker.verify_counters() == []
