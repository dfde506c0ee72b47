"""The public names of the statistics, and what they are made with."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from campaignkit.ab import stats

FILES = sorted(Path(stats.__file__).parent.glob("*.py"))
ALLOWED = {
    "__future__",
    "attrs",
    "campaignkit",
    "collections",
    "functools",
    "itertools",
    "math",
    "operator",
    "statistics",
    "typing",
}


def test_every_public_name_can_be_had():
    """Each name of the list is there, and dir shows it."""
    for name in stats.__all__:
        assert getattr(stats, name) is not None
    assert sorted(dir(stats)) == sorted(stats.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        stats.nothing  # noqa: B018


def test_no_function_hides_behind_a_module():
    """No module has the name of a function: importing one would put it in the function's place."""
    assert not {file.stem for file in FILES} & set(stats.__all__)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_statistics_need_the_standard_library_alone(file):
    """Nothing but Python, attrs and campaignkit is imported, and nothing that draws at random."""
    roots = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            roots |= {name.name.split(".")[0] for name in node.names}
        if isinstance(node, ast.ImportFrom):
            roots.add(node.module.split(".")[0])
    assert roots <= ALLOWED


def test_importing_the_statistics_loads_none_of_them():
    """A function is loaded when it is first used."""
    code = "import sys, campaignkit.ab.stats as s; print([m for m in sys.modules if m.startswith(s.__name__ + '.')])"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert made.stdout.strip() == "[]"
