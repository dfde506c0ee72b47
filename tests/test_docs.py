"""What the pages say is what the code does."""

from __future__ import annotations

import contextlib
import csv
import io
import re
import tomllib
from importlib import resources
from pathlib import Path

import pytest

import campaignkit as ck
from campaignkit.cells import PEOPLE_COUNTS
from campaignkit.metrics import COUNT_FIELDS, COUNT_PROPERTIES
from campaignkit.rows import MESSAGE_COLUMNS
from campaignkit.verdicts import reasons

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
DEFINITIONS = (ROOT / "docs" / "definitions.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def tables(text: str) -> list[list[list[str]]]:
    """Return the tables of a Markdown text, each a list of rows of cells, the head first."""
    found = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    rows = ([[cell.strip() for cell in line.strip("|\n").split("|")] for line in each.splitlines()] for each in found)
    return [[head, *body] for head, _, *body in rows]


def table(text: str, *head: str) -> list[list[str]]:
    """Return the rows below a head."""
    (found,) = [rows for first, *rows in tables(text) if first == list(head)]
    return found


def section(text: str, title: str) -> str:
    """Return what stands under a heading of the third level."""
    (found,) = re.findall(rf"^### {re.escape(title)}\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    return found


def code(cell: str) -> str:
    """Return the text of a cell that is one piece of code."""
    (found,) = re.findall(r"^`(\w+)`$", cell)
    return found


# --- README ------------------------------------------------------------------------------------


def test_readme_prints_what_it_says():
    """Each Python block of the README, run in order, prints the block of text that follows it."""
    blocks = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    space: dict[str, object] = {}
    printed = []

    for source, _ in blocks:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(compile(source, "README.md", "exec"), space)  # noqa: S102 - our own text
        printed.append(output.getvalue())

    assert len(blocks) == README.count("```python")
    assert printed == [expected for _, expected in blocks]


def test_readme_names_extras_that_exist():
    """Every extra that a page tells people to install is in pyproject.toml."""
    named = re.findall(r'"(?:\.|campaignkit)\[([a-z,]+)\]"', README)

    assert named
    assert {extra for each in named for extra in each.split(",")} == PROJECT["optional-dependencies"].keys()


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(page):
    """Links to files of the project lead to files that exist (mkdocs checks those between its pages)."""
    links = re.findall(r"\]\((?!http)([^)#]+)", (ROOT / page).read_text("utf-8"))

    assert [link for link in links if not (ROOT / link).exists()] == []


def test_changelog_has_this_version():
    """The version of the package is the newest of the changelog, with its day."""
    newest = re.findall(r"^## (\S+) - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)[0]

    assert newest == PROJECT["version"]


# --- reference and design ----------------------------------------------------------------------


def test_reference_has_every_public_name_once():
    """The reference lists the public names, all of them and no others."""
    named = re.findall(r"^::: campaignkit\.(\w+)$", (ROOT / "docs" / "api.md").read_text("utf-8"), re.MULTILINE)

    assert sorted(named) == sorted(ck.__all__)


def test_reference_has_every_column():
    """The table of columns is the fields of a message, in their order."""
    rows = table((ROOT / "docs" / "api.md").read_text("utf-8"), "column", "holds")

    assert [code(name) for name, _ in rows] == list(MESSAGE_COLUMNS)


def test_design_names_every_room():
    """The table of rooms has every module, and none that does not exist."""
    rows = table((ROOT / "docs" / "design.md").read_text("utf-8"), "module", "what lives there")
    modules = {path.stem for path in (ROOT / "src" / "campaignkit").glob("*.py")} - {"__init__"}

    assert {name for first, _ in rows for name in re.findall(r"`(\w+)`", first)} == modules


# --- definitions -------------------------------------------------------------------------------


def test_every_count_is_defined():
    """Each count of messages, events and people has a line of its own on the page."""
    named = [code(row[0]) for head, *rows in tables(DEFINITIONS) if head[0] == "count" for row in rows]

    assert sorted(named) == sorted([*COUNT_FIELDS, *COUNT_PROPERTIES, *PEOPLE_COUNTS])


def test_every_status_goes_where_the_page_says():
    """A message of each status is counted where the table of statuses says."""
    rows = table(DEFINITIONS, "status", "counted as")
    counts = {status: ck.summarize([{"status": status}]).counts for status in ck.Status}

    assert [code(status) for status, _ in rows] == list(ck.Status)
    assert [getattr(counts[code(status)], code(said.partition(":")[0])) for status, said in rows] == [1] * len(rows)


def test_own_rates_are_on_the_page():
    """The table of rates is that of the default profile, formula by formula."""
    rows = table(DEFINITIONS, "rate", "formula", "what it tells")
    rates = ck.PROFILES["campaignkit"].rates

    assert {code(name): formula for name, formula, _ in rows} == {name: str(each) for name, each in rates.items()}


@pytest.mark.parametrize(
    ("vendor", "profile"),
    [
        ("messagesender.ai", "messagesender"),
        ("MessengerFlow", "messengerflow"),
        ("Brevo", "brevo"),
        ("Dotdigital", "dotdigital"),
    ],
)
def test_a_vendors_table_is_its_profile(vendor, profile):
    """A vendor's figures, formulas and regrouped counts on the page are those of its profile."""
    chosen = ck.PROFILES[profile]
    made_of = {name: str(formula) for name, formula in chosen.rates.items()}
    made_of |= {name: " + ".join(parts) for name, parts in chosen.regroup.items()}
    expected = [
        (label, f"`{name}` = {made_of[name]}" if name in made_of else f"`{name}`") for label, name in chosen.figures
    ]

    text = section(DEFINITIONS, vendor)
    rows = table(text, "there", "what it means there", "here")

    assert [(label, here) for label, _, here in rows] == expected
    assert f'`profile="{profile}"`' in text
    assert all(f"`{name}`" in text for name in chosen.regroup)


def test_every_profile_has_a_vendor():
    """No profile is missing from the page."""
    assert set(re.findall(r'^`profile="(\w+)"`', DEFINITIONS, re.MULTILINE)) == ck.PROFILES.keys() - {"campaignkit"}


def test_reasons_are_those_of_the_data():
    """The table of reasons is data/reasons.csv, reason by reason."""
    rows = table(DEFINITIONS, "reason", "what follows", "what to do")
    text = resources.files("campaignkit").joinpath("data", "reasons.csv").read_text("utf-8")
    data = list(csv.DictReader(text.splitlines()))

    assert rows == [[f"`{row['reason']}` {row['label']}", what_follows(row), row["advice"]] for row in data]


def what_follows(row):
    """Return the axes of a reason in the words of the page."""
    bounce = {"none": "no bounce", "deleted": "deleted"}.get(row["bounce"], f"{row['bounce']} bounce")
    flags = [name.replace("_", " ") for name in ("retryable", "strike", "opts_out") if row[name] == "yes"]
    fault = [f"fault: {row['fault']}"] if row["fault"] else []
    return ", ".join([bounce, *flags, *fault])


def test_bounce_policies_are_on_the_page():
    """The table of bounce policies is what each policy says of each reason that anybody calls a bounce."""
    head = ["reason", *ck.BOUNCE_POLICIES]
    rows = table(DEFINITIONS, *head)
    said = {
        reason.name: [policy.get(reason.name, reason.bounce) for policy in ck.BOUNCE_POLICIES.values()]
        for reason in reasons().values()
    }
    bounces = {name: each for name, each in said.items() if set(each) != {ck.Bounce.NONE}}

    assert {code(name): [ck.Bounce(cell.replace("–", "none")) for cell in cells] for name, *cells in rows} == bounces
