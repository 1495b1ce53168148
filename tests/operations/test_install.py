"""`make install` without a package index: from a wheelhouse, and a clear line without one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..docs.commands import all_commands
from ..docs.reading import ROOT
from ..support.serving import environment, free_port, serving_as
from .conftest import HOOK, hook_request
from .test_systemd import values

RUNTIME = ("app.py", "cards", "cds_service", "deploy", "tools", "Makefile", "requirements.txt")
NO_INDEX = {
    # Nothing listens there, whatever pip is configured to use.
    **dict.fromkeys(("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"), "http://127.0.0.1:9/simple"),
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"),
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_NO_CACHE_DIR": "1",
    "PIP_RETRIES": "0",
}


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


def documented(part: str) -> str:
    """The one command of the document that contains these words."""
    (command,) = {
        c.text
        for c in all_commands()
        if c.block.document == "docs/operations.md" and part in c.text and "sudo" not in c.text
    }
    return command


def run(command: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    # PWD as a shell of this folder has it.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(  # noqa: S603
        ["bash", "-c", f"{command} PYTHON={sys.executable}"],  # noqa: S607
        cwd=folder,
        env=kept | settings | {"PWD": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made as the document says, on a machine with a package index."""
    folder = Path(tmp_path_factory.mktemp("online"))
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, folder)
    # The environment of the tests has pip, and is not installed into.
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    for stamp in ("requirements.txt", "made"):
        shutil.copy(ROOT / "requirements.txt", folder / ".venv" / stamp)
    done = run(documented("make wheelhouse"), folder)
    if done.returncode != 0:
        pytest.skip(f"no package index can be reached: {done.stderr.strip()[-200:]}")
    return folder / "wheelhouse"


@pytest.mark.slow
@pytest.mark.server
def test_the_service_is_installed_without_an_index_and_starts_as_the_unit_says(
    wheelhouse: Path, tmp_path: Path
) -> None:
    installed, data = tmp_path / "magnesium-cds", tmp_path / "data"
    installed.mkdir()
    data.mkdir()
    for name in RUNTIME:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, installed / name)
    (installed / "wheelhouse").symlink_to(wheelhouse)
    done = run(documented("make install"), installed, **NO_INDEX)
    assert done.returncode == 0, done.stdout + done.stderr

    (command,), (folder,) = values("ExecStart"), values("WorkingDirectory")
    port = free_port()
    command = command.replace(folder, str(installed)).replace("--port 8000", f"--port {port}")
    settings = environment(data) | dict(
        value.split("=", 1) for value in values("Environment") if "CDS_DATA_DIR" not in value
    )
    command = command.replace("${WORKERS}", settings["WORKERS"])
    with serving_as(command.split(), port, data, installed, settings) as server:
        assert len(server.workers()) == 2
        assert server.ask("POST", HOOK, hook_request()).json["cards"]
        assert server.ask("GET", "/ready").status == 200


def test_an_incomplete_wheelhouse_installs_nothing(tmp_path: Path) -> None:
    """A file that is missing is not taken from elsewhere."""
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "wheelhouse").mkdir()
    done = run(documented("make install"), tmp_path, **NO_INDEX)
    assert done.returncode != 0
    assert "pip could not install the packages of requirements.txt." in done.stdout
