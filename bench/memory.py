"""Peak memory of answering one large body, in a process of its own, as a multiple of the body."""

from __future__ import annotations

import resource
import subprocess
import sys
from datetime import UTC, datetime

TARGET_BYTES = 5_000_000
BUDGET = 6.0


def measure() -> tuple[float, float]:
    """Megabytes of the body, and peak memory above the idle process as a multiple of it."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.memory"], capture_output=True, text=True, check=True
    )
    size, peak = done.stdout.split()
    return float(size), float(peak)


def _child() -> None:
    from bench.bodies import cases
    from bench.in_process import _caller
    from cds_service import create_app

    app = create_app()
    today = datetime.now(UTC).date()
    small = cases(100, today)["patient-view, card"]
    _caller(app, f"/cds-services/magnesium-migraine-{small[0]}", small[1])()
    per_resource = len(small[1]) / 100
    hook, body = cases(int(TARGET_BYTES / per_resource), today)["patient-view, card"]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    _caller(app, f"/cds-services/magnesium-migraine-{hook}", body)()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(len(body) / 1e6, (after - before) / len(body))


if __name__ == "__main__":
    _child()
