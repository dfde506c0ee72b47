"""The tutorial runs from top to bottom, and says what it is there to say."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

import campaignkit as ck

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOK = DOCS / "tutorial.ipynb"
WRITTEN = json.loads(NOTEBOOK.read_text("utf-8"))
CODE = ["".join(cell["source"]) for cell in WRITTEN["cells"] if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def hooks():
    """The hooks of the pages, which run the notebook for its page."""
    sys.path.insert(0, str(DOCS))  # as mkdocs does
    spec = importlib.util.spec_from_file_location("hooks", DOCS / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(DOCS))
    return module


@pytest.fixture(scope="module")
def ran(hooks):
    """The notebook after every cell has run, in order, in an empty folder: an error in one ends it."""
    return hooks.executed(NOTEBOOK)


@pytest.fixture(scope="module")
def outputs(ran):
    """What each cell put out: source to outputs."""
    return {cell.source: cell.outputs for cell in ran.cells if cell.cell_type == "code"}


def text(outputs, part):
    """Return the text that the one cell with this in its source put out."""
    ((*found,),) = [each for source, each in outputs.items() if part in source]
    return "".join(each.get("text") or each["data"].get("text/plain", "") for each in found).strip()


def data(outputs, part, kind):
    """Return what a cell shows as pictures or HTML."""
    ((*found,),) = [each for source, each in outputs.items() if part in source]
    (shown,) = [each["data"][kind] for each in found if kind in each.get("data", {})]
    return shown


def test_it_is_kept_without_outputs():
    """In the repository there are no outputs: they are made when pages are built, so they cannot be old."""
    cells = [cell for cell in WRITTEN["cells"] if cell["cell_type"] == "code"]

    assert [cell["outputs"] for cell in cells] == [[]] * len(cells)
    assert {cell["execution_count"] for cell in cells} == {None}


def test_cells_are_short():
    """No cell is longer than a reader takes in at once, nor wider than the page."""
    assert max(len(source.splitlines()) for source in CODE) <= 7
    assert max(len(line) for source in CODE for line in source.splitlines()) <= 78


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ('carrier="twilio")', "<Log: 1,000 messages, 40 replies, 16 opt-outs>"),
        ("rate.formula", "91.3 % (913/1000) = delivered ÷ sent\n913 of 1000 is 0.913"),
        ("summary.missing", "None - no clicks in the data\nnot recorded (no clicks in the data)"),
        ("attach(clicks=clicks, columns", "<Log: 1,000 messages, 40 replies, 16 opt-outs, 127 clicks>"),
        ('ck.rank(variants, "click_rate")', "1. A: 13.6 % (68/500)\n2. B: 11.8 % (59/500)"),
        ("rate.part, rate.whole)", "{'A': (68, 500), 'B': (59, 500)}"),
    ],
)
def test_numbers(outputs, cell, expected):
    """The numbers of the made-up campaign are the same everywhere."""
    assert text(outputs, cell) == expected


@pytest.mark.parametrize(
    ("cell", "sentences"),
    [
        ("twillio", "carrier is 'twillio': no table of codes for it; nearest: twilio"),
        (
            "attach(audience=audience, clicks=clicks)",
            "the clicks have no column 'to': give columns={'to': their name}. The columns: 'phone, clicked_at'",
        ),
        ('"click_rat")', "rate is 'click_rat': not one we know; nearest: click_rate"),
        (
            "reversed_",
            """\
columns= is turned round: give {our name: their name}, here columns={'status': 'state'}
'at' has no time zone: give timezone="UTC", or the zone its clock was in""",
        ),
    ],
)
def test_wrong_input_is_a_sentence(outputs, cell, sentences):
    """What is wrong on purpose says what was given, the rule and the remedy."""
    assert text(outputs, cell) == sentences


def test_failures_come_with_advice(outputs):
    """Each code has its meaning, its kind and what to do."""
    verdicts = [ck.classify("twilio", code) for code in ("30003", "30005", "30006")]
    firsts = [f"{n} {each.code} {each.label} - {each.bounce}" for n, each in zip((27, 21, 20), verdicts, strict=True)]

    lines = text(outputs, "summary.failures").splitlines()

    assert lines[::2] == firsts
    assert [line.strip() for line in lines[1::2]] == [each.advice for each in verdicts]


@pytest.mark.parametrize("cell", ['variants.chart("click_rate")', 'chart("delivery_rate")'])
def test_charts_are_pictures(outputs, cell):
    """A chart is drawn as SVG, which shows without the network."""
    picture = data(outputs, cell, "image/svg+xml")

    assert picture.startswith("<svg ")
    assert "rate by" in picture


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("summary = ck.summarize(log)", "delivered ÷ sent"),
        ('by="variant")', "92.0 %"),
        ('by="team"', "33.3 %"),
        ("ck.Report.of", "What failed, and what to do"),
        ("to_frame", "0.136"),
        ("read_csv", "number_unknown"),
    ],
)
def test_tables_are_shown(outputs, cell, said):
    """Summaries, groups, reports and frames show as HTML at the end of a cell."""
    assert said in data(outputs, cell, "text/html")


def test_the_page_has_it_all(hooks, ran):
    """On its page stand every cell and what it put out, and nothing is fetched from elsewhere."""
    page = hooks.notebook_page(ran)

    assert all(f"```python\n{source}\n```" in page for source in CODE)
    assert page.count("<svg ") >= 2
    assert "<iframe " in page
    assert "&lt;Log: 1,000 messages, 40 replies, 16 opt-outs&gt;" in page
    assert "<script" not in page
    assert 'src="' not in page
