"""Whose resource: the same patient in every way an EHR writes it, and nobody else."""

from __future__ import annotations

import pytest

from cds_service.chart.subject import Subject, bare_id
from cds_service.fhir.wire import Reference

UUID = "6fc4a1b2-0f70-4b5f-9b7e-0c1f0f6f3f11"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Patient/pat-1", True),
        (" Patient/pat-1 ", True),
        ("pat-1", True),
        ("Patient/pat-1/_history/3", True),
        ("https://ehr.example.org/fhir/Patient/pat-1", True),
        ("https://ehr.example.org/fhir/Patient/pat-1/_history/3", True),
        (f"urn:uuid:{UUID}", True),
        ("#patient", True),  # contained
        ("", True),
        ("Patient/pat-2", False),
        ("pat-2", False),
        ("Patient/pat-1x", False),
        ("Patient/PAT-1", False),
        ("https://ehr.example.org/fhir/Patient/pat-2", False),
        ("urn:uuid:00000000-0000-0000-0000-000000000000", False),
        ("urn:oid:1.2.3", False),
        # The same id of another type is not this patient.
        ("Group/pat-1", False),
        ("Practitioner/pat-1", False),
        ("https://ehr.example.org/fhir/RelatedPerson/pat-1", False),
    ],
)
def test_a_reference(written: str, meant: bool) -> None:
    subject = Subject("pat-1", UUID)
    assert subject.is_meant(Reference(reference=written)) is meant
    assert subject.is_meant(Reference(reference=written)) is meant, "the same when asked again"


@pytest.mark.parametrize("reference", [None, Reference(), Reference(display="Somebody")])
def test_who_is_not_named_is_the_patient_who_was_asked_for(reference: Reference | None) -> None:
    assert Subject("pat-1").is_meant(reference)


def test_without_any_id_nothing_can_be_told_apart() -> None:
    assert Subject(None, "").is_meant(Reference(reference="Patient/pat-2"))


def test_either_id_is_enough() -> None:
    subject = Subject("from-context", "from-patient")
    assert subject.is_meant(Reference(reference="Patient/from-context"))
    assert subject.is_meant(Reference(reference="Patient/from-patient"))


@pytest.mark.parametrize(
    ("reference", "id"),
    [
        ("Patient/1", "1"),
        ("1", "1"),
        ("Patient/1/_history/2", "1"),
        ("https://a.example/b/Patient/1", "1"),
        (f"urn:uuid:{UUID}", UUID),
        ("urn:oid:1.2.3", "1.2.3"),
        ("  Patient/1  ", "1"),
        ("", ""),
    ],
)
def test_the_logical_id_in_a_reference(reference: str, id: str) -> None:
    assert bare_id(reference) == id


def test_a_version_of_a_patient_known_by_a_urn_is_the_patient() -> None:
    assert Subject("pat-1").is_meant(Reference(reference="urn:uuid:pat-1/_history/2"))
