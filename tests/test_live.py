"""Following messages while receipts arrive; that live equals a recount is a law of test_tables.py."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from campaignkit.cells import Cell, Sums
from campaignkit.errors import AmbiguousCode, InvalidValue
from campaignkit.grouping import Since, hours
from campaignkit.live import Live
from campaignkit.models import Click, Keyword, Message, OptOut, Order, Receipt, Reply
from campaignkit.summary import tally
from strategies import NOON

LATER = NOON + dt.timedelta(seconds=1)


def following(*statuses, **asked):
    """Return a live tally that follows messages m0, m1, ... of these statuses."""
    live = Live(**asked)
    live.add(Message(message_id=f"m{place}", status=status) for place, status in enumerate(statuses))
    return live


def statuses(live):
    """Return messages by status."""
    return {cell.status: sums.n for cell, sums in live.tally().cells[()].items()}


def receipt(status, message_id="m0", **fields):
    """Return a receipt about a message."""
    return Receipt(message_id=message_id, status=status, **fields)


# --- what is refused -------------------------------------------------------------------------------

REFUSED = {
    "no message_id": (
        lambda: Live().add([Message(status="queued", to="+12025550143")]),
        "message to '+12025550143' has no message_id: receipts find it by that; give one",
    ),
    "segments for some": (
        lambda: Live().add(
            [Message(message_id="m1", status="queued", segments=1), Message(message_id="m2", status="queued")]
        ),
        ("segments is None for message 'm2' and otherwise for those before: give it for every message or for none"),
    ),
    "skipped and sent": (
        lambda: Live().add([Message(message_id="m1", status="skipped", sent_at=NOON)]),
        (
            "message 'm1' is skipped, but has sent_at: a skipped message was never handed over;"
            " correct its status or leave sent_at empty"
        ),
    ),
    "an unknown field": (lambda: Live(by="varaint"), "no field 'varaint' in Message; nearest: variant"),
    "an unknown policy": (
        lambda: Live(conflict_policy="newest_wins"),
        "conflict_policy is 'newest_wins': give positive_wins or negative_wins",
    ),
    "hours of a field that is no moment": (
        lambda: Live(by=hours("variant", zone="UTC")),
        "'variant' of Message is no moment: group by sent_at, or one like it",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_says_why(case):
    """One sentence names the value, the rule and the remedy."""
    call, sentence = REFUSED[case]

    with pytest.raises(InvalidValue) as error:
        call()

    assert sentence == str(error.value)


@pytest.mark.parametrize(
    "wrong",
    [
        Message(message_id="m1", status="queued", segments=1, price=Decimal(1), currency="EUR"),
        Message(message_id="m1", status="skipped", sent_at=NOON, price=Decimal(1), currency="EUR"),
        Message(message_id="m1", status="failed", carrier="vonage", error_code="6", price=Decimal(1), currency="EUR"),
    ],
)
def test_a_message_that_is_refused_changes_nothing(wrong):
    """What cannot be followed is not half counted."""
    live = following("queued", by="variant")
    before = live.tally()

    with pytest.raises((InvalidValue, AmbiguousCode)):
        live.add([wrong])

    assert before == live.tally()
    assert len(live) == 1


def test_a_receipt_that_is_refused_changes_nothing():
    """A code without the qualifier its carrier needs is refused, and the message is as it was."""
    live = following("queued")

    with pytest.raises(AmbiguousCode):
        live.apply(receipt("failed", carrier="vonage", error_code="6", at=NOON))

    assert statuses(live) == {"queued": 1}
    assert live.tally().as_of is None


# --- messages and their receipts -------------------------------------------------------------------


def test_a_message_is_followed_once():
    """Adding a message again leaves it as it is."""
    live = following("queued")
    live.apply(receipt("delivered"))

    live.add([Message(message_id="m0", status="queued")])

    assert len(live) == 1
    assert statuses(live) == {"delivered": 1}


def test_events_wait_for_their_message():
    """What comes before its message waits, is told apart by message, and is counted when the message is added."""
    live = Live()
    live.apply_many(
        [receipt("delivered"), receipt("sent"), Click(message_id="m0", clicked_at=NOON), receipt("sent", "m1")]
    )
    assert {name: len(events) for name, events in live.waiting.items()} == {"m0": 3, "m1": 1}
    assert live.tally().cells == {}

    live.add([Message(message_id="m0", status="queued")])

    assert live.tally().cells == {(): {Cell("delivered"): Sums(n=1, clicks=1, clicked=1)}}
    assert [*live.waiting] == ["m1"]


def test_a_waiting_event_that_cannot_be_read_is_left_out():
    """It is refused when its message is added, which is followed; adding the message again goes on with the next."""
    live, message = Live(), Message(message_id="m0", status="queued")
    live.apply_many([receipt("failed", carrier="vonage", error_code="6"), receipt("delivered")])

    with pytest.raises(AmbiguousCode):
        live.add([message])
    assert statuses(live) == {"queued": 1}
    live.add([message])

    assert statuses(live) == {"delivered": 1}
    assert not live.waiting


def test_events_that_name_no_message_are_kept():
    """What says nothing of its message is neither counted nor lost."""
    live = following("queued")

    live.apply_many([Receipt(status="delivered"), Reply(received_at=NOON)])

    assert len(live.waiting[""]) == 2
    assert statuses(live) == {"queued": 1}


def test_unknown_words_are_counted():
    """A word that nobody knows changes nothing, and is counted each time it comes."""
    live = following("queued")

    live.apply_many([receipt("purple"), receipt("purple"), receipt("mauve")])

    assert live.unknown_words == {"purple": 2, "mauve": 1}
    assert statuses(live) == {"queued": 1}


def test_receipts_are_read_with_the_carrier_of_their_message():
    """A receipt that does not say whose word it is has the words of its message's carrier."""
    live = Live()
    live.add([Message(message_id="m0", status="queued", carrier="infobip")])

    live.apply(receipt("REJECTED_PREFIX_MISSING"))

    assert [*live.tally().cells[()]] == [Cell("rejected", "infobip", "@REJECTED_PREFIX_MISSING")]


@pytest.mark.parametrize(("policy", "status"), [("positive_wins", "delivered"), ("negative_wins", "undelivered")])
def test_the_policy_decides_a_conflict(policy, status):
    """When a part both arrived and failed, the policy says which is shown."""
    live = following("queued", conflict_policy=policy)

    live.apply_many([receipt("delivered"), receipt("undelivered")])

    assert statuses(live) == {status: 1}


def test_parts_are_waited_for():
    """A message of two parts is delivered when both are."""
    live = Live()
    live.add([Message(message_id="m0", status="queued")], parts=3)

    live.apply_many([receipt("delivered", part=0), receipt("delivered", part=1)])
    assert statuses(live) == {"sent": 1}
    live.apply(receipt("delivered", part=2))

    assert statuses(live) == {"delivered": 1}


def test_a_receipt_shows_that_a_skipped_message_was_sent():
    """Handed off is a fact: a message said to be skipped, of which the carrier reports, was not."""
    live = Live()
    live.add([Message(message_id="m0", status="skipped", skip_reason="quiet_hours")])
    assert live.tally().cells == {(): {Cell("skipped", None, "quiet_hours"): Sums(n=1)}}

    live.apply(receipt("sent"))

    assert statuses(live) == {"sent": 1}


@pytest.mark.parametrize("status", ["pending", "unknown", "canceled", "refused"])
def test_handed_off_stays_handed_off(status):
    """A message with sent_at is handed off whatever its status, until a receipt says it itself."""
    live = Live()
    live.add([Message(message_id="m0", status=status, sent_at=NOON)])
    assert live.tally().cells == {(): {Cell(status): Sums(n=1, handed_off=1)}}

    live.apply(receipt("sent"))

    assert live.tally().cells == {(): {Cell("sent"): Sums(n=1)}}


def test_the_first_arrival_counts_for_latency():
    """An earlier receipt of delivery moves the latency, a later one does not; without sent_at there is none."""
    live = Live()
    live.add([Message(message_id="m0", status="sent", sent_at=NOON), Message(message_id="m1", status="sent")])

    live.apply_many([receipt("delivered", at=LATER), receipt("delivered", at=NOON), receipt("read", at=LATER)])
    live.apply(receipt("delivered", "m1", at=LATER))

    assert live.tally().latency == {(): {0: 1}}
    assert live.tally().as_of == LATER


def test_the_latest_moment_is_that_of_messages_and_events():
    """as_of is the latest moment of whatever was added or came back."""
    live = Live()
    live.add([Message(message_id="m0", status="sent", last_event_at=NOON)])
    assert live.tally().as_of == NOON

    live.apply(Click(message_id="m0", clicked_at=LATER))

    assert live.tally().as_of == LATER


def test_groups_are_fields_and_moments():
    """Live groups as rows do, by fields, hours and since."""
    messages = [Message(message_id=f"m{n}", status="sent", variant="ab"[n % 2], sent_at=NOON) for n in range(3)]
    by = ("variant", hours("sent_at", zone="Europe/Paris"), Since("sent_at", NOON))
    live = Live(by=by)

    live.add(messages)

    assert live.tally().by == tally(messages, by=by).by
    assert live.tally().cells == tally(messages, by=by).cells


# --- what people did -------------------------------------------------------------------------------


def test_an_id_tells_an_event_from_its_double():
    """Events of one kind with one id are one; the same id of another kind is another event."""
    live = following("sent")

    live.apply_many(2 * [Click(message_id="m0", clicked_at=NOON, click_id="1")])
    live.apply_many(2 * [Reply(message_id="m0", received_at=NOON, reply_id="1")])
    live.apply_many(2 * [Order(message_id="m0", ordered_at=NOON, order_id="1", revenue=Decimal(2), currency="EUR")])
    live.apply_many(2 * [OptOut(message_id="m0", opted_out_at=NOON)])

    sums = Sums(n=1, clicks=1, clicked=1, replies=1, replied=1, orders=1, converted=1, opted_out=1)
    assert live.tally().cells == {(): {Cell("sent"): sums}}
    assert live.tally().money == {(): {("revenue", "EUR"): 2_000_000}}


def test_without_an_id_each_event_counts():
    """What cannot be told apart is counted each time; messages still count once."""
    live = following("sent")

    live.apply_many(2 * [Click(message_id="m0", clicked_at=NOON)])
    live.apply_many(2 * [Reply(message_id="m0", received_at=NOON, keyword=Keyword.OPT_OUT)])
    live.apply_many(2 * [Order(message_id="m0", ordered_at=NOON, assisted=True)])

    sums = Sums(n=1, clicks=2, clicked=1, stop_replies=2, assisted_orders=2)
    assert live.tally().cells == {(): {Cell("sent"): sums}}


def test_what_a_message_brings_along_is_counted():
    """Counts and money of a message are there from the start, and events add to them."""
    live = Live()
    known = {"replies": 1, "stop_replies": 1, "clicks": 2, "opted_out": True, "orders": 1, "assisted_orders": 1}
    message = Message(message_id="m0", status="sent", segments=2, price=Decimal(1), currency="EUR", **known)

    live.add([message])
    assert live.tally() == tally([message])
    live.apply(Click(message_id="m0", clicked_at=NOON))

    assert live.tally().cells[()][Cell("sent")].clicks == 3


def test_what_no_message_gives_is_not_recorded():
    """Segments and prices are not recorded unless messages give them; what comes back always is."""
    assert {"segments", "price", "people"} == {*following("sent").tally().unmeasured}
