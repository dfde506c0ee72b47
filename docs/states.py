# ruff: noqa: INP001 - a script beside the pages that show its picture
"""Draw the states of a message from the tables that decide them: ``python docs/states.py``.

Writes ``docs/states.svg``. A test compares that file with what this script draws now, so the
picture cannot say anything that `campaignkit.delivery` does not do. All text stands on light
fills and only lines are in ``currentColor``, so it reads on light and on dark pages.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from campaignkit.delivery import NEGATIVE_WORDS, POSITIVE, PROGRESS, Severity, severity_of
from campaignkit.models import Status
from campaignkit.profiles import get_profile
from campaignkit.verdicts import reasons, verdict_of

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET = Path(__file__).with_suffix(".svg")

Pair = tuple[float, float]

_WIDTH = 700
_MARGIN = 15
_BOX = (124, 46)  # width and height of a status on the chains
_STEP = 182  # from the left edge of one box to that of the next
_PANEL_TOP = 180
_ROW = 34
_COLUMN = 112
_BLUE, _GREEN, _GREY, _INK = "#dbeafe", "#d1fae5", "#eceef1", "#111827"
_BY_SEVERITY = ("#e5e7eb", "#e5e7eb", "#fef9c3", "#fef3c7", "#fed7aa", "#fecaca", "#fca5a5")
_WORDS = tuple(status for status in Status if status in NEGATIVE_WORDS)


def shown_statuses(severity: Severity) -> list[Status]:
    """Return the statuses that a verdict of this severity can show, over every reason there is."""
    profile = get_profile("campaignkit")
    return [
        word
        for word in _WORDS
        if any(severity_of(word, verdict_of(None, reason, word, profile)) is severity for reason in reasons())
    ]


def _rect(at: Pair, size: Pair, fill: str, more: str = "") -> str:
    return f'<rect x="{at[0]:g}" y="{at[1]:g}" width="{size[0]:g}" height="{size[1]:g}" rx="6" fill="{fill}"{more}/>'


def _text(at: Pair, text: str, *, bold: bool = False, size: int = 14) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{at[0]:g}" y="{at[1]:g}" font-size="{size}"{weight}>{text}</text>'


def _box(at: Pair, size: Pair, fill: str, text: str, *, bold: bool = False) -> str:
    middle = (at[0] + size[0] / 2, at[1] + size[1] / 2 + 5)
    return _rect(at, size, fill) + _text(middle, text, bold=bold)


def _arrow(start: Pair, end: Pair, color: str = "currentColor", more: str = "") -> str:
    path = f"M{start[0]:g} {start[1]:g} L{end[0]:g} {end[1]:g}"
    tip = "ink" if color == _INK else "tip"
    return f'<path d="{path}" stroke="{color}" stroke-width="1.8"{more} marker-end="url(#{tip})"/>'


def _chains() -> Iterator[str]:
    """Draw progress and positive evidence, left to right."""
    for place, status in enumerate([*PROGRESS, *POSITIVE]):
        x, middle = _MARGIN + place * _STEP, _MARGIN + _BOX[1] / 2
        yield _box((x, _MARGIN), _BOX, _BLUE if status in PROGRESS else _GREEN, status, bold=True)
        if place:
            yield _arrow((x - _STEP + _BOX[0] + 4, middle), (x - 5, middle))


def _between() -> Iterator[str]:
    """Draw what leads from the chains to the verdicts, and what outweighs them."""
    bottom, middle = _MARGIN + _BOX[1], _MARGIN + _BOX[0] / 2
    for place in range(len(PROGRESS)):
        yield _arrow((middle + place * _STEP, bottom + 4), (middle + place * _STEP, _PANEL_TOP - 5))
    yield _box((_MARGIN + 32, 100), (242, 36), _GREY, "the carrier reports a failure")
    arrived = middle + len(PROGRESS) * _STEP
    yield _arrow((arrived, _PANEL_TOP - 3), (arrived, bottom + 6), more=' stroke-dasharray="5 4"')
    yield _rect((355, 89), (330, 58), _GREY)
    yield _text((520, 113), "positive wins", bold=True)
    yield _text((520, 134), "it arrived after all; the conflict is flagged", size=13)


def _negatives() -> Iterator[str]:
    """Draw the negative verdicts, the worst at the bottom, each with the statuses it shows."""
    height = _ROW * (len(Severity) + 1) + 10
    first = _PANEL_TOP + _ROW
    yield _rect((_MARGIN, _PANEL_TOP), (_WIDTH - 2 * _MARGIN, height), "#ffffff", ' stroke="#c4c8ce"')
    yield _text((_MARGIN + 126, first - 9), "severity", size=13)
    yield _text((_MARGIN + 210 + 2 * _COLUMN, first - 9), "shown as", size=13)
    yield _arrow((_MARGIN + 30, first + 6), (_MARGIN + 30, _PANEL_TOP + height - 42), _INK)
    yield _text((_MARGIN + 30, _PANEL_TOP + height - 18), "worst", size=13)
    for row, severity in enumerate(Severity):
        y = first + row * _ROW
        name = severity.name.lower().replace("_", " ")
        yield _box((_MARGIN + 60, y), (132, _ROW - 7), _BY_SEVERITY[severity], name, bold=True)
        for status in shown_statuses(severity):
            x = _MARGIN + 212 + _WORDS.index(status) * _COLUMN
            yield _box((x, y), (_COLUMN - 8, _ROW - 7), _GREY, status)


def draw() -> str:
    """Return the diagram as a self-contained SVG."""
    height = _PANEL_TOP + _ROW * (len(Severity) + 1) + 10 + _MARGIN
    box = 'viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto"'
    tips = (("tip", "currentColor"), ("ink", _INK))
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="states-title" color="#808080">',
        '<title id="states-title">States of a message: progress, arrival, and failures by severity</title>',
        "<defs>",
        *(f'<marker id="{name}" {box}><path d="M0 0 L10 5 L0 10 z" fill="{color}"/></marker>' for name, color in tips),
        "</defs>",
        f'<g font-family="system-ui, sans-serif" text-anchor="middle" fill="{_INK}">',
        *_chains(),
        *_between(),
        *_negatives(),
        "</g>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(draw(), encoding="utf-8")
