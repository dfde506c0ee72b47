"""What is left behind in files: CSV, Parquet and JSON, each with what its numbers mean.

    rows ──► tuples of plain values ──► CSV or Parquet, in constant memory
                                        and beside it <name>.manifest.json

A file is written beside its final name and renamed once it is whole, so that whoever finds a
file by its name finds all of it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import importlib.metadata
import itertools
import json
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TextIO

from campaignkit.errors import InvalidRow, InvalidValue, MissingExtra
from campaignkit.grouping import parse_zone
from campaignkit.metrics import COUNT_PROPERTIES, Counts
from campaignkit.models import COUNT_COLUMNS, EXACT, MONEY_COLUMNS, Message, Status
from campaignkit.profiles import Profile
from campaignkit.rows import NEGATIVE_PRICES, attribute, is_frame
from campaignkit.summary import Summary
from campaignkit.tables import Cell, cell_reader
from campaignkit.verdicts import FAILURES, TABLES_DATED, code_with_word, own_word, parse_status_word, verdict_of

_SAID_OF_A_FAILURE: Final = ("reason", "bounce", "retryable", "error_description", "advice")
BEFORE: Final = (
    "message_id",
    "campaign_id",
    "variant",
    "list_id",
    "contact_id",
    "contact_name",
    "to",
    "account_id",
    "sender",
    "step",
    "status",
    "created_at",
    "sent_at",
    "delivered_at",
    "last_event_at",
    "carrier",
    "carrier_id",
    "error_code",
)
AFTER: Final = (
    "skip_reason",
    "segments",
    "price",
    "currency",
    "replies",
    "stop_replies",
    "clicks",
    "opted_out",
    "orders",
    "revenue",
    "assisted_orders",
    "assisted_revenue",
)

LOG_COLUMNS: Final = (*BEFORE, *_SAID_OF_A_FAILURE, *AFTER)
"""The columns of the message log, one row a message."""

Row = tuple[Any, ...]
"""Plain values in the order of some columns: text, int, bool, Decimal, an aware datetime, or None."""

Page = Sequence[Sequence[Any]]
"""Some rows, column by column: most columns of a log hold few values, which are written once a page."""

PAGE: Final = 500
"""Rows that CSV is written in at a time."""

_BATCH: Final = 50_000
"""Rows that a Parquet file is written in at a time, a row group each."""


# --- what the numbers mean ---------------------------------------------------------------------


def definitions(summary: Summary) -> dict[str, Any]:
    """Return what numbers mean: the profile, its formulas, what counts add up, and when they were true."""
    profile = summary.profile
    return {
        "campaignkit": importlib.metadata.version("campaignkit"),
        "profile": profile.name,
        "bounce_policy": profile.bounce_policy,
        "attribution": profile.attribution,
        "formulas": {name: str(formula) for name, formula in profile.rates.items()},
        "regrouped": {name: " + ".join(parts) for name, parts in profile.regroup.items()},
        "counts": {name: getattr(Counts, name).__doc__ for name in COUNT_PROPERTIES},
        "code_tables": TABLES_DATED,
        "as_of": summary.as_of.isoformat() if summary.as_of else None,
        "settled_share": summary.settled_share.value,
    }


def json_text(values: Mapping[str, Any]) -> str:
    """Return JSON that can be written as UTF-8, whatever its texts hold."""
    # A lone surrogate cannot be written as UTF-8; its escape is JSON, and is read back as what it was.
    text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


# --- files -------------------------------------------------------------------------------------


def write_csv(
    target: str | Path | TextIO, columns: Sequence[str], rows: Iterable[Row], about: Mapping[str, Any]
) -> None:
    """Write rows as CSV (RFC 4180, UTF-8), safe to open in a spreadsheet, without holding them in memory.

    A text that a spreadsheet would run as a formula gets a leading apostrophe; telephone
    numbers and negative numbers are left as they are. Texts of any length are kept whole,
    though a spreadsheet shows no more than 32,767 characters of a cell.

    Args:
        target: a path, with a manifest beside it; or an open text file, which has none and stays open.
        columns: the names, first row of the file.
        rows: the values in that order.
        about: what the manifest says of the numbers, see `definitions`.
    """
    write_cells(target, columns, _in_cells(rows), about)


def write_cells(
    target: str | Path | TextIO, columns: Sequence[str], pages: Iterable[Page], about: Mapping[str, Any]
) -> None:
    """Write what `write_csv` does, of rows that are in pages of `csv_cells` already."""
    if not isinstance(target, str | Path):
        target.writelines(text for _, text in _csv_texts(columns, pages))
        return

    def write(part: Path) -> int:
        with part.open("w", encoding="utf-8", newline="") as file:
            return sum(n for n, text in _csv_texts(columns, pages) if file.write(text)) - 1

    _save(Path(target), write, columns, {**about, **_CSV_NOTES})


def csv_files(
    name: str, columns: Sequence[str], rows: Iterable[Row], about: Mapping[str, Any], most: int
) -> dict[str, bytes]:
    """Return what `write_csv` would write, by the names of the files; nothing where the CSV is larger than ``most``."""
    texts: list[bytes] = []
    size = lines = 0
    for n, text in _csv_texts(columns, _in_cells(rows)):
        texts.append(text.encode("utf-8"))
        size, lines = size + len(texts[-1]), lines + n
        if size > most:
            return {}
    data = b"".join(texts)
    digest = hashlib.sha256(data).hexdigest()
    manifest = _manifest({**about, **_CSV_NOTES}, name, lines - 1, digest, columns)
    return {name: data, _beside(name): manifest.encode("utf-8")}


_CSV_NOTES: Final = {
    "text": "cells that would run as formulas begin with an apostrophe; numbers and telephone numbers do not",
    "times": "ISO 8601 with the offset of the data",
}


def write_text(path: str | Path, text: str) -> None:
    """Write a text that says itself what its numbers mean, like a page."""
    with _whole(Path(path)) as part:
        part.write_text(text, encoding="utf-8", newline="")


def write_json(path: str | Path, values: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Write one record as JSON, with a manifest beside it."""

    def write(part: Path) -> int:
        part.write_text(json_text(values), encoding="utf-8", newline="")
        return 1

    _save(Path(path), write, tuple(values), about)


def write_parquet(path: str | Path, columns: Sequence[str], rows: Iterable[Row], about: Mapping[str, Any]) -> None:
    """Write rows of the message log as Parquet, typed, without holding them in memory.

    Moments are in UTC, to the microsecond; rows may have them as microseconds since 1970. Money
    is a decimal in millionths, rounded half to even as in every sum. What the manifest beside the
    file says of the numbers, the file says itself too, in the metadata of its schema under
    ``campaignkit``.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    try:
        arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtra("pyarrow", "pyarrow", "writing Parquet") from None
    notes = {**about, "times": "UTC", "money": "millionths, rounded half to even", "columns": list(columns)}
    fields = [(name, _arrow_type(arrow, name)) for name in columns]
    schema = arrow.schema(fields, metadata={"campaignkit": json_text(notes)})

    def write(part: Path) -> int:
        written, stream = 0, iter(rows)
        with parquet.ParquetWriter(part, schema, compression="zstd") as file:
            while batch := list(itertools.islice(stream, _BATCH)):
                file.write_batch(_arrow_batch(arrow, schema, batch))
                written += len(batch)
        return written

    _save(Path(path), write, columns, notes)


def _save(path: Path, write: Callable[[Path], int], columns: Sequence[str], about: Mapping[str, Any]) -> None:
    """Write a file and its manifest beside their names, and rename both once they are whole."""
    with _whole(path.parent / _beside(path.name)) as beside_part, _whole(path) as part:
        rows = write(part)
        beside_part.write_text(_manifest(about, path.name, rows, _sha256(part), columns), encoding="utf-8")


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Yield where to write, and rename that once it is written; after a failure nothing is left of it."""
    if path.is_dir():
        raise InvalidValue(f"{str(path)!r} is a folder: give the name of a file in it")
    part = path.with_name(f"{path.name}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _beside(name: str) -> str:
    return f"{name}.manifest.json"


def _manifest(about: Mapping[str, Any], name: str, rows: int, sha256: str, columns: Sequence[str]) -> str:
    return json_text({**about, "file": name, "rows": rows, "sha256": sha256, "columns": list(columns)})


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- the message log ---------------------------------------------------------------------------


def log_rows(
    rows: Any,
    profile: Profile,
    *,
    columns: Mapping[str, str] | None = None,
    carrier: str | None = None,
    timezone: str | None = None,
) -> Iterator[Row]:
    """Yield each message in the order of `LOG_COLUMNS`, with what its code means where it failed.

    Args:
        rows: Messages, any objects or mappings with their fields, or a frame.
        profile: whose bounces and reasons.
        columns: our name to theirs, of rows that are not `Message`; so are the two below.
        carrier: whose status words and codes these are, when the rows do not say.
        timezone: the zone of naive moments.

    Raises:
        InvalidRow: a value that is not what its column holds.
    """
    if is_frame(rows):
        from campaignkit.frames import frame_rows  # noqa: PLC0415 - narwhals is loaded with the first frame

        rows = frame_rows(rows)
    reader = _Reader(columns or {}, carrier, timezone)
    for number, row in enumerate(rows):
        if isinstance(row, Message):
            yield (*_before(row), *said_of(row.carrier, row.error_code, row.status, profile), *_after(row))
        else:
            yield reader.read(number, row, profile)


_before: Final = operator.attrgetter(*BEFORE)
_after: Final = operator.attrgetter(*AFTER)


class _Reader:
    """Reads rows that are not `Message`: their own names, their carrier's words, nulls of every kind."""

    def __init__(self, columns: Mapping[str, str], carrier: str | None, timezone: str | None) -> None:
        zone = None if timezone is None else parse_zone(timezone)
        self._carrier, self._status = carrier, columns.get("status", "status")
        self._plan = [
            (name, columns.get(name, name), as_text if _is_free(name) else cell_reader(name, zone))
            for name in (*BEFORE, *AFTER)
        ]

    def read(self, number: int, row: Any, profile: Profile) -> Row:
        get = row.get if isinstance(row, Mapping) else functools.partial(attribute, row)
        found: dict[str, Any] = {}
        for name, theirs, read in self._plan:
            value = get(theirs)
            try:
                found[name] = None if value is None else read(value)
            except InvalidValue as error:
                raise InvalidRow(number, theirs, value, str(error)) from None
        carrier, word = self._carrier or found["carrier"], found["status"]
        if word is None:
            raise InvalidRow(number, "status", word, "is missing: every message needs one")
        word = own_word(self._status, word)
        meaning = parse_status_word(carrier, word, ours_first=self._carrier is None)
        code = code_with_word(carrier, found["error_code"], word, meaning)
        found |= {"carrier": carrier, "status": meaning.status}
        if carrier in NEGATIVE_PRICES and found["price"] is not None:
            found["price"] = found["price"].copy_abs()
        said = said_of(carrier, code, meaning.status, profile)
        return (*(found[name] for name in BEFORE), *said, *(found[name] for name in AFTER))


def _is_free(name: str) -> bool:
    """Return whether a column may hold anything, which is written as text."""
    return kind_of(name) == "text" and name not in {"status", "carrier", "error_code", "currency"}


def as_text(value: Any) -> Any:
    """Return an id of any kind as text, a null of any kind as None.

    >>> as_text(7.0), as_text("spring"), as_text(float("nan"))
    ('7', 'spring', None)
    """
    try:
        return _read_text(value)
    except InvalidValue:  # an id of the host's own kind, like a UUID
        return str(value)


_read_text: Final[Cell] = cell_reader("contact_id")


@functools.lru_cache(maxsize=65536)
def said_of(carrier: str | None, code: str | None, status: Status, profile: Profile) -> Row:
    """Return what a failure's code means, between `BEFORE` and `AFTER`; empty where nothing failed."""
    if status not in FAILURES:
        return (None,) * len(_SAID_OF_A_FAILURE)
    verdict = verdict_of(carrier, code, Status(status), profile)
    return verdict.reason, verdict.bounce.value, verdict.retryable, verdict.description, verdict.advice


# --- cells of a spreadsheet --------------------------------------------------------------------

_NUMBER: Final = re.compile(r"[+-]?[0-9][0-9 ]*([.,][0-9]+)?", re.ASCII)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


_SPECIAL: Final = frozenset(',"\r\n')
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.:/-]*+|\+[0-9]++", re.ASCII).fullmatch
_ALIKE: Final = tuple({type(None), *kinds} for kinds in ((str, Status), (int,), (bool,)))
"""Types of which equal values are written alike: not so moments of several zones, 1.0 and 1.00, or True and 1."""


def _csv_texts(columns: Sequence[str], pages: Iterable[Page]) -> Iterator[tuple[int, str]]:
    """Yield the names of the columns, then each page, as lines of CSV and how many they are."""
    names = [csv_cells([name]) for name in columns]
    for page in itertools.chain([names], pages):
        yield len(page[0]), "\r\n".join(map(",".join, zip(*page, strict=True))) + "\r\n"


def _in_cells(rows: Iterable[Row]) -> Iterator[Page]:
    return ([csv_cells(column) for column in page] for page in pages_of(rows, PAGE))


def pages_of(rows: Iterable[Row], size: int) -> Iterator[Page]:
    """Yield rows as pages of at most so many."""
    stream = iter(rows)
    while some := list(itertools.islice(stream, size)):
        yield list(zip(*some, strict=True))


def csv_cells(column: Sequence[Any]) -> Sequence[str]:
    """Return values of one column as cells of CSV, safe and quoted."""
    if column[0] is None and column.count(None) == len(column):
        return [""] * len(column)
    kinds = {*map(type, column)}
    if not any(kinds <= each for each in _ALIKE):
        return [_cell(each) for each in column]
    distinct = {*column}
    if kinds == {str} and all(map(_PLAIN, distinct)):
        return column
    written = {each: _cell(each) for each in distinct}
    return [written[each] for each in column]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value if _PLAIN(value) else _quoted(safe_text(str(value)))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else _quoted(safe_text(str(value)))


def _quoted(text: str) -> str:
    """Return text as RFC 4180 has it: in quotes where it needs them."""
    return text if _SPECIAL.isdisjoint(text) else '"{}"'.format(text.replace('"', '""'))


def safe_text(text: str) -> str:
    """Return text that a spreadsheet shows and does not run, and that every reader can decode.

    >>> safe_text("=1+1"), safe_text("+33639980123"), safe_text("-5")
    ("'=1+1", '+33639980123', '-5')
    """
    clean = _encodable(text.replace("\0", "\N{REPLACEMENT CHARACTER}"))
    if clean.startswith(_FORMULA) and not _NUMBER.fullmatch(clean):
        return f"'{clean}"
    return clean


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


# --- columns of Parquet ------------------------------------------------------------------------

_MICRO: Final = Decimal("0.000001")


def kind_of(name: str) -> str:
    """Return what a column of the message log holds."""
    if name.endswith("_at"):
        return "moment"
    if name in MONEY_COLUMNS:
        return "money"
    if name in {"opted_out", "retryable"}:
        return "flag"
    return "count" if name in COUNT_COLUMNS or name == "step" else "text"


def _arrow_type(arrow: Any, name: str) -> Any:
    return {
        "moment": arrow.timestamp("us", tz="UTC"),
        "money": arrow.decimal128(18, 6),  # what fits 64 bits, and the most that is allowed
        "flag": arrow.bool_(),
        "count": arrow.int64(),
        "text": arrow.string(),
    }[kind_of(name)]


def _arrow_batch(arrow: Any, schema: Any, rows: Sequence[Row]) -> Any:
    columns = zip(*rows, strict=True)
    values = (_TO_ARROW.get(kind_of(field.name), list)(column) for field, column in zip(schema, columns, strict=True))
    arrays = [arrow.array(column, type=field.type) for field, column in zip(schema, values, strict=True)]
    return arrow.record_batch(arrays, schema=schema)


_TO_ARROW: Final[Mapping[str, Callable[[Iterable[Any]], list[Any]]]] = {
    "money": lambda column: [None if each is None else EXACT.quantize(each, _MICRO) for each in column],
    "text": lambda column: [None if each is None else _encodable(each) for each in column],
}
