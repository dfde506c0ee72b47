"""A comparison as a reader sees it: each number is the evidence's, each dash has its reason, no name adds anything."""

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaignkit.ab import Moments, compare, showing
from campaignkit.charts import Intervals
from campaignkit.display import Facts, Table
from campaignkit.page import block, page
from pages import HIDDEN, HOSTILE, Reader
from strategies import NOON

METRICS = ("delivery_rate", "click_rate", "opt_out_rate")
PAIR = {
    "A": {"sent": 2500, "delivered": 2405, "clicked": 120, "opted_out": 9},
    "B": {"sent": 2500, "delivered": 2412, "clicked": 150, "opted_out": 12},
}
SPENT = Moments(n=2500, total=775.0, squares=7200.0)


def several(*clicked, sent=1000):
    """Return a comparison of variants with so many who clicked."""
    counts = {f"v{place}": {"sent": sent, "clicked": n} for place, n in enumerate(clicked)}
    return compare(counts, metrics=["click_rate"])


def with_outcomes(comparison, **changes):
    """Return a comparison with other outcomes beside its rates."""
    return attrs.evolve(comparison, outcomes=attrs.evolve(comparison.outcomes, **changes))


def with_arms(comparison, **changes):
    """Return a comparison whose arms are changed: a name to a value for each of them."""
    arms = comparison.arms.items()
    changed = {
        name: attrs.evolve(arm, **{key: values[place] for key, values in changes.items()})
        for place, (name, arm) in enumerate(arms)
    }
    return with_outcomes(comparison, arms=changed)


def parts_of(comparison, kind):
    """Return the parts of one kind."""
    return [part for part in showing.section(comparison).parts if isinstance(part, kind)]


def sentences(comparison, **asked):
    """Return what is said beside the tables."""
    return [part for part in showing.section(comparison, **asked).parts if isinstance(part, str)]


# --- by hand -----------------------------------------------------------------------------------


def test_two_variants_by_hand():
    """Two variants stand side by side with their intervals, then one against the other, then what it means."""
    lines = str(compare(PAIR, metrics=METRICS)).splitlines()

    assert [re.split("  +", line.strip()) for line in lines] == [
        ["As many recipients as equal shares give in each variant (p = 1.000 assigned, 1.000 sent, 0.920 delivered)."],
        ["A (control)", "B"],
        ["Sent", "2,500", "2,500"],
        ["Delivery rate = delivered ÷ sent", "96.2 % 95.4 to 96.9 %", "96.5 % 95.7 to 97.1 %"],
        ["Click rate = clicked ÷ sent", "4.8 % 4.0 to 5.7 %", "6.0 % 5.1 to 7.0 %"],
        ["Opt out rate = opted out ÷ sent", "0.36 % 0.19 to 0.68 %", "0.48 % 0.27 to 0.84 %"],
        ["B against A"],
        ["Metric", "Lift", "p-value", "Is best", "Expected loss", "At any time"],
        ["Delivery rate", "+0.3 % -0.8 to +1.4 %", "0.598", "70.0 %", "0.10 points", "-1.33 to +1.89 points"],
        ["Click rate", "+25.0 % -1.0 to +57.9 %", "0.061", "97.0 %", "0.01 points", "-0.74 to +3.14 points"],
        [
            "Opt out rate (less is better)",
            *("+33.3 % -43.7 to +215.9 %", "0.512", "26.1 %", "0.15 points", "-0.44 to +0.68 points"),
        ],
        ["lift", "how much more than A, relative to it, with a 95 % interval by Katz"],
        ["p-value", "how often chance alone makes at least such a difference"],
        ["is best", "the probability that the variant is the best of all"],
        ["expected loss", "what choosing the variant costs on average, where another is better"],
        ["at any time", "the 95 % interval of the difference that holds however often it is looked at"],
    ]


def test_the_picture_has_the_lifts_in_the_order_of_the_table():
    """Each lift is a row around zero with its numbers as text; metrics of which less is better are marked."""
    comparison = compare(PAIR, metrics=METRICS, confidence=0.9)

    (picture,) = parts_of(comparison, Intervals)

    assert picture.title == "Lift against A, with 90 % intervals"
    assert [(row.name, row.group) for row in picture.rows] == [
        ("Delivery rate", ""),
        ("Click rate", ""),
        ("Opt out rate (less is better)", ""),
    ]
    lift = comparison["click_rate"].lift
    assert (picture.rows[1].lower, picture.rows[1].value, picture.rows[1].upper) == (lift.lower, lift.value, lift.upper)
    assert picture.rows[1].text == "+25.0 %, +2.8 to +52.1 %"


def test_of_several_variants_the_control_has_its_odds_too():
    """Each metric has a row for each variant, with Holm's p-value; the control's has its odds and its loss alone."""
    comparison = several(50, 70, 45)

    against = parts_of(comparison, Table)[1]

    assert (against.title, against.head) == ("Against v0", showing._HEAD)
    assert [row[1].text for row in against.rows] == ["v0 (control)", "v1", "v2"]
    metric = comparison["click_rate"]
    assert [row[5].value for row in against.rows] == list(metric.prob_best.values())
    assert [row[4].value for row in against.rows[1:]] == [each.p_adjusted for each in metric.contrasts.values()]
    assert [entry.text for entry in against.rows[0]][2:5] == ["", "", ""]
    assert [(row.group, row.name) for row in parts_of(comparison, Intervals)[0].rows] == [
        ("Click rate", "v1"),
        ("Click rate", "v2"),
    ]
    assert "p, adjusted" in str(parts_of(comparison, Facts)[0])


def test_many_variants_are_rows_that_sort():
    """Up to four variants are columns; more are rows, which a reader of the page may sort."""
    few, many = (parts_of(several(*[50] * size), Table)[0] for size in (4, 5))

    assert (few.head, few.sortable) == (("", "v0 (control)", "v1", "v2", "v3"), False)
    assert (many.head, many.sortable, len(many.rows)) == (("Variant", "Sent", "Click rate"), True, 5)


def test_a_hundred_rows_are_shown():
    """A column that was no variant makes a page of the first hundred rows, which says how many more there are."""
    section = showing.section(several(*range(1, 61), sent=100))
    variants, picture, against, *_ = [part for part in section.parts if not isinstance(part, str)]

    assert (len(variants.rows), len(picture.rows), len(against.rows)) == (60, 59, 60)
    metrics = {name: {"sent": 100, "clicked": 5, "replied": 7} for name in map(str, range(60))}
    tables = parts_of(compare(metrics, metrics=["click_rate", "reply_rate"]), Table)
    assert (len(tables[1].rows), tables[1].rest) == (100, "… and 20 more; to_dicts() has all.")


# --- what there is not -------------------------------------------------------------------------


def test_a_dash_has_its_reason_once():
    """What there is not is a dash, and one sentence says why, with the variants' own names."""
    counts = {
        "plain": {"sent": 2500, "hard": 0, "opted_out": 0},
        "name": {"sent": 2500, "hard": 3, "opted_out": 2},
    }

    comparison = compare(counts, metrics=["hard_bounce_rate", "opt_out_rate"])

    assert [row[1].text for row in parts_of(comparison, Table)[1].rows] == ["–", "–"]
    assert sentences(comparison)[1:] == ["Hard bounce rate, opt out rate: nobody of plain did it."]
    assert parts_of(comparison, Intervals) == []


def test_a_variant_without_any():
    """A variant where nothing happened has its lift of -100 %, no interval, and the reason."""
    comparison = compare({"a": {"sent": 900, "clicked": 9}, "b": {"sent": 900, "clicked": 0}}, metrics=["click_rate"])

    (picture,) = parts_of(comparison, Intervals)

    assert [(row.ends, row.text) for row in picture.rows] == [(None, "-100.0 %, no interval")]
    assert "Click rate: nobody of b did it." in sentences(comparison)


def test_nobody_at_all():
    """Where nobody was sent to, there are dashes and reasons, and no picture."""
    text = str(several(0, 0, sent=0))

    assert re.split("  +", next(line for line in text.splitlines() if line.startswith("Click rate ="))) == [
        "Click rate = clicked ÷ sent",
        "–",
        "–",
    ]
    assert "Click rate: nobody to count." in text


def test_a_metric_that_was_not_measured():
    """A metric that was asked for and not measured is named, with the reason."""
    comparison = compare({name: {"sent": 90, "clicked": 5} for name in "ab"}, metrics=["click_rate", "reply_rate"])

    assert sentences(comparison)[-1] == "Reply rate was not measured: no 'replied' among the counts."


def test_without_any_metric():
    """Where no metric was measured, the variants are listed with what was sent."""
    section = showing.section(compare({name: {"sent": 90} for name in "ab"}))

    assert [type(part) for part in section.parts] == [str, Table]
    assert showing.rows(compare({name: {"sent": 90} for name in "ab"})) == []


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ([(40, 1000), (60, 1000)], "+50.0 %, +1.9 to +128.5 %"),
        ([(2, 1000), (60, 1000)], "+2,900.0 %, all but"),
        ([(1, 1000), (2, 1000)], "+100.0 %, no limits"),
        ([(9, 1000), (0, 1000)], "-100.0 %, no interval"),
    ],
)
def test_sets_that_are_no_interval_are_said_in_words(counts, text):
    """What Fieller's method finds may be no interval: it is said, not drawn, and no program takes it for one."""
    rates = {name: {"sent": n, "clicked": x} for name, (x, n) in zip("ab", counts, strict=True)}
    comparison = compare(rates, metrics=["click_rate"], method="fieller")

    row = parts_of(comparison, Intervals)[0].rows[0]

    assert row.text.startswith(text)
    bounded = comparison["click_rate"].lift.kind == "bounded"
    assert (row.ends is not None) == bounded
    assert (showing.rows(comparison)[1]["lift_lower"] is not None) == bounded


# --- sentences ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"window": dt.timedelta(hours=4), "as_of": NOON},
            "4,800 of 5,000 recipients have had their 4 h (96.0 %), as of 2026-11-21 14:00 CEST.",
        ),
        ({"window": dt.timedelta(minutes=90)}, "4,800 of 5,000 recipients have had their 90 min (96.0 %)."),
        ({"as_of": NOON}, "Whatever came counts, without a window, as of 2026-11-21 14:00 CEST."),
        ({}, "As many recipients as equal shares give in each variant (p = 1.000 assigned, 1.000 sent)."),
    ],
)
def test_who_is_known_is_said_first(changes, sentence):
    """The first sentence is how many recipients have had their time, and when that was so."""
    made = with_outcomes(several(50, 60, sent=2500), **changes)

    zone = dt.timezone(dt.timedelta(hours=2), "CEST")
    assert sentences(with_arms(made, matured=[2400, 2400]), zone=zone)[0] == sentence


def test_who_is_known_stands_in_the_table():
    """Where not everybody has had their time, the table says of how many each variant's outcome is known."""
    table = parts_of(with_arms(several(50, 60), matured=[800, 900]), Table)[0]

    assert [str(entry) for entry in table.rows[1]] == ["Known outcome", "800  80.0 %", "900  90.0 %"]


def test_a_metric_known_of_fewer():
    """A metric that is not known of everybody who has had their time says of how many it is."""
    made = with_arms(several(50, 60), matured=[1000, 1010])

    assert "Click rate is known of fewer: v0 1,000, v1 1,000." in sentences(made)


def test_segments_and_costs():
    """Segments a message stand in the table where they differ, and costs where they are known."""
    made = several(50, 60)
    cost = [{"EUR": Decimal("61.5")}, {}]

    table = parts_of(with_arms(made, segments=[1000, 2050], cost=cost), Table)[0]
    same = parts_of(with_arms(made, segments=[2050, 2050]), Table)[0]

    assert [[entry.text for entry in row] for row in table.rows[1:3]] == [
        ["Segments a message", "1.00", "2.05"],
        ["Cost", "61.50 EUR", "–"],
    ]
    assert len(same.rows) == 2


def test_a_mean_is_in_its_currency():
    """A mean has its currency, also in what is held against it, and digits as it needs."""
    counts = {name: {"sent": 2500, "revenue_per_recipient": SPENT} for name in "ab"}

    made = with_outcomes(compare(counts, metrics=["revenue_per_recipient"]), unit="EUR")

    variants, against = parts_of(made, Table)
    assert variants.rows[1][1].text == "0.31 EUR"
    assert re.fullmatch(r"0\.\d\d to 0\.\d\d", variants.rows[1][1].note)
    assert re.fullmatch(r"0\.\d{3} EUR", against.rows[0][4].text)
    assert re.fullmatch(r"-0\.\d{3} to \+0\.\d{3} EUR", against.rows[0][5].text)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (
            {"A": {"recipients": 2700, "sent": 2400}, "B": {"recipients": 2400, "sent": 2400}},
            "Assigned: A 2,700 instead of 2,550, B 2,400 instead of 2,550;",
        ),
        (
            {"A": {"sent": 2500, "delivered": 2400}, "B": {"sent": 2500, "delivered": 1900}},
            "Delivered to: A 2,400 instead of 2,150, B 1,900 instead of 2,150;",
        ),
        (
            {name: {"recipients": n, "sent": 900} for name, n in zip("ABCDE", (900, 905, 995, 1500, 950), strict=True)},
            "Assigned: A 900 instead of 1,050, B 905 instead of 1,050, D 1,500 instead of 1,050 and 2 more;",
        ),
    ],
)
def test_a_broken_split_is_said_first(counts, said):
    """Where variants have not as many recipients as they should, one sentence says so for the stage, by its numbers."""
    why = ": carriers may filter one text" if said.startswith("Delivered") else ""

    assert sentences(compare(counts)) == [f"{said} chance does not explain it (p < 0.001){why}."]


def test_a_planned_split_is_said_to_be_as_planned():
    """Where the shares were given and hold, one short sentence says so."""
    made = compare(PAIR, metrics=METRICS, shares={"A": 0.5, "B": 0.5})

    assert sentences(made) == [
        "As many recipients as planned in each variant (p = 1.000 assigned, 1.000 sent, 0.920 delivered)."
    ]


def test_notes_stand_last():
    """What to know before believing it stands at the end, as it was noted."""
    assert sentences(with_outcomes(several(5, 6), notes=("A note.", "Another.")))[-2:] == ["A note.", "Another."]


# --- laws --------------------------------------------------------------------------------------


@st.composite
def comparisons(draw):
    """Draw two to six variants with any counts of two metrics, one of which is better the lower it is."""
    counts = {}
    for name in "ABCDEF"[: draw(st.integers(2, 6))]:
        sent = draw(st.sampled_from([0, 1, 7, 400, 10**6]))
        counts[name] = {"sent": sent, **{key: draw(st.integers(0, sent)) for key in ("clicked", "opted_out")}}
    method = draw(st.sampled_from(["katz", "delta", "fieller"]))
    return compare(counts, metrics=["click_rate", "opt_out_rate"], method=method)


@given(comparisons())
def test_rows_are_the_evidence(comparison):
    """A row for each metric and variant has every number under its name, ready for JSON; the control has no lift."""
    rows = showing.rows(comparison)

    assert [(row["metric"], row["variant"]) for row in rows] == [
        (name, arm) for name in comparison for arm in comparison.arms
    ]
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    for row in rows:
        metric, arm = comparison[row["metric"]], row["variant"]
        found = metric.contrasts.get(arm)
        assert tuple(row) == showing.COLUMNS
        assert (row["outcomes"], row["recipients"], row["sent"]) == (*metric.counts[arm], comparison.arms[arm].sent)
        assert (row["rate"], row["prob_best"]) == (metric.estimates[arm].value, metric.prob_best[arm])
        assert row["difference"] == (found and found.difference.value)
        assert row["lift"] == (found and found.lift.value)
        assert (row["p_value"], row["p_adjusted"]) == ((found.p_value, found.p_adjusted) if found else (None, None))


@given(comparisons())
def test_every_dash_is_explained(comparison):
    """Whatever the counts, no number is written that is none, and where there is a dash there is a reason."""
    text = str(comparison)

    assert re.findall(r"\b(nan|inf|None|-0\.0+ )\b", text) == []
    tables = parts_of(comparison, Table)
    dashes = [entry for table in tables for row in table.rows for entry in row if entry.text == "–"]
    assert not dashes or any(said.startswith(("Click rate", "Opt out rate")) for said in sentences(comparison))


@given(comparisons())
def test_every_number_of_the_picture_stands_in_the_table(comparison):
    """The picture has the lifts of the table, in its order, and draws only what is an interval."""
    for picture in parts_of(comparison, Intervals):
        table = parts_of(comparison, Table)[1]
        lifts = [row[table.head.index("Lift")] for row in table.rows]

        assert [row.value for row in picture.rows] == [each.value for each in lifts if each.text]
        drawn = zip(picture.rows, (each for each in lifts if each.text), strict=True)
        assert all(row.text.startswith(each.text) for row, each in drawn if each.value is not None)


# --- Markdown, pages, charts -------------------------------------------------------------------


def test_markdown_by_hand():
    """The tables are Markdown as GitHub reads it, with intervals in brackets and numbers flush right."""
    made = several(50, 70)

    lines = made.to_markdown().splitlines()

    assert lines[:5] == [
        "|  | v0 (control) | v1 |",
        "| --- | ---: | ---: |",
        "| Sent | 1,000 | 1,000 |",
        "| Click rate (= clicked ÷ sent) | 5.0 % (3.8 to 6.5 %) | 7.0 % (5.6 to 8.8 %) |",
        "",
    ]
    assert lines[5:9:2] == ["**v1 against v0**", "| Metric | Lift | p-value | Is best | Expected loss | At any time |"]


def named(name):
    """Return a comparison of variants of any name."""
    counts = {name: {"sent": 900, "clicked": 50, "opted_out": 0}, "other": {"sent": 900, "clicked": 40, "opted_out": 3}}
    return compare({**counts, f"{name}!": {"sent": 900, "clicked": 0, "opted_out": 0}}, metrics=METRICS[1:])


@pytest.mark.parametrize("name", [*HOSTILE, "a|b", "`x` **y** _z_ [l](u) # h", "|\n|---|"])
def test_no_name_adds_to_markdown(name):
    """Whatever variants are called, each row has its columns, and signs of Markdown and HTML are text."""
    lines = named(name).to_markdown().splitlines()
    plain = named("plain").to_markdown().splitlines()

    def cells(line):
        return len(re.findall(r"(?<!\\)(?:\\\\)*\|", line))

    assert [cells(line) for line in lines] == [cells(line) for line in plain]
    assert [line for line in lines if re.search(r"(?<!\\)[<`\[]", line)] == []


@pytest.mark.parametrize("name", HOSTILE)
def test_no_element_comes_from_a_name(name):
    """T-H01: whatever variants are called, page and notebook have the same elements, and show what hides."""
    for made in (page, block):
        written, plain = (made("", [showing.section(named(each))]) for each in (name, "plain"))
        found = Reader(written)

        assert (found.elements, found.wrong, found.handlers) == (Reader(plain).elements, [], [])
        assert HIDDEN.search(written) is None


@pytest.mark.parametrize("name", HOSTILE)
def test_text_stays_on_its_lines(name):
    """Whatever variants are called, the text has as many lines, and shows what hides."""
    text = str(named(name))

    assert len(text.splitlines()) == len(str(named("plain")).splitlines())
    assert HIDDEN.search(text) is None


def test_a_notebook_shows_the_page_without_its_title():
    """In a notebook a comparison is a piece of HTML with one heading, and the picture in it."""
    written = compare(PAIR, metrics=METRICS)._repr_html_()

    found = Reader(written)
    assert (found.elements["h1"], found.elements["h2"], found.elements["figure"]) == (0, 1, 1)
    assert found.wrong == []
    assert "A/B test" in found.text


def test_the_chart_has_the_lifts():
    """In a notebook the chart has a row for each lift, as the picture of the page does."""
    chart = compare(PAIR, metrics=METRICS).chart().to_dict()

    rows = chart["layer"][0]["data"]["values"] if "data" in chart["layer"][0] else chart["data"]["values"]
    assert [row["name"] for row in rows] == ["Delivery rate", "Click rate", "Opt out rate (less is better)"]
    assert chart["title"]["text"] == "Lift against A, with 95 % intervals"
