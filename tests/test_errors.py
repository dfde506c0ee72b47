"""The errors: what they keep, what they say, and which builtin each of them is."""

from __future__ import annotations

import inspect
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaignkit import errors
from campaignkit.errors import (
    AmbiguousCode,
    CampaignKitError,
    InvalidColumn,
    InvalidRow,
    InvalidValue,
    MissingExtra,
    UnknownStatus,
    WebhookRejected,
    nearest,
    shown,
)


class Unprintable:
    """A value whose repr fails."""

    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "builtin", "parent"),
    [
        (CampaignKitError, Exception, Exception),
        (InvalidValue, ValueError, CampaignKitError),
        (InvalidColumn, ValueError, InvalidValue),
        (InvalidRow, ValueError, InvalidValue),
        (UnknownStatus, ValueError, InvalidValue),
        (AmbiguousCode, ValueError, InvalidValue),
        (WebhookRejected, PermissionError, CampaignKitError),
        (MissingExtra, ImportError, CampaignKitError),
    ],
)
def test_every_error_is_the_builtin_a_caller_expects(error, builtin, parent):
    """A caller who knows nothing of us catches the builtin; one who does catches the parent."""
    assert issubclass(error, builtin)
    assert issubclass(error, parent)


def test_the_tree_is_drawn_whole():
    """Every error of the module stands in the tree at its head."""
    classes = [name for name, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, Exception)]

    assert [name for name in classes if name not in errors.__doc__] == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("sent", "'sent'"),
        (None, "None"),
        ("x" * 78, f"'{'x' * 78}'"),
        ("x" * 79, f"'{'x' * 78}…"),
        (list(range(1000)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, …"),
    ],
)
def test_shown(value, text):
    """A value is shown as its repr, and cut where it would fill the sentence."""
    assert text == shown(value)


@pytest.mark.parametrize(
    ("value", "kind"), [pytest.param(10**5000, "int", id="5,000 digits"), (Unprintable(), "Unprintable")]
)
def test_shown_never_fails(value, kind):
    """A value that cannot print itself is named by its class: the sentence about it must not fail."""
    assert f"{kind} object at 0x" in shown(value)


@given(st.text() | st.binary() | st.integers() | st.lists(st.text()))
def test_shown_is_short(value):
    """Whatever the value, what is shown of it has at most 80 characters."""
    assert len(shown(value)) <= 80


@pytest.mark.parametrize(
    ("word", "close"),
    [
        ("deliverd", "Delivered, undelivered"),
        ("SENT", "sent"),
        (5, "sent, Delivered, undelivered"),
        ("zzzz", "sent, Delivered, undelivered"),
        ("", "sent, Delivered, undelivered"),
    ],
)
def test_nearest(word, close):
    """The closest words come first, in their own spelling; when none is close, all of them."""
    assert close == nearest(word, iter(["sent", "Delivered", "undelivered"]))


def test_nearest_gives_three():
    """No more than three words are close."""
    assert nearest("word", ["word1", "word2", "word3", "word4"]).count(", ") == 2


def test_a_row_keeps_where_it_was_found():
    """The error of a file's row says and keeps row, column, value and rule, also in another process."""
    error = InvalidRow(7, "price", "free", "is no amount; write 0")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

    for each in (error, again):
        assert str(each) == "row 7, column 'price': 'free' is no amount; write 0"
        assert (each.row, each.column, each.value, each.rule) == (7, "price", "free", "is no amount; write 0")
        assert type(each) is InvalidRow


def test_a_missing_extra_is_the_command_to_install_it():
    """The sentence says what needs which package, and the exact command; also in another process."""
    error = MissingExtra("typer", "cli", "the command line")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

    for each in (error, again):
        assert str(each) == 'the command line needs typer: pip install "campaignkit[cli]"'
        assert (each.package, each.extra, each.purpose) == ("typer", "cli", "the command line")
        assert type(each) is MissingExtra


@pytest.mark.parametrize("error", [InvalidValue, InvalidColumn, UnknownStatus, AmbiguousCode, CampaignKitError])
def test_plain_errors_survive_pickling(error):
    """An error raised in another process arrives with its sentence."""
    again = pickle.loads(pickle.dumps(error("what, why, how")))  # noqa: S301 - our own

    assert (type(again), str(again)) == (error, "what, why, how")


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("signature", 403),
        ("timestamp", 403),
        ("method", 405),
        ("content_type", 415),
        ("size", 413),
        ("slow", 408),
        ("malformed", 400),
        ("unavailable", 503),
    ],
)
def test_a_rejected_webhook_says_what_to_answer(reason, status):
    """Each reason has its HTTP status, and both survive pickling."""
    error = pickle.loads(pickle.dumps(WebhookRejected("twilio", reason, "it is not so")))  # noqa: S301 - our own bytes

    assert (error.carrier, error.reason, error.status) == ("twilio", reason, status)
    assert str(error) == f"twilio webhook rejected ({reason}): it is not so"
