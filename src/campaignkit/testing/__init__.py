"""What hosts and authors of adapters test with: contracts, and carriers that misbehave on purpose.

Names are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from campaignkit.lazy import loader

if TYPE_CHECKING:
    from campaignkit.testing.clock import Deadlock, VirtualClock, run_virtual
    from campaignkit.testing.contract import CarrierContract
    from campaignkit.testing.dialects import DIALECTS, get_dialect
    from campaignkit.testing.dialects.base import Dialect, Submitted, Why
    from campaignkit.testing.ledger import Asked, Ledger, Posted, Taken
    from campaignkit.testing.server import SimulatorServer
    from campaignkit.testing.simulator import Simulator
    from campaignkit.testing.storage import StorageContract
    from campaignkit.testing.weather import WEATHERS, Weather

_MODULE_OF = {
    "DIALECTS": "dialects",
    "WEATHERS": "weather",
    "Asked": "ledger",
    "CarrierContract": "contract",
    "Deadlock": "clock",
    "Dialect": "dialects.base",
    "Ledger": "ledger",
    "Posted": "ledger",
    "Simulator": "simulator",
    "SimulatorServer": "server",
    "StorageContract": "storage",
    "Submitted": "dialects.base",
    "Taken": "ledger",
    "VirtualClock": "clock",
    "Weather": "weather",
    "Why": "dialects.base",
    "get_dialect": "dialects",
    "run_virtual": "clock",
}

__all__ = [
    "DIALECTS",
    "WEATHERS",
    "Asked",
    "CarrierContract",
    "Deadlock",
    "Dialect",
    "Ledger",
    "Posted",
    "Simulator",
    "SimulatorServer",
    "StorageContract",
    "Submitted",
    "Taken",
    "VirtualClock",
    "Weather",
    "Why",
    "get_dialect",
    "run_virtual",
]


__getattr__ = loader(__name__, _MODULE_OF)


def __dir__() -> list[str]:
    return [*__all__]
