"""Upkeep: who is erased is gone and still counted, what is old is dropped, and a silent webhook is named."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import threading
import tracemalloc
from contextlib import contextmanager
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaignkit.backends.carriers.port import Submission
from campaignkit.backends.storage import SqlStorage
from campaignkit.backends.storage.memory import MemoryStorage
from campaignkit.backends.storage.tables import (
    ACTIONS,
    CAMPAIGNS,
    CARRIER_IDS,
    CHANNELS,
    CLICKS,
    CONSENTS,
    INBOX,
    MESSAGES,
    ORDERS,
    RECEIPTS,
    REPLIES,
    SUPPRESSIONS,
    TABLES,
)
from campaignkit.errors import InvalidValue, StorageUnavailable
from campaignkit.models import Attempt, Click, Keyword, OptOut, Order, Outcome, Receipt, Reply
from campaignkit.tracker import Tracker, channels
from campaignkit.tracker.aliases import ERASED, Aliases
from campaignkit.tracker.stored import Stored, empty_row
from campaignkit.tracker.upkeep import Erased, Tidied
from strategies import CARRIER, NOON, moment
from tracker_oracle import SPRING, receipts, rows, same_numbers, stored, told

KEY = "a key that is kept elsewhere"
ANA, BEN = "+12025550143", "+12025550144"
US, OTHER = "+12025550100", "+12025550101"
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
SECRETS = ("2025550143", "Ana Maria", "ana-7", "our little secret", "her answer", "app.example/for-ana")
"""What must not be found of Ana."""


def tracking(storage=None, **options):
    """Return a tracker at noon that can erase."""
    return Tracker(storage or MemoryStorage(), **{"clock": lambda: NOON, "erasure_key": KEY, **options})


def about_ana(tracker):
    """Tell a tracker all that can be told of Ana, in two campaigns, and something of Ben."""
    ana = {
        "contact_id": "ana-7",
        "contact_name": "Ana Maria",
        "to": ANA,
        "sender": US,
        "text": "our little secret",
        "media": ["https://app.example/for-ana.png"],
        "sent_at": NOON,
        "status": "sent",
    }
    tracker.record(
        [
            told("m1", carrier_id="SM1", **ana),
            told("m2", carrier_id="SM2", **{**ana, "sent_at": moment(1)}),
            told("m3", campaign_id="autumn", carrier_id="SM3", **{**ana, "sent_at": moment(2)}),
            told(
                "m4",
                carrier_id="SM4",
                **{**ana, "to": BEN, "contact_id": "ben", "contact_name": "Ben", "text": "Hi", "media": []},
            ),
        ]
    )
    raw = {"To": ANA, "Body": "our little secret"}
    tracker.ingest(
        [
            Receipt(carrier=CARRIER, carrier_id="SM1", status="delivered", raw=raw),
            Receipt(carrier=CARRIER, carrier_id="SM4", status="delivered", raw={"To": BEN}),
            Receipt(carrier=CARRIER, carrier_id="SM9", status="sent", raw={"to": ["12025550143"]}),
            Receipt(carrier=CARRIER, carrier_id="SM8", status="sent", raw={"to": BEN}),
            Reply(to=ANA, sender=US, received_at=moment(60), text="her answer", media=["https://app.example/for-ana"]),
            Reply(to=ANA, sender=US, received_at=moment(61), reply_id="MO1", text="STOP", keyword=Keyword.OPT_OUT),
            Reply(to=ANA, sender=OTHER, received_at=moment(-61), text="her answer to nobody"),
            Click(message_id="m2", clicked_at=moment(62), url="https://app.example/for-ana"),
            Click(to=ANA, clicked_at=moment(-62), url="https://app.example/for-ana"),
            Order(message_id="m3", ordered_at=moment(63)),
            OptOut(to=ANA, opted_out_at=moment(64), text="her answer"),
        ]
    )
    return tracker


def everything(tracker):
    """Return every row of every table as text."""
    return "\n".join(json.dumps(row, default=str) for table in TABLES for row in stored(tracker, table).values())


def numbers(tracker):
    """Return all numbers of all campaigns."""
    return {name: tracker.tally(name) for (name,) in stored(tracker, CAMPAIGNS)}, tracker.notes()


# --- erasing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("person", [ANA, "ana-7", "+1 (202) 555-0143"])
def test_nothing_says_who_was_erased(person):
    """Number, name, contact id, texts, media, addresses and payloads are in no table; everybody else stays."""
    tracker = about_ana(tracking())
    erased = tracker.erase(person, who="Kim")

    left = everything(tracker)
    assert [secret for secret in SECRETS if secret in left] == []
    assert (erased.messages, erased.receipts, erased.waiting) == (3, 1, 1)
    ben = rows(tracker)["m4"]
    assert (ben["to"], ben["contact_id"], ben["contact_name"], ben["text"]) == (BEN, "ben", "Ben", "Hi")
    assert [row["raw"] for row in stored(tracker, RECEIPTS).values()].count({"To": BEN}) == 1


@pytest.mark.parametrize("person", [ANA, "ana-7"])
def test_erasing_changes_no_number(person):
    """Counters, summaries by everything, notes, and what a recount and a rebuild make are as before."""
    tracker = about_ana(tracking())
    before, heard = numbers(tracker), receipts(tracker)
    tracker.erase(person, who="Kim")

    assert numbers(tracker) == before
    assert receipts(tracker) == heard
    assert all(same_numbers(tracker, campaign) for campaign in (SPRING, "autumn"))
    assert tracker.rebuild(SPRING) == tracker.rebuild("autumn") == []
    assert numbers(tracker) == before


def test_a_contact_id_finds_what_has_no_number():
    """What came back under a contact id alone is erased with the contact."""
    tracker = tracking()
    tracker.ingest([Order(contact_id="ana-7", ordered_at=NOON)])

    assert tracker.erase("ana-7", who="Kim") == Erased(orders=1)
    assert next(iter(stored(tracker, ORDERS).values()))["contact_id"].startswith(ERASED)


def test_people_stay_distinct():
    """Each of those who were erased has an alias of their own, the same in every campaign and table."""
    tracker = about_ana(tracking())
    tracker.erase(ANA, who="Kim")
    tracker.erase(BEN, who="Kim")

    to = {name: row["to"] for name, row in rows(tracker).items()}
    assert to["m1"] == to["m2"] == to["m3"] != to["m4"]
    assert all(each.startswith(ERASED) for each in to.values())
    assert {row["to"] for row in stored(tracker, REPLIES).values()} == {to["m1"]}
    assert len({each.contact_id for each in tracker.messages(SPRING)}) == 2


def test_erasing_twice_is_harmless():
    """Nothing is left to change the second time, also for somebody nobody knows."""
    tracker = about_ana(tracking())
    tracker.erase(ANA, who="Kim")
    before = everything(tracker)

    alias = rows(tracker)["m1"]["to"]
    assert [tracker.erase(each, who="Kim") for each in (ANA, "ana-7", "nobody", alias)] == [Erased()] * 4
    assert everything(tracker) == before


@pytest.mark.parametrize("person", [ANA, "ana-7"])
def test_a_wish_outlives_who_had_it(person):
    """Whoever wanted no more is found by the number after all, also once it is imported again, and without a name."""
    tracker = about_ana(tracking())
    with tracker._storage.transaction("default") as tx:
        tx.put(SUPPRESSIONS, [empty_row(SUPPRESSIONS, to=ANA, since=1, who="Kim", why="bounced")])
    before = tracker.standing(ANA)
    assert tracker.erase(person, who="Kim").wishes == 2

    assert {row["to"] for table in (CONSENTS, SUPPRESSIONS) for row in stored(tracker, table).values()} == {
        Aliases(KEY, "default").of(ANA)
    }
    assert tracker.standing(ANA) == before
    assert (before.opted_out, before.may_send) == (True, False)
    tracker.record([told("m9", to=ANA)])
    assert tracker.standing(ANA).opted_out
    assert not Tracker(tracker._storage, clock=lambda: NOON).standing(ANA).opted_out, "without the key nobody is found"


def test_wishes_of_two_erasures_count_together():
    """Who came back and is erased again is known by all that was said."""
    tracker = about_ana(tracking())
    tracker.erase(ANA, who="Kim")
    tracker.ingest(
        [Reply(to=ANA, sender=US, received_at=moment(900), keyword=Keyword.OPT_IN, text="START", dated=True)]
    )
    assert not tracker.standing(ANA).opted_out
    tracker.erase(ANA, who="Kim")

    assert not tracker.standing(ANA).opted_out
    assert len(stored(tracker, CONSENTS)) == 1


def test_suppressions_of_two_erasures_count_together():
    """Of two entries the one that suppressed first stands, and what was forgiven last is."""
    tracker, alias = tracking(), Aliases(KEY, "default").of(ANA)
    for one, other, since in ((5, 3, 3), (None, 3, 3), (5, None, 5), (None, None, None)):
        with tracker._storage.transaction("default") as tx:
            tx.put(SUPPRESSIONS, [empty_row(SUPPRESSIONS, to=alias, since=one, forgiven_at=1)])
            tx.put(SUPPRESSIONS, [empty_row(SUPPRESSIONS, to=ANA, since=other, forgiven_at=2)])
        tracker.erase(ANA, who="Kim")
        ((key, row),) = stored(tracker, SUPPRESSIONS).items()
        assert (key, row["since"], row["forgiven_at"]) == ((alias,), since, 2)


def test_a_tracker_without_the_key_names_nobody_either():
    """What comes back late of an erased message counts and names nobody, also where the key is not known."""
    tracker = about_ana(tracking())
    tracker.erase(ANA, who="Kim")
    other = Tracker(tracker._storage, clock=lambda: NOON)
    click = Click(message_id="m3", to=ANA, click_id="C1", clicked_at=moment(99), url="https://app.example/for-ana")

    assert other.ingest([click]).clicks == 1
    assert [secret for secret in SECRETS if secret in everything(tracker)] == []


def test_what_has_no_campaign_is_erased_too():
    """A message whose campaign is not known yet is on no timeline, and says nothing of anybody."""
    tracker = tracking()
    with tracker._storage.transaction("default") as tx:
        tx.put(MESSAGES, [Stored.new("m1", "positive_wins").row() | {"to": ANA}])

    assert tracker.erase(ANA, who="Kim") == Erased(messages=1)
    assert stored(tracker, ACTIONS) == {}


def test_what_comes_late_counts_and_names_nobody():
    """Receipts, clicks and orders about an erased message land on it, once each, and say nothing of whom."""
    tracker = about_ana(tracking())
    tracker.erase(ANA, who="Kim")
    late = [
        Receipt(carrier=CARRIER, carrier_id="SM2", status="delivered", raw={"To": ANA}),
        Click(message_id="m3", to=ANA, contact_id="ana-7", clicked_at=moment(99), url="https://app.example/for-ana"),
        Order(message_id="m3", to=ANA, ordered_at=moment(99)),
    ]
    first, second = tracker.ingest(late), tracker.ingest(late)

    assert (first.receipts, first.clicks, first.orders) == (1, 1, 1)
    assert second.duplicates == 3
    assert rows(tracker)["m2"]["status"] == "delivered"
    assert [secret for secret in SECRETS if secret in everything(tracker)] == []
    assert all(same_numbers(tracker, campaign) for campaign in (SPRING, "autumn"))


def test_what_came_before_and_comes_again_is_known():
    """A click that had been heard of before the erasure is the same one after it."""
    tracker = about_ana(tracking())
    tracker.erase(ANA, who="Kim")

    again = tracker.ingest([Click(message_id="m2", clicked_at=moment(62), url="https://app.example/for-ana")])
    assert (again.clicks, again.duplicates) == (0, 1)


def test_a_later_reply_is_from_somebody_new():
    """It is about no message that was erased, even if it names one: else it would say whose that was."""
    tracker = about_ana(tracking())
    tracker.erase(ANA, who="Kim")
    tracker.ingest(
        [
            Reply(to=ANA, sender=US, received_at=moment(900), reply_id="MO7", text="Hello again"),
            Reply(to=ANA, sender=US, received_at=moment(901), reply_id="MO8", message_id="m1", text="Hello"),
            Reply(to=ANA, received_at=moment(901), reply_id="MO9", carrier=CARRIER, carrier_id="SM2", text="Hello"),
        ]
    )

    new = [row for row in stored(tracker, REPLIES).values() if row["to"] == ANA]
    assert [(row["message_id"], row["contact_id"]) for row in new] == [(None, None)] * 3


def test_recording_an_erased_message_again_brings_nobody_back():
    """Who records the same message once more fills no gap with a person."""
    tracker = about_ana(tracking())
    before = numbers(tracker)
    tracker.erase(ANA, who="Kim")
    about_ana(tracking(tracker._storage))

    message = rows(tracker)["m1"]
    assert (message["contact_name"], message["text"], message["media"]) == (None, None, None)
    assert message["to"].startswith(ERASED)
    assert numbers(tracker)[0] == before[0]


def test_a_number_that_two_share():
    """Who is erased by contact id takes what was sent to the number for nobody, and leaves what was for another."""
    tracker = tracking()
    tracker.record(
        [
            told("m1", contact_id="ana-7", to=ANA),
            told("m2", contact_id="tom", contact_name="Tom", to=ANA),
            told("m3", to=ANA),
            told("m4", contact_id="ana-7", to=BEN),
        ]
    )
    tracker.erase("ana-7", who="Kim")

    assert {name: row["to"][:7] for name, row in rows(tracker).items()} == {
        "m1": ERASED,
        "m2": ANA[:7],
        "m3": ERASED,
        "m4": ERASED,
    }
    assert rows(tracker)["m2"]["contact_name"] == "Tom"


def test_the_timeline_says_that_somebody_was_erased():
    """Each campaign that was touched says when and by whom it was done, and not of whom."""
    tracker = about_ana(tracking())
    tracker.erase(ANA, who="Kim", now=moment(999))

    for campaign in (SPRING, "autumn"):
        (action,) = [each for each in tracker.timeline(campaign) if each.what == "erased"]
        assert (action.at, action.who, action.why) == (moment(999), "Kim", None)


def test_tenants_have_their_own_aliases():
    """Erasing somebody in one tenant leaves another's alone, and their aliases tell nothing of each other."""
    storage = MemoryStorage()
    one, other = about_ana(tracking(storage, tenant="one")), about_ana(tracking(storage, tenant="two"))
    one.erase(ANA, who="Kim")

    assert rows(other, "two")["m1"]["to"] == ANA
    other.erase(ANA, who="Kim")
    assert rows(one, "one")["m1"]["to"] != rows(other, "two")["m1"]["to"]


def test_every_table_that_tells_of_people_is_known_to_erasing():
    """A new table or column that holds a person must be erased, too: then it is added here."""
    personal = {"to", "contact_id", "contact_name", "text", "media", "url", "raw", "receipt"}
    found = {table.name: sorted(personal & set(table.columns)) for table in TABLES}

    assert {name: columns for name, columns in found.items() if columns} == {
        "messages": ["contact_id", "contact_name", "media", "text", "to"],
        "receipts": ["raw"],
        "inbox": ["receipt"],
        "replies": ["contact_id", "media", "text", "to"],
        "clicks": ["contact_id", "to", "url"],
        "orders": ["contact_id", "to"],
        "consents": ["to"],
        "suppressions": ["to"],
    }


class Stops(MemoryStorage):
    """A storage whose process is killed before a transaction, of which it lets some through."""

    left = None

    @contextmanager
    def transaction(self, tenant):
        """Begin a transaction, unless none is left."""
        if self.left is not None:
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
        with super().transaction(tenant) as tx:
            yield tx


@pytest.mark.parametrize("person", [ANA, "ana-7"])
def test_whatever_stops_it_the_rest_is_done_by_calling_it_again(person, monkeypatch):
    """Killed before any of its transactions, each with a row or two, and called again, nothing is left of anybody."""
    monkeypatch.setattr("campaignkit.tracker.upkeep.MOST", 2)
    monkeypatch.setattr("campaignkit.tracker.upkeep._MESSAGES", 1)
    for let_through in range(200):
        tracker = about_ana(tracking(Stops()))
        before = numbers(tracker)
        tracker._storage.left = let_through
        try:
            tracker.erase(person, who="Kim")
        except KeyboardInterrupt:
            tracker._storage.left = None
        else:
            break
        assert numbers(tracker) == before
        assert tracker.standing(ANA).opted_out
        tracker.erase(person, who="Kim")
        left = everything(tracker)
        assert [secret for secret in SECRETS if secret in left] == []
        assert numbers(tracker) == before
    assert let_through > 10


def test_many_messages_are_many_transactions(monkeypatch):
    """No transaction changes more than it may, however much there is of one person."""
    monkeypatch.setattr("campaignkit.tracker.upkeep.MOST", 100)
    changed = []

    class Counting(MemoryStorage):
        @contextmanager
        def transaction(self, tenant):
            with super().transaction(tenant) as tx:
                yield tx
                changed.append(len(tx._overwritten))

    tracker = tracking(Counting())
    tracker.record(told(f"m{i}", to=ANA, sent_at=NOON) for i in range(250))
    words = [Receipt(message_id="m0", status=f"word {i}", raw={"To": ANA}) for i in range(300)]
    tracker.ingest(words)
    changed.clear()
    erased = tracker.erase(ANA, who="Kim")

    assert (erased.messages, erased.receipts) == (250, 300)
    assert len(changed) >= 6
    assert max(changed) <= 200 + 1


@pytest.mark.parametrize(
    ("attempt", "sentence"),
    [
        (
            lambda: Tracker(MemoryStorage(), erasure_key="short"),
            (
                "erasure_key has 5 bytes: must have at least 16; give one that is kept outside the database,"
                " made once with secrets.token_hex(32)"
            ),
        ),
        (
            lambda: Tracker(MemoryStorage(), erasure_key=7),
            (
                "erasure_key is of type int: must be text or bytes; give one that is kept outside the database,"
                " made once with secrets.token_hex(32)"
            ),
        ),
        (
            lambda: Tracker(MemoryStorage()).erase(ANA, who="Kim"),
            "erasing needs a key that is kept outside the database: construct Tracker(..., erasure_key=...)",
        ),
        (
            lambda: tracking().erase(12025550143, who="Kim"),
            "contact_or_number is of type int: must be text that is not empty; give it as messages have it",
        ),
        (
            lambda: tracking().erase(ANA, who=" "),
            "who is empty: must be text that is not empty; give it as messages have it",
        ),
        (
            lambda: tracking().tidy(raw=dt.timedelta(-1)),
            "raw is datetime.timedelta(days=-1): give a timedelta from zero, like timedelta(days=30), or None",
        ),
        (
            lambda: tracking().silent(after=dt.timedelta(0)),
            "after is datetime.timedelta(0): must be above zero; give a timedelta, like timedelta(hours=1)",
        ),
        (
            lambda: tracking().silent(least=101),
            "least is 101: must be a whole number from 1 to 100, of messages",
        ),
    ],
    ids=["short key", "no key at all", "without a key", "no text", "by nobody", "age", "after", "least"],
)
def test_what_cannot_be_meant(attempt, sentence):
    """Each mistake is one sentence, which shows neither a key nor a person."""
    with pytest.raises(InvalidValue) as caught:
        attempt()

    assert str(caught.value) == sentence


def test_no_secret_is_shown():
    """Neither a tracker nor what it returns of people shows a key, a number, a name or a text."""
    tracker = about_ana(tracking())
    shown = [repr(tracker), repr(tracker._rules), repr(Aliases(KEY)), repr(tracker.erase(ANA, who="Kim"))]

    assert [(each, text) for each in (KEY, *SECRETS) for text in shown if each in text] == []


def test_every_storage_forgets(storage):
    """Erasing, dropping and looking for silence do the same in memory, in SQLite and in PostgreSQL."""
    tracker, oracle = about_ana(tracking(storage)), about_ana(tracking())
    before = numbers(tracker)

    assert tracker.erase("ana-7", who="Kim") == oracle.erase("ana-7", who="Kim")
    assert everything(tracker) == everything(oracle)
    assert numbers(tracker) == before
    later = NOON + 40 * DAY
    assert tracker.tidy(now=later) == oracle.tidy(now=later) == Tidied(raw=1, waiting=2)
    assert everything(tracker) == everything(oracle)
    storage.compact()
    assert everything(tracker) == everything(oracle)


def test_erasing_while_receipts_come(storage):
    """Who is erased while receipts, clicks and replies of theirs come in is gone, and everything is counted."""
    tracker = tracking(storage)
    tracker.record(told(f"m{i}", to=ANA, sender=US, carrier_id=f"SM{i}", sent_at=NOON) for i in range(20))
    failed = []

    def report(word):
        try:
            for i in range(20):
                said = {"carrier": CARRIER, "carrier_id": f"SM{i}", "raw": {"To": ANA}}
                tracker.ingest(
                    [Receipt(status=word, **said), Click(message_id=f"m{i}", to=ANA, clicked_at=NOON, url=word)]
                )
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=report, args=(word,)) for word in ("sent", "delivered")]
    for thread in threads:
        thread.start()
    tracker.erase(ANA, who="Kim")
    tracker.tidy(now=NOON + 31 * DAY)
    for thread in threads:
        thread.join()

    assert failed == []
    assert ANA not in everything(tracker)
    assert (len(stored(tracker, RECEIPTS)), len(stored(tracker, CLICKS))) == (40, 40)
    assert tracker.summary(SPRING).counts.delivered == 20
    assert same_numbers(tracker)


def test_files_hold_nothing_of_who_was_erased(tmp_path):
    """After erasing and compacting, the file of SQLite and the two beside it hold nobody; a backup made before does."""
    storage = SqlStorage(f"sqlite:///{tmp_path}/campaigns.db")
    tracker = about_ana(tracking(storage))

    def found():
        files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        return {secret for secret in SECRETS for held in files.values() if secret.encode() in held}

    assert found() == set(SECRETS)
    tracker.erase(ANA, who="Kim")
    storage.compact()
    assert found() == set()
    storage.close()
    assert found() == set()


def test_compacting_says_when_somebody_reads(tmp_path):
    """While somebody reads, the log cannot be emptied: the caller is told to try again, and nothing is harmed."""
    storage = SqlStorage(f"sqlite:///{tmp_path}/campaigns.db", patience=0.1)
    tracker = about_ana(tracking(storage))
    reader = sqlite3.connect(tmp_path / "campaigns.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM campaignkit_messages").fetchone()

    with pytest.raises(StorageUnavailable, match="try again"):
        storage.compact()
    reader.close()
    storage.compact()
    assert len(rows(tracker)) == 4
    storage.close()


# --- what is old -------------------------------------------------------------------------------


def test_old_payloads_are_dropped():
    """What was sent word for word goes when it is old enough, and nothing else of the receipt."""
    tracker = tracking()
    tracker.record([told()])
    for status, days in (("queued", 0), ("sent", 1), ("delivered", 2)):
        tracker.ingest([Receipt(message_id="m1", status=status, raw={"is": status})], now=NOON + days * DAY)
    before, numbers_before = receipts(tracker), numbers(tracker)

    assert tracker.tidy(now=NOON + 31 * DAY) == Tidied(raw=1)
    assert tracker.tidy(now=NOON + 31 * DAY) == Tidied()
    assert {row["status"]: row["raw"] for row in stored(tracker, RECEIPTS).values()} == {
        "queued": None,
        "sent": {"is": "sent"},
        "delivered": {"is": "delivered"},
    }
    assert tracker.tidy(raw=None, now=NOON + 99 * DAY) == Tidied()
    assert (receipts(tracker), numbers(tracker)) == (before, numbers_before)


def test_dropping_goes_on_where_it_stopped(monkeypatch):
    """However many transactions it takes and whichever is the last, what is old goes and what is not stays."""
    monkeypatch.setattr("campaignkit.tracker.upkeep.MOST", 3)
    for let_through in range(9):
        tracker = tracking(Stops())
        tracker.record([told()])
        tracker.ingest([Receipt(message_id="m1", status=f"word {i}", raw={"i": i}) for i in range(7)])
        tracker.ingest([Receipt(carrier=CARRIER, carrier_id=f"SM{i}", status="sent") for i in range(7)])
        tracker._storage.left = let_through
        try:
            tracker.tidy(now=NOON + 31 * DAY)
        except KeyboardInterrupt:
            tracker._storage.left = None
        else:
            break
        assert sum(tracker.notes().get((name, ""), 0) for name in ("waiting", "inbox_dropped")) == 7
        tracker.tidy(now=NOON + 31 * DAY)
        assert all(row["raw"] is None for row in stored(tracker, RECEIPTS).values())
        assert stored(tracker, INBOX) == stored(tracker, CARRIER_IDS) == {}
    assert let_through == 8


def test_what_waits_too_long_is_dropped_and_counted():
    """After a week a receipt waits no more, and neither does its id; what waits for less stays, and joins."""
    tracker = tracking()
    tracker.ingest([Receipt(carrier=CARRIER, carrier_id="SM1", status="sent")])
    tracker.ingest([Receipt(carrier=CARRIER, carrier_id="SM1", status="delivered")], now=NOON + DAY)
    tracker.ingest([Receipt(attempt_id="a2", status="delivered")])

    assert tracker.tidy(now=NOON + 7 * DAY) == Tidied()
    assert tracker.tidy(now=NOON + 7 * DAY + HOUR) == Tidied(waiting=2)
    assert tracker.notes() == {("inbox_dropped", ""): 2, ("waiting", ""): 1}
    assert [*stored(tracker, CARRIER_IDS)] == [(CARRIER, "SM1")]
    tracker.record([told(carrier_id="SM1")])
    assert rows(tracker)["m1"]["status"] == "delivered"


def test_a_flood_about_one_message_takes_no_memory():
    """20,000 receipts about one message, nearly all of them said before, are counted, and nothing grows."""
    tracker = tracking()
    tracker.record([told(sent_at=NOON)])
    flood = [Receipt(message_id="m1", status="sent", part=i % 7, raw={"n": 1}) for i in range(1000)]
    tracker.ingest(flood)
    size, grown = len(everything(tracker)), []
    for left in reversed(range(19)):
        if left == 4:
            tracemalloc.start()  # which makes all slow
        tracker.ingest(flood)
        grown.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()

    assert len(stored(tracker, RECEIPTS)) == 7
    assert sum(row["duplicates"] for row in stored(tracker, RECEIPTS).values()) == 20_000 - 7
    assert tracker.notes()["duplicate", ""] == 20_000 - 7
    assert len(everything(tracker)) < size + 100
    assert max(later - earlier for earlier, later in pairwise(grown[-4:])) < 100_000
    assert same_numbers(tracker)


# --- silence -----------------------------------------------------------------------------------


def handed_off(n, first=0, at=NOON, **fields):
    """Return messages of which nothing is known but that they were handed off, one a second."""
    return [
        told(f"m{i}", **{"status": "sent", "sender": US, "sent_at": at + dt.timedelta(seconds=i), **fields})
        for i in range(first, first + n)
    ]


def test_a_channel_that_was_never_heard_of_is_named():
    """From twenty messages and an hour on, with what to check; a receipt, also one that is known, ends it."""
    tracker = tracking()
    tracker.record(handed_off(20))

    assert tracker.silent(now=NOON + HOUR) == []
    (silence,) = tracker.silent(now=NOON + HOUR + dt.timedelta(seconds=19))
    assert str(silence) == (
        "nothing is heard of twilio about messages from +12025550100: 20 handed off since 2026-11-21 12:00 UTC,"
        " receipts: never; check the webhook address that the carrier has of you, the secret that its signature is"
        " checked with, and whether the account sends receipts"
    )
    tracker.ingest([Receipt(message_id="m0", status="sent")], now=NOON + 2 * HOUR)
    assert tracker.silent(now=NOON + 9 * HOUR) == []


def test_a_channel_that_fell_silent_is_named():
    """What was handed off after the last receipt counts, of each sender and carrier by itself."""
    tracker = tracking()
    tracker.record(handed_off(40))
    tracker.ingest([Receipt(message_id="m3", status="delivered")], now=NOON + dt.timedelta(seconds=9.5))
    tracker.record(handed_off(30, 100, sender=OTHER))
    tracker.ingest([Receipt(message_id="m101", status="delivered")], now=NOON + dt.timedelta(seconds=500))
    tracker.record(handed_off(19, 200, carrier="plivo"))

    (silence,) = tracker.silent(now=NOON + 3 * HOUR)
    assert (silence.carrier, silence.sender, silence.waiting) == (CARRIER, US, 29)
    assert (silence.since, silence.heard_at) == (moment(11), moment(10))
    assert "receipts: last 2026-11-21 12:00 UTC" in str(silence)


@pytest.mark.parametrize(
    "messages",
    [
        handed_off(99, status="delivered"),
        handed_off(99, status="failed"),
        handed_off(99, at=NOON - 2 * DAY),
        handed_off(99, sent_at=None),
        handed_off(99, last_event_at=NOON + HOUR),
    ],
    ids=["delivered", "failed", "long ago", "not handed off", "heard of elsewhere"],
)
def test_history_is_no_alarm(messages):
    """Who records what was sent and ended before is not waited for."""
    tracker = tracking()
    tracker.record(messages)

    assert tracker.silent(now=NOON + 2 * HOUR) == []


def test_a_channel_that_is_not_used_any_more_is_no_alarm():
    """A week after the last message nobody needs to be told."""
    tracker = tracking()
    tracker.record(handed_off(99))

    assert len(tracker.silent(now=NOON + 7 * DAY)) == 1
    assert tracker.silent(now=NOON + 7 * DAY + HOUR) == []


def test_an_answer_is_no_webhook():
    """What the answer to handing over says of the message proves nothing about the webhook."""
    tracker = tracking()
    tracker.record(handed_off(20, status="pending", sent_at=None))
    for i in range(20):
        said = Submission(
            outcome=Outcome.TAKEN, carrier=CARRIER, carrier_id=f"SM{i}", receipts=[Receipt(status="sent")]
        )
        tracker.submitted(f"m{i}", Attempt(), said, now=moment(i))

    (silence,) = tracker.silent(now=NOON + 2 * HOUR)
    assert (silence.waiting, silence.heard_at) == (20, None)


def test_messages_without_a_carrier_are_heard_of_once_it_is_known():
    """A receipt that says whose the message is ends the silence of those that do not say it."""
    tracker = tracking()
    tracker.record(handed_off(30, carrier=None))
    assert "a carrier that is not known" in str(tracker.silent(now=NOON + 2 * HOUR)[0])
    tracker.ingest([Receipt(message_id="m0", carrier=CARRIER, status="sent")], now=NOON + 2 * HOUR)

    assert tracker.silent(now=NOON + 4 * HOUR) == []


_happened = st.lists(
    st.tuples(st.sampled_from(["hand off", "hear"]), st.integers(0, 4), st.integers(0, 99)), max_size=30
)


@given(_happened, st.randoms())
def test_what_is_kept_of_channels_is_what_messages_and_receipts_say(happened, random):
    """In any order and any number of calls, a channel says what a recount of messages and receipts says."""
    sent = [
        (told(f"m{n}", status="queued", sender=US, sent_at=moment(at)), None) for n, (_, _, at) in enumerate(happened)
    ]
    tracker, calls = tracking(), []
    for n, (what, of, at) in enumerate(happened):
        calls.append(
            ([sent[n][0]], [])
            if what == "hand off"
            else ([], [Receipt(message_id=f"m{of}", status="sent", received_at=moment(at))])
        )
    random.shuffle(calls)
    for messages, came in calls:
        tracker.record(messages)
        tracker.ingest(came)

    known = {row["message_id"]: row for row in rows(tracker).values() if row["sent_at"] is not None}
    heard = [row["last_received_at"] for row in stored(tracker, RECEIPTS).values() if row["message_id"] in known]
    heard_at = max(heard, default=None)
    waits = sorted(row["sent_at"] for row in known.values() if heard_at is None or row["sent_at"] > heard_at)
    kept = stored(tracker, CHANNELS).get((CARRIER, US), {"heard_at": None, "waiting": 0, "since": []})
    assert (kept["heard_at"], kept["waiting"], kept["since"]) == (heard_at, len(waits), waits)
    assert kept.get("handed_off_at") == max((row["sent_at"] for row in known.values()), default=None)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=40))
def test_of_many_that_wait_never_more_are_said_than_do(happened):
    """Beyond what is kept some are forgotten, but those that are said do wait, and in order of time all are."""
    micro = 1_000_000
    kept = {True: None, False: None}
    for in_order in kept:
        row = channels._empty((CARRIER, US))
        for hears, at in sorted(happened, key=lambda each: (each[1], each[0])) if in_order else happened:
            news = (
                channels._News(at * micro, at * micro, []) if hears else channels._News(at * micro, None, [at * micro])
            )
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(channels, "MOST", 3)
                row = channels._joined(row, news)
        kept[in_order] = row
    heard_at = max((at * micro for hears, at in happened if hears), default=None)
    waits = sorted(at * micro for hears, at in happened if not hears and (heard_at is None or at * micro > heard_at))

    for in_order, row in kept.items():
        assert row["heard_at"] == heard_at
        assert set(row["since"]) <= set(waits)
        assert row["waiting"] <= len(waits)
        assert not in_order or (row["waiting"], row["since"]) == (len(waits), waits[:3])
