"""Infobip from its own side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from random import Random
from typing import ClassVar
from urllib.parse import urlsplit

from campaignkit.backends.carriers.infobip import MOST_TEXT, Infobip
from campaignkit.backends.carriers.port import Request, Response, basic, newest
from campaignkit.backends.carriers.signing import same
from campaignkit.backends.carriers.wire import JSON, Fields, e164, read_json
from campaignkit.errors import InvalidValue
from campaignkit.models import Status
from campaignkit.testing.dialects.base import Dialect, Submitted, Why, json_response

_REFUSED: Mapping[Why, tuple[int, str]] = {
    Why.BUSY: (429, "TOO_MANY_REQUESTS"),
    Why.INVALID_NUMBER: (200, "5/52 REJECTED_DESTINATION"),
    Why.OPTED_OUT: (200, "5/10 REJECTED_DND"),
    Why.ACCOUNT: (401, "UNAUTHORIZED"),
    Why.REQUEST: (400, "BAD_REQUEST"),
}
_GROUPS: Mapping[str, str] = {"1": "PENDING", "2": "UNDELIVERABLE", "3": "DELIVERED", "4": "EXPIRED", "5": "REJECTED"}


class InfobipDialect(Dialect):
    """Infobip, answering: with ids of its own, where Infobip would use the one that a message brings."""

    carrier: Infobip

    words: ClassVar[Mapping[Status, str]] = {
        Status.QUEUED: "1/26 PENDING_ACCEPTED",
        Status.SENT: "3/2 DELIVERED_TO_OPERATOR",
        Status.DELIVERED: "3/5 DELIVERED_TO_HANDSET",
    }
    failures: ClassVar[Mapping[tuple[str, str | None], int]] = {
        ("2/9 UNDELIVERABLE_NOT_DELIVERED", "11"): 55,
        ("2/9 UNDELIVERABLE_NOT_DELIVERED", None): 15,
        ("2/9 UNDELIVERABLE_NOT_DELIVERED", "1"): 10,
        ("2/4 UNDELIVERABLE_REJECTED_OPERATOR", "27"): 8,
        ("4/15 EXPIRED_EXPIRED", None): 6,
        ("5/8 REJECTED_PREFIX_MISSING", None): 3,
        ("2/9 UNDELIVERABLE_NOT_DELIVERED", "607"): 2,
        ("2/9 UNDELIVERABLE_NOT_DELIVERED", "603"): 1,
    }
    takes_our_id: ClassVar[bool] = True

    @classmethod
    def made_up(cls, *, api_url: str | None = None, webhook_url: str | None = None) -> Infobip:
        """Return an account that does not exist, whose webhooks have a login."""
        return Infobip(
            api_key="not-a-key",
            webhook_username="infobip",
            webhook_password="not-a-password",
            webhook_url=webhook_url,
            api_url=api_url or "https://00000.api.infobip.com",
        )

    def read(self, request: Request) -> Submitted:
        """Return what a request asks for."""
        if (request.method, urlsplit(request.url).path) != ("POST", "/sms/3/messages"):
            raise InvalidValue("messages are created by POST /sms/3/messages")
        if not same(request.headers.get("authorization", ""), f"App {newest(self.carrier.api_key)}"):
            raise PermissionError
        if request.headers.get("content-type") != JSON:
            raise InvalidValue("the content is JSON")
        messages = Fields(read_json(request.body)).list("messages")
        destinations = messages[0].list("destinations") if len(messages) == 1 else []
        if len(destinations) != 1:
            raise InvalidValue("messages is a list, here of one message to one number")
        text = messages[0].inner("content").need("text")
        if len(text) > MOST_TEXT:
            raise InvalidValue("text is too long")
        return Submitted(
            to=e164(destinations[0].need("to")) or "",
            sender=e164(messages[0].need("sender")),
            text=text,
            attempt_id=destinations[0].text("messageId"),
            callback=messages[0].inner("webhooks").inner("delivery").text("url"),
        )

    def new_id(self, random: Random) -> str:
        """Return 22 digits."""
        return "".join(random.choice("0123456789") for _ in range(22))

    def taken(self, submitted: Submitted, carrier_id: str, now: datetime) -> Response:  # noqa: ARG002 - it says no time
        """Return that it is pending."""
        return _answer(submitted, carrier_id, "1/26 PENDING_ACCEPTED")

    def duplicate(self, submitted: Submitted, carrier_id: str, now: datetime | None = None) -> Response:  # noqa: ARG002
        """Return that a message with this id came before."""
        return _answer(submitted, carrier_id, "5/23 REJECTED_DUPLICATE_MESSAGE_ID")

    def refused(self, why: Why) -> Response:
        """Return an error of the API, or a rejection within a success."""
        status, word = _REFUSED[why]
        if "/" in word:
            return _answer(Submitted(to="", sender=None, text=""), "0" * 22, word)
        return json_response(status, {"requestError": {"serviceException": {"messageId": word, "text": word.lower()}}})

    def receipt(self, submitted: Submitted, carrier_id: str, word: str, code: str | None, now: datetime) -> Request:
        """Return a report of one message."""
        number = (code or "0").rpartition(":")[2]
        report = {
            "bulkId": "0",
            "messageId": carrier_id,
            "to": submitted.to.removeprefix("+"),
            "sender": submitted.sender,
            "sentAt": _time(now),
            "doneAt": _time(now),
            "messageCount": submitted.parts,
            "price": {"pricePerMessage": 0.01, "currency": "EUR"},
            "status": _status(word),
            "error": {"id": int(number) if number.isdecimal() else number, "permanent": False},
        }
        if submitted.attempt_id is not None:
            report["callbackData"] = submitted.attempt_id
        return self._sent(submitted.callback, report)

    def reply(self, to: str, sender: str, text: str, reply_id: str, now: datetime) -> Request:
        """Return what a person wrote."""
        said = {
            "messageId": reply_id,
            "from": to.removeprefix("+"),
            "to": sender.removeprefix("+"),
            "text": text,
            "cleanText": text,
            "keyword": "",
            "receivedAt": _time(now),
            "smsCount": 1,
            "price": {"pricePerMessage": 0, "currency": "EUR"},
        }
        return self._sent(None, said)

    def _sent(self, callback: str | None, said: Mapping[str, object]) -> Request:
        url = callback or self.carrier.webhook_url or "https://app.example/hooks"
        token = self.carrier.webhook_token
        proof = f"Bearer {newest(token)}" if token is not None else self._login()
        body = json.dumps({"results": [said], "messageCount": 1, "pendingMessageCount": 0}).encode()
        return Request("POST", url, {"Content-Type": JSON, "Authorization": proof}, body)

    def _login(self) -> str:
        return basic(self.carrier.webhook_username or "", newest(self.carrier.webhook_password or ()))


def _answer(submitted: Submitted, carrier_id: str, word: str) -> Response:
    message = {
        "messageId": carrier_id,
        "status": _status(word),
        "destination": submitted.to.removeprefix("+"),
        "details": {"messageCount": submitted.parts},
    }
    return json_response(200, {"bulkId": "0", "messages": [message]})


def _status(word: str) -> Mapping[str, object]:
    """Return a status in pieces; a word that is not written as ours are is its name."""
    numbers, _, name = word.partition(" ")
    group, _, number = numbers.partition("/")
    if not (name and group in _GROUPS and number.isdecimal()):
        return {"name": word}
    return {"groupId": int(group), "groupName": _GROUPS[group], "id": int(number), "name": name}


def _time(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%S.000%z")
