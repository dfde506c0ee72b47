"""Outcomes of messages: any rows or frame that `summarize` reads."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import attrs

from campaignkit.ab.outcomes import MEAN, STAGES, Arm, Outcomes, asked_metrics, in_order, outcomes_of
from campaignkit.ab.reading import Reading, Sums
from campaignkit.ab.values import REST, Moments
from campaignkit.cells import MEASURES, Tally
from campaignkit.errors import InvalidColumn, InvalidValue, shown
from campaignkit.events import KINDS, event_moment, getter, is_other
from campaignkit.grouping import Until
from campaignkit.metrics import Rate
from campaignkit.models import moment, parse_currency, parse_money
from campaignkit.profiles import Formula
from campaignkit.rows import attribute, is_frame, not_null
from campaignkit.summary import Summary

_OUTCOME_COLUMNS: Final = tuple(column for kind in KINDS.values() for column in kind.replaces)
# For each kind of event, the count of messages that had one.
_EVENT_PART: Final = {name: MEASURES[kind.replaces[0]][-1] for name, kind in KINDS.items()}


def from_rows(
    rows: Any, metrics: Iterable[str] | None, reading: Reading, events: Mapping[str, Any], groups: Sequence[str]
) -> Outcomes:
    """Return the outcomes of messages: any rows or frame that `summarize` reads.

    Args:
        rows: the messages.
        metrics: names of rates, and maybe of the mean.
        reading: how to read them.
        events: tables of replies, clicks, opt-outs and orders, whose events name their message.
        groups: the groups of the split in their order; empty without one.

    Raises:
        InvalidValue: as `summarize` does, and for a contact in two variants or twice in one.
    """
    formulas = asked_metrics(metrics, reading.profile)
    kept = rows if is_frame(rows) else listed(rows)
    known_as_of = getattr(rows, "as_of", None) if reading.as_of is None and not is_frame(rows) else reading.as_of
    unchecked = check_contacts(kept, reading)
    found = _Counted.of(kept, attrs.evolve(reading, as_of=known_as_of), groups)
    chosen = found.reading
    rates: dict[str, dict[str, Rate]] = {}
    for name, formula in formulas.items():
        kind = _kind_of(formula, events)
        if formula is None:
            continue
        if kind is None:
            rates[name] = {arm: found.rate(raw, name, formula) for raw, arm in found.names.items()}
        else:
            _check_once(kind, found.whole)
            happened = _happened(kind, events[kind], kept, chosen)
            rates[name] = {arm: Rate(happened[raw], found.matured(raw), formula) for raw, arm in found.names.items()}
    means, unit = _revenue(kept, found, events.get("orders")) if MEAN in formulas else ({}, "")
    return outcomes_of(
        {arm: found.arm(raw) for raw, arm in found.names.items() if arm not in REST},
        rates,
        means,
        groups={stage: {arm: found.stage(raw, stage) for raw, arm in found.names.items()} for stage in STAGES},
        asked=metrics,
        first=found.first,
        last=found.last,
        as_of=chosen.as_of,
        window=chosen.window,
        unit=unit,
        notes=(*found.notes(), *filter(None, [unchecked])),
    )


def _kind_of(formula: Formula | None, events: Mapping[str, Any]) -> str | None:
    return next((kind for kind in events if formula is not None and _EVENT_PART[kind] == formula.part), None)


def listed(rows: Any) -> list[Any]:
    """Return rows that can be read again.

    Raises:
        InvalidValue: they are none.
    """
    if isinstance(rows, str | bytes) or not isinstance(rows, Iterable):
        raise InvalidValue(f"data is {shown(rows)}: give messages, a frame, Summaries, or counts of each variant")
    return list(rows)


@attrs.frozen(kw_only=True)
class _Counted:
    """Messages by variant and by whether their window has closed, apart by which outcomes are not yet known."""

    reading: Reading
    parts: Sequence[Tally]
    whole: Tally
    names: Mapping[Any, str]
    first: datetime | None
    last: datetime | None

    @classmethod
    def of(cls, rows: Any, reading: Reading, groups: Sequence[str]) -> _Counted:
        pieces = list(_by_nulls(rows, reading))
        first, last = span_of(rows, reading)
        if reading.before is not None and last is None:
            raise InvalidValue("before= needs to know who was sent to: fill sent_at, or leave before= out")
        parts: list[Tally] = []
        if reading.as_of is None:
            parts = [reading.tally(piece) for piece in pieces]
            moments = [each.as_of for each in parts if each.as_of is not None]
            reading = attrs.evolve(reading, as_of=max(moments, default=None))
        elif reading.window is not None:
            reading = attrs.evolve(reading, as_of=moment("as_of", reading.as_of))
        if reading.window is not None:
            if reading.closed is None or last is None:
                raise InvalidValue("window= needs to know when messages were sent: fill sent_at, or leave window= out")
            parts = [reading.tally(piece, Until("sent_at", reading.closed)) for piece in pieces]
        parts = parts or [reading.tally(piece) for piece in pieces]
        whole = Tally()
        for part in parts:
            whole = whole + part.narrow(*part.by[:1])
        raws = {group[0] for group in whole.cells} - {None}
        return cls(reading=reading, parts=parts, whole=whole, names=in_order(raws, groups), first=first, last=last)

    @functools.cached_property
    def _closed(self) -> Mapping[Any, Sequence[Summary]]:
        """Of each variant the messages whose window has closed, apart by which outcomes are not yet known."""
        by = () if self.reading.window is None else (True,)
        return {raw: [self._read(part, raw, *by) for part in self.parts] for raw in self.names}

    @functools.cached_property
    def _all(self) -> Mapping[Any, Summary]:
        """All messages of each variant, and of none."""
        return {raw: self._read(self.whole, raw) for raw in (*self.names, None)}

    def _read(self, table: Tally, *group: Any) -> Summary:
        return Summary(tally=table, profile=self.reading.profile, group=group)

    def rate(self, raw: Any, name: str, formula: Formula) -> Rate:
        """Return a fraction of the messages whose window has closed and whose outcome is known."""
        found = [each.rate(name) for each in self._closed[raw]]
        known = [each for each in found if each.part is not None and each.whole is not None]
        if not known:
            return Rate(None, None, formula, next((each.missing for each in found), None))
        return Rate(sum(each.part or 0 for each in known), sum(each.whole or 0 for each in known), formula)

    def matured(self, raw: Any) -> int:
        """Return how many were sent long enough ago."""
        return sum(each.count("sent") or 0 for each in self._closed[raw])

    def stage(self, raw: Any, stage: str) -> int:
        """Return how many came so far."""
        return self._all[raw].count("total" if stage == "assigned" else stage) or 0

    def arm(self, raw: Any) -> Arm:
        """Return a variant before any metric."""
        summary = self._all[raw]
        return Arm(
            name=self.names[raw],
            assigned=self.stage(raw, "assigned"),
            sent=self.stage(raw, "sent"),
            delivered=self.stage(raw, "delivered"),
            waiting=summary.counts.pending + summary.counts.unknown,
            matured=self.matured(raw),
            segments=summary.counts.segments,
            cost=summary.cost or {},
        )

    def notes(self) -> tuple[str, ...]:
        """Return what to know before believing the numbers."""
        nobody = self._all[None].counts.total
        said = [f"{nobody:,} messages have no variant and are left out."] if nobody else []
        if self.last is not None and self.reading.window is not None and self.reading.as_of is not None:
            untimed = sum(self.stage(raw, "sent") - self.matured(raw) for raw in self.names)
            if untimed and self.last + self.reading.window <= self.reading.as_of:
                said.append(f"{untimed:,} sent messages have no sent_at: their window never closes.")
        return tuple(said)


def span_of(rows: Any, reading: Reading) -> tuple[datetime | None, datetime | None]:
    """Return when the first and the last message were sent."""
    if is_frame(rows):
        from campaignkit.frames import names_and_span  # noqa: PLC0415 - narwhals is loaded with the first frame

        asked: Any = {"columns": reading.columns or None, "timezone": reading.timezone}
        _, span = names_and_span(rows, (), "sent_at", **asked)
        return span or (None, None)
    take = taker(rows, reading)
    moments = [at for row in rows if (at := reading.at("sent_at", take(row, "sent_at"))) is not None]
    return min(moments, default=None), max(moments, default=None)


def taker(rows: Sequence[Any], reading: Reading) -> Callable[[Any, str], Any]:
    """Return what takes a column of ours from a row, None where it has none."""
    if rows and isinstance(rows[0], Mapping):
        return lambda row, name: not_null(row.get(reading.theirs(name)))
    return lambda row, name: not_null(attribute(row, reading.theirs(name)))


def _by_nulls(rows: Any, reading: Reading) -> Iterator[Any]:
    """Yield the rows apart by which of their outcomes are not yet known, because a count is given for all or none."""
    if is_frame(rows):
        from campaignkit.ab.frames import parts_by_nulls  # noqa: PLC0415 - the same

        yield from parts_by_nulls(rows, [reading.theirs(name) for name in _OUTCOME_COLUMNS])
        return
    take = taker(rows, reading)
    found: dict[tuple[bool, ...], list[Any]] = {}
    for row in rows:
        found.setdefault(tuple(take(row, name) is None for name in _OUTCOME_COLUMNS), []).append(row)
    yield from found.values() or ([],)


# --- single messages -----------------------------------------------------------------------------


def _single(rows: Any, names: Sequence[str], reading: Reading, among: AbstractSet[Any] | None = None) -> Iterator[Any]:
    """Yield some columns of ours, of the rows that have the first of them (``among`` these values)."""
    if is_frame(rows):
        from campaignkit.ab.frames import rows_with  # noqa: PLC0415 - narwhals is loaded with the first frame

        yield from rows_with(rows, [reading.theirs(name) for name in names], among)
        return
    take = taker(rows, reading)
    for row in rows:
        found = tuple(take(row, name) for name in names)
        if found[0] is not None and (among is None or found[0] in among):
            yield found


def check_contacts(rows: Any, reading: Reading) -> str | None:
    """Check that nobody is in two variants, and nobody twice in one; return the note that it could not be checked.

    Raises:
        InvalidValue: naming the first who is.
    """
    for column in [reading.contact] if reading.contact else ("contact_id", "to"):
        if is_frame(rows):
            from campaignkit.ab.frames import repeated  # noqa: PLC0415 - the same

            known, twice = repeated(rows, reading.theirs(column), reading.theirs(reading.variant))
        else:
            known, twice = _repeated(_single(rows, (column, reading.variant), reading))
        if twice is not None:
            who, several = twice
            if several:
                raise InvalidValue(f"{column} {shown(who)} is in two variants: a test compares people who got one text")
            raise InvalidValue(
                f"{column} {shown(who)} has several messages in one variant: compare one message a person,"
                " like those of step 1"
            )
        if known:
            return None
        if reading.contact:
            raise InvalidColumn(f"the messages have no {reading.contact!r} to tell people apart by")
    return "The messages name no contact: that nobody is in two variants could not be checked."


def _repeated(pairs: Iterable[tuple[Any, Any]]) -> tuple[bool, tuple[Any, bool] | None]:
    """Return whether there is any contact, and the first who is there twice: in several variants, or in one."""
    groups: dict[Any, Any] = {}
    for contact, variant in pairs:
        if variant is None:
            continue
        if contact in groups:
            return True, (contact, groups[contact] != variant)
        groups[contact] = variant
    return bool(groups), None


def _check_once(kind: str, whole: Tally) -> None:
    for column in KINDS[kind].replaces:
        if whole.cells and column not in whole.unmeasured:
            raise InvalidColumn(f"{kind} are given twice: by {kind}= and by the column {column!r}; leave one out")


def _happened(kind: str, table: Any, rows: Any, reading: Reading) -> Counter[Any]:
    """Return, by variant, how many messages with a closed window had an event of a kind in theirs."""
    first: dict[Any, datetime] = {}
    for message_id, at, get in _events(kind, table, reading):
        if not is_other(kind, get):
            first[message_id] = min(at, first.get(message_id, at))
    found: Counter[Any] = Counter()
    for message_id, variant, sent_at in _single(
        rows, ("message_id", reading.variant, "sent_at"), reading, first.keys()
    ):
        found[variant] += reading.in_window(first[message_id], sent_at)
    return found


def _events(kind: str, table: Any, reading: Reading) -> Iterator[tuple[Any, datetime, Callable[[str], Any]]]:
    """Yield the message of each event, its moment, and what takes its other fields."""
    if is_frame(table):
        from campaignkit.frames import frame_rows  # noqa: PLC0415 - the same

        table = frame_rows(table)
    for place, row in enumerate(table):
        get = getter(row)
        message_id = get("message_id")
        if message_id is None:
            raise InvalidColumn(
                f"{kind} row {place} has no message_id: a test counts what belongs to its messages;"
                " join them first with read_log(...).attach(...)"
            )
        yield message_id, event_moment(KINDS[kind].moment, get(KINDS[kind].moment), reading.timezone), get


def _revenue(rows: Any, found: _Counted, orders: Any) -> tuple[dict[str, Moments], str]:
    """Return the moments of revenue by variant, and its currency; nothing where there is none.

    Raises:
        InvalidValue: it is in several currencies.
    """
    reading = found.reading
    if is_frame(rows) and orders is None:
        from campaignkit.ab.frames import revenue_sums  # noqa: PLC0415 - the same

        sums, currencies = revenue_sums(rows, reading)
    else:
        sums, currencies = _revenue_sums(rows, orders, reading)
    if len(currencies) > 1:
        raise InvalidValue(f"revenue is in {' and '.join(sorted(currencies))}: convert it to one currency first")
    means: dict[str, Moments] = {}
    if not currencies:
        return means, ""
    for raw, arm in found.names.items():
        of_arm = attrs.asdict(sums.get(raw, Sums()))
        if reading.before is None:
            of_arm["n"] = found.matured(raw)
        means[arm] = Moments(**of_arm)
    return means, "".join(currencies)


def _revenue_sums(rows: Any, orders: Any, reading: Reading) -> tuple[dict[Any, Sums], set[str]]:
    spent = None if orders is None else _spent(orders, reading)
    sums: dict[Any, Sums] = {}
    currencies: set[str] = set()
    names = (reading.variant, "sent_at", "message_id", "revenue", "currency", reading.before or "revenue")
    for variant, sent_at, message_id, revenue, currency, before in _single(rows, names, reading):
        if not reading.has_closed(sent_at) or (reading.before and sent_at is None):
            continue
        paid = [(None, revenue, currency)] if spent is None else spent.get(message_id, ())
        y = Decimal(0)
        for at, amount, unit in paid:
            if amount is None or (at is not None and not reading.in_window(at, sent_at)):
                continue
            y += parse_money("revenue", amount)
            currencies.add(parse_currency("currency", unit))
        sums.setdefault(variant, Sums()).add(float(y), float(before or 0) if reading.before else 0.0)
    return sums, currencies


def _spent(orders: Any, reading: Reading) -> dict[Any, list[tuple[datetime, Any, Any]]]:
    """Return what was ordered through each message: when, how much, in which currency."""
    spent: dict[Any, list[tuple[datetime, Any, Any]]] = {}
    for message_id, at, get in _events("orders", orders, reading):
        if not is_other("orders", get) and get("revenue") is not None:
            spent.setdefault(message_id, []).append((at, get("revenue"), get("currency")))
    return spent
