"""Sinch from its own side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from random import Random
from typing import ClassVar
from urllib.parse import urlsplit

from campaignkit.backends.carriers.port import Request, Response, basic, newest
from campaignkit.backends.carriers.signing import base64_signature, same
from campaignkit.backends.carriers.sinch import API_URL, MOST_TEXT, Sinch
from campaignkit.backends.carriers.wire import JSON, Fields, read_json
from campaignkit.errors import InvalidValue
from campaignkit.models import Status
from campaignkit.testing.dialects.base import Dialect, Submitted, Why, json_response

_REFUSED: Mapping[Why, tuple[int, str, str]] = {
    Why.BUSY: (429, "too_many_requests", "Too many requests"),
    Why.INVALID_NUMBER: (400, "syntax_invalid_parameter_format", "to: not a valid phone number"),
    Why.OPTED_OUT: (400, "syntax_constraint_violation", "to: opted out"),  # Sinch itself reports Deleted later
    Why.ACCOUNT: (401, "unauthorized", "Unauthorized"),
    Why.REQUEST: (400, "syntax_constraint_violation", "body: may not be null"),
}
_CODES: Mapping[str, int] = {"Queued": 400, "Dispatched": 401}
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class SinchDialect(Dialect):
    """Sinch, answering."""

    carrier: Sinch

    words: ClassVar[Mapping[Status, str]] = {
        Status.QUEUED: "Queued",
        Status.SENT: "Dispatched",
        Status.DELIVERED: "Delivered",
    }
    failures: ClassVar[Mapping[tuple[str, str | None], int]] = {
        ("Rejected", "402"): 55,
        ("Failed", None): 18,
        ("Failed", "404"): 12,
        ("Rejected", "408"): 5,
        ("Expired", "406"): 5,
        ("Deleted", None): 4,
        ("Aborted", "413"): 1,
    }

    @classmethod
    def made_up(cls, *, api_url: str | None = None, webhook_url: str | None = None) -> Sinch:
        """Return an account that does not exist, whose webhooks are signed."""
        return Sinch(
            service_plan_id="0" * 32,
            api_token="not-a-token",
            webhook_secret="not-a-secret",
            webhook_url=webhook_url,
            api_url=api_url or API_URL,
        )

    def read(self, request: Request) -> Submitted:
        """Return what a request asks for."""
        path = f"/xms/v1/{self.carrier.service_plan_id}/batches"
        if (request.method, urlsplit(request.url).path) != ("POST", path):
            raise InvalidValue(f"a batch is created by POST {path}")
        if not same(request.headers.get("authorization", ""), f"Bearer {newest(self.carrier.api_token)}"):
            raise PermissionError
        if request.headers.get("content-type") != JSON:
            raise InvalidValue("the content is JSON")
        sent = Fields(read_json(request.body))
        to = sent.get("to")
        if not isinstance(to, list) or len(to) != 1:
            raise InvalidValue("to is a list, here of one number")
        text, media = _content(sent)
        if len(text) > MOST_TEXT or not (text or media):
            raise InvalidValue(f"body is required, of up to {MOST_TEXT} characters")
        if sent.text("delivery_report") not in {
            None,
            "none",
            "summary",
            "full",
            "per_recipient",
            "per_recipient_final",
        }:
            raise InvalidValue("delivery_report is unknown")
        return Submitted(
            to=to[0],
            sender=sent.text("from"),
            text=text,
            media=media,
            attempt_id=sent.text("client_reference"),
            callback=sent.text("callback_url"),
        )

    def new_id(self, random: Random) -> str:
        """Return 26 letters and digits that begin with 01."""
        return "01" + "".join(random.choice(_LETTERS) for _ in range(24))

    def taken(self, submitted: Submitted, carrier_id: str, now: datetime) -> Response:
        """Return the batch as it was created."""
        created = {
            "id": carrier_id,
            "to": [submitted.to],
            "from": submitted.sender,
            "canceled": False,
            "body": submitted.text,
            "type": "mt_text",
            "created_at": _time(now),
            "modified_at": _time(now),
            "delivery_report": "per_recipient",
        }
        return json_response(201, created)

    def refused(self, why: Why) -> Response:
        """Return an error of the API."""
        status, code, text = _REFUSED[why]
        return json_response(status, {"code": code, "text": text})

    def receipt(self, submitted: Submitted, carrier_id: str, word: str, code: str | None, now: datetime) -> Request:
        """Return a report about one recipient."""
        report = {
            "type": "recipient_delivery_report_mms" if submitted.media else "recipient_delivery_report_sms",
            "batch_id": carrier_id,
            "recipient": submitted.to,
            "code": _CODES.get(word, 0) if code is None else int(code) if code.isdecimal() else code,
            "status": word,
            "at": _time(now),
            "operator_status_at": _time(now),
        }
        if not submitted.media:
            report["number_of_message_parts"] = submitted.parts
        if submitted.attempt_id is not None:
            report["client_reference"] = submitted.attempt_id
        return self._sent(submitted.callback, report, now)

    def reply(self, to: str, sender: str, text: str, reply_id: str, now: datetime) -> Request:
        """Return what a person wrote."""
        said = {
            "type": "mo_text",
            "id": reply_id,
            "from": to.removeprefix("+"),
            "to": sender.removeprefix("+"),
            "body": text,
            "received_at": _time(now),
        }
        return self._sent(None, said, now)

    def _sent(self, callback: str | None, said: Mapping[str, object], now: datetime) -> Request:
        url = callback or self.carrier.webhook_url or "https://app.example/hooks"
        body = json.dumps(said).encode()
        return Request("POST", url, {"Content-Type": JSON, **self._proof(body, now)}, body)

    def _proof(self, body: bytes, now: datetime) -> Mapping[str, str]:
        if self.carrier.webhook_secret is None:
            user, password = self.carrier.webhook_username or "", newest(self.carrier.webhook_password or ())
            return {"Authorization": basic(user, password)}
        nonce, stamp = f"01{now.timestamp():024.6f}", f"{now.timestamp():.0f}"
        signed = body + f".{nonce}.{stamp}".encode()
        return {
            "x-sinch-webhook-signature": base64_signature(newest(self.carrier.webhook_secret), signed, "sha256"),
            "x-sinch-webhook-signature-nonce": nonce,
            "x-sinch-webhook-signature-timestamp": stamp,
            "x-sinch-webhook-signature-algorithm": "HmacSHA256",
        }


def _content(sent: Fields) -> tuple[str, tuple[str, ...]]:
    kind = sent.text("type")
    if kind == "mt_media":
        body = sent.inner("body")
        return body.text("message") or "", (body.need("url"),)
    if kind not in {None, "mt_text"}:
        raise InvalidValue("type is mt_text or mt_media")
    return sent.text("body") or "", ()


def _time(now: datetime) -> str:
    return now.isoformat(timespec="milliseconds")
