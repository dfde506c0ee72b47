"""Sinch: what it is sent, what its answers mean, and which of its webhooks are believed."""

from __future__ import annotations

import base64
import datetime as dt
import json
from random import Random

import attrs
import pytest

from campaignkit import Attempt, InvalidValue, Keyword, Message, Outcome, Receipt, Reply, Status, WebhookRejected, fold
from campaignkit.backends.carriers import Refusal, Request, Response, Sinch
from campaignkit.backends.carriers.port import basic
from campaignkit.backends.carriers.signing import base64_signature
from campaignkit.testing import CarrierContract
from campaignkit.testing.dialects.base import Submitted, Why
from campaignkit.testing.dialects.sinch import SinchDialect

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
HOOKS = "https://app.example/hooks"
BATCH = "01HZ0000000000000000000001"
SINCH = Sinch(service_plan_id="plan", api_token="not-a-token", webhook_secret="not-a-secret", webhook_url=HOOKS)
BASIC = Sinch(
    service_plan_id="plan",
    api_token="not-a-token",
    webhook_username="sinch",
    webhook_password="not-a-password",
    webhook_url=HOOKS,
)
SUBMITTED = Submitted(
    to="+12025550143", sender="+12025550100", text="Hello", attempt_id="a-1", callback=f"{HOOKS}?attempt=a-1"
)
MESSAGE = Message(status="pending", to="+12025550143", sender="+12025550100", text="Spring sale: 20 % off")

CONTACT = (
    b'{"app_id":"","accepted_time":"2021-10-18T17:49:13.813615Z","project_id":"e2df3a34-a71b-4448-9db5-a8d2baad28e4",'
    b'"contact_create_notification":{"contact":{"id":"01FJA8B466Y0R2GNXD78MD9SM1","channel_identities":'
    b'[{"channel":"SMS","identity":"48123456789","app_id":""}],"display_name":"New Test Contact",'
    b'"email":"new.contact@email.com","external_id":"","metadata":"","language":"EN_US"}},"message_metadata":""}'
)


def signed(body, *, at=NOW, secret="not-a-secret", nonce="n-1", url=HOOKS):
    """Return a webhook, signed as Sinch does it."""
    stamp = str(int(at.timestamp()))
    made = base64_signature(secret, body + f".{nonce}.{stamp}".encode(), "sha256")
    return with_headers(body, made, nonce, stamp, url=url)


def with_headers(body, signature, nonce, stamp, url=HOOKS):
    """Return a webhook with a given signature."""
    headers = {
        "Content-Type": "application/json",
        "x-sinch-webhook-signature": signature,
        "x-sinch-webhook-signature-nonce": nonce,
        "x-sinch-webhook-signature-timestamp": stamp,
        "x-sinch-webhook-signature-algorithm": "HmacSHA256",
    }
    return Request("POST", url, headers, body)


def logged_in(body, *, user="sinch", password="not-a-password"):
    """Return a webhook with a login."""
    return Request("POST", HOOKS, {"Content-Type": "application/json", "Authorization": basic(user, password)}, body)


def report(**more):
    """Return the body of a report about a recipient."""
    said = {
        "type": "recipient_delivery_report_sms",
        "batch_id": BATCH,
        "recipient": "+12025550143",
        "code": 0,
        "status": "Delivered",
        "at": "2026-11-22T11:59:30.120Z",
    }
    return json.dumps({**said, **more}).encode()


def batch(*statuses, **more):
    """Return the body of a report about a batch."""
    said = {"type": "delivery_report_sms", "batch_id": BATCH, "statuses": statuses, "total_message_count": 1}
    return json.dumps({**said, **more}).encode()


def said(kind, body, **more):
    """Return the body of a reply."""
    fields = {"type": kind, "id": "01HY1", "from": "12025550143", "to": "12025550100", "body": body}
    return json.dumps({**fields, **more}).encode()


def events_of(body, **more):
    """Return what a signed body reports."""
    return SINCH.events(signed(body, **more), now=NOW)


def reason_of(carrier, request, now=NOW):
    """Return why a webhook is rejected."""
    with pytest.raises(WebhookRejected) as caught:
        carrier.events(request, now=now)
    return caught.value.reason


class TestSinch(CarrierContract):
    """Sinch keeps what every carrier promises, where its webhooks are signed."""

    dialect = SinchDialect(SINCH)
    carrier = SINCH
    now = NOW
    receipt = dialect.receipt(SUBMITTED, BATCH, "Delivered", None, NOW)
    reply = dialect.reply("+12025550143", "+12025550100", "Hello", "01HY1", NOW)
    taken = dialect.taken(SUBMITTED, BATCH, NOW)
    refused = dialect.refused(Why.INVALID_NUMBER)
    covers_address = False


class TestSinchLogin(CarrierContract):
    """So it does with a login, which covers nothing of what is said."""

    dialect = SinchDialect(BASIC)
    carrier = BASIC
    now = NOW
    receipt = dialect.receipt(SUBMITTED, BATCH, "Delivered", None, NOW)
    reply = dialect.reply("+12025550143", "+12025550100", "Hello", "01HY1", NOW)
    taken = dialect.taken(SUBMITTED, BATCH, NOW)
    refused = dialect.refused(Why.INVALID_NUMBER)
    covers_body = False
    covers_address = False


# --- who makes a request -----------------------------------------------------------------------


def test_published_signature():
    """The vector of Sinch's own library is accepted, about no message; each changed piece is rejected."""
    carrier = Sinch(service_plan_id="plan", api_token="token", webhook_secret="foo_secret1234")
    good = ("6bpJoRmFoXVjfJIVglMoJzYXxnoxRujzR4k2GOXewOE=", "01FJA8B4A7BM43YGWSG9GBV067", "1634579353")
    now = dt.datetime.fromtimestamp(1634579353, dt.UTC)

    assert carrier.events(with_headers(CONTACT, *good), now=now) == []
    for body, signature, nonce, stamp in (
        (CONTACT + b" ", *good),
        (CONTACT, good[0][:-2] + "8=", *good[1:]),
        (CONTACT, good[0], good[1] + "8", good[2]),
        (CONTACT, good[0], good[1], "1634579354"),
    ):
        assert reason_of(carrier, with_headers(body, signature, nonce, stamp), now) == "signature"


@pytest.mark.parametrize("seconds", [301, -301, 10**6])
def test_an_old_signature(seconds):
    """What is signed more than 300 seconds ago, or ahead, is rejected for its time."""
    assert len(events_of(report(), at=NOW - dt.timedelta(seconds=300))) == 1
    assert reason_of(SINCH, signed(report(), at=NOW - dt.timedelta(seconds=seconds))) == "timestamp"


@pytest.mark.parametrize("missing", ["", "-nonce", "-timestamp"])
def test_an_incomplete_signature(missing):
    """A signature without its nonce, its time or itself is none."""
    request = signed(report())
    headers = {name: value for name, value in request.headers.items() if name != f"x-sinch-webhook-signature{missing}"}

    assert reason_of(SINCH, attrs.evolve(request, headers=headers)) == "signature"


def test_a_time_that_is_none():
    """A signed time that is no number is rejected for its time."""
    made = base64_signature("not-a-secret", b"{}.n-1.soon", "sha256")

    assert reason_of(SINCH, with_headers(b"{}", made, "n-1", "soon")) == "timestamp"


def test_a_login():
    """With a login, user and password must be those given, in the header Authorization."""
    assert len(BASIC.events(logged_in(report()), now=NOW)) == 1
    assert reason_of(BASIC, logged_in(report(), user="other")) == "signature"
    assert reason_of(BASIC, logged_in(report(), password="other")) == "signature"
    assert reason_of(BASIC, signed(report())) == "signature"
    assert reason_of(SINCH, logged_in(report())) == "signature"


def test_new_secrets_beside_the_old():
    """While a secret is replaced both verify, and the new token sends."""
    hmac = attrs.evolve(SINCH, webhook_secret=["new", "old"], api_token=["newer", "older"])
    login = attrs.evolve(BASIC, webhook_password=["new", "old"])

    for secret in ("new", "old"):
        assert len(hmac.events(signed(report(), secret=secret), now=NOW)) == 1
        assert len(login.events(logged_in(report(), password=secret), now=NOW)) == 1
    assert reason_of(hmac, signed(report(), secret="other")) == "signature"
    assert hmac.encode(MESSAGE, Attempt()).headers["authorization"] == "Bearer newer"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"webhook_username": "sinch"},
        {"webhook_password": "password"},
        {"webhook_secret": "secret", "webhook_username": "sinch"},
        {"webhook_secret": "secret", "webhook_password": "password"},
        {"webhook_secret": "secret", "webhook_username": "sinch", "webhook_password": "password"},
    ],
)
def test_exactly_one_way(given):
    """None, half of one, or two ways to check a webhook are an error when the carrier is made."""
    with pytest.raises(InvalidValue, match="webhook_secret, or webhook_username and webhook_password, must be given"):
        Sinch(service_plan_id="plan", api_token="token", **given)


def test_secrets_are_never_shown():
    """Neither token, secret nor password is in what is printed."""
    for carrier in (SINCH, BASIC):
        assert "not-a-" not in repr(carrier)


# --- what arrives ------------------------------------------------------------------------------


def test_a_report_about_a_recipient():
    """A receipt has word, batch, parts and times of the carrier, and the attempt id out of the body."""
    body = report(
        client_reference="a-1",
        number_of_message_parts=2,
        operator_status_at="2026-11-22T11:59:29Z",
        encoding="GSM",
        operator="310260",
    )

    events = events_of(body, url=f"{HOOKS}?attempt=a-2")

    assert events == [
        Receipt(
            status="Delivered",
            carrier="sinch",
            carrier_id=BATCH,
            received_at=NOW,
            at=dt.datetime(2026, 11, 22, 11, 59, 29, tzinfo=dt.UTC),
            attempt_id="a-1",
            segments=2,
        )
    ]
    assert events[0].raw == json.loads(body)


@pytest.mark.parametrize(
    ("url", "reference", "attempt_id"),
    [
        (HOOKS, None, None),
        (f"{HOOKS}?attempt=a-2", None, "a-2"),
        (f"{HOOKS}?attempt=a-2", "not an id of ours", "a-2"),
        (HOOKS, "not an id of ours", None),
    ],
)
def test_the_attempt_id_comes_back(url, reference, attempt_id):
    """Where the body holds no id of ours, the address may."""
    [receipt] = events_of(report(client_reference=reference), url=url)

    assert receipt.attempt_id == attempt_id


def test_a_minimal_report():
    """Only type, batch and status must be there."""
    body = json.dumps({"batch_id": BATCH, "status": "Delivered", "type": "recipient_delivery_report_sms"}).encode()

    assert events_of(body) == [Receipt(status="Delivered", carrier="sinch", carrier_id=BATCH, received_at=NOW)]


@pytest.mark.parametrize(
    ("code", "status", "word", "kept"),
    [
        (402, "Rejected", "Rejected", "402"),
        ("402", "REJECTED", "Rejected", "402"),
        (0, "DELIVERED", "Delivered", None),
        ("0", "delivered", "Delivered", None),
        (11, "FAILED", "Failed", "11"),
        (None, "DELETED", "Deleted", None),
        (9999, "TELEPORTED", "TELEPORTED", "9999"),
    ],
)
def test_words_and_codes(code, status, word, kept):
    """Codes may be numbers or text, words in any case; what is in no table is kept as it was written."""
    [receipt] = events_of(report(code=code, status=status))

    assert (receipt.status, receipt.error_code) == (word, kept)
    fold([receipt])


def test_a_failed_receipt_counts_by_its_code():
    """The tables know words and codes of Sinch; where only the word tells why, the word is the code."""
    [routed] = events_of(report(code=402, status="Rejected"))
    [gone] = events_of(report(code=0, status="DELETED"))

    assert (fold([routed]).status, fold([routed]).error_code) == (Status.REJECTED, "402")
    assert (fold([gone]).status, fold([gone]).error_code) == (Status.UNDELIVERED, "@Deleted")


@pytest.mark.parametrize("at", ["", "yesterday", "2026-11-22T11:59:30", "2027-01-01T00:00:00Z", 12, None])
def test_a_time_that_cannot_be_believed(at):
    """A time without a zone, ahead of ours, or that is none costs no receipt."""
    [receipt] = events_of(report(at=at))

    assert receipt.at is None or receipt.at.year == 1970


def test_a_report_about_a_batch():
    """A batch for one person, as ours are, gives a receipt; MMS and capitals are read alike."""
    one = {"code": 402, "count": 1, "recipients": ["12025550143"], "status": "REJECTED"}
    none = {"code": 0, "count": 0, "status": "Delivered"}

    [receipt] = events_of(batch(none, one, type="DELIVERY_REPORT_MMS", client_reference="a-1"))

    assert (receipt.status, receipt.error_code, receipt.carrier_id) == ("Rejected", "402", BATCH)
    assert receipt.attempt_id == "a-1"


@pytest.mark.parametrize(
    "statuses",
    [
        [],
        [{"code": 0, "count": 2, "status": "Delivered", "recipients": ["12025550143", "12025550144"]}],
        [{"code": 0, "count": 1, "status": "Delivered"}, {"code": 402, "count": 1, "status": "Rejected"}],
        [{"code": 0, "status": "Delivered"}],
        ["Delivered"],
    ],
)
def test_a_report_about_a_batch_of_several(statuses):
    """A batch for several people is not ours, and says of no message where it stands."""
    assert events_of(batch(*statuses)) == []


@pytest.mark.parametrize("body", [{"type": "other"}, {"type": 5}, {}, {"type": "delivery_report"}])
def test_what_is_about_no_message_of_ours(body):
    """Other notifications are genuine and ignored."""
    assert events_of(json.dumps(body).encode()) == []


@pytest.mark.parametrize(
    ("text", "keyword"), [("Hello", None), ("Stop!", Keyword.OPT_OUT), ("START", Keyword.OPT_IN), ("", None)]
)
def test_a_reply(text, keyword):
    """A reply says who wrote what to whom and when, and what it asks for."""
    body = said("mo_text", text, received_at="2026-11-22T11:58:00.000Z", sent_at="2026-11-22T11:57:00Z")

    assert events_of(body) == [
        Reply(
            received_at=dt.datetime(2026, 11, 22, 11, 58, tzinfo=dt.UTC),
            dated=True,
            reply_id="01HY1",
            to="+12025550143",
            sender="+12025550100",
            text=text,
            keyword=keyword,
            carrier="sinch",
        )
    ]


def test_a_reply_with_pictures():
    """Text and addresses of an MMS are kept; a file that Sinch could not keep has no address."""
    media = [
        {"url": "https://media.sinch.example/1", "content_type": "image/png", "status": "Uploaded", "code": 0},
        {"content_type": "image/png", "status": "Failed", "code": 1},
    ]

    [reply] = events_of(said("mo_media", {"subject": "Hi", "message": "Look", "media": media}))
    [bare] = events_of(said("mo_media", {"subject": "Hi"}))
    [odd] = events_of(said("mo_media", "text"))

    assert (reply.text, reply.media) == ("Look", ("https://media.sinch.example/1",))
    assert (bare.text, bare.media) == ("Hi", ())
    assert (odd.text, odd.media) == ("", ())


def test_a_binary_reply():
    """A binary message is read as UTF-8; bytes that are none stand as U+FFFD."""
    [plain] = events_of(said("mo_binary", base64.b64encode("ça".encode()).decode(), udh="050003010201"))
    [lossy] = events_of(said("mo_binary", base64.b64encode(b"\xff").decode()))

    assert (plain.text, plain.lossy) == ("ça", False)
    assert (lossy.text, lossy.lossy) == ("�", True)


@pytest.mark.parametrize(
    "body",
    [
        report(batch_id=None),
        report(status=""),
        said("mo_text", "Hello", id=None),
        said("mo_text", "Hello", **{"from": None}),
        said("mo_binary", "not base64"),
        batch({"code": 0, "count": 1, "status": "Delivered"}, batch_id=None),
        b"[]",
        b'{"type": "mo_text", "type": "mo_text"}',
    ],
)
def test_what_must_be_there(body):
    """A receipt without its batch, a reply without its writer, and what is no JSON object are malformed."""
    assert reason_of(SINCH, signed(body)) == "malformed"


# --- sending -----------------------------------------------------------------------------------


def test_a_message_is_handed_over():
    """Method, address, credentials, type and every field are those of Sinch's description."""
    request = SINCH.encode(MESSAGE, Attempt(attempt_id="a-1"))

    assert request.method == "POST"
    assert request.url == "https://us.sms.api.sinch.com/xms/v1/plan/batches"
    assert dict(request.headers) == {
        "authorization": "Bearer not-a-token",
        "content-type": "application/json",
        "accept": "application/json",
    }
    assert json.loads(request.body) == {
        "to": ["+12025550143"],
        "from": "+12025550100",
        "type": "mt_text",
        "body": "Spring sale: 20 % off",
        "delivery_report": "per_recipient",
        "client_reference": "a-1",
        "callback_url": "https://app.example/hooks?attempt=a-1",
    }


@pytest.mark.parametrize("text", [None, "Look"])
def test_a_picture(text):
    """A picture makes it an MMS; without an address and an attempt id none is named; other regions are addresses."""
    carrier = attrs.evolve(SINCH, webhook_url=None, api_url="https://eu.sms.api.sinch.com")
    message = attrs.evolve(MESSAGE, text=text, media=["https://a.example/1.jpg"])

    request = carrier.encode(message, Attempt())

    assert request.url == "https://eu.sms.api.sinch.com/xms/v1/plan/batches"
    assert json.loads(request.body) == {
        "to": ["+12025550143"],
        "from": "+12025550100",
        "type": "mt_media",
        "body": {"url": "https://a.example/1.jpg"} | ({"message": text} if text else {}),
        "delivery_report": "per_recipient",
    }


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sender": None}, "sender is None: sinch needs a number"),
        ({"text": None}, "text is None: there is nothing to send"),
        ({"text": "a" * 2001}, "text has 2,001 characters: sinch takes 2,000; shorten it"),
        ({"media": ["https://a.example/1", "https://a.example/2"]}, "media is 2 files: sinch takes 1; send fewer"),
    ],
)
def test_what_cannot_be_sent(change, sentence):
    """What breaks a limit is refused before it is sent, in one sentence."""
    with pytest.raises(InvalidValue) as caught:
        SINCH.encode(attrs.evolve(MESSAGE, **change), Attempt())

    assert str(caught.value).startswith(sentence)


def test_an_address_that_is_too_long():
    """An address for receipts that Sinch would not take is refused."""
    carrier = attrs.evolve(SINCH, webhook_url=f"{HOOKS}?{'a' * 2040}")

    with pytest.raises(InvalidValue, match="webhook_url has 2,066 characters: sinch takes 2,048; shorten it"):
        carrier.encode(MESSAGE, Attempt())


@pytest.mark.parametrize(
    ("status_", "answer", "outcome", "refusal", "code"),
    [
        (201, {"id": BATCH, "to": ["+12025550143"], "canceled": False}, Outcome.TAKEN, None, None),
        (201, {"id": BATCH, "canceled": "False"}, Outcome.TAKEN, None, None),
        (201, {"id": BATCH, "to": ["+12025550143"], "canceled": True}, Outcome.REFUSED, Refusal.FINAL, "canceled"),
        (201, {"id": BATCH, "to": [], "canceled": False}, Outcome.REFUSED, Refusal.FINAL, None),
        (201, {"to": ["+12025550143"]}, Outcome.UNKNOWN, None, None),
        (400, {"code": "syntax_invalid_json", "text": "no"}, Outcome.REFUSED, Refusal.FINAL, "syntax_invalid_json"),
        (403, {"code": "blocked_account", "text": "no"}, Outcome.REFUSED, Refusal.ACCOUNT, "blocked_account"),
        (
            400,
            {"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}},
            Outcome.REFUSED,
            Refusal.FINAL,
            "INVALID_ARGUMENT",
        ),
        (401, {}, Outcome.REFUSED, Refusal.ACCOUNT, None),
        (429, {"code": "too_many_requests", "text": "slow"}, Outcome.REFUSED, Refusal.TEMPORARY, "too_many_requests"),
        (404, {"code": 404}, Outcome.UNKNOWN, None, None),
        (408, {"code": "timeout", "text": "slow"}, Outcome.UNKNOWN, None, "timeout"),
        (500, {"code": "unknown", "text": "down"}, Outcome.UNKNOWN, None, "unknown"),
        (503, {}, Outcome.UNKNOWN, None, None),
    ],
)
def test_what_an_answer_means(status_, answer, outcome, refusal, code):
    """Each answer falls into its class: taken, one of three refusals, or unknown."""
    made = SINCH.decode(Response(status_, {}, json.dumps(answer).encode()))

    assert (made.outcome, made.refusal, made.error_code, made.carrier) == (outcome, refusal, code, "sinch")
    assert made.carrier_id == (BATCH if outcome is Outcome.TAKEN else None)


# --- the other side ----------------------------------------------------------------------------


@pytest.mark.parametrize("media", [(), ("https://a.example/1.jpg",)])
def test_the_dialect_reads_what_we_send(media):
    """What the simulator reads is what was sent, attempt id and address for receipts included."""
    request = SINCH.encode(attrs.evolve(MESSAGE, media=media), Attempt(attempt_id="a-1"))

    assert SinchDialect(SINCH).read(request) == Submitted(
        to="+12025550143",
        sender="+12025550100",
        text="Spring sale: 20 % off",
        media=media,
        attempt_id="a-1",
        callback="https://app.example/hooks?attempt=a-1",
    )


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"method": "GET"}, InvalidValue),
        ({"url": "https://us.sms.api.sinch.com/xms/v1/other/batches"}, InvalidValue),
        ({"headers": {}}, PermissionError),
        ({"headers": {"Authorization": "Bearer not-a-token"}}, InvalidValue),
        ({"body": b'{"to": "+12025550143", "from": "1", "body": "Hi"}'}, InvalidValue),
        ({"body": b'{"to": ["1", "2"], "from": "1", "body": "Hi"}'}, InvalidValue),
        ({"body": b'{"to": ["1"], "from": "1"}'}, InvalidValue),
        ({"body": b'{"to": ["1"], "type": "mt_media", "body": {"message": "Hi"}}'}, InvalidValue),
        ({"body": b'{"to": ["1"], "type": "mt_other", "body": "Hi"}'}, InvalidValue),
        ({"body": b'{"to": ["1"], "body": "Hi", "delivery_report": "always"}'}, InvalidValue),
        ({"body": b'{"to": ["1"], "body": "%s"}' % (b"a" * 2001)}, InvalidValue),
    ],
)
def test_the_dialect_is_as_strict_as_sinch(change, error):
    """A request that Sinch would refuse, the simulator refuses."""
    request = SINCH.encode(MESSAGE, Attempt())
    given = {"method": request.method, "url": request.url, "headers": request.headers, "body": request.body}

    with pytest.raises(error):
        SinchDialect(SINCH).read(Request(**{**given, **change}))


def test_the_dialect_makes_up_an_account():
    """Without a host's carrier the simulator invents one; any word is written as given."""
    dialect = SinchDialect()
    ids = [dialect.new_id(Random(seed)) for seed in (1, 1, 2)]  # noqa: S311 - the same in every run
    plain = Submitted(to="+12025550143", sender=None, text="", media=("https://a.example/1.jpg",))

    assert ids[0] == ids[1] != ids[2]
    assert sum(dialect.failures.values()) == 100
    for word, code, kept in (("Dispatched", None, "401"), ("teleported", "odd", "odd"), ("Failed", "404", "404")):
        [receipt] = dialect.carrier.events(dialect.receipt(plain, BATCH, word, code, NOW), now=NOW)
        assert (receipt.status, receipt.error_code, receipt.attempt_id) == (word, kept, None)
