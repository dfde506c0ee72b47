"""Campaigns side by side: one row each, every number, and who comes first.

    rows ──► Tally by campaign_id ──► a Summary of each ─┐
    what is known of each campaign ──────────────────────┴─► Campaigns: text, HTML, CSV, a frame

It adds no number of its own: counts and rates are those of `Summary`, places those of `rank`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TextIO, overload

import attrs

from campaignkit import sections
from campaignkit.cells import People, Tally
from campaignkit.display import NOTHING, Entry, Facts, Section, Table, first_rows, html_table, label, money_text
from campaignkit.errors import InvalidColumn, InvalidValue, nearest, shown
from campaignkit.exports import as_text, definitions, write_csv, write_text
from campaignkit.grouping import parse_zone
from campaignkit.models import Campaign
from campaignkit.page import page
from campaignkit.profiles import Profile, get_profile
from campaignkit.review import Band, Health, Progress, Ranking, health, progress, rank
from campaignkit.rows import attribute, is_frame, not_null
from campaignkit.summary import Rows, Summaries, Summary, figure_columns, frame_of, rate_dict, tally
from campaignkit.tables import Cell, cell_reader

_BY: Final = "campaign_id"
_MONEY: Final = ("revenue", "assisted_revenue", "cost")
_FIELDS: Final = tuple(field.name for field in attrs.fields(Campaign))
_TEXTS: Final = ("campaign_id", "name", "type", "last_modified_by", "health", "profile")
_SMALLEST_FIRST: Final = frozenset({"place", *_TEXTS})
_BANDS: Final = list(Band)
_MOST_ON_A_PAGE: Final = 200


# --- one campaign ------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class CampaignRow:
    """One campaign and its numbers.

    Attributes:
        campaign: what is known of it; None for the messages that name no campaign.
        summary: its counts and rates.
        last_sent: when it was last sent; None when that is not known.
        place: in the ranking, from 1; None when it was left out.
        by_column: what is known and every number, by the name of the column.
    """

    campaign: Campaign | None
    summary: Summary
    last_sent: datetime | None
    place: int | None
    by_column: Mapping[str, Any] = attrs.field(repr=False)

    @property
    def name(self) -> str:
        """What to call it: its name, else its id."""
        return (self.campaign.name or self.campaign.campaign_id) if self.campaign else "(no campaign)"

    @property
    def progress(self) -> Progress:
        """How far along it is."""
        return progress(self.summary)

    @property
    def health(self) -> Health:
        """How well its delivery goes, and what to do."""
        return health(self.summary)

    def to_dict(self) -> dict[str, Any]:
        """Return what is known and every number as JSON-ready values."""
        band = self.health.band
        return {
            **{name: _plain(self.by_column[name]) for name in ("place", "last_sent", *_FIELDS[:-1])},
            "health": band and band.value,
            "progress": {name: rate_dict(rate) for name, rate in self.progress.rates().items()},
            **self.summary.to_dict(),
        }


def _row(
    campaign: Campaign | None,
    summary: Summary,
    numbers: Mapping[str, Any],
    last_sent: datetime | None,
    place: int | None,
) -> CampaignRow:
    sent = (campaign and campaign.sent_at) or last_sent
    sent = sent and sent.astimezone(UTC)
    band = health(summary).band
    known = {name: getattr(campaign, name) if campaign else None for name in _FIELDS[:-1]}
    modified = known["last_modified_at"]
    values = {
        "place": place,
        **known,
        "last_modified_at": modified and modified.astimezone(UTC),
        "last_sent": sent,
        "health": band and band.value,
        "progress": progress(summary).processed.value,
        "profile": summary.profile.name,
        "as_of": summary.as_of,
    }
    values |= {name: value for name, value in numbers.items() if name not in values}
    return CampaignRow(campaign=campaign, summary=summary, last_sent=sent, place=place, by_column=values)


# --- all of them -------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Campaigns(Sequence[CampaignRow]):
    """Campaigns side by side, the last sent first. Make it with `campaigns`.

    Printed, it is a table; in a notebook, an HTML one. A slice of it is one too.

    Attributes:
        listed: a row for each campaign.
        groups: the summaries behind the rows.
        ranking: their order by one rate, and which were left out.
        min_sent: how many messages a campaign must have sent to be ranked.
    """

    listed: tuple[CampaignRow, ...]
    groups: Summaries
    ranking: Ranking
    min_sent: int

    @overload
    def __getitem__(self, place: int) -> CampaignRow: ...
    @overload
    def __getitem__(self, place: slice) -> Campaigns: ...
    def __getitem__(self, place: int | slice) -> CampaignRow | Campaigns:
        if isinstance(place, slice):
            return attrs.evolve(self, listed=self.listed[place])
        return self.listed[place]

    def __len__(self) -> int:
        return len(self.listed)

    @property
    def total(self) -> Summary:
        """The summary of all campaigns together; distinct people are not known for it."""
        return self.groups.total

    @property
    def winner(self) -> CampaignRow | None:
        """The best by the rate that ranks; None when there is none, or the best are equal.

        The highest number is not yet a proof: compare the two before acting on a small gap.
        """
        best = [row for row in self.listed if row.place == 1]
        return best[0] if len(best) == 1 and self.ranking.winner is not None else None

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, those of amounts with their currencies at the end."""
        nobody = Summaries(Tally(by=(_BY,), cells={(None,): {}}), self.groups.profile)
        always = _row(None, nobody[None], nobody.rows()[0], None, None).by_column
        return tuple(dict.fromkeys((*always, *sorted({name for row in self.listed for name in row.by_column}))))

    def rows(self) -> list[dict[str, Any]]:
        """Return a dictionary for each campaign: what is known of it, then every count, rate and amount."""
        names = self.columns
        return [{name: row.by_column.get(name) for name in names} for row in self.listed]

    def sorted(self, column: str, *, reverse: bool = False) -> Campaigns:
        """Return the same campaigns in the order of a column.

        Numbers and moments come largest first, texts from A to Z, places from 1; what is not
        known comes last, either way.

        Args:
            column: one of `columns`; or ``revenue``, ``assisted_revenue``, ``cost`` where there is one currency.
            reverse: the other way round.

        Raises:
            InvalidColumn: there is no such column, or there are several currencies.
        """
        name = self._column(column)
        known = [row for row in self.listed if row.by_column.get(name) is not None]
        known.sort(key=lambda row: _order(name, row.by_column[name]), reverse=reverse is (name in _SMALLEST_FIRST))
        unknown = (row for row in self.listed if row.by_column.get(name) is None)
        return attrs.evolve(self, listed=(*known, *unknown))

    def _column(self, column: str) -> str:
        names = self.columns
        if column in names:
            return column
        found = [name for name in names if column in _MONEY and name.rpartition("_")[0] == column]
        if len(found) == 1:
            return found[0]
        if found:
            raise InvalidColumn(f"{column} is in several currencies: give one of {', '.join(found)}")
        raise InvalidColumn(f"no column {shown(column)}; nearest: {nearest(column, names)}")

    # --- out -------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the definitions, the ranking and every number as JSON-ready values."""
        winner = self.winner
        return {
            **definitions(self.total),
            "rank_by": self.ranking.metric,
            "min_sent": self.min_sent,
            "winner": winner and winner.by_column[_BY],
            "campaigns": [row.to_dict() for row in self.listed],
        }

    def to_frame(self, backend: str | None = None) -> Any:
        """Return `rows` as a frame: ``pandas``, ``polars`` or ``pyarrow``; by default the first installed.

        Raises:
            InvalidValue: another backend.
            MissingExtra: the backend is not installed, or none of the three is.
        """
        return frame_of(self.rows(), self.columns, backend)

    def to_csv(self, target: str | Path | TextIO) -> None:
        """Write `rows` as CSV that is safe to open in a spreadsheet; beside a file, what its numbers mean.

        Rates are shares, 0.95 for 95 %; times are in UTC.

        Args:
            target: a path, or an open text file (then no manifest is written).
        """
        about = {
            **definitions(self.total),
            "place": f"by {self.ranking.metric}, of campaigns that sent at least {self.min_sent}",
        }
        write_csv(target, self.columns, (tuple(row.values()) for row in self.rows()), about)

    def to_html(self, path: str | Path | None = None, *, title: str = "Campaigns") -> str:
        """Return a page with the table, sortable by each column; with a path, also write it there.

        It is one file that needs nothing else, and says whose definitions its numbers have. It
        shows the first 200 campaigns, in the order they have here.

        Raises:
            MissingExtra: jinja2 is not installed.
        """
        table = self._table(wide=True)
        rows, rest = first_rows(table.rows, _MOST_ON_A_PAGE)
        table = attrs.evolve(table, rows=rows, rest=rest, sortable=True)
        parts = (
            Section("head", "", (Facts(self._facts()),)),
            sections.tiles(self.total),
            Section("campaigns", "Campaigns", (table,)),
            sections.definitions(self.total, ()),
        )
        text = page(title, parts)
        if path is not None:
            write_text(path, text)
        return text

    def _facts(self) -> list[tuple[str, str]]:
        facts = [("campaigns", f"{len(self):,}"), ("definitions", self._caption())]
        winner, metric = self.winner, self.ranking.metric
        if winner is not None:
            proof = "the highest number is not yet a proof"
            facts.append(("first place", f"{winner.name}: {winner.summary.rate(metric)}; {proof}"))
        return facts

    def __str__(self) -> str:
        """Return a line for each campaign as text, and below whose definitions these are."""
        return f"{self._table()}\n{self._caption()}"

    def _repr_html_(self) -> str:
        """Return a row for each campaign as HTML."""
        table = self._table()
        return html_table(
            table.head, [list(map(str, row)) for row in table.rows], caption=self._caption(), right=table.right
        )

    def _caption(self) -> str:
        summary, metric = self.total, self.ranking.metric
        when = f", as of {summary.as_of:%Y-%m-%d %H:%M %Z}" if summary.as_of else ""
        formula = summary.profile.rates[metric]
        called = label(metric).lower()
        return f"{summary.profile.name}{when}; placed by {called} = {formula}, from {self.min_sent:,} sent"

    def _table(self, *, wide: bool = False) -> Table:
        """Return what is shown of each campaign; columns without anything to say are left out."""
        numbers = figure_columns((row.summary for row in self.listed), self.groups.profile, wide=wide)
        for name in _MONEY:
            found = [getattr(row.summary, name) for row in self.listed]
            if any(found):
                numbers[label(name)] = [Entry(money_text(each), value=_amount(each)) for each in found]
        columns = {
            "Campaign": [Entry(row.name) for row in self.listed],
            "Place": [Entry(NOTHING if row.place is None else str(row.place), value=row.place) for row in self.listed],
            "Last sent": [_moment(row.last_sent) for row in self.listed],
            "Health": [_word(row, "health") for row in self.listed],
            **numbers,
            "Type": [_word(row, "type") for row in self.listed],
            "Last modified by": [_word(row, "last_modified_by") for row in self.listed],
        }
        columns = {head: found for head, found in columns.items() if head == "Campaign" or any(e.text for e in found)}
        right = (head for head in columns if head == "Place" or head in numbers)
        return Table(
            head=tuple(columns),
            rows=zip(*columns.values(), strict=True),
            right=tuple(map(list(columns).index, right)),
        )


def _moment(at: datetime | None) -> Entry:
    return Entry(f"{at:%Y-%m-%d %H:%M}", value=at.timestamp()) if at else Entry("")


def _word(row: CampaignRow, column: str) -> Entry:
    word = row.by_column[column] or ""
    return Entry(word, value=-_BANDS.index(Band(word)) if column == "health" and word else None)


def _amount(money: Mapping[str, Decimal] | None) -> float | None:
    """Return the amount to sort by, where there is one currency."""
    return float(next(iter(money.values()))) if money and len(money) == 1 else None


def campaigns(
    rows: Rows,
    *,
    campaigns: Rows = None,
    profile: str | Profile = "campaignkit",
    rank_by: str = "delivery_rate",
    min_sent: int = 100,
    columns: Mapping[str, str] | None = None,
    carrier: str | None = None,
    replies: Rows = None,
    clicks: Rows = None,
    opt_outs: Rows = None,
    orders: Rows = None,
    people: str | People | None = None,
    as_of: datetime | None = None,
    timezone: str | None = None,
) -> Campaigns:
    """Return every campaign beside the others: what is known of it, every number, and its place.

    Args:
        rows: whatever `summarize` takes, with ``campaign_id``.
        campaigns: what is known of them: `Campaign`, objects or mappings with its fields, or
            a frame. Those without messages are listed too.
        profile: whose definitions to use.
        rank_by: the rate that places are by, as `rank` has it.
        min_sent: campaigns that sent fewer messages have no place.
        columns: as for `summarize`, and so are the others below.
        carrier: whose status words and codes these are.
        replies: a table of its own; ``clicks``, ``opt_outs`` and ``orders`` likewise.
        clicks: with ``campaign_id``, as all four.
        opt_outs: the same.
        orders: the same; revenue is theirs.
        people: the column that tells people apart, to count unique clickers and the like.
        as_of: when this is true.
        timezone: the zone of naive moments.

    Raises:
        InvalidValue: what `summarize` refuses, a campaign given twice, or an unknown rate.

    >>> log = [{"campaign_id": "spring", "status": "delivered"}] * 9 + [{"campaign_id": "may", "status": "failed"}]
    >>> table = campaigns(log, campaigns=[Campaign(campaign_id="may", name="Mayday")], min_sent=1)
    >>> [(row.place, row.name, row.summary.counts.delivered) for row in table]
    [(2, 'Mayday', 0), (1, 'spring', 9)]
    >>> table.winner.name
    'spring'
    """
    kept = list(rows) if isinstance(rows, Iterator) else rows
    asked = {"columns": columns, "carrier": carrier, "people": people, "as_of": as_of, "timezone": timezone}
    tables = {"replies": replies, "clicks": clicks, "opt_outs": opt_outs, "orders": orders}
    table = tally(kept, by=_BY, **asked, **tables)  # type: ignore[arg-type]  # each keyword has the type it had
    described = _described(campaigns, timezone)
    sent = _last_sent(kept, columns or {}, timezone)
    return read_campaigns(table, described, sent, profile=profile, rank_by=rank_by, min_sent=min_sent)


def read_campaigns(
    table: Tally,
    described: Mapping[str, Campaign],
    sent: Mapping[Any, datetime],
    *,
    profile: str | Profile,
    rank_by: str,
    min_sent: int,
) -> Campaigns:
    """Return campaigns side by side from their table of cells, as `campaigns` does from messages.

    Args:
        table: grouped by ``campaign_id`` alone.
        described: what is known of campaigns, by id.
        sent: when each was last sent, by id.
        profile: whose definitions to use.
        rank_by: the rate that places are by.
        min_sent: campaigns that sent fewer messages have no place.
    """
    silent = described.keys() - {as_text(group[0]) for group in table.cells}
    table = attrs.evolve(table, cells={**table.cells, **{(name,): {} for name in sorted(silent)}})
    groups = Summaries(table, get_profile(profile))
    named = Summaries(table.select(lambda group: group[0] is not None), groups.profile)
    ranking = rank(named, rank_by, min_sent=min_sent)
    places = {each.key: each.place for each in ranking.ranked}
    listed = [
        _row(_campaign(key, described), groups[key], numbers, sent.get(key), places.get(key))
        for key, numbers in zip(groups, groups.rows(), strict=True)
    ]
    made = Campaigns(listed=tuple(listed), groups=groups, ranking=ranking, min_sent=min_sent)
    return made.sorted("last_sent")


def _campaign(key: Any, described: Mapping[str, Campaign]) -> Campaign | None:
    name = as_text(key)
    return None if name is None else described.get(name) or Campaign(campaign_id=name)


def _described(given: Rows, timezone: str | None) -> dict[str, Campaign]:
    """Return what is known of campaigns, by id."""
    if given is None:
        return {}
    if is_frame(given):
        from campaignkit.frames import frame_rows  # noqa: PLC0415 - narwhals is loaded with the first frame

        given = frame_rows(given)
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise InvalidValue(f"campaigns is {shown(given)}: give Campaigns, mappings with their fields, or a frame")
    zone = None if timezone is None else parse_zone(timezone)
    readers = {name: cell_reader(name, zone) for name in _FIELDS}
    known: dict[str, Campaign] = {}
    for number, each in enumerate(given):
        try:
            campaign = each if isinstance(each, Campaign) else _read(each, readers)
        except InvalidValue as error:
            raise InvalidValue(f"campaigns, row {number}: {error}") from None
        if campaign.campaign_id in known:
            raise InvalidValue(f"campaigns, row {number}: {shown(campaign.campaign_id)} is given twice; give it once")
        known[campaign.campaign_id] = campaign
    return known


def _read(row: Any, readers: Mapping[str, Cell]) -> Campaign:
    get = row.get if isinstance(row, Mapping) else functools.partial(attribute, row)
    found: dict[str, Any] = {}
    for name, read in readers.items():
        value = get(name)
        try:
            found[name] = None if value is None else read(value)
        except InvalidValue as error:
            raise InvalidValue(f"{name} is {shown(value)}: {error}") from None
    return Campaign(**found)


def _last_sent(rows: Any, columns: Mapping[str, str], timezone: str | None) -> dict[Any, datetime]:
    """Return the latest ``sent_at`` of each campaign that has one."""
    if is_frame(rows):
        from campaignkit.frames import latest_by  # noqa: PLC0415 - the same

        return latest_by(rows, _BY, "sent_at", columns=columns, timezone=timezone)
    zone = None if timezone is None else parse_zone(timezone)
    by, column = columns.get(_BY, _BY), columns.get("sent_at", "sent_at")
    get = _item if isinstance(next(iter(rows), None), Mapping) else attribute
    latest: dict[Any, datetime] = {}
    for row in rows:
        at = not_null(get(row, column))
        if at is None:
            continue
        at = at if at.tzinfo is not None else at.replace(tzinfo=zone)
        name = not_null(get(row, by))
        known = latest.get(name)
        if known is None or at.timestamp() > known.timestamp():  # within one zone Python compares clock faces
            latest[name] = at
    return latest


def _item(row: Mapping[str, Any], name: str) -> Any:
    return row.get(name)


def _order(column: str, value: Any) -> Any:
    return _BANDS.index(value) if column == "health" else value


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
