"""Vonage's Messages API: what it is sent, what its answers mean, and which of its webhooks are believed."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import sys
from decimal import Decimal
from random import Random

import jwt
import pytest
from vonage_jwt import verify_jwt
from vonage_messages.models import MmsContent, MmsContentItemImage, MmsContentItemVcard, MmsImage, MmsResource, Sms

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
from campaignkit.backends.carriers import Refusal, Request, Response, Vonage
from campaignkit.backends.carriers.signing import read_jwt
from campaignkit.testing import CarrierContract
from campaignkit.testing.dialects.base import Submitted, Why
from campaignkit.testing.dialects.vonage import VonageDialect

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
HOOKS = "https://app.example/hooks"
UUID = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
SECRET = "a-signature-secret-of-32-letters"
ERRORS = "https://developer.vonage.com/api-errors"
VONAGE = Vonage(api_key="abcd1234", api_secret="12345", signature_secret=SECRET, webhook_url=HOOKS)
MESSAGE = Message(status="pending", to="+447700900123", sender="ACME", text="Spring sale: 20 % off 🌷")


def signed(body, *, secret=SECRET, at=NOW, algorithm="HS256", scheme="Bearer", **claims):
    """Return a webhook with any body, signed as Vonage signs; a claim of None is left out."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    made = {
        "iat": int(at.timestamp()),
        "jti": "c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5",
        "iss": "Vonage",
        "payload_hash": hashlib.sha256(sent).hexdigest(),
        "api_key": "abcd1234",
        **claims,
    }
    token = jwt.encode({n: v for n, v in made.items() if v is not None}, secret, algorithm=algorithm)
    return Request("POST", HOOKS, {"Content-Type": "application/json", "Authorization": f"{scheme} {token}"}, sent)


def status(word, **more):
    """Return the fields of a status of an SMS."""
    return {
        "message_uuid": UUID,
        "to": "447700900123",
        "from": "ACME",
        "timestamp": "2026-11-22T11:59:58.000Z",
        "status": word,
        "channel": "sms",
        **more,
    }


def said(**more):
    """Return the fields of a message from a person."""
    return {
        "channel": "sms",
        "message_uuid": UUID,
        "to": "447700900001",
        "from": "447700900123",
        "timestamp": "2026-11-22T11:59:58Z",
        "message_type": "text",
        "text": "Hello",
        "sms": {"num_messages": "1", "keyword": "HELLO"},
        **more,
    }


def reason_of(carrier, request, now=NOW):
    """Return why a webhook is rejected."""
    with pytest.raises(WebhookRejected) as caught:
        carrier.events(request, now=now)
    return caught.value.reason


class TestVonage(CarrierContract):
    """Vonage keeps what every carrier promises."""

    dialect = VonageDialect()
    carrier = dialect.carrier
    now = NOW
    submitted = Submitted(to="+447700900123", sender="ACME", text="Hello", attempt_id="a-1")
    receipt = dialect.receipt(submitted, UUID, "rejected", "1180", NOW)
    reply = dialect.reply("+447700900123", "+447700900001", "Hello", UUID, NOW)
    taken = dialect.taken(submitted, UUID, NOW)
    refused = dialect.refused(Why.INVALID_NUMBER)


# --- signatures --------------------------------------------------------------------------------


def test_a_published_token():
    """The token of Vonage's own library is valid for its secret and for no other."""
    token = (
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJPbmxpbmUgSldUIEJ1aWxkZXIiLCJpYXQiOjE2OTc2MzQ2ODAsImV4cCI6"
        "MzMyNTQ1NDA4MjgsImF1ZCI6IiIsInN1YiI6IiJ9.88vJc3I2HhuqEDixHXVhc9R30tA6U_HQHZTC29y6CGM"
    )

    assert read_jwt(token, ["qwertyuiopasdfghjklzxcvbnm123456"], ["HS256"]) == {
        "iss": "Online JWT Builder",
        "iat": 1697634680,
        "exp": 33254540828,
        "aud": "",
        "sub": "",
    }
    assert read_jwt(token, ["asdf"], ["HS256"]) is None


def test_our_signatures_satisfy_vonages_library():
    """What the simulator signs, Vonage's own library accepts, for the secret it was signed with."""
    past = dt.datetime(2024, 11, 22, 12, tzinfo=dt.UTC)  # it asks the clock, and believes no token of the future
    dialect = VonageDialect(VONAGE)
    submitted = Submitted(to="+447700900123", sender="ACME", text="é", callback=f"{HOOKS}/more")

    for request in (
        dialect.receipt(submitted, UUID, "delivered", None, past),
        dialect.reply("+447700900123", "+447700900001", "ça va ☺", UUID, past),
    ):
        token = request.headers["authorization"].removeprefix("Bearer ")
        assert verify_jwt.verify_signature(token, SECRET)
        assert not verify_jwt.verify_signature(token, SECRET[::-1])


@pytest.mark.parametrize(
    "change",
    [
        {"secret": "another-secret-that-is-32-letters"},
        {"algorithm": "HS512", "secret": SECRET + "\0" * 32},
        {"scheme": "Basic"},
        {"payload_hash": hashlib.sha256(b"{}").hexdigest()},
        {"payload_hash": None},
        {"api_key": "other"},
        {"api_key": None},
    ],
)
def test_what_the_token_must_say(change):
    """Another secret, algorithm or scheme, another body, or another account is a wrong signature."""
    assert reason_of(VONAGE, signed(status("delivered"), **change)) == "signature"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer a.b.c", "Bearer e30.e30."])
def test_a_webhook_that_is_not_signed(header):
    """Vonage says that it rarely sends a webhook unsigned: it is not believed."""
    body = json.dumps(status("delivered")).encode()
    request = Request("POST", HOOKS, {"Content-Type": "application/json", "Authorization": header}, body)

    assert reason_of(VONAGE, request) == "signature"
    assert reason_of(VONAGE, Request("POST", HOOKS, {"Content-Type": "application/json"}, body)) == "signature"


def test_a_token_of_brackets():
    """A token whose header nests without end is a wrong signature and nothing else."""
    deep = base64.urlsafe_b64encode(b"[" * 100_000).decode().rstrip("=")
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {deep}.e30.AAAA"}

    assert reason_of(VONAGE, Request("POST", HOOKS, headers, b"{}")) == "signature"


@pytest.mark.parametrize("algorithm", ["none", "NONE"])
def test_a_token_that_needs_no_secret(algorithm):
    """A token that says it needs no signature is not believed."""
    head, claims = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in (
            {"alg": algorithm, "typ": "JWT"},
            {"iat": int(NOW.timestamp()), "payload_hash": hashlib.sha256(b"{}").hexdigest(), "api_key": "abcd1234"},
        )
    )
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {head}.{claims}."}

    assert reason_of(VONAGE, Request("POST", HOOKS, headers, b"{}")) == "signature"


@pytest.mark.parametrize(
    ("seconds", "more", "accepted"),
    [
        (0, {}, True),
        (300, {}, True),
        (-300, {}, True),
        (301, {}, False),
        (-301, {}, False),
        (0, {"iat": None}, False),
        (0, {"exp": int(NOW.timestamp()) + 60}, True),
        (0, {"exp": int(NOW.timestamp()) - 300}, True),
        (0, {"exp": int(NOW.timestamp()) - 301}, False),
        (0, {"exp": "tomorrow"}, False),
    ],
)
def test_the_time_of_a_token(seconds, more, accepted):
    """A token is believed for 5 minutes before and after the moment it was made, if it is not over before."""
    request = signed(status("delivered"), at=NOW - dt.timedelta(seconds=seconds), **more)

    if accepted:
        assert len(VONAGE.events(request, now=NOW)) == 1
    else:
        assert reason_of(VONAGE, request) == "timestamp"


@pytest.mark.parametrize(("claimed", "accepted"), [("app-1", True), (None, True), ("app-2", False)])
def test_another_application(claimed, accepted):
    """An application that is configured is checked, where the token names one."""
    carrier = Vonage(api_key="abcd1234", api_secret="12345", signature_secret=SECRET, application_id="app-1")
    request = signed(status("delivered"), application_id=claimed)

    if accepted:
        assert len(carrier.events(request, now=NOW)) == 1
    else:
        assert reason_of(carrier, request) == "signature"


def test_a_new_secret_beside_the_old():
    """While secrets are replaced both verify, and the new one sends."""
    old, new = "the-old-secret-that-is-32-letters", "the-new-secret-that-is-32-letters"
    carrier = Vonage(api_key="abcd1234", api_secret=["new", "old"], signature_secret=[new, old])

    for secret in (new, old):
        assert len(carrier.events(signed(status("submitted"), secret=secret), now=NOW)) == 1
    assert reason_of(carrier, signed(status("submitted"))) == "signature"
    assert carrier.encode(MESSAGE, Attempt()).headers["authorization"] == "Basic YWJjZDEyMzQ6bmV3"


def test_a_short_secret():
    """A secret shorter than the standard asks for verifies all the same, without a warning."""
    carrier = Vonage(api_key="abcd1234", api_secret="12345", signature_secret="short")

    assert len(carrier.events(VonageDialect(carrier).reply("+447700900123", "1", "Hi", UUID, NOW), now=NOW)) == 1


def test_without_the_package(monkeypatch):
    """Without PyJWT the carrier cannot be made, so that no webhook finds it missing."""
    monkeypatch.setitem(sys.modules, "jwt", None)

    with pytest.raises(MissingExtra, match="checking the webhooks of Vonage needs pyjwt: pip install"):
        Vonage(api_key="abcd1234", api_secret="12345", signature_secret=SECRET)


# --- what arrives ------------------------------------------------------------------------------


def test_a_status():
    """A status has word, id, time, our attempt id, parts and price."""
    fields = status(
        "submitted",
        client_ref="a-1",
        usage={"currency": "EUR", "price": "0.0333"},
        destination={"network_code": "12345"},
        sms={"count_total": "2"},
    )

    events = VONAGE.events(signed(fields), now=NOW)

    assert events == [
        Receipt(
            status="messages:submitted",
            carrier="vonage",
            carrier_id=UUID,
            received_at=NOW,
            at=dt.datetime(2026, 11, 22, 11, 59, 58, tzinfo=dt.UTC),
            attempt_id="a-1",
            segments=2,
            price=Decimal("0.0333"),
            currency="EUR",
        )
    ]
    assert events[0].raw == fields


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"sms": {"count_total": 2}}, {"segments": 2}),
        ({"sms": {"count_total": "many"}}, {"segments": None}),
        ({"usage": {"price": "0.0333"}}, {"price": None, "currency": None}),
        ({"usage": {"price": "-1", "currency": "EUR"}}, {"price": None, "currency": None}),
        ({"timestamp": "yesterday"}, {"at": None}),
        ({"timestamp": "2027-11-22T12:00:00Z"}, {"at": None}),
        ({"client_ref": "somebody else's"}, {"attempt_id": None}),
        ({"client_ref": 7}, {"attempt_id": "7"}),
        ({"channel": "mms"}, {"status": "messages:delivered"}),
    ],
)
def test_odd_details_cost_no_receipt(more, expected):
    """A detail that is not as described is left out, and the receipt stands."""
    [receipt] = VONAGE.events(signed(status("delivered", **more)), now=NOW)

    assert {name: getattr(receipt, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"type": f"{ERRORS}/messages#1180", "title": "1180", "detail": "x"}, "messages:1180"),
        ({"error": {"type": f"{ERRORS}/messages#1180", "title": 1180}}, "messages:1180"),
        ({"error": {"type": f"{ERRORS}/messages#rejected", "title": "1030"}}, "messages:1030"),
        ({"type": f"{ERRORS}/messages#1000", "title": "Throttled"}, "messages:1000"),
        ({"type": f"{ERRORS}/messages", "title": 1180}, "messages:1180"),
        ({"type": f"{ERRORS}/messages#blocked", "title": "Blocked"}, "messages:blocked"),
        ({"title": "Blocked"}, "messages:Blocked"),
        ({"code": 1210, "reason": "spam"}, "messages:1210"),
        ({"code": "99999"}, "messages:99999"),
        ({}, None),
        (None, None),
        ("broken", None),
    ],
)
def test_where_the_code_stands(error, code):
    """A code is found in the error's type, title or code, flat or within another error, and kept if unknown."""
    [receipt] = VONAGE.events(signed(status("rejected", error=error)), now=NOW)

    assert receipt.error_code == code


@pytest.mark.parametrize(
    ("word", "code", "expected"),
    [
        ("rejected", "1190", (Status.UNDELIVERED, "messages:1190")),
        ("undeliverable", None, (Status.UNDELIVERED, "@messages:undeliverable")),
        ("delivered", None, (Status.DELIVERED, None)),
        ("read", None, (Status.READ, None)),
    ],
)
def test_fold_knows_the_words(word, code, expected):
    """Words and codes are written as the tables have them."""
    request = VonageDialect(VONAGE).receipt(Submitted(to="+447700900123", sender="A", text="x"), UUID, word, code, NOW)

    state = fold(VONAGE.events(request, now=NOW))

    assert (state.status, state.error_code) == expected


def test_an_unknown_word_is_kept():
    """A word that is in no table is a receipt all the same."""
    [receipt] = VONAGE.events(signed(status("teleported")), now=NOW)

    assert receipt.status == "messages:teleported"
    assert fold([receipt]).unknown_words == {"messages:teleported"}


@pytest.mark.parametrize(
    ("more", "text", "keyword"),
    [
        ({}, "Hello", None),
        ({"text": "stop", "sms": {"keyword": "STOP"}}, "stop", Keyword.OPT_OUT),
        ({"text": "stop it, please", "sms": {"keyword": "STOP"}}, "stop it, please", None),
        ({"text": ""}, "", None),
        ({"text": None}, "", None),
    ],
)
def test_a_reply(more, text, keyword):
    """A reply says who wrote what to whom and when; only its whole text is a keyword, not its first word."""
    assert VONAGE.events(signed(said(**more)), now=NOW) == [
        Reply(
            received_at=dt.datetime(2026, 11, 22, 11, 59, 58, tzinfo=dt.UTC),
            dated=True,
            reply_id=UUID,
            to="+447700900123",
            sender="+447700900001",
            text=text,
            keyword=keyword,
            carrier="vonage",
        )
    ]


def test_a_reply_with_files():
    """The addresses of all files are kept once each, and a caption is the text."""
    files = [{"type": kind, "url": f"https://api.vonage.example/{kind}"} for kind in ("image", "vcard")]
    fields = said(channel="mms", message_type="image", image={**files[0], "caption": "Look"}, content=files)
    del fields["text"]

    [reply] = VONAGE.events(signed(fields), now=NOW)

    assert reply.text == "Look"
    assert reply.media == ("https://api.vonage.example/image", "https://api.vonage.example/vcard")


def test_the_older_form():
    """What an account that still has version 0.1 sends is read too, so that no STOP is lost."""
    older = {
        "message_uuid": UUID,
        "to": {"type": "sms", "number": "447700900001"},
        "from": {"type": "sms", "number": "447700900123"},
        "timestamp": "2026-11-22T11:59:58.000Z",
    }
    message = {"content": {"type": "text", "text": "STOP"}}

    [reply] = VONAGE.events(signed({**older, "message": message}), now=NOW)
    [receipt] = VONAGE.events(signed({**older, "status": "rejected", "error": {"code": 1240}}), now=NOW)

    assert (reply.to, reply.sender, reply.keyword) == ("+447700900123", "+447700900001", Keyword.OPT_OUT)
    assert (receipt.status, receipt.error_code) == ("messages:rejected", "messages:1240")


@pytest.mark.parametrize(
    "fields", [{}, status("read", channel="whatsapp"), said(channel="viber_service"), {"type": "application"}]
)
def test_what_is_about_no_message_of_ours(fields):
    """What is genuine and about an app's channel, or no message at all, reports nothing."""
    assert VONAGE.events(signed(fields), now=NOW) == []


@pytest.mark.parametrize(
    "fields",
    [
        {**status("delivered"), "message_uuid": None},
        {**status("delivered"), "message_uuid": " "},
        {**said(), "message_uuid": ""},
        {**said(), "from": None},
        {**said(), "to": None},
        {**said(), "from": {"type": "sms"}},
        b'{"channel": "sms", "channel": "sms"}',
        b"[]",
        b"no JSON",
        b"",
    ],
)
def test_what_must_be_there(fields):
    """A status without its message, a reply without its writer, and what is no object are malformed."""
    assert reason_of(VONAGE, signed(fields)) == "malformed"


# --- sending -----------------------------------------------------------------------------------


def test_a_message_is_handed_over():
    """Method, address, credentials, type and every field are those of Vonage's description."""
    request = VONAGE.encode(MESSAGE, Attempt(attempt_id="a-1"))

    assert request.method == "POST"
    assert request.url == "https://api.nexmo.com/v1/messages"
    assert dict(request.headers) == {
        "authorization": "Basic YWJjZDEyMzQ6MTIzNDU=",
        "content-type": "application/json",
        "accept": "application/json",
    }
    assert json.loads(request.body) == {
        "to": "447700900123",
        "from": "ACME",
        "channel": "sms",
        "message_type": "text",
        "text": "Spring sale: 20 % off 🌷",
        "client_ref": "a-1",
        "webhook_url": HOOKS,
        "webhook_version": "v1",
    }


def test_a_message_is_as_vonages_library_writes_it():
    """Vonage's own library makes the same objects of an SMS and of an MMS with one file, and with two."""
    to, sender, picture, card = "12025550143", "12025550100", "https://a.example/1.JPG?v=2", "https://a.example/2.vcf"
    common = {"to": to, "from_": sender, "client_ref": "a-1", "webhook_url": HOOKS, "webhook_version": "v1"}
    theirs = [
        Sms(**common, text="Look"),
        MmsImage(**common, image=MmsResource(url=picture, caption="Look")),
        MmsContent(
            **common,
            content=[MmsContentItemImage(url=picture, caption="Look"), MmsContentItemVcard(url=card)],
        ),
    ]

    for media, model in zip(((), (picture,), (picture, card)), theirs, strict=True):
        message = Message(status="pending", to=f"+{to}", sender=f"+{sender}", text="Look", media=media)
        ours = json.loads(VONAGE.encode(message, Attempt(attempt_id="a-1")).body)
        assert ours == model.model_dump(by_alias=True, exclude_none=True, mode="json")


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://a.example/1.png", "image"),
        ("https://a.example/b/1.MP3#t=1", "audio"),
        ("https://a.example/1.mp4", "video"),
        ("https://a.example/me.vcf", "vcard"),
        ("https://a.example/terms.pdf", "file"),
    ],
)
def test_the_kind_of_a_file(url, kind):
    """A file's ending says what kind of message it becomes; without a text there is no caption."""
    message = Message(status="pending", to="+12025550143", sender="+12025550100", media=[url])
    carrier = Vonage(api_key="abcd1234", api_secret="12345", signature_secret=SECRET)

    assert json.loads(carrier.encode(message, Attempt()).body) == {
        "to": "12025550143",
        "from": "12025550100",
        "channel": "mms",
        "message_type": kind,
        kind: {"url": url},
        "webhook_version": "v1",
    }


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"sender": None}, "sender is None: vonage needs a number"),
        ({"text": None}, "text is None: there is nothing to send"),
        ({"text": "a" * 3201}, "text has 3,201 characters: vonage takes 3,200; shorten it"),
        (
            {"text": "a" * 3001, "media": ["https://a.example/1.png"]},
            "text has 3,001 characters: vonage takes 3,000; shorten it",
        ),
        ({"media": ["https://a.example/pictures?id=1.png"]}, "media is 'https://a.example/pictures?id=1.png': vonage"),
        ({"media": ["https://a.example"]}, "media is 'https://a.example': vonage must be told"),
        ({"media": ["https://[a.example/1.png", "no.png"]}, "media is 'no.png': vonage must be told"),
    ],
)
def test_what_cannot_be_sent(more, sentence):
    """What breaks a limit is refused before it is sent, in one sentence."""
    fields = {"to": "+447700900123", "sender": "ACME", "text": "Hello", **more}
    with pytest.raises(InvalidValue) as caught:
        VONAGE.encode(Message(status="pending", **fields), Attempt())

    assert str(caught.value).startswith(sentence)


def problem(kind, title, **more):
    """Return an error as the API describes it."""
    return {"type": f"{ERRORS}{kind}", "title": title, "detail": f"{title}!", "instance": "bf0c", **more}


@pytest.mark.parametrize(
    ("status_", "answer", "outcome", "refusal", "code"),
    [
        (202, {"message_uuid": UUID}, Outcome.TAKEN, None, None),
        (202, {"message_uuid": UUID, "workflow_id": "w"}, Outcome.TAKEN, None, None),
        (202, {"message_uuid": ""}, Outcome.UNKNOWN, None, None),
        (200, {"title": "hm"}, Outcome.UNKNOWN, None, None),
        (422, problem("/messages#1150", "Invalid params"), Outcome.REFUSED, Refusal.FINAL, "messages:1150"),
        (422, problem("/messages#1100", "Unsupported channel"), Outcome.REFUSED, Refusal.FINAL, "messages:1100"),
        (422, problem("/messages#1060", "Invalid client reference"), Outcome.REFUSED, Refusal.FINAL, "messages:1060"),
        (422, problem("/messages#1240", "Illegal Number"), Outcome.REFUSED, Refusal.FINAL, "messages:1240"),
        (422, problem("#invalid-json", "No JSON"), Outcome.REFUSED, Refusal.FINAL, "messages:invalid-json"),
        (401, problem("/#unathorized", "Who?"), Outcome.REFUSED, Refusal.ACCOUNT, "messages:unathorized"),
        (402, problem("/#low-balance", "Low balance"), Outcome.REFUSED, Refusal.ACCOUNT, "messages:low-balance"),
        (403, problem("/messages#1060", "Barred"), Outcome.REFUSED, Refusal.ACCOUNT, "messages:1060"),
        (404, problem("#not-found", "Not Found"), Outcome.REFUSED, Refusal.FINAL, "messages:not-found"),
        (429, problem("/messages#1000", "Throttled"), Outcome.REFUSED, Refusal.TEMPORARY, "messages:1000"),
        (429, {}, Outcome.REFUSED, Refusal.TEMPORARY, None),
        (404, {"type": "about:blank", "title": "from a proxy"}, Outcome.UNKNOWN, None, None),
        (402, {"detail": "pay"}, Outcome.UNKNOWN, None, None),
        (408, problem("#timeout", "slow"), Outcome.UNKNOWN, None, "messages:timeout"),
        (500, problem("/messages#1030", "Internal error"), Outcome.UNKNOWN, None, "messages:1030"),
        (503, problem("/messages#1000", "Throttled"), Outcome.UNKNOWN, None, "messages:1000"),
    ],
)
def test_what_an_answer_means(status_, answer, outcome, refusal, code):
    """Each answer falls into its class: taken, one of three refusals, or unknown."""
    made = VONAGE.decode(Response(status_, {}, json.dumps(answer).encode()))

    assert (made.outcome, made.refusal, made.error_code, made.carrier) == (outcome, refusal, code, "vonage")
    assert made.carrier_id == (UUID if outcome is Outcome.TAKEN else None)


def test_a_refusal_in_words():
    """A refusal keeps Vonage's own words, out of what is shown."""
    made = VONAGE.decode(Response(422, {}, json.dumps(problem("/messages#1430", "Invalid recipient")).encode()))

    assert made.detail == "Invalid recipient!"
    assert "recipient" not in repr(made)


# --- the other side ----------------------------------------------------------------------------


@pytest.mark.parametrize("why", Why)
def test_each_refusal_of_the_dialect(why):
    """The simulator's refusals are refusals of the kind that they are about."""
    kinds = {Why.BUSY: Refusal.TEMPORARY, Why.ACCOUNT: Refusal.ACCOUNT}

    assert VONAGE.decode(VonageDialect(VONAGE).refused(why)).refusal is kinds.get(why, Refusal.FINAL)


def test_the_dialect_reads_what_we_send():
    """What the simulator reads is what was sent, attempt id and address for receipts included."""
    pictures = ["https://a.example/1.png", "https://a.example/2.png"]
    dialect = VonageDialect(VONAGE)
    expected = Submitted(to="+447700900123", sender="+447700900001", text="Look", attempt_id="a-1", callback=HOOKS)

    for media in ([], pictures[:1], pictures):
        message = Message(status="pending", to="+447700900123", sender="+447700900001", text="Look", media=media)
        read = dialect.read(VONAGE.encode(message, Attempt(attempt_id="a-1")))
        assert (read.media, read.text, read.attempt_id) == (tuple(media), "Look", "a-1")
        assert (read.to, read.sender, read.callback) == (expected.to, expected.sender, expected.callback)
        [receipt] = VONAGE.events(dialect.receipt(read, UUID, "delivered", None, NOW), now=NOW)
        assert (receipt.attempt_id, receipt.carrier_id) == ("a-1", UUID)


def test_the_dialect_makes_ids_from_its_dice():
    """Ids are UUIDs, and the same for the same dice."""
    one, other = (VonageDialect().new_id(Random(1)) for _ in range(2))  # noqa: S311 - dice

    assert one == other
    assert [*map(len, one.split("-"))] == [8, 4, 4, 4, 12]


SMS = {"channel": "sms", "message_type": "text", "to": "447700900123", "from": "ACME", "text": "Hi"}
MMS = {"channel": "mms", "message_type": "image", "to": "12025550143", "from": "12025550100"}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"method": "GET"}, InvalidValue),
        ({"url": "https://api.nexmo.com/v0.1/messages"}, InvalidValue),
        ({"headers": {}}, PermissionError),
        ({"headers": {"Authorization": "Basic YWJjZDEyMzQ6MTIzNDU="}}, InvalidValue),
        ({"body": b"to=1"}, InvalidValue),
        ({"body": {**SMS, "to": "+447700900123"}}, InvalidValue),
        ({"body": {**SMS, "to": "123"}}, InvalidValue),
        ({"body": {**SMS, "from": "+447700900001"}}, InvalidValue),
        ({"body": {**SMS, "from": None}}, InvalidValue),
        ({"body": {**SMS, "text": None}}, InvalidValue),
        ({"body": {**SMS, "text": "a" * 3201}}, InvalidValue),
        ({"body": {**SMS, "client_ref": "a" * 101}}, InvalidValue),
        ({"body": {**SMS, "channel": "fax"}}, InvalidValue),
        ({"body": MMS}, InvalidValue),
        ({"body": {**MMS, "message_type": "gif"}}, InvalidValue),
        ({"body": {**MMS, "image": {"url": "https://a.example/1", "caption": "a" * 3001}}}, InvalidValue),
        ({"body": {**MMS, "message_type": "content", "content": []}}, InvalidValue),
        ({"body": {**MMS, "message_type": "content", "content": [{"type": "gif", "url": "x"}]}}, InvalidValue),
    ],
)
def test_the_dialect_is_as_strict_as_vonage(change, error):
    """A request that Vonage would refuse, the simulator refuses."""
    request = VONAGE.encode(MESSAGE, Attempt())
    given = {"method": request.method, "url": request.url, "headers": request.headers, "body": request.body}
    if isinstance(change.get("body"), dict):
        change = {"body": json.dumps(change["body"]).encode()}

    with pytest.raises(error):
        VonageDialect(VONAGE).read(Request(**{**given, **change}))
