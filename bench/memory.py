"""Peak memory of one call with a large body, in a separate process, as a multiple of the body."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench.bodies import cases
from bench.rows import Budget, Row

TARGET_BYTES = 5_000_000
BUDGET = Budget(3.0)


def measure() -> Row:
    """Peak memory above the idle process as a multiple of the body.

    The body is created in this process and read in the other, so that creating it does not count.
    """
    today = datetime.now(UTC).date()
    per_resource = len(cases(1_000, today)["patient-view, card"][1]) / 1_000
    hook, body = cases(int(TARGET_BYTES / per_resource), today)["patient-view, card"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "body.json"
        path.write_bytes(body)
        done = subprocess.run(  # noqa: S603 - this module, on a file made here
            [sys.executable, "-m", "bench.memory", hook, str(path)],
            capture_output=True,
            text=True,
            check=True,
        )
    peak = float(done.stdout)
    return Row(
        what="one large body: peak memory against the body",
        size=f"{len(body) / 1e6:.1f} MB",
        measured=f"{peak / 1e6:.1f} MB",
        baseline=f"{len(body) / 1e6:.1f} MB",
        value=peak / len(body),
        spread="",
        budget=BUDGET,
    )


def _child(hook: str, path: Path) -> None:
    from bench.in_process import caller
    from cds_service import create_app

    app = create_app()
    small = cases(100, datetime.now(UTC).date())["patient-view, card"]
    caller(app, f"/cds-services/magnesium-migraine-{small[0]}", small[1])()
    _reset_peak()
    before = _peak()
    body = path.read_bytes()
    caller(app, f"/cds-services/magnesium-migraine-{hook}", body)()
    print(_peak() - before)


def _peak() -> int:
    """The highest resident size since the last reset, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def _reset_peak() -> None:
    """Reset the peak (Linux). Importing the service already used more memory."""
    Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    _child(sys.argv[1], Path(sys.argv[2]))
