"""Not a proxy for anybody, and a token that goes to one server and nowhere else."""

from __future__ import annotations

import copy
import logging
import pickle
import socket
from collections.abc import Callable
from typing import Any

import pytest

from cds_service.fetching.client import Client, Limits
from cds_service.fetching.failures import UnavailableError, Why
from cds_service.fetching.servers import Server, Servers, Token, entries, normal
from cds_service.settings import SettingsError, read_settings

from ..support import http
from ..support.fhir import PATIENT_VIEW, PREFETCH_KEYS
from ..support.outcomes import assert_outcome
from ..support.tables import each_row
from . import ehr
from .calling import TOKEN, call_at, serving
from .conftest import Serve, Service
from .ehr import Json, Reply, say

# ---------------------------------------------------------------- which server


@pytest.mark.parametrize(
    "url",
    [
        "http://ehr.example/fhir",
        "ftp://ehr.example/fhir",
        "file:///etc/passwd",
        "ehr.example/fhir",
        "//ehr.example/fhir",
        "https://user:secret@ehr.example/fhir",
        "https://user@ehr.example/fhir",
        "https://@ehr.example/fhir",
        "https://ehr.example/fhir?x=1",
        "https://ehr.example/fhir#x",
        "https://ehr.example/fhir/../admin",
        "https://ehr.example/%2E%2e/fhir",
        "https://ehr.example\\@other.example/fhir",
        "https://ehr.example/a b",
        "https://ehr.example/\r\nX: y",
        "https://ehr.example:port/fhir",
        "https://ehr.example:99999/fhir",
        "https://[::1/fhir",
        "https://",
        "",
        "http://127.0.0.1.ehr.example/fhir",
        "https://ehr.exämple/fhir",
    ],
)
def test_an_address_that_is_not_safe_is_none(url: str) -> None:
    assert normal(url) is None
    assert Servers([Server(url="https://ehr.example/fhir")]).find(url) is None
    with pytest.raises(ValueError, match="safely"):
        Server(url=url)


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://ehr.example/fhir/", "https://ehr.example/fhir"),
        ("HTTPS://EHR.Example:443/fhir", "https://ehr.example/fhir"),
        ("http://127.0.0.1:80/fhir", "http://127.0.0.1/fhir"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:8080/r4", "http://[::1]:8080/r4"),
        ("https://ehr.example/FHIR", "https://ehr.example/FHIR"),
    ],
)
def test_addresses_are_compared_in_one_form(url: str, same: str) -> None:
    assert normal(url) == same
    assert Servers([Server(url=same)]).find(url) is not None


@pytest.mark.parametrize(
    "url",
    [
        "https://ehr.example/fhir/tenant",
        "https://ehr.example/fhi",
        "https://ehr.example",
        "https://ehr.example:8443/fhir",
        "https://ehr.example.evil.example/fhir",
        "https://other.example/fhir",
    ],
)
def test_a_server_beside_the_list_is_not_found(url: str) -> None:
    assert Servers([Server(url="https://ehr.example/fhir")]).find(url) is None


def test_a_server_may_be_for_one_client_only() -> None:
    servers = Servers([Server(url="https://ehr.example/fhir", clients=("https://a.example",))])
    assert servers.find("https://ehr.example/fhir", "https://a.example") is not None
    assert servers.find("https://ehr.example/fhir", "https://b.example") is None
    assert servers.find("https://ehr.example/fhir") is None


# ---------------------------------------------------------------- which address

NEVER = [
    "169.254.169.254",
    "169.254.1.1",
    "100.100.100.200",
    "168.63.129.16",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "224.0.0.1",
    "ff02::1",
    "0.0.0.0",  # noqa: S104 - it is to be refused
    "0.1.2.3",
    "255.255.255.255",
    "240.0.0.1",
    "::",
    "127.0.0.1",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "192.0.2.1",
    # Other IPv6 forms that hold an IPv4 address, or that are of one site.
    "::127.0.0.1",
    "::10.0.0.1",
    "::8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "64:ff9b:1::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "64:ff9b:1:7f00:0:100::",
    "2001:0:7f00:1::1",
    "2606:4700::5efe:7f00:1",
    "2606:4700::200:5efe:a9fe:a9fe",
    "fec0::1",
    "feff::1",
    "5f00::1",
    "4000::1",
    "100::1",
    "2001:db8::1",
]
INSIDE = ["10.0.0.1", "172.31.255.1", "192.168.1.1", "100.64.0.1", "fc00::1", "::ffff:10.0.0.1"]
INSIDE += ["64:ff9b::a00:1", "fd12:3456::1", "2002:a00:1::"]
OUTSIDE = ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::"]


@each_row("address", NEVER)
def test_an_address_that_is_never_asked(address: str) -> None:
    assert not Server(url="https://ehr.example/fhir").may_be_at(address)
    assert not Server(url="https://ehr.example/fhir", private=True).may_be_at(address)


@pytest.mark.parametrize("address", INSIDE)
def test_an_inside_address_is_asked_where_the_list_says_so(address: str) -> None:
    assert not Server(url="https://ehr.example/fhir").may_be_at(address)
    assert Server(url="https://ehr.example/fhir", private=True).may_be_at(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_outside_address_is_asked(address: str) -> None:
    assert Server(url="https://ehr.example/fhir").may_be_at(address)


def test_loopback_is_asked_by_its_own_name_only() -> None:
    here = Server(url="http://127.0.0.1:8080/fhir")
    assert here.may_be_at("127.0.0.1")
    assert not here.may_be_at("8.8.8.8")
    assert not here.may_be_at("10.0.0.1")


Resolve = Callable[..., list[Any]]


def resolving(*answers: str) -> Resolve:
    """A name server that gives one address after the other."""
    left = list(answers)

    def getaddrinfo(_: str, port: int, *__: Any, **___: Any) -> list[Any]:
        address = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    return getaddrinfo


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.1.2.3"])
def test_the_address_behind_a_name_is_checked(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolving(address))
    with pytest.raises(UnavailableError) as refused:
        Client().get(Server(url="https://ehr.example/fhir"), "/fhir/x", None, Limits(1, 1, 1000))
    assert refused.value.why is Why.ADDRESS


def test_the_address_that_was_checked_is_the_one_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name that leads outside when it is checked, and inside a moment later."""
    connected: list[Any] = []

    def connect(address: Any, *_: Any, **__: Any) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolving("8.8.8.8", "127.0.0.1"))
    monkeypatch.setattr("cds_service.fetching.client.create_connection", connect)
    limits = Limits(1, 1, 1000)
    with pytest.raises(UnavailableError):
        Client().get(Server(url="https://ehr.example/fhir"), "/fhir/x", None, limits)
    # The second try looks the name up anew, and then refuses what it finds.
    assert connected == [("8.8.8.8", 443)]


# ---------------------------------------------------------------- who is asked at all


def test_a_server_that_is_not_listed_is_not_asked(
    serve: Serve, service: Service, whole: Json
) -> None:
    server = serve(serving(whole["prefetch"]))
    client = service("https://ehr.example/fhir")
    words = assert_outcome(http.call(client, PATIENT_VIEW, call_at(server.base, whole)), 412)
    assert "is not on this service's list" in words
    assert server.asked == []
    assert server.base not in words


def test_without_a_list_nothing_is_asked(serve: Serve, whole: Json, client: Any) -> None:
    server = serve(serving(whole["prefetch"]))
    assert_outcome(http.call(client, PATIENT_VIEW, call_at(server.base, whole)), 412)
    assert server.asked == []


def test_without_a_token_nothing_is_asked(serve: Serve, service: Service, whole: Json) -> None:
    server = serve(serving(whole["prefetch"]))
    body = call_at(server.base, whole, token=None)
    words = assert_outcome(http.call(service(server.base), PATIENT_VIEW, body), 412)
    assert "brought no access token" in words
    assert server.asked == []


def test_an_open_server_is_asked_without_a_token(
    serve: Serve, service: Service, whole: Json
) -> None:
    server = serve(serving(whole["prefetch"]))
    client = service(server.base, marks={"open": True})
    assert http.cards(client, PATIENT_VIEW, call_at(server.base, whole, token=None))
    assert len(server.asked) == len(PREFETCH_KEYS)
    assert not any("Authorization" in asked.headers for asked in server.asked)


@pytest.mark.parametrize("token", ["a\r\nX-Evil: 1", "a b", "tök", "a\x00"])
def test_a_token_that_is_no_header_is_not_sent(
    serve: Serve, service: Service, whole: Json, token: str
) -> None:
    server = serve(serving(whole["prefetch"]))
    body = call_at(server.base, whole, token=token)
    words = assert_outcome(http.call(service(server.base), PATIENT_VIEW, body), 412)
    assert "cannot be sent in a header" in words
    assert server.asked == []


@pytest.mark.parametrize(
    "patient_id", ["..", ".", "%2e%2e", "a/../../admin", "a?x=1", "a#b", "a&b"]
)
def test_a_patient_id_is_no_way_out(
    serve: Serve, service: Service, whole: Json, patient_id: str
) -> None:
    server = serve(serving(whole["prefetch"]))
    body = call_at(server.base, whole)
    body["context"] = {**body["context"], "patientId": patient_id}
    assert_outcome(http.call(service(server.base), PATIENT_VIEW, body), 412)
    for asked in server.asked:
        assert asked.path.startswith("/fhir/")
        assert "/../" not in asked.target
        assert asked.query.get("patient", patient_id) == patient_id


# ---------------------------------------------------------------- the token


def test_a_token_does_not_show_itself() -> None:
    token = Token(TOKEN)
    assert TOKEN not in f"{token} {token!r} {[token]} {vars(Limits(1, 1, 1))}"
    assert token.header() == f"Bearer {TOKEN}"
    with pytest.raises(TypeError):
        pickle.dumps(token)
    with pytest.raises(TypeError):
        copy.deepcopy(token)


def redirect_to(url: str) -> Callable[[Json], Reply]:
    return lambda _: say(b"", 307, headers={"Location": url})


def test_the_token_goes_to_its_server_only(serve: Serve, service: Service, whole: Json) -> None:
    other = serve(serving(whole["prefetch"]))

    def linked(body: Json) -> Reply:
        url = f"{other.base}/Condition?page=2"
        return say({**body, "link": [{"relation": "next", "url": url}]})

    replies = {"allergies": redirect_to(f"{other.base}/AllergyIntolerance"), "conditions": linked}
    server = serve(serving(whole["prefetch"], **replies))
    http.call(service(server.base), PATIENT_VIEW, call_at(server.base, whole))
    assert {asked.headers["Authorization"] for asked in server.asked} == {f"Bearer {TOKEN}"}
    assert not any(TOKEN in asked.target for asked in server.asked)
    assert other.asked == []


OUTCOMES: dict[str, Callable[[Json], Reply]] = {
    "well": say,
    "killed": lambda _: ehr.kill(),
    "stalled": lambda _: ehr.stall(),
    "garbled": lambda _: ehr.garble_http(),
    "refused": lambda _: say({"resourceType": "OperationOutcome"}, 401),
    "echoed": lambda _: say(f"{{{TOKEN}".encode()),
    "redirected": redirect_to(f"http://127.0.0.1:1/?{TOKEN}"),
    "asked to wait": lambda _: say(b"", 429, headers={"Retry-After": TOKEN}),
}


@pytest.mark.parametrize("path", ["cds-services", "explain"])
@pytest.mark.parametrize("key", ["patient", "conditions", "kidneyLabs"])
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_neither_token_nor_patient_is_logged_or_told(
    serve: Serve,
    service: Service,
    whole: Json,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    outcome: str,
    key: str,
    path: str,
) -> None:
    server = serve(serving(whole["prefetch"], **{key: OUTCOMES[outcome]}))
    short = {"fhir_total_ms": 500} if outcome == "stalled" else {}
    client = service(server.base, log_level="DEBUG", **short)
    caplog.set_level(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        caplog.set_level(logging.DEBUG, logger=name)
    response = http.send(client, f"/{path}/{PATIENT_VIEW}", call_at(server.base, whole))
    said = response.get_data(as_text=True)
    written = capfd.readouterr()
    logged = caplog.text + written.out + written.err + "".join(str(vars(r)) for r in caplog.records)
    assert TOKEN not in said + logged
    assert "pat-1" not in logged
    assert server.base not in logged + (said if response.status_code != 200 else "")


# ---------------------------------------------------------------- settings


def servers_of(text: str) -> tuple[Server, ...]:
    return read_settings({"CDS_FHIR_SERVERS": text}).fhir_servers


def test_the_list_is_read_from_the_environment() -> None:
    assert servers_of(
        "https://ehr.example/fhir, http://127.0.0.1:8080/fhir open,"
        " https://in.example/r4 private client=https://a.example client=b,"
    ) == (
        Server(url="https://ehr.example/fhir"),
        Server(url="http://127.0.0.1:8080/fhir", open=True),
        Server(url="https://in.example/r4", private=True, clients=("https://a.example", "b")),
    )
    assert servers_of("") == ()
    assert entries(" , ") == []


@pytest.mark.parametrize(
    "text",
    [
        "http://ehr.example/fhir",
        "https://user:secret@ehr.example/fhir",
        "https://ehr.example/fhir opne",
        "https://ehr.example/fhir https://other.example/fhir",
        "*",
    ],
)
def test_a_list_that_cannot_be_used_stops_the_start(text: str) -> None:
    with pytest.raises(SettingsError, match="CDS_FHIR_SERVERS must be") as stopped:
        servers_of(text)
    assert "secret" not in str(stopped.value)
