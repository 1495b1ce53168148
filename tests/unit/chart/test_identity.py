"""Which drug a medication is: references, ingredients, filler names, contradictions, gaps."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.chart.chart import Chart
from cds_service.chart.medications import MedicationUse
from cds_service.knowledge.drugs import COMBINATION
from tests.support import fhir
from tests.support.fhir import Resource
from tests.support.wording import in_words
from tests.unit.chart.reading import TODAY, chart, drafted

RXNORM = fhir.SYSTEMS["rxnorm"]
ATC = fhir.SYSTEMS["atc"]
OXIDE: Resource = {"coding": [{"system": RXNORM, "code": "6582", "display": "magnesium oxide"}]}
OXIDE_TABLET: Resource = {"coding": [{"system": RXNORM, "code": "198741"}], "text": "Mag-Ox"}
MANNITOL = "311447"


def refers(reference: Any = "#k1", **members: Any) -> Resource:
    """An active order that refers to its medication."""
    order = fhir.medication_request("1", id="r", today=TODAY)
    del order["medicationCodeableConcept"]
    named = {"reference": reference} if isinstance(reference, str) else reference
    return {**order, "medicationReference": named, **members}


def made_of(*items: Resource, **members: Any) -> Resource:
    """A Medication with these ingredients."""
    return {"resourceType": "Medication", "id": "k1", "ingredient": list(items), **members}


def concept(found: Resource) -> Resource:
    return {"itemCodeableConcept": found}


def text(words: str) -> Resource:
    return concept({"text": words})


def ordered(*resources: Resource) -> Chart:
    return chart({"medicationRequests": list(resources)})


def one(*resources: Resource) -> MedicationUse:
    (use,) = ordered(*resources).medications
    return use


def contained(*items: Resource, **members: Any) -> Resource:
    return refers(contained=[made_of(*items, **members)])


# ----------------------------------------------------------------------------------- ingredients


def test_a_medication_without_a_code_is_known_by_its_ingredient() -> None:
    use = one(contained(concept(OXIDE)))
    assert use.of("magnesium")
    assert use.label == "magnesium oxide"
    assert (use.evidence.code, use.evidence.matched) == ("6582", "ingredient")


@pytest.mark.parametrize(
    "members",
    [
        {"code": {"text": "individual preparation"}},
        {"code": {"coding": [{"system": "urn:local", "code": "7"}]}},
        {"code": {}},
    ],
)
def test_a_filler_name_hides_no_ingredient(members: Resource) -> None:
    order = contained(concept(OXIDE), **members)
    order["medicationReference"]["display"] = "capsule"
    found = ordered(order)
    assert [u.of("magnesium") for u in found.medications] == [True]
    assert found.gaps("medicationRequests") == ()


def test_all_ingredients_give_their_classes() -> None:
    use = one(contained(text("cholecalciferol"), text("levothyroxine"), concept(OXIDE)))
    assert use.of("magnesium")
    assert use.of("ix_thyroid")
    assert use.label == "magnesium oxide"


def test_ingredients_may_make_a_combination_that_spares_potassium() -> None:
    use = one(contained(text("hydrochlorothiazide"), text("triamterene")))
    assert use.of(COMBINATION)
    assert not one(contained(text("hydrochlorothiazide"))).of(COMBINATION)


def test_what_the_other_ingredients_say_decides_what_it_is_for() -> None:
    antacid = one(contained(text("aluminium hydroxide"), text("magnesium hydroxide")))
    assert antacid.drug.magnesium is not None
    assert antacid.drug.magnesium.subtype == "antacid"


@pytest.mark.parametrize(
    ("form", "kind"), [("Tablet", "antacid"), ("Suspension", "laxative-antacid")]
)
def test_the_form_of_a_medication_says_what_hydroxide_is_for(form: str, kind: str) -> None:
    use = one(contained(text("magnesium hydroxide"), form={"text": form}))
    assert use.drug.magnesium is not None
    assert use.drug.magnesium.subtype == kind


def test_a_product_code_comes_before_its_ingredients() -> None:
    use = one(contained(concept(OXIDE), code=OXIDE_TABLET))
    assert use.evidence.code == "198741"
    assert use.drug.magnesium is not None
    assert use.drug.magnesium.elemental_mg == 241


def test_an_ingredient_that_a_product_code_does_not_tell_of_counts_too() -> None:
    furosemide = {"coding": [{"system": RXNORM, "code": "313988"}]}
    use = one(contained(concept(OXIDE), code=furosemide))
    assert use.of("magnesium")
    assert use.of("diuretic_loop")


# -------------------------------------------------------------- ingredients that are Medications


def item(reference: str, display: str | None = None) -> Resource:
    return {"itemReference": {"reference": reference} | ({"display": display} if display else {})}


def test_an_ingredient_may_be_another_contained_medication() -> None:
    inner = {"resourceType": "Medication", "id": "k2", "code": OXIDE}
    use = one(refers(contained=[inner, made_of(item("#k2"))]))
    assert use.of("magnesium")


def test_an_ingredient_may_be_a_medication_of_the_bundle() -> None:
    inner = {"resourceType": "Medication", "id": "k2", "code": OXIDE}
    assert one(refers("Medication/k1"), made_of(item("Medication/k2")), inner).of("magnesium")


def test_what_is_contained_in_a_medication_of_the_bundle_is_found_there() -> None:
    inner = {"resourceType": "Medication", "id": "k2", "code": OXIDE}
    use = one(refers("Medication/k1"), made_of(item("#k2"), contained=[inner]))
    assert use.of("magnesium")


def test_an_ingredient_may_have_ingredients() -> None:
    inner = {"resourceType": "Medication", "id": "k2", "ingredient": [concept(OXIDE)]}
    assert one(refers(contained=[inner, made_of(item("#k2"))])).of("magnesium")


def test_a_medication_that_is_its_own_ingredient_is_read_once() -> None:
    found = ordered(refers(contained=[made_of(item("#k1"), concept(OXIDE))]))
    assert [u.of("magnesium") for u in found.medications] == [True]
    assert found.requests.unresolved == ["MedicationRequest/r"]


def test_a_long_chain_of_ingredients_is_a_gap_and_no_error() -> None:
    chain = [{**made_of(item(f"#k{number + 1}")), "id": f"k{number}"} for number in range(1, 2_000)]
    found = ordered(refers(contained=chain))
    assert found.medications == []
    assert found.requests.unresolved == ["MedicationRequest/r"]


def test_the_display_of_an_ingredient_is_a_text() -> None:
    assert one(contained(item("Medication/elsewhere", "magnesium oxide"))).of("magnesium")
    coded = {"resourceType": "Medication", "id": "k2", "code": {"coding": [{"code": "9"}]}}
    use = one(refers(contained=[coded, made_of(item("#k2", "magnesium oxide"))]))
    assert use.of("magnesium")


# ---------------------------------------------------------------------- what nobody can identify


@pytest.mark.parametrize(
    ("items", "unresolved"),
    [
        ([concept(OXIDE), item("Medication/elsewhere")], True),
        ([concept(OXIDE), concept({"coding": [{"system": "urn:local", "code": "7"}]})], False),
        ([concept(OXIDE), {}], False),
        ([concept(OXIDE), {"itemCodeableConcept": "zinc"}], False),
        ([item("Medication/elsewhere")], True),
        ([{}], False),
        (["zinc"], False),
    ],
)
def test_an_ingredient_that_cannot_be_identified_is_a_gap(
    items: list[Any], unresolved: bool
) -> None:
    found = ordered(contained(*items))
    assert [u.of("magnesium") for u in found.medications] == (
        [True]
        if OXIDE in [i.get("itemCodeableConcept") for i in items if isinstance(i, dict)]
        else []
    )
    named = (found.requests.unresolved, found.requests.unnamed)
    assert named == ((["MedicationRequest/r"], []) if unresolved else ([], ["MedicationRequest/r"]))
    assert found.gaps("medicationRequests") != ()


@pytest.mark.parametrize("nothing", [None, [], {}, {"form": {"text": "tablet"}}])
def test_an_ingredient_that_is_a_medication_without_content_is_a_gap(nothing: Any) -> None:
    empty = {"resourceType": "Medication", "id": "k2"}
    inner = {**empty, **nothing} if isinstance(nothing, dict) else {**empty, "ingredient": nothing}
    found = ordered(refers(contained=[inner, made_of(concept(OXIDE), item("#k2"))]))
    assert [u.of("magnesium") for u in found.medications] == [True]
    assert found.requests.unresolved == ["MedicationRequest/r"]
    assert found.gaps("medicationRequests") != ()


def test_the_display_of_an_ingredient_without_content_is_a_text() -> None:
    inner = {"resourceType": "Medication", "id": "k2", "ingredient": []}
    found = ordered(refers(contained=[inner, made_of(item("#k2", "magnesium oxide"))]))
    assert [u.of("magnesium") for u in found.medications] == [True]
    assert found.gaps("medicationRequests") == ()


def test_ingredients_that_no_rule_knows_are_no_gap() -> None:
    found = ordered(
        contained(text("zinc"), concept({"coding": [{"system": RXNORM, "code": "723"}]}))
    )
    assert found.medications == []
    assert found.gaps("medicationRequests") == ()


def test_known_ingredients_identify_a_product_whose_code_is_not_read() -> None:
    pzn = {"coding": [{"system": "http://fhir.de/CodeSystem/ifa/pzn", "code": "1"}]}
    found = ordered(contained(text("zinc"), code=pzn))
    assert found.gaps("medicationRequests") == ()


def test_an_unknown_ingredient_of_a_known_product_is_no_gap() -> None:
    found = ordered(contained(concept({"coding": [{"code": "7"}]}), code=OXIDE_TABLET))
    assert len(found.medications) == 1
    assert found.gaps("medicationRequests") == ()


@pytest.mark.parametrize(
    "bad", ["odd", 5, [5], [{"resourceType": "Medication", "id": "k1", "code": 5}]]
)
def test_what_is_contained_and_cannot_be_read_is_named(bad: Any) -> None:
    found = ordered(refers(contained=bad))
    assert found.medications == []
    assert found.gaps("medicationRequests") != ()


@pytest.mark.parametrize("kind", [7, None, "Substance"])
def test_what_is_referred_to_is_meant_whatever_it_calls_itself(kind: Any) -> None:
    found = ordered(refers(contained=[{**made_of(concept(OXIDE)), "resourceType": kind}]))
    assert [u.of("magnesium") for u in found.medications] == [True]
    assert bool(found.not_readable()) is (kind == 7)


def test_another_contained_resource_is_not_looked_into() -> None:
    other = {"resourceType": "Questionnaire", "id": "q", "code": [{"code": "1"}]}
    found = ordered(refers(contained=[other, made_of(concept(OXIDE))]))
    assert len(found.medications) == 1
    assert found.not_readable() == ()


# ------------------------------------------------------------------------------------ references


@pytest.mark.parametrize(
    "reference",
    [
        "urn:uuid:3d1a0d4e-0000-4000-8000-000000000001",
        "Medication/3d1a0d4e-0000-4000-8000-000000000001",
        "https://ehr.example.org/fhir/Medication/3d1a0d4e-0000-4000-8000-000000000001/_history/1",
    ],
)
def test_a_medication_is_found_by_every_form_of_a_reference(reference: str) -> None:
    medication = {"resourceType": "Medication", "code": OXIDE}
    bundle = fhir.bundle([refers(reference)])
    bundle["entry"].append(
        {"fullUrl": "urn:uuid:3d1a0d4e-0000-4000-8000-000000000001", "resource": medication}
    )
    (use,) = chart(medicationRequests=bundle).medications
    assert use.of("magnesium")


def test_orders_that_refer_to_one_medication_are_all_of_it() -> None:
    medication = {"resourceType": "Medication", "id": "k1", "code": OXIDE}
    orders = [{**refers("Medication/k1"), "id": i} for i in "ab"]
    found = ordered(*orders, medication)
    assert sorted(u.reference for u in found.medications) == [
        "MedicationRequest/a",
        "MedicationRequest/b",
    ]


def test_a_reference_that_leads_nowhere_leaves_the_words_beside_it() -> None:
    found = ordered(refers({"reference": "Medication/elsewhere", "display": "Magnesiumoxid"}))
    assert [u.of("magnesium") for u in found.medications] == [True]


def test_the_words_beside_a_reference_name_what_its_code_does_not() -> None:
    local = {"resourceType": "Medication", "id": "k1", "code": {"coding": [{"code": "9"}]}}
    found = ordered(refers({"reference": "Medication/k1", "display": "Magnesium Verla"}), local)
    assert [u.of("magnesium") for u in found.medications] == [True]
    assert found.gaps("medicationRequests") == ()


def test_a_concept_and_a_reference_are_both_read() -> None:
    order = refers(contained=[made_of(concept(OXIDE))])
    order["medicationCodeableConcept"] = {"text": "capsule"}
    assert one(order).of("magnesium")


# ------------------------------------------------------------------------------------ which code


def coded(*codings: tuple[str, str], words: str | None = None) -> Resource:
    order = fhir.medication_request("1", id="r", today=TODAY)
    order["medicationCodeableConcept"] = {
        "coding": [{"system": s, "code": c} for s, c in codings],
        **({"text": words} if words else {}),
    }
    return order


def test_a_product_comes_before_its_ingredient_in_any_order() -> None:
    for codings in ([(RXNORM, "6582"), (RXNORM, "198741")], [(RXNORM, "198741"), (RXNORM, "6582")]):
        assert one(coded(*codings)).evidence.code == "198741"
    assert one(coded((ATC, "A12CC10"), (RXNORM, "6582"))).evidence.code == "6582"
    assert one(coded((RXNORM, "6582"), (RXNORM, "52356"))).evidence.code == "6582"


@pytest.mark.parametrize(
    ("codings", "product_codes"),
    [
        ([(RXNORM, "198741")], {(RXNORM, "198741")}),
        ([(RXNORM, "198741/")], set()),
        ([(RXNORM, "6582")], set()),
        ([(ATC, "A12CC10")], set()),
        ([("http://snomed.info/sct", "387202002")], set()),
        ([("http://hl7.org/fhir/sid/ndc", "0904-0001")], {("http://hl7.org/fhir/sid/ndc", "0904-0001")}),
        ([(RXNORM, "198741"), ("urn:p", "7")], {(RXNORM, "198741"), ("urn:p", "7")}),
    ],
)  # fmt: skip
def test_which_codes_are_of_a_product(
    codings: list[tuple[str, str]], product_codes: set[tuple[str, str]]
) -> None:
    assert one(coded(*codings, words="magnesium oxide")).product_codes == product_codes


def test_a_code_without_a_system_is_of_no_product() -> None:
    order = coded(words="magnesium oxide")
    order["medicationCodeableConcept"]["coding"] = [{"code": "7"}, {"system": "urn:p"}]
    assert one(order).product_codes == frozenset()


# ---------------------------------------------------------------------------- contradictory words


@pytest.mark.parametrize(
    "named",
    [
        {"coding": [{"system": RXNORM, "code": MANNITOL}], "text": "magnesium oxide 400 mg tablet"},
        {"coding": [{"system": RXNORM, "code": MANNITOL, "display": "Mag-Ox 400"}]},
        {"coding": [{"system": ATC, "code": "C03CA01"}], "text": "Magnesiumcitrat"},
        {
            "coding": [{"system": RXNORM, "code": MANNITOL, "display": "mannitol"}],
            "text": "magnesium citrate",
        },
    ],
)
def test_a_code_of_another_drug_whose_words_name_magnesium(named: Resource) -> None:
    order = {**coded(), "medicationCodeableConcept": named}
    use = one(order)
    assert use.of("magnesium")
    assert use.contradictory
    assert use.drug.magnesium is not None
    assert in_words(use.evidence.note) == "code and words name different drugs"
    assert use.evidence.code == named["coding"][0]["code"]
    assert use.oral


@pytest.mark.parametrize(
    ("named", "magnesium"),
    [
        ({"coding": [{"system": RXNORM, "code": "198741"}], "text": "magnesium oxide"}, True),
        (
            {"coding": [{"system": RXNORM, "code": "283742", "display": "esomeprazole magnesium"}]},
            False,
        ),
        ({"text": "magnesium oxide"}, True),
        # A code that no rule knows may be any drug: its words tell which.
        ({"coding": [{"system": RXNORM, "code": "1"}], "text": "magnesium oxide"}, True),
    ],
)
def test_words_that_agree_with_the_code(named: Resource, magnesium: bool) -> None:
    found = ordered({**coded(), "medicationCodeableConcept": named}).medications
    assert [u.contradictory for u in found if u.of("magnesium")] == [False] * magnesium


# ----------------------------------------------------------------------------------------- drafts


def test_a_draft_refers_to_a_medication_of_the_prefetch() -> None:
    medication = {"resourceType": "Medication", "id": "k1", "code": OXIDE}
    found = ordered(medication)
    use = found.draft(drafted(refers("Medication/k1")), "MedicationRequest/d")
    assert use is not None
    assert use.of("magnesium")


def test_a_draft_that_nobody_can_identify() -> None:
    found = chart()
    assert in_words(found.unidentified(drafted(refers("Medication/elsewhere")))) == (
        "names a medication that was not sent along"
    )
    local = drafted(coded(("urn:local", "7")))
    assert (
        in_words(found.unidentified(local)) == "names a medication by nothing that can be looked up"
    )
    assert not found.is_named(local)


@pytest.mark.parametrize(
    "order",
    [
        coded((RXNORM, "723")),
        coded(("urn:local", "7"), words="amoxicillin"),
        coded(words="amoxicillin"),
        {"resourceType": "MedicationRequest", "id": "d"},
        {"resourceType": "MedicationRequest", "medicationCodeableConcept": {}},
        {"resourceType": "MedicationRequest", "medicationReference": {}},
    ],
)
def test_a_draft_that_is_named_or_still_open(order: Resource) -> None:
    """What a clinician can read is named, and what is not chosen yet is no gap."""
    assert chart().unidentified(drafted(order)) is None


def test_the_form_is_that_of_the_product_and_not_of_what_it_is_made_of() -> None:
    powder: Resource = {"resourceType": "Medication", "id": "k2", "form": {"text": "Suspension"}}
    powder["code"] = {"text": "magnesium hydroxide"}
    tablet = made_of(item("#k2"), form={"text": "Tablet"})
    use = one(refers(contained=[powder, tablet]))
    assert use.drug.magnesium is not None
    assert use.drug.magnesium.subtype == "antacid"


@pytest.mark.parametrize(
    ("coding", "named", "gap"),
    [
        ({"value": {"system": RXNORM, "code": "4603"}}, ["medication.coding", "medication"], 1),
        ({"system": "urn:x", "display": "water tablet"}, [], 0),
    ],
)
def test_an_empty_coding_beside_words_that_match_nothing_may_have_named_the_drug(
    coding: Resource, named: list[str], gap: int
) -> None:
    medication = {"coding": [coding], "text": "water tablet"}
    found = ordered({**coded(), "medicationCodeableConcept": medication})
    assert len(found.gaps("medicationRequests")) == gap
    assert [n.element for n in found.not_readable()] == named


def test_an_empty_coding_beside_a_good_one_is_named() -> None:
    found = ordered({**coded(), "medicationCodeableConcept": {"coding": [{}, *OXIDE["coding"]]}})
    assert [use.of("magnesium") for use in found.medications] == [True]
    assert [n.element for n in found.not_readable()] == ["medication.coding"]
    assert found.gaps("medicationRequests") == ()
