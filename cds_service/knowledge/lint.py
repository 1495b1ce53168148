"""The knowledge linter: `python -m cds_service.knowledge.lint`, part of `make check`.

Finds what a loader cannot: shapes that the JSON Schemas refuse, parameters and sets that nothing
reads, numbers in texts that repeat a parameter, a code in both a set and its exclusion, rules
without a source, references that do not exist, wording whose places nothing fills. What the code
reads is taken from the code itself.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from jsonschema import Draft202012Validator

from cds_service.knowledge import numbers, reads
from cds_service.knowledge.citations import cited
from cds_service.knowledge.loader import Knowledge, KnowledgeError, load
from cds_service.knowledge.parameters import Parameters

HERE = Path(__file__).parent
STATUSES = ("draft", "in_review", "active", "retired")
SCHEMAS = {
    "as_it_stood.json": "as_it_stood",
    "cards.json": "cards",
    "code_systems.json": "code_systems",
    "coindications.json": "coindications",
    "dosage.json": "dosage",
    "dosage_words.json": "dosage_words",
    "drug_text.json": "drug_text",
    "evidence.json": "evidence",
    "interactions.json": "interactions",
    "override_reasons.json": "override_reasons",
    "parameters.json": "parameters",
    "plans.json": "plans",
    "policy.json": "policy",
    "references.json": "references",
    "rxnorm/brand_names.json": "rxnorm_brand_names",
    "rxnorm/ingredients.json": "rxnorm_ingredients",
    "rxnorm/magnesium.json": "rxnorm_magnesium",
    "rxnorm/products.json": "rxnorm_products",
    "safety_words.json": "safety_words",
    "source_attributes.json": "source_attributes",
    "specification.json": "specification",
    "wording.json": "wording",
}
_LISTS = frozenset({"lint.py", "numbers.py", "reads.py", "tables.py", "wording.py"})
"""Modules of this package that name things without reading them."""
_NO_READERS = frozenset({"parameters.json", "specification.json"})
"""Files in which the name of a parameter does not mean that a rule reads it."""
INFORMATIONAL = frozenset({"lactation", "lab_uacr", "med_sglt2_inhibitor"})
"""Sets the specification keeps for information; no rule reads them (SPEC 2, 3.3)."""
_SOURCE = re.compile(r"SPEC \d|SEED$|R\d|docs/")
_PLACE = re.compile(r"\{(\w+)\}", re.ASCII)
_SET = re.compile(r"(?:renal|safety|risk|lab|caution)_[a-z_]+|[a-z_]+_exclude")
"""What a value set of conditions or results is called: one that the code names must be there."""
_NAMED = re.compile(r'[{"]([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+)(?:-1)?["}]')
"""A parameter in another file: `{egfr.severe_below}` in a text, `"dose.start_mg"` in a plan."""


class Code(NamedTuple):
    """What the code of the product reads."""

    numbers: tuple[tuple[str, str], ...]
    parameters: frozenset[str]
    strings: frozenset[str]
    names: frozenset[str]


@lru_cache(maxsize=1)
def code() -> Code:
    """The code of this package, parsed once."""
    modules = reads.product_code()
    groups = {f.type.__name__: f.name for f in msgspec.structs.fields(Parameters)}
    others = [module for path, module in modules.items() if path.name not in _LISTS]
    return Code(
        tuple(numbers.numbers_in_code(modules)),
        reads.parameters_read(modules.values(), groups),
        reads.strings_in_code(others),
        reads.names_in_code(others),
    )


def problems(folder: Path = HERE / "data", schemas: Path = HERE / "schemas") -> Iterator[str]:
    """Everything that is wrong with the knowledge of a folder, a line each."""
    yield from _shapes(folder, schemas)
    try:
        knowledge = load(folder)
    except KnowledgeError as error:
        yield str(error)
        return
    yield from _unread_parameters(knowledge, folder)
    yield from _paragraphs(knowledge, folder)
    yield from numbers.in_files(folder, knowledge.parameter_rows)
    yield from numbers.in_code(code().numbers, knowledge.parameter_rows)
    yield from problems_of(knowledge)


def problems_of(knowledge: Knowledge) -> Iterator[str]:
    """What is wrong with knowledge that could be loaded."""
    yield from _unused_sets(knowledge)
    yield from _contradictions(knowledge)
    yield from _origins(knowledge)
    yield from _sources(knowledge)
    yield from _sections(knowledge)
    yield from _places(knowledge)
    yield from _lengths(knowledge)


def _unread_parameters(knowledge: Knowledge, folder: Path) -> Iterator[str]:
    """Parameters that neither the code nor another knowledge file reads."""
    files = [path for path in folder.rglob("*.json") if path.name not in _NO_READERS]
    named = {i for path in files for i in _NAMED.findall(path.read_text(encoding="utf-8"))}
    read = code().parameters | named
    for row in knowledge.parameter_rows:
        if not any(row.id == one or row.id.startswith(f"{one}.") for one in read if "." in one):
            yield f"parameters.json: nothing reads {row.id}"


def _shapes(folder: Path, schemas: Path) -> Iterator[str]:
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.json"))
    validators: dict[str, Draft202012Validator] = {}
    for name in files:
        schema = "valueset" if name.startswith("valuesets/") else SCHEMAS.get(name)
        if schema is None:
            yield f"{name}: no schema names this file"
            continue
        if schema not in validators:
            text = (schemas / f"{schema}.schema.json").read_text(encoding="utf-8")
            validators[schema] = Draft202012Validator(json.loads(text))
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        for error in validators[schema].iter_errors(content):
            yield f"{name}: {error.json_path}: {error.message[:160]}"
    for missing in sorted(set(SCHEMAS) - set(files)):
        yield f"{missing}: is missing"


def _unused_sets(knowledge: Knowledge) -> Iterator[str]:
    policy, strings = knowledge.policy, code().strings
    read = {s for s in knowledge.sets if {s, s.removeprefix("med_")} & strings} | INFORMATIONAL
    places = {p for text in knowledge.wording.texts.values() for p in _PLACE.findall(text)}
    read |= {name for name in strings if _SET.fullmatch(name)} - places
    read |= {s for r in policy.risk_factors for s in (r.valueset, r.exclude) if s}
    read |= {f"med_{r.drug_class}" for r in policy.wasting_drugs}
    read |= {i.valueset for i in knowledge.interactions.interactions}
    read |= {c.valueset for d in knowledge.coindications.drugs for c in d.coindications}
    for unread in sorted(set(knowledge.sets) - read):
        yield f"valuesets/{unread}.json: nothing reads this set"
    for missing in sorted(read - set(knowledge.sets)):
        yield f"valuesets/{missing}.json: a rule reads this set, but it is not there"


def _contradictions(knowledge: Knowledge) -> Iterator[str]:
    pairs = [("migraine", "migraine_exclude")]
    pairs += [(r.valueset, r.exclude) for r in knowledge.policy.risk_factors if r.exclude]
    for included, excluded in pairs:
        if included not in knowledge.sets or excluded not in knowledge.sets:
            continue
        both = _codes(knowledge, included) & _codes(knowledge, excluded)
        for system, code in sorted(both):
            yield f"{code} ({system}) is in {included} and in {excluded}"
    for value_set in knowledge.sets.values():
        codes = [(c.system, c.code) for c in value_set.codes]
        for system, code in sorted(
            {c for c in codes if codes.count(c) > 1} if len(set(codes)) < len(codes) else ()
        ):
            yield f"{code} ({system}) is twice in {value_set.id}"
        for prefix in value_set.prefixes:
            for excluded in prefix.excluded:
                if not excluded.startswith(prefix.prefix):
                    yield f"{value_set.id}: {excluded} does not begin with {prefix.prefix}"


def _origins(knowledge: Knowledge) -> Iterator[str]:
    """Codes name their sources by place, so none may be missing, and none be there for nothing.

    What the tables of RxNorm and the beginnings in ATC bring has no codes to name its source.
    """
    for value_set in knowledge.sets.values():
        for code in value_set.codes:
            if not code.sources:
                yield f"{code.code} in {value_set.id}: no source"
        wanted = {place for code in value_set.codes for place in code.sources}
        if value_set.id.startswith("med_"):
            titles = ("RxNorm", "ATC") if value_set.codes or value_set.prefixes else ("RxNorm",)
            for title in titles:
                of_title = {n for n, s in enumerate(value_set.sources) if title in s}
                if not of_title:
                    yield f"{value_set.id}: no source for what it takes from {title}"
                wanted |= of_title
        for place in sorted(wanted ^ set(range(len(value_set.sources)))):
            yield f"{value_set.id}: source {place} is not there, or nothing rests on it"


def _codes(knowledge: Knowledge, set_id: str) -> set[tuple[str, str]]:
    return {(c.system, c.code) for c in knowledge.sets[set_id].codes}


def _sources(knowledge: Knowledge) -> Iterator[str]:
    rows: list[tuple[str, Any]] = [(f"parameter {p.id}", p) for p in knowledge.parameter_rows]
    rows += [(f"card {c.id}", c) for c in knowledge.cards.values()]
    rows += [(f"plan {p.id}", p) for p in knowledge.plans.plans]
    rows += [(f"interaction {i.id}", i) for i in knowledge.interactions.interactions]
    rows += [(f"evidence {e.id}", e) for e in knowledge.evidence]
    policy = knowledge.policy
    tables: Iterable[Any] = (
        *policy.kidney,
        *policy.risk_factors,
        *policy.wasting_drugs,
        *policy.suggest,
        *policy.order_safety,
        policy.unchecked,
        *policy.hazards,
        *policy.cautions,
    )
    rows += [(f"policy row {_row_name(r)}", r) for r in tables]
    for name, row in rows:
        if not _SOURCE.match(row.source):
            yield f"{name}: its source is not one that can be looked up: {row.source!r}"
        if row.source.startswith("R") and row.source not in knowledge.references:
            yield f"{name}: there is no reference {row.source}"
        if getattr(row, "status", STATUSES[0]) not in STATUSES:
            yield f"{name}: status {row.status!r} is none of {', '.join(STATUSES)}"
    for line in knowledge.evidence:
        if not line.references:
            yield f"evidence {line.id}: rests on no reference"
        for missing in sorted(set(line.references) - set(knowledge.references)):
            yield f"evidence {line.id}: there is no reference {missing}"


def _paragraphs(knowledge: Knowledge, folder: Path) -> Iterator[str]:
    """Cited paragraphs that are not in `specification.json`, and paragraphs that nothing cites."""
    known = {paragraph.id for paragraph in knowledge.specification.paragraphs}
    wanted: set[str] = set()
    for path in sorted(folder.rglob("*.json")):
        for source in _sources_in(json.loads(path.read_text(encoding="utf-8"))):
            ids = set(cited(source)) - set(knowledge.references)
            for missing in sorted(ids - known):
                yield f"{path.name}: there is no paragraph {missing}"
            wanted |= ids
    for uncited in sorted(known - wanted):
        yield f"specification.json: nothing cites the paragraph {uncited}"


def _sources_in(content: Any) -> Iterator[str]:
    """Every `source` in a file."""
    if isinstance(content, dict):
        if isinstance(content.get("source"), str):
            yield content["source"]
        content = list(content.values())
    if isinstance(content, list):
        for value in content:
            yield from _sources_in(value)


def _sections(knowledge: Knowledge) -> Iterator[str]:
    """Paragraphs of a section that has no title, and two paragraphs with one id."""
    specification = knowledge.specification
    ids = [paragraph.id for paragraph in specification.paragraphs]
    for twice in sorted({i for i in ids if ids.count(i) > 1}):
        yield f"specification.json: two paragraphs have the id {twice}"
    have = {paragraph.section for paragraph in specification.paragraphs}
    for section in sorted(have ^ set(specification.sections)):
        yield f"specification.json: the section {section} has no title or no paragraph"


def _row_name(row: Any) -> str:
    return str(
        getattr(row, "id", None) or getattr(row, "card", None) or getattr(row, "trigger", row)
    )


def _places(knowledge: Knowledge) -> Iterator[str]:
    """Places that no code fills: what fills `{drug}` is named "drug" somewhere."""
    texts = {f"caution {row.id}": row.text for row in knowledge.policy.cautions}
    texts |= {f"wording {text_id}": text for text_id, text in knowledge.wording.texts.items()}
    for name, text in texts.items():
        places = _PLACE.findall(text)
        if text.count("{") != text.count("}") or text.count("{") != len(places):
            yield f"{name}: a brace is not closed"
        for place in sorted(set(places) - code().names):
            yield f"{name}: nothing fills {{{place}}}"


def _lengths(knowledge: Knowledge) -> Iterator[str]:
    limit = knowledge.parameters.cards.summary_template_max
    for card in knowledge.cards.values():
        for summary in (card.summary, *card.variants.values()):
            if len(summary) >= limit:
                yield f"card {card.id}: its summary template has {len(summary)} characters"


def main() -> int:
    """Prints the problems; 1 if there are any."""
    found = list(problems())
    for line in found:
        print(line)
    if not found:
        print("knowledge: no problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
