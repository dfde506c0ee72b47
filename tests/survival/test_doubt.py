"""R18, R26: a storage that is away, or that does not say whether it kept something; and events that are poison."""

from __future__ import annotations

import itertools
import threading
from contextlib import contextmanager

import attrs
import pytest
import sqlalchemy as sa
from story import SPRING, state, story, tell, told_once, tracker_of, whole

from campaignkit.backends.carriers.port import Submission
from campaignkit.backends.storage import SqlStorage
from campaignkit.backends.storage.memory import MemoryStorage
from campaignkit.errors import StorageUnavailable
from campaignkit.models import Attempt, Click, Keyword, Message, OptOut, Order, Receipt, Reply
from campaignkit.tracker import ingest
from campaignkit.tracker.ingest import Ingested
from strategies import CARRIER, NOON, moment


class Moody(MemoryStorage):
    """A storage whose next transactions end as it is told.

    ``fine``; ``refused`` at its beginning; ``lost`` while it is committed, and undone; ``kept``, but
    nobody can know.
    """

    def __init__(self, *fates):
        super().__init__()
        self.fates = list(fates)
        self.begun = 0

    def _fate(self):
        self.begun += 1
        return self.fates.pop(0) if self.fates else "fine"

    @contextmanager
    def transaction(self, tenant):
        """Begin a transaction that ends as it must."""
        fate = self._fate()
        if fate == "refused":
            raise StorageUnavailable("stopped")
        with super().transaction(tenant) as tx:
            yield tx
            if fate == "lost":
                raise StorageUnavailable("lost", in_doubt=True)
        if fate == "kept":
            raise StorageUnavailable("kept", in_doubt=True)

    @contextmanager
    def reading(self, tenant):
        """Begin a transaction that reads."""
        if self._fate() == "refused":
            raise StorageUnavailable("stopped")
        with super().reading(tenant) as tx:
            yield tx


TO = "+12025550100"
MESSAGE = Message(message_id="m1", campaign_id=SPRING, status="sent", sent_at=NOON, to=TO, carrier=CARRIER)
TELLINGS = {
    "record": lambda it: it.record([attrs.evolve(MESSAGE, message_id="m2", replies=1)]),
    "record as new": lambda it: it.record([attrs.evolve(MESSAGE, message_id="m2")]),
    "record again": lambda it: it.record([attrs.evolve(MESSAGE, variant="a", clicks=2)]),
    "submitted": lambda it: it.submitted(
        "m1", Attempt(attempt_id="a-1"), Submission(outcome="taken", carrier=CARRIER, carrier_id="SM1")
    ),
    "receipt": lambda it: it.ingest([Receipt(status="delivered", carrier=CARRIER, message_id="m1")]),
    "early receipt": lambda it: it.ingest([Receipt(status="delivered", carrier=CARRIER, carrier_id="SM7")]),
    "unknown word": lambda it: it.ingest([Receipt(status="teleported", carrier=CARRIER, message_id="m1")]),
    "reply": lambda it: it.ingest([Reply(to=TO, received_at=moment(1), text="Yes")]),
    "stop": lambda it: it.ingest([Reply(to=TO, received_at=moment(1), text="STOP", keyword=Keyword.OPT_OUT)]),
    "click": lambda it: it.ingest([Click(message_id="m1", clicked_at=moment(1))]),
    "order": lambda it: it.ingest([Order(message_id="m1", ordered_at=moment(1), revenue=5, currency="EUR")]),
    "opt-out": lambda it: it.ingest([OptOut(to=TO, opted_out_at=moment(1))]),
    "opt-out of nobody": lambda it: it.ingest([OptOut(to="+12025550199", opted_out_at=moment(1))]),
}


def after(*fates, tellings):
    """Return a tracker that follows one message, and what it answered when its storage then was moody."""
    storage = Moody()
    tracker = tracker_of(storage)
    tracker.record([MESSAGE])
    storage.fates = list(fates)
    return tracker, [TELLINGS[each](tracker) for each in tellings]


@pytest.mark.parametrize("fates", [["kept"], ["lost"], ["refused"], ["kept", "lost", "refused", "kept"]], ids="-".join)
@pytest.mark.parametrize("telling", TELLINGS)
def test_a_telling_whose_commit_is_in_doubt_counts_once(telling, fates):
    """Whether it was kept or not, the state, the counters and the answer are those of a storage in good mood."""
    fine, answers = after(tellings=[telling])
    tracker, again = after(*fates, tellings=[telling])

    assert (again, state(tracker), tracker.version(SPRING)) == (answers, state(fine), fine.version(SPRING))
    assert whole(tracker)


def test_what_was_kept_in_doubt_is_noticed_as_a_duplicate():
    """The second run cannot know who told it first: the receipt is noted as one that came again, and counts once."""
    kept, _ = after("kept", tellings=["receipt", "receipt"])
    lost, _ = after("lost", tellings=["receipt", "receipt"])

    assert (kept.notes(), lost.notes()) == ({("duplicate", CARRIER): 2}, {("duplicate", CARRIER): 1})
    assert state(kept) == state(lost)


@pytest.mark.parametrize("fate", ["kept", "lost", "refused"])
def test_a_story_whose_every_commit_fails_once(fate, say):
    """Every transaction of a story ends badly once: the state of a storage in good mood."""
    told, storage = story(2, 8), Moody()
    tracker = tracker_of(storage)
    for each in told:
        storage.fates = [fate, "fine", fate, "fine"]  # telling one may take two transactions
        tell(tracker, each)

    storage.fates = []
    assert state(tracker) == told_once(told)
    assert whole(tracker)
    say(f"{len(told)} commits {fate}, each tried again: 0 lost, 0 counted twice")


class Cut(SqlStorage):
    """A storage whose connections its server drops just before it commits, some times."""

    cuts = 0

    @contextmanager
    def transaction(self, tenant):
        """Begin a transaction that may be cut."""
        with super().transaction(tenant) as tx:
            yield tx
            if self.cuts:
                self.cuts -= 1
                drop(self._engine.url)


def drop(url):
    """Let the server end every connection that a storage has."""
    engine = sa.create_engine(url.difference_update_query(["application_name"]), poolclass=sa.NullPool)
    ours = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = :name"
    with engine.connect() as connection:
        connection.scalar(sa.text(ours), {"name": url.query["application_name"]})


def test_connections_that_are_lost_while_committing(postgres_url, request, say):
    """PostgreSQL drops the connection at every other commit: nobody is told, nothing is lost."""
    told, storage = story(4, 2), Cut(postgres_url)
    request.addfinalizer(storage.close)
    tracker = tracker_of(storage)
    for i, each in enumerate(told):
        storage.cuts = i % 2
        tell(tracker, each)

    assert state(tracker) == told_once(told)
    assert whole(tracker)
    say(f"{len(told) // 2} connections lost while committing: 0 lost, 0 counted twice")


# --- when patience ends --------------------------------------------------------------------------


@pytest.mark.parametrize("patience", [0, 0.2])
@pytest.mark.parametrize(("first", "in_doubt"), [("kept", True), ("lost", True), ("refused", False)])
def test_patience_ends(first, in_doubt, patience):
    """Then the caller is told, and whether it may have been kept; telling it again is right."""
    storage = Moody()
    tracker = tracker_of(storage, patience=patience)
    storage.fates = [first, *["refused"] * 1000]

    with pytest.raises(StorageUnavailable) as caught:
        tracker.record([MESSAGE])

    storage.fates = []
    assert caught.value.in_doubt is in_doubt
    assert (storage.begun == 1) is (patience == 0)
    tracker.record([MESSAGE])
    assert tracker.summary(SPRING).counts.total == 1
    assert whole(tracker)


def test_everybody_who_came_together_is_told():
    """A storage is asked for all at once, not for each; what it says goes to each caller, as an error of its own."""
    storage = Moody(*["refused"] * 10)
    tracker = tracker_of(storage, patience=0)
    group, errors, arrived = tracker._committed, [], threading.Barrier(4)

    def tell_one(name):
        arrived.wait()
        try:
            tracker.ingest([Click(message_id=name, clicked_at=NOON)])
        except StorageUnavailable as error:
            errors.append(error)

    group._leader = somebody = object()  # who commits
    threads = [threading.Thread(target=tell_one, args=(f"m{i}",)) for i in range(3)]
    for thread in threads:
        thread.start()
    arrived.wait()
    while len(group._waiting) < 3:
        pass
    group._leave(somebody)
    for thread in threads:
        thread.join()

    assert (len(errors), len(set(map(id, errors))), storage.begun) == (3, 3, 1)


def test_reading_waits_for_the_storage_too():
    """What is asked while a storage is away is answered when it is back."""
    storage = Moody()
    tracker = tracker_of(storage)
    tracker.record([MESSAGE])

    for ask in (tracker.notes, lambda: tracker.version(SPRING), lambda: tracker.summary(SPRING).counts.total):
        storage.fates = ["refused"]
        assert ask() == (fine := ask())
        assert fine in ({}, 1)


def test_an_inbox_that_cannot_be_trimmed_loses_nothing():
    """What was told is kept and answered, though dropping the oldest failed; the next time makes room for both."""
    storage = Moody()
    tracker = tracker_of(storage, inbox=1)
    early = [Receipt(status="sent", carrier=CARRIER, carrier_id=f"SM{i}", received_at=moment(i)) for i in range(3)]
    tracker.ingest(early[:1])
    storage.fates = ["fine", "fine", "refused"]  # the commit, a look at the inbox, the trimming

    assert tracker.ingest(early[1:2]) == Ingested(waiting=1)
    assert tracker.notes()["waiting", ""] == 2
    assert tracker.ingest(early[2:]) == Ingested(waiting=1)
    assert tracker.notes() == {("waiting", ""): 1, ("inbox_dropped", ""): 2}


# --- poison --------------------------------------------------------------------------------------


@pytest.fixture
def poisonous(monkeypatch):
    """Let folding fail on one word."""
    lifted = ingest.lifted

    def fold(receipt, *given, **more):
        if "poison" in str(receipt):
            raise ArithmeticError("poison")
        return lifted(receipt, *given, **more)

    monkeypatch.setattr(ingest, "lifted", fold)


def test_poison_blocks_nobody(poisonous, say):  # noqa: ARG001 - it is set up
    """Of callers who commit together the one with the poison is told, again and again; the others are kept at once."""
    tracker, refused = tracker_of(MemoryStorage()), []
    tracker.record(attrs.evolve(MESSAGE, message_id=f"m{i}") for i in range(20))

    def tell_one(i):
        word = "poison" if i % 4 == 0 else "delivered"
        try:
            tracker.ingest([Receipt(status=word, carrier=CARRIER, message_id=f"m{i // 5 % 20}")])
        except ArithmeticError:
            refused.append(i)

    threads = [threading.Thread(target=tell_one, args=(i,)) for i in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(refused) == [*range(0, 100, 4)]
    assert tracker.summary(SPRING).statuses == {"delivered": 20}
    assert whole(tracker)
    say(f"{len(refused)} poisonous calls among 100: {100 - len(refused)} others kept")


def test_a_call_with_poison_is_refused_as_a_whole(poisonous):  # noqa: ARG001 - it is set up
    """Nothing of it is kept, so that the carrier may send it again, and everything before it stays."""
    tracker = tracker_of(MemoryStorage())
    tracker.record([MESSAGE])
    before = state(tracker)
    words = itertools.permutations(["delivered", "poison", "read"])

    for order in words:
        with pytest.raises(ArithmeticError):
            tracker.ingest([Receipt(status=word, carrier=CARRIER, message_id="m1") for word in order])

    assert state(tracker) == before
