"""Drugs: which classes a medication belongs to.

Match order (SPEC 7.1): RxNorm product, RxNorm ingredient, ATC by prefix, then display and text.
A text match is only ever a text match: what rests on it is said so, and it never gives a critical
card unless it is magnesium itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from cds_service.knowledge.terminology import ValueSet

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
MAGNESIUM = "magnesium"
COMBINATION = "diuretic_combo_ksparing"
WASTING = frozenset({"diuretic_loop", "diuretic_thiazide"})
SPARING = "diuretic_ksparing"
_WORD = re.compile(r"[a-z0-9]+", re.ASCII)

ProductRow = tuple[str, str, tuple[str, ...], tuple[str, ...], str]
"""RxNorm product: name, term type, ingredient RxCUIs, classes, route."""


class MagnesiumProduct(msgspec.Struct, frozen=True, gc=False):
    """A magnesium product: what it is for, its salts, and elemental mg per unit (how sure)."""

    name: str = ""
    tty: str = ""
    route: str = "any"
    subtype: str = "supplement"
    salts: tuple[str, ...] = ()
    other_ingredients: tuple[str, ...] = ()
    strength_mg: float | None = None
    elemental_mg: float | None = None
    elemental_max_mg: float | None = None
    elemental_basis: str = ""
    strength_mg_per_ml: float | None = None
    elemental_mg_per_ml: float | None = None


class MagnesiumTable(msgspec.Struct, frozen=True):
    """`rxnorm/magnesium.json`."""

    version: str
    status: str
    fractions: dict[str, float | None]
    products: dict[str, MagnesiumProduct]


class SubtypeWords(msgspec.Struct, frozen=True):
    """A text that holds one of these words names magnesium of this subtype."""

    subtype: str
    any: tuple[str, ...]


class DrugText(msgspec.Struct, frozen=True):
    """How drug texts are read: brand names, exclusions, route words (`drug_text.json`)."""

    version: str
    status: str
    source: str
    aliases: dict[str, str]
    not_magnesium: tuple[str, ...]
    magnesium_subtypes: tuple[SubtypeWords, ...]
    atc_subtypes: dict[str, str]
    routes: dict[str, tuple[str, ...]]
    route_codes: dict[str, dict[str, str]]


class Drug(msgspec.Struct, frozen=True, gc=False):
    """What a medication is, as far as the rules care.

    `route` is that of the product ("oral", "injectable", "local", "nasal", "inhaled") or "any".
    `matched` is "code", "ingredient", "atc" or "text".
    """

    name: str
    classes: frozenset[str]
    ingredients: tuple[str, ...]
    route: str
    matched: str
    magnesium: MagnesiumProduct | None = None


class Drugs:
    """The index over RxNorm products and ingredients, ATC classes and text words."""

    def __init__(
        self,
        products: Mapping[str, ProductRow],
        ingredients: Mapping[str, tuple[str, tuple[str, ...]]],
        magnesium: MagnesiumTable,
        sets: Iterable[ValueSet],
        text: DrugText,
    ) -> None:
        self._products = products
        self._ingredients = ingredients
        self._magnesium = magnesium
        self._text = text
        self._by_strength: dict[tuple[str, float], MagnesiumProduct] = {}
        for product in magnesium.products.values():
            if len(product.salts) == 1 and product.strength_mg and product.tty == "SCD":
                self._by_strength.setdefault((product.salts[0], product.strength_mg), product)
        self._atc: dict[str, tuple[str, ...]] = {}
        self._phrases: dict[str, list[tuple[tuple[str, ...], str, str]]] = {}
        for value_set in sets:
            self._add(value_set)
        for alias, ingredient in text.aliases.items():
            for _, class_id, name in list(self._phrases.get(words(ingredient)[0], ())):
                if name == ingredient:
                    self._add_phrase(alias, class_id, ingredient)

    def by_rxnorm(self, code: str) -> Drug | None:
        """The drug of an RxCUI (product, component, brand or ingredient)."""
        row = self._products.get(code)
        if row is not None:
            name, _, ingredients, classes, route = row
            names = tuple(self._ingredients[i][0] for i in ingredients if i in self._ingredients)
            return Drug(
                name, frozenset(classes), names, route, "code", self._magnesium.products.get(code)
            )
        ingredient = self._ingredients.get(code)
        if ingredient is None:
            return None
        name, classes = ingredient
        magnesium = None
        if MAGNESIUM in classes:
            salts = (name,) if name.startswith("magnesium ") else ()
            magnesium = self._by_salt(name, salts)
        return Drug(name, frozenset(classes), (name,), "any", "ingredient", magnesium)

    def every_name(self) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
        """Each product and ingredient that a rule knows: RxCUI, name, term type, classes."""
        for code, (name, term_type, _, classes, _) in self._products.items():
            yield code, name, term_type, classes
        for code, (name, classes) in self._ingredients.items():
            if code not in self._products:
                yield code, name, "IN", classes

    def by_atc(self, code: str, display: str = "") -> Drug | None:
        """The drug of an ATC code, by its longest known prefix."""
        for length in range(len(code), 2, -1):
            classes = self._atc.get(code[:length])
            if classes:
                named = self.by_text(display)
                held = set(classes) | (set(named.classes) if named else set())
                if SPARING in held and held & WASTING:
                    held.add(COMBINATION)
                ingredients = named.ingredients if named else ()
                magnesium = None
                if MAGNESIUM in held:
                    magnesium = self._magnesium_of_atc(code, display, ingredients)
                return Drug(display or code, frozenset(held), ingredients, "any", "atc", magnesium)
        return None

    def by_text(self, text: str) -> Drug | None:
        """The drug that a display or a free text names, if it holds a word of a value set."""
        plain = _plain(text)
        for phrase in self._text.not_magnesium:
            plain = plain.replace(
                phrase, phrase.removesuffix(" magnesium").replace("magnesium", "")
            )
        found = list(self._named(plain.split()))
        if not found:
            return None
        classes = {class_id for class_id, _ in found}
        ingredients = tuple(dict.fromkeys(name for _, name in found))
        if SPARING in classes and classes & WASTING:
            classes.add(COMBINATION)
        magnesium = self._magnesium_of_text(plain, ingredients) if MAGNESIUM in classes else None
        return Drug(text, frozenset(classes), ingredients, self.route_in(plain), "text", magnesium)

    def route_in(self, text: str) -> str:
        """The route that a text speaks of, or "any". Local words outrank "oral": "ear drops"."""
        padded = f" {_plain(text)} "
        for route, route_words in self._text.routes.items():
            if any(f" {word} " in padded for word in route_words):
                return route
        return "any"

    def route_of_code(self, system: str | None, code: str | None) -> str | None:
        """The route of a route coding, if it is one the rules know."""
        return self._text.route_codes.get(system or "", {}).get(code or "")

    def single_salt(self, drug: Drug) -> tuple[str, str] | None:
        """RxCUI and name of the one salt of a product known by its code; `None` for all others."""
        product = drug.magnesium
        if drug.matched != "code" or product is None or product.other_ingredients:
            return None
        names = {name: code for code, (name, _) in self._ingredients.items()}
        salts = [(names[salt], salt) for salt in product.salts if salt in names]
        return salts[0] if len(salts) == len(product.salts) == 1 else None

    def product_of_strength(self, salt: str, strength_mg: float) -> MagnesiumProduct | None:
        """The single-salt product of this strength, if RxNorm has one."""
        return self._by_strength.get((salt, strength_mg))

    def _add(self, value_set: ValueSet) -> None:
        class_id = value_set.id.removeprefix("med_")
        for prefix in value_set.prefixes:
            if prefix.system == ATC:
                self._atc[prefix.prefix] = (*self._atc.get(prefix.prefix, ()), class_id)
        for code in value_set.codes:
            if code.system == ATC:
                self._atc[code.code] = (*self._atc.get(code.code, ()), class_id)
        for phrase in value_set.text:
            self._add_phrase(phrase, class_id, phrase)
        if class_id == MAGNESIUM:
            self._add_phrase(MAGNESIUM, class_id, MAGNESIUM)

    def _add_phrase(self, phrase: str, class_id: str, ingredient: str) -> None:
        tokens = tuple(words(phrase))
        self._phrases.setdefault(tokens[0], []).append((tokens, class_id, ingredient))

    def _named(self, tokens: list[str]) -> Iterator[tuple[str, str]]:
        """Each (class, ingredient) whose phrase stands in the text; longer phrases first."""
        for at, token in enumerate(tokens):
            for phrase, class_id, name in self._phrases.get(token, ()):
                if tuple(tokens[at : at + len(phrase)]) == phrase:
                    yield class_id, name

    def _magnesium_of_atc(
        self, code: str, display: str, ingredients: tuple[str, ...]
    ) -> MagnesiumProduct:
        product = self._magnesium_of_text(_plain(display), ingredients)
        for prefix, subtype in self._text.atc_subtypes.items():
            if code.startswith(prefix):
                return msgspec.structs.replace(product, subtype=subtype)
        return product

    def _magnesium_of_text(self, plain: str, ingredients: tuple[str, ...]) -> MagnesiumProduct:
        salts = tuple(n for n in ingredients if n.startswith("magnesium") and n != MAGNESIUM)
        return self._by_salt(f"{plain} {' '.join(ingredients)}", salts)

    def _by_salt(self, text: str, salts: tuple[str, ...]) -> MagnesiumProduct:
        padded = f" {_plain(text)} "
        for row in self._text.magnesium_subtypes:
            if any(f" {word} " in padded for word in row.any):
                return MagnesiumProduct(name=text, subtype=row.subtype, salts=salts)
        return MagnesiumProduct(name=text, subtype="supplement", salts=salts)


def words(text: str) -> list[str]:
    """The words of a text: lower case, letters and digits."""
    return _WORD.findall(text.lower())


def _plain(text: str) -> str:
    return " ".join(words(text))
