"""The message log of a tracked campaign as pages of a file, read as it stood at one moment."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from campaignkit.backends.storage.port import Transaction
from campaignkit.backends.storage.tables import MESSAGES
from campaignkit.exports import AFTER, BEFORE, LOG_COLUMNS, PAGE, Page, Row, csv_cells, kind_of, pages_of, said_of
from campaignkit.grouping import moment_at
from campaignkit.models import Status
from campaignkit.profiles import Profile
from campaignkit.tracker.stored import amount, spent

_TOLD: Final = ("assisted_revenue",)  # is in ``revenue`` with the other
_READ: Final = tuple(name for name in (*BEFORE, *AFTER) if name not in _TOLD)
_SAID: Final = tuple(name for name in LOG_COLUMNS if name not in {*BEFORE, *AFTER})
_SECOND: Final = 1_000_000

Column = Sequence[Any]
Form = Mapping[str, Callable[[Column], Column]]
"""What is made of a column as it is stored, by the kind of what it holds."""


def cells_of(tx: Transaction, campaign: str, profile: Profile) -> Iterator[Page]:
    """Yield the messages of a campaign as pages of `csv_cells` in the order of `LOG_COLUMNS`, without holding them."""
    return _log_of(tx, campaign, profile, _CELLS)


def rows_of(tx: Transaction, campaign: str, profile: Profile) -> Iterator[Row]:
    """Yield the same as rows for Parquet, moments in microseconds since 1970."""
    return itertools.chain.from_iterable(zip(*page, strict=True) for page in _log_of(tx, campaign, profile, _VALUES))


def _log_of(tx: Transaction, campaign: str, profile: Profile, form: Form) -> Iterator[Page]:
    for page in pages_of(tx.select(MESSAGES, _READ, index="campaign", where={"campaign_id": campaign}), PAGE):
        told = dict(zip(_READ, page, strict=True))
        failed = zip(told["carrier"], told["error_code"], told["status"], strict=True)
        told |= _columns(_SAID, [said_of(*each, profile) for each in failed])
        told |= _columns(("currency", "revenue", "assisted_revenue"), map(spent, told["revenue"], told["currency"]))
        skipped = zip(told["status"], told["skip_reason"], strict=True)
        told["skip_reason"] = [reason if status == Status.SKIPPED else None for status, reason in skipped]
        yield [form[kind_of(name)](told[name]) for name in LOG_COLUMNS]


def _columns(names: Sequence[str], rows: Iterable[Row]) -> dict[str, Column]:
    return dict(zip(names, zip(*rows, strict=True), strict=True))


def _once(write: Callable[[Any], Any]) -> Callable[[Column], Column]:
    """Return what makes of a column what it makes of each value, once for equal ones; None stays."""

    def written(column: Column) -> Column:
        known = {each: None if each is None else write(each) for each in {*column}}
        return [known[each] for each in column]

    return written


def _moments(column: Column) -> Column:
    """Return moments as `datetime.isoformat` writes them; many of a page are in one second."""
    return [
        "" if at is None
        else f"{_second(at // _SECOND)}.{rest:06d}+00:00" if (rest := at % _SECOND)
        else f"{_second(at // _SECOND)}+00:00"
        for at in column
    ]  # fmt: skip


@functools.lru_cache(maxsize=100_000)
def _second(at: int) -> str:
    return moment_at(at * _SECOND).replace(tzinfo=None).isoformat()


_flags: Final = _once(bool)
_amounts: Final = _once(amount)
_VALUES: Final[Form] = {"text": tuple, "count": tuple, "moment": tuple, "flag": _flags, "money": _amounts}
_CELLS: Final[Form] = {
    "text": csv_cells,
    "count": csv_cells,
    "moment": _moments,
    "flag": lambda column: csv_cells(_flags(column)),
    "money": lambda column: csv_cells(_amounts(column)),
}
