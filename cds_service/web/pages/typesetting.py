"""Typeset a page of this service as PDF, in a process of its own.

Run as `python -m cds_service.web.pages.typesetting`, it reads HTML from standard input and writes the
PDF to standard output. The library needs seconds and much memory, which hook calls must not share.
It reads only the style sheets of this package, and opens no connection.
"""

from __future__ import annotations

import subprocess  # nosec B404 - it starts this module only
import sys
from importlib.resources import files
from importlib.util import find_spec
from typing import Final

SECONDS: Final = 180
_LIBRARY: Final = "weasyprint"
_STYLES: Final = ("base.css", "evidence.css")


class TypesettingError(Exception):
    """The PDF could not be made. The text is one line for the reader, without data."""


class NotInstalledError(TypesettingError):
    """The library is not installed."""


def require_library() -> None:
    """Raise `NotInstalledError` if the library is not installed."""
    if find_spec(_LIBRARY) is None:
        raise NotInstalledError(
            "PDF needs WeasyPrint, which is not installed here (make install-pdf)."
            " The page can be printed by a browser instead."
        )


def typeset(html: str, print_style: str, seconds: float = SECONDS) -> bytes:
    """The PDF of a page. `print_style` is a style sheet for the margins of the pages.

    Raises `TypesettingError` with one line if it cannot be made in this time.
    """
    require_library()
    command = [sys.executable, "-m", __name__, print_style]
    try:
        done = subprocess.run(  # noqa: S603  # nosec B603 - our own module, and no shell
            command, input=html.encode(), capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise TypesettingError(f"The PDF was not finished within {seconds:g} seconds.") from None
    if done.returncode != 0 or not done.stdout.startswith(b"%PDF"):
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        why = "Pango is missing" if "cannot load library" in "".join(last) else "it failed"
        raise TypesettingError(f"WeasyPrint could not make the PDF: {why}.")
    return done.stdout


def main() -> int:
    """Read HTML, write PDF. The style sheet for the margins is the only argument."""
    import weasyprint

    # Style sheets are passed in, so no address that a page names is read, of any kind.
    fetch_nothing = weasyprint.urls.URLFetcher(allowed_protocols=())
    folder = files(__package__).joinpath("static", "css")
    texts = [folder.joinpath(name).read_text(encoding="utf-8") for name in _STYLES]
    sheets = [weasyprint.CSS(string=text) for text in (*texts, sys.argv[1])]
    page = weasyprint.HTML(string=sys.stdin.read(), url_fetcher=fetch_nothing)
    sys.stdout.buffer.write(page.write_pdf(stylesheets=sheets, pdf_variant="pdf/ua-1"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
