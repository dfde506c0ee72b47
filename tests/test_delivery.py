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
from campaignkit.models import NEVER_HANDED_OFF, Attempt, Bounce, Receipt, Status
from campaignkit.profiles import get_profile
from campaignkit.verdicts import CARRIERS, FAILURES, classify, code_table, status_table, verdict_of
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


@functools.cache
def name_of(status: Status, code: str | None) -> str:
    """Return the specification's name for what is shown; there is exactly one."""
    verdict = verdict_of(CARRIER, code, status, OURS)
    [name] = [
        name
        for name, (statuses, *meaning) in MEANS.items()
        if status in statuses and meaning == [verdict.bounce, verdict.reason]
    ]
    return name


def told(*said: tuple[str, str | None], carrier: str = CARRIER, attempt: int = 1, part: int = 0) -> list[Receipt]:
    """Return receipts of one part, from words and codes."""
    return [Receipt(status=word, error_code=code, carrier=carrier, attempt=attempt, part=part) for word, code in said]


SOFT, HARD = ("undelivered", "30003"), ("undelivered", "30005")
DELIVERED, READ = ("delivered", None), ("read", None)


# --- the fold against the specification --------------------------------------------------------


@settings(max_examples=1000)
@given(heard(), st.sampled_from(POLICIES))
def test_fold_agrees_with_the_specification(bag, policy):
    """Whatever order and repetition receipts come in, the state is what the specification says of the facts."""
    facts, said = bag
    expected = state_model.learn(facts)

    state = fold(said, conflict_policy=policy)

    assert state_model.message_view(expected, negative_wins=policy == "negative_wins") == name_of(
        state.status, state.error_code
    )
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
    assert shown == name_of(state.status, state.error_code)


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("statuses", "places", "count"),
    [
        (tuple(SAYS), ((1, 0),), 7_440),
        (("queued", "sent", "delivered", "read", "expired", "soft", "hard"), ((1, 0), (1, 1), (2, 0)), 44_440),
    ],
    ids=["every status of one part", "two parts, two attempts"],
)
def test_every_order_of_every_small_bag(statuses, places, count):
    """Every order of every bag of up to three facts, said once and twice, under both policies, shows the same."""
    most = 3
    alphabet = [Fact(status, *place) for status in statuses for place in places]
    said = {fact: receipt_of(fact, *SAYS[fact.status][0]) for fact in alphabet}
    tried = 0

    for size in range(most + 1):
        for bag in itertools.combinations_with_replacement(alphabet, size):
            expected = state_model.learn(bag)
            shown = [state_model.message_view(expected, negative_wins=each == "negative_wins") for each in POLICIES]
            conflict = state_model.conflict(expected)
            for order in itertools.permutations([said[fact] for fact in bag]):
                for repeated, (policy, name) in itertools.product(
                    (order, order * 2), zip(POLICIES, shown, strict=True)
                ):
                    state = fold(repeated, conflict_policy=policy)
                    tried += 1
                    assert (name, conflict) == (name_of(state.status, state.error_code), state.conflict)

    letters = len(alphabet)
    orders = sum(math.comb(letters + size - 1, size) * math.factorial(size) for size in range(most + 1))
    assert orders * 2 * len(POLICIES) == tried == count


# --- the lattice -------------------------------------------------------------------------------

elements = st.lists(receipts, max_size=4).map(
    lambda said: functools.reduce(PartState.join, [lift(each, OURS) for each in said], BOTTOM)
)
"""Elements of the lattice, from nothing known to contradictions."""


@given(elements, elements, elements)
def test_join_is_a_semilattice(one, two, three):
    """Joining is commutative, associative and idempotent, and nothing known changes nothing."""
    assert one.join(two) == two.join(one)
    assert one.join(two).join(three) == one.join(two.join(three))
    assert one.join(one) == one
    assert one.join(BOTTOM) == one == BOTTOM.join(one)


@given(elements, receipts)
def test_join_only_adds(one, receipt):
    """No receipt takes evidence away: every bit stays, times only get earlier, the verdict only worse."""
    more = one.join(lift(receipt, OURS))

    assert more.bits | one.bits == more.bits
    assert one.positive_at is None or more.positive_at <= one.positive_at
    assert one.negative_at is None or more.negative_at <= one.negative_at
    assert more.shown >= one.shown


def test_the_table_is_unary():
    """Each step of a chain includes the steps before it, and no two meanings share a bit."""
    progress, positive = list(PROGRESS.values()), list(POSITIVE.values())
    singles = [progress[-1], positive[-1], *NEGATIVE.values()]

    for chain in (progress, positive):
        assert all(low & high == low and low < high for low, high in itertools.pairwise(chain))
    assert sum(singles) == functools.reduce(int.__or__, singles)
    assert list(Severity) == list(NEGATIVE)


def test_nothing_known_is_pending():
    """A part nobody has spoken of is pending and in no conflict."""
    assert BOTTOM.status() is Status.PENDING
    assert BOTTOM.conflict is False


@given(heard(4), heard(4), heard(4), attempts, attempts)
def test_merge_is_a_semilattice(one, two, three, ours, theirs):
    """What observers know together does not depend on who asks, in which order, or how often."""
    a, b, c = fold(one[1], attempts=ours), fold(two[1], attempts=theirs), fold(three[1])

    assert a.merge(b) == b.merge(a)
    assert a.merge(b).merge(c) == a.merge(b.merge(c))
    assert a.merge(a) == a
    assert a.merge(DeliveryState()) == a == DeliveryState().merge(a)


@given(heard(4), heard(4), attempts, attempts)
def test_merge_is_the_fold_of_everything(one, two, ours, theirs):
    """Two observers together know what one who heard it all knows, and so does one who hears it piece by piece."""
    everything = fold([*one[1], *two[1]], attempts=[*ours, *theirs])
    apart = fold(one[1], attempts=ours).merge(fold(two[1], attempts=theirs))
    by_piece = functools.reduce(DeliveryState.apply, [*one[1], *two[1]], DeliveryState(attempts=everything.attempts))

    assert everything == apart
    assert everything == by_piece


# --- which failure is shown --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ([SOFT, HARD, ("undelivered", "30007")], "undelivered", "30005"),
        ([HARD, ("rejected", "21610")], "rejected", "21610"),
        ([("expired", None), SOFT], "undelivered", "30003"),
        ([("unconfirmed", None), ("expired", None)], "expired", None),
        ([("canceled", None), ("unconfirmed", None)], "unconfirmed", None),
        ([SOFT, ("rejected", "30003")], "undelivered", "30003"),
        ([SOFT, ("undelivered", "30017"), ("rejected", "30410")], "undelivered", "30017"),
        ([HARD, ("undelivered", "30006"), ("undelivered", None)], "undelivered", "30005"),
        ([("undelivered", None), ("undelivered", "30007")], "undelivered", "30007"),
        ([("undelivered", None)], "undelivered", None),
    ],
)
def test_the_worst_failure_is_shown(said, status, code):
    """Severity decides, then the word, then the code, so that the same code is shown in any order."""
    states = [fold(order) for order in itertools.permutations(told(*said))]

    assert {(status, code)} == {(state.status.value, state.error_code) for state in states}


@given(heard(), st.randoms(use_true_random=False))
def test_the_shown_code_does_not_depend_on_order(bag, random):
    """Shuffling receipts changes nothing at all, not even the tie-break between codes."""
    _, said = bag
    shuffled = random.sample(said, len(said))

    assert fold(said) == fold(shuffled)
    assert fold(said).error_code == fold(shuffled).error_code


@pytest.mark.parametrize(
    ("status", "reason", "severity"),
    [
        ("unconfirmed", "number_unknown", Severity.UNCONFIRMED),
        ("undelivered", "canceled", Severity.CANCELED),
        ("expired", "opted_out", Severity.OPTED_OUT),
        ("expired", "number_unknown", Severity.HARD),
        ("undelivered", "deleted", Severity.HARD),
        ("expired", "no_code", Severity.EXPIRED),
        ("rejected", "handset_absent", Severity.SOFT),
        ("rejected", "spam_filtered", Severity.OTHER),
        ("undelivered", "unmapped", Severity.OTHER),
    ],
)
def test_severity_of(status, reason, severity):
    """An unconfirmed message is never worse than that; otherwise the code's verdict decides, then the word."""
    known = Status(status)

    assert severity is severity_of(known, verdict_of(None, reason, known, OURS))


def test_the_profile_decides_severity():
    """Which of two failures is worse follows the profile's bounce policy, or the host's own codes."""
    both = told(("undelivered", "30007"), ("undelivered", "30008"))
    host = OURS.with_codes({("twilio", "30008"): "number_unknown"})

    assert fold(both).error_code == "30007"
    assert fold(both, profile="brevo").error_code == "30008"
    assert fold(both, profile=host).error_code == "30008"


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_state_keeps_what_a_receipt_told(carrier):
    """For every failure word and code of a carrier, the kept status and code mean what word and code meant."""
    words = [word for word, row in status_table(carrier).rows.items() if row.meaning[0] in FAILURES]

    for word, code in itertools.product(words, [None, "no such code", *code_table(carrier).rows]):
        state = fold(told((word, code), carrier=carrier))
        kept = verdict_of(carrier, state.error_code, state.status, OURS)
        assert classify(carrier, code, word).reason == kept.reason


def test_the_word_tells_where_the_code_does_not():
    """Infobip writes code 0 on failures: the word is kept as the code, and an opt-out outweighs the rest."""
    state = fold(told(("5/10 REJECTED_DND", "0"), ("2/4 UNDELIVERABLE_REJECTED_OPERATOR", "1"), carrier="infobip"))

    assert state.status is Status.REJECTED
    assert state.error_code == "@5/10 REJECTED_DND"
    assert verdict_of("infobip", state.error_code, state.status, OURS).opts_out


def test_a_hosts_code_is_kept():
    """A code that only the host knows is kept as it is, although the carrier's word tells a cause too."""
    host = OURS.with_codes({("infobip", "99999"): "blocked"})
    said = told(("5/8 REJECTED_PREFIX_MISSING", "99999"), carrier="infobip")

    assert fold(said, profile=host).error_code == "99999"
    assert fold(said).error_code == "@5/8 REJECTED_PREFIX_MISSING"


def test_canceled_after_it_was_taken():
    """A carrier's word that a message was called off is a rejection whose reason is canceled, ours or the carrier's."""
    for carrier, word in ((None, "canceled"), (None, "cancelled"), ("twilio", "canceled"), ("telnyx", "mdr:canceled")):
        state = fold([Receipt(status="queued"), Receipt(status=word, carrier=carrier)])
        verdict = verdict_of(carrier, state.error_code, state.status, OURS)
        assert (state.status, verdict.reason, state.handed_off) == (Status.REJECTED, "canceled", True)


# --- words without effect ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("carrier", "word"),
    [
        ("twilio", "teleported"),
        (None, "teleported"),
        ("acme", "DELIVRD"),
        ("twilio", "received"),
        ("plivo", "received"),
        ("telnyx", "webhook_delivered"),
        (None, "pending"),
        (None, "skipped"),
        (None, "refused"),
        (None, "unknown"),
    ],
)
def test_a_word_nobody_knows_is_kept(carrier, word):
    """An unknown word, a word about replies, and a word no carrier can say are kept and change nothing."""
    before = fold(told(SOFT))
    after = before.apply(Receipt(status=word, carrier=carrier))

    assert frozenset({word}) == after.unknown_words
    assert before == attrs.evolve(after, unknown_words=frozenset())
    assert after == fold([Receipt(status=word, carrier=carrier), *told(SOFT)])
    assert after == before.merge(after) == after.merge(before)
    assert fold([Receipt(status=word, carrier=carrier)]).handed_off is False


def test_one_more_receipt_is_folded_in():
    """A receipt that comes later is joined to what is known of its part, and again changes nothing."""
    (later,) = told(DELIVERED)

    after = fold(told(SOFT)).apply(later)

    assert after == fold(told(SOFT, DELIVERED)) == after.apply(later)


def test_a_carrier_without_tables_speaks_our_words():
    """A host's own carrier may use our words; its codes are kept as they are."""
    state = fold(told(("failed", "E7"), carrier="acme"))

    assert (state.status, state.error_code) == (Status.UNDELIVERED, "E7")


def test_an_ambiguous_code_is_an_error():
    """A code that needs its qualifier is refused rather than guessed."""
    with pytest.raises(AmbiguousCode, match="give one of dlr:6"):
        fold(told(("dlr:failed", "6"), carrier="vonage"))


# --- conflicts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "by_positive", "by_negative", "conflict"),
    [
        ([DELIVERED, HARD], "delivered", "undelivered", True),
        ([READ, ("expired", None)], "read", "expired", True),
        ([DELIVERED, ("unconfirmed", None)], "delivered", "unconfirmed", True),
        ([("sent", None), HARD], "undelivered", "undelivered", False),
        ([("queued", None), READ], "read", "read", False),
        ([("sent", None)], "sent", "sent", False),
    ],
)
def test_conflict_policy(said, by_positive, by_negative, conflict):
    """Positive evidence wins unless the host says otherwise; either way the contradiction is flagged."""
    states = {policy: fold(told(*said), conflict_policy=policy) for policy in POLICIES}

    assert by_positive == states["positive_wins"].status
    assert by_negative == states["negative_wins"].status
    assert {conflict} == {state.conflict for state in states.values()}


def test_parts_do_not_contradict_each_other():
    """One part that arrived and another that failed are a partial delivery, not a conflict."""
    state = fold([*told(DELIVERED), *told(HARD, part=1)])

    assert (state.status, state.error_code) == (Status.UNDELIVERED, "partly_delivered")
    assert state.parts == (1, 2)
    assert state.conflict is False


def test_an_unknown_policy_is_named():
    """A wrong policy is answered with the right ones."""
    with pytest.raises(InvalidValue) as caught:
        fold([], conflict_policy="last_wins")

    assert str(caught.value) == "conflict_policy is 'last_wins': give positive_wins or negative_wins"


def test_an_unknown_profile_is_named():
    """A wrong profile is refused even when there is nothing to fold."""
    with pytest.raises(InvalidValue, match="profile is 'brave': not one we know; nearest: brevo"):
        fold([], profile="brave")


# --- attempts ----------------------------------------------------------------------------------


def did(*outcomes: str) -> list[Attempt]:
    """Return our attempts, numbered from 1."""
    return [Attempt(number=number, outcome=outcome) for number, outcome in enumerate(outcomes, 1)]


@pytest.mark.parametrize(
    ("ours", "said", "status", "handed_off"),
    [
        ([], [], "pending", False),
        (did("planned"), [], "pending", False),
        (did("inflight"), [], "pending", False),
        (did("taken"), [], "queued", True),
        (did("refused"), [], "refused", False),
        (did("unknown"), [], "unknown", False),
        (did("canceled"), [], "canceled", False),
        (did("unknown"), told(DELIVERED), "delivered", True),
        (did("refused"), told(("sent", None)), "sent", True),
        (did("taken", "planned"), told(SOFT), "queued", True),
        (did("taken", "inflight"), told(SOFT), "queued", True),
        (did("taken", "unknown"), told(SOFT), "queued", True),
        (did("taken", "refused"), told(SOFT), "undelivered", True),
        (did("taken", "canceled"), told(SOFT), "undelivered", True),
        (did("taken", "taken"), told(SOFT), "queued", True),
        (did("taken", "canceled"), told(DELIVERED), "delivered", True),
        (did("taken", "refused"), [], "queued", True),
        (did("taken", "refused", "planned"), told(SOFT), "queued", True),
        (did("taken", "refused", "canceled"), told(HARD), "undelivered", True),
        (did("taken", "taken", "refused"), [*told(HARD), *told(("sent", None), attempt=2)], "sent", True),
        (did("refused", "planned"), [], "pending", False),
        (did("refused", "unknown"), [], "unknown", False),
        (did("unknown", "canceled"), [], "canceled", False),
        (did("taken", "taken"), told(HARD, attempt=2), "undelivered", True),
        (did("taken", "taken"), [*told(HARD), *told(("sent", None), attempt=2)], "sent", True),
        (did("taken", "taken"), [*told(DELIVERED), *told(HARD, attempt=2)], "delivered", True),
        (did("taken", "taken"), [*told(READ), *told(DELIVERED, attempt=2)], "read", True),
        (did("planned"), told(SOFT, attempt=2), "undelivered", True),
    ],
)
def test_attempts(ours, said, status, handed_off):
    """Our newest attempt decides, but what was handed off once stays handed off; arriving beats everything."""
    state = fold(said, attempts=ours)

    assert (status, handed_off) == (state.status, state.handed_off)


def test_a_refusal_keeps_its_code():
    """The code with which a carrier refused an attempt is shown."""
    state = fold([], attempts=[Attempt(outcome="refused", error_code=21610)])

    assert (state.status, state.error_code) == (Status.REFUSED, "21610")


FURTHER = ("planned", "inflight", "unknown", "canceled", "refused", "taken")


@pytest.mark.parametrize(("earlier", "later"), list(itertools.combinations(FURTHER, 2)))
def test_the_furthest_version_of_an_attempt_counts(earlier, later):
    """Stale versions of an attempt are told by how far it had got, not by when they are read."""
    old, new = Attempt(outcome=earlier), Attempt(outcome=later)
    expected = fold([], attempts=[new])

    assert expected == fold([], attempts=[old, new]) == fold([], attempts=[new, old])
    assert expected == fold([], attempts=[old]).merge(expected) == expected.merge(fold([], attempts=[old]))


@given(heard(), attempts, receipts)
def test_handed_off_never_falls(bag, ours, receipt):
    """Once handed off, always handed off; and the status says so exactly when it is true."""
    before = fold(bag[1], attempts=ours)
    after = before.apply(receipt)

    assert (before.status not in NEVER_HANDED_OFF) == before.handed_off
    assert after.handed_off is True
    assert after.status not in NEVER_HANDED_OFF


@pytest.mark.parametrize(
    ("parts", "said", "status", "arrived"),
    [
        (2, told(DELIVERED), "sent", (1, 2)),
        (2, [*told(DELIVERED), *told(DELIVERED, part=1)], "delivered", (2, 2)),
        (2, [*told(READ), *told(DELIVERED, part=1)], "delivered", (2, 2)),
        (2, [*told(READ), *told(READ, part=1)], "read", (2, 2)),
        (2, [*told(READ), *told(HARD, part=1)], "undelivered", (1, 2)),
        (2, told(HARD), "undelivered", (0, 2)),
        (2, told(("sent", None)), "sent", (0, 2)),
        (3, [*told(("queued", None)), *told(("queued", None), part=1)], "queued", (0, 3)),
        (1, [*told(DELIVERED), *told(("queued", None), part=1)], "sent", (1, 2)),
    ],
)
def test_parts(parts, said, status, arrived):
    """A message has arrived when every part has: those we expect, and those the carrier speaks of."""
    state = fold(said, attempts=[Attempt(parts=parts)])

    assert (status, arrived) == (state.status, state.parts)


def test_parts_of_nothing():
    """A message nobody has spoken of expects one part."""
    assert DeliveryState().parts == (0, 1)


@pytest.mark.parametrize(
    ("said", "extra"),
    [
        ([], 0),
        (told(DELIVERED), 0),
        ([*told(DELIVERED), *told(DELIVERED, attempt=2)], 1),
        ([*told(DELIVERED), *told(READ, attempt=2), *told(DELIVERED, attempt=3)], 2),
        ([*told(DELIVERED), *told(HARD, attempt=2)], 0),
    ],
)
def test_extra_copies(said, extra):
    """Every attempt that reached the phone beyond the first is an extra copy."""
    assert extra == fold(said).extra_copies


def test_a_part_is_not_a_copy():
    """An attempt whose parts only partly arrived is no copy."""
    state = fold([*told(DELIVERED), *told(DELIVERED, attempt=2)], attempts=[Attempt(number=2, parts=2)])

    assert state.extra_copies == 0


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([(None, None)], None),
        ([(5, 1)], 5),
        ([(None, 7)], 7),
        ([(9, None), (None, 7)], 7),
        ([(None, None), (3, None)], 3),
    ],
)
def test_delivered_at(times, expected):
    """The first moment of positive evidence: the carrier's time where it gave one, else ours."""
    state = fold(
        [
            Receipt(status="delivered", part=part, at=moment(at), received_at=moment(ours))
            for part, (at, ours) in enumerate(times)
        ]
    )

    assert moment(expected) == state.delivered_at
    assert fold([Receipt(status="read", at=NOON)]).delivered_at == NOON


# --- the picture -------------------------------------------------------------------------------


def test_the_picture_is_current():
    """The diagram in the docs is what the tables draw now; after a change run ``python docs/states.py``."""
    path = Path(__file__).parents[1] / "docs" / "states.py"
    spec = importlib.util.spec_from_file_location("states", path)
    states = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(states)

    drawn = states.draw()

    assert states.TARGET.read_text(encoding="utf-8") == drawn
    for word in [*PROGRESS, *POSITIVE, *(severity.name.lower().replace("_", " ") for severity in Severity)]:
        assert f">{word}</text>" in drawn
