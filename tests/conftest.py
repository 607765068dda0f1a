"""What every test can ask for: a browser, real material, and a database as the environment names it.

DATABASE_URL and REDIS_URL choose PostgreSQL and Redis; without them tests run on SQLite and the file broker.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.services.machine import find_chromium, find_real_data

REQUIRE_SERVICES = os.environ.get("REQUIRE_SERVICES") == "1"
NO_REAL_DATA = "no real data: INSTRUCTLOOP_DATA names no folder, and there is no ../shared/data"
ANSWERED_FORM = ("status of 409", "status of 422")
"""A refused form is an answer, though browsers call it an error."""
skipped_reasons: dict[str, int] = {}

hypothesis_settings.register_profile(
    "project",
    deadline=None,  # two busy cores make honest code slow
    derandomize=True,  # the same examples every time
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.load_profile("project")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("real_data") and find_real_data() is None:
        pytest.skip(f"LEFT OUT: {NO_REAL_DATA}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple) and "LEFT OUT: " in report.longrepr[2]:
        reason = report.longrepr[2].partition("LEFT OUT: ")[2]
        skipped_reasons[reason] = skipped_reasons.get(reason, 0) + 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for reason, count in skipped_reasons.items():
        terminalreporter.write_line(f"LEFT OUT: {count} tests: {reason}", red=True, bold=True)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real material; only for tests marked real_data."""
    folder = find_real_data()
    assert folder is not None, "mark the test with @pytest.mark.real_data"
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, one for the whole session."""
    path = find_chromium()
    if path is None:
        if REQUIRE_SERVICES:
            pytest.fail("Chromium is not installed and REQUIRE_SERVICES=1")
        pytest.skip("LEFT OUT: Chromium is not installed (CHROMIUM may name it)")
    # Playwright keeps an event loop in this thread; Django's database calls are still made one at a time.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's sandbox refuses root
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()
    os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page of 1280 by 900; the test fails if the page wrote an error to its console."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(status in message.text for status in ANSWERED_FORM):
            errors.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors, f"the browser's console has errors: {errors}"
