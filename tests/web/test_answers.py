"""What a carrier's request is answered with, through `receive` and through the ASGI app alike.

The names T-W.. and T-B.. are those of the list of threats that the library is held to.
"""

from __future__ import annotations

import base64
import datetime as dt
import logging

import attrs
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from posting import ANA, HOOKS, NOW, SPRING, Broken, desk, forged, through_asgi, through_receive, tracking

from campaignkit.backends.carriers import Request, Telnyx
from campaignkit.backends.storage.tables import REPLIES
from campaignkit.errors import StorageUnavailable, UnsupportedSchema, WebhookRejected
from campaignkit.models import Keyword
from campaignkit.testing import DIALECTS

FORM = "application/x-www-form-urlencoded"
SEED = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TELNYX = Telnyx(api_key="key", public_key=base64.b64encode(SEED.public_key().public_bytes_raw()).decode())


@pytest.fixture(params=[through_receive, through_asgi], ids=["receive", "asgi"])
def answered(request):
    """Return a way to hand a request in."""
    return request.param


def from_telnyx(body):
    """Return a webhook of Telnyx with any body, properly signed."""
    stamp = str(int(NOW.timestamp()))
    signature = base64.b64encode(SEED.sign(stamp.encode() + b"|" + body)).decode()
    headers = {"telnyx-timestamp": stamp, "telnyx-signature-ed25519": signature, "Content-Type": "application/json"}
    return Request("POST", f"{HOOKS}/telnyx", headers, body)


def kept(tracker):
    """Return how a tracker stands."""
    with tracker._storage.reading("default") as tx:
        replies = tx.scan(REPLIES)
    return tracker.summary(SPRING).counts.delivered, len(replies), tracker.notes(), tracker.version(SPRING)


# --- 200 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DIALECTS)
def test_what_every_carrier_posts_is_kept(answered, name):
    """Of every carrier a genuine receipt and a genuine reply are answered with 200, and are in the storage by then."""
    at = desk(name)
    tracker = tracking(at)

    assert answered(tracker, at.carrier, at.receipt()) == answered(tracker, at.carrier, at.reply())
    assert answered(tracker, at.carrier, at.receipt()).status == 200
    assert tracker.summary(SPRING).counts.delivered == 1
    with tracker._storage.reading("default") as tx:
        (reply,) = tx.scan(REPLIES)
    assert (reply["message_id"], reply["to"], reply["keyword"]) == ("m1", ANA, Keyword.OPT_OUT)


def test_nothing_to_keep_is_kept_too(answered):
    """A duplicate, an orphan, a word nobody knows (T-B14), and what is about a reply (T-B16) are answered with 200."""
    at = desk("twilio")
    tracker = tracking(at)
    orphan = attrs.evolve(at, carrier_id="SM" + "9" * 32)

    for request in (at.receipt(), at.receipt(), orphan.receipt(), at.receipt("teleported"), at.receipt("received")):
        assert answered(tracker, at.carrier, request).status == 200
    notes = tracker.notes()
    assert (notes["duplicate", "twilio"], notes["waiting", ""], notes["unknown_status", "twilio"]) == (1, 1, 1)


def test_t_w10_a_replay_changes_nothing(answered):
    """T-W10: the same receipt 400 days later is answered with 200, and counts as a duplicate."""
    at = desk("twilio")
    tracker = tracking(at)
    answered(tracker, at.carrier, at.receipt())
    before = tracker.summary(SPRING)

    assert answered(tracker, at.carrier, at.receipt()).status == 200
    assert tracker.summary(SPRING) == before
    assert tracker.notes()["duplicate", "twilio"] == 1


# --- refused -----------------------------------------------------------------------------------

TWILIO, VONAGE = desk("twilio"), desk("vonage")
GENUINE = TWILIO.receipt()


def refused():
    """Yield what is refused: a name, the desk's carrier, the request, status, reason."""
    bare = Request("POST", GENUINE.url, {"Content-Type": FORM}, GENUINE.body)
    yield "T-W01 no signature", TWILIO.carrier, bare, 403, "signature"
    yield "T-W03 one byte changed", TWILIO.carrier, forged(GENUINE), 403, "signature"
    for name in DIALECTS:
        at = desk(name)
        other = forged(at.receipt())
        if name in {"infobip", "smpp"}:  # whose proof is a password
            other = attrs.evolve(other, headers={**other.headers, "authorization": "no"})
        yield f"T-W03 {name}", at.carrier, other, 403, "signature"
    late = VONAGE.receipt(now=NOW - dt.timedelta(seconds=301))
    yield "T-W08 too old", VONAGE.carrier, late, 403, "timestamp"
    early = VONAGE.receipt(now=NOW + dt.timedelta(seconds=301))
    yield "T-W08 too new", VONAGE.carrier, early, 403, "timestamp"
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "PATCH"):
        yield f"T-W20 {method}", TWILIO.carrier, attrs.evolve(GENUINE, method=method), 405, "method"
    for kind in ("text/plain", "multipart/form-data; boundary=x", f"{FORM}; charset=utf-7", "application/xml"):
        other = attrs.evolve(GENUINE, headers={**GENUINE.headers, "content-type": kind})
        yield f"T-W20 {kind}", TWILIO.carrier, other, 415, "content_type"
    large = attrs.evolve(GENUINE, body=GENUINE.body + b"&" * 65_536)
    yield "T-B01 large", TWILIO.carrier, large, 413, "size"
    yield "T-B03 deep", TELNYX, from_telnyx(b"[" * 30_000 + b"]" * 30_000), 400, "malformed"
    yield "T-B05 a name twice", TELNYX, from_telnyx(b'{"data":{},"data":{}}'), 400, "malformed"
    yield "T-B06 no number", TELNYX, from_telnyx(b'{"price":NaN}'), 400, "malformed"
    yield "half of it", TELNYX, from_telnyx(b'{"data":'), 400, "malformed"
    yield "half of it, not signed", TELNYX, forged(from_telnyx(b'{"data":')), 403, "signature"
    yield "bytes that are no address", TWILIO.carrier, attrs.evolve(bare, url=f"{HOOKS}/x?\xff\xfe"), 403, "signature"


REFUSED = {name: case for name, *case in refused()}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(answered, name):
    """What is not the carrier's is answered with exactly its status, an empty body, and nothing is even begun."""
    carrier, request, status, reason = REFUSED[name]
    storage, told = Broken(), []
    tracker = tracking(TWILIO, storage)
    begun = storage.begun

    answer = answered(tracker, carrier, request, on_error=lambda error, of: told.append((error, of)))

    answer.headers.pop("connection", None)
    allowed = {"allow": ", ".join(sorted(carrier.methods))} if status == 405 else {}
    assert (answer.status, answer.headers, answer.body) == (status, allowed, b"")
    assert storage.begun == begun
    [(error, of)] = told
    assert (type(error), error.reason, of) == (WebhookRejected, reason, carrier)


def test_what_cannot_be_checked_now_comes_again(answered):
    """A certificate that cannot be fetched is answered with 503 and Retry-After."""
    at = desk("aws")

    def unreachable(url):
        raise OSError(url)

    carrier = attrs.evolve(at.carrier, certificate=unreachable)
    answer = answered(tracking(at), carrier, at.receipt())

    answer.headers.pop("connection", None)
    assert (answer.status, answer.headers, answer.body) == (503, {"retry-after": "30"}, b"")


# --- 503 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        StorageUnavailable("the disk is full"),
        StorageUnavailable("the line broke while it was committed", in_doubt=True),
        UnsupportedSchema("the tables are of version 9"),
        TimeoutError(),
        RuntimeError("+12025550143 wrote something"),
        RecursionError(),
        MemoryError(),
    ],
    ids=lambda error: f"{type(error).__name__} {getattr(error, 'in_doubt', '')}",
)
def test_what_could_not_be_kept_comes_again(answered, error):
    """Whatever fails, the answer is 503 with Retry-After, nothing is kept, and the next try is."""
    storage, told = Broken(), []
    tracker = tracking(TWILIO, storage)
    before = kept(tracker)

    storage.error = error
    answer = answered(tracker, TWILIO.carrier, GENUINE, on_error=lambda error, of: told.append((error, of)))
    storage.error = None

    assert (answer.status, answer.headers, answer.body) == (503, {"retry-after": "30"}, b"")
    assert [(type(each), str(each), of) for each, of in told] == [(type(error), str(error), TWILIO.carrier)]
    assert kept(tracker) == before
    assert answered(tracker, TWILIO.carrier, GENUINE).status == 200
    assert tracker.summary(SPRING).counts.delivered == 1


def test_who_listens_does_not_change_the_answer(answered, caplog):
    """An error in ``on_error`` is logged, and the answer is as it would have been."""

    def broken(*_):
        raise ZeroDivisionError

    answer = answered(tracking(TWILIO), TWILIO.carrier, forged(GENUINE), on_error=broken)

    assert answer.status == 403
    assert "ZeroDivisionError" in caplog.text


def test_the_log_says_why_and_nothing_else(answered, caplog):
    """Without ``on_error`` each refusal is a line in the log: no number, text or secret, of an error only its place."""
    storage = Broken()
    tracker = tracking(TWILIO, storage)
    request = TWILIO.reply("very private")

    answered(tracker, TWILIO.carrier, forged(request))
    storage.error = StorageUnavailable("the disk is full")
    answered(tracker, TWILIO.carrier, request)
    storage.error = RuntimeError("+12025550143 wrote very private to not-a-secret")
    answered(tracker, TWILIO.carrier, request)

    assert [each.levelno for each in caplog.records] == [logging.WARNING, logging.ERROR, logging.ERROR]
    assert {each.name for each in caplog.records} == {"campaignkit.web"}
    forged_, full, failed = (each.getMessage() for each in caplog.records)
    assert forged_ == "twilio webhook rejected (signature): X-Twilio-Signature does not match address and fields"
    assert full == "twilio webhook answered with 503: the disk is full"
    assert failed.startswith("twilio webhook answered with 503: RuntimeError\n")
    assert "in ingest\n" in failed
    for secret in ("+1202", "very private to", "not-a-secret", "very+private"):
        assert secret not in caplog.text
