"""Frames of every engine: what is accepted, and the sentence that names column and row where it is not."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from campaignkit.cells import Cell, People, PeopleCounts, Sums
from campaignkit.errors import InvalidColumn, InvalidValue, UnknownStatus, UnsupportedFrame
from campaignkit.frames import frame_rows, latest_by
from campaignkit.grouping import Since, days, hours
from campaignkit.rows import is_frame
from campaignkit.summary import summarize, tally
from engines import MAKERS
from strategies import NOON

NAIVE = NOON.replace(tzinfo=None)
NAN = float("nan")
ENGINES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "lazy": pl.LazyFrame, "pyarrow": pa.table}
engines = pytest.mark.parametrize("make", ENGINES.values(), ids=ENGINES)


def sent(number=2, **columns):
    """Return columns of messages that were sent."""
    return {"status": ["sent"] * number, **columns}


# --- what is refused, by column and row ----------------------------------------------------------

REFUSED = {
    "no status": (
        {"State": ["sent"], "to": ["+12025550143"]},
        {},
        (
            "the frame has no 'status': every message needs a status;"
            ' give columns={"status": their name}. Its columns: State, to'
        ),
    ),
    "a null status": (
        {"status": ["sent", None]},
        {},
        "'status' is None in row 1: every message needs a status",
    ),
    "no status in any row": (
        {"status": [None, None]},
        {},
        "'status' is None in row 0: every message needs a status",
    ),
    "an unknown status": (
        {"status": ["sent", "deliverd"]},
        {},
        "status is 'deliverd': not a status we know; nearest: delivered, undelivered",
    ),
    "a null count": (
        sent(3, answers=pl.Series([1, None, 0])),
        {"columns": {"replies": "answers"}},
        (
            "'answers' is None in row 1: it is given for some messages only;"
            " fill it with 0 where nothing happened, or leave the column out"
        ),
    ),
    "a negative count": (
        sent(3, replies=[0, 1, -2]),
        {},
        "'replies' is -2 in row 2: a count must be 0 or more",
    ),
    "a count with a fraction": (
        sent(3, replies=[0.0, 1.5, 2.0]),
        {},
        "'replies' is 1.5 in row 1: a count must be a whole number",
    ),
    "an infinite count": (
        sent(3, replies=[0.0, 1.0, float("inf")]),
        {},
        "'replies' is inf in row 2: a count must be a whole number",
    ),
    "a count as text": (
        sent(replies=["1", "2"]),
        {},
        "'replies' is String: a count must be a column of whole numbers; convert it first",
    ),
    "money as text": (
        sent(price=["0.01", "0.02"], currency=["EUR", "EUR"]),
        {},
        "'price' is String: money must be a column of numbers; convert it first",
    ),
    "money as flags": (
        sent(revenue=[True, False], currency=["EUR", "EUR"]),
        {},
        "'revenue' is Boolean: money must be a column of numbers; convert it first",
    ),
    "infinite money": (
        sent(price=[0.1, float("inf")], currency=["EUR", "EUR"]),
        {},
        "'price' is inf in row 1: money must be finite; use null for unknown",
    ),
    "money without a currency": (
        sent(cost=[0.1, 0.2]),
        {"columns": {"price": "cost"}},
        "'cost' has no currency: add a 'currency' column, or name theirs in columns=",
    ),
    "money with a null currency": (
        sent(price=[0.1, 0.2], currency=["EUR", None]),
        {},
        'currency is None: must be three letters; give an ISO 4217 code, like "USD"',
    ),
    "negative money": (
        sent(price=[0.1, -0.2], currency=["EUR", "EUR"]),
        {},
        ("'price' has negative amounts: give carrier= if the carrier writes charges so (twilio), or negate them"),
    ),
    "negative revenue of Twilio": (
        sent(revenue=[0.1, -0.2], currency=["EUR", "EUR"]),
        {"carrier": "twilio"},
        ("'revenue' has negative amounts: give carrier= if the carrier writes charges so (twilio), or negate them"),
    ),
    "absurd money": (
        sent(price=[1, 1_000_000_001], currency=["EUR", "EUR"]),
        {},
        "'price' has amounts above 1,000,000,000: check its unit",
    ),
    "a moment as text": (
        sent(sent_at=["2026-11-21", "2026-11-22"]),
        {},
        "'sent_at' is String: moments must be a datetime column; parse it first",
    ),
    "a naive moment": (
        sent(delivered_at=[NAIVE, NAIVE]),
        {},
        "'delivered_at' has no time zone: give timezone=\"UTC\", or the zone its clock was in",
    ),
    "an unknown zone": (
        sent(delivered_at=[NAIVE, NAIVE]),
        {"timezone": "Paris"},
        "zone is 'Paris': not an IANA time zone; give one like 'Europe/Paris'",
    ),
    "a skipped message that was sent": (
        {"status": ["skipped", "skipped", "sent"], "sent_at": [NOON, None, NOON]},
        {},
        (
            "sent_at is present in 1 of 2 skipped messages: a skipped message was never handed over;"
            " correct their status or leave sent_at empty"
        ),
    ),
    "a reason to skip what was sent": (
        sent(skip_reason=[None, "quiet_hours"]),
        {},
        "skip_reason is 'quiet_hours' where the status is sent: give status=\"skipped\" with it, or no reason",
    ),
    "a code with a fraction": (
        sent(error_code=[None, 30005.5]),
        {},
        'error_code is 30005.5: a code is text or a whole number; give it as text, like "30005"',
    ),
    "a null person": (
        sent(Who=["ana", None]),
        {"columns": {"contact_id": "Who"}, "people": "contact_id"},
        "'Who' is None in row 1: people are counted by it; fill it, or leave people= out",
    ),
    "no person in any row": (
        sent(contact_id=[None, None]),
        {"people": "contact_id"},
        "'contact_id' is None in row 0: people are counted by it; fill it, or leave people= out",
    ),
    "no column for people": (
        sent(contact_id=["ana", "ben"]),
        {"people": "contact"},
        "the frame has no 'contact' to tell people apart; nearest: contact_id",
    ),
    "no column to group by": (
        sent(variant=["a", "b"]),
        {"by": "varaint"},
        "the frame has no 'varaint' to group by; nearest: variant",
    ),
    "no column to group by the hours of": (
        sent(sent_at=[NOON, NOON]),
        {"by": hours("send_at", zone="UTC")},
        "the frame has no 'send_at' to group by; nearest: sent_at",
    ),
    "the hours of what is no moment": (
        sent(variant=["a", "b"]),
        {"by": hours("variant", zone="UTC")},
        "'variant' is String: moments must be a datetime column; parse it first",
    ),
    "columns turned round": (
        {"State": ["sent"]},
        {"columns": {"State": "status"}},
        "columns= is turned round: give {our name: their name}, here columns={'status': 'State'}",
    ),
    "no name of ours": (
        sent(answers=[0, 1]),
        {"columns": {"replys": "answers"}},
        "columns= names 'replys', which is no name of ours; nearest: replies",
    ),
    "no name of theirs": (
        sent(answers=[0, 1]),
        {"columns": {"replies": "answer"}},
        "columns= names 'answer', which is not in the data; nearest: answers",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("lazy", [False, True])
def test_what_is_refused_names_column_and_row(case, lazy):
    """One sentence names the column as the frame calls it, the first row, the value, the rule and the remedy."""
    columns, asked, sentence = REFUSED[case]
    frame = pl.DataFrame(columns)

    with pytest.raises(InvalidValue) as error:
        tally(frame.lazy() if lazy else frame, **asked)

    assert sentence == str(error.value)


@pytest.mark.parametrize("case", ["a null status", "a negative count", "a count as text", "money as text"])
@pytest.mark.parametrize("make", [pd.DataFrame, pa.table])
def test_other_engines_refuse_the_same(case, make):
    """What a column may hold does not depend on the engine."""
    columns, asked, sentence = REFUSED[case]

    with pytest.raises(InvalidColumn) as error:
        tally(make(columns), **asked)

    assert sentence.partition(":")[2] == str(error.value).partition(":")[2]


@pytest.mark.parametrize("engine", ["duckdb", "dask", "ibis"])
def test_engines_without_an_order_name_no_row(engine):
    """Where rows have no order the sentence says what is wrong, and leaves the row out."""
    frame = MAKERS[engine](pl.DataFrame(sent(3, replies=[0, 1, -2])))

    with pytest.raises(InvalidColumn) as caught:
        tally(frame)

    assert str(caught.value) == "'replies' is -2 in a row: a count must be 0 or more"


def test_what_an_engine_cannot_do_is_named(monkeypatch):
    """What an engine lacks is said with its name, the expression, and the way out."""

    def lacking(*_, **__):
        raise NotImplementedError("'log' is not implemented for: 'IbisExpr'.")

    monkeypatch.setattr(nw.Expr, "log", lacking)
    frame = pl.DataFrame(sent(sent_at=[NOON, NOON], delivered_at=[NOON, NOON]))

    with pytest.raises(UnsupportedFrame) as caught:
        tally(frame)

    assert str(caught.value) == (
        "polars cannot count this, as narwhals says: 'log' is not implemented for: 'IbisExpr'."
        " Give the frame as polars, pandas or pyarrow"
    )


def test_money_that_is_nan_is_refused_where_it_is_no_null():
    """Polars keeps NaN apart from null, so it is refused; to pandas it is null, and means not known."""
    columns = sent(price=[0.1, NAN], currency=["EUR", "EUR"])

    with pytest.raises(InvalidColumn, match="'price' is nan in row 1: money must be finite; use null for unknown"):
        tally(pl.DataFrame(columns))
    table = tally(pd.DataFrame(columns))
    assert table.money == {(): {("cost", "EUR"): 100_000}}
    assert table.cells == {(): {Cell("sent"): Sums(n=2, priced=1)}}


def test_the_null_of_pandas_is_refused_in_a_count():
    """A count is given for every message or for none, NaN being none."""
    with pytest.raises(InvalidColumn, match=r"'replies' is .*nan.* in row 1: it is given for some messages only"):
        tally(pd.DataFrame(sent(replies=[1, NAN])))


@pytest.mark.parametrize("column", [pd.Series([1, 2]), pl.Series([1, 2]), pd.Index([1, 2])])
def test_a_column_is_no_frame(column):
    """A single column is refused as what it is."""
    with pytest.raises(InvalidValue, match=r"rows is a (Series|Index): give the whole frame, or rows"):
        tally(column)


# --- columns that say nothing --------------------------------------------------------------------


@engines
def test_an_absent_column_is_not_measured(make):
    """What the frame has not is None, with the reason; what it has is counted."""
    summary = summarize(make(sent(clicks=[0, 2])))

    assert (summary.counts.clicks, summary.counts.clicked, summary.counts.replies) == (2, 1, None)
    assert str(summary.reply_rate) == "not recorded (no replies in the data)"


EMPTY = {
    "replies": None,
    "price": None,
    "revenue": None,
    "currency": None,
    "sent_at": None,
    "delivered_at": None,
    "carrier": None,
    "error_code": None,
    "skip_reason": None,
}


@engines
@pytest.mark.parametrize("by", [None, "carrier", hours("sent_at", zone="Europe/Paris"), Since("sent_at", NOON)])
def test_a_column_of_nulls_is_as_if_it_were_absent(make, by):
    """A column that holds only nulls measures nothing; grouped by it there is one group."""
    absent, group = tally(make(sent())), {None: ()}.get(by, (False,) if isinstance(by, Since) else (None,))

    table = tally(make(sent(**{name: [null, null] for name, null in EMPTY.items()})), by=by)

    assert absent.cells[()] == table.cells[group]
    assert absent.unmeasured == table.unmeasured


@pytest.mark.parametrize("type_of_all", [pl.Int64, pl.Float64, pl.Decimal(10, 2)])
def test_a_typed_column_of_nulls_is_as_if_it_were_absent(type_of_all):
    """Nulls with a type measure no more than nulls without; money needs no currency then."""
    nulls = pl.Series([None, None], dtype=type_of_all)

    assert tally(pl.DataFrame(sent())) == tally(pl.DataFrame(sent(replies=nulls, price=nulls)))


@engines
def test_an_empty_frame_is_an_empty_table(make):
    """A frame without rows has no cells; its summary has zeros where it has columns."""
    frame = make({"status": [], "segments": [], "sent_at": [], "contact_id": []})

    table = tally(frame, by="segments", people="contact_id")

    assert table.cells == {} == table.people
    assert summarize(frame).counts.total == 0
    assert summarize(frame).delivery_rate.value is None


def test_a_frame_that_was_filtered_empty_is_an_empty_table():
    """The types that a filter leaves without rows do no harm, categories and money included."""
    frame = pd.DataFrame(
        sent(variant=pd.Categorical(["a", "b"]), replies=[1, 2], price=[0.1, 0.2], currency=["EUR"] * 2)
        | {"sent_at": pd.to_datetime([NOON, NOON]), "delivered_at": pd.to_datetime([NOON, NOON])}
    )
    nothing = frame[frame.replies > 2]

    for each in (nothing, pl.from_pandas(nothing), pl.from_pandas(nothing).lazy()):
        assert tally(each, by=("variant", hours("sent_at", zone="UTC"))).cells == {}
        assert summarize(each).counts.replies == 0


# --- values ----------------------------------------------------------------------------------------

INTEGERS = [pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64]


@pytest.mark.parametrize("kind", [*INTEGERS, pl.Float32, pl.Float64, pl.Decimal(10, 2)])
def test_counts_may_be_numbers_of_any_width(kind):
    """Small, unsigned and decimal columns are added without overflow."""
    frame = pl.DataFrame(sent(300, segments=pl.Series([100] * 300, dtype=kind)))

    for each in (frame, frame.lazy(), frame.to_pandas(), frame.to_arrow()):
        assert tally(each).cells == {(): {Cell("sent"): Sums(n=300, segments=30_000)}}


@pytest.mark.parametrize("kind", [pl.Int32, pl.UInt32])
def test_sums_do_not_overflow(kind):
    """Columns of 32 bits add up beyond 32 bits."""
    frame = pl.DataFrame(sent(5, replies=pl.Series([10**9] * 5, dtype=kind)))

    assert tally(frame).cells == {(): {Cell("sent"): Sums(n=5, replies=5 * 10**9, replied=5)}}


@pytest.mark.parametrize("flags", [[True, False, True], [1, 0, 1], [1.0, 0.0, 1.0]])
@engines
def test_a_flag_may_be_a_bool_or_a_number(make, flags):
    """Opting out is true or false in any of the usual ways."""
    assert tally(make(sent(3, opted_out=flags))).cells == {(): {Cell("sent"): Sums(n=3, opted_out=2)}}


def test_counts_of_python_objects_are_counted():
    """A pandas column of Python objects that are whole numbers is one of counts."""
    frame = pd.DataFrame(sent(replies=pd.Series([1, Decimal(2)], dtype=object)))

    assert tally(frame).cells == {(): {Cell("sent"): Sums(n=2, replies=3, replied=2)}}


@pytest.mark.parametrize(
    "prices",
    [
        pd.Series([Decimal("0.0079"), None, Decimal(1000000000)]),
        pd.Series([0.0079, NAN, 1e9]),
        pl.Series([0.0079, None, 1e9]),
        pl.Series([Decimal("0.0079"), None, Decimal(1000000000)]),
        pa.array([Decimal("0.0079"), None, Decimal(1000000000)]),
    ],
)
def test_prices_are_exact_to_the_millionth(prices):
    """Decimals and floats, with nulls for what is not known, add up in millionths."""
    make = {"pandas": pd.DataFrame, "polars": pl.DataFrame}.get(type(prices).__module__.partition(".")[0], pa.table)

    table = tally(make(sent(3, price=prices, currency=["eur", "EUR", "EUR"])))

    assert table.money == {(): {("cost", "EUR"): 10**15 + 7900}}
    assert table.cells == {(): {Cell("sent"): Sums(n=3, priced=2)}}


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize(
    ("carriers", "asked", "micros"),
    [
        (["twilio", "Twilio ", "infobip"], {}, 60),
        ([None, "twilio", None], {}, 60),
        (["infobip", "infobip", None], {"carrier": "twilio"}, 60),
    ],
)
def test_negative_prices_of_twilio_are_costs(make, carriers, asked, micros):
    """Twilio writes charges as negatives; carrier= goes before a column of carriers."""
    prices = [
        -each if asked or str(carrier).strip().lower() == "twilio" else each
        for carrier, each in zip(carriers, (0.00001, 0.00002, 0.00003), strict=True)
    ]

    table = tally(make(sent(3, price=prices, currency=["EUR"] * 3, carrier=carriers)), **asked)

    assert table.money == {(): {("cost", "EUR"): micros}}


@engines
def test_codes_are_one_code_however_they_are_written(make):
    """Integers, floats and text are one code."""
    codes = ([30005, 30005], [30005.0, 30005.0], ["30005", " 30005"])

    for each in codes:
        table = tally(make({"status": ["failed"] * 2, "error_code": each}))
        assert table.cells == {(): {Cell("undelivered", None, "30005"): Sums(n=2)}}


@engines
def test_naive_moments_are_in_the_given_zone(make):
    """With timezone= the clock was in that zone."""
    frame = make({"status": ["delivered"], "sent_at": [NAIVE], "delivered_at": [NOON]})

    table = tally(frame, by=days("sent_at", zone="Asia/Tokyo"), timezone="America/New_York")

    assert table.latency == {(dt.datetime(2026, 11, 21, 15, tzinfo=dt.UTC).replace(hour=15),): {-1: 1}}
    assert table.as_of == NOON.replace(hour=17)


@pytest.mark.parametrize("zone", ["America/New_York", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "+02:00"])
def test_any_zone_of_pandas_is_a_zone(zone):
    """Moments are moments in every zone, also in those whose names narwhals does not read."""
    at = pd.Series([NOON]).dt.tz_convert(zone)
    frame = pd.DataFrame({"status": ["delivered"], "sent_at": at, "delivered_at": [NOON], "last_event_at": at})

    table = tally(frame, by=hours("sent_at", zone="UTC"))

    assert table.latency == {(NOON,): {0: 1}}
    assert table.as_of == NOON


def test_nanoseconds_do_no_harm():
    """Moments finer than a microsecond are cut, without a warning."""
    at = pd.Series(pd.to_datetime(["2026-11-21T12:00:00.000000001Z"] * 2))

    table = tally(pd.DataFrame(sent(sent_at=at, delivered_at=at)))

    assert table.as_of == NOON
    assert type(table.as_of) is dt.datetime
    assert table.latency == {(): {0: 2}}


@engines
def test_groups_are_plain_values(make):
    """The values of groups are plain Python, so that tallies can be written."""
    frame = make(sent(3, step=[1, 1, 2], flag=[True, True, False], at=[NOON, NOON, NOON]))

    table = tally(frame, by=("step", "flag", "at"))

    assert {(1, True, NOON), (2, False, NOON)} == {*table.cells}
    assert {(int, bool, dt.datetime)} == {tuple(map(type, group)) for group in table.cells}


# --- whose words ---------------------------------------------------------------------------------


@engines
@pytest.mark.parametrize(
    ("asked", "status"),
    [({}, "unknown"), ({"carrier": "vonage"}, "unconfirmed"), ({"carrier": "sinch"}, "unconfirmed")],
)
def test_words_are_the_carriers_when_it_is_named(make, asked, status):
    """With carrier= a word is that carrier's; without it ours first, also where a column names the carrier."""
    frame = make({"status": ["unknown"], "carrier": ["vonage"], "contact_id": ["ana"], "sent_at": [NOON]})

    table = tally(frame, people="contact_id", **asked)

    assert [Cell(status, asked.get("carrier", "vonage"))] == [cell._replace(code=None) for cell in table.cells[()]]
    assert table.people[()].unique_sends == 1


@engines
def test_people_are_counted_by_each_carriers_words(make):
    """A word that only the carrier of its row knows counts for its person, whatever the other rows' carriers."""
    frame = make(
        {
            "status": ["3/5", "delivered", "Dispatched", "delivered", "pending"],
            "carrier": ["infobip", None, "Sinch", "twilio", None],
            "contact_id": ["ana", "ben", "cy", "ana", "dee"],
        }
    )

    table = tally(frame, people="contact_id")

    assert table.people == {(): PeopleCounts(recipients=4, unique_sends=3, unique_deliveries=2)}


def test_a_word_of_another_carrier_is_refused():
    """A word is looked up at the carrier of its row."""
    with pytest.raises(UnknownStatus, match="status is '3/5': neither a word of twilio nor one of ours"):
        tally(pl.DataFrame({"status": ["3/5"], "carrier": ["twilio"]}))


# --- people --------------------------------------------------------------------------------------


@engines
@pytest.mark.parametrize("by", [None, "variant"])
def test_people_of_groups_without_any_are_zero(make, by):
    """A group in which nobody replied has 0 repliers, not None."""
    frame = make(sent(contact_id=["ana", "ben"], variant=["a", "b"], replies=[1, 0], clicks=[0, 0]))

    table = tally(frame, by=by, people=People("contact_id", ("repliers", "clickers", "converters")))

    nobody, one = PeopleCounts(repliers=0, clickers=0), PeopleCounts(repliers=1, clickers=0)
    assert table.people == ({("a",): one, ("b",): nobody} if by else {(): one})


# --- the frame as it is ----------------------------------------------------------------------------


def test_a_scan_of_a_file_stays_lazy(tmp_path):
    """A Parquet file that polars scans gives the table of the same frame in memory."""
    frame = pl.DataFrame(
        {
            "status": ["delivered", "failed", "sent"],
            "error_code": [None, "30005", None],
            "contact_id": ["ana", "ben", "ana"],
            "replies": [1, 0, 0],
            "price": [Decimal("0.01"), None, Decimal("0.02")],
            "currency": ["EUR", None, "EUR"],
            "sent_at": [NOON, NOON, None],
            "delivered_at": [NOON, None, None],
        }
    )
    frame.write_parquet(tmp_path / "messages.parquet")
    asked = {"by": hours("sent_at", zone="Europe/Paris"), "people": "contact_id"}

    scan = pl.scan_parquet(tmp_path / "messages.parquet")

    assert tally(frame, **asked) == tally(scan, **asked)


FRAMES = (pd.DataFrame(), pl.DataFrame(), pl.LazyFrame(), pa.table({}), nw.from_native(pl.DataFrame()))


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame).__module__)
def test_frames_are_told_by_their_engine(frame):
    """Frames of the engines we know are frames, their subclasses too."""
    assert is_frame(frame)
    assert is_frame(type("Mine", (pd.DataFrame,), {})())


@engines
def test_rows_of_a_frame_are_plain(make):
    """Rows have None for every kind of null, and money as Decimal."""
    columns = {
        "ordered_at": [NOON, NOON],
        "message_id": ["m1", None],
        "revenue": [0.1, None],
        "assisted": [True, None],
    }

    rows = [*frame_rows(make(columns))]

    assert rows == [
        {"ordered_at": NOON, "message_id": "m1", "revenue": Decimal("0.1"), "assisted": True},
        {"ordered_at": NOON, "message_id": None, "revenue": None, "assisted": None},
    ]


def test_rows_of_a_frame_refuse_money_that_is_no_number():
    """Money of events is finite too."""
    with pytest.raises(InvalidColumn, match="'revenue' is nan in row 1: money must be finite; use null for unknown"):
        [*frame_rows(pl.DataFrame({"revenue": [0.1, NAN]}))]


@pytest.mark.parametrize("null", [np.nan, pd.NA, None, pd.NaT])
def test_every_null_of_pandas_is_a_null(null):
    """NaN, NA, NaT and None of an object column are one group, and no code."""
    frame = pd.DataFrame(
        {"status": ["sent", "failed"], "variant": pd.Series(["a", null], dtype=object)}
        | {"error_code": pd.Series([null, "30005"], dtype=object)}
    )

    assert tally(frame, by="variant").cells == {
        ("a",): {Cell("sent"): Sums(n=1)},
        (None,): {Cell("undelivered", None, "30005"): Sums(n=1)},
    }


# --- the latest moment ---------------------------------------------------------------------------


@pytest.mark.parametrize("make", [*ENGINES.values(), *(lambda c, m=m: m(pl.DataFrame(c)) for m in MAKERS.values())])
def test_the_latest_moment_of_each_group(make):
    """Each value has its latest moment, in UTC; a group without any has none."""
    frame = make(
        {
            "status": ["sent"] * 4,
            "campaign_id": ["spring", "spring", None, "summer"],
            "sent_at": [NOON, NOON + dt.timedelta(microseconds=1), NOON - dt.timedelta(days=1), None],
        }
    )

    assert latest_by(frame, "campaign_id", "sent_at") == {
        "spring": NOON + dt.timedelta(microseconds=1),
        None: NOON - dt.timedelta(days=1),
    }


def test_without_the_column_nothing_is_latest():
    """A frame without moments has no latest one."""
    assert latest_by(pl.DataFrame(sent(campaign_id=["spring", "spring"])), "campaign_id", "sent_at") == {}
