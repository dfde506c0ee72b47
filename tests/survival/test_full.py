"""R17: a disk without room. Row and counter are kept together or not at all, and it goes on when there is room."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa
from story import state, states_of, story, tell, tracker_of, whole

from campaignkit.errors import StorageUnavailable

HERE = Path(__file__).parent


def test_a_file_of_so_many_pages(tmp_path, opened, soak, say):
    """Where SQLite says that its file is full, nothing of that telling is kept; with a page more it goes on."""
    told, pages, full = story(6, 20 * soak), 1, 0
    engine = sa.create_engine(f"sqlite:///{tmp_path}/campaigns.db")
    states, tracker = states_of(told), tracker_of(opened(engine), patience=0)
    tracker.notes()
    sa.event.listen(engine, "connect", lambda made, _: made.execute(f"PRAGMA max_page_count={pages}"))

    for before, telling in zip(states, told, strict=False):
        while refused(tracker, telling, engine):
            assert state(tracker) == before
            assert tracker.verify_counters() == []
            full, pages = full + 1, max(pages, page_count(engine)) + 1

    assert state(tracker) == states[-1]
    assert whole(tracker)
    assert full > 1
    engine.dispose()
    say(f"{len(told)} tellings, {full} times without a page: 0 lost, 0 differences")


def refused(tracker, telling, engine):
    """Tell something to a database whose connections are new; return whether it was full."""
    engine.dispose()
    try:
        tell(tracker, telling)
    except StorageUnavailable as error:
        return "full" in str(error)
    return False


def page_count(engine):
    """Return how many pages a database has."""
    with engine.connect() as connection:
        return connection.exec_driver_sql("PRAGMA page_count").scalar()


def test_a_write_that_stops_in_the_middle(tmp_path, soak, say):
    """Where the operating system lets a file grow no more, in the middle of a write: the same."""
    given = [f"sqlite:///{tmp_path}/campaigns.db", "6", str(4 * soak), "20000"]

    ended = subprocess.run(  # noqa: S603 - our own
        [sys.executable, str(HERE / "full.py"), *given], capture_output=True, text=True, check=False
    )

    assert (ended.stderr, ended.returncode) == ("", 0)
    say(ended.stdout.strip())
