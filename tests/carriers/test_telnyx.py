"""Telnyx: what it is sent, what its answers mean, and which of its webhooks are believed."""

from __future__ import annotations

import base64
import datetime as dt
import json
import sys
from decimal import Decimal
from random import Random

import attrs
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from campaignkit import (
    Attempt,
    InvalidValue,
    Keyword,
    Message,
    MissingExtra,
    Outcome,
    Receipt,
    Reply,
    Status,
    WebhookRejected,
    fold,
)
from campaignkit.backends.carriers import Refusal, Request, Response, Telnyx
from campaignkit.testing import CarrierContract
from campaignkit.testing.dialects.base import Submitted, Why
from campaignkit.testing.dialects.telnyx import TelnyxDialect

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
HOOKS = "https://app.example/hooks"
SEED = bytes(range(32))
KEY = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
ID = "0f1e2d3c-4b5a-4968-a877-665544332211"
PROFILE = "11111111-2222-4333-a444-555555555555"
TELNYX = Telnyx(api_key="KEY0", public_key=KEY, webhook_url=HOOKS)
MESSAGE = Message(status="pending", to="+12025550143", sender="+12025550100", text="Spring sale: 20 % off")

MADE_HERE = {  # by the authors of this library: Telnyx publishes no example of a signature
    "timestamp": "1700000000",
    "body": b'{"data":{"event_type":"message.finalized","id":"4ee8c3a6-4995-4309-a3c6-38e3db9ea4be"}}',
    "signature": "hbbpeBDZCNvHPY0S2L5O8pbyLgs3zeEKViiVeel8fDpqIAbaRQOj7vYoq0sAAhx0dg80SGusUmeXkBebuGGQCA==",
}


def signed(body, *, at=NOW, seed=SEED, url=HOOKS):
    """Return a webhook with some bytes, signed as Telnyx does."""
    stamp = str(int(at.timestamp()))
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(f"{stamp}|".encode() + body)
    headers = {
        "Content-Type": "application/json",
        "Telnyx-Timestamp": stamp,
        "Telnyx-Signature-Ed25519": base64.b64encode(signature).decode(),
    }
    return Request("POST", url, headers, body)


def event(kind, message, **more):
    """Return the body of a webhook."""
    data = {"event_type": kind, "id": "e-1", "record_type": "event", "occurred_at": "2026-11-22T11:59:58.148+00:00"}
    return json.dumps({"data": {**data, "payload": message}, "meta": {"attempt": 1}, **more}).encode()


def message(status="delivered", **more):
    """Return a message as Telnyx reports it."""
    return {
        "id": ID,
        "record_type": "message",
        "direction": "outbound",
        "type": "SMS",
        "messaging_profile_id": PROFILE,
        "organization_id": "org-1",
        "from": {
            "carrier": "Telnyx",
            "line_type": "Wireless",
            "phone_number": "+12025550100",
            "status": "webhook_delivered",
        },
        "to": [{"carrier": "Example", "line_type": "Wireless", "phone_number": "+12025550143", "status": status}],
        "text": "Hello",
        "media": [],
        "parts": 2,
        "tags": ["tag-a"],
        "cost": {"amount": "0.0102", "currency": "USD"},
        "cost_breakdown": {"carrier_fee": {"amount": "0.0061", "currency": "USD"}},
        "errors": [],
        "webhook_url": f"{HOOKS}?attempt=a-1",
        **more,
    }


def inbound(**more):
    """Return a message to us as Telnyx reports it."""
    return {
        "id": ID,
        "record_type": "message",
        "direction": "inbound",
        "organization_id": "org-1",
        "from": {"carrier": "Example", "phone_number": "+12025550143"},
        "to": [{"carrier": "Telnyx", "phone_number": "+12025550100", "status": "webhook_delivered"}],
        "text": "Hello",
        "media": [],
        "received_at": "2026-11-22T11:59:50.503+00:00",
        **more,
    }


def events(body, *, carrier=TELNYX, url=HOOKS):
    """Return what a properly signed webhook reports."""
    return carrier.events(signed(body, url=url), now=NOW)


def reason_of(request, carrier=TELNYX, now=NOW):
    """Return why a webhook is rejected."""
    with pytest.raises(WebhookRejected) as caught:
        carrier.events(request, now=now)
    return caught.value.reason


class TestTelnyx(CarrierContract):
    """Telnyx keeps what every carrier promises."""

    dialect = TelnyxDialect(TELNYX)
    carrier = TELNYX
    now = NOW
    covers_address = False
    submitted = Submitted(to="+12025550143", sender="+12025550100", text="Hello", callback=f"{HOOKS}?attempt=a-1")
    receipt = dialect.receipt(submitted, ID, "delivered", None, NOW)
    reply = dialect.reply("+12025550143", "+12025550100", "Hello", ID, NOW)
    taken = dialect.taken(submitted, ID, NOW)
    refused = dialect.refused(Why.INVALID_NUMBER)


# --- signatures --------------------------------------------------------------------------------


def test_a_known_signature():
    """A signature made once and kept is accepted, and so nothing has changed about what is signed."""
    headers = {
        "Content-Type": "application/json",
        "telnyx-timestamp": MADE_HERE["timestamp"],
        "telnyx-signature-ed25519": MADE_HERE["signature"],
    }
    request = Request("POST", HOOKS, headers, MADE_HERE["body"])
    then = dt.datetime.fromtimestamp(1_700_000_000, dt.UTC)

    assert reason_of(request, now=then) == "malformed"  # believed, and then it names no message
    assert reason_of(request, now=NOW) == "timestamp"
    assert reason_of(attrs.evolve(request, body=MADE_HERE["body"] + b" "), now=then) == "signature"


def test_our_signatures_satisfy_telnyx_library():
    """What the simulator signs, Telnyx's own library verifies and reads."""
    from telnyx import Telnyx as Theirs

    now = dt.datetime.now(dt.UTC)  # their library asks the clock
    dialect = TelnyxDialect()
    theirs = Theirs(api_key="KEY0", public_key=dialect.carrier.public_key[0])
    submitted = Submitted(to="+12025550143", sender="+12025550100", text="é")
    receipt = dialect.receipt(submitted, ID, "delivery_failed", "40001", now)
    reply = dialect.reply("+12025550143", "+12025550100", "ça va ☺", ID, now)

    for request, kind in ((receipt, "message.finalized"), (reply, "message.received")):
        found = theirs.webhooks.unwrap(request.body.decode(), headers=dict(request.headers))
        assert (found.data.event_type, found.data.payload.id) == (kind, ID)


def test_what_telnyx_library_verifies_is_believed():
    """Where Telnyx's own library believes a request, so do we; where it does not, nor do we."""
    from telnyx import Telnyx as Theirs
    from telnyx.lib.webhooks_ed25519 import WebhookVerificationError, verify_ed25519

    now = dt.datetime.now(dt.UTC)
    genuine = signed(event("message.sent", message("sent")), at=now)
    forged = attrs.evolve(genuine, body=genuine.body.replace(b"sent", b"read"))
    theirs = Theirs(api_key="KEY0", public_key=KEY)

    verify_ed25519(theirs, genuine.body, dict(genuine.headers))
    assert len(TELNYX.events(genuine, now=now)) == 1
    with pytest.raises(WebhookVerificationError):
        verify_ed25519(theirs, forged.body, dict(forged.headers))
    assert reason_of(forged, now=now) == "signature"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("telnyx-signature-ed25519", ""),
        ("telnyx-signature-ed25519", "AAAA"),
        ("telnyx-signature-ed25519", "é" * 88),
        ("telnyx-signature-ed25519", base64.b64encode(bytes(64)).decode()),
        ("telnyx-timestamp", ""),
        ("telnyx-timestamp", "1795348801"),
        ("telnyx-timestamp", "é"),
        ("telnyx-timestamp", "\udc80"),
    ],
)
def test_signature_and_time_belong_together(name, value):
    """A signature that is none, and another time than the signed one, are rejected."""
    genuine = signed(event("message.sent", message("sent")))

    assert reason_of(attrs.evolve(genuine, headers={**genuine.headers, name: value})) == "signature"


@pytest.mark.parametrize(("seconds", "believed"), [(300, True), (-300, True), (301, False), (-301, False)])
def test_the_signed_time(seconds, believed):
    """A signed time may lie 300 seconds from ours, either way."""
    request = signed(event("message.sent", message("sent")), at=NOW - dt.timedelta(seconds=seconds))

    if believed:
        assert len(TELNYX.events(request, now=NOW)) == 1
    else:
        assert reason_of(request) == "timestamp"


def test_a_new_key_beside_the_old():
    """While a key is replaced both verify."""
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    new = base64.b64encode(other.public_key().public_bytes_raw()).decode()
    both = Telnyx(api_key=["new", "old"], public_key=[new, KEY])
    body = event("message.sent", message("sent"))

    for seed in (SEED, bytes(32)):
        assert len(both.events(signed(body, seed=seed), now=NOW)) == 1
    assert reason_of(signed(body, seed=bytes(32))) == "signature"
    assert both.encode(MESSAGE, Attempt()).headers["authorization"] == "Bearer new"


@pytest.mark.parametrize(
    "key", ["", "secret", KEY[:-4], KEY.rstrip("="), f"{KEY}{KEY}", [KEY, "AAAA"], base64.b64encode(SEED * 2).decode()]
)
def test_a_key_that_is_none(key):
    """A key that could verify nothing is refused when the carrier is made."""
    with pytest.raises(InvalidValue, match=r"^public_key .* copy it from"):
        Telnyx(api_key="KEY0", public_key=key)


def test_the_package_is_missing(monkeypatch):
    """Without cryptography the carrier cannot be made, so that no webhook finds out."""
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)

    with pytest.raises(MissingExtra, match=r'needs cryptography: pip install "campaignkit\[signatures\]"'):
        Telnyx(api_key="KEY0", public_key=KEY)


# --- what arrives ------------------------------------------------------------------------------


def test_a_delivered_receipt():
    """A receipt has word, id, price, parts and time, and the attempt id that came back in the signed body."""
    [receipt] = events(event("message.finalized", message()), url=f"{HOOKS}?attempt=forged")

    assert receipt == Receipt(
        status="delivered",
        carrier="telnyx",
        carrier_id=ID,
        attempt_id="a-1",
        at=dt.datetime(2026, 11, 22, 11, 59, 58, 148_000, tzinfo=dt.UTC),
        received_at=NOW,
        segments=2,
        price=Decimal("0.0102"),
        currency="USD",
    )
    assert receipt.raw["data"]["payload"]["text"] == "Hello"


def test_a_failed_receipt_counts_by_its_code():
    """Error codes arrive as Telnyx writes them, and fold knows them."""
    errors = [
        {"code": "40001", "title": "Not routable", "detail": "a landline"},
        {"code": "40008", "title": "Undeliverable"},
    ]
    [receipt] = events(event("message.finalized", message("delivery_failed", errors=errors)))

    state = fold([receipt])

    assert (state.status, state.error_code) == (Status.UNDELIVERED, "40001")


@pytest.mark.parametrize(
    ("word", "code", "status"),
    [
        ("teleported", None, Status.PENDING),
        ("delivery_failed", "49999", Status.UNDELIVERED),
        ("delivery_unconfirmed", None, Status.UNCONFIRMED),
    ],
)
def test_unknown_words_and_codes_are_kept(word, code, status):
    """A word or a code that is in no table is a receipt all the same."""
    errors = [{"code": code}] if code else []
    [receipt] = events(event("message.finalized", message(word, errors=errors)))

    assert (receipt.status, receipt.error_code) == (word, code)
    assert fold([receipt]).status is status


@pytest.mark.parametrize(
    ("more", "price", "currency", "segments"),
    [
        ({"cost": None}, None, None, 2),
        ({"cost": {"amount": "0.0051"}}, None, None, 2),
        ({"cost": {"amount": None, "currency": "USD"}}, None, None, 2),
        ({"cost": {"amount": "free", "currency": "USD"}}, None, None, 2),
        ({"cost": {"amount": 0.0051, "currency": "USD"}}, Decimal("0.0051"), "USD", 2),
        ({"cost": {"amount": "0.0051", "currency": "USD"}, "parts": 0}, Decimal("0.0051"), "USD", None),
        ({"cost": {"amount": "0.0051", "currency": "USD"}, "parts": "many"}, Decimal("0.0051"), "USD", None),
    ],
)
def test_price_and_parts(more, price, currency, segments):
    """A price counts only with its currency, and odd parts are left out."""
    [receipt] = events(event("message.finalized", message(**more)))

    assert (receipt.price, receipt.currency, receipt.segments) == (price, currency, segments)


@pytest.mark.parametrize(
    ("url", "meta", "found"),
    [
        (f"{HOOKS}?a=b&attempt=a-1", None, "a-1"),
        (None, f"{HOOKS}?attempt=a-2", "a-2"),
        (HOOKS, f"{HOOKS}?attempt=a-2#x", "a-2"),
        ("https://[", f"{HOOKS}?{'a&' * 2000}", None),
        (f"{HOOKS}?attempt=é", f"{HOOKS}?attempt=not%20ours", None),
        (5, 5, None),
    ],
)
def test_the_attempt_id_is_read_in_the_body(url, meta, found):
    """The attempt id is believed where the signature covers it, and an odd address costs no receipt."""
    body = event("message.sent", message("sent", webhook_url=url), meta={"delivered_to": meta})

    [receipt] = events(body, url=f"{HOOKS}?attempt=forged")

    assert receipt.attempt_id == found


@pytest.mark.parametrize("when", [None, "2026-11-22", "soon", "2027-11-22T11:59:58+00:00"])
def test_an_odd_time_is_left_out(when):
    """A time without a zone, in words, or ahead of ours is not believed."""
    body = json.loads(event("message.sent", message("sent")))
    body["data"]["occurred_at"] = when

    [receipt] = events(json.dumps(body).encode())

    assert receipt.at is None


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("call.initiated", {"id": ID}),
        ("message.finalized", inbound()),
        ("message.finalized", message(to=[{"status": "delivered"}, {"status": "sent"}])),
        ("", None),
        (None, "text"),
        (7, []),
    ],
)
def test_what_is_about_no_message_of_ours(kind, payload):
    """Calls, receipts about replies, and messages to groups are genuine and say nothing."""
    assert events(event(kind, payload)) == []


def test_a_reply():
    """A reply says who wrote what to whom and when, and what it asks for."""
    stop = events(event("message.received", inbound(text="stop")))

    assert stop == [
        Reply(
            received_at=dt.datetime(2026, 11, 22, 11, 59, 50, 503_000, tzinfo=dt.UTC),
            dated=True,
            reply_id=ID,
            to="+12025550143",
            sender="+12025550100",
            account_id="org-1",
            text="stop",
            keyword=Keyword.OPT_OUT,
            carrier="telnyx",
        )
    ]


def test_a_reply_with_pictures():
    """The addresses of what came with it are kept; without a time it came now."""
    media = [{"url": "https://media.example/1", "content_type": "image/png"}, {"url": None}, "odd"]

    [reply] = events(event("message.received", inbound(text=None, media=media, received_at=None, to=[])))

    assert (reply.media, reply.text, reply.received_at) == (("https://media.example/1",), "", NOW)
    assert reply.sender is None


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("message.finalized", message(id=None)),
        ("message.finalized", message(id=" ")),
        ("message.finalized", message(None)),
        ("message.finalized", message(to=None)),
        ("message.received", inbound(id=None)),
        ("message.received", inbound(**{"from": {}})),
    ],
)
def test_what_must_be_there(kind, payload):
    """A receipt without its message, and a reply without its writer, are malformed."""
    assert reason_of(signed(event(kind, payload))) == "malformed"


# --- sending -----------------------------------------------------------------------------------


def test_a_message_is_handed_over():
    """Method, address, credentials, type and every field are those of Telnyx's description."""
    request = TELNYX.encode(MESSAGE, Attempt(attempt_id="a-1"))

    assert (request.method, request.url) == ("POST", "https://api.telnyx.com/v2/messages")
    assert dict(request.headers) == {
        "authorization": "Bearer KEY0",
        "content-type": "application/json",
        "accept": "application/json",
        "idempotency-key": "a-1",
    }
    assert request.body == (
        b'{"from":"+12025550100","to":"+12025550143","text":"Spring sale: 20 % off",'
        b'"webhook_url":"https://app.example/hooks?attempt=a-1"}'
    )


def test_without_an_attempt_id_there_is_no_key():
    """No attempt id, no key: two messages must never share one."""
    request = Telnyx(api_key="KEY0", public_key=KEY).encode(MESSAGE, Attempt())

    assert "idempotency-key" not in request.headers
    assert "webhook_url" not in json.loads(request.body)


def test_a_profile_and_pictures():
    """A messaging profile and media take their own fields, and a name may be the sender then."""
    carrier = Telnyx(api_key="KEY0", public_key=KEY, messaging_profile_id=PROFILE)
    picture = Message(status="pending", to="+12025550143", sender="ACME", media=["https://a.example/é.jpg"])

    assert json.loads(carrier.encode(picture, Attempt()).body) == {
        "from": "ACME",
        "to": "+12025550143",
        "media_urls": ["https://a.example/é.jpg"],
        "messaging_profile_id": PROFILE,
    }


def test_the_pool_of_numbers():
    """Without a sender the profile's pool chooses one."""
    carrier = Telnyx(api_key="KEY0", public_key=KEY, messaging_profile_id=PROFILE)
    request = carrier.encode(attrs.evolve(MESSAGE, sender=None), Attempt())

    assert json.loads(request.body) == {
        "to": "+12025550143",
        "text": "Spring sale: 20 % off",
        "messaging_profile_id": PROFILE,
    }


@pytest.mark.parametrize("profile", ["", "a b", "a\n", 5])
def test_a_profile_that_is_none(profile):
    """An id that cannot be one is refused when the carrier is made."""
    with pytest.raises(InvalidValue, match=r"^messaging_profile_id is .* copy it from the portal$"):
        Telnyx(api_key="KEY0", public_key=KEY, messaging_profile_id=profile)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"sender": None}, "sender is None: telnyx needs a number"),
        ({"sender": "ACME"}, "sender is 'ACME': telnyx sends from a name only with a messaging profile"),
        ({"text": None}, "text is None: there is nothing to send"),
        ({"text": "a" * 1601}, "text has 1,601 characters: telnyx takes 1,600; shorten it"),
        ({"media": ["https://a.example/1"] * 11}, "media is 11 files: telnyx takes 10; send fewer"),
    ],
)
def test_what_cannot_be_sent(more, sentence):
    """What breaks a limit is refused before it is sent, in one sentence."""
    with pytest.raises(InvalidValue) as caught:
        TELNYX.encode(attrs.evolve(MESSAGE, **more), Attempt())

    assert str(caught.value).startswith(sentence)


def test_a_long_text_with_a_picture():
    """With media a text may be longer."""
    long = attrs.evolve(MESSAGE, text="a" * 1601, media=["https://a.example/1"])

    assert json.loads(TELNYX.encode(long, Attempt()).body)["text"] == "a" * 1601


def error(code, title="Title", detail=None):
    """Return an error of the API."""
    return {"errors": [{"code": code, "title": title, "detail": detail, "source": {"pointer": "/to"}}]}


@pytest.mark.parametrize(
    ("status", "answer", "outcome", "refusal", "code"),
    [
        (200, {"data": {"id": ID, "parts": 1}}, Outcome.TAKEN, None, None),
        (200, {"data": {"parts": 1}}, Outcome.UNKNOWN, None, None),
        (200, {"data": []}, Outcome.UNKNOWN, None, None),
        (400, error("40310"), Outcome.REFUSED, Refusal.FINAL, "40310"),
        (400, error("40300"), Outcome.REFUSED, Refusal.FINAL, "40300"),
        (400, error("10002"), Outcome.REFUSED, Refusal.FINAL, "10002"),
        (400, error(10015), Outcome.REFUSED, Refusal.FINAL, "10015"),
        (400, error("40318"), Outcome.REFUSED, Refusal.TEMPORARY, "40318"),
        (400, error("40333"), Outcome.REFUSED, Refusal.ACCOUNT, "40333"),
        (401, error("10009"), Outcome.REFUSED, Refusal.ACCOUNT, "10009"),
        (403, error("10010"), Outcome.REFUSED, Refusal.ACCOUNT, "10010"),
        (422, error("10027", "Unprocessable"), Outcome.REFUSED, Refusal.FINAL, "10027"),
        (422, error("10027", "Used", "Idempotency-Key with another body"), Outcome.UNKNOWN, None, "10027"),
        (409, error("10012", "In progress"), Outcome.UNKNOWN, None, "10012"),
        (429, error("10011"), Outcome.REFUSED, Refusal.TEMPORARY, "10011"),
        (404, {"errors": []}, Outcome.UNKNOWN, None, None),
        (404, {"errors": "from a proxy"}, Outcome.UNKNOWN, None, None),
        (408, error("10008"), Outcome.UNKNOWN, None, "10008"),
        (500, error("10007"), Outcome.UNKNOWN, None, "10007"),
        (503, error("10007"), Outcome.UNKNOWN, None, "10007"),
    ],
)
def test_what_an_answer_means(status, answer, outcome, refusal, code):
    """Each kind of answer is in its class; what is said about the key says nothing about the message."""
    found = TELNYX.decode(Response(status, {}, json.dumps(answer).encode()))

    assert (found.outcome, found.refusal, found.error_code) == (outcome, refusal, code)


@pytest.mark.parametrize(
    ("cost", "price", "currency"),
    [
        (None, None, None),
        ({"amount": "0.0051", "currency": "USD"}, Decimal("0.0051"), "USD"),
        ({"amount": "0.0051", "currency": None}, None, None),
        ({"amount": None, "currency": "USD"}, None, None),
    ],
)
def test_a_message_was_taken(cost, price, currency):
    """The answer has the id, the parts and, where it is known, the price."""
    answer = {"data": {"id": ID, "parts": 2, "cost": cost, "to": [{"status": "queued"}]}}

    found = TELNYX.decode(Response(200, {}, json.dumps(answer).encode()))

    assert (found.carrier_id, found.segments, found.price, found.currency) == (ID, 2, price, currency)


def test_the_words_of_an_error_are_kept():
    """Title and detail of an error stay with the answer."""
    found = TELNYX.decode(Response(400, {}, json.dumps(error("40310", "Invalid", "no number")).encode()))

    assert found.detail == "Invalid: no number"


# --- the simulator -----------------------------------------------------------------------------


@pytest.mark.parametrize(("sender", "media"), [("+12025550100", ()), ("ACME", ("https://a.example/1",)), (None, ())])
def test_the_simulator_reads_what_is_sent(sender, media):
    """What `encode` writes, the simulator reads as it was meant."""
    carrier = Telnyx(api_key="KEY0", public_key=KEY, messaging_profile_id=PROFILE, webhook_url=HOOKS)
    sent = attrs.evolve(MESSAGE, sender=sender, media=media)

    assert TelnyxDialect(carrier).read(carrier.encode(sent, Attempt(attempt_id="a-1"))) == Submitted(
        to="+12025550143",
        sender=sender,
        text="Spring sale: 20 % off",
        media=media,
        attempt_id="a-1",
        callback=f"{HOOKS}?attempt=a-1",
    )


def test_the_simulator_finds_the_attempt_in_the_key():
    """Without an address for receipts the key alone names the attempt."""
    dialect = TelnyxDialect()

    assert dialect.read(dialect.carrier.encode(MESSAGE, Attempt(attempt_id="a-1"))).attempt_id == "a-1"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"method": "PUT"}, "POST /v2/messages"),
        ({"url": "https://api.telnyx.com/v1/messages"}, "POST /v2/messages"),
        ({"content-type": "text/plain"}, "JSON"),
        ({"idempotency-key": "a b"}, "Idempotency-Key has"),
        ({"body": b'{"from":"+12025550100","to":"12025550143","text":"a"}'}, "E.164"),
        ({"body": b'{"to":"+12025550143","text":"a"}'}, "from or messaging_profile_id"),
        ({"body": b'{"from":"+12025550100","to":"+12025550143"}'}, "text is required"),
        ({"body": b'{"from":"+12025550100","to":"+12025550143","media_urls":"a"}'}, "media_urls are"),
        ({"body": b'{"from":"+12025550100","to":"+12025550143","media_urls":[1]}'}, "media_urls are"),
    ],
)
def test_the_simulator_is_strict(change, sentence):
    """What Telnyx would not take, the simulator does not take either."""
    request = TELNYX.encode(MESSAGE, Attempt(attempt_id="a-1"))
    headers = {**request.headers, **{name: value for name, value in change.items() if name in request.headers}}
    more = {name: value for name, value in change.items() if name in {"method", "url", "body"}}

    with pytest.raises(InvalidValue, match=sentence):
        TelnyxDialect(TELNYX).read(attrs.evolve(request, headers=headers, **more))
    with pytest.raises(PermissionError):
        TelnyxDialect().read(request)


def test_the_simulator_cannot_sign_for_telnyx():
    """A host's own public key is Telnyx's: the simulator says that it cannot sign for it."""
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()

    with pytest.raises(InvalidValue, match=r"public_key is Telnyx's own: only Telnyx can sign for it; give"):
        TelnyxDialect(Telnyx(api_key="KEY0", public_key=base64.b64encode(other).decode()))


def test_the_simulator_speaks_of_each_status_and_failure():
    """Every word and failure that the simulator reports comes back as it was meant; ids are UUIDs."""
    dialect = TelnyxDialect()
    submitted = Submitted(to="+12025550143", sender="+12025550100", text="Hello")
    carrier_id = dialect.new_id(Random(1))  # noqa: S311 - seeded, and no secret

    for status, word in dialect.words.items():
        [receipt] = dialect.carrier.events(dialect.receipt(submitted, carrier_id, word, None, NOW), now=NOW)
        assert fold([receipt]).status is status
    for word, code in dialect.failures:
        [receipt] = dialect.carrier.events(dialect.receipt(submitted, carrier_id, word, code, NOW), now=NOW)
        assert (receipt.status, receipt.error_code, receipt.carrier_id) == (word, code, carrier_id)
        assert fold([receipt]).unknown_words == set()
    assert [len(part) for part in carrier_id.split("-")] == [8, 4, 4, 4, 12]
    for why in Why:
        assert dialect.carrier.decode(dialect.refused(why)).outcome is Outcome.REFUSED
