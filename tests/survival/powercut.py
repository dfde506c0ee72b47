"""A disk that says what of it was safe when the power was cut, under the storage that hosts use.

    SqlStorage ──► SQLAlchemy ──► Connection ──► apsw ──► Disk ──► files
                                  (here: the driver's)    (here: writes down every write, truncate and sync)

apsw brings a SQLite of its own whose files can be watched. SqlStorage speaks the words of
Python's sqlite3, so that is what `Connection` speaks too; there is no other change to it.

What a cut leaves of a file is what was there at its last sync, and of what was written since
any part, in any order: a write that is there, one that is not, and one of which only the first
sectors are. `Disk.cut` draws one such outcome.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import apsw
import sqlalchemy as sa

SECTOR = 512


class Disk(apsw.VFS):
    """SQLite's way to the disk, which remembers what was asked of it."""

    def __init__(self, name):
        self.name = name
        self.safe = {}  # by name of file
        self.asked = []  # of a file, to do what: write at an offset, truncate to a size, sync, delete
        super().__init__(name, "")

    def xOpen(self, name, flags):  # noqa: N802 - apsw's word
        """Open a file, and watch it if it is the database or its log."""
        return WatchedFile(self, name, flags)

    def xDelete(self, name, sync):  # noqa: N802 - apsw's word
        """Delete a file, which is safe at once: it is deleted when nothing in it is needed."""
        super().xDelete(name, sync)
        self.asked.append((Path(name).name, "delete", 0, b""))

    def start(self, folder):
        """Begin anew: everything in a folder is safe."""
        self.asked.clear()
        self.safe = {path.name: path.read_bytes() for path in Path(folder).iterdir() if not path.name.endswith("-shm")}

    def cut(self, at, chance, folder):
        """Put what may be left after a cut behind the first so many askings into a new folder; return it."""
        folder.mkdir()
        for name in {*self.safe, *(name for name, *_ in self.asked[:at])}:
            left = self._left([each for each in self.asked[:at] if each[0] == name], self.safe.get(name), chance)
            if left is not None:
                (folder / name).write_bytes(left)
        return folder

    @staticmethod
    def _left(asked, safe, chance):
        """Return what is left of one file, None where there is none."""
        unsynced, held = [], safe
        for _, verb, *rest in asked:
            if verb == "delete":
                unsynced, held = [], None
            elif verb == "sync":
                held, unsynced = written(held or b"", unsynced), []
            else:
                unsynced.append((verb, *rest))
        luck = chance.choice([0, 0.5, 0.9, 1])
        some = [each for each in unsynced if chance.random() < luck]
        if chance.random() < 0.5:
            chance.shuffle(some)
        some = [torn(*each, chance) if chance.random() < 0.2 else each for each in some]
        return held if held is None and not some else written(held or b"", some)


def torn(verb, at, data, chance):
    """Return a write of which only the first sectors got to the disk."""
    return verb, at, data[: chance.randrange(0, len(data) + SECTOR, SECTOR)]


def written(held, asked):
    """Return the bytes of a file after some writes and truncates."""
    held = bytearray(held)
    for verb, at, data in asked:
        if verb == "truncate":
            del held[at:]
            held.extend(bytes(at - len(held)))
        else:
            held.extend(bytes(max(0, at - len(held))))
            held[at : at + len(data)] = data
    return bytes(held)


class WatchedFile(apsw.VFSFile):
    """A file whose writes, truncates and syncs are written down."""

    def __init__(self, disk, name, flags):
        self._asked = disk.asked
        self._name = Path(name.filename() if isinstance(name, apsw.URIFilename) else name or "").name
        super().__init__("", name, flags)

    def xWrite(self, data, offset):  # noqa: N802 - apsw's word
        """Write, perhaps to be lost."""
        super().xWrite(data, offset)
        self._asked.append((self._name, "write", offset, bytes(data)))

    def xTruncate(self, size):  # noqa: N802 - apsw's word
        """Truncate, perhaps to be lost."""
        super().xTruncate(size)
        self._asked.append((self._name, "truncate", size, b""))

    def xSync(self, flags):  # noqa: N802 - apsw's word
        """Make safe what was written."""
        super().xSync(flags)
        self._asked.append((self._name, "sync", 0, b""))


# --- the driver that SqlStorage speaks to ------------------------------------------------------


class Connection:
    """An apsw connection in the words of sqlite3, as far as SQLAlchemy and SqlStorage use them."""

    isolation_level = None

    def __init__(self, path, disk, pages):
        self.apsw = apsw.Connection(str(path), vfs=disk.name)
        self.apsw.execute(f"PRAGMA wal_autocheckpoint={pages}")

    def cursor(self):
        """Return a cursor."""
        return Cursor(self)

    def create_function(self, *_, **__):
        """Leave out functions that SQLAlchemy would add and we do not use."""

    def rollback(self):
        """Undo what was begun."""
        if self.apsw.in_transaction:
            self.apsw.execute("ROLLBACK")

    def commit(self):
        """Say nothing: SqlStorage says COMMIT."""

    def close(self):
        """Close it."""
        self.apsw.close()


class Cursor:
    """A cursor whose errors are those of sqlite3."""

    def __init__(self, connection):
        self.connection = connection
        self._cursor = connection.apsw.cursor()
        self.description = None
        self.rowcount = -1
        self.lastrowid = None

    def execute(self, text, given=()):
        """Run a statement."""
        return self._run(self._cursor.execute, text, given)

    def executemany(self, text, given):
        """Run a statement many times."""
        return self._run(self._cursor.executemany, text, given)

    def _run(self, verb, text, given):
        before = self.connection.apsw.total_changes()
        try:
            verb(text, given)
            self.description = self._cursor.get_description() if self._cursor.is_readonly else None
        except apsw.ExecutionCompleteError:
            self.description = None
        except apsw.Error as error:
            meant = sqlite3.OperationalError(str(error))
            meant.sqlite_errorcode = getattr(error, "extendedresult", sqlite3.SQLITE_ERROR)
            raise meant from error
        self.rowcount = self.connection.apsw.total_changes() - before
        return self

    def fetchone(self):
        """Return the next row."""
        return self._cursor.fetchone()

    def fetchall(self):
        """Return the rows that are left."""
        return self._cursor.fetchall()

    def fetchmany(self, size):
        """Return some of the rows that are left."""
        return [row for row, _ in zip(self._cursor, range(size), strict=False)]

    def __iter__(self):
        return iter(self._cursor)

    def close(self):
        """Close it."""
        self._cursor.close()


def engine_on(disk, path, *, pages=1000):
    """Return an engine whose one database is on a disk that may lose its power."""
    return sa.create_engine(f"sqlite:///{path}", creator=lambda: Connection(path, disk, pages), pool_size=1)
