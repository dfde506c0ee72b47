"""How rows of a test are read, and whether the window of a message has closed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from campaignkit.cells import Tally
from campaignkit.errors import InvalidValue, shown
from campaignkit.events import event_moment
from campaignkit.profiles import Profile
from campaignkit.summary import tally

_UNITS: Final = {"s": 1, "min": 60, "h": 3600, "d": 86400}


def parse_span(name: str, value: timedelta | str | None) -> timedelta | None:
    """Return a length of time: a timedelta, or text like ``4h``, ``30min``, ``2d``.

    Raises:
        InvalidValue: it is neither, or not above 0.

    >>> parse_span("window", "4h")
    datetime.timedelta(seconds=14400)
    """
    if value is None:
        return None
    span: object = value
    if isinstance(value, str):
        digits = value.rstrip("abcdefghijklmnopqrstuvwxyz ")
        unit = value[len(digits) :].strip()
        span = timedelta(seconds=int(digits) * _UNITS[unit]) if digits.isdecimal() and unit in _UNITS else None
    if not isinstance(span, timedelta) or span <= timedelta(0):
        raise InvalidValue(f"{name} is {shown(value)}: give a length of time above 0, like '4h', '30min' or '2d'")
    return span


@attrs.frozen(kw_only=True)
class Reading:
    """How rows are to be read: the arguments of `compare` that say so.

    Attributes:
        variant: the column that has the variant.
        profile: whose definitions to use.
        window: how long after sending an outcome may come; None counts whatever is there.
        as_of: when all this is true; by default the latest moment in the data.
        contact: the column that tells people apart; by default contact_id or to, where there is one.
        before: the column of what people brought before the test.
        columns: our name to theirs.
        carrier: whose words and codes these are.
        timezone: of naive moments.
    """

    variant: str
    profile: Profile
    window: timedelta | None = None
    as_of: datetime | None = None
    contact: str | None = None
    before: str | None = None
    columns: Mapping[str, str] = attrs.field(factory=dict)
    carrier: str | None = None
    timezone: str | None = None

    def theirs(self, name: str) -> str:
        """Return the rows' name of a column of ours."""
        return self.columns.get(name, name)

    def at(self, name: str, value: Any) -> datetime | None:
        """Return a moment of a row."""
        return None if value is None else event_moment(name, value, self.timezone)

    def tally(self, rows: Any, *by: Any) -> Tally:
        """Return the table of cells of rows by their variant, and by what else is asked."""
        asked: Any = {"columns": self.columns or None, "carrier": self.carrier, "timezone": self.timezone}
        return tally(rows, by=(self.variant, *by), **asked)

    @property
    def closed(self) -> datetime | None:
        """The moment until which messages were sent whose window has closed; None where all count."""
        return None if self.window is None or self.as_of is None else self.as_of - self.window

    def has_closed(self, sent_at: Any) -> bool:
        """Return whether the window of a message has closed."""
        return self.closed is None or ((sent := self.at("sent_at", sent_at)) is not None and sent <= self.closed)

    def in_window(self, at: datetime, sent_at: Any) -> bool:
        """Return whether something happened in time, to a message whose window has closed."""
        if self.window is None:
            return True
        sent = self.at("sent_at", sent_at)
        return sent is not None and self.has_closed(sent) and at <= sent + self.window


@attrs.define
class Flags:
    """The flags of one variant: rows, those whose window has closed, and of these n and x for each metric."""

    rows: int
    matured: int
    n: list[int]
    x: list[int]


@attrs.define
class Sums:
    """What moments are made of, while they are added up."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    before: float = 0.0
    before_squares: float = 0.0
    products: float = 0.0

    def add(self, y: float, x: float) -> None:
        """Add one recipient: what came after the text, and before."""
        self.n += 1
        self.total += y
        self.squares += y * y
        self.before += x
        self.before_squares += x * x
        self.products += x * y

    def join(self, *sums: float) -> None:
        """Add the sums of other recipients."""
        n, total, squares, before, before_squares, products = sums
        self.n += int(n)
        self.total += total
        self.squares += squares
        self.before += before
        self.before_squares += before_squares
        self.products += products
