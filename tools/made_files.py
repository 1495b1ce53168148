"""Write files of the repository that are made by a program, or check that they are up to date."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path


def asks_for_check(description: str, arguments: list[str] | None) -> bool:
    """Whether the arguments of the command ask only for a check."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail if out of date")
    return bool(parser.parse_args(arguments).check)


def write_files(files: Mapping[str, str], root: Path, *, check: bool) -> int:
    """Write each file that is not up to date, or with `check` only print it. Returns the exit code.

    `files` has the text of each file by its path below `root`.
    """
    old = 0
    for name, text in files.items():
        path = root / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        old += 1
        print(f"{name} is not up to date" if check else f"{name} written")
        if not check:
            path.write_text(text, encoding="utf-8")
    return 1 if check and old else 0
