"""Contacts in a frame of any engine.

An eager frame is taken row by row. A lazy one is joined with the keys that are wanted, because
its rows have no numbers; of rows with equal keys it gives one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import narwhals as nw

from campaignkit.engines import collect, named_gaps, open_frame, reads_files
from campaignkit.errors import InvalidColumn, nearest

VARIANT: Final = "variant"
"""The column that a frame is given."""

_PLACE: Final = "ck place"


class Framed:
    """Contacts in a frame of any engine."""

    def __init__(self, frame: Any) -> None:
        self._lazy = open_frame(frame)
        opened = nw.from_native(frame)
        # Chosen columns are a frame of their own, which stays as it is when the host sorts its own in place.
        self._rows = opened.select(nw.all()) if isinstance(opened, nw.DataFrame) else None
        self._key = ""
        self._table: Any = self._rows

    def columns(self, key: str, strata: Sequence[str]) -> list[list[Any]]:
        """Return the keys, and the values of each column of strata."""
        schema = self._lazy.collect_schema()
        for name in (key, *strata):
            if name not in schema:
                raise InvalidColumn(f"the frame has no {name!r}; nearest: {nearest(name, schema)}")
        if key == VARIANT:
            raise InvalidColumn(f"key is {key!r}, where the variants are to be written: rename the column of keys")
        self._key = key
        if self._table is None:  # once, because a second time the rows may come in another order
            with named_gaps(self._lazy):
                wanted = self._lazy.select(*dict.fromkeys((key, *strata)))
                self._table = collect(wanted, in_pieces=reads_files(self._lazy))
        return [self._table[name].to_list() for name in (key, *strata)]

    def only(self, places: Sequence[int], variant: str) -> Any:
        """Return some contacts as a frame, with their variant."""
        return self.paired(places, [variant] * len(places))

    def paired(self, places: Sequence[int], variants: Sequence[str]) -> Any:
        """Return some contacts as a frame in this order, each with its variant."""
        rows = self._table[list(places)] if places else self._table.head(0)
        variant = nw.new_series(VARIANT, list(variants), nw.String, backend=rows.implementation)
        if self._rows is not None:
            return rows.with_columns(variant).to_native()
        place = nw.new_series(_PLACE, list(range(len(places))), nw.Int64, backend=rows.implementation)
        wanted = rows.select(self._key).with_columns(variant, place)
        with named_gaps(self._lazy):
            return self._joined(wanted)

    def _joined(self, wanted: Any) -> Any:
        """Return the rows of a lazy frame whose keys are wanted, in their order, one each."""
        frame = self._lazy
        if not len(wanted):  # of which not every engine makes a table
            return frame.filter(nw.col(self._key).is_null()).with_columns(nw.lit("").alias(VARIANT)).to_native()
        if VARIANT in frame.collect_schema():
            frame = frame.drop(VARIANT)
        if frame.implementation.is_duckdb():
            joined = nw.from_native(_in_duckdb(frame.to_native(), wanted.to_arrow(), self._key))
        else:
            session = getattr(frame.to_native(), "sparkSession", None)
            joined = frame.join(wanted.lazy(frame.implementation, session=session), on=self._key, how="inner")
        return joined.unique([_PLACE], keep="any").sort(_PLACE).drop(_PLACE).to_native()


def _in_duckdb(relation: Any, ck_wanted: Any, key: str) -> Any:  # noqa: ARG001 - the query finds the table by its name
    """Return a relation joined with an Arrow table: narwhals' own are of another connection than the host's."""
    name = key.replace('"', '""')
    query = f'SELECT ck_rows.*, "{VARIANT}", "{_PLACE}" FROM ck_rows JOIN ck_wanted USING ("{name}")'  # noqa: S608 - quoted
    return relation.query("ck_rows", query)
