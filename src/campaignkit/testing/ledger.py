"""The truth about a simulated carrier: what it was asked, what it took, what it reported."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import attrs

from campaignkit.models import Status


@attrs.define(kw_only=True)
class Asked:
    """A request to the carrier.

    Attributes:
        answer: what became of it: an HTTP status, or the name of what went wrong.
        taken: whether a message was taken by it.
    """

    at: datetime
    to: str | None
    attempt_id: str | None
    answer: str
    taken: bool


@attrs.define(kw_only=True)
class Taken:
    """A message the carrier took, and charges for.

    Attributes:
        text_sha256: of the text in UTF-8.
        answered: whether the answer that says so reached who asked, whole and with its own id.
        fate: where the message ends: delivered, read or undelivered, by whatever word the
            carrier says so.
        code: the carrier's code for that, when it failed; ``partly_delivered`` when only some
            parts arrived.
        told: whether the carrier will ever report that end.
        part_ids: where the carrier names each part, its ids in order; None where it refused a
            part at once. ``carrier_id`` is the first of them.
        part_fates: where each of these parts ends.
    """

    carrier_id: str
    attempt_id: str | None
    to: str
    sender: str | None
    text_sha256: str
    at: datetime
    answered: bool
    fate: Status
    code: str | None
    told: bool
    part_ids: tuple[str | None, ...] = ()
    part_fates: tuple[Status, ...] = ()


@attrs.define(kw_only=True)
class Posted:
    """A webhook as it was posted, each time it was.

    Attributes:
        kind: what it is.
        about: ``message``, one that was taken; ``stranger``, one that never was; ``reply``,
            a receipt for what a person wrote.
        said: the carrier's word of a receipt, the text of a reply.
        time: which time it was posted, from 1.
        answer: the HTTP status it was answered with; 502 when nobody answered, 0 when there was
            no address to post it to.
    """

    at: datetime
    kind: Literal["receipt", "reply"]
    about: Literal["message", "stranger", "reply"]
    carrier_id: str
    attempt_id: str | None
    to: str
    said: str
    code: str | None
    time: int
    answer: int


@attrs.define
class Ledger:
    """What really happened at the carrier, in order.

    Attributes:
        opted_out: numbers whose owners want no more messages.
    """

    asked: list[Asked] = attrs.Factory(list)
    taken: list[Taken] = attrs.Factory(list)
    posted: list[Posted] = attrs.Factory(list)
    opted_out: set[str] = attrs.Factory(set)

    def copies(self) -> Counter[str]:
        """Return how many messages were taken for each attempt id; above 1, a person got it twice."""
        return Counter(each.attempt_id for each in self.taken if each.attempt_id is not None)

    def fate_of(self, carrier_id: str) -> Status | None:
        """Return where a message ends, by its id or one of its parts', None for one that was never taken."""
        return next((each.fate for each in self.taken if carrier_id in {each.carrier_id, *each.part_ids}), None)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: times as text."""
        lists = {name: [attrs.asdict(each) for each in getattr(self, name)] for name in ("asked", "taken", "posted")}
        told: dict[str, Any] = json.loads(json.dumps({**lists, "opted_out": sorted(self.opted_out)}, default=_json))
        return told

    def trace(self) -> str:
        """Return a hash of everything; two runs with one trace went alike."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def summary(self) -> Mapping[str, int]:
        """Return the counts a person looks at first."""
        return {
            "requests": len(self.asked),
            "taken": len(self.taken),
            "taken without an answer": sum(not each.answered for each in self.taken),
            "taken twice": sum(count - 1 for count in self.copies().values()),
            "webhooks": len(self.posted),
            "webhooks not accepted": sum(each.answer >= 400 for each in self.posted),  # noqa: PLR2004 - HTTP
            "opted out": len(self.opted_out),
        }


def _json(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
