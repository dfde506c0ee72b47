"""The tracker: keeps what carriers report, and says how campaigns and people stand.

    tracker      Tracker: what a host calls                 asynctracker  the same, awaited
    ──────────────────────────────────────────────────────────────────────────────────────────
    recording    messages that are new, many at once        history       the message log, clickers, contacts
    ingest       everything else that is told               details       one message, one conversation
    commits      callers that share a commit                explanations  why somebody did or did not get it
    people       opt-outs and suppression                   listing       campaigns and their timelines
    suspension   campaigns that stop                        extracts      the log as rows of a file
    channels     silence of carriers                        upkeep        erasing, and dropping in time
    ──────────────────────────────────────────────────────────────────────────────────────────
    counters     cells, kept by differences                 stored        nouns as rows, and back
    policies     what a host decides                        aliases       who is kept under a hash
    timeline     what was done, by whom

Names are loaded on first use, so that a host that only tracks pays for nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from campaignkit.lazy import loader

if TYPE_CHECKING:
    from campaignkit.tracker.asynctracker import AsyncTracker
    from campaignkit.tracker.channels import Silence
    from campaignkit.tracker.counters import Difference
    from campaignkit.tracker.details import AttemptDetails, MessageDetails, ReceiptDetails, Said
    from campaignkit.tracker.explanations import Explanation
    from campaignkit.tracker.history import Clicker, Contact, Logged, Page, Who
    from campaignkit.tracker.ingest import Event, Ingested
    from campaignkit.tracker.people import Standing
    from campaignkit.tracker.policies import Suppression, Suspension
    from campaignkit.tracker.suspension import Suspended
    from campaignkit.tracker.timeline import Action
    from campaignkit.tracker.tracker import Tracker
    from campaignkit.tracker.upkeep import Erased, Tidied

_MODULE_OF = {
    "Action": "timeline",
    "AsyncTracker": "asynctracker",
    "AttemptDetails": "details",
    "Clicker": "history",
    "Contact": "history",
    "Difference": "counters",
    "Erased": "upkeep",
    "Event": "ingest",
    "Explanation": "explanations",
    "Ingested": "ingest",
    "Logged": "history",
    "MessageDetails": "details",
    "Page": "history",
    "ReceiptDetails": "details",
    "Said": "details",
    "Silence": "channels",
    "Standing": "people",
    "Suppression": "policies",
    "Suspended": "suspension",
    "Suspension": "policies",
    "Tidied": "upkeep",
    "Tracker": "tracker",
    "Who": "history",
}

__all__ = [
    "Action",
    "AsyncTracker",
    "AttemptDetails",
    "Clicker",
    "Contact",
    "Difference",
    "Erased",
    "Event",
    "Explanation",
    "Ingested",
    "Logged",
    "MessageDetails",
    "Page",
    "ReceiptDetails",
    "Said",
    "Silence",
    "Standing",
    "Suppression",
    "Suspended",
    "Suspension",
    "Tidied",
    "Tracker",
    "Who",
]

__getattr__ = loader(__name__, _MODULE_OF)


def __dir__() -> list[str]:
    return [*__all__]
