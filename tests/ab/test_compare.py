"""Promises of `ab.compare`: what is counted of which recipients, whatever the data comes as."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction

import attrs
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import campaignkit as ck
from campaignkit import ab
from engines import MAKERS

ENGINES = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "lazy": pl.LazyFrame,
    "pyarrow": pa.Table.from_pylist,
    **{name: lambda rows, make=make: make(pl.DataFrame(rows)) for name, make in MAKERS.items()},
}
NOON = dt.datetime(2026, 4, 16, 12, tzinfo=dt.UTC)
COUNTS = {
    "A": {"sent": 2500, "delivered": 2400, "clicked": 120, "opted_out": 5, "hard": 20},
    "B": {"sent": 2500, "delivered": 2390, "clicked": 150, "opted_out": 7, "hard": 22},
}


def minutes(n: float) -> dt.datetime:
    """Return a moment after noon."""
    return NOON + dt.timedelta(minutes=n)


def row(place: int, **more):
    """Return one message of a test, sent so many minutes after noon."""
    return {
        "message_id": f"m{place}",
        "contact_id": f"c{place}",
        "variant": "AB"[place % 2],
        "status": "delivered",
        "sent_at": minutes(place),
        "clicks": int(place % 3 == 0),
        "opted_out": False,
        **more,
    }


ROWS = [row(place) for place in range(60)]


def fractions(test: ab.Comparison, metric: str) -> dict[str, tuple[int, int]]:
    """Return (with the outcome, all) of each variant."""
    return dict(test[metric].counts)


# --- whatever the data comes as -----------------------------------------------------------------


def test_counts_are_compared_as_they_stand():
    """Counts need nothing else: rates of what was sent, the first variant is the control."""
    test = ab.compare(COUNTS)
    assert list(test) == ["delivery_rate", "click_rate", "opt_out_rate", "hard_bounce_rate"]
    assert fractions(test, "click_rate") == {"A": (120, 2500), "B": (150, 2500)}
    assert test.control == "A"
    assert test["click_rate"].lift.value == pytest.approx(0.25)


def test_people_counts_are_counts():
    """A host that counts people may say so: clickers, repliers."""
    people = {arm: {"unique_sends": each["sent"], "clickers": each["clicked"]} for arm, each in COUNTS.items()}
    assert fractions(ab.compare(people), "click_rate") == fractions(ab.compare(COUNTS), "click_rate")


@pytest.mark.parametrize("make", ENGINES.values(), ids=ENGINES)
def test_every_engine_gives_what_rows_give(make):
    """Messages, mappings and frames of every engine give equal outcomes, window and nulls included."""
    rows = [row(place, clicks=None if place % 5 == 0 else place % 2) for place in range(40)]
    asked = {"window": "15min", "metrics": ["delivery_rate", "click_rate", "opt_out_rate"]}
    expected = ab.compare(rows, **asked)
    assert fractions(expected, "click_rate") == {"A": (0, 10), "B": (10, 10)}
    assert ab.compare(make(rows), **asked).outcomes == expected.outcomes


def test_summaries_and_messages_agree():
    """A table of summaries by variant gives what the messages give."""
    messages = [ck.Message(**each) for each in ROWS]
    by_variant = ab.compare(ck.summarize(messages, by="variant"))
    assert {name: fractions(by_variant, name) for name in by_variant} == {
        name: fractions(ab.compare(messages), name) for name in ab.compare(messages)
    }


@pytest.mark.parametrize("make", ENGINES.values(), ids=ENGINES)
def test_masks_give_what_cells_give(make):
    """Prepared flags, summed by masks, give what the cells of the same messages give."""
    rows = [row(place, clicks=None if place % 5 == 0 else int(place % 3 == 0)) for place in range(40)]
    flags = [
        {**{name: each[name] for name in ("contact_id", "variant", "sent_at")}, "clicked": flag(each["clicks"])}
        for each in rows
    ]
    for window in (None, "15min"):
        whole = ab.compare(rows, metrics=["click_rate"], window=window, as_of=minutes(39))
        masks = ab.compare(make(flags), metrics={"click_rate": "clicked"}, window=window, as_of=minutes(39))
        assert fractions(masks, "click_rate") == fractions(whole, "click_rate")
        assert [arm.matured for arm in masks.arms.values()] == [arm.matured for arm in whole.arms.values()]


def flag(clicks):
    """Return clicks as a flag that may not be known."""
    return None if clicks is None else clicks > 0


def test_an_enum_may_have_variants_that_nobody_got():
    """Of an enum's words only those that are there are variants."""
    frame = pl.DataFrame(FLAGS * 2, schema_overrides={"variant": pl.Enum(["C", "B", "A"])})
    assert fractions(ab.compare(frame, metrics={"click_rate": "clicked"}), "click_rate") == {"A": (2, 2), "B": (0, 2)}


def test_flags_are_flags():
    """A column that holds anything but true, false and null is refused with its row."""
    with pytest.raises(ck.InvalidColumn, match="clicked is 2 in row 1: give true, false, or null"):
        ab.compare([{"variant": "A", "clicked": 1}, {"variant": "B", "clicked": 2}], metrics={"c": "clicked"})


# --- whose outcome is known ------------------------------------------------------------------------


def test_what_is_not_yet_known_counts_on_neither_side():
    """A null outcome leaves its recipient out of n and x of that metric, and of no other."""
    rows = [row(place, clicks=None if place < 20 else 1) for place in range(60)]
    test = ab.compare(rows)
    assert fractions(test, "click_rate") == {"A": (20, 20), "B": (20, 20)}
    assert fractions(test, "delivery_rate") == {"A": (30, 30), "B": (30, 30)}


def test_only_closed_windows_count():
    """Sent less than the window ago is not counted; exactly the window ago is."""
    test = ab.compare(ROWS, window="30min", as_of=minutes(40))
    assert [arm.matured for arm in test.arms.values()] == [6, 5]  # minutes 0 to 10
    assert test.matured.part == 11
    assert test.matured.whole == 60
    assert sum(n for _, n in fractions(test, "delivery_rate").values()) == 11


def test_events_count_within_the_window_of_their_message():
    """A click after its message's window is of nobody; so a variant gains nothing by being sent earlier."""
    rows = [{name: value for name, value in each.items() if name != "clicks"} for each in ROWS]
    clicks = [
        {"message_id": "m0", "clicked_at": minutes(5)},
        {"message_id": "m0", "clicked_at": minutes(6)},  # the same message once
        {"message_id": "m1", "clicked_at": minutes(1 + 30)},  # in the last moment
        {"message_id": "m2", "clicked_at": minutes(2 + 31)},  # too late
        {"message_id": "m50", "clicked_at": minutes(51)},  # its window is open
        {"message_id": "elsewhere", "clicked_at": minutes(3)},
    ]
    test = ab.compare(rows, clicks=clicks, window="30min", as_of=minutes(60), metrics=["click_rate"])
    assert fractions(test, "click_rate") == {"A": (1, 16), "B": (1, 15)}
    with pytest.raises(ck.InvalidColumn, match="clicks are given twice"):
        ab.compare(ROWS, clicks=clicks)
    with pytest.raises(ck.InvalidColumn, match="clicks row 0 has no message_id"):
        ab.compare(rows, clicks=[{"contact_id": "c1", "clicked_at": NOON}])


@pytest.mark.parametrize("make", [list, pl.DataFrame, pd.DataFrame], ids=["rows", "polars", "pandas"])
def test_events_may_be_frames_and_without_a_window_all_count(make):
    """Messages and events in frames give what rows give; a reply that is an opt-out is no reply."""
    rows = [{name: value for name, value in each.items() if name not in {"clicks", "opted_out"}} for each in ROWS]
    replies = [
        {"message_id": "m0", "received_at": minutes(900), "keyword": None},
        {"message_id": "m0", "received_at": minutes(901), "keyword": None},
        {"message_id": "m1", "received_at": minutes(902), "keyword": "opt_out"},
    ]
    opt_outs = [{"message_id": "m1", "opted_out_at": minutes(902)}]
    test = ab.compare(
        make(rows), replies=make(replies), opt_outs=make(opt_outs), metrics=["reply_rate", "opt_out_rate"]
    )
    assert fractions(test, "reply_rate") == {"A": (1, 30), "B": (0, 30)}
    assert fractions(test, "opt_out_rate") == {"A": (0, 30), "B": (1, 30)}


def test_a_log_knows_when_it_is_of():
    """The rows of a log bring their own moment along, which may be later than what messages say."""
    log = ck.read_log("examples/spring/messages.csv", carrier="twilio").attach(audience="examples/spring/audience.csv")
    assert ab.compare(log, window="24h").as_of == log.as_of


def test_messages_without_a_time_never_mature_and_are_named():
    """What was sent without sent_at has no window; the comparison says how many."""
    rows = [*ROWS, row(60, sent_at=None), row(62, sent_at=None)]
    test = ab.compare(rows, window="30min", as_of=minutes(500))
    assert test.matured.part == 60
    assert test.outcomes.notes == ("2 sent messages have no sent_at: their window never closes.",)


def test_rows_of_no_variant_are_left_out_and_named():
    """Messages outside the test are counted nowhere, and said."""
    test = ab.compare([*ROWS, row(61, variant=None), row(62, variant="remaining")])
    assert list(test.arms) == ["A", "B"]
    assert test.outcomes.notes == ("1 messages have no variant and are left out.",)


# --- money -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [list, ENGINES["polars"], ENGINES["pandas"]], ids=["rows", "polars", "pandas"])
def test_revenue_is_of_everybody(make):
    """Revenue per recipient has the zeros of those who bought nothing."""
    rows = [
        row(place, revenue=10 if place in {0, 3} else None, currency="EUR" if place in {0, 3} else None)
        for place in range(10)
    ]
    metric = ab.compare(make(rows), metrics=["revenue_per_recipient"])["revenue_per_recipient"]
    assert {arm: each.value for arm, each in metric.estimates.items()} == {"A": 2.0, "B": 2.0}
    assert metric.formula == "revenue ÷ sent, EUR"


@pytest.mark.parametrize("make", [list, ENGINES["polars"], ENGINES["pandas"]], ids=["rows", "polars", "pandas"])
def test_what_was_before_narrows_the_interval(make):
    """With what people brought before (CUPED) the interval of the same difference is narrower."""
    rows = [
        row(place, revenue=Decimal(3 * place + 3 * (place % 2) + place % 7), currency="EUR", spent=3.0 * place)
        for place in range(80)
    ]
    asked = {"metrics": ["revenue_per_recipient"]}
    plain = ab.compare(make(rows), **asked)["revenue_per_recipient"].contrasts["B"].difference
    adjusted = ab.compare(make(rows), before="spent", **asked)["revenue_per_recipient"].contrasts["B"].difference
    assert adjusted.upper - adjusted.lower < 0.2 * (plain.upper - plain.lower)


def test_orders_bring_revenue_within_the_window():
    """Revenue may come as a table of orders; those after the window bring nothing."""
    rows = [{name: value for name, value in each.items() if name != "clicks"} for each in ROWS]
    orders = [
        {"message_id": "m0", "ordered_at": minutes(10), "revenue": 30, "currency": "EUR"},
        {"message_id": "m0", "ordered_at": minutes(90), "revenue": 500, "currency": "EUR"},
        {"message_id": "m1", "ordered_at": minutes(11), "revenue": 15, "currency": "EUR"},
    ]
    asked = {"window": "30min", "as_of": minutes(500), "metrics": ["revenue_per_recipient", "conversion_rate"]}
    test = ab.compare(rows, orders=orders, **asked)
    assert {arm: each.total for arm, each in test["revenue_per_recipient"].moments.items()} == {"A": 30, "B": 15}
    assert fractions(test, "conversion_rate") == {"A": (1, 30), "B": (1, 30)}


def test_cost_of_each_variant():
    """A longer text costs more segments, and the comparison has what each variant cost."""
    rows = [
        row(place, segments=1 + place % 2, price=Decimal("0.01") if place % 2 else Decimal("0.005"), currency="EUR")
        for place in range(8)
    ]
    arms = ab.compare(rows).arms
    assert [arm.segments_per_message for arm in arms.values()] == [1, 2]
    assert [str(arm.cost["EUR"]) for arm in arms.values()] == ["0.02", "0.04"]


@pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame], ids=["polars", "pandas"])
def test_revenue_in_a_frame_has_windows_too(make):
    """Only messages whose window has closed bring revenue, in frames as in rows."""
    rows = [row(place, revenue=Decimal(place), currency="EUR") for place in range(20)]
    frame = make([{**each, "revenue": float(each["revenue"])} for each in rows])
    asked = {"window": "5min", "as_of": minutes(15), "metrics": ["revenue_per_recipient"]}
    assert ab.compare(frame, **asked).outcomes == ab.compare(rows, **asked).outcomes


# --- what is refused -------------------------------------------------------------------------------

FLAGS = [
    {"variant": "A", "clicked": True, "word": "yes", "number": 1},
    {"variant": "B", "clicked": False, "word": "no", "number": 2},
]
REFUSED = {
    "no proportion": (
        lambda: ab.compare(COUNTS, metrics=["click_to_delivered_rate"]),
        "no proportion: its top may pass its bottom; compare one of",
    ),
    "not of sent": (
        lambda: ab.compare(COUNTS, metrics=["resolved_delivery_rate"]),
        "not of what was sent",
    ),
    "unknown metric": (lambda: ab.compare(COUNTS, metrics=["click_rat"]), "metric is 'click_rat'.*nearest: click_rate"),
    "metrics as text": (
        lambda: ab.compare(COUNTS, metrics="click_rate"),
        r"give a list of names, like \['click_rate'\]",
    ),
    "unknown control": (lambda: ab.compare(COUNTS, control="C"), "control is 'C': no variant here; nearest: A, B"),
    "hits": (
        lambda: ab.compare({"A": {"sent": 9, "clicks": 3}, "B": {"sent": 9, "clicks": 4}}),
        "A has clicks, of which one message may have several: give clicked",
    ),
    "more than all": (lambda: ab.compare({"A": {"sent": 1, "clicked": 2}, "B": {"sent": 1}}), "clicked is 2 of 1 sent"),
    "no count": (lambda: ab.compare({"A": {"sent": -1}, "B": {"sent": 1}}), "sent of A is -1: a count is a whole"),
    "unknown count": (lambda: ab.compare({"A": {"sennt": 1}, "B": {"sent": 1}}), "count 'sennt' of A.*nearest: sent"),
    "one variant": (lambda: ab.compare({"A": {"sent": 1}}), "no two variants to compare"),
    "two variants of one": (
        lambda: ab.compare([*ROWS, row(0, variant="B")]),
        "contact_id 'c0' is in two variants",
    ),
    "twice in one": (lambda: ab.compare([*ROWS, row(0)]), "contact_id 'c0' has several messages in one variant"),
    "window of counts": (lambda: ab.compare(COUNTS, window="4h"), "window= is for messages"),
    "window": (lambda: ab.compare(ROWS, window="soon"), "window is 'soon': give a length of time above 0"),
    "empty window": (lambda: ab.compare(ROWS, window=dt.timedelta(0)), "give a length of time above 0"),
    "summaries of two columns": (
        lambda: ab.compare(ck.summarize(ROWS, by=["variant", "status"])),
        "group by the variant alone",
    ),
    "text": (lambda: ab.compare("messages.csv"), "data is 'messages.csv': give messages"),
    "shares": (lambda: ab.compare(COUNTS, shares={"A": 1.0}), "variant 'B' is not in shares"),
    "currencies": (
        lambda: ab.compare(
            [row(0, revenue=1, currency="EUR"), row(1, revenue=1, currency="USD")], metrics=["revenue_per_recipient"]
        ),
        "revenue is in EUR and USD",
    ),
    "before without times": (
        lambda: ab.compare(
            [{**row(place), "sent_at": None, "spent": 1.0} for place in range(4)],
            metrics=["revenue_per_recipient"],
            before="spent",
        ),
        "before= needs to know who was sent to: fill sent_at",
    ),
    "window without times": (
        lambda: ab.compare([{**row(place), "sent_at": None} for place in range(4)], window="1h"),
        "window= needs to know when messages were sent",
    ),
    "not measured": (lambda: ab.compare(COUNTS, metrics=["reply_rate"])["reply_rate"], "reply_rate was not measured"),
    "no revenue": (
        lambda: ab.compare(ROWS, metrics=["revenue_per_recipient"])["revenue_per_recipient"],
        "revenue_per_recipient was not measured: no revenue was recorded",
    ),
    "no revenue in a frame": (
        lambda: ab.compare(pl.DataFrame(ROWS), metrics=["revenue_per_recipient"])["revenue_per_recipient"],
        "revenue_per_recipient was not measured: no revenue was recorded",
    ),
    "no mapping": (lambda: ab.compare({"A": 12, "B": 13}), "'A' has 12: give a Summary, or counts like"),
    "no sent": (lambda: ab.compare({"A": {"clicked": 1}, "B": {"clicked": 2}}), "counts have no 'sent'"),
    "events of counts": (lambda: ab.compare(COUNTS, clicks=[]), "clicks are for messages: add them to the counts"),
    "flags of counts": (
        lambda: ab.compare(COUNTS, metrics={"click_rate": "clicked"}),
        "metrics= names columns of flags",
    ),
    "shares twice": (
        lambda: ab.compare(COUNTS, shares={"A": 1, "B": 1}, split=ab.split(["a"], salt="s")),
        "split= says the shares: leave shares= out",
    ),
    "contact": (lambda: ab.compare(ROWS, contact="person"), "the messages have no 'person' to tell people apart by"),
    "contact of a frame": (
        lambda: ab.compare(pl.DataFrame(ROWS), contact="person"),
        "the messages have no 'person' to tell people apart by",
    ),
    "one of three": (
        lambda: ab.compare({**COUNTS, "C": COUNTS["B"]})["click_rate"].p_value,
        r"p_value is of two variants, and here B, C are held against A: use .contrasts\[...\].p_value",
    ),
    "no flag column": (
        lambda: ab.compare(pl.DataFrame(FLAGS), metrics={"c": "clickd"}),
        "the frame has no 'clickd'; nearest: clicked",
    ),
    "flags of text": (
        lambda: ab.compare(pl.DataFrame(FLAGS), metrics={"c": "word"}),
        "'word' is String: give true, false, or null",
    ),
    "flags of numbers": (
        lambda: ab.compare(pl.DataFrame(FLAGS), metrics={"c": "number"}),
        "'number' is 2 in row 1: give true, false, or null",
    ),
    "window of flags without times": (
        lambda: ab.compare(pl.DataFrame(FLAGS), metrics={"c": "clicked"}, window="1h"),
        "the frame has no 'sent_at', which a window needs",
    ),
    "window of flags with naive times": (
        lambda: ab.compare(
            pl.DataFrame(FLAGS).with_columns(sent_at=NOON.replace(tzinfo=None)), metrics={"c": "clicked"}, window="1h"
        ),
        "a window needs moments with a time zone",
    ),
    "not compared": (lambda: ab.compare(COUNTS)["reply_rat"], "metric is 'reply_rat': not compared here"),
}


@pytest.mark.parametrize(("ask", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_compared_is_refused_in_a_sentence(ask, sentence):
    """A value, its rule and the way out, in one sentence."""
    with pytest.raises(ck.InvalidValue, match=sentence):
        ask()


@pytest.mark.parametrize("make", ENGINES.values(), ids=ENGINES)
def test_a_contact_in_two_variants_is_found_in_every_engine(make):
    """Who got both texts tells nothing about either."""
    with pytest.raises(ck.InvalidValue, match="contact_id 'c3' is in two variants"):
        ab.compare(make([*ROWS[:10], row(3, variant="A")]))
    with pytest.raises(ck.InvalidValue, match="contact_id 'c3' has several messages"):
        ab.compare(make([*ROWS[:10], row(3)]))


# --- numbers ---------------------------------------------------------------------------------------


def test_known_answers_reach_the_public_face():
    """The numbers of a comparison are those of the statistics: a case of the vectors."""
    metric = ab.compare(COUNTS)["click_rate"]
    contrast = metric.contrasts["B"]
    assert contrast.p_value == pytest.approx(0.06050060203465852, rel=1e-9)
    assert metric.prob_best["B"] == pytest.approx(0.9696129913359018, rel=1e-9)
    assert metric.expected_loss["B"] == pytest.approx(7.562566033850729e-05, rel=1e-6)
    assert metric.estimates["A"].lower == pytest.approx(0.04029175041492176, rel=1e-9)
    assert metric.interval == (contrast.lift.lower, contrast.lift.upper)


def test_a_comparison_is_a_mapping_that_is_shown_and_handed_on():
    """Names are its keys; it is text, HTML, Markdown, rows, a frame, a chart and a section, of the same numbers."""
    test = ab.compare(COUNTS)
    assert "click_rate" in test
    assert "reply_rate" not in test
    assert len(test) == 4
    assert repr(test) == "<Comparison: A, B by delivery_rate, click_rate, opt_out_rate, hard_bounce_rate>"
    assert "+25.0 %" in test.to_html()
    assert "+25.0 %" in test.to_markdown()
    assert "+25.0 %" in str(test.sections()[0])
    assert test.to_frame("polars").rows(named=True) == test.to_dicts()
    assert test.chart().to_dict()


def test_without_what_makes_pages_a_notebook_shows_text(monkeypatch):
    """Where jinja2 is not installed a notebook shows the text."""

    def missing(*_):
        raise ck.MissingExtra("jinja2", "report", "HTML")

    monkeypatch.setattr("campaignkit.ab.comparing.block", missing)
    assert ab.compare(COUNTS)._repr_html_().startswith("<pre>")


def test_a_mean_of_one_person_has_no_interval():
    """Of one person a variant there is a mean, and no interval that may be looked at; the reason says why."""
    data = {arm: {"sent": 1, "revenue_per_recipient": ab.Moments.of([1.0])} for arm in "AB"}
    contrast = ab.compare(data, metrics=["revenue_per_recipient"])["revenue_per_recipient"].contrasts["B"]
    assert contrast.always_valid.lower is None
    assert contrast.always_valid.missing == "a variance needs two people in each variant"


def test_less_is_better_where_it_is():
    """The odds of being best are those of the lower opt-out rate."""
    metric = ab.compare(COUNTS)["opt_out_rate"]
    assert metric.better == "lower"
    assert metric.prob_best["A"] > 0.5 > metric.prob_best["B"]


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)).map(sorted), min_size=2, max_size=4))
def test_no_counts_break_it(pairs):
    """Whatever the counts: every number or None with a reason, odds that add up to 1, and a printed table."""
    test = ab.compare({name: {"sent": n, "clicked": x} for name, (x, n) in zip("ABCD", pairs, strict=False)})
    metric = test["click_rate"]
    odds = list(metric.prob_best.values())
    assert odds == [None] * len(pairs) if any(n == 0 for _, n in pairs) else sum(odds) == pytest.approx(1)
    for contrast in metric.contrasts.values():
        for estimate in (contrast.difference, contrast.lift, contrast.always_valid):
            assert estimate.lower is not None or estimate.missing
        assert contrast.p_value is not None or contrast.test.missing
    assert "click rate" in str(test).lower()


# --- the sample ratio ------------------------------------------------------------------------------


def test_an_exact_split_fits_exactly():
    """Expected counts come from the split, so one that was followed has p = 1."""
    contacts = [f"c{place}" for place in range(1003)]
    split = ab.split(contacts, variants={"A": 0.05, "B": 0.05}, salt="camp-42")
    rows = [row(0, message_id=key, contact_id=key, variant=split.group_of(key)) for key in contacts]
    test = ab.compare(rows, split=split)
    assert test.sample_ratios["assigned"].observed == {"A": 50, "B": 50, "remaining": 903}
    assert test.sample_ratios["assigned"].p_value == 1
    assert test.remaining == 903
    assert test.planned == 100


def test_a_variant_that_lost_people_is_seen():
    """Half of one variant gone is no chance; a variant of the split that is not there at all neither."""
    assert not ab.compare({"A": {"sent": 2500}, "B": {"sent": 2100}}, metrics=[]).sample_ratios["sent"].ok
    assert ab.compare({"A": {"sent": 2500}, "B": {"sent": 2420}}, metrics=[]).sample_ratios["sent"].ok
    uneven = {"A": {"sent": 250}, "B": {"sent": 2250}}
    assert ab.compare(uneven, shares={"A": 0.1, "B": 0.9}, metrics=[]).sample_ratios["sent"].p_value == 1


def test_shares_may_be_any_weights():
    """Expected counts follow the shares, whatever they add up to."""
    test = ab.compare(COUNTS, shares={"A": 3, "B": 1})
    assert test.sample_ratios["sent"].expected == {"A": 3750, "B": 1250}


def test_a_comparison_is_a_value():
    """The same counts give an equal comparison, and the same numbers each time they are asked for."""
    one, other = ab.compare(COUNTS), ab.compare(COUNTS)
    assert one.outcomes == other.outcomes
    assert one["click_rate"].prob_best == other["click_rate"].prob_best
    assert attrs.asdict(one["click_rate"].lift) == attrs.asdict(other["click_rate"].lift)


def test_shares_of_a_split_are_exact():
    """Shares are the counts of the split, as exact as they are."""
    split = ab.split([str(n) for n in range(7)], variants={"A": 0.05, "B": 0.05}, salt="s")
    assert sum(Fraction(n) for n in split.counts.values()) == 7
