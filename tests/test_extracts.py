"""What a tracker exports: the log of a campaign, written column by column, as a report would write it row by row."""

from __future__ import annotations

import io
import json
from decimal import Decimal

import pyarrow.parquet as pq
import pytest

import campaignkit as ck
from campaignkit import exports
from campaignkit.exports import LOG_COLUMNS
from campaignkit.models import Click, Order, Receipt, Reply
from strategies import CARRIER, NOON, moment
from tracker_oracle import SPRING, told, tracking

NAMES = (None, "Ann", "Ann, Ben", '"Ann"', "=1+1", "-5", "+", "@ann", "Zoë", "a\nb", "＝1", "x=1")


def campaign():
    """Return a tracker of messages of every kind, some of which were answered, and one that ordered twice."""
    messages = [
        told(
            message_id=f"m{place:03}",
            contact_name=NAMES[place % len(NAMES)],
            to=f"+1202555{place:04}",
            variant="ab"[place % 2],
            step=place % 3 + 1,
            carrier_id=f"SM{place}",
            sent_at=None if place % 7 == 0 else moment(place + place % 4 / 7),
            created_at=NOON if place % 5 == 0 else None,
            status=("skipped", "queued", "sent")[min(place % 7, 2)],
            skip_reason="quiet_hours" if place % 14 == 0 else None,
            segments=1 + place % 2,
            price=(None, Decimal("0.0079"), Decimal(1), Decimal("1.50"))[place % 4],
            currency="USD",
        )
        for place in range(60)
    ]
    tracker = tracking(*messages)
    ends = {1: ("undelivered", "30003"), 2: ("undelivered", "30006"), 3: ("delivered", None), 4: ("rejected", "x,y")}
    receipts = [
        Receipt(message_id=f"m{place:03}", carrier=CARRIER, status=status, error_code=code, at=moment(90 + place / 8))
        for place in range(60)
        for status, code in [ends.get(place % 7, (None, None))]
        if status is not None
    ]
    about = {"message_id": "m003"}
    tracker.ingest(
        [
            *receipts,
            Reply(**about, received_at=moment(200), text="STOP"),
            Reply(message_id="m010", received_at=moment(201), text="yes"),
            Click(**about, clicked_at=moment(202.5)),
            Order(**about, ordered_at=moment(203), order_id="o1", revenue=Decimal("12.30"), currency="USD"),
            Order(**about, ordered_at=moment(204), order_id="o2", revenue=Decimal(2), currency="USD", assisted=True),
        ]
    )
    return tracker


@pytest.mark.parametrize("page", [1, 7, 1000])
def test_a_csv_is_what_a_report_of_the_messages_writes(tmp_path, monkeypatch, page):
    """However long its pages, the log of a tracker is byte for byte the log of a report of its messages."""
    tracker = campaign()
    monkeypatch.setattr("campaignkit.tracker.extracts.PAGE", page)
    monkeypatch.setattr(exports, "PAGE", page)

    tracker.to_csv(SPRING, tmp_path / "own.csv")

    ck.Report.of([*tracker.messages(SPRING)]).to_csv(tmp_path / "theirs.csv")
    assert (tmp_path / "own.csv").read_bytes() == (tmp_path / "theirs.csv").read_bytes()
    manifest = json.loads((tmp_path / "own.csv.manifest.json").read_text("utf-8"))
    assert (manifest["rows"], manifest["columns"]) == (60, list(LOG_COLUMNS))


def test_parquet_is_what_a_report_of_the_messages_writes(tmp_path):
    """The log of a tracker as Parquet holds the values of a report's, in the same types."""
    tracker = campaign()

    tracker.to_parquet(SPRING, tmp_path / "own.parquet")

    ck.Report.of([*tracker.messages(SPRING)]).to_parquet(tmp_path / "theirs.parquet")
    own, theirs = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("own", "theirs"))
    assert own.schema.equals(theirs.schema)
    assert own.to_pylist() == theirs.to_pylist()


def test_a_campaign_without_messages_is_the_names_of_the_columns():
    """Of a campaign that nobody recorded there is a first line, and no other."""
    file = io.StringIO(newline="")

    tracking().to_csv("nothing", file)

    assert file.getvalue() == ",".join(LOG_COLUMNS) + "\r\n"
