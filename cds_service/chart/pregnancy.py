"""The recorded pregnancy status (LOINC 82810-3): the latest one decides."""

from __future__ import annotations

from datetime import date

import msgspec

from cds_service.chart import dates
from cds_service.chart.evidence import Evidence, in_order
from cds_service.chart.labs import FINAL, observed
from cds_service.chart.naming import reference_of
from cds_service.chart.reading import Reader
from cds_service.chart.subject import Subject
from cds_service.fhir.prefetch import Content
from cds_service.fhir.wire import CodeableConcept, Observation

LOINC_STATUS = "82810-3"
PREGNANT = frozenset({"77386006", "LA15173-0"})
"""SNOMED CT "Pregnant" and the LOINC answer "Pregnant"."""
_CONCEPT = msgspec.json.Decoder(CodeableConcept)


def read_pregnancy_status(
    content: Content[Observation],
    subject: Subject,
    today: date,
    lookback_days: int,
    *,
    reader: Reader,
) -> Evidence | None:
    """Evidence that the latest status within `lookback_days` says pregnant; else `None`."""
    statuses: list[tuple[dates.When, bool, Evidence]] = []
    for position, entry in enumerate(content.entries):
        observation = entry.resource
        if observation is None or observation.status not in FINAL:
            continue
        if not _is_status(observation) or not subject.is_meant(observation.subject):
            continue
        when = observed(observation)
        evidence = Evidence(
            resource=reference_of(entry, position),
            system="http://loinc.org",
            code=LOINC_STATUS,
            display="Pregnancy status",
            date=when.written or None,
            value="pregnant",
            matched="value",
        )
        statuses.append((when, _says_pregnant(observation), evidence))
    recent = [s for s in statuses if dates.maybe_within(s[0], lookback_days, today)]
    if not recent:
        return None
    bar = max(when.earliest for when, _, _ in recent)
    said = in_order(e for when, yes, e in recent if yes and when.latest >= bar)
    return said[0] if said else None


def _is_status(observation: Observation) -> bool:
    codings = (observation.code.coding or ()) if observation.code else ()
    return any(c.code == LOINC_STATUS for c in codings)


def _says_pregnant(observation: Observation) -> bool:
    if not memoryview(observation.valueCodeableConcept):
        return False
    try:
        concept = _CONCEPT.decode(observation.valueCodeableConcept)
    except (msgspec.DecodeError, RecursionError):
        return False
    if any(c.code in PREGNANT for c in concept.coding or ()):
        return True
    return not concept.coding and (concept.text or "").strip().lower() == "pregnant"
