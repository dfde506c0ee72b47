"""A/B tests: a million contacts split, beside the bare loop that hashes them; a million compared, beside tea-tasting.

Process time where one thread works, because the machine is shared: what others do does not count.
"""

from __future__ import annotations

import gc
import hashlib
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import polars as pl

from campaignkit import ab
from campaignkit.ab.splitting import split

PAIRS = 5
LOOKS = 15
RATES = {"delivery_rate": 0.95, "click_rate": 0.05, "reply_rate": 0.02, "opt_out_rate": 0.003, "conversion_rate": 0.01}


def seconds(call: Callable[[], object]) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun


def show(path: str, ours: list[float], hand: list[float], target: str, rows: int) -> None:
    ratio = statistics.median(a / b for a, b in zip(ours, hand, strict=True))
    mine, theirs = statistics.median(ours), statistics.median(hand)
    rate = f"{rows / mine / 1e6:6.2f} M/s"
    print(f"{path:<72} {ratio:5.2f}  {1000 * mine:9.1f} ms {1000 * theirs:9.1f} ms  {rate:<12} target {target}")
    sys.stdout.flush()


def split_parts(contacts: int) -> None:
    """The split of text keys, and the bare loop: SHA-256 with a copied prefix, and nothing kept."""
    keys = [f"+33{600_000_000 + number}" for number in range(contacts)]
    strata = [{"contact_id": key, "country": key[3:5]} for key in keys]
    gc.collect()
    gc.freeze()

    def bare() -> None:
        salted = hashlib.sha256(b"spring:")
        for key in keys:
            each = salted.copy()
            each.update(key.encode())
            each.digest()

    paths: dict[str, Callable[[], object]] = {
        "split": lambda: split(keys, salt="spring"),
        "split in 10 strata": lambda: split(strata, salt="spring", stratify="country"),
        "split, and its order of sending": lambda: split(keys, salt="spring").send_order(),
    }
    for name, ours in paths.items():
        ours(), bare()
        runs = [(seconds(ours), seconds(bare)) for _ in range(PAIRS)]
        mine, theirs = (list(side) for side in zip(*runs, strict=True))
        target = "<= 1.5 s" if name == "split" else "-"
        show(f"{contacts:,} keys: {name} / bare loop of SHA-256", mine, theirs, target, contacts)
    gc.unfreeze()


def wall(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def compare_parts(rows: int) -> None:
    """The comparison of prepared rows, five metrics of two variants with every interval and p-value."""
    import tea_tasting  # noqa: PLC0415 - only here

    random = np.random.default_rng(20261122)
    frame = pl.DataFrame(
        {
            "variant": pl.Series(random.integers(0, 2, rows)).replace_strict(
                {0: "A", 1: "B"}, return_dtype=pl.Enum("AB")
            ),
            **{name: random.random(rows) < rate for name, rate in RATES.items()},
        }
    )
    theirs = tea_tasting.Experiment({name: tea_tasting.Proportion(name) for name in RATES})

    def ours() -> ab.Comparison:
        made = ab.compare(frame, metrics=dict(zip(RATES, RATES, strict=True)))
        for metric in made.values():
            assert metric.contrasts["B"].p_value is not None
        return made

    def best() -> None:
        for metric in ours().values():
            assert metric.prob_best

    found, made = theirs.analyze(frame, control="A"), ours()
    for name in RATES:
        assert abs(found[name].control - made[name].estimates["A"].value) < 1e-12  # the same rates on both sides
    for called, side, target in (("", ours, "<= 0.7"), (", and the odds of being best", best, "-")):
        side()
        runs = [(wall(side), wall(lambda: theirs.analyze(frame, control="A"))) for _ in range(LOOKS)]
        mine, hand = (list(each) for each in zip(*runs, strict=True))
        show(f"{rows:,} prepared rows, 5 metrics, 2 variants{called} / tea-tasting", mine, hand, target, rows)
    counts = {
        arm: {"sent": 2500, "delivered": 2400, "clicked": x, "replied": 50, "opted_out": 5, "converted": 20}
        for arm, x in (("A", 120), ("B", 150))
    }

    def of_counts() -> None:
        for metric in ab.compare(counts, metrics=[*RATES]).values():
            assert metric.prob_best["B"] is not None
            assert metric.contrasts["B"].p_value is not None

    of_counts()
    spent = statistics.median(seconds(of_counts) for _ in range(LOOKS))
    print(
        f"{'counts, 5 metrics, 2 variants, exact odds included':<72} {'':5}  {1000 * spent:9.1f} ms   target <= 20 ms"
    )


if __name__ == "__main__":
    split_parts(1_000_000)
    compare_parts(1_000_000)
