"""R15: a power cut at any moment. With FULL nothing that was answered is lost; with NORMAL the last moments are."""

from __future__ import annotations

import random
from bisect import bisect_right

import pytest
import sqlalchemy as sa
from powercut import Disk, engine_on
from story import state, states_of, story, tell, tracker_of, whole

from campaignkit.backends.storage import SqlStorage

PAGES = 20  # in the log before it is copied into the database: so few that this happens again and again


@pytest.mark.parametrize("synchronous", ["FULL", "NORMAL"])
def test_power_cuts(synchronous, tmp_path, opened, soak, say):
    """Whatever is left of unsynced writes, in any order, torn or not: the file is whole, and holds what it must."""
    told, chance = story(11, 3), random.Random(11)  # noqa: S311 - seeded, and no secret
    states, disk, live = states_of(told), Disk(f"watched-{synchronous}"), tmp_path / "live"
    live.mkdir()
    ends = played(told, disk, live / "campaigns.db", synchronous)
    ends, last = ends[:-1], ends[-1]
    cuts = sorted({*ends, *chance.sample(range(last + 1), min(30 * soak, last))})
    lost = acknowledged = 0
    for at in cuts:
        folder = disk.cut(at, chance, tmp_path / f"cut-{at}")
        tracker = tracker_of(opened(f"sqlite:///{folder}/campaigns.db"))
        found, answered = state(tracker), bisect_right(ends, at)
        held = next(i for i in reversed(range(len(states))) if states[i] == found)

        assert sound(folder / "campaigns.db")
        assert whole(tracker)
        assert held <= answered + 1
        assert held >= answered or synchronous == "NORMAL"
        lost += max(0, answered - held)
        acknowledged += answered
        tracker._storage.close()

    assert (lost > 0) is (synchronous == "NORMAL")
    say(f"{synchronous}: {len(cuts)} power cuts, {acknowledged - lost} of {acknowledged} acknowledged commits kept")


def played(told, disk, path, synchronous):
    """Tell a story on a disk; return how much had been asked of it at each answer, and when all was closed."""
    engine = engine_on(disk, path, pages=PAGES)
    SqlStorage(engine, synchronous=synchronous).upgrade()
    engine.dispose()
    disk.start(path.parent)
    tracker, ends = tracker_of(SqlStorage(engine, synchronous=synchronous)), []
    for each in told:
        tell(tracker, each)
        ends.append(len(disk.asked))
    engine.dispose()
    return [*ends, len(disk.asked)]


def sound(path):
    """Return whether SQLite finds a file whole."""
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool)
    with engine.connect() as connection:
        return connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
