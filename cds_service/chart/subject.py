"""Whose resource is it? Resources of another patient are set aside and reported, never counted."""

from __future__ import annotations

import re

from cds_service.fhir.wire import Reference

_HISTORY = re.compile(r"/_history/[^/]*$")


class Subject:
    """The patient of the call, by the ids in the hook's context and in the Patient resource, and by
    the full URL of the latter."""

    def __init__(self, *ids: str | None) -> None:
        self._ids = frozenset(bare_id(i) for i in ids if i)
        self._known: dict[str, bool] = {}

    def is_meant(self, reference: Reference | None) -> bool:
        """Whether a `subject` or `patient` element refers to this patient.

        A missing element, a display alone and a contained patient count as this patient, because
        the EHR returned them in a search for this patient.
        """
        if reference is None or reference.reference is None or not self._ids:
            return True
        written = reference.reference
        known = self._known.get(written)
        if known is None:
            known = self._known[written] = self._names_patient(written.strip())
        return known

    def _names_patient(self, target: str) -> bool:
        if target.startswith("#") or not target:
            return True
        if not target.startswith("urn:") and "/" in target and "Patient/" not in target:
            return False
        return bare_id(target) in self._ids


def bare_id(reference: str) -> str:
    """The logical id in a reference: `Patient/1/_history/2`, an absolute URL, `urn:uuid:...`."""
    plain = _HISTORY.sub("", reference.strip())
    return plain.removeprefix("urn:uuid:").removeprefix("urn:oid:").rpartition("/")[2]
