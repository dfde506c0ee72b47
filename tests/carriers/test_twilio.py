"""Twilio: what it is sent, what its answers mean, and which of its webhooks are believed."""

from __future__ import annotations

import datetime as dt
import json
from urllib.parse import parse_qsl, urlencode

import pytest
from twilio.request_validator import RequestValidator

from campaignkit import Attempt, InvalidValue, Keyword, Message, Outcome, Receipt, Reply, Status, WebhookRejected, fold
from campaignkit.backends.carriers import Refusal, Request, Response, Twilio
from campaignkit.testing import CarrierContract
from campaignkit.testing.dialects.base import Submitted, Why
from campaignkit.testing.dialects.twilio import TwilioDialect

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
FORM = "application/x-www-form-urlencoded"
HOOKS = "https://app.example/hooks"
SID = f"SM{'1' * 32}"
ACCOUNT = f"AC{'0' * 32}"
TWILIO = Twilio(account_sid=ACCOUNT, auth_token="12345", webhook_url=HOOKS)
MESSAGE = Message(status="pending", to="+12025550143", sender="+12025550100", text="Spring sale: 20 % off")

CALL = {
    "CallSid": "CA1234567890ABCDE",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
    "Caller": "+14158675309",
}


def posted(form, *, url=HOOKS, token="12345", signature=None, kind=FORM):
    """Return a webhook, signed by Twilio's own library unless a signature is given."""
    pairs = list(form.items()) if isinstance(form, dict) else form
    by_name = {name: [value for other, value in pairs if other == name] for name, _ in pairs}
    signed = {name: values if len(values) > 1 else values[0] for name, values in by_name.items()}
    made = RequestValidator(token).compute_signature(url, signed) if signature is None else signature
    return Request("POST", url, {"Content-Type": kind, "X-Twilio-Signature": made}, urlencode(pairs).encode())


def status(word, **more):
    """Return the fields of a status callback."""
    return {"AccountSid": ACCOUNT, "MessageSid": SID, "MessageStatus": word, "To": "+12025550143", **more}


def reason_of(carrier, request, now=NOW):
    """Return why a webhook is rejected."""
    with pytest.raises(WebhookRejected) as caught:
        carrier.events(request, now=now)
    return caught.value.reason


class TestTwilio(CarrierContract):
    """Twilio keeps what every carrier promises."""

    dialect = TwilioDialect(TWILIO)
    carrier = TWILIO
    now = NOW
    submitted = Submitted(to="+12025550143", sender="+12025550100", text="Hello")
    receipt = dialect.receipt(submitted, SID, "delivered", None, NOW)
    reply = dialect.reply("+12025550143", "+12025550100", "Hello", SID, NOW)
    taken = dialect.taken(submitted, SID, NOW)
    refused = dialect.refused(Why.INVALID_NUMBER)


# --- signatures --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "params", "signature"),
    [
        ("https://mycompany.com/myapp.php?foo=1&bar=2", [*CALL.items()], "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (
            "https://mycompany.com/myapp.php?foo=1&bar=2",
            [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")],
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
        ),
        ("http://mycompany.com:1234/myapp.php?foo=1&bar=2", [*CALL.items()], "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        ("https://mycompany.com:443/myapp.php?foo=1&bar=2", [*CALL.items()], "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("http://mycompany.com:80/myapp.php?foo=1&bar=2", [*CALL.items()], "0ZXoZLH/DfblKGATFgpif+LLRf4="),
    ],
)
def test_published_signatures(url, params, signature):
    """The vectors of Twilio's own library are accepted, and about no message."""
    carrier = Twilio(account_sid="AC0", auth_token="12345")

    assert carrier.events(posted(params, url=url, signature=signature), now=NOW) == []
    assert reason_of(carrier, posted([*params, ("More", "")], url=url, signature=signature)) == "signature"


def test_published_signature_of_json():
    """A body of JSON is covered by its hash in the address; another body is rejected."""
    url = (
        "https://mycompany.com/myapp.php?foo=1&bar=2"
        "&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
    )
    headers = {"Content-Type": "application/json", "X-Twilio-Signature": "a9nBmqA0ju/hNViExpshrM61xv4="}
    carrier = Twilio(account_sid="AC0", auth_token="12345")

    assert carrier.events(Request("POST", url, headers, b'{"property": "value", "boolean": true}'), now=NOW) == []
    assert reason_of(carrier, Request("POST", url, headers, b'{"property": "value", "boolean": false}')) == "signature"


def test_our_signatures_satisfy_twilios_library():
    """What the simulator signs, Twilio's own validator accepts."""
    dialect = TwilioDialect(TWILIO)
    submitted = Submitted(to="+12025550143", sender="+12025550100", text="é", callback=f"{HOOKS}?attempt=a1")
    validator = RequestValidator("12345")

    for request in (
        dialect.receipt(submitted, SID, "delivered", None, NOW),
        dialect.reply("+12025550143", "+12025550100", "ça va ☺", SID, NOW),
    ):
        form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        assert validator.validate(request.url, form, request.headers["x-twilio-signature"])


@pytest.mark.parametrize(
    ("signed_for", "called", "accepted"),
    [
        ("https://app.example/hooks", "https://app.example/hooks", True),
        ("https://app.example:443/hooks", "https://app.example/hooks", True),
        ("https://app.example/hooks", "https://app.example:443/hooks", True),
        ("https://app.example:8443/hooks", "https://app.example:8443/hooks", True),
        ("https://app.example/hooks?a=1&b=2", "https://app.example/hooks?a=1&b=2", True),
        ("https://app.example/hooks/", "https://app.example/hooks", False),
        ("https://APP.example/hooks", "https://app.example/hooks", False),
        ("https://app.example/a%2Fb", "https://app.example/a/b", False),
        ("https://app.example/hooks?a=1&b=2", "https://app.example/hooks?b=2&a=1", False),
        ("https://app.example:8443/hooks", "https://app.example/hooks", False),
        ("http://app.example/hooks", "https://app.example/hooks", False),
    ],
)
def test_variants_of_an_address(signed_for, called, accepted):
    """With and without the usual port is one address; every other difference is another one."""
    carrier = Twilio(account_sid="AC0", auth_token="12345")
    request = posted(status("delivered"), url=signed_for)
    arrived = Request("POST", called, request.headers, request.body)

    if accepted:
        assert len(carrier.events(arrived, now=NOW)) == 1
    else:
        assert reason_of(carrier, arrived) == "signature"


def test_a_new_token_beside_the_old():
    """While a token is replaced both verify, and the new one sends."""
    carrier = Twilio(account_sid="AC0", auth_token=["new", "old"], webhook_url=HOOKS)

    for token in ("new", "old"):
        assert len(carrier.events(posted(status("sent"), token=token), now=NOW)) == 1
    assert reason_of(carrier, posted(status("sent"), token="other")) == "signature"
    assert carrier.encode(MESSAGE, Attempt()).headers["authorization"] == "Basic QUMwOm5ldw=="


# --- what arrives ------------------------------------------------------------------------------


def test_a_delivered_receipt():
    """A receipt has the carrier's word and id, and the attempt id that came back in the address."""
    form = status("delivered", RawDlrDoneDate="2611221206")

    events = TWILIO.events(posted(form, url=f"{HOOKS}?attempt=a-1"), now=NOW)

    assert events == [
        Receipt(status="delivered", carrier="twilio", carrier_id=SID, received_at=NOW, attempt_id="a-1"),
    ]
    assert events[0].raw == form


def test_a_failed_receipt_counts_by_its_code():
    """Error codes arrive as Twilio writes them, and fold knows them."""
    [receipt] = TWILIO.events(posted(status("undelivered", ErrorCode="30005")), now=NOW)

    state = fold([receipt])

    assert (state.status, state.error_code) == (Status.UNDELIVERED, "30005")


def test_an_unknown_word_is_kept():
    """A word that is in no table is a receipt all the same."""
    [receipt] = TWILIO.events(posted(status("teleported")), now=NOW)

    assert receipt.status == "teleported"
    assert fold([receipt]).unknown_words == {"teleported"}


@pytest.mark.parametrize("word", ["receiving", "received"])
def test_a_receipt_about_a_reply_is_ignored(word):
    """What Twilio reports about replies is about no message of ours."""
    assert TWILIO.events(posted(status(word)), now=NOW) == []


@pytest.mark.parametrize(
    ("more", "keyword"),
    [
        ({"Body": "Hello"}, None),
        ({"Body": "stop"}, Keyword.OPT_OUT),
        ({"Body": "arrêt"}, Keyword.OPT_OUT),
        ({"Body": "please no", "OptOutType": "STOP"}, Keyword.OPT_OUT),
        ({"Body": "OUI", "OptOutType": "START"}, Keyword.OPT_IN),
        ({"Body": "?", "OptOutType": "HELP"}, Keyword.HELP),
        ({"Body": ""}, None),
    ],
)
def test_a_reply(more, keyword):
    """A reply says who wrote what to whom, and what it asks for: Twilio's word for it, or its text."""
    form = {"AccountSid": ACCOUNT, "MessageSid": SID, "From": "+12025550143", "To": "+12025550100", "NumMedia": "0"}

    assert TWILIO.events(posted({**form, **more}), now=NOW) == [
        Reply(
            received_at=NOW,
            reply_id=SID,
            to="+12025550143",
            sender="+12025550100",
            account_id=ACCOUNT,
            text=more["Body"],
            keyword=keyword,
            carrier="twilio",
        )
    ]


def test_a_reply_with_pictures():
    """The addresses of what came with it are kept, as many as Twilio counts."""
    media = {f"MediaUrl{i}": f"https://api.twilio.example/{i}" for i in range(3)}
    form = {"MessageSid": SID, "From": "+12025550143", "To": "+12025550100", "Body": "", "NumMedia": "2", **media}

    [reply] = TWILIO.events(posted(form), now=NOW)

    assert reply.media == ("https://api.twilio.example/0", "https://api.twilio.example/1")


@pytest.mark.parametrize(
    "form",
    [
        {"MessageStatus": "delivered"},
        {"MessageStatus": "delivered", "MessageSid": " "},
        {"Body": "Hello", "MessageSid": SID},
        {"Body": "Hello", "From": "+12025550143"},
    ],
)
def test_what_must_be_there(form):
    """A receipt without its message, and a reply without its writer, are malformed."""
    assert reason_of(TWILIO, posted(form)) == "malformed"


# --- sending -----------------------------------------------------------------------------------


def test_a_message_is_handed_over():
    """Method, address, credentials, type and every field are those of Twilio's description."""
    request = TWILIO.encode(MESSAGE, Attempt(attempt_id="a-1"))

    assert request.method == "POST"
    assert request.url == f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    assert dict(request.headers) == {
        "authorization": "Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDoxMjM0NQ==",
        "content-type": FORM,
        "accept": "application/json",
    }
    assert parse_qsl(request.body.decode()) == [
        ("To", "+12025550143"),
        ("From", "+12025550100"),
        ("Body", "Spring sale: 20 % off"),
        ("StatusCallback", "https://app.example/hooks?attempt=a-1"),
    ]


def test_a_service_a_key_and_pictures():
    """A Messaging Service, an API key and media take their own fields; without an address none is named."""
    service = f"MG{'2' * 32}"
    carrier = Twilio(account_sid="AC0", auth_token="12345", api_key=("SK1", "key"))
    message = Message(status="pending", to="+12025550143", sender=service, media=["https://a.example/1.jpg"] * 2)

    request = carrier.encode(message, Attempt())

    assert request.headers["authorization"] == "Basic U0sxOmtleQ=="
    assert parse_qsl(request.body.decode()) == [
        ("To", "+12025550143"),
        ("MessagingServiceSid", service),
        ("MediaUrl", "https://a.example/1.jpg"),
        ("MediaUrl", "https://a.example/1.jpg"),
    ]


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (Message(status="pending", to="+12025550143", text="Hi"), "sender is None: twilio needs a number"),
        (Message(status="pending", to="+12025550143", sender="ACME"), "text is None: there is nothing to send"),
        (
            Message(status="pending", to="+12025550143", sender="ACME", text="a" * 1601),
            "text has 1,601 characters: twilio takes 1,600; shorten it",
        ),
        (
            Message(status="pending", to="+12025550143", sender="ACME", media=["https://a.example/1"] * 11),
            "media is 11 files: twilio takes 10; send fewer",
        ),
    ],
)
def test_what_cannot_be_sent(message, sentence):
    """What breaks a limit is refused before it is sent, in one sentence."""
    with pytest.raises(InvalidValue) as caught:
        TWILIO.encode(message, Attempt())

    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("status_", "answer", "outcome", "refusal", "code"),
    [
        (201, {"sid": SID, "num_segments": "2"}, Outcome.TAKEN, None, None),
        (200, {"status": "queued"}, Outcome.UNKNOWN, None, None),
        (400, {"code": 21211, "message": "no number"}, Outcome.REFUSED, Refusal.FINAL, "21211"),
        (400, {"code": 21610, "message": "opted out"}, Outcome.REFUSED, Refusal.FINAL, "21610"),
        (400, {"code": 99999, "message": "new"}, Outcome.REFUSED, Refusal.FINAL, "99999"),
        (401, {"code": 20003, "message": "who?"}, Outcome.REFUSED, Refusal.ACCOUNT, "20003"),
        (403, {"detail": "no"}, Outcome.REFUSED, Refusal.ACCOUNT, None),
        (429, {"code": 20429, "message": "slow"}, Outcome.REFUSED, Refusal.TEMPORARY, "20429"),
        (429, {"code": 21611, "message": "full"}, Outcome.REFUSED, Refusal.TEMPORARY, "21611"),
        (404, {"error": "from a proxy"}, Outcome.UNKNOWN, None, None),
        (408, {"code": 20408, "message": "slow"}, Outcome.UNKNOWN, None, "20408"),
        (503, {"code": 20503, "message": "down"}, Outcome.UNKNOWN, None, "20503"),
        (500, {}, Outcome.UNKNOWN, None, None),
    ],
)
def test_what_an_answer_means(status_, answer, outcome, refusal, code):
    """Each answer falls into its class: taken, one of three refusals, or unknown."""
    made = TWILIO.decode(Response(status_, {}, json.dumps(answer).encode()))

    assert (made.outcome, made.refusal, made.error_code, made.carrier) == (outcome, refusal, code, "twilio")
    assert made.carrier_id == (SID if outcome is Outcome.TAKEN else None)
    assert made.segments == (2 if outcome is Outcome.TAKEN else None)


# --- the other side ----------------------------------------------------------------------------


def test_the_dialect_reads_what_we_send():
    """What the simulator reads is what was sent, attempt id and address for receipts included."""
    submitted = TwilioDialect(TWILIO).read(TWILIO.encode(MESSAGE, Attempt(attempt_id="a-1")))

    assert submitted == Submitted(
        to="+12025550143",
        sender="+12025550100",
        text="Spring sale: 20 % off",
        attempt_id="a-1",
        callback="https://app.example/hooks?attempt=a-1",
    )


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"method": "GET"}, InvalidValue),
        ({"url": "https://api.twilio.com/2010-04-01/Accounts/AC9/Messages.json"}, InvalidValue),
        ({"headers": {}}, PermissionError),
        (
            {"headers": {"Authorization": "Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDoxMjM0NQ=="}},
            InvalidValue,
        ),
        ({"body": b"To=%2B12025550143&From=ACME"}, InvalidValue),
        ({"body": b"To=%2B12025550143&Body=Hi"}, InvalidValue),
        ({"body": f"To=%2B12025550143&From=ACME&Body={'a' * 1601}".encode()}, InvalidValue),
    ],
)
def test_the_dialect_is_as_strict_as_twilio(change, error):
    """A request that Twilio would refuse, the simulator refuses."""
    request = TWILIO.encode(MESSAGE, Attempt())
    given = {"method": request.method, "url": request.url, "headers": request.headers, "body": request.body}

    with pytest.raises(error):
        TwilioDialect(TWILIO).read(Request(**{**given, **change}))
