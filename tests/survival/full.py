"""A script: tell a story to a file that may not grow, give it a little room, and go on until all is told.

python full.py URL SEED MESSAGES STEP    (in bytes)

The limit is the operating system's for a process, so that it is met in the middle of a write.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import sqlalchemy as sa
from story import state, states_of, story, tell, tracker_of, whole

from campaignkit.backends.storage import SqlStorage
from campaignkit.errors import StorageUnavailable


def limit(size):
    """Let no file of this process grow beyond a size."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def largest(path):
    """Return the size of the database or of its log, whichever is larger."""
    return max(os.path.getsize(name) for name in (path, f"{path}-wal") if os.path.exists(name))  # noqa: PTH110, PTH202


def refused(tracker, telling, room):
    """Tell something that may need no more than some room; return whether it was refused."""
    limit(room)
    try:
        tell(tracker, telling)
    except StorageUnavailable:
        return True
    finally:
        limit(resource.RLIM_INFINITY)
    return False


if __name__ == "__main__":
    url, (seed, messages, step) = sys.argv[1], map(int, sys.argv[2:])
    path, told = sa.make_url(url).database, story(seed, messages)
    storage, states, full = SqlStorage(url), states_of(told), 0
    tracker = tracker_of(storage, patience=0)
    storage.upgrade()
    room = largest(path)
    for before, telling in zip(states, told, strict=False):
        while refused(tracker, telling, room):
            assert state(tracker) == before
            assert tracker.verify_counters() == []
            full, room = full + 1, room + step
    assert state(tracker) == states[-1]
    assert whole(tracker)
    print(f"{len(told)} tellings, {full} times without room: 0 lost, 0 differences")  # noqa: T201 - a script
