"""What a report says, one function for each thing; `display.Section` is how it is handed on.

Text, page and mail are readings of these sections, so that no number is said in two ways.
A section without data is not made: the function returns None.
"""

from __future__ import annotations

import heapq
import importlib.metadata
import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any, Final

import attrs

from campaignkit.charts import MOST_BARS, Bars, Unit, bar_label, start_of, unit_of
from campaignkit.display import (
    NOT_RECORDED,
    NOTHING,
    Entry,
    Facts,
    Section,
    Table,
    Tile,
    Tiles,
    clock_text,
    first_rows,
    group_text,
    in_zone,
    joined,
    label,
    money_text,
    percent_text,
    span_text,
)
from campaignkit.exports import LOG_COLUMNS, log_rows
from campaignkit.grouping import TimeBucket
from campaignkit.metrics import COUNT_PROPERTIES, Counts
from campaignkit.models import Keyword, Status
from campaignkit.profiles import Profile
from campaignkit.review import Account, Health, Progress
from campaignkit.rows import attribute, not_null
from campaignkit.summary import Summaries, Summary, figure_columns
from campaignkit.verdicts import TABLES_DATED

MOST_GROUPS: Final = 50
MOST_LATEST: Final = 5
MOST_LOGGED: Final = 25
_MOST_LISTED: Final = 20
_SIDE_BY_SIDE: Final = 4


@attrs.frozen
class Clock:
    """How moments are written.

    Attributes:
        zone: whose clock is shown.
        naive: whose clock those show that name no zone.
    """

    zone: tzinfo
    naive: tzinfo = UTC

    def at(self, row: Any, column: str) -> datetime | None:
        """Return a row's moment in the zone."""
        at = field(row, column)
        if at is None:
            return None
        return in_zone(at if at.utcoffset() is not None else at.replace(tzinfo=self.naive), self.zone)

    def text(self, row: Any, column: str) -> str:
        """Return a row's moment as the clock shows it, a dash where there is none."""
        return clock_text(self.at(row, column), self.zone)


def field(row: Any, name: str) -> Any:
    """Return what a row of events, an object or a mapping, holds under a name; None where it holds nothing."""
    return not_null(row.get(name) if isinstance(row, Mapping) else attribute(row, name))


# --- head --------------------------------------------------------------------------------------


def head(
    summary: Summary,
    *,
    names: Mapping[str, Iterable[Any]],
    span: tuple[datetime, datetime] | None,
    zone: tzinfo,
) -> Section:
    """Return what the report is of: campaign, senders, lists, when, how final, under whose definitions."""
    said = {name: joined(map(str, set(values) - {None})) or NOT_RECORDED for name, values in names.items()}
    rows = [("campaign", said["campaign_id"]), ("senders", said["sender"])]
    rows += [("lists", said["list_id"])] if said["list_id"] != NOT_RECORDED else []
    rows += [
        ("sent at", _spanned(*span, zone) if span else NOT_RECORDED),
        ("as of", _dated(summary.as_of, zone) if summary.as_of else NOT_RECORDED),
        ("final status", f"{summary.settled_share} of what was sent"),
        ("definitions", f"{summary.profile.name}; code tables of {TABLES_DATED}"),
    ]
    return Section("head", "", (Facts(rows), *_unsettled(summary)))


def _spanned(first: datetime, last: datetime, zone: tzinfo) -> str:
    ends = _dated(first, zone), _dated(last, zone)
    if ends[0] == ends[1]:
        return ends[0]
    day = f"{clock_text(first, zone)[:11]}"
    return f"{clock_text(first, zone)} to {ends[1].removeprefix(day)}" if ends[1].startswith(day) else " to ".join(ends)


def _dated(at: datetime, zone: tzinfo) -> str:
    return f"{clock_text(at, zone)} {in_zone(at, zone):%Z}"


def _unsettled(summary: Summary) -> tuple[str, ...]:
    open_ = summary.counts.processing
    if not open_:
        return ()
    verb = "message has" if open_ == 1 else "messages have"
    return (f"{open_:,} {verb} no final status yet: the numbers may still change.",)


def notes(sentences: Iterable[str]) -> Facts:
    """Return what to know before comparing numbers."""
    return Facts([("note", each) for each in sentences if each])


# --- the numbers to see first ------------------------------------------------------------------

# A tile: its label, the rate it shows (or else the count), the count beside, what that counts.
_TILES: Final = (
    ("Sent", "", "sent", ""),
    ("Delivered", "delivery_rate", "delivered", ""),
    ("Failed", "failure_rate", "failed", ""),
    ("Answered", "reply_rate", "replies", "replies"),
    ("Clicked", "click_rate", "clicks", "clicks"),
    ("Opted out", "opt_out_rate", "opted_out", ""),
    ("Converted", "conversion_rate", "orders", "orders"),
)


def tiles(summary: Summary) -> Section:
    """Return the numbers to see first, each with its fraction and its formula."""
    asked = _TILES if summary.counts.sent else _TILES[:3]  # of nothing sent there is nothing to say beyond that
    found = [tile for each in asked if (tile := _tile(summary, *each))]
    moneys = (
        ("Cost", summary.cost, f"{summary.counts.priced:,} messages with a price" if summary.cost else ""),
        ("Revenue", summary.revenue, ""),
        ("Assisted revenue", summary.assisted_revenue, ""),
    )
    found += [Tile(label=called, value=_together(money), fraction=of) for called, money, of in moneys if money]
    latency = summary.latency
    if latency.n:
        of = f"{latency.n:,} messages, 95\N{NO-BREAK SPACE}% within {span_text(latency.p95)}"
        found.append(
            Tile(label="Median time to deliver", value=span_text(latency.median), fraction=of, formula="within 2 %")
        )
    return Section("tiles", "", (Tiles(found),))


def _tile(summary: Summary, called: str, rate: str, count: str, things: str) -> Tile | None:
    counted = summary.figure(count)
    if counted.value is None:
        return None
    if not rate:
        of = f"of {summary.counts.total:,} messages" if summary.counts.total != counted.value else ""
        return Tile(label=called, value=str(counted), fraction=of, formula=_regrouped(summary.profile, count))
    figure = summary.figure(rate)
    more = f"{counted} {things}" if things else ""
    return Tile(label=called, value=str(figure), fraction=figure.fraction, formula=figure.formula, more=more)


def _together(money: Mapping[str, Decimal]) -> str:
    """Return amounts that are not parted from their currencies where a line ends."""
    return money_text(money).replace(" ", "\N{NO-BREAK SPACE}").replace(",\N{NO-BREAK SPACE}", ", ")


def _regrouped(profile: Profile, count: str) -> str:
    return " + ".join(profile.regroup.get(count, ()))


# --- over time ---------------------------------------------------------------------------------


def over_time(counts: Mapping[datetime | None, Counts], unit: Unit) -> Section | None:
    """Return what became of messages by when they were sent."""
    bars = sending_bars(counts, unit)
    if bars is None:
        return None
    rows: list[tuple[str | Entry, ...]] = [
        (
            bar_label(start, unit),
            _count(sum(row)),
            *(Entry(f"{n:,}", percent_text(n / sum(row)) if sum(row) else "", value=n) for n in row),
        )
        for start, *row in zip(bars.starts, *bars.series.values(), strict=True)
    ]
    table = Table(
        head=(unit.capitalize(), "Sent", *bars.series), rows=rows, right=(1, 2, 3, 4), title="As a table", folded=True
    )
    timeless = sum(each.sent for start, each in counts.items() if start is None)
    lost = sum(start is not None for start in counts) - len(bars.starts)
    parts: list[Any] = [bars, table]
    parts += [f"{timeless:,} more were sent at a time that is not recorded."] if timeless else []
    parts += [f"{lost:,} earlier {unit}s are left out."] if lost else []
    return Section("over-time", bars.title, parts)


def sending_bars(counts: Mapping[datetime | None, Counts], unit: Unit) -> Bars | None:
    """Return sent messages by time as bars; None where no message has a time."""
    timed = [(start, each) for start, each in counts.items() if start is not None and each.sent][-MOST_BARS:]
    if not timed:
        return None
    return Bars(
        title=f"Delivery by {unit} of sending",
        unit=unit,
        starts=tuple(start for start, _ in timed),
        series={
            "Delivered": tuple(each.delivered for _, each in timed),
            "Failed": tuple(each.failed for _, each in timed),
            "No receipt": tuple(each.processing + each.unconfirmed for _, each in timed),
        },
    )


# --- statuses, failures, what to do ------------------------------------------------------------

_STATUS_MEANS: Final[Mapping[Status, str]] = {
    Status.PENDING: "not yet handed to a carrier",
    Status.SKIPPED: "decided not to send",
    Status.CANCELED: "called off before a carrier took it",
    Status.REFUSED: "the carrier said no at submission",
    Status.UNKNOWN: "may or may not have been handed over",
    Status.QUEUED: "the carrier has it and has not sent it on",
    Status.SENT: "on its way; no receipt yet",
    Status.DELIVERED: "the carrier says it arrived",
    Status.READ: "arrived, and was opened",
    Status.UNDELIVERED: "the carrier says it did not arrive",
    Status.REJECTED: "the carrier or the network turned it down",
    Status.EXPIRED: "the time allowed for delivery ran out",
    Status.UNCONFIRMED: "the carrier gave up knowing",
}


def statuses(summary: Summary) -> Section | None:
    """Return where messages stand now."""
    found, total = summary.statuses, summary.counts.total
    if not found:
        return None
    rows = [
        (
            Entry(word, note=_STATUS_MEANS[Status(word)]),
            _count(n),
            Entry(_share(n, total), share=n / total),
        )
        for word, n in found.items()
    ]
    return Section(
        "statuses",
        "Where messages stand",
        (Table(head=("Status", "Messages", "Share"), rows=rows, right=(1, 2)),),
    )


def failures(summary: Summary) -> Section | None:
    """Return what failed, why, and what to do about it, by code."""
    found, rest = first_rows(summary.failures, _MOST_LISTED)
    total = sum(failure.n for failure in summary.failures)
    rows = [
        (
            Entry(f"{failure.n:,}", note=_share(failure.n, total), share=failure.n / total),
            (failure.verdict.code or "none").removeprefix("@") + (" (refused)" if failure.refused else ""),
            failure.verdict.bounce.value,
            failure.verdict.description,
            failure.verdict.advice,
        )
        for failure in found
    ]
    table = Table(
        head=("Messages", "Code", "Bounce", "Reason", "What to do"),
        rows=rows,
        right=(0,),
        rest=rest,
        stacked=True,
    )
    return Section("failures", "What failed, and what to do", (table,)) if rows else None


def skipped(summary: Summary) -> Section | None:
    """Return why messages were not sent at all."""
    found, rest = first_rows(list(summary.skips.items()), _MOST_LISTED)
    rows = [(reason, _count(n)) for reason, n in found]
    table = Table(head=("Reason", "Messages"), rows=rows, right=(1,), rest=rest)
    return Section("skipped", "Skipped", (table,)) if rows else None


def progress(found: Progress) -> Section:
    """Return how far along the campaign is."""
    rows = [(name, str(rate), str(rate.formula)) for name, rate in found.rates().items()]
    return Section("progress", "Progress", (Table(rows=rows),))


def health(found: Health) -> Section:
    """Return how well delivery goes, what is behind it, and what to do."""
    rows = [
        (
            cause.sign,
            cause.cause,
            NOTHING if cause.messages is None else _count(cause.messages),
            " ".join(cause.remedies),
        )
        for cause in found.causes
    ]
    table = Table(head=("Sign", "Cause", "Messages", "What to do"), rows=rows, right=(2,), stacked=True)
    return Section("health", "Health", (str(attrs.evolve(found, causes=())), *([table] if rows else [])))


# --- groups ------------------------------------------------------------------------------------


def groups(column: str, found: Summaries, decision: Sequence[Any] = ()) -> Section | None:
    """Return the numbers of each value of a column, the largest where there are many.

    Args:
        column: what they are grouped by.
        found: the groups.
        decision: parts that say what statistics make of the differences; the report has none yet.
    """
    table = _group_table(found)
    if not table.rows:
        return None
    few = len(table.rows) <= _SIDE_BY_SIDE and column == "variant"
    return Section(f"groups-by-{column}", f"By {_called(column)}", (table.turned() if few else table, *decision))


def _called(column: str) -> str:
    return column.removesuffix("_id").replace("_", " ")


def _group_table(found: Summaries) -> Table:
    keys = list(found)
    if len(keys) > MOST_GROUPS:
        size = {key: sum(sums.n for sums in found[key].cells.values()) for key in keys}
        keys = heapq.nlargest(MOST_GROUPS, keys, key=size.__getitem__)
    summaries = [found[key] for key in keys]
    columns = figure_columns(summaries, found.profile)
    names = [key if isinstance(key, tuple) else (key,) for key in keys]
    rows = [(*map(group_text, name), *entries) for name, *entries in zip(names, *columns.values(), strict=True)]
    left = len(found) - len(keys)
    width = len(found.by)
    return Table(
        head=(*(_called(name).capitalize() for name in found.by), *columns),
        rows=rows,
        right=tuple(range(width, width + len(columns))),
        rest=f"… and {left:,} more, smaller ones; the CSV has all." if left else "",
        sortable=len(rows) > _SIDE_BY_SIDE,
    )


def accounts(found: Mapping[Any, Account]) -> Section | None:
    """Return what each sending account did."""
    if not found:
        return None
    ordered = sorted(found, key=lambda each: (-found[each].lifetime.counts.sent, str(each)))
    shown, rest = first_rows(ordered, _MOST_LISTED)
    rows = [
        (
            group_text(name),
            _count(found[name].lifetime.counts.sent),
            _count(found[name].recent.counts.sent),
            Entry(percent_text(found[name].success_rate.value), value=found[name].success_rate.value),
        )
        for name in shown
    ]
    formula = found[ordered[0]].success_rate.formula
    table = Table(head=("Account", "Sent", "Last 30 days", "Success rate"), rows=rows, right=(1, 2, 3), rest=rest)
    return Section("accounts", "Accounts", (table, f"Success rate = {formula}."))


# --- what came back ----------------------------------------------------------------------------


def opt_outs(summary: Summary, events: Sequence[Any], clock: Clock) -> Section | None:
    """Return how many people opted out, and the latest of them."""
    figure, rate = summary.figure("opted_out"), summary.figure("opt_out_rate")
    if not figure.value and not events:
        return None
    parts: list[Any] = [f"{len(events):,} opt-outs."]
    if figure.value is not None:
        parts = [f"{rate} of messages were followed by an opt-out: {rate.fraction}, {rate.formula}."]
    latest = _latest(events, "opted_out_at", clock)
    rows = [(clock.text(each, "opted_out_at"), _who(each), _said(each)) for each in latest]
    return Section("opt-outs", "Opt-outs", (*parts, *([Table(rows=rows, title="The latest:")] if rows else [])))


def replies(events: Sequence[Any], opted_out: int, clock: Clock) -> Section | None:
    """Return how many answers there are, and the latest; an opt-out is not an answer."""
    answers = [each for each in events if is_answer(each)]
    if not answers and not opted_out:
        return None
    sentence = f"{len(answers):,} replies, {opted_out:,} opt-outs."
    if not answers:
        return Section("replies", "Replies", (sentence,))
    latest = _latest(answers, "received_at", clock)[::-1]
    rows = [(clock.text(each, "received_at")[5:], _who(each), _said(each)) for each in latest]
    return Section("replies", "Replies", (f"{sentence} The latest replies:", Table(rows=rows)))


def is_answer(reply: Any) -> bool:
    """Return whether a reply is one: an opt-out is not."""
    return bool(field(reply, "keyword") != Keyword.OPT_OUT)


def clicks(events: Sequence[Any], clock: Clock) -> Section | None:
    """Return when links were visited, and by whom first and most."""
    moments = [at for each in events if (at := clock.at(each, "clicked_at")) is not None]
    if not moments:
        return None
    unit = unit_of(min(moments), max(moments))
    bucket = TimeBucket("clicked_at", "hour" if unit == "hour" else "day", str(clock.zone))
    counts = Counter(start_of(start, unit) for at in moments if (start := bucket.start(at)) is not None)
    starts = tuple(sorted(counts)[-MOST_BARS:])
    values = tuple(counts[start] for start in starts)
    bars = Bars(title=f"Clicks by {unit}", unit=unit, starts=starts, series={"Clicks": values})
    rows = [(bar_label(start, unit), _count(n)) for start, n in zip(starts, values, strict=True)]
    table = Table(head=(unit.capitalize(), "Clicks"), rows=rows, right=(1,), title="As a table", folded=True)
    return Section("clicks", bars.title, (bars, table, *_clickers(events, clock)))


def _clickers(events: Iterable[Any], clock: Clock) -> Iterator[Table]:
    """Yield who clicked first and who clicked most."""
    people: dict[tuple[str, Any], tuple[datetime, int, Entry]] = {}
    for each in events:
        at, known = clock.at(each, "clicked_at"), _key(each)
        if at is not None and known is not None:
            first, n, who = people.get(known, (at, 0, None))
            people[known] = (min(first, at), n + 1, who or _who(each))
    for title, order in (("First to click:", lambda each: each[0]), ("Most clicks:", lambda each: (-each[1], each[0]))):
        found = heapq.nsmallest(MOST_LATEST, people.values(), key=order)
        rows = [(clock_text(first, clock.zone), who, _count(n)) for first, n, who in found]
        if rows:
            yield Table(head=("First click", "Who", "Clicks"), rows=rows, right=(2,), title=title)


def _latest(events: Iterable[Any], column: str, clock: Clock) -> list[Any]:
    timed = ((at, place, each) for place, each in enumerate(events) if (at := clock.at(each, column)) is not None)
    return [each for *_, each in heapq.nlargest(MOST_LATEST, timed, key=operator.itemgetter(0, 1))]


def _key(event: Any) -> tuple[str, Any] | None:
    return next(((name, who) for name in ("contact_id", "to", "message_id") if (who := field(event, name))), None)


def _who(event: Any) -> Entry:
    """Return a person by name, with the number in small print; by whatever is known where there is no name."""
    name, number = field(event, "contact_name"), field(event, "to")
    if name and number:
        return Entry(str(name), note=str(number))
    return Entry(str(name or number or field(event, "contact_id") or field(event, "message_id") or ""))


def _said(event: Any) -> str:
    return " ".join(str(field(event, "text") or "").split())


# --- the messages themselves -------------------------------------------------------------------


def log(rows: Any, total: int, profile: Profile, clock: Clock, reading: Mapping[str, Any]) -> Section | None:
    """Return the first messages, as the message log has them."""
    found = [dict(zip(LOG_COLUMNS, row, strict=True)) for row in log_rows(rows, profile, **reading)]
    if not found:
        return None
    left = total - len(found)
    columns = {
        "Contact": [row["contact_name"] or row["contact_id"] or "" for row in found],
        "Number": [row["to"] or "" for row in found],
        "Status": [row["status"] for row in found],
        "Sent at": [clock.text(row, "sent_at") for row in found],
        "Delivered at": [clock.text(row, "delivered_at") for row in found],
        "Error": [Entry(_error(row), note=row["error_description"] or "") for row in found],
    }
    known = {name: column for name, column in columns.items() if {*map(str, column)} - {"", NOTHING}}
    table = Table(
        head=tuple(known),
        rows=list(zip(*known.values(), strict=True)),
        rest=f"… and {left:,} more; the CSV has all." if left > 0 else "",
    )
    return Section("log", "The first messages of the log", (table,))


def _error(row: Mapping[str, Any]) -> str:
    return str(row["error_code"] or row["skip_reason"] or "").removeprefix("@")


# --- all numbers, and what they mean -----------------------------------------------------------


def numbers(summary: Summary) -> Section:
    """Return every number there is, with fraction and formula."""
    return Section("numbers", "Numbers", (Table(rows=summary.lines(), right=(1, 2)),))


def errors(sentences: Sequence[str]) -> Section | None:
    """Return what is wrong with rows that could not be read."""
    found, rest = first_rows(sentences, _MOST_LISTED, "the JSON has all")
    return (
        Section("errors", "Rows that could not be read", (Table(rows=[(each,) for each in found], rest=rest),))
        if found
        else None
    )


_NOT_RECORDED: Final[Mapping[str, str]] = {
    "stop_replies": "opt-out replies",
    "opted_out": "opt-outs",
    "assisted_orders": "assisted orders",
}


def definitions(summary: Summary, said: Iterable[str]) -> Section:
    """Return whose definitions the numbers have: formulas, what counts add up, what was not recorded, notes."""
    profile = summary.profile
    missing = [_NOT_RECORDED.get(name, name) for name in summary.tally.unmeasured if name != "people"]
    missing += [] if summary.latency.n else ["time to deliver"]
    facts = [
        ("definitions", f"{profile.name}; bounces by {profile.bounce_policy}"),
        ("made by", f"campaignkit {importlib.metadata.version('campaignkit')}"),
        ("code tables", f"of {TABLES_DATED}"),
        ("credit", f"replies, opt-outs and orders belong to {profile.attribution}"),
        *([("not recorded", ", ".join(missing))] if missing else []),
        *notes([profile.notes, *said]).rows,
    ]
    rates = [(label(name), str(formula)) for name, formula in profile.rates.items()]
    counts = [(label(name), getattr(Counts, name).__doc__) for name in COUNT_PROPERTIES if name not in profile.regroup]
    counts += [
        (label(name), f"As {profile.name} has it: {' + '.join(parts)}.") for name, parts in profile.regroup.items()
    ]
    return Section(
        "definitions",
        "What the numbers mean",
        (
            Facts(facts),
            Table(head=("Rate", "How it is made"), rows=rates, stacked=False),
            Table(head=("Count", "What it adds up"), rows=counts),
        ),
    )


def _share(n: int, total: int) -> str:
    return "< 0.1 %" if 0 < n < total / 2000 else percent_text(n / total)


def _count(n: int) -> Entry:
    return Entry(f"{n:,}", value=n)
