# ruff: noqa: INP001 - a script beside the pages
"""Write the tables of the reference from the source, so that no number's meaning is typed twice.

Each function returns Markdown. ``TABLES`` are put where a page says ``<!-- table: name -->``;
``carrier_page`` and ``changelog`` are pages of their own.
"""

from __future__ import annotations

import html
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import campaignkit as ck
import campaignkit.backends.carriers as shop
from campaignkit.cells import MEASURES, PEOPLE_COUNTS, PEOPLE_NEED
from campaignkit.display import COUNTS_SHOWN, label
from campaignkit.metrics import COUNT_FIELDS, COUNT_PROPERTIES
from campaignkit.verdicts import INBOUND, code_table, reasons, status_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

ROOT = Path(__file__).parents[1]

COLUMN_OF = {count: column for column, counts in MEASURES.items() for count in counts}

NAMES = {"aws": "AWS", "messagebird": "MessageBird", "smpp": "SMPP"}
"""Carriers whose name is more than a capital at the front."""

PAGE_OF = {"VonageSms": "vonage-sms"}
"""Pages of carriers that are called otherwise than the class in small letters."""


# --- Markdown ----------------------------------------------------------------------------------


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table as Markdown.

    >>> print(table(["a", "b"], [["1", "2|3"]]))
    | a | b |
    |---|---|
    | 1 | 2&#124;3 |
    """
    names = list(head)
    lines = [names, *([cell.replace("|", "&#124;") for cell in row] for row in rows)]
    written = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([written[0], "|" + "---|" * len(names), *written[1:]])


def plain(text: str) -> str:
    r"""Return text of the data so that Markdown shows it as it is.

    >>> print(plain("message/__init__.py, <5"))
    message/\_\_init\_\_.py, &lt;5
    """
    return re.sub(r"([\\`*_\[\]])", r"\\\1", html.escape(text, quote=False))


def code(text: str) -> str:
    """Return text as code."""
    return f"`{text}`"


def codes(texts: Iterable[str]) -> str:
    """Return names as code, each once."""
    return ", ".join(code(text) for text in dict.fromkeys(texts))


def sentence(text: str) -> str:
    """Return text of a docstring as a sentence of a page.

    >>> sentence("answers; ``replied`` counts the messages.")
    'Answers; `replied` counts the messages.'
    """
    joined = " ".join(text.replace("``", "`").split())
    return joined[:1].upper() + joined[1:]


def said(thing: object) -> str:
    """Return the docstring of a property or class, its first paragraph."""
    return sentence((inspect.getdoc(thing) or "").partition("\n\n")[0])


def attributes_of(thing: type) -> dict[str, str]:
    """Return what the section "Attributes" of a docstring says of each name.

    >>> attributes_of(ck.Failure)["n"]
    'How many messages.'
    """
    section = (inspect.getdoc(thing) or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    return {name: sentence(text) for name, text in found}


# --- metrics -----------------------------------------------------------------------------------


def meaning_of(count: str) -> str:
    """Return what a count means, in the words of the source."""
    if count in COUNT_PROPERTIES:
        return said(getattr(ck.Counts, count))
    return {**attributes_of(ck.Counts), **attributes_of(ck.PeopleCounts)}[count]


def needs(count: str) -> tuple[str, ...]:
    """Return the columns without which a count is None."""
    if count in PEOPLE_COUNTS:
        return "people=", PEOPLE_NEED.get(count, "status")
    return (COLUMN_OF.get(count, "status"),)


def _counts() -> Iterator[str]:
    """Yield the counts of messages and events, in the order of a report."""
    known = {*COUNT_FIELDS, *COUNT_PROPERTIES}
    yield from dict.fromkeys([*(name for name in COUNTS_SHOWN if name in known), *COUNT_PROPERTIES, *COUNT_FIELDS])


def _meaning(name: str) -> str:
    """Return what a count means, and how reports call it where that is another word."""
    plain = name.replace("_", " ")
    return meaning_of(name) + ("" if label(name).lower() == plain else f" In reports: *{label(name)}*.")


def _count_table(names: Iterable[str]) -> str:
    return table(("count", "meaning", "needs"), ((code(name), _meaning(name), codes(needs(name))) for name in names))


def counts() -> str:
    """Return the counts that say where messages stand; they need nothing but the status."""
    rows = ((code(name), _meaning(name)) for name in _counts() if needs(name) == ("status",))
    return table(("count", "meaning"), rows)


def events() -> str:
    """Return the counts of what came back."""
    return _count_table(name for name in _counts() if needs(name) != ("status",))


def people() -> str:
    """Return the counts of people."""
    return _count_table(PEOPLE_COUNTS)


def rates() -> str:
    """Return campaignkit's own rates."""
    rows = (
        (
            code(name),
            said(getattr(ck.Summary, name)) + ("" if formula.proportion else " No proportion: may pass 100 %."),
            codes((*needs(formula.part), *needs(formula.whole))),
        )
        for name, formula in ck.get_profile("campaignkit").rates.items()
    )
    return table(("rate", "meaning", "needs"), rows)


def rates_by_profile() -> str:
    """Return the formula of every rate under every profile; those that are no proportions are marked."""
    names = dict.fromkeys(name for profile in ck.PROFILES.values() for name in profile.rates)
    rows = ((code(name), *(_formula(profile, name) for profile in ck.PROFILES.values())) for name in names)
    return table(("rate", *ck.PROFILES), rows)


def _formula(profile: ck.Profile, name: str) -> str:
    formula = profile.rates.get(name)
    if formula is None:
        return "–"
    return str(formula) if formula.proportion else f"{formula} \\*"


def regrouped() -> str:
    """Return the counts that a profile makes of others."""
    rows = (
        (profile.name, code(name), " + ".join(part.replace("_", " ") for part in parts))
        for profile in ck.PROFILES.values()
        for name, parts in profile.regroup.items()
    )
    return table(("profile", "count", "is here"), rows)


def profiles() -> str:
    """Return what else a profile says."""
    rows = (
        (code(each.name), code(each.bounce_policy), sentence(each.attribution), each.notes or "–")
        for each in ck.PROFILES.values()
    )
    return table(("profile", "bounces", "an event belongs to", "to know"), rows)


def shares() -> str:
    """Return the shares that are no rates of a profile."""
    rows = {
        "settled_share": said(ck.Summary.settled_share),
        **{f"progress(rows).{name}": text for name, text in attributes_of(ck.Progress).items() if name != "contacts"},
        "health(summary).success": attributes_of(ck.Health)["success"],
    }
    return table(("share", "meaning"), ((code(name), text) for name, text in rows.items()))


def times() -> str:
    """Return what is known of the time to delivery."""
    rows = ((code(f"latency.{name}"), text) for name, text in attributes_of(ck.Latency).items())
    return table(("time", "meaning"), rows)


def money() -> str:
    """Return the sums of money."""
    needed = {"cost": "price", "revenue": "orders", "assisted_revenue": "assisted_orders"}
    rows = ((code(name), said(getattr(ck.Summary, name)), code(column)) for name, column in needed.items())
    return table(("money", "meaning", "needs"), rows)


# --- reasons, policies, carriers ---------------------------------------------------------------


def _yes(flag: bool) -> str:  # noqa: FBT001 - it is what is shown
    return "yes" if flag else "–"


def _kind(bounce: ck.Bounce) -> str:
    return "–" if bounce is ck.Bounce.NONE else bounce.value


def reason_table() -> str:
    """Return the reasons, with what follows from each."""
    rows = (
        (
            code(each.name),
            plain(each.label),
            _kind(each.bounce),
            _yes(each.retryable),
            _yes(each.strike),
            _yes(each.opts_out),
            each.fault or "–",
            plain(each.advice),
        )
        for each in reasons().values()
    )
    return table(("reason", "meaning", "bounce", "retryable", "strike", "opts out", "fault", "advice"), rows)


def policies() -> str:
    """Return what each bounce policy says of each reason that anybody calls a bounce."""
    said_of = {
        each.name: [policy.get(each.name, each.bounce) for policy in ck.BOUNCE_POLICIES.values()]
        for each in reasons().values()
    }
    rows = ((code(name), *map(_kind, kinds)) for name, kinds in said_of.items() if set(kinds) != {ck.Bounce.NONE})
    return table(("reason", *ck.BOUNCE_POLICIES), rows)


def carriers() -> str:
    """Return the carriers, with how much of each is in the tables."""
    rows = (
        (
            f"[{carrier_name(each)}]({each}.md)",
            code(each),
            str(len(status_table(each).rows)),
            str(len(code_table(each).rows)),
        )
        for each in ck.CARRIERS
    )
    return table(("carrier", "in code", "status words", "codes"), rows)


def abilities() -> str:
    """Return what each class of carrier can do, from its class variables."""
    classes = [each for each in (getattr(shop, name) for name in shop.__all__) if inspect.isclass(each)]
    kinds = [each for each in classes if issubclass(each, shop.Carrier) and each is not shop.Carrier]
    rows = (
        (
            f"[`{each.__name__}`]({PAGE_OF.get(each.__name__, each.__name__.lower())}.md)",
            _yes(each.sends),
            _yes(each.mms),
            _yes(each.idempotent),
            codes(sorted(each.methods)),
        )
        for each in kinds
    )
    return table(("class", "sends", "MMS", "one attempt id twice is one message", "webhooks"), rows)


def carrier_name(carrier: str) -> str:
    """Return how a carrier writes its name."""
    return NAMES.get(carrier, carrier.capitalize())


def source_link(source: str) -> str:
    r"""Return a source, linked where it is an address or a repository.

    >>> source_link("twilio.com/docs/api/errors/30006")
    '[twilio.com](https://twilio.com/docs/api/errors/30006)'
    >>> source_link("nyaruka/courier handlers/kannel")
    '[nyaruka/courier](https://github.com/nyaruka/courier) handlers/kannel'
    >>> print(source_link("SMPP 3.4 5.2.28 message_state"))
    SMPP 3.4 5.2.28 message\_state
    """
    first, space, rest = source.partition(" ")
    if re.match(r"[\w-]+(\.[\w-]+)*\.(com|app)\b", first):
        return f"[{first.partition('/')[0]}](https://{first}){space}{plain(rest)}"
    if re.fullmatch(r"[\w-]+/[\w-]+", first):
        return f"[{plain(first)}](https://github.com/{first}){space}{plain(rest)}"
    return plain(source)


def _status_rows(carrier: str) -> Iterator[tuple[str, ...]]:
    for row in status_table(carrier).rows.values():
        status, reason = row.meaning
        ours = "a reply, not a message" if status == INBOUND else code(status)
        yield code(row.name), ours, plain(row.description), code(reason) if reason else "–", source_link(row.source)


def _code_rows(carrier: str, names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    for name in names:
        verdict = ck.classify(carrier, name)
        yield (
            code(name),
            plain(verdict.description),
            code(verdict.reason),
            _kind(verdict.bounce),
            _yes(verdict.retryable),
            _yes(verdict.strike),
            _yes(verdict.opts_out),
            verdict.fault or "–",
            plain(verdict.advice),
            source_link(verdict.source),
        )


def _kinds_of_code(carrier: str) -> Mapping[str, list[str]]:
    """Return a carrier's codes by what stands before their last colon."""
    found: dict[str, list[str]] = {}
    for name in code_table(carrier).rows:
        found.setdefault(name.rpartition(":")[0], []).append(name)
    return found


def _code_sections(carrier: str) -> Iterator[str]:
    head = ("code", "meaning", "reason", "bounce", "retryable", "strike", "opts out", "fault", "advice", "source")
    for kind, names in _kinds_of_code(carrier).items():
        yield f"## Codes with `{kind}:`" if kind else "## Codes"
        yield table(head, _code_rows(carrier, names))


INTRODUCTION = """\
---
hide: [toc]
search: {{boost: 4}}
---

# {name}

What does a status word or a code of {name} mean?

Checked against the sources on {dated}; the descriptions are ours. In a program: `ck.classify("{carrier}", "{code}")`.
[Reasons](index.md#reasons) says what the columns mean, and [Say what your codes mean](../../how-to/codes.md)
how to correct a row for your own reports."""
"""How each page of a carrier begins: its tables take all the width there is, and who searches for a code finds it."""


def carrier_page(carrier: str) -> str:
    """Return the page of a carrier's status words and codes."""
    known = next(iter(code_table(carrier).rows))
    name = carrier_name(carrier)
    parts = [
        INTRODUCTION.format(name=name, carrier=carrier, code=known, dated=ck.TABLES_DATED),
        "## Status words",
        table(("word", "our status", "meaning", "reason", "source"), _status_rows(carrier)),
        *_code_sections(carrier),
    ]
    return "\n\n".join(parts) + "\n"


def changelog() -> str:
    """Return the project's changelog, with links as they are between pages."""
    return (ROOT / "CHANGELOG.md").read_text("utf-8").replace("](docs/", "](")


# --- where they go -----------------------------------------------------------------------------

TABLES: Mapping[str, Callable[[], str]] = {
    "counts": counts,
    "events": events,
    "people": people,
    "rates": rates,
    "rates by profile": rates_by_profile,
    "regrouped": regrouped,
    "profiles": profiles,
    "shares": shares,
    "times": times,
    "money": money,
    "reasons": reason_table,
    "policies": policies,
    "carriers": carriers,
    "abilities": abilities,
}


def pages() -> dict[str, str]:
    """Return the pages that are nowhere written down, by their place among the others."""
    written = {f"reference/codes/{carrier}.md": carrier_page(carrier) for carrier in ck.CARRIERS}
    return {**written, "changelog.md": changelog()}


def filled(markdown: str) -> str:
    """Return a page with its tables in their places.

    Raises:
        KeyError: the page names a table that is not there.
    """
    return re.sub(r"<!-- table: ([\w ]+) -->", lambda found: TABLES[found[1]](), markdown)
