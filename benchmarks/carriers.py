"""Carriers: a webhook from bytes to receipt, and sending at 50 in flight, each beside the best hand-written code.

The far end of the sends is a server in another process, that answers like Twilio and does
nothing else. Both machines' cores are shared by the two, so only ratios mean something.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha1
from hmac import compare_digest, digest
from pathlib import Path
from urllib.parse import parse_qsl

import httpx
from httpx_aiohttp import AiohttpTransport

from campaignkit import Attempt, Message
from campaignkit.backends.carriers import AsyncGateway, Request, Twilio
from campaignkit.testing.dialects.base import Submitted
from campaignkit.testing.dialects.twilio import TwilioDialect

IN_FLIGHT = 50
PAIRS = 7
ACCOUNT = f"AC{'0' * 32}"
TOKEN = "not-a-secret"  # noqa: S105
MESSAGE = Message(
    status="pending", to="+12025550143", sender="+12025550100", text="Your parcel arrives today between 3 and 5."
)


def line(path: str, ratio: float, ours: str, theirs: str, target: str) -> None:
    print(f"{path:<72} {ratio:5.2f}  {ours:>12} {theirs:>12} {'':>13} target {target}")
    sys.stdout.flush()


# --- webhooks ---------------------------------------------------------------------------------------


def receipts(count: int) -> list[Request]:
    """Signed status callbacks, each its own, as a server hands them over."""
    dialect = TwilioDialect(TwilioDialect.made_up(webhook_url="https://app.example/hooks/twilio"))
    now = datetime.now(UTC)
    made = []
    for place in range(count):
        callback = f"https://app.example/hooks/twilio?attempt=a-{place}"
        submitted = Submitted(to="+12025550143", sender="+12025550100", text="", callback=callback)
        each = dialect.receipt(submitted, f"SM{place:032x}", "delivered", None, now)
        headers = {
            "Host": "app.example",
            "User-Agent": "TwilioProxy/1.1",
            "Accept": "*/*",
            "I-Twilio-Idempotency-Token": f"{place:032x}",
            **{name: each.headers[name] for name in each.headers},
        }
        made.append((each.method, each.url, headers, each.body))
    return made


def webhooks(count: int = 20_000) -> None:
    made = receipts(count)
    twilio = Twilio(account_sid=ACCOUNT, auth_token=TOKEN, webhook_url="https://app.example/hooks/twilio")
    now = datetime.now(UTC)

    def ours() -> int:
        return sum(len(twilio.events(Request(*each), now=now)) for each in made)

    def bare() -> int:
        good = 0
        for _, url, headers, body in made:
            form = dict(parse_qsl(body.decode(), keep_blank_values=True))
            signed = url + "".join(name + form[name] for name in sorted(form))
            made_ = b64encode(digest(TOKEN.encode(), signed.encode(), sha1)).decode()
            good += compare_digest(made_, headers["x-twilio-signature"])
        return good

    assert ours() == bare() == count
    runs = []
    for turn in range(PAIRS):
        first, second = (ours, bare) if turn % 2 else (bare, ours)
        spent = {}
        for each in (first, second):
            begun = time.process_time()
            each()
            spent[each] = time.process_time() - begun
        runs.append((spent[ours], spent[bare]))
    mine, theirs = (statistics.median(values) for values in zip(*runs, strict=True))
    ratio = statistics.median(b / a for a, b in runs)
    speeds = f"{count / mine:,.0f}/s", f"{count / theirs:,.0f}/s"
    line("Twilio's webhook verified and parsed / parse_qsl and HMAC alone", ratio, *speeds, ">= 15,000/s and >= 0.50")


# --- sends ------------------------------------------------------------------------------------------


class Answering(asyncio.Protocol):
    """The far end: a whole request in, an answer out."""

    BODY = json.dumps(
        {
            "account_sid": ACCOUNT,
            "sid": f"SM{'1' * 32}",
            "to": MESSAGE.to,
            "from": MESSAGE.sender,
            "body": MESSAGE.text,
            "status": "queued",
            "date_created": "Sun, 22 Nov 2026 12:00:00 +0000",
            "num_segments": "1",
            "num_media": "0",
            "price": None,
            "price_unit": "USD",
            "error_code": None,
            "error_message": None,
        }
    ).encode()
    ANSWER = (
        b"HTTP/1.1 201 CREATED\r\nContent-Type: application/json\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n"
        b"Twilio-Request-Id: RQ0\r\nX-Home-Region: us1\r\nConnection: keep-alive\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
    )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.got = b""

    def data_received(self, data: bytes) -> None:
        self.got += data
        while True:
            head, end, rest = self.got.partition(b"\r\n\r\n")
            if not end:
                return
            length = int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
            if len(rest) < length:
                return
            self.got = rest[length:]
            self.transport.write(self.ANSWER)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1])
    sys.stdout.flush()
    await server.serve_forever()


@contextlib.contextmanager
def far_end() -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.carriers", "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


One = Callable[[int], Awaitable[None]]


async def load(one: One, sends: int) -> tuple[float, float]:
    """Seconds, and seconds of the processor, of so many sends after a warm-up that opens every connection."""

    async def work(left: Iterator[int]) -> None:
        for place in left:
            await one(place)

    for count in (4 * IN_FLIGHT, sends):
        left = iter(range(count))
        begun, used = time.perf_counter(), time.process_time()
        await asyncio.gather(*(work(left) for _ in range(IN_FLIGHT)))
    return time.perf_counter() - begun, time.process_time() - used


async def by_hand(client: httpx.AsyncClient, url: str, place: int) -> None:
    form = {
        "To": MESSAGE.to,
        "From": MESSAGE.sender,
        "Body": MESSAGE.text,
        "StatusCallback": f"https://app.example/hooks/twilio?attempt=a-{place}",
    }
    answer = await client.post(f"{url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json", data=form, auth=(ACCOUNT, TOKEN))
    assert answer.status_code == 201
    assert answer.json()["sid"]


async def hand_sharded(url: str, sends: int) -> tuple[float, float]:
    """A client with one connection for each request in flight."""
    limits = httpx.Limits(max_connections=1)
    tls = httpx.create_ssl_context()
    clients = [httpx.AsyncClient(limits=limits, verify=tls, trust_env=False) for _ in range(IN_FLIGHT)]
    free = list(clients)

    async def one(place: int) -> None:
        client = free.pop()
        await by_hand(client, url, place)
        free.append(client)

    result = await load(one, sends)
    for client in clients:
        await client.aclose()
    return result


async def hand_aiohttp(url: str, sends: int) -> tuple[float, float]:
    """One client over aiohttp's transport."""
    transport = AiohttpTransport(limits=httpx.Limits(max_connections=IN_FLIGHT), trust_env=False)
    async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
        return await load(lambda place: by_hand(client, url, place), sends)


async def ours(url: str, sends: int, transport: str) -> tuple[float, float]:
    twilio = Twilio(account_sid=ACCOUNT, auth_token=TOKEN, webhook_url="https://app.example/hooks/twilio", api_url=url)
    async with AsyncGateway(twilio, in_flight=IN_FLIGHT, transport=transport) as gateway:

        async def one(place: int) -> None:
            said = await gateway.send(MESSAGE, Attempt(attempt_id=f"a-{place}"))
            assert said.outcome == "taken", said.detail

        return await load(one, sends)


def gateways(sends: int = 2_000) -> None:
    with far_end() as url:
        for transport, hand, name in (
            ("httpx", hand_sharded, f"httpx, {IN_FLIGHT} clients of one connection"),
            ("fast", hand_aiohttp, "httpx over aiohttp"),
        ):
            runs = []
            for turn in range(PAIRS):
                sides = [lambda transport=transport: ours(url, sends, transport), lambda hand=hand: hand(url, sends)]
                results = [asyncio.run(side()) for side in (sides if turn % 2 else sides[::-1])]
                runs.append(results if turn % 2 else results[::-1])
            rates = [statistics.median(sends / run[side][0] for run in runs) for side in (0, 1)]
            used = [statistics.median(run[side][1] / sends for run in runs) for side in (0, 1)]
            ratio = statistics.median(run[1][0] / run[0][0] for run in runs)
            cost = statistics.median(run[0][1] / run[1][1] for run in runs)
            line(
                f"sends a second at {IN_FLIGHT} in flight, AsyncGateway({transport}) / {name}",
                ratio,
                *(f"{rate:,.0f}/s" for rate in rates),
                ">= 0.85",
            )
            line("  and the processor's time for each", cost, *(f"{1e6 * each:,.0f} us" for each in used), "<= 1.15")


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    else:
        webhooks()
        gateways()
