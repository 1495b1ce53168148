"""The services and the discovery document. Prefetch templates come from the knowledge.

The keys are those that `cds_service.fhir.prefetch` reads. The codes in a template are those of the
value sets that the rules use. Only the query forms that the standard recommends are used, except
`_include`, which adds referenced medications.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from cds_service.chart.pregnancy import LOINC_STATUS
from cds_service.fetching.forms import Token
from cds_service.fhir.prefetch import REQUIRED
from cds_service.hooks.hook import Hook
from cds_service.hooks.registry import HOOKS, require_rows
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.terminology import codes_in
from cds_service.site.force import InForce
from cds_service.site.options import OFFERED, offered_options

STANDARD = "3.0.0"
"""The version of CDS Hooks that is implemented."""
LOINC = "http://loinc.org"
NOT_APPROVED = " The rules are not yet approved for patient care."
_PATIENT = "{{context.patientId}}"
_KIDNEY_PROCEDURES = ("renal_dialysis", "renal_transplant_procedure", "renal_risk")


class Service(msgspec.Struct, frozen=True):
    """One service. `codes` contains, for each key, the codes that its template requests."""

    id: str
    hook: str
    title: str
    description: str
    usage_requirements: str
    hook_version: str
    prefetch: Mapping[str, str]
    codes: Mapping[str, tuple[Token, ...]]
    max_cards: int

    def document(self) -> dict[str, Any]:
        """The service as discovery shows it."""
        return {
            "hook": self.hook,
            "id": self.id,
            "title": self.title,
            "description": self.description,
            "usageRequirements": self.usage_requirements,
            "version": STANDARD,
            "hookVersion": self.hook_version,
            "prefetch": dict(self.prefetch),
            "extension": {OFFERED: offered_options(self.max_cards)},
        }


_USAGE = (
    f"Needs the prefetch keys {', '.join(REQUIRED)}; a call without them is answered with 412."
    " The other keys may be left out, but advice is then more cautious and says what was not"
    " available. null or an empty Bundle means that there are no such data."
)


def id_of(hook: Hook) -> str:
    """The id of the service for a hook."""
    return f"magnesium-migraine-{hook.name}"


def services_of(knowledge: Knowledge, *, all_orders: bool = False) -> Mapping[str, Service]:
    """Every service by its id, in the order of discovery.

    With `all_orders` the template of orders requests every status, not only active ones (the site's
    `search.medicationRequests`). Raises `KnowledgeError` if the tables lack a row for a hook.
    """
    require_rows(knowledge)
    codes = _codes(knowledge)
    prefetch = MappingProxyType(templates_of(codes, all_orders=all_orders))
    offered = (
        Service(
            id=id_of(hook),
            hook=hook.name,
            title=hook.title,
            description=hook.description,
            usage_requirements=_USAGE,
            hook_version=hook.version,
            prefetch=prefetch,
            codes=codes,
            max_cards=int(knowledge.parameters.cards.max),
        )
        for hook in HOOKS.values()
    )
    return MappingProxyType({service.id: service for service in offered})


def services_in_force(force: InForce) -> Mapping[str, Service]:
    """Every service with the knowledge and the searches in force."""
    return services_of(force.knowledge, all_orders=force.asks_for_all_orders)


def templates_by_hook(services: Mapping[str, Service]) -> Mapping[str, Mapping[str, str]]:
    """The prefetch templates of each hook, by its name."""
    return {service.hook: service.prefetch for service in services.values()}


def discovery(services: Mapping[str, Service], force: InForce | None = None) -> dict[str, Any]:
    """The discovery document, without the hooks that a site never shows.

    It states the silent mode, and that rules are not approved.

    The service of such a hook still answers: a client that calls it gets safety cards.
    """
    documents = [s.document() for s in services.values() if force is None or force.offers(s.hook)]
    if force is not None and force.silent_mode_until is not None:
        for document in documents:
            until = force.silent_mode_until.isoformat()
            document["usageRequirements"] += f" Silent mode: no card is returned before {until}."
    if force is not None and not force.review.is_approved:
        for document in documents:
            document["usageRequirements"] += NOT_APPROVED
    return {"services": documents}


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


def templates_of(
    codes: Mapping[str, tuple[Token, ...]], *, all_orders: bool = False
) -> dict[str, str]:
    """The prefetch template of each key; one that has no codes here is not narrowed by code."""

    def coded(resource_type: str, key: str) -> str:
        tokens = ",".join(f"{system}|{code}" for system, code in codes.get(key, ()))
        return f"{resource_type}?patient={_PATIENT}" + (f"&code={tokens}" if tokens else "")

    def newest(key: str, count: int) -> str:
        return f"{coded('Observation', key)}&_sort=-date&_count={count}"

    status = "" if all_orders else "&status=active"
    return {
        "patient": f"Patient/{_PATIENT}",
        # Not narrowed by clinical status: a past infarction counts, and a server would leave out
        # the conditions that carry no status.
        "conditions": f"Condition?patient={_PATIENT}",
        "medicationRequests": (
            f"MedicationRequest?patient={_PATIENT}{status}&_include=MedicationRequest:medication"
        ),
        "medicationStatements": f"MedicationStatement?patient={_PATIENT}",
        "allergies": f"AllergyIntolerance?patient={_PATIENT}",
        "kidneyLabs": newest("kidneyLabs", 100),
        "magnesiumLabs": newest("magnesiumLabs", 20),
        "pregnancyStatus": newest("pregnancyStatus", 5),
        # All of them, at any age: a transplant may be older than many dialysis sessions.
        "kidneyProcedures": coded("Procedure", "kidneyProcedures"),
    }
