"""Drugs: RxNorm, then ATC by prefix, then words; what a text names and what it must not."""

from __future__ import annotations

import time

import pytest

from cds_service.knowledge.drugs import (
    COMBINATION,
    Drug,
    Drugs,
    DrugText,
    MagnesiumProduct,
    MagnesiumTable,
    words,
)
from cds_service.knowledge.model import BrandName
from cds_service.knowledge.terminology import Prefix, SetCode, ValueSet
from tests.support.decisions import knowledge
from tests.support.tables import each_row

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
        # As US formularies shorten names.
        ("alum-mag hydroxide-simeth 200-200-20 mg/5 mL", "antacid"),
        ("mag hydrox/alum hydrox/simeth", "antacid"),
        ("Ca carb-mag hydrox 700-300 mg", "laxative-antacid"),
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


def test_the_products_of_a_salt_stand_by_their_strength() -> None:
    found = DRUGS.products_of("magnesium oxide")
    strengths = [strength for strength, _ in found]
    assert strengths == sorted(strengths, reverse=True)
    assert dict(found)[400.0].elemental_mg == 241
    assert DRUGS.products_of("magnesium") == ()


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


def test_words_have_no_accents_and_no_apostrophes() -> None:
    assert words("Lait de Magnésie®") == ["lait", "de", "magnesie"]
    assert words("sel d\u2019Epsom") == words("sel d'Epsom") == ["sel", "depsom"]
    assert words("Fußbad") == ["fussbad"]


# ---------------------------------------------------------------------- names (12.1 U-14)


def product(text: str) -> MagnesiumProduct:
    drug = DRUGS.by_text(text)
    assert drug is not None
    assert drug.magnesium is not None
    return drug.magnesium


NAMES = [n for n in knowledge().brand_names.names if n.safety in ("safe", "conditional")]


@each_row("name", NAMES, ids=lambda n: n.text)
def test_every_name_of_the_list_is_known(name: BrandName) -> None:
    drug = DRUGS.by_text(f"{name.text.upper()} 1 tab")
    assert drug is not None
    assert set(name.classes) - {"magnesium"} <= drug.classes
    # What holds no magnesium of its own ("omeprazole magnesium") is no magnesium.
    assert ("magnesium" in drug.classes) is ("magnesium" in name.classes)


@each_row("name", knowledge().brand_names.names, ids=lambda n: n.text)
def test_a_name_that_is_to_be_passed_over_is_no_magnesium(name: BrandName) -> None:
    drug = DRUGS.by_text(name.text)
    if name.safety in ("ambiguous", "negative"):
        assert drug is None or "magnesium" not in drug.classes


@pytest.mark.parametrize(
    ("text", "ingredient"),
    [
        ("Biktarvy", "bictegravir"),
        ("Triumeq tablet", "dolutegravir"),
        ("CellCept 250 mg capsule", "mycophenolate"),
        ("divalproex ER", "valproate"),
        ("valproic acid", "valproate"),
        ("suxamethonium", "succinylcholine"),
        ("sodium polystyrene", "sodium polystyrene sulfonate"),
        ("Omeprazol 20", "omeprazole"),
        ("nedaplatin", "nedaplatin"),
        ("vonoprazan 20 mg", "vonoprazan"),
        ("amivantamab", "amivantamab"),
    ],
)
def test_a_drug_goes_by_the_name_of_its_ingredient(text: str, ingredient: str) -> None:
    drug = DRUGS.by_text(text)
    assert drug is not None
    assert any(name.startswith(ingredient) for name in drug.ingredients)


@pytest.mark.parametrize(
    ("text", "kind", "salts", "elemental"),
    [
        ("Mag-Ox 400 1 tab daily", "supplement", ("magnesium oxide",), 241),
        ("Slow-Mag", "supplement", ("magnesium chloride",), 71.5),
        ("Maalox Plus suspension", "antacid", ("magnesium hydroxide",), None),
        ("Gelusil", "antacid", ("magnesium hydroxide",), 83.4),
        ("Clenpiq oral solution", "bowel-prep", ("magnesium oxide",), None),
        ("Citroma", "laxative", ("magnesium citrate",), None),
        ("Osvaren", "phosphate-binder", ("magnesium carbonate",), None),
        (
            "calcium acetate / magnesium carbonate",
            "phosphate-binder",
            ("magnesium carbonate",),
            None,
        ),
        ("Lait de magnésie", "laxative-antacid", ("magnesium hydroxide",), None),
        ("Magnesiumcitrat Kapseln", "supplement", ("magnesium citrate",), None),
        ("Magnésium 300 mg comprimé", "supplement", (), None),
        ("Magnesio 300 mg", "supplement", (), None),
        ("Magnesiumbrausetabletten", "supplement", (), None),
        ("MOM 30mL prn", "laxative-antacid", ("magnesium hydroxide",), None),
        ("mom for constipation", "laxative-antacid", ("magnesium hydroxide",), None),
        ("MiraLAX with magnesium citrate", "supplement", ("magnesium citrate",), None),
        ("Magnesiumsulfat i.v.", "parenteral", ("magnesium sulfate",), None),
        ("Magnesium Verla", "supplement", ("magnesium aspartate",), None),
        ("magnesium trisilicate", "antacid", ("magnesium trisilicate",), None),
        ("magnesium oxide bowel prep", "supplement", ("magnesium oxide",), None),
        ("magnesium citrate bowel prep", "bowel-prep", ("magnesium citrate",), None),
        ("magnesium oxide with aluminum hydroxide", "antacid", ("magnesium oxide",), None),
    ],
)
def test_what_a_name_of_magnesium_stands_for(
    text: str, kind: str, salts: tuple[str, ...], elemental: float | None
) -> None:
    found = product(text)
    assert (found.subtype, found.salts, found.elemental_mg) == (kind, salts, elemental)


@pytest.mark.parametrize(
    "text",
    [
        "Acid Gone", "Phillips", "my mom", "GoLYTELY", "MiraLAX 17 g", "magnesiumstearat",
        "esomeprazol-magnesium", "Esomeprazol magnésico", "esomeprazole de magnésium",
        "pantoprazole magnesium", "Nexium (esomeprazole magnesium)", "manganese", "Magnus",
        "sps",
    ],
)  # fmt: skip
def test_a_text_that_names_no_magnesium(text: str) -> None:
    drug = DRUGS.by_text(text)
    assert drug is None or "magnesium" not in drug.classes


@pytest.mark.parametrize(
    "text",
    [
        "omeprazole, magnesium oxide 400 mg",
        "esomeprazole and magnesium",
        "pitavastatin magnesium; magnesium citrate",
        "omeprazole 20 magnesium 400",
    ],
)
def test_magnesium_beside_a_salt_form_is_magnesium(text: str) -> None:
    drug = DRUGS.by_text(text)
    assert drug is not None
    assert "magnesium" in drug.classes


def test_a_brand_gives_the_route_of_its_products_where_the_words_do_not() -> None:
    routes = [DRUGS.by_text(t) for t in ("Botox", "Gelusil", "CellCept", "Gelusil injection")]
    assert [d.route for d in routes if d is not None] == ["injectable", "oral", "any", "injectable"]


# --------------------------------------------------------------- what an order makes of a salt


@each_row(
    ("name", "coded_route", "instruction", "kind", "route"),
    [
        # M-13: Epsom salt and magnesium sulfate.
        ("Epsom salt", "any", "1 tablespoon in water by mouth", "laxative", ""),
        ("Epsom salt oral", "any", "1 tablespoon daily", "laxative", ""),
        ("Epsom salt", "oral", "2 cups", "laxative", ""),
        ("Epsom salt", "oral", "soak", "laxative", ""),
        ("Epsom salt", "any", "dissolve in a glass and drink", "laxative", ""),
        ("Epsom salt", "any", "dissolve in water", "laxative", ""),
        ("Epsom salt", "any", "1 tablespoon daily", "laxative", ""),
        ("Epsom salt bath", "any", "", "topical", "local"),
        ("Epsom salt", "any", "soak feet in warm water", "topical", "local"),
        ("Epsom salt", "any", "dissolve 2 cups in the bathtub", "topical", "local"),
        ("Epsom salt", "local", "2 cups daily", "topical", "local"),
        ("Epsom salt bath, not by mouth", "any", "", "laxative", ""),  # the safer reading
        ("Magnesiumsulfat", "any", "", "laxative", ""),
        ("magnesium sulfate", "any", "2 g over 2 hours infuse", "parenteral", "injectable"),
        ("magnesium sulfate", "injectable", "2 g", "parenteral", "injectable"),
        ("magnesium sulfate bath", "oral", "", "laxative", ""),
        ("MgSO4", "any", "5 g by mouth", "laxative", ""),
        ("sodium,potassium,mag sulfates 17.5 gram", "any", "", "laxative", ""),
        ("MgSO4", "any", "2 g IV once", "parenteral", "injectable"),
        # 12.7.17, 12.7.26: hydroxide.
        ("magnesium hydroxide", "any", "", "laxative-antacid", ""),
        ("magnesium hydroxide", "any", "chew 2 tablets", "antacid", ""),
        ("magnesium hydroxide 311 mg chewable tablet", "oral", "", "antacid", ""),
        ("magnesium hydroxide", "any", "30mL at bedtime", "laxative-antacid", ""),
        ("magnesium hydroxide suspension", "any", "1 tab", "laxative-antacid", ""),
        ("Milk of Magnesia tablets", "any", "", "laxative-antacid", ""),
        # Citrate as a liquid is a laxative; water to take a tablet with does not make it one.
        ("magnesium citrate 1.745 g/30 mL", "oral", "1 bottle", "laxative", ""),
        ("magnesium citrate", "any", "with 240 mL of water", "supplement", ""),
        # Others stay what they are (M-3, 12.7.9).
        ("magnesium oxide laxative", "any", "30 mL for constipation", "supplement", ""),
        ("magnesium glycinate", "any", "soak", "supplement", ""),
        ("magnesium", "any", "bath", "supplement", ""),
    ],
)  # fmt: skip
def test_what_magnesium_is_used_for(
    name: str, coded_route: str, instruction: str, kind: str, route: str
) -> None:
    drug = DRUGS.by_text(name)
    assert drug is not None
    used, found = DRUGS.drug_in_use(drug, coded_route, [name], [instruction])
    assert (subtype(used), found) == (kind, route)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("6581", "laxative-antacid"),  # the bare ingredient
        ("253017", "laxative-antacid"),  # a suspension
        ("790436", "antacid"),  # a chewable tablet
        ("198741", "supplement"),
        ("307747", "antacid"),  # with aluminium
    ],
)
def test_what_a_product_is_used_for_by_its_code(code: str, kind: str) -> None:
    drug = DRUGS.by_rxnorm(code)
    assert drug is not None
    assert subtype(DRUGS.drug_in_use(drug, "any", [], [])[0]) == kind


def test_another_drug_is_used_as_it_is() -> None:
    drug = DRUGS.by_text("furosemide")
    assert drug is not None
    assert DRUGS.drug_in_use(drug, "any", ["furosemide bath"], []) == (drug, "")


# ------------------------------------------------------------------------- ATC, ingredients


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("V03AE04", "phosphate-binder"),
        ("A06AB58", "bowel-prep"),
        ("A06AD10", "bowel-prep"),
        ("A06AD19", "laxative"),
        ("G04BX01", "laxative-antacid"),
        ("A02AD02", "antacid"),
        ("A12CC10", "supplement"),
        ("C10AX07", "other"),
    ],
)
def test_an_atc_code_of_its_own_subtype(code: str, kind: str) -> None:
    assert subtype(DRUGS.by_atc(code)) == kind


def test_an_atc_code_names_its_ingredient_where_no_words_do() -> None:
    metoprolol = DRUGS.by_atc("C07AB02")
    citrate = DRUGS.by_atc("A12CC04")
    named = DRUGS.by_atc("A12CC04", "Magnesium Verla")
    assert metoprolol is not None
    assert metoprolol.ingredients == ("metoprolol",)
    assert citrate is not None
    assert citrate.magnesium is not None
    assert citrate.magnesium.salts == ("magnesium citrate",)
    assert named is not None
    assert named.magnesium is not None
    assert named.magnesium.salts == ("magnesium aspartate",)


def test_the_words_beside_an_atc_code_add_no_magnesium() -> None:
    """That is a contradiction, which is told where the code is looked up (U-13)."""
    drug = DRUGS.by_atc("C03CA01", "magnesium oxide")
    assert drug is not None
    assert "magnesium" not in drug.classes
    assert drug.magnesium is None


def test_words_that_name_magnesium_beside_the_code_of_another_drug() -> None:
    mannitol = DRUGS.by_rxnorm("311447")
    assert mannitol is not None
    found = DRUGS.with_magnesium(mannitol, DRUGS.by_text("magnesium oxide 400 MG Oral Tablet"))
    assert found.contradictory
    assert found.classes == mannitol.classes | {"magnesium"}
    assert found.ingredients == ("magnesium oxide", "mannitol")
    assert (found.route, found.matched, subtype(found)) == ("oral", "text", "supplement")


@pytest.mark.parametrize("text", ["furosemide", "water", "esomeprazole magnesium"])
def test_words_that_name_no_magnesium_change_nothing(text: str) -> None:
    mannitol = DRUGS.by_rxnorm("311447")
    assert mannitol is not None
    assert DRUGS.with_magnesium(mannitol, DRUGS.by_text(text)) is mannitol


def test_magnesium_by_code_is_no_contradiction() -> None:
    oxide = DRUGS.by_rxnorm("198741")
    assert oxide is not None
    assert DRUGS.with_magnesium(oxide, DRUGS.by_text("magnesium citrate")) is oxide


def drugs_named(*texts: str) -> list[Drug]:
    found = [DRUGS.by_text(text) for text in texts]
    return [drug for drug in found if drug is not None]


def test_the_ingredients_of_a_product_give_it_all_their_classes() -> None:
    found = DRUGS.combined(drugs_named("levothyroxine", "magnesium oxide"), "levothyroxine ...")
    assert {"magnesium", "ix_thyroid"} <= found.classes
    assert found.ingredients == ("levothyroxine", "magnesium oxide")
    assert subtype(found) == "supplement"
    assert not found.contradictory


def test_ingredients_that_make_a_sparing_combination_are_neutral() -> None:
    found = DRUGS.combined(drugs_named("hydrochlorothiazide", "amiloride"), "")
    assert COMBINATION in found.classes
    alone = DRUGS.combined(drugs_named("hydrochlorothiazide"), "")
    assert COMBINATION not in alone.classes


def test_an_ingredient_that_no_rule_knows_says_what_the_product_is_for() -> None:
    hydroxide = drugs_named("magnesium hydroxide")
    assert (
        subtype(DRUGS.combined(hydroxide, "aluminium hydroxide magnesium hydroxide")) == "antacid"
    )
    assert subtype(DRUGS.combined(hydroxide, "magnesium hydroxide")) == "laxative-antacid"


def test_two_salts_are_one_product_of_both() -> None:
    found = DRUGS.combined(drugs_named("magnesium oxide", "magnesium citrate"), "")
    assert found.magnesium is not None
    assert found.magnesium.salts == ("magnesium oxide", "magnesium citrate")


def test_a_product_known_by_its_code_keeps_its_figures_among_ingredients() -> None:
    oxide = DRUGS.by_rxnorm("198741")
    assert oxide is not None
    found = DRUGS.combined([oxide, *drugs_named("magnesium oxide")], "magnesium oxide")
    assert found.magnesium == oxide.magnesium


def test_the_route_of_ingredients_is_the_one_that_they_share() -> None:
    oral, injected = drugs_named("furosemide tablet", "furosemide injection")
    neither = drugs_named("furosemide")
    assert DRUGS.combined([oral, *neither], "").route == "oral"
    assert DRUGS.combined([oral, injected], "").route == "any"
    assert DRUGS.combined(neither, "").route == "any"


@pytest.mark.parametrize(
    ("code", "is_product"),
    [("198741", True), ("210887", True), ("6582", False), ("316207", False), ("0", False)],
)
def test_a_product_has_a_strength_and_a_form(code: str, is_product: bool) -> None:
    assert DRUGS.is_product(code) is is_product


def test_the_share_of_magnesium_in_a_salt() -> None:
    assert DRUGS.elemental_share("magnesium oxide") == 0.603
    assert DRUGS.elemental_share("magnesium hydroxide") == 0.417
    assert DRUGS.elemental_share("") is None


@pytest.mark.parametrize(
    ("system", "code", "route"),
    [
        ("http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration/", "PO", "oral"),
        ("https://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration|2.0", "SOAK", "local"),
        ("urn:oid:2.16.840.1.113883.5.112", "IV", "injectable"),
        ("2.16.840.1.113883.5.112", "DRINK", "oral"),
        ("http://hl7.org/fhir/v3/RouteOfAdministration", "PO", "oral"),
        ("urn:oid:0.4.0.127.0.16.1.1.2.1", "20053000", "oral"),
        ("http://standardterms.edqm.eu", "20053000", "oral"),
    ],
)
def test_a_route_code_in_every_spelling_of_its_system(system: str, code: str, route: str) -> None:
    assert DRUGS.route_of_code(system, code) == route


@pytest.mark.parametrize(
    ("drug", "salt"),
    [
        (DRUGS.by_rxnorm("198741"), ("6582", "magnesium oxide")),
        (DRUGS.by_rxnorm("6582"), None),  # the ingredient alone
        (DRUGS.by_rxnorm("307747"), None),  # with aluminium
        (DRUGS.by_text("Mag-Ox 400"), None),
        (DRUGS.by_rxnorm("313988"), None),
    ],
)
def test_the_one_salt_of_a_product(drug: Drug | None, salt: tuple[str, str] | None) -> None:
    assert drug is not None
    assert DRUGS.single_salt(drug) == salt


@pytest.mark.parametrize(
    "text",
    ["mom " * 50_000, "magnesium " * 20_000, "omeprazole de magnesium " * 10_000, "é" * 200_000],
)
def test_a_hostile_text_takes_no_longer_than_others(text: str) -> None:
    start = time.process_time()
    DRUGS.by_text(text)
    assert time.process_time() - start < 1
