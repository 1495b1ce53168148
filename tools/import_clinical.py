"""Import the facts of the clinical specification into the knowledge files.

Codes, numbers, drug names and citations come from the folder of the specification. Facts that it
states only in prose (titles, units, hours of spacing) are in ``clinical_tables.json``, and the
paragraphs that rows cite, in our own words, in ``clinical_paragraphs.json``. The output depends
only on these inputs, so a second import changes nothing, and ``--check`` can compare
the knowledge files with their source. Cards and plans are edited by hand: ``--check`` compares only
their ids, severities and doses.

    python -m tools.import_clinical --from ../shared/clinical [--check]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from cds_service.knowledge.model import PlanFile
from cds_service.knowledge.plans import plans_from

VERSION = "2.0.0"
STATUS = "draft"
HERE = Path(__file__).resolve().parent
TABLES = HERE / "clinical_tables.json"
DATA = HERE.parent / "cds_service" / "knowledge" / "data"

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
PREFIX_SYSTEMS = {
    "icd10cm_prefix": "http://hl7.org/fhir/sid/icd-10-cm",
    "icd9cm_prefix": "http://hl7.org/fhir/sid/icd-9-cm",
}
SYSTEM_ORDER = (
    "http://hl7.org/fhir/sid/icd-10-cm",
    "http://hl7.org/fhir/sid/icd-10",
    "http://hl7.org/fhir/sid/icd-9-cm",
    "http://snomed.info/sct",
    "http://loinc.org",
    RXNORM,
    ATC,
    "http://www.cms.gov/Medicare/Coding/ICD10",
    "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "http://www.ama-assn.org/go/cpt",
    "https://fhir.hl7.org.uk/Id/opcs-4",
)
# The source spells some systems differently from `code_systems.json`.
SYSTEM_NAMES = {
    "http://www.nlm.nih.gov/research/umls/hcpcs": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
}
# The attributes of a code that a rule may use. All other content of the source is commentary.
EXTRAS = (
    "qualifies",
    "subtype",
    "tier",
    "stage",
    "grade",
    "preference",
    "unit",
    "default_unit",
    "use",
    "secondary",
    "resource",
    "past_counts",
)
PREFIX_ATTRIBUTES = ("qualifies", "subtype", "tier", "stage", "grade", "past_counts")
ATC_FULL_LENGTH = 7
UNVERIFIED = {
    "github code search": "unverified: only the check digit was confirmed",
    "find_string hit": "unverified: only listed among procedure codes in a public repository",
}

Json = Any
Row = dict[str, Json]


@dataclass(frozen=True)
class Source:
    """The data files of the specification, read once."""

    valuesets: Mapping[str, Row]
    products: Row
    ingredients: Row
    magnesium: Row
    brand_names: Row
    dosage_words: Row
    config: Row
    cards: Row
    templates: Row
    interactions: Row
    coindications: Row
    override_reasons: Row
    references: list[Row]
    text: str


@dataclass
class Import:
    """The files to write, and the problems found in the source."""

    files: dict[str, str] = field(default_factory=dict)
    oddities: list[str] = field(default_factory=list)


def read_source(folder: Path) -> Source:
    def read(name: str) -> Json:
        return json.loads((folder / name).read_text(encoding="utf-8"))

    paths = sorted(folder.glob("valuesets/*.json"))
    valuesets = {path.stem: read(f"valuesets/{path.name}") for path in paths}
    for row in (row for valueset in valuesets.values() for row in valueset["codes"]):
        row["system"] = SYSTEM_NAMES.get(row["system"], row["system"])
    return Source(
        valuesets=valuesets,
        products=read("rxnorm/products.json"),
        ingredients=read("rxnorm/ingredients.json"),
        magnesium=read("rxnorm/magnesium_products.json"),
        brand_names=read("rxnorm/brand_names.json"),
        dosage_words=read("rules/dosage_words.json"),
        config=read("rules/config.json"),
        cards=read("rules/cards.json"),
        templates=read("rules/suggestion_templates.json"),
        interactions=read("rules/interactions.json"),
        coindications=read("rules/coindications.json"),
        override_reasons=read("rules/override_reasons.json"),
        references=read("rules/references.json"),
        text=(folder / "SPEC.md").read_text(encoding="utf-8"),
    )


# --- writing -----------------------------------------------------------------------------------


def as_tree(document: Json) -> str:
    """Indented JSON, for files that people edit."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _compact(value: Json, *, dense: bool) -> str:
    separators = (",", ":") if dense else (", ", ": ")
    return json.dumps(value, ensure_ascii=False, separators=separators)


def as_rows(document: Json, *, dense: bool = False) -> str:
    """JSON with one entry per line, so that a diff shows only the changed entry."""
    if isinstance(document, dict) and document:
        colon = ":" if dense else ": "
        rows = [
            f"{_compact(key, dense=dense)}{colon}{_compact(item, dense=dense)}"
            for key, item in document.items()
        ]
        return "{\n" + ",\n".join(rows) + "\n}"
    if isinstance(document, list) and document:
        return "[\n" + ",\n".join(_compact(item, dense=dense) for item in document) + "\n]"
    return _compact(document, dense=dense)


def as_sections(document: Row, *, dense: bool = False) -> str:
    """A JSON object whose members are written one entry per line."""
    members = [
        f"{_compact(key, dense=False)}: {as_rows(value, dense=dense)}"
        for key, value in document.items()
    ]
    return "{\n" + ",\n".join(members) + "\n}\n"


# --- value sets --------------------------------------------------------------------------------


def system_rank(system: str) -> int:
    return SYSTEM_ORDER.index(system)


def code_key(row: Row) -> tuple[int, str]:
    return system_rank(row["system"]), row["code"]


def atoms(source: str) -> list[str]:
    """The sources of one code. A search result is not a source: such a code is marked as unverified."""
    return [
        next((said for found, said in UNVERIFIED.items() if part.startswith(found)), part.strip())
        for part in source.split(" ; ")
    ]


def rxnorm_note(class_name: str) -> str:
    return f"RxNorm products and ingredients of class {class_name} (rxnorm/*.json)"


def leftover_rxnorm(valueset_id: str, source: Source, oddities: list[str]) -> set[str]:
    """RxNorm codes of the set that are not in the product and ingredient files."""
    class_name = valueset_id.removeprefix("med_")
    carried = {
        code
        for code, product in source.products["products"].items()
        if class_name in product["classes"]
    } | {
        ingredient["rxcui"]
        for ingredient in source.ingredients["ingredients"]
        if class_name in ingredient["classes"]
    }
    listed = {
        row["code"] for row in source.valuesets[valueset_id]["codes"] if row["system"] == RXNORM
    }
    leftover = listed - carried
    unlisted = {code for code in carried - listed if not code.startswith("name:")}
    if leftover:
        oddities.append(f"{valueset_id}: no product or ingredient for {sorted(leftover)}")
    if unlisted:
        oddities.append(f"{valueset_id}: class of {sorted(unlisted)} but not in the set")
    return leftover


def derived_subtypes(valueset_id: str, row: Row, rules: Iterable[Row]) -> list[str]:
    """Subtypes that the specification states only in words: see ``subtypes`` in the tables."""

    def applies(rule: Row) -> bool:
        if rule["valueset"] != valueset_id or rule.get("tier", row.get("tier")) != row.get("tier"):
            return False
        tests = (
            row["code"] in rule.get("codes", []),
            row["code"].startswith(tuple(rule.get("prefixes", []))),
            any(word in row["display"].lower() for word in rule.get("display", [])),
        )
        return any(tests) or not {"codes", "prefixes", "display"} & rule.keys()

    return [rule["subtype"] for rule in rules if applies(rule)]


def with_extras(valueset_id: str, row: Row, rules: Iterable[Row]) -> Row:
    found: Row = {name: row[name] for name in EXTRAS if row.get(name) not in (None, "", [])}
    if not found.get("past_counts"):
        found.pop("past_counts", None)
    in_remission = valueset_id.startswith("coindication_") and "remission" in row["display"].lower()
    if row.get("tier") == "informational" or in_remission:  # SPEC 11.19: remission never counts
        found["qualifies"] = False
    stated = row.get("subtype", [])
    subtypes = {stated} if isinstance(stated, str) else {*stated}
    subtypes |= {*derived_subtypes(valueset_id, row, rules)}
    if subtypes:
        found["subtype"] = sorted(subtypes)
    return {name: found[name] for name in EXTRAS if name in found}


def is_prefix(row: Row) -> bool:
    if row["system"] == ATC:
        return len(row["code"]) < ATC_FULL_LENGTH
    return row.get("match") == "prefix"


def shared_attributes(rows: list[Row]) -> Row:
    """Attributes that all listed codes below a prefix share are valid for the unlisted ones too."""
    if not rows:
        return {}
    first = rows[0]
    return {
        name: first[name]
        for name in PREFIX_ATTRIBUTES
        if name in first and all(row.get(name) == first[name] for row in rows)
    }


def stated_prefixes(
    valueset: Row, codes: list[Row], source: Source, oddities: list[str]
) -> list[Row]:
    never = source.valuesets.get(f"{valueset['id']}_exclude", {"codes": []})["codes"]
    rows = []
    for name, system in PREFIX_SYSTEMS.items():
        stated = valueset.get(f"{name}_excluded", [])
        for prefix in valueset.get(name, []):
            excluded = {code for code in stated if code.startswith(prefix)}
            contradicted = {
                row["code"]
                for row in never
                if row["system"] == system and row["code"].startswith(prefix)
            }
            oddities.extend(
                f"{valueset['id']}: prefix {prefix} reaches excluded code {code}"
                for code in sorted(contradicted - excluded)
            )
            excluded |= contradicted
            below = [
                row
                for row in codes
                if row["system"] == system
                and row["code"].startswith(prefix)
                and not row["code"].startswith(tuple(excluded))
            ]
            row: Row = {"system": system, "prefix": prefix}
            if excluded:
                row["excluded"] = sorted(excluded)
            fallback = {"stage": "unspecified"} if any("stage" in r for r in below) else {}
            rows.append(row | fallback | shared_attributes(below))
    return rows


def build_valueset(valueset_id: str, source: Source, tables: Row, oddities: list[str]) -> Row:
    valueset = source.valuesets[valueset_id]
    is_medication = valueset_id.startswith("med_")
    keep = leftover_rxnorm(valueset_id, source, oddities) if is_medication else set()
    kept = [
        row
        for row in valueset["codes"]
        if not (is_medication and row["system"] == RXNORM and row["code"] not in keep)
    ]
    kept.sort(key=code_key)
    seen = [code_key(row) for row in kept]
    if len(seen) != len(set(seen)):
        oddities.append(f"{valueset_id}: a code is listed twice")

    sources = sorted({atom for row in kept for atom in atoms(row["source"])})
    position = {atom: index for index, atom in enumerate(sources)}
    rules = tables["subtypes"]
    codes: list[Row] = []
    prefixes: list[Row] = []
    exclusions = tables["prefix_exclusions"].get(valueset_id, [])
    for row in kept:
        extras = with_extras(valueset_id, row, rules)
        if is_prefix(row):
            excluded = sorted(code for code in exclusions if code.startswith(row["code"]))
            prefixes.append(
                {"system": row["system"], "prefix": row["code"], "display": row["display"]}
                | ({"excluded": excluded} if excluded else {})
                | extras
            )
        else:
            cited = sorted(position[atom] for atom in atoms(row["source"]))
            codes.append(
                {"system": row["system"], "code": row["code"], "display": row["display"]}
                | {"sources": cited}
                | extras
            )
    prefixes += stated_prefixes(valueset, codes, source, oddities)
    prefixes.sort(key=lambda row: (system_rank(row["system"]), row["prefix"]))
    if is_medication:
        sources.append(rxnorm_note(valueset_id.removeprefix("med_")))
    document: Row = {
        "id": valueset_id,
        "title": valueset["title"],
        "version": VERSION,
        "status": STATUS,
        "purpose": tables["purposes"].get(valueset_id) or tables["coindication_purpose"],
        "sources": sources,
        "prefixes": prefixes,
        "text": sorted(
            {*valueset.get("text_match", []), *tables["text_additions"].get(valueset_id, [])}
        ),
        "codes": codes,
    }
    if is_medication:
        missing = valueset["ingredients_without_verified_RxCUI"]
        document["ingredients_without_code"] = sorted(missing)
    return document


def import_valuesets(source: Source, tables: Row, result: Import) -> None:
    for valueset_id, valueset in source.valuesets.items():
        if valueset["count"] != len(valueset["codes"]):
            result.oddities.append(f"{valueset_id}: count and codes disagree")
        both = {code_key(row) for row in valueset["codes"]} & {
            code_key(row)
            for row in source.valuesets.get(f"{valueset_id}_exclude", {"codes": []})["codes"]
        }
        for _, code in sorted(both):
            result.oddities.append(f"{valueset_id}: {code} is in the set and in its exclusion")
        document = build_valueset(valueset_id, source, tables, result.oddities)
        result.files[f"valuesets/{valueset_id}.json"] = as_sections(document)


# --- RxNorm ------------------------------------------------------------------------------------


def by_number(code: str) -> tuple[int, int, str]:
    return (0, int(code), "") if code.isdigit() else (1, 0, code)


def import_rxnorm(source: Source, _tables: Row, result: Import) -> None:
    products: Row = source.products["products"]
    known = dict(source.products["sources"])
    cited = {atom for product in products.values() for atom in atoms(product["source"])}
    others = sorted(cited - set(known.values()))
    known |= {f"S{index:02d}": atom for index, atom in enumerate(others, start=1)}
    result.files["rxnorm/products.json"] = as_sections(
        {
            "version": VERSION,
            "status": STATUS,
            "sources": known,
            "products": {
                code: [
                    products[code]["name"],
                    products[code]["tty"],
                    sorted(products[code]["ingredients"], key=by_number),
                    sorted(products[code]["classes"]),
                    products[code]["route"],
                ]
                for code in sorted(products, key=by_number)
            },
        },
        dense=True,
    )
    if source.products["count"] != len(products):
        result.oddities.append("rxnorm/products: count and products disagree")
    ingredients = {row["rxcui"]: row for row in source.ingredients["ingredients"]}
    result.files["rxnorm/ingredients.json"] = (
        as_rows(
            {
                code: [ingredients[code]["name"], sorted(ingredients[code]["classes"])]
                for code in sorted(ingredients, key=by_number)
            },
            dense=True,
        )
        + "\n"
    )
    for code in sorted(set(products) & set(ingredients), key=by_number):
        result.oddities.append(f"rxnorm: {code} is both a product and an ingredient")
    import_magnesium(source, result)


MAGNESIUM_EXTRAS = (
    "other_ingredients",
    "strength_mg",
    "elemental_mg",
    "elemental_max_mg",
    "strength_mg_per_ml",
    "elemental_mg_per_ml",
    "elemental_basis",
)


def import_magnesium(source: Source, result: Import) -> None:
    rows = {row["code"]: row for row in source.magnesium["products"]}
    classed = {
        code
        for code, product in source.products["products"].items()
        if "magnesium" in product["classes"]
    }
    for code in sorted(classed ^ set(rows), key=by_number):
        result.oddities.append(f"rxnorm/magnesium: {code} is not in both product files")
    result.files["rxnorm/magnesium.json"] = as_sections(
        {
            "version": VERSION,
            "status": STATUS,
            "fractions": dict(sorted(source.magnesium["fractions"].items())),
            "products": {
                code: {
                    "name": rows[code]["display"],
                    "tty": rows[code]["tty"],
                    "route": rows[code]["route"],
                    "subtype": rows[code]["subtype"],
                    "salts": sorted(rows[code]["salts"]),
                }
                | {
                    name: rows[code][name]
                    for name in MAGNESIUM_EXTRAS
                    if rows[code].get(name) not in (None, [])
                }
                for code in sorted(rows, key=by_number)
            },
        },
        dense=True,
    )


NAME_EXTRAS = ("routes", "subtype", "salts", "elemental_mg", "elemental_per", "note")


def numbered(rows: list[Row]) -> tuple[list[str], dict[str, int]]:
    """The sources that the rows name, in order, and the position of each."""
    sources = sorted({atom for row in rows for atom in row["source"].split(" ; ")})
    return sources, {atom: place for place, atom in enumerate(sources)}


def import_names(source: Source, _tables: Row, result: Import) -> None:
    rows = source.brand_names["names"]
    sources, position = numbered(rows)
    known = {row["rxcui"]: row for row in source.ingredients["ingredients"]}
    names = []
    for row in sorted(rows, key=lambda row: str(row["text"])):
        for part in row["ingredients"]:
            if known.get(part["rxcui"], {}).get("name") != part["name"]:
                result.oddities.append(f"names: {row['text']}: {part['name']} is not known")
        if row["match"] != "whole_word":
            result.oddities.append(f"names: {row['text']} is matched by {row['match']}")
        name: Row = {
            "text": row["text"],
            "safety": row["safety"],
            "classes": sorted(row["classes"]),
            "ingredients": [part["rxcui"] for part in row["ingredients"]],
        }
        name |= {key: row[key] for key in NAME_EXTRAS if row.get(key) not in (None, "", [])}
        name["sources"] = sorted({position[atom] for atom in row["source"].split(" ; ")})
        name["checked"] = row["checked"]
        names.append(name)
    result.files["rxnorm/brand_names.json"] = as_sections(
        {"version": VERSION, "status": STATUS, "sources": sources, "names": names}, dense=True
    )


WORD_MEMBERS = {
    "frequency": "frequency",
    "period": "period",
    "periodUnit": "period_unit",
    "times_per_day": "times_per_day",
    "when": "when",
}


def import_dosage_words(source: Source, _tables: Row, result: Import) -> None:
    document = source.dosage_words
    rows = document["words"]
    sources, position = numbered(rows)
    order = {group: place for place, group in enumerate(document["group_order"])}
    words = []
    for row in rows:
        if row["group"] not in order:
            result.oddities.append(f"dosage words: {row['group']} has no place in the order")
        word: Row = {"text": row["text"], "lang": row["lang"], "group": row["group"]}
        word |= {
            ours: row[theirs]
            for theirs, ours in WORD_MEMBERS.items()
            if row.get(theirs) is not None
        }
        word["sources"] = sorted({position[atom] for atom in row["source"].split(" ; ")})
        words.append(word)
    result.files["dosage_words.json"] = as_sections(
        {
            "version": VERSION,
            "status": STATUS,
            "sources": sources,
            "order": document["group_order"],
            "ambiguous": {row["text"]: row["why"] for row in document["ambiguous"]},
            "patterns": [
                {"name": row["name"], "regex": row["regex"], "meaning": row["meaning"]}
                for row in document["patterns"]
            ],
            "words": words,
        },
        dense=True,
    )


# --- parameters --------------------------------------------------------------------------------


def leaves(value: Json, path: str = "") -> dict[str, Json]:
    """Every number and flag of a nested document, by dotted path."""
    if isinstance(value, dict):
        items = [(key, child) for key, child in value.items()]
    elif isinstance(value, list):
        items = [(str(index), child) for index, child in enumerate(value)]
    else:
        return {path: value}
    found: dict[str, Json] = {}
    for key, child in items:
        found |= leaves(child, f"{path}.{key}" if path else key)
    return found


def import_parameters(source: Source, tables: Row, result: Import) -> None:
    configured = leaves(source.config)
    used: set[str] = set(tables["config_elsewhere"])
    rows = []
    for row in tables["parameters"]:
        value = row.get("value")
        if "from" in row:
            used.add(row["from"])
            value = configured[row["from"]]
        rows.append(
            {
                "id": row["id"],
                "value": value,
                "unit": row["unit"],
                "title": row["title"],
                "source": row["source"],
                "why": row["why"],
                **{name: row[name] for name in ("at_most", "same_as") if name in row},
                "site": row["site"],
                "version": VERSION,
                "status": STATUS,
            }
        )
    for path in sorted(set(configured) - used):
        result.oddities.append(f"config: {path} has no parameter")
    rows.sort(key=lambda row: str(row["id"]))
    result.files["parameters.json"] = as_rows(rows) + "\n"


# --- cards, plans, advice ----------------------------------------------------------------------


def other_cards(source: Source, data: Path) -> list[str]:
    """Card texts are edited by hand. Their ids and severities must equal the specification's."""
    stated = {card_id: card["indicator"] for card_id, card in source.cards.items()}
    found = {row["id"]: row["indicator"] for row in _read(data / "cards.json")["cards"]}
    return [
        f"cards: {card_id} is {stated.get(card_id)} in the source, {found.get(card_id)} here"
        for card_id in sorted(stated.keys() | found.keys())
        if stated.get(card_id) != found.get(card_id)
    ]


def other_plans(source: Source, data: Path) -> list[str]:
    """Plans are edited by hand. Their ids, first steps and daily amounts must equal the specification's."""
    stated = {
        plan_id: (_mg_per_day(steps[-1]), steps[0].get("days") if len(steps) > 1 else None)
        for plan_id, given in source.templates["revision_2"].items()
        if plan_id != "note"
        for steps in [given if isinstance(given, list) else [given]]
    }
    try:
        plans = plans_from(_plan_file(data), _parameter_values(source)).plans
    except (msgspec.MsgspecError, ValueError) as error:
        return [f"plans: {error}"]
    found = {
        plan.id: (
            plan.target_mg_per_day,
            plan.steps[0].duration_days if len(plan.steps) > 1 else None,
        )
        for plan in plans
    }
    return [
        f"plans: {plan_id} is {stated.get(plan_id)} in the source, {found.get(plan_id)} here"
        for plan_id in sorted(stated.keys() | found.keys())
        if stated.get(plan_id) != found.get(plan_id)
    ]


def _plan_file(data: Path) -> PlanFile:
    return msgspec.json.decode((data / "plans.json").read_bytes(), type=PlanFile)


def _parameter_values(source: Source) -> Row:
    """The parameters that the plans name, as the source has them."""
    result = Import()
    import_parameters(source, json.loads(TABLES.read_text(encoding="utf-8")), result)
    rows = json.loads(result.files["parameters.json"], parse_float=Decimal)
    return {row["id"]: row["value"] for row in rows}


def _mg_per_day(step: Row) -> int:
    if "morning_mg" in step:
        return int(step["morning_mg"] + step["evening_mg"])
    return int(step["dose_mg"] * step["times_per_day"])


def _read(path: Path) -> Json:
    return json.loads(path.read_text(encoding="utf-8"))


def hours_of(drug: str, class_hours: Row) -> Row:
    """Hours before and after magnesium at which the drug is taken: the advice as numbers."""
    before, after = class_hours.get(drug, (None, None))
    stated = {"hours_before": before, "hours_after": after}
    return {name: hours for name, hours in stated.items() if hours is not None}


def drug_advice(name: str, item: Row, tables: Row) -> Row:
    class_hours = tables["interaction_hours"].get(item["class"], {})
    row: Row = {
        "ingredient": name,
        "advice": item["per_drug"][name],
        **item["per_drug_checked"][name],
        **hours_of(name, class_hours),
    }
    if name in item.get("no_interaction", []):
        row["interacts"] = False
    for target, member in (
        ("indicator", "per_drug_indicator"),
        ("salts", "per_drug_salts"),
        ("subtypes", "per_drug_subtypes"),
    ):
        if name in item.get(member, {}):
            row[target] = item[member][name]
    strong: Row = tables["interaction_strong_salts"].get(name, {})
    return row | strong


def combination_advice(name: str, item: Row, tables: Row) -> Row:
    class_hours = tables["interaction_hours"].get(item["class"], {})
    return {
        "ingredients": sorted(part.strip() for part in name.split("+")),
        **item["per_combination"][name],
        **hours_of(name, class_hours),
    }


def import_interactions(source: Source, tables: Row, result: Import) -> None:
    ingredients = source.ingredients["ingredients"]
    rows = []
    for item in source.interactions["items"]:
        members = {row["name"] for row in ingredients if item["class"] in row["classes"]}
        for name in sorted(members ^ set(item["per_drug"])):
            result.oddities.append(f"interactions: {name} has no advice or is not in the class")
        timed = {*item["per_drug"], *item.get("per_combination", {})}
        for name in sorted(set(tables["interaction_hours"].get(item["class"], {})) - timed):
            result.oddities.append(f"interactions: hours, but no advice, for {name}")
        combinations = item.get("per_combination", {})
        condition = item.get("condition", {})
        rows.append(
            {
                "id": item["class"],
                "valueset": f"med_{item['class']}",
                "salts": item["applies_to_salts"],
                "indicator": item["indicator"],
                "advice": item["advice"],
                "per_drug": [drug_advice(name, item, tables) for name in sorted(item["per_drug"])],
            }
            | (
                {"per_combination": [combination_advice(n, item, tables) for n in combinations]}
                if combinations
                else {}
            )
            | ({"kidney_classes": [condition["renal_class"]]} if condition else {})
            | {
                "routes": item["routes"],
                "source": "SPEC 12.4 M-18",
                "version": VERSION,
                "status": STATUS,
            }
        )
    rows.sort(key=lambda row: str(row["id"]))
    result.files["interactions.json"] = as_tree(
        {
            "version": VERSION,
            "status": STATUS,
            "neutralising_salts": sorted(source.interactions["neutralising_salts"]),
            "neutralising_words": tables["interaction_words"],
            "interactions": rows,
        }
    )


def import_coindications(source: Source, _tables: Row, result: Import) -> None:
    drugs = source.coindications["ingredients"]
    names = {row["rxcui"]: row["name"] for row in source.ingredients["ingredients"]}
    for row in drugs:
        if names.get(row["rxcui"]) != row["ingredient"]:
            result.oddities.append(f"coindications: {row['ingredient']} is no known ingredient")
    result.files["coindications.json"] = as_tree(
        {
            "version": VERSION,
            "status": STATUS,
            "source": "SPEC 12.5 S-1",
            "drugs": [
                {name: row[name] for name in ("rxcui", "ingredient", "coindications")}
                for row in sorted(drugs, key=lambda row: str(row["ingredient"]))
            ],
        }
    )


def import_override_reasons(source: Source, tables: Row, result: Import) -> None:
    reasons = source.override_reasons
    result.files["override_reasons.json"] = as_tree(
        {
            "version": VERSION,
            "status": STATUS,
            "source": reasons["source"],
            "suggestion_cards": reasons["suggestion_cards"],
            "safety_cards": reasons["safety_cards"],
            "local_extra": [
                {"system": tables["local_override_system"], "code": code, "display": display}
                for code, display in reasons["local_extra"]["codes"]
            ],
        }
    )


CITATION_EXTRAS = ("doi", "pmid", "pmcid", "url", "erratum")


def import_references(source: Source, tables: Row, result: Import) -> None:
    own: Row = tables["references"]
    rows = []
    for reference_id, facts in own.items():
        stated = next((row for row in source.references if row["id"] == reference_id), {})
        row: Row = {
            "id": reference_id,
            "title": facts["title"],
            "citation": facts.get("citation", stated.get("cite")),
        }
        row |= {name: stated[name] for name in CITATION_EXTRAS if name in stated}
        rows.append(row | {"checked": facts["checked"], "version": VERSION, "status": STATUS})
    for stated in source.references:
        if stated["id"] not in {*own, *tables["references_left_out"]}:
            result.oddities.append(f"references: {stated['id']} is not imported")
    result.files["references.json"] = as_tree({"references": rows})


# --- paragraphs of the specification ------------------------------------------------------------

PARAGRAPHS = HERE / "clinical_paragraphs.json"
DECISIONS = HERE.parent / "docs" / "clinical-decisions.md"
PASSAGE_HASH_LENGTH = 12


def passage(paragraph_id: str, specification: str, decisions: str) -> str | None:
    """The passage that a paragraph renders, or None. Ids are those of a source: "12.4 M-1"."""
    if paragraph_id.startswith("docs/"):
        row = paragraph_id.partition(" ")[2]
        return _first(rf"^\| {re.escape(row)} \|[^|]*\|", decisions)
    section, _, label = paragraph_id.partition(" ")
    whole = _section(section, specification)
    if whole is None:  # "12.7.17" is the 17th item of section 12.7
        section, _, item = section.rpartition(".")
        within = _section(section, specification) if section else None
        return within and _first(rf"^{item}\. .*(?:\n(?!\d+\. ).+)*", within)
    if not label:
        return whole
    name = re.escape(label)
    item_of_list = rf"^- {name} .*(?:\n(?!- |\|).+)*"
    return _first(rf"^\| {name} \|.*$", whole) or _first(item_of_list, whole)


def _section(number: str, text: str) -> str | None:
    """A section with its heading; one that has subsections is not a passage of its own."""
    return _first(rf"^##+ {re.escape(number)}\.? .*(?:\n(?!##).*)*", text)


def _first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text, re.MULTILINE)
    return found[0].strip() if found else None


def section_of(paragraph_id: str, sections: Iterable[str]) -> str:
    """The section with the longest number that the id begins with."""
    found = [s for s in sections if re.match(rf"{re.escape(s)}(?![0-9])", paragraph_id)]
    return max(found, key=len, default="")


def import_specification(source: Source, _tables: Row, result: Import) -> None:
    """The paragraphs, each with the hash of its passage.

    `clinical_paragraphs.json` has the hash of the passage that was read when a paragraph was
    written. If the passage has changed since, the paragraph has to be read again.
    """
    written = _read(PARAGRAPHS)
    decisions = DECISIONS.read_text(encoding="utf-8")
    rows = []
    for row in written["paragraphs"]:
        found = passage(row["id"], source.text, decisions)
        if found is None:
            result.oddities.append(f"specification: {row['id']} is not in it")
        digest = hashlib.sha256((found or "").encode()).hexdigest()[:PASSAGE_HASH_LENGTH]
        if row.get("read") != digest:
            result.oddities.append(f"specification: {row['id']} now reads {digest}")
        section = section_of(row["id"], written["sections"])
        rows.append(
            {"id": row["id"], "section": section, "title": row["title"], "text": row["text"]}
            | {"read": digest}
        )
    result.files["specification.json"] = as_sections(
        {
            "version": VERSION,
            "status": STATUS,
            "sections": written["sections"],
            "paragraphs": rows,
        }
    )


# --- the whole ---------------------------------------------------------------------------------

STEPS: tuple[Callable[[Source, Row, Import], None], ...] = (
    import_valuesets,
    import_rxnorm,
    import_names,
    import_dosage_words,
    import_parameters,
    import_interactions,
    import_coindications,
    import_override_reasons,
    import_references,
    import_specification,
)


def build(folder: Path) -> Import:
    """All files of the knowledge folder, as text by relative path."""
    source = read_source(folder)
    tables: Row = json.loads(TABLES.read_text(encoding="utf-8"))
    result = Import()
    for step in STEPS:
        step(source, tables, result)
    return result


def differences(files: Mapping[str, str], data: Path) -> list[str]:
    """One line for each file that is missing or differs from the source."""
    found = []
    for name, text in sorted(files.items()):
        path = data / name
        if not path.is_file():
            found.append(f"missing: {name}")
        elif path.read_text(encoding="utf-8") != text:
            old, new = path.read_text(encoding="utf-8").splitlines(), text.splitlines()
            line = next(
                (n for n, pair in enumerate(zip(old, new, strict=False), 1) if pair[0] != pair[1]),
                min(len(old), len(new)) + 1,
            )
            found.append(f"differs: {name} from line {line}")
    return found


def contradictions(folder: Path, data: Path) -> list[str]:
    """Differences between the source and a file that is edited by hand."""
    source = read_source(folder)
    kept = {"cards.json": other_cards, "plans.json": other_plans}
    return [
        line
        for name, check in kept.items()
        if (data / name).is_file()
        for line in check(source, data)
    ]


def write(files: Mapping[str, str], data: Path) -> None:
    for name, text in sorted(files.items()):
        path = data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--from", dest="folder", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=DATA, help="knowledge folder")
    parser.add_argument("--check", action="store_true", help="say what differs, change nothing")
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is not a folder")
    result = build(options.folder)
    others = contradictions(options.folder, options.data)
    for oddity in (*result.oddities, *others):
        print(f"note: {oddity}", file=sys.stderr)
    if not options.check:
        write(result.files, options.data)
        return 0
    found = [*differences(result.files, options.data), *others]
    print("\n".join(found) if found else "knowledge files agree with their source")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
