"""The summary: every formula on a campaign counted by hand, and what is printed of it."""

from __future__ import annotations

import datetime as dt
import html.parser
import importlib.util
import json
import re
from collections import Counter
from decimal import Decimal

import attrs
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaignkit.cells import PEOPLE_COUNTS, People, Tally
from campaignkit.display import span_text, text_table, visible
from campaignkit.errors import InvalidValue, MissingExtra
from campaignkit.grouping import days
from campaignkit.metrics import COUNT_FIELDS, COUNT_PROPERTIES, Counts
from campaignkit.models import Click, Message, Order, Status
from campaignkit.profiles import PROFILES, Formula, Profile, get_profile
from campaignkit.summary import Summaries, Summary, read_tally, summarize, tally
from strategies import NOON

QUIET = {
    "segments": 1,
    "replies": 0,
    "stop_replies": 0,
    "clicks": 0,
    "opted_out": False,
    "orders": 0,
    "assisted_orders": 0,
}


def sent(status, code=None, *, after=None, **fields):
    """Return one message of the campaign below: counted columns at zero, handed off at noon if it ever was."""
    delivered_at = None if after is None else NOON + dt.timedelta(seconds=after)
    return Message(
        status=status,
        carrier="twilio",
        error_code=code,
        sent_at=None if status in {"skipped", "canceled", "pending", "refused", "unknown"} else NOON,
        delivered_at=delivered_at,
        currency="USD",
        **{**QUIET, **fields},
    )


CAMPAIGN = [
    *[sent("skipped", skip_reason="ContentTooLong")] * 2,
    sent("skipped", skip_reason="SkippedNoContent"),
    sent("canceled"),
    *[sent("pending")] * 2,
    sent("refused", "21211"),
    sent("unknown"),
    sent("queued"),
    sent("sent"),
    *[sent("delivered", after=2, price=Decimal("0.01"))] * 10,
    *[sent("delivered", after=10, clicks=1, price=Decimal("0.01"))] * 4,
    *[sent("read", after=10, clicks=3, replies=1, orders=1, revenue=Decimal("20.5"))] * 2,
    sent("read", after=10, replies=5, orders=2, revenue=Decimal("9.5"), segments=2),
    *[sent("delivered", after=300, stop_replies=1, opted_out=True, assisted_orders=1, assisted_revenue=7)] * 2,
    sent("delivered", after=-1),
    *[sent("undelivered", "30003")] * 3,
    *[sent("undelivered", "30005")] * 2,
    sent("undelivered", "deleted"),
    *[sent("undelivered", "30007")] * 2,
    sent("failed", "99999"),
    sent("unconfirmed"),
]
"""Forty messages: eight never handed off, thirty-two sent, of which twenty arrived."""

COUNTED = {
    "total": 40,
    "skipped": 3,
    "canceled": 1,
    "pending": 2,
    "refused": 1,
    "unknown": 1,
    "sent": 32,
    "processing": 2,
    "delivered": 20,
    "read": 3,
    "failed": 9,
    "soft": 3,
    "hard": 2,
    "deleted": 1,
    "other": 3,
    "unconfirmed": 1,
    "unmapped": 1,
    "resolved": 29,
    "final": 35,
    "segments": 41,
    "replies": 7,
    "replied": 3,
    "stop_replies": 2,
    "clicks": 10,
    "clicked": 6,
    "opted_out": 2,
    "orders": 4,
    "converted": 3,
    "assisted_orders": 2,
    "priced": 14,
}

RATES = {
    "delivery_rate": (20, 32),
    "resolved_delivery_rate": (20, 29),
    "failure_rate": (9, 32),
    "soft_bounce_rate": (3, 32),
    "hard_bounce_rate": (2, 32),
    "deleted_rate": (1, 32),
    "reply_rate": (3, 32),
    "click_rate": (6, 32),
    "click_to_delivered_rate": (6, 20),
    "opt_out_rate": (2, 32),
    "conversion_rate": (3, 32),
}

SUMMARY = summarize(CAMPAIGN)

messages = st.builds(
    lambda status, carrier, code, taken, n: Message(
        status=status,
        carrier=carrier,
        error_code=None if status is Status.SKIPPED else code,
        skip_reason=code if status is Status.SKIPPED else None,
        sent_at=NOON if taken and status is not Status.SKIPPED else None,
        replies=n if taken and status is not Status.SKIPPED else 0,
        clicks=n if taken and status is not Status.SKIPPED else 0,
    ),
    status=st.sampled_from(Status),
    carrier=st.sampled_from([None, "twilio", "vonage", "acme"]),
    code=st.sampled_from([None, "30003", "30005", "dlr:6", "99999", "deleted", "landline", "opted_out", "expired"]),
    taken=st.booleans(),
    n=st.integers(0, 2),
)
"""Messages in every status, with codes of all kinds, handed off or not; nobody answers what was not."""


# --- counts and rates --------------------------------------------------------------------------


def test_every_count_is_counted_by_hand():
    """Each count of the campaign is the number found by counting on paper, and no count is left out."""
    assert {name: SUMMARY.count(name) for name in COUNTED} == COUNTED
    assert set(COUNTED) == {*COUNT_FIELDS, *COUNT_PROPERTIES}


@pytest.mark.parametrize(("name", "fraction"), RATES.items())
def test_every_rate_is_its_fraction(name, fraction):
    """Each rate is the property of its name, remembers its fraction, and prints it."""
    rate = getattr(SUMMARY, name)

    assert rate == SUMMARY.rate(name)
    assert (rate.part, rate.whole) == fraction
    assert rate.value == pytest.approx(fraction[0] / fraction[1])
    assert str(rate).endswith(f" % ({fraction[0]}/{fraction[1]})")
    assert rate.formula.proportion == (name != "click_to_delivered_rate")


def test_no_rate_is_without_a_property():
    """Every rate of the default profile has a property, and its docstring says what it is."""
    assert set(RATES) == set(get_profile("campaignkit").rates)
    assert [name for name in RATES if not getattr(Summary, name).__doc__] == []


def test_settled_share():
    """The settled share is what has a final status of what was handed off."""
    assert str(SUMMARY.settled_share) == "93.8 % (30/32)"
    assert str(SUMMARY.settled_share.formula) == "delivered + failed + unconfirmed ÷ sent"


def test_statuses_in_their_order():
    """Messages by status come in the order of the statuses, without the ones nobody is in."""
    assert list(SUMMARY.statuses.items()) == [
        ("pending", 2),
        ("skipped", 3),
        ("canceled", 1),
        ("refused", 1),
        ("unknown", 1),
        ("queued", 1),
        ("sent", 1),
        ("delivered", 17),
        ("read", 3),
        ("undelivered", 9),
        ("unconfirmed", 1),
    ]


def test_failures_name_code_reason_and_remedy():
    """What failed stands by code, the most frequent first, each with its verdict; refusals are marked."""
    found = [(each.verdict.code, each.n, each.verdict.reason, each.refused) for each in SUMMARY.failures]

    assert found == [
        ("30003", 3, "handset_absent", False),
        ("30005", 2, "number_unknown", False),
        ("30007", 2, "spam_filtered", False),
        ("21211", 1, "invalid_number", True),
        ("99999", 1, "unmapped", False),
        ("deleted", 1, "deleted", False),
    ]
    assert [each for each in SUMMARY.failures if not each.verdict.advice] == []


def test_failures_are_in_one_order_whatever_order_the_rows_have():
    """Equally frequent failures stand in an order of their own, so that every engine prints the same."""
    both = [sent("undelivered", "30003"), Message(status="failed", carrier="acme", error_code="30003", **QUIET)]

    assert summarize(both).failures == summarize(both[::-1]).failures


def test_reasons_skips_and_unmapped():
    """Reasons, skips and unmapped codes are sums over the failures, the largest first."""
    assert list(SUMMARY.reasons.items()) == [
        ("handset_absent", 3),
        ("number_unknown", 2),
        ("spam_filtered", 2),
        ("deleted", 1),
        ("invalid_number", 1),
        ("unmapped", 1),
    ]
    assert list(SUMMARY.skips.items()) == [("ContentTooLong", 2), ("SkippedNoContent", 1)]
    assert SUMMARY.unmapped == {"twilio 99999": 1}


def test_one_skip_reason_of_two_carriers_is_one_line():
    """Messages skipped for one reason add up, whichever carrier they were meant for."""
    rows = [
        {"status": "skipped", "skip_reason": "ContentTooLong", "carrier": carrier}
        for carrier in (None, "twilio", "vonage")
    ]

    assert summarize([*rows, {"status": "skipped"}]).skips == {"ContentTooLong": 3, "no reason given": 1}


def test_one_unmapped_code_in_two_statuses_is_one_line():
    """Messages with one unmapped code add up, refused or undelivered, with a carrier or without."""
    rows = [{"status": status, "carrier": "twilio", "error_code": "99999"} for status in ("failed", "refused")]

    assert summarize([*rows, {"status": "failed", "error_code": "X"}]).unmapped == {
        "twilio 99999": 2,
        "no carrier X": 1,
    }


@given(st.lists(messages), st.sampled_from([*PROFILES]))
def test_the_parts_sum_to_the_whole(rows, profile):
    """Under every profile the parts sum to the whole, and each break-down to what it breaks down."""
    summary = summarize(rows, profile=profile)
    c = summary.counts

    assert c.total == len(rows)
    assert c.total == (
        c.skipped
        + c.canceled
        + c.pending
        + c.refused
        + c.unknown
        + c.processing
        + c.delivered
        + c.soft
        + c.hard
        + c.deleted
        + c.other
        + c.unconfirmed
    )
    assert c.sent == c.processing + c.delivered + c.failed + c.unconfirmed
    assert sum(summary.statuses.values()) == c.total
    assert sum(each.n for each in summary.failures) == c.failed + c.refused
    assert sum(each.n for each in summary.failures if each.refused) == c.refused
    assert sum(summary.reasons.values()) == c.failed + c.refused
    assert sum(summary.skips.values()) == c.skipped
    assert sum(summary.unmapped.values()) == c.unmapped


@given(st.lists(messages))
def test_every_proportion_is_one(rows):
    """A rate that says it is a proportion never passes 1, under any profile."""
    for profile in PROFILES:
        summary = summarize(rows, profile=profile)
        rates = [summary.rate(name) for name, formula in summary.profile.rates.items() if formula.proportion]
        assert [rate for rate in rates if rate.value is not None and not 0 <= rate.value <= 1] == []


@given(st.lists(messages))
def test_everything_can_be_printed(rows):
    """Whatever the messages, the summary and its groups print, and fit into JSON and a frame."""
    groups = summarize(rows, by="carrier")

    assert str(summarize(rows)).startswith("Total ")
    assert len(str(groups).splitlines()) == 1 + len(groups)
    json.dumps(groups.total.to_dict())
    assert len(groups.to_frame("pandas")) == len(groups)


# --- what was not recorded ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "counts", "rates"),
    [
        ("segments", ["segments"], []),
        ("replies", ["replies", "replied"], ["reply_rate"]),
        ("stop_replies", ["stop_replies"], []),
        ("clicks", ["clicks", "clicked"], ["click_rate", "click_to_delivered_rate"]),
        ("opted_out", ["opted_out"], ["opt_out_rate"]),
        ("orders", ["orders", "converted"], ["conversion_rate"]),
        ("assisted_orders", ["assisted_orders"], []),
        ("price", ["priced"], []),
    ],
)
def test_an_absent_column_makes_its_numbers_none_with_the_reason(column, counts, rates):
    """What a column would have told is None, never 0, and says which column is missing; the rest stays."""
    summary = summarize([attrs.evolve(each, **{column: None}) for each in CAMPAIGN])

    assert [name for name in COUNTED if summary.count(name) is None] == sorted(counts, key=list(COUNTED).index)
    assert {summary.missing(name) for name in counts} == {f"no {column} in the data"}
    assert [name for name in RATES if summary.rate(name).value is None] == rates
    assert {str(summary.rate(name)) for name in rates} <= {f"not recorded (no {column} in the data)"}


def test_money_that_was_not_recorded_is_none():
    """Cost, revenue and assisted revenue are None without prices and orders, and the table says so."""
    summary = summarize([{"status": "delivered"}])

    assert (summary.cost, summary.revenue, summary.assisted_revenue) == (None, None, None)
    assert "Cost                     not recorded" in str(summary)
    assert "Revenue" not in str(summary)


def test_a_rate_names_the_missing_column_of_its_whole():
    """Where the count below is missing, the reason is that column's."""
    profile = Profile(name="mine", rates={"per_click": Formula("delivered", "clicked")})

    rate = summarize([{"status": "delivered"}], profile=profile).rate("per_click")

    assert (rate.value, str(rate)) == (None, "not recorded (no clicks in the data)")


def test_a_regrouped_count_names_the_missing_column_of_its_parts():
    """A count that a profile adds up is None when a part is, for the reason of that part."""
    profile = Profile(name="mine", regroup={"answers": ("replies", "stop_replies")})
    summary = summarize([{"status": "delivered", "replies": 1}], profile=profile)

    assert (summary.count("answers"), summary.missing("answers")) == (None, "no stop_replies in the data")
    assert summary.missing("delivered") is None


def test_people_are_none_until_asked_for():
    """Counts of people are None with the way to get them; asked for, only what has no column stays None."""
    rows = [{"status": "delivered", "contact_id": who, "clicks": n} for who, n in (("ann", 2), ("ann", 0), ("bob", 0))]

    silent, asked = summarize(rows), summarize(rows, people="contact_id")

    assert (silent.count("clickers"), silent.missing("clickers")) == (None, 'not asked for; give people="contact_id"')
    assert (asked.count("recipients"), asked.count("clickers"), asked.missing("clickers")) == (2, 1, None)
    assert (asked.count("repliers"), asked.missing("repliers")) == (None, "no replies in the data")
    assert "Clickers" not in str(silent)
    assert "Clickers" in str(asked)


def test_only_the_people_asked_for():
    """A part of the counts of people may be asked for; the others stay None."""
    rows = [{"status": "delivered", "contact_id": "ann", "clicks": 2}]

    summary = summarize(rows, people=People("contact_id", ("clickers",)))

    assert (summary.people.clickers, summary.people.recipients) == (1, None)


def test_nothing_at_all_is_all_zeros():
    """No messages make a summary of zeros whose rates have no value, not an error."""
    summary = summarize([])

    assert summary.counts == Counts()
    assert [name for name in RATES if summary.rate(name).value is not None] == []
    assert str(summary.delivery_rate) == "– (0/0)"
    assert (summary.as_of, summary.failures, summary.latency.n) == (None, (), 0)
    assert json.loads(json.dumps(summary.to_dict()))["counts"]["total"] == 0
    assert "<caption><bdi>campaignkit</bdi></caption>" in summary._repr_html_()


# --- profiles ----------------------------------------------------------------------------------


def test_messagesender_counts_refusals_as_failed():
    """The messagesender profile adds what was refused at submission to what failed."""
    summary = summarize(CAMPAIGN, profile="messagesender")

    assert summary.count("failed") == COUNTED["failed"] + COUNTED["refused"]
    assert summary.counts.failed == COUNTED["failed"]


def test_messagesender_replies_may_pass_one():
    """The messagesender reply rate counts replies, so it may pass 1 and is no proportion; ours counts messages."""
    rows = [Message(status="delivered", replies=3), Message(status="delivered", replies=0)]

    theirs, ours = summarize(rows, profile="messagesender").reply_rate, summarize(rows).reply_rate

    assert (theirs.value, theirs.formula.proportion) == (1.5, False)
    assert (ours.value, ours.formula.proportion) == (0.5, True)


def test_messengerflow_sent_is_delivered():
    """The messengerflow profile regroups: sent is delivered, failed has refusals, the rest is pending."""
    summary = summarize(CAMPAIGN, profile="messengerflow")

    assert {name: summary.count(name) for name in ("sent", "failed", "pending", "processed", "attempted")} == {
        "sent": 20,
        "failed": 10,
        "pending": 2 + 2 + 1 + 1,
        "processed": 30,
        "attempted": 30,
    }
    assert str(summary.rate("progress")) == "75.0 % (30/40)"
    assert str(summary.delivery_rate) == "66.7 % (20/30)"


def test_brevo_bounces_are_wide():
    """The brevo profile calls filtered and unknown codes soft, divides by delivered, and has no deleted."""
    summary = summarize(CAMPAIGN, profile="brevo")

    assert (summary.count("soft"), summary.count("hard"), summary.count("deleted")) == (6, 3, 0)
    assert summary.count("processing") == 2 + 2 + 1 + 1
    assert str(summary.reply_rate) == "15.0 % (3/20)"
    assert str(summary.opt_out_rate) == "10.0 % (2/20)"


def test_dotdigital_bounces_are_hard_unless_expired():
    """The dotdigital profile calls only expiry soft, and every other failure hard or deleted."""
    summary = summarize([*CAMPAIGN, sent("expired")], profile="dotdigital")

    assert (summary.count("soft"), summary.count("hard"), summary.count("deleted")) == (1, 8, 1)
    assert summary.count("pending") == 2 + 1
    assert (str(summary.click_rate), str(summary.conversion_rate)) == ("30.0 % (6/20)", "15.0 % (3/20)")


@pytest.mark.parametrize("profile", PROFILES)
def test_every_figure_of_a_profile_exists(profile):
    """Each number that a profile shows is one of its counts or rates, labelled, with the formula of a rate."""
    figures = summarize(CAMPAIGN, profile=profile).figures

    assert [each for each in figures if not each.label] == []
    assert {each.formula != "" for each in figures if not isinstance(each.value, int | None)} == {True}
    assert {each.formula for each in figures if isinstance(each.value, int | None)} == {""}


def test_default_figures_are_all_counts_and_rates():
    """The default profile shows every count that is not only an intermediate, all people, and every rate."""
    names = [figure.name for figure in SUMMARY.figures]

    assert len(names) == len(set(names))
    assert set(names) == {*COUNTED, *PEOPLE_COUNTS, *RATES} - {"resolved", "final", "priced"}


def test_figures_print_as_text():
    """A count prints with its thousands, a rate beside its fraction, what is missing with the reason."""
    rows = {figure.name: figure.row for figure in summarize([{"status": "sent"}] * 1200).figures}

    assert rows["sent"] == ("Sent", "1,200", "", "")
    assert rows["delivery_rate"] == ("Delivery rate", "0.0 %", "0 / 1,200", "delivered ÷ sent")
    assert rows["clicks"] == ("Clicks", "not recorded", "no clicks in the data", "")
    assert rows["click_rate"] == ("Click rate", "not recorded", "no clicks in the data", "clicked ÷ sent")
    assert summarize([]).figure("delivery_rate").row[1:3] == ("–", "0 / 0")


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: summarize([], profile="breevo"),
            "profile is 'breevo': not one we know; nearest: brevo",
        ),
        (
            lambda: SUMMARY.rate("delivry_rate"),
            "rate is 'delivry_rate': not one we know; nearest: delivery_rate, resolved_delivery_rate, deleted_rate",
        ),
        (
            lambda: SUMMARY.count("deliverd"),
            "count is 'deliverd': not one we know; nearest: delivered, replied, deleted",
        ),
        (
            lambda: People("contact_id", ("clicker",)),
            "people count is 'clicker': not one we know; nearest: clickers",
        ),
        (
            lambda: get_profile("campaignkit").with_bounces("voyadoo"),
            "bounce policy is 'voyadoo': not one we know; nearest: voyado",
        ),
        (
            lambda: summarize([], carrier="twillio"),
            "carrier is 'twillio': no table of codes for it; nearest: twilio",
        ),
        (
            lambda: summarize(5),
            "rows is 5: give a frame, or an iterable of messages, objects or mappings",
        ),
        (
            lambda: summarize("delivered"),
            "rows is 'delivered': give a frame, or an iterable of messages, objects or mappings; read_log reads a file",
        ),
        (
            lambda: summarize({"status": ["delivered"]}),
            "rows is {'status': ['delivered']}: give a frame, or an iterable of messages, objects or mappings",
        ),
        (
            lambda: summarize([], clicks=7),
            "clicks is 7: give a frame, or an iterable of messages, objects or mappings",
        ),
        (
            lambda: summarize([], by="variant").to_frame("spark"),
            "backend is 'spark': give one of polars, pandas, pyarrow",
        ),
    ],
)
def test_wrong_names_get_a_sentence(call, sentence):
    """A name nobody knows is shown with the nearest known ones; what cannot be read, with what can."""
    with pytest.raises(InvalidValue) as caught:
        call()

    assert str(caught.value) == sentence


def test_a_profile_may_be_ones_own():
    """A profile object is as good as a name: other bounces, or the host's own reason for a code."""
    mine = get_profile("campaignkit").with_bounces("voyado").with_codes({("twilio", "99999"): "number_unknown"})

    summary = summarize(CAMPAIGN, profile=mine)

    assert (summary.profile.name, summary.count("hard"), summary.count("unmapped")) == (
        "campaignkit with voyado bounces",
        4,
        0,
    )


# --- money, latency, time ----------------------------------------------------------------------


def test_money_by_currency():
    """Cost and revenue are exact sums by currency, direct and assisted apart; nobody converts."""
    rows = [*CAMPAIGN, attrs.evolve(sent("delivered"), price=Decimal("0.0433"), currency="EUR")]
    summary = summarize(rows)

    assert summary.cost == {"EUR": Decimal("0.0433"), "USD": Decimal("0.14")}
    assert summary.revenue == {"USD": Decimal("50.5")}
    assert summary.assisted_revenue == {"USD": Decimal(14)}
    shown = {line.split("  ")[0]: line.split("  ")[-1].strip() for line in str(summary).splitlines()}
    assert (shown["Cost"], shown["Revenue"], shown["Assisted revenue"]) == (
        "0.04 EUR, 0.14 USD",
        "50.50 USD",
        "14.00 USD",
    )


def test_latency_within_two_percent():
    """Median and 95th percentile are within 2 % of what a sorted list gives; impossible times stand apart."""
    latency = SUMMARY.latency

    assert (latency.n, latency.negative) == (19, 1)
    assert latency.median.total_seconds() == pytest.approx(2, rel=0.02)
    assert latency.p95.total_seconds() == pytest.approx(300, rel=0.02)
    assert (span_text(latency.median), span_text(latency.p95)) == ("2.0 s", "5.0 min")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "1.0 s"), (119, "119.0 s"), (120, "2.0 min"), (7200, "2.0 h"), (172800, "2.0 d"), (864000, "10.0 d")],
)
def test_latency_in_the_unit_one_would_say(seconds, text):
    """A time is said in seconds, minutes, hours or days, at least two of them."""
    assert span_text(dt.timedelta(seconds=seconds)) == text


def test_latency_that_was_not_recorded():
    """Without both times there is no latency, and no line about it."""
    summary = summarize([{"status": "delivered", "sent_at": NOON}])

    assert (summary.latency.n, span_text(summary.latency.median)) == (0, "not recorded")
    assert "time to deliver" not in str(summary)


def test_as_of_is_the_latest_moment_or_the_callers():
    """A summary is true as of the latest moment in its data, unless the caller says when."""
    given = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)

    assert SUMMARY.as_of == NOON + dt.timedelta(seconds=300)
    assert summarize(CAMPAIGN, as_of=given).as_of == given
    with pytest.raises(InvalidValue, match=r"as_of is .*: has no time zone"):
        summarize(CAMPAIGN, as_of=dt.datetime(2027, 1, 1))  # noqa: DTZ001 - that is the point


# --- data out ----------------------------------------------------------------------------------


def test_to_dict_is_complete_json():
    """The dictionary survives JSON unchanged and holds every count, rate, break-down and sum of money."""
    for profile in PROFILES:
        summary = summarize(CAMPAIGN, profile=profile)
        written = summary.to_dict()

        assert json.loads(json.dumps(written)) == written
        assert {name: summary.count(name) for name in {*COUNTED, *summary.profile.regroup}} == written["counts"]
        assert {name: summary.rate(name).value for name in summary.profile.rates} == {
            name: rate["value"] for name, rate in written["rates"].items()
        }


def test_to_dict_by_hand():
    """The dictionary's own shapes: rates with fraction and formula, money as text, times in seconds."""
    written = SUMMARY.to_dict()

    assert written["profile"] == "campaignkit"
    assert written["as_of"] == "2026-11-21T12:05:00+00:00"
    assert written["settled_share"] == 0.9375
    assert written["rates"]["click_to_delivered_rate"] == {
        "value": 0.3,
        "part": 6,
        "whole": 20,
        "formula": "clicked ÷ delivered",
    }
    assert (written["cost"], written["revenue"], written["assisted_revenue"]) == (
        {"USD": "0.14"},
        {"USD": "50.5"},
        {"USD": "14"},
    )
    assert written["latency"]["n"] == 19
    assert written["latency"]["p95_seconds"] == pytest.approx(300, rel=0.02)
    assert (written["statuses"]["read"], written["reasons"]["deleted"]) == (3, 1)
    assert (written["skips"]["ContentTooLong"], written["unmapped"]) == (2, {"twilio 99999": 1})
    assert written["failures"][0]["messages"] == 3
    assert written["failures"][0]["bounce"] == "soft"
    assert written["people"]["recipients"] is None
    assert written["not_recorded"] == {"people": 'not asked for; give people="contact_id"'}


def test_to_dict_says_what_was_not_recorded():
    """Where nothing was measured, the dictionary has null and the reason."""
    written = summarize([{"status": "sent"}]).to_dict()

    assert (written["cost"], written["revenue"], written["counts"]["clicks"]) == (None, None, None)
    assert written["latency"] == {"n": 0, "median_seconds": None, "p95_seconds": None, "negative": 0}
    assert written["not_recorded"]["clicks"] == "no clicks in the data"


def test_a_tally_is_read_under_any_profile_later():
    """What was counted once is read under another profile without counting again, grouped or not."""
    assert read_tally(tally(CAMPAIGN), profile="dotdigital").count("hard") == 8
    assert read_tally(tally(CAMPAIGN, by="status"))["read"].counts.read == 3


# --- groups ------------------------------------------------------------------------------------

VARIANTS = [
    *[Message(status="delivered", variant="b", step=1, price=Decimal("0.01"), currency="EUR")] * 3,
    *[Message(status="failed", variant="a", step=2)] * 2,
    Message(status="delivered", variant="a", step=1),
    Message(status="sent", step=1),
]


def test_groups_are_a_mapping():
    """Groups are a mapping in the order of their values, nulls kept and last; a missing key is a KeyError."""
    groups = summarize(VARIANTS, by="variant")

    assert isinstance(groups, Summaries)
    assert (list(groups), len(groups), groups.by) == (["a", "b", None], 3, ("variant",))
    assert [each.counts.total for each in groups.values()] == [3, 3, 1]
    assert "a" in groups
    with pytest.raises(KeyError):
        groups["c"]


def test_two_columns_make_tuple_keys():
    """Several columns make keys of tuples, each element in its own order."""
    groups = summarize(VARIANTS, by=["variant", "step"])

    assert list(groups) == [("a", 1), ("a", 2), ("b", 1), (None, 1)]
    assert groups["a", 2].counts.failed == 2
    assert list(summarize(VARIANTS, by=["variant"])) == ["a", "b", None]


def test_the_total_of_groups_is_the_whole():
    """The total of all groups has the counts of no grouping; people do not add, and say so."""
    groups = summarize(VARIANTS, by=["variant", "step"])

    assert groups.total.counts == summarize(VARIANTS).counts
    assert groups.total.cost == summarize(VARIANTS).cost
    assert groups.total.missing("recipients") == 'not asked for; give people="contact_id"'
    people = summarize(VARIANTS, by="variant", people="step").total
    assert people.missing("recipients") == "people do not add over groups; ask again without by="


def test_groups_of_different_kinds_have_an_order():
    """Values of several kinds in one column, as mappings may have, are sorted by kind and then by value."""
    rows = [{"status": "sent", "variant": each} for each in ("b", 2, None, True, "a", 1.5)]

    assert list(summarize(rows, by="variant")) == [True, 1.5, 2, "a", "b", None]


def test_time_buckets_are_keys():
    """A day is a group like another, and prints as a date and time."""
    rows = [{"status": "sent", "sent_at": NOON + dt.timedelta(days=day)} for day in (0, 0, 1)]

    groups = summarize(rows, by=days("sent_at", zone="UTC"))

    assert [(key.day, each.counts.sent) for key, each in groups.items()] == [(21, 2), (22, 1)]
    assert str(groups).splitlines()[1].split("  ")[0] == "2026-11-21 00:00"


def test_rows_have_every_count_rate_and_sum_of_money():
    """A row of a group holds its columns, every count and rate, and money by currency."""
    one, two, _ = summarize(VARIANTS, by="variant").rows()

    assert list(one)[:3] == ["variant", "total", "skipped"]
    assert {*COUNTED, *PEOPLE_COUNTS, *RATES} <= set(one)
    assert (one["variant"], one["delivered"], one["delivery_rate"], one["clicks"]) == ("a", 1, 1 / 3, None)
    assert ("cost_EUR" in one, two["cost_EUR"]) == (False, Decimal("0.03"))


def test_rows_follow_the_profile():
    """Rows hold the profile's own numbers too, direct and assisted revenue among them."""
    rows = summarize([*CAMPAIGN], by="carrier", profile="messengerflow").rows()

    assert (rows[0]["sent"], rows[0]["processed"], rows[0]["progress"]) == (20, 30, 0.75)
    assert (rows[0]["revenue_USD"], rows[0]["assisted_revenue_USD"]) == (Decimal("50.5"), Decimal(14))


@pytest.mark.parametrize(
    ("backend", "kind"),
    [(None, pl.DataFrame), ("polars", pl.DataFrame), ("pandas", pd.DataFrame), ("pyarrow", pa.Table)],
)
def test_to_frame_in_each_library(backend, kind):
    """Rows become a frame of the library asked for, by default the first installed, groups in their order."""
    groups = summarize(VARIANTS, by=["variant", "step"])

    frame = groups.to_frame(backend)

    assert isinstance(frame, kind)
    columns = {name: list(frame[name]) for name in ("step", "delivered", "total")}
    if backend == "pyarrow":
        columns = {name: [each.as_py() for each in values] for name, values in columns.items()}
    assert columns == {"step": [1, 2, 1, 1], "delivered": [1, 0, 3, 0], "total": [1, 2, 3, 1]}


@pytest.mark.parametrize("backend", ["polars", "pandas", "pyarrow"])
def test_to_frame_of_no_groups(backend):
    """No groups make a frame without rows that still has the grouping columns."""
    frame = summarize([], by=["variant", "step"]).to_frame(backend)

    assert frame.shape == (0, 2)


@pytest.mark.parametrize(
    ("backend", "sentence"),
    [
        (None, 'to_frame() needs polars: pip install "campaignkit[polars]"'),
        ("pandas", 'to_frame() needs pandas: pip install "campaignkit[pandas]"'),
    ],
)
def test_to_frame_without_a_library(monkeypatch, backend, sentence):
    """Without a dataframe library the error is the command that installs one."""
    groups = summarize(VARIANTS, by="variant")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # noqa: ARG005 - nothing is installed

    with pytest.raises(MissingExtra) as caught:
        groups.to_frame(backend)

    assert str(caught.value) == sentence


def test_events_count_in_groups_that_no_message_has():
    """A click of a group without messages makes that group, and statuses do not count it as a message."""
    clicks = [Click(clicked_at=NOON, message_id="m1", variant="z")]

    groups = summarize([Message(status="sent", variant="a")], by="variant", clicks=clicks)

    assert (groups["a"].counts.clicks, groups["z"].counts.clicks) == (0, 1)
    assert (groups["z"].statuses, groups["z"].failures, groups["z"].counts.total) == ({}, (), 0)


def test_events_may_come_as_a_frame():
    """Tables of events are read from frames as from objects."""
    frame = pl.DataFrame({"ordered_at": [NOON], "message_id": ["m1"], "revenue": [Decimal(5)], "currency": ["USD"]})

    summaries = [
        summarize([Message(status="delivered")], orders=orders)
        for orders in (frame, [Order(ordered_at=NOON, message_id="m1", revenue=Decimal(5), currency="USD")])
    ]

    assert {(each.count("orders"), each.revenue["USD"]) for each in summaries} == {(1, Decimal(5))}


# --- printed -----------------------------------------------------------------------------------


def test_a_summary_prints_as_a_table():
    """A summary prints label, value and formula; zeros of rare counts are left out, what every report has is not."""
    lines = str(summarize([Message(status="delivered", clicks=0)] * 1000)).splitlines()

    cells = {line.split("  ")[0]: line.split()[-1] for line in lines}
    assert (cells["Delivered"], cells["Failed"]) == ("1,000", "0")
    assert len({line.index("÷") - len(line.split("÷")[0].split()[-1]) for line in lines if "delivered ÷" in line}) == 1
    assert [line.split("  ")[-1] for line in lines if line.startswith("Delivery rate")] == ["delivered ÷ sent"]
    assert [line for line in lines if line.startswith(("Hard bounces", "Clicks", "Recipients"))] == []


def test_groups_print_as_a_table():
    """Groups print as a line each, numbers flush right, a rate beside its count; what nobody has is left out."""
    assert str(summarize(VARIANTS, by="variant")).splitlines() == [
        "variant  Sent  Delivered     Failed",
        "a           3  1  33.3 %  2  66.7 %",
        "b           3  3 100.0 %  0   0.0 %",
        "(none)      1  0   0.0 %  0   0.0 %",
    ]


def test_groups_print_under_their_profile():
    """Under a vendor's profile the columns are that vendor's figures."""
    head, line = str(summarize(CAMPAIGN, by="carrier", profile="messengerflow")).splitlines()

    labels = ["carrier", "Sent", "Failed", "Pending", "Total", "Progress", "Delivery success", "Response rate"]
    assert re.split("  +", head) == [*labels, "Conversion rate"]
    assert line.split() == ["twilio", "20", "10", "6", "40", "75.0", "%", "66.7", "%", "15.0", "%", "15.0", "%"]


def test_groups_print_a_dash_where_one_of_them_was_not_counted():
    """People are not known of a group that only a click made; the others show theirs."""
    rows = [Message(status="sent", variant="a", contact_id="ann")]
    clicks = [Click(clicked_at=NOON, message_id="m1", variant="z", contact_id="zoe")]

    groups = summarize(rows, by="variant", clicks=clicks, people="contact_id", profile="dotdigital")
    head, *lines = (re.split("  +", line) for line in str(groups).splitlines())

    assert [line[head.index("Unique sends")] for line in lines] == ["1", "–"]


def test_what_was_not_recorded_is_said_once():
    """A count that was not recorded says why; the ones that come from the same column do not repeat it."""
    lines = str(summarize([{"status": "sent"}])).splitlines()

    assert [
        re.split("  +", line) for line in lines if line.startswith(("Clicks", "Messages clicked", "Click rate"))
    ] == [
        ["Clicks", "not recorded", "no clicks in the data"],
        ["Click rate", "not recorded", "no clicks in the data", "clicked ÷ sent"],
    ]


def test_columns_are_as_wide_as_their_contents():
    """Each column begins at one place in all lines, two spaces after the widest cell, and no line ends in space."""
    assert text_table([("a", "long cell", "x"), ("wider", "b", "")]) == "a      long cell  x\nwider  b"
    assert text_table([("a", "1"), ("b", "10")], right=(1,)) == "a   1\nb  10"
    assert text_table([]) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünï 春 🎉 +33 6", "plain, ünï 春 🎉 +33 6"),
        ("a\nb\r\tc", "a\\u000ab\\u000d\\u0009c"),
        ("\x1b[31mred", "\\u001b[31mred"),
        ("\u202egpj.exe\u2066", "\\u202egpj.exe\\u2066"),
        ("\ud800", "\\ud800"),
        ("\u2028", "\\u2028"),
    ],
)
def test_text_that_would_not_stay_in_its_place_is_shown_escaped(text, shown):
    """Line breaks, terminal codes, direction marks and lone surrogates are written out; all else is left alone."""
    assert visible(text) == shown


HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202egpj.exe", "a\nb", "\ud800", "&amp;"]


def test_hostile_group_values_print_on_one_line():
    """Whatever a group is called, its line stays one line and can be written as UTF-8."""
    groups = summarize([Message(status="sent", variant=each) for each in HOSTILE], by="variant")

    text = str(groups)

    assert len(text.splitlines()) == 1 + len(HOSTILE)
    assert "\u202e" not in text
    assert text.encode()


class Elements(html.parser.HTMLParser):
    """Collects the names of elements and their text."""

    def __init__(self, page):
        super().__init__()
        self.names = Counter()
        self.text = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        """Count an element, which may have no attribute but our own style."""
        assert [name for name, _ in attrs] in ([], ["style"])
        self.names[tag] += 1

    def handle_data(self, data):
        """Keep text."""
        self.text.append(data)


def test_html_of_groups_is_escaped():
    """No element comes from data: a group called like a script is text in a cell of its own direction."""
    page = summarize([Message(status="sent", variant=each) for each in HOSTILE], by="variant")._repr_html_()
    found = Elements(page)

    assert set(found.names) == {"table", "caption", "thead", "tbody", "tr", "th", "td", "bdi"}
    assert found.names["tr"] == 1 + len(HOSTILE)
    assert HOSTILE[0] in found.text
    assert page.encode()


def test_html_of_a_summary_says_what_its_text_says():
    """In a notebook a summary shows every line that it prints, under profile and date."""
    found = Elements(SUMMARY._repr_html_())

    lines = [line.split("  ")[0] for line in str(SUMMARY).splitlines()]
    assert found.text[0] == "campaignkit, as of 2026-11-21 12:05 UTC"
    assert [line for line in lines if line not in found.text] == []
    assert found.names["tr"] == 1 + len(lines)


def test_html_of_a_profiles_name_is_escaped():
    """A profile of the host's own is data too."""
    page = summarize([], profile=attrs.evolve(get_profile("campaignkit"), name="<b>"))._repr_html_()

    assert "<b>" not in page


def test_a_tally_read_as_it_is():
    """A summary is made of a tally and a profile and nothing else."""
    assert Summary(tally=Tally(), profile=get_profile("campaignkit")).counts == Counts()
