"""Any table in, rows out: a file on disk, an open file, a frame, or mappings.

A row that cannot be read is handed on as an `InvalidRow` in its place, so that whoever
reads decides whether it ends the reading. Cells are read by the name of their column:
as text in files, or as the values that frames and mappings already have.

A record within a record is columns too, named with dots: ``delivery.priceInUSD``. A list in
it is named with brackets, ``to[].status``, and gives a row for each of its elements, but
only if such a column is read.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import importlib
import importlib.util
import io
import itertools
import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

import attrs

from campaignkit.errors import InvalidColumn, InvalidRow, InvalidValue, MissingExtra, shown
from campaignkit.models import COUNT_COLUMNS, MONEY_COLUMNS, Message, Order, parse_code, parse_money, whole
from campaignkit.rows import check_columns, is_frame

FORMATS: Final[Mapping[str, str]] = {
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
"""How a file's name ends, and the format it means."""

_FORMAT_NAMES: Final = ", ".join(dict.fromkeys(FORMATS.values()))
_BOM: Final = "\ufeff"
_CONSTANTS: Final = {"NaN": None, "Infinity": Decimal("Infinity"), "-Infinity": Decimal("-Infinity")}

PAGES: Final = ("messages", "objects", "results", "data", "items", "records", "delivery_reports")
"""Under which names the pages of an API hold their records."""

Row = tuple[int, Sequence[Any] | Mapping[int, Any]]
"""The number of a row and its cells, by the places of their columns; of those that are wanted, at least."""

_Path = tuple[str | None, ...]
_EACH: Final = None  # a step of a path: to every element of a list
_NESTED: Final = frozenset({dict, list})
_MAY_HOLD_FLOATS: Final = (float, dict, list)
_DEEPEST: Final = 8


@attrs.frozen
class Table:
    """A table while it is read, once.

    Attributes:
        columns: as it names them.
        rows: given the places of the columns that are wanted, each row, or what is wrong with
            it. Numbers are of lines in CSV (where the header is 1) and in JSON lines, else
            of records, from 1.
        done: the fraction read, from the number of the row at hand.
    """

    columns: tuple[str, ...]
    rows: Callable[[Sequence[int]], Iterator[Row | InvalidRow]]
    done: Callable[[int], float]

    def find(
        self, wanted: Mapping[str, str], columns: Mapping[str, str] | None, ours: Collection[str]
    ) -> dict[str, int]:
        """Return the place of each wanted column that is there, by our name.

        Args:
            wanted: our name to the name to look for, in any case.
            columns: the same from the caller, exact; what it names goes before.
            ours: the names of ours that the caller may use.

        Raises:
            InvalidColumn: ``columns=`` is wrong, or a column comes twice.
        """
        declared = dict(columns or {})
        if self.columns:
            check_columns(declared, self.columns, ours)
        places: dict[str, list[int]] = {}
        for place, name in enumerate(self.columns):
            places.setdefault(name, []).append(place)
            if name != name.casefold():
                places.setdefault(name.casefold(), []).append(place)
        found = {}
        for name, theirs in {**wanted, **declared}.items():
            where = places.get(theirs) or places.get(theirs.casefold(), [])
            if len(where) > 1:
                raise InvalidColumn(f"the column {theirs!r} comes {len(where)} times: keep one, or rename the others")
            if where:
                found[name] = where[0]
        return found


# --- sources -----------------------------------------------------------------------------------


@contextlib.contextmanager
def open_table(
    source: Any,
    format: str | None = None,  # noqa: A002 - what open() calls it
    pages: Sequence[str] = (),
) -> Iterator[Table]:
    """Open a path, an open file, a frame or an iterable of mappings as a table.

    Args:
        source: what to open.
        format: of a file; None takes it from its name.
        pages: under which names a record may hold others that are meant.

    Raises:
        InvalidValue: not a source, not its format, or not UTF-8.
        MissingExtra: Parquet, and no package that reads it.
        OSError: the file cannot be opened.
    """
    if format is not None and format not in FORMATS.values():
        raise InvalidValue(f"format is {shown(format)}: give one of {_FORMAT_NAMES}")
    with contextlib.ExitStack() as stack:
        if isinstance(source, str | os.PathLike):
            kind = format or _format(os.fspath(source))
            file: Any = stack.enter_context(Path(source).open("rb"))
            size = os.fstat(file.fileno()).st_size
        elif hasattr(source, "read"):
            kind, file, size = format or _format(getattr(source, "name", "")), source, 0
        else:
            yield _of_records(_numbered(_records(source, pages)))
            return
        text = file
        if kind != "parquet" and isinstance(file.read(0), bytes):
            text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
            stack.callback(text.detach)  # or it would close a file that is not ours
        try:
            yield _READERS[kind](text, lambda _: file.tell() / size if size else 0.0, pages)
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise InvalidValue(f"the file is not UTF-8 text (byte {byte:#04x}): save it as UTF-8") from None


def _format(name: object) -> str:
    suffix = Path(str(name)).suffix.lower()
    if suffix not in FORMATS:
        raise InvalidValue(f"the name {shown(name)} does not tell the format: give format=, one of {_FORMAT_NAMES}")
    return FORMATS[suffix]


def _read_csv(lines: Any, done: Callable[[int], float], _: object) -> Table:
    reader = csv.reader(lines)
    try:
        header = next((cells for cells in reader if any(cells)), None)
    except csv.Error as error:
        raise InvalidValue(f"the file is not CSV: {error}") from None
    if header is None:
        raise InvalidValue("the file is empty: a CSV file begins with the names of its columns")
    columns = tuple(name.strip().removeprefix(_BOM).strip() for name in header)
    return Table(columns, lambda _: _csv_rows(reader, columns), done)


def _csv_rows(reader: Any, columns: tuple[str, ...]) -> Iterator[Row | InvalidRow]:
    width, number = len(columns), reader.line_num + 1
    while True:
        try:
            for cells in reader:
                if len(cells) == width:
                    yield number, cells
                elif cells:
                    yield _ragged(number, cells, columns)
                number = reader.line_num + 1
        except csv.Error as error:
            rule = f"cannot be read ({error}): look for a quotation mark that is never closed"
            yield InvalidRow(number, columns[0], "the line", rule)
            number = reader.line_num + 1
        else:
            return


def _ragged(number: int, cells: list[str], columns: tuple[str, ...]) -> Row | InvalidRow:
    width = len(columns)
    if not any(cells[width:]) and len(cells) > width:
        return number, cells[:width]
    remedy = f"the line has {len(cells)} cells, the header {width}; quote text that holds commas or line breaks"
    if len(cells) > width:
        return InvalidRow(number, columns[-1], cells[width:], f"is left over: {remedy}")
    return InvalidRow(number, columns[len(cells)], None, f"is all there is: {remedy}")


def _read_json(file: Any, _: object, pages: Sequence[str]) -> Table:
    text = file.read().removeprefix(_BOM)
    if not text.strip():
        raise InvalidValue("the file is empty: a JSON file holds a list of records")
    try:
        return _of_records(_numbered(_records(_parsed(text), pages)))
    except ValueError as error:
        if isinstance(error, InvalidValue):
            raise
        raise InvalidValue(f"the file is not JSON: {error}") from None


def _read_jsonl(lines: Iterable[str], _: object, pages: Sequence[str]) -> Table:
    return _of_records(_json_lines(lines, pages))


def _json_lines(lines: Iterable[str], pages: Sequence[str]) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(lines, 1):
        text = line.removeprefix(_BOM).strip()
        try:
            yield from ((number, record) for record in _flat(_parsed(text), pages)) if text else ()
        except ValueError as error:
            yield number, InvalidRow(number, "record", text, f"is not JSON: {error}")


def _parsed(text: str) -> object:
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_CONSTANTS.__getitem__)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _read_parquet(file: Any, _: object, __: object) -> Table:
    readers = {"polars": ("polars", "read_parquet"), "pyarrow": ("pyarrow.parquet", "read_table")}
    package = next(filter(importlib.util.find_spec, readers), None)
    if package is None:
        raise MissingExtra("polars", "polars", "reading Parquet")
    module, function = readers[package]
    read = getattr(importlib.import_module(module), function)
    try:
        frame = read(file)
    except Exception as error:  # noqa: BLE001 - each package has its own
        raise InvalidValue(f"the file is not Parquet: {shown(str(error))}") from None
    return _of_records(_numbered(_frame_records(frame)))


_READERS: Final = {"csv": _read_csv, "json": _read_json, "jsonl": _read_jsonl, "parquet": _read_parquet}


def _records(source: object, pages: Sequence[str]) -> Iterator[object]:
    if is_frame(source):
        return _frame_records(source)
    if isinstance(source, Mapping):
        return _flat(source, pages)
    if isinstance(source, Iterable) and not isinstance(source, bytes | str):
        return (record for each in source for record in _flat(each, pages))
    raise InvalidValue(f"the source is {shown(source)}: give a path, an open file, a frame, or a list of mappings")


def _flat(record: object, pages: Sequence[str]) -> Iterator[object]:
    """Yield a record, or the records of one page of an API."""
    held = (record.get(name) for name in pages) if isinstance(record, Mapping) and "status" not in record else ()
    yield from next((page for page in held if isinstance(page, list)), (record,))


def _frame_records(frame: Any) -> Iterator[dict[str, Any]]:
    import narwhals as nw  # noqa: PLC0415 - a file needs no frames

    for row in nw.from_native(frame).lazy().collect().iter_rows(named=True):
        yield {name: _printed(each) if isinstance(each, _MAY_HOLD_FLOATS) else each for name, each in row.items()}


def _printed(value: Any) -> Any:
    """Return a value with each float as what it prints: a frame has amounts as floats where it read them from text."""
    if isinstance(value, float):
        return Decimal(float.__repr__(value))
    if isinstance(value, dict):
        return {name: _printed(each) for name, each in value.items()}
    return [_printed(each) for each in value] if isinstance(value, list) else value


def _numbered(records: Iterable[object]) -> Iterator[tuple[int, object]]:
    return enumerate(records, 1)


def _of_records(numbered: Iterable[tuple[int, object]]) -> Table:
    known = list(numbered)
    paths: dict[str, _Path] = {}
    for _, record in known:
        if not isinstance(record, Mapping):
            continue
        if not _NESTED.isdisjoint(map(type, record.values())) or not record.keys() <= paths.keys():
            for path in _paths(record):
                paths.setdefault(_name(path), path)
    last = known[-1][0] if known else 1
    columns = tuple(paths)

    def rows(places: Sequence[int]) -> Iterator[Row | InvalidRow]:
        return _record_rows(known, {place: paths[columns[place]] for place in places})

    return Table(columns, rows, lambda number: number / last)


def _paths(record: Mapping[Any, Any], above: _Path = ()) -> Iterator[_Path]:
    """Yield where the values of a record are, those of the records and lists in it too."""
    for key, value in record.items():
        if isinstance(key, str):
            yield from _paths_below((*above, key), value)


def _paths_below(here: _Path, value: object) -> Iterator[_Path]:
    if isinstance(value, dict) and len(here) < _DEEPEST:
        yield from _paths(value, here)
        return
    yield here
    for item in value if isinstance(value, list) and len(here) < _DEEPEST else ():
        yield from _paths(item, (*here, _EACH)) if isinstance(item, dict) else ((*here, _EACH),)


@functools.lru_cache(maxsize=4096)
def _name(path: _Path) -> str:
    return ".".join("[]" if step is _EACH else step for step in path).replace(".[]", "[]")


def _record_rows(numbered: list[tuple[int, object]], wanted: Mapping[int, _Path]) -> Iterator[Row | InvalidRow]:
    flat = [(place, path[0]) for place, path in wanted.items() if len(path) == 1]
    deep = [(place, path) for place, path in wanted.items() if len(path) > 1]
    lists = any(_EACH in path for _, path in deep)
    for number, record in numbered:
        if isinstance(record, InvalidRow):
            yield record
        elif not isinstance(record, Mapping):
            yield InvalidRow(number, "record", record, "must be a mapping of names to values")
        elif lists:
            yield from ((number, cells) for cells in _spread(record, wanted))
        else:
            get = record.get
            cells = {place: get(name) for place, name in flat}
            for place, path in deep:
                cells[place] = _field(record, path)
            yield number, cells


def _field(value: Any, path: _Path) -> Any:
    """Return the value that a path leads to, None where it ends before."""
    for step in path:
        if not isinstance(value, dict | Mapping):  # dict first, because asking for any Mapping takes long
            return None
        value = value.get(step)
    return value


def _spread(value: Any, wanted: Mapping[int, _Path]) -> list[dict[int, Any]]:
    """Return the cells at the wanted paths in a value: one row, or one for each element of a list on the way."""
    rows: list[dict[int, Any]] = [{place: value for place, path in wanted.items() if not path}]
    for step in dict.fromkeys(path[0] for path in wanted.values() if path):
        below = {place: path[1:] for place, path in wanted.items() if path and path[0] == step}
        if step is _EACH:
            items = value if isinstance(value, list) and value else [None]
            found = [row for each in items for row in _spread(each, below)]
        else:
            found = _spread(value.get(step) if isinstance(value, Mapping) else None, below)
        rows = [one | other for one, other in itertools.product(rows, found)]
    return rows


# --- cells -------------------------------------------------------------------------------------

Cell = Callable[[Any], Any]
"""Reads one cell; None when it is empty; the text of its `InvalidValue` is only the rule."""

_RULES: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    field.name: field.metadata["check"]
    for noun in (Message, Order)
    for field in attrs.fields(noun)
    if "check" in field.metadata
}
_AMOUNT: Final = re.compile(r"[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?")
_WHOLE: Final = re.compile(r"([0-9]{1,12})(?:\.0*)?")
_FLAGS: Final = {
    word: flag for flag, words in ((True, "true yes 1 1.0"), (False, "false no 0 0.0")) for word in words.split()
}
_LONGEST_MOMENT: Final = 64
_SHORTEST_NUMBER: Final = 8  # what is shorter is a short code
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND_DIGITS: Final = 13  # from 2001 to 2286; seconds and microseconds have fewer and more
_MOST_KNOWN: Final = 1024


def read_rows(
    table: Table, places: Mapping[str, int], zone: tzinfo | None, cells: Mapping[str, Cell] | None = None
) -> Iterator[tuple[int, dict[str, Any]] | InvalidRow]:
    """Yield each row's number and its cells by our names, or what is wrong with it.

    Args:
        table: the table.
        places: where our columns are in it.
        zone: of naive moments.
        cells: what reads columns of ours that are not read as usual.
    """
    unusual = cells or {}
    plan = [(name, place, unusual.get(name) or cell_reader(name, zone)) for name, place in places.items()]
    for item in table.rows(tuple(places.values())):
        if isinstance(item, InvalidRow):
            yield item
            continue
        number, row = item
        fields = {}
        try:
            for name, place, read in plan:
                fields[name] = read(row[place])
        except (ValueError, TypeError, ArithmeticError) as error:
            rule = str(error) if isinstance(error, InvalidValue) else "is not a value of a cell"
            yield InvalidRow(number, table.columns[place], row[place], rule)
        else:
            yield number, fields


def cell_reader(name: str, zone: tzinfo | None = None) -> Cell:
    """Return what reads the cells of a column of ours, by its name.

    An amount may be negative in ``price``: only the carrier tells what that means.

    >>> cell_reader("segments")("2"), cell_reader("opted_out")("yes"), cell_reader("price")(" ")
    (2, True, None)
    """
    if name.endswith("_at"):
        return lambda value: _moment(value, zone)
    if name in _CHECKED:
        return _Checked(name).__getitem__
    return _SIMPLE.get(name, _text)


class _Checked(dict[Any, Any]):
    """Reads the cells of one column by the model's rule, each text once: few texts of such a column differ."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._read = _CHECKED[name]
        self._check = _signed if name == "price" else _RULES.get(name)

    def __missing__(self, value: Any) -> Any:
        known = value
        try:
            known = self._read(value)
            if known is not None and self._check is not None:
                known = self._check(self._name, known)
        except InvalidValue as error:
            raise InvalidValue(rule_of(error, self._name, known)) from None
        if isinstance(value, str) and len(self) < _MOST_KNOWN:  # only text, because 1 and True are one key
            self[value] = known
        return known


def _signed(name: str, amount: Any) -> Any:
    size = amount.copy_abs() if isinstance(amount, Decimal) else amount
    try:
        parse_money(name, size)
    except InvalidValue as error:
        raise InvalidValue(rule_of(error, name, size)) from None
    return amount


def rule_of(error: InvalidValue, name: str, value: object) -> str:
    """Return an error's sentence without what it says first: the name and the value."""
    return str(error).removeprefix(f"{name} is {shown(value)}: ")


def _missing(value: object) -> bool:
    try:
        return value is None or bool(value != value)  # noqa: PLR0124 - NaN and NaT are not themselves
    except TypeError:  # pandas.NA
        return True
    except (ValueError, ArithmeticError):  # arrays, signaling NaN
        return False


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    if _missing(value):
        return None
    try:
        return parse_code(value)
    except InvalidValue:
        raise InvalidValue("must be text or a whole number") from None


def _word(value: Any) -> str | None:
    return str(value) if isinstance(value, bool) else _text(value)  # a column of flags may have words of its own


def _number(value: Any) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    if _missing(value):
        return None
    raise InvalidValue(
        'must be text, as a number it lost its + and its zeros: read the column as text, like "+12025550143"'
    )


def international(value: Any) -> str | None:
    """Return a telephone number of a carrier that writes it without its +; names and short codes as they are.

    >>> international(12025550143), international("447700900123"), international("SHOP"), international("85050")
    ('+12025550143', '+447700900123', 'SHOP', '85050')
    """
    text = _text(value)
    if text is None or len(text) < _SHORTEST_NUMBER or text[0] == "0" or not (text.isascii() and text.isdigit()):
        return text
    return f"+{text}"


def _body(value: Any) -> str:
    return value if isinstance(value, str) else _text(value) or ""


def _code(value: Any) -> str | None:
    return None if _missing(value) else parse_code(value)


def _count(value: Any) -> int | None:
    if isinstance(value, str):
        text = value.strip()
        found = _WHOLE.fullmatch(text)
        if found or not text:
            return int(found[1]) if found else None
    elif _missing(value):
        return None
    else:
        with contextlib.suppress(InvalidValue):
            return whole("", value)
    raise InvalidValue("must be a whole number, 0 or more")


def _flag(value: Any) -> bool | None:
    text = str(value).strip().casefold()
    if not text or _missing(value):
        return None
    if text not in _FLAGS:
        raise InvalidValue("must be one of true, false, yes, no, 1, 0")
    return _FLAGS[text]


def _money(value: Any) -> Decimal | None:
    if not isinstance(value, str):
        return None if _missing(value) else Decimal(value) if type(value) is int else value
    text = value.strip()
    if text and not _AMOUNT.fullmatch(text):
        raise InvalidValue("must be an amount, like 0.0079")
    return Decimal(text) if text else None


def _moment(value: Any, zone: tzinfo | None) -> datetime | None:
    if isinstance(value, str):
        text = value.strip()
        at = _parsed_moment(text) if text else None
    elif _missing(value):
        at = None
    elif isinstance(value, datetime):
        at = value.to_pydatetime(warn=False) if hasattr(value, "to_pydatetime") else value
    else:
        raise InvalidValue("must be a moment, like 2026-05-01T09:30:00+02:00")
    if at is None or at.tzinfo is UTC:
        return at
    if at.utcoffset() is None:
        if zone is None:
            raise InvalidValue('has no time zone: give timezone="UTC", or the zone its clock was in')
        at = at.replace(tzinfo=zone)
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise InvalidValue("lies outside the calendar: correct the year") from None


def milliseconds(value: Any) -> datetime | None:
    """Return the moment that a count of milliseconds since 1970 means; others as they are read anywhere.

    >>> milliseconds(1777636800123).isoformat()
    '2026-05-01T12:00:00.123000+00:00'
    """
    text = None if isinstance(value, datetime) else _text(value)
    if text is None or not (text.isascii() and text.isdigit()):
        return _moment(value, None)
    if len(text) != _MILLISECOND_DIGITS:
        raise InvalidValue("must be milliseconds since 1970, like 1777636800123")
    return _EPOCH + timedelta(milliseconds=int(text))


def _parsed_moment(text: str) -> datetime:
    # Digits alone may be a count of milliseconds, in which Python would find a day of long ago.
    if len(text) <= _LONGEST_MOMENT and not text.isdigit():
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
        with contextlib.suppress(ValueError, TypeError, IndexError, OverflowError):
            return parsedate_to_datetime(text)
    raise InvalidValue("must be a moment, like 2026-05-01T09:30:00+02:00 or Fri, 01 May 2026 09:30:00 +0200")


_SIMPLE: Final[Mapping[str, Cell]] = {"to": _number, "sender": _number, "text": _body}
_CHECKED: Final[Mapping[str, Cell]] = {
    **dict.fromkeys((*COUNT_COLUMNS, "step"), _count),
    **dict.fromkeys(("opted_out", "assisted"), _flag),
    **dict.fromkeys(MONEY_COLUMNS, _money),
    **dict.fromkeys(("carrier", "currency", "direction", "account_id"), _text),
    "status": _word,
    "error_code": _code,
}
