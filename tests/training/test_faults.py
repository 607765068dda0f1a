"""What breaks in the middle of training, done for real: workers, broker, disk, store, and people at once.

The state shown is true, nothing is lost, nothing runs twice, and what is said names what to do.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import ProtectedError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling.errors import Conflict
from labeling.models import AuditEvent, Batch, Role, User
from tests.factories import PromptFactory, UserFactory
from tests.services.machine import find_redis
from tests.services.processes import free_port
from tests.services.servers import redis_server
from tests.training.factories import demonstration, draft_batch, ranking, sft_run, stored_model
from tests.training.real_worker import in_another_process, running_worker, tiny_run, wait_for_checkpoint
from training import tasks
from training.models import Dataset, GateOverride, Model, ModelStatus, Round, Run, RunState, Worker
from training.rules import model_keeping, rounds, run_folder
from training.rules.datasets import freeze_dataset
from training.rules.run_execution import execute_run
from training.rules.runs import cancel_run, recover_runs, retry_run, wait_for_run
from training.rules.workers import presences, queues_without_workers

pytestmark = pytest.mark.django_db(transaction=True)

Play = Callable[[Mapping[str, Any]], None]
LONG_AGO = timedelta(minutes=5)
WAIT_SECONDS = 240


@pytest.fixture
def researcher(client: Client) -> User:
    """A researcher whose browser is logged in."""
    user: User = UserFactory.create(name="Dana", role=Role.RESEARCHER)
    client.force_login(user)
    return user


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Do several things at the same moment, each on a connection of its own; returns answers or refusals."""
    barrier = threading.Barrier(len(calls))
    answers: list[Any] = [None] * len(calls)

    def do(place: int) -> None:
        try:
            barrier.wait()
            answers[place] = calls[place]()
        except Exception as error:  # what one of them is told is what the test looks at
            answers[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=do, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.slow
def test_of_two_workers_on_two_queues_one_is_killed_and_each_run_finishes_once(
    settings: Any, tmp_path: Path, client: Client, researcher: User
) -> None:
    settings.RUNS_DIR = settings.DATA_DIR / "runs"
    hit, spared = tiny_run(steps=400, name="hit"), tiny_run(steps=20, name="spared", queue="big")
    with running_worker(settings, tmp_path / "big.log", queues=("big",)):
        with running_worker(settings, tmp_path / "gpu.log") as doomed:
            tasks.enqueue_run(hit)
            wait_for_checkpoint(hit)
            tasks.enqueue_run(spared)
            os.killpg(doomed.pid, signal.SIGKILL)
            doomed.wait()
        assert wait_for_run(spared, timeout=WAIT_SECONDS).state == RunState.FINISHED
        Run.objects.filter(pk=hit.pk).update(heartbeat_at=timezone.now() - LONG_AGO)
        Worker.objects.filter(name__startswith="gpu").update(seen_at=timezone.now() - LONG_AGO)
        assert recover_runs() == [hit]
        assert queues_without_workers(presences()) == ["gpu"]
        assert "no living worker" in client.get(reverse("worker-list")).content.decode()
        assert "went silent; it will be resumed" in page_of(client, hit)
        with running_worker(settings, tmp_path / "gpu-again.log"):
            tasks.enqueue_run(hit)
            assert wait_for_run(hit, timeout=WAIT_SECONDS).state == RunState.FINISHED
    spared.refresh_from_db()
    assert (hit.attempt, spared.attempt) == (2, 1)
    assert (hit.points.count(), spared.points.count()) == (400, 20)
    assert Model.objects.filter(run__in=(hit, spared)).count() == 2


@pytest.mark.slow
def test_broker_restarted_empty_in_the_middle_of_a_run_loses_none_and_doubles_none(
    settings: Any, tmp_path: Path
) -> None:
    program = find_redis()
    if program is None:
        pytest.skip("LEFT OUT: Redis is not installed")
    settings.RUNS_DIR = settings.DATA_DIR / "runs"
    port = free_port()
    there = {"REDIS_URL": f"redis://127.0.0.1:{port}/0"}
    working, waiting = tiny_run(steps=400, name="working"), tiny_run(steps=10, name="waiting")
    with ExitStack() as worker_there:
        with redis_server(program, port):
            worker_there.enter_context(running_worker(settings, tmp_path / "worker.log", more=there))
            assert enqueue(settings, working, **there) == 0
            wait_for_checkpoint(working)
        assert enqueue(settings, waiting, **there) == 0
        waiting.refresh_from_db()
        assert (waiting.state, waiting.sent_at) == (RunState.QUEUED, None)
        with redis_server(program, port):
            assert wait_for_run(working, timeout=WAIT_SECONDS).state == RunState.FINISHED
            again = in_another_process(
                settings, "from training.tasks import recover_runs; recover_runs()", **there
            )
            assert again.wait(120) == 0
            assert wait_for_run(waiting, timeout=WAIT_SECONDS).state == RunState.FINISHED
            worker_there.close()
    assert (working.attempt, waiting.attempt) == (1, 1)
    assert (working.points.count(), waiting.points.count()) == (400, 10)


def enqueue(settings: Any, run: Run, **more: str) -> int:
    """Wake a worker from another process, as the web server does; returns its exit status."""
    code = "from training.models import Run; from training.tasks import enqueue_run; "
    code += f"enqueue_run(Run.objects.get(pk={run.pk}))"
    return in_another_process(settings, code, **more).wait(120)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a quarter of a megabyte, which a test can fill."""
    if os.geteuid() != 0:
        pytest.skip("LEFT OUT: only root may mount a small disk")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("LEFT OUT: this machine does not let a disk be mounted")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_disk(folder: Path) -> Path:
    """Write until there is no room left; returns the file that takes it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    assert os.statvfs(folder).f_bavail == 0
    return filler


def test_full_disk_refuses_to_freeze_keeps_nothing_and_says_what_to_do(
    settings: Any, small_disk: Path, client: Client, researcher: User
) -> None:
    settings.ARTIFACTS_URL = small_disk.as_uri()
    demonstration()
    filler = fill_disk(small_disk)
    answer = client.post(reverse("dataset-freeze"), {"kind": "sft"})
    assert answer.status_code == 422
    assert "is full; nothing was stored. Free some space and try again." in answer.content.decode()
    assert not Dataset.objects.exists()
    filler.unlink()
    assert not list(small_disk.rglob("*.jsonl"))
    assert client.post(reverse("dataset-freeze"), {"kind": "sft"}).status_code == 302
    assert Dataset.objects.get().rows == 1


def test_run_whose_model_finds_no_room_is_finished_later_without_training_twice(
    settings: Any, small_disk: Path, trainer: Play, client: Client, researcher: User
) -> None:
    settings.ARTIFACTS_URL = small_disk.as_uri()
    run = sft_run()
    filler = fill_disk(small_disk)
    trainer({"points": [(1, {"loss/sft": 1.0})]})
    assert execute_run(run.code) == RunState.FAILED
    text = page_of(client, run)
    assert "is full; nothing was stored. Free some space and try again." in text
    assert "Try again" in text
    filler.unlink()
    assert execute_run(retry_run(run=run).code) == RunState.FINISHED
    assert len((run_folder.folder_of(run) / "starts").read_text().splitlines()) == 1
    assert Model.objects.get(run=run).facts["metrics"] == {}


def test_run_folder_that_is_closed_or_full_fails_a_run_at_once_and_it_goes_on_later(
    settings: Any, small_disk: Path, trainer: Play, client: Client, researcher: User
) -> None:
    settings.RUNS_DIR = small_disk / "runs"
    trainer({})
    run = sft_run()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert execute_run(run.code) == RunState.FAILED
    said = f"{small_disk}/runs does not let this process write (Read-only file system)"
    assert said in page_of(client, run)
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    filler = fill_disk(small_disk)
    assert execute_run(retry_run(run=run).code) == RunState.FAILED
    assert f"The disk that holds {small_disk}/runs is full" in page_of(client, run)
    filler.unlink()
    assert execute_run(retry_run(run=run).code) == RunState.FINISHED


def test_run_folder_where_a_file_stands_fails_a_run_with_that_reason(
    settings: Any, trainer: Play, tmp_path: Path
) -> None:
    settings.RUNS_DIR = tmp_path / "runs"
    settings.RUNS_DIR.write_text("no folder")
    trainer({})
    run = sft_run()
    assert execute_run(run.code) == RunState.FAILED
    run.refresh_from_db()
    assert "Not a directory" in run.reason
    assert recover_runs() == []


def test_store_that_is_away_fails_a_run_with_the_reason_and_it_goes_on_when_it_is_back(
    settings: Any, trainer: Play, client: Client, researcher: User, tmp_path: Path
) -> None:
    run = sft_run()
    dataset = Dataset.objects.get()
    store = tmp_path / "artifacts"
    store.rename(tmp_path / "away")
    trainer({})
    assert execute_run(run.code) == RunState.FAILED
    assert "was it moved or deleted?" in page_of(client, run)
    assert "not where they were stored" in page_of(client, dataset)
    part = client.get(reverse("dataset-part", args=[dataset.code, "train"]), follow=True)
    assert "not where they were stored" in part.content.decode()
    (tmp_path / "away").rename(store)
    assert execute_run(retry_run(run=run).code) == RunState.FINISHED
    assert Model.objects.filter(run=run).count() == 1


def test_dataset_of_a_queued_run_cannot_be_deleted_and_lost_files_fail_it_with_a_reason(
    settings: Any, trainer: Play, client: Client, researcher: User, tmp_path: Path
) -> None:
    run = sft_run()
    dataset = Dataset.objects.get()
    with pytest.raises(ProtectedError):
        dataset.delete()
    (tmp_path / "artifacts" / dataset.folder).rename(tmp_path / "deleted")
    trainer({})
    assert execute_run(run.code) == RunState.FAILED
    run.refresh_from_db()
    assert dataset.folder in run.reason
    assert "was it moved or deleted?" in page_of(client, run)
    assert not (run_folder.folder_of(run) / "starts").exists()


def test_run_cancelled_by_two_people_at_once_saves_once_and_says_who(trainer: Play) -> None:
    run = sft_run()
    trainer({"waits": True})
    people = [UserFactory.create(name=name, role=Role.RESEARCHER) for name in ("Dana", "Robin")]

    def work() -> None:
        execute_run(run.code)
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    while not (run_folder.folder_of(run) / "ready").exists():
        assert worker.is_alive()
    answers = at_once(*(lambda by=by: cancel_run(run=Run.objects.get(), by=by) for by in people))
    worker.join()
    run.refresh_from_db()
    assert [type(answer) for answer in answers] == [Run, Run]
    assert run.state == RunState.CANCELLED
    event = AuditEvent.objects.get(action="cancel_run")
    assert run.reason == f"Cancelled by {event.actor}."
    cancel_run(run=run, by=people[0])
    assert AuditEvent.objects.filter(action="cancel_run").count() == 1


def test_step_of_a_round_started_by_two_people_at_once_is_done_once() -> None:
    PromptFactory.create_batch(3)
    rounds.open_round(base_model=stored_model(), settings={"valid_prompts": 0})
    both = [UserFactory.create(role=Role.RESEARCHER) for _ in range(2)]
    answers = at_once(
        *(lambda by=by: rounds.start_step(given=Round.objects.get(), key="demonstrate", by=by) for by in both)
    )
    refused = [answer for answer in answers if isinstance(answer, Conflict)]
    assert len(refused) == 1
    assert "it is at: Collect demonstrations (running)" in refused[0].message
    assert Batch.objects.count() == 1
    assert AuditEvent.objects.filter(action="start_step").count() == 1


def test_two_models_of_a_kind_promoted_at_once_leave_one_promoted() -> None:
    models = [stored_model(name=name) for name in ("one", "two")]
    answers = at_once(*(lambda model=model: model_keeping.promote_model(model=model) for model in models))
    assert [type(answer) for answer in answers] == [Model, Model]
    assert Model.objects.filter(status=ModelStatus.PROMOTED).count() == 1
    assert AuditEvent.objects.filter(action="promote_model").count() == 2


def test_gate_opened_by_two_people_at_once_bears_one_signature() -> None:
    given = rounds.open_round(base_model=stored_model())
    given.comparison_batch = draft_batch(k=3)
    ranking([1, 2, 3], batch=given.comparison_batch)
    given.comparisons_dataset = freeze_dataset(kind="comparisons")
    given.save()
    both = [UserFactory.create(role=Role.RESEARCHER) for _ in range(2)]
    reason = "One labeler must do for this round."
    answers = at_once(
        *(lambda by=by: rounds.open_gate(given=Round.objects.get(), reason=reason, by=by) for by in both)
    )
    signed = GateOverride.objects.get()
    (refused,) = [answer for answer in answers if isinstance(answer, Conflict)]
    assert refused.message == f"The gate of {given} is open already: {signed.by} has signed."


def page_of(client: Client, row: Run | Dataset) -> str:
    """Return what the page of a run or a dataset says."""
    name = "run-detail" if isinstance(row, Run) else "dataset-detail"
    return client.get(reverse(name, args=[row.code])).content.decode()
