"""How numbers are shown: figures, tables, sections. It counts nothing.

A `Section` says something once; text, page and notebook are readings of it. Whatever comes
from data is made visible and, in HTML, escaped and kept to its own reading direction.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, ClassVar, Final

import attrs

from campaignkit.cells import PEOPLE_COUNTS
from campaignkit.metrics import Rate

NOTHING: Final = "–"
NOT_RECORDED: Final = "not recorded"


@attrs.frozen
class Figure:
    """One number of a summary, as a report prints it.

    Attributes:
        name: the name of the count or rate; ``label`` is how this profile calls it.
        value: a number, a `Rate`, or None when it was not measured.
        formula: how a rate is made, empty for a count.
        missing: why there is no value.
    """

    name: str
    label: str
    value: int | Rate | None
    formula: str = ""
    missing: str = ""

    def __str__(self) -> str:
        """Return the value as text, without the fraction of a rate."""
        value = self.value.value if isinstance(self.value, Rate) else self.value
        if value is None:
            return NOTHING if isinstance(self.value, Rate) and self.value.part is not None else NOT_RECORDED
        return percent_text(value) if isinstance(self.value, Rate) else f"{value:,}"

    @property
    def fraction(self) -> str:
        """What a rate was made of, why it was not, or nothing for a count."""
        if not isinstance(self.value, Rate):
            return self.missing if self.value is None else ""
        if self.value.part is None or self.value.whole is None:
            return self.value.missing or ""
        return f"{self.value.part:,} / {self.value.whole:,}"

    @property
    def worth_showing(self) -> bool:
        """Whether it says something: a zero of a rare count does not, nor what was not asked for."""
        if self.value is None:
            return self.name not in PEOPLE_COUNTS and self.name not in _SAME_COLUMN
        return self.value != 0 or self.name in _ALWAYS_SHOWN

    @property
    def row(self) -> tuple[str, str, str, str]:
        """Label, value, fraction, formula."""
        return self.label, str(self), self.fraction, self.formula


COUNTS_SHOWN: Final = (
    "total",
    "skipped",
    "canceled",
    "pending",
    "refused",
    "unknown",
    "sent",
    "processing",
    "delivered",
    "read",
    "failed",
    "soft",
    "hard",
    "deleted",
    "other",
    "unconfirmed",
    "unmapped",
    "segments",
    "replies",
    "replied",
    "stop_replies",
    "clicks",
    "clicked",
    "opted_out",
    "orders",
    "converted",
    "assisted_orders",
    *PEOPLE_COUNTS,
)
"""The counts of a report, in their order."""

_LABELS: Final = {
    "soft": "Soft bounces",
    "hard": "Hard bounces",
    "deleted": "Deleted numbers",
    "other": "Failed otherwise",
    "unmapped": "Codes not in our tables",
    "opted_out": "Opted out",
    "stop_replies": "Opt-out replies",
    "clicked": "Messages clicked",
    "converted": "Messages converted",
    "replied": "Messages answered",
}
_ALWAYS_SHOWN: Final = frozenset({"total", "sent", "delivered", "failed", "processing"})
# Not recorded together with another one that says so already.
_SAME_COLUMN: Final = frozenset({"replied", "clicked", "converted", "assisted_orders"})


def label(name: str) -> str:
    """Return how a count or rate is called in a report."""
    return _LABELS.get(name, name.replace("_", " ").capitalize())


# What a table of groups shows: a count, and the rate that stands in the same cell.
_COLUMNS: Final[tuple[tuple[str, str, str], ...]] = (
    ("sent", "", "Sent"),
    ("delivered", "delivery_rate", "Delivered"),
    ("failed", "failure_rate", "Failed"),
    ("soft", "", "Soft"),
    ("hard", "", "Hard"),
    ("replied", "reply_rate", "Answered"),
    ("clicked", "click_rate", "Clicked"),
    ("opted_out", "opt_out_rate", "Opted out"),
    ("converted", "conversion_rate", "Converted"),
)


# What a table with room for every count shows beside.
_MORE_COLUMNS: Final = tuple(
    (name, "", label(name))
    for name in ("pending", "segments", "replies", "clicks", "repliers", "clickers", "orders", "assisted_orders")
)


def group_columns(figures: Sequence[tuple[str, str]], *, wide: bool = False) -> tuple[tuple[str, str, str], ...]:
    """Return (count, rate beside it, heading) for a table of groups: a profile's figures, or our choice."""
    own = (*_COLUMNS, *_MORE_COLUMNS) if wide else _COLUMNS
    return tuple((name, "", heading) for heading, name in figures) or own


def group_entry(count: Figure, rate: Figure | None) -> Entry:
    """Return a count with its rate beside it, for one place of a table of groups."""
    if count.value is None:
        return Entry(NOTHING)
    value = count.value.value if isinstance(count.value, Rate) else count.value
    return Entry(str(count), "" if rate is None else str(rate), value=value)


def group_text(value: Any) -> str:
    """Return a group's value as text."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return "(none)" if value is None else str(value)


def money_text(money: Mapping[str, Decimal] | None) -> str:
    """Return amounts by currency."""
    if money is None:
        return NOT_RECORDED
    return ", ".join(f"{amount:,.2f} {currency}" for currency, amount in money.items()) or "0"


def percent_text(share: float | None) -> str:
    """Return a share in percent, a dash where there is none."""
    return NOTHING if share is None else f"{100 * share:.1f} %"


def clock_text(at: datetime | None, zone: tzinfo) -> str:
    """Return a moment as the clock shows it in a zone, to the minute; a dash where there is none.

    >>> from zoneinfo import ZoneInfo
    >>> clock_text(datetime.fromisoformat("2026-04-16T17:00:59Z"), ZoneInfo("Europe/Paris"))
    '2026-04-16 19:00'
    """
    return NOTHING if at is None else f"{in_zone(at, zone):%Y-%m-%d %H:%M}"


def in_zone(at: datetime, zone: tzinfo) -> datetime:
    """Return a moment in a zone; at the ends of time, where the zone would lead out of it, in its own."""
    try:
        return at.astimezone(zone)
    except OverflowError:
        return at


def span_text(span: timedelta | None) -> str:
    """Return a length of time in the unit that reads best."""
    if span is None:
        return NOT_RECORDED
    seconds = span.total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


_INVISIBLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What breaks lines, moves the cursor, turns the reading direction, or cannot be written as UTF-8."""


def visible(text: str) -> str:
    r"""Return text that stays on its line and shows what it holds.

    >>> print(visible("spring\n\u202etxt.exe"))
    spring\u000a\u202etxt.exe
    """
    return _INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def text_table(rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> str:
    """Return rows as text in columns as wide as their contents; the columns in ``right`` end flush."""
    cells = [tuple(map(visible, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    flush = set(right)

    def line(row: Sequence[str]) -> str:
        aligned = (
            cell.rjust(width) if place in flush else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join(aligned).rstrip()

    return "\n".join(map(line, cells))


def html_table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "", right: Iterable[int] = ()
) -> str:
    """Return rows as an HTML table, everything escaped; the columns in ``right`` end flush."""
    flush = set(right)

    def line(tag: str, row: Sequence[str]) -> str:
        sides = ("right" if place in flush else "left" for place, _ in enumerate(row))
        cells = (
            f'<{tag} style="text-align:{side};white-space:nowrap;padding:2px 8px">{_escaped(cell)}</{tag}>'
            for side, cell in zip(sides, row, strict=True)
        )
        return f"<tr>{''.join(cells)}</tr>"

    body = "".join(line("td", row) for row in rows)
    return (
        f'<table style="font-variant-numeric:tabular-nums"><caption>{_escaped(caption)}</caption>'
        f"<thead>{line('th', head)}</thead><tbody>{body}</tbody></table>"
    )


def html_text(text: str) -> str:
    """Return text as HTML that keeps its lines, for where there is nothing to make a page with."""
    return f"<pre>{html.escape(text)}</pre>"


def _escaped(text: str) -> str:
    return f"<bdi>{html.escape(visible(text))}</bdi>"


# --- sections ----------------------------------------------------------------------------------


@attrs.frozen
class Entry:
    """What stands in one place of a table.

    Attributes:
        text: what is read first.
        note: small print beside it, like a rate beside its count.
        value: the number it sorts by, where it is one.
        share: the length of the bar behind it, 0 to 1.
    """

    text: str
    note: str = ""
    value: float | None = None
    share: float | None = None

    def __str__(self) -> str:
        """Return text and note, the notes of a column under each other where they are rates."""
        return f"{self.text} {self.note.rjust(7)}" if self.note else self.text


def _entries(rows: Iterable[Iterable[str | Entry]]) -> tuple[tuple[Entry, ...], ...]:
    return tuple(tuple(each if isinstance(each, Entry) else Entry(each) for each in row) for row in rows)


@attrs.frozen(kw_only=True)
class Table:
    """Rows under a head.

    Attributes:
        head: a name for each column, or nothing.
        rows: as many entries each; text stands for an entry of that text.
        right: the columns that end flush, those of numbers.
        title: what the table is of, where its section does not say it.
        rest: the sentence about rows that are left out.
        sortable: a reader of the page may sort it by a click.
        stacked: on a phone each row is a block, because its texts are long.
        folded: on a page it is shown on demand, because a picture says it already.
    """

    kind: ClassVar[str] = "table"

    head: tuple[str, ...] = ()
    rows: tuple[tuple[Entry, ...], ...] = attrs.field(converter=_entries)
    right: tuple[int, ...] = ()
    title: str = ""
    rest: str = ""
    sortable: bool = False
    stacked: bool = False
    folded: bool = False

    def __str__(self) -> str:
        """Return the table as text."""
        rows = [tuple(map(str, row)) for row in self.rows]
        body = text_table([self.head, *rows] if any(self.head) else rows, right=self.right)
        return "\n".join(filter(None, (self.title, body, self.rest)))

    def turned(self) -> Table:
        """Return the table with a column for each row, to read a few rows side by side."""
        names, *columns = zip(*self.rows, strict=True) if self.rows else ((),)
        return attrs.evolve(
            self,
            head=("", *(name.text for name in names)),
            rows=[(head, *column) for head, column in zip(self.head[1:], columns, strict=False)],
            right=tuple(range(1, len(names) + 1)),
            sortable=False,
        )


@attrs.frozen
class Facts:
    """Names with what is to be said of each."""

    kind: ClassVar[str] = "facts"

    rows: Sequence[tuple[str, str]]

    def __str__(self) -> str:
        """Return a line for each."""
        return text_table(self.rows)


@attrs.frozen(kw_only=True)
class Tile:
    """One number, large, with what it is made of."""

    label: str
    value: str
    fraction: str = ""
    formula: str = ""
    more: str = ""


@attrs.frozen
class Tiles:
    """The numbers to see first."""

    kind: ClassVar[str] = "tiles"

    tiles: Sequence[Tile]

    def __str__(self) -> str:
        """Return a line for each tile."""
        return text_table((each.label, each.value, each.fraction, each.formula, each.more) for each in self.tiles)


@attrs.frozen
class Section:
    """One thing that a report says.

    Attributes:
        key: what it is called among the sections, also in addresses (``report.html#failures``).
        title: its heading; the head of a report has none.
        parts: sentences, `Table`, `Facts`, `Tiles` and `charts.Bars`, in the order of reading.
    """

    key: str
    title: str
    parts: Sequence[Any]

    def __str__(self) -> str:
        """Return the parts as text; a picture has none, its numbers stand beside it."""
        return "\n".join(visible(part) if isinstance(part, str) else str(part) for part in self.parts if str(part))


def first_rows(rows: Sequence[Any], most: int, where: str = "the CSV has all") -> tuple[Sequence[Any], str]:
    """Return the first rows, and the sentence about the others.

    >>> first_rows(range(1300), 2)
    (range(0, 2), '… and 1,298 more; the CSV has all.')
    """
    return rows[:most], f"… and {len(rows) - most:,} more; {where}." if len(rows) > most else ""


def joined(names: Iterable[str], most: int = 5) -> str:
    """Return the first names in one line, and how many more there are.

    >>> joined(["b", "a", "c"], most=2)
    'a, b and 1 more'
    """
    ordered = sorted(names)
    more = f" and {len(ordered) - most:,} more" if len(ordered) > most else ""
    return ", ".join(ordered[:most]) + more
