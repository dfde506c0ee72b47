"""The page in a browser: it fits a phone and a desk, breaks no rule of its own policy, and its tables sort.

Chromium runs without a window. What it finds it writes into a copy of the page, and prints.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess

import attrs
import pytest

from campaignkit.ab import compare
from campaignkit.display import Entry, Section, Table
from campaignkit.models import Message
from campaignkit.page import page
from campaignkit.report import Report
from pages import spring
from strategies import NOON

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)

pytestmark = pytest.mark.skipif(
    BROWSER is None and not os.environ.get("CI"),
    reason="there is no browser: apt-get install chromium, or any of its family on the PATH",
)

LONG = "Supercalifragilisticexpialidocious" * 20
AWKWARD = {
    "empty": lambda: Report.of([]),
    "one": lambda: Report.of([Message(status="delivered", sent_at=NOON)]),
    "long": lambda: Report.of(
        [
            Message(status="failed", carrier="acme", error_code=LONG, sent_at=NOON, **dict.fromkeys(names, LONG + each))
            for each in "abcdef"
            for names in [("campaign_id", "variant", "list_id", "account_id", "sender", "contact_name", "to")]
        ]
    ),
    "many": lambda: Report.of([Message(status="sent", variant=f"variant {n % 40}", sent_at=NOON) for n in range(400)]),
    "right to left": lambda: Report.of(
        [Message(status="sent", campaign_id="حملة الربيع 2026", variant=each, contact_name="שרה כהן") for each in "אב"]
    ),
    "spring": spring,
    "two variants": lambda: Report.of([], ab=variants("AB")),
    "four variants": lambda: Report.of([], ab=variants("ABCD")),
    "variants of long names": lambda: Report.of([], ab=variants([LONG + each for each in "AB"])),
}


def variants(names):
    """Return a comparison of variants, with a metric of which there is nothing and one of a wide interval."""
    counts = {"delivered": 2405, "replied": 80, "clicked": 120, "hard": 0}
    metrics = ["delivery_rate", "reply_rate", "click_rate", "opt_out_rate", "hard_bounce_rate"]
    variants = {each: {"sent": 2500, **counts, "opted_out": 1 + 3 * n} for n, each in enumerate(names)}
    return compare(variants, metrics=metrics)


# Runs in the outer page: looks at the inner one once it is there, and asks it things.
LOOK = """
const told = (what) => { document.body.textContent = JSON.stringify(what); };
const frame = document.querySelector("iframe");
frame.addEventListener("load", () => {
  const inside = frame.contentDocument, root = inside.scrollingElement, room = root.clientWidth;
  const wide = [...inside.querySelectorAll("main *")].filter((each) =>
    !each.closest(".scroll") && each.getBoundingClientRect().right > room + 1);
  told({
    asked: (%s)(inside),
    overflow: root.scrollWidth - room,
    wide: wide.map((each) => each.outerHTML.slice(0, 200)),
  });
});
"""


def visit(written, folder, *, width=1280, ask="() => null"):
    """Return what a browser finds on a page of some width, and what it complained about.

    Args:
        written: the page.
        folder: where the copy goes.
        width: of the page, in CSS pixels; narrower than a window may be.
        ask: a function in JavaScript that is given the page's document.
    """
    assert BROWSER, "there is no browser: apt-get install chromium"
    (folder / "page.html").write_text(written, encoding="utf-8")
    frame = f'<iframe src="page.html" style="width:{width}px;height:900px;border:0"></iframe>'
    outer = f"<!DOCTYPE html><body>{frame}<script>{LOOK % ask}</script>"
    (folder / "outer.html").write_text(outer, encoding="utf-8")
    ended = subprocess.run(  # noqa: S603 - the browser of this machine, our own page
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--allow-file-access-from-files",
            "--enable-logging=stderr",
            "--virtual-time-budget=5000",
            f"--user-data-dir={folder / 'profile'}",
            f"--window-size={max(width, 500)},900",
            "--dump-dom",
            (folder / "outer.html").as_uri(),
        ],
        capture_output=True,
        check=True,
        timeout=120,
    )
    body = re.search(r"<body>(.*?)</body>", ended.stdout.decode("utf-8"), re.DOTALL)
    complaints = re.findall(r"CONSOLE.*", ended.stderr.decode("utf-8", "replace"))
    return json.loads(html.unescape(body[1])), complaints


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", AWKWARD)
def test_the_page_fits(tmp_path, name, width):
    """On a phone and on a desk nothing is wider than the page, and the browser has no complaint about it."""
    found, complaints = visit(AWKWARD[name]().to_html(), tmp_path, width=width)

    assert (found["overflow"], found["wide"], complaints) == (0, [], [])


def test_two_variants_are_read_side_by_side_on_a_phone(tmp_path):
    """Of two variants a phone shows both beside each other: no table of theirs has to be scrolled."""
    ask = """(page) => [...page.querySelectorAll("#ab .scroll")].map((box) => box.scrollWidth - box.clientWidth)"""

    found, complaints = visit(AWKWARD["two variants"]().to_html(), tmp_path, width=390, ask=ask)

    assert (found["asked"], complaints) == ([0, 0], [])


PICTURE = """(page) => {
    const box = (query) => [...page.querySelectorAll(query)].map((each) => each.getBoundingClientRect());
    const tracks = box(".track");
    return {
        inside: box(".line").every((line) => line.left >= tracks[0].left - 1 && line.right <= tracks[0].right + 1),
        alike: new Set(tracks.map((each) => `${each.left} ${each.width}`)).size,
        wide: tracks[0].width,
        apart: box(".said").every((said) => box(".dot").every((dot) =>
            dot.bottom <= said.top || dot.top >= said.bottom || dot.right <= said.left)),
    };
}"""


@pytest.mark.parametrize("width", [390, 1280])
def test_intervals_have_room(tmp_path, width):
    """On a phone and on a desk all lines lie on one scale, wide enough to be read, and no word lies on them."""
    found, _ = visit(AWKWARD["four variants"]().to_html(), tmp_path, width=width, ask=PICTURE)

    assert found["asked"].pop("wide") >= 300
    assert found["asked"] == {"inside": True, "alike": 1, "apart": True}


@pytest.mark.parametrize("width", [390, 1280])
def test_tables_of_many_columns_scroll_by_themselves(tmp_path, width):
    """A table wider than the page scrolls in its own place, and can be reached by the keyboard."""
    table = Table(head=[f"column {n}" for n in range(30)], rows=[[f"{n:,}" for n in range(30)]])
    ask = """(page) => { const box = page.querySelector(".scroll");
        return [box.scrollWidth > box.clientWidth, box.tabIndex]; }"""

    found, complaints = visit(page("wide", [Section("table", "Wide", [table])]), tmp_path, width=width, ask=ask)

    assert (found["asked"], found["overflow"], complaints) == ([True, 0], 0, [])


# --- sorting -----------------------------------------------------------------------------------

ROWS = [("b", 2), ("a", 10), ("d", None), ("c", -1)]
SORTABLE = Table(
    head=("Name", "Rate"),
    rows=[(name, Entry("–" if value is None else f"{value} %", value=value)) for name, value in ROWS],
    right=(1,),
    sortable=True,
)
NAMES = """[...page.querySelectorAll("tbody th")].map((each) => each.textContent).join("")"""
SORTS = """[...page.querySelectorAll("thead th")].map((each) => each.getAttribute("aria-sort"))"""


@pytest.mark.parametrize(
    ("presses", "order", "sorts"),
    [
        ([], "badc", [None, None]),
        ([1], "abcd", [None, "descending"]),
        ([1, 1], "cbad", [None, "ascending"]),
        ([0], "dcba", ["descending", None]),
        ([0, 0], "abcd", ["ascending", None]),
        ([1, 0], "dcba", ["descending", None]),
    ],
)
def test_a_click_sorts(tmp_path, presses, order, sorts):
    """A click on a head sorts by its numbers, the largest first, another turns it; what has no number stays last."""
    clicks = "".join(f'page.querySelectorAll("thead th button")[{place}].click();' for place in presses)

    found, complaints = visit(
        page("campaigns", [Section("table", "Campaigns", [SORTABLE])]),
        tmp_path,
        ask=f"(page) => {{ {clicks} return [{NAMES}, {SORTS}]; }}",
    )

    assert (found["asked"], complaints) == ([order, sorts], [])


def test_a_head_is_pressed_by_the_keyboard(tmp_path):
    """Each head is a button: it takes the focus in turn, and Enter presses it."""
    ask = """(page) => [...page.querySelectorAll("thead th > button")].map((each) => {
        each.focus(); return [page.activeElement === each, each.type, each.tabIndex]; })"""

    found, _ = visit(page("campaigns", [Section("table", "Campaigns", [SORTABLE])]), tmp_path, ask=ask)

    assert found["asked"] == [[True, "submit", 0]] * 2


def test_without_its_script_it_is_a_plain_table(tmp_path):
    """Where the script may not run, the table stands as it was written, without buttons."""
    written = page("campaigns", [Section("table", "Campaigns", [SORTABLE])])
    blocked = re.sub(r"sha256-[^']+|sha256-[^&]+", "none", written)

    found, _ = visit(blocked, tmp_path, ask=f"(page) => [{NAMES}, page.querySelectorAll('button').length]")

    assert found["asked"] == ["badc", 0]


def test_the_policy_stops_what_is_put_in(tmp_path):
    """Even markup put into the page by other means could not run: the policy stops it, and the browser says so."""
    written = page("x", []).replace(
        "<main>", "<main><script>document.title = 'run'</script><img src=x onerror=alert(1)>"
    )

    found, complaints = visit(written, tmp_path, ask="(page) => page.title")

    assert found["asked"] == "x"
    assert any("Content Security Policy" in complaint for complaint in complaints)


# --- colours -----------------------------------------------------------------------------------

CONTRAST = """(page) => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const part = (n) => (n <= .04045 * 255 ? n / 255 / 12.92 : ((n / 255 + .055) / 1.055) ** 2.4);
  const light = (...colours) => {
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map(part);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const paper = getComputedStyle(page.body).backgroundColor;
  const of = (query, name) => {
    const [x, y] = [light(paper, getComputedStyle(page.querySelector(query))[name]), light(paper)];
    return (Math.max(x, y) + .05) / (Math.min(x, y) + .05);
  };
  return {
    words: ["h1", "dt", ".tiles small", ".level", "td", ".ticks span", ".name + .said"].map((one) => of(one, "color")),
    bars: [1, 2, 3].map((n) => of("path.s" + n, "fill")),
    lines: [".line", ".dot"].map((one) => of(one, "borderTopColor")),
  };
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read(tmp_path, scheme):
    """In light and dark, words stand out from the paper by 4.5 to 1 at least, bars and lines by 3 to 1."""
    written = attrs.evolve(spring(), ab=variants("AB")).to_html()
    written = written.replace("screen and (prefers-color-scheme: dark)", "all" if scheme == "dark" else "print")

    found, _ = visit(written, tmp_path, ask=CONTRAST)

    assert min(found["asked"]["words"]) >= 4.5
    assert min(found["asked"]["bars"] + found["asked"]["lines"]) >= 3


def test_a_notebook_around_decides_the_colours(tmp_path):
    """In a dark notebook the piece has the notebook's light text, and no paper of its own."""
    made = attrs.evolve(spring(), clicks=())._repr_html_()
    around = f"<!DOCTYPE html><body style='background:#111;color:#eee'><p>before</p>{made}<p>after</p>"
    ask = """(page) => {
        const [title, piece, rest] = ["h1", ".ck", "body > p"].map((one) => getComputedStyle(page.querySelector(one)));
        return [title.color, piece.backgroundColor, rest.fontSize, rest.margin];
    }"""

    found, complaints = visit(around, tmp_path, ask=ask)

    assert found["asked"] == ["rgb(238, 238, 238)", "rgba(0, 0, 0, 0)", "16px", "16px 0px"]
    assert complaints == []
