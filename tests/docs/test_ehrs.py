"""The set-ups for EHRs: their client entries are valid, and tokens of their form are accepted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cds_service import create_app
from cds_service.settings import Settings, read_settings
from cds_service.trust.clients import read_clients
from cds_service.trust.tokens import TEXTS, Refusal

from ..support import issuing
from ..support.cards import card_id
from .reading import ROOT, Block, fences_of, prose_of, rows_of, text_of

PUBLIC = "https://cds.example.org"
EHRS = "docs/integrating-ehrs.md"
EPIC = "docs/integrating-epic.md"
ENTRIES = sorted(path.name for path in (ROOT / "deploy").glob("clients.*.json"))
SERVICE = "magnesium-migraine-order-sign"
# The tokens of each EHR, as its documentation or its source shows them: algorithm and claims.
TOKENS: dict[str, tuple[str, dict[str, Any]]] = {
    "clients.epic.json": (
        "RS384",
        {"aud": f"{PUBLIC}/cds-services", "lifetime": 900, "nbf": -300, "sub": "a-client-id"},
    ),
    "clients.oracle-health.json": (
        "RS384",
        {"tenant": "ec2458f2-1e24-41c8-b71b-0e701af7583d", "lifetime": 300},
    ),
    "clients.cds-hooks-sandbox.json": ("ES384", {"lifetime": 300}),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_is_valid(name: str) -> None:
    assert read_clients(ROOT / "deploy" / name)


def test_each_ehr_has_an_entry_that_a_document_names() -> None:
    told = text_of(EHRS) + text_of(EPIC)
    assert set(ENTRIES) - {"clients.example.json"} == set(TOKENS)
    assert [name for name in TOKENS if f"../deploy/{name}" not in told] == []


def test_the_entry_of_the_document_is_the_file() -> None:
    [shown] = [json.loads(b.text) for b in fences_of(EPIC) if b.info == "json"]
    assert [shown] == json.loads(text_of("deploy/clients.epic.json"))["clients"]


def trusting(name: str, algorithm: str, place: Path, **changes: Any) -> tuple[Path, Any, str]:
    """The entry with a key of ours in place of the address of theirs, which cannot be reached here."""
    document = json.loads(text_of(f"deploy/{name}"))
    [entry] = document["clients"]
    key = issuing.new_key(algorithm)
    jku = entry["jku"][0]
    entry["jwks"] = {"keys": [issuing.public_jwk(key, "a-key")]}
    entry.update(changes)
    file = place / "clients.json"
    file.write_text(json.dumps(document))
    return file, key, jku


def answer(name: str, place: Path, told: dict[str, Any], **changes: Any) -> tuple[int, Any]:
    """The status and JSON of a signed call, with the entry changed."""
    algorithm, form = TOKENS[name]
    file, key, jku = trusting(name, algorithm, place, **changes)
    settings = Settings(clients_file=str(file), public_url=PUBLIC, data_dir=str(place))
    client = create_app(settings).test_client()
    now = int(datetime.now(UTC).timestamp())
    form = {**form, **told}
    lifetime = form.pop("lifetime")
    [entry] = json.loads(text_of(f"deploy/{name}"))["clients"]
    path = f"/cds-services/{SERVICE}"
    claims = issuing.claims(entry["iss"], form.pop("aud", PUBLIC + path), exp=now + lifetime)
    claims |= {n: now + v if n == "nbf" else v for n, v in form.items()}
    token = issuing.signed(claims, key, "a-key", algorithm, jku=jku)
    body = text_of("docs/samples/order-sign.request.json")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    found = client.post(path, data=body, headers=headers)
    return found.status_code, found.get_json()


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_of_this_ehr_is_accepted(name: str, tmp_path: Path) -> None:
    status, found = answer(name, tmp_path, {})
    assert status == 200, found
    assert [card_id(card) for card in found["cards"]] == ["rx-mg-renal-critical"]


@pytest.mark.parametrize(
    ("told", "changes", "text"),
    [
        ({}, {"maxLifetimeSeconds": 300}, "exp is too long after iat."),
        ({"aud": f"{PUBLIC}/elsewhere"}, {}, f"Expected: {PUBLIC}/cds-services"),
    ],
)
def test_without_the_settings_for_epic_its_token_is_refused(
    tmp_path: Path, told: dict[str, Any], changes: dict[str, Any], text: str
) -> None:
    status, found = answer("clients.epic.json", tmp_path, told, **changes)
    assert status == 401
    assert text in found["issue"][0]["details"]["text"]


def test_a_tenant_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    status, _ = answer("clients.oracle-health.json", tmp_path, {"tenant": "another"})
    assert status == 401


def test_every_reason_of_a_refusal_is_told_with_its_text() -> None:
    told = {
        reason: row.cells[1]
        for row in rows_of(EHRS)
        if len(row.cells) == 3
        for reason in row.cells[0].replace("`", "").split(", ")
    }
    for refusal in Refusal:
        assert refusal.value in told, refusal
        same = told[refusal.value] == "the same"
        begun = told[refusal.value].partition(",")[0]
        assert same or TEXTS[refusal].startswith(begun), refusal


def settings_of(block: Block) -> dict[str, str]:
    pairs = (line.partition("=") for line in block.text.splitlines() if line)
    return {name: value.strip('"') for name, _, value in pairs}


def test_the_environment_for_epic_can_be_set() -> None:
    [block] = [b for b in fences_of(EPIC) if b.language == "ini"]
    values = settings_of(block)
    [server] = read_settings({"CDS_FHIR_SERVERS": values["CDS_FHIR_SERVERS"]}).fhir_servers
    [entry] = json.loads(text_of("deploy/clients.epic.json"))["clients"]
    assert server.url == entry["iss"]
    assert list(server.clients) == [entry["iss"]]


def test_the_prefetch_for_epic_is_that_of_discovery() -> None:
    discovery = json.loads(text_of("docs/samples/discovery.json"))
    [service] = [s for s in discovery["services"] if s["hook"] == "order-sign"]
    table = prose_of(EPIC).partition("| property name |")[2].partition("\n\n")[0]
    named = {key for key in service["prefetch"] if f"`{key}`" in table}
    assert named == set(service["prefetch"])
    assert f"`{service['prefetch']['patient']}`" in table


@pytest.mark.parametrize("year", [2026, 2036])
def test_the_answers_of_the_samples_do_not_depend_on_the_day(year: int, tmp_path: Path) -> None:
    """The documents show them as the answers of a test call on any day."""
    settings = Settings(data_dir=str(tmp_path))
    client = create_app(settings, lambda: datetime(year, 12, 1, tzinfo=UTC)).test_client()
    for name, expected in (("order-sign", ["rx-mg-renal-critical"]), ("patient-view-silent", [])):
        body = text_of(f"docs/samples/{name}.request.json")
        service = json.loads(body)["hook"]
        found = client.post(
            f"/cds-services/magnesium-migraine-{service}",
            data=body,
            content_type="application/json",
        )
        assert [card_id(card) for card in found.get_json()["cards"]] == expected
