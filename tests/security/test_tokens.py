"""Who is let in, and why others are not: each check of a token, against the running server.

CHECKLIST T-1..T-16, H-6..H-8.
"""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from ..support import issuing
from ..support.fhir import PATIENT_VIEW
from ..support.issuing import KeyServer, PrivateKey
from ..support.serving import Reply, Running
from .conftest import NORTH, PUBLIC, Ehr

pytestmark = pytest.mark.server

HOOK = f"/cds-services/{PATIENT_VIEW}"
FEEDBACK = f"{HOOK}/feedback"
EXPLAIN = f"/explain/{PATIENT_VIEW}"
GUARDED = ["/cds-services", HOOK, EXPLAIN, FEEDBACK]
SECOND = timedelta(seconds=1)
UNVERIFIED = "signature could not be verified"


def refused(reply: Reply, says: str) -> None:
    """401 with a challenge and an OperationOutcome that names the check."""
    assert reply.status == 401, reply.body
    assert reply.headers["WWW-Authenticate"].startswith('Bearer realm="')
    assert reply.json["resourceType"] == "OperationOutcome"
    assert reply.json["issue"][0]["code"] == "login"
    assert says in reply.text


# ------------------------------------------------------------------------ let in


@pytest.mark.parametrize("path", GUARDED)
def test_a_good_token_is_let_in(north: Ehr, path: str) -> None:
    reply = north.send(path, north.token(path))
    # The body is a hook request, which is no feedback; but it was looked at.
    assert reply.status == (400 if path == FEEDBACK else 200), reply.body


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_written_in_any_case(north: Ehr, scheme: str) -> None:
    assert north.send(HOOK, north.token(HOOK), scheme).status == 200


def test_aud_may_be_a_list(north: Ehr) -> None:
    aud = ["https://elsewhere.example.org", PUBLIC + HOOK]
    assert north.send(HOOK, north.token(HOOK, aud=aud)).status == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"jti": "a" * 64},
        {"nbf": SECOND * -5},
        {"iat": SECOND * 5, "exp": SECOND * 300},
        {"tenant": "ward-b"},
        {"sub": "whatever", "extra": {"deep": [1]}},
    ],
    ids=["hex jti", "nbf", "a clock ahead", "tenant", "more claims"],
)
def test_what_real_clients_send_is_taken(north: Ehr, changes: dict[str, Any]) -> None:
    if "jti" in changes:
        changes = {"jti": f"{time.time_ns():064x}"}
    assert north.send(HOOK, north.token(HOOK, **changes)).status == 200


def test_moments_may_have_fractions(north: Ehr) -> None:
    now = time.time()
    assert north.send(HOOK, north.token(HOOK, iat=now - 0.25, exp=now + 299.5)).status == 200


def test_other_algorithms_of_the_entry_are_taken(north: Ehr, keys: dict[str, PrivateKey]) -> None:
    rsa = Ehr(north.server, NORTH, keys["RS384"], "north-rsa", "RS384", tenant="ward-a")
    assert rsa.send(HOOK, rsa.token(HOOK)).status == 200


def test_a_key_set_on_the_network_is_used(south: Ehr, published: KeyServer) -> None:
    assert south.send(HOOK, south.token(HOOK)).status == 200
    named = south.token(HOOK, {"jku": published.url})
    assert south.send(HOOK, named).status == 200


# ----------------------------------------------------------------------- refused


@pytest.mark.parametrize("path", GUARDED)
def test_without_a_token_nobody_is_let_in(north: Ehr, path: str) -> None:
    reply = north.send(path, None)
    refused(reply, "A token is required")
    assert "error=" not in reply.headers["WWW-Authenticate"]


@pytest.mark.parametrize("path", GUARDED)
def test_a_token_for_another_address_is_refused(north: Ehr, path: str) -> None:
    other = HOOK if path != HOOK else "/cds-services"
    refused(north.send(path, north.token(other)), "aud")


def test_a_refusal_tells_the_error(north: Ehr) -> None:
    reply = north.send(HOOK, north.token(HOOK, exp=SECOND * -1))
    refused(reply, "exp")
    assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]


WRONG_CLAIMS: list[tuple[str, dict[str, Any], str]] = [
    ("no aud", {"aud": None}, "aud"),
    ("aud of the host alone", {"aud": PUBLIC}, "aud"),
    ("aud with a slash", {"aud": f"{PUBLIC}{HOOK}/"}, "aud"),
    ("aud in other letters", {"aud": (PUBLIC + HOOK).upper()}, "aud"),
    ("aud of another kind", {"aud": {"url": PUBLIC + HOOK}}, "aud"),
    ("aud empty", {"aud": []}, "aud"),
    ("no exp", {"exp": None}, "exp"),
    ("expired", {"exp": SECOND * -1}, "exp"),
    ("exp a text", {"exp": "soon"}, "exp"),
    ("exp true", {"exp": True}, "exp"),
    ("exp beyond numbers", {"exp": 10**400}, "exp"),
    ("no iat", {"iat": None}, "iat"),
    ("iat in the future", {"iat": SECOND * 86_400, "exp": SECOND * 86_500}, "iat"),
    ("iat a text", {"iat": "now"}, "iat"),
    ("nbf in the future", {"nbf": SECOND * 86_400}, "nbf"),
    ("nbf a text", {"nbf": "now"}, "nbf"),
    ("a long life", {"exp": SECOND * 86_400}, "exp is too long"),
    ("no jti", {"jti": None}, "jti"),
    ("jti empty", {"jti": ""}, "jti"),
    ("jti a number", {"jti": 7}, "jti"),
    ("jti too long", {"jti": "a" * 600}, "jti"),
    ("no tenant", {"tenant": None}, "tenant"),
    ("another tenant", {"tenant": "ward-z"}, "tenant"),
    ("a list of tenants", {"tenant": ["ward-a"]}, "tenant"),
    ("no issuer", {"iss": None}, UNVERIFIED),
    ("another issuer", {"iss": "https://evil.example.org"}, UNVERIFIED),
    ("the issuer with a slash", {"iss": f"{NORTH}/"}, UNVERIFIED),
]


@pytest.mark.parametrize(
    ("changes", "says"), [case[1:] for case in WRONG_CLAIMS], ids=[case[0] for case in WRONG_CLAIMS]
)
def test_a_wrong_claim_is_refused(north: Ehr, changes: dict[str, Any], says: str) -> None:
    refused(north.send(HOOK, north.token(HOOK, **changes)), says)


def test_another_issuers_claim_under_ones_own_key_is_refused(south: Ehr) -> None:
    refused(south.send(HOOK, south.token(HOOK, iss=NORTH)), UNVERIFIED)


WRONG_HEADERS: list[tuple[str, dict[str, Any], str]] = [
    ("no kid", {"kid": None}, UNVERIFIED),
    ("an unknown kid", {"kid": "north-9"}, UNVERIFIED),
    ("kid of another key", {"kid": "north-256"}, UNVERIFIED),
    ("an extension that must be understood", {"crit": ["exp2"], "exp2": 1}, "crit"),
    ("crit empty", {"crit": []}, "crit"),
    ("another type", {"typ": "at+jwt"}, "not a signed JWT"),
    ("a foreign jku", {"jku": "https://evil.example.org/jwks.json"}, UNVERIFIED),
]


@pytest.mark.parametrize(
    ("header", "says"),
    [case[1:] for case in WRONG_HEADERS],
    ids=[case[0] for case in WRONG_HEADERS],
)
def test_a_wrong_header_is_refused(north: Ehr, header: dict[str, Any], says: str) -> None:
    refused(north.send(HOOK, north.token(HOOK, header)), says)


def test_a_foreign_key_set_is_never_fetched(south: Ehr) -> None:
    with issuing.key_server() as evil:
        evil.keys = [issuing.public_jwk(south.key, "evil-1")]
        token = south.token(HOOK, {"jku": evil.url, "kid": "evil-1"})
        refused(south.send(HOOK, token), UNVERIFIED)
        assert evil.asked == 0


def test_another_key_under_a_known_kid_is_refused(north: Ehr, keys: dict[str, PrivateKey]) -> None:
    forger = Ehr(north.server, NORTH, keys["other"], "north-1", "ES384", tenant="ward-a")
    refused(forger.send(HOOK, forger.token(HOOK)), UNVERIFIED)


def test_a_key_that_the_token_brings_along_is_not_believed(
    north: Ehr, keys: dict[str, PrivateKey]
) -> None:
    forger = Ehr(north.server, NORTH, keys["other"], "mine", "ES384", tenant="ward-a")
    jwk = issuing.public_jwk(keys["other"], "mine")
    refused(forger.send(HOOK, forger.token(HOOK, {"jwk": jwk})), UNVERIFIED)


def test_an_algorithm_that_the_entry_does_not_name_is_refused(
    north: Ehr, keys: dict[str, PrivateKey]
) -> None:
    weaker = Ehr(north.server, NORTH, keys["ES256"], "north-256", "ES256", tenant="ward-a")
    refused(weaker.send(HOOK, weaker.token(HOOK)), UNVERIFIED)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_an_unsigned_token_is_refused(north: Ehr) -> None:
    payload = issuing.claims(NORTH, PUBLIC + HOOK, tenant="ward-a")
    for algorithm in ("none", "None", "NONE", "nOnE"):
        token = f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': 'north-1'})}.{part(payload)}."
        refused(north.send(HOOK, token), UNVERIFIED)


def test_a_public_key_is_no_shared_secret(north: Ehr, keys: dict[str, PrivateKey]) -> None:
    """The classic confusion: HMAC with the text of the public key, which PyJWT will not make."""
    secret = json.dumps(issuing.public_jwk(keys["ES384"], "north-1")).encode()
    payload = issuing.claims(NORTH, PUBLIC + HOOK, tenant="ward-a")
    for algorithm, digest in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")):
        text = f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': 'north-1'})}.{part(payload)}"
        mac = base64.urlsafe_b64encode(hmac.digest(secret, text.encode(), digest))
        refused(north.send(HOOK, f"{text}.{mac.decode().rstrip('=')}"), UNVERIFIED)


def test_a_changed_token_is_refused(north: Ehr) -> None:
    header, payload, signature = north.token(HOOK).split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    changed = part(claims | {"tenant": "ward-b"})
    refused(north.send(HOOK, f"{header}.{changed}.{signature}"), UNVERIFIED)
    refused(north.send(HOOK, f"{header}.{payload}.{signature[:-8]}AAAAAAAA"), UNVERIFIED)
    refused(north.send(HOOK, f"{header}.{payload}."), UNVERIFIED)


NO_TOKENS: list[tuple[str, Callable[[str], str]]] = [
    ("a word", lambda _: "token"),
    ("two dots", lambda _: ".."),
    ("one part", lambda token: token.split(".", maxsplit=1)[0]),
    ("four parts", lambda token: f"{token}.x"),
    ("too long", lambda token: token + "A" * 9_000),
    ("no base64", lambda token: f"!!!.{token.split('.', 1)[1]}"),
    ("no JSON", lambda token: f"{part([1])}.{token.split('.', 1)[1]}"),
    ("deep JSON", lambda _: f"{base64.urlsafe_b64encode(b'[' * 3000).decode()}.e30.x"),
    ("two tokens", lambda token: f"{token}, Bearer {token}"),
]


@pytest.mark.parametrize("spoilt", [c[1] for c in NO_TOKENS], ids=[c[0] for c in NO_TOKENS])
def test_what_is_no_token_is_refused(north: Ehr, spoilt: Callable[[str], str]) -> None:
    refused(north.send(HOOK, spoilt(north.token(HOOK))), "not a signed JWT")


@pytest.mark.parametrize("scheme", ["Basic", "DPoP", "Bearer:", "JWT"])
def test_another_scheme_is_no_token(north: Ehr, scheme: str) -> None:
    refused(north.send(HOOK, north.token(HOOK), scheme), "A token is required")


def test_a_token_in_the_address_is_not_looked_at(north: Ehr) -> None:
    token = north.token(HOOK)
    refused(north.send(f"{HOOK}?access_token={token}", None), "A token is required")


def test_an_unknown_service_is_named_only_to_clients(north: Ehr) -> None:
    path = "/cds-services/no-such-service"
    refused(north.send(path, None), "A token is required")
    assert north.send(path, north.token(path)).status == 404


# --------------------------------------------------------------------- once only


def test_a_token_is_good_once(north: Ehr) -> None:
    token = north.token(HOOK)
    assert north.send(HOOK, token).status == 200
    for _ in range(6):
        refused(north.send(HOOK, token), "jti")


def test_the_same_jti_in_another_token_is_refused(north: Ehr) -> None:
    jti = f"again-{time.time_ns()}"
    assert north.send(HOOK, north.token(HOOK, jti=jti)).status == 200
    refused(north.send("/cds-services", north.token("/cds-services", jti=jti)), "jti")


def test_jti_are_those_of_an_issuer(north: Ehr, south: Ehr) -> None:
    jti = f"both-{time.time_ns()}"
    assert north.send(HOOK, north.token(HOOK, jti=jti)).status == 200
    assert south.send(HOOK, south.token(HOOK, jti=jti)).status == 200


def test_of_many_at_the_same_time_one_is_let_in(north: Ehr, server: Running) -> None:
    assert len(server.workers()) == 2
    for _ in range(3):
        token = north.token(HOOK)
        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(lambda _: north.send(HOOK, token).status, range(32)))  # noqa: B023
        assert sorted(found) == [200, *[401] * 31]


def test_a_refused_token_is_not_used_up(north: Ehr) -> None:
    jti = f"kept-{time.time_ns()}"
    refused(north.send(HOOK, north.token(HOOK, jti=jti, tenant="ward-z")), "tenant")
    assert north.send(HOOK, north.token(HOOK, jti=jti)).status == 200


# -------------------------------------------------------------------- not guarded


@pytest.mark.parametrize("path", ["/health", "/ready", "/evidence", "/openapi.json"])
def test_what_needs_no_token(server: Running, path: str) -> None:
    assert server.ask("GET", path).status == 200


@pytest.mark.parametrize("path", ["/sandbox", "/sandbox/patients"])
def test_the_sandbox_is_off_where_clients_are_configured(server: Running, path: str) -> None:
    assert server.ask("GET", path).status == 404


def test_other_clients_go_on_while_one_is_refused(north: Ehr, south: Ehr) -> None:
    refused(north.send(HOOK, "nothing"), "JWT")
    assert south.send(HOOK, south.token(HOOK)).status == 200
