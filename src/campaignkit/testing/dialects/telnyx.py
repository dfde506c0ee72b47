"""Telnyx from its own side."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from campaignkit.backends.carriers.port import Carrier, Request, Response, attempt_in, newest
from campaignkit.backends.carriers.signing import same
from campaignkit.backends.carriers.telnyx import API_URL, MOST_MEDIA, MOST_TEXT, Telnyx
from campaignkit.backends.carriers.wire import Fields, read_json
from campaignkit.errors import InvalidValue
from campaignkit.models import Status
from campaignkit.testing.dialects.base import Dialect, Submitted, Why, json_response

PUBLIC_KEY: Final = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
"""The made-up account's key; its other half is known to everybody who reads this file."""

_PRIVATE_KEY: Final = bytes(range(32))
_IDEMPOTENCY_KEY: Final = re.compile(r"[A-Za-z0-9_:-]{1,255}")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_UNDER_WAY: Final = frozenset({"queued", "sending", "sent"})
_ORGANIZATION: Final = "00000000-0000-4000-a000-000000000000"
_REFUSED: Mapping[Why, tuple[int, str, str]] = {
    Why.BUSY: (429, "10011", "Too many requests"),
    Why.INVALID_NUMBER: (400, "40310", "Invalid 'to' address"),
    Why.OPTED_OUT: (400, "40300", "Blocked due to STOP message"),
    Why.ACCOUNT: (401, "10009", "Authentication failed"),
    Why.REQUEST: (400, "10004", "Missing required parameter"),
}
_TITLES: Mapping[str, str] = {
    "40001": "Not routable",
    "40002": "Blocked as spam - temporary",
    "40012": "Invalid messaging destination number",
}


class TelnyxDialect(Dialect):
    """Telnyx, answering."""

    carrier: Telnyx

    words: ClassVar[Mapping[Status, str]] = {
        Status.QUEUED: "queued",
        Status.SENT: "sent",
        Status.DELIVERED: "delivered",
    }
    failures: ClassVar[Mapping[tuple[str, str | None], int]] = {
        ("delivery_failed", "40001"): 70,
        ("delivery_failed", None): 12,
        ("delivery_failed", "40012"): 4,
        ("delivery_failed", "40002"): 3,
        ("delivery_failed", "40008"): 3,
        ("delivery_unconfirmed", None): 5,
        ("sending_failed", "40010"): 2,
        ("sending_failed", "40014"): 1,
    }

    def __init__(self, carrier: Carrier | None = None) -> None:
        """Use a host's carrier, if it believes what is signed here, or make one up.

        Raises:
            InvalidValue: the host's carrier believes another key.
        """
        super().__init__(carrier)
        if newest(self.carrier.public_key) != PUBLIC_KEY:
            raise InvalidValue(
                "public_key is Telnyx's own: only Telnyx can sign for it; give the simulator's,"
                f' Telnyx(public_key="{PUBLIC_KEY}")'
            )

    @classmethod
    def made_up(cls, *, api_url: str | None = None, webhook_url: str | None = None) -> Telnyx:
        """Return an account that does not exist."""
        return Telnyx(
            api_key="KEY-not-a-secret",
            public_key=PUBLIC_KEY,
            webhook_url=webhook_url,
            api_url=api_url or API_URL,
        )

    def read(self, request: Request) -> Submitted:
        """Return what a request asks for."""
        if (request.method, urlsplit(request.url).path) != ("POST", "/v2/messages"):
            raise InvalidValue("a message is created by POST /v2/messages")
        if not same(request.headers.get("authorization", ""), f"Bearer {newest(self.carrier.api_key)}"):
            raise PermissionError
        if request.headers.get("content-type") != "application/json":
            raise InvalidValue("the content is JSON")
        key = request.headers.get("idempotency-key")
        if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
            raise InvalidValue("Idempotency-Key has 1 to 255 letters, digits, -, _ or :")
        fields = Fields(read_json(request.body))
        return _checked(fields, key)

    def new_id(self, random: Random) -> str:
        """Return a UUID."""
        return _uuid(f"{random.getrandbits(128):032x}")

    def taken(self, submitted: Submitted, carrier_id: str, now: datetime) -> Response:
        """Return the message as it was created."""
        message = self._message(submitted, carrier_id, "queued", None, now)
        return json_response(200, {"data": {**message, "cost": None, "sent_at": None}})

    def refused(self, why: Why) -> Response:
        """Return an error of the API."""
        status, code, title = _REFUSED[why]
        return json_response(status, {"errors": [{"code": code, "title": title, "detail": f"{title}."}]})

    def receipt(self, submitted: Submitted, carrier_id: str, word: str, code: str | None, now: datetime) -> Request:
        """Return a webhook about a message."""
        kind = "message.sent" if word in _UNDER_WAY else "message.finalized"
        return self._signed(kind, self._message(submitted, carrier_id, word, code, now), now)

    def reply(self, to: str, sender: str, text: str, reply_id: str, now: datetime) -> Request:
        """Return a webhook with what a person wrote."""
        message = {
            "id": reply_id,
            "record_type": "message",
            "direction": "inbound",
            "type": "SMS",
            "organization_id": _ORGANIZATION,
            "from": {"phone_number": to, "carrier": "Example Mobile", "line_type": "Wireless"},
            "to": [{"phone_number": sender, "carrier": "Telnyx", "status": "webhook_delivered"}],
            "text": text,
            "media": [],
            "parts": 1,
            "tags": [],
            "cost": {"amount": "0.0000", "currency": "USD"},
            "errors": [],
            "received_at": now.isoformat(),
            "webhook_url": self._address(None),
        }
        return self._signed("message.received", message, now)

    def _message(
        self, submitted: Submitted, carrier_id: str, word: str, code: str | None, now: datetime
    ) -> dict[str, Any]:
        done = word not in _UNDER_WAY
        errors = [] if code is None else [{"code": code, "title": _TITLES.get(code, "Failed")}]
        return {
            "id": carrier_id,
            "record_type": "message",
            "direction": "outbound",
            "type": "MMS" if submitted.media else "SMS",
            "organization_id": _ORGANIZATION,
            "from": {"phone_number": submitted.sender, "carrier": "Telnyx", "status": "webhook_delivered"},
            "to": [{"phone_number": submitted.to, "carrier": "Example Mobile", "status": word}],
            "text": submitted.text,
            "media": [{"url": url} for url in submitted.media],
            "parts": submitted.parts,
            "tags": [],
            "cost": {"amount": "0.0051", "currency": "USD"},
            "errors": errors,
            "received_at": now.isoformat(),
            "sent_at": now.isoformat(),
            "completed_at": now.isoformat() if done else None,
            "valid_until": None if done else (now + timedelta(hours=1)).isoformat(),
            "webhook_url": self._address(submitted.callback),
        }

    def _address(self, callback: str | None) -> str:
        return callback or self.carrier.webhook_url or "https://app.example/hooks"

    def _signed(self, kind: str, message: dict[str, Any], now: datetime) -> Request:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - an extra

        url = message["webhook_url"]
        event = _uuid(hashlib.sha256(f"{message['id']} {message['to'][0]['status']}".encode()).hexdigest()[:32])
        data = {
            "record_type": "event",
            "event_type": kind,
            "id": event,
            "occurred_at": now.isoformat(),
            "payload": message,
        }
        body = json.dumps({"data": data, "meta": {"attempt": 1, "delivered_to": url}}).encode()
        stamp = str(int(now.timestamp()))
        signature = Ed25519PrivateKey.from_private_bytes(_PRIVATE_KEY).sign(f"{stamp}|".encode() + body)
        headers = {
            "Content-Type": "application/json",
            "Telnyx-Timestamp": stamp,
            "Telnyx-Signature-Ed25519": base64.b64encode(signature).decode(),
        }
        return Request("POST", url, headers, body)


def _checked(fields: Fields, key: str | None) -> Submitted:
    to, sender, text = fields.text("to") or "", fields.text("from"), fields.text("text") or ""
    urls = fields.get("media_urls", [])
    if not _E164.fullmatch(to):
        raise InvalidValue("to is in E.164")
    if sender is None and fields.text("messaging_profile_id") is None:
        raise InvalidValue("from or messaging_profile_id is required")
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls) or len(urls) > MOST_MEDIA:
        raise InvalidValue(f"media_urls are {MOST_MEDIA} addresses at most")
    if not (text or urls) or (len(text) > MOST_TEXT and not urls):
        raise InvalidValue(f"text is required, with {MOST_TEXT} characters at most")
    callback = fields.text("webhook_url")
    return Submitted(
        to=to,
        sender=sender,
        text=text,
        media=tuple(urls),
        attempt_id=attempt_in(callback) or key,
        callback=callback,
    )


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
