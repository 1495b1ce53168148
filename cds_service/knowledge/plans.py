"""Dose plans, worked out from the parameters: `data/plans.json` names them and repeats no number.

A plan that contradicts the parameters (a dose above a limit, a dose that no whole number of units
makes) stops the start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec

from cds_service.knowledge.model import (
    Plan,
    PlanFile,
    Plans,
    PlanSource,
    PlanStep,
    SiteProduct,
    StepSource,
)
from cds_service.knowledge.parameters import MAXIMUM, Parameters, Value

_PLACE = re.compile(r"\{(\w+)\}", re.ASCII)
_DAYS_A_WEEK = 7
Values = Mapping[str, Value]


def plans_from(
    file: PlanFile, values: Values, products: Sequence[SiteProduct] = (), *, cut: bool = False
) -> Plans:
    """The plans with the numbers of the parameters.

    A plan orders the first of the `products` that makes all its doses in whole units. With `cut`,
    the steps above `dose.max_mg` are dropped (for a site with a lower maximum).

    Raises `ValueError` with what is wrong where a plan cannot be worked out.
    """
    return Plans(
        **{
            name: getattr(file, name)
            for name in ("version", "status", "product", "route", "labs", "alternatives")
        },
        plans=tuple(
            _plan(_cut(source, values, file) if cut else source, values, file, products)
            for source in file.plans
        ),
    )


def _cut(source: PlanSource, values: Values, file: PlanFile) -> PlanSource:
    """A plan without the steps above the maximum. Raises `ValueError` if none is left."""
    limit = Decimal(values[MAXIMUM])
    steps = [_step(step, source, values, file) for step in source.steps]
    kept = [n for n in _sequences(steps) if total_of(steps, n) <= limit]
    if kept == _sequences(steps):
        return source
    first = [step for step in source.steps if step.sequence in kept]
    if not kept or source.alone is None or len(kept) > 1 or len(first) > 1:
        raise ValueError(f"plan {source.id}: no step is left below {MAXIMUM} ({limit:f} mg)")
    alone = msgspec.structs.replace(first[0], text=source.alone.text, duration_days="")
    return msgspec.structs.replace(source, steps=(alone,), in_words=source.alone.in_words)


def _plan(
    source: PlanSource, values: Values, file: PlanFile, products: Sequence[SiteProduct]
) -> Plan:
    where = f"plan {source.id}"
    unit = _number(source.unit_mg, values, where)
    steps = [_step(step, source, values, file) for step in source.steps]
    product = next((p for p in products if _makes(p, steps)), None)
    if product is not None:
        steps = [_step(step, source, values, file, product) for step in source.steps]
    for step in steps:
        if step.dose_mg % unit:
            raise ValueError(f"{where}: {step.dose_mg} mg are no whole number of {unit} mg units")
    totals = [total_of(steps, sequence) for sequence in _sequences(steps)]
    if totals != sorted(totals):
        raise ValueError(f"{where}: a later step has a lower dose")
    supply = _number(source.supply_days, values, where)
    first = steps[0].duration_days
    if first is not None and (first > supply or (len(totals) > 1 and first == supply)):
        raise ValueError(f"{where}: the first step lasts longer than the supply of {supply} days")
    said = {"choice": _choice(file, unit, product)}
    for place, step in enumerate(steps, start=1):
        said |= {f"{name}_{place}": text for name, text in _said(step, file, product).items()}
    courses = _number(source.courses, values, where) if source.courses else 1
    return Plan(
        id=source.id,
        title=source.title,
        steps=tuple(
            msgspec.structs.replace(step, max_mg_per_day=total_of(steps, step.sequence))
            for step in steps
        ),
        target_mg_per_day=totals[-1],
        max_mg_per_day=max(totals),
        supply_days=supply,
        note=_filled(source.note, said, where),
        note_specific=_filled(source.note_specific, said, where),
        source=source.source,
        version=source.version,
        status=source.status,
        in_words=_filled(source.in_words, said, where),
        unit_mg=unit,
        repeats=courses - 1,
        repeat_after_days=source.repeat_after_days,
        product=product,
    )


def _makes(product: SiteProduct, steps: Sequence[PlanStep]) -> bool:
    """Whether whole units of a product make every dose."""
    return not any(step.dose_mg % product.elemental_mg for step in steps)


def _choice(file: PlanFile, unit: int, product: SiteProduct | None) -> str:
    if product is None:
        return _filled(file.choices.open, {"unit": str(unit)}, "choices")
    said = {"unit": f"{product.elemental_mg:f}", "form": product.form}
    return _filled(file.choices.product, said, "choices")


def _step(
    step: StepSource,
    plan: PlanSource,
    values: Values,
    file: PlanFile,
    product: SiteProduct | None = None,
) -> PlanStep:
    where = f"plan {plan.id}"
    frequency = step.frequency
    often = frequency if isinstance(frequency, int) else _number(frequency, values, where)
    done = PlanStep(
        sequence=step.sequence,
        text="",
        dose_mg=_dose(step, plan, often, values),
        frequency=often,
        period=step.period,
        period_unit=step.period_unit,
        max_mg_per_day=0,
        duration_days=_number(step.duration_days, values, where) if step.duration_days else None,
        when=step.when,
    )
    said = _said(done, file, product)
    return msgspec.structs.replace(
        done, text=_filled(step.text, said, where), timing=_filled(step.timing, said, where)
    )


def _dose(step: StepSource, plan: PlanSource, often: int, values: Values) -> int:
    """A dose is a parameter, a share of a daily amount, or the rest of one."""
    where = f"plan {plan.id}"
    if [step.dose_mg, step.daily_mg, step.rest_of_mg].count("") != 2:
        raise ValueError(f"{where}: a step names one of dose_mg, daily_mg and rest_of_mg")
    if step.dose_mg:
        return _number(step.dose_mg, values, where)
    if step.daily_mg:
        return _whole(Decimal(_number(step.daily_mg, values, where)) / often, where)
    others = [s for s in plan.steps if s.sequence == step.sequence and s.dose_mg]
    taken = sum(_number(s.dose_mg, values, where) for s in others)
    left = _number(step.rest_of_mg, values, where) - taken
    if left <= 0:
        raise ValueError(f"{where}: nothing is left of {step.rest_of_mg} for a step")
    return left


def _number(parameter: str, values: Values, where: str) -> int:
    if parameter not in values:
        raise ValueError(f"{where}: there is no parameter {parameter}")
    return _whole(Decimal(values[parameter]), where)


def _whole(number: Decimal, where: str) -> int:
    if number != int(number) or number <= 0:
        raise ValueError(f"{where}: {number:f} is not a whole number above 0")
    return int(number)


def _said(step: PlanStep, file: PlanFile, product: SiteProduct | None) -> dict[str, str]:
    return {
        "dose": str(step.dose_mg),
        "days": str(step.duration_days or ""),
        "times": file.times.get(str(step.frequency), ""),
        "amount": _amount(step, file, product),
    }


def _amount(step: PlanStep, file: PlanFile, product: SiteProduct | None) -> str:
    """The amount of a dose: "200 mg ...", or "2 capsules of 100 mg ..."."""
    if product is None:
        return _filled(file.amounts.mass, {"dose": str(step.dose_mg)}, "amounts")
    count = int(step.dose_mg / product.elemental_mg)
    units = product.form if count == 1 else file.amounts.forms[product.form]
    said = {"count": str(count), "units": units, "unit": f"{product.elemental_mg:f}"}
    return _filled(file.amounts.units, said, "amounts")


def _filled(text: str, said: Mapping[str, str], where: str) -> str:
    for place in _PLACE.findall(text):
        if not said.get(place):
            raise ValueError(f"{where}: nothing fills {{{place}}}")
    return _PLACE.sub(lambda place: said[place[1]], text)


def _sequences(steps: list[PlanStep]) -> list[int]:
    return sorted({step.sequence for step in steps})


def total_of(steps: list[PlanStep] | tuple[PlanStep, ...], sequence: int) -> int:
    """The daily amount of a step: instructions with one sequence are taken together."""
    parts = (s for s in steps if s.sequence == sequence)
    return sum(s.dose_mg * s.frequency // s.period for s in parts)


def contradictions(
    plans: Plans, choice: Mapping[str, frozenset[str]], parameters: Parameters
) -> Iterator[str]:
    """Contradictions between a plan and the parameters. `choice` are its cases ("MODERATE", ...)."""
    dose = parameters.dose
    limits = {
        "NORMAL": (dose.max_mg, "dose.max_mg"),
        "elderly": (dose.elderly_target_mg, "dose.elderly_target_mg"),
        "MODERATE": (dose.moderate_ckd_max_mg, "dose.moderate_ckd_max_mg"),
        "UNKNOWN": (dose.moderate_ckd_max_mg, "dose.moderate_ckd_max_mg"),
    }
    for plan in plans.plans:
        for case in sorted(choice.get(plan.id, frozenset({"NORMAL"}))):
            limit, name = limits.get(case, (dose.max_mg, "dose.max_mg"))
            if plan.max_mg_per_day > limit:
                yield f"plan {plan.id}: {plan.max_mg_per_day} mg/day are above {name} ({limit} mg/day)"
    trial = parameters.trial.weeks * _DAYS_A_WEEK
    if parameters.supply.days != trial:
        yield f"supply.days ({parameters.supply.days}) is not the trial of {trial} days"
    for plan in plans.plans:
        length = (plan.repeats + 1) * (plan.repeat_after_days or plan.supply_days)
        if plan.repeats and length != trial:
            yield f"plan {plan.id}: its courses take {length} days, and the trial {trial} days"
