"""What a host mounts in its web app.

`receive` answers one request, in any framework; `webhooks` is the whole of it for ASGI. Neither
needs a framework. Names are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from campaignkit.lazy import loader

if TYPE_CHECKING:
    from campaignkit.web.answers import Answer, OnError, log_error, receive
    from campaignkit.web.routes import webhooks

_MODULE_OF: Final = {
    "Answer": "answers",
    "OnError": "answers",
    "log_error": "answers",
    "receive": "answers",
    "webhooks": "routes",
}

__all__ = ["Answer", "OnError", "log_error", "receive", "webhooks"]

__getattr__ = loader(__name__, _MODULE_OF)


def __dir__() -> list[str]:
    return [*__all__]
