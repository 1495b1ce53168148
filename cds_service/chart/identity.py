"""Identify the drug of a medication: by code, words, or ingredients (SPEC 7.1, 12.1 U-5, U-14).

A medication is a concept in the order, or a resource that the order refers to, either contained or
in any Bundle of the call. A name without information ("capsule") does not hide an ingredient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Raw

from cds_service import reasons
from cds_service.chart.instructions import Instruction
from cds_service.chart.naming import label_of
from cds_service.chart.reading import Reader
from cds_service.chart.subject import bare_id
from cds_service.fhir import wire
from cds_service.fhir.reading import Shape, says_nothing
from cds_service.fhir.wire import NOTHING, CodeableConcept, Coding, Reference, Text
from cds_service.knowledge.drugs import ATC, MAGNESIUM, RXNORM, Drug, Drugs
from cds_service.knowledge.terminology import Terminology
from cds_service.reasons import Reason

SNOMED = "http://snomed.info/sct"
_DATA_ABSENT = "data-absent-reason"
_MOST_REFERENCES = 100
"""The references to Medications that are followed for one order. No product has so many ingredients."""


class Product(msgspec.Struct, gc=False):
    """The elements of `Medication` that identify the drug."""

    resourceType: Text | None = None
    id: Text | None = None
    code: CodeableConcept | None = None
    ingredient: Raw = NOTHING
    form: Raw = NOTHING
    contained: Raw = NOTHING


_CONTAINED: Shape[list[Raw]] = Shape(list[Raw])
_HEAD: Shape[wire.Head] = Shape(wire.Head)
_PRODUCT: Shape[Product] = Shape(Product)
_INGREDIENTS: Shape[list[wire.Ingredient]] = Shape(list[wire.Ingredient])
_CONCEPT: Shape[CodeableConcept] = Shape(CodeableConcept)


class Identity(NamedTuple):
    """The identity of a medication.

    `drug` is `None` for drugs that no rule uses. `words` are all names of the product, and its
    form. `missing` is the reason if a part of the medication cannot be identified (it may be
    anything), otherwise `None`. `incomplete` is true if that part is an ingredient. `named` is true
    if words or a known code identify the medication for a clinician. `product_codes` are the codes
    of the product, as (system, code), without those of an ingredient.
    """

    drug: Drug | None = None
    label: str = ""
    coding: Coding | None = None
    words: tuple[str, ...] = ()
    missing: Reason | None = None
    incomplete: bool = False
    named: bool = False
    product_codes: frozenset[tuple[str, str]] = frozenset()


class _Found(NamedTuple):
    """A drug, the coding that identifies it (`None`: words), and the concept it was found in."""

    drug: Drug
    coding: Coding | None
    concept: CodeableConcept


class _Parts(NamedTuple):
    """The names of a medication and of its ingredients. `missing`: an ingredient cannot be read."""

    names: list[CodeableConcept]
    ingredients: list[CodeableConcept]
    form: str = ""
    missing: Reason | None = None


class DrugFinder:
    """Finds the drugs of the medications of one call."""

    def __init__(
        self,
        drugs: Drugs,
        terminology: Terminology,
        sent: Callable[[], Iterable[wire.Entry[wire.Medication]]] = tuple,
    ) -> None:
        """`sent` returns the entries that may contain Medications. It is called on demand."""
        self._drugs = drugs
        self._terminology = terminology
        self._sent: Callable[[], Iterable[wire.Entry[wire.Medication]]] | None = sent
        self._by_text: dict[str, Drug | None] = {}
        # One order is often there many times, as refills and renewals.
        self._identities: dict[tuple[str | None, ...], Identity] = {}
        self._products: dict[str, wire.Medication] = {}

    def add_medications(self, entries: Iterable[wire.Entry[wire.Medication]]) -> None:
        """Index the Medication resources among these by id and by full URL."""
        self._identities.clear()
        for entry in entries:
            resource = entry.resource
            if resource is None or resource.resourceType != "Medication":
                continue
            if resource.code is None and not memoryview(resource.ingredient):
                continue
            for name in (resource.id, entry.full_url):
                if name:
                    self._products[bare_id(name)] = resource

    def identify(self, order: wire.Medication, name: Callable[[], str], reader: Reader) -> Identity:
        """The drug that an order or statement is about; `name` returns its name in evidence."""
        key = _key_of(order)
        known = self._identities.get(key) if key is not None else None
        if known is None:
            known = self._identify(order, name(), reader)
            if key is not None:
                self._identities[key] = known
        return known

    def _identify(self, order: wire.Medication, name: str, reader: Reader) -> Identity:
        parts = self._parts(order, name, reader)
        if any(map(_has_an_empty_coding, (*parts.names, *parts.ingredients))):
            reader.record_unsupported(name, "medication.coding", reasons.HOLDS_NOTHING_READ)
        named = next(filter(None, map(self._find, parts.names)), None)
        ingredients = [self._find(concept) for concept in parts.ingredients]
        missing = self._missing(parts, named, ingredients)
        incomplete = missing is not None and bool(parts.ingredients or parts.missing)
        found = [f for f in (named, *ingredients) if f is not None]
        told = any(map(self._is_identified, parts.names)) or bool(parts.ingredients and not missing)
        if not found:
            return Identity(missing=missing, incomplete=incomplete, named=told)
        leading = next((f for f in found if MAGNESIUM in f.drug.classes), found[0])
        return Identity(
            drug=self._together(parts, named, found),
            label=label_of(leading.concept, leading.coding) or leading.drug.name,
            coding=leading.coding,
            words=(*(text for c in parts.names for text in _words_of(c)), parts.form),
            missing=missing,
            incomplete=incomplete,
            named=True,
            product_codes=frozenset(self._product_codes(parts.names)),
        )

    def route_of(
        self, drug: Drug, instructions: Sequence[Instruction], label: str
    ) -> tuple[str, str]:
        """The route of the product, otherwise of the order by code, otherwise by words; and the
        coded one.
        """
        coded = drug.route if drug.route not in ("any", "unknown") else self._coded(instructions)
        if coded is not None:
            return coded, coded
        written = [label]
        for instruction in instructions:
            written += [label_of(instruction.route), *instruction.texts]
        for text in written:
            route = self._drugs.route_in(text)
            if route != "any":
                return route, "any"
        return drug.route, "any"

    def drug_in_use(
        self, drug: Drug, coded_route: str, identity: Identity, instructions: Sequence[Instruction]
    ) -> tuple[Drug, str]:
        """The drug as used in this order, and its route if that follows from the use."""
        written = [text for i in instructions for text in (label_of(i.route), *i.texts, *i.asides)]
        return self._drugs.drug_in_use(drug, coded_route, identity.words, written)

    def _coded(self, instructions: Sequence[Instruction]) -> str | None:
        for instruction in instructions:
            for coding in (instruction.route.coding or ()) if instruction.route else ():
                known = self._drugs.route_of_code(
                    self._terminology.canonical(coding.system) or coding.system, coding.code
                )
                if known is not None:
                    return known
        return None

    # -- the parts of a medication -----------------------------------------------------------

    def _parts(self, order: wire.Medication, name: str, reader: Reader) -> _Parts:
        parts = _Parts([], [])
        if order.medicationCodeableConcept is not None:
            parts.names.append(order.medicationCodeableConcept)
        reference = order.medicationReference
        if reference is None:
            return parts
        follow = _Follow(self, name, reader)
        product, contained = follow.resolve(reference, order.contained)
        if product is not None:
            if product.code is not None:
                parts.names.append(product.code)
            parts = follow.ingredients(product, contained, parts)
        if reference.display:
            parts.names.append(CodeableConcept(text=reference.display))
        if not parts.names and not parts.ingredients:
            parts = parts._replace(missing=parts.missing or reasons.MEDICATION_NOT_SENT)
        return parts

    def find_sent(self, reference: str) -> wire.Medication | None:
        """The Medication of the call that a reference names."""
        if self._sent is not None:
            sent, self._sent = self._sent, None
            self.add_medications(sent())
        return self._products.get(bare_id(reference))

    def _missing(
        self, parts: _Parts, named: _Found | None, ingredients: Sequence[_Found | None]
    ) -> Reason | None:
        """The reason why a part of a medication may be an unidentified drug."""
        if named is not None and named.coding is not None:
            return None
        if parts.missing:
            return parts.missing
        unknown = [
            concept
            for concept, found in zip(parts.ingredients, ingredients, strict=True)
            if found is None
        ]
        if parts.ingredients:
            return None if all(map(self._is_named, unknown)) else reasons.MEDICATION_UNNAMED
        identified = named is not None or any(map(self._is_named, parts.names))
        return None if identified else reasons.MEDICATION_UNNAMED

    def _is_named(self, concept: CodeableConcept) -> bool:
        """Whether the drug is identified: by a readable code, or by words alone (12.7.18)."""
        codings = [c for c in concept.coding or () if c.code]
        read = any(self._terminology.canonical(c.system) in (RXNORM, ATC) for c in codings)
        told = self._is_identified(concept)
        return told and (read or not (codings or _has_an_empty_coding(concept)))

    def _is_identified(self, concept: CodeableConcept) -> bool:
        """Whether words, or a readable code, identify the drug."""
        codings = concept.coding or ()
        if any((c.system or "").endswith(_DATA_ABSENT) for c in codings):
            return False
        read = any(
            c.code and self._terminology.canonical(c.system) in (RXNORM, ATC) for c in codings
        )
        return read or any(_words_of(concept))

    def _product_codes(self, names: Iterable[CodeableConcept]) -> Iterator[tuple[str, str]]:
        for coding in (coding for concept in names for coding in concept.coding or ()):
            system = self._terminology.canonical(coding.system) or coding.system
            if not coding.code or system is None or system in (ATC, SNOMED):
                continue
            if system != RXNORM or self._drugs.is_product(coding.code):
                yield system, coding.code

    # -- one concept -------------------------------------------------------------------------

    def _together(self, parts: _Parts, named: _Found | None, found: Sequence[_Found]) -> Drug:
        drugs = [f.drug for f in found]
        if parts.ingredients:
            concepts = [*parts.names, *parts.ingredients]
            wording = " ".join(text for c in concepts for text in _words_of(c))
            drug = self._drugs.combined(drugs, wording)
        else:
            drug = drugs[0]
        coded = named is not None and named.coding is not None
        if not coded or MAGNESIUM in drugs[0].classes:
            return drug
        for text in (text for concept in parts.names for text in _words_of(concept)):
            drug = self._drugs.with_magnesium(drug, self._of_text(text))
        return drug

    def _find(self, concept: CodeableConcept) -> _Found | None:
        """Product, ingredient, ATC, words (SPEC 7.1), or `None` for drugs that no rule uses."""
        atc: list[Coding] = []
        ingredient: _Found | None = None
        for coding in concept.coding or ():
            system = self._terminology.canonical(coding.system)
            drug = self._drugs.by_rxnorm(coding.code or "") if system == RXNORM else None
            if drug is not None and drug.matched == "code":
                return _Found(drug, coding, concept)
            if drug is not None:
                ingredient = ingredient or _Found(drug, coding, concept)
            if system == ATC:
                atc.append(coding)
        if ingredient is not None:
            return ingredient
        for coding in atc:
            wording = " ".join(filter(None, (coding.display, concept.text)))
            drug = self._drugs.by_atc(coding.code or "", wording)
            if drug is not None:
                return _Found(drug, coding, concept)
        for text in _words_of(concept):
            drug = self._of_text(text)
            if drug is not None:
                return _Found(drug, None, concept)
        return None

    def _of_text(self, text: str) -> Drug | None:
        if text not in self._by_text:
            self._by_text[text] = self._drugs.by_text(text)
        return self._by_text[text]


class _Follow:
    """Follows the references of one order to Medications, each once and a limited number of them.

    An ingredient behind any other reference is not identified.
    """

    def __init__(self, finder: DrugFinder, name: str, reader: Reader) -> None:
        self._finder = finder
        self._name = name
        self._reader = reader
        self._seen: set[str] = set()

    def resolve(
        self, reference: Reference, contained: Raw
    ) -> tuple[Product | wire.Medication | None, Raw]:
        """The Medication that a reference names, and the resources contained with it.

        `contained` are the resources contained with the one that refers to it.
        """
        target = (reference.reference or "").strip()
        if target in self._seen or len(self._seen) >= _MOST_REFERENCES:
            return None, contained
        self._seen.add(target)
        if target.startswith("#"):
            return self._contained_product(target, contained), contained
        sent = self._finder.find_sent(target)
        return sent, (sent.contained if sent is not None else contained)

    def _contained_product(self, target: str, contained: Raw) -> Product | None:
        for raw in self._reader.read(_CONTAINED, contained, self._name, "contained") or ():
            head, _ = _HEAD.read(raw)  # its damaged elements are reported with the rest
            if head is not None and head.id in (target, target[1:]):
                return self._reader.read(_PRODUCT, raw, self._name, f"contained[{target}]")
        return None

    def ingredients(
        self, product: Product | wire.Medication, contained: Raw, parts: _Parts
    ) -> _Parts:
        """The parts of a medication with the ingredients of a product and its form."""
        form = self._reader.read(_CONCEPT, product.form, self._name, "medication.form")
        if not parts.form:
            parts = parts._replace(form=label_of(form))
        listed, unread = self._reader.read_parts(
            _INGREDIENTS, product.ingredient, self._name, "medication.ingredient"
        )
        missing = parts.missing or (reasons.MEDICATION_UNNAMED if unread else None)
        for item in listed or ():
            if item.itemCodeableConcept is not None:
                parts.ingredients.append(item.itemCodeableConcept)
            elif item.itemReference is not None:
                parts = self._referred(item.itemReference, contained, parts)
            else:
                missing = missing or reasons.MEDICATION_UNNAMED
        return parts._replace(missing=parts.missing or missing)

    def _referred(self, reference: Reference, contained: Raw, parts: _Parts) -> _Parts:
        """The parts with an ingredient that is a Medication of its own.

        Without any content it is named by its display. Without that it may be any drug.
        """
        product, inside = self.resolve(reference, contained)
        before = len(parts.ingredients)
        if product is not None:
            if product.code is not None:
                text = product.code.text or reference.display
                parts.ingredients.append(CodeableConcept(coding=product.code.coding, text=text))
            parts = self.ingredients(product, inside, parts)
        if len(parts.ingredients) == before and reference.display:
            parts.ingredients.append(CodeableConcept(text=reference.display))
        if len(parts.ingredients) == before:
            parts = parts._replace(missing=parts.missing or reasons.MEDICATION_NOT_SENT)
        return parts


def _key_of(order: wire.Medication) -> tuple[str | None, ...] | None:
    """A key for orders of the same drug, or `None` for orders that are read one by one."""
    concept, reference = order.medicationCodeableConcept, order.medicationReference
    if concept is None and reference is not None and reference.reference:
        contained = reference.reference.startswith("#")
        return None if contained else (reference.reference, reference.display)
    codings = concept.coding if concept is not None else None
    if concept is None or reference is not None or not codings or len(codings) > 1:
        return None
    coding = codings[0]
    return coding.system, coding.code, coding.display, concept.text


def _has_an_empty_coding(concept: CodeableConcept) -> bool:
    """Whether one of its codings cannot be read, so that it may have identified the drug."""
    return any(map(says_nothing, concept.coding or ()))


def _words_of(concept: CodeableConcept) -> Iterator[str]:
    """The text and the displays of a concept."""
    if concept.text:
        yield concept.text
    for coding in concept.coding or ():
        if coding.display:
            yield coding.display
