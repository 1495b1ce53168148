"""One form of the words in texts and displays, for the lists of words in the knowledge."""

from __future__ import annotations

import re
import unicodedata

_NO_WORD = re.compile(r"[^\w]+|_+")


def fold(text: str) -> str:
    """Lower case, without accents, anything but letters and digits as one space, a space around.

    `" renal" in fold(text)` asks for a word that begins so, `" aki "` for the whole word.
    """
    plain = text.casefold()
    if not plain.isascii():
        decomposed = unicodedata.normalize("NFKD", plain)
        plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return f" {' '.join(_NO_WORD.sub(' ', plain).split())} "
