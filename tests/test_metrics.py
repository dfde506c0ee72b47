"""The table of cells: where each message counts, what adds up, how exact times are, what a tally refuses."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import warnings
from decimal import Decimal
from fractions import Fraction

import attrs
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaignkit.cells import EVENTS, MOST_CELLS, Cell, People, PeopleCounts, Sums, Tally, check_size
from campaignkit.errors import InvalidColumn, InvalidValue
from campaignkit.grouping import Since, by_columns, by_name, days, hours, parse_zone
from campaignkit.latency import LATENCY_STEP, NEGATIVE_LATENCY, bucket_middle, latency_bucket
from campaignkit.metrics import COUNT_FIELDS, Counts, Latency, Rate, amounts
from campaignkit.models import Message, Status
from campaignkit.profiles import Formula, get_profile
from campaignkit.summary import tally
from strategies import NOON

OURS = get_profile("campaignkit")

# status, code -> the count it is in; the table of docs/design.md. Codes are Twilio's or our own reasons.
PLACES = {
    ("pending", None): "pending",
    ("skipped", "quiet_hours"): "skipped",
    ("canceled", None): "canceled",
    ("refused", "21610"): "refused",
    ("refused", None): "refused",
    ("unknown", None): "unknown",
    ("queued", None): "processing",
    ("sent", None): "processing",
    ("sent", "30005"): "processing",
    ("delivered", None): "delivered",
    ("delivered", "30005"): "delivered",
    ("read", None): "delivered",
    ("unconfirmed", None): "unconfirmed",
    ("unconfirmed", "30005"): "unconfirmed",
    ("expired", None): "soft",
    ("undelivered", "30003"): "soft",
    ("rejected", "30003"): "soft",
    ("undelivered", "30005"): "hard",
    ("rejected", "30005"): "hard",
    ("undelivered", "deleted"): "deleted",
    ("rejected", "deleted"): "deleted",
    ("undelivered", "30007"): "other",
    ("rejected", "30007"): "other",
    ("undelivered", "21610"): "other",
    ("rejected", "21610"): "other",
    ("undelivered", "partly_delivered"): "other",
    ("rejected", "canceled"): "other",
    ("undelivered", None): "other",
    ("undelivered", "99999"): "other",
}

ONCE_HANDED_OFF = {"pending": "processing", "unknown": "processing", "canceled": "other", "refused": "other"}


def counts_of(*cells, unmeasured=()):
    """Return the counts of (status, code, sums) under our own profile."""
    return Counts.of({Cell(status, "twilio", code): sums for status, code, sums in cells}, OURS, unmeasured)


# --- counts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("said", "place"), PLACES.items())
def test_each_status_and_verdict_has_its_count(said, place):
    """A message is counted once, by its status, and a failed one by what its code says about the list."""
    status, code = said
    also = {"read": 3 * (status == "read"), "unmapped": 3 * (code == "99999")}

    assert Counts(**{**also, place: 3}) == counts_of((status, code, Sums(n=3)))


def test_the_table_of_places_knows_every_status():
    """No status is missing from the table above."""
    assert {*Status} == {status for status, _ in PLACES}


@pytest.mark.parametrize(("said", "place"), PLACES.items())
def test_handed_off_is_never_taken_back(said, place):
    """What carries sent_at counts as sent, whatever its status says: in doubt as processing, called off as failed."""
    status, code = said

    counted = counts_of((status, code, Sums(n=5, handed_off=2)))

    after = ONCE_HANDED_OFF.get(place, place)
    assert (
        {place: 3, after: 2}
        if place != after
        else {place: 5}
        == {name: n for name, n in attrs.asdict(counted).items() if n and name not in {"read", "unmapped"}}
    )


@pytest.mark.parametrize(("status", "place"), ONCE_HANDED_OFF.items())
def test_sent_at_makes_a_message_sent(status, place):
    """A message that was handed over is sent for ever, though it is called off, refused or in doubt later."""
    table = tally([Message(status=status, sent_at=NOON), Message(status=status)])

    counted = Counts.of(table.cells[()], OURS)

    assert (counted.sent, getattr(counted, place), getattr(counted, status)) == (1, 1, 1)


def test_a_skipped_message_was_never_sent():
    """A skipped message with sent_at contradicts itself, and the error says what to correct."""
    skipped = [Message(status="skipped", sent_at=NOON), Message(status="skipped"), Message(status="sent")]

    with pytest.raises(InvalidColumn) as error:
        tally(skipped)

    assert str(error.value) == (
        "sent_at is present in 1 of 1 skipped messages: a skipped message was never handed over;"
        " correct their status or leave sent_at empty"
    )


def test_events_add_to_no_count_of_messages():
    """What event tables add is counted, without a message."""
    counted = Counts.of({EVENTS: Sums(replies=3, replied=2)}, OURS)

    assert Counts(replies=3, replied=2) == counted
    assert counted.total == 0


def test_what_was_not_measured_is_none():
    """A column that the data did not give makes all its counts None, never 0."""
    counted = counts_of(("sent", None, Sums(n=2, clicks=3)), unmeasured=["replies", "orders", "people"])

    assert Counts(processing=2, clicks=3, replies=None, replied=None, orders=None, converted=None) == counted


def test_sums_of_counts_are_their_definitions():
    """Sent, failed, resolved, final and total are sums of the counts that share out the messages."""
    one_each = Counts(**dict.fromkeys(COUNT_FIELDS[: COUNT_FIELDS.index("read")], 1))

    assert (one_each.failed, one_each.sent, one_each.resolved, one_each.final, one_each.total) == (4, 7, 5, 9, 12)


counted = st.builds(
    Counts,
    **dict.fromkeys(COUNT_FIELDS[: COUNT_FIELDS.index("segments")], st.integers(0, 9)),
    **dict.fromkeys(COUNT_FIELDS[COUNT_FIELDS.index("segments") :], st.none() | st.integers(0, 9)),
)


@given(one=counted, other=counted, factor=st.integers(-3, 3))
def test_counts_are_added_field_by_field_and_none_stays_none(one, other, factor):
    """Counts add, subtract and multiply; what one side did not measure, the result does not either."""
    for name in COUNT_FIELDS:
        a, b = getattr(one, name), getattr(other, name)
        missing = a is None or b is None
        assert getattr(one + other, name) == (None if missing else a + b)
        assert getattr(one - other, name) == (None if missing else a - b)
        assert getattr(one * factor, name) == (None if a is None else a * factor)


def test_counts_of_two_campaigns():
    """Together, apart and twice; clicks that one did not measure are nobody's."""
    one, other = Counts(delivered=5, replies=2, clicks=3), Counts(delivered=3, replies=1, clicks=None)

    found = [(each.delivered, each.replies, each.clicks) for each in (one + other, one - other, one * 2)]

    assert found == [(8, 3, None), (2, 1, None), (10, 4, 6)]


# --- rates -------------------------------------------------------------------------------------

SENT = Formula("delivered", "sent")


@pytest.mark.parametrize(
    ("rate", "value", "text"),
    [
        (Rate(950, 1000, SENT), 0.95, "95.0 % (950/1000)"),
        (Rate(0, 1000, SENT), 0.0, "0.0 % (0/1000)"),
        (Rate(0, 0, SENT), None, "– (0/0)"),
        (Rate(3, 2, SENT), 1.5, "150.0 % (3/2)"),
        (Rate(None, 1000, SENT, "no replies in the data"), None, "not recorded (no replies in the data)"),
        (Rate(None, 1000, SENT), None, "not recorded"),
        (Rate(3, None, SENT), None, "not recorded"),
    ],
)
def test_a_rate_remembers_its_fraction(rate, value, text):
    """A rate is a number where there is one, None for 0/0 and what was not measured, and says which."""
    assert value == rate.value
    assert text == str(rate)
    assert math.isnan(float(rate)) if value is None else value == float(rate)


# --- latency -----------------------------------------------------------------------------------

LONGEST = 72 * 3600 * 1000
EDGES = [math.ceil(Fraction(102, 100) ** power) for power in range(1, 980)]
AROUND = sorted({0, 1, LONGEST, *(edge + off for edge in EDGES for off in (-1, 0, 1))})


def test_the_edges_reach_the_longest_time():
    """The edges below are all those up to 72 hours."""
    assert EDGES[-2] < LONGEST < EDGES[-1]
    assert Fraction(102, 100) == Fraction(str(LATENCY_STEP))


def test_bucket_borders_are_exact():
    """A time is in bucket k when 1.02**k milliseconds have passed and 1.02**(k + 1) have not; 0 is in the first."""
    for milliseconds in AROUND[2:]:
        bucket = latency_bucket(milliseconds)

        assert 102**bucket <= milliseconds * 100**bucket
        assert milliseconds * 100 ** (bucket + 1) < 102 ** (bucket + 1)
        assert bucket == math.floor(math.log(milliseconds) / math.log(LATENCY_STEP))
    assert (latency_bucket(0), latency_bucket(1)) == (0, 0)


@pytest.mark.parametrize(
    "engine",
    [
        pl.DataFrame.lazy,
        pl.DataFrame.to_arrow,
        pl.DataFrame.to_pandas,
        lambda frame: frame.to_arrow().to_pandas(types_mapper=pd.ArrowDtype),
    ],
    ids=["polars", "pyarrow", "pandas", "pandas, pyarrow"],
)
def test_bucket_borders_are_those_of_a_frame(engine):
    """The engines' subtraction and logarithm put every time around an edge into the same bucket."""
    frame = pl.DataFrame({"status": "delivered", "sent_at": [NOON] * len(AROUND), "ms": AROUND}).with_columns(
        delivered_at=pl.col("sent_at") + pl.duration(milliseconds="ms")
    )

    by_time = {group: [*buckets] for (group,), buckets in tally(engine(frame), by="ms").latency.items()}

    assert {ms: [latency_bucket(ms)] for ms in AROUND} == by_time


def test_the_middle_of_a_bucket_is_within_a_hundredth():
    """The time that stands for a bucket is within 1 % of every whole number of milliseconds in it."""
    for milliseconds in AROUND[1:]:
        middle = bucket_middle(latency_bucket(milliseconds)) / dt.timedelta(milliseconds=1)

        assert abs(middle - milliseconds) <= 0.01 * milliseconds + 0.001  # a timedelta holds microseconds


@given(times=st.lists(st.integers(-1000, LONGEST), min_size=1))
def test_median_and_p95_are_within_two_hundredths(times):
    """Quantiles of buckets are within 2 % of the exact ones, from 100 ms on; negative times are counted apart."""
    buckets = {}
    for milliseconds in times:
        bucket = latency_bucket(milliseconds)
        buckets[bucket] = buckets.get(bucket, 0) + 1
    positive = sorted(each for each in times if each >= 0)

    latency = Latency.of(buckets)

    assert (len(positive), len(times) - len(positive)) == (latency.n, latency.negative)
    for share, found in ((Fraction(1, 2), latency.median), (Fraction(95, 100), latency.p95)):
        if not positive:
            assert found is None
            continue
        exact = positive[math.ceil(share * len(positive)) - 1]
        if exact >= 100:
            assert abs(found / dt.timedelta(milliseconds=1) - exact) <= 0.02 * exact


def test_negative_latency_has_a_bucket_of_its_own():
    """Even a microsecond before the sending is negative."""
    message = Message(status="delivered", sent_at=NOON, delivered_at=NOON - dt.timedelta(microseconds=1))

    assert tally([message]).latency == {(): {NEGATIVE_LATENCY: 1}}


# --- money -------------------------------------------------------------------------------------


def test_amounts_are_exact_in_any_decimal_context():
    """Money is read by kind and currency, to the last millionth, though the host's context is narrow."""
    money = {("cost", "USD"): 1_234_567_890_123, ("cost", "EUR"): 7900, ("revenue", "EUR"): 1}

    with decimal.localcontext(prec=3):
        costs = amounts(money, "cost")

    assert {"EUR": Decimal("0.0079"), "USD": Decimal("1234567.890123")} == costs
    assert amounts(money, "assisted_revenue") == {}


# --- groups of time ----------------------------------------------------------------------------

PARIS = parse_zone("Europe/Paris")


def utc(*fields):
    """Return a moment in UTC."""
    return dt.datetime(*fields, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("bucket", "moment", "start"),
    [
        (hours("sent_at", zone="Europe/Paris"), utc(2026, 3, 29, 0, 59), (2026, 3, 29, 1)),
        (hours("sent_at", zone="Europe/Paris"), utc(2026, 3, 29, 1, 0), (2026, 3, 29, 3)),
        (hours("sent_at", zone="Europe/Paris"), utc(2026, 10, 25, 0, 30), (2026, 10, 25, 2)),
        (hours("sent_at", zone="Europe/Paris"), utc(2026, 10, 25, 1, 30), (2026, 10, 25, 2)),
        (hours("sent_at", zone="Europe/Paris"), utc(2026, 10, 25, 2, 0), (2026, 10, 25, 3)),
        (days("sent_at", zone="Europe/Paris"), utc(2026, 10, 24, 22, 0), (2026, 10, 25)),
        (days("sent_at", zone="Europe/Paris"), utc(2026, 10, 25, 22, 59), (2026, 10, 25)),
        (days("sent_at", zone="Europe/Paris"), utc(2026, 10, 25, 23, 0), (2026, 10, 26)),
    ],
)
def test_buckets_are_what_the_clock_shows(bucket, moment, start):
    """An hour is the clock's, shown twice or left out when the clocks change; a day may have 23 or 25 hours."""
    began = bucket.start(moment)

    assert dt.datetime(*start, tzinfo=PARIS) == began
    assert (began.tzinfo, began.fold) == (PARIS, 0)
    assert bucket.start(None) is None


def test_since_splits_at_a_moment():
    """The moment itself is in the later group; never is in the earlier one."""
    since = Since("sent_at", NOON)

    assert (
        since.start(NOON),
        since.start(NOON - dt.timedelta(microseconds=1)),
        since.start(None),
    ) == (True, False, False)
    assert [
        by_name(each) for each in (since, hours("sent_at", zone="UTC"), days("sent_at", zone="UTC"), "variant")
    ] == ["sent_at_recent", "sent_at_hour", "sent_at_day", "variant"]


@pytest.mark.parametrize(
    ("by", "columns"),
    [
        (None, ()),
        ("variant", ("variant",)),
        (["variant", "step"], ("variant", "step")),
        (Since("sent_at", NOON), (Since("sent_at", NOON),)),
    ],
)
def test_by_is_one_column_or_several(by, columns):
    """Whatever by= is given as, it becomes a tuple."""
    assert columns == by_columns(by)


# --- tallies -----------------------------------------------------------------------------------


def wide(groups, per_cell):
    """Return a tally of so many groups in two columns, a cell each."""
    sums = Sums(n=per_cell)
    return Tally(by=("variant", "to"), cells={("ab"[n % 2], n): {Cell("sent"): sums} for n in range(groups)})


def test_a_large_table_is_warned_about():
    """More than 50,000 cells are warned about, and the widest column is named."""
    with pytest.warns(UserWarning, match="variant") as warned:
        check_size(wide(MOST_CELLS + 1, 10))

    assert str(warned[0].message) == (
        "by=['variant', 'to'] makes 50,001 cells of 500,010 messages; 'to' has 50,001 values;"
        " a coarser grouping would be faster to read"
    )


def test_a_table_as_large_as_the_data_is_refused():
    """Cells of more than a tenth of the messages are no summary of them."""
    with pytest.raises(InvalidValue) as error:
        check_size(wide(MOST_CELLS + 1, 9))

    assert str(error.value) == (
        "by=['variant', 'to'] makes 50,001 cells of 450,009 messages; 'to' has 50,001 values:"
        " group by something coarser, or filter first"
    )


def test_a_large_table_without_groups_names_no_column():
    """Where codes alone make the table large there is no column to name."""
    cells = {(): {Cell("sent", "twilio", str(n)): Sums(n=1) for n in range(MOST_CELLS + 1)}}

    with pytest.raises(InvalidValue, match=r"by=\[\] makes 50,001 cells of 50,001 messages: group by"):
        check_size(Tally(cells=cells))


def test_a_table_of_usual_size_is_not_remarked_on():
    """Up to 50,000 cells nothing is said."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_size(wide(MOST_CELLS, 1))


def test_a_price_in_one_part_is_a_price_in_the_whole():
    """A price may be given for some messages only, so a part without any does not hide the others'."""
    priced = tally([Message(status="sent", price=1, currency="EUR")])

    for whole in (priced + tally([Message(status="sent")]), tally([Message(status="sent")]) + priced):
        assert "price" not in whole.unmeasured
        assert Counts.of(whole.cells[()], OURS, whole.unmeasured).priced == 1
    nothing = tally([Message(status="sent")])
    assert (nothing + nothing).unmeasured["price"] == "no price in the data"


def test_a_count_in_one_part_is_not_measured_in_the_whole():
    """A count that one part does not give is None for the whole."""
    whole = tally([Message(status="sent", clicks=1)]) + tally([Message(status="sent")])

    assert Counts.of(whole.cells[()], OURS, whole.unmeasured).clicks is None


def test_people_do_not_add():
    """The sum of tallies has no people, and says why."""
    part = tally([Message(status="sent", contact_id="ana")], people="contact_id")

    whole = part + part
    assert whole.people == {}
    assert whole.unmeasured["people"] == "people do not add over tallies; count them over all messages at once"


def test_people_of_groups_are_not_people_of_the_total():
    """The total of groups has no people, and says why; without groups it is the tally itself."""
    rows = [Message(status="sent", contact_id="ana", variant="a")]
    grouped, alone = tally(rows, by="variant", people="contact_id"), tally(rows, people="contact_id")

    assert grouped.total().people == {}
    assert grouped.total().unmeasured["people"] == "people do not add over groups; ask again without by="
    assert alone is alone.total()


def test_an_empty_tally_changes_nothing_but_the_moment():
    """Nothing added to a table leaves it as it is, people included; the later as_of holds."""
    table = tally([Message(status="sent", contact_id="ana")], by="variant", people="contact_id")
    later = Tally(as_of=NOON)

    assert table == table + Tally() == Tally() + table
    assert attrs.evolve(table, as_of=NOON) == table + later == later + table
    assert Tally() == Tally() + Tally()
    assert Tally(by=("variant",)).total().cells == {}


def test_select_keeps_some_groups():
    """What is selected is the table of those groups alone."""
    rows = [
        Message(
            status="delivered", variant=each, contact_id="ana", price=1, currency="EUR", sent_at=NOON, delivered_at=NOON
        )
        for each in ("a", "b")
    ]
    table = tally(rows, by="variant", people="contact_id")

    assert tally(rows[1:], by="variant", people="contact_id") == table.select(lambda group: group == ("b",))


# --- what is refused ---------------------------------------------------------------------------

REFUSED = {
    "adding": (
        lambda: Tally(by=("a",), cells={("x",): {}}) + Tally(by=("b",), cells={("x",): {}}),
        "cannot add a tally by ('a',) to one by ('b',): group both the same way",
    ),
    "writing": (
        lambda: Tally(by=("day",), cells={(NOON.date(),): {}}).to_dict(),
        "group value datetime.date(2026, 11, 21) cannot be written: convert it to text first",
    ),
    "people": (
        lambda: People("contact_id", ("repliers", "recipient")),
        "people count is 'recipient': not one we know; nearest: recipients",
    ),
    "zone": (
        lambda: hours("sent_at", zone="Paris"),
        "zone is 'Paris': not an IANA time zone; give one like 'Europe/Paris'",
    ),
    "path as zone": (
        lambda: days("sent_at", zone="../etc"),
        "zone is '../etc': not an IANA time zone; give one like 'Europe/Paris'",
    ),
    "twice": (
        lambda: by_columns(["variant", "step", "variant"]),
        "by names 'variant' twice: name each column once",
    ),
    "date": (
        lambda: Since("sent_at", dt.date(2026, 1, 1)),
        "moment is datetime.date(2026, 1, 1): must be a datetime; parse it, for example with datetime.fromisoformat()",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_says_why(case):
    """One sentence names the value, the rule and the remedy."""
    call, sentence = REFUSED[case]

    with pytest.raises(InvalidValue) as error:
        call()

    assert sentence == str(error.value)


def test_people_counts_are_none_until_asked_for():
    """Without people= nothing is known of people."""
    assert {None} == {*attrs.asdict(PeopleCounts()).values()}
    assert People("contact_id").counts == tuple(attrs.asdict(PeopleCounts()))
