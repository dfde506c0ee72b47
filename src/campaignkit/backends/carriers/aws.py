"""AWS End User Messaging SMS, whose receipts and replies come through Amazon SNS.

A message is handed over by

    POST https://sms-voice.us-east-1.amazonaws.com/
    Authorization: AWS4-HMAC-SHA256 Credential=AKIA.../20261122/us-east-1/sms-voice/aws4_request, ...
    Content-Type: application/x-amz-json-1.0
    X-Amz-Date: 20261122T120000Z
    X-Amz-Target: PinpointSMSVoiceV2.SendTextMessage

    {"DestinationPhoneNumber": "+12025550143", "OriginationIdentity": "+12025550100",
     "MessageBody": "Hello", "ConfigurationSetName": "campaigns", "Context": {"attempt": "..."}}

    200  {"MessageId": "..."}
    400  {"__type": "ConflictException", "Reason": "DESTINATION_PHONE_NUMBER_OPTED_OUT", "Message": "..."}
    400  {"__type": "ThrottlingException", "Message": "Rate exceeded"}     never processed

What becomes of it is published to a topic of SNS, and so is what people write. SNS posts both,
each as a text in an envelope:

    POST https://app.example/hooks/aws
    Content-Type: text/plain; charset=UTF-8

    {"Type": "Notification", "MessageId": "...", "TopicArn": "arn:aws:sns:us-east-1:...:campaigns",
     "Message": "...", "Timestamp": "2026-11-22T12:00:00.000Z", "SignatureVersion": "1",
     "Signature": "...", "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-....pem"}

    {"eventType": "TEXT_DELIVERED", "isFinal": true, "messageId": "...", "context": {"attempt": "..."},
     "totalMessageParts": 1, "totalMessagePrice": 0.00581, "totalCarrierFee": 0.003, ...}
    {"originationNumber": "+12025550143", "destinationNumber": "+12025550100", "messageBody": "STOP",
     "inboundMessageId": "...", "previousPublishedMessageId": "..."}

The signature (RSA over SHA-1, version 1, or SHA-256, version 2) covers type, topic, message, its
id and its time, and nothing of address and headers. Anybody with an account at AWS has it sign
what they like, in topics of their own: only the topics given are believed. The certificate is
taken from addresses of SNS alone. SNS repeats a post for an hour at most, so a request of more
than an hour (and five minutes) ago is rejected.
There is no idempotency key: what may have been taken is unknown, and stays so until its receipt.
"""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Final, Literal
from urllib.parse import quote, urlsplit

import attrs

from campaignkit.backends.carriers.port import (
    ATTEMPT,
    Carrier,
    Event,
    Refusal,
    Request,
    Secret,
    Submission,
    account_name,
    address,
    newest,
    secret,
)
from campaignkit.backends.carriers.signing import needs, sha256_hex, signature
from campaignkit.backends.carriers.wire import EARLY, Fields, e164, json_bytes, moment_of, read_json
from campaignkit.errors import InvalidValue, shown
from campaignkit.models import EXACT, Attempt, Message, Receipt, Reply
from campaignkit.verdicts import classify

JSON: Final = "application/x-amz-json-1.0"
TARGET: Final = "PinpointSMSVoiceV2.SendTextMessage"
SERVICE: Final = "sms-voice"
MOST_TEXT: Final = 1600
SHORTEST_LIFE: Final = 5
LONGEST_LIFE: Final = 259_200
LATE: Final = timedelta(hours=1) + EARLY
"""How old a post may be: SNS repeats one for an hour at most, and clocks differ."""

SIGNED: Final[Mapping[str, tuple[str, ...]]] = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
"""What is signed of each type of envelope, in this order."""

_REGION: Final = re.compile(r"[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}")
# A host may be "sns." before a region and nothing else: buckets of S3 live under amazonaws.com too.
_HOST: Final = rf"https://sns\.{_REGION.pattern}\.amazonaws\.com(?:\.cn)?"
CERTIFICATE_URL: Final = re.compile(rf"{_HOST}/SimpleNotificationService-[0-9A-Za-z]{{1,64}}\.pem")
"""Where the certificates of SNS are, and nothing else is."""
_SUBSCRIBE: Final = re.compile(rf"{_HOST}/\?Action=ConfirmSubscription&[!-~]{{1,4096}}")
_TOPIC: Final = re.compile(rf"arn:aws[a-z-]{{0,8}}:sns:{_REGION.pattern}:[0-9]{{12}}:[A-Za-z0-9_.-]{{1,261}}")
_SUFFIX: Final = {"cn": "amazonaws.com.cn", "eusc": "amazonaws.eu"}
_SENDER: Final = re.compile(r"[A-Za-z0-9_:/+-]{1,256}")
_SHORTEST_KEY: Final = 2048
_MOST_CERTIFICATES: Final = 16
_MESSAGES: Final = ("TEXT_", "MEDIA_", "RCS_")
# Where others answer 401 or 403, AWS answers 400 with one of these.
_CREDENTIALS: Final = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "UnrecognizedClientException",
    }
)


def _a_region(value: Any) -> str:
    if isinstance(value, str) and _REGION.fullmatch(value):
        return value
    raise InvalidValue(f'region is {shown(value)}: not a region of AWS; give one like "us-east-1"')


def _topics(value: Any) -> tuple[str, ...]:
    each = (value,) if isinstance(value, str) else tuple(value or ())
    for one in each:
        if not isinstance(one, str) or not _TOPIC.fullmatch(one):
            raise InvalidValue(
                f"topic_arns holds {shown(one)}: not the name of a topic; copy it from the console of SNS, like"
                ' "arn:aws:sns:us-east-1:123456789012:campaigns"'
            )
    if not each:
        raise InvalidValue(
            "topic_arns is empty: anybody could have their own topic post here; give the topics whose posts to believe"
        )
    return each


def _fetcher(value: Callable[[str], bytes]) -> Callable[[str], bytes]:
    if callable(value):
        return value
    raise InvalidValue(f"certificate is {shown(value)}: give a function that fetches an address and returns its bytes")


def _life(value: int | None) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and SHORTEST_LIFE <= value <= LONGEST_LIFE:
        return value
    raise InvalidValue(f"time_to_live is {shown(value)}: give {SHORTEST_LIFE} to {LONGEST_LIFE:,} whole seconds")


def _type(value: str | None) -> str | None:
    if value in (None, "TRANSACTIONAL", "PROMOTIONAL"):
        return value
    raise InvalidValue(f"message_type is {shown(value)}: must be TRANSACTIONAL or PROMOTIONAL")


@attrs.frozen(kw_only=True)
class Aws(Carrier):
    """AWS End User Messaging SMS, sending; and its posts by SNS.

    A message's ``sender`` may be a number, a sender ID, or the id or ARN of a number or pool;
    without one AWS picks from those of the account. ``Attempt.started_at`` is signed, and AWS
    takes a request for some minutes after it.

    Attributes:
        access_key_id: of the user or role that may call ``sms-voice:SendTextMessage``.
        session_token: of temporary credentials. Renew them with ``attrs.evolve``.
        region: where the account sends, and so the address it sends to.
        configuration_set: whose event destination is a topic of SNS; no receipt comes without.
        topic_arns: the topics whose posts are believed, of receipts and of replies.
        certificate: returns what is at an address of SNS, a certificate in PEM. It is called
            while a webhook is checked, once for each address; whatever it raises rejects the
            webhook as ``unavailable``.
        message_type: TRANSACTIONAL or PROMOTIONAL, where the sender takes both.
        time_to_live: seconds after which a message that has not gone out is dropped, 72 hours if left out.
        api_url: another address to send to, such as a private one.

    >>> def fetched(url): ...
    >>> aws = Aws(access_key_id="AKIA0", secret_access_key="secret", region="us-east-1", configuration_set="campaigns",
    ...           topic_arns="arn:aws:sns:us-east-1:123456789012:campaigns", certificate=fetched)
    >>> "secret_access_key='***'" in repr(aws), aws.topic_arns
    (True, ('arn:aws:sns:us-east-1:123456789012:campaigns',))
    """

    name: ClassVar[str] = "aws"
    content_types: ClassVar[frozenset[str]] = frozenset({"text/plain", "application/json"})
    waits: ClassVar[bool] = True

    access_key_id: str = account_name()
    secret_access_key: Secret = secret()
    session_token: str | None = attrs.field(default=None, repr=False)
    region: str = attrs.field(converter=_a_region)
    configuration_set: str = account_name()
    topic_arns: tuple[str, ...] = attrs.field(converter=_topics)
    certificate: Callable[[str], bytes] = attrs.field(
        converter=_fetcher, repr=lambda call: getattr(call, "__qualname__", type(call).__name__)
    )
    message_type: Literal["TRANSACTIONAL", "PROMOTIONAL"] | None = attrs.field(default=None, converter=_type)
    time_to_live: int | None = attrs.field(default=None, converter=_life)
    api_url: str | None = address()
    _fetched: dict[str, bytes] = attrs.field(init=False, factory=dict, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Fail now rather than at the first webhook."""
        needs("cryptography", "cryptography", "AWS")

    # --- sending

    def encode(self, message: Message, attempt: Attempt) -> Request:
        """Return the request that hands a message over; the attempt's id travels in ``Context``.

        Raises:
            InvalidValue: the message cannot be sent as it is, or the attempt has no ``started_at``.
        """
        if attempt.started_at is None:
            raise InvalidValue("started_at is None: aws signs when a request is made; give Attempt(started_at=...)")
        if message.sender is not None and not _SENDER.fullmatch(message.sender):
            raise InvalidValue(
                f"sender is {shown(message.sender)}: aws takes a number, a sender ID, or the id or ARN of a number or"
                " pool, without spaces; write it as the console does"
            )
        fields = {
            "DestinationPhoneNumber": self.recipient(message),
            "OriginationIdentity": message.sender,
            "MessageBody": self.text(message, MOST_TEXT),
            "MessageType": self.message_type,
            "ConfigurationSetName": self.configuration_set,
            "TimeToLive": self.time_to_live,
            "Context": {ATTEMPT: attempt.attempt_id} if attempt.attempt_id else None,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        body = json_bytes(given)
        url = f"{(self.api_url or self._endpoint()).rstrip('/')}/"
        return Request("POST", url, self._headers(url, body, attempt.started_at), body)

    def _endpoint(self) -> str:
        suffix = _SUFFIX.get(self.region.partition("-")[0], "amazonaws.com")
        return f"https://{SERVICE}.{self.region}.{suffix}"

    def _headers(self, url: str, body: bytes, at: datetime) -> dict[str, str]:
        headers = {
            "Content-Type": JSON,
            "X-Amz-Date": at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ"),
            "X-Amz-Target": TARGET,
        }
        if self.session_token:
            headers["X-Amz-Security-Token"] = self.session_token
        return {**headers, "Authorization": self.authorization(url, headers, body)}

    def authorization(self, url: str, headers: Mapping[str, str], body: bytes) -> str:
        """Return the value of ``Authorization`` for a request with these headers, in version 4 of AWS's signatures."""
        parts = urlsplit(url)
        host = parts.netloc.lower().removesuffix(":443" if parts.scheme == "https" else ":80")
        signed = {"host": host, **{name.lower(): value for name, value in headers.items()}}
        names = ";".join(sorted(signed))
        lines = [f"{name}:{signed[name]}" for name in sorted(signed)]
        canonical = "\n".join(["POST", quote(parts.path), "", *lines, "", names, sha256_hex(body)])
        at = signed["x-amz-date"]
        scope = (at[:8], self.region, SERVICE, "aws4_request")
        text = "\n".join(["AWS4-HMAC-SHA256", at, "/".join(scope), sha256_hex(canonical.encode())])
        key = f"AWS4{newest(self.secret_access_key)}".encode()
        for each in (*scope, text):
            key = signature(key, each.encode(), "sha256")
        credential = "/".join((self.access_key_id, *scope))
        return f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={key.hex()}"

    def _accepted(self, answer: Fields) -> Submission:
        return self._taken(answer.need("MessageId"))

    def _error(self, answer: Fields) -> tuple[str | None, str] | None:
        kind = (answer.text("__type") or "").rpartition("#")[2].partition(":")[0]
        if not kind:
            return None
        why = answer.text("Reason", "ResourceType")
        return (f"{kind}:{why}" if why else kind), answer.text("Message", "message") or ""

    def _refusal(self, code: str | None, status: int) -> Refusal:
        if (code or "").partition(":")[0] in _CREDENTIALS:
            return Refusal.ACCOUNT
        return super()._refusal(code, status)

    # --- webhooks

    def subscription(self, request: Request, *, now: datetime) -> Request | None:
        """Return the request that confirms a subscription, None when this is about something else.

        SNS posts nothing else to an address before somebody has made this request. Its answer
        says nothing that is needed.

        Raises:
            WebhookRejected: as `events`.
        """
        self.events(request, now=now)
        envelope = Fields(read_json(request.body))
        if envelope.text("Type") != "SubscriptionConfirmation":
            return None
        url = envelope.text("SubscribeURL") or ""
        if not _SUBSCRIBE.fullmatch(url):
            raise self.rejected("malformed", "SubscribeURL is not an address of SNS")
        return Request("GET", url)

    def _verify(self, request: Request, now: datetime) -> None:
        envelope = Fields(read_json(request.body))
        signed, given, version = signed_part(envelope), *_texts(envelope, "Signature", "SignatureVersion")
        # Both could be forged here, but a stranger's post shall not make anybody fetch a certificate.
        if envelope["TopicArn"] not in self.topic_arns:
            raise self.rejected("signature", "TopicArn is none of topic_arns")
        at = moment_of(envelope["Timestamp"], now)
        if at is None or now - at > LATE:
            raise self.rejected("timestamp", "SNS posts within an hour")
        key = self._key(envelope.text("SigningCertURL") or "", now)
        if not _is_signature(key, given, signed, version):
            raise self.rejected("signature", "Signature does not match the envelope")

    def _key(self, url: str, now: datetime) -> Any:
        """Return the public key at an address of SNS."""
        if not CERTIFICATE_URL.fullmatch(url):
            raise self.rejected("signature", "SigningCertURL is not an address of SNS")
        try:
            pem = self._fetched.get(url) or self.certificate(url)
            key, first, last = _read_certificate(pem)
        except Exception as error:
            raise self.rejected("unavailable", "the certificate cannot be fetched or read") from error
        if not first <= now <= last:
            raise self.rejected("signature", "the certificate is not valid now")
        if len(self._fetched) >= _MOST_CERTIFICATES:
            self._fetched.clear()
        self._fetched[url] = pem
        return key

    def _parse(self, request: Request, now: datetime) -> list[Event]:
        envelope = Fields(read_json(request.body))
        message = (envelope.text("Message") or "").lstrip()
        if envelope.text("Type") != "Notification" or not message.startswith("{"):
            return []
        event = Fields(read_json(message.encode()))
        kind = event.text("eventType") or ""
        if kind.startswith(_MESSAGES):
            return [self._reported(event, kind, now)]
        if "inboundMessageId" in event:
            return [self._said(event, moment_of(envelope.get("Timestamp"), now), now)]
        return []  # about calls, registrations, or nothing of this service

    def _reported(self, event: Fields, kind: str, now: datetime) -> Receipt:
        # Where phones do not report, "successful" is the last that will ever be said.
        final = kind.endswith("_SUCCESSFUL") and event.get("isFinal") is True
        return self._receipt(
            "delivered" if final else kind,
            event.need("messageId"),
            now,
            error_code=kind if classify(self.name, kind).mapped else None,
            attempt_id=event.inner("context").attempt_id(ATTEMPT),
            segments=event.count("totalMessageParts"),
            price=_price(event),
            currency="USD",
            unreadable=event.unreadable,
            at=moment_of(event.get("eventTimestamp"), now),
            raw=event.raw,
        )

    def _said(self, event: Fields, at: datetime | None, now: datetime) -> Reply:
        return self._reply(
            event.text("messageBody") or "",
            now,
            at=at,
            reply_id=event.need("inboundMessageId"),
            to=e164(event.need("originationNumber")),
            sender=e164(event.text("destinationNumber")),
            carrier_id=event.text("previousPublishedMessageId"),
        )


def signed_part(envelope: Mapping[str, Any]) -> bytes:
    """Return what SNS signs of an envelope.

    Raises:
        InvalidValue: of a type that SNS does not post, or a field is missing or no text.
    """
    kind = envelope.get("Type")
    if not isinstance(kind, str) or kind not in SIGNED:
        raise InvalidValue("Type is not one that SNS posts")
    names = [name for name in SIGNED[kind] if name != "Subject" or envelope.get(name) is not None]
    pairs = zip(names, _texts(envelope, *names), strict=True)
    return "".join(f"{name}\n{text}\n" for name, text in pairs).encode()


def _texts(envelope: Mapping[str, Any], *names: str) -> list[str]:
    found = [each for each in map(envelope.get, names) if isinstance(each, str)]
    if len(found) < len(names):
        raise InvalidValue("envelope is without a field that SNS writes")
    return found


def _is_signature(key: Any, given: str, signed: bytes, version: str) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415 - an extra
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415

    digest = {"1": hashes.SHA1(), "2": hashes.SHA256()}.get(version)  # noqa: S303 - version 1 is what SNS says it is
    if digest is None:
        return False
    try:
        key.verify(base64.b64decode(given, validate=True), signed, PKCS1v15(), digest)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):  # some systems forbid SHA-1; no base64 is a ValueError
        return False
    return True


@functools.lru_cache(maxsize=64)
def _read_certificate(pem: bytes) -> tuple[Any, datetime, datetime]:
    """Return a certificate's key, and from when to when it is valid.

    Raises:
        Exception: whatever cryptography finds wrong with it.
    """
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415 - an extra
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415

    certificate = load_pem_x509_certificate(pem)
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey) or key.key_size < _SHORTEST_KEY:
        raise ValueError
    return key, certificate.not_valid_before_utc, certificate.not_valid_after_utc


def _price(event: Fields) -> Decimal | None:
    """Return what a message cost: AWS lists the fee of the person's carrier beside its own price."""
    price, fee = event.money("totalMessagePrice"), event.money("totalCarrierFee")
    return price if price is None or fee is None else Fields({"cost": EXACT.add(price, fee)}).money("cost")
