"""Codes: systems under all their names, ICD by prefix with exclusions, the longest prefix first."""

from __future__ import annotations

import pytest

from cds_service.knowledge.terminology import (
    CodeSystem,
    Prefix,
    SetCode,
    Terminology,
    ValueSet,
    codes_in,
)
from tests.support.decisions import knowledge

ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
ICD9 = "http://hl7.org/fhir/sid/icd-9-cm"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"

SYSTEMS = [
    CodeSystem("snomed", SNOMED, "SNOMED CT", "plain", ("urn:oid:2.16.840.1.113883.6.96",)),
    CodeSystem("icd10cm", ICD10CM, "ICD-10-CM", "icd10", ("urn:oid:2.16.840.1.113883.6.90",)),
    CodeSystem("icd10", ICD10, "ICD-10", "icd10"),
    CodeSystem("icd9cm", ICD9, "ICD-9-CM", "icd9"),
]


IN_BOTH = [("kidney", "1001", "code"), ("other", "1001", "code")]


def value_set(id: str, *codes: SetCode, prefixes: tuple[Prefix, ...] = ()) -> ValueSet:
    return ValueSet(id, id, "1", "draft", "test", codes=codes, prefixes=prefixes)


SMALL = Terminology(
    SYSTEMS,
    [
        value_set(
            "kidney",
            SetCode(ICD10CM, "N18.4", stage="4"),
            SetCode(ICD10CM, "N19", stage="x", match="prefix"),
            SetCode(SNOMED, "1001"),
            SetCode(ICD9, "585.4"),
            prefixes=(
                Prefix(ICD10CM, "N18", stage="unspecified", excluded=("N18.8",)),
                Prefix(ICD10CM, "N18.3", stage="3", qualifies=False, tier="t", grade="g"),
            ),
        ),
        value_set("other", SetCode(SNOMED, "1001"), SetCode(ICD10, "N18.4")),
    ],
)


def hits(system: str | None, code: str | None) -> list[tuple[str, str, str]]:
    return [(h.set_id, h.entry.code, h.matched) for h in SMALL.hits(system, code)]


@pytest.mark.parametrize(
    ("system", "code", "found"),
    [
        (SNOMED, "1001", IN_BOTH),
        ("urn:oid:2.16.840.1.113883.6.96", "1001", IN_BOTH),
        ("http://snomed.info/sct/731000124108", "1001", IN_BOTH),
        ("http://snomed.info/sct/731000124108/version/20240301", "1001", IN_BOTH),
        (SNOMED, "1002", []),
        (SNOMED, None, []),
        (None, "1001", []),
        ("urn:local", "1001", []),
        # An exact code before the prefixes of its set.
        (ICD10CM, "N18.4", [("kidney", "N18.4", "code")]),
        (ICD10CM, "n18.4 ", [("kidney", "N18.4", "code")]),
        (ICD10CM, "N184", [("kidney", "N18.4", "code")]),
        # The longest prefix wins.
        (ICD10CM, "N18.31", [("kidney", "N18.3", "prefix")]),
        (ICD10CM, "N1831", [("kidney", "N18.3", "prefix")]),
        (ICD10CM, "N18.9", [("kidney", "N18", "prefix")]),
        (ICD10CM, "N18", [("kidney", "N18", "prefix")]),
        (ICD10CM, "N18.8", []),
        (ICD10CM, "N18.81", []),
        # A listed code may itself be the beginning of others.
        (ICD10CM, "N19", [("kidney", "N19", "code")]),
        (ICD10CM, "N19.5", [("kidney", "N19", "prefix")]),
        (ICD10CM, "N1", []),
        (ICD10CM, "", []),
        (ICD9, "585.4", [("kidney", "585.4", "code")]),
        (ICD9, "5854", [("kidney", "585.4", "code")]),
        # The international edition agrees as far as the first subdivision.
        (ICD10, "N18.4", [("other", "N18.4", "code"), ("kidney", "N18.4", "code")]),
        (ICD10, "N18.32", [("kidney", "N18.3", "prefix")]),
        (ICD10, "N18.9", [("kidney", "N18", "prefix")]),
        (ICD10, "A00", []),
    ],
)  # fmt: skip
def test_hits(system: str | None, code: str | None, found: list[tuple[str, str, str]]) -> None:
    assert hits(system, code) == found


def test_a_prefix_hit_carries_the_attributes_of_the_prefix() -> None:
    (hit,) = SMALL.hits(ICD10CM, "N18.31")
    entry = hit.entry
    assert (entry.stage, entry.qualifies, entry.tier, entry.grade) == ("3", False, "t", "g")


def test_icd_9_external_causes_have_a_longer_category() -> None:
    terms = Terminology(SYSTEMS, [value_set("falls", SetCode(ICD9, "E880.1"))])
    assert [h.set_id for h in terms.hits(ICD9, "E8801")] == ["falls"]


@pytest.mark.parametrize(
    ("system", "url"),
    [
        (None, None),
        ("urn:local", None),
        (SNOMED, SNOMED),
        ("http://snomed.info/sct/900000000000207008", SNOMED),
        ("urn:oid:2.16.840.1.113883.6.90", ICD10CM),
    ],
)
def test_the_canonical_name_of_a_system(system: str | None, url: str | None) -> None:
    assert SMALL.canonical(system) == url


@pytest.mark.parametrize(
    ("also", "url"),
    [(also, system.url) for system in knowledge().systems for also in system.also],
)
def test_every_other_name_that_ehrs_send_leads_to_its_system(also: str, url: str) -> None:
    assert knowledge().terminology.canonical(also) == url


def test_the_codes_of_some_sets() -> None:
    found = SMALL.codes_of(frozenset({"other"}), SNOMED)
    assert {code: [h.set_id for h in rows] for code, rows in found.items()} == {"1001": ["other"]}
    assert SMALL.codes_of(frozenset({"other"}), SNOMED) == found
    assert SMALL.codes_of(frozenset({"none"}), SNOMED) == {}


def test_codes_for_a_search() -> None:
    sets = {
        "s": value_set(
            "s",
            SetCode(SNOMED, "2"),
            SetCode(SNOMED, "1", resource="Procedure"),
            SetCode(SNOMED, "3", use=False),
            SetCode(LOINC, "4"),
        )
    }
    assert codes_in(sets, "s", SNOMED) == ["2", "1"]
    assert codes_in(sets, "s", SNOMED, "Procedure") == ["1"]
    assert codes_in(sets, "s", LOINC) == ["4"]


# --------------------------------------------------------------- the real sets (SPEC 1, 2, 9)


def sets_of(system: str, code: str) -> set[str]:
    return {h.set_id for h in knowledge().terminology.hits(system, code)}


@pytest.mark.parametrize(
    ("system", "code", "qualifies", "subtype"),
    [
        (ICD10CM, "G43.009", True, ""),
        (ICD10CM, "G43.109", True, "aura"),
        (ICD10CM, "G43.829", True, "menstrual"),
        (ICD10CM, "G43839", True, "menstrual"),
        (ICD10CM, "G43.709", True, "chronic"),
        (ICD10CM, "G43.E09", True, "chronic"),
        (ICD10CM, "G43.A0", False, ""),
        (ICD10CM, "G43.C0", False, ""),
        (ICD10CM, "G43.D0", False, ""),
        (ICD9, "346.40", True, "menstrual"),
        (ICD10, "G43.9", True, ""),
        ("http://fhir.de/CodeSystem/bfarm/icd-10-gm", "G43.1", True, "aura"),
        (SNOMED, "37796009", True, ""),
        (SNOMED, "4473006", True, "aura"),
        (SNOMED, "23186000", True, "menstrual"),
        (SNOMED, "427419006", True, "chronic"),
    ],
)
def test_migraine(system: str, code: str, qualifies: bool, subtype: str) -> None:
    (entry,) = (
        h.entry for h in knowledge().terminology.hits(system, code) if h.set_id == "migraine"
    )
    assert entry.qualifies is qualifies
    assert not subtype or subtype in entry.subtype


@pytest.mark.parametrize(
    ("system", "code", "set_id"),
    [
        (SNOMED, "161481007", "migraine_exclude"),
        (ICD10CM, "O24.410", "risk_diabetes_exclude"),
        (ICD10CM, "R73.03", "risk_diabetes_exclude"),
        (ICD10CM, "E11.9", "risk_diabetes"),
        (ICD10CM, "F10.20", "risk_alcohol"),
        (ICD10CM, "I50.9", "risk_heart_disease"),
        (ICD10CM, "K50.90", "risk_gi_malabsorption"),
        (ICD10CM, "E83.42", "risk_hypomagnesemia"),
        (ICD10CM, "N18.4", "renal_ckd"),
        (ICD10CM, "Z99.2", "renal_dialysis"),
        (ICD10CM, "N17.9", "renal_aki"),
        (ICD10CM, "Z94.0", "renal_transplant"),
        (ICD10CM, "I44.2", "safety_heart_block"),
        (ICD10CM, "Z95.0", "safety_pacemaker"),
        (ICD10CM, "G70.00", "safety_neuromuscular"),
        (ICD10CM, "K56.7", "safety_bowel_obstruction"),
        (ICD10CM, "E83.41", "safety_hypermagnesemia"),
        (ICD10CM, "Z34.01", "pregnancy"),
    ],
)
def test_codes_that_the_rules_speak_of(system: str, code: str, set_id: str) -> None:
    assert set_id in sets_of(system, code)


@pytest.mark.parametrize(
    ("system", "code", "set_id"),
    [
        (ICD10CM, "G44.009", "migraine"),
        (SNOMED, "161481007", "migraine"),
        (ICD10CM, "O24.410", "risk_diabetes"),
        (ICD10CM, "R73.03", "risk_diabetes"),
        (ICD10CM, "F10.21", "risk_alcohol"),
        (ICD10CM, "F10.90", "risk_alcohol"),
        (ICD10CM, "F10.92", "risk_alcohol"),
        (ICD10CM, "I10", "risk_heart_disease"),
    ],
)
def test_codes_that_must_not_count(system: str, code: str, set_id: str) -> None:
    assert set_id not in sets_of(system, code)
