"""Handing messages over: what is tried again and when, rates, another carrier, and both gateways alike."""

from __future__ import annotations

import asyncio
import gzip
import sys
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import anyio
import anyio.lowlevel
import attrs
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaignkit.backends.carriers import (
    AsyncGateway,
    Gateway,
    RateLimit,
    Refusal,
    Response,
    Submission,
    Twilio,
    gateway,
    outcomes,
    ratelimit,
)
from campaignkit.errors import InvalidValue, MissingExtra
from campaignkit.models import Attempt, Message, Outcome
from campaignkit.testing import DIALECTS, Simulator, get_dialect, run_virtual

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MESSAGE = Message(status="queued", to="+12025550143", sender="+12025550100", text="Hello")
KEYED = Attempt(attempt_id="a-1")
TOKEN = "not-a-secret-token"

TAKEN = httpx.Response(201, json={"sid": "SM1"})
BUSY = httpx.Response(429, json={"code": 20429, "message": "Too Many Requests"})
CREDENTIALS = httpx.Response(401, json={"code": 20003, "message": "Authenticate"})
NO_NUMBER = httpx.Response(400, json={"code": 21211, "message": "invalid"})
OPTED_OUT = httpx.Response(400, json={"code": 21610, "message": "unsubscribed"})
BAD_SENDER = httpx.Response(400, json={"code": 21606, "message": "not a sender of yours"})
BROKEN = httpx.Response(500, text="oops")


def busy(retry_after: str) -> httpx.Response:
    """Return a 429 that asks to wait."""
    return httpx.Response(429, json={"code": 20429, "message": ""}, headers={"Retry-After": retry_after})


@attrs.frozen(kw_only=True)
class Keyed(Twilio):
    """A carrier to which the same attempt id twice is one message."""

    idempotent = True


@attrs.frozen(kw_only=True)
class Noting(Twilio):
    """A carrier that notes which attempts it was asked to write."""

    noted: list[Attempt] = attrs.field(factory=list, eq=False)

    def encode(self, message, attempt):
        """Note the attempt."""
        self.noted.append(attempt)
        return super().encode(message, attempt)


def twilio(kind: type[Twilio] = Twilio) -> Twilio:
    """Return a carrier."""
    return kind(account_sid="AC0", auth_token=TOKEN, webhook_url="https://app.example/hooks")


class World:
    """Virtual time, chance, and a carrier's side that plays answers in turn, the last one for ever."""

    def __init__(self, twin: str) -> None:
        self.twin = twin
        self.now = 0.0
        self.slept: list[float] = []
        self.requests: list[httpx.Request] = []
        self.chance = 0.0

    def client(self, *answers, **options):
        """Return a client of httpx that gets these answers, or errors."""
        left = list(answers)

        def answer(request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            said = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(said, BaseException):
                raise said
            return httpx.Response(said.status_code, headers=said.headers, content=said.content)

        kind = httpx.Client if self.twin == "sync" else httpx.AsyncClient
        return kind(transport=httpx.MockTransport(answer), **options)

    def gateway(self, *answers, carrier: Twilio | None = None, **options):
        """Return a gateway whose carrier answers like this."""
        if self.twin == "sync":

            def sleep(seconds: float) -> None:
                self.slept.append(seconds)
                self.now += seconds
        else:

            async def sleep(seconds: float) -> None:
                self.slept.append(seconds)
                self.now += seconds

        options = {"client": self.client(*answers)} | options if answers else options
        return (Gateway if self.twin == "sync" else AsyncGateway)(
            carrier or twilio(),
            sleep=sleep,
            monotonic=lambda: self.now,
            clock=lambda: NOW + timedelta(seconds=self.now),
            random=lambda: self.chance,
            **options,
        )

    def send(self, gateway, message: Message = MESSAGE, attempt: Attempt = KEYED) -> Submission:
        """Send through either gateway."""
        if self.twin == "sync":
            return gateway.send(message, attempt)
        return anyio.run(gateway.send, message, attempt)


@pytest.fixture(params=["sync", "async"])
def world(request):
    """Return a world for each gateway: what one promises, the other does."""
    return World(request.param)


# --- one try ---------------------------------------------------------------------------------


def test_a_taken_message_is_asked_for_once_in_the_carriers_words(world):
    """The request is the one the carrier's file wrote, with nothing packed asked for; the attempt is optional."""
    said = world.gateway(TAKEN)

    assert world.send(said) == Submission(outcome="taken", carrier="twilio", carrier_id="SM1")
    (request,) = world.requests
    written = twilio().encode(MESSAGE, KEYED)
    assert (request.method, str(request.url), request.content) == ("POST", written.url, written.body)
    assert {**written.headers, "accept-encoding": "identity"}.items() <= dict(request.headers).items()
    plain = world.gateway(TAKEN)
    taken = plain.send(MESSAGE) if world.twin == "sync" else anyio.run(plain.send, MESSAGE)
    assert taken.outcome is Outcome.TAKEN


def test_what_the_carrier_cannot_send_is_refused_in_a_sentence(world):
    """A message that breaks a limit costs no request, and says which."""
    said = world.send(world.gateway(TAKEN), attrs.evolve(MESSAGE, to="0155"))

    assert (said.outcome, said.refusal, said.tries) == (Outcome.REFUSED, Refusal.FINAL, 0)
    assert said.detail == """to is '0155': must be E.164, like "+12025550143"; see parse_phone"""
    assert world.requests == world.slept == []


def test_a_request_that_cannot_be_made_is_refused(world):
    """What fails before the first byte is a definite no, whatever fails."""
    client = world.client(TAKEN)
    client.build_request = None

    said = world.send(world.gateway(client=client))

    assert (said.refusal, said.tries, said.detail) == (Refusal.FINAL, 0, "the request is impossible: TypeError")


def test_a_redirect_is_not_followed_even_by_a_client_that_would(world):
    """A host's client keeps its settings, but for this one."""
    moved = httpx.Response(307, headers={"Location": "https://elsewhere.example/"})
    client = world.client(moved, follow_redirects=True, headers={"X-Mine": "1"})

    said = world.send(world.gateway(client=client))

    assert (said.outcome, len(world.requests)) == (Outcome.UNKNOWN, 1)
    assert world.requests[0].headers["x-mine"] == "1"


CERTAIN = {httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol}
ERRORS = [
    *(getattr(httpx, name) for name in httpx.__all__ if name.endswith(("Error", "Timeout", "Redirects", "Protocol"))),
    OSError,
    TimeoutError,
    ValueError,
    RuntimeError,
    ExceptionGroup,
]


def an_error(kind: type[Exception]) -> Exception:
    """Return an error of a kind, that holds a secret."""
    if kind is httpx.HTTPStatusError:
        return kind(TOKEN, request=httpx.Request("POST", "https://x.example"), response=BROKEN)
    return kind(TOKEN, [ValueError(TOKEN)]) if kind is ExceptionGroup else kind(TOKEN)


@pytest.mark.parametrize(
    "kind", [kind for kind in ERRORS if issubclass(kind, Exception)], ids=lambda kind: kind.__name__
)
def test_each_error_is_a_certain_no_or_unknown(world, kind):
    """Only what comes before the first byte is tried again; every other error, also a foreign one, is unknown."""
    said = world.send(world.gateway(an_error(kind)))

    if kind in CERTAIN:
        assert (said.refusal, said.tries) == (Refusal.TEMPORARY, 3)
    else:
        assert (said.outcome, said.tries) == (Outcome.UNKNOWN, 1)
        assert TOKEN not in (said.detail or "")
        assert kind.__name__ in (said.detail or "")


def test_an_answer_that_cannot_be_read_is_unknown(world):
    """A carrier's file that fails on an answer does not hide that the message may be taken."""

    class Failing(Twilio):
        def decode(self, response: Response) -> Submission:
            raise KeyError(response.status)

    said = world.send(world.gateway(TAKEN, carrier=twilio(Failing)))

    assert (said.outcome, said.detail) == (Outcome.UNKNOWN, "HTTP 201, and reading it failed: KeyError")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (201, "unknown"),
        (400, "unknown"),
        (401, "account"),
        (429, "temporary"),
    ],
)
def test_a_packed_answer_counts_by_its_status(world, answer, expected):
    """Nothing is unpacked: success is unknown then, and what a status alone says, it says."""
    stream = Streamed(gzip.compress(TAKEN.content))
    packed = httpx.MockTransport(lambda _: httpx.Response(answer, headers={"Content-Encoding": "gzip"}, stream=stream))
    kind = httpx.Client if world.twin == "sync" else httpx.AsyncClient

    said = world.send(world.gateway(client=kind(transport=packed)))

    assert expected == str(said.refusal or said.outcome)


class Streamed(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that is not read until somebody reads it."""

    def __init__(self, *chunks: bytes, then=None) -> None:
        self.chunks = chunks
        self.then = then or (lambda: None)

    def __iter__(self):
        for chunk in self.chunks:
            yield chunk
            self.then()

    async def __aiter__(self):
        for chunk in self.chunks:
            yield chunk
            self.then()


def test_a_body_that_comes_too_slowly_is_given_up():
    """The whole try has a deadline, not each byte alone; what it ends is unknown; for tasks see test_outcomes."""
    world = World("sync")

    def late() -> None:
        world.now += 20

    answer = httpx.MockTransport(lambda _: httpx.Response(201, stream=Streamed(b"{", b'"sid"', b"}", then=late)))
    said = world.send(world.gateway(client=httpx.Client(transport=answer)))

    assert (said.outcome, said.detail) == (Outcome.UNKNOWN, "TimeoutError after the request may have left")


# --- the tries of one send -------------------------------------------------------------------


def test_a_temporary_refusal_is_tried_again_with_a_wait_that_doubles(world):
    """Half a second, then one; tries say how often it was asked."""
    said = world.send(world.gateway(BUSY, BUSY, TAKEN))

    assert (said.outcome, said.tries, world.slept) == (Outcome.TAKEN, 3, [0.5, 1.0])


def test_chance_only_adds_to_a_wait(world):
    """What the carrier asked for is the least; chance comes on top."""
    world.chance = 1.0

    world.send(world.gateway(busy("7"), BUSY, TAKEN))

    assert world.slept == [7.5, 2.0]


def test_tries_end(world):
    """The last refusal is returned, with what the carrier asked for."""
    said = world.send(world.gateway(busy("3"), tries=2))

    assert (said.refusal, said.tries, said.retry_after, world.slept) == (Refusal.TEMPORARY, 2, 3.0, [3.0])
    assert world.send(world.gateway(BUSY, tries=1)).tries == 1


def test_who_asks_for_more_than_max_wait_is_not_waited_for(world):
    """The refusal is returned at once, for the caller to schedule."""
    said = world.send(world.gateway(busy("31")))

    assert (said.refusal, said.tries, said.retry_after, world.slept) == (Refusal.TEMPORARY, 1, 31.0, [])
    assert world.send(world.gateway(busy("30"), TAKEN)).outcome is Outcome.TAKEN
    assert world.send(world.gateway(busy("1000000000"))).retry_after == 86_400.0


@pytest.mark.parametrize("answer", [NO_NUMBER, OPTED_OUT, CREDENTIALS, BAD_SENDER, BROKEN])
def test_nothing_else_is_tried_again(world, answer):
    """What is final, about the account, or unknown is asked once."""
    said = world.send(world.gateway(answer))

    assert (said.tries, len(world.requests), world.slept) == (1, 1, [])


@pytest.mark.parametrize("lost", [BROKEN, httpx.ReadTimeout(""), httpx.RemoteProtocolError("")])
def test_unknown_is_tried_again_only_with_a_key_at_a_carrier_that_takes_it(world, lost):
    """Never otherwise: the message may be on the phone."""
    assert world.send(world.gateway(lost, TAKEN)).outcome is Outcome.UNKNOWN
    assert world.send(world.gateway(lost, TAKEN, carrier=twilio(Keyed)), attempt=Attempt()).outcome is Outcome.UNKNOWN

    said = world.send(world.gateway(lost, TAKEN, carrier=twilio(Keyed)))

    assert (said.outcome, said.tries) == (Outcome.TAKEN, 2)


@pytest.mark.parametrize(
    ("then", "tries"), [(BUSY, 3), (httpx.ConnectError(""), 3), (CREDENTIALS, 2), (NO_NUMBER, 2), (OPTED_OUT, 2)]
)
def test_unknown_then_refused_is_unknown(world, then, tries):
    """A refusal speaks of its own request, not of the one before, which may be taken."""
    said = world.send(world.gateway(BROKEN, then, carrier=twilio(Keyed)))

    assert (said.outcome, said.refusal, said.tries) == (Outcome.UNKNOWN, None, tries)
    assert said.detail == "HTTP 500: JSON is malformed"


def test_refused_then_unknown_is_unknown(world):
    """The try that may be taken decides."""
    said = world.send(world.gateway(BUSY, BROKEN, TAKEN))

    assert (said.outcome, said.tries) == (Outcome.UNKNOWN, 2)


def test_each_try_is_written_anew_at_its_own_time(world):
    """A carrier that signs the time gets the present one, unless the caller said another."""
    noting = twilio(Noting)
    world.send(world.gateway(BUSY, TAKEN, carrier=noting))
    assert [each.started_at for each in noting.noted] == [NOW, NOW + timedelta(seconds=0.5)]
    assert {each.attempt_id for each in noting.noted} == {"a-1"}

    given_ = twilio(Noting)
    world.send(world.gateway(TAKEN, carrier=given_), attempt=attrs.evolve(KEYED, started_at=NOW))
    assert [each.started_at for each in given_.noted] == [NOW]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("1000000000", 86_400.0),
        ("-5", None),
        ("", None),
        ("soon", None),
        ("1e9", None),
        ("nan", None),
        ("٣", None),
        ("5, 10", None),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 12:00:30 -0000", 30.0),
        ("Sunday, 22-Nov-26 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2099 11:00:00 GMT", 86_400.0),
        ("Sun, 99 Nov 2026 12:00:30 GMT", None),
        ("Sun, 22 Nov 99999 12:00:30 GMT", None),
        ("1" * 10_000, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(value, expected):
    """Never negative, never more than a day; nonsense is as if it were not there."""
    assert outcomes.retry_after(value, NOW) == expected


@given(st.text() | st.datetimes().map(lambda at: format_datetime(at.replace(tzinfo=UTC))))
def test_no_retry_after_fails(value):
    """Whatever a carrier writes, a wait of at most a day comes out, or none."""
    wait = outcomes.retry_after(value, NOW)

    assert wait is None or 0 <= wait <= 86_400


def test_a_carriers_own_word_for_a_wait_is_heeded(world):
    """Where a body says how long to wait, and no header does."""

    class Saying(Twilio):
        def decode(self, response: Response) -> Submission:
            return attrs.evolve(super().decode(response), retry_after=4.0)

    world.send(world.gateway(BUSY, TAKEN, carrier=twilio(Saying)))

    assert world.slept == [4.0]


# --- what comes from outside -----------------------------------------------------------------


@pytest.mark.parametrize("answers", [[KeyboardInterrupt()], [BUSY, KeyboardInterrupt()]])
def test_what_comes_from_outside_is_passed_on(world, answers):
    """A KeyboardInterrupt is nobody's outcome, in the first try or a later one, and leaves nothing in use."""
    gateway = world.gateway(*answers)

    with pytest.raises(KeyboardInterrupt):
        world.send(gateway)

    if world.twin == "async":
        assert (gateway._busy, gateway._free.value) == (0, 50)


def test_a_cancelled_send_gives_its_place_back():
    """Cancelling is passed on, and the next send goes."""
    hold = {"first": True}

    async def answer(_: httpx.Request) -> httpx.Response:
        if hold.pop("first", False):
            await asyncio.Event().wait()
        return httpx.Response(201, json={"sid": "SM1"})

    async def scene() -> Submission:
        client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        gateway = AsyncGateway(twilio(), client=client, in_flight=1)
        task = asyncio.create_task(gateway.send(MESSAGE))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await gateway.send(MESSAGE)

    assert asyncio.run(scene()).outcome is Outcome.TAKEN


# --- rates -----------------------------------------------------------------------------------


def test_a_sender_waits_its_turn(world):
    """Ten a second is a tenth of a second between messages, and a pause saves up no more than the burst."""
    gateway = world.gateway(TAKEN, rate=RateLimit(10, burst=2))

    for _ in range(4):
        world.send(gateway)
    world.now += 60
    for _ in range(3):
        world.send(gateway)

    assert world.slept == pytest.approx([0.1, 0.1, 0.1])


def test_each_sender_has_its_own_rate(world):
    """A mapping says whose; None stands for all others, each for itself."""
    rate = {"+12025550100": RateLimit(1), None: RateLimit(10)}
    gateway = world.gateway(TAKEN, rate=rate)

    for sender in ("+12025550100", "+12025550101", "+12025550102", "+12025550101", "+12025550100"):
        world.send(gateway, attrs.evolve(MESSAGE, sender=sender))

    assert world.slept == pytest.approx([0.1, 0.9])
    free = world.gateway(TAKEN, rate={"+12025550199": RateLimit(1)})
    world.send(free)
    world.send(free)
    assert len(world.slept) == 2


def test_segments_count_where_the_rate_says_so(world):
    """A message of three segments takes three places; one that does not say is refused in a sentence."""
    gateway = world.gateway(TAKEN, rate=RateLimit(10, unit="segments"))
    for segments in (3, 1, 0):
        world.send(gateway, attrs.evolve(MESSAGE, segments=segments))
    assert world.slept == pytest.approx([0.3, 0.1])

    said = world.send(gateway)

    assert (said.refusal, said.tries) == (Refusal.FINAL, 0)
    assert said.detail.startswith("segments is None: this sender's rate counts segments; give segments=")


def test_a_refused_message_takes_nobodys_turn(world):
    """What is never sent does not slow the sender down."""
    gateway = world.gateway(TAKEN, rate=RateLimit(1))

    world.send(gateway, attrs.evolve(MESSAGE, to="0155"))
    world.send(gateway)

    assert world.slept == []


def test_every_try_takes_a_turn(world):
    """A carrier counts requests, also those it refused."""
    world.send(world.gateway(BUSY, TAKEN, rate=RateLimit(0.5)))

    assert world.slept == pytest.approx([0.5, 1.5])


def test_a_request_that_waited_is_written_again(world):
    """A carrier that signs the time must not get one that is minutes old."""
    noting = twilio(Noting)
    gateway = world.gateway(TAKEN, carrier=noting, rate=RateLimit(0.01))

    world.send(gateway)
    world.send(gateway)

    assert noting.noted[-1].started_at == NOW + timedelta(seconds=100)


@given(
    st.floats(0.01, 1000),
    st.integers(1, 20),
    st.lists(st.tuples(st.floats(0, 10), st.integers(1, 10)), min_size=1, max_size=40),
)
def test_no_window_holds_more_than_the_rate_allows(per_second, burst, asked):
    """The law of the bucket: between two starts at most a burst and the rate's share; first come, first served."""
    bucket = ratelimit.Bucket(RateLimit(per_second, burst=burst))
    now, starts = 0.0, []
    for pause, cost in asked:
        now += pause
        starts.append((now + bucket.take(cost, now), cost))

    times = [start for start, _ in starts]
    assert times == sorted(times)
    for i, (begun, _) in enumerate(starts):
        spent = 0.0
        for start, cost in starts[i:]:
            assert min(cost, burst) + spent <= burst + (start - begun) * per_second + 1e-6
            spent += cost


def test_senders_by_the_ten_thousand_are_forgotten_when_they_have_rested(monkeypatch):
    """Names nobody sends from any more take no memory."""
    monkeypatch.setattr(ratelimit, "MOST_SENDERS", 2)
    buckets = ratelimit.Buckets(RateLimit(1))

    waits = [
        buckets.take(attrs.evolve(MESSAGE, sender=f"S{place % 4}"), now) for place, now in enumerate([0, 0, 9, 9, 9])
    ]

    assert waits == [0, 0, 0, 0, 0]
    assert len(buckets._buckets) == 3


# --- requests in flight ----------------------------------------------------------------------


def test_no_more_than_in_flight_at_once_and_first_come_first_served():
    """Requests beyond wait in the order of asking."""
    state = {"now": 0, "most": 0}
    order = []

    async def answer(request: httpx.Request) -> httpx.Response:
        state["now"] += 1
        state["most"] = max(state["most"], state["now"])
        order.append(int(dict(httpx.QueryParams(request.content.decode()))["Body"]))
        await anyio.lowlevel.checkpoint()
        state["now"] -= 1
        return httpx.Response(201, json={"sid": "SM1"})

    async def scene() -> None:
        client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        async with AsyncGateway(twilio(), client=client, in_flight=3) as gateway, anyio.create_task_group() as group:
            for place in range(20):
                group.start_soon(gateway.send, attrs.evolve(MESSAGE, text=str(place)))

    anyio.run(scene)

    assert state["most"] == 3
    assert order == sorted(order)


def test_a_request_that_waited_for_a_place_is_written_again():
    """The time of the signature is that of the request."""
    noting = twilio(Noting)
    moment = {"now": 0.0}

    async def answer(_: httpx.Request) -> httpx.Response:
        await anyio.lowlevel.checkpoint()
        moment["now"] += 300
        return httpx.Response(201, json={"sid": "SM1"})

    async def scene() -> None:
        client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        clock = lambda: NOW + timedelta(seconds=moment["now"])  # noqa: E731 - a clock
        gateway = AsyncGateway(noting, client=client, in_flight=1, monotonic=lambda: moment["now"], clock=clock)
        async with anyio.create_task_group() as group:
            group.start_soon(gateway.send, MESSAGE)
            group.start_soon(gateway.send, MESSAGE)

    anyio.run(scene)

    assert [each.started_at for each in noting.noted] == [NOW, NOW, NOW + timedelta(seconds=300)]


def test_threads_share_a_gateway(monkeypatch):
    """Each request in flight has a connection of its own; the one used last is used next."""
    made, together = [], threading.Barrier(4)

    class Line(httpx.HTTPTransport):
        def __init__(self, **_) -> None:
            made.append(self)
            self.requests = 0

        def handle_request(self, _: httpx.Request) -> httpx.Response:
            self.requests += 1
            if len(made) <= 4 and self.requests == 1:
                together.wait(5)
            return httpx.Response(201, json={"sid": "SM1"})

        def close(self) -> None:
            self.closed = True

    monkeypatch.setattr(httpx, "HTTPTransport", Line)
    with Gateway(twilio()) as gateway:
        threads = [threading.Thread(target=gateway.send, args=(MESSAGE,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for _ in range(5):
            gateway.send(MESSAGE)

    assert sorted(line.requests for line in made) == [1, 1, 1, 6]
    assert all(line.closed for line in made)


def test_a_thread_under_way_ends_as_it_would_when_its_gateway_closes(monkeypatch):
    """Closing does not cut a request off, and leaves nothing open."""
    closed = []

    class Line(httpx.BaseTransport):
        def __init__(self, **_) -> None:
            pass

        def handle_request(self, _: httpx.Request) -> httpx.Response:
            gateway.close()
            assert closed == []
            return httpx.Response(201, json={"sid": "SM1"})

        def close(self) -> None:
            closed.append(self)

    monkeypatch.setattr(httpx, "HTTPTransport", Line)
    gateway = Gateway(twilio())

    assert gateway.send(MESSAGE).outcome is Outcome.TAKEN
    assert len(closed) == 1


def test_a_closed_gateway_says_so(world):
    """A send after closing is a mistake of the host's; one under way when it closes ends as it would."""
    gateway = world.gateway(TAKEN)
    if world.twin == "sync":
        gateway.close()
    else:
        anyio.run(gateway.aclose)

    with pytest.raises(RuntimeError, match=r"ateway\(twilio\) is closed: construct another, or close it later"):
        world.send(gateway)


@pytest.mark.parametrize("transport", ["httpx", "fast"])
def test_what_is_in_use_is_closed_when_it_is_done(transport, monkeypatch):
    """Closing does not cut a request off, and leaves nothing open."""
    going, closed = anyio.Event(), []

    class Line(httpx.AsyncHTTPTransport if transport == "httpx" else httpx.AsyncBaseTransport):
        def __init__(self, **_) -> None:
            pass

        async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
            await going.wait()
            return httpx.Response(201, json={"sid": "SM1"})

        async def aclose(self) -> None:
            closed.append(self)

    monkeypatch.setattr("httpx.AsyncHTTPTransport" if transport == "httpx" else "httpx_aiohttp.AiohttpTransport", Line)
    said = []

    async def one(gateway: AsyncGateway) -> None:
        said.append(await gateway.send(MESSAGE))

    async def scene() -> None:
        gateway = AsyncGateway(twilio(), transport=transport)
        async with anyio.create_task_group() as group:
            group.start_soon(one, gateway)
            await anyio.lowlevel.checkpoint()
            await gateway.aclose()
            assert closed == []
            going.set()

    anyio.run(scene)

    assert [each.outcome for each in said] == ["taken"]
    assert len(closed) == 1


# --- another carrier -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "asked"),
    [
        (BUSY, True),
        (busy("3600"), True),
        (httpx.ConnectError(""), True),
        (CREDENTIALS, True),
        (BAD_SENDER, True),
        (httpx.Response(400, json={"code": 30610, "message": "quiet hours"}), False),
        (NO_NUMBER, False),
        (OPTED_OUT, False),
        (httpx.Response(400, json={"code": 30007, "message": "filtered"}), False),
        (httpx.Response(400, json={"code": 99999, "message": "who knows"}), False),
        (BROKEN, False),
        (httpx.ReadTimeout(""), False),
        (TAKEN, False),
    ],
)
def test_another_carrier_is_asked_only_after_a_definite_refusal_that_is_not_about_the_person(world, first, asked):
    """Never after unknown, and never round an opt-out, a filter or the hour."""
    second = World(world.twin)
    fallback = second.gateway(TAKEN)

    said = world.send(world.gateway(first, fallback=fallback, tries=2))

    assert bool(second.requests) is asked
    if asked:
        assert (said.outcome, said.tries) == (Outcome.TAKEN, len(world.requests) + 1)


def test_what_a_carrier_cannot_send_is_not_offered_to_another(world):
    """The sentence is for who wrote the message."""
    second = World(world.twin)

    said = world.send(world.gateway(TAKEN, fallback=second.gateway(TAKEN)), attrs.evolve(MESSAGE, to="0155"))

    assert (said.refusal, second.requests) == (Refusal.FINAL, [])


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (BUSY, BROKEN, "unknown"),
        (BUSY, BUSY, "temporary"),
        (BUSY, CREDENTIALS, "temporary"),
        (BUSY, BAD_SENDER, "temporary"),
        (BUSY, OPTED_OUT, "final"),
        (CREDENTIALS, BUSY, "temporary"),
        (CREDENTIALS, BAD_SENDER, "final"),
    ],
)
def test_when_both_refuse_what_may_be_tried_again_stays_so(world, first, second, expected):
    """The second's word counts, unless only the first can be asked again; and a person's no counts always."""
    fallback = World(world.twin).gateway(second, tries=1)

    said = world.send(world.gateway(first, tries=1, fallback=fallback))

    assert (expected, 2) == (str(said.refusal or said.outcome), said.tries)


def test_a_code_in_no_table_is_no_reason_to_ask_another(world):
    """A host's own carrier may write codes that mean several things here; nothing is guessed."""

    class Vague(Twilio):
        def decode(self, response: Response) -> Submission:
            said = super().decode(response)
            return attrs.evolve(said, carrier="vonage", error_code="6", refusal="final")

    second = World(world.twin)
    said = world.send(world.gateway(NO_NUMBER, carrier=twilio(Vague), fallback=second.gateway(TAKEN)))

    assert (said.refusal, second.requests) == (Refusal.FINAL, [])


# --- construction ----------------------------------------------------------------------------


class Reporting(Twilio):
    """A carrier that only reports."""

    sends = False


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"carrier": "twilio"}, "carrier is str: give a Carrier, such as Twilio(...)"),
        ({"carrier": twilio(Reporting)}, "carrier is twilio: it only reports, and takes no messages here"),
        ({"tries": 0}, "tries is 0: must be a whole number from 1; 1 tries once"),
        ({"tries": True}, "tries is True: must be a whole number from 1; 1 tries once"),
        ({"timeout": 0}, "timeout is 0: must be seconds, above 0 and at most a day"),
        ({"timeout": None}, "timeout is None: must be seconds, above 0 and at most a day"),
        ({"max_wait": -1}, "max_wait is -1: must be seconds, 0 or more, at most a day"),
        ({"max_wait": float("nan")}, "max_wait is nan: must be seconds, 0 or more, at most a day"),
        ({"rate": 5}, "rate is 5: give RateLimit(10), or a mapping from sender to RateLimit"),
        ({"rate": {None: 5}}, "rate of None is 5: give a RateLimit"),
        ({"fallback": 5}, "fallback is int: "),
    ],
)
def test_an_argument_that_cannot_be_meant_is_refused_in_a_sentence(world, options, sentence):
    """Value, rule and remedy, before anything is sent."""
    kind = Gateway if world.twin == "sync" else AsyncGateway
    arguments = {"carrier": twilio()} | options

    with pytest.raises(InvalidValue) as error:
        kind(**arguments)

    assert str(error.value).startswith(sentence)


def test_a_client_of_the_other_kind_is_refused(world):
    """Else every message would be unknown."""
    other = World("async" if world.twin == "sync" else "sync")

    with pytest.raises(InvalidValue, match=r"client is an? (Async)?Client: an? (Async)?Gateway needs an"):
        world.gateway(client=other.client(TAKEN))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"in_flight": 0}, "in_flight is 0: must be a whole number from 1, such as 50"),
        ({"transport": "slow"}, 'transport is \'slow\': must be "httpx" or "fast"'),
        ({"transport": "fast", "client": object()}, 'transport is "fast" and client is given: give one of them'),
    ],
)
def test_so_are_those_of_the_asynchronous_gateway(options, sentence):
    """The same, for what it has alone."""
    with pytest.raises(InvalidValue) as error:
        AsyncGateway(twilio(), **options)

    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((0,), "per_second is 0: must be a number above 0, such as 10"),
        ((float("inf"),), "per_second is inf: must be a number above 0, such as 10"),
        ((True,), "per_second is True: must be a number above 0, such as 10"),
        ((1, "texts"), 'unit is \'texts\': must be "messages" or "segments"'),
        ((1, "messages", 0), "burst is 0: must be a whole number from 1"),
    ],
)
def test_so_are_rates(arguments, sentence):
    """The same, for rates."""
    with pytest.raises(InvalidValue) as error:
        RateLimit(*arguments)

    assert str(error.value) == sentence


def test_fast_says_how_it_is_installed(monkeypatch):
    """At construction, not at the first message."""
    monkeypatch.setitem(sys.modules, "httpx_aiohttp", None)

    with pytest.raises(MissingExtra, match=r'needs httpx-aiohttp: pip install "campaignkit\[fast\]"'):
        AsyncGateway(twilio(), transport="fast")


def test_neither_gateway_shows_a_secret(world):
    """Nor who would reach the carrier with which client."""
    shown = repr(world.gateway(TAKEN, rate=RateLimit(1)))

    assert shown in {"Gateway(twilio)", "AsyncGateway(twilio)"}


# --- certificates ----------------------------------------------------------------------------

URL = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"


@pytest.mark.parametrize(
    "url",
    [
        URL.replace("https", "http"),
        URL.replace(".amazonaws.com", ".amazonaws.com.evil.example"),
        URL.replace("sns.", "sns@evil."),
        f"{URL}?x=1",
        "https://169.254.169.254/SimpleNotificationService-0.pem",
        "",
        None,
    ],
)
def test_a_certificate_is_fetched_from_sns_alone(url, monkeypatch):
    """Any other address is refused before anything is asked."""
    monkeypatch.setattr(gateway, "_fetched", None)

    with pytest.raises(InvalidValue, match="not an address of a certificate of SNS"):
        gateway.fetch_certificate(url)


def fetched(monkeypatch, answer) -> bytes:
    """Return what `fetch_certificate` returns when SNS answers like this."""
    monkeypatch.setattr(httpx, "HTTPTransport", lambda **_: httpx.MockTransport(answer))
    return gateway.fetch_certificate(URL)


def test_a_certificate_is_fetched(monkeypatch):
    """Its bytes as they are."""
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, str(request.url)))
        return httpx.Response(200, content=b"-----BEGIN")

    assert fetched(monkeypatch, answer) == b"-----BEGIN"
    assert asked == [("GET", URL)]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (httpx.Response(404), "the certificate cannot be fetched: HTTP 404"),
        (httpx.Response(302, headers={"Location": URL}), "the certificate cannot be fetched: HTTP 302"),
        (httpx.Response(200, content=b"x" * 70_000), "the certificate is too long, or comes too slowly"),
        (httpx.ConnectError("no"), "the certificate cannot be fetched: ConnectError"),
    ],
)
def test_a_certificate_that_cannot_be_had_is_one_error(monkeypatch, answer, sentence):
    """No redirect is followed, and no more is read than a certificate is long."""

    def said(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(ConnectionError) as error:
        fetched(monkeypatch, said)

    assert str(error.value) == sentence


# --- in a storm ------------------------------------------------------------------------------


def in_a_storm(name: str, seed: int, count: int = 150) -> tuple[Simulator, list[Submission]]:
    """Send through both gateways while everything goes wrong that can."""
    kind = get_dialect(name)
    dialect = kind(kind.made_up(webhook_url="https://app.example/hooks"))  # where some carry the attempt's id
    simulator = Simulator(dialect, profile="storm", seed=seed)
    clock, carrier = simulator.clock, simulator.carrier
    seams = {"clock": clock.now, "monotonic": clock.monotonic, "random": lambda: 0.5, "timeout": 20.0}

    def message(place: int) -> Message:
        return attrs.evolve(MESSAGE, to=f"+1202555{100 + place % 100:04d}")

    with Gateway(carrier, client=httpx.Client(transport=simulator.transport()), sleep=clock.sleep, **seams) as gateway:
        said = [gateway.send(message(place), Attempt(attempt_id=f"s-{place}")) for place in range(count)]

    async def tasks() -> list[Submission]:
        client = httpx.AsyncClient(transport=simulator.async_transport(), timeout=20)
        gateway = AsyncGateway(carrier, client=client, in_flight=10, **seams)
        sends = (gateway.send(message(place), Attempt(attempt_id=f"a-{place}")) for place in range(count))
        return list(await asyncio.gather(*sends))

    return simulator, said + run_virtual(tasks(), clock)


@pytest.mark.parametrize("name", sorted(name for name in DIALECTS if get_dialect(name)().carrier.sends))
def test_in_a_storm_nothing_is_taken_twice_and_no_refusal_lies(name):
    """What is called refused was not taken, what is called taken was, and no attempt is taken twice."""
    simulator, said = in_a_storm(name, seed=7)

    taken = Counter(each.attempt_id for each in simulator.ledger.taken)
    ids = [f"s-{place}" for place in range(150)] + [f"a-{place}" for place in range(150)]
    ours = {outcome: {i for i, each in zip(ids, said, strict=True) if each.outcome is outcome} for outcome in Outcome}
    assert max(taken.values()) == 1
    assert ours[Outcome.TAKEN] <= set(taken)
    assert not ours[Outcome.REFUSED] & set(taken)
    assert len(ours[Outcome.TAKEN]) > 150
    assert ours[Outcome.REFUSED]
