"""What is installed: exact versions with hashes, listed with their licences, from an image by digest."""

from __future__ import annotations

import json
import re
import subprocess
from importlib.metadata import distribution
from pathlib import Path

import pytest

from cds_service.version import VERSION
from tools.pins import FILES, hashes_in, pins_in, with_hashes

ROOT = Path(__file__).resolve().parent.parent.parent
_ROW = re.compile(r"^\| ([A-Za-z0-9_.-]+) \| (\S+) \| (.+) \|$", re.MULTILINE)
# Copyleft that reaches the work that links it has no place here; LGPL is that of a library as it is.
_REFUSED = re.compile(r"\b(A?GPL|SSPL|BUSL)\b", re.IGNORECASE)


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()


def pinned(name: str) -> dict[str, str]:
    return {normal(pin.split("==")[0]): pin.split("==")[1] for pin in pins_in(text_of(name))}


@pytest.mark.parametrize("name", FILES)
def test_every_pin_has_the_hashes_of_its_files(name: str) -> None:
    hashes = hashes_in(text_of(name))
    for package in pinned(name):
        assert len(hashes[package]) >= 1, package
        assert len(set(hashes[package])) == len(hashes[package])


@pytest.mark.parametrize("name", FILES)
def test_the_hashes_are_as_the_tool_writes_them(name: str) -> None:
    text = text_of(name)
    assert with_hashes(text, hashes_in(text)) == text


def test_the_bill_of_materials_is_current() -> None:
    document = json.loads(text_of("docs/sbom.cdx.json"))
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["version"] == VERSION
    listed = {normal(c["name"]): c["version"] for c in document["components"]}
    assert listed == pinned("requirements.txt"), "make sbom"
    for component in document["components"]:
        assert component["purl"].endswith(f"@{component['version']}")


def test_the_list_of_licences_is_current() -> None:
    rows = _ROW.findall(text_of("docs/licences.md"))
    listed = {normal(name): version for name, version, _ in rows if name != "package"}
    assert listed == pinned("requirements.txt"), "make licences"
    for name, version, licence in rows:
        if name == "package":
            continue
        assert distribution(name).version == version
        assert "UNKNOWN" not in licence
        assert not _REFUSED.search(licence.replace("LGPL", "")), name


GOOD = "docker.io/library/python:3.13-slim@sha256:" + "0123456789abcdef" * 4
BAD = [
    "",
    "docker.io/library/python:3.13-slim",
    "docker.io/library/python@sha256:abc",
    GOOD + "0",
    GOOD.upper(),
    f"{GOOD} ",
    f"x; true {GOOD}",
]


@pytest.mark.parametrize(("base", "taken"), [(GOOD, True), *((bad, False) for bad in BAD)])
def test_the_base_image_is_named_by_its_digest(base: str, taken: bool) -> None:
    """No container engine runs here: this is the check that the image's own build makes first."""
    text = text_of("deploy/Containerfile")
    check = re.search(r"^RUN (printf .*?; exit 1; \})$", text, re.MULTILINE | re.DOTALL)
    assert check is not None
    script = check[1].replace("\\\n", "")
    done = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", script], env={"BASE": base, "PATH": "/usr/bin:/bin"}, check=False,
        capture_output=True,
    )  # fmt: skip
    assert (done.returncode == 0) is taken
    froms = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert set(froms) == {"${BASE}"}


def test_what_the_image_copies_is_what_its_build_gets() -> None:
    """Secrets of a site lie in the folder of the checkout, and the environment of a developer."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", text_of("deploy/Containerfile"), re.MULTILINE)
    copied = [name for line in lines for name in line.split()]
    lines = text_of(".dockerignore").splitlines()
    assert "*" in lines
    assert sorted(line[1:] for line in lines if line.startswith("!")) == sorted(copied)
    assert [name for name in copied if not (ROOT / name).exists()] == []
