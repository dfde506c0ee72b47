"""Telnyx, Messaging API v2.

A message is handed over by

    POST /v2/messages                                       Authorization: Bearer KEY...
    Content-Type: application/json
    Idempotency-Key: our attempt id

    {"from": "+12025550100", "to": "+12025550143", "text": "Hello", "media_urls": ["https://..."],
     "messaging_profile_id": "...", "webhook_url": "https://app.example/hooks?attempt=..."}

    200  {"data": {"id": "0f1e...", "parts": 1, "cost": null, "to": [{"status": "queued"}], ...}}
    400  {"errors": [{"code": "40310", "title": "Invalid 'to' address", "detail": "..."}]}
    429  {"errors": [{"code": "10011", ...}]}               never processed, so safe to repeat

and comes back as JSON, receipts and replies alike:

    POST https://app.example/hooks/telnyx?attempt=...
    Telnyx-Timestamp: 1795348800
    Telnyx-Signature-Ed25519: base64(Ed25519 over "1795348800|" + body)

    {"data": {"event_type": "message.finalized", "id": "the event's id", "occurred_at": "2026-11-22T...",
              "payload": {"id": "0f1e...", "direction": "outbound", "parts": 1, "errors": [],
                          "from": {"phone_number": "+12025550100", "status": "webhook_delivered"},
                          "to": [{"phone_number": "+12025550143", "status": "delivered"}],
                          "cost": {"amount": "0.0051", "currency": "USD"},
                          "webhook_url": "https://app.example/hooks?attempt=..."}},
     "meta": {"attempt": 1, "delivered_to": "https://app.example/hooks?attempt=..."}}

The signature covers the time and the body, and not the address. The API takes no reference of
ours, and ``tags`` cannot be given with a message; but the body repeats the address we asked
receipts for, so the attempt id is read there, and never from the address that was called.
What happened to the message stands in ``to[].status`` alone: ``from.status`` is about our
webhook, and ``data.id`` names the event.

The same ``Idempotency-Key`` with the same bytes is one message for 24 hours, and is answered as
the first time; with other bytes it is refused with 422. Only what succeeded is remembered. What
an answer says about the key itself is therefore `unknown`: the message may have been taken.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime
from typing import Any, ClassVar, Final

import attrs

from campaignkit.backends.carriers.port import (
    Carrier,
    Event,
    Request,
    Response,
    Secret,
    Submission,
    address,
    attempt_in,
    each_secret,
    newest,
    post_json,
    secret,
)
from campaignkit.backends.carriers.signing import is_fresh, needs
from campaignkit.backends.carriers.wire import Fields, moment_of, read_json
from campaignkit.errors import InvalidValue, shown
from campaignkit.models import Attempt, Message, Outcome, Receipt, Reply

API_URL: Final = "https://api.telnyx.com"
MOST_TEXT: Final = 1600
MOST_TEXT_WITH_MEDIA: Final = 5_000_000
MOST_MEDIA: Final = 10

_KEY: Final = 32  # bytes of a public key of Ed25519
_SIGNATURE: Final = 64
_NUMBER: Final = re.compile(r"\+?[0-9]+")
_PROFILE: Final = re.compile(r"[0-9A-Za-z-]+")
_CONFLICT: Final = 409


@attrs.frozen(kw_only=True)
class Telnyx(Carrier):
    """Telnyx, sending and receiving.

    A message's ``sender`` may be a number, a short code, or a name, which needs a
    ``messaging_profile_id``; without a sender that profile's pool of numbers chooses one.

    Attributes:
        api_key: sends.
        public_key: what webhooks are verified with, in base64 as the portal shows it.
        messaging_profile_id: of the profile to send with.

    Raises:
        InvalidValue: ``public_key`` or ``messaging_profile_id`` is none.
        MissingExtra: the package cryptography is not installed.

    >>> telnyx = Telnyx(
    ...     api_key="KEY0",
    ...     public_key="A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
    ...     webhook_url="https://app.example/hooks",
    ... )
    >>> telnyx
    Telnyx(webhook_url='https://app.example/hooks', ... api_key='***', public_key='***', ...)
    """

    name: ClassVar[str] = "telnyx"
    mms: ClassVar[bool] = True
    idempotent: ClassVar[bool] = True

    api_key: Secret = secret()
    public_key: Secret = secret()
    messaging_profile_id: str | None = attrs.field(default=None)
    api_url: str = address(API_URL)

    def __attrs_post_init__(self) -> None:
        """Refuse keys that no webhook could be verified with."""
        needs("cryptography.hazmat.primitives.asymmetric.ed25519", "cryptography", "Telnyx")
        for each in each_secret(self.public_key):
            _public_key(each)
        profile = self.messaging_profile_id
        if not (profile is None or (isinstance(profile, str) and _PROFILE.fullmatch(profile))):
            raise InvalidValue(
                f"messaging_profile_id is {shown(profile)}: must be the profile's id; copy it from the portal"
            )

    def encode(self, message: Message, attempt: Attempt) -> Request:
        """Return the request that hands a message over; the attempt's id is its key, and travels in ``webhook_url``."""
        most = MOST_TEXT_WITH_MEDIA if message.media else MOST_TEXT
        if len(message.media) > MOST_MEDIA:
            raise InvalidValue(f"media is {len(message.media)} files: telnyx takes {MOST_MEDIA}; send fewer")
        fields = {
            "from": self._from(message),
            "to": self.recipient(message),
            "text": self.text(message, most),
            "media_urls": list(message.media),
            "messaging_profile_id": self.messaging_profile_id,
            "webhook_url": self.callback(attempt),
        }
        # Of what says nothing nothing is said, always in the same bytes: repeated ones must be the same.
        given = {name: value for name, value in fields.items() if value}
        key = {} if attempt.attempt_id is None else {"Idempotency_Key": attempt.attempt_id}
        return post_json(f"{self.api_url}/v2/messages", f"Bearer {newest(self.api_key)}", given, **key)

    def decode(self, response: Response) -> Submission:
        """Return what an answer means; what it says about our key alone says nothing about the message."""
        found = super().decode(response)
        about_key = response.status == _CONFLICT or "idempoten" in (found.detail or "").lower()
        if found.outcome is Outcome.REFUSED and about_key:
            return attrs.evolve(found, outcome=Outcome.UNKNOWN, refusal=None)
        return found

    def _from(self, message: Message) -> str | None:
        if message.sender is None and self.messaging_profile_id is not None:
            return None  # the profile's pool of numbers chooses
        sender = self.sender(message)
        if self.messaging_profile_id is None and not _NUMBER.fullmatch(sender):
            raise InvalidValue(
                f"sender is {shown(sender)}: telnyx sends from a name only with a messaging profile; give"
                " Telnyx(messaging_profile_id=...), or a number as sender"
            )
        return sender

    def _accepted(self, answer: Fields) -> Submission:
        message = answer.inner("data")
        cost = message.inner("cost")
        price, currency = cost.money("amount"), cost.currency("currency")
        return self._taken(
            message.need("id"),
            segments=message.count("parts"),
            price=price if currency else None,
            currency=currency if price is not None else None,
        )

    def _error(self, answer: Fields) -> tuple[str | None, str] | None:
        error = next(iter(answer.list("errors")), Fields({}))
        code = error.text("code")
        words = filter(None, (error.text("title"), error.text("detail")))
        return None if code is None else (code, ": ".join(words))

    def _verify(self, request: Request, now: datetime) -> None:
        stamp = request.headers.get("telnyx-timestamp", "")
        given = _base64(request.headers.get("telnyx-signature-ed25519", ""), _SIGNATURE)
        if given is None or not stamp.isascii():
            raise self.rejected("signature", "Telnyx-Signature-Ed25519 or Telnyx-Timestamp is missing, or is none")
        signed = stamp.encode() + b"|" + request.body
        if not any(_signed(_public_key(each), given, signed) for each in each_secret(self.public_key)):
            raise self.rejected("signature", "Telnyx-Signature-Ed25519 does not match time and body")
        if not is_fresh(stamp, now):
            raise self.rejected("timestamp", "Telnyx-Timestamp is more than 300 seconds from now")

    def _parse(self, request: Request, now: datetime) -> list[Event]:
        whole = Fields(read_json(request.body))
        event = whole.inner("data")
        kind, message = event.text("event_type") or "", event.inner("payload")
        if kind == "message.received":
            return [self._said(message, now)]
        if not kind.startswith("message.") or message.text("direction") == "inbound" or len(message.list("to")) > 1:
            return []  # about a call, a reply, or a message to a group, which `encode` does not make
        return [self._became(whole, event, message, now)]

    def _became(self, whole: Fields, event: Fields, message: Fields, now: datetime) -> Receipt:
        cost = message.inner("cost")
        return self._receipt(
            _first(message, "to").need("status"),
            message.need("id"),
            now,
            error_code=_first(message, "errors").text("code"),
            at=moment_of(event.text("occurred_at"), now),
            attempt_id=attempt_in(message.text("webhook_url")) or attempt_in(whole.inner("meta").text("delivered_to")),
            segments=message.count("parts"),
            price=cost.money("amount"),
            currency=cost.currency("currency"),
            unreadable=message.unreadable,
            raw=whole.raw,
        )

    def _said(self, message: Fields, now: datetime) -> Reply:
        media = (each.text("url") for each in message.list("media"))
        return self._reply(
            message.text("text") or "",
            now,
            at=moment_of(message.text("received_at"), now),
            reply_id=message.need("id"),
            to=message.inner("from").need("phone_number"),
            sender=_first(message, "to").text("phone_number"),
            account_id=message.text("organization_id"),
            media=tuple(filter(None, media)),
        )


def _first(fields: Fields, name: str) -> Fields:
    return next(iter(fields.list(name)), Fields({}))


def _base64(text: str, length: int) -> bytes | None:
    try:
        found = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    return found if len(found) == length else None


def _public_key(text: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - an extra

    key = _base64(text, _KEY)
    if key is None:
        raise InvalidValue(
            "public_key is not 32 bytes in base64: without it every webhook could be forged; copy it from the portal"
        )
    return Ed25519PublicKey.from_public_bytes(key)


def _signed(key: Any, given: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - an extra, and here since construction

    try:
        key.verify(given, message)
    except InvalidSignature:
        return False
    return True
