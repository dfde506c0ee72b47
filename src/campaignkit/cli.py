"""The command line: ``python -m campaignkit report FILE``, ``simulate --carrier NAME``.

Bad input ends with status 2 and one line on standard error.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from campaignkit.errors import CampaignKitError, InvalidValue, MissingExtra

try:
    import rich.console
    import rich.progress
    import typer
except ImportError as error:
    raise SystemExit(str(MissingExtra(error.name or "typer", "cli", "the command line"))) from None

from campaignkit.display import visible
from campaignkit.logs import read_log
from campaignkit.report import Report

BAD_INPUT = 2
_LONG_INPUT = 20_000_000  # bytes; below this a bar would only flicker

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


class Format(StrEnum):
    """What to write."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"
    HTML = "html"


class OnError(StrEnum):
    """What to do with a row that cannot be read."""

    RAISE = "raise"
    COLLECT = "collect"


@app.callback()
def campaignkit() -> None:
    """Measure SMS/MMS campaigns, and test what sends them."""


@app.command()
def report(
    file: Annotated[Path, typer.Argument(help="a message log: CSV, JSON or Parquet")],
    *,
    carrier: Annotated[str | None, typer.Option(help="whose export it is, like twilio")] = None,
    audience: Annotated[Path | None, typer.Option(help="CSV: to, contact_id, variant, list_id ...")] = None,
    clicks: Annotated[Path | None, typer.Option(help="CSV: to or contact_id, clicked_at")] = None,
    orders: Annotated[Path | None, typer.Option(help="CSV: contact_id, ordered_at, revenue, currency")] = None,
    by: Annotated[list[str] | None, typer.Option(help="break down by this column; may be repeated")] = None,
    profile: Annotated[str, typer.Option(help="whose definitions to use")] = "campaignkit",
    format: Annotated[Format, typer.Option(help="text, html, json: the report; csv: the message log")] = Format.TEXT,  # noqa: A002
    output: Annotated[Path | None, typer.Option("--output", "-o", help="write here, not to standard output")] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="our name = theirs, where the log has another; may be repeated")
    ] = None,
    input_format: Annotated[
        str | None, typer.Option(help="csv, json, jsonl or parquet, if the name does not say")
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="the zone of times that name none")] = None,
    zone: Annotated[str, typer.Option(help="the zone whose clock the report shows")] = "UTC",
    on_error: Annotated[OnError, typer.Option(help="stop at a bad row, or report the rest beside it")] = OnError.RAISE,
) -> None:
    """Print the report of a message log."""
    with _bar(file) as advance:
        log = read_log(
            file,
            carrier=carrier,
            columns=dict(map(_pair, column or ())) or None,
            format=input_format,
            timezone=timezone,
            on_error=on_error.value,
            on_progress=advance,
        )
    if audience or clicks or orders:
        log = log.attach(audience=audience, clicks=clicks, orders=orders, timezone=timezone)
    made = Report.of(log, by=by or None, profile=profile, zone=zone)
    if format is Format.CSV:
        made.to_csv(output or sys.stdout)
    else:
        text = {Format.TEXT: made.to_text, Format.JSON: made.to_json, Format.HTML: made.to_html}[format]()
        sys.stdout.write(text) if output is None else output.write_text(text, encoding="utf-8")
    sys.stdout.flush()  # a pipe closed by its reader is found out here, where typer ends quietly, and not at exit


@app.command()
def simulate(
    *,
    carrier: Annotated[str, typer.Option(help="which carrier to be, like twilio")],
    profile: Annotated[str, typer.Option(help="how badly to behave: calm, storm, carrier-down ...")] = "storm",
    webhook_url: Annotated[str | None, typer.Option(help="where your app takes receipts and replies")] = None,
    port: Annotated[int, typer.Option(help="0: any that is free")] = 8025,
    host: Annotated[str, typer.Option(help="whom to listen to: this machine alone, unless you say otherwise")] = (
        "127.0.0.1"
    ),
    seed: Annotated[int, typer.Option(help="of everything that is left to chance")] = 1,
    speed: Annotated[float, typer.Option(help="how much faster receipts come: 60 makes an hour a minute")] = 1.0,
    limit: Annotated[int | None, typer.Option(help="end after this many messages and their webhooks")] = None,
) -> None:
    """Be a carrier that misbehaves: take messages over HTTP, and post signed webhooks back."""
    import asyncio  # noqa: PLC0415 - a report needs none of this

    from campaignkit.testing.server import serve  # noqa: PLC0415 - the same

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(
            serve(
                carrier,
                profile=profile,
                webhook_url=webhook_url,
                port=port,
                host=host,
                seed=seed,
                speed=speed,
                limit=limit,
                say=lambda text: print(text, flush=True),
            )
        )


def _pair(text: str) -> tuple[str, str]:
    ours, sign, theirs = text.partition("=")
    if not (ours and sign and theirs):
        raise InvalidValue(f"--column is {text!r}: give our name, an equals sign and theirs, like status=State")
    return ours, theirs


@contextlib.contextmanager
def _bar(file: Path) -> Iterator[Callable[[float], None] | None]:
    """Yield what draws a bar on long input, when somebody is watching."""
    console = rich.console.Console(stderr=True)
    if not console.is_terminal or not file.exists() or file.stat().st_size < _LONG_INPUT:
        yield None
        return
    with rich.progress.Progress(console=console, transient=True) as shown:
        task = shown.add_task(f"reading {file.name}", total=1.0)
        yield lambda done: shown.update(task, completed=done)


def main() -> None:
    """Run the command line."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # whatever the locale; CSV ends its own lines
    try:
        app()
    except (CampaignKitError, OSError) as error:
        sys.stderr.write(f"campaignkit: {visible(' '.join(str(error).split()))}\n")
        raise SystemExit(BAD_INPUT) from None
