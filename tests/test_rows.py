"""Rows of every kind: what is accepted, and the sentence that names the row where it is not."""

from __future__ import annotations

import datetime as dt
import types
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from campaignkit.cells import Cell, People, PeopleCounts, Sums
from campaignkit.errors import InvalidColumn, InvalidValue, UnknownStatus
from campaignkit.grouping import Since, days, hours
from campaignkit.models import Message, Status
from campaignkit.rows import check_columns, is_frame, tally_rows
from campaignkit.summary import summarize, tally
from strategies import NOON

NAIVE = NOON.replace(tzinfo=None)
SENT = {"status": "sent"}
NAN = float("nan")


def named(**fields):
    """Return a plain object with a status."""
    return types.SimpleNamespace(**{"status": "sent", **fields})


def sums_of(rows, **asked):
    """Return the only sums of a table of one group and one cell."""
    [cells] = tally(rows, **asked).cells.values()
    [sums] = cells.values()
    return sums


# --- what is refused, by row -------------------------------------------------------------------

REFUSED = {
    "a count missing later": (
        lambda: tally([Message(status="sent", clicks=0), Message(status="sent", clicks=1), Message(status="sent")]),
        (
            "clicks is given for some rows only: row 2 has none, rows before it have some;"
            " give it for every message (0 where nothing happened) or for none"
        ),
    ),
    "a count given later": (
        lambda: tally([SENT, {**SENT, "clicks": 1}]),
        (
            "clicks is given for some rows only: row 1 has one, rows before it have none;"
            " give it for every message (0 where nothing happened) or for none"
        ),
    ),
    "a mapping among messages": (
        lambda: tally([Message(status="sent"), SENT]),
        "row 1 is a dict, row 0 a Message: give one kind",
    ),
    "a message among mappings": (
        lambda: tally([SENT, Message(status="sent")]),
        "row 1 is a Message, row 0 a dict: give one kind",
    ),
    "a mapping among objects": (
        lambda: tally([named(), SENT]),
        "row 1 is a dict, row 0 a SimpleNamespace: give one kind",
    ),
    "None at first": (
        lambda: tally([None, SENT]),
        (
            "row 0: there is no 'status': every message needs a status;"
            ' give columns={"status": their name} if it has another'
        ),
    ),
    "no status": (
        lambda: tally([SENT, {"Status": "sent"}]),
        (
            "row 1: there is no 'status': every message needs a status;"
            ' give columns={"status": their name} if it has another'
        ),
    ),
    "a status that is NaN": (
        lambda: tally([{"status": NAN}]),
        (
            "row 0: there is no 'status': every message needs a status;"
            ' give columns={"status": their name} if it has another'
        ),
    ),
    "an unknown status": (
        lambda: tally([SENT, {"status": "deliverd"}]),
        "row 1: status is 'deliverd': not a status we know; nearest: delivered, undelivered",
    ),
    "a status unknown to the carrier": (
        lambda: tally([{"status": "deliverd", "carrier": "Twilio"}]),
        (
            "row 0: status is 'deliverd': neither a word of twilio nor one of ours;"
            " nearest: delivered, undelivered, received"
        ),
    ),
    "a naive moment": (
        lambda: tally([{**SENT, "sent_at": NAIVE}]),
        (
            "row 0: sent_at is datetime.datetime(2026, 11, 21, 12, 0): has no time zone;"
            " give an aware datetime, like datetime.now(timezone.utc)"
        ),
    ),
    "a moment as text": (
        lambda: tally([{**SENT, "delivered_at": "2026-11-21"}]),
        (
            "row 0: delivered_at is '2026-11-21': must be a datetime;"
            " parse it, for example with datetime.fromisoformat()"
        ),
    ),
    "money as float": (
        lambda: tally([{**SENT, "price": 0.0079, "currency": "USD"}]),
        ('row 0: price is 0.0079: money is never a float; give a Decimal made from text, like Decimal("0.0079")'),
    ),
    "money that is NaN": (
        lambda: tally([{**SENT, "price": Decimal("NaN"), "currency": "USD"}]),
        "row 0: price is Decimal('NaN'): must be a finite amount; leave it out when it is not known",
    ),
    "money without a currency": (
        lambda: tally([{**SENT, "revenue": Decimal(1)}]),
        'row 0: currency is None: must be three letters; give an ISO 4217 code, like "USD"',
    ),
    "a negative price": (
        lambda: tally([{**SENT, "price": Decimal("-0.0079"), "currency": "USD"}]),
        (
            "row 0: price is Decimal('-0.0079'): must not be negative;"
            " negate it if the log writes charges as negatives, as Twilio does"
        ),
    ),
    "a code with a fraction": (
        lambda: tally([{**SENT, "error_code": 30005.5}]),
        ('row 0: error_code is 30005.5: a code is text or a whole number; give it as text, like "30005"'),
    ),
    "a negative count": (
        lambda: tally([{**SENT, "replies": -1}]),
        "row 0: replies is -1: must lie between 0 and 1,000,000; check where it was read from",
    ),
    "a count as text": (
        lambda: tally([{**SENT, "replies": "1"}]),
        "row 0: replies is '1': must be a whole number; convert it, and write 0 where nothing happened",
    ),
    "a count that is NaN": (
        lambda: tally([{**SENT, "replies": NAN}]),
        "row 0: replies is nan: must be a whole number; convert it, and write 0 where nothing happened",
    ),
    "a count with a fraction": (
        lambda: tally([{**SENT, "replies": 0.5}]),
        "row 0: replies is 0.5: must be a whole number; convert it, and write 0 where nothing happened",
    ),
    "a reason to skip what was sent": (
        lambda: tally([{**SENT, "skip_reason": "quiet_hours"}]),
        ("row 0: skip_reason is 'quiet_hours' where the status is sent: give status=\"skipped\" with it, or no reason"),
    ),
    "a person missing in messages": (
        lambda: tally([Message(status="sent", contact_id="ana"), Message(status="sent")], people="contact_id"),
        "row 1 has no contact_id: people are counted by it; fill it, or leave people= out",
    ),
    "a person missing in mappings": (
        lambda: tally([{**SENT, "Person": "ana"}, {**SENT, "Person": NAN}], people="Person"),
        "row 1 has no Person: people are counted by it; fill it, or leave people= out",
    ),
    "no field to group by": (
        lambda: tally([Message(status="sent")], by="varaint"),
        "no field 'varaint' in Message; nearest: variant",
    ),
    "no field for people": (
        lambda: tally([Message(status="sent")], people="contact"),
        "no field 'contact' in Message; nearest: contact_id, contact_name",
    ),
    "a bucket of what is no moment": (
        lambda: tally([Message(status="sent")], by=hours("variant", zone="UTC")),
        "'variant' of Message is no moment: group by sent_at, or one like it",
    ),
    "no key to group by": (
        lambda: tally([{**SENT, "variant": "a"}], by="varaint"),
        "by= names 'varaint', which no row has; nearest: variant",
    ),
    "no attribute to group by": (
        lambda: tally([named(sent_at=NOON)], by=days("send_at", zone="UTC")),
        "by= names 'send_at', which no row has; nearest: sent_at",
    ),
    "no key for people": (
        lambda: tally([{**SENT, "contact_id": "ana"}], people="contact"),
        "people= names 'contact', which no row has; nearest: contact_id",
    ),
    "too many columns to group by": (
        lambda: tally([dict.fromkeys("abcdefghi", 1) | SENT], by=tuple("abcdefghi")),
        "by has 9 columns: at most 8 are possible",
    ),
    "a group that is a list": (
        lambda: tally([SENT, {**SENT, "variant": ["a"]}], by="variant"),
        ("rows 0 to 1 cannot be counted: unhashable type: 'list'; group and count people by text, numbers or moments"),
    ),
    "a code that is a list": (
        lambda: tally([{**SENT, "error_code": ["30005"]}]),
        "row 0 cannot be read: unhashable type: 'list'",
    ),
    "columns turned round": (
        lambda: tally([{"Body": "hi", "State": "sent"}], columns={"State": "status"}),
        "columns= is turned round: give {our name: their name}, here columns={'status': 'State'}",
    ),
    "no name of ours": (
        lambda: tally([{"State": "sent"}], columns={"state": "State"}),
        "columns= names 'state', which is no name of ours; nearest: status, step, sent_at",
    ),
    "no name of theirs": (
        lambda: tally([{"State": "sent", "answers": 0}], columns={"status": "State", "replies": "answer"}),
        "columns= names 'answer', which no row has; nearest: answers",
    ),
    "no attribute of theirs": (
        lambda: tally([named(answer=1)], columns={"replies": "answers"}),
        "columns= names 'answers', which no row has; nearest: answer",
    ),
    "an unknown zone": (
        lambda: tally([SENT], timezone="Paris"),
        "zone is 'Paris': not an IANA time zone; give one like 'Europe/Paris'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_names_the_row(case):
    """One sentence names the row, the value, the rule and the remedy."""
    call, sentence = REFUSED[case]

    with pytest.raises(InvalidValue) as error:
        call()

    assert sentence == str(error.value)


# --- which row, beyond the first ten thousand ----------------------------------------------------

CHUNK = 10_000


@pytest.mark.parametrize("place", [CHUNK - 1, CHUNK, 2 * CHUNK + 7])
@pytest.mark.parametrize("kind", [Message, dict])
def test_rows_are_numbered_through(kind, place):
    """The number of a row is its place among all rows, however many there are."""
    rows = [kind(status="sent", contact_id="ana", clicks=0)] * (2 * CHUNK + 9)

    rows[place] = kind(status="sent", contact_id="ana")
    with pytest.raises(InvalidColumn, match=f"clicks is given for some rows only: row {place} has none"):
        tally(rows)

    rows[place] = kind(status="sent", clicks=0)
    with pytest.raises(InvalidColumn, match=f"row {place} has no contact_id"):
        tally(rows, people="contact_id")

    rows[place] = named()
    with pytest.raises(InvalidValue, match=f"row {place} is a SimpleNamespace, row 0 a {kind.__name__}"):
        tally(rows)


def test_a_value_is_refused_in_its_row_beyond_ten_thousand():
    """A value that breaks a rule is named with its row, however late it comes."""
    rows = [{"status": "sent"}] * (CHUNK + 5)
    rows[CHUNK + 3] = {"status": "gone"}

    with pytest.raises(UnknownStatus, match=f"row {CHUNK + 3}: status is 'gone'"):
        tally(rows)


def test_all_rows_count_beyond_ten_thousand():
    """Rows are counted in portions, and none is lost between them."""
    rows = ({"status": "sent", "clicks": n % 2, "contact_id": n % 7} for n in range(2 * CHUNK + 1))

    table = tally(rows, people="contact_id")

    assert {Cell("sent"): Sums(n=2 * CHUNK + 1, clicks=CHUNK, clicked=CHUNK)} == table.cells[()]
    assert PeopleCounts(recipients=7, unique_sends=7, unique_deliveries=0, clickers=7) == table.people[()]


# --- what is accepted ----------------------------------------------------------------------------


@pytest.mark.parametrize("value", [2, 2.0, np.int64(2), np.uint8(2), np.float32(2), Decimal(2)])
def test_any_whole_number_is_a_count(value):
    """Counts may come as NumPy numbers, or as floats without a fraction."""
    assert sums_of([{**SENT, "replies": value}]) == Sums(n=1, replies=2, replied=1)


@pytest.mark.parametrize("value", [True, np.True_, 1])
def test_a_flag_may_be_a_bool_or_a_number(value):
    """Opting out is true or false in any of the usual ways."""
    assert sums_of([{**SENT, "opted_out": value}, {**SENT, "opted_out": False}]) == Sums(n=2, opted_out=1)


@pytest.mark.parametrize(
    ("value", "code"),
    [(30005, "30005"), (30005.0, "30005"), (" 30005 ", "30005"), (NAN, None), ("", None), (None, None)],
)
def test_a_code_is_one_code_however_it_is_written(value, code):
    """Numbers, floats of pandas and text are one code; empty text and NaN are none."""
    assert [Cell("undelivered", None, code)] == [*tally([{"status": "failed", "error_code": value}]).cells[()]]


@pytest.mark.parametrize("null", [None, NAN, pd.NaT])
def test_nulls_of_every_kind_are_nothing(null):
    """NaN and NaT, as frames write them into mappings, are no code, no reason, no carrier, no moment, no group."""
    names = ("error_code", "skip_reason", "carrier", "sent_at", "delivered_at", "variant")

    table = tally([{**SENT, **dict.fromkeys(names, null)}], by="variant")

    assert {(None,): {Cell("sent"): Sums(n=1)}} == table.cells
    assert table.latency == {}


def test_a_skip_has_its_reason_as_code():
    """Why a message was skipped stands where others have their code; empty is none."""
    rows = [{"status": "skipped", "skip_reason": reason} for reason in ("quiet_hours", "", None)]

    assert {Cell("skipped", None, "quiet_hours"): Sums(n=1), Cell("skipped"): Sums(n=2)} == tally(rows).cells[()]


def test_naive_moments_are_in_the_given_zone():
    """With timezone= the clock was in that zone, in the moments that are counted and in those grouped by."""
    rows = [{"status": "delivered", "sent_at": NAIVE, "delivered_at": NOON}]

    table = tally(rows, by=hours("sent_at", zone="UTC"), timezone="America/New_York")

    assert [(dt.datetime(2026, 11, 21, 17, tzinfo=dt.UTC),)] == [*table.cells]
    assert table.latency == {(dt.datetime(2026, 11, 21, 17, tzinfo=dt.UTC),): {-1: 1}}
    assert table.as_of == NOON.replace(hour=17)


def test_columns_may_have_other_names():
    """columns= says what ours are called, also those to group by and to tell people apart by."""
    rows = [{"State": "delivered", "Answers": 2, "Branch": "north", "Who": "ana"}, {"State": "sent", "Answers": 0}]
    rows[1] |= {"Who": "ana", "Branch": None}
    columns = {"status": "State", "replies": "Answers", "branch": "Branch", "contact_id": "Who"}

    table = tally(rows, columns=columns, by="branch", people="contact_id")

    assert table.by == ("branch",)
    assert table.cells == {
        ("north",): {Cell("delivered"): Sums(n=1, replies=2, replied=1)},
        (None,): {Cell("sent"): Sums(n=1)},
    }
    assert table.people[("north",)].repliers == 1


def test_a_column_may_be_in_some_mappings_only():
    """The columns of mappings are the union over all rows; one that is there and empty is there."""
    rows = [SENT, {**SENT, "Note": None}, {**SENT, "variant": "a"}]

    table = tally(rows, by="variant", columns={"skip_reason": "Note"})

    assert [*table.cells] == [(None,), ("a",)]


@pytest.mark.parametrize(
    ("rows", "asked"),
    [
        ([{**SENT, "price": Decimal("-0.0079"), "currency": "usd", "carrier": " Twilio "}], {}),
        ([{**SENT, "price": Decimal("-0.0079"), "currency": "USD"}], {"carrier": "Twilio"}),
        ([{**SENT, "price": Decimal("0.0079"), "currency": "USD"}], {}),
    ],
)
def test_a_negative_price_of_twilio_is_a_cost(rows, asked):
    """Twilio writes what it charged as a negative amount; whose message it is may be said once or in each row."""
    table = tally(rows, **asked)

    assert table.money[()] == {("cost", "USD"): 7900}
    assert "price" not in table.unmeasured


def test_whole_amounts_may_be_integers():
    """An integer is an exact amount, negative ones of Twilio too."""
    assert tally([{**SENT, "price": -2, "currency": "EUR", "carrier": "twilio"}]).money[()] == {
        ("cost", "EUR"): 2_000_000
    }


@pytest.mark.parametrize(
    ("word", "asked", "status"),
    [
        ("unknown", {}, "unknown"),
        ("unknown", {"carrier": "vonage"}, "unconfirmed"),
        (Status.UNKNOWN, {"carrier": "vonage"}, "unknown"),
        ("DELIVERED_TO_HANDSET", {"carrier": "infobip"}, "delivered"),
        ("Delivered", {}, "delivered"),
    ],
)
def test_words_are_the_carriers_when_it_is_named(word, asked, status):
    """With carrier= a word is that carrier's, without it ours first; a member of Status is always ours."""
    assert [status] == [cell.status for cell in tally([{"status": word}], **asked).cells[()]]
    assert tally([{"status": word, "sent_at": NOON}], people="status", **asked).people[()].unique_sends == 1


@pytest.mark.parametrize("word", ["DELIVERED_TO_HANDSET", "3/5", "delivered"])
def test_a_carrier_in_the_row_lends_its_words(word):
    """Where each row names its carrier, in any case, its words are understood."""
    rows = [{"status": word, "carrier": carrier, "contact_id": "ana"} for carrier in ("infobip", "Infobip ")]

    table = tally(rows, people="contact_id")

    assert {Cell("delivered", "infobip"): Sums(n=2)} == table.cells[()]
    assert table.people[()].unique_deliveries == 1


def test_messages_keep_their_status_under_a_carrier():
    """What a Message says is ours already; carrier= adds whose codes they are."""
    table = tally([Message(status="unknown"), Message(status="failed", error_code="6")], carrier="infobip")

    assert {Cell("unknown", "infobip"): Sums(n=1), Cell("undelivered", "infobip", "6"): Sums(n=1)} == table.cells[()]


def test_rows_are_read_once():
    """A generator is enough, of messages and of mappings."""
    for make in (Message, dict):
        assert sums_of(make(status="sent") for _ in range(3)) == Sums(n=3)


def test_no_rows_are_an_empty_table():
    """Nothing to count is a table without cells; its summary has zeros, and rates that are None."""
    table = tally_rows(iter(()), by=("variant",))

    assert table.cells == {}
    assert table.by == ("variant",)
    assert summarize([]).counts.total == 0
    assert summarize([]).delivery_rate.value is None


def test_groups_are_values_of_any_kind():
    """Numbers, flags, moments and nulls group; NaN and None are one group."""
    rows = [{**SENT, "step": step, "sent_at": NOON} for step in (1, 1.0, NAN, None, "1")]

    table = tally(rows, by=("step", Since("sent_at", NOON)))

    assert {group: sums.n for group, cells in table.cells.items() for sums in cells.values()} == {
        (1, True): 2,
        (None, True): 2,
        ("1", True): 1,
    }


# --- people --------------------------------------------------------------------------------------


def test_a_person_is_all_their_messages():
    """People are counted once in each group, for what any of their messages did."""
    rows = [
        Message(status="delivered", contact_id="ana", replies=0, clicks=1, opted_out=False, orders=0, variant="a"),
        Message(status="failed", contact_id="ana", replies=2, clicks=1, opted_out=False, orders=1, variant="a"),
        Message(status="pending", contact_id="ben", replies=0, clicks=0, opted_out=True, orders=0, variant="a"),
        Message(status="pending", contact_id="cy", replies=0, clicks=0, opted_out=False, orders=0, sent_at=NOON),
    ]

    table = tally(rows, by="variant", people="contact_id")

    assert table.people == {
        ("a",): PeopleCounts(
            recipients=2,
            unique_sends=1,
            unique_deliveries=1,
            repliers=1,
            clickers=1,
            unsubscribers=1,
            converters=1,
        ),
        (None,): PeopleCounts(
            recipients=1,
            unique_sends=1,
            unique_deliveries=0,
            repliers=0,
            clickers=0,
            unsubscribers=0,
            converters=0,
        ),
    }


def test_only_what_was_asked_of_people_is_counted():
    """People(...) names the counts; those that need a column which is not there stay None."""
    rows = [Message(status="sent", contact_id="ana", clicks=1)]

    table = tally(rows, people=People("contact_id", ("clickers", "repliers")))

    assert {(): PeopleCounts(clickers=1)} == table.people


# --- helpers the other readers share --------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [[], {}, (), None, "frame", SENT, Message(status="sent"), iter(()), np.zeros(2), NOON]
)
def test_what_is_no_frame_is_rows(value):
    """Lists, mappings, messages, iterators and arrays are not frames."""
    assert not is_frame(value)


def test_columns_are_checked_against_what_is_there():
    """columns= is our name to theirs, and each name must exist on its side."""
    check_columns({"status": "State"}, ["State", "to"])

    with pytest.raises(InvalidColumn, match="columns= names 'Stat', which is not in the data; nearest: State"):
        check_columns({"status": "Stat"}, ["State", "to"])
