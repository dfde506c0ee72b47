"""Tables of what came back: what they add, and the sentence where they cannot."""

from __future__ import annotations

import types
from decimal import Decimal

import pandas as pd
import polars as pl
import pytest

from campaignkit.cells import EVENTS, Cell, People, PeopleCounts, Sums
from campaignkit.errors import InvalidColumn, InvalidValue
from campaignkit.grouping import Since, days, hours
from campaignkit.models import Click, Message, OptOut, Order, Reply
from campaignkit.summary import summarize, tally
from strategies import NOON

NAIVE = NOON.replace(tzinfo=None)
NAN = float("nan")
SENT = [Message(status="sent", variant="a", contact_id="ana"), Message(status="sent", variant="b", contact_id="ben")]
MOMENTS = {"replies": "received_at", "clicks": "clicked_at", "opt_outs": "opted_out_at", "orders": "ordered_at"}
CLICK = {"clicked_at": NOON, "message_id": "m1"}
REPLY = {"received_at": NOON, "message_id": "m1"}
ORDER = {"ordered_at": NOON, "message_id": "m1"}


def added(**tables):
    """Return the sums that event tables add to messages without groups."""
    return tally(SENT, **tables).cells[()][EVENTS]


# --- what is refused, by table and row -----------------------------------------------------------

REFUSED = {
    **{
        f"{name} without a moment": (
            lambda name=name: tally(SENT, **{name: [{"message_id": "m1"}]}),
            f"{name} row 0: has no {column}: every event needs the moment it happened",
        )
        for name, column in MOMENTS.items()
    },
    "a moment as text": (
        lambda: tally(SENT, clicks=[CLICK, {**CLICK, "clicked_at": "today"}]),
        (
            "clicks row 1: clicked_at is 'today': must be a datetime;"
            " parse it, for example with datetime.fromisoformat()"
        ),
    ),
    "a naive moment": (
        lambda: tally(SENT, clicks=[{**CLICK, "clicked_at": NAIVE}]),
        (
            "clicks row 0: clicked_at is datetime.datetime(2026, 11, 21, 12, 0): has no time zone;"
            " give an aware datetime, like datetime.now(timezone.utc)"
        ),
    ),
    "no column to group by": (
        lambda: tally(SENT, by="variant", clicks=[CLICK]),
        (
            "clicks row 0: there is no 'variant': clicks need the columns of by=;"
            " join them once with read_log(...).attach(...)"
        ),
    ),
    "no field to group by": (
        lambda: tally(SENT, by=hours("sent_at", zone="UTC"), replies=[Reply(received_at=NOON, message_id="m1")]),
        (
            "replies row 0: there is no 'sent_at': replies need the columns of by=;"
            " join them once with read_log(...).attach(...)"
        ),
    ),
    "a naive moment to group by": (
        lambda: tally(SENT, by=days("sent_at", zone="UTC"), clicks=[{**CLICK, "sent_at": NAIVE}]),
        (
            "clicks row 0: sent_at is datetime.datetime(2026, 11, 21, 12, 0): has no time zone;"
            " give an aware datetime, like datetime.now(timezone.utc)"
        ),
    ),
    "neither message nor contact": (
        lambda: tally(SENT, clicks=[{"clicked_at": NOON, "message_id": NAN}]),
        ("clicks row 0: has neither message_id nor contact_id: one is needed to count messages; attach() it"),
    ),
    "no person": (
        lambda: tally(SENT, people="contact_id", clicks=[CLICK]),
        "clicks row 0: has no contact_id: people are counted by it; fill it, or leave people= out",
    ),
    "an unknown keyword": (
        lambda: tally(SENT, replies=[{**REPLY, "keyword": "STOP"}]),
        ("replies row 0: keyword is 'STOP': must be one of opt_out, opt_in, help; match_keyword() finds it in a text"),
    ),
    "a flag as text": (
        lambda: tally(SENT, orders=[{**ORDER, "assisted": "False"}]),
        "orders row 0: assisted is 'False': must be True or False; convert it first",
    ),
    "revenue as float": (
        lambda: tally(SENT, orders=[{**ORDER, "revenue": 0.5, "currency": "EUR"}]),
        ('orders row 0: revenue is 0.5: money is never a float; give a Decimal made from text, like Decimal("0.0079")'),
    ),
    "revenue without a currency": (
        lambda: tally(SENT, orders=[{**ORDER, "revenue": Decimal(1)}]),
        'orders row 0: currency is None: must be three letters; give an ISO 4217 code, like "USD"',
    ),
    "a group that is a list": (
        lambda: tally([{"status": "sent", "variant": "a"}], by="variant", clicks=[{**CLICK, "variant": ["a"]}]),
        "clicks row 0 cannot be read: unhashable type: 'list'",
    ),
    "revenue that is NaN in a frame": (
        lambda: tally(SENT, orders=pl.DataFrame([{**ORDER, "revenue": NAN, "currency": "EUR"}])),
        "'revenue' is nan in row 0: money must be finite; use null for unknown",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_names_table_and_row(case):
    """One sentence names the table, the row, the value, the rule and the remedy."""
    call, sentence = REFUSED[case]

    with pytest.raises(InvalidValue) as error:
        call()

    assert sentence == str(error.value)


TWICE = {
    "replies": ({"replies": 0}, "replies", REPLY),
    "stop_replies": ({"stop_replies": 0}, "replies", REPLY),
    "clicks": ({"clicks": 0}, "clicks", CLICK),
    "opted_out": ({"opted_out": False}, "opt_outs", {"opted_out_at": NOON, "message_id": "m1"}),
    "orders": ({"orders": 0}, "orders", ORDER),
    "assisted_orders": ({"assisted_orders": 0}, "orders", ORDER),
    "revenue": ({"revenue": Decimal(1), "currency": "EUR"}, "orders", ORDER),
    "assisted_revenue": ({"assisted_revenue": Decimal(1), "currency": "EUR"}, "orders", ORDER),
}


@pytest.mark.parametrize("column", TWICE)
def test_what_is_given_twice_is_refused(column):
    """A table and a column of the messages that say the same are refused, rows and frames alike."""
    fields, name, event = TWICE[column]
    sentence = f"{name} are given twice: by {name}= and by the column '{column}' of the messages; leave one out"

    for rows in ([Message(status="sent", **fields)], pd.DataFrame([{"status": "sent", **fields}])):
        with pytest.raises(InvalidColumn) as error:
            tally(rows, **{name: [event]})
        assert sentence == str(error.value)


# --- what is counted -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tables", "sums"),
    [
        ({"replies": [REPLY, REPLY, {**REPLY, "message_id": "m2"}]}, Sums(replies=3, replied=2)),
        ({"replies": [REPLY, {**REPLY, "keyword": "opt_out"}]}, Sums(replies=1, replied=1, stop_replies=1)),
        ({"replies": [{**REPLY, "keyword": "help"}, {**REPLY, "keyword": ""}]}, Sums(replies=2, replied=1)),
        ({"clicks": [CLICK, {"clicked_at": NOON, "contact_id": "ana"}]}, Sums(clicks=2, clicked=2)),
        ({"clicks": [CLICK, {"clicked_at": NOON, "contact_id": "m1"}]}, Sums(clicks=2, clicked=2)),
        (
            {"clicks": [{**CLICK, "message_id": 0}, {**CLICK, "message_id": "", "contact_id": 0}]},
            Sums(clicks=2, clicked=2),
        ),
        ({"opt_outs": [OptOut(opted_out_at=NOON, contact_id="ana")] * 2}, Sums(opted_out=1)),
        (
            {"orders": [ORDER, {**ORDER, "assisted": True}, {**ORDER, "assisted": 0}]},
            Sums(orders=2, converted=1, assisted_orders=1),
        ),
        ({"clicks": []}, None),
    ],
)
def test_events_are_counted_and_the_messages_they_are_about(tables, sums):
    """Events count each, messages once; stops and assisted orders stand apart."""
    assert sums == tally(SENT, **tables).cells[()].get(EVENTS)


def test_doubled_rows_of_a_table_are_counted_twice():
    """A table is taken as it is: a row that comes twice is two clicks on one message."""
    assert Sums(clicks=2, clicked=1) == added(clicks=[Click(clicked_at=NOON, message_id="m1", click_id="c1")] * 2)


def test_a_table_makes_a_column_measured():
    """What a table gives is recorded, 0 included; what no table gives is not."""
    summary = summarize(SENT, clicks=[], orders=[Order(ordered_at=NOON, message_id="m1")])

    assert (summary.counts.clicks, summary.counts.orders, summary.counts.replies) == (0, 1, None)
    assert (summary.counts.total, summary.counts.assisted_orders) == (2, 0)


def test_revenue_is_added_by_kind_and_currency():
    """Orders bring revenue, assisted ones apart; a revenue that is not known adds nothing."""
    orders = [
        Order(ordered_at=NOON, message_id="m1", revenue=Decimal("9.99"), currency="EUR"),
        Order(ordered_at=NOON, message_id="m1", revenue=Decimal("0.01"), currency="EUR"),
        Order(ordered_at=NOON, message_id="m1", revenue=Decimal(5), currency="USD", assisted=True),
        Order(ordered_at=NOON, message_id="m2"),
    ]
    priced = [Message(status="sent", price=Decimal(1), currency="EUR")]

    assert tally(priced, orders=orders).money == {
        (): {("cost", "EUR"): 1_000_000, ("revenue", "EUR"): 10_000_000, ("assisted_revenue", "USD"): 5_000_000}
    }


def test_events_are_grouped_as_messages_are():
    """Events fall into the groups of their own columns; a group of events alone has no messages."""
    clicks = [{**CLICK, "variant": each} for each in ("a", "a", "c", NAN)]

    table = tally(SENT, by="variant", clicks=clicks)

    assert {group: cells[EVENTS].clicks for group, cells in table.cells.items() if EVENTS in cells} == {
        ("a",): 2,
        ("c",): 1,
        (None,): 1,
    }
    assert table.cells[("b",)] == {Cell("sent"): Sums(n=1)}


def test_events_are_grouped_by_moments_in_the_given_zone():
    """Naive moments of events are in the zone of timezone=, also those grouped by; never is a group."""
    rows = [{"status": "sent", "sent_at": NAIVE}, {"status": "pending", "sent_at": None}]
    clicks = [{"clicked_at": NAIVE, "message_id": "m1", "sent_at": each} for each in (NAIVE, None, NAN)]

    for by in (hours("sent_at", zone="Asia/Tokyo"), Since("sent_at", NOON)):
        table = tally(rows, by=by, clicks=clicks, timezone="America/New_York")

        assert [cells[EVENTS].clicks for cells in table.cells.values()] == [1, 2]
        assert table.as_of == NOON.replace(hour=17)


def test_the_latest_event_is_the_latest_moment():
    """as_of is the latest moment of messages and events together."""
    earlier = NOON.replace(hour=1)
    messages = [Message(status="sent", sent_at=NOON)]

    assert tally(messages, clicks=[{**CLICK, "clicked_at": earlier}]).as_of == NOON
    assert tally(SENT, clicks=[{**CLICK, "clicked_at": earlier}]).as_of == earlier
    assert tally(SENT, clicks=[]).as_of is None


def test_events_without_messages_are_a_table_too():
    """Events may be counted where there are no messages."""
    table = tally([], by="variant", clicks=[{**CLICK, "variant": "a"}])

    assert table.cells == {("a",): {EVENTS: Sums(clicks=1, clicked=1)}}


def test_objects_need_the_columns_they_have():
    """Any object with the fields is an event; what it lacks is not known."""
    event = types.SimpleNamespace(received_at=NOON, contact_id="ana")

    assert Sums(replies=1, replied=1) == added(replies=[event])


# --- people --------------------------------------------------------------------------------------


def test_people_of_events_are_those_that_count():
    """A stop is no reply, and an assisted order no conversion, of people as of messages."""
    known = {"contact_id": "ana", "variant": "a"}
    tables = {
        "replies": [{**REPLY, **known, "keyword": "opt_out"}, {**REPLY, "contact_id": "ben", "variant": "b"}],
        "orders": [{**ORDER, **known, "assisted": True}, {**ORDER, **known}, {**ORDER, **known}],
        "opt_outs": [],
    }

    table = tally(SENT, by="variant", people="contact_id", **tables)

    sent = {"recipients": 1, "unique_sends": 1, "unique_deliveries": 0, "unsubscribers": 0}
    assert table.people == {
        ("a",): PeopleCounts(**sent, repliers=0, converters=1),
        ("b",): PeopleCounts(**sent, repliers=1, converters=0),
    }


def test_people_that_were_not_asked_for_are_not_counted():
    """Events need no person where People(...) does not ask for the count they give."""
    table = tally(SENT, people=People("contact_id", ("recipients",)), clicks=[CLICK])

    assert table.people == {(): PeopleCounts(recipients=2)}
