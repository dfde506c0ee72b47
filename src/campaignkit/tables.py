"""Any table in, rows out: a file on disk, an open file, a frame, or mappings.

A row that cannot be read is handed on as an `InvalidRow` in its place, so that whoever
reads decides whether it ends the reading. Cells are read by the name of their column:
as text in files, or as the values that frames and mappings already have.
"""

from __future__ import annotations

import contextlib
import csv
import importlib
import importlib.util
import io
import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
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

Row = tuple[int, Sequence[Any]]
"""The number of a row and its cells, in the order of the table's columns."""


@attrs.frozen
class Table:
    """A table while it is read, once.

    Attributes:
        columns: as it names them.
        rows: each row, or what is wrong with it. Numbers are of lines in CSV (where the
            header is 1) and in JSON lines, else of records, from 1.
        done: the fraction read, from the number of the row at hand.
    """

    columns: tuple[str, ...]
    rows: Iterator[Row | InvalidRow]
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
def open_table(source: Any, format: str | None = None) -> Iterator[Table]:  # noqa: A002 - what open() calls it
    """Open a path, an open file, a frame or an iterable of mappings as a table.

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
            yield _of_records(_numbered(_records(source)))
            return
        text = file
        if kind != "parquet" and isinstance(file.read(0), bytes):
            text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
            stack.callback(text.detach)  # or it would close a file that is not ours
        try:
            yield _READERS[kind](text, lambda _: file.tell() / size if size else 0.0)
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise InvalidValue(f"the file is not UTF-8 text (byte {byte:#04x}): save it as UTF-8") from None


def _format(name: object) -> str:
    suffix = Path(str(name)).suffix.lower()
    if suffix not in FORMATS:
        raise InvalidValue(f"the name {shown(name)} does not tell the format: give format=, one of {_FORMAT_NAMES}")
    return FORMATS[suffix]


def _read_csv(lines: Any, done: Callable[[int], float]) -> Table:
    reader = csv.reader(lines)
    try:
        header = next((cells for cells in reader if any(cells)), None)
    except csv.Error as error:
        raise InvalidValue(f"the file is not CSV: {error}") from None
    if header is None:
        raise InvalidValue("the file is empty: a CSV file begins with the names of its columns")
    columns = tuple(name.strip().removeprefix(_BOM).strip() for name in header)
    return Table(columns, _csv_rows(reader, columns), done)


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


def _read_json(file: Any, _: Callable[[int], float]) -> Table:
    text = file.read().removeprefix(_BOM)
    if not text.strip():
        raise InvalidValue("the file is empty: a JSON file holds a list of records")
    try:
        return _of_records(_numbered(_records(_parsed(text))))
    except ValueError as error:
        if isinstance(error, InvalidValue):
            raise
        raise InvalidValue(f"the file is not JSON: {error}") from None


def _read_jsonl(lines: Iterable[str], _: Callable[[int], float]) -> Table:
    return _of_records(_json_lines(lines))


def _json_lines(lines: Iterable[str]) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(lines, 1):
        text = line.removeprefix(_BOM).strip()
        try:
            yield from ((number, record) for record in _flat(_parsed(text))) if text else ()
        except ValueError as error:
            yield number, InvalidRow(number, "record", text, f"is not JSON: {error}")


def _parsed(text: str) -> object:
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_CONSTANTS.__getitem__)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _read_parquet(file: Any, _: Callable[[int], float]) -> Table:
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


def _records(source: object) -> Iterator[object]:
    if is_frame(source):
        return _frame_records(source)
    if isinstance(source, Mapping):
        return _flat(source)
    if isinstance(source, Iterable) and not isinstance(source, bytes | str):
        return (record for each in source for record in _flat(each))
    raise InvalidValue(f"the source is {shown(source)}: give a path, an open file, a frame, or a list of mappings")


def _flat(record: object) -> Iterator[object]:
    """Yield a record, or the records of one page of an API."""
    page = record.get("messages") if isinstance(record, Mapping) else None
    yield from page if isinstance(page, list) else (record,)


def _frame_records(frame: Any) -> Iterator[dict[str, Any]]:
    import narwhals as nw  # noqa: PLC0415 - a file needs no frames

    for row in nw.from_native(frame).lazy().collect().iter_rows(named=True):
        # A frame has amounts as floats where it read them from text: what they print is that text.
        yield {name: Decimal(float.__repr__(each)) if isinstance(each, float) else each for name, each in row.items()}


def _numbered(records: Iterable[object]) -> Iterator[tuple[int, object]]:
    return enumerate(records, 1)


def _of_records(numbered: Iterable[tuple[int, object]]) -> Table:
    known = list(numbered)
    columns: dict[str, None] = {}
    for _, record in known:
        if isinstance(record, Mapping) and not record.keys() <= columns.keys():
            columns.update(dict.fromkeys(name for name in record if isinstance(name, str)))
    last = known[-1][0] if known else 1
    return Table(tuple(columns), _record_rows(known, tuple(columns)), lambda number: number / last)


def _record_rows(numbered: list[tuple[int, object]], columns: tuple[str, ...]) -> Iterator[Row | InvalidRow]:
    for number, record in numbered:
        if isinstance(record, Mapping):
            get = record.get
            yield number, [get(name) for name in columns]
        elif isinstance(record, InvalidRow):
            yield record
        else:
            yield InvalidRow(number, "record", record, "must be a mapping of names to values")


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
_MOST_KNOWN: Final = 1024


def read_rows(
    table: Table, places: Mapping[str, int], zone: tzinfo | None
) -> Iterator[tuple[int, dict[str, Any]] | InvalidRow]:
    """Yield each row's number and its cells by our names, or what is wrong with it.

    Args:
        table: the table.
        places: where our columns are in it.
        zone: of naive moments.
    """
    plan = [(name, place, cell_reader(name, zone)) for name, place in places.items()]
    for item in table.rows:
        if isinstance(item, InvalidRow):
            yield item
            continue
        number, row = item
        cells = {}
        try:
            for name, place, read in plan:
                cells[name] = read(row[place])
        except (ValueError, TypeError, ArithmeticError) as error:
            rule = str(error) if isinstance(error, InvalidValue) else "is not a value of a cell"
            yield InvalidRow(number, table.columns[place], row[place], rule)
        else:
            yield number, cells


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


def _number(value: Any) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    if _missing(value):
        return None
    raise InvalidValue(
        'must be text, as a number it lost its + and its zeros: read the column as text, like "+12025550143"'
    )


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
    **dict.fromkeys(("status", "carrier", "currency", "direction", "account_id"), _text),
    "error_code": _code,
}
