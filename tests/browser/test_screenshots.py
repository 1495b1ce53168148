"""Pictures of the pages, for the docs and for looking at.

They are kept in the folder that SCREENSHOTS names: `SCREENSHOTS=docs/images make test ARGS="-k pictures"`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .session import Sandbox

if TYPE_CHECKING:
    from playwright.sync_api import Page

LARGEST = 300_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    chosen = Path(os.environ.get("SCREENSHOTS", tmp_path))
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen


def test_pictures_of_the_pages(opens: Callable[..., Page], site: str, folder: Path) -> None:
    light = Sandbox(opens(viewport={"width": 1400, "height": 780}), site)
    light.open("marigold-fenwick")
    light.shoot(folder / "sandbox.png")
    dark = Sandbox(opens(viewport={"width": 1400, "height": 900}, color_scheme="dark"), site)
    dark.open("winifred-blackthorn", "order-select", "magnesium")
    dark.shoot(folder / "sandbox-order.png")
    light.page.goto(site + "/evidence#flow")
    light.shoot(folder / "evidence.png")
    for picture in folder.glob("*.png"):
        assert 10_000 < picture.stat().st_size < LARGEST
