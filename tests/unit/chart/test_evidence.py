"""Facts with three values, evidence in one order, and how resources are named."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from cds_service.chart.evidence import Evidence, FactState, Gap, fact, in_order
from cds_service.chart.naming import label_of, reference_of
from cds_service.fhir.wire import CodeableConcept, Coding
from tests.support.wording import in_words
from tests.unit.chart.reading import content

A = Evidence("Condition/a", code="1", date="2026-01-01")
B = Evidence("Condition/b", code="1", date="2025-01-01")
C = Evidence("Condition/c", code="1")
GAPS = (Gap("conditions", "was not sent"), Gap("allergies", "is not readable JSON"))


def test_evidence_makes_a_fact_present_whatever_else_is_missing() -> None:
    found = fact("x", [A], GAPS)
    assert (found.state, found.present, found.unknown) == (FactState.PRESENT, True, False)


def test_without_evidence_a_gap_makes_it_unknown_and_says_why() -> None:
    found = fact("x", [], GAPS)
    assert (found.state, found.present, found.unknown) == (FactState.UNKNOWN, False, True)
    assert in_words(found.why) == "conditions was not sent; allergies is not readable JSON"


def test_without_either_it_is_absent() -> None:
    found = fact("x", ())
    assert (found.state, found.present, found.unknown) == (FactState.ABSENT, False, False)


@pytest.mark.parametrize("order", list(itertools.permutations([A, B, C, A])))
def test_evidence_stands_newest_first_and_once(order: tuple[Evidence, ...]) -> None:
    assert in_order(order) == (A, B, C)
    assert fact("x", order).evidence == (A, B, C)


def test_evidence_of_one_day_stands_by_name_and_code() -> None:
    first = Evidence("Condition/a", code="1", date="2026")
    second = Evidence("Condition/a", code="2", date="2026")
    third = Evidence("Condition/b", date="2026")
    without_code = Evidence("Condition/a", date="2026")
    assert in_order([third, second, first, without_code]) == (without_code, first, second, third)


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ({"resource": {"resourceType": "Condition", "id": "7"}}, "Condition/7"),
        (
            {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Condition", "id": "7"}},
            "Condition/7",
        ),
        ({"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Condition"}}, "urn:uuid:1"),
        ({"resource": {"resourceType": "Condition"}}, "Condition (entry 4, without id)"),
    ],
)
def test_a_resource_is_named(entry: dict[str, Any], name: str) -> None:
    (read,) = content("conditions", [], entry=[entry]).entries
    assert reference_of(read, 4) == name


@pytest.mark.parametrize(
    ("concept", "coding", "label"),
    [
        (CodeableConcept(text="text"), Coding(display="coded"), "coded"),
        (CodeableConcept(text="text"), Coding(code="1"), "text"),
        (CodeableConcept(text="text", coding=[Coding(display="other")]), None, "text"),
        (CodeableConcept(coding=[Coding(code="1"), Coding(display="other")]), None, "other"),
        (CodeableConcept(coding=[Coding(code="1")]), Coding(code="1"), ""),
        (CodeableConcept(), None, ""),
        (None, None, ""),
        (None, Coding(display="coded"), "coded"),
    ],
)
def test_what_a_concept_is_called(
    concept: CodeableConcept | None, coding: Coding | None, label: str
) -> None:
    assert label_of(concept, coding) == label
