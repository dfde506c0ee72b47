# ruff: noqa: INP001 - a script beside the pages that show its pictures
"""Take the pictures of the pages from the example campaign: ``make screenshots``.

Writes ``docs/images/*.png``: the report on a desk and on a phone, cells of a notebook, and a test of two
texts, each in light and in dark. Needs Chromium and ``campaignkit[report]``. A notebook's cells are run, so they
show what they print.
"""

from __future__ import annotations

import ast
import contextlib
import html
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import campaignkit as ck

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "images"
SPRING = ROOT / "examples" / "spring"

SIZES = {"report": (1100, 1300), "phone": (500, 900), "notebook": (760, 1060), "test": (900, 1290)}
"""For each picture, the window it is taken of; Chromium has none narrower than 500."""

CELLS = (
    """\
log = ck.read_log("messages.csv", carrier="twilio")
log = log.attach(audience="audience.csv", clicks="clicks.csv")
ck.summarize(log)""",
    """\
ck.summarize(log, by="list_id")""",
    """\
ck.summarize(log, by="list_id").chart("delivery_rate")""",
)

TEST = """\
from campaignkit import ab
metrics = ["click_rate", "reply_rate", "opt_out_rate", "hard_bounce_rate"]
ab.compare(log, control="A", window="24h", metrics=metrics)"""

PHONE = """\
<!doctype html><meta charset="utf-8"><title>phone</title>
<style>
  :root { color-scheme: light dark }
  body { margin: 0; display: grid; place-items: center; height: 100vh; background: light-dark(#e4e8ec, #31363d) }
  iframe { width: 390px; height: 844px; border: 0; border-radius: 24px; background: Canvas }
</style>
<iframe src="report.html"></iframe>
"""

NOTEBOOK = """\
<!doctype html><meta charset="utf-8"><title>notebook</title>
<style>
  :root { color-scheme: light dark; font: 14px system-ui, sans-serif }
  body { margin: 0; padding: 16px 24px; background: light-dark(#fff, #111418); color: light-dark(#111, #e6e6e6) }
  pre { margin: 16px 0 8px; padding: 8px 12px; background: light-dark(#f3f4f6, #20252b) }
  pre { border: 1px solid light-dark(#dfe2e6, #343a42); font: 13px ui-monospace, monospace }
  table { border-collapse: collapse; font-size: 12px }
  tr:nth-child(even) { background: light-dark(#f7f7f8, #191d22) }
</style>
"""

BROWSERS = ("chromium", "chromium-browser", "google-chrome")

SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


# --- what is shown -----------------------------------------------------------------------------


def pages() -> dict[str, str]:
    """Return the pages that pictures are taken of, by name."""
    with contextlib.chdir(SPRING):  # the cells are those of somebody whose notebook lies beside the files
        space: dict[str, Any] = {"ck": ck}
        cells = [f"<pre>{html.escape(cell)}</pre>\n{shown(run(cell, space))}" for cell in (*CELLS, TEST)]
    return {
        "report": ck.Report.of(space["log"]).to_html(),
        "phone": PHONE,
        "notebook": NOTEBOOK + "\n".join(cells[:-1]),
        "test": NOTEBOOK + cells[-1],
    }


def run(cell: str, space: dict[str, Any]) -> Any:
    r"""Run a cell and return the value of its last line.

    >>> run("a = 1\na + 1", {})
    2
    """
    *body, last = ast.parse(cell).body
    exec(compile(ast.Module(body, []), "cell", "exec"), space)  # noqa: S102 - our own text
    return eval(compile(ast.Expression(last.value), "cell", "eval"), space)  # noqa: S307 - the same


def shown(value: Any) -> str:
    """Return a value as a notebook shows it: a table of HTML, or the picture of a chart."""
    if hasattr(value, "_repr_html_"):
        return value._repr_html_()
    import vl_convert  # noqa: PLC0415 - part of an extra

    return vl_convert.vegalite_to_svg(value.to_json())


# --- pictures ----------------------------------------------------------------------------------


def take(browser: str, folder: Path, name: str, target: Path, *, dark: bool) -> None:
    """Write the picture of a page that lies in a folder."""
    width, height = SIZES[name]
    command = [
        browser,
        *SWITCHES,
        f"--user-data-dir={folder / 'profile'}",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        f"--window-size={width},{height}",
        f"--screenshot={target}",
        (folder / f"{name}.html").as_uri(),
    ]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - a browser, and our own page


def main() -> None:
    """Take every picture, in light and in dark."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f"no browser found: install one of {', '.join(BROWSERS)}")
    TARGET.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name, page in pages().items():
            (folder / f"{name}.html").write_text(page, encoding="utf-8")
        for name in SIZES:
            take(browser, folder, name, TARGET / f"{name}.png", dark=False)
            take(browser, folder, name, TARGET / f"{name}-dark.png", dark=True)


if __name__ == "__main__":
    main()
