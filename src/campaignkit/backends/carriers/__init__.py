"""Carriers: who takes our messages and reports on them.

Each is an object of pure functions; `Gateway` and `AsyncGateway` are what waits for them.
Names are loaded on first use, so that a host pays only for the carriers it constructs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from campaignkit.lazy import loader

if TYPE_CHECKING:
    from campaignkit.backends.carriers.aws import Aws
    from campaignkit.backends.carriers.gateway import AsyncGateway, Gateway, fetch_certificate
    from campaignkit.backends.carriers.infobip import Infobip
    from campaignkit.backends.carriers.messagebird import MessageBird
    from campaignkit.backends.carriers.plivo import Plivo
    from campaignkit.backends.carriers.port import (
        Carrier,
        Headers,
        Refusal,
        Request,
        Response,
        Submission,
        UnverifiedWebhook,
    )
    from campaignkit.backends.carriers.ratelimit import RateLimit
    from campaignkit.backends.carriers.sinch import Sinch
    from campaignkit.backends.carriers.smpp import Smpp
    from campaignkit.backends.carriers.telnyx import Telnyx
    from campaignkit.backends.carriers.twilio import Twilio
    from campaignkit.backends.carriers.vonage import Vonage
    from campaignkit.backends.carriers.vonagesms import VonageSms

_MODULE_OF = {
    "AsyncGateway": "gateway",
    "Aws": "aws",
    "Carrier": "port",
    "Gateway": "gateway",
    "Headers": "port",
    "Infobip": "infobip",
    "MessageBird": "messagebird",
    "Plivo": "plivo",
    "RateLimit": "ratelimit",
    "Refusal": "port",
    "Request": "port",
    "Response": "port",
    "Sinch": "sinch",
    "Smpp": "smpp",
    "Submission": "port",
    "Telnyx": "telnyx",
    "Twilio": "twilio",
    "UnverifiedWebhook": "port",
    "Vonage": "vonage",
    "VonageSms": "vonagesms",
    "fetch_certificate": "gateway",
}

__all__ = [
    "AsyncGateway",
    "Aws",
    "Carrier",
    "Gateway",
    "Headers",
    "Infobip",
    "MessageBird",
    "Plivo",
    "RateLimit",
    "Refusal",
    "Request",
    "Response",
    "Sinch",
    "Smpp",
    "Submission",
    "Telnyx",
    "Twilio",
    "UnverifiedWebhook",
    "Vonage",
    "VonageSms",
    "fetch_certificate",
]


__getattr__ = loader(__name__, _MODULE_OF)


def __dir__() -> list[str]:
    return [*__all__]
