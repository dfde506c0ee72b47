"""What rooms of a test share: estimates, tests, the sums that a mean is made of, and groups without a text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

HOLDOUT: Final = "holdout"
REMAINING: Final = "remaining"

REST: Final = (HOLDOUT, REMAINING)
"""Groups of a split that get no text of the test."""


@attrs.frozen(kw_only=True)
class Estimate:
    """A number and how sure we are of it.

    Attributes:
        value: the number; None when there is none.
        lower: where its interval begins; None when there is none.
        upper: where its interval ends; None when there is none.
        standard_error: where the method has one.
        kind: ``bounded``, as intervals are. Fieller's sets may be ``exclusive`` (all but what is
            between lower and upper), ``unbounded`` (everything) or ``degenerate`` (nothing is known).
        missing: why something is None.
    """

    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    standard_error: float | None = None
    kind: str = "bounded"
    missing: str | None = None


@attrs.frozen(kw_only=True)
class Test:
    """What a test says.

    Attributes:
        p_value: how often chance alone gives at least this; None when there is no test.
        statistic: what the p-value was read from; None where the method has none.
        df: degrees of freedom, where the method has them.
        method: its name.
        missing: why the p-value is None.
    """

    __test__ = False  # pytest collects what is called Test

    p_value: float | None = None
    statistic: float | None = None
    df: float | None = None
    method: str = ""
    missing: str | None = None


@attrs.frozen(kw_only=True)
class Moments:
    """What a mean is made of: sums over recipients, which add.

    Attributes:
        n: recipients, those with 0 included.
        total: the sum of their values.
        squares: the sum of the squares.
        before: the sum of what they did before the test (for CUPED).
        before_squares: the sum of its squares.
        products: the sum of value times before.
    """

    n: int
    total: float
    squares: float
    before: float = 0.0
    before_squares: float = 0.0
    products: float = 0.0

    @classmethod
    def of(cls, values: Iterable[float], before: Iterable[float] = ()) -> Moments:
        """Return the moments of values, and of what was before them."""
        ys = [float(value) for value in values]
        xs = [float(value) for value in before] or [0.0] * len(ys)
        pairs = list(zip(ys, xs, strict=True))
        return cls(
            n=len(ys),
            total=sum(ys),
            squares=sum(y * y for y in ys),
            before=sum(xs),
            before_squares=sum(x * x for x in xs),
            products=sum(y * x for y, x in pairs),
        )

    @classmethod
    def from_mean(cls, mean: float, deviation: float | None, n: int) -> Moments:
        """Return the moments of n values from their mean and standard deviation (over n - 1).

        Args:
            mean: the mean; anything where n is 0.
            deviation: the standard deviation; None of fewer than two values.
            n: how many there are.
        """
        about = (n - 1) * deviation**2 if deviation is not None and n > 1 else 0.0
        return cls(n=n, total=n * mean, squares=n * mean**2 + about)

    @property
    def mean(self) -> float | None:
        """The mean; None of nobody."""
        return self.total / self.n if self.n else None
