"""The tracker: what is recorded, what comes back in any order, what is counted, and that counters never drift."""

from __future__ import annotations

import datetime as dt
import itertools
import random
import threading
from decimal import Decimal

import attrs
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import campaignkit as ck
from campaignkit.backends.carriers import Gateway
from campaignkit.backends.carriers.port import Submission
from campaignkit.backends.storage.memory import MemoryStorage
from campaignkit.backends.storage.tables import (
    AMOUNTS,
    ATTEMPTS,
    CAMPAIGNS,
    CARRIER_IDS,
    COUNTERS,
    INBOX,
    LATENCIES,
    MESSAGES,
    REPLIES,
)
from campaignkit.delivery import fold
from campaignkit.errors import InvalidColumn, InvalidValue, StorageUnavailable
from campaignkit.grouping import days, hours
from campaignkit.models import Attempt, Click, Keyword, OptOut, Order, Outcome, Receipt, Reply, Status
from campaignkit.testing import Simulator, get_dialect
from campaignkit.tracker import Tracker
from campaignkit.tracker.commits import GroupCommit
from campaignkit.tracker.ingest import Ingested, Raced, Submitted, Work
from state_model import Fact, delivered_at, learn, message_view
from strategies import CARRIER, FOUR_FACTS, NOON, SAYS, heard, moment, receipt_of, stories
from tracker_oracle import SPRING, BlindOnce, only, receipts, rows, same_numbers, stored, told, tracking

ANA, BEN = "+12025550143", "+12025550144"
US, OTHER = "+12025550100", "+12025550101"


def says(status, at=None, **fields):
    """Return a receipt about the first message, some seconds after noon."""
    return Receipt(**{"status": status, "carrier": CARRIER, "message_id": "m1", "at": moment(at), **fields})


def taken(carrier_id="SM1", **fields):
    """Return what a gateway says of a message that was taken."""
    return Submission(outcome=Outcome.TAKEN, carrier=CARRIER, carrier_id=carrier_id, **fields)


def statuses(tracker, campaign=SPRING):
    """Return how many messages are in each status."""
    return tracker.summary(campaign).statuses


# --- recording ---------------------------------------------------------------------------------


def test_nothing_is_followed_at_first():
    """A campaign that nobody recorded has no numbers, and version 0."""
    tracker = Tracker(MemoryStorage())

    assert (tracker.tally(SPRING), tracker.version(SPRING), [*tracker.messages(SPRING)]) == (ck.tally([]), 0, [])
    assert tracker.summary(SPRING).counts.sent == 0


@pytest.mark.parametrize("status", list(Status))
def test_a_message_counts_as_it_was_recorded(status):
    """Whatever the status, the counters are those of `tally` of the recorded message."""
    failed = status in {Status.UNDELIVERED, Status.REJECTED, Status.EXPIRED, Status.REFUSED}
    message = told(
        status=status,
        sent_at=None if status is Status.SKIPPED else NOON,
        skip_reason="quiet_hours" if status is Status.SKIPPED else None,
        error_code="30005" if failed else None,
        delivered_at=moment(7) if status in {Status.DELIVERED, Status.READ} else None,
        segments=2,
        price=Decimal("0.0079"),
        currency="USD",
        replies=2,
        stop_replies=0,
        clicks=1,
        opted_out=True,
        orders=1,
        assisted_orders=0,
        revenue=Decimal(20),
        text="Hello",
        media=("https://app.example/a.png",),
    )
    tracker = tracking(message)

    assert tracker.tally(SPRING).cells == ck.tally([message]).cells
    assert tracker.tally(SPRING).money == ck.tally([message]).money
    assert attrs.evolve(only(tracker), last_event_at=None) == message
    assert same_numbers(tracker)


def test_recording_again_changes_nothing():
    """The same message once more is no news: same rows, same numbers, same version."""
    tracker = tracking(told(sent_at=NOON, carrier_id="SM1", replies=1))
    before = rows(tracker), tracker.tally(SPRING), tracker.version(SPRING)

    assert tracker.record([told(sent_at=NOON, carrier_id="SM1", replies=1)]) == Ingested()
    assert before == (rows(tracker), tracker.tally(SPRING), tracker.version(SPRING))


def test_recording_again_fills_gaps_and_takes_nothing_back():
    """What was not known is filled in, a status that is further joins, and what is known stays."""
    tracker = tracking(told(status="delivered", variant="a", carrier=None))
    tracker.record([told(status="queued", variant="b", sender=US, sent_at=NOON, carrier=CARRIER)])

    message = only(tracker)
    assert (message.status, message.variant, message.sender, message.carrier) == ("delivered", "a", US, CARRIER)
    assert message.sent_at == NOON
    assert same_numbers(tracker, by="variant")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"message_id": None, "to": ANA}, "a message has no message_id: receipts find it by that; give one"),
        ({"campaign_id": None}, "message 'm1' has no campaign_id: it is counted there; give one"),
        (
            {"status": "skipped", "sent_at": NOON},
            (
                "message 'm1' is skipped, but has sent_at: a skipped message was never handed over;"
                " correct its status or leave sent_at empty"
            ),
        ),
    ],
    ids=["no id", "no campaign", "skipped and sent"],
)
def test_what_cannot_be_recorded_is_refused(fields, sentence):
    """The sentence says what is missing; nothing of that call is kept."""
    tracker = Tracker(MemoryStorage())

    with pytest.raises(InvalidValue) as refused:
        tracker.record([told("m0"), told(**fields)])

    assert str(refused.value) == sentence
    assert rows(tracker) == {}


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda _: Tracker("sqlite:///"), "storage is of type str: give a Storage, such as MemoryStorage()"),
        (lambda _: Tracker(MemoryStorage(), tenant=" "), "tenant is ' ': must be text that is not empty"),
        (lambda _: Tracker(MemoryStorage(), inbox=-1), "inbox is -1: must be a whole number from 0, of receipts"),
        (
            lambda _: Tracker(MemoryStorage(), conflict_policy="newest"),
            "conflict_policy is 'newest': give positive_wins or negative_wins",
        ),
        (lambda tracker: tracker.record([{"status": "sent"}]), "message is of type dict: give a Message"),
        (lambda tracker: tracker.ingest(["sent"]), "event is of type str: give a Receipt, Reply, Click, "),
        (
            lambda tracker: tracker.submitted("m1", Attempt(), "SM1"),
            "submission is of type str: give what Gateway.send returned",
        ),
    ],
)
def test_arguments_are_checked_at_once(call, sentence):
    """What cannot be meant is refused by whoever gave it."""
    with pytest.raises(InvalidValue) as refused:
        call(tracking())

    assert str(refused.value).startswith(sentence)


# --- receipts ----------------------------------------------------------------------------------


def test_a_receipt_finds_its_message_by_our_attempt_or_the_carriers_id():
    """Our attempt id first; the carrier's id otherwise; and what one of them teaches is remembered."""
    tracker = tracking(told("m1", carrier_id="SM1"))
    tracker.record([told("m2")], {"m2": Attempt(attempt_id="a-2")})
    tracker.ingest([Receipt(status="delivered", carrier=CARRIER, carrier_id="SM1")])
    tracker.ingest([Receipt(status="sent", carrier=CARRIER, carrier_id="SM2", attempt_id="a-2")])
    tracker.ingest([Receipt(status="delivered", carrier=CARRIER, carrier_id="SM2")])

    assert statuses(tracker) == {"delivered": 2}
    assert rows(tracker)["m2"]["carrier_id"] == "SM2"


def test_a_repeated_receipt_counts_as_a_duplicate():
    """It is stored once with how often it came; numbers and version stay."""
    tracker = tracking()
    first = tracker.ingest([says("delivered", 5)])
    version = tracker.version(SPRING)
    again = tracker.ingest([says("delivered", 5), says("delivered", 5)])

    assert (first, again) == (Ingested(receipts=1), Ingested(duplicates=2))
    assert tracker.version(SPRING) == version
    assert tracker.notes() == {("duplicate", CARRIER): 2}


def test_of_a_repeated_receipt_the_earliest_moment_counts():
    """Whichever comes first, it was delivered when the earliest of them says."""
    late, early = says("delivered", 9), says("delivered", 5)
    trackers = [tracking(), tracking()]
    trackers[0].ingest([late, early])
    trackers[1].ingest([early])
    trackers[1].ingest([late])

    assert [only(each).delivered_at for each in trackers] == [moment(5), moment(5)]
    assert trackers[0].rebuild(SPRING) == []
    assert only(trackers[0]).delivered_at == moment(5)


def test_unknown_words_are_kept_and_counted():
    """They change nothing, and are there when a newer table knows them."""
    tracker = tracking()
    found = tracker.ingest([says("teleported"), says("received")])

    assert found == Ingested(receipts=2, unknown_status=2)
    assert [status for _, _, _, status, _, _ in receipts(tracker)] == ["received", "teleported"]
    assert (statuses(tracker), tracker.notes()) == ({"queued": 1}, {("unknown_status", CARRIER): 2})


def test_an_ambiguous_code_is_a_failure_without_a_known_one():
    """It is kept as the carrier wrote it, counted, and every summary can still be read."""
    tracker = tracking(told(carrier="vonage"))
    found = tracker.ingest([says("undelivered", carrier="vonage", error_code="6")])

    assert found == Ingested(receipts=1, ambiguous_code=1)
    assert (only(tracker).status, only(tracker).error_code) == ("undelivered", None)
    assert [code for _, _, _, _, code, _ in receipts(tracker)] == ["6"]
    assert tracker.summary(SPRING).counts.failed == 1


def test_an_ambiguous_word_changes_nothing():
    """A word that means several things at its carrier is one that nobody knows."""
    tracker = tracking(told(carrier="infobip"))
    found = tracker.ingest([says("rejected", carrier="infobip"), says("6", carrier="vonage", error_code="6")])

    assert found.receipts == 2
    assert same_numbers(tracker)


def test_ambiguous_codes_of_ours_are_left_out():
    """A code that a host recorded, or that a submission tells, must not break a summary either."""
    tracker = tracking(
        told(status="refused", carrier="vonage", error_code="6"), told("m2", "pending", carrier="vonage")
    )
    refused = Submission(outcome="refused", refusal="final", carrier="vonage", error_code="6")
    tracker.submitted("m2", Attempt(), refused)

    assert statuses(tracker) == {"refused": 2}
    assert tracker.summary(SPRING).counts.refused == 2


def test_receipts_fill_segments_price_and_carrier():
    """What the message did not say is filled in; what it said stays."""
    tracker = tracking(told("m1", carrier=None), told("m2", segments=3, price=Decimal(1), currency="EUR"))
    more = {"segments": 2, "price": Decimal("0.02"), "currency": "USD"}
    tracker.ingest([says("delivered", message_id=name, **more) for name in ("m1", "m2")])

    first, second = tracker.messages(SPRING)
    assert (first.segments, first.price, first.currency, first.carrier) == (2, Decimal("0.02"), "USD", CARRIER)
    assert (second.segments, second.price, second.currency) == (3, Decimal(1), "EUR")
    assert tracker.summary(SPRING).counts.segments == 5
    assert same_numbers(tracker)


def test_prices_of_receipts_do_not_depend_on_their_order():
    """Of several, the most counts; what the message is recorded with counts before all."""
    prices = [says("sent", price=Decimal(n), currency="EUR", segments=n) for n in (1, 3, 2)]
    found = set()
    for order in itertools.permutations([*prices, told(price=Decimal(2), currency="USD", segments=7)]):
        tracker = Tracker(MemoryStorage(), clock=lambda: NOON)
        for each in order:
            tracker.ingest([each]) if isinstance(each, Receipt) else tracker.record([each])
        found.add((only(tracker).price, only(tracker).currency, only(tracker).segments))

    assert found == {(Decimal(2), "USD", 7)}


def test_segments_are_counted_when_all_are_known():
    """While one message has none, they are not measured; as `tally` of the messages says."""
    tracker = tracking(told("m1", segments=2), told("m2"))

    assert tracker.summary(SPRING).counts.segments is None
    assert same_numbers(tracker)
    tracker.ingest([says("sent", message_id="m2", segments=1)])
    assert tracker.summary(SPRING).counts.segments == 3


def test_a_carrier_that_becomes_known_explains_codes_that_came_before():
    """A receipt without a carrier is read again with the message's."""
    tracker = tracking(told(carrier=None))
    told_ = [("undelivered", "30003"), ("rejected", "30005")]
    tracker.ingest([says(word, carrier=None, error_code=code) for word, code in told_])
    assert only(tracker).error_code == "30003"

    tracker.record([told(carrier=CARRIER)])

    assert (only(tracker).status, only(tracker).error_code) == ("rejected", "30005")
    assert tracker.summary(SPRING).counts.hard == 1
    assert same_numbers(tracker)


# --- receipts before their message ---------------------------------------------------------------


@pytest.mark.parametrize(
    "known", [{"carrier_id": "SM1"}, {"attempt_id": "a-1"}, {"carrier_id": "SM1", "attempt_id": "a-1"}]
)
def test_early_receipts_wait_and_join(known):
    """They wait under every id they have, and join with the first that appears."""
    tracker = Tracker(MemoryStorage(), clock=lambda: NOON)
    early = Receipt(status="delivered", carrier=CARRIER, received_at=moment(3), **known)
    assert tracker.ingest([early, early]) == Ingested(waiting=1, duplicates=1)
    assert tracker.ingest([early]) == Ingested(duplicates=1)
    assert tracker.notes()["waiting", ""] == 1

    if "attempt_id" in known:
        tracker.record([told()], {"m1": Attempt(attempt_id="a-1")})
    else:
        tracker.record([told(carrier_id="SM1")])

    assert (only(tracker).status, only(tracker).delivered_at) == ("delivered", moment(3))
    assert (stored(tracker, INBOX), tracker.notes()) == ({}, {("duplicate", CARRIER): 2})
    assert tracker.ingest([early]) == Ingested(duplicates=1)
    assert same_numbers(tracker)


def test_a_receipt_that_knows_both_ids_brings_others_with_it():
    """One waits under the carrier's id alone; another names our attempt and that id: both join."""
    tracker = tracking(told())
    tracker.ingest([Receipt(status="sent", carrier=CARRIER, carrier_id="SM1")])
    tracker.record([told("m2")], {"m2": [Attempt(attempt_id="a-2")]})
    tracker.ingest([Receipt(status="queued", carrier=CARRIER, carrier_id="SM1", attempt_id="a-2")])

    assert statuses(tracker) == {"queued": 1, "sent": 1}
    assert stored(tracker, INBOX) == {}


def test_events_about_a_message_that_is_not_recorded_are_kept():
    """They are counted in no campaign until it is, and then in its own."""
    tracker = Tracker(MemoryStorage(), clock=lambda: NOON)
    tracker.ingest([says("delivered", 1), Click(message_id="m1", clicked_at=NOON)])
    assert tracker.tally(SPRING) == ck.tally([])

    assert tracker.record([told()]).recorded == 1
    assert (statuses(tracker), tracker.summary(SPRING).counts.clicked) == ({"delivered": 1}, 1)
    assert same_numbers(tracker)


def test_the_inbox_is_bounded():
    """The oldest are dropped, counted, and no longer waited for; the others still join."""
    tracker = Tracker(MemoryStorage(), inbox=3, clock=lambda: NOON)
    for i in range(8):
        ids = {"carrier_id": f"SM{i}"} if i % 2 else {"attempt_id": f"a-{i}"}
        tracker.ingest([Receipt(status="delivered", carrier=CARRIER, received_at=moment(i), **ids)])

    assert tracker.notes() == {("waiting", ""): 3, ("inbox_dropped", ""): 5}
    assert [*stored(tracker, CARRIER_IDS)] == [(CARRIER, "SM5"), (CARRIER, "SM7")]
    assert [*stored(tracker, ATTEMPTS)] == [("a-6",)]
    tracker.record([told(f"m{i}", carrier_id=f"SM{i}") for i in (3, 5, 7)])
    assert statuses(tracker) == {"queued": 1, "delivered": 2}


def test_a_receipt_without_any_id_waits_for_nothing_and_is_dropped_in_turn():
    """It is no error, and not lost before its time."""
    tracker = Tracker(MemoryStorage(), inbox=1, clock=lambda: NOON)

    assert tracker.ingest([Receipt(status="sent")]) == Ingested(waiting=1)
    tracker.ingest([Receipt(status="sent", attempt_id="a-1", received_at=moment(1))])
    assert [row["attempt_id"] for row in stored(tracker, INBOX).values()] == ["a-1"]


# --- submissions -------------------------------------------------------------------------------


def test_a_message_that_was_taken_is_sent_since_then():
    """Its carrier, id, price and parts are kept; receipts find it by the id."""
    tracker = tracking(told(status="pending", carrier=None))
    said = taken(segments=2, price=Decimal("0.01"), currency="USD")
    tracker.submitted("m1", Attempt(attempt_id="a-1"), said, now=moment(4))
    tracker.ingest([Receipt(status="sent", carrier=CARRIER, carrier_id="SM1")])

    message = only(tracker)
    assert (message.status, message.sent_at, message.carrier_id) == ("sent", moment(4), "SM1")
    assert (message.segments, message.price, message.carrier) == (2, Decimal("0.01"), CARRIER)
    row = stored(tracker, ATTEMPTS)["a-1",]
    assert (row["outcome"], row["number"], row["carrier_id"], row["message_id"]) == ("taken", 1, "SM1", "m1")
    assert same_numbers(tracker)


@pytest.mark.parametrize(
    ("submission", "status", "counted"),
    [
        (Submission(outcome="refused", refusal="final", carrier=CARRIER, error_code="21610"), "refused", "refused"),
        (Submission(outcome="unknown", carrier=CARRIER), "unknown", "unknown"),
    ],
)
def test_refused_and_unknown_are_told_apart(submission, status, counted):
    """Neither was handed off, as far as we know; a receipt then proves that it was."""
    tracker = tracking(told(status="pending"))
    tracker.submitted("m1", Attempt(attempt_id="a-1"), submission)
    counts = tracker.summary(SPRING).counts
    assert (statuses(tracker), getattr(counts, counted), counts.sent) == ({status: 1}, 1, 0)

    tracker.ingest([Receipt(status="delivered", carrier=CARRIER, attempt_id="a-1", carrier_id="SM1")])
    assert (statuses(tracker), tracker.summary(SPRING).counts.sent) == ({"delivered": 1}, 1)
    assert same_numbers(tracker)


def test_parts_have_ids_of_their_own():
    """A message of three parts arrived when each of them did; a part that was refused never does."""
    tracker = tracking(told("m1", "pending"), told("m2", "pending"))
    tracker.submitted("m1", Attempt(attempt_id="a-1"), taken("P0", part_ids=("P0", "P1", "P2")))
    refused = Receipt(status="rejected", part=1, error_code="30007")
    tracker.submitted("m2", Attempt(attempt_id="a-2"), taken("Q0", part_ids=("Q0", None), receipts=[refused]))
    assert statuses(tracker) == {"queued": 1, "rejected": 1}

    for i in range(3):
        assert statuses(tracker)["sent" if i else "queued"] == 1
        tracker.ingest([Receipt(status="delivered", carrier=CARRIER, carrier_id=f"P{i}", attempt_id="a-1")])
    tracker.ingest([Receipt(status="delivered", carrier=CARRIER, carrier_id="Q0", attempt_id="a-2")])

    assert statuses(tracker) == {"delivered": 1, "undelivered": 1}
    assert [each.error_code for each in tracker.messages(SPRING)] == [None, "partly_delivered"]


def test_parts_that_report_before_their_place_is_known_are_still_apart():
    """In any order of two receipts, a part that was refused, and the submission, all told twice."""
    refused = Receipt(status="rejected", part=1, error_code="30007")
    said = taken("P0", part_ids=("P0", None, "P2"), receipts=[refused])
    first = Receipt(status="delivered", carrier=CARRIER, carrier_id="P0", attempt_id="a-1")
    last = Receipt(status="undelivered", carrier=CARRIER, carrier_id="P2", attempt_id="a-1", error_code="30005")
    found = set()
    for order in set(itertools.permutations([first, last, said] * 2)):
        tracker = Tracker(MemoryStorage(), clock=lambda: NOON)
        tracker.record([told(status="pending")], {"m1": Attempt(attempt_id="a-1", outcome="inflight")})
        for each in order:
            if isinstance(each, Submission):
                tracker.submitted("m1", Attempt(attempt_id="a-1"), each)
            else:
                tracker.ingest([each])
        parts = sorted(each[2:] for each in rows(tracker)["m1"]["state"]["parts"])
        found.add((only(tracker).status, only(tracker).error_code, str(parts)))

    assert len(found) == 1
    assert next(iter(found))[:2] == ("undelivered", "partly_delivered")


def test_a_retry_is_a_second_attempt():
    """The newest attempt decides, until one arrived."""
    tracker = tracking(told(status="pending"))
    temporary = Submission(outcome="refused", refusal="temporary", carrier="vonage")
    tracker.submitted("m1", Attempt(attempt_id="a-1"), temporary)
    tracker.submitted("m1", Attempt(attempt_id="a-2", number=2), taken())
    assert (only(tracker).status, only(tracker).carrier) == ("queued", CARRIER)

    tracker.ingest([Receipt(status="undelivered", carrier=CARRIER, attempt_id="a-2", error_code="30003")])
    assert tracker.summary(SPRING).counts.soft == 1
    assert same_numbers(tracker, by="carrier")


def test_an_attempt_id_of_another_message_is_refused():
    """The sentence names both messages, and nothing of that call is kept."""
    tracker = tracking(told("m1"), told("m2"))
    tracker.submitted("m1", Attempt(attempt_id="a-1"), taken())

    with pytest.raises(InvalidValue) as refused:
        tracker.submitted("m2", Attempt(attempt_id="a-1"), taken("SM2"))
    with pytest.raises(InvalidValue, match="belongs to message 'm3' and was given to 'm4' too"):
        tracker.record([told("m3"), told("m4")], {name: Attempt(attempt_id="a-3") for name in ("m3", "m4")})

    assert str(refused.value) == (
        "attempt_id is 'a-1': it belongs to message 'm1' and was given to 'm2' too;"
        " give each attempt an id of its own, like str(uuid.uuid4())"
    )
    assert sorted(rows(tracker)) == ["m1", "m2"]


def test_an_id_that_a_carrier_gives_twice_stays_with_the_first():
    """It is noted; the second message is found by our attempt id, and its true id is learned."""
    tracker = tracking(told("m1", "pending"), told("m2", "pending"))
    tracker.submitted("m1", Attempt(attempt_id="a-1"), taken("SM1"))
    tracker.submitted("m2", Attempt(attempt_id="a-2"), taken("SM1"))
    tracker.ingest([Receipt(status="delivered", carrier=CARRIER, attempt_id="a-2", carrier_id="SM2")])

    assert [(each.status, each.carrier_id) for each in tracker.messages(SPRING)] == [
        ("queued", "SM1"),
        ("delivered", "SM2"),
    ]
    assert tracker.notes() == {("carrier_id_reused", CARRIER): 1}


# --- what people do ------------------------------------------------------------------------------


def two_messages(**options):
    """Return a tracker that follows two messages to Ana, a minute apart, from two senders."""
    return tracking(
        told("m1", "sent", to=ANA, sender=US, sent_at=NOON, contact_id="ana"),
        told("m2", "sent", to=ANA, sender=OTHER, sent_at=moment(60), contact_id="ana"),
        **options,
    )


@pytest.mark.parametrize(
    ("fields", "message_id"),
    [
        ({"received_at": moment(61)}, "m2"),
        ({"received_at": moment(60)}, "m2"),
        ({"received_at": moment(59)}, "m1"),
        ({"received_at": moment(-1)}, None),
        ({"received_at": moment(90), "sender": US}, "m1"),
        ({"received_at": moment(90), "sender": "+12025550109"}, None),
        ({"received_at": moment(90), "to": BEN}, None),
        ({"received_at": moment(90), "to": None}, None),
        ({"received_at": moment(90), "campaign_id": "summer"}, None),
        ({"received_at": moment(90), "message_id": "m1"}, "m1"),
        ({"received_at": moment(90), "carrier": CARRIER, "carrier_id": "SM1"}, "m1"),
        ({"received_at": moment(90), "carrier": CARRIER, "carrier_id": "SM9"}, "m2"),
    ],
)
def test_a_reply_is_about_the_last_message_before_it(fields, message_id):
    """To that person, from the sender it answers; or the message it names. Other replies are kept and counted."""
    tracker = two_messages()
    tracker.record([told("m1", carrier_id="SM1")])
    found = tracker.ingest([Reply(**{"to": ANA, "reply_id": "r1", "text": "Yes", **fields})])

    row = stored(tracker, REPLIES)["r1",]
    assert row["message_id"] == message_id
    assert found == Ingested(replies=1, unattributed=int(message_id is None))
    assert {each.message_id: each.replies for each in tracker.messages(SPRING)} == {
        name: int(name == message_id) for name in ("m1", "m2")
    }
    assert same_numbers(tracker)


def test_a_stop_is_an_opt_out_and_no_answer():
    """It counts as a stop reply, and its message as opted out."""
    tracker = two_messages()
    tracker.ingest([Reply(to=ANA, received_at=moment(70), text="STOP", keyword=Keyword.OPT_OUT, reply_id="r1")])

    counts = tracker.summary(SPRING).counts
    assert (counts.replies, counts.stop_replies, counts.opted_out) == (0, 1, 1)


def test_clicks_opt_outs_and_orders_are_counted_once():
    """Each by its own id, or by all it says; again, it is a duplicate."""
    tracker = two_messages()
    price = {"revenue": Decimal("19.90"), "currency": "EUR"}
    events = [
        Click(message_id="m1", clicked_at=moment(70), click_id="c1"),
        Click(message_id="m1", clicked_at=moment(71), url="https://app.example/a"),
        Reply(to=ANA, received_at=moment(72), text="Yes"),
        OptOut(to=ANA, opted_out_at=moment(73)),
        Order(to=ANA, ordered_at=moment(74), order_id="o1", **price),
        Order(message_id="m1", ordered_at=moment(75), order_id="o2", assisted=True, **price),
        Order(message_id="m1", ordered_at=moment(76)),
    ]
    assert tracker.ingest(events) == Ingested(clicks=2, replies=1, opt_outs=1, orders=3)
    before = tracker.tally(SPRING)
    assert tracker.ingest([*events, *events]) == Ingested(duplicates=14)

    assert tracker.tally(SPRING) == before
    counts = tracker.summary(SPRING).counts
    assert (counts.clicks, counts.clicked, counts.replies, counts.opted_out) == (2, 1, 1, 1)
    assert (counts.orders, counts.assisted_orders) == (2, 1)
    assert before.money == {(): {("revenue", "EUR"): 19_900_000, ("assisted_revenue", "EUR"): 19_900_000}}
    assert same_numbers(tracker)
    assert tracker.rebuild(SPRING) == []
    assert tracker.tally(SPRING) == before


def test_an_opt_out_of_nobody_we_know_counts():
    """It is about no message, which is counted; that person is not to be written to all the same."""
    tracker = tracking()

    assert tracker.ingest([OptOut(to=BEN, opted_out_at=NOON)]) == Ingested(opt_outs=1, unattributed=1)
    assert tracker.ingest([OptOut(to=BEN, opted_out_at=NOON)]) == Ingested(duplicates=1, unattributed=1)
    assert not tracker.standing(BEN).may_send
    assert tracker.notes() == {("unattributed", ""): 2}


def test_counts_that_were_recorded_and_events_add_up_in_any_order():
    """Two answers known from elsewhere, and one that comes: three, however they are told."""
    one = [lambda it: it.record([told(replies=2, revenue=Decimal(5), currency="EUR")])]
    more = Order(message_id="m1", ordered_at=NOON, order_id="o1", revenue=Decimal(7), currency="EUR")
    one += [lambda it, event=event: it.ingest([event]) for event in (Reply(message_id="m1", received_at=NOON), more)]
    for order in itertools.permutations([*one, one[0]]):
        tracker = Tracker(MemoryStorage(), clock=lambda: NOON)
        for tell in order:
            tell(tracker)
        assert (only(tracker).replies, only(tracker).orders, only(tracker).revenue) == (3, 1, Decimal(12))
        assert same_numbers(tracker)


def test_every_currency_is_summed_though_a_message_has_one():
    """Counters keep what people spent in another currency than the message cost."""
    tracker = tracking(told(price=Decimal(1), currency="USD"))
    tracker.ingest(
        [
            Order(message_id="m1", ordered_at=NOON, order_id=currency, revenue=Decimal(2), currency=currency)
            for currency in ("EUR", "USD")
        ]
    )

    money = tracker.tally(SPRING).money[()]
    assert money == {("cost", "USD"): 1_000_000, ("revenue", "EUR"): 2_000_000, ("revenue", "USD"): 2_000_000}
    assert only(tracker).revenue == Decimal(2)
    assert tracker.verify_counters() == []


@pytest.mark.parametrize(("names", "replies"), [({}, [0, 1]), ({"carrier": CARRIER, "carrier_id": "SM0"}, [1, 0])])
def test_a_reply_in_the_batch_of_its_own_message_finds_it(names, replies):
    """Callers who come together are one batch, whoever is first; what a reply names counts before all."""
    tracker = tracking(told("m0", "sent", to=ANA, sent_at=moment(-50), carrier_id="SM0"), told("m1", "pending", to=ANA))
    reply = Reply(to=ANA, received_at=moment(5), reply_id="r1", **names)
    receipt = Receipt(status="sent", carrier=CARRIER, carrier_id="SM1")

    tracker._commit([Work([reply, receipt], NOON), Work([Submitted("m1", Attempt(), taken())], NOON)])

    assert [(each.status, each.replies) for each in tracker.messages(SPRING)] == [("sent", n) for n in replies]


# --- any order, any number of times --------------------------------------------------------------


def batches(events, random_):
    """Yield events cut into batches at random."""
    events = list(events)
    while events:
        cut = random_.randint(1, len(events))
        yield events[:cut]
        events = events[cut:]


@given(heard(), st.sampled_from(["positive_wins", "negative_wins"]), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_any_order_ends_in_the_state_of_the_specification(drawn, policy, random_):
    """Each receipt 1 to 5 times, in batches: status, code, conflict and moment are `fold`'s and the model's."""
    known, told_again = drawn
    told_again = [
        attrs.evolve(each, message_id="m1", received_at=each.received_at or moment(50)) for each in told_again
    ]
    told_again = [attrs.evolve(each, at=each.at or each.received_at) for each in told_again]
    tracker = tracking(conflict_policy=policy)
    for batch in batches(told_again, random_):
        tracker.ingest(batch)

    state = fold(told_again, attempts=[Attempt()], conflict_policy=policy)
    message, row = only(tracker), rows(tracker)["m1"]
    assert (message.status, message.error_code) == (state.status, state.error_code)
    assert (message.delivered_at, bool(row["conflict"])) == (state.delivered_at, state.conflict)
    timed = [each._replace(received=50 if each.received is None else each.received) for each in known]
    model = learn(timed)
    assert message.delivered_at == moment(delivered_at(model))
    if {each.attempt for each in known} == {1}:
        arrived = message_view(model, negative_wins=policy == "negative_wins") in {"delivered", "read"}
        assert (message.status in {"delivered", "read"}) is arrived
    assert same_numbers(tracker)


@given(stories(), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_any_story_counts_the_same_however_it_is_told(story, random_):
    """Recorded before, between or after; events repeated, in any batches: the rows and counters of in-order once."""
    messages = [attrs.evolve(each, campaign_id=SPRING) for each in story.messages]
    attempts = {each.message_id: Attempt(parts=story.parts, outcome=_outcome(each.status)) for each in messages}
    once = Tracker(MemoryStorage(), clock=lambda: NOON)
    once.record(messages, attempts)
    seen = list({_identity(each): each for each in reversed(story.events)}.values())
    for each in seen:
        once.ingest([each])

    other = Tracker(MemoryStorage(), clock=lambda: NOON)
    tellings = [*messages, *messages[:1], *story.events, *seen]
    random_.shuffle(tellings)
    for batch in batches(tellings, random_):
        other.ingest([each for each in batch if not isinstance(each, ck.Message)])
        other.record([each for each in batch if isinstance(each, ck.Message)], attempts)
    for each in story.events:
        once.ingest([each])  # of equal receipts the earliest moment counts

    assert rows(other) == rows(once)
    assert other.tally(SPRING, by=["variant", "carrier"]) == once.tally(SPRING, by=["variant", "carrier"])
    assert same_numbers(other)
    assert same_numbers(other, by="variant")
    before = rows(other)
    assert other.rebuild(SPRING) == []
    assert rows(other) == before


def _outcome(status):
    handed = {Status.SKIPPED: "planned", Status.PENDING: "planned", Status.CANCELED: "canceled"}
    return Outcome(handed.get(status, status if status in {"refused", "unknown"} else "taken"))


def _identity(event):
    if isinstance(event, Receipt):
        return event.message_id, event.saying_
    return (
        type(event),
        getattr(event, "reply_id", None),
        getattr(event, "click_id", None),
        getattr(event, "order_id", None),
        event.message_id if isinstance(event, OptOut) else None,
    )


@pytest.mark.parametrize("said", FOUR_FACTS, ids="-".join)
def test_every_order_of_four_facts_ends_alike(said):
    """All 24, and each with the record at every place: one state, one table."""
    told_ = [
        attrs.evolve(receipt_of(Fact(status, at=i), *SAYS[status][0]), message_id="m1", received_at=NOON)
        for i, status in enumerate(said)
    ]
    found = []
    for order in itertools.permutations(told_):
        for place in range(len(order) + 1):
            tracker = Tracker(MemoryStorage(), clock=lambda: NOON)
            for i, each in enumerate(order):
                if i == place:
                    tracker.record([told(sent_at=NOON)])
                tracker.ingest([each])
            tracker.record([told(sent_at=NOON)])
            found.append((rows(tracker), tracker.tally(SPRING)))

    assert len(found) == 120
    assert all(each == found[0] for each in found)
    assert found[0][0]["m1"]["status"] == fold(told_, attempts=[Attempt()]).status


def test_threads_that_tell_everything_at_once_drift_nowhere():
    """Eight threads, 40 messages, each receipt five times, submissions among them: as in order and once."""
    random_ = random.Random(7)  # noqa: S311 - seeded, and no secret
    words = [("queued", None), ("sent", None), ("undelivered", "30003"), ("delivered", None)]
    events = [
        Receipt(status=word, carrier=CARRIER, error_code=code, attempt_id=f"a-{i}", carrier_id=f"SM{i}", at=moment(n))
        for i in range(40)
        for n, (word, code) in enumerate(words[: 1 + i % 4])
    ]
    jobs = [lambda it, each=each: it.ingest([each]) for each in events * 5]
    jobs += [
        lambda it, i=i: it.submitted(f"m{i}", Attempt(attempt_id=f"a-{i}"), taken(f"SM{i}"), now=NOON)
        for i in range(40)
    ]
    jobs += [lambda it, i=i: it.record([told(f"m{i}", "pending", variant="ab"[i % 2])]) for i in range(40)]
    in_order, shuffled = (Tracker(MemoryStorage(), clock=lambda: NOON) for _ in range(2))
    for job in reversed(jobs):
        job(in_order)
    random_.shuffle(jobs)
    _in_threads([lambda part=jobs[i::8]: [job(shuffled) for job in part] for i in range(8)])

    assert rows(shuffled) == rows(in_order)
    assert shuffled.tally(SPRING, by="variant") == in_order.tally(SPRING, by="variant")
    assert statuses(shuffled) == {"queued": 10, "sent": 10, "undelivered": 10, "delivered": 10}
    assert same_numbers(shuffled, by="variant")


def _in_threads(works):
    errors = []

    def run(work):
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the thread's own would only be printed
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert errors == []


def test_tenants_never_meet():
    """Two tenants with the same ids everywhere: each sees its own, and early receipts join their own."""
    storage = MemoryStorage()
    one, other = (tracking(told(variant=name), storage=storage, tenant=name) for name in ("one", "other"))
    early = Receipt(status="delivered", carrier=CARRIER, carrier_id="SM1")
    one.ingest([early])
    other.record([told(carrier_id="SM1")])
    assert [statuses(each) for each in (one, other)] == [{"queued": 1}, {"queued": 1}]

    one.record([told(carrier_id="SM1")])
    other.ingest([Receipt(status="undelivered", carrier=CARRIER, carrier_id="SM1", error_code="30005")])

    assert [statuses(each) for each in (one, other)] == [{"delivered": 1}, {"undelivered": 1}]
    assert [only(each).variant for each in (one, other)] == ["one", "other"]
    assert other.notes() == {}


# --- reading -----------------------------------------------------------------------------------


def a_day_of_messages():
    """Return a tracker with messages over a day, in every column that can be asked for."""
    tracker = tracking(
        *(
            told(
                f"m{i}",
                ["queued", "delivered", "undelivered"][i % 3],
                variant=[None, "a", "b"][i % 3],
                list_id=f"l{i % 2}",
                account_id="acme",
                sender=[US, OTHER][i % 2],
                step=1 + i % 2,
                sent_at=NOON + dt.timedelta(minutes=47 * i),
                segments=1,
                contact_id=f"c{i // 2}",
            )
            for i in range(24)
        )
    )
    tracker.ingest([says("delivered", message_id=f"m{i}", at=7200 + i) for i in range(0, 24, 4)])
    return tracker


@pytest.mark.parametrize(
    "by",
    [
        "variant",
        "list_id",
        "account_id",
        "sender",
        "step",
        "carrier",
        ["variant", "step"],
        hours("sent_at", zone="UTC"),
        [hours("sent_at", zone="America/New_York"), "variant"],
        days("sent_at", zone="Europe/Paris"),
    ],
    ids=str,
)
def test_counters_read_by_any_column_are_a_tally_of_the_messages(by):
    """Read from counters alone, it is what `tally` makes of the messages."""
    assert same_numbers(a_day_of_messages(), by=by)


def test_messages_that_were_never_sent_have_no_hour():
    """Their group is None, as in `tally`."""
    assert same_numbers(tracking(told(status="pending"), told("m2", sent_at=NOON)), by=hours("sent_at", zone="UTC"))


@pytest.mark.parametrize(
    ("by", "kind", "sentence"),
    [
        ("contact_id", InvalidColumn, "by is 'contact_id': counters are not kept by it; give one of "),
        (days("created_at", zone="UTC"), InvalidColumn, "by is 'created_at': counters are not kept by it; "),
        (
            hours("sent_at", zone="Asia/Kolkata"),
            InvalidValue,
            "by is 'sent_at_hour': the hour from 2026-11-21 ",
        ),
        (["step", "step"], InvalidValue, "by names 'step' twice"),
    ],
)
def test_what_counters_cannot_tell_is_refused(by, kind, sentence):
    """The sentence says how to count it from the messages."""
    with pytest.raises(kind) as refused:
        a_day_of_messages().tally(SPRING, by=by)

    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_a_frame_makes_the_numbers_of_the_summary(backend):
    """`summarize` reads it to the same numbers, by column too."""
    tracker = a_day_of_messages()
    frame = tracker.frame(SPRING, backend=backend)

    assert ck.summarize(frame).counts == tracker.summary(SPRING).counts
    groups, live = ck.summarize(frame, by="sender"), tracker.summary(SPRING, by="sender")
    assert {key: groups[key].counts for key in groups} == {key: live[key].counts for key in live}


def test_a_summary_follows_a_profile():
    """The tracker's own by default, or the one that is asked for; nothing is recounted."""
    tracker = tracking(told(status="delivered"), told("m2", "sent"), profile="messengerflow")

    assert tracker.summary(SPRING).count("sent") == 1
    assert tracker.summary(SPRING, profile="campaignkit").count("sent") == 2


def test_the_version_rises_with_every_change_of_a_number():
    """And only then: a page that polls it misses nothing."""
    tracker = tracking()
    versions = [tracker.version(SPRING)]
    for event in (says("sent"), says("sent"), says("teleported"), says("delivered", 3), says("queued")):
        tracker.ingest([event])
        versions.append(tracker.version(SPRING))

    assert versions == [1, 2, 2, 2, 3, 3]


# --- whether it is right -------------------------------------------------------------------------


@pytest.mark.parametrize("table", [COUNTERS, AMOUNTS, LATENCIES], ids=lambda table: table.name)
def test_a_drift_is_named_and_repaired(table):
    """A counter that somebody changed is found with its place, what it says and what is right; rebuild repairs it."""
    tracker = tracking(told(status="delivered", sent_at=NOON, delivered_at=moment(5), price=Decimal(1), currency="EUR"))
    tracker.record([attrs.evolve(told("x"), campaign_id="summer")])
    column = {"counters": "segments", "amounts": "micros", "latencies": "n"}[table.name]
    key = min(key for key in stored(tracker, table) if key[0] == SPRING)
    with tracker._storage.transaction("default") as tx:
        tx.add(table, {key: {column: 3}})

    (difference,) = tracker.verify_counters()
    assert (difference.campaign_id, difference.table, difference.column) == (SPRING, table.name, column)
    assert difference.stored == difference.counted + 3
    assert str(difference).startswith(f"{table.name} of 'spring' ")
    assert tracker.verify_counters("summer") == []

    assert tracker.rebuild(SPRING) == [difference]
    assert tracker.verify_counters() == []
    assert tracker.rebuild(SPRING) == []


def test_counters_of_nothing_are_a_drift_too():
    """A counter that has no message at all is taken away."""
    tracker = tracking()
    with tracker._storage.transaction("default") as tx:
        tx.add(COUNTERS, {(SPRING, '["z",null,null,null,null,null,null]', '["sent",null,null]'): {"n": 1}})

    (difference,) = tracker.rebuild(SPRING)
    assert (difference.group["variant"], difference.key, difference.counted) == ("z", ("sent", None, None), 0)
    assert same_numbers(tracker)


def test_rebuild_repairs_messages():
    """What a message shows is made again from its receipts and events."""
    tracker = two_messages()
    tracker.ingest([says("delivered", 70), Click(message_id="m1", clicked_at=moment(71))])
    before = rows(tracker)
    with tracker._storage.transaction("default") as tx:
        spoiled = {"status": "sent", "clicks": 9, "delivered_at": None, "last_event_at": None}
        state = {name: value for name, value in before["m1"]["state"].items() if name != "parts"}
        tx.put(MESSAGES, [{**before["m1"], **spoiled, "state": state}])

    tracker.rebuild(SPRING)

    assert rows(tracker) == before
    assert same_numbers(tracker)


def test_rebuild_applies_another_policy():
    """Stored under one rule, rebuilt under the other."""
    tracker = tracking()
    tracker.ingest([says("delivered", 1), says("undelivered", 2, error_code="30005")])
    assert statuses(tracker) == {"delivered": 1}

    other = Tracker(tracker._storage, conflict_policy="negative_wins")
    other.rebuild(SPRING)

    assert statuses(other) == {"undelivered": 1}
    assert same_numbers(other)


# --- committing together ---------------------------------------------------------------------------


def gathered(commit, works, most=100):
    """Do works in threads that all arrive while the first commit runs; return what each got, and the batches."""
    arrived, batches_, answers = threading.Event(), [], {}

    def slow(batch):
        batches_.append(list(batch))
        if batch[0] == works[0] and len(batches_) == 1:
            arrived.wait(10)
        return commit(batch)

    group = GroupCommit(slow, size=len, most=most)

    def run(work):
        try:
            answers[work] = group(work)
        except Exception as error:  # noqa: BLE001 - kept as the answer
            answers[work] = error

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    threads[0].start()
    while not batches_:
        pass
    for each in threads[1:]:
        each.start()
    while len(group._waiting) < len(works) - 1:
        pass
    arrived.set()
    for each in threads:
        each.join()
    return answers, batches_


def test_callers_that_arrive_during_a_commit_share_the_next():
    """Four calls, two commits, and each caller gets its own answer."""
    answers, done = gathered(lambda batch: [work.upper() for work in batch], ["a", "b", "c", "d"])

    assert answers == {"a": "A", "b": "B", "c": "C", "d": "D"}
    assert [len(each) for each in done] == [1, 3]


def test_a_commit_takes_only_so_much():
    """Beyond it, the next one follows; a single work that is larger goes alone."""
    _, done = gathered(lambda batch: batch, ["a", "bb", "c", "dddddd"], most=3)

    assert sorted("".join(sorted(each)) for batch in done for each in batch) == ["a", "bb", "c", "dddddd"]
    assert all(len(batch) == 1 or sum(map(len, batch)) <= 3 for batch in done)


def test_a_poisoned_work_fails_alone():
    """Those who came with it are done, each by itself; its own error goes to whoever brought it."""

    def commit(batch):
        if "bad" in batch:
            raise ValueError(batch)
        return batch

    answers, _ = gathered(commit, ["a", "bad", "c"])

    assert (answers["a"], answers["c"]) == ("a", "c")
    assert str(answers["bad"]) == "['bad']"


def test_a_thread_that_is_stopped_lets_nobody_wait():
    """Who waited for its commit is told to try again."""

    def commit(batch):
        if "stopped" in batch:
            raise KeyboardInterrupt
        return batch

    group = GroupCommit(commit, size=len, most=10)
    with pytest.raises(KeyboardInterrupt):
        group("stopped")

    assert group("next") == "next"


def test_a_thread_that_is_stopped_while_it_waits_leaves_the_line(monkeypatch):
    """Its work is not done, and the next one leads."""
    seen = []
    group = GroupCommit(lambda batch: seen.extend(batch) or batch, size=len, most=10)
    monkeypatch.setattr(threading.Event, "wait", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        group("stopped")
    monkeypatch.undo()

    assert (group("next"), seen) == ("next", ["next"])


def test_a_poisoned_event_does_not_fail_the_others():
    """The storage refuses what one of them holds; the others are kept, and the counters are right."""
    tracker = tracking(*(told(f"m{i}") for i in range(20)))
    refused = []

    def tell(i):
        word = "no\0way" if i == 7 else "delivered"
        try:
            tracker.ingest([says(word, message_id=f"m{i}")])
        except InvalidValue:
            refused.append(i)

    _in_threads([lambda i=i: tell(i) for i in range(20)])

    assert (refused, statuses(tracker)) == ([7], {"queued": 1, "delivered": 19})
    assert same_numbers(tracker)


def test_a_race_begins_the_batch_again():
    """Another process may have registered the id meanwhile; what never ends is an error."""
    tracker = tracking(patience=0)
    begun = []

    def work(tx):
        begun.append(tx)
        if len(begun) < 3:
            raise Raced
        return "done"

    def never(_):
        raise Raced

    assert (tracker._transact(work), len(begun)) == ("done", 3)
    with pytest.raises(StorageUnavailable, match="again and again"):
        tracker._transact(never)


@pytest.mark.parametrize("table", [MESSAGES, ATTEMPTS, CARRIER_IDS, CAMPAIGNS], ids=lambda table: table.name)
@pytest.mark.parametrize("known", [{"attempt_id": "a-1"}, {"carrier_id": "SM1"}], ids=str)
def test_rows_of_others_that_appear_at_the_worst_moment_change_nothing(table, known):
    """An id or a message inserted between looking and writing: no receipt waits for ever, nothing counts twice."""
    storage = BlindOnce()
    tracker = tracking(told(status="pending"), storage=storage)
    works = [
        lambda: tracker.submitted("m1", Attempt(attempt_id="a-1"), taken(), now=NOON),
        lambda: tracker.submitted("m1", Attempt(attempt_id="a-1"), taken(), now=NOON),
        lambda: tracker.ingest([Receipt(status="delivered", carrier=CARRIER, received_at=moment(3), **known)]),
        lambda: tracker.record([told("m2", "sent")]),
    ]
    for work in works:
        storage.hidden = table
        work()

    assert (statuses(tracker), stored(tracker, INBOX)) == ({"sent": 1, "delivered": 1}, {})
    assert same_numbers(tracker)


def test_large_campaigns_are_recorded_and_rebuilt_piece_by_piece(monkeypatch):
    """More messages than one transaction takes, and as many as two take exactly."""
    monkeypatch.setattr("campaignkit.tracker.tracker.MOST", 3)
    monkeypatch.setattr("campaignkit.tracker.tracker.BULK", 3)
    for count in (6, 7):
        tracker = tracking(*(told(f"m{i}", "sent", sent_at=NOON) for i in range(count)))
        before = rows(tracker)
        with tracker._storage.transaction("default") as tx:
            tx.put(MESSAGES, [{**row, "status": "read"} for row in before.values()])
        tracker.rebuild(SPRING)

        assert rows(tracker) == before
        assert (statuses(tracker), same_numbers(tracker)) == ({"sent": count}, True)


# --- end to end ----------------------------------------------------------------------------------


@pytest.mark.parametrize("carrier", ["twilio", "vonage", "infobip", "vonagesms"])
@pytest.mark.parametrize("weather", ["calm", "storm"])
def test_a_storm_is_counted_as_it_was(carrier, weather):
    """Simulator, gateway, tracker: every message whose end was told stands where the carrier's ledger says."""
    kind = get_dialect(carrier)
    simulator = Simulator(kind(kind.made_up(webhook_url="https://app.example/hooks")), profile=weather, seed=5)
    clock = simulator.clock
    tracker = Tracker(MemoryStorage(), clock=clock.now)
    numbers = [f"+1202555{i:04d}" for i in range(100, 180)]
    tracker.record(told(f"m{i}", "pending", to=to, sender=US, carrier=None) for i, to in enumerate(numbers))

    def webhook(request, now):
        tracker.ingest(simulator.carrier.events(request, now=now), now=now)

    seams = {"clock": clock.now, "monotonic": clock.monotonic, "sleep": clock.sleep, "random": lambda: 0.5}
    client = httpx.Client(transport=simulator.transport(webhook), timeout=10)
    with Gateway(simulator.carrier, client=client, **seams) as gateway:
        for i, to in enumerate(numbers):
            attempt = Attempt(attempt_id=f"a-{i}")
            message = ck.Message(status="pending", to=to, sender=US, text="Hello")
            tracker.submitted(f"m{i}", attempt, gateway.send(message, attempt))
    simulator.deliver(webhook)

    shown = {each.message_id: each.status for each in tracker.messages(SPRING)}
    ledger = {f"m{each.attempt_id[2:]}": each for each in simulator.ledger.taken if each.attempt_id}
    arrived = {name for name, each in ledger.items() if each.told and each.fate in {"delivered", "read"}}
    assert arrived
    assert {name for name in arrived if shown[name] not in {"delivered", "read"}} == set()
    for name, each in ledger.items():
        if each.told and name not in arrived:
            assert shown[name] not in {"queued", "sent", "pending"}
    counts = tracker.summary(SPRING).counts
    assert counts.total == 80
    assert counts.delivered >= len(arrived)
    assert same_numbers(tracker)
    before = rows(tracker)
    assert tracker.rebuild(SPRING) == []
    assert rows(tracker) == before
