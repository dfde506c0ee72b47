"""A campaign's report: text, a page, JSON, and files of every message.

    rows ──survey──► summary, groups, time ──sections──► what there is to say ──► text, page, notebook

The report adds nothing to the numbers: it puts a `Summary`, its groups, progress and health
side by side, and says under which definitions they were made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

import attrs

from campaignkit import sections
from campaignkit.cells import People, Tally
from campaignkit.charts import Unit, altair_chart
from campaignkit.display import Facts, Section, html_text, visible
from campaignkit.errors import InvalidValue, MissingExtra, shown
from campaignkit.exports import (
    LOG_COLUMNS,
    Row,
    csv_files,
    definitions,
    json_text,
    log_rows,
    write_csv,
    write_json,
    write_parquet,
    write_text,
)
from campaignkit.grouping import By, by_columns, by_name, parse_zone
from campaignkit.logs import Log
from campaignkit.mail import MOST_ATTACHED, make_email
from campaignkit.metrics import Counts
from campaignkit.page import block, page
from campaignkit.profiles import Profile, get_profile
from campaignkit.review import Account, Health, Progress, health, progress
from campaignkit.summary import Rows, Summaries, Summary, rate_dict
from campaignkit.survey import MOST_GROUPS, Survey, first_of, survey

if TYPE_CHECKING:
    from campaignkit.ab.evidence import Evidence

_RULE: Final = 78
# What text has of what a page has, in its own order: there the numbers come first, because it has no tiles.
_TEXT: Final = (
    *("numbers", "failures", "skipped", "groups", "ab", "accounts", "opt-outs", "replies", "progress", "health"),
    "errors",
)
_NOT_IN_NOTEBOOKS: Final = frozenset({"progress", "numbers", "log", "definitions"})


@attrs.frozen(kw_only=True, repr=False)
class Report:
    """Everything there is to say about a set of messages. Make it with `Report.of`.

    Attributes:
        title: the campaign, or what was read.
        summary: the whole.
        groups: column to the summary of each of its values.
        progress: how far along it is.
        health: how well delivery goes, and what to do.
        messages: what the message log lists: rows or a frame.
        replies: what people answered, like the next two events as they were given.
        opt_outs: their wishes to get no more.
        clicks: their visits through links.
        errors: sentences about rows that could not be read.
        notes: what a Log could not join, or joined into one.
        over_time: the counts of each hour, day, month or year of sending.
        unit: which of these.
        accounts: what each sending account did.
        names: for campaigns, senders, variants, lists and accounts, those there are.
        span: the first and the last sending.
        zone: whose clock is shown.
        reading: ``columns``, ``carrier`` and ``timezone`` that ``messages`` are read by.
        ab: the variants of a test side by side.
    """

    title: str
    summary: Summary
    groups: Mapping[str, Summaries]
    progress: Progress
    health: Health
    messages: Any
    replies: Sequence[Any] = ()
    opt_outs: Sequence[Any] = ()
    clicks: Sequence[Any] = ()
    errors: Sequence[str] = ()
    notes: Sequence[str] = ()
    over_time: Mapping[datetime | None, Counts] = attrs.field(factory=dict)
    unit: Unit = "hour"
    accounts: Mapping[Any, Account] = attrs.field(factory=dict)
    names: Mapping[str, frozenset[Any]] = attrs.field(factory=dict)
    span: tuple[datetime, datetime] | None = None
    zone: str = "UTC"
    reading: Mapping[str, Any] = attrs.field(factory=dict)
    ab: Evidence | None = None

    @classmethod
    def of(
        cls,
        rows: Rows,
        *,
        by: By = None,
        profile: str | Profile = "campaignkit",
        title: str | None = None,
        zone: str = "UTC",
        columns: Mapping[str, str] | None = None,
        carrier: str | None = None,
        replies: Rows = None,
        clicks: Rows = None,
        opt_outs: Rows = None,
        orders: Rows = None,
        people: str | People | None = None,
        as_of: datetime | None = None,
        timezone: str | None = None,
        ab: Evidence | None = None,
    ) -> Report:
        """Return the report of whatever `summarize` takes: a `Log`, messages, mappings, any frame.

        Args:
            rows: the messages; a Log brings replies, opt-outs, clicks and errors along.
            by: the columns to break down by, each for itself; by default variant and list,
                where there are several.
            profile: whose definitions to use.
            title: what to call it; by default the campaign ids.
            zone: whose clock and calendar it shows.
            columns: as for `summarize`, like the others that follow.
            carrier: whose status words and codes these are.
            replies: events with ``received_at``; text, contact_name and to are shown.
            clicks: events with ``clicked_at``.
            opt_outs: events with ``opted_out_at``.
            orders: events with ``ordered_at``.
            people: the column that tells people apart, to count them too.
            as_of: when this is true; by default the latest moment in the data, events included.
            timezone: the zone of naive moments.
            ab: a test of texts, what `campaignkit.ab.compare` gives of these messages.

        Raises:
            InvalidValue: as `summarize` does, ``zone`` is none, or ``ab`` no comparison.

        >>> report = Report.of([{"status": "delivered", "variant": v} for v in "aab"])
        >>> list(report.groups), report.summary.counts.delivered
        (['variant'], 3)
        """
        chosen = get_profile(profile)
        _check_comparison(ab)
        log = rows if isinstance(rows, Log) else Log()
        seen = survey(
            rows,
            by=None if by is None else by_columns(by),
            zone=zone,
            columns=columns,
            carrier=carrier,
            timezone=timezone,
            people=people,
            as_of=log.as_of if as_of is None else as_of,
            events={"replies": replies, "clicks": clicks, "opt_outs": opt_outs, "orders": orders},
        )
        summary = Summary(tally=seen.tally(), profile=chosen)
        return cls(
            title=title or ", ".join(sorted(map(str, seen.names["campaign_id"] - {None}))) or "messages",
            summary=summary,
            groups={by_name(each): Summaries(_true_as_of(seen.tally(each), summary), chosen) for each in seen.by},
            progress=progress(summary),
            health=health(summary),
            messages=seen.rows,
            replies=seen.events.get("replies", log.replies),
            opt_outs=seen.events.get("opt_outs", log.opt_outs),
            clicks=seen.events.get("clicks", log.clicks),
            errors=tuple(map(str, log.errors)),
            notes=tuple(_notes(log, seen)),
            over_time={start: Counts.of(cells, chosen) for start, cells in seen.over_time().items()},
            unit=seen.unit,
            accounts=_accounts(seen, summary),
            names=seen.names,
            span=seen.span,
            zone=zone,
            reading=seen.reading,
            ab=ab,
        )

    def __repr__(self) -> str:
        return f"<Report: {visible(self.title)}, {self.summary.counts.total:,} messages>"

    # --- what it says ----------------------------------------------------------------------

    def sections(self) -> tuple[Section, ...]:
        """Return what there is to say, in the order of reading; what has no data is left out."""
        summary, zone = self.summary, parse_zone(self.zone)
        clock = sections.Clock(zone, parse_zone(self.reading.get("timezone") or "UTC"))
        found = (
            sections.head(summary, names=self.names, span=self.span, zone=zone),
            sections.tiles(summary),
            sections.over_time(self.over_time, self.unit),
            sections.statuses(summary),
            sections.failures(summary),
            sections.health(self.health),
            *(sections.groups(column, groups) for column, groups in self.groups.items()),
            self._ab(zone),
            sections.accounts(self.accounts),
            sections.skipped(summary),
            sections.opt_outs(summary, self.opt_outs, clock),
            sections.replies(self.replies, len(self.opt_outs), clock),
            sections.clicks(self.clicks, clock),
            sections.progress(self.progress),
            sections.numbers(summary),
            sections.log(
                first_of(self.messages, sections.MOST_LOGGED),
                summary.counts.total,
                summary.profile,
                clock,
                self.reading,
            ),
            sections.errors(self.errors),
            sections.definitions(summary, self.notes),
        )
        return tuple(section for section in found if section is not None)

    def _ab(self, zone: tzinfo) -> Section | None:
        if self.ab is None:
            return None
        from campaignkit.ab.showing import section  # noqa: PLC0415 - most reports are of no test

        return section(self.ab, zone)

    def to_text(self) -> str:
        """Return the report as plain text, 80 columns where the data allows."""
        found = {section.key: section for section in self.sections()}
        facts, *sentences = found["head"].parts
        notes = sections.notes((self.summary.profile.notes, *self.notes))
        lines = [*_headed(self.title, "\n".join((str(Facts((*facts.rows, *notes.rows))), *sentences)), mark="=")]
        keys = [key for name in _TEXT for key in found if key == name or key.startswith(f"{name}-by-")]
        for key in keys:
            lines += _headed(found[key].title, str(found[key]))
        return "\n".join(lines) + "\n"

    def to_html(self, path: str | Path | None = None) -> str:
        """Return the report as a page: one file that needs nothing else; with a path, also write it there.

        It reads on a phone, on a desk and on paper, light and dark, and stays below 1 MB
        whatever it is of.

        Raises:
            MissingExtra: jinja2 is not installed.
        """
        text = page(self.title, self.sections())
        if path is not None:
            write_text(path, text)
        return text

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the report without its lists of messages and of definitions."""
        shown = [section for section in self.sections() if section.key not in _NOT_IN_NOTEBOOKS]
        try:
            return block(self.title, shown)
        except MissingExtra:
            return html_text(self.to_text())

    def chart(self) -> Any:
        """Return delivery over time as an Altair chart; where no message has a time, where messages stand.

        Raises:
            MissingExtra: altair is not installed.
        """
        bars = sections.sending_bars(self.over_time, self.unit)
        return self.summary.chart() if bars is None else altair_chart(bars)

    # --- data ------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return every number as JSON-ready values."""
        return {
            "title": self.title,
            **self.definitions(),
            "summary": self.summary.to_dict(),
            "groups": {
                column: [{"group": _plain(key), **summary.to_dict()} for key, summary in groups.items()]
                for column, groups in self.groups.items()
            },
            "ab": self._ab_rows(),
            "progress": {name: rate_dict(rate) for name, rate in self.progress.rates().items()},
            "health": {
                "band": self.health.band and self.health.band.value,
                "success": self.health.success.value,
                "causes": [{**attrs.asdict(cause), "remedies": list(cause.remedies)} for cause in self.health.causes],
            },
            "replies": sum(sections.is_answer(each) for each in self.replies),
            "opt_outs": len(self.opt_outs),
            "errors": list(self.errors),
            "notes": list(self.notes),
        }

    def _ab_rows(self) -> list[dict[str, Any]]:
        if self.ab is None:
            return []
        from campaignkit.ab.showing import rows  # noqa: PLC0415 - the same

        return rows(self.ab)

    def to_json(self, path: str | Path | None = None) -> str:
        """Return `to_dict` as JSON text; with a path, also write it there, its manifest beside it."""
        values = self.to_dict()
        if path is not None:
            write_json(path, values, self.definitions())
        return json_text(values)

    def definitions(self) -> dict[str, Any]:
        """Return what the numbers mean: the profile, its formulas, what counts add up, and when they were true."""
        return definitions(self.summary)

    # --- the message log -------------------------------------------------------------------

    def to_csv(self, target: str | Path | TextIO) -> None:
        """Write the message log as CSV, a row a message, without holding it in memory.

        Beside a file, ``<name>.manifest.json`` says what the columns mean: definitions,
        ``as_of``, the number of rows and the SHA-256 of the file. A text cell that a
        spreadsheet would run as a formula gets a leading apostrophe; telephone numbers and
        negative numbers are left as they are. The file has its name only once it is whole.

        Args:
            target: a path, or an open text file (then no manifest is written).
        """
        write_csv(target, LOG_COLUMNS, self._log(), self.definitions())

    def to_parquet(self, path: str | Path) -> None:
        """Write the message log as Parquet, in constant memory, with a manifest as `to_csv` does.

        Columns are typed: text, whole numbers, booleans, moments in UTC, money as decimals in
        millionths. The schema's metadata has the definitions too, as JSON under ``campaignkit``.

        Raises:
            MissingExtra: pyarrow is not installed.
        """
        write_parquet(path, LOG_COLUMNS, self._log(), self.definitions())

    def to_email(
        self,
        *,
        sender: str | Address | None = None,
        to: str | Address | Iterable[str | Address] = (),
        subject: str | None = None,
    ) -> EmailMessage:
        """Return the report as a message for `smtplib`: text, HTML that mail programs keep, the message log attached.

        A message log above 10 MB is not attached, and the message says so. It has no Date
        and no Message-ID: the same report is the same message.

        Args:
            sender: an address, like ``Ann <ann@example.com>``.
            to: one or more addresses.
            subject: by default title, delivery rate and when it was true.

        Raises:
            InvalidValue: not an address, or a subject of more than one line.
        """
        return make_email(
            title=self.title,
            summary=self.summary,
            sections=self.sections(),
            text=self.to_text(),
            files=csv_files("messages.csv", LOG_COLUMNS, self._log(), self.definitions(), MOST_ATTACHED),
            zone=parse_zone(self.zone),
            sender=sender,
            to=to,
            subject=subject,
        )

    def _log(self) -> Iterator[Row]:
        return log_rows(self.messages, self.summary.profile, **self.reading)


# What a Log counts while joining, and how a report says it.
_JOINED: Final[Mapping[str, str]] = {
    "duplicates": "rows had the id of another row and were joined with it",
    "unattributed": "replies, clicks or orders belong to no message here",
    "unmatched": "messages went to numbers that the audience does not have",
}


def _check_comparison(ab: object) -> None:
    if ab is None:
        return
    from campaignkit.ab.evidence import Evidence  # noqa: PLC0415 - most reports are of no test

    if not isinstance(ab, Evidence):
        raise InvalidValue(f"ab is {shown(ab)}: give a comparison, as campaignkit.ab.compare returns it")


def _notes(log: Log, seen: Survey) -> Iterator[str]:
    for name, text in _JOINED.items():
        if n := getattr(log, name):
            yield f"{n:,} {text}"
    for name, values in seen.names.items():
        if len(values) > MOST_GROUPS and name in {"variant", "list_id"} and name not in seen.by:
            yield f"{name} has {len(values):,} values, too many to show each; ask for it with by="


def _true_as_of(table: Tally, summary: Summary) -> Tally:
    return attrs.evolve(table, as_of=summary.as_of)


def _accounts(seen: Survey, summary: Summary) -> dict[Any, Account]:
    """Return what each sending account did, where messages name theirs."""
    if not 0 < len(seen.names["account_id"] - {None}) <= MOST_GROUPS or summary.as_of is None:
        return {}
    lifetime, recent = seen.tally("account_id"), seen.recent("account_id", summary.as_of)
    chosen = summary.profile
    return {
        group[0]: Account(
            lifetime=Summary(tally=lifetime, profile=chosen, group=group),
            recent=Summary(tally=recent, profile=chosen, group=(*group, True)),
        )
        for group in lifetime.cells
    }


def _headed(title: str, body: str, *, mark: str = "-") -> Iterator[str]:
    head = visible(title)
    yield head
    yield mark * min(_RULE, max(len(head), 8))
    yield body
    yield ""


def _plain(key: Any) -> Any:
    if isinstance(key, tuple):
        return [_plain(each) for each in key]
    if isinstance(key, datetime):
        return key.isoformat()
    return key if key is None or isinstance(key, str | int | float) else str(key)
