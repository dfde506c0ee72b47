"""Rows as they are kept: the values of a table in one order, the key first, JSON as text.

What a row must be is checked here, for every adapter alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, Final, NoReturn

import attrs

from campaignkit.backends.storage.tables import Kind, Table
from campaignkit.errors import InvalidValue

_TYPES: Final[Mapping[Kind, Collection[type]]] = {"text": {str}, "int": {int}, "json": {dict, list}}
_BEYOND: Final = {str: "has a NUL in it", int: "has more than 64 bits"}
_LEAST: Final = -(2**63)
_MOST: Final = 2**63 - 1
_written: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


@attrs.frozen
class _Pattern:
    """Where in a row which kind of value is; rows of one table have few patterns."""

    texts: Callable[[Sequence[Any]], Iterable[str]]
    ints: Sequence[int]
    jsons: Sequence[int]


class Values:
    """How the rows of one table are written and read; see `values_of`."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.names = (*table.key, *(name for name in table.columns if name not in table.key))
        self.kinds = [table.columns[name] for name in self.names]
        self._columns = table.columns.keys()
        self._of = itemgetter(*self.names)
        self._jsons = [name for name in self.names if table.columns[name] == "json"]
        self._patterns: dict[tuple[type, ...], _Pattern] = {}

    def encode(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the values of a row as they are kept.

        Raises:
            InvalidValue: a column is missing, too many, or not what its kind says.
        """
        if row.keys() != self._columns:
            wrong = sorted(row.keys() ^ self._columns)
            raise InvalidValue(f"a row of {self.table.name} has all of its columns and no other: correct {wrong}")
        values: tuple[Any, ...] = self._of(row)
        types = tuple(map(type, values))
        pattern = self._patterns.get(types) or self._pattern_of(types, values)
        if "\0" in "".join(pattern.texts(values)):
            self._refuse(next(at for at, value in enumerate(values) if type(value) is str and "\0" in value), values)
        for at in pattern.ints:
            if not _LEAST <= values[at] <= _MOST:
                self._refuse(at, values)
        return self._with_json(values, pattern.jsons) if pattern.jsons else values

    def encode_columns(self, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, Sequence[Any] | None]:
        """Return what is kept in some columns of many rows, in our order; None for a column that has nothing.

        Raises:
            InvalidValue: the key is missing, a column is unknown, or a value is not what its kind says.
        """
        if not {*self.table.key} <= {*names} <= self._columns:
            raise InvalidValue(f"{self.table.name} cannot take the columns {names}: give those of its key, and its own")
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        return {name: self._encode_column(name, columns[name]) for name in self.names if name in columns}

    def _encode_column(self, name: str, values: Sequence[Any]) -> Sequence[Any] | None:
        kind, types = self.table.columns[name], {*map(type, values)}
        if not types <= {*_TYPES[kind], *(() if name in self.table.key else (type(None),))}:
            self._refuse_in(name, next(each for each in values if type(each) not in _TYPES[kind]))
        if types <= {type(None)}:
            return None
        given = values if type(None) not in types else [value for value in values if value is not None]
        if kind == "text" and "\0" in "".join(given):
            self._refuse_in(name, next(value for value in given if "\0" in value))
        if kind == "int" and not (min(given) >= _LEAST and max(given) <= _MOST):
            self._refuse_in(name, next(value for value in given if not _LEAST <= value <= _MOST))
        return self._encode_jsons(values) if kind == "json" else values

    def _encode_jsons(self, values: Sequence[Any]) -> list[str | None]:
        """Write values as JSON, one that many rows share once."""
        shared = {id(value): value for value in values}
        written = {at: None if value is None else self._as_json(value) for at, value in shared.items()}
        return [written[id(value)] for value in values]

    def decode(self, values: Sequence[Any]) -> dict[str, Any]:
        """Return values as they are kept as a row."""
        row = dict(zip(self.names, values, strict=True))
        for name in self._jsons:
            if row[name] is not None:
                row[name] = json.loads(row[name])
        return row

    def _pattern_of(self, types: tuple[type, ...], values: Sequence[Any]) -> _Pattern:
        """Check that values are of the types that their columns take, and remember it."""
        for at, each in enumerate(types):
            missing = each is type(None) and self.names[at] not in self.table.key
            if not (missing or each in _TYPES[self.kinds[at]]):
                self._refuse(at, values)
        found = {kind: [at for at, each in enumerate(types) if each in _TYPES[kind]] for kind in _TYPES}
        texts = itemgetter(*found["text"], *found["text"][:1]) if found["text"] else _no_texts  # one alone is no tuple
        self._patterns[types] = _Pattern(texts, found["int"], found["json"])
        return self._patterns[types]

    def _refuse(self, at: int, values: Sequence[Any]) -> NoReturn:
        self._refuse_in(self.names[at], values[at])

    def _refuse_in(self, name: str, value: Any) -> NoReturn:
        # Nothing of the value itself: it may be a person's.
        kind, given = self.table.columns[name], type(value)
        wrong = "is missing" if value is None else _BEYOND[given] if given in _TYPES[kind] else f"is {given.__name__}"
        raise InvalidValue(f"{self.table.name}.{name} {wrong}: give it as {kind}")

    def _with_json(self, values: Sequence[Any], jsons: Iterable[int]) -> tuple[Any, ...]:
        encoded = list(values)
        for at in jsons:
            encoded[at] = self._as_json(values[at])
        return tuple(encoded)

    def _as_json(self, value: Any) -> str:
        try:
            return _written(value)
        except (TypeError, ValueError) as error:
            raise InvalidValue(f"{self.table.name} cannot hold all of its JSON ({error}): give plain values") from None


def _no_texts(values: Sequence[Any]) -> Iterable[str]:  # noqa: ARG001 - whatever they are
    return ()


@cache
def values_of(table: Table) -> Values:
    """Return how the rows of a table are written and read."""
    return Values(table)
