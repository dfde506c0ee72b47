"""The data that every benchmark measures: seeded, in the proportions of real campaigns."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import polars as pl

from campaignkit import Message, Receipt

START = datetime(2026, 1, 1, tzinfo=UTC)
STATUSES = ("delivered", "undelivered", "sent", "pending")
SHARES = (0.90, 0.055, 0.03, 0.015)
CODES = ("30003", "30004", "30005", "30006", "30007", "30008", "30034", "21610", "30410")


def frame(rows: int, campaigns: int = 100) -> pl.DataFrame:
    """Messages ordered by time, about four campaigns at once."""
    rng = np.random.default_rng(7)
    place = np.arange(rows)
    campaign = np.clip(place * campaigns // rows + rng.integers(-2, 3, rows), 0, campaigns - 1)
    status = rng.choice(len(STATUSES), rows, p=SHARES)
    code = np.where(status == 1, rng.integers(0, len(CODES), rows), len(CODES))
    sent = np.datetime64("2026-01-01T00:00:00", "us") + (place * 1_000_000).astype("timedelta64[us]")
    taken = (rng.lognormal(1.5, 1.0, rows) * 1_000_000).astype("timedelta64[us]")
    names = pl.Series([f"campaign-{number:03d}" for number in range(campaigns)])
    delivered = pl.Series("delivered_at", sent + taken)
    return pl.DataFrame(
        {
            "campaign_id": names.gather(campaign),
            "variant": pl.Series(["a", "b"]).gather(rng.integers(0, 2, rows)),
            "contact_id": pl.Series(rng.integers(0, max(1, rows // 3), rows)),
            "status": pl.Series(STATUSES).gather(status),
            "error_code": pl.Series([*CODES, None]).gather(code),
            "segments": pl.Series(rng.integers(1, 3, rows)),
            "replies": pl.Series((rng.random(rows) < 0.05).astype(np.int64)),
            "clicks": pl.Series(rng.poisson(0.3, rows).astype(np.int64)),
            "sent_at": pl.Series(sent),
            "delivered_at": pl.select(pl.when(pl.Series(status == 0)).then(delivered)).to_series(),
        }
    ).with_columns(pl.col("sent_at", "delivered_at").dt.replace_time_zone("UTC"))


def records(rows: int, kind: str) -> list[Message]:
    """Messages as objects: ``segments`` only, ``money`` with everything counted, or ``latency`` too."""
    chance = random.Random(7)
    made = []
    for place in range(rows):
        status = chance.choices(STATUSES, SHARES)[0]
        fields: dict[str, object] = {
            "status": status,
            "campaign_id": f"campaign-{place * 10 // rows}",
            "variant": chance.choice("ab"),
            "carrier": "twilio",
            "error_code": chance.choice(CODES) if status == "undelivered" else None,
            "segments": chance.choice((1, 2)),
        }
        if kind != "segments":
            fields |= {
                "replies": int(chance.random() < 0.05),
                "stop_replies": 0,
                "clicks": int(chance.random() < 0.2),
                "opted_out": chance.random() < 0.01,
                "orders": int(chance.random() < 0.01),
                "price": Decimal("0.0079"),
                "currency": "USD",
            }
        if kind == "latency":
            sent = START + timedelta(seconds=place)
            later = sent + timedelta(seconds=chance.lognormvariate(1.5, 1))
            fields |= {"sent_at": sent, "delivered_at": later if status == "delivered" else None}
        made.append(Message(**fields))  # type: ignore[arg-type]  # fields of many kinds
    return made


def receipts(messages: int) -> tuple[list[Message], list[Receipt]]:
    """Messages and three receipts for each, a few doubled and out of order."""
    chance = random.Random(7)
    sent = [
        Message(message_id=f"SM{place:032d}", status="queued", campaign_id=f"campaign-{place % 20}", carrier="twilio")
        for place in range(messages)
    ]
    events = []
    for place, message in enumerate(sent):
        failed = chance.random() < 0.06
        last = "undelivered" if failed else "delivered"
        code = chance.choice(CODES) if failed else None
        at = START + timedelta(seconds=place)
        events += [
            Receipt(message_id=message.message_id, status="sending", received_at=at),
            Receipt(message_id=message.message_id, status="sent", received_at=at),
            Receipt(message_id=message.message_id, status=last, error_code=code, received_at=at + timedelta(seconds=5)),
        ]
    for place in range(0, len(events) - 1, 50):
        events[place], events[place + 1] = events[place + 1], events[place]
    events += events[::33]
    return sent, events
