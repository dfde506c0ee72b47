"""What becomes of handing a message over: every rule that `Gateway` and `AsyncGateway` share.

What a client raises falls into two classes, and there is no third:

    certainly not sent   it could not connect: DNS, refused, timed out while connecting, TLS, or
                         no connection was free. Nothing of the message has left: refused, temporary
    anything else        the carrier may have the message: unknown

What a carrier answers, `Carrier.decode` alone says. An answer that is too long, or packed
although none was asked for packed, is decoded by its status alone, and is unknown where that
would be success.

A message is offered again, within one send, in two cases:

    refused, temporary   it certainly was not taken
    unknown              only where the same attempt id twice is one message to this carrier
                         (`Carrier.idempotent`), and the attempt has an id

The wait between is what the carrier asks for or an exponential backoff, whichever is longer,
and a random time *on top*. Who asks for more than ``max_wait`` is not waited for: the caller
schedules that.

**Unknown, then refused, is unknown.** A refusal speaks of its own request: that this one was
not taken says nothing about the one before, which may be on the phone already and may even be
why (too many, a duplicate, an opt-out it caused). What would prove the contrary is a carrier
saying that it never saw the attempt's id, and none does. Only being taken ends the doubt, or later
a receipt.

Another carrier is asked only after a definite refusal that is about the first carrier and not
about the person, the text or the hour: an opt-out must not be got round.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import attrs
import httpx
from tenacity import RetryCallState, retry_if_result, wait_exponential

from campaignkit.backends.carriers.port import Carrier, Refusal, Response, Submission
from campaignkit.errors import InvalidValue
from campaignkit.models import Attempt, Outcome
from campaignkit.verdicts import Verdict, classify

MOST_ANSWER: Final = 65_536
"""The longest answer in bytes that is read."""

DAY: Final = 86_400.0
"""The longest wait in seconds that a carrier is believed to ask for."""

FIRST_BACKOFF: Final = 0.5
"""Seconds before the second try; each later wait is twice the one before."""

_BEFORE_THE_FIRST_BYTE: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)
_SECONDS: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")
_LONGEST_DATE: Final = 64
_NOT_OURS_TO_GET_ROUND: Final = frozenset({"recipient", "content"})


# --- one try ---------------------------------------------------------------------------------


def certainly_not_sent(error: Exception) -> bool:
    """Return whether an error of a client came before the first byte of the request had left.

    httpx-aiohttp calls every lost connection a `ConnectTimeout`, also one that was lost after the
    request had been written: of its errors the cause is asked, which tells the two apart.
    """
    aiohttp = sys.modules.get("aiohttp")
    if aiohttp is not None and isinstance(error.__cause__, aiohttp.ClientError):
        return isinstance(error.__cause__, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError))
    return isinstance(error, _BEFORE_THE_FIRST_BYTE)


def failed(carrier: Carrier, error: Exception) -> Submission:
    """Return what an error of a client says. Words are kept of those alone that can hold nothing of the request."""
    if certainly_not_sent(error):
        return refused(carrier, Refusal.TEMPORARY, f"{type(error).__name__}: {error}")
    return unknown(carrier, f"{type(error).__name__} after the request may have left")


def answered(
    carrier: Carrier, response: httpx.Response, body: bytes | None, clock: Callable[[], datetime]
) -> Submission:
    """Return what an answer says.

    Args:
        carrier: who answered.
        response: its status and headers.
        body: None when it was not to be read.
        clock: the present moment, for a ``Retry-After`` that is a date.
    """
    if body is None and response.is_success:
        return unknown(carrier, f"HTTP {response.status_code} with a body that is too long or packed")
    try:
        said = carrier.decode(Response(response.status_code, response.headers, body or b""))
    except Exception as error:  # noqa: BLE001 - the message may be taken: nothing may hide that
        return unknown(carrier, f"HTTP {response.status_code}, and reading it failed: {type(error).__name__}")
    if said.outcome is Outcome.TAKEN:
        return said
    asked = response.headers.get("retry-after")
    wait = said.retry_after if asked is None else retry_after(asked, clock())
    return said if wait is None else attrs.evolve(said, retry_after=min(max(wait, 0.0), DAY))


def is_readable(response: httpx.Response) -> bool:
    """Return whether a body came as it is: one that came packed might unpack to anything."""
    packing: str = response.headers.get("content-encoding", "identity")
    return packing.strip().lower() == "identity"


def body_of(response: httpx.Response) -> bytes | None:
    """Return the body of an answer that is not to be read from the network: somebody has read it, or nobody may."""
    if not is_readable(response) or len(response.content) > MOST_ANSWER:
        return None
    return response.content


def retry_after(value: str, now: datetime) -> float | None:
    """Return the seconds that a ``Retry-After`` asks to wait, at most a day; None when it is nonsense.

    Args:
        value: seconds, or a date of HTTP; one without a zone (``-0000``) is in UTC.
        now: the present moment, aware.

    >>> now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    >>> retry_after("120", now), retry_after("Sun, 22 Nov 2026 12:01:00 GMT", now), retry_after("soon", now)
    (120.0, 60.0, None)
    """
    text = value.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), DAY)
    if not text.isascii() or len(text) > _LONGEST_DATE:
        return None
    try:
        at = parsedate_to_datetime(text)
        wait = (at.replace(tzinfo=UTC) if at.tzinfo is None else at) - now
    except (ValueError, TypeError, IndexError, OverflowError):  # what its parts raise on nonsense
        return None
    return min(max(wait.total_seconds(), 0.0), DAY)


def refused(carrier: Carrier, refusal: Refusal, detail: str, *, tries: int = 1) -> Submission:
    """Return a refusal that did not come from the carrier."""
    return Submission(outcome=Outcome.REFUSED, refusal=refusal, carrier=carrier.name, detail=detail, tries=tries)


def unknown(carrier: Carrier, detail: str) -> Submission:
    """Return that nobody knows."""
    return Submission(outcome=Outcome.UNKNOWN, carrier=carrier.name, detail=detail)


# --- the tries of one send -------------------------------------------------------------------


def again(said: Submission, carrier: Carrier, attempt: Attempt) -> bool:
    """Return whether the same request may be made once more; see the head of this module."""
    if said.outcome is Outcome.UNKNOWN:
        return carrier.idempotent and attempt.attempt_id is not None
    return said.retryable


def after(before: Submission, said: Submission) -> Submission:
    """Return what two tries say together: unknown, then refused, is unknown."""
    tries = before.tries + said.tries
    if before.outcome is Outcome.UNKNOWN and said.outcome is Outcome.REFUSED:
        return attrs.evolve(before, tries=tries, retry_after=said.retry_after)
    return attrs.evolve(said, tries=tries)


def policy(
    tries: int, max_wait: float, random: Callable[[], float], worth: Callable[[Submission], bool]
) -> dict[str, Any]:
    """Return how tenacity is to try again: the same for both twins."""
    backoff = wait_exponential(multiplier=FIRST_BACKOFF, max=max_wait)

    def asked(state: RetryCallState) -> float:
        said: Submission = state.outcome.result()  # type: ignore[union-attr]  # tenacity asks after a try
        return said.retry_after or 0.0

    def wait(state: RetryCallState) -> float:
        least = backoff(state)
        return max(least, asked(state)) + random() * least

    return {
        "retry": retry_if_result(worth),
        "wait": wait,
        "stop": lambda state: state.attempt_number >= tries or asked(state) > max_wait,
        "retry_error_callback": lambda state: state.outcome.result(),
    }


# --- another carrier -------------------------------------------------------------------------


def elsewhere(said: Submission) -> bool:
    """Return whether another carrier may be asked; see the head of this module."""
    if said.outcome is not Outcome.REFUSED:
        return False
    verdict = _verdict(said)
    if _binding(verdict):
        return False
    return said.refusal is not Refusal.FINAL or verdict.fault in {"sender", "network", "account"}


def both(first: Submission, second: Submission) -> Submission:
    """Return what two carriers say together: the second's word, unless only the first may be asked again."""
    keeps = first.retryable and second.outcome is Outcome.REFUSED
    said = first if keeps and not second.retryable and not _binding(_verdict(second)) else second
    return attrs.evolve(said, tries=first.tries + second.tries)


def _binding(verdict: Verdict) -> bool:
    return verdict.fault in _NOT_OURS_TO_GET_ROUND or verdict.opts_out or verdict.reason == "quiet_hours"


def _verdict(said: Submission) -> Verdict:
    try:
        return classify(said.carrier, said.error_code)
    except InvalidValue:  # a code of a host's own carrier, that is in no table
        return classify(None)
