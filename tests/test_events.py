"""Tables of what came back, counted by hand: replies, clicks, opt-outs, orders beside the messages."""

from __future__ import annotations

import datetime as dt
import types
from decimal import Decimal

import pandas as pd
import polars as pl
import pytest

from campaignkit.cells import EVENTS, People, PeopleCounts, Sums
from campaignkit.errors import InvalidColumn, InvalidValue
from campaignkit.grouping import days
from campaignkit.models import Click, Keyword, Message, OptOut, Order, Reply
from campaignkit.summary import summarize, tally
from strategies import NOON, moment

MOMENTS = {"replies": "received_at", "clicks": "clicked_at", "opt_outs": "opted_out_at", "orders": "ordered_at"}
TABLES = [*MOMENTS]
SENT = [Message(status="sent"), Message(status="delivered")]


def events(name, *rows, at=NOON):
    """Return an event table of mappings, each row at a moment unless it says when."""
    return {name: [{MOMENTS[name]: at, **row} for row in rows]}


def sums(**tables):
    """Return what event tables add to messages without groups."""
    return tally(SENT, **tables).cells[()][EVENTS]


def money(**tables):
    """Return what event tables add in money, in millionths."""
    return tally(SENT, **tables).money.get((), {})


def refusal(rows=SENT, **asked):
    """Return the sentence that a tally is refused with."""
    with pytest.raises(InvalidValue) as refused:
        tally(rows, **asked)
    return str(refused.value)


# --- what is counted ---------------------------------------------------------------------------

M1, M2 = {"message_id": "m1"}, {"message_id": "m2"}
STOP, HELP = {"keyword": "opt_out"}, {"keyword": "help"}
ASSISTED = {"assisted": True}

COUNTED = {
    "replies": ([M1, M1, M2], Sums(replies=3, replied=2)),
    "clicks": ([M1, M1, M2], Sums(clicks=3, clicked=2)),
    "opt_outs": ([M1, M1, M2], Sums(opted_out=2)),
    "orders": ([M1, M1, M2], Sums(orders=3, converted=2)),
}


@pytest.mark.parametrize("name", COUNTED)
def test_events_and_the_messages_they_are_about_are_counted(name):
    """Three events about two messages are three events and two messages."""
    rows, expected = COUNTED[name]

    assert expected == sums(**events(name, *rows))


@pytest.mark.parametrize("name", TABLES)
def test_contact_stands_for_the_message(name):
    """Events that do not say which message count one message for each contact."""
    ben, ana = {"contact_id": "ben"}, {"contact_id": "ana", "message_id": None}

    assert COUNTED[name][1] == sums(**events(name, ben, ben, ana))


@pytest.mark.parametrize("empty", [None, "", float("nan")])
def test_contact_stands_for_an_empty_message_id(empty):
    """A message_id that is null, NaN or empty is none."""
    table = events("clicks", {"message_id": empty, "contact_id": "ana"}, {"message_id": empty, "contact_id": "ben"})

    assert Sums(clicks=2, clicked=2) == sums(**table)


def test_ids_of_messages_and_contacts_do_not_mix():
    """A message and a contact with the same id are two; an id of 0 is an id."""
    about = [{"message_id": 0}, {"contact_id": 0}, {"message_id": 1, "contact_id": 0}]

    assert Sums(clicks=3, clicked=3) == sums(**events("clicks", *about))


@pytest.mark.parametrize("who", [{}, {"message_id": None}, {"message_id": "", "contact_id": ""}])
@pytest.mark.parametrize("name", TABLES)
def test_an_event_about_nobody_is_refused(name, who):
    """An event with neither id cannot be counted, and the sentence says which."""
    assert refusal(**events(name, M1, who)) == (
        f"{name} row 1: has neither message_id nor contact_id: one is needed to count messages; attach() it"
    )


def test_stop_replies_are_apart():
    """Opt-outs are no answers, whether the word is text or a Keyword; other words and none are answers."""
    table = events("replies", {**M1, **STOP}, {**M2, "keyword": Keyword.OPT_OUT}, {**M2, **HELP}, M2, {**M2, **STOP})

    assert Sums(replies=2, replied=1, stop_replies=3) == sums(**table)


@pytest.mark.parametrize("empty", [None, "", float("nan")])
def test_reply_without_keyword_is_an_answer(empty):
    """An empty keyword of any kind is none."""
    assert Sums(replies=1, replied=1) == sums(**events("replies", {**M1, "keyword": empty}))


def test_keyword_must_be_ours():
    """The text of a reply is no keyword."""
    assert refusal(**events("replies", {**M1, "keyword": "STOP"})) == (
        "replies row 0: keyword is 'STOP': must be one of opt_out, opt_in, help; match_keyword() finds it in a text"
    )


def test_assisted_orders_are_apart():
    """An assisted order converts no message and needs none; its revenue is a kind of its own."""
    table = events(
        "orders",
        {**M1, "revenue": Decimal("10.50"), "currency": "EUR"},
        {**M1, "revenue": 2, "currency": "eur", "assisted": False},
        {**M2, "revenue": Decimal("0.000001"), "currency": "USD"},
        {**ASSISTED, "revenue": Decimal(7), "currency": "EUR"},
        {**M2, "revenue": None, "assisted": None},
    )

    assert Sums(orders=4, converted=2, assisted_orders=1) == sums(**table)
    assert money(**table) == {
        ("revenue", "EUR"): 12_500_000,
        ("revenue", "USD"): 1,
        ("assisted_revenue", "EUR"): 7_000_000,
    }


def test_assisted_must_be_true_or_false():
    """A word is not taken for true."""
    assert refusal(**events("orders", {**M1, "assisted": "no"})) == (
        "orders row 0: assisted is 'no': must be True or False; convert it first"
    )


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        ({"revenue": 3}, 'currency is None: must be three letters; give an ISO 4217 code, like "USD"'),
        (
            {"revenue": 3.5, "currency": "EUR"},
            'revenue is 3.5: money is never a float; give a Decimal made from text, like Decimal("0.0079")',
        ),
    ],
)
def test_revenue_must_be_exact_and_have_a_currency(order, sentence):
    """Revenue without currency, and floats, are refused with the row."""
    assert refusal(**events("orders", M1, {**M1, **order})) == f"orders row 1: {sentence}"


# --- moments -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLES)
def test_naive_moments_need_a_zone(name):
    """A naive moment is refused, and with timezone= it is read in that zone."""
    naive = NOON.replace(tzinfo=None)

    assert f"{name} row 0: {MOMENTS[name]} is {naive!r}: has no time zone;" in refusal(**events(name, M1, at=naive))
    assert tally(SENT, timezone="Europe/Paris", **events(name, M1, at=naive)).as_of == moment(-3600)


def test_zone_is_for_naive_moments_only():
    """An aware moment keeps its own zone."""
    assert tally(SENT, timezone="Europe/Paris", **events("clicks", M1)).as_of == NOON


@pytest.mark.parametrize("empty", [None, pd.NaT, float("nan")])
@pytest.mark.parametrize("name", TABLES)
def test_an_event_without_a_moment_is_refused(name, empty):
    """Every event happened at some moment."""
    assert refusal(**events(name, M1, at=empty)) == (
        f"{name} row 0: has no {MOMENTS[name]}: every event needs the moment it happened"
    )


def test_a_moment_must_be_one():
    """Text is not parsed."""
    assert refusal(**events("clicks", M1, at="2026-11-21")).startswith(
        "clicks row 0: clicked_at is '2026-11-21': must be a datetime;"
    )


@pytest.mark.parametrize(("sent", "clicked", "replied"), [(3, 2, 1), (1, 3, 2), (2, 1, 3), (None, 3, 1)])
def test_as_of_is_the_latest_moment_of_all_tables(sent, clicked, replied):
    """Messages and every event table have a say, in UTC."""
    paris = dt.timezone(dt.timedelta(hours=1))
    clicks = [Click(message_id="m1", clicked_at=moment(at).astimezone(paris)) for at in (clicked, 0)]

    table = tally(
        [Message(status="sent", sent_at=moment(sent))],
        clicks=clicks,
        **events("replies", M1, at=moment(replied)),
    )

    assert (table.as_of, table.as_of.tzinfo) == (moment(3), dt.UTC)


def test_as_of_of_the_caller_stands():
    """A given as_of is kept, whatever the events say."""
    assert tally(SENT, as_of=moment(-9), **events("clicks", M1)).as_of == moment(-9)


# --- empty and double --------------------------------------------------------------------------

MEASURED = {
    "replies": {"replies", "replied", "stop_replies"},
    "clicks": {"clicks", "clicked"},
    "opt_outs": {"opted_out"},
    "orders": {"orders", "converted", "assisted_orders"},
}


@pytest.mark.parametrize("table", [[], pd.DataFrame(), pl.DataFrame()], ids=["list", "pandas", "polars"])
@pytest.mark.parametrize("name", TABLES)
def test_an_empty_table_is_a_measurement(name, table):
    """A table without events makes its counts 0; those of the tables that are not given are None."""
    counts = summarize(SENT, **{name: table}).counts

    assert {each: 0 if each in MEASURED[name] else None for names in MEASURED.values() for each in names} == {
        each: getattr(counts, each) for names in MEASURED.values() for each in names
    }


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("replies", "replies", 0),
        ("replies", "stop_replies", 1),
        ("clicks", "clicks", 0),
        ("opt_outs", "opted_out", False),
        ("orders", "orders", 2),
        ("orders", "assisted_orders", 0),
        ("orders", "revenue", Decimal(1)),
        ("orders", "assisted_revenue", Decimal(1)),
    ],
)
def test_a_table_and_a_column_for_the_same_are_refused(name, column, value):
    """What is given twice would count twice."""
    rows = [{"status": "sent", column: value, "currency": "EUR"}]

    assert refusal(rows, **{name: []}) == (
        f"{name} are given twice: by {name}= and by the column {column!r} of the messages; leave one out"
    )


def test_price_and_other_columns_go_with_every_table():
    """Columns that say something else than the table are kept beside it."""
    rows = [Message(status="sent", replies=1, stop_replies=0, price=Decimal(1), currency="EUR")]

    summary = summarize(rows, **events("orders", {**M1, "revenue": 5, "currency": "EUR"}))

    assert (summary.counts.replied, summary.counts.orders, summary.counts.priced) == (1, 1, 1)
    assert (summary.cost, summary.revenue) == ({"EUR": Decimal(1)}, {"EUR": Decimal(5)})


def test_events_without_messages_are_counted():
    """A set without messages can have events."""
    counts = summarize([], **events("clicks", M1, M1)).counts

    assert (counts.total, counts.clicks, counts.clicked) == (0, 2, 1)


# --- groups ------------------------------------------------------------------------------------

VARIANTS = [Message(status="sent", variant="a", contact_id="ana"), Message(status="sent", contact_id="ben")]


def test_events_are_in_the_groups_they_name():
    """Each event counts in its own group; nulls and NaN are the group None; a group may have events only."""
    rows = [{**M1, "variant": "a"}, {**M2, "variant": None}, {**M2, "variant": float("nan")}, {**M1, "variant": "z"}]

    groups = summarize(VARIANTS, by="variant", **events("clicks", *rows))

    assert {key: (each.counts.total, each.counts.clicks, each.counts.clicked) for key, each in groups.items()} == {
        "a": (1, 1, 1),
        None: (1, 2, 1),
        "z": (0, 1, 1),
    }


def test_revenue_is_in_the_group_of_its_order():
    """Money is grouped as the orders are."""
    paid = {"revenue": 1, "currency": "EUR"}
    rows = [{**M1, **paid, "variant": "a"}, {**M1, **paid, "variant": "a"}, {**M1, "variant": None}]

    table = tally(VARIANTS, by="variant", **events("orders", *rows))

    assert table.money == {("a",): {("revenue", "EUR"): 2_000_000}}


def test_time_buckets_of_events_are_in_their_zone():
    """Events are grouped by the day of their column; naive moments are in timezone=, no moment is None."""
    late, zone = NOON.replace(hour=23, tzinfo=None), "America/New_York"
    rows = [{**M1, "sent_at": late}, {**M1, "sent_at": NOON}, {**M1, "sent_at": None}]

    table = tally([], by=days("sent_at", zone=zone), timezone=zone, **events("clicks", *rows))

    clicked = {group: cells[EVENTS].clicks for (group,), cells in table.cells.items()}
    assert table.by == ("sent_at_day",)
    assert {day and day.date(): n for day, n in clicked.items()} == {NOON.date(): 2, None: 1}


@pytest.mark.parametrize("make", [dict, types.SimpleNamespace], ids=["mapping", "object"])
@pytest.mark.parametrize("by", ["colour", days("colour", zone="UTC")], ids=["column", "days"])
def test_events_need_the_columns_of_by(make, by):
    """An event without the column is refused, with the way to get it."""
    rows = [{"status": "sent", "colour": NOON}]

    assert refusal(rows, by=by, clicks=[make(clicked_at=NOON, message_id="m1")]) == (
        "clicks row 0: there is no 'colour': clicks need the columns of by=;"
        " join them once with read_log(...).attach(...)"
    )


def test_group_values_must_be_plain():
    """A list cannot be a group."""
    assert refusal(VARIANTS, by="variant", **events("clicks", {**M1, "variant": ["a"]})) == (
        "clicks row 0 cannot be read: unhashable type: 'list'"
    )


# --- people ------------------------------------------------------------------------------------

PEOPLE = [Message(status="delivered", contact_id=each, variant="a") for each in ("ana", "ben", "ben")]
ANA, BEN = {"message_id": "m1", "contact_id": "ana"}, {"message_id": "m2", "contact_id": "ben"}
OF_TABLE = {"replies": "repliers", "clicks": "clickers", "opt_outs": "unsubscribers", "orders": "converters"}


@pytest.mark.parametrize("name", TABLES)
def test_people_are_counted_from_events(name):
    """Distinct people come from the event table; those of tables that are not given are None."""
    people = summarize(PEOPLE, people="contact_id", **events(name, ANA, ANA, BEN)).people

    assert people == PeopleCounts(recipients=2, unique_sends=2, unique_deliveries=2, **{OF_TABLE[name]: 2})


def test_stop_and_assisted_make_no_people():
    """Who only opted out did not answer, and who only was assisted did not buy."""
    tables = {**events("replies", {**ANA, **STOP}, BEN), **events("orders", {**ANA, **ASSISTED})}

    people = summarize(PEOPLE, people="contact_id", **tables).people

    assert (people.repliers, people.converters) == (1, 0)


def test_only_asked_people_are_counted():
    """Counts of people that were not asked for need no column in the events."""
    people = summarize(PEOPLE, people=People("contact_id", ("recipients",)), **events("clicks", M1)).people

    assert people == PeopleCounts(recipients=2)


def test_events_need_the_column_of_people():
    """A person cannot be guessed."""
    assert refusal(PEOPLE, people="contact_id", **events("clicks", ANA, M1)) == (
        "clicks row 1: has no contact_id: people are counted by it; fill it, or leave people= out"
    )


def test_people_of_groups_that_only_events_have():
    """Where no message is, people are not known; where messages are, whoever did not come is 0."""
    groups = summarize(PEOPLE, by="variant", people="contact_id", **events("replies", {**ANA, "variant": "z"}))

    assert groups["z"].people == PeopleCounts()
    assert groups["a"].people == PeopleCounts(recipients=2, unique_sends=2, unique_deliveries=2, repliers=0)


# --- forms -------------------------------------------------------------------------------------

OBJECTS = {
    "replies": [
        Reply(received_at=NOON, message_id="m1", contact_id="ana", keyword=Keyword.HELP),
        Reply(received_at=moment(1), message_id=None, contact_id="ben", keyword=Keyword.OPT_OUT),
        Reply(received_at=moment(2), contact_id="ben", variant="a"),
    ],
    "clicks": [
        Click(clicked_at=moment(5), message_id="m1", contact_id="ana"),
        Click(clicked_at=NOON, contact_id="ben", variant="a"),
    ],
    "opt_outs": [OptOut(opted_out_at=NOON, contact_id="ben", variant="a")],
    "orders": [
        Order(ordered_at=NOON, message_id="m1", contact_id="ana", revenue=Decimal("1.5"), currency="EUR", variant="a"),
        Order(ordered_at=moment(1), contact_id="ben", assisted=True),
        Order(ordered_at=moment(7), contact_id="ben", revenue=Decimal("0.25"), currency="USD", assisted=True),
    ],
}
COLUMNS = ("message_id", "contact_id", "variant", "keyword", "revenue", "currency", "assisted", *MOMENTS.values())


def mappings(objects):
    """Return events as mappings."""
    return [{name: getattr(each, name) for name in COLUMNS if hasattr(each, name)} for each in objects]


FORMS = {
    "mappings": mappings,
    "mappings without nulls": lambda objects: [
        {name: value for name, value in row.items() if value is not None or name == "variant"}
        for row in mappings(objects)
    ],
    "namespaces": lambda objects: (types.SimpleNamespace(**row) for row in mappings(objects)),
    "pandas": lambda objects: pd.DataFrame(mappings(objects)),
    "pandas, floats": lambda objects: pd.DataFrame(mappings(objects)).astype(
        {"revenue": float} if isinstance(objects[0], Order) else {}
    ),
    "polars": lambda objects: pl.DataFrame(mappings(objects), infer_schema_length=None),
    "polars, lazy": lambda objects: pl.LazyFrame(mappings(objects), infer_schema_length=None),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("by", [None, "variant"])
def test_every_form_counts_as_objects_do(form, by):
    """Mappings, objects of the host and frames give the table that our own events give."""
    expected = tally(PEOPLE, by=by, people="contact_id", **OBJECTS)
    tables = {name: FORMS[form](objects) for name, objects in OBJECTS.items()}

    assert expected == tally(PEOPLE, by=by, people="contact_id", **tables)


def test_our_events_by_hand():
    """The events above, counted on paper."""
    table = tally(PEOPLE, people="contact_id", **OBJECTS)

    assert table.cells[()][EVENTS] == Sums(
        replies=2,
        replied=2,
        stop_replies=1,
        clicks=2,
        clicked=2,
        opted_out=1,
        orders=1,
        converted=1,
        assisted_orders=2,
    )
    assert table.money == {(): {("revenue", "EUR"): 1_500_000, ("assisted_revenue", "USD"): 250_000}}
    assert table.as_of == moment(7)


@pytest.mark.parametrize("table", ["m1", {"message_id": "m1"}, 5])
def test_a_table_must_be_rows(table):
    """Text, one mapping or a number is no table."""
    assert refusal(clicks=table) == (
        f"clicks is {table!r}: give a frame, or an iterable of messages, objects or mappings"
    )


def test_missing_columns_are_a_kind_of_error():
    """Whoever handles a missing column handles that of events too."""
    with pytest.raises(InvalidColumn):
        tally(SENT, clicks=[{}])
