"""Promises of `ab.plan`: is the test large enough, and what could it show?"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaignkit.ab.planning import plan
from campaignkit.ab.stats import detectable, power, sample_size
from campaignkit.errors import InvalidValue

UNHURRIED = settings(deadline=None)
ASKED = {"audience": 50_000, "baseline": 0.05, "lift": 0.2}

# What 5 % + 5 % of an audience can show at least, by baseline: 80 % power, 5 % two-sided.
BASELINES = (0.005, 0.02, 0.05, 0.1, 0.2)
DETECTABLE = {
    5_000: "769% 263% 139% 88% 54%",
    10_000: "446% 166% 92% 59% 38%",
    50_000: "147% 63% 37% 25% 16%",
    100_000: "96% 43% 26% 17% 11%",
    500_000: "39% 18% 11% 8% 5%",
    1_000_000: "27% 13% 8% 5% 4%",
}


@pytest.mark.parametrize("audience", DETECTABLE)
def test_smallest_lift_that_a_tenth_can_show(audience):
    """The table of the specification, as it is printed there."""
    plans = [plan(audience=audience, baseline=baseline, lift=0.2) for baseline in BASELINES]

    assert DETECTABLE[audience] == " ".join(f"{each.detectable_lift:.0%}" for each in plans)
    assert {each.per_variant for each in plans} == {audience // 20}


def test_plan_of_a_usual_test():
    """The example of the specification."""
    made = plan(**ASKED)

    assert not made.enough
    assert made.per_variant == 2_500
    assert made.detectable_lift == pytest.approx(0.37, abs=0.005)
    assert made.power == power(0.05, 0.06, 2_500)
    assert made.required_per_variant == 8_158
    assert made.required_fraction == 0.3264


SENTENCES = [
    (
        {},
        (
            "10 % (2 × 2,500) can show a click rate of 6.9 % instead of 5.0 % (a lift of 37 %) or more. For a"
            " lift of 20 % use 33 % (2 × 8,158); at 10 %, 34 in 100 such tests would show it, not 80."
        ),
    ),
    (
        {"audience": 200000},
        (
            "10 % (2 × 10,000) can show a click rate of 5.9 % instead of 5.0 % (a lift of 18 %) or more. That"
            " is enough for a lift of 20 %: 87 in 100 such tests would show it."
        ),
    ),
    (
        {"audience": 1000000, "test_fraction": 0.025},
        (
            "2.5 % (2 × 12,500) can show a click rate of 5.8 % instead of 5.0 % (a lift of 16 %) or more. "
            "That is enough for a lift of 20 %: 93 in 100 such tests would show it."
        ),
    ),
    (
        {"audience": 10000000},
        (
            "10 % (2 × 500,000) can show a click rate of 5.1 % instead of 5.0 % (a lift of 2.5 %) or more. "
            "That is enough for a lift of 20 %: more than 99 in 100 such tests would show it."
        ),
    ),
    (
        {"audience": 10000000, "test_fraction": 0.001},
        (
            "0.1 % (2 × 5,000) can show a click rate of 6.3 % instead of 5.0 % (a lift of 26 %) or more. For "
            "a lift of 20 % use 0.2 % (2 × 8,158); at 0.1 %, 59 in 100 such tests would show it, not 80."
        ),
    ),
    (
        {"audience": 5000},
        (
            "10 % (2 × 250) can show a click rate of 12.0 % instead of 5.0 % (a lift of 139 %) or more. For a"
            " lift of 20 % even the whole audience is too small: 2 × 8,158 = 16,316 recipients are needed, "
            "and there are 5,000; at 10 %, 8 in 100 such tests would show it, not 80."
        ),
    ),
    (
        {"audience": 5},
        (
            "10 % (2 × 0) cannot show any lift in a click rate of 5.0 %. For a lift of 20 % even the whole "
            "audience is too small: 2 × 8,158 = 16,316 recipients are needed, and there are 5; at 10 %, fewer"
            " than 1 in 100 such tests would show it, not 80."
        ),
    ),
    (
        {"metric": "opt_out_rate", "baseline": 0.01, "lift": -0.5},
        (
            "10 % (2 × 2,500) can show an opt out rate of 0.35 % instead of 1.00 % (a fall of 65 %; lower is "
            "better) or less. For a fall of 50 % use 19 % (2 × 4,673); at 10 %, 54 in 100 such tests would "
            "show it, not 80."
        ),
    ),
    (
        {"metric": "hard_bounce_rate", "baseline": 0.002, "lift": -0.5},
        (
            "10 % (2 × 2,500) cannot show any fall in a hard bounce rate of 0.20 %. For a fall of 50 % use 95"
            " % (2 × 23,511); at 10 %, 15 in 100 such tests would show it, not 80."
        ),
    ),
    (
        {"variants": 4, "audience": 500000},
        (
            "10 % (4 × 12,500) can show a click rate of 5.9 % instead of 5.0 % (a lift of 19 %) or more. That"
            " is enough for a lift of 20 %: 86 in 100 such tests would show it. 4 variants are 3 comparisons "
            "with the control, which share the 5 % chance of a false alarm (Holm): 1.7 % each."
        ),
    ),
]


@pytest.mark.parametrize(("asked", "sentences"), SENTENCES, ids=[str(place) for place in range(len(SENTENCES))])
def test_plan_is_said_in_a_few_sentences(asked, sentences):
    """What it can show, whether that is enough, and what would be."""
    assert sentences == str(plan(**{**ASKED, **asked}))


def test_plan_is_shown_in_a_notebook():
    """As a paragraph."""
    assert plan(**ASKED)._repr_html_() == f"<p>{plan(**ASKED)}</p>"


def test_several_comparisons_share_the_level():
    """With three variants each of the two comparisons is planned at half of alpha."""
    made = plan(**ASKED, variants=3)

    assert made.per_variant == 1_666
    assert made.required_per_variant == sample_size(0.05, 0.06, alpha=0.025)
    assert made.power == power(0.05, 0.06, 1_666, alpha=0.025)
    assert made.detectable_lift == detectable(0.05, 1_666, alpha=0.025) / 0.05 - 1
    assert made.alpha == 0.05


rates = st.floats(0.001, 0.5)
lifts = st.floats(0.01, 0.9)


@UNHURRIED
@given(st.integers(1, 10**7), st.integers(2, 6), rates, lifts, st.booleans())
def test_fraction_that_is_required_is_enough(audience, variants, baseline, lift, less):
    """The fraction that a plan asks for is enough when it is taken, and a plan that is enough shows the lift."""
    asked = {"audience": audience, "variants": variants, "baseline": baseline}
    asked |= {"metric": "opt_out_rate", "lift": -lift} if less else {"lift": lift}
    made = plan(**asked)

    if made.required_fraction is None:
        assert not made.enough
        assert audience < variants * made.required_per_variant
    else:
        assert plan(**asked, test_fraction=made.required_fraction).enough
    if made.enough:
        assert abs(made.detectable_lift) <= lift * (1 + 1e-9)
        assert made.power >= 0.8 - 1e-9
    assert made.enough == (made.per_variant >= made.required_per_variant)


@UNHURRIED
@given(st.integers(1_000, 10**6), rates, lifts)
def test_larger_tests_show_more(audience, baseline, lift):
    """Twice the test has at least the power, and shows at least as small a lift."""
    half, whole = (plan(audience=audience, baseline=baseline, lift=lift, test_fraction=part) for part in (0.2, 0.4))

    assert half.power <= whole.power + 1e-12
    if half.detectable_lift is not None:
        assert whole.detectable_lift <= half.detectable_lift
    assert half.required_fraction == whole.required_fraction


WRONG = [
    ({"audience": 0}, "audience is 0: must be at least 1; give how many there are"),
    ({"audience": 0.5}, "audience is 0.5: a count is a whole number; give how many people"),
    ({"audience": True}, "audience is True: a count is a whole number; give how many people"),
    ({"variants": 1}, "variants is 1: must be at least 2 and at most 100; give how many there are"),
    ({"variants": 101}, "variants is 101: must be at least 2 and at most 100; give how many there are"),
    ({"test_fraction": 0}, "test_fraction is 0: must be above 0 and at most 1; 10 % is 0.1"),
    ({"test_fraction": 10}, "test_fraction is 10: must be above 0 and at most 1; 10 % is 0.1"),
    ({"metric": "click"}, "metric is 'click': not one we know; nearest: click_rate"),
    ({"baseline": 5}, "baseline is 5: must be above 0 and below 1; 5 % is 0.05"),
    ({"baseline": 0}, "baseline is 0: must be above 0 and below 1; 5 % is 0.05"),
    ({"baseline": float("nan")}, "baseline is nan: must be above 0 and below 1; 5 % is 0.05"),
    ({"power": 1}, "power is 1: must be above 0.05 and below 1; 80 % is 0.8"),
    ({"power": 0.01}, "power is 0.01: must be above 0.05 and below 1; 80 % is 0.8"),
    ({"alpha": "5 %"}, "alpha is '5 %': must be above 0 and below 1; 5 % is 0.05"),
    ({"lift": float("inf")}, "lift is inf: must be a number; a fifth more is 0.2"),
    ({"lift": 0}, "lift is 0: of click_rate more is better, so it must be above 0; a fifth more is 0.2"),
    ({"lift": -0.2}, "lift is -0.2: of click_rate more is better, so it must be above 0; a fifth more is 0.2"),
    ({"lift": 20}, "lift is 20: 5 % cannot rise by more than 1,900 %; 20 % is 0.2"),
    (
        {"metric": "opt_out_rate"},
        "lift is 0.2: of opt_out_rate less is better, so it must be below 0 and at least -1; a fifth less is -0.2",
    ),
    ({"lift": 1e-300}, "lift is 1e-300: too small for any number of contacts to show it; give a larger one"),
]


@pytest.mark.parametrize(("asked", "sentence"), WRONG, ids=[str(place) for place in range(len(WRONG))])
def test_what_cannot_be_planned_is_refused(asked, sentence):
    """The value, the rule, and the remedy."""
    with pytest.raises(InvalidValue) as refused:
        plan(**{**ASKED, **asked})

    assert sentence == str(refused.value)


def test_metric_that_is_no_proportion_is_refused():
    """Its top is not part of its bottom, so its test would be wrong."""
    with pytest.raises(InvalidValue, match=r"clicked ÷ delivered is no proportion; use one of delivery_rate, "):
        plan(**ASKED, metric="click_to_delivered_rate")
