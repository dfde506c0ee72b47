"""Twilio, Programmable Messaging.

A message is handed over by

    POST /2010-04-01/Accounts/AC.../Messages.json           Basic AC...:auth token
    Content-Type: application/x-www-form-urlencoded

    To=%2B12025550143&From=%2B12025550100&Body=Hello&StatusCallback=https%3A%2F%2Fapp.example...

    201  {"sid": "SM...", "status": "queued", "num_segments": "1", "price": null, "price_unit": "USD"}
    400  {"code": 21211, "message": "...", "status": 400}
    429  {"code": 20429, ...}                                never processed, so safe to repeat

and comes back as forms, receipts and replies alike:

    POST https://app.example/hooks/twilio?attempt=...
    X-Twilio-Signature: base64(HMAC-SHA1(auth token, address + each name and value, sorted by name))

    MessageSid=SM...&MessageStatus=undelivered&ErrorCode=30005&To=...&From=...&RawDlrDoneDate=2611221206
    MessageSid=SM...&From=%2B12025550143&To=...&Body=STOP&NumMedia=0&OptOutType=STOP

The signature covers the address and every field, and no time: an old request can be played
again, so a receipt counts once, and replies keep their id. A body of JSON is covered by
its hash in the address (``bodySHA256``), and its form is then empty.
There is no idempotency key: what may have been taken is unknown, and stays so until its receipt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import ClassVar, Final
from urllib.parse import parse_qs, urlencode, urlsplit

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
from campaignkit.backends.carriers.signing import base64_signature, same, sha256_hex
from campaignkit.backends.carriers.wire import FORM, Fields, form_fields, read_json
from campaignkit.errors import InvalidValue
from campaignkit.models import Attempt, Keyword, Message, Reply

API_URL: Final = "https://api.twilio.com"
MOST_TEXT: Final = 1600
MOST_MEDIA: Final = 10

_KEYWORDS: Final = {"STOP": Keyword.OPT_OUT, "START": Keyword.OPT_IN, "HELP": Keyword.HELP}
_INBOUND: Final = frozenset({"receiving", "received"})
_PORTS: Final = {"https": ":443", "http": ":80"}
_SERVICE: Final = re.compile(r"MG[0-9a-zA-Z]{32}")


@attrs.frozen(kw_only=True)
class Twilio(Carrier):
    """Twilio, sending and receiving.

    A message's ``sender`` may be a number, a name, or a Messaging Service (``MG...``).

    Attributes:
        account_sid: ``AC...``.
        auth_token: signs webhooks, and sends unless an API key is given.
        api_key: ``(SK..., its secret)``, to send with instead.

    >>> twilio = Twilio(account_sid="AC0", auth_token="secret", webhook_url="https://app.example/hooks")
    >>> twilio.encode(Message(status="queued", to="+12025550143", sender="ACME", text="Hello"), Attempt())
    <Request POST https://api.twilio.com/2010-04-01/Accounts/AC0/Messages.json, 3 headers, 87 bytes>
    """

    name: ClassVar[str] = "twilio"
    mms: ClassVar[bool] = True
    content_types: ClassVar[frozenset[str]] = frozenset({FORM, "application/json"})

    account_sid: str = account_name()
    auth_token: Secret = secret()
    api_key: tuple[str, str] | None = attrs.field(default=None, repr=False)
    api_url: str = address(API_URL)

    def encode(self, message: Message, attempt: Attempt) -> Request:
        """Return the request that hands a message over; the attempt's id travels in ``StatusCallback``."""
        form = [("To", self.recipient(message))]
        sender = self.sender(message)
        form.append(("MessagingServiceSid" if _SERVICE.fullmatch(sender) else "From", sender))
        text = self.text(message, MOST_TEXT)
        if text:
            form.append(("Body", text))
        if len(message.media) > MOST_MEDIA:
            raise InvalidValue(f"media is {len(message.media)} files: twilio takes {MOST_MEDIA}; send fewer")
        form += [("MediaUrl", url) for url in message.media]
        callback = self.callback(attempt)
        if callback:
            form.append(("StatusCallback", callback))
        user, password = self.api_key or (self.account_sid, newest(self.auth_token))
        headers = {"Authorization": basic(user, password), "Content-Type": FORM, "Accept": "application/json"}
        url = f"{self.api_url}/2010-04-01/Accounts/{self.account_sid}/Messages.json"
        return Request("POST", url, headers, urlencode(form).encode())

    def _accepted(self, answer: Fields) -> Submission:
        # "0" segments is Twilio's word for not counted yet; price is null until it is billed.
        return self._taken(answer.need("sid"), segments=answer.count("num_segments"))

    def _error(self, answer: Fields) -> tuple[str | None, str] | None:
        code = answer.text("code")
        return None if code is None else (code, answer.text("message") or "")

    def _verify(self, request: Request, now: datetime) -> None:  # noqa: ARG002 - Twilio signs no time
        given = request.headers.get("x-twilio-signature")
        if given is None:
            raise self.rejected("signature", "X-Twilio-Signature is missing")
        url = self.called_url(request)
        signed = b""
        if _is_form(request):
            fields = sorted(request.form)
            if len(dict(fields)) < len(fields):
                fields = sorted(set(fields))  # of a name and value given twice, Twilio signs one
            signed = "".join(chain.from_iterable(fields)).encode("latin-1")
        elif not same(_body_hash(url), sha256_hex(request.body)):
            raise self.rejected("signature", "bodySHA256 is not the hash of the body")
        for token in each_secret(self.auth_token):
            for each in _with_and_without_port(url):
                if same(given, base64_signature(token, each.encode() + signed, "sha1")):
                    return
        raise self.rejected("signature", "X-Twilio-Signature does not match address and fields")

    def _parse(self, request: Request, now: datetime) -> list[Event]:
        fields = form_fields(request.form) if _is_form(request) else Fields(read_json(request.body))
        status = fields.text("MessageStatus")
        if status is None and "Body" in fields:
            return [self._said(fields, now)]
        if status is None or status.lower() in _INBOUND:
            return []  # about a reply, or something other than messages
        receipt = self._receipt(
            status,
            fields.need("MessageSid", "SmsSid"),
            now,
            error_code=fields.text("ErrorCode"),
            attempt_id=self.attempt_of(request),
            raw=fields.raw,
        )
        return [receipt]

    def _said(self, fields: Fields, now: datetime) -> Reply:
        media = (fields.text(f"MediaUrl{i}") for i in range(fields.count("NumMedia") or 0))
        return self._reply(
            fields.text("Body") or "",
            now,
            reply_id=fields.need("MessageSid", "SmsSid"),
            to=fields.need("From"),
            sender=fields.text("To"),
            account_id=fields.text("AccountSid"),
            media=tuple(filter(None, media)),
            keyword=_KEYWORDS.get(fields.text("OptOutType") or ""),
        )


def _is_form(request: Request) -> bool:
    return request.headers.get("content-type", FORM).lower().startswith(FORM)


def _body_hash(url: str) -> str:
    return parse_qs(urlsplit(url).query).get("bodySHA256", [""])[0]


def _with_and_without_port(url: str) -> Iterator[str]:
    """Yield an address as it is, and with its scheme's usual port written or left out: Twilio signs either."""
    yield url
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    usual = _PORTS.get(scheme, "")
    bare = host.removesuffix(usual)
    if bare != host or ":" not in host:  # else it has a port of its own
        yield f"{scheme}://{bare}{usual if bare == host else ''}{slash}{path}"
