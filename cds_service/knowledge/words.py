"""One form of the words in texts and displays, for the lists of words in the knowledge."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+")
_ASCII_SPACES = {code: " " for code in range(128) if not chr(code).isalnum()}
"""Replaces what is no letter or digit of ASCII: most texts are ASCII, and this is the quick way."""


def fold(text: str) -> str:
    """Lower case, without accents, anything but letters and digits as one space, a space around.

    `" renal" in fold(text)` asks for a word that begins so, `" aki "` for the whole word.
    """
    plain = text.casefold()
    if plain.isascii():
        return f" {' '.join(plain.translate(_ASCII_SPACES).split())} "
    decomposed = unicodedata.normalize("NFKD", plain)
    plain = "".join([c for c in decomposed if not unicodedata.combining(c)])
    return f" {' '.join(_WORD.findall(plain))} "
