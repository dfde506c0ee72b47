"""Fixtures of all tests."""

import pytest
from hypothesis import settings

from campaignkit.backends.storage import MemoryStorage, SqlStorage
from databases import postgres_server, postgres_url
from examples_of_docs import load_module

__all__ = ["load_module", "postgres_server", "postgres_url"]

settings.register_profile("untimed", settings.default, deadline=None)  # no test of ours depends on the clock
settings.load_profile("untimed")


@pytest.hookimpl(trylast=True)  # after Hypothesis has marked its own
def pytest_collection_modifyitems(items):
    """Measure no coverage under laws: they take two to three times as long, and what chance meets is not covered."""
    for item in items:
        if item.get_closest_marker("hypothesis"):
            item.add_marker("no_cover")


@pytest.fixture
def opened():
    """Return what opens storages that are closed in the end."""
    made = []

    def open_one(*given, **more):
        made.append(SqlStorage(*given, **more))
        return made[-1]

    yield open_one
    for storage in made:
        storage.close()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def storage(request, tmp_path):
    """Return an empty storage of each kind."""
    if request.param == "memory":
        yield MemoryStorage()
        return
    url = f"sqlite:///{tmp_path}/a.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    made = SqlStorage(url)
    yield made
    made.close()
