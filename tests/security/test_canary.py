"""Canaries: a sentinel in every field of every request, headers and tokens too, on the real server.

Driven through success and through every failure, with debug on; then everything that the service
leaves behind is searched: its output, its figures, its files, its errors.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import create_engine, inspect, text

from cds_service import create_app
from cds_service.settings import Settings

from ..support import charts, issuing, postgres
from ..support.fhir import PATIENT_VIEW, SERVICES
from ..support.issuing import PrivateKey
from ..support.serving import HOST, Reply, Running, free_port, serving

pytestmark = pytest.mark.server

CANARY = "Zq7CANARYx9"
PUBLIC = "https://cds.example.org"
ISS = "https://ehr.example.org"
HEADERS = {"X-Note": CANARY, "User-Agent": CANARY, "Cookie": f"a={CANARY}", "Referer": CANARY}
HEADERS |= {"X-Request-ID": CANARY, "traceparent": CANARY, "tracestate": f"a={CANARY}"}


class Watched(msgspec.Struct):
    server: Running
    operators: int
    directory: Path
    key: PrivateKey
    database: str = ""

    def send(self, path: str, body: Any, **claims: Any) -> Reply:
        usual = {"jti": f"{CANARY}-{time.time_ns()}", "sub": CANARY, "tenant": CANARY}
        payload = issuing.claims(ISS, claims.pop("aud", PUBLIC + path), **usual | claims)
        token = issuing.signed(payload, self.key, "k")
        headers = {**HEADERS, "Authorization": f"Bearer {token}"}
        method = "GET" if body is None else "POST"
        if isinstance(body, bytes):
            headers["Content-Type"] = "application/json"
        return self.server.ask(method, f"{path}?{CANARY}={CANARY}", body, headers)


# A FHIR server that may be asked, and does not answer: its path may name a tenant or a person.
FHIR_SERVER = f"http://127.0.0.1:9/{CANARY}/fhir"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of the database; "" for the files in the data directory."""
    if request.param == "sqlite":
        yield ""
        return
    try:
        with postgres.server() as url:
            yield url
    except postgres.MissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[Watched]:
    directory = tmp_path_factory.mktemp("canary")
    key = issuing.new_key("ES384")
    jwks = {"keys": [issuing.public_jwk(key, "k")]}
    file = directory / "clients.json"
    file.write_text(json.dumps({"clients": [{"name": "ehr", "iss": ISS, "jwks": jwks}]}))
    port = free_port()
    with serving(
        directory,
        CDS_CLIENTS_FILE=str(file),
        CDS_PUBLIC_URL=PUBLIC,
        CDS_LOG_LEVEL="DEBUG",
        CDS_OPERATOR_ADDRESS=f"{HOST}:{port}",
        CDS_UPLOAD_SECONDS="1",
        CDS_MAX_BODY_BYTES="300000",
        CDS_DATABASE_URL=database,
        CDS_FHIR_SERVERS=f"{FHIR_SERVER} open",
        PYTHONDEVMODE="1",
    ) as server:
        yield Watched(server, port, directory, key, database)


def planted(value: Any) -> Any:
    """A copy in which every text that is no code and no date carries the canary."""
    if isinstance(value, dict):
        return {
            name: item if name in KEPT and isinstance(item, str) else planted(item)
            for name, item in value.items()
        } | {f"x{CANARY}": CANARY}
    if isinstance(value, list):
        return [planted(item) for item in value]
    return f"{value} {CANARY}" if isinstance(value, str) else value


# Without these a call is not understood at all; the other canaries then reach no rule.
KEPT = frozenset(
    {"hook", "resourceType", "system", "code", "status", "intent", "birthDate", "unit", "type"}
    | {"effectiveDateTime", "recordedDate", "authoredOn", "onsetDateTime", "deceasedDateTime"}
    | {"reference", "patientId", "id"}
)
_IDS = re.compile(r'"id": "([A-Za-z0-9.-]+)"')


def with_planted_ids(text: str) -> str:
    """The request with the canary in each id of a resource, and in what refers to it."""
    for name in sorted(set(_IDS.findall(text)), key=len, reverse=True):
        text = re.sub(rf"(?<=[/\"]){re.escape(name)}(?=\")", f"{CANARY}-{name}"[:64], text)
    return text


def call(service: str) -> dict[str, Any]:
    body = charts.CALLS[service](datetime.now(UTC).date())
    body["fhirServer"] = f"https://{CANARY}.invalid/fhir"
    body["fhirAuthorization"] = {
        "access_token": CANARY,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": f"user/*.read {CANARY}",
        "subject": CANARY,
    }
    body["prefetch"]["patient"]["name"] = [{"family": CANARY, "given": [CANARY]}]
    text = with_planted_ids(json.dumps(body).replace("pat-1", f"{CANARY}-1"))
    found: dict[str, Any] = planted(json.loads(text))
    found["fhirAuthorization"] |= {"token_type": "Bearer"}
    return found


def feedback(card: str) -> dict[str, Any]:
    return {
        "feedback": [
            {
                "card": card,
                "outcome": "overridden",
                "overrideReason": {
                    "reason": {"code": CANARY, "system": CANARY, "display": CANARY},
                    "userComment": CANARY,
                },
                "outcomeTimestamp": "2026-11-01T08:08:08.123Z",
                "extension": {CANARY: CANARY},
            }
        ]
    }


def drive(watched: Watched) -> list[Reply]:
    """Success, and every failure; the errors that were told."""
    told: list[Reply] = []
    statuses = set()

    def also(reply: Reply) -> None:
        statuses.add(reply.status)
        if reply.status != 200:
            told.append(reply)

    for service in SERVICES:
        path = f"/cds-services/{service}"
        good = watched.send(path, call(service))
        also(good)
        assert good.status == 200, good.body
        also(watched.send(f"/explain/{service}", call(service)))
        for card in good.json["cards"]:
            also(watched.send(f"{path}/feedback", feedback(card["uuid"])))
        also(watched.send(f"{path}/feedback", feedback(CANARY)))
        also(watched.send(f"{path}/feedback", {CANARY: CANARY}))
        for spoilt in (
            f'{{"{CANARY}'.encode(),
            json.dumps(CANARY).encode(),
            json.dumps(call(service) | {"context": {CANARY: CANARY}}).encode(),
            json.dumps(call(service) | {"hook": CANARY}).encode(),
            json.dumps(call(service) | {"prefetch": {"patient": {"x": CANARY}}}).encode(),
            json.dumps(call(service) | {"extension": CANARY * 40_000}).encode(),
        ):
            also(watched.send(path, spoilt))
    path = f"/cds-services/{PATIENT_VIEW}"
    also(watched.send("/cds-services", None))
    also(watched.send(f"/cds-services/{CANARY}", call(PATIENT_VIEW)))
    unanswered = call(PATIENT_VIEW) | {"fhirServer": FHIR_SERVER}
    del unanswered["prefetch"]["kidneyLabs"]
    also(watched.send(path, unanswered))
    also(watched.send(f"/{CANARY}", None))
    also(watched.send(path, None))
    for wrong in (
        {"aud": CANARY},
        {"iss": CANARY},
        {"exp": CANARY},
        {"iat": CANARY},
        {"nbf": CANARY},
        {"jti": CANARY * 100},
    ):
        also(watched.send(path, call(PATIENT_VIEW), **wrong))
    for token in (CANARY, f"{CANARY}.{CANARY}.{CANARY}"):
        headers = {**HEADERS, "Authorization": f"Bearer {token}"}
        also(watched.server.ask("POST", path, call(PATIENT_VIEW), headers))
    assert {200, 400, 401, 404, 405, 412, 413} <= statuses
    assert not any(status >= 500 for status in statuses)
    return told


def test_nothing_of_a_patient_is_left_behind(watched: Watched) -> None:
    told = drive(watched)
    for reply in told:
        assert CANARY not in reply.body.decode()
        assert CANARY not in str(reply.headers)
    figures = watched.server.ask("GET", "/metrics", port=watched.operators)
    report = watched.server.ask("GET", "/feedback/report", port=watched.operators)
    assert (figures.status, report.status) == (200, 200)
    assert CANARY not in figures.body.decode()
    assert CANARY not in report.body.decode()
    assert_not_among_the_processes(watched)
    output = watched.server.stop()
    assert output.count('"event":"request"') > 40
    assert CANARY not in output
    assert "Traceback" not in output
    files = [path for path in watched.directory.rglob("*") if path.is_file()]
    names = {path.name for path in files}
    assert watched.database or {"cds.sqlite3", "trust.sqlite3"} <= names
    for path in files:
        content = path.read_bytes()
        assert CANARY.encode() not in content, path.name
        assert CANARY.lower().encode() not in content.lower(), path.name
    if watched.database:
        assert_not_in_the_database(watched.database)


def assert_not_among_the_processes(watched: Watched) -> None:
    """Command lines and environments are for other users of the machine to read, or for a crash report."""
    processes = [watched.server.process.pid, *watched.server.workers()]
    assert len(processes) >= 2
    for process in processes:
        for name in ("cmdline", "comm"):
            assert CANARY not in Path(f"/proc/{process}/{name}").read_text()
        limits = Path(f"/proc/{process}/limits").read_text()
        (core,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
        assert core.split()[4:6] == ["0", "0"], "a core file would hold what is in memory"


def assert_not_in_the_database(url: str) -> None:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        tables = inspect(connection).get_table_names()
        assert {"feedback", "issued_card", "answered_call", "trust_seen"} <= set(tables)
        for table in tables:
            rows = connection.execute(text(f"SELECT * FROM {table}")).fetchall()  # noqa: S608
            assert CANARY.lower() not in str(rows).lower(), table
    engine.dispose()


def test_a_failure_tells_nothing_of_its_cause(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception of our own code, with what it was working on in its text."""

    def failing(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError(CANARY)

    caplog.set_level(logging.DEBUG)
    client = create_app(Settings(data_dir=str(tmp_path))).test_client()
    monkeypatch.setattr("cds_service.reasoning.decide.select", failing)
    reply = client.post(
        f"/cds-services/{PATIENT_VIEW}", json=charts.CALLS[PATIENT_VIEW](datetime.now(UTC).date())
    )
    assert reply.status_code == 500
    said = reply.get_data(as_text=True) + caplog.text + str([vars(r) for r in caplog.records])
    assert CANARY not in said
    assert "ZeroDivisionError" in said
