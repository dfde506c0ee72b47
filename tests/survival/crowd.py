"""A script: tell a story in processes that all begin at once, each telling once or several times, in any order.

python crowd.py URL SEED MESSAGES TIMES PROCESSES MOST    (how many tellings one transaction may hold)
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from story import story, tell, tracker_of

from campaignkit.backends.storage import SqlStorage


def bag(seed, messages, times=5):
    """Return a story's tellings, each once to so many times, in any order."""
    chance = random.Random(seed)  # noqa: S311 - seeded, and no secret
    told = [each for each in story(seed, messages) for _ in range(chance.randint(1, times))]
    chance.shuffle(told)
    return told


def share(tracker, told, chance, most):
    """Tell a part of it, some at a time; return how many were answered."""
    done = 0
    while done < len(told):
        some = told[done : done + chance.randint(1, most)]
        tell(tracker, *some)
        done += len(some)
    return done


if __name__ == "__main__":
    url, (seed, messages, times, processes, most) = sys.argv[1], map(int, sys.argv[2:])
    told = bag(seed, messages, times)
    for i in range(processes):
        if os.fork() == 0:
            tracker, chance = tracker_of(SqlStorage(url), patience=60), random.Random(seed + i)  # noqa: S311 - seeded
            answered = share(tracker, told[i::processes], chance, most)
            os.write(1, f"{answered}\n".encode())
            os._exit(0)
    ended = [os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(processes)]
    sys.exit(any(ended))
