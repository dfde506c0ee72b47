"""Vonage's older SMS API: what it is sent, what its answers mean part by part, which webhooks are believed."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from random import Random
from urllib.parse import parse_qsl, urlencode

import attrs
import pytest
from vonage_http_client.auth import Auth
from vonage_sms.requests import SmsMessage
from vonage_sms.responses import SmsResponse

from campaignkit import Attempt, InvalidValue, Keyword, Message, Outcome, Receipt, Reply, Status, WebhookRejected, fold
from campaignkit.backends.carriers import Refusal, Request, Response, UnverifiedWebhook, VonageSms
from campaignkit.backends.carriers.vonagesms import sign
from campaignkit.testing import CarrierContract
from campaignkit.testing.dialects.base import Submitted, Why
from campaignkit.testing.dialects.vonagesms import VonageSmsDialect

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
FORM = "application/x-www-form-urlencoded"
HOOKS = "https://app.example/hooks"
ID = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
OTHER = "bbbbbbbb-bbbb-4ccc-8ddd-0123456789ab"
SMS = VonageSms(api_key="abcd1234", api_secret="12345", signature_secret="secret", webhook_url=HOOKS)
MESSAGE = Message(status="pending", to="+447700900123", sender="ACME", text="Spring sale: 20 % off")
SUBMITTED = Submitted(to="+447700900123", sender="ACME", text="Hello", attempt_id="a-1")
METHODS = ("md5hash", "md5", "sha1", "sha256", "sha512")
STYLES = ("get", "form", "json")
SHA512 = (
    "812a18f76680fa0fe1b8bd9ee1625466ceb1bd96242e4d050d2cfd9a7b40166c"
    "63ed26ec9702168781b6edcf1633db8ff95af9341701004eec3fcf9550572ee8"
)


def carrier_of(method):
    """Return a carrier whose account signs by a method."""
    return attrs.evolve(SMS, signature_method=method)


def webhook(fields, style="form"):
    """Return a webhook with these fields, made one of three ways."""
    pairs = [*fields.items()] if isinstance(fields, dict) else fields
    if style == "get":
        return Request("GET", f"{HOOKS}?{urlencode(pairs, encoding='latin-1')}")
    if style == "form":
        return Request("POST", HOOKS, {"Content-Type": FORM}, urlencode(pairs, encoding="latin-1").encode())
    body = fields if isinstance(fields, bytes) else json.dumps(dict(pairs)).encode()
    return Request("POST", HOOKS, {"Content-Type": "application/json"}, body)


def signed(fields, *, at=NOW, secret="secret"):
    """Return fields with a time and a signature, by the hand of somebody who knows the recipe."""
    full = {**fields, "timestamp": str(int(at.timestamp())), "nonce": "n-1"}
    written = "".join(f"&{name}={full[name].replace('&', '_').replace('=', '_')}" for name in sorted(full))
    return {**full, "sig": sign(written.encode("latin-1"), secret, "md5hash")}


def receipt(word="delivered", **more):
    """Return the fields of a receipt."""
    return {"msisdn": "447700900123", "to": "ACME", "messageId": ID, "status": word, "price": "0.0333", **more}


def said(**more):
    """Return the fields of a message from a person."""
    fields = {"msisdn": "447700900123", "to": "447700900001", "messageId": ID, "type": "text", "api-key": "abcd1234"}
    return {**fields, "text": "Hello", "keyword": "HELLO", **more}


def reason_of(carrier, request, now=NOW):
    """Return why a webhook is rejected."""
    with pytest.raises(WebhookRejected) as caught:
        carrier.events(request, now=now)
    return caught.value.reason


def answer(*parts, status=200, **more):
    """Return an answer of the API with these parts."""
    content = {"message-count": str(len(parts)), "messages": parts, **more}
    return Response(status, {"Content-Type": "application/json"}, json.dumps(content).encode())


def taken(carrier_id=ID, **more):
    """Return a part that was taken."""
    return {"to": "447700900123", "message-id": carrier_id, "status": "0", "network": "23410", **more}


def refused(code, words="No."):
    """Return a part that was refused."""
    return {"status": code, "error-text": words}


class Contract(CarrierContract):
    """What it keeps whichever way its webhooks come."""

    dialect = VonageSmsDialect()
    carrier = dialect.carrier
    now = NOW
    taken = dialect.taken(SUBMITTED, ID, NOW)
    refused = dialect.refused(Why.INVALID_NUMBER)


def made(style):
    """Return a receipt and a reply, made one of three ways."""
    dialect = VonageSmsDialect()
    dialect.style = style
    return (
        dialect.receipt(SUBMITTED, ID, "failed", "2", NOW),
        dialect.reply("+447700900123", "+447700900001", "Hello", ID, NOW),
    )


class TestJson(Contract):
    """Vonage's older API keeps what every carrier promises, with webhooks of JSON."""

    receipt, reply = made("json")


class TestForm(Contract):
    """Vonage's older API keeps what every carrier promises, with webhooks that are forms."""

    receipt, reply = made("form")


class TestQuery(Contract):
    """Vonage's older API keeps what every carrier promises, with webhooks that are queries."""

    receipt, reply = made("get")


# --- signatures --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "signature"),
    [
        ("md5hash", "6af838ef94998832dbfc29020b564830"),
        ("md5", "c15c21ced558c93a226c305f58f902f2"),
        ("sha1", "3e19a4e6880fdc2c1426bfd0587c98b9532f0210"),
        ("sha256", "a321e824b9b816be7c3f28859a31749a098713d39f613c80d455bbaffae1cd24"),
        ("sha512", SHA512),
    ],
)
def test_published_signatures(method, signature):
    """The vectors of Vonage's own library are accepted by their method alone, in any case, and about no message."""
    then = dt.datetime.fromtimestamp(1461605396, dt.UTC)
    fields = {"a": "1", "b": "2", "timestamp": "1461605396"}

    for sig in (signature, signature.upper()):
        assert carrier_of(method).events(webhook({**fields, "sig": sig}), now=then) == []
    for other in set(METHODS) - {method}:
        assert reason_of(carrier_of(other), webhook({**fields, "sig": signature}), then) == "signature"
    assert reason_of(carrier_of(method), webhook({**fields, "b": "3", "sig": signature}), then) == "signature"


@pytest.mark.parametrize(
    ("fields", "method", "signature"),
    [
        ({"param1": "value1", "param2": "value2"}, "md5", "724c2bf6ca423c36e20631b11d1c5753"),
        (
            {"param1": "value1", "param2": "value2"},
            "sha256",
            "280c4320703dbc98bfa22db676655ed2acfbfe8792b062ff7622e67f1183c287",
        ),
        ({"param1": "value&1", "param2": "value=2"}, "md5", "2bbf0abafb2c55e5af6231513896a2ac"),
        ({"param": "value"}, "md5", "655a4d0b7f064dff438defc52b012cf5"),
    ],
)
def test_more_published_signatures(fields, method, signature):
    """Those of its newer library too, with what must not be in a value."""
    then = dt.datetime.fromtimestamp(1234567890, dt.UTC)
    carrier = attrs.evolve(carrier_of(method), signature_secret="signature_secret")

    for style in STYLES:
        request = webhook({**fields, "timestamp": "1234567890", "sig": signature}, style)
        assert carrier.events(request, now=then) == []


@pytest.mark.parametrize("method", METHODS[1:])
@pytest.mark.parametrize("style", STYLES)
def test_vonages_library_signs(method, style):
    """What Vonage's own library signs we accept, whichever way it is sent."""
    library = Auth(api_key="abcd1234", signature_secret="secret", signature_method=method)
    fields = {**said(text="a&b=c"), "timestamp": str(int(NOW.timestamp())), "nonce": "n"}
    request = webhook({**fields, "sig": library.sign_params(dict(fields))}, style)

    [reply] = carrier_of(method).events(request, now=NOW)

    assert reply.text == "a&b=c"


@pytest.mark.parametrize("method", METHODS[1:])
@pytest.mark.parametrize("style", STYLES)
def test_our_signatures_satisfy_vonages_library(method, style):
    """What the simulator signs, Vonage's own library accepts."""
    dialect = VonageSmsDialect(carrier_of(method))
    dialect.style = style
    library = Auth(api_key="abcd1234", signature_secret="secret", signature_method=method)

    for request in (
        dialect.receipt(Submitted(to="+447700900123", sender="é&=", text="x"), ID, "delivered", None, NOW),
        dialect.reply("+447700900123", "+447700900001", "ça & va = ☺", ID, NOW),
    ):
        sent = request.url.partition("?")[2] if style == "get" else request.body.decode()
        fields = json.loads(sent) if style == "json" else dict(parse_qsl(sent, keep_blank_values=True))
        assert library.check_signature(fields)
        assert len(dialect.carrier.events(request, now=NOW)) == 1


@pytest.mark.parametrize("name", signed(receipt(**{"err-code": "0", "client-ref": "a-1"})))
def test_every_field_is_signed(name):
    """Whatever field is changed, left out or given twice, the signature is wrong."""
    fields = signed(receipt(**{"err-code": "0", "client-ref": "a-1"}))
    rest = {other: value for other, value in fields.items() if other != name}

    for style in STYLES:
        assert reason_of(SMS, webhook({**rest, name: fields[name] + "1"}, style)) == "signature"
        assert reason_of(SMS, webhook(rest, style)) == "signature"
    assert reason_of(SMS, webhook([*fields.items(), (name, fields[name])])) == "signature"
    assert reason_of(SMS, webhook([(name, "x"), *fields.items()], "get")) == "signature"


def test_a_field_cannot_be_hidden_in_a_name():
    """Two fields written as one with a strange name sign alike, and are rejected all the same."""
    fields = signed({"messageId": ID, "msisdn": "447700900123", "status": "failed"})
    hidden = {f"nonce=n-1&status={fields['status']}&timestamp": fields["timestamp"], "sig": fields["sig"]}
    rest = {name: fields[name] for name in ("messageId", "msisdn")}

    assert reason_of(SMS, webhook({**rest, **hidden})) == "signature"
    assert len(SMS.events(webhook(fields), now=NOW)) == 1


def test_what_the_signature_does_not_cover():
    """As Vonage signs, ``&``, ``=`` and ``_`` in a text can be exchanged; its documentation page says so."""
    fields = signed(said(text="a_b"))

    [reply] = SMS.events(webhook({**fields, "text": "a&b"}), now=NOW)

    assert reply.text == "a&b"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"no",
        b'{"sig": 1}',
        b'{"a":"1","a":"1","sig":"x"}',
        b"[" * 9_000,
        b'{"sig":"x","a":{}}',
    ],
)
def test_json_that_cannot_be_signed(body):
    """JSON in which no signature can be looked for has none."""
    assert reason_of(SMS, webhook(body, "json")) == "signature"


@pytest.mark.parametrize("sig", ["", "0", "ü", "☺" * 99, "6af838ef94998832dbfc29020b564830"])
def test_a_wrong_signature(sig):
    """A signature that is empty, junk or about something else is wrong, and so is none."""
    fields = signed(receipt())

    for style in STYLES:
        changed = {**fields, "sig": sig.encode().decode("latin-1")}
        assert reason_of(SMS, webhook(changed, style)) == "signature"
    del fields["sig"]
    assert reason_of(SMS, webhook(fields)) == "signature"


@pytest.mark.parametrize(
    ("seconds", "accepted"), [(0, True), (300, True), (-300, True), (301, False), (-301, False), (10**7, False)]
)
def test_the_time_of_a_webhook(seconds, accepted):
    """The signed time may lie 5 minutes from ours, either way."""
    request = webhook(signed(receipt(), at=NOW - dt.timedelta(seconds=seconds)))

    if accepted:
        assert len(SMS.events(request, now=NOW)) == 1
    else:
        assert reason_of(SMS, request) == "timestamp"


@pytest.mark.parametrize("stamp", [None, "", "soon", "-1", "1e9", "9" * 400, "٣"])
def test_a_time_that_is_none(stamp):
    """A signed webhook without a time in seconds is too old for ever."""
    fields = receipt() if stamp is None else {**receipt(), "timestamp": stamp.encode().decode("latin-1")}
    written = "".join(f"&{name}={fields[name]}" for name in sorted(fields))
    request = webhook({**fields, "sig": sign(written.encode("latin-1"), "secret", "md5hash")})

    assert reason_of(SMS, request) == "timestamp"


def test_a_new_secret_beside_the_old():
    """While secrets are replaced both verify, and the new one sends."""
    carrier = VonageSms(api_key="abcd1234", api_secret=["new", "old"], signature_secret=["new", "old"])

    for secret in ("new", "old"):
        assert len(carrier.events(webhook(signed(receipt(), secret=secret)), now=NOW)) == 1
    assert reason_of(carrier, webhook(signed(receipt(), secret="other"))) == "signature"
    assert carrier.encode(MESSAGE, Attempt()).headers["authorization"] == "Basic YWJjZDEyMzQ6bmV3"


def test_the_query_of_a_post_is_not_read():
    """Only the body of a POST is signed, so that nothing in its address is believed."""
    request = webhook(signed(receipt()))
    more = Request("POST", f"{HOOKS}?status=failed&client-ref=a-9&attempt=a-9", request.headers, request.body)

    assert SMS.events(more, now=NOW) == SMS.events(request, now=NOW)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"signature_method": "md4"}, "signature_method is 'md4': must be one of md5hash, md5, sha1, sha256, sha512"),
        ({"currency": "euros"}, "currency is 'euros': must be three letters"),
        ({"webhook_url": f"https://app.example/{'a' * 81}"}, "webhook_url is 'https://app.example/"),
    ],
)
def test_what_it_cannot_be_made_with(more, sentence):
    """A method nobody knows, no currency, or an address over 100 characters is an error when it is made."""
    with pytest.raises(InvalidValue) as caught:
        VonageSms(**{"api_key": "abcd1234", "api_secret": "12345", "signature_secret": "secret", **more})

    assert str(caught.value).startswith(sentence)


# --- what arrives ------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_a_receipt(style):
    """A receipt of a part has its word, its code, its own id, its time and our attempt id, and no price."""
    fields = signed(receipt("failed", **{"err-code": "6", "client-ref": "a-1", "scts": "2611221159"}))

    events = SMS.events(webhook(fields, style), now=NOW)

    assert events == [
        Receipt(
            status="dlr:failed",
            error_code="dlr:6",
            carrier="vonage",
            carrier_id=ID,
            received_at=NOW,
            at=NOW,
            attempt_id="a-1",
        )
    ]
    assert events[0].raw == fields


@pytest.mark.parametrize(
    ("word", "more", "expected"),
    [
        ("accepted", {}, (Status.SENT, None)),
        ("buffered", {}, (Status.SENT, None)),
        ("delivered", {"err-code": "0"}, (Status.DELIVERED, None)),
        ("expired", {"err-code": "0"}, (Status.EXPIRED, "dlr:0")),
        ("failed", {"err-code": "3"}, (Status.UNDELIVERED, "dlr:3")),
        ("failed", {"err-code": "9"}, (Status.UNDELIVERED, "dlr:9")),
        ("failed", {}, (Status.UNDELIVERED, None)),
        ("rejected", {"err-code": "6"}, (Status.REJECTED, "dlr:6")),
        ("unknown", {"err-code": "1"}, (Status.UNCONFIRMED, "dlr:1")),
    ],
)
def test_fold_knows_the_words(word, more, expected):
    """Words and codes are written as the tables have them, so that 6 of a receipt is not 6 of an answer."""
    state = fold(SMS.events(webhook(signed(receipt(word, **more))), now=NOW))

    assert (state.status, state.error_code) == expected


def test_an_unknown_word_and_code_are_kept():
    """A word and a code that are in no table are a receipt all the same."""
    [found] = SMS.events(webhook(signed(receipt("teleported", **{"err-code": "999"}))), now=NOW)

    assert (found.status, found.error_code) == ("dlr:teleported", "dlr:999")
    assert fold([found]).unknown_words == {"dlr:teleported"}


@pytest.mark.parametrize(
    ("text", "keyword"), [("Hello", None), ("Stop", Keyword.OPT_OUT), ("stop it", None), ("", None), ("\xe9", None)]
)
def test_a_reply(text, keyword):
    """A reply says who wrote what to whom and when; only its whole text is a keyword, not its first word."""
    fields = signed(said(text=text.encode().decode("latin-1"), keyword="STOP"))

    assert SMS.events(webhook(fields), now=NOW) == [
        Reply(
            received_at=NOW,
            dated=True,
            reply_id=ID,
            to="+447700900123",
            sender="+447700900001",
            account_id="abcd1234",
            text=text,
            keyword=keyword,
            carrier="vonage",
        )
    ]


def test_a_reply_of_bytes():
    """A binary message is a reply without text; parts of a long one are replies of their own."""
    binary = {name: value for name, value in said(type="binary", data="00ff").items() if name != "text"}
    part = said(concat="true", **{"concat-ref": "1", "concat-total": "2", "concat-part": "2"})

    [first] = SMS.events(webhook(signed(binary)), now=NOW)
    [second] = SMS.events(webhook(signed(part)), now=NOW)

    assert (first.text, second.text) == ("", "Hello")


def test_text_that_is_no_text():
    """Bytes that are no UTF-8 are signed as they are, and become U+FFFD afterwards, said so."""
    [reply] = SMS.events(webhook(signed(said(text="\xff!"))), now=NOW)

    assert (reply.text, reply.lossy) == ("�!", True)


@pytest.mark.parametrize("query", ["status=☺&messageId=1", "status=\ud800&messageId=1", "a&" * 2_000])
def test_a_query_that_is_none(query):
    """Characters that no address has, and fields without end, are malformed even where everything is believed."""
    believing = attrs.evolve(SMS, verify="insecure-for-tests")
    request = Request("GET", f"{HOOKS}?{query}")

    assert reason_of(SMS, request) == "signature"
    with pytest.warns(UnverifiedWebhook):
        assert reason_of(believing, request) == "malformed"


@pytest.mark.parametrize(
    "fields",
    [
        receipt(messageId=""),
        {"status": "delivered"},
        said(messageId=" "),
        said(msisdn=""),
        {"type": "text", "text": "Hello"},
    ],
)
def test_what_must_be_there(fields):
    """A receipt without its message, and a reply without its writer, are malformed."""
    for style in STYLES:
        assert reason_of(SMS, webhook(signed(fields), style)) == "malformed"


# --- sending -----------------------------------------------------------------------------------


def test_a_message_is_handed_over():
    """Method, address, credentials, type and every field are those of Vonage's description."""
    request = SMS.encode(MESSAGE, Attempt(attempt_id="a-1"))

    assert request.method == "POST"
    assert request.url == "https://rest.nexmo.com/sms/json"
    assert dict(request.headers) == {
        "authorization": "Basic YWJjZDEyMzQ6MTIzNDU=",
        "content-type": FORM,
        "accept": "application/json",
    }
    assert parse_qsl(request.body.decode()) == [
        ("to", "447700900123"),
        ("from", "ACME"),
        ("text", "Spring sale: 20 % off"),
        ("type", "text"),
        ("client-ref", "a-1"),
        ("callback", HOOKS),
    ]


def test_a_message_is_as_vonages_library_writes_it():
    """Vonage's own library makes the same fields."""
    theirs = SmsMessage(
        to="447700900123", from_="ACME", text="Hi", type="text", client_ref="a-1", callback=HOOKS
    ).model_dump(by_alias=True, exclude_none=True)

    request = SMS.encode(attrs.evolve(MESSAGE, text="Hi"), Attempt(attempt_id="a-1"))

    assert dict(parse_qsl(request.body.decode())) == theirs


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("é à Ñ ß €[]{}\\~^|\n", "text"),
        ("ÄÖÜ äöü ¿¡ Ωπ".replace("π", ""), "text"),
        ("ça", "unicode"),
        ("Łódź", "unicode"),
        ("🌷", "unicode"),
        ("a\tb", "unicode"),
        ("“quoted”", "unicode"),
    ],
)
def test_the_type_of_a_text(text, kind):
    """A text with any character that plain SMS cannot write is sent as unicode."""
    form = dict(parse_qsl(SMS.encode(attrs.evolve(MESSAGE, text=text), Attempt()).body.decode()))

    assert (form["type"], form["text"]) == (kind, text)


def test_without_an_address_and_an_id():
    """What is not given is not sent, and the account's own settings apply."""
    carrier = VonageSms(api_key="abcd1234", api_secret="12345", signature_secret="secret")
    message = Message(status="pending", to="+447700900123", sender="+447700900001", text="Hi")

    assert parse_qsl(carrier.encode(message, Attempt()).body.decode()) == [
        ("to", "447700900123"),
        ("from", "447700900001"),
        ("text", "Hi"),
        ("type", "text"),
    ]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"sender": None}, "sender is None: vonage needs a number"),
        ({"text": None}, "text is None: there is nothing to send"),
        ({"text": "a" * 3201}, "text has 3,201 characters: vonage takes 3,200; shorten it"),
        ({"media": ["https://a.example/1.png"]}, "media is 1 file(s): vonage takes text only here"),
    ],
)
def test_what_cannot_be_sent(more, sentence):
    """What breaks a limit is refused before it is sent, in one sentence."""
    fields = {"to": "+447700900123", "sender": "ACME", "text": "Hello", **more}
    with pytest.raises(InvalidValue) as caught:
        SMS.encode(Message(status="pending", **fields), Attempt())

    assert str(caught.value).startswith(sentence)


# --- what an answer means ----------------------------------------------------------------------


def test_all_parts_taken():
    """Each part has its id, the message the first, as Vonage's own library reads them."""
    response = answer(taken(ID, **{"message-price": "0.0333"}), taken(OTHER, **{"message-price": "0.0333"}))

    found = SMS.decode(response)

    assert (found.outcome, found.carrier_id, found.part_ids) == (Outcome.TAKEN, ID, (ID, OTHER))
    assert [part.message_id for part in SmsResponse(**json.loads(response.body)).messages] == [*found.part_ids]
    assert (found.segments, found.error_code, found.receipts, found.price) == (2, None, (), None)


@pytest.mark.parametrize(
    ("prices", "price"),
    [
        (("0.0333", "0.0333"), Decimal("0.0666")),
        (("0.1", "0.2"), Decimal("0.3")),
        (("0.0333", None), None),
        (("0.0333", "free"), None),
        ((None, None), None),
    ],
)
def test_the_price_of_all_parts(prices, price):
    """What the parts cost is added up where each says it, and the account's currency is known."""
    parts = [taken(ID, **({} if each is None else {"message-price": each})) for each in prices]

    found = attrs.evolve(SMS, currency="eur").decode(answer(*parts))

    assert (found.price, found.currency) == (price, None if price is None else "EUR")
    assert SMS.decode(answer(*parts)).price is None


def test_some_parts_refused():
    """A part that was refused inside a 200 has no id, its code is kept, and a receipt reports it."""
    parts = [refused("1", "Throttled"), taken(ID, **{"message-price": "0.05"}), refused("1", "Throttled")]

    found = attrs.evolve(SMS, currency="EUR").decode(answer(*parts))

    assert (found.outcome, found.carrier_id, found.part_ids) == (Outcome.TAKEN, ID, (None, ID, None))
    assert (found.error_code, found.detail, found.segments) == ("send:1", "Throttled", 1)
    assert (found.price, found.currency) == (Decimal("0.05"), "EUR")
    assert found.receipts == (
        Receipt(status="dlr:rejected", carrier="vonage", part=0, error_code="send:1"),
        Receipt(status="dlr:rejected", carrier="vonage", part=2, error_code="send:1"),
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], (Status.REJECTED, "send:1")),
        (["accepted"], (Status.REJECTED, "send:1")),
        (["accepted", "delivered"], (Status.UNDELIVERED, "partly_delivered")),
        (["failed"], (Status.UNDELIVERED, "dlr:3")),
    ],
)
def test_a_message_of_which_a_part_was_refused(words, expected):
    """Folded with the receipts of its other part, such a message is partly delivered at best."""
    found = SMS.decode(answer(taken(ID), refused("1", "Throttled")))
    attempt = Attempt(parts=len(found.part_ids), outcome=found.outcome, error_code=found.error_code)
    later = [
        attrs.evolve(event, part=found.part_ids.index(event.carrier_id))
        for word in words
        for event in SMS.events(webhook(signed(receipt(word, **{"err-code": "3"}))), now=NOW)
    ]

    state = fold([*found.receipts, *later], attempts=[attempt])

    assert (state.status, state.error_code) == expected
    assert state.parts == (1 if "delivered" in words else 0, 2)


def test_a_part_that_went_wrong():
    """A part that failed inside Vonage may have gone out: no receipt says that it did not."""
    found = SMS.decode(answer(taken(ID), refused("5", "Internal error")))

    assert (found.outcome, found.part_ids, found.receipts) == (Outcome.TAKEN, (ID, None), ())
    assert (found.error_code, found.segments) == ("send:5", 1)


@pytest.mark.parametrize(
    ("codes", "outcome", "refusal", "code"),
    [
        (["1"], Outcome.REFUSED, Refusal.TEMPORARY, "send:1"),
        (["1", "1"], Outcome.REFUSED, Refusal.TEMPORARY, "send:1"),
        (["10"], Outcome.REFUSED, Refusal.TEMPORARY, "send:10"),
        (["4"], Outcome.REFUSED, Refusal.ACCOUNT, "send:4"),
        (["9"], Outcome.REFUSED, Refusal.ACCOUNT, "send:9"),
        (["2"], Outcome.REFUSED, Refusal.FINAL, "send:2"),
        (["6"], Outcome.REFUSED, Refusal.FINAL, "send:6"),
        (["33"], Outcome.REFUSED, Refusal.FINAL, "send:33"),
        (["999"], Outcome.REFUSED, Refusal.FINAL, "send:999"),
        (["5"], Outcome.UNKNOWN, None, "send:5"),
        (["1", "5"], Outcome.UNKNOWN, None, "send:5"),
    ],
)
def test_no_part_taken(codes, outcome, refusal, code):
    """All parts refused is a refusal of the code's kind; one that went wrong makes it unknown."""
    found = SMS.decode(answer(*(refused(each) for each in codes)))

    assert (found.outcome, found.refusal, found.error_code) == (outcome, refusal, code)
    assert found.carrier == "vonage"


@pytest.mark.parametrize(
    "response",
    [
        answer(),
        answer(taken(None)),
        answer(taken(" ")),
        answer({"message-id": ID}),
        answer({"message-id": ID, "status": "ok"}),
        answer(taken(), **{"message-count": "2"}),
        answer(taken(), **{"message-count": None}),
        answer(taken(), "broken"),
        answer(taken(), refused(None)),
        answer(messages="none"),
        answer(taken(), status=302),
        answer(taken(), status=400),
        answer(refused("5"), status=400),
        answer(refused("1"), status=408),
        answer(refused("1"), status=503),
        Response(400, {}, b'{"title": "from a proxy"}'),
    ],
)
def test_what_nobody_can_be_sure_of(response):
    """An answer in which a part cannot be read, or that is no answer of the API, is unknown."""
    assert SMS.decode(response).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("status", "parts", "refusal", "code"),
    [
        (401, [refused("4")], Refusal.ACCOUNT, "send:4"),
        (401, [], Refusal.ACCOUNT, None),
        (429, [refused("1")], Refusal.TEMPORARY, "send:1"),
        (400, [refused("2")], Refusal.FINAL, "send:2"),
    ],
)
def test_refusals_that_are_no_200(status, parts, refusal, code):
    """Should another status than 200 come, the parts still say why."""
    found = SMS.decode(answer(*parts, status=status))

    assert (found.outcome, found.refusal, found.error_code) == (Outcome.REFUSED, refusal, code)


# --- the other side ----------------------------------------------------------------------------


@pytest.mark.parametrize("why", Why)
def test_each_refusal_of_the_dialect(why):
    """The simulator's refusals are refusals of the kind that they are about."""
    kinds = {Why.BUSY: Refusal.TEMPORARY, Why.ACCOUNT: Refusal.ACCOUNT}

    assert SMS.decode(VonageSmsDialect(SMS).refused(why)).refusal is kinds.get(why, Refusal.FINAL)


def test_the_dialect_reads_what_we_send():
    """What the simulator reads is what was sent, and what it reports about it finds back to the attempt."""
    dialect = VonageSmsDialect(SMS)
    submitted = dialect.read(SMS.encode(MESSAGE, Attempt(attempt_id="a-1")))

    assert submitted == Submitted(
        to="+447700900123", sender="ACME", text="Spring sale: 20 % off", attempt_id="a-1", callback=HOOKS
    )
    assert SMS.decode(dialect.taken(submitted, ID, NOW)).part_ids == (ID,)
    [found] = SMS.events(dialect.receipt(submitted, ID, "failed", None, NOW), now=NOW)
    assert (found.attempt_id, found.error_code) == ("a-1", None)


def test_the_dialect_of_a_message_without_an_id():
    """Without an attempt id none is made up; ids are UUIDs, and the same for the same dice."""
    dialect = VonageSmsDialect(SMS)
    submitted = Submitted(to="+447700900123", sender="ACME", text="Hi")

    [found] = SMS.events(dialect.receipt(submitted, ID, "delivered", None, NOW), now=NOW)

    assert (found.attempt_id, found.error_code) == (None, "dlr:0")
    assert b"client-ref" not in dialect.taken(submitted, ID, NOW).body
    assert dialect.new_id(Random(1)) == dialect.new_id(Random(1))  # noqa: S311 - dice
    assert [*map(len, dialect.new_id(Random(1)).split("-"))] == [8, 4, 4, 4, 12]  # noqa: S311 - dice


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"method": "GET"}, InvalidValue),
        ({"url": "https://rest.nexmo.com/sms/xml"}, InvalidValue),
        ({"headers": {}}, PermissionError),
        ({"headers": {"Authorization": "Basic YWJjZDEyMzQ6MTIzNDU="}}, InvalidValue),
        ({"body": b"to=%2B447700900123&from=ACME&text=Hi"}, InvalidValue),
        ({"body": b"to=123&from=ACME&text=Hi"}, InvalidValue),
        ({"body": b"to=447700900123&text=Hi"}, InvalidValue),
        ({"body": b"to=447700900123&from=ACME&text="}, InvalidValue),
        ({"body": b"to=447700900123&from=%2B447700900001&text=Hi"}, InvalidValue),
        ({"body": b"to=447700900123&from=ACME&text=Hi&type=fax"}, InvalidValue),
        ({"body": b"to=447700900123&from=ACME&text=Hi&client-ref=" + b"a" * 101}, InvalidValue),
        ({"body": b"to=447700900123&from=ACME&text=Hi&callback=" + b"a" * 101}, InvalidValue),
    ],
)
def test_the_dialect_is_as_strict_as_vonage(change, error):
    """A request that Vonage would refuse, the simulator refuses."""
    request = SMS.encode(MESSAGE, Attempt())
    given = {"method": request.method, "url": request.url, "headers": request.headers, "body": request.body}

    with pytest.raises(error):
        VonageSmsDialect(SMS).read(Request(**{**given, **change}))
