"""`make install` on a machine that cannot reach a package index: a clear line, and what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..docs.reading import ROOT


@pytest.mark.slow
def test_without_a_network_the_install_says_what_to_do(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    # A name that is reserved, so no index has it.
    (tmp_path / "requirements.txt").write_text("no-such-package.invalid==1.0\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    offline = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    done = subprocess.run(  # noqa: S603
        ["make", "install", f"PYTHON={sys.executable}"],  # noqa: S607
        cwd=tmp_path,
        env=kept | offline | {"PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "pip could not install the packages of requirements.txt." in done.stdout
    assert 'docs/operations.md, section "Install without a network"' in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / ".venv" / "requirements.txt").exists()
    assert "\n## Install without a network\n" in (ROOT / "docs" / "operations.md").read_text()
