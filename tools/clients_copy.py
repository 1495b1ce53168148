"""Give the workers a checked copy of the file of trusted clients: at start, and on SIGHUP.

All workers read the copy, also a worker that is replaced later. If the changed file has a fault, the
copy stays as it was. The check runs in a process of its own, so that the parent of the workers
stays small.
"""

from __future__ import annotations

import os
import shutil
import subprocess  # nosec B404 - it starts this module only
import sys
from pathlib import Path
from typing import Final

from cds_service.settings import SettingsError, read_settings

FILE: Final = "CDS_CLIENTS_FILE"
CHECK_SECONDS = 60
UNUSABLE = 2


def announce(source: str, folder: Path) -> None:
    """Name the future copy to this process and its children, instead of the file itself."""
    (folder / "new").mkdir(parents=True)
    os.environ[FILE] = str(folder / Path(source).name)


def stage(source: str) -> None:
    """Copy the file next to the copy that is in force. Raises `SettingsError`."""
    try:
        shutil.copyfile(source, _staged())
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SettingsError(f"{FILE}: {Path(source).name} cannot be read: {reason}.") from None


def fault() -> str:
    """The fault of the staged file in one line, or "" if the service can use it."""
    command = [sys.executable, "-m", "tools.clients_copy"]
    environ = os.environ | {FILE: str(_staged())}
    try:
        done = subprocess.run(  # noqa: S603  # nosec B603 - our own module, and no shell
            command, env=environ, capture_output=True, text=True, timeout=CHECK_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"{FILE}: the check took more than {CHECK_SECONDS} s."
    said = done.stderr.strip().splitlines()
    return "" if done.returncode == 0 else (said or ["the check failed"])[-1]


def publish() -> bool:
    """Put the staged file in force. Returns whether it differs from the one before."""
    staged, copy = _staged(), Path(os.environ[FILE])
    before = copy.read_bytes() if copy.exists() else None
    is_changed = staged.read_bytes() != before
    staged.replace(copy)
    return is_changed


def _staged() -> Path:
    copy = Path(os.environ[FILE])
    return copy.parent / "new" / copy.name


def main() -> int:
    """Check the file of clients in the environment as the start does, and print its fault."""
    from cds_service.web.calls.auth import servers_of, verifier_of

    try:
        servers_of(verifier_of(read_settings()))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    return 0


if __name__ == "__main__":
    sys.exit(main())
