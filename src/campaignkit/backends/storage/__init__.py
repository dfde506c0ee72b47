"""Storage: where what carriers report is kept.

A storage keeps rows and knows no rule. Names are loaded on first use, so that a host pays
only for the storage it constructs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from campaignkit.lazy import loader

if TYPE_CHECKING:
    from campaignkit.backends.storage.memory import MemoryStorage
    from campaignkit.backends.storage.port import Key, Row, Storage, Transaction
    from campaignkit.backends.storage.sql import SqlStorage
    from campaignkit.backends.storage.tables import TABLES, Kind, Table

_MODULE_OF = {
    "Key": "port",
    "Kind": "tables",
    "MemoryStorage": "memory",
    "Row": "port",
    "SqlStorage": "sql",
    "Storage": "port",
    "TABLES": "tables",
    "Table": "tables",
    "Transaction": "port",
}

__all__ = [
    "TABLES",
    "Key",
    "Kind",
    "MemoryStorage",
    "Row",
    "SqlStorage",
    "Storage",
    "Table",
    "Transaction",
]

__getattr__ = loader(__name__, _MODULE_OF)


def __dir__() -> list[str]:
    return [*__all__]
