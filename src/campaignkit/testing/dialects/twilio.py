"""Twilio from its own side."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from random import Random
from typing import ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from campaignkit.backends.carriers.port import Request, Response, attempt_in, basic, newest
from campaignkit.backends.carriers.signing import base64_signature, same
from campaignkit.backends.carriers.twilio import API_URL, MOST_TEXT, Twilio
from campaignkit.backends.carriers.wire import FORM
from campaignkit.errors import InvalidValue
from campaignkit.models import Status
from campaignkit.testing.dialects.base import Dialect, Submitted, Why, json_response

_REFUSED: Mapping[Why, tuple[int, int, str]] = {
    Why.BUSY: (429, 20429, "Too Many Requests"),
    Why.INVALID_NUMBER: (400, 21211, "The 'To' number is not a valid phone number"),
    Why.OPTED_OUT: (400, 21610, "Attempt to send to unsubscribed recipient"),
    Why.ACCOUNT: (401, 20003, "Authenticate"),
    Why.REQUEST: (400, 21603, "A 'From' phone number is required"),
}


class TwilioDialect(Dialect):
    """Twilio, answering."""

    carrier: Twilio

    words: ClassVar[Mapping[Status, str]] = {
        Status.QUEUED: "sending",
        Status.SENT: "sent",
        Status.DELIVERED: "delivered",
        Status.READ: "read",
    }
    failures: ClassVar[Mapping[tuple[str, str | None], int]] = {
        ("undelivered", "30006"): 60,
        ("undelivered", "30005"): 12,
        ("undelivered", "30003"): 12,
        ("undelivered", "30007"): 6,
        ("undelivered", "30008"): 6,
        ("undelivered", None): 3,
        ("failed", "30001"): 1,
    }

    @classmethod
    def made_up(cls, *, api_url: str | None = None, webhook_url: str | None = None) -> Twilio:
        """Return an account that does not exist."""
        account_sid = f"AC{'0' * 32}"
        return Twilio(
            account_sid=account_sid,
            auth_token="not-a-secret",
            webhook_url=webhook_url,
            api_url=api_url or API_URL,
        )

    def read(self, request: Request) -> Submitted:
        """Return what a request asks for."""
        path = f"/2010-04-01/Accounts/{self.carrier.account_sid}/Messages.json"
        if (request.method, urlsplit(request.url).path) != ("POST", path):
            raise InvalidValue(f"a message is created by POST {path}")
        user, password = self.carrier.api_key or (self.carrier.account_sid, newest(self.carrier.auth_token))
        if not same(request.headers.get("authorization", ""), basic(user, password)):
            raise PermissionError
        if request.headers.get("content-type") != FORM:
            raise InvalidValue("the content is a form")
        pairs = parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=True)
        form = dict(pairs)
        media = tuple(value for name, value in pairs if name == "MediaUrl")
        text = form.get("Body", "")
        if not form.get("To") or not (form.get("From") or form.get("MessagingServiceSid")) or not (text or media):
            raise InvalidValue("To, From and Body or MediaUrl are required")
        if len(text) > MOST_TEXT:
            raise InvalidValue("Body is too long")
        callback = form.get("StatusCallback")
        return Submitted(
            to=form["To"],
            sender=form.get("From") or form.get("MessagingServiceSid"),
            text=text,
            media=media,
            attempt_id=attempt_in(callback),
            callback=callback,
        )

    def new_id(self, random: Random) -> str:
        """Return ``SM`` and 32 hex digits."""
        return f"SM{random.getrandbits(128):032x}"

    def taken(self, submitted: Submitted, carrier_id: str, now: datetime) -> Response:
        """Return the message as it was created."""
        created = {
            "sid": carrier_id,
            "account_sid": self.carrier.account_sid,
            "to": submitted.to,
            "from": submitted.sender,
            "body": submitted.text,
            "status": "queued",
            "date_created": now.strftime("%a, %d %b %Y %H:%M:%S +0000"),
            "num_segments": str(submitted.parts),
            "num_media": str(len(submitted.media)),
            "price": None,
            "price_unit": "USD",
            "error_code": None,
        }
        return json_response(201, created)

    def refused(self, why: Why) -> Response:
        """Return an error of the API."""
        status, code, message = _REFUSED[why]
        return json_response(status, {"code": code, "message": message, "status": status})

    def receipt(self, submitted: Submitted, carrier_id: str, word: str, code: str | None, now: datetime) -> Request:
        """Return a status callback."""
        form = {
            "AccountSid": self.carrier.account_sid,
            "MessageSid": carrier_id,
            "SmsSid": carrier_id,
            "MessageStatus": word,
            "SmsStatus": word,
            "From": submitted.sender or "",
            "To": submitted.to,
            "ApiVersion": "2010-04-01",
            "RawDlrDoneDate": now.strftime("%y%m%d%H%M"),
        }
        if code is not None:
            form["ErrorCode"] = code
        return self._signed(submitted.callback, form)

    def reply(self, to: str, sender: str, text: str, reply_id: str, now: datetime) -> Request:  # noqa: ARG002 - no time
        """Return what a person wrote."""
        form = {
            "AccountSid": self.carrier.account_sid,
            "MessageSid": reply_id,
            "SmsStatus": "received",
            "From": to,
            "To": sender,
            "Body": text,
            "NumMedia": "0",
            "NumSegments": "1",
        }
        return self._signed(None, form)

    def _signed(self, callback: str | None, form: dict[str, str]) -> Request:
        url = callback or self.carrier.webhook_url or "https://app.example/hooks"
        message = url + "".join(name + form[name] for name in sorted(form))
        signature = base64_signature(newest(self.carrier.auth_token), message.encode(), "sha1")
        return Request("POST", url, {"Content-Type": FORM, "X-Twilio-Signature": signature}, urlencode(form).encode())
