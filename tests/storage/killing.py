"""A script: upgrade a database, be killed before each statement in turn, and print what each time is left.

python killing.py URL VERSION   (of one above ours, with a made-up step to it)
"""

from __future__ import annotations

import os
import sys

import sqlalchemy as sa

from campaignkit.backends.storage import SqlStorage, schema


def step(connection):
    """Change two tables, as a step to a next version would."""
    connection.execute(sa.text("ALTER TABLE campaignkit_notes ADD COLUMN one INTEGER"))
    connection.execute(sa.text("ALTER TABLE campaignkit_notes ADD COLUMN two INTEGER"))


def upgrade(url, statement):
    """Upgrade in a process of its own that is killed before its n-th statement; return whether it was."""
    pid = os.fork()
    if pid == 0:
        engine = sa.create_engine(url)
        left = [statement]

        def count(*_):
            if left[0] == 0:
                os._exit(9)
            left[0] -= 1

        sa.event.listen(engine, "before_cursor_execute", count)
        storage = SqlStorage(engine)
        commit = storage._dialect.commit
        storage._dialect.commit = lambda cursor: (count(), commit(cursor))
        storage.upgrade()
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert ended in {0, 9}
    return ended == 9


def left(url):
    """Return the version, how many tables there are, and how many columns a step has made."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        version, seen = schema.version_of(connection), sa.inspect(connection)
        columns = seen.get_columns("campaignkit_notes") if version else []
        return version, len(seen.get_table_names()), sum(each["name"] in {"one", "two"} for each in columns)


if __name__ == "__main__":
    schema.VERSION = int(sys.argv[2])
    schema.STEPS = {schema.VERSION - 1: step}
    at = 0
    while upgrade(sys.argv[1], at):
        print(*left(sys.argv[1]))  # noqa: T201 - a script
        at += 1
    print(*left(sys.argv[1]))  # noqa: T201 - a script
