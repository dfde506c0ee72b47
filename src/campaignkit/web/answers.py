"""The answer to a carrier's request: kept, refused, or come again.

    genuine, and committed                     200
    not from the carrier, or not in its form   the status of `WebhookRejected`: 400 to 415
    anything else, whatever it is              503 with Retry-After: the carrier comes again

Nothing is answered before it is committed. An answer has no body and nothing of the reason in
it: that is for the host, who is told of everything that is not a 200.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

import attrs

from campaignkit.backends.carriers.port import Carrier, Request
from campaignkit.errors import StorageUnavailable, WebhookRejected
from campaignkit.tracker import Tracker

OK: Final = 200
METHOD_NOT_ALLOWED: Final = 405
UNAVAILABLE: Final = 503
RETRY_AFTER: Final = 30
"""Seconds after which a carrier may come again."""

_LOG: Final = logging.getLogger("campaignkit.web")

OnError = Callable[[Exception, Carrier], object]
"""Is told why a request was not answered with 200, and whose it was: to count, to log, to wake somebody."""


@attrs.frozen
class Answer:
    """What to answer a carrier, with an empty body.

    Attributes:
        status: of HTTP.
        headers: to send with it.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict)


def log_error(error: Exception, carrier: Carrier) -> None:
    """Log to ``campaignkit.web`` why a request was not answered with 200.

    What is rejected is a warning, anything else an error. Neither holds a number, a text or a
    secret: of an error that is not ours, only its type and where it was raised.
    """
    if isinstance(error, WebhookRejected):
        _LOG.warning("%s", error)
    elif isinstance(error, StorageUnavailable):
        _LOG.error("%s webhook answered with 503: %s", carrier.name, error)
    else:
        where = "".join(traceback.format_tb(error.__traceback__))
        _LOG.error("%s webhook answered with 503: %s\n%s", carrier.name, type(error).__name__, where)


def receive(
    tracker: Tracker,
    carrier: Carrier,
    request: Request,
    *,
    now: datetime | None = None,
    on_error: OnError = log_error,
) -> Answer:
    """Keep what a carrier's request reports, and return what to answer. It raises nothing.

    Args:
        tracker: what keeps it.
        carrier: whose request it should be.
        request: as it came, its body as bytes.
        now: when it came; aware.
        on_error: is told why, when the answer is not 200.

    >>> from campaignkit.backends.carriers import Twilio
    >>> from campaignkit.backends.storage import MemoryStorage
    >>> tracker = Tracker(MemoryStorage())
    >>> twilio = Twilio(account_sid="AC0", auth_token="not-a-secret", webhook_url="https://app.example/hooks")
    >>> receive(tracker, twilio, Request("POST", "https://app.example/hooks"), on_error=lambda error, _: print(error))
    twilio webhook rejected (signature): X-Twilio-Signature is missing
    Answer(status=403, headers={})
    """
    try:
        present = datetime.now(UTC) if now is None else now
        tracker.ingest(carrier.events(request, now=present), now=present)
    except Exception as error:  # noqa: BLE001 - whatever it is: the carrier must come again, and no host shows it an error
        return answered(error, carrier, on_error)
    return Answer(OK)


def answered(error: Exception, carrier: Carrier, on_error: OnError) -> Answer:
    """Tell the host of an error; return what to answer the carrier."""
    try:
        on_error(error, carrier)
    except Exception as another:  # noqa: BLE001 - the answer does not depend on who listens
        log_error(another, carrier)
    status = error.status if isinstance(error, WebhookRejected) else UNAVAILABLE
    if status == METHOD_NOT_ALLOWED:
        return Answer(status, {"Allow": ", ".join(sorted(carrier.methods))})
    return Answer(status, {"Retry-After": str(RETRY_AFTER)} if status == UNAVAILABLE else {})
