"""Variants side by side, from whatever there is: messages, frames, summaries, counts.

compare(...) ──► Comparison ──► comparison["click_rate"] ──► Metric
├───────► comparison.decide("click_rate") ──► Decision
└───────► text, a notebook's table, a section of a report, a chart
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs

from campaignkit.ab import showing
from campaignkit.ab.deciding import Decision, Fallback, Guardrail, decide
from campaignkit.ab.evidence import Better, Evidence, Method
from campaignkit.ab.groups import from_groups
from campaignkit.ab.messages import from_rows
from campaignkit.ab.outcomes import Outcomes
from campaignkit.ab.prepared import from_flags
from campaignkit.ab.reading import Reading, parse_span
from campaignkit.ab.splitting import Split
from campaignkit.ab.values import REMAINING, REST
from campaignkit.display import Section, html_text
from campaignkit.errors import InvalidValue, MissingExtra, nearest, shown
from campaignkit.page import block
from campaignkit.profiles import Profile, get_profile
from campaignkit.summary import frame_of


@attrs.frozen(kw_only=True, repr=False)
class Comparison(Evidence):
    """The variants of a test side by side; metric name to `Metric`. Make it with `compare`.

    Printed, it is a table; in a notebook, an HTML one with a picture of the intervals.
    """

    def decide(
        self,
        metric: str,
        *,
        guardrails: Mapping[str, Guardrail] | None = None,
        min_recipients: int = 500,
        prob_best: float = 0.95,
        max_expected_loss: float | None = None,
        deadline: timedelta | str | datetime | None = None,
        fallback: Fallback = "leader",
        better: Better | None = None,
        remaining: int | None = None,
        force: bool = False,
    ) -> Decision:
        """Return what the test shows, and which text the rest of the audience should get.

        These are two answers. ``status`` says how sure it is: sending the leader loses the fewest
        clicks, and says nothing about whether it is better.

        Args:
            metric: the one metric that decides.
            guardrails: metric to the harm that is not accepted; a variant that does it is excluded.
            min_recipients: of each variant with a closed window, before anything is said.
            prob_best: the probability from which on a variant is called the winner.
            max_expected_loss: variants are equivalent when choosing any of them costs at most this
                (a share: 0.001 is a tenth of a point; of a mean, its unit).
            deadline: how long after the first message, or when, an answer is needed whatever the evidence.
            fallback: what to send without a winner: ``"leader"``, ``"control"``, a variant, or None.
            better: ``"higher"`` or ``"lower"``, where the metric's name does not say it.
            remaining: how many recipients wait for the better text; by default what the split says.
            force: answer although the sample ratio says that the test is broken.

        Raises:
            InvalidValue: a metric that was not compared, a fallback that is no variant, a threshold
                out of its range.
        """
        return decide(
            self,
            metric,
            guardrails=guardrails or {},
            min_recipients=min_recipients,
            threshold=prob_best,
            max_expected_loss=max_expected_loss,
            deadline=deadline,
            fallback=fallback,
            better=better,
            remaining=remaining,
            force=force,
        )

    # --- shown -----------------------------------------------------------------------------

    def sections(self) -> tuple[Section, ...]:
        """Return what there is to say, as a report has it."""
        return (showing.section(self),)

    def __str__(self) -> str:
        """Return the comparison as text."""
        return str(showing.section(self))

    def __repr__(self) -> str:
        return f"<Comparison: {', '.join(self.arms)} by {', '.join(self)}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        try:
            return block("", [attrs.evolve(showing.section(self), key="ab")])
        except MissingExtra:
            return html_text(str(self))

    def chart(self) -> Any:
        """Return the lifts with their intervals as an Altair chart.

        Raises:
            MissingExtra: altair is not installed.
        """
        return showing.chart(self)

    # --- data ------------------------------------------------------------------------------

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return a row for each metric and variant, the control included."""
        return showing.rows(self)

    def to_frame(self, backend: str | None = None) -> Any:
        """Return `to_dicts` as a frame; the backend is polars, pandas or pyarrow, by default what is installed.

        Raises:
            InvalidValue: another backend.
            MissingExtra: the backend is not installed.
        """
        return frame_of(self.to_dicts(), showing.COLUMNS, backend)

    def to_markdown(self) -> str:
        """Return the tables as Markdown."""
        return showing.markdown(self)

    def to_html(self) -> str:
        """Return what a notebook shows, as a piece of HTML."""
        return self._repr_html_()


def compare(
    data: Any,
    *,
    variant: str = "variant",
    control: str | None = None,
    metrics: Iterable[str] | Mapping[str, str] | None = None,
    split: Split | None = None,
    shares: Mapping[str, float] | None = None,
    window: timedelta | str | None = None,
    as_of: datetime | None = None,
    contact: str | None = None,
    before: str | None = None,
    profile: str | Profile = "campaignkit",
    columns: Mapping[str, str] | None = None,
    carrier: str | None = None,
    replies: Any = None,
    clicks: Any = None,
    opt_outs: Any = None,
    orders: Any = None,
    timezone: str | None = None,
    confidence: float = 0.95,
    method: Method = "katz",
    prior: tuple[float, float] = (1.0, 1.0),
) -> Comparison:
    """Return the variants of a test side by side.

    A rate is of the messages that were sent, whatever became of them, and of people whose window
    has closed: an outcome that is not yet known counts neither above nor below the line.

    Args:
        data: messages or a frame as `summarize` reads them; or `Summaries` by variant; or counts,
            like ``{"A": {"sent": 2500, "clicked": 120}, "B": {"sent": 2500, "clicked": 150}}``.
        variant: the column that has it. Rows without one are left out, and so are those of the
            groups holdout and remaining.
        control: the variant that the others are held against; by default the first.
        metrics: names of rates that are proportions of sent, and ``revenue_per_recipient``. Or, of
            rows prepared with one recipient each: metric to the column of its flags (true, false,
            or null where it is not yet known).
        split: what planned the test: the shares it should have, and who waits for the better text.
        shares: variant to share, where there is no split; equal ones by default.
        window: how long after its sending an outcome of a message may come, like ``"4h"``. Only
            messages sent at least so long before ``as_of`` count.
        as_of: when all this is true; by default the latest moment in the data.
        contact: the column that tells people apart; by default contact_id, else to. Somebody in two
            variants, or twice in one, is refused.
        before: for the mean, the column of what people brought before the test (CUPED).
        profile: whose definitions to use, as for `summarize` like the four that follow.
        columns: our name to theirs.
        carrier: whose status words and codes these are.
        replies: events with ``message_id`` and ``received_at``; they count within the window.
        clicks: events with ``message_id`` and ``clicked_at``.
        opt_outs: events with ``message_id`` and ``opted_out_at``.
        orders: events with ``message_id``, ``ordered_at`` and maybe ``revenue``.
        timezone: the zone of naive moments.
        confidence: of every interval.
        method: of the interval of the lift: Katz' logarithm, the delta method, or Fieller's.
        prior: alpha and beta of each proportion before any data.

    Raises:
        InvalidValue: no proportion of sent, an unknown metric, a control that is no variant, shares
            that do not fit, a contact in two variants, and whatever `summarize` refuses.

    >>> test = compare({"A": {"sent": 2500, "clicked": 120}, "B": {"sent": 2500, "clicked": 150}})
    >>> print(f"{test['click_rate'].lift.value:+.0%}, P(B is best) {test['click_rate'].prob_best['B']:.3f}")
    +25%, P(B is best) 0.970
    """
    span, chosen = parse_span("window", window), get_profile(profile)
    if metrics is not None and not isinstance(metrics, str | Mapping):
        metrics = tuple(metrics)
    groups = tuple(split.counts) if split else ()
    tables = {"replies": replies, "clicks": clicks, "opt_outs": opt_outs, "orders": orders}
    events = {kind: table for kind, table in tables.items() if table is not None}
    if isinstance(data, Mapping):
        _check_final(span, events, metrics)
        found = from_groups(data, metrics, chosen)
    else:
        reading = Reading(
            variant=variant,
            profile=chosen,
            window=span,
            as_of=as_of,
            contact=contact,
            before=before,
            columns=columns or {},
            carrier=carrier,
            timezone=timezone,
        )
        if isinstance(metrics, Mapping):
            found = from_flags(data, metrics, reading, groups)
        else:
            found = from_rows(data, metrics, reading, events, groups)
    return _comparison(
        found,
        control=control,
        split=split,
        shares=shares,
        confidence=confidence,
        method=method,
        prior=prior,
        before=before is not None,
    )


def _check_final(window: timedelta | None, events: Mapping[str, Any], metrics: object) -> None:
    if window is not None:
        raise InvalidValue("window= is for messages: counts have no times; count those whose window has closed")
    if events:
        raise InvalidValue(f"{', '.join(events)} are for messages: add them to the counts")
    if isinstance(metrics, Mapping):
        raise InvalidValue("metrics= names columns of flags: counts have none; give names of rates")


def _comparison(
    found: Outcomes,
    *,
    control: str | None,
    split: Split | None,
    shares: Mapping[str, float] | None,
    before: bool,
    **how: Any,
) -> Comparison:
    arms = found.arms
    if len(arms) < 2:  # noqa: PLR2004 - a comparison is of two at least
        names = f"only {next(iter(arms))!r}" if arms else "none"
        raise InvalidValue(f"there are no two variants to compare ({names}): see variant=, and what the column holds")
    first = next(iter(arms)) if control is None else control
    if first not in arms:
        raise InvalidValue(f"control is {shown(control)}: no variant here; nearest: {nearest(control, arms)}")
    given = _shares(found, split, shares)
    test_size = sum(split.counts[arm] for arm in arms if arm in split.counts) if split else 0
    return Comparison(
        outcomes=found,
        control=first,
        shares=given or dict.fromkeys(arms, 1 / len(arms)),
        shares_given=given is not None,
        planned=test_size or sum(arm.assigned for arm in arms.values()) or 1,
        remaining=split.counts[REMAINING] if split else None,
        before=before,
        **how,
    )


def _shares(found: Outcomes, split: Split | None, shares: Mapping[str, float] | None) -> Mapping[str, float] | None:
    """Return what shares the groups should have, None when nobody said."""
    if split is not None and shares is not None:
        raise InvalidValue("split= says the shares: leave shares= out")
    given = split.counts if split is not None else shares
    if given is None:
        return None
    groups: Sequence[str] = [*found.arms, *(name for name in REST if name in found.groups.get("assigned", {}))]
    for name in groups:
        if name not in given and name not in REST:
            of = "the split" if split is not None else "shares"
            raise InvalidValue(
                f"variant {name!r} is not in {of}, which has {', '.join(given)}: compare what was planned"
            )
    return dict(given)
