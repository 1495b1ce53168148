"""A FHIR server that really searches, and can have each habit that real servers were seen to have.

The chart: migraine, diabetes, and an eGFR of 22 that is the newest of many results (90 in some
modes, so that what is missing shows). Each mode is one habit; what is right stands in the table
"Fetching: habits of FHIR servers" of the cases.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from ..support import charts, fhir
from . import ehr
from .ehr import Answering, Asked, Json, Reply, say

Answer = Callable[["Store", Asked], Reply | None]
Resource = fhir.Resource

PAGE = 2
_JSON = "application/fhir+json; charset=utf-8"


class Store:
    """The resources of one patient, and the pages of the searches that were made."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        self.resources = list(resources)
        self.pages: dict[str, list[Resource]] = {}

    def read(self, kind: str, id: str) -> Resource | None:
        found = (r for r in self.resources if (r["resourceType"], r["id"]) == (kind, id))
        return next(found, None)

    def search(self, kind: str, query: Mapping[str, str], *, sort: bool = True) -> list[Resource]:
        found = [r for r in self.resources if r["resourceType"] == kind]
        for name, values in _FILTERS.items():
            if name in query:
                wanted = set(query[name].split(","))
                found = [r for r in found if not wanted.isdisjoint(values(r))]
        if sort and query.get("_sort") == "-date":
            found.sort(key=lambda r: r["effectiveDateTime"], reverse=True)
        return found


def _tokens(concept: Any) -> set[str]:
    codings = concept.get("coding", []) if isinstance(concept, dict) else []
    return {f"{c.get('system')}|{c.get('code')}" for c in codings} | {c["code"] for c in codings}


_FILTERS: Mapping[str, Callable[[Resource], set[str]]] = {
    "_id": lambda r: {r["id"]},
    "code": lambda r: _tokens(r.get("code")),
    "category": lambda r: {token for c in r.get("category", []) for token in _tokens(c)},
    "status": lambda r: {r.get("status", "")},
    "intent": lambda r: {r.get("intent", "")},
}


# ---------------------------------------------------------------- the chart


def resources(today: date, mode: str) -> list[Resource]:
    """The chart that the server of a mode has."""
    newest = 90 if mode in ("suppressed", "looplabs") else 22
    count = 250 if mode == "badsort" else 4
    labs = [fhir.observation(fhir.EGFR, newest, fhir.EGFR_UNIT, 20, id="egfr-0", today=today)]
    labs += [
        fhir.observation(fhir.EGFR, 95, fhir.EGFR_UNIT, 500 + 7 * n, id=f"egfr-{n}", today=today)
        for n in range(1, count)
    ]
    labs += [fhir.observation("2823-3", 4.1, "mmol/L", 5, id="potassium", today=today)]
    for lab in labs:
        lab["category"] = [fhir.concept("laboratory", "urn:category")]
    return [
        fhir.patient(today, age=50, sex="female"),
        fhir.condition("I10", id="c1", today=today),
        fhir.condition("E78.5", id="c2", today=today),
        fhir.condition(charts.MIGRAINE, id="c3", today=today),
        fhir.condition(charts.DIABETES, id="c4", category="encounter-diagnosis", today=today),
        fhir.condition("J45.909", id="c5", today=today),
        *labs,
        *(_referring(today) if mode == "medref" else []),
    ]


def _referring(today: date) -> list[Resource]:
    order = fhir.medication_request(medication_reference="Medication/mg", id="m1", today=today)
    name = fhir.coding(charts.MAGNESIUM_GLYCINATE, "rxnorm", "magnesium glycinate")
    return [order, {"resourceType": "Medication", "id": "mg", "code": {"coding": [name]}}]


# ---------------------------------------------------------------- how it answers


def bundle(found: Sequence[Resource], **members: Any) -> Json:
    entries = [{"resource": r, "search": {"mode": "match"}} for r in found]
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(found),
        **({"entry": entries} if entries else {}),
        **members,
    }


def outcome(severity: str, code: str) -> Json:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code}]}


REFUSED = outcome("error", "invalid")


def usually(store: Store, asked: Asked) -> Reply:
    """What a server without any habit answers."""
    kind, _, id = asked.what.partition("/")
    if id:
        found = store.read(kind, id)
        return say(outcome("error", "not-found"), 404) if found is None else say(found)
    return say(bundle(store.search(kind, asked.query)))


def _dressed(dress: Callable[[bytes], Reply]) -> Answer:
    """The usual body, sent in another way."""

    def answer(store: Store, asked: Asked) -> Reply:
        kind, _, id = asked.what.partition("/")
        body = store.read(kind, id) if id else bundle(store.search(kind, asked.query))
        return dress(json.dumps(body).encode())

    return answer


def _chunks(data: bytes) -> Reply:
    return ehr.chunked(json.loads(data))


def _when(kind: str, reply: Callable[[Store, Asked], Reply | None]) -> Answer:
    """Something else for one type of resource, or one read; what is `None` goes as usual."""
    return lambda store, asked: reply(store, asked) if asked.what == kind else None


def _labs(reply: Callable[[Store, Asked], Reply | None]) -> Answer:
    """Something else for kidney results."""

    def answer(store: Store, asked: Asked) -> Reply | None:
        codes = asked.query.get("code", fhir.EGFR)
        is_kidney = asked.what == "Observation" and fhir.EGFR in codes
        return reply(store, asked) if is_kidney else None

    return answer


Link = Callable[[Asked, str], str]


def _paged(link: Link, *, totals: bool = False, before: int = 0, after: int = 0) -> Answer:
    """Small pages, and how the next one is named. `before` and `after` are empty pages."""

    def answer(store: Store, asked: Asked) -> Reply | None:
        if "/" in asked.what:
            return None
        name, page = asked.query.get("_getpages", ""), int(asked.query.get("page", "0"))
        if not name:
            name = str(len(store.pages))
            store.pages[name] = store.search(asked.what, asked.query)
        found = store.pages[name]
        full = max(1, -(-len(found) // PAGE))
        at = (page - before) * PAGE
        here = found[at : at + PAGE] if page >= before else []
        body = bundle(here, total=len(found) - page if totals else len(found))
        if page + 1 < before + full + after:
            parameters = f"_getpages={name}&page={page + 1}"
            body["link"] = [{"relation": "next", "url": link(asked, parameters)}]
        return say(body)

    return answer


def _absolute(asked: Asked, parameters: str) -> str:
    return f"http://{asked.headers['Host']}{asked.path}?{parameters}"


def _itself(store: Store, asked: Asked) -> Reply:
    """A page that names itself as the next one, and a total that is never reached."""
    found = store.search(asked.what, asked.query)
    link = [{"relation": "next", "url": f"http://{asked.headers['Host']}{asked.target}"}]
    return say(bundle(found, total=99, link=link))


def _unsorted(store: Store, asked: Asked) -> Reply | None:
    """The oldest first, in pages of its own size."""
    if asked.what != "Observation":
        return None
    page = int(asked.query.get("page", "0"))
    found = store.search("Observation", asked.query, sort=False)[::-1]
    here = found[page * 50 : (page + 1) * 50]
    body = bundle(here, total=len(found))
    if (page + 1) * 50 < len(found):
        target = asked.target.partition("&page=")[0]
        url = f"http://{asked.headers['Host']}{target}&page={page + 1}"
        body["link"] = [{"relation": "next", "url": url}]
    return say(body)


def _refusing(is_refused: Callable[[Asked], bool]) -> Answer:
    return lambda _, asked: say(REFUSED, 400) if is_refused(asked) else None


def _with_outcome(issue: Json, found: Sequence[Resource]) -> Reply:
    body = bundle(found)
    body["entry"] = [
        *body.get("entry", []),
        {"resource": issue, "search": {"mode": "outcome"}},
    ]
    return say(body)


def _with_provenance(store: Store, asked: Asked) -> Reply:
    body = bundle(store.search(asked.what, asked.query))
    provenance = {"resourceType": "Provenance", "id": "p1", "target": [{"reference": "x"}]}
    body["entry"].append({"resource": provenance, "search": {"mode": "include"}})
    return say(body)


def _slowly(*_: object) -> Reply:
    """Answer later than any call waits."""
    return ehr.stall()


HABITS: Mapping[str, Answer] = {
    "usual": lambda *_: None,
    "textjson": _dressed(lambda data: say(data, content_type="application/json; charset=utf-8")),
    "chunked": _dressed(_chunks),
    "bom": _dressed(lambda data: say(b"\xef\xbb\xbf" + data)),
    "gzip": _dressed(lambda data: say(gzip.compress(data), headers={"Content-Encoding": "gzip"})),
    "relnext": _paged(lambda asked, parameters: f"{asked.path}?{parameters}"),
    "qnext": _paged(lambda _, parameters: f"?{parameters}"),
    "basenext": _paged(lambda asked, p: f"http://{asked.headers['Host']}/fhir?{p}"),
    "pipenext": _paged(lambda asked, p: _absolute(asked, f"{p}&code=http://loinc.org|1-8,x|2")),
    "hostnext": _when(
        "Condition",
        lambda store, asked: say(
            bundle(
                store.search("Condition", asked.query)[2:],
                total=5,
                link=[{"relation": "next", "url": "http://127.0.0.2:9/fhir/Condition?page=2"}],
            )
        ),
    ),
    "totaldec": _paged(_absolute, totals=True),
    "trailempty": _paged(_absolute, after=1),
    "emptyfirst": _paged(_absolute, before=1),
    "badsort": _unsorted,
    "loop": _when("Condition", _itself),
    "looplabs": _labs(_itself),
    "intent": _refusing(
        lambda asked: asked.what == "MedicationRequest" and "intent" not in asked.query
    ),
    "codelist": _refusing(lambda asked: "," in asked.query.get("code", "")),
    "nosort": _refusing(lambda asked: "_sort" in asked.query),
    "category": _refusing(
        lambda asked: asked.what == "Condition" and "category" not in asked.query
    ),
    "suppressed": _when(
        "Condition",
        lambda store, asked: _with_outcome(
            outcome("warning", "suppressed"), store.search("Condition", asked.query)
        ),
    ),
    "suppressedlabs": _labs(lambda *_: _with_outcome(outcome("warning", "suppressed"), [])),
    "nolabs": _labs(lambda *_: _with_outcome(outcome("warning", "not-found"), [])),
    "forbidden200": _labs(lambda *_: say(outcome("error", "forbidden"))),
    "provenance": _when("Condition", _with_provenance),
    "wrongtype": _labs(lambda store, _: say(bundle(store.search("Condition", {})))),
    "medref": _refusing(lambda asked: asked.what == "Medication"),
    "slow": _labs(_slowly),
    "redirect": _when(
        "Condition",
        lambda *_: say(b"", 302, headers={"Location": "/fhir/Condition?moved=1"}),
    ),
    "patientbundle": _when(
        f"Patient/{fhir.PATIENT_ID}",
        lambda store, _: say(bundle(store.search("Patient", {}))),
    ),
    "gone": _when(f"Patient/{fhir.PATIENT_ID}", lambda *_: say(outcome("error", "deleted"), 410)),
}
"""What a server of each mode does; `None` where it answers as usual."""


def having(mode: str, today: date) -> Answering:
    """A server with one habit."""
    store = Store(resources(today, mode))

    def answer(asked: Asked) -> Reply:
        return HABITS[mode](store, asked) or usually(store, asked)

    return answer
