"""Plivo from its own side."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from random import Random
from typing import ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

from campaignkit.backends.carriers.plivo import API_URL, MOST_MEDIA, MOST_TEXT, Plivo
from campaignkit.backends.carriers.port import Request, Response, attempt_in, basic, newest
from campaignkit.backends.carriers.signing import base64_signature, same
from campaignkit.backends.carriers.wire import FORM, Fields, e164, read_json
from campaignkit.errors import InvalidValue
from campaignkit.models import Status
from campaignkit.testing.dialects.base import Dialect, Submitted, Why, json_response

_API_ID = "db342550-7f1d-11e1-8ea7-1231380bc196"
_REFUSED: Mapping[Why, tuple[int, str]] = {
    Why.BUSY: (429, "too many requests"),
    Why.INVALID_NUMBER: (400, "dst is not a valid phone number"),
    Why.OPTED_OUT: (400, "dst has opted out of messages from src"),  # Plivo itself says it later, with code 200
    Why.ACCOUNT: (401, "authentication failed"),
    Why.REQUEST: (400, "src parameter not present"),
}


class PlivoDialect(Dialect):
    """Plivo, answering. It signs webhooks with both versions of its signature."""

    carrier: Plivo

    words: ClassVar[Mapping[Status, str]] = {
        Status.QUEUED: "queued",
        Status.SENT: "sent",
        Status.DELIVERED: "delivered",
    }
    failures: ClassVar[Mapping[tuple[str, str | None], int]] = {
        ("undelivered", "50"): 58,
        ("undelivered", None): 20,
        ("undelivered", "80"): 8,
        ("undelivered", "70"): 5,
        ("undelivered", "30"): 4,
        ("failed", "420"): 2,
        ("failed", "1000"): 2,
        ("undelivered", "200"): 1,
    }

    @classmethod
    def made_up(cls, *, api_url: str | None = None, webhook_url: str | None = None) -> Plivo:
        """Return an account that does not exist."""
        return Plivo(
            auth_id=f"MA{'0' * 18}",
            auth_token="not-a-secret",
            webhook_url=webhook_url,
            api_url=api_url or API_URL,
        )

    def read(self, request: Request) -> Submitted:
        """Return what a request asks for."""
        path = f"/v1/Account/{self.carrier.auth_id}/Message/"
        if (request.method, urlsplit(request.url).path) != ("POST", path):
            raise InvalidValue(f"a message is created by POST {path}")
        expected = basic(self.carrier.auth_id, newest(self.carrier.auth_token))
        if not same(request.headers.get("authorization", ""), expected):
            raise PermissionError
        if request.headers.get("content-type") != "application/json":
            raise InvalidValue("the content is JSON")
        sent = Fields(read_json(request.body))
        callback, media, text = sent.text("url"), sent.get("media_urls") or [], sent.text("text") or ""
        if ("src" in sent) is ("powerpack_uuid" in sent):
            raise InvalidValue("one of src and powerpack_uuid is required")
        if not sent.need("dst").isdecimal() or not (text or media) or len(text) > MOST_TEXT:
            raise InvalidValue(f"dst and up to {MOST_TEXT} characters of text are required")
        if sent.text("type") != ("mms" if media else "sms") or not isinstance(media, list) or len(media) > MOST_MEDIA:
            raise InvalidValue("type is sms, or mms with media_urls")
        if callback is not None and sent.text("method") not in {"GET", "POST"}:
            raise InvalidValue("method is GET or POST")
        return Submitted(
            to=e164(sent.need("dst")) or "",
            sender=e164(sent.text("src", "powerpack_uuid")),
            text=text,
            media=tuple(media),
            attempt_id=attempt_in(callback),
            callback=callback,
        )

    def new_id(self, random: Random) -> str:
        """Return a UUID."""
        return str(UUID(int=random.getrandbits(128), version=4))

    def taken(self, submitted: Submitted, carrier_id: str, now: datetime) -> Response:  # noqa: ARG002 - it says no more
        """Return that it was queued."""
        return json_response(202, {"message": "message(s) queued", "message_uuid": [carrier_id], "api_id": _API_ID})

    def refused(self, why: Why) -> Response:
        """Return an error of the API."""
        status, message = _REFUSED[why]
        return json_response(status, {"api_id": _API_ID, "error": message})

    def receipt(self, submitted: Submitted, carrier_id: str, word: str, code: str | None, now: datetime) -> Request:
        """Return a status callback."""
        form = {
            "MessageUUID": carrier_id,
            "ParentMessageUUID": carrier_id,
            "PartInfo": "1 of 1",
            "From": (submitted.sender or "").removeprefix("+"),
            "To": submitted.to.removeprefix("+"),
            "Type": "mms" if submitted.media else "sms",
            "Status": word,
            "Units": str(submitted.parts),
            "TotalRate": "0.00500",
            "TotalAmount": f"{0.005 * submitted.parts:.5f}",
        }
        if code is not None:
            form["ErrorCode"] = code
        return self._signed(submitted.callback, form, now)

    def reply(self, to: str, sender: str, text: str, reply_id: str, now: datetime) -> Request:
        """Return what a person wrote."""
        form = {
            "MessageUUID": reply_id,
            "From": to.removeprefix("+"),
            "To": sender.removeprefix("+"),
            "Type": "sms",
            "Text": text,
            "Units": "1",
            "TotalRate": "0",
            "TotalAmount": "0",
            "MessageIntent": "",
        }
        return self._signed(None, form, now)

    def _signed(self, callback: str | None, form: dict[str, str], now: datetime) -> Request:
        url = callback or self.carrier.webhook_url or "https://app.example/hooks"
        where, _, query = url.partition("?")
        asked = "&".join(f"{name}={value}" for name, value in sorted(parse_qsl(query, keep_blank_values=True)))
        said = "".join(name + form[name] for name in sorted(form))
        nonce = f"{int(now.timestamp() * 1_000_000):020d}"
        token = newest(self.carrier.auth_token)
        v2 = base64_signature(token, f"{where}{nonce}".encode(), "sha256")
        v3 = base64_signature(token, f"{where}?{asked}{'.' if asked else ''}{said}.{nonce}".encode(), "sha256")
        headers = {
            "Content-Type": FORM,
            "X-Plivo-Signature-V2": v2,
            "X-Plivo-Signature-Ma-V2": v2,
            "X-Plivo-Signature-V2-Nonce": nonce,
            "X-Plivo-Signature-V3": v3,
            "X-Plivo-Signature-Ma-V3": v3,
            "X-Plivo-Signature-V3-Nonce": nonce,
        }
        return Request("POST", url, headers, urlencode(form).encode())
