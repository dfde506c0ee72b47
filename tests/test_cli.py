"""The command line: what a shell sees of it, on files as people have them."""

from __future__ import annotations

import csv
import io
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import rich.console

from campaignkit import cli
from campaignkit.exports import LOG_COLUMNS

SPRING = Path(__file__).parent.parent / "examples" / "spring"
SPRING_LOG = (str(SPRING / "messages.csv"), "--carrier", "twilio")
SPRING_JOINED = (*SPRING_LOG, "--audience", str(SPRING / "audience.csv"), "--clicks", str(SPRING / "clicks.csv"))

GOOD = """\
message_id,campaign_id,status,variant,list_id,sent_at,carrier,error_code
m1,spring,delivered,a,shop,2026-05-01T09:00:00Z,,
m2,spring,failed,b,web,2026-05-01T09:00:00Z,twilio,30003
"""
BAD = GOOD + "m3,spring,weird,b,web,2026-05-01T09:00:00Z,,\n"
ZONELESS = GOOD.replace("Z", "")


def run(*arguments, cwd=None, stdout=subprocess.PIPE, **environment):
    """Return what ``python -m campaignkit report`` ended with: status, output, errors."""
    ended = subprocess.run(  # noqa: S603 - this Python, our own arguments
        [sys.executable, "-m", "campaignkit", "report", *arguments],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "100", **environment},
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
    )
    return ended.returncode, (ended.stdout or b"").decode("utf-8"), ended.stderr.decode("utf-8")


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    """Return what runs a report in this process, in a folder with good.csv: status, output, errors."""
    (tmp_path / "good.csv").write_text(GOOD, encoding="utf-8")
    (tmp_path / "bad.csv").write_text(BAD, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["campaignkit", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, *capsys.readouterr()

    return call


# --- the spring campaign -----------------------------------------------------------------------


def test_the_spring_campaign_as_text():
    """One command prints the report of 20,000 messages, joined with who they went to and who clicked."""
    status, text, errors = run(*SPRING_JOINED)

    assert (status, errors) == (0, "")
    lines = text.splitlines()
    assert lines[0] == "spring-2026"
    assert [line.split() for line in lines if line.startswith(("Total ", "lists "))] == [
        ["lists", "fair,", "old,", "shop,", "web"],
        ["Total", "20,000"],
    ]
    assert {"By variant", "By list", "Opt-outs", "Replies", "Progress", "Health"} <= set(lines)


def test_the_spring_campaign_as_json():
    """As JSON the same numbers can be processed; breaking down by two columns gives two lists of groups."""
    status, text, errors = run(
        *SPRING_LOG, "--format", "json", "--by", "sender", "--by", "status", "--profile", "dotdigital"
    )

    assert (status, errors) == (0, "")
    read = json.loads(text)
    assert (read["profile"], read["summary"]["counts"]["total"]) == ("dotdigital", 20_000)
    assert list(read["groups"]) == ["sender", "status"]
    assert sum(group["counts"]["total"] for group in read["groups"]["sender"]) == 20_000


def test_the_spring_campaign_as_a_message_log(tmp_path):
    """As CSV every message is a row; into a file, a manifest stands beside it, and nothing is printed."""
    status, text, errors = run(*SPRING_JOINED, "--format", "csv", "-o", "log.csv", cwd=tmp_path)

    assert (status, text, errors) == (0, "", "")
    with (tmp_path / "log.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == json.loads((tmp_path / "log.csv.manifest.json").read_text("utf-8"))["rows"] == 20_000
    assert "'=Sam" in {row["contact_name"].split(" ")[0] for row in rows}
    assert {row["to"][0] for row in rows} == {"+"}


def test_a_log_with_other_names_is_read_by_columns(here):
    """Columns that are called otherwise are named with --column; a format without a name with --input-format."""
    Path("odd.txt").write_text(GOOD.replace("status", "State").replace("sent_at", "When"), encoding="utf-8")

    status, text, errors = here(
        "report", "odd.txt", "--input-format", "csv", "--column", "status=State", "--column", "sent_at=When"
    )

    assert (status, errors) == (0, "")
    assert "sent at       2026-05-01 09:00 UTC" in text


def test_a_column_without_a_name_of_theirs_is_refused(here):
    """--column needs both names; otherwise one line says how it is written."""
    status, _, errors = here("report", "good.csv", "--column", "status")

    assert (status, errors) == (
        2,
        "campaignkit: --column is 'status': give our name, an equals sign and theirs, like status=State\n",
    )


def test_what_could_not_be_joined_is_said(here):
    """Rows of one id and messages to nobody in the audience are counted in the head of the report."""
    Path("twice.csv").write_text(
        "message_id,to,status\nm1,+12025550143,sent\nm1,+12025550143,delivered\nm2,+12025550144,sent\n"
    )
    Path("who.csv").write_text("to,variant\n+12025550143,a\n")

    status, text, _ = here("report", "twice.csv", "--audience", "who.csv")

    assert status == 0
    assert "1 rows had the id of another row and were joined with it" in text
    assert "1 messages went to numbers that the audience does not have" in text


# --- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.csv"], "[Errno 2] No such file or directory: 'missing.csv'"),
        (["bad.csv"], "row 4, column 'status': 'weird' "),
        (["good.csv", "--profile", "breevo"], "profile is 'breevo': not one we know; nearest: brevo"),
        (["good.csv", "--carrier", "twillio"], "carrier is 'twillio': no table of codes for it; nearest: twilio"),
        (["good.csv", "--by", "varient"], "no field 'varient' in Message; nearest: variant"),
        (["folder.csv"], "[Errno 21] Is a directory: 'folder.csv'"),
        (["binary.csv"], "the file is not UTF-8 text (byte 0xff): save it as UTF-8"),
    ],
)
def test_bad_input_ends_with_status_2_and_one_line(tmp_path, arguments, sentence):
    """Whatever is wrong with the input, a shell sees status 2, one line that says it, and no report."""
    (tmp_path / "good.csv").write_text(GOOD, encoding="utf-8")
    (tmp_path / "bad.csv").write_text(BAD, encoding="utf-8")
    (tmp_path / "binary.csv").write_bytes(b"status\xff\x00\x01\n\x80")
    (tmp_path / "folder.csv").mkdir()

    status, text, errors = run(*arguments, cwd=tmp_path)

    assert (status, text, errors.count("\n")) == (2, "", 1)
    assert errors.startswith(f"campaignkit: {sentence}")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.csv", b""),
        ("log.csv", b"a,b\n1,2\n"),
        ("log.csv", b"status\n\0\n"),
        ("log.csv", b"status,\x1b[31m\nsent,1,2,3\n"),
        ("log.csv", "status\nsent\n".encode("utf-16")),
        ("log.json", b"{"),
        ("log.json", b"[1, 2]"),
        ("log.jsonl", b'{"status": "sent"}\n{'),
        ("log.parquet", b"status\nsent\n"),
        ("log.txt", b"status\nsent\n"),
        ("log", b"status\nsent\n"),
    ],
)
def test_no_file_makes_a_traceback(here, tmp_path, name, content):
    """Files that are empty, cut off, of another kind or full of control characters are one line too."""
    (tmp_path / name).write_bytes(content)

    status, text, errors = here("report", name)

    assert (status, text, errors.count("\n")) == (2, "", 1)
    assert errors.startswith("campaignkit: ")
    assert errors.strip().isprintable()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--timezone", "Mars/Olympus"],
        ["--zone", "Mars/Olympus"],
        ["--audience", "missing.csv"],
        ["--clicks", "good.csv"],
        ["--orders", "good.csv"],
        ["-o", "."],
        ["--format", "csv", "-o", "."],
        ["--format", "json", "-o", "nowhere/report.json"],
    ],
)
def test_no_option_makes_a_traceback(here, arguments):
    """A wrong zone, table or place to write to is one line too."""
    status, text, errors = here("report", "good.csv", *arguments)

    assert (status, text, errors.count("\n")) == (2, "", 1)


def test_a_wrong_option_ends_with_status_2(here):
    """An option that does not exist, or a word it does not take, ends with status 2 and how to get help."""
    for arguments in (["--nope"], ["--format", "pdf"], ["--on-error", "ignore"]):
        status, text, errors = here("report", "good.csv", *arguments)

        assert (status, text) == (2, "")
        assert "--help" in errors


def test_bad_rows_may_be_reported_beside_the_rest(here):
    """Collected, a bad row is a line at the end of the report, and the rest is counted."""
    status, text, errors = here("report", "bad.csv", "--on-error", "collect")

    assert (status, errors) == (0, "")
    last = text.split("Rows that could not be read\n")[1].splitlines()
    assert [line[:31] for line in last if line] == ["-" * 27, "row 4, column 'status': 'weird'"]
    assert [line.split() for line in text.splitlines() if line.startswith("Total")] == [["Total", "2"]]


# --- what it writes ----------------------------------------------------------------------------


def test_text_json_and_csv_to_standard_output(here):
    """Each format goes to standard output; the break-down by variant and list comes unasked."""
    text = here("report", "good.csv")[1]
    read = json.loads(here("report", "good.csv", "--format", "json")[1])
    rows = list(csv.reader(io.StringIO(here("report", "good.csv", "--format", "csv")[1], newline="")))

    assert "By variant" in text
    assert list(read["groups"]) == ["variant", "list_id"]
    assert (rows[0], [row[0] for row in rows[1:]]) == (list(LOG_COLUMNS), ["m1", "m2"])


@pytest.mark.parametrize("option", ["-o", "--output"])
@pytest.mark.parametrize("kind", ["text", "json", "html"])
def test_into_a_file_goes_what_would_be_printed(here, tmp_path, option, kind):
    """With -o the same text goes into a file, and nothing to standard output."""
    printed = here("report", "good.csv", "--format", kind)[1]

    assert here("report", "good.csv", "--format", kind, option, "out.txt") == (0, "", "")
    assert (tmp_path / "out.txt").read_text("utf-8") == printed


def test_the_page_of_the_spring_campaign(tmp_path):
    """--format html writes the page: one file, small, by the clock that was asked for."""
    status, text, errors = run(
        *SPRING_JOINED, "--format", "html", "--zone", "America/Los_Angeles", "-o", "spring.html", cwd=tmp_path
    )

    assert (status, text, errors) == (0, "", "")
    page = (tmp_path / "spring.html").read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert len(page) < 100_000
    assert "2026-04-16 10:00 to 12:47 PDT" in page


def test_a_page_without_its_packages(tmp_path):
    """Without jinja2 the page is one line: what to install, exactly."""
    (tmp_path / "good.csv").write_text(GOOD, encoding="utf-8")
    (tmp_path / "jinja2.py").write_text("raise ModuleNotFoundError('no jinja2', name='jinja2')\n", encoding="utf-8")

    status, text, errors = run("good.csv", "--format", "html", cwd=tmp_path, PYTHONPATH=str(tmp_path))

    assert (status, text) == (2, "")
    assert errors == 'campaignkit: HTML needs jinja2: pip install "campaignkit[report]"\n'


def test_by_may_be_repeated(here):
    """Each --by is a break-down of its own, in place of variant and list."""
    text = here("report", "good.csv", "--by", "status", "--by", "carrier")[1]

    assert [line for line in text.splitlines() if line.startswith("By ")] == ["By status", "By carrier"]


def test_the_profile_decides_the_numbers(here):
    """The profile of a vendor gives that vendor's figures."""
    text = here("report", "good.csv", "--profile", "messengerflow")[1]

    assert next(line.split()[2:4] for line in text.splitlines() if line.startswith("Delivery success ")) == [
        "50.0",
        "%",
    ]


def test_times_without_a_zone_need_one(here, tmp_path):
    """A log whose times name no zone is refused, and read with --timezone."""
    (tmp_path / "good.csv").write_text(ZONELESS, encoding="utf-8")

    assert here("report", "good.csv")[0] == 2
    assert "2026-05-01 07:00 UTC" in here("report", "good.csv", "--timezone", "Europe/Paris")[1]


def test_audience_clicks_and_orders_are_joined(here, tmp_path):
    """People, clicks and orders from files of their own are counted with the messages they belong to."""
    (tmp_path / "log.csv").write_text("to,status,sent_at\n+12025550143,delivered,2026-05-01T09:00:00Z\n", "utf-8")
    (tmp_path / "people.csv").write_text("to,contact_id,variant\n+12025550143,c1,a\n", "utf-8")
    (tmp_path / "clicks.csv").write_text("contact_id,clicked_at\nc1,2026-05-01T09:05:00Z\n", "utf-8")
    (tmp_path / "orders.csv").write_text(
        "contact_id,ordered_at,revenue,currency\nc1,2026-05-01T10:00:00Z,9.50,USD\n", "utf-8"
    )

    tables = ["--audience", "people.csv", "--clicks", "clicks.csv", "--orders", "orders.csv"]
    read = json.loads(here("report", "log.csv", *tables, "--format", "json")[1])["summary"]

    assert (read["counts"]["clicked"], read["counts"]["converted"], read["revenue"]) == (1, 1, {"USD": "9.5"})


def test_help_exits_0():
    """--help says what there is and ends well."""
    status, text, errors = run("--help", NO_COLOR="1")

    assert (status, errors) == (0, "")
    assert "--on-error" in text


def test_output_is_utf8_whatever_the_locale(tmp_path):
    """Signs and names that the locale's encoding does not have are written as UTF-8."""
    (tmp_path / "log.csv").write_text("status,campaign_id\nsent,春\n", encoding="utf-8")

    status, text, errors = run("log.csv", cwd=tmp_path, PYTHONIOENCODING="ascii")

    assert (status, errors) == (0, "")
    assert text.startswith("春\n")


@pytest.mark.parametrize("kind", ["text", "csv"])
def test_a_closed_pipe_prints_no_traceback(tmp_path, kind):
    """Where the reader has left, as head does, the command ends without a word."""
    (tmp_path / "good.csv").write_text(GOOD, encoding="utf-8")
    left, ours = os.pipe()
    os.close(left)
    with os.fdopen(ours, "wb") as pipe:
        status, _, errors = run("good.csv", "--format", kind, cwd=tmp_path, stdout=pipe)

    assert (status, errors) == (1, "")


def test_without_its_packages_it_says_how_to_get_them(tmp_path):
    """Without typer the command is one line: what to install, exactly."""
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError('no typer', name='typer')\n", encoding="utf-8")

    status, text, errors = run("good.csv", PYTHONPATH=str(tmp_path))

    assert (status, text) == (1, "")
    assert errors == 'the command line needs typer: pip install "campaignkit[cli]"\n'


@pytest.mark.parametrize("package", ["typer", "rich.console"])
def test_each_of_its_packages_is_named(monkeypatch, package):
    """Whichever package is missing is the one that is named."""
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(SystemExit) as ended:
        runpy.run_path(cli.__file__)

    assert ended.value.code == f'the command line needs {package}: pip install "campaignkit[cli]"'


def test_the_package_runs_as_a_module(monkeypatch, capsys):
    """The package itself is the program, as python -m has it."""
    monkeypatch.setattr(sys, "argv", ["campaignkit", "report", "--help"])

    with pytest.raises(SystemExit) as ended:
        runpy.run_module("campaignkit", run_name="__main__")

    assert (ended.value.code, "--on-error" in capsys.readouterr().out) == (0, True)


def test_a_host_may_have_replaced_standard_output(here, monkeypatch):
    """Where a host has put something else in place of standard output, the report goes there."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())

    status, _, errors = here("report", "good.csv")

    assert (status, errors, sys.stdout.getvalue()[:7]) == (0, "", "spring\n")


# --- the bar -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("watched", "least", "drawn"), [(True, 0, True), (True, 10**9, False), (False, 0, False)])
def test_a_bar_on_long_input_when_somebody_watches(here, monkeypatch, watched, least, drawn):
    """Long input draws a bar on standard error, never into the report, and only on a terminal."""
    monkeypatch.setattr(rich.console.Console, "is_terminal", watched)
    monkeypatch.setattr(cli, "_LONG_INPUT", least)

    status, text, errors = here("report", "good.csv")

    assert (status, text.startswith("spring\n========\n")) == (0, True)
    assert ("reading good.csv" in errors) == drawn


def test_no_bar_for_a_file_that_is_not_there(here, monkeypatch):
    """A missing file is its own one line, watched or not."""
    monkeypatch.setattr(rich.console.Console, "is_terminal", True)

    assert here("report", "missing.csv") == (
        2,
        "",
        "campaignkit: [Errno 2] No such file or directory: 'missing.csv'\n",
    )
