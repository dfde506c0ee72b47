"""Outcomes of prepared rows: one for each recipient, with a flag for each metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from campaignkit.ab.messages import check_contacts, listed, span_of, taker
from campaignkit.ab.outcomes import Arm, Outcomes, in_order, outcomes_of
from campaignkit.ab.reading import Flags, Reading
from campaignkit.ab.values import REST
from campaignkit.errors import InvalidColumn, shown
from campaignkit.metrics import Rate
from campaignkit.profiles import Formula
from campaignkit.rows import is_frame


def from_flags(rows: Any, metrics: Mapping[str, str], reading: Reading, groups: Sequence[str]) -> Outcomes:
    """Return the outcomes of prepared rows: one for each recipient sent to, with a flag for each metric.

    Args:
        rows: a frame, or mappings or objects.
        metrics: metric to the column of its flags: true, false, or null where it is not yet known.
        reading: how to read them; a window needs sent_at.
        groups: the groups of the split in their order; empty without one.

    Raises:
        InvalidColumn: a column is missing, or holds something else.
    """
    kept = rows if is_frame(rows) else listed(rows)
    unchecked = check_contacts(kept, reading)
    first, last = (None, None) if reading.window is None else _span(kept, reading)
    if reading.as_of is None:
        reading = attrs.evolve(reading, as_of=last)
    if is_frame(kept):
        from campaignkit.ab.frames import flag_sums  # noqa: PLC0415 - the same

        counted = flag_sums(kept, metrics, reading)
    else:
        counted = _flag_sums(kept, metrics, reading)
    names = in_order(counted, groups)
    rates = {
        metric: {
            arm: Rate(counted[raw].x[place], counted[raw].n[place], Formula(column, "sent"))
            for raw, arm in names.items()
        }
        for place, (metric, column) in enumerate(metrics.items())
    }
    return outcomes_of(
        {
            arm: Arm(name=arm, assigned=counted[raw].rows, sent=counted[raw].rows, matured=counted[raw].matured)
            for raw, arm in names.items()
            if arm not in REST
        },
        rates,
        {},
        asked=(),
        groups={"sent": {arm: counted[raw].rows for raw, arm in names.items()}},
        first=first,
        last=last,
        as_of=reading.as_of,
        window=reading.window,
        notes=tuple(filter(None, [unchecked])),
    )


def _span(rows: Any, reading: Reading) -> tuple[datetime | None, datetime | None]:
    if not is_frame(rows):
        return span_of(rows, reading)
    from campaignkit.ab.frames import sending_span  # noqa: PLC0415 - the same

    return sending_span(rows, reading.theirs("sent_at"))


def _flag_sums(rows: Sequence[Any], metrics: Mapping[str, str], reading: Reading) -> dict[Any, Flags]:
    take, columns = taker(rows, reading), list(metrics.values())
    found: dict[Any, Flags] = {}
    for place, row in enumerate(rows):
        variant = take(row, reading.variant)
        if variant is None:
            continue
        flags = found.setdefault(variant, Flags(0, 0, [0] * len(columns), [0] * len(columns)))
        flags.rows += 1
        if not reading.has_closed(take(row, "sent_at")):
            continue
        flags.matured += 1
        for metric, column in enumerate(columns):
            value = take(row, column)
            if value is None:
                continue
            if value not in {0, 1}:
                raise InvalidColumn(f"{column} is {shown(value)} in row {place}: give true, false, or null")
            flags.n[metric] += 1
            flags.x[metric] += int(value)
    return found
