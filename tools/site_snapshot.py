"""Check the site file and publish a copy of it for the workers: at start, and on SIGHUP.

It runs in a process of its own, so that the parent of the workers stays small. All workers read the
copy. If the file has a fault, the copy stays as it was, and so do all workers.
"""

from __future__ import annotations

import os
import shutil
import subprocess  # nosec B404 - it starts this module only
import sys
from datetime import UTC, datetime
from pathlib import Path

from cds_service.hooks.configured import APPROVED, SNAPSHOT, configured
from cds_service.knowledge.loader import KnowledgeError
from cds_service.settings import SettingsError, read_settings

CHECK_SECONDS = 60
UNUSABLE = 2


def publish(snapshot: Path) -> str:
    """Publish the site file as `snapshot`. Returns what is in force, in words.

    Raises `SettingsError` or `KnowledgeError`; then nothing changes.
    """
    settings = read_settings()
    source = Path(settings.site_file)
    new = snapshot.with_name("new") / source.name
    new.parent.mkdir(exist_ok=True)
    try:
        shutil.copyfile(source, new)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SettingsError(f"CDS_SITE_FILE: {source.name} cannot be read: {reason}") from None
    os.environ[SNAPSHOT] = str(new)
    today = datetime.now(UTC).date()
    force = configured(settings, today)
    new.replace(snapshot)
    until = force.silent_until(today)
    silent = f" SILENT MODE: no card is returned before {until.isoformat()}." if until else ""
    states = " and the ".join(what for what, s in force.review.words.items() if s != APPROVED)
    approval = f" NOT APPROVED for patient care: the {states}." if states else " Approved."
    return f"Site file  {force.label}.{approval}{silent}"


def run(snapshot: Path) -> tuple[bool, str]:
    """`publish` in a process of its own: whether it succeeded, and what it said."""
    command = [sys.executable, "-m", "tools.site_snapshot", str(snapshot)]
    try:
        done = subprocess.run(  # noqa: S603  # nosec B603 - our own module, and no shell
            command, capture_output=True, text=True, timeout=CHECK_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False, f"CDS_SITE_FILE: the check took more than {CHECK_SECONDS} s."
    said = (done.stdout or done.stderr).strip()
    return done.returncode == 0, said.splitlines()[-1] if said else "the check failed"


def main() -> int:
    """Publish to the path that is the one argument, and print what is in force or the fault."""
    try:
        print(publish(Path(sys.argv[1])))
    except (SettingsError, KnowledgeError) as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    return 0


if __name__ == "__main__":
    sys.exit(main())
