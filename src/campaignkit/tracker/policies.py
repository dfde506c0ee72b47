"""Policies: when nobody writes to a number any more, and when a campaign stops.

They decide from numbers that are counted elsewhere, and keep nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, Literal

import attrs

from campaignkit.delivery import ConflictPolicy
from campaignkit.errors import InvalidValue, shown
from campaignkit.profiles import Profile
from campaignkit.tracker.aliases import Aliases

OptOutScope = Literal["tenant", "sender"]
"""What a person who says STOP wants no more of: anything from the tenant, or from that sender."""

MAX_REORDER: Final[Mapping[str, timedelta]] = MappingProxyType(
    # Both try to hand a reply over again for a day, so one may come a day after it was written.
    {"vonage": timedelta(hours=24), "bandwidth": timedelta(hours=24)}
)
"""How much later than it was written a reply of a carrier may come, where that is long."""

_ELSEWHERE: Final = timedelta(minutes=5)


def max_reorder(carrier: str | None) -> timedelta:
    """Return how much later than it was written a reply of a carrier may come.

    >>> max_reorder("vonage"), max_reorder("twilio")
    (datetime.timedelta(days=1), datetime.timedelta(seconds=300))
    """
    return MAX_REORDER.get(carrier or "", _ELSEWHERE)


def _whole(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidValue(f"{field.name} is {shown(value)}: must be a whole number from 1")


def _share(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise InvalidValue(f"{field.name} is {shown(value)}: must be a share above 0 and up to 1, like 0.03 for 3 %")


@attrs.frozen(kw_only=True)
class Suppression:
    """When a number is written to no more.

    Attributes:
        after: how many messages in a row may fail for good: each counts once, however many
            receipts, parts and attempts it has, and one that arrives begins anew.

    Raises:
        InvalidValue: fewer than 1.

    >>> Suppression().after
    3
    """

    after: int = attrs.field(default=3, validator=_whole)


RATES: Final[Mapping[str, str]] = MappingProxyType(
    {"soft": "soft bounces", "hard": "hard bounces", "opted_out": "opt-outs"}
)
"""What suspension watches, and how it is called in a sentence."""


@attrs.frozen(kw_only=True)
class Suspension:
    """When a campaign is stopped: a rate of the messages sent reaches a limit.

    There is no common limit to cite: carriers and platforms keep theirs to themselves or set them
    for whole accounts. These are ours, far above what a list in order shows. Set your own from what
    your campaigns usually do.

    Attributes:
        least: how many messages must have been sent before a rate means anything.
        soft: soft bounces ÷ sent; None: not watched, as for the other two.
        hard: hard bounces and deleted numbers ÷ sent.
        opt_out: messages upon which people opted out ÷ sent.

    Raises:
        InvalidValue: fewer than 1, or no share.

    >>> print(Suspension().crossed({"sent": 400, "soft": 9, "hard": 7, "opted_out": 12}))
    3.0 % opt-outs (12 of 400 sent); the limit is 3.0 %
    >>> Suspension().crossed({"sent": 2, "soft": 2, "hard": 0, "opted_out": 0}) is None
    True
    """

    least: int = attrs.field(default=200, validator=_whole)
    soft: float | None = attrs.field(default=0.125, validator=_share)
    hard: float | None = attrs.field(default=0.125, validator=_share)
    opt_out: float | None = attrs.field(default=0.03, validator=_share)

    def crossed(self, numbers: Mapping[str, int]) -> str | None:
        """Return which limits are reached, in words; None when none is.

        Args:
            numbers: of messages: ``sent``, ``soft``, ``hard``, ``opted_out``.
        """
        if numbers["sent"] < self.least:
            return None
        return "; ".join(self._sentences(numbers)) or None

    def _sentences(self, numbers: Mapping[str, int]) -> Iterator[str]:
        for name, limit in (("soft", self.soft), ("hard", self.hard), ("opted_out", self.opt_out)):
            n, sent = numbers[name], numbers["sent"]
            if limit is not None and n / sent >= limit:
                yield f"{n / sent:.1%} {RATES[name]} ({n} of {sent} sent); the limit is {limit:.1%}".replace("%", " %")


@attrs.frozen(cache_hash=True)  # what follows from a rule is kept by it
class Rules:
    """What a tracker is constructed with, as far as it decides anything."""

    profile: Profile
    policy: ConflictPolicy
    aliases: Aliases = Aliases()
    opt_out_scope: OptOutScope = "tenant"
    suppression: Suppression | None = Suppression()
    suspension: Suspension | None = Suspension()
