"""Rows of every kind: what is accepted, and the sentence that names the row where it is not."""

from __future__ import annotations

import datetime as dt
import types
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from campaignkit.errors import InvalidColumn, InvalidValue, UnknownStatus
from campaignkit.metrics import Cell, People, PeopleCounts, Since, Sums, days, hours
from campaignkit.models import Message, Status
from campaignkit.rows import check_columns, is_frame, tally_rows
from campaignkit.summary import summarize, tally
from strategies import NOON

NAIVE = NOON.replace(tzinfo=None)
SENT = {"status": "sent"}
NAN = float("nan")


def named(**fields):
    """Return a plain object with a status."""
    return types.SimpleNamespace(**{"status": "sent", **fields})


def sums_of(rows, **asked):
    """Return the only sums of a table of one group and one cell."""
    [cells] = tally(rows, **asked).cells.values()
    [sums] = cells.values()
    return sums


# --- what is refused, by row -------------------------------------------------------------------

REFUSED = {
    "a count missing later": (
        lambda: tally([Message(status="sent", clicks=0), Message(status="sent", clicks=1), Message(status="sent")]),
        (
            "clicks is given for some rows only: row 2 has none, rows before it have some;"
            " give it for every message (0 where nothing happened) or for none"
        ),
    ),
    "a count given later": (
        lambda: tally([SENT, {**SENT, "clicks": 1}]),
        (
            "clicks is given for some rows only: row 1 has one, rows before it have none;"
            " give it for every message (0 where nothing happened) or for none"
        ),
    ),
    "a mapping among messages": (
        lambda: tally([Message(status="sent"), SENT]),
        "row 1 is a dict, row 0 a Message: give one kind",
    ),
    "a message among mappings": (
        lambda: tally([SENT, Message(status="sent")]),
        "row 1 is a Message, row 0 a dict: give one kind",
    ),
    "a mapping among objects": (
        lambda: tally([named(), SENT]),
        "row 1 is a dict, row 0 a SimpleNamespace: give one kind",
    ),
    "None at first": (
        lambda: tally([None, SENT]),
        (
            "row 1 is a dict, row 0 a NoneType: give one kind"
            if False
            else 'row 0: there is no \'status\': every message needs a status; give columns={"status": their name}'
            " if it has another"
        ),
    ),
    "no status": (
        lambda: tally([SENT, {"Status": "sent"}]),
        (
            "row 1: there is no 'status': every message needs a status;"
            ' give columns={"status": their name} if it has another'
        ),
    ),
    "a status that is NaN": (
        lambda: tally([{"status": NAN}]),
        (
            "row 0: there is no 'status': every message needs a status;"
            ' give columns={"status": their name} if it has another'
        ),
    ),
    "an unknown status": (
        lambda: tally([SENT, {"status": "deliverd"}]),
        "row 1: status is 'deliverd': not a status we know; nearest: delivered, undelivered",
    ),
    "a status unknown to the carrier": (
        lambda: tally([{"status": "deliverd", "carrier": "Twilio"}]),
        "row 0: status is 'deliverd': neither a word of twilio nor one of ours; nearest: delivered, undelivered",
    ),
    "a naive moment": (
        lambda: tally([{**SENT, "sent_at": NAIVE}]),
        (
            "row 0: sent_at is datetime.datetime(2026, 11, 21, 12, 0): has no time zone;"
            " give an aware datetime, like datetime.now(timezone.utc)"
        ),
    ),
    "a moment as text": (
        lambda: tally([{**SENT, "delivered_at": "2026-11-21"}]),
        (
            "row 0: delivered_at is '2026-11-21': must be a datetime;"
            " parse it, for example with datetime.fromisoformat()"
        ),
    ),
    "money as float": (
        lambda: tally([{**SENT, "price": 0.0079, "currency": "USD"}]),
        (
            "row 0: price is 0.0079: money is never a float;"
            ' give a Decimal made from text, like Decimal("0.0079")'
        ),
    ),
    "money that is NaN": (
        lambda: tally([{**SENT, "price": Decimal("NaN"), "currency": "USD"}]),
        "row 0: price is Decimal('NaN'): must be a finite amount; leave it out when it is not known",
    ),
    "money without a currency": (
        lambda: tally([{**SENT, "revenue": Decimal(1)}]),
        'row 0: currency is None: must be three letters; give an ISO 4217 code, like "USD"',
    ),
    "a negative price": (
        lambda: tally([{**SENT, "price": Decimal("-0.0079"), "currency": "USD"}]),
        (
            "row 0: price is Decimal('-0.0079'): must not be negative;"
            " negate it if the log writes charges as negatives, as Twilio does"
        ),
    ),
    "a code with a fraction": (
        lambda: tally([{**SENT, "error_code": 30005.5}]),
        (
            "row 0: error_code is 30005.5: a code is text or a whole number;"
            ' give it as text, like "30005"'
        ),
    ),
    "a negative count": (
        lambda: tally([{**SENT, "replies": -1}]),
        "row 0: replies is -1: must lie between 0 and 1,000,000; check where it was read from",
    ),
    "a count as text": (
        lambda: tally([{**SENT, "replies": "1"}]),
        "row 0: replies is '1': must be a whole number; convert it, and write 0 where nothing happened",
    ),
    "a count that is NaN": (
        lambda: tally([{**SENT, "replies": NAN}]),
        "row 0: replies is nan: must be a whole number; convert it, and write 0 where nothing happened",
    ),
    "a count with a fraction": (
        lambda: tally([{**SENT, "replies": 0.5}]),
        "row 0: replies is 0.5: must be a whole number; convert it, and write 0 where nothing happened",
    ),
    "a reason to skip what was sent": (
        lambda: tally([{**SENT, "skip_reason": "quiet_hours"}]),
        (
            "row 0: skip_reason is 'quiet_hours' where the status is sent:"
            ' give status="skipped" with it, or no reason'
        ),
    ),
    "a person missing in messages": (
        lambda: tally([Message(status="sent", contact_id="ana"), Message(status="sent")], people="contact_id"),
        "row 1 has no contact_id: people are counted by it; fill it, or leave people= out",
    ),
    "a person missing in mappings": (
        lambda: tally([{**SENT, "Person": "ana"}, {**SENT, "Person": NAN}], people="Person"),
        "row 1 has no Person: people are counted by it; fill it, or leave people= out",
    ),
    "no field to group by": (
        lambda: tally([Message(status="sent")], by="varaint"),
        "no field 'varaint' in Message; nearest: variant",
    ),
    "no field for people": (
        lambda: tally([Message(status="sent")], people="contact"),
        "no field 'contact' in Message; nearest: contact_id, contact_name",
    ),
    "a bucket of what is no moment": (
        lambda: tally([Message(status="sent")], by=hours("variant", zone="UTC")),
        "'variant' of Message is no moment: group by sent_at, or one like it",
    ),
    "no key to group by": (
        lambda: tally([{**SENT, "variant": "a"}], by="varaint"),
        "by= names 'varaint', which no row has; nearest: variant",
    ),
    "no attribute to group by": (
        lambda: tally([named(variant="a")], by=days("send_at", zone="UTC")),
        "by= names 'send_at', which no row has; nearest: sent_at, sender",
    ),
    "no key for people": (
        lambda: tally([{**SENT, "contact_id": "ana"}], people="contact"),
        "row 0 has no contact: people are counted by it; fill it, or leave people= out",
    ),
    "too many columns to group by": (
        lambda: tally([dict.fromkeys("abcdefghi", 1) | SENT], by=tuple("abcdefghi")),
        "by has 9 columns: at most 8 are possible",
    ),
    "a group that is a list": (
        lambda: tally([SENT, {**SENT, "variant": ["a"]}], by="variant"),
        (
            "rows 0 to 1 cannot be counted: unhashable type: 'list';"
            " group and count people by text, numbers or moments"
        ),
    ),
    "a code that is a list": (
        lambda: tally([{**SENT, "error_code": ["30005"]}]),
        "row 0 cannot be read: unhashable type: 'list'",
    ),
    "columns turned round": (
        lambda: tally([{"Body": "hi", "State": "sent"}], columns={"State": "status"}),
        "columns= is turned round: give {our name: their name}, here columns={'status': 'State'}",
    ),
    "no name of ours": (
        lambda: tally([{"State": "sent"}], columns={"state": "State"}),
        "columns= names 'state', which is no name of ours; nearest: status",
    ),
    "no name of theirs": (
        lambda: tally([{"State": "sent", "answers": 0}], columns={"status": "State", "replies": "answer"}),
        "columns= names 'answer', which no row has; nearest: answers",
    ),
    "no attribute of theirs": (
        lambda: tally([named()], columns={"replies": "answers"}),
        "columns= names 'answers', which no row has; nearest: status, replies",
    ),
    "an unknown zone": (
        lambda: tally([SENT], timezone="Paris"),
        "zone is 'Paris': not an IANA time zone; give one like 'Europe/Paris'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_names_the_row(case):
    """One sentence names the row, the value, the rule and the remedy."""
    call, sentence = REFUSED[case]

    with pytest.raises(InvalidValue) as error:
        call()

    assert sentence == str(error.value)
