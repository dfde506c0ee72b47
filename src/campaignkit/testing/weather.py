"""How badly a simulated carrier behaves, in rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from campaignkit.errors import InvalidValue, nearest, shown

DAY: Final = 86_400.0


def _rate(_: Any, field: Any, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidValue(f"{field.name} is {shown(value)}: a rate lies between 0 and 1; give 0.02 for one in fifty")


def _span(_: Any, field: Any, value: Any) -> None:
    if len(value) != 2 or not 0 < value[0] <= value[1]:  # noqa: PLR2004 - two ends
        raise InvalidValue(f"{field.name} is {shown(value)}: give the shortest and the longest, in seconds above 0")


def _never() -> Any:
    return attrs.field(default=0.0, validator=_rate)


@attrs.frozen(kw_only=True)
class Weather:
    """How badly a carrier behaves. All rates lie between 0 and 1; left out, nothing goes wrong.

    Attributes:
        down: requests that reach nobody: refused, unanswered or 503; none of them is taken.
        outages: hours in which the carrier is down for ten minutes.
        timed_out_taken: answers that never come although the message was taken.
        timed_out: answers that never come, and nothing was taken.
        busy: 429, with all that ``Retry-After`` can hold.
        errors: 500, 502, 503 and 504, half of them after the message was taken (503 never,
            where the carrier documents that).
        broken: connections reset or cut, and answers nobody can use: HTML, nothing, no id,
            somebody else's id, a few kilobytes that unpack to very many.
        invalid: numbers refused at once.
        blocked: numbers refused at once because their owner opted out, no reply ever told.
        latency: seconds until an answer, shortest and longest.
        failed: messages taken that never arrive.
        partial: messages of several parts of which only some arrive, where the carrier names each
            part. The others fail later, or are refused at once.
        read: of those that arrive, how many are reported as read, where the carrier reports it.
        delay: seconds until a receipt, shortest and longest.
        shuffled: whether the receipts of a message come in any order.
        copies: how often a receipt comes, at most.
        lost: messages of which the carrier never reports the end.
        early: messages of which all receipts come before the answer.
        strange: receipts about a message never seen, or about a reply.
        lies: messages reported with contradictions and unknown words. What they say of an end
            that is better than the rest is true.
        replies: of those who got a message, how many answer.
        opt_outs: of those who got a message, how many opt out: by reply, by asking the carrier,
            by both, or by a reply they take back, whose two webhooks come in the wrong order.
        skewed: webhooks sent while the carrier's clock was wrong by up to 400 days.
    """

    down: float = _never()
    outages: float = _never()
    timed_out_taken: float = _never()
    timed_out: float = _never()
    busy: float = _never()
    errors: float = _never()
    broken: float = _never()
    invalid: float = _never()
    blocked: float = _never()
    latency: tuple[float, float] = attrs.field(default=(0.02, 0.5), validator=_span)
    failed: float = attrs.field(default=0.05, validator=_rate)
    partial: float = _never()
    read: float = _never()
    delay: tuple[float, float] = attrs.field(default=(1.0, 60.0), validator=_span)
    shuffled: bool = False
    copies: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    lost: float = _never()
    early: float = _never()
    strange: float = _never()
    lies: float = _never()
    replies: float = _never()
    opt_outs: float = _never()
    skewed: float = _never()

    def __attrs_post_init__(self) -> None:
        """Refuse faults that add up to more than every request."""
        total = self.timed_out_taken + self.timed_out + self.busy + self.errors + self.broken
        if total > 1 + 1e-9:
            raise InvalidValue(f"timed_out_taken, timed_out, busy, errors and broken add up to {total:g}: at most 1")


WEATHERS: Final[Mapping[str, Weather]] = {
    "calm": Weather(read=0.2, replies=0.05, opt_outs=0.01),
    "storm": Weather(
        outages=0.1,
        timed_out_taken=0.03,
        timed_out=0.02,
        busy=0.05,
        errors=0.04,
        broken=0.02,
        invalid=0.01,
        blocked=0.01,
        latency=(0.005, 30.0),
        failed=0.15,
        partial=0.1,
        read=0.2,
        delay=(0.01, 3 * DAY),
        shuffled=True,
        copies=5,
        lost=0.1,
        early=0.05,
        strange=0.02,
        lies=0.02,
        replies=0.05,
        opt_outs=0.02,
    ),
    "carrier-down": Weather(down=1.0),
    "receipts-first": Weather(early=1.0, shuffled=True, latency=(0.5, 5.0), read=0.2),
    "flood": Weather(delay=(0.01, 2.0), copies=5, read=0.5, replies=0.5, opt_outs=0.05),
    "clock-mad": Weather(skewed=0.3, delay=(1.0, 3600.0), read=0.2, replies=0.05),
}
"""The named ones. ``storm`` has the rates that carriers show on bad days, all at once."""


def get_weather(profile: str | Weather) -> Weather:
    """Return a weather by its name, and any other as it is.

    Raises:
        InvalidValue: no such name.
    """
    if isinstance(profile, Weather):
        return profile
    try:
        return WEATHERS[profile]
    except (KeyError, TypeError):
        raise InvalidValue(
            f"profile is {shown(profile)}: not one of ours; nearest: {nearest(profile, WEATHERS)}"
        ) from None
