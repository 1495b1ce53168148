"""Check the token of a call in a fixed order of named checks.

Until the signature is verified, all failures have the same message, so that callers cannot probe
for known issuers, algorithms and keys. After that, the message names the failed check.
"""

from __future__ import annotations

import math
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec
from jwt import PyJWK
from jwt.api_jws import PyJWS
from jwt.exceptions import PyJWTError

from cds_service.trust.clients import Client, Clients
from cds_service.trust.key_sets import KeySets
from cds_service.trust.keys import public_key
from cds_service.trust.ledger import Ledger

_LONGEST_TOKEN = 8_192
_LONGEST_JTI = 512


class Refusal(StrEnum):
    """The name of a failed check, for logs and metrics."""

    MISSING = "missing"
    MALFORMED = "malformed"
    TYPE = "typ"
    CRITICAL = "crit"
    ISSUER = "iss"
    ALGORITHM = "alg"
    KEY_ID = "kid"
    KEY_ADDRESS = "jku"
    KEY = "key"
    SIGNATURE = "signature"
    AUDIENCE = "aud"
    EXPIRED = "exp"
    ISSUED = "iat"
    NOT_YET = "nbf"
    LIFETIME = "lifetime"
    ID = "jti"
    REPLAYED = "replayed"
    TENANT = "tenant"


_UNVERIFIED = (
    "The token's signature could not be verified: issuer, algorithm, key and signature must be"
    " those of a registered client."
)
TEXTS: Mapping[Refusal, str] = {
    Refusal.MISSING: "A token is required: Authorization: Bearer, with a signed JWT.",
    Refusal.MALFORMED: "The token is not a signed JWT.",
    Refusal.TYPE: "The token is not a signed JWT.",
    Refusal.CRITICAL: "The token's header demands an extension that is not supported (crit).",
    Refusal.ISSUER: _UNVERIFIED,
    Refusal.ALGORITHM: _UNVERIFIED,
    Refusal.KEY_ID: _UNVERIFIED,
    Refusal.KEY_ADDRESS: _UNVERIFIED,
    Refusal.KEY: _UNVERIFIED,
    Refusal.SIGNATURE: _UNVERIFIED,
    Refusal.AUDIENCE: "aud is not the expected value.",
    Refusal.EXPIRED: "exp is missing, not a number, or in the past.",
    Refusal.ISSUED: "iat is missing, not a number, or in the future.",
    Refusal.NOT_YET: "nbf is not a number, or in the future.",
    Refusal.LIFETIME: "exp is too long after iat.",
    Refusal.ID: "jti is missing, empty, or too long.",
    Refusal.REPLAYED: "A token with this jti has already been used.",
    Refusal.TENANT: "tenant is not registered.",
}
"""The message to the caller for each check."""


class RefusedError(Exception):
    """A token is refused. `expected` is the expected value of a claim, if it may be disclosed."""

    def __init__(self, refusal: Refusal, expected: str = "") -> None:
        super().__init__(refusal)
        self.refusal = refusal
        self.expected = expected

    @property
    def text(self) -> str:
        """The message to the caller."""
        told = TEXTS[self.refusal]
        return f"{told} Expected: {self.expected}" if self.expected else told


class Checked(msgspec.Struct, frozen=True):
    """A token that has passed all checks except single use. `tenant` is "" where it names none."""

    client: Client
    jti: str
    expires: float
    tenant: str = ""


class Verifier(msgspec.Struct, frozen=True):
    """Checks tokens against the trusted clients."""

    clients: Clients
    key_sets: KeySets
    ledger: Ledger
    now: Callable[[], float]

    def verify(self, token: str | None, url: str) -> Client:
        """The client that calls this URL. Raises `RefusedError` or `LedgerError`."""
        checked = self.check(token, url)
        self.use_up(checked)
        return checked.client

    def check(self, token: str | None, url: str) -> Checked:
        """Make all checks that need only the head of a call: form, signature and claims.

        The token can still be used afterwards. Raises `RefusedError`. Raises `LedgerError` if the
        keys of the client are stored in the ledger and it is unavailable.
        """
        if token is None:
            raise RefusedError(Refusal.MISSING)
        header, claims = _parts(token)
        client = self._issuer(claims)
        key = self._key(client, header)
        claims = _signed_claims(token, key, header["alg"])
        now = self.now()
        accepted = client.audiences or (url,)
        for refusal in _faults(client, claims, accepted, now):
            # The signature is valid, so the caller may see how its client is configured.
            expected = " or ".join(accepted) if refusal is Refusal.AUDIENCE else ""
            raise RefusedError(refusal, expected)
        tenant = claims.get("tenant")
        named = tenant if isinstance(tenant, str) else ""
        return Checked(client, claims["jti"], claims["exp"], named)

    def use_up(self, checked: Checked) -> None:
        """Mark a token as used when the whole call has arrived. Raises `RefusedError` for a second use."""
        first = self.ledger.first_use(checked.client.iss, checked.jti, checked.expires, self.now())
        if not first:
            raise RefusedError(Refusal.REPLAYED)

    def _issuer(self, claims: Mapping[str, Any]) -> Client:
        issuer = claims.get("iss")
        client = self.clients.get(issuer) if isinstance(issuer, str) else None
        if client is None:
            raise RefusedError(Refusal.ISSUER)
        return client

    def _key(self, client: Client, header: Mapping[str, Any]) -> PyJWK:
        for refusal in _header_faults(client, header):
            raise RefusedError(refusal)
        kid, algorithm = header["kid"], header["alg"]
        key = public_key(client.jwks.get("keys", ()), kid, algorithm)
        addresses = (header["jku"],) if "jku" in header else client.jku
        for url in addresses:
            key = key or self.key_sets.key(url, kid, algorithm)
        if key is None:
            raise RefusedError(Refusal.KEY)
        return key


_OBJECT = msgspec.json.Decoder(dict[str, Any])


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, not verified yet."""
    pieces = token.split(".")
    if len(token) > _LONGEST_TOKEN or len(pieces) != 3 or not token.isascii():
        raise RefusedError(Refusal.MALFORMED)
    try:
        header, claims = (
            _OBJECT.decode(urlsafe_b64decode(piece + "=" * (-len(piece) % 4)))
            for piece in pieces[:2]
        )
    except (ValueError, RecursionError, msgspec.DecodeError):
        raise RefusedError(Refusal.MALFORMED) from None
    return header, claims


def _header_faults(client: Client, header: Mapping[str, Any]) -> Iterator[Refusal]:
    if str(header.get("typ", "JWT")).upper() != "JWT":
        yield Refusal.TYPE
    # No extension is supported, so any critical extension must be refused.
    if "crit" in header or "b64" in header:
        yield Refusal.CRITICAL
    if header.get("alg") not in client.algorithms:
        yield Refusal.ALGORITHM
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        yield Refusal.KEY_ID
    if "jku" in header and header["jku"] not in client.jku:
        yield Refusal.KEY_ADDRESS


def _signed_claims(token: str, key: PyJWK, algorithm: str) -> dict[str, Any]:
    try:
        payload: bytes = PyJWS().decode_complete(token, key, algorithms=[algorithm])["payload"]
        return _OBJECT.decode(payload)
    except (PyJWTError, msgspec.DecodeError, ValueError, RecursionError):
        raise RefusedError(Refusal.SIGNATURE) from None


def _faults(
    client: Client, claims: Mapping[str, Any], accepted: Sequence[str], now: float
) -> Iterator[Refusal]:
    """The failed check of the claims of a token with a valid signature."""
    if not _names(claims.get("aud"), accepted):
        yield Refusal.AUDIENCE
    ahead = now + client.clock_skew_seconds
    expires, issued = _moment(claims.get("exp")), _moment(claims.get("iat"))
    if expires is None or expires <= now:
        yield Refusal.EXPIRED
    if issued is None or issued > ahead:
        yield Refusal.ISSUED
    begins = _moment(claims.get("nbf", now))
    if begins is None or begins > ahead:
        yield Refusal.NOT_YET
    if (expires or 0) - (issued or 0) > client.max_lifetime_seconds:
        yield Refusal.LIFETIME
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
        yield Refusal.ID
    if client.tenants and claims.get("tenant") not in client.tenants:
        yield Refusal.TENANT


def _names(audience: Any, accepted: Sequence[str]) -> bool:
    named = audience if isinstance(audience, list) else [audience]
    return any(url in named for url in accepted)


def _moment(value: Any) -> float | None:
    """Seconds since 1970, if the claim contains that."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
