"""Plivo, Messaging.

A message is handed over by

    POST /v1/Account/MA.../Message/                         Basic MA...:auth token
    {"src": "12025550100", "dst": "12025550143", "type": "sms", "text": "Hello",
     "url": "https://app.example/hooks?attempt=...", "method": "POST"}

    202  {"message": "message(s) queued", "message_uuid": ["b7a1..."], "api_id": "..."}
    400  {"api_id": "...", "error": "..."}                  in words, without a code
    429                                                     never processed, so safe to repeat

and comes back as forms, or as queries where an account's own settings ask for GET:

    POST https://app.example/hooks?attempt=...
    X-Plivo-Signature-V2: base64(HMAC-SHA256(auth token, address without its query + nonce))
    X-Plivo-Signature-V3: the same of address + query + fields + nonce, each sorted by name

    MessageUUID=b7a1...&Status=undelivered&ErrorCode=80&Units=1&TotalAmount=0.0050&To=...&From=...
    MessageUUID=c2d9...&From=12025550143&To=12025550100&Text=STOP&Type=sms&MessageIntent=optout

VERSION 2 COVERS NEITHER THE QUERY NOR THE BODY: who has seen one request can sign any receipt
or reply with it, for ever. It is all that Plivo documents for messages, so it is believed,
unless the request carries version 3, or the host insists on that with ``signature="v3"``.
Neither version covers a time. The attempt id travels in the query, so only version 3 covers it.
There is no idempotency key: what may have been taken is unknown, and stays so until its receipt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, Final, Literal

import attrs

from campaignkit.backends.carriers.port import (
    MAX_SECRETS,
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
from campaignkit.backends.carriers.signing import any_same, base64_signature
from campaignkit.backends.carriers.wire import FORM, Fields, e164, form_text, read_form
from campaignkit.errors import InvalidValue, shown
from campaignkit.models import Attempt, Keyword, Message, Reply

API_URL: Final = "https://api.plivo.com"
MOST_TEXT: Final = 1600
MOST_UNICODE: Final = 737
MOST_MEDIA: Final = 10
MOST_DIGITS: Final = 14

_KEYWORDS: Final = {"optout": Keyword.OPT_OUT, "optin": Keyword.OPT_IN, "help": Keyword.HELP}
_SAID: Final = frozenset({"text", "body", "mediacount"})
_INBOUND: Final = "received"
_NO_ERROR: Final = "000"
_POWERPACK: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SENDER: Final = re.compile(r"\+?[0-9]{3,14}|[A-Za-z0-9]{1,11}")
_PART: Final = re.compile(r"([1-9][0-9]{0,2}) of [0-9]{1,3}")


@attrs.frozen(kw_only=True)
class Plivo(Carrier):
    """Plivo, sending and receiving.

    A message's ``sender`` may be a number, a name of up to 11 letters and digits, or the UUID
    of a Powerpack.

    Attributes:
        auth_id: ``MA...``, or ``SA...`` of a subaccount.
        auth_token: signs webhooks, and sends. A subaccount may add its main account's token
            behind its own: either is believed.
        signature: ``"any"`` checks version 3 where a request carries it, else version 2, which
            does not cover what the request says; ``"v3"`` rejects requests without version 3.

    >>> plivo = Plivo(auth_id="MA0", auth_token="secret", webhook_url="https://app.example/hooks")
    >>> plivo
    Plivo(webhook_url='https://app.example/hooks', ..., auth_id='MA0', auth_token='***', signature='any', ...)
    """

    name: ClassVar[str] = "plivo"
    mms: ClassVar[bool] = True
    methods: ClassVar[frozenset[str]] = frozenset({"POST", "GET"})
    content_types: ClassVar[frozenset[str]] = frozenset({FORM})

    auth_id: str = account_name()
    auth_token: Secret = secret()
    signature: Literal["any", "v3"] = attrs.field(default="any", validator=attrs.validators.in_(("any", "v3")))
    api_url: str = address(API_URL)

    def encode(self, message: Message, attempt: Attempt) -> Request:
        """Return the request that hands a message over; the attempt's id travels in ``url``."""
        sent: dict[str, object] = {
            "powerpack_uuid" if _is_powerpack(message) else "src": _sender(self.sender(message)),
            "dst": _digits(self.recipient(message)),
            "type": "mms" if message.media else "sms",
        }
        text = _short(self.text(message, MOST_TEXT), message)
        if text:
            sent["text"] = text
        if len(message.media) > MOST_MEDIA:
            raise InvalidValue(f"media is {len(message.media)} files: plivo takes {MOST_MEDIA}; send fewer")
        if message.media:
            sent["media_urls"] = message.media
        callback = self.callback(attempt)
        if callback:
            sent |= {"url": callback, "method": "POST"}
        url = f"{self.api_url}/v1/Account/{self.auth_id}/Message/"
        return post_json(url, basic(self.auth_id, newest(self.auth_token)), sent)

    def _accepted(self, answer: Fields) -> Submission:
        ids = answer.get("message_uuid")
        if isinstance(ids, list) and ids:
            return self._taken(Fields({"message_uuid": ids[0]}).need("message_uuid"))
        if answer.get("invalid_number"):
            return self._refused("invalid_number", answer.text("message") or "")
        return self._taken(answer.need("message_uuid"))

    def _error(self, answer: Fields) -> tuple[str | None, str] | None:
        # Plivo says in words what is wrong, and gives no code; proxies write "error" too, but no api_id.
        return (None, answer.text("error") or "") if "error" in answer and answer.text("api_id") else None

    def _verify(self, request: Request, now: datetime) -> None:  # noqa: ARG002 - Plivo signs no time
        given, nonce = _given(request, "v3")
        version = "V3"
        if not given and self.signature == "any":
            given, nonce = _given(request, "v2")
            version = "V2"
        if not given:
            raise self.rejected("signature", f"X-Plivo-Signature-{version} is missing")
        if len(given) > MAX_SECRETS:
            raise self.rejected("signature", f"X-Plivo-Signature-{version} has at most {MAX_SECRETS} signatures")
        if not nonce:
            raise self.rejected("signature", f"X-Plivo-Signature-{version}-Nonce is missing")
        where, _, query = self.called_url(request).partition("?")
        what = where + nonce
        if version == "V3":
            what = f"{where}{_signed(request, query)}.{nonce}"
        # What was read byte by byte is signed byte by byte; an address or a nonce is ASCII, or matches nothing.
        message = what.encode("latin-1")
        expected = [base64_signature(token, message, "sha256") for token in each_secret(self.auth_token)]
        if not any_same(given, expected):
            raise self.rejected("signature", f"X-Plivo-Signature-{version} does not match")

    def _parse(self, request: Request, now: datetime) -> list[Event]:
        pairs = request.form if request.method == "POST" else read_form(request.url.partition("?")[2])
        raw = {form_text(name): form_text(value) for name, value in pairs}
        fields = Fields({name.lower(): value for name, value in raw.items()})  # Status at one account, status at others
        status = fields.text("status")
        if status is None and not _SAID.isdisjoint(fields):
            return [self._said(fields, now)]
        if status is None or status.lower() == _INBOUND:
            return []  # about a reply, or a call
        code = fields.text("errorcode")
        receipt = self._receipt(
            status,
            fields.need("parentmessageuuid", "messageuuid"),
            now,
            error_code=None if code == _NO_ERROR else code,
            attempt_id=self.attempt_of(request),
            part=_part(fields),
            segments=fields.count("units"),
            price=fields.money("totalamount"),
            currency="USD",  # Plivo bills in no other
            unreadable=fields.unreadable,
            raw=raw,
        )
        return [receipt]

    def _said(self, fields: Fields, now: datetime) -> Reply:
        return self._reply(
            fields.text("text", "body") or "",
            now,
            reply_id=fields.need("messageuuid"),
            to=e164(fields.need("from")),
            sender=e164(fields.text("to")),
            media=tuple(filter(None, (fields.text(f"media{i}") for i in range(MOST_MEDIA + 1)))),
            keyword=_KEYWORDS.get(fields.text("messageintent") or ""),
        )


# --- what is sent --------------------------------------------------------------------------------


def _is_powerpack(message: Message) -> bool:
    return bool(_POWERPACK.fullmatch(message.sender or ""))


def _sender(sender: str) -> str:
    if _POWERPACK.fullmatch(sender):
        return sender
    if _SENDER.fullmatch(sender):
        return sender.removeprefix("+")
    raise InvalidValue(
        f"sender is {shown(sender)}: plivo takes a number of up to {MOST_DIGITS} digits, a name of up to 11 letters"
        " and digits, or the UUID of a Powerpack; give one of these"
    )


def _digits(number: str) -> str:
    digits = number.removeprefix("+")
    if len(digits) > MOST_DIGITS:
        raise InvalidValue(f"to is {shown(number)}: plivo takes numbers of up to {MOST_DIGITS} digits; correct it")
    return digits


def _short(text: str, message: Message) -> str:
    # Beyond the last Greek capital nothing but the euro sign fits into a plain text message.
    wide = any(each > "Ω" and each != "€" for each in text)
    if wide and not message.media and len(text) > MOST_UNICODE:
        raise InvalidValue(
            f"text has {len(text):,} characters, some of them outside the plain alphabet of text messages: plivo takes"
            f" {MOST_UNICODE} of such; shorten it"
        )
    return text


# --- what is signed ------------------------------------------------------------------------------


def _given(request: Request, version: str) -> tuple[list[str], str]:
    """Return the signatures of a request, of the account and of its main account, and what they add."""
    headers = (request.headers.get(f"x-plivo-signature-{of}{version}", "") for of in ("", "ma-"))
    given = [each.strip() for header in headers for each in header.split(",")]
    return [each for each in given if each], request.headers.get(f"x-plivo-signature-{version}-nonce", "")


def _signed(request: Request, query: str) -> str:
    """Return what version 3 signs behind the address."""
    asked = "&".join(f"{name}={value}" for name, value in sorted(read_form(query)))
    said = _joined(request.form) if request.method == "POST" else ""
    if not asked and not said:
        return ""
    return f"?{asked}{'.' if asked and said else ''}{said}"


def _joined(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(name + value for name, value in sorted(pairs))


def _part(fields: Fields) -> int:
    # Only old accounts split a message: then each part has an id, and the first part's is the parent's.
    found = _PART.fullmatch(fields.text("partinfo") or "")
    return int(found[1]) - 1 if found and fields.text("parentmessageuuid") else 0
