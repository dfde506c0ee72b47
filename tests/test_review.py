"""Judgements: progress by three formulas, health by bands, ranking, and accounts."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaignkit.errors import InvalidColumn, InvalidValue
from campaignkit.models import Message
from campaignkit.review import Band, ContactProgress, accounts, health, progress, rank
from campaignkit.summary import summarize, tally
from strategies import NOON

FORMS = {
    "mappings": list,
    "generator": iter,
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "lazy": pl.LazyFrame,
}
"""The forms in which the same rows may come; each a function of a list of mappings."""


def several(**statuses):
    """Return so many messages of each status."""
    return [Message(status=status) for status, n in statuses.items() for _ in range(n)]


# --- progress ----------------------------------------------------------------------------------

TEN = [
    {"status": status}
    for status in (
        *("delivered", "delivered", "failed", "refused", "sent"),
        *("unconfirmed", "pending", "skipped", "canceled", "unknown"),
    )
]


@pytest.mark.parametrize("form", FORMS)
def test_progress_has_three_formulas(form):
    """Processed, settled and final are three fractions of the total, equal from rows, generators and frames."""
    found = progress(FORMS[form](TEN))

    assert {name: (rate.part, rate.whole) for name, rate in found.rates().items()} == {
        "processed": (4, 10),
        "settled": (8, 10),
        "final": (7, 10),
    }
    assert found.contacts is None


@pytest.mark.parametrize("read", [summarize, tally, lambda rows: tally(rows, by="status")])
def test_progress_of_what_is_counted_already(read):
    """A summary or a tally, grouped or not, has the progress of its rows."""
    assert progress(read(TEN)).rates() == progress(TEN).rates()


def test_progress_with_skips():
    """What was skipped never counts as processed but leaves nothing to hand over."""
    found = progress(several(delivered=8, skipped=2))

    assert (found.processed.value, found.settled.value, found.final.value) == (0.8, 1.0, 1.0)


def test_progress_of_nothing_has_no_value():
    """Without messages every formula is 0/0, which is no number."""
    assert {rate.value for rate in progress([]).rates().values()} == {None}


def test_progress_prints_its_formulas():
    """Each line is a name, the fraction and the definition."""
    assert str(progress(TEN)).splitlines() == [
        "processed  40.0 % (4/10)  delivered + failed + refused ÷ total",
        "settled    80.0 % (8/10)  sent + refused + skipped + canceled ÷ total",
        "final      70.0 % (7/10)  final ÷ total",
    ]


STEPS = [
    {"contact_id": contact, "step": step, "status": status}
    for contact, statuses in {
        "ann": ("delivered", "read", "sent"),
        "bob": ("delivered", "failed", "pending"),
        "cleo": ("refused", "pending", "pending"),
        "dan": ("skipped", "pending", "pending"),
        "eve": ("sent",),
    }.items()
    for step, status in enumerate(statuses, 1)
]
"""Five people in a sequence of three: one has it all, two some of it, two nothing yet."""


@pytest.mark.parametrize("form", FORMS)
def test_contacts_are_complete_partial_or_waiting(form):
    """With the number of steps, people are counted by how many of them were handed off."""
    found = progress(FORMS[form](STEPS), steps=3).contacts

    assert found == ContactProgress(contacts=5, complete=1, partial=2, waiting=2)


def test_a_step_sent_twice_is_one_step():
    """A retry of one step does not complete a sequence of two."""
    rows = [{"contact_id": "ann", "step": 1, "status": status} for status in ("failed", "delivered")]

    assert progress(rows, steps=2).contacts == ContactProgress(contacts=1, complete=0, partial=1, waiting=0)


def test_contacts_by_their_own_column():
    """Columns called otherwise are named once, for messages and people alike."""
    rows = [{"lead": "ann", "nr": 1, "state": "sent"}]
    columns = {"contact_id": "lead", "step": "nr", "status": "state"}

    assert progress(rows, steps=1, columns=columns).contacts.complete == 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.sampled_from(["sent", "pending"]))))
def test_contacts_add_up(rows):
    """Everybody is complete, partial or waiting, and nobody twice."""
    steps = [Message(contact_id=who, step=step, status=status) for who, step, status in rows]

    found = progress(steps, steps=2).contacts

    assert found.contacts == len({who for who, _, _ in rows}) == found.complete + found.partial + found.waiting


def test_contacts_are_printed():
    """People stand on a line below the formulas."""
    assert str(progress(STEPS, steps=3)).splitlines()[-1] == "contacts   5: 1 complete, 2 partial, 2 waiting"


@pytest.mark.parametrize(
    ("rows", "steps", "sentence"),
    [
        (summarize([]), 2, "steps is 2: a Summary knows no people; give the rows themselves"),
        (tally([]), 2, "steps is 2: a Tally knows no people; give the rows themselves"),
        (TEN, 0, "steps is 0: a sequence has at least one; give how many messages each person gets"),
        (
            "TEN",
            None,
            "rows is 'TEN': give a frame, or an iterable of messages, objects or mappings; read_log reads a file",
        ),
    ],
)
def test_progress_refuses_what_it_cannot_know(rows, steps, sentence):
    """Steps need the rows themselves, and at least one step."""
    with pytest.raises(InvalidValue) as caught:
        progress(rows, steps=steps)

    assert str(caught.value) == sentence


@pytest.mark.parametrize("form", FORMS)
def test_contacts_need_to_be_told_apart(form):
    """A message of nobody is no contact: it is an error, in rows as in frames."""
    rows = [{"contact_id": "ann", "step": 1, "status": "sent"}, {"contact_id": None, "step": 1, "status": "sent"}]

    with pytest.raises(InvalidValue, match="contacts are told apart by it; fill it, or leave steps= out"):
        progress(FORMS[form](rows), steps=1)


@pytest.mark.parametrize("form", FORMS)
def test_steps_need_their_columns(form):
    """Without contact_id there are no contacts to count, and the error names the column."""
    with pytest.raises(InvalidColumn, match="contact_id"):
        progress(FORMS[form](TEN), steps=3)


def test_progress_of_groups_is_refused():
    """The summaries of several groups are no rows; the error says what is."""
    with pytest.raises(InvalidValue, match="give a frame, or an iterable of messages"):
        progress(summarize(several(sent=1), by="variant"))


# --- health ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delivered", "failed", "band"),
    [
        (1000, 0, Band.HIGH),
        (951, 49, Band.HIGH),
        (950, 50, Band.MODERATE),
        (19, 1, Band.MODERATE),
        (800, 200, Band.MODERATE),
        (4, 1, Band.MODERATE),
        (799, 201, Band.LOW),
        (0, 1, Band.LOW),
    ],
)
def test_bands_at_their_edges(delivered, failed, band):
    """Above 95 % is high, from 95 % down to 80 % moderate, below 80 % low."""
    assert health(summarize(several(delivered=delivered, failed=failed))).band is band


def test_success_is_of_what_is_concluded():
    """Failed, unconfirmed and refused messages count against success; what is still on its way does not."""
    found = health(summarize(several(delivered=7, failed=1, unconfirmed=1, refused=1, sent=5, pending=5, skipped=9)))

    assert str(found.success) == "70.0 % (7/10)"
    assert str(found.success.formula) == "delivered ÷ delivered + failed + unconfirmed + refused"


def test_too_early_to_tell():
    """As long as nothing is concluded there is no band and no cause."""
    found = health(summarize(several(sent=50, pending=50)))

    assert (found.band, found.causes, str(found)) == (None, (), "too early to tell")


FAULTS = {
    "21610": ("numbers that do not take messages", 1),
    "30005": ("numbers that do not take messages", 4),
    "30002": ("account issues", 3),
    "30007": ("content that gets filtered", 6),
    "30034": ("senders that are not registered", 7),
    "63049": ("sent faster than allowed", 8),
    "30410": ("network trouble", 9),
    None: ("no cause given", 10),
}
"""Codes of Twilio, whose fault each is, and how many messages fail with it."""


def test_causes_by_fault():
    """Failures stand by the party at fault, the most frequent first, with how many messages and what to do."""
    rows = [
        Message(status="failed", carrier="twilio", error_code=code) for code, (_, n) in FAULTS.items() for _ in range(n)
    ]

    *causes, low = health(summarize(rows)).causes

    assert [(cause.cause, cause.messages) for cause in causes] == [
        ("no cause given", 10),
        ("network trouble", 9),
        ("sent faster than allowed", 8),
        ("senders that are not registered", 7),
        ("content that gets filtered", 6),
        ("numbers that do not take messages", 5),
        ("account issues", 3),
    ]
    assert {cause.sign for cause in causes} == {"high failure"}
    assert [cause for cause in causes if not cause.remedies] == []
    assert (low.sign, low.cause, low.messages) == ("low delivery", "0.0 % (0/48)", None)


def test_high_success_has_no_causes_of_failure():
    """While delivery is high a few failures are no cause."""
    assert health(summarize(several(delivered=99, failed=1)), min_sent=1000).causes == ()


@pytest.mark.parametrize(
    ("answered", "converted", "signs"),
    [
        (10, 5, []),
        (9, 5, ["low response"]),
        (10, 4, ["low conversion"]),
        (0, 0, ["low response", "low conversion"]),
    ],
)
def test_low_response_and_low_conversion(answered, converted, signs):
    """Below 1 % answered is low response, below 0.5 % converted low conversion; at the limit neither is."""
    rows = [
        Message(status="delivered", replies=int(place < answered), orders=int(place < converted))
        for place in range(1000)
    ]

    assert [cause.sign for cause in health(summarize(rows)).causes] == signs


def test_limits_are_the_callers():
    """The limits of response, conversion and size may be given, because vendors name none."""
    summary = summarize([Message(status="delivered", replies=1, orders=0)] * 10)

    assert health(summary).causes == ()
    response, conversion = health(summary, low_response=1.1, low_conversion=0.01, min_sent=10).causes
    assert response.cause == "100.0 % (10/10), below 110 %"
    assert conversion.cause == "0.0 % (0/10), below 1 %"
    assert response.remedies
    assert conversion.remedies


def test_what_was_not_recorded_is_not_low():
    """Without columns of replies and orders nothing is said about response and conversion."""
    assert health(summarize(several(delivered=1000))).causes == ()


def test_health_prints_band_causes_and_remedies():
    """The text says the band and what it means, then each cause with what to do."""
    rows = [Message(status="delivered", replies=0)] * 90 + [Message(status="failed", replies=0)] * 10

    assert str(health(summarize(rows))).splitlines() == [
        "moderate: 90.0 % (90/100), some issues to look into",
        "  high failure: no cause given (10 messages)",
        "    - Ask the carrier for the reason.",
        "  low delivery: 90.0 % (90/100)",
        "    - Send fewer messages until it recovers.",
        "    - Check the account's health.",
        "    - Verify the list.",
        "  low response: 0.0 % (0/100), below 1 %",
        "    - Test other texts against each other.",
        "    - Aim at a narrower audience.",
        "    - Sharpen the offer.",
    ]


# --- rank --------------------------------------------------------------------------------------


def variants(**counts):
    """Return the summaries of variants, each with so many delivered and so many failed messages."""
    return summarize(
        [
            Message(status=status, variant=variant)
            for variant, (delivered, failed) in counts.items()
            for status, n in (("delivered", delivered), ("failed", failed))
            for _ in range(n)
        ],
        by="variant",
    )


def test_rank_puts_the_best_first():
    """Groups stand in the order of a rate with their fraction, and the first is the winner."""
    ranking = rank(variants(a=(80, 20), b=(90, 10), c=(100, 100)), "delivery_rate")

    assert [(each.place, each.key, str(each.value)) for each in ranking.ranked] == [
        (1, "b", "90.0 % (90/100)"),
        (2, "a", "80.0 % (80/100)"),
        (3, "c", "50.0 % (100/200)"),
    ]
    assert (ranking.metric, ranking.winner) == ("delivery_rate", "b")
    assert ranking.ranked[0].summary.counts.delivered == 90


def test_equal_rates_share_a_place():
    """Equal rates share a place, the next place is left out, and nobody wins a tie for the first."""
    ranking = rank(variants(a=(90, 10), b=(180, 20), c=(50, 50)), "delivery_rate")

    assert [(each.place, each.key) for each in ranking.ranked] == [(1, "a"), (1, "b"), (3, "c")]
    assert ranking.winner is None


@pytest.mark.parametrize(
    ("metric", "winner"),
    [
        ("delivery_rate", "a"),
        ("failure_rate", "a"),
        ("soft_bounce_rate", None),
        ("hard_bounce_rate", None),
        ("deleted_rate", None),
    ],
)
def test_for_failures_lower_is_better(metric, winner):
    """The best failure rate is the lowest, as the best delivery rate is the highest."""
    assert rank(variants(a=(90, 10), b=(80, 20)), metric).winner == winner


def test_for_opt_outs_lower_is_better():
    """The best opt-out rate is the lowest."""
    rows = [
        Message(status="delivered", variant=variant, opted_out=place < n)
        for variant, n in (("a", 5), ("b", 3))
        for place in range(100)
    ]

    assert rank(summarize(rows, by="variant"), "opt_out_rate").winner == "b"


def test_small_groups_are_left_out_and_listed():
    """A group that sent too little is not ranked, even if its rate is the highest."""
    ranking = rank(variants(a=(90, 10), b=(99, 0)), "delivery_rate")

    assert ([each.key for each in ranking.ranked], dict(ranking.too_small)) == (["a"], {"b": 99})
    assert rank(variants(a=(90, 10), b=(99, 0)), "delivery_rate", min_sent=99).winner == "b"


def test_groups_without_a_value_are_left_out_and_listed():
    """A group whose rate was not measured is not last but apart."""
    ranking = rank(variants(a=(100, 0)), "click_rate")

    assert (ranking.ranked, ranking.unmeasured, ranking.winner) == ((), ("a",), None)


def test_a_ranking_prints_everybody():
    """Each group has its line, the ones left out with the reason; a name cannot break its line."""
    groups = variants(**{"a\nb": (90, 10), "c": (1, 1)})

    assert str(rank(groups, "delivery_rate")).splitlines() == [
        "1. a\\u000ab: 90.0 % (90/100)",
        "-  c: left out, 2 sent",
    ]
    assert str(rank(variants(a=(100, 0)), "click_rate")) == "-  a: left out, no click_rate"


def test_ranking_by_an_unknown_rate():
    """A rate nobody knows is an error, also when every group is too small."""
    with pytest.raises(InvalidValue) as caught:
        rank(variants(a=(1, 0)), "click_rat")

    assert str(caught.value).startswith("rate is 'click_rat': not one we know; nearest: click_rate")


def test_one_summary_has_no_ranking():
    """Only groups can be put in an order, and the sentence says what makes them."""
    with pytest.raises(InvalidValue) as caught:
        rank(summarize(TEN), "delivery_rate")

    assert str(caught.value) == "summaries is a Summary: give what summarize(..., by=) returns"


# --- accounts ----------------------------------------------------------------------------------

AS_OF = NOON + dt.timedelta(days=30)
EDGE = [
    {"account_id": "acme", "status": "delivered", "sent_at": NOON},
    {"account_id": "acme", "status": "failed", "sent_at": NOON - dt.timedelta(microseconds=1)},
    {"account_id": "acme", "status": "delivered", "sent_at": AS_OF},
    {"account_id": "acme", "status": "pending", "sent_at": None},
    {"account_id": "brand", "status": "delivered", "sent_at": NOON - dt.timedelta(days=400)},
]
"""Messages of two accounts around the edge of the last 30 days before the latest of them."""


@pytest.mark.parametrize("form", FORMS)
def test_accounts_have_a_lifetime_and_recent_days(form):
    """Each account has all its messages and those of the last 30 days, the first instant of those included."""
    found = accounts(FORMS[form](EDGE))

    assert {key: (each.lifetime.counts.sent, each.recent.counts.sent) for key, each in found.items()} == {
        "acme": (3, 2),
        "brand": (1, 0),
    }
    assert str(found["acme"].success_rate) == "66.7 % (2/3)"
    assert found["acme"].recent.as_of == found["acme"].lifetime.as_of == AS_OF
    assert found["acme"].lifetime.counts.pending == 1


@pytest.mark.parametrize("form", FORMS)
def test_recent_days_end_when_the_caller_says(form):
    """Given as_of and days move the window; the end is what every summary is true as of."""
    found = accounts(FORMS[form](EDGE), as_of=NOON, days=400)

    assert (found["brand"].recent.counts.sent, found["acme"].recent.as_of) == (1, NOON)


def test_accounts_by_any_column_under_any_profile():
    """Another column may hold the account, and the profile decides what success is."""
    rows = [{"sender": "a", "status": status, "sent_at": NOON} for status in ("delivered", "failed", "sent")]

    found = accounts(rows, by="sender", profile="messengerflow")

    assert str(found["a"].success_rate) == "50.0 % (1/2)"


def test_an_account_without_a_name_is_an_account():
    """Messages without an account are the account None."""
    assert list(accounts([Message(status="sent", sent_at=NOON)])) == [None]


def test_accounts_need_an_end():
    """Without any moment in the data, the last 30 days of what are not known."""
    with pytest.raises(InvalidValue) as caught:
        accounts(several(sent=1))

    assert str(caught.value) == ("as_of is None: there is no moment in the data to count days back from; give as_of=")
    with pytest.raises(InvalidValue, match="has no time zone"):
        accounts(several(sent=1), as_of=NOON.replace(tzinfo=None))
