"""R14: told in any order, any number of times, by anybody, a story ends in the state of once and in order."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from pathlib import Path

import pytest
from crowd import bag, share
from story import SPRING, state, story, told_once, tracker_of, whole

from campaignkit.backends.storage.memory import MemoryStorage
from campaignkit.models import Attempt, Message, Receipt
from strategies import CARRIER, FOUR_FACTS, NOON, SAYS, moment

HERE = Path(__file__).parent


@pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("most", [1, 12])
def test_eight_processes_tell_everything_at_once(url, opened, most, soak, say):
    """Each telling one to five times, in any order, alone or many in one transaction: rows and counters of once."""
    seed, messages = 7 + most, 9 * soak
    given = [url.render_as_string(hide_password=False), *map(str, (seed, messages, 5, 8, most))]

    said = subprocess.run(  # noqa: S603 - our own
        [sys.executable, str(HERE / "crowd.py"), *given], capture_output=True, text=True, check=False
    )

    assert (said.stderr, said.returncode) == ("", 0)
    tracker = tracker_of(opened(url))
    assert sum(map(int, said.stdout.split())) == len(bag(seed, messages))
    assert state(tracker) == told_once(story(seed, messages))
    assert whole(tracker)
    say(f"8 processes, {len(bag(seed, messages))} tellings of {len(story(seed, messages))}: 0 differences")


MESSAGE = Message(message_id="m1", campaign_id=SPRING, status="queued", carrier=CARRIER, sent_at=NOON)


def receipts(facts):
    """Return what a carrier says, in its words, about two parts."""
    sayings = [SAYS[status][0] for status in facts]
    return [
        Receipt(status=word, carrier=CARRIER, error_code=code, at=moment(n), message_id="m1", part=n % 2)
        for n, (word, code) in enumerate(sayings)
    ]


def after(*calls):
    """Return the state after some calls."""
    tracker = tracker_of(MemoryStorage())
    tracker.record([MESSAGE], {"m1": Attempt(parts=2)})
    for events in calls:
        tracker.ingest(events)
    return state(tracker)


@pytest.mark.no_cover
@pytest.mark.parametrize("facts", FOUR_FACTS, ids="-".join)
def test_every_order_of_facts_that_come_twice(facts, soak, say):
    """Every order of three facts told twice each, or of four in a soak: one state."""
    told = receipts(facts)[: 3 if soak == 1 else 4]

    orders = set(itertools.permutations([*range(len(told))] * 2))
    found = [after(*([told[i]] for i in order)) for order in orders]

    assert all(each == after(told) for each in found)
    say(f"{len(orders)} orders of {len(told)} facts told twice: 1 state")


@pytest.mark.no_cover
@pytest.mark.parametrize("facts", FOUR_FACTS, ids="-".join)
def test_every_order_of_four_facts_and_every_way_to_group_them(facts, say):
    """All 24 orders, in one to four calls each: one state."""
    told, many = receipts(facts), 0
    for order in itertools.permutations(told):
        for cuts in itertools.product([False, True], repeat=3):
            places = [0, *(place for place, cut in enumerate(cuts, 1) if cut), 4]
            assert after(*(order[one:other] for one, other in itertools.pairwise(places))) == after(told)
            many += 1
    say(f"{many} orders and groupings of 4 facts: 1 state")


@pytest.mark.no_cover
def test_stories_at_random(soak, say):
    """Messages recorded and submitted before, between and after what comes back: as in order and once."""
    many = 0
    for seed in range(10 * soak):
        tracker, chance = tracker_of(MemoryStorage()), random.Random(seed)  # noqa: S311 - seeded, and no secret
        share(tracker, bag(seed, 4), chance, 6)
        assert state(tracker) == told_once(story(seed, 4))
        many += len(bag(seed, 4))
    say(f"{10 * soak} stories of {many} tellings: 0 differences")
