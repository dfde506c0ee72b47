"""An SMPP carrier from its own side: what it puts into a session."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from random import Random
from typing import ClassVar, NoReturn

from campaignkit.backends.carriers.port import Request, Response
from campaignkit.backends.carriers.smpp import (
    DELIVER_SM,
    MESSAGE_PAYLOAD,
    MESSAGE_STATE,
    RECEIPTED_MESSAGE_ID,
    STATES,
    Smpp,
)
from campaignkit.backends.carriers.wire import GSM
from campaignkit.errors import InvalidValue
from campaignkit.grouping import parse_zone
from campaignkit.models import Status
from campaignkit.testing.dialects.base import Dialect, Submitted, Why

_MOST: int = 254
_RECEIPT, _REPLY = 0x04, 0x00
_UCS2: int = 8


class SmppDialect(Dialect):
    """An SMPP carrier, reporting."""

    carrier: Smpp

    words: ClassVar[Mapping[Status, str]] = {Status.SENT: "ENROUTE", Status.DELIVERED: "DELIVRD"}
    failures: ClassVar[Mapping[tuple[str, str | None], int]] = {
        ("UNDELIV", "map:21"): 48,
        ("UNDELIV", None): 22,
        ("UNDELIV", "map:27"): 10,
        ("UNDELIV", "map:1"): 8,
        ("EXPIRED", None): 5,
        ("REJECTD", None): 5,
        ("UNKNOWN", None): 2,
    }

    @classmethod
    def made_up(cls, *, api_url: str | None = None, webhook_url: str | None = None) -> Smpp:  # noqa: ARG003 - it is not called
        """Return a carrier whose codes are those of GSM, and whose clock is in UTC."""
        return Smpp(token="not-a-secret", table="map", zone="UTC", webhook_url=webhook_url)

    def read(self, request: Request) -> NoReturn:  # noqa: ARG002 - whatever it is
        """Refuse: nothing is submitted over HTTP."""
        _refuse()

    def new_id(self, random: Random) -> str:
        """Return ten hex digits."""
        return f"{random.getrandbits(40):010x}"

    def taken(self, submitted: Submitted, carrier_id: str, now: datetime) -> Response:  # noqa: ARG002
        """Refuse: nothing is submitted over HTTP."""
        _refuse()

    def refused(self, why: Why) -> Response:  # noqa: ARG002
        """Refuse: nothing is submitted over HTTP."""
        _refuse()

    def receipt(self, submitted: Submitted, carrier_id: str, word: str, code: str | None, now: datetime) -> Request:
        """Return a receipt in the usual text, with the usual fields beside it."""
        local = now.astimezone(UTC if self.carrier.zone is None else parse_zone(self.carrier.zone))
        err = (code or "").rpartition(":")[2].rjust(3, "0")
        text = (
            f"id:{carrier_id} sub:001 dlvrd:{int(word == 'DELIVRD'):03} submit date:{local:%y%m%d%H%M}"
            f" done date:{local:%y%m%d%H%M} stat:{word} err:{err} text:{submitted.text[:20]}"
        )
        fields = {RECEIPTED_MESSAGE_ID: carrier_id.encode("ascii", "replace") + b"\0"}
        if word in STATES:
            fields[MESSAGE_STATE] = bytes([STATES.index(word)])
        said = text.encode("ascii", "replace")
        return self._handed_in(submitted.to, submitted.sender or "", said, 0, fields, kind=_RECEIPT, name=carrier_id)

    def reply(self, to: str, sender: str, text: str, reply_id: str, now: datetime) -> Request:  # noqa: ARG002 - it says no time
        """Return what a person wrote; SMPP has no id of it, so ``reply_id`` is only the PDU's number."""
        plain = set(GSM.replace("\x1b", "")).issuperset(text)
        said = bytes(map(GSM.index, text)) if plain else text.encode("utf-16-be")
        return self._handed_in(to, sender, said, 0 if plain else _UCS2, {}, kind=_REPLY, name=reply_id)

    def _handed_in(
        self,
        source: str,
        destination: str,
        text: bytes,
        coding: int,
        fields: Mapping[int, bytes],
        *,
        kind: int,
        name: str,
    ) -> Request:
        if len(text) > _MOST:
            text, fields = b"", {**fields, MESSAGE_PAYLOAD: text}
        body = b"".join(
            (
                b"\0",
                _address(source),
                _address(destination),
                bytes((kind, 0, 0)),
                b"\0\0",
                bytes((0, 0, coding, 0, len(text))),
                text,
                *(struct.pack(">2H", tag, len(value)) + value for tag, value in fields.items()),
            )
        )
        number = zlib.crc32(name.encode()) & 0x7FFFFFFF
        return self.carrier.request(struct.pack(">4I", 16 + len(body), DELIVER_SM, 0, number) + body)


def _address(number: str) -> bytes:
    international = number.startswith("+")
    return (
        bytes((1 if international else 5, int(international))) + number.lstrip("+").encode("ascii", "replace") + b"\0"
    )


def _refuse() -> NoReturn:
    raise InvalidValue("carrier is smpp: nothing is submitted to it over HTTP; simulate a carrier that sends")
