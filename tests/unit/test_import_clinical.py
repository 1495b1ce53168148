"""The knowledge files: their shape, their agreement with the specification, and the importer."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.support.tables import each_row

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "cds_service" / "knowledge" / "data"
SCHEMAS = ROOT / "cds_service" / "knowledge" / "schemas"
CLINICAL = ROOT.parent / "shared" / "clinical"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SYSTEM_NAMES = {
    "http://www.nlm.nih.gov/research/umls/hcpcs": (
        "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
    )
}

VALUESETS = sorted(path.name for path in (DATA / "valuesets").glob("*.json"))
FILES = sorted(path.relative_to(DATA).as_posix() for path in DATA.rglob("*.json"))

needs_source = pytest.mark.skipif(
    not CLINICAL.is_dir(), reason="../shared is not beside this checkout"
)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def data(name: str) -> Any:
    return read(DATA / name)


@pytest.fixture(scope="module")
def importer() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "import_clinical", ROOT / "tools" / "import_clinical.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


# --- shape -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.schema.json")), ids=lambda p: p.name)
def test_schema_is_a_valid_schema(path: Path) -> None:
    Draft202012Validator.check_schema(read(path))


@each_row("name", FILES)
def test_file_is_utf8_with_plain_line_ends_and_below_one_megabyte(name: str) -> None:
    raw = (DATA / name).read_bytes()
    assert raw.decode("utf-8").endswith("\n")
    assert b"\r" not in raw
    assert len(raw) < 1_000_000


def test_schema_refuses_a_number_without_its_unit_and_a_flag_with_one() -> None:
    validator = Draft202012Validator(read(SCHEMAS / "parameters.schema.json"))
    row = data("parameters.json")[0]
    assert validator.is_valid([row])
    assert not validator.is_valid([{**row, "unit": "bool", "value": 1}])
    assert not validator.is_valid([{**row, "unit": "d", "value": True}])
    assert not validator.is_valid([{name: row[name] for name in row if name != "unit"}])
    assert not validator.is_valid([{**row, "status": "final"}])


# --- agreement among the files -----------------------------------------------------------------


def cited(source: str) -> str:
    return source.split(" ", maxsplit=1)[0]


def test_every_source_is_a_known_reference() -> None:
    known = {row["id"] for row in data("references.json")["references"]}
    rows = [
        *data("parameters.json"),
        *data("cards.json")["cards"],
        *data("plans.json")["plans"],
        *data("plans.json")["labs"],
        *data("interactions.json")["interactions"],
        *data("evidence.json")["evidence"],
    ]
    own = {row["source"] for row in rows if row["source"].startswith("docs/")}
    for page, _, decision in (source.partition(" ") for source in own):
        assert f"\n| {decision} |" in (ROOT / page).read_text(encoding="utf-8")
    assert {cited(row["source"]) for row in rows if row["source"] not in own} <= known
    assert {r for row in data("evidence.json")["evidence"] for r in row["references"]} <= known
    assert {f"R{n}" for n in range(1, 37)} <= known


def test_a_paragraph_is_found_by_its_id(importer: ModuleType) -> None:
    text = """# T
## 1. One
First.

## 4. Four
### 4.2 Blocks
| B1 | kidney |
| B10 | transplant |

### 12.1 Reading
- U-1 *Withheld.* Line one
  and two.
- U-13 Other.

### 12.7 Readings
1. Low counts.
17. Liquid.
Goes on.
"""
    decisions = "| U9 | An order. | why | tests |\n"

    def found(paragraph: str) -> str | None:
        passage: str | None = importer.passage(paragraph, text, decisions)
        return passage

    assert found("1") == "## 1. One\nFirst."
    assert found("4.2 B1") == "| B1 | kidney |"
    assert found("12.1 U-1") == "- U-1 *Withheld.* Line one\n  and two."
    assert found("12.7.1") == "1. Low counts."
    assert found("12.7.17") == "17. Liquid.\nGoes on."
    assert found("docs/clinical-decisions.md U9") == "| U9 | An order. |"
    assert [found(missing) for missing in ("2", "4.2 B2", "12.7.3", "9.9.9")] == [None] * 4


@needs_source
def test_every_paragraph_renders_the_passage_that_was_read(importer: ModuleType) -> None:
    result = importer.build(CLINICAL)
    assert [line for line in result.oddities if line.startswith("specification")] == []
    written = read(ROOT / "tools" / "clinical_paragraphs.json")["paragraphs"]
    paragraphs = data("specification.json")["paragraphs"]
    assert [row["read"] for row in written] == [row["read"] for row in paragraphs]


@needs_source
def test_a_changed_passage_is_noticed(importer: ModuleType) -> None:
    source = importer.read_source(CLINICAL)
    changed = source.text.replace("| SEVERE | latest eGFR < 30", "| SEVERE | latest eGFR < 25")
    assert changed != source.text
    result = importer.Import()
    importer.import_specification(replace(source, text=changed), {}, result)
    (line,) = result.oddities
    assert line.startswith("specification: 3.2 now reads ")
    gone = source.text.replace("\n| B1 |", "\n| Bx |")
    result = importer.Import()
    importer.import_specification(replace(source, text=gone), {}, result)
    assert result.oddities[0] == "specification: 4.2 B1 is not in it"


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("cards.json", "cards"),
        ("plans.json", "plans"),
        ("interactions.json", "interactions"),
        ("references.json", "references"),
        ("evidence.json", "evidence"),
    ],
)
def test_ids_are_unique(name: str, member: str) -> None:
    counts = Counter(row["id"] for row in data(name)[member])
    assert [found for found, number in counts.items() if number > 1] == []


def test_parameter_ids_are_unique_and_sorted() -> None:
    ids = [row["id"] for row in data("parameters.json")]
    assert ids == sorted(set(ids))


@each_row("name", VALUESETS)
def test_value_set_is_named_for_its_file_and_cites_what_it_lists(name: str) -> None:
    valueset = data(f"valuesets/{name}")
    assert f"{valueset['id']}.json" == name
    codes = [(row["system"], row["code"]) for row in valueset["codes"]]
    assert len(codes) == len(set(codes))
    used = {index for row in valueset["codes"] for index in row["sources"]}
    assert used <= set(range(len(valueset["sources"])))
    for row in valueset["prefixes"]:
        assert all(code.startswith(row["prefix"]) for code in row.get("excluded", []))


def test_prefixes_do_not_reach_codes_of_the_exclusion() -> None:
    reached = []
    for name in VALUESETS:
        if not name.endswith("_exclude.json"):
            continue
        never = data(f"valuesets/{name}")["codes"]
        valueset = data(f"valuesets/{name.replace('_exclude', '')}")
        listed = {(row["system"], row["code"]) for row in valueset["codes"]}
        for row in never:
            assert (row["system"], row["code"]) not in listed
            reached += [
                row["code"]
                for prefix in valueset["prefixes"]
                if prefix["system"] == row["system"]
                and row["code"].startswith(prefix["prefix"])
                and not row["code"].startswith(tuple(prefix.get("excluded", ["?"])))
            ]
    assert reached == []


def test_interactions_name_known_value_sets_and_ingredients() -> None:
    names = {row[0] for row in data("rxnorm/ingredients.json").values()}
    document = data("interactions.json")
    for row in document["interactions"]:
        assert f"{row['valueset']}.json" in VALUESETS
        assert {drug["ingredient"] for drug in row["per_drug"]} <= names
        for pair in row.get("per_combination", []):
            assert set(pair["ingredients"]) <= names
    # Magaldrate and hydrotalcite have no code in RxNorm: they are known by their names.
    salts = set(data("rxnorm/magnesium.json")["fractions"]) | {"hydrotalcite", "magaldrate"}
    assert set(document["neutralising_salts"]) <= salts


def test_coindications_name_known_value_sets_and_ingredients() -> None:
    names = {row[0] for row in data("rxnorm/ingredients.json").values()}
    named = set()
    for row in data("coindications.json")["drugs"]:
        assert row["ingredient"] in names
        named |= {f"{each['valueset']}.json" for each in row["coindications"]}
    assert named == {name for name in VALUESETS if name.startswith("coindication_")}


def test_names_of_drugs_name_known_ingredients_and_classes() -> None:
    ingredients = set(data("rxnorm/ingredients.json"))
    document = data("rxnorm/brand_names.json")
    texts = [row["text"] for row in document["names"]]
    assert len(texts) == len(set(texts))
    for row in document["names"]:
        assert set(row["ingredients"]) <= ingredients
        assert {f"med_{name}.json" for name in row["classes"]} <= set(VALUESETS)
        assert set(row["sources"]) <= set(range(len(document["sources"])))


def test_words_of_dosages_stand_in_a_group_and_name_their_source() -> None:
    document = data("dosage_words.json")
    for row in document["words"]:
        assert row["group"] in document["order"]
        assert set(row["sources"]) <= set(range(len(document["sources"])))


def test_plans_name_parameters_and_repeat_no_number() -> None:
    parameters = {row["id"] for row in data("parameters.json")}
    numbers = ("dose_mg", "daily_mg", "rest_of_mg", "duration_days", "supply_days", "unit_mg")
    for plan in data("plans.json")["plans"]:
        for row in (plan, *plan["steps"]):
            assert {row[name] for name in numbers if name in row} <= parameters


def test_override_reasons_come_from_hl7_or_from_the_project() -> None:
    reasons = data("override_reasons.json")
    listed = [*reasons["suggestion_cards"], *reasons["safety_cards"], *reasons["local_extra"]]
    assert {row["system"] for row in listed} == {
        "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes",
        "https://magnesium-migraine.org/fhir/CodeSystem/override-reason",
    }


# --- particular codes --------------------------------------------------------------------------


def entry(valueset: str, code: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = data(f"valuesets/{valueset}.json")["codes"]
    return next(row for row in rows if row["code"] == code)


@pytest.mark.parametrize(
    ("valueset", "code", "attributes"),
    [
        ("migraine", "G43.829", {"qualifies": True, "subtype": ["menstrual"]}),
        ("migraine", "G43.D0", {"qualifies": False, "subtype": ["abdominal"]}),
        ("renal_ckd", "N18.6", {"stage": "5D"}),
        ("safety_heart_block", "I44.1", {"grade": "high"}),
        ("lab_egfr", "48643-1", {"preference": 5, "unit": "mL/min/{1.73_m2}"}),
        ("lab_creatinine", "11041-1", {"use": False}),
        ("lab_creatinine", "14682-9", {"default_unit": "umol/L"}),
        ("lab_magnesium", "21377-7", {"secondary": True}),
        ("renal_dialysis", "302497006", {"resource": "Procedure"}),
        ("renal_risk", "Q61.2", {"past_counts": True}),
        ("renal_risk", "N10", {"past_counts": None}),
        ("renal_transplant_procedure", "70536003", {"grade": "allograft", "resource": "Procedure"}),
        ("renal_transplant_procedure", "429496005", {"grade": "donor"}),
        ("risk_heart_disease", "I50.9", {"subtype": ["heart-failure"]}),
        ("risk_heart_disease", "I25.2", {"subtype": ["past-event"]}),
        ("risk_heart_disease", "Z95.1", {"subtype": ["past-event"]}),
        ("risk_gi_malabsorption", "Z98.84", {"subtype": ["past-event"]}),
        ("risk_gi_malabsorption", "Z90.3", {"tier": "informational", "qualifies": False}),
    ],
)
def test_code_carries_what_the_rules_ask(
    valueset: str, code: str, attributes: dict[str, Any]
) -> None:
    row = entry(valueset, code)
    assert {name: row.get(name) for name in attributes} == attributes


def test_cardiomyopathy_alone_is_not_marked_as_heart_failure() -> None:
    assert "subtype" not in entry("risk_heart_disease", "I42.0")
    assert "subtype" not in entry("risk_heart_disease", "85898001")


def test_pregnancy_prefixes_leave_out_childbirth_and_the_puerperium() -> None:
    prefixes = {row["prefix"]: row for row in data("valuesets/pregnancy.json")["prefixes"]}
    assert "O99.03" in prefixes["O99"]["excluded"]
    assert "O24.43" in prefixes["O24"]["excluded"]
    assert "excluded" not in prefixes["O36"]


# --- agreement with the source -----------------------------------------------------------------


@needs_source
@pytest.mark.shared
def test_knowledge_agrees_with_the_source(
    importer: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert importer.main(["--from", str(CLINICAL), "--check"]) == 0, capsys.readouterr().out


@needs_source
@pytest.mark.shared
def test_check_tells_a_missing_and_a_changed_file(
    importer: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--from", str(CLINICAL), "--data", str(tmp_path)]
    assert importer.main(arguments) == 0
    assert importer.main([*arguments, "--check"]) == 0
    (tmp_path / "references.json").unlink()
    spacing = tmp_path / "interactions.json"
    spacing.write_text(spacing.read_text(encoding="utf-8").replace("4", "5", 1), encoding="utf-8")
    capsys.readouterr()
    assert importer.main([*arguments, "--check"]) == 1
    said = capsys.readouterr().out
    assert "missing: references.json" in said
    assert "differs: interactions.json from line" in said


@needs_source
@pytest.mark.shared
def test_check_tells_a_card_and_a_plan_that_are_other_than_the_source_says(
    importer: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their texts are kept by hand; severities and doses are the specification's."""
    importer.main(["--from", str(CLINICAL), "--data", str(tmp_path)])
    cards, plans = data("cards.json"), data("plans.json")
    for card in cards["cards"]:
        if card["id"] == "rx-mg-renal-critical":
            card["indicator"] = "info"
    plans["plans"] = [row for row in plans["plans"] if row["id"] != "mg_200_400"]
    for name, document in (("cards.json", cards), ("plans.json", plans)):
        (tmp_path / name).write_text(json.dumps(document), encoding="utf-8")
    capsys.readouterr()
    assert importer.main(["--from", str(CLINICAL), "--data", str(tmp_path), "--check"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert "cards: rx-mg-renal-critical is critical in the source, info here" in said
    assert "plans: mg_200_400 is (400, 14) in the source, None here" in said


@needs_source
@pytest.mark.shared
def test_import_is_the_same_each_time(importer: ModuleType) -> None:
    assert importer.build(CLINICAL).files == importer.build(CLINICAL).files


@needs_source
@pytest.mark.shared
def test_nothing_odd_but_what_is_known(importer: ModuleType) -> None:
    assert importer.build(CLINICAL).oddities == [
        "risk_diabetes: prefix E11 reaches excluded code E11.A"
    ]


@needs_source
@pytest.mark.shared
@each_row("name", VALUESETS)
def test_value_set_keeps_every_code_of_its_source(name: str) -> None:
    source = [
        {**row, "system": SYSTEM_NAMES.get(row["system"], row["system"])}
        for row in read(CLINICAL / "valuesets" / name)["codes"]
    ]
    valueset = data(f"valuesets/{name}")
    kept = {(row["system"], row["code"]) for row in valueset["codes"]}
    kept |= {(row["system"], row["prefix"]) for row in valueset["prefixes"]}
    if name.startswith("med_"):
        class_name = valueset["id"].removeprefix("med_")
        kept |= {
            (RXNORM, code)
            for code, row in data("rxnorm/products.json")["products"].items()
            if class_name in row[3]
        }
        kept |= {
            (RXNORM, code)
            for code, row in data("rxnorm/ingredients.json").items()
            if class_name in row[1] and not code.startswith("name:")
        }
    stated = {(row["system"], row["code"]) for row in source}
    assert stated <= kept
    invented = {
        (system, code)
        for system, code in kept - stated
        if not any(row[0] == system and row[1].startswith(code) for row in stated)
    }
    assert invented == set()


@needs_source
@pytest.mark.shared
def test_every_value_set_of_the_source_is_here() -> None:
    assert sorted(path.name for path in (CLINICAL / "valuesets").glob("*.json")) == VALUESETS


@needs_source
@pytest.mark.shared
def test_products_ingredients_and_magnesium_are_complete() -> None:
    products = read(CLINICAL / "rxnorm" / "products.json")["products"]
    kept = data("rxnorm/products.json")["products"]
    assert len(kept) == 5924
    assert {code: sorted(row["classes"]) for code, row in products.items()} == {
        code: row[3] for code, row in kept.items()
    }
    ingredients = read(CLINICAL / "rxnorm" / "ingredients.json")["ingredients"]
    assert {row["rxcui"] for row in ingredients} == set(data("rxnorm/ingredients.json"))
    magnesium = read(CLINICAL / "rxnorm" / "magnesium_products.json")["products"]
    found = data("rxnorm/magnesium.json")["products"]
    assert {row["code"]: row.get("elemental_mg") for row in magnesium} == {
        code: row.get("elemental_mg") for code, row in found.items()
    }


@needs_source
@pytest.mark.shared
def test_names_and_words_of_the_source_are_complete() -> None:
    names = read(CLINICAL / "rxnorm" / "brand_names.json")["names"]
    assert {(row["text"], row["safety"], *sorted(row["classes"])) for row in names} == {
        (row["text"], row["safety"], *row["classes"])
        for row in data("rxnorm/brand_names.json")["names"]
    }
    words = read(CLINICAL / "rules" / "dosage_words.json")["words"]
    assert [(row["text"], row["group"], row["times_per_day"]) for row in words] == [
        (row["text"], row["group"], row.get("times_per_day"))
        for row in data("dosage_words.json")["words"]
    ]
