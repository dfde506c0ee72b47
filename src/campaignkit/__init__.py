"""Send, track and measure SMS/MMS campaigns from any Python program.

    >>> import campaignkit as ck
    >>> s = ck.summarize([ck.Message(status="delivered"), ck.Message(status="failed")])
    >>> print(s.delivery_rate)
    50.0 % (1/2)

Names are loaded on first use, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from campaignkit.lazy import loader

if TYPE_CHECKING:
    from campaignkit import ab
    from campaignkit.cells import Cell, People, PeopleCounts, Sums, Tally
    from campaignkit.consent import match_keyword
    from campaignkit.delivery import DeliveryState, PartState, fold
    from campaignkit.display import Figure
    from campaignkit.errors import (
        AmbiguousCode,
        CampaignKitError,
        InvalidColumn,
        InvalidRow,
        InvalidValue,
        MissingExtra,
        StorageUnavailable,
        UnknownStatus,
        UnsupportedFrame,
        UnsupportedSchema,
        WebhookRejected,
    )
    from campaignkit.grouping import TimeBucket, days, hours
    from campaignkit.live import Live
    from campaignkit.logs import Log, read_log
    from campaignkit.metrics import Counts, Latency, Rate
    from campaignkit.models import (
        E164,
        Attempt,
        Bounce,
        Campaign,
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
    from campaignkit.overview import CampaignRow, Campaigns, campaigns
    from campaignkit.phone import LineType, Phone, parse_phone, parse_phones
    from campaignkit.profiles import BOUNCE_POLICIES, PROFILES, Code, Formula, Profile, get_profile
    from campaignkit.report import Report
    from campaignkit.review import Health, Progress, Ranking, accounts, health, progress, rank
    from campaignkit.summary import Failure, Summaries, Summary, read_tally, summarize, tally
    from campaignkit.verdicts import CARRIERS, TABLES_DATED, Column, Verdict, classify

_MODULE_OF = {
    "AmbiguousCode": "errors",
    "Attempt": "models",
    "BOUNCE_POLICIES": "profiles",
    "Bounce": "models",
    "CARRIERS": "verdicts",
    "Campaign": "models",
    "CampaignKitError": "errors",
    "CampaignRow": "overview",
    "Campaigns": "overview",
    "Cell": "cells",
    "Click": "models",
    "Code": "profiles",
    "Column": "verdicts",
    "Counts": "metrics",
    "DeliveryState": "delivery",
    "E164": "models",
    "Failure": "summary",
    "Figure": "display",
    "Formula": "profiles",
    "Health": "review",
    "InvalidColumn": "errors",
    "InvalidRow": "errors",
    "InvalidValue": "errors",
    "Keyword": "models",
    "Latency": "metrics",
    "LineType": "phone",
    "Live": "live",
    "Log": "logs",
    "Message": "models",
    "MissingExtra": "errors",
    "OptOut": "models",
    "Order": "models",
    "Outcome": "models",
    "PROFILES": "profiles",
    "PartState": "delivery",
    "People": "cells",
    "PeopleCounts": "cells",
    "Phone": "phone",
    "Profile": "profiles",
    "Progress": "review",
    "Ranking": "review",
    "Rate": "metrics",
    "Receipt": "models",
    "Reply": "models",
    "Report": "report",
    "Status": "models",
    "StorageUnavailable": "errors",
    "Summaries": "summary",
    "Summary": "summary",
    "Sums": "cells",
    "TABLES_DATED": "verdicts",
    "Tally": "cells",
    "TimeBucket": "grouping",
    "UnknownStatus": "errors",
    "UnsupportedFrame": "errors",
    "UnsupportedSchema": "errors",
    "Verdict": "verdicts",
    "WebhookRejected": "errors",
    "ab": "ab",
    "accounts": "review",
    "campaigns": "overview",
    "classify": "verdicts",
    "days": "grouping",
    "fold": "delivery",
    "get_profile": "profiles",
    "health": "review",
    "hours": "grouping",
    "match_keyword": "consent",
    "parse_phone": "phone",
    "parse_phones": "phone",
    "progress": "review",
    "rank": "review",
    "read_log": "logs",
    "read_tally": "summary",
    "summarize": "summary",
    "tally": "summary",
}

__all__ = [
    "BOUNCE_POLICIES",
    "CARRIERS",
    "E164",
    "PROFILES",
    "TABLES_DATED",
    "AmbiguousCode",
    "Attempt",
    "Bounce",
    "Campaign",
    "CampaignKitError",
    "CampaignRow",
    "Campaigns",
    "Cell",
    "Click",
    "Code",
    "Column",
    "Counts",
    "DeliveryState",
    "Failure",
    "Figure",
    "Formula",
    "Health",
    "InvalidColumn",
    "InvalidRow",
    "InvalidValue",
    "Keyword",
    "Latency",
    "LineType",
    "Live",
    "Log",
    "Message",
    "MissingExtra",
    "OptOut",
    "Order",
    "Outcome",
    "PartState",
    "People",
    "PeopleCounts",
    "Phone",
    "Profile",
    "Progress",
    "Ranking",
    "Rate",
    "Receipt",
    "Reply",
    "Report",
    "Status",
    "StorageUnavailable",
    "Summaries",
    "Summary",
    "Sums",
    "Tally",
    "TimeBucket",
    "UnknownStatus",
    "UnsupportedFrame",
    "UnsupportedSchema",
    "Verdict",
    "WebhookRejected",
    "ab",
    "accounts",
    "campaigns",
    "classify",
    "days",
    "fold",
    "get_profile",
    "health",
    "hours",
    "match_keyword",
    "parse_phone",
    "parse_phones",
    "progress",
    "rank",
    "read_log",
    "read_tally",
    "summarize",
    "tally",
]


__getattr__ = loader(__name__, _MODULE_OF)


def __dir__() -> list[str]:
    return [*__all__]
