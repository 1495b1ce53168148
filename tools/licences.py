"""The licences of what runs, as docs/licences.md: `make licences`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tools.pins import pins_in

PAGE = Path("docs", "licences.md")
_HEAD = """# Licences of the dependencies

What `requirements.txt` installs beside the service, as each package declares it. Made by `make licences`; the
licences of terminologies and of other data are in `NOTICE`.

| package | version | licence |
|---|---|---|
"""


def rows(program: str, python: str) -> list[tuple[str, str, str]]:
    """Name, version and licence of each pinned package, by pip-licenses."""
    names = [pin.partition("==")[0].partition("[")[0] for pin in pins_in(_requirements())]
    command = [program, "--python", python, "--format", "json", "--from", "mixed"]
    done = subprocess.run(  # noqa: S603
        [*command, "--packages", *names], capture_output=True, text=True, check=True
    )
    found = [(p["Name"], p["Version"], p["License"]) for p in json.loads(done.stdout)]
    return sorted(found, key=lambda row: row[0].lower())


def _requirements() -> str:
    return Path("requirements.txt").read_text()


def main() -> int:
    """The paths of pip-licenses, and of the Python that has the packages, are the arguments."""
    program, python = sys.argv[1:]
    lines = [
        f"| {name} | {version} | {licence} |\n" for name, version, licence in rows(program, python)
    ]
    PAGE.write_text(_HEAD + "".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
