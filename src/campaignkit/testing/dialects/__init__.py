"""The carriers' side of the conversation, one file each, for the simulator and the tests."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Final

from campaignkit.errors import InvalidValue, nearest, shown
from campaignkit.testing.dialects.base import Dialect, Submitted, Why

DIALECTS: Final[Mapping[str, str]] = {
    "aws": "AwsDialect",
    "infobip": "InfobipDialect",
    "messagebird": "MessageBirdDialect",
    "plivo": "PlivoDialect",
    "sinch": "SinchDialect",
    "smpp": "SmppDialect",
    "telnyx": "TelnyxDialect",
    "twilio": "TwilioDialect",
    "vonage": "VonageDialect",
    "vonagesms": "VonageSmsDialect",
}
"""The class of each carrier's dialect, in the file of the carrier's name."""

__all__ = ["DIALECTS", "Dialect", "Submitted", "Why", "get_dialect"]


def get_dialect(name: str) -> type[Dialect]:
    """Return the class that speaks for a carrier.

    Raises:
        InvalidValue: none does.

    >>> get_dialect("twilio").__name__
    'TwilioDialect'
    """
    if name not in DIALECTS:
        raise InvalidValue(f"carrier is {shown(name)}: nobody speaks for it; nearest: {nearest(name, DIALECTS)}")
    found: type[Dialect] = getattr(importlib.import_module(f"{__name__}.{name}"), DIALECTS[name])
    return found
