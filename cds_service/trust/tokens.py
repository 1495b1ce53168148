"""Checking the token of a call, one named check after the other.

Until the signature holds, a caller learns no more than that it does not: which issuers, algorithms
and keys are known is for nobody to probe. After it, the text names the check that failed.
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
    """Which check failed: for our logs and metrics."""

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
    Refusal.AUDIENCE: "aud is not the one that is expected here.",
    Refusal.EXPIRED: "exp is missing, no number, or past.",
    Refusal.ISSUED: "iat is missing, no number, or in the future.",
    Refusal.NOT_YET: "nbf is no number, or in the future.",
    Refusal.LIFETIME: "exp is too long after iat.",
    Refusal.ID: "jti is missing, empty, or too long.",
    Refusal.REPLAYED: "A token with this jti has been used.",
    Refusal.TENANT: "tenant is not one that is registered.",
}
"""What a caller is told."""


class RefusedError(Exception):
    """A token is not accepted. `expected` is what a claim should have been, where that may be said."""

    def __init__(self, refusal: Refusal, expected: str = "") -> None:
        super().__init__(refusal)
        self.refusal = refusal
        self.expected = expected

    @property
    def text(self) -> str:
        """What the caller is told."""
        told = TEXTS[self.refusal]
        return f"{told} Expected: {self.expected}" if self.expected else told


class Checked(msgspec.Struct, frozen=True):
    """A token that is good so far: whose it is, and what is needed to use it up."""

    client: Client
    jti: str
    expires: float


class Verifier(msgspec.Struct, frozen=True):
    """Checks tokens against the trusted clients."""

    clients: Clients
    key_sets: KeySets
    ledger: Ledger
    now: Callable[[], float]

    def verify(self, token: str | None, url: str) -> Client:
        """The client that calls this URL; raises `RefusedError`, or `LedgerError`."""
        checked = self.check(token, url)
        self.use_up(checked)
        return checked.client

    def check(self, token: str | None, url: str) -> Checked:
        """Check all that the head of a call allows: form, signature and claims.

        The token can still be used afterwards. Raises `RefusedError`, or `LedgerError` where the
        client's keys are kept in the ledger and it cannot be read.
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
            # The signature is good, so the caller may learn how its client is configured.
            expected = " or ".join(accepted) if refusal is Refusal.AUDIENCE else ""
            raise RefusedError(refusal, expected)
        return Checked(client, claims["jti"], claims["exp"])

    def use_up(self, checked: Checked) -> None:
        """Use up a token, when its whole call is there; raises `RefusedError` for a second use."""
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
    """Header and claims, as yet believed by nobody."""
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
    # We know no extension, so none that must be understood is.
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
    """What is wrong with the claims of a token with a good signature."""
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
    """Seconds since 1970, if that is what a claim holds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
