"""Bytes from the network into values, strictly: what is no proper JSON or form is an `InvalidValue`.

Python's own readers forgive what must not be forgiven here: of two equal names in an object
the last would win, ``NaN`` would poison sums, and a thousand brackets end in a RecursionError.
Text that is no UTF-8, and NUL, become U+FFFD, because databases take neither.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, Final, NoReturn
from urllib.parse import unquote_to_bytes

from campaignkit.errors import InvalidValue, shown
from campaignkit.models import ATTEMPT_ID, parse_currency, parse_money

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"

GSM: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The alphabet of GSM 03.38, each character at its number."""

GSM_ESCAPED: Final[Mapping[int, str]] = dict(zip(b"\x0a\x14()/<=>@e", "\f^{}\\[~]|€", strict=True))
"""What a character means after an escape."""

GSM_TEXT: Final = frozenset(GSM.replace("\x1b", "")).union(GSM_ESCAPED.values())
"""Every character that a text in this alphabet can hold."""

MAX_DEPTH: Final = 32
"""How deep JSON may nest."""

MAX_FIELDS: Final = 1_000
"""How many fields a form may have."""

EARLY: Final = timedelta(minutes=5)
"""How far ahead of ours a carrier's clock may be before its time is not believed."""

_MILLISECONDS: Final = 100_000_000_000  # above this, seconds since 1970 would be after the year 5000
_STRUCTURE: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_SHORT: Final = 6  # digits of a short code at most
_PLAIN: Final = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,12})?")
_OFFSET: Final = re.compile(r"([+-][0-9]{2})([0-9]{2})$")


def clean(text: str) -> str:
    """Return a text as it can be stored: NUL and halves of characters become U+FFFD."""
    return text if text.isascii() and "\0" not in text else _UNSTORABLE.sub("�", text)


# --- JSON --------------------------------------------------------------------------------------


def read_json(body: bytes) -> dict[str, Any]:
    """Return the object that some bytes of JSON are; numbers with a fraction are Decimals.

    Raises:
        InvalidValue: no JSON, no object, a name twice, NaN or infinity, or too deep.
    """
    if _too_deep(body):
        raise InvalidValue(f"JSON is nested more than {MAX_DEPTH} deep")
    try:
        value = json.loads(
            body.decode("utf-8-sig", "replace"),
            object_pairs_hook=_object,
            parse_constant=_no_number,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:  # our own InvalidValue is a ValueError too
        raise error if isinstance(error, InvalidValue) else InvalidValue("JSON is malformed") from None
    if not isinstance(value, dict):
        raise InvalidValue("JSON is no object")
    return value


def _too_deep(body: bytes) -> bool:
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False  # it cannot be deeper than it has brackets
    depth = 0
    for found in _STRUCTURE.finditer(body):
        mark = found.group()
        depth += (mark in b"[{") - (mark in b"]}")
        if depth > MAX_DEPTH:
            return True
    return False


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = {clean(name): _clean(value) for name, value in pairs}
    if len(found) != len(pairs):
        raise InvalidValue("JSON has a name twice in one object")
    return found


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    return [_clean(each) for each in value] if isinstance(value, list) else value


def _no_number(word: str) -> NoReturn:
    raise InvalidValue(f"JSON holds {word}, which is no number")


def _finite(digits: str) -> Decimal:
    if not isfinite(float(digits)):
        raise InvalidValue("JSON holds a number beyond all bounds")
    return Decimal(digits)


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """Return an object as JSON: the same object in the same bytes, text as it is and nothing between."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


# --- forms -------------------------------------------------------------------------------------


def read_form(body: bytes | str) -> list[tuple[str, str]]:
    """Return the fields of a form or a query in their order, empty ones among them, *each character one byte*.

    Signatures are about bytes, and bytes that are no UTF-8 must keep theirs: `form_text` makes
    text of them.

    Raises:
        InvalidValue: too many fields, or characters that no form has.
    """
    text = body.decode("latin-1") if isinstance(body, bytes) else body
    fields = text.split("&")
    if len(fields) > MAX_FIELDS or not text.isascii():
        raise InvalidValue("form has too many fields, or characters that no form has")
    # As urllib's parse_qsl reads it (a test compares them), in less than half the time, because most
    # fields have nothing to decode.
    pairs = []
    for field in fields:
        name, _, value = field.partition("=")
        if "%" in field or "+" in field:
            name, value = _unquoted(name), _unquoted(value)
        if field:
            pairs.append((name, value))
    return pairs


def _unquoted(text: str) -> str:
    text = text.replace("+", " ")
    return unquote_to_bytes(text).decode("latin-1") if "%" in text else text


def form_text(value: str) -> str:
    """Return the text that a value of `read_form` is."""
    if value.isascii() and "\x00" not in value:
        return value
    return clean(value.encode("latin-1").decode("utf-8", "replace"))


def form_fields(pairs: list[tuple[str, str]]) -> Fields:
    """Return a form by name, as text; of a name given twice the last."""
    fields = dict(pairs)
    text = "".join(fields) + "".join(fields.values())
    if text.isascii() and "\0" not in text:
        return Fields(fields)
    return Fields({form_text(name): form_text(value) for name, value in pairs})


# --- reading what was found --------------------------------------------------------------------


class Fields(Mapping[str, Any]):
    """An object or a form, read by name with the kind of value that is expected.

    What must be there is read with `need`. What may be there is read leniently, because a
    carrier that adds or misspells a detail must not cost a receipt.

    Attributes:
        unreadable: names of the fields, and of those in objects within, in which a count, an
            amount or a currency was looked for and something else found.
    """

    __slots__ = ("_values", "unreadable")

    def __init__(self, values: Mapping[str, Any], unreadable: list[str] | None = None) -> None:
        """Wrap, without a copy."""
        self._values = values
        self.unreadable: list[str] = [] if unreadable is None else unreadable

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def raw(self) -> Mapping[str, Any]:
        """What is wrapped."""
        return self._values

    def text(self, *names: str) -> str | None:
        """Return the first of some fields that holds text or a number, as text; None when none does."""
        for name in names:
            value = self._values.get(name)
            if isinstance(value, str):
                if value.strip():
                    return value
            elif isinstance(value, int | Decimal) and not isinstance(value, bool):
                return str(value)
        return None

    def need(self, *names: str) -> str:
        """Return the first of some fields that holds text or a number, as text.

        Raises:
            InvalidValue: none does.
        """
        found = self.text(*names)
        if found is None:
            raise InvalidValue(f"{names[0]} is {shown(self._values.get(names[0]))}: must be there, as text")
        return found

    def attempt_id(self, *names: str) -> str | None:
        """Return the first of some fields as an attempt id of ours; None when it cannot be one."""
        found = self.text(*names) or ""
        return found if ATTEMPT_ID.fullmatch(found) else None

    def inner(self, name: str) -> Fields:
        """Return the object in a field, an empty one when there is none."""
        value = self._values.get(name)
        return Fields(value if isinstance(value, dict) else {}, self.unreadable)

    def list(self, name: str) -> list[Fields]:
        """Return the objects of a list in a field; what is no object is left out."""
        value = self._values.get(name)
        return [Fields(each) for each in value if isinstance(each, dict)] if isinstance(value, list) else []

    def count(self, *names: str) -> int | None:
        """Return a count from 1 to 255, such as of segments, as a number or as text; None when it is none."""
        text = self.text(*names) or ""
        number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 3 else 0  # noqa: PLR2004 - 255
        if 1 <= number <= 255:  # noqa: PLR2004 - parts of a message
            return number
        self._unread(names)
        return None

    def money(self, *names: str) -> Decimal | None:
        """Return an amount, as a number or as text in plain digits; None when it is none."""
        text = (self.text(*names) or "").strip()
        if _PLAIN.fullmatch(text):
            with contextlib.suppress(InvalidValue):
                return parse_money(names[0], Decimal(text))
        self._unread(names)
        return None

    def currency(self, *names: str) -> str | None:
        """Return a currency's three letters; None when they are none."""
        with contextlib.suppress(InvalidValue):
            return parse_currency(names[0], self.text(*names))
        self._unread(names)
        return None

    def _unread(self, names: Iterable[str]) -> None:
        """Note what could not be read; null and blank say that there is nothing."""
        for name in names:
            value = self._values.get(name)
            blank = not value.strip() if isinstance(value, str) else value is None
            if not blank and name not in self.unreadable:
                self.unreadable.append(name)


def e164(number: str | None) -> str | None:
    """Return a number with its ``+``, where a carrier writes digits alone; names and short codes as they are."""
    return f"+{number}" if number and number.isascii() and number.isdecimal() and len(number) > _SHORT else number


def moment_of(value: object, now: datetime) -> datetime | None:
    """Return a carrier's time in UTC; None when it cannot be read, has no zone, or lies ahead of ``now``.

    Args:
        value: RFC 3339, also with ``+0000``; or seconds or milliseconds since 1970.
        now: ours, aware.
    """
    try:
        if isinstance(value, int | Decimal) or (isinstance(value, str) and value.isascii() and value.isdecimal()):
            seconds = float(value)
            at = datetime.fromtimestamp(seconds / 1000 if seconds > _MILLISECONDS else seconds, UTC)
        else:
            at = datetime.fromisoformat(_OFFSET.sub(r"\1:\2", str(value).strip()))
            if at.utcoffset() is None:
                return None
            at = at.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return at if at <= now + EARLY else None
