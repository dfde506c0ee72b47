"""From messages to numbers: `tally` makes the table of cells, `Summary` reads it.

summarize(rows) ──► tally(rows) ──► Summary or Summaries ──► counts, rates, reasons, text, HTML
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, overload

import attrs

from campaignkit.cells import (
    EVENTS,
    MEASURES,
    PEOPLE_COUNTS,
    PEOPLE_NEED,
    Cell,
    Group,
    People,
    PeopleCounts,
    Sums,
    Tally,
    check_size,
)
from campaignkit.charts import PALETTE, Bar, Unit, compared, line
from campaignkit.display import (
    COUNTS_SHOWN,
    Entry,
    Figure,
    group_columns,
    group_entry,
    group_text,
    html_table,
    label,
    money_text,
    percent_text,
    span_text,
    text_table,
)
from campaignkit.errors import InvalidValue, MissingExtra, nearest, shown
from campaignkit.events import merge_events, tally_events
from campaignkit.grouping import By, Derived, by_columns
from campaignkit.metrics import (
    COUNT_FIELDS,
    COUNT_PROPERTIES,
    Counts,
    Latency,
    Rate,
    amounts,
    is_failed,
    place,
    verdict_on,
)
from campaignkit.models import Status, moment
from campaignkit.profiles import Formula, Profile, get_profile
from campaignkit.rows import is_frame, tally_rows
from campaignkit.verdicts import Verdict, check_carrier

Rows = object
"""Messages, any objects or mappings with their fields (in any iterable), or a frame."""

_COLUMN_OF: Final = {sums: column for column, names in MEASURES.items() for sums in names}
_FAILED_PLACES: Final = frozenset({"soft", "hard", "deleted", "other"})


def tally(
    rows: Rows,
    *,
    by: By = None,
    columns: Mapping[str, str] | None = None,
    carrier: str | None = None,
    replies: Rows = None,
    clicks: Rows = None,
    opt_outs: Rows = None,
    orders: Rows = None,
    people: str | People | None = None,
    as_of: datetime | None = None,
    timezone: str | None = None,
) -> Tally:
    """Return the table of cells of a set of messages; `summarize` says what the arguments are.

    Tallies of different messages add: ``tally(a) + tally(b)`` is ``tally(a + b)``.

    >>> table = tally([{"status": "delivered"}, {"status": "sent"}]) + tally([{"status": "sent"}])
    >>> {cell.status: sums.n for cell, sums in table.cells[()].items()}
    {'delivered': 1, 'sent': 2}
    """
    keys = by_columns(by)
    asked = People(people) if isinstance(people, str) else people
    table = _tally(rows, by=keys, columns=columns, carrier=carrier, people=asked, timezone=timezone)
    tables = {"replies": replies, "clicks": clicks, "opt_outs": opt_outs, "orders": orders}
    given = {
        kind: _tally_events(kind, rows, keys, asked, timezone) for kind, rows in tables.items() if rows is not None
    }
    whole = merge_events(table, given)
    check_size(whole)
    if as_of is None and not is_frame(rows):  # where it may be a column
        as_of = getattr(rows, "as_of", None)  # a Log knows moments that its messages do not have
    return whole if as_of is None else attrs.evolve(whole, as_of=moment("as_of", as_of))


def _tally(rows: Rows, *, carrier: str | None = None, **asked: Any) -> Tally:
    name = None if carrier is None else check_carrier(carrier)
    if not is_frame(rows):
        return tally_rows(_iterable(rows, "rows"), carrier=name, **asked)
    from campaignkit.frames import tally_frame  # noqa: PLC0415 - narwhals is loaded with the first frame

    return tally_frame(rows, carrier=name, **asked)


def _iterable(rows: Rows, name: str) -> Iterable[Any]:
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable):
        way = "; read_log reads a file" if name == "rows" and isinstance(rows, str) else ""
        raise InvalidValue(
            f"{name} is {shown(rows)}: give a frame, or an iterable of messages, objects or mappings{way}"
        )
    return rows


def cells_of(rows: Rows, *, by: tuple[str, ...], **asked: Any) -> Mapping[Group, Mapping[Cell, Sums]]:
    """Return the cells alone, however many groups there are."""
    return _tally(rows, by=by, **asked).cells


def _tally_events(
    kind: str, table: Rows, by: tuple[str | Derived, ...], people: People | None, zone: str | None
) -> Tally:
    if is_frame(table):
        from campaignkit.frames import frame_rows  # noqa: PLC0415 - the same

        table = frame_rows(table)
    return tally_events(kind, _iterable(table, kind), by=by, people=people, timezone=zone)


@overload
def summarize(
    rows: Rows,
    *,
    by: None = None,
    profile: str | Profile = ...,
    columns: Mapping[str, str] | None = ...,
    carrier: str | None = ...,
    replies: Rows = ...,
    clicks: Rows = ...,
    opt_outs: Rows = ...,
    orders: Rows = ...,
    people: str | People | None = ...,
    as_of: datetime | None = ...,
    timezone: str | None = ...,
) -> Summary: ...
@overload
def summarize(
    rows: Rows,
    *,
    by: str | Derived | Iterable[str | Derived],
    profile: str | Profile = ...,
    columns: Mapping[str, str] | None = ...,
    carrier: str | None = ...,
    replies: Rows = ...,
    clicks: Rows = ...,
    opt_outs: Rows = ...,
    orders: Rows = ...,
    people: str | People | None = ...,
    as_of: datetime | None = ...,
    timezone: str | None = ...,
) -> Summaries: ...
def summarize(
    rows: Rows,
    *,
    by: By = None,
    profile: str | Profile = "campaignkit",
    columns: Mapping[str, str] | None = None,
    carrier: str | None = None,
    replies: Rows = None,
    clicks: Rows = None,
    opt_outs: Rows = None,
    orders: Rows = None,
    people: str | People | None = None,
    as_of: datetime | None = None,
    timezone: str | None = None,
) -> Summary | Summaries:
    """Return every number of a set of messages.

    Args:
        rows: Messages, any objects or mappings with those fields, or a frame (eager or lazy).
            Only ``status`` is required.
        by: a column, several, or a time bucket (`hours`, `days`); nulls are a group of their own.
        profile: whose definitions to use; see `PROFILES`.
        columns: {our name: their name}, where the columns are called otherwise; a `Column` where
            the status has words of its own.
        carrier: whose status words and codes these are, when the rows do not say: one of `CARRIERS`,
            or one that only you know.
        replies: events with ``received_at``; it replaces the column of that name.
        clicks: events with ``clicked_at``.
        opt_outs: events with ``opted_out_at``.
        orders: events with ``ordered_at``, ``revenue``, ``currency``, ``assisted``.
        people: the column that tells people apart, to count them too.
        as_of: when this is true; by default the latest moment in the data.
        timezone: the zone of naive moments.

    Raises:
        InvalidValue: a value that breaks a rule, with its row.
        InvalidColumn: a column that is missing, or has nulls where it counts.
        UnknownStatus: a status word that neither the carrier nor we know.

    >>> from campaignkit.models import Message
    >>> s = summarize([Message(status="delivered"), Message(status="failed"), Message(status="pending")])
    >>> s.counts.sent, str(s.delivery_rate)
    (2, '50.0 % (1/2)')
    """
    table = tally(
        rows,
        by=by,
        columns=columns,
        carrier=carrier,
        replies=replies,
        clicks=clicks,
        opt_outs=opt_outs,
        orders=orders,
        people=people,
        as_of=as_of,
        timezone=timezone,
    )
    chosen = get_profile(profile)
    return Summary(tally=table, profile=chosen) if by is None else Summaries(table, chosen)


def read_tally(table: Tally, *, profile: str | Profile = "campaignkit") -> Summary | Summaries:
    """Return the Summary of a tally, or the Summaries of a grouped one, under a profile."""
    chosen = get_profile(profile)
    return Summaries(table, chosen) if table.by else Summary(tally=table, profile=chosen)


@attrs.frozen
class Failure:
    """Messages that failed with one code.

    Attributes:
        verdict: what the code means.
        n: how many messages.
        refused: the carrier said no at submission; these were never handed off.
    """

    verdict: Verdict
    n: int
    refused: bool = False


@attrs.frozen(kw_only=True)
class Summary:
    """Every number of one set of messages, under one profile.

    ``counts`` are always campaignkit's own; `count` and the rates follow the profile.
    Printed, it is a table; in a notebook, an HTML one.
    """

    tally: Tally
    profile: Profile
    group: Group = ()

    @functools.cached_property
    def cells(self) -> Mapping[Cell, Sums]:
        """The table this summary reads: cell to sums."""
        return self.tally.cells.get(self.group, {})

    @functools.cached_property
    def counts(self) -> Counts:
        """The counts, by campaignkit's definitions."""
        return Counts.of(self.cells, self.profile, self.tally.unmeasured)

    @functools.cached_property
    def people(self) -> PeopleCounts:
        """Distinct people; every count is None unless ``people=`` was given."""
        return self.tally.people.get(self.group, PeopleCounts())

    @property
    def as_of(self) -> datetime | None:
        """The latest moment in the data, or the caller's."""
        return self.tally.as_of

    def count(self, name: str) -> int | None:
        """Return a count under the profile, people included; None when it was not measured.

        Raises:
            InvalidValue: there is no count of that name.

        >>> s = summarize([{"status": "delivered"}, {"status": "sent"}], profile="messengerflow")
        >>> s.count("sent"), s.counts.sent
        (1, 2)
        """
        parts = self.profile.regroup.get(name)
        if parts is None:
            return self._own(name)
        found = [self._own(part) for part in parts]
        return None if None in found else sum(filter(None, found))

    def _own(self, name: str) -> int | None:
        if name in PEOPLE_COUNTS:
            value: int | None = getattr(self.people, name)
            return value
        if name not in COUNT_FIELDS and name not in COUNT_PROPERTIES:
            known = [*COUNT_FIELDS, *COUNT_PROPERTIES, *PEOPLE_COUNTS, *self.profile.regroup]
            raise InvalidValue(f"count is {name!r}: not one we know; nearest: {nearest(name, known)}")
        count: int | None = getattr(self.counts, name)
        return count

    def missing(self, name: str) -> str | None:
        """Return why a count is None; None when it was measured."""
        parts = self.profile.regroup.get(name, (name,))
        return next(filter(None, map(self._missing, parts)), None)

    def _missing(self, name: str) -> str | None:
        if name in PEOPLE_COUNTS:
            return self.tally.unmeasured.get("people", self.tally.unmeasured.get(PEOPLE_NEED.get(name, "")))
        return self.tally.unmeasured.get(_COLUMN_OF.get(name, ""))

    def rate(self, name: str) -> Rate:
        """Return a rate by name, under the profile.

        Raises:
            InvalidValue: the profile has no rate of that name.
        """
        formula = self.profile.rates.get(name)
        if formula is None:
            raise InvalidValue(f"rate is {name!r}: not one we know; nearest: {nearest(name, self.profile.rates)}")
        return self._rate(formula)

    def _rate(self, formula: Formula) -> Rate:
        missing = self.missing(formula.part) or self.missing(formula.whole)
        return Rate(self.count(formula.part), self.count(formula.whole), formula, missing)

    @property
    def delivery_rate(self) -> Rate:
        """Delivered ÷ sent: of what was handed to a carrier, how much it says arrived."""
        return self.rate("delivery_rate")

    @property
    def resolved_delivery_rate(self) -> Rate:
        """Delivered ÷ (delivered + failed): not moved by messages that have no verdict yet."""
        return self.rate("resolved_delivery_rate")

    @property
    def failure_rate(self) -> Rate:
        """Failed ÷ sent."""
        return self.rate("failure_rate")

    @property
    def soft_bounce_rate(self) -> Rate:
        """Soft bounces ÷ sent, by the profile's bounce policy."""
        return self.rate("soft_bounce_rate")

    @property
    def hard_bounce_rate(self) -> Rate:
        """Hard bounces ÷ sent, by the profile's bounce policy."""
        return self.rate("hard_bounce_rate")

    @property
    def deleted_rate(self) -> Rate:
        """Deleted numbers ÷ sent."""
        return self.rate("deleted_rate")

    @property
    def reply_rate(self) -> Rate:
        """Messages answered at least once ÷ sent; opt-outs are not answers."""
        return self.rate("reply_rate")

    @property
    def click_rate(self) -> Rate:
        """Messages clicked at least once ÷ sent."""
        return self.rate("click_rate")

    @property
    def click_to_delivered_rate(self) -> Rate:
        """Messages clicked at least once ÷ delivered."""
        return self.rate("click_to_delivered_rate")

    @property
    def opt_out_rate(self) -> Rate:
        """Messages followed by an opt-out ÷ sent."""
        return self.rate("opt_out_rate")

    @property
    def conversion_rate(self) -> Rate:
        """Messages that led to at least one order ÷ sent."""
        return self.rate("conversion_rate")

    @property
    def settled_share(self) -> Rate:
        """(Delivered + failed + unconfirmed) ÷ sent: how much of what was handed off has a final status."""
        counts = self.counts
        part = counts.delivered + counts.failed + counts.unconfirmed
        return Rate(part, counts.sent, Formula("delivered + failed + unconfirmed", "sent"))

    @property
    def statuses(self) -> dict[str, int]:
        """Messages by where they stand now, in the order of `Status`, without zeros."""
        found = dict.fromkeys(Status, 0)
        for cell, sums in self.cells.items():
            if cell != EVENTS:
                found[Status(cell.status)] += sums.n
        return {status.value: n for status, n in found.items() if n}

    @functools.cached_property
    def failures(self) -> tuple[Failure, ...]:
        """What failed or was refused, by code, the most frequent first."""
        found: dict[tuple[Verdict, bool], int] = {}
        for cell, sums in self.cells.items():
            for refused, n in _failed(cell, sums, self.profile):
                key = (verdict_on(cell, self.profile), refused)
                found[key] = found.get(key, 0) + n
        ordered = sorted(found.items(), key=lambda item: (-item[1], *_failure_order(*item[0])))
        return tuple(Failure(verdict, n, refused) for (verdict, refused), n in ordered)

    @property
    def reasons(self) -> dict[str, int]:
        """Messages that failed or were refused, by reason, the most frequent first."""
        return _added((failure.verdict.reason, failure.n) for failure in self.failures)

    @property
    def skips(self) -> dict[str, int]:
        """Messages that were skipped, by reason, the most frequent first."""
        skipped = [(cell, sums.n) for cell, sums in self.cells.items() if cell.status == Status.SKIPPED]
        return _added((cell.code or "no reason given", n) for cell, n in skipped)

    @property
    def unmapped(self) -> dict[str, int]:
        """Messages that failed with a code that no table has: "carrier code" to messages, as counted by ``counts``."""
        failed = [(cell, sums.n) for cell, sums in self.cells.items() if is_failed(cell)]
        lost = [(cell, n) for cell, n in failed if not verdict_on(cell, self.profile).mapped]
        return _added((f"{cell.carrier or 'no carrier'} {cell.code}", n) for cell, n in lost)

    @property
    def cost(self) -> dict[str, Decimal] | None:
        """What the priced messages cost, by currency; None when no price was recorded."""
        return None if self.counts.priced is None else amounts(self.tally.money.get(self.group, {}), "cost")

    @property
    def revenue(self) -> dict[str, Decimal] | None:
        """What orders credited to these messages brought, by currency; None when not recorded."""
        return None if self.counts.orders is None else amounts(self.tally.money.get(self.group, {}), "revenue")

    @property
    def assisted_revenue(self) -> dict[str, Decimal] | None:
        """What orders credited elsewhere brought, that these messages touched; None when not recorded."""
        if self.counts.assisted_orders is None:
            return None
        return amounts(self.tally.money.get(self.group, {}), "assisted_revenue")

    @functools.cached_property
    def latency(self) -> Latency:
        """Time from handing over to delivery; ``n`` is 0 when either time was not recorded."""
        return Latency.of(self.tally.latency.get(self.group, {}))

    @property
    def figures(self) -> tuple[Figure, ...]:
        """What a report prints: the profile's own choice, or all counts and rates."""
        names = self.profile.figures or tuple((label(name), name) for name in (*COUNTS_SHOWN, *self.profile.rates))
        return tuple(self.figure(name, called) for called, name in names)

    def figure(self, name: str, called: str = "") -> Figure:
        """Return one count or rate as a report prints it."""
        if name in self.profile.rates:
            return Figure(name, called or label(name), self.rate(name), str(self.profile.rates[name]))
        return Figure(name, called or label(name), self.count(name), missing=self.missing(name) or "")

    def to_dict(self) -> dict[str, Any]:
        """Return every number as JSON-ready values."""
        return {
            "profile": self.profile.name,
            "as_of": self.as_of.isoformat() if self.as_of else None,
            "settled_share": self.settled_share.value,
            "counts": {name: self.count(name) for name in (*COUNT_FIELDS, *COUNT_PROPERTIES, *self.profile.regroup)},
            "people": attrs.asdict(self.people),
            "rates": {name: rate_dict(self.rate(name)) for name in self.profile.rates},
            "statuses": self.statuses,
            "reasons": self.reasons,
            "skips": self.skips,
            "unmapped": self.unmapped,
            "failures": [_failure_dict(failure) for failure in self.failures],
            "cost": _money_dict(self.cost),
            "revenue": _money_dict(self.revenue),
            "assisted_revenue": _money_dict(self.assisted_revenue),
            "latency": _latency_dict(self.latency),
            "not_recorded": dict(self.tally.unmeasured),
        }

    def chart(self) -> Any:
        """Return where messages stand as an Altair chart, from sent to what they led to.

        Raises:
            MissingExtra: altair is not installed.
        """
        sent = self.count("sent")
        figures = [self.figure(name) for name in _CHARTED]
        bars = [
            Bar(
                name=figure.label,
                value=figure.value,
                text=f"{figure} ({percent_text(figure.value / sent)})" if sent else str(figure),
                color=PALETTE[_CHARTED[figure.name]],
            )
            for figure in figures
            if isinstance(figure.value, int) and figure.worth_showing
        ]
        return compared("Where messages stand, and what they led to", bars)

    def __str__(self) -> str:
        """Return the figures as a table of text."""
        return text_table(self.lines(), right=(1, 2))

    def _repr_html_(self) -> str:
        """Return the figures as an HTML table."""
        caption = f"{self.profile.name}, as of {self.as_of:%Y-%m-%d %H:%M %Z}" if self.as_of else self.profile.name
        return html_table(("", "value", "of", "formula"), self.lines(), caption=caption, right=(1, 2))

    def lines(self) -> list[tuple[str, str, str, str]]:
        """Return what a report prints, a row each: label, value, fraction or why there is none, formula."""
        settled = Figure("settled_share", "Status is final", self.settled_share, str(self.settled_share.formula))
        lines = [figure.row for figure in (*self.figures, settled) if figure.worth_showing]
        lines.append(("Cost", money_text(self.cost), self.missing("priced") or "", ""))
        for called, money in (("Revenue", self.revenue), ("Assisted revenue", self.assisted_revenue)):
            if money:
                lines.append((called, money_text(money), "", ""))
        if self.latency.n:
            of = f"{self.latency.n:,} messages"
            lines.append(("Median time to deliver", span_text(self.latency.median), of, "within 2 %"))
            lines.append(("95 % are faster than", span_text(self.latency.p95), of, "within 2 %"))
        return lines


_ALL_COUNTS: Final = tuple(dict.fromkeys((*COUNTS_SHOWN, *COUNT_FIELDS, *COUNT_PROPERTIES)))


def _failed(cell: Cell, sums: Sums, profile: Profile) -> Iterator[tuple[bool, int]]:
    """Yield (refused, messages) for the part of a cell that failed."""
    if cell == EVENTS:
        return
    before, after = place(cell, profile)
    handed = sums.handed_off if after in _FAILED_PLACES and before not in _FAILED_PLACES else 0
    if before in _FAILED_PLACES:
        yield False, sums.n
    if handed:
        yield False, handed
    if before == "refused" and sums.n > handed:
        yield True, sums.n - handed


def _failure_order(verdict: Verdict, refused: bool) -> tuple[str, str, str, bool]:  # noqa: FBT001 - a part of the key
    """Return what puts equally frequent failures in one order, whatever engine counted them."""
    return verdict.code or "", verdict.carrier or "", verdict.reason, refused


def _added(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return the sum for each name, the largest first."""
    found: dict[str, int] = {}
    for name, n in pairs:
        found[name] = found.get(name, 0) + n
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def rate_dict(rate: Rate) -> dict[str, Any]:
    """Return a rate with its fraction and formula as JSON-ready values."""
    return {"value": rate.value, "part": rate.part, "whole": rate.whole, "formula": str(rate.formula)}


def _failure_dict(failure: Failure) -> dict[str, Any]:
    shown = {name: value for name, value in attrs.asdict(failure.verdict).items() if name != "bounce"}
    return {**shown, "bounce": failure.verdict.bounce.value, "messages": failure.n, "refused": failure.refused}


def _money_dict(money: Mapping[str, Decimal] | None) -> dict[str, str] | None:
    return None if money is None else {currency: f"{amount:f}" for currency, amount in money.items()}


def _latency_dict(latency: Latency) -> dict[str, Any]:
    return {
        "n": latency.n,
        "median_seconds": latency.median.total_seconds() if latency.median is not None else None,
        "p95_seconds": latency.p95.total_seconds() if latency.p95 is not None else None,
        "negative": latency.negative,
    }


# What a chart of a summary shows, and the place of its colour in the palette.
_CHARTED: Final = {
    "sent": 0,
    "delivered": 0,
    "failed": 1,
    "processing": 2,
    "unconfirmed": 2,
    "replied": 0,
    "clicked": 0,
    "opted_out": 1,
    "converted": 0,
}

_BACKENDS: Final = ("polars", "pandas", "pyarrow")


def figure_columns(found: Iterable[Summary], profile: Profile, *, wide: bool = False) -> dict[str, list[Entry]]:
    """Return heading to entries for a table of several summaries, without columns that have nothing to say."""
    summaries, columns = list(found), dict[str, list[Entry]]()
    for name, rate, heading in group_columns(profile.figures, wide=wide):
        figures = [summary.figure(name) for summary in summaries]
        if any(figure.worth_showing and figure.value is not None for figure in figures):
            beside = [summary.figure(rate) if rate in profile.rates else None for summary in summaries]
            columns[heading] = [group_entry(*pair) for pair in zip(figures, beside, strict=True)]
    return columns


def frame_of(rows: Iterable[Mapping[str, Any]], names: Iterable[str], backend: str | None = None) -> Any:
    """Return rows as a frame with these columns; `Summaries.to_frame` says what the backend is.

    Raises:
        InvalidValue: another backend.
        MissingExtra: the backend is not installed, or none of the three is.
    """
    import narwhals as nw  # noqa: PLC0415 - loaded with the first frame

    if backend is not None and backend not in _BACKENDS:
        raise InvalidValue(f"backend is {shown(backend)}: give one of {', '.join(_BACKENDS)}")
    chosen = backend or next(filter(importlib.util.find_spec, _BACKENDS), _BACKENDS[0])
    if importlib.util.find_spec(chosen) is None:
        raise MissingExtra(chosen, chosen, "to_frame()")
    found = list(rows)
    columns = {name: [row.get(name) for row in found] for name in names}
    return nw.from_dict(columns, backend=chosen).to_native()  # type: ignore[arg-type]  # a checked name


class Summaries(Mapping[Any, Summary]):
    """A summary for each group; the key is the group's value, a tuple when there are several columns.

    >>> groups = summarize([{"status": "sent", "variant": "a"}, {"status": "sent", "variant": "b"}], by="variant")
    >>> list(groups), groups["a"].counts.sent
    (['a', 'b'], 1)
    """

    def __init__(self, tally: Tally, profile: Profile) -> None:
        """Read a grouped tally under a profile."""
        self.tally = tally
        self.profile = profile
        self._groups = {self._key(group): group for group in sorted(tally.cells, key=_order)}

    def _key(self, group: Group) -> Any:
        return group[0] if len(self.tally.by) == 1 else group

    def __getitem__(self, key: Any) -> Summary:
        return Summary(tally=self.tally, profile=self.profile, group=self._groups[key])

    def __iter__(self) -> Iterator[Any]:
        return iter(self._groups)

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def by(self) -> tuple[str, ...]:
        """The names of the grouping columns."""
        return self.tally.by

    @property
    def total(self) -> Summary:
        """The summary of all groups together; distinct people are not known for it."""
        return Summary(tally=self.tally.total(), profile=self.profile)

    def rows(self) -> list[dict[str, Any]]:
        """Return a dictionary for each group: its columns, then every count and rate."""
        return [self._row(group, self[key]) for key, group in self._groups.items()]

    def _row(self, group: Group, summary: Summary) -> dict[str, Any]:
        row = dict(zip(self.by, group, strict=True))
        row |= {name: summary.count(name) for name in (*_ALL_COUNTS, *self.profile.regroup)}
        row |= {name: summary.rate(name).value for name in self.profile.rates}
        for name in ("cost", "revenue", "assisted_revenue"):
            row |= {f"{name}_{currency}": amount for currency, amount in (getattr(summary, name) or {}).items()}
        return row

    def to_frame(self, backend: str | None = None) -> Any:
        """Return `rows` as a frame: ``pandas``, ``polars`` or ``pyarrow``; by default the first installed.

        Raises:
            InvalidValue: another backend.
            MissingExtra: the backend is not installed, or none of the three is.
        """
        rows = self.rows()
        return frame_of(rows, dict.fromkeys((*self.by, *(name for row in rows for name in row))), backend)

    def chart(self, metric: str | None = None) -> Any:
        """Return one count or rate of each group as an Altair chart: bars, or a line where groups are hours or days.

        Args:
            metric: its name; by default the delivery rate.

        Raises:
            InvalidValue: there is no count or rate of that name.
            MissingExtra: altair is not installed.
        """
        name = metric or "delivery_rate"
        figures = {key: self[key].figure(name) for key in self}
        called, percent = label(name), name in self.profile.rates
        times = [key for key in self if isinstance(key, datetime)]
        if times and len(times) + (None in self) == len(self):
            unit: Unit = "hour" if self.by[0].endswith("_hour") else "day"
            points = [(key, _charted(figures[key]), str(figures[key])) for key in times]
            return line(f"{called} by {unit}", points, unit, percent=percent)
        bars = [Bar(name=_named(key), value=_charted(figure) or 0, text=str(figure)) for key, figure in figures.items()]
        by = ", ".join(name.removesuffix("_id").replace("_", " ") for name in self.by)
        return compared(f"{called} by {by}", bars)

    def _table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]], range]:
        """Return head, rows, and which columns hold numbers; columns without anything to say are left out."""
        columns = figure_columns([self[key] for key in self], self.profile)
        rows = [
            (*map(group_text, group), *map(str, entries))
            for group, *entries in zip(self._groups.values(), *columns.values(), strict=True)
        ]
        return (*self.by, *columns), rows, range(len(self.by), len(self.by) + len(columns))

    def __str__(self) -> str:
        """Return a line for each group as text."""
        head, rows, numbers = self._table()
        return text_table([head, *rows], right=numbers)

    def _repr_html_(self) -> str:
        """Return a row for each group as HTML."""
        head, rows, numbers = self._table()
        return html_table(head, rows, caption=self.profile.name, right=numbers)


def _charted(figure: Figure) -> float | None:
    return figure.value.value if isinstance(figure.value, Rate) else figure.value


def _named(key: Any) -> str:
    return ", ".join(map(group_text, key)) if isinstance(key, tuple) else group_text(key)


def _order(group: Group) -> tuple[tuple[bool, str, Any], ...]:
    """Sort groups by value, nulls last; values of different kinds by kind."""
    return tuple((value is None, type(value).__name__, "" if value is None else value) for value in group)
