"""Runs tiers of tests one after the other: `python scripts/tiers.py unit golden methods integration`.

Prints the minutes of each tier, then the closing line of each pytest run. A tier that fails, or holds no test, fails
all; the others run all the same.
"""

# ruff: noqa: T201 (a script talks on standard output)

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Tests share nothing but fixtures of their file, and a conversion or a pipeline keeps about one core busy.
_PARALLEL = ("-n", "auto", "--maxprocesses", "4", "--dist", "loadfile")
ARGUMENTS = {
    "unit": [*_PARALLEL, "-m", "not methods", "tests/unit"],
    "golden": [*_PARALLEL, "tests/golden"],
    "methods": [*_PARALLEL, "-m", "methods", "tests/unit"],
    "browser": ["-m", "browser", "tests/browser"],
    "flink": ["-m", "flink", "tests/integration/test_flink.py"],
    "integration": [*_PARALLEL, "-m", "integration", "tests/integration"],
}


def run_tier(tier: str) -> tuple[int, float, str]:
    """Returns pytest's exit status, the minutes and the closing line; everything is shown as it comes."""
    start, closing = time.monotonic(), ""
    command = [sys.executable, "-m", "pytest", *ARGUMENTS[tier]]
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            closing = line.rstrip() or closing
    return process.returncode, (time.monotonic() - start) / 60, closing


def main(tiers: list[str]) -> int:
    """Returns 1 when any tier failed, else 0."""
    results = {}
    for tier in tiers:
        print(f"--- {tier}", flush=True)
        results[tier] = run_tier(tier)
    print()
    for tier, (status, minutes, _) in results.items():
        print(f"tier {tier}: {minutes:.1f} min, {'passed' if status == 0 else f'FAILED (pytest status {status})'}")
    for _, _, closing in results.values():
        print(closing)
    return 1 if any(status for status, _, _ in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(ARGUMENTS)))
