"""Rows in, cells out: Messages, any objects or mappings with their fields.

One loop counts how often it meets each `Facts`, which are few, and what adds up is
multiplied out of them at the end. The loop is written for the grouping of the call and
compiled once for each, because one that looks its columns up as it goes takes twice as
long. Rows that are not `Message` are first read into small row objects of the same shape,
so that there is one loop and one set of rules.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import attrs

from campaignkit.cells import (
    MEASURES,
    PEOPLE_NEED,
    Cell,
    Group,
    People,
    PeopleCounts,
    Sums,
    Tally,
    carrier_name,
    cause,
    make_cell,
    unmeasured_of,
)
from campaignkit.errors import InvalidColumn, InvalidValue, nearest
from campaignkit.grouping import Derived, by_name, parse_zone
from campaignkit.latency import bucket_between
from campaignkit.models import (
    COUNT_BITS,
    COUNT_COLUMNS,
    MOMENT_COLUMNS,
    MONEY_COLUMNS,
    NEVER_HANDED_OFF,
    SAID,
    CellKey,
    Facts,
    Message,
    Money,
    MoneyKey,
    Status,
    facts_of,
    latest_of,
    moment,
    money_of,
    parse_code,
    parse_currency,
    parse_money,
    whole,
)
from campaignkit.verdicts import Column, own_word, parse_status_word

MESSAGE_COLUMNS: Final = tuple(field.name for field in attrs.fields(Message) if field.init and field.name not in SAID)
_NOTHING: Final = object()

_CHUNK: Final = 10_000
_SENT, _DELIVERED, _REPLIED, _CLICKED, _OPTED_OUT, _CONVERTED = (1 << bit for bit in range(6))
_MOST_KEYS: Final = 8
NEGATIVE_PRICES: Final = frozenset({"twilio"})
"""Carriers whose logs write what they charged as a negative amount."""
_PERSON_FLAGS: Final = {"replies": _REPLIED, "clicks": _CLICKED, "opted_out": _OPTED_OUT, "orders": _CONVERTED}
_PEOPLE_BITS: Final = {
    "unique_sends": _SENT,
    "unique_deliveries": _DELIVERED,
    **{name: _PERSON_FLAGS[column] for name, column in PEOPLE_NEED.items()},
}


# --- the loop ----------------------------------------------------------------------------------


class _Node:
    """What is counted for one group."""

    __slots__ = ("facts", "latency", "people")

    def __init__(self) -> None:
        self.facts: defaultdict[Facts, int] = defaultdict(int)
        self.latency: defaultdict[int, int] = defaultdict(int)
        self.people: defaultdict[Any, int] = defaultdict(int)


def _tree(depth: int) -> defaultdict[Any, Any]:
    """Return groups as nested dictionaries, made on first sight."""
    return defaultdict(_Node) if depth == 1 else defaultdict(functools.partial(_tree, depth - 1))


class _Uneven(Exception):
    """A counted column is given for some rows and not for others."""


@functools.lru_cache(maxsize=256)
def _loop(by: tuple[str | Derived, ...], person: str | None) -> Callable[..., float]:
    """Compile the loop over rows for these keys; it returns the latest moment."""
    body = ["f = r.facts_", "if f.shape != shape: raise Uneven", "if r.latest_ > latest: latest = r.latest_"]
    body += [f"node = tree{_path(by)}", "node.facts[f] += 1"]
    body += ["x = r.bucket_", "if x is not None: node.latency[x] += 1"]
    if person:
        body += [f"x = r.{person}", "if x is None: raise Uneven", "node.people[x] |= flags[f]"]
    lines = ["def count(rows, tree, shape, flags):", "    latest = 0.0", "    for r in rows:"]
    lines += [*(f"        {line}" for line in body), "    return latest"]
    space: dict[str, Any] = {"Uneven": _Uneven, "by": by}
    exec("\n".join(lines), space)  # noqa: S102 - the names are those of our own fields, never data
    return space["count"]  # type: ignore[no-any-return]  # exec has no types


def _path(by: tuple[str | Derived, ...]) -> str:
    steps = (
        f"[r.{each}]" if isinstance(each, str) else f"[by[{place}].start(r.{each.column})]"
        for place, each in enumerate(by)
    )
    return "".join(steps) or "[None]"


class _Flags(dict[Facts, int]):
    """What a message's facts say of its person: handed off, delivered, answered ..."""

    def __init__(self, *, ours_first: bool) -> None:
        self.ours_first = ours_first

    def __missing__(self, facts: Facts) -> int:
        word, carrier, _, taken = facts.cell
        status = parse_status_word(carrier, word, ours_first=self.ours_first).status
        flags = _SENT if taken or status not in NEVER_HANDED_OFF else 0
        flags |= _DELIVERED if status in {Status.DELIVERED, Status.READ} else 0
        for name, count in zip(COUNT_COLUMNS, facts.counts, strict=True):
            flags |= _PERSON_FLAGS.get(name, 0) if count else 0
        self[facts] = flags
        return flags


@attrs.frozen
class _Plan:
    """What the loop reads of each row, and how the table is called.

    Attributes:
        by: the grouping columns as the caller named them.
        keys: the attributes (or derivations of attributes) that hold them.
        person: the attribute that tells people apart.
        ours_first: status words are ours where a carrier has the same word.
    """

    by: tuple[str, ...]
    keys: tuple[str | Derived, ...]
    people: People | None
    person: str | None
    ours_first: bool


def tally_rows(
    rows: Iterable[Any],
    *,
    by: tuple[str | Derived, ...] = (),
    columns: Mapping[str, str] | None = None,
    carrier: str | None = None,
    people: People | None = None,
    timezone: str | None = None,
) -> Tally:
    """Return the table of cells of any iterable of Messages, objects or mappings.

    Raises:
        InvalidValue: naming the row, the field and the rule.
    """
    names = tuple(map(by_name, by))
    stream = iter(rows)
    first = next(stream, _NOTHING)
    if first is _NOTHING:
        return Tally(by=names)
    stream = itertools.chain((first,), stream)
    if isinstance(first, Message) and not columns and carrier is None and timezone is None:
        check_fields(by, people)
        person = people.column if people else None
        return _count(stream, _Plan(names, by, people, person, ours_first=True))
    reader = _Reader(first, by=by, columns=columns or {}, carrier=carrier, people=people, timezone=timezone)
    keys = tuple(f"by{place}" for place in range(len(by)))
    plan = _Plan(names, keys, people, "person" if people else None, ours_first=carrier is None)
    return _count(reader.read(stream), plan)


def check_fields(by: tuple[str | Derived, ...], people: People | None = None) -> None:
    """Check that messages have what they are grouped by.

    Raises:
        InvalidColumn: no such field, or a time bucket of a field that is no moment.
    """
    for name in asked_columns(by, people):
        if name not in MESSAGE_COLUMNS:
            raise InvalidColumn(f"no field {name!r} in Message; nearest: {nearest(name, MESSAGE_COLUMNS)}")
    for each in by:
        if not isinstance(each, str) and not each.column.endswith("_at"):
            raise InvalidColumn(f"{each.column!r} of Message is no moment: group by sent_at, or one like it")


def asked_columns(by: tuple[str | Derived, ...], people: People | None) -> list[str]:
    """Return the columns that are needed to group, and to tell people apart."""
    return [each if isinstance(each, str) else each.column for each in by] + ([people.column] if people else [])


def check_columns(columns: Mapping[str, str], theirs: Collection[str], ours: Collection[str] = MESSAGE_COLUMNS) -> None:
    """Check ``columns=``: our name to theirs.

    Raises:
        InvalidColumn: turned round, an unknown name of ours, a name that is not theirs, or words
            of another column than the status.
    """
    for our, their in columns.items():
        if isinstance(their, Column) and our != "status":
            raise InvalidColumn(f"columns= gives words to {our!r}: only the status has words; give the name alone")
        if our in ours and their in theirs:
            continue
        if our in theirs and their in ours:
            right = {value: key for key, value in columns.items()}
            raise InvalidColumn(f"columns= is turned round: give {{our name: their name}}, here columns={right}")
        wrong, known = (our, ours) if our not in ours else (their, theirs)
        whose = "is no name of ours" if our not in ours else "is not in the data"
        raise InvalidColumn(f"columns= names {wrong!r}, which {whose}; nearest: {nearest(wrong, known)}")


def _count(stream: Iterator[Any], plan: _Plan) -> Tally:
    chunk = list(itertools.islice(stream, _CHUNK))
    shape = chunk[0].facts_.shape
    counted = tuple(name for name, bit in COUNT_BITS if shape & bit)
    tree = _tree(max(1, len(plan.by)))
    loop, flags = _loop(plan.keys, plan.person), _Flags(ours_first=plan.ours_first)
    offset, latest = 0, 0.0
    while chunk:
        try:
            latest = max(latest, loop(chunk, tree, shape, flags))
        except (_Uneven, AttributeError, TypeError) as error:
            raise _explain(chunk, offset, shape, plan, error) from None
        offset += len(chunk)
        chunk = list(itertools.islice(stream, _CHUNK))
    return _table(tree, counted, latest, plan)


def _explain(chunk: Sequence[Any], offset: int, shape: int, plan: _Plan, error: Exception) -> InvalidValue:
    """Return the error that names the first row which breaks the rule the loop tripped over."""
    for place, row in enumerate(chunk, offset):
        if not isinstance(row, Message | _Row):
            return _mixed(place, row, Message.__name__)
        for name, bit in COUNT_BITS:
            if (row.facts_.shape ^ shape) & bit:
                return _uneven(name, place, missing=not row.facts_.shape & bit)
        if plan.people and getattr(row, str(plan.person)) is None:
            return InvalidColumn(
                f"row {place} has no {plan.people.column}: people are counted by it; fill it, or leave people= out"
            )
    where = f"rows {offset} to {offset + len(chunk) - 1}"
    return InvalidValue(f"{where} cannot be counted: {error}; group and count people by text, numbers or moments")


def _mixed(place: int, row: object, kind: str) -> InvalidValue:
    return InvalidValue(f"row {place} is a {type(row).__name__}, row 0 a {kind}: give one kind")


def _uneven(column: str, row: int, *, missing: bool) -> InvalidColumn:
    has, others = ("none", "some") if missing else ("one", "none")
    return InvalidColumn(
        f"{column} is given for some rows only: row {row} has {has}, rows before it have {others};"
        " give it for every message (0 where nothing happened) or for none"
    )


def _table(tree: Mapping[Any, Any], counted: tuple[str, ...], latest: float, plan: _Plan) -> Tally:
    groups = dict(_leaves(tree, len(plan.by)))
    cells = {group: _cells(node.facts, ours_first=plan.ours_first) for group, node in groups.items()}
    asked = plan.people
    return Tally(
        by=plan.by,
        cells=cells,
        money={group: money for group, node in groups.items() if (money := _money(node.facts))},
        latency={group: dict(node.latency) for group, node in groups.items() if node.latency},
        people={group: _people(node.people, asked, counted) for group, node in groups.items()} if asked else {},
        unmeasured=unmeasured_of(counted, cells, asked),
        as_of=datetime.fromtimestamp(latest, UTC) if latest else None,
    )


def _leaves(tree: Mapping[Any, Any], depth: int) -> Iterator[tuple[Group, _Node]]:
    if depth == 0:
        yield from (((), node) for node in tree.values())
        return
    for key, below in tree.items():
        if depth == 1:
            yield (key,), below
        else:
            yield from (((key, *rest), node) for rest, node in _leaves(below, depth - 1))


def _cells(counted: Mapping[Facts, int], *, ours_first: bool) -> dict[Cell, Sums]:
    totals: defaultdict[tuple[CellKey, type], list[int]] = defaultdict(functools.partial(list, Sums()))
    for facts, n in counted.items():
        total = totals[facts.cell, type(facts.cell[0])]
        for place, value in enumerate(_sums_of(facts)):
            total[place] += n * value
    cells: dict[Cell, Sums] = {}
    for ((status, carrier, code, taken), _), values in totals.items():
        sums = Sums(*values)
        early = sums.n if taken else 0
        cell = make_cell(status, carrier, code, sums.n, early, ours_first=ours_first)
        cells[cell] = cells.get(cell, Sums()).plus(sums._replace(handed_off=early))
    return cells


@functools.lru_cache(maxsize=100_000)
def _sums_of(facts: Facts) -> Sums:
    """Return what one message with these facts adds up to."""
    sums = {"n": 1, "priced": int(any(kind == "cost" for (kind, _), _ in facts.money))}
    for column, count in zip(COUNT_COLUMNS, facts.counts, strict=True):
        total, *messages = MEASURES[column]
        sums[total] = int(count or 0)
        sums |= dict.fromkeys(messages, int(bool(count)))
    return Sums(**sums)


def _money(counted: Mapping[Facts, int]) -> dict[MoneyKey, int]:
    money: dict[MoneyKey, int] = {}
    for facts, n in counted.items():
        for key, micros in facts.money:
            money[key] = money.get(key, 0) + n * micros
    return money


def _people(persons: Mapping[Any, int], asked: People, counted: tuple[str, ...]) -> PeopleCounts:
    flags = Counter(persons.values())
    counts = {name: sum(n for each, n in flags.items() if each & bit) for name, bit in _PEOPLE_BITS.items()}
    counts["recipients"] = len(persons)
    return PeopleCounts(**{name: counts[name] for name in asked.counts if PEOPLE_NEED.get(name) in {None, *counted}})


# --- rows that are not Messages ----------------------------------------------------------------


class _Row:
    """A row in the shape the loop reads."""

    __slots__ = (*(f"by{place}" for place in range(8)), "bucket_", "facts_", "latest_", "person")
    bucket_: int | None
    facts_: Facts
    latest_: float
    person: Any


class _Reader:
    """Reads objects or mappings into `_Row`, with the rules of `Message`."""

    def __init__(
        self,
        first: Any,
        *,
        by: tuple[str | Derived, ...],
        columns: Mapping[str, str],
        carrier: str | None,
        people: People | None,
        timezone: str | None,
    ) -> None:
        asked = asked_columns(by, people)
        self._kind = type(first).__name__
        self._mapping = isinstance(first, Mapping)
        self._theirs = {name: columns.get(name, name) for name in (*MESSAGE_COLUMNS, *asked)}
        self._unseen = {columns[name]: "columns=" for name in columns}
        self._unseen |= {self._theirs[name]: "people=" if people and name == people.column else "by=" for name in asked}
        self._by = by
        self._carrier = carrier
        self._person = None if people is None else self._theirs[people.column]
        self._timezone = None if timezone is None else parse_zone(timezone)
        self._codes: dict[Any, str | None] = {}
        self._carriers: dict[Any, str | None] = {}
        if len(by) > _MOST_KEYS:
            raise InvalidValue(f"by has {len(by)} columns: at most {_MOST_KEYS} are possible")
        known = first if self._mapping else [name for name in columns if hasattr(first, name)]
        check_columns(columns, {*known, *columns.values()}, self._theirs)

    def read(self, rows: Iterable[Any]) -> Iterator[_Row]:
        """Yield each row, checked.

        Raises:
            InvalidValue: with the number of the row before the sentence.
        """
        row: Any = None
        for place, row in enumerate(rows):
            try:
                yield self._row(row.get if self._mapping else functools.partial(attribute, row))
            except (InvalidValue, AttributeError, TypeError) as error:
                raise self._explain(place, row, error) from None
            if self._unseen:
                self._see(row)
        for name, where in self._unseen.items():
            known = map(str, row) if self._mapping else [each for each in dir(row) if not each.startswith("_")]
            raise InvalidColumn(f"{where} names {name!r}, which no row has; nearest: {nearest(name, known)}")

    def _explain(self, place: int, row: object, error: Exception) -> InvalidValue:
        if isinstance(row, Mapping) is not self._mapping:
            return _mixed(place, row, self._kind)
        if isinstance(error, InvalidValue):
            return type(error)(f"row {place}: {error}")
        return InvalidValue(f"row {place} cannot be read: {error}")

    def _see(self, row: Any) -> None:
        has = row.__contains__ if self._mapping else functools.partial(hasattr, row)
        self._unseen = {name: where for name, where in self._unseen.items() if not has(name)}

    def _row(self, get: Callable[[str], Any]) -> _Row:
        theirs = self._theirs
        row = _Row()
        status = not_null(get(theirs["status"]))
        if status is None:
            raise InvalidColumn(
                f"there is no {theirs['status']!r}: every message needs a status;"
                ' give columns={"status": their name} if it has another'
            )
        carrier = self._carrier or self._named(get(theirs["carrier"]))
        moments = [self._moment(name, get(theirs[name])) for name in MOMENT_COLUMNS]
        sent_at, delivered_at, _ = moments
        row.bucket_ = bucket_between(sent_at, delivered_at)
        row.latest_ = latest_of(*moments)
        word = own_word(theirs["status"], status)
        meaning = parse_status_word(carrier, word, ours_first=self._carrier is None)
        reason = get(theirs["skip_reason"])
        code = self._code(get(theirs["error_code"]))
        if reason is not None:
            code = cause(code, reason, meaning.status)
        early = sent_at is not None and meaning.status in NEVER_HANDED_OFF
        counts = tuple(_counted(name, get(theirs[name])) for name in COUNT_COLUMNS)
        row.facts_ = facts_of((word, carrier, code, early), counts, self._money(get, carrier))
        for place, each in enumerate(self._by):
            setattr(row, f"by{place}", self._group(each, get))
        row.person = None if self._person is None else not_null(get(self._person))
        return row

    def _named(self, value: Any) -> str | None:
        if value not in self._carriers:
            self._carriers[value] = carrier_name(value)
        return self._carriers[value]

    def _code(self, value: Any) -> str | None:
        if value not in self._codes:
            self._codes[value] = parse_code(value)
        return self._codes[value]

    def _moment(self, name: str, value: Any) -> datetime | None:
        if value is None or value != value:  # noqa: PLR0124 - NaN and NaT are not themselves
            return None
        if isinstance(value, datetime) and value.utcoffset() is None and self._timezone is not None:
            value = value.replace(tzinfo=self._timezone)
        return moment(name, value)

    def _money(self, get: Callable[[str], Any], carrier: str | None) -> Money:
        amounts = [get(self._theirs[name]) for name in MONEY_COLUMNS]
        if all(each is None for each in amounts):
            return ()
        if carrier in NEGATIVE_PRICES and type(amounts[0]) in {Decimal, int}:
            amounts[0] = abs(amounts[0])
        pairs = zip(MONEY_COLUMNS, amounts, strict=True)
        checked = [None if each is None else parse_money(name, each) for name, each in pairs]
        return money_of(parse_currency("currency", get(self._theirs["currency"])), *checked)

    def _group(self, by: str | Derived, get: Callable[[str], Any]) -> Any:
        if not isinstance(by, str):
            return by.start(self._moment(by.column, get(self._theirs[by.column])))
        return not_null(get(self._theirs[by]))


def _counted(name: str, value: Any) -> int | None:
    return value if value is None or (type(value) is int and value >= 0) else whole(name, value)


def not_null(value: Any) -> Any:
    """Return a value, None for NaN and NaT."""
    return None if value != value else value  # noqa: PLR0124 - NaN is not itself


def attribute(row: object, name: str) -> Any:
    """Return an attribute, None where there is none."""
    return getattr(row, name, None)


_ENGINES: Final = frozenset(
    {"narwhals", "pandas", "polars", "pyarrow", "duckdb", "_duckdb", "dask", "pyspark", "sqlframe", "ibis", "modin"}
)


def is_frame(rows: object) -> bool:
    """Return whether something is a dataframe of an engine we know, without importing any."""
    return any(kind.__module__.partition(".")[0] in _ENGINES for kind in type(rows).__mro__)
