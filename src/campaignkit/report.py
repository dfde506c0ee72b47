"""A campaign's report: text to read, JSON to process, CSV of every message.

The report adds nothing to the numbers: it puts a `Summary`, its groups, progress and health
side by side, and says under which definitions they were made.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.metadata
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TextIO

import attrs

from campaignkit.display import text_table, visible
from campaignkit.metrics import COUNT_PROPERTIES, Counts
from campaignkit.models import Keyword, Message, OptOut, Reply, Status
from campaignkit.profiles import Profile, get_profile
from campaignkit.review import Health, Progress, health, progress
from campaignkit.summary import Summaries, Summary, rate_dict, summarize
from campaignkit.verdicts import FAILURES, TABLES_DATED, verdict_of

_REPLIES_SHOWN: Final = 5
_RULE: Final = 78

LOG_COLUMNS: Final = (
    "message_id",
    "campaign_id",
    "variant",
    "list_id",
    "contact_id",
    "contact_name",
    "to",
    "account_id",
    "sender",
    "step",
    "status",
    "created_at",
    "sent_at",
    "delivered_at",
    "last_event_at",
    "carrier",
    "carrier_id",
    "error_code",
    "reason",
    "bounce",
    "retryable",
    "error_description",
    "advice",
    "skip_reason",
    "segments",
    "price",
    "currency",
    "replies",
    "stop_replies",
    "clicks",
    "opted_out",
    "orders",
    "revenue",
    "assisted_orders",
    "assisted_revenue",
)
"""The columns of the message log, one row a message."""


@attrs.frozen(kw_only=True)
class Report:
    """Everything there is to say about a set of messages. Make it with `Report.of`.

    Attributes:
        title: the campaign, or what was read.
        summary: the whole.
        groups: column to the summary of each of its values.
        messages: what the message log lists.
        errors: sentences about rows that could not be read.
        notes: what a Log could not join, or joined into one.
    """

    title: str
    summary: Summary
    groups: Mapping[str, Summaries]
    progress: Progress
    health: Health
    messages: Sequence[Message]
    replies: Sequence[Reply] = ()
    opt_outs: Sequence[OptOut] = ()
    errors: Sequence[str] = ()
    notes: Sequence[str] = ()

    @classmethod
    def of(
        cls,
        rows: Iterable[Message],
        *,
        by: str | Iterable[str] | None = None,
        profile: str | Profile = "campaignkit",
        title: str | None = None,
        as_of: datetime | None = None,
    ) -> Report:
        """Return the report of a `Log`, or of any iterable of `Message`.

        Args:
            rows: the messages; a Log brings replies, opt-outs and errors along.
            by: the columns to break down by, each for itself; by default variant and list,
                where there are several.
            profile: whose definitions to use.
            title: what to call it; by default the campaign ids.
            as_of: when this is true; by default the latest moment in the data, events of a Log included.

        >>> report = Report.of([Message(status="delivered", variant=v) for v in "aab"])
        >>> list(report.groups), report.summary.counts.delivered
        (['variant'], 3)
        """
        messages = tuple(rows)
        chosen = get_profile(profile)
        when = getattr(rows, "as_of", None) if as_of is None else as_of
        summary = summarize(messages, profile=chosen, as_of=when)
        asked = _several(messages, ("variant", "list_id")) if by is None else by
        columns = (asked,) if isinstance(asked, str) else tuple(asked)
        return cls(
            title=title or ", ".join(sorted({each.campaign_id or "" for each in messages} - {""})) or "messages",
            summary=summary,
            groups={column: summarize(messages, by=column, profile=chosen, as_of=when) for column in columns},
            progress=progress(summary),
            health=health(summary),
            messages=messages,
            replies=tuple(getattr(rows, "replies", ())),
            opt_outs=tuple(getattr(rows, "opt_outs", ())),
            errors=tuple(str(error) for error in getattr(rows, "errors", ())),
            notes=tuple(f"{n:,} {text}" for name, text in _JOINED.items() if (n := getattr(rows, name, 0))),
        )

    # --- text ------------------------------------------------------------------------------

    def to_text(self) -> str:
        """Return the report as plain text, 80 columns where the data allows."""
        return "\n".join(self._sections()) + "\n"

    def _sections(self) -> Iterator[str]:
        yield from _headed(self.title, self._header(), mark="=")
        yield from _headed("Numbers", str(self.summary))
        if self.summary.failures:
            yield from _headed("What failed, and what to do", self._failures())
        if self.summary.skips:
            yield from _headed("Skipped", text_table((reason, f"{n:,}") for reason, n in self.summary.skips.items()))
        for column, groups in self.groups.items():
            yield from _headed(f"By {column.removesuffix('_id')}", str(groups))
        if self.replies or self.opt_outs:
            yield from _headed("Replies and opt-outs", self._answers())
        yield from _headed("Progress", str(self.progress))
        yield from _headed("Health", str(self.health))
        if self.errors:
            yield from _headed("Rows that could not be read", "\n".join(map(visible, self.errors)))

    def _header(self) -> str:
        summary = self.summary
        campaigns = sorted({each.campaign_id for each in self.messages if each.campaign_id})
        senders = sorted({each.sender for each in self.messages if each.sender})
        rows = [
            ("campaign", ", ".join(campaigns) or "not recorded"),
            ("senders", ", ".join(senders) or "not recorded"),
            ("sent at", _span_of(self.messages, "sent_at")),
            ("delivered at", _span_of(self.messages, "delivered_at")),
            ("as of", f"{summary.as_of:%Y-%m-%d %H:%M %Z}" if summary.as_of else "not recorded"),
            ("settled", f"{summary.settled_share} have a final status"),
            ("definitions", f"{summary.profile.name}; code tables of {TABLES_DATED}"),
        ]
        rows += [("note", note) for note in (summary.profile.notes, *self.notes) if note]
        return text_table(rows)

    def _failures(self) -> str:
        head = ("messages", "code", "bounce", "reason", "what to do")
        rows = [
            (
                f"{failure.n:,}",
                (failure.verdict.code or "none").removeprefix("@") + (" (refused)" if failure.refused else ""),
                failure.verdict.bounce.value,
                failure.verdict.description,
                failure.verdict.advice,
            )
            for failure in self.summary.failures
        ]
        return text_table([head, *rows], right=(0,))

    def _answers(self) -> str:
        answers = self._replies()
        latest = sorted(answers, key=lambda reply: reply.received_at)[-_REPLIES_SHOWN:]
        head = f"{len(answers):,} replies, {len(self.opt_outs):,} opt-outs."
        if not latest:
            return head
        shown = (
            (f"{each.received_at:%m-%d %H:%M}", each.contact_name or each.to or "", " ".join(each.text.split()))
            for each in latest
        )
        return f"{head} The latest replies:\n{text_table(shown)}"

    def _replies(self) -> list[Reply]:
        """Return what people answered; an opt-out is not an answer."""
        return [each for each in self.replies if each.keyword is not Keyword.OPT_OUT]

    # --- data ------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return every number as JSON-ready values."""
        return {
            "title": self.title,
            **self.definitions(),
            "summary": self.summary.to_dict(),
            "groups": {
                column: [{"group": _plain(key), **summary.to_dict()} for key, summary in groups.items()]
                for column, groups in self.groups.items()
            },
            "progress": {name: rate_dict(rate) for name, rate in self.progress.rates().items()},
            "health": {
                "band": self.health.band and self.health.band.value,
                "success": self.health.success.value,
                "causes": [{**attrs.asdict(cause), "remedies": list(cause.remedies)} for cause in self.health.causes],
            },
            "replies": len(self._replies()),
            "opt_outs": len(self.opt_outs),
            "errors": list(self.errors),
            "notes": list(self.notes),
        }

    def to_json(self) -> str:
        """Return `to_dict` as JSON text."""
        return _json(self.to_dict())

    def definitions(self) -> dict[str, Any]:
        """Return what the numbers mean: the profile, its formulas, what counts add up, and when they were true."""
        summary = self.summary
        return {
            "campaignkit": importlib.metadata.version("campaignkit"),
            "profile": summary.profile.name,
            "bounce_policy": summary.profile.bounce_policy,
            "attribution": summary.profile.attribution,
            "formulas": {name: str(formula) for name, formula in summary.profile.rates.items()},
            "regrouped": {name: " + ".join(parts) for name, parts in summary.profile.regroup.items()},
            "counts": {name: getattr(Counts, name).__doc__ for name in COUNT_PROPERTIES},
            "code_tables": TABLES_DATED,
            "as_of": summary.as_of.isoformat() if summary.as_of else None,
            "settled_share": summary.settled_share.value,
        }

    # --- the message log -------------------------------------------------------------------

    def write_csv(self, target: str | Path | TextIO) -> None:
        """Write the message log, a row a message, without holding it in memory.

        Beside a file, ``<name>.manifest.json`` says what the columns mean: definitions,
        ``as_of``, the number of rows and the SHA-256 of the file. A text cell that a
        spreadsheet would run as a formula gets a leading apostrophe; telephone numbers and
        negative numbers are left as they are.

        Args:
            target: a path, or an open text file (then no manifest is written).
        """
        if not isinstance(target, str | Path):
            write_log(self.messages, target, self.summary.profile)
            return
        path = Path(target)
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = write_log(self.messages, file, self.summary.profile)
        manifest = {
            **self.definitions(),
            "file": path.name,
            "rows": rows,
            "sha256": _sha256(path),
            "columns": list(LOG_COLUMNS),
            "text": "cells that would run as formulas begin with an apostrophe; numbers and telephone numbers do not",
            "times": "ISO 8601 with the offset of the data",
        }
        Path(f"{path}.manifest.json").write_text(_json(manifest), encoding="utf-8")


# What a Log counts while joining, and how a report says it.
_JOINED: Final[Mapping[str, str]] = {
    "duplicates": "rows had the id of another row and were joined with it",
    "unattributed": "replies, clicks or orders belong to no message here",
    "unmatched": "messages went to numbers that the audience does not have",
}


def _several(messages: Sequence[Message], columns: Iterable[str]) -> Iterator[str]:
    for column in columns:
        if len({getattr(each, column) for each in messages}) > 1:
            yield column


def _span_of(messages: Iterable[Message], column: str) -> str:
    moments = [moment for each in messages if (moment := getattr(each, column)) is not None]
    if not moments:
        return "not recorded"
    return f"{min(moments):%Y-%m-%d %H:%M %Z} to {max(moments):%Y-%m-%d %H:%M %Z}"


def _headed(title: str, body: str, *, mark: str = "-") -> Iterator[str]:
    head = visible(title)
    yield head
    yield mark * min(_RULE, max(len(head), 8))
    yield body
    yield ""


def _json(values: Mapping[str, Any]) -> str:
    # A lone surrogate cannot be written as UTF-8; its escape is JSON, and is read back as what it was.
    text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _plain(key: Any) -> Any:
    if isinstance(key, tuple):
        return [_plain(each) for each in key]
    if isinstance(key, datetime):
        return key.isoformat()
    return key if key is None or isinstance(key, str | int | float) else str(key)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_log(messages: Iterable[Message], file: TextIO, profile: Profile) -> int:
    """Write messages as CSV (RFC 4180), safe to open in a spreadsheet; return how many rows."""
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(LOG_COLUMNS)
    rows = 0
    for message in messages:
        explained = _explained(message, profile)
        writer.writerow([_cell(explained.get(name, getattr(message, name, None))) for name in LOG_COLUMNS])
        rows += 1
    return rows


def _explained(message: Message, profile: Profile) -> dict[str, Any]:
    """Return what a failure's code means, empty where nothing failed."""
    if message.status not in FAILURES:
        return {"reason": None, "bounce": None, "retryable": None, "error_description": None, "advice": None}
    verdict = verdict_of(message.carrier, message.error_code, Status(message.status), profile)
    return {
        "reason": verdict.reason,
        "bounce": verdict.bounce.value,
        "retryable": verdict.retryable,
        "error_description": verdict.description,
        "advice": verdict.advice,
    }


_NUMBER: Final = re.compile(r"[+-]?[0-9][0-9 ]*([.,][0-9]+)?", re.ASCII)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, int):
        return str(value)
    return safe_text(str(value))


def safe_text(text: str) -> str:
    """Return text that a spreadsheet shows and does not run, and that every reader can decode.

    >>> safe_text("=1+1"), safe_text("+33639980123"), safe_text("-5")
    ("'=1+1", '+33639980123', '-5')
    """
    clean = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")
    if clean.startswith(_FORMULA) and not _NUMBER.fullmatch(clean):
        return f"'{clean}"
    return clean
