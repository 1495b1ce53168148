"""The detail of a card, as plain Markdown that can be read at a glance (SPEC 12.5 S-8).

A card that suggests magnesium contains the advice, checks before the first dose, unknown data,
drugs to keep apart, advice for the patient, kidney function, reasons and evidence, in at most
`cards.detail_max` characters. All other cards contain the finding, the advice, kidney function and
unknown data. Text from the chart is escaped when it is inserted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from cards.kidney import kidney_line
from cards.markdown import bullets, escape
from cards.naming import (
    DATE_LENGTH,
    day,
    evidence_text,
    fact_label,
    fact_lines,
    names_itself,
    shown_evidence,
)
from cards.phrases import Phrases, capital, filled, filled_lines, non_empty
from cards.spacing import APART, interactions
from cards.summary import is_urgent
from cards.values import known_values
from cards.variants import variant
from cds_service.chart.evidence import Evidence, Fact
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.model import CautionRow, Plan
from cds_service.reasoning.decision import (
    CardDecision,
    Caution,
    KidneyClass,
    MagnesiumState,
    OfferKind,
)

_REDUCED: Final = frozenset({KidneyClass.MODERATE, KidneyClass.SEVERE})
_KIDNEY: Final = "kidney"
_DATES: Final = frozenset({"since", "date"})
_NOT_FACTS_OF_THEIR_OWN: Final = frozenset({"interacting_drug", "renal_risk"})
"""Facts that another section names one by one with their meaning."""
_CUT: Final = ("evidence", "patient", "why")
"""Sections that are removed, in this order, if a detail is too long. The others are never removed."""


class _Section(NamedTuple):
    name: str
    lines: list[str]


def detail(card: CardDecision, knowledge: Knowledge) -> str:
    """The whole detail."""
    return _Detail(card, knowledge).text()


def is_suggestion(card: CardDecision, knowledge: Knowledge) -> bool:
    """Whether the card is one of those that can offer a dose plan."""
    return knowledge.cards[card.card].kind == "suggestion"


def offered_plans(card: CardDecision, knowledge: Knowledge) -> list[Plan]:
    """The dose plans that the card offers, in its order."""
    by_id = {plan.id: plan for plan in knowledge.plans.plans}
    return [by_id[offer.plan] for offer in card.offers if offer.kind is OfferKind.PLAN]


@lru_cache(maxsize=8)
def _caution_rows(knowledge: Knowledge) -> Mapping[str, CautionRow]:
    return {row.id: row for row in knowledge.policy.cautions}


class _Detail:
    """The sections of one card."""

    def __init__(self, card: CardDecision, knowledge: Knowledge) -> None:
        self._card = card
        self._knowledge = knowledge
        self._phrases = Phrases(knowledge)
        self._plans = offered_plans(card, knowledge)
        self._values = known_values(card, knowledge)
        self._suggests = is_suggestion(card, knowledge)

    def text(self) -> str:
        if not self._suggests:
            return self._joined(self._finding_first())
        limit = self._knowledge.parameters.cards.detail_max
        sections = list(self._suggestion())
        for name in (*_CUT, ""):
            if len(text := self._joined(sections)) <= limit:
                break
            sections = [section for section in sections if section.name != name]
        return text

    def _joined(self, sections: list[_Section] | Iterator[_Section]) -> str:
        return "\n\n".join(self._shown(section) for section in sections if section.lines)

    def _shown(self, section: _Section) -> str:
        lead = self._phrases[f"lead.{section.name}"]
        lines = [capital(line) for line in section.lines]
        if len(lines) == 1:
            return f"**{lead}:** {lines[0]}"
        return f"**{lead}**\n\n{bullets(lines)}"

    # -------------------------------------------------------------- the two kinds

    def _suggestion(self) -> Iterator[_Section]:
        yield _Section("do", [*self._advice(), *self._cautions("do"), *self._doses()])
        yield _Section("check", self._checks())
        yield _Section("unknown", self._unknown())
        yield _Section("apart", self._apart_by_advice())
        patient = [self._phrases["patient.card"]] if self._plans else []
        yield _Section("patient", patient)
        yield _Section("kidney", self._kidney())
        yield _Section("why", self._why())
        yield _Section("evidence", [line.card for line in self._knowledge.evidence if line.card])

    def _finding_first(self) -> Iterator[_Section]:
        yield _Section("finding", self._finding())
        yield _Section("do", [*self._advice(), *self._apart_by_drug()])
        yield _Section("check", self._other_cautions())
        yield _Section("kidney", self._kidney())
        yield _Section("unknown", self._unknown())

    # ------------------------------------------------------------------------ do

    def _advice(self) -> list[str]:
        card, phrases = self._card, self._phrases
        entry = self._knowledge.cards[card.card]
        case = variant(card, self._knowledge)
        text = phrases.first_of(entry.text_id("do", case), entry.text_id("do"))
        if entry.reduced_kidney_text and self._kidney_class() in _REDUCED:
            text = "\n".join(non_empty([text, phrases[entry.text_id("kidney")]]))
        lines = filled_lines(text, self._values, escape)
        return [phrases["urgent"], *lines] if is_urgent(card, self._knowledge) else lines

    def _doses(self) -> Iterator[str]:
        if not self._plans:
            return
        first, *others = self._plans
        dose = self._knowledge.parameters.dose
        low = first.max_mg_per_day <= dose.moderate_ckd_max_mg
        yield self._phrases.fill(
            "plan.first.low" if low else "plan.first",
            plan=first.in_words,
            max_plan=str(first.max_mg_per_day),
        )
        for plan in others:
            alternative = self._phrases.fill("plan.other", plan=plan.in_words)
            yield ". ".join(non_empty([alternative, plan.note_specific.removesuffix(".")]))
        yield self._phrases["plan.stop"]
        if not low and self._has_risk_factor():
            yield self._phrases["plan.recheck"]
        if max(plan.max_mg_per_day for plan in self._plans) > dose.upper_level_mg:
            yield self._phrases["plan.limit"]

    def _has_risk_factor(self) -> bool:
        risk_factors = {row.id for row in self._knowledge.policy.risk_factors}
        return any(fact.present and fact.id in risk_factors for fact in self._card.because)

    # --------------------------------------------------------------- check first

    def _checks(self) -> list[str]:
        """Checks before the first dose. Empty if no dose is offered."""
        asked = [self._phrases["check.ask"]] if self._plans else []
        return [*asked, *self._tests(), *self._other_cautions()]

    def _tests(self) -> list[str]:
        """The tests next to a dose. Cards that ask for tests first have named them already."""
        if not self._plans or self._kidney_class() is not KidneyClass.NORMAL:
            return []
        phrases = self._phrases
        lines = []
        for offer in self._card.offers:
            if offer.kind is not OfferKind.LABS or not offer.labs or offer.due_weeks:
                continue
            tests = phrases.join([phrases.label("lab", lab) for lab in offer.labs])
            when = "first" if offer.recommended else "beside"
            tests = tests[:1].upper() + tests[1:]
            lines.append(phrases.fill(f"check.tests.{when}", tests=tests))
        return lines

    def _other_cautions(self) -> list[str]:
        return list(self._cautions("check", "finding" if self._suggests else "do"))

    def _cautions(self, *places: str) -> Iterator[str]:
        """The lines of the cautions with one of these places."""
        for caution in self._card.cautions:
            row = self._row_of(caution)
            if row.place in places:
                values = {
                    name: value[:DATE_LENGTH] if name in _DATES else value
                    for name, value in caution.values.items()
                }
                lines = filled_lines(row.text, values, escape)
                yield from (line.removesuffix(".") for line in lines)

    def _row_of(self, caution: Caution) -> CautionRow:
        return _caution_rows(self._knowledge)[caution.id]

    # --------------------------------------------------- unknown, apart, kidney

    def _unknown(self) -> list[str]:
        phrases = self._phrases
        items = [
            phrases.fill(
                "missing.item",
                what=escape(phrases.label("gap", gap.key)),
                why=escape(phrases.words(gap.why)),
            )
            for gap in self._card.gaps
        ]
        once = list(dict.fromkeys(items))
        whole = phrases["list.semicolon"].join(once)
        return [phrases.fill("missing.line", items=whole[:1].upper() + whole[1:])] if once else []

    def _apart_by_drug(self) -> list[str]:
        """One line for each drug, with its own advice and evidence."""
        named = {e.resource for fact in self._facts() for e in fact.evidence}
        lines = []
        for caution in self._card.cautions:
            if self._row_of(caution).place == APART:
                line = self._apart(caution.values["drug"], caution.values["advice"])
                lines.append(self._with_evidence(line, caution, named))
        if not lines and "drug" in self._values and "advice" in self._values:
            lines.append(self._apart(self._values["drug"], self._values["advice"]))
        return lines

    def _with_evidence(self, line: str, caution: Caution, named: set[str]) -> str:
        found = [
            evidence_text(e, self._phrases) for e in caution.evidence if e.resource not in named
        ]
        return f"{line} ({self._phrases['list.semicolon'].join(found)})" if found else line

    def _apart_by_advice(self) -> list[str]:
        """One line for each piece of advice, with the drugs that it is for."""
        drugs: dict[str, list[str]] = {}
        for drug, advice in interactions(self._card.cautions):
            drugs.setdefault(advice, []).append(drug)
        comma = self._phrases["list.comma"]
        return [self._apart(comma.join(named), advice) for advice, named in drugs.items()]

    def _apart(self, drug: str, advice: str) -> str:
        advice = advice.removesuffix(".")
        if advice.casefold().startswith(drug.casefold()):
            return capital(escape(advice))
        values = {"drug": drug, "advice": advice}
        (line,) = filled_lines(self._phrases["apart.drug"], values, escape)
        return line

    def _kidney_class(self) -> KidneyClass | None:
        return self._card.kidney.kidney_class if self._card.kidney is not None else None

    def _kidney(self) -> list[str]:
        """Kidney function, and the next check if a dose is offered or ordered."""
        kidney = self._card.kidney
        if kidney is None or not self._speaks_of_kidney():
            return []
        missing = frozenset(gap.key for gap in self._card.gaps)
        recheck = self._suggests and not self._plans
        again = [] if recheck else list(self._cautions("kidney"))
        return [kidney_line(kidney, missing, self._knowledge), *again]

    def _speaks_of_kidney(self) -> bool:
        """Always on a suggestion. On a safety card only if the kidney is relevant."""
        kidney = self._card.kidney
        return kidney is not None and not (
            self._card.safety and kidney.kidney_class is KidneyClass.NORMAL and not kidney.flags
        )

    # ------------------------------------------------------------- why, finding

    def _why(self) -> list[str]:
        """The facts in one line, each with its name and date."""
        said = [
            self._said_briefly(fact_id, evidence)
            for fact_id, found in shown_evidence(self._facts()).items()
            for evidence in found[:1]
        ]
        said += [line for line in [self._serum_magnesium()] if line]
        return [self._phrases["list.semicolon"].join(said)] if said else []

    def _said_briefly(self, fact_id: str, evidence: Evidence | None) -> str:
        label = fact_label(fact_id, self._knowledge, self._phrases)
        if evidence is None:
            return label
        what = evidence_text(evidence, self._phrases)
        if names_itself(evidence):
            return what
        return self._phrases.fill("evidence.line", label=label, what=what)

    def _finding(self) -> list[str]:
        return non_empty(
            [
                self._serum_magnesium(),
                self._order(),
                *fact_lines(self._facts(), self._knowledge, self._phrases),
                *self._cautions("finding"),
            ]
        )

    def _facts(self) -> list[Fact]:
        """The facts, except those that another line names with their meaning."""
        card = self._card
        said = self._said_elsewhere()
        facts = []
        for fact in card.because:
            if fact.id in _NOT_FACTS_OF_THEIR_OWN:
                continue
            if fact.id == _KIDNEY and self._speaks_of_kidney():
                continue
            kept = tuple(e for e in fact.evidence if e.resource not in said)
            if kept or not fact.evidence:
                facts.append(msgspec.structs.replace(fact, evidence=kept))
        return facts

    def _said_elsewhere(self) -> set[str]:
        """Facts that the line on serum magnesium and the cautions name with their meaning."""
        said = {
            evidence.resource
            for caution in self._card.cautions
            if self._row_of(caution).names_finding
            for evidence in caution.evidence
        }
        magnesium = self._card.magnesium
        if magnesium is not None and magnesium.evidence is not None:
            said.add(magnesium.evidence.resource)
        return said

    def _order(self) -> str:
        """The order the card is about, unless a fact names it with its evidence."""
        order = self._card.order
        if order is None or not order.label:
            return ""
        named = {e.resource for fact in self._card.because for e in fact.evidence}
        if order.reference and order.reference in named:
            return ""
        return self._phrases.fill("why.order", order=escape(order.label))

    def _serum_magnesium(self) -> str:
        magnesium = self._card.magnesium
        if magnesium is None or magnesium.evidence is None:
            return ""
        if (
            magnesium.state is MagnesiumState.NORMAL
            and self._card.safety
            and not self._speaks_of_kidney()
        ):
            return ""  # it does not bear on the order
        line = filled(
            self._phrases[f"why.magnesium.{magnesium.state}"],
            {
                "mg": escape(magnesium.text),
                "date": day(magnesium.evidence.date) or self._phrases["why.magnesium.undated"],
            },
        )
        note = escape(self._phrases.words(magnesium.evidence.note))
        return f"{line} ({note})" if line and note else line
