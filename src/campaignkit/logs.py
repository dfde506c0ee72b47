"""A carrier's exported log in, messages, replies and opt-outs out.

    rows ──► messages by id, replies by id ──► who answered what ──► Log ──attach──► Log

While rows are read, messages stand in columns, one list for each field, so that each
`Message` is built once, when what it is counted with is known. Nothing depends on the order
of rows: rows of one message are joined, and a reply finds its message by number and time.
"""

from __future__ import annotations

import bisect
import collections
import functools
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Context
from typing import Any, Final

import attrs

from campaignkit.consent import match_keyword
from campaignkit.delivery import fold
from campaignkit.errors import AmbiguousCode, InvalidColumn, InvalidRow, InvalidValue, shown
from campaignkit.metrics import parse_zone
from campaignkit.models import (
    COUNT_BITS,
    COUNT_COLUMNS,
    MONEY_COLUMNS,
    NEVER_HANDED_OFF,
    CellKey,
    Click,
    Keyword,
    Message,
    OptOut,
    Order,
    Receipt,
    Reply,
    Status,
    money_of,
    parse_money,
)
from campaignkit.rows import MESSAGE_COLUMNS, NEGATIVE_PRICES
from campaignkit.tables import Table, open_table, read_rows, rule_of
from campaignkit.verdicts import CARRIERS, INBOUND, check_carrier, code_with_word, parse_status_word, status_table

_Fields = dict[str, Any]
_Columns = dict[str, list[Any]]
_Key = tuple[str | None, ...]

LAYOUTS: Final[Mapping[str, tuple[Mapping[str, str], ...]]] = {
    "twilio": (
        {  # the console's CSV
            "message_id": "Sid",
            "carrier_id": "Sid",
            "account_id": "AccountSid",
            "direction": "Direction",
            "sender": "From",
            "to": "To",
            "text": "Body",
            "status": "Status",
            "error_code": "ErrorCode",
            "segments": "NumSegments",
            "price": "Price",
            "currency": "PriceUnit",
            "sent_at": "SentDate",
        },
        {  # the API's JSON; in bulk exports without price_unit
            "message_id": "sid",
            "carrier_id": "sid",
            "account_id": "account_sid",
            "direction": "direction",
            "sender": "from",
            "to": "to",
            "text": "body",
            "status": "status",
            "error_code": "error_code",
            "segments": "num_segments",
            "price": "price",
            "currency": "price_unit",
            "created_at": "date_created",
            "sent_at": "date_sent",
            "last_event_at": "date_updated",
        },
    ),
}
"""How each carrier's exports name our columns: ours to theirs, one mapping for each shape."""

LOG_COLUMNS: Final = (*MESSAGE_COLUMNS, "direction", "text")
"""Columns that a log without a carrier's layout may have."""

AUDIENCE_COLUMNS: Final = ("contact_id", "contact_name", "campaign_id", "variant", "list_id")
"""What an audience says of a number."""

_NO_ERROR: Final = {"twilio": "0"}
_REPLY_COUNTS: Final = ("replies", "stop_replies", "opted_out")
_ORDER_COUNTS: Final = ("orders", "revenue", "assisted_orders", "assisted_revenue")
_REPLY_FIELDS: Final = ("to", "sender", "received_at", "text", "reply_id", "account_id")
_EVENT_KEYS: Final = ("message_id", "contact_id", "to")
_IDENTITY: Final = (*_EVENT_KEYS, "contact_name", "campaign_id", "variant", "list_id", "account_id", "sender")
_ATTACHED_COLUMNS: Final = {
    "audience": ("to", *AUDIENCE_COLUMNS),
    "clicks": ("clicked_at", *_EVENT_KEYS, "click_id", "url"),
    "orders": ("ordered_at", *_EVENT_KEYS, "order_id", "revenue", "currency", "assisted"),
}
# Of two rows about one message that no carrier took, the one further down is the later.
_STAGES: Final = (Status.PENDING, Status.UNKNOWN, Status.SKIPPED, Status.REFUSED, Status.CANCELED)
_EARLIEST: Final = frozenset({"created_at", "sent_at", "delivered_at", "received_at"})
_FORMATTING: Final = str.maketrans("", "", " -.()\u00a0\u2010\u2011\u2012\u2013")
_EXACT: Final = Context(prec=60, traps=[])
_CHUNK: Final = 8192


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
    _attached: frozenset[str] = frozenset()

    def __iter__(self) -> Iterator[Message]:
        return iter(self.messages)

    def __len__(self) -> int:
        return len(self.messages)

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
            derived = dict.fromkeys(_REPLY_COUNTS if log._counts_replies else ())
            for message in log:
                messages.add(0, {**_fields_of(message, MESSAGE_COLUMNS), **derived})
            for reply in log.replies:
                replies.add(_fields_of(reply, _REPLY_FIELDS))
        uneven = messages.drop_uneven({})
        if uneven:
            raise InvalidColumn(f"{uneven[0].column} is given in one log only: read both with it, or both without")
        return _joined(
            messages,
            replies,
            counts_replies=self._counts_replies or other._counts_replies,
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
        held, log = _columns_of(self.messages), self
        for kind, source in sources.items():
            with open_table(source, format) as table:
                log = _ATTACH[kind](log, held, _Attached(kind, table, columns, zone))
        return attrs.evolve(log, messages=_build(held), attached=self._attached | sources.keys())

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
    which they have only if the log could tell: it has a direction, or such rows.

    Rows with the same message_id are joined, as `fold` joins receipts, so that reading a
    row twice, or rows in another order, changes nothing. Rows without one are all kept.

    Args:
        source: a path, an open text or binary file, a frame, or an iterable of mappings:
            CSV with a header, JSON (a list of records, or pages of them under
            ``messages``), one JSON record a line, or Parquet.
        carrier: whose export it is; its column names (`LAYOUTS`), words and signs are
            then known. None means our column names, and words as in ``carrier`` columns.
        columns: our name to theirs, where it is another; also for ``direction`` and ``text``.
        format: csv, json, jsonl or parquet; None takes it from the name of the file.
        timezone: IANA zone of moments without one.
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
    with open_table(source, format) as table:
        reading = _Reading(table, name, columns, collect=on_error == "collect")
        for count, item in enumerate(read_rows(table, reading.places, zone)):
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

    def __init__(self, table: Table, carrier: str | None, columns: Mapping[str, str] | None, *, collect: bool) -> None:
        self.places = _places(table, carrier, columns)
        self._labels = {name: table.columns[place] for name, place in self.places.items()}
        self._carrier = carrier
        self._collect = collect
        self._errors: list[InvalidRow] = []
        self._messages = _Messages(name for name in MESSAGE_COLUMNS if name in {*self.places, "status", "carrier"})
        self._replies = _Replies()
        self._meaning = functools.lru_cache(4096)(functools.partial(_meaning, ours_first=carrier is None))

    def take(self, item: tuple[int, _Fields] | InvalidRow) -> None:
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
            counts_replies="direction" in self.places or bool(self._replies.rows),
            errors=tuple(self._errors),
            duplicates=self._messages.duplicates + self._replies.duplicates,
            carrier=self._carrier,
        )

    def _keep(self, error: InvalidRow) -> None:
        if not self._collect:
            raise error
        self._errors.append(error)

    def _add(self, number: int, fields: _Fields) -> None:
        carrier = fields["carrier"] = self._carrier or fields.get("carrier")
        word, direction = fields.get("status"), fields.get("direction")
        if _is_inbound_word(carrier, word) if direction is None else _is_inbound(direction):
            self._replies.add(_reply(fields))
            return
        if word is None:
            raise _Wrong("status", None, "is empty: every message needs a status")
        try:
            fields["status"], fields["error_code"] = self._meaning(carrier, word, fields.get("error_code"))
        except InvalidValue as error:
            raise _Wrong("status", word, rule_of(error, "status", word)) from None
        _check_together(fields)
        try:
            self._messages.add(number, fields)
        except InvalidValue as error:
            raise _Wrong("error_code", fields["error_code"], str(error)) from None


def _places(table: Table, carrier: str | None, columns: Mapping[str, str] | None) -> dict[str, int]:
    """Return where the columns of a log are in a table.

    Raises:
        InvalidColumn: there is no status, or money without a currency.
    """
    layout = _layout(table, carrier)
    places = table.find(layout, columns, LOG_COLUMNS)
    if table.columns and "status" not in places:
        raise InvalidColumn(
            f"there is no column {layout['status']!r}: every message needs a status; give"
            f' columns={{"status": their name}}. The columns: {shown(", ".join(table.columns))}'
        )
    money = [name for name in MONEY_COLUMNS if name in places]
    if money and "currency" not in places:
        if carrier not in LAYOUTS:
            raise InvalidColumn(f"{money[0]!r} has no currency: add a 'currency' column, or name theirs in columns=")
        places = {name: place for name, place in places.items() if name not in money}
    return places


def _layout(table: Table, carrier: str | None) -> Mapping[str, str]:
    """Return our name to theirs: the shape of the carrier's that most of the table's columns fit."""
    shapes = LAYOUTS.get(carrier or "")
    if shapes is None:
        return {name: name for name in LOG_COLUMNS}
    known = {name.casefold() for name in table.columns}
    return max(shapes, key=lambda shape: len(known.intersection(map(str.casefold, shape.values()))))


@functools.lru_cache(maxsize=1024)
def _is_inbound(direction: str) -> bool:
    word = direction.partition("-")[0].lower()
    if word not in {"inbound", "outbound"}:
        raise _Wrong("direction", direction, "must be inbound, or outbound with or without more after a -")
    return word == "inbound"


@functools.lru_cache(maxsize=1024)
def _is_inbound_word(carrier: str | None, word: str | None) -> bool:
    if carrier not in CARRIERS or word is None:
        return False
    try:
        row = status_table(carrier).find(carrier, word)
    except AmbiguousCode:
        return False
    return row is not None and row.meaning[0] == INBOUND


def _meaning(carrier: str | None, word: str, code: str | None, *, ours_first: bool) -> tuple[Status, str | None]:
    """Return the status a word means, and the code to keep."""
    meaning = parse_status_word(carrier, word, ours_first=ours_first)
    known = None if code is not None and code == _NO_ERROR.get(carrier or "") else code
    return meaning.status, code_with_word(carrier, known, word, meaning)


def _check_together(fields: _Fields) -> None:
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


def _reply(fields: _Fields) -> _Fields:
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
        self.columns: _Columns = {name: [] for name in names}
        self.duplicates = 0
        self._numbers: list[int] = []
        self._places: dict[str, int] = {}
        self._waiting: list[_Fields] = []  # a whole chunk enters the columns in half the time

    def add(self, number: int, fields: _Fields) -> None:
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

    def _join(self, place: int, fields: _Fields) -> None:
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
        self.rows: list[_Fields] = []
        self.duplicates = 0
        self._known: dict[str, _Fields] = {}

    def add(self, fields: _Fields) -> None:
        """Add a row, or join it with the one that has its id."""
        identity = fields["reply_id"]
        known = fields if identity is None else self._known.setdefault(identity, fields)
        if known is fields:
            self.rows.append(fields)
            return
        known.update(_join_fields(known, fields))
        self.duplicates += 1


def _join_fields(one: _Fields, other: _Fields) -> _Fields:
    """Return the fields of ``one`` joined with those of ``other``: the same, whichever comes first."""
    joined = {}
    for name, value in one.items():
        both = [each for each in (value, other.get(name)) if each is not None]
        joined[name] = (min if name in _EARLIEST else max)(both, default=None)
    return joined


def _join_messages(one: _Fields, other: _Fields) -> _Fields:
    if all(other.get(name) == value for name, value in one.items()):
        return one
    joined = _join_fields(one, other)
    joined.update(_join_states(one, other))
    if joined["status"] is not Status.SKIPPED and "skip_reason" in joined:
        joined["skip_reason"] = None
    return {name: joined[name] for name in one}


def _join_states(one: _Fields, other: _Fields) -> _Fields:
    """Return the status and code of two rows about one message, as if both were receipts of it."""
    states = [(each["status"], each.get("error_code"), each["carrier"]) for each in (one, other)]
    if states[0] == states[1]:
        return {"error_code": states[0][1]}
    if all(status in NEVER_HANDED_OFF for status, _, _ in states):
        status, code, _ = max(states, key=lambda state: (_STAGES.index(state[0]), state[1] or ""))
        return {"status": status, "error_code": code}
    state = fold(Receipt(status=status, error_code=code, carrier=carrier) for status, code, carrier in states)
    return {"status": state.status, "error_code": state.error_code}


# --- who answered what -------------------------------------------------------------------------


def _joined(messages: _Messages, replies: _Replies, *, counts_replies: bool, **others: Any) -> Log:
    """Return the log of messages and replies, each answer counted with the message it belongs to."""
    held = {name: values for name, values in messages.columns.items() if name == "status" or _any(values)}
    if counts_replies:
        given = next((name for name in _REPLY_COUNTS if name in held), None)
        if given is not None:
            raise InvalidColumn(f"replies are given twice: as rows, and in the column {given!r}; leave one out")
    answers = _answers(held, replies.rows)
    if counts_replies:
        held.update(_reply_counts(len(held["status"]), answers))
    return Log(
        messages=_build(held),
        replies=tuple(reply for _, reply in answers),
        opt_outs=_opt_outs(answers),
        unattributed=sum(owner is None for owner, _ in answers),
        counts_replies=counts_replies,
        **others,
    )


def _any(values: Iterable[Any]) -> bool:
    return any(value is not None for value in values)


_Answers = list[tuple[int | None, Reply]]


def _answers(held: _Columns, rows: Sequence[_Fields], people: Mapping[str | None, _Fields] | None = None) -> _Answers:
    """Return each reply with the place of the message it belongs to."""
    wanted = []
    for fields in rows:
        number, ours = _bare(fields["to"]), _bare(fields["sender"])
        keys = [("to", number, ours), ("to", number)] if number else []
        wanted.append((fields["received_at"], keys if ours else keys[1:]))
    owners = _owners(held, wanted)
    answers: _Answers = []
    for owner, fields in zip(owners, rows, strict=True):
        known = _event_fields(held, owner, fields)
        if owner is None and people:
            person = people.get(_bare(fields["to"]), {})
            known = known | {name: person.get(name) for name in ("contact_id", "contact_name")}
        answers.append((owner, Reply(**known, keyword=match_keyword(fields["text"]))))
    return answers


def _opt_outs(answers: _Answers) -> tuple[OptOut, ...]:
    return tuple(
        OptOut(opted_out_at=reply.received_at, text=reply.text, **_fields_of(reply, _IDENTITY))
        for _, reply in answers
        if reply.keyword is Keyword.OPT_OUT
    )


def _reply_counts(size: int, answers: _Answers) -> _Columns:
    counts: _Columns = {"replies": [0] * size, "stop_replies": [0] * size, "opted_out": [False] * size}
    for owner, reply in answers:
        if owner is None:
            continue
        if reply.keyword is Keyword.OPT_OUT:
            counts["stop_replies"][owner] += 1
            counts["opted_out"][owner] = True
        else:
            counts["replies"][owner] += 1
    return counts


def _owners(held: _Columns, wanted: Sequence[tuple[datetime, Sequence[_Key]]]) -> list[int | None]:
    """Return the place of the last message sent before each moment to each person.

    Args:
        held: the messages.
        wanted: moment, and the keys to look under, the first that has a message before deciding.
    """
    index = _index(held, {key for _, keys in wanted for key in keys})
    return [_last_before(at, keys, index) for at, keys in wanted]


def _last_before(at: datetime, keys: Iterable[_Key], index: Mapping[_Key, list[_Sent]]) -> int | None:
    for key in keys:
        sent = index.get(key, [])
        place = bisect.bisect_right(sent, at, key=operator.itemgetter(0))
        if place:
            return sent[place - 1][-1]
    return None


_Sent = tuple[datetime, str, int]


def _index(held: _Columns, wanted: set[_Key]) -> Mapping[_Key, list[_Sent]]:
    """Return the messages under each wanted key in the order they were sent; the id decides between equals."""
    index: collections.defaultdict[_Key, list[_Sent]] = collections.defaultdict(list)
    names = {key[1] for key in wanted}
    nothing = [None] * len(held["status"])
    columns = [held.get(name, nothing) for name in ("sent_at", "message_id", "to", "sender", "contact_id")]
    for place, (at, identity, to, sender, contact) in enumerate(zip(*columns, strict=True) if wanted else ()):
        number = _bare(to)
        if at is None or (number not in names and contact not in names):
            continue
        for key in (("to", number), ("to", number, _bare(sender)), ("contact", contact)):
            if key in wanted:
                index[key].append((at, identity or "", place))
    for sent in index.values():
        sent.sort()
    return index


def _bare(number: str | None) -> str | None:
    """Return a number without formatting, for finding it again."""
    if number is None or (number[0] == "+" and number[1:].isdigit()):
        return number
    bare = number.translate(_FORMATTING)
    return f"+{bare[2:]}" if bare.startswith("00") else bare


def _fields_of(noun: object, names: Iterable[str]) -> _Fields:
    return {name: getattr(noun, name) for name in names}


def _event_fields(held: _Columns, owner: int | None, fields: _Fields) -> _Fields:
    """Return an event's fields with what its message knows beyond them."""
    if owner is None:
        return fields
    known = dict(fields)
    for name in _IDENTITY:
        if known.get(name) is None and name in held:
            known[name] = held[name][owner]
    return known


# --- attaching ---------------------------------------------------------------------------------


class _Attached:
    """The rows of a table to attach."""

    def __init__(self, kind: str, table: Table, columns: Mapping[str, str] | None, zone: tzinfo | None) -> None:
        wanted = _ATTACHED_COLUMNS[kind]
        self.places = table.find({name: name for name in wanted}, columns, wanted)
        self._table, self._zone = table, zone
        needed = wanted[0]
        missing = needed if needed not in self.places else None
        if missing is None and kind != "audience" and not self.places.keys() & set(_EVENT_KEYS):
            missing = "to"
        if missing is not None and table.columns:
            raise InvalidColumn(
                f"the {kind} have no column {missing!r}: give columns={{{missing!r}: their name}}."
                f" The columns: {shown(', '.join(table.columns))}"
            )
        self.needed = needed

    def __iter__(self) -> Iterator[tuple[int, _Fields]]:
        for item in read_rows(self._table, self.places, self._zone):
            if isinstance(item, InvalidRow):
                raise item
            number, fields = item
            if fields.get(self.needed) is None:
                raise self.wrong(number, self.needed, None, "is empty: every row needs it")
            yield number, fields

    def wrong(self, number: int, name: str, value: object, rule: str) -> InvalidRow:
        """Return the error about one field of a row."""
        label = self._table.columns[self.places[name]] if name in self.places else name
        return InvalidRow(number, label, value, rule)


def _attach_audience(log: Log, held: _Columns, rows: _Attached) -> Log:
    people = _people(rows)
    size = len(held["status"])
    numbers = [_bare(to) for to in held.get("to", [None] * size)]
    for name in AUDIENCE_COLUMNS:
        if name in rows.places:
            own = held.get(name, [None] * size)
            theirs = (people.get(number, {}).get(name) for number in numbers)
            held[name] = [each if value is None else value for value, each in zip(own, theirs, strict=True)]
    answers = _answers(held, [_fields_of(reply, _REPLY_FIELDS) for reply in log.replies], people)
    return attrs.evolve(
        log,
        replies=tuple(reply for _, reply in answers),
        opt_outs=_opt_outs(answers),
        unmatched=sum(number not in people for number in numbers),
    )


def _people(rows: _Attached) -> dict[str | None, _Fields]:
    people: dict[str | None, _Fields] = {}
    first: dict[str | None, int] = {}
    for number, fields in rows:
        to = fields.pop("to")
        known = people.setdefault(_bare(to), fields)
        row = first.setdefault(_bare(to), number)
        if known != fields:
            name = next(each for each in fields if known[each] != fields[each])
            rule = f"is also in row {row}, with another {name}: keep one row for each number"
            raise rows.wrong(number, "to", to, rule)
    return people


def _attach_clicks(log: Log, held: _Columns, rows: _Attached) -> Log:
    if "clicks" in held:
        raise InvalidColumn("clicks are given twice: attached, and in the column 'clicks'; leave one out")
    counts = [0] * len(held["status"])
    events = _attached_events(held, rows, "click_id")
    for owner, _, _ in events:
        if owner is not None:
            counts[owner] += 1
    clicks = tuple(Click(**_event_fields(held, owner, fields)) for owner, _, fields in events)
    held["clicks"] = counts
    return attrs.evolve(log, clicks=clicks, unattributed=log.unattributed + _lost(events))


_Events = list[tuple[int | None, int, _Fields]]


def _lost(events: _Events) -> int:
    return sum(owner is None for owner, _, _ in events)


def _attached_events(held: _Columns, rows: _Attached, identity: str) -> _Events:
    """Return the place of each event's message, its row and its fields; each id once."""
    known: set[str] = set()
    taken = []
    for number, fields in rows:
        if all(fields.get(name) is None for name in _EVENT_KEYS):
            raise rows.wrong(number, "to", None, "is all there is, and no message_id or contact_id: nobody is named")
        if fields.get(identity) in known:
            continue
        known.update(filter(None, [fields.get(identity)]))
        taken.append((number, fields))
    by_id = {each: place for place, each in enumerate(held.get("message_id", ()))}
    wanted = [(fields[rows.needed], _person_keys(fields)) for _, fields in taken]
    found = _owners(held, wanted)
    return [
        (owner if fields.get("message_id") is None else by_id.get(fields["message_id"]), number, fields)
        for owner, (number, fields) in zip(found, taken, strict=True)
    ]


def _person_keys(fields: _Fields) -> list[_Key]:
    if fields.get("message_id") is not None:
        return []
    keys = [("contact", fields.get("contact_id")), ("to", _bare(fields.get("to")))]
    return [(kind, name) for kind, name in keys if name is not None]


def _attach_orders(log: Log, held: _Columns, rows: _Attached) -> Log:
    given = next((name for name in _ORDER_COUNTS if name in held), None)
    if given is not None:
        raise InvalidColumn(f"orders are given twice: attached, and in the column {given!r}; leave one out")
    size = len(held["status"])
    events = _attached_events(held, rows, "order_id")
    held.update({"orders": [0] * size, "revenue": [None] * size, "currency": held.get("currency", [None] * size)})
    if "assisted" in rows.places:
        held.update({"assisted_orders": [0] * size, "assisted_revenue": [None] * size})
    orders = []
    for owner, number, fields in events:
        fields["assisted"] = bool(fields.get("assisted"))
        if fields.get("revenue") is not None and fields.get("currency") is None:
            raise rows.wrong(number, "revenue", fields["revenue"], "has no currency: fill that column too")
        if owner is not None:
            _credit(held, owner, fields, functools.partial(rows.wrong, number))
        orders.append(Order(**_event_fields(held, owner, fields)))
    return attrs.evolve(log, orders=tuple(orders), unattributed=log.unattributed + _lost(events))


def _credit(held: _Columns, owner: int, fields: _Fields, wrong: Callable[[str, object, str], InvalidRow]) -> None:
    """Count an order with its message."""
    prefix = "assisted_" if fields["assisted"] else ""
    held[f"{prefix}orders"][owner] += 1
    amount, currency = fields.get("revenue"), fields.get("currency")
    if amount is None:
        return
    money = [held[name][owner] for name in MONEY_COLUMNS if name in held]
    if _any(money) and held["currency"][owner] != currency:
        known = held["currency"][owner]
        rule = f"is not the {known} that the message has: a message holds one currency; convert, or leave revenue out"
        raise wrong("currency", currency, rule)
    total = _EXACT.add(held[f"{prefix}revenue"][owner] or 0, amount)
    try:
        held[f"{prefix}revenue"][owner] = parse_money("revenue", total)
    except InvalidValue as error:
        raise wrong("revenue", amount, f"adds up to too much: {error}") from None
    held["currency"][owner] = currency


_ATTACH: Final = {"audience": _attach_audience, "clicks": _attach_clicks, "orders": _attach_orders}


# --- building ----------------------------------------------------------------------------------


def _columns_of(messages: Iterable[Message]) -> _Columns:
    columns = {name: list(map(operator.attrgetter(name), messages)) for name in MESSAGE_COLUMNS}
    return {name: values for name, values in columns.items() if name == "status" or _any(values)}


def _build(held: _Columns) -> tuple[Message, ...]:
    """Return the messages of columns whose cells have been checked.

    `Message` would check every cell again, which takes three times as long as all the rest;
    a test holds what is built here equal to what it makes.
    """
    size = len(held["status"])
    nothing = [None] * size
    columns = {name: held.get(name, nothing) for name in MESSAGE_COLUMNS}
    taken = [at is not None for at in columns["sent_at"]]
    columns["shape_"] = [sum(bit for name, bit in COUNT_BITS if name in held)] * size
    columns["cell_"] = _each(
        _cell, columns["status"], columns["carrier"], columns["error_code"], columns["skip_reason"], taken
    )
    columns["money_"] = _each(money_of, columns["currency"], *(columns[name] for name in MONEY_COLUMNS))
    columns["latest_"] = list(map(_latest, columns["sent_at"], columns["delivered_at"], columns["last_event_at"]))
    messages = [object.__new__(Message) for _ in range(size)]
    for name, values in columns.items():
        collections.deque(map(getattr(Message, name).__set__, messages, values), maxlen=0)
    return tuple(messages)


def _each(make: Callable[..., Any], *columns: list[Any]) -> list[Any]:
    """Return what is made of each row, once for equal rows."""
    made: dict[tuple[Any, ...], Any] = {}
    return [made[key] if key in made else made.setdefault(key, make(*key)) for key in zip(*columns, strict=True)]


def _cell(status: Status, carrier: str | None, code: str | None, skip_reason: str | None, taken: bool) -> CellKey:  # noqa: FBT001
    sent_at = datetime.fromtimestamp(0, UTC) if taken else None
    return Message(status=status, carrier=carrier, error_code=code, skip_reason=skip_reason, sent_at=sent_at).cell_


def _latest(*moments: datetime | None) -> float:
    known = [each for each in moments if each is not None]
    return max(known).timestamp() if known else 0.0
