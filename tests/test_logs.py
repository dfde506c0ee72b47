"""A carrier's log in; messages, replies and opt-outs out, each once."""

import contextlib
import io
import json
import pickle
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaignkit import logs, tables
from campaignkit.errors import InvalidColumn, InvalidRow, InvalidValue, MissingExtra
from campaignkit.layouts import LAYOUTS
from campaignkit.logs import Log, read_log
from campaignkit.metrics import Counts
from campaignkit.models import Click, Keyword, Message, OptOut, Order, Reply, Status
from campaignkit.profiles import get_profile
from campaignkit.rows import MESSAGE_COLUMNS, tally_rows
from campaignkit.summary import summarize

UNHURRIED = settings(deadline=None)  # the first use of a table reads it
HERE = Path(__file__).parent / "logs"
CSV, JSON = HERE / "twilio.csv", HERE / "twilio.json"
HEADER = "From,To,Body,Status,SentDate,ApiVersion,NumSegments,ErrorCode,AccountSid,Sid,Direction,Price,PriceUnit"
ANA, BEN, OURS, OTHER = "+12025550143", "+12025550144", "+12025550100", "+12025550199"
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def at(minutes):
    """Return a moment, minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def line(**cells):
    """Return a row of a console export, delivered where nothing else is said."""
    usual = f"{OURS},{ANA},Hi,delivered,2026-05-01T12:00:00Z,2010-04-01,1,,AC1,SM1,outbound-api,-0.0079,USD"
    return ",".join((dict(zip(HEADER.split(","), usual.split(","), strict=True)) | cells).values())


def read_csv(*lines, **kwargs):
    """Read the lines of a console export, header first where none is given."""
    text = "\n".join(lines if lines and "status" in lines[0].lower() else (HEADER, *lines))
    return read_log(io.StringIO(text + "\n"), **{"format": "csv", "carrier": "twilio"} | kwargs)


def read_text(text, kind, **kwargs):
    """Read a text as a file of a format."""
    return read_log(io.StringIO(text) if isinstance(text, str) else io.BytesIO(text), format=kind, **kwargs)


def sent(minutes=0, to=ANA, **fields):
    """Return a generic row of a message sent."""
    return {"to": to, "status": "sent", "sent_at": at(minutes), "direction": "outbound", "sender": OURS} | fields


def answered(minutes, text="hello", to=ANA, **fields):
    """Return a generic row of a reply."""
    return {
        "sender": to,
        "to": OURS,
        "text": text,
        "sent_at": at(minutes),
        "direction": "inbound",
        "status": "",
    } | fields


def sentence(error, call, *args, **kwargs):
    """Return the sentence of the error a call raises."""
    with pytest.raises(error) as caught:
        call(*args, **kwargs)
    return str(caught.value)


# --- Twilio ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [CSV, JSON], ids=["csv", "json"])
def test_twilio_statuses(path):
    """Every status of Twilio is read by its table, from the console's export and from the API's answers."""
    log = read_log(path, carrier="twilio")

    assert [(message.message_id[-2:], message.status.value, message.error_code) for message in log] == [
        ("01", "delivered", None),
        ("02", "undelivered", "30003"),
        ("03", "undelivered", "21610"),
        ("04", "delivered", None),
        ("05", "queued", None),
        ("06", "queued", None),
        ("07", "queued", None),
        ("08", "queued", None),
        ("09", "rejected", "@canceled"),
        ("10", "read", None),
        ("11", "sent", None),
        ("12", "delivered", None),
    ]
    assert (log.carrier, log.duplicates, log.unattributed, log.errors) == ("twilio", 3, 1, ())


@pytest.mark.parametrize("path", [CSV, JSON], ids=["csv", "json"])
def test_twilio_replies(path):
    """Inbound rows become replies, each with the last message sent to that person from the number they answered."""
    log = read_log(path, carrier="twilio")

    assert [(reply.reply_id[-2:], (reply.message_id or "")[-2:], reply.keyword) for reply in log.replies] == [
        ("21", "01", Keyword.OPT_OUT),
        ("22", "01", Keyword.OPT_IN),
        ("23", "04", Keyword.HELP),
        ("24", "04", None),
        ("25", "10", Keyword.OPT_OUT),
        ("26", "", None),
    ]
    assert [(each.message_id[-2:], each.to, each.text) for each in log.opt_outs] == [
        ("01", "+12025550101", "Stop."),
        ("10", "+12025550110", "ARRÊT"),
    ]
    counted = [(m.message_id[-2:], m.replies, m.stop_replies, m.opted_out) for m in log if m.replies or m.stop_replies]
    assert counted == [("01", 1, 1, True), ("04", 2, 0, False), ("10", 0, 1, True)]


def test_twilio_message():
    """A row of the console's export is one message: amounts exact and positive, moments in UTC."""
    log = read_log(CSV, carrier="twilio")

    assert log.messages[3] == Message(
        status="delivered",
        message_id="SM00000000000000000000000000000004",
        carrier_id="SM00000000000000000000000000000004",
        account_id="AC00000000000000000000000000000001",
        carrier="twilio",
        sender="+12025550100",
        to="+12025550104",
        segments=2,
        price=Decimal("0.0158"),
        currency="USD",
        sent_at=datetime(2026, 5, 1, 9, 0, 4, tzinfo=UTC),
        replies=2,
        stop_replies=0,
        opted_out=False,
    )


def test_twilio_reply():
    """A reply keeps its text as written, the person in ``to`` and our number in ``sender``."""
    log = read_log(CSV, carrier="twilio")

    assert log.replies[3] == Reply(
        reply_id="SM00000000000000000000000000000024",
        message_id="SM00000000000000000000000000000004",
        account_id="AC00000000000000000000000000000001",
        to="+12025550104",
        sender="+12025550100",
        received_at=datetime(2026, 5, 1, 9, 6, tzinfo=UTC),
        text='We have got to STOP this, "now"',
    )


def test_twilio_shapes_agree():
    """The console's export and the API's answers give the same log, but for moments only the API has."""
    shared = [name for name in MESSAGE_COLUMNS if name not in {"created_at", "last_event_at"}]
    console, api = read_log(CSV, carrier="twilio"), read_log(JSON, carrier="twilio")

    assert [[getattr(m, name) for name in shared] for m in console] == [
        [getattr(m, name) for name in shared] for m in api
    ]
    assert (console.replies, console.opt_outs) == (api.replies, api.opt_outs)
    assert api.messages[0].last_event_at == datetime(2026, 5, 1, 9, 0, 1, tzinfo=UTC)


def test_twilio_tallied():
    """A log is an iterable of messages, ready to be counted."""
    log = read_log(CSV, carrier="twilio")

    tally = tally_rows(log)

    counts = Counts.of(tally.cells[()], get_profile("campaignkit"), tally.unmeasured)
    assert (counts.total, counts.delivered, counts.replies, counts.replied, counts.opted_out) == (12, 4, 3, 2, 2)
    assert tally.money[()] == {("cost", "USD"): 55_300}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"ErrorCode": "0"}, {"error_code": None}),
        ({"ErrorCode": "30005", "Status": "undelivered"}, {"error_code": "30005", "status": Status.UNDELIVERED}),
        ({"Status": "DELIVERED"}, {"status": Status.DELIVERED}),
        ({"SentDate": ""}, {"sent_at": None}),
        ({"SentDate": '"Fri, 01 May 2026 14:00:00 +0200"'}, {"sent_at": NOON}),
        ({"SentDate": "2026-05-01T14:00:00+02:00"}, {"sent_at": NOON}),
        ({"Price": ""}, {"price": None, "currency": "USD"}),
        ({"Price": "0"}, {"price": Decimal(0)}),
        ({"Price": "-0.00", "PriceUnit": "usd"}, {"price": Decimal("0.00"), "currency": "USD"}),
        ({"Price": "0.0079"}, {"price": Decimal("0.0079")}),
        ({"NumSegments": "0"}, {"segments": 0}),
        ({"NumSegments": " 3.0 "}, {"segments": 3}),
        ({"From": "", "To": ""}, {"sender": None, "to": None}),
        ({"Sid": ""}, {"message_id": None, "carrier_id": None}),
        ({"Direction": ""}, {"replies": 0}),
        ({"To": "whatsapp:+12025550143"}, {"to": "whatsapp:+12025550143"}),
    ],
)
def test_twilio_cells(cells, expected):
    """Cells are read as Twilio means them; an empty one is None."""
    (message,) = read_csv(line(**cells))

    assert {name: getattr(message, name) for name in expected} == expected


def test_twilio_header():
    """Columns are found in any case and order, more are ignored, and only the status is needed."""
    log = read_csv("STATUS,Nonsense,to", f"sent,1,{ANA}")

    assert log.messages == (Message(status="sent", to=ANA, carrier="twilio"),)


def test_twilio_bulk_export():
    """A bulk export has no price_unit: its prices are left out, not guessed."""
    record = {"status": "sent", "price": "-0.0079", "date_sent": "2026-05-01T12:00:00Z"}

    log = read_text(json.dumps(record), "jsonl", carrier="twilio")

    assert log.messages == (Message(status="sent", carrier="twilio", sent_at=NOON),)


def test_twilio_more_columns():
    """columns= adds to a carrier's layout and goes before it."""
    lines = (f"{HEADER},Campaign", f"{line()},spring")

    log = read_csv(*lines, columns={"campaign_id": "Campaign", "to": "From"})

    assert (log.messages[0].campaign_id, log.messages[0].to) == ("spring", OURS)


def test_inbound_without_direction():
    """A status word that Twilio uses for replies makes one, also without a direction."""
    log = read_csv("From,To,Body,Status,SentDate", f"{ANA},{OURS},hi,received,2026-05-01T12:00:00Z")

    assert (len(log), [reply.to for reply in log.replies]) == (0, [ANA])


# --- who answered what -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([sent(0, message_id="a"), answered(1)], "a"),
        ([sent(0, message_id="a"), answered(0)], "a"),
        ([sent(1, message_id="a"), answered(0)], None),
        ([sent(0, message_id="a"), sent(2, message_id="b"), answered(1)], "a"),
        ([sent(0, message_id="a"), sent(1, message_id="b"), answered(2)], "b"),
        ([answered(2), sent(1, message_id="b"), sent(0, message_id="a")], "b"),
        ([sent(0, message_id="a"), sent(1, message_id="b", sender=OTHER), answered(2)], "a"),
        ([sent(0, message_id="a"), sent(1, message_id="b", sender=OTHER), answered(2) | {"to": None}], "b"),
        ([sent(0, message_id="a", sender=OTHER), sent(1, message_id="b", sender=None), answered(2)], "b"),
        ([sent(0, message_id="a"), answered(1, to=BEN)], None),
        ([sent(0, message_id="a", to="001 (202) 555-0143"), answered(1)], "a"),
        ([sent(0, message_id="a", to="+1.202.555\u20110143"), answered(1, to="+1 202 555 0143")], "a"),
        ([sent(0, message_id="a", sent_at=None), answered(1)], None),
        ([sent(0, message_id="a", to=None), answered(1, sender=None)], None),
        ([sent(0, message_id="a"), sent(0, message_id="b"), answered(1)], "b"),
    ],
)
def test_attribution(rows, expected):
    """A reply belongs to the last message sent to that person before it, from that number if any was."""
    log = read_log(rows)

    assert [reply.message_id for reply in log.replies] == [expected]
    assert log.unattributed == (expected is None)


def test_reply_knows_its_campaign():
    """A reply and an opt-out carry what their message knows of person and campaign."""
    known = {"campaign_id": "c", "variant": "B", "list_id": "l", "contact_id": "p", "contact_name": "Ana"}

    log = read_log([sent(0, message_id="a", **known), answered(1, "stop", message_id="r")])

    who = {"message_id": "a", "to": ANA, "sender": OURS, **known}
    assert log.replies == (Reply(received_at=at(1), text="stop", reply_id="r", keyword=Keyword.OPT_OUT, **who),)
    assert log.opt_outs == (OptOut(opted_out_at=at(1), text="stop", **who),)


def test_reply_without_sent_date():
    """A reply still arriving is dated by its creation."""
    log = read_log([answered(5, sent_at=None, created_at=at(3))])

    assert log.replies[0].received_at == at(3)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"status": "sent"}], (None, None, None)),
        ([{"status": "sent", "direction": "outbound"}], (0, 0, False)),
        ([{"status": "sent", "direction": ""}], (0, 0, False)),
        (
            [{"status": "sent", "carrier": "twilio"}, answered(0, carrier="twilio", direction=None, status="received")],
            (0, 0, False),
        ),
    ],
)
def test_measured(rows, expected):
    """Replies are counted where the log can tell: it has a direction, or rows from people."""
    message = read_log(rows).messages[0]

    assert (message.replies, message.stop_replies, message.opted_out) == expected


def test_given_twice():
    """Counts in a column and replies as rows are not added up but refused."""
    found = sentence(InvalidColumn, read_log, [sent(replies=1)])

    assert found == "replies are given twice: as rows, and in the column 'replies'; leave one out"


# --- generic logs ------------------------------------------------------------------------------


def test_our_names():
    """Without a carrier, columns have our names, and cells are read by kind."""
    header = "message_id,to,carrier,status,error_code,segments,price,currency,sent_at,step,clicks,opted_out,revenue"
    text = f"{header}\nm1,{ANA},Vonage,failed,dlr:6,2,0.05,eur,2026-05-01T12:00Z,3,1,yes,12.50\n"

    (message,) = read_text(text, "csv")

    assert message == Message(
        status="undelivered",
        message_id="m1",
        to=ANA,
        carrier="vonage",
        error_code="dlr:6",
        segments=2,
        price=Decimal("0.05"),
        currency="EUR",
        sent_at=NOON,
        step=3,
        clicks=1,
        opted_out=True,
        revenue=Decimal("12.50"),
    )


def test_their_names():
    """columns= says our name to theirs, exactly as they write it."""
    log = read_log([{"State": "sent", "Phone": ANA}], columns={"status": "State", "to": "Phone"})

    assert log.messages == (Message(status="sent", to=ANA),)


def test_carrier_with_our_names():
    """A carrier's log may have our names for its columns; words and codes are its own."""
    log = read_log([{"status": "Delivered", "error_code": 0}, {"status": "Deleted"}], carrier="sinch")

    assert [(m.status.value, m.carrier, m.error_code) for m in log] == [
        ("delivered", "sinch", "0"),
        ("undelivered", "sinch", "@Deleted"),
    ]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-05-01T12:00:00Z", NOON),
        ("2026-05-01 14:00:00+02:00", NOON),
        ("20260501T120000Z", NOON),
        ("Fri, 01 May 2026 12:00:00 GMT", NOON),
        ("1 May 2026 08:00:00 -0400", NOON),
        (" 2026-05-01T12:00:00Z ", NOON),
        ("2026-05-01T14:00:00", NOON),
        ("2026-05-01 14:00", NOON),
        ("Fri, 01 May 2026 14:00:00", NOON),
        (datetime(2026, 5, 1, 14), NOON),  # noqa: DTZ001 - a zone is given to it
        (NOON, NOON),
        (pd.Timestamp("2026-05-01T12:00Z"), NOON),
        ("2026-10-25T02:30", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-03-29T02:30", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        ("", None),
        (None, None),
        (pd.NaT, None),
        (float("nan"), None),
    ],
    ids=str,
)
def test_moments(written, expected):
    """Moments are ISO 8601 or RFC 2822; one without a zone has the zone of timezone=, the earlier of two."""
    (message,) = read_log([{"status": "sent", "sent_at": written}], timezone="Europe/Paris")

    assert message.sent_at == expected


def test_exact_amounts():
    """Amounts are never a float: JSON's are read as they are written."""
    log = read_text('[{"status": "sent", "price": 0.1, "currency": "USD"}]', "json")

    with localcontext(prec=1):
        assert log.messages[0].price == Decimal("0.1")


@pytest.mark.parametrize(
    ("written", "expected"),
    [("true", True), ("YES", True), (1, True), ("1", True), (False, False), ("no", False), ("0", False), (None, None)],
)
def test_flags(written, expected):
    """A flag is true, false, yes, no, 1 or 0."""
    assert read_log([{"status": "sent", "opted_out": written}]).messages[0].opted_out is expected


@pytest.mark.parametrize("empty", ["", "  ", None, float("nan"), pd.NA, pd.NaT])
def test_empty_cells(empty):
    """An empty cell of any column but the status is None."""
    row = {name: empty for name in MESSAGE_COLUMNS if name != "status"}

    assert read_log([{"status": "pending", **row}]).messages == (Message(status="pending"),)


def test_numbers_for_text():
    """Whole numbers are text where text belongs, as frames and JSON have them."""
    (message,) = read_log([{"status": "sent", "message_id": 7, "contact_id": 42.0, "error_code": Decimal("30005.0")}])

    assert (message.message_id, message.contact_id, message.error_code) == ("7", "42", "30005")


def test_no_rows():
    """No rows are a log of no messages."""
    for log in (read_log([]), read_csv(), read_text("[]", "json"), read_text("", "jsonl"), read_log(pl.DataFrame())):
        assert (len(log), log.replies, log.duplicates) == (0, (), 0)


# --- sources -----------------------------------------------------------------------------------


@pytest.fixture
def expected():
    """The log of the fixture file."""
    return read_log(CSV, carrier="twilio")


def test_files(expected, tmp_path):
    """A path, its text, and an open text or binary file are the same log, and stay open if they were."""
    with CSV.open(encoding="utf-8", newline="") as text, CSV.open("rb") as binary:
        assert read_log(text, carrier="twilio") == expected
        assert read_log(binary, carrier="twilio") == expected
        assert not text.closed
        assert not binary.closed
    assert read_log(str(CSV), carrier="twilio") == expected
    other = tmp_path / "log.txt"
    other.write_bytes(CSV.read_bytes())
    assert read_log(other, carrier="twilio", format="csv") == expected


@pytest.mark.parametrize("suffix", [".csv", ".CSV", ".json", ".jsonl", ".ndjson", ".parquet"])
def test_suffixes(expected, tmp_path, suffix):
    """The end of a file's name tells its format."""
    frame = pl.read_csv(CSV, infer_schema=False)
    path = tmp_path / f"log{suffix}"
    write = {
        ".csv": frame.write_csv,
        ".json": frame.write_json,
        ".jsonl": frame.write_ndjson,
        ".ndjson": frame.write_ndjson,
        ".parquet": frame.write_parquet,
    }
    write[suffix.lower()](path)

    assert read_log(path, carrier="twilio") == expected


@pytest.mark.parametrize(
    "frame",
    [
        lambda: pl.read_csv(CSV, infer_schema=False),
        lambda: pl.read_csv(CSV, infer_schema=False).lazy(),
        lambda: pl.read_csv(CSV, schema_overrides={"From": pl.String, "To": pl.String}, try_parse_dates=True),
        lambda: pd.read_csv(CSV, dtype=str),
        lambda: pd.read_csv(CSV, dtype={"From": "string", "To": str, "ErrorCode": "Int64"}, parse_dates=["SentDate"]),
        lambda: pl.read_csv(CSV, infer_schema=False).to_arrow(),
        lambda: pl.read_csv(CSV, infer_schema=False).to_dicts(),
        lambda: iter(pl.read_csv(CSV, infer_schema=False).to_dicts()),
    ],
    ids=["polars", "lazy", "polars-types", "pandas", "pandas-types", "arrow", "mappings", "iterator"],
)
def test_frames(expected, frame):
    """A frame or mappings of the same rows are the same log; a float is the number it prints."""
    assert read_log(frame(), carrier="twilio") == expected


@pytest.mark.parametrize("without", ["", "polars"])
def test_parquet_packages(expected, tmp_path, monkeypatch, without):
    """Parquet is read by whichever package there is, from a path or an open file."""
    path = tmp_path / "log.parquet"
    pl.read_csv(CSV, infer_schema=False).write_parquet(path)
    found = tables.importlib.util.find_spec
    monkeypatch.setattr(tables.importlib.util, "find_spec", lambda name: None if name == without else found(name))

    assert read_log(path, carrier="twilio") == expected
    with path.open("rb") as file:
        assert read_log(file, carrier="twilio") == expected
    assert sentence(InvalidValue, read_text, b"PAR1", "parquet").startswith("the file is not Parquet: ")


def test_parquet_without_packages(monkeypatch):
    """Parquet without a package that reads it names the command that installs one."""
    monkeypatch.setattr(tables.importlib.util, "find_spec", lambda _: None)

    found = sentence(MissingExtra, read_text, b"", "parquet")

    assert found == 'reading Parquet needs polars: pip install "campaignkit[polars]"'


def test_pages():
    """Records may come in pages of an API, in one, many, or one a line."""
    page = {"messages": [{"status": "sent"}, {"status": "queued"}], "page": 0}
    for log in (
        read_text(json.dumps(page), "json"),
        read_text(json.dumps([page]), "json"),
        read_text(json.dumps(page) + "\n\n", "jsonl"),
        read_log(page),
        read_log([page]),
    ):
        assert [message.status.value for message in log] == ["sent", "queued"]


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\r\n{line()}\r\n",
        f"\ufeff{HEADER}\n{line()}",
        f"\n\n{HEADER}\n\n{line()}\n\n",
        f"{HEADER},,\n{line()},,\n",
        f"{HEADER}\n{line()},,\n",
        f" {HEADER.replace(',', ' , ')}\n{line()}\n",
        f'"{HEADER.replace(",", chr(34) + "," + chr(34))}"\n{line()}\n',
        f"{HEADER}\n{line(Body=chr(34) + 'a' + chr(13) + chr(10) + 'b,c' + chr(34) * 3)}\n",
        f"{HEADER}\n{line(Body='a' + chr(0) + 'b')}\n",
    ],
    ids=["crlf", "bom", "blank", "empty-columns", "long", "spaces", "quoted", "newline", "nul"],
)
def test_csv_dialects(text):
    """Line ends, a BOM, blank lines, empty cells, quotes and NUL make no difference to a message."""
    for log in (read_text(text, "csv", carrier="twilio"), read_text(text.encode(), "csv", carrier="twilio")):
        assert log == read_csv(line())


def test_csv_of_old_macs():
    """Lines may end in CR alone, as some spreadsheets still write them."""
    assert read_text(f"{HEADER}\r{line()}\r".encode(), "csv", carrier="twilio") == read_csv(line())


def test_json_with_bom():
    """A BOM before JSON makes no difference."""
    for kind in ("json", "jsonl"):
        for text in ('\ufeff{"status": "sent"}', b'\xef\xbb\xbf{"status": "sent"}'):
            assert len(read_text(text, kind)) == 1


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("", "csv", "the file is empty: a CSV file begins with the names of its columns"),
        ("\n\n", "csv", "the file is empty: a CSV file begins with the names of its columns"),
        (" \n", "json", "the file is empty: a JSON file holds a list of records"),
        ("x" * 200_000, "csv", "the file is not CSV: field larger than field limit (131072)"),
        (b"\x89PNG\r\n\x1a\n", "csv", "the file is not UTF-8 text (byte 0x89): save it as UTF-8"),
        (f"{HEADER}\n{line()}".encode("utf-16"), "csv", "the file is not UTF-8 text (byte 0xff): save it as UTF-8"),
        (
            f"Status\n{'sent,' * 30_000}é".encode("latin-1"),
            "csv",
            "the file is not UTF-8 text (byte 0xe9): save it as UTF-8",
        ),
        (b"\xff[]", "json", "the file is not UTF-8 text (byte 0xff): save it as UTF-8"),
        (
            "{",
            "json",
            "the file is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
        ("[" * 100_000, "json", "the file is not JSON: it is nested too deeply"),
        ("3", "json", "the source is 3: give a path, an open file, a frame, or a list of mappings"),
        ('"sent"', "json", "the source is 'sent': give a path, an open file, a frame, or a list of mappings"),
        ("status", "xls", "format is 'xls': give one of csv, json, jsonl, parquet"),
        ("status", None, "the name '' does not tell the format: give format=, one of csv, json, jsonl, parquet"),
    ],
    ids=range(14),
)
def test_files_that_cannot_be_read(text, kind, expected):
    """A file that is not what it should be gets one clear sentence."""
    assert sentence(InvalidValue, read_text, text, kind) == expected


def test_huge_numbers_in_json():
    """A number too long for Python is refused as JSON, not as a bug."""
    assert sentence(InvalidValue, read_text, f"[{'1' * 5000}]", "json").startswith("the file is not JSON: Exceeds")


@pytest.mark.parametrize("source", [None, 3, b"From,To", object()], ids=["none", "number", "bytes", "object"])
def test_no_source(source):
    """What is no source is refused with what would be one."""
    assert sentence(InvalidValue, read_log, source).endswith(
        ": give a path, an open file, a frame, or a list of mappings"
    )


def test_no_file(tmp_path):
    """A file that is not there is Python's own error."""
    with pytest.raises(FileNotFoundError):
        read_log(tmp_path / "log.csv")


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({"on_error": "ignore"}, "on_error is 'ignore': give raise or collect"),
        ({"carrier": "twillio"}, "carrier is 'twillio': no table of codes for it; nearest: twilio"),
        ({"timezone": "Mars"}, "zone is 'Mars': not an IANA time zone; give one like 'Europe/Paris'"),
    ],
)
def test_arguments(kwargs, expected):
    """A wrong argument is refused with what would be right."""
    assert sentence(InvalidValue, read_log, [], **kwargs) == expected


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"To": "to"}, "columns= is turned round: give {our name: their name}, here columns={'to': 'To'}"),
        ({"too": "To"}, "columns= names 'too', which is no name of ours; nearest: to"),
        ({"to": "Too"}, "columns= names 'Too', which is not in the data; nearest: To"),
    ],
)
def test_wrong_columns(columns, expected):
    """columns= that cannot be meant is refused with what can."""
    assert sentence(InvalidColumn, read_log, [{"To": ANA, "status": "sent"}], columns=columns) == expected


@pytest.mark.parametrize(
    ("carrier", "what"),
    [
        (None, "no column is 'status'"),
        ("smpp", "no column is 'status'"),
        ("twilio", "the columns fit no export of twilio that is known (console CSV, API list, Fivetran table)"),
    ],
)
def test_no_status(carrier, what):
    """A table without a status is refused with the columns it has."""
    expected = (
        f'{what}: every message needs a status; give columns={{"status": their name}}, and others likewise.'
        " The columns: 'From;To;Status'"
    )
    assert sentence(InvalidColumn, read_text, "From;To;Status\n", "csv", carrier=carrier) == expected


def test_column_twice():
    """Two columns of one name are refused where one of them is needed."""
    assert read_text("status,note,note\nsent,a,b\n", "csv").messages == (Message(status="sent"),)
    found = sentence(InvalidColumn, read_text, "status,to,to\nsent,a,b\n", "csv")
    assert found == "the column 'to' comes 2 times: keep one, or rename the others"


def test_money_without_currency_column():
    """A column of money needs one of currencies."""
    found = sentence(InvalidColumn, read_log, [{"status": "sent", "price": "1"}])

    assert found == "'price' has no currency: add a 'currency' column, or name theirs in columns="


def test_progress(tmp_path, monkeypatch):
    """on_progress is told a fraction that never falls and ends with 1."""
    monkeypatch.setattr(logs, "_CHUNK", 4)
    for path, text in ((CSV, None), (JSON, None), (tmp_path / "bad.csv", f"{HEADER}\n" + "x\n" * 50)):
        if text:
            path.write_text(text)
        told = []

        read_log(path, carrier="twilio", on_error="collect", on_progress=told.append)

        assert len(told) > 3
        assert told == sorted(told)
        assert 0 < told[0] <= told[-1] == 1.0


def test_progress_of_unknown_length():
    """Of an open file nobody knows the length: only the end is told for sure."""
    told = []

    read_csv(*[line()] * 9000, on_progress=told.append)

    assert told == [0.0, 1.0]


# --- each once ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["queued", "sent", "delivered"], ("delivered", None)),
        (["sent", "queued"], ("sent", None)),
        (["delivered", ("undelivered", "30003")], ("delivered", None)),
        ([("undelivered", "30003"), ("undelivered", "30005")], ("undelivered", "30005")),
        (["read", "delivered"], ("read", None)),
        (["queued", "canceled"], ("rejected", "@canceled")),
        (["canceled", "canceled"], ("rejected", "@canceled")),
        (["sent", ("failed", "30008")], ("undelivered", "30008")),
    ],
)
def test_joined_states(words, expected):
    """Rows of one message are joined as receipts are, whichever comes first."""
    cells = [
        ({"Status": word} if isinstance(word, str) else {"Status": word[0], "ErrorCode": word[1]}) for word in words
    ]

    for order in (cells, cells[::-1], cells * 2):
        log = read_csv(*[line(**each) for each in order])

        assert [(message.status.value, message.error_code) for message in log] == [expected]
        assert log.duplicates == len(order) - 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["pending", "skipped"], "skipped"),
        (["unknown", "pending"], "unknown"),
        (["unknown", "refused"], "refused"),
        (["pending", "canceled"], "canceled"),
        (["pending", "sent"], "sent"),
        (["canceled", "queued"], "rejected"),
        (["skipped", "delivered"], "delivered"),
    ],
)
def test_joined_states_of_ours(words, expected):
    """What no carrier took gives way to what one says, and else to the later of our own steps."""
    rows = [
        {"message_id": "a", "status": word, "skip_reason": "no_number" if word == "skipped" else ""} for word in words
    ]

    for order in (rows, rows[::-1]):
        log = read_log(order)

        assert [message.status.value for message in log] == [expected]
        assert (log.messages[0].skip_reason is not None) == (expected == "skipped")


def test_joined_fields():
    """What one row knows and another does not yet is kept; of moments of sending the first."""
    later = line(Price="", NumSegments="0", SentDate="2026-05-01T12:30:00Z", From="")

    for rows in ([line(), later], [later, line()]):
        assert read_csv(*rows).messages == read_csv(line()).messages


def test_joined_across_chunks(monkeypatch):
    """A row is joined with one read long before."""
    monkeypatch.setattr(logs, "_CHUNK", 2)
    rows = [line(Sid=f"SM{n}", Status="sent") for n in range(5)]

    log = read_csv(*rows, line(Sid="SM0"), line(Sid="SM4"), line(Sid="SM0"))

    assert [message.status.value for message in log] == ["delivered", "sent", "sent", "sent", "delivered"]
    assert log.duplicates == 3


def test_joined_replies():
    """Rows of one reply are joined too: still arriving, then there."""
    rows = [answered(1, "", message_id="r"), answered(2, "stop", message_id="r"), answered(2, "stop", message_id="r")]

    for order in (rows, rows[::-1]):
        log = read_log(order)

        assert [(reply.received_at, reply.text) for reply in log.replies] == [(at(1), "stop")]
        assert (log.duplicates, len(log.opt_outs)) == (2, 1)


def test_without_id():
    """Rows without an id are all kept."""
    log = read_csv(*[line(Sid="")] * 3, *[line(Sid="", Direction="inbound", Status="received")] * 2)

    assert (len(log), len(log.replies), log.duplicates) == (3, 2, 0)


def test_ambiguous_code_when_joined():
    """A code that means several things cannot be weighed against another: the row is an error."""
    rows = [{"message_id": "a", "carrier": "vonage", "status": word, "error_code": "6"} for word in ("sent", "failed")]

    found = sentence(InvalidRow, read_log, rows)

    assert found.startswith("row 2, column 'error_code': '6' vonage code is '6': it means several things; give one of")


def test_added():
    """Adding logs is reading one after the other."""
    lines = CSV.read_text(encoding="utf-8").splitlines(keepends=True)
    parts = [
        read_text(lines[0] + "".join(part), "csv", carrier="twilio") for part in (lines[1:9], lines[9:19], lines[19:])
    ]

    assert parts[0] + parts[1] + parts[2] == read_log(CSV, carrier="twilio")
    assert parts[0] + (parts[1] + parts[2]) == read_log(CSV, carrier="twilio")


def test_added_errors_and_carriers():
    """Added logs keep both logs' errors; a carrier only when it is the same."""
    one, other = read_csv(line(), "x", on_error="collect"), read_log([{"status": "sent", "segments": 2}])

    log = one + other

    assert (log.carrier, log.errors, log.messages[1].replies) == (None, one.errors, 0)


def test_added_uneven():
    """Logs of which only one counts something cannot be added."""
    found = sentence(InvalidColumn, read_csv(line()).__add__, read_log([{"status": "sent"}]))

    assert found == "segments is given in one log only: read both with it, or both without"
    assert read_csv(line()).__add__([]) is NotImplemented


# --- rows that cannot be read ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "column", "rule"),
    [
        ({"Status": "teleported"}, "Status", "neither a word of twilio nor one of ours; nearest: delivered"),
        ({"Status": " "}, "Status", "is empty: every message needs a status"),
        ({"Direction": "sideways"}, "Direction", "must be inbound, or outbound with or without more after a -"),
        (
            {"SentDate": "yesterday"},
            "SentDate",
            "must be a moment, like 2026-05-01T09:30:00+02:00 or Fri, 01 May 2026 09:30:00 +0200",
        ),
        (
            {"SentDate": "2026-05-01T12:00:60Z"},
            "SentDate",
            "must be a moment, like 2026-05-01T09:30:00+02:00 or Fri, 01 May 2026 09:30:00 +0200",
        ),
        (
            {"SentDate": "1777636800000000"},
            "SentDate",
            "must be a moment, like 2026-05-01T09:30:00+02:00 or Fri, 01 May 2026 09:30:00 +0200",
        ),
        (
            {"SentDate": "2026-05-01 12:00"},
            "SentDate",
            'has no time zone: give timezone="UTC", or the zone its clock was in',
        ),
        ({"SentDate": "9999-12-31T23:59:59-12:00"}, "SentDate", "lies outside the calendar: correct the year"),
        ({"NumSegments": "-3"}, "NumSegments", "must be a whole number, 0 or more"),
        ({"NumSegments": "2.5"}, "NumSegments", "must be a whole number, 0 or more"),
        ({"NumSegments": "٣"}, "NumSegments", "must be a whole number, 0 or more"),
        ({"NumSegments": "1_0"}, "NumSegments", "must be a whole number, 0 or more"),
        ({"NumSegments": "256"}, "NumSegments", "must lie between 0 and 255; check where it was read from"),
        ({"Price": "NaN"}, "Price", "must be an amount, like 0.0079"),
        ({"Price": "sNaN"}, "Price", "must be an amount, like 0.0079"),
        ({"Price": "1_000"}, "Price", "must be an amount, like 0.0079"),
        ({"Price": "١٢"}, "Price", "must be an amount, like 0.0079"),
        ({"Price": "-1e999"}, "Price", "must be at most 1,000,000,000; check its unit"),
        ({"PriceUnit": "dollars"}, "PriceUnit", 'must be three letters; give an ISO 4217 code, like "USD"'),
        ({"PriceUnit": ""}, "Price", "has no currency: fill that column too"),
        (
            {"Status": "received", "SentDate": "", "Direction": "inbound"},
            "SentDate",
            "is empty: a reply needs the moment it was received",
        ),
    ],
)
def test_wrong_cells(cells, column, rule):
    """A cell that breaks a rule is refused by row, column, value and rule, or collected beside the rest."""
    rows = (line(), line(Sid="SM2", **cells), line(Sid="SM3"))

    with pytest.raises(InvalidRow) as caught:
        read_csv(*rows)
    log = read_csv(*rows, on_error="collect")

    error = caught.value
    assert (error.row, error.column, error.rule) == (3, column, rule)
    assert [str(each) for each in log.errors] == [str(error)]
    assert [message.message_id for message in log] == ["SM1", "SM3"]


def test_inbound_word_sent_out():
    """A word for replies in a row that is none is refused."""
    found = sentence(InvalidRow, read_csv, line(Status="received"))

    assert found.startswith("row 2, column 'Status': 'received' twilio uses it for messages from people")


@pytest.mark.parametrize(
    ("fields", "column", "rule"),
    [
        (
            {"to": 12025550143},
            "to",
            'must be text, as a number it lost its + and its zeros: read the column as text, like "+12025550143"',
        ),
        ({"message_id": [1]}, "message_id", "must be text or a whole number"),
        ({"message_id": pd.Series([1, 2])}, "message_id", "must be text or a whole number"),
        ({"status": ["sent"]}, "status", "is not a value of a cell"),
        ({"status": 3}, "status", "not a status we know; nearest: "),
        ({"sent_at": 1777636800}, "sent_at", "must be a moment, like 2026-05-01T09:30:00+02:00"),
        ({"price": 0.5}, "price", 'money is never a float; give a Decimal made from text, like Decimal("0.0079")'),
        (
            {"price": Decimal(-1)},
            "price",
            "must not be negative; negate it, or give carrier= if the carrier writes it so",
        ),
        ({"price": Decimal("Infinity")}, "price", "must be a finite amount; leave it out when it is not known"),
        ({"price": Decimal("sNaN")}, "price", "is not a value of a cell"),
        (
            {"revenue": "-1"},
            "revenue",
            "must not be negative; negate it if the log writes charges as negatives, as Twilio does",
        ),
        ({"clicks": 1.5}, "clicks", "must be a whole number, 0 or more"),
        ({"clicks": 10**5000}, "clicks", "must be a whole number, 0 or more"),
        ({"step": 0}, "step", "counting starts at 1; give 1 for the first"),
        ({"opted_out": "perhaps"}, "opted_out", "must be one of true, false, yes, no, 1, 0"),
        ({"opted_out": 10**5000}, "opted_out", "is not a value of a cell"),
        ({"error_code": 1.5}, "error_code", 'a code is text or a whole number; give it as text, like "30005"'),
        ({"skip_reason": "no_number"}, "skip_reason", "does not go with the status sent"),
        ({"carrier": "vonage", "status": "7"}, "status", "neither a word of vonage nor one of ours; nearest: "),
    ],
)
def test_wrong_values(fields, column, rule):
    """A value of the wrong kind is refused the same way."""
    with pytest.raises(InvalidRow) as caught:
        read_log([{"status": "sent", "currency": "USD", **fields}])

    error = caught.value
    assert (error.row, error.column) == (1, column)
    assert error.rule == rule or (rule.endswith(": ") and error.rule.startswith(rule))


def test_ambiguous_word():
    """A word that means several things at its carrier and nothing with us is no word for replies either."""
    found = sentence(InvalidRow, read_log, [{"status": "deleted", "carrier": "sinch"}])

    assert "it means several things" in found


@pytest.mark.parametrize(
    ("text", "row", "column", "value"),
    [
        ("a,b", 3, "Body", None),
        (f"{line(Sid='SM2')},extra,", 3, "PriceUnit", ["extra", ""]),
        ('"never closed', 3, "To", None),
        ("x" * 200_000, 3, "From", "the line"),
    ],
)
def test_ragged_lines(text, row, column, value):
    """A line with too few or too many cells is refused by its number in the file."""
    with pytest.raises(InvalidRow) as caught:
        read_csv(line(), text)
    log = read_csv(line(), text, line(Sid="SM9"), on_error="collect")

    assert (caught.value.row, caught.value.column, caught.value.value) == (row, column, value)
    assert [each.row for each in log.errors] == [3]
    assert len(log) == (1 if text.startswith('"') else 2)


def test_rows_are_lines():
    """A row is the line on which it begins, the header being 1."""
    lines = (line(Body='"a\nb\nc"'), "", line(Sid="SM2", Status="bad"))

    assert sentence(InvalidRow, read_csv, *lines).startswith("row 6, column 'Status': 'bad'")


def test_wrong_records():
    """A record that is none is refused by its number, in JSON lines by its line."""
    lines = '{"status": "sent"}\n\nnot json\n["x"]\n{"status": "sent"}\n'

    log = read_text(lines, "jsonl", on_error="collect")
    other = read_text('[{"status": "sent"}, 3, {"status": "bad"}]', "json", on_error="collect")

    assert len(log) == 2
    assert [str(error) for error in log.errors] == [
        "row 3, column 'record': 'not json' is not JSON: Expecting value: line 1 column 1 (char 0)",
        "row 4, column 'record': ['x'] must be a mapping of names to values",
    ]
    assert [error.row for error in other.errors] == [2, 3]


def test_uneven_counts():
    """A count that some rows have and others lack is refused: it must be one or the other."""
    rows = (line(), line(Sid="SM2", NumSegments=""), line(Sid="SM3"))

    found = sentence(InvalidRow, read_csv, *rows)
    log = read_csv(*rows, on_error="collect")

    rule = "is all there is, and other rows have a number: write 0 where nothing happened, or leave the column out"
    assert found == f"row 3, column 'NumSegments': None {rule}"
    assert ([m.message_id for m in log], [error.row for error in log.errors]) == (["SM1", "SM3"], [3])
    assert read_csv(line(NumSegments="")).messages[0].segments is None


# --- attaching ---------------------------------------------------------------------------------

AUDIENCE = [
    {"to": "001 202 555-0143", "contact_id": "p1", "contact_name": "Ana", "campaign_id": "c1", "variant": "A"},
    {"to": BEN, "contact_id": "p2", "contact_name": None, "campaign_id": "c1", "variant": "B"},
]
CAROL = "+12025550145"


@pytest.fixture
def log():
    """Three messages to two people, and one to somebody else; replies by Ana and by one who got nothing."""
    rows = [
        sent(0, message_id="a1"),
        sent(0, BEN, message_id="b1"),
        sent(10, message_id="a2", price="0.01", currency="USD"),
    ]
    return read_log(
        [
            *rows,
            sent(0, CAROL, message_id="c1"),
            answered(5, "stop"),
            answered(1, to="+12025550150") | {"sender": "+12025550150"},
        ]
    )


def test_audience(log):
    """An audience says of each number who it is; messages and replies know it then."""
    joined = log.attach(audience=AUDIENCE)

    assert [(m.contact_id, m.contact_name, m.campaign_id, m.variant, m.list_id) for m in joined] == [
        ("p1", "Ana", "c1", "A", None),
        ("p2", None, "c1", "B", None),
        ("p1", "Ana", "c1", "A", None),
        (None, None, None, None, None),
    ]
    assert [(r.message_id, r.contact_id, r.campaign_id, r.variant) for r in joined.replies] == [
        ("a1", "p1", "c1", "A"),
        (None, None, None, None),
    ]
    assert [(o.message_id, o.contact_name, o.campaign_id) for o in joined.opt_outs] == [("a1", "Ana", "c1")]
    assert (joined.unmatched, joined.unattributed) == (1, 1)
    assert [m.opted_out for m in joined] == [m.opted_out for m in log] == [True, False, False, False]


def test_audience_of_unattributed():
    """A reply to nothing is known by its number, and still belongs to no campaign."""
    log = read_log([answered(0)]).attach(audience=AUDIENCE)

    assert [(r.contact_id, r.contact_name, r.campaign_id) for r in log.replies] == [("p1", "Ana", None)]


def test_audience_fills():
    """An audience fills what messages do not say themselves, and overrules nothing."""
    rows = [sent(0, campaign_id="own"), sent(0, to=None), sent(0)]

    log = read_log(rows).attach(audience=AUDIENCE)

    assert [m.campaign_id for m in log] == ["own", None, "c1"]
    assert log.unmatched == 1


@pytest.mark.parametrize(
    "audience",
    [
        lambda path: path.write_text(pl.DataFrame(AUDIENCE).write_csv()) and path,
        lambda _: pl.DataFrame(AUDIENCE),
        lambda _: pd.DataFrame(AUDIENCE),
        lambda _: pa.Table.from_pylist(AUDIENCE),
        lambda _: AUDIENCE + AUDIENCE,
    ],
    ids=["path", "polars", "pandas", "arrow", "repeated"],
)
def test_audience_sources(log, tmp_path, audience):
    """An audience may be a file, a frame or mappings; the same row twice is one."""
    assert log.attach(audience=audience(tmp_path / "audience.csv")) == log.attach(audience=AUDIENCE)


def test_audience_contradiction(log):
    """Two different rows for one number are refused, naming both."""
    rows = [{"to": ANA, "variant": "A"}, {"to": BEN, "variant": "A"}, {"to": f" {ANA}", "variant": "B"}]

    found = sentence(InvalidRow, log.attach, audience=rows)

    assert (
        found
        == "row 3, column 'to': '+12025550143' is also in row 1, with another variant: keep one row for each number"
    )


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"message_id": "a1"}, "a1"),
        ({"message_id": "gone"}, None),
        ({"to": ANA}, "a1"),
        ({"to": "001-202-555-0143", "clicked_at": at(20)}, "a2"),
        ({"contact_id": "p2"}, "b1"),
        ({"contact_id": "p9", "to": BEN}, "b1"),
        ({"contact_id": "p1", "message_id": None, "clicked_at": "2026-05-01T12:10:00Z"}, "a2"),
        ({"to": ANA, "clicked_at": at(-1)}, None),
        ({"to": "+12025550150"}, None),
    ],
)
def test_clicks(log, row, expected):
    """A click belongs to the message it names, else to the last one sent to that person before it."""
    click = {"clicked_at": at(5), "click_id": "k", "url": "https://example.com", **row}

    joined = log.attach(audience=AUDIENCE, clicks=[click])

    assert {m.message_id: m.clicks for m in joined} == {"a1": 0, "a2": 0, "b1": 0, "c1": 0} | (
        {expected: 1} if expected else {}
    )
    (event,) = joined.clicks
    assert (event.message_id, event.url) == (expected or row.get("message_id"), "https://example.com")
    assert event.campaign_id == ("c1" if expected else None)
    assert joined.unattributed == log.unattributed + (expected is None)


def test_click_knows_its_message(log):
    """A click carries what its message knows."""
    joined = log.attach(audience=AUDIENCE).attach(clicks=[{"clicked_at": at(5), "to": BEN}])

    who = {"message_id": "b1", "to": BEN, "contact_id": "p2", "campaign_id": "c1", "variant": "B", "sender": OURS}
    assert joined.clicks == (Click(clicked_at=at(5), **who),)


def test_clicks_once(log):
    """A click_id counts once; clicks without one all count."""
    clicks = [{"clicked_at": at(5), "to": ANA, "click_id": each} for each in ("k", "k", None, None)]

    joined = log.attach(clicks=clicks)

    assert (joined.messages[0].clicks, len(joined.clicks)) == (3, 3)


def test_orders(log):
    """Orders are counted with their message: own or assisted, revenue exact."""
    orders = [
        {"ordered_at": at(5), "to": ANA, "revenue": "0.10", "currency": "usd", "assisted": "no", "order_id": "1"},
        {"ordered_at": at(6), "to": ANA, "revenue": "0.20", "currency": "USD", "assisted": None, "order_id": "2"},
        {"ordered_at": at(6), "to": ANA, "revenue": "0.20", "currency": "USD", "assisted": None, "order_id": "2"},
        {"ordered_at": at(12), "message_id": "a2", "revenue": 3, "currency": "USD", "assisted": "yes"},
        {"ordered_at": at(12), "message_id": "b1", "revenue": None, "currency": None, "assisted": False},
        {"ordered_at": at(12), "to": "+12025550150", "revenue": 1, "currency": "EUR", "assisted": False},
    ]

    with localcontext(prec=1):
        joined = log.attach(orders=orders)

    counted = [(m.orders, m.revenue, m.assisted_orders, m.assisted_revenue, m.currency) for m in joined]
    assert counted == [
        (2, Decimal("0.30"), 0, None, "USD"),
        (1, None, 0, None, None),
        (0, None, 1, Decimal(3), "USD"),
        (0, None, 0, None, None),
    ]
    assert [(o.message_id, o.revenue, o.assisted) for o in joined.orders] == [
        ("a1", Decimal("0.10"), False),
        ("a1", Decimal("0.20"), False),
        ("a2", Decimal(3), True),
        ("b1", None, False),
        (None, Decimal(1), False),
    ]
    assert isinstance(joined.orders[0], Order)
    assert joined.unattributed == log.unattributed + 1


def test_orders_without_assisted(log):
    """Orders that do not say which are assisted measure none of those."""
    joined = log.attach(orders=[{"ordered_at": at(5), "to": ANA}])

    assert [(m.orders, m.assisted_orders) for m in joined] == [(1, None), (0, None), (0, None), (0, None)]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"revenue": "1"}, "column 'revenue': Decimal('1') has no currency: fill that column too"),
        (
            {"message_id": "a2", "revenue": "1", "currency": "EUR"},
            (
                "column 'currency': 'EUR' is not the USD that the message has:"
                " a message holds one currency; convert, or leave revenue out"
            ),
        ),
        (
            {"revenue": "-1", "currency": "EUR"},
            (
                "column 'revenue': '-1' must not be negative;"
                " negate it if the log writes charges as negatives, as Twilio does"
            ),
        ),
        ({"to": None}, "column 'to': None is all there is, and no message_id or contact_id: nobody is named"),
        ({"ordered_at": ""}, "column 'ordered_at': None is empty: every row needs it"),
    ],
)
def test_wrong_orders(log, order, expected):
    """An order that cannot be counted is refused by its row."""
    good = {"ordered_at": at(1), "to": ANA, "revenue": None, "currency": None, "message_id": None}

    assert sentence(InvalidRow, log.attach, orders=[good, good | order]) == f"row 2, {expected}"


def test_too_much_revenue(log):
    """A sum that no message may hold is refused by the row that reaches it."""
    order = {"ordered_at": at(1), "to": ANA, "revenue": "999999999", "currency": "EUR"}

    found = sentence(InvalidRow, log.attach, orders=[order, order])

    assert found.startswith("row 2, column 'revenue': Decimal('999999999') adds up to too much: ")


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (
            {"audience": [{"number": ANA}]},
            "the audience have no column 'to': give columns={'to': their name}. The columns: 'number'",
        ),
        (
            {"clicks": [{"to": ANA}]},
            "the clicks have no column 'clicked_at': give columns={'clicked_at': their name}. The columns: 'to'",
        ),
        (
            {"orders": [{"ordered_at": NOON}]},
            "the orders have no column 'to': give columns={'to': their name}. The columns: 'ordered_at'",
        ),
        (
            {"clicks": [{"to": ANA, "clicked_at": NOON}], "columns": {"click": "to"}},
            "columns= names 'click', which is no name of ours; nearest: click_id, clicked_at",
        ),
    ],
)
def test_attached_columns(log, kinds, expected):
    """A table without the columns it needs is refused with those it has."""
    assert sentence(InvalidColumn, log.attach, **kinds) == expected


def test_attached_names(log):
    """columns= and timezone= are for the table attached, whose names are found in any case."""
    rows = [{"Clicked": "2026-05-01 14:05", "TO": ANA}]

    joined = log.attach(clicks=rows, columns={"clicked_at": "Clicked"}, timezone="Europe/Paris")

    assert joined.clicks[0].clicked_at == at(5)


@pytest.mark.parametrize("column", ["clicks", "orders", "assisted_orders"])
def test_attached_counts_given_twice(column):
    """Counts in a column and events attached are not added up but refused."""
    log = read_log([{"status": "sent", column: 1}])
    kind = "clicks" if column == "clicks" else "orders"

    found = sentence(InvalidColumn, log.attach, **{kind: []})

    assert found == f"{kind} are given twice: attached, and in the column {column!r}; leave one out"


def test_attached_in_any_steps(log):
    """Attaching at once or one after the other is the same."""
    clicks = [{"clicked_at": at(5), "contact_id": "p1"}]
    orders = [{"ordered_at": at(6), "contact_id": "p1", "revenue": "1", "currency": "EUR"}]

    at_once = log.attach(audience=AUDIENCE, clicks=clicks, orders=orders)

    assert log.attach(audience=AUDIENCE).attach(orders=orders).attach(clicks=clicks) == at_once
    assert log.attach() == log


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        (
            {"audience": AUDIENCE},
            {"audience": AUDIENCE},
            "audience attached twice: attach all of it at once, to the log as it was read",
        ),
        ({"clicks": []}, {"clicks": []}, "clicks attached twice: attach all of it at once, to the log as it was read"),
        (
            {"clicks": []},
            {"audience": AUDIENCE},
            "the audience comes last: attach it first, because clicks and orders find people by it",
        ),
        (
            {},
            {"clicks": [], "orders": [], "columns": {"to": "To"}},
            "columns= is for one table: attach one after the other, the audience first",
        ),
    ],
)
def test_attached_twice(log, first, then, expected):
    """Each kind is attached once, the audience first."""
    assert sentence(InvalidValue, log.attach(**first).attach, **then) == expected


def test_attached_not_added(log):
    """Logs are added before anything is attached."""
    found = sentence(InvalidValue, log.__add__, log.attach(audience=AUDIENCE))

    assert found == "something is attached to one of the logs: add them first, then attach once"


def test_empty_tables(log):
    """Empty tables attach nothing, and say so with zeros."""
    joined = log.attach(audience=[], clicks=[], orders=pl.DataFrame())

    assert [(m.clicks, m.orders) for m in joined] == [(0, 0)] * 4
    assert joined.unmatched == 4
    assert len(read_log([]).attach(audience=AUDIENCE, clicks=[])) == 0


# --- the noun ----------------------------------------------------------------------------------


def test_log(log):
    """A log has a length, shows its sizes, is equal to its like and survives pickling."""
    assert (len(log), len(Log())) == (4, 0)
    assert repr(log) == "<Log: 4 messages, 2 replies, 1 opt-outs, 1 unattributed>"
    assert log == pickle.loads(pickle.dumps(log))  # noqa: S301 - our own
    assert list(log) == list(log.messages)


# --- laws --------------------------------------------------------------------------------------

MOMENTS = st.integers(0, 5).map(lambda n: at(n).isoformat())
OUTBOUND = st.fixed_dictionaries(
    {
        "message_id": st.sampled_from("abcdef"),
        "direction": st.just("outbound"),
        "sender": st.sampled_from([OURS, OTHER]),
        "to": st.sampled_from([ANA, BEN, "001 202 555 0143"]),
        "status": st.sampled_from([each.value for each in Status if each is not Status.SKIPPED]),
        "error_code": st.sampled_from(["", "30003", "30005", "21610", "30008"]),
        "carrier": st.just("twilio"),
        "segments": st.integers(0, 3),
        "price": st.sampled_from(["", "-0.0079", "-0.0158"]),
        "currency": st.just("USD"),
        "sent_at": MOMENTS | st.just(""),
        "text": st.just(""),
    }
)
INBOUND = st.fixed_dictionaries(
    {
        "message_id": st.sampled_from("rstuv"),
        "direction": st.just("inbound"),
        "sender": st.sampled_from([ANA, BEN, "+12025550150"]),
        "to": st.sampled_from([OURS, OTHER]),
        "sent_at": MOMENTS,
        "text": st.sampled_from(["STOP", "START", "hello", ""]),
        "status": st.just(""),
        "error_code": st.just(""),
        "carrier": st.just("twilio"),
        "segments": st.just(""),
        "price": st.just(""),
        "currency": st.just(""),
    }
)
ROWS = st.lists(OUTBOUND | INBOUND, max_size=12)


def facts(log):
    """Return what a log says, whatever the order of its rows."""
    return (
        {message.message_id: message for message in log},
        {reply.reply_id: reply for reply in log.replies},
        Counter(log.opt_outs),
        log.unattributed,
    )


@UNHURRIED
@given(ROWS, st.data())
def test_order_and_repetition(rows, data):
    """Rows in any order and any repetition give the same messages, replies and attribution."""
    again = data.draw(st.lists(st.sampled_from(rows), max_size=6)) if rows else []
    shuffled = data.draw(st.permutations(rows + again))

    one, other = read_log(rows), read_log(shuffled)

    assert facts(one) == facts(other)
    assert one.duplicates + len(again) == other.duplicates


@UNHURRIED
@given(ROWS, st.integers(0, 12))
def test_addition(rows, place):
    """Adding logs gives what reading the rows of both gives, in the same order."""
    assert read_log(rows[:place]) + read_log(rows[place:]) == read_log(rows)


@UNHURRIED
@given(ROWS)
def test_built_as_constructed(rows):
    """A message of a log is what `Message` makes of its fields, to the last derived one."""
    log = read_log(rows).attach(
        clicks=[{"clicked_at": at(3), "to": ANA}],
        orders=[{"ordered_at": at(3), "to": BEN, "revenue": "1.5", "currency": "USD", "assisted": "no"}],
    )

    for message in log:
        made = Message(**{name: getattr(message, name) for name in MESSAGE_COLUMNS})
        assert made == message
        assert made.facts_ is message.facts_
        assert (made.bucket_, made.latest_) == (message.bucket_, message.latest_)


JUNK = (
    st.text(max_size=8)
    | st.sampled_from(
        ["", "NaN", "1e999", "-0", "0x1", "٣", "received", "inbound", "1.0", "USD", "2026-05-01", "\ud800", "\x00"]
    )
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.datetimes(timezones=st.none() | st.just(UTC))
    | st.lists(st.integers(), max_size=1)
    | st.binary(max_size=3)
)


@UNHURRIED
@given(st.lists(st.dictionaries(st.sampled_from([*LAYOUTS["twilio"][0].columns.values()]), JUNK), max_size=4))
def test_junk_in_a_carriers_log(rows):
    """Junk cells give an error or a message or a reply, and nothing is lost."""
    good = dict(zip(HEADER.split(","), line(Sid="").split(","), strict=True))
    rows = [good | row | {"Sid": ""} for row in rows]

    log = read_log(rows, carrier="twilio", on_error="collect")

    assert len(log) + len(log.replies) + len(log.errors) == len(rows)
    tally_rows(log)
    if log.errors:
        with pytest.raises(InvalidRow):
            read_log(rows, carrier="twilio")


@UNHURRIED
@given(
    st.lists(
        st.fixed_dictionaries(
            {"status": st.just("sent") | JUNK, "currency": JUNK},
            optional={name: JUNK for name in MESSAGE_COLUMNS if name not in {"status", "message_id", "currency"}},
        ),
        max_size=4,
    )
)
def test_junk_in_our_columns(rows):
    """Junk in any column of ours gives an error or a valid message, and nothing is lost."""
    log = read_log(rows, on_error="collect")

    assert len(log) + len(log.errors) == len(rows)
    for message in log:
        assert Message(**{name: getattr(message, name) for name in MESSAGE_COLUMNS}) == message


@UNHURRIED
@given(st.binary(max_size=60), st.sampled_from(["csv", "json", "jsonl", "parquet"]))
def test_junk_files(content, kind):
    """Any bytes as any format give a log or one of our errors."""
    with contextlib.suppress(InvalidValue):
        read_log(io.BytesIO(content), format=kind, on_error="collect")


def test_the_latest_moment_of_a_log_is_that_of_all_it_holds():
    """What came back after the last message moves as_of, of the log and of its summary."""
    log = read_log([{"to": ANA, "status": "sent", "sent_at": at(1)}])
    clicked = log.attach(clicks=[{"clicked_at": at(3), "to": ANA}])

    assert (log.as_of, clicked.as_of, summarize(clicked).as_of) == (at(1), at(3), at(3))
    assert read_log([{"to": ANA, "status": "sent"}]).as_of is None
