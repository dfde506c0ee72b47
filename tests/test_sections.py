"""The sections: each says one thing, in words that a marketer reads, and nothing where there is nothing to say."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaignkit import sections
from campaignkit.display import Entry, Facts, Section, Table, Tile, Tiles, clock_text, first_rows, in_zone, joined
from campaignkit.grouping import parse_zone
from campaignkit.metrics import Counts
from campaignkit.models import Message, Status
from campaignkit.report import Report
from campaignkit.review import health, progress
from campaignkit.summary import summarize
from strategies import NOON, campaigns

UTC = parse_zone("UTC")
CLOCK = sections.Clock(UTC)


def after(hours):
    """Return the moment some hours after noon."""
    return NOON + dt.timedelta(hours=hours)


def said(rows, **asked):
    """Return the sections of a report as text, by key."""
    return {section.key: str(section) for section in Report.of(rows, **asked).sections()}


# --- head and tiles ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "text"),
    [
        (0, "2026-11-21 12:00 UTC"),
        (1, "2026-11-21 12:00 to 13:00 UTC"),
        (12, "2026-11-21 12:00 UTC to 2026-11-22 00:00 UTC"),
    ],
)
def test_the_span_is_said_shortly(hours, text):
    """A day is named once where all was sent on it, and a moment once where all was sent in it."""
    head = said([Message(status="sent", sent_at=after(each)) for each in (0, hours)])["head"]

    assert f"sent at       {text}\n" in head


def test_a_span_over_a_change_of_clocks():
    """Where the clock was changed in between, each end has its own zone."""
    ends = [dt.datetime(2026, 3, day, 12, tzinfo=dt.UTC) for day in (28, 29)]

    head = said([Message(status="sent", sent_at=at) for at in ends], zone="Europe/Paris")["head"]

    assert "2026-03-28 13:00 CET to 2026-03-29 14:00 CEST" in head


def test_many_names_are_counted():
    """Of many senders and lists the first five are named, and how many more there are."""
    rows = [Message(status="sent", sender=f"s{place}", list_id=f"l{place}") for place in range(8)]

    head = said(rows)["head"]

    assert "senders       s0, s1, s2, s3, s4 and 3 more" in head
    assert "lists         l0, l1, l2, l3, l4 and 3 more" in head


@pytest.mark.parametrize(
    ("statuses", "sentence"),
    [
        (["sent", "delivered"], "1 message has no final status yet: the numbers may still change."),
        (["sent", "queued"], "2 messages have no final status yet: the numbers may still change."),
        (["delivered", "failed", "unconfirmed"], None),
    ],
)
def test_what_may_still_change_is_said(statuses, sentence):
    """As long as messages have no final status, a plain sentence says so."""
    lines = said([Message(status=status) for status in statuses])["head"].splitlines()

    assert (lines[-1] == sentence) or (sentence is None and lines[-1].startswith("definitions"))


def test_tiles_by_hand():
    """Each tile has its number, its fraction and its formula; what was not recorded has none."""
    rows = [
        Message(
            status="delivered" if place else "failed",
            replies=int(place == 1),
            stop_replies=0,
            opted_out=False,
            price=Decimal("0.01"),
            currency="USD",
            sent_at=NOON,
            delivered_at=after(place) if place else None,
        )
        for place in range(4)
    ]

    (tiles,) = sections.tiles(
        summarize([*rows, Message(status="skipped", replies=0, stop_replies=0, opted_out=False)])
    ).parts

    assert [(each.label, each.value, each.fraction, each.formula, each.more) for each in tiles.tiles] == [
        ("Sent", "4", "of 5 messages", "", ""),
        ("Delivered", "75.0 %", "3 / 4", "delivered ÷ sent", ""),
        ("Failed", "25.0 %", "1 / 4", "failed ÷ sent", ""),
        ("Answered", "25.0 %", "1 / 4", "replied ÷ sent", "1 replies"),
        ("Opted out", "0.0 %", "0 / 4", "opted out ÷ sent", ""),
        ("Cost", "0.04\N{NO-BREAK SPACE}USD", "4 messages with a price", "", ""),
        ("Median time to deliver", "2.0 h", "3 messages, 95\N{NO-BREAK SPACE}% within 3.0 h", "within 2 %", ""),
    ]


def test_tiles_of_nothing_sent():
    """Of nothing sent, the tiles are sent, delivered and failed."""
    (tiles,) = sections.tiles(summarize([])).parts

    assert [(each.label, each.value) for each in tiles.tiles] == [("Sent", "0"), ("Delivered", "–"), ("Failed", "–")]


def test_tiles_follow_the_profile():
    """A tile has the number and the formula of the profile that is asked for."""
    rows = [Message(status=status) for status in ("delivered", "sent", "refused")]

    (tiles,) = sections.tiles(summarize(rows, profile="messengerflow")).parts

    assert [(each.value, each.fraction, each.formula) for each in tiles.tiles] == [
        ("1", "of 3 messages", "delivered"),
        ("50.0 %", "1 / 2", "delivered ÷ attempted"),
        ("50.0 %", "1 / 2", "failed ÷ attempted"),
    ]


# --- over time ---------------------------------------------------------------------------------


@given(campaigns())
def test_over_time_adds_up(rows):
    """The bars and what has no time add up to what was sent, part by part."""
    made = Report.of([Message(**row) for row in rows])
    bars = sections.sending_bars(made.over_time, made.unit)
    if bars is None:
        return

    sums = {name: sum(values) for name, values in bars.series.items()}
    timeless = made.over_time.get(None, Counts())
    counts = made.summary.counts
    assert sums["Delivered"] + timeless.delivered == counts.delivered
    assert sums["Failed"] + timeless.failed == counts.failed
    assert sum(sums.values()) + timeless.sent == counts.sent


def test_what_has_no_time_is_said():
    """Messages that were sent at no known time are not in the picture, and a sentence says how many they are."""
    text = said([Message(status="sent", sent_at=NOON), Message(status="sent"), Message(status="sent")])["over-time"]

    assert text.splitlines() == [
        "As a table",
        "Hour           Sent  Delivered     Failed  No receipt",
        "Nov 21, 12:00     1  0   0.0 %  0   0.0 %   1 100.0 %",
        "2 more were sent at a time that is not recorded.",
    ]


# --- statuses, groups, accounts ----------------------------------------------------------------


def test_every_status_has_its_meaning():
    """Each status stands with what it means, how many messages have it and their share."""
    rows = [Message(status=status) for status in Status]

    table = sections.statuses(summarize(rows)).parts[0]

    assert [(row[0].text, row[1].text, row[2].text) for row in table.rows] == [(each, "1", "7.7 %") for each in Status]
    assert all(row[0].note for row in table.rows)


def test_few_variants_stand_side_by_side():
    """Up to four variants are columns, to be compared line by line; more are rows, to be sorted."""
    few, many = ([Message(status="sent", variant=f"v{place}") for place in range(size)] for size in (2, 5))

    assert [line.split() for line in said(few)["groups-by-variant"].splitlines()] == [
        ["v0", "v1"],
        ["Sent", "1", "1"],
        ["Delivered", "0", "0.0", "%", "0", "0.0", "%"],
        ["Failed", "0", "0.0", "%", "0", "0.0", "%"],
    ]
    table = {each.key: each for each in Report.of(many).sections()}["groups-by-variant"].parts[0]
    assert (table.head[:2], table.sortable, len(table.rows)) == (("Variant", "Sent"), True, 5)


def test_the_largest_groups_are_shown():
    """Of more than fifty groups the largest are shown, the largest first, and how many are smaller."""
    rows = [Message(status="sent", list_id=f"l{place:02}") for place in range(60) for _ in range(1 + place)]

    table = {each.key: each for each in Report.of(rows).sections()}["groups-by-list_id"].parts[0]

    assert [row[0].text for row in table.rows] == [f"l{place:02}" for place in range(59, 9, -1)]
    assert table.rest == "… and 10 more, smaller ones; the CSV has all."


def test_a_group_sorts_by_what_it_shows():
    """A table that may be sorted has the number behind each text, a rate's as a rate's."""
    rows = [Message(status="delivered", list_id=f"l{place}") for place in range(6)]

    table = {each.key: each for each in Report.of(rows, profile="messengerflow").sections()}["groups-by-list_id"].parts[
        0
    ]

    assert dict(zip(table.head, (entry.value for entry in table.rows[0]), strict=True))["Delivery success"] == 1.0


# --- what came back ----------------------------------------------------------------------------


def test_who_clicked_first_and_most():
    """The first and the most frequent visitors are named, by whatever is known of them."""
    clicks = [
        {"clicked_at": after(hour), "contact_name": name, "contact_id": name, "to": to}
        for name, to, hours in [("Ann", "+12025550101", [3, 4, 5]), (None, "+12025550102", [1]), ("Cy", None, [2, 9])]
        for hour in hours
    ]

    *_, first, most = sections.clicks([*clicks, {"clicked_at": after(0)}], CLOCK).parts

    assert [(row[1].text, row[1].note, row[2].text) for row in first.rows] == [
        ("+12025550102", "", "1"),
        ("Cy", "", "2"),
        ("Ann", "+12025550101", "3"),
    ]
    assert [row[1].text for row in most.rows] == ["Ann", "Cy", "+12025550102"]


def test_events_without_a_moment_are_counted_only():
    """An event that names no moment cannot be the latest, and is no click by hour."""
    assert sections.clicks([{"contact_id": "c1", "clicked_at": None}], CLOCK) is None
    assert str(sections.replies([{"received_at": None, "text": "yes"}], 0, CLOCK)) == (
        "1 replies, 0 opt-outs. The latest replies:"
    )


def test_events_may_be_objects():
    """Events of the host's own kind are read by their attributes."""
    reply = SimpleNamespace(received_at=NOON, contact_id="c1", text="see\nyou")

    assert str(sections.replies([reply], 0, CLOCK)).splitlines()[-1] == "11-21 12:00  c1  see you"


def test_opt_outs_without_events():
    """Opt-outs that are only counted are said with their rate."""
    rows = [Message(status="sent", opted_out=place == 0, replies=0, stop_replies=0) for place in range(4)]

    assert said(rows)["opt-outs"] == "25.0 % of messages were followed by an opt-out: 1 / 4, opted out ÷ sent."
    assert "opt-outs" not in said([Message(status="sent", opted_out=False, replies=0, stop_replies=0)])


# --- log and definitions -----------------------------------------------------------------------


def test_the_log_shows_what_is_known():
    """The first messages stand with contact, number, status, times and error; a column that nobody has is left out."""
    rows = [Message(status="failed", contact_id=f"c{n}", carrier="twilio", error_code="30003") for n in range(30)]

    lines = said(rows)["log"].splitlines()

    assert lines[0].split() == ["Contact", "Status", "Error"]
    assert lines[1].split()[:3] == ["c0", "undelivered", "30003"]
    assert "phone off or out of coverage" in lines[1]
    assert (len(lines), lines[-1]) == (27, "… and 5 more; the CSV has all.")


def test_a_skipped_message_shows_why():
    """A message that was not sent stands in the log with the reason, and the reasons with how many there are."""
    text = said([Message(status="skipped", skip_reason="ContentTooLong", contact_name="Ann")] * 2)

    assert text["log"].splitlines()[1].split() == ["Ann", "skipped", "ContentTooLong"]
    assert text["skipped"].splitlines()[1].split() == ["ContentTooLong", "2"]


def test_what_was_not_recorded_is_said_once():
    """What the data did not have is named once, in the definitions."""
    text = said([{"status": "sent", "clicks": 0}])["definitions"]

    assert (
        "not recorded  segments, replies, opt-out replies, opt-outs, orders, assisted orders, price, time to deliver"
        in text
    )


def test_definitions_name_the_profile():
    """Whose definitions these are, how each rate is made and what is regrouped is said under every profile."""
    text = said([Message(status="sent")], profile="messengerflow")["definitions"]

    assert "definitions   messengerflow; bounces by campaignkit" in text
    assert "As messengerflow has it: delivered + failed + refused." in text
    assert "note          Its Sent is everyone else's Delivered." in text


def test_health_and_progress_say_what_they_print():
    """Health and progress of a report are those of their own functions, line by line."""
    summary = summarize([Message(status=status) for status in ("delivered", "failed", "sent")])

    assert str(sections.progress(progress(summary))) == str(progress(summary))
    assert str(sections.health(health(summary))).splitlines()[0] == str(health(summary)).splitlines()[0]


def test_a_place_for_what_statistics_say():
    """What is decided about a difference between groups stands below their numbers, whoever decides it."""
    groups = summarize([Message(status="sent", variant=each) for each in "ab"], by="variant")

    assert sections.groups("variant", groups, decision=["B is better."]).parts[-1] == "B is better."
    assert sections.groups("variant", summarize([], by="variant")) is None


# --- nouns -------------------------------------------------------------------------------------


def test_a_section_as_text():
    """Text and tables of a section stand below each other; a title and what is left out go with their table."""
    table = Table(head=("a", "b"), rows=[("1", Entry("2", note="3 %"))], right=(1,), title="Title:", rest="… and more.")

    assert str(
        Section("key", "Heading", ["One.", table, Facts([("x", "y")]), Tiles([Tile(label="l", value="v")])])
    ) == ("One.\nTitle:\na          b\n1  2     3 %\n… and more.\nx  y\nl  v")


@given(st.lists(st.lists(st.text(min_size=1), min_size=2, max_size=2), min_size=1, max_size=5))
def test_turning_twice_is_the_same(rows):
    """A table turned round has each entry in the place where row and column have changed."""
    table = Table(head=("name", "value"), rows=rows)

    turned = table.turned()

    assert [entry.text for entry in turned.rows[0]] == ["value", *(value for _, value in rows)]
    assert turned.head == ("", *(name for name, _ in rows))
    assert Table(head=("name",), rows=[]).turned().rows == ()


def test_cut_lists_say_what_is_left_out():
    """What fits is shown whole, the rest is counted."""
    assert first_rows([1, 2], 2) == ([1, 2], "")
    assert first_rows([1, 2, 3], 2, "ask us") == ([1, 2], "… and 1 more; ask us.")
    assert (joined([]), joined("cab"), joined("cab", most=1)) == ("", "a, b, c", "a and 2 more")


def test_clocks_at_the_ends_of_time():
    """A moment that a zone would lead out of the calendar is shown in its own."""
    first = dt.datetime(1, 1, 1, tzinfo=dt.UTC)

    assert in_zone(first, parse_zone("America/New_York")) == first
    assert (clock_text(None, UTC), clock_text(NOON, parse_zone("Asia/Tokyo"))) == ("–", "2026-11-21 21:00")
