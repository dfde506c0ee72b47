"""The page: one file that needs nothing else, is made of no one's names, and says what the summary says."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
import sys
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import campaignkit as ck
from campaignkit import page as page_room
from campaignkit.ab import compare
from campaignkit.charts import Interval, Intervals
from campaignkit.display import Entry, Facts, Section, Table, Tile, Tiles
from campaignkit.errors import MissingExtra
from campaignkit.logs import Log
from campaignkit.metrics import Counts
from campaignkit.models import Click, Keyword, Message, OptOut, Reply
from campaignkit.page import block, page
from campaignkit.profiles import PROFILES, get_profile
from campaignkit.report import Report
from campaignkit.summary import read_tally
from pages import HIDDEN, HOSTILE, Reader, spring
from strategies import NOON

TEXTS = ("campaign_id", "variant", "list_id", "account_id", "sender", "contact_id", "contact_name", "to", "message_id")
TABLE = Table(
    head=("Name", "Sent"),
    rows=[("a", Entry("1,000", value=1000)), ("b", Entry("20", value=20)), ("c", "–")],
    right=(1,),
    sortable=True,
)


@pytest.fixture(scope="module")
def example():
    """The report of the example campaign."""
    return spring()


def hostile_report(name):
    """Return a report with a name in every place where data can be, twice each."""
    events = {"contact_name": name, "contact_id": name, "message_id": name, "to": name}
    messages = [
        Message(status=status, carrier="acme", error_code=code, sent_at=NOON, **dict.fromkeys(TEXTS, each))
        for each in (name, "other")
        for status, code in (("delivered", None), ("failed", name))
    ]
    log = Log(
        messages=(*messages, Message(status="skipped", skip_reason=name)),
        replies=(Reply(received_at=NOON, text=name, **events),),
        opt_outs=(OptOut(opted_out_at=NOON, text=name, **events),),
        clicks=(Click(clicked_at=NOON, url=name, **events),),
    )
    made = Report.of(log, title=name)
    profile = attrs.evolve(get_profile("campaignkit"), name=name, notes=name, attribution=name)
    summary = attrs.evolve(made.summary, profile=profile)
    return attrs.evolve(made, summary=summary, errors=(name, name), notes=(name,))


# --- threats -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE)
def test_no_element_comes_from_data(name):
    """T-H01: whatever people, lists and codes are called, the page has the same elements, and runs nothing."""
    plain, found = Reader(hostile_report("plain").to_html()), Reader(hostile_report(name).to_html())

    assert (found.elements, found.wrong, found.handlers, found.references) == (plain.elements, [], [], [])
    # Short texts have a class that keeps them on their line.
    ours, theirs = ([each[:2] for each in page.attributes if each[1] != "class"] for page in (plain, found))
    assert ours == theirs


@pytest.mark.parametrize("name", HOSTILE)
def test_no_element_comes_from_data_in_a_notebook(name):
    """T-H01, in a notebook: the same holds of what a cell shows."""
    plain, found = Reader(hostile_report("plain")._repr_html_()), Reader(hostile_report(name)._repr_html_())

    assert (found.elements, found.wrong, found.handlers) == (plain.elements, [], [])


@pytest.mark.parametrize("name", HOSTILE)
def test_what_hides_is_shown(name):
    """T-H04, T-H06: control characters, direction marks and line breaks of data are shown escaped."""
    written = hostile_report(name).to_html()
    found = Reader(written)

    assert HIDDEN.search(written) is None
    assert [text for text in found.text if "\n" in text.strip()] == []
    assert [value for _, _, value in found.attributes if "\n" in value] == []
    assert written.encode()


def test_each_name_keeps_to_its_direction():
    """T-H04: every text stands in an element of its own reading direction."""
    for written in (hostile_report("שלום").to_html(), hostile_report("שלום")._repr_html_()):
        found = Reader(written)

        assert sum("שלום" in text for text in found.text) > 20
        assert [text for text in found.loose if "שלום" in text] == []


@given(st.text(st.characters(exclude_categories=())).map("~{}".format))  # which is no word of ours, whatever follows
def test_no_text_at_all_makes_an_element(name):
    """T-H01 for any text in every field: the elements are those of a plain name, and the page can be written."""
    found, plain = Reader(hostile_report(name).to_html()), Reader(hostile_report("plain").to_html())

    assert (found.elements, found.wrong, found.handlers) == (plain.elements, [], [])


def test_nothing_comes_from_elsewhere(example):
    """The page fetches nothing: no address in it, and a policy in its head that forbids any."""
    written = example.to_html()
    found = Reader(written)
    (policy,) = [value for _, name, value in found.attributes if name == "content" and "default-src" in value]

    assert found.references == []
    assert re.findall("(?i)https?:|//|url\\(|@import", "".join(found.styles)) == []
    assert policy == (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert written.index("Content-Security-Policy") < written.index("<style>") < written.index("<body")
    assert found.elements["script"] == 0


def test_the_policy_allows_the_one_script_by_its_hash():
    """Where a table is sortable, the page has one script, and the policy allows it and no other."""
    written = page("campaigns", [Section("table", "Campaigns", [TABLE])])
    (script,) = re.findall("<script>(.*?)</script>", written, re.DOTALL)

    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in written.replace("&#39;", "'")
    assert "<script>" not in page("campaigns", [Section("table", "Campaigns", [attrs.evolve(TABLE, sortable=False)])])


# --- size --------------------------------------------------------------------------------------

MOST = 1_000_000


def test_a_hundred_thousand_groups_stay_small():
    """A report by a column of 100,000 values shows the largest, says how many more there are, and stays small."""
    cells = {(f"list {place}",): {ck.Cell("delivered"): ck.Sums(n=1 + place % 7)} for place in range(100_000)}
    groups = read_tally(ck.Tally(by=("list_id",), cells=cells))
    made = attrs.evolve(Report.of([Message(status="sent")]), groups={"list_id": groups})

    written = made.to_html()

    assert len(written.encode()) < MOST
    assert "… and 99,950 more, smaller ones; the CSV has all." in written
    assert written.count('data-value="7"') >= 50


@pytest.mark.parametrize("character", ["x", "&", "\U0001f331", "\u202e", "<"])
def test_very_long_texts_stay_small(character):
    """Names, replies, codes and errors of any length, in any number, are cut on the page: under a megabyte."""
    long = character * 100_000
    names = [f"{place} {long}" for place in range(60)]
    log = Log(
        messages=tuple(
            Message(status="failed", carrier="acme", error_code=name, sent_at=NOON, **dict.fromkeys(TEXTS, name))
            for name in names
        ),
        replies=tuple(Reply(received_at=NOON, contact_name=name, to=name, text=name) for name in names),
        opt_outs=tuple(OptOut(opted_out_at=NOON, contact_name=name, to=name, text=name) for name in names),
        clicks=tuple(Click(clicked_at=NOON, contact_name=name, to=name, contact_id=name) for name in names),
    )
    made = attrs.evolve(Report.of(log), errors=names, notes=names[:3])

    assert len(made.to_html().encode()) < MOST


def test_years_of_sending_stay_small():
    """Sendings over the centuries are the last hundred years, and say how many are left out."""
    starts = {dt.datetime(year, 1, 1, tzinfo=dt.UTC): Counts(delivered=1) for year in range(1000, 3000)}
    made = attrs.evolve(Report.of([Message(status="sent")]), over_time=starts, unit="year")

    written = made.to_html()

    assert len(written.encode()) < 200_000
    assert "1,900 earlier years are left out." in written


def test_rows_of_every_table_are_cut():
    """A thousand codes, reasons, accounts and errors are shown by the first, and a sentence about the others."""
    messages = [
        Message(status="failed", carrier="acme", error_code=f"E{place}", account_id=f"A{place}", sent_at=NOON)
        for place in range(1000)
    ]
    messages += [Message(status="skipped", skip_reason=f"reason {n}", account_id=f"A{n}") for n in range(1000)]
    written = attrs.evolve(Report.of(messages), errors=[f"error {place}" for place in range(1000)]).to_html()

    assert written.count("… and 980 more; the CSV has all.") == 3
    assert written.count("… and 980 more; the JSON has all.") == 1
    assert "… and 1,975 more; the CSV has all." in written


# --- what it says ------------------------------------------------------------------------------


def test_the_page_is_valid(example):
    """Each element that opens closes, no id comes twice, and the head says language, width and colours."""
    written = example.to_html()
    found = Reader(written)
    ids = [value for _, name, value in found.attributes if name == "id"]

    assert written.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert found.wrong == []
    assert len(ids) == len(set(ids))
    assert ("meta", "charset", "utf-8") in found.attributes
    assert ("meta", "content", "width=device-width, initial-scale=1") in found.attributes
    assert ("meta", "content", "light dark") in found.attributes
    assert found.elements["h1"] == found.elements["title"] == found.elements["main"] == 1


def test_the_sections_stand_in_the_order_of_reading(example):
    """The page goes from what matters first to how it was counted."""
    found = [value for tag, name, value in Reader(example.to_html()).attributes if (tag, name) == ("section", "id")]

    assert found == [
        "tiles",
        "over-time",
        "statuses",
        "failures",
        "health",
        "groups-by-variant",
        "groups-by-list_id",
        "accounts",
        "opt-outs",
        "replies",
        "clicks",
        "progress",
        "numbers",
        "log",
        "definitions",
    ]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_number_is_the_summarys(example, profile):
    """Every figure that the summary prints, its fraction and its formula are on the page, under every profile."""
    summary = attrs.evolve(example.summary, profile=get_profile(profile))
    groups = {column: ck.read_tally(each.tally, profile=profile) for column, each in example.groups.items()}
    text = Reader(attrs.evolve(example, summary=summary, groups=groups).to_html()).text

    for line in summary.lines():
        assert [cell for cell in line if cell and cell not in text] == []
    names = [name for _, name in summary.profile.figures] or ["sent", "delivered", "failed", "click_rate"]
    for each in (group for found in groups.values() for group in found.values()):
        for figure in map(each.figure, names):
            assert not figure.value or str(figure) in text, figure
    for failure in summary.failures:
        assert f"{failure.n:,}" in text
        assert failure.verdict.advice in text
    for name, formula in summary.profile.rates.items():
        assert str(formula) in text, name
    for name, n in summary.statuses.items():
        assert {name, f"{n:,}"} <= {*text}


def test_the_chart_has_its_numbers_beside_it(example):
    """Each picture is called by what it shows, and the table beside it has every bar."""
    written = example.to_html()
    pictures = re.findall('<svg role="img" aria-label="([^"]+)"', written)
    text = Reader(written).text

    assert [picture.partition(".")[0] for picture in pictures] == ["Delivery by hour of sending", "Clicks by hour"]
    for counts in example.over_time.values():
        assert {f"{counts.sent:,}", f"{counts.delivered:,}", f"{counts.failed:,}"} <= {*text, "11", "0"}


def test_colours_are_variables():
    """Light, dark, print and the notebook around decide colours: the style names each once for light, once for dark."""
    style = "".join(Reader(page("x", [Section("a", "", [LIFTS])])).styles)

    assert re.findall(r"prefers-color-scheme: (\w+)", style) == ["dark"]
    assert "@media print" in style
    used = set(re.findall(r"var\((--[a-z0-9]+)\)", style)) - {"--gutter", "--zero", "--step"}
    assert used <= set(re.findall(r"(--[a-z0-9]+):", style))
    outside = re.sub(r"--[a-z0-9]+:[^;]*;", "", style)
    assert re.findall(r"#[0-9a-fA-F]{3,6}\b", outside) == []


def test_a_piece_for_a_notebook_keeps_to_itself(example):
    """In a notebook nothing is styled but what stands in the piece, and it takes on the colours around it."""
    test = compare({each: {"sent": 900, "clicked": 50} for each in "ab"})
    written = attrs.evolve(example, ab=test)._repr_html_()
    found = Reader(written)
    style = re.sub(r"/\*.*?\*/", "", "".join(found.styles), flags=re.DOTALL)
    rules = [rule.strip() for rule in re.findall(r"([^{}]+)\{", style) if not rule.strip().startswith("@")]

    assert [part for rule in rules for part in rule.split(", ") if not part.startswith(".ck.ck.ck")] == []
    assert found.elements.keys() & {"html", "body", "head", "script", "h3"} == set()
    assert [name for _, name, _ in found.attributes if name == "id"] == []
    assert written.startswith('<div class="ck">')
    assert "First messages" not in written


def test_names_of_columns_head_their_tables():
    """Rows of numbers have heads that say what they are, for readers who listen: scopes of columns and rows."""
    written = page("x", [Section("table", "Campaigns", [TABLE])])

    body = written.partition("<body")[2]
    assert (body.count('scope="col"'), body.count('scope="row"')) == (2, 3)
    assert 'role="group" tabindex="0" aria-label="Campaigns"' in written


def test_what_a_part_may_be():
    """A section is sentences, tables, facts and tiles; each is shown with all it holds."""
    tile = Tile(label="Sent", value="20", fraction="of 30", formula="sent", more="40 parts")
    table = Table(rows=[("a", Entry("1", note="of 2", share=0.5))], title="As a table", rest="… and more.", folded=True)

    text = Reader(
        page("x", [Section("all", "", ["A sentence.", Facts([("name", "value")]), Tiles([tile]), table])])
    ).text

    expected = ["A sentence.", "name", "value", "Sent", "20", "of 30", "sent", "40 parts", "As a table", "a", "1"]
    assert [each for each in text if each in expected] == expected
    assert {"of 2", "… and more."} <= {*text}


LIFTS = Intervals(
    title="Lift",
    rows=(
        Interval(name="B", group="Click rate", lower=-0.01, value=0.25, upper=0.58, text="+25.0 %"),
        Interval(name="C", group="Click rate", lower=-0.1, value=0.2, upper=0.5, text="+20.0 %"),
        Interval(name="B", group="Opt outs", lower=-0.5, value=0.4, upper=9.0, text="+40.0 %"),
        Interval(name="C", group="Opt outs", text="nobody of A did it"),
    ),
)


def test_intervals_by_hand():
    """Each interval has a line from end to end and a dot, arrows where it goes on, and words where there is none."""
    found = Reader(page("x", [Section("ab", "A/B test", [LIFTS])]))
    classes = [value for _, name, value in found.attributes if name == "class"]

    assert [classes.count(name) for name in ("group", "row", "line", "dot", "before", "after")] == [2, 5, 3, 3, 1, 1]
    styles = [value for _, name, value in found.attributes if name == "style"]
    assert styles[:4] == [
        "--zero:25.0%;--step:25.0%",
        "left:23.75%;width:73.75%",
        "left:56.25%",
        "left:12.5%;width:75.0%",
    ]
    assert [text for text in found.text if text in {"Lift", "Click rate", "Opt outs", "nobody of A did it"}] == [
        "Lift",
        "Click rate",
        "Opt outs",
        "nobody of A did it",
    ]
    assert ("figure", "aria-label", f"Lift. {LIFTS.description}") in found.attributes
    assert ("figure", "role", "img") in found.attributes


def test_only_who_has_intervals_has_their_style():
    """A page without intervals is as it was without them: it has not a byte of their style."""
    plain, drawn = (page("x", [Section("a", "", parts)]) for parts in ([], [LIFTS]))

    assert "intervals" not in plain
    assert ".ck figure.intervals" in drawn
    assert ".ck.ck.ck figure.intervals" in block("x", [Section("a", "", [LIFTS])])


def test_a_piece_without_a_title_has_no_heading_of_its_own():
    """In a notebook, sections that say themselves what they are of begin at the top, without an empty heading."""
    untitled, titled = (block(title, [Section("a", "A/B test", [])]) for title in ("", "x"))

    assert (Reader(untitled).elements["h1"], Reader(untitled).elements["header"]) == (0, 0)
    assert '<section style="margin-top:0">' in untitled
    assert (Reader(titled).elements["h1"], Reader(titled).elements["header"]) == (1, 1)
    assert "<section>" in titled


def test_text_is_cut_and_says_so():
    """A text longer than 200 characters ends in an ellipsis on the page."""
    assert f"<p><bdi>{'x' * 200}…</bdi></p>" in page("x", [Section("a", "", ["x" * 201])])
    assert f"<p><bdi>{'x' * 200}</bdi></p>" in page("x", [Section("a", "", ["x" * 200])])


@pytest.mark.parametrize("package", ["jinja2", "markupsafe"])
def test_without_its_packages_it_says_how_to_get_them(monkeypatch, package):
    """Where jinja2 is missing, a page is an error that says what to install; a notebook shows the text."""
    for cached in (page_room._markup, page_room._template):
        cached.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    report = Report.of([Message(status="sent", variant="<b>")])
    try:
        for make in (page, block):
            with pytest.raises(MissingExtra, match=r'^HTML needs jinja2: pip install "campaignkit\[report\]"$'):
                make("x", [])
        assert report._repr_html_() == f"<pre>{report.to_text().replace('<', '&lt;')}</pre>"
    finally:
        for cached in (page_room._markup, page_room._template):
            cached.cache_clear()


def test_money_of_several_currencies():
    """Amounts are never added over currencies, and never parted from theirs at the end of a line."""
    messages = [
        Message(status="delivered", price=Decimal("1.5"), currency=currency) for currency in ("USD", "EUR", "USD")
    ]

    assert "1.50\N{NO-BREAK SPACE}EUR, 3.00\N{NO-BREAK SPACE}USD" in Reader(Report.of(messages).to_html()).text


def test_a_rare_status_is_not_none():
    """A share that rounds to nothing is said to be less than the least that is shown."""
    messages = [Message(status="delivered")] * 5000 + [Message(status="sent"), Message(status="failed")]

    text = Reader(Report.of(messages).to_html()).text

    assert text.count("< 0.1 %") == 2


def test_the_keyword_makes_an_opt_out():
    """A reply that only asks to stop is among the opt-outs, not among the answers."""
    stop = Reply(received_at=NOON, text="STOP", contact_name="Ann", keyword=Keyword.OPT_OUT)
    log = Log(messages=(Message(status="sent"),), replies=(stop,), opt_outs=(OptOut(opted_out_at=NOON, text="STOP"),))

    sections = {section.key: section for section in Report.of(log).sections()}

    assert sections["replies"].parts == ("0 replies, 1 opt-outs.",)
    assert str(sections["opt-outs"]).splitlines()[0] == "1 opt-outs."
