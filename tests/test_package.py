"""The package: what it exports, how little an import loads, and what a wheel of it holds."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
import zipfile
from importlib import resources
from pathlib import Path

import pytest

import campaignkit

ROOT = Path(__file__).parent.parent
TREE = ast.parse(Path(campaignkit.__file__).read_text("utf-8"))
HEAVY = {
    "aiohttp",
    "anyio",
    "cryptography",
    "httpx",
    "jwt",
    "narwhals",
    "numpy",
    "pandas",
    "phonenumbers",
    "polars",
    "pyarrow",
    "rich",
    "sqlalchemy",
    "tenacity",
    "typer",
}
"""Packages that importing ours must not load."""


def imported_for_type_checkers():
    """Return the names that a type checker sees imported, each with its module."""
    block = next(node for node in TREE.body if isinstance(node, ast.If))
    found = {name.name: node.module for node in block.body for name in node.names}
    return {name: f"{module}.{name}" if module == "campaignkit" else module for name, module in found.items()}


def loaded_after(program):
    """Return the heavy packages that are loaded once a program has run in a fresh process."""
    ended = subprocess.run(  # noqa: S603 - this Python, our own program
        [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        check=True,
        text=True,
    )
    return {name.partition(".")[0] for name in ended.stdout.split()} & HEAVY


# --- names -------------------------------------------------------------------------------------


def test_the_list_of_names_is_sorted_and_whole():
    """The list of names is sorted (constants, classes, functions), and is what can be loaded and what checkers see."""
    names = campaignkit.__all__

    assert names == sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert len(names) == len(set(names))
    assert set(names) == set(campaignkit._MODULE_OF) == set(imported_for_type_checkers())


def test_names_come_from_the_modules_that_checkers_are_told():
    """What is loaded on first use is what type checkers are told, module by module."""
    told = imported_for_type_checkers()

    assert {name: f"campaignkit.{module}" for name, module in campaignkit._MODULE_OF.items()} == told


@pytest.mark.parametrize("name", campaignkit.__all__)
def test_every_name_loads(name):
    """Each name is the object of its module, and says what it is if it is ours to say."""
    value = getattr(campaignkit, name)

    module = importlib.import_module(f"campaignkit.{campaignkit._MODULE_OF[name]}")
    assert value is (module if campaignkit._MODULE_OF[name] == name else getattr(module, name))
    if callable(value) and name != "E164":
        assert value.__doc__


def test_an_unknown_name_is_an_attribute_error():
    """A name that is not exported is Python's own error, so that hasattr and copying work."""
    with pytest.raises(AttributeError, match=r"^module 'campaignkit' has no attribute 'sumarize'$"):
        campaignkit.sumarize  # noqa: B018 - looking it up is the point

    assert not hasattr(campaignkit, "__wrapped__")


def test_dir_lists_the_names():
    """Completion in a shell or notebook offers every name before any is loaded."""
    assert set(campaignkit.__all__) <= set(dir(campaignkit))


def test_everything_at_once():
    """A star import brings all names and no others."""
    space = {}
    exec("from campaignkit import *", space)  # noqa: S102 - the only place a star import is allowed

    assert set(space) - {"__builtins__"} == set(campaignkit.__all__)


# --- what an import loads ----------------------------------------------------------------------


def test_the_import_loads_nothing_heavy():
    """In a fresh process the import loads no dataframe, telephone, network or database package."""
    assert loaded_after("import campaignkit") == set()


def test_reading_webhooks_loads_no_client():
    """Constructing a carrier, writing its requests and reading its webhooks load no HTTP client."""
    program = """
from datetime import UTC, datetime
import campaignkit as ck
from campaignkit.backends.carriers import Request, Response, Twilio
twilio = Twilio(account_sid="AC0", auth_token="token")
message = ck.Message(status="pending", to="+12025550143", sender="+12025550100", text="Hello")
print(twilio.encode(message, ck.Attempt()), twilio.decode(Response(500)))
try:
    twilio.events(Request("POST", "https://app.example/hooks"), now=datetime.now(UTC))
except ck.WebhookRejected as error:
    print(error)
"""
    assert loaded_after(program) == set()


def test_counting_rows_loads_no_frames():
    """Messages, summaries, groups, reports and verdicts of plain rows load none of them either."""
    program = """
import campaignkit as ck
rows = [ck.Message(status="delivered", variant="a"), ck.Message(status="failed", variant="b")]
print(ck.summarize(rows), ck.summarize(rows, by="variant"), ck.summarize([{"status": "sent"}]))
print(ck.progress(rows), ck.health(ck.summarize(rows)), ck.Report.of(rows).to_text(), ck.fold([]))
print(ck.read_log([{"status": "sent"}]), ck.classify("twilio", "30003"), ck.tally(rows) + ck.tally(rows))
"""
    assert loaded_after(program) == set()


@pytest.mark.parametrize(
    ("program", "package"),
    [
        ("import campaignkit, polars; campaignkit.summarize(polars.DataFrame({'status': ['sent']}))", "narwhals"),
        ("import campaignkit; campaignkit.parse_phone('+12025550143')", "phonenumbers"),
    ],
)
def test_what_is_needed_is_loaded_where_it_is_used(program, package):
    """The first frame loads narwhals, the first number phonenumbers."""
    assert package in loaded_after(program)


# --- what is shipped ---------------------------------------------------------------------------

DATA = {
    f"data/{path}"
    for path in (
        "keywords.csv",
        "reasons.csv",
        *(f"page/{each}.{kind}" for each in ("intervals", "page") for kind in ("css", "html.jinja")),
        "page/sort.js",
        *(f"{kind}/{carrier}.csv" for kind in ("codes", "statuses") for carrier in campaignkit.CARRIERS),
    )
}


def test_the_package_has_its_data():
    """Code tables, reasons and keywords stand in the package, and the mark that it is typed."""
    package = resources.files("campaignkit")

    assert [path for path in {*DATA, "py.typed"} if not package.joinpath(path).is_file()] == []


def test_no_data_is_left_behind():
    """Whatever lies in the package's data folder is a table that something reads."""
    folder = Path(campaignkit.__file__).parent / "data"

    found = {f"data/{path.relative_to(folder).as_posix()}" for path in folder.rglob("*") if path.is_file()}
    assert found == DATA


def test_every_module_has_its_future_and_its_purpose():
    """Each module of the package begins with what it is for."""
    for path in Path(campaignkit.__file__).parent.glob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), path.name


def shipped(folder):
    """Return what others get: the files of a wheel where one can be built, else of the package as it is installed."""
    if importlib.util.find_spec("hatchling") is None:
        package = Path(campaignkit.__file__).parent
        return {path.relative_to(package.parent).as_posix() for path in package.rglob("*")}
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)  # noqa: S603 - this Python, our own arguments
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_others_get_modules_data_and_types(tmp_path):
    """What is built for others holds each module, each table and py.typed."""
    modules = {path.name for path in Path(campaignkit.__file__).parent.glob("*.py")}

    assert {f"campaignkit/{name}" for name in {*DATA, *modules, "py.typed"}} - shipped(tmp_path) == set()
