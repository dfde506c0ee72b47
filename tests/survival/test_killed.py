"""R15, R17: whoever is killed loses nothing that was answered, and leaves no half of anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def killed(url, *given):
    """Run the script; return the counts it prints."""
    command = [sys.executable, str(HERE / "killed.py"), url.render_as_string(hide_password=False), *map(str, given)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    assert (ended.stderr, ended.returncode) == ("", 0)
    return ended.stdout.strip()


@pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)
def test_killed_at_a_sync_point(url, soak, say):
    """Before or after any verb of any transaction: what was answered is there, and of the rest all or nothing."""
    say(killed(url, "points", 3, 1, soak, 7 if soak == 1 else 1))


@pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)
def test_killed_at_random(url, soak, say):
    """In the middle of four threads that commit together: the same."""
    say(killed(url, "random", 5, 8 * soak, 4 * soak))
