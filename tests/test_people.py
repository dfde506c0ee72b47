"""People and campaigns: who may be written to, and when a campaign has to stop."""

from __future__ import annotations

import datetime as dt

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaignkit.backends.carriers.port import Submission
from campaignkit.backends.storage.memory import MemoryStorage
from campaignkit.backends.storage.tables import CAMPAIGNS, CONSENTS, INBOX, SUPPRESSIONS
from campaignkit.errors import InvalidValue
from campaignkit.models import Attempt, Keyword, OptOut, Outcome, Receipt, Reply
from campaignkit.profiles import get_profile
from campaignkit.tracker import Tracker
from campaignkit.tracker.ingest import Ingested
from campaignkit.tracker.people import Standing
from campaignkit.tracker.policies import Suppression, Suspension, max_reorder
from campaignkit.tracker.suspension import Suspended
from strategies import CARRIER, NOON, moment
from tracker_oracle import SPRING, same_numbers, stored, told, tracking

ANA, BEN = "+12025550143", "+12025550144"
US, OTHER = "+12025550100", "+12025550101"
HARD, SOFT, BLOCKED = "30005", "30003", "21610"
MICRO = dt.timedelta(microseconds=1)


def wrote(word, seconds=0, **fields):
    """Return what Ana wrote, some seconds after noon."""
    keyword = {"STOP": Keyword.OPT_OUT, "START": Keyword.OPT_IN}.get(word)
    given = {"to": ANA, "reply_id": f"{word} {seconds}", "sender": US, "text": word, "carrier": CARRIER, **fields}
    return Reply(received_at=moment(seconds), keyword=keyword, **given)


def sent(message_id, to=ANA, at=0, **fields):
    """Return a message that was sent some seconds after noon."""
    return told(message_id, "sent", to=to, sender=US, sent_at=moment(at), **fields)


def says(message_id, status="undelivered", code=HARD, at=1, **fields):
    """Return a receipt."""
    code = None if status in {"delivered", "sent"} else code
    return Receipt(status=status, carrier=CARRIER, message_id=message_id, error_code=code, at=moment(at), **fields)


# --- what people want --------------------------------------------------------------------------


def test_nothing_stands_against_a_stranger():
    """Whoever never said anything may be written to."""
    standing = Tracker(MemoryStorage()).standing(ANA)

    assert standing == Standing(to=ANA)
    assert standing.may_send


@pytest.mark.parametrize(
    ("said", "out"),
    [
        ([wrote("STOP", 1)], True),
        ([wrote("STOP", 1), wrote("START", 2, dated=True)], False),
        ([wrote("STOP", 2), wrote("START", 1, dated=True)], True),
        ([wrote("STOP", 1), wrote("START", 1, dated=True)], True),
        ([wrote("START", 1, dated=True)], False),
        ([wrote("HELP", 1)], False),
        ([OptOut(to=ANA, opted_out_at=moment(1))], True),
        ([OptOut(to=ANA, opted_out_at=moment(1)), wrote("START", 2, dated=True)], False),
        ([OptOut(message_id="m1", opted_out_at=moment(1))], True),
        ([wrote("STOP", 1, to=None, message_id="m1")], True),
        ([wrote("STOP", 1, to=BEN)], False),
        ([says("m1", code=BLOCKED)], True),
        ([says("m1", status="delivered"), says("m1", code=BLOCKED)], True),
        ([says("m1", code=BLOCKED), wrote("START", 2, dated=True)], False),
        ([says("m1", code=HARD)], False),
    ],
)
def test_what_was_said_last_counts(said, out):
    """By its moment, whatever came first; of two at one moment the opt-out."""
    for order in (said, said[::-1]):
        tracker = tracking(sent("m1"))
        for each in order:
            tracker.ingest([each])

        assert tracker.standing(ANA).opted_out is out
        assert tracker.standing(ANA).may_send is not out
        assert tracker.standing(BEN).may_send is (said[0].to != BEN if isinstance(said[0], Reply) else True)
        assert same_numbers(tracker)


def test_it_is_known_since_when_and_from_what():
    """The last opt-out is shown, and how we know of it."""
    tracker = tracking(sent("m1"))
    tracker.ingest([wrote("STOP", 1), says("m1", code=BLOCKED, at=5)])
    standing = tracker.standing(ANA)

    assert (standing.opted_out_since, standing.source) == (moment(5), f"{CARRIER} {BLOCKED}")


def test_a_start_shortly_after_a_stop_waits():
    """Where the carrier does not say when it was written, it may be the older one: a person decides."""
    tracker = tracking(sent("m1"))
    tracker.ingest([wrote("STOP", 10), wrote("START", 70)])
    standing = tracker.standing(ANA)

    assert (standing.opted_out, standing.may_send, standing.held) == (True, False, moment(70))
    assert tracker.held() == [standing]
    assert tracker.opt_in(ANA, who="Kim", why="she called").may_send
    assert tracker.held() == []


def test_a_start_that_waits_can_be_turned_down():
    """Then it does not wait any more, and the person stays opted out."""
    tracker = tracking(sent("m1"))
    tracker.ingest([wrote("STOP", 10), wrote("START", 70)])
    standing = tracker.opt_out(ANA, who="Kim")

    assert (standing.opted_out, standing.held, standing.source, tracker.held()) == (True, None, "Kim", [])


@pytest.mark.parametrize(
    ("carrier", "after", "waits"),
    [("twilio", 300, True), ("twilio", 301, False), ("vonage", 86_400, True), ("vonage", 86_401, False)],
)
def test_how_long_a_start_may_be_late(carrier, after, waits):
    """Five minutes; a day where the carrier tries to hand replies over for a day."""
    tracker = tracking(sent("m1"))
    tracker.ingest([wrote("STOP", 0), wrote("START", after, carrier=carrier)])

    assert tracker.standing(ANA).opted_out is waits
    assert bool(tracker.held()) is waits
    assert max_reorder(carrier) in {dt.timedelta(seconds=after), dt.timedelta(seconds=after - 1)}


def test_a_later_start_needs_nobody():
    """One that came long enough after the STOP counts, although an earlier one waited."""
    tracker = tracking(sent("m1"))
    tracker.ingest([wrote("STOP", 0), wrote("START", 60), wrote("START", 400)])

    assert (tracker.standing(ANA).may_send, tracker.held()) == (True, [])


def test_a_replayed_start_does_nothing():
    """A webhook captured today and sent again in a year is a duplicate: ids of replies are kept."""
    tracker = tracking(sent("m1"))
    start = wrote("START", 0, reply_id="SM9")
    tracker.ingest([start, wrote("STOP", 600)])
    replayed = attrs.evolve(start, received_at=NOON + dt.timedelta(days=365))

    assert tracker.ingest([replayed]) == Ingested(duplicates=1)
    assert not tracker.standing(ANA).may_send
    assert tracker.held() == []


def test_a_replayed_receipt_does_nothing():
    """An opt-out that a carrier told of long ago is not told again, though the receipt comes again."""
    tracker = tracking(sent("m1"))
    blocked = Receipt(status="undelivered", carrier=CARRIER, message_id="m1", error_code=BLOCKED)
    tracker.ingest([blocked], now=moment(1))
    tracker.ingest([wrote("START", 600)])
    tracker.ingest([blocked], now=moment(9999))

    assert tracker.standing(ANA).may_send


def test_a_stop_ends_everything_or_what_one_sender_sends():
    """By default it ends everything; with another scope only what comes from whom it was said to."""
    whole, each = tracking(sent("m1")), tracking(sent("m1"), opt_out_scope="sender")
    for tracker in (whole, each):
        tracker.ingest([wrote("STOP", 1, sender=OTHER)])

    assert [whole.standing(ANA, sender).may_send for sender in (US, OTHER, None)] == [False, False, False]
    assert [each.standing(ANA, sender).may_send for sender in (US, OTHER, None)] == [True, False, False]


def test_the_scope_of_a_block_is_that_of_a_stop():
    """A carrier blocks a sender because of a STOP: what we missed then ends as much as if we had heard it."""
    blocked = [says("m1", code=BLOCKED)]
    whole, each = tracking(sent("m1")), tracking(sent("m1"), opt_out_scope="sender")
    for tracker in (whole, each):
        tracker.ingest(blocked)

    assert [whole.standing(ANA, sender).may_send for sender in (US, OTHER)] == [False, False]
    assert [each.standing(ANA, sender).may_send for sender in (US, OTHER)] == [False, True]


def test_scopes_count_together():
    """What concerns everything concerns each sender; of all that does, the latest counts."""
    tracker = tracking(sent("m1"), opt_out_scope="sender")
    tracker.opt_out(ANA, who="Kim", now=moment(10))
    tracker.opt_in(ANA, US, who="Kim", now=moment(20))
    assert [tracker.standing(ANA, sender).may_send for sender in (US, OTHER, None)] == [True, False, False]

    tracker.opt_out(ANA, OTHER, who="Kim", now=moment(30))
    tracker.opt_in(ANA, who="Kim", now=moment(40))
    assert [tracker.standing(ANA, sender).may_send for sender in (US, OTHER, None)] == [True, True, True]


def test_what_waits_for_everything_is_listed_once():
    """Also where senders have opt-outs of their own; each of these is listed when nothing waits for everything."""
    tracker = tracking(sent("m1"), opt_out_scope="sender")
    tracker.ingest([wrote("STOP", 0), wrote("STOP", 1, sender=OTHER), wrote("START", 60), wrote("START", 61, to=BEN)])
    assert [(each.to, each.sender, each.held) for each in tracker.held()] == [(ANA, US, moment(60))]

    tracker.opt_out(ANA, who="Kim", now=moment(50))
    tracker.ingest([wrote("START", 70, sender=None, to=ANA, message_id=None)])
    assert {(each.sender, each.held) for each in tracker.held()} == {(US, moment(70))}

    other = tracking(told("m2", to=BEN), opt_out_scope="sender")
    other.opt_out(BEN, who="Kim", now=moment(50))
    other.opt_out(BEN, US, who="Kim", now=moment(50))
    other.ingest([wrote("START", 70, sender=None, to=BEN)])
    assert [(each.sender, each.held) for each in other.held()] == [(None, moment(70))]


def test_a_decision_comes_after_everything_that_is_known():
    """Also where a carrier's clock is ahead of ours; a decision with a moment of its own has that."""
    tracker = tracking(sent("m1"))
    tracker.ingest([wrote("STOP", 200)])

    assert tracker.opt_in(ANA, who="Kim").may_send
    assert tracker.opt_out(ANA, who="Kim", now=moment(150)).may_send
    assert tracker.opt_out(ANA, who="Kim").opted_out_since == moment(200) + 2 * MICRO


def test_a_refusal_opts_out():
    """The carrier does not take the message because of an opt-out: no reply will ever say so."""
    tracker = tracking(told("m1", "pending", to=ANA, sender=US), told("m2", "pending", to=BEN, sender=US))
    for name, code in (("m1", BLOCKED), ("m2", "21211")):
        refused = Submission(outcome="refused", refusal="final", carrier=CARRIER, error_code=code)
        tracker.submitted(name, Attempt(), refused, now=moment(3))
        tracker.opt_in(ANA, who="Kim", now=moment(4))
        tracker.submitted(name, Attempt(), refused, now=moment(5))

    assert stored(tracker, CONSENTS)[ANA, ""]["out_at"] is not None
    assert [tracker.standing(who).may_send for who in (ANA, BEN)] == [True, True]
    tracker.submitted("m1", Attempt(number=2), refused := attrs.evolve(refused, error_code=BLOCKED), now=moment(6))
    assert tracker.standing(ANA).source == f"{CARRIER} {refused.error_code}"


@pytest.mark.parametrize(
    "recorded",
    [
        {"status": "undelivered", "error_code": BLOCKED, "sent_at": NOON},
        {"status": "refused", "error_code": BLOCKED, "created_at": NOON},
        {"status": "delivered", "opted_out": True, "last_event_at": NOON},
    ],
)
def test_recorded_opt_outs_count(recorded):
    """Messages that somebody else sent may say it, too; told again they say nothing new."""
    tracker = tracking(told("m1", to=ANA, **recorded))
    assert not tracker.standing(ANA).may_send
    assert tracker.standing(ANA).opted_out_since == NOON

    tracker.opt_in(ANA, who="Kim", now=moment(1))
    tracker.record([told("m1", to=ANA, **{**recorded, "last_event_at": moment(9)})])
    assert tracker.standing(ANA).may_send


OF_A_MESSAGE = {
    "receipt": [says("m1", code=BLOCKED, at=3)],
    "reply": [Reply(message_id="m1", received_at=moment(3), keyword="opt_out", reply_id="r")],
    "event": [OptOut(message_id="m1", opted_out_at=moment(3))],
}


@pytest.mark.parametrize("came", OF_A_MESSAGE.values(), ids=OF_A_MESSAGE)
def test_what_came_before_the_message_counts_when_it_is_known_whose_it_is(came):
    """Until then nobody can be opted out; afterwards nothing is lost."""
    tracker = Tracker(MemoryStorage())
    tracker.ingest(came)
    tracker.record([sent("m1")])

    assert tracker.standing(ANA).opted_out_since == moment(3)
    assert same_numbers(tracker)


def test_a_refusal_before_the_message_is_recorded_counts():
    """The answer to handing it over says why, and the message says whose it is, later."""
    tracker = Tracker(MemoryStorage())
    refused = Submission(outcome="refused", refusal="final", carrier=CARRIER, error_code=BLOCKED)
    tracker.submitted("m1", Attempt(), refused, now=moment(3))
    tracker.record([told("m1", "pending", to=ANA)])

    assert tracker.standing(ANA).opted_out_since == moment(3)


def test_a_code_counts_when_it_is_known_whose_it_is():
    """A receipt that names no carrier says nothing by its code until the message's carrier is known."""
    tracker = tracking(attrs.evolve(sent("m1"), carrier=None))
    tracker.ingest([Receipt(message_id="m1", status="undelivered", error_code=BLOCKED, at=moment(3))])
    assert tracker.standing(ANA).may_send

    tracker.ingest([says("m1", status="sent", at=4)])
    assert tracker.standing(ANA).opted_out_since == moment(3)


def test_tenants_never_meet():
    """The same number may have said STOP to one, and have dead messages of one."""
    storage = MemoryStorage()
    one, other = (Tracker(storage, tenant=name, clock=lambda: NOON) for name in ("acme", "zenith"))
    for tracker in (one, other):
        tracker.record([sent(f"m{i}", at=i) for i in range(3)])
    one.ingest([wrote("STOP", 5), *(says(f"m{i}") for i in range(3))])
    one.suspend(SPRING, who="Kim", why="wrong text")

    assert (one.standing(ANA).strikes, one.standing(ANA).may_send, one.suspended(SPRING) is None) == (3, False, False)
    assert (other.standing(ANA), other.suspended(SPRING)) == (Standing(to=ANA), None)


# --- a law about it ----------------------------------------------------------------------------

_SAID = st.tuples(
    st.sampled_from(["stop", "start", "dated", "event", "blocked", "kim out", "kim in"]),
    st.integers(0, 12).map(lambda minutes: 60 * minutes),
    st.sampled_from([US, OTHER]),
)


def _tell(tracker, place, kind, at, sender):
    """Tell a tracker one thing."""
    if kind in {"stop", "start", "dated"}:
        word = "STOP" if kind == "stop" else "START"
        tracker.ingest([wrote(word, at, sender=sender, reply_id=f"r{place}", dated=kind == "dated")])
    elif kind == "event":
        tracker.ingest([OptOut(to=ANA, sender=sender, opted_out_at=moment(at))])
    elif kind == "blocked":
        tracker.ingest([says(f"m{place}", code=BLOCKED, at=at)], now=moment(at))
    else:
        (tracker.opt_out if kind == "kim out" else tracker.opt_in)(ANA, sender, who="Kim", now=moment(at))


def _wanted(said, sender, scope):
    """Return since when Ana is opted out and which opt-in waits, from all that was said at once: the oracle."""
    mine = [(kind, at) for kind, at, to in said if sender == to or (scope == "tenant" and not kind.startswith("kim"))]
    last = max((at for kind, at in mine if kind in {"stop", "event", "blocked", "kim out"}), default=None)
    sure = [at - (300 if kind == "start" else 0) for kind, at in mine if kind in {"start", "dated", "kim in"}]
    if last is None or any(at > last for at in sure):
        return None, None
    return moment(last), moment(max((at for kind, at in mine if kind == "start" and at >= last), default=None))


@settings(max_examples=150)
@given(said=st.lists(_SAID, max_size=6), scope=st.sampled_from(["tenant", "sender"]), data=st.data())
def test_any_order_and_any_repeats_end_in_the_same_register(said, scope, data):
    """Opt-outs and opt-ins of every kind, told in any order and again: as if all were told at once."""
    tracker = Tracker(MemoryStorage(), opt_out_scope=scope, clock=lambda: NOON)
    tracker.record([attrs.evolve(sent(f"m{i}"), sender=to) for i, (_, _, to) in enumerate(said)])
    again = data.draw(st.lists(st.sampled_from(range(len(said))), max_size=4)) if said else []

    for place in data.draw(st.permutations([*range(len(said)), *again])):
        _tell(tracker, place, *said[place])

    for sender in (US, OTHER):
        standing = tracker.standing(ANA, sender)
        assert (standing.opted_out_since, standing.held) == _wanted(said, sender, scope)
    every = [each for sender in (US, OTHER, "") if (each := _wanted(said, sender, scope))[0]]
    assert tracker.standing(ANA).may_send is not bool(every)
    assert bool(tracker.held()) is any(waits for _, waits in every)
    assert tracker.verify_counters() == []


# --- suppression -------------------------------------------------------------------------------


def dead(tracker, *names, **fields):
    """Tell that messages failed for good."""
    tracker.ingest([says(name, **fields) for name in names])


def test_three_dead_messages_suppress_a_number():
    """The third does it, not the second; the standing says since when and why."""
    tracker = tracking(*(sent(f"m{i}", at=i) for i in range(3)))
    dead(tracker, "m0", "m1")
    assert (tracker.standing(ANA).strikes, tracker.standing(ANA).may_send) == (2, True)

    dead(tracker, "m2")
    standing = tracker.standing(ANA)
    assert (standing.strikes, standing.may_send, standing.reconsider) == (3, False, False)
    assert (standing.suppressed_since, standing.suppressed_by) == (NOON, "campaignkit")
    assert standing.why == "3 messages in a row failed for good"
    assert tracker.suppressed() == [standing]


def test_one_message_strikes_once():
    """Whatever is repeated or shuffled, and however many parts and attempts it has."""
    tracker = tracking(sent("m1"), suppression=Suppression(after=2))
    tracker.record([sent("m1")], {"m1": [Attempt(number=n, outcome=Outcome.TAKEN, parts=2) for n in (1, 2)]})
    facts = [says("m1", attempt=n, part=part, code=code) for n in (1, 2) for part in (0, 1) for code in (HARD, "30006")]
    for each in [*facts, says("m1", status="sent"), *facts[::-1], *facts]:
        tracker.ingest([each])

    assert (tracker.standing(ANA).strikes, tracker.standing(ANA).may_send) == (1, True)


@pytest.mark.parametrize(
    ("status", "code", "strikes"),
    [
        ("undelivered", HARD, 1),
        ("rejected", HARD, 1),
        ("undelivered", SOFT, 0),
        ("undelivered", "30007", 0),
        ("undelivered", BLOCKED, 0),
        ("undelivered", "30999", 0),
        ("undelivered", None, 0),
        ("sent", None, 0),
        ("refused", HARD, 0),
    ],
)
def test_what_is_a_strike(status, code, strikes):
    """Only what says that the number takes no messages; one that was never taken is no bounce."""
    tracker = tracking(told("m1", status, to=ANA, error_code=code))

    assert tracker.standing(ANA).strikes == strikes


def test_a_delivery_begins_anew():
    """Messages sent before one that arrived do not count."""
    tracker = tracking(*(sent(f"m{i}", at=i) for i in range(5)))
    dead(tracker, "m0", "m1")
    tracker.ingest([says("m2", status="delivered")])
    dead(tracker, "m3", "m4")

    assert (tracker.standing(ANA).strikes, tracker.standing(ANA).may_send) == (2, True)


def test_half_a_message_is_a_sign_of_life():
    """What arrived in part shows that the number works; so it is when nobody knows when it did."""
    tracker = tracking(*(sent(f"m{i}", at=i) for i in range(3)), suppression=Suppression(after=1))
    tracker.record([told("m2", "delivered", to=ANA)], {"m2": Attempt(outcome=Outcome.TAKEN, parts=2)})
    tracker.ingest([says("m2", part=3)])
    dead(tracker, "m0", "m1")

    assert (tracker.standing(ANA).strikes, tracker.standing(ANA).may_send) == (0, True)
    assert same_numbers(tracker)


def test_messages_of_one_moment_do_not_count_beside_one_that_arrived():
    """Each of them may have been the first, and the number works; so it is where no moment is known."""
    tracker = tracking(*(sent(f"m{i}") for i in range(4)), *(told(f"n{i}", to=BEN) for i in range(4)))
    dead(tracker, "m0", "m1", "m3", "n0", "n1", "n3")
    assert [tracker.standing(who).may_send for who in (ANA, BEN)] == [False, False]

    tracker.ingest([says("m2", status="delivered"), says("n2", status="delivered")])
    assert [(each.strikes, each.reconsider) for each in tracker.suppressed()] == [(0, True), (0, True)]


def test_a_delivery_after_all_is_to_be_reconsidered():
    """The suppression stays, because somebody may rely on it, and says that it would not be made now."""
    tracker = tracking(*(sent(f"m{i}", at=i) for i in range(3)))
    dead(tracker, "m0", "m1", "m2")
    tracker.ingest([says("m1", status="delivered")])
    standing = tracker.standing(ANA)

    assert (standing.strikes, standing.may_send, standing.reconsider) == (1, False, True)


def test_a_suppression_taken_back_begins_anew():
    """What was sent until then counts no more; what comes afterwards does."""
    now = [moment(10)]
    tracker = tracking(*(sent(f"m{i}", at=i) for i in range(4)), clock=lambda: now[0])
    dead(tracker, "m0", "m1", "m2")
    tracker.unsuppress(ANA, who="Kim")
    dead(tracker, "m3")
    assert (tracker.standing(ANA).strikes, tracker.standing(ANA).may_send) == (0, True)

    now[0] = moment(30)
    tracker.record([sent(f"n{i}", at=20 + i) for i in range(3)])
    dead(tracker, "n0", "n1", "n2")
    assert (tracker.standing(ANA).strikes, tracker.standing(ANA).suppressed_since) == (3, moment(30))


def test_somebody_may_suppress_a_number():
    """Then it is theirs to reconsider, also where a rule of ours had done it before."""
    tracker = tracking(*(sent(f"m{i}", at=i) for i in range(3)))
    dead(tracker, "m0", "m1", "m2")
    for to in (ANA, BEN):
        tracker.suppress(to, who="Kim", why="a landline")
    tracker.ingest([says("m2", status="delivered")])

    assert [tracker.standing(to).suppressed_by for to in (ANA, BEN)] == ["Kim", "Kim"]
    assert [(each.to, each.why, each.reconsider) for each in tracker.suppressed()] == [
        (ANA, "a landline", False),
        (BEN, "a landline", False),
    ]
    tracker.unsuppress(BEN, who="Kim")
    assert tracker.standing(BEN).may_send


def test_suppression_can_be_off():
    """Then strikes are counted, and nothing follows; what was done before is to be reconsidered."""
    storage = MemoryStorage()
    tracker = tracking(*(sent(f"m{i}", at=i) for i in range(4)), storage=storage, suppression=None)
    dead(tracker, "m0", "m1", "m2")
    assert (tracker.standing(ANA).strikes, tracker.standing(ANA).may_send) == (3, True)

    dead(Tracker(storage), "m3")
    assert (tracker.standing(ANA).may_send, tracker.standing(ANA).reconsider) == (False, True)


def test_a_strike_that_is_learned_of_late_counts():
    """A message that failed before it was known whose it is, or when it was sent."""
    tracker = tracking(*(sent(f"m{i}", at=i) for i in range(2)), told("old", to=BEN), sent("last", to=BEN, at=1))
    dead(tracker, "m0", "m1", "m2")
    tracker.record([sent("m2", at=3)])
    assert not tracker.standing(ANA).may_send

    tracker.ingest([says("last", status="delivered")])
    dead(tracker, "old")
    assert tracker.standing(BEN).strikes == 0
    tracker.record([sent("old", to=BEN, at=5)])
    assert tracker.standing(BEN).strikes == 1


def test_rebuilding_decides_again():
    """A newer table of codes may say more against a number, and more of what its owner wants."""
    storage = MemoryStorage()
    tracker = tracking(*(sent(f"m{i}", at=i) for i in range(3)), sent("n", to=BEN), storage=storage)
    dead(tracker, "m0", "m1", "m2", code="X1")
    dead(tracker, "n", code="X2", at=3)
    assert [tracker.standing(who).may_send for who in (ANA, BEN)] == [True, True]

    codes = {(CARRIER, "X1"): "number_unknown", (CARRIER, "X2"): "opted_out"}
    newer = Tracker(storage, profile=get_profile("campaignkit").with_codes(codes))
    newer.rebuild(SPRING)
    assert [newer.standing(who).may_send for who in (ANA, BEN)] == [False, False]
    assert newer.standing(BEN).opted_out_since == moment(3)
    assert newer.verify_counters() == []


_FACT = st.tuples(st.integers(0, 4), st.sampled_from(["hard", "soft", "sent", "delivered"]), st.integers(0, 1))


@settings(max_examples=150)
@given(facts=st.lists(_FACT, max_size=14), moments=st.lists(st.integers(0, 3), min_size=5, max_size=5), data=st.data())
def test_suppression_is_what_a_recount_says(facts, moments, data):
    """After every batch: suppressed from the first on after which three in a row had failed for good."""
    tracker = tracking(*(sent(f"m{i}", at=at) for i, at in enumerate(moments)), suppression=Suppression(after=2))
    reached = False
    for batch in _batches(facts, data):
        tracker.ingest(
            [
                says(
                    f"m{i}",
                    "undelivered" if kind in {"hard", "soft"} else kind,
                    HARD if kind == "hard" else SOFT,
                    part=part,
                )
                for i, kind, part in batch
            ]
        )
        n = _in_a_row(tracker)
        reached |= n >= 2
        standing = tracker.standing(ANA)
        assert (standing.strikes, standing.may_send) == (n, not reached)
        assert standing.reconsider is (reached and n < 2)
    assert tracker.verify_counters() == []


def _batches(facts, data):
    """Yield facts in batches of any size."""
    rest = list(facts)
    while rest:
        n = data.draw(st.integers(1, len(rest)))
        yield rest[:n]
        rest = rest[n:]


def _in_a_row(tracker):
    """Count from the messages: those that failed for good after the last of which anything arrived."""
    messages = list(tracker.messages(SPRING))
    last = max((each.sent_at for each in messages if each.delivered_at), default=NOON - MICRO)
    return sum(each.error_code == HARD and each.sent_at > last for each in messages)


def test_what_is_known_of_somebody_who_was_erased_counts():
    """Under the old name and the new one together: strikes, opt-outs, and an opt-in that waits."""
    tracker = tracking(*(sent(f"m{i}", at=i) for i in range(2)), erasure_key="not so secret, as it stands here")
    dead(tracker, "m0")
    tracker.erase(ANA, who="Kim")
    dead(tracker, "m1")
    tracker.record([sent("m2", at=2)])
    dead(tracker, "m2")
    assert (tracker.standing(ANA).strikes, tracker.standing(ANA).may_send) == (3, False)
    tracker.unsuppress(ANA, who="Kim")
    assert tracker.standing(ANA).may_send

    tracker.ingest([OptOut(to=ANA, message_id="m0", opted_out_at=moment(5)), wrote("START", 60)])
    assert tracker.standing(ANA).held == moment(60)
    assert [each.held for each in tracker.held()] == [moment(60)]
    assert (ANA, "") in stored(tracker, CONSENTS)
    assert stored(tracker, CONSENTS)[ANA, ""]["out_at"] is None


# --- suspension --------------------------------------------------------------------------------

FEW = Suspension(least=10, soft=0.2, hard=0.2, opt_out=0.2)


def many(n=10, **options):
    """Return a tracker of a campaign of so many messages, each to somebody else."""
    messages = [sent(f"m{i}", to=f"+1202555{i:04}") for i in range(n)]
    return tracking(*messages, **{"suspension": FEW, **options})


def actions(tracker):
    """Return what stands on the timeline."""
    return [(each.what, each.who, each.why) for each in tracker.timeline(SPRING)]


@pytest.mark.parametrize(
    ("came", "why"),
    [
        ([says(f"m{i}", code=SOFT) for i in range(2)], "20.0 % soft bounces (2 of 10 sent); the limit is 20.0 %"),
        ([says(f"m{i}") for i in range(3)], "30.0 % hard bounces (3 of 10 sent); the limit is 20.0 %"),
        ([OptOut(message_id=f"m{i}", opted_out_at=NOON) for i in range(2)], "20.0 % opt-outs (2 of 10 sent)"),
        ([says("m0"), says("m1", code=SOFT)], None),
        ([says(f"m{i}", code="30007") for i in range(9)], None),
        ([says(f"m{i}", status="delivered") for i in range(9)], None),
    ],
    ids=["soft", "hard", "opt-outs", "each below", "filtered", "delivered"],
)
def test_a_campaign_is_suspended(came, why):
    """By one of three rates, with the numbers in the sentence, which stands on its timeline."""
    tracker = many()
    tracker.ingest(came)
    suspended = tracker.suspended(SPRING)

    assert same_numbers(tracker)
    if why is None:
        assert (suspended, actions(tracker)) == (None, [])
        return
    assert suspended == Suspended(since=NOON, why=suspended.why)
    assert suspended.why.startswith(why)
    assert actions(tracker) == [("suspended", "campaignkit", suspended.why)]


def test_two_of_the_first_two_suspend_nothing():
    """Nothing follows from so few, however large the campaign will be."""
    waiting = [told(f"w{i}", "pending") for i in range(100)]
    tracker = tracking(sent("m0"), sent("m1"), *waiting)
    dead(tracker, "m0", "m1")

    assert (tracker.suspended(SPRING), actions(tracker)) == (None, [])
    assert tracker.summary(SPRING).hard_bounce_rate.value == 1


def test_a_suspension_stays():
    """A later receipt does not take it back, nor does a second reason stand on the timeline."""
    tracker = many()
    dead(tracker, "m0", "m1")
    before = tracker.suspended(SPRING)
    tracker.ingest([says(f"m{i}", status="delivered") for i in range(10)])
    tracker.ingest([OptOut(message_id=f"m{i}", opted_out_at=NOON) for i in range(5)])

    assert tracker.suspended(SPRING) == before
    assert len(actions(tracker)) == 1


def test_after_resuming_only_what_is_new_counts():
    """A new sample must be large enough, and bad enough by itself."""
    tracker = many()
    dead(tracker, "m0", "m1")
    tracker.resume(SPRING, who="Kim", why="the list was cleaned")
    assert tracker.suspended(SPRING) is None

    dead(tracker, "m2", "m3", "m4")
    tracker.record([sent(f"n{i}") for i in range(9)])
    assert tracker.suspended(SPRING) is None
    tracker.record([sent("n9")])
    assert tracker.suspended(SPRING).why == "30.0 % hard bounces (3 of 10 sent); the limit is 20.0 %"
    assert min(actions(tracker)) == ("resumed", "Kim", "the list was cleaned")
    assert same_numbers(tracker)


def test_what_gets_better_after_resuming_is_no_debt():
    """A bounce that was delivered after all, after the campaign was resumed, does not excuse others."""
    tracker = many()
    dead(tracker, "m0", "m1")
    tracker.resume(SPRING, who="Kim")
    tracker.ingest([says(f"m{i}", status="delivered") for i in range(2)])
    tracker.record([sent(f"n{i}") for i in range(10)])

    assert tracker.suspended(SPRING) is None
    assert same_numbers(tracker)


def test_somebody_may_suspend_a_campaign():
    """Also one that nothing is known of; the first reason stays, and resuming what goes on does nothing."""
    tracker = Tracker(MemoryStorage(), clock=lambda: NOON)
    tracker.resume(SPRING, who="Kim")
    tracker.suspend(SPRING, who="Kim", why="wrong text")
    tracker.suspend(SPRING, who="Lee", why="wrong hour")

    assert tracker.suspended(SPRING) == Suspended(since=NOON, why="wrong text")
    assert actions(tracker) == [("suspended", "Kim", "wrong text")]
    tracker.resume(SPRING, who="Lee")
    tracker.resume(SPRING, who="Lee")
    assert tracker.suspended(SPRING) is None
    assert sorted(actions(tracker)) == [("resumed", "Lee", None), ("suspended", "Kim", "wrong text")]


def test_suspension_can_be_off():
    """As a whole, or one rate of it."""
    whole, soft = many(suspension=None), many(suspension=Suspension(least=10, hard=None))
    for tracker in (whole, soft):
        dead(tracker, *(f"m{i}" for i in range(10)))

    assert (whole.suspended(SPRING), soft.suspended(SPRING)) == (None, None)
    assert same_numbers(whole)


def test_rebuilding_counts_anew_what_suspension_watches():
    """A wrong number is found and repaired; another policy of bounces decides by its own numbers."""
    storage = MemoryStorage()
    tracker = many(storage=storage)
    dead(tracker, "m0", code="30007")
    dead(tracker, "m1", code="30007")
    with storage.transaction("default") as tx:
        (row,) = tx.scan(CAMPAIGNS)
        tx.put(CAMPAIGNS, [{**row, "sent": 7, "soft": None, "hard": 1}])
    found = [(each.table, each.column, each.stored, each.counted) for each in tracker.verify_counters()]
    assert found == [("campaigns", "sent", 7, 10), ("campaigns", "hard", 1, 0)]
    assert str(tracker.verify_counters()[1]).endswith("hard is 1, but its messages make 0")
    assert len(tracker.rebuild(SPRING)) == 2
    assert (tracker.verify_counters(), tracker.suspended(SPRING)) == ([], None)

    brevo = Tracker(storage, profile="brevo", suspension=FEW, clock=lambda: NOON)
    assert [(each.column, each.counted) for each in brevo.verify_counters()] == [("soft", 2)]
    brevo.rebuild(SPRING)
    assert brevo.verify_counters() == []
    assert brevo.suspended(SPRING).why.startswith("20.0 % soft bounces")


_EVENT = st.tuples(st.integers(0, 11), st.sampled_from(["hard", "soft", "delivered", "out", "resume"]))


@settings(max_examples=100)
@given(events=st.lists(_EVENT, max_size=20), data=st.data())
def test_suspension_is_latched(events, data):
    """After every batch: suspended if a limit was ever reached by what came since it was last resumed."""
    tracker = many(12)
    latched, base = False, (0, 0, 0, 0)
    for batch in _batches(events, data):
        told_ = [each for each in batch if each[1] != "resume"]
        tracker.ingest([_event(i, kind) for i, kind in told_])
        numbers = _numbers(tracker)
        sent_, *bad = (max(0, n - before) for n, before in zip(numbers, base, strict=True))
        latched |= bool(told_) and sent_ >= 10 and any(n >= 0.2 * sent_ for n in bad)
        assert (tracker.suspended(SPRING) is not None) is latched
        if len(told_) < len(batch) and latched:
            tracker.resume(SPRING, who="Kim")
            latched, base = False, numbers
    assert tracker.verify_counters() == []


def _event(i, kind):
    """Return what came of a message."""
    if kind == "out":
        return OptOut(message_id=f"m{i}", opted_out_at=NOON)
    return says(f"m{i}", "delivered" if kind == "delivered" else "undelivered", HARD if kind == "hard" else SOFT)


def _numbers(tracker):
    """Return what is watched, as a report has it."""
    counts = tracker.summary(SPRING).counts
    return counts.sent, counts.soft, counts.hard + counts.deleted, counts.opted_out


# --- receipts about replies --------------------------------------------------------------------


def test_receipts_about_replies_do_not_wait():
    """Some carriers report on what people wrote, too: it is counted, whatever came first, and nothing else."""
    about = Receipt(status="sent", carrier=CARRIER, carrier_id="SM9", received_at=NOON)
    reply = wrote("hello", 1, reply_id="SM9")
    for order in ([[reply], [about]], [[about], [reply]], [[about, reply]], [[about], [about], [reply]]):
        tracker = tracking(sent("m1"))
        for batch in order:
            tracker.ingest(batch)

        assert stored(tracker, INBOX) == {}
        assert tracker.notes()["inbound", CARRIER] == 1
        assert ("waiting", "") not in tracker.notes()
        assert same_numbers(tracker)


def test_another_carriers_receipt_of_the_same_id_waits():
    """Ids of two carriers may be equal."""
    tracker = tracking(sent("m1"))
    tracker.ingest([wrote("hello", 1, reply_id="SM9")])

    assert tracker.ingest([Receipt(status="sent", carrier="vonage", carrier_id="SM9")]).waiting == 1
    assert tracker.ingest([Receipt(status="sent", attempt_id="a-1", carrier=CARRIER)]).waiting == 1


# --- arguments ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda _: Suppression(after=0), "after is 0: must be a whole number from 1"),
        (lambda _: Suspension(least=True), "least is True: must be a whole number from 1"),
        (lambda _: Suspension(soft=3), "soft is 3: must be a share above 0 and up to 1, like 0.03 for 3 %"),
        (lambda _: Suspension(opt_out="1"), "opt_out is '1': must be a share above 0 and up to 1"),
        (lambda _: tracking(suppression=3), "suppression is 3: give a Suppression, such as Suppression(after=3)"),
        (lambda _: tracking(suspension=0.1), "suspension is 0.1: give a Suspension, such as Suspension(opt_out=0.03)"),
        (lambda _: tracking(opt_out_scope="all"), "opt_out_scope is 'all': give tenant or sender"),
        (lambda it: it.opt_out("", who="Kim"), "to is empty: must be text that is not empty"),
        (lambda it: it.opt_in(ANA, who=" "), "who is empty: must be text that is not empty"),
        (lambda it: it.opt_in(ANA, who="Kim", why=3), "why is of type int: must be text that is not empty"),
        (lambda it: it.suppress(ANA, who="Kim", why=""), "why is empty: must be text that is not empty"),
        (lambda it: it.unsuppress(None, who="Kim"), "to is of type NoneType: must be text that is not empty"),
        (lambda it: it.standing(""), "to is empty: must be text that is not empty"),
        (lambda it: it.suspend(SPRING, who="Kim", why=None), "why is of type NoneType: must be text that is not empty"),
        (lambda it: it.suspend("", who="Kim", why="x"), "campaign is empty: must be text that is not empty"),
        (lambda it: it.resume(SPRING, who=""), "who is empty: must be text that is not empty"),
    ],
)
def test_arguments_are_checked(call, sentence):
    """What cannot be meant is refused in one sentence."""
    with pytest.raises(InvalidValue) as refused:
        call(tracking())

    assert str(refused.value).startswith(sentence)


def test_batches_without_news_look_at_nobody():
    """Where no message failed and nobody wants anything, neither table is touched."""
    tracker = tracking(*(sent(f"m{i}", at=i) for i in range(3)))
    tracker.ingest([says(f"m{i}", status="delivered") for i in range(3)])
    tracker.ingest([wrote("hello", 1), says("m1", code=SOFT)])

    assert (stored(tracker, CONSENTS), stored(tracker, SUPPRESSIONS)) == ({}, {})
