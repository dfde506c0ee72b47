"""What a carrier's words and codes mean: dated tables in ``data/``, read once per carrier.

Two axes, never one. ``bounce`` is about the list (may this number stay?); ``retryable`` is
about the message (may the same text go to the same number again?). A code whose meaning
no source gives is ``unmapped``: said and counted, never guessed.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from typing import Final, Self, TypeVar

import attrs

from campaignkit.errors import AmbiguousCode, InvalidValue, UnknownStatus, nearest, shown
from campaignkit.models import STATUS_ALIASES, Bounce, Status, parse_code, parse_status
from campaignkit.profiles import Code, Profile, Reason, get_profile, read_data, reasons

TABLES_DATED: Final = "2026-11-21"
"""The day the code tables were last checked against their sources."""

CARRIERS: Final = ("aws", "infobip", "messagebird", "plivo", "sinch", "smpp", "telnyx", "twilio", "vonage")
"""Carriers whose codes and status words are in the tables."""

FAILURES: Final = frozenset({Status.UNDELIVERED, Status.REJECTED, Status.EXPIRED, Status.REFUSED})
"""Statuses whose code says why."""

INBOUND: Final = "inbound"
"""What a status table says of words that belong to replies, not to messages."""

_SAYS_NOTHING: Final = frozenset({None, "ok", "in_progress", "unmapped"})
_SAYS_WHY: Final = frozenset({Status.EXPIRED, Status.CANCELED})
_OUR_WORDS: Final = frozenset({*Status, *STATUS_ALIASES})
_CLOSE: Final = 0.75
"""From how alike on a name is taken for one of ours, written wrong: between "smmp" and "messagemedia"."""


@attrs.frozen(kw_only=True)
class Verdict:
    """What one carrier's code means.

    Attributes:
        reason: one word for why; ``unmapped`` when no source says.
        bounce: what it says about the list, under the profile asked for.
        retryable: the same message to the same number may work later.
        strike: counts towards suppressing the contact.
        opts_out: the person no longer wants messages.
        fault: recipient, content, sender, account or network; None when nobody's.
        mapped: the code is in a table, or among the host's own.
        source: where the carrier documents it, or ``the host``.
    """

    carrier: str | None
    code: str | None
    reason: str
    bounce: Bounce
    retryable: bool
    strike: bool
    opts_out: bool
    fault: str | None
    label: str
    description: str
    advice: str
    source: str
    mapped: bool


@attrs.frozen(kw_only=True)
class StatusWord:
    """What one carrier's status word means.

    Attributes:
        status: ours.
        reason: the cause, where the word itself tells it.
    """

    status: Status
    reason: str | None = None


@attrs.frozen(kw_only=True)
class _Row:
    """One row of a table; ``name`` is the carrier's word or code, ``meaning`` decides ambiguity."""

    name: str
    meaning: tuple[str, ...]
    retryable: bool | None
    description: str
    advice: str
    source: str


class _Table:
    """A carrier's words, found exactly, in any case, or by a part that is unambiguous."""

    def __init__(self, kind: str, rows: list[_Row]) -> None:
        self._kind = kind
        self.rows = {row.name: row for row in rows}
        self._by_part: dict[str, list[_Row]] = {}
        for row in rows:
            for part in _parts(row.name):
                self._by_part.setdefault(part, []).append(row)

    def find(self, carrier: str, name: str) -> _Row | None:
        """Return the row a name means, None when there is none.

        Raises:
            AmbiguousCode: rows that mean different things share this part of their name.
        """
        exact = self.rows.get(name)
        if exact is not None:
            return exact
        found = self._by_part.get(name.lower(), [])
        if len({row.meaning for row in found}) > 1:
            choices = ", ".join(f"{row.name} ({row.meaning[0]})" for row in found)
            raise AmbiguousCode(
                f"{carrier} {self._kind} is {shown(name)}: it means several things; give one of {choices}"
            )
        return found[0] if found else None


def _parts(name: str) -> set[str]:
    """Return the lower-case forms under which people write a qualified name.

    ``dlr:6`` is also written ``6``; ``5/8 REJECTED_PREFIX_MISSING`` also by either half.
    """
    lower = name.lower()
    numbers, _, label = lower.partition(" ")
    return {lower, numbers, label} if "/" in numbers and label else {lower, lower.rpartition(":")[2]}


@functools.cache
def code_table(carrier: str) -> _Table:
    """Return a carrier's table of codes."""
    flags = {"": None, "yes": True, "no": False}
    return _Table(
        "code",
        [
            _Row(
                name=row["code"],
                meaning=(row["reason"], row["retryable"]),
                retryable=flags[row["retryable"]],
                description=row["description"],
                advice=row["advice"],
                source=row["source"],
            )
            for row in read_data("codes", f"{carrier}.csv")
        ],
    )


@functools.cache
def status_table(carrier: str) -> _Table:
    """Return a carrier's table of status words."""
    return _Table(
        "status",
        [
            _Row(
                name=row["word"],
                meaning=(row["status"], row["reason"]),
                retryable=None,
                description=row["description"],
                advice="",
                source=row["source"],
            )
            for row in read_data("statuses", f"{carrier}.csv")
        ],
    )


def check_carrier(carrier: str, profile: Profile | None = None) -> str:
    """Return a carrier's name in our spelling: one of `CARRIERS`, or one that only the host knows.

    Of the host's own we know no words and codes: its messages have our words, and its codes mean
    what the profile says.

    Raises:
        InvalidValue: no name, or one so near to one of ours that it must be a slip, unless the
            profile has codes of it.
    """
    name = str(carrier).strip().lower()
    if name in CARRIERS or (profile and any(name == each for each, _ in profile.codes)):
        return name
    if not name or difflib.get_close_matches(name, CARRIERS, cutoff=_CLOSE):
        raise InvalidValue(f"carrier is {shown(carrier)}: no table of codes for it; nearest: {nearest(name, CARRIERS)}")
    return name


# --- status words ------------------------------------------------------------------------------

_Said = TypeVar("_Said", bound=str | float)


class Column(str):
    """The name of a status column that has words of its own, for ``columns=``.

    ``name`` is what the column is called; ``words`` says what its words mean, each a status
    of ours, in any case, like ours. Numbers and booleans are words too. What is not named
    there keeps the meaning that it has.

    Raises:
        InvalidValue: a meaning is no status of ours, or a word is given two.

    >>> import campaignkit as ck
    >>> state = ck.Column("State", {"OK": "delivered", "KO": "failed", "WAIT": "queued"})
    >>> rows = [{"State": "OK"}, {"State": "KO"}, {"State": "delivered"}]
    >>> ck.summarize(rows, columns={"status": state}).statuses
    {'delivered': 2, 'undelivered': 1}
    """

    __slots__ = ("words",)
    words: dict[str, Status]

    def __new__(cls, name: str, words: Mapping[_Said, str]) -> Self:
        """Return the name, with the words checked."""
        self = super().__new__(cls, name)
        self.words = {}
        if not isinstance(words, Mapping):
            raise InvalidValue(f"words is {shown(words)}: give {{their word: our status}}")
        for word, meaning in words.items():
            try:
                status = parse_status(meaning)
            except UnknownStatus as error:
                said = str(error).removeprefix("status is ")
                raise UnknownStatus(f"{name!r} says that {shown(word)} is {said}") from None
            if self.words.setdefault(_plain(word), status) is not status:
                raise InvalidValue(f"{name!r} gives two meanings to {shown(word)}: give one, whatever its case")
        return self

    def __getnewargs__(self) -> tuple[str, dict[str, Status]]:  # type: ignore[override]  # a str has one
        """Survive pickling."""
        return str(self), self.words


def _plain(word: object) -> str:
    return (parse_code(str(word)) or "").lower()  # 1.0 is the 1 of a column that has gaps


def own_word(column: str, word: object) -> str:
    """Return a word of a status column: the `Status` that a `Column` says it is, else the word as text."""
    if isinstance(word, Status):
        return word
    known = column.words.get(_plain(word)) if isinstance(column, Column) else None
    return str(word) if known is None else known


@functools.lru_cache(maxsize=4096, typed=True)  # typed: Status.UNKNOWN and "unknown" are equal, and differ here
def parse_status_word(carrier: str | None, word: str, *, ours_first: bool = False) -> StatusWord:
    """Return what a status word means: at this carrier, or else in our own words.

    A member of `Status` is always ours. So is a word of ours that the carrier uses for
    several things (Vonage ``rejected``).

    Args:
        carrier: whose word it is; None or a carrier without tables leaves our own words.
        word: as it was written.
        ours_first: where both know the word, ours is meant. Some differ: Vonage's
            ``unknown`` is our ``unconfirmed``.

    Raises:
        UnknownStatus: neither table has it, or it belongs to inbound messages.
        AmbiguousCode: the carrier uses the word for several things, and it is not ours.

    >>> parse_status_word("infobip", "REJECTED_PREFIX_MISSING").reason
    'invalid_number'
    """
    ours = word.lower().strip() in _OUR_WORDS
    if carrier in CARRIERS and not isinstance(word, Status) and not (ours and ours_first):
        row = _status_row(carrier, word)
        if row is not None:
            return _meaning_of(carrier, row)
    if ours or carrier not in CARRIERS:
        return StatusWord(status=parse_status(word))
    known = [*status_table(carrier).rows, *Status]
    raise UnknownStatus(
        f"status is {shown(word)}: neither a word of {carrier} nor one of ours; nearest: {nearest(word, known)}"
    )


def _meaning_of(carrier: str, row: _Row) -> StatusWord:
    status, reason = row.meaning
    if status == INBOUND:
        raise UnknownStatus(
            f"status is {row.name!r}: {carrier} uses it for messages from people; leave such rows out,"
            " or read the log with read_log(), which makes replies of them"
        )
    return StatusWord(status=Status(status), reason=reason or None)


def _status_row(carrier: str, word: str) -> _Row | None:
    try:
        return status_table(carrier).find(carrier, word)
    except AmbiguousCode:
        if word.lower() in _OUR_WORDS:
            return None
        raise


def code_with_word(
    carrier: str | None,
    code: str | None,
    word: str,
    meaning: StatusWord,
    *,
    profile: str | Profile = "campaignkit",
) -> str | None:
    """Return the code to keep: the word itself, marked ``@``, where only it tells the cause.

    >>> code_with_word("sinch", None, "Deleted", parse_status_word("sinch", "Deleted"))
    '@Deleted'
    """
    if meaning.reason is None or meaning.reason == meaning.status:
        return code
    if code is not None and _reason_of(carrier, code, get_profile(profile))[0] not in _SAYS_NOTHING:
        return code
    return f"@{word}"


def classify(
    carrier: str | None,
    code: object = None,
    status: str | None = None,
    *,
    profile: str | Profile = "campaignkit",
) -> Verdict:
    """Return what a carrier's code (and status word) means.

    Args:
        carrier: a name of `CARRIERS`, or of the host's own.
        code: the carrier's code as it writes it; qualified where it reuses numbers
            (Vonage ``dlr:6`` and ``send:6``).
        status: the carrier's word or ours; used where the code does not say.
        profile: whose bounce policy to apply; its own codes win.

    Raises:
        InvalidValue: an unknown carrier or profile.
        AmbiguousCode: the code needs its qualifier.
        UnknownStatus: the status word is in no table.

    >>> verdict = classify("twilio", "30005")
    >>> verdict.reason, verdict.bounce.value, verdict.retryable
    ('number_unknown', 'hard', False)
    >>> classify("twilio", "30003").advice
    'Try again in some hours; if repeated look up the line type.'
    >>> classify("vonage", "6")
    Traceback (most recent call last):
    ...
    campaignkit.errors.AmbiguousCode: vonage code is '6': it means several things; give one of dlr:6 (spam_filtered)...
    """
    known, chosen = parse_code(code), get_profile(profile)
    name = None if carrier is None else check_carrier(carrier, chosen)
    if status is None:
        return verdict_of(name, known, None, chosen)
    meaning = parse_status_word(name, status)
    return verdict_of(name, code_with_word(name, known, status, meaning, profile=chosen), meaning.status, chosen)


@functools.lru_cache(maxsize=65536)
def verdict_of(carrier: str | None, code: str | None, status: Status | None, profile: Profile) -> Verdict:
    """Return the verdict on one distinct (carrier, code, status); `classify` without its checks."""
    said, row = _reason_of(carrier, code, profile)
    mapped = code is None or said not in {None, "unmapped"}
    name = said or "unmapped"
    if said in _SAYS_NOTHING and (mapped or status in _SAYS_WHY):
        # Infobip and others write 0, "no error", on failures too: then the word alone speaks.
        name = _without_code(status, said)
    return _verdict(carrier, code, reasons()[name], row if name == said else None, profile, mapped=mapped)


def _reason_of(carrier: str | None, code: str | None, profile: Profile) -> tuple[str | None, _Row | Code | None]:
    """Return a code's reason and its row: the host's, then our own codes, then the carrier's table."""
    if code is None:
        return None, None
    hosts = profile.codes.get((carrier, code))
    if hosts is not None:
        return hosts.reason, hosts
    if code in reasons() or carrier not in CARRIERS:
        return (code if code in reasons() else None), None
    if code.startswith("@"):
        row = status_table(carrier).find(carrier, code[1:])
        return (row.meaning[1] or None, row) if row else (None, None)
    row = code_table(carrier).find(carrier, code)
    return (row.meaning[0], row) if row else (None, None)


def _without_code(status: Status | None, said: str | None) -> str:
    if status in _SAYS_WHY:
        return status.value
    if status is None or status in FAILURES:
        return said if status is None and said else "no_code"
    return "ok" if status in {Status.DELIVERED, Status.READ} else "in_progress"


def _verdict(
    carrier: str | None, code: str | None, reason: Reason, row: _Row | Code | None, profile: Profile, *, mapped: bool
) -> Verdict:
    said = Code(reason.name, source=None) if row is None else row
    return Verdict(
        carrier=carrier,
        code=code,
        reason=reason.name,
        bounce=profile.bounce_of(reason.name, reason.bounce),
        retryable=reason.retryable if said.retryable is None else said.retryable,
        strike=reason.strike,
        opts_out=reason.opts_out,
        fault=reason.fault,
        label=reason.label,
        description=said.description or reason.label,
        advice=said.advice or reason.advice,
        source=said.source or "",
        mapped=mapped,
    )
