"""What becomes of a message when the line breaks: 18 ways, over real sockets, for each gateway.

The promise behind all of them: whatever happens, a message is offered once unless it certainly
was not taken, and nobody says "refused" of a message that the far end took.
"""

from __future__ import annotations

import base64
import json
import logging
import socket

import anyio
import attrs
import pytest
from faultproxy import Fault, Line

from campaignkit.backends.carriers import AsyncGateway, Gateway, Submission, Twilio
from campaignkit.models import Attempt, Message, Outcome

ACCOUNT = f"AC{'0' * 32}"
MESSAGE = Message(status="queued", to="+12025550143", sender="+12025550100", text="Hello")
ATTEMPT = Attempt(attempt_id="a-1")
TOKEN = "made-up-token-0123456789"
PATIENT = 10.0
SOON = 0.6


def http(status: str, body: bytes, *headers: str, length: int | None = None, version: str = "1.1") -> bytes:
    """Return an answer as it goes over the wire."""
    lines = [f"HTTP/{version} {status}", "Content-Type: application/json", *headers]
    if length is None or length >= 0:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


CREATED = json.dumps({"sid": f"SM{'1' * 32}", "status": "queued", "num_segments": "1"}).encode()
TAKEN = http("201 CREATED", CREATED)
HEAD = TAKEN.index(b"\r\n\r\n") + 4
UNTRUE = http("201 CREATED", CREATED, "Connection: close", length=len(CREATED) + 50)


@attrs.frozen(kw_only=True)
class Case:
    """One way for a line to break.

    Attributes:
        arrives: how many whole requests the far end gets; None when there is no far end.
        sends: how many messages are sent; the last one counts.
        timeout: of each try; short only where it is what ends the try.
    """

    name: str
    fault: Fault = Fault()
    answer: bytes = TAKEN
    expected: str = "unknown"
    arrives: int = 1
    url: str = "http://127.0.0.1:{port}"
    sends: int = 1
    timeout: float = PATIENT


CASES = [
    Case(name="latency", fault=Fault(latency=0.05), expected="taken"),
    Case(name="bandwidth", fault=Fault(bandwidth=4096), expected="taken"),
    Case(name="cut in the request's headers", fault=Fault(cut_request=40), arrives=0),
    Case(name="cut in the request's body", fault=Fault(cut_request=380), arrives=0),
    Case(name="cut in the answer's headers", fault=Fault(cut_answer=30)),
    Case(name="cut in the answer's body", fault=Fault(cut_answer=HEAD + 10)),
    Case(name="black hole", fault=Fault(black_hole=True), timeout=SOON),
    Case(name="reset", fault=Fault(reset=True)),
    Case(name="slow drip", fault=Fault(drip_after=HEAD + 5), timeout=SOON),
    Case(name="half close", fault=Fault(half_close=True)),
    Case(name="idle connection closed as the request is written", fault=Fault(close_at_second=True), sends=2),
    Case(name="length untrue: too long", answer=UNTRUE),
    Case(name="length untrue: too short", answer=http("201 CREATED", CREATED, "Connection: close", length=20)),
    Case(name="TLS", fault=Fault(tls=True), url="https://localhost:{tls_port}", expected="temporary", arrives=0),
    Case(name="TLS with who is silent", url="https://localhost:{port}", expected="temporary", arrives=0, timeout=SOON),
    Case(name="refused", url="http://127.0.0.1:{closed}", expected="temporary", arrives=0),
    Case(name="DNS", url="https://carrier.invalid", expected="temporary", arrives=0),
    Case(name="redirect 301", answer=http("301 Moved", b"", "Location: http://127.0.0.1:{elsewhere}/")),
    Case(name="redirect 307", answer=http("307 Temporary", CREATED, "Location: http://127.0.0.1:{elsewhere}/")),
    Case(name="100 and never more", answer=b"HTTP/1.1 100 Continue\r\n\r\n", timeout=SOON),
    Case(
        name="HTTP/1.0 that ends by closing", answer=http("201 C", CREATED, length=-1, version="1.0"), expected="taken"
    ),
    Case(name="2xx and no JSON", answer=http("200 OK", b"<html>hello</html>")),
    Case(name="204", answer=b"HTTP/1.1 204 No Content\r\n\r\n"),
    Case(name="413", answer=http("413 Content Too Large", b"too large")),
    Case(name="413 in the carrier's form", answer=http("413 X", b'{"code": 21617, "message": ""}'), expected="final"),
    Case(name="too long an answer", answer=http("201 CREATED", CREATED + b" " * 70_000)),
    Case(name="packed without being asked", answer=http("201 CREATED", CREATED, "Content-Encoding: gzip")),
]


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """Return a line that all cases share."""
    with Line(tmp_path_factory.mktemp("line")) as made:
        yield made


@pytest.fixture(autouse=True)
def no_such_host(monkeypatch):
    """Let one name be unknown, without asking any server for it."""
    real = socket.getaddrinfo

    def lookup(host, *args, **kwargs):
        if host in {"carrier.invalid", b"carrier.invalid"}:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)


def closed_port() -> int:
    """Return a port at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def carrier_at(line: Line, url: str) -> Twilio:
    """Return a carrier whose API is behind the line."""
    ports = {"port": line.port, "tls_port": line.tls_port, "closed": closed_port()}
    return Twilio(account_sid=ACCOUNT, auth_token=TOKEN, api_url=url.format(**ports))


def by_thread(carrier: Twilio, sends: int, timeout: float) -> Submission:
    """Send through `Gateway`."""
    with Gateway(carrier, timeout=timeout, sleep=lambda _: None) as gateway:
        said = [gateway.send(MESSAGE, ATTEMPT) for _ in range(sends)][-1]
        assert nothing_in_use(gateway)
    return said


def by_task(carrier: Twilio, sends: int, timeout: float, transport: str) -> Submission:
    """Send through `AsyncGateway`."""

    async def nap(_: float) -> None:
        pass

    async def send() -> Submission:
        async with AsyncGateway(carrier, timeout=timeout, transport=transport, sleep=nap) as gateway:
            said = [await gateway.send(MESSAGE, ATTEMPT) for _ in range(sends)][-1]
            assert nothing_in_use(gateway)
        return said

    return anyio.run(send)


def nothing_in_use(gateway: Gateway | AsyncGateway) -> bool:
    """Return whether every connection is closed, or idle and may be used again."""
    for transport in gateway._idle:
        pool = getattr(transport, "_pool", None)
        if pool is None:
            if transport.client is not None and transport.client.connector._acquired:
                return False
        elif not all(each.is_idle() or each.is_closed() for each in pool.connections):
            return False
    return getattr(gateway, "_busy", 0) == 0


GATEWAYS = {
    "Gateway": by_thread,
    "AsyncGateway": lambda *how: by_task(*how, "httpx"),
    "fast": lambda *how: by_task(*how, "fast"),
}


@pytest.mark.parametrize("gateway", GATEWAYS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_broken_line_has_its_outcome(line, case, gateway):
    """The outcome is of the right class, a message arrives at most once, and no connection is left behind."""
    line.clear()
    line.fault = case.fault
    line.answer = case.answer.replace(b"{elsewhere}", str(line.elsewhere).encode())

    said = GATEWAYS[gateway](carrier_at(line, case.url), case.sends, case.timeout)

    assert (case.expected, case.arrives) == (str(said.refusal or said.outcome), len(line.requests)), said.detail
    assert said.tries == (3 if case.expected == "temporary" else 1)
    assert line.settled() == 0
    assert line.calls_elsewhere == 0


def test_a_refusal_is_never_said_of_what_arrived():
    """The table itself: whatever arrived at the far end is taken or unknown, unless the carrier refused it in words."""
    for case in CASES:
        if case.expected in {"temporary", "account"}:
            assert case.arrives == 0, case.name


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_many_sends_reuse_their_connection(line, gateway):
    """One connection serves sends that follow each other."""
    line.clear()
    line.answer = TAKEN

    said = GATEWAYS[gateway](carrier_at(line, "http://127.0.0.1:{port}"), 5, PATIENT)

    assert said.outcome is Outcome.TAKEN
    assert len(line.requests) == 5
    assert line.connections == 1


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_the_environment_is_not_read(line, gateway, monkeypatch):
    """A proxy in the environment sees nothing: it would see every number and text."""
    line.clear()
    line.answer = TAKEN
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{line.elsewhere}")

    said = GATEWAYS[gateway](carrier_at(line, "http://127.0.0.1:{port}"), 1, PATIENT)

    assert said.outcome is Outcome.TAKEN
    assert line.calls_elsewhere == 0


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_logs_hold_no_secret_and_above_debug_no_person(line, gateway, caplog):
    """Whatever httpx, httpcore, aiohttp and asyncio log: no secret at any level; no number or text at INFO."""
    caplog.set_level(logging.DEBUG)
    basic = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    shown = ""
    for fault in (Fault(), Fault(reset=True), Fault(black_hole=True)):
        line.clear()
        line.fault, line.answer = fault, TAKEN
        said = GATEWAYS[gateway](carrier_at(line, "http://127.0.0.1:{port}"), 1, SOON)
        shown += f"{said!r} {said.detail}"

    assert line.requests
    everything = shown + caplog.text
    assert not [secret for secret in (TOKEN, basic, "Basic ") if secret in everything]
    loud = shown + "".join(record.getMessage() for record in caplog.records if record.levelno >= logging.INFO)
    assert not [each for each in ("2025550143", "2025550100", "Hello") if each in loud]
