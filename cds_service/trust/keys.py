"""Select the key of a key set that matches a token, and detect unusable keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWKError, PyJWTError

_SHORTEST_RSA_BITS = 2048

# The requirements of an algorithm on a key: its type, and for elliptic curves the curve.
_KEY_OF: Mapping[str, tuple[str, str | None]] = {
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    **{f"{family}{bits}": ("RSA", None) for family in ("RS", "PS") for bits in (256, 384, 512)},
}
_ALGORITHM_FOR = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}


def public_key(keys: Any, kid: str, algorithm: str) -> PyJWK | None:
    """The key with this id in a list of JWKs, if it can be used with this algorithm."""
    for jwk in _objects(keys):
        if jwk.get("kid") == kid and _fits(jwk, algorithm):
            found = _read(jwk, algorithm)
            if found is not None:
                return found
    return None


def unusable_key(jwk: Mapping[str, Any]) -> str:
    """The reason why a key cannot verify any token, or "" if it can."""
    algorithm = jwk.get("alg") or _ALGORITHM_FOR.get(str(jwk.get("crv")), "RS384")
    if algorithm not in _KEY_OF:
        return f"has an alg other than {', '.join(_KEY_OF)}"
    if not _fits(jwk, algorithm):
        return "is not a key for verifying signatures with its alg"
    if _read(jwk, algorithm) is None:
        return f"cannot be read, or is an RSA key of less than {_SHORTEST_RSA_BITS} bits"
    return ""


def keys_in(body: bytes) -> list[dict[str, Any]]:
    """The JWKs in the text of a key set. Raises `ValueError`."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("not JSON") from None
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise ValueError("not a key set")  # noqa: TRY004 - of the text, not of an argument
    return list(_objects(keys))


def _objects(keys: Any) -> Iterator[dict[str, Any]]:
    return (jwk for jwk in keys if isinstance(jwk, dict))


def _fits(jwk: Mapping[str, Any], algorithm: str) -> bool:
    kty, curve = _KEY_OF[algorithm]
    operations = jwk.get("key_ops")
    return (
        jwk.get("kty") == kty
        and (curve is None or jwk.get("crv") == curve)
        and jwk.get("alg", algorithm) == algorithm
        and jwk.get("use", "sig") == "sig"
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
    )


def _read(jwk: Mapping[str, Any], algorithm: str) -> PyJWK | None:
    public = {name: value for name, value in jwk.items() if name in _PUBLIC_MEMBERS}
    try:
        key = PyJWK(public, algorithm)
    except (PyJWKError, PyJWTError, ValueError, TypeError):
        return None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < _SHORTEST_RSA_BITS:
        return None
    return key


_PUBLIC_MEMBERS = frozenset({"kty", "crv", "x", "y", "n", "e"})
