"""Webhooks as an ASGI app: one path for each carrier.

    the body, up to the carrier's limit ──► `receive`, in a thread ──► the answer
         413  too much, as soon as it is
         408  too slow

All of `receive` is done in the thread, and not only the commit: AWS's certificates are fetched
while a signature is checked, for which no event loop may wait.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

import anyio
import attrs

from campaignkit.backends.carriers.port import Carrier, Request
from campaignkit.errors import InvalidValue, MissingExtra, shown
from campaignkit.tracker import Tracker
from campaignkit.tracker.asynctracker import THREADS, AsyncTracker, Threads
from campaignkit.web.answers import Answer, OnError, answered, log_error, receive

try:
    from starlette import requests
    from starlette.responses import Response
    from starlette.routing import Route, Router
    from starlette.types import Receive, Scope, Send
except ImportError:
    raise MissingExtra("starlette", "web", "campaignkit.web.webhooks") from None

_NAME: Final = re.compile(r"[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*")
_DIGITS: Final = 18


def _now() -> datetime:
    return datetime.now(UTC)


def webhooks(
    tracker: Tracker | AsyncTracker,
    carriers: Mapping[str, Carrier],
    *,
    clock: Callable[[], datetime] = _now,
    timeout: float = 10.0,
    threads: int = THREADS,
    on_error: OnError = log_error,
) -> Router:
    """Return an ASGI app that takes the webhooks of carriers, to mount at a path of the host's.

    Args:
        tracker: what keeps them.
        carriers: by path: ``{"twilio": twilio}``, mounted at ``/hooks``, is at ``/hooks/twilio``. Two
            accounts of one carrier have two paths.
        clock: when a request came.
        timeout: seconds in which a body must be here.
        threads: how many requests are worked on at once; more wait.
        on_error: is told why a request was not answered with 200, in a thread or in the event loop.

    Raises:
        InvalidValue: an argument that cannot be meant.
        MissingExtra: Starlette is not installed.
    """
    sync = tracker.tracker if isinstance(tracker, AsyncTracker) else tracker
    if not isinstance(sync, Tracker):
        raise InvalidValue(f"tracker is {shown(tracker)}: give a Tracker or an AsyncTracker")
    for name, carrier in carriers.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidValue(f'path is {shown(name)}: give letters, digits, dashes and slashes, like "twilio"')
        if not isinstance(carrier, Carrier):
            raise InvalidValue(f"carriers[{name!r}] is {shown(carrier)}: give a Carrier")
    shared = Threads(threads)
    return Router(
        [
            Route(f"/{name}", _Webhook(sync, carrier, clock, timeout, shared, on_error))
            for name, carrier in carriers.items()
        ],
        redirect_slashes=False,
    )


@attrs.frozen
class _Webhook:
    tracker: Tracker
    carrier: Carrier
    clock: Callable[[], datetime]
    timeout: float
    threads: Threads
    on_error: OnError

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = requests.Request(scope, receive)
        try:
            answer = await self._answer(http)
        except requests.ClientDisconnect:
            return  # half a body is nothing, and nobody is there to be told
        except Exception as error:  # noqa: BLE001 - as in `receive`: no host may show it an error
            answer = _closing(answered(error, self.carrier, self.on_error), scope)
        await Response(status_code=answer.status, headers=answer.headers)(scope, receive, send)

    async def _answer(self, http: requests.Request) -> Answer:
        try:
            with anyio.fail_after(self.timeout):
                body = await self._body(http)
        except TimeoutError:
            raise self.carrier.rejected("slow", f"a body is here within {self.timeout:g} seconds") from None
        try:
            request = Request(http.method, _address(http), http.headers.items(), body)
        except InvalidValue:
            raise self.carrier.rejected("malformed", "the headers are none of HTTP") from None
        return await self.threads.run(
            functools.partial(receive, self.tracker, self.carrier, request, now=self.clock(), on_error=self.on_error)
        )

    async def _body(self, http: requests.Request) -> bytes:
        most = self.carrier.max_body
        too_large = self.carrier.rejected("size", f"a body has at most {most:,} bytes")
        length = http.headers.get("content-length", "")
        if length.isdecimal() and (len(length) > _DIGITS or int(length) > most):
            raise too_large
        body = bytearray()
        async for chunk in http.stream():
            body += chunk
            if len(body) > most:
                raise too_large
        return bytes(body)


def _closing(answer: Answer, scope: Scope) -> Answer:
    """Return an answer to a request that may not be read to its end: the rest is not the next request."""
    if not scope.get("http_version", "1.1").startswith("1"):
        return answer
    return attrs.evolve(answer, headers={**answer.headers, "Connection": "close"})


def _address(http: requests.Request) -> str:
    """Return the address as it was written, which is what is signed."""
    scope = http.scope
    path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    query: bytes = scope["query_string"]
    written = path + b"?" + query if query else path
    return f"{scope['scheme']}://{http.headers.get('host', '')}{written.decode('latin-1')}"
