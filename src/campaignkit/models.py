"""The nouns: frozen, and valid from the moment they exist.

Every rule about a single value is here and nowhere else: datetimes are aware, money is a
Decimal with its currency, counts are small non-negative integers, ids are non-empty text.
A value that breaks a rule raises `InvalidValue` naming field, value, rule and remedy.
"""

from __future__ import annotations

import functools
import itertools
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from typing import Any, Final, Literal, NewType

import attrs

from campaignkit.errors import InvalidValue, UnknownStatus, nearest, shown
from campaignkit.latency import bucket_between

E164 = NewType("E164", str)
"""A telephone number in international form, ``+`` and up to 15 digits."""

MICROS: Final = 1_000_000
"""Money is kept in millionths of the currency's unit, as an integer."""

_Check = Callable[[str, Any], Any]
_CHECK: Final = "check"
_MAX_MONEY = Decimal(10) ** 9
_MAX_SPENT = Decimal(10) ** 12 - 1  # what many orders after one message add up to
EXACT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[])
"""Arithmetic on money, whatever the host's own decimal context says."""

_MAX_COUNT = 1_000_000
_MAX_SEGMENTS = 255  # the header of a long message numbers its parts in one octet
_CURRENCY = re.compile(r"[A-Z]{3}")
ATTEMPT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,36}")


class Status(StrEnum):
    """Where a message stands now."""

    __hash__ = str.__hash__  # Enum's own hash is Python code; these are dictionary keys

    PENDING = "pending"
    SKIPPED = "skipped"
    CANCELED = "canceled"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    UNDELIVERED = "undelivered"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNCONFIRMED = "unconfirmed"


STATUS_ALIASES: Final[Mapping[str, Status]] = {
    "failed": Status.UNDELIVERED,
    "sending": Status.QUEUED,
    "cancelled": Status.CANCELED,
}
"""Words many logs use, and which of ours they mean."""

NEVER_HANDED_OFF: Final = frozenset({Status.PENDING, Status.SKIPPED, Status.CANCELED, Status.REFUSED, Status.UNKNOWN})
"""Statuses that alone do not say the carrier ever took the message."""


class Bounce(StrEnum):
    """What a failure says about the list: nothing, try later, or remove."""

    __hash__ = str.__hash__

    NONE = "none"
    SOFT = "soft"
    HARD = "hard"
    DELETED = "deleted"


class Keyword(StrEnum):
    """What a whole reply asks for, when it is one of the agreed words."""

    __hash__ = str.__hash__

    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    HELP = "help"


class Outcome(StrEnum):
    """What became of one attempt to hand a message over."""

    __hash__ = str.__hash__

    PLANNED = "planned"
    INFLIGHT = "inflight"
    TAKEN = "taken"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    CANCELED = "canceled"


def parse_status(word: object) -> Status:
    """Return the status a word of ours means; any case, and the aliases.

    Raises:
        UnknownStatus: the word is not ours; the error names the nearest that are.
    """
    if isinstance(word, Status):
        return word
    text = word.strip().lower() if isinstance(word, str) else ""
    known = STATUS_ALIASES.get(text)
    if known is not None:
        return known
    try:
        return Status(text)
    except ValueError:
        raise UnknownStatus(
            f"status is {shown(word)}: not a status we know; nearest: {nearest(text, [*Status, *STATUS_ALIASES])}"
        ) from None


def parse_code(value: object) -> str | None:
    """Return an error code as text: ``30005``, ``30005.0``, ``"30005"`` and ``"30005.0"`` are one code.

    Empty text, ``None`` and NaN mean no code. A number with a fraction is refused, because
    it cannot be what the carrier said.

    Raises:
        InvalidValue: the value cannot be cast exactly.
    """
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()  # a column of floats written as text has ".0" behind each code
        return (text.removesuffix(".0") if text.removesuffix(".0").isdecimal() else text) or None
    try:
        if value != value:  # noqa: PLR0124 - NaN is not itself
            return None
        whole = int(value)  # type: ignore[call-overload]  # what is no number is caught below
        if whole == value and not isinstance(value, bool):
            return str(whole)
    except (TypeError, ValueError, ArithmeticError):  # arrays, infinities, signaling NaN, pandas.NA, 5,000 digits
        pass
    raise _invalid("error_code", value, "a code is text or a whole number", 'give it as text, like "30005"')


def to_micros(amount: Decimal) -> int:
    """Return an amount in millionths, rounded half to even, whatever the host's decimal context says."""
    return int(EXACT.to_integral_value(EXACT.multiply(amount, MICROS)))


def latest_of(*moments: datetime | None) -> float:
    """Return the latest of some moments in seconds since 1970, 0 when there is none."""
    return max((each.timestamp() for each in moments if each), default=0.0)


def money_of(currency: str | None, *amounts: Decimal | None) -> Money:
    """Return what amounts (in the order of `MONEY_COLUMNS`) add to the sums; empty for nothing."""
    if currency is None:
        return ()
    pairs = zip(MONEY_COLUMNS.values(), amounts, strict=True)
    return tuple(((kind, currency), to_micros(amount)) for kind, amount in pairs if amount is not None)


def _invalid(field: str, value: object, rule: str, remedy: str) -> InvalidValue:
    return InvalidValue(f"{field} is {shown(value)}: {rule}; {remedy}")


# --- rules about one value: (field, value) -> the value to keep, or InvalidValue --------------


def _text(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _invalid(field, value, "must be text", "convert it with str()")
    if not value.strip():
        raise _invalid(field, value, "must not be empty", "leave it out or give None when it is not known")
    return value


def _body(field: str, value: Any) -> str:
    return value if isinstance(value, str) else _text(field, value)  # what people write may be empty


def _carrier(field: str, value: Any) -> str:
    return _text(field, value).lower()


def moment(field: str, value: Any) -> datetime:
    """Return an aware datetime.

    Raises:
        InvalidValue: not a datetime, one without a zone, or one that UTC cannot write.
    """
    if not isinstance(value, datetime) or value != value:  # noqa: PLR0124 - pandas.NaT is a datetime, and not itself
        raise _invalid(field, value, "must be a datetime", "parse it, for example with datetime.fromisoformat()")
    if value.utcoffset() is None:
        raise _invalid(field, value, "has no time zone", "give an aware datetime, like datetime.now(timezone.utc)")
    if not MINYEAR < value.year < MAXYEAR:
        try:
            value.astimezone(UTC)
        except OverflowError:
            raise _invalid(field, value, "is no time in UTC", "leave it out") from None
    return value


def _count(field: str, value: Any, most: int = _MAX_COUNT) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _invalid(field, value, "must be a whole number", "convert it with int()")
    if not 0 <= value <= most:
        raise _invalid(field, value, f"must lie between 0 and {most:,}", "check where it was read from")
    return value


def whole(field: str, value: Any) -> int:
    """Return a count from a frame or a mapping: also a bool, a NumPy integer, or a float without fraction.

    Raises:
        InvalidValue: anything else, NaN and negative numbers among it.
    """
    try:
        exact = int(value)
        same = bool(exact == value) and not isinstance(value, str)
    except (TypeError, ValueError, ArithmeticError):
        same = False
    if not same:
        raise _invalid(field, value, "must be a whole number", "convert it, and write 0 where nothing happened")
    return _count(field, exact)


def _segments(field: str, value: Any) -> int:
    return _count(field, value, _MAX_SEGMENTS)


def _positive(field: str, value: Any) -> int:
    if _count(field, value) == 0:
        raise _invalid(field, value, "counting starts at 1", "give 1 for the first")
    return int(value)


def _flag(field: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise _invalid(field, value, "must be True or False", "convert it with bool()")


def _media(field: str, value: Any) -> str:
    word = value.strip().lower() if isinstance(value, str) else ""
    if word not in {"sms", "mms"}:
        raise _invalid(field, value, "must be sms or mms", "leave it out when it is not known")
    return word


def _names(field: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _invalid(field, value, "must be several names", 'give a list, like unreadable=["price"]')
    return tuple(_text(field, each) for each in value)


def _links(field: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _invalid(field, value, "must be several addresses", 'give a list, like media=["https://..."]')
    return tuple(_text(field, each) for each in value)


def _attempt_id(field: str, value: Any) -> str:
    if isinstance(value, str) and ATTEMPT_ID.fullmatch(value):
        return value
    rule = "must be 1 to 36 letters, digits, - or _, because carriers carry it in addresses and references"
    raise _invalid(field, value, rule, "give a UUID, like str(uuid.uuid4())")


def parse_money(field: str, value: object, most: Decimal = _MAX_MONEY) -> Decimal:
    """Return an exact, finite, non-negative amount.

    Raises:
        InvalidValue: a float, NaN, infinity, a negative or an absurdly large amount.
    """
    if isinstance(value, bool) or not isinstance(value, Decimal | int):
        raise _invalid(field, value, "money is never a float", 'give a Decimal made from text, like Decimal("0.0079")')
    amount = Decimal(value)
    if not amount.is_finite():
        raise _invalid(field, value, "must be a finite amount", "leave it out when it is not known")
    if amount < 0:
        raise _invalid(
            field, value, "must not be negative", "negate it if the log writes charges as negatives, as Twilio does"
        )
    if amount > most:
        raise _invalid(field, value, f"must be at most {most:,}", "check its unit")
    return amount


def _spent(field: str, value: Any) -> Decimal:
    return parse_money(field, value, _MAX_SPENT)


def parse_currency(field: str, value: object) -> str:
    """Return a currency as its three capital letters (ISO 4217)."""
    code = value.upper() if isinstance(value, str) else ""
    if not _CURRENCY.fullmatch(code):
        raise _invalid(field, value, "must be three letters", 'give an ISO 4217 code, like "USD"')
    return code


def _word(kind: type[StrEnum]) -> Callable[[str, Any], Any]:
    def check(field: str, value: Any) -> StrEnum:
        try:
            return kind(value)
        except ValueError:
            raise _invalid(field, value, f"must be one of {', '.join(kind)}", "correct the word") from None

    return check


def _needs_currency(noun: Message | Receipt | Order, *amounts: str) -> None:
    if noun.currency is not None:
        return
    for name in amounts:
        if getattr(noun, name) is not None:
            raise _invalid(name, getattr(noun, name), "has no currency", 'give currency too, like currency="USD"')


def _required(check: _Check) -> Any:
    return attrs.field(metadata={_CHECK: check})


def _given(default: object, check: _Check) -> Any:
    return attrs.field(default=default, metadata={_CHECK: check})


def _maybe(check: _Check) -> Any:
    return attrs.field(default=None, metadata={_CHECK: check})


@functools.cache
def _checks(noun: type[attrs.AttrsInstance]) -> tuple[Callable[[Any], tuple[Any, ...]], list[Any], list[Any]]:
    checked = [field for field in attrs.fields(noun) if _CHECK in field.metadata]
    values_of = operator.attrgetter(*(field.name for field in checked))
    return values_of, [field.default for field in checked], [(each.name, each.metadata[_CHECK]) for each in checked]


def _check_fields(noun: attrs.AttrsInstance) -> None:
    # After __init__ instead of an attrs converter on each field: most fields of most messages are
    # left out, and this way they cost next to nothing.
    values_of, defaults, checks = _checks(type(noun))
    values = values_of(noun)
    for at in itertools.compress(itertools.count(), map(operator.is_not, values, defaults)):
        name, check = checks[at]
        kept = check(name, values[at])
        if kept is not values[at]:
            object.__setattr__(noun, name, kept)


# --- what was sent ---------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Campaign:
    """What is known of a campaign beside its messages.

    Attributes:
        campaign_id: as its messages have it.
        type: ``sms`` or ``mms``.
        sent_at: when it was last sent; left out, it is the latest ``sent_at`` of its messages.

    >>> Campaign(campaign_id="spring", name="Spring sale", type="MMS").type
    'mms'
    """

    campaign_id: str = _required(_text)
    name: str | None = _maybe(_text)
    type: Literal["sms", "mms"] | None = _maybe(_media)
    last_modified_by: str | None = _maybe(_text)
    last_modified_at: datetime | None = _maybe(moment)
    sent_at: datetime | None = _maybe(moment)

    def __attrs_post_init__(self) -> None:
        """Check each field."""
        _check_fields(self)


COUNT_COLUMNS: Final = ("segments", "replies", "stop_replies", "clicks", "opted_out", "orders", "assisted_orders")
"""Columns that are counted. Each is given for every message of a set, or for none of them."""

COUNT_BITS: Final = tuple((name, 1 << i) for i, name in enumerate(COUNT_COLUMNS))
"""The bit that each counted column has in ``Facts.shape``."""

SAID: Final = ("text", "media")
"""What a message says: needed to send it, and no column of a log or a frame."""

CellKey = tuple[str, str | None, str | None, bool]
"""status, carrier, error code or skip reason, and: handed off although the status does not say so."""

MOMENT_COLUMNS: Final = ("sent_at", "delivered_at", "last_event_at")
"""Columns of moments by which the latest moment of the data is known."""

MoneyKind = Literal["cost", "revenue", "assisted_revenue"]
MONEY_COLUMNS: Final[Mapping[str, MoneyKind]] = {
    "price": "cost",
    "revenue": "revenue",
    "assisted_revenue": "assisted_revenue",
}
"""Columns of money, and under which kind they are summed."""

MoneyKey = tuple[MoneyKind, str]
"""The kind of money, and its currency."""

Money = tuple[tuple[MoneyKey, int], ...]
"""What one message or order adds to the sums of money."""

_MOST_FACTS: Final = 100_000


class Facts:
    """All of a message that is counted, but for whose it is and when it was.

    Messages with equal facts share one object, and a tally counts how often it meets each:
    looking an object up by its identity costs a fraction of looking up what it holds.

    Attributes:
        cell: see `CellKey`.
        counts: in the order of `COUNT_COLUMNS`, None where it was not measured.
        money: empty where none is known.
        shape: the `COUNT_BITS` of what was measured.
    """

    __slots__ = ("cell", "counts", "money", "shape")

    def __init__(self, cell: CellKey, counts: tuple[int | None, ...], money: Money) -> None:
        """Use `facts_of`, which shares."""
        self.cell = cell
        self.counts = counts
        self.money = money
        self.shape = sum(bit for (_, bit), count in zip(COUNT_BITS, counts, strict=True) if count is not None)

    def __reduce__(self) -> tuple[Callable[..., Facts], tuple[CellKey, tuple[int | None, ...], Money]]:
        """Be shared again in another process."""
        return facts_of, (self.cell, self.counts, self.money)


_FACTS: Final[dict[tuple[Any, ...], Facts]] = {}


def facts_of(cell: CellKey, counts: tuple[int | None, ...], money: Money) -> Facts:
    """Return the one object for these facts.

    A `Status` and a carrier's word that is spelled alike are different facts.
    """
    key = (cell, counts, money, type(cell[0]))
    found = _FACTS.get(key)
    if found is None:
        if len(_FACTS) >= _MOST_FACTS:
            _FACTS.clear()  # bounds the memory of a process that runs for years; equal facts may then be two
        found = _FACTS[key] = Facts(cell, counts, money)
    return found


@attrs.frozen(kw_only=True)
class Message:
    """One message to one person, as it stands now. Only ``status`` is required.

    The fields are the column names of a frame. A count left at ``None`` was not measured,
    which is not the same as 0; within one set of messages a count is given for all of
    them or for none.

    Attributes:
        status: one of `Status`; ``failed`` is read as undelivered, ``sending`` as queued.
        to: the person's number. The library does not insist on E.164 here, because logs
            may hold hashes; `parse_phone` does, and so does a carrier that is to send it.
        text: what it says, for sending; no report shows it.
        media: addresses of pictures and the like: with any, the message is an MMS.
        step: place in a sequence of follow-ups, from 1.
        segments: billed parts, 0 to 255.
        price: what the message cost, never negative, with ``currency``.
        sent_at: when the carrier took it. Present means handed off, for ever.
        replies: answers that are not opt-outs; those are ``stop_replies``.
        assisted_orders: orders credited to another campaign that this one touched too.

    Raises:
        InvalidValue: naming field, value, rule and remedy.

    >>> Message(status="delivered", to="+12025550143").status
    <Status.DELIVERED: 'delivered'>
    >>> Message(status="deliverd")
    Traceback (most recent call last):
    ...
    campaignkit.errors.UnknownStatus: status is 'deliverd': not a status we know; nearest: delivered, undelivered
    """

    status: Status = attrs.field(converter=parse_status)
    message_id: str | None = _maybe(_text)
    campaign_id: str | None = _maybe(_text)
    contact_id: str | None = _maybe(_text)
    contact_name: str | None = _maybe(_text)
    to: str | None = _maybe(_text)
    variant: str | None = _maybe(_text)
    list_id: str | None = _maybe(_text)
    account_id: str | None = _maybe(_text)
    sender: str | None = _maybe(_text)
    step: int | None = _maybe(_positive)
    carrier: str | None = _maybe(_carrier)
    carrier_id: str | None = _maybe(_text)
    error_code: str | None = attrs.field(default=None, converter=parse_code)
    segments: int | None = _maybe(_segments)
    price: Decimal | None = _maybe(parse_money)
    currency: str | None = _maybe(parse_currency)
    created_at: datetime | None = _maybe(moment)
    sent_at: datetime | None = _maybe(moment)
    delivered_at: datetime | None = _maybe(moment)
    last_event_at: datetime | None = _maybe(moment)
    replies: int | None = _maybe(_count)
    stop_replies: int | None = _maybe(_count)
    clicks: int | None = _maybe(_count)
    opted_out: bool | None = _maybe(_flag)
    orders: int | None = _maybe(_count)
    revenue: Decimal | None = _maybe(_spent)
    assisted_orders: int | None = _maybe(_count)
    assisted_revenue: Decimal | None = _maybe(_spent)
    skip_reason: str | None = _maybe(_text)
    text: str | None = attrs.field(default=None, repr=False, metadata={_CHECK: _text})
    media: tuple[str, ...] = attrs.field(default=(), repr=False, metadata={_CHECK: _links})
    # Derived once here because every tally of the message would derive them again.
    facts_: Facts = attrs.field(init=False, eq=False, repr=False)
    bucket_: int | None = attrs.field(init=False, eq=False, repr=False)
    latest_: float = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Check each field, then what only two together can break; derive what tallies read."""
        _check_fields(self)
        _needs_currency(self, "price", "revenue", "assisted_revenue")
        if self.skip_reason is not None and self.status is not Status.SKIPPED:
            raise _invalid(
                "skip_reason", self.skip_reason, f"the status is {self.status.value}", 'give status="skipped" with it'
            )
        taken = self.sent_at is not None and self.status in NEVER_HANDED_OFF
        facts = facts_of(
            (self.status, self.carrier, self.error_code or self.skip_reason, taken),
            _counts_of(self),
            money_of(self.currency, self.price, self.revenue, self.assisted_revenue),
        )
        object.__setattr__(self, "facts_", facts)
        object.__setattr__(self, "bucket_", bucket_between(self.sent_at, self.delivered_at))
        object.__setattr__(self, "latest_", latest_of(*_moments_of(self)))


_counts_of: Final = operator.attrgetter(*COUNT_COLUMNS)
_moments_of: Final = operator.attrgetter(*MOMENT_COLUMNS)


@attrs.frozen(kw_only=True)
class Attempt:
    """One try of ours to hand a message to a carrier.

    Attributes:
        number: ours, from 1; the newest attempt decides when none reached the phone.
        parts: how many parts the carrier will report on.
        outcome: how the handing over went.
        error_code: the carrier's code when it refused.
        attempt_id: ours, 1 to 36 letters, digits, ``-`` or ``_``; it travels to the carrier and
            comes back with its receipts.
        started_at: when it began; carriers that sign the time of a request need it.
    """

    number: int = _given(1, _positive)
    parts: int = _given(1, _positive)
    outcome: Outcome = _given(Outcome.TAKEN, _word(Outcome))
    error_code: str | None = attrs.field(default=None, converter=parse_code)
    attempt_id: str | None = _maybe(_attempt_id)
    started_at: datetime | None = _maybe(moment)

    def __attrs_post_init__(self) -> None:
        """Check each field."""
        _check_fields(self)


# --- what came back --------------------------------------------------------------------------


class Saying:
    """What a receipt says, but for when and about which message; equal ones share one object, like `Facts`."""

    __slots__ = ("key",)

    def __init__(self, key: tuple[Any, ...]) -> None:
        """Use `saying_of`, which shares."""
        self.key = key

    def __reduce__(self) -> tuple[Callable[..., Saying], tuple[Any, ...]]:
        """Be shared again in another process."""
        return saying_of, self.key


_SAYINGS: Final[dict[tuple[Any, ...], Saying]] = {}


def saying_of(status: str, error_code: str | None, attempt: int, part: int, carrier: str | None) -> Saying:
    """Return the one object for what a receipt says."""
    key = (status, error_code, attempt, part, carrier, type(status))
    found = _SAYINGS.get(key)
    if found is None:
        if len(_SAYINGS) >= _MOST_FACTS:
            _SAYINGS.clear()
        found = _SAYINGS[key] = Saying(key[:-1])
    return found


@attrs.frozen(kw_only=True)
class Receipt:
    """One thing the carrier said about one part of one attempt.

    Attributes:
        status: the carrier's word or ours; an unknown word is kept and counted.
        attempt: which of our attempts it is about, from 1.
        attempt_id: our id of that attempt, where the carrier gave it back.
        part: which part of a long message, from 0.
        segments: billed parts of the whole message, where the carrier says so.
        price: what the message cost, where the carrier says so, with ``currency``.
        at: the carrier's time, when it gave a believable one.
        received_at: when it reached us; used where ``at`` is missing.
        unreadable: names of the carrier's fields in which segments, price or currency should be
            and something else is; they are left out then, and a tracker counts it.
        raw: what the carrier sent, kept for replay; not part of equality.
    """

    status: str = _required(_text)
    message_id: str | None = _maybe(_text)
    carrier: str | None = _maybe(_carrier)
    carrier_id: str | None = _maybe(_text)
    error_code: str | None = attrs.field(default=None, converter=parse_code)
    attempt: int = _given(1, _positive)
    part: int = _given(0, _count)
    at: datetime | None = _maybe(moment)
    received_at: datetime | None = _maybe(moment)
    attempt_id: str | None = _maybe(_attempt_id)
    segments: int | None = _maybe(_segments)
    price: Decimal | None = _maybe(parse_money)
    currency: str | None = _maybe(parse_currency)
    unreadable: tuple[str, ...] = _given((), _names)
    raw: Mapping[str, object] | None = attrs.field(default=None, eq=False, repr=False)
    # Derived once here because every live tally that takes the receipt in would derive them again.
    saying_: Saying = attrs.field(init=False, eq=False, repr=False)
    at_: datetime | None = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Check each field, and derive what says whether two receipts say the same."""
        _check_fields(self)
        _needs_currency(self, "price")
        saying = saying_of(self.status, self.error_code, self.attempt, self.part, self.carrier)
        object.__setattr__(self, "saying_", saying)
        object.__setattr__(self, "at_", self.at or self.received_at)


@attrs.frozen(kw_only=True)
class _Event:
    """What replies, clicks, opt-outs and orders share: who, and which message it is about.

    ``to`` is the person's number, named as in `Message` so that tables join by it.
    """

    message_id: str | None = _maybe(_text)
    campaign_id: str | None = _maybe(_text)
    contact_id: str | None = _maybe(_text)
    contact_name: str | None = _maybe(_text)
    to: str | None = _maybe(_text)
    variant: str | None = _maybe(_text)
    list_id: str | None = _maybe(_text)
    account_id: str | None = _maybe(_text)
    sender: str | None = _maybe(_text)

    def __attrs_post_init__(self) -> None:
        """Check each field."""
        _check_fields(self)


@attrs.frozen(kw_only=True)
class Reply(_Event):
    """A message from a person to us.

    Attributes:
        received_at: when the carrier got it, or else when we did.
        reply_id: the carrier's id of the reply itself.
        keyword: what the text asks for when it is one of the agreed words (`match_keyword`).
        carrier: who passed it on.
        carrier_id: the carrier's id of the message it answers, where the carrier says so.
        media: addresses of what was sent with it.
        dated: ``received_at`` is the carrier's own, so it says which of two replies came first.
        lossy: some bytes were no text and stand as U+FFFD.
    """

    received_at: datetime = _required(moment)
    reply_id: str | None = _maybe(_text)
    text: str = _given("", _body)
    keyword: Keyword | None = _maybe(_word(Keyword))
    carrier: str | None = _maybe(_carrier)
    carrier_id: str | None = _maybe(_text)
    media: tuple[str, ...] = _given((), _links)
    dated: bool = _given(default=False, check=_flag)
    lossy: bool = _given(default=False, check=_flag)


@attrs.frozen(kw_only=True)
class Click(_Event):
    """One hit on a tracked link."""

    clicked_at: datetime = _required(moment)
    click_id: str | None = _maybe(_text)
    url: str | None = _maybe(_text)


@attrs.frozen(kw_only=True)
class OptOut(_Event):
    """A person's wish to get no more messages."""

    opted_out_at: datetime = _required(moment)
    text: str = _given("", _body)


@attrs.frozen(kw_only=True)
class Order(_Event):
    """A purchase credited to a message.

    Attributes:
        assisted: credited to another campaign; this one was touched on the way.
    """

    ordered_at: datetime = _required(moment)
    order_id: str | None = _maybe(_text)
    revenue: Decimal | None = _maybe(parse_money)
    currency: str | None = _maybe(parse_currency)
    assisted: bool = _given(default=False, check=_flag)

    def __attrs_post_init__(self) -> None:
        """Refuse revenue without a currency."""
        super().__attrs_post_init__()
        _needs_currency(self, "revenue")
