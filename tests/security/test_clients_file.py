"""The file of trusted clients: what it may hold, and that a bad one stops the start with one line."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cds_service.fetching.servers import Servers
from cds_service.settings import Settings, SettingsError
from cds_service.trust.clients import ClientsError, read_clients, schema
from cds_service.web.calls.auth import servers_of, verifier_of

from ..support import issuing
from ..support.serving import started_with

PUBLIC = "https://cds.example.org"
Document = dict[str, Any]


@pytest.fixture(scope="module")
def good() -> Document:
    return {
        "clients": [
            {
                "name": "north",
                "iss": "https://north.example.org",
                "jwks": {"keys": [issuing.public_jwk(issuing.new_key("ES384"), "north-1")]},
                "jku": ["https://north.example.org/jwks.json"],
                "algorithms": ["ES384"],
                "tenants": ["a"],
                "fhirServers": ["https://fhir.north.example.org/r4"],
                "origins": ["https://ehr.north.example.org"],
                "maxLifetimeSeconds": 120,
                "clockSkewSeconds": 0,
            },
            {"name": "south", "iss": "https://south.example.org", "jku": ["http://localhost:1/k"]},
        ]
    }


def written(tmp_path: Path, document: Any) -> Path:
    file = tmp_path / "clients.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return file


def test_a_good_file_is_read(tmp_path: Path, good: Document) -> None:
    found = read_clients(written(tmp_path, good))
    assert list(found) == ["https://north.example.org", "https://south.example.org"]
    assert found["https://north.example.org"].max_lifetime_seconds == 120
    assert found["https://south.example.org"].algorithms == ("ES384", "RS384")
    assert found["https://south.example.org"].max_lifetime_seconds == 300


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema())


def test_its_servers_are_asked_for_its_calls_alone(tmp_path: Path, good: Document) -> None:
    document = copy.deepcopy(good)
    document["clients"][0]["fhirServers"] = ["https://fhir.north.example.org/r4 private"]
    settings = Settings(
        clients_file=str(written(tmp_path, document)), public_url=PUBLIC, data_dir=str(tmp_path)
    )
    servers = Servers(servers_of(verifier_of(settings)))
    url = "https://fhir.north.example.org/r4"
    found = servers.find(url, "https://north.example.org")
    assert found is not None
    assert found.private
    assert not found.open
    assert servers.find(url, "https://south.example.org") is None
    assert servers.find(url) is None


def test_a_server_that_cannot_be_asked_safely_is_refused(tmp_path: Path, good: Document) -> None:
    document = copy.deepcopy(good)
    document["clients"][0]["fhirServers"] = ["http://fhir.north.example.org/r4"]
    settings = Settings(
        clients_file=str(written(tmp_path, document)), public_url=PUBLIC, data_dir=str(tmp_path)
    )
    with pytest.raises(SettingsError, match="north is not a safe address"):
        servers_of(verifier_of(settings))


def private(document: Document) -> None:
    document["clients"][0]["jwks"]["keys"][0]["d"] = "secret-number"


def short(document: Document) -> None:
    key = issuing.public_jwk(issuing.new_key("RS384", 1024), "short")
    document["clients"][0]["jwks"]["keys"][0] = key


def unreadable(document: Document) -> None:
    document["clients"][0]["jwks"]["keys"][0]["x"] = "AA"


def put(*path: Any, value: Any) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        owner: Any = document
        for step in path[:-1]:
            owner = owner[step]
        owner[path[-1]] = value

    return change


def without(*path: Any) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        owner: Any = document
        for step in path[:-1]:
            owner = owner[step]
        del owner[path[-1]]

    return change


BAD: list[tuple[str, Callable[[Document], None], str]] = [
    ("no clients", put("clients", value=[]), "clients"),
    ("clients missing", without("clients"), "needs clients"),
    ("a misspelt member", put("clients", 0, "tenant", value="a"), "clients[0] has a member"),
    ("no issuer", without("clients", 0, "iss"), "clients[0] needs iss"),
    ("no name", without("clients", 0, "name"), "clients[0] needs name"),
    ("no keys", without("clients", 1, "jku"), "clients[1]"),
    ("symmetric", put("clients", 0, "algorithms", value=["HS256"]), "must be one of"),
    ("none", put("clients", 0, "algorithms", value=["none"]), "must be one of"),
    ("no algorithm", put("clients", 0, "algorithms", value=[]), "algorithms"),
    ("plain http", put("clients", 0, "jku", value=["http://ehr.example.org/jwks"]), "jku[0]"),
    ("any origin", put("clients", 0, "origins", value=["*"]), "origins[0]"),
    ("an origin with a path", put("clients", 0, "origins", value=["https://a.b/c"]), "origins[0]"),
    ("a long life", put("clients", 0, "maxLifetimeSeconds", value=86_400), "maxLifetimeSeconds"),
    ("one issuer twice", put("clients", 1, "iss", value="https://north.example.org"), "same iss"),
    ("one name twice", put("clients", 1, "name", value="north"), "same name"),
    ("a private key", private, "private or symmetric"),
    ("a short key", short, "less than 2048 bits"),
    ("a broken key", unreadable, "jwks.keys[0]"),
]


@pytest.mark.parametrize(("spoil", "says"), [c[1:] for c in BAD], ids=[c[0] for c in BAD])
def test_a_bad_file_is_refused_with_one_line(
    tmp_path: Path, good: Document, spoil: Callable[[Document], None], says: str
) -> None:
    document = copy.deepcopy(good)
    spoil(document)
    with pytest.raises(ClientsError) as caught:
        read_clients(written(tmp_path, document))
    text = str(caught.value)
    assert says in text
    assert "\n" not in text
    assert "secret-number" not in text


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"a"', "[" * 100_000])
def test_what_is_no_list_of_clients_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ClientsError):
        read_clients(written(tmp_path, text))


@pytest.mark.server
@pytest.mark.parametrize(
    ("document", "settings", "says"),
    [
        ({"clients": []}, {"CDS_PUBLIC_URL": PUBLIC}, "CDS_CLIENTS_FILE: clients.json"),
        (None, {"CDS_PUBLIC_URL": PUBLIC}, "cannot be read"),
        ({"clients": []}, {}, "CDS_PUBLIC_URL must be set"),
    ],
    ids=["bad", "missing", "no public address"],
)
def test_the_start_stops_with_one_line(
    tmp_path: Path, document: Any, settings: dict[str, str], says: str
) -> None:
    file = tmp_path / "clients.json"
    if document is not None:
        file.write_text(json.dumps(document))
    code, output = started_with(tmp_path, CDS_CLIENTS_FILE=str(file), **settings)
    assert code == 2
    assert says in output
    assert output.count("\n") == 1
