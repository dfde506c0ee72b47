"""A report as an e-mail message, ready for `smtplib`: text, HTML, and the message log attached.

    sections ──► text/plain ─┐
            └──► text/html ──┴─► multipart/alternative ─┐
    message log ──► CSV, manifest ──────────────────────┴─► multipart/mixed

Mail programs drop styles in part and cut long mails, so the HTML is short, styled element by
element, and made of plain tables. Nothing in it is drawn at random or read from a clock: the
same report is the same message, byte by byte. Date and Message-ID are for who sends it.
"""

from __future__ import annotations

import email.policy
import hashlib
import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Final

from campaignkit.display import Entry, Facts, Section, Table, Tile, Tiles, clock_text, in_zone, percent_text, visible
from campaignkit.errors import InvalidValue, shown
from campaignkit.summary import Summary

MOST_ATTACHED: Final = 10_000_000
"""Bytes; many mail servers refuse messages of 20 to 25 MB, and attaching adds a third."""

MOST_HTML: Final = 90_000
"""Bytes; Gmail cuts off what comes after about 102 kB."""

_KEPT: Final = frozenset({"head", "tiles", "failures", "ab", "definitions"})
_MOST_ROWS: Final = 20
_LONGEST_CELL: Final = 160
_SHORT: Final = 12
_LONGEST_TITLE: Final = 80
_LONGEST_ADDRESS: Final = 254
_FRAME: Final = 2_000  # bytes of what stands around the sections


def make_email(
    *,
    title: str,
    summary: Summary,
    sections: Iterable[Section],
    text: str,
    files: Mapping[str, bytes],
    zone: tzinfo,
    sender: str | Address | None = None,
    to: str | Address | Iterable[str | Address] = (),
    subject: str | None = None,
) -> EmailMessage:
    """Return the message.

    Args:
        title: what the report is of.
        summary: its numbers.
        sections: what it says; the mail shows the most important of them.
        text: all of it as plain text.
        files: what is attached, by name; nothing where the message log is too large.
        zone: whose clock is shown.
        sender: an address, like ``Ann <ann@example.com>``.
        to: one or more addresses.
        subject: by default title, delivery rate and when it was true.

    Raises:
        InvalidValue: an address or a subject that breaks a rule.
    """
    sentence = (
        f"Attached: {', '.join(files)}."
        if files
        else f"The message log is not attached: it is larger than {MOST_ATTACHED // 1_000_000} MB."
    )
    message = EmailMessage(policy=email.policy.SMTP)
    message["Subject"] = _subject(title, summary, zone) if subject is None else _line("subject", subject)
    if sender is not None:
        message["From"] = _address("sender", sender)
    recipients = [to] if isinstance(to, str | Address) else list(to)
    if recipients:
        message["To"] = [_address("to", each) for each in recipients]
    body = f"{text}\n{sentence}\n"
    page = _html(title, sections, sentence)
    message.set_content(body)
    message.add_alternative(page, subtype="html")
    for name, data in files.items():
        subtype = "csv" if name.endswith(".csv") else "json"
        kind = "text" if subtype == "csv" else "application"
        params = {"charset": "utf-8"} if subtype == "csv" else {}
        message.add_attachment(data, maintype=kind, subtype=subtype, filename=name, params=params)
    _set_boundaries(message, body, page, *map(bytes.hex, files.values()))
    return message


def _set_boundaries(message: EmailMessage, *contents: str) -> None:
    """Set what separates the parts from what they hold; left alone, it would be drawn at random."""
    digest = hashlib.sha256("\n".join(contents).encode()).hexdigest()[:32]
    for depth, part in enumerate(each for each in message.walk() if each.is_multipart()):
        part.set_boundary(f"=_{depth}_{digest}")  # "=_" is in no quoted-printable or base64 text


# --- headers -----------------------------------------------------------------------------------


def _subject(title: str, summary: Summary, zone: tzinfo) -> str:
    rate = summary.delivery_rate
    number = f"{rate.whole or 0:,} messages"
    if rate.value is not None:
        number = f"{percent_text(rate.value)} of {number} delivered"
    at = summary.as_of
    when = f", as of {clock_text(at, zone)} {in_zone(at, zone):%Z}" if at else ""
    return f"{_cut(visible(' '.join(title.split())), _LONGEST_TITLE)}: {number}{when}"


def _line(field: str, text: str) -> str:
    if not isinstance(text, str) or visible(text) != text:
        raise InvalidValue(
            f"{field} is {shown(text)}: must be one line of text; take out line breaks and control signs"
        )
    return text


def _address(field: str, value: str | Address) -> Address:
    """Return one address, checked: what only looks like one could name other recipients."""
    text = _line(field, str(value) if isinstance(value, Address) else value)
    try:
        header = email.policy.SMTP.header_factory(field, text)
        (found,) = header.addresses
        plain = Address(display_name=_line(field, found.display_name), username=found.username, domain=found.domain)
        good = not header.defects and header.groups[0].display_name is None and found.username and found.domain
    except Exception:  # noqa: BLE001 - the parser of the standard library has several for what it cannot read
        good = False
    if not good or not plain.addr_spec.isascii() or len(plain.addr_spec) > _LONGEST_ADDRESS:
        remedy = 'give one, like "Ann <ann@example.com>", several as a list, names with commas in quotes'
        raise InvalidValue(f"{field} is {shown(value)}: must be one e-mail address; {remedy}")
    return plain


# --- HTML --------------------------------------------------------------------------------------

_FONT: Final = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_SMALL: Final = "font-size:12px;color:#767676"
_CELL: Final = "padding:4px 12px 4px 0;border-bottom:1px solid #cccccc;vertical-align:top"


def _html(title: str, sections: Iterable[Section], sentence: str) -> str:
    """Return a page of at most `MOST_HTML` bytes that needs no style sheet; what is too much is left out, and said."""
    named = [each for each in sections if each.key in _KEPT or each.key.startswith("groups-by-")]
    written = {each.key: f"{_heading(each)}{''.join(map(_part, each.parts))}" for each in named}
    head = f'<h1 style="font-size:22px;margin:0 0 12px">{_text(title)}</h1>'
    foot = f'<p style="{_SMALL}">{_text(sentence)}</p>'
    left = MOST_HTML - len((head + foot).encode()) - _FRAME
    kept = set()
    for key in sorted(written, key=lambda key: key.startswith("groups-by-")):  # groups may be many; the rest is short
        size = len(written[key].encode())
        if size <= left:
            kept.add(key)
            left -= size
    lost = [each.title for each in named if each.key not in kept]
    note = f"<p>Left out because mail programs cut long mails: {_text(', '.join(lost))}.</p>" if lost else ""
    body = "".join(text for key, text in written.items() if key in kept)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark"></head>'
        f'<body style="margin:0;padding:16px;max-width:640px;{_FONT};font-size:15px;line-height:1.45">'
        f"{head}{body}{note}{foot}</body></html>\n"
    )


def _heading(section: Section) -> str:
    return f'<h2 style="font-size:17px;margin:24px 0 8px">{_text(section.title)}</h2>' if section.title else ""


def _part(part: object) -> str:
    if isinstance(part, str):
        return f'<p style="margin:8px 0">{_text(part)}</p>'
    if isinstance(part, Facts):
        return _table([[Entry(name), Entry(said)] for name, said in part.rows], muted=True)
    if isinstance(part, Tiles):
        return _table(map(_tile, part.tiles))
    return _rows_of(part) if isinstance(part, Table) else ""  # a picture would need a style sheet, or a file


def _tile(tile: Tile) -> list[Entry]:
    return [
        Entry(tile.label, note=tile.formula),
        Entry(tile.value, note="; ".join(filter(None, (tile.fraction, tile.more)))),
    ]


def _rows_of(table: Table) -> str:
    rows = table.rows[:_MOST_ROWS]
    rest = table.rest if len(rows) == len(table.rows) else f"… and more: here are the first {_MOST_ROWS}."
    title = f'<p style="margin:8px 0">{_text(table.title)}</p>' if table.title else ""
    note = f'<p style="{_SMALL}">{_text(rest)}</p>' if rest else ""
    body = _blocks(rows, table.head) if table.stacked else _table(rows, head=table.head, right=table.right)
    return title + body + note


def _blocks(rows: Sequence[Sequence[Entry]], head: Sequence[str]) -> str:
    """Return each row as a block, short entries in one line and longer ones around it, because phones are narrow."""
    short = [all(len(entry.text) <= _SHORT for entry in column) for column in zip(*rows, strict=True)]
    blocks = []
    for row in rows:
        named = [
            f'<span style="{_SMALL}">{_text(name)}</span> {_entry(each, " ")}'
            for name, each in zip(head, row, strict=True)
        ]
        marked = list(zip(named, short, strict=True))
        line = " &nbsp; ".join(f'<span style="white-space:nowrap">{each}</span>' for each, fits in marked if fits)
        first = short.index(True) if any(short) else 0  # what comes before is what the row is of
        texts = [*named[:first], line, *(each for each, fits in marked[first:] if not fits)]
        blocks.append(f'<div style="{_CELL}">{"<br>".join(filter(None, texts))}</div>')
    return "".join(blocks)


def _table(
    rows: Iterable[Iterable[Entry]], *, head: Iterable[str] = (), right: Iterable[int] = (), muted: bool = False
) -> str:
    flush = set(right)

    def line(tag: str, cells: Iterable[str]) -> Iterator[str]:
        yield "<tr>"
        for place, cell in enumerate(cells):
            color = f";{_SMALL}" if tag == "th" or (muted and place == 0) else ""
            side, wrap = ("right", ";white-space:nowrap") if place in flush else ("left", "")
            yield f'<{tag} align="{side}" style="{_CELL}{color}{wrap}">{cell}</{tag}>'
        yield "</tr>"

    lines = [*line("th", map(_text, head))] if any(head) else []
    for row in rows:
        lines += line("td", map(_entry, row))
    # Wide tables scroll inside their own box where the program lets them, so that the text does not.
    return (
        '<div style="overflow-x:auto"><table cellspacing="0" cellpadding="0"'
        f' style="border-collapse:collapse;font-size:14px">{"".join(lines)}</table></div>'
    )


def _entry(entry: Entry, between: str = "<br>") -> str:
    return _text(entry.text) + (f'{between}<span style="{_SMALL}">{_text(entry.note)}</span>' if entry.note else "")


def _text(text: str) -> str:
    """Return text of data for HTML: cut, visible, escaped, and kept to its own reading direction."""
    return f"<bdi>{html.escape(visible(_cut(text, _LONGEST_CELL)))}</bdi>"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
