"""Drugs: RxNorm, then ATC by prefix, then words; what a text names and what it must not."""

from __future__ import annotations

import pytest

from cds_service.knowledge.drugs import COMBINATION, Drug, Drugs, DrugText, MagnesiumTable, words
from cds_service.knowledge.terminology import Prefix, SetCode, ValueSet
from tests.support.decisions import knowledge

LOOP, THIAZIDE, SPARING = "diuretic_loop", "diuretic_thiazide", "diuretic_ksparing"
DRUGS = knowledge().drugs


def subtype(drug: Drug | None) -> str:
    assert drug is not None
    assert drug.magnesium is not None
    return drug.magnesium.subtype


@pytest.mark.parametrize(
    ("code", "held", "route", "matched"),
    [
        ("313988", {LOOP}, "oral", "code"),
        ("252484", {LOOP}, "injectable", "code"),
        ("4603", {LOOP}, "any", "ingredient"),
        ("310798", {THIAZIDE}, "oral", "code"),
        ("310812", {COMBINATION}, "oral", "code"),
        ("313096", {SPARING}, "oral", "code"),
        ("309307", {"ix_fluoroquinolone"}, "local", "code"),
        ("198741", {"magnesium"}, "oral", "code"),
        ("6574", {"magnesium"}, "any", "ingredient"),
    ],
)
def test_an_rxnorm_code(code: str, held: set[str], route: str, matched: str) -> None:
    drug = DRUGS.by_rxnorm(code)
    assert drug is not None
    assert held <= drug.classes
    assert (drug.route, drug.matched) == (route, matched)


@pytest.mark.parametrize("code", ["", "0", "723", "amoxicillin"])
def test_a_code_that_no_rule_knows(code: str) -> None:
    assert DRUGS.by_rxnorm(code) is None


@pytest.mark.parametrize(
    ("code", "kind", "salts"),
    [
        ("476818", "supplement", ("magnesium glycinate",)),
        ("6582", "supplement", ("magnesium oxide",)),
        ("6574", "supplement", ()),
        ("6581", "laxative-antacid", ("magnesium hydroxide",)),
        ("198741", "supplement", ("magnesium oxide",)),
        ("1658244", "parenteral", ("magnesium sulfate",)),
    ],
)
def test_what_a_magnesium_product_is_for(code: str, kind: str, salts: tuple[str, ...]) -> None:
    drug = DRUGS.by_rxnorm(code)
    assert subtype(drug) == kind
    assert drug is not None
    assert drug.magnesium is not None
    assert drug.magnesium.salts == salts


@pytest.mark.parametrize(
    ("code", "display", "held", "not_held"),
    [
        ("C03CA01", "", {LOOP}, {COMBINATION}),
        ("C03AA03", "", {THIAZIDE}, {COMBINATION}),
        ("C03BA04", "chlorthalidone", {THIAZIDE}, {COMBINATION}),
        ("C03DA01", "", {SPARING}, {THIAZIDE}),
        ("C03EA01", "hydrochlorothiazide and potassium-sparing agents", {COMBINATION}, set()),
        ("C03AA03", "hydrochlorothiazide and spironolactone", {COMBINATION}, set()),
        ("A02BC01", "", {"ppi"}, set()),
        ("N02CC01", "", {"migraine_acute"}, set()),
        ("A12CC04", "", {"magnesium"}, set()),
    ],
)
def test_an_atc_code_by_its_longest_known_prefix(
    code: str, display: str, held: set[str], not_held: set[str]
) -> None:
    drug = DRUGS.by_atc(code, display)
    assert drug is not None
    assert drug.matched == "atc"
    assert held <= drug.classes
    assert not not_held & drug.classes


@pytest.mark.parametrize("code", ["", "C0", "Z99AA01", "J01CA04"])
def test_an_atc_code_that_no_rule_knows(code: str) -> None:
    assert DRUGS.by_atc(code) is None


@pytest.mark.parametrize(
    ("code", "display", "kind"),
    [
        ("A12CC04", "magnesium citrate", "supplement"),
        ("A06AD04", "magnesium sulfate", "laxative"),
        ("A02AA04", "magnesium hydroxide", "antacid"),
        ("A12CC02", "magnesium sulfate injection", "parenteral"),
    ],
)
def test_an_atc_code_says_what_the_magnesium_is_for(code: str, display: str, kind: str) -> None:
    assert subtype(DRUGS.by_atc(code, display)) == kind


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("Furosemide 40 mg tablet", {LOOP}),
        ("LASIX", {LOOP}),
        ("bumex 1mg", {LOOP}),
        ("Demadex", {LOOP}),
        ("torasemide", {LOOP}),
        ("HCTZ 25 mg", {THIAZIDE}),
        ("microzide", {THIAZIDE}),
        ("chlortalidone", {THIAZIDE}),
        ("spironolactone", {SPARING}),
        ("HCTZ/spironolactone 25/25", {THIAZIDE, SPARING, COMBINATION}),
        ("furosemide + amiloride", {LOOP, SPARING, COMBINATION}),
        ("omeprazole 20 mg", {"ppi"}),
        ("ciclosporin", {"calcineurin_inhibitor"}),
        ("Magnesium", {"magnesium"}),
        ("milk of magnesia", {"magnesium"}),
        ("magnesium oxide 400", {"magnesium"}),
        ("esomeprazole magnesium 40 mg and magnesium citrate", {"ppi", "magnesium"}),
    ],
)
def test_a_text(text: str, held: set[str]) -> None:
    drug = DRUGS.by_text(text)
    assert drug is not None
    assert drug.classes >= held
    assert (drug.matched, drug.name) == ("text", text)


@pytest.mark.parametrize(
    "text",
    ["", "water", "furosemidex", "xfurosemide", "manganese", "pitavastatin magnesium", "Lasi x"],
)
def test_a_text_that_names_no_drug_of_a_rule(text: str) -> None:
    assert DRUGS.by_text(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "esomeprazole magnesium 40 mg",
        "Omeprazole Magnesium",
        "vitamin B6 with magnesium stearate",
        "furosemide (contains magnesium stearate)",
    ],
)
def test_a_text_in_which_magnesium_is_no_supplement(text: str) -> None:
    drug = DRUGS.by_text(text)
    assert drug is None or "magnesium" not in drug.classes


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("magnesium", "supplement"),
        ("magnesium glycinate 200 mg", "supplement"),
        ("magnesium sulfate injection", "parenteral"),
        ("magnesium sulfate IV", "parenteral"),
        ("magnesium oil topical", "topical"),
        ("epsom salt magnesium bath", "topical"),
        ("multivitamin with magnesium", "multivitamin"),
        ("prenatal magnesium", "multivitamin"),
        ("sodium picosulfate and magnesium citrate", "bowel-prep"),
        ("aluminium hydroxide / magnesium hydroxide", "antacid"),
        ("milk of magnesia", "laxative-antacid"),
        ("magnesium citrate laxative", "supplement"),
        ("magnesium oxide antacid", "supplement"),
        ("magnesium citrate solution", "laxative"),
        ("choline magnesium trisalicylate", "analgesic-salicylate"),
    ],
)
def test_what_magnesium_in_a_text_is_for(text: str, kind: str) -> None:
    assert subtype(DRUGS.by_text(text)) == kind


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("take by mouth", "oral"),
        ("2 tablets", "oral"),
        ("PO", "oral"),
        ("iv push", "injectable"),
        ("eye drops", "local"),
        ("vaginal tablet", "local"),
        ("nasal spray", "nasal"),
        ("via nebulizer", "inhaled"),
        ("early in the day", "any"),
        ("", "any"),
    ],
)
def test_the_route_in_words(text: str, route: str) -> None:
    assert DRUGS.route_in(text) == route


def test_a_route_code_of_an_unknown_system_says_nothing() -> None:
    assert DRUGS.route_of_code("http://snomed.info/sct", "26643006") == "oral"
    assert DRUGS.route_of_code("urn:local", "26643006") is None
    assert DRUGS.route_of_code(None, None) is None


def test_a_single_salt_product_is_found_by_its_strength() -> None:
    found = DRUGS.product_of_strength("magnesium oxide", 400.0)
    assert found is not None
    assert found.elemental_mg == 241
    assert DRUGS.product_of_strength("magnesium oxide", 401.0) is None


def test_every_name_is_told_once() -> None:
    names = list(DRUGS.every_name())
    codes = [code for code, *_ in names]
    assert len(codes) == len(set(codes))
    assert ("4603", "furosemide", "IN") in {(c, n, t) for c, n, t, _ in names}
    assert all(classes for _, _, _, classes in names)


def test_a_table_of_its_own() -> None:
    """Codes of other systems in a set of drugs are passed over; a product hides its ingredient."""
    atc, other = "http://www.whocc.no/atc", "urn:local"
    loop = ValueSet(
        "med_diuretic_loop", "t", "1", "draft", "p",
        prefixes=(Prefix(atc, "C03C"), Prefix(other, "C03A")),
        codes=(SetCode(atc, "C03EB01"), SetCode(other, "C03EA01")),
    )  # fmt: skip
    drugs = Drugs(
        {"1": ("furosemide 40", "SCD", ("2",), (LOOP,), "oral")},
        {"1": ("hidden", (LOOP,)), "2": ("furosemide", (LOOP,))},
        MagnesiumTable("1", "draft", {}, {}),
        [loop],
        DrugText("1", "draft", "s", {}, (), (), {}, {}, {}),
    )
    assert [drugs.by_atc(c) is not None for c in ("C03CA01", "C03EB01", "C03AA01", "C03EA01")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert list(drugs.every_name()) == [
        ("1", "furosemide 40", "SCD", (LOOP,)),
        ("2", "furosemide", "IN", (LOOP,)),
    ]


def test_words() -> None:
    assert words("HCTZ/Triamterene 37.5-25 MG (Oral)") == [
        "hctz", "triamterene", "37", "5", "25", "mg", "oral",
    ]  # fmt: skip
