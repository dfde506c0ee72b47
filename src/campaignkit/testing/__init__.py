"""What hosts and authors of adapters test with: contracts, and carriers that misbehave on purpose.

Names are loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from campaignkit.testing.clock import Deadlock, VirtualClock, run_virtual
    from campaignkit.testing.contract import CarrierContract
    from campaignkit.testing.dialects import DIALECTS, get_dialect
    from campaignkit.testing.dialects.base import Dialect, Submitted, Why
    from campaignkit.testing.ledger import Asked, Ledger, Posted, Taken
    from campaignkit.testing.server import SimulatorServer
    from campaignkit.testing.simulator import Simulator
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
    "Submitted",
    "Taken",
    "VirtualClock",
    "Weather",
    "Why",
    "get_dialect",
    "run_virtual",
]


def __getattr__(name: str) -> object:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__]
