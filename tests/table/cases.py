"""From an abstract case to a real hook request, and from a real answer back to the abstract one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from tests.support import fhir
from tests.support.fhir import Resource
from tests.table.second_evaluator import (
    Case,
    Creatinine,
    Draft,
    Egfr,
    Magnesium,
    Taking,
)

# ------------------------------------------------------------------------------- conditions

MIGRAINE: dict[str, dict[str, Any]] = {
    "plain": {"code": "G43.009"},
    "aura": {"code": "G43.109"},
    "chronic": {"code": "G43.709"},
    "menstrual": {"code": "G43.829"},
    "menstrual-snomed": {"code": "23186000", "system": "snomed"},
    "snomed": {"code": "37796009", "system": "snomed"},
    "icd9": {"code": "346.10", "system": "icd-9-cm"},
    "recurrence": {"code": "G43.009", "clinical": "recurrence"},
    "relapse": {"code": "G43.009", "clinical": "relapse"},
    "no-status-problem-list": {"code": "G43.009", "clinical": None, "recorded_days": 2000},
    "no-status-recorded-730": {
        "code": "G43.009",
        "clinical": None,
        "category": "encounter-diagnosis",
        "recorded_days": 730,
    },
    "no-status-recorded-731": {
        "code": "G43.009",
        "clinical": None,
        "category": "encounter-diagnosis",
        "recorded_days": 731,
    },
    "no-status-no-date": {
        "code": "G43.009",
        "clinical": None,
        "category": "encounter-diagnosis",
        "recorded_days": None,
    },
    "nonqualifying": {"code": "G43.D0"},
    "cyclical-vomiting": {"code": "G43.A0"},
    "history-code": {"code": "161481007", "system": "snomed"},
    "cluster": {"code": "G44.009"},
    "refuted": {"code": "G43.009", "verification": "refuted"},
    "entered-in-error": {
        "code": "G43.009",
        "verification": "entered-in-error",
        "clinical": None,
    },
    "unconfirmed": {"code": "G43.009", "verification": "unconfirmed"},
    "provisional": {"code": "G43.009", "verification": "provisional"},
    "differential": {"code": "G43.009", "verification": "differential"},
    "resolved": {"code": "G43.009", "clinical": "resolved"},
    "inactive": {"code": "G43.009", "clinical": "inactive"},
    "remission": {"code": "G43.009", "clinical": "remission"},
    "abated": {"code": "G43.009", "clinical": None, "abated_days": 50},
    "text-only": {"text": "Migraine without aura"},
}

RISK_CONDITIONS: dict[str, dict[str, Any]] = {
    "diabetes": {"code": "E11.9"},
    "diabetes-type-1": {"code": "E10.9"},
    "diabetes-gestational": {"code": "O24.410", "recorded_days": 1095},
    "prediabetes": {"code": "R73.03"},
    "diabetes-provisional": {"code": "E11.9", "verification": "provisional"},
    "diabetes-resolved": {"code": "E11.9", "clinical": "resolved"},
    "alcohol": {"code": "F10.20"},
    "alcohol-abuse": {"code": "F10.10"},
    "alcohol-remission": {"code": "F10.21"},
    "alcohol-use-unspecified": {"code": "F10.90"},
    "heart-failure": {"code": "I50.9"},
    "cardiomyopathy": {"code": "I42.0"},
    "cad": {"code": "I25.10"},
    "af": {"code": "I48.91"},
    "mi-resolved": {"code": "I21.9", "clinical": "resolved"},
    "hypertension": {"code": "I10"},
    "hypomagnesaemia": {"code": "E83.42"},
    "crohn": {"code": "K50.90"},
    "coeliac": {"code": "K90.0"},
    "bariatric-resolved": {"code": "Z98.84", "clinical": "resolved"},
}

BLOCK_CONDITIONS: dict[str, list[dict[str, Any]]] = {
    "avblock-1": [{"code": "I44.0"}],
    "avblock-2": [{"code": "I44.1"}],
    "avblock-3": [{"code": "I44.2"}],
    "avblock-3-provisional": [{"code": "I44.2", "verification": "provisional"}],
    "avblock-3-paced": [{"code": "I44.2"}, {"code": "Z95.0"}],
    "avblock-3-refuted": [{"code": "I44.2", "verification": "refuted"}],
    "myasthenia": [{"code": "G70.00"}],
    "myasthenia-differential": [{"code": "G70.00", "verification": "differential"}],
    "myasthenia-refuted": [{"code": "G70.00", "verification": "refuted"}],
    "ileus": [{"code": "K56.7", "recorded_days": 3}],
    "ileus-resolved": [{"code": "K56.7", "recorded_days": 90, "clinical": "resolved"}],
    "hypermag-dx": [{"code": "E83.41"}],
    "pregnant": [{"code": "Z34.01", "recorded_days": 60}],
    "pregnant-300": [{"code": "Z34.01", "recorded_days": 300}],
    "pregnant-301": [{"code": "Z34.01", "recorded_days": 301}],
    "transplant": [{"code": "Z94.0", "recorded_days": 900}],
}

BLOCK_ALLERGIES: dict[str, dict[str, Any]] = {
    "allergy-ingredient": {"code": "6574"},
    "allergy-oxide": {"code": "6582"},
    "allergy-text": {"text": "Magnesium supplements"},
    "allergy-no-status": {"code": "6574", "clinical": None},
    "allergy-refuted": {"code": "6574", "verification": "refuted"},
    "allergy-entered-in-error": {
        "code": "6574",
        "verification": "entered-in-error",
        "clinical": None,
    },
    "allergy-resolved": {"code": "6574", "clinical": "resolved"},
    "allergy-esomeprazole-text": {"text": "esomeprazole magnesium"},
}

PREGNANCY_ANSWERS = {
    "pregnant-observation": ("77386006", "LA15173-0"),
    "not-pregnant-observation": ("60001007", "LA26683-5"),
}

CKD_CODES = {
    "1": "N18.1",
    "2": "N18.2",
    "3": "N18.30",
    "3a": "N18.31",
    "3b": "N18.32",
    "4": "N18.4",
    "5": "N18.5",
    "5D": "N18.6",
    "unspecified": "N18.9",
}

# ------------------------------------------------------------------------------ medications

# name: (RxNorm code, further arguments of the request)
RISK_MEDICATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "loop": ("313988", {}),
    "thiazide": ("310798", {}),
    "loop-prn": ("313988", {"prn": True}),
    "loop-injection": ("1719286", {}),
    "loop-stopped": ("313988", {"status": "stopped"}),
    "loop-730": ("313988", {"authored_days": 730}),
    "loop-731": ("313988", {"authored_days": 731}),
    "loop-731-valid": ("313988", {"authored_days": 731, "validity_end_days": -30}),
    "loop-undated": ("313988", {"authored_days": None}),
    "combo": ("198316", {}),
    "ksparing": ("313096", {}),
    "acetazolamide": ("197304", {}),
    "ppi-90": ("606726", {"authored_days": 90}),
    "ppi-89": ("606726", {"authored_days": 89}),
    "ppi-prn": ("606726", {"authored_days": 400, "prn": True}),
    "cisplatin-180": ("309311", {"authored_days": 180}),
    "cisplatin-181": ("309311", {"authored_days": 181}),
    "gentamicin-30": ("313996", {"authored_days": 30}),
    "gentamicin-31": ("313996", {"authored_days": 31}),
    "gentamicin-no-route": ("1596450", {"authored_days": 5}),
    "tobramycin-inhaled": ("348719", {"authored_days": 5}),
    "tacrolimus": ("1431980", {}),
    "tacrolimus-ointment": ("313189", {}),
    "patiromer": ("1716209", {}),
    "polystyrene": ("313072", {}),
    "sglt2": ("1545658", {}),
}

INTERACTING = {
    "ciprofloxacin": "309309",
    "doxycycline": "1650143",
    "dolutegravir": "1433873",
    "mycophenolate": "199058",
    "penicillamine": "198070",
    "eltrombopag": "825421",
    "levothyroxine": "966221",
    "alendronate": "904419",
    "gabapentin": "310431",
    "iron": "310325",
    "itraconazole": "311204",
    "nitrofurantoin": "1648759",
    "rosuvastatin": "859747",
    "digoxin": "197604",
    "ciprofloxacin-eye": "309307",
    "ciprofloxacin-injection": "1665210",
    "amlodipine": "197361",
}

TRIGGERS = {
    "loop": "313988",
    "thiazide": "197499",
    "thiazide-lisinopril": "197885",
    "loop-injection": "1719286",
    "acetazolamide": "197304",
    "ksparing": "313096",
    "combo": "198316",
    "preventive-specific": "2045636",
    "preventive-nonspecific": "199888",
    "timolol-eye": "1992303",
    "metoprolol-injection": "866508",
    "acute": "313161",
    "acute-nasal": "401978",
    "acute-injection": "1657151",
    "rimegepant": "2282313",
    "unrelated": "197361",
}

# Magnesium that is no supplement, by subtype.
MAGNESIUM_PRODUCTS = {
    "antacid": "242623",
    "laxative": "1052760",
    "laxative-antacid": "253017",
    "bowel-prep": "2626364",
    "multivitamin": "1293413",
    "salicylate": "198742",
    "parenteral": "1658244",
    "topical": "1167260",
}
GLYCINATE = "476818"  # ingredient: the dose is stated in mg elemental
OXIDE_400 = "198741"  # 241 mg elemental a tablet
OXIDE_TABLET_MG = 241
GLYCINATE_100 = "849497"  # 100 mg a tablet, which may be elemental: the safe reading

REASONS = {
    "migraine": {"code": "G43.009", "system": "icd-10-cm"},
    "other": {"code": "I10", "system": "icd-10-cm"},
}


def supplement(salt: str, elemental: float | None) -> tuple[str, Resource]:
    """Code and dosage of a scheduled supplement with that much elemental magnesium a day."""
    if salt == "oxide":
        tablets = round((elemental or OXIDE_TABLET_MG) / OXIDE_TABLET_MG)
        return OXIDE_400, fhir.dosage(1, "tablet", tablets)
    if salt == "glycinate-tablets":
        return GLYCINATE_100, fhir.dosage(1, "tablet", round((elemental or 0) / 100))
    if elemental is None:
        return GLYCINATE, fhir.dosage(None)
    return GLYCINATE, fhir.dosage(elemental, "mg", 1)


def taken(dose: Taking, number: int) -> Resource:
    if dose.subtype == "supplement":
        code, steps = supplement(dose.salt, dose.daily_mg)
    else:
        code, steps = MAGNESIUM_PRODUCTS[dose.subtype], fhir.dosage(None)
    return fhir.medication_request(
        code, dosage=steps, prn=dose.as_needed, authored_days=60, id=f"taken-{number}"
    )


def draft_order(draft: Draft, number: int) -> Resource:
    order_id = f"draft-{number}"
    reason = None if draft.reason is None else fhir.concept(**REASONS[draft.reason])
    if draft.kind == "mg" and draft.subtype == "supplement":
        code, steps = supplement(draft.salt, draft.elemental)
        return fhir.draft_order(code, dosage=steps, reason=reason, id=order_id)
    if draft.kind == "mg":
        code = MAGNESIUM_PRODUCTS[draft.subtype]
    elif draft.kind.startswith("drug:"):
        code = INTERACTING[draft.kind.removeprefix("drug:")]
    else:
        code = TRIGGERS[draft.kind]
    return fhir.draft_order(code, dosage=fhir.dosage(None), reason=reason, id=order_id)


# ------------------------------------------------------------------------------------- labs

EGFR_CODES = {1: "98979-8", 2: "62238-1", 3: "33914-3", 4: "48642-3", 5: "48643-1"}


def clock(minute: int | None) -> str:
    return f"{(minute or 0) // 60:02d}:{(minute or 0) % 60:02d}:00Z"


def egfr(result: Egfr, number: int) -> Resource:
    return fhir.observation(
        EGFR_CODES[result.preference],
        result.value,
        result.unit,
        result.days,
        status=result.status,
        comparator=result.comparator,
        time=clock(result.minute),
        id=f"egfr-{number}",
    )


def creatinine(result: Creatinine, number: int) -> Resource:
    usable = "14682-9" if result.molar else "2160-0"
    return fhir.observation(
        usable if result.use else "21232-4",
        result.value,
        result.unit,
        result.days,
        status=result.status,
        time=clock(result.minute),
        id=f"creatinine-{number}",
    )


def magnesium(result: Magnesium, number: int) -> Resource:
    serum = "2601-3" if result.molar else "19123-9"
    code = "2597-3" if result.rbc else "21377-7" if result.secondary else serum
    return fhir.observation(
        code,
        result.value,
        result.unit,
        result.days,
        status=result.status,
        reference_high=result.reference_high,
        id=f"magnesium-{number}",
    )


def pregnancy_status(name: str) -> Resource:
    snomed, loinc = PREGNANCY_ANSWERS[name]
    answer = {"coding": [fhir.coding(snomed, "snomed"), fhir.coding(loinc, "loinc")]}
    return fhir.observation(fhir.PREGNANCY_STATUS, days_ago=30, value_concept=answer, id=name)


# ------------------------------------------------------------------------------ the request


def ckd(stage: str) -> Resource:
    resolved = stage.endswith("-resolved")
    code = CKD_CODES[stage.removesuffix("-resolved")]
    return fhir.condition(code, clinical="resolved" if resolved else "active")


def aki(case: Case) -> Resource:
    if case.aki == "undated":
        return fhir.condition("N17.9", recorded_days=None)
    status = "resolved" if case.aki == "resolved" else "active"
    days = 30 if case.aki_days is None else case.aki_days
    return fhir.condition("N17.9", recorded_days=days, onset_days=days, clinical=status)


def conditions(case: Case) -> Iterable[Resource]:
    if case.migraine is not None:
        yield fhir.condition(**MIGRAINE[case.migraine], id="migraine-1")
    for name in sorted(case.rf):
        if name in RISK_CONDITIONS:
            yield fhir.condition(**RISK_CONDITIONS[name], id=f"risk-{name}")
    for name in sorted(case.blocks):
        for number, arguments in enumerate(BLOCK_CONDITIONS.get(name, [])):
            yield fhir.condition(**arguments, id=f"block-{name}-{number}")
    if case.ckd is not None:
        yield ckd(case.ckd)
    if case.aki is not None or case.aki_days is not None:
        yield aki(case)
    if case.dialysis is not None and case.dialysis.startswith("condition"):
        status = "active" if case.dialysis == "condition" else "resolved"
        yield fhir.condition("Z99.2", clinical=status)


def requests(case: Case) -> Iterable[Resource]:
    for name in sorted(case.rf):
        if name in RISK_MEDICATIONS:
            code, arguments = RISK_MEDICATIONS[name]
            yield fhir.medication_request(code, **arguments, id=f"risk-{name}")
    for name in sorted(case.drugs):
        yield fhir.medication_request(INTERACTING[name], id=f"drug-{name}")
    for number, dose in enumerate(case.taking):
        yield taken(dose, number)


PROCEDURES: dict[str, tuple[int, str]] = {
    "procedure-90": (90, "completed"),
    "procedure-91": (91, "completed"),
    "in-progress-400": (400, "in-progress"),
    "procedure-not-done": (10, "not-done"),
}


def chart(case: Case) -> dict[str, list[Resource]]:
    statements = []
    if "loop-statement" in case.rf:
        statements.append(fhir.medication_statement("313988", started_days=200))
    procedures = []
    if case.dialysis in PROCEDURES:
        days, status = PROCEDURES[case.dialysis]
        procedures.append(fhir.procedure("302497006", days, status=status))
    kidney = [egfr(result, n) for n, result in enumerate(case.egfr)]
    kidney += [creatinine(result, n) for n, result in enumerate(case.creatinine)]
    return {
        "conditions": list(conditions(case)),
        "medicationRequests": list(requests(case)),
        "medicationStatements": statements,
        "allergies": [
            fhir.allergy(**BLOCK_ALLERGIES[name], id=name)
            for name in sorted(case.blocks)
            if name in BLOCK_ALLERGIES
        ],
        "kidneyLabs": kidney,
        "magnesiumLabs": [magnesium(result, n) for n, result in enumerate(case.magnesium)],
        "pregnancyStatus": [
            pregnancy_status(name) for name in sorted(case.blocks) if name in PREGNANCY_ANSWERS
        ],
        "kidneyProcedures": procedures,
    }


def request(case: Case, birth_date: date | None = None) -> Resource:
    """The whole hook request of a case; `birth_date` replaces the one made from the age."""
    patient = fhir.patient(
        age=case.age,
        birth_date=birth_date,
        sex=case.sex,
        deceased=True if case.deceased else None,
        birthday_days_ago=case.birthday_days,
    )
    drafts = [draft_order(draft, n) for n, draft in enumerate(case.drafts)]
    selected = [
        f"MedicationRequest/draft-{n}" for n, draft in enumerate(case.drafts) if draft.selected
    ]
    body = fhir.hook_request(case.hook, chart(case), patient, drafts, selected)
    for key in case.missing:
        del body["prefetch"][key]
    return body


# ------------------------------------------------------------------------------- the answer

Shown = tuple[str, str, tuple[str, ...]]
LABS = {"2160-0", "19123-9"}
REPLACEMENT_LABS = {"2823-3", "17861-6"}
EXTENSION = "org.magnesium-migraine.decision"


def daily_dose(step: Resource) -> str:
    """Milligrams a day of one dosage step."""
    amount = float(step["doseAndRate"][0]["doseQuantity"]["value"])
    repeat = step["timing"]["repeat"]
    per_day = float(repeat.get("frequency", 1)) / float(repeat.get("period", 1))
    return f"{amount * per_day:g}"


def dose_label(order: Resource) -> str:
    steps = sorted(order["dosageInstruction"], key=lambda step: step.get("sequence", 0))
    doses = "->".join(daily_dose(step) for step in steps)
    return f"mg perimenstrual {doses}" if doses == "360" else f"mg {doses}"


def action_label(action: Resource) -> str:
    if action["type"] == "delete":
        return "delete"
    resource = action["resource"]
    if resource["resourceType"] == "ServiceRequest":
        return "lab:" + str(resource["code"]["coding"][0]["code"])
    label = dose_label(resource)
    return label.replace("mg", "update", 1) if action["type"] == "update" else label


def suggestion_label(card_id: str, suggestion: Resource) -> str:
    labels = [action_label(action) for action in suggestion.get("actions", [])]
    if labels and all(label.startswith("lab:") for label in labels):
        codes = {label.removeprefix("lab:") for label in labels}
        wanted = REPLACEMENT_LABS if card_id == "mg-low-severe" else LABS
        return "labs" if codes >= wanted else " ".join(sorted(labels))
    return " + ".join(labels)


def shown(card: Resource) -> Shown:
    card_id = str(card.get("extension", {}).get(EXTENSION, {}).get("card", "?"))
    labels = [suggestion_label(card_id, s) for s in card.get("suggestions", [])]
    return card_id, str(card.get("indicator")), tuple(labels)


def recommended(card: Resource) -> tuple[str, ...]:
    card_id = shown(card)[0]
    return tuple(
        suggestion_label(card_id, suggestion)
        for suggestion in card.get("suggestions", [])
        if suggestion.get("isRecommended") is True
    )


def kidney_of(card: Resource) -> str | None:
    kidney = card.get("extension", {}).get(EXTENSION, {}).get("kidney", {})
    found: str | None = kidney.get("class")
    return found


# ---------------------------------------------------------------------------- the vignettes

VIGNETTE_RISKS = {
    "diabetes": "diabetes",
    "diuretic": "thiazide",
    "alcohol": "alcohol",
    "heart": "cad",
    "heart-failure": "heart-failure",
    "ppi": "ppi-90",
    "wasting-drug": "tacrolimus",
}
VIGNETTE_KINDS = {"diuretic": "thiazide", "interacting": "drug:ciprofloxacin", "none": "unrelated"}
VIGNETTE_BLOCKS = {
    "avblock_high": "avblock-3",
    "nmj": "myasthenia",
    "bowel": "ileus",
    "allergy": "allergy-oxide",
    "pregnant": "pregnant",
    "transplant": "transplant",
}


def vignette_migraine(facts: dict[str, Any]) -> str | None:
    if facts.get("menstrual"):
        return "menstrual"
    return "plain" if facts.get("migraine") else None


def vignette_draft(facts: dict[str, Any]) -> Draft:
    elemental = facts.get("elemental")
    return Draft(
        kind=VIGNETTE_KINDS.get(facts["kind"], facts["kind"]),
        elemental=elemental,
        subtype=facts.get("subtype", "supplement"),
        salt="oxide" if elemental == 3 * OXIDE_TABLET_MG else "glycinate",
        reason=facts.get("reason"),
        selected=facts.get("selected", True),
    )


def vignette_egfr(row: list[Any]) -> Egfr:
    value, days, preference, status = row + [None, None, 1, "final"][len(row) :]
    return Egfr(value, days, preference=preference, status=status)


def from_vignette(facts: dict[str, Any]) -> Case:
    return Case(
        hook=facts["hook"],
        age=facts.get("age"),
        sex=facts.get("sex"),
        migraine=vignette_migraine(facts),
        rf=frozenset(VIGNETTE_RISKS[name] for name in facts.get("rf", ())),
        egfr=tuple(vignette_egfr(row) for row in facts.get("egfr", ())),
        creatinine=tuple(Creatinine(v, d, unit=u) for v, u, d in facts.get("creat", ())),
        ckd=facts.get("ckd"),
        aki_days=facts.get("aki_days"),
        dialysis="condition" if facts.get("dialysis") else None,
        magnesium=(Magnesium(facts["serum_mg"]),) if "serum_mg" in facts else (),
        blocks=frozenset(block for name, block in VIGNETTE_BLOCKS.items() if facts.get(name)),
        taking=(Taking(salt="oxide"),) if facts.get("on_mg") else (),
        drugs=frozenset(drug for drug, _ in facts.get("interacting_active", ())),
        drafts=tuple(vignette_draft(row) for row in facts.get("draft", ())),
    )
