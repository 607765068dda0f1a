"""Every page of the showcase: nothing that axe-core finds, no word in the console, nothing over the edge."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page
from pytest_django.live_server_helper import LiveServer

from tests.browser.axe import violations
from tests.browser.screenshots import HEIGHT, Camera
from tests.browser.showcase import make_showcase

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

EXPECTED = "status of 4"
"""Chromium's own line about a page that answers 404 or 422, which some pages are there to show."""


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_pages_are_accessible_and_silent(
    live_server: LiveServer, browser: Browser, tmp_path: Path, width: int, theme: Any
) -> None:
    camera = Camera(live_server.url, tmp_path, "", make_showcase())
    faults: list[str] = []
    checked: list[str] = []

    def check(page: Page, name: str) -> None:
        checked.append(name)
        faults.extend(f"{name}: {fault}" for fault in violations(page))
        over = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if over > 0 and not name.startswith("print-"):  # paper is wider than a phone
            faults.append(f"{name} runs {over} px over the edge")

    def listen(message: ConsoleMessage) -> None:
        if EXPECTED not in message.text:
            faults.append(f"{message.page.url if message.page else ''} says: {message.text}")

    for walk in (camera.strangers, camera.labelers, camera.staff, camera.researchers):
        context = browser.new_context(
            viewport={"width": width, "height": HEIGHT}, color_scheme=theme, reduced_motion="reduce"
        )
        context.set_default_timeout(20_000)
        page = camera.watched(context)
        page.on("console", listen)
        walk(page, check)
        context.close()
    assert len(checked) > 30
    found = [*faults, *camera.faults]
    assert not found, "\n".join(found)
