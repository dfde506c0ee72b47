"""Opt-out, opt-in and help: what a whole reply asks for."""

import csv
from datetime import date
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaignkit.consent import KEYWORDS_DATED, match_keyword
from campaignkit.errors import InvalidValue
from campaignkit.models import Keyword

UNHURRIED = settings(deadline=None)  # the first text reads the table
TABLE = list(
    csv.DictReader(
        resources.files("campaignkit").joinpath("data", "keywords.csv").read_text(encoding="utf-8").splitlines()
    )
)

OPT_OUT = [
    *("STOP", "stop", " Stop. ", "STOP.", '"STOP"', "stop!", "¡stop!", "stop\r\n", "\tSTOP", "(stop)", "S.T.O.P"),
    *("\u200bSTOP", "S\u200bTOP", "STOP\u00a0", "\ufeffSTOP", "STOP\ufe0f", "STOP\u202c", "\u2066STOP\u2069"),
    *("ＳＴＯＰ", "ﬆop", "𝐒𝐓𝐎𝐏", "STOP\x00", "\x1bSTOP", "STOP\udc80", "S\u0336T\u0336O\u0336P\u0336", "🛑 STOP 🛑"),
    *("STOPALL", "STOP ALL", "stop   all", "stop\nall", "Stop-All", "OPT OUT", "OPT-OUT", "opt\u2011out", "optout"),
    *("UNSUBSCRIBE", "Cancel", "END", "quit", "Revoke", "REMOVE", "td"),
    *("ARRET", "ARRÊT", "ARRE\u0302T", "arrêt."),
]
OTHERS = {
    "START": Keyword.OPT_IN,
    "unstop": Keyword.OPT_IN,
    "Yes!": Keyword.OPT_IN,
    "HELP": Keyword.HELP,
    "help?": Keyword.HELP,
    "Info": Keyword.HELP,
}
NO_KEYWORD = [
    *("We have got to STOP this terrible bill from passing!!", "STOP 12345", "end of day works", "STOP2", "STOP²"),
    *("please stop texting me", "stop messages now", "STOP IT", "don't stop", "unstoppable", "stopp", "S T O P"),
    *("NO", "no", "yes please", "helpful", "", " ", "?", "👍", "\u200b", "1", "ok", "СТОП"),
]
BROKEN = ["\ud800", "STO\ud800P\udfff!", "\x00" * 1000, "a" * 1_000_000, "\ufdfa" * 160, "\u0301" * 5000, "STOP" * 5000]


@pytest.mark.parametrize("text", OPT_OUT)
def test_opt_out(text):
    """An opt-out word alone is one, however it is written."""
    assert match_keyword(text) is Keyword.OPT_OUT


@pytest.mark.parametrize(("text", "expected"), OTHERS.items())
def test_opt_in_and_help(text, expected):
    """Opt-in and help words are told apart from opt-outs."""
    assert match_keyword(text) is expected


@pytest.mark.parametrize("text", NO_KEYWORD)
def test_no_keyword(text):
    """A keyword inside more text is no keyword, and neither is NO."""
    assert match_keyword(text) is None


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_broken_text(text):
    """Huge and broken texts have an answer, never an exception."""
    assert match_keyword(text) in {None, Keyword.OPT_OUT}


def test_longest():
    """Spaces around do not count, and more than 160 characters between them are no keyword."""
    assert match_keyword(" " * 1000 + "STOP" + "\n" * 1000) is Keyword.OPT_OUT
    assert match_keyword("STOP" + "!" * 156) is Keyword.OPT_OUT
    assert match_keyword("STOP" + "!" * 157) is None


def test_languages():
    """Only keywords of the languages asked for match; STOP is one in each."""
    assert match_keyword("ARRET", languages=["en"]) is None
    assert match_keyword("ARRET", languages=["fr"]) is Keyword.OPT_OUT
    assert match_keyword("STOP", languages=["fr"]) is Keyword.OPT_OUT
    assert match_keyword("START", languages=["fr"]) is None
    assert match_keyword("STOP", languages=[]) is None


def test_unknown_language():
    """A language without keywords is refused with those that have some."""
    with pytest.raises(InvalidValue, match=r"^language is 'de': no keywords for it; nearest: en, fr$"):
        match_keyword("STOP", languages=["de"])


def test_no_text():
    """What is not text is refused with the remedy."""
    with pytest.raises(InvalidValue, match=r'^text is None: must be text; give "" for a reply without any$'):
        match_keyword(None)


@UNHURRIED
@given(st.text())
def test_any_text(text):
    """Any text has an answer."""
    assert match_keyword(text) in {None, *Keyword}


@UNHURRIED
@given(
    st.sampled_from([row["keyword"] for row in TABLE]),
    st.lists(st.text("\u200b\ufe0f\u202e\u0301.,!?*_-\"'\x00\ud800", max_size=3), min_size=13, max_size=13),
    st.booleans(),
)
def test_noise(keyword, noise, lower):
    """Marks and invisible characters anywhere in a keyword, and its case, change nothing."""
    written = "".join(map("".join, zip(noise, keyword.lower() if lower else keyword, strict=False)))

    assert match_keyword(written) is match_keyword(keyword)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row['keyword']}-{row['language']}")
def test_table(row):
    """Each keyword of the table has a meaning, a language, a source, and a day by which it was read."""
    assert match_keyword(row["keyword"], languages=[row["language"]]) is Keyword(row["meaning"])
    assert date.fromisoformat(row["since"]) <= date.fromisoformat(KEYWORDS_DATED)
    assert row["source"]
