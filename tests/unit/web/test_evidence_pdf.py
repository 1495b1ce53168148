"""The evidence page as PDF, made by the real library where it is installed."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.cli.main import main
from cds_service.settings import Settings
from cds_service.web.pages import evidence, typesetting
from cds_service.web.parts import parts_of
from tests.docs.test_openapi_answers import PDF, assert_described

if TYPE_CHECKING:
    from pypdf import PdfReader

pytestmark = pytest.mark.slow


def library_works() -> bool:
    """Whether WeasyPrint and the C library that it needs are on this machine."""
    try:
        import weasyprint
    except (ImportError, OSError):
        return False
    return bool(weasyprint.__version__)


needs_library = pytest.mark.skipif(
    not library_works(), reason="WeasyPrint or Pango is not on this machine (make install-pdf)"
)
SITE = "site: {id: st-mary, title: St Mary}\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    folder = tmp_path_factory.mktemp("pdf")
    file = folder / "site.yaml"
    file.write_text(SITE, encoding="utf-8")
    return create_app(Settings(site_file=str(file), data_dir=str(folder))).test_client()


@pytest.fixture(scope="module")
def printed(site: FlaskClient) -> PdfReader:
    from pypdf import PdfReader

    answer = site.get(PDF)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert_described(answer, "GET", PDF)
    assert "inline" in answer.headers["Content-Disposition"]
    return PdfReader(io.BytesIO(answer.data))


@needs_library
def test_each_page_has_its_number_the_version_and_the_site(
    printed: PdfReader, site: FlaskClient
) -> None:
    told = site.get("/evidence.json").json
    total = len(printed.pages)
    assert 20 < total < 120
    for number, page in enumerate(printed.pages, 1):
        text = page.extract_text()
        assert f"Page {number} of {total}" in text
        assert f"Knowledge {told['version']}" in text
        assert f"Site st-mary+{told['site']['hash']}" in text
        assert "Not yet approved for patient care" in text


@needs_library
def test_the_pages_have_the_cards_the_tables_and_the_form(
    printed: PdfReader, site: FlaskClient
) -> None:
    told = site.get("/evidence.json").json
    whole = plain("".join(page.extract_text() for page in printed.pages))
    for card in told["cards"]:
        assert plain(card["title"]) in whole, card["id"]
    for row in told["specification"]:
        assert plain(row["title"]) in whole, row["id"]
    last = "".join(page.extract_text() for page in printed.pages[-2:])
    for words in ("Signed by the committee", "Name", "Signature", "Medical director"):
        assert words in last
    assert told["version"].partition("+")[2] in last
    assert "On this page" not in whole, "what only a screen needs is left out"


@needs_library
def test_links_lead_inside_the_document_or_to_papers(printed: PdfReader) -> None:
    addresses = {
        str(note.get_object()["/A"]["/URI"])
        for page in printed.pages
        for note in page.get("/Annots", ())
        if "/URI" in note.get_object().get("/A", {})
    }
    assert any(address.startswith("https://doi.org/") for address in addresses)
    assert [address for address in addresses if address.startswith("file:")] == []


@needs_library
def test_a_second_request_gets_the_same_file(site: FlaskClient, printed: PdfReader) -> None:
    assert printed.pages
    first, second = (site.get(PDF).data for _ in "ab")
    assert first == second


def test_without_the_library_the_answer_is_a_line(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typesetting, "_LIBRARY", "a_package_that_is_not_there")
    answer = client.get(PDF)
    assert answer.status_code == 501
    assert_described(answer, "GET", PDF)
    (issue,) = answer.get_json()["issue"]
    assert "make install-pdf" in issue["details"]["text"]


def test_the_command_says_so_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(typesetting, "_LIBRARY", "a_package_that_is_not_there")
    assert main(["evidence", "--pdf", str(tmp_path / "e.pdf")]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("PDF needs WeasyPrint")
    assert not (tmp_path / "e.pdf").exists()


def test_a_request_while_the_file_is_made_is_told_to_come_back(client: FlaskClient) -> None:
    made = parts_of(client.application).once(evidence._pdf)
    with made._lock:
        answer = client.get(PDF)
    assert answer.status_code == 503
    assert "in a minute" in answer.get_json()["issue"][0]["details"]["text"]


@needs_library
def test_typesetting_has_a_time_limit() -> None:
    with pytest.raises(typesetting.TypesettingError, match=r"within 0\.01 seconds"):
        typesetting.typeset("<p>x</p>", "", seconds=0.01)


@needs_library
def test_a_page_cannot_make_the_library_read_or_ask_for_something(tmp_path: Path) -> None:
    from pypdf import PdfReader

    secret = tmp_path / "secret.html"
    secret.write_text("<p>open sesame</p>", encoding="utf-8")
    where = secret.as_uri()
    asked = (
        f'<link rel="stylesheet" href="{where}"><img src="{where}">'
        f'<a rel="attachment" href="{where}">x</a>'
    )
    made = typesetting.typeset(f"<title>t</title>{asked}<p>harmless</p>", "")
    assert b"sesame" not in made
    text = PdfReader(io.BytesIO(made)).pages[0].extract_text()
    assert "harmless" in text


@needs_library
def test_a_failure_of_the_process_is_one_line(
    monkeypatch: pytest.MonkeyPatch, client: FlaskClient
) -> None:
    monkeypatch.setattr(typesetting.sys, "executable", shutil.which("false"))
    answer = client.get(PDF)
    assert answer.status_code == 500
    assert_described(answer, "GET", PDF)
    assert answer.get_json()["issue"][0]["details"]["text"] == (
        "WeasyPrint could not make the PDF: it failed."
    )


def test_the_command_writes_what_the_address_returns(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole page takes half a minute, so the library makes a short one here."""
    short = library_works()
    made = typesetting.typeset("<title>t</title><p>x</p>", "") if short else b"%PDF-1.7"
    monkeypatch.setattr(evidence, "require_library", lambda: None)
    monkeypatch.setattr(evidence, "typeset", lambda *_: made)
    monkeypatch.setenv("CDS_DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/none")
    assert main(["evidence", "--pdf", str(tmp_path / "e.pdf")]) == 0
    assert (tmp_path / "e.pdf").read_bytes() == made
    assert main(["evidence", "--pdf", str(tmp_path / "no" / "e.pdf")]) == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith("this folder does not exist")


def plain(text: str) -> str:
    """Letters and digits alone: lines of a PDF break anywhere."""
    return re.sub(r"[^a-z0-9]", "", text.lower())
