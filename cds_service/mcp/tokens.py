"""The tokens with which the service is called. Each can be used once, so each call needs its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

TokenFor = Callable[[str], str | None]
"""A token for a call of this URL, or `None` to call without one. Raises `TokenError`."""


class TokenError(Exception):
    """No token is available. The message is one line with the reason, and does not contain a token."""


def no_token(_: str) -> None:
    """For a service without clients, which serves only this machine."""


def from_file(file: Path) -> TokenFor:
    """The content of a file, read for each call: another program writes a new token there."""

    def token(_: str) -> str:
        try:
            text = file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            raise TokenError(f"The token file {file} cannot be read.") from None
        if not text or not text.isprintable() or " " in text:
            raise TokenError(f"The token file {file} does not contain a token.")
        return text

    return token
