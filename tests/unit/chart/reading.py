"""Charts and prefetch contents out of plain dicts, for tests of one room at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from msgspec import Raw

from cds_service.chart.chart import Chart, open_chart
from cds_service.chart.subject import Subject
from cds_service.fhir.prefetch import KINDS, Content
from cds_service.fhir.reading import Shape
from cds_service.fhir.wire import DraftOrder
from tests.support import fhir
from tests.support.decisions import knowledge
from tests.support.fhir import Resource

TODAY = date(2026, 11, 22)
SUBJECT = Subject(fhir.PATIENT_ID)
WOMAN = fhir.patient(TODAY, age=45, sex="female")


def raw(value: Any) -> Raw:
    return Raw(json.dumps(value).encode())


def content(key: str, resources: Iterable[Resource], **of_bundle: Any) -> Content[Any]:
    """What a prefetch key holds whose search found these."""
    return KINDS[key].read(raw({**fhir.bundle(resources), **of_bundle}))


def chart(
    found: Mapping[str, list[Resource] | None] | None = None,
    who: Resource = WOMAN,
    without: Iterable[str] = (),
    **values: Any,
) -> Chart:
    """A chart with these resources; `values` are whole prefetch values, `without` the absent keys."""
    body = fhir.hook_request(fhir.PATIENT_VIEW, found, who)
    prefetch = {**body["prefetch"], **values}
    sent = {key: raw(value) for key, value in prefetch.items() if key not in without}
    return open_chart(sent, body["context"]["patientId"], TODAY, knowledge())


def day(days_ago: int) -> str:
    return fhir.day(days_ago, TODAY)


def drafted(order: Resource) -> DraftOrder:
    """A draft order, as far as it can be read."""
    found, _ = Shape[DraftOrder](DraftOrder).read(json.dumps(order).encode())
    assert found is not None
    return found
