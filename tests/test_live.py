"""Messages whose receipts still arrive, counted by hand at each step."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from campaignkit.cells import Cell, Sums
from campaignkit.errors import AmbiguousCode, InvalidColumn, InvalidValue
from campaignkit.grouping import Since, days
from campaignkit.latency import latency_bucket
from campaignkit.live import Live
from campaignkit.models import Click, Keyword, Message, OptOut, Order, Receipt, Reply
from campaignkit.summary import read_tally, tally
from strategies import NOON, moment


def queued(message_id="m1", **fields):
    """Return a message that a carrier took."""
    return Message(**{"message_id": message_id, "status": "queued", **fields})


def says(status, message_id="m1", *, at=None, **fields):
    """Return a receipt, some seconds after noon."""
    return Receipt(status=status, message_id=message_id, at=moment(at), **fields)


def following(*messages, parts=1, **asked):
    """Return a live tally of messages; of one message, when none is given."""
    live = Live(**asked)
    live.add(messages or [queued()], parts=parts)
    return live


def cells(live):
    """Return the cells without groups."""
    return live.tally().cells.get((), {})


def statuses(live):
    """Return how many messages are in each status."""
    return {cell.status: sums.n for cell, sums in cells(live).items()}


def only(live):
    """Return the cell of the one message that is followed."""
    (cell,) = cells(live)
    return cell


# --- adding ------------------------------------------------------------------------------------


def test_nothing_is_followed_at_first():
    """A new live tally is empty and has no moment."""
    live = Live(by="variant")

    assert (len(live), live.tally().cells, live.tally().by, live.tally().as_of) == (0, {}, ("variant",), None)


def test_len_is_the_messages_followed():
    """Messages count once, and those that only events tell of do not."""
    live = following(queued("m1"), queued("m2"))
    live.add([queued("m2"), queued("m3")])
    live.apply(says("delivered", "m4"))

    assert len(live) == 3


def test_a_message_that_is_followed_is_left_as_it_is():
    """Adding a message again changes neither status, price nor group."""
    live = following(queued(price=Decimal(1), currency="EUR", variant="a"), by="variant")
    live.apply(says("delivered"))
    before = live.tally()

    live.add([Message(message_id="m1", status="undelivered", price=Decimal(5), currency="EUR", variant="b")])

    assert before == live.tally()


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        (
            [Message(status="sent", to="+12025550143")],
            "message to '+12025550143' has no message_id: receipts find it by that; give one",
        ),
        (
            [queued("m1", segments=1), queued("m2")],
            "segments is None for message 'm2' and otherwise for those before: give it for every message or for none",
        ),
        (
            [queued("m1"), queued("m2", segments=2)],
            "segments is 2 for message 'm2' and otherwise for those before: give it for every message or for none",
        ),
        (
            [queued("m1"), Message(message_id="m2", status="skipped", sent_at=NOON)],
            (
                "message 'm2' is skipped, but has sent_at: a skipped message was never handed over;"
                " correct its status or leave sent_at empty"
            ),
        ),
    ],
    ids=["no id", "no segments", "segments", "skipped and sent"],
)
def test_what_cannot_be_followed_is_refused(messages, sentence):
    """The sentence names the message; it is not followed, and those before it are."""
    live = Live()

    with pytest.raises(InvalidValue) as refused:
        live.add(messages)

    assert str(refused.value) == sentence
    assert len(live) == len(messages) - 1 == sum(statuses(live).values())


@pytest.mark.parametrize(("segments", "expected"), [((0, 3), 3), ((0, 0), 0), ((None, None), None)])
def test_segments_are_counted_when_every_message_has_them(segments, expected):
    """Given for all they are added up, 0 included; given for none they are not measured."""
    live = following(*(queued(f"m{place}", segments=each) for place, each in enumerate(segments)))

    assert expected == read_tally(live.tally()).counts.segments


@pytest.mark.parametrize(
    ("asked", "kind", "sentence"),
    [
        ({"by": "colour"}, InvalidColumn, "no field 'colour' in Message; nearest: "),
        ({"by": days("variant", zone="UTC")}, InvalidColumn, "'variant' of Message is no moment: "),
        ({"by": ["variant", "variant"]}, InvalidValue, "by names 'variant' twice: "),
        (
            {"conflict_policy": "newest"},
            InvalidValue,
            "conflict_policy is 'newest': give positive_wins or negative_wins",
        ),
        ({"profile": "nobody"}, InvalidValue, "profile is 'nobody': "),
    ],
)
def test_options_are_checked_at_once(asked, kind, sentence):
    """A live tally with a wrong option is not made."""
    with pytest.raises(kind) as refused:
        Live(**asked)

    assert str(refused.value).startswith(sentence)


def test_groups_are_of_the_message():
    """A column and a time bucket group messages, and what comes later is in their groups."""
    by = ["variant", days("sent_at", zone="Asia/Tokyo")]
    live = following(queued("m1", variant="a", sent_at=NOON), queued("m2", sent_at=moment(11_000)), queued("m3"), by=by)
    live.apply_many([says("delivered", "m1"), Click(message_id="m2", clicked_at=NOON)])

    found = {
        (variant, day and day.isoformat()): [(cell.status, sums.n, sums.clicks) for cell, sums in each.items()]
        for (variant, day), each in live.tally().cells.items()
    }

    assert live.tally().by == ("variant", "sent_at_day")
    assert found == {
        ("a", "2026-11-21T00:00:00+09:00"): [("delivered", 1, 0)],
        (None, "2026-11-22T00:00:00+09:00"): [("queued", 1, 1)],
        (None, None): [("queued", 1, 0)],
    }


def test_groups_may_be_what_is_recent():
    """Since a moment is a group as well."""
    live = following(queued("m1", sent_at=NOON), queued("m2", sent_at=moment(-1)), by=Since("sent_at", NOON))

    assert set(live.tally().cells) == {(True,), (False,)}


# --- receipts ----------------------------------------------------------------------------------

RECEIPTS = [says("sent", at=1), says("delivered", at=9), says("read", at=20), says("nonsense"), says("failed", "m2")]


def test_apply_many_is_apply_in_a_loop():
    """Both take in the same, words that nobody knows and messages that are missing included."""
    one, other = following(), following()

    for receipt in RECEIPTS:
        one.apply(receipt)
    other.apply_many(iter(RECEIPTS))

    assert one.tally() == other.tally()
    assert one.waiting == other.waiting == {"m2": [RECEIPTS[-1]]}
    assert one.unknown_words == other.unknown_words == {"nonsense": 1}


def test_events_wait_for_their_message():
    """What comes before its message is shown as waiting and counts when the message is added."""
    early = [says("delivered", at=5), Click(message_id="m1", clicked_at=NOON), says("read", "m2")]
    live = Live()
    live.apply_many(early)
    assert live.waiting == {"m1": early[:2], "m2": early[2:]}
    assert cells(live) == {}

    live.add([queued(sent_at=NOON)])

    assert cells(live) == {Cell("delivered"): Sums(n=1, clicks=1, clicked=1)}
    assert live.tally().latency == {(): {latency_bucket(5000): 1}}
    assert live.waiting == {"m2": early[2:]}


@pytest.mark.parametrize("event", [Receipt(status="sent"), Click(clicked_at=NOON)], ids=["receipt", "click"])
def test_events_without_message_wait_under_the_empty_id(event):
    """What says no message is kept."""
    live = following()

    live.apply(event)

    assert live.waiting == {"": [event]}
    assert statuses(live) == {"queued": 1}


def test_unknown_words_are_counted_and_have_no_effect():
    """Each time a word in no table comes, it is counted; the message stays where it is."""
    live = following(queued(carrier="twilio"))

    live.apply_many([says("teleported"), says("teleported"), says("beamed", carrier="infobip"), says("sent")])

    assert live.unknown_words == {"teleported": 2, "beamed": 1}
    assert only(live) == Cell("sent", "twilio")


@pytest.mark.parametrize("status", ["pending", "skipped", "refused", "unknown"])
def test_words_that_no_carrier_says_have_no_effect(status):
    """Our own words for what was never handed over are no receipts."""
    live = following()

    live.apply(says(status))

    assert statuses(live) == {"queued": 1}
    assert live.unknown_words == {status: 1}


AMBIGUOUS = says("failed", carrier="vonage", error_code="6")


def test_an_ambiguous_receipt_is_refused():
    """A code with two meanings raises, and nothing changed."""
    live = following()
    before = live.tally()

    with pytest.raises(AmbiguousCode, match="vonage code is '6'"):
        live.apply(says("failed", at=5, carrier="vonage", error_code="6"))

    assert before == live.tally()


def test_an_ambiguous_receipt_that_waited_costs_no_other():
    """What waits behind a receipt that is refused still waits, and counts when the message is added again."""
    live, message = Live(), queued()
    live.apply_many([says("sent"), AMBIGUOUS, says("delivered")])

    with pytest.raises(AmbiguousCode):
        live.add([message])
    assert (statuses(live), live.waiting) == ({"sent": 1}, {"m1": [says("delivered")]})

    live.add([message])
    assert (statuses(live), live.waiting) == ({"delivered": 1}, {})


@pytest.mark.parametrize(
    ("own", "named", "cell"),
    [
        ("twilio", None, Cell("undelivered", "twilio", "30003")),
        ("twilio", "Twilio", Cell("undelivered", "twilio", "30003")),
        (None, "twilio", Cell("undelivered", None, "30003")),
    ],
)
def test_receipts_speak_for_the_carrier_of_their_message(own, named, cell):
    """The message's carrier is read where the receipt names none, and is the one that is counted."""
    live = following(queued(carrier=own))

    live.apply(says("failed", carrier=named, error_code="30003"))

    assert only(live) == cell


def test_words_are_the_carriers():
    """The word is looked up at the carrier of the message when the receipt names none."""
    ours, theirs = following(), following(queued(carrier="infobip"))

    for live in (ours, theirs):
        live.apply(says("DELIVERED_TO_HANDSET"))

    assert (statuses(ours), statuses(theirs)) == ({"queued": 1}, {"delivered": 1})


@pytest.mark.parametrize(
    ("parts", "receipts", "cell"),
    [
        (1, [("delivered", 0)], Cell("delivered")),
        (2, [("delivered", 0)], Cell("sent")),
        (2, [("sent", 0)], Cell("sent")),
        (2, [("delivered", 0), ("undelivered", 1)], Cell("undelivered", None, "partly_delivered")),
        (2, [("undelivered", 1), ("delivered", 0), ("delivered", 1)], Cell("delivered")),
        (2, [("read", 0), ("delivered", 1)], Cell("delivered")),
        (2, [("read", 0), ("read", 1)], Cell("read")),
        (2, [("undelivered", 0)], Cell("undelivered")),
    ],
)
def test_parts_make_one_message(parts, receipts, cell):
    """A message has arrived when all its parts have; some parts are partly delivered."""
    live = following(parts=parts)

    live.apply_many(says(status, part=part) for status, part in receipts)

    assert only(live) == cell


@pytest.mark.parametrize(("policy", "status"), [("positive_wins", "delivered"), ("negative_wins", "undelivered")])
@pytest.mark.parametrize("order", [1, -1])
def test_conflicts_are_settled_by_the_policy(policy, status, order):
    """Of delivered and undelivered the policy chooses, whichever came first."""
    live = following(conflict_policy=policy)

    live.apply_many([says("delivered"), says("undelivered")][::order])

    assert statuses(live) == {status: 1}


FIRST = {  # the first status, and what receipts make of it
    "skipped": ("skipped", "delivered", "undelivered"),
    "pending": ("pending", "delivered", "undelivered"),
    "canceled": ("canceled", "delivered", "undelivered"),
    "refused": ("refused", "delivered", "undelivered"),
    "unknown": ("unknown", "delivered", "undelivered"),
    "queued": ("queued", "delivered", "undelivered"),
    "sent": ("sent", "delivered", "undelivered"),
    "delivered": ("delivered", "delivered", "delivered"),
    "read": ("read", "read", "read"),
    "undelivered": ("undelivered", "delivered", "undelivered"),
}


@pytest.mark.parametrize("first", FIRST)
def test_a_first_status_stands_until_a_receipt_tells_more(first):
    """Without receipts the status is the message's own; a receipt proves that it was handed over after all."""
    bare, arrived, failed = (following(Message(message_id="m1", status=first)) for _ in range(3))

    arrived.apply(says("delivered"))
    failed.apply(says("undelivered"))

    assert FIRST[first] == (only(bare).status, only(arrived).status, only(failed).status)


@pytest.mark.parametrize("reason", ["quiet_hours", None])
def test_a_skipped_message_keeps_its_reason_until_a_receipt_comes(reason):
    """The reason is the cell's code; a receipt shows that it was sent, and the reason is gone."""
    live = following(Message(message_id="m1", status="skipped", skip_reason=reason, carrier="twilio"))
    assert only(live) == Cell("skipped", "twilio", reason)

    live.apply(says("sent"))

    assert only(live) == Cell("sent", "twilio")


def test_a_refused_message_keeps_its_code():
    """The carrier's code at submission is the cell's."""
    live = following(Message(message_id="m1", status="refused", carrier="twilio", error_code="21211"))

    assert only(live) == Cell("refused", "twilio", "21211")


@pytest.mark.parametrize("status", ["pending", "unknown", "canceled", "refused"])
def test_sent_at_says_that_it_was_handed_over(status):
    """A message with sent_at is handed off although its status does not say so, until a receipt says it."""
    live = following(Message(message_id="m1", status=status, sent_at=NOON))
    assert cells(live) == {Cell(status): Sums(n=1, handed_off=1)}

    live.apply(says("sent"))

    assert cells(live) == {Cell("sent"): Sums(n=1)}


# --- moments -----------------------------------------------------------------------------------


def test_latency_moves_to_the_earliest_delivery():
    """A positive receipt of an earlier moment moves the latency, also when the status stays; a later one does not."""
    live = following(queued(sent_at=NOON))
    seen = []

    for receipt in [
        says("delivered"),
        says("delivered", at=60),
        says("delivered", at=30),
        says("read", at=90),
        says("read", at=10),
        says("delivered", received_at=moment(5)),
        says("undelivered", at=1),
        says("delivered", at=5),
    ]:
        live.apply(receipt)
        seen.append(live.tally().latency.get((), {}))

    after = [60, 30, 30, 10, 5, 5, 5]
    assert seen == [{}, *({latency_bucket(1000 * seconds): 1} for seconds in after)]


@pytest.mark.parametrize("seconds", [0.001, 0.0019994, -0.0000001, -5])
def test_latency_is_that_of_rows(seconds):
    """Fractions of milliseconds and deliveries before the sending fall where rows put them."""
    message = queued(sent_at=NOON, delivered_at=NOON + dt.timedelta(seconds=seconds))

    assert tally([message]).latency == following(message).tally().latency


def test_a_message_may_begin_delivered():
    """The message's own delivered_at counts, and an earlier receipt moves it."""
    live = following(Message(message_id="m1", status="delivered", sent_at=NOON, delivered_at=moment(8)))

    live.apply_many([says("delivered", at=9), says("delivered", at=4)])

    assert live.tally().latency == {(): {latency_bucket(4000): 1}}


def test_without_sent_at_there_is_no_latency():
    """Two times are needed."""
    live = following()

    live.apply_many([says("delivered", at=9), says("delivered", at=4)])

    assert live.tally().latency == {}


@pytest.mark.parametrize(
    "event",
    [
        says("sent", at=9),
        says("nonsense", at=9),
        Receipt(status="sent", message_id="m1", received_at=moment(9)),
        Reply(message_id="m1", received_at=moment(9)),
        Click(message_id="m1", clicked_at=moment(9)),
        OptOut(message_id="m1", opted_out_at=moment(9)),
        Order(message_id="m1", ordered_at=moment(9)),
    ],
    ids=lambda event: type(event).__name__,
)
def test_as_of_is_the_latest_moment(event):
    """Every event moves as_of, in UTC, and earlier ones do not move it back."""
    paris = dt.timezone(dt.timedelta(hours=1))
    live = following(queued(sent_at=NOON.astimezone(paris)))

    live.apply_many([event, says("sent", at=3), says("sent")])

    assert (live.tally().as_of, live.tally().as_of.tzinfo) == (moment(9), dt.UTC)


@pytest.mark.parametrize("name", ["sent_at", "delivered_at", "last_event_at"])
def test_as_of_knows_the_moments_of_messages(name):
    """The moments of the message itself count."""
    assert following(queued(**{name: NOON}), queued("m2")).tally().as_of == NOON


# --- replies, clicks, opt-outs, orders ---------------------------------------------------------


def came(kind, **fields):
    """Return an event of a kind about the message that is followed."""
    at = {Reply: "received_at", Click: "clicked_at", OptOut: "opted_out_at", Order: "ordered_at"}[kind]
    return kind(message_id="m1", **{at: NOON}, **fields)


TWICE = {
    "replies": (Reply, {}, "reply_id", Sums(replies=2, replied=1)),
    "stop replies": (Reply, {"keyword": Keyword.OPT_OUT}, "reply_id", Sums(stop_replies=2)),
    "other words": (Reply, {"keyword": Keyword.HELP}, "reply_id", Sums(replies=2, replied=1)),
    "clicks": (Click, {}, "click_id", Sums(clicks=2, clicked=1)),
    "orders": (Order, {}, "order_id", Sums(orders=2, converted=1)),
    "assisted": (Order, {"assisted": True}, "order_id", Sums(assisted_orders=2)),
}


@pytest.mark.parametrize("name", TWICE)
def test_events_with_ids_count_once(name):
    """Without ids each event counts; with them each id does, also when events waited."""
    kind, fields, identity, twice = TWICE[name]
    without, late = following(), following()
    early = Live()
    named = [came(kind, **fields, **{identity: each}) for each in ("x", "y", "x", "y", "x")]

    without.apply_many([came(kind, **fields)] * 2)
    late.apply_many(named)
    early.apply_many(named)
    early.add([queued()])

    expected = {Cell("queued"): twice._replace(n=1)}
    assert expected == cells(without) == cells(late) == cells(early)


def test_ids_are_of_their_kind():
    """A reply, a click and an order may have the same id."""
    live = following()

    live.apply_many([came(Reply, reply_id="x"), came(Click, click_id="x"), came(Order, order_id="x")])

    assert cells(live) == {Cell("queued"): Sums(n=1, replies=1, replied=1, clicks=1, clicked=1, orders=1, converted=1)}


def test_opting_out_twice_is_opting_out():
    """Opt-outs are of a message: true or not."""
    live = following()

    live.apply_many([came(OptOut), came(OptOut, text="STOP")])

    assert cells(live) == {Cell("queued"): Sums(n=1, opted_out=1)}


def test_events_add_to_what_the_message_had():
    """The message's own counts are the first, and stay when its status moves."""
    live = following(
        queued(replies=2, stop_replies=1, clicks=3, opted_out=True, orders=1, assisted_orders=1, segments=2)
    )

    live.apply_many([came(Click), says("delivered"), came(Reply), came(OptOut)])

    assert cells(live) == {
        Cell("delivered"): Sums(
            n=1,
            segments=2,
            replies=3,
            replied=1,
            stop_replies=1,
            clicks=4,
            clicked=1,
            opted_out=1,
            orders=1,
            converted=1,
            assisted_orders=1,
        )
    }


def test_equal_messages_add_up():
    """Messages in one cell are counted together, whatever they were before."""
    live = following(queued("m1", segments=1), *(queued(each, segments=2) for each in ("m2", "m3", "m4")))

    live.apply_many([says("sent", "m1"), says("delivered", "m1"), says("delivered", "m2"), came(Click)])
    live.apply_many(OptOut(message_id=each, opted_out_at=NOON) for each in ("m2", "m3", "m4"))

    assert cells(live) == {
        Cell("queued"): Sums(n=2, segments=4, opted_out=2),
        Cell("delivered"): Sums(n=2, segments=3, clicks=1, clicked=1, opted_out=1),
    }


def test_money_is_of_messages_and_orders():
    """Prices, revenue and assisted revenue are summed by currency; an order with an id pays once."""
    live = following(
        queued("m1", price=Decimal("0.0079"), currency="USD"),
        queued("m2", price=Decimal("0.05"), currency="EUR", revenue=Decimal(2), orders=1),
        queued("m3", variant="a"),
        by="variant",
    )

    live.apply_many(
        [
            *[came(Order, order_id="x", revenue=Decimal("9.99"), currency="USD")] * 2,
            *[came(Order, revenue=Decimal(1), currency="EUR")] * 2,
            came(Order, revenue=Decimal(4), currency="EUR", assisted=True),
            came(Order),
        ]
    )

    assert live.tally().money == {
        (None,): {
            ("cost", "USD"): 7_900,
            ("cost", "EUR"): 50_000,
            ("revenue", "EUR"): 4_000_000,
            ("revenue", "USD"): 9_990_000,
            ("assisted_revenue", "EUR"): 4_000_000,
        }
    }
    assert read_tally(live.tally().total()).counts.priced == 2
