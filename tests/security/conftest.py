"""A server with two workers and trusted clients, and what is needed to be one of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ..support import charts, issuing
from ..support.fhir import PATIENT_VIEW
from ..support.issuing import KeyServer, PrivateKey
from ..support.serving import Reply, Running, serving

PUBLIC = "https://cds.example.org/magnesium"
NORTH, SOUTH = "https://north.example.org", "https://south.example.org"
ORIGIN = "https://ehr.north.example.org"


class Ehr(msgspec.Struct):
    """A client of the service: how it makes tokens and calls."""

    server: Running
    iss: str
    key: PrivateKey
    kid: str
    algorithm: str
    origin: str = ""
    tenant: str | None = None

    def token(self, path: str, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """A good token for a path, but for the changes."""
        payload = issuing.claims(self.iss, PUBLIC + path, **{"tenant": self.tenant} | changes)
        header = {"kid": self.kid} | (header or {})
        kid = header.pop("kid")
        return issuing.signed(payload, self.key, kid, self.algorithm, **header)

    def send(self, path: str, token: str | None, scheme: str = "Bearer", **headers: str) -> Reply:
        """A call: GET for discovery, else POST of a good hook request."""
        if token is not None:
            headers["Authorization"] = f"{scheme} {token}"
        if path == "/cds-services":
            return self.server.ask("GET", path, headers=headers)
        return self.server.ask("POST", path, hook_request(), headers)


def hook_request() -> dict[str, Any]:
    return charts.CALLS[PATIENT_VIEW](datetime.now(UTC).date())


@pytest.fixture(scope="session")
def keys() -> dict[str, PrivateKey]:
    return {name: issuing.new_key(name) for name in ("ES256", "ES384", "RS384")} | {
        "other": issuing.new_key("ES384"),
        "south": issuing.new_key("RS384"),
    }


@pytest.fixture(scope="session")
def published(keys: dict[str, PrivateKey]) -> Iterator[KeyServer]:
    """The key set of the southern EHR."""
    with issuing.key_server() as server:
        server.keys = [issuing.public_jwk(keys["south"], "south-1")]
        yield server


@pytest.fixture(scope="session")
def clients(keys: dict[str, PrivateKey], published: KeyServer) -> dict[str, Any]:
    return {
        "clients": [
            {
                "name": "north",
                "iss": NORTH,
                "jwks": {
                    "keys": [
                        issuing.public_jwk(keys["ES384"], "north-1"),
                        issuing.public_jwk(keys["ES256"], "north-256"),
                        issuing.public_jwk(keys["RS384"], "north-rsa", alg="RS384"),
                    ]
                },
                "tenants": ["ward-a", "ward-b"],
                "origins": [ORIGIN],
            },
            {
                "name": "south",
                "iss": SOUTH,
                "jku": [published.url],
                "algorithms": ["RS384"],
                "origins": ["https://ehr.south.example.org"],
            },
        ]
    }


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, clients: dict[str, Any]) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("trust")
    file = directory / "clients.json"
    file.write_text(json.dumps(clients))
    with serving(
        Path(directory), "--workers", "2", CDS_CLIENTS_FILE=str(file), CDS_PUBLIC_URL=PUBLIC
    ) as running:
        yield running


@pytest.fixture
def north(server: Running, keys: dict[str, PrivateKey]) -> Ehr:
    return Ehr(server, NORTH, keys["ES384"], "north-1", "ES384", ORIGIN, "ward-a")


@pytest.fixture
def south(server: Running, keys: dict[str, PrivateKey]) -> Ehr:
    return Ehr(server, SOUTH, keys["south"], "south-1", "RS384", "https://ehr.south.example.org")
