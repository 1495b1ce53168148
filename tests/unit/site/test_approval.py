"""What counts as approved, where it is stated, and when the start is refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec
import pytest

from cds_service.cli.main import main
from cds_service.hooks.configured import HOOKS_OF_FILES, configured
from cds_service.hooks.services import NOT_APPROVED, discovery, services_of
from cds_service.knowledge.entries import (
    Entry,
    State,
    are_approved,
    entries_of,
    installed,
    read_files,
)
from cds_service.settings import Settings, SettingsError
from cds_service.site.force import InForce
from cds_service.site.load import read_site

from ...support.decisions import knowledge

TODAY = date(2026, 11, 28)
SITE = "site: {id: st-mary, title: St Mary}\nparameters: {egfr.severe_below: 35}\n"
OTHER_HASH = "0123456789ab"


def written(folder: Path, *subjects: str, site: str = SITE) -> str:
    """A site file with approvals of these subjects."""
    lines = [
        f"  - {{name: A. Reed, role: pharmacist, date: 2026-11-27, of: {s}}}" for s in subjects
    ]
    path = folder / "site.yaml"
    text = site + ("approvals:\n" + "\n".join(lines) + "\n" if lines else "")
    path.write_text(text, encoding="utf-8")
    return str(path)


def in_force(folder: Path, *subjects: str, required: bool = False) -> InForce:
    file = written(folder, *subjects)
    return configured(Settings(site_file=file, require_approved=required), TODAY)


def hash_of_site(folder: Path) -> str:
    return read_site(Path(written(folder)), knowledge(), HOOKS_OF_FILES, TODAY).hash


@pytest.fixture
def both(tmp_path: Path) -> tuple[str, str]:
    return f"knowledge {knowledge().hash}", f"site {hash_of_site(tmp_path)}"


def entries() -> list[Entry]:
    return list(entries_of(read_files(installed())))


def test_only_both_present_hashes_make_the_rules_approved(
    tmp_path: Path, both: tuple[str, str]
) -> None:
    of_knowledge, of_site = both
    for subjects, states in (
        ((), ("draft", "draft")),
        ((of_knowledge,), ("approved", "draft")),
        ((of_site,), ("draft", "approved")),
        ((f"knowledge {OTHER_HASH}", of_site), ("in review", "approved")),
        ((of_knowledge, f"site {OTHER_HASH}"), ("approved", "in review")),
        (both, ("approved", "approved")),
    ):
        force = in_force(tmp_path, *subjects)
        assert tuple(force.review.words.values()) == states
        assert force.knowledge.approved is force.review.is_approved is (subjects == both)


def test_a_hash_approves_only_what_it_is_of(tmp_path: Path, both: tuple[str, str]) -> None:
    """The hash of the knowledge under the name of the site file approves nothing."""
    of_knowledge, of_site = both
    swapped = of_knowledge.replace("knowledge", "site"), of_site.replace("site", "knowledge")
    assert in_force(tmp_path, *swapped).review.words == {
        "knowledge": "in review", "site": "in review",
    }  # fmt: skip


def test_a_changed_value_is_not_approved_any_more(tmp_path: Path, both: tuple[str, str]) -> None:
    file = written(tmp_path, *both, site=SITE.replace("35", "36"))
    review = configured(Settings(site_file=file), TODAY).review
    assert (review.is_approved, review.site) == (False, State.IN_REVIEW)
    assert [approval.of for approval in review.approvals] == [both[0]]


def test_each_entry_can_be_approved_by_its_hash() -> None:
    every = frozenset(entry.subject for entry in entries())
    for entry in entries():
        assert entry.state(every) is State.APPROVED
        assert entry.state(every - {entry.subject}) is State.DRAFT
    assert are_approved(installed(), every)
    assert not are_approved(installed(), every - {entries()[-1].subject})
    assert not are_approved(installed())


def test_an_entry_that_has_changed_has_another_hash_and_a_state_does_not_change_it() -> None:
    (found,) = [entry for entry in entries() if entry.id == "egfr.severe_below"]
    changed = msgspec.structs.replace(found, content={**found.content, "value": 31})
    assert changed.name == found.name == "parameters.json#egfr.severe_below"
    assert changed.subject != found.subject
    reviewed = msgspec.structs.replace(found, content={**found.content, "status": "in_review"})
    assert reviewed.subject == found.subject
    retired = msgspec.structs.replace(found, status=State.RETIRED)
    assert retired.state({found.subject}) is State.RETIRED


def test_every_part_of_every_file_belongs_to_an_entry() -> None:
    """Nothing of the knowledge can be left out of a review."""
    names = [entry.name for entry in entries()]
    assert len(names) == len(set(names))
    (table,) = [entry for entry in entries() if entry.name == "cards.json"]
    assert set(table.content) == {"suggest", "order_safety", "unchecked", "hazards"}
    files = {file for file, _ in read_files(installed())}
    assert {entry.file for entry in entries()} == files


def test_discovery_states_that_the_rules_are_not_approved(
    tmp_path: Path, both: tuple[str, str]
) -> None:
    services = services_of(knowledge())
    for subjects, said in (((), True), (both, False)):
        told = discovery(services, in_force(tmp_path, *subjects))["services"]
        assert [NOT_APPROVED in s["usageRequirements"] for s in told] == [said] * len(told)


def test_the_start_is_refused_with_what_is_not_approved(
    tmp_path: Path, both: tuple[str, str]
) -> None:
    of_knowledge, of_site = both
    for subjects, missing in (
        ((), f"{of_knowledge}, {of_site}"),
        ((of_site,), of_knowledge),
        ((of_knowledge, f"site {OTHER_HASH}"), of_site),
    ):
        with pytest.raises(SettingsError, match=r"^CDS_REQUIRE_APPROVED: ") as refused:
            in_force(tmp_path, *subjects, required=True)
        assert f"not approved: {missing} (" in str(refused.value)
        assert "\n" not in str(refused.value)
    assert in_force(tmp_path, *both, required=True).knowledge.approved
    with pytest.raises(SettingsError, match="without CDS_SITE_FILE nothing is approved"):
        configured(Settings(require_approved=True), TODAY)


def test_what_approve_prints_approves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines as they are, pasted under `approvals:`."""
    file = Path(written(tmp_path))
    who = ("--name", "A. Reed", "--role", "chief: pharmacist", "--date", "2026-11-27")
    assert main(["knowledge", "approve", *who]) == 0
    assert main(["site", "approve", str(file), *who]) == 0
    file.write_text(SITE + "approvals:\n" + capsys.readouterr().out, encoding="utf-8")
    force = configured(Settings(site_file=str(file), require_approved=True), TODAY)
    assert {approval.role for approval in force.review.approvals} == {"chief: pharmacist"}
    monkeypatch.setenv("CDS_SITE_FILE", str(file))
    assert main(["knowledge", "review"]) == 0
    assert "as a whole: approved by A. Reed, chief: pharmacist, 2026-11-27" in (
        capsys.readouterr().out
    )


def test_review_lists_what_is_not_approved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["knowledge", "review"]) == 1
    shown = capsys.readouterr().out
    assert f"{len(entries())} entries, {len(entries())} draft." in shown
    assert "All sentences of cards and messages" in shown
    assert "Kidney function severely reduced below" in shown

    entry = "parameters.json#egfr.severe_below"
    assert main(["knowledge", "approve", "--name", "A", "--role", "r", "--entry", entry]) == 0
    line = capsys.readouterr().out
    file = tmp_path / "site.yaml"
    file.write_text(SITE + "approvals:\n" + line, encoding="utf-8")
    assert main(["knowledge", "review", "--site", str(file)]) == 1
    assert f"{len(entries()) - 1} draft, 1 approved." in capsys.readouterr().out
    assert main(["knowledge", "approve", "--name", "A", "--role", "r", "--entry", "no"]) == 2


def test_what_stands_beside_the_rows_of_a_list_is_an_entry_too() -> None:
    row = {"id": "a", "status": "draft"}
    one, other = (list(entries_of([("x.json", [row, rest])])) for rest in (5, 6))
    assert [entry.name for entry in one] == ["x.json#a", "x.json"]
    assert one[0].subject == other[0].subject
    assert one[1].subject != other[1].subject
