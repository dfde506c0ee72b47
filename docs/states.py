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

_WIDTH = 700
_MARGIN = 15
_BOX = (124, 46)  # width and height of a status on the chains
_STEP = 182  # from the left edge of one box to that of the next
_PANEL_TOP = 186
_ROW = 36
_BLUE, _GREEN, _GREY, _INK, _PANEL = "#dbeafe", "#d1fae5", "#f3f4f6", "#111827", "#fafafa"
_REDS = ("#e5e7eb", "#e5e7eb", "#fef9c3", "#fef3c7", "#fed7aa", "#fecaca", "#fca5a5")


def shown_statuses(severity: Severity) -> list[Status]:
    """Return the statuses that a verdict of this severity can show, over every reason there is."""
    profile = get_profile("campaignkit")
    words = [status for status in Status if status in NEGATIVE_WORDS]
    return [
        word
        for word in words
        if any(severity_of(word, verdict_of(None, reason, word, profile)) is severity for reason in reasons())
    ]


def _box(x: float, y: float, size: tuple[float, float], fill: str, text: str, *, bold: bool = False) -> str:
    width, height = size
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" fill="{fill}"/>'
        f'<text x="{x + width / 2:g}" y="{y + height / 2 + 5:g}"{weight}>{text}</text>'
    )


def _arrow(*points: tuple[float, float], dashed: bool = False) -> str:
    path = "M" + " L".join(f"{x:g} {y:g}" for x, y in points)
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<path d="{path}"{dashes} marker-end="url(#tip)"/>'


def _chains() -> Iterator[str]:
    """Draw progress and positive evidence, left to right."""
    for place, status in enumerate([*PROGRESS, *POSITIVE]):
        x = _MARGIN + place * _STEP
        yield _box(x, _MARGIN, _BOX, _BLUE if status in PROGRESS else _GREEN, status, bold=True)
        if place:
            yield _arrow((x - _STEP + _BOX[0] + 4, _MARGIN + _BOX[1] / 2), (x - 5, _MARGIN + _BOX[1] / 2))


def _negatives() -> Iterator[str]:
    """Draw the negative verdicts, the worst at the bottom, each with the statuses it shows."""
    height = _ROW * len(Severity) + 14
    yield (
        f'<rect x="{_MARGIN}" y="{_PANEL_TOP}" width="{_WIDTH - 2 * _MARGIN}" height="{height}" rx="8" fill="{_PANEL}"/>'
    )
    for row, severity in enumerate(Severity):
        y = _PANEL_TOP + 11 + row * _ROW
        name = severity.name.lower().replace("_", " ")
        yield _box(_MARGIN + 60, y, (136, _ROW - 8), _REDS[severity], name, bold=True)
        for place, status in enumerate(shown_statuses(severity)):
            yield _box(_MARGIN + 226 + place * 128, y, (116, _ROW - 8), _GREY, status)
    x = _MARGIN + 34
    yield f'<path d="M{x} {_PANEL_TOP + 14} L{x} {_PANEL_TOP + height - 44}" stroke="{_INK}" marker-end="url(#ink)"/>'
    yield f'<text x="{x}" y="{_PANEL_TOP + height - 18}" font-size="13">worst</text>'


def _between() -> Iterator[str]:
    """Draw what leads from the chains to the verdicts, and what outweighs them."""
    bottom, middle = _MARGIN + _BOX[1], _BOX[0] / 2
    for place in range(len(PROGRESS)):
        x = _MARGIN + place * _STEP + middle
        yield _arrow((x, bottom + 4), (x, _PANEL_TOP - 5))
    yield _box(_MARGIN + 32, 104, (242, 36), _GREY, "the carrier reports a failure")
    x = _MARGIN + len(PROGRESS) * _STEP + middle
    yield _arrow((x, _PANEL_TOP - 3), (x, bottom + 6), dashed=True)
    yield (
        f'<rect x="{_MARGIN + 340}" y="92" width="330" height="60" rx="6" fill="{_GREY}"/>'
        f'<text x="{_MARGIN + 505}" y="117" font-weight="600">positive wins</text>'
        f'<text x="{_MARGIN + 505}" y="138" font-size="13">it arrived after all; the conflict is flagged</text>'
    )


def draw() -> str:
    """Return the diagram as a self-contained SVG."""
    height = _PANEL_TOP + _ROW * len(Severity) + 14 + _MARGIN
    tip = '<path d="M0 0 L10 5 L0 10 z"'
    place = 'viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto-start-reverse"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
            ' role="img" aria-labelledby="states-title" color="#808080">',
            '<title id="states-title">States of a message: progress, arrival, and failures by severity</title>',
            f'<defs><marker id="tip" {place}>{tip} fill="currentColor"/></marker>'
            f'<marker id="ink" {place}>{tip} fill="{_INK}"/></marker></defs>',
            '<g fill="none" stroke="currentColor" stroke-width="1.8">',
            *(line for line in (*_chains(), *_between()) if line.startswith("<path")),
            "</g>",
            f'<g font-family="system-ui, sans-serif" font-size="14" text-anchor="middle" fill="{_INK}">',
            *(line for line in (*_chains(), *_between(), *_negatives()) if not line.startswith('<path d="M') or _INK in line),
            "</g>",
            "</svg>",
            "",
        ]
    )


if __name__ == "__main__":
    TARGET.write_text(draw(), encoding="utf-8")
