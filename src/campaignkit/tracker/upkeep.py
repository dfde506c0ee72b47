"""Upkeep: what is forgotten, and when. Nothing of it changes a number.

    erase       all that says who somebody is, at once, because they ask for it
    drop_raw    what carriers sent word for word, when it is old
    drop_old    receipts that wait for a message, when none will come any more

Each is many transactions of bounded size, so that nobody waits for long, and each of them leaves a
correct state. Whatever stops one in the middle, calling it again does the rest. For erasing, that is
so because of the order:

    1. wishes and suppressions of the numbers      kept under an alias, found under both
    2. what waits and mentions the numbers         loses its payload
    3. replies, clicks, orders by number or id     hidden
    4. messages, with all that came back of each   by number first, then by contact id

A message goes last, in the transaction in which the last of what came back of it goes: until then it
is what leads there, and what leads from a contact id to its numbers.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar

import attrs

from campaignkit.backends.storage.port import Key, Row, Transaction
from campaignkit.backends.storage.tables import (
    ATTEMPTS,
    CARRIER_IDS,
    CLICKS,
    CONSENTS,
    INBOX,
    MESSAGES,
    ORDERS,
    RECEIPTS,
    REPLIES,
    SUPPRESSIONS,
    Table,
)
from campaignkit.errors import InvalidValue, shown
from campaignkit.grouping import micros_of
from campaignkit.tracker.aliases import Aliases
from campaignkit.tracker.ingest import DROPPED, WAITING, write_notes
from campaignkit.tracker.stored import ERASED, latest
from campaignkit.tracker.timeline import write_action

MOST: Final = 1000
"""How many rows one transaction changes."""

RAW: Final = timedelta(days=30)
"""How long what carriers sent is kept word for word, unless a host says otherwise."""

INBOX_AGE: Final = timedelta(days=7)
"""How long a receipt waits for its message, unless a host says otherwise: carriers report for some days."""

_MESSAGES: Final = 100  # of one transaction; each has receipts of its own
_EVENTS: Final = (REPLIES, CLICKS, ORDERS)
_BACK: Final = (RECEIPTS, *_EVENTS)
_WISHES: Final = (CONSENTS, SUPPRESSIONS)
_SAID: Final[Mapping[str, tuple[str, ...]]] = {
    "out_at": ("out_at", "out_source"),
    "in_at": ("in_at", "in_source"),
    "maybe_at": ("maybe_at", "held_at"),
}
_SPELLED: Final = re.compile(r"\+[0-9 ().-]+")
_FORMATTING: Final = re.compile(r"[ ().-]+")
_DIGITS: Final = re.compile(r"\+?([0-9]{7,15})")

_Found = TypeVar("_Found")


class Transact(Protocol):
    """Does work in a transaction of its own; again where the storage asks for it."""

    def __call__(self, work: Callable[[Transaction], _Found]) -> _Found:
        """Return what the work returned."""
        ...


# --- what was erased, what was dropped ------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Erased:
    """How many rows were changed, or kept under an alias. All 0: there was nothing of that person, or not any more.

    Attributes:
        messages: messages that say no longer to whom they were sent, and what they said.
        receipts: receipts whose payload was dropped; ``waiting``: of those that wait for a message.
        wishes: entries of consent and suppression that stay in force under an alias.
    """

    messages: int = 0
    receipts: int = 0
    replies: int = 0
    clicks: int = 0
    orders: int = 0
    waiting: int = 0
    wishes: int = 0

    def __add__(self, other: Erased) -> Erased:
        return Erased(**{name: getattr(self, name) + getattr(other, name) for name in _COUNTED})


_COUNTED: Final = tuple(field.name for field in attrs.fields(Erased))


@attrs.frozen(kw_only=True)
class Tidied:
    """What was dropped because it was old.

    Attributes:
        raw: receipts whose payload was dropped; the receipts stay.
        waiting: receipts that waited for a message, dropped and counted in `notes`.
    """

    raw: int = 0
    waiting: int = 0


# --- erasing a person -----------------------------------------------------------------------------


def erase(transact: Transact, person: str, *, aliases: Aliases, who: str, now: datetime) -> Erased:
    """Hide all that says who a person is; see the head of this module.

    Args:
        transact: does each step.
        person: a number, or a contact id, which stands for all numbers that it was written to under.
        aliases: of the tenant's people.
        who: for the timeline, the one who does it.
        now: when.

    Raises:
        InvalidValue: no text; or there is no key.
    """
    for name, text in (("contact_or_number", person), ("who", who)):
        if not isinstance(text, str) or not text.strip():
            kind = "empty" if isinstance(text, str) else f"of type {type(text).__name__}"
            raise InvalidValue(f"{name} is {kind}: must be text that is not empty; give it as messages have it")
    if aliases.of(person) == person:  # an alias: what is kept under it stays
        return Erased()
    spelled = _spellings(person)
    numbers = sorted(spelled | transact(lambda tx: _numbers_of(tx, person)))
    return _Erasing(transact, person, spelled, aliases, who, micros_of(now)).run(numbers)


def _spellings(person: str) -> set[str]:
    """Return how a number may be written: as it was given, without formatting, and without its plus."""
    if not _SPELLED.fullmatch(person):
        return {person}
    plain = _FORMATTING.sub("", person)
    return {person, plain, plain[1:]}


def _numbers_of(tx: Transaction, contact: str) -> set[str]:
    """Return the numbers that stand beside a contact id."""
    return {
        row["to"]
        for table in (MESSAGES, *_EVENTS)
        for row in tx.walk(table, index="contact", where={"contact_id": contact})
        if row["to"] is not None and not row["to"].startswith(ERASED)
    }


@attrs.frozen
class _Erasing:
    transact: Transact
    person: str
    spelled: set[str]
    aliases: Aliases
    who: str
    now: int

    def run(self, numbers: Sequence[str]) -> Erased:
        """Do it all, in the order of which the head of this module speaks."""
        found = Erased()
        for number in numbers:
            found += Erased(wishes=self.transact(functools.partial(self._keep_wishes, number=number)))
        found += self._waiting(numbers)
        places = [("to", {"to": number}) for number in numbers] + [("contact", {"contact_id": self.person})]
        for index, where in places:
            for table in _EVENTS:
                found += self._walk(table, index, where, self._hide_events)
        for index, where in places:
            found += self._walk(MESSAGES, index, where, self._hide_messages)
        return found

    def _is_theirs(self, row: Row) -> bool:
        """Return whether a row is about this person, and not about another one who shares the number."""
        return row["contact_id"] in {None, self.person} or row["to"] in self.spelled

    # --- wishes

    def _keep_wishes(self, tx: Transaction, number: str) -> int:
        """Put what somebody wished under their alias, joined with what stands there already."""
        kept = 0
        for table in _WISHES:
            rows = tx.lock(table, [table.key_of(row) for row in tx.scan(table, where={"to": number})])
            moved = [{**row, "to": self.aliases.of(number)} for row in rows.values()]
            there = tx.lock(table, [table.key_of(row) for row in moved])
            tx.put(table, [_both(table, there.get(table.key_of(row)), row) for row in moved])
            kept += tx.delete(table, rows)
        return kept

    # --- the inbox

    def _waiting(self, numbers: Iterable[str]) -> Erased:
        """Drop what was sent of receipts that wait and mention a number."""
        digits = {said[1] for number in numbers if (said := _DIGITS.fullmatch(_FORMATTING.sub("", number)))}
        found = Erased()
        after: Key | None = None
        while True:
            count, after = self.transact(functools.partial(_hide_waiting, digits=digits, after=after))
            found += Erased(waiting=count)
            if after is None:
                return found

    # --- messages, and what came back

    def _walk(
        self,
        table: Table,
        index: str,
        where: Row,
        hide: Callable[[Transaction, Table, Sequence[Row]], tuple[Erased, bool]],
    ) -> Erased:
        """Hide the rows of a scan, page by page; a page that is not done is done again."""
        found = Erased()
        after: Key | None = None

        def once(tx: Transaction) -> tuple[Erased, Key | None, bool]:
            page = tx.scan(table, index=index, where=where, after=after, limit=_MESSAGES)
            if not page:
                return Erased(), after, True
            hidden, done = hide(tx, table, [row for row in page if self._is_theirs(row)])
            beyond = tuple(page[-1][name] for name in table.order(index))
            return hidden, beyond if done else after, done and len(page) < _MESSAGES

        while True:
            hidden, after, last = self.transact(once)
            found += hidden
            if last:
                return found

    def _hide_events(self, tx: Transaction, table: Table, rows: Sequence[Row]) -> tuple[Erased, bool]:
        changed = self._hide(tx, table, rows)
        return Erased(**{table.name: changed}), True

    def _hide(self, tx: Transaction, table: Table, rows: Sequence[Row]) -> int:
        """Put rows without what they say of somebody; return how many said it."""
        pairs = [(row, self._hidden(table, row)) for row in rows]
        changed = [(old, new) for old, new in pairs if old != new]
        tx.delete(table, sorted(table.key_of(old) for old, new in changed if table.key_of(old) != table.key_of(new)))
        tx.put(table, sorted((new for _, new in changed), key=table.key_of))
        return len(changed)

    def _hidden(self, table: Table, row: Row) -> Row:
        return {**row, "raw": None, "raw_since": None} if table is RECEIPTS else self.aliases.hidden(table, row)

    def _hide_messages(self, tx: Transaction, table: Table, rows: Sequence[Row]) -> tuple[Erased, bool]:
        """Hide messages, once all that came back of them is; return whether all are."""
        found, left = Erased(), MOST
        held = tx.lock(table, sorted(table.key_of(row) for row in rows))
        for row in (held[key] for key in sorted(held)):
            for back in _BACK:
                index = None if back is RECEIPTS else "message"  # their key begins with it
                for page in tx.pages(back, index=index, where={"message_id": row["message_id"]}, size=_MESSAGES):
                    count = self._hide(tx, back, page)
                    found += Erased(**{back.name: count})
                    left -= count
                    if left <= 0:
                        return found, False
            found += Erased(messages=self._hide(tx, table, [row]))
            left -= 1
            if row["campaign_id"] is not None:
                write_action(tx, row["campaign_id"], self.now, "erased", who=self.who, why=None)
        return found, True


def _both(table: Table, there: Row | None, row: Row) -> Row:
    """Return what two entries about one person say together."""
    if there is None:
        return row
    if table is SUPPRESSIONS:
        forgiven = latest(there["forgiven_at"], row["forgiven_at"])
        stand = [each for each in (there, row) if each["since"] is not None]
        return {**min(stand, key=lambda each: each["since"], default=row), "forgiven_at": forgiven}
    said = {name: _later(there, row, moment)[name] for moment, names in _SAID.items() for name in names}
    return {**row, **said}


def _later(one: Row, other: Row, moment: str) -> Row:
    return other if (other[moment] or 0) > (one[moment] or 0) else one


def _hide_waiting(tx: Transaction, digits: Iterable[str], after: Key | None) -> tuple[int, Key | None]:
    page = tx.scan(INBOX, after=after, limit=MOST)
    rows = _locked(tx, [row for row in page if _mentions(row, digits)])[0]
    tx.put(INBOX, [{**row, "receipt": {**row["receipt"], "raw": None, "raw_since": None}} for row in rows])
    return len(rows), INBOX.key_of(page[-1]) if len(page) == MOST else None


def _mentions(row: Row, digits: Iterable[str]) -> bool:
    raw = row["receipt"].get("raw")
    if raw is None:
        return False
    said = _FORMATTING.sub("", json.dumps(raw))
    return any(each in said for each in digits)


# --- what is old ----------------------------------------------------------------------------------


def drop_raw(tx: Transaction, before: int) -> int:
    """Drop the payloads of some receipts that came before a moment; return of how many, 0 when there are no more."""
    page = [row for row in tx.scan(RECEIPTS, index="raw", limit=MOST) if row["raw_since"] < before]
    tx.lock(MESSAGES, sorted({(row["message_id"],) for row in page}))  # so that no receipt is heard meanwhile
    rows = tx.get(RECEIPTS, [RECEIPTS.key_of(row) for row in page])
    tx.update(RECEIPTS, (*RECEIPTS.key, "raw", "raw_since"), [(*key, None, None) for key in rows])
    return len(rows)


def drop_old(tx: Transaction, before: int, now: int) -> int:
    """Drop some receipts that wait since before a moment; return how many, 0 when there are no more."""
    return drop_waiting(
        tx, [row for row in tx.scan(INBOX, index="received", limit=MOST) if row["received_at"] < before], now
    )


def drop_waiting(tx: Transaction, rows: Sequence[Row], now: int) -> int:
    """Drop receipts from the inbox, with the ids that only they were waiting for; return how many there were."""
    still, attempts, ids = _locked(tx, rows)
    count = tx.delete(INBOX, [INBOX.key_of(row) for row in still])
    for table, index, held in ((ATTEMPTS, "attempt", attempts), (CARRIER_IDS, "carrier", ids)):
        columns = INBOX.indexes[index]
        free = [key for key, row in held.items() if row["message_id"] is None]
        waited = {key: dict(zip(columns, key, strict=True)) for key in free}
        tx.delete(
            table, [key for key, where in waited.items() if not tx.scan(INBOX, index=index, where=where, limit=1)]
        )
    write_notes(tx, {(WAITING, ""): -count, (DROPPED, ""): count}, now)
    return count


def _locked(tx: Transaction, rows: Iterable[Row]) -> tuple[list[Row], dict[Key, Row], dict[Key, Row]]:
    """Lock the ids that receipts wait for, without which nobody changes them; return what still waits, and the ids."""
    found = list(rows)
    attempts = tx.lock(ATTEMPTS, sorted({(row["attempt_id"],) for row in found if row["attempt_id"] is not None}))
    named = {(row["carrier"], row["carrier_id"]) for row in found if row["carrier_id"] is not None}
    ids = tx.lock(CARRIER_IDS, sorted(named))
    there = tx.get(INBOX, [INBOX.key_of(row) for row in found])
    return [there[key] for key in sorted(there)], attempts, ids


def tidy(transact: Transact, *, raw: timedelta | None, inbox: timedelta | None, now: datetime) -> Tidied:
    """Drop what is older than it may get.

    Raises:
        InvalidValue: an age that cannot be meant.
    """
    return Tidied(
        raw=_until_done(transact, drop_raw, _before("raw", raw, now)),
        waiting=_until_done(transact, functools.partial(drop_old, now=micros_of(now)), _before("inbox", inbox, now)),
    )


def _until_done(transact: Transact, step: Callable[[Transaction, int], int], before: int | None) -> int:
    total = 0
    while before is not None and (count := transact(lambda tx: step(tx, before))):
        total += count
    return total


def _before(name: str, age: timedelta | None, now: datetime) -> int | None:
    if age is None:
        return None
    if not isinstance(age, timedelta) or age < timedelta(0):
        raise InvalidValue(f"{name} is {shown(age)}: give a timedelta from zero, like timedelta(days=30), or None")
    return micros_of(now - age)
