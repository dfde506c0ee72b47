"""Sinch, SMS over REST.

A message is handed over as a batch of one by

    POST /xms/v1/{service plan}/batches                     Bearer api token
    {"to": ["+12025550143"], "from": "+12025550100", "type": "mt_text", "body": "Hello",
     "delivery_report": "per_recipient", "client_reference": our attempt id,
     "callback_url": "https://app.example/hooks?attempt=..."}

    201  {"id": "01HZ...", "to": ["+12025550143"], "canceled": false, ...}
    201  {"id": "01HZ...", "to": [], ...}                   nobody left to send to: refused
    400  {"code": "syntax_invalid_parameter_format", "text": "..."}
    403  {"code": "blocked_account", "text": "..."}
    429                                                     never processed, so safe to repeat

and comes back as JSON, receipts and replies alike:

    POST https://app.example/hooks?attempt=...
    {"type": "recipient_delivery_report_sms", "batch_id": "01HZ...", "recipient": "+12025550143",
     "code": 402, "status": "Rejected", "client_reference": our attempt id, "at": "2026-11-22T..."}
    {"type": "mo_text", "id": "01HY...", "from": "12025550143", "to": "12025550100", "body": "STOP"}

Who made such a request is told in one of two ways, as the account is set up:

    Authorization: Basic user:password
    x-sinch-webhook-signature: base64(HMAC-SHA256(secret, body + "." + nonce + "." + timestamp))

BASIC COVERS NOTHING THAT THE REQUEST SAYS: who has seen one request can make any other. The
signature covers the body and a time, and not the address, so that the attempt id is taken from
the body first. A report about a batch says who only where the batch was for one person, as ours are.
There is no idempotency key: what may have been taken is unknown, and stays so until its receipt.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Final

import attrs

from campaignkit.backends.carriers.port import (
    Carrier,
    Event,
    Request,
    Secret,
    Submission,
    account_name,
    address,
    basic,
    each_secret,
    newest,
    post_json,
    secret,
)
from campaignkit.backends.carriers.signing import any_same, base64_signature, is_fresh
from campaignkit.backends.carriers.wire import Fields, e164, moment_of, read_json
from campaignkit.errors import InvalidValue
from campaignkit.models import Attempt, Message, Receipt, Reply
from campaignkit.verdicts import status_table

API_URL: Final = "https://us.sms.api.sinch.com"
MOST_TEXT: Final = 2000
MOST_ADDRESS: Final = 2048

_OF_NUMBERS: Final = frozenset({"recipient_delivery_report_sms", "recipient_delivery_report_mms"})
_OF_BATCHES: Final = frozenset({"delivery_report_sms", "delivery_report_mms"})
_FROM_PEOPLE: Final = frozenset({"mo_text", "mo_binary", "mo_media"})
_NO_ERROR: Final = "0"
_SIGNATURE: Final = "x-sinch-webhook-signature"


@attrs.frozen(kw_only=True)
class Sinch(Carrier):
    """Sinch, sending and receiving.

    Its callbacks are checked with ``webhook_secret``, or with ``webhook_username`` and
    ``webhook_password``: give one of the two, as your account is set up.

    Attributes:
        service_plan_id: as in Sinch's dashboard.
        api_token: of the service plan, to send with.
        webhook_secret: of the HMAC signature.
        webhook_username: of Basic authentication.
        webhook_password: of Basic authentication.
        api_url: of the region: ``us``, ``eu``, ``au``, ``br`` or ``ca`` at its front.

    >>> Sinch(service_plan_id="plan", api_token="secret", webhook_secret="secret")
    Sinch(..., service_plan_id='plan', api_token='***', webhook_secret='***', webhook_username=None, ...)
    """

    name: ClassVar[str] = "sinch"
    mms: ClassVar[bool] = True

    service_plan_id: str = account_name()
    api_token: Secret = secret()
    webhook_secret: Secret | None = secret(required=False)
    webhook_username: str | None = None
    webhook_password: Secret | None = secret(required=False)
    api_url: str = address(API_URL)

    def __attrs_post_init__(self) -> None:
        """Insist on exactly one way to tell who makes a request."""
        logs_in = self.webhook_password is not None
        if (self.webhook_username is None) is logs_in or logs_in is (self.webhook_secret is not None):
            raise InvalidValue(
                "webhook_secret, or webhook_username and webhook_password, must be given, and not both: without it"
                " every webhook could be forged; ask Sinch how your callbacks are authenticated"
            )

    def encode(self, message: Message, attempt: Attempt) -> Request:
        """Return the request that hands a message over; the attempt's id travels in ``client_reference``."""
        sent: dict[str, object] = {"to": [self.recipient(message)], "from": self.sender(message)}
        text = self.text(message, MOST_TEXT)
        sent |= _media(message, text) if message.media else {"type": "mt_text", "body": text}
        sent["delivery_report"] = "per_recipient"
        if attempt.attempt_id:
            sent["client_reference"] = attempt.attempt_id
        callback = self.callback(attempt)
        if callback:
            sent["callback_url"] = _fitting(callback)
        url = f"{self.api_url}/xms/v1/{self.service_plan_id}/batches"
        return post_json(url, f"Bearer {newest(self.api_token)}", sent)

    def _accepted(self, answer: Fields) -> Submission:
        if str(answer.get("canceled")).lower() == "true":
            return self._refused("canceled", "the batch is canceled")
        if answer.get("to") == []:
            return self._refused(None, "the batch is for nobody")
        return self._taken(answer.need("id"))

    def _error(self, answer: Fields) -> tuple[str | None, str] | None:
        newer = answer.inner("error")
        code, words = answer.text("code") or newer.text("status"), answer.text("text") or newer.text("message")
        return None if code is None or words is None else (code, words)

    def _verify(self, request: Request, now: datetime) -> None:
        if self.webhook_secret is None:
            self._verify_login(request)
        else:
            self._verify_signature(request, self.webhook_secret, now)

    def _verify_login(self, request: Request) -> None:
        given = request.headers.get("authorization", "")
        expected = [basic(self.webhook_username or "", each) for each in each_secret(self.webhook_password or ())]
        if not any_same([given], expected):
            raise self.rejected("signature", "Authorization is not webhook_username and webhook_password")

    def _verify_signature(self, request: Request, secrets: Secret, now: datetime) -> None:
        given, nonce, stamp = (request.headers.get(_SIGNATURE + part) for part in ("", "-nonce", "-timestamp"))
        if given is None or nonce is None or stamp is None:
            raise self.rejected("signature", f"{_SIGNATURE}, its nonce or its timestamp is missing")
        signed = b".".join((request.body, nonce.encode(), stamp.encode()))
        if not any_same([given], [base64_signature(each, signed, "sha256") for each in each_secret(secrets)]):
            raise self.rejected("signature", f"{_SIGNATURE} does not match body, nonce and timestamp")
        if not is_fresh(stamp, now):
            raise self.rejected("timestamp", "what is signed is more than 5 minutes old or ahead")

    def _parse(self, request: Request, now: datetime) -> list[Event]:
        fields = Fields(read_json(request.body))
        kind = (fields.text("type") or "").lower()
        if kind in _OF_NUMBERS:
            return [self._reported(fields, fields, request, now)]
        if kind in _OF_BATCHES:
            counted = [each for each in fields.list("statuses") if each.get("count") != 0]
            alone = len(counted) == 1 and counted[0].get("count") == 1
            return [self._reported(fields, counted[0], request, now)] if alone else []
        return [self._said(fields, kind, now)] if kind in _FROM_PEOPLE else []

    def _reported(self, fields: Fields, said: Fields, request: Request, now: datetime) -> Receipt:
        code = said.text("code")
        return self._receipt(
            _word(said.need("status")),
            fields.need("batch_id"),
            now,
            error_code=None if code == _NO_ERROR else code,
            attempt_id=fields.attempt_id("client_reference") or self.attempt_of(request),
            segments=fields.count("number_of_message_parts"),
            unreadable=fields.unreadable,
            at=moment_of(fields.get("operator_status_at"), now) or moment_of(fields.get("at"), now),
            raw=fields.raw,
        )

    def _said(self, fields: Fields, kind: str, now: datetime) -> Reply:
        text, media = _spoken(fields, kind)
        return self._reply(
            text,
            now,
            at=moment_of(fields.get("received_at"), now),
            reply_id=fields.need("id"),
            to=e164(fields.need("from")),
            sender=e164(fields.text("to")),
            media=media,
        )


# --- what is sent --------------------------------------------------------------------------------


def _media(message: Message, text: str) -> Mapping[str, object]:
    if len(message.media) > 1:
        raise InvalidValue(f"media is {len(message.media)} files: sinch takes 1; send fewer")
    body = {"url": message.media[0]}
    return {"type": "mt_media", "body": body | {"message": text} if text else body}


def _fitting(callback: str) -> str:
    if len(callback) > MOST_ADDRESS:
        raise InvalidValue(f"webhook_url has {len(callback):,} characters: sinch takes {MOST_ADDRESS:,}; shorten it")
    return callback


# --- what arrives --------------------------------------------------------------------------------


def _word(word: str) -> str:
    """Return a status as Sinch describes it; some accounts get it in capitals."""
    described = word.capitalize()
    return described if described in status_table("sinch").rows else word


def _spoken(fields: Fields, kind: str) -> tuple[str, tuple[str, ...]]:
    """Return text and media of what a person wrote."""
    if kind == "mo_media":
        said = fields.inner("body")
        addresses = (each.text("url") for each in said.list("media"))
        return said.text("message", "subject") or "", tuple(filter(None, addresses))
    text = fields.text("body") or ""
    return (_decoded(text) if kind == "mo_binary" else text), ()


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace")
    except ValueError:
        raise InvalidValue("body is no base64: must be, in a binary message") from None
