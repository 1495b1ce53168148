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
from tests.support.tables import each_row
from tests.support.wording import in_words
from tests.unit.chart.reading import SUBJECT, content

RXNORM = fhir.SYSTEMS["rxnorm"]
OXIDE = "6582"
PENICILLIN = "7980"


def allergies(*records: Resource, reader: Reader | None = None) -> Allergies:
    found = content("allergies", records)
    known = knowledge()
    return read_allergies(
        found, known.drugs, known.terminology, SUBJECT, reader=reader or Reader("allergies")
    )


def noted(*records: Resource) -> list[str]:
    """The elements that were recorded as not readable, when these were read."""
    reader = Reader("allergies")
    allergies(*records, reader=reader)
    return [lost.element for lost in reader.lost]


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
    assert [in_words(s.why) for s in found.set_aside] == ([why] if why else [])
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
    assert [(s.resource, in_words(s.what)) for s in found.set_aside] == [
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


# ------------------------------------------------------------------------------ negation


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        ({"text": "No known allergy to magnesium"}, False),
        ({"text": "no magnesium allergy"}, False),
        ({"text": "NO KNOWN magnesium allergy"}, False),
        ({"text": "Denies allergy to magnesium"}, False),
        ({"text": "Negative for magnesium allergy"}, False),
        (
            {"coding": [{"system": "urn:local", "code": "9", "display": "No known magnesium"}]},
            False,
        ),
        (fhir.concept("716186003", "snomed", text="magnesium"), False),
        (fhir.concept(OXIDE, "rxnorm", text="No known allergy to magnesium"), False),
        # The words that follow the substance deny the rash, not the allergy.
        ({"text": "Magnesium: no rash, but throat swelling"}, True),
        ({"text": "Magnesium - negative for rash"}, True),
        ({"text": "Notable reaction to magnesium"}, True),
        ({"text": "Not able to take magnesium: rash"}, True),
        ({"text": "No, magnesium causes a rash"}, True),
        ({"text": "No: magnesium"}, True),
        (fhir.concept(OXIDE, "rxnorm", text="No details recorded"), True),
        (fhir.concept("716186003", "loinc", text="magnesium"), True),
    ],
)
def test_who_denies_an_allergy_has_none(code: Resource, counts: bool) -> None:
    assert bool(allergies(allergy(code)).magnesium) is counts
    assert noted(allergy(code)) == []


# -------------------------------------------------------------------------- not readable


@pytest.mark.parametrize(
    ("changes", "elements"),
    [
        ({"clinicalStatus": status("dormant")}, ["clinicalStatus"]),
        ({"verificationStatus": status("perhaps")}, ["verificationStatus"]),
        ({"clinicalStatus": {"value": status("resolved")}}, ["clinicalStatus"]),
        ({"clinicalStatus": 5}, []),  # recorded when the Bundle was read
        ({"verificationStatus": {"coding": [{"code": 5}]}}, []),
    ],
)
def test_a_status_that_cannot_be_read_makes_it_neither_present_nor_absent(
    changes: Resource, elements: list[str]
) -> None:
    found = allergies(allergy(**changes))
    assert (found.magnesium, [in_words(s.why) for s in found.set_aside]) == (
        [],
        ["has a status that cannot be read"],
    )
    lost = [one.element for one in content("allergies", [allergy(**changes)]).unread]
    assert noted(allergy(**changes)) == elements
    assert elements or lost


def test_a_status_with_one_odd_coding_is_read_by_its_other_codings() -> None:
    odd = {"coding": [{"code": 5}, {"code": "active"}]}
    assert len(allergies(allergy(clinicalStatus=odd)).magnesium) == 1


@pytest.mark.parametrize(
    ("changes", "elements"),
    [
        ({"code": {"coding": [{"system": "urn:local", "code": "7"}]}}, ["code"]),
        ({"code": {"coding": [{"system": RXNORM}]}}, ["code"]),
        ({"code": {}}, ["code"]),
        ({"code": {"coding": [{"system": RXNORM, "code": PENICILLIN}]}}, []),
        ({"code": {"text": "Nuts"}}, []),
        ({"code": {}, "reaction": [{"substance": {"text": "Nuts"}}]}, []),
        ({"code": fhir.concept("716186003", "snomed")}, []),
        ({"code": None}, ["code"]),
        ({"code": None, "reaction": [{"manifestation": [{"text": "rash"}]}]}, ["code"]),
        ({"code": None, "reaction": [{"substance": {"text": "Nuts"}}]}, []),
        ({"code": None, "reaction": [{"substance": fhir.concept(PENICILLIN, "rxnorm")}]}, []),
        ({"code": {"text": "Nuts"}, "reaction": [{"substance": 5}]}, ["reaction[0].substance"]),
        ({"reaction": "rash"}, ["reaction"]),
        ({"recordedDate": "once"}, ["recordedDate"]),
        ({"onsetDateTime": "once"}, ["onsetDateTime"]),
        ({"type": 5}, ["type"]),
        ({"criticality": ["low"]}, ["criticality"]),
        ({"reaction": [{"manifestation": "rash"}]}, ["reaction.manifestation"]),
        ({"reaction": [{"description": 5}]}, ["reaction.description"]),
    ],
)
def test_what_cannot_be_read_of_a_record_is_named(changes: Resource, elements: list[str]) -> None:
    assert noted(allergy(**changes)) == elements


# --------------------------------------------------------------------------------- the gut

DIARRHOEA = fhir.concept("62315008", "snomed", display="Diarrhea")
NAUSEA = fhir.concept("422587007", "snomed", display="Nausea")
HIVES = fhir.concept("126485001", "snomed", display="Urticaria")
MILD = {"type": "intolerance", "criticality": "low"}


def reacting(*manifestations: Any, **changes: Any) -> Resource:
    reaction = [{"manifestation": [m]} for m in manifestations] or None
    return allergy(**{"type": None, "reaction": reaction, **changes})


@each_row(
    ("record", "gut"),
    [
        (reacting(DIARRHOEA), True),
        (reacting(DIARRHOEA, NAUSEA), True),
        (reacting(DIARRHOEA, NAUSEA, type="allergy"), True),
        (reacting({"coding": [{"system": "urn:oid:2.16.840.1.113883.6.96", "code": "422587007"}]}), True),
        (reacting({"text": "Diarrhoea"}), True),
        (reacting({"text": "severe abdominal cramps and loose stools"}), True),
        (reacting({"text": "Übelkeit"}), True),
        (reacting({"text": "Bloating"}), True),
        (reacting(type="intolerance", criticality="low"), True),
        (allergy(**MILD, reaction=[{"substance": {"text": "magnesium"}}]), True),
        (allergy(type=None, reaction=[{"description": "nausea"}]), True),
        (reacting(HIVES), False),
        (reacting(DIARRHOEA, HIVES), False),
        (reacting(DIARRHOEA, HIVES, **MILD), False),
        (reacting({"text": "Nausea and throat swelling"}), False),
        (reacting({"text": "leg cramps"}), False),
        (reacting({"text": "vomiting"}), False),  # a sign of anaphylaxis too
        (reacting({"text": "severe"}), False),
        (reacting({}), False),
        (reacting({**DIARRHOEA, "text": "rash"}), False),
        (reacting({"coding": [*DIARRHOEA["coding"], *HIVES["coding"]]}), False),
        (reacting(DIARRHOEA, criticality="high"), False),
        (reacting(criticality="low"), False),
        (reacting(type="intolerance"), False),
        (reacting(type="intolerance", criticality="unable-to-assess"), False),
        (reacting(type="allergy", criticality="low"), False),
        (reacting(), False),
        # What cannot be read may be anything.
        (reacting(DIARRHOEA, 5), False),
        (reacting(DIARRHOEA, type=5), False),
        (reacting(DIARRHOEA, criticality=5), False),
        (allergy(**MILD, reaction=[{"manifestation": "rash"}]), False),
        (allergy(**MILD, reaction=[{"description": 5}]), False),
        (allergy(**MILD, reaction="rash"), False),
        (allergy(type=None, reaction=[{"manifestation": [NAUSEA], "description": "rash"}]), False),
    ],
)  # fmt: skip
def test_which_intolerance_is_of_the_gut_alone(record: Resource, gut: bool) -> None:
    found = allergies(record)
    assert len(found.magnesium) == 1
    assert found.gut == (found.magnesium if gut else [])


@pytest.mark.parametrize(
    ("changes", "listed"),
    [
        (MILD, []),
        ({**MILD, "criticality": "lowest"}, ["criticality"]),
        ({**MILD, "type": "side effect"}, ["type"]),
        ({"type": "side effect", "criticality": "lowest"}, ["type", "criticality"]),
    ],
)
def test_a_code_that_fhir_does_not_define_is_named_and_makes_nothing_mild(
    changes: Resource, listed: list[str]
) -> None:
    reader = Reader("allergies")
    found = allergies(reacting(DIARRHOEA, **changes), reader=reader)
    assert bool(found.gut) is (listed == [])
    assert [lost.element for lost in reader.not_readable] == listed
