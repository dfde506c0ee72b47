"""Before the send: is the test large enough, and what could it show?"""

from __future__ import annotations

import html
import math
from fractions import Fraction
from typing import Final

import attrs

from campaignkit.ab.allocation import Share, exact_share
from campaignkit.ab.stats.inputs import whole
from campaignkit.ab.stats.sizing import detectable, sample_size
from campaignkit.ab.stats.sizing import power as power_of
from campaignkit.errors import InvalidValue, nearest, shown
from campaignkit.profiles import LOWER_IS_BETTER, get_profile

_MOST_VARIANTS: Final = 100
_SURE: Final = 0.99
_WHOLE: Final = 0.0995  # from here on a percentage needs no places


@attrs.frozen(kw_only=True)
class Plan:
    """What a test of this size can show; made by `plan`. Printed, it says so in a few sentences.

    Attributes:
        audience: contacts in all.
        test_fraction: the part of them that is tested.
        variants: how many texts, the control among them.
        metric: the rate that decides.
        baseline: what it is now.
        lift: the relative change that is wanted; below 0 where less is better.
        wanted_power: how often the test is to show it, if it is there.
        alpha: how often the test may show a change that is not there, over all comparisons.
        per_variant: contacts that get each text.
        power: how often this test shows the wanted lift, if it is there; None where nobody gets a text.
        detectable_lift: the smallest change that it shows as often as is wanted; None where it shows none.
        required_per_variant: contacts that each text needs to show the wanted lift.
        required_fraction: the part of the audience that takes, to the next hundredth of a percent; None
            where even all of it is too small.
    """

    audience: int
    test_fraction: float
    variants: int
    metric: str
    baseline: float
    lift: float
    wanted_power: float
    alpha: float
    per_variant: int
    power: float | None
    detectable_lift: float | None
    required_per_variant: int
    required_fraction: float | None

    @property
    def enough(self) -> bool:
        """Whether the test shows the wanted lift as often as is wanted, if it is there."""
        return self.per_variant >= self.required_per_variant

    def __str__(self) -> str:
        """Return what the test can show, whether that is enough, and what would be."""
        return " ".join(filter(None, (self._can_show(), self._is_enough(), self._comparisons())))

    def _repr_html_(self) -> str:
        """Return the same as HTML."""
        return f"<p>{html.escape(str(self))}</p>"

    def _can_show(self) -> str:
        size = f"{_percent(self.test_fraction)} ({self._times(self.per_variant)})"
        name = self.metric.replace("_", " ")
        if self.detectable_lift is None:
            return f"{size} cannot show any {self._change} in {_a(name)} of {self._rate(self.baseline)}."
        rate = self._rate(self.baseline * (1 + self.detectable_lift))
        least = f"{_a(name)} of {rate} instead of {self._rate(self.baseline)}"
        if self.lift > 0:
            return f"{size} can show {least} (a lift of {_rough(self.detectable_lift)}) or more."
        return f"{size} can show {least} (a fall of {_rough(-self.detectable_lift)}; lower is better) or less."

    def _is_enough(self) -> str:
        wanted = f"{self._change} of {_percent(abs(self.lift))}"
        seen = f"{_of_100(self.power or 0.0)} in 100 such tests would show it"
        if self.enough:
            return f"That is enough for a {wanted}: {seen}."
        needed = self._times(self.required_per_variant)
        now = f"at {_percent(self.test_fraction)}, {seen}, not {100 * self.wanted_power:.4g}"
        if self.required_fraction is not None:
            return f"For a {wanted} use {_rounded_up(self.required_fraction)} ({needed}); {now}."
        recipients = self.variants * self.required_per_variant
        return (
            f"For a {wanted} even the whole audience is too small: {needed} = {recipients:,} recipients are needed,"
            f" and there are {self.audience:,}; {now}."
        )

    def _comparisons(self) -> str:
        if self.variants == 2:  # noqa: PLR2004 - one comparison
            return ""
        others = self.variants - 1
        return (
            f"{self.variants} variants are {others} comparisons with the control, which share the"
            f" {_percent(self.alpha)} chance of a false alarm (Holm): {_rough(self.alpha / others)} each."
        )

    @property
    def _change(self) -> str:
        return "lift" if self.lift > 0 else "fall"

    def _times(self, each: int) -> str:
        return f"{self.variants} × {each:,}"

    def _rate(self, rate: float) -> str:
        """Return a rate with as many places as tell the smaller of those that are shown."""
        least = self.baseline * (1 + min(self.detectable_lift or 0.0, 0.0)) or self.baseline
        return f"{100 * rate:.{max(1, -math.floor(math.log10(least)) - 1)}f} %"


def _a(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _percent(share: float) -> str:
    """Return a share that somebody chose, as they wrote it."""
    return f"{round(100 * share, 4):,.15g} %"


def _rough(share: float) -> str:
    """Return a share that was calculated, as exactly as it is worth saying."""
    return f"{100 * share:,.0f} %" if share >= _WHOLE else f"{100 * share:.1f} %"


def _of_100(share: float) -> str:
    if share < 1 - _SURE:
        return "fewer than 1"
    return f"{100 * share:.0f}" if share <= _SURE else "more than 99"


def _rounded_up(share: float) -> str:
    hundredths = round(10_000 * share)
    return f"{-(-hundredths // 10) / 10:.1f} %" if share < _WHOLE else f"{-(-hundredths // 100)} %"


def plan(
    *,
    audience: int,
    test_fraction: Share = 0.10,
    variants: int = 2,
    metric: str = "click_rate",
    baseline: float,
    lift: float,
    power: float = 0.8,
    alpha: float = 0.05,
) -> Plan:
    """Return what a test can show, before it is sent.

    The arithmetic is that of the two-sided z test of two proportions (`stats.sample_size`): Fleiss, Levin &
    Paik 2003, Statistical Methods for Rates and Proportions, ch. 4. With more than two variants each comparison
    with the control gets an equal part of ``alpha``, the hardest step of Holm 1979, Scand. J. Stat. 6:65.

    Args:
        audience: contacts in all.
        test_fraction: the part of them that is tested, all variants together.
        variants: how many texts, the control among them.
        metric: the rate that decides, one of campaignkit's proportions.
        baseline: what it is now; 5 % is 0.05.
        lift: the relative change worth finding: 0.2 is a fifth more. Where less is better, as of
            ``opt_out_rate``, a fifth less is -0.2.
        power: how often the test is to show it, if it is there.
        alpha: how often the test may show a change that is not there.

    Raises:
        InvalidValue: a number out of its range, a metric that is not known or no proportion.

    >>> print(plan(audience=50_000, baseline=0.05, lift=0.20))
    10 % (2 × 2,500) can show a click rate of 6.9 % instead of 5.0 % (a lift of 37 %) or more.
    For a lift of 20 % use 33 % (2 × 8,158); at 10 %, 34 in 100 such tests would show it, not 80.
    """
    everybody, texts = _count("audience", audience, 1), _count("variants", variants, 2, _MOST_VARIANTS)
    part = exact_share("test_fraction", test_fraction)
    if not 0 < part <= 1:
        raise InvalidValue(f"test_fraction is {shown(test_fraction)}: must be above 0 and at most 1; 10 % is 0.1")
    _check_metric(metric)
    rate, change = _rates(metric, baseline, lift)
    each = math.floor(everybody * part / texts)
    shared = _level("alpha", alpha) / (texts - 1)
    power = _level("power", power, above=float(alpha), example="80 % is 0.8")
    found = detectable(rate, each, power=power, alpha=shared, down=change < 0)
    required = sample_size(rate, rate * (1 + change), power=power, alpha=shared)
    if required is None:
        raise InvalidValue(f"lift is {shown(lift)}: too small for any number of contacts to show it; give a larger one")
    fraction = Fraction(required * texts, everybody)
    return Plan(
        audience=everybody,
        test_fraction=float(part),
        variants=texts,
        metric=metric,
        baseline=rate,
        lift=change,
        wanted_power=power,
        alpha=float(alpha),
        per_variant=each,
        power=power_of(rate, rate * (1 + change), each, alpha=shared),
        detectable_lift=None if found is None else found / rate - 1,
        required_per_variant=required,
        required_fraction=math.ceil(10_000 * fraction) / 10_000 if fraction <= 1 else None,
    )


def _count(name: str, value: float, least: int, most: int | None = None) -> int:
    count = whole(value, name)
    if count < least or (most and count > most):
        upper = f" and at most {most}" if most else ""
        raise InvalidValue(f"{name} is {shown(value)}: must be at least {least}{upper}; give how many there are")
    return count


def _check_metric(metric: str) -> None:
    rates = get_profile("campaignkit").rates
    known = [name for name, formula in rates.items() if formula.proportion]
    if metric in known:
        return
    if metric in rates:
        raise InvalidValue(f"metric is {metric!r}: {rates[metric]} is no proportion; use one of {', '.join(known)}")
    raise InvalidValue(f"metric is {shown(metric)}: not one we know; nearest: {nearest(metric, known)}")


def _level(name: str, value: object, above: float = 0.0, example: str = "5 % is 0.05") -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not above < value < 1:
        raise InvalidValue(f"{name} is {shown(value)}: must be above {above:g} and below 1; {example}")
    return float(value)


def _rates(metric: str, baseline: object, lift: object) -> tuple[float, float]:
    """Return the baseline and the lift, checked."""
    rate = _level("baseline", baseline)
    if isinstance(lift, bool) or not isinstance(lift, int | float) or not math.isfinite(lift):
        raise InvalidValue(f"lift is {shown(lift)}: must be a number; a fifth more is 0.2")
    if metric in LOWER_IS_BETTER and not -1 <= lift < 0:
        raise InvalidValue(
            f"lift is {shown(lift)}: of {metric} less is better, so it must be below 0 and at least -1;"
            " a fifth less is -0.2"
        )
    if metric not in LOWER_IS_BETTER and lift <= 0:
        raise InvalidValue(
            f"lift is {shown(lift)}: of {metric} more is better, so it must be above 0; a fifth more is 0.2"
        )
    most = 1 / rate - 1
    if lift > most:
        raise InvalidValue(
            f"lift is {shown(lift)}: {_percent(rate)} cannot rise by more than {_rough(most)}; 20 % is 0.2"
        )
    return rate, float(lift)
