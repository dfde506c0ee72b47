"""Contacts in any form: their keys and strata in, themselves with a variant out.

A list gives back what it was made of, a frame a frame of its own engine (`framed`). Only the
key and the columns of strata are read.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final, Protocol

import attrs

from campaignkit.errors import InvalidColumn, InvalidValue, nearest, shown
from campaignkit.rows import is_frame

Stratum = tuple[str | None, ...]
"""The values that people of one stratum share, as text."""

# Text, but for what begins like a number and is none.
_KEY: Final = re.compile(r"\+[1-9][0-9]{6,14}|[^+\s].*|\s+\S.*", re.DOTALL)
# The same for many at once, of which none begins with a space: a third of the time.
_LINES: Final = re.compile(r"(?:(?:\+[1-9][0-9]{6,14}|[^+\s].*)\n)*+")


# --- keys and strata ---------------------------------------------------------------------------


def key_texts(values: list[Any], name: str) -> list[str]:
    """Return keys as text, checked.

    Raises:
        InvalidValue: naming the row: no key, one that is neither text nor a whole number, or a
            telephone number that is not written as E.164.
    """
    texts = (
        values if set(map(type, values)) <= {str} else [_text(place, each, name) for place, each in enumerate(values)]
    )
    if not _fit(texts):
        place = next(place for place, text in enumerate(texts) if not _KEY.fullmatch(text))
        raise _refusal(place, texts[place], name)
    return texts


def _fit(texts: list[str]) -> bool:
    lines = "\n".join(texts) + "\n"
    if lines.count("\n") == len(texts) and _LINES.fullmatch(lines):
        return True
    return all(map(_KEY.fullmatch, texts))


def key_text(value: Any, name: str) -> str:
    """Return one key as text, checked like those of `key_texts`."""
    try:
        (text,) = key_texts([value], name)
    except InvalidValue as error:
        raise InvalidValue(str(error).removeprefix("row 0: ")) from None
    return text


def _text(place: int, value: Any, name: str) -> str:
    if isinstance(value, str):
        return str(value)
    if _is_null(value):
        return ""
    if not isinstance(value, bool):
        try:
            return str(operator.index(value))
        except TypeError:
            pass
    raise InvalidValue(
        f"row {place}: {name} is {shown(value)}: a key is text or a whole number; read it so, or convert it with str()"
    )


def _refusal(place: int, text: str, name: str) -> InvalidValue:
    if not text.strip():
        return InvalidValue(
            f"row {place}: {name} is empty: every contact needs a key of its own; fill it, or drop the row"
        )
    return InvalidValue(
        f"row {place}: {name} is {shown(text)}: a number that begins with + must be in E.164, or one person"
        " would be two contacts; parse_phones writes it so"
    )


def stratum_text(name: str, value: Any) -> str | None:
    """Return a value that people are divided by as text; None for nulls of every kind.

    Raises:
        InvalidValue: not a plain value.
    """
    if isinstance(value, str):
        return str(value)
    if _is_null(value):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # as other engines have a column of whole numbers with nulls
    if isinstance(value, bool | int | float | Decimal | date):
        return str(value)
    raise InvalidValue(
        f"{name} is {shown(value)}: strata are told apart by text, numbers or dates; convert it with str()"
    )


def _is_null(value: Any) -> bool:
    try:
        return value is None or bool(value != value)  # noqa: PLR0124 - NaN and NaT are not themselves
    except (TypeError, ValueError, ArithmeticError):  # pandas.NA is neither equal nor unequal, an array both
        return type(value).__name__ == "NAType"


# --- the forms ---------------------------------------------------------------------------------


class Contacts(Protocol):
    """Contacts in one form or another; ``places`` count their rows from 0."""

    def columns(self, key: str, strata: Sequence[str]) -> list[list[Any]]:
        """Return the keys, and the values of each column of strata.

        Raises:
            InvalidColumn: no contact has one of these.
        """

    def only(self, places: Sequence[int], variant: str) -> Any:
        """Return some contacts as they were given; as a frame with their variant."""

    def paired(self, places: Sequence[int], variants: Sequence[str]) -> Any:
        """Return some contacts in this order, each with its variant: as pairs, or as a frame."""


@attrs.frozen
class Listed:
    """Contacts in a list: keys themselves, objects, or mappings."""

    rows: list[Any]

    def columns(self, key: str, strata: Sequence[str]) -> list[list[Any]]:
        """Return the keys, and the values of each column of strata."""
        if not self.rows:
            return [[] for _ in (key, *strata)]
        if isinstance(self.rows[0], Mapping):
            return [self._values(name, _items) for name in (key, *strata)]
        if _is_key(self.rows[0]):
            if strata:
                raise InvalidColumn(
                    f"stratify names {strata[0]!r}, and contacts are keys alone: give objects, mappings or a frame"
                )
            return [self.rows]
        return [self._values(name, _attributes) for name in (key, *strata)]

    def _values(self, name: str, read: Callable[[list[Any], str], tuple[list[Any], bool]]) -> list[Any]:
        try:
            values, known = read(self.rows, name)
        except AttributeError:
            first = type(self.rows[0]).__name__
            place = next(at for at, row in enumerate(self.rows) if not isinstance(row, Mapping))
            other = type(self.rows[place]).__name__
            raise InvalidValue(f"row {place} is a {other}, row 0 a {first}: give one kind") from None
        if not known:
            first = self.rows[0]
            names = map(str, first) if isinstance(first, Mapping) else (each for each in dir(first) if each[0] != "_")
            kind = type(first).__name__
            raise InvalidColumn(f"no contact has {name!r}, row 0 is a {kind}; nearest: {nearest(name, names)}")
        return values

    def only(self, places: Sequence[int], variant: str) -> list[Any]:
        """Return some contacts, as they were given."""
        del variant
        return [self.rows[place] for place in places]

    def paired(self, places: Sequence[int], variants: Sequence[str]) -> list[tuple[Any, str]]:
        """Return some contacts, each with its variant."""
        return [(self.rows[place], variant) for place, variant in zip(places, variants, strict=True)]


def _is_key(row: object) -> bool:
    return isinstance(row, str) or hasattr(row, "__index__") or type(row).__module__ == "builtins"


def _items(rows: list[Any], name: str) -> tuple[list[Any], bool]:
    values = [row.get(name) for row in rows]
    return values, any(name in row for row in rows)


def _attributes(rows: list[Any], name: str) -> tuple[list[Any], bool]:
    return [getattr(row, name, None) for row in rows], any(hasattr(row, name) for row in rows)


def open_contacts(contacts: Any) -> Contacts:
    """Return contacts, whatever form they have.

    Raises:
        InvalidValue: no form of contacts.
    """
    if is_frame(contacts):
        if hasattr(type(contacts), "to_list"):  # a column of keys
            return Listed(contacts.to_list())
        from campaignkit.ab.framed import Framed  # noqa: PLC0415 - narwhals is loaded with the first frame

        return Framed(contacts)
    if isinstance(contacts, str | bytes | Mapping) or not isinstance(contacts, Iterable):
        raise InvalidValue(f"contacts is {shown(contacts)}: give a frame, or an iterable of keys, objects or mappings")
    return Listed(list(contacts))


@attrs.frozen
class Found:
    """What contacts say of themselves.

    Attributes:
        keys: of each contact once, as text.
        members: by stratum, the places of its contacts among the keys.
        places: of each key, the first row that has it.
        rows: how many there were.
    """

    keys: list[str]
    members: Mapping[Stratum, Sequence[int]]
    places: Sequence[int]
    rows: int


def read_contacts(contacts: Contacts, key: str, strata: tuple[str, ...]) -> Found:
    """Return what contacts say of themselves.

    Raises:
        InvalidValue: a contact without a key, or a stratum that is no plain value.
        InvalidColumn: no contact has the key, or a column of strata.
    """
    values, *columns = contacts.columns(key, strata)
    texts = key_texts(values, key)
    keys = texts
    places: Sequence[int] = range(len(texts))
    if len(set(texts)) < len(texts):
        firsts = dict(zip(reversed(texts), reversed(places), strict=True))
        places = sorted(firsts.values())
        keys = [texts[place] for place in places]
    if not strata:
        return Found(keys, {(): range(len(keys))}, places, len(texts))
    rows = list(zip(*map(_stratum_texts, strata, columns), strict=True))
    members: dict[Stratum, list[int]] = {}
    for member, place in enumerate(places):
        members.setdefault(rows[place], []).append(member)
    return Found(keys, members, places, len(texts))


def _stratum_texts(name: str, values: list[Any]) -> list[str | None]:
    plain = set(map(type, values)) <= {str, type(None)}
    return values if plain else [stratum_text(name, value) for value in values]
