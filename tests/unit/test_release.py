"""`make release-check` names each thing that stands in the way of a release, in one line."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cds_service.cli.main import main
from cds_service.version import NAME, VERSION
from tools.pins import FILES
from tools.release import REPEATED, failures

ROOT = Path(__file__).resolve().parent.parent.parent
COPIED = (
    *("CHANGELOG.md", "cds_service/version.py", "docs/upgrading.md", "docs/licences.md"),
    *FILES,
    *REPEATED,
)
GIT = ("git", "-c", "user.name=Test", "-c", "user.email=test@example.org")


def git(root: Path, *arguments: str) -> None:
    subprocess.run([*GIT, *arguments], cwd=root, check=True, capture_output=True)  # noqa: S603


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "Change")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository of the files that the checks read, as they are here at a release."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for name in COPIED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    changes = tmp_path / "CHANGELOG.md"
    dated = changes.read_text().replace("## [Unreleased]", f"## [{VERSION}] - 2026-11-28", 1)
    changes.write_text(dated)
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def changed(root: Path, name: str, before: str, after: str) -> None:
    text = (root / name).read_text(encoding="utf-8")
    assert before in text
    (root / name).write_text(text.replace(before, after, 1), encoding="utf-8")
    commit(root)


def test_this_version_can_be_released(tree: Path) -> None:
    assert failures(tree) == []


@pytest.mark.parametrize("name", REPEATED)
def test_each_place_of_the_version_is_compared(tree: Path, name: str) -> None:
    text = (tree / name).read_text(encoding="utf-8")
    (found,) = re.findall(REPEATED[name], text)
    assert found == VERSION
    there = re.search(REPEATED[name], text)
    assert there is not None
    changed(tree, name, there[0], there[0].replace(VERSION, "9.9.9"))
    assert failures(tree) == [f"{name}: has 9.9.9, write {VERSION} as in cds_service/version.py"]


def test_a_new_version_names_all_that_is_left_to_change(tree: Path) -> None:
    changed(tree, "cds_service/version.py", VERSION, "9.9.9")
    found = failures(tree)
    assert {line.split(":")[0] for line in found} == {
        *REPEATED, "CHANGELOG.md", "docs/upgrading.md",
    }  # fmt: skip
    assert all("9.9.9" in line for line in found)


@pytest.mark.parametrize("version", ["1.0", "1.0.0rc1", ""])
def test_a_version_has_three_numbers(tree: Path, version: str) -> None:
    changed(tree, "cds_service/version.py", VERSION, version)
    assert 'cds_service/version.py: write VERSION = "MAJOR.MINOR.PATCH"' in failures(tree)


@pytest.mark.parametrize(
    "title", ["[Unreleased]", f"[{VERSION}]", "[0.0.1] - 2026-11-28", f"[{VERSION}] - 2026-13-01"]
)
def test_the_changelog_begins_with_a_dated_section(tree: Path, title: str) -> None:
    changed(tree, "CHANGELOG.md", "\n## ", f"\n## {title}\n\n## ")
    (found,) = failures(tree)
    assert found.startswith(f'CHANGELOG.md: the first section is "{title}", name it "[{VERSION}] ')


def test_upgrade_notes_have_the_version(tree: Path) -> None:
    changed(tree, "docs/upgrading.md", f"## {VERSION}", "## 0.0.1")
    (found,) = failures(tree)
    assert found.startswith(f'docs/upgrading.md: add a section "## {VERSION}"')


def new_file(root: Path) -> None:
    (root / "left-over").write_text("")


def changed_file(root: Path) -> None:
    (root / "docs/upgrading.md").write_text(f"## {VERSION}\n")


@pytest.mark.parametrize(
    ("change", "name"), [(new_file, "left-over"), (changed_file, "docs/upgrading.md")]
)
def test_the_tree_is_clean(tree: Path, change: Callable[[Path], None], name: str) -> None:
    change(tree)
    assert failures(tree) == [f"git: commit or remove {name}"]


def test_a_folder_without_a_commit_is_not_released(tree: Path) -> None:
    shutil.rmtree(tree / ".git")
    (found,) = failures(tree)
    assert found.startswith("git: this is not a checkout with a commit")


@pytest.mark.parametrize("kind", [("tag",), ("tag", "--annotate", "--message", "Release")])
def test_a_tag_of_the_version_names_this_commit(tree: Path, kind: tuple[str, ...]) -> None:
    git(tree, *kind, f"v{VERSION}")
    assert failures(tree) == []
    commit(tree)
    (found,) = failures(tree)
    assert found.startswith(f"git: the tag v{VERSION} is at ")
    assert "another commit" in found


@pytest.mark.parametrize("name", FILES)
def test_a_pin_without_hashes_is_named(tree: Path, name: str) -> None:
    lines = (tree / name).read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if "--hash=" in line)
    last = next(n for n in range(first, len(lines)) if not lines[n].endswith("\\"))
    lines[first - 1] = lines[first - 1].removesuffix(" \\")
    (tree / name).write_text("\n".join(lines[:first] + lines[last + 1 :]) + "\n")
    commit(tree)
    assert failures(tree) == [f"{name}: a pin has no hash or is not in order, run `make pins`"]


@pytest.mark.parametrize(
    ("name", "before", "target"),
    [
        ("docs/sbom.cdx.json", '"name": "flask"', "sbom"),
        ("docs/licences.md", "| Flask ", "licences"),
    ],
)
def test_the_lists_of_packages_are_those_of_the_pins(
    tree: Path, name: str, before: str, target: str
) -> None:
    changed(tree, name, before, before.replace("lask", "lagon"))
    assert failures(tree) == [f"{name}: is not the list of requirements.txt, run `make {target}`"]


@pytest.mark.parametrize("name", [n for n in COPIED if n != "cds_service/version.py"])
def test_a_missing_file_is_a_failure(tree: Path, name: str) -> None:
    (tree / name).unlink()
    commit(tree)
    assert any(line.startswith(name) for line in failures(tree))


def test_the_command_line_prints_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"{NAME} {VERSION}\n")
