"""`make install` without a package index: from a wheelhouse, and a clear line without one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..docs.commands import all_commands, commands_of
from ..docs.reading import ROOT
from ..support.serving import HOST, environment, free_port, serving_as
from .conftest import HOOK, hook_request
from .test_systemd import UNIT, values

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
        ["bash", "-o", "pipefail", "-c", command],  # noqa: S607
        cwd=folder,
        env=kept | settings | {"PWD": str(folder), "PYTHON": sys.executable},
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


def steps_of_systemd() -> list[str]:
    """The steps of an installation up to its start, which needs systemd."""
    blocks = {c.block for c in all_commands() if c.text.startswith("sudo make -C /opt/")}
    (block,) = blocks
    return [command.text for command in commands_of(block)]


@pytest.mark.slow
@pytest.mark.server
def test_the_service_is_installed_without_an_index_and_starts_as_the_unit_says(
    wheelhouse: Path, tmp_path: Path
) -> None:
    """By the steps of the document, with folders of the test in place of those of the system."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone, so there is nothing that git could archive")
    moved = {"sudo ": "", "/opt/": f"{tmp_path}/opt/", "/etc/": f"{tmp_path}/etc/"}

    def here(text: str) -> str:
        for before, after in moved.items():
            text = text.replace(before, after)
        return text

    offline = NO_INDEX | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheelhouse)}
    for step in steps_of_systemd():
        done = run(here(step), ROOT, **offline)
        assert done.returncode == 0, f"{step}: {done.stdout}{done.stderr}"

    unit = tmp_path / "etc" / "systemd" / "system" / "magnesium-cds.service"
    assert unit.read_text() == UNIT.read_text()
    settings = tmp_path / "etc" / "magnesium-cds" / "environment"
    assert settings.stat().st_mode & 0o077 == 0
    port, operators, data = free_port(), free_port(), tmp_path / "data"
    data.mkdir()
    environ = environment(data) | dict(
        line.split("=", 1)
        for line in [*values("Environment"), *here(settings.read_text()).splitlines()]
        if not line.startswith(("#", "CDS_DATA_DIR"))
    )
    environ["CDS_OPERATOR_ADDRESS"] = f"{HOST}:{operators}"
    (command,), (folder,) = values("ExecStart"), values("WorkingDirectory")
    command = command.replace("--port 8000", f"--port {port}").replace("${WORKERS}", "2")
    with serving_as(here(command).split(), port, data, Path(here(folder)), environ) as server:
        assert len(server.workers()) == 2 == int(environ["WORKERS"])
        assert server.ask("GET", "/ready").status == 200
        assert server.ask("GET", "/metrics", port=operators).status == 200
        # The example has clients, and this caller is none of them.
        assert server.ask("POST", HOOK, hook_request()).status == 401
        assert "Site file  example-hospital+" in server.output


def test_an_incomplete_wheelhouse_installs_nothing(tmp_path: Path) -> None:
    """A file that is missing is not taken from elsewhere."""
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "wheelhouse").mkdir()
    done = run(documented("make install"), tmp_path, **NO_INDEX)
    assert done.returncode != 0
    assert "pip could not install the packages of requirements.txt." in done.stdout
