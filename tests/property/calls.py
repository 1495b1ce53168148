"""Where the calls come from that the properties are asked of.

The bundled patients at every hook and with every draft order, and the charts of the scenarios. Where
`../shared` is beside the checkout also the cases of revision 2, the real charts (as they are, with an order
of magnesium, and with orders that may bring a card), the modified ones, and the ready-made requests.
"""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from cds_service.hooks.registry import HOOKS
from cds_service.hooks.services import Service, services_of
from cds_service.sandbox import patients
from cds_service.sandbox.from_bundle import BundleError, request_from_bundle

from ..scenarios.building import hook_call
from ..scenarios.loading import load_all
from ..scenarios.story import Scenario
from ..support import fhir
from ..support.decisions import knowledge

Body = dict[str, Any]

SHARED = Path(__file__).resolve().parents[3] / "shared"
DAY = date(2026, 11, 28)
"""The day of calls whose chart has no day of its own."""


@dataclass(frozen=True)
class Call:
    """A hook call that is made later: its name, its kind of source, its day, and how to get the body."""

    name: str
    source: str
    day: date
    load: Callable[[], Body | None]

    @property
    def now(self) -> datetime:
        return datetime.combine(self.day, time(12), UTC)


@cache
def services() -> dict[str, Service]:
    return {service.hook: service for service in services_of(knowledge()).values()}


@cache
def sandbox() -> tuple[Call, ...]:
    """Every bundled patient at every hook, with every draft order."""
    return tuple(_sandbox())


def _sandbox() -> Iterator[Call]:
    for person in patients.load_all().values():
        for hook in HOOKS:
            drafts = list(person.drafts) if HOOKS[hook].orders else [None]
            for draft in drafts:
                name = f"sandbox/{person.id}/{hook}" + (f"/{draft}" if draft else "")
                yield Call(name, "sandbox", DAY, _of_sandbox(person.id, hook, draft))


def _of_sandbox(person: str, hook: str, draft: str | None) -> Callable[[], Body]:
    service = fhir.service_id(hook)
    return lambda: patients.hook_request(person, service, DAY, draft, services()[hook].prefetch)


@cache
def scenarios() -> tuple[Call, ...]:
    """The charts of the scenarios: among them all that is resolved, refuted, stopped or of another."""
    return tuple(
        Call(f"scenario/{scenario.id}", "scenarios", DAY, _of_scenario(scenario))
        for scenario in load_all()
        if not scenario.refused_for
    )


def _of_scenario(scenario: Scenario) -> Callable[[], Body]:
    return lambda: hook_call(scenario, DAY)


@cache
def cases() -> tuple[Call, ...]:
    """The cases of revision 2, each on its own day."""
    return tuple(_case(path) for path in sorted((SHARED / "cases").glob("*.json")))


def _case(path: Path) -> Call:
    case = json.loads(path.read_bytes())
    return Call(
        f"case/{case['id']}",
        "cases",
        date.fromisoformat(case["as_of"]),
        lambda: json.loads(path.read_bytes())["request"],
    )


@cache
def charts() -> tuple[Call, ...]:
    return tuple(_charts("index.jsonl", "charts"))


@cache
def variants() -> tuple[Call, ...]:
    return tuple(_charts("variants/variants.jsonl", "variants"))


def _charts(index: str, source: str) -> Iterator[Call]:
    path = SHARED / "data" / index
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        row = json.loads(line)
        day = date.fromisoformat(row["as_of"]) if row.get("as_of") else DAY
        for hook, orders in ORDERS.items():
            for order in orders:
                name = f"{source}/{row['chart_id']}/{hook}" + (f"/{order}" if order else "")
                yield Call(name, source, day, _of_chart(row["file"], hook, order))


DRAFTS = {
    "magnesium": fhir.draft_order(
        "476818", text="Magnesium glycinate", dosage=fhir.dosage(200), id="magnesium"
    ),
    "milk-of-magnesia": fhir.draft_order(None, text="Milk of magnesia 30 mL daily", id="milk"),
    "topiramate": fhir.draft_order("199888", text="Topiramate 25 mg", id="topiramate"),
    "ciprofloxacin": fhir.draft_order("309309", text="Ciprofloxacin 500 mg", id="ciprofloxacin"),
}
ORDERS: dict[str, tuple[str | None, ...]] = {
    "patient-view": (None,),
    "order-select": ("topiramate",),
    "order-sign": ("magnesium", "milk-of-magnesia", "ciprofloxacin"),
}
"""The orders that are added to a chart, at each hook."""


def _of_chart(file: str, hook: str, order: str | None) -> Callable[[], Body | None]:
    def load() -> Body | None:
        bundle = gzip.decompress((SHARED / "data" / file).read_bytes())
        try:
            body = json.loads(
                request_from_bundle(bundle, services()[hook], knowledge().terminology)
            )
        except BundleError:
            return None
        return body if order is None else _with_order(body, DRAFTS[order])

    return load


def _with_order(body: Body, order: Body) -> Body:
    context = body["context"]
    whose = {"reference": f"Patient/{context['patientId']}"}
    member = fhir.ORDERS_AT[body["hook"]]
    drafts = context.setdefault(member, {"resourceType": "Bundle", "type": "collection"})
    drafts.setdefault("entry", []).append({"resource": {**order, "subject": whose}})
    if body["hook"] == "order-select":
        context.setdefault("selections", []).append(f"MedicationRequest/{order['id']}")
    return body


@cache
def requests() -> tuple[Call, ...]:
    """Ready-made requests of real charts, under the keys of this service."""
    found = sorted((SHARED / "data" / "cds-requests").glob("*.json.gz"))
    return tuple(Call(f"request/{path.name}", "requests", DAY, _of_request(path)) for path in found)


def _of_request(path: Path) -> Callable[[], Body]:
    def load() -> Body:
        body: Body = json.loads(gzip.decompress(path.read_bytes()))
        sent = body["prefetch"]
        labs, medications = sent.get("observations"), sent.get("medications")
        labs_keys = ("kidneyLabs", "magnesiumLabs", "pregnancyStatus")
        body["prefetch"] = {
            "patient": sent["patient"],
            "conditions": sent["conditions"],
            "allergies": sent.get("allergies"),
            "medicationRequests": medications,
            "medicationStatements": copy.deepcopy(medications),
            **{key: copy.deepcopy(labs) for key in labs_keys},
            "kidneyProcedures": None,
        }
        return body

    return load


def bytes_of(body: Body) -> bytes:
    return msgspec.json.encode(body)
