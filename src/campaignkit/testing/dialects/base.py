"""What the simulator must know of a carrier: how it reads, answers, reports and signs."""

from __future__ import annotations

import abc
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from random import Random
from typing import ClassVar, Final

import attrs

from campaignkit.backends.carriers.port import Carrier, Request, Response
from campaignkit.backends.carriers.wire import GSM_ESCAPED, GSM_TEXT, JSON
from campaignkit.models import Status

_DOUBLE: Final = frozenset(GSM_ESCAPED.values())


def json_response(status: int, value: object, kind: str = JSON) -> Response:
    """Return an answer in JSON."""
    return Response(status, {"Content-Type": kind}, json.dumps(value).encode())


class Why(StrEnum):
    """Why the carrier refuses a message at once."""

    BUSY = "busy"
    """Too many requests; tried again later it is taken."""
    INVALID_NUMBER = "invalid_number"
    OPTED_OUT = "opted_out"
    ACCOUNT = "account"
    """Wrong credentials."""
    REQUEST = "request"
    """The request lacks something."""


@attrs.frozen(kw_only=True)
class Submitted:
    """What a request to the carrier asks for.

    Attributes:
        attempt_id: ours, wherever the carrier's API carries it.
        callback: the address the request asks receipts to be posted to, if it names one.
    """

    to: str
    sender: str | None
    text: str
    media: tuple[str, ...] = ()
    attempt_id: str | None = None
    callback: str | None = None

    @property
    def parts(self) -> int:
        """How many parts its text is sent in, by its length; an MMS is one.

        >>> [Submitted(to="+12025550143", sender=None, text=text).parts for text in ("a" * 161, "€" * 80, "👍" * 68)]
        [2, 1, 3]
        """
        plain = GSM_TEXT.issuperset(self.text)
        alone, joined = (160, 153) if plain else (70, 67)
        length = len(self.text) + sum(each in _DOUBLE if plain else each > "\uffff" for each in self.text)
        return 1 if self.media or length <= alone else -(-length // joined)


class Dialect(abc.ABC):
    """A carrier as seen from its own side.

    It is constructed with nothing, and then makes up an account with secrets of its own; or
    with a host's carrier, whose secrets it uses. `carrier` is the other end of the conversation.
    """

    words: ClassVar[Mapping[Status, str]]
    """The carrier's word for each status of ours that it reports."""
    failures: ClassVar[Mapping[tuple[str, str | None], int]]
    """How often, in parts of the whole, which (word, code) is the reason of a failure."""
    takes_our_id: ClassVar[bool] = False
    """Whether our attempt id becomes the carrier's id of the message."""
    names_parts: ClassVar[bool] = False
    """Whether each part of a long message has an id and receipts of its own; then all ids are the carrier's."""

    def __init__(self, carrier: Carrier | None = None) -> None:
        """Use a host's carrier, or make one up.

        Raises:
            InvalidValue: the carrier's webhooks are signed with a key that the host does not have.
        """
        self.carrier = carrier if carrier is not None else self.made_up()

    @classmethod
    @abc.abstractmethod
    def made_up(cls, *, api_url: str | None = None, webhook_url: str | None = None) -> Carrier:
        """Return a carrier with invented secrets, for sending to ``api_url`` (None: the carrier's own)."""

    @abc.abstractmethod
    def read(self, request: Request) -> Submitted:
        """Return what a request to send asks for.

        Raises:
            InvalidValue: the real carrier would not accept it: method, path, type of content or a field.
            PermissionError: its credentials are wrong.
        """

    @abc.abstractmethod
    def new_id(self, random: Random) -> str:
        """Return a new id of a message, as this carrier writes them."""

    @abc.abstractmethod
    def taken(self, submitted: Submitted, carrier_id: str, now: datetime) -> Response:
        """Return the answer that a message was taken."""

    def taken_in_parts(self, submitted: Submitted, part_ids: Sequence[str | None], now: datetime) -> Response:
        """Return the answer that a message was taken in parts, None being one that was refused.

        A carrier that does not name its parts answers about the whole.
        """
        return self.taken(submitted, next(filter(None, part_ids)), now)

    def duplicate(self, submitted: Submitted, carrier_id: str, now: datetime) -> Response:
        """Return the answer to an attempt id that came before, where the carrier is idempotent."""
        return self.taken(submitted, carrier_id, now)

    @abc.abstractmethod
    def refused(self, why: Why) -> Response:
        """Return the answer that a message was refused."""

    @abc.abstractmethod
    def receipt(self, submitted: Submitted, carrier_id: str, word: str, code: str | None, now: datetime) -> Request:
        """Return the signed webhook that reports a status, in the carrier's own word; any word is written as given."""

    @abc.abstractmethod
    def reply(self, to: str, sender: str, text: str, reply_id: str, now: datetime) -> Request:
        """Return the signed webhook that passes on what the person with number ``to`` wrote to ``sender``, us."""
