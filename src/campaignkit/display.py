"""How numbers are shown: figures, tables of text, tables of HTML. It counts nothing.

Whatever comes from data is made visible and, in HTML, escaped and kept to its own reading
direction.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

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
        return f"{100 * value:.1f} %" if isinstance(self.value, Rate) else f"{value:,}"

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


def group_columns(figures: Sequence[tuple[str, str]]) -> tuple[tuple[str, str, str], ...]:
    """Return (count, rate beside it, heading) for a table of groups: a profile's figures, or our choice."""
    return tuple((name, "", heading) for heading, name in figures) or _COLUMNS


def group_cell(count: Figure, rate: Figure | None) -> str:
    """Return a count and its rate for one cell of a table of groups."""
    if count.value is None:
        return NOTHING
    return f"{count} {str(rate).rjust(7)}" if rate is not None else str(count)


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


def _escaped(text: str) -> str:
    return f"<bdi>{html.escape(visible(text))}</bdi>"
