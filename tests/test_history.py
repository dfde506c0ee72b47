"""What a person reads: the log and its pages, one message, why, who said what, who clicked, who did what."""

from __future__ import annotations

import base64
import datetime as dt
import json
from decimal import Decimal

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import campaignkit as ck
from campaignkit.backends.carriers.port import Submission
from campaignkit.backends.storage import MemoryStorage, SqlStorage
from campaignkit.backends.storage.tables import CAMPAIGNS
from campaignkit.errors import InvalidValue, UnknownStatus
from campaignkit.models import Attempt, Click, OptOut, Order, Outcome, Receipt, Reply, Status
from campaignkit.tracker import Tracker, details, history
from campaignkit.tracker.history import Who
from campaignkit.tracker.timeline import Action
from campaignkit.verdicts import FAILURES, classify
from strategies import CARRIER, NOON, moment
from tracker_oracle import SPRING, told, tracking

ADA, BOB = "+12025550143", "+12025550144"
US, OTHER = "+12025550100", "+12025550101"
AT_NOON = "2026-11-21 12:00:00 UTC"
FAILED = {Status.UNDELIVERED, Status.REJECTED, Status.EXPIRED}
ARRIVED = {Status.DELIVERED, Status.READ}
WORDS = list(Who.__args__)

HOSTILE = (
    "1; DROP TABLE campaignkit_messages--",
    "' OR 1=1--",
    '" OR ""="',
    "id; --",
    "%" * 1000,
    "_",
    "\\\\",
    "\0",
    "spring\0",
    "\ud800",
    "😀\u202e",
    " ",
    "",
    "'",
)
"""T-D01 and T-D05: statements in place of names, patterns, and what no database can hold."""


def ada(message_id="m1", status="queued", **fields):
    """Return a message to Ada."""
    known = {"contact_id": "ada", "contact_name": "Ada", "to": ADA, "sender": US, "sent_at": NOON}
    return told(message_id, status, **{**known, **fields})


def says(status, seconds=5, message_id="m1", **fields):
    """Return a receipt, some seconds after noon."""
    known = {"carrier": CARRIER, "message_id": message_id, "at": moment(seconds), "received_at": moment(seconds)}
    return Receipt(**{"status": status, **known, **fields})


def story(tracker, contact="ada", campaign=SPRING):
    """Return the sentences about a person."""
    return list(tracker.explain(contact, campaign).sentences)


def pages(ask):
    """Return all pages of a question, and what they hold together."""
    found = [ask(None)]
    while found[-1].next is not None:
        found.append(ask(found[-1].next))
    return found, [row for page in found for row in page]


# --- the log -----------------------------------------------------------------------------------

_MESSAGES = st.builds(
    lambda status, skip_reason, code, sent, created, **rest: dict(
        rest,
        status=status,
        skip_reason=skip_reason if status is Status.SKIPPED else None,
        error_code=code if status in FAILURES else None,
        sent_at=None if status is Status.SKIPPED else moment(sent),
        created_at=moment(created),
    ),
    status=st.sampled_from(Status),
    skip_reason=st.sampled_from([None, "quiet_hours", "no_number"]),
    code=st.sampled_from([None, "30005", "30003", "99999"]),
    sent=st.none() | st.integers(0, 9),
    created=st.none() | st.integers(0, 9),
    contact_id=st.sampled_from([None, "ada", "bob"]),
    to=st.sampled_from([None, ADA, BOB]),
    campaign_id=st.sampled_from([SPRING, SPRING, "may"]),
)

_QUESTIONS = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["failed", "delivered", ["sent", "queued"], ["refused", "failed"], list(Status), []]),
        "reason": st.sampled_from(["number_unknown", ["quiet_hours", "handset_absent"], "no_such", "no_code"]),
        "contact": st.sampled_from(["ada", "bob", "nobody"]),
        "to": st.sampled_from([ADA, BOB, US]),
        "since": st.integers(0, 9).map(moment),
        "until": st.integers(0, 9).map(moment),
    },
)


def asked_for(message, *, status=None, reason=None, contact=None, to=None, since=None, until=None):
    """Return whether a message is what a question asks for, in the words of the promise."""
    at = message.sent_at or message.created_at
    words = [status] if isinstance(status, str) else status
    reasons = [reason] if isinstance(reason, str) else reason
    why = message.skip_reason
    if message.status in FAILURES:
        why = classify(message.carrier, message.error_code, message.status).reason
    return all(
        (
            words is None or message.status in words or ("failed" in words and message.status in FAILED),
            reasons is None or why in reasons,
            contact is None or message.contact_id == contact,
            to is None or message.to == to,
            since is None or (at is not None and at >= since),
            until is None or (at is not None and at < until),
        )
    )


def bare(message):
    """Return a message without its segments, which `messages` tells for all or none."""
    return attrs.evolve(message, segments=None)


@settings(max_examples=150)
@given(st.lists(_MESSAGES, max_size=12), _QUESTIONS, st.integers(1, 5))
def test_pages_together_are_the_filter(drawn, question, limit):
    """Whatever is asked, and in pages of any size: the same messages, in order, none twice."""
    tracker = tracking(*(told(f"m{i:02}", **fields) for i, fields in enumerate(drawn)))
    _, rows = pages(lambda after: tracker.log(SPRING, **question, after=after, limit=limit))

    expected = [each for each in tracker.messages(SPRING) if asked_for(each, **question)]
    assert [bare(row.message) for row in rows] == [bare(each) for each in expected]


@settings(max_examples=60)
@given(st.lists(_MESSAGES, min_size=1, max_size=12), _QUESTIONS, st.integers(1, 3), st.data())
def test_pages_hold_while_others_write(drawn, question, limit, data):
    """A message that is asked for before and after is there once, whatever happened in between."""
    tracker = tracking(*(told(f"m{i:02}", **fields) for i, fields in enumerate(drawn)))
    before = {each.message_id for each in tracker.messages(SPRING) if asked_for(each, **question)}

    def ask(after):
        name = f"m{data.draw(st.integers(0, 15)):02}"
        tracker.record([told(name, sent_at=moment(data.draw(st.integers(0, 9))), to=ADA, contact_id="ada")])
        tracker.ingest([says(data.draw(st.sampled_from(["sent", "delivered", "undelivered"])), message_id=name)])
        return tracker.log(SPRING, **question, after=after, limit=limit)

    _, rows = pages(ask)
    found = [row.message.message_id for row in rows]
    after = {each.message_id for each in tracker.messages(SPRING) if asked_for(each, **question)}
    assert found == sorted(set(found))
    assert before & after <= set(found)


@pytest.mark.parametrize("question", [{"to": ADA}, {"contact": "ada"}, {"reason": "x"}, {"status": "failed"}])
def test_a_page_costs_no_more_than_its_bound(monkeypatch, question):
    """Rows that are looked at are counted; a page may be short, even empty, and have a next."""
    monkeypatch.setattr(history, "LOOKED_AT", 3)
    tracker = tracking(*(ada(f"m{i}", "rejected" if i in {4, 7} else "sent") for i in range(8)))
    found, rows = pages(lambda after: tracker.log(SPRING, **question, after=after))

    expected = [each for each in tracker.messages(SPRING) if asked_for(each, **question)]
    assert [row.message.message_id for row in rows] == [each.message_id for each in expected]
    assert all(len(page) <= 3 for page in found)
    assert len(found) == (1 if "status" in question else 3)


def test_the_last_page_says_so():
    """There is a next only where there is another row to look at."""
    tracker = tracking(told("m1"), told("m2"))

    assert tracker.log(SPRING, limit=2).next is None
    assert len(tracker.log(SPRING, limit=1, after=tracker.log(SPRING, limit=1).next)) == 1
    assert tracker.log("nowhere") == history.Page(rows=())


def test_a_line_of_the_log_says_who_when_and_why():
    """Contact, status, both times, code and its meaning; a skipped message says its reason."""
    tracker = tracking(ada(), ada("m2", "skipped", sent_at=None, skip_reason="quiet_hours"), told("m3"))
    tracker.ingest([says("undelivered", error_code="30005"), says("delivered", message_id="m3")])
    lines = tracker.log(SPRING)

    assert str(lines).splitlines() == [
        (
            f"Ada ({ADA}), undelivered, sent {AT_NOON}, number unknown to the network or no longer in service"
            " (code 30005, hard bounce)"
        ),
        f"Ada ({ADA}), skipped, quiet_hours",
        "somebody, delivered, delivered 2026-11-21 12:00:05 UTC",
    ]
    assert [row.reason for row in lines] == ["number_unknown", "quiet_hours", None]
    assert [row.parts for row in lines] == [(0, 1), (0, 1), (1, 1)]
    assert lines.rows[0].verdict.advice


def test_a_code_that_means_several_things_is_none():
    """The log of a carrier with such codes can be read, too."""
    tracker = tracking(ada(status="undelivered", carrier=None, error_code="6"))
    tracker.record([ada(carrier="vonage")])

    assert [row.reason for row in tracker.log(SPRING)] == ["no_code"]


def _forged(*values):
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


@pytest.mark.parametrize(
    "after",
    [
        "",
        "x",
        "é",
        5,
        _forged(),
        _forged(5),
        _forged("log", "m1"),
        "next of another status",
        "next of another campaign",
        "next of clickers",
    ],
)
def test_a_cursor_that_is_not_of_this_question_is_refused(after):
    """One sentence says what it is and what to give; nothing is silently begun anew."""
    tracker = tracking(*(told(f"m{i}", campaign_id=name, clicks=1) for i, name in enumerate([SPRING, "may"] * 2)))
    foreign = {
        "next of another status": lambda: tracker.log(SPRING, status="queued", limit=1).next,
        "next of another campaign": lambda: tracker.log("may", limit=1).next,
        "next of clickers": lambda: tracker.clickers(SPRING, limit=1).next,
    }
    given_ = foreign.get(after, lambda: after)()

    with pytest.raises(InvalidValue, match=r"not the next of a page that was asked for like this one; give page\.next"):
        tracker.log(SPRING, after=given_)


def test_a_cursor_cannot_hold_what_no_database_can():
    """A forged one is refused like a bad one."""
    tracker = tracking(told("m1"), told("m2"))
    about, _ = json.loads(base64.urlsafe_b64decode(tracker.log(SPRING, limit=1).next + "=="))

    for name in ("\0", "\ud800", 5):
        with pytest.raises(InvalidValue, match="not the next of a page"):
            tracker.log(SPRING, after=_forged(about, name))


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        ({"status": "deliverd"}, UnknownStatus, "status is 'deliverd': not a status we know; nearest: delivered"),
        ({"status": ["sent", 5]}, UnknownStatus, "status is 5: not a status we know"),
        ({"reason": 5}, InvalidValue, "reason is 5: must be text"),
        ({"contact": 5}, InvalidValue, "contact is 5: must be text"),
        ({"to": b"1"}, InvalidValue, "to is b'1': must be text"),
        ({"limit": 0}, InvalidValue, "limit is 0: must be a whole number from 1 to 1,000, of rows"),
        ({"limit": True}, InvalidValue, "limit is True: must be a whole number"),
        ({"limit": 1001}, InvalidValue, "limit is 1001: must be"),
        ({"since": NOON.replace(tzinfo=None)}, InvalidValue, "has no time zone"),
        ({"until": "now"}, InvalidValue, "until is 'now': must be a datetime"),
    ],
)
def test_questions_are_checked(call, error, sentence):
    """What cannot be meant is refused with value, rule and remedy."""
    with pytest.raises(error) as refused:
        tracking().log(SPRING, **call)

    assert sentence in str(refused.value)


# --- one message -------------------------------------------------------------------------------


def test_a_message_has_everything_that_came_of_it():
    """Attempts, receipts with what they mean and how often they came, replies, clicks, orders, conflict."""
    tracker = Tracker(MemoryStorage(), clock=lambda: NOON)
    tracker.record([ada(status="pending", sent_at=None)], {"m1": Attempt(attempt_id="a-1", outcome=Outcome.PLANNED)})
    refused = Submission(outcome=Outcome.REFUSED, carrier=CARRIER, error_code="21611", refusal="final")
    tracker.submitted("m1", Attempt(attempt_id="a-1", started_at=moment(1)), refused, now=moment(2))
    taken = Submission(outcome=Outcome.TAKEN, carrier=CARRIER, carrier_id="SM2")
    tracker.submitted("m1", Attempt(number=2, attempt_id="a-2", started_at=moment(3)), taken, now=moment(4))
    for _ in range(2):
        tracker.ingest([says("delivered", 5, attempt=2, raw={"MessageStatus": "delivered"})])
    tracker.ingest([says("undelivered", 6, attempt=2, error_code="30003"), says("teleported", 7, attempt=2)])
    tracker.ingest(
        [
            Reply(message_id="m1", to=ADA, text="thanks\n", received_at=moment(8)),
            Click(message_id="m1", url="https://app.example/a", clicked_at=moment(9)),
            Order(message_id="m1", ordered_at=moment(10), revenue=Decimal(20), currency="USD"),
        ]
    )
    found = tracker.message("m1")

    assert found.message == next(tracker.messages(SPRING))
    assert (found.conflict, found.parts, found.verdict) == (True, (1, 1), None)
    assert [(each.number, each.outcome, each.attempt_id, each.carrier_id) for each in found.attempts] == [
        (1, "refused", "a-1", None),
        (2, "taken", "a-2", "SM2"),
    ]
    assert [(each.started_at, each.ended_at) for each in found.attempts] == [
        (moment(1), moment(2)),
        (moment(3), moment(4)),
    ]
    assert found.attempts[0].verdict.code == "21611"
    assert [(each.word, each.status, each.duplicates) for each in found.receipts] == [
        ("delivered", "delivered", 1),
        ("undelivered", "undelivered", 0),
        ("teleported", None, 0),
    ]
    assert found.receipts[0].raw == {"MessageStatus": "delivered"}
    assert found.receipts[1].verdict == classify(CARRIER, "30003", "undelivered")
    assert (found.replies[0].text, found.clicks[0].url) == ("thanks\n", "https://app.example/a")
    assert found.orders[0].revenue == 20
    assert str(found).splitlines() == [
        f"message m1 to Ada ({ADA}): delivered",
        "  2026-11-21 12:00:02 UTC  attempt 1: refused by twilio, "
        + details.because(classify(CARRIER, "21611", "refused")),
        "  2026-11-21 12:00:04 UTC  attempt 2: taken by twilio, as SM2",
        '  2026-11-21 12:00:05 UTC  receipt: "delivered", attempt 2, came 2 times',
        '  2026-11-21 12:00:06 UTC  receipt: "undelivered", attempt 2, '
        + details.because(classify(CARRIER, "30003", "undelivered")),
        '  2026-11-21 12:00:07 UTC  receipt: "teleported" (no word we know), attempt 2',
        '  2026-11-21 12:00:08 UTC  reply: "thanks\\u000a"',
        "  2026-11-21 12:00:09 UTC  click: https://app.example/a",
        "  2026-11-21 12:00:10 UTC  order for 20 USD",
        "  conflict: reported both as arrived and as failed",
    ]


def test_a_message_that_was_only_recorded_has_its_attempt():
    """What is known without a word of a carrier is there; a message nobody knows is None."""
    tracker = tracking(ada())

    assert [str(each) for each in tracker.message("m1").attempts] == ["attempt 1: taken by twilio"]
    assert tracker.message("m9") is None


def test_codes_of_receipts_may_mean_several_things():
    """They are shown as the carrier wrote them, without a meaning."""
    tracker = tracking(ada(carrier="vonage"))
    tracker.ingest([says("failed", carrier="vonage", error_code="6"), says("6", carrier="vonage")])
    tracker.ingest([says("messages:undeliverable", carrier="vonage", error_code="6")])
    found = {each.word: each for each in tracker.message("m1").receipts}

    assert (found["failed"].error_code, found["failed"].verdict.reason) == ("6", "no_code")
    assert found["6"].status is None
    assert (found["messages:undeliverable"].status, found["messages:undeliverable"].error_code) == ("undelivered", "6")


def test_a_cause_may_be_a_word():
    """Where only the carrier's word tells the cause, it is named as a word; giving up is no failure."""
    tracker = tracking(ada(carrier="sinch"), ada("m2", carrier="smpp"))
    tracker.ingest([says("Deleted", carrier="sinch"), says("UNKNOWN", carrier="smpp", message_id="m2")])
    first, second = tracker.log(SPRING)

    assert details.because(first.verdict).endswith("(word Deleted)")
    assert (second.message.status, second.reason, second.verdict) == ("unconfirmed", None, None)


def test_what_people_write_stays_on_its_line():
    """Control characters in a text, an id or an address are shown, and move no cursor."""
    tracker = tracking(ada(contact_name="A\x1b[2Jda"))
    tracker.ingest([Reply(message_id="m1", text="\x1b[31mred\n\u202e", received_at=NOON), says("bad\nword")])
    shown = [str(tracker.message("m1")), str(tracker.explain("ada")), str(tracker.log(SPRING))]
    shown += map(str, tracker.conversation("ada"))

    assert all(each.replace("\n", "").isprintable() for each in shown)


# --- why ---------------------------------------------------------------------------------------

ADVICE = classify(CARRIER, "30003").advice
ABSENT = details.because(classify(CARRIER, "30003", "undelivered"))
NUMBER = details.because(classify(CARRIER, "30005", "undelivered"))
CHECK = classify(CARRIER, "30005").advice
SENT = f"Ada ({ADA}) was sent 'spring' at {AT_NOON} through twilio"
NOT_SENT = f"Ada ({ADA}) was not sent 'spring'"
NOT_GOT = f"Ada ({ADA}) did not get 'spring', sent at {AT_NOON} through twilio"

STANDS = [
    ("pending", None, None, f"Ada ({ADA}) has not been sent 'spring' yet: it waits to be handed to a carrier."),
    ("pending", NOON, None, f"{SENT}, and nothing was heard of it since."),
    ("skipped", None, None, f"{NOT_SENT}: it was skipped, because of quiet_hours."),
    ("canceled", None, None, f"{NOT_SENT}: it was called off before a carrier took it."),
    ("canceled", NOON, None, f"{SENT}, and it was called off afterwards."),
    ("refused", None, "30005", f"{NOT_SENT}: twilio refused it, {NUMBER}. {CHECK}"),
    ("refused", NOON, "30005", f"{SENT}, and twilio refused it afterwards: {NUMBER}. {CHECK}"),
    (
        "unknown",
        None,
        None,
        (
            f"Nobody knows whether Ada ({ADA}) was sent 'spring': twilio gave no answer that says so. A receipt will"
            " settle it; until then, sending it again may send it twice."
        ),
    ),
    ("unknown", NOON, None, f"{SENT}, and nothing was heard of it since."),
    ("queued", NOON, None, f"{SENT}, and nothing was heard of it since."),
    ("sent", NOON, None, f"{SENT}: it was passed on to the network, and whether it arrived was not reported yet."),
    ("delivered", NOON, None, f"Ada ({ADA}) got 'spring' at 2026-11-21 12:00:07 UTC."),
    ("read", NOON, None, f"Ada ({ADA}) got 'spring' at 2026-11-21 12:00:07 UTC, and read it."),
    ("undelivered", NOON, "30005", f"{NOT_GOT}: {NUMBER}. {CHECK}"),
    ("undelivered", NOON, "30003", f"{NOT_GOT}: {ABSENT}. {ADVICE}"),
    ("undelivered", NOON, None, f"{NOT_GOT}: no code says why. {classify(None, 'no_code').advice}"),
    ("undelivered", NOON, "99999", f"{NOT_GOT}: a code that no table has (code 99999)"),
    ("rejected", NOON, "30005", f"{NOT_GOT}: twilio rejected it, {NUMBER}. {CHECK}"),
    (
        "rejected",
        NOON,
        "canceled",
        f"Ada ({ADA}) did not get 'spring': it was called off after it was sent at {AT_NOON} through twilio.",
    ),
    ("expired", NOON, None, f"{NOT_GOT}: {details.because(classify(CARRIER, None, 'expired'))}."),
    (
        "unconfirmed",
        NOON,
        None,
        (
            f"Nobody knows whether Ada ({ADA}) got 'spring', sent at {AT_NOON} through twilio: the carrier gave up"
            " finding out."
        ),
    ),
]


@pytest.mark.parametrize(("status", "sent_at", "code", "sentence"), STANDS)
def test_every_status_has_a_true_sentence(status, sent_at, code, sentence):
    """Where it stands, why, and what to do; handed off stays handed off."""
    tracker = tracking(
        ada(
            status=status,
            sent_at=sent_at,
            error_code=code,
            skip_reason="quiet_hours" if status == "skipped" else None,
            delivered_at=moment(7) if status in ARRIVED else None,
        )
    )
    found = tracker.explain("ada", SPRING)
    arrived = {**dict.fromkeys(Status, None), **dict.fromkeys([*FAILURES, "skipped", "canceled"], False)}
    arrived |= dict.fromkeys(ARRIVED, True)

    assert str(found).startswith(sentence)
    assert found.arrived == arrived[Status(status)]
    assert [message.message_id for message in found.messages] == ["m1"]


def test_every_status_is_in_that_table():
    """A status that is new needs a sentence of its own."""
    assert {status for status, *_ in STANDS} == set(Status)


def test_a_person_who_is_not_there():
    """Not in the campaign, no such campaign, nowhere at all: each is said."""
    tracker = tracking(ada())

    assert story(tracker, "bob") == ["bob is not in 'spring': no message of it to them is recorded."]
    assert story(tracker, "ada", "may") == ["Nothing is known of a campaign 'may'."]
    assert story(tracker, "bob", None) == ["No message to bob is recorded."]
    assert tracker.explain("bob", SPRING).arrived is False


def test_heard_and_nothing_heard_differ():
    """A carrier that has it in its queue said so; a word that no table has is not silence."""
    tracker = tracking(ada())
    tracker.ingest([says("queued")])
    strange = tracking(ada())
    strange.ingest([says("teleported")])

    assert story(tracker) == [f"{SENT}: it is in their queue, and whether it arrived was not reported yet."]
    assert story(strange) == [
        (
            f"{SENT}, and nothing was heard of it since. twilio also said 'teleported', which no table has;"
            " it changes nothing."
        )
    ]


def test_a_skipped_message_without_a_reason():
    """That nobody said why is said."""
    assert story(tracking(ada(status="skipped", sent_at=None))) == [
        f"{NOT_SENT}: it was skipped, and no reason was given."
    ]


def test_parts_of_a_long_message():
    """Some arrived so far; or only some did in the end."""
    tracker = Tracker(MemoryStorage(), clock=lambda: NOON)
    tracker.record([ada()], {"m1": Attempt(parts=2)})
    tracker.ingest([says("delivered")])
    some = story(tracker)
    tracker.ingest([says("undelivered", part=1, error_code="30005")])

    assert some == [f"{SENT}: it was passed on to the network, and 1 of 2 parts arrived so far."]
    assert story(tracker)[0].startswith(f"Ada ({ADA}) got only 1 of 2 parts of 'spring', sent at {AT_NOON}")


@pytest.mark.parametrize(
    ("policy", "counts"), [("positive_wins", "the arrival counts"), ("negative_wins", "the failure counts")]
)
def test_a_contradiction_is_said(policy, counts):
    """Both were reported; which of them counts is the tracker's policy."""
    tracker = tracking(ada(), conflict_policy=policy)
    tracker.ingest([says("delivered"), says("undelivered", error_code="30005")])

    assert f"twilio reported both that it arrived and that it did not; {counts}." in story(tracker)[0]


@pytest.mark.parametrize(
    ("outcome", "ending"),
    [
        (Outcome.PLANNED, "and attempt 2 is planned."),
        (Outcome.INFLIGHT, "and attempt 2 is under way."),
        (Outcome.UNKNOWN, "and attempt 2 may have been taken or not."),
    ],
)
def test_attempts_are_told_one_by_one(outcome, ending):
    """What became of the first, and that there is a second."""
    tracker = Tracker(MemoryStorage(), clock=lambda: NOON)
    tracker.record([ada()], {"m1": [Attempt(), Attempt(number=2, outcome=outcome)]})
    tracker.ingest([says("undelivered", error_code="30003")])

    assert story(tracker)[0].startswith(f"{SENT}, {ending} Attempt 1: undelivered, {ABSENT}. Attempt 2: ")
    assert tracker.explain("ada").arrived is None


def test_a_message_that_is_under_way():
    """It was begun, and what becomes of it is open."""
    tracker = Tracker(MemoryStorage(), clock=lambda: NOON)
    tracker.record([ada(status="pending", sent_at=None)], {"m1": Attempt(outcome=Outcome.INFLIGHT)})

    assert story(tracker) == [f"Ada ({ADA}) is being sent 'spring' now: what becomes of it is not known yet."]


def test_a_message_that_arrived_twice():
    """Why somebody got it two times is said, too."""
    tracker = Tracker(MemoryStorage(), clock=lambda: NOON)
    tracker.record([ada()], {"m1": [Attempt(), Attempt(number=2)]})
    tracker.ingest([says("delivered"), says("delivered", attempt=2)])

    assert story(tracker)[0].endswith("Attempt 1: delivered. Attempt 2: delivered. It arrived 2 times.")


def test_what_came_back_and_how_the_person_stands():
    """Replies, clicks, orders, the opt-out after it, and that nothing may be sent since."""
    tracker = tracking(ada(status="delivered", delivered_at=moment(7)))
    tracker.ingest(
        [
            Reply(message_id="m1", to=ADA, text="hi", received_at=moment(20)),
            Reply(message_id="m1", to=ADA, text="hi again", received_at=moment(21)),
            Reply(message_id="m1", to=ADA, sender=US, text="STOP", keyword="opt_out", received_at=moment(60)),
            Click(message_id="m1", clicked_at=moment(30)),
        ]
    )
    got, stands = story(tracker)

    assert got.endswith("What came back: 2 replies, 1 reply to stop, 1 click. They opted out after it.")
    assert stands == "They have opted out since 2026-11-21 12:01:00 UTC (reply): nothing may be sent to them."
    assert tracker.explain(ADA, SPRING).standing[0].opted_out


def test_an_opt_in_that_waits_is_said():
    """It came shortly after a STOP from a carrier that does not say when it was written."""
    tracker = tracking(ada(status="delivered"))
    tracker.ingest([Reply(to=ADA, sender=US, carrier=CARRIER, text="STOP", keyword="opt_out", received_at=moment(60))])
    tracker.ingest([Reply(to=ADA, sender=US, carrier=CARRIER, text="START", keyword="opt_in", received_at=moment(90))])

    assert "which waits for a person to decide" in story(tracker)[-1]


def test_a_suppressed_number_is_said():
    """After how many failures, since when, and that a message arrived since."""
    tracker = tracking(*(ada(f"m{i}", sent_at=moment(i)) for i in range(3)))
    tracker.ingest([says("undelivered", message_id=f"m{i}", error_code="30005") for i in range(3)])
    before = story(tracker)
    tracker.ingest([says("delivered", message_id="m2")])

    assert before[-1] == f"The number {ADA} is suppressed since {AT_NOON}: 3 messages in a row failed for good."
    assert story(tracker)[-1].endswith("because a message arrived after all: think about lifting that.")


def test_a_suspended_campaign_is_said():
    """With since when and why."""
    tracker = tracking(ada(status="pending", sent_at=None))
    with tracker._storage.transaction("default") as tx:
        row = tx.get(CAMPAIGNS, [(SPRING,)])[SPRING,]
        tx.put(CAMPAIGNS, [row | {"suspended_at": row["created_at"], "suspended_why": "12 % hard bounces"}])

    assert story(tracker)[-1] == f"'spring' is suspended since {AT_NOON}: 12 % hard bounces."


def test_all_campaigns_are_explained_the_last_first():
    """Without a campaign: the last messages to that person, each by its name; at most 20."""
    tracker = tracking(
        *(ada(f"m{i:02}", campaign_id=f"c{i % 2}", sent_at=moment(i)) for i in range(30)), ada("n1", sent_at=None)
    )
    found = tracker.explain(ADA)

    assert [each.message_id for each in found.messages] == [f"m{i:02}" for i in range(29, 9, -1)]
    assert found.sentences[0].startswith(f"Ada ({ADA}) was sent message 'm29' of 'c1' at ")
    assert tracker.explain("ada", "c0").messages[0].message_id == "m28"


def test_people_who_share_a_number_are_told_apart():
    """By id each has their own; by number there are both."""
    tracker = tracking(ada(), ada("m2", contact_id="bob", contact_name="Bob"))

    assert len(tracker.explain("ada").messages) == 1
    assert len(tracker.explain(ADA).messages) == 2
    assert [row.message.contact_name for row in tracker.log(SPRING, contact="bob")] == ["Bob"]


# --- conversations -----------------------------------------------------------------------------


def test_a_conversation_is_both_sides_in_time():
    """Across campaigns: what we sent, and what came back; what was not sent is not said."""
    tracker = tracking(
        ada("m1", text="Sale!", sent_at=moment(0)),
        ada("m2", text="Last day!", campaign_id="may", sender=OTHER, sent_at=moment(30)),
        ada("m3", "pending", text="Not yet", sent_at=None),
        ada("m4", "delivered", text="Old", sent_at=None, delivered_at=moment(-60)),
        told("n1", to=BOB, text="For Bob", sent_at=NOON),
    )
    tracker.ingest(
        [
            Reply(to=ADA, sender=US, text="How much?", received_at=moment(10)),
            Reply(to=ADA, sender=OTHER, text="STOP", keyword="opt_out", received_at=moment(40)),
            Reply(message_id="m1", text="by id", received_at=moment(50)),
            Reply(to=BOB, text="Bob's", received_at=moment(5)),
        ]
    )
    expected = [(True, "Old"), (True, "Sale!"), (False, "How much?"), (True, "Last day!"), (False, "STOP")]
    expected += [(False, "by id")]

    assert [(each.ours, each.text) for each in tracker.conversation("ada")] == expected
    assert [(each.ours, each.text) for each in tracker.conversation(ADA)] == expected
    assert [each.text for each in tracker.conversation("ada", sender=OTHER)] == ["Last day!", "STOP"]
    assert [each.text for each in tracker.conversation("ada", since=moment(40))] == ["STOP", "by id"]
    assert [each.text for each in tracker.conversation("ada", limit=2)] == ["STOP", "by id"]
    assert [each.text for each in tracker.conversation(BOB)] == ["For Bob", "Bob's"]
    assert tracker.conversation("nobody") == []


def test_replies_of_others_with_the_same_number_are_left_out():
    """By id only one's own; by number everybody's."""
    tracker = tracking(ada(), ada("m2", contact_id="bob"))
    tracker.ingest([Reply(message_id=f"m{i}", to=ADA, text=f"r{i}", received_at=moment(i)) for i in (1, 2)])

    assert [each.text for each in tracker.conversation("bob") if not each.ours] == ["r2"]
    assert [each.text for each in tracker.conversation(ADA) if not each.ours] == ["r1", "r2"]


def test_the_first_word_may_be_theirs():
    """Somebody who wrote before we ever did has a conversation, too."""
    tracker = Tracker(MemoryStorage())
    tracker.ingest([Reply(to=ADA, text="Hello?", received_at=NOON)])

    assert [str(each) for each in tracker.conversation(ADA)] == [f"{AT_NOON} < Hello?"]


# --- clicks ------------------------------------------------------------------------------------

_CLICKS = st.lists(
    st.builds(
        lambda number, seconds, url: Click(
            message_id=f"m{number}", clicked_at=moment(seconds), url=url and f"https://app.example/{url}"
        ),
        st.integers(0, 5),
        st.integers(0, 50),
        st.sampled_from([None, "a", "b"]),
    ),
    max_size=20,
    unique_by=lambda click: (click.message_id, click.clicked_at, click.url),
)


@settings(max_examples=60)
@given(_CLICKS, st.integers(1, 3), st.booleans())
def test_clickers_are_those_who_clicked(clicks, limit, early):
    """A row for each message with clicks: how many, the first, the last, and what; also for clicks that came early."""
    tracker = tracking(told("other", campaign_id="may"))
    for step in (lambda: tracker.record(told(f"m{i}") for i in range(4)), lambda: tracker.ingest(clicks))[
        :: -1 if early else 1
    ]:
        step()
    _, rows = pages(lambda after: tracker.clickers(SPRING, after=after, limit=limit))

    of = {f"m{i}": [each for each in clicks if each.message_id == f"m{i}"] for i in range(4)}
    assert [(row.message.message_id, row.clicks, row.first, row.last, set(row.urls)) for row in rows] == [
        (
            name,
            len(found),
            min(each.clicked_at for each in found),
            max(each.clicked_at for each in found),
            {each.url for each in found if each.url},
        )
        for name, found in of.items()
        if found
    ]


def test_clicks_that_were_recorded_have_no_moment():
    """They are counted, and when they were is not made up."""
    (row,) = tracking(ada(clicks=3)).clickers(SPRING)

    assert (row.clicks, row.first, row.urls) == (3, None, ())
    assert str(row) == f"Ada ({ADA}), at an unknown time, 3 times, last at an unknown time"


# --- people ------------------------------------------------------------------------------------


def fits(messages, what):
    """Return whether somebody with these messages is meant by a word, in the words of its definition."""
    arrived = any(each.status in ARRIVED for each in messages)
    bounces = {
        classify(each.carrier, each.error_code, each.status).bounce.value for each in messages if each.status in FAILED
    }
    replied, clicked, ordered = (any(getattr(m, name) for m in messages) for name in ("replies", "clicks", "orders"))
    return {
        "delivered": arrived,
        "read": any(each.status is Status.READ for each in messages),
        "replied": replied,
        "clicked": clicked,
        "ordered": ordered,
        "engaged": replied or clicked or ordered,
        "no_reply": arrived and not replied and not any(each.stop_replies for each in messages),
        "no_click": arrived and not clicked,
        "not_delivered": not arrived,
        "failed": bool(bounces) and not arrived,
        "soft": "soft" in bounces and not arrived,
        "hard": bool(bounces & {"hard", "deleted"}) and not arrived,
        "opted_out": any(each.opted_out for each in messages),
    }[what]


def _may_send(tracker, to):
    return to is None or tracker.standing(to).may_send


_DID = st.lists(
    st.builds(
        lambda status, code, **rest: dict(rest, status=status, error_code=code if status in FAILURES else None),
        status=st.sampled_from(Status),
        code=st.sampled_from([None, "30005", "30003", "30007"]),
        contact_id=st.sampled_from([None, "ada", "bob", "eve"]),
        to=st.sampled_from([None, ADA, BOB]),
        replies=st.integers(0, 1),
        stop_replies=st.integers(0, 1),
        clicks=st.integers(0, 1),
        orders=st.integers(0, 1),
        opted_out=st.booleans(),
    ),
    max_size=8,
)


@settings(max_examples=120)
@given(_DID, st.sampled_from(WORDS), st.booleans())
def test_contacts_are_those_a_word_means(drawn, what, everyone):
    """Each person once; who may not be sent to only when everyone is asked for, or the word is about them."""
    tracker = tracking(
        told("other", "read", campaign_id="may", contact_id="eve", clicks=1),
        *(told(f"m{i}", **fields) for i, fields in enumerate(drawn)),
    )
    people = {}
    for each in tracker.messages(SPRING):
        people.setdefault(each.contact_id or each.to or each.message_id, []).append(each)
    found = list(tracker.contacts(SPRING, what, everyone=everyone))

    expected = [name for name, messages in people.items() if fits(messages, what)]
    named = [each.contact_id or each.to for each in found]
    if everyone or what in {"hard", "opted_out"}:
        assert sorted(filter(None, named)) == sorted(name for name in expected if not name.startswith("m"))
    may = [name for name in expected if all(not m.opted_out and _may_send(tracker, m.to) for m in people[name])]
    assert {name for name in may if not name.startswith("m")} <= set(named)
    assert all(_may_send(tracker, each.to) for each in found) or everyone or what in {"hard", "opted_out"}
    assert len(list(filter(None, named))) == len(set(filter(None, named)))


def test_who_may_not_be_sent_to_is_left_out():
    """Who opted out, whose number is suppressed; and they are back when everyone is asked for."""
    tracker = tracking(
        *(ada(f"m{i}", contact_id=f"c{i}", to=f"+1202555010{i}", status="delivered", clicks=1) for i in range(4)),
        *(told(f"n{i}", campaign_id="may", to="+12025550103", sent_at=moment(10 + i)) for i in range(3)),
        ada("x", contact_id="x", to=None, clicks=1, opted_out=True),
    )
    tracker.ingest([OptOut(to="+12025550101", opted_out_at=moment(60))])
    tracker.ingest([says("undelivered", 90 + i, message_id=f"n{i}", error_code="30005") for i in range(3)])

    assert [each.contact_id for each in tracker.contacts(SPRING, "clicked")] == ["c0", "c2"]
    everyone = [each.contact_id for each in tracker.contacts(SPRING, "clicked", everyone=True)]
    assert everyone == ["c0", "c1", "c2", "c3", "x"]
    assert [each.contact_id for each in tracker.contacts(SPRING, "opted_out")] == ["c1", "x"]


def test_people_are_found_over_many_reads(monkeypatch):
    """However few rows are read at a time."""
    monkeypatch.setattr(history, "MOST", 2)
    tracker = tracking(*(ada(f"m{i}", "read" if i % 2 else "delivered", contact_id=f"c{i}") for i in range(9)))

    assert [each.contact_id for each in tracker.contacts(SPRING, "delivered")] == [f"c{i}" for i in range(9)]
    assert [row.message.contact_id for row in tracker.log(SPRING, status="read", limit=9)] == ["c1", "c3", "c5", "c7"]


def test_a_word_that_is_none_is_refused_at_once():
    """Before anything is read, with the nearest words."""
    with pytest.raises(InvalidValue, match="what is 'clickd': give one of clicked"):
        tracking().contacts(SPRING, "clickd")
    with pytest.raises(InvalidValue, match="what is 5: give one of delivered, read"):
        tracking().contacts(SPRING, 5)


# --- campaigns ---------------------------------------------------------------------------------


def test_the_timeline_has_what_was_done_by_whom_and_why():
    """What the host did and what was said of the campaign stand there, in the order of time."""
    tracker = tracking()
    done = tracker.acted(SPRING, "approved", who="Bo", why="texts are fine", now=moment(5))
    tracker.describe(SPRING, name="Spring sale", type="MMS", who="Cleo", now=moment(3))

    assert done == Action(campaign_id=SPRING, at=moment(5), what="approved", who="Bo", why="texts are fine")
    assert tracker.timeline(SPRING) == [
        Action(
            campaign_id=SPRING, at=moment(3), what="described", who="Cleo", why="name is 'Spring sale', type is 'mms'"
        ),
        done,
    ]
    assert tracker.timeline("may") == []


def test_describing_fills_in_and_takes_nothing_back():
    """What is left out stays; what is the same is no news; the version rises, so that pages show it."""
    tracker = tracking()
    version = tracker.version(SPRING)
    tracker.describe(SPRING, name="Spring sale", who="Bo", now=moment(1))
    found = tracker.describe(SPRING, type="sms", who="Cleo", now=moment(2))
    again = tracker.describe(SPRING, type="sms", who="Dee", now=moment(3))

    assert (found.name, found.type, found.last_modified_by) == ("Spring sale", "sms", "Cleo")
    assert again == found
    assert tracker.version(SPRING) == version + 2
    assert tracker.verify_counters() == []


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda tracker: tracker.acted(SPRING, " ", who="Bo"), "what is empty: must be text that is not empty"),
        (lambda tracker: tracker.acted(SPRING, "x", who=""), "who is empty: must be text that is not empty"),
        (lambda tracker: tracker.acted(SPRING, "x", who="Bo", why="\0"), "why is '\\x00': no database can hold that"),
        (lambda tracker: tracker.acted("\ud800", "x", who="Bo"), "campaign is '\\ud800': no database can hold that"),
        (lambda tracker: tracker.describe(SPRING, type="fax", who="Bo"), "type is 'fax': must be sms or mms"),
        (lambda tracker: tracker.describe(SPRING, name="a\0", who="Bo"), "name is 'a\\x00': no database can hold"),
        (lambda tracker: tracker.describe("", who="Bo"), "campaign_id is '': must not be empty"),
    ],
)
def test_what_a_host_says_is_checked(call, sentence):
    """What nobody could read later is refused, and nothing is kept."""
    tracker = tracking()

    with pytest.raises(InvalidValue) as refused:
        call(tracker)

    assert str(refused.value).startswith(sentence)
    assert tracker.timeline(SPRING) == []


@settings(max_examples=40)
@given(st.lists(_MESSAGES, max_size=10))
def test_the_list_of_campaigns_has_the_numbers_of_their_messages(drawn):
    """Counters make the same table as the messages do, but for the minute of the last sending."""
    tracker = tracking(*(told(f"m{i:02}", segments=1, **fields) for i, fields in enumerate(drawn)), told("z"))
    tracker.record([told("zz", segments=None, campaign_id="may")])
    tracker.describe("empty", name="No messages", who="Bo", now=NOON)
    known = tracker.campaigns(min_sent=1)
    messages = [each for name in (SPRING, "may") for each in tracker.messages(name)]
    expected = ck.campaigns([attrs.evolve(each, segments=None) for each in messages], min_sent=1)

    assert {row.campaign.campaign_id for row in known} == {SPRING, "may", "empty"}
    for row in expected:
        mine = next(each for each in known if each.campaign.campaign_id == row.campaign.campaign_id)
        assert attrs.evolve(mine.summary.counts, segments=None) == attrs.evolve(row.summary.counts, segments=None)
        assert mine.place == row.place
        assert mine.last_sent == row.last_sent
    assert str(known).count("\n") == 4


def test_campaigns_come_newest_first():
    """By when each was last sent; those that never were come last."""
    tracker = tracking(
        told("m1", campaign_id="old", sent_at=NOON - dt.timedelta(days=3)),
        told("m2", campaign_id="new", sent_at=NOON),
        told("m3", "pending", campaign_id="never"),
    )

    assert [row.name for row in tracker.campaigns()] == ["new", "old", "never"]


# --- nobody else's -----------------------------------------------------------------------------


def everything(tracker, text, campaign=None):
    """Return what every question answers that has a text in every place."""
    name = text if campaign is None else campaign
    return [
        list(tracker.log(name)),
        list(tracker.log(name, contact=text)),
        list(tracker.log(name, to=text)),
        list(tracker.log(name, reason=text)),
        tracker.message(text),
        list(tracker.explain(text, name).messages),
        list(tracker.explain(text).messages),
        tracker.conversation(text),
        tracker.conversation(text, sender=text),
        list(tracker.clickers(name)),
        *(list(tracker.contacts(name, what, everyone=True)) for what in WORDS),
        tracker.timeline(name),
    ]


def test_tenants_never_meet():
    """The same ids at another tenant: every question finds nothing there, whatever cursor it brings."""
    storage = MemoryStorage()
    tracker, stranger = tracking(ada(clicks=1, replies=1), ada("m2"), storage=storage), Tracker(storage, tenant="other")
    tracker.describe(SPRING, name="Spring sale", who="Bo")

    assert [*filter(None, everything(stranger, "ada", SPRING))] == []
    assert [*filter(None, everything(stranger, ADA, SPRING))] == []
    assert stranger.message("m1") is None
    assert len(stranger.campaigns()) == 0
    assert list(stranger.log(SPRING, after=tracker.log(SPRING, limit=1).next)) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_no_name_is_nowhere(text):
    """A statement, a pattern or a NUL in any place is a name nobody has, and answers like one."""
    tracker = tracking(ada(clicks=1, status="delivered"))

    assert [*filter(None, everything(tracker, text))] == []
    assert [*filter(None, everything(tracker, text, SPRING))][1:] == [
        *filter(None, everything(tracker, "nobody", SPRING))
    ][1:]
    with pytest.raises(UnknownStatus):
        tracker.log(SPRING, status=text)
    with pytest.raises(InvalidValue):
        tracker.log(SPRING, after=text)
    assert str(tracker.explain(text, text))


# --- databases ---------------------------------------------------------------------------------


def filled(storage):
    """Return a tracker of a storage with a little of everything in it."""
    names = [ADA, BOB, None]
    tracker = tracking(
        *(
            told(
                f"m{i:02}{'é' * (i % 2)}",
                status,
                contact_id=None if i % 4 == 3 else f"c{i % 4}",
                to=names[i % 3],
                sender=US,
                campaign_id="may" if i % 5 == 4 else SPRING,
                error_code="30005" if i % 2 and status in {"undelivered", "rejected", "refused"} else None,
                sent_at=None if status is Status.SKIPPED or i % 7 == 6 else moment(i),
            )
            for i, status in enumerate([*Status, *Status])
        ),
        storage=storage,
    )
    tracker.ingest(
        [
            *(
                Click(message_id=f"m{i:02}", url=f"https://app.example/{i}", clicked_at=moment(60 + i))
                for i in (0, 2, 0)
            ),
            Reply(to=ADA, sender=US, text="STOP", keyword="opt_out", received_at=moment(70)),
            Reply(to=BOB, sender=US, text="hi", received_at=moment(80)),
            says("delivered", 90, message_id="m06", raw={"a": "é"}),
            says("undelivered", 91, message_id="m06", error_code="30005"),
        ]
    )
    tracker.describe(SPRING, name="Spring sale", type="sms", who="Bo", now=NOON)
    tracker.acted(SPRING, "approved", who="Bo", now=moment(1))
    return tracker


def read(tracker):
    """Return what every question answers, in words."""
    questions = [
        {},
        {"status": "failed"},
        {"status": ["queued", "sent", "pending"]},
        {"reason": "number_unknown"},
        {"contact": "c0"},
        {"to": BOB},
        {"since": moment(3), "until": moment(9)},
    ]
    return [
        *(pages(lambda after, asked=asked: tracker.log(SPRING, **asked, after=after, limit=2)) for asked in questions),
        *(tracker.message(each.message_id) for each in [*tracker.messages(SPRING)]),
        *(tracker.explain(each, name) for each in ("c0", "c1", ADA, BOB, "nobody") for name in (SPRING, "may", None)),
        *(tracker.conversation(each) for each in ("c0", ADA, BOB)),
        pages(lambda after: tracker.clickers(SPRING, after=after, limit=1)),
        *([*tracker.contacts(SPRING, what, everyone=each)] for what in WORDS for each in (True, False)),
        tracker.timeline(SPRING),
        [(row.name, row.summary.counts, row.last_sent, row.place) for row in tracker.campaigns(min_sent=1)],
    ]


@pytest.fixture(params=["sqlite", "postgres"])
def storage(request, tmp_path):
    """Return a storage in each database."""
    if request.param == "sqlite":
        made = SqlStorage(f"sqlite:///{tmp_path}/campaigns.db")
    else:
        made = SqlStorage(request.getfixturevalue("postgres_url"))
    yield made
    made.close()


def test_databases_answer_as_memory_does(storage):
    """Every question, every page, every sentence."""
    assert read(filled(storage)) == read(filled(MemoryStorage()))


def test_hostile_names_are_nowhere_in_databases(storage):
    """T-D01, T-D05: statements, patterns and what no database can hold are names that nobody has."""
    tracker = tracking(ada(clicks=1, status="delivered"), storage=storage)

    for text in HOSTILE:
        assert [*filter(None, everything(tracker, text))] == []
        assert everything(tracker, text, SPRING)[1:9] == everything(tracker, "nobody", SPRING)[1:9]
        assert str(tracker.explain(text, text))
        with pytest.raises(InvalidValue):
            tracker.log(SPRING, after=text)
    assert len(tracker.log(SPRING)) == 1
