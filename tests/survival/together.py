"""A script: four processes do all sorts of things with one database, and a fifth watches every commit.

python together.py URL SEED SECONDS FOLDER    (where each leaves what it counted)

Nobody tries again: whatever the database refuses reaches the caller, and is printed.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from story import SPRING, story, tell, tracker_of

from campaignkit.backends.storage import SqlStorage
from campaignkit.backends.storage.tables import COUNTERS, MESSAGES

WRITERS = 4
LEAST = 20


def write(url, seed, until):
    """Write and read all sorts of things; return how long each write waited, what was done and what was refused."""
    tracker, chance = tracker_of(SqlStorage(url), patience=0), random.Random(seed)  # noqa: S311 - seeded
    told, waits, done, refused = story(seed, 40), [], Counter(), Counter()
    while time.monotonic() < until or done.total() < LEAST:  # a busy machine may take all the time to begin
        way = chance.choices(["one", "many", "summary", "messages", "verify"], [60, 10, 20, 3, 1])[0]
        begun = time.monotonic()
        try:
            do(tracker, way, told, chance)
        except Exception as error:  # noqa: BLE001 - counted
            refused[str(error)] += 1
        if way in {"one", "many"}:
            waits.append(time.monotonic() - begun)
        done[way] += 1
    return {"waits": waits, "done": done, "refused": refused}


def do(tracker, way, told, chance):
    """Do one thing."""
    if way in {"one", "many"}:
        tell(tracker, *chance.sample(told, 1 if way == "one" else 20))
    elif way == "summary":
        tracker.summary(SPRING, by="variant")
    elif way == "messages":
        sum(1 for _ in tracker.messages(SPRING))
    else:
        assert tracker.verify_counters() == []


def watch(url, until):
    """Read counters and messages of one moment, again and again; return how often, and how often they differed."""
    storage, looked, differed = SqlStorage(url), 0, 0
    while time.monotonic() < until or not looked:
        with storage.reading("default") as tx:
            stored = Counter(row["status"] for row in tx.scan(MESSAGES) if row["campaign_id"] == SPRING)
            counted = Counter()
            for row in tx.scan(COUNTERS):
                counted[json.loads(row["cell"])[0]] += row["n"]
        time.sleep(0.02)
        looked, differed = looked + 1, differed + (+counted != stored)
    return {"looked": looked, "differed": differed}


if __name__ == "__main__":
    url, seed, seconds, folder = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4])
    until = time.monotonic() + seconds
    works = [lambda i=i: write(url, seed + i, until) for i in range(WRITERS)]
    for i, work in enumerate([*works, lambda: watch(url, until)]):
        if os.fork() == 0:
            (folder / f"{i}.json").write_text(json.dumps(work()), "utf-8")
            os._exit(0)
    ended = [os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(WRITERS + 1)]
    sys.exit(any(ended))
