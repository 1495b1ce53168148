"""`token`: a test key pair, its entry in the file of clients, and a signed call for integrators."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cds_service.cli.errors import CommandError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_ALGORITHM = "ES384"
_PRIVATE = "private-key.pem"
_CLIENTS = "clients.json"
_OWNER_ONLY = 0o600
_SECONDS = 300


def new_client(folder: str, iss: str, name: str, audience: str, lifetime: int) -> None:
    """Make a key pair in a new folder, with a file of clients that trusts it.

    `audience` is the `aud` of its tokens, or "" if they name the called URL. `lifetime` is how many
    seconds they may be valid.
    """
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    place = Path(folder)
    if (place / _PRIVATE).exists() or (place / _CLIENTS).exists():
        raise CommandError(f"{folder} has a key or a file of clients already; nothing was changed.")
    key = ec.generate_private_key(ec.SECP384R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    entry: dict[str, Any] = {"name": name, "iss": iss, "jwks": {"keys": [_public(key)]}}
    if audience:
        entry["audiences"] = [audience]
    entry["maxLifetimeSeconds"] = lifetime
    try:
        place.mkdir(parents=True, exist_ok=True)
        (place / _PRIVATE).touch(mode=_OWNER_ONLY)
        (place / _PRIVATE).write_bytes(pem)
        (place / _CLIENTS).write_text(json.dumps({"clients": [entry]}, indent=2) + "\n")
    except OSError as error:
        raise CommandError(f"{folder} cannot be written: {error.strerror}.") from None
    print(f"{place / _PRIVATE}: the private key. For tests only; keep it out of version control.")
    print(f"{place / _CLIENTS}: start the service with CDS_CLIENTS_FILE set to this file,")
    print("and CDS_PUBLIC_URL set to the address under which the client calls it.")


def sign(folder: str, url: str, body: str, lifetime: int, tenant: str, audience: str) -> None:
    """Print a token for a URL; with a body, the whole call as a command for curl.

    `audience` is the `aud` of the token, or "" for the URL.
    """
    token = new_token(Path(folder), audience or url, lifetime, tenant)
    if not body:
        print(token)
        return
    print("curl --silent --show-error \\")
    print("  --header 'Content-Type: application/json' \\")
    print(f"  --header 'Authorization: Bearer {token}' \\")
    print(f"  --data @{body} {url}")


def new_token(place: Path, audience: str, lifetime: int, tenant: str = "") -> str:
    """A token for one call, valid for these seconds, signed by the test client in a folder.

    Raises `CommandError` if the folder is not one of `token new`.
    """
    import jwt

    key, entry = _key(place), _entry(place)
    now = int(time.time())
    claims = {
        "iss": entry["iss"],
        "aud": audience,
        "iat": now,
        "exp": now + lifetime,
        "jti": str(uuid.uuid4()),
    }
    if tenant:
        claims["tenant"] = tenant
    kid = entry["jwks"]["keys"][0]["kid"]
    return jwt.encode(claims, key, _ALGORITHM, {"kid": kid})


def call_token(place: Path, url: str) -> str:
    """A token for one call of a URL, with the `aud` and the lifetime of the client in a folder.

    Raises `CommandError` if the folder is not one of `token new`.
    """
    entry = _entry(place)
    lifetime = min(entry.get("maxLifetimeSeconds", _SECONDS), _SECONDS)
    return new_token(place, next(iter(entry.get("audiences", ())), url), lifetime)


def _public(key: EllipticCurvePrivateKey) -> dict[str, Any]:
    from jwt.algorithms import ECAlgorithm

    jwk: dict[str, Any] = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return jwk | {"kid": str(uuid.uuid4()), "use": "sig", "alg": _ALGORITHM}


def _key(place: Path) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key((place / _PRIVATE).read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        key = None
    if not isinstance(key, EllipticCurvePrivateKey):
        text = f"{place} holds no test key. Make one: python -m cds_service token new {place} --iss URL"
        raise CommandError(text)
    return key


def _entry(place: Path) -> dict[str, Any]:
    try:
        entry: dict[str, Any] = json.loads((place / _CLIENTS).read_text())["clients"][0]
        if isinstance(entry["iss"], str) and entry["jwks"]["keys"][0]["kid"]:
            return entry
    except (OSError, ValueError, LookupError, TypeError):
        pass
    raise CommandError(f"{place / _CLIENTS} is not the file of clients that `token new` made.")
