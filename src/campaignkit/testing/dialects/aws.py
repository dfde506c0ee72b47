"""AWS from its own side."""

from __future__ import annotations

import base64
import datetime as dt
import functools
import json
import re
from collections.abc import Mapping
from datetime import datetime
from random import Random
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from campaignkit.backends.carriers.aws import JSON, LONGEST_LIFE, MOST_TEXT, SHORTEST_LIFE, TARGET, Aws, signed_part
from campaignkit.backends.carriers.port import ATTEMPT, Carrier, Request, Response
from campaignkit.backends.carriers.signing import same
from campaignkit.backends.carriers.wire import Fields, read_json
from campaignkit.errors import InvalidValue
from campaignkit.models import Status
from campaignkit.testing.dialects.base import Dialect, Submitted, Why, json_response

CERTIFICATE_URL: Final = f"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-{'0' * 32}.pem"
TOPIC: Final = "arn:aws:sns:us-east-1:123456789012:campaigns"

_PRIMES: Final = (2**1024 - 105, 2**1024 - 2**1000 - 761)
"""The made-up key: everybody who reads this file can sign with it, and so can a simulator in another process."""

_REFUSED: Mapping[Why, tuple[str, str | None, str]] = {
    Why.BUSY: ("ThrottlingException", None, "Rate exceeded"),
    Why.INVALID_NUMBER: ("ValidationException", "INVALID_PARAMETER", "Invalid destination phone number"),
    Why.OPTED_OUT: ("ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT", "Destination phone number opted out"),
    Why.ACCOUNT: ("UnrecognizedClientException", None, "The security token included in the request is invalid."),
    Why.REQUEST: ("ValidationException", "MISSING_PARAMETER", "A required parameter is missing"),
}
_NOT_FINAL: Final = frozenset({"PENDING", "QUEUED", "SUCCESSFUL", "SENT", "FALLEN_BACK_TO_SMS"})
_DATE: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z")
# As botocore's description of the service has them.
_RULES: Final[Mapping[str, re.Pattern[str]]] = {
    "DestinationPhoneNumber": re.compile(r"\+?[1-9][0-9]{1,18}"),
    "OriginationIdentity": re.compile(r"[A-Za-z0-9_:/+-]{1,256}"),
    "MessageBody": re.compile(rf"(?!\s*$)[\s\S]{{1,{MOST_TEXT}}}"),
    "MessageType": re.compile("TRANSACTIONAL|PROMOTIONAL"),
    "ConfigurationSetName": re.compile(r"[A-Za-z0-9_:/-]{1,256}"),
}


def certificate(url: str) -> bytes:
    """Return the certificate that posts are signed with, in PEM, as if it had been fetched."""
    if url != CERTIFICATE_URL:
        raise LookupError(url)
    return _issued()[1]


def _key() -> rsa.RSAPrivateKey:
    p, q = _PRIMES
    e = 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    return rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(e, p * q),
    ).private_key()


@functools.cache
def _issued() -> tuple[rsa.RSAPrivateKey, bytes]:
    key = _key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2200, 1, 1, tzinfo=dt.UTC))
        .sign(key, hashes.SHA256())
    )
    return key, made.public_bytes(Encoding.PEM)


class AwsDialect(Dialect):
    """AWS, answering; its posts are signed with a key that is no secret."""

    carrier: Aws

    words: ClassVar[Mapping[Status, str]] = {
        Status.QUEUED: "TEXT_PENDING",
        Status.SENT: "TEXT_SUCCESSFUL",
        Status.DELIVERED: "TEXT_DELIVERED",
    }
    failures: ClassVar[Mapping[tuple[str, str | None], int]] = {
        ("TEXT_INVALID", None): 60,
        ("TEXT_UNREACHABLE", None): 14,
        ("TEXT_UNKNOWN", None): 10,
        ("TEXT_CARRIER_BLOCKED", None): 5,
        ("TEXT_CARRIER_UNREACHABLE", None): 4,
        ("TEXT_SPAM", None): 3,
        ("TEXT_BLOCKED", None): 2,
        ("TEXT_TTL_EXPIRED", None): 2,
    }

    def __init__(self, carrier: Carrier | None = None) -> None:
        """Use a host's carrier, which fetches certificates with `certificate` of this module."""
        super().__init__(carrier)
        if self.carrier.certificate is not certificate:
            raise InvalidValue(
                "certificate is the host's own: only AWS has the key to it; construct Aws with"
                " certificate=campaignkit.testing.dialects.aws.certificate"
            )

    @classmethod
    def made_up(cls, *, api_url: str | None = None, webhook_url: str | None = None) -> Aws:
        """Return an account that does not exist."""
        return Aws(
            access_key_id="AKIA0000000000000000",
            secret_access_key="not-a-secret",
            region="us-east-1",
            configuration_set="campaigns",
            topic_arns=TOPIC,
            certificate=certificate,
            webhook_url=webhook_url,
            api_url=api_url,
        )

    def read(self, request: Request) -> Submitted:
        """Return what a request asks for."""
        headers = request.headers
        if (request.method, urlsplit(request.url).path, headers.get("x-amz-target")) != ("POST", "/", TARGET):
            raise InvalidValue(f"a message is handed over by POST / with X-Amz-Target {TARGET}")
        if headers.get("content-type") != JSON:
            raise InvalidValue(f"the content is {JSON}")
        self._check_credentials(request)
        fields = Fields(read_json(request.body))
        _check_fields(fields)
        return Submitted(
            to=fields.need("DestinationPhoneNumber"),
            sender=fields.text("OriginationIdentity"),
            text=fields.need("MessageBody"),
            attempt_id=fields.inner("Context").text(ATTEMPT),
        )

    def _check_credentials(self, request: Request) -> None:
        names = ("Content-Type", "X-Amz-Date", "X-Amz-Target", "X-Amz-Security-Token")
        signed = {name: request.headers[name] for name in names if name in request.headers}
        given = request.headers.get("authorization", "")
        token = request.headers.get("x-amz-security-token")
        dated = _DATE.fullmatch(signed.get("X-Amz-Date", "")) is not None
        if not dated or token != self.carrier.session_token:
            raise PermissionError
        if not same(given, self.carrier.authorization(request.url, signed, request.body)):
            raise PermissionError

    def new_id(self, random: Random) -> str:
        """Return a UUID."""
        digits = f"{random.getrandbits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def taken(self, submitted: Submitted, carrier_id: str, now: datetime) -> Response:  # noqa: ARG002 - it says no more
        """Return the id, which is all that AWS says."""
        return json_response(200, {"MessageId": carrier_id}, JSON)

    def refused(self, why: Why) -> Response:
        """Return an error of the API."""
        kind, reason, message = _REFUSED[why]
        error = {"__type": kind, "Message": message, "Reason": reason}
        return json_response(400, {name: value for name, value in error.items() if value is not None}, JSON)

    def receipt(self, submitted: Submitted, carrier_id: str, word: str, code: str | None, now: datetime) -> Request:  # noqa: ARG002 - words are all it has
        """Return an event."""
        channel, _, status = word.partition("_")
        event = {
            "eventType": word,
            "eventVersion": "1.0",
            "eventTimestamp": int(now.timestamp() * 1000),
            "isFinal": status not in _NOT_FINAL,
            "originationPhoneNumber": submitted.sender or "+12025550100",
            "destinationPhoneNumber": submitted.to,
            "isoCountryCode": "US",
            "messageId": carrier_id,
            "messageRequestTimestamp": int(now.timestamp() * 1000),
            "messageType": self.carrier.message_type or "TRANSACTIONAL",
            "messageStatus": status or channel,
            "totalMessageParts": submitted.parts,
            "totalMessagePrice": 0.00581,
            "totalCarrierFee": 0.003,
        }
        if submitted.attempt_id is not None:
            event["context"] = {ATTEMPT: submitted.attempt_id}
        return self.posted(event, carrier_id, now)

    def reply(self, to: str, sender: str, text: str, reply_id: str, now: datetime) -> Request:
        """Return what a person wrote."""
        inbound = {
            "originationNumber": to,
            "destinationNumber": sender,
            "messageKeyword": f"KEYWORD_{self.carrier.topic_arns[0].split(':')[4]}",
            "messageBody": text,
            "inboundMessageId": reply_id,
        }
        return self.posted(inbound, reply_id, now)

    def posted(
        self, message: Mapping[str, object] | str, message_id: str, now: datetime, *, version: str = "1"
    ) -> Request:
        """Return what SNS posts when this is published in the topic."""
        text = message if isinstance(message, str) else json.dumps(message)
        return self.signed({"Type": "Notification", "MessageId": message_id, "Message": text}, now, version=version)

    def subscription(self, now: datetime) -> Request:
        """Return the question whether this address wants the topic's posts."""
        topic = self.carrier.topic_arns[0]
        asked = {
            "Type": "SubscriptionConfirmation",
            "MessageId": "00000000-0000-0000-0000-000000000001",
            "Token": "0" * 64,
            "Message": f"You have chosen to subscribe to the topic {topic}.",
            "SubscribeURL": f"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={quote(topic)}"
            f"&Token={'0' * 64}",
        }
        return self.signed(asked, now)

    def signed(self, envelope: Mapping[str, object], now: datetime, *, version: str = "1") -> Request:
        """Return the post with this envelope, with all in it that SNS adds."""
        stamp = now.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        whole: dict[str, Any] = {
            "TopicArn": self.carrier.topic_arns[0],
            "Timestamp": stamp,
            "SignatureVersion": version,
            "SigningCertURL": CERTIFICATE_URL,
            **envelope,
        }
        digest = hashes.SHA1() if version == "1" else hashes.SHA256()  # noqa: S303 - as SNS does
        made = _issued()[0].sign(signed_part(whole), padding.PKCS1v15(), digest)
        whole["Signature"] = base64.b64encode(made).decode()
        headers = {"Content-Type": "text/plain; charset=UTF-8", "X-Amz-Sns-Message-Type": str(whole["Type"])}
        url = self.carrier.webhook_url or "https://app.example/hooks"
        return Request("POST", url, headers, json.dumps(whole, indent=2).encode())


def _check_fields(fields: Fields) -> None:
    known = {*_RULES, "TimeToLive", "Context"}
    if not known.issuperset(fields):
        raise InvalidValue(f"only {', '.join(sorted(known))} are known here")
    fields.need("DestinationPhoneNumber")
    fields.need("MessageBody")
    for name, rule in _RULES.items():
        if name in fields and not (isinstance(fields[name], str) and rule.fullmatch(fields[name])):
            raise InvalidValue(f"{name} is not as the service wants it")
    life = fields.get("TimeToLive", SHORTEST_LIFE)
    if not isinstance(life, int) or not SHORTEST_LIFE <= life <= LONGEST_LIFE:
        raise InvalidValue("TimeToLive is out of its bounds")
