"""Send, track and measure SMS/MMS campaigns from any Python program.

    >>> import campaignkit as ck
    >>> s = ck.summarize([ck.Message(status="delivered"), ck.Message(status="failed")])
    >>> print(s.delivery_rate)
    50.0 % (1/2)

Names are loaded on first use, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from campaignkit.consent import match_keyword
    from campaignkit.delivery import DeliveryState, PartState, fold
    from campaignkit.errors import (
        AmbiguousCode,
        CampaignKitError,
        InvalidColumn,
        InvalidRow,
        InvalidValue,
        MissingExtra,
        UnknownStatus,
    )
    from campaignkit.live import Live
    from campaignkit.logs import Log, read_log
    from campaignkit.metrics import (
        Cell,
        Counts,
        Latency,
        People,
        PeopleCounts,
        Rate,
        Sums,
        Tally,
        TimeBucket,
        days,
        hours,
    )
    from campaignkit.models import (
        E164,
        Attempt,
        Bounce,
        Click,
        Keyword,
        Message,
        OptOut,
        Order,
        Outcome,
        Receipt,
        Reply,
        Status,
    )
    from campaignkit.phone import LineType, Phone, parse_phone, parse_phones
    from campaignkit.profiles import BOUNCE_POLICIES, PROFILES, Formula, Profile, get_profile
    from campaignkit.report import Report
    from campaignkit.review import Health, Progress, Ranking, accounts, health, progress, rank
    from campaignkit.summary import Failure, Figure, Summaries, Summary, read_tally, summarize, tally
    from campaignkit.verdicts import CARRIERS, TABLES_DATED, Verdict, classify

_HOME = {
    "consent": ("match_keyword",),
    "delivery": ("DeliveryState", "PartState", "fold"),
    "errors": (
        "AmbiguousCode",
        "CampaignKitError",
        "InvalidColumn",
        "InvalidRow",
        "InvalidValue",
        "MissingExtra",
        "UnknownStatus",
    ),
    "live": ("Live",),
    "logs": ("Log", "read_log"),
    "metrics": (
        "Cell",
        "Counts",
        "Latency",
        "People",
        "PeopleCounts",
        "Rate",
        "Sums",
        "Tally",
        "TimeBucket",
        "days",
        "hours",
    ),
    "models": (
        "E164",
        "Attempt",
        "Bounce",
        "Click",
        "Keyword",
        "Message",
        "OptOut",
        "Order",
        "Outcome",
        "Receipt",
        "Reply",
        "Status",
    ),
    "phone": ("LineType", "Phone", "parse_phone", "parse_phones"),
    "profiles": ("BOUNCE_POLICIES", "PROFILES", "Formula", "Profile", "get_profile"),
    "report": ("Report",),
    "review": ("Health", "Progress", "Ranking", "accounts", "health", "progress", "rank"),
    "summary": ("Failure", "Figure", "Summaries", "Summary", "read_tally", "summarize", "tally"),
    "verdicts": ("CARRIERS", "TABLES_DATED", "Verdict", "classify"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [  # noqa: PLE0604, RUF022 - written once, in _HOME; sorted here
    *sorted(_MODULE_OF),
]


def __getattr__(name: str) -> object:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'campaignkit' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"campaignkit.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__]
