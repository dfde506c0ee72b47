"""Handing messages over: `Gateway` waits in a thread, `AsyncGateway` in a task. Only the waiting is written twice.

One send goes like this; the rules are in `outcomes`, and the rates in `ratelimit`:

    1  the carrier's file writes the request                     what it cannot send is refused here
    2  the sender's turn comes, if it has a rate                 in the order of asking
    3  a client comes free, if all are in use                    in the order of asking
    4  if that took long, the request is written again           some carriers sign the time
    5  the client makes it, once                                 never redirected, its answer capped
    6  the carrier's file says what the answer means             or `outcomes` what the error means
    7  2 to 6 again, if that cannot make a second copy           after a wait
    8  another gateway, if the refusal allows it

Neither keeps a log, or anything else but its clients and the senders' rates.

httpx slows down when one pool has many requests in flight, since each looks through the
connections of all. So each request in flight has a pool of its own, of one connection; the
one used last is used next, and the others' connections go cold and close.
What of httpx makes the requests is its transports, unless a host brings its own client: they
follow no redirect, keep no cookie, read no environment, and write no address into a log,
and a request costs a quarter less.
Waiting is anyio's, which httpx brings along: a host may run asyncio or trio.
"""

from __future__ import annotations

import functools
import random as chance
import ssl
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal, Self, cast

import anyio
import attrs
import httpx
from tenacity import AsyncRetrying, Retrying

from campaignkit.backends.carriers import outcomes
from campaignkit.backends.carriers.aws import CERTIFICATE_URL
from campaignkit.backends.carriers.port import Carrier, Refusal, Request, Submission
from campaignkit.backends.carriers.ratelimit import Buckets, Rate, RateLimit
from campaignkit.errors import InvalidValue, MissingExtra, shown
from campaignkit.models import Attempt, Message

CONNECT: Final = 5.0
"""Seconds in which a connection must stand, twice that with TLS."""

CERTIFICATE_WAIT: Final = 10.0
"""Seconds in which a certificate must be there: whoever posts waits for the answer."""

FRESH: Final = 1.0
"""Seconds after which a request that has not been made is written again."""

__all__ = ["AsyncGateway", "Gateway", "RateLimit", "fetch_certificate"]

_PLAIN: Final = Attempt()
_ONE: Final = httpx.Limits(max_connections=1, keepalive_expiry=5.0)
_url: Final = functools.lru_cache(maxsize=64)(httpx.URL)  # a carrier has one address or few, and reading it is slow


def _now() -> datetime:
    return datetime.now(UTC)


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= outcomes.DAY


class _Twin:
    """What both gateways know and decide without waiting."""

    def __init__(
        self,
        carrier: Carrier,
        *,
        client: httpx.Client | httpx.AsyncClient | None,
        tries: int,
        timeout: float,
        max_wait: float,
        rate: Rate | None,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        if not isinstance(carrier, Carrier):
            raise InvalidValue(f"carrier is {type(carrier).__name__}: give a Carrier, such as Twilio(...)")
        if not carrier.sends:
            raise InvalidValue(f"carrier is {carrier.name}: it only reports, and takes no messages here")
        if isinstance(tries, bool) or not isinstance(tries, int) or tries < 1:
            raise InvalidValue(f"tries is {shown(tries)}: must be a whole number from 1; 1 tries once")
        if not _is_seconds(timeout) or timeout == 0:
            raise InvalidValue(f"timeout is {shown(timeout)}: must be seconds, above 0 and at most a day")
        if not _is_seconds(max_wait):
            raise InvalidValue(f"max_wait is {shown(max_wait)}: must be seconds, 0 or more, at most a day")
        self._carrier = carrier
        self._client = client
        self._tries = tries
        self._timeout = timeout
        self._max_wait = max_wait
        self._buckets = None if rate is None else Buckets(rate)
        self._clock = clock
        self._monotonic = monotonic
        self._random = random
        self._closed = False
        # Connecting gives up before the whole try does: then it is certain that nothing was sent.
        connect = min(CONNECT, timeout / 3)
        self._extensions = {"timeout": httpx.Timeout(timeout, connect=connect, pool=2 * connect).as_dict()}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._carrier.name})"

    def _written(self, message: Message, attempt: Attempt) -> Request:
        if attempt.started_at is None:
            attempt = attrs.evolve(attempt, started_at=self._clock())
        return self._carrier.encode(message, attempt)

    def _turn(self, message: Message) -> float:
        """Return the seconds until it is the sender's turn."""
        return 0.0 if self._buckets is None else self._buckets.take(message, self._monotonic())

    def _cannot(self, error: Exception) -> Submission:
        """Return the refusal of what cannot be sent as it is."""
        words = str(error) if isinstance(error, InvalidValue) else f"the request is impossible: {type(error).__name__}"
        return outcomes.refused(self._carrier, Refusal.FINAL, words, tries=0)

    def _worth(self, said: Submission, attempt: Attempt) -> bool:
        return self._tries > 1 and outcomes.again(said, self._carrier, attempt)

    def _policy(self, attempt: Attempt) -> dict[str, Any]:
        return outcomes.policy(
            self._tries, self._max_wait, self._random, lambda said: outcomes.again(said, self._carrier, attempt)
        )

    def _told(self, response: httpx.Response, body: bytes | None) -> Submission:
        return outcomes.answered(self._carrier, response, body, self._clock)

    def _built(self, request: Request, begun: float, message: Message, attempt: Attempt) -> httpx.Request:
        """Return the request as httpx takes it, written again if it had to wait."""
        if self._monotonic() - begun > FRESH:
            request = self._written(message, attempt)
        headers = {**request.headers, "accept-encoding": "identity"}
        if self._client is not None:
            return self._client.build_request(request.method, request.url, headers=headers, content=request.body)
        headers["user-agent"] = "campaignkit"
        url = _url(request.url)
        return httpx.Request(request.method, url, headers=headers, content=request.body, extensions=self._extensions)

    def _must_be_open(self) -> None:
        if self._closed:
            raise RuntimeError(f"{self!r} is closed: construct another, or close it later")

    @functools.cached_property
    def _tls(self) -> ssl.SSLContext:
        return httpx.create_ssl_context(trust_env=False)


class Gateway(_Twin):
    """Hands messages to one carrier; for threads, any number of them at once.

    `send` raises for nothing that happens on the way: its `Submission` says whether the message
    was taken, refused, or nobody knows. What is raised, such as KeyboardInterrupt, came from
    outside: treat the message as unknown.

    Args:
        carrier: whom to send through.
        client: an `httpx.Client`, or anything with its ``build_request`` and ``send``, used as
            it is and not closed. None makes clients that read no settings from the environment.
        tries: how often one send offers a message, where that cannot make a second copy.
        timeout: seconds for one try. Here it ends a body that comes too slowly; silence ends
            after as long, and headers that come a byte at a time are waited for.
        max_wait: the longest that a carrier's ``Retry-After`` is waited for, in seconds; beyond,
            the refusal is returned with ``retry_after``, for the caller to schedule.
        rate: how fast each sender may send; or a mapping from sender to its limit, with None
            for all others.
        fallback: who is asked next when the refusal is definite and about this carrier, not
            about the person, the text or the hour. It gets the same message, its sender too,
            and is closed by whoever constructed it.

    Raises:
        InvalidValue: an argument that cannot be meant.

    >>> from campaignkit.backends.carriers import Twilio
    >>> twilio = Twilio(account_sid="AC0", auth_token="secret")
    >>> carrier = httpx.MockTransport(lambda request: httpx.Response(201, json={"sid": "SM1"}))
    >>> with Gateway(twilio, client=httpx.Client(transport=carrier)) as gateway:
    ...     gateway.send(Message(status="queued", to="+12025550143", sender="+12025550100", text="Hello"))
    Submission(outcome=<Outcome.TAKEN: 'taken'>, carrier='twilio', carrier_id='SM1')
    """

    _client: httpx.Client | None

    def __init__(
        self,
        carrier: Carrier,
        *,
        client: httpx.Client | None = None,
        tries: int = 3,
        timeout: float = 30.0,
        max_wait: float = 30.0,
        rate: Rate | None = None,
        fallback: Gateway | None = None,
        clock: Callable[[], datetime] = _now,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], float] = chance.random,
    ) -> None:
        super().__init__(
            carrier,
            client=client,
            tries=tries,
            timeout=timeout,
            max_wait=max_wait,
            rate=rate,
            clock=clock,
            monotonic=monotonic,
            random=random,
        )
        if isinstance(client, httpx.AsyncClient):
            raise InvalidValue("client is an AsyncClient: a Gateway needs an httpx.Client; or use an AsyncGateway")
        if fallback is not None and not isinstance(fallback, Gateway):
            raise InvalidValue(f"fallback is {type(fallback).__name__}: a Gateway falls back to a Gateway")
        self._fallback = fallback
        self._sleep = sleep
        self._idle: list[httpx.HTTPTransport] = []

    def send(self, message: Message, attempt: Attempt = _PLAIN) -> Submission:
        """Hand a message over, and return what became of it.

        Args:
            message: what to send, ``to`` in E.164.
            attempt: carries our id to the carrier, and back with its receipts.

        Raises:
            RuntimeError: the gateway is closed.
        """
        self._must_be_open()
        said = self._try(message, attempt)
        if self._worth(said, attempt):
            said = self._again(said, message, attempt)
        if self._fallback is not None and outcomes.elsewhere(said):
            said = outcomes.both(said, self._fallback.send(message, attempt))
        return said

    def close(self) -> None:
        """Close the clients of our own; those in use follow when they are done. Further sends raise."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _again(self, first: Submission, message: Message, attempt: Attempt) -> Submission:
        """Try on. The first try was made without tenacity, which costs a tenth of a request, and is replayed here."""
        story: list[Submission] = []

        def one() -> Submission:
            said = self._try(message, attempt) if story else first
            story.append(outcomes.after(story[-1], said) if story else said)
            return said

        Retrying(sleep=self._sleep, **self._policy(attempt))(one)
        return story[-1]

    def _try(self, message: Message, attempt: Attempt) -> Submission:
        begun = self._monotonic()
        try:
            request = self._written(message, attempt)
            wait = self._turn(message)
        except InvalidValue as error:
            return self._cannot(error)
        if wait > 0:
            self._sleep(wait)
        via = self._take()
        try:
            try:
                built = self._built(request, begun, message, attempt)
            except Exception as error:  # noqa: BLE001 - whatever it is, nothing was sent
                return self._cannot(error)
            try:
                return self._told(*self._exchange(via, built))
            except Exception as error:  # noqa: BLE001 - whatever it is, the message may be taken
                return outcomes.failed(self._carrier, error)
        finally:
            self._give_back(via)

    def _exchange(
        self, via: httpx.Client | httpx.HTTPTransport, request: httpx.Request
    ) -> tuple[httpx.Response, bytes | None]:
        until = self._monotonic() + self._timeout
        if isinstance(via, httpx.HTTPTransport):
            response = via.handle_request(request)
        else:
            response = via.send(request, stream=True, follow_redirects=False)
        try:
            if response.is_stream_consumed or not outcomes.is_readable(response):
                return response, outcomes.body_of(response)
            body = bytearray()
            for chunk in cast("Iterable[bytes]", response.stream):
                body += chunk
                if len(body) > outcomes.MOST_ANSWER:
                    return response, None
                if self._monotonic() > until:
                    raise TimeoutError
            return response, bytes(body)
        finally:
            response.close()

    def _take(self) -> httpx.Client | httpx.HTTPTransport:
        if self._client is not None:
            return self._client
        try:
            return self._idle.pop()
        except IndexError:
            return httpx.HTTPTransport(verify=self._tls, trust_env=False, limits=_ONE)

    def _give_back(self, via: httpx.Client | httpx.HTTPTransport) -> None:
        if isinstance(via, httpx.HTTPTransport):
            self._idle.append(via)
        if self._closed:
            self.close()


class AsyncGateway(_Twin):
    """Hands messages to one carrier; for tasks, any number of them at once.

    It is `Gateway` with ``await``, and with these differences. Cancelling a send is passed on:
    treat that message as unknown. ``timeout`` ends the whole try, however its bytes come.

    Args:
        carrier: whom to send through.
        client: an `httpx.AsyncClient`, or anything with its interface; see `Gateway`.
        tries: see `Gateway`.
        timeout: seconds for one try, from connecting to the answer's last byte.
        max_wait: see `Gateway`.
        rate: see `Gateway`.
        fallback: see `Gateway`.
        in_flight: how many requests may be under way; further ones wait, first come first served.
        transport: ``fast`` sends through aiohttp, with a third less of the processor's time;
            it needs asyncio.

    Raises:
        InvalidValue: an argument that cannot be meant.
        MissingExtra: ``fast`` is not installed.
    """

    _client: httpx.AsyncClient | None

    def __init__(
        self,
        carrier: Carrier,
        *,
        client: httpx.AsyncClient | None = None,
        tries: int = 3,
        timeout: float = 30.0,
        max_wait: float = 30.0,
        rate: Rate | None = None,
        fallback: AsyncGateway | None = None,
        in_flight: int = 50,
        transport: Literal["httpx", "fast"] = "httpx",
        clock: Callable[[], datetime] = _now,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        random: Callable[[], float] = chance.random,
    ) -> None:
        super().__init__(
            carrier,
            client=client,
            tries=tries,
            timeout=timeout,
            max_wait=max_wait,
            rate=rate,
            clock=clock,
            monotonic=monotonic,
            random=random,
        )
        if isinstance(client, httpx.Client):
            raise InvalidValue("client is a Client: an AsyncGateway needs an httpx.AsyncClient; or use a Gateway")
        if fallback is not None and not isinstance(fallback, AsyncGateway):
            raise InvalidValue(f"fallback is {type(fallback).__name__}: an AsyncGateway falls back to an AsyncGateway")
        if isinstance(in_flight, bool) or not isinstance(in_flight, int) or in_flight < 1:
            raise InvalidValue(f"in_flight is {shown(in_flight)}: must be a whole number from 1, such as 50")
        if transport not in {"httpx", "fast"}:
            raise InvalidValue(f'transport is {shown(transport)}: must be "httpx" or "fast"')
        if transport == "fast" and client is not None:
            raise InvalidValue('transport is "fast" and client is given: give one of them')
        self._fallback = fallback
        self._sleep = sleep
        self._in_flight = in_flight
        self._fast = _aiohttp_transport() if transport == "fast" else None
        self._idle: list[httpx.AsyncBaseTransport] = []
        self._busy = 0
        self._free = anyio.Semaphore(in_flight, fast_acquire=True)

    async def send(self, message: Message, attempt: Attempt = _PLAIN) -> Submission:
        """Hand a message over, and return what became of it; see `Gateway.send`."""
        self._must_be_open()
        said = await self._try(message, attempt)
        if self._worth(said, attempt):
            said = await self._again(said, message, attempt)
        if self._fallback is not None and outcomes.elsewhere(said):
            said = outcomes.both(said, await self._fallback.send(message, attempt))
        return said

    async def aclose(self) -> None:
        """Close the clients of our own; those in use follow when they are done. Further sends raise."""
        self._closed = True
        while self._idle and not (self._fast and self._busy):
            await self._idle.pop().aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _again(self, first: Submission, message: Message, attempt: Attempt) -> Submission:
        """Try on; see `Gateway._again`."""
        story: list[Submission] = []

        async def one() -> Submission:
            said = await self._try(message, attempt) if story else first
            story.append(outcomes.after(story[-1], said) if story else said)
            return said

        await AsyncRetrying(sleep=self._sleep, **self._policy(attempt))(one)
        return story[-1]

    async def _try(self, message: Message, attempt: Attempt) -> Submission:
        begun = self._monotonic()
        try:
            request = self._written(message, attempt)
            wait = self._turn(message)
        except InvalidValue as error:
            return self._cannot(error)
        if wait > 0:
            await self._sleep(wait)
        async with self._free:
            via = self._take()
            try:
                try:
                    built = self._built(request, begun, message, attempt)
                except Exception as error:  # noqa: BLE001 - whatever it is, nothing was sent
                    return self._cannot(error)
                try:
                    return self._told(*await self._exchange(via, built))
                except Exception as error:  # noqa: BLE001 - whatever it is, the message may be taken
                    return outcomes.failed(self._carrier, error)
            finally:
                await self._give_back(via)

    async def _exchange(
        self, via: httpx.AsyncClient | httpx.AsyncBaseTransport, request: httpx.Request
    ) -> tuple[httpx.Response, bytes | None]:
        with anyio.fail_after(self._timeout):
            if isinstance(via, httpx.AsyncBaseTransport):
                response = await via.handle_async_request(request)
            else:
                response = await via.send(request, stream=True, follow_redirects=False)
            try:
                if response.is_stream_consumed or not outcomes.is_readable(response):
                    return response, outcomes.body_of(response)
                body = bytearray()
                async for chunk in cast("AsyncIterable[bytes]", response.stream):
                    body += chunk
                    if len(body) > outcomes.MOST_ANSWER:
                        return response, None
                return response, bytes(body)
            finally:
                await response.aclose()

    def _take(self) -> httpx.AsyncClient | httpx.AsyncBaseTransport:
        self._busy += 1
        if self._client is not None:
            return self._client
        if self._fast is not None:
            if not self._idle:
                limits = httpx.Limits(max_connections=self._in_flight)
                self._idle.append(self._fast(verify=self._tls, trust_env=False, limits=limits))
            return self._idle[0]
        if self._idle:
            return self._idle.pop()
        return httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False, limits=_ONE)

    async def _give_back(self, via: httpx.AsyncClient | httpx.AsyncBaseTransport) -> None:
        self._busy -= 1
        if isinstance(via, httpx.AsyncHTTPTransport):
            self._idle.append(via)
        if self._closed:
            await self.aclose()


def _aiohttp_transport() -> Any:
    try:
        from httpx_aiohttp import AiohttpTransport  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtra("httpx-aiohttp", "fast", 'AsyncGateway(transport="fast")') from None
    return AiohttpTransport


def fetch_certificate(url: str) -> bytes:
    """Return the certificate that SNS signs with, in PEM; for ``Aws(certificate=fetch_certificate)``, which keeps it.

    Args:
        url: an address of SNS: any other is refused before anything is asked.

    Raises:
        InvalidValue: not an address of a certificate of SNS.
        ConnectionError: it could not be had.

    >>> fetch_certificate("https://sns.us-east-1.amazonaws.com.example/SimpleNotificationService-0.pem")
    Traceback (most recent call last):
    ...
    campaignkit.errors.InvalidValue: url is 'https://sns.us-east-1.amazonaws.com.example/SimpleNo...
    """
    if not isinstance(url, str) or not CERTIFICATE_URL.fullmatch(url):
        raise InvalidValue(
            f"url is {shown(url)}: not an address of a certificate of SNS; give SigningCertURL as it came"
        )
    return _fetched(httpx.HTTPTransport(verify=httpx.create_ssl_context(trust_env=False), trust_env=False), url)


def _fetched(transport: httpx.BaseTransport, url: str) -> bytes:
    until = time.monotonic() + CERTIFICATE_WAIT
    try:
        with transport:
            timeout = {"timeout": httpx.Timeout(CONNECT).as_dict()}
            response = transport.handle_request(httpx.Request("GET", url, extensions=timeout))
            if response.status_code != httpx.codes.OK or not outcomes.is_readable(response):
                raise ConnectionError(f"the certificate cannot be fetched: HTTP {response.status_code}")
            body = bytearray()
            for chunk in cast("Iterable[bytes]", response.stream):
                body += chunk
                if len(body) > outcomes.MOST_ANSWER or time.monotonic() > until:
                    raise ConnectionError("the certificate is too long, or comes too slowly")
    except httpx.HTTPError as error:
        raise ConnectionError(f"the certificate cannot be fetched: {type(error).__name__}") from error
    return bytes(body)
