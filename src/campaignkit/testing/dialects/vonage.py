"""Vonage's Messages API from its own side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from random import Random
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from campaignkit.backends.carriers.port import Request, Response, basic, newest
from campaignkit.backends.carriers.signing import same, sha256_hex
from campaignkit.backends.carriers.vonage import API_URL, MOST_CAPTION, MOST_REF, MOST_TEXT, Vonage
from campaignkit.backends.carriers.wire import Fields, e164, read_json
from campaignkit.errors import InvalidValue
from campaignkit.models import Status
from campaignkit.testing.dialects.base import Dialect, Submitted, Why, json_response

_ERRORS: Final = "https://developer.vonage.com/api-errors"
_TRACE: Final = "bf0ca0bf927b3b52e3cb03217e1a1ddf"
_REFUSED: Final[Mapping[Why, tuple[int, str, str]]] = {
    Why.BUSY: (429, "/messages#1000", "Throttled"),
    Why.INVALID_NUMBER: (422, "/messages#1430", "Invalid recipient"),
    Why.OPTED_OUT: (422, "/messages#1240", "Illegal Number"),
    Why.ACCOUNT: (401, "/#unauthorized", "You did not provide correct credentials."),
    Why.REQUEST: (422, "/messages#1150", "Invalid params"),
}
_KINDS: Final = ("image", "audio", "video", "vcard", "file")
_LONGEST: Final = 15  # digits of a number
_SHORTEST: Final = 7


class VonageDialect(Dialect):
    """Vonage's Messages API, answering."""

    carrier: Vonage

    words: ClassVar[Mapping[Status, str]] = {Status.SENT: "submitted", Status.DELIVERED: "delivered"}
    failures: ClassVar[Mapping[tuple[str, str | None], int]] = {
        ("rejected", "1260"): 58,
        ("rejected", "1190"): 12,
        ("rejected", "1180"): 12,
        ("rejected", "1210"): 6,
        ("rejected", "1330"): 5,
        ("rejected", None): 4,
        ("rejected", "1240"): 2,
        ("undeliverable", None): 1,
    }

    @classmethod
    def made_up(cls, *, api_url: str | None = None, webhook_url: str | None = None) -> Vonage:
        """Return an account that does not exist."""
        return Vonage(
            api_key="abcd1234",
            api_secret="not-a-secret",
            signature_secret="not-a-secret-either",
            application_id="aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab",
            webhook_url=webhook_url,
            api_url=api_url or API_URL,
        )

    def read(self, request: Request) -> Submitted:
        """Return what a request asks for."""
        if (request.method, urlsplit(request.url).path) != ("POST", "/v1/messages"):
            raise InvalidValue("a message is created by POST /v1/messages")
        credentials = basic(self.carrier.api_key, newest(self.carrier.api_secret))
        if not same(request.headers.get("authorization", ""), credentials):
            raise PermissionError
        if request.headers.get("content-type") != "application/json":
            raise InvalidValue("the content is JSON")
        fields = Fields(read_json(request.body))
        to, sender = fields.need("to"), fields.need("from")
        if not (to.isdecimal() and _SHORTEST <= len(to) <= _LONGEST):
            raise InvalidValue("to is 7 to 15 digits, without +")
        if sender.startswith("+"):
            raise InvalidValue("from has no +")
        reference = fields.text("client_ref")
        if len(reference or "") > MOST_REF:
            raise InvalidValue("client_ref is too long")
        text, media = _said(fields)
        return Submitted(
            to=f"+{to}",
            sender=e164(sender),
            text=text,
            media=media,
            attempt_id=reference,
            callback=fields.text("webhook_url"),
        )

    def new_id(self, random: Random) -> str:
        """Return a UUID."""
        return _uuid(f"{random.getrandbits(128):032x}")

    def taken(self, submitted: Submitted, carrier_id: str, now: datetime) -> Response:  # noqa: ARG002 - it says no more
        """Return the answer with the message's id."""
        return json_response(202, {"message_uuid": carrier_id})

    def refused(self, why: Why) -> Response:
        """Return a problem as RFC 7807 has it."""
        status, kind, title = _REFUSED[why]
        problem = {"type": f"{_ERRORS}{kind}", "title": title, "detail": f"{title}.", "instance": _TRACE}
        return json_response(status, problem, "application/problem+json")

    def receipt(self, submitted: Submitted, carrier_id: str, word: str, code: str | None, now: datetime) -> Request:
        """Return a status of the message."""
        fields: dict[str, Any] = {
            "message_uuid": carrier_id,
            "to": submitted.to.removeprefix("+"),
            "from": (submitted.sender or "").removeprefix("+"),
            "timestamp": _moment(now),
            "status": word,
            "channel": "mms" if submitted.media else "sms",
            "destination": {"network_code": "12345"},
            "usage": {"currency": "EUR", "price": "0.0333"},
        }
        if not submitted.media:
            fields["sms"] = {"count_total": str(submitted.parts)}
        if submitted.attempt_id is not None:
            fields["client_ref"] = submitted.attempt_id
        if code is not None:
            fields["error"] = {
                "type": f"{_ERRORS}/messages#{code}",
                "title": code,
                "detail": "The message was not delivered.",
                "instance": _TRACE,
            }
        return self._signed(submitted.callback, fields, now)

    def reply(self, to: str, sender: str, text: str, reply_id: str, now: datetime) -> Request:
        """Return what a person wrote."""
        fields = {
            "message_uuid": reply_id,
            "to": sender.removeprefix("+"),
            "from": to.removeprefix("+"),
            "timestamp": _moment(now),
            "channel": "sms",
            "message_type": "text",
            "text": text,
            "sms": {"num_messages": "1", "keyword": (text.split() or [""])[0].upper()},
            "usage": {"currency": "EUR", "price": "0.0057"},
        }
        return self._signed(None, fields, now)

    def _signed(self, callback: str | None, fields: dict[str, Any], now: datetime) -> Request:
        import jwt  # noqa: PLC0415 - an extra

        body = json.dumps(fields, ensure_ascii=False).encode()
        claims = {
            "iat": int(now.timestamp()),
            "jti": _uuid(sha256_hex(body)[:32]),
            "iss": "Vonage",
            "payload_hash": sha256_hex(body),
            "api_key": self.carrier.api_key,
        }
        if self.carrier.application_id is not None:
            claims["application_id"] = self.carrier.application_id
        # Filled up with zeros, as the signature itself would, a short key is no reason for PyJWT to warn.
        key = newest(self.carrier.signature_secret).encode().ljust(64, b"\0")
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {jwt.encode(claims, key, algorithm='HS256')}",
        }
        return Request("POST", callback or self.carrier.webhook_url or "https://app.example/hooks", headers, body)


def _said(fields: Fields) -> tuple[str, tuple[str, ...]]:
    """Return text and media of a message, each in the one form that its channel has for it."""
    channel, kind = fields.text("channel"), fields.text("message_type")
    if (channel, kind) == ("sms", "text"):
        text = fields.need("text")
        if len(text) > MOST_TEXT:
            raise InvalidValue("text is too long")
        return text, ()
    if channel != "mms" or kind not in {*_KINDS, "content"}:
        raise InvalidValue("channel and message_type are those of an SMS or an MMS")
    files = fields.list("content") if kind == "content" else [Fields({"type": kind, **fields.inner(kind)})]
    if not files or any(each.text("type") not in _KINDS for each in files):
        raise InvalidValue("the content is one or more files")
    caption = "".join(each.text("caption") or "" for each in files)
    if len(caption) > MOST_CAPTION:
        raise InvalidValue("caption is too long")
    return caption, tuple(each.need("url") for each in files)


def _moment(now: datetime) -> str:
    return now.isoformat(timespec="seconds").replace("+00:00", "Z")


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"
