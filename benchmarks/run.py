"""`make bench`: each path against the best hand-written code for it, in pairs, in one process.

The machine is noisy, so a ratio is the median over pairs of runs that alternate; absolute
figures are the median of the runs. Both sides are checked to give the same numbers first.
"""

from __future__ import annotations

import argparse
import gc
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.compute as pc
from benchmarks import ab, carriers, data, storage

import campaignkit as ck

PAIRS = 7


def seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def pairs(ours: Callable[[], object], theirs: Callable[[], object], times: int = PAIRS) -> tuple[float, float, float]:
    """Median ratio, and the median seconds of each side."""
    ours(), theirs()
    runs = []
    for turn in range(times):
        if turn % 2:
            a, b = seconds(ours), seconds(theirs)
        else:
            b, a = seconds(theirs), seconds(ours)
        runs.append((a, b))
    return (
        statistics.median(a / b for a, b in runs),
        statistics.median(a for a, _ in runs),
        statistics.median(b for _, b in runs),
    )


def line(path: str, *, ours: float, target: str, speed: str = "") -> None:
    print(f"{path:<72}        {1000 * ours:9.1f} ms {'':>12}  {speed:<12} target {target}")
    sys.stdout.flush()


def show(path: str, result: tuple[float, float, float], target: str, rows: int = 0) -> None:
    ratio, ours, theirs = result
    rate = f"{rows / ours / 1e6:6.2f} M/s" if rows else ""
    print(f"{path:<72} {ratio:5.2f}  {1000 * ours:9.1f} ms {1000 * theirs:9.1f} ms  {rate:<12} target {target}")
    sys.stdout.flush()


# --- frames -------------------------------------------------------------------------------------


def direct(lf: pl.LazyFrame) -> pl.DataFrame:
    """A single pass of conditional sums, as most people write it, for the counts that this data has."""
    status, code = pl.col("status"), pl.col("error_code")
    failed = status == "undelivered"
    return (
        lf.group_by("campaign_id")
        .agg(
            pl.len().alias("messages"),
            (status == "pending").sum().alias("pending"),
            (status != "pending").sum().alias("sent"),
            (status == "sent").sum().alias("processing"),
            (status == "delivered").sum().alias("delivered"),
            failed.sum().alias("failed"),
            (failed & code.is_in(["30007", "30034", "21610"])).sum().alias("other"),
            (failed & code.is_in(["30003", "30006", "30008", "30410"])).sum().alias("soft"),
            (failed & code.is_in(["30004", "30005"])).sum().alias("hard"),
            pl.col("segments").sum(),
        )
        .collect()
    )


def two_level(lf: pl.LazyFrame) -> dict[str, dict[str, int]]:
    """One GROUP BY of the raw facts, then the few cells in Python: the best hand-written form."""
    table = lf.group_by("campaign_id", "status", "error_code").agg(pl.len(), pl.col("segments").sum()).collect()
    return read_cells(table.iter_rows())


def two_level_quantiles(lf: pl.LazyFrame) -> tuple[object, pl.DataFrame]:
    elapsed = (pl.col("delivered_at") - pl.col("sent_at")).dt.total_milliseconds()
    quantiles = lf.group_by("campaign_id").agg(
        elapsed.quantile(0.5).alias("median"), elapsed.quantile(0.95).alias("p95")
    )
    return two_level(lf), quantiles.collect()


def all_counts(frame: object, **asked: object) -> dict[object, ck.Counts]:
    return {key: each.counts for key, each in ck.summarize(frame, by="campaign_id", carrier="twilio", **asked).items()}  # type: ignore[call-overload, attr-defined]


def all_latencies(frame: object) -> list[object]:
    groups = ck.summarize(frame, by="campaign_id", carrier="twilio")
    return [(each.counts, each.latency) for each in groups.values()]


MESSAGE_COLUMNS = ["campaign_id", "status", "error_code", "segments"]


def check_same(lf: pl.LazyFrame) -> None:
    hand, own = two_level(lf), all_counts(lf)
    for campaign, counts in hand.items():
        mine = own[campaign]
        got = (mine.total, mine.sent, mine.delivered, mine.soft, mine.hard, mine.segments)
        assert tuple(counts[name] for name in ("messages", "sent", "delivered", "soft", "hard", "segments")) == got


def frames(rows: int) -> None:
    table = data.frame(rows)
    messages = table.select(MESSAGE_COLUMNS).lazy()
    timed = table.select([*MESSAGE_COLUMNS, "sent_at", "delivered_at"]).lazy()
    check_same(messages)
    name = f"{rows // 1_000_000} M rows, polars lazy, by campaign"
    show(
        f"{name}: counts / hand-written single pass",
        pairs(lambda: all_counts(messages), lambda: direct(messages)),
        "<= 0.80",
        rows,
    )
    show(
        f"{name}: counts / hand-written two-level",
        pairs(lambda: all_counts(messages), lambda: two_level(messages)),
        "<= 1.15",
        rows,
    )
    show(
        f"{name}: with latency / two-level + quantiles",
        pairs(lambda: all_latencies(timed), lambda: two_level_quantiles(timed)),
        "<= 1.1",
        rows,
    )


def people(rows: int) -> None:
    table = data.frame(rows)
    lf = table.select([*MESSAGE_COLUMNS, "contact_id", "replies", "clicks"]).lazy()
    asked = ck.People("contact_id", ("repliers", "clickers"))

    def ours() -> object:
        groups = ck.summarize(lf, by="campaign_id", carrier="twilio", people=asked)
        return {key: (each.people.repliers, each.people.clickers) for key, each in groups.items()}

    def hand() -> dict[str, tuple[int, int]]:
        per = lf.group_by("campaign_id", "contact_id").agg(pl.col("replies").max(), pl.col("clicks").max())
        found = per.group_by("campaign_id").agg((pl.col("replies") > 0).sum(), (pl.col("clicks") > 0).sum())
        return {key: (a, b) for key, a, b in found.collect().iter_rows()}

    assert ours() == hand()
    show(f"{rows // 1_000_000} M rows: repliers and clickers (people=) / two-level", pairs(ours, hand), "<= 1.0", rows)


def pandas(rows: int) -> None:
    table = data.frame(rows).select(MESSAGE_COLUMNS).to_pandas()

    def hand() -> pd.DataFrame:
        grouped = table.groupby(["campaign_id", "status", "error_code"], dropna=False, sort=False)
        cells = grouped.agg(n=("segments", "size"), segments=("segments", "sum")).reset_index()
        cells["sent"] = cells["n"].where(cells["status"] != "pending", 0)
        cells["delivered"] = cells["n"].where(cells["status"] == "delivered", 0)
        cells["soft"] = cells["n"].where(cells["error_code"].isin(["30003", "30006", "30008", "30410"]), 0)
        cells["hard"] = cells["n"].where(cells["error_code"].isin(["30004", "30005"]), 0)
        return cells.groupby("campaign_id")[["n", "sent", "delivered", "soft", "hard", "segments"]].sum()

    show(
        f"{rows // 1_000_000} M rows, pandas / hand-written two-level",
        pairs(lambda: all_counts(table), hand),
        "<= 1.4",
        rows,
    )


def small() -> None:
    few = data.frame(1000, campaigns=3).head(100).select(MESSAGE_COLUMNS).lazy()
    show(
        "100 rows, polars lazy / hand-written single pass",
        pairs(lambda: all_counts(few), lambda: direct(few), 41),
        "<= 2",
    )


# --- every engine -------------------------------------------------------------------------------


def read_cells(rows: list[tuple[str, str, str | None, int, int]]) -> dict[str, dict[str, int]]:
    """What everybody does in Python with the few cells of a two-level query."""
    found: dict[str, dict[str, int]] = {}
    for campaign, status, code, n, segments in rows:
        counts = found.setdefault(
            campaign, dict.fromkeys(("messages", "sent", "delivered", "soft", "hard", "segments"), 0)
        )
        counts["messages"] += n
        counts["segments"] += segments
        counts["sent"] += n if status != "pending" else 0
        counts["delivered"] += n if status == "delivered" else 0
        counts["soft"] += n if code in {"30003", "30006", "30008", "30410"} else 0
        counts["hard"] += n if code in {"30004", "30005"} else 0
    return found


def parquet(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "messages.parquet"
        data.frame(rows).write_parquet(path, row_group_size=1_000_000)
        connection, name = duckdb.connect(), f"{rows // 1_000_000} M rows of Parquet, by campaign"

        def polars_hand() -> object:
            cells = pl.scan_parquet(path).group_by("campaign_id", "status", "error_code")
            table = cells.agg(pl.len(), pl.col("segments").sum()).collect(engine="streaming")
            return read_cells(table.rows())

        def polars_ours() -> object:
            return all_counts(pl.scan_parquet(path).select(MESSAGE_COLUMNS))

        def duckdb_hand() -> object:
            query = f"SELECT campaign_id, status, error_code, count(*), sum(segments) FROM '{path}' GROUP BY ALL"
            return read_cells(connection.sql(query).fetchall())

        def duckdb_ours() -> object:
            return all_counts(connection.read_parquet(str(path)).select(*MESSAGE_COLUMNS))

        show(f"{name}: polars streaming / hand-written two-level", pairs(polars_ours, polars_hand), "<= 1.10", rows)
        show(f"{name}: duckdb / hand-written two-level", pairs(duckdb_ours, duckdb_hand), "<= 1.3", rows)


def pyarrow(rows: int) -> None:
    table = data.frame(rows).select(MESSAGE_COLUMNS).to_arrow()

    def hand() -> object:
        grouped = table.group_by(["campaign_id", "status", "error_code"])
        cells = grouped.aggregate([([], "count_all"), ("segments", "sum")])
        return read_cells(list(zip(*cells.to_pydict().values(), strict=True)))

    show(
        f"{rows // 1_000_000} M rows, pyarrow / hand-written two-level",
        pairs(lambda: all_counts(table), hand),
        "<= 1.3",
        rows,
    )


PEOPLE_COLUMNS = [*MESSAGE_COLUMNS, "contact_id", "replies", "clicks"]
ALL_PEOPLE = ("recipients", "unique_sends", "unique_deliveries", "repliers", "clickers")


def people_of(frame: object, asked: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    groups = ck.summarize(frame, by="campaign_id", carrier="twilio", people=ck.People("contact_id", asked))
    return {key: tuple(getattr(each.people, name) for name in asked) for key, each in groups.items()}


def people_duckdb(rows: int) -> None:
    held = data.frame(rows).select(PEOPLE_COLUMNS).to_arrow()  # noqa: F841 - duckdb finds it by its name
    connection = duckdb.connect()
    connection.execute("CREATE TABLE messages AS SELECT * FROM held")
    relation, name = connection.table("messages"), f"{rows // 1_000_000} M rows, duckdb"
    group = "SELECT campaign_id, status, error_code, count(*), sum(segments) FROM messages GROUP BY ALL"

    def few() -> dict[str, tuple[int, ...]]:
        read_cells(connection.sql(group).fetchall())
        query = (
            "SELECT campaign_id, count(*) FILTER (r), count(*) FILTER (c) FROM (SELECT campaign_id, contact_id,"
            " bool_or(replies > 0) r, bool_or(clicks > 0) c FROM messages WHERE replies > 0 OR clicks > 0"
            " GROUP BY ALL) GROUP BY ALL"
        )
        return {key: tuple(counts) for key, *counts in connection.sql(query).fetchall()}

    def every() -> dict[str, tuple[int, ...]]:
        read_cells(connection.sql(group).fetchall())
        query = (
            "SELECT campaign_id, m, count(*) FROM (SELECT campaign_id, contact_id, bit_or((status <> 'pending')::INT"
            " + 2 * (status = 'delivered')::INT + 4 * (replies > 0)::INT + 8 * (clicks > 0)::INT) m"
            " FROM messages GROUP BY ALL) GROUP BY ALL"
        )
        found: dict[str, list[int]] = {}
        for key, marks, n in connection.sql(query).fetchall():
            counts = found.setdefault(key, [0] * 5)
            for place, counted in enumerate((True, marks & 1, marks & 2, marks & 4, marks & 8)):
                counts[place] += n if counted else 0
        return {key: tuple(counts) for key, counts in found.items()}

    compare_people(name, relation, few, every, rows)


def people_pyarrow(rows: int) -> None:
    table = data.frame(rows).select(PEOPLE_COLUMNS).to_arrow()

    def distinct(where: pc.Expression | None) -> dict[str, int]:
        chosen = table if where is None else table.filter(where)
        grouped = chosen.group_by("campaign_id").aggregate([("contact_id", "count_distinct")])
        return dict(
            zip(grouped["campaign_id"].to_pylist(), grouped["contact_id_count_distinct"].to_pylist(), strict=True)
        )

    def counted(*wheres: pc.Expression | None) -> dict[str, tuple[int, ...]]:
        cells = table.group_by(["campaign_id", "status", "error_code"])
        cells = cells.aggregate([([], "count_all"), ("segments", "sum")])
        read_cells(list(zip(*cells.to_pydict().values(), strict=True)))
        found = [distinct(where) for where in wheres]
        return {key: tuple(each.get(key, 0) for each in found) for key in found[0]}

    replied, clicked = pc.field("replies") > 0, pc.field("clicks") > 0
    sent, delivered = pc.field("status") != "pending", pc.field("status") == "delivered"
    compare_people(
        f"{rows // 1_000_000} M rows, pyarrow",
        table,
        lambda: counted(replied, clicked),
        lambda: counted(None, sent, delivered, replied, clicked),
        rows,
    )


def compare_people(name: str, frame: object, few: Callable[[], object], every: Callable[[], object], rows: int) -> None:
    for asked, hand, called in ((ALL_PEOPLE[-2:], few, "repliers and clickers"), (ALL_PEOPLE, every, "all people")):
        assert people_of(frame, asked) == hand()
        result = pairs(lambda asked=asked: people_of(frame, asked), hand, 5)
        show(f"{name}: counts and {called} / best queries", result, "<= 1.3", rows)


IN_PROCESS = """
import sys, time
import campaignkit as ck
{imports}
begun = time.perf_counter()
groups = ck.summarize({frame}, by="campaign_id", carrier="twilio")
assert sum(each.counts.total for each in groups.values()) == {rows}
print(time.perf_counter() - begun)
"""


def large(rows: int) -> None:
    """A tenth and all of it, each in a process of its own: seconds, and the most memory it held."""
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / "0.parquet"
        data.frame(rows // 10).write_parquet(first, row_group_size=1_000_000)
        for place in range(1, 10):
            shutil.copy(first, Path(folder) / f"{place}.parquet")
        for engine, imports, frame in (
            ("polars", "import polars as pl", "pl.scan_parquet('{}').select({})"),
            (
                "duckdb",
                "import duckdb; duckdb.sql('SET enable_progress_bar = false')",
                "duckdb.read_parquet('{}').select(*{})",
            ),
        ):
            spent = {}
            for files, size in ((str(first), rows // 10), (f"{folder}/*.parquet", rows)):
                code = IN_PROCESS.format(imports=imports, frame=frame.format(files, MESSAGE_COLUMNS), rows=size)
                runs = [measured(code) for _ in range(3)]
                spent[size], memory = statistics.median(run[0] for run in runs), max(run[1] for run in runs)
            share = spent[rows] / spent[rows // 10] / 10
            line(
                f"{rows // 1_000_000} M rows of Parquet, {engine}: {share:.2f} of linear, {memory:,.0f} MB at most",
                ours=spent[rows],
                target="linear, <= 1,200 MB",
                speed=f"{rows / spent[rows] / 1e6:6.2f} M/s",
            )


def measured(code: str) -> tuple[float, float]:
    """Seconds that a program says it took, and the most megabytes it held."""
    # Not what getrusage says: that begins with the memory of the process it was forked from.
    peak = "next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1]"
    wrapped = f"{code}\nprint(int({peak}) / 1024)"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", wrapped], check=True, capture_output=True, text=True)
    seconds_, megabytes, *_ = done.stdout.split()
    return float(seconds_), float(megabytes)


def spark(rows: int) -> None:
    sys.path.insert(0, "tests")
    import warnings  # noqa: PLC0415 - Spark is only here

    from engines import spark as start  # noqa: PLC0415 - the same

    warnings.simplefilter("ignore")
    session = start(cores=2)
    with tempfile.TemporaryDirectory() as folder:
        data.frame(rows).write_parquet(f"{folder}/messages.parquet", row_group_size=1_000_000)
        frame = session.read.parquet(f"{folder}/messages.parquet").select(*MESSAGE_COLUMNS)

        def hand() -> object:
            from pyspark.sql import functions  # noqa: PLC0415 - the same

            cells = frame.groupBy("campaign_id", "status", "error_code")
            found = cells.agg(functions.count("*"), functions.sum("segments")).collect()
            return read_cells([tuple(row) for row in found])

        show(
            f"{rows // 1_000_000} M rows of Parquet, Spark / hand-written two-level",
            pairs(lambda: all_counts(frame), hand, 5),
            "<= 1.8",
            rows,
        )
    session.stop()


def html(rows: int) -> None:
    made = data.records(rows, "latency")
    gc.collect()
    gc.freeze()
    runs = []
    for _ in range(3):
        summary = seconds(lambda: ck.summarize(made).counts)
        page: list[str] = []
        report = seconds(lambda page=page: page.append(ck.Report.of(made).to_html()))
        runs.append((report, summary, len(page[0].encode())))
    report, summary, size = (statistics.median(values) for values in zip(*runs, strict=True))
    gc.unfreeze()
    line(
        f"HTML of {rows:,} messages: {size / 1e3:,.0f} kB, its summary {summary:.2f} s, so at most"
        f" {1.5 * summary + 2:.2f} s",
        ours=report,
        target="<= 1.5 summary + 2 s, 1 MB",
    )


# --- rows and live ---------------------------------------------------------------------------------


def rows_path(rows: int) -> None:
    targets = {
        "segments": ("counts, segments", 4.5, 6),
        "money": ("all counts, Decimal money", 2, 12),
        "latency": ("and latency", 1.2, 20),
    }
    for kind, (name, speed, times) in targets.items():
        made = data.records(rows, kind)
        gc.collect()
        gc.freeze()

        def bare(made: list[ck.Message] = made) -> int:
            total = 0
            for each in made:
                total += each.segments or 0
            return total

        result = pairs(lambda made=made: ck.tally(made, by=("campaign_id", "variant")), bare)
        show(
            f"{rows:,} records by campaign, variant: {name} / bare loop", result, f">= {speed} M/s or <= {times}", rows
        )
        gc.unfreeze()
    few = made[:100]
    once = statistics.median(seconds(lambda: ck.summarize(few).counts) for _ in range(50))
    line("100 records", ours=once, target="< 1 ms")


def live(messages: int) -> None:
    sent, events = data.receipts(messages)
    gc.collect()
    gc.freeze()

    def fresh() -> ck.Live:
        made = ck.Live(by="campaign_id")
        made.add(sent)
        return made

    for name, target in (("one at a time", ">= 1.2 M/s"), ("batch", ">= 1.3 M/s")):
        runs = []
        for _ in range(PAIRS):
            follower = fresh()
            if name == "batch":
                runs.append(seconds(lambda f=follower: f.apply_many(events)))
            else:
                runs.append(seconds(lambda f=follower: [f.apply(event) for event in events]))
        spent = statistics.median(runs)
        line(f"live, receipts {name}", ours=spent, target=target, speed=f"{len(events) / spent / 1e6:6.2f} M/s")
    gc.unfreeze()


# --- import and phone -------------------------------------------------------------------------------


def imports() -> None:
    def run(code: str) -> float:
        return seconds(lambda: subprocess.run([sys.executable, "-c", code], check=True))

    bare = "import sys"
    over = [run("import campaignkit") - run(bare) for _ in range(15)]
    used = [run("import campaignkit; campaignkit.Message") - run(bare) for _ in range(15)]
    tests = [run("import campaignkit.ab") - run(bare) for _ in range(15)]
    line("import campaignkit, over a bare interpreter", ours=statistics.median(over), target="<= 45 ms")
    line("  and its first Message", ours=statistics.median(used), target="<= 45 ms")
    line("import campaignkit.ab", ours=statistics.median(tests), target="<= 60 ms")


def phones(count: int) -> None:
    import phonenumbers  # noqa: PLC0415 - only here

    def examples(regions: list[str]) -> list[str]:
        kinds = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
        found = [phonenumbers.example_number_for_type(region, kind) for region in regions for kind in kinds]
        bases = [phonenumbers.format_number(each, phonenumbers.PhoneNumberFormat.E164) for each in found if each]
        return [f"{bases[place % len(bases)][:-3]}{place // len(bases) % 1000:03d}" for place in range(count)]

    for name, regions, target in (
        ("few regions", ["US", "GB", "FR", "DE", "IN", "BR", "AU", "ES"], ">= 15,000/s"),
        ("all regions mixed", sorted(phonenumbers.SUPPORTED_REGIONS), ">= 10,000/s"),
    ):
        texts = examples(regions)
        runs = [seconds(lambda texts=texts: ck.parse_phones(texts)) for _ in range(3)]
        spent = statistics.median(runs)
        line(f"parse_phones, {name}", ours=spent, target=target, speed=f"{count / spent:8,.0f}/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a tenth of the rows, to see that everything runs")
    parser.add_argument("--only", help="run only this part; storage is all whose name begins so")
    parser.add_argument("--rows", type=int, default=storage.ROWS, help="of a stored campaign, and of recipients")
    options = parser.parse_args()
    scale = 10 if options.small else 1
    parts: dict[str, Callable[[], None]] = {
        "frames": lambda: frames(10_000_000 // scale),
        "people": lambda: people(5_000_000 // scale),
        "pandas": lambda: pandas(1_000_000),
        "small": small,
        "parquet": lambda: parquet(10_000_000 // scale),
        "pyarrow": lambda: pyarrow(10_000_000 // scale),
        "people_duckdb": lambda: people_duckdb(5_000_000 // scale),
        "people_pyarrow": lambda: people_pyarrow(5_000_000 // scale),
        "large": lambda: large(100_000_000 // scale),
        "spark": lambda: spark(10_000_000 // scale),
        "html": lambda: html(1_000_000 // scale),
        "rows": lambda: rows_path(300_000 // scale),
        "live": lambda: live(200_000 // scale),
        "ab.split": lambda: ab.split_parts(1_000_000 // scale),
        "ab.compare": lambda: ab.compare_parts(1_000_000 // scale),
        "imports": imports,
        "phones": lambda: phones(20_000 // scale),
        "webhooks": lambda: carriers.webhooks(20_000 // scale),
        "gateways": lambda: carriers.gateways(2_000 // scale),
        "storage.receipts": lambda: storage.receipts(3_000 // scale, 200 // scale, 5_000 // scale),
        "storage.postgres": lambda: storage.receipts_postgres(2_000 // scale, 10_000),
        "storage.campaign": lambda: storage.campaign(options.rows // scale),
        "storage.recipients": lambda: storage.recipients(options.rows // scale),
        "storage.webhooks": lambda: storage.routes(5_000 // scale),
    }
    print(f"{'path':<72} ratio       ours       hand")
    for name, part in parts.items():
        if options.only in (None, name, name.partition(".")[0]):
            part()


if __name__ == "__main__":
    main()
