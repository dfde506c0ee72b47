"""Storage and tracking: what carriers report, kept and read, each beside the best hand-written code.

A disk that waits decides the figures of whoever commits one by one, so what it takes to have
4 KiB on this disk is printed first. Both sides wait for the disk in the same way, each in files of
its own, and are checked to have come to the same numbers.

What is measured for its memory runs in a process of its own, and so do the web server, the one
who posts to it, and those who write to PostgreSQL together.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import functools
import itertools
import json
import os
import random
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from campaignkit import Message, Receipt
from campaignkit.backends.storage import SqlStorage
from campaignkit.backends.storage.tables import AMOUNTS, COUNTERS, LATENCIES, MESSAGES
from campaignkit.latency import latency_bucket
from campaignkit.tracker import Tracker
from campaignkit.tracker.counters import COUNTED, Deltas, count_alike, stored_counters
from campaignkit.tracker.suspension import set_anew

SPRING = "spring"
BATCH = 250
PAIRS = 5
THREADS = 64
ROWS = 50_000
SECOND = 1_000_000
WAITS = 0.004  # seconds that a commit costs on a disk that waits
TENANT = "default"
SOURCE = Path(__file__).parents[1]


def line(path: str, ours: str = "", theirs: str = "", *, ratio: float | None = None, target: str = "") -> None:
    shown = "" if ratio is None else f"{ratio:.2f}"
    print(f"{path:<84} {shown:>5}  {ours:>14} {theirs:>14}  {target and 'target ' + target}".rstrip())
    sys.stdout.flush()


def per_second(seconds_each: float) -> str:
    return f"{1 / seconds_each:,.0f}/s"


def micros(seconds: float) -> str:
    return f"{SECOND * seconds:,.0f} us"


def percentile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


Take = Callable[[Sequence[Receipt]], object]
Spent = list[tuple[float, float]]


def alternate(sides: Mapping[str, Take], slices: Sequence[Sequence[Receipt]]) -> dict[str, Spent]:
    """What each side takes for each receipt, in seconds and in seconds of the processor; the first slice warms up."""
    spent: dict[str, Spent] = {name: [] for name in sides}
    names = list(sides)
    for turn, some in enumerate(slices):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            begun, used = time.perf_counter(), time.process_time()
            sides[name](some)
            spent[name].append(((time.perf_counter() - begun) / len(some), (time.process_time() - used) / len(some)))
    return {name: runs[1:] for name, runs in spent.items()}


def ratio(ours: Spent, theirs: Spent) -> float:
    """How fast we are beside them: the median over the turns."""
    return statistics.median(b / a for (a, _), (b, _) in zip(ours, theirs, strict=True))


def wall(runs: Spent) -> float:
    return statistics.median(each for each, _ in runs)


def cpu(runs: Spent) -> float:
    return statistics.median(each for _, each in runs)


@functools.cache
def probe(times: int = 1000) -> None:
    """What it takes to have 4 KiB on the disk that everything here is written to."""
    block, spent = os.urandom(4096), []
    with tempfile.TemporaryFile() as file:
        for place in range(times):
            begun = time.perf_counter()
            os.pwrite(file.fileno(), block, 4096 * place)
            os.fdatasync(file.fileno())
            spent.append(time.perf_counter() - begun)
    told = f"{times:,} x 4 KiB and fdatasync: {1000 * percentile(spent, 0.99):.2f} ms at most for 99 %"
    line(told, f"{1000 * statistics.median(spent):.3f} ms", per_second(sum(spent) / times))


@contextlib.contextmanager
def postgres() -> Iterator[Callable[[], contextlib.AbstractContextManager[sa.URL]]]:
    """The PostgreSQL of the tests; what is yielded makes a schema in it and gives its URL."""
    sys.path.insert(0, str(SOURCE / "tests"))
    from databases import postgres_server, postgres_url  # noqa: PLC0415 - it is where the tests are

    with contextlib.contextmanager(postgres_server.__wrapped__)() as server:
        yield lambda: contextlib.contextmanager(postgres_url.__wrapped__)(server)


def written(url: sa.URL) -> str:
    return url.render_as_string(hide_password=False)


def conninfo(url: sa.URL) -> str:
    """A URL as libpq reads it."""
    return written(url.set(drivername="postgresql"))


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", "benchmarks.storage", *map(str, arguments)]


def told_by(*arguments: object) -> dict[str, float]:
    """What a process of its own says."""
    done = subprocess.run(command(*arguments), check=True, stdout=subprocess.PIPE, cwd=SOURCE)
    return json.loads(done.stdout)


def megabytes(name: str) -> float:
    """What this process holds (VmRSS), or held at most (VmHWM)."""
    with Path("/proc/self/status").open() as file:
        return next(int(each.split()[1]) for each in file if each.startswith(name)) / 1024


def number(place: int) -> str:
    """Numbers that nobody can have, in no order, each once."""
    return f"+1202555{place * 48_271 % 99_999_989:08d}"


# --- receipts -----------------------------------------------------------------------------------


def story(messages: int) -> tuple[list[Message], list[Receipt]]:
    """Messages that a carrier took, and what it reports: two receipts each, some twice and some out of order."""
    chance, now = random.Random(7), datetime.now(UTC)
    sent = [
        Message(
            message_id=f"m{place:08d}",
            campaign_id=SPRING,
            contact_id=f"c{place:08d}",
            to=number(place),
            variant=chance.choice("ab"),
            sender="+12025550100",
            carrier="twilio",
            carrier_id=f"SM{place:032x}",
            status="sent",
            sent_at=now - timedelta(minutes=10),
            text="Your parcel arrives today between 3 and 5.",
        )
        for place in range(messages)
    ]
    events = []
    for each in sent:
        failed = chance.random() < 0.06
        last = ("undelivered", chance.choice(("30003", "30005"))) if failed else ("delivered", None)
        for word, code in (("sent", None), last):
            raw = {
                "AccountSid": f"AC{'0' * 32}",
                "MessageSid": each.carrier_id,
                "SmsSid": each.carrier_id,
                "MessageStatus": word,
                "SmsStatus": word,
                "From": each.sender,
                "To": each.to,
                "ApiVersion": "2010-04-01",
            }
            told = Receipt(
                carrier="twilio", carrier_id=each.carrier_id, status=word, error_code=code, received_at=now, raw=raw
            )
            events += [told, told] if chance.random() < 0.03 else [told]
    for place in range(0, len(events) - 100, 100):
        few = events[place : place + 100]
        chance.shuffle(few)
        events[place : place + 100] = few
    return sent, events


RANK = {"queued": 0, "sent": 1, "undelivered": 2, "delivered": 3}
Known = dict[str, tuple[str, str, str, str, str]]


def fold(known: Known, fresh: Iterable[Receipt]) -> tuple[list[tuple[object, ...]], Counter[tuple[str, ...]]]:
    """What becomes of messages, and how counters change: where each merge of a hand-written receiver is done."""
    ends: dict[str, tuple[str, str, datetime | None]] = {}
    for each in fresh:
        _, _, _, status, code = known[each.carrier_id]
        before = ends.get(each.carrier_id, (status, code, None))
        if RANK[each.status] > RANK[before[0]]:
            ends[each.carrier_id] = (each.status, each.error_code or "", each.received_at)
    changed, counted = [], Counter[tuple[str, ...]]()
    for carrier_id, (status, code, at) in ends.items():
        message, campaign, variant, old, old_code = known[carrier_id]
        if (status, code) != (old, old_code):
            changed.append((status, code, at and int(at.timestamp() * SECOND), message))
            counted[campaign, variant, old, old_code] -= 1
            counted[campaign, variant, status, code] += 1
    return sorted(changed, key=lambda row: row[-1]), counted


HAND_TABLES = """
CREATE TABLE said (place INTEGER PRIMARY KEY, raw TEXT);
CREATE TABLE messages (message_id TEXT PRIMARY KEY, campaign_id TEXT, variant TEXT, carrier_id TEXT UNIQUE,
    status TEXT, error_code TEXT, last_at BIGINT);
CREATE TABLE receipts (carrier_id TEXT, status TEXT, error_code TEXT, received_at BIGINT, raw TEXT,
    PRIMARY KEY (carrier_id, status, error_code));
CREATE TABLE counters (campaign_id TEXT, variant TEXT, status TEXT, error_code TEXT, n BIGINT,
    PRIMARY KEY (campaign_id, variant, status, error_code));
"""


def first_rows(messages: Sequence[Message]) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    rows = [(each.message_id, SPRING, each.variant, each.carrier_id, "sent", "", None) for each in messages]
    variants = Counter(each.variant for each in messages)
    return rows, [(SPRING, variant, "sent", "", n) for variant, n in variants.items()]


def receipt_rows(receipts: Iterable[Receipt]) -> list[tuple[object, ...]]:
    return [
        (
            each.carrier_id,
            each.status,
            each.error_code or "",
            int(each.received_at.timestamp() * SECOND),
            json.dumps(dict(each.raw)),
        )
        for each in receipts
    ]


class Hand:
    """A receiver as one writes it for SQLite, with as many of its steps as it is told."""

    def __init__(self, path: str, messages: Sequence[Message], steps: int = 4) -> None:
        self.steps = steps
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self.db.executescript(HAND_TABLES)
        rows, counts = first_rows(messages)
        self.db.execute("BEGIN")
        self.db.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        self.db.executemany("INSERT INTO counters VALUES (?, ?, ?, ?, ?)", counts)
        self.db.execute("COMMIT")

    def take(self, receipts: Sequence[Receipt]) -> None:
        self.db.execute("BEGIN IMMEDIATE")
        if self.steps == 1:
            self.db.executemany("INSERT INTO said (raw) VALUES (?)", [(each.carrier_id,) for each in receipts])
        else:
            self._keep(receipts)
        self.db.execute("COMMIT")

    def _keep(self, receipts: Sequence[Receipt]) -> None:
        run = self.db.execute
        insert = "INSERT OR IGNORE INTO receipts VALUES (?, ?, ?, ?, ?)"
        told = zip(receipts, receipt_rows(receipts), strict=True)
        fresh = [each for each, row in told if run(insert, row).rowcount]
        if self.steps == 2:
            return
        find = "SELECT message_id, campaign_id, variant, status, error_code FROM messages WHERE carrier_id = ?"
        known = {each.carrier_id: run(find, (each.carrier_id,)).fetchone() for each in fresh}
        changed, counted = fold(known, fresh)
        self.db.executemany("UPDATE messages SET status = ?, error_code = ?, last_at = ? WHERE message_id = ?", changed)
        if self.steps == 3:
            return
        add = "INSERT INTO counters VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n"
        self.db.executemany(add, [(*key, n) for key, n in sorted(counted.items())])

    def counts(self) -> dict[tuple[str, ...], int]:
        found = self.db.execute("SELECT variant, status, error_code, n FROM counters WHERE n <> 0")
        return {tuple(key): n for *key, n in found}


class PostgresHand:
    """The same for PostgreSQL: a statement for each table and batch, rows locked in the order of their ids."""

    def __init__(self, url: sa.URL, messages: Sequence[Message]) -> None:
        import psycopg  # noqa: PLC0415 - only here

        self.db = psycopg.connect(conninfo(url))
        rows, counts = first_rows(messages)
        with self.db.transaction(), self.db.cursor() as cursor:
            for each in filter(str.strip, HAND_TABLES.split(";")):
                cursor.execute(each)
            with cursor.copy("COPY messages FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.executemany("INSERT INTO counters VALUES (%s, %s, %s, %s, %s)", counts)

    def take(self, receipts: Sequence[Receipt]) -> None:
        by_key = {(each.carrier_id, each.status, each.error_code or ""): each for each in reversed(receipts)}
        with self.db.transaction(), self.db.cursor() as cursor:
            find = (
                "SELECT carrier_id, message_id, campaign_id, variant, status, error_code FROM messages"
                " WHERE carrier_id = ANY(%s) ORDER BY message_id FOR UPDATE"
            )
            cursor.execute(find, [sorted({each.carrier_id for each in receipts})])
            known = {carrier_id: rest for carrier_id, *rest in cursor}
            insert = (
                "INSERT INTO receipts SELECT *"
                " FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[])"
                " ON CONFLICT DO NOTHING RETURNING carrier_id, status, error_code"
            )
            cursor.execute(insert, [*map(list, zip(*sorted(receipt_rows(by_key.values())), strict=True))])
            changed, counted = fold(known, [by_key[key] for key in cursor])
            if not changed:
                return
            update = (
                "UPDATE messages SET status = s, error_code = e, last_at = t"
                " FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::text[]) AS given(s, e, t, m)"
                " WHERE message_id = m"
            )
            cursor.execute(update, [*map(list, zip(*changed, strict=True))])
            add = (
                "INSERT INTO counters SELECT *"
                " FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])"
                " ON CONFLICT (campaign_id, variant, status, error_code) DO UPDATE SET n = counters.n + excluded.n"
            )
            cursor.execute(add, [*map(list, zip(*((*key, n) for key, n in sorted(counted.items())), strict=True))])

    def counts(self) -> dict[tuple[str, ...], int]:
        found = self.db.execute("SELECT variant, status, error_code, n FROM counters WHERE n <> 0")
        return {tuple(key): n for *key, n in found}


def tracked(database: str, messages: Sequence[Message]) -> Tracker:
    tracker = Tracker(SqlStorage(database))
    tracker.record(messages)
    return tracker


def tracked_counts(tracker: Tracker) -> dict[tuple[str, ...], int]:
    cells = tracker.tally(SPRING, by="variant").cells
    found = Counter[tuple[str, ...]]()
    for (variant,), held in cells.items():
        for cell, sums in held.items():
            found[variant, cell.status, cell.code or ""] += sums.n
    return dict(+found)


def in_batches(take: Take) -> Take:
    return lambda some: [take(some[place : place + BATCH]) for place in range(0, len(some), BATCH)]


def one_by_one(take: Take) -> Take:
    return lambda some: [take([each]) for each in some]


STEPS = (
    "bare commit of one row a receipt",
    "+ the receipt, if it is new",
    "+ its message found, merged and updated",
    "+ two counters: the hand-written transaction",
)
TRACKER = "+ everything: Tracker.ingest"


def receipts(each: int = 3_000, single: int = 200, threaded: int = 5_000) -> None:
    """Receipts into SQLite: in batches, one by one, and from many threads with one each."""
    probe()
    told, events = story((each * (PAIRS + 1) + single * (PAIRS + 1) + threaded) // 2)
    left = iter(events)
    with tempfile.TemporaryDirectory() as folder:
        hands = {name: Hand(f"{folder}/hand-{at}.db", told, at) for at, name in enumerate(STEPS, start=1)}
        tracker = tracked(f"sqlite:///{folder}/tracker.db", told)
        takes: dict[str, Take] = {**{name: hand.take for name, hand in hands.items()}, TRACKER: tracker.ingest}

        slices = [list(itertools.islice(left, each)) for _ in range(PAIRS + 1)]
        spent = alternate({name: in_batches(take) for name, take in takes.items()}, slices)
        line(f"SQLite FULL, {BATCH} receipts a commit", "receipts/s", "each")
        steps(spent, ">= 4,000/s, 8,000 is good")

        slices = [list(itertools.islice(left, single)) for _ in range(PAIRS + 1)]
        spent = alternate({name: one_by_one(take) for name, take in takes.items()}, slices)
        line("SQLite FULL, one receipt a commit", "receipts/s", "each")
        steps(spent, ">= 150/s, 300 is good")
        beside(spent)

        some = list(itertools.islice(left, threaded))
        waited, seconds = threads(tracker, some)
        hands[STEPS[-1]].take(some)
        line(
            f"SQLite FULL, {THREADS} threads, each one receipt a call: p99 {1000 * percentile(waited, 0.99):.0f} ms",
            per_second(seconds / threaded),
            micros(seconds / threaded),
            target=">= 4,000/s, 8,000 is good",
        )
        assert tracked_counts(tracker) == hands[STEPS[-1]].counts()
        assert tracker.verify_counters() == []


def steps(spent: Mapping[str, Spent], target: str) -> None:
    before = 0.0
    for name, runs in spent.items():
        added = f"{micros(wall(runs) - before)} more, {micros(cpu(runs))} of the processor in all"
        line(f"  {name:<46} {added}", per_second(wall(runs)), micros(wall(runs)), target=target * (name == TRACKER))
        before = wall(runs)


def beside(spent: Mapping[str, Spent]) -> None:
    """One at a time, as a share of what others reach: measured on this disk, computed for one that waits."""
    ours = spent[TRACKER]
    for name, target in ((STEPS[0], ">= 0.80"), (STEPS[-1], "")):
        line(
            f"  the Tracker's rate / {name.removeprefix('+ two counters: ')}",
            per_second(wall(ours)),
            per_second(wall(spent[name])),
            ratio=ratio(ours, spent[name]),
            target=target,
        )
        waiting = [WAITS + cpu(spent[name]), WAITS + cpu(ours)]
        line(
            f"    the same, computed for commits of {1000 * WAITS:.0f} ms from the processor's time of both",
            per_second(waiting[1]),
            per_second(waiting[0]),
            ratio=waiting[0] / waiting[1],
            target=target,
        )


def threads(tracker: Tracker, events: Sequence[Receipt]) -> tuple[list[float], float]:
    """How long each call waited, and how long all of it took."""
    left, waited = iter(events), list[float]()

    def work() -> None:
        for each in left:
            begun = time.perf_counter()
            tracker.ingest([each])
            waited.append(time.perf_counter() - begun)

    crew = [threading.Thread(target=work) for _ in range(THREADS)]
    begun = time.perf_counter()
    for each in crew:
        each.start()
    for each in crew:
        each.join()
    assert len(waited) == len(events)
    return waited, time.perf_counter() - begun


def receipts_postgres(each: int = 2_000, crowd: int = 10_000, processes: int = 8) -> None:
    """Receipts into PostgreSQL: one process beside the hand-written one, then several."""
    probe()
    told, events = story((each * (PAIRS + 1) + crowd) // 2)
    with postgres() as schema, schema() as own, schema() as theirs:
        hand, tracker = PostgresHand(theirs, told), tracked(written(own), told)
        slices = [events[each * turn : each * (turn + 1)] for turn in range(PAIRS + 1)]
        sides = {"hand": in_batches(hand.take), "ours": in_batches(tracker.ingest)}
        spent = alternate(sides, slices)
        line(
            f"PostgreSQL, {BATCH} receipts a commit: Tracker.ingest's rate / the hand-written one",
            *(per_second(wall(spent[side])) for side in ("ours", "hand")),
            ratio=ratio(spent["ours"], spent["hand"]),
            target=">= 4,000/s, 7,000 is good",
        )
        line("  the processor's time of this process", *(micros(cpu(spent[side])) for side in ("ours", "hand")))
        first = each * (PAIRS + 1)
        seconds = together(own, len(told), first, processes)
        rest = events[first:]
        in_batches(hand.take)(rest)
        assert tracked_counts(tracker) == hand.counts()
        assert tracker.verify_counters() == []
        line(
            f"PostgreSQL, {processes} processes with {BATCH} receipts a commit, all of one campaign",
            per_second(seconds / (0.8 * len(rest))),
            target=">= 8,000/s, 15,000 is good",
        )
        hand.db.close()


def together(url: sa.URL, messages: int, first: int, processes: int) -> float:
    """Seconds of the longest of some processes that deal out the receipts from a place on among them."""
    with contextlib.ExitStack() as stack:
        crowd = [
            stack.enter_context(
                subprocess.Popen(
                    command("ingest", written(url), messages, first, place, processes),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    cwd=SOURCE,
                )
            )
            for place in range(processes)
        ]
        assert {each.stdout.readline() for each in crowd} == {"ready\n"}
        begun = time.perf_counter()
        for each in crowd:
            each.stdin.write("\n")
            each.stdin.flush()
        assert {each.stdout.readline() for each in crowd} == {"done\n"}
        return time.perf_counter() - begun


def ingest(url: str, messages: str, first: str, place: str, processes: str) -> None:
    """One of a crowd."""
    _, events = story(int(messages))
    own = events[int(first) :][int(place) :: int(processes)]
    warm = len(own) // 5
    tracker = Tracker(SqlStorage(url))
    in_batches(tracker.ingest)(own[:warm])
    print("ready", flush=True)
    sys.stdin.readline()
    in_batches(tracker.ingest)(own[warm:])
    print("done", flush=True)


# --- a campaign that is read while more comes -----------------------------------------------------


def sending(rows: int, campaign: str, every: int) -> Iterator[Message]:
    """Messages sent over twelve hours to now; every so many has the id by which a receipt will find it."""
    begun, step = datetime.now(UTC) - timedelta(hours=12), timedelta(hours=12) / rows
    for place in range(rows):
        yield Message(
            message_id=f"{campaign}-{place:08d}",
            campaign_id=campaign,
            contact_id=f"c{place:08d}",
            to=number(place),
            variant="ab"[place % 2],
            sender="+12025550100",
            carrier="twilio",
            carrier_id=None if place % every else f"{campaign}-SM{place // every:08d}",
            status="sent",
            sent_at=begun + place * step,
            segments=1,
        )


def settle(path: str, tracker: Tracker, campaign: str) -> None:
    """Let all messages arrive or fail but those of which receipts are to come: by SQL, for it is many."""
    chance = random.Random(7)
    times = [int(1000 * chance.lognormvariate(1.5, 1)) for _ in range(9973)]
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.create_function("took", 1, lambda name: times[int(name[-8:]) % len(times)], deterministic=True)
        db.create_function("bucket", 1, latency_bucket, deterministic=True)
        place = "CAST(substr(message_id, -8) AS INTEGER)"
        these = "campaign_id = ? AND carrier_id IS NULL"
        db.execute(
            "UPDATE campaignkit_messages SET status = 'delivered', delivered_at = sent_at + 1000 * took(message_id),"
            f" latency = bucket(took(message_id)) WHERE {these} AND {place} % 19 > 0",
            [campaign],
        )
        db.execute(
            "UPDATE campaignkit_messages SET status = 'undelivered', error_code ="
            f" CASE {place} % 4 WHEN 0 THEN '30005' WHEN 1 THEN '30006' ELSE '30003' END"
            f" WHERE {these} AND {place} % 19 = 0",
            [campaign],
        )
        db.execute("UPDATE campaignkit_messages SET last_event_at = coalesce(delivered_at, sent_at)")
    with tracker._storage.transaction(TENANT) as tx:  # noqa: SLF001 - what `rebuild` does, without reading receipts
        alike = tx.count(MESSAGES, COUNTED, index="campaign", where={"campaign_id": campaign})
        recounted, deltas = count_alike(alike).found(), Deltas()
        deltas.change(stored_counters(tx, campaign), recounted)
        set_anew(tx, campaign, recounted, tracker._rules, 0)  # noqa: SLF001 - the same
        deltas.write(tx)


def campaign(rows: int = ROWS, receipts: int = 20_000, looks: int = 120) -> None:
    """A campaign in SQLite: read while receipts come, recounted, and exported."""
    probe()
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/campaigns.db"
        tracker = Tracker(SqlStorage(f"sqlite:///{path}"))
        every = max(10, rows // receipts)
        for name, size in ((SPRING, rows), ("small", rows // 10)):
            tracker.record(sending(size, name, every))
            settle(path, tracker, name)
            assert tracker.verify_counters(name) == []
        live(path, tracker, rows, every, looks)
        recount(path, tracker, rows)
        export(path, tracker, rows)


COUNTERS_BY_HAND = (
    "SELECT cell, sum(n) FROM campaignkit_counters WHERE tenant = ? AND campaign_id = ? GROUP BY cell",
    "SELECT kind, currency, sum(micros) FROM campaignkit_amounts WHERE tenant = ? AND campaign_id = ? GROUP BY 1, 2",
    "SELECT bucket, sum(n) FROM campaignkit_latencies WHERE tenant = ? AND campaign_id = ? GROUP BY bucket",
)


def live(path: str, tracker: Tracker, rows: int, every: int, looks: int) -> None:
    """The live report while 1,000 receipts a second arrive, and the same counters summed up by SQL alone."""
    db = sqlite3.connect(path)

    def by_hand() -> int:
        cells, *_ = [db.execute(each, [TENANT, SPRING]).fetchall() for each in COUNTERS_BY_HAND]
        return sum(n for _, n in cells)

    held = sum(
        db.execute(f"SELECT count(*) FROM campaignkit_{table.name} WHERE campaign_id = ?", [SPRING]).fetchone()[0]
        for table in (COUNTERS, AMOUNTS, LATENCIES)
    )
    asked: dict[str, Callable[[], object]] = {
        "tracker.summary(campaign)": lambda: tracker.summary(SPRING),
        'tracker.summary(campaign, by="variant")': lambda: tracker.summary(SPRING, by="variant"),
        "the same counters summed up by three SELECTs of sqlite3": by_hand,
        "tracker.version(campaign)": lambda: tracker.version(SPRING),
    }
    assert tracker.summary(SPRING).counts.total == by_hand() == rows
    spent: dict[str, list[float]] = {name: [] for name in asked}
    with arriving(tracker, rows, every) as came:
        for _ in range(looks):
            for name, ask in asked.items():
                begun = time.perf_counter()
                ask()
                spent[name].append(time.perf_counter() - begun)
                time.sleep(0.005)
    assert tracker.summary(SPRING).counts.total == by_hand() == rows
    db.close()
    line(f"{rows:,} messages in {held:,} counters, while {came():,.0f} receipts/s arrive", "p50", "p99")
    for name, runs in spent.items():
        shown = (f"{1000 * percentile(runs, share):.1f} ms" for share in (0.5, 0.99))
        line(f"  {name}", *shown, target="p99 <= 50 ms, 10 is good" * name.startswith("tracker.summary"))


@contextlib.contextmanager
def arriving(tracker: Tracker, rows: int, every: int, rate: int = 1000) -> Iterator[Callable[[], float]]:
    """While this lasts, a thread takes in so many receipts a second; what is yielded says how many it were."""
    chance, ending = random.Random(7), threading.Event()
    places = list(range((rows + every - 1) // every))
    chance.shuffle(places)
    came, lasted = 0, 1.0

    def tell(place: int) -> Receipt:
        status, code = ("delivered", None) if chance.random() < 0.9 else ("undelivered", "30003")
        return Receipt(carrier="twilio", carrier_id=f"{SPRING}-SM{place:08d}", status=status, error_code=code)

    def work() -> None:
        nonlocal came, lasted
        left, begun = itertools.cycle(places), time.monotonic()
        while not ending.wait(0.01):
            due = min(BATCH, int(rate * (time.monotonic() - begun)) - came)
            tracker.ingest([tell(next(left)) for _ in range(due)])
            came += due
        lasted = time.monotonic() - begun

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield lambda: came / lasted
    finally:
        ending.set()
        thread.join()


def recount(path: str, tracker: Tracker, rows: int) -> None:
    """`verify_counters`, and a Counter over the same columns, which is faster than GROUP BY in SQLite."""
    names = ", ".join(f'"{name}"' for name in COUNTED)
    query = f"SELECT {names} FROM campaignkit_messages WHERE tenant = ? AND campaign_id = ?"

    def hand() -> Counter[tuple[object, ...]]:
        with contextlib.closing(sqlite3.connect(path)) as db:
            return Counter(db.execute(query, [TENANT, SPRING]))

    statuses = Counter[str]()
    for values, n in hand().items():
        statuses[values[COUNTED.index("status")]] += n
    assert statuses == Counter({each: n for (_, each, _), n in combined(tracker).items()})
    assert tracker.verify_counters(SPRING) == []
    ours, theirs = in_turns(lambda: tracker.verify_counters(SPRING), hand, 1 if rows > SECOND else 3)
    of_ten = 10 * SECOND / rows * statistics.median(ours)
    line(
        f"verify_counters of {rows:,} / Counter over a cursor; of 10 M, if linear, {of_ten:,.1f} s",
        *(f"{statistics.median(each):.3f} s" for each in (ours, theirs)),
        ratio=statistics.median(a / b for a, b in zip(ours, theirs, strict=True)),
        target="<= 60 s for 10 M, 20 is good",
    )


def combined(tracker: Tracker) -> Counter[tuple[str, ...]]:
    found = Counter[tuple[str, ...]]()
    for (_, status, _), n in tracked_counts(tracker).items():
        found["", status, ""] += n
    return found


def in_turns(ours: Callable[[], object], theirs: Callable[[], object], times: int) -> tuple[list[float], list[float]]:
    spent: tuple[list[float], list[float]] = ([], [])
    for turn in range(times):
        for side in (0, 1) if turn % 2 else (1, 0):
            begun = time.perf_counter()
            (ours, theirs)[side]()
            spent[side].append(time.perf_counter() - begun)
    return spent


EXPORTED = (
    "message_id", "campaign_id", "variant", "list_id", "contact_id", "contact_name", "to", "account_id", "sender",
    "step", "status", "created_at", "sent_at", "delivered_at", "last_event_at", "carrier", "carrier_id", "error_code",
    "skip_reason", "segments", "price", "currency", "replies", "stop_replies", "clicks", "opted_out", "orders",
    "revenue", "assisted_orders",
)  # fmt: skip


def export(path: str, tracker: Tracker, rows: int) -> None:
    """The message log as CSV, and the same columns as they are stored through csv.writer."""
    names = ", ".join(f'"{name}"' for name in EXPORTED)
    query = f"SELECT {names} FROM campaignkit_messages WHERE tenant = ? AND campaign_id = ? ORDER BY message_id"
    own, plain = (Path(path).with_name(name) for name in ("own.csv", "plain.csv"))

    def hand() -> None:
        with contextlib.closing(sqlite3.connect(path)) as db, plain.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(EXPORTED)
            writer.writerows(db.execute(query, [TENANT, SPRING]))

    ours, theirs = in_turns(lambda: tracker.to_csv(SPRING, own), hand, 1 if rows > SECOND else 3)
    found = []
    for each in (own, plain):
        with each.open(newline="", encoding="utf-8") as file:
            found.append(Counter((row["variant"], row["status"], row["error_code"]) for row in csv.DictReader(file)))
    assert found[0] == found[1] == tracked_counts(tracker)
    line(
        f"to_csv of {rows:,}: rate / csv.writer over a cursor of the same columns",
        *(per_second(statistics.median(each) / rows) for each in (ours, theirs)),
        ratio=statistics.median(b / a for a, b in zip(ours, theirs, strict=True)),
        target=">= 50,000/s, 150,000 is good",
    )
    memory("  its memory", [told_by("export", path, name) for name in ("small", SPRING)], rows)


def exported(path: str, name: str) -> None:
    """An export in a process of its own."""
    tracker = Tracker(SqlStorage(f"sqlite:///{path}"))
    tracker.version(name)
    start = megabytes("VmRSS")
    tracker.to_csv(name, f"{path}.{name}.csv")
    print(json.dumps({"start": start, "peak": megabytes("VmHWM")}))


def memory(what: str, told: Sequence[Mapping[str, float]], rows: int) -> None:
    small, large = told
    line(
        f"{what}: {large['start']:.0f} MB at the start, at most {small['peak']:.1f} with {rows // 10:,} rows, then",
        f"{large['peak']:.1f} MB",
        f"{large['peak'] - small['peak']:+.1f} MB",
        target="<= 150 MB, 80 is good; <= +10",
    )


# --- recipients -----------------------------------------------------------------------------------

PENDING = "message_id", "campaign_id", "contact_id", "to", "variant", "sender"


def people(rows: int) -> Iterator[tuple[str, ...]]:
    """Ids in order, numbers in none."""
    for place in range(rows):
        yield f"m{place:08d}", SPRING, f"c{place:08d}", number(place), "ab"[place % 2], "+12025550100"


def pending(rows: int) -> Iterator[Message]:
    for message_id, campaign_id, contact_id, to, variant, sender in people(rows):
        yield Message(
            message_id=message_id,
            campaign_id=campaign_id,
            contact_id=contact_id,
            to=to,
            variant=variant,
            sender=sender,
            status="pending",
        )


def fill_ours(url: sa.URL, rows: int) -> float:
    tracker = Tracker(SqlStorage(url))
    begun = time.perf_counter()
    tracker.record(pending(rows))
    return time.perf_counter() - begun


def with_constants(url: sa.URL) -> dict[str, object]:
    """Make our tables, and say what each row of messages has in common; nothing else is left in them."""
    storage = SqlStorage(url)
    tracker = Tracker(storage)
    tracker.record(pending(1))
    engine = sa.create_engine(url)
    with engine.begin() as db:
        row = dict(db.execute(sa.text("SELECT * FROM campaignkit_messages")).mappings().one())
        for each in ("messages", "counters", "campaigns"):
            db.execute(sa.text(f"DELETE FROM campaignkit_{each}"))
    engine.dispose()
    storage.close()
    return {name: value for name, value in row.items() if value is not None and name not in PENDING}


def fill_sqlite_hand(url: sa.URL, rows: int) -> float:
    constants = with_constants(url)
    db = sqlite3.connect(url.database, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    names = ", ".join(f'"{name}"' for name in (*PENDING, *constants))
    fixed = ", ".join(str(value) if isinstance(value, int) else f"'{value}'" for value in constants.values())
    insert = f"INSERT INTO campaignkit_messages ({names}) VALUES (?, ?, ?, ?, ?, ?, {fixed})"
    begun, left = time.perf_counter(), people(rows)
    while some := list(itertools.islice(left, 5000)):
        db.execute("BEGIN IMMEDIATE")
        db.executemany(insert, some)
        db.execute("COMMIT")
    spent = time.perf_counter() - begun
    db.close()
    return spent


def fill_postgres_hand(url: sa.URL, rows: int) -> float:
    import psycopg  # noqa: PLC0415 - only here

    constants = with_constants(url)
    names = ", ".join(f'"{name}"' for name in (*PENDING, *constants))
    fixed = tuple(constants.values())
    with psycopg.connect(conninfo(url)) as db, db.cursor() as cursor:
        begun = time.perf_counter()
        with cursor.copy(f"COPY campaignkit_messages ({names}) FROM STDIN") as copy:
            for row in people(rows):
                copy.write_row((*row, *fixed))
        db.commit()
        return time.perf_counter() - begun


FILLS: dict[str, Callable[[sa.URL, int], float]] = {
    "ours": fill_ours,
    "sqlite": fill_sqlite_hand,
    "postgresql": fill_postgres_hand,
}


def fill(side: str, database: str, rows: str) -> None:
    """Recipients, in a process of its own."""
    url, size = sa.make_url(database), int(rows)
    if side == "ours":
        Tracker(SqlStorage(url)).version(SPRING)
    few = min(size, ROWS)
    begun = time.perf_counter()
    deque(pending(few), maxlen=0)
    making = (time.perf_counter() - begun) * size / few
    start = megabytes("VmRSS")
    spent = FILLS[side](url, size)
    print(json.dumps({"seconds": spent, "making": making, "start": start, "peak": megabytes("VmHWM")}))


def recipients(rows: int = ROWS) -> None:
    """Recipients into both databases, each beside what the database takes by itself."""
    probe()
    with tempfile.TemporaryDirectory() as folder:
        numbers = itertools.count()

        @contextlib.contextmanager
        def file() -> Iterator[sa.URL]:
            path = Path(folder) / f"{next(numbers)}.db"
            yield sa.make_url(f"sqlite:///{path}")
            for each in path.parent.glob(f"{path.name}*"):
                each.unlink()

        filled("sqlite", file, rows, "executemany of the same rows into the same table", ">= 40,000/s, 100,000 is good")
    with postgres() as schema:
        filled("postgresql", schema, rows, "bare COPY of the same rows into the same table", ">= 30,000/s and 0.50")


def filled(
    name: str, fresh: Callable[[], contextlib.AbstractContextManager[sa.URL]], rows: int, hand: str, target: str
) -> None:
    with fresh() as own, fresh() as theirs:
        told_by("fill", "ours", written(own), 1_000)
        told_by("fill", name, written(theirs), 1_000)
        assert everything(own) == everything(theirs)
    runs = []
    for turn in range(1 if rows > SECOND else 3):
        told = {}
        for side in ("ours", name) if turn % 2 else (name, "ours"):
            with fresh() as url:
                told[side] = told_by("fill", side, written(url), rows)
        runs.append((told["ours"], told[name]))
    without = statistics.median(ours["seconds"] - ours["making"] for ours, _ in runs)
    spent = [statistics.median(run[side]["seconds"] for run in runs) for side in (0, 1)]
    line(
        f"{name}, {rows:,} recipients: Tracker.record's rate / {hand}",
        *(per_second(each / rows) for each in spent),
        ratio=statistics.median(b["seconds"] / a["seconds"] for a, b in runs),
        target=target,
    )
    line(
        "  without the making of the Message objects",
        per_second(without / rows),
        ratio=statistics.median(b["seconds"] / (a["seconds"] - a["making"]) for a, b in runs),
    )
    with fresh() as url:
        small = told_by("fill", "ours", written(url), rows // 10)
    memory("  its memory", [small, runs[-1][0]], rows)


def everything(url: sa.URL) -> list[tuple[object, ...]]:
    engine = sa.create_engine(url)
    with engine.connect() as db:
        found = [tuple(row) for row in db.execute(sa.text("SELECT * FROM campaignkit_messages ORDER BY message_id"))]
    engine.dispose()
    assert len(found) == 1_000
    return found


# --- webhooks -------------------------------------------------------------------------------------

CONNECTIONS = 64


def routes(count: int = 5_000) -> None:
    """Twilio's receipts through uvicorn: verified and durable before the answer, and with nothing done at all."""
    probe()
    rates = {}
    for kind in ("bare", "kept"):
        with tempfile.TemporaryDirectory() as folder, server(kind, f"{folder}/campaigns.db", count) as (port, used):
            told_by("post", port, 0, count // 5)
            before = used()
            rates[kind] = told_by("post", port, count // 5, count)
            rates[kind]["cpu"] = (used() - before) / (count - count // 5)
            if kind == "kept":
                tracker = Tracker(SqlStorage(f"sqlite:///{folder}/campaigns.db"))
                assert tracker.summary(SPRING).counts.delivered == count
                assert tracker.verify_counters() == []
    ours, bare = rates["kept"], rates["bare"]
    line(
        f"webhook route, {CONNECTIONS} connections, verified and durable: rate / a route that does nothing",
        f"{ours['rate']:,.0f}/s",
        f"{bare['rate']:,.0f}/s",
        ratio=ours["rate"] / bare["rate"],
        target=">= 800/s, 1,500 is good",
    )
    line("  the processor's time of the server", *(micros(each["cpu"]) for each in (ours, bare)))
    line("  p50", *(f"{1000 * each['p50']:.0f} ms" for each in (ours, bare)))
    line("  p99", *(f"{1000 * each['p99']:.0f} ms" for each in (ours, bare)), target="<= 250 ms")


@contextlib.contextmanager
def server(kind: str, path: str, count: int) -> Iterator[tuple[int, Callable[[], float]]]:
    """A server's port, and what says how much of the processor's time it has used."""
    with subprocess.Popen(command("serve", kind, path, count), stdout=subprocess.PIPE, cwd=SOURCE) as process:
        try:
            yield int(process.stdout.readline()), functools.partial(processor_of, process.pid)
        finally:
            process.terminate()


def processor_of(pid: int) -> float:
    used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")


def serve(kind: str, path: str, count: str) -> None:
    """A web server of one process, as a host has it."""
    import uvicorn  # noqa: PLC0415 - only here
    from benchmarks import carriers  # noqa: PLC0415 - the same
    from starlette.applications import Starlette  # noqa: PLC0415 - the same
    from starlette.requests import Request  # noqa: PLC0415 - the same
    from starlette.responses import Response  # noqa: PLC0415 - the same
    from starlette.routing import Mount, Route  # noqa: PLC0415 - the same

    from campaignkit import Attempt  # noqa: PLC0415 - the same
    from campaignkit.backends.carriers import Twilio  # noqa: PLC0415 - the same
    from campaignkit.web import webhooks  # noqa: PLC0415 - the same

    async def nothing(_: Request) -> Response:
        return Response()

    if kind == "kept":
        sent, _ = story(int(count))
        tracker = Tracker(SqlStorage(f"sqlite:///{path}"))
        tracker.record(sent, {each.message_id: Attempt(attempt_id=f"a-{place}") for place, each in enumerate(sent)})
        url = "https://app.example/hooks/twilio"
        twilio = Twilio(account_sid=carriers.ACCOUNT, auth_token=carriers.TOKEN, webhook_url=url)
        app = Starlette(routes=[Mount("/hooks", webhooks(tracker, {"twilio": twilio}))])
    else:
        app = Starlette(routes=[Route("/hooks/twilio", nothing, methods=["POST"])])
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listening])


def post(port: str, first: str, end: str) -> None:
    """Post receipts over some connections, each the next as soon as the last is answered."""
    from benchmarks import carriers  # noqa: PLC0415 - only here

    made = [as_bytes(each) for each in carriers.receipts(int(end))[int(first) :]]
    waited = list[float]()

    async def work(left: Iterator[bytes]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        for each in left:
            begun = time.perf_counter()
            writer.write(each)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            assert b"content-length: 0\r\n" in head.lower(), head
            waited.append(time.perf_counter() - begun)
        writer.close()

    async def run() -> float:
        left, begun = iter(made), time.perf_counter()
        await asyncio.wait_for(asyncio.gather(*(work(left) for _ in range(CONNECTIONS))), 120)
        return time.perf_counter() - begun

    seconds = asyncio.run(run())
    assert len(waited) == len(made)
    shares = {"p50": percentile(waited, 0.5), "p99": percentile(waited, 0.99)}
    print(json.dumps({"rate": len(made) / seconds, **shares}))


def as_bytes(request: tuple[str, str, Mapping[str, str], bytes]) -> bytes:
    method, url, headers, body = request
    told = {**headers, "Content-Length": str(len(body))}
    lines = [f"{method} {url.removeprefix('https://app.example')} HTTP/1.1", *(f"{k}: {v}" for k, v in told.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


OWN: Mapping[str, Callable[..., None]] = {
    "ingest": ingest,
    "export": exported,
    "fill": fill,
    "serve": serve,
    "post": post,
}


if __name__ == "__main__":
    OWN[sys.argv[1]](*sys.argv[2:])
