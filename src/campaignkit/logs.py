"""A carrier's exported log in, messages, replies and opt-outs out.

    rows ──► messages by id, replies by id ──► who answered what ──► Log ──attach──► Log

While rows are read, messages stand in columns, one list for each field, so that each
`Message` is built once, when what it is counted with is known. Nothing depends on the order
of rows: rows of one message are joined, and a reply finds its message by number and time.
"""

from __future__ import annotations

import collections
import functools
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from campaignkit.attribution import (
    REPLY_COUNTS,
    REPLY_FIELDS,
    Attached,
    Columns,
    Fields,
    answer,
    attach_audience,
    attach_clicks,
    attach_orders,
)
from campaignkit.delivery import fold
from campaignkit.errors import AmbiguousCode, InvalidColumn, InvalidRow, InvalidValue, shown
from campaignkit.grouping import parse_zone
from campaignkit.latency import bucket_between
from campaignkit.layouts import LAYOUTS, Layout
from campaignkit.models import (
    COUNT_COLUMNS,
    MOMENT_COLUMNS,
    MONEY_COLUMNS,
    NEVER_HANDED_OFF,
    SAID,
    CellKey,
    Click,
    Message,
    OptOut,
    Order,
    Receipt,
    Reply,
    Status,
    facts_of,
    latest_of,
    money_of,
)
from campaignkit.rows import MESSAGE_COLUMNS, NEGATIVE_PRICES
from campaignkit.tables import PAGES, Table, open_table, read_rows, rule_of
from campaignkit.verdicts import (
    CARRIERS,
    INBOUND,
    check_carrier,
    code_with_word,
    own_word,
    parse_status_word,
    status_table,
)

LOG_COLUMNS: Final = (*MESSAGE_COLUMNS, "direction", "text", "status_at")
"""Columns that a log with our names may have. ``status_at`` is since when the status holds."""

_OURS: Final = Layout(name="our names", columns={name: name for name in LOG_COLUMNS})
# What carriers write in the place of a code where nothing failed; 0 is also what frames make of Plivo's 000.
_NO_ERROR: Final = {
    "aws": frozenset({"Message has been accepted by phone carrier", "Message has been accepted by phone"}),
    "plivo": frozenset({"0"}),
    "twilio": frozenset({"0"}),
}
_INBOUND: Final = {"inbound": True, "mo": True, "outbound": False, "mt": False}
# Of two rows about one message that no carrier took, the one further down is the later.
_STAGES: Final = (Status.PENDING, Status.UNKNOWN, Status.SKIPPED, Status.REFUSED, Status.CANCELED)
_EARLIEST: Final = frozenset({"created_at", "sent_at", "delivered_at", "received_at"})
_CHUNK: Final = 8192
_FEWEST: Final = 2  # columns that fit, before an export is taken for the carrier's
_EVENTS: Final = {"clicks": attach_clicks, "orders": attach_orders}


@attrs.frozen(kw_only=True, repr=False)
class Log:
    """What a log holds, read and joined. Iterating it gives its messages.

    Attributes:
        messages: each once, in the order in which they first appear.
        replies: what people answered, each with the message it belongs to.
        opt_outs: one for each reply that is an opt-out keyword.
        clicks: from `attach`.
        orders: from `attach`.
        errors: rows that could not be read, under ``on_error="collect"``.
        duplicates: rows joined with an earlier row of the same id.
        unattributed: replies, clicks and orders that belong to no message here.
        unmatched: messages whose number the audience does not have.
        carrier: whose log it is.
    """

    messages: tuple[Message, ...] = ()
    replies: tuple[Reply, ...] = ()
    opt_outs: tuple[OptOut, ...] = ()
    clicks: tuple[Click, ...] = ()
    orders: tuple[Order, ...] = ()
    errors: tuple[InvalidRow, ...] = ()
    duplicates: int = 0
    unattributed: int = 0
    unmatched: int = 0
    carrier: str | None = None
    _counts_replies: bool = False
    _knows_texts: bool = True
    _attached: frozenset[str] = frozenset()

    def __iter__(self) -> Iterator[Message]:
        return iter(self.messages)

    def __len__(self) -> int:
        return len(self.messages)

    @property
    def as_of(self) -> datetime | None:
        """The latest moment in the log, of messages and of what came back; None when there is none."""
        came_back = (
            *(reply.received_at for reply in self.replies),
            *(click.clicked_at for click in self.clicks),
            *(order.ordered_at for order in self.orders),
        )
        latest = max((*(each.latest_ for each in self.messages), *(at.timestamp() for at in came_back)), default=0.0)
        return datetime.fromtimestamp(latest, UTC) if latest else None

    def __repr__(self) -> str:
        tables = ("replies", "opt_outs", "clicks", "orders", "errors")
        sizes = {name: len(getattr(self, name)) for name in tables}
        sizes |= {name: getattr(self, name) for name in ("duplicates", "unattributed", "unmatched")}
        also = "".join(f", {n:,} {name.replace('_', '-')}" for name, n in sizes.items() if n)
        return f"<Log: {len(self):,} messages{also}>"

    def __add__(self, other: Log) -> Log:
        """Return the log that reading the rows of both, one after the other, gives.

        Raises:
            InvalidValue: something is attached to one of them.
            InvalidColumn: one counts something that the other does not.
        """
        if not isinstance(other, Log):
            return NotImplemented
        if self._attached or other._attached:
            raise InvalidValue("something is attached to one of the logs: add them first, then attach once")
        messages, replies = _Messages(MESSAGE_COLUMNS), _Replies()
        for log in (self, other):
            derived = dict.fromkeys(REPLY_COUNTS if log._counts_replies else ())
            for message in log:
                messages.add(0, {name: getattr(message, name) for name in MESSAGE_COLUMNS} | derived)
            for reply in log.replies:
                replies.add({name: getattr(reply, name) for name in REPLY_FIELDS})
        uneven = messages.drop_uneven({})
        if uneven:
            raise InvalidColumn(f"{uneven[0].column} is given in one log only: read both with it, or both without")
        return _joined(
            messages,
            replies,
            counts_replies=self._counts_replies or other._counts_replies,
            knows_texts=self._knows_texts and other._knows_texts,
            errors=(*self.errors, *other.errors),
            duplicates=self.duplicates + other.duplicates + messages.duplicates + replies.duplicates,
            carrier=self.carrier if self.carrier == other.carrier else None,
        )

    def attach(
        self,
        *,
        audience: Any = None,
        clicks: Any = None,
        orders: Any = None,
        columns: Mapping[str, str] | None = None,
        format: str | None = None,  # noqa: A002 - what open() calls it
        timezone: str | None = None,
    ) -> Log:
        """Return the log joined with who people are and what they did.

        Each kind is attached once, the audience first or at the same time. A person is found
        by number, of which spaces, dashes, dots and parentheses do not matter, nor whether it
        begins with + or 00.

        Args:
            audience: a table with ``to`` and any of contact_id, contact_name, campaign_id,
                variant, list_id; one row a number. It fills what messages do not say themselves.
            clicks: a table with clicked_at, one of message_id, contact_id and to, and
                maybe click_id and url. A click belongs to the message it names, else to the last
                message sent to that person before it. A click_id counts once.
            orders: a table with ordered_at, the same keys, and maybe order_id, revenue,
                currency and assisted. Orders belong like clicks.
            columns: our name to theirs, when one table is attached.
            format: of the files, as for `read_log`.
            timezone: IANA zone of moments without one.

        Raises:
            InvalidRow: a row that cannot be read, or that contradicts another.
            InvalidColumn: a column is missing, or counts are given twice.
            InvalidValue: a kind is attached already, or the audience comes last.
        """
        given = {"audience": audience, "clicks": clicks, "orders": orders}
        sources = {kind: source for kind, source in given.items() if source is not None}
        self._check_attachable(sources, columns)
        zone = None if timezone is None else parse_zone(timezone)
        held, changed, lost = _columns_of(self.messages), Fields(), self.unattributed
        for kind, source in sources.items():
            with open_table(source, format) as table:
                rows = Attached(kind, table, columns, zone)
                found = attach_audience(held, rows, self.replies) if kind == "audience" else _EVENTS[kind](held, rows)
            lost += found.pop("unattributed", 0)
            changed |= found
        attached = self._attached | sources.keys()
        return attrs.evolve(self, messages=_build(held), unattributed=lost, attached=attached, **changed)

    def _check_attachable(self, sources: Mapping[str, object], columns: Mapping[str, str] | None) -> None:
        twice = sorted(self._attached & sources.keys())
        if twice:
            raise InvalidValue(f"{twice[0]} attached twice: attach all of it at once, to the log as it was read")
        if "audience" in sources and self._attached:
            raise InvalidValue("the audience comes last: attach it first, because clicks and orders find people by it")
        if columns and len(sources) != 1:
            raise InvalidValue("columns= is for one table: attach one after the other, the audience first")


def read_log(
    source: Any,
    *,
    carrier: str | None = None,
    columns: Mapping[str, str] | None = None,
    format: str | None = None,  # noqa: A002 - what open() calls it
    timezone: str | None = None,
    on_error: str = "raise",
    on_progress: Callable[[float], object] | None = None,
) -> Log:
    """Return what a log says: messages, replies and opt-outs, each once.

    Rows from people (``direction`` inbound, or a status word that the carrier uses for
    those) become replies. A reply belongs to the last message sent to that person before
    it, from the number they answered to if any was; then messages have counts of replies,
    which they have only if the log could tell: it has a direction, or such rows. They have counts
    of opt-outs only if it has the texts.

    Rows with the same message_id are joined, as `fold` joins receipts, so that reading a
    row twice, or rows in another order, changes nothing. Rows without one are all kept.

    Args:
        source: a path, an open text or binary file, a frame, or an iterable of mappings:
            CSV with a header, JSON (a list of records, or the pages of an API's list), one
            JSON record a line, or Parquet.
        carrier: whose export it is. Its words, codes and signs are then known, and its column
            names: of the exports that are known, and our own names, those that fit most
            columns. None means our column names, and words as in ``carrier`` columns.
        columns: our name to theirs, where it is another; also for ``direction``, ``text`` and
            ``status_at``, since when the status holds. ``delivery.state`` is a field in a
            field, ``to[].status`` one in each element of a list, which gives a row for each.
        format: csv, json, jsonl or parquet; None takes it from the name of the file.
        timezone: IANA zone of moments without one. If None, the one that the carrier
            documents for the export, if it does.
        on_error: ``raise`` at the first row that cannot be read, or ``collect`` such rows
            in ``errors``.
        on_progress: called now and then with the fraction read, from 0 to 1.

    Raises:
        InvalidRow: naming row, column, value and rule. The row is the line in CSV (the
            header is 1) and JSON lines, else the record from 1.
        InvalidColumn: no status, two columns of one name, or ``columns=`` is wrong.
        InvalidValue: the file is not what it should be, or an argument is not.
        OSError: the file cannot be opened.

    >>> rows = [
    ...     {"message_id": "M1", "to": "+12025550143", "status": "delivered", "sent_at": "2026-05-01T09:00:00Z"},
    ...     {"sender": "+1 202-555-0143", "direction": "inbound", "text": "Stop", "sent_at": "2026-05-01T09:05:00Z"},
    ... ]
    >>> log = read_log(rows)
    >>> log, log.messages[0].opted_out, log.opt_outs[0].message_id
    (<Log: 1 messages, 1 replies, 1 opt-outs>, True, 'M1')
    """
    if on_error not in {"raise", "collect"}:
        raise InvalidValue(f"on_error is {shown(on_error)}: give raise or collect")
    name = None if carrier is None else check_carrier(carrier)
    zone = None if timezone is None else parse_zone(timezone)
    with open_table(source, format, PAGES) as table:
        layout = _layout(table, name, columns)
        reading = _Reading(table, name, layout, columns, collect=on_error == "collect")
        for count, item in enumerate(read_rows(table, reading.places, zone or layout.zone, layout.cells)):
            reading.take(item)
            if on_progress is not None and count % _CHUNK == _CHUNK - 1:
                on_progress(min(1.0, table.done(item.row if isinstance(item, InvalidRow) else item[0])))
    log = reading.log()
    if on_progress is not None:
        on_progress(1.0)
    return log


# --- reading -----------------------------------------------------------------------------------


class _Wrong(Exception):
    """A field breaks a rule: its name, its value, the rule."""


class _Reading:
    """Takes the rows of one table in."""

    def __init__(
        self, table: Table, carrier: str | None, layout: Layout, columns: Mapping[str, str] | None, *, collect: bool
    ) -> None:
        self.places = _places(table, carrier, layout, columns)
        self._labels = {name: table.columns[place] for name, place in self.places.items()}
        self._carrier = carrier
        self._fixed = {name: value for name, value in layout.fixed.items() if name not in self.places}
        self._amend, self._words = layout.amend, layout.words
        self._says_less = bool(self._fixed) or self._amend is not None
        self._unfit = _unfit(table, carrier) if "status" not in self.places else None
        self._status = (columns or {}).get("status", "status")
        self._collect = collect
        self._errors: list[InvalidRow] = []
        self._tells_replies = "direction" in {*self.places, *self._fixed} and not layout.one_way
        known = {*self.places, *self._fixed, "status", "carrier", "error_code"}
        known |= {"delivered_at", "last_event_at"} if "status_at" in known else set()
        self._messages = _Messages(name for name in MESSAGE_COLUMNS if name in known)
        self._replies = _Replies()
        meaning = functools.partial(_meaning, ours_first=carrier is None, words=layout.words)
        self._meaning = functools.lru_cache(4096, typed=True)(meaning)  # a Status and a word may be equal, and differ

    def take(self, item: tuple[int, Fields] | InvalidRow) -> None:
        """Take a row in.

        Raises:
            InvalidRow: it cannot be read, and errors are not collected.
        """
        if isinstance(item, InvalidRow):
            self._keep(item)
            return
        number, fields = item
        try:
            self._add(number, fields)
        except _Wrong as wrong:
            name, value, rule = wrong.args
            self._keep(InvalidRow(number, self._labels.get(name, name), value, rule))

    def log(self) -> Log:
        """Return the log of the rows taken in."""
        for error in self._messages.drop_uneven(self._labels):
            self._keep(error)
        return _joined(
            self._messages,
            self._replies,
            counts_replies=self._tells_replies or bool(self._replies.rows),
            knows_texts="text" in self.places or not self._replies.rows,
            errors=tuple(self._errors),
            duplicates=self._messages.duplicates + self._replies.duplicates,
            carrier=self._carrier,
        )

    def _keep(self, error: InvalidRow) -> None:
        if not self._collect:
            raise error from None
        self._errors.append(error)

    def _add(self, number: int, fields: Fields) -> None:
        if self._says_less:
            self._complete(fields)
        carrier = fields["carrier"] = self._carrier or fields.get("carrier")
        word, direction = fields.get("status"), fields.get("direction")
        word = None if word is None else own_word(self._status, word)
        if _is_inbound_word(carrier, word) if direction is None else _is_inbound(direction):
            self._replies.add(_reply(fields))
            return
        if word is None:
            raise self._unfit or _Wrong("status", None, "is empty: every message needs a status")
        try:
            fields["status"], fields["error_code"] = self._meaning(carrier, word, fields.get("error_code"))
        except InvalidValue as error:
            raise _Wrong("status", word, rule_of(error, "status", self._words + word)) from None
        if "status_at" in fields:
            _date(fields, fields.pop("status_at"))
        _check_together(fields)
        try:
            self._messages.add(number, fields)
        except InvalidValue as error:
            raise _Wrong("error_code", fields["error_code"], str(error)) from None

    def _complete(self, fields: Fields) -> None:
        """Say what the export leaves unsaid."""
        fields.update(self._fixed)
        if self._amend is not None:
            try:
                self._amend(fields)
            except InvalidValue as error:
                raise _Wrong("to", fields.get("to"), str(error)) from None


def _layout(table: Table, carrier: str | None, columns: Mapping[str, str] | None) -> Layout:
    """Return the shape that most of the table's columns fit, of ours and the carrier's; of equals the first.

    Raises:
        InvalidColumn: none fits.
    """
    known = {name.casefold() for name in table.columns}

    def fit(shape: Layout) -> tuple[bool, int]:
        first = shape.columns.get("status") or shape.columns["sent_at"]
        whole = "status" in (columns or {}) or first.casefold() in known
        return whole, len(known.intersection(map(str.casefold, (*shape.columns.values(), *shape.marks))))

    shape = max((_OURS, *LAYOUTS.get(carrier or "", ())), key=fit)
    if carrier in LAYOUTS and not columns and fit(shape)[1] < min(_FEWEST, len(known)):
        raise _unfit(table, carrier)
    return shape


def _unfit(table: Table, carrier: str | None) -> InvalidColumn:
    exports = ", ".join(each.name for each in LAYOUTS.get(carrier or "", ()))
    what = f"the columns fit no export of {carrier} that is known ({exports})" if exports else "no column is 'status'"
    return InvalidColumn(
        f'{what}: every message needs a status; give columns={{"status": their name}}, and others likewise.'
        f" The columns: {shown(', '.join(table.columns))}"
    )


def _places(table: Table, carrier: str | None, layout: Layout, columns: Mapping[str, str] | None) -> dict[str, int]:
    """Return where the columns of a log are in a table.

    Raises:
        InvalidColumn: there is no status, or money without a currency.
    """
    places = table.find(layout.columns, columns, LOG_COLUMNS)
    if table.columns and not {"status", "direction"} & {*places, *layout.fixed}:
        raise _unfit(table, carrier)
    money = [name for name in MONEY_COLUMNS if name in places]
    if money and "currency" not in {*places, *layout.fixed}:
        if layout is _OURS:
            raise InvalidColumn(f"{money[0]!r} has no currency: add a 'currency' column, or name theirs in columns=")
        places = {name: place for name, place in places.items() if name not in money}
    return places


@functools.lru_cache(maxsize=1024)
def _is_inbound(direction: str) -> bool:
    word = direction.partition("-")[0].lower()
    if word not in _INBOUND:
        raise _Wrong("direction", direction, "must be inbound, or outbound with or without more after a -")
    return _INBOUND[word]


@functools.lru_cache(maxsize=1024)
def _is_inbound_word(carrier: str | None, word: str | None) -> bool:
    if carrier not in CARRIERS or word is None:
        return False
    try:
        row = status_table(carrier).find(carrier, word)
    except AmbiguousCode:
        return False
    return row is not None and row.meaning[0] == INBOUND


def _meaning(
    carrier: str | None, word: str, code: str | None, *, ours_first: bool, words: str
) -> tuple[Status, str | None]:
    """Return the status a word means, and the code to keep."""
    word = word if isinstance(word, Status) else words + word
    meaning = parse_status_word(carrier, word, ours_first=ours_first)
    known = None if code is None or code in _NO_ERROR.get(carrier or "", ()) else words + code
    return meaning.status, code_with_word(carrier, known, word, meaning)


def _date(fields: Fields, at: datetime | None) -> None:
    """Say since when a message stands where it does, unless the row says so itself."""
    arrived = at if fields["status"] is Status.DELIVERED else None
    fields["last_event_at"] = fields.get("last_event_at") or at
    fields["delivered_at"] = fields.get("delivered_at") or arrived


def _check_together(fields: Fields) -> None:
    """Check what only two fields together can break; take the sign off a price where it means nothing."""
    price = fields.get("price")
    if price is not None and price.is_signed():
        if price and fields["carrier"] not in NEGATIVE_PRICES:
            raise _Wrong(
                "price", price, "must not be negative; negate it, or give carrier= if the carrier writes it so"
            )
        fields["price"] = price.copy_abs()
    if fields.get("currency") is None:
        for name in MONEY_COLUMNS:
            if fields.get(name) is not None:
                raise _Wrong(name, fields[name], "has no currency: fill that column too")
    if fields.get("skip_reason") is not None and fields["status"] is not Status.SKIPPED:
        raise _Wrong("skip_reason", fields["skip_reason"], f"does not go with the status {fields['status'].value}")


def _reply(fields: Fields) -> Fields:
    at = fields.get("sent_at") or fields.get("created_at")
    if at is None:
        raise _Wrong("sent_at", None, "is empty: a reply needs the moment it was received")
    return {
        "to": fields.get("sender"),
        "sender": fields.get("to"),
        "received_at": at,
        "text": fields.get("text") or "",
        "reply_id": fields.get("message_id"),
        "account_id": fields.get("account_id"),
    }


# --- each once ---------------------------------------------------------------------------------


class _Messages:
    """Messages in columns; rows with one id are joined."""

    def __init__(self, names: Iterable[str]) -> None:
        self.columns: dict[str, list[Any]] = {name: [] for name in names}
        self.duplicates = 0
        self._numbers: list[int] = []
        self._places: dict[str, int] = {}
        self._waiting: list[Fields] = []  # a whole chunk enters the columns in half the time

    def add(self, number: int, fields: Fields) -> None:
        """Add a row, or join it with the one that has its id. It has the fields of every row before."""
        identity = fields.get("message_id")
        if identity is not None:
            place = self._places.setdefault(identity, len(self._numbers))
            if place < len(self._numbers):
                self._join(place, fields)
                return
        self._numbers.append(number)
        self._waiting.append(fields)
        if len(self._waiting) == _CHUNK:
            self._settle()

    def _settle(self) -> None:
        for name, values in self.columns.items():
            values.extend([fields.get(name) for fields in self._waiting])
        self._waiting.clear()

    def _join(self, place: int, fields: Fields) -> None:
        self.duplicates += 1
        first = len(self._numbers) - len(self._waiting)
        if place >= first:
            known = self._waiting[place - first]
            known.update(_join_messages(known, fields))
            return
        known = {name: values[place] for name, values in self.columns.items()}
        for name, value in _join_messages(known, fields).items():
            self.columns[name][place] = value

    def drop_uneven(self, labels: Mapping[str, str]) -> list[InvalidRow]:
        """Let every row in; drop messages that lack a count which others have, and return what is wrong with each."""
        self._settle()
        uneven: dict[int, InvalidRow] = {}
        rule = "is all there is, and other rows have a number: write 0 where nothing happened, or leave the column out"
        for name in COUNT_COLUMNS:
            values = self.columns.get(name, [])
            if None in values and any(value is not None for value in values):
                for place in (place for place, value in enumerate(values) if value is None):
                    uneven.setdefault(place, InvalidRow(self._numbers[place], labels.get(name, name), None, rule))
        for name, values in self.columns.items() if uneven else ():
            self.columns[name] = [value for place, value in enumerate(values) if place not in uneven]
        return list(uneven.values())


class _Replies:
    """Replies as fields; rows with one id are joined."""

    def __init__(self) -> None:
        self.rows: list[Fields] = []
        self.duplicates = 0
        self._known: dict[str, Fields] = {}

    def add(self, fields: Fields) -> None:
        """Add a row, or join it with the one that has its id."""
        identity = fields["reply_id"]
        known = fields if identity is None else self._known.setdefault(identity, fields)
        if known is fields:
            self.rows.append(fields)
            return
        known.update(_join_fields(known, fields))
        self.duplicates += 1


def _join_fields(one: Fields, other: Fields) -> Fields:
    """Return the fields of ``one`` joined with those of ``other``: the same, whichever comes first."""
    joined = {}
    for name, value in one.items():
        both = [each for each in (value, other.get(name)) if each is not None]
        joined[name] = (min if name in _EARLIEST else max)(both, default=None)
    return joined


def _join_messages(one: Fields, other: Fields) -> Fields:
    if all(other.get(name) == value for name, value in one.items()):
        return one
    joined = _join_fields(one, other)
    joined.update(_join_states(one, other))
    if joined["status"] is not Status.SKIPPED and "skip_reason" in joined:
        joined["skip_reason"] = None
    return {name: joined[name] for name in one}


def _join_states(one: Fields, other: Fields) -> Fields:
    """Return the status and code of two rows about one message, as if both were receipts of it."""
    states = [(each["status"], each.get("error_code"), each["carrier"]) for each in (one, other)]
    if states[0] == states[1]:
        return {"error_code": states[0][1]}
    if all(status in NEVER_HANDED_OFF for status, _, _ in states):
        status, code, _ = max(states, key=lambda state: (_STAGES.index(state[0]), state[1] or ""))
        return {"status": status, "error_code": code}
    state = fold(Receipt(status=status, error_code=code, carrier=carrier) for status, code, carrier in states)
    return {"status": state.status, "error_code": state.error_code}


# --- building ----------------------------------------------------------------------------------


def _joined(messages: _Messages, replies: _Replies, *, counts_replies: bool, knows_texts: bool, **others: Any) -> Log:
    """Return the log of messages and replies, each answer counted with the message it belongs to."""
    # As tuples, because the garbage collector learns not to look into those: a sixth of the time of a large log.
    held: Columns = {
        name: tuple(values) for name, values in messages.columns.items() if name == "status" or _any(values)
    }
    messages.columns.clear()
    given = next((name for name in REPLY_COUNTS if name in held), None)
    if counts_replies and given is not None:
        raise InvalidColumn(f"replies are given twice: as rows, and in the column {given!r}; leave one out")
    answers = answer(held, replies.rows)
    if counts_replies:
        held.update(answers.counts if knows_texts else {"replies": answers.counts["replies"]})
    return Log(
        messages=_build(held),
        replies=answers.replies,
        opt_outs=answers.opt_outs,
        unattributed=answers.unattributed,
        counts_replies=counts_replies,
        knows_texts=knows_texts,
        **others,
    )


def _any(values: Iterable[Any]) -> bool:
    return any(value is not None for value in values)


def _columns_of(messages: Iterable[Message]) -> Columns:
    columns: Columns = {name: tuple(map(operator.attrgetter(name), messages)) for name in MESSAGE_COLUMNS}
    return {name: values for name, values in columns.items() if name == "status" or _any(values)}


def _build(held: Columns) -> tuple[Message, ...]:
    """Return the messages of columns whose cells have been checked.

    `Message` would check every cell again, which takes as long as everything else together;
    a test holds what is built here equal to what it makes.
    """
    size = len(held["status"])
    nothing = (None,) * size
    columns = {name: held.get(name, nothing) for name in MESSAGE_COLUMNS}
    taken = [at is not None for at in columns["sent_at"]]
    cells = _each(_cell, columns["status"], columns["carrier"], columns["error_code"], columns["skip_reason"], taken)
    counts = zip(*(columns[name] for name in COUNT_COLUMNS), strict=True)
    money = _each(money_of, columns["currency"], *(columns[name] for name in MONEY_COLUMNS))
    columns["facts_"] = list(map(facts_of, cells, counts, money))
    columns["bucket_"] = list(map(bucket_between, columns["sent_at"], columns["delivered_at"]))
    moments = [columns[name] for name in MOMENT_COLUMNS if name in held]
    columns["latest_"] = list(map(latest_of, *moments)) if moments else [0.0] * size
    columns.update(zip(SAID, (nothing, ((),) * size), strict=True))  # a log does not keep what was said
    messages = [object.__new__(Message) for _ in range(size)]
    for name, values in columns.items():
        collections.deque(map(getattr(Message, name).__set__, messages, values), maxlen=0)
    return tuple(messages)


def _each(make: Callable[..., Any], *columns: Sequence[Any]) -> list[Any]:
    """Return what is made of each row, once for equal rows."""
    made: dict[tuple[Any, ...], Any] = {}
    return [made[key] if key in made else made.setdefault(key, make(*key)) for key in zip(*columns, strict=True)]


def _cell(status: Status, carrier: str | None, code: str | None, skip_reason: str | None, taken: bool) -> CellKey:  # noqa: FBT001
    return status, carrier, code or skip_reason, taken and status in NEVER_HANDED_OFF
