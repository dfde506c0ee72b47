"""R17, R24, R27: many on one database get along, and see nothing half done; tenants see nothing of each other."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from itertools import zip_longest
from pathlib import Path

import pytest
from story import state, story, tell, told_once, tracker_of, whole

from campaignkit.backends.storage.tables import NOTES

HERE = Path(__file__).parent


@pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)
def test_four_processes_do_all_sorts_of_things(url, tmp_path, opened, soak, say):
    """No `database is locked` reaches a caller, and at every commit the statuses add up to the messages."""
    database, seconds = url.render_as_string(hide_password=False), 2 if soak == 1 else 60
    script = str(HERE / "together.py")

    subprocess.run(  # noqa: S603 - our own
        [sys.executable, script, database, "20", str(seconds), str(tmp_path)], check=True, timeout=seconds + 60
    )

    *writers, watcher = (json.loads((tmp_path / f"{i}.json").read_text("utf-8")) for i in range(5))
    waits = sorted(wait for each in writers for wait in each["waits"])
    done = sum((Counter(each["done"]) for each in writers), Counter())
    assert [each["refused"] for each in writers] == [{}] * 4
    assert (watcher["differed"], watcher["looked"] > 0) == (0, True)
    assert whole(tracker_of(opened(url)))
    p99 = waits[len(waits) * 99 // 100] * 1000
    say(f"{url.get_backend_name()}, 4 processes, {seconds} s: {dict(done)}, 0 refused, p99 of a write {p99:.0f} ms;")
    say(f"{watcher['looked']} looks at counters and messages of one moment: 0 differences")


@pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)
def test_who_reads_first_may_write_then(url, opened):
    """A transaction that has read is not told to begin anew because another process wrote meanwhile."""
    one, other = opened(url), opened(url, patience=20)

    def note(tx):
        tx.add(NOTES, {("noted", ""): {"n": 1}})

    def note_elsewhere():
        with other.transaction("acme") as tx:
            note(tx)

    with one.transaction("acme") as tx:
        tx.get(NOTES, [("noted", "")])
        thread = threading.Thread(target=note_elsewhere)
        thread.start()
        thread.join(0.3)
        note(tx)
    thread.join()

    with one.reading("acme") as tx:
        assert tx.scan(NOTES)[0]["n"] == 2


@pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)
def test_tenants_with_equal_ids(url, opened, say):
    """Two tenants, one carrier account, the same message, attempt and carrier ids: each has its own story alone."""
    stories = {name: story(seed, 5) for seed, name in enumerate(["one", "other"])}
    storage = opened(url)
    trackers = {name: tracker_of(storage, tenant=name) for name in stories}
    for each in zip_longest(*stories.values()):
        for tracker, telling in zip(trackers.values(), each, strict=True):
            if telling is not None:
                tell(tracker, telling)

    for name, tracker in trackers.items():
        assert state(tracker) == told_once(stories[name])
        assert whole(tracker)
    assert state(trackers["one"]) != state(trackers["other"])
    shared = {*state(trackers["one"])} & {*state(trackers["other"])}
    say(f"{len(shared)} rows of two tenants have equal keys: 0 met")
