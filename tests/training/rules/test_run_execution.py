"""What a worker does with a run, whatever happens to the process, the worker or the run meanwhile."""

import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.training.factories import sft_run
from training.models import Model, Run, RunState
from training.rules import run_execution, run_folder, run_process, runs
from training.rules.run_execution import execute_run

pytestmark = pytest.mark.django_db(transaction=True)

Play = Callable[[Mapping[str, Any]], None]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_execution, "POLL_SECONDS", 0.05)


def fresh(run: Run) -> Run:
    return Run.objects.get(pk=run.pk)


def starts(run: Run) -> int:
    path = run_folder.folder_of(run) / "starts"
    return len(path.read_text().splitlines()) if path.exists() else 0


def wait_for(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def in_background(run: Run) -> threading.Thread:
    def work() -> None:
        try:
            execute_run(run.code)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_finished_run_leaves_numbers_and_a_model_with_its_lineage(trainer: Play) -> None:
    trainer(
        {
            "points": [[1, {"loss/sft": 2.5}], [1, {"valid/loss": 2.6}], [2, {"loss/sft": float("nan")}]],
            "samples": [{"step": 2, "prompt": "Hi", "response": "Ho\x00"}],
            "metrics": {"loss": 2.0},
        }
    )
    run = sft_run(model_name="first")
    assert execute_run(run.code) == RunState.FINISHED
    run = fresh(run)
    assert run.result == {"loss": 2.0}
    assert (run.progress_done, run.progress_total, run.progress_unit) == (3, 12, "steps")
    assert [(p.step, p.values) for p in run.points.all()] == [
        (1, {"loss/sft": 2.5, "valid/loss": 2.6}),
        (2, {"loss/sft": None}),
    ]
    assert run.samples == [{"step": 2, "prompt": "Hi", "response": "Ho\ufffd"}]
    model = run.model
    assert (model.name, model.kind, model.policy.name if model.policy else "") == ("first", "sft", "first")
    assert model.parent == run.inputs.get(name="policy").model
    assert model.facts == {"seed": 1, "metrics": {"loss": 2.0}}


def test_folder_holds_the_config_and_hard_links_of_the_inputs(trainer: Play) -> None:
    trainer({})
    run = sft_run()
    execute_run(run.code)
    folder = run_folder.folder_of(run)
    assert (folder / "run.toml").read_text() == run.config
    assert (folder / "inputs" / "dataset" / "train.jsonl").stat().st_nlink == 2
    assert (folder / "inputs" / "policy" / "config.json").exists()


def test_run_delivered_twice_is_done_once(trainer: Play) -> None:
    trainer({})
    run = sft_run()
    execute_run(run.code)
    assert execute_run(run.code) == RunState.FINISHED
    assert starts(run) == 1
    assert Model.objects.filter(run=run).count() == 1


def test_two_workers_at_once_start_one_process(trainer: Play) -> None:
    trainer({})
    run = sft_run()
    threads = [in_background(run) for _ in range(4)]
    for thread in threads:
        thread.join()
    assert fresh(run).state == RunState.FINISHED
    assert starts(run) == 1


def test_crash_shows_the_last_lines_of_the_log(trainer: Play) -> None:
    trainer({"crash": "the loss is not a number"})
    run = sft_run()
    assert execute_run(run.code) == RunState.FAILED
    run = fresh(run)
    assert "status 1" in run.reason
    assert "RuntimeError: the loss is not a number" in run.reason
    assert run.log_tail.strip().endswith("RuntimeError: the loss is not a number")


def test_refusal_of_the_process_is_the_reason(trainer: Play) -> None:
    trainer({"refuse": "inputs/dataset: hash differs from its manifest."})
    run = sft_run()
    execute_run(run.code)
    assert fresh(run).reason == "inputs/dataset: hash differs from its manifest."


def test_failed_run_tried_again_goes_on_in_its_folder(trainer: Play) -> None:
    trainer({"crash": "no memory"})
    run = sft_run()
    execute_run(run.code)
    trainer({})
    runs.retry_run(run=run)
    assert execute_run(run.code) == RunState.FINISHED
    assert starts(run) == 2
    assert fresh(run).reason == ""


def test_cancelled_before_it_is_claimed_never_starts(trainer: Play) -> None:
    trainer({})
    run = runs.cancel_run(run=sft_run())
    assert execute_run(run.code) == RunState.CANCELLED
    assert starts(run) == 0


def test_cancelled_while_running_lets_the_process_save(trainer: Play) -> None:
    trainer({"waits": True})
    run = sft_run()
    thread = in_background(run)
    wait_for((run_folder.folder_of(run) / "ready").exists)
    runs.cancel_run(run=run)
    thread.join()
    run = fresh(run)
    assert (run.state, run.reason) == (RunState.CANCELLED, "Cancelled.")
    assert run_folder.read_result(run_folder.folder_of(run))["state"] == "cancelled"


def test_process_that_does_not_stop_is_ended_by_force(trainer: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_process, "GRACE_SECONDS", 0.1)
    trainer({"waits": True, "stubborn": True})
    run = sft_run()
    thread = in_background(run)
    wait_for((run_folder.folder_of(run) / "ready").exists)
    runs.cancel_run(run=run)
    thread.join()
    assert fresh(run).state == RunState.CANCELLED
    assert "by force" in fresh(run).reason


def orphan_of(run: Run) -> subprocess.Popen[bytes]:
    """Return a process whose worker was killed, so that only the process itself holds the folder's lock."""
    folder = run_folder.prepare(run)
    lock = run_process.FolderLock(folder)
    lock.take()
    process = run_process.start(run, folder, lock)
    lock.release()
    wait_for((folder / "ready").exists)
    return process


def test_process_left_over_by_a_dead_worker_is_ended_before_the_next_starts(trainer: Play) -> None:
    trainer({"waits": True, "stubborn": True})
    run = sft_run()
    orphan = orphan_of(run)
    second = run_process.FolderLock(run_folder.folder_of(run))
    second.take(grace_seconds=0.2)
    second.release()
    assert orphan.wait(5) < 0


def test_left_over_process_of_another_machine_keeps_the_run_waiting(
    trainer: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_process, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(run_process, "KILL_SECONDS", 0.1)
    trainer({"waits": True, "stubborn": True})
    run = sft_run()
    orphan = orphan_of(run)
    (run_folder.folder_of(run) / "lock").write_text(f"elsewhere {orphan.pid}\n")
    assert execute_run(run.code) == RunState.QUEUED
    assert "does not end" in fresh(run).reason
    orphan.kill()
    orphan.wait()
    trainer({})
    assert execute_run(run.code) == RunState.FINISHED


def test_worker_that_dies_leaves_a_run_that_another_finishes(trainer: Play) -> None:
    trainer({})
    run = sft_run()
    claimed = runs.claim_run(run, worker="dead")
    assert claimed is not None
    Run.objects.update(heartbeat_at="2020-01-01T00:00:00Z")
    assert runs.recover_runs() == [run]
    assert execute_run(run.code) == RunState.FINISHED
    assert fresh(run).attempt == 2


def test_finished_process_of_a_dead_worker_is_registered_without_training_again(trainer: Play) -> None:
    trainer({})
    run = sft_run()
    execute_run(run.code)
    Model.objects.filter(run=run).delete()
    Run.objects.update(state=RunState.QUEUED)  # as if the worker had died just before it wrote
    assert execute_run(run.code) == RunState.FINISHED
    assert starts(run) == 1
    assert Model.objects.filter(run=run).exists()


def test_worker_that_was_taken_for_dead_ends_its_process_and_writes_nothing(trainer: Play) -> None:
    trainer({"waits": True})
    run = sft_run()
    thread = in_background(run)
    wait_for((run_folder.folder_of(run) / "ready").exists)
    Run.objects.filter(pk=run.pk).update(attempt=9, worker="another")
    thread.join()
    run = fresh(run)
    assert (run.state, run.worker, run.attempt) == (RunState.RUNNING, "another", 9)


def test_missing_input_fails_the_run_with_a_reason(trainer: Play) -> None:
    trainer({})
    run = sft_run()
    model = run.inputs.get(name="policy").model
    assert model is not None
    model.folder = "models/gone"
    model.save()
    assert execute_run(run.code) == RunState.FAILED
    assert "models/gone" in fresh(run).reason
    assert "moved or deleted" in fresh(run).reason


def test_process_does_not_inherit_secrets(trainer: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "hush")
    seen: dict[str, str] = {}
    popen = subprocess.Popen

    def spy(*args: Any, **kwargs: Any) -> Any:
        seen.update(kwargs["env"])
        return popen(*args, **kwargs)

    monkeypatch.setattr(subprocess, "Popen", spy)
    trainer({})
    execute_run(sft_run().code)
    assert "SECRET_KEY" not in seen
    assert seen["HF_HUB_OFFLINE"] == "1"


def test_command_starts_the_core(tmp_path: Path) -> None:
    command = run_process.command(Run(stage="sft"), tmp_path)
    assert command[-5:] == ["-m", "training.rlhf", "sft", "--config", str(tmp_path / "run.toml")]
