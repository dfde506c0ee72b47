"""The law of the library: the same messages give the same table, whatever they come in and however they come."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import types
from collections import Counter, namedtuple
from decimal import Decimal

import attrs
import narwhals as nw
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaignkit.cells import Tally
from campaignkit.delivery import fold
from campaignkit.grouping import Since, days, hours
from campaignkit.live import Live
from campaignkit.metrics import Counts
from campaignkit.models import (
    COUNT_COLUMNS,
    MICROS,
    MONEY_COLUMNS,
    NEVER_HANDED_OFF,
    Attempt,
    Click,
    Keyword,
    Message,
    OptOut,
    Order,
    Outcome,
    Receipt,
    Reply,
    Status,
)
from campaignkit.profiles import BOUNCE_POLICIES, PROFILES
from campaignkit.review import progress
from campaignkit.summary import read_tally, summarize, tally
from engines import MAKERS
from strategies import CLOCK_CHANGES, campaigns, stories

STATUSES = [status.value for status in Status]
BYS = {
    "nothing": None,
    "a column": "variant",
    "two columns": ("variant", "campaign_id"),
    "hours": hours("sent_at", zone="Europe/Paris"),
    "days": days("delivered_at", zone="America/New_York"),
    "a column and half hours off": ("campaign_id", hours("sent_at", zone="Asia/Kolkata")),
    "since": Since("sent_at", CLOCK_CHANGES[1].astimezone(dt.timezone(dt.timedelta(hours=2)))),
}
bys = st.sampled_from([*BYS.values()])
people = st.sampled_from([None, "contact_id"])

TEXT = pl.String
MONEY = pl.Decimal(38, 6)
MOMENT = pl.Datetime("us", "UTC")
TYPES = {
    **dict.fromkeys(["status", "campaign_id", "contact_id", "variant", "carrier", "error_code", "skip_reason"], TEXT),
    **dict.fromkeys(["sent_at", "delivered_at", "last_event_at"], MOMENT),
    "currency": TEXT,
    **dict.fromkeys(COUNT_COLUMNS, pl.Int64),
    "opted_out": pl.Boolean,
    **dict.fromkeys(MONEY_COLUMNS, MONEY),
}
NARROW = {
    "segments": pl.UInt8,
    "replies": pl.Int32,
    "stop_replies": pl.UInt32,
    "clicks": pl.Int8,
    "opted_out": pl.UInt8,
    "orders": pl.Float64,
    "assisted_orders": pl.Decimal(10, 2),
    "price": pl.Float64,
    "revenue": pl.Float64,
}
ENUMS = {
    "status": pl.Enum(STATUSES),
    "variant": pl.Enum(["b", "a", "c"]),
    "campaign_id": pl.Categorical(),
    "carrier": pl.Categorical(),
    "error_code": pl.Categorical(),
    "currency": pl.Enum(["USD", "EUR"]),
    "contact_id": pl.Categorical(),
}
CATEGORIES = ["status", "campaign_id", "contact_id", "variant", "carrier", "error_code", "skip_reason", "currency"]

Row = namedtuple("Row", TYPES)  # noqa: PYI024 - a row of a host that has no types
Host = attrs.make_class("Host", list(TYPES), frozen=True)


def typed(rows, **other):
    """Return rows as a polars frame, with other types for some columns."""
    return pl.DataFrame([[row[name] for name in TYPES] for row in rows], schema=TYPES, orient="row").cast(other)


def in_zone(rows, zone):
    """Return a polars frame whose times of sending are in another zone than the rest."""
    return typed(rows).with_columns(pl.col("sent_at").dt.convert_time_zone(zone))


FORMS = {
    "mappings": list,
    "mappings without nulls": lambda rows: [
        {k: v for k, v in row.items() if v is not None} | _asked(row) for row in rows
    ],
    "namedtuples": lambda rows: [Row(**row) for row in rows],
    "attrs objects": lambda rows: (Host(**row) for row in rows),
    "namespaces": lambda rows: [types.SimpleNamespace(**row) for row in rows],
    "pandas": pd.DataFrame,
    "pandas, nullable": lambda rows: pd.DataFrame(rows).convert_dtypes(),
    "pandas, pyarrow": lambda rows: typed(rows).to_arrow().to_pandas(types_mapper=pd.ArrowDtype),
    "pandas, categories": lambda rows: pd.DataFrame(rows).astype(dict.fromkeys(CATEGORIES, "category")),
    "pandas, floats": lambda rows: pd.DataFrame(rows).astype(dict.fromkeys(MONEY_COLUMNS, float)),
    "polars": typed,
    "polars, untyped": lambda rows: pl.DataFrame(rows, infer_schema_length=None),
    "polars, lazy": lambda rows: typed(rows).lazy(),
    "polars, narrow": lambda rows: typed(rows, **NARROW).lazy(),
    "polars, enums": lambda rows: typed(rows, **ENUMS),
    "polars, two zones": lambda rows: in_zone(rows, "Europe/Paris"),
    "pandas, two zones": lambda rows: in_zone(rows, "America/New_York").to_pandas(),
    "pyarrow": lambda rows: typed(rows).to_arrow(),
    "narwhals": lambda rows: nw.from_native(typed(rows)),
}

FRAMES = [form for form in FORMS if form.startswith(("pandas", "polars", "pyarrow", "narwhals"))]


def _asked(row):
    return {name: row[name] for name in ("variant", "sent_at", "delivered_at")}


def messages(rows):
    """Return rows as messages."""
    return [Message(**row) for row in rows]


def without_people(table):
    """Return a tally without what does not add: people, and why they are not there."""
    return attrs.evolve(
        table, people={}, unmeasured={name: why for name, why in table.unmeasured.items() if name != "people"}
    )


# --- one campaign, many forms ------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@given(rows=campaigns(), by=bys, person=people)
@settings(max_examples=25)
def test_every_form_gives_the_table_of_messages(form, rows, by, person):
    """Objects, mappings and frames of every kind give one table: cells, money, latency, people, reasons, as_of."""
    expected = tally(messages(rows), by=by, people=person)

    assert expected == tally(FORMS[form](rows), by=by, people=person)


@pytest.mark.parametrize("engine", MAKERS)
@given(rows=campaigns(most=24), by=bys, person=people)
@settings(max_examples=6)
def test_every_engine_gives_the_table_of_messages(engine, rows, by, person):
    """duckdb, dask, ibis, sqlframe and Spark count what the loop over messages counts, whatever their zone."""
    expected = tally(messages(rows), by=by, people=person)

    assert expected == tally(MAKERS[engine](typed(rows)), by=by, people=person)


def one_of_each(place, status):
    """Return a row of a campaign in which every column that groups holds several values, and nothing."""
    night, skipped = CLOCK_CHANGES[place % 2], status == Status.SKIPPED
    sent_at = None if skipped or place % 5 == 0 else night + dt.timedelta(minutes=17 * place)
    return {
        "status": status,
        "campaign_id": ["spring", "summer"][place % 2],
        "contact_id": "abc"[place % 3],
        "variant": [None, "a", "b"][place % 3],
        "carrier": "twilio",
        "error_code": None if skipped else [None, "30003", "30005"][place % 3],
        "skip_reason": "quiet_hours" if skipped else None,
        "sent_at": sent_at,
        "delivered_at": None if place % 4 == 0 else night + dt.timedelta(minutes=17 * place, milliseconds=1500),
        "last_event_at": night,
        "currency": ["EUR", "USD"][place % 2],
        **dict.fromkeys(COUNT_COLUMNS, place % 3),
        "opted_out": place % 7 == 0,
        **dict.fromkeys(MONEY_COLUMNS, Decimal(7900 * place).scaleb(-6)),
    }


MIXED = [one_of_each(place, status) for place, status in enumerate(STATUSES * 2)]


@pytest.mark.no_cover  # engines are slow enough
@pytest.mark.parametrize("engine", MAKERS)
@pytest.mark.parametrize("by", BYS)
def test_every_engine_groups_alike(engine, by):
    """Each way of grouping is tried on each engine, with people."""
    expected = tally(messages(MIXED), by=BYS[by], people="contact_id")

    assert expected == tally(MAKERS[engine](typed(MIXED)), by=BYS[by], people="contact_id")


step_rows = st.lists(
    st.builds(
        lambda who, step, status, sent_at: {"contact_id": who, "step": step, "status": status, "sent_at": sent_at},
        st.sampled_from("abc"),
        st.integers(1, 3),
        st.sampled_from(["sent", "delivered", "pending", "skipped", "refused"]),
        st.none(),
    ),
    min_size=1,
    max_size=12,
)
STEP_TYPES = {"contact_id": TEXT, "step": pl.Int64, "status": TEXT, "sent_at": MOMENT}


@given(rows=step_rows)
def test_frames_follow_people_as_rows_do(rows):
    """How far people are in a sequence is the same from polars, pandas and pyarrow as from messages."""
    frame = pl.DataFrame(rows, schema=STEP_TYPES)

    expected = progress(rows, steps=2).contacts

    assert expected == progress(frame, steps=2).contacts
    assert expected == progress(frame.to_pandas(), steps=2).contacts
    assert expected == progress(frame.to_arrow(), steps=2).contacts


@pytest.mark.parametrize("engine", MAKERS)
@given(rows=step_rows)
@settings(max_examples=2)
def test_every_engine_follows_people(engine, rows):
    """Whoever got all steps, some or none is the same on every engine."""
    expected = progress(rows, steps=2).contacts

    assert expected == progress(MAKERS[engine](pl.DataFrame(rows, schema=STEP_TYPES)), steps=2).contacts


walls = st.builds(
    lambda night, minutes: night.replace(tzinfo=None) + dt.timedelta(minutes=minutes),
    st.sampled_from(CLOCK_CHANGES),
    st.integers(-180, 300),
)


def on_the_clock(moments):
    """Return messages with moments that name no zone, as mappings and as a polars frame."""
    rows = [{"status": "delivered", "sent_at": one, "delivered_at": other} for one, other in moments]
    return rows, pl.DataFrame(
        rows, schema={"status": TEXT} | dict.fromkeys(["sent_at", "delivered_at"], pl.Datetime("us"))
    )


@given(moments=st.lists(st.tuples(st.none() | walls, st.none() | walls), min_size=1, max_size=8))
def test_moments_without_a_zone_are_read_alike(moments):
    """With timezone= the hour a clock skips, and the one it shows twice, mean the same in frames as in rows."""
    rows, frame = on_the_clock(moments)
    asked = {"by": hours("sent_at", zone="America/New_York"), "timezone": "Europe/Paris"}

    expected = tally(rows, **asked)

    assert expected == tally(frame.lazy(), **asked)
    assert expected == tally(frame.to_pandas(), **asked)
    assert expected == tally(frame.to_arrow(), **asked)


@pytest.mark.parametrize("engine", MAKERS)
@given(moments=st.lists(st.tuples(walls, walls), min_size=4, max_size=8))
@settings(max_examples=2)
def test_every_engine_reads_moments_without_a_zone(engine, moments):
    """Clocks without a zone are read alike by every engine, whatever zone its session is in."""
    rows, frame = on_the_clock(moments)
    asked = {"by": days("sent_at", zone="Asia/Kolkata"), "timezone": "Europe/Paris"}

    assert tally(rows, **asked) == tally(MAKERS[engine](frame), **asked)


@pytest.mark.parametrize("by", BYS)
@given(rows=campaigns())
@settings(max_examples=10)
def test_every_grouping_gives_the_table_of_messages(by, rows):
    """Each way of grouping is tried on pandas and polars, with people."""
    expected = tally(messages(rows), by=BYS[by], people="contact_id")

    assert expected == tally(pd.DataFrame(rows), by=BYS[by], people="contact_id")
    assert expected == tally(typed(rows).lazy(), by=BYS[by], people="contact_id")


# --- one table, added up -----------------------------------------------------------------------


@given(rows=campaigns(), by=bys, data=st.data())
@settings(max_examples=50)
def test_tallies_of_the_parts_add_up_to_the_whole(rows, by, data):
    """However the messages are split, the tallies of the parts add up to the tally of them all; people do not."""
    places = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    parts = [messages(rows[start:end]) for start, end in itertools.pairwise([0, *places, len(rows)])]

    added = sum((tally(part, by=by, people="contact_id") for part in parts), Tally())

    assert without_people(added) == without_people(tally(messages(rows), by=by))


@given(rows=campaigns(), by=bys)
@settings(max_examples=50)
def test_total_of_the_groups_is_the_table_without_groups(rows, by):
    """Groups add up to what is counted without them."""
    assert without_people(tally(rows, by=by).total()) == without_people(tally(rows))


@given(rows=campaigns(least=0), by=st.sampled_from([None, "variant", ("variant", "campaign_id")]), person=people)
@settings(max_examples=50)
def test_a_tally_survives_json(rows, by, person):
    """A tally that is written as JSON and read again is the same, people and reasons included."""
    table = tally(messages(rows), by=by, people=person)

    assert table == Tally.from_dict(json.loads(json.dumps(table.to_dict())))


def test_a_tally_of_everything_survives_json():
    """Cells, money, latency and people by group, and what was not measured."""
    table = tally([{**row, "clicks": None} for row in MIXED], by=("variant", "campaign_id"), people="contact_id")

    assert all([table.cells, table.money, table.latency, table.people, table.unmeasured])
    assert table == Tally.from_dict(json.loads(json.dumps(table.to_dict())))


@pytest.mark.parametrize("policy", BOUNCE_POLICIES)
@pytest.mark.parametrize("profile", PROFILES)
@given(rows=campaigns())
@settings(max_examples=10)
def test_the_counts_share_out_the_messages(profile, policy, rows):
    """Under every profile and bounce policy each message is in one count, and the sums of counts are what they say."""
    chosen = PROFILES[profile].with_bounces(policy)

    counts = read_tally(tally(rows), profile=chosen).counts

    assert counts.total == len(rows)
    assert counts.failed == counts.soft + counts.hard + counts.deleted + counts.other
    assert counts.sent == counts.processing + counts.delivered + counts.unconfirmed + counts.failed
    assert counts.total == (
        counts.skipped + counts.canceled + counts.pending + counts.refused + counts.unknown + counts.sent
    )


@pytest.mark.parametrize("profile", PROFILES)
@given(rows=campaigns())
@settings(max_examples=10)
def test_another_profile_needs_no_recount(profile, rows):
    """One table read under each profile gives what counting under that profile gives."""
    read = read_tally(tally(rows, by="variant"), profile=profile)

    counted = summarize(rows, by="variant", profile=profile)

    assert counted.rows() == read.rows()


@given(rows=campaigns())
@settings(max_examples=10)
def test_no_row_is_changed(rows):
    """Counting leaves mappings as they were."""
    before = [dict(row) for row in rows]

    tally(rows, by="variant", people="contact_id")

    assert before == rows


@pytest.mark.parametrize("form", FRAMES)
@given(rows=campaigns())
@settings(max_examples=5)
def test_no_frame_is_changed(form, rows):
    """Counting leaves frames as they were, in values and in types."""
    frame = FORMS[form](rows)

    tally(frame, by=("variant", hours("sent_at", zone="Europe/Paris")), people="contact_id")

    assert_same_frame(FORMS[form](rows), frame)


def assert_same_frame(before, after):
    """Check that two frames of one engine have the same columns, types and values."""
    if isinstance(before, pd.DataFrame):
        pd.testing.assert_frame_equal(before, after)
        return
    one, other = nw.from_native(before), nw.from_native(after)
    assert one.collect_schema() == other.collect_schema()
    assert one.lazy().collect().rows() == other.lazy().collect().rows()


# --- what came back: followed live, folded, or as tables ---------------------------------------


def follow(story, by):
    """Return the live tally of a story, the messages added between its events."""
    live = Live(by=by)
    middle = len(story.events) // 2
    live.apply_many(story.events[:middle])
    live.add(story.messages, parts=story.parts)
    live.add(story.messages, parts=story.parts)
    for event in story.events[middle:]:
        live.apply(event)
    return live


OUTCOMES = {  # of the attempt that a message's first status tells of
    Status.PENDING: Outcome.PLANNED,
    Status.SKIPPED: Outcome.PLANNED,
    Status.CANCELED: Outcome.CANCELED,
    Status.REFUSED: Outcome.REFUSED,
    Status.UNKNOWN: Outcome.UNKNOWN,
}


def told_once(story, message, kind):
    """Return the events of one kind about a message, each one once."""
    return list(dict.fromkeys(e for e in story.events if type(e) is kind and e.message_id == message.message_id))


def settle(story, message):
    """Return a message as it stands after everything that came back, by folding it."""
    receipts = told_once(story, message, Receipt)
    if message.status not in NEVER_HANDED_OFF:
        receipts.append(Receipt(status=message.status, carrier=message.carrier, error_code=message.error_code))
    if message.status is not Status.SKIPPED or receipts:
        attempt = Attempt(
            parts=story.parts,
            outcome=OUTCOMES.get(message.status, Outcome.TAKEN),
            error_code=message.error_code,
        )
        state = fold(receipts, attempts=[attempt])
        message = attrs.evolve(
            message,
            status=state.status,
            error_code=state.error_code,
            delivered_at=min(filter(None, (message.delivered_at, state.delivered_at)), default=None),
            skip_reason=None,
        )
    return attrs.evolve(message, **engagement(story, message))


def engagement(story, message):
    """Return the counts of a message from the events about it."""
    replies = told_once(story, message, Reply)
    orders = told_once(story, message, Order)
    stops = sum(reply.keyword is Keyword.OPT_OUT for reply in replies)
    own, assisted = ([order for order in orders if order.assisted is wanted] for wanted in (False, True))
    return {
        "replies": len(replies) - stops,
        "stop_replies": stops,
        "clicks": len(told_once(story, message, Click)),
        "opted_out": bool(told_once(story, message, OptOut)),
        "orders": len(own),
        "assisted_orders": len(assisted),
    }


def revenue(story):
    """Return what the orders of a story brought, in millionths, by kind; each order counts once."""
    brought = Counter()
    for order in dict.fromkeys(event for event in story.events if isinstance(event, Order)):
        if order.revenue is not None:
            brought["assisted_revenue" if order.assisted else "revenue", "EUR"] += int(order.revenue * MICROS)
    return dict(brought)


@given(story=stories(), by=st.sampled_from([None, "variant"]))
def test_live_is_the_fold_of_each_message(story, by):
    """Receipts, replies, clicks, opt-outs, orders, shuffled and doubled, are counted live as if folded at the end."""
    settled = tally([settle(story, message) for message in story.messages], by=by)

    live = follow(story, by).tally()

    assert live.by == settled.by
    assert live.cells == settled.cells
    assert live.latency == settled.latency
    assert live.unmeasured == settled.unmeasured


@given(story=stories())
@settings(max_examples=50)
def test_live_money_is_what_messages_cost_and_orders_brought(story):
    """Costs are counted when a message is added, revenue when its order comes, each order once."""
    costs = tally(story.messages).money.get((), {})

    money = follow(story, None).tally().money.get((), {})

    assert money == {**costs, **revenue(story)}


@given(story=stories(), data=st.data())
def test_live_does_not_depend_on_the_order(story, data):
    """The same events in any order give the same live tally, its latest moment included."""
    shuffled = story._replace(events=data.draw(st.permutations(story.events)))

    assert follow(story, "variant").tally() == follow(shuffled, "variant").tally()


@given(story=stories(), by=st.sampled_from([None, "variant"]))
def test_live_without_events_is_the_tally_of_the_messages(story, by):
    """Messages that were only added are counted as rows are."""
    bare = story._replace(events=[], parts=1)
    counted = [attrs.evolve(message, **engagement(bare, message)) for message in story.messages]

    assert follow(bare, by).tally() == tally(counted, by=by)


EVENTS_TYPES = {
    **dict.fromkeys(["message_id", "contact_id", "variant", "keyword", "currency"], TEXT),
    **dict.fromkeys(["received_at", "clicked_at", "opted_out_at", "ordered_at"], MOMENT),
    "assisted": pl.Boolean,
    "revenue": MONEY,
}


def columns_of(events):
    """Return events as mappings with the columns that they have."""
    return [{name: getattr(event, name) for name in EVENTS_TYPES if hasattr(event, name)} for event in events]


def events_frame(events):
    """Return events as a polars frame with types."""
    rows = columns_of(events)
    names = [name for name in EVENTS_TYPES if not rows or name in rows[0]]
    return pl.DataFrame(
        [[row[name] for name in names] for row in rows],
        schema={name: EVENTS_TYPES[name] for name in names},
        orient="row",
    )


EVENT_FORMS = {
    "mappings": columns_of,
    "a generator": iter,
    "pandas": lambda events: pd.DataFrame(columns_of(events), columns=events_frame(events).columns),
    "pandas, pyarrow": lambda events: events_frame(events).to_arrow().to_pandas(types_mapper=pd.ArrowDtype),
    "polars": events_frame,
    "polars, lazy": lambda events: events_frame(events).lazy(),
    "polars, floats": lambda events: events_frame(events).cast({pl.Decimal: pl.Float64}),
    "pyarrow": lambda events: events_frame(events).to_arrow(),
}


def tables_of(story, form=list):
    """Return the event tables of a story, each event once, in the variant of its message."""
    variants = {message.message_id: message.variant for message in story.messages}
    found = {name: [] for name in ("replies", "clicks", "opt_outs", "orders")}
    for event in dict.fromkeys(event for event in story.events if not isinstance(event, Receipt)):
        name = {Reply: "replies", Click: "clicks", OptOut: "opt_outs", Order: "orders"}[type(event)]
        found[name].append(attrs.evolve(event, variant=variants[event.message_id]))
    return {name: form(events) for name, events in found.items()}


@pytest.mark.parametrize("form", EVENT_FORMS)
@given(story=stories(), by=st.sampled_from([None, "variant"]), person=people)
@settings(max_examples=20)
def test_every_form_of_event_tables_gives_the_table_of_events(form, story, by, person):
    """Replies, clicks, opt-outs and orders count alike as objects, mappings and frames."""
    sent = [attrs.evolve(message, contact_id=f"contact of {message.message_id}") for message in story.messages]
    expected = tally(sent, by=by, people=person, **tables_of(story))

    assert expected == tally(sent, by=by, people=person, **tables_of(story, EVENT_FORMS[form]))


@given(story=stories(), by=st.sampled_from([None, "variant"]))
def test_event_tables_count_what_columns_of_the_messages_count(story, by):
    """Counts and people are the same from event tables, from the messages' own columns, and live."""
    sent = [attrs.evolve(message, contact_id=f"contact of {message.message_id}") for message in story.messages]
    columns = tally(
        [attrs.evolve(message, **engagement(story, message)) for message in sent], by=by, people="contact_id"
    )

    tables = tally(sent, by=by, people="contact_id", **tables_of(story))

    assert columns.unmeasured == tables.unmeasured
    assert columns.people == tables.people
    assert {**columns.total().money.get((), {}), **revenue(story)} == tables.total().money.get((), {})
    for group in columns.cells:
        assert counts(columns, group) == counts(tables, group)


def counts(table, group):
    """Return the counts of a group."""
    return Counts.of(table.cells[group], PROFILES["campaignkit"], table.unmeasured)
