"""Plivo: what it is sent, what its answers mean, and which of its webhooks are believed."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from random import Random
from urllib.parse import parse_qsl, urlencode

import attrs
import plivo.utils
import pytest

from campaignkit import Attempt, InvalidValue, Keyword, Message, Outcome, Receipt, Reply, Status, WebhookRejected, fold
from campaignkit.backends.carriers import Plivo, Refusal, Request, Response
from campaignkit.backends.carriers.signing import base64_signature
from campaignkit.testing import CarrierContract
from campaignkit.testing.dialects.base import Submitted, Why
from campaignkit.testing.dialects.plivo import PlivoDialect

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
FORM = "application/x-www-form-urlencoded"
HOOKS = "https://app.example/hooks"
UUID = "5b0f6a0e-0000-4000-8000-000000000001"
ACCOUNT = f"MA{'0' * 18}"
PLIVO = Plivo(auth_id=ACCOUNT, auth_token="not-a-secret", webhook_url=HOOKS)
INSISTING = attrs.evolve(PLIVO, signature="v3")
DIALECT = PlivoDialect(PLIVO)
SUBMITTED = Submitted(
    to="+12025550143", sender="+12025550100", text="Hello", attempt_id="a-1", callback=f"{HOOKS}?attempt=a-1"
)
MESSAGE = Message(status="pending", to="+12025550143", sender="+12025550100", text="Spring sale: 20 % off")

CALL = {
    "Direction": "outbound",
    "From": "19792014278",
    "ALegUUID": "3e82ae9d-2c78-4d85-b1a4-6eae7dbafb36",
    "ALegRequestUUID": "3e82ae9d-2c78-4d85-b1a4-6eae7dbafb36",
    "CallUUID": "3e82ae9d-2c78-4d85-b1a4-6eae7dbafb36",
    "RequestUUID": "3e82ae9d-2c78-4d85-b1a4-6eae7dbafb36",
    "CallStatus": "in-progress",
    "BillRate": "0.002",
    "ParentAuthID": "MANWVLYTK4ZWU1YTY4QA",
    "To": "sip:PlivoSignature382029104058171078704104@phone-qa.voice.plivodev.com",
    "SIP-H-To": "<sip:PlivoSignature382029104058171078704104@52.9.11.55;transport=udp>;tag=1",
    "SessionStart": "2020-04-08 11:34:33.238707",
    "Event": "StartApp",
}
CALLED = "https://plivobin.non-prod.plivops.com/api/v1/validate_signature03.xml"


def posted(form, *, url=HOOKS, headers=None, token="not-a-secret"):
    """Return a webhook, signed with version 2 unless other headers are given."""
    made = base64_signature(token, f"{url.partition('?')[0]}12345".encode(), "sha256")
    signed = {"X-Plivo-Signature-V2": made, "X-Plivo-Signature-V2-Nonce": "12345"} if headers is None else headers
    return Request("POST", url, {"Content-Type": FORM, **signed}, urlencode(form).encode())


def v3(signature, nonce="12345", *, of=""):
    """Return the headers of version 3."""
    return {f"X-Plivo-Signature-{of}V3": signature, "X-Plivo-Signature-V3-Nonce": nonce}


def status(word, **more):
    """Return the fields of a status callback."""
    return {"MessageUUID": UUID, "To": "12025550143", "From": "12025550100", "Status": word, **more}


def said(**more):
    """Return the fields of a reply."""
    return {"MessageUUID": UUID, "From": "12025550143", "To": "12025550100", **more}


def without(request, version):
    """Return a request without one version of the signature."""
    headers = {
        name: value for name, value in request.headers.items() if not name.endswith((version, f"{version}-nonce"))
    }
    return attrs.evolve(request, headers=headers)


def reason_of(carrier, request, now=NOW):
    """Return why a webhook is rejected."""
    with pytest.raises(WebhookRejected) as caught:
        carrier.events(request, now=now)
    return caught.value.reason


class TestPlivo(CarrierContract):
    """Plivo keeps what every carrier promises, where its webhooks carry version 3 and the host insists."""

    carrier = INSISTING
    now = NOW
    receipt = DIALECT.receipt(SUBMITTED, UUID, "delivered", None, NOW)
    reply = DIALECT.reply("+12025550143", "+12025550100", "Hello", UUID, NOW)
    taken = DIALECT.taken(SUBMITTED, UUID, NOW)
    refused = DIALECT.refused(Why.INVALID_NUMBER)


class TestPlivoVersion2(CarrierContract):
    """So it does with version 2, which covers neither body nor query."""

    carrier = PLIVO
    now = NOW
    receipt = without(DIALECT.receipt(SUBMITTED, UUID, "delivered", None, NOW), "v3")
    reply = without(DIALECT.reply("+12025550143", "+12025550100", "Hello", UUID, NOW), "v3")
    taken = DIALECT.taken(SUBMITTED, UUID, NOW)
    refused = DIALECT.refused(Why.INVALID_NUMBER)
    covers_body = False
    covers_address = False


# --- signatures --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "url", "signature"),
    [
        ("POST", f"{CALLED}/?a=b&c=d", "k7Pusd4OxCIjR5IfA9iedDNu/h/gbdYqdzG/MiYtd1c="),
        ("POST", CALLED, "iAjE5QqI37mbkYe4w3jTMudqEzbDufdqi7sYwTu64e0="),
        ("GET", f"{CALLED}/?a=b&c=d", "UBq8jAtd32wR8EK9VgxbBn4n5rpI/l1H9iN4WfSEHFQ="),
        ("GET", CALLED, "i/MQsaQSAd6fiKhOh2qeeeLHZ9faldADSb3/7+Akfbc="),
    ],
)
def test_published_signatures_of_version_3(method, url, signature):
    """The vectors of Plivo's own library are accepted, and with another field or nonce rejected."""
    carrier = Plivo(auth_id="MA0", auth_token="Y2Q2ZDgxZmY5YWRiOTI5YmQ1Njg0MTAxZWIyOTc4", signature="v3")

    def made(form, nonce):
        if method == "POST":
            return posted(form, url=url, headers=v3(signature, nonce))
        return Request("GET", f"{url}{'&' if '?' in url else '?'}{urlencode(form)}", v3(signature, nonce))

    assert carrier.events(made(CALL, "31627761595286130198"), now=NOW) == []
    assert reason_of(carrier, made({**CALL, "More": ""}, "31627761595286130198")) == "signature"
    assert reason_of(carrier, made({**CALL, "BillRate": "0.003"}, "31627761595286130198")) == "signature"
    assert reason_of(carrier, made(CALL, "31627761595286130199")) == "signature"


def test_published_signature_of_version_2():
    """So is the vector of version 2, whatever the body and the query say: it covers neither."""
    carrier = Plivo(auth_id="MA0", auth_token="my_auth_token")
    headers = {
        "X-Plivo-Signature-V2": "ehV3IKhLysWBxC1sy8INm0qGoQYdYsHwuoKjsX7FsXc=",
        "X-Plivo-Signature-V2-Nonce": "12345",
    }

    assert carrier.events(posted({}, url="https://answer.url", headers=headers), now=NOW) == []
    assert len(carrier.events(posted(status("delivered"), url="https://answer.url?a=b", headers=headers), now=NOW)) == 1
    assert reason_of(carrier, posted({}, url="https://answer.url/", headers=headers)) == "signature"
    assert reason_of(carrier, posted({}, url="http://answer.url", headers=headers)) == "signature"


@pytest.mark.parametrize("url", [HOOKS, f"{HOOKS}?attempt=a-1", f"{HOOKS}?b=2&attempt=a-1&c="])
@pytest.mark.parametrize("form", [status("delivered"), said(Text="ça va ☺"), said(Text=""), {}])
def test_plivos_library_signs_and_we_accept(url, form):
    """What Plivo's own library signs with version 3 is accepted, in either header and among others."""
    address = plivo.utils.signature_v3.construct_post_url(url, dict(form)).decode()
    made = plivo.utils.signature_v3.get_signature_v3(b"not-a-secret", address, "12345").decode()

    for headers in (v3(made), v3(made, of="Ma-"), v3(f"BAD,{made}"), v3("BAD") | v3(made, of="Ma-")):
        INSISTING.events(posted(form, url=url, headers=headers), now=NOW)
    assert reason_of(INSISTING, posted({**form, "x": "y"}, url=url, headers=v3(made))) == "signature"


def test_plivos_library_signs_a_query_and_we_accept():
    """So is what comes by GET, its fields in the address."""
    url = f"{HOOKS}?attempt=a-1&{urlencode(status('delivered', Units='2'))}"
    address = plivo.utils.signature_v3.construct_get_url(url, {}).decode()
    made = plivo.utils.signature_v3.get_signature_v3(b"not-a-secret", address, "12345").decode()

    [receipt] = INSISTING.events(Request("GET", url, v3(made)), now=NOW)

    assert (receipt.status, receipt.carrier_id, receipt.segments, receipt.attempt_id) == ("delivered", UUID, 2, "a-1")
    assert reason_of(INSISTING, Request("GET", url.replace("delivered", "failed"), v3(made))) == "signature"


@pytest.mark.parametrize("text", ["STOP", "ça va ☺", ""])
def test_our_signatures_satisfy_plivos_library(text):
    """What the simulator signs, Plivo's own validators accept, with both versions."""
    for request in (
        DIALECT.receipt(SUBMITTED, UUID, "undelivered", "80", NOW),
        DIALECT.reply("+12025550143", "+12025550100", text, UUID, NOW),
    ):
        form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        found = request.headers
        for of in ("", "ma-"):
            signature, nonce = found[f"x-plivo-signature-{of}v3"], found["x-plivo-signature-v3-nonce"]
            assert plivo.utils.validate_v3_signature("POST", request.url, nonce, "not-a-secret", signature, form)
            signature, nonce = found[f"x-plivo-signature-{of}v2"], found["x-plivo-signature-v2-nonce"]
            assert plivo.utils.validate_signature(request.url, nonce, signature, "not-a-secret")


def test_version_3_is_insisted_on():
    """A host that insists believes no version 2; and where version 3 is there, version 2 cannot stand in for it."""
    both = DIALECT.receipt(SUBMITTED, UUID, "delivered", None, NOW)
    forged = attrs.evolve(both, body=both.body.replace(b"delivered", b"failed"))

    assert len(PLIVO.events(without(both, "v3"), now=NOW)) == 1
    assert reason_of(INSISTING, without(both, "v3")) == "signature"
    assert reason_of(PLIVO, forged) == "signature"
    with pytest.raises(ValueError, match="signature"):
        Plivo(auth_id="MA0", auth_token="token", signature="v2")


@pytest.mark.parametrize("name", ["V2", "V3"])
def test_several_signatures(name):
    """One right signature among ten is enough; more than ten are not looked at; without a nonce none is."""
    good = DIALECT.receipt(SUBMITTED, UUID, "delivered", None, NOW).headers[f"x-plivo-signature-{name}"]
    request = without(DIALECT.receipt(SUBMITTED, UUID, "delivered", None, NOW), "v3" if name == "V2" else "v2")
    nonce = {"X-Plivo-Signature-" + name + "-Nonce": request.headers[f"x-plivo-signature-{name}-nonce"]}

    def carrying(value, more=nonce):
        return attrs.evolve(request, headers={"Content-Type": FORM, f"X-Plivo-Signature-{name}": value, **more})

    assert len(PLIVO.events(carrying(f"BAD, {good}"), now=NOW)) == 1
    assert len(PLIVO.events(carrying(",".join(["BAD"] * 9 + [good])), now=NOW)) == 1
    assert reason_of(PLIVO, carrying(",".join(["BAD"] * 10 + [good]))) == "signature"
    assert reason_of(PLIVO, carrying("BAD")) == "signature"
    assert reason_of(PLIVO, carrying(",")) == "signature"
    assert reason_of(PLIVO, carrying(good, {})) == "signature"


def test_a_new_token_beside_the_old():
    """While a token is replaced both verify, and the new one sends."""
    carrier = Plivo(auth_id="MA0", auth_token=["new", "old"], webhook_url=HOOKS)

    for token in ("new", "old"):
        assert len(carrier.events(posted(status("sent"), token=token), now=NOW)) == 1
    assert reason_of(carrier, posted(status("sent"), token="other")) == "signature"
    assert carrier.encode(MESSAGE, Attempt()).headers["authorization"] == "Basic TUEwOm5ldw=="


@pytest.mark.parametrize("wrong", ["☺", "ü"])
def test_a_nonce_that_is_no_ascii(wrong):
    """What cannot be signed is rejected like any other wrong signature."""
    request = DIALECT.receipt(SUBMITTED, UUID, "delivered", None, NOW)

    assert reason_of(
        PLIVO, attrs.evolve(request, headers={**request.headers, "X-Plivo-Signature-V3-Nonce": wrong})
    ) == ("signature")


# --- what arrives ------------------------------------------------------------------------------


def test_a_delivered_receipt():
    """A receipt has the carrier's word and id, parts, price, and the attempt id that came back in the address."""
    form = status("delivered", Units="2", TotalRate="0.00500", TotalAmount="0.01000", ErrorCode="000", MCC="310")

    events = PLIVO.events(posted(form, url=f"{HOOKS}?attempt=a-1"), now=NOW)

    assert events == [
        Receipt(
            status="delivered",
            carrier="plivo",
            carrier_id=UUID,
            received_at=NOW,
            attempt_id="a-1",
            segments=2,
            price=Decimal("0.01000"),
            currency="USD",
        )
    ]
    assert events[0].raw == form


def test_names_in_any_case():
    """Plivo writes Status in its description and status to some accounts: both are read, raw stays as it came."""
    [receipt] = PLIVO.events(posted({"messageuuid": UUID, "status": "failed", "ERRORCODE": "420"}), now=NOW)

    assert (receipt.status, receipt.carrier_id, receipt.error_code) == ("failed", UUID, "420")
    assert receipt.raw == {"messageuuid": UUID, "status": "failed", "ERRORCODE": "420"}


def test_a_failed_receipt_counts_by_its_code():
    """Error codes arrive as Plivo writes them, and fold knows them."""
    [receipt] = PLIVO.events(posted(status("undelivered", ErrorCode="70")), now=NOW)

    state = fold([receipt])

    assert (state.status, state.error_code) == (Status.UNDELIVERED, "70")


@pytest.mark.parametrize(
    ("more", "carrier_id", "part"),
    [
        ({"ParentMessageUUID": UUID, "PartInfo": "1 of 1"}, UUID, 0),
        ({"ParentMessageUUID": "parent", "PartInfo": "2 of 3"}, "parent", 1),
        ({"ParentMessageUUID": "parent"}, "parent", 0),
        ({"PartInfo": "2 of 3"}, UUID, 0),
        ({"ParentMessageUUID": "parent", "PartInfo": "0 of 3"}, "parent", 0),
        ({"ParentMessageUUID": " ", "PartInfo": "none"}, UUID, 0),
    ],
)
def test_parts_of_a_long_message(more, carrier_id, part):
    """Parts that Plivo reports apart are parts of the message with the first one's id."""
    [receipt] = PLIVO.events(posted(status("sent", **more)), now=NOW)

    assert (receipt.carrier_id, receipt.part) == (carrier_id, part)
    fold([receipt])


@pytest.mark.parametrize("odd", [{"Units": "many"}, {"TotalAmount": "free"}, {"TotalAmount": "-1"}, {"Units": "0"}])
def test_odd_details_are_left_out(odd):
    """A detail that cannot be read costs no receipt."""
    [receipt] = PLIVO.events(posted(status("sent", **odd)), now=NOW)

    assert (receipt.segments, receipt.price, receipt.currency) == (None, None, None)


def test_an_unknown_word_and_code_are_kept():
    """A word and a code that are in no table make a receipt all the same."""
    [receipt] = PLIVO.events(posted(status("teleported", ErrorCode="4711")), now=NOW)

    assert (receipt.status, receipt.error_code) == ("teleported", "4711")
    assert fold([receipt]).unknown_words == {"teleported"}


@pytest.mark.parametrize("form", [status("received"), {"CallUUID": UUID, "CallStatus": "ringing"}, {}])
def test_what_is_about_no_message_of_ours(form):
    """Calls, and what Plivo reports about replies, are genuine and ignored."""
    assert PLIVO.events(posted(form), now=NOW) == []


@pytest.mark.parametrize(
    ("more", "text", "keyword"),
    [
        ({"Text": "Hello", "Type": "sms"}, "Hello", None),
        ({"text": "arrêt"}, "arrêt", Keyword.OPT_OUT),
        ({"Text": "please no", "MessageIntent": "optout"}, "please no", Keyword.OPT_OUT),
        ({"Text": "yes", "MessageIntent": "optin"}, "yes", Keyword.OPT_IN),
        ({"Text": "?", "MessageIntent": "help"}, "?", Keyword.HELP),
        ({"Text": "", "MessageIntent": ""}, "", None),
    ],
)
def test_a_reply(more, text, keyword):
    """A reply says who wrote what to whom, and what it asks for: Plivo's word for it, or its text."""
    assert PLIVO.events(posted(said(**more)), now=NOW) == [
        Reply(
            received_at=NOW,
            reply_id=UUID,
            to="+12025550143",
            sender="+12025550100",
            text=text,
            keyword=keyword,
            carrier="plivo",
        )
    ]


@pytest.mark.parametrize("first", [0, 1])
def test_a_reply_with_pictures(first):
    """The addresses of what came with it are kept, whether Plivo counts them from 0 or from 1."""
    media = {f"Media{i}": f"https://media.plivo.example/{i}" for i in (first, first + 1)}

    [reply] = PLIVO.events(posted(said(Type="mms", MediaCount="2", Body="Look", **media)), now=NOW)

    assert (reply.text, reply.media) == ("Look", tuple(media.values()))


def test_text_that_is_no_text():
    """Bytes that are no UTF-8 become U+FFFD, in text and raw, after the signature was checked on the bytes."""
    request = posted(said())
    request = attrs.evolve(request, body=request.body + b"&Text=%ff%00")

    [reply] = PLIVO.events(request, now=NOW)

    assert (reply.text, reply.lossy) == ("��", True)


@pytest.mark.parametrize(
    "form",
    [
        {"Status": "delivered"},
        {"Status": "delivered", "MessageUUID": " "},
        {"Text": "Hello", "MessageUUID": UUID},
        {"Text": "Hello", "From": "12025550143"},
    ],
)
def test_what_must_be_there(form):
    """A receipt without its message, and a reply without its writer, are malformed."""
    assert reason_of(PLIVO, posted(form)) == "malformed"


# --- sending -----------------------------------------------------------------------------------


def sent(carrier, message, attempt):
    """Return what a request to send says."""
    return json.loads(carrier.encode(message, attempt).body)


def test_a_message_is_handed_over():
    """Method, address, credentials, type and every field are those of Plivo's description."""
    request = PLIVO.encode(MESSAGE, Attempt(attempt_id="a-1"))

    assert request.method == "POST"
    assert request.url == f"https://api.plivo.com/v1/Account/{ACCOUNT}/Message/"
    assert dict(request.headers) == {
        "authorization": "Basic TUEwMDAwMDAwMDAwMDAwMDAwMDA6bm90LWEtc2VjcmV0",
        "content-type": "application/json",
        "accept": "application/json",
    }
    assert json.loads(request.body) == {
        "src": "12025550100",
        "dst": "12025550143",
        "type": "sms",
        "text": "Spring sale: 20 % off",
        "url": "https://app.example/hooks?attempt=a-1",
        "method": "POST",
    }


def test_a_powerpack_a_name_and_pictures():
    """A Powerpack and media take their own fields; without an address none is named."""
    carrier = Plivo(auth_id="MA0", auth_token="token")
    media = ["https://a.example/1.jpg", "https://a.example/2.jpg"]
    pictures = Message(status="pending", to="+12025550143", sender=UUID, media=media)
    named = Message(status="pending", to="+12025550143", sender="ACME", text="Hi")

    assert sent(carrier, pictures, Attempt()) == {
        "powerpack_uuid": UUID,
        "dst": "12025550143",
        "type": "mms",
        "media_urls": media,
    }
    assert sent(carrier, named, Attempt()) == {"src": "ACME", "dst": "12025550143", "type": "sms", "text": "Hi"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sender": None}, "sender is None: plivo needs a number"),
        ({"sender": "My shop"}, "sender is 'My shop': plivo takes a number of up to 14 digits, a name of up to 11"),
        ({"to": "+123456789012345"}, "to is '+123456789012345': plivo takes numbers of up to 14 digits; correct it"),
        ({"text": None}, "text is None: there is nothing to send"),
        ({"text": "a" * 1601}, "text has 1,601 characters: plivo takes 1,600; shorten it"),
        ({"text": "☺" * 738}, "text has 738 characters, some of them outside the plain alphabet"),
        ({"media": ["https://a.example/1"] * 11}, "media is 11 files: plivo takes 10; send fewer"),
    ],
)
def test_what_cannot_be_sent(change, sentence):
    """What breaks a limit is refused before it is sent, in one sentence."""
    with pytest.raises(InvalidValue) as caught:
        PLIVO.encode(attrs.evolve(MESSAGE, **change), Attempt())

    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("text", ["☺" * 737, "é€Ω" * 533, "a" * 1600])
def test_what_just_fits(text):
    """A text of the length that Plivo takes is sent."""
    assert sent(PLIVO, attrs.evolve(MESSAGE, text=text), Attempt())["text"] == text


@pytest.mark.parametrize(
    ("status_", "answer", "outcome", "refusal", "code"),
    [
        (202, {"message": "message(s) queued", "message_uuid": [UUID], "api_id": "1"}, Outcome.TAKEN, None, None),
        (202, {"message_uuid": UUID, "api_id": "1"}, Outcome.TAKEN, None, None),
        (206, {"message_uuid": [UUID], "invalid_number": ["1"], "api_id": "1"}, Outcome.TAKEN, None, None),
        (202, {"message_uuid": [], "invalid_number": ["1"]}, Outcome.REFUSED, Refusal.FINAL, "invalid_number"),
        (202, {"message_uuid": [""], "api_id": "1"}, Outcome.UNKNOWN, None, None),
        (202, {"message_uuid": [], "api_id": "1"}, Outcome.UNKNOWN, None, None),
        (202, {"api_id": "1"}, Outcome.UNKNOWN, None, None),
        (400, {"api_id": "1", "error": "dst is not a valid phone number"}, Outcome.REFUSED, Refusal.FINAL, None),
        (400, {"api_id": "1", "error": {"dst": "missing"}}, Outcome.REFUSED, Refusal.FINAL, None),
        (401, {"api_id": "1", "error": "authentication failed"}, Outcome.REFUSED, Refusal.ACCOUNT, None),
        (429, {"api_id": "1", "error": "slow"}, Outcome.REFUSED, Refusal.TEMPORARY, None),
        (404, {"error": "from a proxy"}, Outcome.UNKNOWN, None, None),
        (408, {"api_id": "1", "error": "slow"}, Outcome.UNKNOWN, None, None),
        (500, {"api_id": "1", "error": "down"}, Outcome.UNKNOWN, None, None),
        (503, {}, Outcome.UNKNOWN, None, None),
    ],
)
def test_what_an_answer_means(status_, answer, outcome, refusal, code):
    """Each answer falls into its class: taken, one of three refusals, or unknown."""
    made = PLIVO.decode(Response(status_, {}, json.dumps(answer).encode()))

    assert (made.outcome, made.refusal, made.error_code, made.carrier) == (outcome, refusal, code, "plivo")
    assert made.carrier_id == (UUID if outcome is Outcome.TAKEN else None)


# --- the other side ----------------------------------------------------------------------------


@pytest.mark.parametrize("media", [(), ("https://a.example/1.jpg",)])
def test_the_dialect_reads_what_we_send(media):
    """What the simulator reads is what was sent, attempt id and address for receipts included."""
    message = attrs.evolve(MESSAGE, media=media)

    assert DIALECT.read(PLIVO.encode(message, Attempt(attempt_id="a-1"))) == Submitted(
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
        ({"url": "https://api.plivo.com/v1/Account/MA9/Message/"}, InvalidValue),
        ({"headers": {}}, PermissionError),
        ({"headers": {"Authorization": "Basic TUEwMDAwMDAwMDAwMDAwMDAwMDA6bm90LWEtc2VjcmV0"}}, InvalidValue),
        ({"body": b'{"dst": "1", "type": "sms", "text": "Hi"}'}, InvalidValue),
        ({"body": b'{"src": "1", "powerpack_uuid": "2", "dst": "1", "type": "sms", "text": "Hi"}'}, InvalidValue),
        ({"body": b'{"src": "1", "type": "sms", "text": "Hi"}'}, InvalidValue),
        ({"body": b'{"src": "1", "dst": "+1", "type": "sms", "text": "Hi"}'}, InvalidValue),
        ({"body": b'{"src": "1", "dst": "1", "type": "sms"}'}, InvalidValue),
        ({"body": b'{"src": "1", "dst": "1", "type": "mms", "text": "Hi"}'}, InvalidValue),
        ({"body": b'{"src": "1", "dst": "1", "type": "mms", "media_urls": "https://a.example"}'}, InvalidValue),
        ({"body": b'{"src": "1", "dst": "1", "type": "sms", "text": "Hi", "url": "https://a.example"}'}, InvalidValue),
        ({"body": b'{"src": "1", "dst": "1", "type": "sms", "text": "%s"}' % (b"a" * 1601)}, InvalidValue),
    ],
)
def test_the_dialect_is_as_strict_as_plivo(change, error):
    """A request that Plivo would refuse, the simulator refuses."""
    request = PLIVO.encode(MESSAGE, Attempt())
    given = {"method": request.method, "url": request.url, "headers": request.headers, "body": request.body}

    with pytest.raises(error):
        DIALECT.read(Request(**{**given, **change}))


def test_the_dialect_makes_up_an_account():
    """Without a host's carrier the simulator invents one; its ids are UUIDs and its failures parts of a hundred."""
    dialect = PlivoDialect()

    assert dialect.carrier.auth_id == ACCOUNT
    ids = [dialect.new_id(Random(seed)) for seed in (1, 1, 2)]  # noqa: S311 - the same in every run
    assert ids[0] == ids[1] != ids[2]
    assert sum(dialect.failures.values()) == 100
    plain = Submitted(to="+12025550143", sender=None, text="Hi")
    [receipt] = dialect.carrier.events(dialect.receipt(plain, UUID, "failed", "1000", NOW), now=NOW)
    assert (receipt.status, receipt.error_code, receipt.attempt_id) == ("failed", "1000", None)
