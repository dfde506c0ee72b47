"""Vonage, the older SMS API (the Messages API is `vonage`).

A message is handed over by

    POST /sms/json                                           Basic api_key:api_secret
    Content-Type: application/x-www-form-urlencoded

    to=447700900123&from=ACME&text=Hello&type=text&client-ref=our+attempt+id&callback=https%3A%2F%2Fapp...

and the answer is 200 whatever happened: each part of a long message has its own status in it, 0 for
taken, and only some may have been:

    200  {"message-count": "2", "messages": [
             {"status": "0", "message-id": "...", "to": "447700900123", "message-price": "0.0333", ...},
             {"status": "1", "error-text": "Throttled"}]}

What comes back comes as a query, a form or JSON, as the account has set it, with the same fields:

    GET https://app.example/hooks?messageId=...&status=failed&err-code=6&msisdn=447700900123&to=ACME
        &message-timestamp=2026-11-22+12%3A00%3A00&timestamp=1795348800&nonce=...&sig=...&client-ref=...
    {"messageId": "...", "msisdn": "447700900123", "to": "447700900001", "text": "STOP", "type": "text", ...}

    sig: hex of MD5(fields + secret), or of an HMAC with the secret over the fields, which are written
         as &name=value, sorted by name, with _ for each & and = in a value

One receipt comes for each part, under that part's own id; the host knows the parts by
``Submission.part_ids``. The signature covers every field and the time (``timestamp``), but not
whether a character was ``&``, ``=`` or ``_``, and not the address.
There is no idempotency key: what may have been taken is unknown, and stays so until its receipt.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from decimal import Decimal
from functools import reduce
from typing import ClassVar, Final, Literal, get_args
from urllib.parse import urlencode

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
    secret,
)
from campaignkit.backends.carriers.signing import any_same, as_bytes, is_fresh, signature
from campaignkit.backends.carriers.wire import (
    FORM,
    GSM_TEXT,
    Fields,
    e164,
    form_fields,
    moment_of,
    read_form,
    read_json,
)
from campaignkit.errors import InvalidValue, shown
from campaignkit.models import EXACT, Attempt, Message, Receipt, Reply, parse_currency

API_URL: Final = "https://rest.nexmo.com"
MOST_TEXT: Final = 3200  # of the Messages API; this one's description names no limit
MOST_REF: Final = 100
MOST_CALLBACK: Final = 100

Method = Literal["md5hash", "md5", "sha1", "sha256", "sha512"]
"""How the account signs: a plain MD5 hash, or an HMAC with one of four digests."""

_METHODS: Final = get_args(Method)
_TAKEN: Final = "0"
_WENT_WRONG: Final = "5"  # an error while the message was processed: it may have gone out
_REFUSED: Final = "dlr:rejected"
_SEPARATORS: Final = bytes.maketrans(b"&=", b"__")


def _currency(value: object) -> str | None:
    return None if value is None else parse_currency("currency", value)


@attrs.frozen(kw_only=True)
class VonageSms(Carrier):
    """Vonage's older SMS API, sending SMS and receiving.

    Attributes:
        api_key: names the account.
        api_secret: sends.
        signature_secret: signs webhooks; another one than ``api_secret``.
        signature_method: how the account signs, as set in its dashboard.
        currency: of the prices in answers, which are written without one; None leaves them out.

    >>> vonage = VonageSms(
    ...     api_key="abcd1234",
    ...     api_secret="secret",
    ...     signature_secret="another-secret",
    ...     signature_method="sha256",
    ... )
    >>> vonage.name, vonage.mms
    ('vonage', False)
    """

    name: ClassVar[str] = "vonage"
    methods: ClassVar[frozenset[str]] = frozenset({"GET", "POST"})
    content_types: ClassVar[frozenset[str]] = frozenset({FORM, "application/json"})

    api_key: str = account_name()
    api_secret: Secret = secret()
    signature_secret: Secret = secret()
    signature_method: Method = "md5hash"
    currency: str | None = attrs.field(default=None, converter=_currency)
    api_url: str = address(API_URL)

    def __attrs_post_init__(self) -> None:
        """Refuse a method that nobody knows, and an address that is too long for a request."""
        if self.signature_method not in _METHODS:
            raise InvalidValue(
                f"signature_method is {shown(self.signature_method)}: must be one of {', '.join(_METHODS)}; look"
                " it up in the account's settings"
            )
        if self.webhook_url is not None and len(self.webhook_url) > MOST_CALLBACK:
            raise InvalidValue(
                f"webhook_url is {shown(self.webhook_url)}: it has {len(self.webhook_url)} characters, and"
                f" vonage's SMS API takes {MOST_CALLBACK}; give a shorter one"
            )

    def encode(self, message: Message, attempt: Attempt) -> Request:
        """Return the request that hands a message over; the attempt's id travels in ``client-ref``."""
        text = self.text(message, MOST_TEXT)
        fields = {
            "to": self.recipient(message).removeprefix("+"),
            "from": self.sender(message).removeprefix("+"),
            "text": text,
            "type": "text" if GSM_TEXT.issuperset(text) else "unicode",
            "client-ref": attempt.attempt_id,
            "callback": self.webhook_url,
        }
        headers = {
            "Authorization": basic(self.api_key, newest(self.api_secret)),
            "Content-Type": FORM,
            "Accept": "application/json",
        }
        given = {name: value for name, value in fields.items() if value is not None}
        return Request("POST", f"{self.api_url}/sms/json", headers, urlencode(given).encode())

    def _accepted(self, answer: Fields) -> Submission:
        parts = answer.list("messages")
        if answer.count("message-count") != len(parts):
            raise InvalidValue("messages is not as long as message-count says")
        statuses = [_status(part) for part in parts]
        ids = tuple(
            part.need("message-id") if status == _TAKEN else None for part, status in zip(parts, statuses, strict=True)
        )
        if any(ids):
            return self._some_taken(parts, statuses, ids)
        refused = self._error(answer)
        if refused is None:
            wrong = statuses.index(_WENT_WRONG)
            return attrs.evolve(self._unknown(_words(parts[wrong])), error_code=f"send:{_WENT_WRONG}")
        return self._refused(*refused)

    def _some_taken(self, parts: list[Fields], statuses: list[str], ids: tuple[str | None, ...]) -> Submission:
        missing = [i for i, one in enumerate(ids) if one is None]
        refused = [i for i in missing if statuses[i] != _WENT_WRONG]
        worst = next(iter(refused or missing), None)
        price = self._price([part for part, one in zip(parts, ids, strict=True) if one])
        return self._taken(
            next(filter(None, ids)),
            part_ids=ids,
            error_code=None if worst is None else f"send:{statuses[worst]}",
            detail=None if worst is None else _words(parts[worst]),
            segments=len(ids) - len(missing),
            price=price,
            currency=None if price is None else self.currency,
            receipts=[
                Receipt(status=_REFUSED, carrier=self.name, part=i, error_code=f"send:{statuses[i]}") for i in refused
            ],
        )

    def _price(self, parts: list[Fields]) -> Decimal | None:
        """Return what the parts cost together, None unless each says so."""
        prices = [part.money("message-price") for part in parts]
        known = [price for price in prices if price is not None]
        if self.currency is None or len(known) < len(prices):
            return None
        return reduce(EXACT.add, known)

    def _error(self, answer: Fields) -> tuple[str | None, str] | None:
        """Return why the first part was refused, None unless each part certainly was."""
        parts = answer.list("messages")
        statuses = [_status(part) for part in parts]
        if not parts or not {_TAKEN, _WENT_WRONG}.isdisjoint(statuses):
            return None
        return f"send:{statuses[0]}", _words(parts[0])

    def _verify(self, request: Request, now: datetime) -> None:
        pairs = _signed(request)
        fields = dict(pairs)
        given = fields.pop(b"sig", None)
        if given is None:
            raise self.rejected("signature", "sig is missing")
        # A name with & or = in it could swallow other fields, and of two equal names only one would be believed.
        if len(fields) != len(pairs) - 1 or any(mark in name for name in fields for mark in b"&="):
            raise self.rejected("signature", "names of fields are not such as are signed")
        signed = b"".join(b"&%b=%b" % (name, fields[name].translate(_SEPARATORS)) for name in sorted(fields))
        expected = [sign(signed, each, self.signature_method) for each in each_secret(self.signature_secret)]
        if not any_same([given.lower()], expected):
            raise self.rejected("signature", "sig does not match the fields")
        if not is_fresh(fields.get(b"timestamp", b"").decode("latin-1"), now):
            raise self.rejected("timestamp", "timestamp is missing or more than 5 minutes away")

    def _parse(self, request: Request, now: datetime) -> list[Event]:
        fields = Fields(read_json(request.body)) if _is_json(request) else form_fields(_pairs(request))
        status = fields.text("status")
        if status is not None:
            return [self._reported(f"dlr:{status}", fields, now)]
        return [self._said(fields, now)] if "type" in fields or "text" in fields else []

    def _reported(self, status: str, fields: Fields, now: datetime) -> Receipt:
        code = fields.text("err-code")
        return self._receipt(
            status,
            fields.need("messageId"),
            now,
            error_code=None if code is None else f"dlr:{code}",
            at=moment_of(fields.get("timestamp"), now),
            attempt_id=fields.attempt_id("client-ref"),
            raw=fields.raw,
        )

    def _said(self, fields: Fields, now: datetime) -> Reply:
        return self._reply(
            fields.text("text") or "",
            now,
            at=moment_of(fields.get("timestamp"), now),
            reply_id=fields.need("messageId"),
            to=e164(fields.need("msisdn")),
            sender=e164(fields.text("to")),
            account_id=fields.text("api-key"),
        )


def sign(signed: bytes, secret_: str, method: Method) -> str:
    """Return a ``sig`` over the fields as they are written for it."""
    if method == "md5hash":
        return hashlib.md5(signed + secret_.encode()).hexdigest()  # noqa: S324 - it is Vonage's default
    return signature(secret_, signed, method).hex()


def _is_json(request: Request) -> bool:
    return request.method == "POST" and request.headers.get("content-type", "").lower().startswith("application/json")


def _pairs(request: Request) -> list[tuple[str, str]]:
    """Return the fields of a query or a form, each character one byte."""
    if request.method == "POST":
        return request.form
    return read_form(as_bytes(request.query))


def _signed(request: Request) -> list[tuple[bytes, bytes]]:
    """Return the fields as bytes; what is no text in JSON is signed by no rule that is known."""
    if not _is_json(request):
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in _pairs(request)]
    fields = read_json(request.body)
    if not all(isinstance(value, str) for value in fields.values()):
        raise InvalidValue("a field is no text")
    return [(name.encode(), value.encode()) for name, value in fields.items()]


def _status(part: Fields) -> str:
    status = part.need("status")
    if not (status.isascii() and status.isdecimal()):
        raise InvalidValue(f"status is {shown(status)}: must be a number")
    return status


def _words(part: Fields) -> str:
    return part.text("error-text") or "no words"
