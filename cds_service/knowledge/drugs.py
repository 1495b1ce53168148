"""Drugs: the classes that a medication belongs to.

The order of matching (SPEC 7.1) is: RxNorm product, RxNorm ingredient, ATC prefix, then display and
text. A text is matched by whole words, the longest name first, without accents and apostrophes
(SPEC 12.1 U-14). Results that rest only on a text match say so. They never give a critical card,
except for magnesium itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from cds_service.knowledge.model import BrandName
from cds_service.knowledge.terminology import ValueSet, normalised

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
MAGNESIUM = "magnesium"
COMBINATION = "diuretic_combo_ksparing"
WASTING = frozenset({"diuretic_loop", "diuretic_thiazide"})
SPARING = "diuretic_ksparing"
SUPPLEMENT = "supplement"
BRAND = "brand"
"""The `elemental_basis` of a product whose elemental content is known by its brand name."""

_BEGINNING = "magnes"
_PRODUCTS = frozenset({"SCD", "SBD", "GPCK", "BPCK"})
_WORD = re.compile(r"[a-z0-9]+", re.ASCII)
_LETTERS = re.compile(r"[a-z]+", re.ASCII)
_REMOVED = str.maketrans("", "", "'’`´®™")

ProductRow = tuple[str, str, tuple[str, ...], tuple[str, ...], str]
"""RxNorm product: name, term type, ingredient RxCUIs, classes, route."""


class MagnesiumProduct(msgspec.Struct, frozen=True, gc=False):
    """A magnesium product: its purpose, its salts, and elemental mg per unit (with the certainty)."""

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
    """`rxnorm/magnesium.json`. `fractions` are the elemental shares of the salts by weight."""

    version: str
    status: str
    fractions: dict[str, float | None]
    products: dict[str, MagnesiumProduct]


class SubtypeWords(msgspec.Struct, frozen=True):
    """A text that contains one of these words names magnesium of this subtype.

    `never_salts`: for products of only one of these salts, words do not change the purpose.
    """

    subtype: str
    any: tuple[str, ...]
    never_salts: tuple[str, ...] = ()


class UseRow(msgspec.Struct, frozen=True):
    """The purpose of magnesium of a single salt, by the route and the words of the whole order.

    `salt` and `subtypes` select the products. The row needs one of the `routes` as a code, or a
    word of `named` in the name of the product, or one of `instructed` in the instructions. A row
    with none of them always applies. The first matching row decides: `becomes` is the purpose, and
    `route` the route ("": as in the order).
    """

    salt: str
    subtypes: tuple[str, ...]
    becomes: str
    source: str
    routes: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    instructed: tuple[str, ...] = ()
    route: str = ""


class DrugText(msgspec.Struct, frozen=True):
    """Settings for reading drug texts: short names, exclusions, route words (`drug_text.json`).

    `route_systems` are other names of the systems of `route_codes`, both as `normalised` returns
    them. `salt_forms` are drugs that are sold as magnesium salts ("esomeprazole magnesium") and are
    not magnesium supplements. `salt_subtypes` are the default purposes of salts. `names_beside` are
    ambiguous names of one word that count only next to one of these words.
    """

    version: str
    status: str
    source: str
    aliases: dict[str, str]
    not_magnesium: tuple[str, ...]
    magnesium_subtypes: tuple[SubtypeWords, ...]
    atc_subtypes: dict[str, str]
    routes: dict[str, tuple[str, ...]]
    route_codes: dict[str, dict[str, str]]
    route_systems: dict[str, str] = {}
    salt_subtypes: dict[str, str] = {}
    salt_forms: tuple[str, ...] = ()
    names_beside: dict[str, tuple[str, ...]] = {}
    uses: tuple[UseRow, ...] = ()


class Drug(msgspec.Struct, frozen=True, gc=False):
    """The classes, route and ingredients of a medication, as far as rules use them.

    `route` is the route of the product ("oral", "injectable", "local", "nasal", "inhaled") or
    "any". `matched` is "code", "ingredient", "atc" or "text". `contradictory` is true if the code
    is of another drug and the words name magnesium (SPEC 12.1 U-13).
    """

    name: str
    classes: frozenset[str]
    ingredients: tuple[str, ...]
    route: str
    matched: str
    magnesium: MagnesiumProduct | None = None
    contradictory: bool = False


class _Name(NamedTuple):
    """A phrase of a drug text and its meaning. `brand` is set for names of products."""

    classes: frozenset[str]
    ingredients: tuple[str, ...]
    brand: BrandName | None = None


_NOT_MAGNESIUM = _Name(frozenset(), ())
"""The meaning of names that stop a match: "MiraLAX", "magnesium stearate"."""

_ANY_MAGNESIUM = _Name(frozenset({MAGNESIUM}), (MAGNESIUM,))
"""The meaning of a word that begins with "magnes"."""


class _Names:
    """Phrases by their words. The longest one at a position counts."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, ...], _Name] = {}
        self._lengths: dict[str, tuple[int, ...]] = {}

    def add(self, phrase: str, name: _Name) -> None:
        """A phrase may name a drug of several classes."""
        key = tuple(words(phrase))
        known = self._names.get(key)
        if known is not None:
            ingredients = tuple(dict.fromkeys((*known.ingredients, *name.ingredients)))
            name = _Name(known.classes | name.classes, ingredients, known.brand or name.brand)
        self._names[key] = name
        lengths = {*self._lengths.get(key[0], ()), len(key)}
        self._lengths[key[0]] = tuple(sorted(lengths, reverse=True))

    def rename(self, phrase: str, name: _Name) -> None:
        """Make a phrase a synonym of `name`. The phrase keeps its own classes too."""
        known = self.of(phrase)
        self.add(phrase, name)
        if known is not None:
            key = tuple(words(phrase))
            self._names[key] = name._replace(classes=name.classes | known.classes)

    def of(self, phrase: str) -> _Name | None:
        """The meaning of a phrase."""
        return self._names.get(tuple(words(phrase)))

    def places(self, tokens: Sequence[str]) -> list[int]:
        """The positions of words that begin a name: few in most texts, and none in many."""
        return [place for place, token in enumerate(tokens) if token in self._lengths]

    def at(self, tokens: Sequence[str], place: int) -> tuple[_Name, int] | None:
        """The longest name that begins at a position, and its number of words."""
        for length in self._lengths.get(tokens[place], ()):
            phrase = tuple(tokens[place : place + length])
            if len(phrase) == length and phrase in self._names:
                return self._names[phrase], length
        return None

    def all_in(self, tokens: Sequence[str]) -> Iterator[_Name]:
        """Every name in a text, from left to right."""
        end = 0
        for place in self.places(tokens):
            found = self.at(tokens, place) if place >= end else None
            if found is not None:
                yield found[0]
                end = place + found[1]


class Drugs:
    """The index over RxNorm products and ingredients, ATC classes, and the words of texts."""

    def __init__(
        self,
        products: Mapping[str, ProductRow],
        ingredients: Mapping[str, tuple[str, tuple[str, ...]]],
        magnesium: MagnesiumTable,
        sets: Iterable[ValueSet],
        text: DrugText,
        names: Iterable[BrandName] = (),
    ) -> None:
        self._products = products
        self._ingredients = ingredients
        self._magnesium = magnesium
        self._text = text
        self._by_salt = _by_salt(magnesium.products.values())
        self._atc: dict[str, tuple[str, ...]] = {}
        self._atc_names: dict[str, str] = {}
        self._atc_subtypes: dict[str, str] = dict(text.atc_subtypes)
        self._route_codes = {normalised(s): codes for s, codes in text.route_codes.items()}
        self._uses: dict[str, list[UseRow]] = {}
        for row in text.uses:
            self._uses.setdefault(row.salt, []).append(row)
        self._names, self._magnesium_names = _Names(), _Names()
        for code in text.atc_subtypes:
            self._atc[code] = (MAGNESIUM,)
        for value_set in sets:
            self._add_set(value_set)
        self._add_names(text, names)

    # -- codes -------------------------------------------------------------------------------

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
            magnesium = self._by_words(name, salts)
        return Drug(name, frozenset(classes), (name,), "any", "ingredient", magnesium)

    def is_product(self, code: str) -> bool:
        """Whether an RxCUI is a product with strength and form (SPEC 12.7.20)."""
        row = self._products.get(code)
        return row is not None and row[1] in _PRODUCTS

    def every_name(self) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
        """Each product and ingredient that a rule uses: RxCUI, name, term type, classes."""
        for code, (name, term_type, _, classes, _) in self._products.items():
            yield code, name, term_type, classes
        for code, (name, classes) in self._ingredients.items():
            if code not in self._products:
                yield code, name, "IN", classes

    def by_atc(self, code: str, wording: str = "") -> Drug | None:
        """The drug of an ATC code, by its longest known prefix.

        The words next to it name the ingredients and may make it a fixed combination.
        """
        known = next((code[:n] for n in range(len(code), 2, -1) if code[:n] in self._atc), None)
        if known is None:
            return None
        held = set(self._atc[known])
        named = self.by_text(wording)
        if named is not None:
            held |= named.classes if MAGNESIUM in held else named.classes - {MAGNESIUM}
        if SPARING in held and held & WASTING:
            held.add(COMBINATION)
        ingredients = named.ingredients if named is not None else ()
        if not ingredients and known in self._atc_names:
            ingredients = (self._atc_names[known],)
        magnesium = self._magnesium_of_atc(known, wording) if MAGNESIUM in held else None
        return Drug(wording or code, frozenset(held), ingredients, "any", "atc", magnesium)

    # -- words -------------------------------------------------------------------------------

    def by_text(self, text: str) -> Drug | None:
        """The drug in a display or free text, if it contains a name that rules use."""
        tokens = words(text)
        found = [*self._names.all_in(tokens)]
        magnesium = [*self._magnesium_in(tokens)]
        found += magnesium
        if not found:
            return None
        classes = {drug_class for name in found for drug_class in name.classes}
        ingredients = tuple(dict.fromkeys(i for name in found for i in name.ingredients))
        if SPARING in classes and classes & WASTING:
            classes.add(COMBINATION)
        product = self._magnesium_of_text(text, magnesium) if magnesium else None
        route = self.route_in(text)
        if route == "any":
            route = _one_route(name.brand for name in found)
        return Drug(text, frozenset(classes), ingredients, route, "text", product)

    def with_magnesium(self, drug: Drug, named: Drug | None) -> Drug:
        """A drug identified by its code. Magnesium is added if the words name it (U-13)."""
        if MAGNESIUM in drug.classes or named is None or named.magnesium is None:
            return drug
        return msgspec.structs.replace(
            named,
            classes=drug.classes | {MAGNESIUM},
            ingredients=tuple(dict.fromkeys((*named.ingredients, *drug.ingredients))),
            contradictory=True,
        )

    def combined(self, drugs: Sequence[Drug], wording: str) -> Drug:
        """One product with several ingredients: all their classes (SPEC 12.1 U-5, 12.7.5).

        `wording` names all its ingredients, including those that no rule uses.
        """
        classes = frozenset[str]().union(*(d.classes for d in drugs))
        if SPARING in classes and classes & WASTING:
            classes |= {COMBINATION}
        holding = [d for d in drugs if d.magnesium is not None]
        leading = holding[0] if holding else drugs[0]
        product = leading.magnesium
        if product is not None and leading.matched != "code":
            salts = tuple(
                dict.fromkeys(
                    s for d in holding if d.magnesium is not None for s in d.magnesium.salts
                )
            )
            subtype = self._by_words(wording, salts, product.subtype).subtype
            product = msgspec.structs.replace(product, salts=salts, subtype=subtype)
        routes = {d.route for d in drugs} - {"any"}
        return msgspec.structs.replace(
            leading,
            classes=classes,
            ingredients=tuple(dict.fromkeys(i for d in drugs for i in d.ingredients)),
            route=routes.pop() if len(routes) == 1 else "any",
            magnesium=product,
        )

    def drug_in_use(
        self, drug: Drug, route: str, names: Sequence[str], instructions: Sequence[str]
    ) -> tuple[Drug, str]:
        """A drug and its route as used in this order: Epsom salt is taken orally or used in a bath
        (M-13).

        `route` is from a code, or "any". `names` are the words for the product, and `instructions`
        those for its use. The route is "" if they do not change it.
        """
        product = drug.magnesium
        if product is None or len(product.salts) != 1 or product.other_ingredients:
            return drug, ""
        rows = [
            row for row in self._uses.get(product.salts[0], ()) if product.subtype in row.subtypes
        ]
        if not rows:
            return drug, ""
        named = [_letters(text) for text in (product.name, *names)]
        instructed = [_letters(text) for text in instructions]
        for row in rows:
            anything = not (row.routes or row.named or row.instructed)
            if (
                anything
                or route in row.routes
                or _holds(row.named, named)
                or _holds(row.instructed, instructed)
            ):
                used = msgspec.structs.replace(product, subtype=row.becomes)
                return msgspec.structs.replace(drug, magnesium=used), row.route
        return drug, ""

    def route_in(self, text: str) -> str:
        """The route in a text, or "any". Local words come first: "ear drops by mouth"."""
        padded = f" {' '.join(words(text))} "
        for route, route_words in self._text.routes.items():
            if any(f" {word} " in padded for word in route_words):
                return route
        return "any"

    def route_of_code(self, system: str | None, code: str | None) -> str | None:
        """The route of a route coding, if rules use it."""
        written = normalised(system or "")
        known = self._text.route_systems.get(written, written)
        return self._route_codes.get(known, {}).get(code or "")

    # -- magnesium ---------------------------------------------------------------------------

    def single_salt(self, drug: Drug) -> tuple[str, str] | None:
        """RxCUI and name of the only salt of a product with a code, or `None` for all others."""
        product = drug.magnesium
        if drug.matched != "code" or product is None or product.other_ingredients:
            return None
        names = {name: code for code, (name, _) in self._ingredients.items()}
        salts = [(names[salt], salt) for salt in product.salts if salt in names]
        return salts[0] if len(salts) == len(product.salts) == 1 else None

    def products_of(self, salt: str) -> Sequence[tuple[float, MagnesiumProduct]]:
        """The products with only this salt by their strength in mg, the strongest first."""
        return self._by_salt.get(salt, ())

    def elemental_share(self, salt: str) -> float | None:
        """The elemental share of the weight of a salt (SPEC 5.1)."""
        return self._magnesium.fractions.get(salt)

    def _magnesium_in(self, tokens: Sequence[str]) -> Iterator[_Name]:
        """The names of magnesium in a text. A word that begins with "magnes" is one (U-14)."""
        unclear = {
            text
            for text, needed in self._text.names_beside.items()
            if text in tokens and not _holds(needed, [_letters(" ".join(tokens))])
        }
        begun = {place for place, token in enumerate(tokens) if token.startswith(_BEGINNING)}
        end = 0
        for place in sorted(begun.union(self._magnesium_names.places(tokens))):
            if place < end:
                continue
            found = self._magnesium_names.at(tokens, place)
            name, length = found if found is not None else (None, 1)
            if name is None and place in begun:
                name = _ANY_MAGNESIUM
            if tokens[place] == MAGNESIUM or name is _ANY_MAGNESIUM:
                name = _NOT_MAGNESIUM if self._is_salt_form(tokens, place, length) else name
            if name is not None and name.classes and tokens[place] not in unclear:
                yield name
            end = place + length

    def _is_salt_form(self, tokens: Sequence[str], place: int, length: int) -> bool:
        """Whether "magnesium" alone follows a drug that is sold as a magnesium salt."""
        if length > 1:
            return False
        before = [word for word in tokens[max(0, place - 2) : place] if word != "de"]
        return bool(before) and before[-1] in self._text.salt_forms

    def _magnesium_of_text(self, text: str, names: Sequence[_Name]) -> MagnesiumProduct:
        brands = [name.brand for name in names if name.brand is not None]
        salts = tuple(
            dict.fromkeys(
                salt
                for name in names
                for salt in (name.brand.salts if name.brand is not None else name.ingredients)
                if salt != MAGNESIUM
            )
        )
        brand = max(brands, key=lambda b: len(b.text), default=None)
        if brand is None:
            return self._by_words(text, salts)
        return msgspec.structs.replace(
            self._by_words(text, salts, brand.subtype),
            elemental_mg=brand.elemental_mg,
            elemental_basis=BRAND if brand.elemental_mg is not None else "",
        )

    def _magnesium_of_atc(self, code: str, wording: str) -> MagnesiumProduct:
        names = [*self._magnesium_in(words(wording))]
        coded = self._magnesium_names.of(self._atc_names.get(code, ""))
        if not names and coded is not None:
            names = [coded]
        product = self._magnesium_of_text(wording, names)
        for length in range(len(code), 2, -1):
            if code[:length] in self._atc_subtypes:
                subtype = self._atc_subtypes[code[:length]]
                return msgspec.structs.replace(product, subtype=subtype)
        return product

    def _by_words(self, text: str, salts: tuple[str, ...], otherwise: str = "") -> MagnesiumProduct:
        """The purpose: by its words, otherwise `otherwise`, otherwise the default of its salts."""
        padded = [f" {' '.join(words(text))} "]
        subtypes = [
            row.subtype
            for row in self._text.magnesium_subtypes
            if _holds(row.any, padded) and not (len(salts) == 1 and salts[0] in row.never_salts)
        ]
        usual = [
            self._text.salt_subtypes[salt] for salt in salts if salt in self._text.salt_subtypes
        ]
        subtype = next(filter(None, (*subtypes, otherwise, *usual)), SUPPLEMENT)
        return MagnesiumProduct(name=text, subtype=subtype, salts=salts)

    # -- the index ---------------------------------------------------------------------------

    def _add_set(self, value_set: ValueSet) -> None:
        class_id = value_set.id.removeprefix("med_")
        for prefix in value_set.prefixes:
            if prefix.system == ATC:
                self._add_atc(prefix.prefix, class_id, prefix.subtype)
        for code in value_set.codes:
            if code.system == ATC:
                self._add_atc(code.code, class_id, code.subtype)
                self._atc_names.setdefault(code.code, code.display.lower())
        phrases = (*value_set.text, MAGNESIUM) if class_id == MAGNESIUM else value_set.text
        index = self._magnesium_names if class_id == MAGNESIUM else self._names
        for phrase in phrases:
            index.add(phrase, _Name(frozenset({class_id}), (phrase,)))

    def _add_names(self, text: DrugText, names: Iterable[BrandName]) -> None:
        for alias, ingredient in text.aliases.items():
            for index in (self._names, self._magnesium_names):
                named = index.of(ingredient)
                if named is not None:
                    index.rename(alias, named)
        for brand in names:
            self._add_brand(brand)
        for phrase in text.not_magnesium:
            self._magnesium_names.add(phrase, _NOT_MAGNESIUM)

    def _add_atc(self, code: str, class_id: str, subtype: Sequence[str]) -> None:
        self._atc[code] = tuple(dict.fromkeys((*self._atc.get(code, ()), class_id)))
        if class_id == MAGNESIUM and subtype:
            self._atc_subtypes.setdefault(code, subtype[0])

    def _add_brand(self, brand: BrandName) -> None:
        """A name of a product. Ambiguous names are left out unless other words make them clear."""
        if brand.safety == "negative":
            self._magnesium_names.add(brand.text, _NOT_MAGNESIUM)
            return
        if brand.safety == "ambiguous" and brand.text not in self._text.names_beside:
            return
        ingredients = [self._ingredients[i][0] for i in brand.ingredients if i in self._ingredients]
        named = tuple(ingredients or brand.salts)
        others = frozenset(brand.classes) - {MAGNESIUM}
        if MAGNESIUM in brand.classes:
            salts = tuple(n for n in named if n.startswith(MAGNESIUM)) or named or (MAGNESIUM,)
            self._magnesium_names.add(brand.text, _Name(frozenset({MAGNESIUM}), salts, brand))
        if others:
            self._names.add(brand.text, _Name(others, named, brand))


def _by_salt(
    products: Iterable[MagnesiumProduct],
) -> dict[str, tuple[tuple[float, MagnesiumProduct], ...]]:
    """The products with only one salt, by salt and strength. The first of several equal ones."""
    found: dict[str, dict[float, MagnesiumProduct]] = {}
    for product in products:
        alone = len(product.salts) == 1 and not product.other_ingredients
        if alone and product.strength_mg and product.tty == "SCD":
            found.setdefault(product.salts[0], {}).setdefault(product.strength_mg, product)
    return {salt: tuple(sorted(by.items(), reverse=True)) for salt, by in found.items()}


def _one_route(brands: Iterable[BrandName | None]) -> str:
    """The route of the products of a brand, if all of them have the same one."""
    routes = {route for brand in brands if brand is not None for route in brand.routes}
    return routes.pop() if len(routes) == 1 else "any"


def _holds(phrases: Iterable[str], padded: Sequence[str]) -> bool:
    return any(f" {phrase} " in text for phrase in phrases for text in padded)


def words(text: str) -> list[str]:
    """The words of a text: lower case, letters and digits, without accents and apostrophes."""
    return _WORD.findall(_plain(text))


def _letters(text: str) -> str:
    """The words of a text without their digits ("30mL" is "ml"), in spaces."""
    return f" {' '.join(_LETTERS.findall(_plain(text)))} "


def _plain(text: str) -> str:
    plain = text.casefold().translate(_REMOVED)
    if plain.isascii():
        return plain
    decomposed = unicodedata.normalize("NFD", plain)
    return "".join(c for c in decomposed if not unicodedata.combining(c))
