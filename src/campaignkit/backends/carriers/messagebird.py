"""MessageBird, later Bird: the SMS and MMS APIs at rest.messagebird.com.

A message is handed over by

    POST /messages                                          Authorization: AccessKey KEY...
    Content-Type: application/json

    {"originator": "12025550100", "recipients": ["12025550143"], "body": "Hello", "datacoding": "auto",
     "reference": "our attempt id", "reportUrl": "https://app.example/hooks"}

    201  {"id": "f28b...", "recipients": {"items": [{"recipient": 12025550143, "status": "sent",
          "messagePartCount": 1}]}, ...}
    422  {"errors": [{"code": 9, "description": "no (correct) recipients found", "parameter": "recipient"}]}
    503  never processed, so safe to repeat, says MessageBird

and one with media by ``POST /mms`` with ``mediaUrls``, which takes no ``reportUrl``. What
becomes of it is reported in the query of a GET, and only for messages with a reference:

    GET https://app.example/hooks?id=f28b...&reference=...&recipient=12025550143&status=delivered
        &statusDatetime=2026-11-22T11%3A59%3A58%2B00%3A00&messagePartCount=1&price%5Bamount%5D=0.05...
    MessageBird-Signature-JWT: a token with iss, nbf, exp, url_hash and, with a body, payload_hash

while a reply is a form, in which a name may stand twice (the last counts):

    POST https://app.example/hooks
    originator=12025550143&recipient=12025550100&body=STOP&id=...&createdDatetime=2026-11-22T11%3A59...

The token covers address, query, body, and a time span of a minute. It is made with the signing
key and one of HS256, HS384 and HS512. Before it MessageBird signed time, query and body, and not
the address: ``MessageBird-Signature``, believed only where ``legacy_signature=True``.
Neither covers the method. The reference stands in the query, so the attempt id is signed too.
There is no idempotency key: what may have been taken is unknown, and stays so until its report.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

import attrs

from campaignkit.backends.carriers.port import (
    Carrier,
    Event,
    Request,
    Secret,
    Submission,
    address,
    each_secret,
    newest,
    post_json,
    secret,
)
from campaignkit.backends.carriers.signing import (
    any_same,
    as_bytes,
    base64_signature,
    is_fresh,
    needs,
    read_jwt,
    same,
    sha256_hex,
)
from campaignkit.backends.carriers.wire import FORM, Fields, e164, form_fields, form_text, moment_of, read_form
from campaignkit.errors import InvalidValue, shown
from campaignkit.models import Attempt, Message, Receipt, Reply
from campaignkit.verdicts import code_table

API_URL: Final = "https://rest.messagebird.com"
ALGORITHMS: Final = ("HS256", "HS384", "HS512")
ISSUER: Final = "MessageBird"
MOST_TEXT: Final = 1377
MOST_TEXT_WITH_MEDIA: Final = 2000
MOST_NAME: Final = 11

_LEEWAY: Final = 1  # seconds, as in MessageBird's own libraries
_FINE: Final = frozenset({"scheduled", "sent", "buffered", "delivered"})
_NUMBER: Final = re.compile(r"\+?[0-9]{1,17}")
_MEDIA: Final = "mediaurls"
_TIMES: Final = ("createdDatetime", "CreatedDatetime", "receive_datetime", "date_utc")


@attrs.frozen(kw_only=True)
class MessageBird(Carrier):
    """MessageBird, sending and receiving.

    A message's ``sender`` may be a number, or a name of up to 11 characters. Its attempt needs
    an id: without a reference MessageBird reports nothing.

    Attributes:
        access_key: sends.
        signing_key: signs webhooks.
        legacy_signature: whether webhooks with the older ``MessageBird-Signature`` alone are believed.

    Raises:
        MissingExtra: the package pyjwt is not installed.

    >>> MessageBird(access_key="key", signing_key="secret", webhook_url="https://app.example/hooks")
    MessageBird(webhook_url='https://app.example/hooks', ... access_key='***', signing_key='***', ...)
    """

    name: ClassVar[str] = "messagebird"
    mms: ClassVar[bool] = True
    busy: ClassVar[frozenset[int]] = frozenset({429, 503})
    methods: ClassVar[frozenset[str]] = frozenset({"GET", "POST"})
    content_types: ClassVar[frozenset[str]] = frozenset({FORM})

    access_key: Secret = secret()
    signing_key: Secret = secret()
    legacy_signature: bool = False
    api_url: str = address(API_URL)

    def __attrs_post_init__(self) -> None:
        """Find out now whether tokens can be read at all, and not with the first webhook."""
        needs("jwt", "pyjwt", "MessageBird")

    def encode(self, message: Message, attempt: Attempt) -> Request:
        """Return the request that hands a message over; the attempt's id travels in ``reference``."""
        fields: dict[str, Any] = {
            "originator": self._originator(message),
            "recipients": [self.recipient(message).removeprefix("+")],
        }
        if message.media:
            path = "mms"
            fields |= {"body": self.text(message, MOST_TEXT_WITH_MEDIA), "mediaUrls": list(message.media)}
        else:
            path = "messages"
            fields |= {
                "body": self.text(message, MOST_TEXT),
                "datacoding": "auto",  # else what is not in the alphabet of SMS is replaced
                "reportUrl": self.webhook_url,
            }
        fields["reference"] = attempt.attempt_id
        given = {name: value for name, value in fields.items() if value}
        return post_json(f"{self.api_url}/{path}", f"AccessKey {newest(self.access_key)}", given)

    def _originator(self, message: Message) -> str:
        sender = self.sender(message)
        if _NUMBER.fullmatch(sender):
            return sender.removeprefix("+")
        if len(sender) > MOST_NAME:
            raise InvalidValue(
                f"sender is {shown(sender)}: messagebird takes a number or a name of {MOST_NAME} characters; shorten it"
            )
        return sender

    def _accepted(self, answer: Fields) -> Submission:
        item = next(iter(answer.inner("recipients").list("items")), Fields({}))
        return self._taken(answer.need("id"), segments=item.count("messagePartCount"))

    def _error(self, answer: Fields) -> tuple[str | None, str] | None:
        error = next(iter(answer.list("errors")), Fields({}))
        code = error.text("code")
        return None if code is None else (f"api:{code}", error.text("description") or "")

    # --- signatures

    def _verify(self, request: Request, now: datetime) -> None:
        token = request.headers.get("messagebird-signature-jwt")
        if token is None and self.legacy_signature:
            return self._verify_legacy(request, now)
        if token is None:
            raise self.rejected("signature", "MessageBird-Signature-JWT is missing")
        claims = read_jwt(token, each_secret(self.signing_key), ALGORITHMS)
        if claims is None or claims.get("iss") != ISSUER:
            raise self.rejected("signature", "MessageBird-Signature-JWT is not signed with the signing key")
        if not _is_hash_of(as_bytes(self.called_url(request)), claims.get("url_hash")):
            raise self.rejected("signature", "url_hash is not the hash of the address")
        if ("payload_hash" in claims) is not bool(request.body):
            raise self.rejected("signature", "payload_hash is there if and only if a body is")
        if request.body and not _is_hash_of(request.body, claims["payload_hash"]):
            raise self.rejected("signature", "payload_hash is not the hash of the body")
        if not _is_now(claims, now):
            raise self.rejected("timestamp", "now is not between nbf and exp")
        return None

    def _verify_legacy(self, request: Request, now: datetime) -> None:
        given = request.headers.get("messagebird-signature")
        stamp = request.headers.get("messagebird-request-timestamp")
        if given is None or stamp is None:
            raise self.rejected("signature", "MessageBird-Signature and MessageBird-Signature-JWT are missing")
        query = "&".join(sorted(request.query.split("&")))
        signed = b"\n".join((as_bytes(stamp), as_bytes(query), hashlib.sha256(request.body).digest()))
        expected = [base64_signature(key, signed, "sha256") for key in each_secret(self.signing_key)]
        if not any_same([given], expected):
            raise self.rejected("signature", "MessageBird-Signature does not match time, query and body")
        if not is_fresh(stamp, now):
            raise self.rejected("timestamp", "MessageBird-Request-Timestamp is more than 300 seconds from now")

    # --- what arrives

    def _parse(self, request: Request, now: datetime) -> list[Event]:
        pairs = request.form if request.body else read_form(as_bytes(request.query))
        fields = form_fields(pairs)
        if "status" in fields:
            return [self._became(fields, now)]
        if "originator" in fields:
            return [self._said(fields, pairs, now)]
        return []

    def _became(self, fields: Fields, now: datetime) -> Receipt:
        word = fields.need("status")
        parts = fields.count("messagePartCount")
        return self._receipt(
            word,
            fields.need("id"),
            now,
            error_code=None if word in _FINE else self._code(fields),
            at=moment_of(fields.text("statusDatetime"), now),
            attempt_id=fields.attempt_id("reference"),
            segments=parts,
            # Nobody says whether it is the price of a part or of the message.
            price=fields.money("price[amount]") if parts == 1 else None,
            currency=fields.currency("price[currency]"),
            unreadable=fields.unreadable,
            raw=fields.raw,
        )

    def _code(self, fields: Fields) -> str | None:
        """Return the code, or the reason where the code is missing, says nothing or is not known."""
        code, reason = fields.text("statusErrorCode"), fields.text("statusReason")
        if reason is not None and (code == "0" or code not in code_table(self.name).rows):
            return f"reason:{reason}"
        return code

    def _said(self, fields: Fields, pairs: list[tuple[str, str]], now: datetime) -> Reply:
        moments = (moment_of(fields.text(name), now) for name in _TIMES)
        media = (form_text(value) for name, value in pairs if name.lower() == _MEDIA)
        texts = ("message", "body") if "shortcode" in fields else ("body", "message")
        return self._reply(
            fields.text(*texts) or "",
            now,
            at=next(filter(None, moments), None),
            reply_id=fields.need("mid", "message_id", "id"),
            to=e164(fields.need("originator")),
            sender=e164(fields.text("shortcode", "recipient", "receiver")),
            media=tuple(each for each in media if each.strip()),
        )


def _is_hash_of(content: bytes, claim: object) -> bool:
    return isinstance(claim, str) and same(claim, sha256_hex(content))


def _is_now(claims: Mapping[str, object], now: datetime) -> bool:
    """Return whether a token may be used now; one that names no time never may."""
    start, end = claims.get("nbf"), claims.get("exp")
    if not isinstance(start, int | float) or not isinstance(end, int | float):
        return False
    seconds = now.timestamp()
    return start <= seconds + _LEEWAY and end > seconds - _LEEWAY
