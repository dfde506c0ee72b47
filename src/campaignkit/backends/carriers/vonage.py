"""Vonage, Messages API (the older SMS API is `vonagesms`).

A message is handed over by

    POST /v1/messages                                        Basic api_key:api_secret
    Content-Type: application/json

    {"channel": "sms", "message_type": "text", "to": "447700900123", "from": "ACME", "text": "Hello",
     "client_ref": "our attempt id", "webhook_url": "https://app.example/hooks", "webhook_version": "v1"}

    202  {"message_uuid": "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"}
    422  {"type": "https://developer.vonage.com/api-errors/messages#1150", "title": "Invalid params",
          "detail": "...", "instance": "..."}
    402  {"type": "https://developer.vonage.com/api-errors/#low-balance", ...}
    429  the same with #1000                                 never taken, so safe to repeat

With media it is an MMS: ``{"channel": "mms", "message_type": "image", "image": {"url": ..., "caption":
...}}``, or several as ``{"message_type": "content", "content": [{"type": "image", "url": ...}]}``.
It comes back as JSON, receipts and replies alike:

    POST https://app.example/hooks
    Authorization: Bearer (JWT, HS256 with the account's signature secret)

    {"message_uuid": "...", "status": "rejected", "channel": "sms", "to": "447700900123", "from": "ACME",
     "timestamp": "2026-11-22T12:00:00Z", "client_ref": "...", "sms": {"count_total": "2"},
     "error": {"type": "...#1180", "title": "1180"}, "usage": {"currency": "EUR", "price": "0.0333"}}
    {"message_uuid": "...", "message_type": "text", "text": "STOP", "channel": "sms", "from": "447700900123", ...}

    claims: iat, jti, iss, payload_hash (SHA-256 of the body), api_key, application_id

The signature covers the body by its hash, the moment it was made, and whose account it is. It
does not cover the address, of which nothing is believed: our attempt id travels in ``client_ref``.
There is no idempotency key: what may have been taken is unknown, and stays so until its receipt.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar, Final

import attrs

from campaignkit.backends.carriers.port import (
    Carrier,
    Event,
    Refusal,
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
from campaignkit.backends.carriers.signing import TOLERANCE, is_fresh, needs, read_jwt, same, sha256_hex
from campaignkit.backends.carriers.wire import Fields, e164, moment_of, read_json
from campaignkit.errors import InvalidValue, shown
from campaignkit.models import Attempt, Message, Reply

API_URL: Final = "https://api.nexmo.com"
MOST_TEXT: Final = 3200
MOST_CAPTION: Final = 3000
MOST_REF: Final = 100

KINDS: Final = {
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".gif", ".bmp"), "image"),
    **dict.fromkeys((".mp3", ".amr", ".midi", ".mid", ".wav", ".ac3"), "audio"),
    **dict.fromkeys((".mp4", ".3gp", ".avi", ".mpg"), "video"),
    ".vcf": "vcard",
}
"""What a file's ending makes it; any other ending makes it a ``file``."""

_PHONE: Final = frozenset({"sms", "mms"})
_FILE: Final = re.compile(r"https?://[^/?#]+/[^?#]*(\.[a-z0-9]{1,8})(?:[?#].*)?")
_NO_CREDIT: Final = 402
_NOT_SO: Final = (
    422  # the numbers of its errors are used anew there: 1100 is no broken connection but an unknown channel
)


@attrs.frozen(kw_only=True)
class Vonage(Carrier):
    """Vonage's Messages API, sending SMS and MMS and receiving.

    Attributes:
        api_key: names the account.
        api_secret: sends.
        signature_secret: signs webhooks; another one than ``api_secret``.
        application_id: where it is given, webhooks about another application are rejected.

    Raises:
        MissingExtra: the package pyjwt is not installed.

    >>> vonage = Vonage(
    ...     api_key="abcd1234",
    ...     api_secret="secret",
    ...     signature_secret="another-secret",
    ...     webhook_url="https://app.example/hooks",
    ... )
    >>> vonage.name, vonage.mms
    ('vonage', True)
    """

    name: ClassVar[str] = "vonage"
    mms: ClassVar[bool] = True

    api_key: str = account_name()
    api_secret: Secret = secret()
    signature_secret: Secret = secret()
    application_id: str | None = None
    api_url: str = address(API_URL)

    def __attrs_post_init__(self) -> None:
        """Find the package for signatures now, not when the first webhook comes."""
        needs("jwt", "pyjwt", "Vonage")

    def encode(self, message: Message, attempt: Attempt) -> Request:
        """Return the request that hands a message over; the attempt's id travels in ``client_ref``."""
        fields: dict[str, Any] = {
            "to": _bare(self.recipient(message)),
            "from": _bare(self.sender(message)),
            **(self._media(message) if message.media else self._text(message)),
            "client_ref": attempt.attempt_id,
            "webhook_url": self.webhook_url,
            "webhook_version": "v1",
        }
        given = {name: value for name, value in fields.items() if value is not None}
        return post_json(f"{self.api_url}/v1/messages", basic(self.api_key, newest(self.api_secret)), given)

    def _text(self, message: Message) -> dict[str, Any]:
        return {"channel": "sms", "message_type": "text", "text": self.text(message, MOST_TEXT)}

    def _media(self, message: Message) -> dict[str, Any]:
        caption = self.text(message, MOST_CAPTION)
        files: list[dict[str, str]] = [{"type": _kind(url), "url": url} for url in message.media]
        if caption:
            files[0]["caption"] = caption
        if len(files) > 1:
            return {"channel": "mms", "message_type": "content", "content": files}
        kind = files[0].pop("type")
        return {"channel": "mms", "message_type": kind, kind: files[0]}

    def _accepted(self, answer: Fields) -> Submission:
        return self._taken(answer.need("message_uuid"))

    def _error(self, answer: Fields) -> tuple[str | None, str] | None:
        if "api-errors" not in (answer.text("type") or ""):
            return None  # others describe their problems in this form too
        return _code(answer), answer.text("detail", "title") or ""

    def _refusal(self, code: str | None, status: int) -> Refusal:
        if status == _NO_CREDIT:
            return Refusal.ACCOUNT
        return Refusal.FINAL if status == _NOT_SO else super()._refusal(code, status)

    def _verify(self, request: Request, now: datetime) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise self.rejected("signature", "Authorization is no bearer token")
        claims = read_jwt(token, each_secret(self.signature_secret), ["HS256"])
        if claims is None:
            raise self.rejected("signature", "the token is not signed with the signature secret")
        if not same(str(claims.get("payload_hash")), sha256_hex(request.body)):
            raise self.rejected("signature", "payload_hash is not the hash of the body")
        # What is sent with key and secret belongs to no application, and its token may name none.
        ours = self.application_id
        if claims.get("api_key") != self.api_key or (ours and claims.get("application_id", ours) != ours):
            raise self.rejected("signature", "the token is about another account or application")
        if not is_fresh(str(claims.get("iat")), now) or _is_over(claims, now):
            raise self.rejected("timestamp", "iat is more than 5 minutes away, or exp is over")

    def _parse(self, request: Request, now: datetime) -> list[Event]:
        fields = Fields(read_json(request.body))
        channel = fields.text("channel") or fields.inner("from").text("type")
        if channel not in _PHONE:
            return []  # about an app's channel, or no message at all
        status = fields.text("status")
        if status is None:
            return [self._said(fields, now)]
        receipt = self._receipt(
            f"messages:{status}",
            fields.need("message_uuid"),
            now,
            error_code=_code(fields.inner("error")),
            at=moment_of(fields.get("timestamp"), now),
            attempt_id=fields.attempt_id("client_ref"),
            segments=fields.inner("sms").count("count_total"),
            price=fields.inner("usage").money("price"),
            currency=fields.inner("usage").currency("currency"),
            unreadable=fields.unreadable,
            raw=fields.raw,
        )
        return [receipt]

    def _said(self, fields: Fields, now: datetime) -> Reply:
        said = fields if "message_type" in fields else fields.inner("message").inner("content")  # v1, or v0.1
        main = said.inner(said.text("message_type", "type") or "")
        files = [main, *said.list("content")]
        return self._reply(
            said.text("text") or main.text("caption") or "",
            now,
            at=moment_of(fields.get("timestamp"), now),
            reply_id=fields.need("message_uuid"),
            to=_number(fields, "from"),
            sender=_number(fields, "to"),
            media=tuple(dict.fromkeys(filter(None, (each.text("url") for each in files)))),
        )


def _bare(number: str) -> str:
    return number.removeprefix("+")


def _number(fields: Fields, name: str) -> str | None:
    """Return a number with its ``+``, from v1 or, where it is an object, from v0.1."""
    within = fields.inner(name)
    return e164(within.need("number") if within else fields.need(name))


def _kind(url: str) -> str:
    file = _FILE.fullmatch(url.lower())
    if file is None:
        raise InvalidValue(
            f"media is {shown(url)}: vonage must be told what kind of file it is; give an address that ends"
            " like one, in .jpg or .mp4"
        )
    return KINDS.get(file[1], "file")


def _code(error: Fields) -> str | None:
    """Return an error's number, wherever it stands, or else its word."""
    error = error.inner("error") if "error" in error else error
    named = (error.text("type") or "").partition("#")[2]
    candidates = [each for each in (named, error.text("title"), error.text("code")) if each]
    found = next((each for each in candidates if each.isdecimal()), next(iter(candidates), None))
    return None if found is None else f"messages:{found}"


def _is_over(claims: dict[str, Any], now: datetime) -> bool:
    ends = claims.get("exp")
    return ends is not None and not (isinstance(ends, int) and ends >= (now - TOLERANCE).timestamp())
