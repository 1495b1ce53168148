"""Write the hashes of all files of each pinned version into the requirements: `make pins`.

With a pin alone, pip trusts the package index. With hashes, it installs only these files. The
hashes come from pip-compile, which reads them from the index. Comments and order do not change.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

FILES = (
    *("requirements.txt", "requirements-dev.txt", "requirements-rehearsal.txt"),
    *("requirements-spark.txt", "requirements-mcp.txt", "requirements-otel.txt"),
    *("requirements-pdf.txt", "requirements-audit.txt"),
)
_TOGETHER = (FILES[:-1], FILES[-1:])
"""Files whose packages are installed in one environment."""
_PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)(?:\[[a-z,]+\])?==(?P<version>[^\s\\]+)")
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")
_OPTIONS = (
    *("--quiet", "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links"),
    *("--no-header", "--no-annotate", "--strip-extras", "--allow-unsafe"),
)


def pins_in(text: str) -> Iterator[str]:
    """The pins of a requirements file as written, without their hashes."""
    for line in text.splitlines():
        if _PIN.match(line):
            yield line.removesuffix("\\").strip()


def hashes_in(text: str) -> dict[str, list[str]]:
    """The hashes below each pin, by package name."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        pin = _PIN.match(line)
        if pin:
            name = _normal(pin["name"])
        found.setdefault(name, []).extend(_HASH.findall(line))
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def with_hashes(text: str, hashes: Mapping[str, list[str]]) -> str:
    """The text of a requirements file with the hashes after each pin."""
    lines: list[str] = []
    for line in text.splitlines():
        pin = _PIN.match(line)
        if pin:
            pin_lines = [line.removesuffix("\\").strip()]
            pin_lines += [f"    --hash={h}" for h in sorted(set(hashes[_normal(pin["name"])]))]
            lines.append(" \\\n".join(pin_lines))
        elif "--hash=" not in line:
            lines.append(line)
    return "\n".join(lines) + "\n"


def compiled(pins: list[str], program: str) -> dict[str, list[str]]:
    """The hashes of these pins, by pip-compile."""
    with tempfile.TemporaryDirectory(prefix="pins-") as folder:
        wanted, made = Path(folder, "wanted.in"), Path(folder, "made.txt")
        wanted.write_text("\n".join(pins) + "\n")
        subprocess.run([program, *_OPTIONS, "-o", made, wanted], check=True)  # noqa: S603
        return hashes_in(made.read_text())


def main() -> int:
    """Rewrite the requirements files. The path of pip-compile is the only argument."""
    (program,) = sys.argv[1:]
    texts = {name: Path(name).read_text() for name in FILES}
    everything: dict[str, list[str]] = {}
    for names in _TOGETHER:
        pins = sorted({pin for name in names for pin in pins_in(texts[name])})
        for package, hashes in compiled(pins, program).items():
            everything.setdefault(package, []).extend(hashes)
    for name, text in texts.items():
        Path(name).write_text(with_hashes(text, everything))
    return 0


if __name__ == "__main__":
    sys.exit(main())
