"""The products of a site that draft orders name: which of them can be used, and for which plans.

Only magnesium glycinate is accepted. The cards state glycinate, and the drugs to be kept apart are
those of glycinate: other salts neutralise acid or act as laxatives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from cds_service.knowledge.drugs import MAGNESIUM, RXNORM, SUPPLEMENT, Drug, words
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.model import Coded, Plan, SiteProduct
from cds_service.site.document import Document, Fault, printable
from cds_service.site.model import Product, SiteFile

SALT = "glycinate"
_SALT_NAME = "magnesium glycinate"
FORMS = ("capsule", "tablet")


def products_of(site: SiteFile) -> tuple[SiteProduct, ...]:
    """The formulary as the plans use it."""
    return tuple(
        SiteProduct(
            Coded(product.code.system, product.code.code, product.code.display),
            product.form,
            product.elemental_mg,
        )
        for product in site.formulary
    )


def formulary_faults(document: Document, site: SiteFile, knowledge: Knowledge) -> Iterator[Fault]:
    """What is wrong with each product. An order of it must be read as what the card states."""
    for number, product in enumerate(site.formulary):
        for key, what in _faults(product, knowledge):
            yield document.fault(("formulary", number, *key), what)


_Found = Iterator[tuple[tuple[str, ...], str]]


def _faults(product: Product, knowledge: Knowledge) -> _Found:
    if product.salt != SALT:
        yield (
            ("salt",),
            f"must be {SALT}: the cards, and the drugs to keep apart, are for {_SALT_NAME}",
        )
        return
    said = f" {' '.join(words(product.code.display))} "
    named = knowledge.drugs.by_text(product.code.display)
    others = sorted(text for text in _other_words(knowledge) if f" {text} " in said)
    if named is None or not _is_glycinate(named) or others:
        instead = f", without {', '.join(others)}" if others else ""
        what = f"must name {_SALT_NAME}{instead}: orders are recognised by it"
        yield ("code", "display"), what
    other = next((form for form in FORMS if form != product.form), "")
    if f" {other} " in said or f" {other}s " in said:
        yield ("form",), f"must agree with the display, which names a {other}"
    called = knowledge.dosage.amounts.elemental(product.code.display.casefold())
    if called and called != {product.elemental_mg}:
        yield ("elementalMg",), "must be the elemental magnesium that the display states"
    if product.code.system == RXNORM:
        yield from _faults_of_rxnorm(product, knowledge)


def _faults_of_rxnorm(product: Product, knowledge: Knowledge) -> _Found:
    coded = knowledge.drugs.by_rxnorm(product.code.code)
    if coded is None:
        return  # a newer code than those of this knowledge; orders are recognised by the display
    code = printable(product.code.code)
    if not _is_glycinate(coded):
        yield ("code", "code"), f"RxNorm {code} is {printable(coded.name)}, not {_SALT_NAME}"
        return
    one = coded.magnesium
    stated = None if one is None else one.elemental_max_mg or one.elemental_mg
    if stated is None:
        yield ("code", "code"), f"RxNorm {code} is not a product with a strength"
    elif product.elemental_mg != Decimal(str(stated)):
        what = f"must be {stated:g}: an order of RxNorm {code} is read as {stated:g} mg each"
        yield ("elementalMg",), what


def _other_words(knowledge: Knowledge) -> set[str]:
    """Words of other salts, and of products that neutralise acid."""
    salts = (name.split() for _, name, kind, _ in knowledge.drugs.every_name() if kind == "IN")
    others = {salt[1] for salt in salts if salt[0] == MAGNESIUM and len(salt) == 2}
    return (others | set(knowledge.interactions.neutralising_words)) - {SALT}


def _is_glycinate(drug: Drug) -> bool:
    product = drug.magnesium
    return (
        product is not None
        and MAGNESIUM in drug.classes
        and product.salts == (_SALT_NAME,)
        and product.subtype == SUPPLEMENT
        and not product.other_ingredients
        and drug.route in ("oral", "any")
        and drug.ingredients == (_SALT_NAME,)
    )


def formulary_notes(site: SiteFile, plans: Sequence[Plan]) -> Iterator[str]:
    """The plans that no product makes in whole units: their drafts order the salt."""
    if not site.formulary:
        return
    for plan in plans:
        if plan.product is None:
            doses = " and ".join(dict.fromkeys(f"{step.dose_mg} mg" for step in plan.steps))
            yield (
                f"note: formulary: no product makes {doses} in whole units,"
                f" so the draft of {plan.id} ({plan.title}) orders {_SALT_NAME}"
            )
