"""The report: text with every section, and JSON that survives."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from decimal import Decimal

import attrs
import pytest

from campaignkit.errors import InvalidColumn, InvalidRow
from campaignkit.logs import Log
from campaignkit.models import Click, Keyword, Message, OptOut, Reply
from campaignkit.profiles import PROFILES
from campaignkit.report import Report
from campaignkit.summary import summarize
from strategies import NOON


def after(seconds):
    """Return the moment some seconds after noon."""
    return NOON + dt.timedelta(seconds=seconds)


MESSAGES = (
    *[
        Message(
            status="delivered",
            campaign_id="spring",
            variant="a",
            list_id="shop",
            sender="+12025550100",
            sent_at=after(60 * place),
            clicks=place,
        )
        for place in range(3)
    ],
    Message(
        status="failed",
        campaign_id="spring",
        variant="b",
        list_id="web",
        sender="+12025550101",
        carrier="twilio",
        error_code="30003",
        sent_at=NOON,
        clicks=0,
    ),
    Message(
        status="refused",
        campaign_id="spring",
        variant="b",
        list_id="web",
        carrier="twilio",
        error_code="21211",
        clicks=0,
    ),
    Message(status="skipped", campaign_id="spring", variant="b", list_id="web", skip_reason="ContentTooLong", clicks=0),
)

LOG = Log(
    messages=MESSAGES,
    replies=(
        *[Reply(received_at=after(100 + n), contact_name=f"Person {n}", text=f"answer\n{n}") for n in range(6)],
        Reply(received_at=after(400), to="+12025550143", text="STOP", keyword=Keyword.OPT_OUT),
    ),
    opt_outs=(OptOut(opted_out_at=after(400)),),
    clicks=(Click(clicked_at=after(500), message_id="m1"),),
    errors=(InvalidRow(7, "Status", "received\x1b", "is no status"),),
)


# --- text --------------------------------------------------------------------------------------


def test_text_has_every_section():
    """A report of everything has every section, each underlined, in one order."""
    lines = Report.of(LOG).to_text().splitlines()

    titles = [line for line, rule in itertools.pairwise(lines) if rule and set(rule) <= {"-", "="}]
    assert titles == [
        "spring",
        "Numbers",
        "What failed, and what to do",
        "Skipped",
        "By variant",
        "By list",
        "Replies and opt-outs",
        "Progress",
        "Health",
        "Rows that could not be read",
    ]


def test_text_leaves_out_what_there_is_nothing_to_say_about():
    """A report of one delivered message has numbers, progress and health, and no empty section."""
    text = Report.of([Message(status="delivered")]).to_text()

    assert text.startswith("messages\n========\n")
    assert [title for title in ("What failed", "Skipped", "By ", "Replies and", "Rows that") if title in text] == []
    assert "high: 100.0 % (1/1)" in text


def test_the_header_says_what_was_read():
    """The header names campaign, senders, times, what is settled and whose definitions these are."""
    head = Report.of(LOG, profile="brevo").to_text().split("\n\n")[0].splitlines()

    assert head[2:] == [
        "campaign      spring",
        "senders       +12025550100, +12025550101",
        "sent at       2026-11-21 12:00 UTC to 2026-11-21 12:02 UTC",
        "delivered at  not recorded",
        "as of         2026-11-21 12:08 UTC",
        "settled       100.0 % (4/4) have a final status",
        "definitions   brevo; code tables of 2026-11-21",
        "note          Soft bounces include landlines, invalid numbers, spam suspicion and the wrong hour.",
    ]


def test_what_a_log_cannot_know_is_not_recorded():
    """Where no message has a time, a campaign or a sender, the header says so."""
    head = Report.of([Message(status="sent")]).to_text().split("\n\n")[0].splitlines()

    assert [line.split("  ")[0] for line in head if line.endswith("not recorded")] == [
        "campaign",
        "senders",
        "sent at",
        "delivered at",
        "as of",
    ]


def test_failures_are_listed_with_what_to_do():
    """Each code stands with its bounce, its meaning and a remedy; refusals are marked."""
    text = Report.of(LOG).to_text()

    section = text.split("What failed, and what to do")[1].split("\n\n")[0].splitlines()[2:]
    assert section[0].split() == ["messages", "code", "bounce", "reason", "what", "to", "do"]
    assert section[1].split()[:4] == ["1", "21211", "(refused)", "soft"]
    assert section[2].split()[:3] == ["1", "30003", "soft"]
    assert section[2].endswith("Try again in some hours; if repeated look up the line type.")


def test_the_latest_replies_are_shown():
    """The five latest answers stand on a line each with who and when; opt-outs are counted, not shown."""
    section = Report.of(LOG).to_text().split("Replies and opt-outs")[1].split("\n\n")[0].splitlines()[2:]

    assert section == [
        "6 replies, 1 opt-outs. The latest replies:",
        *[f"11-21 12:01  Person {n}  answer {n}" for n in (1, 2, 3, 4, 5)],
    ]


def test_opt_outs_without_replies():
    """Where everybody who answered opted out there are no latest replies to show."""
    text = Report.of(attrs.evolve(LOG, replies=LOG.replies[-1:])).to_text()

    assert "\n0 replies, 1 opt-outs.\n\n" in text


def test_as_of_is_the_latest_moment_of_messages_and_events():
    """A report is true as of the latest thing that happened, answers and clicks included, or as the caller says."""
    assert Report.of(LOG).summary.as_of == after(500)
    assert Report.of(LOG, as_of=after(9)).summary.as_of == after(9)
    assert Report.of(LOG, as_of=after(9)).groups["variant"]["a"].as_of == after(9)


@pytest.mark.parametrize(
    ("by", "columns"),
    [
        (None, ["variant", "list_id"]),
        ("sender", ["sender"]),
        (["variant", "status"], ["variant", "status"]),
        ((), []),
    ],
)
def test_break_downs_are_variant_and_list_unless_asked(by, columns):
    """By default a report breaks down by variant and list where there are several, else by what is asked for."""
    assert list(Report.of(LOG, by=by).groups) == columns


def test_a_column_nobody_has():
    """A break-down by an unknown column is an error that names the nearest."""
    with pytest.raises(InvalidColumn, match="no field 'varient' in Message; nearest: variant"):
        Report.of(LOG, by="varient")


HOSTILE = "\ud800 \u202eexe.gpj\x1b[2J\n2026-01-01 INFO forged"


@pytest.mark.parametrize(
    "field", ["campaign_id", "variant", "list_id", "sender", "carrier", "error_code", "contact_name"]
)
def test_no_value_breaks_a_line_or_the_encoding(field):
    """Lone surrogates, line breaks, terminal codes and direction marks in any field are shown escaped."""
    messages = [Message(status="failed", variant="a"), Message(**{"status": "failed", "variant": "b", field: HOSTILE})]
    plain = [messages[0], attrs.evolve(messages[1], **{field: "x"})]

    text = Report.of(messages).to_text()

    assert len(text.splitlines()) == len(Report.of(plain).to_text().splitlines())
    assert text.encode()
    assert {"\x1b", "\u202e"} & set(text) == set()


def test_no_reply_breaks_a_line_or_the_encoding():
    """What people write, their names, a title and bad rows are data too."""
    reply = Reply(received_at=NOON, contact_name=HOSTILE, text=HOSTILE)
    error = InvalidRow(1, HOSTILE, HOSTILE, "is wrong")
    lines = Report.of(Log(messages=MESSAGES, replies=(reply,), errors=(error,)), title=HOSTILE).to_text().splitlines()

    assert "\n".join(lines).encode()
    assert [line for line in lines if line.startswith("2026-01-01")] == []


# --- JSON --------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
def test_json_is_the_dictionary(profile):
    """The JSON reads back as the dictionary, under every profile, and says which profile."""
    report = Report.of(LOG, profile=profile)

    read = json.loads(report.to_json())

    assert read == report.to_dict()
    assert (read["profile"], read["summary"]["profile"]) == (profile, profile)


def test_json_by_hand():
    """The dictionary has definitions, the whole, each group, progress, health, answers and errors."""
    read = json.loads(Report.of(LOG).to_json())

    assert (read["title"], read["as_of"], read["settled_share"]) == ("spring", "2026-11-21T12:08:20+00:00", 1.0)
    assert read["formulas"]["delivery_rate"] == "delivered ÷ sent"
    assert read["counts"]["failed"].endswith("soft + hard + deleted + other.")
    assert read["summary"]["counts"]["delivered"] == 3
    assert [(each["group"], each["counts"]["sent"]) for each in read["groups"]["variant"]] == [("a", 3), ("b", 1)]
    assert read["progress"]["settled"] == {
        "value": 1.0,
        "part": 6,
        "whole": 6,
        "formula": "sent + refused + skipped + canceled ÷ total",
    }
    assert (read["health"]["band"], read["health"]["success"]) == ("low", 0.6)
    assert read["health"]["causes"][0]["messages"] == 2
    assert (read["replies"], read["opt_outs"]) == (6, 1)
    assert read["errors"] == ["row 7, column 'Status': 'received\\x1b' is no status"]


@pytest.mark.parametrize("column", ["status", "sent_at", "price", "step", "opted_out"])
def test_json_of_groups_of_any_kind(column):
    """Groups of moments, amounts, numbers and flags are written as JSON can."""
    message = Message(status="sent", sent_at=NOON, price=Decimal("0.5"), currency="USD", step=2, opted_out=False)
    written = {"status": "sent", "sent_at": "2026-11-21T12:00:00+00:00", "price": "0.5", "step": 2, "opted_out": False}

    read = json.loads(Report.of([message], by=column).to_json())

    assert read["groups"][column][0]["group"] == written[column]


def test_json_of_groups_by_several_columns():
    """Groups by several columns, put into a report by hand, are lists of values."""
    groups = summarize(MESSAGES, by=["variant", "list_id"])

    read = json.loads(attrs.evolve(Report.of(MESSAGES), groups={"both": groups}).to_json())

    assert [each["group"] for each in read["groups"]["both"]] == [["a", "shop"], ["b", "web"]]


def test_json_of_no_value_and_of_nobody():
    """A group of no value is null, and nothing at all is a report too."""
    assert (
        json.loads(Report.of([Message(status="sent")], by="variant").to_json())["groups"]["variant"][0]["group"] is None
    )
    assert json.loads(Report.of([]).to_json())["health"] == {"band": None, "success": None, "causes": []}


def test_json_of_what_cannot_be_encoded():
    """A lone surrogate goes through JSON unchanged, and the text can be written as UTF-8."""
    text = Report.of([Message(status="sent", campaign_id="\ud800 ü")]).to_json()

    assert json.loads(text.encode())["title"] == "\ud800 ü"
    assert "ü" in text
