"""Pictures: what is drawn is what was counted, on a page and in a notebook."""

from __future__ import annotations

import builtins
import datetime as dt
import itertools
import json
import re
import sys

import pytest
import vl_convert
from hypothesis import given
from hypothesis import strategies as st

import campaignkit as ck
from campaignkit.charts import (
    PALETTE,
    Bar,
    Bars,
    Interval,
    Intervals,
    altair_chart,
    bar_label,
    compared,
    drawing,
    interval_chart,
    line,
    placed,
    start_of,
    unit_of,
)
from campaignkit.errors import InvalidValue, MissingExtra
from campaignkit.models import Message
from campaignkit.summary import summarize
from pages import HIDDEN, HOSTILE
from strategies import NOON

DAY = dt.datetime(2026, 4, 16, tzinfo=dt.UTC)
UNITS = ("hour", "day", "month", "year")
STEP = {"hour": 1 / 24, "day": 1, "month": 31, "year": 366}


@st.composite
def bars(draw):
    """Draw bars of any unit, with gaps, some of them empty in places."""
    unit = draw(st.sampled_from(UNITS))
    places = draw(st.sets(st.integers(0, 90), min_size=1))
    starts = sorted({start(DAY + dt.timedelta(days=place * STEP[unit]), unit) for place in places})
    column = st.lists(st.integers(0, 10**6), min_size=len(starts), max_size=len(starts)).map(tuple)
    series = draw(st.dictionaries(st.sampled_from(["Delivered", "Failed", "No receipt"]), column, min_size=1))
    return Bars(title="Sent", unit=unit, starts=tuple(starts), series=series)


def start(at, unit):
    """Return the beginning of an hour, a day, a month or a year."""
    return start_of(at.replace(hour=at.hour if unit == "hour" else 0, minute=0, second=0, microsecond=0), unit)


# --- drawn by the page -------------------------------------------------------------------------


@given(bars())
def test_bars_are_as_high_as_their_counts(made):
    """Each bar stands in its place, on those below it, and is as high as its count is of the round number above."""
    drawn = drawing(made)
    rects = [
        [tuple(map(float, each)) for each in re.findall(r"M([\d.e+-]+) ([\d.e+-]+)v-([\d.e+-]+)h0.8", path)]
        for path in drawn.paths
    ]
    top = 100 * int(drawn.levels[-1].text.replace(",", "")) / drawn.levels[-1].place
    assert top >= max(made.totals)

    for rows, counts in zip(rects, made.series.values(), strict=True):
        assert [height for *_, height in rows] == pytest.approx([100 * n / top for n in counts if n], rel=1e-3)
    assert all(0 <= x <= drawn.width - 0.9 + 1e-9 for rows in rects for x, *_ in rows)
    assert all(foot - height >= -1e-2 for rows in rects for _, foot, height in rows)


@given(bars())
def test_words_beside_the_picture_fit(made):
    """There are few levels and ticks, in order, inside the picture, no two beside each other alike."""
    drawn = drawing(made)

    for ticks in (drawn.levels, drawn.ticks):
        places = [tick.place for tick in ticks]
        assert places == sorted(set(places))
        assert 0 < places[0] <= places[-1] <= 100
        assert all(one.text != other.text for one, other in itertools.pairwise(ticks))
    assert 1 <= len(drawn.levels) <= 5
    assert 1 <= len(drawn.ticks) <= 14


@pytest.mark.parametrize(
    ("most", "levels"),
    [
        (0, ["1"]),
        (1, ["1"]),
        (3, ["1", "2", "3"]),
        (4, ["1", "2", "3", "4"]),
        (5, ["2", "4", "6"]),
        (20_000, ["5,000", "10,000", "15,000", "20,000"]),
        (7_501, ["2,000", "4,000", "6,000", "8,000"]),
        (999_999, ["500,000", "1,000,000"]),
    ],
)
def test_levels_are_round_numbers(most, levels):
    """The lines behind bars stand at round numbers, two to four of them where there is more than one message."""
    made = Bars(title="", unit="hour", starts=(DAY,), series={"Sent": (most,)})

    assert [level.text for level in drawing(made).levels] == levels


def test_gaps_are_gaps():
    """An hour in which nothing was sent is an empty place, not a bar beside its neighbour."""
    made = Bars(title="", unit="hour", starts=(DAY, DAY + dt.timedelta(hours=5)), series={"Sent": (1, 1)})

    assert (drawing(made).width, drawing(made).paths) == (6, ("M0.1 100v-100h0.8v100zM5.1 100v-100h0.8v100z",))


@pytest.mark.parametrize(
    ("span", "unit"),
    [(0, "hour"), (96, "hour"), (97, "day"), (98 * 24, "day"), (99 * 24, "month"), (9 * 365 * 24, "year")],
)
def test_the_unit_fits_the_span(span, unit):
    """Bars last as long as it takes for there to be about a hundred at most."""
    assert unit_of(DAY, DAY + dt.timedelta(hours=span)) == unit


@pytest.mark.parametrize(
    ("unit", "label", "first"),
    [
        ("hour", "Apr 16, 00:00", "Apr 16, 00:00"),
        ("day", "Apr 16, 2026", "Apr 16"),
        ("month", "Apr 2026", "Apr 2026"),
        ("year", "2026", "2026"),
    ],
)
def test_bars_are_called_alike_in_every_locale(unit, label, first):
    """Names of months are our own, because a host may have set another language."""
    made = Bars(title="", unit=unit, starts=(DAY,), series={"Sent": (1,)})

    assert (bar_label(DAY, unit), drawing(made).ticks[0].text) == (label, first)
    assert f"in {label}; the highest is 1 in {label}." in made.description


def test_the_description_says_what_is_to_be_seen():
    """Who cannot see the picture is told what it is of, from when to when, and where it is highest."""
    starts = tuple(DAY + dt.timedelta(hours=hour) for hour in range(3))
    made = Bars(title="Sent", unit="hour", starts=starts, series={"Delivered": (1, 8, 2), "Failed": (1, 0, 2)})

    assert made.description == (
        "Bars of Delivered, Failed by hour, from Apr 16, 00:00 to Apr 16, 02:00; the highest is 8 in Apr 16, 01:00."
        " The table beside has every number."
    )
    assert str(made) == ""


# --- intervals ---------------------------------------------------------------------------------

SHARES = st.floats(-1, 50).map(lambda share: round(share, 6))


@st.composite
def intervals(draw):
    """Draw rows with intervals, with a number alone, and with nothing."""
    rows = []
    for place in range(draw(st.integers(0, 12))):
        lower, value, upper = sorted(draw(st.tuples(SHARES, SHARES, SHARES)))
        kept = draw(st.sampled_from([(lower, value, upper), (None, value, None), (None, None, None)]))
        rows.append(Interval(name=f"row {place}", lower=kept[0], value=kept[1], upper=kept[2], text="said"))
    return Intervals(title="Lift", rows=tuple(rows))


def row(lower, upper):
    """Return a row with its number in the middle."""
    return Interval(name="rate", lower=lower, value=(lower + upper) / 2, upper=upper, text="said")


@given(intervals())
def test_intervals_stand_where_their_numbers_are(made):
    """Every end and every number is where the scale says, or the row has an arrow to where it would be."""
    drawn = placed(made)
    span = drawn.high - drawn.low

    assert drawn.low <= 0 <= drawn.high
    assert drawn.zero == pytest.approx(100 * -drawn.low / span)
    for place, each in zip(drawn.places, made.rows, strict=True):
        ends = [100 * (share - drawn.low) / span for share in each.drawn]
        assert place.before == any(end < -1e-6 for end in ends)
        assert place.after == any(end > 100 + 1e-6 for end in ends)
        if each.ends:
            kept = [min(max(end, 0), 100) for end in ends]
            assert [place.left, place.left + place.width] == pytest.approx(kept[:2], abs=1e-6)
        assert (place.dot is None) == (each.value is None or not -1e-6 <= ends[-1] <= 100 + 1e-6)


@given(intervals())
def test_the_scale_of_intervals_has_few_round_numbers(made):
    """There are two to eight ticks at equal steps from end to end, and one of them is zero, also on a phone."""
    drawn = placed(made)
    places = [tick.place for tick in drawn.ticks]

    assert places == pytest.approx([100 * n / (len(places) - 1) for n in range(len(places))])
    assert 2 <= len(places) <= 8
    assert [(tick.small, tick.place) for tick in drawn.ticks if tick.text == "0"] == [(True, pytest.approx(drawn.zero))]
    assert len({tick.text for tick in drawn.ticks}) == len(places)


@pytest.mark.parametrize(
    ("rows", "ticks", "arrows"),
    [
        ([(-0.02, 0.59)], ["-20 %", "0", "+20 %", "+40 %", "+60 %"], [(False, False)]),
        ([(0.05, 0.09)], ["0", "+2 %", "+4 %", "+6 %", "+8 %", "+10 %"], [(False, False)]),
        ([(-0.004, -0.002)], ["-0.4 %", "-0.3 %", "-0.2 %", "-0.1 %", "0"], [(False, False)]),
        (
            [(-0.01, 0.01), (-0.2, 0.4)],
            ["-20 %", "-10 %", "0", "+10 %", "+20 %", "+30 %", "+40 %"],
            [(False, False)] * 2,
        ),
        ([(-0.1, 0.2), (-0.1, 0.2), (-0.6, 6.0)], None, [(False, False), (False, False), (True, True)]),
        ([(-0.1, 0.2), (-0.1, 0.2), (3.0, 6.0)], None, [(False, False), (False, False), (False, True)]),
        ([], ["0", "+10 %"], []),
    ],
)
def test_what_is_far_wider_has_an_arrow(rows, ticks, arrows):
    """The scale holds the usual interval; one of more than twice its reach, and beyond 50 %, ends in an arrow."""
    drawn = placed(Intervals(title="", rows=tuple(row(*ends) for ends in rows)))

    assert [(place.before, place.after) for place in drawn.places] == arrows
    assert ticks is None or [tick.text for tick in drawn.ticks] == ticks


def test_the_description_of_intervals_says_what_is_to_be_seen():
    """Who cannot see the picture is told how many intervals lie on which side of zero, and where the numbers are."""
    rows = (row(-0.1, 0.1), row(0.1, 0.2), row(0, 0.2), row(-0.3, -0.1), Interval(name="x", text="nobody"))
    made = Intervals(title="Lift", rows=rows)

    assert made.description == (
        "5 rows, 4 with an interval: 1 wholly above zero, 1 wholly below, 2 with zero inside."
        " The table beside has every number."
    )
    assert str(made) == ""


# --- for notebooks -----------------------------------------------------------------------------

MESSAGES = [
    Message(status=status, variant=variant, clicks=clicks, sent_at=NOON + dt.timedelta(hours=hour))
    for status, variant, clicks, hour in [
        ("delivered", "a", 1, 0),
        ("delivered", "a", 0, 1),
        ("delivered", "b", 2, 1),
        ("failed", "b", 0, 30),
        ("sent", None, 0, 30),
    ]
]


def values(chart):
    """Return the rows that a chart shows."""
    made = chart.to_dict()
    return made["data"]["values"] if "data" in made else made["layer"][0]["data"]["values"]


@given(bars())
def test_a_chart_of_bars_has_every_count(made):
    """In a notebook each part of each bar is a row of the chart's data, at the time that the clock shows."""
    rows = values(altair_chart(made))

    assert [(row["at"], row["what"], row["messages"]) for row in rows] == [
        (f"{begin:%Y-%m-%dT%H:%M}Z", name, count)
        for name, counts in made.series.items()
        for begin, count in zip(made.starts, counts, strict=True)
    ]


@given(intervals())
def test_a_chart_of_intervals_has_every_number(made):
    """In a notebook each row has its ends within the picture, its number, arrows where it goes on, and its text."""
    drawn = placed(made)
    rows = values(interval_chart(made))

    def within(share):
        return None if share is None else min(max(share, drawn.low), drawn.high)

    assert [(each["name"], each["lower"], each["upper"], each["text"]) for each in rows] == [
        (each.name, *map(within, each.ends or (None, None)), each.text) for each in made.rows
    ]
    for each, place in zip(rows, drawn.places, strict=True):
        assert each["value"] == (None if place.dot is None else place.row.value)
        assert (each["left"], each["right"]) == (
            drawn.low if place.before else None,
            drawn.high if place.after else None,
        )


def test_a_chart_of_intervals_is_drawn_as_svg():
    """Vega-Lite takes it without a warning; rows of groups are called by both, and of many the first are shown."""
    rows = [Interval(name="B", value=0.25, lower=-0.01, upper=9, text="+25.0 %", group=f"rate {n}") for n in range(45)]

    chart = interval_chart(Intervals(title="Lift", rows=tuple(rows)))

    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    assert {"rate 0, B", "+25.0 %", "Lift; 5 more are left out"} <= {*re.findall(">([^<]+)<", svg)}
    assert len(values(chart)) == 40


def test_a_summary_as_a_chart():
    """A summary shows where messages stand: each count with its share of what was sent."""
    rows = values(summarize(MESSAGES).chart())

    assert [(row["name"], row["value"], row["text"]) for row in rows] == [
        ("Sent", 5, "5 (100.0 %)"),
        ("Delivered", 3, "3 (60.0 %)"),
        ("Failed", 1, "1 (20.0 %)"),
        ("Processing", 1, "1 (20.0 %)"),
        ("Messages clicked", 2, "2 (40.0 %)"),
    ]
    assert {row["color"] for row in rows} <= set(PALETTE)
    assert [row["text"] for row in values(summarize([]).chart())] == ["0", "0", "0", "0"]


@pytest.mark.parametrize(
    ("metric", "title", "rows"),
    [
        (None, "Delivery rate by variant", [("a", 1.0, "100.0 %"), ("b", 0.5, "50.0 %"), ("(none)", 0.0, "0.0 %")]),
        ("clicks", "Clicks by variant", [("a", 1, "1"), ("b", 2, "2"), ("(none)", 0, "0")]),
        ("reply_rate", "Reply rate by variant", [(name, 0, "not recorded") for name in ("a", "b", "(none)")]),
    ],
)
def test_groups_as_a_chart(metric, title, rows):
    """Groups are bars, each with its number as text; what has no value has no length and says so."""
    chart = summarize(MESSAGES, by="variant").chart(metric)

    assert [(row["name"], row["value"], row["text"]) for row in values(chart)] == rows
    assert chart.to_dict()["title"]["text"] == title
    assert "; ".join(f"{name}: {text}" for name, _, text in rows) == chart.to_dict()["description"]


def test_groups_of_several_columns_as_a_chart():
    """Groups of several columns are called by all of them."""
    chart = summarize(MESSAGES, by=["variant", "status"]).chart("sent")

    assert next(row["name"] for row in values(chart)) == "a, delivered"
    assert chart.to_dict()["title"]["text"] == "Sent by variant, status"


def test_groups_over_time_as_a_line():
    """Groups by hour or day are a line over time; what has no time is not on it."""
    timeless = Message(status="delivered", clicks=0)

    chart = summarize([*MESSAGES, timeless], by=ck.hours("sent_at", zone="Europe/Paris")).chart("delivered")

    assert [(row["at"], row["value"]) for row in values(chart)] == [
        ("2026-11-21T13:00Z", 1),
        ("2026-11-21T14:00Z", 2),
        ("2026-11-22T19:00Z", 0),
    ]
    by_day = summarize(MESSAGES, by=ck.days("sent_at", zone="UTC")).chart().to_dict()
    assert by_day["encoding"]["x"]["timeUnit"] == "utcyearmonthdate"


def test_a_line_is_broken_where_there_is_no_value():
    """A rate of nothing is no point at zero."""
    chart = line("Rate", [(NOON, 0.5, "50.0 %"), (NOON + dt.timedelta(hours=1), None, "–")], "hour", percent=True)

    assert [row["value"] for row in values(chart)] == [0.5, None]


def test_many_groups_are_cut():
    """Of many groups the first are shown, and how many are left out is said."""
    chart = compared("Sent", [Bar(name=f"list {place}", value=place, text=str(place)) for place in range(100)])

    assert (len(values(chart)), chart.to_dict()["title"]["text"]) == (40, "Sent; 60 more are left out")


def test_a_chart_of_no_such_metric():
    """A metric that is neither count nor rate is an error that names the nearest."""
    with pytest.raises(InvalidValue, match="count is 'click_rat': not one we know"):
        summarize(MESSAGES, by="variant").chart("click_rat")


def test_a_report_as_a_chart():
    """A report shows delivery over time; where no message has a time, where messages stand."""
    timed, timeless = ck.Report.of(MESSAGES), ck.Report.of([Message(status="sent")])

    assert {row["what"] for row in values(timed.chart())} == {"Delivered", "Failed", "No receipt"}
    assert values(timeless.chart())[0] == {"name": "Sent", "value": 1, "text": "1 (100.0 %)", "color": PALETTE[0]}


def test_charts_hold_no_messages():
    """A chart has counts and rates in it: no number, no name and no text of anybody."""
    person = {"to": "+12025550143", "contact_name": "Ann", "contact_id": "c1", "message_id": "m1"}
    messages = [Message(status="delivered", variant="a", sent_at=NOON, **person)] * 3

    report = ck.Report.of(messages, by="variant")
    written = json.dumps([each.chart().to_dict() for each in (report, report.summary, *report.groups.values())])

    assert [value for value in person.values() if value in written] == []


@pytest.mark.parametrize("name", HOSTILE)
def test_charts_show_what_names_hide(name):
    """Names on a chart show their control characters, and two of one look are two bars."""
    rows = values(compared(name, [Bar(name=name, value=1, text="1"), Bar(name=name, value=2, text="2")]))

    assert len({row["name"] for row in rows}) == 2
    assert [row["name"] for row in rows if HIDDEN.search(row["name"]) or "\n" in row["name"]] == []


def test_a_chart_is_drawn_as_svg():
    """What a notebook is given can be drawn: Vega-Lite takes it without a warning, and the numbers are in it."""
    svg = vl_convert.vegalite_to_svg(summarize(MESSAGES, by="variant").chart().to_dict())

    assert "100.0 %" in svg
    assert PALETTE[0] in svg.lower()


def test_without_altair_a_chart_says_how_to_get_it(monkeypatch):
    """Where altair is not installed, the error is the command that installs it."""
    monkeypatch.setitem(sys.modules, "altair", None)

    with pytest.raises(MissingExtra) as raised:
        summarize(MESSAGES).chart()

    assert str(raised.value) == 'chart() needs altair: pip install "campaignkit[report]"'


def test_charts_load_nothing_until_asked(monkeypatch):
    """A report and its page never ask for altair."""
    real = builtins.__import__
    asked = []
    monkeypatch.setattr(builtins, "__import__", lambda name, *rest: asked.append(name) or real(name, *rest))

    ck.Report.of(MESSAGES).to_html()

    assert {name.partition(".")[0] for name in asked} & {"altair", "vl_convert"} == set()
