"""What all tests of survival share: where to find what the other tests have, a database of each kind, and how much.

`make test` does a little of each; CAMPAIGNKIT_SOAK=20 does twenty times as much.
"""

from __future__ import annotations

import os

import pytest
import sqlalchemy as sa


@pytest.fixture
def url(request):
    """Return the URL of an empty database of the kind that a test asks for."""
    if request.param == "sqlite":
        return sa.make_url(f"sqlite:///{request.getfixturevalue('tmp_path')}/campaigns.db")
    return request.getfixturevalue("postgres_url")


@pytest.fixture(scope="session")
def soak():
    """Return how many times as much as usual is to be done."""
    return int(os.environ.get("CAMPAIGNKIT_SOAK", "1"))


@pytest.fixture
def say():
    """Return what prints the counts of a test in a line of its own."""
    return lambda counts: print(f"\n{counts}")  # noqa: T201 - tests of survival say what they counted
