"""One message with all that came of it, and what was said between us and a person.

Both are read from rows when they are asked for; why a message failed is read from its code
with the tables of today, and is stored nowhere. Printed, each is lines that a person can read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from campaignkit.backends.storage.port import Row, Transaction
from campaignkit.backends.storage.tables import ATTEMPTS, CLICKS, MESSAGES, ORDERS, REPLIES, Table
from campaignkit.display import visible
from campaignkit.errors import AmbiguousCode, InvalidValue, UnknownStatus, shown
from campaignkit.grouping import micros_of
from campaignkit.models import (
    NEVER_HANDED_OFF,
    Attempt,
    Bounce,
    Click,
    Message,
    Order,
    Outcome,
    Reply,
    Status,
    moment,
)
from campaignkit.profiles import Profile
from campaignkit.tracker.policies import Rules
from campaignkit.tracker.stored import (
    Stored,
    click_of,
    message_of,
    micros,
    moment_of,
    order_of,
    receipts_about,
    reply_of,
)
from campaignkit.verdicts import FAILURES, Verdict, code_with_word, parse_status_word, verdict_of

MOST: Final = 1000
"""How many rows a call returns at most."""

LOOKED_AT: Final = 10_000
"""How many rows of one person, or for one page of a log, are looked at."""


# --- what codes and rows mean ------------------------------------------------------------------


def verdict_for(status: Status, carrier: str | None, code: str | None, profile: Profile) -> Verdict | None:
    """Return why a message failed or was refused; None where it did not.

    A code that means several things is as good as none.
    """
    if status not in FAILURES:
        return None
    try:
        return verdict_of(carrier, code, status, profile)
    except AmbiguousCode:
        return verdict_of(carrier, None, status, profile)


def clock(at: datetime | None) -> str:
    """Return a moment to the second, in UTC."""
    return "at an unknown time" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def who(message: Message) -> str:
    """Return a person as a sentence names them: the name, else the id, and the number."""
    name = message.contact_name or message.contact_id
    number = message.to if name is not None else None
    return visible(f"{name or message.to or 'somebody'}{f' ({number})' if number else ''}")


def because(verdict: Verdict | None) -> str:
    """Return a cause in words, with the code as the carrier wrote it."""
    if verdict is None or (verdict.code is None and verdict.reason == "no_code"):
        return "no code says why"
    code = "" if verdict.code in {None, verdict.reason} else f"code {verdict.code}"
    code = code.replace("code @", "word ")  # where only the carrier's word says it
    notes = [code, f"{verdict.bounce.value} bounce" if verdict.bounce is not Bounce.NONE else ""]
    told = ", ".join(filter(None, notes))
    what = verdict.description if verdict.mapped else "a code that no table has"
    return visible(f"{what} ({told})" if told else what)


def asked_text(name: str, value: object) -> str:
    """Return an argument that must be text."""
    if not isinstance(value, str):
        raise InvalidValue(f"{name} is {shown(value)}: must be text; give it as it was recorded")
    return value


def storable(*texts: str | None) -> bool:
    """Return whether texts can stand in a storage at all; what cannot is nowhere."""
    try:
        return not any("\0" in each for each in texts if each and each.encode())
    except UnicodeEncodeError:
        return False


def asked_moment(name: str, value: datetime | None) -> int | None:
    """Return an argument that must be an aware datetime, as the storage has it."""
    return None if value is None else micros_of(moment(name, value))


def asked_limit(value: object) -> int:
    """Return an argument that says how many rows are wanted."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
        raise InvalidValue(f"limit is {shown(value)}: must be a whole number from 1 to {MOST:,}, of rows")
    return value


# --- one message -------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class AttemptDetails:
    """One try of ours to hand a message over.

    Attributes:
        attempt_id: ours; None where none was given.
        verdict: what the carrier's code means; None where there is none.
        started_at: when it began, where that was told.
        ended_at: when its outcome was known.
    """

    number: int
    outcome: Outcome
    parts: int
    attempt_id: str | None = None
    carrier: str | None = None
    carrier_id: str | None = None
    error_code: str | None = None
    verdict: Verdict | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None

    def __str__(self) -> str:
        """Return it as one line."""
        by = f" by {self.carrier}" if self.carrier and self.outcome in {Outcome.TAKEN, Outcome.REFUSED} else ""
        told = [f"attempt {self.number}: {self.outcome.value}{by}"]
        told += [f"as {self.carrier_id}"] if self.carrier_id else []
        told += [f"in {self.parts} parts"] if self.parts > 1 else []
        told += [because(self.verdict)] if self.verdict else []
        return visible(", ".join(told))


@attrs.frozen(kw_only=True)
class ReceiptDetails:
    """One thing the carrier said, and how often.

    Attributes:
        word: as the carrier wrote it.
        status: what the word means; None for one that is in no table, which changes nothing.
        verdict: what the code means; None where there is none.
        at: when it happened: the carrier's time, or the first time it reached us.
        received_at: when it first reached us.
        duplicates: how often it came again.
        raw: what the carrier sent; None when that was not kept.
    """

    word: str
    status: Status | None
    error_code: str | None = None
    verdict: Verdict | None = None
    carrier: str | None = None
    attempt: int = 1
    part: int = 0
    at: datetime | None = None
    received_at: datetime | None = None
    duplicates: int = 0
    raw: Mapping[str, Any] | None = attrs.field(default=None, repr=False)

    def __str__(self) -> str:
        """Return it as one line."""
        meaning = "no word we know" if self.status is None else self.status.value
        told = [f'receipt: "{self.word}"' + (f" ({meaning})" if meaning != self.word else "")]
        told += [f"attempt {self.attempt}"] if self.attempt > 1 else []
        told += [f"part {self.part}"] if self.part else []
        told += [because(self.verdict)] if self.verdict else []
        told += [f"came {self.duplicates + 1} times"] if self.duplicates else []
        return visible(", ".join(told))


@attrs.frozen(kw_only=True)
class MessageDetails:
    """One message, and everything that is known of it.

    Printed, it is a line for each thing, in the order of time.

    Attributes:
        message: as it stands now.
        verdict: why it did not arrive; None where it did, or where nothing was said.
        parts: (arrived, expected) parts of the attempt that got furthest.
        conflict: some part was reported both as arrived and as failed.
        attempts: what we did, in their order.
        receipts: what the carrier said, as it came; likewise `replies`, `clicks` and `orders`.
    """

    message: Message
    verdict: Verdict | None
    parts: tuple[int, int]
    conflict: bool
    attempts: tuple[AttemptDetails, ...]
    receipts: tuple[ReceiptDetails, ...]
    replies: tuple[Reply, ...]
    clicks: tuple[Click, ...]
    orders: tuple[Order, ...]

    def __str__(self) -> str:
        """Return a line for each thing, in the order of time."""
        message = self.message
        head = f"message {visible(str(message.message_id))} to {who(message)}: {message.status.value}"
        head += f", {because(self.verdict)}" if self.verdict else ""
        events = sorted(self._events(), key=lambda each: micros(each[0]) or 0)
        lines = [head, *(f"  {clock(at) if at else '-':23}  {line}" for at, line in events)]
        if self.conflict:
            lines.append("  conflict: reported both as arrived and as failed")
        return "\n".join(lines)

    def _events(self) -> Iterator[tuple[datetime | None, str]]:
        yield from ((each.ended_at or each.started_at, str(each)) for each in self.attempts)
        yield from ((each.at or each.received_at, str(each)) for each in self.receipts)
        for reply in self.replies:
            asked = f" ({reply.keyword.value})" if reply.keyword else ""
            yield reply.received_at, visible(f'reply: "{reply.text}"{asked}')
        yield from ((each.clicked_at, visible(f"click: {each.url or 'a link'}")) for each in self.clicks)
        for order in self.orders:
            money = "" if order.revenue is None else f" for {order.revenue} {order.currency}"
            yield order.ordered_at, visible(f"{'assisted ' * order.assisted}order{money}")


def read_details(tx: Transaction, rules: Rules, message_id: object) -> MessageDetails | None:
    """Return everything that is known of a message; None when there is no such message."""
    name = asked_text("message_id", message_id)
    row = tx.get(MESSAGES, [(name,)]).get((name,)) if storable(name) else None
    if row is None:
        return None
    message = message_of(row)
    return MessageDetails(
        message=message,
        verdict=verdict_for(message.status, message.carrier, message.error_code, rules.profile),
        parts=Stored.of(row, rules.policy).state.parts,
        conflict=bool(row["conflict"]),
        attempts=tuple(_attempts(tx, row, rules)),
        receipts=tuple(receipts_of(tx, row, rules.profile)),
        replies=tuple(sorted(map(reply_of, rows_about(tx, REPLIES, name)), key=lambda each: each.received_at)),
        clicks=tuple(sorted(map(click_of, rows_about(tx, CLICKS, name)), key=lambda each: each.clicked_at)),
        orders=tuple(sorted(map(order_of, rows_about(tx, ORDERS, name)), key=lambda each: each.ordered_at)),
    )


def rows_about(tx: Transaction, table: Table, message_id: str) -> Iterator[Row]:
    """Return the rows of a table that are about a message, in the order of its index by message."""
    return tx.walk(table, index="message", where={"message_id": message_id})


def _attempts(tx: Transaction, row: Row, rules: Rules) -> Iterator[AttemptDetails]:
    """Yield attempts as the message knows them, with what the storage keeps of handing them over."""
    made = Stored.of(row, rules.policy).state.attempts
    rows: dict[int, list[Row]] = {}
    for each in rows_about(tx, ATTEMPTS, row["message_id"]):
        rows.setdefault(each["number"], []).append(each)
    for number, attempt in sorted(made.items()):
        for told in rows.get(number, [{}]):
            yield _attempt_of(attempt, told, told.get("carrier") or row["carrier"], rules.profile)


def _attempt_of(attempt: Attempt, row: Row, carrier: str | None, profile: Profile) -> AttemptDetails:
    ours, code = row.get("attempt_id"), attempt.error_code
    return AttemptDetails(
        number=attempt.number,
        outcome=attempt.outcome,
        parts=attempt.parts,
        attempt_id=None if ours is None or "/" in ours else ours,
        carrier=carrier,
        carrier_id=row.get("carrier_id"),
        error_code=code,
        verdict=verdict_for(Status.REFUSED, carrier, code, profile) if attempt.outcome is Outcome.REFUSED else None,
        started_at=moment_of(row.get("started_at")),
        ended_at=moment_of(row.get("ended_at")),
    )


def receipts_of(tx: Transaction, row: Row, profile: Profile) -> Iterator[ReceiptDetails]:
    """Yield what the carrier said of a message, as it came."""
    for each in receipts_about(tx, row["message_id"]):
        carrier = each["carrier"] or row["carrier"]
        status, verdict = _meaning(carrier, each["status"], each["error_code"], profile)
        yield ReceiptDetails(
            word=each["status"],
            status=status,
            verdict=verdict,
            at=moment_of(each["at"]),
            received_at=moment_of(each["received_at"]),
            carrier=carrier,
            **{name: each[name] for name in ("error_code", "attempt", "part", "duplicates", "raw")},
        )


def _meaning(
    carrier: str | None, word: str, code: str | None, profile: Profile
) -> tuple[Status | None, Verdict | None]:
    """Return what a receipt says, as the lattice reads it."""
    try:
        meaning = parse_status_word(carrier, word)
    except (UnknownStatus, AmbiguousCode):
        return None, None
    try:
        code = code_with_word(carrier, code, word, meaning, profile=profile)
    except AmbiguousCode:
        code = None
    return meaning.status, verdict_for(meaning.status, carrier, code, profile)


# --- what was said -----------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Said:
    """One thing that we or a person said.

    Attributes:
        at: when: a message when it was sent, a reply when it came.
        ours: whether it is a message of ours, and not a reply.
        text: what it says; None when that is not known, or was erased.
        said: the `Message` or the `Reply`.
    """

    at: datetime
    ours: bool
    text: str | None
    said: Message | Reply

    def __str__(self) -> str:
        """Return it as one line."""
        arrow = ">" if self.ours else "<"
        status = f" ({self.said.status.value})" if isinstance(self.said, Message) else ""
        return visible(f"{clock(self.at)} {arrow} {self.text or '...'}{status}")


def read_conversation(tx: Transaction, contact: object, *, sender: str | None, since: Any, limit: object) -> list[Said]:
    """Return what was said between us and a person, in the order of time; of much, the latest."""
    person, most, start = asked_text("contact", contact), asked_limit(limit), asked_moment("since", since)
    ours = None if sender is None else asked_text("sender", sender)
    if not storable(person):
        return []
    rows = [*_latest_of(tx, person)]
    senders = {row["message_id"]: row["sender"] for row in rows}
    said = [_message_said(row) for row in rows]
    for reply in _replies_of(tx, person, rows):
        known = reply.sender or senders.get(reply.message_id)
        said.append((known, Said(at=reply.received_at, ours=False, text=reply.text or None, said=reply)))
    kept = [each for known, each in filter(None, said) if ours is None or known == ours]
    kept = [each for each in kept if start is None or micros_of(each.at) >= start]
    return sorted(kept, key=lambda each: (micros_of(each.at), not each.ours))[-most:]


def _latest_of(tx: Transaction, person: str) -> Iterator[Row]:
    """Yield the messages to a contact id or a number, the last sent first, each once."""
    seen = set()
    for index, column in (("contact", "contact_id"), ("to", "to")):
        for row in tx.scan(MESSAGES, index=index, where={column: person}, limit=LOOKED_AT, descending=True):
            if row["message_id"] not in seen:
                seen.add(row["message_id"])
                yield row


def _message_said(row: Row) -> tuple[str | None, Said] | None:
    """Return a message that was handed off, at the best moment there is of it."""
    message = message_of(row)
    at = message.sent_at or message.delivered_at or message.last_event_at or message.created_at
    if at is None or (message.sent_at is None and message.status in NEVER_HANDED_OFF):
        return None
    return message.sender, Said(at=at, ours=True, text=message.text, said=message)


def _replies_of(tx: Transaction, person: str, rows: Iterable[Row]) -> Iterator[Reply]:
    """Yield the replies of a person: from their numbers, and to their messages; not those of others who share one."""
    numbers = {person} | {row["to"] for row in rows if row["to"] is not None}
    found: dict[str, Row] = {}
    for number in sorted(numbers):
        for row in tx.scan(REPLIES, index="to", where={"to": number}, limit=LOOKED_AT, descending=True):
            found[row["reply_id"]] = row
    for row in rows:
        if row["replies"] or row["stop_replies"]:
            found |= {each["reply_id"]: each for each in rows_about(tx, REPLIES, row["message_id"])}
    for row in found.values():
        if person in {row["contact_id"], row["to"]} or row["contact_id"] is None:
            yield reply_of(row)
