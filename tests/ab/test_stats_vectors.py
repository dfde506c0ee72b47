"""Known answers: every case of vectors.json that is about statistics, through the public functions."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import pytest

from campaignkit.ab import stats
from campaignkit.ab.values import Moments

CASES = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))["cases"]

ELSEWHERE = {"F14", "F15", "F15g"}
"""Formulas of the allocation and of the split, which have tests of their own."""


def counts(inputs):
    """Return the four counts of two arms."""
    return [inputs[name] for name in ("x_a", "n_a", "x_b", "n_b")]


def rate_test(case):
    """Return what a test of two rates says."""
    method = {
        "pooled": "pooled",
        "unpooled": "unpooled",
        "pooled_continuity_corrected": "corrected",
        "fisher": "fisher",
    }[case["method"]]
    inputs = case["inputs"]
    assert inputs.get("null_difference", 0) == 0
    found = stats.two_proportion_test(*counts(inputs), method=method, alternative=inputs["alternative"])
    return {"statistic": found.statistic, "p_value": found.p_value}


def rate(case):
    """Return a rate and its interval."""
    function = {"wilson": stats.wilson, "clopper_pearson": stats.clopper_pearson}[case["method"]]
    inputs = case["inputs"]
    found = function(inputs["x"], inputs["n"], confidence=inputs["confidence_level"])
    return {"rate": found.value, "lower": found.lower, "upper": found.upper}


def difference(case):
    """Return a difference and its interval."""
    inputs = case["inputs"]
    found = stats.difference(*counts(inputs), method=case["method"], confidence=inputs["confidence_level"])
    return {"difference": found.value, "lower": found.lower, "upper": found.upper}


def sample_ratio(case):
    """Return what the sizes of groups say."""
    found = stats.sample_ratio(case["inputs"]["observed"], case["inputs"]["weights"])
    return {"statistic": found.statistic, "df": found.df, "p_value": found.p_value}


def sample_ratio_sequence(case):
    """Return what the sizes of groups say after each batch."""
    inputs = case["inputs"]
    found = stats.sample_ratio_sequence(inputs["batches"], inputs["weights"], concentration=inputs["concentration"])
    return {"log_bayes_factor": found.log_bayes_factor, "p_values": list(found.p_values)}


def two_arms(case):
    """Return what is believed of two arms."""
    inputs = case["inputs"]
    x_a, n_a, x_b, n_b = counts(inputs)
    found = stats.beta_binomial([(x_a, n_a), (x_b, n_b)], prior=(inputs["prior_alpha"], inputs["prior_beta"]))
    return {
        "prob_b_beats_a": found.prob_best[1],
        "expected_loss_a": found.expected_loss[0],
        "expected_loss_b": found.expected_loss[1],
        "posterior_mean_a": found.means[0],
        "posterior_mean_b": found.means[1],
    }


def several_arms(case):
    """Return what is believed of several arms."""
    inputs = case["inputs"]
    arms = list(zip(inputs["x"], inputs["n"], strict=True))
    found = stats.beta_binomial(arms, prior=(inputs["prior_alpha"], inputs["prior_beta"]))
    return {"prob_best": list(found.prob_best), "expected_loss": list(found.expected_loss)}


def adjusted(case):
    """Return adjusted p-values, and what they reject."""
    found = getattr(stats, case["method"])(case["inputs"]["p_values"])
    return {"adjusted_p_values": list(found), "rejected": [p <= case["inputs"]["alpha"] for p in found]}


def sample_size(case):
    """Return the size of both arms; what no size shows is infinite in the table and None here."""
    inputs = case["inputs"]
    n_a = stats.sample_size(
        inputs["baseline"],
        inputs["treatment"],
        ratio=inputs["ratio"],
        power=inputs["power"],
        alpha=inputs["alpha"],
        method=case["method"],
        alternative=inputs["alternative"],
    )
    return {"n_a": n_a or "inf", "n_b": n_a * inputs["ratio"] if n_a else "inf"}


def power(case):
    """Return the power of a test of a size."""
    inputs = case["inputs"]
    found = stats.power(
        inputs["baseline"],
        inputs["treatment"],
        inputs["n_a"],
        ratio=inputs["ratio"],
        alpha=inputs["alpha"],
        method=case["method"].removeprefix("power_"),
        alternative=inputs["alternative"],
    )
    return {"power": found}


def sequence(case):
    """Return an interval that holds at every look."""
    inputs = case["inputs"]
    relative = {"asymptotic_cs_relative": True, "asymptotic_cs_absolute": False}[case["method"]]
    found = stats.confidence_sequence(
        *counts(inputs), tuning=inputs["tuning_parameter"], alpha=inputs["alpha"], relative=relative
    )
    return {
        "estimate": found.value,
        "lower": found.lower,
        "upper": found.upper,
        "p_value": found.p_value,
        "log_e_value": found.log_e_value,
        "rho": found.rho,
    }


def msprt(case):
    """Return the same by the mixture test."""
    found = stats.msprt(**case["inputs"])
    return {"p_value": found.p_value, "lower": found.lower, "upper": found.upper}


def lift(case):
    """Return a lift and its interval."""
    method = case["method"].split("_")[0]
    inputs = case["inputs"]
    found = stats.lift(*counts(inputs), method=method, confidence=inputs["confidence_level"])
    error = {"katz": "log_standard_error", "delta": "standard_error"}.get(method)
    return {
        "lift": found.value,
        "lower": found.lower,
        "upper": found.upper,
        "kind": found.kind,
        **({error: found.standard_error} if error else {}),
    }


def welch(case):
    """Return how two means differ."""
    inputs = case["inputs"]
    a, b = (Moments.from_mean(*(inputs[f"{name}_{arm}"] for name in ("mean", "sd", "n"))) for arm in "ab")
    found = stats.welch(a, b, confidence=inputs["confidence_level"], alternative=inputs["alternative"])
    return {
        "statistic": found.test.statistic,
        "df": found.test.df,
        "p_value": found.test.p_value,
        "lower": found.difference.lower,
        "upper": found.difference.upper,
    }


def guardrail(case):
    """Return whether a harm is within its margin."""
    inputs = case["inputs"]
    assert inputs["direction"] == "lower_is_better"
    found = stats.non_inferiority(*counts(inputs), margin=inputs["margin"], confidence=1 - inputs["alpha"])
    return {
        "statistic": found.statistic,
        "p_value": found.p_value,
        "newcombe_upper_one_sided_95": found.upper,
        "non_inferior_by_newcombe": found.safe,
    }


def cuped(case):
    """Return how two means differ, less what was before."""
    inputs = case["inputs"]
    a, b = (Moments.of(inputs[f"y_{arm}"], inputs[f"pre_{arm}"]) for arm in "ab")
    found = stats.cuped(a, b)
    return {
        "theta": found.theta,
        "adjusted_mean_a": found.mean_a,
        "adjusted_mean_b": found.mean_b,
        "difference": found.difference.value,
        "statistic": found.test.statistic,
        "p_value": found.test.p_value,
    }


FUNCTIONS = {
    "F1": rate_test,
    "F1c": rate_test,
    "F2": rate,
    "F2b": rate,
    "F3": difference,
    "F3b": difference,
    "F4": rate_test,
    "F5": sample_ratio,
    "F5s": sample_ratio_sequence,
    "F6": two_arms,
    "F6n": several_arms,
    "F7": adjusted,
    "F8": sample_size,
    "F8p": power,
    "F9": sequence,
    "F9m": msprt,
    "F10d": lift,
    "F10f": lift,
    "F10k": lift,
    "F11": welch,
    "F12": guardrail,
    "F13": cuped,
}

NOT_GIVEN = {"log10_p_value", "n_a_raw", "power_one_tail_only"}
"""What a case tells besides: no public function gives it."""


def agrees(found, expected, tolerance):
    """Return whether a number, a word, a truth or a list of them is what was expected."""
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(agrees, found, expected, [tolerance] * len(expected)))
    if expected is None or isinstance(expected, str | bool) or found is None:
        return found == expected
    return math.isclose(found, expected, rel_tol=tolerance["rel"], abs_tol=tolerance["abs"])


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["formula"] not in ELSEWHERE], ids=lambda case: case["id"]
)
def test_known_answers(case):
    """A public function gives the known answer, within the tolerance that the case states."""
    found = FUNCTIONS[case["formula"]](case)

    wrong = {
        name: (found[name], expected)
        for name, expected in case["expected"].items()
        if name not in NOT_GIVEN and not agrees(found[name], expected, case["tolerance"])
    }
    assert not wrong


def test_every_formula_has_its_function():
    """A new formula among the known answers fails here until somebody tests it."""
    assert {case["formula"] for case in CASES} == FUNCTIONS.keys() | ELSEWHERE


def test_no_known_answer_is_lost():
    """The table is as long as it was when it was made."""
    assert len(CASES) == 133
    assert Counter(case["formula"] in ELSEWHERE for case in CASES) == {False: 122, True: 11}
