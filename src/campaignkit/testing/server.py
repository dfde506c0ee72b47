"""The simulator on real sockets, for an app that runs: it takes messages over HTTP and posts webhooks back.

Speaks HTTP/1.1, one request a connection. Beside the carrier's own address it answers

    GET  /ledger     the truth, as JSON
    POST /reply      {"to": "+12025550143", "text": "STOP"}: that person writes to us

What breaks, breaks as on a network: connections are reset, answers are cut, or never come.
Webhooks are posted to the address that a message asked for or the carrier was constructed with,
and only to this machine or to the host of the carrier's ``webhook_url``: nobody else gets them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any, Final, Self, cast
from urllib.parse import urlsplit

import attrs
import httpx

from campaignkit.backends.carriers.port import Request, Response
from campaignkit.errors import InvalidValue, shown
from campaignkit.testing.clock import SystemClock
from campaignkit.testing.dialects import get_dialect
from campaignkit.testing.dialects.base import json_response
from campaignkit.testing.exchange import Exchange, Fault
from campaignkit.testing.simulator import Simulator, Webhook

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

_WELCOME: Final = """\
{carrier} is at {url} (profile {profile}, seed {seed}); Ctrl-C ends it.

    from campaignkit.backends.carriers import {name}

    carrier = {constructed}

webhooks go to  {hooks}
the truth is at {url}/ledger
someone writes  curl {url}/reply -d '{{"to": "+12025550143", "text": "STOP"}}'
"""
_MOST_HEAD: Final = 65_536
_MOST_BODY: Final = 2**20
_AT_ONCE: Final = 10
_PATIENCE: Final = 15.0
_NO_ADDRESS: Final = 0
_UNREACHABLE: Final = 502
_RESET: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)  # a linger of no seconds


class SimulatorServer:
    """A simulated carrier that listens.

    Args:
        simulator: one with the real time, ``clock=SystemClock()``.
        host: whom to listen to; anything but this machine must be meant.
        port: 0 takes a free one, `url` says which.
        limit: after how many messages it is `done`, once their webhooks are posted.

    >>> import asyncio, httpx
    >>> from campaignkit.testing.clock import SystemClock
    >>> from campaignkit.testing.dialects.twilio import TwilioDialect
    >>> async def main():
    ...     async with SimulatorServer(Simulator(TwilioDialect(), clock=SystemClock())) as server:
    ...         async with httpx.AsyncClient(trust_env=False) as client:
    ...             return (await client.get(f"{server.url}/ledger")).json()["taken"]
    >>> asyncio.run(main())
    []
    """

    def __init__(
        self, simulator: Simulator, *, host: str = "127.0.0.1", port: int = 0, limit: int | None = None
    ) -> None:
        self.simulator = simulator
        self.done = asyncio.Event()
        self.url = ""
        self._host = host
        self._port = port
        self._limit = limit
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._posting = 0
        self._talking = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, self._host, self._port, limit=_MOST_HEAD)
        port = self._server.sockets[0].getsockname()[1]
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.url = f"http://{host}:{port}"
        self._client = httpx.AsyncClient(trust_env=False, timeout=_PATIENCE)
        self._start(self._post_all())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- requests to the carrier

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A task of asyncio's server that ends cancelled, or with an error, is reported as a bug.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            self._talking += 1
            try:
                await self._converse(reader, writer)
            finally:
                writer.close()
                self._talking -= 1
                self._changed.set()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _read(reader, self.url)
        except (ValueError, asyncio.LimitOverrunError) as error:
            return await _write(writer, _plain(400, str(error)))
        own = self._own(request)
        if own is not None:
            return await _write(writer, own)
        exchange = self.simulator.submit(request)
        self._changed.set()
        return await self._perform(exchange, reader, writer)

    def _own(self, request: Request) -> Response | None:
        """Return the answer to what is asked of the simulator itself, None for what is the carrier's."""
        path = urlsplit(request.url).path
        if (request.method, path) == ("GET", "/ledger"):
            return json_response(200, self.simulator.ledger.to_dict())
        if (request.method, path) != ("POST", "/reply"):
            return None
        try:
            asked = json.loads(request.body)
            reply_id = self.simulator.reply(asked["to"], asked["text"], sender=asked.get("sender"))
        except InvalidValue as error:
            return _plain(400, str(error))
        except (ValueError, TypeError, KeyError, AttributeError):
            return _plain(400, 'the body is no JSON object with "to" and "text"')
        self._changed.set()
        return json_response(200, {"reply_id": reply_id})

    async def _perform(self, exchange: Exchange, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault = exchange.fault
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(exchange.seconds):  # ends early when the client hangs up
                await reader.read(1)
        if fault in {Fault.RESET, Fault.REFUSED, Fault.UNREACHABLE, Fault.SILENCE}:
            _reset(writer)
        elif fault is not Fault.CLOSED:
            written = _written(exchange.response or Response(500))
            head = written.index(b"\r\n\r\n") + 4
            ends = {Fault.CUT_HEAD: head // 2, Fault.CUT_BODY: (head + len(written)) // 2}
            writer.write(written[: ends.get(fault, len(written))])
            await writer.drain()

    # --- webhooks from the carrier

    async def _post_all(self) -> None:
        while True:
            self._changed.clear()
            self._is_done()
            due = self.simulator.due()
            wait = None if due is None else (due - self.simulator.clock.now()).total_seconds()
            if wait is None or wait > 0 or self._posting >= _AT_ONCE:
                # Not wait_for, which before Python 3.12 loses a cancellation that comes with what it waits for.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait if wait is None or wait > 0 else _PATIENCE):
                        await self._changed.wait()
                continue
            webhook, request, _ = self.simulator.post()
            self._posting += 1
            self._start(self._post(webhook, request))

    async def _post(self, webhook: Webhook, request: Request) -> None:
        status = _NO_ADDRESS
        if self._may_post(request.url):
            status = _UNREACHABLE
            with contextlib.suppress(httpx.HTTPError):
                answer = await self._client.request(
                    request.method, request.url, headers=dict(request.headers), content=request.body
                )
                status = answer.status_code
        self.simulator.posted(webhook, status)
        self._posting -= 1
        self._changed.set()

    def _may_post(self, url: str) -> bool:
        known = urlsplit(self.simulator.carrier.webhook_url or "").hostname
        return urlsplit(url).hostname in LOOPBACK | {known}

    def _is_done(self) -> None:
        if self._limit is None or len(self.simulator.ledger.taken) < self._limit:
            return
        if self.simulator.due() is None and not self._posting and not self._talking:
            self.done.set()


def constructed(carrier: Any) -> str:
    """Return the Python that constructs a simulated carrier, its made-up secrets included."""
    given = [
        f"{field.name.lstrip('_')}={_plainly(getattr(carrier, field.name))!r}"
        for field in attrs.fields(type(carrier))
        if field.init and getattr(carrier, field.name) != field.default
    ]
    return f"{type(carrier).__name__}({', '.join(given)})"


def _plainly(value: object) -> object:
    return value[0] if isinstance(value, tuple) and len(value) == 1 else value


async def serve(
    carrier: str,
    *,
    profile: str = "storm",
    host: str = "127.0.0.1",
    port: int = 8025,
    webhook_url: str | None = None,
    seed: int = 1,
    speed: float = 1.0,
    limit: int | None = None,
    say: Callable[[str], object] = print,
) -> None:
    """Be a carrier until ``limit`` messages are done with, and say how to talk to it: ``campaignkit simulate``.

    Raises:
        InvalidValue: no such carrier or profile, or an address that is none.
        OSError: the port is taken.
    """
    dialect = get_dialect(carrier)
    if not dialect.made_up().sends:
        raise InvalidValue(
            f"{carrier} takes no messages over HTTP: feed its receipts to your app yourself, see its page"
        )
    port = port or _free_port(host)
    api_url = f"http://127.0.0.1:{port}"
    simulator = Simulator(
        dialect(dialect.made_up(api_url=api_url, webhook_url=webhook_url)),
        profile=profile,
        seed=seed,
        clock=SystemClock(),
        pace=speed,
    )
    async with SimulatorServer(simulator, host=host, port=port, limit=limit) as server:
        say(
            _WELCOME.format(
                carrier=carrier,
                profile=profile,
                seed=seed,
                url=api_url,
                name=type(simulator.carrier).__name__,
                constructed=constructed(simulator.carrier),
                hooks=webhook_url or "nowhere: give --webhook-url",
            )
        )
        try:
            await server.done.wait()
        finally:
            counts = simulator.ledger.summary()
            say("".join(f"{count:>8,} {name}\n" for name, count in counts.items()))


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as found:
        return int(found.getsockname()[1])


# --- HTTP, as little as it takes ------------------------------------------------------------------


async def _read(reader: asyncio.StreamReader, url: str) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")[:-2]
    method, target, _ = first.split(" ")
    headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    fields = {name.lower(): value for name, value in headers}
    length = int(fields.get("content-length", "0"))
    if "transfer-encoding" in fields or not 0 <= length <= _MOST_BODY:
        raise ValueError(f"content-length is {shown(fields.get('content-length'))}: give it, up to {_MOST_BODY:,}")
    return Request(method, f"{url}{target}", headers, await reader.readexactly(length))


async def _write(writer: asyncio.StreamWriter, response: Response) -> None:
    writer.write(_written(response))
    await writer.drain()


def _written(response: Response) -> bytes:
    headers = {**response.headers, "content-length": str(len(response.body)), "connection": "close"}
    lines = [f"HTTP/1.1 {response.status} -", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + response.body


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a crashed machine would."""
    own: socket.socket = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


def _plain(status: int, text: str) -> Response:
    return Response(status, {"Content-Type": "text/plain; charset=utf-8"}, f"{text}\n".encode())
