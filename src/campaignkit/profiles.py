"""Same word, different number: a profile names one vendor's definitions.

campaignkit counts once (`Counts`); a profile only regroups those counts, picks the two
counts of each rate, and says which failures it calls a bounce. It never counts by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from campaignkit.errors import InvalidValue, nearest
from campaignkit.models import Bounce


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


@attrs.frozen(eq=False, kw_only=True)
class Profile:
    """One set of definitions, by the name of who uses it.

    Attributes:
        name: how reports call it.
        rates: rate name to `Formula`.
        regroup: a count's name to the counts of ours that it adds up, where it differs.
        bounce_policy: a name of `BOUNCE_POLICIES`.
        attribution: how replies, opt-outs and orders find their campaign, in words.
        figures: (label, count or rate) pairs as that vendor's summary shows them.
        codes: the host's own reasons, (carrier, code) to reason; they win over our tables.
        notes: what to know before comparing numbers.
    """

    name: str
    rates: Mapping[str, Formula] = _OWN_RATES
    regroup: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    bounce_policy: str = "campaignkit"
    attribution: str = "the last message sent to the person before the event"
    figures: tuple[tuple[str, str], ...] = ()
    codes: Mapping[tuple[str, str], str] = MappingProxyType({})
    notes: str = ""

    def bounce_of(self, reason: str, default: Bounce) -> Bounce:
        """Return what this profile says a failure for ``reason`` means for the list."""
        return BOUNCE_POLICIES[self.bounce_policy].get(reason, default)

    def with_bounces(self, policy: str) -> Profile:
        """Return this profile with another bounce policy.

        >>> get_profile("campaignkit").with_bounces("voyado").bounce_policy
        'voyado'
        """
        if policy not in BOUNCE_POLICIES:
            raise InvalidValue(
                f"bounce policy is {policy!r}: not one we know; nearest: {nearest(policy, BOUNCE_POLICIES)}"
            )
        return attrs.evolve(self, bounce_policy=policy, name=f"{self.name} with {policy} bounces")

    def with_codes(self, codes: Mapping[tuple[str, str], str]) -> Profile:
        """Return this profile with the host's own reasons for some codes.

        >>> mine = get_profile("campaignkit").with_codes({("twilio", "30003"): "number_unknown"})
        >>> mine.codes["twilio", "30003"]
        'number_unknown'
        """
        return attrs.evolve(self, codes=MappingProxyType({**self.codes, **codes}))


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
