"""Vonage's older SMS API from its own side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from typing import ClassVar, Final, Literal
from urllib.parse import urlencode, urlsplit

from campaignkit.backends.carriers.port import Request, Response, basic, newest
from campaignkit.backends.carriers.signing import same, sha256_hex
from campaignkit.backends.carriers.vonagesms import API_URL, MOST_CALLBACK, MOST_REF, VonageSms, sign
from campaignkit.backends.carriers.wire import FORM, e164, form_fields, read_form
from campaignkit.errors import InvalidValue
from campaignkit.models import Status
from campaignkit.testing.dialects.base import Dialect, Submitted, Why, json_response

_REFUSED: Final[Mapping[Why, tuple[str, str]]] = {
    Why.BUSY: ("1", "Throttled"),
    Why.INVALID_NUMBER: ("6", "The message could not be processed, its number has no known prefix"),
    Why.OPTED_OUT: ("7", "Number barred."),
    Why.ACCOUNT: ("4", "Bad Credentials"),
    Why.REQUEST: ("2", "Missing to param"),
}
_LONGEST: Final = 15  # digits of a number
_SHORTEST: Final = 7


class VonageSmsDialect(Dialect):
    """Vonage's older SMS API, answering.

    Attributes:
        style: how the account has its webhooks made.
    """

    carrier: VonageSms
    style: Literal["get", "form", "json"] = "json"

    names_parts: ClassVar[bool] = True

    words: ClassVar[Mapping[Status, str]] = {Status.SENT: "accepted", Status.DELIVERED: "delivered"}
    failures: ClassVar[Mapping[tuple[str, str | None], int]] = {
        ("failed", "12"): 55,
        ("failed", "3"): 10,
        ("failed", "2"): 10,
        ("failed", "1"): 8,
        ("rejected", "6"): 6,
        ("failed", None): 5,
        ("expired", "0"): 4,
        ("failed", "9"): 2,
    }

    @classmethod
    def made_up(cls, *, api_url: str | None = None, webhook_url: str | None = None) -> VonageSms:
        """Return an account that does not exist."""
        return VonageSms(
            api_key="abcd1234",
            api_secret="not-a-secret",
            signature_secret="not-a-secret-either",
            webhook_url=webhook_url,
            api_url=api_url or API_URL,
        )

    def read(self, request: Request) -> Submitted:
        """Return what a request asks for."""
        if (request.method, urlsplit(request.url).path) != ("POST", "/sms/json"):
            raise InvalidValue("a message is created by POST /sms/json")
        credentials = basic(self.carrier.api_key, newest(self.carrier.api_secret))
        if not same(request.headers.get("authorization", ""), credentials):
            raise PermissionError
        if request.headers.get("content-type") != FORM:
            raise InvalidValue("the content is a form")
        form = form_fields(read_form(request.body))
        to, sender, text = form.need("to"), form.need("from"), form.need("text")
        if not (to.isdecimal() and _SHORTEST <= len(to) <= _LONGEST):
            raise InvalidValue("to is 7 to 15 digits, without +")
        if sender.startswith("+"):
            raise InvalidValue("from has no +")
        if form.get("type", "text") not in {"text", "unicode"}:
            raise InvalidValue("type is text or unicode")
        if len(form.get("client-ref", "")) > MOST_REF or len(form.get("callback", "")) > MOST_CALLBACK:
            raise InvalidValue("client-ref or callback is too long")
        return Submitted(
            to=f"+{to}",
            sender=e164(sender),
            text=text,
            attempt_id=form.text("client-ref"),
            callback=form.text("callback"),
        )

    def new_id(self, random: Random) -> str:
        """Return a UUID."""
        return _uuid(f"{random.getrandbits(128):032x}")

    def taken(self, submitted: Submitted, carrier_id: str, now: datetime) -> Response:
        """Return the answer with a message of one part."""
        return self.taken_in_parts(submitted, [carrier_id], now)

    def taken_in_parts(self, submitted: Submitted, part_ids: Sequence[str | None], now: datetime) -> Response:  # noqa: ARG002 - it says no time
        """Return the answer with each part, taken or throttled."""
        return _json([_refusal(Why.BUSY) if each is None else self._part(submitted, each) for each in part_ids])

    def _part(self, submitted: Submitted, carrier_id: str) -> dict[str, str]:
        part = {
            "to": submitted.to.removeprefix("+"),
            "message-id": carrier_id,
            "status": "0",
            "remaining-balance": "38.07243628",
            "message-price": "0.03330000",
            "network": "12345",
        }
        if submitted.attempt_id is not None:
            part["client-ref"] = submitted.attempt_id
        return part

    def refused(self, why: Why) -> Response:
        """Return an answer that is 200 all the same."""
        return _json([_refusal(why)])

    def receipt(self, submitted: Submitted, carrier_id: str, word: str, code: str | None, now: datetime) -> Request:
        """Return a receipt for a part."""
        fields = {
            "msisdn": submitted.to.removeprefix("+"),
            "to": (submitted.sender or "").removeprefix("+"),
            "network-code": "12345",
            "messageId": carrier_id,
            "price": "0.03330000",
            "status": word,
            "scts": now.strftime("%y%m%d%H%M"),
            "api-key": self.carrier.api_key,
        }
        if code is not None or word == "delivered":
            fields["err-code"] = code or "0"
        if submitted.attempt_id is not None:
            fields["client-ref"] = submitted.attempt_id
        return self._signed(submitted.callback, fields, now)

    def reply(self, to: str, sender: str, text: str, reply_id: str, now: datetime) -> Request:
        """Return what a person wrote."""
        fields = {
            "api-key": self.carrier.api_key,
            "msisdn": to.removeprefix("+"),
            "to": sender.removeprefix("+"),
            "messageId": reply_id,
            "text": text,
            "type": "text" if text.isascii() else "unicode",
            "keyword": (text.split() or [""])[0].upper(),
        }
        return self._signed(None, fields, now)

    def _signed(self, callback: str | None, fields: dict[str, str], now: datetime) -> Request:
        url = callback or self.carrier.webhook_url or "https://app.example/hooks"
        fields["message-timestamp"] = now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        fields["timestamp"] = str(int(now.timestamp()))
        fields["nonce"] = _uuid(sha256_hex(json.dumps(fields).encode())[:32])
        signed = "".join(f"&{name}={fields[name].replace('&', '_').replace('=', '_')}" for name in sorted(fields))
        secret = newest(self.carrier.signature_secret)
        fields["sig"] = sign(signed.encode(), secret, self.carrier.signature_method)
        if self.style == "get":
            return Request("GET", f"{url}?{urlencode(fields)}")
        if self.style == "form":
            return Request("POST", url, {"Content-Type": FORM}, urlencode(fields).encode())
        body = json.dumps(fields, ensure_ascii=False).encode()
        return Request("POST", url, {"Content-Type": "application/json"}, body)


def _refusal(why: Why) -> dict[str, str]:
    status, words = _REFUSED[why]
    return {"status": status, "error-text": words}


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"


def _json(parts: list[dict[str, str]]) -> Response:
    answer = {"message-count": str(len(parts)), "messages": parts}
    return json_response(200, answer)
