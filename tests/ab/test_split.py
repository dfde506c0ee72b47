"""Promises of `ab.split`: who gets which text, exactly, and the same every time."""

from __future__ import annotations

import datetime as dt
import json
import math
import pickle
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from itertools import count
from types import SimpleNamespace

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaignkit.ab.allocation import allocate
from campaignkit.ab.splitting import Split, split
from campaignkit.errors import InvalidColumn, InvalidValue
from campaignkit.models import Message
from engines import MAKERS

UNHURRIED = settings(deadline=None)
KEYS = [f"c{number}" for number in range(1003)]
HALVES = {"A": 0.5, "B": 0.5}
QUARTERS = {"A": 0.25, "B": 0.25}


def groups(made, keys=KEYS):
    """Return the group of each key."""
    return {key: made.group_of(key) for key in keys}


def refusal(call, *given, error=InvalidValue, **more):
    """Return the sentence that a call is refused with."""
    with pytest.raises(error) as refused:
        call(*given, **more)
    return str(refused.value)


# --- exact, and the same every time ------------------------------------------------------------

COUNTS = [
    (1003, {}, {"A": 50, "B": 50, "remaining": 903}),
    (7, {}, {"A": 1, "B": 0, "remaining": 6}),
    (0, {}, {"A": 0, "B": 0, "remaining": 0}),
    (100, {"variants": {"A": 0.333, "B": 0.333, "C": 0.334}}, {"A": 33, "B": 33, "C": 34, "remaining": 0}),
    (100, {"variants": {name: Fraction(1, 3) for name in "ABC"}}, {"A": 34, "B": 33, "C": 33, "remaining": 0}),
    (50, {"variants": {"long": 0.1}, "holdout": 0.2}, {"long": 5, "holdout": 10, "remaining": 35}),
    (1003, {"variants": {"B": 0.05, "A": 0.05}, "holdout": 0}, {"B": 50, "A": 50, "remaining": 903}),
]


@pytest.mark.parametrize(("n", "asked", "expected"), COUNTS)
def test_groups_have_exact_sizes_in_their_order(n, asked, expected):
    """Variants in the order given, then the holdout if there is one, then what remains."""
    made = split(KEYS[:n], salt="spring", **asked)

    assert list(expected.items()) == list(made.counts.items())
    assert Counter(groups(made, KEYS[:n]).values()) == Counter(expected)


def test_groups_never_change():
    """These are the groups of these contacts on every machine and in every version."""
    made = split([f"+4477009000{number:02d}" for number in range(20)], variants=QUARTERS, holdout=0.1, salt="été")

    assert made.recipients("A") == [f"+4477009000{number}" for number in ("07", "09", "10", "16", "18")]
    assert made.recipients("B") == [f"+4477009000{number}" for number in ("00", "05", "08", "12", "14")]
    assert made.recipients("holdout") == ["+447700900013", "+447700900019"]


@UNHURRIED
@given(st.lists(st.text(min_size=1).filter(lambda key: key.strip() and key[0] != "+"), unique=True), st.randoms())
def test_order_of_contacts_does_not_matter(keys, chance):
    """However contacts are ordered, each has the same group."""
    mixed = chance.sample(keys, len(keys))

    assert split(keys, variants=QUARTERS, salt="spring") == split(mixed, variants=QUARTERS, salt="spring")
    assert groups(split(keys, salt="s"), keys) == groups(split(mixed, salt="s"), keys)


def test_another_salt_draws_other_groups():
    """With the salt of another test, other contacts are tested."""
    first, second = (set(split(KEYS, variants=HALVES, salt=salt).recipients("A")) for salt in ("spring", "summer"))

    assert 200 < len(first & second) < 300  # a quarter of 1,003 by chance


# --- strata ------------------------------------------------------------------------------------

countries = st.sampled_from(["FR", "US", "DE", None, ""])
people = st.lists(st.tuples(countries, st.booleans()), max_size=60)
plans = st.sampled_from(
    [
        ({"A": 0.05, "B": 0.05}, 0),
        ({"A": 0.1, "B": 0.2}, 0.3),
        ({"A": Fraction(1, 3), "B": Fraction(1, 3)}, 0),
        ({"A": 0.5, "B": 0.25, "C": 0.25}, 0),
    ]
)


@UNHURRIED
@given(people, plans, st.randoms())
def test_strata_are_balanced_and_totals_exact(rows, plan, chance):
    """Totals are exact, each stratum is within 1 of its share, and the order of contacts does not matter."""
    variants, holdout = plan
    contacts = [{"contact_id": number, "country": c, "vip": v} for number, (c, v) in enumerate(rows)]
    asked = {"variants": variants, "holdout": holdout, "salt": "spring", "stratify": ["country", "vip"]}

    made = split(contacts, **asked)

    assert list(made.counts.values()) == allocate(len(rows), made.shares.values())
    sizes = Counter(rows)
    found = Counter((rows[contact["contact_id"]], name) for name in made.shares for contact in made.recipients(name))
    for stratum, size in sizes.items():
        assert all(abs(found[stratum, name] - size * share) <= 1 for name, share in made.shares.items())
    assert made == split(chance.sample(contacts, len(contacts)), **asked)


def test_strata_of_one_contact_each_are_drawn():
    """Who is alone in a stratum is in A by the salt, not by the alphabet, and A is not all that is drawn."""
    contacts = [{"contact_id": f"c{n}", "city": f"{n:04d}"} for n in range(1000)]

    made = split(contacts, salt="spring", stratify="city")

    assert made.counts == {"A": 50, "B": 50, "remaining": 900}
    drawn = [int(contact["city"]) for contact in made.recipients("A")]
    assert 300 < sum(drawn) / 50 < 700  # the middle of 0 to 999
    assert len({place // 100 for place in drawn}) > 7
    other = split(contacts, salt="summer", stratify="city").recipients("A")
    assert len([each for each in other if int(each["city"]) in drawn]) < 15


def test_null_is_a_stratum_of_its_own():
    """Contacts without a value are balanced among themselves, whatever the engine calls nothing."""
    contacts = pd.DataFrame({"contact_id": range(40), "country": ["FR", None, float("nan"), pd.NA] * 10})

    made = split(contacts, variants=HALVES, salt="spring", stratify="country")

    assert Counter(made.recipients("A")["country"].isna()) == {True: 15, False: 5}
    assert made.group_of(1) == made.group_of(1, stratum=(None,))


@pytest.mark.parametrize(
    "value", [True, 5, 1.5, Decimal("1.5"), dt.date(2026, 4, 16), dt.datetime(2026, 4, 16, tzinfo=dt.UTC)]
)
def test_strata_may_be_of_any_plain_value(value):
    """Numbers, dates and truths divide people like the text they print as."""
    contacts = [{"contact_id": number, "since": value} for number in range(4)]

    made = split(contacts, variants=HALVES, salt="spring", stratify="since")

    assert made.group_of("later", stratum=(value,)) == made.group_of("later", stratum=str(value))


def test_same_value_of_another_type_is_the_same_stratum():
    """Whole numbers that a frame holds as floats, because some are null, are the same strata."""
    floats = pd.DataFrame({"contact_id": range(40), "list": [1.0, 2.0, None, 2.0] * 10})
    whole = [{"contact_id": n, "list": [1, 2, None, 2][n % 4]} for n in range(40)]

    one, other = (split(rows, salt="spring", stratify="list", variants=QUARTERS) for rows in (floats, whole))

    assert one == other


@pytest.mark.parametrize("wrong", [["FR"], {"a": 1}, b"FR", 1.5j])
def test_stratum_that_is_no_plain_value_is_refused(wrong):
    """What has no one spelling as text divides nobody."""
    contacts = [{"contact_id": "ana", "country": wrong}]

    sentence = refusal(split, contacts, salt="spring", stratify="country")

    assert "strata are told apart by text, numbers or dates; convert it with str()" in sentence


# --- contacts in any form ----------------------------------------------------------------------

FORMS = {
    "keys": lambda keys: keys,
    "iterator": iter,
    "set": set,
    "mappings": lambda keys: [{"contact_id": key, "country": "FR"} for key in keys],
    "objects": lambda keys: [SimpleNamespace(contact_id=key) for key in keys],
    "messages": lambda keys: [Message(status="pending", contact_id=key) for key in keys],
    "pandas column": pd.Series,
    "polars column": pl.Series,
    "array": np.array,
    "narwhals": lambda keys: nw.from_native(pl.DataFrame({"contact_id": keys})),
    "categories": lambda keys: pl.DataFrame({"contact_id": pl.Series(keys, dtype=pl.Categorical)}),
}


@pytest.mark.parametrize("form", FORMS)
def test_contacts_are_read_in_any_form(form):
    """The same keys have the same groups, whatever they come in."""
    assert split(KEYS, salt="spring") == split(FORMS[form](KEYS), salt="spring")


@pytest.mark.parametrize("form", [list, np.array, pd.Series, lambda keys: list(map(str, keys))])
def test_whole_numbers_are_keys_like_their_text(form):
    """A contact that one system calls 5 and another "5" is one."""
    assert split(range(50), salt="spring") == split(form(range(50)), salt="spring")


def test_key_may_have_another_name():
    """The number itself may tell contacts apart, if it is in E.164."""
    contacts = [Message(status="pending", to=f"+1202555{number:04d}") for number in range(100, 200)]

    made = split(contacts, key="to", variants=HALVES, salt="spring")

    assert made.variant_of("+12025550100") in {"A", "B"}
    assert contacts == sorted(made.recipients("A") + made.recipients("B"), key=lambda each: each.to)


def test_equal_keys_are_one_contact():
    """The first of equal keys counts; the others are in no group, and counted."""
    contacts = [{"contact_id": key, "place": place} for place, key in enumerate(["ana", "ben", "ana", "eve", "ana"])]

    made = split(contacts, variants=HALVES, salt="spring")

    assert made.duplicates == 2
    assert sorted(each["place"] for name in made.shares for each in made.recipients(name)) == [0, 1, 3]
    assert sorted(each["place"] for each, _ in made.send_order()) == [0, 1, 3]
    assert "; 2 left out, their key was there before" in str(made)


EMPTY = "contact_id is empty: every contact needs a key of its own; fill it, or drop the row"
NO_TYPE = "a key is text or a whole number; read it so, or convert it with str()"
E164 = "a number that begins with + must be in E.164, or one person would be two contacts; parse_phones writes it so"
WRONG_KEYS = [
    (["ana", ""], f"row 1: {EMPTY}"),
    ([" \n"], f"row 0: {EMPTY}"),
    (["ana", None], f"row 1: {EMPTY}"),
    ([None, "ana"], f"row 0: {EMPTY}"),
    ([1, float("nan")], f"row 1: {EMPTY}"),
    ([1, pd.NA], f"row 1: {EMPTY}"),
    ([{"contact_id": "ana"}, {}], f"row 1: {EMPTY}"),
    (pl.DataFrame({"contact_id": ["ana", None]}), f"row 1: {EMPTY}"),
    (pd.DataFrame({"contact_id": ["ana", None]}), f"row 1: {EMPTY}"),
    (["ana", 1.0], f"row 1: contact_id is 1.0: {NO_TYPE}"),
    (["ana", True], f"row 1: contact_id is True: {NO_TYPE}"),
    ([b"ana"], f"row 0: contact_id is b'ana': {NO_TYPE}"),
    ([["ana"], []], f"row 0: contact_id is ['ana']: {NO_TYPE}"),
    (["ana", "+1 202 555 0100"], f"row 1: contact_id is '+1 202 555 0100': {E164}"),
    (["+0044"], f"row 0: contact_id is '+0044': {E164}"),
    (["eve", "+12025550100\nana"], f"row 1: contact_id is '+12025550100\\nana': {E164}"),
    (["+12025550100\n"], f"row 0: contact_id is '+12025550100\\n': {E164}"),
]


@pytest.mark.parametrize(("contacts", "sentence"), WRONG_KEYS, ids=[str(place) for place in range(len(WRONG_KEYS))])
def test_contact_without_a_key_is_refused(contacts, sentence):
    """The row is named, the rule, and the way out."""
    assert sentence == refusal(split, contacts, salt="spring")


@pytest.mark.parametrize("key", ["ana\nben", " +1", "\nana", "ana\n", "a\u2028b", "0044", "a+b", "１"])
def test_any_other_text_is_a_key(key):
    """Keys are what the host's system says, odd ones too."""
    assert split([key, "eve"], variants=HALVES, salt="spring").counts == {"A": 1, "B": 1, "remaining": 0}


NO_FORM = [
    ("ana", "contacts is 'ana': give a frame, or an iterable of keys, objects or mappings"),
    ({"ana": 1}, "contacts is {'ana': 1}: give a frame, or an iterable of keys, objects or mappings"),
    (5, "contacts is 5: give a frame, or an iterable of keys, objects or mappings"),
    ([{"contact_id": "ana"}, "ben"], "row 1 is a str, row 0 a dict: give one kind"),
]


@pytest.mark.parametrize(("contacts", "sentence"), NO_FORM)
def test_what_are_no_contacts_is_refused(contacts, sentence):
    """One text is not several contacts, and rows are of one kind."""
    assert sentence == refusal(split, contacts, salt="spring")


COLUMNS = [
    ([{"contact": "ana"}], {}, "no contact has 'contact_id', row 0 is a dict; nearest: contact"),
    ([SimpleNamespace(contact="ana")], {}, "no contact has 'contact_id', row 0 is a SimpleNamespace; nearest: contact"),
    (
        [{"contact_id": "ana", "country": "FR"}],
        {"stratify": "county"},
        "no contact has 'county', row 0 is a dict; nearest: country",
    ),
    (pl.DataFrame({"contact": ["ana"]}), {}, "the frame has no 'contact_id'; nearest: contact"),
    (pl.LazyFrame({"contact_id": ["ana"]}), {"stratify": ["city"]}, "the frame has no 'city'; nearest: contact_id"),
    (
        pl.DataFrame({"variant": ["ana"]}),
        {"key": "variant"},
        "key is 'variant', where the variants are to be written: rename the column of keys",
    ),
    (
        ["ana"],
        {"stratify": "country"},
        "stratify names 'country', and contacts are keys alone: give objects, mappings or a frame",
    ),
]


@pytest.mark.parametrize(("contacts", "asked", "sentence"), COLUMNS)
def test_column_that_nobody_has_is_refused(contacts, asked, sentence):
    """A wrong name is an error with the nearest right one, not one large stratum."""
    assert sentence == refusal(split, contacts, salt="spring", error=InvalidColumn, **asked)


def test_value_that_some_mappings_lack_is_null():
    """Not every contact must have the column of strata."""
    made = split([{"contact_id": 1, "country": "FR"}, {"contact_id": 2}], variants=HALVES, salt="s", stratify="country")

    assert sorted(made.counts.values()) == [0, 1, 1]


def test_lists_load_no_frames():
    """Whoever splits a list does not wait for what reads frames."""
    code = (
        "import sys; from campaignkit import ab; ab.split(['ana'], salt='s').send_order();"
        " ab.plan(audience=100, baseline=0.1, lift=0.2); sys.exit('narwhals' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603 - this Python


# --- what was asked ----------------------------------------------------------------------------

WRONG = [
    ({"salt": ""}, "salt is '': must be a text of this test alone; give its name, like salt=\"spring-1\""),
    ({"salt": 42}, 'salt is 42: must be a text of this test alone; give its name, like salt="spring-1"'),
    ({"variants": {}}, 'variants is {}: give the share of each, of at most 100, like {"A": 0.05, "B": 0.05}'),
    ({"variants": ["A"]}, 'variants is [\'A\']: give the share of each, of at most 100, like {"A": 0.05, "B": 0.05}'),
    ({"variants": {"": 0.1}}, "variants names '': must be text; give each variant a name"),
    ({"variants": {1: 0.1}}, "variants names 1: must be text; give each variant a name"),
    ({"variants": {"A": 0.1, "a ": 0.1}}, "variants names 'a ', which reads like 'A'; choose another name"),
    (
        {"variants": {"Holdout": 0.1}},
        "variants names 'Holdout', which is an argument of its own, holdout=; choose another name",
    ),
    (
        {"variants": {"remaining": 0.1}},
        "variants names 'remaining', which is what is left by itself; choose another name",
    ),
    ({"variants": {"A": 0}}, "the share of 'A' is 0: nobody would get it; give it a share, or leave it out"),
    (
        {"variants": {"A": -0.1}},
        "the share of 'A' is -0.1: must be a number, 0 or more; give it like 0.05, or Fraction(1, 3)",
    ),
    ({"variants": {"A": 0.6, "B": 0.5}}, "the shares add up to 1.1: must be at most 1 in all; 5 % is 0.05"),
    ({"variants": {"A": 5, "B": 5}}, "the shares add up to 10: must be at most 1 in all; 5 % is 0.05"),
    ({"holdout": 0.95}, "the shares add up to 1.05: must be at most 1 in all; 5 % is 0.05"),
    ({"key": 5}, "key and stratify name columns, and 5 is no name; give text"),
    ({"stratify": [None]}, "key and stratify name columns, and None is no name; give text"),
    ({"holdout": None}, "holdout is None: must be a number, 0 or more; give it like 0.05, or Fraction(1, 3)"),
]


@pytest.mark.parametrize(("asked", "sentence"), WRONG)
def test_what_cannot_be_split_is_refused(asked, sentence):
    """Names that are taken, shares that are none or too much, and no salt."""
    assert sentence == refusal(split, KEYS, **{"salt": "spring", **asked})


def test_decimal_shares_fill_everything():
    """Ten times 0.1 is everybody, which it is not in binary."""
    made = split(KEYS, variants={f"v{number}": 0.1 for number in range(10)}, salt="spring")

    assert made.counts["remaining"] == 0
    assert made.shares["remaining"] == 0
    assert made.group_of("not there") != "remaining"


# --- who is in a group -------------------------------------------------------------------------


def test_recipients_are_those_that_were_given():
    """Contacts come back themselves, in the order they had, each in one group."""
    contacts = [SimpleNamespace(contact_id=key) for key in KEYS]

    made = split(contacts, salt="spring", holdout=0.1)
    found = {name: made.recipients(name) for name in made.shares}

    assert made.counts == {name: len(each) for name, each in found.items()}
    assert sorted(map(id, contacts)) == sorted(id(each) for some in found.values() for each in some)
    for some in found.values():
        assert [contacts.index(each) for each in some] == sorted(contacts.index(each) for each in some)


def test_rest_is_everybody_else():
    """The rest is sent the chosen variant; nobody of the test or the holdout is in it."""
    made = split(KEYS, salt="spring", holdout=0.1)

    assert made.remaining(send="B") == [(key, "B") for key in made.recipients("remaining")]


NOT_CHOSEN = [
    (None, "send is None: no variant was chosen, and the rest cannot be sent nothing; give one of A, B, or wait"),
    ("C", "send is 'C': not one of this split; nearest: A, B"),
    ("holdout", "send is 'holdout': not one of this split; nearest: A, B"),
]


@pytest.mark.parametrize(("send", "sentence"), NOT_CHOSEN)
def test_rest_without_a_variant_is_refused(send, sentence):
    """No decision sends nothing to anybody."""
    assert sentence == refusal(split(KEYS, salt="spring", holdout=0.1).remaining, send=send)


def test_unknown_group_is_refused():
    """The names of the groups are shown."""
    made = split(KEYS, salt="spring")

    assert refusal(made.recipients, "C") == "group is 'C': not one of this split; nearest: A, B, remaining"
    assert refusal(made.expected, ["holdout"]) == "group is 'holdout': not one of this split; nearest: A, B, remaining"


@UNHURRIED
@given(st.integers(0, 60), plans)
def test_variants_take_turns(n, plan):
    """Wherever sending stops, each variant was sent its share, give or take less than one."""
    variants, holdout = plan
    made = split(KEYS[:n], variants=variants, holdout=holdout, salt="spring")

    order = made.send_order()

    assert sorted(order) == sorted((key, name) for name in made.variants for key in made.recipients(name))
    sent = Counter()
    for step, (_, name) in enumerate(order, 1):
        sent[name] += 1
        due = {each: Fraction(step * made.counts[each], made.test_size) for each in made.variants}
        assert all(abs(sent[each] - due[each]) < 1 for each in due)


def test_order_within_a_variant_is_drawn():
    """Whoever comes first in the list is not sent first: the order is drawn, and the same for every order given."""
    one, other = (split(keys, variants=HALVES, salt="spring").send_order() for keys in (KEYS, KEYS[::-1]))

    assert one == other
    assert [key for key, _ in one] != sorted((key for key, _ in one), key=KEYS.index)


def test_group_of_a_contact_is_known_by_its_key():
    """A key says the group, of who was there and of who comes later."""
    made = split(KEYS, salt="spring", variants=QUARTERS, holdout=0.25)

    assert all(key in made.recipients(name) for key, name in groups(made, KEYS[:20]).items())
    later = Counter(made.group_of(f"later {number}") for number in range(4000))
    assert all(900 < later[name] < 1100 for name in made.shares)


def test_variant_of_who_gets_no_text_of_the_test_is_none():
    """Holdout and rest have a group and no variant."""
    made = split(KEYS, salt="spring", variants=QUARTERS, holdout=0.25)

    assert {made.variant_of(key) for key in made.recipients("A")} == {"A"}
    assert {made.variant_of(key) for key in made.recipients("holdout")} == {None}
    assert {made.variant_of(key) for key in made.recipients("remaining")} == {None}


@pytest.mark.parametrize(("key", "sentence"), [("", EMPTY), ("+1 202", f"contact_id is '+1 202': {E164}")])
def test_group_of_no_key_is_refused(key, sentence):
    """A key that nobody could have has no group."""
    assert sentence == refusal(split(KEYS, salt="spring").group_of, key)


STRATIFIED = [{"contact_id": f"c{n}", "country": ["FR", "US"][n % 2], "vip": n % 3 == 0} for n in range(60)]


def stratified(**more):
    """Return a split by two columns."""
    return split(STRATIFIED, variants=QUARTERS, salt="spring", stratify=["country", "vip"], **more)


def test_group_in_strata_needs_the_stratum_of_who_was_not_there():
    """Who was there is known; of others the stratum is asked, and must be one that was split."""
    made = stratified()

    assert all(each in made.recipients(made.group_of(each["contact_id"])) for each in STRATIFIED)
    assert made.group_of("later", stratum=("FR", True)) in made.shares
    assert refusal(made.group_of, "later") == (
        "contact_id is 'later': not one of these contacts, and the split is by country, vip; give stratum=, like"
        ' stratum=("FR",)'
    )
    assert refusal(made.group_of, "later", stratum="FR") == "stratum is 'FR': give a value for each of country, vip"
    assert refusal(made.group_of, "later", stratum=("DE", True)).startswith(
        "stratum is ('DE', 'True'): nobody of it was split, so it has no groups; correct it, or leave the contact out;"
        " the split has ('FR', 'False'), "
    )


def test_one_stratum_may_be_named_alone():
    """A split by one column takes its value as it is."""
    made = split(STRATIFIED, variants=QUARTERS, salt="spring", stratify="country")

    assert made.group_of("later", stratum="FR") == made.group_of("later", stratum=("FR",))


# --- frames ------------------------------------------------------------------------------------

ENGINES = {
    "polars": lambda frame: frame,
    "lazy": lambda frame: frame.lazy(),
    "pandas": lambda frame: frame.to_pandas().set_index(pd.Index([7] * len(frame))),
    "pyarrow": lambda frame: frame.to_arrow(),
    **MAKERS,
}


def table(frame):
    """Return a frame of any engine as mappings."""
    return list(nw.from_native(frame).lazy().collect().iter_rows(named=True))


@pytest.mark.parametrize("engine", ENGINES)
def test_frame_comes_back_as_a_frame_of_its_engine(engine):
    """Recipients, turns and the rest are frames like the one given, with a variant, and the same as of a list."""
    frame = ENGINES[engine](pl.DataFrame([{**each, "variant": "old"} for each in STRATIFIED]))

    made = split(frame, variants=QUARTERS, salt="spring", stratify=["country", "vip"])

    assert made == stratified()
    for name in made.shares:
        found = made.recipients(name)
        assert type(found) is type(frame)
        given = stratified().recipients(name)
        assert sorted(table(found), key=str) == sorted(({**each, "variant": name} for each in given), key=str)
    turns = [(each["contact_id"], each["variant"]) for each in table(made.send_order())]
    assert turns == [(each["contact_id"], variant) for each, variant in stratified().send_order()]
    rest = [(each["contact_id"], each["variant"]) for each in table(made.remaining(send="B"))]
    assert sorted(rest) == sorted((each["contact_id"], variant) for each, variant in stratified().remaining(send="B"))


@pytest.mark.parametrize("engine", ENGINES)
def test_frame_of_whole_numbers(engine):
    """Keys that are numbers stay numbers, equal ones are sent once, and a group may be empty."""
    frame = ENGINES[engine](pl.DataFrame({"contact_id": [*range(10), 3, 3], "name": "ana"}))

    made = split(frame, variants={"A": 0.5, "B": 0.04}, salt="spring")

    assert made.duplicates == 2
    everybody = sorted(each["contact_id"] for name in made.shares for each in table(made.recipients(name)))
    assert everybody == list(range(10))
    empty = nw.from_native(made.recipients("B")).lazy().collect()
    assert (empty.columns, len(empty)) == (["contact_id", "name", "variant"], 0)


def test_only_the_key_is_read_of_a_lazy_frame():
    """What is not asked for is not computed."""

    def fail(_):
        raise AssertionError

    frame = pl.LazyFrame({"contact_id": KEYS}).with_columns(
        pl.col("contact_id").map_batches(fail, return_dtype=pl.String).alias("costly")
    )

    assert split(frame, salt="spring").counts == {"A": 50, "B": 50, "remaining": 903}


def test_lazy_frame_may_change_its_order():
    """A lazy frame that gives its rows in another order each time moves nobody."""
    times = count()

    def turned(frame):
        return frame if next(times) % 2 else frame.reverse()

    made = split(
        pl.LazyFrame(STRATIFIED).map_batches(turned), variants=QUARTERS, salt="spring", stratify=["country", "vip"]
    )

    for _ in range(2):
        turns = made.send_order().collect()
        assert turns.rows() == [(*each.values(), variant) for each, variant in stratified().send_order()]
        assert {made.group_of(each) for each in made.recipients("A").collect()["contact_id"]} == {"A"}


def test_frame_may_be_changed_afterwards():
    """Changing a frame does not move anybody to another group."""
    frame = pd.DataFrame({"contact_id": KEYS})
    made = split(frame, salt="spring")

    frame["contact_id"] = KEYS[::-1]

    assert made.recipients("A")["contact_id"].tolist() == split(KEYS, salt="spring").recipients("A")


# --- written down ------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [split(KEYS, salt="été", holdout=0.1), stratified(), split([], salt="spring")])
def test_split_survives_json(made):
    """What was written is read again, equal, and writes the same."""
    read = Split.from_json(made.to_json())

    assert read == made
    assert read.to_json() == made.to_json()
    assert read.counts == made.counts
    assert Split.from_json(made.to_json().encode()) == made


@pytest.mark.parametrize("shuffled", [KEYS, KEYS[::-1], KEYS[500:] + KEYS[:500]])
def test_contacts_given_again_have_the_same_groups(shuffled):
    """A split read from JSON gives the same contacts the same groups, in whatever order and form."""
    made = split(KEYS, salt="spring", holdout=0.1)

    again = Split.from_json(made.to_json()).assign(pl.DataFrame({"contact_id": shuffled}))

    assert again == made
    for name in made.shares:
        assert sorted(made.recipients(name)) == sorted(again.recipients(name)["contact_id"])
    assert again.send_order().rows() == made.send_order()


def test_strata_given_again_have_the_same_groups():
    """Strata too; a stratum that was not split is refused, because nobody of it can be placed."""
    made = stratified()
    read = Split.from_json(made.to_json())

    assert read.group_of("c5", stratum=("US", False)) == made.group_of("c5")
    assert read.assign(STRATIFIED[::-1]).recipients("A") == made.recipients("A")[::-1]
    new = [*STRATIFIED, {"contact_id": "new", "country": "DE", "vip": False}]
    assert "nobody of it was split" in refusal(read.assign, new)


def test_contacts_that_left_or_came_move_nobody():
    """Of another list, who was there keeps the group, and the counts are those of the list."""
    made = split(KEYS, salt="spring", variants=QUARTERS)

    later = made.assign([*KEYS[100:], "new"])

    assert groups(later, KEYS[100:]) == groups(made, KEYS[100:])
    assert sum(later.counts.values()) == 904
    assert [key for key in made.recipients("A") if key in KEYS[100:]] == [
        key for key in later.recipients("A") if key != "new"
    ]


def test_json_names_nobody():
    """No key is in it, and a cut fits the hashes of thousands of numbers."""
    numbers = [f"+1202555{number:04d}" for number in range(100, 200)]
    contacts = [{"to": number, "country": "US"} for number in numbers]

    text = split(contacts, key="to", salt="spring", stratify="country", variants=QUARTERS).to_json()

    assert not any(number[1:] in text for number in numbers)
    ((stratum, cuts),) = json.loads(text)["cuts"]
    assert stratum == ["US"]
    assert all(len(cut) <= 4 for cut in cuts)


def changed(**fields):
    """Return the JSON of a split with other values."""
    return json.dumps(json.loads(split(KEYS, salt="spring").to_json()) | fields)


NO_SPLIT = "this is no split: give the text that Split.to_json returned"
CHANGED = "this split was changed since it was written: give the text that Split.to_json returned"
TAMPERED = [
    ("", NO_SPLIT),
    ("{}", NO_SPLIT),
    ("[1]", NO_SPLIT),
    ("[" * 100_000, NO_SPLIT),
    (None, NO_SPLIT),
    (changed(format="another"), NO_SPLIT),
    (changed(version=2), "this split is of version 2, and this campaignkit reads 1: update campaignkit"),
    (changed(version="1"), CHANGED),
    (changed(salt="summer"), CHANGED),
    (changed(shares={"A": "1/10", "B": "1/20", "remaining": "17/20"}), CHANGED),
    (changed(cuts=[[[], ["80", "90"]]]), CHANGED),
    (changed(check=""), CHANGED),
    (changed(more=1), CHANGED),
]


@pytest.mark.parametrize(("text", "sentence"), TAMPERED, ids=[str(place) for place in range(len(TAMPERED))])
def test_json_that_was_changed_is_refused(text, sentence):
    """Groups are not moved by hand, and a later version is not guessed at."""
    assert sentence == refusal(Split.from_json, text)


def test_split_without_contacts_says_so():
    """A split read from JSON knows groups, and asks for contacts where it needs them."""
    read = Split.from_json(split(KEYS, salt="spring").to_json())
    sentence = "this split was read from JSON and has no contacts: give them with split.assign(contacts)"

    assert sentence == refusal(read.recipients, "A") == refusal(read.send_order) == refusal(read.remaining, send="A")
    assert read.variant_of("c0") == split(KEYS, salt="spring").variant_of("c0")


def test_strata_without_contacts_ask_for_the_stratum():
    """Without contacts nobody's stratum is known."""
    read = Split.from_json(stratified().to_json())

    assert "give stratum=" in refusal(read.group_of, "c0")


# --- what a comparison needs, and what is shown ------------------------------------------------


def test_expected_shares_are_those_of_the_counts():
    """A test that was sent as it was split has exactly the shares it should have."""
    made = split(KEYS[:103], variants={"A": 0.1, "B": 0.2}, holdout=0.1, salt="spring")

    assert (made.counts, made.test_size) == ({"A": 10, "B": 21, "holdout": 10, "remaining": 62}, 31)
    assert made.expected() == {"A": 10 / 31, "B": 21 / 31}
    assert made.expected(["B", "remaining"]) == {"B": 21 / 83, "remaining": 62 / 83}
    assert math.isclose(sum(made.expected(made.shares).values()), 1)


def test_expected_shares_of_nobody():
    """Without contacts they are the shares that were asked for."""
    made = split([], variants={"A": 0.6, "B": 0.4}, salt="spring")

    assert made.expected(["A", "B"]) == {"A": 0.6, "B": 0.4}
    assert made.expected(["remaining"]) == {"remaining": 0.0}


def test_split_is_printed_as_a_table():
    """A line for each group, and what it was made with."""
    made = split(STRATIFIED, variants={"A": 0.05, "B": Fraction(1, 3)}, salt="spring", stratify=["country"])

    assert str(made) == (
        "group       share  contacts\n"
        "A           5.0 %         3\n"
        "B          33.3 %        20\n"
        "remaining  61.7 %        37\n"
        "60 contacts by contact_id, salt 'spring', balanced by country"
    )


def test_names_are_escaped_in_a_notebook():
    """A variant's name is text, and contacts are not shown."""
    made = split(["ana"], variants={"<b>": 0.5}, salt="<i>")

    assert "&lt;b&gt;" in made._repr_html_()
    assert "<i>" not in made._repr_html_()
    assert "ana" not in repr(made) + str(made) + made._repr_html_()


def test_split_survives_pickling():
    """With its contacts, for a job in another process."""
    made = split(KEYS, salt="spring")

    assert pickle.loads(pickle.dumps(made)).recipients("A") == made.recipients("A")  # noqa: S301 - our own
