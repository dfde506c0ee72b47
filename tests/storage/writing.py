"""A script: write to a database many times, among others who do; print how often.

python writing.py URL TIMES
"""

from __future__ import annotations

import sys

from campaignkit.backends.storage import SqlStorage
from campaignkit.backends.storage.tables import NOTES

if __name__ == "__main__":
    storage = SqlStorage(sys.argv[1])
    for _ in range(int(sys.argv[2])):
        with storage.transaction("acme") as tx:
            tx.add(NOTES, {("written", ""): {"n": 1}})
        with storage.reading("acme") as tx:
            assert tx.get(NOTES, [("written", "")])
    print(sys.argv[2])  # noqa: T201 - a script
