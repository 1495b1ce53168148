"""The promises of the repository itself: exact pins, the two commands, nothing of one machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = Path("cds_service/knowledge/data")
REQUIREMENTS = (
    *("requirements.txt", "requirements-dev.txt", "requirements-rehearsal.txt"),
    *("requirements-spark.txt", "requirements-mcp.txt", "requirements-otel.txt"),
    *("requirements-pdf.txt", "requirements-audit.txt"),
)
ONE_MEGABYTE = 1_000_000

PIN = re.compile(r"[a-z0-9][a-z0-9.-]*(?:\[[a-z]+])?==[0-9][a-z0-9.]*")
MACHINE_PATH = re.compile(r"(?<![\w.$})-])/(?:home|root|Users|work)/\w")
# Put together here, so that this file does not name what it forbids.
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("crates", "io"),
        ("golang", "org"),
        ("maven", "org"),
        ("debian", "org"),
    )
)


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so nothing says which files are tracked")
    listing = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)  # noqa: S603
    paths = [Path(name) for name in listing.stdout.decode().split("\0") if name]
    return [path for path in paths if (ROOT / path).is_file()]


def pins(name: str) -> list[str]:
    """The lines of a requirements file that name a package, without its hashes."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    named = [line for line in lines if line and not line.startswith(("#", "-r ", "    --hash="))]
    return [line.removesuffix("\\").strip() for line in named]


def installed_as(name: str) -> set[str]:
    """A distribution by its name as installed: Flask for flask."""
    return {distribution(name.partition("[")[0]).metadata["Name"]}


def text_of(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_requirements_are_exact_pins(name: str) -> None:
    lines = pins(name)
    assert lines
    assert [line for line in lines if not PIN.fullmatch(line)] == []


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_a_package_is_pinned_once(name: str) -> None:
    packages = [line.split("==")[0] for line in pins(name)]
    assert len(packages) == len(set(packages))


def test_test_tools_do_not_pin_what_runs_again() -> None:
    assert "-r requirements.txt" in text_of(Path("requirements-dev.txt")).splitlines()
    runtime = {line.split("==")[0] for line in pins("requirements.txt")}
    assert runtime.isdisjoint(line.split("==")[0] for line in pins("requirements-dev.txt"))


def test_what_is_installed_together_is_pinned_alike() -> None:
    """The rehearsal's packages are installed beside those that run and those that test."""
    versions: dict[str, set[str]] = {}
    for name in REQUIREMENTS[:-1]:
        for line in pins(name):
            package, _, version = line.partition("==")
            versions.setdefault(package, set()).add(version)
    assert {package: found for package, found in versions.items() if len(found) > 1} == {}


def test_what_runs_needs_nothing_of_the_extras() -> None:
    runtime = {line.split("==")[0] for line in pins("requirements.txt")}
    for name in REQUIREMENTS[2:-1]:
        assert runtime.isdisjoint(line.split("==")[0] for line in pins(name))


def test_every_dependency_of_the_project_is_pinned() -> None:
    project = tomllib.loads(text_of(Path("pyproject.toml")))["project"]
    pinned = {line.split("==")[0] for line in pins("requirements.txt")}
    assert set(project["dependencies"]) <= pinned


def test_every_dependency_of_the_project_is_used(tracked: list[Path]) -> None:
    project = tomllib.loads(text_of(Path("pyproject.toml")))["project"]
    product = [p for p in tracked if p.suffix == ".py" and p.parts[0] not in {"tests", "bench"}]
    code = "\n".join(text_of(path) for path in product)
    imported = set(re.findall(r"^\s*(?:from|import) (\w+)", code, re.MULTILINE))
    installed = packages_distributions()  # reads every installed package
    brought = {name for module in imported for name in installed.get(module, [])}
    assert {name for name in project["dependencies"] if not installed_as(name) & brought} == set()


@pytest.mark.parametrize("command", ["make run", "make test"])
def test_readme_names_the_two_commands(command: str) -> None:
    assert command in text_of(Path("README.md"))


def test_readme_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text_of(Path("README.md")))
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_no_file_names_one_machine(tracked: list[Path]) -> None:
    assert [path for path in tracked if MACHINE_PATH.search(text_of(path))] == []


def test_no_file_names_a_package_registry(tracked: list[Path]) -> None:
    found = [path for path in tracked if any(host in text_of(path) for host in REGISTRY_HOSTS)]
    assert found == []


def test_files_are_small_outside_the_knowledge(tracked: list[Path]) -> None:
    outside = [path for path in tracked if DATA not in path.parents]
    assert [path for path in outside if (ROOT / path).stat().st_size > ONE_MEGABYTE] == []


def test_the_continuous_integration_script_can_be_run(tracked: list[Path]) -> None:
    script = Path(".ci/run")
    assert script in tracked
    assert (ROOT / script).stat().st_mode & 0o111
    assert "make check" in text_of(script)
    assert "make test" in text_of(script)
