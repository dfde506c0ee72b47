"""Bytes into values: strict where it matters, lenient where a detail must not cost a receipt."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from decimal import Decimal
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaignkit import InvalidValue
from campaignkit.backends.carriers.wire import (
    MAX_DEPTH,
    Fields,
    clean,
    e164,
    form_fields,
    form_text,
    moment_of,
    read_form,
    read_json,
)

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="\0")), inner)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="\0")), PLAIN))
def test_json_comes_back(value):
    """An object written by Python's own writer is read as it was."""
    assert read_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=200) | st.text(alphabet='[]{}",:0123456789eE.+-truefalsn\\ ').map(str.encode))
def test_any_bytes_are_an_object_or_an_error(body):
    """Whatever the bytes, the result is an object or one kind of error."""
    with contextlib.suppress(InvalidValue):
        assert isinstance(read_json(body), dict)


@pytest.mark.parametrize(("depth", "allowed"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False)])
def test_how_deep_json_may_nest(depth, allowed):
    """So deep and no deeper; brackets inside text do not count, and many beside each other neither."""
    nested = b'{"a":' * (depth - 1) + b'{"b":"[[[[{{{{\\"]"}' + b"}" * (depth - 1)
    flat = b'{"a":[' + b",".join([b"{}"] * 100) + b"]}"

    assert len(read_json(flat)["a"]) == 100
    if allowed:
        assert read_json(nested)
    else:
        with pytest.raises(InvalidValue, match="nested more than 32 deep"):
            read_json(nested)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"[1]", "JSON is no object"),
        (b"{", "JSON is malformed"),
        (b'{"a":1,"a":2}', "JSON has a name twice"),
        (b'{"a":Infinity}', "JSON holds Infinity, which is no number"),
        (b'{"a":1e400}', "JSON holds a number beyond all bounds"),
        (b'{"a":' + b"1" * 5000 + b"}", "JSON is malformed"),
    ],
)
def test_what_is_no_json_here(body, sentence):
    """Each thing that Python would forgive has its sentence."""
    with pytest.raises(InvalidValue, match=sentence):
        read_json(body)


def test_text_in_json_can_be_stored():
    """NUL and halves of characters become U+FFFD in values and names; fractions are exact."""
    assert read_json(b'{"a\\u0000": "\\ud800x", "b": 0.1}') == {"a�": "�x", "b": Decimal("0.1")}
    assert clean("\0\ud83d") == "��"


@given(st.lists(st.tuples(st.text(max_size=10), st.text(st.characters(codec="utf-8"), max_size=10)), max_size=10))
def test_a_form_comes_back(pairs):
    """Every field of a form is read as it was written, the empty ones too, in their order."""
    known = [(name, value) for name, value in pairs if name.isprintable() and name]

    read = read_form(urlencode(known).encode())

    assert [(form_text(name), form_text(value)) for name, value in read] == [(n, clean(v)) for n, v in known]
    assert dict(form_fields(read)) == {name: clean(value) for name, value in known}


@given(st.binary(max_size=200))
def test_any_bytes_are_a_form_or_an_error(body):
    """Whatever the bytes, the result is fields or one kind of error."""
    with contextlib.suppress(InvalidValue):
        assert isinstance(read_form(body), list)


def test_forms_are_bounded():
    """A form of more than a thousand fields is not read."""
    with pytest.raises(InvalidValue, match="form has too many fields"):
        read_form(b"&" * 1001 + b"a=1")


@given(st.text(alphabet="ab&=+%20fF;/", max_size=40))
def test_a_form_is_read_as_python_reads_it(text):
    """Our reading of a form is urllib's."""
    assert read_form(text) == parse_qsl(text, keep_blank_values=True, encoding="latin-1")


def test_reading_by_kind():
    """What must be there is an error without it; what may be there is None when it is odd."""
    fields = Fields(
        {"word": "x", "blank": " ", "number": 5, "flag": True, "object": {"a": 1}, "list": [{"a": 1}, 2], "none": None}
    )

    assert [fields.text(name) for name in ("word", "blank", "number", "flag", "object", "none", "absent")] == [
        "x", None, "5", None, None, None, None,
    ]  # fmt: skip
    assert fields.text("blank", "word") == fields.need("absent", "word") == "x"
    assert dict(fields.inner("object")) == {"a": 1}
    assert dict(fields.inner("word")) == dict(fields.inner("absent")) == {}
    assert [dict(each) for each in fields.list("list")] == [{"a": 1}]
    assert fields.list("word") == []
    with pytest.raises(InvalidValue, match="blank is ' ': must be there, as text"):
        fields.need("blank", "absent")


@pytest.mark.parametrize(
    ("value", "attempt_id"), [("a-1", "a-1"), (17, "17"), ("a b", None), ("a" * 37, None), ("", None), ({}, None)]
)
def test_attempt_ids(value, attempt_id):
    """A reference that cannot be an attempt id of ours is somebody else's."""
    assert Fields({"reference": value}).attempt_id("absent", "reference") == attempt_id


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (1, 1),
        ("255", 255),
        (0, None),
        (256, None),
        ("-3", None),
        ("2.5", None),
        (True, None),
        (10**9, None),
        ("٣", None),
    ],
)
def test_counts(value, count):
    """A count of segments is a small positive number, or nothing."""
    assert Fields({"n": value}).count("n") == count


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        ("0.0158", Decimal("0.0158")),
        (Decimal("0.01"), Decimal("0.01")),
        (0, Decimal(0)),
        *(
            (junk, None)
            for junk in ("-0.01", "NaN", "1,23", "1_000", "١٢.٥", "1e5", "", None, True, "9" * 12, "1" * 13)
        ),
    ],
)
def test_money(value, amount):
    """An amount is plain digits, never negative and never absurd, or nothing."""
    assert Fields({"price": value}).money("price") == amount


def test_what_cannot_be_read_is_named():
    """A count, an amount or a currency that is something else is named once, also within objects; a blank is not."""
    fields = Fields({"n": "2.5", "m": None, "cost": {"amount": True, "currency": "dollars", "fee": " "}, "ok": "3"})
    cost = fields.inner("cost")

    assert [fields.count("n"), fields.count("n"), fields.count("m", "n"), fields.count("m", "ok")] == [None] * 3 + [3]
    assert (cost.money("amount"), cost.money("fee"), cost.currency("currency")) == (None, None, None)
    assert fields.unreadable == cost.unreadable == ["n", "amount", "currency"]


@pytest.mark.parametrize(
    ("value", "currency"), [("EUR", "EUR"), ("eur", "EUR"), ("€", None), (None, None), (978, None)]
)
def test_currencies(value, currency):
    """A currency is three letters, or nothing."""
    assert Fields({"currency": value}).currency("currency") == currency


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("2026-11-22T11:00:00Z", NOW - dt.timedelta(hours=1)),
        ("2026-11-22T12:00:00.000+0100", NOW - dt.timedelta(hours=1)),
        ("2026-11-22 11:00:00+00:00", NOW - dt.timedelta(hours=1)),
        (1795345200, NOW - dt.timedelta(hours=1)),
        ("1795345200", NOW - dt.timedelta(hours=1)),
        (1795345200123, NOW - dt.timedelta(minutes=59, seconds=59, milliseconds=877)),
        ("2026-11-22T12:05:00Z", NOW + dt.timedelta(minutes=5)),
        ("2026-11-22T12:05:01Z", None),
        ("2026-11-22T11:00:00", None),
        *((junk, None) for junk in ("2611221206", "soon", "", None, "9" * 400, 10**400, Decimal(10) ** 400, {})),
    ],
)
def test_moments(value, at):
    """A carrier's time is read where it has a zone and is not ahead of ours; otherwise it is nothing."""
    found = moment_of(value, NOW)

    if value == "2611221206":  # digits are seconds since 1970: a day in 2052, and so ahead
        assert found is None
    assert found == (at and at)


def test_numbers_get_their_plus():
    """Digits alone are a number in international form; names and short codes stay as they are."""
    assert [e164(text) for text in ("12025550143", "+12025550143", "ACME", "51515", "", None)] == [
        "+12025550143", "+12025550143", "ACME", "51515", "", None,
    ]  # fmt: skip
