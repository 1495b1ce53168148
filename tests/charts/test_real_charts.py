"""Every real chart gets an answer that can be accounted for, whatever the order of its resources.

The charts lie outside this repository; where they are not at hand, these tests are skipped.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cds_service.fhir.prefetch import KINDS
from cds_service.hooks.envelope import read_call
from cds_service.hooks.errors import BadCallError
from cds_service.sandbox.from_bundle import BundleError
from tests.charts import outcomes
from tests.charts.outcomes import Explained, Row
from tests.support.cards import assert_valid_answer, without_uuids

pytestmark = [pytest.mark.shared, pytest.mark.slow]

NOT_AT_HAND = "(the charts are not at hand)"
SOURCES = outcomes.sources() or [NOT_AT_HAND]
SILENCING = ("alive", "adult", "migraine", "no ", "indication")


@pytest.fixture(autouse=True)
def _at_hand(shared_dir: Path) -> None:
    """Skips with a reason where the charts are not beside this checkout."""
    assert (shared_dir / "data" / "index.jsonl").is_file()


def explained(row: Row) -> Explained | None:
    """The account of a chart; `None` where the file is not the chart of one patient."""
    try:
        return outcomes.explain(outcomes.bundle_of(row), outcomes.day_of(row))
    except BundleError:
        return None


def about(bundle: bytes, hook: str = "patient-view") -> dict[str, Any]:
    """What the cards are compared with."""
    return {"context": outcomes.call_of(bundle, hook).context}


def assert_accounted_for(found: Explained) -> None:
    """A card was fired and is shown, or a rule says why there is none."""
    rules = {rule["rule"]: rule for rule in found["rules"]}
    fired = outcomes.cards_of(found)
    assert len(found["cards"]) == len(fired)
    if not fired:
        why = [
            rule
            for name, rule in rules.items()
            if name.startswith(SILENCING) and rule["outcome"] in ("not met", "blocked", "unknown")
        ]
        assert why, "a silence without a reason"
    for gap in found["unknown"]:
        assert gap["key"] in {*KINDS, "draftOrders"}
        assert gap["why"]
    for fact in found["facts"]:
        assert fact["state"] in ("present", "absent", "unknown")
        assert fact["state"] != "unknown" or fact["why"], fact
        assert fact["state"] != "present" or fact["evidence"], fact
    for rule in found["rules"]:
        assert rule["outcome"] != "unknown" or rule["why"], rule
    for aside in found["setAside"]:
        assert aside["why"]
    assert found["kidney"]["why"] not in ("", "Everything else")
    assert found["magnesium"].get("why") or not found["magnesium"]["unknown"]


def essence(found: Explained) -> Any:
    """What must not depend on the order of the resources."""
    aside = sorted(json.dumps(s, sort_keys=True) for s in found["setAside"])
    without = {**found, "setAside": [], "cards": without_uuids({"cards": found["cards"]})}
    return json.loads(msgspec.json.encode(without)), len(aside)


@pytest.mark.parametrize("source", SOURCES)
def test_every_chart_of_a_source(source: str) -> None:
    found = []
    for row in outcomes.rows_of(source):
        account = explained(row)
        if account is None:
            found.append("not one patient")
            continue
        assert_valid_answer({"cards": account["cards"]}, about(outcomes.bundle_of(row)))
        assert_accounted_for(account)
        found.append(", ".join(outcomes.cards_of(account)) or "silent")
    line = outcomes.line_of(source, found)
    written = outcomes.DOCUMENT.read_text(encoding="utf-8").splitlines()
    assert line in written, "python -m tests.charts.outcomes writes the table anew"


@pytest.mark.parametrize("source", SOURCES)
def test_the_order_of_the_resources_does_not_matter(source: str) -> None:
    for row in outcomes.rows_of(source):
        bundle = outcomes.bundle_of(row)
        turned = outcomes.reversed_entries(bundle)
        day = outcomes.day_of(row)
        try:
            one, other = outcomes.explain(bundle, day), outcomes.explain(turned, day)
        except BundleError:
            continue
        assert essence(one) == essence(other), row["chart_id"]


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
@pytest.mark.parametrize("source", SOURCES)
def test_every_chart_at_the_other_hooks(source: str, hook: str) -> None:
    for row in outcomes.rows_of(source):
        bundle, day = outcomes.bundle_of(row), outcomes.day_of(row)
        try:
            call = outcomes.call_of(bundle, hook)
        except BundleError:
            continue
        service = outcomes.answering(day)
        quick = service.answer(call, outcomes.URL).cards
        assert_valid_answer({"cards": quick}, {"context": call.context})
        whole = service.answer(call, outcomes.URL, complete=True).cards
        assert without_uuids({"cards": quick}) == without_uuids({"cards": whole}), row["chart_id"]


def test_the_table_names_every_source_once() -> None:
    written = outcomes.DOCUMENT.read_text(encoding="utf-8").splitlines()
    start = written.index("|---|--:|---|") + 1
    table = written[start : written.index("", start)]
    assert [line.split(" | ")[0].removeprefix("| ") for line in table] == SOURCES


# ------------------------------------------------------------- requests as an EHR would send them

REQUESTS = sorted((outcomes.DATA / "cds-requests").glob("*.json.gz")) + sorted(
    (outcomes.DATA / "large").glob("*.request.json.gz")
)
REQUEST_NAMES = [path.name for path in REQUESTS] or [NOT_AT_HAND]


def request_named(name: str) -> dict[str, Any]:
    (path,) = (p for p in REQUESTS if p.name == name)
    read: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return read


@pytest.mark.parametrize("name", REQUEST_NAMES)
def test_a_request_with_keys_of_another_service_is_refused_by_name(name: str) -> None:
    call = read_call(msgspec.json.encode(request_named(name)), "patient-view")
    with pytest.raises(BadCallError) as refused:
        outcomes.answering(outcomes.UNDATED).answer(call, outcomes.URL)
    assert refused.value.status == 412
    assert any("medicationRequests" in issue.text for issue in refused.value.issues)


def only(bundle: dict[str, Any] | None, *types: str) -> dict[str, Any] | None:
    """A Bundle with its resources of these types, as a search for them finds; `None` if it has none."""
    entries = [
        entry
        for entry in (bundle or {}).get("entry", ())
        if entry.get("resource", {}).get("resourceType") in types
    ]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries} if entries else None


@pytest.mark.parametrize("name", REQUEST_NAMES)
def test_the_same_request_with_the_keys_of_this_service(name: str) -> None:
    request = request_named(name)
    sent = request["prefetch"]
    medications, observations = sent.get("medications"), sent.get("observations")
    request["prefetch"] = {
        "patient": sent["patient"],
        "conditions": sent["conditions"],
        "allergies": sent.get("allergies"),
        "medicationRequests": only(medications, "MedicationRequest", "Medication"),
        "medicationStatements": only(medications, "MedicationStatement", "Medication"),
        "kidneyLabs": observations,
        "magnesiumLabs": observations,
        "pregnancyStatus": observations,
        "kidneyProcedures": None,
    }
    call = read_call(msgspec.json.encode(request), "patient-view")
    found = outcomes.explain_call(call, outcomes.UNDATED)
    assert_valid_answer({"cards": found["cards"]}, request)
    assert_accounted_for(found)


@pytest.mark.parametrize(
    "name",
    [p.name for p in sorted((outcomes.DATA / "large").glob("*.bundle.json.gz"))] or [NOT_AT_HAND],
)
def test_a_very_large_chart(name: str) -> None:
    bundle = gzip.decompress((outcomes.DATA / "large" / name).read_bytes())
    found = outcomes.explain(bundle, outcomes.UNDATED)
    assert_valid_answer({"cards": found["cards"]}, about(bundle))
    assert_accounted_for(found)
