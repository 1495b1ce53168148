"""The services on offer, and the discovery document. Prefetch templates come from the knowledge.

The keys are those that `cds_service.fhir.prefetch` reads. The codes in a template are those of the
value sets that the rules use, never a list kept beside them. Only the query forms that the standard
recommends are used, but for `_include`, which brings the medications that orders merely refer to.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from cds_service.chart.pregnancy import LOINC_STATUS
from cds_service.fetching.forms import Token
from cds_service.fhir.prefetch import REQUIRED
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.terminology import codes_in

STANDARD = "3.0.0"
"""The version of CDS Hooks that is implemented."""
HOOK_VERSION = "1.0"
LOINC = "http://loinc.org"
_PATIENT = "{{context.patientId}}"
_KIDNEY_PROCEDURES = ("renal_dialysis", "renal_transplant_procedure", "renal_risk")


class Service(msgspec.Struct, frozen=True):
    """One service. `codes` holds, for each key, what its template asks for."""

    id: str
    hook: str
    title: str
    description: str
    usage_requirements: str
    prefetch: Mapping[str, str]
    codes: Mapping[str, tuple[Token, ...]]

    def document(self) -> dict[str, Any]:
        """The service as discovery shows it."""
        return {
            "hook": self.hook,
            "id": self.id,
            "title": self.title,
            "description": self.description,
            "usageRequirements": self.usage_requirements,
            "version": STANDARD,
            "hookVersion": HOOK_VERSION,
            "prefetch": dict(self.prefetch),
        }


class _Offer(msgspec.Struct, frozen=True):
    """What distinguishes one service from the others."""

    hook: str
    title: str
    description: str


_OFFERS = (
    _Offer(
        "patient-view",
        "Magnesium for migraine prevention",
        "Suggests a trial of magnesium glycinate to adults with migraine who have a risk factor for"
        " magnesium deficiency, after looking at kidney function, serum magnesium, allergies and"
        " other reasons against it. Warns where magnesium is already taken with severe kidney"
        " disease or high serum magnesium. Otherwise silent.",
    ),
    _Offer(
        "order-select",
        "Magnesium when migraine drugs and diuretics are selected",
        "When a migraine preventive, an acute migraine drug or a diuretic is selected for an adult"
        " with migraine, suggests magnesium where it is safe. Checks a selected magnesium order"
        " against kidney function, serum magnesium, dose, allergies and interactions.",
    ),
    _Offer(
        "order-sign",
        "Safety of magnesium orders",
        "Before orders are signed, checks magnesium among them against kidney function, serum"
        " magnesium, dose, duplicates, allergies, age, pregnancy and interacting drugs. Never"
        " suggests a new drug at this point.",
    ),
)

_USAGE = (
    f"Needs the prefetch keys {', '.join(REQUIRED)}; a call without them is answered with 412."
    " The other keys may be left out, but advice is then more cautious and says what was not"
    " available. null or an empty Bundle means that there are no such data."
)


def services_of(knowledge: Knowledge) -> Mapping[str, Service]:
    """Every service by its id, in the order of discovery."""
    codes = _codes(knowledge)
    prefetch = MappingProxyType(_templates(codes))
    offered = (
        Service(
            id=f"magnesium-migraine-{offer.hook}",
            hook=offer.hook,
            title=offer.title,
            description=offer.description,
            usage_requirements=_USAGE,
            prefetch=prefetch,
            codes=codes,
        )
        for offer in _OFFERS
    )
    return MappingProxyType({service.id: service for service in offered})


def discovery(services: Mapping[str, Service]) -> dict[str, Any]:
    """The discovery document."""
    return {"services": [service.document() for service in services.values()]}


def _codes(knowledge: Knowledge) -> Mapping[str, tuple[Token, ...]]:
    """For each key whose search is narrowed by code: the codes that the rules read there."""

    def results(*set_ids: str) -> tuple[Token, ...]:
        found = (codes_in(knowledge.sets, set_id, LOINC) for set_id in set_ids)
        return tuple((LOINC, code) for codes in found for code in codes)

    def procedures(*set_ids: str) -> tuple[Token, ...]:
        rows = (row for set_id in set_ids for row in knowledge.sets[set_id].codes)
        found = ((r.system, r.code) for r in rows if r.resource == "Procedure" and r.use)
        return tuple(dict.fromkeys(found))

    return MappingProxyType(
        {
            "kidneyLabs": results("lab_egfr", "lab_creatinine"),
            "magnesiumLabs": results("lab_magnesium"),
            "pregnancyStatus": ((LOINC, LOINC_STATUS),),
            "kidneyProcedures": procedures(*_KIDNEY_PROCEDURES),
        }
    )


def _templates(codes: Mapping[str, tuple[Token, ...]]) -> dict[str, str]:
    def coded(resource_type: str, key: str) -> str:
        tokens = ",".join(f"{system}|{code}" for system, code in codes[key])
        return f"{resource_type}?patient={_PATIENT}&code={tokens}"

    def newest(key: str, count: int) -> str:
        return f"{coded('Observation', key)}&_sort=-date&_count={count}"

    return {
        "patient": f"Patient/{_PATIENT}",
        # Not narrowed by clinical status: a past infarction counts, and a server would leave out
        # the conditions that carry no status.
        "conditions": f"Condition?patient={_PATIENT}",
        "medicationRequests": (
            f"MedicationRequest?patient={_PATIENT}&status=active"
            "&_include=MedicationRequest:medication"
        ),
        "medicationStatements": f"MedicationStatement?patient={_PATIENT}",
        "allergies": f"AllergyIntolerance?patient={_PATIENT}",
        "kidneyLabs": newest("kidneyLabs", 100),
        "magnesiumLabs": newest("magnesiumLabs", 20),
        "pregnancyStatus": newest("pregnancyStatus", 5),
        # All of them, however old: a transplant may lie behind many sessions of dialysis.
        "kidneyProcedures": coded("Procedure", "kidneyProcedures"),
    }
