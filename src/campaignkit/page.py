"""Sections in, one HTML page out: a file that needs nothing else, or a piece for a notebook.

Nothing on it comes from elsewhere, and a policy in its head forbids that anything could.
No element is made of data: what people are called, and what they wrote, is text that has
been made visible, cut to a length, escaped, and kept to its own reading direction.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from campaignkit.charts import Intervals, drawing, placed
from campaignkit.display import Section, visible
from campaignkit.errors import MissingExtra

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

_MOST_SHOWN: Final = 200
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def page(title: str, sections: Sequence[Section]) -> str:
    """Return sections as a page of their own: one file, without scripts unless a table is sortable.

    Args:
        title: its heading.
        sections: in their order; what is in ``head`` stands under the heading.

    Raises:
        MissingExtra: jinja2 is not installed.

    >>> from campaignkit.display import Table
    >>> text = page("spring", [Section("lists", "Lists", ["Four <lists>.", Table(rows=[("shop", "8,000")])])])
    >>> "<p><bdi>Four &lt;lists&gt;.</bdi></p>" in text, "<script>" in text
    (True, False)
    """
    script = _file("sort.js") if any(_sortable(part) for section in sections for part in section.parts) else ""
    allowed = f"; script-src '{_hash(script)}'" if script else ""
    return _render(title, sections, whole=True, style=_style(sections), script=script, policy=_POLICY + allowed)


def block(title: str, sections: Sequence[Section]) -> str:
    """Return sections as a piece of HTML that keeps its style to itself and takes on the colours around it.

    Args:
        title: its heading; empty where the sections say what they are of.
        sections: in their order.

    Raises:
        MissingExtra: jinja2 is not installed.
    """
    # Said thrice, the class outweighs the rules that a notebook has for tables of its own.
    return _render(title, sections, whole=False, style=_style(sections).replace(".ck", ".ck.ck.ck"))


def _render(title: str, sections: Sequence[Section], *, style: str, script: str = "", **how: Any) -> str:
    markup = _markup()
    ours = {"style": markup(style), "script": markup(script)}
    return _template().render(title=title, sections=sections, **ours, **how)


def _style(sections: Sequence[Section]) -> str:
    """Return the style sheet, with that of intervals where there are any."""
    drawn = any(getattr(part, "kind", "") == "intervals" for section in sections for part in section.parts)
    return "\n".join(map(_file, ("page.css", "intervals.css") if drawn else ("page.css",)))


def _sortable(part: Any) -> bool:
    return bool(getattr(part, "sortable", False))


def _hash(script: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


@functools.cache
def _file(name: str) -> str:
    return resources.files("campaignkit").joinpath("data", "page", name).read_text(encoding="utf-8").rstrip("\n")


@functools.cache
def _markup() -> type[Markup]:
    try:
        from markupsafe import Markup  # noqa: PLC0415 - only HTML needs it
    except ImportError:
        raise MissingExtra("jinja2", "report", "HTML") from None
    return Markup


@functools.cache
def _template(name: str = "page.html.jinja") -> Template:
    try:
        import jinja2  # noqa: PLC0415 - only HTML needs it
    except ImportError:
        raise MissingExtra("jinja2", "report", "HTML") from None
    rules = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    rules.filters |= {"drawing": drawing, "intervals": _intervals, "placed": placed, "plain": _plain, "shown": _shown}
    return rules.from_string(_file(name))


def _intervals(part: Intervals) -> Markup:
    """Return intervals as HTML, by a template that is read only where there are any."""
    return _markup()(_template("intervals.html.jinja").render(part=part))


def _plain(text: str, most: int = _MOST_SHOWN) -> str:
    """Return text that shows what it holds, cut to a length; the template escapes it."""
    shown = visible(text[: most + 1])  # a text of a book's length is not looked through for what is cut anyway
    return shown if len(shown) <= most else f"{shown[:most]}…"


def _shown(text: str, most: int = _MOST_SHOWN) -> Markup:
    """Return text in an element of its own reading direction."""
    return _markup()("<bdi>{}</bdi>").format(_plain(text, most)) if text else _markup()()
