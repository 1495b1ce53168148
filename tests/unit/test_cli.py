"""The command line: explaining a call from a file, and saying in one line what is wrong with it."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.cli.main import main
from cds_service.sandbox.patients import bundle_of
from cds_service.settings import VARIABLES, markdown
from tests.support.waiting import ready

from ..support import charts, fhir, http
from ..support.cards import without_uuids
from ..support.fhir import ORDER_SELECT, ORDER_SIGN, PATIENT_VIEW, SERVICES

PATIENT = "marigold-fenwick"
SUGGESTED = "trial of oral magnesium"
ROOT = Path(__file__).resolve().parent.parent.parent
Run = Callable[..., tuple[int, str, str]]
Resource = dict[str, Any]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Any], Path]:
    def write(content: Any) -> Path:
        file = tmp_path / "file.json"
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return file

    return write


def collection(*resources: Resource, **entry: Any) -> Resource:
    entries = [{"resource": resource, **entry} for resource in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def chart(today: date) -> list[Resource]:
    """Leads to mg-suggest."""
    parts = charts.chart(today).values()
    return [charts.patient(today), *(resource for part in parts for resource in part or ())]


def cards(output: str) -> list[Resource]:
    found: list[Resource] = json.loads(output)["cards"]
    return found


def card_ids(output: str) -> list[str]:
    extensions = (card["extension"] for card in cards(output))
    return [extension["org.magnesium-migraine.decision"]["card"] for extension in extensions]


# ---------------------------------------------------------------- hook requests


def test_a_hook_request_is_explained_in_tables(
    run: Run, written: Callable[[Any], Path], client: FlaskClient
) -> None:
    request = client.get(f"/sandbox/requests/{PATIENT}/{PATIENT_VIEW}").get_json()
    code, output, errors = run("explain", written(request))
    assert (code, errors) == (0, "")
    for part in ("Facts", "Kidney", "Serum magnesium", "Rules", "Looked for and not found"):
        assert part in output
    for finding in ("RF1 diabetes", "Condition/", "NORMAL", "mg-suggest", "fired", SUGGESTED):
        assert finding in output
    assert "Offer: " in output
    assert "(recommended)" in output


def test_silence_is_explained_too(run: Run, written: Callable[[Any], Path], today: date) -> None:
    request = fhir.hook_request(PATIENT_VIEW, {"kidneyLabs": None}, charts.patient(today))
    del request["prefetch"]["allergies"]
    code, output, _ = run("explain", written(request))
    assert code == 0
    assert "No card." in output
    assert "Not known" in output
    assert "allergies" in output


def test_what_was_set_aside_is_shown(run: Run, written: Callable[[Any], Path], today: date) -> None:
    resolved = fhir.condition(charts.MIGRAINE, clinical="resolved", today=today)
    request = charts.patient_view(today, conditions=[resolved])
    _, output, _ = run("explain", written(request))
    assert "Set aside" in output


def test_unknown_results_are_shown(run: Run, written: Callable[[Any], Path], today: date) -> None:
    request = charts.patient_view(
        today, magnesiumLabs=[fhir.observation(fhir.MAGNESIUM, 2, "mg/dL", 30, today=today)]
    )
    del request["prefetch"]["kidneyLabs"]
    _, output, _ = run("explain", written(request))
    assert "UNKNOWN" in output
    assert "2 mg/dL" in output


def test_the_site_file_is_in_force_and_what_it_withholds_is_shown(
    run: Run,
    written: Callable[[Any], Path],
    today: date,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("site: {id: a, title: A}\ncards: {mg-suggest: {mode: silent}}\n")
    monkeypatch.setenv("CDS_SITE_FILE", str(file))
    code, output, _ = run("explain", written(charts.patient_view(today)))
    assert code == 0
    assert "No card." in output
    assert "silentHere" in output


def test_a_chart_is_searched_as_the_site_file_says(
    run: Run,
    written: Callable[[Any], Path],
    today: date,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stopped magnesium order silences the suggestion, if orders of every status are searched."""
    stopped = fhir.medication_request("198741", status="stopped", today=today)
    bundle = collection(*chart(today), stopped)
    assert card_ids(run("explain", written(bundle), "--json")[1]) == ["mg-suggest"]
    file = tmp_path / "site.yaml"
    file.write_text("site: {id: a, title: A}\nsearch: {medicationRequests: all}\n")
    monkeypatch.setenv("CDS_SITE_FILE", str(file))
    assert card_ids(run("explain", written(bundle), "--json")[1]) == []


@pytest.mark.parametrize("service", SERVICES)
def test_json_is_what_the_service_answers(
    run: Run,
    written: Callable[[Any], Path],
    client: FlaskClient,
    today: date,
    service: str,
) -> None:
    request = charts.CALLS[service](today)
    code, output, _ = run("explain", written(request), "--json")
    assert code == 0
    told = json.loads(output.replace("http://127.0.0.1:8000", "http://localhost"))
    assert without_uuids(told) == without_uuids(http.explain(client, service, request))


def test_gzip_and_standard_input_are_read(
    run: Run, written: Callable[[Any], Path], today: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = gzip.compress(json.dumps(charts.patient_view(today)).encode())
    assert card_ids(run("explain", written(packed), "--json")[1]) == ["mg-suggest"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(packed)))
    assert card_ids(run("explain", "-", "--json")[1]) == ["mg-suggest"]


def test_the_day_can_be_chosen(run: Run, written: Callable[[Any], Path]) -> None:
    day = date(2024, 2, 29)
    file = written(charts.patient_view(day))
    _, output, _ = run("explain", file, "--json", "--as-of", day)
    assert json.loads(output)["day"] == "2024-02-29"
    assert card_ids(output) == ["mg-suggest"]


def test_texts_of_a_chart_have_no_effect_on_the_terminal(
    run: Run, written: Callable[[Any], Path], today: date
) -> None:
    request = charts.patient_view(today)
    coding = request["prefetch"]["conditions"]["entry"][0]["resource"]["code"]["coding"][0]
    coding["display"] = "[red]Migraine[/red] \x1b[2J\u009b1m"
    _, output, _ = run("explain", written(request))
    assert "[red]Migraine[/red]" in output
    assert "\x1b" not in output
    assert "\u009b" not in output


# ---------------------------------------------------------------------- Bundles


@pytest.mark.parametrize("patient", ["marigold-fenwick", "imogen-brightwater"])
def test_a_bundle_gives_what_its_hook_request_gives(
    run: Run, written: Callable[[Any], Path], client: FlaskClient, today: date, patient: str
) -> None:
    request = client.get(f"/sandbox/requests/{patient}/{PATIENT_VIEW}").get_json()
    of_request = run("explain", written(request), "--json")[1]
    of_bundle = run("explain", written(bundle_of(patient, today)), "--json")[1]
    assert card_ids(of_bundle) == card_ids(of_request)
    assert json.loads(of_bundle)["facts"] == json.loads(of_request)["facts"]


def as_synthea_writes(resources: list[Resource]) -> Resource:
    """A transaction: no ids on the resources, each referred to by the urn:uuid of its entry."""
    text = json.dumps(resources).replace(f"Patient/{fhir.PATIENT_ID}", "urn:uuid:0-patient")
    entries = []
    for number, resource in enumerate(json.loads(text)):
        own = "0-patient" if resource["resourceType"] == "Patient" else f"{number}-other"
        del resource["id"]
        request = {"method": "POST", "url": resource["resourceType"]}
        entries.append({"fullUrl": f"urn:uuid:{own}", "resource": resource, "request": request})
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def test_references_as_synthea_writes_them(
    run: Run, written: Callable[[Any], Path], today: date
) -> None:
    bundle = as_synthea_writes(chart(today))
    _, output, _ = run("explain", written(bundle), "--json")
    assert card_ids(output) == ["mg-suggest"]
    assert json.loads(output)["setAside"] == []


def test_a_medication_is_found_by_its_full_url(
    run: Run, written: Callable[[Any], Path], today: date
) -> None:
    order = fhir.medication_request("310798", text="HCTZ 25 mg", today=today)
    medication = {
        "resourceType": "Medication",
        "code": order.pop("medicationCodeableConcept"),
    }
    order["medicationReference"] = {"reference": "urn:uuid:the-drug"}
    resources = [r for r in chart(today) if "E11" not in json.dumps(r)]
    bundle = collection(*resources, order)
    assert card_ids(run("explain", written(bundle), "--json")[1]) == []
    bundle["entry"].append({"fullUrl": "urn:uuid:the-drug", "resource": medication})
    assert card_ids(run("explain", written(bundle), "--json")[1]) == ["mg-suggest"]


def test_only_what_the_templates_ask_for_is_taken(
    run: Run, written: Callable[[Any], Path], today: date
) -> None:
    stopped = fhir.medication_request("310798", status="stopped", today=today)
    other = fhir.observation("718-7", 13, "g/dL", 3, today=today)
    by_oid = fhir.observation(fhir.EGFR, 25, fhir.EGFR_UNIT, 3, today=today)
    by_oid["code"]["coding"][0]["system"] = "urn:oid:2.16.840.1.113883.6.1"
    family = {"resourceType": "FamilyMemberHistory", "id": "f"}
    _, output, _ = run(
        "explain", written(collection(*chart(today), stopped, other, family, by_oid)), "--json"
    )
    assert card_ids(output) == ["mg-avoid-renal"], "the code system is known by its OID too"
    assert json.loads(output)["unknown"] == []


@pytest.mark.parametrize("code", [5, {}, {"coding": 5}, {"coding": [5, {"code": 5}]}, None])
def test_a_result_whose_code_cannot_be_read_may_be_of_the_kidney(
    run: Run, written: Callable[[Any], Path], today: date, code: Any
) -> None:
    odd = fhir.observation(fhir.EGFR, 25, fhir.EGFR_UNIT, 3, today=today) | {"code": code}
    _, output, _ = run("explain", written(collection(*chart(today), odd)), "--json")
    assert card_ids(output) == ["mg-check-renal"]
    assert "kidneyLabs" in {gap["key"] for gap in json.loads(output)["unknown"]}


@pytest.mark.parametrize(
    ("words", "expected"), [("Haemoglobin", ["mg-suggest"]), ("eGFR", ["mg-check-renal"])]
)
def test_a_result_with_a_local_code_alone_is_read_by_its_words(
    run: Run, written: Callable[[Any], Path], today: date, words: str, expected: list[str]
) -> None:
    local = fhir.observation(fhir.EGFR, 25, fhir.EGFR_UNIT, 3, today=today)
    local["code"] = fhir.concept("L-1", "urn:local", text=words)
    _, output, _ = run("explain", written(collection(*chart(today), local)), "--json")
    assert card_ids(output) == expected


@pytest.mark.parametrize(
    ("status", "expected"), [(None, []), ("unknown", []), (5, []), ("stopped", ["mg-suggest"])]
)
def test_an_order_whose_status_is_not_known_may_be_active(
    run: Run, written: Callable[[Any], Path], today: date, status: Any, expected: list[str]
) -> None:
    order = fhir.medication_request(charts.MAGNESIUM_GLYCINATE, id="mg", today=today)
    order.pop("status")
    order |= {} if status is None else {"status": status}
    _, output, _ = run("explain", written(collection(*chart(today), order)), "--json")
    assert card_ids(output) == expected


def test_an_entry_that_cannot_be_read_makes_nothing_certain(
    run: Run, written: Callable[[Any], Path], today: date
) -> None:
    bundle = collection(*chart(today))
    bundle["entry"] += [{"request": {"method": "DELETE", "url": "Condition/1"}}, 5]
    _, output, _ = run("explain", written(bundle), "--json")
    told = json.loads(output)
    assert card_ids(output) == ["mg-check-renal"]
    assert {gap["key"] for gap in told["unknown"]} >= {"kidneyLabs", "allergies"}


@pytest.mark.parametrize(
    ("service", "expected"), [(ORDER_SELECT, ["mg-with-preventive"]), (ORDER_SIGN, [])]
)
def test_drafts_in_a_bundle_are_the_orders(
    run: Run, written: Callable[[Any], Path], today: date, service: str, expected: list[str]
) -> None:
    draft = fhir.draft_order(charts.TOPIRAMATE, text="Topiramate 25 mg", id="topiramate-1")
    file = written(collection(*chart(today), draft))
    assert card_ids(run("explain", file, "--service", service, "--json")[1]) == expected


# ------------------------------------------------------------- what goes wrong


def test_files_that_cannot_be_used(
    run: Run, written: Callable[[Any], Path], tmp_path: Path, today: date
) -> None:
    patient = charts.patient(today)
    missing = fhir.hook_request(PATIENT_VIEW, {}, patient)
    del missing["prefetch"]["conditions"]
    select = charts.order_select(today)
    no_context = {"hook": "patient-view"}
    contents: list[tuple[Any, str]] = [
        (b"", "is not a JSON object"),
        (b"[]", "is not a JSON object"),
        (b'{"hook": "\xff"}', "is not a JSON object"),
        (b"\x1f\x8b not gzip", "cannot be read"),
        ({"resourceType": "Patient"}, "is neither a hook request nor a Bundle"),
        ({"resourceType": "Bundle"}, "holds no Patient resources"),
        ({"resourceType": "Bundle", "entry": 5}, "is not a readable Bundle"),
        (collection(patient, patient), "holds 2 Patient resources"),
        ({"hook": "appointment-book"}, "a hook that no service has"),
        (no_context, "$.context is missing"),
        (missing, "The prefetch key conditions was not sent"),
    ]
    for content, said in contents:
        code, output, errors = run("explain", written(content))
        assert (code, output) == (2, ""), said
        assert said in errors
        assert errors.count("\n") == 1, errors
    for file, said in ((tmp_path / "none.json", "There is no file"), (tmp_path, "is a directory")):
        code, output, errors = run("explain", file)
        assert (code, output) == (2, "")
        assert said in errors
    _, _, errors = run("explain", written(select), "--service", PATIENT_VIEW)
    assert 'must be "patient-view"' in errors
    code, _, errors = run("explain", written(select), "--service", "none")
    assert code == 2
    assert PATIENT_VIEW in errors


@pytest.mark.parametrize("arguments", [["explain", "x", "--as-of", "yesterday"], [], ["dance"]])
def test_arguments_that_make_no_sense(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_bad_setting_is_said_in_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDS_SANDBOX", "perhaps")
    assert run("config") == (2, "", "CDS_SANDBOX must be true or false.\n")


# ------------------------------------------------------------------ inventories


def test_the_settings_are_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDS_LOG_LEVEL", "error")
    _, output, _ = run("config")
    for variable in VARIABLES:
        assert variable.name in output
    assert "ERROR" in output
    assert "(none)" in output
    assert run("config", "--markdown") == (0, markdown(), "")


def test_no_secret_is_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        if variable.is_secret:
            monkeypatch.setenv(variable.name, "hidden" * 6)
    monkeypatch.setenv("CDS_DATABASE_URL", "postgresql://cds:hidden@db/cds")
    _, output, _ = run("config")
    assert "hidden" not in output
    assert output.count("(set)") == 3
    assert "cds:***@db" in output.replace("\n", "")


def test_the_knowledge_is_shown(run: Run, client: FlaskClient) -> None:
    version = ready(client)["knowledge"]
    code, output, _ = run("knowledge")
    assert code == 0
    assert version in output
    assert "value sets" in output


def test_a_reader_that_has_seen_enough_is_no_error(
    written: Callable[[Any], Path], today: date
) -> None:
    command = [
        sys.executable,
        "-m",
        "cds_service",
        "explain",
        str(written(charts.patient_view(today))),
    ]
    with subprocess.Popen(  # noqa: S603
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert b"Traceback" not in said
    assert process.returncode in {0, 1}


def test_a_python_without_the_packages_says_what_to_do() -> None:
    """As for somebody who runs the system's Python in a checkout (-S: no installed packages)."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "cds_service", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "is not installed for" in done.stderr
    assert "`.venv/bin/python -m cds_service`" in done.stderr
