"""Exports as they are found: layouts, compression, order, references, damage, deletions."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cds_service.rehearsal.errors import RehearsalError
from cds_service.rehearsal.source import Fault, open_source

from .population import (
    LISINOPRIL,
    MAGNESIUM_OXIDE,
    MIGRAINE,
    Resource,
    condition,
    egfr,
    eligible,
    order,
    patient,
    visit,
    write_export,
)
from .running import cards, rows, run, summary

AS_OF = {"transactionTime": "2026-11-22T00:00:00Z"}


def population() -> list[Resource]:
    """Two patients who get cards, and one who cannot matter."""
    return [
        *eligible("a"),
        egfr("a", "a-e", 90, "2026-01-10"),
        visit("a", "a-v", "2026-02-01T09:00:00Z"),
        patient("b", "1950-01-01"),
        egfr("b", "b-e", 22, "2026-01-10"),
        order("b", "b-o", MAGNESIUM_OXIDE, "2025-06-01"),
        visit("b", "b-v", "2026-02-02T09:00:00Z"),
        patient("c"),
        visit("c", "c-v", "2026-02-03T09:00:00Z"),
    ]


EXPECTED = [
    ("a", "patient-view", "mg-suggest"),
    ("b", "patient-view", "mg-hazard-renal"),
]


def shown(out: Path) -> list[tuple[str, str, str]]:
    return sorted(card for card in cards(out) if card[1] == "patient-view")


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("manifest", [AS_OF, None], ids=["manifest", "none"])
def test_bulk_data(tmp_path: Path, manifest: Any, parts: int, *, zipped: bool) -> None:
    folder = write_export(
        tmp_path / "in", population(), manifest=manifest, parts=parts, zipped=zipped
    )
    out = run(folder, tmp_path / "out")
    assert shown(out) == EXPECTED
    assert summary(out)["patients"] == 3
    assert summary(out)["patients_decided"] == 2
    assert ["patient-view", "2026-02", 1] in summary(out)["ruled_out_by_month"]


def test_one_file_of_all_types_in_any_order(tmp_path: Path) -> None:
    resources = population()
    random.Random(1).shuffle(resources)  # noqa: S311
    folder = tmp_path / "in"
    folder.mkdir()
    text = "\r\n".join(json.dumps(r) for r in resources)
    (folder / "export.ndjson").write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n\n")
    assert shown(run(folder, tmp_path / "out")) == EXPECTED


@pytest.mark.parametrize(
    "reference", ["https://fhir.example/r4/Patient/{}", "urn:uuid:{}", "Patient/{}/_history/2"]
)
def test_references_of_every_form(tmp_path: Path, reference: str) -> None:
    resources = population()
    for resource in resources:
        if "subject" in resource:
            own = resource["subject"]["reference"].removeprefix("Patient/")
            resource["subject"] = {"display": "x", "reference": reference.format(own)}
    folder = write_export(tmp_path / "in", resources, manifest=AS_OF)
    assert shown(run(folder, tmp_path / "out")) == EXPECTED


def bundle_of(resources: list[Resource], *, with_ids: bool) -> Resource:
    """A Bundle in which everything refers to everything by urn:uuid."""
    urls = {f"{r['resourceType']}/{r['id']}": f"urn:uuid:0-{r['id']}" for r in resources}
    text = json.dumps(resources)
    for reference, url in urls.items():
        text = text.replace(json.dumps(reference), json.dumps(url))
    entries = [
        {
            "fullUrl": urls[f"{r['resourceType']}/{r['id']}"],
            "resource": r if with_ids else {k: v for k, v in r.items() if k != "id"},
        }
        for r in json.loads(text)
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


@pytest.mark.parametrize("with_ids", [True, False])
def test_a_folder_of_bundles(tmp_path: Path, *, with_ids: bool) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for whose in "abc":
        mine = [
            r for r in population() if whose in (r["id"][0], r.get("subject", {}).get("reference"))
        ]
        bundle = bundle_of(mine, with_ids=with_ids)
        (folder / f"{whose}.json").write_text(json.dumps(bundle, indent=2))
    out = run(folder, tmp_path / "out")
    assert [card for _, _, card in shown(out)] == [card for _, _, card in EXPECTED]


def test_medications_of_bundles_do_not_mix(tmp_path: Path) -> None:
    """Medication/1 is magnesium in one Bundle, and another drug in the other."""
    folder = tmp_path / "in"
    folder.mkdir()
    for whose, code in (("a", "6582"), ("b", "314076")):
        medication = {
            "resourceType": "Medication",
            "id": "1",
            "code": {
                "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": code}]
            },
        }
        ordered = order(whose, "o", MAGNESIUM_OXIDE, "2025-06-01")
        del ordered["medicationCodeableConcept"]
        ordered["medicationReference"] = {"reference": "Medication/1"}
        mine = [
            *(patient(whose), medication, ordered, egfr(whose, "e", 22, "2026-01-10")),
            visit(whose, "v", "2026-02-02T09:00:00Z"),
        ]
        entries = [{"resource": r} for r in mine]
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        (folder / f"{whose}.json").write_text(json.dumps(bundle))
    out = run(folder, tmp_path / "out")
    assert shown(out) == [("a", "patient-view", "mg-hazard-renal")]


def test_a_medication_that_an_order_refers_to(tmp_path: Path) -> None:
    medication = {
        "resourceType": "Medication",
        "id": "m",
        "code": {"text": "Magnesium oxide 400 mg tablet"},
    }
    ordered = order("b", "b-o", MAGNESIUM_OXIDE, "2025-06-01")
    del ordered["medicationCodeableConcept"]
    ordered["medicationReference"] = {"reference": "Medication/m"}
    resources = [r for r in population() if r["id"] != "b-o"]
    folder = write_export(tmp_path / "in", [medication, *resources, ordered], manifest=AS_OF)
    assert shown(run(folder, tmp_path / "out")) == EXPECTED


def test_malformed_lines_are_counted_and_named(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "in", population(), manifest=AS_OF)
    file = folder / "Observation.000.ndjson"
    first, *rest = file.read_bytes().splitlines(keepends=True)
    broken = [b'{"resourceType":"Observation","id":', b"[]", b'{"id":"x"}', b"\xff\xfe"]
    file.write_bytes(b"".join((first, *(line + b"\n" for line in broken), *rest)))
    out = run(folder, tmp_path / "out")
    assert shown(out) == EXPECTED
    found = summary(out)["input"]
    assert found["malformed_lines"] == 4
    why = "is not a FHIR resource in JSON"
    assert found["malformed"] == [["Observation.000.ndjson", n, why] for n in (2, 3, 4, 5)]


@pytest.mark.parametrize("kind", ["Observation", "Medication"])
def test_a_line_that_cannot_be_read_where_nobody_looked_is_named(tmp_path: Path, kind: str) -> None:
    """What is wrong is inside an element that decides neither the type nor the patient."""
    medication = {"resourceType": "Medication", "id": "m", "code": {"text": "Magnesium oxide"}}
    folder = write_export(tmp_path / "in", [*population(), medication], manifest=AS_OF)
    file = folder / f"{kind}.000.ndjson"
    first, *rest = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join((first[:1], b'"text":{"div":"\xff"},', first[1:], *rest)))
    found = summary(run(folder, tmp_path / "out"))["input"]
    why = "is not a FHIR resource in JSON"
    assert found["malformed"] == [[file.name, 1, why]]


def test_a_malformed_medication_is_named(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "in", population(), manifest=AS_OF)
    (folder / "Medication.000.ndjson").write_text(
        '{"resourceType":"Medication","id":"m"}\nbroken\n'
    )
    found = summary(run(folder, tmp_path / "out"))["input"]
    assert [fault[:2] for fault in found["malformed"]] == [["Medication.000.ndjson", 2]]
    assert found["lines"]["Medication"] == 1
    assert found["without_patient"] == 0


def test_a_damaged_bundle_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    text = json.dumps(bundle_of(population(), with_ids=True)).encode()
    (folder / "good.json").write_bytes(text)
    packed = gzip.compress(text)
    (folder / "bad.json.gz").write_bytes(packed[:40] + b"\xff" * 20 + packed[60:])
    (folder / "cut.json.gz").write_bytes(packed[:-12])
    out = run(folder, tmp_path / "out")
    assert shown(out) == EXPECTED
    assert summary(out)["input"]["malformed"] == [
        ["bad.json.gz", 1, "the file is damaged"],
        ["cut.json.gz", 1, "the file is damaged"],
    ]


@pytest.mark.parametrize(
    ("damage", "lines_before"),
    [
        (lambda _: b"not gzip at all", 0),
        (lambda packed: packed[:-12], 0),
        (lambda packed: packed + packed[: len(packed) // 2], 2),  # the second member is cut off
        (lambda packed: packed[:-8] + b"\0\0\0\0" + packed[-4:], 0),  # the checksum is wrong
        (lambda packed: packed[:30] + b"\xff" * 9 + packed[39:], 0),
        (lambda packed: packed + b"rubbish", 2),
        (lambda _: b"", 0),
    ],
    ids=["no gzip", "cut off", "second member", "checksum", "middle", "rubbish behind", "empty"],
)
@pytest.mark.parametrize("kind", ["Observation", "Condition", "MedicationRequest"])
def test_a_damaged_file_is_named_and_the_rest_is_read(
    tmp_path: Path, kind: str, damage: Callable[[bytes], bytes], lines_before: int
) -> None:
    """Whichever pass meets it first, it is counted once and the run goes on."""
    found = [*population(), egfr("c", "c-e", 90, "2026-01-10")]
    found = [r for r in found if r["resourceType"] != kind or r["id"] != "a-e"]
    folder = write_export(tmp_path / "in", found, manifest=AS_OF, zipped=True)
    file = folder / f"{kind}.000.ndjson.gz"
    content = file.read_bytes()
    file.write_bytes(damage(content))
    found_input = summary(run(folder, tmp_path / "out"))["input"]
    assert found_input["malformed_lines"] == 1
    assert [(fault[0], fault[2]) for fault in found_input["malformed"]] == [
        (file.name, "the file is damaged from here on")
    ]
    assert found_input["lines"]["Encounter"] == 3
    assert found_input["lines"].get(kind, 0) >= min(lines_before, 1)


def test_a_bundle_that_is_none_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    bundle = bundle_of(population(), with_ids=True)
    (folder / "good.json").write_text(json.dumps(bundle))
    (folder / "bad.json").write_text("{")
    found = summary(run(folder, tmp_path / "out"))["input"]
    assert found["malformed"] == [["bad.json", 1, "is not JSON, or not a Bundle"]]


def test_missing_types_and_files_are_named(tmp_path: Path) -> None:
    manifest = AS_OF | {"output": [{"type": "Procedure", "url": "https://x/y/Procedure.1.ndjson"}]}
    folder = write_export(tmp_path / "in", population(), manifest=manifest)
    found = summary(run(folder, tmp_path / "out"))["input"]
    assert "Procedure" in found["missing_types"]
    assert "Condition" not in found["missing_types"]
    assert found["missing_files"] == ["Procedure.1.ndjson"]


def test_a_manifest_names_the_type_of_a_file(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "in", population())
    (folder / "Condition.000.ndjson").rename(folder / "1.ndjson")
    output = [{"type": "Condition", "url": "https://x/1.ndjson?sig=1"}]
    (folder / "manifest.json").write_text(json.dumps(AS_OF | {"output": output}))
    source = open_source(folder)
    assert {p.file: p.kind for p in source.pieces}["1.ndjson"] == "Condition"
    assert shown(run(folder, tmp_path / "out")) == EXPECTED


def test_deleted_resources_are_left_out(tmp_path: Path) -> None:
    deletion = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"request": {"method": "DELETE", "url": "Condition/a-d"}},
            {"request": {"method": "DELETE", "url": "Patient/b"}},
        ],
    }
    manifest = AS_OF | {"deleted": [{"type": "Bundle", "url": "https://x/del.ndjson"}]}
    folder = write_export(tmp_path / "in", population(), manifest=manifest)
    (folder / "del.ndjson").write_text(json.dumps(deletion) + "\nnot json\n")
    out = run(folder, tmp_path / "out")
    assert cards(out) == []
    found = summary(out)["input"]
    assert found["deleted"] == 5
    assert found["malformed"] == [["del.ndjson", 2, "is not a list of deletions"]]
    assert {row["patient"] for row in rows(out)} == {"a"}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("named", [False, True], ids=["folder", "manifest"])
def test_deleted_files_lists_are_found_in_their_folder_or_by_the_manifest(
    tmp_path: Path, *, zipped: bool, named: bool
) -> None:
    deletion = {"entry": [{"request": {"method": "DELETE", "url": "https://x/fhir/Patient/b"}}]}
    manifest = AS_OF | ({"deleted": [{"url": "https://x/y/gone.ndjson"}]} if named else {})
    folder = write_export(tmp_path / "in", population(), manifest=manifest)
    place = folder if named else folder / "deleted"
    place.mkdir(exist_ok=True)
    text = json.dumps(deletion).encode() + b"\n"
    name = "gone.ndjson.gz" if zipped else "gone.ndjson"
    (place / name).write_bytes(gzip.compress(text) if zipped else text)
    out = run(folder, tmp_path / "out")
    assert shown(out) == EXPECTED[:1]
    found = summary(out)["input"]
    assert (found["deleted"], found["malformed"], found["missing_files"]) == (4, [], [])
    assert "were left out" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "line",
    [
        {"resourceType": "Condition", "id": "a-d"},
        {"entry": [{"request": {"method": "DELETE", "url": "Condition/a-d"}}, {"request": {}}]},
        {"entry": [{"request": {"method": "DELETE", "url": 7}}]},
    ],
)
def test_a_deletion_that_cannot_be_read_is_named(tmp_path: Path, line: Resource) -> None:
    folder = write_export(tmp_path / "in", population(), manifest=AS_OF)
    (folder / "deleted").mkdir()
    (folder / "deleted" / "gone.ndjson").write_text(json.dumps(line))
    assert open_source(folder).faults == (
        Fault("deleted/gone.ndjson", 1, "is not a list of deletions"),
    )


@pytest.mark.parametrize("damage", [b"\x1f\x8bnot gzip", b"\x1f\x8b", b""])
def test_a_damaged_deleted_files_list_is_named(tmp_path: Path, damage: bytes) -> None:
    """Nothing is known to be deleted, and the report says so."""
    folder = write_export(tmp_path / "in", population(), manifest=AS_OF)
    (folder / "deleted").mkdir()
    (folder / "deleted" / "gone.ndjson.gz").write_bytes(damage)
    out = run(folder, tmp_path / "out")
    assert shown(out) == EXPECTED
    assert summary(out)["input"]["malformed"] == [
        ["deleted/gone.ndjson.gz", 1, "the file is damaged"]
    ]
    assert "deleted/gone.ndjson.gz" in (out / "report.html").read_text(encoding="utf-8")


def test_a_resource_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    old = condition(
        "a", "a-m", MIGRAINE, "2019-01-01", meta={"lastUpdated": "2020-01-01T00:00:00Z"}
    )
    new = old | {"meta": {"lastUpdated": "2021-01-01T00:00:00Z"}}
    new["verificationStatus"] = {"coding": [{"code": "refuted"}]}
    resources = [r for r in population() if r["id"] != "a-m"]
    for versions in ([new, old], [old, new]):
        folder = write_export(
            tmp_path / str(len(list(tmp_path.iterdir()))), [*versions, *resources]
        )
        out = run(folder, Path(f"{folder}-out"))
        assert shown(out) == EXPECTED[1:]
        assert summary(out)["patients"] == 3


def test_resources_of_nobody_are_counted(tmp_path: Path) -> None:
    group = egfr("g", "g-e", 90, "2026-01-10") | {"subject": {"reference": "Group/a"}}
    folder = write_export(tmp_path / "in", [*population(), group], manifest=AS_OF)
    out = run(folder, tmp_path / "out")
    assert summary(out)["input"]["without_patient"] == 1
    assert shown(out) == EXPECTED


@pytest.mark.parametrize("make", [lambda _: None, lambda path: path.mkdir()])
def test_what_is_no_export_is_refused_in_one_line(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "in")
    with pytest.raises(RehearsalError) as raised:
        open_source(tmp_path / "in")
    assert "\n" not in str(raised.value)


def test_the_latest_date_of_the_data_is_the_time_of_the_export(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "in", population())
    out = run(folder, tmp_path / "out")
    assert summary(out)["as_of"] == "2026-02-03T09:00:00Z"


@pytest.mark.parametrize(
    ("status", "end", "as_of"),
    [
        ("finished", "2026-02-04T08:00:00Z", "2026-02-04T08:00:00Z"),
        ("in-progress", "", "2026-02-03T09:00:00Z"),
        ("finished", "soon", "2026-02-03T09:00:00Z"),
        ("planned", "2027-02-04T08:00:00Z", "2026-02-02T09:00:00Z"),
    ],
)
def test_the_recorded_time_ends_with_the_last_visit_that_took_place(
    tmp_path: Path, status: str, end: str, as_of: str
) -> None:
    """The end of a visit counts, but neither a planned one nor how long an order may be dispensed."""
    found = [r for r in population() if r["id"] != "c-v"]
    found.append(visit("c", "c-v", "2026-02-03T09:00:00Z", end, status=status))
    later = {"dispenseRequest": {"validityPeriod": {"end": "2027-06-01"}}}
    found.append(order("c", "c-o", LISINOPRIL, "2026-01-01", **later))
    out = run(write_export(tmp_path / "in", found), tmp_path / "out")
    assert summary(out)["as_of"] == as_of


def test_a_discharge_after_everything_else_is_a_moment(tmp_path: Path) -> None:
    """Without an end of the export, the last thing that was recorded may be a discharge."""
    stay = visit("a", "stay", "2026-02-03T10:00:00Z", "2026-02-09T08:00:00Z")
    stay["class"] = {"code": "IMP"}
    out = run(write_export(tmp_path / "in", [*population(), stay]), tmp_path / "out")
    assert ("a", "encounter-discharge", "mg-suggest") in cards(out)


def test_a_long_file_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line is read once, wherever the pieces end."""
    resources = [*population(), *(egfr("c", f"c-{n}", 90, "2026-01-01") for n in range(40))]
    folder = write_export(tmp_path / "in", resources, manifest=AS_OF)
    file = folder / "Observation.000.ndjson"
    text = file.read_bytes()
    lines = text.splitlines(keepends=True)
    file.write_bytes(b"".join((*lines[:30], b"broken\n", *lines[30:])))
    for size in (97, 1000, len(lines[0]), len(text)):
        monkeypatch.setattr("cds_service.rehearsal.source.PIECE_BYTES", size)
        found = summary(run(folder, tmp_path / f"out-{size}"))["input"]
        assert found["lines"]["Observation"] == 42
        assert [fault[1] for fault in found["malformed"]] == [31]
