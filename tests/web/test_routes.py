"""The ASGI app: what it reads, when it answers, and that it is a good citizen of its server and its host."""

from __future__ import annotations

import importlib
import itertools
import socket
import sys
import threading
import tracemalloc

import anyio
import anyio.to_thread
import attrs
import httpx
import pytest
import uvicorn
from posting import HOOKS, NOW, SPRING, US, Broken, Held, conversation, desk, scope_of, tracking
from starlette.applications import Starlette
from starlette.routing import Mount

from campaignkit.backends.carriers import Request
from campaignkit.backends.storage import SqlStorage
from campaignkit.errors import InvalidValue
from campaignkit.models import Message
from campaignkit.testing import get_dialect
from campaignkit.testing.dialects.base import Submitted
from campaignkit.tracker import AsyncTracker, Tracker
from campaignkit.web import receive, routes, webhooks

TWILIO = desk("twilio")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BACKENDS = ["asyncio", "trio"]


def hooks(tracker, **options):
    """Return an app with one path, for Twilio."""
    return webhooks(tracker, {"hooks/twilio": TWILIO.carrier}, clock=lambda: NOW, **options)


def answer_to(app, request, chunks=None, *, backend="asyncio", **how):
    """Return status and headers of an answer, None where there was none; its body is empty."""
    chunks = [request.body] if chunks is None else chunks
    sent = anyio.run(lambda: conversation(app, request, chunks, **how), backend=backend)
    if not sent:
        return None
    assert b"".join(each.get("body", b"") for each in sent[1:]) == b""
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


# --- when it answers ---------------------------------------------------------------------------


def answers_before_the_commit(backend="asyncio"):
    """Return what an app has sent while the commit was under way, and what it sent in the end."""
    storage = Held()
    app = hooks(tracking(TWILIO, storage))
    storage.holding = True
    request, heard = TWILIO.receipt(), []

    async def scene():
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: conversation(app, request, [request.body], heard=heard))
            assert await anyio.to_thread.run_sync(storage.at_commit.wait, 30)
            meanwhile = list(heard)
            storage.let_go.set()
        return meanwhile

    return anyio.run(scene, backend=backend), [each.get("status") for each in heard]


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_is_answered_before_the_commit(backend):
    """While a commit is under way the carrier hears nothing; then it hears 200."""
    assert answers_before_the_commit(backend) == ([], [200, None])


def test_an_answer_before_the_commit_is_caught(monkeypatch):
    """Mutant 15: an app that answers first, and keeps afterwards, fails the test above."""

    class Hasty(routes._Webhook):
        async def _keep(self, request):
            threading.Thread(
                target=receive, args=(self.commits._tracker, self.carrier, request), kwargs={"now": NOW}
            ).start()

    monkeypatch.setattr(routes, "_Webhook", Hasty)
    meanwhile, _ = answers_before_the_commit()

    assert [each.get("status") for each in meanwhile] == [200, None]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("wrapped", [Tracker, AsyncTracker])
def test_a_receipt_is_kept(backend, wrapped):
    """A Tracker and an AsyncTracker do, on asyncio and on trio."""
    tracker = tracking(TWILIO)
    app = hooks(tracker if wrapped is Tracker else AsyncTracker(tracker))

    assert answer_to(app, TWILIO.receipt(), backend=backend) == (200, {"content-length": "0"})
    assert tracker.summary(SPRING).counts.delivered == 1


def test_whatever_fails_is_503():
    """Even a clock that fails is no error to be shown: the carrier comes again, and the host is told."""
    told = []
    app = webhooks(
        tracking(TWILIO),
        {"hooks/twilio": TWILIO.carrier},
        clock=lambda: 1 / 0,
        on_error=lambda error, _: told.append(type(error)),
    )

    status, headers = answer_to(app, TWILIO.receipt())

    assert (status, headers["retry-after"], told) == (503, "30", [ZeroDivisionError])


# --- what it reads -----------------------------------------------------------------------------


@pytest.mark.parametrize("length", ["5368709120", "65537", "9" * 5_000])
def test_t_b01_a_length_beyond_the_limit(length):
    """T-B01: a body that says it is too large is 413 before a byte of it is read, and the connection closes."""
    request = Request("POST", f"{HOOKS}/twilio", {**FORM, "Content-Length": length})

    def chunks():
        yield b""
        raise AssertionError("it was read")

    answer = answer_to(hooks(tracking(TWILIO)), request, chunks())

    assert answer == (413, {"content-length": "0", "connection": "close"})


@pytest.mark.parametrize("length", [None, "soon", "²", "-1", "10"])
def test_t_b01_a_body_without_an_end(length):
    """T-B01: whatever it says of its length, no more than the limit is read of a body, nor kept in memory."""
    said = {} if length is None else {"Content-Length": length}
    request = Request("POST", f"{HOOKS}/twilio", {**FORM, **said})
    app, taken = hooks(tracking(TWILIO)), itertools.count()
    chunk = b"x" * 16_384
    answer_to(app, request, [b""])
    tracemalloc.start()
    try:
        answer = answer_to(app, request, (chunk for _ in taken))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert answer == (413, {"content-length": "0", "connection": "close"})
    assert next(taken) <= 7
    assert peak < 1_048_576


def test_the_limit_is_the_carriers():
    """A carrier that sends larger webhooks is read further, to the byte."""
    infobip = desk("infobip")
    app = webhooks(tracking(TWILIO), {"hooks/infobip": infobip.carrier}, clock=lambda: NOW)
    genuine = infobip.receipt()
    most = genuine.body + b" " * (infobip.carrier.max_body - len(genuine.body))

    assert answer_to(app, attrs.evolve(genuine, body=most))[0] == 200
    assert answer_to(app, attrs.evolve(genuine, body=most + b" "))[0] == 413


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_slow_body_is_408(backend):
    """A body that is not here in time is 408, and nothing of it is kept."""
    storage = Broken()
    told, tracker = [], tracking(TWILIO, storage)
    app = hooks(tracker, timeout=0.01, on_error=lambda error, _: told.append(str(error)))
    begun = storage.begun

    answer = answer_to(app, TWILIO.receipt(), [b"MessageSid="], then="silence", backend=backend)

    assert answer == (408, {"content-length": "0", "connection": "close"})
    assert told == ["twilio webhook rejected (slow): a body is here within 0.01 seconds"]
    assert storage.begun == begun


def test_a_client_that_hangs_up_is_forgotten():
    """When the connection ends before the body does, nothing is kept, and nobody is answered."""
    storage, told = Broken(), []
    app = hooks(tracking(TWILIO, storage), on_error=lambda error, _: told.append(error))
    begun = storage.begun

    for chunks in ([], [b"MessageSid="], [TWILIO.receipt().body]):
        assert answer_to(app, TWILIO.receipt(), chunks, then="disconnect") is None
    assert (storage.begun, told) == (begun, [])


def test_a_body_in_many_pieces_is_one():
    """However a body is cut, it is the body."""
    request = TWILIO.receipt()
    tracker = tracking(TWILIO)

    assert answer_to(hooks(tracker), request, [bytes([each]) for each in request.body])[0] == 200
    assert tracker.summary(SPRING).counts.delivered == 1


def test_headers_that_are_none_of_http():
    """A header that HTTP does not allow, from a server that lets it through, is 400."""
    request = TWILIO.receipt()
    app = hooks(tracking(TWILIO))
    headers = [(b"x", b"a\nb"), *scope_of(request)["headers"]]

    async def scene():
        return await conversation(lambda scope, *rest: app({**scope, "headers": headers}, *rest), request, [b""])

    assert anyio.run(scene)[0]["status"] == 400


def test_http_2_has_no_connection_to_close():
    """Under HTTP/2 the answer has no header that HTTP/2 forbids."""
    request = Request("POST", f"{HOOKS}/twilio", {**FORM, "Content-Length": "70000"})
    app = hooks(tracking(TWILIO))

    async def scene():
        return await conversation(lambda scope, *rest: app({**scope, "http_version": "2"}, *rest), request, [b""])

    assert anyio.run(scene)[0]["headers"] == [(b"content-length", b"0")]


# --- where it is -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/hooks", "/hooks/twilio/", "/hooks/twilio/x", "/hooks/vonage", "/twilio", "/x"])
def test_an_unknown_path_is_404(path):
    """What is at no carrier's path is 404, and nobody is sent elsewhere."""
    genuine = TWILIO.receipt()
    sent = anyio.run(conversation, hooks(tracking(TWILIO)), attrs.evolve(genuine, url=f"https://x{path}"), [b""])

    assert sent[0]["status"] == 404


def test_two_accounts_of_one_carrier():
    """Each path believes its own account, and no other."""
    other = get_dialect("twilio")
    other = attrs.evolve(other.made_up(webhook_url=f"{HOOKS}/eu"), auth_token="another")  # noqa: S106 - made up
    tracker = tracking(TWILIO)
    app = Starlette(routes=[Mount("/hooks", webhooks(tracker, {"twilio": TWILIO.carrier, "eu": other}))])
    genuine = TWILIO.receipt()

    assert answer_to(app, genuine)[0] == 200
    assert answer_to(app, attrs.evolve(genuine, url=f"{HOOKS}/eu"))[0] == 403


def test_t_w12_host_is_not_believed():
    """T-W12: behind a proxy, and whatever Host says, what counts is the address the carrier was given."""
    genuine = TWILIO.receipt()
    inside = attrs.evolve(genuine, url="http://evil.example:8000/hooks/twilio")

    assert answer_to(hooks(tracking(TWILIO)), inside)[0] == 200


def test_the_address_is_taken_as_it_was_written():
    """Without an address of its own a carrier is shown the one that was called, to the letter."""
    seen = []

    class Curious(type(TWILIO.carrier)):
        def events(self, request, *, now):
            seen.append((request.url, now))
            return []

    carrier = Curious(account_sid="AC0", auth_token="token")  # noqa: S106 - made up
    app = Starlette(routes=[Mount("/a b", webhooks(tracking(TWILIO), {"twilio": carrier}, clock=lambda: NOW))])
    request = Request("POST", "https://app.example/a b/twilio?x=%2F+\xff", FORM)

    async def scene(more):
        def written(scope, *rest):
            return app({**scope, **more}, *rest)

        return await conversation(written, request, [b""])

    anyio.run(scene, {"raw_path": b"/a%20b/twilio"})
    anyio.run(scene, {"raw_path": None})
    anyio.run(scene, {"query_string": b"", "raw_path": None})

    address = "https://app.example/a%20b/twilio"
    assert seen == [(f"{address}?x=%2F+\xff", NOW), (f"{address}?x=%2F+\xff", NOW), (address, NOW)]


@pytest.mark.parametrize(
    ("tracker", "carriers", "sentence"),
    [
        (None, {}, "tracker is None: give a Tracker or an AsyncTracker"),
        (..., {"a b": TWILIO.carrier}, "path is 'a b': give letters, digits, dashes and slashes, like \"twilio\""),
        (..., {"/a": TWILIO.carrier}, "path is '/a': give letters, digits, dashes and slashes, like \"twilio\""),
        (..., {"{a}": TWILIO.carrier}, "path is '{a}': give letters, digits, dashes and slashes, like \"twilio\""),
        (..., {"a": "twilio"}, "carriers['a'] is 'twilio': give a Carrier"),
    ],
)
def test_what_cannot_be_meant(tracker, carriers, sentence):
    """A wrong argument is one sentence, when the app is made and not at the first webhook."""
    with pytest.raises(InvalidValue) as caught:
        webhooks(tracking(TWILIO) if tracker is ... else tracker, carriers)

    assert str(caught.value) == sentence


def test_nothing_but_the_library_is_needed(monkeypatch):
    """No framework is needed, neither for `receive` nor for `webhooks`."""
    monkeypatch.setitem(sys.modules, "starlette", None)
    for name in ("campaignkit.web", "campaignkit.web.routes"):
        monkeypatch.delitem(sys.modules, name)
    web = importlib.import_module("campaignkit.web")

    assert web.receive is receive
    assert set(dir(web)) == {"Answer", "OnError", "log_error", "receive", "webhooks"}
    assert callable(web.webhooks(tracking(TWILIO), {}))


@pytest.mark.parametrize("root", ["", "/app", "/hooks"])
def test_a_server_that_says_where_it_is_mounted(root):
    """A path is found below where the app is mounted, whether the server's path begins with that or not."""
    app = webhooks(tracking(TWILIO), {"twilio": TWILIO.carrier}, clock=lambda: NOW)
    request = TWILIO.receipt()

    async def scene(path):
        scope = {"path": path, "root_path": root}
        sent = await conversation(lambda said, *rest: app({**said, **scope}, *rest), request, [request.body])
        return sent[0]["status"]

    assert anyio.run(scene, f"{root}/twilio") == anyio.run(scene, "/twilio") == 200
    assert anyio.run(scene, f"{root}x/twilio") == 404


def test_what_is_no_request():
    """A server may ask it to start and to end, which it does at once; a web socket is closed."""
    app, told = hooks(tracking(TWILIO)), []

    async def scene():
        asked = iter(["lifespan.startup", "lifespan.shutdown"])

        async def hear():
            return {"type": next(asked)}

        async def send(message):
            told.append(message["type"])

        await app({"type": "lifespan"}, hear, send)
        await app({"type": "websocket"}, hear, send)

    anyio.run(scene)

    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"]


# --- where it works ----------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_event_loop_waits_for_a_carrier(backend):
    """What is small is checked in the event loop; what is large, or of a carrier that waits for something, is not."""
    threads = []

    class Curious(type(TWILIO.carrier)):
        def events(self, request, *, now):  # noqa: ARG002 - as the port has it
            threads.append(threading.get_ident())
            return []

    class Waiting(Curious):
        waits = True

    carriers = {each.__name__: each(account_sid="AC0", auth_token="token") for each in (Curious, Waiting)}  # noqa: S106
    app = webhooks(tracking(TWILIO), carriers)

    def elsewhere(name, size):
        request = Request("POST", f"https://app.example/{name}", FORM)
        answer_to(app, request, [b"x" * size], backend=backend)
        return threads.pop() != threading.get_ident()

    assert not elsewhere("Curious", 16_384)
    assert elsewhere("Curious", 16_385)
    assert elsewhere("Waiting", 1)
    assert desk("aws").carrier.waits


def test_who_is_told_of_errors_may_take_its_time():
    """``on_error`` is called in a thread, whatever was wrong."""
    threads = set()
    app = hooks(tracking(TWILIO), on_error=lambda *_: threads.add(threading.get_ident()))
    bare = Request("POST", f"{HOOKS}/twilio", {**FORM, "Content-Length": "65537"})

    assert answer_to(app, bare)[0] == 413
    assert answer_to(app, attrs.evolve(bare, headers=FORM))[0] == 403
    assert threads
    assert threading.get_ident() not in threads


# --- a real server -----------------------------------------------------------------------------


@pytest.fixture
def served():
    """Return what starts a real server of an app; it returns its port."""
    running = []

    def start(app):
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        running.append((server, thread, listening))
        return listening.getsockname()[1]

    yield start
    for server, thread, listening in running:
        server.should_exit = True
        thread.join(30)
        listening.close()


def test_fifty_at_once(served, tmp_path):
    """A real server, a real database: fifty receipts at once are answered with 200, and all of them are there."""
    storage = SqlStorage(f"sqlite:///{tmp_path}/campaigns.db")
    tracker, dialect = Tracker(storage), TWILIO.dialect
    ids = [f"SM{i:032x}" for i in range(50)]
    tracker.record(
        Message(message_id=each, campaign_id=SPRING, status="sent", sent_at=NOW, carrier="twilio", carrier_id=each)
        for each in ids
    )
    port = served(hooks(tracker))
    about = Submitted(to="+12025550143", sender=US, text="Hi", callback=f"{HOOKS}/twilio")

    async def post(client, carrier_id, answers):
        request = dialect.receipt(about, carrier_id, "delivered", None, NOW)
        answer = await client.post(
            f"http://127.0.0.1:{port}/hooks/twilio", content=request.body, headers=dict(request.headers)
        )
        answers.append((answer.status_code, answer.content))

    async def scene():
        answers = []
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client, anyio.create_task_group() as group:
            for each in ids:
                group.start_soon(post, client, each, answers)
        return answers

    assert anyio.run(scene) == [(200, b"")] * 50
    assert tracker.summary(SPRING).counts.delivered == 50
    assert tracker.verify_counters() == []
    storage.close()


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"Content-Length: 5368709120\r\n\r\n", b"413"),
        (b"Transfer-Encoding: chunked\r\n\r\n" + (b"4000\r\n" + b"x" * 0x4000 + b"\r\n") * 4 + b"1\r\nx\r\n", b"413"),
        (b"Content-Length: 10\r\n\r\n12345", b"408"),
    ],
    ids=["5 GiB", "chunked", "slow"],
)
def test_t_b01_the_connection_closes(served, said, status):
    """T-B01: a real server closes the connection after 413 and 408, whatever else would have come."""
    port = served(hooks(tracking(TWILIO), timeout=0.1))
    head = b"POST /hooks/twilio HTTP/1.1\r\nHost: app.example\r\nContent-Type: text/plain\r\n"

    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(head + said)
        answer = b"".join(iter(lambda: client.recv(4096), b""))

    assert answer.startswith(b"HTTP/1.1 " + status)
    assert answer.endswith(b"\r\n\r\n")
    assert b"connection: close\r\n" in answer
