"""MessageBird: what it is sent, what its answers mean, and which of its webhooks are believed."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import sys
import time
from decimal import Decimal
from pathlib import Path
from random import Random
from urllib.parse import urlencode

import attrs
import jwt
import pytest
from messagebird.error import ValidationError
from messagebird.request_validator import RequestValidator

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
    classify,
    fold,
)
from campaignkit.backends.carriers import MessageBird, Refusal, Request, Response
from campaignkit.testing import CarrierContract
from campaignkit.testing.dialects.base import Submitted, Why
from campaignkit.testing.dialects.messagebird import MessageBirdDialect

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
STAMP = int(NOW.timestamp())
FORM = "application/x-www-form-urlencoded"
HOOKS = "https://app.example/hooks"
SECRET = "made-up-" * 8
ID = "0123456789abcdef0123456789abcdef"
BIRD = MessageBird(access_key="KEY0", signing_key=SECRET, webhook_url=HOOKS)
OLD = MessageBird(access_key="KEY0", signing_key=SECRET, webhook_url=HOOKS, legacy_signature=True)
MESSAGE = Message(status="pending", to="+12025550143", sender="+12025550100", text="Spring sale: 20 % off")
PUBLISHED = json.loads(Path(__file__).with_name("messagebird_signatures.json").read_text(encoding="utf-8"))


def sha(content):
    """Return a hash as the token has it."""
    return hashlib.sha256(content).hexdigest()


def claims(url, body=b"", **more):
    """Return what a token says; what is None is left out."""
    said = {"iss": "MessageBird", "nbf": STAMP, "exp": STAMP + 60, "jti": "1", "url_hash": sha(url.encode())}
    if body:
        said["payload_hash"] = sha(body)
    return {name: value for name, value in {**said, **more}.items() if value is not None}


def called(method, url, body=b"", *, key=SECRET, alg="HS256", kind=FORM, **more):
    """Return a webhook, signed by the library that MessageBird's own uses."""
    token = jwt.encode(claims(url, body, **more), key, alg)
    headers = {"Content-Type": kind} if body else {}
    return Request(method, url, {**headers, "MessageBird-Signature-JWT": token}, body)


def report(status="delivered", **more):
    """Return a status report."""
    fields = {
        "datacoding": "plain",
        "id": ID,
        "mccmnc": "310010",
        "messageLength": "4",
        "messagePartCount": "1",
        "ported": "0",
        "price[amount]": "0.050",
        "price[currency]": "EUR",
        "recipient": "12025550143",
        "reference": "a-1",
        "statusDatetime": "2026-11-22T11:57:12+00:00",
        "status": status,
        **more,
    }
    said = {name: value for name, value in fields.items() if value is not None}
    return called("GET", f"{HOOKS}?{urlencode(said)}")


def wrote(form):
    """Return a form about what a person wrote."""
    pairs = list(form.items()) if isinstance(form, dict) else form
    return called("POST", HOOKS, urlencode(pairs).encode())


def reason_of(request, carrier=BIRD, now=NOW):
    """Return why a webhook is rejected."""
    with pytest.raises(WebhookRejected) as caught:
        carrier.events(request, now=now)
    return caught.value.reason


class TestMessageBird(CarrierContract):
    """MessageBird keeps what every carrier promises."""

    dialect = MessageBirdDialect(BIRD)
    carrier = BIRD
    now = NOW
    submitted = Submitted(to="+12025550143", sender="+12025550100", text="Hello", attempt_id="a-1", callback=HOOKS)
    receipt = dialect.receipt(submitted, ID, "delivered", None, NOW)
    reply = dialect.reply("+12025550143", "+12025550100", "Hello", ID, NOW)
    taken = dialect.taken(submitted, ID, NOW)
    refused = dialect.refused(Why.INVALID_NUMBER)


class TestLegacyMessageBird(TestMessageBird):
    """With the older signature it keeps the same promises."""

    carrier = OLD
    receipt = attrs.evolve(
        TestMessageBird.receipt,
        headers={
            "MessageBird-Request-Timestamp": str(STAMP),
            "MessageBird-Signature": base64.b64encode(
                hmac.digest(
                    SECRET.encode(),
                    b"\n".join(
                        (
                            str(STAMP).encode(),
                            "&".join(sorted(TestMessageBird.receipt.url.partition("?")[2].split("&"))).encode(),
                            hashlib.sha256(b"").digest(),
                        )
                    ),
                    "sha256",
                )
            ).decode(),
        },
    )


# --- signatures: the token ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "case"),
    [
        pytest.param(method, case, id=f"{case['name']} {method}")
        for case in PUBLISHED["cases"]
        for method in case["methods"]
    ],
)
def test_published_tokens(method, case):
    """Each of MessageBird's 44 published tokens is believed or rejected as they say."""
    carrier = MessageBird(access_key="KEY0", signing_key=PUBLISHED["secret"])
    headers = {"MessageBird-Signature-JWT": case["token"]}
    request = Request(method, case["url"], headers, case.get("payload", "").encode())
    now = dt.datetime.fromisoformat(PUBLISHED["time"])

    if case["reason"] is None:
        carrier._verify(request, now)
    else:
        with pytest.raises(WebhookRejected) as caught:
            carrier._verify(request, now)
        assert caught.value.reason == case["reason"]


def test_all_published_tokens_are_here():
    """There are 44 of them."""
    assert sum(len(case["methods"]) for case in PUBLISHED["cases"]) == 44


def test_our_tokens_satisfy_messagebirds_library():
    """What the simulator signs, MessageBird's own validator accepts."""
    now = dt.datetime.now(dt.UTC)  # their validator asks the clock
    dialect = MessageBirdDialect()
    validator = RequestValidator(dialect.carrier.signing_key[0])
    submitted = Submitted(to="+12025550143", sender="ACME", text="é", callback=f"{HOOKS}?a=b")

    for request in (
        dialect.receipt(submitted, ID, "delivered", None, now),
        dialect.reply("+12025550143", "+12025550100", "ça va ☺", ID, now),
    ):
        token = request.headers["messagebird-signature-jwt"]
        assert validator.validate_signature(token, request.url, request.body)["iss"] == "MessageBird"


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"nbf": int(time.time()) + 100_000},
        {"exp": int(time.time()) - 100_000},
        {"iss": "Somebody"},
        {"iss": None},
        {"nbf": None},
        {"exp": None},
        {"url_hash": sha(b"https://evil.example/")},
        {"payload_hash": sha(b"")},
        {"payload_hash": None},
    ],
)
def test_we_believe_what_messagebirds_library_believes(more):
    """Where MessageBird's own validator believes a request, so do we; where it does not, nor do we."""
    now = dt.datetime.now(dt.UTC)
    stamp = int(now.timestamp())
    body = urlencode({"originator": "12025550143", "id": ID, "body": "Hello"}).encode()
    request = called("POST", HOOKS, body, **{"nbf": stamp, "exp": stamp + 60, **more})
    validator = RequestValidator(SECRET)

    try:
        validator.validate_signature(request.headers["messagebird-signature-jwt"], request.url, request.body)
    except ValidationError:
        with pytest.raises(WebhookRejected):
            BIRD.events(request, now=now)
    else:
        assert len(BIRD.events(request, now=now)) == 1


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_algorithms(alg):
    """The three algorithms that MessageBird names are believed."""
    url = f"{HOOKS}?id={ID}&status=sent"

    assert len(BIRD.events(called("GET", url, alg=alg), now=NOW)) == 1


@pytest.mark.parametrize("token", ["", "a.b.c", "é", "\udc80", "e30.e30.", "x" * 9_000])
def test_what_is_no_token(token):
    """What is no token is rejected, and so is none at all."""
    genuine = report()

    assert reason_of(attrs.evolve(genuine, headers={"MessageBird-Signature-JWT": token})) == "signature"
    assert reason_of(attrs.evolve(genuine, headers={})) == "signature"


def test_a_token_without_signature_is_never_believed():
    """The algorithm none is not one."""
    url = f"{HOOKS}?id={ID}&status=sent"
    token = jwt.encode(claims(url), None, "none")

    assert reason_of(Request("GET", url, {"MessageBird-Signature-JWT": token})) == "signature"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"nbf": STAMP + 1}, None),
        ({"nbf": STAMP + 2}, "timestamp"),
        ({"exp": STAMP}, None),
        ({"exp": STAMP - 1}, "timestamp"),
        ({"nbf": STAMP + 301, "exp": STAMP + 361}, "timestamp"),
        ({"nbf": STAMP - 361, "exp": STAMP - 301}, "timestamp"),
        ({"nbf": None}, "timestamp"),
        ({"exp": None}, "timestamp"),
        ({"exp": float("nan")}, "timestamp"),
        ({"iss": "Somebody"}, "signature"),
        ({"iss": None}, "signature"),
        ({"url_hash": None}, "signature"),
        ({"url_hash": 5}, "signature"),
        ({"url_hash": sha(HOOKS.encode())}, "signature"),
        ({"payload_hash": sha(b"")}, "signature"),
    ],
)
def test_each_claim(more, reason):
    """Issuer, time span and both hashes must be there and right; one second of leeway, as in their libraries."""
    request = called("GET", f"{HOOKS}?id={ID}&status=sent", **more)

    if reason is None:
        assert len(BIRD.events(request, now=NOW)) == 1
    else:
        assert reason_of(request) == reason


def test_the_address_is_the_configured_one():
    """Host and path are those of the configured address, the query is that of the request, in its order."""
    genuine = called("GET", f"{HOOKS}?id={ID}&status=sent")

    assert len(BIRD.events(attrs.evolve(genuine, url=f"http://10.0.0.7/inside?id={ID}&status=sent"), now=NOW)) == 1
    assert reason_of(attrs.evolve(genuine, url=f"{HOOKS}?status=sent&id={ID}")) == "signature"
    assert reason_of(called("GET", f"https://evil.example/hooks?id={ID}&status=sent")) == "signature"


def test_a_new_key_beside_the_old():
    """While a key is replaced both verify, and the new access key sends."""
    both = MessageBird(access_key=["new", "old"], signing_key=["n" * 64, SECRET], webhook_url=HOOKS)
    url = f"{HOOKS}?id={ID}&status=sent"

    for key in ("n" * 64, SECRET):
        assert len(both.events(called("GET", url, key=key), now=NOW)) == 1
    assert reason_of(called("GET", url, key="o" * 64), both) == "signature"
    assert both.encode(MESSAGE, Attempt()).headers["authorization"] == "AccessKey new"


def test_the_package_is_missing(monkeypatch):
    """Without PyJWT the carrier cannot be made, so that no webhook finds out."""
    monkeypatch.setitem(sys.modules, "jwt", None)

    with pytest.raises(MissingExtra, match=r'needs pyjwt: pip install "campaignkit\[signatures\]"'):
        MessageBird(access_key="KEY0", signing_key=SECRET)


# --- signatures: the older kind ----------------------------------------------------------------


REAL = "id=57db52e04e2f4001b555f79813a0f503&mccmnc=20409&ported=0&recipient=31667788880&reference=curl&status=delivered&statusDatetime=2019-01-09T12%3A23%3A23%2B00%3A00"  # noqa: E501
OTHER = urlencode(
    {
        "recipient": "31612345678",
        "reference": "FOO",
        "statusDatetime": "2019-01-11T09:17:11+00:00",
        "id": "eef0ab57a9e049be946f3821568c2b2e",
        "status": "delivered",
        "mccmnc": "20408",
        "ported": "1",
    }
)


@pytest.mark.parametrize(
    ("key", "stamp", "query", "body", "signature"),
    [
        ("Wb3N9gKeFf8ZoCzlOb5lJSic7bHLUcSu", 1547036603, REAL, "", "5Jha9Yyhwgc1nTsgJ9WyzeHilsuUumydICdf4LuIZE8="),
        ("PlLrKaqvZNRR5zAjm42ZT6q1SQxgbbGd", 1547198231, OTHER, "", "KVBdcVdz2lYMwcBLZCRITgxUfA/WkwSi+T3Wxl2HL6w="),
        (
            "PlLrKaqvZNRR5zAjm42ZT6q1SQxgbbGd",
            1547198231,
            OTHER,
            '{"foo":"bar"}',
            "2bl+38H4oHVg03pC3bk2LvCB0IHFgfC4cL5HPQ0LdmI=",
        ),
        ("secret", 1544544948, "", "", "LISw4Je7n0/MkYDgVSzTJm8dW6BkytKTXMZZk1IElMs="),
        ("secret", 1544544948, "", '{"a key":"some value"}', "p2e20OtAg39DEmz1ORHpjQ556U4o1ZaH4NWbM9Q8Qjk="),
        ("secret", 1544544948, "abc=foo&def=bar", "", "Tfn+nRUBsn6lQgf6IpxBMS1j9lm7XsGjt5xh47M3jCk="),
        (
            "other-secret",
            1544544948,
            "abc=foo&def=bar",
            '{"a key":"some value"}',
            "orb0adPhRCYND1WCAvPBr+qjm4STGtyvNDIDNBZ4Ir4=",
        ),
    ],
)
def test_published_legacy_signatures(key, stamp, query, body, signature):
    """Each published signature of the older kind is believed, one of them a real one, and nothing near it."""
    carrier = MessageBird(access_key="KEY0", signing_key=key, legacy_signature=True)
    headers = {"MessageBird-Request-Timestamp": str(stamp), "MessageBird-Signature": signature}
    request = Request("GET", f"{HOOKS}?{query}", headers, body.encode())
    now = dt.datetime.fromtimestamp(stamp, dt.UTC)

    carrier._verify(request, now)
    changes = [
        {"url": f"{request.url}&x=1"},
        {"body": b"other"},
        {"headers": {**headers, "MessageBird-Request-Timestamp": str(stamp + 1)}},
        {"headers": {**headers, "MessageBird-Signature": ""}},
        {"headers": {"MessageBird-Signature": signature}},
        {"headers": {"MessageBird-Request-Timestamp": str(stamp)}},
    ]
    for change in changes:
        with pytest.raises(WebhookRejected) as caught:
            carrier._verify(attrs.evolve(request, **change), now)
        assert caught.value.reason == "signature"
    for late in (301, -301):
        with pytest.raises(WebhookRejected) as caught:
            carrier._verify(request, now + dt.timedelta(seconds=late))
        assert caught.value.reason == "timestamp"


def test_the_older_signature_must_be_asked_for():
    """Without legacy_signature the older kind is not believed; with it a token still comes first."""
    [old] = [TestLegacyMessageBird.receipt]
    both = attrs.evolve(old, headers={**old.headers, "MessageBird-Signature-JWT": "a.b.c"})

    assert len(OLD.events(old, now=NOW)) == 1
    assert reason_of(old, BIRD) == "signature"
    assert reason_of(both, OLD) == "signature"
    assert len(OLD.events(report(), now=NOW)) == 1


def test_the_older_library_agrees():
    """MessageBird's older library believes what we do."""
    from messagebird.signed_request import SignedRequest

    query = {"id": ID, "reference": "a-1", "status": "sent", "price[amount]": "0.05"}
    signed = b"\n".join((str(STAMP).encode(), urlencode(sorted(query.items())).encode(), hashlib.sha256(b"").digest()))
    signature = base64.b64encode(hmac.digest(SECRET.encode(), signed, "sha256")).decode()
    headers = {"MessageBird-Request-Timestamp": str(STAMP), "MessageBird-Signature": signature}

    with pytest.warns(DeprecationWarning, match="signed_request"):
        assert SignedRequest(signature, STAMP, "", query).verify(SECRET)
    assert len(OLD.events(Request("GET", f"{HOOKS}?{urlencode(query)}", headers), now=NOW)) == 1


# --- what arrives ------------------------------------------------------------------------------


def test_a_delivered_receipt():
    """A report has word, id, time, parts and price, and the attempt id that came back in the reference."""
    [receipt] = BIRD.events(report(), now=NOW)

    assert receipt == Receipt(
        status="delivered",
        carrier="messagebird",
        carrier_id=ID,
        attempt_id="a-1",
        at=dt.datetime(2026, 11, 22, 11, 57, 12, tzinfo=dt.UTC),
        received_at=NOW,
        segments=1,
        price=Decimal("0.050"),
        currency="EUR",
    )
    assert receipt.raw["mccmnc"] == "310010"


@pytest.mark.parametrize(
    ("status", "code", "reason", "found"),
    [
        ("delivery_failed", "103", None, "103"),
        ("delivery_failed", "12", "unknown subscriber", "12"),
        ("delivery_failed", None, "unknown subscriber", "reason:unknown subscriber"),
        ("delivery_failed", "0", "unavailable subscriber", "reason:unavailable subscriber"),
        ("delivery_failed", "27", "unavailable subscriber", "reason:unavailable subscriber"),
        ("delivery_failed", "21", "generic delivery failure", "reason:generic delivery failure"),
        ("delivery_failed", "27", None, "27"),
        ("delivery_failed", "0", None, "0"),
        ("delivery_failed", None, None, None),
        ("expired", None, "DLR not received", "reason:DLR not received"),
        ("expired", None, "a new one", "reason:a new one"),
        ("expiryttd", "1", None, "1"),
        ("delivered", "0", "successfully delivered", None),
        ("buffered", None, "pending DLR", None),
    ],
)
def test_codes_and_reasons(status, code, reason, found):
    """The code counts where it is known and says something, else the reason; what went well has neither."""
    [receipt] = BIRD.events(report(status, statusErrorCode=code, statusReason=reason), now=NOW)

    assert (receipt.status, receipt.error_code) == (status, found)


def test_a_failed_receipt_counts_by_its_code():
    """Codes and reasons are those of the tables, and fold knows them."""
    [stopped] = BIRD.events(report("delivery_failed", statusErrorCode="103"), now=NOW)
    [absent] = BIRD.events(report("expired", statusReason="unavailable subscriber"), now=NOW)

    assert (fold([stopped]).status, fold([absent]).status) == (Status.UNDELIVERED, Status.EXPIRED)
    assert classify("messagebird", stopped.error_code).opts_out
    assert classify("messagebird", absent.error_code).reason == "handset_absent"


def test_an_unknown_word_is_kept():
    """A word that is in no table is a receipt all the same."""
    [receipt] = BIRD.events(report("expiryttd"), now=NOW)

    assert fold([receipt]).unknown_words == {"expiryttd"}


@pytest.mark.parametrize(
    ("more", "segments", "price"),
    [
        ({"messagePartCount": "3"}, 3, None),
        ({"messagePartCount": None}, None, None),
        ({"messagePartCount": "-1"}, None, None),
        ({"price[amount]": "free"}, 1, None),
        ({"price[amount]": "-1"}, 1, None),
        ({"price[currency]": None}, 1, None),
        ({"price[currency]": "euro"}, 1, None),
        ({"price[amount]": "0.000"}, 1, Decimal(0)),
    ],
)
def test_price_and_parts(more, segments, price):
    """A price counts with its currency, and for a message of one part alone."""
    [receipt] = BIRD.events(report(**more), now=NOW)

    assert (receipt.segments, receipt.price) == (segments, price)
    assert (receipt.currency is None) is (price is None)


@pytest.mark.parametrize(("reference", "found"), [("a-1", "a-1"), ("not ours", None), ("a" * 37, None), (None, None)])
def test_the_reference(reference, found):
    """A reference in the form of an attempt id is one; any other is somebody else's."""
    [receipt] = BIRD.events(report(reference=reference), now=NOW)

    assert receipt.attempt_id == found


WRITTEN = dt.datetime(2026, 11, 22, 11, 49, 29, tzinfo=dt.UTC)
NUMBERS = {"originator": "12025550143", "recipient": "12025550100"}


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (
            {**NUMBERS, "id": ID, "body": "stop", "createdDatetime": "2026-11-22T11:49:29+00:00"},
            {"text": "stop", "keyword": Keyword.OPT_OUT, "received_at": WRITTEN},
        ),
        (
            [
                ("receiver", "12025550100"),
                ("body", "Test again"),
                ("date", "1795315769"),
                ("date_utc", "1795348169"),
                ("reference", "1"),
                ("id", "f" * 32),
                ("id", ID),
                *NUMBERS.items(),
                ("body", "Test 3"),
                ("CreatedDatetime", "2026-11-22T11:49:29+00:00"),
            ],
            {"text": "Test 3", "received_at": WRITTEN},
        ),
        (
            {
                **NUMBERS,
                "shortcode": "51515",
                "message": "Test again",
                "body": "Test 3",
                "id": "f" * 32,
                "mid": ID,
                "receive_datetime": "20261122114929",
                "date_utc": "1795348169",
            },
            {"text": "Test again", "sender": "51515", "received_at": WRITTEN},
        ),
        (
            [
                *NUMBERS.items(),
                ("message", "look"),
                ("id", "f" * 32),
                ("message_id", ID),
                ("mediaURLs", "https://media.example/é.jpg"),
                ("mediaUrls", "https://media.example/2.jpg"),
                ("mediaUrls", " "),
            ],
            {"text": "look", "media": ("https://media.example/é.jpg", "https://media.example/2.jpg")},
        ),
        ({**NUMBERS, "id": ID}, {"text": ""}),
        ({"originator": "ACME", "id": ID, "body": "hi"}, {"text": "hi", "to": "ACME", "sender": None}),
    ],
)
def test_a_reply(form, expected):
    """A reply says who wrote what to whom and when, in each of the forms that MessageBird sends."""
    dated = "received_at" in expected
    expected = {"to": "+12025550143", "sender": "+12025550100", "received_at": NOW, "dated": dated, **expected}

    assert BIRD.events(wrote(form), now=NOW) == [Reply(reply_id=ID, carrier="messagebird", **expected)]


def test_a_reply_in_a_query():
    """A reply that was forwarded as a GET is read in its query."""
    url = f"{HOOKS}?{urlencode({**NUMBERS, 'id': ID, 'body': 'hi'})}"

    assert BIRD.events(called("GET", url), now=NOW)[0].text == "hi"


@pytest.mark.parametrize("form", [{"hello": "world"}, {"recipient": "12025550100", "id": ID}])
def test_what_is_about_no_message(form):
    """A form that reports neither a status nor a writer is genuine and says nothing."""
    assert BIRD.events(wrote(form), now=NOW) == []


@pytest.mark.parametrize(
    "request_",
    [
        report(id=None),
        report(id=" "),
        report(""),
        wrote({"originator": "", "id": ID, "body": "hi"}),
        wrote({**NUMBERS, "body": "hi"}),
        called("GET", f"{HOOKS}?{'a&' * 1001}"),
        called("GET", f"{HOOKS}?id={ID}&status=é"),
        called("POST", HOOKS, "body=é".encode()),
    ],
)
def test_what_must_be_there(request_):
    """A report without its message, a reply without its writer, and what is no form, are malformed."""
    assert reason_of(request_) == "malformed"


def test_a_body_must_be_a_form():
    """JSON is no form."""
    assert reason_of(called("POST", HOOKS, b"{}", kind="application/json")) == "content_type"


# --- sending -----------------------------------------------------------------------------------


def test_a_message_is_handed_over():
    """Method, address, credentials, type and every field are those of MessageBird's description."""
    request = BIRD.encode(MESSAGE, Attempt(attempt_id="a-1"))

    assert (request.method, request.url) == ("POST", "https://rest.messagebird.com/messages")
    assert dict(request.headers) == {
        "authorization": "AccessKey KEY0",
        "content-type": "application/json",
        "accept": "application/json",
    }
    assert json.loads(request.body) == {
        "originator": "12025550100",
        "recipients": ["12025550143"],
        "body": "Spring sale: 20 % off",
        "datacoding": "auto",
        "reportUrl": HOOKS,
        "reference": "a-1",
    }


def test_a_message_with_media():
    """Media goes to the MMS API, which takes neither an alphabet nor an address for reports."""
    request = BIRD.encode(attrs.evolve(MESSAGE, text=None, media=["https://a.example/é.jpg"]), Attempt(attempt_id="a"))

    assert request.url == "https://rest.messagebird.com/mms"
    assert json.loads(request.body) == {
        "originator": "12025550100",
        "recipients": ["12025550143"],
        "mediaUrls": ["https://a.example/é.jpg"],
        "reference": "a",
    }


def test_without_what_is_not_known():
    """Without an attempt id or an address of ours none is named; a name is sent as it is."""
    carrier = MessageBird(access_key="KEY0", signing_key=SECRET)
    request = carrier.encode(attrs.evolve(MESSAGE, sender="ACME"), Attempt())

    assert json.loads(request.body) == {
        "originator": "ACME",
        "recipients": ["12025550143"],
        "body": "Spring sale: 20 % off",
        "datacoding": "auto",
    }


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"sender": None}, "sender is None: messagebird needs a number"),
        ({"sender": "ACME Company"}, "sender is 'ACME Company': messagebird takes a number or a name of 11 characters"),
        ({"text": None}, "text is None: there is nothing to send"),
        ({"text": "a" * 1378}, "text has 1,378 characters: messagebird takes 1,377; shorten it"),
        (
            {"text": "a" * 2001, "media": ["https://a.example/1"]},
            "text has 2,001 characters: messagebird takes 2,000; shorten it",
        ),
    ],
)
def test_what_cannot_be_sent(more, sentence):
    """What breaks a limit is refused before it is sent, in one sentence."""
    with pytest.raises(InvalidValue) as caught:
        BIRD.encode(attrs.evolve(MESSAGE, **more), Attempt())

    assert str(caught.value).startswith(sentence)


def error(code):
    """Return an error of the API."""
    return {"errors": [{"code": code, "description": "no", "parameter": None}]}


@pytest.mark.parametrize(
    ("status", "answer", "outcome", "refusal", "code"),
    [
        (201, {"id": ID}, Outcome.TAKEN, None, None),
        (200, {"id": ID, "recipients": {"items": []}}, Outcome.TAKEN, None, None),
        (201, {"href": "x"}, Outcome.UNKNOWN, None, None),
        (422, error(9), Outcome.REFUSED, Refusal.FINAL, "api:9"),
        (422, error(10), Outcome.REFUSED, Refusal.FINAL, "api:10"),
        (422, error(25), Outcome.REFUSED, Refusal.ACCOUNT, "api:25"),
        (422, error(777), Outcome.REFUSED, Refusal.FINAL, "api:777"),
        (401, error(2), Outcome.REFUSED, Refusal.ACCOUNT, "api:2"),
        (429, {}, Outcome.REFUSED, Refusal.TEMPORARY, None),
        (503, {}, Outcome.REFUSED, Refusal.TEMPORARY, None),
        (503, error(99), Outcome.REFUSED, Refusal.TEMPORARY, "api:99"),
        (500, error(99), Outcome.UNKNOWN, None, "api:99"),
        (502, {}, Outcome.UNKNOWN, None, None),
        (404, {"errors": []}, Outcome.UNKNOWN, None, None),
        (408, error(99), Outcome.UNKNOWN, None, "api:99"),
    ],
)
def test_what_an_answer_means(status, answer, outcome, refusal, code):
    """Each kind of answer is in its class; of 5xx only 503 is certain."""
    found = BIRD.decode(Response(status, {}, json.dumps(answer).encode()))

    assert (found.outcome, found.refusal, found.error_code) == (outcome, refusal, code)


def test_a_message_was_taken():
    """The answer has the id and the parts."""
    items = [{"recipient": 12025550143, "status": "sent", "messagePartCount": 2}]
    answer = {"id": ID, "recipients": {"totalCount": 1, "items": items}}

    found = BIRD.decode(Response(201, {}, json.dumps(answer).encode()))

    assert (found.carrier_id, found.segments) == (ID, 2)


# --- the simulator -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "media", "callback"),
    [("+12025550100", (), HOOKS), ("ACME", ("https://a.example/1",), None)],
)
def test_the_simulator_reads_what_is_sent(sender, media, callback):
    """What `encode` writes, the simulator reads as it was meant."""
    sent = attrs.evolve(MESSAGE, sender=sender, media=media)

    assert MessageBirdDialect(BIRD).read(BIRD.encode(sent, Attempt(attempt_id="a-1"))) == Submitted(
        to="+12025550143",
        sender=sender,
        text="Spring sale: 20 % off",
        media=media,
        attempt_id="a-1",
        callback=callback,
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"method": "GET"}, "POST /messages"),
        ({"url": "https://rest.messagebird.com/voicemessages"}, "POST /messages"),
        ({"content-type": FORM}, "JSON"),
        ({"recipients": []}, "recipients are"),
        ({"recipients": ["+12025550143"]}, "recipients are"),
        ({"originator": None}, "originator is required"),
        ({"body": None}, "body is required"),
        ({"body": "a" * 1378}, "body is required, and not that long"),
        ({"mediaUrls": ["https://a.example/1"]}, "mediaUrls are required by /mms"),
        ({"reference": "a" * 61}, "reference has 60"),
    ],
)
def test_the_simulator_is_strict(change, sentence):
    """What MessageBird would not take, the simulator does not take either."""
    request = BIRD.encode(MESSAGE, Attempt(attempt_id="a-1"))
    headers = {**request.headers, **{name: value for name, value in change.items() if name == "content-type"}}
    more = {name: value for name, value in change.items() if name in {"method", "url"}}
    fields = {name: value for name, value in change.items() if name not in {*headers, *more}}
    body = json.dumps({**json.loads(request.body), **fields}).encode()

    with pytest.raises(InvalidValue, match=sentence):
        MessageBirdDialect(BIRD).read(attrs.evolve(request, headers=headers, body=body, **more))
    with pytest.raises(PermissionError):
        MessageBirdDialect().read(request)


def test_the_simulator_speaks_of_each_status_and_failure():
    """Every word and failure that the simulator reports comes back as it was meant, wherever it is posted."""
    dialect = MessageBirdDialect(MessageBird(access_key="KEY0", signing_key=SECRET))
    submitted = Submitted(to="+12025550143", sender="+12025550100", text="Hello", callback=f"{HOOKS}?a=b")
    carrier_id = dialect.new_id(Random(1))  # noqa: S311 - seeded, and no secret

    for status, word in dialect.words.items():
        [receipt] = dialect.carrier.events(dialect.receipt(submitted, carrier_id, word, None, NOW), now=NOW)
        assert (fold([receipt]).status, receipt.attempt_id) == (status, None)
    for word, code in dialect.failures:
        [receipt] = dialect.carrier.events(dialect.receipt(submitted, carrier_id, word, code, NOW), now=NOW)
        assert (receipt.status, receipt.error_code, receipt.carrier_id) == (word, code, carrier_id)
        assert classify("messagebird", code).mapped
    for why in Why:
        assert dialect.carrier.decode(dialect.refused(why)).outcome is Outcome.REFUSED
