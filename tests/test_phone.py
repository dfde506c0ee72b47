"""Telephone numbers: one text, one number or one clear refusal.

Numbers written out here lie in ranges reserved for fiction, or are no numbers at all. What
holds for every region is checked on the example numbers phonenumbers carries.
"""

import pickle
import re
from itertools import zip_longest
from zoneinfo import ZoneInfo

import attrs
import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from phonenumbers.timezone import time_zones_for_number

from campaignkit import phone as phone_module
from campaignkit.errors import InvalidValue
from campaignkit.phone import LineType, Phone, parse_phone, parse_phones

UNHURRIED = settings(deadline=None)  # the first number of a region loads that region's data
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
EXAMPLE = 'write it like "+12025550143"'
FOREIGN = f"where only ASCII digits, spaces and + - . ( ) belong; {EXAMPLE}"
TOO_SHORT = "is too short for a telephone number; check that no digits are missing"
TOO_LONG = "is too long for a telephone number; give one number, of at most 15 digits"
NO_COUNTRY = 'has no country code; give region=, like region="US", or start it with + and the country code'
NO_SUCH_COUNTRY = "begins with a country code that nobody has; check the digits after the prefix"

LINE_TYPES = {
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.FIXED_LINE: "landline",
    PhoneNumberType.FIXED_LINE_OR_MOBILE: "mobile_or_landline",
    PhoneNumberType.TOLL_FREE: "toll_free",
    PhoneNumberType.PREMIUM_RATE: "premium",
    PhoneNumberType.SHARED_COST: "shared_cost",
    PhoneNumberType.VOIP: "voip",
    PhoneNumberType.PERSONAL_NUMBER: "personal",
    PhoneNumberType.PAGER: "pager",
    PhoneNumberType.UAN: "uan",
    PhoneNumberType.VOICEMAIL: "voicemail",
}


def e164(number):
    """Write a number of phonenumbers as E.164."""
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def examples():
    """Return phonenumbers' example of every type in every region, and of every world-wide service."""
    codes = phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS
    found = [phonenumbers.example_number_for_type(region, kind) for region in REGIONS for kind in LINE_TYPES]
    return [each for each in found if each] + [phonenumbers.example_number_for_non_geo_entity(code) for code in codes]


def slow_answer(number):
    """Ask phonenumbers each question by its own function, as its documentation does."""
    region = phonenumbers.region_code_for_number(number)
    zones = time_zones_for_number(number)
    return Phone(
        e164=e164(number),
        region=None if region == "001" else region,
        line_type=LineType(LINE_TYPES[phonenumbers.number_type(number)]),
        valid=phonenumbers.is_valid_number(number),
        zones=() if zones == ("Etc/Unknown",) else zones,
    )


def refusal(text, region=None):
    """Return the sentence a text is refused with."""
    with pytest.raises(InvalidValue) as caught:
        parse_phone(text, region)
    return str(caught.value)


def told(found):
    """Make answers comparable: errors by type and sentence."""
    return [(type(each), str(each)) if isinstance(each, InvalidValue) else each for each in found]


EXAMPLES = examples()
FICTION = st.one_of(
    st.builds("+1{}55501{:02}".format, st.sampled_from([201, 202, 415, 808]), st.integers(0, 99)),
    st.builds("+447700900{:03}".format, st.integers(0, 999)),
    st.builds("+442079460{:03}".format, st.integers(0, 999)),
    st.sampled_from(["+61491570006", "+61491570156"]),
    st.builds("+3363998{:04}".format, st.integers(0, 9999)),
)
DIGITS = "0123456789"
SPELLINGS = st.one_of(
    FICTION,
    st.text("+ ().-" + DIGITS, max_size=24),
    st.text(DIGITS, min_size=4, max_size=16),
    st.builds(
        "+{}{}{}".format,
        st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)),
        st.sampled_from(["", "0", "00", "1"]),
        st.text(DIGITS, min_size=4, max_size=13),
    ),
    # The beginning of a real range, with another end: valid about half of the time.
    st.builds(
        lambda known, end: known[: max(5, len(known) - len(end))] + end,
        st.sampled_from([e164(each) for each in EXAMPLES]),
        st.text(DIGITS, max_size=5),
    ),
)
HOMES = st.none() | st.sampled_from(REGIONS)


# --- one number ------------------------------------------------------------------------------


def test_says_everything_the_digits_tell():
    """A number in a known range has region, line type and time zones."""
    actual = parse_phone("+1 201 555 0143")

    expected = Phone(
        e164="+12015550143",
        region="US",
        line_type=LineType.MOBILE_OR_LANDLINE,
        valid=True,
        zones=("America/New_York",),
    )
    assert expected == actual


def test_fiction_is_possible():
    """A number of a range given to nobody is accepted, and nothing is made up about it."""
    actual = parse_phone("07700 900123", region="GB")

    expected = Phone(e164="+447700900123", region=None, line_type=LineType.UNKNOWN, valid=False, zones=())
    assert expected == actual
    assert actual.textable


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("+12015550143", None, "+12015550143"),
        ("+1 (201) 555-0143", None, "+12015550143"),
        ("  +1.201.555.0143 ", None, "+12015550143"),
        ("(+1) 201 555 0143", None, "+12015550143"),
        ("+ 1 201 555 0143", None, "+12015550143"),
        ("(201) 555-0143", "US", "+12015550143"),
        ("1-201-555-0143", "us", "+12015550143"),
        ("12015550143", "US", "+12015550143"),
        ("201.555.0143", "CA", "+12015550143"),
        ("020 7946 0123", "GB", "+442079460123"),
        ("+44 (0)20 7946 0123", None, "+442079460123"),
        ("+44 (0)20 7946 0123", "US", "+442079460123"),
        ("0044 20 7946 0123", "FR", "+442079460123"),
        ("0011 44 20 7946 0123", "AU", "+442079460123"),
        ("011 44 20 7946 0123", "US", "+442079460123"),
        ("0491 570 006", "AU", "+61491570006"),
        ("+61491570156", None, "+61491570156"),
        ("06 39 98 12 34", "FR", "+33639981234"),
    ],
)
def test_reads_what_people_write(text, region, expected):
    """Ordinary formatting and dialling prefixes lead to the one E.164 spelling."""
    assert expected == parse_phone(text, region).e164


@pytest.mark.parametrize(
    ("text", "character"),
    [
        ("+\u0661\u0662\u0660\u0661\u0665\u0665\u0665\u0660\u0661\u0664\u0663", r"\u0661"),
        ("+\uff11\uff12\uff10\uff11\uff15\uff15\uff15", r"\uff11"),
        ("+1201555014\u0663", r"\u0663"),
        ("+1\u200b2015550143", r"\u200b"),
        ("+1\u202e2015550143", r"\u202e"),
        ("+1\u00a02015550143", r"\xa0"),
        ("\uff0b12015550143", r"\uff0b"),
        ("+12015550143\x00", r"\x00"),
        ("+12015550143\n", r"\n"),
        ("+1201\t5550143", r"\t"),
        ("tel:+12015550143", "t"),
        ("+1 201 FICTION", "F"),
        ("+12015550143 x12", "x"),
        ("+12015550143;ext=5", ";"),
        ("+12015550143/44", "/"),
        ("1.2015550143e10", "e"),
        ("\ud800", r"\ud800"),
    ],
)
def test_refuses_foreign_characters(text, character):
    """Digits of other scripts, letters and what cannot be seen are never guessed at (T-P01, T-P03)."""
    assert f"phone is {text!r}: has '{character}', {FOREIGN}" == refusal(text, "US")


@pytest.mark.parametrize("text", ["", "  ", "+", "()-.", "++12015550143", "1+2015550143", "-2015550143"])
def test_refuses_shapes_of_no_number(text):
    """A number has one sign at most, in front, and a digit before other marks."""
    assert f"phone is {text!r}: is not put together like a telephone number; {EXAMPLE}" == refusal(text, "US")


def test_refuses_a_number_read_as_a_float():
    """The .0 of a float column would lengthen a number of a country that has several lengths."""
    expected = (
        "phone is '442079460123.0': ends like a float, whose last 0 is no digit of the number; read the column as text"
    )
    assert expected == refusal("442079460123.0", "GB")


@pytest.mark.parametrize(
    ("text", "region", "reason"),
    [
        ("(201) 555-0143", None, NO_COUNTRY),
        ("0044 20 7946 0123", None, NO_COUNTRY),
        ("+999 2015550143", None, NO_SUCH_COUNTRY),
        ("+0442079460123", None, NO_SUCH_COUNTRY),
        ("+0442079460123", "GB", NO_SUCH_COUNTRY),
        ("+020 7946 0123", "GB", NO_SUCH_COUNTRY),
        ("00999 2015550143", "GB", NO_SUCH_COUNTRY),
    ],
)
def test_refuses_without_a_country(text, region, reason):
    """A number says its country, or the caller does; after plus, the region does not help out."""
    assert f"phone is {text!r}: {reason}" == refusal(text, region)


@pytest.mark.parametrize(
    ("text", "region", "reason"),
    [
        ("+1", None, TOO_SHORT),
        ("5", "US", TOO_SHORT),
        ("+441", None, TOO_SHORT),
        ("00441", "GB", TOO_SHORT),
        ("+" + "1" * 16, None, "is too long for a number of its country; check its digits and its country"),
        ("+" + "1" * 20, None, TOO_LONG),
        ("+49" + "1" * 14, None, TOO_LONG),
        ("2" * 20, "US", TOO_LONG),
        ("+1 2015550143 2015550144", None, TOO_LONG),
        ("+1 201 555 014", None, "is too short for a number of its country; check its digits and its country"),
        ("+1 201 555 01433", None, "is too long for a number of its country; check its digits and its country"),
        (
            "+61 491 570 00600",
            None,
            "has more or fewer digits than any number of its country; check its digits and its country",
        ),
        ("555-0143", "US", "is complete only for callers of the same area; give it with its area code"),
        ("+1 555 0143", None, "is complete only for callers of the same area; give it with its area code"),
    ],
)
def test_refuses_impossible_lengths(text, region, reason):
    """A number has at most 15 digits, and as many as its country uses (T-P05)."""
    assert f"phone is {text!r}: {reason}" == refusal(text, region)


def test_refuses_what_would_be_two_numbers():
    """Each reading of a doubled prefix drops a zero, so there is no one number it means."""
    expected = "phone is '+61 00 4915 7000': has more prefixes than one; leave out the zeros before the area code"
    assert expected == refusal("+61 00 4915 7000")


@pytest.mark.parametrize(
    ("value", "kind"),
    [(None, "NoneType"), (12015550143, "int"), (12015550143.0, "float"), (b"+12015550143", "bytes"), ([], "list")],
)
def test_refuses_what_is_no_text(value, kind):
    """A number kept as a number has lost its plus and its zeros, so it is not guessed at."""
    expected = (
        f"phone is of type {kind}: must be text, because a number loses its + and its leading zeros; "
        'write it like "+12025550143"'
    )
    assert expected == refusal(value)


@pytest.mark.parametrize("unit", ["1", "+", " ", "(", "\u200b"])
def test_huge_text_never_reaches_phonenumbers(monkeypatch, unit):
    """A megabyte is refused by its length alone, in a sentence of ordinary length."""
    monkeypatch.setattr(phone_module, "parse", None)
    monkeypatch.setattr(phone_module, "number_type", None)

    sentence = refusal("+1" + unit * 1_000_000)

    assert sentence.endswith(TOO_LONG)
    assert len(sentence) < 200


@pytest.mark.parametrize("region", ["UK", "ZZ", "001", "USA", "", 44])
def test_refuses_an_unknown_region(region):
    """A region that is no country is the caller's mistake, even where it would not be asked."""
    expected = f'region is {region!r}: must be two letters of ISO 3166; give region="GB", for example'
    assert expected == refusal("+12015550143", region)
    with pytest.raises(InvalidValue, match="must be two letters of ISO 3166"):
        parse_phones(["+12015550143"], region)


def test_plus_means_the_same_everywhere():
    """The region is not asked about a number that begins with plus."""
    actual = {parse_phone("+44 20 7946 0123", region) for region in REGIONS}

    assert {parse_phone("+442079460123")} == actual


@pytest.mark.parametrize(
    ("line_type", "expected"),
    [
        (LineType.MOBILE, True),
        (LineType.LANDLINE, False),
        (LineType.MOBILE_OR_LANDLINE, True),
        (LineType.TOLL_FREE, False),
        (LineType.PREMIUM, False),
        (LineType.SHARED_COST, False),
        (LineType.VOIP, True),
        (LineType.PERSONAL, True),
        (LineType.PAGER, True),
        (LineType.UAN, False),
        (LineType.VOICEMAIL, False),
        (LineType.UNKNOWN, True),
    ],
)
def test_textable(line_type, expected):
    """Only a line known to carry nothing but voice is not textable."""
    actual = attrs.evolve(parse_phone("+12015550143"), line_type=line_type)

    assert expected == actual.textable


def test_every_line_type_is_decided():
    """Each type of phonenumbers has a name of ours, and each name a type."""
    named = {phone_module._LINE_TYPES[kind] for kind in PhoneNumberType.values()}

    assert set(LineType) == named


def test_is_a_value():
    """A phone is frozen, hashable and survives pickling."""
    actual = parse_phone("+12015550143")

    assert {actual} == {parse_phone("+1 201 555 0143"), pickle.loads(pickle.dumps(actual))}  # noqa: S301 - our own
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        actual.region = "CA"


# --- every region ----------------------------------------------------------------------------


def test_answers_as_phonenumbers_does():
    """The short way gives what phonenumbers' own functions say, for every type in every region."""
    actual = parse_phones(e164(each) for each in EXAMPLES)

    assert [slow_answer(each) for each in EXAMPLES] == actual


@pytest.mark.parametrize("style", [PhoneNumberFormat.NATIONAL, PhoneNumberFormat.INTERNATIONAL])
def test_reads_the_formatting_of_every_country(style):
    """A country's example number is read as that country writes it."""
    numbers = {region: phonenumbers.example_number(region) for region in REGIONS}

    actual = {
        region: parse_phone(phonenumbers.format_number(number, style), region).e164
        for region, number in numbers.items()
    }

    assert {region: e164(number) for region, number in numbers.items()} == actual


def test_zones_are_real():
    """Every zone is one the standard library can load, and none is the unknown zone."""
    zones = {zone for each in EXAMPLES for zone in parse_phone(e164(each)).zones}

    assert zones == {ZoneInfo(zone).key for zone in zones} - {"Etc/Unknown"}


# --- many numbers ----------------------------------------------------------------------------


def test_batch_keeps_order_and_errors():
    """A batch answers in its own order, with errors in place and equal numbers alike."""
    actual = parse_phones(["nonsense", "+447700900123", None, "(201) 555-0143", "+12015550143", "nonsense"], "US")

    assert [InvalidValue, Phone, InvalidValue, Phone, Phone, InvalidValue] == [type(each) for each in actual]
    assert actual[3] == actual[4] == parse_phone("+12015550143")
    assert str(actual[0]) == str(actual[5]) == refusal("nonsense")
    assert str(actual[2]) == refusal(None)


def test_batch_looks_each_number_up_once(monkeypatch):
    """Spellings of the same digits cost one look-up, each with its own sentence when bad."""
    asked = []
    ask = phone_module.number_type
    monkeypatch.setattr(phone_module, "number_type", lambda number: asked.append(number) or ask(number))

    good = parse_phones(["+1 201 555 0143", "+12015550143", "+1 (201) 555-0143"])
    bad = parse_phones(["+ 1", "+1"])

    assert len(set(good)) == 1
    assert [e164(each) if each.country_code else None for each in asked] == ["+12015550143", None]
    assert [f"phone is '+ 1': {TOO_SHORT}", f"phone is '+1': {TOO_SHORT}"] == [str(each) for each in bad]


def test_batch_takes_any_iterable():
    """An empty batch has no answers, and an iterator is read once."""
    assert parse_phones([]) == []
    assert [parse_phone("+12015550143")] == parse_phones(iter(["+12015550143"]))


def test_batch_refuses_one_text():
    """One text instead of a list is not taken for a list of characters."""
    with pytest.raises(InvalidValue) as caught:
        parse_phones("+12015550143")

    expected = "texts is '+12015550143': is one text, not several; give a list, or use parse_phone"
    assert expected == str(caught.value)


# --- laws ------------------------------------------------------------------------------------


@UNHURRIED
@given(FICTION, st.lists(st.sampled_from(["", " ", "-", ".", " (", ") "]), min_size=8, max_size=8))
def test_formatting_changes_nothing(number, marks):
    """However the beginning of a number is broken up, it is the same number."""
    spelled = "+" + "".join(digit + mark for digit, mark in zip_longest(number[1:], marks, fillvalue=""))

    assert parse_phone(number) == parse_phone(spelled)


@UNHURRIED
@given(SPELLINGS, HOMES)
def test_e164_is_a_fixed_point(text, region):
    """What a number is called means that number, in every region."""
    (found,) = parse_phones([text], region)

    if isinstance(found, Phone):
        assert found == parse_phone(found.e164)
        assert found == parse_phone(found.e164, region)


@UNHURRIED
@given(SPELLINGS, HOMES)
def test_valid_numbers_are_those_of_phonenumbers(text, region):
    """Reading a known range without parsing gives the number that parsing gives."""
    (found,) = parse_phones([text], region)

    if isinstance(found, Phone):
        number = phonenumbers.parse(text, region)
        assert found.e164 == e164(number)
        assert found.valid == phonenumbers.is_valid_number(number)


@UNHURRIED
@given(st.lists(SPELLINGS | st.text(max_size=8) | st.none(), max_size=12), HOMES)
def test_batch_equals_one_by_one(texts, region):
    """A batch says about each text what the text alone would be told."""
    alone = [each for text in texts for each in parse_phones([text], region)]

    assert told(alone) == told(parse_phones(texts, region))


@UNHURRIED
@given(st.text() | st.text("+ ().-0123456789\u0661\u200b\n"), HOMES)
def test_any_text_gives_a_phone_or_a_refusal(text, region):
    """Arbitrary text never leads to any other error, and a phone is always E.164."""
    (found,) = parse_phones([text], region)

    if isinstance(found, Phone):
        assert re.fullmatch(r"\+[1-9][0-9]{1,14}", found.e164)
    else:
        assert str(found).startswith("phone is ")
