"""What happens to one request: the answer, and where the conversation breaks."""

from __future__ import annotations

from enum import StrEnum

import attrs

from campaignkit.backends.carriers.port import Response
from campaignkit.testing.ledger import Taken


class Fault(StrEnum):
    """Where a conversation breaks."""

    NONE = "none"
    REFUSED = "connection refused"
    UNREACHABLE = "no connection"
    SILENCE = "no answer"
    RESET = "connection reset"
    CLOSED = "closed without an answer"
    CUT_HEAD = "answer cut in its head"
    CUT_BODY = "answer cut in its body"


@attrs.define(kw_only=True)
class Exchange:
    """What happens to one request.

    Attributes:
        response: the answer, also where it breaks on its way.
        fault: where it breaks.
        seconds: how long it takes until then.
        taken: the message, when one was taken.
    """

    response: Response | None = None
    fault: Fault = Fault.NONE
    seconds: float
    taken: Taken | None = None

    def unheard(self) -> None:
        """Note that the answer did not reach who asked."""
        if self.taken is not None:
            self.taken.answered = False
            self.taken.told &= None not in self.taken.part_ids  # which parts were refused, only the answer says
