"""The cases of the specification, judged by their own checker against a real service."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ..support.serving import HOST, serving

PATIENCE_SECONDS = 300


@pytest.mark.shared
@pytest.mark.slow
def test_every_case_holds(shared_dir: Path, tmp_path: Path) -> None:
    """`../shared/cases/check.py` ends with 0 when all hold, 1 when any fails, 2 when none ran."""
    checker = shared_dir / "cases" / "check.py"
    if not checker.is_file():
        pytest.skip("../shared/cases is not beside this checkout")
    with serving(tmp_path) as server:
        base = f"http://{HOST}:{server.port}"
        done = subprocess.run(  # noqa: S603
            [sys.executable, str(checker), "--base", base],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
