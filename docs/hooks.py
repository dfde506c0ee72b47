# ruff: noqa: INP001 - a script beside the pages
"""What the pages need beyond Markdown: tables and pages made from the source, a notebook, examples shown as code."""

from __future__ import annotations

import html
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facts import filled, pages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from markdown import Markdown
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

NOTEBOOK = Path(__file__).with_name("tutorial.ipynb")
_OUTPUT = "overflow-x:auto;padding-left:0.8rem;border-left:0.15rem solid var(--md-default-fg-color--lightest)"
_TEXT = "white-space:pre-wrap;margin:0;font-size:0.85em"


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages that are nowhere written down: a page for each carrier, the changelog, the notebook as it runs."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - the tests look at this file without mkdocs

    for place, content in {**pages(), "tutorial.md": notebook_page(executed(NOTEBOOK))}.items():
        files.append(File.generated(config, place, content=content))


def executed(path: Path) -> Any:
    """Return a notebook with what its cells put out, each run in order in an empty folder."""
    import nbformat  # noqa: PLC0415 - the same
    from nbclient import NotebookClient  # noqa: PLC0415 - the same

    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        quiet = ["--Application.log_level=40"]
        resources = {"metadata": {"path": folder}}
        NotebookClient(notebook, kernel_name="python3", resources=resources, extra_arguments=quiet).execute()
    return notebook


def notebook_page(notebook: Any) -> str:
    """Return a notebook that was run as a page of Markdown."""
    return "\n\n".join(part for cell in notebook.cells for part in _parts(cell)) + "\n"


def _parts(cell: Any) -> Iterator[str]:
    if cell.cell_type == "markdown":
        yield cell.source
        return
    yield f"```python\n{cell.source}\n```"
    for output in cell.outputs:
        yield f'<div style="{_OUTPUT}">\n{_shown(output)}\n</div>'


def _shown(output: Any) -> str:
    data = output.get("data", {"text/plain": output.get("text")})
    if "image/svg+xml" in data:
        picture: str = data["image/svg+xml"]
        return picture.replace("<svg ", '<svg style="max-width:none" ', 1)  # a phone scrolls what it cannot shrink
    if "text/html" not in data:
        return f'<pre style="{_TEXT}">{html.escape(data["text/plain"].rstrip())}</pre>'
    made: str = data["text/html"].replace(' border="1" class="dataframe"', "")  # to look like the page's own tables
    if "<h1>" not in made:
        return made
    document = html.escape(f'<!doctype html><meta name="color-scheme" content="light dark">{made}')
    return f'<iframe title="report" srcdoc="{document}" style="width:100%;height:32rem;border:0"></iframe>'


def on_page_markdown(markdown: str, **_asked: Any) -> str:
    """Put each table where a page asks for it."""
    return filled(markdown)


def examples_indented(lines: Iterable[str]) -> Iterator[str]:
    r"""Yield lines of Markdown with each bare example indented, which makes it a block of code.

    In docstrings a paragraph that begins with ``>>>`` is one.

    >>> list(examples_indented(["Text.", "", ">>> 1 + 1", "2", "", "Text."]))
    ['Text.', '', '    >>> 1 + 1', '    2', '', 'Text.']
    """
    inside = False
    for line in lines:
        inside = bool(line) and (inside or line.startswith(">>> "))
        yield f"    {line}" if inside else line


def on_config(config: MkDocsConfig) -> None:
    """Add the rule to the Markdown of pages and docstrings."""
    from markdown.extensions import Extension  # noqa: PLC0415 - the same
    from markdown.preprocessors import Preprocessor  # noqa: PLC0415 - the same

    class Indenter(Preprocessor):
        def run(self, lines: list[str]) -> list[str]:
            return list(examples_indented(lines))

    class Examples(Extension):
        def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - Markdown calls it so
            md.preprocessors.register(Indenter(md), "examples", priority=30)

    config.markdown_extensions.append(Examples())
