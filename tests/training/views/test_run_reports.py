"""A run's log as it grows and its samples over time, on their pages and for programs."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from labeling.models import Role, User
from tests.factories import UserFactory
from tests.training.factories import sft_run
from training.models import LogPiece, Run, RunState
from training.rules import run_execution
from training.rules.run_resources import store_samples

pytestmark = pytest.mark.django_db


@pytest.fixture
def dana() -> User:
    return UserFactory.create(role=Role.RESEARCHER)


@pytest.fixture
def client(dana: User) -> Client:
    client = Client()
    client.force_login(dana, backend="django.contrib.auth.backends.ModelBackend")
    return client


def piece(run: Run, text: str) -> LogPiece:
    return LogPiece.objects.create(run=run, end=0, text=text)


def test_the_log_is_asked_for_from_its_cursor_on_until_the_run_ends(client: Client) -> None:
    run = sft_run()
    first = piece(run, "step 1\n<script>alert(1)</script>\n")
    url = reverse("run-log", args=[run.code])
    page = client.get(url).content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert f"{url}?after={first.pk}" in page
    second = piece(run, "step 2\n")
    more = client.get(f"{url}?after={first.pk}", headers={"HX-Request": "true"}).content.decode()
    assert "step 2" in more
    assert "step 1" not in more
    assert f"?after={second.pk}" in more
    Run.objects.filter(pk=run.pk).update(state=RunState.FINISHED)
    last = client.get(f"{url}?after={second.pk}", headers={"HX-Request": "true"}).content.decode()
    assert "hx-get" not in last
    assert "The run has ended." in last


def test_a_run_that_printed_nothing_says_so(client: Client) -> None:
    run = sft_run()
    Run.objects.filter(pk=run.pk).update(state=RunState.FINISHED)
    assert "printed nothing" in client.get(reverse("run-log", args=[run.code])).content.decode()


def test_the_whole_log_is_a_file(client: Client) -> None:
    run = sft_run()
    piece(run, "\x1b[31mone\n")
    answer = client.get(reverse("run-log-file", args=[run.code]))
    assert b"".join(answer.streaming_content) == b"\x1b[31mone\n"  # type: ignore[attr-defined]
    assert answer["Content-Type"].startswith("text/plain")


def test_programs_read_the_log_by_cursor(dana: User) -> None:
    run = sft_run()
    first = piece(run, "one\n")
    client = APIClient()
    client.force_authenticate(dana)
    body = client.get(f"/api/v1/runs/{run.code}/log/").json()
    assert (body["lines"], body["cursor"], body["state"]) == (["one"], first.pk, "queued")
    assert client.get(f"/api/v1/runs/{run.code}/log/?after={first.pk}").json()["lines"] == []
    assert client.get(f"/api/v1/runs/{run.code}/log/?after=x").status_code == 422


def test_answers_to_the_same_prompt_stand_side_by_side_with_what_changed(client: Client) -> None:
    run = sft_run()
    said = ((0, "I like pie.", -1.0), (5, "Red is fine.", 0.5), (10, "Red is a color.", 1.5))
    samples = [
        {"step": step, "prompt": "Name a color.", "response": text, "score": score}
        for step, text, score in said
    ]
    Run.objects.filter(pk=run.pk).update(samples=samples)
    url = reverse("run-samples", args=[run.code])
    page = client.get(url).content.decode()
    assert "I like pie." in page
    assert "Red is a color." in page
    chosen = client.get(f"{url}?earlier=5&later=10").content.decode()
    assert "<del>fine.</del>" in chosen
    assert "All 3 steps" in chosen
    assert client.get(f"{url}?earlier=nonsense&later=99").status_code == 200


def test_a_run_without_samples_says_which_setting_makes_them(client: Client) -> None:
    assert "report.sample_every" in client.get(reverse("run-samples", args=[sft_run().code])).content.decode()


def test_what_a_run_takes_is_drawn_with_a_table(client: Client) -> None:
    run = sft_run()
    store_samples(run, [{"at": 60.0 * n, "cpu": 1.5, "memory_bytes": 1024**3} for n in range(1, 6)])
    page = client.get(reverse("run-detail", args=[run.code])).content.decode()
    assert "What it takes of the machine" in page
    points = client.get(reverse("run-points", args=[run.code])).json()
    assert points["metrics"]["resources/cpu"][-1] == [4.0, 1.5]


@pytest.mark.django_db(transaction=True)
def test_a_worker_copies_log_samples_and_resources(
    trainer: Callable[[Mapping[str, Any]], None], client: Client
) -> None:
    trainer({"says": "hello from the run", "samples": [{"step": 1, "prompt": "p", "response": "r"}]})
    run = sft_run()
    run_execution.execute_run(run.code)
    assert "hello from the run" in client.get(reverse("run-log", args=[run.code])).content.decode()
    run.refresh_from_db()
    assert [sample["response"] for sample in run.samples] == ["r"]
