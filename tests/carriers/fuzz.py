"""The parsers of carriers under coverage-guided bytes: ``make fuzz``, or ``python tests/carriers/fuzz.py twilio``.

test_fuzz.py makes webhooks that are nearly right; this one finds its own way into the branches.
Whatever is raised but `WebhookRejected` ends it with the bytes that did it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["campaignkit"]):
    import attrs

    from campaignkit import WebhookRejected, fold
    from campaignkit.models import Receipt
    from campaignkit.testing.dialects import DIALECTS, get_dialect
    from campaignkit.testing.dialects.base import Submitted

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
SECONDS = 20
SUBMITTED = Submitted(to="+12025550143", sender="+12025550100", text="Hello", attempt_id="a-1")


def fuzz(name: str, arguments: list[str]) -> None:
    """Fuzz one carrier's parser in this process, which libFuzzer then ends."""
    dialect = get_dialect(name)()
    carrier = attrs.evolve(dialect.carrier, verify="insecure-for-tests")
    failed = next(iter(dialect.failures))
    genuine = [
        dialect.receipt(SUBMITTED, "id-1", *failed, NOW),
        dialect.reply("+12025550143", "+12025550100", "Hello", "id-2", NOW),
    ]

    def one(data: bytes) -> None:
        for request in genuine:
            where = request.url.partition("?")[0]
            made = attrs.evolve(request, body=data)
            if not request.body:
                made = attrs.evolve(request, url=f"{where}?{data.decode('latin-1')}")
            with contextlib.suppress(WebhookRejected):
                fold(event for event in carrier.events(made, now=NOW) if isinstance(event, Receipt))

    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as corpus:
        for number, request in enumerate(genuine):
            Path(corpus, str(number)).write_bytes(request.body or request.url.partition("?")[2].encode())
        atheris.Setup([sys.argv[0], corpus, "-max_len=65536", "-timeout=5", "-rss_limit_mb=1024", *arguments], one)
        atheris.Fuzz()


def main() -> int:
    """Fuzz one carrier, or each in a process of its own."""
    if sys.argv[1:]:
        fuzz(sys.argv[1], sys.argv[2:])
        return 0
    failed = 0
    for name in DIALECTS:
        print(f"{name}: {SECONDS} s", flush=True)  # noqa: T201 - a script
        command = [sys.executable, __file__, name, f"-max_total_time={SECONDS}", "-verbosity=0", "-print_final_stats=1"]
        failed += subprocess.run(command, check=False).returncode != 0  # noqa: S603 - this Python, this file
    return failed


if __name__ == "__main__":
    sys.exit(main())
