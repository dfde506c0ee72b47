# ruff: noqa: INP001 - a script beside the pages
"""Show examples as code: in docstrings a paragraph that begins with ``>>>`` is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from markdown import Markdown
    from mkdocs.config.defaults import MkDocsConfig


def examples_indented(lines: Iterable[str]) -> Iterator[str]:
    r"""Yield lines of Markdown with each bare example indented, which makes it a block of code.

    >>> list(examples_indented(["Text.", "", ">>> 1 + 1", "2", "", "Text."]))
    ['Text.', '', '    >>> 1 + 1', '    2', '', 'Text.']
    """
    inside = False
    for line in lines:
        inside = bool(line) and (inside or line.startswith(">>> "))
        yield f"    {line}" if inside else line


def on_config(config: MkDocsConfig) -> None:
    """Add the rule to the Markdown of pages and docstrings."""
    from markdown.extensions import Extension  # noqa: PLC0415 - the tests look at this file without mkdocs
    from markdown.preprocessors import Preprocessor  # noqa: PLC0415 - the same

    class Indenter(Preprocessor):
        def run(self, lines: list[str]) -> list[str]:
            return list(examples_indented(lines))

    class Examples(Extension):
        def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - Markdown calls it so
            md.preprocessors.register(Indenter(md), "examples", priority=30)

    config.markdown_extensions.append(Examples())
