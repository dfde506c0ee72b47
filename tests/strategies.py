"""What Hypothesis draws from, shared by the tests: the library's own words for the specification's facts."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import attrs
from hypothesis import strategies as st

from campaignkit.models import (
    COUNT_COLUMNS,
    MONEY_COLUMNS,
    Attempt,
    Click,
    Keyword,
    Message,
    OptOut,
    Order,
    Outcome,
    Receipt,
    Reply,
    Status,
)
from state_model import Fact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from campaignkit.live import Event

NOON: Final = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
"""The moment that a fact's times count from, in seconds."""

CARRIER: Final = "twilio"
"""Whose words and codes the receipts below are in."""

FOUR_FACTS: Final = [
    ("queued", "sent", "delivered", "read"),
    ("sent", "soft", "delivered", "hard"),
    ("delivered", "hard", "queued", "unknown_final"),
    ("expired", "blocked", "rejected", "read"),
    ("canceled", "soft", "sent", "hard"),
]
"""Facts of which every order is tried."""

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


# --- campaigns ---------------------------------------------------------------------------------

CLOCK_CHANGES: Final = (dt.datetime(2026, 3, 29, tzinfo=dt.UTC), dt.datetime(2026, 10, 25, tzinfo=dt.UTC))
"""The nights in which Europe's clocks go forward, and back."""

CODES: Final[Mapping[str | None, tuple[str | None, ...]]] = {
    "twilio": (None, "30003", "30004", "30005", "30007", "21610", "99999"),
    "infobip": (None, "0", "1", "6", "603", "99999"),
    None: (None, "30005", "number_unknown"),
}
"""For each carrier, codes of every kind of failure, one that no table has, and none."""

moments: Final = st.builds(
    lambda night, seconds, micros: night + dt.timedelta(seconds=seconds, microseconds=micros),
    st.sampled_from(CLOCK_CHANGES),
    st.integers(-7200, 14400),
    st.sampled_from([0, 1, 500, 999_999]),
)
"""Moments in the hours around a change of clocks, with and without microseconds."""

elapsed: Final = st.builds(
    lambda micros: dt.timedelta(microseconds=micros),
    st.sampled_from([-5_000_000, -1, 0, 999, 1000, 1999, 2000]) | st.integers(-(10**7), 3 * 10**11),
)
"""Times from sending to delivery, also below a millisecond and below zero."""

money: Final = st.builds(
    lambda micros: Decimal(micros).scaleb(-6), st.sampled_from([0, 1, 7900, 10**15]) | st.integers(0, 10**9)
)
"""Amounts with up to six decimals, from nothing to the most that is allowed."""

currencies: Final = st.sampled_from(["EUR", "USD"])

_counts: Final = st.integers(0, 2)


@st.composite
def _rows(draw: st.DrawFn) -> dict[str, Any]:
    """Draw one message with everything that may be measured of one."""
    carrier = draw(st.sampled_from(list(CODES)))
    status = draw(st.sampled_from(list(Status)))
    skipped = status is Status.SKIPPED
    sent_at = None if skipped else draw(st.none() | moments)
    arrived = sent_at is not None and draw(st.booleans())
    return {
        "status": status.value,
        "campaign_id": draw(st.sampled_from(["spring", "summer"])),
        "contact_id": draw(st.sampled_from(["ana", "ben", "cy"])),
        "variant": draw(st.sampled_from([None, "a", "b"])),
        "carrier": carrier,
        "error_code": None if skipped else draw(st.sampled_from(CODES[carrier])),
        "skip_reason": draw(st.sampled_from([None, "quiet_hours"])) if skipped else None,
        "sent_at": sent_at,
        "delivered_at": sent_at + draw(elapsed) if arrived else draw(st.none() | moments),
        "last_event_at": draw(st.none() | moments),
        "currency": draw(currencies),
        **{name: draw(_counts) for name in COUNT_COLUMNS if name != "opted_out"},
        "opted_out": draw(st.booleans()),
        **{name: draw(st.none() | money) for name in MONEY_COLUMNS},
    }


@st.composite
def campaigns(draw: st.DrawFn, least: int = 1, most: int = 8) -> list[dict[str, Any]]:
    """Draw the messages of a campaign, as mappings with the same keys; not everything was measured."""
    rows = draw(st.lists(_rows(), min_size=least, max_size=most))
    optional = [*COUNT_COLUMNS, *MONEY_COLUMNS, "sent_at", "delivered_at", "carrier"]
    unmeasured = draw(st.sets(st.sampled_from(optional))) | ({"error_code"} if draw(st.booleans()) else set())
    if not {*MONEY_COLUMNS} - unmeasured:
        unmeasured |= {"currency"}
    return [{name: None if name in unmeasured else value for name, value in row.items()} for row in rows]


class Story(NamedTuple):
    """What became of messages: as they were added, everything that came back, and how many parts each has."""

    messages: list[Message]
    events: list[Event]
    parts: int


@st.composite
def _first_messages(draw: st.DrawFn, message_id: str) -> Message:
    status = draw(st.sampled_from(Status))
    skipped = status is Status.SKIPPED
    sent_at = None if skipped else draw(st.none() | moments)
    failed = status in {Status.UNDELIVERED, Status.REJECTED, Status.REFUSED, Status.EXPIRED}
    return Message(
        message_id=message_id,
        status=status,
        variant=draw(st.sampled_from(["a", "b"])),
        carrier=CARRIER,
        error_code=draw(st.sampled_from(CODES[CARRIER])) if failed else None,
        skip_reason="quiet_hours" if skipped else None,
        segments=draw(st.integers(1, 3)),
        price=draw(st.none() | money),
        currency="EUR",
        sent_at=sent_at,
        delivered_at=draw(st.none() | moments) if status in {Status.DELIVERED, Status.READ} else None,
    )


@st.composite
def _came_back(draw: st.DrawFn, message_id: str, place: int) -> Event:
    """Draw a reply, a click, an opt-out or an order; each but the opt-out has an id."""
    known = {"message_id": message_id, "contact_id": f"contact of {message_id}"}
    kind, at = draw(st.sampled_from([Reply, Click, OptOut, Order])), draw(moments)
    if kind is Reply:
        keyword = draw(st.sampled_from([None, Keyword.OPT_OUT, Keyword.HELP]))
        return Reply(**known, received_at=at, reply_id=f"reply {place}", keyword=keyword)
    if kind is Click:
        return Click(**known, clicked_at=at, click_id=f"click {place}")
    if kind is OptOut:
        return OptOut(**known, opted_out_at=at)
    revenue, assisted = draw(st.none() | money), draw(st.booleans())
    return Order(**known, ordered_at=at, order_id=f"order {place}", revenue=revenue, currency="EUR", assisted=assisted)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Draw messages and what came back of them: each event once or more, in any order."""
    ids = [f"m{place}" for place in range(draw(st.integers(1, 4)))]
    messages = [draw(_first_messages(each)) for each in ids]
    told = [
        attrs.evolve(receipt, message_id=draw(st.sampled_from(ids))) for receipt in draw(st.lists(receipts, max_size=8))
    ]
    told += [draw(_came_back(draw(st.sampled_from(ids)), place)) for place in range(draw(st.integers(0, 6)))]
    again = draw(st.lists(st.sampled_from(told), max_size=4)) if told else []
    return Story(messages, draw(st.permutations([*told, *again])), draw(st.integers(1, 2)))
