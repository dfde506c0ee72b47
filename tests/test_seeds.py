"""Every number that the five seed documents name, from one campaign small enough to count by hand.

Two documents describe messagesender, one each MessengerFlow, Brevo and Dotdigital. A test is
one number of one of these products, computed through the profile of that name.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal

import pytest

from campaignkit.cells import People
from campaignkit.live import Live
from campaignkit.logs import Log
from campaignkit.models import Message, Receipt, Reply
from campaignkit.report import Report
from campaignkit.review import Band, accounts, health, progress, rank
from campaignkit.summary import read_tally, summarize
from strategies import NOON

LONG_AGO = NOON - dt.timedelta(days=40)


def message(number, variant, status, code=None, *, sent_at=NOON, segments=1, list_id="web", **facts):
    """Return one message of the campaign, to a person of the same number."""
    return Message(
        message_id=f"m{number}",
        campaign_id="spring",
        contact_id=facts.pop("contact_id", f"person {number}"),
        contact_name=f"Person {number}",
        to=f"+120255501{number:02}",
        variant=variant,
        list_id=list_id,
        account_id={"a": "north", "b": "south"}[variant],
        status=status,
        error_code=code,
        sent_at=sent_at,
        segments=segments,
        currency="USD",
        **{
            "replies": 0,
            "stop_replies": 0,
            "clicks": 0,
            "opted_out": False,
            "orders": 0,
            "assisted_orders": 0,
            **facts,
        },
    )


def unsent(number, variant, status, code=None, **facts):
    """Return one message of the campaign that no carrier ever took."""
    return message(number, variant, status, code, sent_at=None, segments=0, **facts)


CAMPAIGN = (
    # Twelve arrived, all of the list "shop"; person 5 got two of them, and two were sent long ago.
    message(1, "a", "delivered", list_id="shop", replies=2, clicks=3, orders=1, revenue=Decimal(20)),
    message(2, "a", "delivered", list_id="shop", replies=1, clicks=1),
    message(3, "a", "delivered", list_id="shop", clicks=1, orders=2, revenue=Decimal("30.50")),
    message(4, "a", "delivered", list_id="shop", segments=2),
    message(5, "a", "delivered", list_id="shop", delivered_at=NOON + dt.timedelta(minutes=1)),
    message(6, "a", "delivered", list_id="shop", contact_id="person 5"),
    message(7, "b", "delivered", list_id="shop", replies=1, clicks=2, assisted_orders=1, assisted_revenue=Decimal(10)),
    message(8, "b", "delivered", list_id="shop", stop_replies=1, opted_out=True),
    message(9, "b", "delivered", list_id="shop"),
    message(10, "b", "delivered", list_id="shop"),
    message(11, "b", "delivered", list_id="shop", sent_at=LONG_AGO),
    message(12, "b", "delivered", list_id="shop", sent_at=LONG_AGO),
    # Three are with the network, or nobody knows.
    message(13, "a", "sent"),
    message(14, "b", "queued"),
    message(15, "a", "unconfirmed"),
    # Seven failed, each for a reason of its own.
    message(16, "b", "expired"),
    message(17, "a", "undelivered", "handset_absent"),
    message(18, "b", "undelivered", "number_unknown"),
    message(19, "a", "undelivered", "blocked"),
    message(20, "b", "undelivered", "deleted"),
    message(21, "a", "undelivered", "spam_filtered"),
    message(22, "a", "undelivered", "landline"),
    # Eight never left.
    unsent(23, "a", "refused", "invalid_number"),
    unsent(24, "b", "pending"),
    unsent(25, "a", "unknown"),
    unsent(26, "b", "canceled"),
    unsent(27, "a", "skipped", skip_reason="SkippedNoContent"),
    unsent(28, "b", "skipped", skip_reason="SkippedHypersonalization"),
    unsent(29, "a", "skipped", skip_reason="FailedHypersonalization"),
    unsent(30, "b", "skipped", skip_reason="ContentTooLong"),
)
"""Thirty messages: 22 handed off (12 arrived, 7 failed, 3 open), 1 refused, 7 not sent."""

FOLLOW_UPS = tuple(
    Message(contact_id=person, step=step, status=status)
    for person, statuses in {
        "ann": ["delivered", "delivered"],
        "bob": ["delivered", "pending"],
        "cleo": ["failed", "pending"],
        "dan": ["pending", "pending"],
    }.items()
    for step, status in enumerate(statuses, 1)
)
"""Four people in a sequence of two messages: one has both, two the first, one none."""


def summary_of(profile):
    """Return the summary of the campaign under a profile, people counted too."""
    return summarize(CAMPAIGN, profile=profile, people="contact_id")


def figure(profile, label):
    """Return what the summary of a product shows under a label of its own."""
    (found,) = [each for each in summary_of(profile).figures if each.label == label]
    return found.value


def fraction(rate):
    """Return what a rate is made of."""
    return rate.part, rate.whole


# --- messagesender, both documents: the summary ------------------------------------------------


def test_messagesender_sent():
    """Messagesender's Sent: messages that a carrier took, whatever came of them."""
    assert figure("messagesender", "Sent") == 22


def test_messagesender_delivered():
    """Messagesender's Delivered: messages that the carrier confirms."""
    assert figure("messagesender", "Delivered") == 12


def test_messagesender_delivery_rate():
    """Messagesender's Delivery rate: delivered of sent."""
    assert fraction(figure("messagesender", "Delivery rate")) == (12, 22)


def test_messagesender_replies():
    """Messagesender's Replies: every answer, several of one person too."""
    assert figure("messagesender", "Replies") == 4


def test_messagesender_reply_rate():
    """Messagesender's Reply rate: answers of sent, not people of sent."""
    assert fraction(figure("messagesender", "Reply rate")) == (4, 22)


def test_messagesender_link_clicks():
    """Messagesender's Link clicks: every hit on the short link."""
    assert figure("messagesender", "Link clicks") == 7


def test_messagesender_unique_link_clicks():
    """Messagesender's Unique link clicks: people who clicked, which is messages clicked where each got one."""
    assert figure("messagesender", "Unique link clicks") == 4
    assert summary_of("messagesender").people.clickers == 4


def test_messagesender_link_click_rate():
    """Messagesender's Link click rate: unique clicks of sent."""
    assert fraction(figure("messagesender", "Link click rate")) == (4, 22)


def test_messagesender_failed():
    """Messagesender's Failed: what could not be delivered, refused at once or later."""
    assert figure("messagesender", "Failed") == 8


# --- messagesender, both documents: below the summary ------------------------------------------


def test_messagesender_message_log():
    """Messagesender's message log: per recipient name, number, status, both times, code and what it means."""
    file = io.StringIO(newline="")
    Report.of(CAMPAIGN, profile="messagesender").to_csv(file)
    file.seek(0)
    rows = {row["message_id"]: row for row in csv.DictReader(file)}

    assert len(rows) == 30
    assert [rows["m5"][name] for name in ("contact_name", "to", "status", "sent_at", "delivered_at")] == [
        "Person 5",
        "+12025550105",
        "delivered",
        "2026-11-21T12:00:00+00:00",
        "2026-11-21T12:01:00+00:00",
    ]
    assert (rows["m22"]["error_code"], rows["m22"]["error_description"]) == ("landline", "landline")


def test_messagesender_numbers_while_sending():
    """Messagesender's numbers in real time: a receipt that comes in moves them, and the end is a recount."""
    live = Live()
    live.add([Message(message_id=f"m{place}", status="sent") for place in range(4)])
    seen = []
    for status in ("delivered", "undelivered", "delivered"):
        live.apply(Receipt(message_id=f"m{len(seen)}", status=status))
        counts = read_tally(live.tally(), profile="messagesender")
        seen.append((counts.count("sent"), counts.count("delivered"), counts.count("failed")))

    assert seen == [(4, 1, 0), (4, 1, 1), (4, 2, 1)]


def test_messagesender_share_of_final_statuses():
    """Messagesender's advice to look again later: how much of what was sent has its last status yet."""
    assert fraction(summary_of("messagesender").settled_share) == (20, 22)


def test_messagesender_replies_listed():
    """Messagesender's list of replies: who, what and when, with how many there are."""
    reply = Reply(received_at=NOON, contact_name="Person 1", text="yes please")

    text = Report.of(Log(messages=CAMPAIGN, replies=(reply,))).to_text()

    assert "1 replies, 0 opt-outs. The latest replies:\n11-21 12:00  Person 1  yes please\n" in text


def test_messagesender_clicks_per_contact():
    """Messagesender's clicks by contact: how often each person clicked."""
    people = summarize(CAMPAIGN, by="contact_id", profile="messagesender")

    assert {who: each.count("clicks") for who, each in people.items() if each.count("clicks")} == {
        "person 1": 3,
        "person 2": 1,
        "person 3": 1,
        "person 7": 2,
    }


@pytest.mark.parametrize(
    ("variant", "sent", "delivered", "replies", "clicked"), [("a", 12, 6, 3, 3), ("b", 10, 6, 1, 1)]
)
def test_messagesender_variants(variant, sent, delivered, replies, clicked):
    """Messagesender's variants side by side: sent, delivery rate, reply rate and click rate of each."""
    found = summarize(CAMPAIGN, by="variant", profile="messagesender")[variant]

    assert found.count("sent") == sent
    assert fraction(found.delivery_rate) == (delivered, sent)
    assert fraction(found.reply_rate) == (replies, sent)
    assert fraction(found.click_rate) == (clicked, sent)


def test_messagesender_winning_variant():
    """Messagesender's winner: the variant with the best of these rates."""
    variants = summarize(CAMPAIGN, by="variant", profile="messagesender")

    assert [rank(variants, metric, min_sent=10).winner for metric in ("delivery_rate", "reply_rate", "click_rate")] == [
        "b",
        "a",
        "a",
    ]


# --- MessengerFlow -----------------------------------------------------------------------------


def test_messengerflow_sent():
    """MessengerFlow's Sent: messages that arrived; others call it delivered."""
    assert figure("messengerflow", "Sent") == 12


def test_messengerflow_failed():
    """MessengerFlow's Failed: what could not be delivered."""
    assert figure("messengerflow", "Failed") == 8


def test_messengerflow_pending():
    """MessengerFlow's Pending: whatever is neither sent nor failed yet in its sense."""
    assert figure("messengerflow", "Pending") == 1 + 2 + 1 + 1


def test_messengerflow_partial():
    """MessengerFlow's Partial: people who got some of their follow-ups and not all."""
    assert progress(FOLLOW_UPS, steps=2).contacts.partial == 2


def test_messengerflow_total():
    """MessengerFlow's Total: everyone in the campaign, people or messages."""
    assert figure("messengerflow", "Total") == 30
    assert summary_of("messengerflow").people.recipients == 29
    assert progress(FOLLOW_UPS, steps=2).contacts.contacts == 4


def test_messengerflow_progress():
    """MessengerFlow's Progress: its sent and its failed of the total, in two places the same."""
    assert fraction(figure("messengerflow", "Progress")) == (12 + 8, 30)
    assert fraction(progress(CAMPAIGN).processed) == (20, 30)


def test_messengerflow_progress_at_its_end():
    """MessengerFlow's Progress reaches its end when everything was sent or failed."""
    assert progress([Message(status="delivered"), Message(status="failed")]).processed.value == 1


def test_messengerflow_delivery_success():
    """MessengerFlow's Delivery success: arrived of what came to an end."""
    assert fraction(figure("messengerflow", "Delivery success")) == (12, 20)


@pytest.mark.parametrize(
    ("delivered", "band"), [(96, Band.HIGH), (95, Band.MODERATE), (80, Band.MODERATE), (79, Band.LOW)]
)
def test_messengerflow_bands_of_success(delivered, band):
    """MessengerFlow's bands: more than 95 in 100 is high, 80 to 95 moderate, fewer low."""
    rows = [Message(status="delivered")] * delivered + [Message(status="failed")] * (100 - delivered)

    assert health(summarize(rows, profile="messengerflow")).band is band


def test_messengerflow_account_lifetime():
    """MessengerFlow's messages of an account: all it ever sent."""
    found = accounts(CAMPAIGN, profile="messengerflow")

    assert {name: each.lifetime.count("sent") for name, each in found.items()} == {"north": 6, "south": 6}
    assert {name: each.lifetime.counts.sent for name, each in found.items()} == {"north": 12, "south": 10}


def test_messengerflow_account_last_30_days():
    """MessengerFlow's messages of an account in 30 days: older ones are left out."""
    found = accounts(CAMPAIGN, profile="messengerflow")

    assert {name: each.recent.count("sent") for name, each in found.items()} == {"north": 6, "south": 4}


def test_messengerflow_account_success_rate():
    """MessengerFlow's success rate of an account: arrived of what came to an end, over its lifetime."""
    found = accounts(CAMPAIGN, profile="messengerflow")

    assert {name: fraction(each.success_rate) for name, each in found.items()} == {"north": (6, 11), "south": (6, 9)}


@pytest.mark.parametrize(
    ("reason", "cause", "remedy"),
    [
        ("account", "account issues", "Check the account's status"),
        ("number_unknown", "numbers that do not take messages", "Refresh the list"),
        ("throttled", "sent faster than allowed", "Lower the daily limit"),
        ("spam_filtered", "content that gets filtered", "Review the text for what looks like spam"),
    ],
)
def test_messengerflow_causes_of_failure(reason, cause, remedy):
    """MessengerFlow's causes of many failures: account, numbers, speed and content, with how many and a remedy."""
    found = health(summarize([Message(status="failed", error_code=reason)] * 3, profile="messengerflow")).causes[0]

    assert (found.sign, found.cause, found.messages) == ("high failure", cause, 3)
    assert found.remedies[0].startswith(remedy)


@pytest.mark.parametrize(
    ("sign", "remedies"),
    [
        ("low delivery", ["fewer messages", "account's health", "Verify the list"]),
        ("low response", ["other texts", "narrower audience", "offer"]),
        ("low conversion", ["Answer replies", "follow-ups", "order"]),
    ],
)
def test_messengerflow_what_to_do(sign, remedies):
    """MessengerFlow's advice: three things each for low delivery, low response and low conversion."""
    rows = [Message(status="delivered", replies=0, orders=0)] * 50 + [
        Message(status="failed", replies=0, orders=0)
    ] * 50

    (found,) = [cause for cause in health(summarize(rows)).causes if cause.sign == sign]

    assert [wanted for wanted, each in zip(remedies, found.remedies, strict=True) if wanted not in each] == []


def test_messengerflow_response_rate():
    """MessengerFlow's Response rate: messages answered of its sent."""
    assert fraction(figure("messengerflow", "Response rate")) == (3, 12)


def test_messengerflow_conversion_rate():
    """MessengerFlow's Conversion rate: messages that led to an order of its sent."""
    assert fraction(figure("messengerflow", "Conversion rate")) == (2, 12)


@pytest.mark.parametrize(("metric", "winner"), [("delivery_rate", "b"), ("reply_rate", "a"), ("conversion_rate", "a")])
def test_messengerflow_comparing_campaigns(metric, winner):
    """MessengerFlow's comparison: the campaign with the higher delivery, response or conversion rate wins."""
    campaigns = {"a": "spring", "b": "summer"}
    rows = [{"status": each.status, "campaign_id": campaigns[each.variant]} for each in CAMPAIGN]
    for row, each in zip(rows, CAMPAIGN, strict=True):
        row |= {"replies": each.replies, "orders": each.orders}

    found = rank(summarize(rows, by="campaign_id", profile="messengerflow"), metric, min_sent=10)

    assert found.winner == campaigns[winner]


def test_messengerflow_progress_by_status():
    """MessengerFlow's breakdown of a campaign: how many messages stand in each status."""
    assert summary_of("messengerflow").statuses == {
        "pending": 1,
        "skipped": 4,
        "canceled": 1,
        "refused": 1,
        "unknown": 1,
        "queued": 1,
        "sent": 1,
        "delivered": 12,
        "undelivered": 6,
        "expired": 1,
        "unconfirmed": 1,
    }


def test_messengerflow_one_lead():
    """MessengerFlow's view of a person: account, status and the time of what happened last."""
    file = io.StringIO(newline="")
    Report.of([Message(status="failed", account_id="north", last_event_at=NOON)]).to_csv(file)
    file.seek(0)
    (row,) = csv.DictReader(file)

    assert (row["account_id"], row["status"], row["last_event_at"]) == (
        "north",
        "undelivered",
        "2026-11-21T12:00:00+00:00",
    )


# --- Brevo -------------------------------------------------------------------------------------


def test_brevo_delivered():
    """Brevo's Delivered, as a number and a share of what was sent."""
    assert figure("brevo", "Delivered") == 12
    assert fraction(figure("brevo", "Delivery rate")) == (12, 22)


def test_brevo_recipients_delivered_to():
    """Brevo's recipients: how many people there are, and how many of them got it."""
    assert (summary_of("brevo").people.recipients, summary_of("brevo").people.unique_deliveries) == (29, 11)


def test_brevo_soft_bounces():
    """Brevo's Soft bounces, as a number and a share; filtered texts and landlines are among them."""
    assert figure("brevo", "Soft bounces") == 4
    assert fraction(figure("brevo", "Soft bounce rate")) == (4, 22)


@pytest.mark.parametrize(
    ("carrier", "code"),
    [
        pytest.param("twilio", "30615", id="an hour or day the country does not allow"),
        pytest.param("twilio", "30006", id="a landline"),
        pytest.param("twilio", "21211", id="a number or country code that is not valid"),
        pytest.param("twilio", "30003", id="a phone off or out of service"),
        pytest.param("twilio", "30036", id="expired at the operator"),
        pytest.param("twilio", "30008", id="no cause known"),
        pytest.param("twilio", None, id="no cause given"),
        pytest.param("twilio", "30007", id="suspected spam"),
        pytest.param("twilio", "21617", id="a text that cannot be delivered as it is"),
        pytest.param("twilio", "30410", id="a passing condition of the network"),
        pytest.param("twilio", "21612", id="a recipient who cannot be reached now"),
        pytest.param("infobip", "256", id="a full memory of the phone"),
    ],
)
def test_brevo_reasons_of_soft_bounces(carrier, code):
    """Brevo's reasons of a soft bounce, one by one, as carriers report them."""
    rows = [Message(status="undelivered", carrier=carrier, error_code=code)]

    found = summarize(rows, profile="brevo")

    assert (found.count("soft"), found.count("hard")) == (1, 0)
    assert sum(found.reasons.values()) == 1


def test_brevo_hard_bounces():
    """Brevo's Hard bounces, as a number and a share."""
    assert figure("brevo", "Hard bounces") == 3
    assert fraction(figure("brevo", "Hard bounce rate")) == (3, 22)


@pytest.mark.parametrize(
    ("carrier", "code"),
    [
        pytest.param("twilio", "30004", id="blocked by the recipient or carrier"),
        pytest.param("twilio", "30005", id="a number that does not exist"),
    ],
)
def test_brevo_reasons_of_hard_bounces(carrier, code):
    """Brevo's reasons of a hard bounce, one by one, as carriers report them."""
    found = summarize([Message(status="undelivered", carrier=carrier, error_code=code)], profile="brevo")

    assert (found.count("soft"), found.count("hard")) == (0, 1)


def test_brevo_processing():
    """Brevo's Processing: whatever has still to be delivered, handed off or not."""
    assert figure("brevo", "Processing") == 1 + 2 + 1 + 1


def test_brevo_replied():
    """Brevo's Replied, as a number and a share of who got it."""
    assert figure("brevo", "Replied") == 3
    assert fraction(figure("brevo", "Reply rate")) == (3, 12)


def test_brevo_unsubscribed():
    """Brevo's Unsubscribed, as a number and a share of who got it."""
    assert figure("brevo", "Unsubscribed") == 1
    assert fraction(figure("brevo", "Unsubscribe rate")) == (1, 12)


@pytest.mark.parametrize(("name", "delivered", "soft", "hard"), [("shop", (12, 12), 0, 0), ("web", (0, 10), 4, 3)])
def test_brevo_numbers_by_list(name, delivered, soft, hard):
    """Brevo's numbers by list: each list has all of them."""
    found = summarize(CAMPAIGN, by="list_id", profile="brevo")[name]

    assert (fraction(found.delivery_rate), found.count("soft"), found.count("hard")) == (delivered, soft, hard)


# --- Dotdigital --------------------------------------------------------------------------------


def test_dotdigital_last_sent():
    """Dotdigital's Last sent: when the last message left, with the campaign's name."""
    head = Report.of(CAMPAIGN, profile="dotdigital").to_text().split("\n\n")[0]

    assert "sent at       2026-10-12 12:00 UTC to 2026-11-21 12:00 UTC" in head
    assert head.startswith("spring\n")


def test_dotdigital_total_sent():
    """Dotdigital's Total sent: messages, also several to one person."""
    assert figure("dotdigital", "Total sent") == 22


def test_dotdigital_total_delivered():
    """Dotdigital's Total delivered: messages that arrived."""
    assert figure("dotdigital", "Total delivered") == 12


def test_dotdigital_unique_sends():
    """Dotdigital's Unique sends: people to whom anything was sent."""
    assert figure("dotdigital", "Unique sends") == 21


def test_dotdigital_unique_deliveries():
    """Dotdigital's Unique deliveries: people to whom anything was delivered."""
    assert figure("dotdigital", "Unique deliveries") == 11


def test_dotdigital_pending():
    """Dotdigital's Pending: with the network, and not yet delivered."""
    assert figure("dotdigital", "Pending") == 3


def test_dotdigital_soft_bounces():
    """Dotdigital's Soft bounces: what expired, and nothing else."""
    assert figure("dotdigital", "Soft bounces") == 1


def test_dotdigital_hard_bounces():
    """Dotdigital's Hard bounces: whatever else failed."""
    assert figure("dotdigital", "Hard bounces") == 5


def test_dotdigital_deleted():
    """Dotdigital's Deleted: numbers that a network has deleted."""
    assert figure("dotdigital", "Deleted") == 1


def test_dotdigital_delivery_details():
    """Dotdigital's five tabs of delivery details hold every message that was sent, each once."""
    tabs = ("Total delivered", "Pending", "Soft bounces", "Hard bounces", "Deleted")

    assert sum(figure("dotdigital", tab) for tab in tabs) == figure("dotdigital", "Total sent")


def test_dotdigital_unsubscribes():
    """Dotdigital's Unsubscribes: booked on the message that the person got last."""
    assert figure("dotdigital", "Unsubscribes") == 1


def test_dotdigital_total_clicks():
    """Dotdigital's Total clicks: every hit."""
    assert figure("dotdigital", "Total clicks") == 7


def test_dotdigital_unique_clickers():
    """Dotdigital's Unique clickers: people who clicked; they alone may be asked for."""
    cheap = summarize(CAMPAIGN, people=People("contact_id", ("clickers",)), profile="dotdigital")

    assert figure("dotdigital", "Unique clickers") == cheap.people.clickers == 4


def test_dotdigital_click_to_delivered_rate():
    """Dotdigital's Click-to-delivered rate: clicked of delivered."""
    assert fraction(figure("dotdigital", "Click-to-delivered rate")) == (4, 12)


def test_dotdigital_conversion_rate():
    """Dotdigital's Conversion rate: messages that led to an order, of delivered."""
    assert fraction(figure("dotdigital", "Conversion rate")) == (2, 12)


def test_dotdigital_direct_orders():
    """Dotdigital's Direct orders: orders credited to this campaign."""
    assert figure("dotdigital", "Direct orders") == 3


def test_dotdigital_assisted_orders():
    """Dotdigital's Assisted orders: orders credited to another campaign that this one touched."""
    assert figure("dotdigital", "Assisted orders") == 1


def test_dotdigital_revenue():
    """Dotdigital's Revenue: what the direct orders brought, by currency."""
    assert summary_of("dotdigital").revenue == {"USD": Decimal("50.5")}


def test_dotdigital_assisted_revenue():
    """Dotdigital's Assisted revenue: what the assisted orders brought, by currency."""
    assert summary_of("dotdigital").assisted_revenue == {"USD": Decimal(10)}


def test_dotdigital_total_segments():
    """Dotdigital's Total segments: billed parts of all messages."""
    assert figure("dotdigital", "Total segments") == 23


@pytest.mark.parametrize(
    "reason", ["SkippedNoContent", "SkippedHypersonalization", "FailedHypersonalization", "ContentTooLong"]
)
def test_dotdigital_skipped_reasons(reason):
    """Dotdigital's reasons for skipping a person, each with how many; none of them was sent."""
    assert summary_of("dotdigital").skips[reason] == 1


def test_dotdigital_skipped():
    """Dotdigital's skipped report: all who were left out, and the reasons add up to them."""
    found = summary_of("dotdigital")

    assert found.count("skipped") == sum(found.skips.values()) == 4


# --- all of them -------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["messagesender", "messengerflow", "brevo", "dotdigital"])
def test_every_figure_has_its_number(profile):
    """Of everything that a product's summary shows, nothing is missing once records tell all."""
    assert [each.label for each in summary_of(profile).figures if each.value is None] == []
