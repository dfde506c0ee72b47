"""How tests read a page: its elements, its text, and what is wrong with it."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import campaignkit as ck

SPRING: Final = Path(__file__).parent.parent / "examples" / "spring"

HOSTILE: Final = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<svg onload=alert(1)>",
    "</style></title><h1>x</h1>",
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "\u202eexe.gpj",
    "abc\u2066",
    "ok\n2026-01-01 INFO admin logged in",
    "\x1b[2J\0\ud800",
    "&lt;b&gt; &amp;",
    "javascript:alert(1)",
)
"""What a name or a text may try on a page."""

HIDDEN: Final = re.compile("[\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What nobody sees and no page may hold; the ends of its own lines are allowed."""

_VOID: Final = frozenset({"meta", "link", "img", "br", "hr", "input"})
_URL: Final = re.compile(r"(https?:)?//|url\s*\(|@import", re.IGNORECASE)


class Reader(HTMLParser):
    """Reads a page or a piece of one."""

    def __init__(self, page: str) -> None:
        """Read it to the end."""
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.loose: list[str] = []  # text that has no reading direction of its own
        self.styles: list[str] = []
        self.wrong: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        self.wrong += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count an element and keep its attributes."""
        self.elements[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count an element that ends where it begins."""
        self.elements[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        """Close the element that is open; another one is wrong."""
        if not self._open or self._open.pop() != tag:
            self.wrong.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        """Keep text, by where it stands."""
        if self._open and self._open[-1] in {"style", "script"}:
            self.styles.append(data)
        elif data.strip():
            self.text.append(data)
            self.loose += [] if "bdi" in self._open or "title" in self._open else [data]

    @property
    def references(self) -> list[str]:
        """What would be fetched from somewhere."""
        fetched = {"src", "srcset", "data", "action", "background", "poster", "xlink:href"}
        found = [value for _, name, value in self.attributes if name in fetched]
        found += [value for _, name, value in self.attributes if name == "href" and not value.startswith("#")]
        found += [value for _, name, value in self.attributes if name in {"style", "d", "fill"} and _URL.search(value)]
        return [*found, *(style for style in self.styles if _URL.search(style))]

    @property
    def handlers(self) -> list[str]:
        """Attributes that run something."""
        return [name for _, name, _ in self.attributes if name.startswith("on")]


def spring() -> ck.Report:
    """Return the report of the example."""
    log = ck.read_log(SPRING / "messages.csv", carrier="twilio")
    return ck.Report.of(log.attach(audience=SPRING / "audience.csv", clicks=SPRING / "clicks.csv"))
