"""People: what they want, and whether their number still takes messages.

Two things forbid to write to somebody. They are kept apart, because they end differently.

**Consent** is a register for each person and scope: everything of the tenant, or one sender.
It does not keep what was said last, but what was said last of each kind, and how it stands is
read from that. So it does not matter in which order things come, nor how often:

    out_at      the last opt-out
    in_at       from when the last opt-in counts for sure
    maybe_at    the last opt-in whose moment is only ours
    opted out   there is an out_at, and in_at is not after it: of two at one moment the opt-out wins
    held        opted out, and maybe_at is not before out_at

Most carriers say when a person wrote. Where one does not, a START that reaches us shortly
after a STOP may have been written before it. It counts for sure from as long before its
arrival as replies may be late (`policies.max_reorder`); in between it waits for a person to
decide. Everything that concerns a sender counts together with what concerns everything.

**Suppression** follows from messages alone: how many in a row failed for good since the last
that arrived, each counted once. The number is never stored, so it cannot be wrong; that it
once reached the limit is, and stays until somebody takes it back.

Whoever writes either holds the person's row first, after the messages were put. Of two
transactions that bring the second and the third strike one sees both.
"""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import attrs

from campaignkit.backends.storage.port import Key, Row, Transaction
from campaignkit.backends.storage.tables import ATTEMPTS, CONSENTS, MESSAGES, REPLIES, SUPPRESSIONS, Table
from campaignkit.delivery import DeliveryState, PartState, Severity
from campaignkit.errors import InvalidValue
from campaignkit.grouping import micros_of
from campaignkit.models import Keyword, OptOut, Reply, Status
from campaignkit.profiles import Profile
from campaignkit.tracker.policies import Rules, max_reorder
from campaignkit.tracker.stored import (
    ARRIVED,
    FAILED,
    Stored,
    empty_row,
    is_erased,
    known_code,
    latest,
    lifted,
    moment_of,
    receipts_about,
)
from campaignkit.tracker.timeline import OURSELVES
from campaignkit.verdicts import verdict_of

_MICRO: Final = 1_000_000
_PARTLY: Final = "partly_delivered"
_LOOKED_AT: Final = 1000
_PAGE: Final = 50

_Said = tuple[int | None, str | None]
"""When, and by whom."""


@attrs.frozen(kw_only=True)
class Standing:
    """Whether a person may be written to, and what stands against it.

    Attributes:
        to: the number.
        sender: from which; None: from any, so that what was said to one of them counts.
        opted_out: they want no more.
        opted_out_since: when they last said so.
        source: how we know: ``reply``, ``event``, a carrier and its code, ``record``, or who decided.
        held: when an opt-in came that may be older than the opt-out; it waits for somebody to decide.
        suppressed_since: when the number was suppressed; None: it is not.
        suppressed_by: ``campaignkit``, or who decided.
        why: the number was suppressed.
        strikes: how many messages in a row failed for good, since the last that arrived.
        reconsider: it would not be suppressed now, because a message arrived after all.
    """

    to: str
    sender: str | None = None
    opted_out: bool = False
    opted_out_since: datetime | None = None
    source: str | None = None
    held: datetime | None = None
    suppressed_since: datetime | None = None
    suppressed_by: str | None = None
    why: str | None = None
    strikes: int = 0
    reconsider: bool = False

    @property
    def may_send(self) -> bool:
        """Whether nothing stands against it."""
        return not self.opted_out and self.suppressed_since is None


@attrs.frozen(kw_only=True)
class Wish:
    """What a person wants, as it came to us.

    Attributes:
        to: who; None until it is known whom the message was to.
        sender: of whom; None where that is not known either.
        out: to get no more; else to get some again.
        source: how we know.
        slack: how many microseconds before ``at`` it may have been said.
    """

    at: int
    out: bool
    source: str
    to: str | None = None
    sender: str | None = None
    slack: int = 0


# --- what says what people want ----------------------------------------------------------------


def wish_of_reply(reply: Reply) -> Wish | None:
    """Return what a reply asks for, None when it asks for neither."""
    row = {"to": reply.to, "sender": reply.sender, "keyword": reply.keyword, "carrier": reply.carrier}
    return _wish_of_reply({**row, "received_at": micros_of(reply.received_at), "dated": reply.dated})


def _wish_of_reply(row: Row) -> Wish | None:
    if row["keyword"] not in {Keyword.OPT_OUT.value, Keyword.OPT_IN.value}:
        return None
    out = row["keyword"] == Keyword.OPT_OUT.value
    late = 0 if out or row["dated"] else int(max_reorder(row["carrier"]).total_seconds() * _MICRO)
    return Wish(to=row["to"], sender=row["sender"], at=row["received_at"], out=out, source="reply", slack=late)


def wish_of_event(event: OptOut) -> Wish:
    """Return what an event asks for."""
    return Wish(to=event.to, sender=event.sender, at=micros_of(event.opted_out_at), out=True, source="event")


def wish_of_receipt(element: PartState | None, row: Row, carrier: str | None) -> Wish | None:
    """Return the opt-out that a row of receipts, about a message of a carrier, tells of: it was blocked by one."""
    if element is None or element.shown[0] != Severity.OPTED_OUT:
        return None
    return Wish(at=row["at"], out=True, source=_named(row["carrier"] or carrier, row["error_code"] or row["status"]))


def wish_of_refusal(carrier: str | None, code: str | None, at: int, profile: Profile) -> Wish | None:
    """Return the opt-out for which a carrier refused a message, None when it was for something else."""
    known = known_code(carrier, code, profile)
    if known is None or not verdict_of(carrier, known, None, profile).opts_out:
        return None
    return Wish(at=at, out=True, source=_named(carrier, known))


def _named(carrier: str | None, code: str) -> str:
    return f"{carrier} {code}" if carrier else code


def wishes_of(tx: Transaction, stored: Stored, rules: Rules, now: int) -> Iterator[Wish]:
    """Yield everything that is stored of a message and says what the person wants: whose it is was just learned."""
    told, where = stored.told, {"message_id": stored.message_id}
    for row in receipts_about(tx, stored.message_id):
        wish = wish_of_receipt(lifted(row, told["carrier"], rules.profile)[0], row, told["carrier"])
        if wish is not None:
            yield wish
    for row in tx.walk(ATTEMPTS, index="message", where=where):
        at = row["ended_at"] or row["started_at"] or now
        refused = wish_of_refusal(row["carrier"] or told["carrier"], row["error_code"], at, rules.profile)
        if refused is not None:
            yield refused
    yield from filter(None, map(_wish_of_reply, tx.walk(REPLIES, index="message", where=where)))
    if stored.recorded.get("opted_out"):
        at = stored.recorded.get("last_event_at") or told["sent_at"] or now
        yield Wish(at=at, out=True, source="record")


def addressed(wish: Wish, told: Row | None) -> Wish:
    """Return a wish with whom and which sender the message says that it is about."""
    if told is None:
        return wish
    to = told["to"] if is_erased(told) else wish.to or told["to"]
    return attrs.evolve(wish, to=to, sender=wish.sender or told["sender"])


def decide_again(tx: Transaction, messages: Sequence[Stored], rules: Rules, now: int) -> None:
    """Decide from messages that were made anew: another table of codes may say more against people."""
    wishes = [
        addressed(wish, stored.told)
        for stored in messages
        if _may_say(stored.state)
        for wish in wishes_of(tx, stored, rules, now)
    ]
    hear(tx, [wish for wish in wishes if wish.to is not None], rules)
    failed = [row for row in (stored.row() for stored in messages) if is_strike(row, rules.profile)]
    suppress_struck(tx, {row["to"] for row in failed if row["to"] is not None}, rules, now)


def _may_say(state: DeliveryState) -> bool:
    """Return whether receipts or attempts of a message may tell of an opt-out."""
    blocked = any(part.shown[0] == Severity.OPTED_OUT for part in state.part_states.values())
    return blocked or any(each.error_code for each in state.attempts.values())


# --- the register ------------------------------------------------------------------------------


def hear(tx: Transaction, wishes: Sequence[Wish], rules: Rules) -> list[bool]:
    """Join wishes of people who are known; return, one by one, whether it was news."""
    news = [False] * len(wishes)
    if not wishes:
        return news
    by_person: defaultdict[str, list[int]] = defaultdict(list)
    for place, wish in enumerate(wishes):
        by_person[str(wish.to)].append(place)
    _locked(tx, CONSENTS, [_nothing(to) for to in sorted(by_person)])
    for to in sorted(by_person, key=lambda to: len(rules.aliases.keys(to))):  # what clear names add to comes first
        name, *aliases = rules.aliases.keys(to)
        rows, others = _register(tx, (name,)), _register(tx, aliases)
        before = {scope: dict(row) for scope, row in rows.items()}
        for place in by_person[to]:
            told = _told(wishes[place], rules)
            row = rows.setdefault(told["scope"], _nothing(to, told["scope"]))
            rows[told["scope"]] = _joined(row, told)
            news[place] = rows[told["scope"]] != row
        changed = [row for row in _with_held(rows, others) if row != before.get(row["scope"])]
        tx.put(CONSENTS, sorted(changed, key=CONSENTS.key_of))
    return news


def _nothing(to: str, scope: str = "") -> Row:
    return empty_row(CONSENTS, to=to, scope=scope)


def _told(wish: Wish, rules: Rules) -> Row:
    """Return a wish as a row of the register that knows nothing else."""
    scope = (wish.sender or "") if rules.opt_out_scope == "sender" else ""
    row = _nothing(str(wish.to), scope)
    if wish.out:
        return row | {"out_at": wish.at, "out_source": wish.source}
    row |= {"in_at": wish.at - wish.slack, "in_source": wish.source}
    return row | {"maybe_at": wish.at} if wish.slack else row


def _joined(one: Row, other: Row) -> Row:
    """Return what two rows know together."""
    out = _later((one["out_at"], one["out_source"]), (other["out_at"], other["out_source"]))
    into = _later((one["in_at"], one["in_source"]), (other["in_at"], other["in_source"]))
    return {
        **one,
        **dict(zip(("out_at", "out_source", "in_at", "in_source"), (*out, *into), strict=True)),
        "maybe_at": latest(one["maybe_at"], other["maybe_at"]),
    }


def _later(one: _Said, other: _Said) -> _Said:
    return max(one, other, key=lambda said: (said[0] is not None, said[0] or 0, said[1] or ""))


def _register(tx: Transaction, names: Iterable[str]) -> dict[str, Row]:
    """Return what is known of one person, by scope, under all their names."""
    rows: dict[str, Row] = {}
    for name in names:
        for row in tx.scan(CONSENTS, where={"to": name}):
            rows[row["scope"]] = _joined(rows[row["scope"]], row) if row["scope"] in rows else row
    return rows


def _with_held(rows: dict[str, Row], others: dict[str, Row]) -> list[Row]:
    """Return the rows of one person, with what waits in each of them; what others say counts, too."""
    whole = others | {scope: _joined(row, others[scope]) if scope in others else row for scope, row in rows.items()}
    return [{**row, "held_at": (_refusal(whole, scope) or (None,) * 3)[2]} for scope, row in rows.items()]


def _refusal(rows: dict[str, Row], scope: str) -> tuple[int, str | None, int | None] | None:
    """Return since when, by what, and with which opt-in that waits something is unwanted; None when it is not."""
    row = _joined(rows.get("") or _nothing(""), rows.get(scope) or _nothing(""))
    out = row["out_at"]
    if out is None or (row["in_at"] is not None and row["in_at"] > out):
        return None
    maybe = row["maybe_at"]
    return out, row["out_source"], maybe if maybe is not None and maybe >= out else None


def decide(tx: Transaction, wish: Wish, rules: Rules, *, after_all: bool) -> None:
    """Join what somebody decided for a person; ``after_all`` that is known, whatever the clock says."""
    names = rules.aliases.keys(str(wish.to))
    _locked(tx, CONSENTS, [_nothing(str(wish.to))])
    if after_all:
        known = [row[name] for row in _register(tx, names).values() for name in ("out_at", "in_at", "maybe_at")]
        wish = attrs.evolve(wish, at=max([wish.at, *(at + 1 for at in known if at is not None)]))
    hear(tx, [wish], attrs.evolve(rules, opt_out_scope="sender"))


def held(tx: Transaction, rules: Rules) -> list[Standing]:
    """Return where an opt-in waits for somebody to decide, the oldest first."""
    found: list[Standing] = []
    whole: set[str] = set()
    for row in tx.walk(CONSENTS, index="held"):
        if row["to"] in whole:  # a sender's row shows what waits for everything, too
            continue
        whole |= {row["to"]} if not row["scope"] else set()
        found.append(standing(tx, row["to"], row["scope"] or None, rules))
    return [each for each in found if each.held is not None]


# --- suppression -------------------------------------------------------------------------------


def is_strike(row: Row, profile: Profile) -> bool:
    """Return whether a row of messages is a hard bounce: it was handed off, and the number takes none."""
    if row["status"] not in FAILED:
        return False
    return verdict_of(row["carrier"], row["error_code"], Status(row["status"]), profile).strike


def struck(both: Iterable[tuple[Row, Row]], profile: Profile) -> set[str]:
    """Return whom messages say more against, of which the rows before and after are given."""
    return {
        row["to"]
        for before, row in both
        if row["status"] in FAILED
        and row["to"] is not None
        and is_strike(row, profile)
        and not (is_strike(before, profile) and before["to"] == row["to"] and before["sent_at"] == row["sent_at"])
    }


def suppress_struck(tx: Transaction, people: Iterable[str], rules: Rules, now: int) -> None:
    """Suppress those of whom too many messages in a row failed for good."""
    names = sorted(people)
    if rules.suppression is None or not names:
        return
    rows = _locked(tx, SUPPRESSIONS, [empty_row(SUPPRESSIONS, to=to) for to in names])
    changed = []
    for _, row in sorted(rows.items()):
        n = 0 if row["since"] is not None else _strikes(tx, row["to"], row["forgiven_at"], rules)
        if n >= rules.suppression.after:
            changed.append({**row, "since": now, "who": OURSELVES, "why": f"{n} messages in a row failed for good"})
    tx.put(SUPPRESSIONS, changed)


def _strikes(tx: Transaction, to: str, forgiven_at: int | None, rules: Rules) -> int:
    """Count messages that failed for good since the last that arrived; those that were forgiven do not count.

    Messages follow each other as they were sent. Of those sent at one moment, and of those of which
    nobody knows when, each may have been the first: if one of them arrived, the others do not count.
    """
    found: list[int | None] = []
    for row in itertools.islice(_newest(tx, rules.aliases.keys(to)), _LOOKED_AT):
        at = row["sent_at"]
        if is_strike(row, rules.profile):
            found += [at] if forgiven_at is None or (at is not None and at > forgiven_at) else []
        elif _arrived(row):
            return sum(each != at for each in found)
    return len(found)


def _arrived(row: Row) -> bool:
    """Return whether anything of a message ever arrived, so that the number works."""
    return row["delivered_at"] is not None or row["status"] in ARRIVED or row["error_code"] == _PARTLY


def _newest(tx: Transaction, names: Iterable[str]) -> Iterator[Row]:
    """Yield the messages to a person, the last sent first."""
    streams = [tx.walk(MESSAGES, size=_PAGE, index="to", where={"to": name}, descending=True) for name in names]
    return heapq.merge(*streams, key=lambda row: (row["sent_at"] is not None, row["sent_at"] or 0), reverse=True)


def suppress(tx: Transaction, to: str, rules: Rules, now: int, *, who: str, why: str) -> None:
    """Suppress a number because somebody says so."""
    known = _suppression(tx, rules.aliases.keys(to))
    ((_, row),) = _locked(tx, SUPPRESSIONS, [empty_row(SUPPRESSIONS, to=to)]).items()
    tx.put(SUPPRESSIONS, [{**row, "since": row["since"] or known["since"] or now, "who": who, "why": why}])


def unsuppress(tx: Transaction, to: str, rules: Rules, now: int, *, who: str) -> None:
    """Take a suppression back; what was sent until now counts no more."""
    rows = _locked(tx, SUPPRESSIONS, [empty_row(SUPPRESSIONS, to=to)])
    rows |= tx.lock(SUPPRESSIONS, [(name,) for name in rules.aliases.keys(to)])
    taken_back = {"since": None, "who": who, "why": None, "forgiven_at": now}
    tx.put(SUPPRESSIONS, [{**row, **taken_back} for _, row in sorted(rows.items())])


def _suppression(tx: Transaction, names: Iterable[str]) -> Row:
    """Return what is known of one person, under all their names."""
    rows = [*tx.get(SUPPRESSIONS, [(name,) for name in names]).values()]
    first = min((row for row in rows if row["since"] is not None), key=lambda row: row["since"], default=None)
    forgiven_at = latest(*(row["forgiven_at"] for row in rows))
    return {**(first or empty_row(SUPPRESSIONS)), "forgiven_at": forgiven_at}


def suppressed(tx: Transaction, rules: Rules) -> list[Standing]:
    """Return whose numbers are suppressed, the first first."""
    rows = list(tx.walk(SUPPRESSIONS, index="since"))
    return [standing(tx, row["to"], None, rules) for row in rows]


def _locked(tx: Transaction, table: Table, rows: Sequence[Row]) -> dict[Key, Row]:
    """Insert what is not there yet, and lock all of it."""
    tx.insert(table, rows)
    return tx.lock(table, [table.key_of(row) for row in rows])


# --- both --------------------------------------------------------------------------------------


def standing(tx: Transaction, to: str, sender: str | None, rules: Rules) -> Standing:
    """Return whether a person may be written to."""
    names = rules.aliases.keys(to)
    rows = _register(tx, names)
    scopes = {"", *rows} if sender is None else {sender}
    found = [refusal for scope in sorted(scopes) if (refusal := _refusal(rows, scope)) is not None]
    since, source, _ = max(found, key=lambda each: each[0], default=(None, None, None))
    row = _suppression(tx, names)
    n = _strikes(tx, to, row["forgiven_at"], rules)
    stale = rules.suppression is None or n < rules.suppression.after
    return Standing(
        to=to,
        sender=sender,
        opted_out=bool(found),
        opted_out_since=moment_of(since),
        source=source,
        held=moment_of(latest(*(waits for *_, waits in found))),
        suppressed_since=moment_of(row["since"]),
        suppressed_by=None if row["since"] is None else row["who"],
        why=row["why"],
        strikes=n,
        reconsider=row["since"] is not None and row["who"] == OURSELVES and stale,
    )


def check_name(field: str, value: Any) -> str:
    """Return a text that says who, whom or why; no sentence shows it, because it may be about a person.

    Raises:
        InvalidValue: it is none, or empty.
    """
    if not isinstance(value, str) or not value.strip():
        kind = "empty" if isinstance(value, str) else f"of type {type(value).__name__}"
        raise InvalidValue(f"{field} is {kind}: must be text that is not empty")
    return value
