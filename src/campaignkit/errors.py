"""The tree of errors. Each is also the builtin a caller would expect.

CampaignKitError
├── InvalidValue (ValueError)      a value breaks a rule: says value, rule and remedy
│   ├── InvalidColumn              a whole column of a frame, a mapping or a file
│   ├── InvalidRow                 one row of a file: .row .column .value
│   ├── UnknownStatus              a status word in nobody's table
│   └── AmbiguousCode              one code, several meanings at this carrier
├── WebhookRejected (PermissionError)  a request is not what the carrier sends: .reason .status
├── UnsupportedFrame (NotImplementedError)  a dataframe engine cannot do what a count needs
├── StorageUnavailable (ConnectionError)  a database cannot do it now: .in_doubt
├── UnsupportedSchema (RuntimeError)  a database holds tables of another version than this library's
└── MissingExtra (ImportError)     an optional package is not installed

Only StorageUnavailable is worth trying again unchanged.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN = 80

RejectReason = Literal["signature", "timestamp", "method", "content_type", "size", "slow", "malformed", "unavailable"]
_STATUS_OF: Final[dict[RejectReason, int]] = {
    "signature": 403,
    "timestamp": 403,
    "method": 405,
    "content_type": 415,
    "size": 413,
    "slow": 408,
    "malformed": 400,
    "unavailable": 503,
}


class CampaignKitError(Exception):
    """Anything campaignkit raises on purpose."""


class InvalidValue(CampaignKitError, ValueError):
    """A value that breaks a rule; the sentence names value, rule and remedy."""


class InvalidColumn(InvalidValue):
    """A column that is missing, empty in places, or of the wrong kind."""


class InvalidRow(InvalidValue):
    """One row of a file that cannot be read."""

    def __init__(self, row: int, column: str, value: object, rule: str) -> None:
        """Keep where it was found, so that a caller can show or collect it."""
        super().__init__(f"row {row}, column {column!r}: {shown(value)} {rule}")
        self.row = row
        self.column = column
        self.value = value
        self.rule = rule

    def __reduce__(self) -> tuple[type[InvalidRow], tuple[int, str, object, str]]:
        """Survive pickling, for reports made in another process."""
        return type(self), (self.row, self.column, self.value, self.rule)


class UnknownStatus(InvalidValue):
    """A status word that is neither ours nor the carrier's."""


class AmbiguousCode(InvalidValue):
    """A code without its qualifier, where the carrier uses the number twice."""


class UnsupportedFrame(CampaignKitError, NotImplementedError):
    """A dataframe engine cannot do what a count needs; the sentence names engine, expression and the way out."""


class WebhookRejected(CampaignKitError, PermissionError):
    """A request is not one the carrier would send; nothing of it may be believed.

    The sentence names carrier and rule, and never what the request held: tell the log, and
    answer the sender with `status` and an empty body.

    Attributes:
        reason: ``signature``, ``timestamp``, ``method``, ``content_type``, ``size``, ``slow``, ``malformed``,
            or ``unavailable`` when what it is checked with cannot be had now: the carrier comes again.
        status: the HTTP status to answer with.
    """

    def __init__(self, carrier: str, reason: RejectReason, rule: str) -> None:
        """Keep why, so that a host can count it."""
        super().__init__(f"{carrier} webhook rejected ({reason}): {rule}")
        self.carrier = carrier
        self.reason: RejectReason = reason
        self.rule = rule

    @property
    def status(self) -> int:
        """The HTTP status to answer with."""
        return _STATUS_OF[self.reason]

    def __reduce__(self) -> tuple[type[WebhookRejected], tuple[str, RejectReason, str]]:
        """Survive pickling, like `InvalidRow`."""
        return type(self), (self.carrier, self.reason, self.rule)


class StorageUnavailable(CampaignKitError, ConnectionError):
    """A database cannot do it now: busy for too long, stopped, full, or chosen to give way to another transaction.

    Nothing was changed, and trying the whole transaction again may help.

    Attributes:
        in_doubt: True where it failed while it was being committed: the changes may stand or not.
            What the tracker does is safe to try again even so, because it asks what is new first.
    """

    def __init__(self, sentence: str, *, in_doubt: bool = False) -> None:
        """Keep whether it may have been kept."""
        super().__init__(sentence)
        self.in_doubt = in_doubt

    def __reduce__(self) -> tuple[type[StorageUnavailable], tuple[str], dict[str, bool]]:
        """Survive pickling, like `InvalidRow`."""
        return type(self), (str(self),), {"in_doubt": self.in_doubt}


class UnsupportedSchema(CampaignKitError, RuntimeError):
    """A database holds tables of another version than this library's; the sentence says which, and the way out."""


class MissingExtra(CampaignKitError, ImportError):
    """An optional package is missing; the sentence is the command to install it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        """Name the package, what needs it, and the exact command."""
        super().__init__(f'{purpose} needs {package}: pip install "campaignkit[{extra}]"')
        self.package = package
        self.extra = extra
        self.purpose = purpose

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str, str]]:
        """Survive pickling, like `InvalidRow`."""
        return type(self), (self.package, self.extra, self.purpose)


def shown(value: object) -> str:
    """Return ``repr(value)``, cut to a length that fits in a sentence."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - the sentence about a value must not fail on the value (an int of 5,000 digits)
        text = object.__repr__(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def nearest(word: object, known: Iterable[str]) -> str:
    """Return the known words closest to ``word``, or all of them when none is close."""
    words = list(known)
    by_lower = {each.lower(): each for each in words}
    close = difflib.get_close_matches(str(word).lower(), by_lower, n=3, cutoff=0.6)
    return ", ".join([by_lower[each] for each in close] or words)
