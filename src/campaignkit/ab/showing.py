"""A comparison as a reader sees it: the variants side by side, each against the control, a picture of the lifts.

    Evidence ──► section(): sentences, tables, Intervals ──► text, page, mail, notebook
        ├──────► markdown(): the tables
        ├──────► rows(): every number, for programs
        └──────► chart(): the picture, for notebooks

It counts nothing and decides nothing. A number that there is not is a dash, and a sentence says why.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, timedelta, tzinfo
from typing import Any, Final

import attrs

from campaignkit.ab.evidence import Contrast, Evidence, Metric, SampleRatio
from campaignkit.ab.outcomes import Arm
from campaignkit.ab.values import Estimate
from campaignkit.charts import Interval, Intervals, interval_chart
from campaignkit.display import (
    NOTHING,
    Entry,
    Facts,
    Section,
    Table,
    clock_text,
    first_rows,
    in_zone,
    joined,
    label,
    money_text,
    percent_text,
    span_text,
    visible,
)

COLUMNS: Final = (
    "metric",
    "variant",
    "control",
    "sent",
    "recipients",
    "outcomes",
    "rate",
    "lower",
    "upper",
    "difference",
    "difference_lower",
    "difference_upper",
    "lift",
    "lift_lower",
    "lift_upper",
    "p_value",
    "p_adjusted",
    "prob_best",
    "expected_loss",
    "always_valid_lower",
    "always_valid_upper",
)
"""The names of what `rows` gives."""

_SIDE_BY_SIDE: Final = 4
_MOST_NAMED: Final = 3
_MOST_ROWS: Final = 100
_ALL: Final = "to_dicts() has all"
_RARE: Final = 0.0005
_HEAD: Final = ("Metric", "Variant", "Lift", "p-value", "p, adjusted", "Is best", "Expected loss", "At any time")
_OF_MANY: Final = frozenset({"Variant", "p, adjusted"})
_TO: Final = {"assigned": "Assigned", "sent": "Sent to", "delivered": "Delivered to"}
_METHODS: Final = {"katz": "Katz", "delta": "the delta method", "fieller": "Fieller"}
_OF_ARM: Final = re.compile(r"\bof ([AB])\b")
_MARKS: Final = re.compile(r"([\\`*_{}\[\]<>#|~])")


def section(evidence: Evidence, zone: tzinfo = UTC) -> Section:
    """Return what a test shows: who is known, the variants, each against the control, the picture, what to know.

    Args:
        evidence: the comparison.
        zone: whose clock is shown.
    """
    written = [Written.of(evidence, metric) for metric in evidence.values()]
    picture = _picture(evidence, written)
    parts: list[Any] = [*_known(evidence, zone), *map(ratio_said, _off(evidence)), *_as_planned(evidence)]
    parts.append(_variants(evidence, written))
    if any(row.drawn for row in picture.rows):
        parts.append(picture)
    if written:
        parts += [_against(evidence, written), _legend(evidence)]
    parts += [*_fewer(evidence, written), *_reasons(written), *_not_measured(evidence), *evidence.outcomes.notes]
    return Section("ab", "A/B test", tuple(parts))


def markdown(evidence: Evidence) -> str:
    """Return the tables as Markdown, as GitHub reads it."""
    tables = [part for part in section(evidence).parts if isinstance(part, Table)]
    return "\n".join(map(_markdown, tables))


def chart(evidence: Evidence) -> Any:
    """Return the lifts with their intervals as an Altair chart.

    Raises:
        MissingExtra: altair is not installed.
    """
    return interval_chart(_picture(evidence, [Written.of(evidence, metric) for metric in evidence.values()]))


def rows(evidence: Evidence) -> list[dict[str, Any]]:
    """Return a row for each metric and variant, of the names in `COLUMNS`.

    Rates, differences, losses and intervals are shares (0.01 is one point) or, of a mean, in its unit; what
    there is not is None.
    """
    return [_row(evidence, metric, arm) for metric in evidence.values() for arm in metric.found]


def _row(evidence: Evidence, metric: Metric, arm: str) -> dict[str, Any]:
    rate, against = metric.estimates[arm], metric.contrasts.get(arm)
    values = (
        metric.name,
        arm,
        metric.control,
        evidence.arms[arm].sent,
        metric.recipients(arm),
        None if metric.is_mean else metric.counts[arm][0],
        rate.value,
        *_ends(rate),
        *((None,) * 8 if against is None else _contrasted(against)),
        metric.prob_best[arm],
        metric.expected_loss[arm],
        *((None, None) if against is None else _ends(against.always_valid)),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _contrasted(against: Contrast) -> tuple[float | None, ...]:
    difference, lift = against.difference, against.lift
    return (
        difference.value,
        *_ends(difference),
        lift.value,
        *_ends(lift),
        against.p_value,
        against.p_adjusted,
    )


def _ends(found: Estimate) -> tuple[float | None, float | None]:
    """Return both ends of an interval; those of a set that is none would be read as one."""
    return (found.lower, found.upper) if found.kind == "bounded" else (None, None)


# --- how numbers are written -------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Written:
    """One metric, and how its numbers are written: all with as many digits as the largest needs.

    Attributes:
        metric: the metric.
        digits: of its rates.
        unit: of a mean: its currency.
    """

    metric: Metric
    digits: int
    unit: str = ""

    @classmethod
    def of(cls, evidence: Evidence, metric: Metric) -> Written:
        """Return how a metric of a test is written."""
        known = [each for each in metric.estimates.values() if each.value is not None]
        most = max((abs(each.upper or each.value or 0.0) for each in known), default=0.0)
        if metric.is_mean:
            return cls(metric=metric, digits=_digits(most, 2), unit=evidence.outcomes.unit)
        return cls(metric=metric, digits=_digits(100 * most, 1))

    @property
    def name(self) -> str:
        """What it is called."""
        return label(self.metric.name)

    @property
    def hinted(self) -> str:
        """What it is called where it is held against the control's."""
        return f"{self.name} (less is better)" if self.metric.better == "lower" else self.name

    def level(self, *values: float) -> str:
        """Return a rate or a mean, or both ends of its interval, which has its currency beside it."""
        unit = "%" if not self.metric.is_mean else self.unit if len(values) == 1 else ""
        return self._said(values, f"z,.{self.digits}f", unit)

    def gap(self, *values: float, sign: str = "+") -> str:
        """Return a difference, or both ends of its interval: points, or what the mean is in."""
        return self._said(values, f"{sign}z,.{self._fine}f", self.unit if self.metric.is_mean else "points")

    def loss(self, value: float) -> str:
        """Return an expected loss; one that rounds to nothing is said to be less than the least that is shown."""
        least = 10.0**-self._fine / self._times
        return self.gap(value, sign="") if value >= least / 2 or not value else f"< {self.gap(least, sign='')}"

    @property
    def _fine(self) -> int:
        return self.digits + 1 if self.metric.is_mean else max(2, self.digits)

    @property
    def _times(self) -> int:
        return 1 if self.metric.is_mean else 100

    def _said(self, values: Sequence[float], form: str, unit: str) -> str:
        return f"{' to '.join(format(self._times * value, form) for value in values)} {unit}".rstrip()


def _digits(most: float, least: int) -> int:
    """Return how many digits after the point numbers need, the largest of which is ``most``.

    >>> [_digits(most, 1) for most in (97.2, 1.4, 0.31, 0.04, 0)]
    [1, 1, 2, 3, 1]
    """
    digits = least
    while 0 < most * 10 ** (digits - 1) < 1 and digits < least + 4:
        digits += 1
    return digits


def _lift(*values: float) -> str:
    return f"{' to '.join(f'{100 * value:+z,.1f}' for value in values)} %"


def _interval(found: Estimate, written: Callable[..., str]) -> str:
    """Return the interval of an estimate, the sets that are none in words, nothing where there is none."""
    if found.kind == "unbounded":
        return "no limits"
    if found.lower is None or found.upper is None:
        return ""
    return f"{'all but ' if found.kind == 'exclusive' else ''}{written(found.lower, found.upper)}"


def _estimate(found: Estimate, written: Callable[..., str]) -> Entry:
    if found.value is None:
        return Entry(NOTHING)
    return Entry(written(found.value), note=_interval(found, written), value=found.value)


def _p(value: float | None) -> Entry:
    if value is None:
        return Entry(NOTHING)
    return Entry("< 0.001" if value < _RARE else f"{value:.3f}", value=value)


def odds_text(value: float | None) -> str:
    """Return a probability in percent; one that is not quite 0 or 1 is not said to be.

    >>> odds_text(0.9999), odds_text(0.97)
    ('> 99.9 %', '97.0 %')
    """
    if value is not None and 0 < value < 1 and not _RARE <= value <= 1 - _RARE:
        return "< 0.1 %" if value < _RARE else "> 99.9 %"
    return percent_text(value)


def _odds(value: float | None) -> Entry:
    return Entry(odds_text(value), value=value)


# --- the tables --------------------------------------------------------------------------------


def _variants(evidence: Evidence, written: Iterable[Written]) -> Table:
    """Return what each variant did: few variants as columns, to be read side by side, many as rows."""
    arms = list(evidence.arms.values())
    columns: list[tuple[Entry, list[Entry]]] = [(Entry("Sent"), [_count(arm.sent) for arm in arms])]
    if any(arm.matured != arm.sent for arm in arms):
        columns.append((Entry("Known outcome"), [_matured(arm) for arm in arms]))
    parts = [arm.segments_per_message for arm in arms]
    if len({None if each is None else round(each, 2) for each in parts}) > 1:
        each = [Entry(NOTHING) if n is None else Entry(f"{n:.2f}", value=n) for n in parts]
        columns.append((Entry("Segments a message"), each))
    if any(arm.cost for arm in arms):
        columns.append((Entry("Cost"), [Entry(money_text(arm.cost) if arm.cost else NOTHING) for arm in arms]))
    for one in written:
        found = one.metric.estimates
        entries = [_estimate(found[arm.name], one.level) if arm.name in found else Entry(NOTHING) for arm in arms]
        columns.append((Entry(one.name, note=f"= {one.metric.formula}"), entries))
    names = [f"{arm.name} (control)" if arm.name == evidence.control else arm.name for arm in arms]
    if len(arms) <= _SIDE_BY_SIDE:
        lines: list[tuple[str | Entry, ...]] = [(head, *entries) for head, entries in columns]
        return Table(head=("", *names), rows=lines, right=tuple(range(1, len(arms) + 1)))
    each_arm = zip(*(entries for _, entries in columns), strict=True)
    shown, rest = first_rows([(name, *line) for name, line in zip(names, each_arm, strict=True)], _MOST_ROWS, _ALL)
    return Table(
        head=("Variant", *(head.text for head, _ in columns)),
        rows=shown,
        right=tuple(range(1, len(columns) + 1)),
        rest=rest,
        sortable=True,
    )


def _count(n: int) -> Entry:
    return Entry(f"{n:,}", value=n)


def _matured(arm: Arm) -> Entry:
    return Entry(f"{arm.matured:,}", note=percent_text(arm.matured / arm.sent) if arm.sent else "", value=arm.matured)


def _against(evidence: Evidence, written: Iterable[Written]) -> Table:
    """Return each variant against the control, metric by metric."""
    many = _are_many(evidence)
    kept = [place for place, name in enumerate(_HEAD) if many or name not in _OF_MANY]
    lines = [
        tuple(_compared(one, arm)[place] for place in kept)
        for one in written
        for arm in one.metric.found
        if many or arm != evidence.control
    ]
    shown, rest = first_rows(lines, _MOST_ROWS, _ALL)
    return Table(
        head=tuple(_HEAD[place] for place in kept),
        rows=shown,
        right=tuple(range(2 if many else 1, len(kept))),
        title=visible(f"Against {evidence.control}" if many else f"{_other(evidence)} against {evidence.control}"),
        rest=rest,
        stacked=True,
    )


def _are_many(evidence: Evidence) -> bool:
    return len(evidence.arms) > 2  # noqa: PLR2004 - one against one, or several


def _other(evidence: Evidence) -> str:
    return next(arm for arm in evidence.arms if arm != evidence.control)


def _compared(one: Written, arm: str) -> tuple[Entry, ...]:
    metric = one.metric
    name, loss, against = Entry(one.hinted), metric.expected_loss[arm], metric.contrasts.get(arm)
    best = _odds(metric.prob_best[arm]), Entry(NOTHING) if loss is None else Entry(one.loss(loss), value=loss)
    if against is None:
        return name, Entry(f"{arm} (control)"), Entry(""), Entry(""), Entry(""), *best, Entry("")
    odds = _p(against.p_value), _p(against.p_adjusted)
    always = Entry(_interval(against.always_valid, one.gap) or NOTHING)
    return name, Entry(arm), _estimate(against.lift, _lift), *odds, *best, always


def _legend(evidence: Evidence) -> Facts:
    """Return what the columns mean."""
    sure, control = f"{100 * evidence.confidence:g} %", evidence.control
    lines = [
        (
            "lift",
            f"how much more than {control}, relative to it, with a {sure} interval by {_METHODS[evidence.method]}",
        ),
        ("p-value", "how often chance alone makes at least such a difference"),
        ("p, adjusted", f"the same, because {len(evidence.arms) - 1} variants have as many chances (Holm)"),
        ("is best", "the probability that the variant is the best of all"),
        ("expected loss", "what choosing the variant costs on average, where another is better"),
        ("at any time", f"the {sure} interval of the difference that holds however often it is looked at"),
    ]
    return Facts([line for line in lines if line[0] != "p, adjusted" or _are_many(evidence)])


def _picture(evidence: Evidence, written: Iterable[Written]) -> Intervals:
    many = _are_many(evidence)
    drawn = []
    for one in written:
        for arm, found in one.metric.contrasts.items():
            lower, upper = _ends(found.lift)
            drawn.append(
                Interval(
                    name=arm if many else one.hinted,
                    group=one.hinted if many else "",
                    lower=lower,
                    value=found.lift.value,
                    upper=upper,
                    text=_lift_text(found),
                )
            )
    title = f"Lift against {evidence.control}, with {100 * evidence.confidence:g} % intervals"
    return Intervals(title=title, rows=tuple(drawn[:_MOST_ROWS]))


def _lift_text(against: Contrast) -> str:
    lift = against.lift
    if lift.value is None:
        return _reason(lift.missing, against) or NOTHING
    return f"{_lift(lift.value)}, {_interval(lift, _lift) or 'no interval'}"


def _markdown(table: Table) -> str:
    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cells)} |"

    rules = ["---:" if place in table.right else "---" for place in range(len(table.head))]
    lines = [line(map(_marked, table.head)), line(rules)]
    lines += [
        line(f"{_marked(each.text)} ({_marked(each.note)})" if each.note else _marked(each.text) for each in row)
        for row in table.rows
    ]
    title = [f"**{_marked(table.title)}**", ""] if table.title else []
    return "\n".join([*title, *lines, ""])


def _marked(text: str) -> str:
    """Return text that is text in Markdown, whatever its signs."""
    return _MARKS.sub(r"\\\1", visible(text)).replace("&", "&amp;")


# --- the sentences -----------------------------------------------------------------------------


def _known(evidence: Evidence, zone: tzinfo) -> Iterator[str]:
    """Yield how many recipients have a known outcome."""
    found, as_of = evidence.matured, evidence.as_of
    when = "" if as_of is None else f", as of {clock_text(as_of, zone)} {in_zone(as_of, zone):%Z}"
    window = evidence.outcomes.window
    if window is not None:
        share = f"{found.part:,} of {found.whole:,} recipients"
        yield f"{share} have had their {_span(window)} ({percent_text(found.value)}){when}."
    elif when:
        yield f"Whatever came counts, without a window{when}."


def _span(window: timedelta) -> str:
    return span_text(window).replace(".0 ", " ")


def _off(evidence: Evidence) -> list[SampleRatio]:
    return [each for each in evidence.sample_ratios.values() if not each.ok]


def _as_planned(evidence: Evidence) -> Iterator[str]:
    """Yield the sentence that the numbers of recipients are as they should be."""
    tested = [each for each in evidence.sample_ratios.values() if each.p_value is not None]
    if tested and not _off(evidence):
        odds = ", ".join(f"{_p(each.p_value)} {each.stage}" for each in tested)
        should = "as planned" if evidence.shares_given else "as equal shares give"
        yield f"As many recipients {should} in each variant (p = {odds})."


def ratio_said(ratio: SampleRatio) -> str:
    """Return the sentence about numbers of recipients that are not as they should be."""
    gaps = {group: n - ratio.expected[group] for group, n in ratio.observed.items()}
    widest = heapq.nlargest(_MOST_NAMED, gaps, key=lambda group: abs(gaps[group]))
    named = [group for group in gaps if group in widest]
    pairs = [f"{group} {ratio.observed[group]:,} instead of {ratio.expected[group]:,.0f}" for group in named]
    more = f" and {len(gaps) - len(widest)} more" if len(gaps) > len(widest) else ""
    why = ": carriers may filter one text" if ratio.stage == "delivered" else ""
    return f"{_TO[ratio.stage]}: {', '.join(pairs)}{more}; chance does not explain it (p {_p(ratio.p_value)}){why}."


def _fewer(evidence: Evidence, written: Iterable[Written]) -> Iterator[str]:
    """Yield which metrics are known of fewer recipients than have had their time."""
    for one in written:
        known = {arm: one.metric.recipients(arm) for arm in one.metric.found}
        if any(n < evidence.arms[arm].matured for arm, n in known.items()):
            each = joined((f"{arm} {n:,}" for arm, n in known.items()), _MOST_NAMED)
            yield f"{one.name} is known of fewer: {each}."


def _reasons(written: Iterable[Written]) -> Iterator[str]:
    """Yield why there are dashes, each reason once with the metrics it holds for."""
    found: dict[str, dict[str, None]] = {}
    for one in written:
        for reason in _missing(one.metric):
            found.setdefault(reason, {})[one.name] = None
    for reason, names in found.items():
        first, *others = names
        yield f"{', '.join([first, *map(str.lower, others)])}: {reason}."


def _missing(metric: Metric) -> Iterator[str]:
    for estimate in metric.estimates.values():
        yield from filter(None, [estimate.missing])
    for each in metric.contrasts.values():
        for found in (each.lift, each.test, each.always_valid):
            yield from filter(None, [_reason(found.missing, each)])


def _reason(missing: str | None, against: Contrast) -> str:
    """Return why there is no number, by the names of the variants: the statistics call them A and B."""
    names = {"A": against.control, "B": against.arm}
    return _OF_ARM.sub(lambda found: f"of {names[found[1]]}", missing or "")


def _not_measured(evidence: Evidence) -> Iterator[str]:
    for name, reason in evidence.outcomes.missing.items():
        yield f"{label(name)} was not measured: {reason}."
