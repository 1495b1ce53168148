"""Two versions of the knowledge are compared in words."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cds_service.cli.main import main
from cds_service.knowledge.difference import differences, folder_of
from cds_service.knowledge.entries import read_files
from cds_service.knowledge.loader import KnowledgeError

DATA = Path(str(folder_of("installed")))


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A copy of the installed knowledge."""
    return Path(shutil.copytree(DATA, tmp_path / "data"))


def edit(folder: Path, file: str, change: Callable[[Any], None]) -> list[str]:
    """The differences after a change of one file."""
    path = folder / file
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    return [str(c) for c in differences(folder_of("installed"), folder_of(str(folder)))]


def parameter(name: str, value: Any) -> Callable[[Any], None]:
    def change(rows: Any) -> None:
        next(row for row in rows if row["id"] == name)["value"] = value

    return change


def test_a_threshold_is_named_with_every_sentence_that_states_it(other: Path) -> None:
    found = edit(other, "parameters.json", parameter("egfr.severe_below", 35))
    assert (
        "threshold egfr.severe_below (Kidney function severely reduced below), value: 30 -> 35"
        in (found)
    )
    sentences = [line for line in found if line.startswith("sentence ")]
    assert sentences
    assert all("30" in line and "35" in line for line in sentences)
    assert any(
        line.startswith("row kidney, egfr-moderate") and "35 to below 60" in line for line in found
    )


def test_a_flag_is_not_a_number(other: Path) -> None:
    """In Python they are equal, also inside of a list."""
    flag = parameter("risk.extended_factors", 1)
    [line] = [c for c in edit(other, "parameters.json", flag) if c.startswith("threshold ")]
    assert line.endswith("value: yes -> 1")


def test_a_sentence(other: Path) -> None:
    found = edit(other, "wording.json", lambda c: c["texts"].update({"source.label": "New"}))
    assert found == ["sentence texts, source.label: Magnesium and migraine rules v2 -> New"]


def test_a_code_that_is_added_removed_or_changed(other: Path) -> None:
    def change(content: Any) -> None:
        content["codes"][0]["qualifies"] = False
        content["codes"].append({"system": "urn:x", "code": "M1", "display": "Migraine"})
        del content["codes"][3]

    found = edit(other, "valuesets/migraine.json", change)
    assert all(line.startswith("codes migraine, codes, ") for line in found)
    assert found[0].endswith("qualifies: yes -> no")
    assert "removed: " in found[1]
    assert (
        found[2]
        == "codes migraine, codes, urn:x M1: added: system urn:x; code M1; display Migraine"
    )


def test_a_dose(other: Path) -> None:
    found = edit(other, "parameters.json", parameter("dose.target_mg", 300))
    assert any(
        line.startswith("threshold dose.target_mg ") and "400 -> 300" in line for line in found
    )
    assert any(line.startswith("dose plan ") and "300 (dose.target_mg)" in line for line in found)


def test_rows_and_their_order(other: Path) -> None:
    found = edit(other, "policy.json", lambda c: c["kidney"].insert(0, c["kidney"].pop(2)))
    assert len(found) == 1
    assert found[0].startswith("row kidney, order of the rows: dialysis, aki, egfr-severe")


def test_a_row_that_has_no_name_of_its_own(other: Path) -> None:
    found = edit(other, "cards.json", lambda c: c["order_safety"].pop(2))
    assert len(found) == 1
    assert found[0].startswith("card order_safety: removed: card ")


def test_a_file_that_only_one_has(other: Path) -> None:
    (other / "valuesets" / "migraine.json").unlink()
    found = [str(c) for c in differences(folder_of("installed"), folder_of(str(other)))]
    assert [line[:30] for line in found] == ["codes migraine: removed: id mi"]


def _spots(content: Any) -> list[tuple[Any, Any]]:
    """Each place of a file with a value that is not a list or an object."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    found = []
    for key, value in pairs:
        found += _spots(value) if isinstance(value, dict | list) else [(content, key)]
    return found


@pytest.mark.parametrize("file", [name for name, _ in read_files(DATA) if "/" not in name])
def test_no_change_of_a_value_goes_unseen(file: str, tmp_path: Path) -> None:
    """About ten places of each file, spread over it, one after the other."""
    content = json.loads((DATA / file).read_text(encoding="utf-8"))
    spots = _spots(content)
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        shutil.copy(DATA / "parameters.json", tmp_path / name)
        shutil.copy(DATA / file, tmp_path / name / file)
    for container, key in spots[:: max(1, len(spots) // 10)]:
        before = container[key]
        container[key] = f"{before}x"
        (tmp_path / "new" / file).write_text(json.dumps(content), encoding="utf-8")
        container[key] = before
        assert list(differences(tmp_path / "old", tmp_path / "new")), key


def test_folders_and_wheels(
    other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = tmp_path / "old.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in sorted(DATA.rglob("*.json")):
            archive.write(path, f"cds_service/knowledge/data/{path.relative_to(DATA).as_posix()}")
    assert main(["knowledge", "diff", str(wheel), "installed"]) == 0
    assert main(["knowledge", "diff", "installed", str(other)]) == 0
    edit(other, "wording.json", lambda c: c["texts"].update({"source.label": "New"}))
    assert capsys.readouterr().out == ""
    assert main(["knowledge", "diff", str(wheel), str(other), "--json"]) == 1
    (change,) = json.loads(capsys.readouterr().out)
    assert change == {
        "kind": "sentence",
        "file": "wording.json",
        "place": "texts, source.label",
        "old": "Magnesium and migraine rules v2",
        "new": "New",
    }


def test_what_has_no_knowledge_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "no.whl").write_bytes(b"PK no")
    for name in (str(tmp_path), str(tmp_path / "no.whl"), "nowhere"):
        with pytest.raises(KnowledgeError, match="neither a folder nor a wheel"):
            folder_of(name)
        assert main(["knowledge", "diff", name, "installed"]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_the_same_number_in_another_form_is_no_difference(other: Path) -> None:
    path = other / "parameters.json"
    text = path.read_text(encoding="utf-8")
    assert text.count('"value": 0.9938,') == 1
    path.write_text(text.replace('"value": 0.9938,', '"value": 0.99380,'), encoding="utf-8")
    assert list(differences(folder_of("installed"), folder_of(str(other)))) == []


def test_files_of_other_kinds_are_no_part_of_the_knowledge(other: Path) -> None:
    (other / "notes.txt").write_text("not for the service", encoding="utf-8")
    assert list(differences(folder_of("installed"), folder_of(str(other)))) == []


def test_a_file_or_folder_that_cannot_be_read_is_named(other: Path) -> None:
    (other / "cards.json").write_text("{", encoding="utf-8")
    with pytest.raises(KnowledgeError, match=r"^knowledge file cards\.json cannot be read$"):
        list(read_files(other))
    with pytest.raises(KnowledgeError, match=r"^the folder of the knowledge cannot be read$"):
        list(read_files(other / "nowhere"))
