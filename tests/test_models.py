"""The nouns: every rule about a value, as a table, and that nothing but a rule's error comes out."""

from __future__ import annotations

import datetime as dt
import decimal
import pickle
from decimal import Decimal
from fractions import Fraction

import attrs
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaignkit import models
from campaignkit.errors import InvalidValue, UnknownStatus
from campaignkit.latency import bucket_between
from campaignkit.models import (
    COUNT_BITS,
    COUNT_COLUMNS,
    MICROS,
    MONEY_COLUMNS,
    NEVER_HANDED_OFF,
    STATUS_ALIASES,
    Attempt,
    Bounce,
    Click,
    Keyword,
    Message,
    OptOut,
    Order,
    Outcome,
    Receipt,
    Reply,
    Status,
    facts_of,
    moment,
    money_of,
    parse_code,
    parse_currency,
    parse_money,
    parse_status,
    to_micros,
    whole,
)
from campaignkit.summary import tally
from strategies import NOON

LEAST = {
    Message: {"status": "sent"},
    Attempt: {},
    Receipt: {"status": "sent"},
    Reply: {"received_at": NOON},
    Click: {"clicked_at": NOON},
    OptOut: {"opted_out_at": NOON},
    Order: {"ordered_at": NOON},
}
"""The nouns, each with the least that makes one."""

FULL = Message(
    status="delivered",
    message_id="m1",
    campaign_id="spring",
    contact_id="c1",
    contact_name="Ann",
    to="+12025550143",
    variant="a",
    list_id="l1",
    account_id="acme",
    sender="+12025550100",
    step=1,
    carrier="twilio",
    carrier_id="SM1",
    segments=2,
    price=Decimal("0.0079"),
    currency="USD",
    created_at=NOON,
    sent_at=NOON,
    delivered_at=NOON + dt.timedelta(seconds=2),
    last_event_at=NOON + dt.timedelta(seconds=3),
    replies=1,
    stop_replies=0,
    clicks=3,
    opted_out=False,
    orders=1,
    revenue=Decimal(20),
    assisted_orders=0,
    assisted_revenue=Decimal(0),
)
"""A message with everything that can be known of one."""

WRONG_CODES = (
    30005.5,
    True,
    b"30005",
    float("inf"),
    ["30005"],
    10**5000,
    Decimal("sNaN"),
    np.array([1, 2]),
    pd.NA,
    NOON,
)

DERIVED = ("facts_", "bucket_", "latest_")

TEXT = "must be text; convert it with str()"
EMPTY = "must not be empty; leave it out or give None when it is not known"
WHOLE = "must be a whole number; convert it with int()"
AWARE = "has no time zone; give an aware datetime"
MOMENT = "must be a datetime; parse it"
MONEY = "money is never a float; give a Decimal made from text"
LETTERS = 'must be three letters; give an ISO 4217 code, like "USD"'
CODE = 'a code is text or a whole number; give it as text, like "30005"'
NAIVE = dt.datetime(2026, 11, 21, 12)  # noqa: DTZ001 - the rule is about these


def fields_of(noun: type, kind: str) -> list[str]:
    """Return the fields of a noun by their declared kind."""
    return [field.name for field in attrs.fields(noun) if field.init and field.type == kind]


def broken() -> list[tuple[type, dict[str, object], str]]:
    """Return every rule of every noun: noun, the field with a value that breaks it, and words of the sentence."""
    wrong_texts = ((5, TEXT), ("", EMPTY), (" \t", EMPTY))
    wrong_moments = tuple((value, MOMENT) for value in ("2026-11-21", NOON.date(), pd.NaT, 1.5))
    wrong_money = (
        *((value, MONEY) for value in (0.0079, "0.0079", True, np.float64(1))),
        (Decimal("NaN"), "must be a finite amount; leave it out when it is not known"),
        (Decimal("sNaN"), "must be a finite amount"),
        (Decimal("Infinity"), "must be a finite amount"),
        (Decimal("-0.0079"), "must not be negative; negate it if the log writes charges as negatives, as Twilio does"),
        (-1, "must not be negative"),
        (Decimal(1000000000000), "must be at most 1,000,000,000; check its unit"),
        (10**5000, "must be at most 1,000,000,000"),
    )
    rules: list[tuple[type, dict[str, object], str]] = []
    for noun in LEAST:
        texts = set(fields_of(noun, "str | None")) - {"error_code", "currency", "attempt_id"}
        rules += [(noun, {name: value}, says) for name in sorted(texts) for value, says in wrong_texts]
        for name in (*fields_of(noun, "datetime"), *fields_of(noun, "datetime | None")):
            rules += [(noun, {name: value}, says) for value, says in ((NAIVE, AWARE), *wrong_moments)]
        rules += [(noun, {name: None}, MOMENT) for name in fields_of(noun, "datetime")]
        for name in fields_of(noun, "Decimal | None"):
            most = "999,999,999,999" if noun is Message and name != "price" else "1,000,000,000"
            money = [(value, says.replace("1,000,000,000", most)) for value, says in wrong_money]
            rules += [(noun, {name: value, "currency": "USD"}, says) for value, says in money]
            rules += [(noun, {name: Decimal(0)}, 'has no currency; give currency too, like currency="USD"')]
        rules += [
            (noun, {"currency": value}, LETTERS)
            for value in ("US", "DOLLAR", "U$D", "", 840)
            if "currency" in attrs.fields_dict(noun)
        ]
        rules += [
            (noun, {"error_code": value}, CODE) for value in WRONG_CODES if "error_code" in attrs.fields_dict(noun)
        ]
    counts = ("segments", "step", "replies", "stop_replies", "clicks", "orders", "assisted_orders")
    rules += [(Message, {name: value}, WHOLE) for name in counts for value in (True, 1.0, "1", Decimal(1), np.int64(1))]
    rules += [(Message, {name: -1}, "must lie between 0 and ") for name in counts]
    rules += [(Message, {name: 1_000_001}, "must lie between 0 and 1,000,000; check") for name in counts[1:]]
    return [
        *rules,
        (Message, {"price": Decimal("1000000000.01"), "currency": "USD"}, "must be at most 1,000,000,000; check"),
        (Message, {"segments": 256}, "must lie between 0 and 255; check where it was read from"),
        (Message, {"segments": 10**5000}, "must lie between 0 and 255"),
        (Message, {"step": 0}, "counting starts at 1; give 1 for the first"),
        (Message, {"opted_out": 1}, "must be True or False; convert it with bool()"),
        (Message, {"opted_out": "yes"}, "must be True or False"),
        (Message, {"skip_reason": "too long"}, 'the status is sent; give status="skipped" with it'),
        (Order, {"assisted": 1}, "must be True or False"),
        (Receipt, {"status": None}, TEXT),
        (Receipt, {"status": ""}, EMPTY),
        (Receipt, {"attempt": 0}, "counting starts at 1"),
        (Receipt, {"attempt": None}, WHOLE),
        (Receipt, {"part": -1}, "must lie between 0 and 1,000,000"),
        (Attempt, {"number": 0}, "counting starts at 1"),
        (Attempt, {"parts": 0}, "counting starts at 1"),
        (Attempt, {"parts": 1.5}, WHOLE),
        (Attempt, {"outcome": "maybe"}, "must be one of planned, inflight, taken, refused, unknown, canceled; correct"),
        (Attempt, {"outcome": []}, "must be one of planned"),
        (Attempt, {"attempt_id": "a b"}, "must be 1 to 36 letters, digits, - or _, because carriers carry it"),
        (Attempt, {"attempt_id": "a" * 37}, "must be 1 to 36 letters"),
        (Message, {"media": "https://example.com/a.jpg"}, "must be several addresses; give a list"),
        (Message, {"media": [""]}, EMPTY),
        (Receipt, {"price": Decimal(1)}, "has no currency"),
        (Reply, {"keyword": "STOP"}, "must be one of opt_out, opt_in, help; correct the word"),
        (Reply, {"text": None}, TEXT),
        (OptOut, {"text": 5}, TEXT),
    ]


# --- rules -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("noun", "given", "says"),
    [pytest.param(*rule, id=f"{rule[0].__name__}.{next(iter(rule[1]))}") for rule in broken()],
)
def test_a_broken_rule_is_named(noun, given, says):
    """The error names field, value, rule and remedy."""
    field = next(iter(given))

    with pytest.raises(InvalidValue) as caught:
        noun(**{**LEAST[noun], **given})

    assert str(caught.value).startswith(f"{field} is ")
    assert f": {says}" in str(caught.value)


@pytest.mark.parametrize(
    ("noun", "field", "value", "kept"),
    [
        (Message, "segments", 0, 0),
        (Message, "segments", 255, 255),
        (Message, "replies", 1_000_000, 1_000_000),
        (Message, "step", 1, 1),
        (Message, "opted_out", False, False),
        (Message, "carrier", "Twilio", "twilio"),
        (Receipt, "carrier", "VONAGE", "vonage"),
        (Message, "currency", "usd", "USD"),
        (Order, "currency", "Eur", "EUR"),
        (Message, "contact_name", " Ann ", " Ann "),
        (Message, "sent_at", pd.Timestamp(NOON), NOON),
        (Message, "sent_at", dt.datetime.max.replace(tzinfo=dt.UTC), dt.datetime.max.replace(tzinfo=dt.UTC)),
        (Message, "sent_at", dt.datetime.min.replace(tzinfo=dt.UTC), dt.datetime.min.replace(tzinfo=dt.UTC)),
        (Message, "error_code", 30005.0, "30005"),
        (Attempt, "error_code", np.int64(21610), "21610"),
        (Receipt, "error_code", Fraction(7), "7"),
        (Receipt, "error_code", Decimal("NaN"), None),
        (Receipt, "error_code", "  ", None),
        (Receipt, "error_code", 10**22, "1" + "0" * 22),
        (Receipt, "part", 0, 0),
        (Receipt, "status", "no such word", "no such word"),
        (Attempt, "outcome", "refused", Outcome.REFUSED),
        (Reply, "keyword", "opt_out", Keyword.OPT_OUT),
        (Reply, "text", "", ""),
        (Reply, "text", " \n", " \n"),
        (Click, "url", "https://example.org/", "https://example.org/"),
    ],
)
def test_a_valid_edge_is_accepted(noun, field, value, kept):
    """Values at the edge of a rule are fine, and kept in one spelling."""
    made = noun(**{**LEAST[noun], field: value})

    assert kept == getattr(made, field)
    assert type(kept) is type(getattr(made, field)) or isinstance(value, pd.Timestamp)


@pytest.mark.parametrize("name", MONEY_COLUMNS)
@pytest.mark.parametrize("value", [Decimal(0), Decimal("0.0079"), Decimal(10) ** 9, 5, Decimal("1e-40")])
def test_money_is_kept_exactly(name, value):
    """Money is an exact amount from nothing to a thousand million, with its currency."""
    message = Message(status="sent", currency="USD", **{name: value})

    assert getattr(message, name) == value
    assert isinstance(getattr(message, name), Decimal)


def test_a_skip_has_its_reason():
    """A reason to skip belongs to a skipped message."""
    assert Message(status="skipped", skip_reason="content_too_long").skip_reason == "content_too_long"


# --- status ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "status"),
    [
        *((each, each) for each in Status),
        *((each.value.upper(), each) for each in Status),
        ("failed", Status.UNDELIVERED),
        ("Sending", Status.QUEUED),
        (" cancelled ", Status.CANCELED),
    ],
)
def test_status_words(word, status):
    """Our own words are read in any case, and what many logs write is read as ours."""
    assert status is parse_status(word)
    assert status is Message(status=word).status


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("deliverd", "delivered, undelivered"),
        ("faild", "failed"),
        (None, ", ".join([*Status, *STATUS_ALIASES])),
        (b"sent", ", ".join([*Status, *STATUS_ALIASES])),
        pytest.param(10**5000, ", ".join([*Status, *STATUS_ALIASES]), id="5,000 digits"),
    ],
)
def test_a_wrong_status_gets_the_nearest(word, nearest):
    """A status we do not know names the nearest we do, or all of them."""
    with pytest.raises(UnknownStatus) as caught:
        Message(status=word)

    assert str(caught.value).startswith("status is ")
    assert str(caught.value).endswith(f": not a status we know; nearest: {nearest}")


def test_what_never_left():
    """Exactly the statuses of before hand-off say that no carrier took the message."""
    assert {"pending", "skipped", "canceled", "refused", "unknown"} == NEVER_HANDED_OFF


@pytest.mark.parametrize("kind", [Status, Bounce, Keyword, Outcome])
def test_words_are_their_text(kind):
    """Each word of ours equals its text, prints as it, and finds its entry in a dictionary keyed by text."""
    for each in kind:
        assert (each, str(each), hash(each)) == (each.value, each.value, hash(each.value))


# --- casts for frames --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (0, 0),
        (3, 3),
        (3.0, 3),
        (True, 1),
        (np.int64(3), 3),
        (np.True_, 1),
        (Decimal(3), 3),
        (1_000_000, 1_000_000),
    ],
)
def test_whole(value, count):
    """A count out of a frame may be any number without a fraction."""
    assert count == whole("clicks", value)
    assert type(whole("clicks", value)) is int


@pytest.mark.parametrize(
    "value", [1.5, float("nan"), float("inf"), "3", None, -1, pd.NA, np.array([1, 2]), Decimal("sNaN"), [], 1_000_001]
)
def test_not_whole(value):
    """Whatever is no count is refused by name."""
    with pytest.raises(InvalidValue, match="clicks is "):
        whole("clicks", value)


def test_the_same_checks_serve_columns():
    """What a noun checks of a value, a frame's column can have checked under its own name."""
    assert moment("when", NOON) is NOON
    assert parse_money("cost", 3) == Decimal(3)
    assert parse_currency("unit", "eur") == "EUR"
    assert parse_code(30005.0) == "30005"
    with pytest.raises(InvalidValue, match=r"^cost is -3: must not be negative"):
        parse_money("cost", -3)


@pytest.mark.parametrize(
    ("amount", "micros"),
    [
        ("0", 0),
        ("0.0079", 7_900),
        ("123456789.123456", 123_456_789_123_456),
        ("1000000000", 10**15),
        ("0.0000005", 0),
        ("0.0000015", 2),
        ("0.00000050000000000000000000000000001", 1),
        ("1e-400", 0),
    ],
)
@pytest.mark.parametrize(
    "context",
    [decimal.DefaultContext, decimal.Context(prec=3, rounding=decimal.ROUND_UP, traps=[decimal.Inexact])],
    ids=["default", "a host's own"],
)
def test_micros(amount, micros, context):
    """Money becomes millionths, rounded half to even, whatever decimal context the host works in."""
    value = Decimal(amount)

    with decimal.localcontext(context):
        made = to_micros(value)

    assert micros == made


def test_money_of():
    """Amounts become sums by kind and currency; what was not measured adds nothing."""
    cost, revenue = (("cost", "USD"), 7_900), (("revenue", "USD"), 20 * MICROS)

    assert money_of("USD", Decimal("0.0079"), Decimal(20), None) == (cost, revenue)
    assert money_of("USD", None, None, None) == ()
    assert money_of(None, None, None, None) == ()


# --- junk --------------------------------------------------------------------------------------

ZONES = st.sampled_from([None, dt.UTC, dt.timezone(dt.timedelta(hours=14)), dt.timezone(dt.timedelta(hours=-12))])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.decimals(),
    st.fractions(),
    st.complex_numbers(),
    st.dates(),
    st.timedeltas(),
    st.datetimes(timezones=ZONES),
    st.sampled_from([*Status, *Outcome, *Keyword, *STATUS_ALIASES, "twilio", "USD"]),
    st.sampled_from([10**5000, Decimal("sNaN"), pd.NaT, pd.NA, np.nan, np.array([1, 2]), np.int64(3), np.str_("sent")]),
    st.builds(object),
)
JUNK = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(max_size=2), SCALARS, max_size=2)


@pytest.mark.parametrize("noun", LEAST)
@given(st.data())
def test_junk_makes_a_noun_or_an_error_of_ours(noun, data):
    """Whatever a field is given, the answer is the noun or an InvalidValue, and nothing else."""
    names = [field.name for field in attrs.fields(noun) if field.init]
    junk = data.draw(st.dictionaries(st.sampled_from(names), JUNK, max_size=4))
    status = data.draw(st.sampled_from([*Status, "failed"]))

    try:
        made = noun(**{**LEAST[noun], **({"status": status} if "status" in names else {}), **junk})
    except InvalidValue:
        return

    assert noun is type(made)


# --- what attrs gives --------------------------------------------------------------------------


@pytest.mark.parametrize("noun", LEAST)
def test_nouns_are_frozen(noun):
    """A noun cannot be changed after it was found valid, and takes its fields by name only."""
    made = noun(**LEAST[noun])

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(made, attrs.fields(noun)[0].name, "x")
    with pytest.raises(TypeError):
        noun("sent")


@pytest.mark.parametrize("noun", LEAST)
def test_nouns_survive_pickling_and_change(noun):
    """A pickled, evolved or repeated noun is equal to the first, with equal hash."""
    made = noun(**LEAST[noun])

    for again in (pickle.loads(pickle.dumps(made)), attrs.evolve(made), noun(**LEAST[noun])):  # noqa: S301 - our own
        assert made == again
        assert hash(made) == hash(again)
        assert repr(made) == repr(again)


def test_a_full_message_survives():
    """Everything a message knows is still there after pickling, what tallies read of it too."""
    again = pickle.loads(pickle.dumps(FULL))  # noqa: S301 - our own

    assert again == FULL
    assert [getattr(again, name) for name in DERIVED] == [getattr(FULL, name) for name in DERIVED]


def test_evolve_derives_anew():
    """A changed message has what tallies read derived from its own fields, and is checked again."""
    changed = attrs.evolve(FULL, status="unknown", error_code=30008, price=None, revenue=None, clicks=None)

    assert changed.facts_.cell == ("unknown", "twilio", "30008", True)
    assert changed.facts_.money == ((("assisted_revenue", "USD"), 0),)
    assert changed.facts_.shape == FULL.facts_.shape & ~dict(COUNT_BITS)["clicks"]
    with pytest.raises(InvalidValue, match="has no currency"):
        attrs.evolve(FULL, currency=None)


def test_what_tallies_read():
    """Derived once: which counts are given, the cell, the money in millionths, the latest moment."""
    bare = Message(status="skipped", skip_reason="no_content")

    facts = FULL.facts_
    assert facts.shape == (1 << len(COUNT_COLUMNS)) - 1
    assert facts.cell == ("delivered", "twilio", None, False)
    assert facts.money == (
        (("cost", "USD"), 7_900),
        (("revenue", "USD"), 20 * MICROS),
        (("assisted_revenue", "USD"), 0),
    )
    assert facts.counts == tuple(getattr(FULL, name) for name in COUNT_COLUMNS)
    assert FULL.bucket_ == bucket_between(FULL.sent_at, FULL.delivered_at)
    assert FULL.latest_ == FULL.last_event_at.timestamp()
    assert (bare.facts_.shape, bare.facts_.money, bare.bucket_, bare.latest_) == (0, (), None, 0.0)
    assert bare.facts_.cell == ("skipped", None, "no_content", False)


def test_equal_facts_are_one():
    """Messages that count alike share their facts, so that a tally can look them up by identity."""
    assert Message(status="sent").facts_ is Message(status="sent", contact_id="c2").facts_
    assert Message(status="sent").facts_ is not Message(status="sent", segments=0).facts_


def test_a_carriers_word_is_not_our_status():
    """A carrier's word that is spelled like a status of ours makes other facts, as it may mean another thing."""
    counts = (None,) * len(COUNT_COLUMNS)

    ours = facts_of((Status.UNKNOWN, "vonage", None, False), counts, ())
    theirs = facts_of(("unknown", "vonage", None, False), counts, ())
    assert ours is not theirs


def test_facts_are_forgotten_in_time(monkeypatch):
    """However many different messages a process sees, the shared facts stay bounded, and counts right."""
    monkeypatch.setattr(models, "_MOST_FACTS", 10)
    monkeypatch.setattr(models, "_FACTS", {})

    messages = [Message(status="sent", clicks=clicks % 25) for clicks in range(100)]
    assert len(models._FACTS) <= 10
    assert tally(messages).cells[()] == tally([{"status": "sent", "clicks": n % 25} for n in range(100)]).cells[()]


@pytest.mark.parametrize("name", DERIVED)
def test_derived_fields_are_not_the_message(name):
    """What is derived takes no part in equality, hash or repr, and cannot be given."""
    other = attrs.evolve(FULL)
    object.__setattr__(other, name, None)

    assert other == FULL
    assert hash(other) == hash(FULL)
    assert repr(other) == repr(FULL)
    with pytest.raises(TypeError):
        Message(status="sent", **{name: None})


def test_what_a_carrier_sent_is_not_the_receipt():
    """The raw payload may hold anything, so it is in neither repr nor equality nor hash."""
    one, other = Receipt(status="sent", raw={"To": ["+12025550143"]}), Receipt(status="sent")

    assert one == other
    assert hash(one) == hash(other)
    assert "12025550143" not in repr(one)
    assert one.raw == {"To": ["+12025550143"]}
