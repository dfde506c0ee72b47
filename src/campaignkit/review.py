"""What the numbers say: how far along, how healthy, which is best, and which account.

Judgements are read from summaries and add no counting of their own.
"""

from __future__ import annotations

import bisect
import collections
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import attrs

from campaignkit.cells import Tally
from campaignkit.display import text_table, visible
from campaignkit.errors import InvalidValue
from campaignkit.grouping import Since
from campaignkit.metrics import Counts, Rate
from campaignkit.profiles import LOWER_IS_BETTER, Formula, Profile, get_profile
from campaignkit.rows import is_frame
from campaignkit.summary import Rows, Summaries, Summary, cells_of, tally

# --- progress ----------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class ContactProgress:
    """How far people are in a sequence of several messages.

    complete + partial + waiting = contacts.

    Attributes:
        complete: every step was handed off.
        partial: some steps were handed off and some were not.
        waiting: no step was handed off yet.
    """

    contacts: int
    complete: int
    partial: int
    waiting: int


@attrs.frozen(kw_only=True)
class Progress:
    """How far along a campaign is. Vendors mean three things by it, so each has its name.

    Attributes:
        processed: (delivered + failed + refused) ÷ total. MessengerFlow's Progress, whose
            Sent is delivered; messages that were skipped never count, so 100 % may not come.
        settled: (sent + refused + skipped + canceled) ÷ total. Nothing is left to hand over
            when it is 100 %.
        final: messages whose status will not change by itself ÷ total.
        contacts: by person, when the number of steps was given.
    """

    counts: Counts
    processed: Rate
    settled: Rate
    final: Rate
    contacts: ContactProgress | None = None

    def __str__(self) -> str:
        """Return a line for each formula."""
        text = text_table((name, str(rate), str(rate.formula)) for name, rate in self.rates().items())
        c = self.contacts
        if c is None:
            return text
        shares = f"{c.complete:,} complete, {c.partial:,} partial, {c.waiting:,} waiting"
        return f"{text}\ncontacts   {c.contacts:,}: {shares}"

    def rates(self) -> dict[str, Rate]:
        """Return each formula's rate by name."""
        return {"processed": self.processed, "settled": self.settled, "final": self.final}


def progress(rows: Rows, *, steps: int | None = None, **asked: Any) -> Progress:
    """Return how far along a campaign is.

    Args:
        rows: a Summary, a Tally, or whatever `summarize` takes.
        steps: how many messages each person is to get. Contacts are then counted too, from
            ``contact_id`` and ``step`` of the rows.
        asked: ``columns=``, ``carrier=`` and ``timezone=`` as for `summarize`.

    Raises:
        InvalidValue: ``steps`` with a summary or a tally, which know no people.

    >>> p = progress([{"status": "delivered"}, {"status": "failed"}, {"status": "sent"}, {"status": "pending"}])
    >>> str(p.processed), str(p.settled)
    ('50.0 % (2/4)', '75.0 % (3/4)')
    """
    if isinstance(rows, Summary | Tally):
        if steps is not None:
            raise InvalidValue(f"steps is {steps}: a {type(rows).__name__} knows no people; give the rows themselves")
        return _progress(rows.counts if isinstance(rows, Summary) else _counts(rows))
    kept = _kept(rows)
    return _progress(_counts(tally(kept, **asked)), None if steps is None else _contacts(kept, steps, asked))


def _kept(rows: Rows) -> Rows:
    """Return rows that can be read twice."""
    return rows if is_frame(rows) or not isinstance(rows, Iterator) else list(rows)


def _counts(table: Tally) -> Counts:
    return Summary(tally=table.total(), profile=get_profile("campaignkit")).counts


def _progress(counts: Counts, contacts: ContactProgress | None = None) -> Progress:
    processed = counts.delivered + counts.failed + counts.refused
    settled = counts.sent + counts.refused + counts.skipped + counts.canceled
    return Progress(
        counts=counts,
        processed=Rate(processed, counts.total, Formula("delivered + failed + refused", "total")),
        settled=Rate(settled, counts.total, Formula("sent + refused + skipped + canceled", "total")),
        final=Rate(counts.final, counts.total, Formula("final", "total")),
        contacts=contacts,
    )


def _contacts(rows: Rows, steps: int, asked: Mapping[str, Any]) -> ContactProgress:
    if steps < 1:
        raise InvalidValue(f"steps is {steps}: a sequence has at least one; give how many messages each person gets")
    reached = _steps_handed_off(rows, asked)
    complete = sum(n for handed, n in reached.items() if handed >= steps)
    waiting, contacts = reached.get(0, 0), sum(reached.values())
    return ContactProgress(contacts=contacts, complete=complete, partial=contacts - complete - waiting, waiting=waiting)


def _steps_handed_off(rows: Rows, asked: Mapping[str, Any]) -> dict[int, int]:
    """Return how many contacts were handed how many of their steps."""
    if is_frame(rows):
        from campaignkit.frames import steps_handed_off  # noqa: PLC0415 - narwhals is loaded with the first frame

        return steps_handed_off(rows, **asked)
    own = get_profile("campaignkit")
    done: dict[Any, set[Any]] = {}
    for (contact, step), cells in cells_of(rows, by=("contact_id", "step"), **asked).items():
        handed = done.setdefault(contact, set())
        if Counts.of(cells, own).sent:
            handed.add(step)
    if None in done:
        raise InvalidValue("contact_id is None: contacts are told apart by it; fill it, or leave steps= out")
    return collections.Counter(map(len, done.values()))


# --- health ------------------------------------------------------------------------------------


class Band(StrEnum):
    """How well delivery goes: above 95 %, 80 to 95 %, below 80 %."""

    HIGH = "high"
    MODERATE = "moderate"
    LOW = "low"


HIGH_ABOVE: Final = 0.95
LOW_BELOW: Final = 0.80

_BAND_MEANS: Final = {
    Band.HIGH: "accounts are healthy and numbers are good",
    Band.MODERATE: "some issues to look into",
    Band.LOW: "something is wrong with the account, the sender or the list",
}


@attrs.frozen(kw_only=True)
class Cause:
    """One thing that keeps a campaign from doing better.

    Attributes:
        sign: what is seen: high failure, low delivery, low response or low conversion.
        cause: what is behind it.
        messages: how many messages show it; None where it is a rate of the whole.
        remedies: what to do.
    """

    sign: str
    cause: str
    messages: int | None
    remedies: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Health:
    """How well delivery goes, and what to do.

    Attributes:
        band: None as long as nothing is concluded.
        success: delivered ÷ (delivered + failed + unconfirmed + refused).
        causes: the most frequent first.
    """

    band: Band | None
    success: Rate
    causes: tuple[Cause, ...] = ()

    def __str__(self) -> str:
        """Return band, causes and remedies as text."""
        head = f"{self.band.value}: {self.success}, {_BAND_MEANS[self.band]}" if self.band else "too early to tell"
        lines = [head]
        for cause in self.causes:
            messages = "" if cause.messages is None else f" ({cause.messages:,} messages)"
            lines += [f"  {cause.sign}: {cause.cause}{messages}", *(f"    - {remedy}" for remedy in cause.remedies)]
        return "\n".join(lines)


# For each party at fault: what is behind it, and what to do about it.
_FAULTS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "account": ("account issues", ("Check the account's status and limits.", "Review the errors of the last days.")),
    "recipient": ("numbers that do not take messages", ("Refresh the list.", "Look up line types before sending.")),
    "rate": ("sent faster than allowed", ("Lower the daily limit.", "Spread the sending over more time or senders.")),
    "content": ("content that gets filtered", ("Review the text for what looks like spam.", "Check links and length.")),
    "sender": ("senders that are not registered", ("Register the sender.", "Use one allowed in that country.")),
    "network": ("network trouble", ("Send again later.", "Ask the carrier if it persists.")),
    "nobody": ("no cause given", ("Ask the carrier for the reason.",)),
}
_LOW_DELIVERY: Final = ("Send fewer messages until it recovers.", "Check the account's health.", "Verify the list.")
_LOW_RESPONSE: Final = ("Test other texts against each other.", "Aim at a narrower audience.", "Sharpen the offer.")
_LOW_CONVERSION: Final = ("Answer replies faster.", "Change when follow-ups go out.", "Shorten the way to an order.")


def health(
    summary: Summary, *, low_response: float = 0.01, low_conversion: float = 0.005, min_sent: int = 100
) -> Health:
    """Return how well delivery goes: the band, the causes behind failures, and remedies.

    Args:
        summary: of one set of messages.
        low_response: a reply rate below this is low. Vendors name no number; ours is a choice.
        low_conversion: a conversion rate below this is low. The same.
        min_sent: no judgement on response and conversion below this many messages sent.

    >>> from campaignkit.summary import summarize
    >>> health(summarize([{"status": "delivered"}] * 90 + [{"status": "failed"}] * 10)).band.value
    'moderate'
    """
    counts = summary.counts
    concluded = counts.delivered + counts.failed + counts.unconfirmed + counts.refused
    success = Rate(counts.delivered, concluded, Formula("delivered", "delivered + failed + unconfirmed + refused"))
    band = _band(success)
    causes: list[Cause] = []
    if band in {Band.MODERATE, Band.LOW}:
        causes += _failure_causes(summary)
        causes.append(Cause(sign="low delivery", cause=f"{success}", messages=None, remedies=_LOW_DELIVERY))
    if counts.sent >= min_sent:
        causes += _low("low response", summary.reply_rate, low_response, _LOW_RESPONSE)
        causes += _low("low conversion", summary.conversion_rate, low_conversion, _LOW_CONVERSION)
    return Health(band=band, success=success, causes=tuple(causes))


def _band(success: Rate) -> Band | None:
    if success.value is None:
        return None
    if success.value > HIGH_ABOVE:
        return Band.HIGH
    return Band.LOW if success.value < LOW_BELOW else Band.MODERATE


def _failure_causes(summary: Summary) -> list[Cause]:
    found: dict[str, int] = {}
    for failure in summary.failures:
        party = "rate" if failure.verdict.reason == "throttled" else failure.verdict.fault or "nobody"
        found[party] = found.get(party, 0) + failure.n
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return [
        Cause(sign="high failure", cause=_FAULTS[party][0], messages=n, remedies=_FAULTS[party][1])
        for party, n in ordered
    ]


def _low(sign: str, rate: Rate, limit: float, remedies: tuple[str, ...]) -> list[Cause]:
    if rate.value is None or rate.value >= limit:
        return []
    return [Cause(sign=sign, cause=f"{rate}, below {100 * limit:g} %", messages=None, remedies=remedies)]


# --- rank --------------------------------------------------------------------------------------


@attrs.frozen
class Ranked:
    """One group and its place; equal values share a place."""

    place: int
    key: Any
    value: Rate
    summary: Summary


@attrs.frozen(kw_only=True)
class Ranking:
    """Groups in order of one rate, best first.

    Attributes:
        too_small: groups left out, with how many messages they sent.
        unmeasured: groups left out because the rate has no value.
    """

    metric: str
    ranked: tuple[Ranked, ...]
    too_small: Mapping[Any, int]
    unmeasured: tuple[Any, ...] = ()

    @property
    def winner(self) -> Any | None:
        """The key of the best group; None when there is none or the best are equal.

        The highest number is not yet a proof: compare with `ab` before acting on a small gap.
        """
        best = [each for each in self.ranked if each.place == 1]
        return best[0].key if len(best) == 1 else None

    def __str__(self) -> str:
        """Return a line for each group."""
        lines = [f"{each.place}. {each.key}: {each.value}" for each in self.ranked]
        lines += [f"-  {key}: left out, {sent:,} sent" for key, sent in self.too_small.items()]
        lines += [f"-  {key}: left out, no {self.metric}" for key in self.unmeasured]
        return "\n".join(map(visible, lines))


def rank(summaries: Summaries, metric: str, *, min_sent: int = 100) -> Ranking:
    """Return groups in order of a rate: campaigns, variants, lists, accounts.

    Args:
        summaries: from `summarize` with ``by=``.
        metric: the name of a rate. For failures and opt-outs lower is better.
        min_sent: groups that sent fewer messages are left out, and listed.

    Raises:
        InvalidValue: the profile has no rate of that name.
    """
    if not isinstance(summaries, Summaries):
        raise InvalidValue(f"summaries is a {type(summaries).__name__}: give what summarize(..., by=) returns")
    groups = dict(summaries)
    summaries.total.rate(metric)  # a wrong name is an error even where every group is too small
    too_small = {key: each.counts.sent for key, each in groups.items() if each.counts.sent < min_sent}
    rates = {key: each.rate(metric) for key, each in groups.items() if key not in too_small}
    sign = 1 if metric in LOWER_IS_BETTER else -1
    values = {key: sign * rate.value for key, rate in rates.items() if rate.value is not None}
    ordered = sorted(values.values())
    ranked = tuple(
        Ranked(1 + bisect.bisect_left(ordered, values[key]), key, rates[key], groups[key])
        for key in sorted(values, key=values.__getitem__)
    )
    return Ranking(
        metric=metric,
        ranked=ranked,
        too_small=too_small,
        unmeasured=tuple(key for key in rates if key not in values),
    )


# --- accounts ----------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Account:
    """What one sending account did.

    Attributes:
        lifetime: all its messages.
        recent: those sent within the last days asked for.
    """

    lifetime: Summary
    recent: Summary

    @property
    def success_rate(self) -> Rate:
        """Delivered ÷ sent over the lifetime, as the profile defines it."""
        return self.lifetime.delivery_rate


def accounts(
    rows: Rows,
    *,
    by: str = "account_id",
    days: int = 30,
    as_of: datetime | None = None,
    profile: str | Profile = "campaignkit",
    **asked: Any,
) -> dict[Any, Account]:
    """Return, for each sending account, its lifetime and its last 30 days.

    Args:
        rows: whatever `summarize` takes, with ``sent_at``.
        by: the column that holds the account.
        days: how many days are recent.
        as_of: the end of those days; by default the latest moment in the data.
        profile: whose definitions to use.
        asked: ``columns=``, ``carrier=`` and ``timezone=`` as for `summarize`.

    Raises:
        InvalidValue: there is no moment in the data, and none was given.
    """
    kept = _kept(rows)
    whole = tally(kept, by=by, as_of=as_of, **asked)
    if whole.as_of is None:
        raise InvalidValue("as_of is None: there is no moment in the data to count days back from; give as_of=")
    late = tally(kept, by=(by, Since("sent_at", whole.as_of - timedelta(days=days))), as_of=whole.as_of, **asked)
    chosen = get_profile(profile)
    return {
        account: Account(
            lifetime=Summary(tally=whole, profile=chosen, group=(account,)),
            recent=Summary(tally=late, profile=chosen, group=(account, True)),
        )
        for (account,) in whole.cells
    }
