"""MessageBird from its own side."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from random import Random
from typing import ClassVar, Final
from urllib.parse import urlencode, urlsplit

from campaignkit.backends.carriers.messagebird import (
    API_URL,
    ISSUER,
    MOST_TEXT,
    MOST_TEXT_WITH_MEDIA,
    MessageBird,
)
from campaignkit.backends.carriers.port import Request, Response, newest
from campaignkit.backends.carriers.signing import same, sha256_hex
from campaignkit.backends.carriers.wire import FORM, Fields, e164, read_json
from campaignkit.errors import InvalidValue
from campaignkit.models import Status
from campaignkit.testing.dialects.base import Dialect, Submitted, Why, json_response

_LIFE: Final = 60  # seconds that a token may be used
_MOST_REFERENCE: Final = 60
_PATHS: Final = frozenset({"/messages", "/mms"})
_REASON: Final = "reason:"
_REFUSED: Mapping[Why, tuple[int, int, str, str | None]] = {
    Why.BUSY: (503, 99, "internal error", None),
    Why.INVALID_NUMBER: (422, 9, "no (correct) recipients found", "recipient"),
    # Who opted out is not refused at once in reality: the message is taken, and its report says 103.
    Why.OPTED_OUT: (422, 9, "no (correct) recipients found", "recipient"),
    Why.ACCOUNT: (401, 2, "Request not allowed (incorrect access_key)", "access_key"),
    Why.REQUEST: (422, 10, "body is required", "body"),
}


class MessageBirdDialect(Dialect):
    """MessageBird, answering."""

    carrier: MessageBird

    words: ClassVar[Mapping[Status, str]] = {
        Status.QUEUED: "scheduled",
        Status.SENT: "sent",
        Status.DELIVERED: "delivered",
    }
    failures: ClassVar[Mapping[tuple[str, str | None], int]] = {
        ("delivery_failed", "1"): 45,
        ("delivery_failed", "reason:unknown subscriber"): 15,
        ("delivery_failed", None): 14,
        ("expired", "reason:unavailable subscriber"): 12,
        ("expired", "reason:DLR not received"): 6,
        ("delivery_failed", "34"): 3,
        ("delivery_failed", "12"): 3,
        ("delivery_failed", "103"): 2,
    }

    @classmethod
    def made_up(cls, *, api_url: str | None = None, webhook_url: str | None = None) -> MessageBird:
        """Return an account that does not exist."""
        return MessageBird(
            access_key="not-a-key",
            signing_key="not-a-secret-" * 5,
            webhook_url=webhook_url,
            api_url=api_url or API_URL,
        )

    def read(self, request: Request) -> Submitted:
        """Return what a request asks for."""
        path = urlsplit(request.url).path
        if request.method != "POST" or path not in _PATHS:
            raise InvalidValue("a message is created by POST /messages, one with media by POST /mms")
        if not same(request.headers.get("authorization", ""), f"AccessKey {newest(self.carrier.access_key)}"):
            raise PermissionError
        if request.headers.get("content-type") != "application/json":
            raise InvalidValue("the content is JSON")
        return _checked(Fields(read_json(request.body)), mms=path == "/mms")

    def new_id(self, random: Random) -> str:
        """Return 32 hex digits."""
        return f"{random.getrandbits(128):032x}"

    def taken(self, submitted: Submitted, carrier_id: str, now: datetime) -> Response:
        """Return the message as it was created."""
        kind = "mms" if submitted.media else "messages"
        item = {
            "recipient": int(submitted.to.removeprefix("+")),
            "status": "sent",
            "statusDatetime": _written(now),
            "messagePartCount": submitted.parts,
        }
        counts = {"totalCount": 1, "totalSentCount": 1, "totalDeliveredCount": 0, "totalDeliveryFailedCount": 0}
        created = {
            "id": carrier_id,
            "href": f"{API_URL}/{kind}/{carrier_id}",
            "direction": "mt",
            "originator": submitted.sender,
            "body": submitted.text,
            "reference": submitted.attempt_id,
            "createdDatetime": _written(now),
            "recipients": {**counts, "items": [item]},
        }
        return json_response(201, created)

    def refused(self, why: Why) -> Response:
        """Return an error of the API."""
        status, code, description, parameter = _REFUSED[why]
        return json_response(status, {"errors": [{"code": code, "description": description, "parameter": parameter}]})

    def receipt(self, submitted: Submitted, carrier_id: str, word: str, code: str | None, now: datetime) -> Request:
        """Return a status report."""
        fields = {
            "id": carrier_id,
            **({} if submitted.attempt_id is None else {"reference": submitted.attempt_id}),
            "recipient": submitted.to.removeprefix("+"),
            "status": word,
            "statusDatetime": _written(now),
            "mccmnc": "310010",
            "ported": "0",
            "messageLength": str(len(submitted.text)),
            "messagePartCount": str(submitted.parts),
            "datacoding": "plain",
            "price[amount]": "0.050",
            "price[currency]": "EUR",
        }
        if code is not None and code.startswith(_REASON):
            fields["statusReason"] = code.removeprefix(_REASON)
        elif code is not None:
            fields["statusErrorCode"] = code
        where = self._address(submitted.callback)
        return self._signed("GET", f"{where}{'&' if '?' in where else '?'}{urlencode(fields)}", b"", now)

    def reply(self, to: str, sender: str, text: str, reply_id: str, now: datetime) -> Request:
        """Return a form with what a person wrote."""
        form = {
            "id": reply_id,
            "originator": to.removeprefix("+"),
            "recipient": sender.removeprefix("+"),
            "body": text,
            "createdDatetime": _written(now),
        }
        return self._signed("POST", self._address(None), urlencode(form).encode(), now)

    def _address(self, callback: str | None) -> str:
        return callback or self.carrier.webhook_url or "https://app.example/hooks"

    def _signed(self, method: str, url: str, body: bytes, now: datetime) -> Request:
        import jwt  # noqa: PLC0415 - an extra

        claims = {
            "iss": ISSUER,
            "nbf": int(now.timestamp()),
            "exp": int(now.timestamp()) + _LIFE,
            "jti": sha256_hex(url.encode() + body)[:32],
            "url_hash": sha256_hex(url.encode()),
        }
        headers = {}
        if body:
            claims["payload_hash"] = sha256_hex(body)
            headers["Content-Type"] = FORM
        token = jwt.encode(claims, newest(self.carrier.signing_key), "HS256")
        return Request(method, url, {**headers, "MessageBird-Signature-JWT": token}, body)


def _checked(fields: Fields, *, mms: bool) -> Submitted:
    people, urls = fields.get("recipients"), fields.get("mediaUrls", [])
    text, sender, reference = fields.text("body") or "", fields.text("originator"), fields.text("reference")
    if not isinstance(people, list) or len(people) != 1 or not str(people[0]).isdecimal():
        raise InvalidValue("recipients are 1 to 50 numbers, and here one, in digits")
    if sender is None:
        raise InvalidValue("originator is required")
    if not (text or urls) or len(text) > (MOST_TEXT_WITH_MEDIA if mms else MOST_TEXT):
        raise InvalidValue("body is required, and not that long")
    if bool(urls) is not mms or not isinstance(urls, list):
        raise InvalidValue("mediaUrls are required by /mms, and unknown to /messages")
    if reference is not None and len(reference) > _MOST_REFERENCE:
        raise InvalidValue(f"reference has {_MOST_REFERENCE} characters at most")
    return Submitted(
        to=f"+{people[0]}",
        sender=e164(sender),
        text=text,
        media=tuple(map(str, urls)),
        attempt_id=reference,
        callback=fields.text("reportUrl"),
    )


def _written(now: datetime) -> str:
    return now.isoformat(timespec="seconds")
