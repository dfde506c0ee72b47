"""Opt-out, opt-in and help: what a reply asks for when it is nothing but a keyword.

Only a whole reply counts. A keyword inside a sentence ("we must stop this bill") is no
wish, and a rule that guesses would have to be tried on a host's own history first.
"""

from __future__ import annotations

import csv
import functools
import re
import unicodedata
from importlib import resources
from typing import TYPE_CHECKING, Final

from campaignkit.errors import InvalidValue, nearest, shown
from campaignkit.models import Keyword

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KEYWORDS_DATED: Final = "2026-11-21"
"""The day ``data/keywords.csv`` was last checked against its sources."""

_MOST: Final = 160  # one segment: nobody writes a keyword longer, and a huge text costs nothing
_NOISE: Final = re.compile(r"[^\w\s]+|_+")  # marks, controls, formats, punctuation and symbols are no word characters


@functools.cache
def keyword_tables() -> Mapping[str, Mapping[str, Keyword]]:
    """Return the keywords of each language, normalised, with what they ask for.

    In ``data/keywords.csv``, ``since`` is a day from which ``source`` is known to say so.
    """
    tables: dict[str, dict[str, Keyword]] = {}
    text = resources.files("campaignkit").joinpath("data", "keywords.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        tables.setdefault(row["language"], {})[_normalised(row["keyword"])] = Keyword(row["meaning"])
    return tables


def match_keyword(text: str, *, languages: Iterable[str] = ("en", "fr")) -> Keyword | None:
    """Return what a reply asks for, None when it is not one keyword and nothing else.

    Case, accents, width, spaces around, punctuation, emoji and invisible characters do not
    matter. A text of more than 160 characters is no keyword.

    Args:
        text: the whole reply; any text, however broken.
        languages: whose keywords to look for.

    Raises:
        InvalidValue: not a text, or a language without keywords.

    >>> match_keyword(" Stop. "), match_keyword("ARRÊT"), match_keyword("STOP 12345")
    (<Keyword.OPT_OUT: 'opt_out'>, <Keyword.OPT_OUT: 'opt_out'>, None)
    """
    if not isinstance(text, str):
        raise InvalidValue(f'text is {shown(text)}: must be text; give "" for a reply without any')
    keywords = _keywords(tuple(languages))
    stripped = text.strip()
    return keywords.get(_normalised(stripped)) if len(stripped) <= _MOST else None


@functools.lru_cache(maxsize=64)
def _keywords(languages: tuple[str, ...]) -> Mapping[str, Keyword]:
    tables = keyword_tables()
    for each in languages:
        if each not in tables:
            raise InvalidValue(f"language is {shown(each)}: no keywords for it; nearest: {nearest(each, tables)}")
    return {word: meaning for each in languages for word, meaning in tables[each].items()}


@functools.lru_cache(maxsize=4096)
def _normalised(text: str) -> str:
    """Return the bare words of a text, the same for every way of writing them."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    return " ".join(_NOISE.sub("", folded).split())
