"""How tests run a file that stands on a page of the docs, as it stands there or broken in places."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

HOW_TO = Path(__file__).parent.parent / "docs" / "how-to"


def code_blocks(page):
    """Return the blocks of Python of a page."""
    return re.findall(r"^```python\n(.*?)^```", (HOW_TO / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)


def changed(text, changes):
    """Return a text after replacements, each of which must find its place."""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.fixture
def load_module(tmp_path, monkeypatch):
    """Return what makes a module of a text, to be imported by its name until the test ends."""

    def load(name, source):
        path = tmp_path / f"{name}.py"
        path.write_text(source, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load
