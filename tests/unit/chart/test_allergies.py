"""Allergies and intolerances to magnesium: by code, by text, by the substance of a reaction (B6)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from cds_service.chart.allergies import Allergies, read_allergies
from cds_service.chart.reading import Reader
from cds_service.fhir.prefetch import Content, State
from tests.support import fhir
from tests.support.decisions import knowledge
from tests.support.fhir import Resource
from tests.unit.chart.reading import SUBJECT, content

RXNORM = fhir.SYSTEMS["rxnorm"]
OXIDE = "6582"
PENICILLIN = "7980"


def allergies(*records: Resource) -> Allergies:
    found = content("allergies", records)
    known = knowledge()
    return read_allergies(
        found, known.drugs, known.terminology, SUBJECT, reader=Reader("allergies")
    )


def allergy(code: Any = OXIDE, **changes: Any) -> Resource:
    usual = fhir.allergy(code, id="a") if isinstance(code, str) else fhir.allergy("x", id="a")
    if not isinstance(code, str):
        usual["code"] = code
    return {k: v for k, v in {**usual, **changes}.items() if v is not None}


def status(code: str) -> Resource:
    return {"coding": [{"code": code}]}


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        ("6574", True),  # magnesium
        (OXIDE, True),
        ("476818", True),  # glycinate
        ("198741", True),  # a tablet of it
        ("1658244", True),  # sulfate for injection: the substance is what counts
        ({"text": "Magnesium"}, True),
        ({"text": "MAGNESIUM CITRATE (diarrhoea)"}, True),
        ({"text": "milk of magnesia"}, True),
        ({"coding": [{"system": "urn:local", "code": "77", "display": "magnesium oxide"}]}, True),
        ({"coding": [{"system": "urn:oid:2.16.840.1.113883.6.88", "code": OXIDE}]}, True),
        (
            {"coding": [{"system": RXNORM, "code": PENICILLIN}, {"system": RXNORM, "code": OXIDE}]},
            True,
        ),
        (PENICILLIN, False),
        ({"coding": [{"system": "urn:local", "code": OXIDE}]}, False),
        ({"coding": [{"system": RXNORM}]}, False),
        ({"text": "esomeprazole magnesium"}, False),
        ({"text": "pitavastatin magnesium"}, False),
        ({"text": "manganese"}, False),
        ({"text": "Penicillin"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_what_is_magnesium(code: Any, counts: bool) -> None:
    assert bool(allergies(allergy(code)).magnesium) is counts


def test_the_substance_of_a_reaction_counts_too() -> None:
    reaction = [{"manifestation": []}, {"substance": fhir.concept(OXIDE, "rxnorm")}]
    found = allergies(allergy({"text": "Drug allergy"}, reaction=reaction))
    assert [e.code for e in found.magnesium] == [OXIDE]
    without_code = allergies(allergy(None, reaction=[{"substance": {"text": "magnesium"}}]))
    assert [e.display for e in without_code.magnesium] == ["magnesium"]


@pytest.mark.parametrize("reaction", ["rash", {"substance": {}}, [{"substance": "magnesium"}], []])
def test_a_malformed_reaction_does_not_hide_the_record(reaction: Any) -> None:
    assert len(allergies(allergy(reaction=reaction)).magnesium) == 1


def test_a_reaction_nested_beyond_all_measure_does_not_hide_the_record() -> None:
    (entry,) = content("allergies", [allergy()]).entries
    assert entry.resource is not None
    entry.resource.reaction = Raw(b'[{"note":' + b"[" * 100_000 + b"]" * 100_000 + b"}]")
    found = Content(State.DATA, entries=[entry])
    read = read_allergies(
        found, knowledge().drugs, knowledge().terminology, SUBJECT, reader=Reader("allergies")
    )
    assert len(read.magnesium) == 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"clinicalStatus": None}, ""),  # no status counts as active
        ({"verificationStatus": None}, ""),
        ({"verificationStatus": status("unconfirmed")}, ""),
        ({"verificationStatus": status("presumed")}, ""),
        ({"clinicalStatus": status("inactive")}, "is inactive"),
        ({"clinicalStatus": status("resolved")}, "is resolved"),
        ({"clinicalStatus": "resolved"}, "is resolved"),
        ({"verificationStatus": status("refuted")}, "is refuted"),
        ({"verificationStatus": status("entered-in-error")}, "is entered-in-error"),
    ],
)
def test_which_records_count(changes: dict[str, Any], why: str) -> None:
    found = allergies(allergy(**changes))
    assert [s.why for s in found.set_aside] == ([why] if why else [])
    assert len(found.magnesium) == (0 if why else 1)


def test_another_patients_allergy_is_counted_but_not_read() -> None:
    found = allergies(allergy(patient={"reference": "Patient/other"}))
    assert (found.magnesium, found.foreign) == ([], 1)


def test_an_entry_without_a_resource_is_passed_over() -> None:
    entries = [{"fullUrl": "urn:uuid:1"}, {"resource": allergy()}]
    found = content("allergies", [], entry=entries)
    read = read_allergies(
        found, knowledge().drugs, knowledge().terminology, SUBJECT, reader=Reader("allergies")
    )
    assert len(read.magnesium) == 1


@pytest.mark.parametrize(
    ("members", "date"),
    [
        ({"recordedDate": "2020", "onsetDateTime": "2019"}, "2020"),
        ({"onsetDateTime": "2019"}, "2019"),
        ({}, None),
    ],
)
def test_the_evidence(members: dict[str, Any], date: str | None) -> None:
    (evidence,) = allergies(allergy(**members)).magnesium
    assert (evidence.resource, evidence.code, evidence.date) == (
        "AllergyIntolerance/a",
        OXIDE,
        date,
    )
    assert evidence.display == "magnesium oxide"


OTHERS = {"reference": "Patient/other"}


def test_what_does_not_count_hides_nothing_that_stands_behind_it() -> None:
    found = allergies(
        allergy(PENICILLIN),
        allergy(patient=OTHERS),
        allergy(patient=OTHERS),
        allergy(clinicalStatus=status("resolved")),
        allergy(),
    )
    assert (len(found.magnesium), found.foreign) == (1, 2)
    assert [(s.resource, s.what) for s in found.set_aside] == [
        ("AllergyIntolerance/a", "magnesium oxide")
    ]


def test_a_record_without_an_id_is_named_by_its_place() -> None:
    entries = [{"resource": allergy(PENICILLIN)}, {"resource": allergy(id=None)}]
    found = content("allergies", [], entry=entries)
    (evidence,) = read_allergies(
        found, knowledge().drugs, knowledge().terminology, SUBJECT, reader=Reader("allergies")
    ).magnesium
    assert evidence.resource == "AllergyIntolerance (entry 1, without id)"


@pytest.mark.parametrize(
    ("display", "shown"), [("Mag-Ox 400", "Mag-Ox 400"), (None, "Tablets from abroad")]
)
def test_it_is_called_by_its_display_else_by_its_text(display: str | None, shown: str) -> None:
    code = fhir.concept(OXIDE, "rxnorm", text="Tablets from abroad", display=display)
    (evidence,) = allergies(allergy(code)).magnesium
    assert evidence.display == shown
