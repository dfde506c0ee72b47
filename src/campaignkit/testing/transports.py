"""The simulator behind httpx: what a real socket would raise is raised, after the time it would take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import httpx

from campaignkit.backends.carriers.port import Request, Response
from campaignkit.testing.exchange import Exchange, Fault

if TYPE_CHECKING:
    from campaignkit.testing.simulator import Handler, Simulator

_PIECE: Final = 16_384

_ERRORS: Final[dict[Fault, tuple[type[httpx.TransportError], str]]] = {
    Fault.REFUSED: (httpx.ConnectError, "[Errno 111] Connection refused"),
    Fault.UNREACHABLE: (httpx.ConnectError, "[Errno 110] Connection timed out"),
    Fault.SILENCE: (httpx.ReadError, "[Errno 104] Connection reset by peer"),
    Fault.RESET: (httpx.ReadError, "[Errno 104] Connection reset by peer"),
    Fault.CLOSED: (httpx.RemoteProtocolError, "Server disconnected without sending a response."),
    Fault.CUT_HEAD: (httpx.RemoteProtocolError, "Server disconnected without sending a response."),
}
_CUT_BODY: Final = "peer closed connection without sending complete message body"


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in pieces; one that is cut ends in the error a client sees."""

    def __init__(self, body: bytes, *, cut: bool) -> None:
        self._body = body[: len(body) // 2] if cut else body
        self._cut = cut

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._body), _PIECE):
            yield self._body[start : start + _PIECE]
        if self._cut:
            raise httpx.RemoteProtocolError(_CUT_BODY)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


class SimulatorTransport(httpx.BaseTransport):
    """For ``httpx.Client(transport=...)``."""

    def __init__(self, simulator: Simulator, handler: Handler | None) -> None:
        self._simulator = simulator
        self._handler = handler

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer, after the virtual time it takes."""
        simulator = self._simulator
        clock = simulator._virtual()  # noqa: SLF001 - its other half
        exchange = simulator.submit(_ours(request, request.read()))
        seconds, error = _ends(request, exchange)
        if self._handler is not None:
            simulator.deliver(self._handler, clock.now() + timedelta(seconds=seconds))
        else:
            clock.sleep(seconds)
        return _theirs(request, exchange, error)


class AsyncSimulatorTransport(httpx.AsyncBaseTransport):
    """For ``httpx.AsyncClient(transport=...)``."""

    def __init__(self, simulator: Simulator, handler: Handler | None) -> None:
        self._simulator = simulator
        self._handler = handler

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer, after the time it takes on the loop's clock."""
        exchange = self._simulator.submit(_ours(request, await request.aread()))
        seconds, error = _ends(request, exchange)
        if self._handler is not None:
            until = self._simulator.clock.now() + timedelta(seconds=seconds)
            await self._simulator.deliver_async(self._handler, until)
        else:
            await asyncio.sleep(seconds)
        return _theirs(request, exchange, error)


def _ours(request: httpx.Request, body: bytes) -> Request:
    return Request(request.method, str(request.url), request.headers.multi_items(), body)


def _ends(request: httpx.Request, exchange: Exchange) -> tuple[float, httpx.TransportError | None]:
    """Return after how many seconds it ends, and with what error."""
    limits = request.extensions.get("timeout", {})
    connecting = exchange.fault is Fault.UNREACHABLE
    limit = limits.get("connect" if connecting else "read")
    if limit is not None and exchange.seconds > limit:
        kind = httpx.ConnectTimeout if connecting else httpx.ReadTimeout
        return limit, kind("timed out", request=request)
    found = _ERRORS.get(exchange.fault)
    return exchange.seconds, found and found[0](found[1], request=request)


def _theirs(request: httpx.Request, exchange: Exchange, error: httpx.TransportError | None) -> httpx.Response:
    if error is not None:
        exchange.unheard()
        raise error
    response = exchange.response or Response(500)
    body = _Body(response.body, cut=exchange.fault is Fault.CUT_BODY)
    headers = {**response.headers, "content-length": str(len(response.body))}
    return httpx.Response(response.status, headers=headers, stream=body, request=request)
