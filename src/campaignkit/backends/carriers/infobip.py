"""Infobip, SMS over HTTP, version 3.

A message is handed over to the account's own address by

    POST /sms/3/messages                                    App api key
    {"messages": [{"sender": "12025550100", "destinations": [{"to": "12025550143",
     "messageId": our attempt id}], "content": {"text": "Hello"},
     "webhooks": {"callbackData": our attempt id}}]}

    200  {"messages": [{"messageId": "...", "status": {"groupId": 1, "id": 26,
          "name": "PENDING_ACCEPTED"}, "details": {"messageCount": 1}}]}
    200  ... "status": {"groupId": 5, "id": 12, "name": "REJECTED_NOT_ENOUGH_CREDITS"}    refused
    200  ... "status": {"groupId": 5, "id": 23, "name": "REJECTED_DUPLICATE_MESSAGE_ID"}  taken before
    4xx  {"requestError": {"serviceException": {"messageId": "BAD_REQUEST", "text": "..."}}}
    4xx  {"errorCode": "E400", "description": "...", ...}
    429                                                     never processed, so safe to repeat

and comes back as JSON, up to a hundred and more at once:

    POST https://app.example/hooks
    {"results": [{"messageId": "...", "status": {"groupId": 2, "id": 9, "name": "UNDELIVERABLE_..."},
     "error": {"id": 1, ...}, "messageCount": 1, "price": {"pricePerMessage": 0.01,
     "currency": "EUR"}, "doneAt": "2026-11-22T12:00:00.000+0000", "callbackData": our attempt id}]}
    {"results": [{"messageId": "...", "from": "12025550143", "to": "12025550100", "text": "STOP"}]}

Status words are written here as group, id and name together: "2/9 UNDELIVERABLE_NOT_DELIVERED".

Who makes such a request is told by a login or a token in ``Authorization``, as set up with the
subscription of the account. THEY COVER NOTHING THAT THE REQUEST SAYS: who has seen one request
can make any other. Infobip also offers a signature, but publishes neither its header nor its
form, so it cannot be checked here; and it calls an address named with a message without any
login, so none is named: receipts go where the subscription says.
The attempt id is the message's id, and an id is taken once: sending again what may have been
taken is safe. So a duplicate was taken before; if it was rejected before, its report says that.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final

import attrs

from campaignkit.backends.carriers.port import (
    Carrier,
    Event,
    Request,
    Secret,
    Submission,
    address,
    basic,
    each_secret,
    newest,
    post_json,
    secret,
)
from campaignkit.backends.carriers.signing import any_same
from campaignkit.backends.carriers.wire import Fields, e164, moment_of, read_json
from campaignkit.errors import InvalidValue
from campaignkit.models import Attempt, Message, Receipt, Reply
from campaignkit.verdicts import code_table

MOST_TEXT: Final = 4000
LATER: Final = 3600.0
"""Seconds until a message rejected for now is offered again: Infobip's filters count by the hour. Not at once,
because its id is used up, and what comes with the same id is a duplicate, which would be read as taken."""

_REJECTED: Final = "5"
_DUPLICATE: Final = "23"
_NO_ERROR: Final = "0"
_QUALIFIERS: Final = ("", "mms:", "dlt:")


@attrs.frozen(kw_only=True)
class Infobip(Carrier):
    """Infobip, sending and receiving.

    Its webhooks are checked with ``webhook_username`` and ``webhook_password``, or with
    ``webhook_token``: give one of the two, as your subscription is set up. ``webhook_url`` is
    not sent with messages; set it up with the subscription.

    Attributes:
        api_url: the account's own, shown on Infobip's home page: ``https://....api.infobip.com``.
        api_key: to send with.
        webhook_username: of Basic authentication.
        webhook_password: of Basic authentication.
        webhook_token: which comes as ``Authorization: Bearer ...``.

    >>> Infobip(api_url="https://0.api.infobip.com", api_key="secret", webhook_token="secret")
    Infobip(..., api_key='***', webhook_username=None, webhook_password=None, webhook_token='***', api_url=...)
    """

    name: ClassVar[str] = "infobip"
    idempotent: ClassVar[bool] = True
    max_body: ClassVar[int] = 262_144

    api_key: Secret = secret()
    webhook_username: str | None = None
    webhook_password: Secret | None = secret(required=False)
    webhook_token: Secret | None = secret(required=False)
    api_url: str = address()

    def __attrs_post_init__(self) -> None:
        """Insist on an address, and on exactly one way to tell who makes a request."""
        if self.api_url is None:
            raise InvalidValue(
                "api_url is None: each account has its own; copy it from Infobip's home page, with https:// before it"
            )
        logs_in = self.webhook_password is not None
        if (self.webhook_username is None) is logs_in or logs_in is (self.webhook_token is not None):
            raise InvalidValue(
                "webhook_username and webhook_password, or webhook_token, must be given, and not both: without it"
                " every webhook could be forged; give what the subscription at Infobip is set up with"
            )

    def encode(self, message: Message, attempt: Attempt) -> Request:
        """Return the request that hands a message over; the attempt's id is the message's id, and sent along."""
        destination = {"to": self.recipient(message).removeprefix("+")}
        sent: dict[str, object] = {
            "sender": self.sender(message).removeprefix("+"),
            "destinations": [destination],
            "content": {"text": self.text(message, MOST_TEXT)},
        }
        if attempt.attempt_id:
            destination["messageId"] = attempt.attempt_id
            sent["webhooks"] = {"callbackData": attempt.attempt_id}
        url = f"{self.api_url.rstrip('/')}/sms/3/messages"
        return post_json(url, f"App {newest(self.api_key)}", {"messages": [sent]})

    def _accepted(self, answer: Fields) -> Submission:
        found = (*answer.list("messages"), Fields({}))[0]
        status = found.inner("status")
        if status.need("groupId") == _REJECTED and status.text("id") != _DUPLICATE:
            refused = self._refused(f"@{_word(status)}", status.text("description") or "")
            return attrs.evolve(refused, retry_after=LATER if refused.retryable else None)
        return self._taken(found.need("messageId"), segments=found.inner("details").count("messageCount"))

    def _error(self, answer: Fields) -> tuple[str | None, str] | None:
        older = answer.inner("requestError").inner("serviceException")
        code = older.text("messageId") or answer.text("errorCode")
        return None if code is None else (code, older.text("text") or answer.text("description") or "")

    def _verify(self, request: Request, now: datetime) -> None:  # noqa: ARG002 - nothing is signed
        if self.webhook_token is None:
            expected = [basic(self.webhook_username or "", each) for each in each_secret(self.webhook_password or ())]
        else:
            expected = [f"Bearer {each}" for each in each_secret(self.webhook_token)]
        if not any_same([request.headers.get("authorization", "")], expected):
            raise self.rejected("signature", "Authorization is not the login or the token of the webhook")

    def _parse(self, request: Request, now: datetime) -> list[Event]:
        events: list[Event] = []
        for each in Fields(read_json(request.body)).list("results"):
            if "status" in each:
                events.append(self._reported(each, now))
            elif "from" in each and ("text" in each or each.list("message")):
                events.append(self._said(each, now))
        return events  # none of a click: it is not about delivery

    def _reported(self, fields: Fields, now: datetime) -> Receipt:
        count, price = fields.count("messageCount", "smsCount"), fields.inner("price")
        return self._receipt(
            _word(fields.inner("status")),
            fields.need("messageId"),
            now,
            error_code=_code(fields.inner("error").text("id")),
            attempt_id=fields.attempt_id("callbackData"),
            segments=count,
            price=price.money("pricePerMessage") if count == 1 else None,  # whether it is of one part is not said
            currency=price.currency("currency"),
            unreadable=fields.unreadable,
            at=moment_of(fields.get("doneAt"), now),
            raw=fields.raw,
        )

    def _said(self, fields: Fields, now: datetime) -> Reply:
        pieces = fields.list("message")  # of an MMS
        written = (each.text("value") for each in pieces)
        return self._reply(
            fields.text("text") or "\n".join(filter(None, written)),
            now,
            at=moment_of(fields.get("receivedAt"), now),
            reply_id=fields.need("messageId"),
            to=e164(fields.need("from")),
            sender=e164(fields.text("to")),
            media=tuple(filter(None, (each.text("url") for each in pieces))),
        )


def _word(status: Fields) -> str:
    """Return a status as our tables have it."""
    group, number, name = status.text("groupId"), status.text("id"), status.need("name", "groupName")
    return f"{group}/{number} {name}" if group and number else name


def _code(number: str | None) -> str | None:
    """Return a code as our tables have it: those of MMS and of India's registry are marked."""
    if number is None or number == _NO_ERROR:
        return None
    known = code_table("infobip").rows
    return next((code for code in (mark + number for mark in _QUALIFIERS) if code in known), number)
