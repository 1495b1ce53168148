"""Codes: systems under all their names, ICD by prefix with exclusions, the longest prefix first."""

from __future__ import annotations

import pytest

from cds_service.knowledge import terminology
from cds_service.knowledge.terminology import (
    CodeSystem,
    Prefix,
    SetCode,
    Terminology,
    ValueSet,
    codes_in,
)
from tests.support.decisions import knowledge
from tests.support.tables import each_row

ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
ICD9 = "http://hl7.org/fhir/sid/icd-9-cm"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
COUNTRIES = ("gm", "am", "ca", "uk", "fr", "nl", "se", "de", "vn")

SYSTEMS = [
    CodeSystem(
        *("snomed", SNOMED, "SNOMED CT", "plain", ("urn:oid:2.16.840.1.113883.6.96",)),
        beginnings=("snomed.info/sct/",),
    ),
    CodeSystem("icd10cm", ICD10CM, "ICD-10-CM", "icd10", ("urn:oid:2.16.840.1.113883.6.90",)),
    CodeSystem("icd10", ICD10, "ICD-10", "icd10", within=("/sid/icd-10-",)),
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


@each_row(
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
        # Marks behind a code are no part of it: dagger, asterisk, the gap of a category.
        (ICD10, "N18.32+", [("kidney", "N18.3", "prefix")]),
        (ICD10CM, "N18.4*", [("kidney", "N18.4", "code")]),
        (ICD10CM, "N18.-", [("kidney", "N18", "prefix")]),
        # Six characters without a dot are no international ICD-10 code (the German Alpha-ID).
        (ICD10, "N18312", []),
        (ICD10CM, "N18312", [("kidney", "N18.3", "prefix")]),
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


@each_row(
    ("system", "url"),
    [
        (None, None),
        ("", None),
        ("|", None),
        ("urn:local", None),
        ("urn:oid:2.16.840.1.113883.3.9999.4.7", None),
        ("http://ehr.example/codes/icd-10-cm", None),
        (SNOMED, SNOMED),
        ("http://snomed.info/sct/", SNOMED),
        ("HTTPS://WWW.Snomed.INFO/sct", SNOMED),
        (" http://snomed.info/sct ", SNOMED),
        ("http://snomed.info/sct/900000000000207008", SNOMED),
        ("http://snomed.info/sct/900000000000207008/version/20230131", SNOMED),
        ("http://snomed.info/sct|http://snomed.info/sct/731000124108", SNOMED),
        ("http://snomed.info/sct?fhir_vs", SNOMED),
        ("http://snomed.info/xsct", None),
        ("2.16.840.1.113883.6.96", SNOMED),
        ("urn:OID:2.16.840.1.113883.6.96", SNOMED),
        ("oid:2.16.840.1.113883.6.96", SNOMED),
        ("https://loinc.org/", LOINC),
        ("2.16.840.1.113883.6.1", LOINC),
        ("http://hl7.org/fhir/sid/icd-10-cm/", ICD10CM),
        ("http://hl7.org/fhir/sid/icd-10-cm|2024", ICD10CM),
        ("http://hl7.org/fhir/sid/ICD-10-CM", ICD10CM),
        ("http://hl7.org/fhir/sid/icd-10-cm/2024", ICD10CM),
        ("urn:oid:2.16.840.1.113883.6.90", ICD10CM),
        # ICD-10 of other countries is read as the international one (D3).
        *((f"http://hl7.org/fhir/sid/icd-10-{land}", ICD10) for land in COUNTRIES),
        ("https://fhir.example/sid/icd-10-xy|2", ICD10),
        ("urn:oid:1.2.276.0.76.5.409", ICD10),
        ("1.2.276.0.76.5.311", ICD10),
        ("urn:oid:2.16.840.1.113883.6.135", ICD10),
        ("urn:oid:2.16.840.1.113883.6.94", ICD10),
        ("urn:oid:2.16.840.1.113883.6.3.2", ICD10),
        ("urn:oid:1.2.752.116.1.1.1.1.8", ICD10),
        ("https://smt.esante.gouv.fr/terminologie-cim-10", ICD10),
        ("http://id.who.int/icd/release/10/2019", ICD10),
        ("http://id.who.int/icd/release/11/mms", None),
        # Procedures in ICD-10-PCS are not diagnoses in ICD-10.
        ("http://hl7.org/fhir/sid/icd-10-pcs", "http://www.cms.gov/Medicare/Coding/ICD10"),
    ],
)
def test_the_canonical_name_of_a_system(system: str | None, url: str | None) -> None:
    assert knowledge().terminology.canonical(system) == url
    assert knowledge().terminology.canonical(system) == url


def test_a_system_that_has_no_form_of_its_own_is_known_by_its_names() -> None:
    assert SMALL.canonical("urn:oid:2.16.840.1.113883.6.90|1") == ICD10CM
    assert SMALL.canonical("http://hl7.org/fhir/sid/icd-10-ca") == ICD10
    assert SMALL.canonical("http://snomed.info/sct/731000124108") == SNOMED


def test_made_up_systems_do_not_fill_the_memory() -> None:
    terms = Terminology(SYSTEMS, [])
    for number in range(2 * terminology._SEEN_MAX):
        assert terms.canonical(f"urn:local:{number}") is None
    assert len(terms._seen) == terminology._SEEN_MAX
    assert terms.canonical("http://snomed.info/sct/") == SNOMED
    long = Terminology(SYSTEMS, [])
    before = len(long._seen)
    assert long.canonical(f"{SNOMED}/{'1' * 1000}") == SNOMED
    assert len(long._seen) == before


def test_made_up_codes_do_not_fill_the_memory() -> None:
    terms = Terminology(SYSTEMS, [value_set("kidney", SetCode(ICD10CM, "N18.4"))])
    for number in range(terminology._FOUND_MAX + 10):
        assert terms.hits(ICD10CM, f"X{number}") == ()
    assert len(terms._found) == terminology._FOUND_MAX
    assert [h.set_id for h in terms.hits(ICD10CM, "N18.4")] == ["kidney"]
    long = Terminology(SYSTEMS, [])
    assert long.hits(ICD10CM, "N" * 1000) == ()
    assert long._found == {}


@pytest.mark.parametrize(
    ("system", "code", "read"),
    [
        (SNOMED, "709044004", True),
        ("https://snomed.info/sct|2024", "709044004", True),
        (SNOMED, "N18.5", False),
        (SNOMED, " 709044004", False),
        (SNOMED, "", False),
        (SNOMED, None, False),
        (None, "709044004", False),
        ("urn:local", "709044004", False),
        (LOINC, "33914-3", True),
        (LOINC, "GFR", False),
        (ICD10CM, "N18.5", True),
        (ICD10CM, "n185", True),
        (ICD10CM, "CKD", False),
        (ICD10CM, "N17-N19", False),
        (ICD10, "N18.5+", True),
        ("urn:oid:1.2.276.0.76.5.409", "I12345", False),
        (ICD9, "585.5", True),
        (ICD9, "5855", True),
        (ICD9, "V45.11", True),
        (ICD9, "55.69", True),
        (ICD9, "kidney", False),
        ("http://www.whocc.no/atc", "A12CC02", True),
        ("http://www.whocc.no/atc", "magnesium", False),
    ],
)
def test_whether_a_coding_can_be_read(system: str | None, code: str | None, read: bool) -> None:
    assert knowledge().terminology.reads(system, code) is read


def test_a_system_whose_codes_have_no_form_reads_any_code() -> None:
    assert SMALL.reads(SNOMED, "anything")


def test_every_code_of_a_set_can_be_read() -> None:
    reads = knowledge().terminology.reads
    assert [
        (s.id, c.system, c.code)
        for s in knowledge().sets.values()
        for c in s.codes
        if not reads(c.system, c.code)
    ] == []


def test_a_procedure_of_icd_9_without_its_dot_is_not_taken_for_a_diagnosis() -> None:
    """55.69 is a kidney transplant, 556.9 ulcerative colitis: without a dot both are 5569."""
    terms = Terminology(
        SYSTEMS,
        [
            value_set("transplant", SetCode(ICD9, "55.69", resource="Procedure")),
            value_set("colitis", SetCode(ICD9, "556.9")),
        ],
    )
    found = {
        code: [h.set_id for h in terms.hits(ICD9, code)] for code in ("5569", "55.69", "556.9")
    }
    assert found == {
        "5569": ["colitis", "transplant"],
        "55.69": ["transplant"],
        "556.9": ["colitis"],
    }


def test_a_diagnosis_in_the_icd_10_of_another_country_is_read() -> None:
    """V136: CKD stage 5 in ICD-10-CA."""
    for land in COUNTRIES:
        found = knowledge().terminology.hits(f"http://hl7.org/fhir/sid/icd-10-{land}", "N18.5")
        assert [h.entry.stage for h in found if h.set_id == "renal_ckd"] == ["5"]


@each_row(
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


@each_row(
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
        (ICD10CM, "Q61.2", "renal_risk"),
        (ICD10CM, "Z90.5", "renal_risk"),
        (ICD10CM, "N18.4", "renal_risk"),
        (ICD10CM, "I10", "coindication_hypertension"),
        (ICD10CM, "F31.9", "coindication_bipolar"),
        ("http://www.ama-assn.org/go/cpt", "50360", "renal_transplant_procedure"),
        ("http://www.cms.gov/Medicare/Coding/ICD10", "0TY00Z0", "renal_transplant_procedure"),
        ("http://www.nlm.nih.gov/research/umls/hcpcs", "S2065", "renal_transplant_procedure"),
        ("https://fhir.hl7.org.uk/Id/opcs-4", "M012", "renal_transplant_procedure"),
        ("http://hl7.org/fhir/sid/ex-opcs4", "M01.2", "renal_transplant_procedure"),
        (ICD9, "5569", "renal_transplant_procedure"),
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
