"""Every carrier's export in, the same messages out."""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import attrs
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaignkit import logs
from campaignkit.errors import InvalidColumn, InvalidRow, InvalidValue
from campaignkit.layouts import LAYOUTS
from campaignkit.logs import LOG_COLUMNS, read_log
from campaignkit.models import EXACT, Message, Status
from campaignkit.rows import NEGATIVE_PRICES, tally_rows
from campaignkit.summary import summarize
from campaignkit.tables import PAGES, open_table
from campaignkit.verdicts import INBOUND, classify, code_table, code_with_word, parse_status_word, status_table

UNHURRIED = settings(deadline=None)  # the first use of a table reads it
HERE = Path(__file__).parent / "logs"
SHAPES = [(carrier, shape) for carrier, shapes in LAYOUTS.items() for shape in shapes]
NINE = datetime(2026, 5, 1, 9, tzinfo=UTC)
WITHIN = {"fee", "final"}  # what a layout reads for its own use


def shape_id(value):
    """Return the name of a layout, for the name of its test."""
    return value.name if hasattr(value, "columns") else None


def clock(at):
    """Return a moment of the morning of the fixtures as seconds after nine."""
    return None if at is None else (at - NINE).total_seconds()


def sentence(error, call, *args, **kwargs):
    """Return the sentence of the error a call raises."""
    with pytest.raises(error) as caught:
        call(*args, **kwargs)
    return str(caught.value)


# --- one file of each export -------------------------------------------------------------------

# The number's last digits, status, code, reason, segments, price, and the seconds after nine when
# it was sent and when it arrived.
FILES = {
    "aws_delivery.jsonl": (
        "SNS delivery log",
        "USD",
        [
            ("101", "delivered", None, "ok", 2, "0.0129", 0.12, None),
            ("102", "undelivered", "Phone is currently unreachable/unavailable", "handset_absent", 1, "0.00645", 1.25),
            ("103", "undelivered", "Phone number is opted out", "opted_out", 1, "0.0", 2.0),
            ("104", "undelivered", "Lost in a storm", "unmapped", 1, "0.00645", 3.0),
        ],
    ),
    "aws_usage.csv": (
        "SNS usage report",
        "USD",
        [
            ("101", "delivered", None, "ok", 1, "0.00645", 0.476),
            ("102", "delivered", None, "ok", 2, None, 1.561),
            ("103", "undelivered", "Invalid phone number", "invalid_number", 1, "0", 2.769),
        ],
    ),
    "aws_events.jsonl": (
        "End User Messaging events",
        "USD",
        [
            ("101", "delivered", None, "ok", 2, "0.01766", 0, 4.5),
            ("102", "delivered", None, "ok", 1, "0.00883", 1, 3),
            ("103", "sent", None, "in_progress", 1, "0.00883", 2),
            ("104", "undelivered", "@TEXT_UNREACHABLE", "handset_absent", 1, "0.00581", 3),
            ("105", "rejected", "@MEDIA_FILE_SIZE_EXCEEDED", "content", 1, "0.0", 4),
        ],
    ),
    "infobip_logs.json": (
        "logs (v3)",
        "EUR",
        [
            ("101", "delivered", "0", "ok", 1, "0.0421", 0, 4),
            ("102", "undelivered", "1", "number_unknown", 2, None, 1),
            ("103", "expired", "27", "handset_absent", 1, "0.0421", 2),
            ("104", "rejected", "@REJECTED_PREFIX_MISSING", "invalid_number", 1, "0.0", 3),
        ],
    ),
    "infobip_reports.json": (
        "delivery reports (v3)",
        "EUR",
        [("101", "delivered", "0", "ok", 1, "0.0421", 0, 4), ("102", "sent", "0", "in_progress", 1, "0.0421", 1)],
    ),
    "infobip_v1.json": (
        "logs and delivery reports (v1, v2)",
        "EUR",
        [("101", "delivered", "0", "ok", 1, "0.0421", 0, 4)],
    ),
    "infobip_inbound.json": ("inbound messages", "EUR", []),
    "messagebird.json": (
        "list of messages",
        "EUR",
        [
            ("101", "delivered", None, "ok", 1, "0.0421", 0, 4),
            ("102", "undelivered", "1", "number_unknown", 1, "0.0421", 0),
            ("103", "sent", None, "in_progress", 2, None, 0),
        ],
    ),
    "plivo.csv": (
        "console CSV",
        "USD",
        [
            ("101", "delivered", "000", "ok", 2, "0.01600", 0),
            ("102", "undelivered", "70", "deleted", 1, "0.00800", 1),
            ("103", "undelivered", "200", "opted_out", 1, "0.00000", 2),
            ("104", "sent", None, "in_progress", 1, "0.00800", 3),
        ],
    ),
    "plivo_mailed.csv": (
        "mailed CSV",
        None,
        [("101", "delivered", None, "ok", 2, None, 0), ("102", "undelivered", None, "no_code", 1, None, 1)],
    ),
    "plivo.json": (
        "API list",
        "USD",
        [
            ("101", "delivered", "000", "ok", 2, "0.01600", 0.5),
            ("102", "undelivered", "80", "handset_absent", 1, "0.00500", 1),
        ],
    ),
    "sinch_numbers.json": (
        "delivery reports of numbers",
        None,
        [
            ("101", "delivered", None, "ok", None, None, None, 4.5),
            ("102", "undelivered", "404", "network_temporary", None, None, None),
            ("103", "rejected", "407", "canceled", None, None, None),
        ],
    ),
    "sinch_batch.json": (
        "full delivery reports of batches",
        None,
        [
            ("101", "delivered", "0", "ok", None, None, None),
            ("104", "delivered", "0", "ok", None, None, None),
            ("102", "rejected", "402", "unreachable_route", None, None, None),
        ],
    ),
    "telnyx_records.json": (
        "detail records",
        "USD",
        [
            ("101", "delivered", None, "ok", 2, "0.008", 0.5, 4),
            ("102", "undelivered", "40001", "landline", 1, "0.004", 1.5),
            ("103", "unconfirmed", "@dlr_timeout", "unknown", 1, "0.004", 2.5),
        ],
    ),
    "telnyx_mdrs.json": (
        "MDR report",
        "USD",
        [("101", "delivered", None, "ok", 2, "0.008", 0), ("102", "rejected", None, "no_code", 1, "0.004", 1)],
    ),
    "telnyx_messages.jsonl": (
        "message objects",
        "USD",
        [
            ("101", "delivered", None, "ok", 1, "0.0051", 0.596, 4.148),
            ("102", "undelivered", "40300", "opted_out", 1, None, None),
        ],
    ),
    "twilio_fivetran.csv": (
        "Fivetran table",
        "USD",
        [
            ("101", "delivered", None, "ok", 2, "0.0158", 1),
            ("102", "undelivered", "30005", "number_unknown", 1, "0.0079", 2),
            ("103", "undelivered", "21610", "opted_out", 1, None, None),
        ],
    ),
    "vonage_sms.csv": (
        "SMS report",
        None,
        [
            ("101", "delivered", "dlr:0", "ok", None, None, 0, 4),
            ("102", "undelivered", "dlr:6", "spam_filtered", None, None, 1),
            ("103", "expired", "dlr:0", "expired", None, None, 2),
            ("104", "undelivered", None, "no_code", None, None, 3),
        ],
    ),
    "vonage_messages.csv": (
        "Messages report",
        "EUR",
        [
            ("101", "delivered", None, "ok", None, "0.0333", 0, 4),
            ("102", "undelivered", "messages:1240", "opted_out", None, "0.0333", 1),
        ],
    ),
}


def carrier_of(file):
    """Return whose export a file is, by its name."""
    return file.split(".")[0].split("_")[0]


def read(file, **kwargs):
    """Read a fixture; only the mailed one does not say its zone."""
    zone = "UTC" if "mailed" in file else None
    return read_log(HERE / file, carrier=carrier_of(file), timezone=zone, **kwargs)


@pytest.mark.parametrize("file", FILES)
def test_export(file):
    """Each export gives its messages: status, cause, parts, charge and times as the carrier documents them."""
    _, currency, expected = FILES[file]
    carrier = carrier_of(file)

    log = read(file)

    found = [
        (
            message.to[-3:],
            message.status.value,
            message.error_code,
            reason_of(message),
            message.segments,
            None if message.price is None else str(message.price),
            clock(message.sent_at),
            clock(message.delivered_at),
        )
        for message in log
    ]
    assert found == [(*each, None)[:8] for each in expected]
    assert {message.currency for message in log} <= {currency, None}
    assert {message.carrier for message in log} <= {carrier}
    assert all(message.to.startswith(("+1202555010", "+447700900")) for message in log)
    assert all(message.carrier_id for message in log)
    assert len({message.message_id for message in log}) == len(log)
    assert not log.errors


def reason_of(message):
    """Return why a message stands where it does."""
    code = message.error_code
    if code is not None and code.startswith("@"):
        return classify(message.carrier, None, code[1:]).reason
    return classify(message.carrier, code, message.status).reason if code else by_status(message.status)


def by_status(status):
    """Return the reason where there is no code."""
    arrived = {Status.DELIVERED: "ok", Status.SENT: "in_progress", Status.QUEUED: "in_progress"}
    return arrived.get(status, "no_code")


def test_every_export_has_its_file():
    """Each layout is chosen for the file in its shape, and none is without one."""
    chosen = {("twilio", "console CSV"), ("twilio", "API list")}  # these have tests/test_logs.py
    for file, (name, _, _) in FILES.items():
        with open_table(HERE / file, None, PAGES) as table:
            assert logs._layout(table, carrier_of(file), None).name == name
        chosen.add((carrier_of(file), name))

    assert chosen == {(carrier, shape.name) for carrier, shape in SHAPES}


def test_page_names_every_export():
    """The page about logs has a row for each export, under its carrier, and no other."""
    page = (Path(__file__).parents[1] / "docs" / "how-to" / "logs.md").read_text("utf-8")
    sections = re.findall(r"^### (\w+)\n\n`carrier=\"(\w+)\"`(.*?)(?=^##)", page, re.MULTILINE | re.DOTALL)

    found = {carrier: re.findall(r"^\| (?!export |-)([^|]+) \|", text, re.MULTILINE) for _, carrier, text in sections}

    assert {name.lower() for name, _, _ in sections} == set(LAYOUTS)
    assert found == {carrier: [shape.name for shape in shapes] for carrier, shapes in LAYOUTS.items()}


@pytest.mark.parametrize(("carrier", "shape"), SHAPES, ids=shape_id)
def test_layouts(carrier, shape):
    """A layout names our columns, tells messages apart, and says what it leaves out by names of ours too."""
    assert {*shape.columns, *shape.fixed} <= {*LOG_COLUMNS, *WITHIN}
    assert set(shape.cells) <= {*shape.columns, "sender"}
    assert not shape.columns.keys() & shape.fixed.keys()
    assert {"message_id", "to"} < shape.columns.keys()
    assert "status" in shape.columns or shape.fixed["direction"] == "inbound"
    assert ("price" in shape.columns) <= ("currency" in {*shape.columns, *shape.fixed})
    assert len({each.name for each in LAYOUTS[carrier]}) == len(LAYOUTS[carrier])


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("infobip_inbound.json", [("+447700900101", "+447700900900", "STOP")]),
        ("messagebird.json", [("+447700900101", "+447700900900", "Stop")]),
        ("plivo.csv", [("+12025550101", "+12025550100", "")]),
        ("plivo.json", [("+12025550101", "+12025550100", "")]),
        ("telnyx_records.json", [("+12025550101", "+12025550100", "")]),
        ("telnyx_messages.jsonl", [("+12025550101", "+12025550100", "Stop")]),
        ("twilio_fivetran.csv", [("+12025550101", "+12025550100", "Stop")]),
        ("vonage_sms.json", [("+447700900101", "+447700900900", "STOP")]),
    ],
)
def test_replies(file, expected):
    """Rows from people are replies, from the person and to our number, with the text where the export has it."""
    log = read(file)

    assert [(reply.to, reply.sender, reply.text) for reply in log.replies] == expected
    assert len(log.opt_outs) == sum(text.upper() == "STOP" for _, _, text in expected)
    assert {clock(reply.received_at) // 60 for reply in log.replies} == {30}


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("messagebird.json", (0, 1, True)),
        ("telnyx_messages.jsonl", (0, 1, True)),
        ("plivo.csv", (1, None, None)),
        ("telnyx_records.json", (1, None, None)),
        ("plivo_mailed.csv", (0, 0, False)),
        ("telnyx_mdrs.json", (0, 0, False)),
        ("vonage_sms.csv", (None, None, None)),
        ("infobip_logs.json", (None, None, None)),
        ("aws_delivery.jsonl", (None, None, None)),
        ("sinch_numbers.json", (None, None, None)),
    ],
)
def test_measured(file, expected):
    """Replies are counted where the export holds both directions, opt-outs where it has the texts of replies."""
    first = read(file).messages[0]

    assert (first.replies, first.stop_replies, first.opted_out) == expected


@pytest.mark.parametrize(
    ("sent", "answers"),
    [("vonage_sms.csv", "vonage_sms.json"), ("infobip_logs.json", "infobip_inbound.json")],
)
def test_replies_of_another_file(sent, answers):
    """Replies that a carrier exports apart are counted with their messages once the two logs are added."""
    for log in (read(sent) + read(answers), read(answers) + read(sent)):
        assert [(m.replies, m.stop_replies, m.opted_out) for m in log if m.replies or m.opted_out] == [(0, 1, True)]
        assert (len(log.opt_outs), log.unattributed) == (1, 0)


def test_added_without_texts():
    """Of added logs, opt-outs are known only if they are of both."""
    log = read("plivo.csv") + read("messagebird.json")

    assert sum(message.replies for message in log) == 1
    assert {message.opted_out for message in log} == {None}


def test_more_columns():
    """columns= reads fields within fields too, beside the layout."""
    log = read("aws_events.jsonl", columns={"campaign_id": "context.campaign"})

    assert {message.campaign_id for message in log} == {"spring"}


def test_latest_of_a_message():
    """Later reports of one number in a batch are joined with earlier ones."""
    log = read("sinch_numbers.json")

    assert (log.duplicates, log.messages[0].message_id) == (1, "01HSPRING0000000000000000A/447700900101")
    assert log.messages[0].last_event_at == NINE + timedelta(seconds=4.5)


def test_not_recorded():
    """What an export lacks is not recorded, rather than nothing."""
    summary = summarize(read("sinch_numbers.json"))

    assert (summary.counts.segments, summary.cost, summary.reply_rate.value) == (None, None, None)
    assert summary.counts.sent == 3


def test_zone_given():
    """A zone that is given goes before the one a carrier documents."""
    log = read_log(HERE / "twilio_fivetran.csv", carrier="twilio", timezone="Europe/Paris")

    assert log.messages[0].sent_at == NINE - timedelta(hours=2) + timedelta(seconds=1)


# --- frames ------------------------------------------------------------------------------------

MOMENTS = ["created_at", "date_sent", "updated_at"]
FIVETRAN = HERE / "twilio_fivetran.csv"


@pytest.mark.parametrize(
    "frame",
    [
        lambda: pl.read_csv(FIVETRAN, try_parse_dates=True, schema_overrides={"from": pl.String, "to": pl.String}),
        lambda: pl.read_csv(FIVETRAN, infer_schema=False).with_columns(
            *(pl.col(name).str.to_datetime(time_zone="UTC") for name in MOMENTS), pl.col("price").cast(pl.Decimal(9, 4))
        ),
        lambda: pd.read_csv(FIVETRAN, dtype={"from": str, "to": str, "error_code": "Int64"}, parse_dates=MOMENTS),
        lambda: pl.read_csv(FIVETRAN, infer_schema=False).rename(str.upper).to_arrow(),
    ],
    ids=["polars", "polars-zones", "pandas", "arrow-upper"],
)
def test_warehouse_table(frame):
    """A warehouse's table is the same log with typed columns: moments with or without a zone, numbers as numbers."""
    found, expected = read_log(frame(), carrier="twilio"), read("twilio_fivetran.csv")

    assert found == expected


@pytest.mark.parametrize("file", ["aws_delivery.jsonl", "aws_events.jsonl", "telnyx_messages.jsonl"])
def test_nested_frame(file):
    """A frame with records and lists in its columns is the log that the file is."""
    frame = pl.read_ndjson(HERE / file)

    assert read_log(frame, carrier=carrier_of(file)) == read(file)


def test_flattened_frame():
    """Columns that are named with dots are the fields that the carrier has within fields."""
    records = [json.loads(line) for line in (HERE / "aws_delivery.jsonl").read_text("utf-8").splitlines()]

    assert read_log(pd.json_normalize(records), carrier="aws") == read("aws_delivery.jsonl")


def test_numbers_as_numbers():
    """Numbers that a carrier writes without + lose nothing where a frame took them for numbers."""
    assert read_log(pl.read_csv(HERE / "plivo.csv"), carrier="plivo").messages[1:] == read("plivo.csv").messages[1:]


# --- the same campaign in every shape ----------------------------------------------------------


def spelled(carrier, shape):
    """Return the words in which an export of this shape may say where a message stands."""
    for row in status_table(carrier).rows.values():
        word = row.name.removeprefix(shape.words)
        own = {
            "SNS delivery log": row.name in {"SNS:SUCCESS", "SNS:FAILURE"},
            "SNS usage report": row.name.startswith("SNS:") and not row.name.isupper(),
            "End User Messaging events": not row.name.startswith("SNS:"),
        }.get(shape.name, row.name.startswith(shape.words))
        if own and row.meaning[0] != INBOUND:
            yield word.partition(" ")[2] if carrier == "infobip" else word.removeprefix("SNS:")


@functools.cache
def drawn(carrier, shape_name):
    """Return a strategy of what an export may say of one message, by our names."""
    (shape,) = (each for each in LAYOUTS[carrier] if each.name == shape_name)
    codes = [code.removeprefix(shape.words) for code in code_table(carrier).rows if code.startswith(shape.words)]
    seconds = st.integers(0, 3_600_000).map(lambda count: NINE + timedelta(milliseconds=count))
    return st.fixed_dictionaries(
        {
            "status": st.sampled_from(sorted(set(spelled(carrier, shape)))),
            "error_code": st.none() | st.sampled_from(sorted(codes)),
            "segments": st.integers(1, 3),
            "price": st.integers(0, 9999).map(lambda count: Decimal(count).scaleb(-4)),
            "fee": st.integers(0, 9999).map(lambda count: Decimal(count).scaleb(-4)),
            "final": st.booleans(),
            "sent_at": seconds,
            "status_at": seconds,
        }
    )


SAME = {
    "sender": "+12025550100",
    "direction": "outbound",
    "currency": "EUR",
    "text": "Spring sale",
    "account_id": "a",
    "campaign_id": "spring",
}


def campaigns(carrier, shape):
    """Return a strategy of what was sent, each with its word and code as the carrier writes them."""
    rows = st.lists(drawn(carrier, shape.name), min_size=1, max_size=4)
    return rows.map(
        lambda rows: [SAME | row | {"message_id": f"m{n}", "to": f"+44770090{n:04}"} for n, row in enumerate(rows)]
    )


def meant(carrier, shape, row):
    """Return the message that a row of this shape means, as far as the shape says it."""
    has, word, code = shape.columns, row["status"], row["error_code"] if "error_code" in shape.columns else None
    if shape.name == "SNS usage report":
        code = word  # one column is both
    if "final" in has and row["final"] and word.endswith("_SUCCESSFUL"):
        word = word.replace("SUCCESSFUL", "DELIVERED")
    if (code == "0" and carrier in {"twilio", "plivo"}) or (code or "").startswith("Message has been accepted"):
        code = None
    qualified = None if code is None else shape.words + code
    meaning = parse_status_word(carrier, shape.words + word)
    price = row["price"] if "price" in has else None
    if shape.amend is not None and shape.amend.__name__ in {"_price_of_one_part", "_one_of_a_list"}:
        price = price if row["segments"] == 1 else None
    if price is not None and "fee" in has:
        price = EXACT.add(price, row["fee"])
    arrived = "status_at" in has and meaning.status is Status.DELIVERED
    counted = "direction" in has and not shape.one_way
    return Message(
        status=meaning.status,
        carrier=carrier,
        error_code=code_with_word(carrier, qualified, shape.words + word, meaning),
        segments=row["segments"] if "segments" in has else None,
        price=price,
        currency=shape.fixed.get("currency", "EUR" if "currency" in has else None),
        sent_at=row["sent_at"] if "sent_at" in has else None,
        delivered_at=row["status_at"] if arrived else None,
        last_event_at=row["status_at"] if has.keys() & {"status_at", "last_event_at"} else None,
        **(dict.fromkeys(("replies", "stop_replies"), 0) | {"opted_out": False} if counted else {}),
    )


def written(carrier, shape, row):
    """Return a row as this shape has it: a record, within which are records and lists."""
    record = dict.fromkeys(shape.marks, "x")
    values = row | {"carrier_id": row["message_id"], "created_at": row["sent_at"], "last_event_at": row["status_at"]}
    if carrier in NEGATIVE_PRICES:
        values["price"] = -values["price"]
    for name, path in shape.columns.items():
        if (shape.name, name) != ("SNS usage report", "error_code"):
            put(record, path.replace("[]", ".[]").split("."), cell(shape, name, values[name]))
    return record


def cell(shape, name, value):
    """Return a value as this shape writes it."""
    if isinstance(value, datetime):
        if name in shape.cells:
            return round(value.timestamp() * 1000)
        return value.isoformat(" ").removesuffix("+00:00") if shape.zone else value.isoformat()
    if name in shape.cells and isinstance(value, str):
        return value.removeprefix("+")
    return str(value) if isinstance(value, Decimal) else value


def put(record, path, value):
    """Put a value where a path leads, making what lies on the way."""
    step, *rest = path
    if not rest:
        record[step] = value
    elif rest == ["[]"]:
        record[step] = [] if value is None else [value]
    elif rest[0] == "[]":
        put(record.setdefault(step, [{}])[0], rest[1:], value)
    else:
        put(record.setdefault(step, {}), rest, value)


def as_csv(records):
    """Return records as the text of a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]))
    writer.writeheader()
    writer.writerows(records)
    return io.StringIO(text.getvalue())


@pytest.mark.parametrize(("carrier", "shape"), [each for each in SHAPES if "status" in each[1].columns], ids=shape_id)
def test_same_tally(carrier, shape):
    """A campaign written in a carrier's shape and read back gives the tally of its messages, from each format."""

    @UNHURRIED
    @given(campaigns(carrier, shape), st.sampled_from(PAGES))
    def law(rows, page):
        expected = tally_rows([meant(carrier, shape, row) for row in rows])
        records = [written(carrier, shape, row) for row in rows]
        text = json.dumps({page: records, "count": len(records)})

        found = [
            read_log(records, carrier=carrier),
            read_log(io.StringIO(text), carrier=carrier, format="json"),
            read_log(io.StringIO("\n".join(map(json.dumps, records))), carrier=carrier, format="jsonl"),
        ]
        if not any(mark in name for name in shape.columns.values() for mark in ".["):
            found.append(read_log(as_csv(records), carrier=carrier, format="csv"))
        assert [tally_rows(log) for log in found] == [expected] * len(found)

    law()


# --- wrong input -------------------------------------------------------------------------------


def spoiled(file, place, path, value):
    """Return the records of a fixture, one with another value somewhere."""
    text = (HERE / file).read_text("utf-8")
    if file.endswith(".csv"):
        records = list(csv.DictReader(io.StringIO(text)))
    else:
        page = [json.loads(line, parse_float=Decimal) for line in text.splitlines()] if file.endswith("l") else None
        records = page or next(each for each in json.loads(text, parse_float=Decimal).values() if type(each) is list)
    *above, last = path
    within = records[place]
    for step in above:
        within = within[int(step) if step.isdigit() else step]
    if value is None:
        del within[last]
    else:
        within[last] = value
    return records


NO_ZONE = 'has no time zone: give timezone="UTC", or the zone its clock was in'
EMPTY = "is all there is, and other rows have a number: write 0 where nothing happened, or leave the column out"
SIDES = "must be inbound, or outbound with or without more after a -"


@pytest.mark.parametrize(
    ("file", "place", "path", "value", "column", "rule"),
    [
        ("aws_delivery.jsonl", 1, "status", None, "status", "is empty: every message needs a status"),
        ("aws_delivery.jsonl", 1, "delivery.priceInUSD", "lots", ..., "must be an amount, like 0.0079"),
        ("aws_delivery.jsonl", 2, "delivery.numberOfMessageParts", "1.5", ..., "must be a whole number, 0 or more"),
        ("aws_delivery.jsonl", 0, "delivery.numberOfMessageParts", None, ..., EMPTY),
        (
            "aws_events.jsonl",
            3,
            "eventTimestamp",
            1777626003,
            ...,
            "must be milliseconds since 1970, like 1777636800123",
        ),
        ("aws_events.jsonl", 3, "eventTimestamp", "2026-05-01T09:00", ..., NO_ZONE),
        ("aws_events.jsonl", 0, "isFinal", "perhaps", ..., "must be one of true, false, yes, no, 1, 0"),
        (
            "aws_usage.csv",
            0,
            "DeliveryStatus",
            "Message was eaten",
            ...,
            "neither a word of aws nor one of ours; nearest: ",
        ),
        ("infobip_logs.json", 3, "status.name", "EATEN", ..., "neither a word of infobip nor one of ours; nearest: "),
        (
            "infobip_logs.json",
            0,
            "price.currency",
            None,
            "price.pricePerMessage",
            "has no currency: fill that column too",
        ),
        (
            "messagebird.json",
            0,
            "recipients.items.2.status",
            "eaten",
            "recipients.items[].status",
            "neither a word of messagebird nor one of ours; nearest: ",
        ),
        ("messagebird.json", 1, "createdDatetime", None, ..., "is empty: a reply needs the moment it was received"),
        ("plivo.csv", 2, "Message Time", "2026-05-01 09:00", ..., NO_ZONE),
        ("plivo.csv", 2, "Direction", "up", ..., SIDES),
        (
            "telnyx_records.json",
            1,
            "errors",
            [["40001"]],
            "errors[]",
            "is not a value of a cell",
        ),
        ("vonage_sms.csv", 1, "status", "lost", ..., "neither a word of vonage nor one of ours; nearest: "),
    ],
)
def test_wrong_cells(file, place, path, value, column, rule):  # noqa: PLR0917 - a table's columns
    """A cell that breaks a rule is named by row, column and value with the rule, however deep it lies."""
    records = spoiled(file, place, path.split("."), value)

    with pytest.raises(InvalidRow) as caught:
        read_log(records, carrier=carrier_of(file))
    rest = read_log(records, carrier=carrier_of(file), on_error="collect")

    error = caught.value
    assert (error.row, error.column) == (place + 1, path if column is ... else column)
    assert error.rule.startswith(rule)
    assert [str(each) for each in rest.errors] == [str(error)]


@pytest.mark.parametrize(
    ("carrier", "columns", "exports"),
    [
        ("plivo", ["Id", "Number", "State"], "console CSV, mailed CSV, API list"),
        ("plivo", ["Status", "Number", "When"], "console CSV, mailed CSV, API list"),
        ("sinch", ["Batch", "Phone"], "delivery reports of numbers, full delivery reports of batches"),
    ],
)
def test_no_export(carrier, columns, exports):
    """Columns that fit no export of the carrier are refused with the exports that are known, and the way out."""
    row = dict.fromkeys(columns, "delivered")

    found = sentence(InvalidColumn, read_log, [row], carrier=carrier)

    assert found == (
        f"the columns fit no export of {carrier} that is known ({exports}): every message needs a status;"
        f" give columns={{\"status\": their name}}, and others likewise. The columns: '{', '.join(columns)}'"
    )
    assert len(read_log([row], carrier=carrier, columns={"status": columns[-1]})) == 1


def test_status_missing_in_an_export():
    """Messages of an export whose status column is missing are refused like an export that is not known."""
    frame = pl.read_csv(HERE / "plivo.csv", infer_schema=False).drop("Status")

    assert sentence(InvalidColumn, read_log, frame, carrier="plivo").startswith("the columns fit no export of plivo")
    assert len(read_log(frame.filter(pl.col("Direction") == "inbound"), carrier="plivo").replies) == 1


@pytest.mark.parametrize(
    ("carrier", "record"),
    [
        ("sinch", {"batch_id": "01HSPRING", "statuses": [{"code": 0, "count": 25, "status": "Delivered"}]}),
        ("messagebird", {"id": "0b0c", "originator": "SHOP", "recipients": {"totalCount": 25, "items": []}}),
    ],
)
def test_summary_of_a_batch(carrier, record):
    """A batch without its numbers is refused, because it would count as one message."""
    found = sentence(InvalidRow, read_log, [record, good_batch(carrier)], carrier=carrier)

    assert found.startswith("row 1, column ")
    assert found.endswith("None is empty: the id is that of many messages; export the numbers too")


def test_batch_without_id():
    """Messages of a batch that has no id are all kept, without one."""
    record = good_batch("sinch") | {"batch_id": None}

    assert [message.message_id for message in read_log([record], carrier="sinch")] == [None] * 3


def good_batch(carrier):
    """Return a good record of a carrier that sends in batches."""
    record = json.loads((HERE / {"sinch": "sinch_batch.json", "messagebird": "messagebird.json"}[carrier]).read_text())
    return record if carrier == "sinch" else record["items"][0]


def test_truncated():
    """A file that ends too early is refused in one sentence, and its whole lines can be read."""
    whole = (HERE / "infobip_logs.json").read_text("utf-8")
    lines = (HERE / "aws_delivery.jsonl").read_text("utf-8")[:-20]

    found = sentence(InvalidValue, read_log, io.StringIO(whole[:-40]), carrier="infobip", format="json")
    log = read_log(io.StringIO(lines), carrier="aws", format="jsonl", on_error="collect")

    assert found.startswith("the file is not JSON: ")
    assert (len(log), [error.row for error in log.errors]) == (3, [4])


def test_our_names_with_a_carrier():
    """A log with our names is read by them, with the carrier's words and codes."""
    row = {"to": "+447700900101", "status": "failed", "error_code": "dlr:3", "segments": 1, "sent_at": NINE}

    (message,) = read_log([row], carrier="vonage")

    assert (message.error_code, message.segments, message.sent_at) == ("dlr:3", 1, NINE)


# --- records within records --------------------------------------------------------------------


def test_own_fields_within_fields():
    """columns= finds fields within fields, and a row for each element of a list."""
    record = {"id": 7, "people": [{"phone": "+447700900101", "is": {"now": "sent"}}, {"phone": "+447700900102"}]}
    columns = {"to": "people[].phone", "status": "people[].is.now"}

    log = read_log([record], columns=columns, on_error="collect")

    assert [(message.to, message.status.value) for message in log] == [("+447700900101", "sent")]
    assert [(error.row, error.column) for error in log.errors] == [(1, "people[].is.now")]


def test_lists_that_are_not_read():
    """A list that no column is read from gives no rows."""
    records = [{"status": "sent", "tags": ["a", "b"], "parts": [{"n": 1}, {"n": 2}]}, {"status": "sent", "tags": []}]

    assert len(read_log(records)) == 2


def test_fields_that_are_not_there():
    """A field that a record lacks, with all that it would lie in, is empty."""
    records = [{"is": {"now": "sent"}, "to": "+447700900101"}, {"to": "+447700900102"}, {"is": "sent", 1: "x"}]

    log = read_log(records, columns={"status": "is.now"}, on_error="collect")

    assert len(log) == 1
    assert [(error.row, error.column, error.value) for error in log.errors] == [
        (2, "is.now", None),
        (3, "is.now", None),
    ]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"status": "is.later"}, "columns= names 'is.later', which is not in the data; nearest: id, is.now"),
        ({"status": "is"}, "columns= names 'is', which is not in the data; nearest: id, is.now"),
    ],
)
def test_wrong_fields(columns, expected):
    """A field that is not there is refused with the nearest that are."""
    assert sentence(InvalidColumn, read_log, [{"id": 1, "is": {"now": "sent"}}], columns=columns) == expected


def test_since_when():
    """``status_at`` is when a message last changed, and arrived if it did; what the row says itself goes before."""
    rows = [
        {"status": "delivered", "status_at": NINE},
        {"status": "failed", "status_at": NINE},
        {"status": "delivered", "status_at": NINE, "delivered_at": NINE - timedelta(hours=1)},
    ]

    log = read_log(rows)

    assert [message.delivered_at for message in log] == [NINE, None, NINE - timedelta(hours=1)]
    assert {message.last_event_at for message in log} == {NINE}


@pytest.mark.parametrize("page", PAGES)
def test_pages(page):
    """Records lie under any name by which carriers page; a record with a status is none of them."""
    rows = [{"status": "sent"}, {"status": "queued"}]

    assert len(read_log({page: rows, "meta": {}})) == 2
    assert len(read_log([{page: rows}, {page: rows}])) == 4
    assert len(read_log([{"status": "sent", page: rows}])) == 1


def test_orders_are_no_pages():
    """What is attached is not taken for a page: an order may hold items."""
    log = read_log([{"to": "+447700900101", "status": "sent", "sent_at": NINE}])

    joined = log.attach(orders=[{"ordered_at": NINE, "to": "+447700900101", "items": [{"sku": 1}, {"sku": 2}]}])

    assert (len(joined.orders), joined.messages[0].orders) == (1, 1)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(["sent", ""])
KEYS = st.sampled_from(
    sorted({step for _, shape in SHAPES for path in shape.columns.values() for step in path.split(".")} | set(PAGES))
) | st.text(max_size=3)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))


@UNHURRIED
@given(st.lists(VALUES, max_size=4), st.sampled_from([None, *LAYOUTS]))
def test_junk_records(records, carrier):
    """Whatever is nested in whatever, there is a log, or one of our errors."""
    with contextlib.suppress(InvalidValue):
        tally_rows(read_log(records, carrier=carrier, on_error="collect"))


@UNHURRIED
@given(st.sampled_from([each for each in SHAPES if "status" in each[1].columns]), st.data())
def test_junk_in_an_export(chosen, data):
    """A junk cell of an export spoils its own row at most, and nothing is lost."""
    carrier, shape = chosen
    good = [written(carrier, shape, row) for row in data.draw(campaigns(carrier, shape))]
    name = data.draw(st.sampled_from(sorted({*shape.columns} - {"segments"})))
    bad = written(carrier, shape, data.draw(campaigns(carrier, shape))[0] | {"message_id": "bad"})
    put(bad, shape.columns[name].replace("[]", ".[]").split("."), data.draw(SCALARS))

    log = read_log([*good, bad], carrier=carrier, on_error="collect")

    assert len(log) + len(log.replies) + len(log.errors) == len(good) + 1
    assert len(log.errors) <= 1
    for message in log:
        assert attrs.evolve(message) == message
