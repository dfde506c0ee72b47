"""The fold held against its specification: every order, every repetition, both policies."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import math
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import state_model
from campaignkit.delivery import (
    BOTTOM,
    NEGATIVE,
    POSITIVE,
    PROGRESS,
    DeliveryState,
    PartState,
    Severity,
    fold,
    lift,
    severity_of,
)
from campaignkit.errors import AmbiguousCode, InvalidValue
from campaignkit.models import NEVER_HANDED_OFF, Attempt, Bounce, Outcome, Receipt, Status
from campaignkit.profiles import get_profile
from campaignkit.verdicts import CARRIERS, FAILURES, classify, code_table, reasons, status_table, verdict_of
from state_model import Fact
from strategies import CARRIER, NOON, SAYS, attempts, heard, moment, receipt_of, receipts

POLICIES = ("positive_wins", "negative_wins")
OURS = get_profile("campaignkit")
SHORT = {Status.UNDELIVERED, Status.REJECTED}

# The specification's names as a function of our status and the verdict on our code: the table of docs/design.md.
MEANS = {
    "pending": ({Status.PENDING}, Bounce.NONE, "in_progress"),
    "queued": ({Status.QUEUED}, Bounce.NONE, "in_progress"),
    "sent": ({Status.SENT}, Bounce.NONE, "in_progress"),
    "delivered": ({Status.DELIVERED}, Bounce.NONE, "ok"),
    "read": ({Status.READ}, Bounce.NONE, "ok"),
    "unknown_final": ({Status.UNCONFIRMED}, Bounce.NONE, "in_progress"),
    "expired": ({Status.EXPIRED}, Bounce.SOFT, "expired"),
    "soft": (SHORT, Bounce.SOFT, "handset_absent"),
    "hard": (SHORT, Bounce.HARD, "number_unknown"),
    "rejected": (SHORT, Bounce.NONE, "spam_filtered"),
    "blocked": (SHORT, Bounce.NONE, "opted_out"),
    "partial": ({Status.UNDELIVERED}, Bounce.NONE, "partly_delivered"),
    "canceled": ({Status.REJECTED}, Bounce.NONE, "canceled"),
}


def name_of(state: DeliveryState) -> str:
    """Return the specification's name for what a state shows; there is exactly one."""
    verdict = verdict_of(CARRIER, state.error_code, state.status, OURS)
    [name] = [
        name
        for name, (statuses, bounce, reason) in MEANS.items()
        if state.status in statuses and (bounce, reason) == (verdict.bounce, verdict.reason)
    ]
    return name


def told(*said: tuple[str, str | None], carrier: str = CARRIER, attempt: int = 1, part: int = 0) -> list[Receipt]:
    """Return receipts of one part, from words and codes."""
    return [
        Receipt(status=word, error_code=code, carrier=carrier, attempt=attempt, part=part) for word, code in said
    ]


SOFT, HARD = ("undelivered", "30003"), ("undelivered", "30005")
DELIVERED, READ = ("delivered", None), ("read", None)


# --- the fold against the specification --------------------------------------------------------


@given(heard(), st.sampled_from(POLICIES))
def test_fold_agrees_with_the_specification(bag, policy):
    """Whatever order and repetition receipts come in, the state is what the specification says of the facts."""
    facts, said = bag
    expected = state_model.learn(facts)

    state = fold(said, conflict_policy=policy)

    assert state_model.message_view(expected, negative_wins=policy == "negative_wins") == name_of(state)
    assert state_model.conflict(expected) == state.conflict
    assert moment(state_model.delivered_at(expected)) == state.delivered_at


@given(heard(), st.sampled_from(POLICIES), st.sets(st.sampled_from([1, 2, 3])))
def test_a_taken_attempt_is_a_queued_fact(bag, policy, taken):
    """With our attempts known, each taken one counts as a queued fact, and parts not heard of are pending."""
    facts, said = bag
    ours = [Attempt(number=number, parts=2) for number in sorted({1, 2} | taken)]
    expected = state_model.learn([*facts, *(Fact("queued", attempt=each.number) for each in ours)])

    state = fold(said, attempts=ours, conflict_policy=policy)

    shown = state_model.message_view(expected, expected=2, negative_wins=policy == "negative_wins")
    assert shown == name_of(state)


@pytest.mark.parametrize(
    ("statuses", "places", "most"),
    [
        (tuple(SAYS), ((1, 0),), 3),
        (("sent", "delivered", "read", "soft", "hard"), ((1, 0), (1, 1), (2, 0)), 3),
    ],
    ids=["every status of one part", "two parts, two attempts"],
)
def test_every_order_of_every_small_bag(statuses, places, most):
    """Every order of every bag of up to three facts, said once and twice, under both policies, shows the same."""
    alphabet = [Fact(status, *place) for status in statuses for place in places]
    said = {fact: receipt_of(fact, *SAYS[fact.status][0]) for fact in alphabet}
    names = functools.cache(lambda status, code: name_of_shown(status, code))
    tried = 0

    for size in range(most + 1):
        for bag in itertools.combinations_with_replacement(alphabet, size):
            expected = state_model.learn(bag)
            for policy in POLICIES:
                shown = state_model.message_view(expected, negative_wins=policy == "negative_wins")
                for order in itertools.permutations(bag):
                    once = [said[fact] for fact in order]
                    for repeated in (once, once * 2):
                        state = fold(repeated, conflict_policy=policy)
                        tried += 1
                        assert shown == names(state.status, state.error_code)
                        assert state_model.conflict(expected) == state.conflict

    letters = len(alphabet)
    orders = sum(math.comb(letters + size - 1, size) * math.factorial(size) for size in range(most + 1))
    assert orders * 2 * len(POLICIES) == tried
