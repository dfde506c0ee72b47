"""The report: text with every section, and JSON that survives."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from decimal import Decimal

import attrs
import duckdb
import pandas as pd
import polars as pl
import pytest

from campaignkit.ab import compare
from campaignkit.errors import InvalidColumn, InvalidRow, InvalidValue
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
        "Opt-outs",
        "Replies",
        "Progress",
        "Health",
        "Rows that could not be read",
    ]


def test_text_leaves_out_what_there_is_nothing_to_say_about():
    """A report of one delivered message has numbers, progress and health, and no empty section."""
    text = Report.of([Message(status="delivered")]).to_text()

    assert text.startswith("messages\n========\n")
    assert [
        title for title in ("What failed", "Skipped", "By ", "Replies\n", "Opt-outs", "Rows that") if title in text
    ] == []
    assert "high: 100.0 % (1/1)" in text


def test_the_header_says_what_was_read():
    """The header names campaign, senders, lists, times, how final it is and whose definitions these are."""
    head = Report.of(LOG, profile="brevo").to_text().split("\n\n")[0].splitlines()

    assert head[2:] == [
        "campaign      spring",
        "senders       +12025550100, +12025550101",
        "lists         shop, web",
        "sent at       2026-11-21 12:00 to 12:02 UTC",
        "as of         2026-11-21 12:08 UTC",
        "final status  100.0 % (4/4) of what was sent",
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
        "as of",
    ]
    assert head[-1] == "1 message has no final status yet: the numbers may still change."


def test_failures_are_listed_with_what_to_do():
    """Each code stands with its bounce, its meaning and a remedy; refusals are marked."""
    text = Report.of(LOG).to_text()

    section = text.split("What failed, and what to do")[1].split("\n\n")[0].splitlines()[2:]
    assert section[0].split() == ["Messages", "Code", "Bounce", "Reason", "What", "to", "do"]
    assert section[1].split()[:6] == ["1", "50.0", "%", "21211", "(refused)", "soft"]
    assert section[2].split()[:5] == ["1", "50.0", "%", "30003", "soft"]
    assert section[2].endswith("Try again in some hours; if repeated look up the line type.")


def test_the_latest_replies_are_shown():
    """The five latest answers stand on a line each with who and when; opt-outs are counted, not shown."""
    section = Report.of(LOG).to_text().split("\nReplies\n")[1].split("\n\n")[0].splitlines()[1:]

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


# --- any rows ----------------------------------------------------------------------------------

ROWS = [
    {
        "status": status,
        "campaign_id": "spring",
        "variant": "ab"[place % 2],
        "list_id": ["shop", None, "web"][place % 3],
        "account_id": f"account {place % 2}",
        "sender": "+12025550100",
        "contact_name": f"Person {place}",
        "to": f"+120255501{place:02}",
        "carrier": "twilio",
        "error_code": "30005" if status == "failed" else None,
        "price": Decimal("0.0075"),
        "currency": "USD",
        "sent_at": after(3600 * place) if status != "pending" else None,
        "delivered_at": after(3600 * place + 5) if status == "delivered" else None,
        "clicks": place % 3,
    }
    for place, status in enumerate(["delivered"] * 6 + ["failed"] * 2 + ["sent", "pending"])
]
KINDS = {
    "mappings": lambda: ROWS,
    "read once": lambda: iter(ROWS),
    "pandas": lambda: pd.DataFrame(ROWS),
    "polars": lambda: pl.DataFrame(ROWS),
    "lazy": lambda: pl.LazyFrame(ROWS),
    "pyarrow": lambda: pl.DataFrame(ROWS).to_arrow(),
    "duckdb": lambda: duckdb.from_arrow(pl.DataFrame(ROWS).to_arrow()),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_rows_of_any_kind_make_the_same_report(kind, zone):
    """Mappings and frames, eager, lazy or in a database, say on the page and in text what Messages say."""
    expected = Report.of([Message(**row) for row in ROWS], zone=zone)

    made = Report.of(KINDS[kind](), zone=zone)

    assert made.to_text() == expected.to_text()
    assert made.to_html() == expected.to_html()


@pytest.mark.parametrize("kind", ["mappings", "polars", "pandas"])
def test_other_names_and_naive_times_make_the_same_report(kind):
    """Columns of other names, times without a zone and words of the carrier come to the same report."""
    columns = {"status": "MessageStatus", "sent_at": "When", "contact_name": "Who"}
    theirs = [{columns.get(name, name): value for name, value in row.items() if name != "carrier"} for row in ROWS]
    naive = [
        {name: value.replace(tzinfo=None) if isinstance(value, dt.datetime) else value for name, value in row.items()}
        for row in theirs
    ]
    rows = {"mappings": naive, "polars": pl.DataFrame(naive), "pandas": pd.DataFrame(naive)}[kind]

    made = Report.of(rows, columns=columns, carrier="twilio", timezone="UTC")

    assert made.to_html() == Report.of([Message(**row) for row in ROWS]).to_html()


@pytest.mark.parametrize("kind", ["mappings", "polars"])
def test_the_log_of_any_rows(tmp_path, kind):
    """The message log of mappings and frames has the rows that Messages have."""
    Report.of([Message(**row) for row in ROWS]).to_csv(tmp_path / "messages.csv")
    Report.of(KINDS[kind]()).to_csv(tmp_path / "others.csv")

    assert (tmp_path / "others.csv").read_text("utf-8") == (tmp_path / "messages.csv").read_text("utf-8")


def test_tables_of_events_are_counted_and_shown():
    """Replies, clicks and opt-outs given as tables are counted, and the latest of them are on the page."""
    rows = [{"status": "delivered", "message_id": f"m{place}", "sent_at": NOON} for place in range(4)]
    person = {"contact_name": "Ann", "message_id": "m1"}
    replies = pl.DataFrame([{**person, "received_at": after(60), "text": "yes please", "keyword": None}])
    clicks = [{**person, "clicked_at": after(120)}, {**person, "clicked_at": after(4000)}]
    opt_outs = iter([OptOut(opted_out_at=after(90), text="STOP", to="+12025550143", message_id="m2")])
    orders = pd.DataFrame([{**person, "ordered_at": after(200), "revenue": 9.5, "currency": "EUR"}])

    made = Report.of(rows, replies=replies, clicks=clicks, opt_outs=opt_outs, orders=orders)
    found = {section.key: str(section) for section in made.sections()}

    counts = made.summary.counts
    assert (counts.replied, counts.clicks, counts.opted_out, counts.converted) == (1, 2, 1, 1)
    assert found["replies"] == "1 replies, 1 opt-outs. The latest replies:\n11-21 12:01  Ann  yes please"
    assert found["opt-outs"].splitlines()[-1] == "2026-11-21 12:01  +12025550143  STOP"
    assert "Nov 21, 12:00       1\nNov 21, 13:00       1" in found["clicks"]
    assert found["clicks"].splitlines()[-1].split() == ["2026-11-21", "12:02", "Ann", "2"]
    assert made.summary.as_of == after(4000)


def test_naive_events_are_of_the_zone_that_is_said():
    """Events without a zone are of timezone=, and shown by the clock of zone=."""
    at = dt.datetime(2026, 3, 1, 9)  # noqa: DTZ001
    clicks = [{"clicked_at": at, "contact_id": "c1"}]

    made = Report.of([{"status": "sent"}], clicks=clicks, timezone="America/New_York", zone="Europe/Paris")

    assert "2026-03-01 15:00" in str({section.key: section for section in made.sections()}["clicks"])


def test_people_are_counted_when_asked_for():
    """With people= the report counts people too, in the whole and by group."""
    made = Report.of([Message(**row, contact_id="one") for row in ROWS], people="contact_id")

    assert made.summary.people.clickers == 1
    assert [each.people.recipients for each in made.groups["variant"].values()] == [1, 1]


def test_a_log_brings_its_events_along():
    """A Log's replies, opt-outs and clicks are shown unasked; a table given beside it takes their place."""
    assert [len(each) for each in (Report.of(LOG).replies, Report.of(LOG).opt_outs, Report.of(LOG).clicks)] == [7, 1, 1]
    bare = attrs.evolve(LOG, messages=[Message(status="sent")])
    assert len(Report.of(bare, clicks=[Click(clicked_at=NOON, message_id=n) for n in "abc"]).clicks) == 3


def test_a_frame_with_a_column_of_our_names():
    """A frame whose columns are called like parts of a log is a frame."""
    frame = pd.DataFrame({"status": ["sent"], "replies": [1], "errors": ["x"], "clicks": [0]})

    made = Report.of(frame)

    assert (made.replies, made.errors, made.summary.counts.replies) == ((), (), 1)


def test_accounts_say_what_was_sent_lately():
    """Each account stands with all it sent, what it sent in the last 30 days, and its success rate."""
    days = [0, 10, 45]
    messages = [
        Message(status="delivered" if name == "a" else "failed", account_id=name, sent_at=after(86400 * day))
        for name in "ab"
        for day in days
    ]
    section = {each.key: each for each in Report.of(messages).sections()}["accounts"]

    assert str(section).splitlines() == [
        "Account  Sent  Last 30 days  Success rate",
        "a           3             1       100.0 %",
        "b           3             1         0.0 %",
        "Success rate = delivered ÷ sent.",
    ]


def test_times_follow_the_zone():
    """Hours, days and every time that is shown are those of the report's zone."""
    made = Report.of(
        [Message(status="sent", sent_at=dt.datetime(2026, 3, 1, 23, 30, tzinfo=dt.UTC))], zone="Asia/Tokyo"
    )

    assert "sent at       2026-03-02 08:30 JST" in made.to_text()
    assert "Mar 2, 08:00" in made.to_html()


def test_a_zone_that_is_none():
    """A zone that nobody knows is an error."""
    with pytest.raises(InvalidValue, match="zone is 'Mars/Olympus': not an IANA time zone"):
        Report.of([], zone="Mars/Olympus")


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize("year", [1, 2, 1969, 9999])
def test_the_ends_of_time_are_a_report(zone, year):
    """Years in which nobody sends messages are no reason not to have a report."""
    at = dt.datetime(year, 1, 1, tzinfo=dt.UTC) if year < 9999 else dt.datetime(9999, 12, 31, 23, 59, tzinfo=dt.UTC)
    messages = [Message(status="sent", sent_at=at, account_id="a"), Message(status="sent", sent_at=NOON)]

    for rows in (messages, messages[:1]):
        assert Report.of(rows, zone=zone).to_html()


def test_what_is_too_many_to_show_is_a_note():
    """A column of too many values is not broken down by, and the report says so and how to get it."""
    rows = [{"status": "sent", "variant": str(place)} for place in range(5001)]

    made = Report.of(rows)

    assert (dict(made.groups), made.notes) == (
        {},
        ("variant has 5,001 values, too many to show each; ask for it with by=",),
    )


def test_a_report_is_short_to_look_at():
    """In a console a report is its title and size, whatever it holds."""
    assert repr(Report.of(LOG)) == "<Report: spring, 6 messages>"


def test_the_page_is_written_whole(tmp_path):
    """With a path the page is a file of the same text, and nothing is left beside it."""
    made = Report.of(LOG)

    assert made.to_html(tmp_path / "report.html") == (tmp_path / "report.html").read_text("utf-8")
    assert made.to_html(str(tmp_path / "report.html")) == made.to_html()
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


# --- a test of texts ---------------------------------------------------------------------------

TEST = compare({"a": {"sent": 900, "clicked": 50}, "b": {"sent": 900, "clicked": 70}}, metrics=["click_rate"])


def test_a_report_has_its_test():
    """A comparison stands after the groups, as text, as a section of page and notebook, and as rows of the JSON."""
    report = Report.of(LOG, ab=TEST)

    keys = [section.key for section in report.sections()]
    assert keys[keys.index("ab") - 1] == "groups-by-list_id"
    assert f"A/B test\n--------\n{TEST}\n\nOpt-outs" in report.to_text()
    assert '<section id="ab">' in report.to_html()
    assert "b against a" in report._repr_html_()
    assert json.loads(report.to_json())["ab"] == TEST.to_dicts()


def test_a_report_without_a_test():
    """Where no comparison is given there is no section of one, and no rows."""
    report = Report.of(LOG)

    assert "ab" not in {section.key for section in report.sections()}
    assert report.to_dict()["ab"] == []


def test_the_test_has_the_clock_of_the_report():
    """A comparison says when it was true by the clock of the report."""
    rows = [{"status": "sent", "variant": each, "sent_at": NOON, "clicks": 1} for each in "ab"]

    text = Report.of(rows, ab=compare(rows, window="1h"), zone="Asia/Tokyo").to_text()

    assert "as of 2026-11-21 21:00 JST." in text.partition("A/B test")[2]


def test_what_is_no_comparison():
    """Anything else in its place is refused, with what to give."""
    with pytest.raises(
        InvalidValue, match=r"^ab is 'variant': give a comparison, as campaignkit\.ab\.compare returns it$"
    ):
        Report.of(LOG, ab="variant")


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
