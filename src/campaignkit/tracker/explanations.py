"""Why a person did or did not get a message, in sentences made from what is stored.

    rows of messages ──► one story each: where it stands, why, what to do, what came back ─┐
    standing of a person (`people`), suspension of the campaign ───────────────────────────┴─► Explanation

A sentence says no more than is known: in doubt is in doubt, and no receipt is no receipt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import attrs

from campaignkit.backends.storage.port import Row, Transaction
from campaignkit.backends.storage.tables import CAMPAIGNS, MESSAGES
from campaignkit.delivery import POSITIVE, DeliveryState
from campaignkit.display import visible
from campaignkit.models import Message, Outcome, Status
from campaignkit.tracker.details import (
    ReceiptDetails,
    asked_text,
    because,
    clock,
    receipts_of,
    storable,
    verdict_for,
    who,
)
from campaignkit.tracker.people import Standing, standing
from campaignkit.tracker.policies import Rules
from campaignkit.tracker.stored import Stored, message_of, moment_of
from campaignkit.verdicts import FAILURES, Verdict

MOST: Final = 20
"""How many messages are explained at most; the last sent."""

_OPEN: Final = frozenset({Status.PENDING, Status.UNKNOWN, Status.QUEUED, Status.SENT, Status.UNCONFIRMED})


@attrs.frozen(kw_only=True)
class Explanation:
    """Why a person did or did not get it. Printed, it is the sentences.

    Attributes:
        contact: who was asked about.
        campaign_id: the campaign; None for all.
        arrived: True when a message arrived; False when none did or will by itself; None while that
            is not known.
        sentences: what is known, in plain English.
        messages: those that are explained, the last sent first.
        standing: of each number of theirs: opt-outs and suppression.
    """

    contact: str
    campaign_id: str | None
    arrived: bool | None
    sentences: tuple[str, ...]
    messages: tuple[Message, ...]
    standing: tuple[Standing, ...]

    def __str__(self) -> str:
        """Return the sentences, one a line."""
        return "\n".join(self.sentences)


def explain(tx: Transaction, rules: Rules, contact: object, campaign: object) -> Explanation:
    """Return why a person did or did not get a campaign, or the last messages of all campaigns."""
    person = asked_text("contact", contact)
    name = None if campaign is None else asked_text("campaign", campaign)
    rows = _rows(tx, person, name) if storable(person, name) else []
    messages = tuple(map(message_of, rows))
    sentences = [_story(tx, row, rules, several=len(rows) > 1 or name is None) for row in rows]
    if not rows:
        sentences.append(_nothing(tx, person, name))
    stands = tuple(_standings(tx, rules, person, rows))
    sentences += [sentence for each in stands for sentence in _standing(each, several=len(stands) > 1)]
    for each in sorted({row["campaign_id"] for row in rows} | ({name} if name is not None else set())):
        sentences += _suspended(tx, each)
    return Explanation(
        contact=person,
        campaign_id=name,
        arrived=_arrived({message.status for message in messages}),
        sentences=tuple(sentences),
        messages=messages,
        standing=stands,
    )


def _arrived(found: set[Status]) -> bool | None:
    if any(status in POSITIVE for status in found):
        return True
    return None if found & _OPEN else False


def _rows(tx: Transaction, person: str, campaign: str | None) -> list[Row]:
    """Return the last messages to a contact id or a number, in one campaign or all, the last sent first."""
    found: dict[str, Row] = {}
    for index, column in (("contact", "contact_id"), ("to", "to")):
        kept = 0
        for page in tx.pages(MESSAGES, index=index, where={column: person}, descending=True):
            for row in page:
                if row["campaign_id"] is not None and campaign in {None, row["campaign_id"]}:
                    found[row["message_id"]] = row
                    kept += 1
            if kept >= MOST:
                break
    return sorted(found.values(), key=lambda row: (row["sent_at"] or 0, row["message_id"]), reverse=True)[:MOST]


def _nothing(tx: Transaction, person: str, campaign: str | None) -> str:
    if campaign is None:
        return f"No message to {visible(person)} is recorded."
    if not storable(campaign) or not tx.get(CAMPAIGNS, [(campaign,)]):
        return f"Nothing is known of a campaign {visible(repr(campaign))}."
    return f"{visible(person)} is not in {visible(repr(campaign))}: no message of it to them is recorded."


# --- one message -------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class _Told:
    """What the sentences about one message are made of."""

    message: Message
    state: DeliveryState
    receipts: tuple[ReceiptDetails, ...]
    verdict: Verdict | None
    who: str
    it: str
    carrier: str

    @property
    def sent(self) -> str:
        """When it was handed over, and to whom, as part of a sentence."""
        at = self.message.sent_at
        return f"{'' if at is None else f'at {clock(at)} '}through {self.carrier}"

    @property
    def why(self) -> str:
        """The cause as part of a sentence."""
        return because(self.verdict)


def _story(tx: Transaction, row: Row, rules: Rules, *, several: bool) -> str:
    """Return everything about one message, as some sentences in one line."""
    message = message_of(row)
    told = _Told(
        message=message,
        state=Stored.of(row, rules.policy).state,
        receipts=tuple(receipts_of(tx, row, rules.profile)),
        verdict=verdict_for(message.status, message.carrier, message.error_code, rules.profile),
        who=who(message),
        it=visible(
            f"message {message.message_id!r} of {message.campaign_id!r}" if several else f"{message.campaign_id!r}"
        ),
        carrier=visible(message.carrier or "the carrier"),
    )
    return " ".join([_outcome(told), *_advice(told), *_attempts(told, rules), *_oddities(told), *_came_back(told)])


def _outcome(told: _Told) -> str:
    """Return where it stands, in one sentence."""
    handed_off = told.message.sent_at is not None or told.state.handed_off
    status = told.message.status
    if handed_off and status in _ONCE_TAKEN:
        return _ONCE_TAKEN[status](told)
    return _SENTENCES[status](told)


def _skipped(told: _Told) -> str:
    reason = told.message.skip_reason
    cause = "and no reason was given" if reason is None else f"because of {visible(reason)}"
    return f"{told.who} was not sent {told.it}: it was skipped, {cause}."


def _pending(told: _Told) -> str:
    attempts = told.state.attempts
    if attempts and attempts[max(attempts)].outcome is Outcome.INFLIGHT:
        return f"{told.who} is being sent {told.it} now: what becomes of it is not known yet."
    return f"{told.who} has not been sent {told.it} yet: it waits to be handed to a carrier."


def _processing(told: _Told) -> str:
    newest = told.state.attempts.get(max(told.state.attempts, default=0))
    if newest is not None and newest.number > 1 and newest.outcome in _TRYING_AGAIN:
        return (
            f"{told.who} was sent {told.it} {told.sent}, and attempt {newest.number} {_TRYING_AGAIN[newest.outcome]}."
        )
    known = [each for each in told.receipts if each.status is not None]
    if told.message.status is not Status.SENT and not known:
        return f"{told.who} was sent {told.it} {told.sent}, and nothing was heard of it since."
    passed = "it was passed on to the network" if told.message.status is Status.SENT else "it is in their queue"
    arrived, expected = told.state.parts
    missing = f"{arrived} of {expected} parts arrived so far" if arrived else "whether it arrived was not reported yet"
    return f"{told.who} was sent {told.it} {told.sent}: {passed}, and {missing}."


def _delivered(told: _Told) -> str:
    at = told.message.delivered_at
    when = "; when was not said" if at is None else f" at {clock(at)}"
    read = ", and read it" if told.message.status is Status.READ else ""
    return f"{told.who} got {told.it}{when}{read}."


def _failed(told: _Told) -> str:
    if told.message.error_code == "partly_delivered":
        arrived, expected = told.state.parts
        return f"{told.who} got only {arrived} of {expected} parts of {told.it}, sent {told.sent}."
    if told.verdict is not None and told.verdict.reason == "canceled":
        return f"{told.who} did not get {told.it}: it was called off after it was sent {told.sent}."
    rejected = f"{told.carrier} rejected it, " if told.message.status is Status.REJECTED else ""
    return f"{told.who} did not get {told.it}, sent {told.sent}: {rejected}{told.why}."


def _refused(told: _Told) -> str:
    return f"{told.who} was not sent {told.it}: {told.carrier} refused it, {told.why}."


def _canceled(told: _Told) -> str:
    return f"{told.who} was not sent {told.it}: it was called off before a carrier took it."


def _in_doubt(told: _Told) -> str:
    return (
        f"Nobody knows whether {told.who} was sent {told.it}: {told.carrier} gave no answer that says so."
        " A receipt will settle it; until then, sending it again may send it twice."
    )


def _unconfirmed(told: _Told) -> str:
    return f"Nobody knows whether {told.who} got {told.it}, sent {told.sent}: the carrier gave up finding out."


_SENTENCES: Final[dict[Status, Callable[[_Told], str]]] = {
    Status.PENDING: _pending,
    Status.SKIPPED: _skipped,
    Status.CANCELED: _canceled,
    Status.REFUSED: _refused,
    Status.UNKNOWN: _in_doubt,
    Status.QUEUED: _processing,
    Status.SENT: _processing,
    Status.DELIVERED: _delivered,
    Status.READ: _delivered,
    Status.UNDELIVERED: _failed,
    Status.REJECTED: _failed,
    Status.EXPIRED: _failed,
    Status.UNCONFIRMED: _unconfirmed,
}

_ONCE_TAKEN: Final[dict[Status, Callable[[_Told], str]]] = {
    Status.PENDING: _processing,
    Status.UNKNOWN: _processing,
    Status.CANCELED: lambda told: f"{told.who} was sent {told.it} {told.sent}, and it was called off afterwards.",
    Status.REFUSED: lambda told: (
        f"{told.who} was sent {told.it} {told.sent}, and {told.carrier} refused it afterwards: {told.why}."
    ),
}
"""What is handed off stays handed off, whatever is said of it later."""

_TRYING_AGAIN: Final = {
    Outcome.PLANNED: "is planned",
    Outcome.INFLIGHT: "is under way",
    Outcome.UNKNOWN: "may have been taken or not",
}


def _advice(told: _Told) -> Iterator[str]:
    if told.message.status in FAILURES and told.verdict is not None:
        yield visible(told.verdict.advice)


def _attempts(told: _Told, rules: Rules) -> Iterator[str]:
    """Yield what became of each attempt, when there were several."""
    state, numbers = told.state, sorted({number for number, _ in told.state.part_states} | told.state.attempts.keys())
    for number in numbers if len(numbers) > 1 else ():
        alone = DeliveryState(
            part_states={key: part for key, part in state.part_states.items() if key[0] == number},
            attempts={number: state.attempts[number]} if number in state.attempts else {},
            conflict_policy=state.conflict_policy,
        )
        verdict = verdict_for(alone.status, told.message.carrier, alone.error_code, rules.profile)
        cause = f", {because(verdict)}" if alone.status in FAILURES else ""
        yield f"Attempt {number}: {alone.status.value}{cause}."


def _oddities(told: _Told) -> Iterator[str]:
    if told.state.conflict:
        counts = "the arrival" if told.message.status in POSITIVE else "the failure"
        yield f"{told.carrier} reported both that it arrived and that it did not; {counts} counts."
    if told.state.extra_copies:
        yield f"It arrived {told.state.extra_copies + 1} times."
    words = sorted({each.word for each in told.receipts if each.status is None})
    if words:
        yield visible(
            f"{told.carrier} also said {', '.join(map(repr, words))}, which no table has; it changes nothing."
        )


def _came_back(told: _Told) -> Iterator[str]:
    message = told.message
    counts = {
        "reply": message.replies,
        "reply to stop": message.stop_replies,
        "click": message.clicks,
        "order": message.orders,
    }
    found = [f"{n} {_plural(word, n)}" for word, n in counts.items() if n]
    if found:
        yield f"What came back: {', '.join(found)}."
    if message.opted_out:
        yield "They opted out after it."


def _plural(word: str, n: int) -> str:
    noun, _, rest = word.partition(" ")
    many = noun if n == 1 else f"{noun.removesuffix('y')}ies" if noun.endswith("y") else f"{noun}s"
    return f"{many} {rest}".strip()


# --- the person and the campaign ---------------------------------------------------------------


def _standings(tx: Transaction, rules: Rules, person: str, rows: list[Row]) -> Iterator[Standing]:
    """Yield how each number of a person stands, towards the sender that wrote to it last."""
    senders: dict[str, str | None] = {}
    for row in rows:
        if row["to"] is not None:
            senders.setdefault(row["to"], row["sender"])
    if not rows and storable(person):
        senders[person] = None
    for number, sender in senders.items():
        yield standing(tx, number, sender, rules)


def _standing(stands: Standing, *, several: bool) -> Iterator[str]:
    subject = visible(stands.to) if several else "They"
    if stands.opted_out:
        have = "has" if several else "have"
        source = f" ({visible(stands.source)})" if stands.source else ""
        yield f"{subject} {have} opted out since {clock(stands.opted_out_since)}{source}: nothing may be sent to them."
    if stands.held:
        yield f"{subject} asked to be written to again, which waits for a person to decide."
    if stands.suppressed_since is not None:
        why = f": {visible(stands.why)}" if stands.why else ""
        yield f"The number {visible(stands.to)} is suppressed since {clock(stands.suppressed_since)}{why}."
        if stands.reconsider:
            yield "It would not be now, because a message arrived after all: think about lifting that."


def _suspended(tx: Transaction, campaign: str) -> Iterator[str]:
    row = tx.get(CAMPAIGNS, [(campaign,)]).get((campaign,)) if storable(campaign) else None
    if row is not None and row["suspended_at"] is not None:
        why = f": {visible(row['suspended_why'])}" if row["suspended_why"] else ""
        yield visible(f"{campaign!r} is suspended since {clock(moment_of(row['suspended_at']))}") + why + "."
