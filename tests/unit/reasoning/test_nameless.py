"""A resource that does not name what it is about may be about anything (SPEC 12.1 U-1, U-7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cds_service.fhir.prefetch import KINDS
from cds_service.reasoning.gaps import all_gaps
from tests.support import fhir
from tests.support.fhir import Resource
from tests.support.tables import each_row
from tests.unit.chart.reading import TODAY, chart
from tests.unit.reasoning.asking import DIABETES, MIGRAINE, egfr, has, level

KNOWN = {
    "conditions": [has(MIGRAINE), has(DIABETES)],
    "kidneyLabs": [egfr(92, 30)],
    "magnesiumLabs": [level(2.0, days=30)],
}
"""A chart in which everything is known."""

OF_EACH_KEY: dict[str, tuple[str, Callable[[], Resource]]] = {
    "conditions": ("code", lambda: fhir.condition("J30.1", id="x", today=TODAY)),
    "allergies": ("code", lambda: fhir.allergy("x", id="x")),
    "kidneyProcedures": ("code", lambda: fhir.procedure("80146002", 5, id="x", today=TODAY)),
    "kidneyLabs": (
        "code",
        lambda: fhir.observation(fhir.EGFR, 92, fhir.EGFR_UNIT, 2, id="x", today=TODAY),
    ),
    "magnesiumLabs": (
        "code",
        lambda: fhir.observation(fhir.MAGNESIUM, 2, "mg/dL", 2, id="x", today=TODAY),
    ),
    "pregnancyStatus": (
        "code",
        lambda: fhir.observation(fhir.PREGNANCY_STATUS, 1, None, 2, id="x", today=TODAY),
    ),
    "medicationRequests": (
        "medicationCodeableConcept",
        lambda: fhir.medication_request("197361", id="x", today=TODAY),
    ),
    "medicationStatements": (
        "medicationCodeableConcept",
        lambda: fhir.medication_statement("197361", id="x", today=TODAY),
    ),
}
"""For each key with coded resources, the element that names them, and such a resource."""

NAMELESS: tuple[Any, ...] = (
    None,
    {},
    {"coding": []},
    {"coding": [{}]},
    {"coding": [{"system": "http://snomed.info/sct"}]},
    {"text": ""},
)
"""Forms of a code that names nothing; `None` is a code that is absent altogether."""


def gaps_with(key: str, name: Any) -> set[str]:
    """The keys with a gap in a complete chart and one more resource with this name."""
    element, usual = OF_EACH_KEY[key]
    resource = usual()
    del resource[element]
    if name is not None:
        resource[element] = name
    found = {**KNOWN, key: [*KNOWN.get(key, ()), resource]}
    return {gap.key for gap in all_gaps(chart(found))}


def test_every_key_with_coded_resources_has_a_row() -> None:
    assert set(OF_EACH_KEY) == set(KINDS) - {"patient"}


@each_row(("key", "name"), [(key, name) for key in OF_EACH_KEY for name in NAMELESS])
def test_a_resource_without_a_name_makes_its_key_partly_known(key: str, name: Any) -> None:
    assert key in gaps_with(key, name)


@each_row("key", list(OF_EACH_KEY))
def test_a_resource_that_names_something_else_changes_nothing(key: str) -> None:
    assert gaps_with(key, {"text": "Hay fever"}) == set()


@each_row(
    ("key", "name"),
    [(key, name) for key in OF_EACH_KEY for name in ("x", {"coding": "x"}, {"coding": [5]})],
)
def test_a_name_that_is_not_of_its_fhir_type_is_recorded_once(key: str, name: Any) -> None:
    element, usual = OF_EACH_KEY[key]
    found = chart({**KNOWN, key: [{**usual(), element: name}]})
    assert found.gaps(key)
    assert len(found.reader(key).lost) == 1


@pytest.mark.parametrize(
    ("key", "over"),
    [
        ("conditions", {"verificationStatus": fhir.concept("entered-in-error", "house")}),
        ("conditions", {"verificationStatus": fhir.concept("refuted", "house")}),
        ("allergies", {"verificationStatus": fhir.concept("entered-in-error", "house")}),
        ("allergies", {"clinicalStatus": fhir.concept("resolved", "house")}),
        ("kidneyProcedures", {"status": "not-done"}),
        ("pregnancyStatus", {"status": "entered-in-error"}),
        ("kidneyLabs", {"status": "cancelled"}),
        ("medicationRequests", {"status": "entered-in-error"}),
        ("allergies", {"patient": {"reference": "Patient/another"}}),
        ("conditions", {"subject": {"reference": "Patient/another"}}),
    ],
)
def test_what_was_never_of_this_patient_needs_no_name(key: str, over: Resource) -> None:
    element, usual = OF_EACH_KEY[key]
    resource = {**usual(), **over}
    del resource[element]
    found = {**KNOWN, key: [*KNOWN.get(key, ()), resource]}
    assert all_gaps(chart(found)) == ()
