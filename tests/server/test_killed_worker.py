"""A worker of the web server killed in the middle of submissions: what it acknowledged is there, once."""

import http.client
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from knox.models import AuthToken

from labeling.models import Assignment, Labeler, Place, Ranking, Receipt, TaskKind
from server.serve import production_web_command
from tests.factories import qualified_labeler, ranked_batch
from tests.labeling.rules.test_queue_processes import environment
from tests.services.machine import ROOT
from tests.services.processes import free_port, stop

SECONDS = 60
TASKS, BEFORE, K = 60, 12, 3


class Person:
    """Works through the queue over HTTP, and sends again under the same key whatever got no answer."""

    def __init__(self, labeler: Labeler, port: int) -> None:
        self.port = port
        _, self.token = AuthToken.objects.create(labeler.user)
        self.acknowledged: list[str] = []
        self.unanswered = 0

    def work(self) -> None:
        while (task := self.send("/api/v1/tasks/next/", {"kind": "comparison"})) is not None:
            judged = [
                {"code": response["code"], "rank": place + 1, "likert": 4}
                for place, response in enumerate(task["responses"])
            ]
            path = f"/api/v1/assignments/{task['code']}/submit/"
            receipt = self.send(path, {"responses": judged}, key=str(uuid4()))
            assert receipt is not None
            self.acknowledged.append(receipt["code"])

    def send(self, path: str, body: dict[str, Any], key: str = "") -> dict[str, Any] | None:
        """Post until there is an answer; None where nothing is open."""
        headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
        headers |= {"Idempotency-Key": key} if key else {}
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            web = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
            try:
                web.request("POST", path, json.dumps(body), headers)
                answer = web.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException):
                self.unanswered += 1
                continue
            finally:
                web.close()
            assert answer.status in (200, 204), content
            found: dict[str, Any] | None = json.loads(content) if answer.status == 200 else None
            return found
        raise AssertionError("the server gave no answer")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """Two workers of the web server on this test's database."""
    port = free_port()
    variables = environment() | {"DATA_DIR": str(tmp_path), "ALLOWED_HOSTS": "127.0.0.1"}
    with (tmp_path / "log").open("wb") as output:
        web = subprocess.Popen(
            production_web_command(f"127.0.0.1:{port}", workers=2),
            cwd=ROOT, env=variables, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        yield port, web
    finally:
        stop(web)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_killed_worker_loses_and_doubles_nothing(served: tuple[int, "subprocess.Popen[bytes]"]) -> None:
    port, web = served
    ranked_batch(tasks=TASKS, k=K)
    people = [Person(qualified_labeler(TaskKind.COMPARISON), port) for _ in range(3)]
    threads = [threading.Thread(target=person.work) for person in people]
    for thread in threads:
        thread.start()
    for kills in range(1, 3):
        wait_until(lambda done=kills * BEFORE: sum(len(person.acknowledged) for person in people) >= done)
        for worker in workers_of(web.pid):
            os.kill(worker, signal.SIGKILL)
    for thread in threads:
        thread.join(SECONDS)
    acknowledged = [code for person in people for code in person.acknowledged]
    assert len(acknowledged) == len(set(acknowledged)) == TASKS
    assert set(acknowledged) == {str(code) for code in Receipt.objects.values_list("code", flat=True)}
    assert Ranking.objects.count() == Assignment.objects.submitted().count() == TASKS
    assert Ranking.objects.values("task").distinct().count() == TASKS
    assert Place.objects.count() == TASKS * K
    assert not Assignment.objects.leased().exists()


def workers_of(parent: int) -> list[int]:
    """Return the processes that gunicorn's first one has started."""
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def wait_until(holds: Any) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, "nothing was acknowledged"
        time.sleep(0.01)  # only the people know how far they are
