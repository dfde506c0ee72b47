"""Pictures of numbers: bars over time and intervals for pages, Altair charts for notebooks.

    counts ─────► Bars ───────► drawing(): paths of an SVG that the page puts into its own colours
                   └──────────► altair_chart(), which notebooks show and hosts may go on with
    estimates ──► Intervals ──► placed(): where lines begin and end, for the page
                   └──────────► interval_chart()

They are made of counts and rates, never of messages. A page draws them itself, because a
picture that is only shrunk for a phone cannot be read there: bars and lines stretch, the words
beside them keep their size. It also takes a thousandth of the time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, Literal

import attrs

from campaignkit.display import visible
from campaignkit.errors import MissingExtra

Unit = Literal["hour", "day", "month", "year"]
"""How long a bar lasts."""

PALETTE: Final = ("#2b7bba", "#d5602b", "#8c939b")
"""Blue, orange and grey: told apart by the colour-blind and in print, on white and on black."""

MOST_BARS: Final = 100
_MOST_TICKS: Final = 7
_MOST_STEPS: Final = 6
_NEAR: Final = 0.5  # an interval within 50 % of zero is never too wide for its picture
_ROUNDING: Final = 1e-9
_MOST_GROUPS: Final = 40
_GROUP_HEIGHT: Final = 26
_WIDTH: Final = 560
_INK: Final = "#7d7d7d"  # on white and on black alike
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_STEPS: Final[Mapping[Unit, tuple[int, ...]]] = {
    "hour": (1, 2, 3, 6, 12, 24),
    "day": (1, 2, 7, 14, 28),
    "month": (1, 2, 3, 6, 12),
    "year": (1, 2, 5, 10, 20, 50, 100),
}
_TIME_UNITS: Final[Mapping[Unit, str]] = {
    "hour": "utcyearmonthdatehours",
    "day": "utcyearmonthdate",
    "month": "utcyearmonth",
    "year": "utcyear",
}


@attrs.frozen(kw_only=True)
class Bars:
    """Counts over time, stacked.

    Attributes:
        title: what is counted.
        unit: how long each bar lasts.
        starts: when each begins, as its clock shows it, in order. Where nothing happened there is none.
        series: what a bar is made of, from below: name to one count for each bar.
    """

    kind: ClassVar[str] = "bars"

    title: str
    unit: Unit
    starts: tuple[datetime, ...]
    series: Mapping[str, tuple[int, ...]]

    def __str__(self) -> str:
        """Return nothing: as text the numbers stand in the table beside."""
        return ""

    @property
    def totals(self) -> list[int]:
        """How high each bar is."""
        return [sum(each) for each in zip(*self.series.values(), strict=True)]

    @property
    def description(self) -> str:
        """What somebody who cannot see it has to know."""
        most, at = max(zip(self.totals, self.starts, strict=True), key=lambda pair: pair[0])
        first, last = bar_label(self.starts[0], self.unit), bar_label(self.starts[-1], self.unit)
        span = f"from {first} to {last}" if len(self.starts) > 1 else f"in {first}"
        return (
            f"Bars of {', '.join(self.series)} by {self.unit}, {span};"
            f" the highest is {most:,} in {bar_label(at, self.unit)}. The table beside has every number."
        )


def unit_of(first: datetime, last: datetime) -> Unit:
    """Return how long bars should last, so that there are not too many between two moments."""
    span = last - first
    if span <= timedelta(hours=MOST_BARS - 4):
        return "hour"
    if span <= timedelta(days=MOST_BARS - 2):
        return "day"
    return "month" if span <= timedelta(days=30 * (MOST_BARS - 4)) else "year"


def start_of(at: datetime, unit: Unit) -> datetime:
    """Return the beginning of the month or year that an hour or a day is in."""
    if unit == "year":
        return at.replace(month=1, day=1)
    return at.replace(day=1) if unit == "month" else at


def bar_label(start: datetime, unit: Unit) -> str:
    """Return how a bar is called: the same in every locale.

    >>> bar_label(datetime.fromisoformat("2026-04-16T17:00Z"), "hour")
    'Apr 16, 17:00'
    """
    month = _MONTHS[start.month - 1]
    return {
        "hour": f"{month} {start.day}, {start.hour:02}:00",
        "day": f"{month} {start.day}, {start.year}",
        "month": f"{month} {start.year}",
        "year": str(start.year),
    }[unit]


# --- drawn by the page -------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Tick:
    """A word beside the picture: where, in percent, and whether a phone has room for it."""

    place: float
    text: str
    small: bool = True


@attrs.frozen(kw_only=True)
class Drawing:
    """Bars as geometry: ``width`` wide and 100 high, each series one path."""

    width: int
    paths: tuple[str, ...]
    ticks: tuple[Tick, ...]
    levels: tuple[Tick, ...]


def drawing(bars: Bars) -> Drawing:
    """Return where everything stands.

    >>> bars = Bars(title="", unit="hour", starts=(datetime(2026, 4, 16, 17),), series={"Sent": (4,)})
    >>> drawing(bars).paths, [level.text for level in drawing(bars).levels]
    (('M0.1 100v-100h0.8v100z',), ['1', '2', '3', '4'])
    """
    places = [_place(start, bars.unit) for start in bars.starts]
    first, width = places[0], places[-1] - places[0] + 1
    top, levels = _levels(max(bars.totals))
    paths, below = [], [0] * len(places)
    for values in bars.series.values():
        steps = zip(places, values, below, strict=True)
        paths.append("".join(_bar(place - first, value, under, top) for place, value, under in steps if value))
        below = [under + value for under, value in zip(below, values, strict=True)]
    return Drawing(width=width, paths=tuple(paths), ticks=_ticks(bars, first, width), levels=levels)


def _bar(place: int, value: int, under: int, top: int) -> str:
    foot, height = 100 - 100 * under / top, 100 * value / top
    return f"M{place + 0.1:g} {foot:.4g}v-{height:.4g}h0.8v{height:.4g}z"


def _place(start: datetime, unit: Unit) -> int:
    """Return a number that counts bars, also those where nothing happened, by what the clock shows."""
    if unit == "year":
        return start.year
    if unit == "month":
        return 12 * start.year + start.month - 1
    return start.toordinal() if unit == "day" else 24 * start.toordinal() + start.hour


def _ticks(bars: Bars, first: int, width: int) -> tuple[Tick, ...]:
    step = next((each for each in _STEPS[bars.unit] if width <= each * _MOST_TICKS), _STEPS[bars.unit][-1])
    named = [place for place in range(first, first + width) if place % step == 0] or [first]
    return tuple(
        Tick(
            place=100 * (place - first + 0.5) / width,
            text=_tick(place, bars.unit, first=not count),
            small=not count % 2,
        )
        for count, place in enumerate(named[: 2 * _MOST_TICKS])
    )


def _tick(place: int, unit: Unit, *, first: bool) -> str:
    if unit == "year":
        return str(place)
    if unit == "month":
        return f"{_MONTHS[place % 12]} {place // 12}"
    day = datetime.fromordinal(place if unit == "day" else place // 24)
    date = f"{_MONTHS[day.month - 1]} {day.day}"
    if unit == "day":
        return date
    return f"{date}, {place % 24:02}:00" if first or place % 24 == 0 else f"{place % 24:02}:00"


def _levels(most: int) -> tuple[int, tuple[Tick, ...]]:
    """Return how high the picture is, and two to four round numbers on the way."""
    power = 10 ** max(0, math.floor(math.log10(max(most, 1))) - 1)
    step = next(each * power for each in (1, 2, 5, 10, 20, 50) if most <= 4 * each * power)
    top = step * max(1, math.ceil(most / step))
    return top, tuple(Tick(place=100 * n / top, text=f"{n:,}") for n in range(step, top + 1, step))


# --- intervals ---------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Interval:
    """One number with its interval; all three are shares: 0.2 is 20 %.

    Attributes:
        name: what it is of.
        lower: where the interval begins; None where there is none.
        value: the number; None where there is none.
        upper: where the interval ends.
        text: what stands beside: the numbers, or why there are none.
        group: the heading it stands under, that of the row before or a new one.
    """

    name: str
    lower: float | None = None
    value: float | None = None
    upper: float | None = None
    text: str
    group: str = ""

    @property
    def ends(self) -> tuple[float, float] | None:
        """Where the interval begins and ends, if it has both."""
        return None if self.lower is None or self.upper is None else (self.lower, self.upper)

    @property
    def drawn(self) -> tuple[float, ...]:
        """What of it can be drawn: its number, its ends, or nothing."""
        return (*(self.ends or ()), *(() if self.value is None else (self.value,)))

    @property
    def reach(self) -> float:
        """How far from zero it goes."""
        return max(map(abs, self.drawn), default=0.0)


@attrs.frozen(kw_only=True)
class Intervals:
    """Numbers with their intervals on both sides of zero, a row each.

    Attributes:
        title: what they are.
        rows: in the order of reading.
    """

    kind: ClassVar[str] = "intervals"

    title: str
    rows: tuple[Interval, ...]

    def __str__(self) -> str:
        """Return nothing: as text the numbers stand in the table beside."""
        return ""

    @property
    def description(self) -> str:
        """What somebody who cannot see it has to know."""
        ends = [row.ends for row in self.rows if row.ends]
        above, below = sum(lower > 0 for lower, _ in ends), sum(upper < 0 for _, upper in ends)
        return (
            f"{len(self.rows):,} rows, {len(ends):,} with an interval: {above:,} wholly above zero, {below:,} wholly"
            f" below, {len(ends) - above - below:,} with zero inside. The table beside has every number."
        )


@attrs.frozen(kw_only=True)
class Place:
    """One interval as geometry, in percent of the width.

    Attributes:
        row: what is drawn.
        left: where its line begins; None where there is no interval.
        width: how long the line is.
        dot: where its number stands; None where there is none, or none within the picture.
        before: something of it lies further to the left than the picture goes.
        after: something of it lies further to the right.
    """

    row: Interval
    left: float | None
    width: float
    dot: float | None
    before: bool
    after: bool


@attrs.frozen(kw_only=True)
class Placing:
    """Intervals as geometry: what share each end of the picture is, and where zero, the rows and the ticks stand."""

    low: float
    high: float
    zero: float
    places: tuple[Place, ...]
    ticks: tuple[Tick, ...]


def placed(intervals: Intervals) -> Placing:
    """Return where everything stands; what is far wider than the others ends in an arrow.

    >>> rows = [Interval(name="", lower=-0.1, value=0.1, upper=upper, text="") for upper in (0.3, 0.3, 9)]
    >>> found = placed(Intervals(title="", rows=tuple(rows)))
    >>> [(place.left, place.width, place.dot, place.after) for place in found.places]
    [(0.0, 100.0, 50.0, False), (0.0, 100.0, 50.0, False), (0.0, 100.0, 50.0, True)]
    """
    first, last, step = _scale(intervals.rows)
    count, low, high = last - first, first * step, last * step
    return Placing(
        low=low,
        high=high,
        zero=100 * -first / count,
        places=tuple(_placed(row, low, high) for row in intervals.rows),
        ticks=tuple(
            Tick(place=100 * (n - first) / count, text=f"{100 * n * step:+g} %" if n else "0", small=n % 2 == 0)
            for n in range(first, last + 1)
        ),
    )


def _placed(row: Interval, low: float, high: float) -> Place:
    def place(share: float) -> float:
        return 100 * (min(max(share, low), high) - low) / (high - low)

    ends, value = row.ends, row.value
    return Place(
        row=row,
        left=None if ends is None else place(ends[0]),
        width=0.0 if ends is None else place(ends[1]) - place(ends[0]),
        dot=None if value is None or not low - _ROUNDING <= value <= high + _ROUNDING else place(value),
        before=any(share < low - _ROUNDING for share in row.drawn),
        after=any(share > high + _ROUNDING for share in row.drawn),
    )


def _scale(rows: Iterable[Interval]) -> tuple[int, int, float]:
    """Return between which multiples of which round number everything stands but what is far wider; zero is inside."""
    reaches = sorted(row.reach for row in rows if row.drawn)
    limit = max(_NEAR, 2 * reaches[len(reaches) // 2]) if reaches else _NEAR
    shown = [0.0, *(share for row in rows if row.reach <= limit for share in row.drawn)]
    span = max(shown) - min(shown) or _NEAR
    power = 10.0 ** math.floor(math.log10(span / _MOST_STEPS))
    step = next(each * power for each in (1, 2, 5, 10) if span <= each * power * _MOST_STEPS)
    first, last = math.floor(min(shown) / step), math.ceil(max(shown) / step)
    return first, max(last, first + 1), step


# --- for notebooks -----------------------------------------------------------------------------


def altair_chart(bars: Bars) -> Any:
    """Return bars over time as an Altair chart."""
    alt = _altair()
    values = [
        # The clock's reading, said to be UTC: what is drawn must not depend on the zone of the machine.
        {"at": f"{start.isoformat()[:16]}Z", "what": name, "messages": count, "order": order}
        for order, (name, counts) in enumerate(bars.series.items())
        for start, count in zip(bars.starts, counts, strict=True)
    ]
    names = list(bars.series)
    marks = alt.Chart(alt.Data(values=values)).mark_bar()
    return _themed(
        marks.encode(
            x=_time_axis(alt, bars.unit, bars.starts),
            y=alt.Y("messages:Q", title=None),
            color=alt.Color("what:N", title=None, scale=alt.Scale(domain=names, range=list(PALETTE[: len(names)]))),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("at:T", timeUnit=_TIME_UNITS[bars.unit], title=bars.unit),
                alt.Tooltip("what:N", title="messages"),
                alt.Tooltip("messages:Q", title="count", format=","),
            ],
        ).properties(width=_WIDTH, height=200),
        bars.title,
        bars.description,
    )


@attrs.frozen(kw_only=True)
class Bar:
    """One of several things compared: its name, how long it is, and what stands at its end."""

    name: str
    value: float
    text: str
    color: str = PALETTE[0]


def compared(title: str, bars: Sequence[Bar]) -> Any:
    """Return things compared as an Altair chart: a bar and its number each, in the order given."""
    alt = _altair()
    shown = bars[:_MOST_GROUPS]
    values = [
        {"name": name, "value": bar.value, "text": bar.text, "color": bar.color}
        for name, bar in zip(_named(bar.name for bar in shown), shown, strict=True)
    ]
    base = alt.Chart(alt.Data(values=values)).encode(
        y=alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=200, grid=False)),
        x=alt.X("value:Q", axis=None),
        tooltip=[alt.Tooltip("name:N", title="name"), alt.Tooltip("text:N", title="value")],
    )
    marks = base.mark_bar().encode(color=alt.Color("color:N", scale=None))
    numbers = base.mark_text(align="left", dx=4, color=_INK).encode(text="text:N")
    rest = f"; {len(bars) - len(shown):,} more are left out" if len(bars) > len(shown) else ""
    description = "; ".join(f"{visible(bar.name)}: {bar.text}" for bar in shown) + rest
    height = _GROUP_HEIGHT * max(1, len(shown))
    return _themed(alt.layer(marks, numbers).properties(width=_WIDTH, height=height), f"{title}{rest}", description)


def interval_chart(intervals: Intervals) -> Any:
    """Return intervals as an Altair chart, a row each; what is far wider than the others ends in an arrow."""
    alt = _altair()
    shown, drawn = intervals.rows[:_MOST_GROUPS], placed(intervals)
    names = _named(f"{row.group}, {row.name}" if row.group else row.name for row in shown)
    values = [_charted(name, place, drawn) for name, place in zip(names, drawn.places, strict=False)]
    base = alt.Chart(alt.Data(values=values)).encode(
        # In their order by name: rows without an interval would come last, in the order of the layer that has them.
        y=alt.Y(
            "name:N", title=None, sort=[each["name"] for each in values], axis=alt.Axis(labelLimit=240, grid=False)
        ),
        tooltip=[alt.Tooltip("name:N", title="name"), alt.Tooltip("text:N", title="lift")],
    )
    scale = alt.Scale(domain=[drawn.low, drawn.high], nice=False)
    marked = [drawn.low + tick.place / 100 * (drawn.high - drawn.low) for tick in drawn.ticks]
    axis = alt.Axis(format="+~%", grid=True, values=[round(share, 6) for share in marked])
    lines = base.mark_rule(strokeWidth=3, color=PALETTE[0]).encode(
        x=alt.X("lower:Q", title=None, scale=scale, axis=axis), x2="upper:Q"
    )
    dots = base.mark_point(filled=True, size=90, opacity=1, color=PALETTE[0]).encode(x="value:Q")
    zero = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(color=_INK).encode(x="zero:Q")
    arrows = [
        base.mark_point(filled=True, size=90, opacity=1, color=PALETTE[0], shape=f"triangle-{side}").encode(
            x=f"{side}:Q"
        )
        for side in ("left", "right")
    ]
    numbers = base.mark_text(align="left", color=_INK).encode(x=alt.value(_WIDTH + 10), text="text:N")
    layers = alt.layer(lines, dots, *arrows, zero, numbers)
    height = _GROUP_HEIGHT * max(1, len(shown))
    rest = f"; {len(intervals.rows) - len(shown):,} more are left out" if len(intervals.rows) > len(shown) else ""
    return _themed(layers.properties(width=_WIDTH, height=height), f"{intervals.title}{rest}", intervals.description)


def _charted(name: str, place: Place, drawn: Placing) -> dict[str, Any]:
    ends = [None if end is None else min(max(end, drawn.low), drawn.high) for end in place.row.ends or (None, None)]
    return {
        "name": name,
        "lower": ends[0],
        "value": None if place.dot is None else place.row.value,
        "upper": ends[1],
        "left": drawn.low if place.before else None,
        "right": drawn.high if place.after else None,
        "text": place.row.text,
    }


def line(title: str, points: Sequence[tuple[datetime, float | None, str]], unit: Unit, *, percent: bool) -> Any:
    """Return one number over time as an Altair chart; where there is none the line is broken."""
    alt = _altair()
    values = [{"at": f"{at.isoformat()[:16]}Z", "value": value, "text": text} for at, value, text in points]
    marks = alt.Chart(alt.Data(values=values)).mark_line(point=True, color=PALETTE[0])
    said = "; ".join(f"{bar_label(at, unit)}: {text}" for at, _, text in points)
    return _themed(
        marks.encode(
            x=_time_axis(alt, unit, [at for at, _, _ in points]),
            y=alt.Y("value:Q", title=None, axis=alt.Axis(format="%" if percent else ",d")),
            tooltip=[
                alt.Tooltip("at:T", timeUnit=_TIME_UNITS[unit], title=unit),
                alt.Tooltip("text:N", title="value"),
            ],
        ).properties(width=_WIDTH, height=200),
        title,
        said,
    )


def _time_axis(alt: Any, unit: Unit, starts: Sequence[datetime]) -> Any:
    form = {"hour": "%b %-d, %H:00", "day": "%b %-d", "month": "%b %Y", "year": "%Y"}[unit]
    # Marks where bars begin, because left to itself an axis of few hours names each of them twice.
    marked = starts[:: math.ceil(len(starts) / (2 * _MOST_TICKS))]
    values = [1000 * start.replace(tzinfo=UTC).timestamp() for start in marked]
    axis = alt.Axis(format=form, labelOverlap=True, values=values)
    return alt.X("at:T", timeUnit=_TIME_UNITS[unit], title=None, scale=alt.Scale(type="utc"), axis=axis)


def _named(names: Iterable[str]) -> Iterator[str]:
    """Yield each name as one of its own, because bars of one name would be drawn on top of each other."""
    met: dict[str, int] = {}
    for each in names:
        name = visible(each)
        met[name] = met.get(name, 0) + 1
        yield name if met[name] == 1 else f"{name} ({met[name]})"


def _altair() -> Any:
    try:
        import altair  # noqa: ICN001, PLC0415 - it takes half a second, and only charts need it
    except ImportError:
        raise MissingExtra("altair", "report", "chart()") from None
    return altair


def _themed(chart: Any, title: str, description: str) -> Any:
    """Return a chart that reads well on the light and the dark background of a notebook."""
    alt = _altair()
    return (
        chart.properties(
            title=alt.TitleParams(visible(title), anchor="start", color=_INK, fontSize=13),
            description=description,
            background="transparent",
        )
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=_INK, titleColor=_INK, gridColor=_INK, gridOpacity=0.2, domain=False, ticks=False, labelPadding=6
        )
        .configure_axisY(grid=True)
        .configure_axisX(grid=False)
        .configure_legend(labelColor=_INK, orient="top")
    )
