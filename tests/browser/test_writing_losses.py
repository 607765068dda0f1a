"""A killed server and a dropped connection in the middle of writing lose nothing that was acknowledged."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect

from labeling.models import Demonstration, Draft, Receipt, TaskKind
from tests.factories import PASSWORD, UserFactory, claimed, qualified_labeler, writing_batch
from tests.labeling.rules.test_queue_processes import environment
from tests.services.machine import ROOT
from tests.services.processes import free_port, stop

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

SAVED = re.compile(r"saved \d\d:\d\d:\d\d")
START_SECONDS = 60


class Server:
    """The product in a process of its own, on this test's database; it can be killed and started again."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{self.port}"],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=self.log.open("ab"),
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(URLError, OSError), urlopen(f"{self.url}/healthz", timeout=5):
                return
            time.sleep(0.2)  # nothing tells when a port is open but the port
        pytest.fail(f"the server did not answer: {self.log.read_text()[-2000:]}")

    def kill(self) -> None:
        """End it at once, as a crash or a lost machine does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None:
            stop(self.process)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "log")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def writer(browser: Browser, server: Server) -> Iterator[Page]:
    """A page at a demonstration of Alice's; its console may say that the connection was lost."""
    user = UserFactory.create(email="alice@example.org")
    alice = qualified_labeler(user=user)
    writing_batch(tasks=1)
    slot = claimed(alice, TaskKind.DEMONSTRATION)
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{server.url}/accounts/login/?next=/demonstrations/{slot.code}/write/")
    page.get_by_label("Email").fill("alice@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_label("Your response", exact=True)).to_be_visible()
    yield page
    context.close()


def test_a_killed_server_loses_no_saved_word_and_the_browser_keeps_the_rest(
    server: Server, writer: Page
) -> None:
    text = writer.get_by_label("Your response", exact=True)
    text.press_sequentially("Acknowledged words.")
    expect(writer.locator("[data-save-status]")).to_have_text(SAVED, timeout=30_000)
    server.kill()
    assert Draft.objects.get().payload == {"text": "Acknowledged words."}
    text.press_sequentially(" Words in the dark.")
    expect(writer.locator("[data-save-status]")).to_contain_text("kept in this browser")
    server.start()
    expect(writer.locator("[data-save-status]")).to_have_text(SAVED, timeout=30_000)
    assert Draft.objects.get().payload == {"text": "Acknowledged words. Words in the dark."}


def test_a_submission_to_a_killed_server_is_repeated_and_recorded_once(server: Server, writer: Page) -> None:
    text = writer.get_by_label("Your response", exact=True)
    text.press_sequentially("Sent into the void.")
    server.kill()
    writer.keyboard.press("Control+Enter")
    expect(writer.locator("[data-save-status]")).to_contain_text("nothing is lost")
    server.start()
    writer.keyboard.press("Control+Enter")
    expect(writer.get_by_role("heading", name="Recorded")).to_be_visible()
    assert Demonstration.objects.get().text == "Sent into the void."
    assert Receipt.objects.count() == 1


def test_a_crashed_browser_finds_what_the_server_acknowledged(server: Server, writer: Page) -> None:
    text = writer.get_by_label("Your response", exact=True)
    text.press_sequentially("Before the crash.")
    expect(writer.locator("[data-save-status]")).to_have_text(SAVED, timeout=30_000)
    server.kill()
    server.start()
    writer.evaluate("localStorage.clear()")
    writer.reload()
    expect(writer.get_by_label("Your response", exact=True)).to_have_value("Before the crash.")


def test_a_dropped_connection_loses_nothing(writer: Page) -> None:
    text = writer.get_by_label("Your response", exact=True)
    text.press_sequentially("Online.")
    expect(writer.locator("[data-save-status]")).to_have_text(SAVED, timeout=30_000)
    writer.context.set_offline(True)
    text.press_sequentially(" In the tunnel.")
    expect(writer.locator("[data-save-status]")).to_contain_text("kept in this browser")
    writer.context.set_offline(False)
    expect(writer.locator("[data-save-status]")).to_have_text(SAVED, timeout=30_000)
    assert Draft.objects.get().payload == {"text": "Online. In the tunnel."}
    writer.keyboard.press("Control+Enter")
    expect(writer.get_by_role("heading", name="Recorded")).to_be_visible()
    assert Demonstration.objects.get().text == "Online. In the tunnel."
