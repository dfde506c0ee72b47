"""Telephone numbers: a text becomes one E.164 number with what its digits tell, or an error.

A text passes three doors, cheapest first:

1. `_spelled` looks at the characters only. Ordinary formatting is dropped and anything else
   refused, so phonenumbers never meets a huge text, a letter, an invisible character or a
   digit of another script, all of which it would forgive.
2. `_looked_up` finds the number. With ``+`` it does not ask the region, so that one spelling
   never means two numbers. Digits that as they stand lie in a range somebody has need no
   parsing, which is half the work; phonenumbers parses the others, taking prefixes off.
3. `_described` says what is known. The type is asked for once: a known type means a valid
   number, and leads to the time zones without being found again.

A door hands on a value or a `_Refusal`, because in a batch a bad number is a result.

A batch is read in the order of its digits. Every region has some dozen patterns and Python's
`re` keeps 512 compiled ones, so that numbers of all regions mixed compile them over and over.
phonenumbers can be told to keep them all, but for the whole process: the host's decision.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import attrs
from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    REGION_CODE_FOR_NON_GEO_ENTITY,
    SUPPORTED_REGIONS,
    NumberParseException,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberType,
    ValidationResult,
    format_number,
    is_number_type_geographical,
    is_possible_number_with_reason,
    number_type,
    parse,
    region_code_for_number,
)
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_geographical_number, time_zones_for_number

from campaignkit.errors import InvalidValue, shown
from campaignkit.models import E164

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_TEXT = 64  # 15 digits, an international prefix, and room for generous formatting
_CUT = 100  # more than a sentence shows
_MAX_DIGITS = 15  # E.164; phonenumbers itself lets 17 national digits pass
_COUNTRY_CODES = frozenset(map(str, COUNTRY_CODE_TO_REGION_CODE))  # as text, where 044 is not 44
_SHAPE = re.compile(r"[ (]*\+?[ (]*[0-9][0-9 ().-]*")
_FOREIGN = re.compile(r"[^0-9 ().+-]")
_FLOAT = re.compile(r"\+?[0-9]+\.0")
_FORMATTING = str.maketrans("", "", " ().-")


class LineType(StrEnum):
    """What kind of line a number belongs to, as far as its digits tell.

    ``mobile_or_landline`` is a plan that does not separate the two, as in North America;
    ``personal`` follows a person from line to line; ``uan`` is a company's one number for
    all its offices; ``unknown`` is a number whose range is given to nobody as far as we know.
    """

    __hash__ = str.__hash__

    MOBILE = "mobile"
    LANDLINE = "landline"
    MOBILE_OR_LANDLINE = "mobile_or_landline"
    TOLL_FREE = "toll_free"
    PREMIUM = "premium"
    SHARED_COST = "shared_cost"
    VOIP = "voip"
    PERSONAL = "personal"
    PAGER = "pager"
    UAN = "uan"
    VOICEMAIL = "voicemail"
    UNKNOWN = "unknown"


_LINE_TYPES: Final = {
    PhoneNumberType.MOBILE: LineType.MOBILE,
    PhoneNumberType.FIXED_LINE: LineType.LANDLINE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: LineType.MOBILE_OR_LANDLINE,
    PhoneNumberType.TOLL_FREE: LineType.TOLL_FREE,
    PhoneNumberType.PREMIUM_RATE: LineType.PREMIUM,
    PhoneNumberType.SHARED_COST: LineType.SHARED_COST,
    PhoneNumberType.VOIP: LineType.VOIP,
    PhoneNumberType.PERSONAL_NUMBER: LineType.PERSONAL,
    PhoneNumberType.PAGER: LineType.PAGER,
    PhoneNumberType.UAN: LineType.UAN,
    PhoneNumberType.VOICEMAIL: LineType.VOICEMAIL,
    PhoneNumberType.UNKNOWN: LineType.UNKNOWN,
}

_VOICE_ONLY: Final = frozenset(
    {
        LineType.LANDLINE,
        LineType.TOLL_FREE,
        LineType.PREMIUM,
        LineType.SHARED_COST,
        LineType.UAN,
        LineType.VOICEMAIL,
    }
)


@attrs.frozen(kw_only=True)
class Phone:
    """One telephone number and what its digits tell; made by `parse_phone`.

    Attributes:
        e164: ``+`` and at most 15 digits; the number's one spelling.
        region: two letters of ISO 3166 (and XK, AC, TA as phonenumbers has them); ``None``
            when no country owns the number or several share its code and none claims it.
        line_type: what kind of line it is.
        valid: it lies in a range known to be given out. Some numbers reserved for fiction
            do not, and new ranges do not yet: a reason to look, not to drop.
        zones: the IANA time zones it may be in; empty when not known, never a default. A
            line not tied to a place, like most mobiles, gets every zone of its country.
    """

    e164: E164
    region: str | None
    line_type: LineType
    valid: bool
    zones: tuple[str, ...]

    @property
    def textable(self) -> bool:
        """Whether the line could take an SMS: all but the kinds known to carry only voice.

        >>> parse_phone("+442079460123").textable
        False
        >>> parse_phone("+447700900123").textable
        True
        """
        return self.line_type not in _VOICE_ONLY


def parse_phone(text: str, region: str | None = None) -> Phone:
    """Return the one number a text means.

    Read are ASCII digits, spaces, dashes, dots, parentheses and one leading ``+``. A number
    without ``+`` is read as dialled in ``region``, with its prefixes (``0``, ``00``, ``011``);
    one with ``+`` means the same in every region. The number must be possible, that is of a
    length its country uses, and complete; it need not be `Phone.valid`.

    Args:
        text: the number as a person would write it.
        region: two letters of ISO 3166, for numbers written without ``+``.

    Raises:
        InvalidValue: the text is no possible number, or the region no country.

    >>> parse_phone("(201) 555-0143", region="US")
    Phone(e164='+12015550143', region='US', line_type=<LineType.MOBILE_OR_LANDLINE: 'mobile_or_landline'>,
          valid=True, zones=('America/New_York',))
    >>> parse_phone("(201) 555-0143")
    Traceback (most recent call last):
    ...
    campaignkit.errors.InvalidValue: phone is '(201) 555-0143': has no country code; give region=,
    like region="US", or start it with + and the country code
    """
    found = parse_phones([text], region)[0]
    if isinstance(found, InvalidValue):
        raise found
    return found


def parse_phones(texts: Iterable[str], region: str | None = None) -> list[Phone | InvalidValue]:
    """Return what `parse_phone` says about each text, in their order, errors in place.

    Numbers of many regions are read several times faster than one at a time, and equal ones once.

    Args:
        texts: numbers as `parse_phone` takes them; read once.
        region: two letters of ISO 3166, for all numbers written without ``+``.

    Raises:
        InvalidValue: the region is no country, or ``texts`` is one text instead of several.

    >>> [str(each) if isinstance(each, ValueError) else each.e164 for each in parse_phones(["+1 201 555 0143", "+1"])]
    ['+12015550143', "phone is '+1': is too short for a telephone number; check that no digits are missing"]
    """
    if isinstance(texts, str):
        raise InvalidValue(f"texts is {shown(texts[:_CUT])}: is one text, not several; give a list, or use parse_phone")
    home = _home(region)
    given = list(texts)
    spelled = [_spelled(text) for text in given]
    # Sorted, the numbers of one country are neighbours and share its compiled patterns.
    known = {digits: _looked_up(digits, home) for digits in sorted({each for each in spelled if isinstance(each, str)})}
    found = [known[each] if isinstance(each, str) else each for each in spelled]
    return [each.about(text) if isinstance(each, _Refusal) else each for text, each in zip(given, found, strict=True)]


# --- why a text is no number ---------------------------------------------------------------


@attrs.frozen
class _Refusal:
    """The rule a text breaks and the remedy, still without the text."""

    rule: str
    remedy: str

    def about(self, text: object) -> InvalidValue:
        # The cut comes before repr(), whose cost grows with the text.
        what = shown(text[:_CUT]) if isinstance(text, str) else f"of type {type(text).__name__}"
        return InvalidValue(f"phone is {what}: {self.rule}; {self.remedy}")


_EXAMPLE: Final = 'write it like "+12025550143"'
_CHECK: Final = "check its digits and its country"

_NO_TEXT: Final = _Refusal("must be text, because a number loses its + and its leading zeros", _EXAMPLE)
_NO_SHAPE: Final = _Refusal("is not put together like a telephone number", _EXAMPLE)
_A_FLOAT: Final = _Refusal("ends like a float, whose last 0 is no digit of the number", "read the column as text")
_NO_COUNTRY: Final = _Refusal(
    "has no country code", 'give region=, like region="US", or start it with + and the country code'
)
_NO_SUCH_COUNTRY: Final = _Refusal("begins with a country code that nobody has", "check the digits after the prefix")
_TOO_SHORT: Final = _Refusal("is too short for a telephone number", "check that no digits are missing")
_TOO_LONG: Final = _Refusal("is too long for a telephone number", "give one number, of at most 15 digits")
_NO_AREA: Final = _Refusal("is complete only for callers of the same area", "give it with its area code")
_NOT_SETTLED: Final = _Refusal("has more prefixes than one", "leave out the zeros before the area code")

_UNREADABLE: Final = {
    NumberParseException.INVALID_COUNTRY_CODE: _NO_SUCH_COUNTRY,
    NumberParseException.NOT_A_NUMBER: _TOO_SHORT,  # all that the characters left to go wrong
    NumberParseException.TOO_SHORT_AFTER_IDD: _TOO_SHORT,
    NumberParseException.TOO_SHORT_NSN: _TOO_SHORT,
    NumberParseException.TOO_LONG: _TOO_LONG,
}
_IMPOSSIBLE: Final = {
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: _NO_AREA,
    ValidationResult.TOO_SHORT: _Refusal("is too short for a number of its country", _CHECK),
    ValidationResult.INVALID_LENGTH: _Refusal("has more or fewer digits than any number of its country", _CHECK),
    ValidationResult.TOO_LONG: _Refusal("is too long for a number of its country", _CHECK),
}


# --- the three doors -----------------------------------------------------------------------


def _home(region: object) -> str | None:
    if region is None:
        return None
    code = region.upper() if isinstance(region, str) else None
    if code not in SUPPORTED_REGIONS:
        raise InvalidValue(f'region is {shown(region)}: must be two letters of ISO 3166; give region="GB", for example')
    return code


def _spelled(text: object) -> str | _Refusal:
    if not isinstance(text, str):
        return _NO_TEXT
    if len(text) > _MAX_TEXT:
        return _TOO_LONG
    foreign = _FOREIGN.search(text)
    if foreign:
        return _Refusal(f"has {foreign[0]!a}, where only ASCII digits, spaces and + - . ( ) belong", _EXAMPLE)
    if not _SHAPE.fullmatch(text):
        return _NO_SHAPE
    return _A_FLOAT if _FLOAT.fullmatch(text) else text.translate(_FORMATTING)


def _looked_up(digits: str, home: str | None) -> Phone | _Refusal:
    if not digits.startswith("+"):
        return _NO_COUNTRY if home is None else _parsed(digits, home)
    number = _literal(digits)
    kind = number_type(number)
    return _parsed(digits, None) if kind == PhoneNumberType.UNKNOWN else _described(number, kind)


def _literal(digits: str) -> PhoneNumber:
    """Return the number whose E.164 form these very digits are; an empty one if there is none."""
    if len(digits) - 1 <= _MAX_DIGITS:
        for end in (2, 3, 4):
            code, national = digits[1:end], digits[end:]
            if national and code in _COUNTRY_CODES:
                zeros = len(national) - len(national.lstrip("0"))
                return PhoneNumber(
                    int(code), int(national), italian_leading_zero=zeros > 0, number_of_leading_zeros=zeros
                )
    return PhoneNumber()


def _parsed(digits: str, home: str | None) -> Phone | _Refusal:
    try:
        number = parse(digits, home)
    except NumberParseException as error:
        return _UNREADABLE[error.error_type]
    e164 = format_number(number, PhoneNumberFormat.E164)
    if len(e164) - 1 > _MAX_DIGITS:
        return _TOO_LONG
    # Digits that parsing leaves as they were have been asked about already, by `_looked_up`.
    kind = PhoneNumberType.UNKNOWN if e164 == digits else number_type(number)
    if kind != PhoneNumberType.UNKNOWN:
        return _described(number, kind)
    reason = is_possible_number_with_reason(number)
    if reason != ValidationResult.IS_POSSIBLE:
        return _IMPOSSIBLE[reason]
    # Parsing takes one prefix off; where another is left, this E.164 would become a second one.
    settled = e164 == digits or parse(e164) == number
    return _described(number, kind) if settled else _NOT_SETTLED


def _described(number: PhoneNumber, kind: int) -> Phone:
    region = region_code_for_number(number)
    return Phone(
        e164=E164(format_number(number, PhoneNumberFormat.E164)),
        region=None if region == REGION_CODE_FOR_NON_GEO_ENTITY else region,
        line_type=_LINE_TYPES.get(kind, LineType.UNKNOWN),
        valid=kind != PhoneNumberType.UNKNOWN,
        zones=_zones(number, kind),
    )


_COUNTRY_ZONES: Final[dict[int, tuple[str, ...]]] = {}  # filled as asked for; asking costs as much as parsing


def _zones(number: PhoneNumber, kind: int) -> tuple[str, ...]:
    code = number.country_code or 0
    if kind == PhoneNumberType.UNKNOWN:
        return ()
    if is_number_type_geographical(kind, code):
        return _known(time_zones_for_geographical_number(number))
    if code not in _COUNTRY_ZONES:
        _COUNTRY_ZONES[code] = _known(time_zones_for_number(number))
    return _COUNTRY_ZONES[code]


def _known(zones: tuple[str, ...]) -> tuple[str, ...]:
    return () if UNKNOWN_TIMEZONE in zones else tuple(zones)
