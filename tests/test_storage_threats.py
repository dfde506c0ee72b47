"""What somebody hostile, or a carrier gone wrong, may bring as far as tracker and storage: nothing comes of it.

The names T-D.., T-T.., T-N.., T-R.. and T-S.. are those of the list of threats that the library is held to.
"""

from __future__ import annotations

import ast
import base64
import datetime as dt
import json
import pickle
import tracemalloc
from decimal import Decimal
from pathlib import Path

import attrs
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import campaignkit
from campaignkit.backends.carriers import Request, Telnyx
from campaignkit.backends.carriers.port import Submission
from campaignkit.backends.storage import SqlStorage, schema
from campaignkit.backends.storage.memory import MemoryStorage
from campaignkit.backends.storage.tables import INBOX, RECEIPTS, VERSION
from campaignkit.errors import CampaignKitError, InvalidColumn, InvalidValue, UnsupportedSchema
from campaignkit.grouping import days, hours, micros_of
from campaignkit.models import Attempt, Click, Keyword, Message, OptOut, Order, Receipt, Reply
from campaignkit.tracker import Tracker
from campaignkit.tracker.ingest import Ingested
from strategies import CARRIER, NOON, moment
from tracker_oracle import SPRING, only, rows, same_numbers, stored, told, tracking

ANA = "+12025550143"
HOSTILE = [
    "1; DROP TABLE campaignkit_messages--",
    "' OR 1=1--",
    '"; DELETE FROM campaignkit_messages; --',
    "%s",
    "%(tenant)s",
    ":tenant",
    "?",
    "$1",
    "{0}",
    "\\",
    "%" * 1000,
    "_",
    "../../etc/passwd",
    "\u202e\u2066",
    "NULL",
]


def says(status="delivered", message_id="m1", **fields):
    """Return a receipt."""
    return Receipt(**{"status": status, "carrier": CARRIER, "message_id": message_id, "received_at": NOON, **fields})


# --- D: tenancy, ids, SQL ------------------------------------------------------------------------


def test_statements_in_ids_are_ids(storage):
    """T-D01, T-D05: what looks like SQL, a pattern or a placeholder is kept as it is, and finds itself alone."""
    trackers = {text: Tracker(storage, tenant=text, clock=lambda: NOON) for text in HOSTILE}
    for text, tracker in trackers.items():
        fields = {"campaign_id": text, "contact_id": text, "to": text, "variant": text, "sender": text}
        tracker.record([Message(message_id=text, status="sent", sent_at=NOON, carrier_id=text, **fields)])
        tracker.ingest(
            [
                Receipt(status="delivered", carrier_id=text, received_at=NOON),
                Reply(to=text, received_at=moment(1), text=text, reply_id=text),
                Click(message_id=text, clicked_at=moment(2), url=text, click_id=text),
                Order(message_id=text, ordered_at=moment(3), order_id=text),
                OptOut(to=text, opted_out_at=moment(4)),
            ]
        )

    for text, tracker in trackers.items():
        assert [each.message_id for each in tracker.messages(text)] == [text]
        summary = tracker.summary(text, by="variant")[text]
        assert (summary.counts.delivered, summary.counts.replied, summary.counts.opted_out) == (1, 1, 1)
        assert tracker.verify_counters() == []


@pytest.mark.parametrize("order", ["id; --", "variant; DROP TABLE x", "variant DESC", "*", "1"])
def test_only_columns_that_are_counted_are_asked_by(order):
    """T-D01: what to break down by is one of a few words, never a piece of a statement."""
    with pytest.raises(InvalidColumn):
        tracking().summary(SPRING, by=order)


def test_a_carriers_id_belongs_to_one_tenant(storage):
    """T-D02: the same id of a carrier in two tenants; a receipt for one changes the other's row in nothing."""
    one, other = (
        tracking(told(carrier_id="SM1", variant=name), storage=storage, tenant=name) for name in ("one", "other")
    )
    before = rows(one, "one")

    other.ingest([Receipt(status="delivered", carrier=CARRIER, carrier_id="SM1")])
    other.ingest([Receipt(status="delivered", carrier=CARRIER, carrier_id="SM2")])

    assert rows(one, "one") == before
    assert (only(one).status, only(other).status) == ("queued", "delivered")
    assert (one.notes(), other.notes()) == ({}, {("waiting", ""): 1})


def test_bytes_are_text_or_refused(storage):
    """T-D07: what a carrier sent is kept as plain text, whatever it looks like; a number is no bytes."""
    evil = pickle.dumps(print)
    tracker = tracking(storage=storage)
    tracker.ingest([says(raw={"custom": evil, "inner": {"set": {1}}, "nul": "a\0b"})])

    (row,) = stored(tracker, RECEIPTS).values()
    assert json.loads(json.dumps(row["raw"])) == {"custom": str(evil), "inner": {"set": "{1}"}, "nul": "a\ufffdb"}
    with pytest.raises(InvalidValue):
        told(to=evil)


def test_nothing_is_ever_unpickled():
    """T-D07: no module of the library, but for those that hosts test with, knows how to run what it reads."""
    dangerous, library = (
        {"pickle", "marshal", "shelve", "dill", "cloudpickle", "yaml"},
        Path(campaignkit.__file__).parent,
    )
    for path in {*library.rglob("*.py")} - {*library.glob("testing/**/*.py")}:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not dangerous & {name.split(".")[0] for name in names}, path


# --- T: time -------------------------------------------------------------------------------------

ZONES = [
    "../../etc/passwd",
    "/etc/passwd",
    "Europe/Pa\0ris",
    "A" * 100_000,
    "",
    "Europe",
    "tzdata.zi",
    "leapseconds",
    5,
]


@pytest.mark.parametrize("zone", ZONES, ids=[str(each)[:20].replace("\0", "0") for each in ZONES])
@pytest.mark.parametrize("unit", [hours, days])
def test_paths_are_no_zones(zone, unit):
    """T-T01: a summary by the hours of what is no zone is refused, always in the same way."""
    with pytest.raises(InvalidValue):
        tracking().summary(SPRING, by=unit("sent_at", zone=zone))


NAIVE = dt.datetime(2026, 11, 1, 1, 30)  # noqa: DTZ001 - the point of it


@pytest.mark.parametrize(
    "tell",
    [
        lambda it: it.record([told(sent_at=NAIVE)]),
        lambda it: it.ingest([says(at=NAIVE)]),
        lambda it: it.ingest([says(received_at=NAIVE)]),
        lambda it: it.ingest([says()], now=NAIVE),
        lambda it: it.ingest([Click(message_id="m1", clicked_at=NAIVE)]),
        lambda it: it.ingest([Reply(message_id="m1", received_at=NAIVE)]),
        lambda it: it.log(SPRING, since=NAIVE),
    ],
)
def test_a_time_without_a_zone_is_refused(tell):
    """T-T02: nobody guesses where it is from, and nothing of the call is kept."""
    tracker = tracking()
    before = rows(tracker)

    with pytest.raises(InvalidValue):
        tell(tracker)

    assert rows(tracker) == before


def _at(*given, off=0):
    return dt.datetime(*given, tzinfo=dt.timezone(dt.timedelta(hours=off)))


@pytest.mark.parametrize(
    "at",
    [
        _at(1, 1, 1),
        _at(1, 1, 1, off=14),
        _at(1, 1, 1, off=-12),
        _at(1969, 12, 31, 23),
        _at(9999, 12, 31, 23, 59, 59),
        _at(9999, 12, 31, 23, 59, 59, off=-12),
        _at(9999, 12, 31, 23, 59, 59, off=14),
    ],
    ids=str,
)
def test_the_ends_of_time(at):
    """T-T05: what is told of the year 1 or 9999 is kept or refused, and every question still has an answer."""
    tracker = tracking(told("m0"))
    for tell in (
        lambda: tracker.record([told("m1", "sent", sent_at=at)]),
        lambda: tracker.submitted("m0", Attempt(), _taken(), now=at),
        lambda: tracker.ingest([says(message_id="m0", at=at, received_at=None)]),
        lambda: tracker.ingest([says(message_id="m0", received_at=at, status="sent")], now=at),
        lambda: tracker.ingest([Reply(message_id="m0", received_at=at), Order(message_id="m0", ordered_at=at)]),
        lambda: tracker.ingest([Click(message_id="m0", clicked_at=at)]),
    ):
        try:
            tell()
        except InvalidValue:
            assert tracker.verify_counters() == []

    for zone in ("UTC", "Pacific/Kiritimati", "Etc/GMT+12"):
        for unit in (hours, days):
            try:
                tracker.summary(SPRING, by=unit("sent_at", zone=zone))
            except CampaignKitError as error:
                assert "sent_at" in str(error)  # noqa: PT017 - some are refused, some are not
    assert tracker.summary(SPRING).counts.total >= 1
    assert len(tracker.log(SPRING)) >= 1
    assert same_numbers(tracker)
    assert tracker.rebuild(SPRING) == []


def _taken():
    return Submission(outcome="taken", carrier=CARRIER, carrier_id="SM0")


# --- T-T08: a carrier's clock

DAY = 86_400
MINUTE = 60


@pytest.mark.parametrize(
    ("at", "delivered_at"),
    [
        (60, 60),
        (-4 * MINUTE, -4 * MINUTE),
        (-6 * MINUTE, 90),
        (-3 * DAY, 90),
        (90 + 4 * MINUTE, 90 + 4 * MINUTE),
        (90 + 6 * MINUTE, 90),
        (3 * DAY, 90),
        (73 * 365 * DAY, 90),
    ],
)
@pytest.mark.parametrize("order", ["recorded, told", "told, recorded", "submitted last", "twice", "in the inbox"])
def test_a_time_that_a_carrier_cannot_mean(at, delivered_at, order):
    """T-T08: the status counts, it was delivered when we heard, and what the carrier sent is kept; in any order."""
    tracker = Tracker(MemoryStorage(), clock=lambda: NOON)
    message, raw = told("m1", "sent", sent_at=NOON, carrier_id="SM1"), {"time": str(at)}
    said = Receipt(
        status="delivered", carrier=CARRIER, carrier_id="SM1", at=moment(at), received_at=moment(90), raw=raw
    )
    if order == "recorded, told":
        tracker.record([message])
    if order == "submitted last":
        tracker.record([told("m1", "pending")], {"m1": Attempt(attempt_id="a-1")})
        said = attrs.evolve(said, attempt_id="a-1")
    tracker.ingest([said] * (2 if order == "twice" else 1))
    if order == "submitted last":
        tracker.submitted("m1", Attempt(attempt_id="a-1"), _taken(), now=NOON)
    tracker.record([message])

    assert (only(tracker).status, only(tracker).delivered_at) == ("delivered", moment(delivered_at))
    assert [row["raw"] for row in stored(tracker, RECEIPTS).values()] == [raw]
    assert only(tracker).last_event_at == moment(max(90, delivered_at))
    assert tracker.summary(SPRING).as_of == moment(max(90, delivered_at))
    assert same_numbers(tracker)
    before = rows(tracker)
    assert tracker.rebuild(SPRING) == []
    assert rows(tracker) == before


def test_of_two_times_the_one_that_can_be_meant():
    """T-T08: one fact told with two times, one of them before the message: the same end in every order."""
    early, sane = (says(at=moment(at), received_at=moment(seen)) for at, seen in ((-3 * DAY, 95), (60, 90)))
    found = set()
    for order in ([early, sane], [sane, early], [early, sane, early], [sane, sane, early]):
        tracker = tracking(told("m1", "sent", sent_at=NOON))
        for each in order:
            tracker.ingest([each])
        before = rows(tracker)
        tracker.rebuild(SPRING)
        assert rows(tracker) == before
        found.add(only(tracker).delivered_at)

    assert found == {moment(90)}


def test_silence_decides_nothing():
    """T-T08: three days without a word are no failure, whatever else is told: a receipt on day 4 finds no conflict."""
    tracker = tracking(told("m1", "sent", sent_at=NOON))
    for day in (3, 4):
        late = NOON + dt.timedelta(days=day, hours=1)
        tracker.ingest([says("sent", received_at=late), Click(message_id="m1", clicked_at=late)], now=late)
    tracker.ingest([says("delivered", received_at=late)], now=late)

    row = rows(tracker)["m1"]
    assert (row["status"], row["conflict"], row["delivered_at"]) == ("delivered", 0, micros_of(late))
    assert same_numbers(tracker)


def test_a_repeat_in_other_words_is_a_repeat():
    """T-W10: a carrier that comes again signs anew, at another time: what it says is what tells receipts apart."""
    tracker = tracking()
    for n in range(5):
        tracker.ingest([says("delivered", raw={"token": n}, received_at=moment(n))], now=moment(n))

    assert [row["duplicates"] for row in stored(tracker, RECEIPTS).values()] == [4]
    assert tracker.notes() == {("duplicate", CARRIER): 4}


# --- N: numbers and money ------------------------------------------------------------------------

SEED = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TELNYX = Telnyx(api_key="key", public_key=base64.b64encode(SEED.public_key().public_bytes_raw()).decode())


def from_telnyx(number, *, parts=1, amount="0.01", currency="USD"):
    """Return what a signed webhook of Telnyx says of a message's parts and price."""
    message = {"id": f"T{number}", "direction": "outbound", "to": [{"status": "delivered"}], "parts": parts}
    message["cost"] = {"amount": amount, "currency": currency}
    body = json.dumps({"data": {"event_type": "message.finalized", "payload": message}}).encode()
    stamp = str(int(NOON.timestamp()))
    signature = base64.b64encode(SEED.sign(stamp.encode() + b"|" + body)).decode()
    headers = {
        "Content-Type": "application/json",
        "telnyx-timestamp": stamp,
        "telnyx-signature-ed25519": signature,
    }
    return TELNYX.events(Request("POST", "https://app.example/hooks", headers, body), now=NOON)


@pytest.mark.parametrize(
    "junk",
    [
        {"amount": each}
        for each in ("NaN", "sNaN", "Infinity", "-Infinity", "-1", "1,23", "١٢.٥", "1_000", "1e999", "", None, True, {})
    ]
    + [{"currency": each} for each in ("", "dollars", None, 5, "US\0")]
    + [{"parts": each} for each in (-3, 0, 10**9, "2.5", True, None, [], "9" * 400)],
    ids=str,
)
def test_junk_prices_and_segments_are_nothing(junk):
    """T-N01, T-N03: the status counts; price or segments are unknown; sums are those of the others."""
    known = {"carrier": "telnyx", "sent_at": NOON}
    tracker = tracking(*(told(f"m{i}", "sent", carrier_id=f"T{i}", **known) for i in range(3)))
    for i in (0, 2):
        tracker.ingest(from_telnyx(i))
    found = tracker.ingest(from_telnyx(1, **junk))

    messages = {each.message_id: each for each in tracker.messages(SPRING)}
    assert tracker.summary(SPRING).counts.delivered == 3
    assert tracker.tally(SPRING).money[()]["cost", "USD"] == (30_000 if "parts" in junk else 20_000)
    assert (messages["m1"].price is None) is ("parts" not in junk)
    assert tracker.summary(SPRING).counts.segments == (None if "parts" in junk else 3)
    assert same_numbers(tracker)
    [value] = junk.values()
    said = value is not None and value != ""
    assert (found.unreadable, tracker.notes().get(("unreadable", "telnyx"), 0)) == (said, said)


def test_junk_that_waits_is_counted_when_its_message_is_known():
    """T-N01: a receipt that comes before its message is counted too, once."""
    tracker = tracking()
    early = from_telnyx(1, amount="NaN", parts=-3)

    assert [each.unreadable for each in early] == [("parts", "amount")]
    assert tracker.ingest(early).unreadable == 0
    tracker.record([told("m1", "sent", carrier_id="T1", carrier="telnyx", sent_at=NOON)])
    assert tracker.ingest(early).unreadable == 0
    assert tracker.notes()["unreadable", "telnyx"] == 1


@pytest.mark.parametrize(
    "junk",
    [{"price": Decimal(each), "currency": "USD"} for each in ("NaN", "sNaN", "Infinity", "-1", "1e30")]
    + [{"price": "1,23", "currency": "USD"}, {"price": 1}]
    + [{"segments": each} for each in (-3, 10**9, "2.5", True)],
    ids=str,
)
def test_junk_of_a_host_is_refused(junk):
    """T-N01, T-N03: who makes receipts by hand is told at once, before anything of it can be kept."""
    with pytest.raises(InvalidValue):
        says(**junk)


def test_rates_of_nothing_are_nothing():
    """T-N04: without a message that was sent there is no rate, and no error either."""
    summary = tracking(told("m1", "skipped", skip_reason="quiet_hours")).summary(SPRING)

    assert (summary.delivery_rate.value, summary.counts.sent) == (None, 0)


# --- R: resources --------------------------------------------------------------------------------


def test_long_texts_cost_no_more_than_their_length():
    """T-R01: what makes a bad expression run for ever is stored like any other text."""
    tracker = tracking(told("m1", "sent", sent_at=NOON, to="+" + "1" * 28 + "x"))
    texts = ["a" * 64_000, "STOP " * 12_000, " " * 64_000 + "STOP", "\u200b" * 20_000]

    for n, text in enumerate(texts):
        tracker.ingest([Reply(to="+" + "1" * 28 + "x", received_at=moment(n), text=text, reply_id=str(n))])

    assert tracker.summary(SPRING).counts.replied == 1
    assert same_numbers(tracker)


def test_a_flood_of_one_receipt_is_counted():
    """T-R02: thousands of one receipt are one row and a number; memory stays where it is."""
    tracker = tracking()
    flood = [says("delivered", at=moment(1))] * 100
    tracker.ingest(flood)
    tracemalloc.start()
    for _ in range(40):
        tracker.ingest(flood)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    (row,) = stored(tracker, RECEIPTS).values()
    assert row["duplicates"] == 4_099
    assert grown < 1_000_000
    assert same_numbers(tracker)


def test_a_flood_of_words_does_not_grow_a_message():
    """T-R02: a thousand words that nobody knows are kept beside the message, which stays as small as it was."""
    tracker = tracking()
    before = len(json.dumps(rows(tracker)["m1"]["state"]))

    found = tracker.ingest([says(f"teleported {n}") for n in range(1000)])

    assert found == Ingested(receipts=1000, unknown_status=1000)
    assert len(json.dumps(rows(tracker)["m1"]["state"])) == before


def test_a_flood_of_receipts_for_nobody_is_bounded():
    """T-R02: they wait, no more than may, and how many were dropped is known."""
    tracker = Tracker(MemoryStorage(), inbox=50, clock=lambda: NOON)

    for n in range(300):
        tracker.ingest([Receipt(status="sent", carrier=CARRIER, carrier_id=f"SM{n}", received_at=moment(n))])

    assert len(stored(tracker, INBOX)) == 50
    assert tracker.notes() == {("waiting", ""): 50, ("inbox_dropped", ""): 250}


# --- S: abuse of state ---------------------------------------------------------------------------


def test_strikes_cannot_be_forged():
    """T-S01: however often and in whatever order one message failed for good, it is one strike."""
    hard = [says("undelivered", error_code=code, at=moment(n)) for n, code in enumerate(["30005", "30006", "30005"])]
    tracker = tracking(told("m1", "sent", sent_at=NOON, to=ANA))

    for order in (hard, hard[::-1], [*hard, says("sent"), *hard]):
        for each in order:
            tracker.ingest([each])

    standing = tracker.standing(ANA)
    assert (standing.strikes, standing.may_send) == (1, True)


def test_a_few_failures_suspend_nothing():
    """T-S02: the first two of many messages fail: no sample, no suspension."""
    tracker = tracking(*(told(f"m{n}", "sent" if n < 2 else "pending", to=ANA) for n in range(100)))

    tracker.ingest([says("undelivered", error_code="30005", message_id=f"m{n}") for n in range(2)])

    assert tracker.suspended(SPRING) is None


@pytest.mark.parametrize("storage", ["sqlite", "postgresql"], indirect=True)
def test_a_newer_database_is_left_alone(storage):
    """T-S06: an older library refuses whatever it is asked, and changes nothing."""
    tracking(storage=storage)
    tables = schema.metadata(storage._dialect.name).tables
    engine = sa.create_engine(storage._engine.url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.update(schema._SCHEMA).values(version=VERSION + 1))
        before = {name: connection.execute(sa.select(table)).all() for name, table in tables.items()}
    older = SqlStorage(storage._engine.url)
    tracker = Tracker(older, clock=lambda: NOON)

    for call in (
        lambda: tracker.record([told("m2")]),
        lambda: tracker.ingest([says(), Reply(message_id="m1", received_at=NOON, keyword=Keyword.OPT_OUT)]),
        lambda: tracker.summary(SPRING),
        lambda: tracker.rebuild(SPRING),
        older.upgrade,
    ):
        with pytest.raises(UnsupportedSchema, match="install a newer campaignkit"):
            call()

    older.close()
    with engine.connect() as connection:
        assert {name: connection.execute(sa.select(table)).all() for name, table in tables.items()} == before
