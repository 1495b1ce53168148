"""A real browser on a real server: Debian's chromium, driven by Playwright, on loopback.

Skipped, with the reason shown, where there is no chromium or no Playwright.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.serving import make_server

from .session import Sandbox

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

HERE = Path(__file__).parent
# As root and without a network of its own: no sandbox, and nothing that phones home.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@contextmanager
def service(folder: Path, **settings: Any) -> Iterator[str]:
    """The address of a service that keeps its feedback in a folder of its own."""
    from cds_service import create_app
    from cds_service.settings import Settings

    app = create_app(Settings(data_dir=str(folder), log_level="ERROR", **settings))
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service without a site file."""
    with service(tmp_path_factory.mktemp("browser")) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not on this machine (Debian: apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield launched
        launched.close()


Opens = Any


@pytest.fixture
def opens(browser: Browser, site: str) -> Iterator[Callable[..., Page]]:
    """Open pages with given options; afterwards nothing may have complained or left the host."""
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def open_page(**options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("console", lambda message: troubles.extend(_troubles_in(message)))
        page.on("request", lambda r: _is_elsewhere(r.url, site) and troubles.append(r.url))
        page.on("dialog", lambda dialog: troubles.append(f"dialog: {dialog.message}"))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def _troubles_in(message: ConsoleMessage) -> list[str]:
    """The errors in a message, except for a 412, the answer to a call without required data."""
    is_error = message.type == "error" and "status of 412" not in message.text
    return [f"console: {message.text}"] if is_error else []


def _is_elsewhere(url: str, site: str) -> bool:
    return not url.startswith((site, "data:", "blob:", "about:"))


@pytest.fixture
def sandbox(opens: Callable[..., Page], site: str) -> Sandbox:
    """The sandbox page in a fresh window."""
    return Sandbox(opens(), site)
