"""Words for the ids that the rows of the knowledge use, for the evidence page.

Names of cards, cautions, risk factors, plans and value sets are in the knowledge. Here are the words
for the few ids that only the tables use. A test checks that every id of the tables has its words.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from cds_service.hooks.registry import HOOKS
from cds_service.knowledge.loader import Knowledge

Words = Mapping[str, str]

TRIGGERS: Final[Words] = MappingProxyType(
    {
        "chart": "the chart itself",
        "diuretic": "a loop or thiazide diuretic",
        "preventive": "a migraine preventive",
        "acute": "an acute migraine drug",
    }
)
PRODUCTS: Final[Words] = MappingProxyType(
    {
        "supplement": "supplement",
        "antacid": "antacid",
        "laxative": "laxative",
        "laxative-antacid": "milk of magnesia and similar",
        "bowel-prep": "bowel preparation",
    }
)
GRADES: Final[Words] = MappingProxyType(
    {
        "": "in all other cases",
        "slight": "slightly high, normal kidney function",
        "gut": "only a reaction of the gut",
        "unusable": "the newest result cannot be used",
        "risk": "with a renal-risk feature",
        "kidney_risk": "with a kidney disease on file, or of high age",
        "above": "above the limit",
        "small_child": "small child",
        "very_high": "very high amount",
    }
)
OFFERS: Final[Words] = MappingProxyType(
    {
        "delete": "removal of the order",
        "labs": "tests",
        "update": "change to the reduced dose",
        "plan": "a dose plan",
        "perimenstrual": "the perimenstrual plan",
    }
)
KINDS: Final[Words] = MappingProxyType(
    {
        "suggestion": "suggestion",
        "information": "information",
        "deficiency": "low magnesium",
        "hazard": "magnesium already taken",
        "order-check": "check of an order",
    }
)
LEVELS: Final[Words] = MappingProxyType(
    {"critical": "Critical", "warning": "Warning", "info": "Information"}
)
STATES: Final[Words] = MappingProxyType(
    {"draft": "draft", "in_review": "in review", "active": "approved", "retired": "retired"}
)
AGES: Final[Words] = MappingProxyType({"adult": "adult", "elderly": "older adult"})
ROUTES: Final[Words] = MappingProxyType(
    {"oral": "by mouth", "injectable": "injected", "any": "route not stated"}
)
SALTS: Final[Words] = MappingProxyType(
    {"any": "every salt", "neutralising": "salts that neutralise acid"}
)
UNITS: Final[Words] = MappingProxyType(
    {
        "a": "years",
        "mo": "months",
        "wk": "weeks",
        "d": "days",
        "h": "hours",
        "mg/d": "mg/day",
        "/d": "a day",
        "{score}": "points",
        "{character}": "characters",
        "mL/min/{1.73_m2}": "mL/min/1.73 m²",
        "1": "",
        "bool": "",
    }
)
CONDITIONS: Final[Words] = MappingProxyType(
    {
        "renal_risk": "a renal-risk feature",
        "unanswered": "facts that are not known",
        "at_risk": "older age, a diuretic, digoxin or a magnesium-wasting drug",
        "not_tested": "such a risk without recent tests",
        "anti_egfr": "an antibody against EGFR",
        "stopped_before": "magnesium stopped before",
        "stale": "an old kidney result",
        "needs_labs": "no recent kidney result",
        "discordant": "a problem list that the result contradicts",
        "conflicting": "kidney results that disagree",
        "unusable_newer": "a newer result that cannot be used",
        "partly_known": "kidney data known only in part",
    }
)


def kidney_classes(knowledge: Knowledge) -> Words:
    """Each kidney class in words."""
    texts = knowledge.wording.texts
    return {i.removeprefix("kidney."): text for i, text in texts.items() if i in _KIDNEY}


def windows(knowledge: Knowledge) -> Words:
    """How long a magnesium-wasting drug counts, in words."""
    risk = knowledge.parameters.risk
    return {
        "none": "as long as it is active",
        "oncology": f"{risk.oncology_days} days from the order",
        "antiinfective": f"{risk.antiinfective_days} days from the order",
    }


_KIDNEY: Final = frozenset({"kidney.NORMAL", "kidney.MODERATE", "kidney.SEVERE", "kidney.UNKNOWN"})


def moments() -> Words:
    """The moment of each hook in words."""
    return {hook.name: hook.moment for hook in HOOKS.values()}
