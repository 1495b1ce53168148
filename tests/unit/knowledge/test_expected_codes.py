"""Codes and drugs that the rules must know, each a row that a clinician can read and check.

The tables stand in `expected/`: at least one code for each value set, code system and kind of code;
each beginning of codes with what it leaves out; one product for each class of drugs and route; every
drug by name. They say what is right; nothing in them is read from the knowledge.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from cds_service.knowledge.drugs import ATC, Drug
from cds_service.knowledge.terminology import Hit, SetCode
from tests.support.decisions import knowledge
from tests.support.fhir import SYSTEMS
from tests.support.tables import each_row

EXPECTED = Path(__file__).with_name("expected")
LOINC = SYSTEMS["loinc"]
BY_TITLE = {
    "ICD-10-CM": SYSTEMS["icd-10-cm"],
    "ICD-10": SYSTEMS["icd-10"],
    "ICD-9-CM": SYSTEMS["icd-9-cm"],
    "SNOMED CT": SYSTEMS["snomed"],
    "ICD-10-PCS": "http://www.cms.gov/Medicare/Coding/ICD10",
    "HCPCS": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "CPT": "http://www.ama-assn.org/go/cpt",
    "OPCS-4": "https://fhir.hl7.org.uk/Id/opcs-4",
}
Row = dict[str, str]


def rows(name: str) -> list[Row]:
    with (EXPECTED / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def named(*members: str) -> Callable[[Row], str]:
    """Names a row in the report of the tests."""
    return lambda row: " ".join(row[m] for m in members)


def attributes(entry: SetCode) -> str:
    """What a code says of itself, beyond the usual."""
    said = {
        "grade": entry.grade,
        "past_counts": "yes" if entry.past_counts else "",
        "qualifies": "" if entry.qualifies else "no",
        "resource": "" if entry.resource == "Condition" else entry.resource,
        "stage": entry.stage,
        "subtype": "+".join(entry.subtype),
        "tier": entry.tier,
    }
    return " ".join(f"{name}={value}" for name, value in said.items() if value)


def hit(set_id: str, url: str, code: str) -> Hit:
    found = [h for h in knowledge().terminology.hits(url, code) if h.set_id == set_id]
    assert len(found) == 1, f"{code} is in {set_id} {len(found)} times"
    return found[0]


@each_row("row", rows("codes"), ids=named("set", "code"))
def test_a_code_is_in_its_set_and_is_what_it_is(row: Row) -> None:
    found = hit(row["set"], BY_TITLE[row["system"]], row["code"])
    assert (found.matched, found.entry.system) == ("code", BY_TITLE[row["system"]])
    assert attributes(found.entry) == row["attributes"]


def beginnings(drugs: bool) -> list[Row]:
    return [row for row in rows("beginnings") if (row["system"] == "ATC") is drugs]


@each_row("row", beginnings(drugs=False), ids=named("set", "begins"))
def test_a_code_that_begins_so_belongs_to_the_set(row: Row) -> None:
    """Also where a later release adds it: no release has a code that ends in ZZ."""
    url = BY_TITLE[row["system"]]
    found = hit(row["set"], url, _longer(row["begins"]))
    assert (found.matched, found.entry.code) == ("prefix", row["begins"])
    assert found.entry.display == row["name"]
    assert attributes(found.entry) == row["attributes"]


class LeftOut(NamedTuple):
    set_id: str
    url: str
    code: str


def left_out() -> Iterator[LeftOut]:
    for row in beginnings(drugs=False):
        for code in row["but not"].split():
            yield LeftOut(row["set"], BY_TITLE[row["system"]], code)


@each_row("gone", [*left_out()], ids=lambda gone: f"{gone.set_id} {gone.code}")
def test_a_beginning_that_the_set_leaves_out(gone: LeftOut) -> None:
    found = knowledge().terminology.hits(gone.url, _longer(gone.code))
    assert gone.set_id not in {h.set_id for h in found if h.matched == "prefix"}


def _longer(code: str) -> str:
    return f"{code}ZZ" if "." in code else f"{code}.ZZ"


def drug(found: Drug | None) -> Drug:
    assert found is not None, "no rule knows it"
    return found


@each_row("row", beginnings(drugs=True), ids=named("set", "begins"))
def test_an_atc_code_that_begins_so(row: Row) -> None:
    groups = {p.prefix: p.display for p in knowledge().sets[row["set"]].prefixes}
    assert groups[row["begins"]].lower() == row["name"].lower()
    found = drug(knowledge().drugs.by_atc(f"{row['begins']}ZZ"))
    assert row["set"].removeprefix("med_") in found.classes


@each_row("row", rows("atc"), ids=named("class", "atc"))
def test_an_atc_code(row: Row) -> None:
    value_set = knowledge().sets[f"med_{row['class']}"]
    assert row["atc"] in {c.code for c in value_set.codes if c.system == ATC}
    assert row["class"] in drug(knowledge().drugs.by_atc(row["atc"])).classes


@each_row("row", rows("products"), ids=named("class", "route"))
def test_a_product_with_its_class_and_route(row: Row) -> None:
    """The route follows from the dose form in the name (SPEC 7.4)."""
    found = drug(knowledge().drugs.by_rxnorm(row["rxcui"]))
    assert found.matched == "code"
    assert found.name == row["name"]
    assert row["class"] in found.classes
    assert found.route == row["route"]


@each_row("row", rows("drugs"), ids=named("class", "name"))
def test_a_drug_is_known_by_its_name_and_as_an_ingredient(row: Row) -> None:
    in_words = drug(knowledge().drugs.by_text(f"{row['name']} 1 unit"))
    assert row["class"] in in_words.classes
    assert (row["stands for"] or row["name"]) in in_words.ingredients
    if row["rxcui"]:
        found = drug(knowledge().drugs.by_rxnorm(row["rxcui"]))
        assert (found.matched, found.name) == ("ingredient", row["name"])
        assert row["class"] in found.classes


@each_row("row", rows("magnesium"), ids=named("kind", "rxcui"))
def test_what_a_magnesium_product_is(row: Row) -> None:
    found = drug(knowledge().drugs.by_rxnorm(row["rxcui"]))
    assert found.magnesium is not None
    assert found.name == row["name"]
    assert found.magnesium.subtype == row["kind"]
    assert found.magnesium.elemental_basis == row["basis"]


@each_row("row", rows("laboratory"), ids=named("set", "loinc"))
def test_a_laboratory_code(row: Row) -> None:
    entry = hit(row["set"], LOINC, row["loinc"]).entry
    assert str(entry.preference or "") == row["preference"]
    assert (entry.unit or entry.default_unit) == row["unit"]
    assert entry.use is (row["used"] != "no")
    assert entry.secondary is (row["secondary"] == "yes")
