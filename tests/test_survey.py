"""The survey of rows: reading them seldom says what reading them often says."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from types import SimpleNamespace

import attrs
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaignkit.charts import start_of
from campaignkit.errors import InvalidColumn, InvalidValue
from campaignkit.grouping import Since, TimeBucket, days
from campaignkit.models import Click, Message
from campaignkit.summary import summarize, tally
from campaignkit.survey import MOST_GROUPS, first_of, survey
from strategies import NOON, campaigns

ZONES = ("UTC", "Europe/Paris", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns")
KINDS = {
    "messages": lambda rows: [Message(**row) for row in rows],
    "generator": lambda rows: (Message(**row) for row in rows),
    "mappings": lambda rows: rows,
    "objects": lambda rows: [SimpleNamespace(**row) for row in rows],
    "polars": pl.DataFrame,
    "lazy": pl.LazyFrame,
    "pandas": pd.DataFrame,
    "pyarrow": pa.Table.from_pylist,
}


def look(rows, *, by=None, zone="UTC", **asked):
    """Return the survey of rows, by default without tables of events."""
    return survey(rows, by=by, zone=zone, **{"events": {}, **asked})


def messages(rows):
    """Return mappings as Messages, of two accounts."""
    return [Message(**row, account_id=f"account {place % 2}") for place, row in enumerate(rows)]


def told(table):
    """Return what a tally says, but for when it was true."""
    return attrs.evolve(table, as_of=None)


def standing(cells):
    """Return messages by cell: how many, and how many of them were handed off."""
    return {cell: (sums.n, sums.handed_off) for cell, sums in cells.items()}


# --- the same tables ---------------------------------------------------------------------------


@given(campaigns())
def test_a_survey_counts_what_a_tally_counts(rows):
    """By nothing, and by whatever a report shows, the tables are those of a tally of its own."""
    made = messages(rows)
    found = look(made)

    for by in ((), ("variant",), ("account_id",), ("campaign_id",), ("variant", "account_id"), ("status",)):
        assert told(found.tally(*by)) == told(tally(made, by=by)), by


@given(campaigns(), st.sampled_from(ZONES))
def test_messages_by_time_are_those_of_a_tally(rows, zone):
    """Each hour or day of sending has the messages, in each cell, that a tally by hours or days has."""
    made = messages(rows)
    found = look(made, zone=zone)
    expected = {}
    if found.span is not None:
        by_time = tally(made, by=TimeBucket("sent_at", found.bucket.unit, zone)).cells
        for (start,), cells in by_time.items():
            bar = expected.setdefault(start and start_of(start, found.unit), {})
            for cell, (n, handed_off) in standing(cells).items():
                before = bar.get(cell, (0, 0))
                bar[cell] = (before[0] + n, before[1] + handed_off)

    got = found.over_time()

    assert {start: standing(cells) for start, cells in got.items()} == expected
    timed = [start for start in got if start is not None]
    assert timed == sorted(timed)
    assert None not in list(got)[:-1]


@given(campaigns(), st.sampled_from([0, 29, 31, 400]))
def test_recent_messages_are_those_of_a_tally(rows, age):
    """What an account sent in the last 30 days is what a tally since then says, read from what is counted already."""
    made = messages(rows)
    found = look(made)
    as_of = (found.span[1] if found.span else NOON) + dt.timedelta(days=age)
    expected = tally(made, by=("account_id", Since("sent_at", as_of - dt.timedelta(days=30)))).cells

    got = found.recent("account_id", as_of).cells

    for group, cells in expected.items():
        if group[1]:
            assert {c: s.n for c, s in got.get(group, {}).items() if s.n} == {c: s.n for c, s in cells.items()}


# --- what it sees ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_names_and_span_of_rows_of_any_kind(kind):
    """Names and the first and last sending are seen in messages, mappings and frames alike."""
    rows = [
        {"status": "sent", "variant": name, "sender": "x", "sent_at": NOON + dt.timedelta(days=place)}
        for place, name in enumerate("aba")
    ]

    found = look(KINDS[kind](rows))

    assert (found.names["variant"], found.names["sender"]) == ({"a", "b"}, {"x"})
    assert found.names["list_id"] <= {None}
    assert found.span == (NOON, NOON + dt.timedelta(days=2))
    assert found.by == ("variant",)
    assert sum(each.n for cells in found.over_time().values() for each in cells.values()) == 3
    assert summarize(first_of(found.rows, 2)).counts.total == 2


def test_names_and_span_of_a_relation():
    """A relation of a database is read by queries of its own."""
    rows = pl.DataFrame({"status": ["sent", "failed"], "variant": ["a", None], "sent_at": [NOON, None]})

    found = look(duckdb.from_arrow(rows.to_arrow()))

    assert (found.names["variant"], found.span) == ({"a", None}, (NOON, NOON))
    assert list(found.over_time()) == [NOON, None]


@pytest.mark.parametrize("kind", ["mappings", "polars", "pandas"])
def test_other_names_and_naive_times(kind):
    """Columns that are called otherwise are seen by columns=, naive times in the zone that is said."""
    rows = [{"state": "sent", "text": name, "at": dt.datetime(2026, 3, 1, 9)} for name in "ab"]  # noqa: DTZ001

    found = look(
        KINDS[kind](rows),
        columns={"status": "state", "variant": "text", "sent_at": "at"},
        timezone="America/New_York",
        zone="Europe/Paris",
    )

    assert found.by == ("variant",)
    assert [start.isoformat() for start in found.over_time()] == ["2026-03-01T15:00:00+01:00"]


def test_a_null_column_has_no_span():
    """Times that are all missing, in a frame that has typed them or not, are no times."""
    typed = pl.DataFrame(
        {"status": ["sent"], "sent_at": [None]}, schema_overrides={"sent_at": pl.Datetime("us", "UTC")}
    )

    for frame in (typed, pl.DataFrame({"status": ["sent"], "sent_at": [None]}), pd.DataFrame([{"status": "sent"}])):
        assert look(frame).span is None
        assert look(frame).over_time() == {}


def test_nulls_of_pandas_are_no_names():
    """NaN, NA and NaT are as None: no name."""
    frame = pd.DataFrame({"status": ["sent"] * 3, "variant": pd.array(["a", None, "b"], dtype="string")})

    assert look(frame).names["variant"] == {"a", "b", None}


def test_nothing_is_seen_of_nothing():
    """No rows have no names and no span, and count as nothing."""
    found = look([])

    assert (found.by, found.span, found.over_time(), found.tally().cells) == ((), None, {}, {})


def test_too_many_values_are_not_broken_down_by():
    """A column of nearly as many values as there are messages is left alone unless it is asked for."""
    rows = [Message(status="sent", variant=str(place), list_id=str(place % 3)) for place in range(MOST_GROUPS + 1)]

    assert look(rows).by == ("list_id",)
    assert look(rows, by=["variant"]).by == ("variant",)
    assert len(look(rows, by=["variant"]).tally("variant").cells) == MOST_GROUPS + 1


def test_what_is_asked_for_stays():
    """What is asked to break down by is taken as it is, time among it."""
    by_day = days("sent_at", zone="UTC")

    found = look([Message(status="sent", sent_at=NOON)], by=[by_day, "sender"])

    assert found.by == (by_day, "sender")
    assert list(found.tally(by_day).cells) == [(NOON.replace(hour=0),)]


# --- tables of events --------------------------------------------------------------------------

ROWS = [Message(status="sent", message_id=f"m{place}", variant="ab"[place % 2], sent_at=NOON) for place in range(4)]
CLICKS = [Click(clicked_at=NOON, message_id="m1"), Click(clicked_at=NOON, message_id="m3")]


def test_events_that_do_not_say_the_group_are_left_out_of_it():
    """Clicks without a variant are counted in the whole; by variant they are not known, unless one asks for that."""
    bare = [{"clicked_at": NOON, "message_id": "m1"}]

    found = look(ROWS, events={"clicks": bare})

    assert (
        next(iter(found.tally().cells[()].values())).clicks
        + sum(sums.clicks for cell, sums in found.tally().cells[()].items() if cell.status == "")
        == 1
    )
    assert "clicks" in found.tally("variant").unmeasured
    with pytest.raises(InvalidColumn, match="there is no 'variant': clicks need the columns of by="):
        look(ROWS, by=["variant"], events={"clicks": bare}).tally("variant")


@pytest.mark.parametrize("kind", [list, iter, lambda rows: pl.DataFrame([attrs.asdict(row) for row in rows])])
def test_events_are_kept_to_be_read_again(kind):
    """Events of a list, of something that is read once and of a frame count the same, however often they are read."""
    found = look(ROWS, events={"clicks": kind(CLICKS)})

    for _ in range(2):
        counts = Counter(sums.clicks for cells in found.tally("variant").cells.values() for sums in cells.values())
        assert counts[1] + 2 * counts[2] == 2


# --- what cannot be surveyed -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            "messages.csv",
            (
                "rows is 'messages.csv': give a frame, or an iterable of messages, objects or mappings;"
                " read_log reads a file"
            ),
        ),
        (7, "rows is 7: give a frame, or an iterable of messages, objects or mappings"),
        ({"status": "sent"}, "rows is {'status': 'sent'}: give a frame"),
        ([Message(status="sent"), {"status": "sent"}], "row 1 is a dict, row 0 a Message: give one kind"),
        ([{"status": "sent"}, Message(status="sent")], "row 1 is a Message, row 0 a dict: give one kind"),
        ([{"status": "sent", "variant": ["a"]}], "rows cannot be grouped: unhashable type: 'list'; give names as text"),
        (pl.Series(["sent"]), "rows is a Series: give the whole frame, or rows"),
    ],
)
def test_wrong_rows_are_refused_as_by_a_tally(rows, sentence):
    """Whatever is no set of messages gets the sentence that a tally has for it."""
    with pytest.raises(InvalidValue) as raised:
        look(rows).tally()

    assert str(raised.value).startswith(sentence)


def test_wrong_times_are_refused_as_by_a_tally():
    """Times with and without a zone, or no times at all, are refused with their row."""
    naive = dt.datetime(2026, 3, 1)  # noqa: DTZ001
    for second in (naive, "2026-03-01"):
        with pytest.raises(InvalidValue, match="row 1: sent_at is"):
            look([{"status": "sent", "sent_at": NOON}, {"status": "sent", "sent_at": second}]).tally()


def test_a_table_of_events_that_is_none_is_refused():
    """Events that are no table are refused by name."""
    with pytest.raises(InvalidValue, match=r"^clicks is 'clicks\.csv': give a frame, or an iterable"):
        look(ROWS, events={"clicks": "clicks.csv"})


def test_a_zone_that_is_none_is_refused():
    """A zone nobody knows is an error before anything is read."""
    with pytest.raises(InvalidValue, match="zone is 'Mars/Olympus': not an IANA time zone"):
        look([], zone="Mars/Olympus")
