"""A served product, a person with a password, and a page that is logged in."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from labeling.models import Labeler
from tests.factories import PASSWORD, UserFactory, qualified_labeler

LogIn = Callable[[str], None]
LAST_WORDS_SECONDS = 10.0
PATIENCE_MS = 30_000
"""How long a page may take on a busy machine, the first one of a cold process above all."""
expect.set_options(timeout=PATIENCE_MS / 2)


@pytest.fixture
def quiet_server(live_server: LiveServer) -> Iterator[None]:
    """Wait, when the page is closed, until the server has answered its last words.

    Emptying the tables while a request still reads them can deadlock PostgreSQL.
    """
    yield
    deadline = time.monotonic() + LAST_WORDS_SECONDS
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(max(0.0, deadline - time.monotonic()))


@pytest.fixture
def page(quiet_server: None, page: Page) -> Page:
    """The page, closed before the server and its rows go: a leaving page still sends its last words."""
    page.set_default_timeout(PATIENCE_MS)
    return page


@pytest.fixture
def alice(live_server: LiveServer) -> Labeler:
    """A labeler qualified for everything, in Berlin."""
    user = UserFactory.create(email="alice@example.org", name="Alice", time_zone="Europe/Berlin")
    return qualified_labeler(user=user, pseudonym="L-ALICE")


@pytest.fixture
def log_in(page: Page, live_server: LiveServer) -> LogIn:
    """Log in by the login page, as people do."""

    def by_form(email: str) -> None:
        page.goto(f"{live_server.url}/accounts/login/")
        page.get_by_label("Email").fill(email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/work/")

    return by_form
