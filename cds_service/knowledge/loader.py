"""Load the knowledge files into one immutable object, with one content hash.

The version in discovery, on cards and in logs is `<release>+<hash>`. Two services with the same
version make the same decisions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TypeVar

import msgspec

from cds_service.knowledge import drugs as drug_index
from cds_service.knowledge import model, parameters, plans, tables, wording
from cds_service.knowledge.dosage import DosageTables, Dosing
from cds_service.knowledge.parameters import Parameter, Parameters, Value, parameters_from
from cds_service.knowledge.terminology import CodeSystem, Terminology, ValueSet

RELEASE = "2.0.0"
_HASH_LENGTH = 12
_PARAMETER = re.compile(rb"\{(?P<id>[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+)(?P<below>-1)?\}")
T = TypeVar("T")


class KnowledgeError(Exception):
    """A knowledge file is missing, malformed or contradicts the code; names the file and the place."""


class Wording(msgspec.Struct, frozen=True):
    """The wording of cards, messages and `/explain` in one language (`wording.json`).

    `language` is its name in BCP 47. `texts` are templates by id, `reasons` the sentences of the
    codes of `cds_service.reasons`.
    """

    version: str
    status: str
    language: str
    texts: dict[str, str]
    reasons: dict[str, str]


class Knowledge(msgspec.Struct, frozen=True, eq=False):
    """The whole knowledge. There is one instance in a process, so instances are not compared.

    `approved`: the rules in force are approved for patient care. Files alone cannot be: a site file
    approves them by their hash.
    """

    version: str
    parameters: Parameters
    parameter_rows: tuple[Parameter, ...]
    systems: tuple[CodeSystem, ...]
    sets: dict[str, ValueSet]
    terminology: Terminology
    drugs: drug_index.Drugs
    dosage: Dosing
    brand_names: model.BrandNames
    dosage_words: model.DosageWords
    cards: dict[str, model.Card]
    plans: model.Plans
    interactions: model.Interactions
    coindications: model.Coindications
    safety_words: dict[str, tuple[str, ...]]
    override_reasons: model.OverrideReasons
    references: dict[str, model.Citation]
    evidence: tuple[model.EvidenceLine, ...]
    specification: model.Specification
    policy: model.Policy
    wording: Wording
    source_attributes: model.SourceAttributes
    approved: bool = False

    @property
    def hash(self) -> str:
        """The hash over all files, which is the part of the version after the release."""
        return self.version.partition("+")[2]


class _Systems(msgspec.Struct):
    version: str
    status: str
    source: str
    systems: tuple[CodeSystem, ...]


class _Products(msgspec.Struct):
    version: str
    status: str
    sources: dict[str, str]
    products: dict[str, drug_index.ProductRow]


class _References(msgspec.Struct):
    references: tuple[model.Citation, ...]


class _Evidence(msgspec.Struct):
    evidence: tuple[model.EvidenceLine, ...]


def load(
    folder: Traversable | None = None,
    changes: Mapping[str, Value] | None = None,
    products: Sequence[model.SiteProduct] = (),
) -> Knowledge:
    """The knowledge of a folder (default: the one in this package).

    `changes` are a site's values that replace those of the parameters, by id. Texts, titles and
    plans that depend on a parameter use them. `products` are a site's formulary, which draft orders
    name. The version stays the same.

    Raises `KnowledgeError` with one line that names the file and the fault.
    """
    reader = _Reader(folder if folder is not None else files(__package__).joinpath("data"))
    systems = reader.read("code_systems.json", _Systems).systems
    sets = {s.id: s for s in reader.read_all("valuesets", ValueSet)}
    parameter_rows = _parameter_rows(reader, changes or {})
    registry = reader.read("cards.json", model.Registry)
    texts = reader.read("wording.json", Wording)
    brand_names = reader.read("rxnorm/brand_names.json", model.BrandNames)
    dosage_words = reader.read("dosage_words.json", model.DosageWords)
    knowledge = Knowledge(
        parameters=_parameters(parameter_rows),
        parameter_rows=parameter_rows,
        systems=systems,
        sets=sets,
        terminology=_terminology(systems, sets),
        drugs=drug_index.Drugs(
            reader.read("rxnorm/products.json", _Products).products,
            reader.read("rxnorm/ingredients.json", dict[str, tuple[str, tuple[str, ...]]]),
            reader.read("rxnorm/magnesium.json", drug_index.MagnesiumTable),
            [s for s in sets.values() if _is_drug_set(s)],
            reader.read("drug_text.json", drug_index.DrugText),
            brand_names.names,
        ),
        dosage=Dosing(reader.read("dosage.json", DosageTables), dosage_words),
        brand_names=brand_names,
        dosage_words=dosage_words,
        cards=_cards(registry.cards, texts.texts),
        plans=_plans(reader, parameter_rows, products, cut=bool(changes)),
        interactions=reader.read("interactions.json", model.Interactions),
        coindications=reader.read("coindications.json", model.Coindications),
        safety_words=reader.read("safety_words.json", model.SafetyWords).words,
        override_reasons=reader.read("override_reasons.json", model.OverrideReasons),
        references={r.id: r for r in reader.read("references.json", _References).references},
        evidence=reader.read("evidence.json", _Evidence).evidence,
        specification=reader.read("specification.json", model.Specification),
        policy=model.Policy.of(reader.read("policy.json", model.PolicyTables), registry),
        wording=texts,
        source_attributes=reader.read("source_attributes.json", model.SourceAttributes),
        version=f"{RELEASE}+{reader.digest()}",
    )
    _check(knowledge)
    return knowledge


def _check(knowledge: Knowledge) -> None:
    """Stop the start if a table has a gap or a possible card has no wording."""
    policy, cards = knowledge.policy, knowledge.cards
    checks = (
        ("policy.json", tables.gaps(policy, knowledge.plans)),
        ("cards.json", tables.registry_gaps(policy, cards, knowledge.plans)),
        ("wording.json", wording.missing(cards, knowledge.plans, knowledge.wording.texts)),
        ("plans.json", _contradicting_plans(knowledge)),
        ("wording.json", wording.reason_mismatches(knowledge.wording.reasons)),
    )
    for name, gaps in checks:
        for gap in gaps:
            raise KnowledgeError(f"knowledge file {name}: {gap}")


def _contradicting_plans(knowledge: Knowledge) -> Iterator[str]:
    cases: dict[str, set[str]] = {}
    for row in knowledge.policy.plans:
        cases.setdefault(row.plan, set()).update({row.kidney_class, row.age} - {"adult"})
    choice = {plan: frozenset(of_plan) for plan, of_plan in cases.items()}
    return plans.contradictions(knowledge.plans, choice, knowledge.parameters)


def _cards(rows: tuple[model.Card, ...], texts: Mapping[str, str]) -> dict[str, model.Card]:
    """The cards by id, each with its summaries."""
    cards = {}
    for row in rows:
        own = {case: texts.get(row.text_id("summary", case), "") for case in row.cases}
        cards[row.id] = msgspec.structs.replace(
            row,
            summary=texts.get(row.text_id("summary"), ""),
            variants={case: text for case, text in own.items() if text},
        )
    return cards


def _is_drug_set(value_set: ValueSet) -> bool:
    return value_set.id.startswith("med_")


def _terminology(systems: tuple[CodeSystem, ...], sets: dict[str, ValueSet]) -> Terminology:
    try:
        return Terminology(systems, [s for s in sets.values() if not _is_drug_set(s)])
    except ValueError as error:
        raise KnowledgeError(f"knowledge file code_systems.json: {error}") from None


def _parameter_rows(reader: _Reader, changes: Mapping[str, Value]) -> tuple[Parameter, ...]:
    """The parameters; from now on the reader fills them into texts, their own titles included."""
    name, shape = "parameters.json", tuple[Parameter, ...]
    defaults = reader.read(name, shape)
    reader.fill_in({row.id: changes.get(row.id, row.value) for row in defaults})
    rows = tuple(
        msgspec.structs.replace(row, value=changes[row.id]) if row.id in changes else row
        for row in reader.read(name, shape)
    )
    for line in parameters.contradictions(rows, of_site=bool(changes)):
        raise KnowledgeError(f"knowledge file {name}: {line}")
    return rows


def _plans(
    reader: _Reader,
    rows: tuple[Parameter, ...],
    products: Sequence[model.SiteProduct],
    *,
    cut: bool,
) -> model.Plans:
    file = reader.read("plans.json", model.PlanFile)
    try:
        return plans.plans_from(file, {row.id: row.value for row in rows}, products, cut=cut)
    except ValueError as error:
        raise KnowledgeError(f"knowledge file plans.json: {error}") from None


def _parameters(rows: tuple[Parameter, ...]) -> Parameters:
    try:
        return parameters_from(rows)
    except msgspec.ValidationError as error:
        raise KnowledgeError(f"knowledge file parameters.json: {error}") from None


class _Reader:
    """Reads files of one folder, fills parameters into them, and hashes them."""

    def __init__(self, folder: Traversable) -> None:
        self._folder = folder
        self._hashes: dict[str, bytes] = {}
        self._values: Mapping[str, Value] = {}

    def fill_in(self, values: Mapping[str, Value]) -> None:
        """From now on, replace `{egfr.severe_below}` in a file by the parameter with that id."""
        self._values = values

    def read(self, name: str, shape: type[T]) -> T:
        try:
            content = self._folder.joinpath(name).read_bytes()
        except OSError:
            raise KnowledgeError(f"knowledge file {name} is missing") from None
        self._hashes[name] = hashlib.sha256(content).digest()
        if self._values:
            content = self._filled(name, content)
        try:
            return msgspec.json.decode(content, type=shape)
        except msgspec.DecodeError as error:
            raise KnowledgeError(f"knowledge file {name}: {error}") from None

    def _filled(self, name: str, content: bytes) -> bytes:
        """The content with its parameters. `{egfr.moderate_below-1}` is the whole number below."""

        def value_of(place: re.Match[bytes]) -> bytes:
            parameter, below = place["id"].decode(), bool(place["below"])
            value = self._values.get(parameter)
            if value is None:
                raise KnowledgeError(f"knowledge file {name}: there is no parameter {parameter}")
            if below and (isinstance(value, bool) or value != int(value)):
                raise KnowledgeError(f"knowledge file {name}: {parameter} must be a whole number")
            return parameters.said(Decimal(int(value) - 1) if below else value).encode()

        return _PARAMETER.sub(value_of, content)

    def read_all(self, folder: str, shape: type[T]) -> list[T]:
        try:
            names = sorted(f.name for f in self._folder.joinpath(folder).iterdir())
        except OSError:
            raise KnowledgeError(f"knowledge folder {folder} is missing") from None
        return [self.read(f"{folder}/{name}", shape) for name in names if name.endswith(".json")]

    def digest(self) -> str:
        whole = hashlib.sha256()
        for name in sorted(self._hashes):
            whole.update(name.encode() + b"\0" + self._hashes[name])
        return whole.hexdigest()[:_HASH_LENGTH]
