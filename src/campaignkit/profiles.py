"""Same word, different number: a profile names one vendor's definitions.

campaignkit counts once (`Counts`); a profile only regroups those counts, picks the two
counts of each rate, and says which failures it calls a bounce. It never counts by itself.
What a host has of its own (codes, bounces) is checked here when it is given, not when a
message first needs it.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import Any, Final, TypeVar

import attrs

from campaignkit.errors import InvalidValue, nearest, shown
from campaignkit.models import Bounce, parse_code

# --- reasons -----------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Reason:
    """Why a message failed, and what follows by default."""

    name: str
    bounce: Bounce
    retryable: bool
    strike: bool
    opts_out: bool
    fault: str | None
    label: str
    advice: str


def read_data(*path: str) -> list[dict[str, str]]:
    """Return the rows of one of the tables in ``data/``."""
    text = resources.files("campaignkit").joinpath("data", *path).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@functools.cache
def reasons() -> Mapping[str, Reason]:
    """Return every reason by name, in the order of ``data/reasons.csv``."""
    return {
        row["reason"]: Reason(
            name=row["reason"],
            bounce=Bounce(row["bounce"]),
            retryable=row["retryable"] == "yes",
            strike=row["strike"] == "yes",
            opts_out=row["opts_out"] == "yes",
            fault=row["fault"] or None,
            label=row["label"],
            advice=row["advice"],
        )
        for row in read_data("reasons.csv")
    }


def _reason(word: str, of: str = "") -> str:
    if not isinstance(word, str) or word not in reasons():
        raise InvalidValue(f"reason{of} is {shown(word)}: not one we know; nearest: {nearest(word, reasons())}")
    return word


# --- the host's own codes ----------------------------------------------------------------------

_CodeKey = TypeVar("_CodeKey", bound=tuple[str | None, str | int])
_PAIR: Final = '("acme", "E7")'


def _flag_or_none(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is not None and not isinstance(value, bool):
        raise InvalidValue(
            f"{field.name} is {shown(value)}: must be True or False; leave it out, and it is the reason's"
        )


def _text_or_none(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is not None and not isinstance(value, str):
        raise InvalidValue(f"{field.name} is {shown(value)}: must be text; convert it with str()")


@attrs.frozen
class Code:
    """What one of the host's own codes means, for `Profile.with_codes`.

    What is left out is the reason's, and so are bounce, strike, opts_out and fault.

    Attributes:
        reason: one of the reasons of our tables.
        retryable: the same message to the same number may work later.
        description: what the code says.
        advice: what to do.
        source: who says so.

    Raises:
        InvalidValue: there is no such reason, or a field is not what it holds.

    >>> Code("sender", description="sender is not registered in Kenya").retryable is None
    True
    """

    reason: str = attrs.field(converter=_reason)
    retryable: bool | None = attrs.field(default=None, validator=_flag_or_none, kw_only=True)
    description: str | None = attrs.field(default=None, validator=_text_or_none, kw_only=True)
    advice: str | None = attrs.field(default=None, validator=_text_or_none, kw_only=True)
    source: str | None = attrs.field(default="the host", validator=_text_or_none, kw_only=True)


def _own_codes(codes: Mapping[Any, str | Code]) -> Mapping[tuple[str | None, str], Code]:
    if not isinstance(codes, Mapping):
        raise InvalidValue(f'codes is {shown(codes)}: give {{(carrier, code): reason}}, like {{{_PAIR}: "blocked"}}')
    own: dict[tuple[str | None, str], Code] = {}
    for given, meaning in codes.items():
        key = _code_key(given)
        of = f"{key[0] or 'no carrier'} {key[1]}"
        code = meaning if isinstance(meaning, Code) else Code(_reason(meaning, f" of {of}"))
        if own.setdefault(key, code) != code:
            raise InvalidValue(f"codes gives two meanings to {of}: give one")
    return MappingProxyType(own)


def _code_key(given: object) -> tuple[str | None, str]:
    carrier, code = given if isinstance(given, tuple) and len(given) == 2 else (0, None)  # noqa: PLR2004 - a pair
    known = parse_code(code)
    if known is None or not (carrier is None or isinstance(carrier, str)):
        raise InvalidValue(
            f"codes names {shown(given)}: give (carrier, code), like {_PAIR}, and None as carrier where rows name none"
        )
    return (carrier or "").strip().lower() or None, known


# --- rates -------------------------------------------------------------------------------------


@attrs.frozen
class Formula:
    """How a rate is made: the count on top, the count below.

    Attributes:
        proportion: the top is part of the bottom, so the rate cannot pass 1. Only
            proportions may be compared by statistics made for proportions.
    """

    part: str
    whole: str
    proportion: bool = True

    def __str__(self) -> str:
        """Return the formula as it is printed beside the number."""
        return f"{self.part.replace('_', ' ')} ÷ {self.whole.replace('_', ' ')}"


def _rates(**formulas: str) -> Mapping[str, Formula]:
    made = {}
    for name, text in formulas.items():
        part, _, whole = text.partition("/")
        made[name] = Formula(part, whole.rstrip("!"), proportion=not whole.endswith("!"))
    return MappingProxyType(made)


# "!" marks a rate whose top is not part of its bottom: a message may be clicked or answered
# although no receipt says that it arrived.
_OWN_RATES: Final = _rates(
    delivery_rate="delivered/sent",
    resolved_delivery_rate="delivered/resolved",
    failure_rate="failed/sent",
    soft_bounce_rate="soft/sent",
    hard_bounce_rate="hard/sent",
    deleted_rate="deleted/sent",
    reply_rate="replied/sent",
    click_rate="clicked/sent",
    click_to_delivered_rate="clicked/delivered!",
    opt_out_rate="opted_out/sent",
    conversion_rate="converted/sent",
)

LOWER_IS_BETTER: Final = frozenset(
    {"failure_rate", "soft_bounce_rate", "hard_bounce_rate", "deleted_rate", "opt_out_rate"}
)
"""Rates of which less is better."""

# --- bounces -----------------------------------------------------------------------------------


def _bounces(*, soft: str = "", hard: str = "", none: str = "") -> Mapping[str, Bounce]:
    kinds = {Bounce.SOFT: soft, Bounce.HARD: hard, Bounce.NONE: none}
    return MappingProxyType({reason: kind for kind, words in kinds.items() for reason in words.split()})


BOUNCE_POLICIES: Final[Mapping[str, Mapping[str, Bounce]]] = MappingProxyType(
    {
        # What each reason says about the list; the table in data/reasons.csv is the policy.
        "campaignkit": _bounces(),
        # Soft is wide: filtered, wrong hour, landline and unknown causes are all "temporary".
        "brevo": _bounces(
            soft="spam_filtered content no_code unmapped carrier_fault throttled quiet_hours landline invalid_number",
            hard="number_unknown deleted blocked sender",
        ),
        # Soft is only expiry; whatever else failed is hard.
        "dotdigital": _bounces(
            soft="expired",
            hard="number_unknown blocked sms_not_supported landline invalid_number handset_absent memory_full"
            " recipient_no_credit network_temporary unknown unreachable_route quiet_hours fraud_guard spam_filtered"
            " content sender account throttled carrier_fault request no_code unmapped",
        ),
        # Unknown codes and what may pass are temporary; invalid, rejected and unknown subscriber are permanent.
        "notify": _bounces(
            soft="handset_absent memory_full expired recipient_no_credit network_temporary unreachable_route unknown"
            " no_code unmapped",
            hard="number_unknown deleted invalid_number blocked spam_filtered sms_not_supported landline",
        ),
        # Only network, phone off and inbox full are soft; invalid or disconnected is hard.
        "voyado": _bounces(
            soft="handset_absent memory_full network_temporary",
            hard="number_unknown deleted invalid_number landline sms_not_supported",
            none="expired unknown unreachable_route quiet_hours fraud_guard recipient_no_credit blocked",
        ),
    }
)
"""For each policy, the reasons that it classes otherwise than `data/reasons.csv` does."""

OWN: Final = "own"
"""What reports call a host's own bounce policy."""


def _own_bounces(bounces: Mapping[str, str]) -> Mapping[str, Bounce]:
    if not isinstance(bounces, Mapping):
        raise InvalidValue(f"bounces is {shown(bounces)}: give the name of a policy, or {{reason: bounce}}")
    return MappingProxyType({_reason(reason): _bounce(reason, word) for reason, word in bounces.items()})


def _bounce(reason: str, word: str) -> Bounce:
    try:
        return Bounce(word)
    except ValueError:
        raise InvalidValue(
            f"bounce of {reason} is {shown(word)}: not one we know; nearest: {nearest(word, Bounce)}"
        ) from None


# --- profiles ----------------------------------------------------------------------------------


@attrs.frozen(eq=False, kw_only=True)
class Profile:
    """One set of definitions, by the name of who uses it.

    Attributes:
        name: how reports call it.
        rates: rate name to `Formula`.
        regroup: a count's name to the counts of ours that it adds up, where it differs.
        bounce_policy: a name of `BOUNCE_POLICIES`; ``own`` where there are own ``bounces``.
        attribution: how replies, opt-outs and orders find their campaign, in words.
        figures: (label, count or rate) pairs as that vendor's summary shows them.
        codes: the host's own, (carrier, code) to `Code`; they win over our tables.
        bounces: the host's own, reason to `Bounce`; given on top of the policy, kept with what
            that says.
        notes: what to know before comparing numbers.

    Raises:
        InvalidValue: an unknown reason, bounce or bounce policy, or a code that is none.
    """

    name: str
    rates: Mapping[str, Formula] = _OWN_RATES
    regroup: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    bounce_policy: str = "campaignkit"
    attribution: str = "the last message sent to the person before the event"
    figures: tuple[tuple[str, str], ...] = ()
    codes: Mapping[tuple[str | None, str], Code] = attrs.field(factory=dict, converter=_own_codes)
    bounces: Mapping[str, Bounce] = attrs.field(factory=dict, converter=_own_bounces)
    notes: str = ""

    def __attrs_post_init__(self) -> None:
        """Check the policy; put own bounces on top of it, under a name that says so."""
        if self.bounces and self.bounce_policy == OWN:
            return
        if not isinstance(self.bounce_policy, str) or self.bounce_policy not in BOUNCE_POLICIES:
            near = nearest(self.bounce_policy, BOUNCE_POLICIES)
            raise InvalidValue(f"bounce policy is {shown(self.bounce_policy)}: not one we know; nearest: {near}")
        if self.bounces:
            whole = {**BOUNCE_POLICIES[self.bounce_policy], **self.bounces}
            object.__setattr__(self, "bounces", MappingProxyType(whole))
            object.__setattr__(self, "bounce_policy", OWN)

    def bounce_of(self, reason: str, default: Bounce) -> Bounce:
        """Return what this profile says a failure for ``reason`` means for the list."""
        return (self.bounces or BOUNCE_POLICIES[self.bounce_policy]).get(reason, default)

    def with_bounces(self, policy: str | Mapping[str, str]) -> Profile:
        """Return this profile with another bounce policy, or with some bounces of the host's own.

        Args:
            policy: a name of `BOUNCE_POLICIES`; or reason to `Bounce` (or its word), which is
                put on top of the policy that this profile has.

        Raises:
            InvalidValue: an unknown policy, reason or bounce.

        >>> get_profile("campaignkit").with_bounces("voyado").bounce_policy
        'voyado'
        >>> mine = get_profile("brevo").with_bounces({"landline": "hard"})
        >>> mine.name, mine.bounce_policy, mine.bounces["landline"].value, mine.bounces["content"].value
        ('brevo with own bounces', 'own', 'hard', 'soft')
        """
        if isinstance(policy, str):
            changed = attrs.evolve(self, bounce_policy=policy, bounces={})
        else:
            changed = attrs.evolve(self, bounces={**self.bounces, **_own_bounces(policy)})
        if changed.bounce_policy == self.bounce_policy:
            return changed
        return attrs.evolve(changed, name=f"{self.name} with {changed.bounce_policy} bounces")

    def with_codes(self, codes: Mapping[_CodeKey, str | Code]) -> Profile:
        """Return this profile with the host's own meaning of some codes.

        Args:
            codes: (carrier, code) to a reason, or to a `Code` that says more. The carrier may be
                one that no table has, or None for messages that name none.

        Raises:
            InvalidValue: an unknown reason, or a code that is none.

        >>> mine = get_profile("campaignkit").with_codes({("twilio", 30003): "number_unknown"})
        >>> mine.codes["twilio", "30003"].reason
        'number_unknown'
        """
        return attrs.evolve(self, codes={**self.codes, **_own_codes(codes)})


PROFILES: Final[Mapping[str, Profile]] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            Profile(name="campaignkit"),
            Profile(
                name="messagesender",
                rates={
                    **_OWN_RATES,
                    **_rates(
                        delivery_rate="delivered/sent",
                        failure_rate="failed/sent!",
                        reply_rate="replies/sent!",
                        click_rate="clicked/sent",
                    ),
                },
                regroup={"failed": ("failed", "refused")},
                figures=(
                    ("Sent", "sent"),
                    ("Delivered", "delivered"),
                    ("Delivery rate", "delivery_rate"),
                    ("Replies", "replies"),
                    ("Reply rate", "reply_rate"),
                    ("Link clicks", "clicks"),
                    ("Unique link clicks", "clicked"),
                    ("Link click rate", "click_rate"),
                    ("Failed", "failed"),
                ),
                notes="Failed includes messages refused at submission. The reply rate counts replies, not people.",
            ),
            Profile(
                name="messengerflow",
                rates={
                    **_OWN_RATES,
                    **_rates(
                        delivery_rate="delivered/attempted",
                        progress="processed/total",
                        failure_rate="failed/attempted",
                        soft_bounce_rate="soft/attempted",
                        hard_bounce_rate="hard/attempted",
                        deleted_rate="deleted/attempted",
                        reply_rate="replied/sent!",
                        click_rate="clicked/sent!",
                        opt_out_rate="opted_out/sent!",
                        conversion_rate="converted/sent!",
                    ),
                },
                regroup={
                    "sent": ("delivered",),
                    "failed": ("failed", "refused"),
                    "pending": ("pending", "processing", "unknown", "unconfirmed"),
                    "processed": ("delivered", "failed", "refused"),
                    "attempted": ("delivered", "failed", "refused"),
                },
                figures=(
                    ("Sent", "sent"),
                    ("Failed", "failed"),
                    ("Pending", "pending"),
                    ("Total", "total"),
                    ("Progress", "progress"),
                    ("Delivery success", "delivery_rate"),
                    ("Response rate", "reply_rate"),
                    ("Conversion rate", "conversion_rate"),
                ),
                notes="Its Sent is everyone else's Delivered. Partial is a state of contacts: see progress().",
            ),
            Profile(
                name="brevo",
                rates={
                    **_OWN_RATES,
                    **_rates(reply_rate="replied/delivered!", opt_out_rate="opted_out/delivered!"),
                },
                regroup={"processing": ("pending", "processing", "unknown", "unconfirmed")},
                bounce_policy="brevo",
                attribution="after receiving this campaign",
                figures=(
                    ("Delivered", "delivered"),
                    ("Delivery rate", "delivery_rate"),
                    ("Soft bounces", "soft"),
                    ("Soft bounce rate", "soft_bounce_rate"),
                    ("Hard bounces", "hard"),
                    ("Hard bounce rate", "hard_bounce_rate"),
                    ("Processing", "processing"),
                    ("Replied", "replied"),
                    ("Reply rate", "reply_rate"),
                    ("Unsubscribed", "opted_out"),
                    ("Unsubscribe rate", "opt_out_rate"),
                ),
                notes="Soft bounces include landlines, invalid numbers, spam suspicion and the wrong hour.",
            ),
            Profile(
                name="dotdigital",
                rates={
                    **_OWN_RATES,
                    **_rates(
                        click_rate="clicked/delivered!",
                        conversion_rate="converted/delivered!",
                    ),
                },
                regroup={"pending": ("processing", "unconfirmed")},
                bounce_policy="dotdigital",
                attribution="the last SMS campaign sent to the contact before the opt-out, without a time limit",
                figures=(
                    ("Total sent", "sent"),
                    ("Total delivered", "delivered"),
                    ("Unique sends", "unique_sends"),
                    ("Unique deliveries", "unique_deliveries"),
                    ("Pending", "pending"),
                    ("Soft bounces", "soft"),
                    ("Hard bounces", "hard"),
                    ("Deleted", "deleted"),
                    ("Unsubscribes", "opted_out"),
                    ("Total clicks", "clicks"),
                    ("Unique clickers", "clickers"),
                    ("Click-to-delivered rate", "click_to_delivered_rate"),
                    ("Conversion rate", "conversion_rate"),
                    ("Direct orders", "orders"),
                    ("Assisted orders", "assisted_orders"),
                    ("Total segments", "segments"),
                ),
                notes="Soft is expiry only; every other failure is hard. The conversion rate's whole is not published:"
                " delivered is our reading.",
            ),
        )
    }
)
"""The profiles by name."""


def get_profile(profile: str | Profile) -> Profile:
    """Return a profile by name, or the profile itself.

    Raises:
        InvalidValue: no profile has that name.

    >>> get_profile("brevo").rates["reply_rate"].whole
    'delivered'
    """
    if isinstance(profile, Profile):
        return profile
    known = PROFILES.get(profile)
    if known is None:
        raise InvalidValue(f"profile is {profile!r}: not one we know; nearest: {nearest(profile, PROFILES)}")
    return known
