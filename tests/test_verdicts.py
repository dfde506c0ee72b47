"""What carriers' words and codes mean: the tables hold all that is documented, and nothing else, but the host's own."""

from __future__ import annotations

import csv
import io
import json
import pickle
from collections import Counter
from importlib import resources
from pathlib import Path

import attrs
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaignkit.delivery import fold
from campaignkit.errors import AmbiguousCode, InvalidValue, UnknownStatus
from campaignkit.live import Live
from campaignkit.logs import read_log
from campaignkit.models import STATUS_ALIASES, Bounce, Message, Receipt, Status
from campaignkit.profiles import BOUNCE_POLICIES, PROFILES, Code, Formula, Profile, get_profile
from campaignkit.report import Report
from campaignkit.summary import read_tally, summarize, tally
from campaignkit.verdicts import (
    CARRIERS,
    FAILURES,
    INBOUND,
    Column,
    check_carrier,
    classify,
    code_table,
    code_with_word,
    parse_status_word,
    reasons,
    status_table,
)

DOCUMENTED = json.loads(Path(__file__).with_name("carrier_facts.json").read_text(encoding="utf-8"))
"""Every status word and code that each carrier documents, taken once from the carriers' pages."""

OURS = get_profile("campaignkit")
FAULTS = {None, "recipient", "content", "sender", "account", "network"}


# --- the tables --------------------------------------------------------------------------------


def rows_of(kind: str, carrier: str) -> list[dict[str, str]]:
    """Return the rows of a table as they stand in its file."""
    text = resources.files("campaignkit").joinpath("data", kind, f"{carrier}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_every_carrier_is_documented():
    """We have tables for exactly the carriers whose documentation was read."""
    assert sorted(DOCUMENTED) == sorted(CARRIERS)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_every_documented_code_is_in_the_table(carrier, capsys):
    """Every documented code is classified or said to be unmapped; none is missing, doubled or invented."""
    rows = rows_of("codes", carrier)
    counts = Counter(row["code"] for row in rows)
    unmapped = sum(row["reason"] == "unmapped" for row in rows)

    with capsys.disabled():
        print(f"\n{carrier}: {len(rows)} codes, {len(rows) - unmapped} classified, {unmapped} unmapped", end=" ")  # noqa: T201 - the counts belong to the run

    assert Counter(DOCUMENTED[carrier]["codes"]) == counts
    assert list(counts) == list(code_table(carrier).rows)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_every_documented_word_is_in_the_table(carrier, capsys):
    """Every documented status word means one of our statuses or belongs to replies; none is missing or invented."""
    rows = rows_of("statuses", carrier)
    replies = sum(row["status"] == INBOUND for row in rows)

    with capsys.disabled():
        print(f"\n{carrier}: {len(rows)} status words, {replies} of them about replies", end=" ")  # noqa: T201 - the counts belong to the run

    assert Counter(DOCUMENTED[carrier]["statuses"]) == Counter(row["word"] for row in rows)
    assert {row["status"] for row in rows} <= {*Status, INBOUND}
    assert {row["reason"] for row in rows} <= {"", *reasons()}
    assert all(row["description"] and row["source"] for row in rows)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_every_code_says_why_and_what_to_do(carrier):
    """Each code has a known reason, a description and advice, and a source unless nobody could give one."""
    verdicts = [classify(carrier, code) for code in DOCUMENTED[carrier]["codes"]]

    assert {verdict.reason for verdict in verdicts} <= set(reasons())
    assert [
        verdict.code for verdict in verdicts if not (verdict.label and verdict.description and verdict.advice)
    ] == []
    assert [verdict.code for verdict in verdicts if verdict.mapped and not verdict.source] == []
    assert {row["retryable"] for row in rows_of("codes", carrier)} <= {"", "yes", "no"}
    assert all(verdict.mapped == (verdict.reason != "unmapped") for verdict in verdicts)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_every_word_is_understood(carrier):
    """Each documented word is read as the table says; a word about replies is refused with the way out."""
    for row in rows_of("statuses", carrier):
        if row["status"] == INBOUND:
            with pytest.raises(UnknownStatus, match=f"{carrier} uses it for messages from people"):
                parse_status_word(carrier, row["word"])
        else:
            meaning = parse_status_word(carrier, row["word"])
            assert (row["status"], row["reason"]) == (meaning.status, meaning.reason or "")


def test_the_sentence_about_an_inbound_word():
    """A word that carriers use for replies names itself and says what to do with such rows."""
    with pytest.raises(UnknownStatus) as caught:
        parse_status_word("twilio", "received")

    assert str(caught.value) == (
        "status is 'received': twilio uses it for messages from people; leave such rows out,"
        " or read the log with read_log(), which makes replies of them"
    )


def test_reasons_are_consistent():
    """Who may not be written to again is marked so: what bounces for good counts as a strike and is not retried."""
    for name, reason in reasons().items():
        assert name == reason.name
        assert reason.fault in FAULTS
        assert reason.label
        assert reason.advice
        assert reason.strike == (reason.bounce in {Bounce.HARD, Bounce.DELETED})
        assert not (reason.retryable and (reason.strike or reason.opts_out))
    assert [name for name, reason in reasons().items() if reason.opts_out] == ["opted_out"]
    assert [name for name, reason in reasons().items() if reason.bounce is Bounce.DELETED] == ["deleted"]


# --- how a code is written ---------------------------------------------------------------------


@pytest.mark.parametrize("code", [30005, 30005.0, "30005", " 30005 "])
def test_a_code_is_read_however_it_is_written(code):
    """Frames make numbers of codes; 30005, 30005.0 and "30005" are one code."""
    verdict = classify("twilio", code)

    assert (verdict.code, verdict.reason) == ("30005", "number_unknown")


@pytest.mark.parametrize("code", [None, "", " ", float("nan")])
def test_no_code(code):
    """No code is no cause: the carrier gave none, which is not a gap in our tables."""
    verdict = classify("twilio", code)

    assert (verdict.code, verdict.reason, verdict.mapped) == (None, "no_code", True)


@pytest.mark.parametrize("carrier", ["Twilio", " TWILIO "])
def test_a_carrier_is_read_in_any_case(carrier):
    """Carriers are known by name, however it is capitalised."""
    assert classify(carrier, "30005") == classify("twilio", "30005")


@pytest.mark.parametrize(
    ("carrier", "long", "short"),
    [
        ("vonage", "dlr:99", "99"),
        ("vonage", "messages:1170", "1170"),
        ("smpp", "command_status:0x00000058", "0x00000058"),
        ("aws", "SNS:Phone number is opted out", "phone number is OPTED OUT"),
        ("aws", "ConflictException:DESTINATION_PHONE_NUMBER_OPTED_OUT", "destination_phone_number_opted_out"),
        ("infobip", "4101", "4101"),
    ],
)
def test_an_unambiguous_qualifier_may_be_left_out(carrier, long, short):
    """Where only one meaning is possible, the short form means what the qualified one does."""
    one, other = classify(carrier, long), classify(carrier, short)

    assert one == attrs.evolve(other, code=one.code)


def test_an_ambiguous_code_names_its_choices():
    """A number that a carrier uses twice is refused, with what each use of it means."""
    with pytest.raises(AmbiguousCode) as caught:
        classify("vonage", "6")

    assert str(caught.value) == (
        "vonage code is '6': it means several things; give one of dlr:6 (spam_filtered), send:6 (invalid_number)"
    )
    assert classify("vonage", "dlr:6").reason == "spam_filtered"
    assert classify("vonage", "send:6").reason == "invalid_number"


def test_an_ambiguous_word_names_its_choices():
    """A word that a carrier uses twice, and we do not use, is refused in the same way."""
    with pytest.raises(AmbiguousCode) as caught:
        parse_status_word("sinch", "deleted")

    assert str(caught.value) == (
        "sinch status is 'deleted': it means several things; give one of"
        " Deleted (undelivered), smpp:DELETED (undelivered)"
    )


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_part_of_a_name_is_ambiguous_or_agrees(carrier):
    """For every code, what follows its qualifier means the same, or another code of that very name, or is refused."""
    table = code_table(carrier)
    for name in table.rows:
        short = name.rpartition(":")[2]
        meanings = {row.meaning for each, row in table.rows.items() if each.rpartition(":")[2].lower() == short.lower()}
        if short in table.rows or len(meanings) == 1:
            assert classify(carrier, short).reason == table.rows.get(short, table.rows[name]).meaning[0]
        else:
            with pytest.raises(AmbiguousCode):
                classify(carrier, short)


@pytest.mark.parametrize(
    ("carrier", "word", "status"),
    [
        ("infobip", "DELIVERED_TO_HANDSET", "delivered"),
        ("infobip", "3/5", "delivered"),
        ("infobip", "3/5 delivered_to_handset", "delivered"),
        ("infobip", "5/8", "rejected"),
        ("infobip", "SIGNALS_BLOCKED", "rejected"),
        ("vonage", "delivered", "delivered"),
        ("vonage", "DLR:Expired", "expired"),
        ("vonage", "rejected", "rejected"),
        ("sinch", "DELIVERED", "delivered"),
        ("smpp", "delivrd", "delivered"),
        ("telnyx", "delivering", "queued"),
        ("twilio", " Delivered ", "delivered"),
        ("twilio", "expired", "expired"),
        ("acme", "failed", "undelivered"),
        (None, "Cancelled", "canceled"),
    ],
)
def test_a_word_is_read_by_any_part_of_its_name(carrier, word, status):
    """A carrier's word is found in any case and by the half people write; then our own words are tried."""
    assert status == parse_status_word(carrier, word).status


@pytest.mark.parametrize("fragment", ["SNS:Phone", "is currently unreachable/unavailable", "SNS"])
def test_a_fragment_of_a_sentence_is_no_code(fragment):
    """A slash inside a carrier's sentence does not make its pieces into codes."""
    assert classify("aws", fragment).mapped is False


# --- our words and the carrier's ---------------------------------------------------------------

DIFFERENT = {
    ("infobip", "cancelled"): "rejected",
    ("sinch", "cancelled"): "rejected",
    ("sinch", "unknown"): "unconfirmed",
    ("smpp", "skipped"): "rejected",
    ("smpp", "unknown"): "unconfirmed",
    ("telnyx", "canceled"): "rejected",
    ("twilio", "canceled"): "rejected",
    ("vonage", "unknown"): "unconfirmed",
}
"""The words of ours by which a carrier means something else."""


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("word", [*map(str, Status), *STATUS_ALIASES])
def test_whose_word_it_is(carrier, word):
    """A carrier's meaning comes first, unless ours is asked for; a `Status` is always ours."""
    ours = parse_status_word(None, word).status
    theirs = DIFFERENT.get((carrier, word), ours)

    assert parse_status_word(carrier, word).status == theirs
    assert parse_status_word(carrier, word, ours_first=True).status == ours
    assert parse_status_word(carrier, ours).status is ours


def test_a_word_nobody_knows():
    """An unknown word names the nearest words of the carrier and of ours."""
    with pytest.raises(UnknownStatus) as of_a_carrier:
        parse_status_word("smpp", "DELIVERD")
    with pytest.raises(UnknownStatus) as of_nobody:
        parse_status_word(None, "DELIVERD")

    assert str(of_a_carrier.value) == (
        "status is 'DELIVERD': neither a word of smpp nor one of ours; nearest: delivered, DELIVRD, undelivered"
    )
    assert str(of_nobody.value) == ("status is 'DELIVERD': not a status we know; nearest: delivered, undelivered")


@pytest.mark.parametrize(
    ("carrier", "code", "word", "kept"),
    [
        ("sinch", None, "Deleted", "@Deleted"),
        ("infobip", "0", "5/8", "@5/8"),
        ("infobip", "1", "5/8", "1"),
        ("infobip", "0", "2/4", "0"),
        ("infobip", None, "4/15", None),
        ("twilio", "30005", "undelivered", "30005"),
        ("twilio", None, "canceled", "@canceled"),
        ("acme", "7", "failed", "7"),
        (None, None, "canceled", None),
    ],
)
def test_the_code_to_keep(carrier, code, word, kept):
    """Where only the carrier's word tells the cause, the word is kept in the place of the code."""
    meaning = parse_status_word(carrier, word)

    assert kept == code_with_word(carrier, code, word, meaning)


# --- verdicts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("carrier", "code", "word", "reason", "mapped"),
    [
        ("twilio", "99999", None, "unmapped", False),
        ("twilio", "99999", "undelivered", "unmapped", False),
        ("twilio", "99999", "expired", "expired", False),
        ("twilio", None, "undelivered", "no_code", True),
        ("twilio", None, "delivered", "ok", True),
        ("twilio", None, "read", "ok", True),
        ("twilio", None, "queued", "in_progress", True),
        ("twilio", None, "expired", "expired", True),
        ("twilio", None, "canceled", "canceled", True),
        ("twilio", "30018", "delivered", "sender", True),
        ("infobip", "0", None, "ok", True),
        ("infobip", "0", "DELIVERED_TO_HANDSET", "ok", True),
        ("infobip", "0", "REJECTED_PREFIX_MISSING", "invalid_number", True),
        ("infobip", "0", "UNDELIVERABLE_NOT_DELIVERED", "no_code", True),
        ("infobip", "0", "4/15 EXPIRED_EXPIRED", "expired", True),
        ("infobip", "1", "REJECTED_PREFIX_MISSING", "number_unknown", True),
        ("infobip", None, "5/10 REJECTED_DND", "opted_out", True),
        ("sinch", "400", "Failed", "no_code", True),
        ("sinch", None, "Unknown", "unknown", True),
        ("telnyx", "40323", "delivery_failed", "unmapped", False),
        ("smpp", "map:144", None, "unmapped", False),
        ("twilio", "quiet_hours", None, "quiet_hours", True),
        (None, None, None, "no_code", True),
        (None, "30005", None, "unmapped", False),
        (None, "30005", "undelivered", "unmapped", False),
        (None, None, "canceled", "canceled", True),
        (None, "opted_out", "rejected", "opted_out", True),
    ],
)
def test_classify(carrier, code, word, reason, mapped):
    """The code says why; where it says nothing, the word does; what nobody can tell is unmapped, never guessed."""
    verdict = classify(carrier, code, word)

    assert (reason, mapped) == (verdict.reason, verdict.mapped)


def test_a_code_that_is_ok_on_a_failure():
    """A failure whose code says "no error" has no description of that error."""
    verdict = classify("infobip", "0", "UNDELIVERABLE_NOT_DELIVERED")

    assert (verdict.description, verdict.source) == (reasons()["no_code"].label, "")


def test_an_unmapped_code_keeps_its_row():
    """What little is documented of an unmapped code is told, with or without the status."""
    alone, with_word = classify("telnyx", "40323"), classify("telnyx", "40323", "delivery_failed")

    assert alone.description == "an activation failed; which one is not explained"
    assert alone == with_word


def test_a_carrier_may_say_that_its_own_code_passes():
    """Whether a retry helps is the code's own answer where the table has one, else the reason's."""
    assert classify("telnyx", "40002").retryable is True
    assert reasons()["spam_filtered"].retryable is False
    assert classify("twilio", "30003").retryable is True
    assert classify("twilio", "30006").retryable is False


def gravity(name: str) -> tuple[bool, ...]:
    """Return where a reason stands: opted out, deleted, sender or account, hard, soft."""
    reason = reasons()[name]
    return (
        reason.opts_out,
        reason.bounce is Bounce.DELETED,
        reason.fault in {"sender", "account"},
        reason.bounce is Bounce.HARD,
        reason.bounce is Bounce.SOFT,
    )


@pytest.mark.parametrize(
    ("carrier", "code", "reason", "loses"),
    [
        ("plivo", "70", "deleted", "number_unknown"),
        ("vonage", "dlr:3", "deleted", "number_unknown"),
        ("vonage", "messages:1190", "deleted", "number_unknown"),
        ("smpp", "kpn:008", "deleted", "number_unknown"),
        ("telnyx", "40003", "sender", "spam_filtered"),
        ("telnyx", "40012", "number_unknown", "invalid_number"),
        ("plivo", "50", "sms_not_supported", "landline"),
        ("plivo", "100", "sms_not_supported", "content"),
        ("infobip", "573", "opted_out", "blocked"),
    ],
)
def test_precedence_of_concepts(carrier, code, reason, loses):
    """A code with two meanings has the graver: opted out, deleted, sender or account, hard, soft."""
    assert reason == classify(carrier, code).reason
    assert gravity(reason) > gravity(loses)


@given(
    st.sampled_from([None, *CARRIERS]),
    st.none() | st.text(max_size=8) | st.integers() | st.sampled_from(["0", "1", "30005", "@Deleted", "@", "5/8"]),
    st.none() | st.sampled_from(Status),
)
def test_a_verdict_is_always_complete(carrier, code, status):
    """Whatever the code, there is a verdict with a known reason, or an error about ambiguity."""
    try:
        verdict = classify(carrier, code, status)
    except AmbiguousCode:
        return

    assert verdict.reason in reasons()
    assert verdict.label
    assert verdict.description
    assert verdict.advice


# --- profiles ----------------------------------------------------------------------------------

SAID_BY = {
    # Brevo's help pages: what it lists as soft and as hard bounces.
    "brevo": {
        Bounce.SOFT: "quiet_hours landline invalid_number handset_absent expired unknown no_code spam_filtered content"
        " network_temporary memory_full",
        Bounce.HARD: "blocked number_unknown deleted sender",
    },
    # Dotdigital's help pages: soft is expiry only, deleted is a class of its own, the rest is hard.
    "dotdigital": {
        Bounce.SOFT: "expired",
        Bounce.HARD: "handset_absent memory_full network_temporary number_unknown invalid_number landline blocked"
        " spam_filtered content no_code",
        Bounce.DELETED: "deleted",
    },
    # GOV.UK Notify's source: maps of Firetext and MMG codes; an unknown code is temporary.
    "notify": {
        Bounce.SOFT: "handset_absent memory_full expired unreachable_route no_code unmapped",
        Bounce.HARD: "number_unknown deleted invalid_number blocked spam_filtered",
    },
    # Voyado's help pages: soft is network, phone off, inbox full; hard is invalid or disconnected.
    "voyado": {
        Bounce.SOFT: "network_temporary handset_absent memory_full",
        Bounce.HARD: "invalid_number number_unknown deleted",
        Bounce.NONE: "expired unknown",
    },
    "campaignkit": {
        Bounce.SOFT: "handset_absent memory_full expired landline invalid_number quiet_hours",
        Bounce.HARD: "number_unknown blocked sms_not_supported",
        Bounce.DELETED: "deleted",
        Bounce.NONE: "opted_out spam_filtered content sender account throttled no_code unmapped partly_delivered",
    },
}
"""Policy to bounce to the reasons that its owner publishes as such."""


@pytest.mark.parametrize(
    ("policy", "reason", "bounce"),
    [
        (policy, reason, bounce)
        for policy, classes in SAID_BY.items()
        for bounce, names in classes.items()
        for reason in names.split()
    ],
)
def test_bounce_policies(policy, reason, bounce):
    """Each vendor's own classes: the same failure is soft at one and hard at the next."""
    assert bounce is classify(None, reason, profile=OURS.with_bounces(policy)).bounce


@pytest.mark.parametrize("policy", BOUNCE_POLICIES)
def test_policies_name_reasons_we_have(policy):
    """A policy speaks only of reasons that exist, and never turns what is no failure into a bounce."""
    assert set(BOUNCE_POLICIES[policy]) <= set(reasons())
    assert not {"ok", "in_progress", "opted_out", "canceled"} & set(BOUNCE_POLICIES[policy])


def test_a_policy_changes_only_the_bounce():
    """A profile decides what is a bounce; cause, advice and strikes stay."""
    ours, theirs = classify("twilio", "30007"), classify("twilio", "30007", profile="brevo")

    assert (ours.bounce, theirs.bounce) == (Bounce.NONE, Bounce.SOFT)
    assert ours == attrs.evolve(theirs, bounce=ours.bounce)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            lambda: classify("twillio", "30005"),
            "carrier is 'twillio': no table of codes for it; nearest: twilio",
        ),
        (
            lambda: check_carrier(" "),
            f"carrier is ' ': no table of codes for it; nearest: {', '.join(CARRIERS)}",
        ),
        (
            lambda: get_profile("messageflow"),
            "profile is 'messageflow': not one we know; nearest: messengerflow",
        ),
        (
            lambda: classify("twilio", "30005", profile="brave"),
            "profile is 'brave': not one we know; nearest: brevo",
        ),
        (
            lambda: OURS.with_bounces("vojado"),
            "bounce policy is 'vojado': not one we know; nearest: voyado",
        ),
        (
            lambda: Profile(name="ours", bounce_policy="vojado"),
            "bounce policy is 'vojado': not one we know; nearest: voyado",
        ),
        (
            lambda: Profile(name="ours", bounce_policy="nope"),
            f"bounce policy is 'nope': not one we know; nearest: {', '.join(BOUNCE_POLICIES)}",
        ),
        (
            lambda: Profile(name="ours", bounce_policy="own"),
            f"bounce policy is 'own': not one we know; nearest: {', '.join(BOUNCE_POLICIES)}",
        ),
        (
            lambda: Profile(name="ours", bounce_policy="brewo", bounces={"landline": "hard"}),
            "bounce policy is 'brewo': not one we know; nearest: brevo",
        ),
    ],
)
def test_a_wrong_name_gets_the_nearest(wrong, sentence):
    """Unknown carriers, profiles and policies are named with the nearest that exist."""
    with pytest.raises(InvalidValue) as caught:
        wrong()

    assert sentence == str(caught.value)


def test_a_profile_is_itself():
    """A profile can be given by name or as such; a changed one says so in its name and leaves the original."""
    changed = get_profile("brevo").with_bounces("dotdigital")

    assert get_profile(OURS) is OURS
    assert get_profile(changed) is changed
    assert (changed.name, changed.bounce_policy) == ("brevo with dotdigital bounces", "dotdigital")
    assert get_profile("brevo").bounce_policy == "brevo"


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_are_whole(name):
    """Each profile goes by its own name, under a policy that exists."""
    profile = get_profile(name)

    assert name == profile.name
    assert profile.bounce_policy in BOUNCE_POLICIES
    assert profile.attribution
    assert {rate.proportion for rate in profile.rates.values()} <= {True, False}


def test_a_formula_prints_as_words():
    """A rate's definition is printed beside the number, and whether it is a proportion is part of it."""
    assert str(Formula("opted_out", "unique_sends")) == "opted out ÷ unique sends"
    assert get_profile("messagesender").rates["reply_rate"] == Formula("replies", "sent", proportion=False)
    assert get_profile("campaignkit").rates["reply_rate"] == Formula("replied", "sent", proportion=True)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_failure_words_never_say_that_it_arrived(carrier):
    """No word of a carrier is a failure of ours and a success at once."""
    words = [word for word, row in status_table(carrier).rows.items() if row.meaning[0] in FAILURES]

    assert not {classify(carrier, None, word).reason for word in words} & {"ok", "in_progress"}


# --- the host's own codes ----------------------------------------------------------------------


def test_the_hosts_codes_win():
    """A host's own reason for a code wins over the table and over the carrier's word, known code or not."""
    mine = OURS.with_codes({("twilio", "30003"): "number_unknown", ("infobip", "99999"): "blocked"})
    more = mine.with_codes({("acme", "7"): "memory_full", ("vonage", "6"): "content"})

    assert classify("twilio", "30003", profile=mine).bounce is Bounce.HARD
    assert classify("twilio", "30003").reason == "handset_absent"
    assert classify("infobip", "99999", "5/8", profile=mine).reason == "blocked"
    assert classify("infobip", "99999", "5/8").reason == "invalid_number"
    assert classify("acme", "7", profile=more).reason == "memory_full"
    assert classify("acme", "7", profile=mine).mapped is False
    assert classify("twilio", "30003", profile=more).reason == "number_unknown"
    assert classify("vonage", "6", profile=more).reason == "content"
    assert OURS.codes == {}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("sender", {}),
        (Code("sender"), {}),
        (Code("sender", retryable=True), {"retryable": True}),
        (Code("handset_absent", retryable=False), {"retryable": False}),
        (Code("sender", description="not registered in Kenya"), {"description": "not registered in Kenya"}),
        (Code("sender", advice="Ask Wanjiru."), {"advice": "Ask Wanjiru."}),
        (Code("sender", source="acme's manual, page 7"), {"source": "acme's manual, page 7"}),
        (Code("sender", source=None), {"source": ""}),
        (Code("unmapped", description="seen in May"), {"mapped": False, "description": "seen in May"}),
    ],
)
def test_what_a_host_says_of_its_code(code, said):
    """A host's code is a reason, or one with more said about it; what is left out is the reason's."""
    reason = reasons()[code.reason if isinstance(code, Code) else code]
    expected = attrs.asdict(reason, filter=attrs.filters.exclude("name"))
    expected |= {"carrier": "acme", "code": "E7", "reason": reason.name}
    expected |= {"description": reason.label, "source": "the host", "mapped": True}

    verdict = classify("acme", "E7", profile=OURS.with_codes({("acme", "E7"): code}))

    assert {**expected, **said} == attrs.asdict(verdict)


@pytest.mark.parametrize(
    ("carrier", "code"),
    [("twilio", "30999"), ("Twilio", "30999"), (" TWILIO ", " 30999 "), ("twilio", 30999), ("twilio", "30999.0")],
)
def test_a_hosts_code_is_found_however_it_is_written(carrier, code):
    """Carriers in any case and codes as numbers are read in a host's table as they are in its data."""
    mine = OURS.with_codes({(carrier, code): "blocked"})

    assert {("twilio", "30999"): Code("blocked")} == mine.codes
    assert summarize([{"status": "failed", "carrier": " Twilio", "error_code": 30999.0}], profile=mine).reasons == {
        "blocked": 1
    }


@pytest.mark.parametrize("carrier", [None, "", " "])
def test_codes_of_nobody(carrier):
    """Messages that name no carrier have codes too."""
    mine = OURS.with_codes({(carrier, "E7"): "blocked"})

    assert summarize([{"status": "failed", "error_code": "E7"}], profile=mine).reasons == {"blocked": 1}
    assert classify(None, "E7", profile=mine).reason == "blocked"


E7 = Code("handset_absent", retryable=False, description="phone is off", advice="Wait for the evening.")
MINE = OURS.with_codes({("Acme", "E7"): E7})
FAILED = {"status": "failed", "carrier": "acme", "error_code": "E7"}
AS_TEXT = "status,carrier,error_code\nfailed, ACME ,E7\n"


def received():
    """Return a live table whose message failed by a receipt."""
    live = Live(profile=MINE)
    live.add([Message(message_id="m1", status="queued", carrier="acme")])
    live.apply(Receipt(message_id="m1", status="failed", error_code="E7"))
    return live.tally()


WAYS = {
    "messages": lambda: summarize([Message(**FAILED)], profile=MINE),
    "mappings": lambda: summarize([FAILED | {"carrier": " ACME "}], profile=MINE),
    "pandas": lambda: summarize(pd.DataFrame([FAILED]), profile=MINE),
    "polars": lambda: summarize(pl.DataFrame([FAILED | {"carrier": "Acme"}]), profile=MINE),
    "carrier=": lambda: summarize([{"status": "failed", "error_code": "E7"}], carrier="Acme", profile=MINE),
    "carrier= of a frame": lambda: summarize(pl.DataFrame([FAILED]).drop("carrier"), carrier="acme", profile=MINE),
    "a log": lambda: summarize(read_log(io.StringIO(AS_TEXT), format="csv"), profile=MINE),
    "a log of its own": lambda: summarize(
        read_log([{"status": "failed", "error_code": "E7"}], carrier="acme"), profile=MINE
    ),
    "a live table": lambda: read_tally(received(), profile=MINE),
    "a tally": lambda: read_tally(tally([FAILED]), profile=MINE),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_carrier_that_only_the_host_knows(way):
    """Whichever way its messages come, a host's carrier is read with the host's codes."""
    summary = WAYS[way]()

    (failure,) = summary.failures
    assert failure.verdict == classify("acme", "E7", profile=MINE)
    assert (summary.counts.soft, summary.counts.unmapped, summary.unmapped) == (1, 0, {})
    assert summary.to_dict()["failures"][0]["description"] == "phone is off"


def test_a_hosts_code_decides_what_is_worst():
    """Of two failures of one message, the host's codes say which is shown."""
    told = [Receipt(status="failed", carrier="acme", error_code=code) for code in ("E7", "E9")]

    assert fold(told).error_code == "E9"
    assert fold(told, profile=OURS.with_codes({("acme", "E7"): "number_unknown"})).error_code == "E7"


@pytest.mark.parametrize("row", [FAILED, FAILED | {"carrier": " Acme"}, Message(**FAILED)])
def test_a_file_explains_the_hosts_codes(row):
    """The message log says of a host's code what the host says of it."""
    file = io.StringIO()

    Report.of([row], profile=MINE).to_csv(file)

    (written,) = csv.DictReader(file.getvalue().splitlines())
    assert [written[name] for name in ("reason", "bounce", "retryable", "error_description", "advice")] == [
        "handset_absent",
        "soft",
        "false",
        "phone is off",
        "Wait for the evening.",
    ]


@pytest.mark.parametrize("name", ["acme", "Acme ", "bandwidth", "messagemedia", "telenor", "orange", "zzz"])
def test_a_host_may_have_any_carrier(name):
    """A name unlike ours is a carrier of the host's own: its words are ours, its codes unmapped until somebody says."""
    verdict = classify(name, "30005", "failed")

    assert (verdict.carrier, verdict.mapped) == (name.strip().lower(), False)


@pytest.mark.parametrize("name", ["twillio", "twlio", "infobib", "message-bird", "smp", "telnx", "vontage", "AWS1"])
def test_a_slip_in_a_carriers_name_is_no_new_carrier(name):
    """A name nearly like one of ours is refused, unless the host's profile has codes of that carrier."""
    with pytest.raises(InvalidValue, match="no table of codes for it"):
        classify(name, "E7")

    assert classify(name, "E7", profile=OURS.with_codes({(name, "E7"): "blocked"})).reason == "blocked"


# --- the host's own bounces --------------------------------------------------------------------


@pytest.mark.parametrize("policy", BOUNCE_POLICIES)
@pytest.mark.parametrize(
    "given", [{"landline": "hard", "content": "none"}, {"landline": Bounce.HARD, "content": "none"}]
)
def test_own_bounces_lie_on_top_of_a_policy(policy, given):
    """A host says of some reasons what kind of bounce they are; the others stay as the policy has them."""
    theirs = OURS.with_bounces(policy)
    mine = theirs.with_bounces(given)

    for reason in reasons():
        expected = Bounce(given[reason]) if reason in given else classify(None, reason, profile=theirs).bounce
        assert expected is classify(None, reason, profile=mine).bounce


def test_own_bounces_are_named():
    """Own bounces are called so in the profile's name and policy, once, and in what a report says of itself."""
    brevo = get_profile("brevo")
    mine = brevo.with_bounces({"landline": "hard"})
    more = mine.with_bounces({"content": "none"})

    for profile in (mine, more, attrs.evolve(more, notes="Ours since May.")):
        assert (profile.name, profile.bounce_policy) == ("brevo with own bounces", "own")
        assert Report.of([FAILED], profile=profile).definitions()["bounce_policy"] == "own"
    assert (more.bounces["landline"], more.bounces["content"]) == (Bounce.HARD, Bounce.NONE)
    assert (brevo.bounce_policy, brevo.bounces) == ("brevo", {})


def test_a_known_policy_takes_the_place_of_own_bounces():
    """Naming a policy leaves nothing of the host's own; own bounces of nothing change nothing."""
    mine = OURS.with_bounces({"landline": "hard"}).with_bounces("notify")

    assert (mine.bounce_policy, mine.bounces) == ("notify", {})
    assert (OURS.with_bounces({}).name, OURS.with_bounces({}).bounce_policy) == ("campaignkit", "campaignkit")


def test_a_profile_of_ones_own():
    """A profile may be made with codes and bounces at once; they are those that it would be given later."""
    made = Profile(name="ours", bounce_policy="voyado", bounces={"landline": "soft"}, codes={("Acme", 7): "landline"})
    given = Profile(name="ours").with_bounces("voyado").with_bounces({"landline": "soft"})

    assert (given.bounce_policy, given.bounces) == (made.bounce_policy, made.bounces)
    assert classify("acme", "7", profile=made).bounce is Bounce.SOFT
    assert made.codes == {("acme", "7"): Code("landline")}


# --- the host's own words ----------------------------------------------------------------------

STATE = Column("State", {"OK": "delivered", "KO": "failed", "Wait ": "sending", "SENT": Status.DELIVERED})


COUNTED = {
    "mappings": lambda rows, columns: tally(rows, columns=columns),
    "pandas": lambda rows, columns: tally(pd.DataFrame(rows), columns=columns),
    "polars": lambda rows, columns: tally(pl.DataFrame(rows).lazy(), columns=columns),
    "a log": lambda rows, columns: tally(read_log(rows, columns=columns)),
}
"""Ways to count rows with columns of their own."""


@pytest.mark.parametrize("way", COUNTED)
@given(words=st.lists(st.sampled_from(["OK", "ok", " Ko", "wait", "sent", "read", "Failed", "KO"]), min_size=1))
def test_own_words_are_what_they_mean(way, words):
    """Counting with a column's own words is counting what they mean; a word that is not named keeps its meaning."""
    means = {"ok": "delivered", "ko": "undelivered", "wait": "queued", "sent": "delivered"}
    translated = [{"status": means.get(word.strip().lower(), word)} for word in words]

    assert tally(translated) == COUNTED[way]([{"State": word} for word in words], {"status": STATE})


@pytest.mark.parametrize("way", COUNTED)
@pytest.mark.parametrize(
    ("words", "values"),
    [
        ({True: "delivered", False: "failed"}, [True, False, True]),
        ({1: "delivered", 0: "failed"}, [1, 0, 1]),
        ({1: "delivered", 0: "failed"}, [1.0, 0.0, 1.0]),
        ({"1": "delivered", "0": "failed"}, [1, 0, 1]),
    ],
)
def test_words_may_be_flags_and_numbers(way, words, values):
    """A column of flags or numbers has words too."""
    table = COUNTED[way]([{"ok": value} for value in values], {"status": Column("ok", words)})

    assert read_tally(table).statuses == {"delivered": 2, "undelivered": 1}


@pytest.mark.parametrize("way", COUNTED)
def test_own_words_go_before_the_carriers(way):
    """Where the carrier has the same word, the host's meaning counts, and no cause is read into it."""
    words = Column("status", {"rejected_prefix_missing": "delivered"})
    rows = [{"status": "REJECTED_PREFIX_MISSING", "carrier": "infobip"}]

    assert read_tally(COUNTED[way](rows, {"status": words})).statuses == {"delivered": 1}
    assert summarize(rows).reasons == {"invalid_number": 1}


@pytest.mark.parametrize("way", COUNTED)
def test_one_column_may_tell_status_and_cause(way):
    """A column that says both how a message stands and why is named twice: its words, and what they mean as codes."""
    words = Column("State", dict.fromkeys(["NO_SUCH_NUMBER", "PHONE_OFF"], "failed"))
    mine = OURS.with_codes({(None, "NO_SUCH_NUMBER"): "number_unknown", (None, "PHONE_OFF"): "handset_absent"})
    rows = [{"State": word} for word in ("delivered", "NO_SUCH_NUMBER", "PHONE_OFF")]

    table = COUNTED[way](rows, {"status": words, "error_code": "State"})

    assert read_tally(table, profile=mine).reasons == {"handset_absent": 1, "number_unknown": 1}


def test_people_of_own_words():
    """Who was reached is read from a frame's own words too."""
    frame = pl.DataFrame({"State": ["OK", "KO", "WAIT"], "contact_id": ["ana", "ben", "ana"]})

    people = summarize(frame, columns={"status": STATE}, people="contact_id").people

    assert (people.recipients, people.unique_sends, people.unique_deliveries) == (2, 2, 1)


def test_a_file_has_the_status_that_own_words_mean():
    """The message log says where a message stands in our words, and explains its code."""
    file = io.StringIO()
    rows = [{"State": "KO", "carrier": "acme", "error_code": "E7"}, {"State": "OK", "carrier": "acme"}]

    Report.of(rows, profile=MINE, columns={"status": STATE}).to_csv(file)

    written = csv.DictReader(file.getvalue().splitlines())
    assert [(row["status"], row["reason"]) for row in written] == [("undelivered", "handset_absent"), ("delivered", "")]


def test_own_words_go_before_a_carriers_words_for_replies():
    """In a log, a word that the carrier keeps for replies is what the host says it is."""
    rows = [{"State": "received", "error_code": "E7"}]

    log = read_log(rows, carrier="twilio", columns={"status": Column("State", {"received": "failed"})})

    assert [(message.status, message.error_code) for message in log] == [("undelivered", "E7")]


def test_a_column_is_its_name():
    """A column with words is as good as its name, and survives pickling."""
    again = pickle.loads(pickle.dumps(STATE))  # noqa: S301 - our own

    assert (STATE, again, f"{again}") == ("State", "State", "State")
    assert (
        again.words
        == STATE.words
        == {
            "ok": Status.DELIVERED,
            "ko": Status.UNDELIVERED,
            "wait": Status.QUEUED,
            "sent": Status.DELIVERED,
        }
    )


# --- what a host may not say -------------------------------------------------------------------

REFUSED = {
    "reason": (
        lambda: OURS.with_codes({("Twilio", 30003): "number_unknow"}),
        "reason of twilio 30003 is 'number_unknow': not one we know; nearest: number_unknown",
    ),
    "reason of nobody's code": (
        lambda: OURS.with_codes({(None, "E7"): "number_unknow"}),
        "reason of no carrier E7 is 'number_unknow': not one we know; nearest: number_unknown",
    ),
    "reason of a code": (
        lambda: Code("memory_ful"),
        "reason is 'memory_ful': not one we know; nearest: memory_full",
    ),
    "no reason": (
        lambda: OURS.with_codes({("acme", "E7"): None}),
        f"reason of acme E7 is None: not one we know; nearest: {', '.join(reasons())}",
    ),
    "retryable": (
        lambda: Code("blocked", retryable="yes"),
        "retryable is 'yes': must be True or False; leave it out, and it is the reason's",
    ),
    "description": (
        lambda: Code("blocked", description=7),
        "description is 7: must be text; convert it with str()",
    ),
    "no pair": (
        lambda: OURS.with_codes({"30003": "blocked"}),
        'codes names \'30003\': give (carrier, code), like ("acme", "E7"), and None as carrier where rows name none',
    ),
    "no code": (
        lambda: OURS.with_codes({("acme", ""): "blocked"}),
        "codes names ('acme', ''): give (carrier, code), like (\"acme\", \"E7\"), and None as carrier where",
    ),
    "carrier": (
        lambda: Profile(name="ours", codes={(5, "E7"): "blocked"}),
        'codes names (5, \'E7\'): give (carrier, code), like ("acme", "E7"), and None as carrier where rows name none',
    ),
    "fraction": (
        lambda: OURS.with_codes({("acme", 7.5): "blocked"}),
        'error_code is 7.5: a code is text or a whole number; give it as text, like "30005"',
    ),
    "no mapping": (
        lambda: OURS.with_codes([("acme", "E7")]),
        'codes is [(\'acme\', \'E7\')]: give {(carrier, code): reason}, like {("acme", "E7"): "blocked"}',
    ),
    "two meanings": (
        lambda: OURS.with_codes({("acme", "7"): "blocked", ("Acme", 7): "landline"}),
        "codes gives two meanings to acme 7: give one",
    ),
    "bounced reason": (
        lambda: OURS.with_bounces({"landlin": "hard"}),
        "reason is 'landlin': not one we know; nearest: landline",
    ),
    "bounce": (
        lambda: OURS.with_bounces({"landline": "hrad"}),
        "bounce of landline is 'hrad': not one we know; nearest: hard",
    ),
    "no bounces": (
        lambda: OURS.with_bounces(["landline"]),
        "bounces is ['landline']: give the name of a policy, or {reason: bounce}",
    ),
    "no policy": (
        lambda: Profile(name="ours", bounce_policy={"landline": "hard"}),
        f"bounce policy is {{'landline': 'hard'}}: not one we know; nearest: {', '.join(BOUNCE_POLICIES)}",
    ),
    "word": (
        lambda: Column("State", {"OK": "deliverd"}),
        "'State' says that 'OK' is 'deliverd': not a status we know; nearest: delivered, undelivered",
    ),
    "no words": (
        lambda: Column("State", "OK"),
        "words is 'OK': give {their word: our status}",
    ),
    "two meanings of a word": (
        lambda: Column("State", {"OK": "delivered", "ok": "failed"}),
        "'State' gives two meanings to 'ok': give one, whatever its case",
    ),
    "words of another column": (
        lambda: summarize([{"State": "OK", "status": "sent"}], columns={"carrier": STATE}),
        "columns= gives words to 'carrier': only the status has words; give the name alone",
    ),
    "a word without meaning": (
        lambda: summarize([{"State": "OK"}, {"State": "GONE"}], columns={"status": STATE}),
        "row 1: status is 'GONE': not a status we know; nearest: ",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_host_may_not_say(case):
    """What is wrong with a host's own definitions is one sentence, when they are given and not when they are needed."""
    call, sentence = REFUSED[case]

    with pytest.raises(InvalidValue) as caught:
        call()

    assert str(caught.value).startswith(sentence)
