"""The shapes of the knowledge files that are neither terminology, drugs nor parameters."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal

import msgspec

SILENCEABLE_KINDS: Final = frozenset({"suggestion", "information"})
"""Kinds of cards that a site may silence. Safety cards and a low magnesium are always shown."""


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of a knowledge file; unknown members are an error."""


class OfferRow(_Row, frozen=True):
    """One offer of a card, and its conditions.

    It is made if one of `only_if` is true (or `only_if` is empty) and none of `unless`. It is
    recommended if `recommended` is true and none of `not_recommended_if`, or if one of
    `recommended_if` is true. `after_start`: the tests are due some weeks after the ordered drug is
    started, not now.
    """

    kind: str
    recommended: bool = False
    labs: tuple[str, ...] = ()
    only_if: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    recommended_if: tuple[str, ...] = ()
    not_recommended_if: tuple[str, ...] = ()
    after_start: bool = False


class OffersRow(_Row, frozen=True, rename={"kidney_class": "class"}):
    """The offers of a card in a kidney class ("*": in any)."""

    kidney_class: str
    offers: tuple[OfferRow, ...]


class Card(_Row, frozen=True):
    """A card of the registry (`cards.json`). `title` names it on pages and in reports.

    A "suggestion" can offer a dose. "information" advises against one. "deficiency" is a magnesium
    so low that it is treated first. A "hazard" is about current magnesium, and an "order-check"
    about an order. `subject` is the subject of the card, and `wording` the part of the ids of its
    texts after "card.". `cases` are its special cases in the order in which they are tried. With
    `reduced_kidney_text` it has an additional line if kidney function is reduced. `summary` and
    `variants` (the summaries by special case) are filled from the wording when it is loaded.
    """

    id: str
    title: str
    kind: Literal["suggestion", "information", "deficiency", "hazard", "order-check"]
    subject: str
    indicator: str
    wording: str
    may_be_silenced: bool
    source: str
    version: str
    status: str
    cases: tuple[str, ...] = ()
    reduced_kidney_text: bool = False
    offers: tuple[OffersRow, ...] = ()
    summary: str = ""
    variants: dict[str, str] = {}

    def text_id(self, *parts: str) -> str:
        """The id of one of its texts: `text_id("do", "gut")` is "card.order-allergy.do.gut"."""
        return ".".join(("card", self.wording, *parts))

    def offers_in(self, kidney_class: str) -> tuple[OfferRow, ...]:
        """The offers of the card in a kidney class."""
        return next(
            (r.offers for r in self.offers if r.kidney_class in (kidney_class, "*")),
            (),
        )


class PlanStep(_Row, frozen=True):
    """One instruction of a dose plan. Doses are elemental magnesium.

    Instructions with one `sequence` are one step: they are taken together, and `max_mg_per_day` is
    the maximum of the whole step. `when` contains FHIR EventTiming codes. `timing` is a timing in
    words, which replaces a frequency without an end.
    """

    sequence: int
    text: str
    dose_mg: int
    frequency: int
    period: int
    period_unit: str
    max_mg_per_day: int
    duration_days: int | None = None
    when: tuple[str, ...] = ()
    timing: str = ""


class StepSource(_Row, frozen=True):
    """One instruction of a dose plan as in `plans.json`. Numbers are ids of parameters.

    The dose is `dose_mg`, or `daily_mg` divided by `frequency`, or the rest of `rest_of_mg` after
    the other instructions of the step. {dose}, {times} and {days} in the texts are filled.
    """

    sequence: int
    text: str
    frequency: int | str
    period: int
    period_unit: str
    dose_mg: str = ""
    daily_mg: str = ""
    rest_of_mg: str = ""
    duration_days: str = ""
    when: tuple[str, ...] = ()
    timing: str = ""


class Alone(_Row, frozen=True):
    """The text of a plan whose later steps are above a site's maximum: only its first step."""

    text: str
    in_words: str


class PlanSource(_Row, frozen=True):
    """A dose plan as in `plans.json`. {dose_1}, {times_1}, {days_1} ... are of the first step.

    `courses` is how often a course of the plan is taken. `alone` is required if there are several
    steps.
    """

    id: str
    title: str
    steps: tuple[StepSource, ...]
    supply_days: str
    unit_mg: str
    note: str
    note_specific: str
    source: str
    version: str
    status: str
    in_words: str = ""
    courses: str = ""
    repeat_after_days: int | None = None
    alone: Alone | None = None


class Coded(_Row, frozen=True):
    """A coding that drafts carry."""

    system: str
    code: str
    display: str
    text: str = ""


class SiteProduct(_Row, frozen=True):
    """A product of a site's formulary. `elemental_mg` is elemental magnesium in one `form`."""

    code: Coded
    form: str
    elemental_mg: Decimal


class AmountWords(_Row, frozen=True):
    """How the amount of a dose is written: as a `mass`, or in `units` of a product.

    `forms` are the plurals of the dose forms.
    """

    mass: str
    units: str
    forms: dict[str, str]


class ChoiceWords(_Row, frozen=True):
    """What a plan's note states about the product: it is `open`, or a `product` is named."""

    open: str
    product: str


class Plan(_Row, frozen=True):
    """A dose plan that a card can offer as a draft order.

    `in_words` is the whole plan in one sentence for the card. `unit_mg` is the elemental magnesium
    of one capsule or tablet, in which quantities are counted. `supply_days` is the length of the
    plan, or of one cycle of a plan that `repeats` every `repeat_after_days`. `product` is a product
    of the site's formulary that makes every dose in whole units; without it the salt is ordered.
    """

    id: str
    title: str
    steps: tuple[PlanStep, ...]
    target_mg_per_day: int
    max_mg_per_day: int
    supply_days: int
    note: str
    note_specific: str
    source: str
    version: str
    status: str
    in_words: str = ""
    unit_mg: int = 100
    repeats: int = 0
    repeat_after_days: int | None = None
    product: SiteProduct | None = None


class DrugAdvice(_Row, frozen=True):
    """Spacing advice for one drug of an interaction class.

    `hours_before` is the minimum time between the drug and later magnesium, and `hours_after`
    between magnesium and the later drug. They are absent if the advice has no number. `interacts`
    false: a drug of the class that needs no spacing. `indicator` replaces that of the class.
    `salts` and `subtypes`, if given, are the only ones with which the drug interacts.
    `strong_salts`: with any other salt the indicator is `otherwise`. `checked` states whether the
    number was read in `where` or is general knowledge.
    """

    ingredient: str
    advice: str
    checked: str
    where: str = ""
    hours_before: float | None = None
    hours_after: float | None = None
    interacts: bool = True
    indicator: str = ""
    salts: tuple[str, ...] = ()
    subtypes: tuple[str, ...] = ()
    strong_salts: tuple[str, ...] = ()
    otherwise: str = ""


class CombinationAdvice(_Row, frozen=True):
    """Spacing advice for a product with several drugs. It takes precedence over that of each drug."""

    ingredients: tuple[str, ...]
    advice: str
    checked: str
    where: str = ""
    hours_before: float | None = None
    hours_after: float | None = None


class Interaction(_Row, frozen=True):
    """A class of drugs that must be spaced from magnesium.

    If `kidney_classes` are given, it applies only in them.
    """

    id: str
    valueset: str
    salts: str
    indicator: str
    advice: str
    per_drug: tuple[DrugAdvice, ...]
    routes: tuple[str, ...]
    source: str
    version: str
    status: str
    per_combination: tuple[CombinationAdvice, ...] = ()
    kidney_classes: tuple[str, ...] = ()


class Coindication(_Row, frozen=True):
    """Another disease for which a preventive is used, and the basis of that use.

    `basis` is "labelled", "guideline" or "off-label". All three count in the same way (SPEC 12.5).
    """

    valueset: str
    basis: str
    checked: str


class CoindicatedDrug(_Row, frozen=True):
    """The other diseases of one preventive."""

    rxcui: str
    ingredient: str
    coindications: tuple[Coindication, ...]


class Coindications(_Row, frozen=True):
    """Diseases that explain a preventive ordered without a reason."""

    version: str
    status: str
    source: str
    drugs: tuple[CoindicatedDrug, ...]

    def of(self, ingredients: tuple[str, ...]) -> tuple[str, ...]:
        """The value sets of conditions that explain an order of these ingredients."""
        return tuple(
            c.valueset for d in self.drugs if d.ingredient in ingredients for c in d.coindications
        )


class SafetyWords(_Row, frozen=True):
    """Words that name a safety condition in a text without a readable code.

    In conditions, a word of the text must begin with one of them. In names of results, they may be
    at any position. Texts are compared in lower case, without accents, with one space for any other
    character.
    """

    version: str
    status: str
    source: str
    words: dict[str, tuple[str, ...]]


class BrandName(_Row, frozen=True, gc=False):
    """A brand or short name of drugs. `text` is folded: lower case, no accents, single spaces.

    `safety` is "safe", "conditional" (`note` gives the condition), "ambiguous" (not used, but kept
    so that it is not added again) or "negative" (contains no magnesium: stops a match).
    `ingredients` are RxCUIs. `elemental_mg` is per `elemental_per`.
    """

    text: str
    safety: str
    classes: tuple[str, ...]
    ingredients: tuple[str, ...]
    sources: tuple[int, ...]
    checked: str
    routes: tuple[str, ...] = ()
    subtype: str = ""
    salts: tuple[str, ...] = ()
    elemental_mg: float | None = None
    elemental_per: str = ""
    note: str = ""


class BrandNames(_Row, frozen=True):
    """Names of drugs in addition to those of their ingredients."""

    version: str
    status: str
    sources: tuple[str, ...]
    names: tuple[BrandName, ...]


class DosageWord(_Row, frozen=True, gc=False):
    """Words of a dosage text for a frequency: `frequency` times in `period` `period_unit`s.

    Words of the groups "once", "as_needed" and "meal" have no frequency. `when` is the meal's code.
    """

    text: str
    lang: str
    group: str
    sources: tuple[int, ...]
    frequency: int | None = None
    period: int | None = None
    period_unit: str = ""
    times_per_day: Decimal | None = None
    when: str = ""


class DosagePattern(_Row, frozen=True):
    """A pattern of the source. `meaning` describes how to read it."""

    name: str
    regex: str
    meaning: str


class DosageWords(_Row, frozen=True):
    """Words of dosage texts, the groups in the order in which they are to be tried."""

    version: str
    status: str
    sources: tuple[str, ...]
    order: tuple[str, ...]
    ambiguous: dict[str, str]
    patterns: tuple[DosagePattern, ...]
    words: tuple[DosageWord, ...]


class OverrideReason(_Row, frozen=True):
    """A reason for a clinician not to follow a card."""

    system: str
    code: str
    display: str


class Citation(_Row, frozen=True):
    """A reference, and the statements in it that were checked."""

    id: str
    title: str
    citation: str
    checked: str
    version: str
    status: str
    doi: str = ""
    pmid: str = ""
    pmcid: str = ""
    url: str = ""
    erratum: str = ""


class Paragraph(_Row, frozen=True):
    """A paragraph of the clinical specification that a row cites, in our own words.

    `id` is written as in a source ("12.4 M-1"), and `section` is a key of the sections. `read` is
    the hash of the passage of the specification (or of a decision of the project) that it renders.
    """

    id: str
    section: str
    title: str
    text: tuple[str, ...]
    read: str


class Specification(_Row, frozen=True):
    """The cited paragraphs of the specification, by section. `sections` are titles by number."""

    version: str
    status: str
    sections: dict[str, str]
    paragraphs: tuple[Paragraph, ...]


class EvidenceLine(_Row, frozen=True):
    """A statement about benefit. `text` is for the evidence page, `card` for suggestion cards.

    A line without `card` is only on the evidence page.
    """

    id: str
    text: str
    references: tuple[str, ...]
    source: str
    version: str
    status: str
    card: str = ""


class KidneyRow(_Row, frozen=True, rename={"kidney_class": "class"}):
    """A row of the kidney table. The first row whose findings are all present decides.

    `basis` is "diagnosis" or "none" if the class does not rest on a result. `reason` is how the
    finding is named: by its eGFR, its stage, as dialysis or as acute kidney injury.
    """

    id: str
    when: tuple[str, ...]
    kidney_class: str
    title: str
    source: str
    unless: tuple[str, ...] = ()
    basis: str = "none"
    reason: Literal["", "egfr", "stage", "dialysis", "aki"] = ""


class KidneyFlag(_Row, frozen=True):
    """A flag of the kidney class, in these rows of the kidney table (none given: in all)."""

    flag: str
    source: str
    rows: tuple[str, ...] = ()
    when: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()


class RiskRow(_Row, frozen=True):
    """A risk factor for magnesium deficiency."""

    id: str
    label: str
    kind: str
    extension: bool
    source: str
    valueset: str = ""
    exclude: str = ""
    labels: dict[str, str] = {}


class WastingRow(_Row, frozen=True, rename={"drug_class": "class"}):
    """A class of magnesium-wasting drugs: how long after authoredOn, by which routes."""

    drug_class: str
    window: str
    routes: tuple[str, ...]
    source: str
    ingredients: tuple[str, ...] = ()


class SuggestRow(_Row, frozen=True):
    """The card for a trigger, by kidney class. "" means no card.

    `silent_if_stopped` are the cards that are not shown if a magnesium supplement was stopped
    recently (SPEC 12.4 M-15).
    """

    hook: str
    trigger: str
    needs_indication: bool
    low_severe: str
    cards: dict[str, str]
    source: str
    silent_if_stopped: tuple[str, ...] = ()


class PlanRow(_Row, frozen=True, rename={"kidney_class": "class"}):
    """The dose plan by kidney class and age band, or "" for none."""

    kidney_class: str
    age: str
    plan: str


class SafetyRow(_Row, frozen=True):
    """A check of a magnesium order: its products, severity and offers.

    A card may have several rows. The first one decides whose `subtypes` contain the product and
    whose `grade` the check has found ("" always matches). `indicator` replaces that of the card.
    The card is not shown next to one of `silent_beside` for the same order.
    """

    card: str
    subtypes: tuple[str, ...]
    offers: tuple[str, ...]
    source: str
    grade: str = ""
    indicator: str = ""
    silent_beside: tuple[str, ...] = ()


class UncheckedRow(_Row, frozen=True):
    """The card for an order without any other card if data were not available.

    `critical_keys` are the prefetch keys that the checks of antacids and laxatives need.
    """

    card: str
    critical_keys: tuple[str, ...]
    source: str


class HazardRow(_Row, frozen=True):
    """A check of current magnesium: its severity, and the tests it offers.

    `grade`, `indicator` and `silent_beside` are as in a check of an order. After a card that
    `stops`, even a dangerously low magnesium is not considered.
    """

    card: str
    source: str
    grade: str = ""
    indicator: str = ""
    labs: tuple[str, ...] = ()
    stops: bool = False
    silent_beside: tuple[str, ...] = ()


class CautionRow(_Row, frozen=True):
    """The line of a caution. `title` names it on the evidence page.

    `place` is the section of the card with the line: "check" unless it says otherwise. "do" is a
    place on suggestions only, "finding" on cards about an order or about current magnesium only; on
    the others such a line is under "check". "facts" has no line, because the facts show it already.
    `names_finding`: the line names its finding, so that the facts do not repeat it.
    """

    id: str
    title: str
    text: str
    source: str
    place: Literal["check", "do", "finding", "kidney", "apart", "facts"] = "check"
    names_finding: bool = False


class Registry(_Row, frozen=True):
    """The cards, and the tables with their conditions (`data/cards.json`)."""

    cards: tuple[Card, ...]
    suggest: tuple[SuggestRow, ...]
    order_safety: tuple[SafetyRow, ...]
    unchecked: UncheckedRow
    hazards: tuple[HazardRow, ...]


class PolicyTables(_Row, frozen=True, kw_only=True):
    """The tables of `data/policy.json`. `anti_egfr` are antibodies against EGFR."""

    version: str
    status: str
    kidney: tuple[KidneyRow, ...]
    risk_factors: tuple[RiskRow, ...]
    wasting_drugs: tuple[WastingRow, ...]
    plans: tuple[PlanRow, ...]
    perimenstrual_plan: str
    cautions: tuple[CautionRow, ...]
    anti_egfr: tuple[str, ...] = ()
    kidney_flags: tuple[KidneyFlag, ...] = ()


class Policy(PolicyTables, frozen=True, kw_only=True):
    """All tables that combine several findings, including those of the registry."""

    suggest: tuple[SuggestRow, ...]
    order_safety: tuple[SafetyRow, ...]
    unchecked: UncheckedRow
    hazards: tuple[HazardRow, ...]

    @classmethod
    def of(cls, tables: PolicyTables, registry: Registry) -> Policy:
        """The tables of both files."""
        named = ("suggest", "order_safety", "unchecked", "hazards")
        rows = {name: getattr(registry, name) for name in named}
        return cls(**msgspec.structs.asdict(tables), **rows)

    def plan_for(self, kidney_class: str, age_band: str) -> str:
        """The dose plan of a kidney class and age band ("adult", "elderly"), or "" for none."""
        return next(
            r.plan for r in self.plans if r.kidney_class == kidney_class and r.age == age_band
        )


class LabOrder(_Row, frozen=True):
    """A laboratory test that a card can offer."""

    id: str
    system: str
    code: str
    display: str
    source: str


class Alternative(_Row, frozen=True):
    """Another product that a pharmacy may choose."""

    rxcui: str
    display: str
    use: str = ""


class Plans(_Row, frozen=True):
    """Dose plans, the product they order, and the tests that cards can offer."""

    version: str
    status: str
    product: Coded
    route: Coded
    plans: tuple[Plan, ...]
    labs: tuple[LabOrder, ...]
    alternatives: tuple[Alternative, ...]


class PlanFile(_Row, frozen=True):
    """`data/plans.json`. `times` are the words for each number of doses a day.

    A step is written with {amount}, and a note with {choice}.
    """

    version: str
    status: str
    product: Coded
    route: Coded
    times: dict[str, str]
    amounts: AmountWords
    choices: ChoiceWords
    plans: tuple[PlanSource, ...]
    labs: tuple[LabOrder, ...]
    alternatives: tuple[Alternative, ...]


class Interactions(_Row, frozen=True):
    """Spacing advice by drug class.

    A product neutralises acid if one of its salts is a neutralising one or its name contains one of
    the neutralising words.
    """

    version: str
    status: str
    neutralising_salts: tuple[str, ...]
    neutralising_words: tuple[str, ...]
    interactions: tuple[Interaction, ...]


class OverrideReasons(_Row, frozen=True):
    """Override reasons by kind of card."""

    version: str
    status: str
    source: str
    suggestion_cards: tuple[OverrideReason, ...]
    safety_cards: tuple[OverrideReason, ...]
    local_extra: tuple[OverrideReason, ...]


class SourceAttribute(_Row, frozen=True):
    """One source attribute: information that users of decision support must receive."""

    id: str
    title: str
    text: str


class SourceAttributes(_Row, frozen=True):
    """The source attributes: authors, intended use, data, and limits of the service."""

    version: str
    status: str
    released: str
    revised: str
    requirement: str
    attributes: tuple[SourceAttribute, ...]
    does_not: tuple[str, ...]
