"""Draft orders that a card can create, and the order with a changed dose.

The draft orders of a knowledge version are built once with placeholders and validated by the R4B
models of fhir.resources (there is no R4 package, and R4B reads the R4 resources used here).
Validating one takes 0.8 ms and importing the models 0.3 s, so neither happens in each call. A call
fills in references, a date and a text, which are checked then.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from cards import narrative as narratives
from cards.context import CardContext
from cards.markdown import plain
from cards.phrases import Phrases, non_empty
from cards.spacing import interactions
from cards.values import plain_number
from cds_service.knowledge.drugs import RXNORM
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.model import Coded, LabOrder, Plan, PlanStep
from cds_service.reasoning.decision import CardDecision, OrderRef

Resource = dict[str, Any]

_UCUM = "http://unitsofmeasure.org"
_REFERENCE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}", re.ASCII)
_REQUESTER = re.compile(r"Practitioner(Role)?/[A-Za-z0-9\-.]{1,64}", re.ASCII)
_FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
_PLACEHOLDER: Resource = {
    "subject": {"reference": "Patient/1"},
    "authoredOn": "2026-01-01",
    "requester": {"reference": "Practitioner/1"},
    "encounter": {"reference": "Encounter/1"},
    "reasonReference": [{"reference": "Condition/1"}],
    "reasonCode": [{"text": "reason"}],
}
_KEPT_OF_DOSAGE = (
    *("additionalInstruction", "asNeededBoolean", "asNeededCodeableConcept"),
    *("site", "route", "method"),
)
_KEPT_OF_REPEAT = ("boundsDuration", "boundsRange", "boundsPeriod")


# ------------------------------------------------------------- public functions


def medication_draft(
    plan: Plan, card: CardDecision, call: CardContext, knowledge: Knowledge
) -> Resource:
    """The draft order of a dose plan, with the patient's instructions for each step."""
    phrases = Phrases(knowledge)
    draft = _decoded(_template_of(plan, knowledge))
    instruction = patient_instruction(card, phrases)
    for first in _first_of_each_step(draft["dosageInstruction"]):
        first["patientInstruction"] = instruction
    narrative = {"text": narratives.of_medication(draft, phrases)}
    return draft | narrative | _of_this_call(card, call, phrases)


def lab_draft(
    lab: LabOrder,
    card: CardDecision,
    call: CardContext,
    knowledge: Knowledge,
    due_weeks: tuple[int, int] | None = None,
) -> Resource:
    """The draft order of a laboratory test; `due_weeks` is the window in which to do it."""
    phrases = Phrases(knowledge)
    draft = _decoded(_lab_template(lab, phrases.label("lab", lab.id)))
    if due_weeks is not None:
        start, end = (call.now.date() + timedelta(weeks=weeks) for weeks in due_weeks)
        draft["occurrencePeriod"] = {"start": start.isoformat(), "end": end.isoformat()}
    narrative = {"text": narratives.of_test(draft, phrases)}
    return draft | narrative | _of_this_call(card, call, phrases)


def patient_instruction(card: CardDecision, phrases: Phrases) -> str:
    """The instructions for the patient, with the patient's own drugs that must be kept apart."""
    apart = [
        phrases.fill("patient.apart.drug", drug=plain(drug), advice=plain(advice))
        for drug, advice in interactions(card.cautions)
    ]
    named = phrases.fill("patient.apart", drugs="; ".join(apart))
    return " ".join(non_empty([phrases["patient.take"], phrases["patient.stop"], named]))


def with_daily_dose(
    order: OrderRef,
    daily_mg: Decimal,
    knowledge: Knowledge,
    salt: tuple[str, str] | None = None,
) -> Resource:
    """The whole order as the client sent it, with only the dose changed (SPEC 3.3), and with it the
    narrative.

    If the strength of the product does not fit the dose, it is replaced by its `salt` (RxCUI and
    name). If the client named the order only by its full URL, it gets an id for the update.
    """
    changed = copy.deepcopy(order.resource)
    changed.setdefault("id", order.reference.rpartition("/")[2])
    phrases = Phrases(knowledge)
    name = order.label or phrases["order.unnamed"]
    if salt is not None:
        name = _order_salt(changed, *salt, phrases)
    changed["dosageInstruction"] = [
        _once_daily(changed.get("dosageInstruction"), daily_mg, knowledge)
    ]
    changed["text"] = narratives.of_changed_dose(changed, name, phrases)
    return changed


def _order_salt(order: Resource, code: str, name: str, phrases: Phrases) -> str:
    """Leave the product open, and with it how many units to supply: those were the product's.

    Returns the new name of the order.
    """
    referred = order.pop("medicationReference", None)
    coding = {"system": RXNORM, "code": code, "display": name}
    text = phrases.fill("update.salt", salt=name[:1].upper() + name[1:])
    order["medicationCodeableConcept"] = {"coding": [coding], "text": text}
    inside = referred.get("reference") if isinstance(referred, dict) else None
    if isinstance(inside, str) and isinstance(order.get("contained"), list):
        _put(order, "contained", [c for c in order["contained"] if not _is(c, inside)])
    supply = order.get("dispenseRequest")
    if isinstance(supply, dict):
        kept = {k: v for k, v in supply.items() if k not in ("quantity", "initialFill")}
        _put(order, "dispenseRequest", kept)
    return text


def _is(contained: Any, reference: str) -> bool:
    return isinstance(contained, dict) and reference == f"#{contained.get('id')}"


def _put(order: Resource, name: str, value: Any) -> None:
    """FHIR does not allow empty elements."""
    order[name] = value
    if not value:
        del order[name]


def check_all(knowledge: Knowledge) -> None:
    """Build and validate every draft order. Raises the errors of the models."""
    plans, phrases = knowledge.plans, Phrases(knowledge)
    for plan in plans.plans:
        _template_of(plan, knowledge)
    for lab in plans.labs:
        _lab_template(lab, phrases.label("lab", lab.id))


# ---------------------------------------------------------------- the call


def _of_this_call(card: CardDecision, call: CardContext, phrases: Phrases) -> Resource:
    filled: Resource = {
        "subject": {"reference": f"Patient/{call.patient_id}"},
        "authoredOn": call.authored_on,
    }
    if _REQUESTER.fullmatch(call.user_id):
        filled["requester"] = {"reference": call.user_id}
    if call.encounter_id is not None and _FHIR_ID.fullmatch(call.encounter_id):
        filled["encounter"] = {"reference": f"Encounter/{call.encounter_id}"}
    if _REFERENCE.fullmatch(card.reason_reference):
        filled["reasonReference"] = [{"reference": card.reason_reference}]
    else:
        reason = "reason.safety" if card.safety else "reason.prevention"
        filled["reasonCode"] = [{"text": phrases[reason]}]
    return filled


# ------------------------------------------------------------- the templates


class _Unit(msgspec.Struct, frozen=True):
    """One unit in which a plan is supplied. `mg` is elemental magnesium.

    `dose` are the words and the code for doses in this unit, "" if doses are in mg.
    """

    mg: Decimal
    supply: str
    dose: str = ""
    code: str = ""


def _template_of(plan: Plan, knowledge: Knowledge) -> bytes:
    """The draft of a plan: of the site's product if there is one, otherwise of the salt."""
    phrases, plans, product = Phrases(knowledge), knowledge.plans, plan.product
    if product is None:
        mg = Decimal(plan.unit_mg)
        unit = _Unit(mg, phrases.fill("supply.unit", mg=str(plan.unit_mg)))
        return _medication_template(plan, plans.product, plans.route, unit)
    words = phrases.label("unit", product.form)
    unit = _Unit(product.elemental_mg, words, words, f"{{{product.form}}}")
    text = phrases.fill(
        "product.text", name=product.code.display, mg=plain_number(product.elemental_mg)
    )
    named = msgspec.structs.replace(product.code, text=text)
    return _medication_template(plan, named, plans.route, unit)


@lru_cache(maxsize=64)
def _medication_template(plan: Plan, product: Coded, route: Coded, unit: _Unit) -> bytes:
    note = " ".join(non_empty([plan.note, plan.note_specific]))
    return _valid_template(
        {
            "resourceType": "MedicationRequest",
            "status": "draft",
            "intent": "proposal",
            "medicationCodeableConcept": {"coding": [_coding(product)], "text": product.text},
            "dosageInstruction": [_instruction(step, route, unit) for step in plan.steps],
            "note": [{"text": note}],
            "dispenseRequest": _supply(plan, unit),
            "substitution": {"allowedBoolean": True},
        }
    )


def _supply(plan: Plan, unit: _Unit) -> Resource:
    """The supply of each step: the first one as the first fill, the rest as the next one."""
    by_step: dict[int, list[PlanStep]] = {}
    for step in plan.steps:
        by_step.setdefault(step.sequence, []).append(step)
    first, *rest = by_step.values()
    supply: Resource = {"numberOfRepeatsAllowed": plan.repeats}
    if plan.repeat_after_days is not None:
        supply["dispenseInterval"] = _days(plan.repeat_after_days)
    days = first[0].duration_days or plan.supply_days
    if rest:
        supply["initialFill"] = {
            "quantity": _units(first, days, unit),
            "duration": _days(days),
        }
        (first,) = rest
        days = plan.supply_days - days
    return supply | {
        "quantity": _units(first, days, unit),
        "expectedSupplyDuration": _days(days),
    }


def _units(step: list[PlanStep], days: int, unit: _Unit) -> Resource:
    daily = sum(part.dose_mg * part.frequency for part in step)
    value = int(daily * days / unit.mg)
    return (
        _quantity(value, unit.supply, unit.code)
        if unit.code
        else {"value": value, "unit": unit.supply}
    )


def _first_of_each_step(instructions: list[Resource]) -> Iterator[Resource]:
    """Instructions with one sequence are taken together, so the first has the text for all."""
    seen: set[int] = set()
    for instruction in instructions:
        if instruction["sequence"] not in seen:
            seen.add(instruction["sequence"])
            yield instruction


@lru_cache(maxsize=64)
def _lab_template(lab: LabOrder, name: str) -> bytes:
    coding = {"system": lab.system, "code": lab.code, "display": lab.display}
    return _valid_template(
        {
            "resourceType": "ServiceRequest",
            "status": "draft",
            "intent": "proposal",
            "code": {"coding": [coding], "text": name},
        }
    )


def _valid_template(resource: Resource) -> bytes:
    """As JSON, so that each card gets a copy of its own."""
    from fhir.resources.R4B import get_fhir_model_class

    get_fhir_model_class(resource["resourceType"]).model_validate(resource | _PLACEHOLDER)
    return msgspec.json.encode(resource)


def _decoded(template: bytes) -> Resource:
    resource: Resource = msgspec.json.decode(template)
    return resource


def _instruction(step: PlanStep, route: Coded, unit: _Unit) -> Resource:
    return {
        "sequence": step.sequence,
        "text": step.text,
        "timing": _timing(step),
        "route": {"coding": [_coding(route)]},
        **_dose_of(step, unit),
    }


def _dose_of(step: PlanStep, unit: _Unit) -> Resource:
    """The dose in mg, or in units of the product."""
    if not unit.code:
        return _dose(step.dose_mg, step.max_mg_per_day)
    single, daily = (int(mg / unit.mg) for mg in (step.dose_mg, step.max_mg_per_day))
    return _dose(single, daily, unit.dose, unit.code)


def _timing(step: PlanStep) -> Resource:
    """Frequency and duration. A course within the cycle has its timing in words."""
    repeat: Resource = {}
    if step.duration_days is not None:
        repeat["boundsDuration"] = _days(step.duration_days)
    if step.timing:
        return {"repeat": repeat, "code": {"text": step.timing}}
    repeat |= {
        "frequency": step.frequency,
        "period": step.period,
        "periodUnit": step.period_unit,
    }
    if step.when:
        repeat["when"] = list(step.when)
    return {"repeat": repeat}


def _once_daily(sent: Any, daily_mg: Decimal, knowledge: Knowledge) -> Resource:
    """One instruction for the dose. The client's own elements that are not about the dose are kept."""
    steps = [step for step in sent if isinstance(step, dict)] if isinstance(sent, list) else []
    kept = steps[0] if len(steps) == 1 else _shared(steps)
    return {
        **{name: kept[name] for name in _KEPT_OF_DOSAGE if name in kept},
        "text": Phrases(knowledge).fill("dose.update", dose=str(_number(daily_mg))),
        "timing": {"repeat": {**_bounds(kept), "frequency": 1, "period": 1, "periodUnit": "d"}},
        **_dose(_number(daily_mg), _number(daily_mg)),
    }


def _shared(steps: Iterable[Resource]) -> Resource:
    """The elements that several instructions share and that are still valid for one: the route."""
    routes = [step.get("route") for step in steps]
    same = bool(routes) and routes[0] is not None and all(r == routes[0] for r in routes)
    return {"route": routes[0]} if same else {}


def _bounds(step: Resource) -> Resource:
    timing = step.get("timing")
    repeat = timing.get("repeat") if isinstance(timing, dict) else None
    if not isinstance(repeat, dict):
        return {}
    return {name: repeat[name] for name in _KEPT_OF_REPEAT if name in repeat}


def _dose(single: float, daily: float, unit: str = "mg", code: str = "mg") -> Resource:
    return {
        "doseAndRate": [{"doseQuantity": _quantity(single, unit, code)}],
        "maxDosePerPeriod": {
            "numerator": _quantity(daily, unit, code),
            "denominator": _quantity(1, "d", "d"),
        },
    }


def _number(number: Decimal) -> float:
    """A whole number without decimals, so that JSON contains 200 and not 200.0."""
    return int(number) if number == int(number) else float(number)


def _days(days: int) -> Resource:
    return _quantity(days, "days", "d")


def _quantity(value: float, unit: str, code: str) -> Resource:
    return {"value": value, "unit": unit, "system": _UCUM, "code": code}


def _coding(coded: Coded) -> Resource:
    return {"system": coded.system, "code": coded.code, "display": coded.display}
