"""What Hypothesis draws from, shared by the tests: the library's own words for the specification's facts."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from hypothesis import settings
from hypothesis import strategies as st

from campaignkit.models import Attempt, Outcome, Receipt
from state_model import Fact

if TYPE_CHECKING:
    from collections.abc import Mapping

settings.register_profile("untimed", settings.default, deadline=None)  # no test of ours depends on the clock
settings.load_profile("untimed")

NOON: Final = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
"""The moment that a fact's times count from, in seconds."""

CARRIER: Final = "twilio"
"""Whose words and codes the receipts below are in."""

_FAILED: Final = ("undelivered", "rejected", "failed")

SAYS: Final[Mapping[str, tuple[tuple[str, str | None], ...]]] = {
    "queued": (("queued", None), ("accepted", None), ("sending", None)),
    "sent": (("sent", None),),
    "delivered": (("delivered", None),),
    "read": (("read", None),),
    "canceled": (("canceled", None), ("cancelled", None)),
    "unknown_final": (("unconfirmed", None),),
    "expired": (("expired", None),),
    "soft": tuple((word, "30003") for word in _FAILED),
    "rejected": tuple((word, "30007") for word in _FAILED),
    "hard": tuple((word, "30005") for word in _FAILED),
    "blocked": tuple((word, "21610") for word in _FAILED),
}
"""For each status of the specification, the words and codes by which a carrier says it."""


def moment(seconds: float | None) -> dt.datetime | None:
    """Return the moment some seconds after noon, None for None."""
    return None if seconds is None else NOON + dt.timedelta(seconds=seconds)


def receipt_of(fact: Fact, word: str, code: str | None) -> Receipt:
    """Return a fact as a carrier's receipt."""
    return Receipt(
        status=word,
        carrier=CARRIER,
        error_code=code,
        attempt=fact.attempt,
        part=fact.part,
        at=moment(fact.at),
        received_at=moment(fact.received),
    )


_seconds = st.none() | st.integers(0, 99)

facts: Final = st.builds(
    Fact,
    status=st.sampled_from(list(SAYS)),
    attempt=st.sampled_from([1, 2]),
    part=st.sampled_from([0, 1]),
    at=_seconds,
    received=_seconds,
)
"""Facts about two attempts of two parts, with and without times."""


def said(fact: Fact) -> st.SearchStrategy[Receipt]:
    """Return every way of saying one fact."""
    return st.sampled_from(SAYS[fact.status]).map(lambda saying: receipt_of(fact, *saying))


receipts: Final = facts.flatmap(said)
"""Receipts about two attempts of two parts."""


@st.composite
def heard(draw: st.DrawFn, most: int = 6) -> tuple[list[Fact], list[Receipt]]:
    """Draw facts, and the receipts that say them: each one to five times, in any order."""
    told = draw(st.lists(facts, max_size=most))
    said_again = [receipt for fact in told for receipt in [draw(said(fact))] * draw(st.integers(1, 5))]
    return told, draw(st.permutations(said_again))


attempts: Final = st.lists(
    st.builds(
        Attempt,
        number=st.integers(1, 3),
        parts=st.integers(1, 3),
        outcome=st.sampled_from(Outcome),
        error_code=st.sampled_from([None, "21610"]),
    ),
    max_size=4,
)
"""What we did, with several versions of one attempt at times."""
