"""What a person reads of a tracked campaign: its log, who clicked, and people by what they did.

    log         messages, page by page      ─┐
    clickers    who clicked, page by page    ├─ walked in the order of message ids
    contacts    people, each once           ─┘

Whichever index a walk uses, of a person, of a status, of the campaign, it goes by message id. A
message keeps that for ever, so while others write, a message that fits all along is on one page, once.
"""

from __future__ import annotations

import base64
import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Generic, Literal, TypeVar, cast

import attrs

from campaignkit.backends.storage.port import Key, Row, Transaction
from campaignkit.backends.storage.tables import CLICKS, MESSAGES
from campaignkit.display import visible
from campaignkit.errors import InvalidValue, nearest, shown
from campaignkit.models import Bounce, Message, Status, parse_status
from campaignkit.profiles import Profile
from campaignkit.tracker.details import (
    LOOKED_AT,
    MOST,
    asked_limit,
    asked_moment,
    asked_text,
    because,
    clock,
    rows_about,
    storable,
    verdict_for,
    who,
)
from campaignkit.tracker.people import standing
from campaignkit.tracker.policies import Rules
from campaignkit.tracker.stored import ARRIVED, FAILED, Stored, digest, is_erased, message_of, moment_of
from campaignkit.verdicts import Verdict

_GROUPS: Final[Mapping[str, frozenset[Status]]] = {"failed": FAILED}

_Row = TypeVar("_Row")


@attrs.frozen(kw_only=True)
class Page(Generic[_Row]):
    """Some rows of many.

    Attributes:
        rows: those of this page; a page is iterated and measured as they are.
        next: what to give as ``after=`` for the page behind it; None at the end. A page may be short,
            even empty, and not be the last.
    """

    rows: tuple[_Row, ...]
    next: str | None = None

    def __iter__(self) -> Iterator[_Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        """Return a line for each row."""
        return "\n".join(map(str, self.rows))


# --- cursors -----------------------------------------------------------------------------------


def _cursor(about: str, message_id: str) -> str:
    """Return where a page ended, and what it was a page of."""
    written = json.dumps([about, message_id], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(written).decode().rstrip("=")


def _place(after: object, about: str) -> str | None:
    """Return the message behind which a page begins.

    Raises:
        InvalidValue: not the cursor of such a page.
    """
    if after is None:
        return None
    try:
        text = asked_text("after", after)
        told, message_id = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, TypeError, RecursionError):
        told, message_id = None, None
    if told != about or not isinstance(message_id, str) or not storable(message_id):
        raise InvalidValue(
            f"after is {shown(after)}: not the next of a page that was asked for like this one;"
            " give page.next with the same other arguments, or None to begin"
        )
    return message_id


def _stream(tx: Transaction, index: str, where: Mapping[str, str], behind: tuple[str, ...], size: int) -> Iterator[Row]:
    """Yield the messages of an index that ends with their ids, those behind one, read a few at a time."""
    after: Key | None = (*where.values(), *behind) if behind else None
    while page := tx.scan(MESSAGES, index=index, where=where, after=after, limit=size):
        yield from page
        if len(page) < size:
            return
        after = (*where.values(), page[-1]["message_id"])


# --- the log -----------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Logged:
    """One line of a message log.

    Attributes:
        message: as it stands now.
        reason: why it did not arrive or was skipped, in one word; None where there is nothing to say.
        verdict: what the code means and what to do; None where there is nothing to say.
        parts: (arrived, expected) parts of the attempt that got furthest.
        conflict: some part was reported both as arrived and as failed.
    """

    message: Message
    reason: str | None
    verdict: Verdict | None
    parts: tuple[int, int]
    conflict: bool

    def __str__(self) -> str:
        """Return it as one line."""
        message = self.message
        times = [("sent", message.sent_at), ("delivered", message.delivered_at)]
        told = [who(message), message.status.value, *(f"{word} {clock(at)}" for word, at in times if at)]
        if self.verdict is not None:
            told.append(because(self.verdict))
        elif self.reason is not None:
            told.append(visible(self.reason))
        return ", ".join(told)


def logged(row: Row, rules: Rules) -> Logged:
    """Return a row of messages as a line of the log."""
    message = message_of(row)
    verdict = verdict_for(message.status, message.carrier, message.error_code, rules.profile)
    return Logged(
        message=message,
        reason=_reason(row, rules.profile),
        verdict=verdict,
        parts=Stored.of(row, rules.policy).state.parts,
        conflict=bool(row["conflict"]),
    )


def _reason(row: Row, profile: Profile) -> str | None:
    status = Status(row["status"])
    if status is Status.SKIPPED:
        return None if row["skip_reason"] is None else str(row["skip_reason"])
    verdict = verdict_for(status, row["carrier"], row["error_code"], profile)
    return None if verdict is None else verdict.reason


def statuses_of(status: object) -> frozenset[Status] | None:
    """Return the statuses that are asked for: one word of ours or several; None for all.

    ``failed`` is every status of a message that was handed off and did not arrive.

    Raises:
        UnknownStatus: a word that is not ours; the error names the nearest.
    """
    if status is None:
        return None
    words = [status] if isinstance(status, str) or not isinstance(status, Iterable) else [*status]
    found = (_GROUPS.get(str(word).strip().lower()) or frozenset({parse_status(word)}) for word in words)
    return frozenset().union(*found)


def _reasons_of(reason: object) -> frozenset[str] | None:
    if reason is None:
        return None
    words = [reason] if isinstance(reason, str) or not isinstance(reason, Iterable) else [*reason]
    return frozenset(asked_text("reason", word) for word in words)


@attrs.frozen(kw_only=True)
class Asked:
    """What a page of a log is asked for."""

    campaign: str
    statuses: frozenset[Status] | None
    reasons: frozenset[str] | None
    contact: str | None
    to: str | None
    since: int | None
    until: int | None

    @classmethod
    def of(cls, *, campaign: object, status: object, reason: object, **rest: Any) -> Asked:
        """Return the arguments of a call, checked; what is not given is None."""
        given = {name: None if rest[name] is None else asked_text(name, rest[name]) for name in ("contact", "to")}
        return cls(
            campaign=asked_text("campaign", campaign),
            statuses=statuses_of(status),
            reasons=_reasons_of(reason),
            since=asked_moment("since", rest["since"]),
            until=asked_moment("until", rest["until"]),
            **given,
        )

    @property
    def about(self) -> str:
        """What tells it from other questions."""
        several = [sorted(each) if each is not None else None for each in (self.statuses, self.reasons)]
        return digest("log", self.campaign, *several, self.contact, self.to, self.since, self.until)[:12]

    @property
    def walked(self) -> bool:
        """Whether every row that is looked at fits."""
        return all(each is None for each in (self.reasons, self.contact, self.to, self.since, self.until))

    def fits(self, row: Row, profile: Profile) -> bool:
        """Return whether a row is asked for."""
        return (
            row["campaign_id"] == self.campaign
            and (self.contact is None or row["contact_id"] == self.contact)
            and (self.to is None or row["to"] == self.to)
            and (self.statuses is None or row["status"] in self.statuses)
            and self._in_time(row["sent_at"] if row["sent_at"] is not None else row["created_at"])
            and (self.reasons is None or _reason(row, profile) in self.reasons)
        )

    def _in_time(self, at: int | None) -> bool:
        if self.since is None and self.until is None:
            return True
        if at is None:
            return False
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


def read_log(tx: Transaction, rules: Rules, asked: Asked, *, after: object, limit: object) -> Page[Logged]:
    """Return a page of the messages of a campaign that are asked for, in the order of their ids."""
    most, start = asked_limit(limit), _place(after, asked.about)
    if not storable(asked.campaign, asked.contact, asked.to):
        return Page(rows=())
    rows = _walk(tx, asked, start, most)
    return _page(
        rows, lambda row: asked.fits(row, rules.profile), lambda row: logged(row, rules), most=most, about=asked.about
    )


def _page(
    rows: Iterable[Row], fits: Callable[[Row], bool], make: Callable[[Row], _Row], *, most: int, about: str
) -> Page[_Row]:
    """Return what is made of the first rows that fit; the page is short when too many had to be looked at."""
    found: list[_Row] = []
    last = ""
    for looked_at, row in enumerate(rows):
        if len(found) == most or looked_at == LOOKED_AT:
            return Page(rows=tuple(found), next=_cursor(about, last))
        last = row["message_id"]
        if fits(row):
            found.append(make(row))
    return Page(rows=tuple(found))


def _walk(tx: Transaction, asked: Asked, start: str | None, limit: int) -> Iterator[Row]:
    """Yield the messages among which those that are asked for are, in the order of their ids, behind one."""
    for index, column, value in (("contact", "contact_id", asked.contact), ("to", "to", asked.to)):
        if value is not None:
            rows = tx.scan(MESSAGES, index=index, where={column: value}, limit=LOOKED_AT + 1)
            if len(rows) <= LOOKED_AT:
                rows.sort(key=_id_of)
                yield from (row for row in rows if start is None or row["message_id"] > start)
                return
    size = min(limit + 1, MOST) if asked.walked else MOST
    yield from _in_order(tx, asked.campaign, asked.statuses, start, size)


def _in_order(
    tx: Transaction, campaign: str, statuses: Iterable[Status] | None, start: str | None = None, size: int = MOST
) -> Iterator[Row]:
    """Yield the messages of a campaign, or those in some statuses, in the order of their ids."""
    behind = () if start is None else (start,)
    if statuses is None:
        yield from _stream(tx, "campaign", {"campaign_id": campaign}, behind, size)
        return
    streams = (
        _stream(tx, "status", {"campaign_id": campaign, "status": status.value}, behind, size)
        for status in sorted(statuses)
    )
    yield from heapq.merge(*streams, key=_id_of)


def _id_of(row: Row) -> str:
    return str(row["message_id"])


# --- who clicked -------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Clicker:
    """Somebody who clicked in a message, and when.

    Attributes:
        message: the message.
        clicks: how often.
        first: the moment of the first click, and ``last`` of the last; None where the message was
            recorded with its clicks, and not when they were.
        urls: what was clicked, each once, the first first.
    """

    message: Message
    clicks: int
    first: datetime | None
    last: datetime | None
    urls: tuple[str, ...]

    def __str__(self) -> str:
        """Return it as one line."""
        times = "once" if self.clicks == 1 else f"{self.clicks} times, last {clock(self.last)}"
        return f"{who(self.message)}, {clock(self.first)}, {times}"


def read_clickers(tx: Transaction, campaign: object, *, after: object, limit: object) -> Page[Clicker]:
    """Return a page of who clicked in a campaign, in the order of message ids."""
    name, most = asked_text("campaign", campaign), asked_limit(limit)
    about = digest("clickers", name)[:12]
    start = _place(after, about)
    rows = _in_order(tx, name, None, start) if storable(name) else ()
    return _page(rows, lambda row: bool(row["clicks"]), lambda row: _clicker(tx, row), most=most, about=about)


def _clicker(tx: Transaction, row: Row) -> Clicker:
    first = last = None
    urls: dict[str, None] = {}
    for each in rows_about(tx, CLICKS, row["message_id"]):  # the earliest first
        first, last = first or each, each
        if each["url"] is not None:
            urls[each["url"]] = None
    return Clicker(
        message=message_of(row),
        clicks=row["clicks"],
        first=None if first is None else moment_of(first["clicked_at"]),
        last=None if last is None else moment_of(last["clicked_at"]),
        urls=tuple(urls),
    )


# --- people who did something ------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Contact:
    """One person: a contact id, or where there is none a number."""

    contact_id: str | None
    to: str | None
    name: str | None


Who = Literal[
    "delivered", "read", "replied", "clicked", "ordered", "engaged",
    "no_reply", "no_click", "not_delivered", "failed", "soft", "hard", "opted_out",
]  # fmt: skip
"""Which people of a campaign; `Tracker.contacts` says what each word means."""


@attrs.frozen
class _Word:
    """People with a message that fits, and none that speaks against it; ``None`` for every status."""

    fits: Callable[[Row, Profile], bool]
    among: frozenset[Status] | None = None
    unless: Callable[[Row, Profile], bool] | None = None
    unless_among: frozenset[Status] | None = None
    to_send: bool = True


def _all(_row: Row, _profile: Profile) -> bool:
    return True


def _engaged(row: Row, _profile: Profile) -> bool:
    return bool(row["replies"] or row["clicks"] or row["orders"])


def _bounced(*kinds: Bounce) -> Callable[[Row, Profile], bool]:
    def fits(row: Row, profile: Profile) -> bool:
        verdict = verdict_for(Status(row["status"]), row["carrier"], row["error_code"], profile)
        return verdict is not None and verdict.bounce in kinds

    return fits


def _any(*columns: str) -> Callable[[Row, Profile], bool]:
    return lambda row, _profile: any(row[name] for name in columns)


_ELSE: Final = frozenset(Status) - ARRIVED
_WORDS: Final[Mapping[str, _Word]] = {
    "delivered": _Word(_all, ARRIVED),
    "read": _Word(_all, frozenset({Status.READ})),
    "replied": _Word(_any("replies")),
    "clicked": _Word(_any("clicks")),
    "ordered": _Word(_any("orders")),
    "engaged": _Word(_engaged),
    "no_reply": _Word(_all, ARRIVED, _any("replies", "stop_replies")),
    "no_click": _Word(_all, ARRIVED, _any("clicks")),
    "not_delivered": _Word(_all, _ELSE, _all, ARRIVED),
    "failed": _Word(_all, FAILED, _all, ARRIVED),
    "soft": _Word(_bounced(Bounce.SOFT), FAILED, _all, ARRIVED),
    "hard": _Word(_bounced(Bounce.HARD, Bounce.DELETED), FAILED, _all, ARRIVED, to_send=False),
    "opted_out": _Word(_any("opted_out"), to_send=False),
}


def check_who(what: object) -> Who:
    """Return a word that says which people.

    Raises:
        InvalidValue: another one.
    """
    if not isinstance(what, str) or what not in _WORDS:
        raise InvalidValue(f"what is {shown(what)}: give one of {nearest(what, _WORDS)}")
    return cast("Who", what)


def read_contacts(tx: Transaction, rules: Rules, campaign: object, what: Who, *, everyone: bool) -> Iterator[Contact]:
    """Yield people of a campaign, each once; those who may not be sent to only when ``everyone`` is asked for."""
    name, word = asked_text("campaign", campaign), _WORDS[what]
    if not storable(name):
        return
    chosen = _chosen(tx, rules.profile, name, word)
    if word.to_send and not everyone:
        chosen -= {_person(row) for row in _in_order(tx, name, None) if row["opted_out"] and row["to"] is None}
    for row in _in_order(tx, name, word.among):
        person = _person(row)
        if is_erased(row):
            continue  # who that was is not known any more
        if person in chosen and word.fits(row, rules.profile):
            chosen.discard(person)
            if everyone or not word.to_send or _may_send(tx, row, rules):
                yield Contact(contact_id=row["contact_id"], to=row["to"], name=row["contact_name"])


def _chosen(tx: Transaction, profile: Profile, campaign: str, word: _Word) -> set[tuple[int, str]]:
    """Return the people with a message that fits, and none that speaks against it."""
    chosen = {_person(row) for row in _in_order(tx, campaign, word.among) if word.fits(row, profile)}
    if word.unless is not None:
        for row in _in_order(tx, campaign, word.unless_among):
            if word.unless(row, profile):
                chosen.discard(_person(row))
    return chosen


def _person(row: Row) -> tuple[int, str]:
    """Return what tells people apart: the contact id, else the number, else the message."""
    named = ((place, row[column]) for place, column in enumerate(("contact_id", "to", "message_id")))
    return next((place, name) for place, name in named if name is not None)


def _may_send(tx: Transaction, row: Row, rules: Rules) -> bool:
    return row["to"] is None or standing(tx, row["to"], row["sender"], rules).may_send
