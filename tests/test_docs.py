"""What the pages say is what the code does."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import io
import re
import shutil
import socketserver
import threading
import tomllib
from importlib import resources
from pathlib import Path

import pytest

import campaignkit as ck
from campaignkit import ab, testing, tracker, web
from campaignkit.backends import carriers, storage
from campaignkit.cells import PEOPLE_COUNTS
from campaignkit.metrics import COUNT_FIELDS, COUNT_PROPERTIES
from campaignkit.rows import MESSAGE_COLUMNS
from campaignkit.verdicts import reasons

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def load(name: str):
    """Return a script that lies beside the pages."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


facts = load("facts")
MADE = facts.pages()


def page(path: str) -> str:
    """Return a page as readers get it, its tables filled in."""
    return MADE[path] if path in MADE else facts.filled((DOCS / path).read_text("utf-8"))


METRICS = page("reference/metrics.md")
CODES = page("reference/codes/index.md")
VENDORS = page("reference/vendors.md")
PAGES = sorted([path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")] + list(MADE))


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
    """Return what stands under a heading of the second level."""
    (found,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
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
    """Every extra of pyproject.toml is explained, and none is to be installed that is not there."""
    named = re.findall(r'"(?:\.|campaignkit)\[([a-z,]+)\]"', README)
    explained = [extra for first, _ in table(README, "extra", "brings") for extra in re.findall(r"`(\w+)`", first)]

    assert sorted(explained) == sorted(PROJECT["optional-dependencies"])
    assert {extra for each in named for extra in each.split(",")} <= set(explained)


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(page):
    """Links to files of the project lead to files that exist (mkdocs checks those between its pages)."""
    links = re.findall(r"\]\((?!http)([^)#]+)", (ROOT / page).read_text("utf-8"))

    assert [link for link in links if not (ROOT / link).exists()] == []


def test_changelog_has_this_version():
    """The version of the package is the newest of the changelog, with its day."""
    newest = re.findall(r"^## (\S+) - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)[0]

    assert newest == PROJECT["version"]


# --- pages -------------------------------------------------------------------------------------


def test_every_page_is_in_the_navigation_once():
    """The navigation leads to every page, written or made, and to no other."""
    settings = (ROOT / "mkdocs.yml").read_text("utf-8")
    (nav,) = re.findall(r"^nav:\n((?: .*\n)+)", settings, re.MULTILINE)

    assert sorted(re.findall(r"(\S+\.(?:md|ipynb))$", nav, re.MULTILINE)) == sorted([*PAGES, "tutorial.md"])


@pytest.mark.parametrize(
    "path", [path for path in PAGES if path.startswith(("how-to/", "explanation/", "definitions", "design"))]
)
def test_how_to_and_explanation_open_with_a_question(path):
    """The first paragraph of a how-to or an explanation is the question a reader comes with."""
    _, first, *_ = page(path).split("\n\n")

    assert first.endswith("?")


@pytest.mark.parametrize("path", PAGES)
def test_tables_of_the_source_are_filled_in(path):
    """No page asks for a table that is not there."""
    assert "<!-- table" not in page(path)


def test_examples_become_code(monkeypatch):
    """What the hooks do to a page: tables are filled in, and an example in a docstring becomes code."""
    monkeypatch.syspath_prepend(DOCS)  # as mkdocs does

    hooks = load("hooks")

    assert hooks.on_page_markdown("<!-- table: times -->") == facts.times()
    assert list(hooks.examples_indented(["a", "", ">>> 1", "1"])) == ["a", "", "    >>> 1", "    1"]


# --- reference and design ----------------------------------------------------------------------


def test_reference_has_every_public_name_once():
    """The reference lists the public names, all of them and no others."""
    named = re.findall(r"^::: campaignkit\.(\w+)$", (ROOT / "docs" / "api.md").read_text("utf-8"), re.MULTILINE)

    assert sorted(named) == sorted(ck.__all__)


@pytest.mark.parametrize(
    ("package", "page"),
    [
        (carriers, "carriers/index.md"),
        (testing, "carriers/index.md"),
        (storage, "storage.md"),
        (tracker, "storage.md"),
        (web, "storage.md"),
        (ab, "../api.md"),
        (ab.stats, "../api.md"),
    ],
)
def test_reference_has_every_name_of_a_package(package, page):
    """The pages of the reference list the public names of their packages, each once."""
    text = (DOCS / "reference" / page).read_text("utf-8")
    named = re.findall(rf"^::: {re.escape(package.__name__)}\.(\w+)$", text, re.MULTILINE)

    assert sorted(named) == sorted(package.__all__)


def test_reference_has_every_column():
    """The table of columns is the fields of a message, in their order."""
    rows = table((ROOT / "docs" / "api.md").read_text("utf-8"), "column", "holds")

    assert [code(name) for name, _ in rows] == list(MESSAGE_COLUMNS)


def test_design_names_every_room():
    """The table of rooms has every module, and none that does not exist."""
    rows = table((ROOT / "docs" / "design.md").read_text("utf-8"), "module", "what lives there")
    inside = (ROOT / "src" / "campaignkit").iterdir()
    modules = {path.stem for path in inside if path.suffix == ".py" or (path / "__init__.py").exists()} - {"__init__"}

    assert {name for first, _ in rows for name in re.findall(r"`(\w+)`", first)} == modules


# --- metrics -----------------------------------------------------------------------------------


def test_every_count_has_a_row():
    """Each count of messages, events and people has one row in the reference, which says what it means."""
    rows = [row for head, *rows in tables(METRICS) if head[0] == "count" for row in rows]

    assert sorted(code(row[0]) for row in rows) == sorted([*COUNT_FIELDS, *COUNT_PROPERTIES, *PEOPLE_COUNTS])
    assert all(row[1] for row in rows)


def test_every_rate_has_a_row():
    """Each of our rates is explained, and each rate of any profile has its formula under every profile."""
    explained = table(METRICS, "rate", "meaning", "needs")
    formulas = table(METRICS, "rate", *ck.PROFILES)
    own = ck.PROFILES["campaignkit"].rates

    assert [code(name) for name, _, _ in explained] == list(own)
    for name, meaning, _ in explained:
        assert ("may pass 100 %" in meaning) is not own[code(name)].proportion
    assert {code(name) for name, *_ in formulas} == {name for each in ck.PROFILES.values() for name in each.rates}
    for name, *cells in formulas:
        for profile, cell in zip(ck.PROFILES.values(), cells, strict=True):
            formula = profile.rates.get(code(name))
            mark = "" if formula is None or formula.proportion else r" \*"
            assert cell == f"{formula or '–'}{mark}"


def test_every_regrouped_count_has_a_row():
    """What a profile adds up under one word is on the page."""
    rows = table(METRICS, "profile", "count", "is here")

    assert {(profile, code(name)) for profile, name, _ in rows} == {
        (profile.name, name) for profile in ck.PROFILES.values() for name in profile.regroup
    }


def test_the_column_a_count_needs_is_the_one_it_needs():
    """Without the column that the reference names, a count is None; with the others alone it stays so."""
    for row in (row for head, *rows in tables(METRICS) if head == ["count", "meaning", "needs"] for row in rows):
        name, column = code(row[0]), re.findall(r"`(\w+)`", row[2])[-1]
        missing = ck.summarize([{"status": "delivered", "to": "+12025550101"}], people="to").missing(name)
        assert missing == (None if column == "status" else f"no {column} in the data")


def test_every_count_is_explained_where_it_is_defined():
    """The docstrings of the counts explain each of them, in their order."""
    assert list(facts.attributes_of(ck.Counts)) == list(COUNT_FIELDS)
    assert list(facts.attributes_of(ck.PeopleCounts)) == list(PEOPLE_COUNTS)


def test_every_status_goes_where_the_page_says():
    """A message of each status is counted where the table of statuses says."""
    rows = table(page("explanation/sent.md"), "status", "counted as")
    counts = {status: ck.summarize([{"status": status}]).counts for status in ck.Status}

    assert [code(status) for status, _ in rows] == list(ck.Status)
    assert [getattr(counts[code(status)], code(said.partition(":")[0])) for status, said in rows] == [1] * len(rows)


# --- vendors -----------------------------------------------------------------------------------


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

    text = section(VENDORS, vendor)
    rows = table(text, "there", "what it means there", "here")

    assert [(label, here) for label, _, here in rows] == expected
    assert f'`profile="{profile}"`' in text
    assert all(f"`{name}`" in text for name in chosen.regroup)


def test_every_profile_has_a_vendor():
    """No profile is missing from the page."""
    assert set(re.findall(r'^`profile="(\w+)"`', VENDORS, re.MULTILINE)) == ck.PROFILES.keys() - {"campaignkit"}


# --- codes -------------------------------------------------------------------------------------


def data(*path: str) -> list[dict[str, str]]:
    """Return the rows of a table of the package."""
    text = resources.files("campaignkit").joinpath("data", *path).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_reasons_are_those_of_the_data():
    """The table of reasons is data/reasons.csv, reason by reason."""
    rows = table(CODES, "reason", "meaning", "bounce", "retryable", "strike", "opts out", "fault", "advice")
    nothing = {"none": "–", "no": "–", "": "–"}
    columns = ("label", "bounce", "retryable", "strike", "opts_out", "fault", "advice")

    assert rows == [
        [f"`{row['reason']}`", *(nothing.get(row[column], row[column]) for column in columns)]
        for row in data("reasons.csv")
    ]


def test_bounce_policies_are_on_the_page():
    """The table of bounce policies is what each policy says of each reason that anybody calls a bounce."""
    rows = table(CODES, "reason", *ck.BOUNCE_POLICIES)
    said = {
        reason.name: [policy.get(reason.name, reason.bounce) for policy in ck.BOUNCE_POLICIES.values()]
        for reason in reasons().values()
    }
    bounces = {name: each for name, each in said.items() if set(each) != {ck.Bounce.NONE}}

    assert {code(name): [ck.Bounce(cell.replace("–", "none")) for cell in cells] for name, *cells in rows} == bounces


@pytest.mark.parametrize("carrier", ck.CARRIERS)
def test_every_carrier_has_a_page_with_every_row(carrier):
    """A carrier's page has each status word and each code of the tables, with its meaning and its reason."""
    text = page(f"reference/codes/{carrier}.md")
    words = table(text, "word", "our status", "meaning", "reason", "source")
    codes = [row for head, *rows in tables(text) if head[0] == "code" for row in rows]
    expected = [(row["code"], row["description"], row["reason"]) for row in data("codes", f"{carrier}.csv")]

    assert ck.TABLES_DATED in text
    assert [name.strip("`") for name, *_ in words] == [row["word"] for row in data("statuses", f"{carrier}.csv")]
    assert sorted((row[0].strip("`"), shown(row[1]), code(row[2])) for row in codes) == sorted(expected)
    assert {len(row) for row in codes} == {10}


def shown(cell: str) -> str:
    """Return what a reader sees of a cell."""
    return re.sub(r"\\(.)", r"\1", cell).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


# --- pictures ----------------------------------------------------------------------------------


def test_pictures_are_there_and_small():
    """What the script takes lies beside the pages, in light and in dark, each below 200 kB."""
    names = [f"{name}{shade}.png" for name in load("screenshots").SIZES for shade in ("", "-dark")]
    pictures = {path.name: path.stat().st_size for path in (DOCS / "images").iterdir()}

    assert sorted(pictures) == sorted(names)
    assert max(pictures.values()) < 200_000


# --- mail --------------------------------------------------------------------------------------


class Postbox(socketserver.StreamRequestHandler):
    """A mail server that says yes to everything and keeps the message."""

    def handle(self):
        """Answer line by line."""
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            if line.startswith(b"data"):
                self.wfile.write(b"354 go on\r\n")
                self.server.kept = b"".join(iter(self.rfile.readline, b".\r\n"))
            self.wfile.write(b"221 bye\r\n" if line.lower().startswith(b"quit") else b"250 yes\r\n")


def test_the_script_that_sends_a_mail_sends_one(monkeypatch, tmp_path):
    """The script of the page about mail, run beside a log, hands the report to the mail server."""
    (script,) = re.findall(r"^```python\n# report.py\n(.*?)^```", page("how-to/mail.md"), re.MULTILINE | re.DOTALL)
    shutil.copy(ROOT / "tests" / "logs" / "twilio.csv", tmp_path / "messages.csv")
    monkeypatch.chdir(tmp_path)
    with socketserver.TCPServer(("localhost", 0), Postbox) as server:
        answering = threading.Thread(target=server.handle_request)
        answering.start()
        here = script.replace('SMTP("localhost")', f'SMTP("localhost", {server.server_address[1]})')
        exec(compile(here, "report.py", "exec"), {})  # noqa: S102 - our own text
        answering.join()

    assert b"To: bob@example.com" in server.kept
    assert b'filename="messages.csv"' in server.kept
