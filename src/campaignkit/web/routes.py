"""Webhooks as an ASGI app: one path for each carrier.

    the body, up to the carrier's limit ──► is it genuine? ──► kept, with what others brought ──► the answer
         413  too much, as soon as it is
         408  too slow

What is looked at takes a fraction of a millisecond, and is done in the event loop. Not so what is
large, and what a carrier waits for: AWS's certificates are fetched while a signature is checked.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import anyio
import attrs

from campaignkit.backends.carriers.port import Carrier, Headers, Request
from campaignkit.errors import InvalidValue, shown
from campaignkit.tracker import Tracker
from campaignkit.tracker.asynctracker import THREADS, AsyncTracker, Threads
from campaignkit.web.answers import OK, Answer, OnError, answered, log_error
from campaignkit.web.commits import Commits

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An app of ASGI 3."""

_NAME: Final = re.compile(r"[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*")
_DIGITS: Final = 18
_LARGE: Final = 16_384
"""A body of more bytes is read in a thread."""

_NOT_FOUND: Final = Answer(404)


class _Disconnected(Exception):
    """Half a body is nothing, and nobody is there to be told."""


def _now() -> datetime:
    return datetime.now(UTC)


def webhooks(
    tracker: Tracker | AsyncTracker,
    carriers: Mapping[str, Carrier],
    *,
    clock: Callable[[], datetime] = _now,
    timeout: float = 10.0,
    on_error: OnError = log_error,
) -> App:
    """Return an ASGI app that takes the webhooks of carriers, to mount at a path of the host's.

    Args:
        tracker: what keeps them.
        carriers: by path: ``{"twilio": twilio}``, mounted at ``/hooks``, is at ``/hooks/twilio``. Two
            accounts of one carrier have two paths.
        clock: when a request came.
        timeout: seconds in which a body must be here.
        on_error: is told, in a thread, why a request was not answered with 200.

    Raises:
        InvalidValue: an argument that cannot be meant.
    """
    sync = tracker.tracker if isinstance(tracker, AsyncTracker) else tracker
    if not isinstance(sync, Tracker):
        raise InvalidValue(f"tracker is {shown(tracker)}: give a Tracker or an AsyncTracker")
    for name, carrier in carriers.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidValue(f'path is {shown(name)}: give letters, digits, dashes and slashes, like "twilio"')
        if not isinstance(carrier, Carrier):
            raise InvalidValue(f"carriers[{name!r}] is {shown(carrier)}: give a Carrier")
    commits, threads = Commits(sync), Threads(THREADS)
    at = {
        f"/{name}": _Webhook(carrier, commits, threads, clock, timeout, on_error) for name, carrier in carriers.items()
    }

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            webhook = at.get(_path(scope))
            await (_answer(send, _NOT_FOUND) if webhook is None else webhook(scope, receive, send))
        elif scope["type"] == "lifespan":
            await _live(receive, send)
        else:
            await send({"type": "websocket.close"})

    return app


async def _live(receive: Receive, send: Send) -> None:
    """Say to a server that asks that there is nothing to wait for, neither at the beginning nor at the end."""
    kind = ""
    while kind != "lifespan.shutdown":
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})


async def _answer(send: Send, answer: Answer) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
    await send(
        {"type": "http.response.start", "status": answer.status, "headers": [*headers, (b"content-length", b"0")]}
    )
    await send({"type": "http.response.body", "body": b""})


@attrs.frozen
class _Webhook:
    carrier: Carrier
    commits: Commits
    threads: Threads
    clock: Callable[[], datetime]
    timeout: float
    on_error: OnError

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            request = await self._request(scope, receive)
        except _Disconnected:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is: the carrier must come again, and no host shows it an error
            await _answer(send, _closing(await self._refused(error), scope))
            return
        try:
            await self._keep(request)
        except Exception as error:  # noqa: BLE001 - the same
            await _answer(send, await self._refused(error))
        else:
            await _answer(send, Answer(OK))

    async def _request(self, scope: Scope, receive: Receive) -> Request:
        """Read a request to its end."""
        try:
            headers = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]])
        except InvalidValue:
            raise self.carrier.rejected("malformed", "the headers are none of HTTP") from None
        try:
            with anyio.fail_after(self.timeout):
                body = await self._body(headers.get("content-length", ""), receive)
        except TimeoutError:
            raise self.carrier.rejected("slow", f"a body is here within {self.timeout:g} seconds") from None
        return Request(scope["method"], _address(scope, headers), headers, body)

    async def _body(self, length: str, receive: Receive) -> bytes:
        most = self.carrier.max_body
        too_large = length.isdecimal() and (len(length) > _DIGITS or int(length) > most)
        body, more = bytearray(), not too_large
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Disconnected
            body += message.get("body", b"")
            too_large = len(body) > most
            more = message.get("more_body", False) and not too_large
        if too_large:
            raise self.carrier.rejected("size", f"a body has at most {most:,} bytes")
        return bytes(body)

    async def _keep(self, request: Request) -> None:
        """Keep what a genuine request reports."""
        now = self.clock()
        read = functools.partial(self.carrier.events, request, now=now)
        events = await self.threads.run(read) if self.carrier.waits or len(request.body) > _LARGE else read()
        if events:
            await self.commits.keep(events, now)

    async def _refused(self, error: Exception) -> Answer:
        """Tell the host of an error; return what to answer the carrier."""
        return await self.threads.run(functools.partial(answered, error, self.carrier, self.on_error))


def _closing(answer: Answer, scope: Scope) -> Answer:
    """Return an answer to a request that may not be read to its end: the rest is not the next request."""
    if not scope.get("http_version", "1.1").startswith("1"):
        return answer
    return attrs.evolve(answer, headers={**answer.headers, "Connection": "close"})


def _path(scope: Scope) -> str:
    """Return the path below where this app is mounted; a server's path may begin with that or not."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


def _address(scope: Scope, headers: Headers) -> str:
    """Return the address as it was written, which is what is signed."""
    path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    query: bytes = scope["query_string"]
    written = path + b"?" + query if query else path
    return f"{scope['scheme']}://{headers.get('host', '')}{written.decode('latin-1')}"
