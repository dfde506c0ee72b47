"""Requests as carriers make them, and two ways to hand one in: to `receive`, and to the ASGI app."""

from __future__ import annotations

import datetime as dt
import threading
from contextlib import contextmanager
from random import Random
from urllib.parse import urlsplit

import anyio
import attrs

from campaignkit.backends.carriers import Request
from campaignkit.backends.storage import MemoryStorage
from campaignkit.models import Message, Status
from campaignkit.testing import get_dialect
from campaignkit.testing.dialects.base import Submitted
from campaignkit.tracker import Tracker
from campaignkit.web import receive, webhooks

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
ANA, US = "+12025550143", "+12025550100"
SPRING = "spring"
HOOKS = "https://app.example/hooks"


@attrs.frozen
class Desk:
    """A carrier that is made up, and what it would post."""

    name: str
    dialect: object
    carrier_id: str

    @property
    def carrier(self):
        """The host's side of it."""
        return self.dialect.carrier

    def receipt(self, word=None, now=NOW):
        """Return a receipt about the message."""
        submitted = Submitted(to=ANA, sender=US, text="Hello", callback=f"{HOOKS}/{self.name}")
        word = word or self.dialect.words[Status.DELIVERED]
        return self._at_an_address(self.dialect.receipt(submitted, self.carrier_id, word, None, now))

    def reply(self, text="STOP", now=NOW):
        """Return what the person who got it writes."""
        return self._at_an_address(self.dialect.reply(ANA, US, text, "r-1", now))

    def _at_an_address(self, request):
        """Return a request to an app; what is handed in from an SMPP session has none of its own."""
        if request.url.startswith("http"):
            return request
        return attrs.evolve(request, method="POST", url=f"{HOOKS}/{self.name}")


def desk(name):
    """Return the desk of a carrier."""
    dialect = get_dialect(name)
    dialect = dialect(dialect.made_up(webhook_url=f"{HOOKS}/{name}"))
    return Desk(name, dialect, dialect.new_id(Random(1)))  # noqa: S311 - the same in every run


def tracking(at, storage=None, **options):
    """Return a tracker that follows the one message a desk posts about."""
    tracker = Tracker(storage or MemoryStorage(), **{"clock": lambda: NOW, "patience": 0, **options})
    carrier = at.carrier.name
    sent_at = NOW - dt.timedelta(minutes=1)
    told = Message(
        message_id="m1", campaign_id=SPRING, status="sent", to=ANA, sender=US, sent_at=sent_at, carrier=carrier,
        carrier_id=at.carrier_id,
    )  # fmt: skip
    tracker.record([told])
    return tracker


class Broken(MemoryStorage):
    """A storage that fails when it commits, and keeps nothing then; it counts who began to write."""

    def __init__(self, error=None):
        super().__init__()
        self.error = error
        self.begun = 0

    @contextmanager
    def transaction(self, tenant):
        """Begin a transaction that fails at its end."""
        self.begun += 1
        with super().transaction(tenant) as tx:
            yield tx
            if self.error is not None:
                raise self.error


class Held(MemoryStorage):
    """A storage whose commits wait until they are let go."""

    def __init__(self):
        super().__init__()
        self.holding = False
        self.at_commit, self.let_go = threading.Event(), threading.Event()

    @contextmanager
    def transaction(self, tenant):
        """Begin a transaction that waits at its end."""
        with super().transaction(tenant) as tx:
            yield tx
            if self.holding:
                self.at_commit.set()
                assert self.let_go.wait(30)


@attrs.frozen
class Answered:
    """What came back: headers in lower case, without the length that every empty body has."""

    status: int
    headers: dict
    body: bytes = b""


def through_receive(tracker, carrier, request, **options):
    """Hand a request in as a host of any framework does."""
    answer = receive(tracker, carrier, request, now=NOW, **options)
    return Answered(answer.status, {name.lower(): value for name, value in answer.headers.items()})


def through_asgi(tracker, carrier, request, **options):
    """Hand a request in as a server of ASGI does."""
    app = webhooks(tracker, {urlsplit(request.url).path.strip("/"): carrier}, clock=lambda: NOW, **options)
    sent = anyio.run(conversation, app, request, [request.body])
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    body = b"".join(each.get("body", b"") for each in sent[1:])
    assert headers.pop("content-length") == str(len(body))
    return Answered(sent[0]["status"], headers, body)


def scope_of(request, **more):
    """Return a request as a server of ASGI describes it."""
    parts = urlsplit(request.url)
    headers = [(name.encode(), value.encode("latin-1")) for name, value in request.headers.items()]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": parts.scheme,
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "root_path": "",
        "query_string": parts.query.encode("latin-1"),
        "headers": [(b"host", parts.netloc.encode()), *headers],
        **more,
    }


async def conversation(app, request, chunks, *, then=None, heard=None):
    """Send a body in chunks; return what the app sends.

    Args:
        app: of ASGI.
        request: its body is not used.
        chunks: any iterable; the last ends the body unless ``then`` says otherwise.
        then: ``"disconnect"``, or ``"silence"`` for a client that sends no more.
        heard: a list to which what the app sends is appended as it is sent.
    """
    stream, sent, ended = iter(chunks), [] if heard is None else heard, False
    following = next(stream, None)

    async def hear():
        nonlocal following, ended
        if ended:
            if then == "silence":
                await anyio.sleep_forever()
            return {"type": "http.disconnect"}
        chunk, following = following, next(stream, None)
        ended = following is None
        return {"type": "http.request", "body": chunk or b"", "more_body": not ended or then is not None}

    async def send(message):
        sent.append(message)

    await app(scope_of(request), hear, send)
    return sent


def forged(request):
    """Return a request with one byte of what is signed changed."""
    if request.body:
        at = len(request.body) // 2
        changed = request.body[:at] + bytes([request.body[at] ^ 1]) + request.body[at + 1 :]
        return attrs.evolve(request, body=changed)
    return Request(request.method, request.url.replace("status=", "status=x"), request.headers, b"")
