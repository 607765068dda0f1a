"""The first page of a task, in a browser that has seen nothing yet: light, few requests, no other host."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from playwright.sync_api import Browser, Page, expect

from labeling.models import TaskKind
from labeling.rules import batches
from labeling.views.assignments import page_of
from server.serve import production_web_command
from tests.factories import (
    PASSWORD,
    PromptFactory,
    ResponseFactory,
    UserFactory,
    claimed,
    qualified_labeler,
    writing_batch,
)
from tests.labeling.rules.test_queue_processes import environment
from tests.labeling.rules.test_written_prompts import prompt_batch
from tests.services.machine import ROOT
from tests.services.processes import free_port, stop

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

MAX_BYTES = 150_000
MAX_REQUESTS = 12
START_SECONDS = 60
WORDS = "The quick answer names its sources, and the long one says why they may be wrong. "


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The product as a server serves it: gunicorn, static files hashed and compressed."""
    port = free_port()
    variables = environment() | {
        "DJANGO_SETTINGS_MODULE": "server.settings.production",
        "SECRET_KEY": "only for measuring how heavy the pages of a test are " * 2,
        "ALLOWED_HOSTS": "127.0.0.1",
        "HTTPS_ONLY": "no",
        "DATA_DIR": str(tmp_path),
    }
    collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
    subprocess.run(collect, cwd=ROOT, env=variables, check=True)
    address = f"127.0.0.1:{port}"
    log = tmp_path / "log"
    with log.open("wb") as output:
        web = subprocess.Popen(
            production_web_command(address, workers=1),
            cwd=ROOT,
            env=variables,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_for(f"http://{address}/healthz", web, log)
        yield f"http://{address}"
    finally:
        stop(web)


def wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(URLError, OSError), urlopen(url, timeout=5):
            return
        time.sleep(0.2)  # nothing tells when a port is open but the port
    pytest.fail(f"the server did not answer: {log.read_text()[-2000:]}")


@pytest.mark.parametrize("kind", [TaskKind.COMPARISON, TaskKind.DEMONSTRATION, TaskKind.PROMPT])
def test_first_task_page_is_light(browser: Browser, served: str, kind: TaskKind) -> None:
    state = browser.new_context()
    path = page_to_measure(kind)
    log_in(state.new_page(), f"{served}/accounts/login/?next={path}")
    cold = browser.new_context(storage_state=state.storage_state())  # the login, without what it cached
    page = cold.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    traffic = cold.new_cdp_session(page)
    weights: dict[str, float] = {}
    addresses: list[str] = []
    traffic.on("Network.requestWillBeSent", lambda event: addresses.append(event["request"]["url"]))
    traffic.on(
        "Network.loadingFinished",
        lambda event: weights.__setitem__(event["requestId"], event["encodedDataLength"]),
    )
    traffic.send("Network.enable")
    page.goto(f"{served}{path}", wait_until="networkidle")
    expect(page.locator("form[data-started-drafts]")).to_be_visible()
    asked = [url for url in addresses if not url.startswith("data:")]
    if not any(url.endswith(".svg") for url in asked):
        asked.append(f"{served}/static/icon.svg")  # a browser with a window asks for it too
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(served).netloc}
    assert said == []
    assert len(asked) <= MAX_REQUESTS, "\n".join(asked)
    weight = sum(weights.values())
    assert weight < MAX_BYTES, f"{weight:.0f} bytes\n" + "\n".join(asked)
    cold.close()
    state.close()


def test_pages_and_static_files_are_compressed_and_static_ones_kept_for_good(served: str) -> None:
    with urlopen(Request(f"{served}/accounts/login/", headers={"Accept-Encoding": "gzip"})) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
    with urlopen(f"{served}/accounts/login/") as answer:
        found = re.search(r"/static/css/base\.[0-9a-f]{12}\.css", answer.read().decode())
    assert found
    with urlopen(Request(served + found[0], headers={"Accept-Encoding": "gzip"})) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert "immutable" in answer.headers["Cache-Control"]


def page_to_measure(kind: TaskKind) -> str:
    """Make a task of a labeler's; return the address of its page."""
    user = UserFactory.create(email="alice@example.org")
    hasher = Argon2PasswordHasher()  # what production reads; the tests' own hash is not among it
    user.password = hasher.encode(PASSWORD, hasher.salt())
    user.save()
    alice = qualified_labeler(user=user)
    if kind == TaskKind.COMPARISON:
        batch = batches.create_batch(name="Ranking", kind=kind, k=9)
        prompt = PromptFactory.create(text=WORDS * 5)
        responses = [ResponseFactory.create(prompt=prompt, text=f"{n}. {WORDS * 12}") for n in range(9)]
        batches.add_ranked_task(batch=batch, prompt=prompt, responses=responses)
        batches.open_batch(batch=batch)
    elif kind == TaskKind.PROMPT:
        prompt_batch(1)
    else:
        writing_batch(tasks=1)
    return page_of(claimed(alice, kind))


def log_in(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_label("Email").fill("alice@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("form[data-started-drafts]")).to_be_visible()
