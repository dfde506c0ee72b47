"""AWS: what it is sent, what its answers mean, and which posts of SNS are believed."""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import attrs
import botocore
import botocore.auth
import botocore.session
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

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
from campaignkit.backends.carriers import Aws, Refusal, Request, Response
from campaignkit.backends.carriers.aws import signed_part
from campaignkit.testing import CarrierContract
from campaignkit.testing.dialects.aws import CERTIFICATE_URL, TOPIC, AwsDialect, certificate
from campaignkit.testing.dialects.base import Submitted, Why

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
HOOKS = "https://app.example/hooks"
ID = "11111111-2222-3333-4444-555555555555"
AWS = attrs.evolve(AwsDialect.made_up(webhook_url=HOOKS))
SNS = AwsDialect(AWS)
MESSAGE = Message(status="pending", to="+12025550143", sender="+12025550100", text="Spring sale: 20 % off ☀")
ATTEMPT = Attempt(attempt_id="a-1", started_at=NOW)
SUBMITTED = Submitted(to="+12025550143", sender="+12025550100", text="Hello", attempt_id="a-1")

DELIVERED = {
    "eventType": "TEXT_DELIVERED",
    "eventVersion": "1.0",
    "eventTimestamp": 1795348805407,
    "isFinal": True,
    "originationPhoneNumber": "ACME",
    "destinationPhoneNumber": "+12025550143",
    "isoCountryCode": "US",
    "isInternationalSend": False,
    "mcc": "310",
    "mnc": "800",
    "carrierName": "Example Mobile",
    "messageId": ID,
    "messageRequestTimestamp": 1795348798712,
    "messageEncoding": "GSM",
    "messageType": "TRANSACTIONAL",
    "messageStatus": "DELIVERED",
    "messageStatusDescription": "Message has been accepted by phone",
    "context": {"attempt": "a-1", "account": "bar"},
    "totalMessageParts": 2,
    "totalMessagePrice": 0.07451,
    "totalCarrierFee": 0.0,
    "protectConfiguration": {"protectConfigurationId": "protect-0", "protectStatus": "ALLOW"},
}
INBOUND = {
    "originationNumber": "+12025550143",
    "destinationNumber": "+12025550100",
    "messageKeyword": "KEYWORD_123456789012",
    "messageBody": "stop",
    "inboundMessageId": "99999999-2222-3333-4444-555555555555",
    "previousPublishedMessageId": ID,
}


def made(**more):
    """Return the account of the tests with some arguments changed."""
    given = {
        "access_key_id": "AKIA0000000000000000",
        "secret_access_key": "not-a-secret",
        "region": "us-east-1",
        "configuration_set": "campaigns",
        "topic_arns": TOPIC,
        "certificate": certificate,
    }
    return Aws(**{**given, **more})


def posted(event, now=NOW, *, version="1"):
    """Return what SNS posts about an event."""
    return SNS.posted(event, "77777777-2222-3333-4444-555555555555", now, version=version)


def changed(request, **fields):
    """Return a post with some fields of its envelope changed, and its signature as it was; None leaves one out."""
    envelope = {**json.loads(request.body), **fields}
    body = json.dumps({name: value for name, value in envelope.items() if value is not None}).encode()
    return attrs.evolve(request, body=body)


def reason_of(request, *, carrier=AWS, now=NOW):
    """Return why a webhook is rejected."""
    with pytest.raises(WebhookRejected) as caught:
        carrier.events(request, now=now)
    return caught.value.reason


class TestAws(CarrierContract):
    """AWS keeps what every carrier promises."""

    carrier = AWS
    now = NOW
    receipt = SNS.receipt(SUBMITTED, ID, "TEXT_DELIVERED", None, NOW)
    reply = SNS.reply("+12025550143", "+12025550100", "Hello", ID, NOW)
    taken = SNS.taken(SUBMITTED, ID, NOW)
    refused = SNS.refused(Why.INVALID_NUMBER)


# --- who may post ------------------------------------------------------------------------------


def test_what_is_signed():
    """The documentation's example: names and values by line, in the order of the names."""
    envelope = {
        "Type": "Notification",
        "MessageId": "4d4dc071-ddbf-465d-bba8-08f81c89da64",
        "TopicArn": "arn:aws:sns:us-east-2:123456789012:s4-MySNSTopic-1G1WEFCOXTC0P",
        "Subject": "My subject",
        "Message": "My Test Message",
        "Timestamp": "2019-01-31T04:37:04.321Z",
        "SignatureVersion": "1",
    }

    assert signed_part(envelope).decode().splitlines() == [
        "Message",
        "My Test Message",
        "MessageId",
        "4d4dc071-ddbf-465d-bba8-08f81c89da64",
        "Subject",
        "My subject",
        "Timestamp",
        "2019-01-31T04:37:04.321Z",
        "TopicArn",
        "arn:aws:sns:us-east-2:123456789012:s4-MySNSTopic-1G1WEFCOXTC0P",
        "Type",
        "Notification",
    ]
    assert "Subject" not in signed_part({**envelope, "Subject": None}).decode()


def test_the_simulator_signs_as_documented():
    """What the simulator signs verifies with the certificate it shows, by the library's own hand."""
    request = SNS.posted(DELIVERED, "m", NOW, version="2")
    envelope = json.loads(request.body)
    fields = ("Message", "MessageId", "Timestamp", "TopicArn", "Type")
    text = "".join(f"{name}\n{envelope[name]}\n" for name in fields).encode()
    key = x509.load_pem_x509_certificate(certificate(envelope["SigningCertURL"])).public_key()

    key.verify(base64.b64decode(envelope["Signature"]), text, padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("version", ["1", "2"])
def test_both_versions_are_believed(version):
    """Version 1 is SHA-1 and version 2 SHA-256; each is checked as what it says it is."""
    request = posted(DELIVERED, version=version)

    assert len(AWS.events(request, now=NOW)) == 1
    for other in {"1", "2", "3", "", "0"} - {version}:
        assert reason_of(changed(request, SignatureVersion=other)) == "signature"


@pytest.mark.parametrize("kind", ["text/plain; charset=UTF-8", "application/json"])
def test_both_types_of_content_are_believed(kind):
    """SNS posts plain text, or JSON where the subscription says so."""
    request = posted(DELIVERED)

    assert len(AWS.events(attrs.evolve(request, headers={"Content-Type": kind}), now=NOW)) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"Message": json.dumps({**DELIVERED, "eventType": "TEXT_INVALID"})},
        {"MessageId": "77777777-2222-3333-4444-555555555556"},
        {"Subject": "added"},
        {"Timestamp": "2026-11-22T12:00:01.000Z"},
        {"TopicArn": "arn:aws:sns:us-east-1:123456789012:replies"},
        {"Type": "SubscriptionConfirmation"},
        {"Type": "SubscriptionConfirmation", "Token": "0", "SubscribeURL": "https://evil.example/"},
        {"Type": "Anything"},
        {"Type": ["Notification"]},
        {"Message": None},
        {"MessageId": 7},
        {"Signature": None},
        {"Signature": ""},
        {"Signature": "no base64"},
        {"Signature": base64.b64encode(b"0" * 256).decode()},
        {"Signature": base64.b64encode(b"0").decode()},
        {"SignatureVersion": 1},
        {"SigningCertURL": None},
    ],
)
def test_every_field_is_covered(fields):
    """Whatever is changed in the envelope, or left out: it is rejected for its signature."""
    carrier = made(topic_arns=[TOPIC, "arn:aws:sns:us-east-1:123456789012:replies"])

    assert reason_of(changed(posted(DELIVERED), **fields), carrier=carrier) == "signature"


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'{"Type": "Notification", "Type": "x"}', b"{}"])
def test_no_envelope(body):
    """What is no envelope cannot have been signed."""
    assert reason_of(attrs.evolve(posted(DELIVERED), body=body)) == "signature"


def test_only_our_topics():
    """A genuine post of a topic that is not ours is a stranger's, and makes nobody fetch a certificate."""
    asked = []
    carrier = made(topic_arns="arn:aws:sns:us-east-1:210987654321:campaigns", certificate=asked.append)

    assert reason_of(posted(DELIVERED), carrier=carrier) == "signature"
    assert asked == []


@pytest.mark.parametrize(
    ("age", "believed"),
    [
        (dt.timedelta(0), True),
        (dt.timedelta(seconds=301), True),
        (dt.timedelta(minutes=65), True),
        (dt.timedelta(minutes=65, seconds=1), False),
        (dt.timedelta(days=400), False),
        (dt.timedelta(minutes=-5), True),
        (dt.timedelta(seconds=-301), False),
    ],
)
def test_a_post_is_believed_for_an_hour(age, believed):
    """SNS repeats a post for an hour at most; five minutes either way are for the clocks."""
    request = posted(DELIVERED, NOW - age)

    if believed:
        assert len(AWS.events(request, now=NOW)) == 1
    else:
        assert reason_of(request) == "timestamp"


def test_a_time_that_is_none():
    """A time that cannot be read is not fresh, whoever signed it."""
    assert reason_of(
        SNS.signed({"Type": "Notification", "MessageId": "m", "Message": "{}", "Timestamp": "now"}, NOW)
    ) == ("timestamp")


@pytest.mark.parametrize(
    ("url", "fetched"),
    [
        (CERTIFICATE_URL, True),
        ("https://sns.eu-west-3.amazonaws.com/SimpleNotificationService-abc123.pem", True),
        ("https://sns.us-gov-west-1.amazonaws.com/SimpleNotificationService-abc123.pem", True),
        ("https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-abc123.pem", True),
        ("http://sns.us-east-1.amazonaws.com/SimpleNotificationService-abc123.pem", False),
        ("https://sns.us-east-1.amazonaws.com:443/SimpleNotificationService-abc123.pem", False),
        ("https://me@sns.us-east-1.amazonaws.com/SimpleNotificationService-abc123.pem", False),
        ("https://sns.us-east-1.amazonaws.com@evil.example/SimpleNotificationService-abc123.pem", False),
        ("https://sns.us-east-1.amazonaws.com.evil.example/SimpleNotificationService-abc123.pem", False),
        ("https://evil.example/sns.us-east-1.amazonaws.com/SimpleNotificationService-abc123.pem", False),
        ("https://sns.s3-us-west-2.amazonaws.com/SimpleNotificationService-abc123.pem", False),
        ("https://s3.amazonaws.com/evil/SimpleNotificationService-abc123.pem", False),
        ("https://sns.amazonaws.com/SimpleNotificationService-abc123.pem", False),
        ("https://evil-sns.us-east-1.amazonaws.com/SimpleNotificationService-abc123.pem", False),
        ("https://sns.us-east-1.amazonaws.com/?Action=GetTopic&x=.pem", False),
        ("https://sns.us-east-1.amazonaws.com/a/../SimpleNotificationService-abc123.pem", False),
        ("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-abc123.pem?a=b", False),
        ("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-abc123.pem#a", False),
        ("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-abc123.crt", False),
        ("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-abc123.pem\n", False),
        ("", False),
    ],
)
def test_where_certificates_come_from(url, fetched):
    """A certificate is fetched from SNS's own hosts over https, and from nowhere else."""
    asked = []

    def fetch(address):
        asked.append(address)
        return certificate(CERTIFICATE_URL)

    request = changed(posted(DELIVERED), SigningCertURL=url)  # it is not signed itself
    carrier = made(certificate=fetch)

    if fetched:
        assert len(carrier.events(request, now=NOW)) == len(asked) == 1
    else:
        assert (reason_of(request, carrier=carrier), asked) == ("signature", [])


def test_a_certificate_is_fetched_once():
    """Posts with the same certificate ask for it once; a thousand others leave few behind."""
    asked = []

    def fetch(address):
        asked.append(address)
        return certificate(CERTIFICATE_URL)

    carrier = made(certificate=fetch)
    request = posted(DELIVERED)
    for _ in range(3):
        carrier.events(request, now=NOW)
    assert asked == [CERTIFICATE_URL]

    for i in range(100):
        url = f"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-{i}.pem"
        carrier.events(changed(request, SigningCertURL=url), now=NOW)
    assert len(carrier._fetched) <= 16


def issued(key, first=NOW - dt.timedelta(days=1), last=NOW + dt.timedelta(days=1)):
    """Return a certificate in PEM."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made_ = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made_ = made_.serial_number(1).not_valid_before(first).not_valid_after(last)
    return made_.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def raising(error):
    """Return a function that cannot fetch."""

    def fetch(_):
        raise error

    return fetch


@pytest.mark.parametrize(
    "fetch",
    [
        raising(OSError("no route")),
        raising(LookupError("404")),
        raising(RecursionError),
        lambda _: b"",
        lambda _: b"<html>",
        lambda _: "text",
        lambda _: None,
        lambda _: issued(ec.generate_private_key(ec.SECP256R1())),
        lambda _: issued(rsa.generate_private_key(public_exponent=65537, key_size=1024)),  # noqa: S505 - the point
    ],
)
def test_a_certificate_that_is_none(fetch):
    """Whatever goes wrong with the certificate: the post is rejected, to come again, and no other error leaves."""
    carrier = made(certificate=fetch)

    assert reason_of(posted(DELIVERED), carrier=carrier) == "unavailable"


def test_a_certificate_of_somebody_else():
    """A certificate whose key did not sign the post proves nothing."""
    assert reason_of(posted(DELIVERED), carrier=made(certificate=lambda _: issued(STRANGER))) == "signature"


def test_a_certificate_that_failed_is_fetched_again():
    """What could not be fetched or read once may be had the next time."""
    answers = [b"<html>", certificate(CERTIFICATE_URL)]
    carrier = made(certificate=lambda _: answers.pop(0))

    assert reason_of(posted(DELIVERED), carrier=carrier) == "unavailable"
    assert len(carrier.events(posted(DELIVERED), now=NOW)) == 1


def test_a_system_that_forbids_sha_1(monkeypatch):
    """Where the system's rules forbid version 1, its posts are rejected, and no other error leaves."""

    class Key:
        """A key on such a system."""

        def verify(self, *_):
            """Refuse."""
            raise UnsupportedAlgorithm("sha1")

    far = dt.datetime.max.replace(tzinfo=dt.UTC)
    monkeypatch.setattr("campaignkit.backends.carriers.aws._read_certificate", lambda _: (Key(), NOW, far))

    assert reason_of(posted(DELIVERED)) == "signature"


@pytest.mark.parametrize(
    ("first", "last", "valid"),
    [(-1, 1, True), (-2, -1, False), (1, 2, False)],
)
def test_a_certificate_has_its_time(monkeypatch, first, last, valid):
    """A certificate that has run out, or is not yet valid, verifies nothing."""
    pem = issued(STRANGER, NOW + dt.timedelta(days=first), NOW + dt.timedelta(days=last))
    monkeypatch.setattr("campaignkit.testing.dialects.aws._issued", lambda: (STRANGER, pem))
    carrier = made(certificate=lambda _: pem)

    if valid:
        assert len(carrier.events(posted(DELIVERED), now=NOW)) == 1
    else:
        assert reason_of(posted(DELIVERED), carrier=carrier) == "signature"


# --- subscribing -------------------------------------------------------------------------------


def test_a_subscription_is_confirmed_by_the_host():
    """SNS asks once whether the address wants its posts: the answer is a request for the host to make."""
    request = SNS.subscription(NOW)

    assert AWS.events(request, now=NOW) == []
    confirm = AWS.subscription(request, now=NOW)
    assert (confirm.method, confirm.body, dict(confirm.headers)) == ("GET", b"", {})
    parts = urlsplit(confirm.url)
    assert (parts.scheme, parts.hostname, parts.path) == ("https", "sns.us-east-1.amazonaws.com", "/")
    assert parts.query.startswith("Action=ConfirmSubscription&TopicArn=arn%3Aaws%3Asns%3Aus-east-1")


def test_other_posts_confirm_nothing():
    """Neither an event nor the news that somebody unsubscribed asks for anything."""
    envelope = {**json.loads(SNS.subscription(NOW).body), "Type": "UnsubscribeConfirmation"}
    gone = SNS.signed(envelope, NOW)

    assert AWS.subscription(posted(DELIVERED), now=NOW) is None
    assert (AWS.events(gone, now=NOW), AWS.subscription(gone, now=NOW)) == ([], None)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/?Action=ConfirmSubscription&Token=0",
        "http://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=0",
        "https://sns.us-east-1.amazonaws.com/?Action=DeleteTopic&Token=0",
        "https://sns.us-east-1.amazonaws.com/",
        " ",
    ],
)
def test_a_subscription_leads_to_sns_alone(url):
    """However well it is signed, nobody is sent elsewhere; a changed one is rejected before that."""
    elsewhere = SNS.signed({**json.loads(SNS.subscription(NOW).body), "SubscribeURL": url}, NOW)

    with pytest.raises(WebhookRejected) as caught:
        AWS.subscription(elsewhere, now=NOW)
    assert caught.value.reason == "malformed"
    with pytest.raises(WebhookRejected) as caught:
        AWS.subscription(changed(SNS.subscription(NOW), SubscribeURL=url), now=NOW)
    assert caught.value.reason == "signature"


# --- what arrives ------------------------------------------------------------------------------


def test_a_delivered_receipt():
    """A receipt has word, id, our attempt's id, parts, price and AWS's time."""
    [receipt] = AWS.events(posted(DELIVERED), now=NOW)

    assert receipt == Receipt(
        status="TEXT_DELIVERED",
        carrier="aws",
        carrier_id=ID,
        attempt_id="a-1",
        segments=2,
        price=Decimal("0.07451"),
        currency="USD",
        at=dt.datetime(2026, 11, 22, 12, 0, 5, 407000, tzinfo=dt.UTC),
        received_at=NOW,
    )
    assert receipt.raw["messageStatusDescription"] == "Message has been accepted by phone"


@pytest.mark.parametrize(
    ("price", "fee", "cost"),
    [
        (0.00581, 0.003, "0.00881"),
        (0.00581, None, "0.00581"),
        (0.00581, "n/a", "0.00581"),
        (0.000058, 0, "0.000058"),
        (None, 0.003, None),
        ("free", 0.003, None),
        (-1, 0, None),
        (10**9, 10**9, None),
    ],
)
def test_what_a_message_cost(price, fee, cost):
    """The fee of the person's carrier comes on top; an odd amount is no amount."""
    [receipt] = AWS.events(posted({**DELIVERED, "totalMessagePrice": price, "totalCarrierFee": fee}), now=NOW)

    assert receipt.price == (None if cost is None else Decimal(cost))
    assert receipt.currency == (None if cost is None else "USD")


@pytest.mark.parametrize(
    ("word", "final", "kept", "status"),
    [
        ("TEXT_PENDING", False, "TEXT_PENDING", Status.QUEUED),
        ("TEXT_SUCCESSFUL", False, "TEXT_SUCCESSFUL", Status.SENT),
        ("TEXT_SUCCESSFUL", None, "TEXT_SUCCESSFUL", Status.SENT),
        ("TEXT_SUCCESSFUL", True, "delivered", Status.DELIVERED),
        ("MEDIA_SUCCESSFUL", True, "delivered", Status.DELIVERED),
        ("TEXT_DELIVERED", True, "TEXT_DELIVERED", Status.DELIVERED),
        ("MEDIA_DELIVERED", True, "MEDIA_DELIVERED", Status.DELIVERED),
        ("RCS_READ", True, "RCS_READ", Status.READ),
        ("TEXT_UNKNOWN", True, "TEXT_UNKNOWN", Status.UNCONFIRMED),
    ],
)
def test_what_words_mean(word, final, kept, status):
    """Successful is the last word where phones do not report, and only then it means delivered."""
    [receipt] = AWS.events(posted({**DELIVERED, "eventType": word, "isFinal": final}), now=NOW)

    assert receipt.status == kept
    assert fold([receipt]).status is status


@pytest.mark.parametrize(
    ("word", "code", "reason", "retryable"),
    [
        ("TEXT_INVALID", "TEXT_INVALID", "invalid_number", False),
        ("TEXT_UNREACHABLE", "TEXT_UNREACHABLE", "handset_absent", True),
        ("TEXT_PROTECT_BLOCKED", "TEXT_PROTECT_BLOCKED", "fraud_guard", False),
        ("TEXT_TTL_EXPIRED", "TEXT_TTL_EXPIRED", "expired", True),
        ("MEDIA_FILE_SIZE_EXCEEDED", None, "content", False),
        ("RCS_FAILED", None, "no_code", False),
    ],
)
def test_a_failure_is_its_own_code(word, code, reason, retryable):
    """AWS has words and no codes: where the tables have the word as a code, it is one."""
    [receipt] = AWS.events(posted({**DELIVERED, "eventType": word}), now=NOW)
    state = fold([receipt])

    assert receipt.error_code == code
    verdict = classify("aws", state.error_code, state.status)
    assert (verdict.reason, verdict.retryable, verdict.mapped) == (reason, retryable, True)


def test_an_unknown_word_is_kept():
    """A word that is in no table is a receipt all the same, without a code."""
    [receipt] = AWS.events(posted({**DELIVERED, "eventType": "TEXT_TELEPORTED"}), now=NOW)

    assert (receipt.status, receipt.error_code) == ("TEXT_TELEPORTED", None)
    assert fold([receipt]).unknown_words == {"TEXT_TELEPORTED"}


@pytest.mark.parametrize(
    "context", [None, {}, [], "a-1", {"attempt": ""}, {"attempt": "a b"}, {"attempt": {"id": 1}}, {"attempt": "x" * 37}]
)
def test_context_that_is_not_ours(context):
    """What others put into the context is no attempt id of ours."""
    [receipt] = AWS.events(posted({**DELIVERED, "context": context}), now=NOW)

    assert receipt.attempt_id is None


def test_details_that_are_odd():
    """A detail that cannot be read is left out, and costs no receipt."""
    odd = {"eventTimestamp": "soon", "totalMessageParts": 0, "totalMessagePrice": {}, "context": None}

    [receipt] = AWS.events(posted({**DELIVERED, **odd}), now=NOW)

    assert (receipt.at, receipt.segments, receipt.price) == (None, None, None)


def test_a_time_ahead_of_ours():
    """A time in the future is not believed, and the receipt is."""
    [receipt] = AWS.events(posted({**DELIVERED, "eventTimestamp": 1795352400000}), now=NOW)

    assert receipt.at is None


@pytest.mark.parametrize("more", [{}, {"previousPublishedMessageId": None}, {"messageKeyword": None}])
def test_a_reply(more):
    """A reply says who wrote what to whom, when SNS published it, and which message it answers."""
    request = posted({**INBOUND, **more}, NOW - dt.timedelta(minutes=2))

    assert AWS.events(request, now=NOW) == [
        Reply(
            received_at=NOW - dt.timedelta(minutes=2),
            dated=True,
            reply_id="99999999-2222-3333-4444-555555555555",
            to="+12025550143",
            sender="+12025550100",
            text="stop",
            keyword=Keyword.OPT_OUT,
            carrier="aws",
            carrier_id=None if "previousPublishedMessageId" in more else ID,
        )
    ]


def test_a_reply_without_a_text():
    """A reply that says nothing is a reply."""
    [reply] = AWS.events(posted({**INBOUND, "messageBody": None}), now=NOW)

    assert (reply.text, reply.keyword) == ("", None)


@pytest.mark.parametrize(
    "message",
    [
        {**DELIVERED, "eventType": "VOICE_COMPLETED"},
        {**DELIVERED, "eventType": None},
        {"event_type": "_SMS.SUCCESS"},
        {"anything": "else"},
        "Successfully validated SNS topic",
        "[1, 2]",
    ],
)
def test_what_is_about_something_else(message):
    """Calls, other services and plain texts in the topic are genuine, and about no message."""
    assert AWS.events(posted(message), now=NOW) == []


@pytest.mark.parametrize(
    "message",
    [
        {**DELIVERED, "messageId": None},
        {**DELIVERED, "messageId": " "},
        {**INBOUND, "inboundMessageId": None},
        {**INBOUND, "originationNumber": None},
        "{",
        '{"eventType": NaN}',
        '{"eventType": "TEXT_DELIVERED", "eventType": "TEXT_INVALID"}',
        '{"a":' * 40 + "1" + "}" * 40,
    ],
)
def test_what_must_be_there(message):
    """A receipt without its message, a reply without its writer, and broken JSON are malformed."""
    assert reason_of(posted(message)) == "malformed"


# --- sending -----------------------------------------------------------------------------------


def test_a_message_is_handed_over():
    """Method, address, type, target and every field are those of AWS's description."""
    request = AWS.encode(MESSAGE, ATTEMPT)

    assert (request.method, request.url) == ("POST", "https://sms-voice.us-east-1.amazonaws.com/")
    headers = dict(request.headers)
    assert headers.pop("authorization").startswith(
        "AWS4-HMAC-SHA256 Credential=AKIA0000000000000000/20261122/us-east-1/sms-voice/aws4_request,"
        " SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature="
    )
    assert headers == {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-date": "20261122T120000Z",
        "x-amz-target": "PinpointSMSVoiceV2.SendTextMessage",
    }
    assert request.body.decode() == (
        '{"DestinationPhoneNumber":"+12025550143","OriginationIdentity":"+12025550100",'
        '"MessageBody":"Spring sale: 20 % off ☀","ConfigurationSetName":"campaigns","Context":{"attempt":"a-1"}}'
    )


def test_what_may_be_left_out_and_added():
    """Without a sender AWS picks one; type and life are those the carrier was constructed with."""
    carrier = made(message_type="PROMOTIONAL", time_to_live=3600)

    request = carrier.encode(attrs.evolve(MESSAGE, sender=None), Attempt(started_at=NOW))

    assert json.loads(request.body) == {
        "DestinationPhoneNumber": "+12025550143",
        "MessageBody": "Spring sale: 20 % off ☀",
        "MessageType": "PROMOTIONAL",
        "ConfigurationSetName": "campaigns",
        "TimeToLive": 3600,
    }


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, MESSAGE),
        ({"session_token": "FwoGZXIvYXdzEJr//////////w=="}, MESSAGE),
        ({"region": "eu-west-3", "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}, MESSAGE),
        ({"region": "cn-north-1"}, attrs.evolve(MESSAGE, text="a" * 1600)),
        ({"api_url": "http://127.0.0.1:8080"}, MESSAGE),
        ({"api_url": "http://LOCALHOST:80/"}, MESSAGE),
        ({"api_url": "https://vpce-1.sms-voice.us-east-1.vpce.amazonaws.com:443"}, MESSAGE),
        ({"api_url": "https://proxy.example/to aws~1/".replace(" ", "_")}, MESSAGE),
    ],
)
def test_signatures_are_those_of_botocore(monkeypatch, more, message):
    """AWS's own library signs the same request with the same signature."""
    carrier = made(**more)
    request = carrier.encode(message, ATTEMPT)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: NOW.replace(tzinfo=None))
    credentials = Credentials(carrier.access_key_id, carrier.secret_access_key[0], carrier.session_token)
    unsigned = {name: value for name, value in request.headers.items() if name.startswith(("content-", "x-amz-target"))}
    theirs = AWSRequest("POST", request.url, headers=unsigned, data=request.body)

    botocore.auth.SigV4Auth(credentials, "sms-voice", carrier.region).add_auth(theirs)

    assert theirs.headers["Authorization"] == request.headers["authorization"]
    assert theirs.headers["X-Amz-Date"] == request.headers["x-amz-date"]
    assert theirs.headers["X-Amz-Security-Token"] == request.headers.get("x-amz-security-token")


def client(answer, region="us-east-1"):
    """Return AWS's own client, what it has sent, and nothing going over the network."""
    sent = []
    made_ = botocore.session.Session().create_client(
        "pinpoint-sms-voice-v2",
        region_name=region,
        aws_access_key_id="AKIA0000000000000000",
        aws_secret_access_key="not-a-secret",
        config=botocore.config.Config(retries={"max_attempts": 0}, user_agent="test"),
    )

    class Raw:
        """The body of an answer."""

        def stream(self, **_):
            """Yield it."""
            yield answer.body

    def before_send(request, **_):
        sent.append(request)
        return AWSResponse(request.url, answer.status, dict(answer.headers), Raw())

    made_.meta.events.register("before-send", before_send)
    return made_, sent


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-3", "us-gov-west-1", "cn-north-1", "eusc-de-east-1"])
def test_requests_are_those_of_botocore(region):
    """AWS's own client, asked for the same, sends the same fields to the same address."""
    ours = made(region=region).encode(MESSAGE, ATTEMPT)
    theirs, sent = client(SNS.taken(SUBMITTED, ID, NOW), region)

    answer = theirs.send_text_message(**json.loads(ours.body))

    assert answer["MessageId"] == ID
    [request] = sent
    assert (request.method, request.url) == (ours.method, ours.url)
    assert json.loads(request.body) == json.loads(ours.body)
    for name in ("Content-Type", "X-Amz-Target"):
        found = request.headers[name]
        assert (found.decode() if isinstance(found, bytes) else found) == ours.headers[name]


@pytest.mark.parametrize("why", list(Why))
def test_refusals_are_errors_to_botocore(why):
    """What the simulator answers is to AWS's own client the error that it is to us."""
    theirs, _ = client(SNS.refused(why))

    with pytest.raises(ClientError) as caught:
        theirs.send_text_message(DestinationPhoneNumber="+12025550143")

    error = caught.value.response
    code = ":".join(filter(None, (error["Error"]["Code"], error.get("Reason"))))
    assert code == AWS.decode(SNS.refused(why)).error_code


def test_codes_are_those_of_the_description():
    """Every reason of the three errors that have one is known to AWS's description by that name."""
    folder = Path(botocore.__file__).parent / "data" / "pinpoint-sms-voice-v2" / "2022-03-31"
    shapes = json.loads(gzip.decompress((folder / "service-2.json.gz").read_bytes()))["shapes"]

    for kind, reason in (
        ("ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT"),
        ("ValidationException", "COUNTRY_NOT_ENABLED"),
        ("ServiceQuotaExceededException", "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT"),
        ("AccessDeniedException", "ACCOUNT_DISABLED"),
    ):
        assert reason in shapes[f"{kind}Reason"]["enum"]
        assert classify("aws", f"{kind}:{reason}").mapped


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (Message(status="pending", to="+12025550143"), "text is None: there is nothing to send"),
        (attrs.evolve(MESSAGE, text="a" * 1601), "text has 1,601 characters: aws takes 1,600; shorten it"),
        (attrs.evolve(MESSAGE, sender="My Shop"), "sender is 'My Shop': aws takes a number, a sender ID"),
        (attrs.evolve(MESSAGE, sender="a" * 257), "sender is 'aaa"),
        (attrs.evolve(MESSAGE, media=["https://a.example/1.jpg"]), "media is 1 file(s): aws takes text only here"),
        (attrs.evolve(MESSAGE, to="12025550143"), "to is '12025550143': must be E.164"),
    ],
)
def test_what_cannot_be_sent(message, sentence):
    """What breaks a limit is refused before it is sent, in one sentence."""
    with pytest.raises(InvalidValue) as caught:
        AWS.encode(message, ATTEMPT)

    assert str(caught.value).startswith(sentence)


def test_a_request_needs_its_time():
    """The time of a request is signed, and a carrier has no clock."""
    with pytest.raises(InvalidValue, match="started_at is None: aws signs when a request is made; give Attempt"):
        AWS.encode(MESSAGE, Attempt(attempt_id="a-1"))


@pytest.mark.parametrize(
    ("status", "answer", "outcome", "refusal", "code"),
    [
        (200, {"MessageId": ID}, Outcome.TAKEN, None, None),
        (200, {}, Outcome.UNKNOWN, None, None),
        (
            400,
            {"__type": "ConflictException", "Reason": "DESTINATION_PHONE_NUMBER_OPTED_OUT", "ResourceType": "account"},
            Outcome.REFUSED,
            Refusal.FINAL,
            "ConflictException:DESTINATION_PHONE_NUMBER_OPTED_OUT",
        ),
        (
            400,
            {
                "__type": "com.amazonaws.smsvoice#ValidationException",
                "message": "no",
                "Reason": "SENDER_ID_NOT_SUPPORTED",
            },
            Outcome.REFUSED,
            Refusal.FINAL,
            "ValidationException:SENDER_ID_NOT_SUPPORTED",
        ),
        (
            400,
            {"__type": "ServiceQuotaExceededException", "Reason": "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT"},
            Outcome.REFUSED,
            Refusal.ACCOUNT,
            "ServiceQuotaExceededException:MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT",
        ),
        (
            400,
            {"__type": "AccessDeniedException", "Reason": "ACCOUNT_DISABLED"},
            Outcome.REFUSED,
            Refusal.ACCOUNT,
            "AccessDeniedException:ACCOUNT_DISABLED",
        ),
        (400, {"__type": "AccessDeniedException"}, Outcome.REFUSED, Refusal.ACCOUNT, "AccessDeniedException"),
        (400, {"__type": "ExpiredTokenException"}, Outcome.REFUSED, Refusal.ACCOUNT, "ExpiredTokenException"),
        (403, {"__type": "OptInRequired"}, Outcome.REFUSED, Refusal.ACCOUNT, "OptInRequired"),
        (400, {"__type": "ThrottlingException"}, Outcome.REFUSED, Refusal.TEMPORARY, "ThrottlingException"),
        (
            400,
            {"__type": "ResourceNotFoundException", "ResourceType": "pool", "ResourceId": "pool-0"},
            Outcome.REFUSED,
            Refusal.FINAL,
            "ResourceNotFoundException:pool",
        ),
        (400, {"__type": "NewException:http://internal/"}, Outcome.REFUSED, Refusal.FINAL, "NewException"),
        (400, {"message": "from a proxy"}, Outcome.UNKNOWN, None, None),
        (400, {"__type": "#"}, Outcome.UNKNOWN, None, None),
        (500, {"__type": "InternalServerException"}, Outcome.UNKNOWN, None, "InternalServerException"),
        (503, {"__type": "ServiceUnavailableException"}, Outcome.UNKNOWN, None, "ServiceUnavailableException"),
    ],
)
def test_what_an_answer_means(status, answer, outcome, refusal, code):
    """Each answer falls into its class: taken, one of three refusals, or unknown."""
    found = AWS.decode(Response(status, {}, json.dumps(answer).encode()))

    assert (found.outcome, found.refusal, found.error_code, found.carrier) == (outcome, refusal, code, "aws")
    assert found.carrier_id == (ID if outcome is Outcome.TAKEN else None)


# --- constructing it ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"topic_arns": ()}, "topic_arns is empty: anybody could have their own topic post here"),
        ({"topic_arns": None}, "topic_arns is empty"),
        ({"topic_arns": ["campaigns"]}, "topic_arns holds 'campaigns': not the name of a topic"),
        ({"topic_arns": [TOPIC, 7]}, "topic_arns holds 7"),
        ({"topic_arns": f"{TOPIC}\n"}, "topic_arns holds"),
        ({"certificate": None}, "certificate is None: give a function that fetches"),
        ({"region": "Virginia"}, "region is 'Virginia': not a region of AWS"),
        ({"region": None}, "region is None"),
        ({"region": "us-east-1.evil.example/"}, "region is"),
        ({"secret_access_key": ""}, "secret_access_key is empty"),
        ({"access_key_id": ""}, "access_key_id is ''"),
        ({"configuration_set": None}, "configuration_set is None"),
        ({"message_type": "URGENT"}, "message_type is 'URGENT': must be TRANSACTIONAL or PROMOTIONAL"),
        ({"message_type": []}, "message_type is []"),
        ({"time_to_live": 4}, "time_to_live is 4: give 5 to 259,200 whole seconds"),
        ({"time_to_live": 259_201}, "time_to_live is 259201"),
        ({"time_to_live": True}, "time_to_live is True"),
        ({"time_to_live": 60.0}, "time_to_live is 60.0"),
        ({"api_url": "http://sms-voice.example"}, "api_url is 'http://sms-voice.example': it would go over"),
    ],
)
def test_what_it_cannot_be_constructed_with(more, sentence):
    """What is wrong is said at once, and what is missing for checking webhooks is wrong."""
    with pytest.raises(InvalidValue) as caught:
        made(**more)

    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("name", ["certificate", "topic_arns", "region", "configuration_set", "secret_access_key"])
def test_what_is_required(name):
    """Without any of these there is nothing to send with, or nobody to believe."""
    given = {f.name: getattr(AWS, f.name) for f in attrs.fields(Aws) if f.init and f.name != name}

    with pytest.raises(TypeError, match=name):
        Aws(**given)


def test_without_cryptography(monkeypatch):
    """Without the package that checks signatures it cannot be constructed, so that no webhook fails."""
    monkeypatch.setitem(sys.modules, "cryptography", None)

    with pytest.raises(MissingExtra, match=r'needs cryptography: pip install "campaignkit\[signatures\]"'):
        made()


def test_it_shows_no_secret():
    """Its repr names the account, and neither key nor token."""
    shown = repr(made(session_token="a-session-token"))

    assert "AKIA0000000000000000" in shown
    assert "certificate=certificate" in shown
    assert "not-a-secret" not in shown
    assert "a-session-token" not in shown


# --- the other side ----------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"session_token": "token"}, {"time_to_live": 60, "message_type": "PROMOTIONAL"}])
def test_the_dialect_reads_what_we_send(more):
    """What the simulator reads is what was sent, the attempt id included."""
    carrier = made(**more)

    assert AwsDialect(carrier).read(carrier.encode(MESSAGE, ATTEMPT)) == Submitted(
        to="+12025550143", sender="+12025550100", text="Spring sale: 20 % off ☀", attempt_id="a-1"
    )


def sent(fields, **headers):
    """Return a request with these fields, properly signed."""
    body = json.dumps(fields).encode()
    given = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Date": "20261122T120000Z",
        "X-Amz-Target": "PinpointSMSVoiceV2.SendTextMessage",
        **headers,
    }
    url = "https://sms-voice.us-east-1.amazonaws.com/"
    return Request("POST", url, {**given, "Authorization": AWS.authorization(url, given, body)}, body)


VALID = {"DestinationPhoneNumber": "+12025550143", "MessageBody": "Hi"}


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (attrs.evolve(sent(VALID), method="GET"), InvalidValue),
        (attrs.evolve(sent(VALID), url="https://sms-voice.us-east-1.amazonaws.com/messages"), InvalidValue),
        (sent(VALID, **{"X-Amz-Target": "PinpointSMSVoiceV2.SendMediaMessage"}), InvalidValue),
        (sent(VALID, **{"Content-Type": "application/json"}), InvalidValue),
        (attrs.evolve(sent(VALID), body=b"{}"), PermissionError),
        (sent(VALID, **{"X-Amz-Date": "yesterday"}), PermissionError),
        (sent(VALID, **{"X-Amz-Security-Token": "token"}), PermissionError),
        (made(secret_access_key="another").encode(MESSAGE, ATTEMPT), PermissionError),
        (sent({"MessageBody": "Hi"}), InvalidValue),
        (sent({"DestinationPhoneNumber": "+12025550143"}), InvalidValue),
        (sent({**VALID, "DestinationPhoneNumber": "+1 202 555 0143"}), InvalidValue),
        (sent({**VALID, "MessageBody": "a" * 1601}), InvalidValue),
        (sent({**VALID, "MessageType": "URGENT"}), InvalidValue),
        (sent({**VALID, "TimeToLive": 1}), InvalidValue),
        (sent({**VALID, "TimeToLive": "60"}), InvalidValue),
        (sent({**VALID, "Anything": "else"}), InvalidValue),
    ],
)
def test_the_dialect_is_as_strict_as_aws(request_, error):
    """A request that AWS would refuse, the simulator refuses."""
    with pytest.raises(error):
        SNS.read(request_)


def test_the_dialect_needs_its_own_certificate():
    """Nobody but AWS can sign for a certificate of AWS, and the sentence says what to do."""
    with pytest.raises(InvalidValue, match=r"certificate=campaignkit\.testing\.dialects\.aws\.certificate"):
        AwsDialect(made(certificate=lambda _: b""))
    with pytest.raises(LookupError):
        certificate("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem")


def test_the_dialects_certificate_is_the_same_everywhere():
    """A simulator in another process signs with the same key, so that its posts are believed here."""
    code = "from campaignkit.testing.dialects.aws import *; print(certificate(CERTIFICATE_URL).decode(), end='')"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)  # noqa: S603 - ourselves

    assert other.stdout.split() == certificate(CERTIFICATE_URL).split()


def test_the_dialects_words_are_in_the_tables():
    """Whatever the simulator reports is known, and arrives as what it is."""
    submitted = attrs.evolve(SUBMITTED, attempt_id=None)
    for status, word in SNS.words.items():
        [receipt] = AWS.events(SNS.receipt(submitted, ID, word, None, NOW), now=NOW)
        assert fold([receipt]).status is status
    for word, code in SNS.failures:
        [receipt] = AWS.events(SNS.receipt(submitted, ID, word, code, NOW), now=NOW)
        assert receipt.error_code == word
        assert fold([receipt]).unknown_words == frozenset()


def test_the_dialects_ids():
    """Ids look like those of AWS."""
    from random import Random
    from uuid import UUID

    made_ = SNS.new_id(Random(1))  # noqa: S311 - no secret
    assert str(UUID(made_)) == made_
