"""Check that this tree can be released: `make release-check`.

Each failure is one line that says what to do. The checks need neither the network nor the
packages of the service.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from tools.pins import FILES, hashes_in, pins_in, with_hashes

_SOURCE = Path("cds_service", "version.py")
_NUMBER = r"[0-9]+\.[0-9]+\.[0-9]+"
_VERSION = re.compile(rf'^VERSION = "({_NUMBER})"$', re.MULTILINE)
REPEATED: dict[str, str] = {
    "cds_service/web/pages/openapi.json": r'"info": \{[^{}]*?"version": "([^"]*)"',
    "docs/sbom.cdx.json": r'"component": \{[^{}]*?"version": "([^"]*)"',
    "deploy/compose.yaml": r"image: magnesium-cds:(\S+)",
    "deploy/helm/magnesium-cds/Chart.yaml": r'appVersion: "([^"]*)"',
    "deploy/Containerfile": r'org\.opencontainers\.image\.version="([^"]*)"',
}
"""The other places of the version: a file, and the pattern whose group is the version there."""
_SECTION = re.compile(r"^## (.*)$", re.MULTILINE)
_DATED = re.compile(rf"\[({_NUMBER})\] - ([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})")
_LICENCE = re.compile(r"^\| (\S+) \| (\S+) \| .+ \|$", re.MULTILINE)


class Tree:
    """A checkout, and the version in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        found = _VERSION.search(self.text(_SOURCE))
        self.version = found[1] if found else ""

    def text(self, name: str | Path) -> str:
        """The text of a file, or "" if it is missing."""
        path = self.root / name
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def git(self, *arguments: str) -> str:
        """The output of git, or "" if it fails."""
        command = ["git", "-C", str(self.root), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        return done.stdout.strip() if done.returncode == 0 else ""


def version_is_a_number(tree: Tree) -> Iterator[str]:
    """The source has a version of three numbers."""
    if not tree.version:
        yield f'{_SOURCE}: write VERSION = "MAJOR.MINOR.PATCH"'


def version_agrees(tree: Tree) -> Iterator[str]:
    """Each other place has the version of the source."""
    for name, pattern in REPEATED.items():
        found = re.search(pattern, tree.text(name))
        there = found[1] if found else "no version"
        if there != tree.version:
            yield f"{name}: has {there}, write {tree.version} as in {_SOURCE}"


def changelog_has_a_dated_section(tree: Tree) -> Iterator[str]:
    """The topmost section of the changelog is this version with its date."""
    found = _SECTION.search(tree.text("CHANGELOG.md"))
    title = found[1] if found else ""
    dated = _DATED.fullmatch(title)
    if dated is None or dated[1] != tree.version or not _is_a_date(dated[2]):
        yield (
            f'CHANGELOG.md: the first section is "{title}", '
            f'name it "[{tree.version}] - YYYY-MM-DD" with the date of the release'
        )


def _is_a_date(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def upgrade_is_described(tree: Tree) -> Iterator[str]:
    """The upgrade notes have a section for this version."""
    if tree.version not in _SECTION.findall(tree.text("docs/upgrading.md")):
        yield (
            f'docs/upgrading.md: add a section "## {tree.version}", '
            "even if there is nothing to do for this upgrade"
        )


def tree_is_clean(tree: Tree) -> Iterator[str]:
    """No file differs from the commit."""
    if not tree.git("rev-parse", "--verify", "--quiet", "HEAD^{commit}"):
        yield "git: this is not a checkout with a commit, release from a clone of the repository"
    changed = tree.git("status", "--porcelain").splitlines()
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        yield f"git: commit or remove {changed[0][2:].strip()}{more}"


def tag_is_free(tree: Tree) -> Iterator[str]:
    """The tag of this version does not exist, or names this commit."""
    tag = f"v{tree.version}"
    tagged = tree.git("rev-parse", "--verify", "--quiet", f"refs/tags/{tag}^{{commit}}")
    if tagged and tagged != tree.git("rev-parse", "HEAD"):
        yield (
            f"git: the tag {tag} is at {tagged[:12]}, which is another commit: "
            f"write a new version in {_SOURCE}, or check out the tag"
        )


def pins_have_hashes(tree: Tree) -> Iterator[str]:
    """Each pin has the hashes of its files, as `make pins` writes them."""
    for name in FILES:
        text = tree.text(name)
        hashes = hashes_in(text)
        without = [pin for pin in _pins(text) if not hashes.get(pin)]
        if not text or without or with_hashes(text, hashes) != text:
            yield f"{name}: a pin has no hash or is not in order, run `make pins`"


def bill_of_materials_is_current(tree: Tree) -> Iterator[str]:
    """The bill of materials has exactly the pinned packages."""
    text = tree.text("docs/sbom.cdx.json") or "{}"
    listed = {_normal(c["name"]): c["version"] for c in json.loads(text).get("components", [])}
    if listed != _pins(tree.text("requirements.txt")):
        yield "docs/sbom.cdx.json: is not the list of requirements.txt, run `make sbom`"


def licences_are_current(tree: Tree) -> Iterator[str]:
    """The list of licences has exactly the pinned packages."""
    rows = _LICENCE.findall(tree.text("docs/licences.md"))
    listed = {_normal(name): version for name, version in rows if version != "version"}
    if listed != _pins(tree.text("requirements.txt")):
        yield "docs/licences.md: is not the list of requirements.txt, run `make licences`"


def _pins(text: str) -> dict[str, str]:
    parts = (pin.split("==") for pin in pins_in(text))
    return {_normal(name): version for name, version in parts}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()


CHECKS: tuple[Callable[[Tree], Iterator[str]], ...] = (
    version_is_a_number,
    version_agrees,
    changelog_has_a_dated_section,
    upgrade_is_described,
    tree_is_clean,
    tag_is_free,
    pins_have_hashes,
    bill_of_materials_is_current,
    licences_are_current,
)


def failures(root: Path) -> list[str]:
    """One line for each thing that must be changed before a release."""
    tree = Tree(root)
    return [line for check in CHECKS for line in check(tree)]


def main() -> int:
    """Exit code 1 if something must be changed."""
    found = failures(Path())
    for line in found:
        print(line)
    if not found:
        tree = Tree(Path())
        print(f"Version {tree.version} can be released: git tag -a v{tree.version}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
