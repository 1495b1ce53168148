"""The published vignettes of revision 1 as abstract cases."""

from __future__ import annotations

from typing import Any

from tests.table.facts import Case, Creatinine, Draft, Egfr, Magnesium, Taking
from tests.table.recorded import OXIDE_TABLET_MG

VIGNETTE_RISKS = {
    "diabetes": "diabetes",
    "diuretic": "thiazide",
    "alcohol": "alcohol",
    "heart": "cad",
    "heart-failure": "heart-failure",
    "ppi": "ppi-90",
    "wasting-drug": "tacrolimus",
}
VIGNETTE_KINDS = {
    "diuretic": "thiazide",
    "preventive-nonspecific": "topiramate",
    "interacting": "drug:ciprofloxacin",
    "none": "unrelated",
}
VIGNETTE_BLOCKS = {
    "avblock_high": "avblock-3",
    "nmj": "myasthenia",
    "bowel": "ileus",
    "allergy": "allergy-oxide",
    "pregnant": "pregnant",
    "transplant": "transplant",
}


Expected = tuple[str, str, tuple[str, ...]]

# What section 12 of the specification changes (12.7.13); the file holds revision 1.
REVISED: dict[str, list[Expected]] = {
    "V02": [("mg-suggest", "info", ("mg 200->400", "labs"))],  # S-2: RF4
    "V04": [("mg-suggest", "info", ("mg 200->300", "labs"))],  # S-2, S-6: 65 and over
    "V17": [("mg-suggest", "info", ("mg 200->400", "labs"))],  # S-2: RF4
    "V45": [("mg-suggest", "info", ("mg 200->400", "labs"))],  # S-2: RF4
    "V54": [("mg-hazard-renal", "critical", ("labs",))],  # M-8
    "V82": [("mg-hazard-hypermag", "warning", ("labs",))],  # M-8, M-11
    "V88": [  # S-4, 12.7.8
        ("rx-mg-renal-critical", "critical", ("delete",)),
        ("rx-mg-allergy", "critical", ("delete",)),
    ],
}


def expected(vignette: dict[str, Any]) -> list[Expected]:
    """The cards of a vignette, section 12 included."""
    written = [(card, level, tuple(labels)) for card, level, labels in vignette["expected"]]
    return REVISED.get(vignette["id"], written)


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
