"""Check the pinned versions for known vulnerabilities: `make audit`.

A package that the database could not check counts as a failure. If the database cannot be reached,
the exit code is 3, so that a missing check does not look like a clean result.
"""

from __future__ import annotations

import subprocess
import sys

from tools.pins import FILES

_OPTIONS = ("--strict", "--disable-pip", "--no-deps", "--progress-spinner", "off")
_UNREACHED = ("ConnectionError", "ConnectTimeout", "Max retries", "could not be audited")
NOT_REACHED = 3


def main() -> int:
    """Exit code 0: no vulnerability known, 1: at least one, 3: not reached. The path of pip-audit
    is the only argument.
    """
    (program,) = sys.argv[1:]
    worst = 0
    for file in FILES:
        command = [program, *_OPTIONS, "--requirement", file]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode == 0:
            print(f"{file}: no known vulnerabilities")
        elif "Found" in done.stderr + done.stdout:
            print(done.stdout)
            worst = 1
        elif any(sign in done.stderr for sign in _UNREACHED):
            print(f"{file}: NOT CHECKED, the vulnerability database cannot be reached from here")
            worst = worst or NOT_REACHED
        else:
            print(done.stderr.strip()[-2000:])
            worst = 1
    return worst


if __name__ == "__main__":
    sys.exit(main())
