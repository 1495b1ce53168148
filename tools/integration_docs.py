"""Make the parts of the documents for integrators that the service itself can write.

    .venv/bin/python -m tools.integration_docs [--check]

These are the samples of a hook call and of discovery (`docs/samples` and the parts of
`docs/integrating-example.md`), and the table of the FHIR elements that are read. Samples are made
with a fixed day, because the synthetic patients have dates relative to the day of the call. Their
ids are made up, because the service makes new ones for each response. With `--check` nothing is
written: the command fails if a document is not up to date.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Final

from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.fhir import wire
from cds_service.settings import Settings
from tools.json_layout import laid_out
from tools.made_files import asks_for_check, write_files

ROOT: Final = Path(__file__).resolve().parents[1]
DOCS: Final = ROOT / "docs"
MOMENT: Final = datetime(2026, 11, 28, 9, tzinfo=UTC)
ELEMENTS: Final[dict[str, Any]] = json.loads(
    Path(__file__).with_name("integration_elements.json").read_text(encoding="utf-8")
)
SAMPLES: Final = {
    "patient-view": ("henrik-dalgard", "magnesium-migraine-patient-view", None),
    "patient-view-silent": ("felix-merriweather", "magnesium-migraine-patient-view", None),
    "order-sign": ("magnus-ironwood", "magnesium-migraine-order-sign", "milk-of-magnesia"),
}
"""The hook calls that are shown: patient, service and draft orders."""
SHOWN: Final = "patient-view"
"""The call whose request and response are in the document itself."""
_LONGEST: Final = 160
_UUID: Final = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")
_HASH: Final = re.compile(r"\b(\d+\.\d+\.\d+)\+[0-9a-f]{12}\b")
_CHOICE: Final = re.compile(
    r"^(onset|abatement|medication|reported|effective|performed|value)[A-Z]"
)
_IDENTITY: Final = {"resourceType", "id"}
Json = Any


def pages(client: FlaskClient) -> dict[str, str]:
    """Each file that is made, by its path in the repository."""
    found: dict[str, str] = {}
    parts = {"elements": elements()}
    for name, (patient, service, draft) in SAMPLES.items():
        request, response = sample(client, patient, service, draft)
        found[f"docs/samples/{name}.request.json"] = laid_out(request) + "\n"
        found[f"docs/samples/{name}.response.json"] = laid_out(response) + "\n"
        if name == SHOWN:
            parts |= {"request": in_part(request), "response": fenced(response)}
    discovery = client.get("/cds-services").get_json()
    found["docs/samples/discovery.json"] = laid_out(without_hash(discovery)) + "\n"
    parts["discovery"] = fenced({"services": [shortened(discovery["services"][0]), "..."]})
    for name in ("integrating-data.md", "integrating-example.md"):
        text = (DOCS / name).read_text(encoding="utf-8")
        found[f"docs/{name}"] = with_parts(text, parts)
    return found


def with_parts(text: str, parts: Mapping[str, str]) -> str:
    """The document with each part between `<!-- made: NAME -->` and `<!-- /made -->` made again."""
    shape = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- /made -->)", re.DOTALL)
    return shape.sub(lambda m: f"{m[1]}{parts[m[2]]}\n{m[3]}", text)


def client_of_the_day() -> FlaskClient:
    """The service with the defaults on the day of the samples."""
    settings = Settings(log_level="ERROR", public_url="https://cds.example.org")
    return create_app(settings, lambda: MOMENT).test_client()


def sample(client: FlaskClient, patient: str, service: str, draft: str | None) -> tuple[Json, Json]:
    """A request of the sandbox, and the response of the service."""
    query = {"draft": draft} if draft else {}
    request = client.get(f"/sandbox/requests/{patient}/{service}", query_string=query)
    response = client.post(
        f"/cds-services/{service}", data=request.get_data(), content_type="application/json"
    )
    return without_hash(request.get_json()), without_hash(response.get_json())


def without_hash(value: Json) -> Json:
    """The value with made-up ids and a made-up hash of the knowledge.

    The first id is 00000000-0000-4000-8000-000000000001, and equal ids stay equal.
    """
    numbers = count(1)
    made: dict[str, str] = {}
    for old in _UUID.findall(json.dumps(value)):
        made.setdefault(old, f"00000000-0000-4000-8000-{next(numbers):012d}")
    text = _UUID.sub(lambda m: made[m[0]], json.dumps(value))
    return json.loads(_HASH.sub(r"\1+0123456789ab", text))


def fenced(value: Json) -> str:
    """A block of JSON."""
    return f"```json\n{laid_out(value)}\n```"


def in_part(request: Json) -> str:
    """The request with the first entry of each Bundle only."""
    short = json.loads(json.dumps(request))
    for bundle in short["prefetch"].values():
        if bundle.get("entry"):
            more = len(bundle["entry"]) - 1
            bundle["entry"] = bundle["entry"][:1] + ([f"... and {more} more"] if more else [])
    return fenced(short)


def shortened(service: Json) -> Json:
    """A service of discovery with long templates cut."""
    prefetch = {
        key: text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
        for key, text in service["prefetch"].items()
    }
    return {**service, "prefetch": prefetch}


def elements() -> str:
    """The table of the elements that are read: resource, element, use, and whether US Core asks for it."""
    heading = "| resource | element | used for | US Core |\n|---|---|---|---|\n"
    return heading + "\n".join(rows())


def rows() -> Iterator[str]:
    """The rows of the table."""
    for resource in ELEMENTS["resources"]:
        for names, use in resource["elements"].items():
            shown = ", ".join(f"`{name}`" for name in names.split(", "))
            yield f"| {resource['type']} | {shown} | {use} | {asked(resource, names)} |"


def asked(resource: Json, names: str) -> str:
    """Whether a profile of US Core for this resource has one of the elements as must support."""
    wanted = {name for profile in resource["profiles"] for name in ELEMENTS["mustSupport"][profile]}
    mine = {f"{m[1]}[x]" if (m := _CHOICE.match(name)) else name for name in names.split(", ")}
    return "must support" if (mine | set(names.split(", "))) & wanted else ""


def differences() -> list[str]:
    """Elements that the code reads and the table lacks, or the other way round."""
    read: dict[str, set[str]] = {}
    listed: dict[str, set[str]] = {}
    for resource in ELEMENTS["resources"]:
        # A draft order is read as an order, with a few elements more.
        struct = "DraftOrder" if resource["struct"] == "Medication" else resource["struct"]
        read[struct] = set(getattr(wire, struct).__struct_fields__) - _IDENTITY
        names = {name for group in resource["elements"] for name in group.split(", ")}
        listed.setdefault(struct, set()).update(names)
    return [f"{struct}.{name}" for struct in read for name in sorted(read[struct] ^ listed[struct])]


def main(arguments: list[str] | None = None) -> int:
    """Write the documents, or with `--check` print those that are not up to date."""
    check = asks_for_check(__doc__ or "", arguments)
    return write_files(pages(client_of_the_day()), ROOT, check=check)


if __name__ == "__main__":
    raise SystemExit(main())
